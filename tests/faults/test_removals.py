"""`rm -rf` of the layers folder while `install` runs: no partial tree is ever taken for a complete one."""

from __future__ import annotations

import subprocess
import time

REMOVALS = 6


def test_a_layers_folder_that_is_removed_meanwhile_has_a_complete_tree_or_none(stage, start, run, cold, chance):
    files = {f"pkg/part{number % 50}/m{number}.py": f"X = {number}\n" for number in range(800)}
    stage.lock("heavy", stage.wheel("pkg", files=files))
    caches = cold()
    started = time.monotonic()
    assert start("install", "heavy", "--compile", "none", cwd=stage, **caches).end().status == 0
    seconds = time.monotonic() - started
    statuses = []
    for _ in range(REMOVALS):
        subprocess.run(["rm", "-rf", stage / "layers"], check=True)
        program = start("install", "heavy", "--compile", "none", cwd=stage, **caches)
        time.sleep(chance.uniform(0.3, 1) * seconds)
        # What is added meanwhile makes it end with an error.
        subprocess.run(["rm", "-rf", stage / "layers"], check=False, capture_output=True)
        outcome = program.end()
        statuses.append(outcome.status)
        assert outcome.status in {0, 3, 4}, outcome.stderr
        assert "Traceback" not in outcome.stderr
        assert run("install", "heavy", "--compile", "none", cwd=stage, **caches).status == 0
        assert run("verify", "heavy", cwd=stage).status == 0
    assert set(statuses) - {0}, "no removal came in time"
