"""Making a tree a function of what is in it: no stray files, fixed modes, one time for everything."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# 1980-01-01, the least time that a ZIP archive can hold, and so the usual floor of SOURCE_DATE_EPOCH.
EPOCH = 315532800
# uv's lock on the folder that it installs into.
_STRAY = ".lock"


def seal(tree: Path, prefix: str, epoch: int = EPOCH) -> tuple[int, int]:
    """Drop stray files and set every mode to 644 or 755 and every mtime, folders too, to `epoch` seconds.

    Symlinks keep their target and get the time. Returns the number of files and their size in bytes.
    """
    (tree / prefix.lstrip("/") / _STRAY).unlink(missing_ok=True)
    files = size = 0
    for folder, _, names in os.walk(tree, topdown=False):
        for entry in os.scandir(folder):
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                os.chmod(entry.path, 0o755 if status.st_mode & stat.S_IXUSR else 0o644)  # noqa: PTH101 - hot
                size += status.st_size
            os.utime(entry.path, (epoch, epoch), follow_symlinks=False)
        files += len(names)
        os.chmod(folder, 0o755)  # noqa: PTH101, S103
    os.utime(tree, (epoch, epoch))
    return files, size
