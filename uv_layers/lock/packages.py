"""Packages as a lock pins them, and layers of packages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def files_of(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tables of the files of a package (PEP 751)."""
    return [*table.get("wheels", ()), *(table[key] for key in ("sdist", "archive") if key in table)]


@dataclass(frozen=True, slots=True)
class Package:
    """A package as the target installs it; `size` is its download in bytes, if the lock has it.

    `table` is its PEP 751 table, narrowed to the one file to install. `built` is true without a wheel. `index` is the
    URL of its index.
    """

    name: str
    version: str | None
    size: int | None = None
    built: bool = False
    index: str | None = None
    table: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Mapping[str, Any] | None:
        """The PEP 751 table of the local folder that the package is in, if it is in one."""
        return self.table.get("directory")

    @property
    def files(self) -> list[dict[str, Any]]:
        """The PEP 751 tables of its files."""
        return files_of(self.table)

    @property
    def built_from(self) -> str | None:
        """What the package is built from, `source`, `git` or `folder`; None for a wheel."""
        if not self.built:
            return None
        return "git" if "vcs" in self.table else "folder" if self.folder is not None else "source"


@dataclass(frozen=True, slots=True)
class Closure:
    """The packages that a group, an extra or the project's dependencies need: versions by name."""

    reason: str
    versions: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Member:
    """A package in its layer: the claim that put it there, and `also` the other claims that need it."""

    package: Package
    reason: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer; `settings` has the prefix, the Python and the build settings of its lock.

    Its `kind` is `packages`, `environment` (a virtual environment without packages) or `project` (packages from the
    project's own folders). A layer `on_top` is not part of the image: the user named its group.
    """

    name: str
    members: tuple[Member, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    kind: str = "packages"
    on_top: bool = False

    @property
    def size(self) -> int:
        """Bytes to download, without packages of unknown size."""
        return sum(m.package.size or 0 for m in self.members)

    @property
    def unsized(self) -> int:
        """The number of packages of unknown size."""
        return sum(m.package.size is None for m in self.members)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The distinct reasons of its members, in order."""
        return tuple(dict.fromkeys(m.reason for m in self.members))
