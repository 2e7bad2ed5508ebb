"""What building the packages of a layer needs: uv's settings, and packages at the versions that `uv.lock` has."""

from __future__ import annotations

import hashlib
import json
import posixpath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from uv_layers import errors
from uv_layers.lock import hashing
from uv_layers.system.names import normalised
from uv_layers.system.paths import with_absolute_indexes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from packaging.requirements import Requirement

    from uv_layers.lock.packages import Layer, Package


# Settings of a layer that builds.
SETTINGS = (
    "build-constraint-dependencies",
    "config-settings",
    "dependency-metadata",
    "exclude-newer",
    "exclude-newer-package",
    "no-binary",
    "no-build-isolation",
    "no-sources",
)


# Settings for packages by name: a layer has those of the packages that it builds.
SETTINGS_BY_PACKAGE = ("config-settings-package", "extra-build-dependencies", "extra-build-variables")


_NO_ISOLATION_PACKAGES = "no-build-isolation-package"


# Names of packages. uv heeds all but the last for what a build requires, too, so a layer that builds has all names.
LISTS_OF_PACKAGES = ("no-binary-package", "no-build-package", "no-sources-package", _NO_ISOLATION_PACKAGES)


def package_names(key: str, settings: Mapping[str, Any], built: Collection[str]) -> list[str]:
    """Return the names in a list of packages that a layer needs, which builds some packages."""
    names = set(map(normalised, settings.get(key, ()))) if built else set()
    return sorted(names.intersection(built) if key == _NO_ISOLATION_PACKAGES else names)


_EXTRA = "extra-build-dependencies"


def without_isolation(names: Iterable[str], settings: Mapping[str, Any]) -> set[str]:
    """Return which of some built packages uv builds without isolation."""
    if settings.get("no-build-isolation"):
        return set(names)
    return set(names) & set(map(normalised, settings.get(_NO_ISOLATION_PACKAGES, ())))


def check_match_runtime(image: Collection[str], settings: Mapping[str, Any], source: str) -> None:
    """Raise ConfigError if a build is to have a package as the image has it, and the image does not have it."""
    check_requirements(settings, source)
    for package, requirement in _matched(settings, source):
        if package in image and (name := normalised(requirement.name)) not in image:
            problem = f"needs {name} of the image (match-runtime), which does not have it; add it to the dependencies"
            raise errors.ConfigError(source, f"{_EXTRA}.{package}", problem)


def with_sources(settings: Mapping[str, Any], sources: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the settings with each extra build dependency from where `tool.uv.sources` says that it is.

    One that matches the runtime is where the lock has it. A file has its path in an entry of its own. Sources of other
    kinds stay as they are, for `check_sources`.
    """
    if not sources or _EXTRA not in settings:
        return dict(settings)
    places = {normalised(name): _place(found) for name, found in sources.items()}

    def lowered(package: str, entry: Any) -> object:
        text = entry["requirement"] if isinstance(entry, dict) else entry
        requirement = _requirement(text, source, package)
        place = places.get(normalised(requirement.name))
        if place is None or _matches_runtime(entry):
            return entry
        return {"requirement": text, "path": place[0]} if place[1] else _at(requirement, place[0])

    extra = {package: [lowered(package, entry) for entry in entries] for package, entries in settings[_EXTRA].items()}
    return {**settings, _EXTRA: extra}


def check_sources(built: Collection[str], settings: Mapping[str, Any], sources: Mapping[str, Any], source: str) -> None:
    """Raise ConfigError if a build needs a package from a source that a layer lock cannot have."""
    unknown = {normalised(name) for name, found in sources.items() if _place(found) is None}
    for package, entry in _entries(settings):
        name = normalised(_requirement(entry["requirement"] if isinstance(entry, dict) else entry, "", "").name)
        if normalised(package) in built and name in unknown and not _matches_runtime(entry):
            problem = (
                f"{name} has a source in tool.uv.sources that is not one url, git repository or file, so a layer lock "
                f"cannot have it; add {name} to the dependencies and set match-runtime = true"
            )
            raise errors.ConfigError(source, f"{_EXTRA}.{package}", problem)


def _place(source: Any) -> tuple[str, bool] | None:
    """Return the URL, or the path of the file, of a source without a marker, and whether it is a path."""
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


def _at(requirement: Requirement, url: str) -> str:
    """Return a requirement that is at a URL."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    marker = f" ; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}{extras} @ {url}{marker}"


def check_requirements(settings: Mapping[str, Any], source: str) -> None:
    """Raise ConfigError for an extra build dependency that uv does not take."""
    for _ in (*_extra(settings, source), *_matched(settings, source)):
        pass


