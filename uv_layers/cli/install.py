"""`uv-layers install`."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from uv_layers import errors
from uv_layers.cli import completion
from uv_layers.cli.json import trees_json
from uv_layers.cli.options import JsonOption, LayersDirOption, Names, argument, command, option
from uv_layers.cli.progress import Progress
from uv_layers.cli.sources import source_date_epoch, source_of
from uv_layers.cli.tables import first, size
from uv_layers.cli.terminal import print_hints, say
from uv_layers.lock.layer_lock_reader import check_wheels
from uv_layers.project.options import Options
from uv_layers.system.names import counted
from uv_layers.system.process import cores
from uv_layers.system.tasks import parallel
from uv_layers.system.uv import Uv
from uv_layers.tree.build import Build, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from uv_layers.cli.sources import Source
    from uv_layers.lock.layer_lock import LayerLock
    from uv_layers.system.interpreter import Target
    from uv_layers.tree.build import Tree
    from uv_layers.tree.folder import LayersFolder


@command(example="uv-layers install heavy")
def install(
    *,
    options: Options,
    layers: Annotated[
        Names, argument("[LAYER]...", "Layers or dependency groups; required without --all.", completion.layers)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Install every layer.")] = False,
    layers_dir: LayersDirOption = None,
    sources: Annotated[
        Literal["all", "default", "none"],
        option("--compile", "Which modules get bytecode: all, all but tests, or none."),
    ] = "default",
    # By the time and size of its source, by its hash, or not at all (PEP 552).
    invalidation: Annotated[
        Literal["timestamp", "checked-hash", "unchecked-hash"],
        option("--invalidation-mode", "How Python validates bytecode."),
    ] = "timestamp",
    editable: Annotated[
        bool, option("--editable", "Install the project and workspace members as editable, like uv sync.")
    ] = False,
    strict: Annotated[
        bool, option("--strict", "Fail if packages conflict with each other or with the base image.")
    ] = False,
    digest: Annotated[bool, option("--digest", "Print the digest of each tree.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Build layer trees from the project, or from layer locks if there is no project."""
    with Progress(wanted=not options.quiet and not options.verbose) as progress:
        trees, hints = install_layers(
            replace(options, editable=editable),
            layers or (),
            everything=everything,
            layers_dir=layers_dir,
            sources=sources,
            invalidation=invalidation,
            strict=strict,
            digest=digest,
            report=progress,
        )
    if as_json:
        typer.echo(trees_json(trees))
    else:
        for line in (line for tree in trees for line in tree_lines(tree, verbose=options.verbose)):
            say(line, options)
    print_hints(hints, options)


def tree_lines(tree: Tree, *, verbose: bool = False) -> list[str]:
    """Return the result of a layer as a line, then lines with details."""
    record, seconds = tree.record, tree.seconds
    what = f"{tree.layer}: {counted(record.packages, 'package')}, {counted(record.files, 'file')}, {size(record.size)}"
    lines = [f"{what}, {'up to date' if seconds is None else f'{seconds:.1f} s'}, {tree.path}"]
    if tree.digest:
        lines.append(f"{tree.layer}: {tree.digest}")
    if record.built:
        built = f"{', '.join(record.built)}: built from source"
        lines.append(f"{tree.layer}: {built}, so another machine may build different files")
    if record.excluded:
        most = sorted(record.excluded, key=lambda name: (-record.excluded[name], name))
        shares = [f"{name} {size(record.excluded[name])}" for name in most]
        total = size(sum(record.excluded.values()))
        lines.append(f"{tree.layer}: exclude-files saves {total}: {first(shares, None if verbose else 3)}")
    if record.invalid:
        left = counted(record.invalid, "file")
        lines.append(f"{tree.layer}: {left} not compiled: invalid syntax in this version of Python")
    return lines + [
        f"warning: {tree.layer}: {clash.path} differs between {' and '.join(clash.owners)}; {clash.owners[-1]} wins"
        for clash in record.clashes
    ]


