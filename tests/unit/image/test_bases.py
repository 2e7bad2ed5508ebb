from __future__ import annotations

import pytest

from uv_layers.image.bases import lines_for_python

APT = "RUN apt-get update && apt-get install --yes --no-install-recommends python3"


@pytest.mark.parametrize(
    ("image", "line"),
    [
        ("debian:bookworm-slim", APT),
        ("registry.example:5000/library/ubuntu@sha256:0", APT),
        ("nvidia/cuda:12.6.3-base-ubuntu24.04", APT),
        ("alpine", "RUN apk add --no-cache python3"),
    ],
)
def test_an_image_without_python_gets_the_lines_that_add_it(image, line):
    assert lines_for_python(image) == (f"FROM {image} AS base", line)


@pytest.mark.parametrize(
    "image",
    [
        *("python:3.12-alpine", "base", "debian-python:3", "debian/python", "nvidia/cuda:12.6.3-base-ubi9"),
        "registry.example/debian:12-python3.12",
    ],
)
def test_another_image_gets_none(image):
    assert lines_for_python(image) == ()
