"""Suggest layers, from a plan and the history of its lock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from uv_layers import errors
from uv_layers.history import optimise
from uv_layers.history.chosen import ENOUGH, backtest, layers_for, with_assumed
from uv_layers.history.git import Repository
from uv_layers.history.model import expected_bytes, floor_bytes, learned, updates_of
from uv_layers.lock import uv_lock
from uv_layers.plan import assign
from uv_layers.project.config import LayerSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from uv_layers.history.chosen import Backtest
    from uv_layers.history.model import Update
    from uv_layers.lock.packages import Layer, Package
    from uv_layers.project.config import Claim


@dataclass(frozen=True, slots=True)
class SuggestedLayer:
    """A suggested layer: its configuration, its packages, largest first, their bytes, the number of packages of unknown
    size, and the updates in the history that changed a package.
    """

    spec: LayerSpec
    packages: tuple[str, ...]
    size: int
    unsized: int
    changes: int


@dataclass(frozen=True, slots=True)
class Move:
    """A package that moves from one layer to another."""

    package: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Suggested layers, bottom to top, and the history behind them: the revisions of the lock in git, the unreadable
    ones among them, and the updates that changed the image.

    A client is expected to pull these bytes per update of the image: `one_layer` with a single layer, `today` with the
    current layers, `expected` with the suggested ones, and `floor` with one layer per package. Switching to the
    suggested layers costs `once` bytes. `moves` are the packages that leave a kept layer. No figure includes the
    packages in `unknown`; the sizes of those in `estimated` are estimates.
    """

    layers: tuple[SuggestedLayer, ...]
    revisions: int
    unreadable: int
    updates: int
    one_layer: int
    today: int
    expected: int
    floor: int
    once: int
    moves: tuple[Move, ...] = ()
    hints: tuple[str, ...] = ()
    backtest: Backtest | None = None
    unknown: tuple[str, ...] = ()
    estimated: tuple[str, ...] = ()


# The name of the layer that gets the packages which no layer claims.
_REST = "rest"

# The longest name that a layer can have.
_LONGEST = 63


@dataclass(frozen=True)
class History:
    """The states of a lock, oldest first, as versions by package; the number of its `revisions` in git, and of
    `unreadable` ones; and in `lacks`, why a part of the history is missing, if it is.
    """

    states: Sequence[Mapping[str, object]] = ()
    revisions: int = 0
    unreadable: int = 0
    lacks: str = ""


def read_history(
    lock: Path,
    environ: Mapping[str, str],
    *,
    since: str | None = None,
    limit: int | None = None,
    report: Callable[[str], object] = str,
) -> History:
    """Return the history of the last `limit` revisions of a lock; `report` gets the progress."""
    try:
        repository = Repository(lock.parent, environ)
        revisions = repository.revisions(lock, since=since, limit=limit)
        shallow = repository.is_shallow()
    except errors.GitError as error:
        return History(lacks=str(error))
    states: list[Mapping[str, object]] = []
    unreadable = 0
    for number, text in enumerate(repository.contents(revisions), 1):
        report(f"reading revision {number} of {len(revisions)}")
        versions = None if text is None else uv_lock.locked_versions(text)
        if versions is None:
            unreadable += 1
        else:
            states.append(versions)
    lacks = "" if revisions else f"git has no revision of {lock.name}{since and f' since {since}'}"
    if shallow:
        lacks = f"{lacks or 'the history is incomplete'}, because this clone is shallow; run `git fetch --unshallow`"
    return History(states, len(revisions), unreadable, lacks)


def suggest_layers(
    layers: Sequence[Layer],
    specs: Sequence[LayerSpec],
    history: History,
    budget: int,
    *,
    keep: bool = False,
    claims: Collection[Claim] = (),
    max_size: int | None = None,
    estimates: Mapping[str, int] | None = None,
    reserved: Collection[str] = (),
) -> Suggestion:
    """Suggest at most `budget` layers for the image that has `layers`, bottom to top.

    `specs` is the configuration of the current layers, if there is one. With `keep`, current layers change only where
    that pays; if the history is too short, they are only merged to fit `budget`. `claims` are the groups and extras
    that options add to the image. No new layer is larger than `max_size`. `estimates` has sizes that packages lack.
    Other layers of the image have the names in `reserved`.
    """
    image = {m.package.name: m.package for layer in layers for m in layer.members}
    where = {m.package.name: layer.name for layer in layers for m in layer.members}
    before = [tuple(sorted(m.package.name for m in layer.members)) for layer in layers]
    seen = updates_of(history.states, image)
    updates = sum(bool(update.changed) for update in seen)
    sizes = {name: (estimates or {}).get(name) if p.size is None else p.size for name, p in image.items()}
    model = learned({name: size or 0 for name, size in sizes.items()}, seen)
    if keep:
        known = {spec.name: spec for spec in specs}
        assumed = learned(with_assumed(sizes), seen)
        places = optimise.kept(assumed, before, budget, moves=updates >= ENOUGH)
        chosen = [names for _, names in places]
        old = [None if place is None else known[layers[place].name] for place, _ in places]
    else:
        chosen = layers_for(sizes, seen, budget, max_size)
        old = [None] * len(chosen)
    written = _with_claims(_specs(chosen, old, specs, image, seen, before, reserved), specs, claims)
    suggested = [_suggested(spec, names, image, seen) for spec, names in zip(written, chosen, strict=True)]
    moves = [Move(name, where[name], layer.spec.name) for layer in suggested for name in layer.packages]
    unknown = tuple(sorted(name for name, size in sizes.items() if size is None))
    estimated = tuple(sorted(name for name, package in image.items() if package.size is None and name not in unknown))
    return Suggestion(
        layers=tuple(suggested),
        revisions=history.revisions,
        unreadable=history.unreadable,
        updates=updates,
        one_layer=model.total,
        today=round(expected_bytes(model, before)),
        expected=round(expected_bytes(model, chosen)),
        floor=round(floor_bytes(model)),
        once=sum(model.sizes[name] for names in chosen if names not in before for name in names),
        moves=tuple(sorted((m for m in moves if m.old != m.new), key=lambda m: m.package)) if keep else (),
        hints=(*_hints(history, updates), *_size_hints(unknown, estimated)),
        backtest=None if keep else backtest(sizes, seen, before, budget, max_size),
        unknown=unknown,
        estimated=estimated,
    )


