"""Every Python that the classifiers name, as the target."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import tomli

ROOT = Path(__file__).parents[2]
CLASSIFIERS = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["classifiers"]
VERSIONS = [found[1] for line in CLASSIFIERS if (found := re.search(r":: (3\.\d+)$", line))]
PROJECT = """
    [project]
    name = "app"
    version = "1"
    requires-python = ">=3.10"
    dependencies = ["web", "numbers", "tool", "source"]
"""
IMPORTED = "import sys; sys.path.insert(0, sys.argv[1]); import web, numbers, source; print(web.VERSION, web.__file__)"


@pytest.mark.parametrize("prefix", ["/usr/local", "/app/.venv"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_layer_for_it_is_made_and_verified_and_its_bytecode_is_what_is_imported(
    project, run, cold, python_of, version, prefix
):
    python = python_of(version)
    app = project(PROJECT)
    words = ("--python", python, "--prefix", prefix)
    made = run("install", "--all", *words, cwd=app, **cold())
    assert made.status == 0, made.stderr
    verified = run("verify", *words, cwd=app)
    assert verified.status == 0, verified.output

    site = app / f"layers/dependencies{prefix}/lib/python{version}/site-packages"
    tag = f"cpython-{version.replace('.', '')}"
    compiled = {path.name for path in site.rglob("*.pyc")}
    assert compiled == {f"__init__.{tag}.pyc", f"source.{tag}.pyc"}
    # If Python did not accept the bytecode, it would compile these sources, which have the same size and time.
    for path in map(site.joinpath, ("web/__init__.py", "numbers/__init__.py", "source.py")):
        status = path.stat()
        path.write_text("raise SystemExit(3)\n".ljust(status.st_size, "#"), encoding="utf-8")
        os.utime(path, (status.st_mtime, status.st_mtime))
    argv = [python, "-I", "-S", "-c", IMPORTED, site]
    done = subprocess.run(argv, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1.1", str(site / "web/__init__.py")]
