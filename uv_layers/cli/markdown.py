"""Results as Markdown for pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uv_layers.cli.tables import change_text, pull_summary, pulled, size
from uv_layers.errors import printable
from uv_layers.system.names import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uv_layers.plan.diff import LayerChange


def diff_markdown(changes: Sequence[LayerChange]) -> str:
    """Return the result of `diff` as Markdown, for a comment on a pull request."""
    lines = [
        f"**Image layers:** {pull_summary(changes)}",
        "",
        "| layer | | pulled | unchanged part |",
        "|---|---|--:|--:|",
    ]
    lines += [f"| `{c.layer}` | {c.status} | {pulled(c)} | {size(c.kept) if c.kept else ''} |" for c in changes]
    for change in changes:
        if change.changes:
            what = counted(len(change.changes), "change")
            lines += ["", f"<details><summary><code>{change.layer}</code>: {what}</summary>", ""]
            # A version in an untrusted lock may be any text.
            lines += ["- `{}`".format(printable(change_text(c)).replace("`", "'")) for c in change.changes]
            lines += ["", "</details>"]
    return "\n".join(lines) + "\n"
