"""PEP 751: reading what `uv export` prints, and reading and writing layer locks."""

from __future__ import annotations

import json
import os
import posixpath
import re
from dataclasses import replace
from datetime import timezone
from functools import cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes, unquote

import tomli

from uv_layers import credentials, errors, hashing
from uv_layers.model import Closure, Layer, LayerLock, Member, Package, normalised

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from uv_layers.model import Target

_FILE_NAME = re.compile(r"pylock\.([^.]+)\.toml")
# More tags than the name of any wheel stands for. They are a product: a short name could stand for millions.
_MOST_TAGS = 100

_HEAD = re.compile(r'name = "([^"\n]+)"\n(?:version = "([^"\n]*)"\n)?(?:source = \{ ([^\n]*) \}\n)?')

# Settings that change how a source distribution is built, by what they hold: for every package, or by package.
_BUILD_SETTINGS = ("build-constraint-dependencies", "config-settings", "no-build-isolation")
_BUILD_SETTINGS_BY_PACKAGE = ("config-settings-package", "extra-build-dependencies", "extra-build-variables")
_PACKAGE_LISTS = ("no-binary-package", "no-build-isolation-package")
# Where a build's requirements come from; and, for packages of a named index, which credentials are theirs.
_INDEX_SETTINGS = ("extra-index-url", "index", "index-strategy", "index-url", "no-index")
SETTINGS = {*_BUILD_SETTINGS, *_BUILD_SETTINGS_BY_PACKAGE, *_PACKAGE_LISTS, *_INDEX_SETTINGS}


def file_name(layer: str) -> str:
    """Return the name of a layer's lock, as PEP 751 has it."""
    return f"pylock.{layer}.toml"


def layers_in(directory: Path) -> list[str]:
    """Return the names of the layers whose locks are in `directory`, sorted."""
    matches = (_FILE_NAME.fullmatch(path.name) for path in directory.glob("pylock.*.toml"))
    return sorted(match[1] for match in matches if match)


class Export:
    """What `uv export --format pylock.toml` printed, as it applies to one target."""

    def __init__(self, text: str, target: Target, root: Path) -> None:
        tables: list[dict[str, Any]] = tomli.loads(text).get("packages", [])
        #: The names of all packages, those included that no marker admits for the target.
        self.names = frozenset(table["name"] for table in tables)
        environment = tuple(sorted(target.markers.items()))
        self.tables = [t for t in tables if "marker" not in t or _admits(t["marker"], environment)]
        self._target = target
        self._root = root

    def closure(self, reason: str) -> Closure:
        """Return the names and versions, as the closure that `reason` names; raises TwoVersionsError."""
        versions: dict[str, str | None] = {}
        for table in self.tables:
            name, version = table["name"], table.get("version")
            if versions.setdefault(name, version) != version:
                raise errors.TwoVersionsError(name, (reason, str(versions[name])), (reason, str(version)))
        return Closure(reason, versions)

    def packages(self, settings: Mapping[str, Any]) -> list[Package]:
        """Return the packages, each narrowed to the one file that the target installs.

        `settings` are the project's uv settings. Raises NoWheelError and UnsupportedSourceError.
        """
        found = {t["name"]: narrowed(t, self._target, settings, self._root) for t in self.tables}
        return [found[name] for name in sorted(found)]


@cache
def _admits(marker: str, environment: tuple[tuple[str, str], ...]) -> bool:
    from packaging.markers import Marker  # noqa: PLC0415 - 60 ms

    return Marker(marker).evaluate(dict(environment), context="lock_file")


