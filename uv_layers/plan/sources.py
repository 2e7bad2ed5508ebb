"""The layers with packages from git, according to `uv.lock`. Pure: no process, no file, no clock."""

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

    A pattern claims a package for one layer. Without a pattern, markers decide on which platform a layer needs the
    package: every layer that may have it counts, or the top layer if no other one does.
    """
    packages = set(lock.git_packages)
    names: set[str] = set()
    for spec in layers:
        claimed = {name for pattern in spec.packages for name in matching(pattern, packages)}
        names |= {spec.name} if claimed else set()
        packages -= claimed
    if not packages:
        return names
    claims = {spec.name: packages & lock.closure(_requirements(project, lock, spec)) for spec in layers}
    names |= {name for name, claimed in claims.items() if claimed}
    if layers and packages.difference(*claims.values()):
        names.add(layers[-1].name)
    return names


def _requirements(project: Project, lock: UvLock, spec: LayerSpec) -> list[Requirement]:
    """Return the requirements of the groups, extras and dependencies that a layer claims."""
    requirements = lock.root_requirements(spec.groups)
    for name in {part.name for part in (*project.parts, project.root) if part.name}:
        requirements += lock.requirements(name, spec.extras, spec.groups, dependencies=spec.dependencies)
    return requirements
