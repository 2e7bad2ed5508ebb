"""A disk that is full: one line that says where and what to do, the old tree as it was, and nothing half."""

from __future__ import annotations

import json
import secrets
import shutil

import pytest

ROOM = "free disk space, or choose another folder"


def _noise(kilobytes: int) -> str:
    """Return text that cannot be made smaller."""
    return secrets.token_hex(kilobytes * 512)


@pytest.fixture
def old(stage, run, tmp_path, layers_of):
    """Make a tree and return a function that holds that it, and nothing else, is there."""
    caches = {"UV_CACHE_DIR": str(tmp_path / "old-uv"), "UV_LAYERS_CACHE_DIR": str(tmp_path / "old-bytecode")}

    def make(*words):
        layers = layers_of(stage)
        stage.lock("heavy", stage.wheel("one", files={"one.py": "X = 1\n"}))
        assert run("install", "heavy", *words, cwd=stage, **caches).status == 0
        before = layers.digest(), layers.record()
        assert before[0]

        def hold():
            assert (layers.digest(), layers.record()) == before
            assert layers.strays() == []

        return hold

    return make


@pytest.fixture
def on_disk(stage, disk):
    """Return a function that has the folder of layers on a small disk, and returns that."""

    def call(kilobytes):
        made = disk(kilobytes)
        (stage / "layers").symlink_to(made.path)
        return made

    return call


def test_the_cache_of_uv_is_full(stage, start, run, disk, cold, old, mark, layers_of):
    hold = old()
    small = disk(512)
    stage.lock("heavy", stage.wheel("one", "2.0", files={"one/data.txt": _noise(2000)}))
    ended = start("install", "heavy", cwd=stage, **cold() | {"UV_CACHE_DIR": str(small.path)}).end()
    assert (ended.status, ended.stdout) == (3, "")
    assert "No space left on device" in ended.stderr
    assert f"{ROOM} with UV_CACHE_DIR, TMPDIR or --layers-dir; the command was: " in ended.error
    hold()
    assert run("install", "heavy", cwd=stage, **cold()).status == 0
    assert layers_of(stage).strays() == []


def test_the_folder_of_layers_is_full_when_uv_installs(stage, start, run, on_disk, cold, old, layers_of):
    small = on_disk(1024)
    hold = old()
    stage.lock("heavy", stage.wheel("one", "2.0", files={"one/data.txt": _noise(500)}))
    filler = small.fill(leave=100_000)
    ended = start("install", "heavy", cwd=stage, **cold()).end()
    assert (ended.status, ended.stdout) == (3, "")
    assert ROOM in ended.error
    hold()
    filler.unlink()
    assert run("install", "heavy", cwd=stage, **cold()).status == 0
    assert layers_of(stage).strays() == []


@pytest.mark.parametrize("cached", [False, True], ids=["compiled", "from the cache"])
def test_the_folder_of_layers_is_full_when_bytecode_is_written(
    stage, start, run, on_disk, cold, old, layers_of, cached
):
    small = on_disk(2048)
    hold = old()
    caches = cold()
    # The sources find room, and what is as large again does not.
    stage.lock("heavy", stage.wheel("one", "2.0", files={"one/a.py": f"X = '{_noise(500)}'\n"}))
    if cached:
        assert run("install", "heavy", "--layers-dir", "elsewhere", cwd=stage, **caches).status == 0
    filler = small.fill(leave=800_000)
    ended = start("install", "heavy", cwd=stage, **caches).end()
    assert ended.stdout == ""
    # From the cache it is written while uv copies: either may be the one that finds no room.
    assert ended.status in ({3, 4} if cached else {4})
    assert ROOM in ended.error
    if ended.status == 4:
        assert ended.error.startswith(f"error[machine]: No space left on device: {stage.path}/layers/.uv-layers/")
    hold()
    filler.unlink()
    assert run("install", "heavy", cwd=stage, **caches).status == 0
    assert layers_of(stage).strays() == []


def test_not_a_byte_is_left_in_the_folder_of_layers(stage, start, run, on_disk, cold, layers_of):
    small = on_disk(256)
    stage.lock("heavy", stage.wheel("one", files={"one.py": "X = 1\n"}))
    filler = small.fill()
    ended = start("install", "heavy", cwd=stage, **cold()).end()
    assert ended.status in {3, 4}
    assert ROOM in ended.error
    assert layers_of(stage).digest() is None
    assert layers_of(stage).strays() == ["filler"] or layers_of(stage).strays() == []
    filler.unlink()
    assert run("install", "heavy", cwd=stage, **cold()).status == 0
    assert layers_of(stage).strays() == []


