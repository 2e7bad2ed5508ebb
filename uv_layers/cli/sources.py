"""The source of layers, a project or a folder of layer locks, and the folder of their trees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.lock.layer_lock import file_name, layers_in
from uv_layers.lock.layer_lock_reader import narrow_to_target, read_layer_lock
from uv_layers.plan.layers import spelled
from uv_layers.plan.resolve import (
    find_project,
    layer_locks,
    layers_of,
    make_plan,
    prefix_of,
    target_elsewhere,
    with_interpreter,
)
from uv_layers.project.config import checked_prefix, layer_name
from uv_layers.project.settings import index_access
from uv_layers.system.interpreter import find_interpreter, running_version
from uv_layers.system.paths import resolved
from uv_layers.tree.folder import LayersFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from uv_layers.lock.layer_lock import LayerLock
    from uv_layers.project.discovery import Project
    from uv_layers.project.options import Options
    from uv_layers.system.interpreter import Target
    from uv_layers.system.uv import Uv

# The latest time of a file in 32 bits.
_LAST_SECOND = 2**32 - 1


@dataclass(frozen=True)
class Source:
    """The layers of a command.

    `layers` are their names, `inputs` the files that decide what is in them. Paths in their locks start from `root`,
    `access` is how the project reaches its indexes, and `gather` returns the locks, the target and hints. A `stage` has
    layer locks and no project, as a stage of a Dockerfile does. `hints` are about the configuration.
    """

    layers: tuple[str, ...]
    inputs: tuple[Path, ...]
    trees: LayersFolder
    root: Path
    access: Mapping[str, Any]
    stage: bool
    gather: Callable[[Uv], tuple[list[LayerLock], Target, tuple[str, ...]]]
    hints: tuple[str, ...] = ()


def source_of(options: Options, named: Sequence[str], layers_dir: Path | None) -> Source:
    """Return the source of the named layers, by default of all."""
    start = resolved(options.directory or Path.cwd())
    # A stage has layer locks in its working folder, and they win over a project in a parent folder.
    stage = not (start / "pyproject.toml").is_file() and bool(found := layers_in(start))
    if stage:
        layers = spelled(named or found, found)
        home, root, inputs = start, start, tuple(lock_file(start, name) for name in layers)
        access: Mapping[str, Any] = {}
        hints: tuple[str, ...] = ()
        gather = partial(_from_folder, options, start, layers)
    else:
        project = find_project(options)
        layers = layers_of(options, project, named).wanted
        home, root, inputs = project.directory, project.lock_root, project.inputs
        access = index_access(project)
        hints = project.config.hints
        gather = partial(_from_project, options, project, layers)
    trees = LayersFolder((layers_dir or home / "layers").absolute())
    return Source(layers, inputs, trees, root, access, stage, gather, hints)


def _from_project(
    options: Options, project: Project, wanted: Sequence[str], uv: Uv
) -> tuple[list[LayerLock], Target, tuple[str, ...]]:
    plan = make_plan(options, project, wanted, uv)
    locks = layer_locks(plan, project, wanted)
    return locks, with_interpreter(uv, plan.target, project.directory), plan.hints


def _from_folder(
    options: Options, folder: Path, wanted: Sequence[str], uv: Uv
) -> tuple[list[LayerLock], Target, tuple[str, ...]]:
    if options.platform is None:
        target = find_interpreter(uv, folder, chosen=options.python)
    else:
        target = target_elsewhere(uv, options.platform, options.python or running_version())
    locks = []
    for name in wanted:
        path = lock_file(folder, name)
        lock = narrow_to_target(read_layer_lock(path, name), path, target)
        prefix = checked_prefix(lock.prefix, str(path), "tool.uv-layers.prefix")
        locks.append(replace(lock, prefix=prefix_of(options, prefix)))
    return locks, with_interpreter(uv, target, folder), ()


def lock_file(folder: Path, layer: str) -> Path:
    """Return the path of a layer's lock in a folder; raises LayerLockNotFoundError."""
    path = folder / file_name(layer_name(layer, "the command line"))
    if not path.is_file():
        raise errors.LayerLockNotFoundError(path, layers_in(folder))
    return path


def source_date_epoch(environ: Mapping[str, str]) -> int | None:
    """Return SOURCE_DATE_EPOCH in seconds since 1970, or None if it is not set; raises UsageError."""
    value = environ.get("SOURCE_DATE_EPOCH", "")
    if value and (
        not (value.isascii() and value.isdecimal()) or len(value) > len(str(_LAST_SECOND)) or int(value) > _LAST_SECOND
    ):
        raise errors.UsageError(
            f"SOURCE_DATE_EPOCH is {value!r}; set it to a number of seconds up to {_LAST_SECOND}, or unset it"
        )
    return int(value) if value else None
