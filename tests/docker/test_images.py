"""Several images in one Dockerfile: they share the builder, and the layers that are the same."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.docker

PROJECT = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["hello"]

    [dependency-groups]
    dev = ["checks"]
"""


@pytest.fixture
def context(project, web):
    web.wheel("hello", script=True)
    web.wheel("checks", script=True)
    context = project(PROJECT)
    context.dockerfile("--cmd", "hello", "--write", "Dockerfile")
    context.dockerfile("--image", "test", "--cmd", "checks", "--write", "Dockerfile", "dev")
    return context


def test_each_image_is_built_by_its_name_and_they_share_layers(context):
    image = context.build("--no-cache")
    assert image.run() == "hello 1.0"
    assert "install dev" not in image.progress
    test = context.build("--target", "test")
    assert test.run("sh", "-c", "hello && checks").splitlines() == ["hello 1.0", "checks 1.0"]
    assert test.run() == "checks 1.0"
    assert test.cached("uv tool install")
    assert test.cached("uv-layers install dependencies")
    assert not test.cached("uv-layers install dev")
    assert test.packages[0] == image.packages[0]


def test_a_layer_of_both_images_is_built_once(context, docker):
    context.edit("\nFROM python:3.12-slim-bookworm\n", "\nFROM python:3.12-slim-bookworm AS app\n", "Dockerfile")
    text = (context.path / "Dockerfile").read_text(encoding="utf-8")
    context.write(f"{text}\nFROM scratch\nCOPY --from=app /etc/hostname /app\nCOPY --from=test /etc/hostname /test\n")
    options = ("--network=host", "--progress=plain", "--output=type=cacheonly")
    progress = docker("build", *options, ".", cwd=context.path).stderr
    # None, if an earlier test had the same lock.
    assert len(set(re.findall(r"^#(\d+) [\d.]+ dependencies: 1 packages, \d+ files", progress, re.MULTILINE))) <= 1


def test_a_build_argument_chooses_the_image(context):
    context.edit("\nFROM python:3.12-slim-bookworm\n", "\nFROM python:3.12-slim-bookworm AS app\n", "Dockerfile")
    text = (context.path / "Dockerfile").read_text(encoding="utf-8")
    context.write(f"ARG IMAGE=app\n{text}\nFROM $IMAGE\n")
    assert context.uv_layers("dockerfile", "--check", "Dockerfile") == ""
    image = context.build()
    assert image.run() == "hello 1.0"
    assert "install dev" not in image.progress
    test = context.build("--build-arg", "IMAGE=test")
    assert test.run() == "checks 1.0"
    assert test.cached("uv-layers install dependencies")
