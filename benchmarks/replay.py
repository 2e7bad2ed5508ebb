"""Replays histories of locks: layers are chosen on the earlier half of the revisions and scored on the later half.

    python benchmarks/replay.py FILE… --budget 10 [--json] [--layers OUT]

A FILE is a gzipped JSON of one project: every revision of its lock as the difference to the one before, with the
download size of each package and the names that the image installs. The score of an update is the bytes of every
layer in which a package of the image changed, came or went, over the bytes of all packages of the image, both at the
revision that the update leads to. A package that is new since the choice is in the last layer, the top one, as is one
that no layer of a configuration claims. A project's score is the mean over its updates.

`--greedy` chooses with the known starting point instead; `--as-suggest` learns from what `uv-layers suggest` sees: the
locks alone, and in them the packages that the image has at the time of the choice; `--split` puts the choice elsewhere
than at the half; `--every N` is a client that pulls at every Nth revision only.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import time
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uv_layers.history.model import Update, expected_bytes, learned, updates_of
from uv_layers.history.optimise import proposed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Layers = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Revision:
    """The packages of the image at one revision of the lock: versions and download bytes by name.

    `locked` has the versions of all that the lock has, for any group and any platform.
    """

    versions: Mapping[str, str]
    sizes: Mapping[str, int | None]
    locked: Mapping[str, str]

    @property
    def total(self) -> int:
        return sum(size or 0 for size in self.sizes.values())


def read(path: Path) -> tuple[str, list[Revision]]:
    """Return a history's repository and revisions, oldest first."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        history = json.load(file)
    return history["repo"], list(revisions(history["revisions"], history["size_est"]))


def revisions(differences: Iterable[Mapping[str, Any]], estimates: Mapping[str, int]) -> Iterator[Revision]:
    """Yield the revisions that a history stores as differences; a size that no index has is taken from `estimates`."""
    lock: dict[str, tuple[str, int | None]] = {}
    image: set[str] = set()
    for difference in differences:
        if "full" in difference:
            lock, image = {}, set(difference["inst"])
        for name in difference.get("rm", ()):
            lock.pop(name, None)
        changes = difference["full"] if "full" in difference else difference["chg"]
        for name, (version, size, *_) in changes.items():
            lock[name] = (version, estimates.get(f"{name}=={version}") if size is None else size)
        image = (image | set(difference.get("inst_add", ()))) - set(difference.get("inst_rm", ()))
        locked = {name: version for name, (version, _) in lock.items()}
        yield Revision({name: locked[name] for name in image}, {name: lock[name][1] for name in image}, locked)


def update(old: Revision, new: Revision) -> Update:
    """Return what changed in the image between two revisions."""
    names = old.versions.keys() | new.versions.keys()
    changed = frozenset(name for name in names if old.versions.get(name) != new.versions.get(name))
    return Update(changed, frozenset(new.versions.keys() - old.versions.keys()))


def updates(history: Sequence[Revision]) -> list[Update]:
    """Return the updates between the revisions of a history, those that change nothing too."""
    return [update(old, new) for old, new in pairwise(history)]


def greedy(sizes: Mapping[str, int | None], seen: Sequence[Update], budget: int) -> list[tuple[str, ...]]:
    """Return the layers of the starting point: those are merged whose bytes times P(any member changes) grow least.

    Packages change independently of each other, each at the rate that it did plus 1 in 100.
    """
    events = [u.changed for u in seen if u.changed]
    stays = {n: 1 - min(0.999, sum(n in e for e in events) / max(1, len(events)) + 0.01) for n in sizes}
    layers: list[tuple[tuple[str, ...], int, float]] = [
        ((name,), sizes[name] or 0, stays[name]) for name in sorted(sizes)
    ]

    def cost(size: int, stay: float) -> float:
        return size * (1 - stay)

    def growth(one: tuple[Any, int, float], other: tuple[Any, int, float]) -> float:
        return cost(one[1] + other[1], one[2] * other[2]) - cost(*one[1:]) - cost(*other[1:])

    alive = dict(enumerate(layers))
    pairs = [(growth(alive[i], alive[j]), i, j) for j in alive for i in range(j)]
    heapify(pairs)
    number = len(alive)
    while len(alive) > budget:
        _, i, j = heappop(pairs)
        if i in alive and j in alive:
            one, other = alive.pop(i), alive.pop(j)
            merged = (one[0] + other[0], one[1] + other[1], one[2] * other[2])
            for known, layer in alive.items():
                heappush(pairs, (growth(layer, merged), known, number))
            alive[number] = merged
            number += 1
    return [tuple(names) for names, _, _ in sorted(alive.values(), key=lambda layer: (-layer[2], layer[0]))]


