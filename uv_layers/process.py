"""Starting other programs, and ending them when this one is interrupted."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_running: set[subprocess.Popen[str]] = set()
_guard = Lock()
_closed = False


class Stopped(Exception):  # noqa: N818 - a signal between threads, never shown
    """Raised in a worker thread whose program was not started, because `stopped` came first."""


@dataclass(frozen=True, slots=True)
class Finished:
    status: int
    stdout: str = ""
    stderr: str = ""


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    show: bool = False,
    stdin: str | None = None,
    timeout: float | None = None,
) -> Finished:
    """Run `argv` to its end; with `show`, its standard error goes to this program's.

    Raises OSError when it cannot be started and subprocess.TimeoutExpired after `timeout` seconds.
    """
    with _guard:
        if _closed:
            raise Stopped
        child = subprocess.Popen(  # noqa: S603 - never a shell
            list(argv),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if show else subprocess.PIPE,
            env=dict(env),
            cwd=cwd,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        _running.add(child)
    try:
        stdout, stderr = child.communicate(stdin, timeout)
    except BaseException:
        child.kill()
        child.wait()
        raise
    finally:
        with _guard:
            _running.discard(child)
    return Finished(child.returncode, stdout, stderr or "")


@contextmanager
def stopped() -> Iterator[None]:
    """End every program that `run` has under way, and start no other inside the `with` block."""
    global _closed  # noqa: PLW0603 - one per process, like the children
    with _guard:
        _closed = True
        for child in _running:
            child.kill()
    try:
        yield
    finally:
        _closed = False
