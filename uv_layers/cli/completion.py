"""Shell completion of the project's layers, groups, extras and members.

uv is not started. A project that cannot be read has no names: an error would end up in the line that is being typed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer  # noqa: TC002 - Typer reads the annotations

from uv_layers import errors
from uv_layers.project.options import Options, Selection
from uv_layers.system.names import normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def layers(ctx: typer.Context) -> list[str]:
    """Return the layers of the project or of the layer locks here, and the groups that can be layers on top."""
    from uv_layers.cli.sources import source_of  # noqa: PLC0415 - while somebody types, only what is needed

    names = _names(ctx, lambda options: source_of(options, (), None).layers)
    return list(dict.fromkeys([*names, *groups(ctx)]))


def groups(ctx: typer.Context) -> list[str]:
    """Return the dependency groups of the project."""
    return _of_project(ctx, "groups")


def extras(ctx: typer.Context) -> list[str]:
    """Return the extras of the project."""
    return _of_project(ctx, "extras")


def members(ctx: typer.Context) -> list[str]:
    """Return the members of the workspace."""
    return _of_project(ctx, "members")


def shells() -> list[str]:
    """Return the shells that `uv-layers env` supports."""
    from uv_layers.cli.shell import SYNTAXES  # noqa: PLC0415

    return list(SYNTAXES)


def _of_project(ctx: typer.Context, what: str) -> list[str]:
    from uv_layers.plan.resolve import find_project  # noqa: PLC0415

    return _names(ctx, lambda options: getattr(find_project(options), what))


def _names(ctx: typer.Context, find: Callable[[Options], Iterable[str]]) -> list[str]:
    """Return the names for the options that are already on the line."""
    given = {name: value for name, value in ctx.params.items() if value}
    folder, config = (None if name not in given else Path(given[name]) for name in ("project", "config"))
    packages, chosen, extra = (tuple(map(normalised, given.get(n, ()))) for n in ("package", "group", "extra"))
    try:
        selection = Selection(groups=chosen, extras=extra)
        every = bool(given.get("all_packages"))
        options = Options(folder, packages, all_packages=every, config=config, selection=selection)
        return list(find(options))
    except (errors.LayersError, OSError):
        return []
