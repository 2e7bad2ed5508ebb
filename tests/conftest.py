"""The pages of docs/ as what they are: files to write and commands to run, in the order in which a reader meets them.

A fence with a title, as in ```toml title="pyproject.toml", is a file. A `console` fence has commands after `$ `, and
after a command what it prints, which may be left out; `…` in it stands for anything. A comment before a fence says what
else holds of it: `<!-- exit 1 -->` how its last command ends, `<!-- engine -->` that it needs an engine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCS = Path(__file__).parents[1] / "docs"
_FENCE = re.compile(
    r"^(?:<!-- (?P<note>[^>]*) -->\n+)?"
    r"```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_END = "@@ended "
_TIMEOUT = 900  # seconds; the longest is a build of images


@dataclass(frozen=True)
class Command:
    """A command, what the page says that it prints, and how it ends."""

    words: str
    printed: str
    status: int = 0


def blurred(text: str) -> str:
    """Return what a command prints without its numbers, units, plurals and widths, which differ between machines."""
    text = re.sub(r"\b[0-9a-f]{12,}\b|\d+(?:\.\d+)*", "N", text)
    text = re.sub(r"\bN ?(?:B|kB|MB|GB)\b", "N B", text)
    text = re.sub(r"\bN ?(?:ms|s|min)\b", "N s", text)
    text = re.sub(r"\bN (package|file)s\b", r"N \1", text)
    lines = (re.sub(r"─+", "─", " ".join(line.split())) for line in text.splitlines())
    return "\n".join(filter(None, lines))


def _commands(text: str, status: int) -> list[Command]:
    found = []
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        last = next(n for n, line in enumerate(lines) if not line.endswith("\\"))
        found.append(Command("\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :])))
    found[-1] = Command(found[-1].words, found[-1].printed, status)
    return found


class Walk:
    """A walk through a page in a folder: what it says is written, is run, and is compared with what is printed."""

    def __init__(self, page: Path, folder: Path, replaced: Mapping[str, str], *, engine: bool = False) -> None:
        self._folder = folder
        self._text = page.read_text(encoding="utf-8")
        self._engine = engine
        for old, new in {"3.12": f"3.{sys.version_info[1]}", **replaced}.items():
            self._text = self._text.replace(old, new)

    def take(self, environ: Mapping[str, str]) -> int:
        """Do all that the page says, and return the number of commands that ran."""
        script, expected = [], []
        for number, fence in enumerate(_FENCE.finditer(self._text)):
            note = fence["note"] or ""
            if note.startswith("engine") and not self._engine:
                continue
            if fence["title"]:
                # Kept beside, and put in place when its turn comes.
                kept = self._folder.parent / f"{self._folder.name}-{number}"
                kept.write_text(fence["text"], encoding="utf-8")
                script.append(f'mkdir -p "$(dirname {fence["title"]})" && cp {kept} {fence["title"]}')
            elif fence["language"] == "console":
                status = re.fullmatch(r"exit (\d+)", note)
                for command in _commands(fence["text"], int(status[1]) if status else 0):
                    expected.append(command)
                    script.append(f"{command.words}\nprintf '\\n{_END}%s\\n' $?")
        if not expected:
            return 0
        # bash, as a reader has it. What a command says of what it does, on standard error, is part of what it prints.
        done = subprocess.run(
            ["bash", "-c", "\n".join(script)],
            cwd=self._folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_TIMEOUT,
        )
        parts = re.split(rf"^{_END}(\d+)$", done.stdout, flags=re.MULTILINE)
        said = dict(enumerate(zip(parts[::2], parts[1::2], strict=False)))
        for number, command in enumerate(expected):
            printed, status_ = said.get(number, (parts[-1], "none"))
            # Pages show what a release from PyPI prints; what the tests run is from a folder or a wheel.
            printed = re.sub(r"^hint: the builder installs uv-layers .*\n", "", printed, flags=re.MULTILINE)
            assert status_ == str(command.status), f"$ {command.words}\n{printed}"
            if command.printed.strip():
                wanted = re.escape(blurred(command.printed)).replace("…", ".*")
                assert re.fullmatch(wanted, blurred(printed), re.DOTALL), f"$ {command.words}\n{printed}"
        return len(expected)


@pytest.fixture
def walk():
    """Return a function that goes through a page of docs/ in a folder, and returns how many commands it ran."""

    def call(name: str, folder: Path, replaced: Mapping[str, str], *, engine: bool = False) -> int:
        return Walk(DOCS / name, folder, replaced, engine=engine).take(os.environ)

    return call
