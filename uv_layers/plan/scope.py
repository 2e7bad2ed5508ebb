"""The packages of a workspace that an image has, and their groups and extras."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from uv_layers import errors
from uv_layers.project.config import DEPENDENCIES, Claim
from uv_layers.project.discovery import Source, load_project

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from uv_layers.lock.uv_lock import LockedPackage, UvLock
    from uv_layers.project.discovery import Project


def select_packages(current: Project, names: Sequence[str], lock: UvLock, config_file: Path | None = None) -> Project:
    """Return the project whose image has what `uv sync --package NAME …` installs in the folder of `current`.

    The lock has the extras and groups that a `pyproject.toml` declares dynamic. Raises UsageError for an unknown name,
    and UnknownGroupError for a default group that is not defined.
    """
    for name in names:
        if name not in current.members and name not in lock.tables:
            others = ", ".join(m for m in current.members if m != current.root.name) or "none"
            raise errors.UsageError(f"--package: no member {name!r} in the workspace; members: {others}")
    start, root, members = current.source, current.root, current.members
    if not names and start.name is not None and start.directory != root.directory:
        names = (start.name,)
    # `uv sync --frozen --package` accepts any package of the lock, and installs that package, too.
    other = Source(root.directory, default_groups=(), has_dependencies=True)
    chosen = [members.get(name) or replace(other, name=name) for name in names]
    if not names:
        chosen = [start] if start.name is not None else list(members.values())
    one = chosen[0] if len(chosen) == 1 and chosen[0].name in {*names, start.name} else None
    parts = chosen if one is not None or root.name is not None else [root, *chosen]
    locked = [lock.package(part.name or "") for part in parts]
    known: list[Source | LockedPackage] = [*parts, *locked]
    groups = dict.fromkeys(group for package in known for group in package.groups)
    declared = (one or start).default_groups
    default = [g for g in groups if declared is None or g in declared]
    _check_default_groups(one or start)
    sources = parts
    if one is not None:
        # uv installs a group that only the workspace root defines if an option names it, but not by default.
        inherited = {g: limits for g, limits in root.groups.items() if g not in groups}
        sources = [*parts, replace(root, groups=inherited)]
        groups |= dict.fromkeys(inherited)
    home = (one or root).directory
    if home != current.directory:
        current = load_project(home, config_file, current.lock_root)
    extras = tuple(dict.fromkeys(extra for package in known for extra in package.extras))
    return replace(
        current,
        start=start.directory,
        # `uv export` accepts a package that is not a member only if `--package` is there twice.
        packages=tuple(names) * (2 if one is not None and one.name not in {*members, None} else 1),
        parts=tuple(chosen),
        requires_python=",".join(filter(None, dict.fromkeys([current.requires_python, lock.requires_python]))),
        group_python={g: tuple(x for s in sources for x in s.groups.get(g, ())) for g in groups},
        local=_local(lock, [part.name for part in parts if part.name], groups, extras),
        has_dependencies=any(package.has_dependencies for package in known),
        groups=tuple(groups),
        default_groups=tuple(default),
        extras=extras,
        environments=lock.environments,
        locked_members=lock.members,
        uv_settings={**current.uv_settings, **lock.upload_limits},
    )


def _check_default_groups(source: Source) -> None:
    for group in source.default_groups or ():
        if group != "dev" and group not in source.groups:
            raise errors.UnknownGroupError("pyproject.toml: tool.uv.default-groups", group, tuple(source.groups))


def _local(
    lock: UvLock, packages: Sequence[str], groups: Iterable[str], extras: Iterable[str]
) -> dict[Claim, frozenset[str]]:
    """Return the packages in local folders that uv installs for each claim."""
    claims = [DEPENDENCIES, *(Claim("group", group) for group in groups), *(Claim("extra", extra) for extra in extras)]
    return {claim: frozenset(lock.local_packages(packages, claim.kind, claim.name)) for claim in claims}
