"""Paths, on this machine and in the image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uv_layers.credentials import is_url

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PREFIX = "/usr/local"


# The layer that has a virtual environment without its packages.
ENVIRONMENT = "venv"


# Where the builder stage of a Dockerfile has uv-layers: a virtual environment of its own.
TOOL_FOLDER = "/opt/uv-layers"


def is_environment(prefix: str) -> bool:
    """Tell whether a prefix is a virtual environment, by its last name: `.venv`, `venv`, or one that ends so."""
    return prefix.rpartition("/")[2].endswith("venv")


def resolved(path: Path) -> Path:
    """Return the path that links lead to; not by Path.resolve, which before Python 3.13 fails for a link to itself."""
    return Path(os.path.realpath(path))


def below(tree: Path, prefix: str) -> Path:
    """Return the folder of a tree that is the prefix in the image."""
    return tree / prefix.lstrip("/")


def with_absolute_indexes(settings: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Return uv's settings in which indexes that are paths from `root` have absolute paths."""

    def absolute(place: str) -> str:
        return place if is_url(place) else str(root / place)

    found = dict(settings)
    if "find-links" in found:
        found["find-links"] = [absolute(place) for place in found["find-links"]]
    if "index" in found:
        found["index"] = [{**index, "url": absolute(index["url"])} for index in found["index"]]
    return found
