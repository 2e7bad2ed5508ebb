"""Which layers need git in their stage, as far as `uv.lock` and `pyproject.toml` files tell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from uv_layers.plan.assign import matching
from uv_layers.project.fields import get_strings, get_table, read_toml
from uv_layers.system.names import normalised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uv_layers.lock.uv_lock import Requirement, UvLock
    from uv_layers.project.config import LayerSpec
    from uv_layers.project.discovery import Project


# Build requirements that ask git for the version, e.g. hatch-vcs, setuptools-scm, uv-dynamic-versioning, versioneer.
_FROM_GIT = re.compile(r"\s*(?:[\w.-]*(?:vcs|scm|git|versioneer|versioning)|pbr\b)", re.ASCII | re.IGNORECASE)


def asks_git(project: Project) -> bool:
    """Return whether the build of a local package asks git for its version."""
    installed = frozenset[str]().union(*project.local.values())
    for path in project.inputs:
        if path.name != "pyproject.toml":
            continue
        document = read_toml(path)
        name = get_table(document, "project").get("name")
        # A package of an old kind has its name in `setup.cfg` or `setup.py`.
        if name is not None and normalised(str(name)) not in installed:
            continue
        requires = get_table(document, "build-system").get("requires", [])
        version = get_table(document, "tool.pdm").get("version")
        if any(map(_FROM_GIT.match, get_strings(requires, "pyproject.toml", "build-system.requires"))) or (
            isinstance(version, dict) and version.get("source") == "scm"
        ):
            return True
    return False


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
