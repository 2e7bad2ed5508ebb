from __future__ import annotations

import re

import pytest
import typer.main

from uv_layers.cli.app import app

COMMANDS = typer.main.get_command(app)


@pytest.fixture
def help_of(monkeypatch):
    """Return a function that returns the help of a command at a width, none for a pipe."""

    def call(*path, width=None):
        monkeypatch.delenv("COLUMNS", raising=False)
        if width is not None:
            monkeypatch.setenv("COLUMNS", str(width))
        command, context = COMMANDS, None
        for name in ("uv-layers", *path):
            command = command if context is None else command.get_command(context, name)
            context = command.make_context(name, [], parent=context, resilient_parsing=True)
        return command.get_help(context)

    return call


def _all(group, path=()):
    yield path
    for name in group.list_commands(None) if hasattr(group, "list_commands") else ():
        yield from _all(group.get_command(None, name), (*path, name))


PATHS = [*_all(COMMANDS)]


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
@pytest.mark.parametrize("width", [None, 60, 80, 300])
def test_help_fits_and_nothing_is_cut_off(help_of, path, width):
    text = help_of(*path, width=width)
    assert "…" not in text
    assert "..." not in re.sub(r"\[?[A-Z]+\]?\.\.\.", "", text)
    room = min(width or 100, 120)
    for line in text.splitlines():
        # An option has its own line however long its choices are.
        assert len(line) <= room or re.fullmatch(r"  +-\S+ \S+", line)


@pytest.mark.parametrize("width", [60, 80])
def test_no_name_of_an_option_or_a_variable_is_broken(help_of, width):
    wide, narrow = help_of("install", width=300), help_of("install", width=width)
    for name in re.findall(r"--[a-z-]+|UV_[A-Z_]+", wide):
        assert name in narrow


def test_the_list_of_commands_has_what_each_does_in_full(help_of):
    text = " ".join(help_of(width=60).split())
    for name in COMMANDS.list_commands(None):
        summary = COMMANDS.get_command(None, name).help.split("\n\n")[0]
        assert f"{name} {' '.join(summary.split())}" in text


def _sections(text):
    parts = re.split(r"^(\w[\w `]*):\n", text, flags=re.MULTILINE)
    return {
        title: re.findall(r"--[a-z-]+(?=[ ,\n]|$)", body) for title, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_options_are_in_groups_with_those_of_uv_last(help_of):
    sections = _sections(help_of("install", width=120))
    assert list(sections) == ["Arguments", "Options", "Shared options", "Options as in `uv sync`"]
    assert sections["Options"][:2] == ["--all", "--layers-dir"]
    assert {"--config", "--prefix"} <= set(sections["Shared options"])
    assert sections["Shared options"][-1] == "--help"
    assert {"--group", "--extra"} <= set(sections["Options as in `uv sync`"])


@pytest.mark.parametrize("width", [60, 120])
def test_an_option_as_in_uv_is_beside_its_value(help_of, width):
    text = help_of("install", width=width).partition("Options as in `uv sync`:")[2].partition("\n\n")[0]
    assert "--group NAME," in text
    assert "--all-groups," in text
    assert "Include" not in text


def test_an_option_in_the_help_is_in_one_group(help_of):
    command = COMMANDS.get_command(None, "plan")
    # The last lines have an example of a variable.
    text = help_of("plan", width=120).partition("\n\nMost options")[0]
    named = [name for names in _sections(text).values() for name in names]
    assert sorted(named) == sorted([*(max(p.opts, key=len) for p in command.params), "--help"])


def test_the_help_of_a_command_fits_a_screen(help_of):
    for path in PATHS:
        assert len(help_of(*path, width=120).splitlines()) <= 40, path


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, False),
    ],
)
def test_help_has_colour_where_it_is_asked_for(help_of, monkeypatch, environ, coloured):
    plain = help_of("cache")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    text = help_of("cache")
    assert ("\x1b[" in text) is coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", text) == plain
