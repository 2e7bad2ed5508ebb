"""`uv-layers verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from uv_layers.cli.json import verified_json
from uv_layers.cli.options import JsonOption, LayersArgument, LayersDirOption, command
from uv_layers.cli.sources import source_date_epoch, source_of
from uv_layers.errors import printable
from uv_layers.project.options import Options
from uv_layers.system.uv import Uv
from uv_layers.tree.record import recorded
from uv_layers.tree.seal import digest, hashed
from uv_layers.tree.verify import Problem, problems

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from uv_layers.lock.layer_lock import LayerLock
    from uv_layers.tree.folder import LayersFolder


@command(example="uv-layers verify heavy", without=("platform", "verbose", "warn_size"))
def verify(
    *, options: Options, layers: LayersArgument = None, layers_dir: LayersDirOption = None, as_json: JsonOption = False
) -> None:
    """Check layer trees against their locks."""
    results = verify_layers(options, layers or (), layers_dir=layers_dir)
    if as_json:
        typer.echo(verified_json(results))
    else:
        for line in (line for result in results for line in verified_lines(*result)):
            typer.echo(printable(line))
    if any(problems for _, _, problems in results):
        raise typer.Exit(1)


def verified_lines(layer: str, digest: str | None, problems: Sequence[Problem]) -> list[str]:
    """Return a line per problem of a layer, or one line that says that the layer matches its lock."""
    if not problems:
        return [f"{layer}: matches its lock; digest {digest}"]
    return [f"{layer}: {p.kind}: {p.path}{': ' if p.path and p.detail else ''}{p.detail}" for p in problems]


def verify_layers(
    options: Options, named: Sequence[str], *, layers_dir: Path | None = None
) -> list[tuple[str, str | None, list[Problem]]]:
    """Check the trees of the named layers, by default all, against their locks.

    Returns the name, the digest (None if there is no tree) and the problems of each.
    """
    source = source_of(options, named, layers_dir)
    locks, target, _ = source.gather(Uv.find(options.environ, offline=options.offline))
    results: list[tuple[str, str | None, list[Problem]]] = []
    for lock in locks:
        with source.trees.reading([lock.layer]):
            results.append(_verified(source.trees, lock, source_date_epoch(options.environ), target.python))
    return results


def _verified(
    folder: LayersFolder, lock: LayerLock, latest: int | None, python: str
) -> tuple[str, str | None, list[Problem]]:
    tree, record = folder.tree(lock.layer), recorded(folder, lock.layer)
    if not tree.is_dir():
        return (
            lock.layer,
            None,
            [Problem(lock.layer, "no-tree", "", f"{tree} does not exist; build it with `uv-layers install`")],
        )
    entries = list(hashed(tree))
    return lock.layer, digest(entries), problems(tree, lock, record, latest, python, entries)
