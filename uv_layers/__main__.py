"""Where the program starts, before the command line is loaded."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType


def main() -> None:
    """Load the command line and run it; a signal that comes before it runs ends the program at once, in silence."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    from uv_layers.cli.runtime import main as run  # noqa: PLC0415 - after the handlers

    run()


def _end(number: int, _: FrameType | None) -> NoReturn:
    # An exception could be lost, or shown, in what imports do. There is nothing yet that one would have to clear away.
    os._exit(128 + number)


if __name__ == "__main__":
    main()
