from __future__ import annotations

import os
import stat
import sys

import pytest

from uv_layers.errors import TargetError
from uv_layers.system import interpreter


def test_an_interpreter_that_is_asked_says_of_itself_what_the_running_one_does():
    assert interpreter.of_interpreter(sys.executable, os.environ) == interpreter.of_running()


def test_an_interpreter_is_asked_without_what_the_environment_puts_before_its_modules(tmp_path):
    (tmp_path / "packaging.py").write_text("raise SystemExit(3)", encoding="utf-8")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert interpreter.of_interpreter(sys.executable, environ) == interpreter.of_running()


def _script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo one >&2; echo two >&2; exit 3", "failed: two; choose another with --python"),
        ("exit 3", "failed: no message; choose another with --python"),
        ("echo hello", "is not a working Python interpreter; choose another with --python"),
    ],
)
def test_an_interpreter_that_fails_is_an_error_with_its_last_line(tmp_path, text, message):
    with pytest.raises(TargetError, match=message):
        interpreter.of_interpreter(_script(tmp_path / "python", text), os.environ)


def test_an_interpreter_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(TargetError, match="cannot run the Python interpreter"):
        interpreter.of_interpreter(str(tmp_path / "python"), os.environ)
