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
    """A terminal of 40 columns for standard error."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    return stream


def _shown(stream):
    """Return what the terminal has shown, line after line in the same place."""
    return stream.getvalue().split("\r\x1b[K")[1:]


def test_each_step_is_shown_with_its_name_and_the_line_is_gone_at_the_end(terminal, monkeypatch):
    monkeypatch.setattr(progress, "_INTERVAL", 0.001)
    with Progress(wanted=True) as report:
        report("light", "installing 3 packages")
        report("heavy", "compiling 1 of 2 files")
        wanted = "heavy: compiling 1 of 2 files · light:…"
        while wanted[:20] not in terminal.getvalue():
            time.sleep(0.001)
        report("light")
        while not terminal.getvalue().endswith("\rheavy: compiling 1 of 2 files".replace("\r", "\r\x1b[K")):
            time.sleep(0.001)
    shown = _shown(terminal)
    assert shown[0] == "light: installing 3 packages"
    assert max(map(len, shown)) < 40
    assert shown[-1] == ""


def test_the_first_step_is_shown_at_once(terminal, monkeypatch):
    monkeypatch.setattr(progress, "_INTERVAL", 1000)
    with Progress(wanted=True) as report:
        report("heavy", "installing 1 package")
        assert _shown(terminal) == ["heavy: installing 1 package"]


def test_a_step_that_takes_long_shows_its_seconds(terminal, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    report = Progress(wanted=True)
    report("heavy", "installing 1 package")
    now[0] += 75
    report("heavy", "compiling 1 of 9 files")
    assert progress._line(report._steps, 80) == "heavy: compiling 1 of 9 files (75 s)"  # noqa: SLF001


@pytest.mark.parametrize("case", ["not wanted", "a pipe", "a dumb terminal"])
def test_nothing_is_shown(terminal, monkeypatch, case):
    if case == "a dumb terminal":
        monkeypatch.setenv("TERM", "dumb")
    if case == "a pipe":
        monkeypatch.setattr(terminal, "isatty", lambda: False)
    with Progress(wanted=case != "not wanted") as report:
        report("heavy", "installing 1 package")
    assert terminal.getvalue() == ""


def test_the_line_is_gone_before_an_error_is_shown(terminal):
    def fail():
        with Progress(wanted=True) as report:
            report("heavy", "installing 1 package")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert _shown(terminal) == ["heavy: installing 1 package", ""]
