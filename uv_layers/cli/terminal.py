"""What commands print beside their results: lines for people on standard error, and the width of the terminal."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import typer

from uv_layers import errors
from uv_layers.credentials import masked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from uv_layers.project.options import Options


def say(line: str, options: Options) -> None:
    """Print a line on standard error, unless --quiet is given."""
    if not options.quiet:
        # A line may have names from wheels in it, and addresses.
        typer.echo(errors.printable(masked(line)), err=True)


def print_hints(hints: Iterable[str], options: Options) -> None:
    """Print hints on standard error, a line each."""
    for hint in hints:
        say(f"hint: {hint}", options)


def terminal_width() -> int | None:
    """Return the width of the terminal, or None where output goes elsewhere and no line is to be folded."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
