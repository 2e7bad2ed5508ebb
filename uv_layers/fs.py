"""The layers folder: staging, putting trees in place, records, locks, and deleting only what is ours."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from uv_layers import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

STATE = ".uv-layers"


def write_atomically(path: Path, text: str) -> bool:
    """Write `text` to `path` whole or not at all; return False, and leave it alone, when it holds that already."""
    data = text.encode()
    try:
        if path.read_bytes() == data:
            return False
    except FileNotFoundError:
        pass
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return True


class LayersFolder:
    """A folder of layer trees; `.uv-layers` in it holds their records, locks and staging folders.

    A tree is ours when there is a record of its name. A record is `null` while its tree is being replaced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = path / STATE

    def tree(self, layer: str) -> Path:
        return self.path / layer

    def record(self, layer: str) -> dict[str, Any] | None:
        """Return what `put` recorded of a tree that is in place, or None."""
        try:
            record = json.loads((self._state / f"{layer}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) and self._is_folder(layer) else None

    def rewrite_record(self, layer: str, record: Mapping[str, Any]) -> None:
        """Replace the record of a tree that stays as it is."""
        write_atomically(self._state / f"{layer}.json", json.dumps(record, indent=1) + "\n")

    @contextmanager
    def staging(self, layer: str) -> Iterator[Path]:
        """Hold the layer's lock and yield an empty folder for it, beside the trees and gone afterwards.

        Raises NotOursError when something that uv-layers did not make stands in the tree's place.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            self.path.mkdir()
            # Only into a folder of our own making: in somebody else's it would hide their files from git.
            (self.path / ".gitignore").write_text("*\n", encoding="utf-8")
        self._state.mkdir(exist_ok=True)
        with (self._state / f"{layer}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._refuse_foreign(layer)
            staging = self._state / f"{layer}.staging"
            # Whoever left one behind was killed: a live process holds the lock.
            _remove(staging)
            staging.mkdir()
            try:
                yield staging
            finally:
                _remove(staging)

    def put(self, layer: str, made: Path, record: Mapping[str, Any]) -> None:
        """Put the tree `made` in the place of the layer's old one. At every moment there is the old tree, the
        new one or none, and a record that says no more than is true."""
        write_atomically(self._state / f"{layer}.json", "null\n")
        tree = self.tree(layer)
        if self._is_folder(layer):
            tree.rename(made.with_name("replaced"))
        made.rename(tree)
        self.rewrite_record(layer, record)

    def _refuse_foreign(self, layer: str) -> None:
        tree = self.tree(layer)
        ours = (self._state / f"{layer}.json").is_file() and self._is_folder(layer)
        if os.path.lexists(tree) and not ours:
            raise errors.NotOursError(tree)

    def _is_folder(self, layer: str) -> bool:
        tree = self.tree(layer)
        return tree.is_dir() and not tree.is_symlink()


def _remove(folder: Path) -> None:
    if os.path.lexists(folder):
        shutil.rmtree(folder)
