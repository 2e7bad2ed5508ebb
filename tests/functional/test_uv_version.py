"""What answers in uv's place: no release of uv is at hand that is too old, so the test says it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from uv_layers.errors import UvFailedError, UvNotFoundError, UvTooOldError
from uv_layers.system.uv import MINIMUM, Uv


def _uv(folder, script):
    path = folder / "uv"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return Uv(str(path), os.environ)


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("uv 0.11.15", (0, 11, 15)),
        ("uv 0.12.3 (0123456 2026-01-02)", (0, 12, 3)),
        ("uv 1.0.0 (0123456 2027-01-02 x86_64-unknown-linux-gnu)", (1, 0, 0)),
    ],
)
def test_a_version_is_compared_by_its_numbers(tmp_path, answer, version):
    assert _uv(tmp_path, f"echo '{answer}'").version == version
    assert version >= MINIMUM


def test_a_uv_that_is_too_old_is_an_error_that_says_what_is_needed(tmp_path):
    uv = _uv(tmp_path, "echo 'uv 0.11.14'")
    with pytest.raises(
        UvTooOldError,
        match=r"is uv 0\.11\.14, but uv-layers needs 0\.11\.15 or newer; update it, e.g. with `uv self update`$",
    ):
        _ = uv.version


@pytest.mark.parametrize("script", ["echo hello", "exit 0", "echo 'uv 0.11.15'; exit 1"])
def test_what_does_not_answer_as_uv_does_is_no_uv(tmp_path, script):
    uv = _uv(tmp_path, script)
    with pytest.raises(UvNotFoundError, match="--version did not print a version of uv"):
        _ = uv.version


def test_a_uv_that_is_killed_before_it_answers_is_not_said_to_be_none(tmp_path):
    with pytest.raises(UvFailedError, match=r"^uv was killed by signal 9; .*/uv --version$"):
        _ = _uv(tmp_path, "kill -KILL $$").version


def test_what_does_not_run_is_no_uv(tmp_path):
    path = tmp_path / "uv"
    path.write_bytes(b"\x7fELF, but no more than that")
    path.chmod(0o755)
    with pytest.raises(UvNotFoundError, match="cannot be run"):
        _ = Uv(str(path), os.environ).version


@pytest.mark.parametrize("ask", [lambda uv: uv.export([], Path()), lambda uv: uv.find_python([])])
def test_the_version_is_checked_before_anything_is_asked(tmp_path, ask):
    with pytest.raises(UvTooOldError):
        ask(_uv(tmp_path, "echo 'uv 0.11.14'"))
