"""Start other programs, and end them if this one is interrupted."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path


_running: set[subprocess.Popen[Any]] = set()

# The programs that `stop` ended.
_ended: WeakSet[subprocess.Popen[Any]] = WeakSet()
_guard = Lock()
_stops = 0
_unfinished = 0


class Stopped(Exception):  # noqa: N818 - a signal between threads, never shown
    """Raised if `stop` ended a program, or prevented its start."""


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
    show: Callable[[str], object] | None = None,
    timeout: float | None = None,
    files: Sequence[int] = (),
) -> Finished:
    """Run `argv` with the open `files`; `show` gets each line of its standard error as it comes.

    Raises OSError if it cannot start, subprocess.TimeoutExpired after `timeout` seconds, and Stopped.
    """
    child = _start(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if show is None else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(env),
        cwd=cwd,
        text=True,
        encoding="utf-8",
        errors="replace",
        pass_fds=tuple(files),
    )
    try:
        lines = []
        if show is not None and child.stderr is not None:
            for line in child.stderr:
                show(line)
                lines.append(line)
        stdout, stderr = child.communicate(timeout=timeout)
    except BaseException:
        child.kill()
        raise
    finally:
        # Waits, and closes the pipes.
        child.__exit__(None, None, None)
        with _guard:
            _running.discard(child)
    _raise_if_stopped(child)  # its output is incomplete
    return Finished(child.returncode, stdout or "", "".join(lines) or stderr)


def cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def running_shell(environ: Mapping[str, str]) -> str:
    """Return the name of the running shell, the value of `$SHELL`, or an empty text."""
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
    """Run a program until its standard input is closed; raises ChildProcessError if it ends early, and Stopped."""
    child = _start(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(env), cwd=cwd
    )
    if child.stdin is None or child.stdout is None:  # pragma: no cover - both were asked for
        raise AssertionError
    pipes = Worker(child.stdin, child.stdout)
    try:
        yield pipes
    except BrokenPipeError:
        child.kill()
        _raise_if_stopped(child)
        # A BrokenPipeError would mean that the reader of this program's output closed it.
        raise ChildProcessError(f"{argv[0]} ended early") from None
    except BaseException:
        child.kill()
        _raise_if_stopped(child)
        raise
    finally:
        with suppress(BrokenPipeError):
            pipes.stdin.close()
        child.wait()
        pipes.stdout.close()
        with _guard:
            _running.discard(child)
    _raise_if_stopped(child)


def _start(argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    with _guard:
        _raise_if_stopped()
        child = subprocess.Popen(list(argv), **options)  # noqa: S603 - never a shell
        _running.add(child)
    return child


def _raise_if_stopped(child: subprocess.Popen[Any] | None = None) -> None:
    # The `with` block that ended the child may be left by now.
    if _stops or child in _ended:
        raise Stopped


def stop() -> None:
    """End every running program, and start no other."""
    global _stops  # noqa: PLW0603 - one per process, like the children
    with _guard:
        _stops += 1
        for child in _running:
            _ended.add(child)
            child.kill()


@contextmanager
def stopped() -> Iterator[None]:
    """End every running program, and start no other within the `with` block."""
    global _stops  # noqa: PLW0603
    stop()
    try:
        yield
    finally:
        with _guard:
            _stops -= 1


@contextmanager
def finishing() -> Iterator[None]:
    """Mark the `with` block as one that has something to clean up. Raises Stopped."""
    global _unfinished  # noqa: PLW0603
    with _guard:
        _raise_if_stopped()
        _unfinished += 1
    try:
        yield
    finally:
        with _guard:
            _unfinished -= 1


def unfinished() -> bool:
    """Return whether something still has to be cleaned up."""
    return _unfinished > 0
