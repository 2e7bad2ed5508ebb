"""`uv-layers plan`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from uv_layers.cli.json import plan_json
from uv_layers.cli.options import JsonOption, command, option
from uv_layers.cli.tables import GAP, download, first, size, table
from uv_layers.cli.terminal import print_hints, terminal_width
from uv_layers.plan.resolve import find_project, make_plan
from uv_layers.project.options import Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uv_layers.lock.packages import Member, Package
    from uv_layers.plan.assign import Plan

# The widths of the longest and the shortest useful bar.
_BAR, _SHORTEST_BAR = 24, 8

# The column of `plan --verbose` for plans with a package to build.
_BUILT_FROM = 4


@command(example="uv-layers plan -v")
def plan(
    *,
    options: Options,
    by_size: Annotated[bool, option("--size", "Show the packages, largest first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the layers: their packages, download sizes, and why each package is there."""
    plan = make_plan(options, find_project(options), ())
    if plan.unused:
        what = f"groups {', '.join(plan.unused)} are" if len(plan.unused) > 1 else f"group {plan.unused[0]} is"
        hint = f"{what} not in the image; to include a group, pass --group, or add it to the `groups` of a layer"
        plan = replace(plan, hints=(*plan.hints, hint))
    if as_json:
        typer.echo(plan_json(plan))
    elif by_size:
        typer.echo(size_table(plan, width=terminal_width()), nl=False)
    else:
        typer.echo(plan_table(plan, verbose=options.verbose, width=terminal_width()), nl=False)
    print_hints(plan.hints, options)


def plan_table(plan: Plan, *, verbose: bool = False, width: int | None = None) -> str:
    """Return the plan as a table with a row per layer, top last; with `verbose`, also a row per package."""
    rows = [
        (layer.name, str(len(layer.members)), _plan_download(layer.members), first(layer.reasons))
        for layer in plan.layers
    ]
    everything = [m for layer in plan.layers for m in layer.members]
    rows.append(("total", str(len(everything)), _plan_download(everything), ""))
    text = table(("layer", ">packages", ">download", "from"), rows, width)
    if verbose:
        members: list[Sequence[str]] = [
            (
                layer.name,
                m.package.name,
                m.package.version or "",
                _package_size(m.package),
                m.package.built_from or "",
                m.reason + (f" (also {', '.join(m.also)})" if m.also else ""),
            )
            for layer in plan.layers
            for m in layer.members
        ]
        header: Sequence[str] = ("layer", "package", "version", ">download", "built from", "why")
        if not any(row[_BUILT_FROM] for row in members):
            header, members = _without(header), list(map(_without, members))
        text += "\n" + table(header, members, width)
    return text + f"\nfor {plan.target}, prefix {plan.prefix}\n"


def size_table(plan: Plan, *, width: int | None = None) -> str:
    """Return the packages of a plan as a table, largest download first; on a terminal (with a `width`) with bars."""
    members = [(layer.name, m.package) for layer in plan.layers for m in layer.members]
    members.sort(key=lambda member: (-(member[1].size or 0), member[1].name))
    sizes = [package.size or 0 for _, package in members]
    rows = [
        (package.name, layer, _package_size(package), "")
        if package.size is None
        else (package.name, layer, size(package.size), f"{package.size / (sum(sizes) or 1):.1%}")
        for layer, package in members
    ]
    lines = table(("package", "layer", ">download", ">share"), rows, width).splitlines()
    longest = max(map(len, lines))
    room = min(_BAR, 0 if width is None else width - longest - len(GAP))
    if room >= _SHORTEST_BAR:
        bars = ["", "", *("█" * round(count / (max(sizes) or 1) * room) for count in sizes)]
        lines = [f"{line.ljust(longest)}{GAP}{bar}".rstrip() for line, bar in zip(lines, bars, strict=True)]
    return "".join(f"{line}\n" for line in lines)


def _without(row: Sequence[str]) -> Sequence[str]:
    return (*row[:_BUILT_FROM], *row[_BUILT_FROM + 1 :])


def _package_size(package: Package) -> str:
    if package.size is None:
        return "local" if package.built_from == "folder" else "unknown"
    return size(package.size)


def _plan_download(members: Sequence[Member]) -> str:
    packages = [m.package for m in members if m.package.built_from != "folder"]
    if members and not packages:
        return "local"
    return download(sum(p.size or 0 for p in packages), sum(p.size is None for p in packages))
