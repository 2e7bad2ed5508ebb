"""The record that `install` writes of each tree, as JSON."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from uv_layers.system.documents import LARGEST_NUMBER, fits
from uv_layers.tree.installed import Clash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uv_layers.tree.folder import LayersFolder


@dataclass(frozen=True, slots=True)
class Record:
    """A tree, and what it was built from.

    `key` is a digest of everything that decides the tree, `stamp` a digest of the part that is known without starting
    uv, and `interpreter` the path, time and size of the interpreter. `made` has the identity of each file without a
    hash in a RECORD, by path. `latest` is SOURCE_DATE_EPOCH in seconds. `size` is in bytes. `exclude_files` are the
    patterns of excluded files, and `excluded` the bytes that they save, by package.
    """

    prefix: str
    sites: list[str]
    packages: int
    files: int
    size: int
    built: list[str]
    clashes: list[Clash]
    invalid: int
    latest: int | None
    executable: list[str]
    made: dict[str, str]
    exclude_files: list[str] = field(default_factory=list)
    excluded: dict[str, int] = field(default_factory=dict)
    key: str = ""
    stamp: str = ""
    interpreter: list[Any] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def recorded(folder: LayersFolder, layer: str) -> Record | None:
    """Return the record of a tree, or None if it is not valid."""
    value = folder.record(layer)
    return None if value is None else parsed(value)


_SHAPE = {
    **dict.fromkeys(("key", "stamp", "prefix"), str),
    **dict.fromkeys(("packages", "files", "size", "invalid"), int),
    **{name: [str] for name in ("sites", "built", "executable", "exclude_files")},
    "latest": (int, type(None)),
    "made": {str: str},
    "excluded": {str: int},
    "interpreter": list,
    "clashes": [{"path": str, "owners": [str]}],
}


def parsed(value: Mapping[str, Any]) -> Record | None:
    """Return a record from untrusted JSON, or None if it is not valid."""
    numbers = (value.get(name) for name in ("packages", "files", "size", "invalid", "latest"))
    if not fits(value, _SHAPE) or not value["interpreter"] or not isinstance(value["interpreter"][0], str):
        return None
    if not all(0 <= (number or 0) <= LARGEST_NUMBER for number in (*numbers, *value["excluded"].values())):
        return None
    clashes = [Clash(clash["path"], tuple(clash["owners"])) for clash in value["clashes"]]
    fields: dict[str, Any] = {name: value.get(name) for name in Record.__dataclass_fields__}
    return Record(**{**fields, "clashes": clashes})


def identity(path: str) -> list[Any]:
    """Return the path, time and size of an interpreter, which change if it is replaced."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):  # a record may have an invalid path
        return [path]
    return [path, status.st_mtime_ns, status.st_size]
