"""Folders that cannot be written to, as they are read-only or somebody else's."""

from __future__ import annotations

import os

import pytest

ACCESS = "check the folder's permissions, or choose another folder"


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def lock(stage):
    return stage.lock("heavy", stage.wheel("one", files={"one.py": "X = 1\n"}))


@pytest.mark.parametrize("what", ["the folder of layers", "the folder that it is to be in"])
def test_a_read_only_disk(stage, start, run, disk, cold, lock, layers_of, what):
    small = disk(2048)
    place = small.path if what == "the folder of layers" else small.path / "new" / "layers"
    (stage / "layers").symlink_to(place)
    words = ("install", "heavy", "--layers-dir", place)
    small.mount("remount", "ro")
    ended = start(*words, cwd=stage, **cold()).end()
    assert (ended.status, ended.stdout) == (4, "")
    assert ended.error.startswith(f"error[machine]: Read-only file system: {small.path}/")
    assert ended.error.endswith(f"; {ACCESS}")
    assert _names(small.path) == []
    small.mount("remount", "rw")
    assert run(*words, cwd=stage, **cold()).status == 0
    # What is up to date needs nothing to be written.
    small.mount("remount", "ro")
    ended = start(*words, cwd=stage, **cold()).end()
    assert (ended.status, "up to date" in ended.stderr) == (0, True)
    assert start("verify", "heavy", "--layers-dir", place, cwd=stage).end().status == 0
    small.mount("remount", "rw")
    assert layers_of(stage).strays() == []


def test_a_read_only_cache_of_bytecode(stage, start, run, disk, cold, lock):
    small = disk(2048)
    caches = cold() | {"UV_LAYERS_CACHE_DIR": str(small.path)}
    small.mount("remount", "ro")
    assert start("install", "heavy", cwd=stage, **caches).end().status == 0
    small.mount("remount", "rw")
    assert _names(small.path) == []


def test_a_folder_of_somebody_else(stage, start, nobody, lock, layers_of):
    """A folder of root, where another user makes trees: nothing is done, and what root does next is right."""
    place = nobody.folder / "layers"
    place.mkdir()
    (nobody.folder / "work").mkdir()
    for file in (lock, *stage.files.iterdir()):
        (nobody.folder / "work" / file.name).write_bytes(file.read_bytes())
    moved = nobody.folder / "work" / lock.name
    text = moved.read_text(encoding="utf-8").replace(stage.files.as_uri(), moved.parent.as_uri())
    moved.write_text(text, encoding="utf-8")
    words = ("install", "heavy", "--layers-dir", place)
    ended = start(*words, cwd=moved.parent, before=nobody.before).end()
    assert (ended.status, ended.stdout) == (4, "")
    assert ended.error == f"error[machine]: Permission denied: {place}/.uv-layers; {ACCESS}"
    assert _names(place) == []
    assert start(*words, cwd=moved.parent).end().status == 0
    digest = layers_of(nobody.folder).digest()
    assert digest
    # The tree of root is no other's to replace.
    moved.write_text(text.replace("/usr/local", "/opt") + "\n", encoding="utf-8")
    ended = start(*words, "--prefix", "/opt", cwd=moved.parent, before=nobody.before).end()
    assert ended.status == 4
    assert ended.error.startswith(f"error[machine]: Permission denied: {place}/.uv-layers/")
    assert layers_of(nobody.folder).digest() == digest
    assert layers_of(nobody.folder).strays() == []


def test_a_folder_that_its_owner_may_not_write_to(stage, start, run, cold, lock, layers_of):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (stage / "layers").mkdir()
    (stage / "layers").chmod(0o555)
    ended = start("install", "heavy", cwd=stage, **cold()).end()
    assert (ended.status, ended.stdout) == (4, "")
    assert ended.error == f"error[machine]: Permission denied: {stage.path}/layers/.uv-layers; {ACCESS}"
    (stage / "layers").chmod(0o755)
    assert run("install", "heavy", cwd=stage, **cold()).status == 0
    assert layers_of(stage).strays() == []
