"""`uv-layers env`."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from uv_layers import errors
from uv_layers.cli import completion
from uv_layers.cli.json import env_json
from uv_layers.cli.options import JsonOption, LayersArgument, LayersDirOption, Text, command, option
from uv_layers.cli.shell import code
from uv_layers.cli.sources import source_of
from uv_layers.cli.terminal import print_hints
from uv_layers.project.options import Options
from uv_layers.system.process import running_shell
from uv_layers.tree.installed import scripts
from uv_layers.tree.record import recorded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Environment:
    """What a shell or an editor needs to use layer trees in place.

    `trees` has them by layer, bottom to top; `variables` has the folders of `PATH` and `PYTHONPATH`, those of the top
    layer first, since the layer that is copied last wins; `interpreter` is the one that the trees were built with, None
    if they were built with several.
    """

    trees: Mapping[str, Path]
    variables: Mapping[str, tuple[str, ...]]
    interpreter: str | None


@command(
    example="uv-layers env --shell fish | source",
    without=("prefix", "python", "platform", "warn_size", "locked", "frozen", "offline", "verbose"),
)
def env(
    *,
    options: Options,
    layers: LayersArgument = None,
    layers_dir: LayersDirOption = None,
    shell: Annotated[
        Text,
        option(
            "--shell NAME",
            "sh, bash, zsh, fish or powershell. [default: the current shell]",
            complete=completion.shells,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print shell code that puts built trees on PATH and PYTHONPATH."""
    environment, hints = environment_of(options, layers or (), layers_dir=layers_dir)
    if as_json:
        typer.echo(env_json(environment))
    else:
        text = code(environment.variables, shell or running_shell(options.environ))
        # As bytes: a path may be invalid in the terminal's encoding.
        typer.echo(os.fsencode(text), nl=False)
    print_hints(hints, options)


def environment_of(
    options: Options, named: Sequence[str] = (), *, layers_dir: Path | None = None
) -> tuple[Environment, tuple[str, ...]]:
    """Return what a shell needs to use the trees of the named layers, by default all, in place; and hints.

    Of the trees, only the folders around their packages are looked at, and uv is not started. Raises NotBuiltError.
    """
    source = source_of(options, named, layers_dir)
    found = {name: recorded(source.trees, name) for name in source.layers}
    records = {name: record for name, record in found.items() if record is not None}
    if missing := [name for name in found if name not in records]:
        words = [] if layers_dir is None else ["--layers-dir", str(layers_dir)]
        raise errors.NotBuiltError(missing, source.trees.path, words)
    # Resolved, so that the same folder always has the same path.
    trees = {name: source.trees.tree(name).resolve() for name in source.layers}
    sites = [(trees[name], site) for name in reversed(trees) for site in records[name].sites]
    programs = dict.fromkeys(tree / scripts(site) for tree, site in sites)
    different = {record.interpreter[0] for record in records.values()}
    common = different.pop() if len(different) == 1 else None
    variables = {
        "PATH": tuple(str(folder) for folder in programs if folder.is_dir()),
        "PYTHONPATH": tuple(str(tree / site) for tree, site in sites),
    }
    return Environment(trees, variables, common), _other_python(common, options.environ)


def _other_python(interpreter: str | None, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return a hint if PATH has no `python`, or one of another version than the trees."""
    found = shutil.which("python", path=environ.get("PATH"))
    wanted = re.search(r"python(\d\.\d+)$", interpreter or "")
    if wanted is None:
        return ()
    if found is None:
        return (f"the trees need {interpreter}, but PATH has no `python`; run Python {wanted[1]} by its full path",)
    other = re.search(r"python(\d\.\d+)$", os.path.realpath(found))
    if other is None or other[1] == wanted[1]:
        return ()
    return (f"the trees need {interpreter}, but `python` is {other[1]}; run Python {wanted[1]} by its full path",)
