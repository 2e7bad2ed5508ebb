"""The record that `install` writes of each tree, as JSON."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from uv_layers.system.documents import LARGEST_NUMBER
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


def parsed(value: Mapping[str, Any]) -> Record | None:
    """Return a record from untrusted JSON, or None if it is not valid."""
    texts, numbers = (value.get(name) for name in ("key", "stamp", "prefix")), ("packages", "files", "size", "invalid")
    lists = [value.get(name) for name in ("sites", "built", "executable", "exclude_files")]
    clashes, made, interpreter = (value.get(name) for name in ("clashes", "made", "interpreter"))
    excluded = value.get("excluded")
    if not (
        all(isinstance(text, str) for text in texts)
        and all(_is_number(value.get(name)) for name in numbers)
        and (value.get("latest") is None or _is_number(value["latest"]))
        and all(map(_is_texts, lists))
        and isinstance(made, dict)
        and _is_texts(list(made.values()))
        and isinstance(excluded, dict)
        and all(map(_is_number, excluded.values()))
        and isinstance(interpreter, list)
        and _is_texts(interpreter[:1])
        and interpreter
        and isinstance(clashes, list)
        and all(map(_is_clash, clashes))
    ):
        return None
    known: dict[str, Any] = {name: value.get(name) for name in Record.__dataclass_fields__}
    found = [Clash(clash["path"], tuple(clash["owners"])) for clash in clashes]
    return Record(**{**known, "clashes": found})


def _is_number(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= LARGEST_NUMBER


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_clash(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("path"), str) and _is_texts(value.get("owners"))


def identity(path: str) -> list[Any]:
    """Return the path, time and size of an interpreter, which change if it is replaced."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):  # a record may have an invalid path
        return [path]
    return [path, status.st_mtime_ns, status.st_size]
