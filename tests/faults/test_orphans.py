"""uv goes on when uv-layers is killed: what it still does harms no tree, and what it leaves is cleared away."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

CONTENT = {f"pkg/{number}.py": f"X = {number}\n" for number in range(200)}


@pytest.fixture
def orphan(stage, files, start, mark, cold, until):
    """Return the folder that a uv installs into when it is released, whose uv-layers is killed."""
    stage.wheel("one", files=CONTENT)
    lock = stage.lock("heavy", *stage.files.iterdir())
    files.serve(lock)
    files.fault = "hang"
    program = start("install", "heavy", cwd=stage, **cold())
    until(lambda: files.asked)
    assert program.process.poll() is None
    assert program.end(signal.SIGKILL).status == -signal.SIGKILL
    files.fault = ""
    assert mark.alive(), "uv is there"
    [left] = (stage / "layers/.uv-layers/heavy.staging").iterdir()
    return left


def test_the_next_run_makes_the_tree_while_the_old_uv_still_waits(
    orphan, stage, files, mark, run, cold, until, layers_of
):
    layers = layers_of(stage)
    assert layers.digest() is None
    assert run("install", "heavy", cwd=stage, **cold()).status == 0
    digest = layers.digest()
    assert len(list((stage / "layers/heavy").rglob("pkg/*.py"))) == len(CONTENT)
    assert mark.alive(), "uv is still there"
    files.released.set()
    until(mark.gone)
    assert layers.digest() == digest
    assert run("verify", "heavy", cwd=stage).status == 0
    # The old uv has made its folder again. This run finds all up to date, and clears it away.
    assert "up to date" in run("install", "heavy", cwd=stage, **cold()).stderr
    assert layers.strays() == []
    assert layers.digest() == digest


def test_the_next_runs_make_the_tree_while_the_old_uv_writes(orphan, stage, files, mark, run, cold, until, layers_of):
    layers, caches = layers_of(stage), cold()
    reference = stage.copy("reference")
    assert run("install", "heavy", cwd=reference, **caches).status == 0
    digest = layers_of(reference).digest()
    files.released.set()
    for attempt in range(10):
        words = ("--compile", "none") if attempt % 2 else ()
        assert run("install", "heavy", *words, cwd=stage, **caches).status == 0
        if not words:
            assert layers.digest() == digest
    until(mark.gone)
    assert run("install", "heavy", cwd=stage, **caches).status == 0
    assert layers.digest() == digest
    assert layers.strays() == []
    assert not Path(orphan).exists()
