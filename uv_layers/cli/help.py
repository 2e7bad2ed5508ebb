"""Print `--help` with options in groups, without breaking names across lines."""

from __future__ import annotations

import re
import shutil
import sys
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from uv_layers.cli.terminal import has_colour, painted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The width without a terminal, the largest width, and the largest width of the options column.
_WIDTH, _WIDEST, _TERMS = 100, 120, 32
# Texts narrower than this are below their option instead of beside it.
_NARROWEST = 38
# The group of options that `uv sync` has, too, which are listed without their descriptions.
AS_UV = "Options as in `uv sync`"
_VARIABLES = "Most options can also be set with an environment variable, e.g. {variable} for {option}."


class _WithShortHelp:
    """A command with `-h`, also in a context without a parent: Click keeps the names that the first context has."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        context = {**(settings.get("context_settings") or {}), "help_option_names": ["-h", "--help"]}
        super().__init__(*args, **{**settings, "context_settings": context})


class HelpfulCommand(_WithShortHelp, TyperCommand):
    """A command whose help has its options in groups, by their `rich_help_panel`; options of uv come last."""

    def get_help(self, ctx: Any) -> str:
        return _help(self, ctx)


class HelpfulGroup(_WithShortHelp, TyperGroup):
    """A group of commands whose help has the full description of each."""

    def get_help(self, ctx: Any) -> str:
        named = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        return _help(self, ctx, [(name, _paragraphs(command.help)[0]) for name, command in named if command])


def _help(command: Any, ctx: Any, commands: Sequence[tuple[str, str]] = ()) -> str:
    ctx.color = has_colour(sys.stdout)  # for the code that prints the text
    width = min(shutil.get_terminal_size((_WIDTH, 24)).columns, _WIDEST)
    pieces = [piece.strip("{}") for piece in command.collect_usage_pieces(ctx)]  # Typer adds them to required arguments
    parts = [_wrapped(" ".join([_title("Usage"), ctx.command_path, *pieces]), width)]
    parts += [_wrapped(paragraph, width) for paragraph in _paragraphs(command.help)]
    sections: dict[str, list[tuple[str, str]]] = {}
    as_uv = []
    for parameter in command.get_params(ctx):
        argument = parameter.param_type_name == "argument"
        title = parameter.rich_help_panel or ("Arguments" if argument else "Options")
        if title == AS_UV:
            as_uv.append(f"{parameter.opts[0]} {'' if parameter.is_flag else parameter.metavar}".strip())
            continue
        if parameter.name == "help":  # it comes last
            title = next((known for known in reversed(sections) if known != "Arguments"), title)
        term, text = parameter.get_help_record(ctx)
        text = re.sub(r"(; |  \[)(?:\d+<=)?x[<>]=\d+\]$", lambda range_: "]" if range_[1] == "; " else "", text)
        # As in uv, long names are below each other.
        sections.setdefault(title, []).append((term if argument or term[1] != "-" else f"    {term}", text))
    if commands:
        sections["Commands"] = list(commands)
    parts += [f"{_title(title)}\n{_listed(rows, width)}" for title, rows in sections.items()]
    if as_uv:
        # A name stays beside its value.
        names = ", ".join(name.replace(" ", "\xa0") for name in as_uv)
        parts.append(f"{_title(AS_UV)}\n{_wrapped(names, width, '  ')}")
    if examples := [parameter for parameter in command.params if parameter.envvar]:
        example = next((parameter for parameter in examples if parameter.name == "python"), examples[0])
        parts.append(_wrapped(_VARIABLES.format(variable=example.envvar[0], option=example.opts[0]), width))
    if command.epilog:
        parts.append(_wrapped(command.epilog, width))
    return "\n\n".join(parts)


def _title(text: str) -> str:
    return painted(f"{text}:", "1;32", sys.stdout)


def _paragraphs(text: str | None) -> list[str]:
    return (text or "").split("\n\n")


def _listed(rows: Iterable[tuple[str, str]], width: int) -> str:
    """Return terms with their texts, beside them if there is room."""
    rows = list(rows)
    column = max(len(term) for term, _ in rows if len(term) <= _TERMS) + 4
    stacked = width - column < _NARROWEST
    lines = []
    for term, text in rows:
        indent = 10 if stacked else column
        shown = f"  {painted(term, '1;36', sys.stdout)}"
        beside = not stacked and len(term) + 4 <= column
        whole = _wrapped(text, width, " " * indent)
        lines.append(f"{shown}{whole[len(term) + 2 :]}" if beside else f"{shown}\n{whole}")
    return "\n".join(lines)


def _wrapped(text: str, width: int, indent: str = "") -> str:
    wrapper = TextWrapper(
        width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    # A default stays beside its value.
    return wrapper.fill(text.replace("[default: ", "[default:\xa0")).replace("\xa0", " ")
