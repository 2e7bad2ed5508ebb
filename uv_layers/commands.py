"""What each command does, by putting the modules below together."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from uv_layers import dockerfile as rendering
from uv_layers import errors, interpreter, layer_lock, planner, process, project, pylock, uv_lock
from uv_layers import plan as planning
from uv_layers.build import Build, recorded
from uv_layers.fs import LayersFolder, write_atomically
from uv_layers.history import Repository
from uv_layers.model import (
    Environment,
    Exported,
    LayerChange,
    LayerLock,
    Options,
    Plan,
    Problem,
    Project,
    Suggestion,
    Target,
    Tree,
    normalised,
    resolved,
)
from uv_layers.recipe import in_context, recipe_of
from uv_layers.tasks import parallel
from uv_layers.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# The last that a file's time can be where it has 32 bits.
_LAST_SECOND = 2**32 - 1


def plan(options: Options) -> Plan:
    """Return the plan of the project."""
    return planner.make(options, planner.find_project(options), ())


def export(
    options: Options, named: Sequence[str] = (), output: Path | None = None, *, to_text: bool = False
) -> tuple[list[Exported], Plan]:
    """Write the layer locks into `output`, the project's folder when left out; with `to_text`, write nothing."""
    current = planner.find_project(options)
    _, _, wanted = planner.layers_of(options, current, named)
    made = planner.make(options, current, named)
    folder = output or current.directory
    exported = []
    for lock in planner.locks(made, current, wanted):
        if lock.kind == "project":
            if named and lock.layer in wanted:
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
    invalidation: str = "timestamp",
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
        _latest(options.environ),
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
        return fresh, _clashes_between(place.trees, fresh, strict=True) + _base_image(place, fresh) if strict else ()
    uv = Uv.find(options.environ, offline=options.offline)
    locks, at, hints = place.gather(uv)
    if options.platform is not None:
        layer_lock.check_wheels(locks, at)
    # uv's progress bars are for one uv at a time.
    workers = 1 if show_progress else process.cores()
    trees = parallel([partial(build.make, uv, lock, at, stamp) for lock in locks], workers)
    hints += _clashes_between(place.trees, trees, strict=strict)
    return trees, hints if options.platform else hints + _base_image(place, trees, strict=strict)


@dataclass(frozen=True)
class _Place:
    """Where layers come from and where their trees are.

    `layers` are the names asked for, `inputs` the files that decide what is in them; paths in their locks start from
    `root`; `access` is how the project reaches its indexes; `gather` returns the locks. A `stage` has layer locks and
    no project, as a stage of a Dockerfile does.
    """

    layers: tuple[str, ...]
    inputs: tuple[Path, ...]
    trees: LayersFolder
    root: Path
    access: Mapping[str, Any]
    stage: bool
    gather: Callable[[Uv], tuple[list[LayerLock], Target, tuple[str, ...]]]


def _place(options: Options, named: Sequence[str], layers_dir: Path | None) -> _Place:
    start = resolved(options.directory or Path.cwd())
    # A folder with layer locks is what a builder's stage has; a project above it is then not meant.
    stage = not (start / "pyproject.toml").is_file() and bool(found := pylock.layers_in(start))
    if stage:
        layers = planning.wanted(named or found, found)
        home, root, inputs = start, start, tuple(_lock_file(start, name) for name in layers)
        access: Mapping[str, Any] = {}
        gather = partial(_from_folder, options, start, layers)
    else:
        current = planner.find_project(options)
        _, _, layers = planner.layers_of(options, current, named)
        home, root, inputs = current.directory, current.lock_root, current.inputs
        access = project.access(current)
        gather = partial(_from_project, options, current, layers)
    trees = LayersFolder((layers_dir or home / "layers").absolute())
    return _Place(layers, inputs, trees, root, access, stage, gather)


def _from_project(
    options: Options, current: Project, wanted: Sequence[str], uv: Uv
) -> tuple[list[LayerLock], Target, tuple[str, ...]]:
    made = planner.make(options, current, wanted, uv)
    return (
        planner.locks(made, current, wanted),
        planner.equipped(uv, options, made.target, current.directory),
        made.hints,
    )


