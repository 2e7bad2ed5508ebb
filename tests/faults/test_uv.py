"""uv that is killed, missing, too old, or meets a lock that is newer than it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import uv_layers
from uv_layers.system.process import cores

OUTSIDE = dict(os.environ)  # before tests have an environment of their own
PROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["web"]
"""


def _comm(process):
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def test_uv_is_killed(stage, files, start, mark, run, cold, until, layers_of):
    layers, caches = layers_of(stage), cold()
    stage.lock("heavy", stage.wheel("one", files={"one.py": "X = 1\n"}))
    assert run("install", "heavy", cwd=stage, **caches).status == 0
    before = layers.digest(), layers.record()
    files.serve(stage.lock("heavy", stage.wheel("one", "2.0", files={"one.py": "X = 2\n"})))
    files.fault = "hang"
    program = start("install", "heavy", cwd=stage, **caches)
    until(lambda: files.asked)
    [uv] = [process for process in mark.alive() if _comm(process) == "uv"]
    os.kill(uv, 9)
    ended = program.end()
    assert (ended.status, ended.stdout) == (3, "")
    assert ended.error.startswith(
        "error[uv-failed]: uv was killed by signal 9; "
        "run the command again, with more memory if the system ran out; the command was: "
    )
    assert (layers.digest(), layers.record()) == before
    assert layers.strays() == []
    files.fault = ""
    files.released.set()
    assert run("install", "heavy", cwd=stage, **caches).status == 0
    assert layers.strays() == []


@pytest.mark.skipif(cores() < 2, reason="one layer after the other on one processor")
def test_uv_of_one_layer_is_killed_and_the_others_end_with_it(stage, files, start, mark, run, cold, until, layers_of):
    layers, caches = layers_of(stage), cold()
    for name in ("heavy", "light"):
        files.serve(stage.lock(name, stage.wheel(name, files={f"{name}.py": "X = 1\n"})))
    files.fault = "hang"
    program = start("install", "--all", cwd=stage, **caches)
    until(lambda: len(set(files.asked)) == 2)
    os.kill(next(process for process in mark.alive() if _comm(process) == "uv"), 9)
    ended = program.end()
    assert (ended.status, ended.stdout) == (3, "")
    assert "uv was killed by signal 9; " in ended.error
    until(mark.gone)
    assert (layers.digest("heavy"), layers.digest("light")) == (None, None)
    assert layers.strays() == []
    files.fault = ""
    files.released.set()
    assert run("install", "--all", cwd=stage, **caches).status == 0
    assert layers.strays() == []


@pytest.fixture
def without_uv(tmp_path):
    """Return what has Python find all that is installed here but for uv."""
    farm = tmp_path / "farm"
    farm.mkdir()
    for folder in filter(os.path.isdir, sys.path):
        if Path(folder).name == "site-packages":
            for path in Path(folder).iterdir():
                if path.suffix != ".pth" and path.name != "uv" and not path.name.startswith("uv-"):
                    (farm / path.name).symlink_to(path)
    if not (farm / "uv_layers").exists():
        (farm / "uv_layers").symlink_to(Path(uv_layers.__file__).parent)
    return farm


def test_uv_is_missing(stage, without_uv, run, layers_of):
    stage.lock("heavy", stage.wheel("one", files={"one.py": "X = 1\n"}))
    code = "from uv_layers.__main__ import main; main()"
    environ = {**os.environ, "PYTHONPATH": str(without_uv), "PATH": str(stage.path)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, "install", "heavy"],
        cwd=stage,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "error[no-uv]: uv not found: it is not on PATH, and the `uv` package is not installed; "
        "install it (`pip install uv`) or set UV_LAYERS_UV to its path\n"
    )
    assert layers_of(stage).strays() == []
    assert run("install", "heavy", cwd=stage).status == 0


@pytest.fixture(scope="session")
def old_uv(tmp_path_factory):
    """Return a release of uv that is too old, where one is to be had."""
    folder = tmp_path_factory.mktemp("old-uv")
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, "uv==0.8.*"]
    try:
        done = subprocess.run(words, env=OUTSIDE, capture_output=True, text=True, check=False, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("an old uv is not to be had: no answer")
    if done.returncode:
        pytest.skip(f"an old uv is not to be had: {(done.stderr.strip() or 'no message').splitlines()[-1]}")
    return folder / "bin" / "uv"


@pytest.mark.parametrize("words", [("plan",), ("export",), ("install", "--all")], ids=lambda words: words[0])
def test_uv_is_too_old(project, old_uv, start, run, words):
    folder = project(PROJECT)
    ended = start(*words, cwd=folder, UV_LAYERS_UV=str(old_uv)).end()
    assert (ended.status, ended.stdout) == (3, "")
    assert ended.error.startswith(f"error[old-uv]: {old_uv} is uv 0.8.")
    assert ended.error.endswith("or newer; update it, e.g. with `uv self update`")
    assert sorted(path.name for path in folder.path.iterdir()) == ["pyproject.toml", "uv.lock"]
    assert run(*words, cwd=folder).status == 0


@pytest.mark.parametrize("frozen", [(), ("--frozen",)], ids=["checked", "frozen"])
@pytest.mark.parametrize("words", [("plan",), ("export",), ("install", "--all")], ids=lambda words: words[0])
def test_the_lock_is_of_a_version_that_uv_does_not_know(project, start, run, words, frozen):
    folder = project(PROJECT)
    folder.edit("version = 1\n", "version = 99\n", "uv.lock")
    ended = start(*words, *frozen, cwd=folder).end()
    assert (ended.status, ended.stdout) == (3, "")
    assert "99" in ended.stderr
    assert ended.error.startswith("error[uv-failed]: ")
    assert sorted(path.name for path in folder.path.iterdir()) == ["pyproject.toml", "uv.lock"]
    folder.edit("version = 99\n", "version = 1\n", "uv.lock")
    assert run(*words, *frozen, cwd=folder).status == 0


def test_a_newer_revision_of_the_lock_is_read(project, start, run):
    folder = project(PROJECT)
    text = (folder / "uv.lock").read_text(encoding="utf-8")
    assert "\nrevision = " in text
    expected = run("plan", "--json", cwd=folder).stdout
    assert json.loads(expected)["result"]["layers"]
    revision = text.split("\nrevision = ")[1].split("\n")[0]
    folder.edit(f"revision = {revision}\n", "revision = 99\n", "uv.lock")
    assert start("plan", "--json", cwd=folder).end().stdout == expected


def test_a_layer_lock_of_a_version_that_is_not_known(stage, start, run, layers_of):
    lock = stage.lock("heavy", stage.wheel("one", files={"one.py": "X = 1\n"}))
    good = lock.read_text(encoding="utf-8")
    lock.write_text(good.replace('lock-version = "1.0"', 'lock-version = "2.0"'), encoding="utf-8")
    ended = start("install", "heavy", cwd=stage).end()
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.error.startswith(f"error[bad-layer-lock]: {lock}: ")
    assert "2.0" in ended.error
    assert not (stage / "layers").exists()
    lock.write_text(good, encoding="utf-8")
    assert run("install", "heavy", cwd=stage).status == 0
    assert layers_of(stage).strays() == []
