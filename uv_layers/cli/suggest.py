"""`uv-layers suggest`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated

import typer

from uv_layers import errors
from uv_layers.cli.json import suggestion_json
from uv_layers.cli.options import JsonOption, Text, command, option, size_of
from uv_layers.cli.progress import Progress
from uv_layers.cli.tables import UNFOLDED, download, first, size, table
from uv_layers.cli.terminal import print_hints, say, terminal_width
from uv_layers.history.chosen import ENOUGH
from uv_layers.history.sizes import complete
from uv_layers.history.suggest import read_history, suggest_layers
from uv_layers.plan.layers import claims_of, layer_specs, own_layer
from uv_layers.plan.resolve import find_project, make_plan
from uv_layers.project.config import CONFIG_FILE
from uv_layers.project.edit import with_layers
from uv_layers.project.options import Options
from uv_layers.system.files import write_atomically
from uv_layers.system.names import counted
from uv_layers.system.paths import resolved
from uv_layers.system.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from uv_layers.history.suggest import Suggestion
    from uv_layers.project.discovery import Project


@command(example="uv-layers suggest --budget 6 --write", without=("warn_size",))
def suggest(
    *,
    options: Options,
    budget: Annotated[int, option("--budget N", "The maximum number of layers.", min=1, max=100)] = 10,
    since: Annotated[Text, option("--since DATE", "Use only the history since DATE.")] = None,
    max_revisions: Annotated[
        int | None, option("--max-revisions N", "Use only the last N revisions of uv.lock.", min=1)
    ] = None,
    max_size: Annotated[str, option("--max-size SIZE", "Split layers larger than SIZE, e.g. 500MB.")] = "1GB",
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Start from the current layers; move a package only if that makes clients pull less."
        ),
    ] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the layers to uv-layers.toml.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Propose layers from package sizes and the history of uv.lock."""
    largest = size_of("--max-size", max_size)
    current = find_project(options)
    with Progress(wanted=not options.quiet) as progress:
        plan = make_plan(options, current, ())
        layers = [layer for layer in plan.layers if layer.members and layer.kind == "packages"]
        if not layers:
            raise errors.NoLayersError(current.directory / "pyproject.toml")
        report = partial(progress, "uv.lock")
        history = read_history(current.lock, options.environ, since=since, limit=max_revisions, report=report)
        layers, estimates = complete(
            layers, current.lock_root, _installed(options, current, plan.prefix), offline=options.offline
        )
        suggestion = suggest_layers(
            layers,
            # As configured: --no-group must not remove groups from the file.
            current.config.layers or (layer_specs(current, options.selection) if keep else ()),
            history,
            budget,
            keep=keep,
            claims=claims_of(current, options.selection),
            max_size=largest,
            estimates=estimates,
            reserved=[layer.name for layer in plan.layers if layer.kind != "packages"],
        )
    hints, path = [*suggestion.hints, *current.config.hints], None
    if largest and len(suggestion.layers) > budget:
        count = counted(len(suggestion.layers), "layer")
        hints.append(f"--max-size {max_size} needs {count}, more than --budget {budget}; raise one of them")
    if write:
        path = options.config or current.directory / CONFIG_FILE
        # Configured layers need an explicit layer of the project.
        config = replace(current.config, project=own_layer(current, options.selection))
        write_atomically(resolved(path), with_layers(path, [layer.spec for layer in suggestion.layers], config))
        hints += () if current.config.hints else replace(current.config, source=path.name).hints
        if lost := unwritten(options):
            hints.append(f"{path.name} cannot store {' '.join(lost)}; pass these options to other commands, too")
    suggestion = replace(suggestion, hints=tuple(hints))
    if as_json:
        typer.echo(suggestion_json(suggestion, path))
    else:
        typer.echo(suggestion_table(suggestion, verbose=options.verbose, width=terminal_width()), nl=False)
    if path is not None:
        say(f"{path}: written", options)
    print_hints(suggestion.hints, options)


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


def suggestion_table(suggestion: Suggestion, *, verbose: bool = False, width: int | None = None) -> str:
    """Return the result of `suggest` as a table with a row per layer, top last, then costs and savings."""
    rows = [
        (
            layer.spec.name,
            str(len(layer.packages)),
            download(layer.size, layer.unsized),
            f"{layer.changes} of {suggestion.updates}" if suggestion.updates else "",
            first(layer.packages, None if verbose else 3),
        )
        for layer in suggestion.layers
    ]
    text = table(("layer", ">packages", ">download", ">updates", "largest first"), rows, width)
    costs = [
        ("one layer", suggestion.one_layer),
        ("current layers", suggestion.today),
        ("proposed layers", suggestion.expected),
        ("one layer per package", suggestion.floor),
    ]
    if suggestion.updates >= ENOUGH:
        text += "\n" + _costs_table("layers", costs, width)
    if tested := suggestion.backtest:
        costs = [
            ("one layer", tested.one_layer),
            ("current layers", tested.today),
            (f"proposed from the first {tested.learned} updates", tested.layers),
        ]
        text += "\n" + _costs_table(f"replay of the last {tested.replayed} updates", costs, width)
    if suggestion.moves:
        text += "\n" + table(("moves", "from", "to"), [(m.package, m.old, m.new) for m in suggestion.moves], width)
    updates, revisions = counted(suggestion.updates, "update"), counted(suggestion.revisions, "revision")
    learned = f"{updates} of the image in {revisions} of uv.lock"
    if suggestion.unreadable:
        learned += f" ({suggestion.unreadable} of them unreadable)"
    if suggestion.updates < ENOUGH:
        learned += f"; at least {ENOUGH} updates are needed to estimate what an update pulls"
    once = f"; switching to these layers costs one pull of {size(suggestion.once)}" if suggestion.once else ""
    return text + "\n" + "\n".join(wrap(f"based on {learned}{once}", width or UNFOLDED)) + "\n"


def _costs_table(title: str, costs: Sequence[tuple[str, int]], width: int | None) -> str:
    """Return a table of bytes pulled per update; the first row is the whole image."""
    whole = costs[0][1] or 1
    rows = [(name, size(count), f"{count / whole:.1%}") for name, count in costs]
    return table((title, ">pulled per update", ">of the image"), rows, width)