def narrowed(table: Mapping[str, Any], target: Target, settings: Mapping[str, Any], root: Path) -> Package:
    """Return a package of a lock with the one file that the target installs.

    `settings` are the project's uv settings. Raises NoWheelError and UnsupportedSourceError.
    """
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
        # What was asked for (a branch, a tag) moves while the commit stands.
        kept["vcs"] = credentials.removed({k: v for k, v in vcs.items() if k != "requested-revision"})
        return Package(name, version, None, built=True, table=kept)
    if archive := table.get("archive"):
        wheel = base_name(archive).endswith(".whl")
        if (wheel and _rank(archive, target) is None) or (forbidden and not wheel):
            raise errors.NoWheelError(name, version, str(target), build_forbidden=not wheel)
        kept["archive"] = _file(name, archive, root)
        return Package(name, version, archive.get("size"), built=not wheel, table=kept)
    wheels = [] if _listed(name, settings, "no-binary") else table.get("wheels", [])
    best = min(((r, w) for w in wheels if (r := _rank(w, target)) is not None), key=lambda x: x[0], default=None)
    if best is not None:
        kept["wheels"] = [_file(name, best[1], root)]
        return Package(name, version, best[1].get("size"), index=index, table=kept)
    sdist = table.get("sdist")
    if sdist is None or forbidden:
        raise errors.NoWheelError(name, version, str(target), build_forbidden=forbidden and sdist is not None)
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
    """Tell whether the name of a wheel stands for more tags than that of any wheel."""
    return prod(part.count(".") + 1 for part in name.removesuffix(".whl").rsplit("-", 3)[1:]) > _MOST_TAGS


def _rank(wheel: Mapping[str, Any], target: Target) -> tuple[int, int, list[int], str] | None:
    """Return how well a wheel suits the target, the least being the best, or None when it does not."""
    name = base_name(wheel)
    if has_too_many_tags(name):
        return None
    stem, *parts = name.removesuffix(".whl").rsplit("-", 3)
    tags = ("-".join(tag) for tag in product(*(part.split(".") for part in parts)))
    ranks = [rank for tag in tags if (rank := target.tags.get(tag)) is not None]
    if not ranks:
        return None
    # Of two with the same tag, the higher build number wins (binary distribution format, "File name convention").
    build = re.match(r"(\d*)(.*)", stem.split("-", 2)[2] if stem.count("-") > 1 else "")
    number, suffix = build.groups() if build else ("", "")
    return min(ranks), -int(number or -1), [-ord(c) for c in suffix] + [0], name


@cache
def _uri(folder: Path) -> str:
    # Not Path.as_uri: that of Python 3.14 loads urllib.request.
    return f"file://{quote_from_bytes(os.fsencode(folder))}/"


def _file(name: str, file: Mapping[str, Any], root: Path) -> dict[str, Any]:
    hashes = hashing.strongest(file.get("hashes"))
    if hashes is None:
        raise errors.UnsupportedSourceError(name, base_name(file))
    kept = {key: file[key] for key in ("name", "upload-time", "url", "path", "size", "subdirectory") if key in file}
    # A file of the project has one name wherever the project is.
    below = _uri(root)
    if kept.get("url", "").startswith(below):
        kept["path"] = unquote(kept.pop("url")[len(below) :])
    return {**credentials.removed(kept), "hashes": hashes}


