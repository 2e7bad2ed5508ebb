"""The program around its commands: signals, standard streams, and the one place that exits."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

import typer

from uv_layers import errors
from uv_layers.cli.app import COMMANDS, app
from uv_layers.cli.terminal import has_colour, print_line
from uv_layers.system import process

if TYPE_CHECKING:
    from types import FrameType

# The exit code after SIGPIPE, if the reader of the output closed it.
_UNREAD = 128 + signal.SIGPIPE
# The base class of BadParameter. Its module depends on Typer's version.
_USAGE_ERROR: Any = typer.BadParameter.__base__
# Seconds for a command to end after a signal, and seconds if it has something to clean up.
_GRACE, _PATIENCE = 1.0, 30.0


def main() -> None:
    """Run the command line and exit with a code of docs/reference/exit-codes.md.

    A thread runs it, and this one waits for its end, or for a signal. So a signal cannot come in the middle of
    anything: it ends the programs that are under way, and the command ends by the error that this is to it.
    """
    _open_closed_streams()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    ended: list[int | BaseException] = []

    def work() -> None:
        try:
            ended.append(_run())
        except BaseException as error:  # noqa: BLE001 - raised again below
            ended.append(error)
        os.write(writer, b"\0")

    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for awaited in (signal.SIGINT, signal.SIGTERM):
        signal.signal(awaited, _noted)
    thread = Thread(target=work, daemon=True)
    thread.start()
    number = os.read(reader, 1)[0]
    if number:
        _end(thread, 128 + number)
    thread.join()
    # The exit code is known: another signal must not change it while Python exits.
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    for end in (reader, writer):
        os.close(end)
    status = 128 + number if number else _status(ended[0])
    _drop_unwritten()
    sys.exit(status)


def _noted(_: int, __: FrameType | None) -> None:
    """No-op: Python writes to the wakeup fd only for signals that have a Python handler."""


def _end(thread: Thread, status: int) -> None:
    """End the programs of the thread, then the thread; ignore further signals.

    The program ends as if it were killed where the thread has nothing to clear away and computes, or waits, on.
    """
    process.stop()
    thread.join(_GRACE)
    last = time.monotonic() + _PATIENCE
    while thread.is_alive() and process.unfinished() and time.monotonic() < last:
        thread.join(_GRACE / 10)
    if thread.is_alive():
        os._exit(status)


def _run() -> int:
    stdout = sys.stdout
    try:
        return app(standalone_mode=False) or 0
    except SystemExit as ended:
        # From completion, or from a closed pipe: then Typer exits with 1, and has replaced the stream.
        return _UNREAD if sys.stdout is not stdout else int(ended.code or 0)
    except _USAGE_ERROR as error:
        if type(error).__name__ != "NoArgsIsHelpError":
            raise errors.UsageError(_usage_problem(error)) from None
        typer.echo(error.message, err=True, color=has_colour(sys.stderr))
        return 2


def _usage_problem(error: Any) -> str:
    """Return the problem of a command line, in one line that names the option or the variable."""
    parameter, context = getattr(error, "param", None), error.ctx
    if parameter is not None:
        source = context.get_parameter_source(parameter.name)
        if source is not None and source.name == "ENVIRONMENT":
            error.param_hint = next(name for name in parameter.envvar if os.environ.get(name))
        elif parameter.param_type_name == "option":
            error.param_hint = " / ".join(parameter.opts)
    problem = " ".join(error.format_message().split()).rstrip(".")
    problem = re.sub(r"\.? \(?(?:Did you mean|Possible options:) ([^?)]+)[?)]+$", r" (did you mean \1?)", problem)
    # An option without its value has no context.
    path = context.command_path if context else " ".join(["uv-layers", *(w for w in sys.argv[1:2] if w in COMMANDS)])
    return f"{problem[:1].lower()}{problem[1:]}; see `{path} --help`"


def _status(ended: int | BaseException) -> int:
    """Return the exit code of a run that ended with a code or by an error, which is printed."""
    if isinstance(ended, int):
        return ended
    if isinstance(ended, OSError):
        ended = errors.MachineError(ended)
    if not isinstance(ended, errors.LayersError):
        raise ended
    with suppress(OSError):  # only the exit code reports it
        if detail := getattr(ended, "detail", ""):
            print_line(detail)
        print_line(f"error[{ended.code}]: {ended}")
    return ended.exit_code


def _drop_unwritten() -> None:
    """Discard what the standard streams could not write, so that Python does not try again, and exit with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # noqa: PERF203 - twice
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_closed_streams() -> None:
    """Open /dev/null for each closed standard stream, so that no other file gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - until the end
