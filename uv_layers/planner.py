"""From options to a project, an interpreter and a plan, by asking uv."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from uv_layers import documents, errors, interpreter, project, pylock, target
from uv_layers import plan as planning
from uv_layers.model import (
    Closure,
    Layer,
    LayerLock,
    LayerSpec,
    Options,
    Plan,
    Project,
    Selection,
    Target,
    normalised,
)
from uv_layers.tasks import pool
from uv_layers.uv import (
    Uv,
    check_argv,
    dependencies_argv,
    group_argv,
    image_argv,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def find_project(options: Options) -> Project:
    """Return the project, or the members of a workspace, that the options name, or that is around this folder.

    Raises ProjectNotFoundError, UsageError for a member that is not there, and LockNotFoundError.
    """
    start = (options.directory or Path.cwd()).absolute()
    directory = project.find(start) if start.is_dir() else None
    if directory is None:
        raise errors.ProjectNotFoundError(start)
    current = project.load(directory, options.config)
    if options.packages:
        known = {normalised(current.name or ""): current.directory, **current.members}
        for name in options.packages:
            if name not in known:
                members = ", ".join(current.members) or "no members"
                raise errors.UsageError(f"--package: no {name!r} in the workspace; it has: {members}")
        chosen = [project.load(known[name], options.config) for name in options.packages]
        root = current if current.directory == current.lock_root else project.load(current.lock_root, options.config)
        current = chosen[0] if len(chosen) == 1 else project.of_members(root, chosen)
    if not current.lock.is_file():
        raise errors.LockNotFoundError(current.lock_root)
    check_size(current.lock)
    return current


def check_size(lock: Path) -> None:
    """Raise UnreadableFileError for a lock that is larger than any that uv makes."""
    if lock.stat().st_size > documents.LARGEST_LOCK:
        raise errors.UnreadableFileError(lock, f"it has more than {documents.LARGEST_LOCK} bytes")


def prefix_of(options: Options, configured: str) -> str:
    """Return the prefix of the image: what is said on the command line wins over what is configured."""
    return configured if options.prefix is None else project.prefix(options.prefix, "the command line", "--prefix")


def _target(uv: Uv, current: Project, options: Options) -> Target:
    if options.platform is None:
        return interpreter.find(uv, options, current.directory, current)
    python = options.python or current.python_request or interpreter.running_version()
    return target.of_platform(options.platform, python)


def equipped(uv: Uv, options: Options, at: Target, directory: Path) -> Target:
    """Return the target with an interpreter to install and compile with: for another platform, one like it here."""
    if at.executable is not None:
        return at
    return target.equipped(at, interpreter.find(uv, replace(options, python=at.python), directory, None))


def make(options: Options, current: Project, named: Sequence[str], uv: Uv | None = None) -> Plan:
    """Return the plan of the project, with a layer on top for each of `named` that is only a group.

    Raises a LayersError: what uv says, what the configuration asks for and cannot have, two versions of one package.
    """
    layers = planning.specs(current, options.selection, named)
    prefix = prefix_of(options, current.config.prefix)
    on_top = planning.named_specs(named, planning.names(current, layers, prefix), current.groups)
    at, exports, texts = _ask(uv or Uv.find(options.environ), options, current, layers, on_top)
    root = current.lock_root
    alone = {part.name or "": pylock.Export([text], at, root) for part, text in zip(current.parts, texts, strict=True)}
    planning.check_versions({name: [replace(export.closure(name), reason="")] for name, export in alone.items()})
    packages = pylock.Export(texts, at, root) if len(texts) > 1 else next(iter(alone.values()))
    packages.check_python(current.name or "the project")
    settings = current.uv_settings
    everything = packages.packages(settings)
    local = [package for package in everything if "directory" in package.table]
    own = current.config.project
    workspace = {*current.members, normalised(current.name or "")}
    tops = [(spec, exports[f"group {spec.name}"].packages(settings)) for spec in on_top]
    # The layer of the project has the folders that the image needs, and what a group on top needs is not of the image.
    installed = {package.name for package in local if own is not None} | workspace
    for package in (*local, *(package for _, packages in tops for package in packages)):
        if "directory" in package.table and package.name not in installed:
            raise errors.LocalFolderError(package.name, package.table["directory"]["path"])
    made = planning.make(
        image=[package for package in everything if package not in local],
        known=packages.names - {package.name for package in local},
        layers=layers,
        closures=_closures(layers, exports),
        prefix=prefix,
        target=at,
        source=current.config.source,
        on_top=[(spec, [package for package in more if "directory" not in package.table]) for spec, more in tops],
        own=None if own is None else (own, local),
    )
    return replace(made, hints=(*made.hints, *planning.too_large(made.layers, options.warn_size)))


def _ask(
    uv: Uv, options: Options, current: Project, layers: Sequence[LayerSpec], on_top: Sequence[LayerSpec]
) -> tuple[Target, dict[str, pylock.Export], list[str]]:
    """Return the target, what each reason of a layer exports, and what each part of the project does: asked at once."""
    selection, directory, root = options.selection, current.directory, current.lock_root
    groups = dict.fromkeys(g for spec in (*layers, *on_top) for g in spec.groups)
    extras = dict.fromkeys(e for spec in layers for e in spec.extras)
    asked: dict[str, list[list[str]]] = {
        f"group {g}": [group_argv(part.directory, g) for part in current.parts if g in part.groups] for g in groups
    }
    if extras or any(spec.dependencies for spec in layers):
        asked["dependencies"] = [dependencies_argv(part.directory) for part in current.parts]
    for extra in extras:
        parts = [part for part in current.parts if extra in part.extras]
        asked[f"extra {extra}"] = [dependencies_argv(part.directory, extra) for part in parts]
    named_by_layers = dict.fromkeys(g for spec in layers for g in spec.groups)
    image = [image_argv(part.directory, _of_part(selection, part, named_by_layers, extras)) for part in current.parts]
    with pool(4) as workers:
        answers = {reason: [workers.submit(uv.export, argv, root) for argv in argvs] for reason, argvs in asked.items()}
        whole = [workers.submit(uv.export, argv, root) for argv in image]
        at = _target(uv, current, options)
        if not options.frozen:
            # uv needs an interpreter of this machine, whatever the platform of the image.
            local = at
            if at.executable is None:
                any_python = replace(current, python_request=None)
                local = interpreter.find(uv, replace(options, python=None), directory, any_python)
            argv = check_argv(directory, str(local.executable), offline=options.offline)
            workers.submit(uv.check, argv, current.lock).result()
        texts = {reason: list(map(Future.result, found)) for reason, found in answers.items()}
        exports = {reason: pylock.Export(found, at, root) for reason, found in texts.items()}
        try:
            return at, exports, list(map(Future.result, whole))
        except errors.UvFailedError:
            # uv refuses conflicting groups by their names; the package that they conflict over says more.
            closures = _closures(layers, exports)
            planning.check_versions({f"layer {name!r}": needs for name, needs in closures.items()})
            raise


def _of_part(selection: Selection, part: Project, groups: Iterable[str], extras: Iterable[str]) -> Selection:
    """Return what a member of the workspace is asked for, with the groups and extras that layers name: what it has."""
    return replace(
        selection,
        groups=tuple(g for g in dict.fromkeys([*selection.groups, *groups]) if g in part.groups),
        no_groups=tuple(g for g in selection.no_groups if g in part.groups),
        extras=tuple(e for e in dict.fromkeys([*selection.extras, *extras]) if e in part.extras),
    )


def _closures(layers: Sequence[LayerSpec], exports: Mapping[str, pylock.Export]) -> dict[str, list[Closure]]:
    """Return what each layer's groups, extras and dependencies need.

    uv has no export of an extra alone: what an extra needs is what it adds to the project's dependencies.
    """
    base = exports["dependencies"].closure("dependencies").versions if "dependencies" in exports else {}
    found: dict[str, list[Closure]] = {}
    for spec in layers:
        reasons = [f"group {g}" for g in spec.groups] + ["dependencies"] * spec.dependencies
        found[spec.name] = [exports[reason].closure(reason) for reason in reasons]
        for extra in spec.extras:
            whole = exports[f"extra {extra}"].closure(f"extra {extra}")
            added = {name: version for name, version in whole.versions.items() if name not in base}
            found[spec.name].append(Closure(whole.reason, added))
    return found


def locks(made: Plan, current: Project, wanted: Iterable[str]) -> list[LayerLock]:
    """Return the locks of the layers that are wanted, of all when none is."""
    layers = {layer.name: layer for layer in made.layers}
    names = dict.fromkeys(wanted) or layers
    locks = [pylock.layer_lock(layers[n], made.prefix, made.target, current.uv_settings) for n in names]
    return [replace(lock, folders=_folders(layers[lock.layer], current)) for lock in locks]


def _folders(layer: Layer, current: Project) -> tuple[Path, ...]:
    paths = (m.package.table["directory"]["path"] for m in layer.members if "directory" in m.package.table)
    return tuple(current.lock_root / path for path in paths)
