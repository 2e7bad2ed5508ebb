"""Layer locks: one layer's packages, pinned and hashed (PEP 751)."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli

from uv_layers import credentials
from uv_layers.lock import builds
from uv_layers.lock.exported import base_name
from uv_layers.lock.packages import Layer, Member, Package, files_of
from uv_layers.system.names import normalised

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from uv_layers.system.interpreter import Target


@dataclass(frozen=True, slots=True)
class LayerLock:
    """The lock of one layer. Its text identifies it.

    `versions` has every package, `wheels` the hash of each package that is a wheel (uv builds the others), and `times`
    the upload time of the package's file in seconds since 1970, if the lock has it. The lock of the project itself is
    not in a file: it installs `folders`, of which `uv sync` installs `editable` as editable. `build_packages` are the
    tables of packages outside the layer that its builds need. `exclude_files` are patterns of files that its tree goes
    without. `path` is the file that the lock was read from.
    """

    layer: str
    prefix: str
    text: str
    versions: Mapping[str, str | None] = field(default_factory=dict)
    wheels: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "packages"
    folders: tuple[Path, ...] = ()
    editable: frozenset[Path] = frozenset()
    times: Mapping[str, int] = field(default_factory=dict)
    build_packages: tuple[Mapping[str, Any], ...] = ()
    exclude_files: tuple[str, ...] = ()
    path: Path | None = field(default=None, compare=False)


_FILE_NAME = re.compile(r"pylock\.([^.]+)\.toml")

# The indexes of build requirements. Packages of a named index also need it, for its credentials.
_INDEX_SETTINGS = ("extra-index-url", "find-links", "index", "index-strategy", "index-url", "no-index")
SETTINGS = {*builds.SETTINGS, *builds.SETTINGS_BY_PACKAGE, *builds.LISTS_OF_PACKAGES, *_INDEX_SETTINGS}


def file_name(layer: str) -> str:
    """Return the file name of a layer's lock (PEP 751)."""
    return f"pylock.{layer}.toml"


def layers_in(directory: Path) -> list[str]:
    """Return the names of the layers whose locks are in `directory`, sorted."""
    matches = (_FILE_NAME.fullmatch(path.name) for path in directory.glob("pylock.*.toml"))
    return sorted(match[1] for match in matches if match)


def _build_settings(layer: Layer, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the project's uv settings that affect what this layer installs."""
    built = {m.package.name for m in layer.members if m.package.built}
    kept = _index_settings(layer, settings, everything=bool(built))
    if built:
        kept |= {key: credentials.removed(settings[key], settings=True) for key in builds.SETTINGS if settings.get(key)}
    for key in builds.SETTINGS_BY_PACKAGE:
        if chosen := {n: v for n, v in settings.get(key, {}).items() if normalised(n) in built}:
            kept[key] = credentials.removed(chosen, settings=True)
    for key in builds.LISTS_OF_PACKAGES:
        if names := builds.package_names(key, settings, built):
            kept[key] = names
    return _sorted(kept)


def _index_settings(layer: Layer, settings: Mapping[str, Any], *, everything: bool) -> dict[str, Any]:
    """Return the project's index settings without credentials: all, or only the named indexes of the layer."""
    kept = {key: settings[key] for key in _INDEX_SETTINGS if key in settings and (everything or key == "index")}
    used = {_without_credentials(m.package.index) for m in layer.members if m.package.index}
    indexes = [
        credentials.removed(index, settings=True)
        for index in kept.pop("index", ())
        if everything
        or (credentials.is_url(index["url"]) and "name" in index and _without_credentials(index["url"]) in used)
    ]
    return {**credentials.removed(kept, settings=True), **({"index": indexes} if indexes else {})}


def _without_credentials(url: str) -> str:
    return str(credentials.removed(url, settings=True)).rstrip("/")


def _sorted(table: dict[str, Any]) -> dict[str, Any]:
    """Return the table sorted by key, with its tables: the order in a file has no meaning."""
    return {key: _sorted(value) if isinstance(value, dict) else value for key, value in sorted(table.items())}


def layer_lock(
    layer: Layer,
    prefix: str,
    target: Target,
    settings: Mapping[str, Any],
    build_packages: Iterable[Package] = (),
    exclude_files: tuple[str, ...] = (),
) -> LayerLock:
    """Return the lock of a layer. The same pins give the same text."""
    import tomli_w  # noqa: PLC0415

    kept = _build_settings(layer, settings)
    patterns = () if layer.kind == "environment" else exclude_files
    environment = " and ".join(
        f"{marker} == '{target.markers[marker]}'"
        for marker in ("implementation_name", "platform_machine", "sys_platform")
    )
    tables = [m.package.table for m in sorted(layer.members, key=lambda m: m.package.name)]
    needed = [package.table for package in sorted(build_packages, key=lambda package: package.name)]
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
                **({"build-packages": needed} if needed else {}),
                **({"exclude-files": list(patterns)} if patterns else {}),
            }
        },
    }
    lock = lock_of(layer.name, prefix, tomli_w.dumps(document), tables, kept)
    return replace(lock, kind=layer.kind, build_packages=tuple(needed), exclude_files=patterns)


