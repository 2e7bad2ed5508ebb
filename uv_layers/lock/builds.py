"""What the builds of a layer need: uv's settings, and other packages at their versions in `uv.lock`."""

from __future__ import annotations

import hashlib
import json
import posixpath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from uv_layers import errors
from uv_layers.lock import hashing
from uv_layers.lock.packages import files_of
from uv_layers.system.names import normalised
from uv_layers.system.paths import with_absolute_indexes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from packaging.requirements import Requirement

    from uv_layers.lock.packages import Layer, Package


# A layer with a package to build has these settings.
SETTINGS = (
    *("build-constraint-dependencies", "config-settings", "dependency-metadata", "exclude-newer"),
    *("exclude-newer-package", "no-binary", "no-build-isolation", "no-sources"),
)

# Settings by package: a layer has those of the packages that it builds.
SETTINGS_BY_PACKAGE = ("config-settings-package", "extra-build-dependencies", "extra-build-variables")
_NO_ISOLATION_PACKAGES = "no-build-isolation-package"

# Lists of packages. All but the last also apply to build requirements, so a layer that builds has the whole list.
LISTS_OF_PACKAGES = ("no-binary-package", "no-build-package", "no-sources-package", _NO_ISOLATION_PACKAGES)


def package_names(key: str, settings: Mapping[str, Any], built: Collection[str]) -> list[str]:
    """Return the names of a list of packages that a layer needs to build the packages `built`."""
    names = set(map(normalised, settings.get(key, ()))) if built else set()
    return sorted(names.intersection(built) if key == _NO_ISOLATION_PACKAGES else names)


_EXTRA = "extra-build-dependencies"


def without_isolation(names: Iterable[str], settings: Mapping[str, Any]) -> set[str]:
    """Return the packages among `names` that uv builds without isolation."""
    if settings.get("no-build-isolation"):
        return set(names)
    return set(names) & set(map(normalised, settings.get(_NO_ISOLATION_PACKAGES, ())))


def check_match_runtime(image: Collection[str], settings: Mapping[str, Any], source: str) -> None:
    """Raise ConfigError for a package with `match-runtime = true` that the image does not have."""
    check_requirements(settings, source)
    for package, requirement in _matched(settings, source):
        if package in image and (name := normalised(requirement.name)) not in image:
            problem = (
                f"has match-runtime = true for {name}, which the image lacks; add it to the project's dependencies"
            )
            raise errors.ConfigError(source, f"{_EXTRA}.{package}", problem)


def with_sources(settings: Mapping[str, Any], sources: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the settings with the URLs and paths of `tool.uv.sources` in the extra build dependencies.

    Those that match the runtime come from the lock. A file becomes an entry with a path. `check_sources` refuses other
    kinds of sources.
    """
    if not sources or _EXTRA not in settings:
        return dict(settings)
    locations = {normalised(name): _location(table) for name, table in sources.items()}

    def lowered(package: str, entry: Any) -> object:
        text = entry["requirement"] if isinstance(entry, dict) else entry
        requirement = _requirement(text, source, package)
        location = locations.get(normalised(requirement.name))
        if location is None or _matches_runtime(entry):
            return entry
        address, is_path = location
        return {"requirement": text, "path": address} if is_path else _with_url(requirement, address)

    extra = {package: [lowered(package, entry) for entry in entries] for package, entries in settings[_EXTRA].items()}
    return {**settings, _EXTRA: extra}


def check_sources(built: Collection[str], settings: Mapping[str, Any], sources: Mapping[str, Any], source: str) -> None:
    """Raise ConfigError if a build needs a package from a kind of source that a layer lock cannot have."""
    unknown = {normalised(name) for name, table in sources.items() if _location(table) is None}
    for package, entry in _entries(settings):
        name = normalised(_requirement(entry["requirement"] if isinstance(entry, dict) else entry, "", "").name)
        if normalised(package) in built and name in unknown and not _matches_runtime(entry):
            problem = (
                f"{name} has a source in tool.uv.sources that a layer lock cannot record, because the source is not a "
                f"single URL, git repository or file; add {name} to the dependencies and set match-runtime = true"
            )
            raise errors.ConfigError(source, f"{_EXTRA}.{package}", problem)


def _location(source: Any) -> tuple[str, bool] | None:
    """Return the URL or the path of a source without a marker, and whether it is a path."""
    if not isinstance(source, dict) or source.keys() & {"marker", "extra", "group"}:
        return None
    folder = f"#subdirectory={source['subdirectory']}" if "subdirectory" in source else ""
    if "git" in source:
        revision = next((source[key] for key in ("rev", "tag", "branch") if key in source), "")
        return f"git+{source['git']}{f'@{revision}' if revision else ''}{folder}", False
    if "url" in source:
        return f"{source['url']}{folder}", False
    path = str(source.get("path", ""))
    return (path, True) if path.endswith((".whl", ".tar.gz", ".zip")) else None


def _with_url(requirement: Requirement, url: str) -> str:
    """Return the text of a requirement with a URL instead of versions."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    marker = f" ; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}{extras} @ {url}{marker}"


