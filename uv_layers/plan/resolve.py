"""Find the project and the target that options name, and plan the layers with uv."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.lock import builds, exported, layer_lock, uv_lock
from uv_layers.plan import assign
from uv_layers.plan.layers import (
    LayerSet,
    check_environments,
    check_python,
    image_groups,
    left_out,
    python_limits,
    unlayered_hints,
)
from uv_layers.plan.scope import select_packages
from uv_layers.project import config, discovery
from uv_layers.project.config import DEPENDENCIES, Claim
from uv_layers.project.discovery import check_source_name
from uv_layers.system import interpreter
from uv_layers.system.tasks import pool
from uv_layers.system.uv import Uv, check_argv, dependencies_argv, group_argv, image_argv, is_on

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from uv_layers.lock.layer_lock import LayerLock
    from uv_layers.lock.packages import Closure, Layer
    from uv_layers.plan.assign import Plan
    from uv_layers.project.config import LayerSpec
    from uv_layers.project.discovery import Project
    from uv_layers.project.options import Options
    from uv_layers.system.interpreter import Target


# The usual platforms of images. The build chooses one.
_PLATFORMS = ("linux/amd64", "linux/arm64")


def find_project(options: Options) -> Project:
    """Return the project of the options, by default the one around the working folder.

    Raises ProjectNotFoundError, LockNotFoundError, and UsageError for an unknown workspace member.
    """
    start = (options.directory or Path.cwd()).absolute()
    directory = discovery.find_folder(start) if start.is_dir() else None
    if directory is None:
        raise errors.ProjectNotFoundError(start)
    current = discovery.load_project(directory, options.config)
    if not current.lock.is_file():
        raise errors.LockNotFoundError(current.lock_root)
    lock = uv_lock.read_uv_lock(current.lock)
    names = options.packages
    if options.all_packages:
        names = tuple(dict.fromkeys([*current.members, *sorted(lock.members)]))
    project = select_packages(current, names, lock, options.config)
    settings = builds.with_sources(project.uv_settings, project.uv_sources, _settings_source(project))
    if is_on(options.environ, "UV_NO_BUILD_ISOLATION"):
        settings["no-build-isolation"] = True
    return replace(project, uv_settings=settings)


def prefix_of(options: Options, configured: str) -> str:
    """Return the prefix of the image: `--prefix`, or the configured one."""
    if options.prefix is None:
        return configured
    return config.checked_prefix(options.prefix, "the command line", "--prefix")


def target_elsewhere(uv: Uv, name: str, python: str) -> Target:
    """Return the target of a platform; a minor version of Python means its newest patch, as in base images."""
    target = interpreter.of_platform(name, python)
    return target if python.count(".") > 1 else interpreter.of_platform(name, uv.newest_python(target.python))


def _target(uv: Uv, current: Project, options: Options) -> Target:
    if options.platform is None:
        return _interpreter(uv, options, current)
    python = options.python or current.python_request or interpreter.running_version()
    return target_elsewhere(uv, options.platform, python)


def _interpreter(uv: Uv, options: Options, current: Project) -> Target:
    try:
        request, requires = current.python_request, current.requires_python
        return interpreter.find_interpreter(
            uv, current.directory, chosen=options.python, requested=request, requires=requires
        )
    except errors.TargetError:
        # Do not suggest to install a Python that the project does not support.
        _check_version(options.python or "", current.requires_python or "")
        raise


def _check_version(python: str, requires_python: str) -> None:
    """Raise PythonMismatchError if no patch version of a Python is in `requires_python`."""
    if requires_python and re.fullmatch(r"3(\.\d{1,3}){1,2}", python):
        newest = python if python.count(".") > 1 else f"{python}.99"
        try:
            check_python([("the project", requires_python)], interpreter.of_platform(_PLATFORMS[0], newest))
        except errors.PythonMismatchError:
            wanted, asked = f"Python {requires_python}", f"Python {python}"
            raise errors.PythonMismatchError("the project", wanted, asked) from None


def image_python(options: Options, current: Project) -> str:
    """Return the minor version of Python of the target, which the base image has by default."""
    match = re.fullmatch(r"(?:cpython@?)?(3\.\d+)(?:\.\d+)?", options.python or current.python_request or "")
    if match is not None:
        return match[1]
    return _interpreter(Uv.find(options.environ, offline=options.offline), options, current).python


def check_image(options: Options, current: Project, groups: Iterable[str], python: str) -> None:
    """Raise unless an image with this minor version of Python can have these groups on one of the usual platforms.

    The build chooses the platform, and the base image the patch, which is most likely the newest.
    """
    limits = python_limits(current, groups)

    def check(version: str) -> None:
        targets = [interpreter.of_platform(name, version) for name in _PLATFORMS]
        check_python(limits, targets[0])
        check_environments(current.environments, *targets)

    try:
        check(python)
    except (errors.PythonMismatchError, errors.UnsupportedTargetError):
        check(Uv.find(options.environ, offline=options.offline).newest_python(python))


def with_interpreter(uv: Uv, target: Target, directory: Path) -> Target:
    """Return the target with an interpreter that installs and compiles: for another platform, a local one."""
    if target.executable is not None:
        return target
    return interpreter.with_host_interpreter(target, interpreter.find_interpreter(uv, directory, chosen=target.python))


def layers_of(options: Options, current: Project, named: Sequence[str]) -> LayerSet:
    """Return the layers that the project has for the options and for the named layers or groups."""
    return LayerSet.of(current, options.selection, prefix_of(options, current.config.prefix), named)


def make_plan(
    options: Options, current: Project, named: Sequence[str], uv: Uv | None = None, *, lenient: bool = False
) -> Plan:
    """Return the plan of the project, with a layer on top for each of `named` that is only a group.

    With `lenient`, all patterns of a layer may match nothing. Raises a LayersError.
    """
    layers = layers_of(options, current, named)
    uv = uv or Uv.find(options.environ, offline=options.offline)
    target, closures, export, on_top = _ask(uv, options, current, layers)
    settings, source = current.uv_settings, _settings_source(current)
    names = export.names.union(*(each.names for each in on_top))
    absent = left_out(current, options.selection, names)
    unmatched = [pattern for pattern in current.config.exclude if not assign.matching(pattern, names)]
    image = export.packages(settings, absent)
    builds.check_match_runtime({package.name for package in image}, settings, source)
    builds.check_sources({p.name for p in image if p.built}, settings, current.uv_sources, source)
    tops = [(spec, each.packages(settings, absent)) for spec, each in zip(layers.on_top, on_top, strict=True)]
    local = [package for package in image if package.folder]
    # The project's layer installs the local folders of the image, not those of groups on top.
    installed = {package.name for package in local if layers.own is not None}
    installed |= {*current.members, *current.locked_members, *current.packages}
    for package in (*local, *(package for _, packages in tops for package in packages)):
        if package.folder:
            check_source_name(current.lock_root / package.folder["path"], package.name)
            if package.name not in installed:
                raise errors.LocalFolderError(package.name, package.folder["path"])
    plan = assign.assign(
        image=[package for package in image if not package.folder],
        known=export.names - {package.name for package in local},
        layers=layers.layers,
        closures=closures,
        prefix=layers.prefix,
        target=target,
        source=current.config.source,
        on_top=[(spec, [package for package in more if not package.folder]) for spec, more in tops],
        own=None if layers.own is None else (layers.own, local),
        lenient=lenient,
    )
    hints = (
        *current.config.hints,
        *unlayered_hints(current, options.selection, layers),
        *(
            f"exclude: {pattern!r} matches no package in the image; correct or remove the pattern"
            for pattern in unmatched
        ),
        *assign.too_large(plan.layers, options.warn_size),
        *_unnamed(plan.layers, settings),
    )
    used = {*layers.groups(current, options.selection), *options.selection.no_groups}
    unused = tuple(group for group in current.groups if group not in used)
    return replace(plan, hints=(*plan.hints, *hints), unused=unused)


def check_folders(options: Options, current: Project, named: Sequence[str]) -> None:
    """Raise LocalFolderError if no layer installs a local folder on any of the usual platforms."""
    layers = layers_of(options, current, named)
    if not any(current.local.values()) or (layers.own is not None and not layers.on_top):
        return
    python = image_python(options, current)
    platforms = [replace(options, platform=name, python=python, frozen=True) for name in _PLATFORMS]
    refusals = [_refusal(one, current, named) for one in platforms]
    folders = [refusal for refusal in refusals if isinstance(refusal, errors.LocalFolderError)]
    if folders and None not in refusals:
        raise folders[0]


def _refusal(options: Options, current: Project, named: Sequence[str]) -> errors.LayersError | None:
    try:
        make_plan(options, current, named)
    except errors.LayersError as error:
        return error
    return None


def _settings_source(current: Project) -> str:
    return "uv.toml" if (current.lock_root / "uv.toml").is_file() else "pyproject.toml: tool.uv"


def _unnamed(layers: Sequence[Layer], settings: Mapping[str, Any]) -> Iterable[str]:
    """Yield a hint for each layer with packages that any update of the image builds again."""
    shared = sum(bool(layer.members) and not layer.on_top for layer in layers) > 1
    for layer in layers:
        if shared and layer.kind == "packages" and (names := builds.unnamed(layer, settings)):
            yield (
                f"layer {layer.name!r}: every update rebuilds {', '.join(names)}, because a build without isolation "
                "sees all packages in the image; in tool.uv.extra-build-dependencies, list the packages that the "
                f'build needs, e.g. {names[0]} = ["setuptools"]'
            )


def _ask(
    uv: Uv, options: Options, current: Project, layers: LayerSet
) -> tuple[Target, dict[str, list[Closure]], exported.Export, list[exported.Export]]:
    """Return the target, the closures of each layer, and uv's exports of the image and of each layer on top."""
    selection, root, packages = options.selection, current.lock_root, current.packages
    claims = dict.fromkeys(claim for spec in layers.layers for claim in spec.claims)
    extras = dict.fromkeys([*selection.extras, *(claim.name for claim in claims if claim.kind == "extra")])
    if extras:
        claims.setdefault(DEPENDENCIES)
    limits = python_limits(current, layers.groups(current, selection))
    current = replace(current, requires_python=",".join(limit for _, limit in limits))
    chosen = image_groups(current, selection, layers.layers)
    image = image_argv(root, packages, chosen, extras, all_extras=selection.all_extras)
    with pool(4) as workers:
        answers = {claim: workers.submit(uv.export, _argv(claim, root, packages), root) for claim in claims}
        whole = workers.submit(uv.export, image, root)
        groups = [group_argv(root, packages, spec.groups[0], files=True) for spec in layers.on_top]
        more = [workers.submit(uv.export, argv, root) for argv in groups]
        target = _target(uv, current, options)
        check_python(limits, target)
        if not options.frozen:
            workers.submit(_check_lock, uv, current, target.executable).result()
        check_environments(current.environments, target)
        texts = {claim: answer.result() for claim, answer in answers.items()}
        try:
            export = exported.Export(whole.result(), target, root)
        except errors.RefusedError:
            # uv names the groups in conflict; TwoVersionsError also names the package.
            closures = _closures(layers.layers, texts, target, {})
            assign.check_versions({f"layer {name!r}": needs for name, needs in closures.items()})
            raise
        on_top = [exported.Export(answer.result(), target, root) for answer in more]
        return target, _closures(layers.layers, texts, target, export.local_files), export, on_top


