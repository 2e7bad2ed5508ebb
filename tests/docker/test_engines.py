"""What other engines and platforms make of a Dockerfile: arm64, Podman, Buildah; and Docker's own lint of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.docker

BASE = "python:3.12-slim-bookworm"
REAL = Path(__file__).parents[2].parent / "shared" / "real"
PROJECT = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["hello"]

    [tool.uv-layers]
    prefix = "/app/.venv"
"""
HELLO = "import sys, hello; print(sys.prefix, hello.VERSION)"


@pytest.fixture
def context(project, web):
    web.wheel("hello", script=True)
    made = project(PROJECT)
    made.write(made.dockerfile())
    return made


def has_no_warnings(done):
    return done.returncode == 0 and "no warnings found" in done.stdout + done.stderr


def test_a_dockerfile_for_arm64_has_no_warnings(context):
    assert has_no_warnings(context.check("--platform=linux/arm64"))


def test_an_image_for_arm64(context, docker, image_of):
    if "linux/arm64" not in docker("buildx", "inspect").stdout:
        pytest.skip("the engine says that it runs no linux/arm64")
    probe = f"FROM {BASE}\nRUN test $(uname -m) = aarch64\n"
    try:
        image_of(probe, "--platform=linux/arm64")
    except AssertionError:
        pytest.skip(f"the engine says that it runs linux/arm64, and does not, or has no {BASE} for it")
    context.write(context.dockerfile())
    assert context.build("--platform=linux/arm64").run("python", "-c", HELLO) == "/app/.venv 1.0"


@pytest.mark.parametrize("program", ["docker", "podman", "buildah"])
def test_plain_copies_are_for_every_engine(program, context, docker, uv_image, tmp_path):
    if shutil.which(program) is None:
        pytest.skip(f"no {program} here")

    def run(*words):
        done = subprocess.run([program, *words], cwd=context.path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    images = () if program == "docker" else (uv_image, BASE)
    for number, image in enumerate(images):
        docker("save", "--output", tmp_path / f"{number}.tar", image)
        run("pull", f"docker-archive:{tmp_path}/{number}.tar")
    context.write(text := context.dockerfile("--no-link") + f'RUN python -c "{HELLO}" | grep -x "/app/.venv 1.0"\n')
    assert "--link" not in text
    run("build", "--network=host", "--tag", tag := context.new_tag(), ".")
    run("rmi", "--force", tag, *images[:1])


@pytest.mark.skipif(not REAL.is_dir(), reason="the real projects are not beside this repository")
@pytest.mark.parametrize("name", sorted(file.parent.name for file in REAL.glob("*/pyproject.toml")))
def test_the_dockerfile_of_a_real_project_has_no_warnings(name, copy_of):
    context = copy_of(REAL / name)
    context.write(context.uv_layers("dockerfile", "--base", BASE, "--cmd", "app"))
    assert has_no_warnings(context.check())