def lock_of(
    layer: str, prefix: str, text: str, tables: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> LayerLock:
    """Return the lock of a layer with this text, these package tables and uv settings."""
    versions = {normalised(table["name"]): table.get("version") for table in tables}
    wheels = {normalised(table["name"]): digest for table in tables if (digest := _wheel_hash(table))}
    times = {normalised(table["name"]): seconds for table in tables if (seconds := _upload_time(table)) is not None}
    return LayerLock(layer, prefix, text, versions, wheels, settings, times=times)


def _upload_time(table: Mapping[str, Any]) -> int | None:
    """Return the upload time of a package's only file in seconds since 1970, or None if the lock lacks it."""
    files = files_of(table)
    uploaded = files[0].get("upload-time") if len(files) == 1 else None
    if uploaded is None:
        return None
    # PEP 751: a time without a zone is UTC.
    return int((uploaded if uploaded.tzinfo else uploaded.replace(tzinfo=timezone.utc)).timestamp())


def _wheel_hash(table: Mapping[str, Any]) -> str | None:
    """Return the hash of a package's only file, e.g. `sha256:…`, if it is a wheel."""
    archive = table.get("archive", {})
    files = [archive] if archive and base_name(archive).endswith(".whl") else table.get("wheels", [])
    if len(files) != 1 or "sdist" in table:
        return None
    algorithm, digest = min(files[0]["hashes"].items())
    return f"{algorithm}:{digest}"


def placed(lock: LayerLock, root: Path, names: Collection[str] | None = None) -> str:
    """Return the text of a lock with paths made absolute below `root`.

    With `names`, it has only these packages, which may be build packages.
    """
    if names is None and "path" not in lock.text:
        return lock.text
    import tomli_w  # noqa: PLC0415

    document = tomli.loads(lock.text)
    packages = document.get("packages", [])
    if names is not None:
        tables = (*packages, *map(deepcopy, lock.build_packages))
        packages = [table for table in tables if normalised(table["name"]) in names]
    for table in packages:
        for file in files_of(table):
            if "path" in file:
                file["path"] = str(root / file["path"])
    return tomli_w.dumps(document | {"packages": packages})


def layer_of(lock: LayerLock) -> Layer:
    """Return the layer of a lock; a lock has no reasons for its packages."""
    document = tomli.loads(lock.text)
    members = []
    for table in document.get("packages", ()):
        file: Mapping[str, Any] = next(iter(files_of(table)), {})
        package = Package(normalised(table["name"]), table.get("version"), file.get("size"), table=table)
        members.append(Member(package, ""))
    settings = {"prefix": lock.prefix, "python": document.get("requires-python", "")}
    settings |= {
        key: json.dumps(value, default=str) for key, value in lock.settings.items() if key not in _INDEX_SETTINGS
    }
    settings |= {f"build package {table['name']}": builds.described(table) for table in lock.build_packages}
    settings |= {"exclude-files": " ".join(lock.exclude_files)} if lock.exclude_files else {}
    return Layer(lock.layer, tuple(members), settings, lock.kind)