def _size_hints(unknown: Sequence[str], estimated: Sequence[str]) -> Iterator[str]:
    if unknown:
        yield f"the figures exclude {', '.join(unknown)}: size unknown"
    if estimated:
        yield f"sizes estimated from installed files: {', '.join(estimated)}"


def _hints(history: History, updates: int) -> tuple[str, ...]:
    if updates:
        return (history.lacks,) if history.lacks else ()
    why = history.lacks or "no revision of uv.lock changed a package in the image"
    return (f"the layers are based only on sizes: {why}",)


def _specs(
    chosen: Sequence[tuple[str, ...]],
    old: Sequence[LayerSpec | None],
    specs: Sequence[LayerSpec],
    image: Mapping[str, Package],
    seen: Sequence[Update],
    before: Collection[tuple[str, ...]],
    reserved: Collection[str],
) -> list[LayerSpec]:
    """Return the configuration of each layer: the current one if its packages stay, else one that lists its packages.

    The top one of new layers lists none: it gets the rest. A layer with a package to build gets the system packages,
    arguments and variables of the current layers.
    """
    taken = {*reserved, *(spec.name for spec in old if spec)}
    rest = _free((_REST,), taken)
    taken |= set() if any(old) else {rest}
    system = tuple(dict.fromkeys(package for spec in specs for package in spec.system_packages))
    args = tuple(dict.fromkeys(name for spec in specs for name in spec.args))
    env = tuple({name: value for spec in specs for name, value in spec.env}.items())
    builder = next((spec.image for spec in specs if spec.image), None)
    result = []
    for names, spec in zip(chosen, old, strict=True):
        if spec is not None and names in before and not _claims_more(spec, set(names), image):
            result.append(spec)
            continue
        claims = tuple(optimise.patterns(names, image.keys() - set(names), seen))
        if spec is None:
            is_rest = not any(old) and names is chosen[-1]
            spec = LayerSpec(rest if is_rest else _free(_titles(names, claims, image), taken))  # noqa: PLW2901
            taken.add(spec.name)
        if any(image[name].built for name in names):
            spec = replace(spec, image=builder, system_packages=system, args=args, env=env)  # noqa: PLW2901
        result.append(replace(spec, packages=claims))
    return result if any(old) else [*result[:-1], replace(result[-1], packages=())]


def _with_claims(new: Sequence[LayerSpec], specs: Sequence[LayerSpec], claims: Collection[Claim]) -> list[LayerSpec]:
    """Return the layers; the top one also claims the groups and extras of `specs` and options that no layer claims.

    Without a claim, a group or an extra would not be in the image.
    """
    named = {claim for spec in new for claim in spec.claims}
    wanted = dict.fromkeys([*(claim for spec in specs for claim in spec.claims), *claims])
    lost = [claim for claim in wanted if claim not in named]
    groups, extras = ([claim.name for claim in lost if claim.kind == kind] for kind in ("group", "extra"))
    top = new[-1]
    return [*new[:-1], replace(top, groups=(*top.groups, *groups), extras=(*top.extras, *extras))]


def _claims_more(spec: LayerSpec, names: set[str], image: Collection[str]) -> bool:
    """Return whether a pattern of a layer also matches packages of other layers."""
    return any(not names.issuperset(assign.matching(pattern, image)) for pattern in spec.packages)


def _titles(names: Sequence[str], claims: Sequence[str], image: Mapping[str, Package]) -> list[str]:
    """Return names for a layer, the best first: those of its largest package's family and of its packages."""
    largest = _largest_first(names, image)
    families = [pattern.removesuffix("-*") for pattern in claims if assign.matching(pattern, largest[:1])]
    return [*families, *largest]


def _free(names: Sequence[str], taken: Collection[str]) -> str:
    """Return the first package name that can name a layer and is not taken."""
    numbered = (f"{names[0][: _LONGEST - 4]}-{number}" for number in count(2))
    candidates = (name[:_LONGEST].rstrip("-") for name in names)
    return next(name for name in chain(candidates, numbered) if name not in taken)


def _largest_first(names: Sequence[str], image: Mapping[str, Package]) -> list[str]:
    return sorted(names, key=lambda name: (-(image[name].size or 0), name))


def _suggested(
    spec: LayerSpec, names: Sequence[str], image: Mapping[str, Package], seen: Sequence[Update]
) -> SuggestedLayer:
    packages = [image[name] for name in _largest_first(names, image)]
    return SuggestedLayer(
        spec,
        tuple(package.name for package in packages),
        sum(package.size or 0 for package in packages),
        sum(package.size is None for package in packages),
        sum(not update.changed.isdisjoint(names) for update in seen),
    )
