"""`uv.lock`: the packages in local folders that uv installs, and locks that uv did not write."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest
import tomli
import tomli_w

from uv_layers import errors
from uv_layers.lock.uv_lock import LockedPackage, Requirement, UvLock, read_uv_lock
from uv_layers.system import documents

LOCK = """\
version = 1
requires-python = ">=3.10"
supported-markers = ["sys_platform == 'linux'", 1]

[[package]]
name = "app"
version = "1.0"
source = { virtual = "." }
dependencies = [{ name = "one" }, { name = "web" }, { version = "2" }]
[package.optional-dependencies]
more = [{ name = "extra" }]
[package.dev-dependencies]
tools = [{ name = "plain" }, { name = "two" }]

[[package]]
name = "one"
source = { editable = "one" }
dependencies = [{ name = "two" }]

[[package]]
name = "two"
source = { directory = "two" }
dependencies = [{ name = "one" }]

[[package]]
name = "plain"
source = { virtual = "plain" }
dependencies = [{ name = "extra" }]

[[package]]
name = "extra"
source = { editable = "extra" }

[[package]]
name = "web"
source = { registry = "here" }
dependencies = [{ name = "extra" }]

[[package]]
name = "spoiled"
source =
"""


@pytest.fixture
def lock(tmp_path):
    (tmp_path / "uv.lock").write_text(LOCK, encoding="utf-8")
    return read_uv_lock(tmp_path / "uv.lock")


@pytest.mark.parametrize(
    ("packages", "kind", "name", "installed"),
    [
        (["app"], "dependencies", "", {"one", "two"}),
        (["app"], "extra", "more", {"extra"}),
        (["app"], "group", "tools", {"one", "two", "extra"}),
        (["app"], "group", "others", set()),
        (["one"], "dependencies", "", {"one", "two"}),
        # The claim of a group is for what the group needs, and not for the package that has it.
        (["one"], "group", "tools", set()),
        (["plain", "one"], "dependencies", "", {"extra", "one", "two"}),
        (["web", "spoiled", "unknown"], "dependencies", "", set()),
    ],
)
def test_the_local_packages_of_a_claim(lock, packages, kind, name, installed):
    assert lock.local_packages(packages, kind, name) == installed


def test_the_head_of_a_lock(lock):
    assert (lock.requires_python, lock.environments) == (">=3.10", ("sys_platform == 'linux'",))
    assert set(lock.tables) == {"app", "one", "two", "plain", "extra", "web", "spoiled"}
    spoiled = UvLock({"requires-python": 3, "supported-markers": "linux"})
    assert (spoiled.requires_python, spoiled.environments) == ("", ())


def test_the_groups_and_extras_of_a_package(lock):
    app = lock.package("app")
    assert (app.groups, app.extras, app.has_dependencies, app.local) == (("tools",), ("more",), True, "virtual")
    assert lock.package("spoiled") == LockedPackage()


def _sorted(text):
    document = tomli.loads(text)
    packages = [dict(sorted(package.items())) for package in document.pop("package")]
    return tomli_w.dumps({**document, "package": packages})


@pytest.mark.parametrize(
    "reformat", [lambda text: indent(text, "    "), _sorted, lambda text: text.replace("[[package]]", "[[ package ]]")]
)
def test_a_lock_that_a_formatter_wrote_says_the_same(tmp_path, lock, reformat):
    text = LOCK.partition('[[package]]\nname = "spoiled"')[0]
    text += '[[package]]\nname = "cloned"\nsource = { git = "https://host/cloned" }\n'
    (tmp_path / "uv.lock").write_text(reformat(text), encoding="utf-8")
    formatted = read_uv_lock(tmp_path / "uv.lock")
    assert formatted.head == lock.head
    assert set(formatted.tables) == {*lock.tables, "cloned"} - {"spoiled"}
    assert all(formatted.package(name) == lock.package(name) for name in lock.tables)
    assert formatted.local_packages(["app"], "group", "tools") == {"one", "two", "extra"}
    assert formatted.git_packages == {"cloned"}


@pytest.mark.parametrize("text", ["", "package = 3", "[[package]]\nversion = 1"])
def test_a_lock_without_packages(tmp_path, text):
    (tmp_path / "uv.lock").write_text(text, encoding="utf-8")
    assert not read_uv_lock(tmp_path / "uv.lock").tables


def test_a_lock_larger_than_any_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "LARGEST_LOCK", 3)
    (tmp_path / "uv.lock").write_text("four", encoding="utf-8")
    with pytest.raises(errors.UnreadableFileError, match="larger than 3 bytes"):
        read_uv_lock(tmp_path / "uv.lock")


REQUIREMENTS = """\
version = 1
requires-python = ">=3.12"
{options}
[manifest.dependency-groups]
root = [{{ name = "a", extra = ["fast"] }}, {{ specifier = ">=1" }}]

