"""From the sizes of packages and the history of their changes to layers. Pure: no process, no file, no clock.

The model. The next update of the image resembles one of the N that were seen, each as likely as the others. If it is
like update u, in which m_u packages changed, then

* each package that changed in u stays as it is with the probability `STAYS`, and
* other packages change too: about √m_u draws from all packages of the image, package i drawn with its share q_i.

So a package i escapes an update like u with the probability

    v_i(u) = STAYS^[i changed in u] · exp(-√m_u · q_i)

and a layer, of which every member has to, with the product of its members' v. With b_i the bytes of package i:

    P(layer)       = 1 - 1/N · Σ_u Π_{i in layer} v_i(u)                  the layer changes in an update
    cost(layering) = Σ_layers (Σ_{i in layer} b_i) · P(layer) / P(image)  expected bytes of an update of the image

The shares are what the history has, shrunk: a package has 1/m_u for each update u that changed it, to which `PRIOR`
times the mean of 1/m over the updates is added; then they are divided by their sum. Packages that are yet to come are
one package of `NEWCOMERS` of the image's bytes, which is where the top layer is. It has changed when a package
came that no update before had, and in `PRIOR` of one update more: v(u) = (1 - PRIOR/(N+1)) · STAYS^[one came in u].
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import combinations, pairwise
from math import exp, sqrt
from operator import mul, truediv
from statistics import fmean, median_low
from sys import float_info
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


# The probability that a package does not change when an update comes that is like one in which it did. At 1 the history
# would not be believed at all, at 0 to the letter. From 0.2 to 0.8 the replay hardly differs.
STAYS = 0.5


# The changes that a package is believed to have had before the history began. Without it, packages that never changed
# would be free to merge with everything, and of the shared histories' packages two in five had not changed by the half
# of them. Half of one is the usual choice.
PRIOR = 0.5


# The bytes of packages yet to come, as a part of the image's. Claimed by no layer, they join the top one and are pulled
# whenever it changes: reason enough not to have on top what changes daily.
NEWCOMERS = 0.05


# The updates in which moving packages between layers that are there has to earn what the move itself makes clients
# pull. In the replay 5, 10 and 20 come to the same over 20 updates; more than that loses to leaving things as they are.
PAYBACK = 10


# A move has to save more than this part of the image: sums of the same numbers in another order differ by less.
LEAST_GAIN = 1e-9


# The layers of which every two are compared, which takes time and memory with their square. No project of the replay
# has as many packages.
GATHERED = 500


# The members that a pattern is worth writing for, and how much oftener than one of them all of them may have moved.
FAMILY, TOGETHER = 3, 2


@dataclass(frozen=True, slots=True)
class Update:
    """The packages of the image that changed their version, came or went in one update; `added` are those that came."""

    changed: frozenset[str]
    added: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Model:
    """What the history says about each package of the image: see `learned`.

    `sizes` are bytes by name, in the order of the names; `escapes` has a package's v, one number for each update seen;
    `newcomers` is the same v for the packages that are yet to come, which are one package here.
    """

    sizes: Mapping[str, int]
    escapes: Mapping[str, Sequence[float]]
    newcomers: Sequence[float]

    @property
    def total(self) -> int:
        """Bytes of the image."""
        return sum(self.sizes.values())


@dataclass(slots=True)
class _Layer:
    """A layer while it is put together: bytes, the product of its members' v, expected bytes, and the members."""

    size: float
    escape: list[float]
    cost: float
    members: set[int]


def updates(states: Iterable[Mapping[str, object]], image: Collection[str]) -> list[Update]:
    """Return what changed from each state of a lock to the next, in the packages of the image alone.

    A state has what tells versions apart by name. Updates that change nothing of the image are among them.
    """
    return [
        Update(
            frozenset(name for name in image if old.get(name) != new.get(name)),
            frozenset(name for name in image if name in new and name not in old),
        )
        for old, new in pairwise(states)
    ]


