"""Layers of few expected bytes, from a model of the image's updates. Pure: no process, no file, no clock."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import combinations, pairwise
from operator import truediv
from typing import TYPE_CHECKING

from uv_layers.history.draft import Draft, add, cost_of, draft, growth, joined, take, together
from uv_layers.history.model import chance, probability

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from uv_layers.history.model import Model, Update

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
    layers = _gathered([draft([package], sizes, escapes) for package in range(len(sizes))], max(GATHERED, budget))
    layers = _merged(layers, budget)
    least = LEAST_GAIN * model.total
    _improve(layers, sizes, escapes, least)
    newcomers = len(sizes)
    sizes.append(NEWCOMERS * model.total)
    escapes.append(model.newcomers)
    dearer = [joined(layer, sizes[newcomers], escapes[newcomers]) - layer.cost for layer in layers]
    add(layers[dearer.index(min(dearer))], newcomers, sizes, escapes)
    _improve(layers, sizes, escapes, least, newcomers)
    found = [
        (newcomers in layer.members, tuple(names[i] for i in sorted(layer.members - {newcomers}))) for layer in layers
    ]
    return [layer for _, layer in sorted(found, key=lambda f: (f[0], probability(model, f[1]), f[1]))]


def kept(
    model: Model, layers: Sequence[Iterable[str]], budget: int, *, moves: bool = True
) -> list[tuple[int | None, tuple[str, ...]]]:
    """Return the layers that are there, changed where that pays, and at most as many more as `budget` has room for.

    Each comes with its place in `layers`, None for a new one. They stay in their order, and new ones come below the top
    one. Changing the members of a layer makes every client pull it once more; it pays where it saves more than that
    within `PAYBACK` updates of the image. Before anything else, layers in excess of `budget` are merged into others,
    those whose merging costs least. Of more than `GATHERED` packages, those of a layer that have neighbouring histories
    are moved together. Without `moves`, layers are only merged.
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
    state = [draft(layer, sizes, escapes) for layer in members]
    places: list[int | None] = list(range(len(state)))
    while len(state) > budget:
        _, i, j = min((growth(state[i], state[j]), i, j) for i, j in combinations(range(len(state)), 2))
        state[j] = draft(state[i].members | state[j].members, sizes, escapes)
        del state[i], places[i]
    if not moves:
        return _named(places, [layer.members - {len(names)} for layer in state], names)
    as_they_were = [layer.members in members for layer in state]
    parts = _parts(state, len(names), sizes, escapes)
    newcomers = len(parts)
    sizes, escapes = [*(part.size for part in parts), sizes[-1]], [*(part.escape for part in parts), escapes[-1]]
    state = [
        draft({i for i, part in enumerate(parts) if part.members <= layer.members}, sizes, escapes) for layer in state
    ]
    add(state[-1], newcomers, sizes, escapes)
    before = [layer.members.copy() for layer, same in zip(state, as_they_were, strict=True) if same]
    worth = PAYBACK / (chance(model, names) or 1.0)

    def price(layer: Draft) -> float:
        """Return what clients pull once for the first change of a layer, in bytes."""
        return layer.size - sizes[-1] * (newcomers in layer.members) if layer.members in before else 0.0

    tried: dict[tuple[frozenset[int], frozenset[int]], tuple[float, list[Draft]]] = {}
    while True:
        if len(state) < budget and all(layer.members for layer in state):
            state.insert(len(state) - 1, draft((), sizes, escapes))
            places.insert(len(places) - 1, None)
        found = []
        known, tried = tried, {}
        now = [frozenset(layer.members) for layer in state]
        for i, j in combinations(range(len(state)), 2):
            pair = now[i], now[j]
            if pair in known:
                tried[pair] = known[pair]
            else:
                trial = [draft(layer, sizes, escapes) for layer in pair]
                _improve(trial, sizes, escapes, least, newcomers, fixed=True)
                saved = state[i].cost + state[j].cost - trial[0].cost - trial[1].cost
                tried[pair] = saved * worth - price(state[i]) - price(state[j]), trial
            found.append((tried[pair][0], -i, -j))
        gain, i, j = max(found, default=(0.0, 0, 0))
        if gain <= worth * least:
            break
        state[-i], state[-j] = tried[now[-i], now[-j]][1]
    whole = [{i for part in layer.members - {newcomers} for i in parts[part].members} for layer in state]
    return _named(places, whole, names)


def _named(
    places: Sequence[int | None], layers: Sequence[Collection[int]], names: Sequence[str]
) -> list[tuple[int | None, tuple[str, ...]]]:
    named = [tuple(names[i] for i in sorted(layer)) for layer in layers]
    return [(place, layer) for place, layer in zip(places, named, strict=True) if layer]


def _parts(
    layers: Sequence[Draft], newcomers: int, sizes: Sequence[float], escapes: Sequence[Sequence[float]]
) -> list[Draft]:
    """Return what is moved between layers, in the order of the first of each: packages, or, of many, some at once."""
    found = []
    for layer in layers:
        single = [draft([package], sizes, escapes) for package in layer.members - {newcomers}]
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


def _gathered(single: Sequence[Draft], most: int) -> list[Draft]:
    """Return at most `most` layers: neighbours in the order of their histories and sizes are merged, those whose
    merging costs least first.
    """
    if len(single) <= most:
        return list(single)
    layers = dict(enumerate(sorted(single, key=lambda layer: (layer.escape, layer.size, min(layer.members)))))
    after = dict(pairwise(layers))
    before = {j: i for i, j in after.items()}
    pairs = [(growth(layers[i], layers[j]), i, j) for i, j in after.items()]
    heapify(pairs)
    number = len(layers)
    while len(layers) > most:
        _, i, j = heappop(pairs)
        if i in layers and j in layers:
            layers[number] = together(layers.pop(i), layers.pop(j))
            for left, right in ((before.get(i), number), (number, after.get(j))):
                if left is not None and right is not None:
                    after[left], before[right] = right, left
                    heappush(pairs, (growth(layers[left], layers[right]), left, right))
            number += 1
    return list(layers.values())


def _merged(parts: Sequence[Draft], budget: int) -> list[Draft]:
    """Return `budget` layers, or fewer parts: the two whose merging costs least are merged, until they are so few.

    The heap keeps pairs of which one is merged already; skipping those is cheaper than finding them.
    """
    layers = dict(enumerate(parts))
    pairs = [(growth(layers[i], layers[j]), i, j) for j in layers for i in range(j)]
    heapify(pairs)
    number = len(layers)
    while len(layers) > budget:
        _, i, j = heappop(pairs)
        if i in layers and j in layers:
            merged = together(layers.pop(i), layers.pop(j))
            for known, layer in layers.items():
                heappush(pairs, (growth(layer, merged), known, number))
            layers[number] = merged
            number += 1
    return list(layers.values())


def _improve(
    layers: list[Draft],
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
            left = cost_of(home.size - size, list(map(truediv, home.escape, escape)))
            gains = [
                (home.cost - left) - (joined(layer, size, escape) - layer.cost) if layer is not home else 0.0
                for layer in layers
            ]
            gain = max(gains)
            if gain > least:
                take(home, package, sizes, escapes)
                where[package] = layers[gains.index(gain)]
                add(where[package], package, sizes, escapes)
                moved = True
