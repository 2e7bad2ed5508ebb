"""One line on the terminal that shows the progress, until the command prints its result."""

from __future__ import annotations

import os
import shutil
import sys
import time
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

# Seconds between two updates of the line, and seconds after which a step shows its time.
_INTERVAL, _LONG = 0.1, 2.0


class Progress:
    """Shows the current steps. Call it with a layer and its step, or an empty text at the end."""

    def __init__(self, *, wanted: bool) -> None:
        self._shown = wanted and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._steps: dict[str, tuple[str, float]] = {}
        self._drawn = ""
        self._guard, self._over = Lock(), Event()
        self._thread = Thread(target=self._keep_drawing, daemon=True)

    def __call__(self, name: str, doing: str = "") -> None:
        with self._guard:
            _, since = self._steps.pop(name, ("", time.monotonic()))
            if doing:
                self._steps[name] = doing, since
            if not self._drawn:
                self._draw()

    def __enter__(self) -> Progress:  # noqa: PYI034 - typing.Self came with Python 3.11
        if self._shown:
            self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._over.set()
        if self._shown:
            self._thread.join()

    def _keep_drawing(self) -> None:
        while not self._over.wait(_INTERVAL):
            with self._guard:
                self._draw()
        with self._guard:
            self._steps.clear()
            self._draw()

    def _draw(self) -> None:
        line = _line(self._steps, shutil.get_terminal_size().columns) if self._shown else ""
        if line != self._drawn:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
            self._drawn = line


def _line(steps: Mapping[str, tuple[str, float]], width: int) -> str:
    """Return the current steps, and their seconds, in one line shorter than `width`."""
    now = time.monotonic()
    texts = [
        f"{name}: {doing}{f' ({now - since:.0f} s)' if now - since >= _LONG else ''}"
        for name, (doing, since) in sorted(steps.items())
    ]
    text = " · ".join(texts)
    return text if len(text) < width else f"{text[: max(width - 2, 0)]}…"
