"""PEP 751: reading what `uv export` prints, and reading and writing layer locks."""

from __future__ import annotations

import json
import os
import posixpath
import re
from dataclasses import replace
from functools import cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes, unquote

import tomli

from uv_layers import documents, errors
from uv_layers.model import DEFAULT_PREFIX, Closure, Layer, LayerLock, Member, Package, normalised

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from uv_layers.model import Target

_FILE_NAME = re.compile(r"pylock\.([^.]+)\.toml")
# More tags than the name of any wheel, and more than those of all in a lock, stand for: they are products.
_MOST_TAGS, _MOST_TAGS_OF_ALL = 200, 500_000
# Characters of all markers and versions of Python; to parse 100,000 of them takes a fifth of a second.
_LONGEST_MARKERS = 500_000

_HEAD = re.compile(r'name = "([^"\n]+)"\n(?:version = "([^"\n]*)"\n)?(?:source = \{ ([^\n]*) \}\n)?')

# Settings that change how a source distribution is built, by what they hold: for every package, or by package.
_BUILD_SETTINGS = ("build-constraint-dependencies", "config-settings", "no-build-isolation")
_BUILD_SETTINGS_BY_PACKAGE = ("config-settings-package", "extra-build-dependencies", "extra-build-variables")
_PACKAGE_LISTS = ("no-binary-package", "no-build-isolation-package")
# Where a build's requirements come from; and, for packages of a named index, which credentials are theirs.
_INDEX_SETTINGS = ("extra-index-url", "index", "index-strategy", "index-url", "no-index")
_SETTINGS = {*_BUILD_SETTINGS, *_BUILD_SETTINGS_BY_PACKAGE, *_PACKAGE_LISTS, *_INDEX_SETTINGS}


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
        found = {t["name"]: _narrowed(t, self._target, settings, self._root) for t in self.tables}
        return [found[name] for name in sorted(found)]


@cache
def _admits(marker: str, environment: tuple[tuple[str, str], ...]) -> bool:
    from packaging.markers import Marker  # noqa: PLC0415 - 60 ms

    return Marker(marker).evaluate(dict(environment), context="lock_file")


def _narrowed(table: Mapping[str, Any], target: Target, settings: Mapping[str, Any], root: Path) -> Package:
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
        kept["vcs"] = _without_credentials({k: v for k, v in vcs.items() if k != "requested-revision"})
        return Package(name, version, None, built=True, table=kept)
    if archive := table.get("archive"):
        wheel = _base_name(archive).endswith(".whl")
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


def _base_name(file: Mapping[str, Any]) -> str:
    if name := file.get("name"):
        return str(name)
    if path := file.get("path"):
        return posixpath.basename(str(path))
    return unquote(posixpath.basename(re.split("[?#]", file["url"])[0]))


def _parts(name: str) -> list[str]:
    """Return the name and version of a wheel, as one, and what its tags are the product of."""
    return name.removesuffix(".whl").rsplit("-", 3)


def _count(parts: Iterable[str]) -> int:
    return prod(part.count(".") + 1 for part in parts)


def _rank(wheel: Mapping[str, Any], target: Target) -> tuple[int, int, list[int], str] | None:
    """Return how well a wheel suits the target, the least being the best, or None when it does not."""
    name = _base_name(wheel)
    stem, *parts = _parts(name)
    if _count(parts) > _MOST_TAGS:
        return None
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
    if not file.get("hashes"):
        raise errors.UnsupportedSourceError(name, f"{_base_name(file)}")
    kept = {key: file[key] for key in ("name", "url", "path", "size", "subdirectory") if key in file}
    # A file of the project has one name wherever the project is.
    below = _uri(root)
    if kept.get("url", "").startswith(below):
        kept["path"] = unquote(kept.pop("url")[len(below) :])
    return _without_credentials(kept) | {"hashes": dict(sorted(file["hashes"].items()))}


