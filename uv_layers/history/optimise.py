"""Find layers with few expected bytes, with a model of the image's updates. Pure: no process, no file, no clock."""

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

# The bytes of future packages, as a part of the image. No layer claims them, so they join the top layer, and clients
# pull them whenever it changes: packages that change daily should not be on top.
NEWCOMERS = 0.05

# The updates within which a move between current layers has to save the bytes that it makes clients pull. In the
# replay, 5, 10 and 20 give the same result over 20 updates; above that, not moving is better.
PAYBACK = 10

# A move has to save more than this part of the image: rounding errors are smaller.
LEAST_GAIN = 1e-9

# The most layers that are compared pair by pair, in quadratic time and memory. No project of the replay has as many
# packages.
GATHERED = 500

# The fewest members of a pattern, and the limit on updates of any member, relative to the updates of one.
FAMILY, TOGETHER = 3, 2


def proposed(model: Model, budget: int) -> list[tuple[str, ...]]:
    """Return at most `budget` disjoint layers of the image with few expected bytes, the names in each sorted.

    Layers that change more often come later. The last is the one in which future packages cost least: a light one that
    changes now and then. The same model gives the same layers.

    Each package starts as a layer. The cheapest pairs are merged until `budget` layers are left. Then single packages
    are moved while that saves bytes, first without and then with the future packages. Of more than `GATHERED` packages,
    only neighbours in the order of histories are merged at first.
    """
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
    """Return the current layers, changed where that pays, and new layers up to `budget`.

    Each comes with its index in `layers`, None for a new one. Layers keep their order, and new ones come below the top.
    A changed layer makes every client pull it once more; it pays if it saves more than that within `PAYBACK` updates of
    the image. First, layers above `budget` are merged into others, the cheapest first. Of more than `GATHERED`
    packages, those of a layer with neighbouring histories move together. Without `moves`, layers are only merged.
    """
    names = list(model.sizes)
    number = {name: i for i, name in enumerate(names)}
    sizes = [*model.sizes.values(), NEWCOMERS * model.total]
    escapes = [*(model.escapes[name] for name in names), model.newcomers]
    least = LEAST_GAIN * model.total
    # Future packages are in the top layer and stay there.
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
        """Return the bytes that clients pull once for the first change of a layer."""
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
    """Return the parts that move between layers: single packages, or groups of them if there are many."""
    parts = []
    for layer in layers:
        single = [draft([package], sizes, escapes) for package in layer.members - {newcomers}]
        parts += _gathered(single, max(len(single) * GATHERED // newcomers, 1) if newcomers > GATHERED else len(single))
    return sorted(parts, key=lambda part: min(part.members))


def patterns(layer: Collection[str], others: Collection[str], seen: Sequence[Update]) -> list[str]:
    """Return the `packages` of a layer, sorted: a pattern per family, and the names of the other packages.

    A family has at least `FAMILY` packages whose names start with the same words, and no package of `others`, the other
    layers. It changes together: updates that changed any member are at most `TOGETHER` times those of an average one.
    """
    families: dict[tuple[str, ...], set[str]] = {}
    for name in layer:
        for start in _starts(name):
            families.setdefault(start, set()).add(name)
    taken = {start for name in others for start in _starts(name)}
    left = set(layer)
    patterns = []
    for start in sorted(families.keys() - taken):
        family = families[start] & left
        if len(family) < FAMILY:
            continue
        changes = [len(family & update.changed) for update in seen]
        if sum(map(bool, changes)) * len(family) <= TOGETHER * sum(changes):
            patterns.append(f"{'-'.join(start)}-*")
            left -= family
    return sorted([*patterns, *left])


def _starts(name: str) -> list[tuple[str, ...]]:
    """Return the first word of a name, the first two, and so on, but not all."""
    words = name.split("-")
    return [tuple(words[:n]) for n in range(1, len(words))]


def _gathered(single: Sequence[Draft], most: int) -> list[Draft]:
    """Return at most `most` layers: neighbours in the order of histories and sizes are merged, cheapest first."""
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
    """Merge the cheapest two layers until at most `budget` are left, and return them.

    The heap keeps pairs with merged layers: skipping them is cheaper than finding them.
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
    """Move single packages to the layer where they save most, while that is more than `least` bytes.

    No layer loses its last package. `newcomers` is not a package of the image; it moves like one, unless `fixed`.
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
