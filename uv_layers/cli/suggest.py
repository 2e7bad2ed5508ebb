"""`uv-layers suggest`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from uv_layers import errors
from uv_layers.cli.json import suggestion_json
from uv_layers.cli.options import JsonOption, command, env_names, size_of
from uv_layers.cli.progress import Progress
from uv_layers.cli.tables import size, suggestion_table
from uv_layers.cli.terminal import print_hints, say, terminal_width
from uv_layers.history.sizes import complete
from uv_layers.history.suggest import read_history, suggest_layers
from uv_layers.plan.layers import claims_of, layer_specs, own_layer
from uv_layers.plan.resolve import find_project, make_plan
from uv_layers.project.config import CONFIG_FILE
from uv_layers.project.edit import with_layers
from uv_layers.project.options import Options
from uv_layers.system.files import write_atomically
from uv_layers.system.paths import resolved
from uv_layers.system.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from uv_layers.history.suggest import Suggestion
    from uv_layers.project.discovery import Project


@command(example="uv-layers suggest --budget 10 --write", without=("warn_size",))
def suggest(
    *,
    options: Options,
    budget: Annotated[
        int,
        typer.Option(
            "--budget", metavar="N", min=1, max=100, envvar=env_names("BUDGET"), help="The maximum number of layers."
        ),
    ] = 10,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", envvar=env_names("SINCE"), help="Use only the history since DATE."),
    ] = None,
    max_revisions: Annotated[
        int | None,
        typer.Option(
            "--max-revisions",
            metavar="N",
            min=1,
            envvar=env_names("MAX_REVISIONS"),
            help="Use only the last N revisions of uv.lock.",
        ),
    ] = None,
    max_size: Annotated[
        str,
        typer.Option(
            "--max-size",
            metavar="SIZE",
            envvar=env_names("MAX_SIZE"),
            help="Split layers larger than SIZE, e.g. 500MB.",
        ),
    ] = "1GB",
    keep: Annotated[
        bool, typer.Option("--keep", help="Start from the current layers; move a package only if that saves pulls.")
    ] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the layers to uv-layers.toml.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Propose layers from package sizes and the history of uv.lock."""
    largest = size_of("--max-size", max_size)
    with Progress(wanted=not options.quiet) as progress:
        suggestion, path = suggest_for(
            options,
            budget=budget,
            since=since,
            limit=max_revisions,
            max_size=largest,
            keep=keep,
            write=write,
            report=partial(progress, "uv.lock"),
        )
    if as_json:
        typer.echo(suggestion_json(suggestion, path))
    else:
        typer.echo(suggestion_table(suggestion, verbose=options.verbose, width=terminal_width()), nl=False)
    if path is not None:
        say(f"written: {path}", options)
    print_hints(suggestion.hints, options)


def suggest_for(
    options: Options,
    *,
    budget: int,
    since: str | None = None,
    limit: int | None = None,
    max_size: int | None = None,
    keep: bool = False,
    write: bool = False,
    report: Callable[[str], object] = str,
) -> tuple[Suggestion, Path | None]:
    """Return layers based on sizes and the history of uv.lock, and with `write` the file that has them now."""
    current = find_project(options)
    plan = make_plan(options, current, ())
    layers = [layer for layer in plan.layers if layer.members and layer.kind == "packages"]
    if not layers:
        raise errors.NoLayersError(current.directory / "pyproject.toml")
    history = read_history(current.lock, options.environ, since=since, limit=limit, report=report)
    # As configured: --no-group must not remove groups from the file.
    specs = current.config.layers or (layer_specs(current, options.selection) if keep else ())
    claims = claims_of(current, options.selection)
    layers, estimates = complete(
        layers, current.lock_root, _installed(options, current, plan.prefix), offline=options.offline
    )
    found = suggest_layers(
        layers,
        specs,
        history,
        budget,
        keep=keep,
        claims=claims,
        max_size=max_size,
        estimates=estimates,
        reserved=[layer.name for layer in plan.layers if layer.kind != "packages"],
    )
    hints = [*found.hints, *current.config.hints]
    if max_size and len(found.layers) > budget:
        why = f"so that none is larger than {size(max_size)}"
        hints.append(f"{len(found.layers)} layers, more than the budget of {budget}, {why}")
    found = replace(found, hints=tuple(hints))
    if not write:
        return found, None
    path = options.config or current.directory / CONFIG_FILE
    # Configured layers need an explicit layer of the project.
    config = replace(current.config, project=own_layer(current, options.selection))
    text = with_layers(path, [layer.spec for layer in found.layers], config)
    write_atomically(resolved(path), text)
    hints = [] if current.config.hints else [*replace(current.config, source=path.name).hints]
    if lost := unwritten(options):
        hints.append(f"{path.name} cannot store {' '.join(lost)}; pass it to the other commands, too")
    return replace(found, hints=(*found.hints, *hints)), path


def _installed(options: Options, current: Project, prefix: str) -> Iterator[tuple[Path, str]]:
    """Yield folders with installed packages (trees, uv's cache), each with the pattern of paths to them."""
    yield current.directory / "layers", "/".join(filter(None, ("*", prefix.strip("/"), "lib/python*/site-packages")))
    uv = Uv.find(options.environ, offline=options.offline)
    yield uv.cache_folder(current.lock_root), "archive-v*/*"


def unwritten(options: Options) -> list[str]:
    """Return the options that choose packages and cannot be stored in the configuration."""
    chosen = options.selection
    words = ["--all-packages"] * options.all_packages + ["--no-default-groups"] * chosen.no_default_groups
    words += [w for name in options.packages if len(options.packages) > 1 for w in ("--package", name)]
    words += [w for name in chosen.no_groups for w in ("--no-group", name)]
    return words + [w for name in chosen.no_install_packages for w in ("--no-install-package", name)]
