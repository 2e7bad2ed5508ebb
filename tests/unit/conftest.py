from __future__ import annotations

import csv
import os
import posixpath
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from support import record_digest

from uv_layers.system.interpreter import Target, of_platform

if TYPE_CHECKING:
    from uv_layers.system.interpreter import Target


# All of os that starts a program, or becomes one.
STARTING = [name for name in dir(os) if re.match(r"(exec|spawn|posix_spawn|fork|system$|popen$|startfile$)", name)]


@pytest.fixture(autouse=True)
def _no_process(monkeypatch):
    """Make every attempt to start a process fail: what needs one belongs in tests/functional."""

    def refuse(*args, **_):
        raise AssertionError(f"a unit test started a process: {args}")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    for name in STARTING:
        monkeypatch.setattr(os, name, refuse)


@pytest.fixture
def target() -> Target:
    """CPython 3.12 on Linux x86_64, whatever this machine is."""
    return of_platform("linux/amd64", "3.12.4")


SITE = "usr/local/lib/python3.12/site-packages"


@pytest.fixture
def put():
    """Return a function that puts a distribution into a tree: its files, by their paths in the tree, and its RECORD."""

    def call(tree, name, files, version="1.0", site=SITE, unhashed=()):
        info = f"{site}/{name}-{version}.dist-info"
        rows = []
        for path, text in {**files, f"{info}/METADATA": f"Name: {name}\n"}.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(text.encode())
            hashed = ["", ""] if path in unhashed else [f"sha256={record_digest(text.encode())}", len(text.encode())]
            rows.append([posixpath.relpath(path, site), *hashed])
        with (tree / info / "RECORD").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([*rows, [f"{name}-{version}.dist-info/RECORD", "", ""]])
        return info

    return call
