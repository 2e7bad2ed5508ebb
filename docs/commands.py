"""Writes docs/reference/commands.md from the commands themselves: `python docs/commands.py`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main

from uv_layers.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PAGE = Path(__file__).parent / "reference/commands.md"
INTRODUCTION = """\
# Commands

`uv-layers COMMAND --help` prints the same. Data goes to standard output, everything else to standard error.

An option wins over its environment variables, and the first of several variables wins. In the variable of an option
that can be given several times, separate the values with spaces. `NO_COLOR=1` turns colours off, `FORCE_COLOR=1` on.

See also [exit codes and errors](exit-codes.md) and [JSON output](json.md).
"""


def page() -> str:
    """Return the text of the page."""
    commands = dict(_commands(typer.main.get_command(app)))
    shared = {_row(p): p.opts[0] for command in commands.values() for p in command.params if p.rich_help_panel}
    table = "\n".join(["## Shared options", "", *_table(shared), ""])
    sections = (_section(name, command, shared) for name, command in commands.items())
    return "\n".join([INTRODUCTION, table, *sections])


def _commands(group: Any, path: str = "uv-layers") -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _section(name: str, command: Any, shared: Mapping[str, str]) -> str:
    parameters = [p for p in command.params if p.name != "help"]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option"]
    usage = " ".join([name, *(["[OPTIONS]"] if options else []), *(a.metavar for a in arguments)])
    lines = [f"## `{name}`", "", command.help, "", "```text", usage, "```", ""]
    if arguments:
        lines += ["| argument | meaning |", "|---|---|"]
        lines += [f"| {_code(a.metavar)} | {_cell(a.help)} |" for a in arguments] + [""]
    if own := [row for row in map(_row, options) if row not in shared]:
        lines += [*_table(own), ""]
    if taken := {p.opts[0] for p in options if p.rich_help_panel}:
        missing = ", ".join(_code(name) for name in shared.values() if name not in taken)
        lines += [f"And the [shared options](#shared-options){' except ' if missing else ''}{missing}.", ""]
    return "\n".join([*lines, f"{command.epilog.replace('Example: ', 'Example: `')}`", ""])


def _table(rows: Iterable[str]) -> list[str]:
    return ["| option | meaning | default | environment |", "|---|---|---|---|", *rows]


def _row(option: Any) -> str:
    metavar = "" if option.is_flag else f" {_metavar(option)}"
    names = ", ".join(_code(f"{name}{metavar}") for name in option.opts)
    # For a default that the code computes, the help ends with a description of it.
    meaning, default = re.fullmatch(r"(.*?)(?: \[default: (.*)\])?", option.help).groups()
    if default is None and not option.is_flag and option.default is not None:
        default = _code(str(getattr(option.default, "value", option.default)))
    variables = [option.envvar] if isinstance(option.envvar, str) else option.envvar
    several = " Can be given several times." if option.multiple else ""
    cells = [names, _cell(meaning + several), _cell(default or ""), ", ".join(map(_code, variables or ()))]
    return f"| {' | '.join(cells)} |"


def _metavar(option: Any) -> str:
    return option.metavar or "|".join(getattr(option.type, "choices", ())) or option.type.name.upper()


def _code(text: str) -> str:
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