def learned(sizes: Mapping[str, int | None], updates: Iterable[Update]) -> Model:
    """Return the model of an image from its packages' download bytes and its updates, oldest first.

    A size that is not known is taken for the median of the others. Updates may name packages that are gone, which
    count for m_u. Those that change nothing are left out. With none left, every package is as likely to change.
    """
    seen = [update for update in updates if update.changed]
    known = [size for size in sizes.values() if size is not None]
    default = median_low(known) if known else 1
    counted = {name: default if size is None else size for name, size in sorted(sizes.items())}
    history = seen or [Update(frozenset())]
    numbers = [len(update.changed) or 1 for update in history]
    roots = [sqrt(number) for number in numbers]
    prior = PRIOR * fmean(1 / number for number in numbers)

    def attention(hits: Sequence[bool]) -> float:
        return prior + sum(1 / number for number, hit in zip(numbers, hits, strict=True) if hit)

    hits = {name: [name in update.changed for update in history] for name in counted}
    whole = sum(map(attention, hits.values())) or 1.0

    def escape(hits: Sequence[bool]) -> list[float]:
        share = attention(hits) / whole
        return [(STAYS if hit else 1.0) * exp(-root * share) for root, hit in zip(roots, hits, strict=True)]

    arrivals = []
    known_before: set[str] = set()
    for update in history:
        arrivals.append(bool(update.added - known_before))
        known_before |= update.changed
    no_arrival = 1 - PRIOR / (len(history) + 1)
    newcomers = [no_arrival * (STAYS if arrived else 1.0) for arrived in arrivals]
    return Model(counted, {name: escape(found) for name, found in hits.items()}, newcomers)


def probability(model: Model, layer: Iterable[str]) -> float:
    """Return the probability that an update which changes something in the image changes something in a layer."""
    some = _changes(model, model.sizes)
    return _changes(model, sorted(layer)) / some if some else 0.0


def expected_bytes(model: Model, layers: Iterable[Iterable[str]]) -> float:
    """Return the bytes that a client is expected to pull after an update that changes something in the image.

    One layer of everything gives all bytes of the image; one layer for each package the least that there is.
    """
    fixed = [sorted(layer) for layer in layers]
    each = sum(sum(model.sizes[name] for name in layer) * _changes(model, layer) for layer in fixed)
    return each / _changes(model, model.sizes) if each else 0.0


def floor_bytes(model: Model) -> float:
    """Return the expected bytes of an update if every package were a layer of its own."""
    return expected_bytes(model, ([name] for name in model.sizes))


def proposed(model: Model, budget: int) -> list[tuple[str, ...]]:
    """Return at most `budget` layers of few expected bytes: disjoint, together the image, the names in each sorted.

    Layers that change more often come later. The last is the one in which packages yet to come cost least, as they
    will be put there: one that is light and changes now and then, rather than at every update. The same model gives the
    same layers.

    Each package starts as a layer; the two whose merging costs least are merged until `budget` are left; then single
    packages are moved as long as that saves something, without and then with the packages yet to come. Of more than
    `GATHERED` packages, at first only those are merged whose histories are next to each other.
    """
    if budget < 1:
        raise ValueError(f"layers must be one or more, not {budget}")
    names = list(model.sizes)
    if not names:
        return []
    sizes: list[float] = list(model.sizes.values())
    escapes = [model.escapes[name] for name in names]
    layers = _gathered([_layer([package], sizes, escapes) for package in range(len(sizes))], max(GATHERED, budget))
    layers = _merged(layers, budget)
    least = LEAST_GAIN * model.total
    _improve(layers, sizes, escapes, least)
    newcomers = len(sizes)
    sizes.append(NEWCOMERS * model.total)
    escapes.append(model.newcomers)
    dearer = [_joined(layer, sizes[newcomers], escapes[newcomers]) - layer.cost for layer in layers]
    _add(layers[dearer.index(min(dearer))], newcomers, sizes, escapes)
    _improve(layers, sizes, escapes, least, newcomers)
    found = [
        (newcomers in layer.members, tuple(names[i] for i in sorted(layer.members - {newcomers}))) for layer in layers
    ]
    return [layer for _, layer in sorted(found, key=lambda f: (f[0], probability(model, f[1]), f[1]))]


