"""From options to a project, a target and a plan, by asking uv."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.lock import builds, exported, layer_lock, uv_lock
from uv_layers.lock.packages import Closure, Layer
from uv_layers.plan import assign
from uv_layers.plan.layers import (
    check_environments,
    check_python,
    image_groups,
    layer_names,
    layer_specs,
    named_specs,
    python_limits,
    spelled,
)
from uv_layers.plan.scope import select_packages
from uv_layers.project import config, discovery
from uv_layers.system import interpreter
from uv_layers.system.tasks import pool
from uv_layers.system.uv import Uv, check_argv, dependencies_argv, group_argv, image_argv

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from uv_layers.lock.layer_lock import LayerLock
    from uv_layers.plan.assign import Plan
    from uv_layers.project.config import LayerSpec
    from uv_layers.project.discovery import Project
    from uv_layers.project.options import Options
    from uv_layers.system.interpreter import Target


def find_project(options: Options) -> Project:
    """Return the project, or the members of a workspace, that the options name, or that is around this folder.

    Raises ProjectNotFoundError, UsageError for a member that is not there, and LockNotFoundError.
    """
    start = (options.directory or Path.cwd()).absolute()
    directory = discovery.find_folder(start) if start.is_dir() else None
    if directory is None:
        raise errors.ProjectNotFoundError(start)
    current = discovery.load_project(directory, options.config)
    if not current.lock.is_file():
        raise errors.LockNotFoundError(current.lock_root)
    return select_packages(current, options.packages, uv_lock.read_uv_lock(current.lock), options.config)


def prefix_of(options: Options, configured: str) -> str:
    """Return the prefix of the image: what is said on the command line wins over what is configured."""
    return (
        configured if options.prefix is None else config.checked_prefix(options.prefix, "the command line", "--prefix")
    )


def target_elsewhere(uv: Uv, name: str, python: str) -> Target:
    """Return the target of a platform by its name; a minor version of Python is its newest patch, as in base images."""
    at = interpreter.of_platform(name, python)
    return at if python.count(".") > 1 else interpreter.of_platform(name, uv.newest_python(at.python))


def _target(uv: Uv, current: Project, options: Options) -> Target:
    if options.platform is None:
        return _interpreter(uv, options, current)
    return target_elsewhere(
        uv, options.platform, options.python or current.python_request or interpreter.running_version()
    )


def _interpreter(uv: Uv, options: Options, current: Project) -> Target:
    return interpreter.find_interpreter(
        uv,
        current.directory,
        chosen=options.python,
        requested=current.python_request,
        requires=current.requires_python,
    )


def image_python(options: Options, current: Project) -> str:
    """Return the minor version of Python that the image has by default: that of the target."""
    match = re.fullmatch(r"(?:cpython@?)?(3\.\d+)(?:\.\d+)?", options.python or current.python_request or "")
    if match is not None:
        return match[1]
    return _interpreter(Uv.find(options.environ, offline=options.offline), options, current).python


def check_image(options: Options, current: Project, groups: Iterable[str], python: str) -> None:
    """Raise unless an image with this minor version of Python can have what is chosen, on one of the usual platforms.

    The build decides about the platform, and its base image about the patch, which is the newest in all likelihood.
    """
    limits = python_limits(current, groups)

    def check(version: str) -> None:
        targets = [interpreter.of_platform(name, version) for name in ("linux/amd64", "linux/arm64")]
        check_python(limits, targets[0])
        check_environments(current.environments, *targets)

    try:
        check(python)
    except (errors.PythonMismatchError, errors.UnsupportedTargetError):
        check(Uv.find(options.environ, offline=options.offline).newest_python(python))


def with_interpreter(uv: Uv, at: Target, directory: Path) -> Target:
    """Return the target with an interpreter to install and compile with: for another platform, one like it here."""
    if at.executable is not None:
        return at
    return interpreter.with_host_interpreter(at, interpreter.find_interpreter(uv, directory, chosen=at.python))


def layers_of(
    options: Options, current: Project, named: Sequence[str]
) -> tuple[tuple[LayerSpec, ...], tuple[LayerSpec, ...], tuple[str, ...]]:
    """Return the layers of the project, those on top that only `named` brings, and the names of all that are wanted."""
    layers = layer_specs(current, options.selection, named)
    known = layer_names(current, layers, prefix_of(options, current.config.prefix))
    wanted = spelled(named, (*known, *current.groups))
    return layers, named_specs(wanted, known, current.groups), wanted or known


def make_plan(options: Options, current: Project, named: Sequence[str], uv: Uv | None = None) -> Plan:
    """Return the plan of the project, with a layer on top for each of `named` that is only a group.

    Raises a LayersError: what uv says, what the configuration asks for and cannot have, two versions of one package.
    """
    layers, on_top, _ = layers_of(options, current, named)
    uv = uv or Uv.find(options.environ, offline=options.offline)
    at, exports, image = _ask(uv, options, current, layers, on_top)
    settings = current.uv_settings
    everything = image.packages(settings)
    local = [package for package in everything if "directory" in package.table]
    builds.check_match_runtime({package.name for package in everything}, settings, _settings_source(current))
    own = current.config.project
    tops = [(spec, exports[f"group {spec.name}"].packages(settings)) for spec in on_top]
    # The layer of the project has the folders that the image needs, and what a group on top needs is not of the image.
    installed = {package.name for package in local if own is not None} | {*current.members, *current.packages}
    for package in (*local, *(package for _, packages in tops for package in packages)):
        if "directory" in package.table:
            folder = package.table["directory"]["path"]
            discovery.check_source_name(current.lock_root / folder, package.name)
            if package.name not in installed:
                raise errors.LocalFolderError(package.name, folder)
    made = assign.assign(
        image=[package for package in everything if package not in local],
        known=image.names - {package.name for package in local},
        layers=layers,
        closures=_closures(layers, exports),
        prefix=prefix_of(options, current.config.prefix),
        target=at,
        source=current.config.source,
        on_top=[(spec, [package for package in more if "directory" not in package.table]) for spec, more in tops],
        own=None if own is None else (own, local),
    )
    hints = (*assign.too_large(made.layers, options.warn_size), *_unnamed(made.layers, settings))
    return replace(made, hints=(*made.hints, *hints))


def _settings_source(current: Project) -> str:
    return "uv.toml" if (current.lock_root / "uv.toml").is_file() else "pyproject.toml: tool.uv"


def _unnamed(layers: Sequence[Layer], settings: Mapping[str, Any]) -> Iterable[str]:
    """Yield a hint for each layer of packages that is built again with any update of the image."""
    shared = sum(bool(layer.members) and not layer.on_top for layer in layers) > 1
    for layer in layers:
        if shared and layer.kind == "packages" and (names := builds.unnamed(layer, settings)):
            yield (
                f"layer {layer.name!r}: every update of the image builds {', '.join(names)} again, as uv builds "
                "without isolation with all packages of the image; name those that the build needs in "
                f'tool.uv.extra-build-dependencies, e.g. {names[0]} = ["setuptools"]'
            )


def _ask(
    uv: Uv, options: Options, current: Project, layers: Sequence[LayerSpec], on_top: Sequence[LayerSpec]
) -> tuple[Target, dict[str, exported.Export], exported.Export]:
    """Return the target, and what uv exports for each reason of a layer and for the image: asked at once."""
    selection, root, packages = options.selection, current.lock_root, current.packages
    groups = dict.fromkeys(g for spec in (*layers, *on_top) for g in spec.groups)
    extras = dict.fromkeys([*selection.extras, *(e for spec in layers for e in spec.extras)])
    asked = {f"group {g}": group_argv(root, packages, g) for g in groups}
    if extras or any(spec.dependencies for spec in layers):
        asked["dependencies"] = dependencies_argv(root, packages)
    asked |= {f"extra {e}": dependencies_argv(root, packages, e) for spec in layers for e in spec.extras}
    chosen = image_groups(current, selection, layers)
    limits = python_limits(current, [*chosen, *(spec.name for spec in on_top)])
    current = replace(current, requires_python=",".join(limit for _, limit in limits))
    image = image_argv(root, packages, chosen, extras, all_extras=selection.all_extras)
    with pool(4) as workers:
        answers = {reason: workers.submit(uv.export, argv, root) for reason, argv in asked.items()}
        whole = workers.submit(uv.export, image, root)
        at = _target(uv, current, options)
        check_python(limits, at)
        if not options.frozen:
            # uv needs an interpreter of this machine, whatever the platform of the image.
            local = at
            if at.executable is None:
                local = interpreter.find_interpreter(uv, root, requires=current.requires_python)
            workers.submit(uv.check, check_argv(root, str(local.executable)), current.lock).result()
        check_environments(current.environments, at)
        exports = {reason: exported.Export(answer.result(), at, root) for reason, answer in answers.items()}
        try:
            return at, exports, exported.Export(whole.result(), at, root)
        except errors.RefusedError:
            # uv refuses what is in conflict by its name; the package that it is about says more.
            closures = _closures(layers, exports)
            assign.check_versions({f"layer {name!r}": needs for name, needs in closures.items()})
            raise


def _closures(layers: Sequence[LayerSpec], exports: Mapping[str, exported.Export]) -> dict[str, list[Closure]]:
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


def layer_locks(made: Plan, current: Project, wanted: Iterable[str]) -> list[LayerLock]:
    """Return the locks of the layers that are wanted, of all when none is."""
    layers = {layer.name: layer for layer in made.layers}
    names = dict.fromkeys(wanted) or layers
    settings = current.uv_settings
    image = [member.package for layer in made.layers if not layer.on_top for member in layer.members]
    closure = partial(_closure, current)
    locks = [
        layer_lock.layer_lock(
            layers[n], made.prefix, made.target, settings, builds.build_packages(layers[n], image, settings, closure)
        )
        for n in names
    ]
    return [replace(lock, folders=_folders(layers[lock.layer], current)) for lock in locks]


def _closure(current: Project, names: Collection[str]) -> set[str]:
    """Return the names of some packages and of all that they depend on in `uv.lock`."""
    return uv_lock.read_uv_lock(current.lock).closure(map(uv_lock.Requirement, names)) if names else set()


def _folders(layer: Layer, current: Project) -> tuple[Path, ...]:
    paths = (m.package.table["directory"]["path"] for m in layer.members if "directory" in m.package.table)
    return tuple(current.lock_root / path for path in paths)
