"""What each command does, by putting the modules below together."""

from __future__ import annotations

import os
import posixpath
import re
import shlex
import shutil
import sys
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from uv_layers import __version__, documents, errors, process, project, pylock, target
from uv_layers import dockerfile as rendering
from uv_layers import plan as planning
from uv_layers.build import Build
from uv_layers.dockerfile import PROJECT, Recipe, Stage
from uv_layers.fs import LayersFolder, write_atomically
from uv_layers.history import Repository
from uv_layers.model import (
    DEFAULT_EPOCH,
    ENVIRONMENT,
    Closure,
    Environment,
    Exported,
    Layer,
    LayerChange,
    LayerLock,
    LayerSpec,
    Options,
    Plan,
    Problem,
    Project,
    Selection,
    Suggestion,
    Target,
    Tree,
    is_environment,
    normalised,
)
from uv_layers.uv import (
    Uv,
    check_argv,
    dependencies_argv,
    find_python_argv,
    group_argv,
    image_argv,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

T = TypeVar("T")

# The last that a file's time can be where it has 32 bits.
_LAST_SECOND = 2**32 - 1
# Seconds between two looks for a signal.
_TICK = 0.2


def plan(options: Options, named: Sequence[str] = ()) -> Plan:
    """Return the plan of the project, with a layer on top for each of `named` that is only a group."""
    return _plan(options, _project(options), named)


def export(
    options: Options, named: Sequence[str] = (), output: Path | None = None, *, to_text: bool = False
) -> tuple[list[Exported], Plan]:
    """Write the layer locks into `output`, the project's folder when left out; with `to_text`, write nothing."""
    current = _project(options)
    made = _plan(options, current, named)
    folder = output or current.directory
    exported = []
    locks = _locks(made, current, named)
    for lock in locks:
        if lock.kind == "project":
            if lock.layer in named:
                raise errors.UsageError(f"layer {lock.layer!r} is the project itself, which no lock pins; install it")
            continue
        path = folder / pylock.file_name(lock.layer)
        if not to_text:
            folder.mkdir(parents=True, exist_ok=True)
        exported.append(Exported(lock, path, changed=not to_text and write_atomically(path, lock.text)))
    return exported, made


def install(
    options: Options,
    named: Sequence[str] = (),
    *,
    everything: bool = False,
    layers_dir: Path | None = None,
    sources: str = "default",
    invalidation: str = "unchecked-hash",
    strict: bool = False,
    digest: bool = False,
    show_progress: bool = False,
) -> tuple[list[Tree], tuple[str, ...]]:
    """Make the trees of the named layers, or of all, and return them with hints.

    In a folder with a project they come from the project, else from the layer locks there. Raises a LayersError,
    and OSError when the machine fails.
    """
    if bool(named) == everything:
        raise errors.UsageError("name the layers to install, or give --all, and not both (see `uv-layers plan`)")
    place = _place(options, named, layers_dir)
    build = Build(
        options,
        place.trees,
        _epoch(options.environ),
        sources=sources,
        invalidation=invalidation,
        strict=strict,
        digest=digest,
        show=show_progress,
        root=place.root,
        access=place.access,
        environ=options.environ,
    )
    stamp = build.stamp(place.inputs)
    # What the project itself is, only its sources tell: it is made each time.
    fresh = [tree for name in place.layers if (tree := build.unchanged(name, stamp)) is not None]
    if len(fresh) == len(place.layers):
        return fresh, _clashes_between(fresh, strict=True) if strict else ()
    uv = Uv.find(options.environ)
    locks, at, hints = place.gather(uv)
    if options.platform is not None:
        pylock.check_wheels(locks, at)
    # uv's progress bars are for one uv at a time.
    workers = 1 if show_progress else os.cpu_count() or 1
    trees = _parallel([partial(build.make, uv, lock, at, stamp) for lock in locks], workers)
    return trees, hints + _clashes_between(trees, strict=strict)


@dataclass(frozen=True)
class _Place:
    """Where layers come from and where their trees are: the names asked for, the files that decide what they are, the
    folder that paths in their locks start from, how the project reaches its indexes, and how to have the locks.
    """

    layers: tuple[str, ...]
    inputs: tuple[Path, ...]
    trees: LayersFolder
    root: Path
    access: Mapping[str, Any]
    gather: Callable[[Uv], tuple[list[LayerLock], Target, tuple[str, ...]]]


def _place(options: Options, named: Sequence[str], layers_dir: Path | None) -> _Place:
    start = (options.directory or Path.cwd()).resolve()
    # A folder with layer locks is what a builder's stage has; a project above it is then not meant.
    if not (start / "pyproject.toml").is_file() and (found := pylock.layers_in(start)):
        layers = tuple(dict.fromkeys(named or found))
        home, root, inputs = start, start, tuple(_lock_file(start, name) for name in layers)
        access: Mapping[str, Any] = {}
        gather = partial(_from_folder, options, start, layers)
    else:
        current = _project(options)
        specs = planning.specs(current, options.selection, named)
        known = planning.names(current, specs, _prefix(options, current.config.prefix))
        planning.named_specs(named, known, current.groups)
        layers = tuple(dict.fromkeys(named or known))
        home, root, inputs = current.directory, current.lock_root, current.inputs
        access = project.access(current)
        gather = partial(_from_project, options, current, layers)
    trees = LayersFolder((layers_dir or home / "layers").absolute())
    return _Place(layers, inputs, trees, root, access, gather)


def _from_project(
    options: Options, current: Project, wanted: Sequence[str], uv: Uv
) -> tuple[list[LayerLock], Target, tuple[str, ...]]:
    made = _plan(options, current, wanted, uv)
    return _locks(made, current, wanted), _equipped(uv, options, made.target, current.directory), made.hints


def _from_folder(
    options: Options, folder: Path, wanted: Sequence[str], uv: Uv
) -> tuple[list[LayerLock], Target, tuple[str, ...]]:
    if options.platform is None:
        at = _interpreter(uv, options, folder, None)
    else:
        at = target.of_platform(options.platform, options.python or _running())
    locks = []
    for name in wanted:
        path = _lock_file(folder, name)
        lock = pylock.read_layer_lock(path, name)
        pylock.check_target(lock, path, at)
        own = project.prefix(lock.prefix, str(path), "tool.uv-layers.prefix")
        locks.append(replace(lock, prefix=_prefix(options, own)))
    return locks, _equipped(uv, options, at, folder), ()


def _clashes_between(trees: Sequence[Tree], *, strict: bool) -> tuple[str, ...]:
    """Return a line for each file that two of the trees have with different content.

    With `strict`, raises ClashError.
    """
    if len(trees) < 2:  # noqa: PLR2004
        return ()
    from uv_layers import installed  # noqa: PLC0415

    merged = [
        replace(distribution, name=f"{distribution.name} (layer {tree.layer})")
        for tree in trees
        for distribution in installed.distributions(tree.path)
    ]
    within = {clash.path for tree in trees for clash in tree.clashes}
    between = [clash for clash in installed.clashes(merged) if clash.path not in within]
    if between and strict:
        raise errors.ClashError(between[0].path, between[0].owners)
    return tuple(
        f"{clash.path} differs between {' and '.join(clash.owners)}; the layer that is copied last has its way"
        for clash in between
    )


def verify(
    options: Options, named: Sequence[str], *, layers_dir: Path | None = None
) -> list[tuple[str, str | None, list[Problem]]]:
    """Hold the trees of the named layers, of all when none is named, against their layer locks.

    Returns the name, the digest (None where there is no tree) and the problems of each.
    """
    from uv_layers import seal  # noqa: PLC0415
    from uv_layers import verify as verifying  # noqa: PLC0415

    place = _place(options, named, layers_dir)
    locks, _, _ = place.gather(Uv.find(options.environ))
    results: list[tuple[str, str | None, list[Problem]]] = []
    for lock in locks:
        tree, record = place.trees.tree(lock.layer), place.trees.record(lock.layer)
        if not tree.is_dir():
            results.append((lock.layer, None, [Problem(lock.layer, "no-tree", "", f"{tree} is not there")]))
            continue
        made = None
        epoch = _epoch(options.environ)
        if record:
            made, epoch = verifying.Made(record["made"], frozenset(record["executable"])), record["epoch"]
        results.append((lock.layer, seal.digest(tree), verifying.problems(tree, lock, made, epoch)))
    return results


def env(
    options: Options, named: Sequence[str] = (), *, layers_dir: Path | None = None
) -> tuple[Environment, tuple[str, ...]]:
    """Return what makes the trees of the named layers, of all when none is named, usable where they are, with hints.

    Of the trees, only the folders around their packages are looked at, and uv is not started. Raises NotBuiltError.
    """
    from uv_layers import installed  # noqa: PLC0415

    place = _place(options, named, layers_dir)
    interpreters = {name: (place.trees.record(name) or {}).get("interpreter") for name in place.layers}
    if missing := [name for name, interpreter in interpreters.items() if not interpreter]:
        raise errors.NotBuiltError(missing, place.trees.path)
    # Resolved, so that a folder has one name from wherever this is run.
    trees = {name: place.trees.tree(name).resolve() for name in place.layers}
    sites = [(tree, site) for tree in reversed(trees.values()) for site in installed.sites(tree)]
    programs = dict.fromkeys(tree / installed.scripts(site) for tree, site in sites)
    different = {interpreter[0] for interpreter in interpreters.values() if interpreter}
    common = different.pop() if len(different) == 1 else None
    variables = {
        "PATH": tuple(str(folder) for folder in programs if folder.is_dir()),
        "PYTHONPATH": tuple(str(tree / site) for tree, site in sites),
    }
    return Environment(trees, variables, common), _other_python(common, options.environ)


def _other_python(interpreter: str | None, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return a hint where `python` is none, or one of another version as its name tells, than what trees are for."""
    found = shutil.which("python", path=environ.get("PATH"))
    wanted = re.search(r"python(\d\.\d+)$", interpreter or "")
    if wanted is None:
        return ()
    if found is None:
        return (f"no `python` on PATH; the trees are for {interpreter}",)
    other = re.search(r"python(\d\.\d+)$", os.path.realpath(found))
    if other is None or other[1] == wanted[1]:
        return ()
    return (f"`python` is {other[1]} here; the trees are for {interpreter}",)


def diff(options: Options, old: str, new: str | None = None) -> tuple[LayerChange, ...]:
    """Return what becomes of each layer from `old` to `new`, the working tree when left out.

    Each is a git revision, a lock file, or a folder of layer locks. uv.lock is taken as it is, unchecked.
    """
    options = replace(options, frozen=True)
    before, after = _parallel([partial(_side, options, old), partial(_side, options, new)], workers=2)
    return planning.diff(tuple(map(pylock.layer_of, before)), tuple(map(pylock.layer_of, after)))


def suggest(
    options: Options,
    *,
    budget: int,
    since: str | None = None,
    limit: int | None = None,
    keep: bool = False,
    write: bool = False,
    show_progress: bool = False,
) -> tuple[Suggestion, Path | None]:
    """Return the layers that sizes and the history of uv.lock ask for; with `write`, also the file they are put in."""
    from uv_layers import suggest as suggesting  # noqa: PLC0415

    current = _project(options)
    made = _plan(options, current, ())
    layers = [layer for layer in made.layers if layer.members and layer.kind == "packages"]
    if not layers:
        raise errors.NoLayersError(current.directory / "pyproject.toml")
    history = suggesting.read(current.lock, options.environ, since=since, limit=limit, show=show_progress)
    # As they are written: what --no-group leaves out for now is not to leave the file.
    specs = current.config.layers or (planning.specs(current, options.selection) if keep else ())
    found = suggesting.make(layers, specs, history, budget, keep=keep)
    if not write:
        return found, None
    path = options.config or current.directory / project.CONFIG_FILE
    write_atomically(path, project.with_layers(path, [layer.spec for layer in found.layers], current.config))
    if current.config.source == "pyproject.toml" and current.config.layers:
        found = replace(found, hints=(*found.hints, f"{path.name} now wins over [tool.uv-layers] in pyproject.toml"))
    return found, path


def _side(options: Options, side: str | None) -> list[LayerLock]:
    if side is None:
        return _all_locks(options)
    path = Path(side)
    if path.is_dir() and (names := pylock.layers_in(path)):
        return [pylock.read_layer_lock(_lock_file(path, name), name) for name in names]
    current = _project(options)
    if path.is_file():
        _check_size(path)
        requests = (folder / ".python-version" for folder in (current.directory, current.lock_root))
        texts = {file: _text(file) for file in (*current.inputs, *requests) if file.is_file()}
        return _locks_of(options, current, texts | {current.lock: _text(path)})
    repository = Repository(current.lock_root, options.environ)
    config = () if options.config is None else (options.config.name,)
    texts = repository.files(repository.commit(side), current.lock_root, config)
    for file in (current.directory / "pyproject.toml", current.lock):
        if file not in texts:
            raise errors.GitError(f"{side} has no {file.relative_to(current.lock_root)} below {current.lock_root}")
    return _locks_of(options, current, texts)


def _text(path: Path) -> str:
    """Return the text of a file with its line ends as they are."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise errors.UnreadableFileError(path, error) from None


def _all_locks(options: Options) -> list[LayerLock]:
    current = _project(options)
    return _locks(_plan(options, current, ()), current, ())


def _locks_of(options: Options, current: Project, texts: Mapping[Path, str]) -> list[LayerLock]:
    """Return the layer locks of the project as it is with the given texts for its files, and no other files."""
    with TemporaryDirectory() as temporary:
        root = Path(temporary).resolve()

        def place(path: Path) -> Path:
            return root / path.relative_to(current.lock_root)

        for path, text in texts.items():
            if path.is_relative_to(current.lock_root):
                place(path).parent.mkdir(parents=True, exist_ok=True)
                place(path).write_text(text, encoding="utf-8")
        config = options.config and options.config.absolute()
        if config is not None and config in texts and config.is_relative_to(current.lock_root):
            config = place(config)
        return _all_locks(replace(options, directory=place(current.directory), config=config))


def _lock_file(folder: Path, layer: str) -> Path:
    path = folder / pylock.file_name(project.layer_name(layer, "the command line"))
    if not path.is_file():
        raise errors.LayerLockNotFoundError(path, pylock.layers_in(folder))
    return path


def dockerfile(
    options: Options,
    named: Sequence[str] = (),
    told: Mapping[str, Any] | None = None,
    *,
    snippet: bool = False,
) -> str:
    """Return a Dockerfile for the project, or its stages and `COPY` lines alone.

    `told` has what the configuration's table `dockerfile` may have, and wins over it.
    """
    recipe = _recipe(options, _project(options), named, told or {})
    return rendering.snippet(recipe) if snippet else rendering.complete(recipe)


def kept_dockerfile(
    options: Options, path: Path, named: Sequence[str] = (), told: Mapping[str, Any] | None = None
) -> tuple[str, str]:
    """Return the text of a Dockerfile as it is and as it should be; one that is not there yet is empty."""
    recipe = _recipe(options, _project(options), named, told or {})
    if not path.exists():
        return "", rendering.complete(recipe)
    text = _text(path)
    return text, rendering.updated(text, recipe, str(path))


def bake(options: Options, path: Path, named: Sequence[str] = (), told: Mapping[str, Any] | None = None) -> str:
    """Return a file for `docker buildx bake` that goes with the Dockerfile at `path`."""
    current = _project(options)
    # A folder may have a name that no image can have.
    name = re.sub(r"[^a-z0-9]+", "-", normalised(current.name or current.directory.name)).strip("-") or "image"
    recipe = rendering.beside(_recipe(options, current, named, told or {}), _text(path) if path.exists() else "")
    return rendering.bake(recipe, name, _in_context(path, current.lock_root))


def _recipe(options: Options, current: Project, named: Sequence[str], told: Mapping[str, Any]) -> Recipe:
    specs = planning.specs(current, options.selection, named)
    own = current.config.project
    prefix = _prefix(options, current.config.prefix)
    on_top = planning.named_specs(named, planning.names(current, specs, prefix), current.groups)
    stages = [Stage(ENVIRONMENT)] * is_environment(prefix)
    stages += [Stage(spec.name, spec.image, spec.system_packages) for spec in (*specs, *on_top)]
    names = [stage.layer for stage in stages]
    arguments = _export_arguments(options, current)
    if own is not None:
        stages.append(Stage(own.name, own.image, own.system_packages, tuple(_install_arguments(options, current))))
    settings = {**current.config.dockerfile, **told}
    sources = settings.get("copy", _sources(current) if own is None else ())
    try:
        command = tuple(shlex.split(settings.get("cmd", "")))
    except ValueError as error:
        raise errors.UsageError(f"the command {errors.shown(settings['cmd'])} is none: {error}") from None
    return Recipe(
        layers=tuple(stages),
        inputs=tuple(_in_context(path, current.lock_root) for path in current.inputs),
        tool=settings.get("tool", __version__),
        image=settings.get("base") or f"python:{_image_python(current, options)}-slim-bookworm",
        prefix=prefix,
        builder=settings.get("builder"),
        uv=settings.get("uv"),
        files=tuple(_in_context(path, current.lock_root) for path in current.files),
        export=(*arguments, *(names if on_top else ())),
        why=f"--frozen: {current.unchecked}." if current.unchecked else "",
        secrets=tuple(settings.get("secrets", ())),
        link=settings.get("link", True),
        sources=tuple(sources),
        command=command,
    )


def _in_context(path: Path, root: Path) -> str:
    """Return a path as the build context has it; the context is the folder of uv.lock."""
    # Not Path.resolve: that fails for a link to itself.
    place, top = os.path.realpath(path), os.path.join(os.path.realpath(root), "")  # noqa: PTH118
    if not f"{place}/".startswith(top):
        raise errors.UsageError(f"{path} is outside of the build context {root}; move it there")
    return place[len(top) :] or "."


def _image_python(current: Project, options: Options) -> str:
    """Return the minor version of the official image: that of the target, asked for only where no version is said."""
    match = re.fullmatch(r"(?:cpython@?)?(3\.\d+)(?:\.\d+)?", options.python or current.python_request or "")
    if match is not None:
        return match[1]
    return _interpreter(Uv.find(options.environ), options, current.directory, current).python


def _export_arguments(options: Options, current: Project) -> list[str]:
    """Return the arguments that make `uv-layers export` in the builder choose what is chosen here."""
    words = _chosen(options, current, ".")
    words += ["--frozen"] if options.frozen or current.unchecked else []
    if current.chosen:
        words += [word for name in options.packages for word in ("--package", name)]
    elif current.directory != current.lock_root:
        words += ["--project", _in_context(current.directory, current.lock_root), "--output", "."]
    return words


def _install_arguments(options: Options, current: Project) -> list[str]:
    """Return the arguments that make `uv-layers install` install the project, whose sources are in a folder there."""
    where = _in_context(current.directory, current.lock_root)
    words = ["--project", posixpath.normpath(f"{PROJECT}/{where}"), "--layers-dir", "layers", "--frozen"]
    words += [word for name in options.packages for word in ("--package", name) if current.chosen]
    return [*words, *_chosen(options, current, PROJECT)]


def _chosen(options: Options, current: Project, root: str) -> list[str]:
    chosen = options.selection
    words = [word for group in chosen.groups for word in ("--group", group)]
    words += [word for group in chosen.no_groups for word in ("--no-group", group)]
    words += [word for extra in chosen.extras for word in ("--extra", extra)]
    flags = (("--no-default-groups", chosen.no_default_groups), ("--all-extras", chosen.all_extras))
    words += [flag for flag, given in flags if given]
    if options.config is not None:
        words += ["--config", posixpath.normpath(f"{root}/{_in_context(options.config, current.lock_root)}")]
    if options.prefix is not None:
        words += ["--prefix", options.prefix]
    return words


def _sources(current: Project) -> list[str]:
    """Return what the final image gets of each project: `src`, else its package, else its modules."""
    found: list[Path] = []
    for part in current.parts:
        names = ("src", normalised(part.name or "").replace("-", "_"))
        folders = (part.directory / name for name in names if name and (part.directory / name).is_dir())
        first = next(folders, None)
        found += sorted(part.directory.glob("*.py")) if first is None else [first]
    return [_in_context(path, current.lock_root) for path in found]


def _project(options: Options) -> Project:
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
    _check_size(current.lock)
    return current


def _check_size(lock: Path) -> None:
    if lock.stat().st_size > documents.LARGEST_LOCK:
        raise errors.UnreadableFileError(lock, f"it has more than {documents.LARGEST_LOCK} bytes")


def _prefix(options: Options, configured: str) -> str:
    return configured if options.prefix is None else project.prefix(options.prefix, "the command line", "--prefix")


def _interpreter(uv: Uv, options: Options, directory: Path, current: Project | None) -> Target:
    """Return the interpreter that runs this where it is one that is asked for, else the one that uv finds."""
    request = options.python or (current.python_request if current else None)
    requires = current.requires_python if current else None
    if target.running_satisfies(request, requires):
        return target.of_running()
    found = uv.find_python(find_python_argv(directory, request))
    if found is None:
        wanted = f"Python {request or requires}"
        raise errors.TargetError(f"uv finds no {wanted} here; install one, or name another with --python")
    return target.of_interpreter(found, options.environ)


def _target(uv: Uv, current: Project, options: Options) -> Target:
    if options.platform is None:
        return _interpreter(uv, options, current.directory, current)
    return target.of_platform(options.platform, options.python or current.python_request or _running())


def _running() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def _equipped(uv: Uv, options: Options, at: Target, directory: Path) -> Target:
    """Return the target with an interpreter to install and compile with: for another platform, one like it here."""
    if at.executable is not None:
        return at
    return target.equipped(at, _interpreter(uv, replace(options, python=at.python), directory, None))


def _plan(options: Options, current: Project, named: Sequence[str], uv: Uv | None = None) -> Plan:
    """Ask uv for the image set and for each closure at once, and put the answers together."""
    selection = options.selection
    layers = planning.specs(current, selection, named)
    prefix = _prefix(options, current.config.prefix)
    on_top = planning.named_specs(named, planning.names(current, layers, prefix), current.groups)
    uv = uv or Uv.find(options.environ)
    directory = current.directory
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
    with _pool(4) as pool:
        root = current.lock_root
        answers = {reason: [pool.submit(uv.export, argv, root) for argv in argvs] for reason, argvs in asked.items()}
        whole = [pool.submit(uv.export, argv, root) for argv in image]
        at = _target(uv, current, options)
        if not options.frozen:
            here = target.running_satisfies(None, current.requires_python)
            python = at.executable or (sys.executable if here else None)
            argv = check_argv(directory, python, offline=options.offline)
            _wait(pool.submit(uv.check, argv, current.lock))
        exports = {reason: pylock.Export(list(map(_wait, found)), at, root) for reason, found in answers.items()}
        try:
            texts = list(map(_wait, whole))
        except errors.UvFailedError:
            # uv refuses conflicting groups by their names; the package that they conflict over says more.
            closures = _closures(layers, exports)
            planning.check_versions({f"layer {name!r}": needs for name, needs in closures.items()})
            raise
    alone = {part.name or "": pylock.Export([text], at, root) for part, text in zip(current.parts, texts, strict=True)}
    planning.check_versions({name: [replace(export.closure(name), reason="")] for name, export in alone.items()})
    packages = pylock.Export(texts, at, root) if len(texts) > 1 else next(iter(alone.values()))
    closures = _closures(layers, exports)
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
        closures=closures,
        prefix=prefix,
        target=at,
        source=current.config.source,
        on_top=[(spec, [package for package in more if "directory" not in package.table]) for spec, more in tops],
        own=None if own is None else (own, local),
    )
    return replace(made, hints=(*made.hints, *planning.too_large(made.layers, options.warn_size)))


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


def _locks(made: Plan, current: Project, wanted: Iterable[str]) -> list[LayerLock]:
    layers = {layer.name: layer for layer in made.layers}
    names = dict.fromkeys(wanted) or layers
    locks = [pylock.layer_lock(layers[n], made.prefix, made.target, current.uv_settings) for n in names]
    return [replace(lock, folders=_folders(layers[lock.layer], current)) for lock in locks]


def _folders(layer: Layer, current: Project) -> tuple[Path, ...]:
    paths = (m.package.table["directory"]["path"] for m in layer.members if "directory" in m.package.table)
    return tuple(current.lock_root / path for path in paths)


def _epoch(environ: Mapping[str, str]) -> int:
    value = environ.get("SOURCE_DATE_EPOCH", "")
    if value and (not value.isdecimal() or int(value) > _LAST_SECOND):
        raise errors.UsageError(
            f"SOURCE_DATE_EPOCH is {value!r}; set it to a number of seconds up to {_LAST_SECOND}, or unset it"
        )
    return int(value) if value else DEFAULT_EPOCH


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool whose programs end with the `with` block, at once when that is left by an error."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    except BaseException:
        with process.stopped():
            pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def _parallel(tasks: Sequence[Callable[[], T]], workers: int) -> list[T]:
    """Return the results of the tasks; the first error ends the others."""
    with _pool(workers) as pool:
        futures = [pool.submit(task) for task in tasks]
        while True:
            done, open_ = wait(futures, _TICK, return_when=FIRST_EXCEPTION)
            failed = [future for future in done if future.exception()]
            if failed or not open_:
                return [future.result() for future in (*failed, *futures)]


def _wait(future: Future[T]) -> T:
    """Return the future's result. A signal that comes just before an endless wait would be noticed after it."""
    while not future.done():
        wait([future], _TICK)
    return future.result()