def kept(model: Model, layers: Sequence[Iterable[str]], budget: int) -> list[tuple[int | None, tuple[str, ...]]]:
    """Return the layers that are there, changed where that pays, and at most as many more as `budget` has room for.

    Each comes with its place in `layers`, None for a new one. They stay in their order, and new ones come below the top
    one. Changing the members of a layer makes every client pull it once more; it pays where it saves more than that
    within `PAYBACK` updates of the image. Before anything else, layers in excess of `budget` are merged into others,
    those whose merging costs least. Of more than `GATHERED` packages, those of a layer that have neighbouring histories
    are moved together.
    """
    if budget < 1:
        raise ValueError(f"layers must be one or more, not {budget}")
    names = list(model.sizes)
    number = {name: i for i, name in enumerate(names)}
    sizes = [*model.sizes.values(), NEWCOMERS * model.total]
    escapes = [*(model.escapes[name] for name in names), model.newcomers]
    least = LEAST_GAIN * model.total
    # Packages yet to come are in the top layer and stay there.
    members = [{number[name] for name in layer} for layer in layers]
    members[-1].add(len(names))
    state = [_layer(layer, sizes, escapes) for layer in members]
    places: list[int | None] = list(range(len(state)))
    while len(state) > budget:
        _, i, j = min((_growth(state[i], state[j]), i, j) for i, j in combinations(range(len(state)), 2))
        state[j] = _layer(state[i].members | state[j].members, sizes, escapes)
        del state[i], places[i]
    as_they_were = [layer.members in members for layer in state]
    parts = _parts(state, len(names), sizes, escapes)
    newcomers = len(parts)
    sizes, escapes = [*(part.size for part in parts), sizes[-1]], [*(part.escape for part in parts), escapes[-1]]
    state = [
        _layer({i for i, part in enumerate(parts) if part.members <= layer.members}, sizes, escapes) for layer in state
    ]
    _add(state[-1], newcomers, sizes, escapes)
    before = [layer.members.copy() for layer, same in zip(state, as_they_were, strict=True) if same]
    worth = PAYBACK / (_changes(model, names) or 1.0)

    def price(layer: _Layer) -> float:
        """Return what clients pull once for the first change of a layer, in bytes."""
        return layer.size - sizes[-1] * (newcomers in layer.members) if layer.members in before else 0.0

    tried: dict[tuple[frozenset[int], frozenset[int]], tuple[float, list[_Layer]]] = {}
    while True:
        if len(state) < budget and all(layer.members for layer in state):
            state.insert(len(state) - 1, _layer((), sizes, escapes))
            places.insert(len(places) - 1, None)
        found = []
        known, tried = tried, {}
        now = [frozenset(layer.members) for layer in state]
        for i, j in combinations(range(len(state)), 2):
            pair = now[i], now[j]
            if pair in known:
                tried[pair] = known[pair]
            else:
                trial = [_layer(layer, sizes, escapes) for layer in pair]
                _improve(trial, sizes, escapes, least, newcomers, fixed=True)
                saved = state[i].cost + state[j].cost - trial[0].cost - trial[1].cost
                tried[pair] = saved * worth - price(state[i]) - price(state[j]), trial
            found.append((tried[pair][0], -i, -j))
        gain, i, j = max(found, default=(0.0, 0, 0))
        if gain <= worth * least:
            break
        state[-i], state[-j] = tried[now[-i], now[-j]][1]
    whole = [{i for part in layer.members - {newcomers} for i in parts[part].members} for layer in state]
    named = [tuple(names[i] for i in sorted(layer)) for layer in whole]
    return [(place, layer) for place, layer in zip(places, named, strict=True) if layer]