def _check_lock(uv: Uv, current: Project, executable: str | None) -> None:
    """Raise StaleLockError unless uv.lock matches the project."""
    if executable is None:
        # uv needs a local interpreter, even for an image of another platform.
        found = interpreter.find_interpreter(uv, current.lock_root, requires=current.requires_python)
        executable = found.executable
    uv.check(check_argv(current.lock_root, str(executable)), current.lock)


def stale_hints(options: Options, current: Project) -> list[str]:
    """Return a hint if uv.lock does not match the project, because the build of its image would fail."""
    if options.frozen or options.quiet or current.unchecked:
        return []
    try:
        _check_lock(Uv.find(options.environ, offline=options.offline), current, None)
    except errors.StaleLockError as error:
        return [f"the build will fail, because {error.cause}; run `uv lock`"]
    except errors.LayersError:
        # E.g. there is no interpreter for the project on this machine. The build checks the lock, too.
        pass
    return []


def _argv(claim: Claim, root: Path, packages: Sequence[str]) -> list[str]:
    """Return the arguments that export a claim; uv exports an extra only with the project's dependencies."""
    if claim.kind == "group":
        return group_argv(root, packages, claim.name)
    return dependencies_argv(root, packages, claim.name or None)


def _closures(
    layers: Sequence[LayerSpec], texts: Mapping[Claim, str], target: Target, local_files: Mapping[str, str]
) -> dict[str, list[Closure]]:
    """Return the closures of the claims of each layer; that of an extra has what it adds to the dependencies."""
    closures = {claim: exported.closure_of(text, str(claim), target, local_files) for claim, text in texts.items()}
    base = closures[DEPENDENCIES].versions if DEPENDENCIES in closures else {}
    for claim, closure in closures.items():
        if claim.kind == "extra":
            added = {name: version for name, version in closure.versions.items() if name not in base}
            closures[claim] = replace(closure, versions=added)
    return {spec.name: [closures[claim] for claim in spec.claims] for spec in layers}


