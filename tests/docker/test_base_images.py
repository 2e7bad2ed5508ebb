"""Images whose Python is not that of the official images: Debian's own, one that uv manages, one for musl."""

from __future__ import annotations

import os
import subprocess

import pytest

pytestmark = pytest.mark.docker

DEBIAN = """
FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
"""
# As `uv python install` leaves it, which would have to be downloaded.
MANAGED = """
FROM debian:bookworm-slim
ENV UV_PYTHON_INSTALL_DIR=/opt/python
WORKDIR /opt/python
RUN --mount=type=bind,from=python:3.12-slim-bookworm,source=/usr/local,target=/mnt \
    cp -a /mnt cpython-3.12-linux-$(uname -m)-gnu && ldconfig $PWD/*/lib && \
    touch $(echo */lib/python3.12)/EXTERNALLY-MANAGED
"""
# An image with CPython 3.13 for musl; where its pip cannot be used, UV_LAYERS_TEST_MUSL_UV names an image of uv for it.
MUSL, MUSL_UV = os.environ.get("UV_LAYERS_TEST_MUSL_IMAGE", "python:3.13-alpine"), "UV_LAYERS_TEST_MUSL_UV"
PROJECT = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["hello"]
"""


@pytest.fixture
def build(project, web, uv_image, image_of):
    """Return a function that builds the project on the base image that a Dockerfile makes."""
    web.wheel("hello", script=True)

    def build(text, python, prefix):
        context, base = project(PROJECT), image_of(text)
        told = ["--base", base, "--builder", base, "--uv", uv_image, "--python", python, "--prefix", prefix]
        context.write(context.dockerfile(*told))
        return context.build(base=base)

    return build


@pytest.mark.parametrize(
    ("prefix", "site", "python"),
    [
        ("/usr/local", "/usr/local/lib/python3.11/dist-packages", "python3"),
        ("/app/.venv", "/app/.venv/lib/python3.11/site-packages", "python"),
    ],
)
def test_debians_own_python(build, prefix, site, python):
    image = build(DEBIAN, "3.11", prefix)
    assert image.run(python, "-c", "import hello; print(hello.__file__)") == f"{site}/hello.py"
    assert image.run("hello") == "hello 1.0"


def test_a_python_that_uv_manages(build):
    image = build(MANAGED, "3.12", "/app/.venv")
    said = image.run("python", "-c", "import sys, hello; print(sys.prefix, sys.base_prefix, hello.VERSION)").split()
    assert said[0] == "/app/.venv"
    assert said[1].startswith("/opt/python/cpython-3.12-linux-")
    assert said[2] == "1.0"
    assert image.run("hello") == "hello 1.0"


def test_an_image_with_musl(project, web):
    if subprocess.run(["docker", "pull", "--quiet", MUSL], capture_output=True, check=False).returncode:
        known = subprocess.run(["docker", "image", "inspect", MUSL], capture_output=True, check=False)
        if known.returncode:
            pytest.skip(f"no image {MUSL} (UV_LAYERS_TEST_MUSL_IMAGE)")
    for libc in ("manylinux_2_17", "musllinux_1_2"):
        web.wheel("hello", script=True, tag=f"cp313-cp313-{libc}_x86_64")
        web.wheel("hello", script=True, tag=f"cp313-cp313-{libc}_aarch64")
    context = project(PROJECT)
    told = ["--base", MUSL, "--builder", MUSL, "--python", "3.13"]
    told += ["--uv", uv] if (uv := os.environ.get(MUSL_UV)) else []
    context.write(context.dockerfile(*told))
    image = context.build(base=MUSL)
    program = "import os, hello; print(hello.TAG, os.path.exists(hello.__spec__.cached))"
    tag, compiled = image.run("python3", "-B", "-c", program).split()
    assert tag.startswith("cp313-cp313-musllinux_1_2_")
    assert compiled == "True"
    assert image.run("hello") == "hello 1.0"
