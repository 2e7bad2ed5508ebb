"""Find the project, and read its `pyproject.toml` files."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.project.config import CONFIG_FILE, Config, load_config
from uv_layers.project.fields import LONGEST_NAME, get_string, get_strings, get_table, read_toml
from uv_layers.project.settings import local_indexes
from uv_layers.project.workspace import workspace
from uv_layers.system import documents
from uv_layers.system.names import is_name, normalised
from uv_layers.system.paths import resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from uv_layers.project.config import Claim


@dataclass(frozen=True, slots=True)
class Source:
    """The content of a `pyproject.toml`; a workspace root without a `[project]` table has no name.

    `groups` has the `requires-python` of each dependency group and of the groups that it includes. `default_groups` is
    None for all groups.
    """

    directory: Path
    name: str | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    default_groups: tuple[str, ...] | None = ("dev",)
    extras: tuple[str, ...] = ()
    has_dependencies: bool = False


@dataclass(frozen=True, slots=True)
class Project:
    """A uv project: its files, and the content of its `pyproject.toml` and `uv.lock`.

    The `inputs` decide its plan. `files` are local wheels, archives and folders of them that it depends on. `unchecked`
    says why uv cannot check the lock with only the `inputs`, if it cannot. `source` is its own `pyproject.toml`, `root`
    that of the workspace, and `members` has every package of the workspace.

    `plan.scope` adds the rest: `packages` are the names for uv's `--package`, `parts` the members whose dependencies
    are in the image, `group_python` the Python versions that each group needs, `local` the packages in local folders
    that uv installs for each claim, and `locked_members` the members in `uv.lock`: a stage with --frozen does not have
    the `pyproject.toml` of all of them.
    """

    directory: Path
    lock_root: Path
    config: Config
    inputs: tuple[Path, ...]
    source: Source
    root: Source
    files: tuple[Path, ...] = ()
    unchecked: str = ""
    members: Mapping[str, Source] = field(default_factory=dict)
    requires_python: str | None = None
    python_request: str | None = None
    uv_settings: Mapping[str, Any] = field(default_factory=dict)
    uv_sources: Mapping[str, Any] = field(default_factory=dict)
    start: Path = Path()
    packages: tuple[str, ...] = ()
    parts: tuple[Source, ...] = ()
    local: Mapping[Claim, frozenset[str]] = field(default_factory=dict)
    has_dependencies: bool = False
    groups: tuple[str, ...] = ()
    group_python: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    default_groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    locked_members: frozenset[str] = frozenset()

    @property
    def lock(self) -> Path:
        return self.lock_root / "uv.lock"


def find_folder(start: Path) -> Path | None:
    """Return the nearest folder with a `pyproject.toml`, `start` or a parent, or None."""
    start = resolved(start)
    return next((d for d in (start, *start.parents) if (d / "pyproject.toml").is_file()), None)


def load_project(directory: Path, config_file: Path | None = None, lock_root: Path | None = None) -> Project:
    """Return the project in `directory`, configured by `config_file`, `uv-layers.toml` or `[tool.uv-layers]`.

    `lock_root` is the root of its workspace, by default found in the parents. Raises a LayersError that names the file
    and the setting.
    """
    pyproject = directory / "pyproject.toml"
    document = read_toml(pyproject)
    lock_root, root, member_files = workspace(directory, document, lock_root)
    for folder, table in ((directory, document), (lock_root, root)):
        if get_table(table, "tool.uv").get("managed") is False:
            where = str(folder / pyproject.name)
            raise errors.ConfigError(
                where, "tool.uv.managed", "is false, so uv does not install this project; remove the setting"
            )
    settings = lock_root / "uv.toml"
    configuration = config_file or directory / CONFIG_FILE
    candidates = (settings, lock_root / pyproject.name, configuration, *member_files)
    inputs = dict.fromkeys([pyproject, lock_root / "uv.lock", *(path for path in candidates if path.is_file())])
    read = {pyproject: document, lock_root / pyproject.name: root}
    read |= {path: read_toml(path) for path in inputs if path.name == pyproject.name and path not in read}
    local = _local(read)
    inputs |= dict.fromkeys(path / pyproject.name for path in local if _is_file(path / pyproject.name))
    # uv reads only one of the two: uv.toml wins.
    chosen = settings if settings.is_file() else lock_root / pyproject.name
    uv_settings = read_toml(chosen) if chosen == settings else get_table(root, "tool.uv")
    if wrong := documents.misshapen(uv_settings):
        where = "" if chosen == settings else "tool.uv."
        raise errors.ConfigError(chosen.name, f"{where}{wrong[0]}", f"must be {wrong[1]}")
    files = [path for path in local if not _is_folder(path)] + [
        lock_root / place for place in local_indexes(uv_settings)
    ]
    sources = {path: _source(path.parent, found) for path, found in read.items()}
    return Project(
        directory=directory,
        lock_root=lock_root,
        config=load_config(directory, document, config_file),
        inputs=tuple(inputs),
        source=sources[pyproject],
        root=sources[lock_root / pyproject.name],
        files=tuple(dict.fromkeys(files)),
        unchecked=_unchecked(read, local),
        members={
            source.name: source
            for path, source in sources.items()
            if source.name and (path == pyproject or get_table(read[path], "tool.uv").get("managed") is not False)
        },
        requires_python=get_string(get_table(document, "project"), "requires-python"),
        python_request=_python_request(directory, lock_root),
        uv_settings=uv_settings,
        uv_sources=get_table(root, "tool.uv.sources"),
    )


def check_source_name(folder: Path, package: str) -> None:
    """Raise SourceNameError if the project in a folder has another name than the package."""
    path = folder / "pyproject.toml"
    name = _project_name(get_table(read_toml(path), "project")) if path.is_file() else None
    if name not in {None, package}:
        raise errors.SourceNameError(package, folder.name, str(name))


def _python_request(directory: Path, lock_root: Path) -> str | None:
    """Return the first version in the nearest `.python-version`, or None."""
    for folder in dict.fromkeys((directory, lock_root)):
        path = folder / ".python-version"
        if not path.is_file():  # a link may lead to a device
            continue
        try:
            with path.open("rb") as file:
                lines = file.read(documents.LARGEST).decode().splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        requests = (line.split("#")[0].strip() for line in lines)
        request = next(filter(None, requests), None)
        if request is not None and (not request.isprintable() or len(request) > LONGEST_NAME):
            raise errors.UnreadableFileError(path, f"{errors.shown(request)} is not a valid Python version")
        return request
    return None


def _source(directory: Path, document: Mapping[str, Any]) -> Source:
    meta, uv = get_table(document, "project"), get_table(document, "tool.uv")
    default = uv.get("default-groups", ["dev"])
    if default != "all":
        default = tuple(map(normalised, get_strings(default, "pyproject.toml", "tool.uv.default-groups")))
    return Source(
        directory,
        _project_name(meta),
        groups=_groups(document),
        default_groups=None if default == "all" else default,
        extras=_names(document, "project.optional-dependencies"),
        has_dependencies=bool(meta.get("dependencies")),
    )


def _groups(document: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the `requires-python` of each dependency group and of the groups that it includes."""
    names = _names(document, "dependency-groups")
    tables = dict(zip(names, get_table(document, "dependency-groups").values(), strict=True))
    if "dev-dependencies" in get_table(document, "tool.uv"):
        tables.setdefault("dev", [])
    settings = get_table(document, "tool.uv.dependency-groups").items()
    limits = {normalised(k): v.get("requires-python") for k, v in settings if isinstance(v, dict)}
    found: dict[str, tuple[str, ...]] = {}
    for group in tables:
        reached = [group]
        for name in reached:  # grows while it is read
            items = tables[name] if isinstance(tables.get(name), list) else ()
            included = [item.get("include-group") for item in items if isinstance(item, dict)]
            reached += [n for i in included if isinstance(i, str) and (n := normalised(i)) not in reached]
        found[group] = tuple(dict.fromkeys(limit for name in reached if isinstance(limit := limits.get(name), str)))
    return found


