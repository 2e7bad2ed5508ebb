"""What the history of a lock says about the next update. Pure: no process, no file, no clock.

The next update of the image resembles one of the N that were seen, each as likely as the others. If it is
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
from itertools import pairwise
from math import exp, sqrt
from operator import mul
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


# The probability that a package stays the same in an update like one that changed it. At 1 the model ignores the
# history, at 0 it repeats it. The replay hardly differs between 0.2 and 0.8.
STAYS = 0.5

# The changes that a package is assumed to have had before the history began. Without it, merging a package that never
# changed with any other would cost nothing; two of five packages have not changed by the middle of the shared
# histories. Half a change is the usual choice.
PRIOR = 0.5


@dataclass(frozen=True, slots=True)
class Update:
    """The packages of the image that one update changed, added or removed, and the ones that it added."""

    changed: frozenset[str]
    added: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Model:
    """What the history says about each package of the image; see `learned`.

    `sizes` are bytes by name, in the order of the names; `escapes` has a package's v, one number for each update seen;
    `newcomers` is the same v for future packages, which count as one package.
    """

    sizes: Mapping[str, int]
    escapes: Mapping[str, Sequence[float]]
    newcomers: Sequence[float]

    @property
    def total(self) -> int:
        """Bytes of the image."""
        return sum(self.sizes.values())


def updates_of(states: Iterable[Mapping[str, object]], image: Collection[str]) -> list[Update]:
    """Return the changes of the image's packages from each state of a lock to the next, even if there are none."""
    return [
        Update(
            frozenset(name for name in image if old.get(name) != new.get(name)),
            frozenset(name for name in image if name in new and name not in old),
        )
        for old, new in pairwise(states)
    ]


def learned(sizes: Mapping[str, int], updates: Iterable[Update]) -> Model:
    """Return the model of an image from its packages' download bytes and its updates, oldest first.

    Removed packages count for m_u. Updates without changes are ignored. Without any update, all packages are equally
    likely to change.
    """
    seen = [update for update in updates if update.changed]
    counted = dict(sorted(sizes.items()))
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
    """Return the probability that an update which changes the image changes a layer."""
    some = chance(model, model.sizes)
    return chance(model, sorted(layer)) / some if some else 0.0


def expected_bytes(model: Model, layers: Iterable[Iterable[str]]) -> float:
    """Return the bytes that a client is expected to pull after an update which changes the image.

    It is all bytes for a single layer, and least with one layer per package.
    """
    fixed = [sorted(layer) for layer in layers]
    each = sum(sum(model.sizes[name] for name in layer) * chance(model, layer) for layer in fixed)
    return each / chance(model, model.sizes) if each else 0.0


def floor_bytes(model: Model) -> float:
    """Return the expected bytes of an update if every package were a layer of its own."""
    return expected_bytes(model, ([name] for name in model.sizes))


def chance(model: Model, names: Iterable[str]) -> float:
    """Return the probability that an update, even of removed packages only, changes one of these packages."""
    escape = [1.0] * len(model.newcomers)
    for name in names:
        escape = list(map(mul, escape, model.escapes[name]))
    return 1 - fmean(escape)