def layer_locks(plan: Plan, current: Project, wanted: Iterable[str]) -> list[LayerLock]:
    """Return the locks of the wanted layers, by default of all layers."""
    layers = {layer.name: layer for layer in plan.layers}
    image = [member.package for layer in plan.layers if not layer.on_top for member in layer.members]
    settings, exclude_files = current.uv_settings, current.config.exclude_files
    locks = []
    for layer in (layers[name] for name in dict.fromkeys(wanted) or layers):
        packages = builds.build_packages(layer, image, settings, partial(_closure, current))
        lock = layer_lock.layer_lock(layer, plan.prefix, plan.target, settings, packages, exclude_files)
        locks.append(_with_folders(lock, layer, current.lock_root))
    return locks


def _closure(current: Project, names: Collection[str]) -> set[str]:
    """Return the names of some packages and of all that they depend on in `uv.lock`."""
    return uv_lock.read_uv_lock(current.lock).closure(map(uv_lock.Requirement, names)) if names else set()


def _with_folders(lock: LayerLock, layer: Layer, root: Path) -> LayerLock:
    folders = [member.package.folder for member in layer.members if member.package.folder]
    editable = frozenset(root / folder["path"] for folder in folders if folder.get("editable"))
    return replace(lock, folders=tuple(root / folder["path"] for folder in folders), editable=editable)
