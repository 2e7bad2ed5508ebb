"""examples/fastapi without an engine: its Makefile, and the Dockerfile that it makes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import uv

from uv_layers import __version__

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi"
# Small packages of the index here, in place of the example's own.
STAND_INS = {
    "numpy": "numbers",
    "scipy": "vendor-maths",
    "fastapi": "web<1.1",
    "uvicorn": "speed",
    "pytest": "tests-only",
}

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


@pytest.fixture
def make(environment: pytest.MonkeyPatch):
    """Return a function that runs make in a folder, with uv-layers and uv on PATH."""
    programs = [sysconfig.get_path("scripts"), str(Path(uv.find_uv_bin()).parent)]
    environment.setenv("PATH", os.pathsep.join([*programs, os.environ["PATH"]]))

    def call(*arguments: str, cwd: os.PathLike[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["make", *arguments], cwd=cwd, capture_output=True, text=True, check=False)

    return call


@pytest.fixture
def example(project):
    """Return the example as a project that is not locked yet, with packages of the index here."""
    text = (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")
    for theirs, ours in STAND_INS.items():
        assert f'"{theirs}"' in text
        text = text.replace(f'"{theirs}"', f'"{ours}"')
    folder = project(text, locked=False)
    shutil.copy(EXAMPLE / "Makefile", folder)
    return folder


def test_the_dockerfile_is_what_its_rule_makes(tmp_path: Path, make):
    shutil.copy(EXAMPLE / "Makefile", tmp_path)
    shutil.copy(EXAMPLE / "main.py", tmp_path)
    shutil.copyfile(EXAMPLE / "pyproject.toml", tmp_path / "pyproject.toml")
    (tmp_path / "uv.lock").touch()  # which is not looked into
    expected = (EXAMPLE / "Dockerfile").read_text(encoding="utf-8")
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(expected.replace("USER root\n", "USER old\n"), encoding="utf-8")
    os.utime(dockerfile, (0, 0))
    done = make("Dockerfile", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert dockerfile.read_text(encoding="utf-8") == expected


def test_the_image_is_built_with_the_wheel_of_this_version():
    text = (EXAMPLE / "Makefile").read_text(encoding="utf-8")
    assert f"\nWHEEL := uv_layers-{__version__}-py3-none-any.whl\n" in text


def test_make_makes_the_trees_once(example, make):
    assert make("-q", "layers", cwd=example).returncode == 1
    done = make("layers", cwd=example)
    assert done.returncode == 0, done.stderr
    packages = "layers/{}/usr/local/lib/python*/site-packages/{}/__init__.py"
    assert list(example.path.glob(packages.format("heavy-rarely-updated", "numbers")))
    assert list(example.path.glob(packages.format("light-frequently-updated", "web")))

    assert make("-q", "layers", cwd=example).returncode == 0
    again = make("layers", cwd=example)
    assert again.returncode == 0, again.stderr
    assert "uv" not in again.stdout


def test_make_remakes_the_tree_that_a_bump_is_in(example, make):
    assert make("layers", cwd=example).returncode == 0
    heavy, light = (example / "layers" / name for name in ("heavy-rarely-updated", "light-frequently-updated"))
    before = heavy.stat(), light.stat()

    example.edit('"web<1.1"', '"web"')
    example.lock("--upgrade-package", "web")
    assert make("-q", "layers", cwd=example).returncode == 1
    done = make("layers", cwd=example)
    assert done.returncode == 0, done.stderr
    assert "install light-frequently-updated" in done.stdout
    assert "heavy" not in done.stdout
    assert heavy.stat().st_ctime_ns == before[0].st_ctime_ns
    assert light.stat().st_ino != before[1].st_ino
    assert list(light.glob("usr/local/lib/python*/site-packages/web-1.1.dist-info"))
    assert make("-q", "layers", cwd=example).returncode == 0


def test_make_keeps_the_trees_when_no_package_moves(example, make):
    assert make("layers", cwd=example).returncode == 0
    example.edit('version = "0.0.0"', 'version = "0.0.1"')
    done = make("layers", cwd=example)
    assert done.returncode == 0, done.stderr
    assert "uv-layers export" in done.stdout
    assert "uv-layers install" not in done.stdout
    assert make("-q", "layers", cwd=example).returncode == 0


def test_make_clean_leaves_the_sources(example, make):
    assert make("layers", cwd=example).returncode == 0
    assert make("clean", cwd=example).returncode == 0
    assert sorted(path.name for path in example.path.iterdir()) == ["Makefile", "pyproject.toml", "uv.lock"]
