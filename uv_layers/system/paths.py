"""Paths, on this machine and in the image."""

from __future__ import annotations

import os
from pathlib import Path

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
