from __future__ import annotations

import os
from pathlib import Path

import pytest

from uv_layers.tree import base
from uv_layers.tree.build import Tree

SITE = "lib/python3.12/site-packages"


@pytest.fixture
def image(tmp_path, monkeypatch):
    """The file system of the base image."""
    monkeypatch.setattr(base, "ROOT", tmp_path / "image")
    return tmp_path / "image"


@pytest.fixture
def tree(tmp_path):
    def build(*paths: str, prefix: str = "/usr/local") -> Tree:
        folder = tmp_path / "tree"
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
        sites = (f"{prefix.strip('/')}/{SITE}".strip("/"),)
        return Tree("x", folder, 1, 1, 1, 1.0, up_to_date=False, prefix=prefix, sites=sites)

    return build


@pytest.mark.parametrize(
    ("metadata", "version"),
    [
        ("Demo_Pkg-1.0.dist-info", "1.0"),
        ("demo_pkg-1.0-py3.12.egg-info", "1.0"),
        ("demo_pkg-2.0.dist-info", None),
        ("demo_pkg.dist-info", None),
        ("other-1.0.dist-info", None),
        ("demo_pkg-1.0.txt", None),
    ],
)
def test_a_package_that_the_base_has_in_another_version_is_reported_with_both(image, tree, metadata, version):
    (image / "usr/local" / SITE / metadata).mkdir(parents=True)
    found = list(base.overlaps(tree(f"usr/local/{SITE}/demo_pkg-2.0.dist-info/RECORD")))
    start = f"/usr/local/{SITE} already has demo-pkg {version}, and this layer brings 2.0: "
    assert [message.startswith(start) for message in found] == ([True] if version else [])


def test_a_flat_tree_goes_below_usr_local(image, tree):
    (image / "usr/local" / SITE / "demo-1.0.dist-info").mkdir(parents=True)
    (image / "lib").mkdir()
    flat = tree(f"{SITE}/demo-2.0.dist-info/RECORD", prefix="/")
    assert len(list(base.overlaps(flat))) == 1
    (image / "usr/local/lib").rename(image / "usr/local/lib64")
    assert list(base.overlaps(flat)) == []


def _owned(image: Path, *folders: str) -> None:
    """Make folders, and let everything in the image have the owner and mode that a layer gives it, as far as we may."""
    for folder in folders:
        (image / folder).mkdir(parents=True, exist_ok=True)


@pytest.fixture
def as_root(monkeypatch):
    """Let the files of whoever runs the tests be those of root."""
    lstat = Path.lstat

    def owned(path):
        status = list(lstat(path))
        status[4] = status[5] = 0
        return os.stat_result(status)

    monkeypatch.setattr(Path, "lstat", owned)


def test_a_link_that_a_folder_would_replace_is_reported(image, tree, as_root):
    _owned(image, "usr/local/share/man")
    (image / "usr/local/man").symlink_to("share/man")
    [message] = base.damages(tree("usr/local/man/man1/x.1"))
    assert message.startswith("the base image has a link at /usr/local/man, where this layer has a folder; ")


def test_a_file_and_a_folder_that_would_replace_each_other_are_reported(image, tree, as_root):
    _owned(image, "usr/local/share/doc")
    (image / "usr/local/etc").touch()
    messages = sorted(base.damages(tree("usr/local/etc/x.conf", "usr/local/share/doc", "usr/local/bin/new")))
    assert [message.partition(";")[0] for message in messages] == [
        "the base image has a file at /usr/local/etc, where this layer has a folder",
        "the base image has a folder at /usr/local/share/doc, where this layer has a file",
    ]


@pytest.mark.parametrize(("folder", "damaged"), [("app", True), ("app/.venv", True), ("app/.venv/lib", False)])
def test_an_owner_or_mode_of_a_parent_that_would_change_is_reported(image, tree, as_root, folder, damaged):
    _owned(image, "app/.venv/lib")
    venv = tree(f"app/.venv/{SITE}/x.py", prefix="/app/.venv")
    assert list(base.damages(venv)) == []
    (image / folder).chmod(0o2775)
    message = f"this layer changes /{folder} from owner 0:0 and mode 2775 to owner 0:0 and mode 755; "
    assert [found.startswith(message) for found in base.damages(venv)] == ([True] if damaged else [])


def test_what_the_base_does_not_have_is_no_damage(image, tree, as_root):
    _owned(image)
    assert list(base.damages(tree(f"app/.venv/{SITE}/x.py", prefix="/app/.venv"))) == []