def _build_settings(layer: Layer, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the project's uv settings that change what this layer installs."""
    built = {m.package.name for m in layer.members if m.package.built}
    kept = _index_settings(layer, settings, everything=bool(built))
    if built:
        kept |= {key: credentials.removed_from_settings(settings[key]) for key in _BUILD_SETTINGS if settings.get(key)}
    for key in _BUILD_SETTINGS_BY_PACKAGE:
        if chosen := {n: v for n, v in settings.get(key, {}).items() if normalised(n) in built}:
            kept[key] = credentials.removed_from_settings(chosen)
    for key in _PACKAGE_LISTS:
        if names := sorted({normalised(n) for n in settings.get(key, ())} & built):
            kept[key] = names
    return _sorted(kept)


def _index_settings(layer: Layer, settings: Mapping[str, Any], *, everything: bool) -> dict[str, Any]:
    """Return the project's index settings, without credentials: all, or the named indexes that the layer is from."""
    kept = {key: settings[key] for key in _INDEX_SETTINGS if key in settings and (everything or key == "index")}
    used = {_place(m.package.index) for m in layer.members if m.package.index}
    indexes = [
        credentials.removed_from_settings(index)
        for index in kept.pop("index", ())
        if credentials.is_url(index["url"]) and (everything or ("name" in index and _place(index["url"]) in used))
    ]
    return {**credentials.removed_from_settings(kept), **({"index": indexes} if indexes else {})}


def _place(url: str) -> str:
    return str(credentials.removed_from_settings(url)).rstrip("/")


def _sorted(table: dict[str, Any]) -> dict[str, Any]:
    """Return the table in the order of its keys, all the way down: the order in which they are written says nothing."""
    return {key: _sorted(value) if isinstance(value, dict) else value for key, value in sorted(table.items())}


def layer_lock(layer: Layer, prefix: str, target: Target, settings: Mapping[str, Any]) -> LayerLock:
    """Return the lock of a layer; its text is the same for the same pins, and says nothing else."""
    import tomli_w  # noqa: PLC0415

    kept = _build_settings(layer, settings)
    environment = " and ".join(
        f"{marker} == '{target.markers[marker]}'"
        for marker in ("implementation_name", "platform_machine", "sys_platform")
    )
    tables = [m.package.table for m in sorted(layer.members, key=lambda m: m.package.name)]
    document = {
        "lock-version": "1.0",
        "environments": [environment],
        "requires-python": f"=={target.python}.*",
        "created-by": "uv-layers",
        "packages": tables,
        "tool": {
            "uv-layers": {
                "layer": layer.name,
                "prefix": prefix,
                **({} if layer.kind == "packages" else {layer.kind: True}),
                **({"uv": kept} if kept else {}),
            }
        },
    }
    return replace(lock_of(layer.name, prefix, tomli_w.dumps(document), tables, kept), kind=layer.kind)


def lock_of(
    layer: str, prefix: str, text: str, tables: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> LayerLock:
    """Return the lock of a layer with this text, which has these tables and uv settings."""
    versions = {normalised(table["name"]): table.get("version") for table in tables}
    wheels = {normalised(table["name"]): found for table in tables if (found := _wheel_hash(table))}
    times = {normalised(table["name"]): seconds for table in tables if (seconds := _upload_time(table)) is not None}
    return LayerLock(layer, prefix, text, versions, wheels, settings, times=times)


def _upload_time(table: Mapping[str, Any]) -> int | None:
    """Return when the one file of a package was uploaded, in seconds since 1970, or None if the lock does not say."""
    files = [*table.get("wheels", ()), *(table[key] for key in ("archive", "sdist") if key in table)]
    uploaded = files[0].get("upload-time") if len(files) == 1 else None
    if uploaded is None:
        return None
    # PEP 751: a time without a zone is UTC.
    return int((uploaded if uploaded.tzinfo else uploaded.replace(tzinfo=timezone.utc)).timestamp())


def _wheel_hash(table: Mapping[str, Any]) -> str | None:
    """Return the hash of the one wheel that a package can only be installed from, such as `sha256:…`, or None."""
    archive = table.get("archive", {})
    files = [archive] if archive and base_name(archive).endswith(".whl") else table.get("wheels", [])
    if len(files) != 1 or "sdist" in table:
        return None
    algorithm, digest = min(files[0]["hashes"].items())
    return f"{algorithm}:{digest}"


def placed(lock: LayerLock, root: Path, only: str | None = None) -> str:
    """Return the text of a lock to install from anywhere: its paths are from `root`. With `only`, of one package."""
    if only is None and "path" not in lock.text:
        return lock.text
    import tomli_w  # noqa: PLC0415

    document = tomli.loads(lock.text)
    packages = [t for t in document["packages"] if only is None or normalised(t["name"]) == only]
    for table in packages:
        for file in (table.get("archive"), table.get("sdist"), *table.get("wheels", ())):
            if file and "path" in file:
                file["path"] = str(root / file["path"])
    return tomli_w.dumps(document | {"packages": packages})


def versions(text: str) -> dict[str, tuple[str, ...]] | None:
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


def layer_of(lock: LayerLock) -> Layer:
    """Return the layer that a lock is of, without the reasons, which a lock does not have."""
    document = tomli.loads(lock.text)
    members = []
    for table in document.get("packages", ()):
        archive, sdist = table.get("archive"), table.get("sdist")
        file = next(iter(table.get("wheels", ())), archive or sdist or {})
        package = Package(normalised(table["name"]), table.get("version"), file.get("size"), table=table)
        members.append(Member(package, ""))
    settings = {"prefix": lock.prefix, "python": document.get("requires-python", "")}
    settings |= {
        key: json.dumps(value, default=str) for key, value in lock.settings.items() if key not in _INDEX_SETTINGS
    }
    return Layer(lock.layer, tuple(members), settings, lock.kind)
