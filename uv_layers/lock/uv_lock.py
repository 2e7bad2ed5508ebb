"""Read from `uv.lock` what `uv export` does not print."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.system import documents

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path


_SEPARATOR = "\n[[package]]\n"
_HEAD = re.compile(r'name = "([^"\n]+)"\n(?:version = "([^"\n]*)"\n)?(?:source = \{ ([^\n]*) \}\n)?')


def locked_versions(text: str) -> dict[str, tuple[str, ...]] | None:
    """Return the versions of each package in the text of a `uv.lock`, or None if the text is not a lock.

    The version of a git source has the commit. Only the first lines of each table are read: a history has hundreds of
    locks, and a TOML parser takes 0.1 s per lock.
    """
    versions: dict[str, list[str]] = {}
    for table in text.split(_SEPARATOR)[1:]:
        match = _HEAD.match(table)
        if match is None:
            return None
        name, version, source = match.groups()
        commit = source.partition("#")[2].split('"')[0] if source and source.startswith("git") else ""
        versions.setdefault(name, []).append(f"{version or ''}+{commit}" if commit else version or "")
    return {name: tuple(sorted(values)) for name, values in versions.items()} or None


_LOCAL = ("editable", "directory", "virtual")
_NAME = re.compile(r'name = "([^"\n]+)"\n')

# uv writes this time if the lock has a span, e.g. P1W.
_NO_TIME = "0001-01-01T00:00:00Z"


@dataclass(frozen=True)
class UvLock:
    """The head of a `uv.lock`, and the text of each package's tables by name, one table per version.

    Tables are parsed on demand: a lock has thousands, and a TOML parser takes 0.1 s for all.
    """

    head: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Sequence[str]] = field(default_factory=dict)
    _cache: dict[str, list[dict[str, Any]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def requires_python(self) -> str:
        """The versions of Python that every member of the workspace supports."""
        value = self.head.get("requires-python", "")
        return value if isinstance(value, str) else ""

    @cached_property
    def environments(self) -> tuple[str, ...]:
        """The markers of `tool.uv.environments`: the lock supports no other targets."""
        return _strings(self.head.get("supported-markers"))

    @cached_property
    def members(self) -> frozenset[str]:
        """The names of the workspace members; empty if the project is the only one."""
        return frozenset(_strings(_table(self.head.get("manifest")).get("members")))

    @cached_property
    def upload_limits(self) -> dict[str, Any]:
        """The settings `exclude-newer` and `exclude-newer-package` of the lock.

        uv writes a date as a time in UTC; a span, e.g. "1 week", stays a span.
        """
        options = _table(self.head.get("options"))
        limit = _limit(options.get("exclude-newer"), options.get("exclude-newer-span"))
        values = _table(options.get("exclude-newer-package")).items()
        packages = {name: False if value is False else _limit(*_time_and_span(value)) for name, value in values}
        by_package = {name: value for name, value in packages.items() if value is not None}
        limits = {"exclude-newer": limit, "exclude-newer-package": by_package}
        return {key: value for key, value in limits.items() if value}

    @cached_property
    def git_packages(self) -> frozenset[str]:
        """The names of the packages that are built from a git repository."""
        candidates = [name for name, tables in self.tables.items() if any("git" in table for table in tables)]
        return frozenset(
            name for name in candidates if any("git" in _table(t.get("source")) for t in self._parsed(name))
        )

    def closure(self, requirements: Iterable[Requirement], *, local: bool = False) -> set[str]:
        """Return the names of the packages that requirements need, directly or not, on any platform.

        With `local`, only those in local folders, which are reached through local packages.
        """
        seen: set[Requirement] = set()
        queue = list(requirements)
        while queue:
            requirement = queue.pop()
            if requirement not in seen and (not local or self.package(requirement.name).local):
                seen.add(requirement)
                queue += self.requirements(requirement.name, requirement.extras)
        return {requirement.name for requirement in seen}

    def requirements(
        self, name: str, extras: Iterable[str] = (), groups: Iterable[str] = (), *, dependencies: bool = True
    ) -> list[Requirement]:
        """Return the requirements of a package, including those of some extras and dependency groups."""
        requirements: list[Requirement] = []
        for table in self._parsed(name):
            lists = [table.get("dependencies")] if dependencies else []
            for key, names in (("optional-dependencies", extras), ("dev-dependencies", groups)):
                lists += [_table(table.get(key)).get(n) for n in names]
            requirements += [requirement for entries in lists for requirement in _requirements(entries)]
        return requirements

    def root_requirements(self, groups: Iterable[str]) -> list[Requirement]:
        """Return the requirements of dependency groups of a workspace root without a `[project]` table."""
        manifest = _table(_table(self.head.get("manifest")).get("dependency-groups"))
        return [requirement for group in groups for requirement in _requirements(manifest.get(group))]

    def _parsed(self, name: str) -> list[dict[str, Any]]:
        if name not in self._cache:
            tables = (_parsed(f"[package]\n{text}").get("package") for text in self.tables.get(name, ()))
            self._cache[name] = [_table(table) for table in tables]
        return self._cache[name]

    def package(self, name: str) -> LockedPackage:
        """Return the groups, extras and source of a package that uv read from sources; empty for an unknown name."""
        if name not in self.tables:
            return LockedPackage()
        table = self._parsed(name)[0]
        metadata = _table(table.get("metadata"))
        groups = {**_table(metadata.get("requires-dev")), **_table(table.get("dev-dependencies"))}
        provided = _strings(metadata.get("provides-extras"))
        extras = dict.fromkeys([*provided, *_table(table.get("optional-dependencies"))])
        local = next((kind for kind in _LOCAL if kind in _table(table.get("source"))), "")
        return LockedPackage(tuple(groups), tuple(extras), bool(table.get("dependencies")), local)

    def local_packages(self, names: Collection[str], kind: str, name: str = "") -> set[str]:
        """Return the packages in local folders that uv installs for a claim of some workspace members.

        The `kind` of the claim is `dependencies`, `group` or `extra`. uv does not install virtual packages.
        """
        claimed = {kind: [name]}
        queue = [
            requirement
            for package in names
            if self.package(package).local
            for requirement in self.requirements(
                package, claimed.get("extra", ()), claimed.get("group", ()), dependencies=kind == "dependencies"
            )
        ]
        if kind == "dependencies":
            queue += map(Requirement, names)
        return {name for name in self.closure(queue, local=True) if self.package(name).local != "virtual"}


@dataclass(frozen=True)
class Requirement:
    """A dependency of a package: a name, and its extras."""

    name: str
    extras: tuple[str, ...] = ()


@dataclass(frozen=True)
class LockedPackage:
    """The groups and extras of a package, and whether it has dependencies.

    `local` is `editable`, `directory` or `virtual` for a package in a local folder.
    """

    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    has_dependencies: bool = False
    local: str = ""


def check_size(path: Path) -> None:
    """Raise UnreadableFileError for a lock that is larger than any real one."""
    if path.stat().st_size > documents.LARGEST_LOCK:
        raise errors.UnreadableFileError(path, f"it is larger than {documents.LARGEST_LOCK} bytes")


def read_uv_lock(path: Path) -> UvLock:
    """Return the lock at `path`; an invalid one is empty, because uv reports the error; raises UnreadableFileError."""
    check_size(path)
    text = path.read_text(encoding="utf-8", errors="replace")
    head, *tables = text.split(_SEPARATOR)
    names = [match[1] for match in map(_NAME.match, tables) if match]
    if names and len(names) == text.count("[[package]]"):
        document = _parsed(head)
    else:
        # A formatter changed the layout of the lock.
        document, names, tables = _reformatted(text)
    named: dict[str, list[str]] = {}
    for name, table in zip(names, tables, strict=True):
        named.setdefault(name, []).append(table)
    return UvLock(document, named)


def _reformatted(text: str) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return the head of a lock, the names of its packages, and their tables in uv's layout."""
    import tomli_w  # noqa: PLC0415

    document = _parsed(text)
    packages = document.pop("package", [])
    tables = [
        table for table in map(_table, packages if isinstance(packages, list) else []) if _is_text(table.get("name"))
    ]
    names = [table["name"] for table in tables]
    return document, names, [tomli_w.dumps({"package": table}).removeprefix("[package]\n") for table in tables]


def _requirements(entries: object) -> list[Requirement]:
    """Return the requirements in a list of `uv.lock`: tables with a name, some with extras."""
    tables = [_table(entry) for entry in entries] if isinstance(entries, list) else []
    return [Requirement(table["name"], _strings(table.get("extra"))) for table in tables if _is_text(table.get("name"))]


def _limit(time: object, span: object) -> str | None:
    """Return the latest upload time, or the span before now, or None."""
    if isinstance(time, str) and time != _NO_TIME:
        return time
    return span if isinstance(span, str) else None


def _time_and_span(value: object) -> tuple[object, object]:
    return (value.get("timestamp"), value.get("span")) if isinstance(value, dict) else (value, None)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _parsed(text: str) -> dict[str, Any]:
    try:
        return documents.parsed(text)
    except ValueError:
        return {}


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _strings(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
