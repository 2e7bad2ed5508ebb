"""The project's files: finding them, and reading their configuration with errors that name the setting."""

from __future__ import annotations

import json
import os
import posixpath
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli

from uv_layers import documents, errors
from uv_layers.credentials import is_url
from uv_layers.model import DEFAULT_PREFIX, Config, LayerSpec, Project, Source, normalised, resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from uv_layers.uv_lock import LockedPackage, UvLock

CONFIG_FILE = "uv-layers.toml"
# What uv takes for the name of a package, an extra or a group, and the longest that a file can be named for.
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,200}[a-z0-9])?", re.IGNORECASE | re.ASCII)
_LONGEST_NAME = 255
# The longest prefix, as trees and their files are below others, and the longest pattern of members.
_LONGEST_PATH = 1000
# Folders that are links in base images, mounts in containers, or that have an owner or a mode of their own.
_USED = (
    *("/bin", "/dev", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root", "/run", "/sbin", "/sys"),
    *("/tmp", "/var/local", "/var/lock", "/var/mail", "/var/run", "/var/tmp"),  # noqa: S108 - refused
)
# What a workspace may have; each is looked for.
_MOST_PATTERNS = 1000
_LAYER_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
_CONFIG_KEYS = {"prefix", "layers", "dockerfile"}
_CLAIMS = ("packages", "groups", "extras")
_LAYER_KEYS = {"name", "dependencies", "project", "image", "system-packages", *_CLAIMS}
_DOCKERFILE_STRINGS, _DOCKERFILE_LISTS = {"base", "builder", "cmd", "tool", "uv"}, {"copy", "secrets"}
# The longest list of names that is written on one line.
_LINE = 90


def find(start: Path) -> Path | None:
    """Return the nearest folder with a `pyproject.toml`, from `start` upwards, or None."""
    start = resolved(start)
    return next((d for d in (start, *start.parents) if (d / "pyproject.toml").is_file()), None)


def load(directory: Path, config_file: Path | None = None, lock_root: Path | None = None) -> Project:
    """Return the project in `directory`, configured by `config_file`, `uv-layers.toml` or `[tool.uv-layers]`.

    `lock_root` is the root of its workspace, which is searched for upwards by default. Raises a LayersError that names
    the file and the setting when something in them is wrong.
    """
    pyproject = directory / "pyproject.toml"
    document = _read(pyproject)
    lock_root, root, member_files = _workspace(directory, document, lock_root)
    settings = lock_root / "uv.toml"
    configuration = config_file or directory / CONFIG_FILE
    candidates = (settings, lock_root / pyproject.name, configuration, *member_files)
    inputs = dict.fromkeys([pyproject, lock_root / "uv.lock", *(path for path in candidates if path.is_file())])
    read = {pyproject: document, lock_root / pyproject.name: root}
    read |= {path: _read(path) for path in inputs if path.name == pyproject.name and path not in read}
    local = _local(read)
    inputs |= dict.fromkeys(path / pyproject.name for path in local if _is_file(path / pyproject.name))
    # uv reads one of the two and not both: uv.toml wins.
    chosen = settings if settings.is_file() else lock_root / pyproject.name
    uv_settings = _read(chosen) if chosen == settings else _table(root, "tool.uv")
    if wrong := documents.misshapen(uv_settings):
        where = "" if chosen == settings else "tool.uv."
        raise errors.ConfigError(chosen.name, f"{where}{wrong[0]}", f"must be {wrong[1]}")
    files = [path for path in local if not _is_folder(path)] + [lock_root / place for place in _links(uv_settings)]
    sources = {path: _source(path.parent, found) for path, found in read.items()}
    return Project(
        directory=directory,
        lock_root=lock_root,
        config=_config(directory, document, config_file),
        inputs=tuple(inputs),
        source=sources[pyproject],
        root=sources[lock_root / pyproject.name],
        files=tuple(dict.fromkeys(files)),
        unchecked=_unchecked(read, local),
        members={
            source.name: source
            for path, source in sources.items()
            if source.name and (path == pyproject or _table(read[path], "tool.uv").get("managed") is not False)
        },
        requires_python=_string(_table(document, "project"), "requires-python"),
        python_request=_python_request(directory, lock_root),
        uv_settings=uv_settings,
    )


def select(current: Project, names: Sequence[str], lock: UvLock, config_file: Path | None = None) -> Project:
    """Return the project whose image has what `uv sync` installs in the folder of `current` with `--package` names.

    The lock knows what a `pyproject.toml` leaves to its build backend. Raises UsageError for a name that is in neither,
    and UnknownGroupError for a default group that is not defined.
    """
    for name in names:
        if name not in current.members and name not in lock.tables:
            others = ", ".join(m for m in current.members if m != current.root.name) or "no members"
            raise errors.UsageError(f"--package: no {name!r} in the workspace; it has: {others}")
    start, root, members = current.source, current.root, current.members
    if not names and start.name is not None and start.directory != root.directory:
        names = (start.name,)
    # `uv sync --frozen` takes any package of the lock, which is then in the image itself.
    other = Source(root.directory, default_groups=(), has_dependencies=True)
    chosen = [members.get(name) or replace(other, name=name) for name in names]
    if not names:
        chosen = [start] if start.name is not None else list(members.values())
    one = chosen[0] if len(chosen) == 1 and chosen[0].name in {*names, start.name} else None
    parts = chosen if one is not None or root.name is not None else [root, *chosen]
    locked = [lock.package(part.name or "") for part in parts]
    known: list[Source | LockedPackage] = [*parts, *locked]
    groups = dict.fromkeys(group for found in known for group in found.groups)
    declared = (one or start).default_groups
    default = [g for g in groups if declared is None or g in declared]
    _check_default_groups(one or start)
    sources = parts
    if one is not None:
        # uv takes a group that only the root of the workspace has when it is named, but not by default.
        inherited = {g: limits for g, limits in root.groups.items() if g not in groups}
        sources = [*parts, replace(root, groups=inherited)]
        groups |= dict.fromkeys(inherited)
    home = (one or root).directory
    if home != current.directory:
        current = load(home, config_file, current.lock_root)
    return replace(
        current,
        start=start.directory,
        # `uv export` takes a package that is not a member only where it is asked for several.
        packages=tuple(names) * (2 if one is not None and one.name not in {*members, None} else 1),
        parts=tuple(chosen),
        requires_python=",".join(filter(None, dict.fromkeys([current.requires_python, lock.requires_python]))),
        group_python={g: tuple(x for s in sources for x in s.groups.get(g, ())) for g in groups},
        has_dependencies=any(found.has_dependencies for found in known),
        groups=tuple(groups),
        default_groups=tuple(default),
        extras=tuple(dict.fromkeys(extra for found in known for extra in found.extras)),
        environments=lock.environments,
    )


def _check_default_groups(source: Source) -> None:
    for group in source.default_groups or ():
        if group != "dev" and group not in source.groups:
            raise errors.UnknownGroupError("pyproject.toml: tool.uv.default-groups", group, tuple(source.groups))


def check_name(folder: Path, package: str) -> None:
    """Raise SourceNameError where the project in a folder has another name than the package that is from there."""
    path = folder / "pyproject.toml"
    name = _project_name(_table(_read(path), "project")) if path.is_file() else None
    if name not in {None, package}:
        raise errors.SourceNameError(package, folder.name, str(name))


# uv's settings that say how indexes are reached, and change nothing of what a layer lock has fixed.
_ACCESS = (
    "allow-insecure-host",
    "extra-index-url",
    "find-links",
    "http-proxy",
    "https-proxy",
    "index",
    "index-strategy",
    "index-url",
    "keyring-provider",
    "native-tls",
    "no-index",
    "no-proxy",
    "system-certs",
)


def access(project: Project) -> dict[str, Any]:
    """Return those of the project's uv settings that say how indexes are reached, with paths that hold anywhere."""
    settings = {key: project.uv_settings[key] for key in _ACCESS if key in project.uv_settings}
    if "find-links" in settings:
        settings["find-links"] = [_anywhere(place, project) for place in settings["find-links"]]
    if "index" in settings:
        settings["index"] = [{**index, "url": _anywhere(index["url"], project)} for index in settings["index"]]
    return settings


def _anywhere(place: str, project: Project) -> str:
    return place if is_url(place) else str(project.lock_root / place)


def _python_request(directory: Path, lock_root: Path) -> str | None:
    """Return the first request of the nearest `.python-version`, or None."""
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
        if request is not None and (not request.isprintable() or len(request) > _LONGEST_NAME):
            raise errors.UnreadableFileError(path, f"{errors.shown(request)} names no Python")
        return request
    return None


def _workspace(
    directory: Path, document: Mapping[str, Any], root: Path | None
) -> tuple[Path, Mapping[str, Any], list[Path]]:
    """Return the root of the workspace, what its `pyproject.toml` says, and that of each member, as uv finds them."""
    root = root or _root(directory, document)
    found = document if root == directory else _read(root / "pyproject.toml")
    return root, found, _members(root, _table(found, "tool.uv"))


def _root(directory: Path, document: Mapping[str, Any]) -> Path:
    if "project" in document and "workspace" not in _table(document, "tool.uv"):
        # The first project above is the root, or there is none: uv does not look beyond it.
        above = next((d for d in directory.parents if (d / "pyproject.toml").is_file()), directory)
        uv = _table(_read(above / "pyproject.toml"), "tool.uv")
        if directory / "pyproject.toml" in _members(above, uv):
            return above
    return directory


def _members(root: Path, uv: Mapping[str, Any]) -> list[Path]:
    workspace = uv.get("workspace", {})
    if not isinstance(workspace, dict):
        raise errors.ConfigError("pyproject.toml", "tool.uv.workspace", "must be a table")
    found: dict[str, set[Path]] = {}
    for key in ("members", "exclude"):
        setting = f"tool.uv.workspace.{key}"
        patterns = _strings(workspace.get(key, []), "pyproject.toml", setting)
        if len(patterns) > _MOST_PATTERNS:
            raise errors.ConfigError("pyproject.toml", setting, f"has more than {_MOST_PATTERNS} entries")
        # Python before 3.13 fails at a path that no system can have, and later ones find nothing there.
        if any(len(pattern) > _LONGEST_PATH for pattern in patterns):
            raise errors.ConfigError("pyproject.toml", setting, "has a pattern that is too long")
        patterns = [p for p in patterns if posixpath.normpath(p or ".") != "."]
        try:
            found[key] = {Path(os.path.normpath(path)) for p in patterns for path in root.glob(p)}
        except (OSError, ValueError, NotImplementedError, RecursionError) as error:
            raise errors.ConfigError("pyproject.toml", setting, str(error)) from None
    folders = (folder / "pyproject.toml" for folder in found["members"] - found["exclude"] - {root})
    return sorted(path for path in folders if path.is_file())


def _source(directory: Path, document: Mapping[str, Any]) -> Source:
    meta, uv = _table(document, "project"), _table(document, "tool.uv")
    default = uv.get("default-groups", ["dev"])
    if default != "all":
        default = tuple(map(normalised, _strings(default, "pyproject.toml", "tool.uv.default-groups")))
    return Source(
        directory,
        _project_name(meta),
        groups=_groups(document),
        default_groups=None if default == "all" else default,
        extras=_names(document, "project.optional-dependencies"),
        has_dependencies=bool(meta.get("dependencies")),
    )


def _groups(document: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the `requires-python` of each dependency group: its own, and those of the groups that it includes."""
    names = _names(document, "dependency-groups")
    tables = dict(zip(names, _table(document, "dependency-groups").values(), strict=True))
    if "dev-dependencies" in _table(document, "tool.uv"):
        tables.setdefault("dev", [])
    settings = _table(document, "tool.uv.dependency-groups").items()
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
    name = _string(meta, "name")
    if name is None:
        return None
    if not _NAME.fullmatch(name):
        raise errors.ConfigError("pyproject.toml", "project.name", f"{errors.shown(name)} is no name of a package")
    return normalised(name)


def _names(document: Mapping[str, Any], setting: str) -> tuple[str, ...]:
    """Return the keys of a table, which are names, as they are normalised."""
    names = tuple(_table(document, setting))
    for name in names:
        if not _NAME.fullmatch(name):
            raise errors.ConfigError("pyproject.toml", setting, f"{errors.shown(name)} is no name that uv takes")
    return tuple(map(normalised, names))


def _is_file(path: Path) -> bool:
    """Tell whether a path is that of a file; one that no system can have is not."""
    return os.path.isfile(path)  # noqa: PTH113 - that of Path raises


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112


def _local(pyprojects: Mapping[Path, Mapping[str, Any]]) -> list[Path]:
    """Return the files and folders that `tool.uv.sources` name in some `pyproject.toml`, each once."""
    found: dict[Path, None] = {}
    for path, document in pyprojects.items():
        for name, source in _table(document, "tool.uv.sources").items():
            for place in source if isinstance(source, list) else [source]:
                if isinstance(place, dict) and isinstance(place.get("path"), str):
                    if "\0" in place["path"]:
                        raise errors.ConfigError(str(path), f"tool.uv.sources.{name}", "its path is none")
                    found[Path(os.path.normpath(path.parent / place["path"]))] = None
    return list(found)


def _links(uv_settings: Mapping[str, Any]) -> list[str]:
    """Return the folders and files that the settings name as indexes."""
    places = [*uv_settings.get("find-links", ()), *(index["url"] for index in uv_settings.get("index", ()))]
    return [place for place in places if not is_url(place)]


def _unchecked(pyprojects: Mapping[Path, Mapping[str, Any]], local: Iterable[Path]) -> str:
    """Return why uv cannot tell from these files alone whether a lock matches them, empty where it can."""
    everything = {**pyprojects}
    for folder in local:
        file = folder / "pyproject.toml"
        if _is_folder(folder):
            everything[file] = _read(file) if _is_file(file) else {}
    for path, document in everything.items():
        meta = _table(document, "project")
        dynamic = _strings(meta.get("dynamic", []), str(path), "project.dynamic")
        # uv asks for no sources where only the version is dynamic, unless the lock is stale.
        for key in ("dependencies", "optional-dependencies"):
            if key in dynamic:
                return (
                    f"the {key} of {meta.get('name') or path.parent.name} are dynamic, and only its sources tell them"
                )
        if not meta and path not in pyprojects:
            return f"{path.parent.name} has no [project] table, and only its sources tell what it needs"
    return ""


def _config(directory: Path, document: Mapping[str, Any], config_file: Path | None) -> Config:
    path = config_file or directory / CONFIG_FILE
    if config_file is not None or path.is_file():
        return _validated(_read(path), path.name, "")
    return _validated(_table(document, "tool.uv-layers"), "pyproject.toml", "tool.uv-layers.")


def _validated(table: Mapping[str, Any], source: str, where: str) -> Config:
    for key in sorted(table.keys() - _CONFIG_KEYS):
        raise errors.ConfigError(source, f"{where}{key}", f"unknown setting; known: {', '.join(sorted(_CONFIG_KEYS))}")
    layers = table.get("layers", [])
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise errors.ConfigError(source, f"{where}layers", "must be a list of tables, one for each layer")
    specs = [_layer(layer, source, f"{where}layers[{index}]") for index, layer in enumerate(layers)]
    seen: set[str] = set()
    for spec in specs:
        if spec.name in seen:
            raise errors.DuplicateLayerError(source, spec.name)
        seen.add(spec.name)
    own = specs.pop() if specs and specs[-1].project else None
    for spec in specs:
        if spec.project:
            raise errors.ConfigError(
                source, f"{where}layers", f"{spec.name!r} is the project, and so has to be the last"
            )
    return Config(
        source,
        prefix(table.get("prefix", DEFAULT_PREFIX), source, f"{where}prefix"),
        tuple(specs),
        own,
        _dockerfile(table.get("dockerfile", {}), source, f"{where}dockerfile"),
    )


def _dockerfile(table: object, source: str, where: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise errors.ConfigError(source, where, "must be a table")
    known = {"link", *_DOCKERFILE_STRINGS, *_DOCKERFILE_LISTS}
    for key in sorted(table.keys() - known):
        raise errors.ConfigError(source, f"{where}.{key}", f"unknown setting; known: {', '.join(sorted(known))}")
    strings = {k: _text(v, source, f"{where}.{k}") for k, v in table.items() if k in _DOCKERFILE_STRINGS}
    lists = {k: tuple(_strings(v, source, f"{where}.{k}")) for k, v in table.items() if k in _DOCKERFILE_LISTS}
    if not isinstance(table.get("link", True), bool):
        raise errors.ConfigError(source, f"{where}.link", f"must be true or false, not {errors.shown(table['link'])}")
    return {**strings, **lists, **({"link": table["link"]} if "link" in table else {})}


def prefix(value: object, source: str, setting: str) -> str:
    """Return a valid prefix: an absolute, normal POSIX path; raises ConfigError."""
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable():
        problem = f'must be an absolute path such as "/usr/local", not {errors.shown(value)}'
        raise errors.ConfigError(source, setting, problem)
    parts = [part for part in value.split("/") if part]
    if len(value) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_NAME for part in parts):
        raise errors.ConfigError(source, setting, f"is too long: {errors.shown(value)}")
    if any(part in {".", ".."} for part in parts):
        raise errors.ConfigError(source, setting, f"must have no `.` or `..` in it: {errors.shown(value)}")
    path = "/" + "/".join(parts)
    if used := next((folder for folder in _USED if f"{path}/".startswith(f"{folder}/")), None):
        problem = f"a layer at {path} would change the link, owner or mode of {used} in the image"
        raise errors.ConfigError(source, setting, f"{problem}; choose another folder, e.g. /opt/venv or /app/.venv")
    return path


def layer_name(name: object, source: str) -> str:
    """Return a valid layer name; raises LayerNameError."""
    if not isinstance(name, str) or not _LAYER_NAME.fullmatch(name):
        raise errors.LayerNameError(source, name if isinstance(name, str) else errors.shown(name))
    return name


def _layer(table: Mapping[str, Any], source: str, where: str) -> LayerSpec:
    for key in sorted(table.keys() - _LAYER_KEYS):
        raise errors.ConfigError(source, f"{where}.{key}", f"unknown setting; known: {', '.join(sorted(_LAYER_KEYS))}")
    if "name" not in table:
        raise errors.ConfigError(source, where, "has no name; add one")
    lists = {k: tuple(normalised(v) for v in _strings(table.get(k, []), source, f"{where}.{k}")) for k in _CLAIMS}
    flags = {key: table.get(key, False) for key in ("dependencies", "project")}
    for key, value in flags.items():
        if not isinstance(value, bool):
            problem = f"must be true or false, not {errors.shown(value)}"
            raise errors.ConfigError(source, f"{where}.{key}", problem)
    if any(len(pattern) > _LONGEST_NAME for pattern in lists["packages"]):
        raise errors.ConfigError(source, f"{where}.packages", "has a pattern that is longer than any name")
    if flags["project"] and (flags["dependencies"] or any(lists.values())):
        raise errors.ConfigError(source, f"{where}.project", "is the project alone; let a layer below claim packages")
    return LayerSpec(
        layer_name(table["name"], source),
        packages=lists["packages"],
        groups=lists["groups"],
        extras=lists["extras"],
        dependencies=flags["dependencies"],
        project=flags["project"],
        image=_text(table["image"], source, f"{where}.image") if "image" in table else None,
        system_packages=tuple(_strings(table.get("system-packages", []), source, f"{where}.system-packages")),
    )


def with_layers(path: Path, layers: Sequence[LayerSpec], config: Config) -> str:
    """Return the text of the file `path` with these layers in the place of its own, below that of the project itself.

    A new file has all else that `config` has. Raises ConfigError where the file's layers stand in a way that cannot be
    replaced alone.
    """
    entries = [_entry(spec) for spec in layers]
    entries[-1] += "  # and whatever no layer claims"
    entries += [] if config.project is None else [_entry(config.project)]
    made = "layers = [                                # bottom to top\n" + "".join(f"  {e}\n" for e in entries) + "]\n"
    if not path.is_file():
        import tomli_w  # noqa: PLC0415

        before = "" if config.prefix == DEFAULT_PREFIX else f"prefix = {_quoted(config.prefix)}\n"
        return before + made + ("\n" + tomli_w.dumps({"dockerfile": config.dockerfile}) if config.dockerfile else "")
    rest = {key: value for key, value in _read(path).items() if key != "layers"}
    text = path.read_bytes().decode()
    made = made.replace("\n", "\r\n" if "\r\n" in text else "\n")
    start = re.search(r"^layers\s*=", text, re.MULTILINE)
    if start is None:
        changed = made + ("\n" if text else "") + text
    else:
        changed = text[: start.start()] + made + text[_end(text, start.end()) :]
    # All else is to be as it was, and that is for a parser of TOML to say.
    if _says(changed, {**rest, "layers": tomli.loads(made)["layers"]}):
        return changed
    problem = "cannot be replaced alone; write them as `layers = [` on a line of its own, or remove them"
    raise errors.ConfigError(str(path), "layers", problem)


_TOKEN = re.compile(
    r""""{3}(?:\\.|[^\\])*?"{3}|\'{3}.*?\'{3}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|\#[^\n]*|[][]""", re.DOTALL
)


def _end(text: str, start: int) -> int:
    """Return where the line ends on which the array from `start` ends."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        depth += {"[": 1, "]": -1}.get(token[0], 0)
        if token[0] == "]" and depth <= 0:
            return text.find("\n", token.end()) + 1 or len(text)
    return len(text)


def _says(text: str, document: Mapping[str, Any]) -> bool:
    try:
        return tomli.loads(text) == document
    except tomli.TOMLDecodeError:
        return False


def _entry(spec: LayerSpec) -> str:
    """Return a layer as an inline table; a list that is too long for a line stands on lines of its own."""
    parts = [f"name = {_quoted(spec.name)}"]
    for key in (*_CLAIMS, "system-packages"):
        if values := [_quoted(value) for value in getattr(spec, key.replace("-", "_"))]:
            joined = ", ".join(values)
            if len(joined) > _LINE:
                lines = [""]
                for value in values:
                    if lines[-1] and len(lines[-1]) + len(value) > _LINE:
                        lines.append("")
                    lines[-1] += f"{value}, "
                joined = "\n" + "".join(f"      {line.rstrip(' ')}\n" for line in lines) + "  "
            parts.append(f"{key} = [{joined}]")
    parts += [f"{key} = true" for key in ("dependencies", "project") if getattr(spec, key)]
    parts += [f"image = {_quoted(spec.image)}"] if spec.image else []
    return f"{{ {', '.join(parts)} }},"


def _quoted(value: str) -> str:
    # The one control character that TOML wants escaped, and JSON does not.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _read(path: Path) -> dict[str, Any]:
    try:
        return documents.read(path)[1]
    except OSError as error:
        raise errors.UnreadableFileError(path, error.strerror) from None
    except ValueError as error:
        raise errors.UnreadableFileError(path, error) from None


def _table(document: Mapping[str, Any], setting: str) -> dict[str, Any]:
    """Return the table at a dotted path of `pyproject.toml`, empty where there is none."""
    value: Any = document
    for index, key in enumerate(keys := setting.split(".")):
        value = value.get(key, {})
        if not isinstance(value, dict):
            raise errors.ConfigError("pyproject.toml", ".".join(keys[: index + 1]), "must be a table")
    return dict(value)


def _text(value: object, source: str, setting: str) -> str:
    if not isinstance(value, str):
        raise errors.ConfigError(source, setting, f"must be a string, not {errors.shown(value)}")
    return value


def _string(project: Mapping[str, Any], key: str) -> str | None:
    value = project.get(key)
    if value is not None and not isinstance(value, str):
        raise errors.ConfigError("pyproject.toml", f"project.{key}", f"must be a string, not {errors.shown(value)}")
    return value


def _strings(value: object, source: str, setting: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise errors.ConfigError(source, setting, f"must be a list of strings, not {errors.shown(value)}")
    return value
