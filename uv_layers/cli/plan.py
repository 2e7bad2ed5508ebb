"""`uv-layers plan`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from uv_layers.cli.json import plan_json
from uv_layers.cli.options import JsonOption, command, env_names
from uv_layers.cli.tables import plan_table, size_table
from uv_layers.cli.terminal import print_hints, terminal_width
from uv_layers.plan.resolve import find_project, make_plan
from uv_layers.project.options import Options


@command(example="uv-layers plan -v")
def plan(
    *,
    options: Options,
    by_size: Annotated[
        bool, typer.Option("--size", envvar=env_names("SIZE"), help="Show the packages, largest first.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the layers: their packages, their download size, and what put each package there."""
    plan = make_plan(options, find_project(options), ())
    if plan.unused:
        what = f"groups {', '.join(plan.unused)} are" if len(plan.unused) > 1 else f"group {plan.unused[0]} is"
        hint = f"{what} not in the image; to include a group, use --group, or add it to the groups of a layer"
        plan = replace(plan, hints=(*plan.hints, hint))
    if as_json:
        typer.echo(plan_json(plan))
    elif by_size:
        typer.echo(size_table(plan, width=terminal_width()), nl=False)
    else:
        typer.echo(plan_table(plan, verbose=options.verbose, width=terminal_width()), nl=False)
    print_hints(plan.hints, options)
