from __future__ import annotations

import io
import sys

import pytest

from uv_layers.cli.terminal import has_colour, print_line, say
from uv_layers.project.options import Options


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_has_colour_and_a_pipe_has_none(monkeypatch):
    assert has_colour(Terminal())
    assert not has_colour(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not has_colour(Terminal())


def test_variables_win_over_what_the_stream_is(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert has_colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colour(io.StringIO())
    assert not has_colour(Terminal())


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ("error[no-uv]: none", "error[no-uv]:"),
        ("warning: web: differs", "warning:"),
        ("hint: do this", "hint:"),
        ("errors: 3", None),
        ("web: error: none", None),
    ],
)
def test_the_start_of_a_line_is_in_colour(monkeypatch, line, start):
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    print_line(line)
    printed = stream.getvalue().removesuffix("\n")
    if start is None:
        assert printed == line
    else:
        colour, _, rest = printed.partition(start)
        assert colour.startswith("\x1b[1;3")
        assert rest == f"\x1b[0m{line.removeprefix(start)}"


def test_a_line_into_a_pipe_is_as_it_is(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    print_line("hint: do this")
    assert stream.getvalue() == "hint: do this\n"


def test_control_characters_of_a_line_do_not_reach_the_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    say("hint: \x1b[31mred", Options(environ={}))
    assert "\x1b[31m" not in stream.getvalue()
