"""Print messages on standard error, find the terminal's width, and use colour."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

import typer

from uv_layers import errors
from uv_layers.credentials import masked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from uv_layers.project.options import Options

# The colours of uv: errors in red, warnings in yellow, hints in cyan; all bold.
_COLOURS = {"error": "1;31", "warning": "1;33", "hint": "1;36"}


def say(line: str, options: Options) -> None:
    """Print a line on standard error, unless --quiet is given."""
    if not options.quiet:
        # A line may contain names from wheels, and URLs with passwords.
        print_line(errors.printable(masked(line)))


def print_line(line: str) -> None:
    """Print a line on standard error; `error[code]:`, `warning:` and `hint:` at its start are in colour."""
    kind = re.match(r"(error|warning|hint)(\[[a-z-]+\])?:", line)
    start = painted(kind[0], _COLOURS[kind[1]], sys.stderr) if kind else ""
    typer.echo(start + line[kind.end() if kind else 0 :], err=True, color=has_colour(sys.stderr))


def print_hints(hints: Iterable[str], options: Options) -> None:
    """Print hints on standard error, a line each."""
    for hint in hints:
        say(f"hint: {hint}", options)


def has_colour(stream: TextIO) -> bool:
    """Return whether a stream gets colour: a terminal does, unless NO_COLOR is set; all do with FORCE_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def painted(text: str, colour: str, stream: TextIO) -> str:
    """Return text in a colour, the parameter of an ANSI sequence, if the stream gets colour."""
    return f"\x1b[{colour}m{text}\x1b[0m" if has_colour(stream) else text


def terminal_width() -> int | None:
    """Return the width of the terminal, or None if the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
