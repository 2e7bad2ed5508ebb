"""Read what `uv export` prints for an image (PEP 751) and for claims (requirements.txt), and narrow it to a target."""

from __future__ import annotations

import os
import posixpath
import re
from functools import cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes, unquote

import tomli

from uv_layers import credentials, errors
from uv_layers.lock import hashing
from uv_layers.lock.packages import Closure, Package
from uv_layers.system.names import normalised

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from uv_layers.system.interpreter import Target


# The tag of a wheel that needs a glibc, for the machines of `--platform`.
_MANYLINUX = re.compile(r"([^-]+-[^-]+)-manylinux_2_(\d+)_(x86_64|aarch64|riscv64)")
# No real wheel has more tags. They are a product, so a short name could have millions.
_MOST_TAGS = 100


class Export:
    """The output of `uv export --format pylock.toml` for one target."""

    def __init__(self, text: str, target: Target, root: Path) -> None:
        tables: list[dict[str, Any]] = tomli.loads(text).get("packages", [])
        #: The names of all packages, even if their markers exclude the target.
        self.names = frozenset(table["name"] for table in tables)
        environment = tuple(sorted(target.markers.items()))
        self.tables = [t for t in tables if "marker" not in t or _admits(t["marker"], environment)]
        self._target = target
        self._root = root

    @property
    def local_files(self) -> dict[str, str]:
        """The names of packages from local files, by the path of the file."""
        paths = ((table.get("archive", {}).get("path"), table["name"]) for table in self.tables)
        return {posixpath.normpath(path): name for path, name in paths if path is not None}

    def packages(self, settings: Mapping[str, Any], absent: Collection[str] = ()) -> list[Package]:
        """Return the packages but those in `absent`, each with the file to install; raises what `narrowed` raises."""
        tables = (table for table in self.tables if table["name"] not in absent)
        packages = {t["name"]: narrowed(t, self._target, settings, self._root) for t in tables}
        return [packages[name] for name in sorted(packages)]


# A line of an exported requirements.txt: `name==version`, `name @ URL` or a path, then a marker.
_REQUIREMENT = re.compile(
    r"(?:(?P<name>[A-Za-z0-9][\w.-]*)(?:==| @ )(?P<version>.*?)|(?P<path>.*?))(?: ; (?P<marker>.*))?"
)


def closure_of(text: str, reason: str, target: Target, local_files: Mapping[str, str]) -> Closure:
    """Return the packages of a requirements.txt that the target installs; a URL counts as a version.

    `local_files` has the names of local files, which the text lacks. Folders are left out: only the layer of the
    project has them. Raises TwoVersionsError.
    """
    environment = tuple(sorted(target.markers.items()))
    versions: dict[str, str | None] = {}
    for match in filter(None, map(_REQUIREMENT.fullmatch, text.splitlines())):
        name = match["name"] or local_files.get(posixpath.normpath(match["path"]))
        if name is None or (match["marker"] and not _admits(match["marker"], environment)):
            continue
        version = match["version"] or match["path"]
        if versions.setdefault(name, version) != version:
            raise errors.TwoVersionsError(name, (reason, str(versions[name])), (reason, version))
    return Closure(reason, versions)


@cache
def _admits(marker: str, environment: tuple[tuple[str, str], ...]) -> bool:
    from packaging.markers import Marker  # noqa: PLC0415 - 60 ms

    return Marker(marker).evaluate(dict(environment), context="lock_file")


def narrowed(table: Mapping[str, Any], target: Target, settings: Mapping[str, Any], root: Path) -> Package:
    """Return a package with only the file that the target installs; raises NoWheelError and UnsupportedSourceError."""
    name, version, index = table["name"], table.get("version"), table.get("index")
    kept: dict[str, Any] = {"name": name}
    if version is not None:
        kept["version"] = version
    if "directory" in table:
        kept["directory"] = table["directory"]
        return Package(name, version, None, built=True, table=kept)
    forbidden = _listed(name, settings, "no-build")
    if vcs := table.get("vcs"):
        if forbidden:
            raise errors.NoWheelError(name, version, str(target), build_forbidden=True)
        # A branch or a tag moves; the commit does not.
        kept["vcs"] = credentials.removed({k: v for k, v in vcs.items() if k != "requested-revision"})
        return Package(name, version, None, built=True, table=kept)
    if archive := table.get("archive"):
        wheel = base_name(archive).endswith(".whl")
        if (wheel and _rank(archive, target) is None) or (forbidden and not wheel):
            raise errors.NoWheelError(name, version, str(target), build_forbidden=not wheel)
        kept["archive"] = _file(name, archive, root)
        return Package(name, version, archive.get("size"), built=not wheel, table=kept)
    only_built = _listed(name, settings, "no-binary")
    wheels = [] if only_built else table.get("wheels", [])
    best = min(((r, w) for w in wheels if (r := _rank(w, target)) is not None), key=lambda x: x[0], default=None)
    if best is not None:
        kept["wheels"] = [_file(name, best[1], root)]
        return Package(name, version, best[1].get("size"), index=index, table=kept)
    sdist = table.get("sdist")
    if sdist is None or forbidden:
        glibc, no_build = _newer_glibc(wheels, target), forbidden and sdist is not None
        no_binary = only_built and sdist is None and bool(table.get("wheels"))
        raise errors.NoWheelError(
            name, version, str(target), build_forbidden=no_build, wheels_forbidden=no_binary, glibc=glibc
        )
    kept["sdist"] = _file(name, sdist, root)
    return Package(name, version, sdist.get("size"), built=True, index=index, table=kept)


