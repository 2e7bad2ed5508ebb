"""Paths, on this machine and in the image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uv_layers.credentials import is_url

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PREFIX = "/usr/local"

# The layer of a virtual environment without packages.
ENVIRONMENT = "venv"

# The virtual environment of uv-layers in the builder stage of a Dockerfile.
TOOL_FOLDER = "/opt/uv-layers"


def is_environment(prefix: str) -> bool:
    """Return whether a prefix is a virtual environment: its last name ends in `venv`."""
    return prefix.rpartition("/")[2].endswith("venv")


def resolved(path: Path) -> Path:
    """Return the path without links. Path.resolve fails for a link to itself before Python 3.13."""
    return Path(os.path.realpath(path))


def below(tree: Path, prefix: str) -> Path:
    """Return the folder of the prefix in a tree."""
    return tree / prefix.lstrip("/")


def with_absolute_indexes(settings: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Return uv's settings with relative paths of indexes made absolute below `root`."""

    def absolute(index: str) -> str:
        return index if is_url(index) else str(root / index)

    result = dict(settings)
    if "find-links" in result:
        result["find-links"] = [absolute(index) for index in result["find-links"]]
    if "index" in result:
        result["index"] = [{**index, "url": absolute(index["url"])} for index in result["index"]]
    return result
