"""Which package goes in which layer. Pure: no process, no file, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from uv_layers import errors
from uv_layers.lock.packages import Closure, Layer, Member, Package
from uv_layers.project.config import LayerSpec
from uv_layers.system.paths import ENVIRONMENT, is_environment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from uv_layers.system.interpreter import Target


@dataclass(frozen=True, slots=True)
class Plan:
    """Which package is in which layer, bottom to top, and why; `unused` are the dependency groups of no layer."""

    prefix: str
    target: Target
    layers: tuple[Layer, ...]
    hints: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


UNCLAIMED = "claimed by no layer"


def assign(
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
    lenient: bool = False,
) -> Plan:
    """Return the plan that puts each package of `image` into one of `layers`, bottom to top.

    A virtual environment gets a layer below them, and the packages of `own`, the project's, are one above all.

    `known` has the names of all packages of the image on any target, which patterns are held against;
    `closures` has, by layer, what its groups, extras and dependencies need. Patterns claim first, bottom to
    top, then closures, bottom to top; the top layer takes the rest. Each of `on_top` becomes a further layer
    with those of its packages that no layer below has. Raises TwoVersionsError; and PatternError for a layer
    of whose patterns none matches, unless `lenient`.
    """
    # uv made the image's versions agree; a closure alone may resolve to another side of a conflict.
    check_versions({"the image": [_closure_of(image)], **{s.name: [_closure_of(ps)] for s, ps in on_top}})
    # The packages of a layer of the project itself may be all that a configuration has a layer for.
    layers = layers or ([LayerSpec("dependencies")] if image else [])
    owner, asking, unmatched = _owners(layers, known, closures, None if lenient else source)
    members: dict[str, list[Member]] = {spec.name: [] for spec in layers}
    for package in image:
        layer, reason = owner.get(package.name, (layers[-1].name, UNCLAIMED))
        also = dict.fromkeys(r for r in asking.get(package.name, ()) if r != reason)
        members[layer].append(Member(package, reason, tuple(also)))
    made = [Layer(spec.name, tuple(members[spec.name])) for spec in layers]
    taken = {package.name for package in image}
    for spec, packages in on_top:
        reason = f"group {spec.groups[0]}"
        fresh = tuple(Member(p, reason) for p in packages if p.name not in taken)
        made.append(Layer(spec.name, fresh, on_top=True))
        taken |= {package.name for package in packages}
    hints = (*unmatched, *_hints(made, on_top))
    if is_environment(prefix):
        if any(layer.name == ENVIRONMENT for layer in made):
            raise errors.DuplicateLayerError(f"prefix {prefix}", ENVIRONMENT)
        made.insert(0, Layer(ENVIRONMENT, kind="environment"))
    if own is not None:
        if not own[1]:
            what = "neither the project nor the members that it needs are packages (see tool.uv.package)"
            hints = (*hints, f"layer {own[0].name!r} is empty: {what}")
        made.append(Layer(own[0].name, tuple(Member(package, "project") for package in own[1]), kind="project"))
    return Plan(prefix, target, tuple(made), hints)


def _owners(
    layers: Sequence[LayerSpec], known: Collection[str], closures: Mapping[str, Sequence[Closure]], source: str | None
) -> tuple[dict[str, tuple[str, str]], dict[str, list[str]], list[str]]:
    """Return the layer and the reason of each package that is claimed, all reasons that ask for it, and hints.

    `source` is where the layers are configured; without it, a layer may have only patterns that match nothing.
    """
    wanted: dict[str, list[str]] = {}
    owner: dict[str, tuple[str, str]] = {}
    unmatched: list[str] = []
    for spec in layers:
        found = {pattern: matching(pattern, known) for pattern in spec.packages}
        # One of several may be a package that is gone, which no update should fail for; all of them are a mistake.
        if source is not None and found and not any(found.values()):
            raise errors.PatternError(source, spec.name, spec.packages[0])
        for pattern, names in found.items():
            for name in names:
                owner.setdefault(name, (spec.name, f"packages {pattern}"))
        gone = [pattern for pattern, names in found.items() if not names]
        unmatched += [f"layer {spec.name!r}: {p!r} matches no package of the image; remove it" for p in gone]
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


def too_large(layers: Iterable[Layer], limit: int) -> Iterable[str]:
    """Yield a hint for each layer of more than `limit` bytes, with what to take out of it."""
    for layer in layers:
        if layer.size > limit:
            largest = sorted(layer.members, key=lambda m: (-(m.package.size or 0), m.package.name))[:3]
            shares = ", ".join(f"{m.package.name} {(m.package.size or 0) / layer.size:.0%}" for m in largest)
            yield (
                f"layer {layer.name!r} has {layer.size / 1e9:.2f} GB: BuildKit compresses it on one core, and a "
                f"registry may refuse it; split it ({shares}), e.g. with `uv-layers suggest`"
            )


def _hints(
    made: Sequence[Layer],
    on_top: Sequence[tuple[LayerSpec, Sequence[Package]]],
) -> Iterable[str]:
    for spec, _ in on_top:
        yield f"group {spec.name!r} is not in the image; to include it, add it to tool.uv.default-groups or a layer"
    for layer in made:
        if not layer.members:
            yield f"layer {layer.name!r} is empty: the target does not install what it claims, or another layer has it"


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
