"""SIGINT and SIGTERM at each phase: exit 130 or 143, no process and no staging left, the old tree there."""

from __future__ import annotations

import fcntl
import io
import os
import signal
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uv

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNALS = [signal.SIGINT, signal.SIGTERM]
CODE = "X = 1\n"


@dataclass
class Reached:
    """How to tell that a phase is reached, how to have it go on, and what the command line needs for it."""

    condition: Callable[[], object]
    release: Callable[[], object] = lambda: None
    words: tuple[object, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """All that a phase may need."""

    folder: Path
    stage: object
    files: object
    interpreter: object

    @property
    def reached(self) -> Path:
        return self.folder / "reached"

    def hang(self) -> str:
        """Return what has a shell say that it is reached, and go on no further."""
        return f"echo $$ > {self.reached}\nexec sleep 60"


@pytest.fixture
def scene(tmp_path, stage, files, interpreter) -> Scene:
    return Scene(tmp_path, stage, files, interpreter)


def loading(scene) -> Reached:
    """A module that takes its time to be imported."""
    stub = scene.folder / "stub" / "typer"
    stub.mkdir(parents=True)
    text = f"import pathlib, time\npathlib.Path({str(scene.reached)!r}).touch()\nwhile True:\n    time.sleep(0.05)\n"
    (stub / "__init__.py").write_text(text, encoding="utf-8")
    return Reached(scene.reached.exists, environ={"PYTHONPATH": str(stub.parent)})


def uv_that_hangs(word: str) -> Callable:
    """The real uv, but for one of its commands."""

    def phase(scene) -> Reached:
        slow = scene.folder / "slow-uv"
        hang = f'if [ "$1" = {word} ]; then\n{scene.hang()}\nfi'
        slow.write_text(f'#!/bin/sh\n{hang}\nexec {uv.find_uv_bin()} "$@"\n', encoding="utf-8")
        slow.chmod(0o755)
        return Reached(scene.reached.exists, environ={"UV_LAYERS_UV": str(slow)})

    return phase


def waiting(scene) -> Reached:
    """Another process has the lock of the layer, and keeps it."""
    state = scene.stage / "layers/.uv-layers"
    state.mkdir(parents=True, exist_ok=True)
    lock = (state / "heavy.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    inode = f":{os.fstat(lock.fileno()).st_ino} "

    def waited() -> bool:
        lines = Path("/proc/locks").read_text(encoding="utf-8").splitlines()
        return any("->" in line and inode in line for line in lines)

    return Reached(waited, lock.close)


def downloading(scene) -> Reached:
    scene.files.fault = "hang"
    lock = scene.stage.lock("heavy", scene.stage.wheel("one", "2.0", files={"one.py": CODE}))
    scene.files.serve(lock)

    def release() -> None:
        scene.files.fault = ""
        scene.files.released.set()

    return Reached(lambda: scene.files.asked, release)


def building(scene) -> Reached:
    made = scene.stage.wheel("slow", files={"slow.py": CODE})
    backend = f"""\
import pathlib, time
def build_wheel(*_, **__):
    if not pathlib.Path({str(scene.folder / "released")!r}).exists():
        pathlib.Path({str(scene.reached)!r}).touch()
        time.sleep(20)
    name = "slow-1.0-py3-none-any.whl"
    pathlib.Path(_[0], name).write_bytes(pathlib.Path({str(made)!r}).read_bytes())
    return name
"""
    packed = {
        "PKG-INFO": "Metadata-Version: 2.2\nName: slow\nVersion: 1.0\n",
        "own.py": backend,
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
        '[project]\nname = "slow"\nversion = "1.0"\n',
    }
    path = scene.stage.files / "slow-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in packed.items():
            member = tarfile.TarInfo(f"slow-1.0/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    scene.stage.lock("heavy", path)
    return Reached(scene.reached.exists, (scene.folder / "released").touch)


def _in_interpreter(scene, when: str) -> Reached:
    scene.interpreter.instead(scene.hang(), when=when)

    def release() -> None:
        scene.interpreter.instead("false", when="-z x")

    return Reached(scene.reached.exists, release, ("--python", scene.interpreter.path))


def compiling(scene) -> Reached:
    scene.stage.lock("heavy", scene.stage.wheel("one", "2.0", files={"one.py": CODE}))
    return _in_interpreter(scene, '"$2" = -S')


def making_an_environment(scene) -> Reached:
    lock = scene.stage.lock("heavy", prefix="/app/.venv")
    lock.write_text(f"{lock.read_text(encoding='utf-8')}environment = true\n", encoding="utf-8")
    return _in_interpreter(scene, '"$3" = *EnvBuilder*')


PHASES = {
    "loading": loading,
    "asking uv for its version": uv_that_hangs("--version"),
    "waiting for another run": waiting,
    "starting uv": uv_that_hangs("pip"),
    "downloading": downloading,
    "building": building,
    "making an environment": making_an_environment,
    "compiling": compiling,
}


def _no_more_than_a_signal(ended, number):
    assert (ended.status, ended.stdout) == (128 + number, "")
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    assert "error[" not in ended.stderr


def _gone(mark, until):
    """Hold that uv is gone; an interpreter that it asked something ends by itself, and at once."""
    assert "uv" not in map(_name, mark.alive())
    until(mark.gone)


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("phase", PHASES)
def test_a_signal_ends_all_and_leaves_the_old_tree(
    scene, until, stage, start, mark, run, cold, layers_of, phase, number
):
    layers, caches = layers_of(stage), cold()
    stage.lock("heavy", stage.wheel("one", files={"one.py": CODE}))
    assert run("install", "heavy", cwd=stage, **caches).status == 0
    old, record = layers.digest(), layers.record()
    # Another tree, whatever the phase makes of it.
    stage.lock("heavy", stage.wheel("one", "2.0", files={"one.py": CODE}))
    reached = PHASES[phase](scene)
    program = start("install", "heavy", *reached.words, cwd=stage, **caches, **reached.environ)
    until(reached.condition)
    _no_more_than_a_signal(program.end(number), number)
    if phase == "building":
        # A build is uv's child, and ends by itself: it has lost the folder that it would write to, or its pipes.
        assert len(mark.alive()) <= 1
    else:
        _gone(mark, until)
    assert (layers.digest(), layers.record()) == (old, record)
    assert layers.strays() == []
    reached.release()
    assert run("install", "heavy", *reached.words, cwd=stage, **caches).status == 0
    assert layers.digest() != old
    assert layers.strays() == []


PROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["web"]
"""


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("word", ["lock", "export"])
@pytest.mark.parametrize("command", [("plan",), ("export",), ("install", "--all")], ids=lambda words: words[0])
def test_a_signal_ends_what_asks_uv_of_the_project(scene, until, project, start, mark, run, command, word, number):
    folder = project(PROJECT)
    reached = uv_that_hangs(word)(scene)
    program = start(*command, cwd=folder, **reached.environ)
    until(reached.condition)
    _no_more_than_a_signal(program.end(number), number)
    _gone(mark, until)
    assert sorted(path.name for path in folder.path.iterdir()) == ["pyproject.toml", "uv.lock"]
    assert run(*command, cwd=folder).status == 0


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_signals_that_follow_the_first_change_nothing(scene, until, stage, start, mark, run, cold, layers_of, number):
    # What is to be cleared away takes its time.
    content = {f"pkg/{number}.py": CODE for number in range(500)}
    stage.lock("heavy", stage.wheel("many", files=content))
    reached = _in_interpreter(scene, '"$2" = -S')
    caches = cold()
    program = start("install", "heavy", *reached.words, cwd=stage, **caches)
    until(reached.condition)
    program.process.send_signal(number)
    for again in [signal.SIGINT, signal.SIGTERM] * 200:
        if program.process.poll() is not None:
            break
        program.process.send_signal(again)
        time.sleep(0.001)
    ended = program.end()
    # Of two that come before the program has the processor, the system says which is the first.
    _no_more_than_a_signal(ended, signal.Signals(ended.status - 128))
    _gone(mark, until)
    assert layers_of(stage).digest() is None
    assert layers_of(stage).strays() == []
    reached.release()
    assert run("install", "heavy", cwd=stage, **caches).status == 0


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_at_any_moment(until, stage, start, mark, run, cold, layers_of, chance, number):
    layers, digests = layers_of(stage), {}
    versions = {
        v: stage.wheel("one", v, files={f"one/{n}.py": f"X = {v!r}\n" for n in range(20)}) for v in ("1.0", "2.0")
    }
    for version, wheel in versions.items():
        stage.lock("heavy", wheel)
        started = time.monotonic()
        assert start("install", "heavy", cwd=stage, **cold()).end().status == 0
        taken = time.monotonic() - started
        digests[version] = layers.digest()
    statuses = []
    for attempt in range(20):
        version = ("1.0", "2.0")[attempt % 2]
        stage.lock("heavy", versions[version])
        caches = cold()
        program = start("install", "heavy", cwd=stage, **caches)
        until(program.catches_signals)  # before that, it is Python that ends, in its own way
        time.sleep(chance.uniform(0, taken))
        ended = program.end(number)
        statuses.append(ended.status)
        if ended.status:
            _no_more_than_a_signal(ended, number)
        _gone(mark, until)
        assert layers.digest() in digests.values()
        assert layers.strays() == []
        assert run("install", "heavy", cwd=stage, **caches).status == 0
        assert layers.digest() == digests[version]
    assert set(statuses) <= {0, 128 + number}
    assert 128 + number in statuses
