"""Other programs: starting them, ending them when this one is interrupted, and the shell that started this one."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_running: set[subprocess.Popen[Any]] = set()
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
    timeout: float | None = None,
) -> Finished:
    """Run `argv` to its end; with `show`, its standard error goes to this program's.

    Raises OSError when it cannot be started and subprocess.TimeoutExpired after `timeout` seconds.
    """
    child = _start(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if show else subprocess.PIPE,
        env=dict(env),
        cwd=cwd,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    try:
        stdout, stderr = child.communicate(timeout=timeout)
    except BaseException:
        child.kill()
        raise
    finally:
        # Waits, and closes the pipes.
        child.__exit__(None, None, None)
        with _guard:
            _running.discard(child)
    return Finished(child.returncode, stdout, stderr or "")


def running_shell(environ: Mapping[str, str]) -> str:
    """Return the name of the shell that this runs in, else what `$SHELL` says, else nothing."""
    import shellingham  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        name: str = shellingham.detect_shell()[0]
    except (OSError, RuntimeError, TypeError):
        # No shell among the parents, which it says by an OSError; no way to list them; one without a command line.
        return environ.get("SHELL", "")
    return name


class Worker(NamedTuple):
    """The pipes of a program that answers requests."""

    stdin: IO[Any]
    stdout: IO[Any]


@contextmanager
def worker(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Iterator[Worker]:
    """Run a program that answers requests until its standard input is closed; it says nothing else."""
    child = _start(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(env), cwd=cwd
    )
    if child.stdin is None or child.stdout is None:  # pragma: no cover - both were asked for
        raise AssertionError
    pipes = Worker(child.stdin, child.stdout)
    try:
        yield pipes
    except BaseException:
        child.kill()
        raise
    finally:
        with suppress(BrokenPipeError):
            pipes.stdin.close()
        child.wait()
        pipes.stdout.close()
        with _guard:
            _running.discard(child)


def _start(argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    with _guard:
        if _closed:
            raise Stopped
        child = subprocess.Popen(list(argv), **options)  # noqa: S603 - never a shell
        _running.add(child)
    return child


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
