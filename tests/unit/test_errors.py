from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from uv_layers import errors
from uv_layers.errors import LayersError, printable

# Colour, a line break, a carriage return, NUL, a line separator, a right-to-left override, a lone surrogate.
HOSTILE = "a\x1b[31m\nb\r\x00c\u2028\u202ed\udce9"
PATH = Path(HOSTILE) / "e"

# Each error, made of hostile text, with its exit code and its code: programs depend on both.
TABLE: list[tuple[LayersError, int, str]] = [
    (errors.ProjectNotFoundError(PATH), 2, "no-project"),
    (errors.UnreadableFileError(PATH, HOSTILE), 2, "unreadable-file"),
    (errors.LockNotFoundError(PATH), 2, "no-lock"),
    (errors.StaleLockError(PATH), 2, "stale-lock"),
    (errors.StaleDockerfileError([HOSTILE], [HOSTILE]), 2, "stale-dockerfile"),
    (errors.ConfigError(HOSTILE, HOSTILE, HOSTILE), 2, "bad-config"),
    (errors.LayerNameError(HOSTILE, HOSTILE), 2, "bad-layer-name"),
    (errors.DuplicateLayerError(HOSTILE, HOSTILE), 2, "duplicate-layer"),
    (errors.UnknownLayerError(HOSTILE, [HOSTILE], [HOSTILE]), 2, "unknown-layer"),
    (errors.UnknownGroupError(HOSTILE, HOSTILE, [HOSTILE]), 2, "unknown-group"),
    (errors.UnknownExtraError(HOSTILE, HOSTILE, [HOSTILE]), 2, "unknown-extra"),
    (errors.NoLayersError(PATH), 2, "no-layers"),
    (errors.PatternError(HOSTILE, HOSTILE, HOSTILE), 2, "unmatched-pattern"),
    (errors.TwoVersionsError(HOSTILE, (HOSTILE, HOSTILE), (HOSTILE, HOSTILE)), 2, "two-versions"),
    (errors.RefusedError(HOSTILE), 2, "refused"),
    (errors.UnsupportedTargetError(HOSTILE, [HOSTILE]), 2, "unsupported-target"),
    (errors.SourceNameError(HOSTILE, HOSTILE, HOSTILE), 2, "source-name"),
    (errors.NoWheelError(HOSTILE, HOSTILE, HOSTILE, build_forbidden=False), 2, "no-wheel"),
    (errors.UnsupportedSourceError(HOSTILE, HOSTILE), 2, "unsupported-source"),
    (errors.LocalFolderError(HOSTILE, HOSTILE), 2, "local-folder"),
    (errors.LayerLockError(PATH, HOSTILE), 2, "bad-layer-lock"),
    (errors.LayerLockNotFoundError(PATH, [HOSTILE]), 2, "no-layer-lock"),
    (errors.TargetError(HOSTILE), 2, "bad-target"),
    (errors.PythonMismatchError(HOSTILE, HOSTILE, HOSTILE), 2, "python-mismatch"),
    (errors.NotOursError(PATH), 2, "not-ours"),
    (errors.MarksError(HOSTILE, 2, HOSTILE), 2, "no-marks"),
    (errors.ExcludedError(PATH, [HOSTILE], HOSTILE, [HOSTILE]), 2, "excluded"),
    (errors.GitError(HOSTILE), 2, "git"),
    (errors.UsageError(HOSTILE), 2, "usage"),
    (errors.NotBuiltError([HOSTILE], PATH), 2, "not-built"),
    (errors.ShellNotFoundError([HOSTILE]), 2, "no-shell"),
    (errors.UnknownShellError(HOSTILE, [HOSTILE]), 2, "unknown-shell"),
    (errors.PathSeparatorError(HOSTILE, HOSTILE), 2, "path-separator"),
    (errors.UvNotFoundError(HOSTILE), 3, "no-uv"),
    (errors.UvTooOldError(HOSTILE, HOSTILE, HOSTILE), 3, "old-uv"),
    (errors.UvFailedError(HOSTILE, 2, HOSTILE), 3, "uv-failed"),
    (errors.MachineError(OSError(errno.ENOSPC, HOSTILE, HOSTILE)), 4, "machine"),
    (errors.CompileError(HOSTILE, HOSTILE), 4, "compile-failed"),
    (errors.ClashError(HOSTILE, [HOSTILE, HOSTILE]), 2, "clash"),
    (errors.BaseImageError(HOSTILE), 2, "base-image"),
    (errors.ForeignMetadataError(HOSTILE, HOSTILE, HOSTILE), 2, "foreign-metadata"),
    (errors.IncompleteTreeError(HOSTILE, expected=False), 4, "incomplete-tree"),
]


