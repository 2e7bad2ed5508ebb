"""`uv.lock`: what it says beside the packages that `uv export` prints."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.system import documents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


_HEAD = re.compile(r'name = "([^"\n]+)"\n(?:version = "([^"\n]*)"\n)?(?:source = \{ ([^\n]*) \}\n)?')


def locked_versions(text: str) -> dict[str, tuple[str, ...]] | None:
    """Return the versions of each package in the text of a `uv.lock`, or None when it is none.

    Of a git source the version has the commit. Only the heads of the tables are read, as uv writes them: a history
    has hundreds of locks, and a TOML parser takes a tenth of a second for each.
    """
    found: dict[str, list[str]] = {}
    for table in text.split("\n[[package]]\n")[1:]:
        match = _HEAD.match(table)
        if match is None:
            return None
        name, version, source = match.groups()
        commit = source.partition("#")[2].split('"')[0] if source and source.startswith("git") else ""
        found.setdefault(name, []).append(f"{version or ''}+{commit}" if commit else version or "")
    return {name: tuple(sorted(values)) for name, values in found.items()} or None


# Sources of a package that is a folder.
_FOLDER = re.compile("(?:directory|editable|virtual) = ")


_SEPARATOR = "\n[[package]]\n"


_NAME = re.compile(r'name = "([^"\n]+)"\n')


@dataclass(frozen=True)
class UvLock:
    """The head of a `uv.lock`, and the text of each package's table by its name.

    Only the tables that are asked for are parsed: a lock has thousands, and a TOML parser takes a tenth of a second.
    """

    head: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)

    @property
    def requires_python(self) -> str:
        """The versions of Python that every member of the workspace supports."""
        value = self.head.get("requires-python", "")
        return value if isinstance(value, str) else ""

    @cached_property
    def environments(self) -> tuple[str, ...]:
        """The markers of `tool.uv.environments`; the lock has no packages for other targets."""
        return _strings(self.head.get("supported-markers"))

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The packages of the workspace; none where the project is the only one."""
        return _strings(_table(self.head.get("manifest")).get("members"))

    @cached_property
    def local(self) -> tuple[str, ...]:
        """The packages that come from folders."""
        heads = ((name, _HEAD.match(table)) for name, table in self.tables.items())
        return tuple(name for name, head in heads if head and _FOLDER.match(head[3] or ""))

    def package(self, name: str) -> LockedPackage:
        """Return what the lock says about a package that uv read from sources; nothing for an unknown name."""
        if name not in self.tables:
            return LockedPackage()
        table = _table(_parsed(f"[package]\n{self.tables[name]}").get("package"))
        metadata = _table(table.get("metadata"))
        groups = {**_table(metadata.get("requires-dev")), **_table(table.get("dev-dependencies"))}
        provided = _strings(metadata.get("provides-extras"))
        extras = dict.fromkeys([*provided, *_table(table.get("optional-dependencies"))])
        return LockedPackage(tuple(groups), tuple(extras), bool(table.get("dependencies")))


@dataclass(frozen=True)
class LockedPackage:
    """The groups and extras of a package, and whether it depends on anything."""

    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    has_dependencies: bool = False


def check_size(path: Path) -> None:
    """Raise UnreadableFileError for a lock that is larger than any that uv writes."""
    if path.stat().st_size > documents.LARGEST_LOCK:
        raise errors.UnreadableFileError(path, f"it has more than {documents.LARGEST_LOCK} bytes")


def read_uv_lock(path: Path) -> UvLock:
    """Return the lock at `path`; one that is not valid says nothing, and uv reports why it is not.

    Raises UnreadableFileError for a file that is too large, and OSError.
    """
    check_size(path)
    head, *tables = path.read_text(encoding="utf-8", errors="replace").split(_SEPARATOR)
    named: dict[str, str] = {}
    for table in tables:
        if match := _NAME.match(table):
            named.setdefault(match[1], table)
    return UvLock(_parsed(head), named)


def _parsed(text: str) -> dict[str, Any]:
    try:
        return documents.parsed(text)
    except ValueError:
        return {}


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _strings(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
