"""Debian's own Python looks for what others install in `dist-packages`: the one here stands in for it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from uv_layers.system import interpreter

LIB = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def debian(monkeypatch):
    """Have the interpreter here say of itself what Debian's says."""
    running = replace(interpreter.of_running(), local_site=f"/usr/local/{LIB}/dist-packages")
    monkeypatch.setattr(interpreter, "of_running", lambda: running)


def _wheel(stage):
    return stage.wheel(
        "pkg",
        files={"pkg/__init__.py": "def main():\n    print('there')\n", "{data}/data/share/notes.txt": "notes\n"},
        entry_points="[console_scripts]\nsay = pkg:main\n",
    )


@pytest.mark.parametrize(("prefix", "place"), [(None, "usr/local"), ("/", "")])
def test_packages_are_where_it_looks_for_them(stage, run, cold, debian, prefix, place):
    stage.lock("some", _wheel(stage), prefix=prefix)
    caches = cold()
    for fresh in (stage, stage.copy("again")):
        assert run("install", "some", cwd=fresh, **caches).status == 0
        tree = fresh / "layers/some"
        lib = tree / place / LIB
        assert [path.name for path in lib.iterdir()] == ["dist-packages"]
        assert sorted(path.name for path in (lib / "dist-packages").iterdir()) == ["pkg", "pkg-1.0.dist-info"]
        assert len(list(lib.rglob("*.pyc"))) == 1
        assert (tree / place / "share/notes.txt").is_file()
        environ = os.environ | {"PYTHONPATH": str(lib / "dist-packages")}
        said = subprocess.run([tree / place / "bin/say"], env=environ, capture_output=True, text=True, check=True)
        assert said.stdout == "there\n"
        assert run("verify", "some", cwd=fresh).status == 0
        assert f"{place}/{LIB}/dist-packages".lstrip("/") in run("env", "--json", cwd=fresh).stdout


@pytest.mark.parametrize("prefix", ["/opt/app", "/app/.venv"])
def test_in_any_other_prefix_there_is_nothing_of_debian(stage, run, debian, prefix):
    stage.lock("some", _wheel(stage), prefix=prefix)
    assert run("install", "some", cwd=stage).status == 0
    assert (stage / f"layers/some{prefix}/{LIB}/site-packages/pkg").is_dir()


def test_bytecode_of_another_python_is_not_taken_for_its_own(stage, run, cold, monkeypatch):
    stage.lock("some", _wheel(stage))
    caches = cold()
    assert run("install", "some", cwd=stage, **caches).status == 0
    running = replace(interpreter.of_running(), local_site=f"/usr/local/{LIB}/dist-packages")
    monkeypatch.setattr(interpreter, "of_running", lambda: running)
    other = stage.copy("other")
    assert run("install", "some", cwd=other, **caches).status == 0
    assert not (other / f"layers/some/usr/local/{LIB}/site-packages").exists()
    assert run("verify", "some", cwd=other).status == 0


def test_a_prefix_that_it_does_not_look_into_is_an_error(stage, run, debian):
    stage.lock("some", _wheel(stage), prefix="/usr")
    outcome = run("install", "some", cwd=stage)
    assert outcome.status == 2
    assert "does not look for packages in /usr; use the prefix /usr/local" in outcome.stderr
    assert not (stage / "layers/some").exists()