def _subclasses(of):
    for kind in of.__subclasses__():
        yield kind
        yield from _subclasses(kind)


def test_every_error_is_in_the_table():
    assert {type(error) for error, _, _ in TABLE} == {
        kind for kind in _subclasses(LayersError) if kind.__module__ == "uv_layers.errors"
    }


@pytest.mark.parametrize(("error", "exit_code", "code"), TABLE, ids=[code for _, _, code in TABLE])
def test_exit_code_and_code_are_stable(error, exit_code, code):
    assert (error.exit_code, error.code) == (exit_code, code)


@pytest.mark.parametrize("error", [pytest.param(error, id=code) for error, _, code in TABLE])
def test_a_message_is_one_line_that_cannot_drive_the_terminal(error):
    assert str(error).isprintable()
    assert "\\x1b[31m" in str(error)


def test_codes_are_unique_words():
    codes = [code for _, _, code in TABLE]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, émigré 東京", "plain text, émigré 東京"),
        ("a\nb", "a\\nb"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\u202e", "\\u202e"),
        ("\udce9", "\\udce9"),
        ("", ""),
    ],
)
def test_printable_escapes_what_is_not_text(text, shown):
    assert printable(text) == shown


def test_an_unknown_layer_lists_the_known_ones_and_the_groups_that_could_become_one():
    assert str(errors.UnknownLayerError("x", ["a", "b"], ["docs"])) == (
        "no layer or dependency group 'x'; layers: a, b; other dependency groups: docs"
    )
    assert str(errors.UnknownLayerError("x", [], [])) == "no layer or dependency group 'x'; layers: none"


@pytest.mark.parametrize(
    ("build_forbidden", "step"),
    [(True, "allow the build, or choose another version"), (False, "choose another version, Python or platform")],
)
def test_a_missing_wheel_says_what_can_be_done(build_forbidden, step):
    message = str(errors.NoWheelError("torch", "2.4.0", "CPython 3.13", build_forbidden=build_forbidden))
    assert message.startswith("torch 2.4.0 has no wheel for CPython 3.13, ")
    assert message.endswith(step)


@pytest.mark.parametrize(
    ("status", "said", "how"),
    [
        (2, "two\nlines", "uv failed with exit code 2; "),
        (
            2,
            "Permission denied (os error 13)",
            "uv failed with exit code 2; check the folder's permissions, or choose another folder ",
        ),
        (2, "No space left on device (os error 28)", "uv failed with exit code 2; free disk space, "),
        (-9, "", "uv was killed by signal 9; run the command again, with more memory "),
        (-25, "", "uv was killed by signal 25; the command was: "),
    ],
)
def test_a_failure_of_uv_has_the_command_and_keeps_its_own_words_apart(status, said, how):
    error = errors.UvFailedError("uv lock --check", status, said)
    assert str(error).startswith(how)
    assert str(error).endswith("; the command was: uv lock --check")
    assert error.detail == said


ROOM = "; free disk space, or choose another folder"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "layers/heavy"),
            f"No space left on device: layers/heavy{ROOM}",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), f"No space left on device{ROOM}"),
        (
            OSError(errno.EROFS, "Read-only file system", "a"),
            "Read-only file system: a; check the folder's permissions, or choose ",
        ),
        (OSError("something else"), "something else"),
    ],
)
def test_a_machine_error_says_what_and_where(error, message):
    assert str(errors.MachineError(error)).startswith(message)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        (["a"], "['a']"),
        ("a" * 98, f"'{'a' * 98}'"),
        ("a" * 99, f"'{'a' * 99}…"),
    ],
    ids=["text", "list", "longest", "longer"],
)
def test_a_value_is_shown_in_the_length_of_a_line(value, text):
    assert errors.shown(value) == text


def test_a_line_has_an_end():
    assert str(LayersError("a" * 4000)) == "a" * 4000
    assert str(LayersError("a" * 2000 + "b" * 2000 + "c" * 2000)) == f"{'a' * 2000} … {'c' * 2000}"


@pytest.mark.parametrize(("command", "line"), [("", "it failed"), ("uv pip", "it failed; the command was: uv pip")])
def test_a_failure_of_uv_whose_cause_is_known_says_that(command, line):
    error = errors.UvFailedError(command, 1, "words", "it failed")
    assert (str(error), error.detail) == (line, "words")


def test_what_uv_says_cannot_drive_the_terminal():
    detail = errors.UvFailedError("uv", 2, f"one\n{HOSTILE}\ntwo").detail
    assert all(line.isprintable() for line in detail.split("\n"))
    assert detail.startswith("one\n")
    assert detail.endswith("\ntwo")
