"""A short run of each target of `fuzz_documents.py`, which says how to make it a long one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="the dependency group `fuzz` is not installed")
RUNS = 20_000


@pytest.mark.parametrize("target", ["pyproject", "configuration", "layer-lock", "uv-lock"])
def test_no_document_that_is_found_by_coverage_is_a_crash(target, tmp_path):
    program = Path(__file__).with_name("fuzz_documents.py")
    argv = [sys.executable, program, target, f"-runs={RUNS}", "-seed=1"]
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(re.findall(r"Done (\d+) runs", done.stderr)[-1]) >= RUNS
