"""SIGKILL at random moments, when nothing can be cleared away: what is there then, and the next run mends it."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

KILLS = 200
PARTS = 8  # of which pytest-xdist can run several at once
VERSIONS = ("1.0", "2.0")


class Kills:
    """Kills at random moments of a program, in the time that it takes.

    That time is not the same from run to run: it is measured whenever a moment was too late, and taken for longer
    after each that was not.
    """

    def __init__(self, chance, seconds: float):
        self.chance = chance
        self.seconds = seconds
        self.statuses: list[int] = []

    def __call__(self, program) -> None:
        started = time.monotonic()
        moment = started + self.chance.uniform(0, self.seconds)
        while time.monotonic() < moment and program.process.poll() is None:
            time.sleep(0.001)
        self.seconds *= 1.1
        if program.process.poll() is not None:
            self.seconds = time.monotonic() - started
        self.statuses.append(program.end(signal.SIGKILL).status)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_leaves_a_whole_tree_or_none_and_the_next_run_makes_it(
    stage, start, mark, run, cold, until, layers_of, chance, part
):
    layers, wheels, texts, digests, keys = layers_of(stage), {}, {}, {}, {}
    for version in VERSIONS:
        code = {f"one/{number}.py": f"X = {version!r}\n" for number in range(40)}
        wheels[version] = stage.wheel("one", version, files=code)
        texts[version] = stage.lock("heavy", wheels[version]).read_text(encoding="utf-8")
    lock = stage / "pylock.heavy.toml"
    taken = []
    for version in VERSIONS:
        lock.write_text(texts[version], encoding="utf-8")
        started = time.monotonic()
        assert start("install", "heavy", cwd=stage, **cold()).end().status == 0
        taken.append(time.monotonic() - started)
        digests[version], keys[version] = layers.digest(), layers.record()["key"]
    by_key = {keys[version]: digests[version] for version in VERSIONS}
    assert len(by_key) == len(set(by_key.values())) == len(VERSIONS)
    # A cold cache now and then, where uv is at it for longer.
    with_cold, with_warm = Kills(chance, max(taken)), Kills(chance, max(taken))
    for attempt in range(KILLS // PARTS):
        version = VERSIONS[attempt % 2]
        lock.write_text(texts[version], encoding="utf-8")
        kill = with_warm
        if attempt % 4 == 0:
            caches, kill = cold(), with_cold
        kill(start("install", "heavy", cwd=stage, **caches))
        record, digest = layers.record(), layers.digest()
        assert digest in {None, *digests.values()}
        assert record is None or by_key[record["key"]] == digest
        if attempt % 3 == 0:
            # Else its uv may still be at work while the next run is.
            until(mark.gone)
        assert run("install", "heavy", cwd=stage, **caches).status == 0
        assert layers.digest() == digests[version]
        assert by_key[layers.record()["key"]] == digests[version]
    until(mark.gone)
    assert run("install", "heavy", cwd=stage, **caches).status == 0
    assert layers.digest() == digests[version]
    assert layers.strays() == []
    assert sorted(path.name for path in stage.path.iterdir()) == ["layers", "pylock.heavy.toml"]
    statuses = with_cold.statuses + with_warm.statuses
    assert statuses.count(-signal.SIGKILL) > KILLS // PARTS // 4


PROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["web=={version}"]
"""


def test_a_kill_leaves_a_whole_layer_lock_or_none_and_the_next_run_writes_it(project, start, mark, run, chance):
    versions, texts, files = ("1.0", "1.1"), {}, {}
    folder = project(PROJECT.format(version="1.0"))
    lock = Path(folder / "pylock.dependencies.toml")
    for version in versions:
        folder = project(PROJECT.format(version=version))
        files[version] = {name: (folder / name).read_bytes() for name in ("pyproject.toml", "uv.lock")}
        started = time.monotonic()
        assert start("export", cwd=folder).end().status == 0
        taken = time.monotonic() - started
        texts[version] = lock.read_bytes()
    kill = Kills(chance, taken)
    for attempt in range(20):
        version = versions[attempt % 2]
        for name, content in files[version].items():
            (folder / name).write_bytes(content)
        # What a write leaves that is killed in the middle is there in the first run.
        if attempt == 0:
            lock.with_name(f".{lock.name}.uv-layers").write_text("lock-vers", encoding="utf-8")
        kill(start("export", cwd=folder))
        assert lock.read_bytes() in texts.values()
        assert run("export", cwd=folder).status == 0
        assert lock.read_bytes() == texts[version]
        names = ["pylock.dependencies.toml", "pyproject.toml", "uv.lock"]
        assert sorted(path.name for path in folder.path.iterdir()) == names
    assert kill.statuses.count(-signal.SIGKILL) > 20 // 4
