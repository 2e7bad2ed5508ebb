"""What tests of several modules say in the same words."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def facts(root: Path) -> dict[str, tuple[str, int, bytes]]:
    """Return all that an image layer has of a tree: type, mode, time and content or target, by path."""
    found = {}
    for path in (root, *sorted(root.rglob("*"))):
        status = path.lstat()
        content = b""
        if path.is_symlink():
            content = os.fsencode(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        found[str(path.relative_to(root))] = (stat.filemode(status.st_mode), status.st_mtime_ns, content)
    return found


def said(*words: os.PathLike[str] | str, **environ: str) -> str:
    """Return what a program prints that ends well."""
    done = subprocess.run(words, env=os.environ | environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit(git, folder: os.PathLike[str]) -> None:
    """Commit all that is in a folder."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "a message")
