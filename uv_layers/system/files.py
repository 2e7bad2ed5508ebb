"""Read and write whole files."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from stat import S_IMODE
from typing import TYPE_CHECKING, BinaryIO

from uv_layers import errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path


def write_atomically(path: Path, text: str) -> bool:
    """Write `text` to `path` completely or not at all; return False if the file already has this text.

    An existing file keeps its mode, owner and other hard links.
    """
    data = text.encode()
    # A fixed name, so that the next process reuses or removes the file of a killed one.
    temporary = path.with_name(f".{path.name}.uv-layers")
    try:
        old, stat = path.read_bytes(), path.stat()
    except FileNotFoundError:
        old, stat = b"", None
    if stat and old == data:
        if temporary.exists():
            with suppress(OSError), _alone(temporary):
                temporary.unlink()
        return False
    with naming(path), _alone(temporary) as file:
        try:
            created = os.fstat(file.fileno())
            if stat and (stat.st_nlink > 1 or (stat.st_uid, stat.st_gid) != (created.st_uid, created.st_gid)):
                _overwrite(path, old, data)
                temporary.unlink()
            else:
                if stat:
                    os.fchmod(file.fileno(), S_IMODE(stat.st_mode))
                file.write(data)
                file.flush()
                temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return True


def _overwrite(path: Path, old: bytes, new: bytes) -> None:
    """Write to a file that must not be replaced, because of its other links or its owner."""
    with path.open("r+b", buffering=0) as file:
        try:
            _fill(file, new)
        except BaseException:
            # There is room: the file was not truncated yet.
            _fill(file, old)
            raise


def _fill(file: FileIO, data: bytes) -> None:
    file.seek(0)
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
    file.truncate()


@contextmanager
def _alone(path: Path) -> Iterator[BinaryIO]:
    """Open an empty file for only one process at a time."""
    while True:
        with open(path, "ab", opener=no_link) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # The previous owner of the lock may have moved the file.
            if _is_at(file, path):
                file.truncate(0)
                yield file
                return


def no_link(path: str, flags: int) -> int:
    """Open a file without following a link, which an untrusted checkout may contain."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the path to errors of writes, which do not have one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def read_text(path: Path) -> str:
    """Return the text of a file with its line ends as they are; raises UnreadableFileError."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise errors.UnreadableFileError(path, error) from None
