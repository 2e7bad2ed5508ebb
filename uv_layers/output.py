"""Results as text: tables for people, versioned JSON for programs. Nothing here prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from uv_layers.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from uv_layers.model import Change, Environment, Exported, Layer, LayerChange, Plan, Problem, Suggestion, Tree

# Raised when a key changes its meaning or goes; new keys do not raise it.
SCHEMA = 1


def size(count: int) -> str:
    """Return a number of bytes in the decimal units that registries bill by, such as `1.5 MB`."""
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


def envelope(command: str, result: Any) -> str:
    """Return the JSON document that each command prints under --json: `schema`, `command`, `result`."""
    return json.dumps({"schema": SCHEMA, "command": command, "result": result}, indent=2)


def plan_json(plan: Plan) -> str:
    """Return the plan as JSON; docs/reference/json.md has the keys."""
    markers = plan.target.markers
    result = {
        "prefix": plan.prefix,
        "target": {
            "python": markers["python_full_version"],
            "implementation": markers["implementation_name"],
            "platform": markers["sys_platform"],
            "machine": markers["platform_machine"],
            "interpreter": plan.target.executable,
        },
        "bytes": sum(layer.size for layer in plan.layers),
        "layers": [_layer_json(layer) for layer in plan.layers],
        "hints": list(plan.hints),
    }
    return envelope("plan", result)


def _layer_json(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "kind": layer.kind,
        "bytes": layer.size,
        "unsized": layer.unsized,
        "packages": [
            {
                "name": m.package.name,
                "version": m.package.version,
                "bytes": m.package.size,
                "built": m.package.built,
                "reason": m.reason,
                "also": list(m.also),
            }
            for m in layer.members
        ],
    }


def plan_table(plan: Plan, *, verbose: bool = False, width: int | None = None) -> str:
    """Return the plan as a table, a row a layer, top of the image last; with `verbose`, then a row a package."""
    rows = [
        (layer.name, str(len(layer.members)), _download(layer.size, layer.unsized), _first(layer.reasons))
        for layer in plan.layers
    ]
    total, unsized = sum(layer.size for layer in plan.layers), sum(layer.unsized for layer in plan.layers)
    rows.append(("total", str(sum(len(layer.members) for layer in plan.layers)), _download(total, unsized), ""))
    text = _table(("layer", ">packages", ">download", "from"), rows, width)
    if verbose:
        members = [
            (
                layer.name,
                m.package.name,
                m.package.version or "",
                "unknown" if m.package.size is None else size(m.package.size),
                m.reason + (f" (also {', '.join(m.also)})" if m.also else ""),
            )
            for layer in plan.layers
            for m in layer.members
        ]
        text += "\n" + _table(("layer", "package", "version", ">download", "from"), members, width)
    return text + f"\nfor {plan.target}, prefix {plan.prefix}\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], width: int | None) -> str:
    """Return a table; a column whose header starts with `>` is right-aligned. Off a terminal no line is folded."""
    from rich.box import SIMPLE  # noqa: PLC0415 - 60 ms
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=SIMPLE, pad_edge=False, show_edge=False)
    for name in header:
        table.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(width=width or 10_000, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def trees_json(trees: Iterable[Tree]) -> str:
    """Return what `install` made as JSON."""
    return envelope(
        "install",
        {
            "layers": [
                {
                    "name": tree.layer,
                    "path": str(tree.path),
                    "packages": tree.packages,
                    "files": tree.files,
                    "bytes": tree.size,
                    "seconds": round(tree.seconds, 3),
                    "up_to_date": tree.up_to_date,
                    "built": list(tree.built),
                    "clashes": [{"path": clash.path, "packages": list(clash.owners)} for clash in tree.clashes],
                    "uncompiled": tree.invalid,
                    "digest": tree.digest,
                }
                for tree in trees
            ]
        },
    )


def tree_lines(tree: Tree) -> list[str]:
    """Return the line that says what became of a layer, and what there is to know of it."""
    what = f"{tree.layer}: {tree.packages} packages, {tree.files} files, {size(tree.size)}"
    lines = [f"{what}, {'up to date' if tree.up_to_date else f'{tree.seconds:.1f} s'}, {tree.path}"]
    if tree.digest:
        lines.append(f"{tree.layer}: {tree.digest}")
    if tree.built:
        lines.append(
            f"{tree.layer}: built from source, so the same elsewhere only if its build is: {', '.join(tree.built)}"
        )
    if tree.invalid:
        lines.append(f"{tree.layer}: {tree.invalid} sources are no valid Python for this interpreter, left uncompiled")
    return lines + [
        f"warning: {tree.layer}: {clash.path} differs between {' and '.join(clash.owners)}; "
        f"that of {clash.owners[-1]} is kept"
        for clash in tree.clashes
    ]


def verified_json(results: Iterable[tuple[str, str | None, Sequence[Problem]]]) -> str:
    """Return what `verify` found as JSON."""
    layers = [
        {
            "name": layer,
            "digest": digest,
            "problems": [{"kind": p.kind, "path": p.path, "detail": p.detail} for p in problems],
        }
        for layer, digest, problems in results
    ]
    return envelope("verify", {"layers": layers})


def verified_lines(layer: str, digest: str | None, problems: Sequence[Problem]) -> list[str]:
    """Return a line for each problem of a layer, or the one that says that there is none."""
    if not problems:
        return [f"{layer}: as its lock says, {digest}"]
    return [f"{layer}: {p.kind}: {p.path}{': ' if p.path and p.detail else ''}{p.detail}" for p in problems]


def env_json(environment: Environment) -> str:
    """Return what makes built trees usable where they are as JSON."""
    return envelope(
        "env",
        {
            **{variable: list(folders) for variable, folders in environment.variables.items()},
            "interpreter": environment.interpreter,
            "layers": [{"name": layer, "path": str(path)} for layer, path in environment.trees.items()],
        },
    )


def diff_json(changes: Sequence[LayerChange]) -> str:
    """Return what an update does to the layers as JSON."""
    layers = [
        {
            "name": change.layer,
            "status": change.status,
            "bytes": change.size,
            "unsized": change.unsized,
            "bytes_unchanged": change.kept,
            "changes": [
                {"package": c.package, "kind": c.kind, "old": c.old, "new": c.new, "other": c.other}
                for c in change.changes
            ],
        }
        for change in changes
    ]
    return envelope("diff", {"bytes": sum(change.size for change in changes), "layers": layers})


def diff_table(changes: Sequence[LayerChange], width: int | None = None) -> str:
    """Return what an update does to the layers as a table, a row a layer, then what it pulls."""
    rows = [
        (c.layer, c.status, _pulled(c), size(c.kept) if c.kept else "", ", ".join(map(_change, c.changes)))
        for c in changes
    ]
    return _table(("layer", "status", ">pulled", ">unchanged", "why"), rows, width) + f"\n{_pull_line(changes)}\n"


def diff_markdown(changes: Sequence[LayerChange]) -> str:
    """Return what an update does to the layers as Markdown, fit for a comment on a pull request."""
    lines = [
        f"**Image layers:** {_pull_line(changes)}",
        "",
        "| layer | | pulled | unchanged in it |",
        "|---|---|--:|--:|",
    ]
    lines += [f"| `{c.layer}` | {c.status} | {_pulled(c)} | {size(c.kept) if c.kept else ''} |" for c in changes]
    for change in changes:
        if change.changes:
            what = f"{len(change.changes)} change{'s' * (len(change.changes) > 1)}"
            lines += ["", f"<details><summary><code>{change.layer}</code>: {what}</summary>", ""]
            # A lock of somebody else's may have anything for a version.
            lines += ["- `{}`".format(printable(_change(c)).replace("`", "'")) for c in change.changes]
            lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def _pulled(change: LayerChange) -> str:
    return "" if change.status in {"same", "removed"} else _download(change.size, change.unsized)


def _pull_line(changes: Sequence[LayerChange]) -> str:
    pulled = [change for change in changes if change.status in {"added", "changed"}]
    if not pulled:
        gone = sum(change.status == "removed" for change in changes)
        return f"{f'{gone} of {len(changes)} layers go' if gone else 'no layer changes'}, nothing is pulled"
    total, unsized = sum(c.size for c in pulled), sum(c.unsized for c in pulled)
    kept = sum(c.kept for c in pulled)
    what = f"{len(pulled)} of {len(changes)} layers change, {_download(total, unsized)} to pull"
    return f"{what}, {size(kept)} of it unchanged packages" if kept else what


def _change(change: Change) -> str:
    # A package may have no version: PEP 751 does not ask for one if it comes from a URL or from git.
    name, old, new = change.package, change.old or "?", change.new or "?"
    update = f"{name} {old} -> {new}"
    texts = {
        "setting": f"{name}: {change.old or 'none'} -> {change.new or 'none'}",
        "added": f"+{name} {new}",
        "removed": f"-{name} {old}",
        "rebuilt": f"{name} {new} (another file)",
        "retimed": f"{name} {new} (only file times)",
        "moved": f"{f'{name} {old}' if old == new else update} (moved, other layer: {change.other})",
    }
    return texts.get(change.kind, update)


def suggestion_json(suggestion: Suggestion, path: Path | None) -> str:
    """Return a proposal of layers as JSON."""
    result = {
        "layers": [
            {
                "name": layer.spec.name,
                "claims": {key: list(getattr(layer.spec, key)) for key in ("packages", "groups", "extras")}
                | {"dependencies": layer.spec.dependencies},
                "packages": list(layer.packages),
                "bytes": layer.size,
                "unsized": layer.unsized,
                "changes": layer.changes,
            }
            for layer in suggestion.layers
        ],
        "history": {
            "revisions": suggestion.revisions,
            "unreadable": suggestion.unreadable,
            "updates": suggestion.updates,
        },
        "expected_bytes": {
            "one_layer": suggestion.one_layer,
            "today": suggestion.today,
            "proposed": suggestion.expected,
            "floor": suggestion.floor,
        },
        "bytes_once": suggestion.once,
        "moves": [{"package": m.package, "from": m.old, "to": m.new} for m in suggestion.moves],
        "written": None if path is None else str(path),
        "hints": list(suggestion.hints),
    }
    return envelope("suggest", result)


def suggestion_table(suggestion: Suggestion, *, verbose: bool = False, width: int | None = None) -> str:
    """Return a proposal of layers as a table, a row a layer, top of the image last, and what it costs and saves."""
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
        ("one layer of all", suggestion.one_layer),
        ("the layers of today", suggestion.today),
        ("these layers", suggestion.expected),
        ("a layer for each package", suggestion.floor),
    ]
    rated = [(what, size(count), f"{count / (suggestion.one_layer or 1):.1%}") for what, count in costs]
    text += "\n" + _table(("with", ">pulled an update", ">of the image"), rated, width)
    if suggestion.moves:
        text += "\n" + _table(("moves", "from", "to"), [(m.package, m.old, m.new) for m in suggestion.moves], width)
    updates, revisions = _count(suggestion.updates, "update"), _count(suggestion.revisions, "revision")
    learned = f"{updates} of the image in {revisions} of uv.lock"
    if suggestion.unreadable:
        learned += f", {suggestion.unreadable} of them unreadable"
    once = f"; going over to these layers pulls {size(suggestion.once)} once" if suggestion.once else ""
    return text + f"\nlearned from {learned}{once}\n"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def exported_json(exported: Iterable[Exported]) -> str:
    """Return what `export` wrote as JSON."""
    layers = [
        {"name": e.lock.layer, "path": str(e.path), "packages": len(e.lock.versions), "changed": e.changed}
        for e in exported
    ]
    return envelope("export", {"layers": layers})


def exported_line(exported: Exported) -> str:
    """Return the one line that says what became of a layer lock."""
    state = "written" if exported.changed else "unchanged"
    return f"{exported.lock.layer}: {len(exported.lock.versions)} packages, {state}, {exported.path}"
