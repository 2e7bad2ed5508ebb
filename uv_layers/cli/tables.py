"""Results as tables and lines for people."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING

from uv_layers.errors import printable
from uv_layers.history.chosen import ENOUGH
from uv_layers.system.names import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from uv_layers.cli.export import Exported
    from uv_layers.history.suggest import Suggestion
    from uv_layers.lock.packages import Member, Package
    from uv_layers.plan.assign import Plan
    from uv_layers.plan.diff import Change, LayerChange
    from uv_layers.tree.build import Tree
    from uv_layers.tree.verify import Problem


_GAP = " " * 3

# The default width: no line is folded.
_UNFOLDED = 10_000


def size(count: int) -> str:
    """Return a number of bytes in decimal units, e.g. `1.5 MB`."""
    if count < 1000:  # noqa: PLR2004
        return f"{count} B"
    for unit, scale in (("kB", 1e3), ("MB", 1e6)):
        if round(count / scale, 1) < 1000:  # noqa: PLR2004
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e9:.2f} GB"


def _first(words: Sequence[str], shown: int | None = 3) -> str:
    return ", ".join([*words[:shown], *["…"] * (len(words[:shown]) < len(words))])


def _download(known: int, unsized: int) -> str:
    return f"{size(known)} + {unsized} unknown" if unsized else size(known)


def _local(package: Package) -> bool:
    """Return whether a package is built from a folder of the project, so that nothing is downloaded for it."""
    return package.built_from == "folder"


def _package_size(package: Package) -> str:
    if package.size is None:
        return "local" if _local(package) else "unknown"
    return size(package.size)


def _plan_download(members: Sequence[Member]) -> str:
    packages = [m.package for m in members if not _local(m.package)]
    if members and not packages:
        return "local"
    return _download(sum(p.size or 0 for p in packages), sum(p.size is None for p in packages))


def plan_table(plan: Plan, *, verbose: bool = False, width: int | None = None) -> str:
    """Return the plan as a table with a row per layer, top last; with `verbose`, also a row per package."""
    rows = [
        (layer.name, str(len(layer.members)), _plan_download(layer.members), _first(layer.reasons))
        for layer in plan.layers
    ]
    everything = [m for layer in plan.layers for m in layer.members]
    rows.append(("total", str(len(everything)), _plan_download(everything), ""))
    text = _table(("layer", ">packages", ">download", "from"), rows, width)
    if verbose:
        members: list[Sequence[str]] = [
            (
                layer.name,
                m.package.name,
                m.package.version or "",
                _package_size(m.package),
                m.package.built_from or "",
                m.reason + (f" (also {', '.join(m.also)})" if m.also else ""),
            )
            for layer in plan.layers
            for m in layer.members
        ]
        header: Sequence[str] = ("layer", "package", "version", ">download", "built from", "from")
        if not any(row[_BUILT_FROM] for row in members):
            header, members = _without(header), list(map(_without, members))
        text += "\n" + _table(header, members, width)
    return text + f"\nfor {plan.target}, prefix {plan.prefix}\n"


def size_table(plan: Plan, *, width: int | None = None) -> str:
    """Return the packages of a plan as a table, largest download first; on a terminal (with a `width`) with bars."""
    members = [(layer.name, m.package) for layer in plan.layers for m in layer.members]
    members.sort(key=lambda member: (-(member[1].size or 0), member[1].name))
    sizes = [package.size or 0 for _, package in members]
    rows = [
        (package.name, layer, _package_size(package), "")
        if package.size is None
        else (package.name, layer, size(package.size), f"{package.size / (sum(sizes) or 1):.1%}")
        for layer, package in members
    ]
    lines = _table(("package", "layer", ">download", ">share"), rows, width).splitlines()
    longest = max(map(len, lines))
    room = min(_BAR, 0 if width is None else width - longest - len(_GAP))
    if room >= _SHORTEST_BAR:
        bars = ["", "", *("█" * round(count / (max(sizes) or 1) * room) for count in sizes)]
        lines = [f"{line.ljust(longest)}{_GAP}{bar}".rstrip() for line, bar in zip(lines, bars, strict=True)]
    return "".join(f"{line}\n" for line in lines)


# The widths of the longest and the shortest useful bar.
_BAR, _SHORTEST_BAR = 24, 8

# The column of `plan --verbose` for plans with a package to build.
_BUILT_FROM = 4


def _without(row: Sequence[str]) -> Sequence[str]:
    return (*row[:_BUILT_FROM], *row[_BUILT_FROM + 1 :])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], width: int | None) -> str:
    """Return a table. A column whose header starts with `>` is right-aligned; cells are folded to stay in `width`."""
    cells = [[name.lstrip(">") for name in header], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    gaps = len(_GAP) * (len(widths) - 1)
    while width is not None and sum(widths) + gaps > width and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    lines = []
    for row in cells:
        folded = [wrap(cell, size, break_on_hyphens=False) for cell, size in zip(row, widths, strict=True)]
        for texts in zip_longest(*folded, fillvalue=""):
            columns = zip(header, texts, widths, strict=True)
            aligned = (text.rjust(size) if name[:1] == ">" else text.ljust(size) for name, text, size in columns)
            lines.append(_GAP.join(aligned).rstrip())
        if row is cells[0]:
            lines.append("─" * (sum(widths) + gaps))
    return "".join(f"{line}\n" for line in lines)


def tree_lines(tree: Tree, *, verbose: bool = False) -> list[str]:
    """Return the result of a layer as a line, then lines with details."""
    what = f"{tree.layer}: {counted(tree.packages, 'package')}, {counted(tree.files, 'file')}, {size(tree.size)}"
    lines = [f"{what}, {'up to date' if tree.up_to_date else f'{tree.seconds:.1f} s'}, {tree.path}"]
    if tree.digest:
        lines.append(f"{tree.layer}: {tree.digest}")
    if tree.built:
        lines.append(
            f"{tree.layer}: built from source, and the same elsewhere only if the build is reproducible: "
            + ", ".join(tree.built)
        )
    if tree.excluded:
        most = sorted(tree.excluded, key=lambda name: (-tree.excluded[name], name))
        shares = [f"{name} {size(tree.excluded[name])}" for name in most]
        total = size(sum(tree.excluded.values()))
        lines.append(f"{tree.layer}: exclude-files saves {total}: {_first(shares, None if verbose else 3)}")
    if tree.invalid:
        left = counted(tree.invalid, "file")
        lines.append(f"{tree.layer}: {left} left uncompiled, because this Python finds a syntax error")
    return lines + [
        f"warning: {tree.layer}: {clash.path} differs between {' and '.join(clash.owners)}; "
        f"the file of {clash.owners[-1]} is kept"
        for clash in tree.clashes
    ]


def verified_lines(layer: str, digest: str | None, problems: Sequence[Problem]) -> list[str]:
    """Return a line per problem of a layer, or one line that says that the layer matches its lock."""
    if not problems:
        return [f"{layer}: matches its layer lock, {digest}"]
    return [f"{layer}: {p.kind}: {p.path}{': ' if p.path and p.detail else ''}{p.detail}" for p in problems]


def diff_table(changes: Sequence[LayerChange], width: int | None = None) -> str:
    """Return the result of `diff` as a table with a row per layer, then the bytes to pull."""
    rows = [
        (c.layer, c.status, pulled(c), size(c.kept) if c.kept else "", ", ".join(_change_texts(c.changes)))
        for c in changes
    ]
    summary = "\n".join(wrap(pull_summary(changes), width or _UNFOLDED))
    return _table(("layer", "status", ">pulled", ">unchanged", "why"), rows, width) + f"\n{summary}\n"


# The most moves between two layers that a table lists; more are counted.
_NAMED = 3


def _change_texts(changes: Sequence[Change]) -> list[str]:
    """Return the changes of a layer as texts; many moves from or to one layer are one text."""
    moves: dict[tuple[str | None, bool], list[Change]] = {}
    for change in changes:
        if change.kind == "moved":
            moves.setdefault((change.other, change.away), []).append(change)
    many = {key: found for key, found in moves.items() if len(found) > _NAMED}
    texts = [f"{len(found)} packages moved {'to' if away else 'from'} {other}" for (other, away), found in many.items()]
    for change in changes:
        if change.kind != "moved" or (change.other, change.away) not in many:
            texts.append(change_text(change))
        elif change.old != change.new:
            texts.append(change_text(replace(change, kind="updated")))
    return texts


def pulled(change: LayerChange) -> str:
    """Return the bytes that a client pulls of a layer, or an empty text if it is unchanged."""
    return "" if change.status in {"same", "removed", "unknown"} else _download(change.size, change.unsized)


def pull_summary(changes: Sequence[LayerChange]) -> str:
    """Return a sentence with the number of changed layers and the bytes to pull."""
    changed = [change for change in changes if change.status in {"added", "changed"}]
    unknown = [change.layer for change in changes if change.status == "unknown"]
    if unknown:
        compared = pull_summary([change for change in changes if change.status != "unknown"])
        return f"{compared}; the sources in layer {' and '.join(unknown)} are not compared"
    if not changed:
        gone = sum(change.status == "removed" for change in changes)
        what = f"{gone} of {counted(len(changes), 'layer')} removed" if gone else "no layer changes"
        return f"{what}, nothing is pulled"
    total, unsized = sum(c.size for c in changed), sum(c.unsized for c in changed)
    kept = sum(c.kept for c in changed)
    verb = "changes" if len(changes) == 1 else "change"
    what = f"{len(changed)} of {counted(len(changes), 'layer')} {verb}, {_download(total, unsized)} to pull"
    return f"{what}, {size(kept)} of it unchanged packages" if kept else what


def change_text(change: Change) -> str:
    """Return a change of a package as text, e.g. `numpy 2.2 -> 2.3`."""
    # PEP 751 does not require a version for packages from URLs or git.
    name, old, new = change.package, change.old or "?", change.new or "?"
    update = f"{name} {old} -> {new}"
    move = f"(moved {'to' if change.away else 'from'} {change.other})"
    texts = {
        "setting": f"{name}: {change.old or 'none'} -> {change.new or 'none'}",
        "added": f"+{name} {new}",
        "removed": f"-{name} {old}",
        "rebuilt": f"{name} {new} (another file)",
        "retimed": f"{name} {new} (only file times)",
        "moved": f"{f'{name} {old}' if old == new else update} {move}",
    }
    return texts.get(change.kind, update)


def suggestion_table(suggestion: Suggestion, *, verbose: bool = False, width: int | None = None) -> str:
    """Return the result of `suggest` as a table with a row per layer, top last, then costs and savings."""
    rows = [
        (
            layer.spec.name,
            str(len(layer.packages)),
            _download(layer.size, layer.unsized),
            f"{layer.changes} of {suggestion.updates}" if suggestion.updates else "",
            _first(layer.packages, None if verbose else 3),
        )
        for layer in suggestion.layers
    ]
    text = _table(("layer", ">packages", ">download", ">changed in", "largest first"), rows, width)
    costs = [
        ("one layer", suggestion.one_layer),
        ("current layers", suggestion.today),
        ("these layers", suggestion.expected),
        ("one layer per package", suggestion.floor),
    ]
    if suggestion.updates >= ENOUGH:
        text += "\n" + _costs_table("layers", costs, width)
    if tested := suggestion.backtest:
        costs = [
            ("one layer", tested.one_layer),
            ("current layers", tested.today),
            (f"layers from the first {tested.learned} updates", tested.layers),
        ]
        text += "\n" + _costs_table(f"replay of the last {tested.replayed} updates", costs, width)
    if suggestion.moves:
        text += "\n" + _table(("moves", "from", "to"), [(m.package, m.old, m.new) for m in suggestion.moves], width)
    updates, revisions = counted(suggestion.updates, "update"), counted(suggestion.revisions, "revision")
    learned = f"{updates} of the image in {revisions} of uv.lock"
    if suggestion.unreadable:
        learned += f", {suggestion.unreadable} of them unreadable"
    if suggestion.updates < ENOUGH:
        learned += f", too few to estimate what an update pulls: at least {ENOUGH} are needed"
    once = f"; switching to these layers costs one pull of {size(suggestion.once)}" if suggestion.once else ""
    return text + "\n" + "\n".join(wrap(f"learned from {learned}{once}", width or _UNFOLDED)) + "\n"


def _costs_table(title: str, costs: Sequence[tuple[str, int]], width: int | None) -> str:
    """Return a table of bytes pulled per update; the first row is the whole image."""
    whole = costs[0][1] or 1
    rows = [(name, size(count), f"{count / whole:.1%}") for name, count in costs]
    return _table((title, ">pulled per update", ">of the image"), rows, width)


def exported_line(exported: Exported) -> str:
    """Return the result of `export` for a layer as a line."""
    state = "written" if exported.changed else "unchanged"
    return f"{exported.lock.layer}: {counted(len(exported.lock.versions), 'package')}, {state}, {exported.path}"
