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
    """The packages of each layer, bottom to top, and why they are there; no layer has the groups in `unused`."""

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

    A virtual environment gets a layer at the bottom. The packages of `own`, the project's layer, are at the top.

    Patterns match the names in `known`: all packages of the image on any target. `closures` has, by layer, what its
    groups, extras and dependencies need. Patterns claim first, bottom to top, then closures, bottom to top; the top
    layer gets the rest. Each of `on_top` becomes a further layer with the packages that no layer below has.

    Raises TwoVersionsError, and PatternError if no pattern of a layer matches, unless `lenient`.
    """
    # uv resolved one version for the image; a single closure may resolve to the other side of a conflict.
    check_versions({"the image": [_closure_of(image)], **{f"group {s.name!r}": [_closure_of(ps)] for s, ps in on_top}})
    # A configuration may have only the layer of the project.
    layers = layers or ([LayerSpec("dependencies")] if image else [])
    owner, reasons, unmatched = _owners(layers, known, closures, None if lenient else source)
    members: dict[str, list[Member]] = {spec.name: [] for spec in layers}
    for package in image:
        layer, reason = owner.get(package.name, (layers[-1].name, UNCLAIMED))
        also = dict.fromkeys(r for r in reasons.get(package.name, ()) if r != reason)
        members[layer].append(Member(package, reason, tuple(also)))
    planned = [Layer(spec.name, tuple(members[spec.name])) for spec in layers]
    taken = {package.name for package in image}
    for spec, packages in on_top:
        reason = f"group {spec.groups[0]}"
        fresh = tuple(Member(p, reason) for p in packages if p.name not in taken)
        planned.append(Layer(spec.name, fresh, on_top=True))
        taken |= {package.name for package in packages}
    hints = (*unmatched, *_hints(planned, on_top))
    if is_environment(prefix):
        if any(layer.name == ENVIRONMENT for layer in planned):
            raise errors.DuplicateLayerError(
                f"prefix {prefix} adds the layer {ENVIRONMENT!r}", ENVIRONMENT, "rename yours"
            )
        planned.insert(0, Layer(ENVIRONMENT, kind="environment"))
    if own is not None:
        if not own[1]:
            what = "the project and the members that it needs are excluded, or are not packages (see tool.uv.package)"
            hints = (*hints, f"layer {own[0].name!r} is empty: {what}")
        planned.append(Layer(own[0].name, tuple(Member(package, "project") for package in own[1]), kind="project"))
    return Plan(prefix, target, tuple(planned), hints)


def _owners(
    layers: Sequence[LayerSpec], known: Collection[str], closures: Mapping[str, Sequence[Closure]], source: str | None
) -> tuple[dict[str, tuple[str, str]], dict[str, list[str]], list[str]]:
    """Return, by package, the layer with the reason for it, then all reasons that need the package; and hints.

    `source` is where the layers are configured. Without it, all patterns of a layer may match nothing.
    """
    reasons: dict[str, list[str]] = {}
    owner: dict[str, tuple[str, str]] = {}
    unmatched: list[str] = []
    for spec in layers:
        matches = {pattern: matching(pattern, known) for pattern in spec.packages}
        # An update may remove the package of one pattern; if none of several matches, it is a mistake.
        if source is not None and matches and not any(matches.values()):
            raise errors.PatternError(source, spec.name, spec.packages[0])
        for pattern, names in matches.items():
            for name in names:
                owner.setdefault(name, (spec.name, f"packages {pattern}"))
        gone = [pattern for pattern, names in matches.items() if not names]
        unmatched += [
            f"layer {spec.name!r}: {p!r} matches no package in the image; correct or remove the pattern" for p in gone
        ]
    for spec in layers:
        for closure in closures.get(spec.name, ()):
            for name in closure.versions:
                reasons.setdefault(name, []).append(closure.reason)
                owner.setdefault(name, (spec.name, closure.reason))
    return owner, reasons, unmatched


def matching(pattern: str, names: Collection[str]) -> list[str]:
    """Return the names that match a pattern."""
    # Most patterns are plain names, e.g. the thousands that `suggest` may write: a set finds them faster.
    if not any(character in pattern for character in "*?["):
        return [pattern] if pattern in names else []
    return [name for name in names if fnmatchcase(name, pattern)]


def too_large(layers: Iterable[Layer], limit: int) -> Iterable[str]:
    """Yield a hint for each layer of more than `limit` bytes, with its largest packages."""
    for layer in layers:
        if layer.size > limit:
            largest = sorted(layer.members, key=lambda m: (-(m.package.size or 0), m.package.name))[:3]
            shares = ", ".join(f"{m.package.name} {(m.package.size or 0) / layer.size:.0%}" for m in largest)
            yield (
                f"layer {layer.name!r} is {layer.size / 1e9:.2f} GB ({shares}): BuildKit compresses it on one core, "
                "and a registry may refuse it; split it, e.g. with `uv-layers suggest`"
            )


def _hints(layers: Sequence[Layer], on_top: Sequence[tuple[LayerSpec, Sequence[Package]]]) -> Iterable[str]:
    for spec, _ in on_top:
        step = "to always include it, add it to default-groups or to a layer"
        yield f"group {spec.name!r} is included only in this run; {step}"
    for layer in layers:
        if not layer.members:
            yield f"layer {layer.name!r} is empty: its packages are in another layer, or not needed on this platform"


def _closure_of(packages: Sequence[Package]) -> Closure:
    return Closure("", {package.name: package.version for package in packages})


def check_versions(closures: Mapping[str, Sequence[Closure]]) -> None:
    """Raise TwoVersionsError if two closures, by layer, need different versions of a package."""
    seen: dict[str, tuple[str, str]] = {}
    for layer, needs in closures.items():
        for closure in needs:
            where = f"{layer} ({closure.reason})" if closure.reason else layer
            for name, version in closure.versions.items():
                first = seen.setdefault(name, (where, str(version)))
                if first[1] != str(version):
                    raise errors.TwoVersionsError(name, first, (where, str(version)))
