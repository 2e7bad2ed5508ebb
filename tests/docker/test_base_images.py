"""Images whose Python is not that of the official images: Debian's own, and one that uv manages. They have no pip."""

from __future__ import annotations

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