def check_requirements(settings: Mapping[str, Any], source: str) -> None:
    """Raise ConfigError for an extra build dependency that uv does not accept."""
    for _ in (*_extra(settings, source), *_matched(settings, source)):
        pass


def build_packages(
    layer: Layer, image: Sequence[Package], settings: Mapping[str, Any], closure: Callable[[Collection[str]], set[str]]
) -> list[Package]:
    """Return the packages of the image's other layers that the builds of this layer need.

    These are the packages with `match-runtime = true`. A build without isolation also needs its
    `extra-build-dependencies` and their closure, or, without any, all packages that uv installs before it.
    """
    built = {member.package.name for member in layer.members if member.package.built}
    matched = {normalised(r.name) for package, r in _matched(settings, "") if package in built}
    wanted = set(matched)
    everything = False
    for name in without_isolation(built, settings):
        named = _named(name, settings)
        wanted |= closure(named)
        everything |= not named
    own = {member.package.name for member in layer.members}
    late = without_isolation((package.name for package in image if package.built), settings)
    packages = [p for p in image if p.name not in own | late and (everything or p.name in wanted)]
    for package in packages:
        if package.name in matched and package.folder:
            raise errors.LocalFolderError(package.name, package.folder["path"])
    return [package for package in packages if not package.folder]


def unnamed(layer: Layer, settings: Mapping[str, Any]) -> list[str]:
    """Return the packages of a layer that uv builds without isolation, with all packages of the image."""
    built = {member.package.name for member in layer.members if member.package.built}
    return sorted(name for name in without_isolation(built, settings) if not _named(name, settings))


def _named(package: str, settings: Mapping[str, Any]) -> set[str]:
    """Return the names of the extra build dependencies of a package."""
    return {normalised(r.name) for name, r in _extra(settings, "") if name == package}


def _extra(settings: Mapping[str, Any], source: str) -> Iterator[tuple[str, Requirement]]:
    """Yield each package with each of its extra build dependencies."""
    for package, entry in _entries(settings):
        text = entry["requirement"] if isinstance(entry, dict) else entry
        yield normalised(package), _requirement(text, source, package)


def _matched(settings: Mapping[str, Any], source: str) -> Iterator[tuple[str, Requirement]]:
    """Yield each package with each of its extra build dependencies that match the runtime."""
    for package, entry in _entries(settings):
        if _matches_runtime(entry):
            requirement = _requirement(entry["requirement"], source, package)
            if requirement.specifier or requirement.url:
                cause = f"{requirement} cannot have a version or URL with match-runtime = true"
                step = "drop match-runtime, or the version or URL"
                raise errors.ConfigError(source, f"{_EXTRA}.{package}", f"{cause}; {step}")
            yield normalised(package), requirement