def _parts(
    layers: Sequence[_Layer], newcomers: int, sizes: Sequence[float], escapes: Sequence[Sequence[float]]
) -> list[_Layer]:
    """Return what is moved between layers, in the order of the first of each: packages, or, of many, some at once."""
    found = []
    for layer in layers:
        single = [_layer([package], sizes, escapes) for package in layer.members - {newcomers}]
        found += _gathered(single, max(len(single) * GATHERED // newcomers, 1) if newcomers > GATHERED else len(single))
    return sorted(found, key=lambda part: min(part.members))


def patterns(layer: Collection[str], others: Collection[str], seen: Sequence[Update]) -> list[str]:
    """Return what stands for the packages of a layer in its `packages`, sorted: families by a pattern, others by name.

    A family are `FAMILY` packages or more that share the words that their names start with, none of which is among
    `others`, the packages of other layers; and which moved together: updates that changed one of them are at most
    `TOGETHER` times those that changed a member on average.
    """
    families: dict[tuple[str, ...], set[str]] = {}
    for name in layer:
        for start in _starts(name):
            families.setdefault(start, set()).add(name)
    taken = {start for name in others for start in _starts(name)}
    left = set(layer)
    written = []
    for start in sorted(families.keys() - taken):
        family = families[start] & left
        if len(family) < FAMILY:
            continue
        changes = [len(family & update.changed) for update in seen]
        if sum(map(bool, changes)) * len(family) <= TOGETHER * sum(changes):
            written.append(f"{'-'.join(start)}-*")
            left -= family
    return sorted([*written, *left])


def _starts(name: str) -> list[tuple[str, ...]]:
    """Return the words that a name starts with: one, two and so on, but not all."""
    words = name.split("-")
    return [tuple(words[:n]) for n in range(1, len(words))]


def _changes(model: Model, names: Iterable[str]) -> float:
    """Return the probability that one of some packages changes in an update, be it one of packages that are gone."""
    escape = [1.0] * len(model.newcomers)
    for name in names:
        escape = list(map(mul, escape, model.escapes[name]))
    return 1 - fmean(escape)


def _cost(size: float, escape: Sequence[float]) -> float:
    return size * (1 - sum(escape) / len(escape))


def _joined(layer: _Layer, size: float, escape: Sequence[float]) -> float:
    """Return the cost of a layer with something more in it."""
    together: float = sum(map(mul, layer.escape, escape))
    return (layer.size + size) * (1 - together / len(escape))


def _growth(one: _Layer, other: _Layer) -> float:
    """Return what merging two layers costs."""
    return _joined(one, other.size, other.escape) - one.cost - other.cost


def _add(layer: _Layer, package: int, sizes: Sequence[float], escapes: Sequence[Sequence[float]]) -> None:
    layer.size += sizes[package]
    layer.escape = list(map(mul, layer.escape, escapes[package]))
    layer.cost = _cost(layer.size, layer.escape)
    layer.members.add(package)


def _take(layer: _Layer, package: int, sizes: Sequence[float], escapes: Sequence[Sequence[float]]) -> None:
    layer.members.discard(package)
    # By division, but where a product has underflowed: it has lost digits, and zero would stay zero.
    if min(layer.escape) < float_info.min:
        whole = _layer(layer.members, sizes, escapes)
        layer.size, layer.escape, layer.cost = whole.size, whole.escape, whole.cost
    else:
        layer.size -= sizes[package]
        layer.escape = list(map(truediv, layer.escape, escapes[package]))
        layer.cost = _cost(layer.size, layer.escape)


def _layer(members: Iterable[int], sizes: Sequence[float], escapes: Sequence[Sequence[float]]) -> _Layer:
    layer = _Layer(0.0, [1.0] * len(escapes[0]), 0.0, set())
    for package in sorted(members):
        _add(layer, package, sizes, escapes)
    return layer


def _together(one: _Layer, other: _Layer) -> _Layer:
    size, escape = one.size + other.size, list(map(mul, one.escape, other.escape))
    return _Layer(size, escape, _cost(size, escape), one.members | other.members)


def _gathered(single: Sequence[_Layer], most: int) -> list[_Layer]:
    """Return at most `most` layers: neighbours in the order of their histories and sizes are merged, those whose
    merging costs least first.
    """
    if len(single) <= most:
        return list(single)
    layers = dict(enumerate(sorted(single, key=lambda layer: (layer.escape, layer.size, min(layer.members)))))
    after = dict(pairwise(layers))
    before = {j: i for i, j in after.items()}
    pairs = [(_growth(layers[i], layers[j]), i, j) for i, j in after.items()]
    heapify(pairs)
    number = len(layers)
    while len(layers) > most:
        _, i, j = heappop(pairs)
        if i in layers and j in layers:
            layers[number] = _together(layers.pop(i), layers.pop(j))
            for left, right in ((before.get(i), number), (number, after.get(j))):
                if left is not None and right is not None:
                    after[left], before[right] = right, left
                    heappush(pairs, (_growth(layers[left], layers[right]), left, right))
            number += 1
    return list(layers.values())


def _merged(parts: Sequence[_Layer], budget: int) -> list[_Layer]:
    """Return `budget` layers, or fewer parts: the two whose merging costs least are merged, until they are so few.

    The heap keeps pairs of which one is merged already; skipping those is cheaper than finding them.
    """
    layers = dict(enumerate(parts))
    pairs = [(_growth(layers[i], layers[j]), i, j) for j in layers for i in range(j)]
    heapify(pairs)
    number = len(layers)
    while len(layers) > budget:
        _, i, j = heappop(pairs)
        if i in layers and j in layers:
            merged = _together(layers.pop(i), layers.pop(j))
            for known, layer in layers.items():
                heappush(pairs, (_growth(layer, merged), known, number))
            layers[number] = merged
            number += 1
    return list(layers.values())


def _improve(
    layers: list[_Layer],
    sizes: Sequence[float],
    escapes: Sequence[Sequence[float]],
    least: float,
    newcomers: int | None = None,
    *,
    fixed: bool = False,
) -> None:
    """Move single packages to where they save most, if more than `least` bytes, until none does.

    No layer is left without a package; `newcomers` moves as one, unless it is `fixed`, but is none of the image.
    """
    where = {p: layer for layer in layers for p in layer.members if p != newcomers or not fixed}
    moved = True
    while moved:
        moved = False
        for package in sorted(where):
            home = where[package]
            if home.members <= {package, newcomers} and package != newcomers:
                continue
            size, escape = sizes[package], escapes[package]
            left = _cost(home.size - size, list(map(truediv, home.escape, escape)))
            gains = [
                (home.cost - left) - (_joined(layer, size, escape) - layer.cost) if layer is not home else 0.0
                for layer in layers
            ]
            gain = max(gains)
            if gain > least:
                _take(home, package, sizes, escapes)
                where[package] = layers[gains.index(gain)]
                _add(where[package], package, sizes, escapes)
                moved = True
