"""The bytecode cache: one file for each wheel, by its key."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from uv_layers import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


# Increase it if the format of entries, or the output of the worker, changes.
FORMAT = 5
_HEADER = f"uv-layers bytecode {FORMAT}\n".encode()

_CACHE_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n# The cache of uv-layers: `uv-layers cache clean` empties it.\n"
)

_DAY = 86400


class Cache:
    """A folder of bytecode entries. They are written atomically; a damaged entry counts as missing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries = path / f"bytecode-v{FORMAT}"

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Cache:
        """Return the cache in UV_LAYERS_CACHE_DIR, or in the user's cache folder, as uv does."""
        if chosen := environ.get("UV_LAYERS_CACHE_DIR"):
            return cls(Path(chosen).absolute())
        base = environ.get("XDG_CACHE_HOME", "")
        try:
            home = Path(base) if base.startswith("/") else Path.home() / ".cache"
        except RuntimeError:
            raise errors.UsageError("no home folder for the bytecode cache; set UV_LAYERS_CACHE_DIR") from None
        return cls(home / "uv-layers")

    def _entry(self, key: str) -> Path:
        return self._entries / key[:2] / key

    def get(self, key: str) -> dict[str, bytes | None] | None:
        """Return bytecode by source, None for a source with a syntax error; or None if there is no entry."""
        path = self._entry(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        start = len(_HEADER) + 32
        if data[: len(_HEADER)] != _HEADER or _checksum(key, data[start:]) != data[len(_HEADER) : start]:
            return None
        with suppress(OSError):  # a read-only cache
            os.utime(path)
        # The checksum finds damage, not tampering.
        try:
            names, *codes = _unpacked(data, start)
            found = dict(zip(json.loads(names or b""), codes, strict=True))
        except (TypeError, ValueError, RecursionError, struct.error):
            return None
        return found if all(isinstance(name, str) and "\0" not in name for name in found) else None

    def put(self, key: str, codes: Mapping[str, bytes | None]) -> None:
        """Write an entry, unless the cache is read-only."""
        parts = (json.dumps(list(codes)).encode(), *codes.values())
        payload = b"".join(piece for part in parts for piece in _packed(part))
        path = self._entry(key)
        # Not the process ID: two containers that share a cache may have the same.
        temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            tag = self.path / "CACHEDIR.TAG"
            if not tag.exists():
                tag.write_text(_CACHE_TAG, encoding="utf-8")
            with temporary.open("wb") as file:
                file.writelines((_HEADER, _checksum(key, payload), payload))
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def size(self) -> tuple[int, int]:
        """Return the number of entries and their size in bytes."""
        sizes = [status.st_size for _, status in self._files()]
        return len(sizes), sum(sizes)

    def prune(self, days: int, now: float | None = None) -> tuple[int, int]:
        """Remove the entries that were not used for `days` days, and return how many and how many bytes."""
        limit = (time.time() if now is None else now) - days * _DAY
        removed = size = 0
        for path, status in self._files():
            if status.st_mtime <= limit:
                path.unlink(missing_ok=True)
                removed, size = removed + 1, size + status.st_size
        return removed, size

    def clean(self) -> tuple[int, int]:
        """Remove every entry, of every version of uv-layers, and return how many and how many bytes."""
        before = self.size()
        for folder in self.path.glob("bytecode-v*"):
            shutil.rmtree(folder, ignore_errors=True)
        after = self.size()
        return before[0] - after[0], before[1] - after[1]

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in sorted(self.path.glob("bytecode-v*/*/*")):
            with suppress(FileNotFoundError):  # others may prune, too
                yield path, path.stat()


def _checksum(key: str, payload: bytes) -> bytes:
    # With the key: an entry under another name must not be valid.
    return hashlib.sha256(key.encode() + payload).digest()


def _packed(code: bytes | None) -> tuple[bytes, bytes]:
    return struct.pack("<q", -1 if code is None else len(code)), code or b""


def _unpacked(data: bytes, start: int) -> Iterator[bytes | None]:
    while start < len(data):
        (length,) = struct.unpack_from("<q", data, start)
        start += 8
        yield None if length < 0 else data[start : start + length]
        start += max(length, 0)