def build_packages(
    layer: Layer, image: Sequence[Package], settings: Mapping[str, Any], closure: Callable[[Collection[str]], set[str]]
) -> list[Package]:
    """Return the packages of other layers that builds of this layer need, as the image has them.

    Those are the packages of `match-runtime = true`, and for a build without isolation what `extra-build-dependencies`
    names, with the closure of it; all that uv installs before that build if nothing is named.
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
    found = [p for p in image if p.name not in own | late and (everything or p.name in wanted)]
    for package in found:
        if package.name in matched and (folder := package.table.get("directory")):
            raise errors.LocalFolderError(package.name, folder["path"])
    return [package for package in found if "directory" not in package.table]


def unnamed(layer: Layer, settings: Mapping[str, Any]) -> list[str]:
    """Return the packages of a layer that are built without isolation, and with all packages of the image."""
    built = {member.package.name for member in layer.members if member.package.built}
    return sorted(name for name in without_isolation(built, settings) if not _named(name, settings))


def _named(package: str, settings: Mapping[str, Any]) -> set[str]:
    """Return the names of the extra build dependencies of a package."""
    return {normalised(r.name) for name, r in _extra(settings, "") if name == package}


def _extra(settings: Mapping[str, Any], source: str) -> Iterator[tuple[str, Requirement]]:
    """Yield each package with an extra build dependency, and that requirement."""
    for package, entry in _entries(settings):
        text = entry["requirement"] if isinstance(entry, dict) else entry
        yield normalised(package), _requirement(text, source, package)


def _matched(settings: Mapping[str, Any], source: str) -> Iterator[tuple[str, Requirement]]:
    """Yield each package with an extra build dependency that matches the runtime, and that requirement."""
    for package, entry in _entries(settings):
        if _matches_runtime(entry):
            requirement = _requirement(entry["requirement"], source, package)
            if requirement.specifier or requirement.url:
                problem = f"{requirement} has both a version or URL and match-runtime = true; drop one of them"
                raise errors.ConfigError(source, f"{_EXTRA}.{package}", problem)
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
    """Return the version of a build package and the start of its hash or commit: it changes with what is installed."""
    return f"{package.get('version', '')} {_digest(package)[-64:][:12]}".strip()


def _digest(package: Mapping[str, Any]) -> str:
    return str(package["vcs"]["commit-id"]) if "vcs" in package else _hash(_file(package))[1]


def _file(package: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the one file that a narrowed package has."""
    files = (*package.get("wheels", ()), package.get("sdist"), package.get("archive"))
    return next(file for file in files if file is not None)


def _hash(file: Mapping[str, Any]) -> tuple[str, str]:
    hashes = hashing.strongest(file["hashes"]) or {}
    return next(iter(hashes.items()))


def settings_to_install(
    settings: Mapping[str, Any], packages: Sequence[Mapping[str, Any]], root: Path, unisolated: Collection[str]
) -> dict[str, Any]:
    """Return the settings for `uv pip install`, which knows only the packages that it installs.

    `packages` are the tables of the layer and of its build packages; paths start from `root`. What shall match the
    runtime becomes the one file of the lock. What uv builds without isolation gets a variable with the hash of the
    packages: otherwise uv would take from its cache what it built with others.
    """
    told = dict(settings)
    tables = {normalised(table["name"]): table for table in packages}
    if _EXTRA in settings:
        told[_EXTRA] = {
            package: [_pinned(entry, tables, root) for entry in entries]
            for package, entries in settings[_EXTRA].items()
            if normalised(package) not in unisolated  # uv ignores them
        }
    if unisolated:
        contents = sorted((name, _digest(table)) for name, table in tables.items() if name not in unisolated)
        digest = hashlib.sha256(json.dumps(contents).encode()).hexdigest()
        variables = {normalised(name): values for name, values in settings.get("extra-build-variables", {}).items()}
        variables |= {name: {**variables.get(name, {}), "UV_LAYERS_BUILD_PACKAGES": digest} for name in unisolated}
        told["extra-build-variables"] = variables
    return with_absolute_indexes(told, root)


def _pinned(entry: Any, tables: Mapping[str, Mapping[str, Any]], root: Path) -> object:
    """Return an extra build dependency: a file by its URL, and one that matches the runtime by that in the lock."""
    if isinstance(entry, dict) and "path" in entry:
        return _at(_requirement(entry["requirement"], "", ""), _file_url(entry["path"], root))
    if not _matches_runtime(entry):
        return entry
    requirement = _requirement(entry["requirement"], "", "")
    table = tables.get(normalised(requirement.name))
    return entry if table is None else _at(requirement, _url(table, root))


def _url(table: Mapping[str, Any], root: Path) -> str:
    if vcs := table.get("vcs"):
        folder = f"#subdirectory={vcs['subdirectory']}" if "subdirectory" in vcs else ""
        return f"git+{vcs.get('url') or _file_url(vcs['path'], root)}@{vcs['commit-id']}{folder}"
    file = _file(table)
    algorithm, digest = _hash(file)
    parts = [f"{algorithm}={digest}"] if algorithm.startswith("sha") else []
    parts += [f"subdirectory={file['subdirectory']}"] if "subdirectory" in file else []
    place = file.get("url", "").partition("#")[0] or _file_url(file["path"], root)
    return f"{place}#{'&'.join(parts)}" if parts else place


def _file_url(path: str, root: Path) -> str:
    return f"file://{quote(posixpath.normpath(str(root / path)))}"