def _project_name(meta: Mapping[str, Any]) -> str | None:
    name = get_string(meta, "name")
    if name is None:
        return None
    if not is_name(name):
        raise errors.ConfigError("pyproject.toml", "project.name", f"{errors.shown(name)} is not a valid package name")
    return normalised(name)


def _names(document: Mapping[str, Any], setting: str) -> tuple[str, ...]:
    """Return the keys of a table as normalised names."""
    names = tuple(get_table(document, setting))
    for name in names:
        if not is_name(name):
            raise errors.ConfigError("pyproject.toml", setting, f"{errors.shown(name)} is not a valid name")
    return tuple(map(normalised, names))


def _is_file(path: Path) -> bool:
    """Return whether a path is a file; unlike Path.is_file, without an error for an invalid path."""
    return os.path.isfile(path)  # noqa: PTH113 - that of Path raises


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112


def _local(pyprojects: Mapping[Path, Mapping[str, Any]]) -> list[Path]:
    """Return the files and folders in the `tool.uv.sources` of some `pyproject.toml`, each once."""
    paths: dict[Path, None] = {}
    for path, document in pyprojects.items():
        for name, source in get_table(document, "tool.uv.sources").items():
            for table in source if isinstance(source, list) else [source]:
                if isinstance(table, dict) and isinstance(table.get("path"), str):
                    if "\0" in table["path"]:
                        raise errors.ConfigError(str(path), f"tool.uv.sources.{name}", "its path has a NUL character")
                    paths[Path(os.path.normpath(path.parent / table["path"]))] = None
    return list(paths)


def _unchecked(pyprojects: Mapping[Path, Mapping[str, Any]], local: Iterable[Path]) -> str:
    """Return why uv cannot check a lock with only these files, or an empty text."""
    everything = {**pyprojects}
    for folder in local:
        file = folder / "pyproject.toml"
        if _is_folder(folder):
            everything[file] = read_toml(file) if _is_file(file) else {}
    for path, document in everything.items():
        meta = get_table(document, "project")
        dynamic = get_strings(meta.get("dynamic", []), str(path), "project.dynamic")
        # If only the version is dynamic, uv needs no sources unless the lock is stale.
        for key in ("dependencies", "optional-dependencies"):
            if key in dynamic:
                name = meta.get("name") or path.parent.name
                return f"uv cannot check the dynamic {key} of {name} without its sources"
        if not meta and path not in pyprojects:
            return f"{path.parent.name} has no [project] table, so uv cannot check it without its sources"
    return ""