def _from_folder(
    options: Options, folder: Path, wanted: Sequence[str], uv: Uv
) -> tuple[list[LayerLock], Target, tuple[str, ...]]:
    if options.platform is None:
        at = interpreter.find(uv, options, folder, None)
    else:
        at = planner.elsewhere(uv, options.platform, options.python or interpreter.running_version())
    locks = []
    for name in wanted:
        path = _lock_file(folder, name)
        lock = layer_lock.for_target(layer_lock.read(path, name), path, at)
        own = project.prefix(lock.prefix, str(path), "tool.uv-layers.prefix")
        locks.append(replace(lock, prefix=planner.prefix_of(options, own)))
    return locks, planner.equipped(uv, options, at, folder), ()


def _clashes_between(folder: LayersFolder, trees: Sequence[Tree], *, strict: bool) -> tuple[str, ...]:
    """Return a line for each file that two of the trees have with different content.

    With `strict`, raises ClashError.
    """
    if len(trees) < 2:  # noqa: PLR2004
        return ()
    from uv_layers import installed  # noqa: PLC0415

    with folder.reading(tree.layer for tree in trees):
        merged = [
            replace(distribution, name=f"{distribution.name} (layer {tree.layer})")
            for tree in trees
            for distribution in installed.distributions(tree.path, tree.sites)
        ]
    within = {clash.path for tree in trees for clash in tree.clashes}
    between = [clash for clash in installed.clashes(merged) if clash.path not in within]
    between += installed.folder_clashes(merged)
    if between and strict:
        raise errors.ClashError(between[0].path, between[0].owners)
    return tuple(
        f"{clash.path} differs between {' and '.join(clash.owners)}; the layer that is copied last wins"
        for clash in between
    )


def _base_image(place: _Place, trees: Sequence[Tree], *, strict: bool = True) -> tuple[str, ...]:
    """Return a line for each package that the base image has in another version; raises BaseImageError.

    In a stage that runs as root, this machine is the base image, and trees must not replace its links and folders.
    """
    from uv_layers import base  # noqa: PLC0415

    if place.stage and os.geteuid() == 0:
        for damage in (damage for tree in trees for damage in base.damages(tree)):
            raise errors.BaseImageError(damage)
    overlaps = tuple(line for tree in trees for line in base.overlaps(tree))
    if overlaps and strict:
        raise errors.BaseImageError(overlaps[0])
    return overlaps


def verify(
    options: Options, named: Sequence[str], *, layers_dir: Path | None = None
) -> list[tuple[str, str | None, list[Problem]]]:
    """Hold the trees of the named layers, of all when none is named, against their layer locks.

    Returns the name, the digest (None where there is no tree) and the problems of each.
    """
    place = _place(options, named, layers_dir)
    locks, at, _ = place.gather(Uv.find(options.environ, offline=options.offline))
    results: list[tuple[str, str | None, list[Problem]]] = []
    for lock in locks:
        with place.trees.reading([lock.layer]):
            results.append(_verified(place.trees, lock, _latest(options.environ), at.python))
    return results


def _verified(
    folder: LayersFolder, lock: LayerLock, latest: int | None, python: str
) -> tuple[str, str | None, list[Problem]]:
    from uv_layers import seal  # noqa: PLC0415
    from uv_layers import verify as verifying  # noqa: PLC0415

    tree, record, made = folder.tree(lock.layer), recorded(folder, lock.layer), None
    if not tree.is_dir():
        return lock.layer, None, [Problem(lock.layer, "no-tree", "", f"{tree} is not there")]
    if record:
        made, latest = verifying.Made(record["made"], frozenset(record["executable"])), record["latest"]
    found = list(seal.hashed(tree))
    return lock.layer, seal.digest(found), verifying.problems(tree, lock, made, latest, python, found)


