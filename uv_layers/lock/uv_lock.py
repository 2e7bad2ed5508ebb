"""`uv.lock`: what it says beside the packages that `uv export` prints."""

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


# What uv writes instead of a time where the lock has a span, e.g. P1W.
_NO_TIME = "0001-01-01T00:00:00Z"


@dataclass(frozen=True)
class UvLock:
    """The head of a `uv.lock`, and the text of each package's tables by its name: one for each version.

    Only the tables that are asked for are parsed: a lock has thousands, and a TOML parser takes a tenth of a second.
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
        """The markers of `tool.uv.environments`; the lock has no packages for other targets."""
        return _strings(self.head.get("supported-markers"))

    @cached_property
    def members(self) -> frozenset[str]:
        """The names of the packages of the workspace; none if the project is the only one."""
        return frozenset(_strings(_table(self.head.get("manifest")).get("members")))

    @cached_property
    def upload_limits(self) -> dict[str, Any]:
        """The settings `exclude-newer` and `exclude-newer-package` that the lock was made with.

        A date is here the time in UTC that it was on the machine that locked; a span such as "1 week" stays one.
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

    def closure(self, requirements: Iterable[Requirement]) -> set[str]:
        """Return the names of the packages that requirements lead to, on whatever platform."""
        seen: set[Requirement] = set()
        waiting = list(requirements)
        while waiting:
            requirement = waiting.pop()
            if requirement not in seen:
                seen.add(requirement)
                waiting += self.requirements(requirement.name, requirement.extras)
        return {requirement.name for requirement in seen}

    def requirements(
        self, name: str, extras: Iterable[str] = (), groups: Iterable[str] = (), *, dependencies: bool = True
    ) -> list[Requirement]:
        """Return what a package depends on, with some of its extras and dependency groups."""
        found: list[Requirement] = []
        for table in self._parsed(name):
            chosen = [table.get("dependencies")] if dependencies else []
            for key, names in (("optional-dependencies", extras), ("dev-dependencies", groups)):
                chosen += [_table(table.get(key)).get(n) for n in names]
            found += [requirement for entries in chosen for requirement in _requirements(entries)]
        return found

    def root_requirements(self, groups: Iterable[str]) -> list[Requirement]:
        """Return what dependency groups of a workspace root without a `[project]` table depend on."""
        manifest = _table(_table(self.head.get("manifest")).get("dependency-groups"))
        return [requirement for group in groups for requirement in _requirements(manifest.get(group))]

    def _parsed(self, name: str) -> list[dict[str, Any]]:
        if name not in self._cache:
            tables = (_parsed(f"[package]\n{text}").get("package") for text in self.tables.get(name, ()))
            self._cache[name] = [_table(table) for table in tables]
        return self._cache[name]

    def package(self, name: str) -> LockedPackage:
        """Return what the lock says about a package that uv read from sources; nothing for an unknown name."""
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
        """Return the packages in local folders that uv installs for a claim of some packages of the workspace.

        The `kind` of the claim is `dependencies`, `group` or `extra`. A package that is not built is not installed.
        """
        asked = {kind: [name]}
        waiting = [
            requirement
            for package in names
            if self.package(package).local
            for requirement in self.requirements(
                package, asked.get("extra", ()), asked.get("group", ()), dependencies=kind == "dependencies"
            )
        ]
        if kind == "dependencies":
            waiting += map(Requirement, names)
        seen: set[Requirement] = set()
        installed: set[str] = set()
        while waiting:
            requirement = waiting.pop()
            local = self.package(requirement.name).local
            if not local or requirement in seen:
                continue
            seen.add(requirement)
            installed |= {requirement.name} if local != "virtual" else set()
            waiting += self.requirements(requirement.name, requirement.extras)
        return installed


@dataclass(frozen=True)
class Requirement:
    """A package that another one depends on, and the extras that it asks for."""

    name: str
    extras: tuple[str, ...] = ()


@dataclass(frozen=True)
class LockedPackage:
    """The groups and extras of a package, and whether it depends on anything.

    `local` is `editable`, `directory` or `virtual` for a package in a local folder.
    """

    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    has_dependencies: bool = False
    local: str = ""


def check_size(path: Path) -> None:
    """Raise UnreadableFileError for a lock that is larger than any that uv writes."""
    if path.stat().st_size > documents.LARGEST_LOCK:
        raise errors.UnreadableFileError(path, f"it has more than {documents.LARGEST_LOCK} bytes")


def read_uv_lock(path: Path) -> UvLock:
    """Return the lock at `path`; one that is not valid says nothing, and uv reports why it is not.

    Raises UnreadableFileError for a file that is too large, and OSError.
    """
    check_size(path)
    text = path.read_text(encoding="utf-8", errors="replace")
    head, *tables = text.split(_SEPARATOR)
    names = [match[1] for match in map(_NAME.match, tables) if match]
    if names and len(names) == text.count("[[package]]"):
        document = _parsed(head)
    else:
        # A formatter has indented or sorted the lock: its tables are not where uv puts them.
        document, names, tables = _reformatted(text)
    named: dict[str, list[str]] = {}
    for name, table in zip(names, tables, strict=True):
        named.setdefault(name, []).append(table)
    return UvLock(document, named)


def _reformatted(text: str) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return the head of a lock, the names of its packages and their tables as uv writes them."""
    import tomli_w  # noqa: PLC0415

    document = _parsed(text)
    packages = document.pop("package", [])
    tables = [
        table for table in map(_table, packages if isinstance(packages, list) else []) if _is_text(table.get("name"))
    ]
    names = [table["name"] for table in tables]
    return document, names, [tomli_w.dumps({"package": table}).removeprefix("[package]\n") for table in tables]


def _requirements(entries: object) -> list[Requirement]:
    """Return the requirements of a list as `uv.lock` has it: tables with a name and, for some, extras."""
    tables = [_table(entry) for entry in entries] if isinstance(entries, list) else []
    return [Requirement(table["name"], _strings(table.get("extra"))) for table in tables if _is_text(table.get("name"))]


def _limit(time: object, span: object) -> str | None:
    """Return the time until which a package is taken, or the span before now; None if the lock has neither."""
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