def _without_credentials(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table with no password in its URL, and no user name either but for SSH, where it is no secret."""
    return {key: _bare(value) if key == "url" else value for key, value in source.items()}


def _bare(value: Any) -> Any:
    """Return a value without the credentials of any URL in it, all the way down."""
    if isinstance(value, dict):
        return {key: _bare(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_bare(inner) for inner in value]
    return _USER.sub(_userless, value) if isinstance(value, str) else value


# Up to the last @ before a path, with as many slashes as a parser of URLs lets pass.
_USER = re.compile(r"(\b(?:https?:[/\\]*|[a-z][a-z0-9+.-]*:[/\\]{2,}))([^/\\?#]*)@", re.IGNORECASE)


def _userless(match: re.Match[str]) -> str:
    scheme, user = match.groups()
    return f"{scheme}{user.split(':')[0]}@" if "ssh" in scheme else scheme


def _build_settings(layer: Layer, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the project's uv settings that change what this layer installs."""
    built = {m.package.name for m in layer.members if m.package.built}
    kept = _index_settings(layer, settings, everything=bool(built))
    if built:
        kept |= {key: _bare(settings[key]) for key in _BUILD_SETTINGS if settings.get(key)}
    for key in _BUILD_SETTINGS_BY_PACKAGE:
        if chosen := {n: v for n, v in settings.get(key, {}).items() if normalised(n) in built}:
            kept[key] = _bare(chosen)
    for key in _PACKAGE_LISTS:
        if names := sorted({normalised(n) for n in settings.get(key, ())} & built):
            kept[key] = names
    return _sorted(kept)


def _index_settings(layer: Layer, settings: Mapping[str, Any], *, everything: bool) -> dict[str, Any]:
    """Return the project's index settings, without credentials: all, or the named indexes that the layer is from."""
    kept = {key: settings[key] for key in _INDEX_SETTINGS if key in settings and (everything or key == "index")}
    used = {_place(m.package.index) for m in layer.members if m.package.index}
    indexes = [
        _without_credentials(index)
        for index in kept.pop("index", ())
        if "://" in index["url"] and (everything or ("name" in index and _place(index["url"]) in used))
    ]
    return {key: _bare(value) for key, value in kept.items()} | ({"index": indexes} if indexes else {})


def _place(url: str) -> str:
    return str(_bare(url)).rstrip("/")


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
    return replace(_lock(layer.name, prefix, tomli_w.dumps(document), tables, kept), kind=layer.kind)


def _lock(
    layer: str, prefix: str, text: str, tables: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> LayerLock:
    versions = {normalised(table["name"]): table.get("version") for table in tables}
    wheels = {normalised(table["name"]): found for table in tables if (found := _wheel_hash(table))}
    return LayerLock(layer, prefix, text, versions, wheels, settings)


def _wheel_hash(table: Mapping[str, Any]) -> str | None:
    """Return the hash of the one wheel that a package can only be installed from, such as `sha256:…`, or None."""
    archive = table.get("archive", {})
    files = [archive] if archive and _base_name(archive).endswith(".whl") else table.get("wheels", [])
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


def read_layer_lock(path: Path, layer: str) -> LayerLock:
    """Return the layer lock at `path`, valid by PEP 751 and with a hash or a commit for every package.

    Raises LayerLockError.
    """
    from packaging.pylock import Pylock, PylockValidationError  # noqa: PLC0415 - 60 ms

    try:
        text, document = documents.read(path, documents.LARGEST_LAYER_LOCK)
        _check_files(document)
        lock = Pylock.from_dict(document)
    except OSError as error:
        raise errors.UnreadableFileError(path, error.strerror) from None
    except (ValueError, PylockValidationError) as error:
        raise errors.LayerLockError(path, error) from None
    for package in lock.packages:
        if package.directory is not None:
            raise errors.LayerLockError(path, f"{package.name} comes from a local folder, which has no hash")
    own = (lock.tool or {}).get("uv-layers", {})
    if not isinstance(own, dict):
        raise errors.LayerLockError(path, "tool.uv-layers must be a table")
    prefix, settings = own.get("prefix", DEFAULT_PREFIX), own.get("uv", {})
    if not isinstance(prefix, str):
        problem = f'must be an absolute path such as "/usr/local", not {errors.shown(prefix)}'
        raise errors.ConfigError(str(path), "tool.uv-layers.prefix", problem)
    if not isinstance(settings, dict) or not settings.keys() <= _SETTINGS:
        raise errors.LayerLockError(path, f"tool.uv-layers.uv must be a table of {', '.join(sorted(_SETTINGS))}")
    if wrong := documents.misshapen(settings):
        raise errors.LayerLockError(path, f"tool.uv-layers.uv.{wrong[0]} must be {wrong[1]}")
    if own.get("layer", layer) != layer:
        raise errors.LayerLockError(path, f"it is the lock of layer {errors.shown(own['layer'])}, not of {layer!r}")
    kind = "environment" if own.get("environment") is True else "packages"
    return replace(_lock(layer, prefix, text, document.get("packages", []), settings), kind=kind)


def _check_files(document: Mapping[str, Any]) -> None:
    """Raise ValueError for a file that nothing can make sense of, though PEP 751 has nothing against it.

    The document is not known to be valid yet: to tell that takes the tags of all wheels, however many those are.
    """
    tables = _tables(document.get("packages"))
    conditions = (
        table.get(key, "") for table in (document, *tables) for key in ("environments", "marker", "requires-python")
    )
    if sum(len(str(condition)) for condition in conditions) > _LONGEST_MARKERS:
        raise ValueError("its markers are too long")
    tags = 0
    for table in tables:
        for file in (*_tables(table.get("wheels")), *_tables([table.get("sdist"), table.get("archive")])):
            name, path, url = (str(file.get(key)) for key in ("name", "path", "url"))
            names = (name, posixpath.basename(path), posixpath.basename(re.split("[?#]", url)[0]))
            tags += max(_count(_parts(unquote(name))[1:]) for name in names)
            if tags > _MOST_TAGS_OF_ALL:
                raise ValueError("its wheels have too many tags")
            size = file.get("size", 0)
            if isinstance(size, int) and size < 0:
                raise ValueError(f"a file of {errors.shown(table.get('name'))} has a size that is none")


def _tables(values: object) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def check_wheels(locks: Iterable[LayerLock], target: Target) -> None:
    """Raise NoWheelError where a package can only be built, which is not done for a target that is not here."""
    for lock in locks:
        for table in tomli.loads(lock.text).get("packages", ()):
            archive = table.get("archive")
            if not table.get("wheels") and not (archive and _base_name(archive).endswith(".whl")):
                raise errors.NoWheelError(table["name"], table.get("version"), str(target), elsewhere=True)


def check_target(lock: LayerLock, path: Path, target: Target) -> None:
    """Raise PythonMismatchError unless the layer lock at `path` was made for a target like this one."""
    from packaging.markers import Marker  # noqa: PLC0415
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415

    document = tomli.loads(lock.text)
    environments = [Marker(marker) for marker in document.get("environments", ())]
    python = SpecifierSet(document.get("requires-python", ""))
    try:
        fits = not environments or any(m.evaluate(dict(target.markers), context="lock_file") for m in environments)
        fits = fits and python.contains(target.full_python, prereleases=True)
    except (ValueError, KeyError, RecursionError) as error:
        # A valid marker may compare what cannot be compared, or ask for what no environment has.
        raise errors.LayerLockError(path, error) from None
    if not fits:
        wanted = " or ".join(map(str, environments)) or "any platform"
        raise errors.PythonMismatchError(str(path), f"Python {python} where {wanted}", str(target))
