"""Read untrusted layer locks, and narrow them to a target."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import tomli

from uv_layers import credentials, errors
from uv_layers.lock import builds, exported, hashing, layer_lock
from uv_layers.system import documents, patterns
from uv_layers.system.names import normalised
from uv_layers.system.paths import DEFAULT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from packaging.pylock import Pylock

    from uv_layers.lock.layer_lock import LayerLock
    from uv_layers.system.interpreter import Target


_COMMIT = re.compile(r"[0-9a-fA-F]{40}")

# uv's schemes for downloads and indexes.
_SCHEMES = {"file", "http", "https"}

# uv accepts no others. It does not check for a host that ssh would read as an option.
_GIT_SCHEMES = {"file", "http", "https", "ssh"}


def read_layer_lock(path: Path, layer: str) -> LayerLock:
    """Return the layer lock at `path`, valid, with a strong hash or a commit per package; raises LayerLockError."""
    from packaging.pylock import Pylock, PylockValidationError  # noqa: PLC0415 - 60 ms

    def check_packages(document: Mapping[str, Any]) -> None:
        for file in _files(document):
            _check_name(file)
        _check(document, Pylock.from_dict(document))

    try:
        text, document = documents.read_document(path, documents.LARGEST_LAYER_LOCK)
        check_packages(document)
        own, settings = _own(document, layer)
        build_packages = own.get("build-packages", [])
        check_packages({**document, "packages": build_packages})
        builds.check_requirements(settings, "tool.uv-layers.uv")
        exclude_files = _exclude_files(own)
    except OSError as error:
        raise errors.UnreadableFileError(path, error.strerror) from None
    except (ValueError, PylockValidationError, errors.ConfigError) as error:
        raise errors.LayerLockError(path, error) from None
    prefix = own.get("prefix", DEFAULT_PREFIX)
    if not isinstance(prefix, str):
        problem = f'must be an absolute path, e.g. "/usr/local", not {errors.shown(prefix)}'
        raise errors.ConfigError(str(path), "tool.uv-layers.prefix", problem)
    kind = "environment" if own.get("environment") is True else "packages"
    lock = layer_lock.lock_of(layer, prefix, text, document.get("packages", []), settings)
    return replace(lock, kind=kind, build_packages=tuple(build_packages), exclude_files=exclude_files, path=path)


def narrow_to_target(lock: LayerLock, path: Path, target: Target) -> LayerLock:
    """Return the layer lock at `path` with only the packages, files and hashes for the target.

    Locks from uv-layers need no change. Raises LayerLockError, NoWheelError, and PythonMismatchError for a lock or a
    package of another platform or Python.
    """
    import tomli_w  # noqa: PLC0415
    from packaging.markers import Marker  # noqa: PLC0415
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415

    document = tomli.loads(lock.text)
    environment: dict[str, Any] = {
        **target.markers,
        "extras": frozenset(),
        "dependency_groups": frozenset(document.get("default-groups", ())),
    }

    def admits(marker: str) -> bool:
        return Marker(marker).evaluate(environment, context="lock_file")

    def supports(table: Mapping[str, Any]) -> bool:
        python = SpecifierSet(table.get("requires-python", ""))
        return python.contains(target.full_python, prereleases=True)

    environments = document.get("environments", ())
    build_packages = list(lock.build_packages)
    try:
        fits = (not environments or any(map(admits, environments))) and supports(document)
        tables = [
            t for t in (*document.get("packages", ()), *build_packages) if "marker" not in t or admits(t["marker"])
        ]
        unsupported = [table for table in tables if not supports(table)]
    except (ValueError, KeyError) as error:
        # A valid marker may compare values that cannot be compared, or use an unknown variable.
        raise errors.LayerLockError(path, error) from None
    if not fits:
        wanted = f"Python {document['requires-python']}" if "requires-python" in document else "a target"
        wanted += f" where {' or '.join(environments)}" if environments else ""
        raise errors.PythonMismatchError(str(path), wanted, str(target))
    for table in unsupported:
        wanted = f"Python {table['requires-python']}"
        raise errors.PythonMismatchError(f"{path}: {table['name']}", wanted, f"Python {target.full_python}")
    names: set[str] = set()
    for name in (normalised(table["name"]) for table in tables):
        if name in names:
            raise errors.LayerLockError(path, f"it lists {name} twice for {target}")
        names.add(name)

    def narrow(chosen: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        kept = [table for table in chosen if any(table is admitted for admitted in tables)]
        return [dict(exported.narrowed(table, target, lock.settings, path.parent).table) for table in kept]

    packages, needed = narrow(document.get("packages", ())), narrow(build_packages)
    if packages == document.get("packages") and needed == build_packages:
        return lock
    text = tomli_w.dumps({**document, "packages": packages})
    narrowed = layer_lock.lock_of(lock.layer, lock.prefix, text, packages, lock.settings)
    return replace(narrowed, kind=lock.kind, build_packages=tuple(needed), exclude_files=lock.exclude_files, path=path)


def _exclude_files(own: Mapping[str, Any]) -> tuple[str, ...]:
    value = own.get("exclude-files", [])
    if not isinstance(value, list) or not all(isinstance(pattern, str) for pattern in value):
        raise ValueError(f"tool.uv-layers.exclude-files must be a list of strings, not {errors.shown(value)}")
    if problem := patterns.problem(value):
        raise ValueError(f"tool.uv-layers.exclude-files {problem}")
    return tuple(value)


def check_wheels(locks: Iterable[LayerLock], target: Target) -> None:
    """Raise NoWheelError for a package without a wheel: uv cannot build for another platform."""
    for lock in locks:
        for table in tomli.loads(lock.text).get("packages", ()):
            archive = table.get("archive")
            if not table.get("wheels") and not (archive and exported.base_name(archive).endswith(".whl")):
                raise errors.NoWheelError(table["name"], table.get("version"), str(target), elsewhere=True)


def _files(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the files of a document, which may be invalid."""
    for table in _tables(document.get("packages")):
        yield from _tables([*_tables(table.get("wheels")), table.get("sdist"), table.get("archive")])


