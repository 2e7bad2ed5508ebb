"""Draws what replay.py measured: for each project the part of the image that an update pulls, as SVG.

    python benchmarks/plot_replay.py FILE… > docs/explanation/replay.svg

A FILE is the output of `replay.py --json`. For each budget there has to be one without and one with `--greedy`.
"""

from __future__ import annotations

import argparse
import json
import statistics
from html import escape
from pathlib import Path
from typing import Any

LEFT, PANEL, GAP, TOP, ROW, BOTTOM = 235, 180, 38, 62, 22, 28
STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 11px; fill: #59636e }
.bold { font-weight: 600 }
.grid { stroke: #d1d9e0 }
.gain { stroke: #9bc1e8; stroke-width: 3 }
.start { fill: #fff; stroke: #59636e; stroke-width: 1.5 }
.ours { fill: #0969da }
.floor { stroke: #1a7f37; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .small { fill: #9198a1 }
  .grid { stroke: #3d444d }
  .gain { stroke: #2f5a8c }
  .start { fill: #0d1117; stroke: #9198a1 }
  .ours { fill: #4493f8 }
  .floor { stroke: #3fb950 }
}
"""


def rows(summary: dict[str, Any], key: str) -> dict[str, float]:
    """Return a figure of each project, then the mean of them."""
    found = {project["repo"]: project[key] for project in summary["projects"] if project["score"] is not None}
    return {**found, "mean": statistics.fmean(found.values())}


def drawing(summaries: list[dict[str, Any]]) -> str:
    """Return the SVG: a panel for each budget, a row for each project, and the mean."""
    ours = {summary["budget"]: summary for summary in summaries if not summary["greedy"]}
    start = {summary["budget"]: summary for summary in summaries if summary["greedy"]}
    if not ours or ours.keys() != start.keys():
        raise SystemExit("for each budget give the output with --greedy and the one without")
    budgets = sorted(ours)
    names = list(rows(ours[budgets[0]], "score"))
    most = max(max(rows(summary, "score").values()) for summary in summaries)
    steps = int(most * 10) + 1
    width, bottom = LEFT + len(budgets) * (PANEL + GAP), TOP + ROW * len(names)
    parts = [_legend()]
    for number, name in enumerate(names):
        kind = ' class="bold"' if name == "mean" else ""
        parts.append(f'<text{kind} x="{LEFT - 15}" y="{_y(number) + 4}" text-anchor="end">{escape(name)}</text>')
    for panel, budget in enumerate(budgets):
        left = LEFT + panel * (PANEL + GAP)
        parts.append(f'<text class="bold" x="{left}" y="{TOP - 12}">{budget} layer{"s" * (budget > 1)}</text>')
        for step in range(steps + 1):
            x = _x(left, step / steps)
            parts.append(f'<line class="grid" x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}"/>')
            parts.append(f'<text class="small" x="{x}" y="{bottom + 16}" text-anchor="middle">{step * 10}%</text>')
        figures = (rows(ours[budget], "score"), rows(start[budget], "score"), rows(ours[budget], "floor"))
        for number, name in enumerate(names):
            score, first, floor = (_x(left, figure[name] * 10 / steps) for figure in figures)
            parts.append(_marks(score, first, floor, _y(number)))
    size = f'width="{width}" height="{bottom + BOTTOM}" viewBox="0 0 {width} {bottom + BOTTOM}"'
    title = "Part of the image that an update pulls, by project and number of layers"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n<title>{title}</title>\n'
    return f"{head}<style>\n{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"


def _marks(score: float, first: float, floor: float, y: int) -> str:
    return "\n".join(
        [
            f'<line class="gain" x1="{first}" y1="{y}" x2="{score}" y2="{y}"/>',
            f'<line class="floor" x1="{floor}" y1="{y - 6}" x2="{floor}" y2="{y + 6}"/>',
            f'<circle class="start" cx="{first}" cy="{y}" r="4"/>',
            f'<circle class="ours" cx="{score}" cy="{y}" r="4.5"/>',
        ]
    )


def _legend() -> str:
    y = 18
    ours, start, floor = LEFT + 260, LEFT + 350, LEFT + 490
    return "\n".join(
        [
            f'<text x="{LEFT}" y="{y}">part of the image that an update pulls:</text>',
            f'<circle class="ours" cx="{ours}" cy="{y - 4}" r="4.5"/>',
            f'<text x="{ours + 10}" y="{y}">the model</text>',
            f'<circle class="start" cx="{start}" cy="{y - 4}" r="4"/>',
            f'<text x="{start + 10}" y="{y}">the starting point</text>',
            f'<line class="floor" x1="{floor}" y1="{y - 10}" x2="{floor}" y2="{y + 2}"/>',
            f'<text x="{floor + 10}" y="{y}">only what changed</text>',
        ]
    )


def _x(left: int, part: float) -> float:
    return round(left + part * PANEL, 1)


def _y(number: int) -> int:
    return TOP + ROW * number + ROW // 2


def main() -> None:
    """Print the drawing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    options = parser.parse_args()
    print(drawing([json.loads(path.read_text(encoding="utf-8")) for path in options.files]), end="")


if __name__ == "__main__":
    main()
