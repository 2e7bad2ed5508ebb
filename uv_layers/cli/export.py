"""`uv-layers export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uv_layers import errors
from uv_layers.cli.json import exported_json
from uv_layers.cli.options import JsonOption, LayersArgument, Text, command, option
from uv_layers.cli.terminal import print_hints, say
from uv_layers.lock.layer_lock import file_name
from uv_layers.plan.resolve import find_project, layer_locks, layers_of, make_plan
from uv_layers.project.options import Options
from uv_layers.system.files import write_atomically
from uv_layers.system.names import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uv_layers.lock.layer_lock import LayerLock
    from uv_layers.plan.assign import Plan


@dataclass(frozen=True, slots=True)
class Exported:
    """A layer lock and its file; `changed` is False if the file already had this content."""

    lock: LayerLock
    path: Path
    changed: bool


@command(example="uv-layers export heavy -o locks")
def export(
    *,
    options: Options,
    layers: LayersArgument = None,
    output: Annotated[
        Path | None,
        option("--output -o DIR", "Write to DIR, or print one lock with -. [default: the project's folder]"),
    ] = None,
    expect: Annotated[
        Text, option("--expect LAYERS", "Fail unless these are the image's layers, e.g. heavy,light.", envvar=None)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write each layer's lock to pylock.LAYER.toml."""
    prints = output is not None and str(output) == "-"
    if prints and (len(layers or ()) != 1 or as_json):
        raise errors.UsageError("`--output -` prints the lock of a single layer; name one layer, and drop --json")
    exported, plan = export_locks(options, layers or (), output, expected=expect, write=not prints)
    if prints:
        typer.echo(exported[0].lock.text, nl=False)
    elif as_json:
        typer.echo(exported_json(exported))
    else:
        for item in exported:
            say(exported_line(item), options)
    print_hints(plan.hints, options)


def exported_line(exported: Exported) -> str:
    """Return the result of `export` for a layer as a line."""
    state = "written" if exported.changed else "unchanged"
    return f"{exported.lock.layer}: {counted(len(exported.lock.versions), 'package')}, {state}, {exported.path}"


def export_locks(
    options: Options,
    named: Sequence[str] = (),
    output: Path | None = None,
    *,
    expected: str | None = None,
    write: bool = True,
) -> tuple[list[Exported], Plan]:
    """Write the layer locks into the folder `output`, by default that of the project, unless `write` is false.

    Raises StaleDockerfileError if the image has other layers than those `expected`, e.g. "heavy,light".
    """
    project = find_project(options)
    if expected is not None:
        # An additional group may have been removed from the project, too.
        names = layers_of(options, project, [name for name in named if name in project.groups]).names
        if {*(old := expected.split(","))} != {*names}:
            raise errors.StaleDockerfileError(old, names)
    wanted = layers_of(options, project, named).wanted
    plan = make_plan(options, project, named)
    folder = output or project.directory
    exported = []
    for lock in layer_locks(plan, project, wanted):
        if lock.kind == "project":
            if named and lock.layer in wanted:
                step = f"run `uv-layers install {lock.layer}`"
                raise errors.UsageError(f"layer {lock.layer!r} is the project itself, which has no layer lock; {step}")
            continue
        path = folder / file_name(lock.layer)
        if write:
            folder.mkdir(parents=True, exist_ok=True)
        exported.append(Exported(lock, path, changed=write and write_atomically(path, lock.text)))
    return exported, plan