def env(
    options: Options, named: Sequence[str] = (), *, layers_dir: Path | None = None
) -> tuple[Environment, tuple[str, ...]]:
    """Return what makes the trees of the named layers, of all when none is named, usable where they are, with hints.

    Of the trees, only the folders around their packages are looked at, and uv is not started. Raises NotBuiltError.
    """
    from uv_layers import installed  # noqa: PLC0415

    place = _place(options, named, layers_dir)
    found = {name: recorded(place.trees, name) for name in place.layers}
    records = {name: record for name, record in found.items() if record is not None}
    if missing := [name for name in found if name not in records]:
        raise errors.NotBuiltError(missing, place.trees.path)
    # Resolved, so that a folder has one name from wherever this is run.
    trees = {name: place.trees.tree(name).resolve() for name in place.layers}
    sites = [(trees[name], site) for name in reversed(trees) for site in records[name]["sites"]]
    programs = dict.fromkeys(tree / installed.scripts(site) for tree, site in sites)
    different = {record["interpreter"][0] for record in records.values()}
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
    before, after = parallel([partial(_side, options, old), partial(_side, options, new)], workers=2)
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

    current = planner.find_project(options)
    made = planner.make(options, current, ())
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
    text = project.with_layers(path, [layer.spec for layer in found.layers], current.config)
    write_atomically(resolved(path), text)
    if current.config.source == "pyproject.toml" and current.config.layers:
        found = replace(found, hints=(*found.hints, f"{path.name} now wins over [tool.uv-layers] in pyproject.toml"))
    return found, path


def _side(options: Options, side: str | None) -> list[LayerLock]:
    if side is None:
        return _all_locks(options)
    path = Path(side)
    if path.is_dir() and (names := pylock.layers_in(path)):
        return [layer_lock.read(_lock_file(path, name), name) for name in names]
    current = planner.find_project(options)
    if path.is_file():
        uv_lock.check_size(path)
        requests = (folder / ".python-version" for folder in (current.directory, current.lock_root))
        texts = {file: _text(file) for file in (*current.inputs, *requests) if file.is_file()}
        return _locks_of(options, current, texts | {current.lock: _text(path)})
    repository = Repository(current.lock_root, options.environ)
    config = () if options.config is None else (options.config.name,)
    texts = repository.files(repository.commit(side), _top(current), config)
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
    current = planner.find_project(options)
    return planner.locks(planner.make(options, current, ()), current, ())


def _locks_of(options: Options, current: Project, texts: Mapping[Path, str]) -> list[LayerLock]:
    """Return the layer locks of the project as it is with the given texts for its files, and no other files."""
    top = _top(current)
    with TemporaryDirectory() as temporary:
        root = Path(temporary).resolve()

        def place(path: Path) -> Path:
            return root / path.relative_to(top)

        for path, text in texts.items():
            if path.is_relative_to(top):
                place(path).parent.mkdir(parents=True, exist_ok=True)
                place(path).write_text(text, encoding="utf-8")
        config = options.config and options.config.absolute()
        if config is not None and config in texts and config.is_relative_to(top):
            config = place(config)
        return _all_locks(replace(options, directory=place(current.start), config=config))


def _top(current: Project) -> Path:
    """Return the folder that has the whole workspace: members may be outside of its root."""
    members = (member.directory for member in current.members.values())
    return Path(os.path.commonpath([current.lock_root, *members]))


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
    recipe = recipe_of(options, planner.find_project(options), named, told or {})
    return rendering.snippet(recipe) if snippet else rendering.complete(recipe)


def kept_dockerfile(
    options: Options, path: Path, named: Sequence[str] = (), told: Mapping[str, Any] | None = None
) -> tuple[str, str]:
    """Return the text of a Dockerfile as it is and as it should be; one that is not there yet is empty."""
    recipe = recipe_of(options, planner.find_project(options), named, told or {})
    if not path.exists():
        return "", rendering.complete(recipe)
    text = _text(path)
    return text, rendering.updated(text, recipe, str(path))


def bake(options: Options, path: Path, named: Sequence[str] = (), told: Mapping[str, Any] | None = None) -> str:
    """Return a file for `docker buildx bake` that goes with the Dockerfile at `path`."""
    current = planner.find_project(options)
    # A folder may have a name that no image can have.
    name = re.sub(r"[^a-z0-9]+", "-", normalised(current.source.name or current.directory.name)).strip("-") or "image"
    recipe = rendering.beside(recipe_of(options, current, named, told or {}), _text(path) if path.exists() else "")
    return rendering.bake(recipe, name, in_context(path, current.lock_root))


def _latest(environ: Mapping[str, str]) -> int | None:
    value = environ.get("SOURCE_DATE_EPOCH", "")
    if value and (
        not (value.isascii() and value.isdecimal()) or len(value) > len(str(_LAST_SECOND)) or int(value) > _LAST_SECOND
    ):
        raise errors.UsageError(
            f"SOURCE_DATE_EPOCH is {value!r}; set it to a number of seconds up to {_LAST_SECOND}, or unset it"
        )
    return int(value) if value else None