def install_layers(
    options: Options,
    named: Sequence[str] = (),
    *,
    everything: bool = False,
    layers_dir: Path | None = None,
    sources: str = "default",
    invalidation: str = "timestamp",
    strict: bool = False,
    digest: bool = False,
    report: Callable[[str, str], object] = silent,
) -> tuple[list[Tree], tuple[str, ...]]:
    """Build the trees of the named layers, or of all, and return them with hints.

    In a folder with a project they come from the project, else from the layer locks there. `report` is called with a
    layer and what is done for it, or nothing at its end. Raises a LayersError, and OSError when the machine fails.
    """
    if bool(named) == everything:
        raise errors.UsageError("name the layers to install (see `uv-layers plan`), or pass --all, but not both")
    source = source_of(options, named, layers_dir)
    build = Build(
        options,
        source.trees,
        source_date_epoch(options.environ),
        sources=sources,
        invalidation=invalidation,
        strict=strict,
        digest=digest,
        root=source.root,
        access=source.access,
        environ=options.environ,
        report=report,
    )
    stamp = build.stamp(source.inputs)
    # Sources are not compared, so the layer of the project is built each time.
    fresh = [tree for name in source.layers if (tree := build.unchanged(name, stamp)) is not None]
    if len(fresh) == len(source.layers):
        clashes = _clashes_between(source.trees, fresh, strict=True) + _base_image(source, fresh) if strict else ()
        return fresh, source.hints + clashes
    uv = Uv.find(options.environ, offline=options.offline)
    locks, target, hints = source.gather(uv)
    if options.platform is not None:
        check_wheels(locks, target)
    elif _is_base_image(source):
        _check_prefixes(locks, target, options)
    trees = parallel([partial(build.make, uv, lock, target, stamp) for lock in locks], cores())
    hints += _clashes_between(source.trees, trees, strict=strict)
    return trees, hints if options.platform else hints + _base_image(source, trees, strict=strict)


def _clashes_between(folder: LayersFolder, trees: Sequence[Tree], *, strict: bool) -> tuple[str, ...]:
    """Return a line for each file that differs between two of the trees; with `strict`, raises ClashError."""
    if len(trees) < 2:  # noqa: PLR2004
        return ()
    from uv_layers.tree import installed  # noqa: PLC0415 - an up-to-date tree needs none of it

    with folder.reading(tree.layer for tree in trees):
        merged = [
            replace(distribution, name=f"{distribution.name} (layer {tree.layer})")
            for tree in trees
            for distribution in installed.distributions(tree.path, tree.record.sites)
        ]
    within = {clash.path for tree in trees for clash in tree.record.clashes}
    between = [clash for clash in installed.clashes(merged) if clash.path not in within]
    between += installed.folder_clashes(merged)
    if between and strict:
        raise errors.ClashError(between[0].path, between[0].owners)
    return tuple(
        f"{clash.path} differs between {' and '.join(clash.owners)}; the layer that is copied last wins"
        for clash in between
    )


def _is_base_image(source: Source) -> bool:
    """Return whether this machine is the base image, as in a stage that runs as root."""
    return source.stage and os.geteuid() == 0


def _check_prefixes(locks: Sequence[LayerLock], target: Target, options: Options) -> None:
    """Raise BaseImageError if the Python of the base image does not look for packages in the prefix of a layer."""
    from uv_layers.tree import base  # noqa: PLC0415

    for message in base.unsearched((lock.prefix for lock in locks), target, options.environ):
        raise errors.BaseImageError(message)


def _base_image(source: Source, trees: Sequence[Tree], *, strict: bool = True) -> tuple[str, ...]:
    """Return a line for each package that the base image has in another version; raises BaseImageError.

    Trees must not replace links and folders of the base image.
    """
    from uv_layers.tree import base  # noqa: PLC0415

    if _is_base_image(source):
        for damage in (damage for tree in trees for damage in base.damages(tree)):
            raise errors.BaseImageError(damage)
    overlaps = tuple(line for tree in trees for line in base.overlaps(tree))
    if overlaps and strict:
        raise errors.BaseImageError(overlaps[0])
    return overlaps
