"""The entry point, before the command line is imported."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType


def main() -> None:
    """Import the command line and run it; a signal before that ends the program at once and prints nothing."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    from uv_layers.cli.main import main as run  # noqa: PLC0415 - after the handlers

    run()


def _end(number: int, _: FrameType | None) -> NoReturn:
    # During imports, an exception could be lost, or printed. There is nothing to clean up yet.
    os._exit(128 + number)


if __name__ == "__main__":
    main()
