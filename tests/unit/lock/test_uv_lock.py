"""`uv.lock`: the packages in local folders that uv installs, and locks that uv did not write."""

from __future__ import annotations

import pytest

from uv_layers import errors
from uv_layers.lock.uv_lock import LockedPackage, UvLock, read_uv_lock
from uv_layers.system import documents

LOCK = """\
version = 1
requires-python = ">=3.10"
supported-markers = ["sys_platform == 'linux'", 1]

[[package]]
version = "1.0"

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
    assert lock.package("spoiled") == LockedPackage(needs={("dependencies", ""): ()})


def test_a_lock_larger_than_any_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "LARGEST_LOCK", 3)
    (tmp_path / "uv.lock").write_text("four", encoding="utf-8")
    with pytest.raises(errors.UnreadableFileError, match="more than 3 bytes"):
        read_uv_lock(tmp_path / "uv.lock")
