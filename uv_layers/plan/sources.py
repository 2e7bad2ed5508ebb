"""The layers that need git in their stage, according to `uv.lock` and `pyproject.toml` files."""

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
