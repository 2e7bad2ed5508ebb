"""`uv.lock`: what it says beside the packages that `uv export` prints."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.system import documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
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


_SEPARATOR = "\n[[package]]\n"


_LOCAL = ("editable", "directory", "virtual")
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

    def package(self, name: str) -> LockedPackage:
        """Return what the lock says about a package that uv read from sources; nothing for an unknown name."""
        if name not in self.tables:
            return LockedPackage()
        table = _table(_parsed(f"[package]\n{self.tables[name]}").get("package"))
        metadata = _table(table.get("metadata"))
        groups = {**_table(metadata.get("requires-dev")), **_table(table.get("dev-dependencies"))}
        provided = _strings(metadata.get("provides-extras"))
        extras = dict.fromkeys([*provided, *_table(table.get("optional-dependencies"))])
        needs = {
            "dependencies": {"": table.get("dependencies")},
            "group": _table(table.get("dev-dependencies")),
            "extra": _table(table.get("optional-dependencies")),
        }
        named = {(kind, name): _names(values) for kind, found in needs.items() for name, values in found.items()}
        kind = next((kind for kind in _LOCAL if kind in _table(table.get("source"))), "")
        return LockedPackage(tuple(groups), tuple(extras), bool(table.get("dependencies")), kind, named)

    def local_packages(self, names: Iterable[str], kind: str, name: str = "") -> set[str]:
        """Return the packages in local folders that uv installs for a claim of some packages of the workspace.

        The `kind` of the claim is `dependencies`, `group` or `extra`. A package that is not built is not installed.
        """
        installed: set[str] = set()
        seen: set[str] = set()
        pending = [(package, (kind, name)) for package in names]
        for package, needs in pending:  # grows while it is read
            locked = self.package(package)
            if locked.local in {"editable", "directory"} and needs[0] == "dependencies":
                installed.add(package)
            wanted = locked.needs.get(needs, ()) if locked.local else ()
            pending += [(n, ("dependencies", "")) for n in wanted if n not in seen]
            seen.update(wanted)
        return installed


@dataclass(frozen=True)
class LockedPackage:
    """The groups and extras of a package, and whether it depends on anything.

    `local` is `editable`, `directory` or `virtual` for a package in a local folder. `needs` has the names of the
    packages that it depends on, by kind and name of the claim.
    """

    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    has_dependencies: bool = False
    local: str = ""
    needs: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


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


def _names(values: object) -> tuple[str, ...]:
    tables = values if isinstance(values, list) else []
    return tuple(t["name"] for t in tables if isinstance(t, dict) and isinstance(t.get("name"), str))
