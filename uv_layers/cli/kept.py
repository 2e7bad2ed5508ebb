"""`uv-layers dockerfile --write` and `--check`: write a Dockerfile, or show what would change."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING, Any

import typer

from uv_layers.cli.terminal import print_hints, say
from uv_layers.system.files import write_atomically
from uv_layers.system.paths import resolved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from uv_layers.project.options import Options


@dataclass(frozen=True)
class Kept:
    """A Dockerfile with marked blocks: its old and new text, and the build context.

    `dockerignore` is the path and the text of the `.dockerignore` to write beside a new one. A Dockerfile that does not
    exist yet is empty.
    """

    path: Path
    old: str
    new: str
    context: Path
    dockerignore: tuple[Path, str] | None = None


def lines_to_change(path: Path, text: str, last: Sequence[str], overrides: Mapping[str, Any]) -> list[str]:
    """Return hints about lines that `--copy` and `--cmd` ask for, and that a Dockerfile lacks outside the marks."""
    asked = tuple(word for key, word in (("copy", "COPY"), ("cmd", "CMD")) if key in overrides)
    missing = [line for line in last if line.startswith(asked) and line not in text.splitlines()]
    step = "add or change the line yourself, because uv-layers changes only the lines between its markers"
    return [f"{path} lacks `{line}`; {step}" for line in missing]


def keep(kept: Kept, options: Options, remedy: Sequence[str], *, write: bool) -> None:
    """Write the new text of a Dockerfile, or exit with 1 and print a diff and the command that writes it."""
    path, context = kept.path, kept.context
    if kept.old == kept.new:
        say(f"{path}: up to date", options)
    elif write:
        place = resolved(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, kept.new)
        say(f"{path}: written", options)
        if kept.dockerignore is not None:
            write_atomically(*kept.dockerignore)
            say(f"{os.path.relpath(kept.dockerignore[0])}: written", options)
        if resolved(path.parent) in context.parents:
            words = shlex.join(["docker", "build", "--file", str(path), os.path.relpath(context)])
            hint = f"the build context is {context.name}, not the Dockerfile's folder; run `{words}`"
            print_hints([f"{hint}, or pass another --context"], options)
    else:
        before, after = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (kept.old, kept.new))
        lines = unified_diff(before, after, f"{path}", f"{path} (up to date)")
        whole = (li if li.endswith("\n") else f"{li}\n\\ No newline at end of file\n" for li in lines)
        # As bytes: a path may be invalid in the terminal's encoding.
        typer.echo(os.fsencode("".join(whole)), nl=False)
        state = "is out of date" if path.exists() else "does not exist"
        say(f"{path} {state}; run `{shlex.join(remedy)}`", options)
        raise typer.Exit(1)
