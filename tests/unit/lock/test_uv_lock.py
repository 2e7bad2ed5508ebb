from textwrap import dedent

import pytest

from uv_layers.lock.uv_lock import Requirement, UvLock, read_uv_lock

LOCK = """\
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
        path.write_text(LOCK.format(options=dedent(options)), encoding="utf-8")
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