def ratios(layers: Layers, history: Sequence[Revision]) -> list[float]:
    """Return the score of each update of a history that changes the image; its first revision is that of the choice."""
    where = {name: number for number, layer in enumerate(layers) for name in layer}
    top = max(0, len(layers) - 1)
    found = []
    for u, new in zip(updates(history), history[1:], strict=True):
        if u.changed and new.total:
            hit = {where.get(name, top) for name in u.changed}
            pulled = sum(size or 0 for name, size in new.sizes.items() if where.get(name, top) in hit)
            found.append(pulled / new.total)
    return found


def floors(history: Sequence[Revision]) -> list[float]:
    """Return for each update that changes the image the part of its bytes that changed."""
    return [
        sum(new.sizes.get(name) or 0 for name in u.changed) / new.total
        for u, new in zip(updates(history), history[1:], strict=True)
        if u.changed and new.total
    ]


def replayed(history: Sequence[Revision], options: argparse.Namespace) -> tuple[Layers, dict[str, Any]]:
    """Return the layers that are chosen for one project, and how they did."""
    half = max(1, int(len(history) * options.split))
    now, later = history[half - 1], history[half - 1 :: options.every]
    started = time.perf_counter()
    learn = history[:half]
    seen = updates_of([r.locked for r in learn], now.sizes) if options.as_suggest else updates(learn)
    # A package whose size the lock does not have counts like the median one.
    middle = statistics.median_low([size for size in now.sizes.values() if size is not None] or [1])
    model = learned({name: middle if size is None else size for name, size in now.sizes.items()}, seen)
    layers = greedy(now.sizes, seen, options.budget) if options.greedy else proposed(model, options.budget)
    seconds = time.perf_counter() - started
    scores, least = ratios(layers, later), floors(later)
    return layers, {
        "revisions": len(history),
        "packages": len(now.sizes),
        "layers": len(layers),
        "learned": sum(bool(u.changed) for u in seen),
        "updates": len(scores),
        "score": statistics.fmean(scores) if scores else None,
        "floor": statistics.fmean(least) if least else None,
        "expected": expected_bytes(model, layers) / model.total if model.total else None,
        "seconds": seconds,
    }


def main() -> None:
    """Replay the histories and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--budget", type=int, default=10, help="the number of layers (default: 10)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--layers", type=Path, metavar="OUT", help="write the chosen layers, top layer last")
    parser.add_argument("--greedy", action="store_true", help="choose with the known starting point")
    parser.add_argument("--as-suggest", action="store_true", help="learn from the locks alone, as suggest does")
    parser.add_argument("--split", type=float, default=0.5, help="the part of the revisions that is learned from")
    parser.add_argument("--every", type=int, default=1, help="a client that pulls at every Nth revision")
    options = parser.parse_args()
    if options.budget < 1 or options.every < 1 or not 0 < options.split < 1:
        parser.error("--budget and --every are 1 or more, --split is between 0 and 1")
    chosen: dict[str, Layers] = {}
    projects = []
    for path in options.files:
        repo, history = read(path)
        chosen[repo], result = replayed(history, options)
        projects.append({"repo": repo, **result})
    scores = [project["score"] for project in projects if project["score"] is not None]
    summary = {
        "budget": options.budget,
        "greedy": options.greedy,
        "mean": statistics.fmean(scores) if scores else None,
        "median": statistics.median(scores) if scores else None,
        "projects": projects,
    }
    if options.layers:
        options.layers.write_text(json.dumps(chosen, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
        return
    print(f"{'project':40} {'updates':>7} {'layers':>6} {'score':>6} {'floor':>6} {'expected':>8}")
    for project in projects:
        figures = [("score", 6), ("floor", 6), ("expected", 8)]
        columns = " ".join(f"{'-' if (x := project[k]) is None else format(x, '.3f'):>{w}}" for k, w in figures)
        print(f"{project['repo']:40} {project['updates']:7} {project['layers']:6} {columns}")
    if scores:
        print(f"mean {summary['mean']:.3f}, median {summary['median']:.3f} of {len(scores)} projects")


if __name__ == "__main__":
    main()
