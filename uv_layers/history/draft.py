"""A layer while its packages are chosen, and its cost. Pure: no process, no file, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from operator import mul, truediv
from sys import float_info
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(slots=True)
class Draft:
    """A layer in progress: bytes, the product of its members' v, expected bytes, and the members."""

    size: float
    escape: list[float]
    cost: float
    members: set[int]


def cost_of(size: float, escape: Sequence[float]) -> float:
    """Return the expected bytes of a part with this size and these probabilities."""
    return size * (1 - sum(escape) / len(escape))


def joined(layer: Draft, size: float, escape: Sequence[float]) -> float:
    """Return the cost of a layer with one more part in it."""
    product: float = sum(map(mul, layer.escape, escape))
    return (layer.size + size) * (1 - product / len(escape))


def growth(one: Draft, other: Draft) -> float:
    """Return what merging two layers costs."""
    return joined(one, other.size, other.escape) - one.cost - other.cost


def add(layer: Draft, package: int, sizes: Sequence[float], escapes: Sequence[Sequence[float]]) -> None:
    """Put a package into a layer."""
    layer.size += sizes[package]
    layer.escape = list(map(mul, layer.escape, escapes[package]))
    layer.cost = cost_of(layer.size, layer.escape)
    layer.members.add(package)


def take(layer: Draft, package: int, sizes: Sequence[float], escapes: Sequence[Sequence[float]]) -> None:
    """Take a package out of a layer."""
    layer.members.discard(package)
    # Divide, unless a product has underflowed: it has lost digits, and zero would stay zero.
    if min(layer.escape) < float_info.min:
        whole = draft(layer.members, sizes, escapes)
        layer.size, layer.escape, layer.cost = whole.size, whole.escape, whole.cost
    else:
        layer.size -= sizes[package]
        layer.escape = list(map(truediv, layer.escape, escapes[package]))
        layer.cost = cost_of(layer.size, layer.escape)


def draft(members: Iterable[int], sizes: Sequence[float], escapes: Sequence[Sequence[float]]) -> Draft:
    """Return a layer of some packages."""
    layer = Draft(0.0, [1.0] * len(escapes[0]), 0.0, set())
    for package in sorted(members):
        add(layer, package, sizes, escapes)
    return layer


def together(one: Draft, other: Draft) -> Draft:
    """Return the layer that two layers become."""
    size, escape = one.size + other.size, list(map(mul, one.escape, other.escape))
    return Draft(size, escape, cost_of(size, escape), one.members | other.members)
