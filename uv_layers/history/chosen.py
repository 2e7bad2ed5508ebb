"""Choose layers within a size limit, with packages of unknown size apart. Pure: no process, no file, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from uv_layers.history.model import expected_bytes, learned, probability
from uv_layers.history.optimise import proposed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from uv_layers.history.model import Update

# The updates that figures need to mean something, and that `--keep` needs to move packages.
ENOUGH = 5

# The largest layer by default. gzip takes about a minute for it, and registries refuse layers a few times as large.
MAX_SIZE = 1_000_000_000

# The most layers for packages of unknown sizes.
_UNKNOWN_LAYERS = 3


@dataclass(frozen=True, slots=True)
class Backtest:
    """What the later updates of a history would have pulled on average, in bytes.

    `layers` were chosen from the first `learned` updates. All figures are of the `replayed` updates after them.
    """

    learned: int
    replayed: int
    one_layer: int
    today: int
    layers: int


def layers_for(
    sizes: Mapping[str, int | None], updates: Sequence[Update], budget: int, max_size: int | None = None
) -> list[tuple[str, ...]]:
    """Return the layers of an image, bottom to top: at most `budget`, more only if one would be larger than `max_size`.

    Packages of unknown size get layers of their own, if `budget` has room for them.
    """
    fewer = budget
    least = min(budget, len({size is None for size in sizes.values()}))
    while True:
        layers = [part for layer in _apart(sizes, updates, fewer) for part in split(layer, sizes, max_size)]
        if len(layers) <= budget or fewer == least:
            return layers
        fewer = max(least, fewer - (len(layers) - budget))


def _apart(sizes: Mapping[str, int | None], updates: Sequence[Update], budget: int) -> list[tuple[str, ...]]:
    unknown = [name for name, size in sizes.items() if size is None]
    known = {name: size for name, size in sizes.items() if size is not None}
    whole = learned(with_assumed(sizes), updates)
    if not unknown or not known or budget == 1:
        return proposed(whole, budget)
    low, high = learned(dict.fromkeys(unknown, 1), updates), learned(known, updates)
    found = []
    for count in range(1, min(len(unknown), budget - 1, _UNKNOWN_LAYERS) + 1):
        layers = [*proposed(low, count), *proposed(high, budget - count)]
        found.append((expected_bytes(whole, layers), count, layers))
    *layers, top = min(found)[2]
    return [*sorted(layers, key=lambda layer: (probability(whole, layer), layer)), top]


def with_assumed(sizes: Mapping[str, int | None]) -> dict[str, int]:
    """Return sizes with the largest one for packages of unknown size, which may be as large."""
    largest = max((size for size in sizes.values() if size is not None), default=0) or 1
    return {name: largest if size is None else size for name, size in sizes.items()}


def split(layer: Sequence[str], sizes: Mapping[str, int | None], max_size: int | None) -> list[tuple[str, ...]]:
    """Return a layer as parts of about the same size, lightest last. Only a single package exceeds `max_size`."""
    total = sum(sizes[name] or 0 for name in layer)
    if max_size is None or total <= max_size:
        return [tuple(layer)]
    largest_first = sorted(layer, key=lambda name: (-(sizes[name] or 0), name))
    alone = [name for name in largest_first if (sizes[name] or 0) > max_size]
    if alone:
        rest = largest_first[len(alone) :]
        return [*((name,) for name in alone), *(split(sorted(rest), sizes, max_size) if rest else ())]
    for count in range(ceil(total / max_size), len(layer)):
        parts: list[list[str]] = [[] for _ in range(count)]
        bytes_of = [0] * count
        for name in largest_first:
            lightest = bytes_of.index(min(bytes_of))
            parts[lightest].append(name)
            bytes_of[lightest] += sizes[name] or 0
        filled = [(size, sorted(part)) for size, part in zip(bytes_of, parts, strict=True) if part]
        if all(size <= max_size for size, _ in filled):
            return [tuple(part) for _, part in sorted(filled, key=lambda f: (-f[0], f[1]))]
    return [(name,) for name in largest_first]


def pulled(layers: Iterable[Collection[str]], sizes: Mapping[str, int | None], updates: Sequence[Update]) -> int:
    """Return the bytes that updates pull on average: all bytes of each layer with a changed package."""
    weights = [(frozenset(layer), sum(sizes[name] or 0 for name in layer)) for layer in layers]
    total = sum(size for update in updates for layer, size in weights if not layer.isdisjoint(update.changed))
    return round(total / len(updates))


def backtest(
    sizes: Mapping[str, int | None],
    updates: Sequence[Update],
    today: Sequence[Collection[str]],
    budget: int,
    max_size: int | None = None,
) -> Backtest | None:
    """Return what layers chosen from the earlier half of the updates would have pulled in the later half.

    Return None if there are too few updates. Packages added in the later half are in the top layer.
    """
    seen = [update for update in updates if update.changed]
    half = len(seen) // 2
    if len(seen) < ENOUGH:
        return None
    later = seen[half:]
    added = {name for update in later for name in update.added}
    added -= {name for update in seen[:half] for name in update.changed}
    earlier = {name: size for name, size in sizes.items() if name not in added}
    if not earlier:
        return None
    *layers, top = layers_for(earlier, seen[:half], budget, max_size)
    layers.append((*top, *sorted(added)))
    measured = (pulled(each, sizes, later) for each in ([[*sizes]], today, layers))
    return Backtest(half, len(later), *measured)
