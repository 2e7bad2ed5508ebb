"""The pages of docs/: what they tell a reader to run is run, and does and prints what they say."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
import tomli
import uv

from uv_layers import project as projects

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# Packages that pages name, small and without what the real ones need, and for any machine where the real ones are not.
STAND_INS = {
    "fastapi": ("0.120.0", "0.121.0"),
    "uvicorn": ("0.38.0",),
    "numpy": ("2.3.4",),
    "scipy": ("1.16.2",),
    "pytest": ("8.4.2",),
    "acme-auth": ("2.1.0",),
}
PROGRAMS = {"uvicorn": {"uvicorn": "uvicorn:main"}}
NATIVE = {"numpy", "scipy"}
PAGES = sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md") if "```console" in p.read_text("utf-8"))


@pytest.fixture
def stocked(index, shelf):
    """Return the index with the packages that pages name; its own are as they were when the test is over."""
    before = dict(index.files)
    for name, versions in STAND_INS.items():
        for version in versions:
            for tag in [f"py3-none-{p}" for p in shelf.platforms] if name in NATIVE else ["py3-none-any"]:
                made = shelf.wheel(name, version, tag=tag, scripts=PROGRAMS.get(name, {}))
                index.files[made.file_name] = made.content()
    source = shelf.sdist("markupsafe", "3.0.3")
    index.files |= {source.file_name: source.content(), **shelf.backend()}
    yield index
    index.files.clear()
    index.files.update(before)


@pytest.fixture
def at_home(environment, tmp_path):
    """Put uv-layers and uv on PATH, and return the folder that pages call /home/you/app."""
    programs = [sysconfig.get_path("scripts"), str(Path(uv.find_uv_bin()).parent)]
    environment.setenv("PATH", os.pathsep.join([*programs, os.environ["PATH"]]))
    environment.setenv("UV_PYTHON", sys.executable)
    folder = tmp_path / "app"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_runs_does_what_it_says(walk, page, stocked, shelf, at_home, environment):
    environment.setenv("UV_DEFAULT_INDEX", stocked.url)
    replaced = {
        "https://packages.example.com/simple": stocked.private_url,
        "correct-horse": shelf.password,
        "/home/you/app": str(at_home),
    }
    assert walk(page, at_home, replaced) > 0
