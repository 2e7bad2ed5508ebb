from __future__ import annotations

import io
import sys
import time

import pytest

from uv_layers.cli import progress
from uv_layers.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes standard error a terminal of 40 columns."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "_LONG", float("inf"))

    def call():
        # Not in the fixture itself: pytest replaces the stream between that and the test.
        monkeypatch.setattr(sys, "stderr", stream := Terminal())
        return stream

    return call


def _await(stream, text):
    """Wait until the terminal has shown a text."""
    last = time.monotonic() + 60
    while text not in stream.getvalue():
        assert time.monotonic() < last
        time.sleep(0.001)


def _shown(stream):
    """Return what the terminal has shown, line after line in the same place."""
    return stream.getvalue().split("\r\x1b[K")[1:]


def test_each_step_is_shown_with_its_name_and_the_line_is_gone_at_the_end(terminal, monkeypatch):
    stream = terminal()
    monkeypatch.setattr(progress, "_INTERVAL", 0.001)
    with Progress(wanted=True) as report:
        report("light", "installing 3 packages")
        report("heavy", "compiling 1 of 2 files")
        _await(stream, "heavy: compiling 1 of 2 files · light:…")
        report("light")
        report("heavy", "checking files")
        _await(stream, "\x1b[Kheavy: checking files")
    shown = _shown(stream)
    assert shown[0] == "light: installing 3 packages"
    assert max(map(len, shown)) < 40
    assert shown[-1] == ""


def test_the_first_step_is_shown_at_once(terminal, monkeypatch):
    stream = terminal()
    monkeypatch.setattr(progress, "_INTERVAL", 1000)
    with Progress(wanted=True) as report:
        report("heavy", "installing 1 package")
        assert _shown(stream) == ["heavy: installing 1 package"]


def test_a_step_that_takes_long_shows_its_seconds(terminal, monkeypatch):
    terminal()
    monkeypatch.setattr(progress, "_LONG", 2.0)
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    report = Progress(wanted=True)
    report("heavy", "installing 1 package")
    now[0] += 75
    report("heavy", "compiling 1 of 9 files")
    assert progress._line(report._steps, 80) == "heavy: compiling 1 of 9 files (75 s)"  # noqa: SLF001


@pytest.mark.parametrize("case", ["not wanted", "a pipe", "a dumb terminal"])
def test_nothing_is_shown(terminal, monkeypatch, case):
    stream = terminal()
    if case == "a dumb terminal":
        monkeypatch.setenv("TERM", "dumb")
    if case == "a pipe":
        monkeypatch.setattr(stream, "isatty", lambda: False)
    with Progress(wanted=case != "not wanted") as report:
        report("heavy", "installing 1 package")
    assert stream.getvalue() == ""


def test_the_line_is_gone_before_an_error_is_shown(terminal):
    stream = terminal()

    def fail():
        with Progress(wanted=True) as report:
            report("heavy", "installing 1 package")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert _shown(stream) == ["heavy: installing 1 package", ""]
