"""Which layers have packages from git, as far as `uv.lock` tells. Pure: no process, no file, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uv_layers.plan.assign import matching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uv_layers.lock.uv_lock import Requirement, UvLock
    from uv_layers.project.config import LayerSpec
    from uv_layers.project.discovery import Project


def git_layers(project: Project, lock: UvLock, layers: Sequence[LayerSpec]) -> set[str]:
    """Return the names of the layers that need git in their stage.

    A pattern claims a package for one layer. Of the others, the lock does not tell on which platforms a layer needs
    it, so every layer that may have the package is one, and the top layer if there is no other.
    """
    waiting = set(lock.git_packages)
    found: set[str] = set()
    for spec in layers:
        claimed = {name for pattern in spec.packages for name in matching(pattern, waiting)}
        found |= {spec.name} if claimed else set()
        waiting -= claimed
    if not waiting:
        return found
    claims = {spec.name: waiting & lock.closure(_requirements(project, lock, spec)) for spec in layers}
    found |= {name for name, claimed in claims.items() if claimed}
    if layers and waiting - {package for claimed in claims.values() for package in claimed}:
        found.add(layers[-1].name)
    return found


def _requirements(project: Project, lock: UvLock, spec: LayerSpec) -> list[Requirement]:
    """Return what the groups, extras and dependencies that a layer claims ask for."""
    found = lock.root_requirements(spec.groups)
    for name in {part.name for part in (*project.parts, project.root) if part.name}:
        found += lock.requirements(name, spec.extras, spec.groups, dependencies=spec.dependencies)
    return found