def _listed(name: str, settings: Mapping[str, Any], key: str) -> bool:
    return bool(settings.get(key)) or name in map(normalised, settings.get(f"{key}-package", ()))


def base_name(file: Mapping[str, Any]) -> str:
    """Return the name of a file of a lock (PEP 751)."""
    if name := file.get("name"):
        return str(name)
    if path := file.get("path"):
        return posixpath.basename(str(path))
    return unquote(posixpath.basename(re.split("[?#]", file.get("url", ""))[0]))


def has_too_many_tags(name: str) -> bool:
    """Return whether the name of a wheel has more tags than a real wheel."""
    return prod(part.count(".") + 1 for part in name.removesuffix(".whl").rsplit("-", 3)[1:]) > _MOST_TAGS


def _rank(wheel: Mapping[str, Any], target: Target) -> tuple[int, int, list[int], str] | None:
    """Return the rank of a wheel for the target, lowest is best, or None if it does not fit."""
    name = base_name(wheel)
    if has_too_many_tags(name):
        return None
    ranks = [rank for tag in _tags(name) if (rank := target.tags.get(tag)) is not None]
    if not ranks:
        return None
    # Of two with the same tag, the higher build number wins (binary distribution format, "File name convention").
    stem = name.rsplit("-", 3)[0]
    build = re.match(r"(\d*)(.*)", stem.split("-", 2)[2] if stem.count("-") > 1 else "")
    number, suffix = build.groups() if build else ("", "")
    return min(ranks), -int(number or -1), [-ord(c) for c in suffix] + [0], name


def _tags(name: str) -> Iterator[str]:
    parts = name.removesuffix(".whl").rsplit("-", 3)[1:]
    return ("-".join(tag) for tag in product(*(part.split(".") for part in parts)))


def _newer_glibc(wheels: Iterable[Mapping[str, Any]], target: Target) -> tuple[int, int, str] | None:
    """Return the glibc of the target, the one that a wheel needs (minor versions), and the machine, or None.

    It looks for wheels that fit but for the glibc, and returns the oldest glibc among them.
    """
    names = (name for wheel in wheels if not has_too_many_tags(name := base_name(wheel)))
    needed = [match.groups() for name in names for tag in _tags(name) if (match := _MANYLINUX.fullmatch(tag))]
    for python, minor, machine in sorted(needed, key=lambda wheel: int(wheel[1])):
        tags = (match.groups() for tag in target.tags if (match := _MANYLINUX.fullmatch(tag)))
        if known := [int(tag[1]) for tag in tags if (tag[0], tag[2]) == (python, machine)]:
            return max(known), int(minor), machine
    return None


@cache
def _uri(folder: Path) -> str:
    # Path.as_uri loads urllib.request on Python 3.14.
    return f"file://{quote_from_bytes(os.fsencode(folder))}/"


def _file(name: str, file: Mapping[str, Any], root: Path) -> dict[str, Any]:
    hashes = hashing.strongest(file.get("hashes"))
    if hashes is None:
        raise errors.UnsupportedSourceError(name, base_name(file))
    kept = {key: file[key] for key in ("name", "upload-time", "url", "path", "size", "subdirectory") if key in file}
    # A relative path keeps the lock the same wherever the project is.
    below = _uri(root)
    if kept.get("url", "").startswith(below):
        kept["path"] = unquote(kept.pop("url")[len(below) :])
    return {**credentials.removed(kept), "hashes": hashes}
