"""From the packages of the image and the layers' claims to a plan. Pure: no process, no file, no clock."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.model import (
    ENVIRONMENT,
    Change,
    Closure,
    Layer,
    LayerChange,
    LayerSpec,
    Member,
    Plan,
    is_environment,
    normalised,
)
from uv_layers.project import layer_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from uv_layers.model import Package, Project, Selection, Target

UNCLAIMED = "claimed by no layer"
# The layer of the project's own dependencies, where no table names one.
DEPENDENCIES = "dependencies"


def specs(project: Project, selection: Selection, named: Sequence[str] = ()) -> tuple[LayerSpec, ...]:
    """Return the layers of a project, bottom to top, without those that only `named` brings.

    They are the configured ones, else one for each default dependency group less `dev` and each selected
    group, in the order of their declaration, then one for the project's own dependencies.
    Raises NoLayersError, UnknownGroupError and UnknownExtraError.
    """
    config = project.config
    for setting, names in (("--group", selection.groups), ("--no-group", selection.no_groups)):
        _check_groups(setting, names, project)
    _check_extras("--extra", selection.extras, project)
    if config.layers:
        for spec in config.layers:
            _check_groups(f"{config.source}: layer {spec.name!r}", spec.groups, project)
            _check_extras(f"{config.source}: layer {spec.name!r}", spec.extras, project)
        # As with uv, --no-group wins over whatever names the group.
        shut = selection.no_groups
        return tuple(replace(spec, groups=tuple(g for g in spec.groups if g not in shut)) for spec in config.layers)
    found = [_of_group(group) for group in groups(project, selection)]
    if project.has_dependencies or selection.extras or selection.all_extras:
        extras = project.extras if selection.all_extras else selection.extras
        found.append(LayerSpec(_own_layer(project), extras=extras, dependencies=True))
    if not found and not named and config.project is None:
        raise errors.NoLayersError(project.directory / "pyproject.toml")
    return tuple(found)


def groups(project: Project, selection: Selection, layers: Iterable[LayerSpec] = ()) -> list[str]:
    """Return the dependency groups of the image, in the order of their declaration: also those that layers claim."""
    default = () if selection.no_default_groups else (g for g in project.default_groups if g != "dev")
    wanted = {*default, *selection.groups, *(group for spec in layers for group in spec.groups)}
    return [group for group in project.groups if group in wanted and group not in selection.no_groups]


def _own_layer(project: Project) -> str:
    """Return the name of the layer of the project's own dependencies: one that no group and no other layer has."""
    own = project.config.project
    taken = {*project.groups, *(() if own is None else (own.name,))}
    names = (DEPENDENCIES, *(f"{DEPENDENCIES}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def python_limits(project: Project, groups: Iterable[str]) -> list[tuple[str, str]]:
    """Return what demands which versions of Python: the project, and those of its groups that are wanted."""
    limits = [("the project", project.requires_python)] if project.requires_python else []
    named = ((f"group {g!r}", limit) for g in dict.fromkeys(groups) for limit in project.group_python.get(g, ()))
    return [*limits, *named]


def check_python(limits: Iterable[tuple[str, str]], target: Target) -> None:
    """Raise PythonMismatchError unless the target's Python is one that all limits admit."""
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - tens of ms

    for source, limit in limits:
        try:
            fits = SpecifierSet(limit).contains(target.full_python, prereleases=True)
        except ValueError:
            problem = f"{errors.shown(limit)} is not a valid version specifier"
            raise errors.ConfigError("pyproject.toml", "requires-python", problem) from None
        if not fits:
            raise errors.PythonMismatchError(source, f"Python {limit}", f"Python {target.full_python}")


def check_environments(markers: Sequence[str], *targets: Target) -> None:
    """Raise UnsupportedTargetError unless one of the targets is one of the environments that the lock was made for."""
    if not markers:
        return
    from packaging.markers import Marker  # noqa: PLC0415 - 60 ms

    environments = [dict(target.markers) for target in targets]
    if not any(Marker(marker).evaluate(e, context="lock_file") for marker in markers for e in environments):
        raise errors.UnsupportedTargetError(f"{targets[0]} ({targets[0].full_python})", markers)


def names(project: Project, layers: Sequence[LayerSpec], prefix: str) -> tuple[str, ...]:
    """Return the names of all layers, bottom to top: also those of the environment and of the project itself."""
    below = (ENVIRONMENT,) if is_environment(prefix) else ()
    own = project.config.project
    return (*below, *(spec.name for spec in layers), *(() if own is None else (own.name,)))


def wanted(named: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return names from the command line as the layers and groups have them; others as they are."""
    spelled = {normalised(name): name for name in reversed(known)}
    return tuple(dict.fromkeys(n if n in known else spelled.get(normalised(n), n) for n in named))


def named_specs(names: Iterable[str], known: Sequence[str], groups: Sequence[str]) -> tuple[LayerSpec, ...]:
    """Return a spec for each name that is a dependency group and no known layer; raises UnknownLayerError."""
    taken = frozenset(known)
    others = [group for group in groups if group not in taken]
    extra: dict[str, LayerSpec] = {}
    for name in names:
        if name in known:
            continue
        if name not in others:
            raise errors.UnknownLayerError(name, known, others)
        extra[name] = _of_group(name)
    return tuple(extra.values())


def _of_group(group: str) -> LayerSpec:
    return LayerSpec(layer_name(group, "pyproject.toml: dependency-groups"), groups=(group,))


def make(
    *,
    image: Sequence[Package],
    known: Collection[str],
    layers: Sequence[LayerSpec],
    closures: Mapping[str, Sequence[Closure]],
    prefix: str,
    target: Target,
    source: str,
    on_top: Sequence[tuple[LayerSpec, Sequence[Package]]] = (),
    own: tuple[LayerSpec, Sequence[Package]] | None = None,
) -> Plan:
    """Return the plan that puts each package of `image` into one of `layers`, bottom to top.

    A virtual environment gets a layer below them, and the packages of `own`, the project's, are one above all.

    `known` has the names of all packages of the image on any target, which patterns are held against;
    `closures` has, by layer, what its groups, extras and dependencies need. Patterns claim first, bottom to
    top, then closures, bottom to top; the top layer takes the rest. Each of `on_top` becomes a further layer
    with those of its packages that no layer below has. Raises TwoVersionsError, and PatternError for a layer of whose
    patterns none matches.
    """
    # uv made the image's versions agree; a closure alone may resolve to another side of a conflict.
    check_versions({"the image": [_closure_of(image)], **{s.name: [_closure_of(ps)] for s, ps in on_top}})
    # The packages of a layer of the project itself may be all that a configuration has a layer for.
    layers = layers or ([LayerSpec(DEPENDENCIES)] if image else [])
    owner, asking, unmatched = _owners(layers, known, closures, source)
    members: dict[str, list[Member]] = {spec.name: [] for spec in layers}
    for package in image:
        layer, reason = owner.get(package.name, (layers[-1].name, UNCLAIMED))
        also = dict.fromkeys(r for r in asking.get(package.name, ()) if r != reason)
        members[layer].append(Member(package, reason, tuple(also)))
    made = [Layer(spec.name, tuple(members[spec.name])) for spec in layers]
    taken = {package.name for package in image}
    for spec, packages in on_top:
        reason = f"group {spec.groups[0]}"
        made.append(Layer(spec.name, tuple(Member(p, reason) for p in packages if p.name not in taken)))
        taken |= {package.name for package in packages}
    hints = (*unmatched, *_hints(made, on_top))
    if is_environment(prefix):
        if any(layer.name == ENVIRONMENT for layer in made):
            raise errors.DuplicateLayerError(f"prefix {prefix}", ENVIRONMENT)
        made.insert(0, Layer(ENVIRONMENT, kind="environment"))
    if own is not None:
        if not own[1]:
            what = "neither the project nor what it needs of its workspace is a package (see tool.uv.package)"
            hints = (*hints, f"layer {own[0].name!r} is empty: {what}")
        made.append(Layer(own[0].name, tuple(Member(package, "project") for package in own[1]), kind="project"))
    return Plan(prefix, target, tuple(made), hints)


def _owners(
    layers: Sequence[LayerSpec], known: Collection[str], closures: Mapping[str, Sequence[Closure]], source: str
) -> tuple[dict[str, tuple[str, str]], dict[str, list[str]], list[str]]:
    """Return the layer and the reason of each package that is claimed, all reasons that ask for it, and hints."""
    wanted: dict[str, list[str]] = {}
    owner: dict[str, tuple[str, str]] = {}
    unmatched: list[str] = []
    for spec in layers:
        found = {pattern: matching(pattern, known) for pattern in spec.packages}
        # One of several may be a package that is gone, which no update should fail for; all of them are a mistake.
        if found and not any(found.values()):
            raise errors.PatternError(source, spec.name, spec.packages[0])
        for pattern, names in found.items():
            for name in names:
                owner.setdefault(name, (spec.name, f"packages {pattern}"))
        gone = [pattern for pattern, names in found.items() if not names]
        unmatched += [f"layer {spec.name!r}: {pattern!r} matches no package of the image; drop it" for pattern in gone]
    for spec in layers:
        for closure in closures.get(spec.name, ()):
            for name in closure.versions:
                wanted.setdefault(name, []).append(closure.reason)
                owner.setdefault(name, (spec.name, closure.reason))
    return owner, wanted, unmatched


def matching(pattern: str, names: Collection[str]) -> list[str]:
    """Return those of the names that a pattern fits."""
    # Most are names: `suggest` may write thousands of them, and each would be held against all.
    if not any(character in pattern for character in "*?["):
        return [pattern] if pattern in names else []
    return [name for name in names if fnmatchcase(name, pattern)]


def diff(old: Sequence[Layer], new: Sequence[Layer]) -> tuple[LayerChange, ...]:
    """Return what becomes of each layer, those of `new` from bottom to top and then those that are gone.

    A layer is the same when it installs the same content, wherever that is downloaded from.
    """
    before = {m.package.name: (layer.name, m.package) for layer in old for m in layer.members}
    after = {m.package.name: (layer.name, m.package) for layer in new for m in layer.members}
    names = {layer.name: layer.settings for layer in old}
    changes = []
    for layer in new:
        found = [c for m in layer.members if (c := _arrived(layer.name, m.package, before.get(m.package.name)))]
        found += _left(layer.name, before, after)
        # An empty tree is the same however it is made; an environment has files all the same.
        if layer.members or layer.kind == "environment":
            found += _settings(names.get(layer.name, layer.settings), layer.settings)
        if layer.name in names and not found:
            changes.append(LayerChange(layer.name, "same"))
            continue
        kept = sum(m.package.size or 0 for m in layer.members if _is_same(m.package, before.get(m.package.name)))
        status = "changed" if layer.name in names else "added"
        ordered = tuple(sorted(found, key=lambda change: change.package))
        changes.append(LayerChange(layer.name, status, ordered, layer.size, kept, layer.unsized))
    there = {layer.name for layer in new}
    gone = [layer.name for layer in old if layer.name not in there]
    return (*changes, *(LayerChange(name, "removed", tuple(_left(name, before, after))) for name in gone))


def _arrived(layer: str, package: Package, before: tuple[str, Package] | None) -> Change | None:
    """Return how a package of a layer is not as it was, or None where it is."""
    if before is None:
        return Change(package.name, "added", new=package.version)
    where, old = before
    if where != layer:
        return Change(package.name, "moved", old.version, package.version, where)
    if _is_same(package, before):
        return None
    if content(old) == content(package):
        return Change(package.name, "retimed", old.version, package.version)
    kind = "rebuilt" if old.version == package.version else "updated"
    return Change(package.name, kind, old.version, package.version)


def _settings(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    return [
        Change(key, "setting", old.get(key), new.get(key))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def _is_same(package: Package, before: tuple[str, Package] | None) -> bool:
    return before is not None and (content(before[1]), _times(before[1])) == (content(package), _times(package))


def _left(
    layer: str, before: Mapping[str, tuple[str, Package]], after: Mapping[str, tuple[str, Package]]
) -> list[Change]:
    """Return the packages that the layer had and has no more."""
    found = []
    for name, (where, package) in sorted(before.items()):
        if where != layer or (name in after and after[name][0] == layer):
            continue
        if name in after:
            found.append(Change(name, "moved", package.version, after[name][1].version, after[name][0]))
        else:
            found.append(Change(name, "removed", old=package.version))
    return found


def content(package: Package) -> object:
    """Return what decides the content of an installed package: its version and its files' hashes, or its commit."""
    commit = package.table.get("vcs", {}).get("commit-id")
    return package.version, commit, sorted(item for file in _files(package) for item in file["hashes"].items())


def _times(package: Package) -> list[object]:
    return [file.get("upload-time") for file in _files(package)]


def _files(package: Package) -> list[Mapping[str, Any]]:
    table = package.table
    return [*table.get("wheels", ()), *(table[key] for key in ("sdist", "archive") if key in table)]


def too_large(layers: Iterable[Layer], limit: int) -> Iterable[str]:
    """Yield a hint for each layer of more than `limit` bytes, with what to take out of it."""
    for layer in layers:
        if layer.size > limit:
            largest = sorted(layer.members, key=lambda m: (-(m.package.size or 0), m.package.name))[:3]
            shares = ", ".join(f"{m.package.name} {(m.package.size or 0) / layer.size:.0%}" for m in largest)
            yield (
                f"layer {layer.name!r} has {layer.size / 1e9:.2f} GB, which BuildKit compresses on one core, and a "
                f"registry may refuse; split it ({shares}), as `uv-layers suggest` does"
            )


def _hints(
    made: Sequence[Layer],
    on_top: Sequence[tuple[LayerSpec, Sequence[Package]]],
) -> Iterable[str]:
    for spec, _ in on_top:
        yield f"group {spec.name!r} is not in the image; to have it there, add it to tool.uv.default-groups or a layer"
    for layer in made:
        if not layer.members:
            yield f"layer {layer.name!r} is empty: it claims nothing that the target installs and no other layer has"


def _closure_of(packages: Sequence[Package]) -> Closure:
    return Closure("", {package.name: package.version for package in packages})


def check_versions(closures: Mapping[str, Sequence[Closure]]) -> None:
    """Raise TwoVersionsError when two of the closures, by layer, need two versions of one package."""
    seen: dict[str, tuple[str, str]] = {}
    for layer, needs in closures.items():
        for closure in needs:
            where = f"{layer} ({closure.reason})" if closure.reason else layer
            for name, version in closure.versions.items():
                first = seen.setdefault(name, (where, str(version)))
                if first[1] != str(version):
                    raise errors.TwoVersionsError(name, first, (where, str(version)))


def _check_groups(setting: str, groups: Iterable[str], project: Project) -> None:
    for group in groups:
        if group not in project.groups:
            raise errors.UnknownGroupError(setting, group, project.groups)


def _check_extras(setting: str, extras: Iterable[str], project: Project) -> None:
    for extra in extras:
        if extra not in project.extras:
            raise errors.UnknownExtraError(setting, extra, project.extras)
