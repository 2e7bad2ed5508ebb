"""Output that nobody reads, that finds no room, or has no place to go."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

PROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["web", "numbers"]
"""


@pytest.fixture
def shell(project):
    """Return a function that has a shell run a line, `uv-layers` being this program, and says how that ended."""
    folder = project(PROJECT)

    def call(line):
        program = f'uv-layers() {{ {shlex.quote(sys.executable)} -m uv_layers "$@"; }}\n'
        done = subprocess.run(
            ["bash", "-c", program + line], cwd=folder, capture_output=True, text=True, check=False, timeout=120
        )
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
        return done

    return call


@pytest.mark.parametrize("words", ["plan --json", "plan", "dockerfile", "--help", "export -q; uv-layers export --json"])
def test_a_reader_that_goes_away_ends_it_in_silence(shell, words):
    # The reader is gone before the first byte comes.
    done = shell(f"set -o pipefail; {{ sleep 1; uv-layers {words}; echo $? >&2; }} | true")
    assert done.stderr.splitlines()[-1] == "141"
    assert "error[" not in done.stderr


def test_a_reader_that_has_what_it_wants(shell):
    done = shell("uv-layers plan | head -1; echo ${PIPESTATUS[0]}")
    assert done.stdout.splitlines()[0].startswith("layer ")
    assert done.stdout.splitlines()[-1] in {"0", "141"}
    assert done.stderr == ""


@pytest.mark.parametrize("words", ["plan --json", "plan", "dockerfile", "cache dir", "--version"])
def test_no_room_for_the_output(shell, words):
    done = shell(f"uv-layers {words} > /dev/full")
    assert done.returncode == 4
    last = "error[machine]: No space left on device; free disk space, or choose another folder"
    # `dockerfile` prints a hint where uv-layers was installed from a file.
    assert [line for line in done.stderr.splitlines() if not line.startswith("hint: ")] == [last]


def test_no_room_for_what_is_said(shell):
    assert shell("uv-layers export 2> /dev/full").returncode == 4
    # Only the exit code tells of an error that cannot be printed.
    assert shell("uv-layers nonsense 2> /dev/full").returncode == 2
    assert shell("uv-layers plan --group nope 2> /dev/full").returncode == 2


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(shell, closed):
    done = shell(f"uv-layers plan {closed}; echo $?; uv-layers install --all {closed}; echo $?")
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stdout.splitlines().count("0") == 2
    done = shell(f"uv-layers plan --group nope {closed}; echo $?")
    assert done.stdout == "2\n"


def test_a_command_that_is_stuck_with_its_output_ends_by_a_signal(start, project, until):
    folder = project(PROJECT)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writer, True)
    # Its standard output is a pipe that is full, which nobody reads from.
    program = start(
        "plan", "--json", cwd=folder, before=("bash", "-c", f'exec "$@" >&{writer}', "bash"), keep=(writer,)
    )
    until(lambda: _writes(program.process.pid))
    ended = program.end(15)
    assert (ended.status, ended.stderr) == (143, "")
    os.close(reader)
    os.close(writer)


def _writes(pid: int) -> bool:
    """Tell whether a thread of a process waits for room in a pipe."""
    for path in Path(f"/proc/{pid}/task").glob("*/syscall"):
        with suppress(OSError):  # a thread may have ended
            if path.read_text(encoding="utf-8").split()[:2] == ["1", "0x1"]:
                return True
    return False
