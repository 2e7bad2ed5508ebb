"""The layers folder: staging folders, records and locks. It deletes only what uv-layers wrote."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.system import process
from uv_layers.system.files import naming, no_link, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


STATE = ".uv-layers"

# Every record has a key of this form.
_KEY = re.compile(r"[0-9a-f]{64}")


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise errors.NotOursError(path)


class LayersFolder:
    """A folder of layer trees; `.uv-layers` in it has their records, locks and staging folders.

    A tree belongs to uv-layers if it has a record with a key. While a tree is replaced, its record has only the key. No
    link in the folder is followed: an untrusted checkout may contain one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = path / STATE

    def tree(self, layer: str) -> Path:
        return self.path / layer

    def record(self, layer: str) -> dict[str, Any] | None:
        """Return the record of a tree that is in place, or None."""
        if self._state.is_symlink() or not self._is_folder(layer):
            return None
        try:
            with open(self._record(layer), encoding="utf-8", opener=no_link) as file:
                record = json.load(file)
        except (OSError, ValueError, RecursionError):
            return None
        return record if isinstance(record, dict) and _KEY.fullmatch(str(record.get("key"))) else None

    def rewrite_record(self, layer: str, record: Mapping[str, Any]) -> None:
        """Replace the record of an unchanged tree."""
        write_atomically(self._record(layer), json.dumps(record, indent=1) + "\n")

    def was_left(self, layer: str) -> bool:
        """Return whether there is a staging folder, of a running or a killed process."""
        return os.path.lexists(self._stagings(layer))

    @contextmanager
    def staging(self, layer: str) -> Iterator[Path]:
        """Hold the layer's lock and yield an empty staging folder, which is removed afterwards.

        Raises NotOursError if uv-layers did not write the tree or its files, UsageError for a layers folder that is a
        dangling link, and Stopped.
        """
        self._make()
        _refuse_link(self._lock(layer))
        with open(self._lock(layer), "w", opener=no_link) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with process.finishing():
                self._refuse_foreign(layer)
                record = self._record(layer)
                for path in (record, record.with_name(f".{record.name}.new"), self._stagings(layer)):
                    _refuse_link(path)
                # Leftovers are from killed processes, as live ones hold the lock. Their uv may still be running, so
                # each staging folder has a name of its own, and a later run removes what cannot be removed now.
                stagings = self._stagings(layer)
                shutil.rmtree(stagings, ignore_errors=True)
                staging = stagings / os.urandom(8).hex()
                staging.mkdir(0o700, parents=True)
                try:
                    with naming(staging):
                        yield staging
                finally:
                    shutil.rmtree(stagings, ignore_errors=True)

    @contextmanager
    def reading(self, layers: Iterable[str]) -> Iterator[None]:
        """Hold the locks of the layers, so that their trees do not change within the `with` block."""
        with ExitStack() as locks:
            for layer in layers:
                with suppress(OSError):
                    lock = locks.enter_context(open(self._lock(layer), "rb", opener=no_link))
                    fcntl.flock(lock, fcntl.LOCK_SH)
            yield

    def _make(self) -> None:
        if self.path.is_symlink() and not self.path.exists():
            place = self.path.readlink()
            raise errors.UsageError(
                f"{self.path} is a symlink to {place}, which does not exist; create it, or choose another --layers-dir"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            self.path.mkdir()
            # Only in a new folder: in an existing one it would hide the user's files from git.
            ignored = self.path / ".gitignore"
            try:
                ignored.write_text("*\n", encoding="utf-8")
            except BaseException:
                ignored.unlink(missing_ok=True)
                self.path.rmdir()
                raise
        _refuse_link(self._state)
        self._state.mkdir(exist_ok=True)

    def _lock(self, layer: str) -> Path:
        return self._state / f"{layer}.lock"

    def _record(self, layer: str) -> Path:
        return self._state / f"{layer}.json"

    def _stagings(self, layer: str) -> Path:
        return self._state / f"{layer}.staging"

    def put(self, layer: str, new: Path, record: Mapping[str, Any]) -> None:
        """Replace the layer's tree with the tree `new`.

        At any moment there is the old tree, the new one or none, and a record that is true. Raises IncompleteTreeError
        if files are missing afterwards, because another program removes the folder at the same time.
        """
        self.rewrite_record(layer, {"key": record["key"]})
        tree = self.tree(layer)
        if self._is_folder(layer):
            tree.rename(new.with_name("replaced"))
        new.rename(tree)
        if sum(len(names) for _, _, names in os.walk(tree)) < record["files"]:
            shutil.rmtree(tree, ignore_errors=True)
            raise errors.IncompleteTreeError(str(tree), expected=True)
        self.rewrite_record(layer, record)

    def _refuse_foreign(self, layer: str) -> None:
        tree = self.tree(layer)
        if os.path.lexists(tree) and self.record(layer) is None:
            raise errors.NotOursError(tree)

    def _is_folder(self, layer: str) -> bool:
        tree = self.tree(layer)
        return tree.is_dir() and not tree.is_symlink()
