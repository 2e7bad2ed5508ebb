"""Give trees fixed modes and times, and compare them by one digest."""

from __future__ import annotations

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from uv_layers.system import process
from uv_layers.system.paths import below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from uv_layers.tree.times import Times


FILE, EXECUTABLE, FOLDER = 0o644, 0o755, 0o755

# Files per task: starting a task takes longer than hashing a small file.
_TOGETHER = 16

# Bounds memory: each queued task takes a few kilobytes.
_AT_ONCE = 1000


class Sealed(NamedTuple):
    """The paths of a tree's files and links, the size of the files in bytes, and those files that are executable."""

    paths: set[str]
    size: int
    executable: list[str]


def seal(tree: Path, prefix: str, times: Times) -> Sealed:
    """Remove empty folders, and give every file and folder the mode 644 or 755 and its time.

    Links get only a time. The folder of the prefix stays, even if it is empty.
    """
    top = below(tree, prefix)
    size = 0
    paths: set[str] = set()
    executable = []
    for folder, _, _ in os.walk(tree, topdown=False):
        entries = list(os.scandir(folder))
        # RECORD does not list folders, and pip does not create empty ones.
        if not entries and folder != str(top):
            os.rmdir(folder)  # noqa: PTH106 - hot
            continue
        inner = os.path.relpath(folder, tree)
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            path = entry.name if inner == "." else f"{inner}/{entry.name}"
            seconds = times.default
            if not stat.S_ISDIR(status.st_mode):
                paths.add(path)
                seconds = times.of_file(path)
            if stat.S_ISREG(status.st_mode):
                mode = file_mode(status.st_mode)
                if stat.S_IMODE(status.st_mode) != mode:
                    os.chmod(entry.path, mode)  # noqa: PTH101 - hot
                size += status.st_size
                if mode == EXECUTABLE:
                    executable.append(path)
            os.utime(entry.path, (seconds, seconds), follow_symlinks=False)
        os.chmod(folder, FOLDER)  # noqa: PTH101
    os.utime(tree, (times.default, times.default))
    return Sealed(paths, size, sorted(executable))


def file_mode(mode: int) -> int:
    """Return the mode of a sealed file, executable or not."""
    return EXECUTABLE if mode & stat.S_IXUSR else FILE


class Entry(NamedTuple):
    """A file, link or folder of a tree. The path is relative to the tree, the mtime in whole seconds."""

    path: str
    mode: int
    mtime: int

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def has_content(self) -> bool:
        return self.is_file or self.is_link


def walk(tree: Path) -> list[Entry]:
    """Return the entries of a tree, sorted by path."""
    pending = [""]
    result = []
    while pending:
        folder = pending.pop()
        with os.scandir(tree / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                status = entry.stat(follow_symlinks=False)
                result.append(Entry(path, status.st_mode, int(status.st_mtime)))
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
    return sorted(result, key=lambda entry: os.fsencode(entry.path))


def hashed(tree: Path) -> Iterator[tuple[Entry, str]]:
    """Yield the entries of a tree, sorted by path, each with the SHA-256 of its content in hex.

    The content of a link is its target. A folder has an empty text instead.
    """
    entries = walk(tree)
    parts = [entries[start : start + _TOGETHER] for start in range(0, len(entries), _TOGETHER)]
    with ThreadPoolExecutor(process.cores()) as pool:
        for start in range(0, len(parts), _AT_ONCE):
            for part in pool.map(partial(_hashed, tree), parts[start : start + _AT_ONCE]):
                yield from part


def _hashed(tree: Path, part: Sequence[Entry]) -> list[tuple[Entry, str]]:
    return [(entry, _content(tree, entry)) for entry in part]


def _content(tree: Path, entry: Entry) -> str:
    path = f"{tree}/{entry.path}"  # `tree / entry.path` takes as long as to open the file
    if entry.is_link:
        return hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest()  # noqa: PTH115 - bytes as they are
    return file_content(path) if entry.is_file else ""


def digest(found: Iterable[tuple[Entry, str]]) -> str:
    """Return the digest of a tree, `sha256:…`, from `hashed`; docs/reference/digest.md defines it.

    For each path below the tree, sorted by its bytes, a record of five fields, each ended by a NUL: the type (`d`,
    `f` or `l`), the mode in octal, the mtime in seconds, the SHA-256 of the content in hex (of a symlink its
    target, of a folder nothing), and the path.
    """
    total = hashlib.sha256()
    for entry, sha256 in found:
        kind = "f" if entry.is_file else "l" if entry.is_link else "d"
        # The mode of a link has no meaning, and differs between systems.
        mode = "777" if entry.is_link else f"{stat.S_IMODE(entry.mode):o}"
        fields = (kind, mode, str(entry.mtime), sha256)
        total.update(b"\0".join((*(text.encode() for text in fields), os.fsencode(entry.path), b"")))
    return f"sha256:{total.hexdigest()}"


def identity(path: Path) -> str:
    """Return the SHA-256 of a file, or the target of a link."""
    return f"-> {os.readlink(path)}" if path.is_symlink() else file_content(path)  # noqa: PTH115 - as it was said


def file_content(path: str | Path) -> str:
    """Return the SHA-256 of a file, through any symlink, in hex."""
    hashed = hashlib.sha256()
    with open(path, "rb") as file:  # noqa: PTH123 - hot
        while block := file.read(1 << 20):
            hashed.update(block)
    return hashed.hexdigest()