def _tables(values: object) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _check_name(file: Mapping[str, Any]) -> None:
    """Raise ValueError for a name that `packaging` would take too long to parse."""
    for name in (exported.base_name({key: str(file[key])}) for key in ("name", "path", "url") if key in file):
        if exported.has_too_many_tags(name):
            raise ValueError(f"{errors.shown(name)} is not the name of a wheel")


def _check(document: Mapping[str, Any], lock: Pylock) -> None:
    """Raise ValueError if a valid lock has something that uv refuses or does not verify."""
    for table, package in zip(document.get("packages", ()), lock.packages, strict=True):
        name = package.name
        if package.directory is not None:
            raise ValueError(f"{name} comes from a local folder, which has no hash")
        for file in _files({"packages": [table]}):
            _check_file(name, file)
        if package.vcs is not None:
            _check_source(name, table["vcs"])
        if package.archive is not None and (wheel := exported.base_name(table["archive"])).endswith(".whl"):
            _check_wheel(wheel, name, table.get("version"))
        if "index" in table and not credentials.is_url(table["index"]):
            raise ValueError(f"the index of {name}, {errors.shown(table['index'])}, is not a URL")


def _check_file(name: str, file: Mapping[str, Any]) -> None:
    if hashing.strongest(file["hashes"]) is None:
        raise ValueError(f"{exported.base_name(file)} has no SHA-256 or stronger hash")
    if "url" in file and not (credentials.is_url(file["url"]) and urlsplit(file["url"]).scheme in _SCHEMES):
        raise ValueError(
            f"{errors.shown(file['url'])} is not a URL that uv can download from; use https:, http: or file:"
        )
    if not all(str(file.get(key, "")).isprintable() for key in ("name", "path", "url", "subdirectory")):
        raise ValueError(f"the path of a file of {name} has a control character")
    if file.get("size", 0) < 0:
        raise ValueError(f"a file of {name} has an invalid size, {file['size']}")


def _check_source(name: str, vcs: Mapping[str, Any]) -> None:
    if vcs["type"] != "git":
        raise ValueError(f"{name} comes from {errors.shown(vcs['type'])}, but uv supports only git")
    if not _COMMIT.fullmatch(vcs["commit-id"]):
        raise ValueError(f"the commit-id of {name}, {errors.shown(vcs['commit-id'])}, is not a commit hash")
    url = vcs.get("url", "file:///")
    parts = urlsplit(url)
    if parts.scheme not in _GIT_SCHEMES or parts.netloc.startswith("-") or "::" in url.split("/")[0]:
        raise ValueError(f"{name} comes from {errors.shown(url)}, which uv does not accept as a git URL")
    if not all(str(vcs.get(key, "")).isprintable() for key in ("path", "url", "subdirectory")):
        raise ValueError(f"the address of {name} has a control character")


def _check_wheel(file: str, name: str, version: str | None) -> None:
    from packaging.utils import parse_wheel_filename  # noqa: PLC0415
    from packaging.version import Version  # noqa: PLC0415

    project, release, _, _ = parse_wheel_filename(file)
    if project != name or (version is not None and release != Version(version)):
        raise ValueError(f"{file} is not a wheel for {name} {version or ''}".rstrip())


def _indexes(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the URLs and paths of the indexes in uv's settings."""
    more = settings.get("extra-index-url", ())
    yield from (index["url"] for index in settings.get("index", ()))
    yield from (*settings.get("find-links", ()), *([more] if isinstance(more, str) else more))
    yield from [settings["index-url"]] if "index-url" in settings else ()


def _own(document: Mapping[str, Any], layer: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the table `tool.uv-layers`, and uv's settings in it."""
    own = document.get("tool", {}).get("uv-layers", {})
    if not isinstance(own, dict):
        raise ValueError("tool.uv-layers must be a table")  # noqa: TRY004 - the document is wrong, not the program
    settings = own.get("uv", {})
    if not isinstance(settings, dict) or not settings.keys() <= layer_lock.SETTINGS:
        raise ValueError(
            f"tool.uv-layers.uv must be a table with only these keys: {', '.join(sorted(layer_lock.SETTINGS))}"
        )
    if wrong := documents.misshapen(settings):
        raise ValueError(f"tool.uv-layers.uv.{wrong[0]} must be {wrong[1]}")
    for index in _indexes(settings):
        if credentials.is_url(index) and urlsplit(index).scheme not in _SCHEMES:
            raise ValueError(f"{errors.shown(index)} is not a URL that uv accepts for an index")
    if own.get("layer", layer) != layer:
        raise ValueError(f"it is the lock of layer {errors.shown(own['layer'])}, not of {layer!r}")
    return own, settings
