"""Many that install at once, in one folder and with one cache: no error, no half tree, each tree right."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROCESSES = 16
PROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["web"]

[dependency-groups]
heavy = ["numbers"]
more = ["tool"]

[tool.uv]
default-groups = ["heavy", "more"]
"""
LAYERS = ("heavy", "more", "dependencies")


def _expected(run, project, cold, layers_of):
    reference = project(PROJECT, name="reference")
    assert run("install", "--all", cwd=reference, **cold()).status == 0
    return {name: layers_of(reference).digest(name) for name in LAYERS}


def test_processes_that_install_the_same_and_different_layers(project, start, run, cold, mark, layers_of):
    expected = _expected(run, project, cold, layers_of)
    folder, caches = project(PROJECT), cold()
    words = [("--all",), ("heavy",), ("more", "dependencies"), ("dependencies", "heavy", "--digest")]
    programs = [start("install", *words[n % len(words)], cwd=folder, **caches) for n in range(PROCESSES)]
    for program in programs:
        ended = program.end()
        assert (ended.status, "error[" in ended.stderr, ended.stdout) == (0, False, "")
    layers = layers_of(folder)
    assert {name: layers.digest(name) for name in LAYERS} == expected
    assert layers.strays() == []
    assert mark.gone()
    assert run("verify", cwd=folder).status == 0


def test_processes_that_each_want_another_tree_in_the_same_place(stage, start, run, cold, mark, layers_of):
    stage.lock("heavy", stage.wheel("one", files={f"one/{number}.py": f"X = {number}\n" for number in range(20)}))
    stage.lock("light", stage.wheel("two", files={"two.py": "X = 1\n"}))
    variants = [(), ("--compile", "none"), ("--compile", "all"), ("--invalidation-mode", "checked-hash")]
    digests = set()
    for number, variant in enumerate(variants):
        folder = stage.copy(f"alone-{number}")
        assert run("install", "heavy", *variant, cwd=folder, **cold()).status == 0
        digests.add(layers_of(folder).digest())
    caches = cold()
    programs = [
        start("install", "--all", "--digest", *variants[n % len(variants)], cwd=stage, **caches)
        for n in range(PROCESSES)
    ]
    for program in programs:
        ended = program.end()
        assert (ended.status, "error[" in ended.stderr) == (0, False)
    layers = layers_of(stage)
    assert layers.digest() in digests
    assert layers.strays() == []
    assert mark.gone()
    assert run("install", "--all", cwd=stage, **caches).status == 0
    assert run("verify", cwd=stage).status == 0


def test_processes_that_export_and_verify_while_others_install(project, start, run, cold, mark, layers_of):
    folder, caches = project(PROJECT), cold()
    assert run("install", "--all", cwd=folder, **caches).status == 0
    modes = ("unchecked-hash", "checked-hash")
    programs = []
    for number in range(PROCESSES // 4):
        programs += [start("install", "--all", "--invalidation-mode", modes[number % 2], cwd=folder, **caches)]
        programs += [start("verify", cwd=folder, **caches), start("export", cwd=folder, **caches)]
        programs += [start("env", "--shell", "sh", cwd=folder, **caches)]
    for program in programs:
        ended = program.end()
        assert (ended.status, "error[" in ended.stderr) == (0, False), ended
    assert layers_of(folder).strays() == []
    names = {path.name for path in folder.path.iterdir()}
    assert names == {"layers", "pyproject.toml", "uv.lock", *(f"pylock.{name}.toml" for name in LAYERS)}


@pytest.fixture
def shared(nobody, stage):
    """Return a folder that both users may write to, with layer locks and the files that they name."""
    folder = nobody.folder / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    wheels = [stage.wheel(f"w{n}", files={f"w{n}/a.py": f"X = {n}\n"}) for n in range(4)]
    text = stage.lock("heavy", *wheels).read_text(encoding="utf-8")
    for wheel in wheels:
        shutil.copy(wheel, folder)
    for name in ("root", "nobody"):
        home = nobody.folder / name
        home.mkdir()
        (home / "pylock.heavy.toml").write_text(text.replace(stage.files.as_uri(), folder.as_uri()), encoding="utf-8")
    nobody.own(nobody.folder / "nobody")
    return folder


def _both(start, nobody, caches):
    """Have both users install at once, and then once more."""
    for attempt in range(2):
        words = ("install", "heavy", "--layers-dir", f"layers-{attempt}")
        programs = [
            start(*words, cwd=nobody.folder / "root", HOME=str(nobody.folder / "root"), **caches),
            start(*words, cwd=nobody.folder / "nobody", before=nobody.before, **caches),
        ]
        for program in programs:
            ended = program.end()
            assert (ended.status, "error[" in ended.stderr) == (0, False), ended


def _owners(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in folder.rglob("*")}


def test_two_users_share_a_cache_of_bytecode(nobody, shared, start, layers_of):
    """As it is with a mount that is open to all: what the one cannot write is not kept, and what it cannot read is
    made again."""
    cache = shared / "bytecode"
    cache.mkdir()
    cache.chmod(0o777)
    before = os.umask(0o077)
    try:
        _both(start, nobody, {"UV_LAYERS_CACHE_DIR": str(cache)})
    finally:
        os.umask(before)
    digests = {layers_of(nobody.folder / user, f"layers-{n}").digest() for user in ("root", "nobody") for n in range(2)}
    assert len(digests) == 1
    assert [path for path in cache.rglob("*") if path.name.startswith(".")] == []
    assert _owners(cache)


def test_two_users_share_all_caches_with_open_modes(nobody, shared, start, layers_of):
    """uv's cache, too, where the mount and the umask let both write to it."""
    for name in ("uv", "bytecode"):
        (shared / name).mkdir()
        (shared / name).chmod(0o777)
    caches = {"UV_CACHE_DIR": str(shared / "uv"), "UV_LAYERS_CACHE_DIR": str(shared / "bytecode")}
    before = os.umask(0)
    try:
        _both(start, nobody, caches)
    finally:
        os.umask(before)
    digests = {layers_of(nobody.folder / user, f"layers-{n}").digest() for user in ("root", "nobody") for n in range(2)}
    assert len(digests) == 1