def test_the_disk_is_full_when_the_record_is_written(stage, start, run, on_disk, cold, layers_of):
    """The tree is in its place, and what is said of it finds no room: then it is said that nothing is known."""
    small, layers, words = on_disk(4096), layers_of(stage), ("install", "heavy")
    # What is recorded are the digests of bytecode: many files that are empty, and have long names.
    code = {f"{'p' * 120}/{'m' * 100}{number}.py": "" for number in range(200)}
    stage.lock("heavy", stage.wheel("one", files=code))
    caches = cold()
    assert run(*words, cwd=stage, **caches).status == 0
    recorded = (small.path / ".uv-layers/heavy.json").stat().st_size
    needed, seen = small.used, set()
    for leave in range(needed - 2 * recorded, needed + recorded, recorded // 3):
        for path in (small.path / "heavy", small.path / ".uv-layers"):
            shutil.rmtree(path)
        filler = small.fill(leave=leave)
        ended = start(*words, cwd=stage, **caches).end()
        assert ended.status == 0 or ROOM in ended.error
        assert (ended.status == 0) == (layers.record() is not None)
        seen.add((ended.status, layers.digest() is not None))
        assert layers.strays() == []
        filler.unlink()
        (small.path / "heavy").mkdir(exist_ok=True)
    assert {(0, True), (4, True)} <= seen
    shutil.rmtree(small.path / "heavy")
    assert run(*words, cwd=stage, **caches).status == 0
    assert run("verify", "heavy", cwd=stage).status == 0


def test_a_full_bytecode_cache_is_only_a_cache(stage, start, run, disk, cold, layers_of):
    wheel = stage.wheel("one", files={f"one/{number}.py": f"X = '{_noise(50)}'\n" for number in range(10)})
    stage.lock("heavy", wheel)
    reference = stage.copy("reference")
    assert run("install", "heavy", cwd=reference, **cold()).status == 0
    for kilobytes in (4, 64, 256):
        small = disk(kilobytes)
        caches = cold() | {"UV_LAYERS_CACHE_DIR": str(small.path)}
        ended = start("install", "heavy", "--layers-dir", f"layers-{kilobytes}", cwd=stage, **caches).end()
        assert (ended.status, "error[" in ended.stderr) == (0, False)
        assert [path for path in small.path.rglob("*") if path.name.startswith(".")] == []
        made = json.loads(
            run("install", "heavy", "--digest", "--json", "--layers-dir", f"layers-{kilobytes}", cwd=stage).stdout
        )
        assert made["result"]["layers"][0]["digest"] == layers_of(reference).digest()


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


PROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["web=={version}"]
"""


def test_no_room_for_a_layer_lock_leaves_the_old_one(project, start, run, disk):
    small = disk(64)
    folder = project(PROJECT.format(version="1.0"))
    assert run("export", "-o", small.path, cwd=folder).status == 0
    lock = small.path / "pylock.dependencies.toml"
    old = lock.read_bytes()
    folder = project(PROJECT.format(version="1.1"))
    filler = small.fill()
    ended = start("export", "-o", small.path, cwd=folder).end()
    assert (ended.status, ended.stdout) == (4, "")
    assert ended.error == f"error[machine]: No space left on device: {lock}; {ROOM}"
    assert lock.read_bytes() == old
    assert _names(small.path) == ["filler", "pylock.dependencies.toml"]
    filler.unlink()
    assert run("export", "-o", small.path, cwd=folder).status == 0
    assert lock.read_bytes() != old
    assert _names(small.path) == ["pylock.dependencies.toml"]


def test_no_file_may_be_that_large(stage, start, run, cold, old, layers_of):
    hold = old()
    stage.lock("heavy", stage.wheel("one", "2.0", files={"one/data.txt": _noise(2000)}))
    # The shell counts in kilobytes; what uv does then is to be ended by the signal for that.
    limit = ("bash", "-c", 'ulimit -c 0; ulimit -f 500; exec "$@"', "bash")
    ended = start("install", "heavy", cwd=stage, before=limit, **cold()).end()
    assert ended.status == 3
    assert ended.error.startswith("error[uv-failed]: uv ")
    hold()
    assert run("install", "heavy", cwd=stage, **cold()).status == 0
    assert layers_of(stage).strays() == []
