"""The environment for builds without isolation: it has the packages that `uv sync` installs before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uv_layers.lock.builds import without_isolation
from uv_layers.system.names import normalised

if TYPE_CHECKING:
    from pathlib import Path

    from uv_layers.lock.layer_lock import LayerLock


def interpreter(staging: Path) -> Path:
    """Return the path of the environment's interpreter."""
    return staging / "environment" / "bin" / "python"


def unisolated(lock: LayerLock) -> set[str]:
    """Return the names of the layer's packages that uv builds without isolation."""
    return without_isolation(lock.versions.keys() - lock.wheels.keys(), lock.settings)


def installed_before(lock: LayerLock) -> set[str]:
    """Return the names of the packages that these builds find: the layer's other packages and its build packages.

    A project's own folders are not among them.
    """
    own = set() if lock.folders else lock.versions.keys() - unisolated(lock)
    return own | {normalised(table["name"]) for table in lock.build_packages}