def _entries(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((package, entry) for package, entries in settings.get(_EXTRA, {}).items() for entry in entries)


def _matches_runtime(entry: Any) -> bool:
    return isinstance(entry, dict) and bool(entry.get("match-runtime"))


def _requirement(text: str, source: str, package: str) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - 60 ms

    try:
        return Requirement(text)
    except InvalidRequirement:
        problem = f"{errors.shown(text)} is not a valid requirement"
        raise errors.ConfigError(source, f"{_EXTRA}.{package}", problem) from None


def described(package: Mapping[str, Any]) -> str:
    """Return the version of a build package and the start of its hash or commit."""
    return f"{package.get('version', '')} {_digest(package)[-64:][:12]}".strip()


def _digest(package: Mapping[str, Any]) -> str:
    return str(package["vcs"]["commit-id"]) if "vcs" in package else _hash(files_of(package)[0])[1]


def _hash(file: Mapping[str, Any]) -> tuple[str, str]:
    hashes = hashing.strongest(file["hashes"]) or {}
    return next(iter(hashes.items()))


def settings_to_install(
    settings: Mapping[str, Any], packages: Sequence[Mapping[str, Any]], root: Path, unisolated: Collection[str]
) -> dict[str, Any]:
    """Return the settings for `uv pip install`, which knows only the packages that it installs.

    `packages` are the tables of the layer and of its build packages; paths start from `root`. A requirement that
    matches the runtime gets the URL of the locked file. A package that uv builds without isolation gets a variable with
    a hash of the build packages, so that uv does not reuse a build with other packages from its cache.
    """
    result = dict(settings)
    tables = {normalised(table["name"]): table for table in packages}
    if _EXTRA in settings:
        result[_EXTRA] = {
            package: [_pinned(entry, tables, root) for entry in entries]
            for package, entries in settings[_EXTRA].items()
            if normalised(package) not in unisolated  # uv ignores them
        }
    if unisolated:
        contents = sorted((name, _digest(table)) for name, table in tables.items() if name not in unisolated)
        digest = hashlib.sha256(json.dumps(contents).encode()).hexdigest()
        variables = {normalised(name): values for name, values in settings.get("extra-build-variables", {}).items()}
        variables |= {name: {**variables.get(name, {}), "UV_LAYERS_BUILD_PACKAGES": digest} for name in unisolated}
        result["extra-build-variables"] = variables
    return with_absolute_indexes(result, root)


def _pinned(entry: Any, tables: Mapping[str, Mapping[str, Any]], root: Path) -> object:
    """Return an extra build dependency with the URL of its file, or of the locked file if it matches the runtime."""
    if isinstance(entry, dict) and "path" in entry:
        return _with_url(_requirement(entry["requirement"], "", ""), _file_url(entry["path"], root))
    if not _matches_runtime(entry):
        return entry
    requirement = _requirement(entry["requirement"], "", "")
    table = tables.get(normalised(requirement.name))
    return entry if table is None else _with_url(requirement, _url(table, root))


def _url(table: Mapping[str, Any], root: Path) -> str:
    if vcs := table.get("vcs"):
        folder = f"#subdirectory={vcs['subdirectory']}" if "subdirectory" in vcs else ""
        return f"git+{vcs.get('url') or _file_url(vcs['path'], root)}@{vcs['commit-id']}{folder}"
    file = files_of(table)[0]
    algorithm, digest = _hash(file)
    parts = [f"{algorithm}={digest}"] if algorithm.startswith("sha") else []
    parts += [f"subdirectory={file['subdirectory']}"] if "subdirectory" in file else []
    address = file.get("url", "").partition("#")[0] or _file_url(file["path"], root)
    return f"{address}#{'&'.join(parts)}" if parts else address


def _file_url(path: str, root: Path) -> str:
    return f"file://{quote(posixpath.normpath(str(root / path)))}"
