"""A bytecode cache that two versions of uv-layers share, and that is damaged at random: trees come out the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import uv_layers
from uv_layers.tree.bytecode_cache import FORMAT

WHEELS = 6


@pytest.fixture
def lock(stage):
    wheels = [
        stage.wheel(f"w{n}", files={f"w{n}/{m}.py": f"'A docstring.'\nX = {m}, {n}\n" for m in range(5)})
        for n in range(WHEELS)
    ]
    # Two releases whose files have the same names, so that the bytecode of the one could pass for that of the other.
    stage.lock("other", stage.wheel("w0", "2.0", files={f"w0/{m}.py": f"Y = {m}\n" for m in range(5)}))
    return stage.lock("heavy", *wheels)


@pytest.fixture
def other_version(tmp_path):
    """Return an environment in which uv-layers is of another release, whose cache has another form."""
    place = tmp_path / "other"
    shutil.copytree(Path(uv_layers.__file__).parent, place / "uv_layers")
    for name, pattern, replacement in (
        ("bytecode_cache.py", r"^FORMAT = \d+$", f"FORMAT = {FORMAT + 1}"),
        ("bytecode_worker.py", r"^OPTIMISATION = 0$", "OPTIMISATION = 2"),  # without docstrings
    ):
        source = place / "uv_layers/tree" / name
        text = source.read_text(encoding="utf-8")
        changed = re.sub(pattern, replacement, text, flags=re.MULTILINE)
        assert changed != text
        source.write_text(changed, encoding="utf-8")
    return {"PYTHONPATH": str(place)}


def _entries(cache):
    return sorted(path for path in Path(cache).glob("bytecode-v*/*/*") if path.is_file())


def test_two_versions_share_a_cache_and_each_makes_its_own_trees(
    stage, start, run, cold, lock, other_version, layers_of
):
    expected = {}
    for name, environ in {"this": {}, "other": other_version}.items():
        folder = stage.copy(f"alone-{name}")
        assert start("install", "heavy", cwd=folder, **cold() | environ).end().status == 0
        expected[name] = layers_of(folder).digest()
    assert len(set(expected.values())) == len(expected)
    caches = cold()
    for number in range(3):
        programs = {}
        for name, environ in {"this": {}, "other": other_version}.items():
            folder = stage.copy(f"{name}-{number}")
            programs[name] = folder, start("install", "heavy", cwd=folder, **caches | environ)
        for name, (folder, program) in programs.items():
            assert program.end().status == 0
            assert layers_of(folder).digest() == expected[name]
    folders = {path.parents[1].name for path in _entries(caches["UV_LAYERS_CACHE_DIR"])}
    assert len(folders) == len(expected)
    assert run("cache", "size", cwd=stage, **caches).status == 0
    assert run("cache", "clean", cwd=stage, **caches).status == 0
    assert _entries(caches["UV_LAYERS_CACHE_DIR"]) == []


def _damage(chance, entries):
    """Do something to an entry that no release has ever done."""
    path, other = chance.choice(entries), chance.choice(entries)
    data = path.read_bytes() if path.is_file() else b""
    at = chance.randrange(len(data) or 1)
    kind = chance.randrange(8)
    if path.is_symlink():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    elif kind == 0:
        path.write_bytes(data[:at])
    elif kind == 1 and data:
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
    elif kind == 2:
        path.write_bytes(chance.randbytes(at))
    elif kind == 3 and other.is_file():
        path.write_bytes(other.read_bytes())
    elif kind == 4:
        path.unlink()
        path.mkdir()
        (path / "file").touch()
    elif kind == 5:
        path.unlink()
        path.symlink_to("nowhere" if chance.random() < 0.5 else other.name)
    elif kind == 6:
        shutil.rmtree(path.parent)
        path.parent.write_bytes(b"no folder")
    else:
        path.unlink()


def test_a_cache_that_is_damaged_at_random_makes_the_same_trees(stage, run, cold, lock, layers_of, chance):
    caches = cold()
    cache = Path(caches["UV_LAYERS_CACHE_DIR"])
    expected = {}
    for name in ("heavy", "other"):
        assert run("install", name, cwd=stage, **caches).status == 0
        expected[name] = layers_of(stage).digest(name)
    entries = _entries(cache)
    assert len(entries) == WHEELS + 1
    for attempt in range(20):
        for _ in range(chance.randrange(1, 5)):
            present = [path for path in entries if os.path.lexists(path) and path.parent.is_dir()]
            if present:
                _damage(chance, present)
        words = ("--layers-dir", f"layers-{attempt}")
        outcome = run("install", "--all", *words, cwd=stage, **caches)
        assert (outcome.status, "error[" in outcome.stderr) == (0, False)
        for name, digest in expected.items():
            assert layers_of(stage, f"layers-{attempt}").digest(name) == digest
        shutil.rmtree(stage / f"layers-{attempt}")
        if attempt % 10 == 9:
            assert run("cache", "clean", cwd=stage, **caches).status == 0
            for path in cache.glob("bytecode-v*"):
                shutil.rmtree(path)


def test_an_entry_in_the_place_of_another_is_not_taken_for_it(stage, run, cold, lock, layers_of):
    caches = cold()
    assert run("install", "other", cwd=stage, **caches).status == 0
    [other] = _entries(caches["UV_LAYERS_CACHE_DIR"])
    assert run("install", "heavy", cwd=stage, **caches).status == 0
    expected = layers_of(stage).digest()
    data = other.read_bytes()
    for entry in _entries(caches["UV_LAYERS_CACHE_DIR"]):
        entry.write_bytes(data)
    assert run("install", "heavy", "--layers-dir", "again", cwd=stage, **caches).status == 0
    assert layers_of(stage, "again").digest() == expected


def test_a_program_that_writes_to_the_cache_is_killed(stage, start, run, cold, lock, layers_of, chance, until, mark):
    caches = cold()
    for _ in range(5):
        shutil.rmtree(caches["UV_LAYERS_CACHE_DIR"], ignore_errors=True)
        program = start("install", "heavy", cwd=stage, **caches)
        until(lambda: _entries(caches["UV_LAYERS_CACHE_DIR"]) or program.process.poll() is not None)  # noqa: B023
        program.end(9)
        until(mark.gone)
        assert run("install", "heavy", cwd=stage, **caches).status == 0
    done = subprocess.run(
        [sys.executable, "-m", "uv_layers", "cache", "prune", "--days", "0"],
        check=True,
        cwd=stage,
        env=os.environ | caches,
        capture_output=True,
        text=True,
    )
    assert done.stderr.startswith("removed ")
    assert _entries(caches["UV_LAYERS_CACHE_DIR"]) == []
