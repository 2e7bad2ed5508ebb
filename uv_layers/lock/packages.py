"""Packages as a lock pins them, and the layers that they are put into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Package:
    """A package as the target installs it; `size` is the download in bytes, where the lock says it.

    `table` is its PEP 751 table, narrowed to the one file that is installed; `built` says that this is no wheel;
    `index` is the URL of the index that it is from.
    """

    name: str
    version: str | None
    size: int | None = None
    built: bool = False
    index: str | None = None
    table: Mapping[str, Any] = field(default_factory=dict)

    @property
    def built_from(self) -> str | None:
        """What the package is built from, `source`, `git` or `folder`; None for a wheel."""
        if not self.built:
            return None
        return "git" if "vcs" in self.table else "folder" if "directory" in self.table else "source"


@dataclass(frozen=True, slots=True)
class Closure:
    """The packages that one group, extra or the project's dependencies need, by name and version."""

    reason: str
    versions: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Member:
    """A package in its layer: why it is there, and what else asks for it."""

    package: Package
    reason: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer; `settings` has what its lock says beside the packages: the prefix, the Python, and how it builds.

    Its `kind` is `packages`, `environment` (a virtual environment without its packages) or `project` (what is installed
    from the project's own folders). One that is `on_top` was asked for by name, and is not part of the image.
    """

    name: str
    members: tuple[Member, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    kind: str = "packages"
    on_top: bool = False

    @property
    def size(self) -> int:
        """Bytes to download, of the packages whose size the lock says."""
        return sum(m.package.size or 0 for m in self.members)

    @property
    def unsized(self) -> int:
        """The number of packages whose size the lock does not say."""
        return sum(m.package.size is None for m in self.members)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The distinct reasons of its members, in order."""
        return tuple(dict.fromkeys(m.reason for m in self.members))