[[package]]
name = "app"
version = "0.1.0"
source = {{ virtual = "." }}
dependencies = [{{ name = "a" }}]

[package.optional-dependencies]
web = [{{ name = "b" }}]

[package.dev-dependencies]
heavy = [{{ name = "c", extra = ["fast"] }}]

[[package]]
name = "a"
version = "1.0"
source = {{ git = "https://git.example/a#0123456789abcdef0123456789abcdef01234567" }}
dependencies = [{{ name = "b" }}]

[[package]]
name = "a"
version = "2.0"
dependencies = [{{ name = "c" }}]

[[package]]
name = "b"
version = "1.0"
dependencies = [{{ name = "a" }}]

[[package]]
name = "c"
version = "1.0"

[package.optional-dependencies]
fast = [{{ name = "b" }}]
"""


@pytest.fixture
def read(tmp_path):
    def read(options=""):
        path = tmp_path / "uv.lock"
        path.write_text(REQUIREMENTS.format(options=dedent(options)), encoding="utf-8")
        return read_uv_lock(path)

    return read


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        ("", {}),
        ('[options]\nexclude-newer = "2024-12-01T00:00:00Z"\n', {"exclude-newer": "2024-12-01T00:00:00Z"}),
        (
            '[options]\nexclude-newer = "0001-01-01T00:00:00Z"\nexclude-newer-span = "P1W"\n',
            {"exclude-newer": "P1W"},
        ),
        (
            '[options]\nexclude-newer = "2025-06-01T00:00:00Z"\nexclude-newer-span = "P1W"\n',
            {"exclude-newer": "2025-06-01T00:00:00Z"},
        ),
        (
            """
            [options.exclude-newer-package]
            a = false
            b = { timestamp = "0001-01-01T00:00:00Z", span = "P3W" }
            c = "2025-01-01T00:00:00Z"
            d = 1
            """,
            {"exclude-newer-package": {"a": False, "b": "P3W", "c": "2025-01-01T00:00:00Z"}},
        ),
        ("options = 1\n", {}),
    ],
    ids=["none", "time", "span", "time and span", "packages", "malformed"],
)
def test_the_limits_that_a_lock_was_made_with_are_settings(read, options, limits):
    assert read(options).upload_limits == limits


def test_the_packages_from_git_are_known(read):
    assert read().git_packages == {"a"}


def test_a_closure_has_what_any_version_and_the_extras_need(read):
    lock = read()
    assert lock.closure([Requirement("c")]) == {"c"}
    assert lock.closure([Requirement("c", ("fast",))]) == {"a", "b", "c"}
    assert lock.closure([Requirement("unknown")]) == {"unknown"}


def test_the_requirements_of_a_package_by_what_is_asked_for(read):
    lock = read()
    assert lock.requirements("app") == [Requirement("a")]
    assert lock.requirements("app", ["web", "unknown"], ["heavy"], dependencies=False) == [
        Requirement("b"),
        Requirement("c", ("fast",)),
    ]
    assert lock.root_requirements(["root", "unknown"]) == [Requirement("a", ("fast",))]
    assert UvLock().root_requirements(["root"]) == []
