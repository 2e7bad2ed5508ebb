"""Tables and sizes for people, and the table of `diff`."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING

from uv_layers.errors import printable
from uv_layers.system.names import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from uv_layers.plan.diff import Change, LayerChange


GAP = " " * 3

# The default width: no line is folded.
UNFOLDED = 10_000


def size(count: int) -> str:
    """Return a number of bytes in decimal units, e.g. `1.5 MB`."""
    if count < 1000:  # noqa: PLR2004
        return f"{count} B"
    for unit, scale in (("kB", 1e3), ("MB", 1e6)):
        if round(count / scale, 1) < 1000:  # noqa: PLR2004
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e9:.2f} GB"


def first(words: Sequence[str], shown: int | None = 3) -> str:
    """Return the first words, and an ellipsis if there are more."""
    return ", ".join([*words[:shown], *["…"] * (len(words[:shown]) < len(words))])


def download(known: int, unsized: int) -> str:
    """Return the bytes of a download, and how many packages have an unknown size."""
    return f"{size(known)} + {unsized} unknown" if unsized else size(known)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], width: int | None) -> str:
    """Return a table. A column whose header starts with `>` is right-aligned; cells are folded to stay in `width`."""
    cells = [[name.lstrip(">") for name in header], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    gaps = len(GAP) * (len(widths) - 1)
    while width is not None and sum(widths) + gaps > width and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    lines = []
    for row in cells:
        folded = [wrap(cell, size, break_on_hyphens=False) for cell, size in zip(row, widths, strict=True)]
        for texts in zip_longest(*folded, fillvalue=""):
            columns = zip(header, texts, widths, strict=True)
            aligned = (text.rjust(size) if name[:1] == ">" else text.ljust(size) for name, text, size in columns)
            lines.append(GAP.join(aligned).rstrip())
        if row is cells[0]:
            lines.append("─" * (sum(widths) + gaps))
    return "".join(f"{line}\n" for line in lines)


def diff_table(changes: Sequence[LayerChange], width: int | None = None) -> str:
    """Return the result of `diff` as a table with a row per layer, then the bytes to pull."""
    rows = [
        (c.layer, c.status, pulled(c), size(c.kept) if c.kept else "", ", ".join(_change_texts(c.changes)))
        for c in changes
    ]
    summary = "\n".join(wrap(pull_summary(changes), width or UNFOLDED))
    return table(("layer", "status", ">pulled", ">unchanged part", "why"), rows, width) + f"\n{summary}\n"


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
    return "" if change.status in {"same", "removed", "unknown"} else download(change.size, change.unsized)


def pull_summary(changes: Sequence[LayerChange]) -> str:
    """Return a sentence with the number of changed layers and the bytes to pull."""
    changed = [change for change in changes if change.status in {"added", "changed"}]
    unknown = [change.layer for change in changes if change.status == "unknown"]
    if unknown:
        compared = pull_summary([change for change in changes if change.status != "unknown"])
        return f"{compared}; the sources in layer {' and '.join(unknown)} are not compared"
    if not changed:
        gone = sum(change.status == "removed" for change in changes)
        what = f"{gone} of {counted(len(changes), 'layer')} removed" if gone else "no layers change"
        return f"{what}; nothing to pull"
    total, unsized = sum(c.size for c in changed), sum(c.unsized for c in changed)
    kept = sum(c.kept for c in changed)
    verb = "changes" if len(changed) == 1 else "change"
    what = f"{len(changed)} of {counted(len(changes), 'layer')} {verb}, {download(total, unsized)} to pull"
    return f"{what}, {size(kept)} of it for unchanged packages" if kept else what


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
        "rebuilt": f"{name} {new} (different file)",
        "retimed": f"{name} {new} (new upload time)",
        "moved": f"{f'{name} {old}' if old == new else update} {move}",
    }
    return texts.get(change.kind, update)
