"""The project's files: finding them, and reading their configuration with errors that name the setting."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import tomli

from uv_layers import errors
from uv_layers.model import DEFAULT_PREFIX, Config, LayerSpec, Project, normalised

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CONFIG_FILE = "uv-layers.toml"
_LAYER_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
_CONFIG_KEYS = {"prefix", "layers"}
_LISTS = ("packages", "groups", "extras")
_LAYER_KEYS = {"name", "dependencies", *_LISTS}
# The longest list of names that is written on one line.
_LINE = 90


def find(start: Path) -> Path | None:
    """Return the nearest folder with a `pyproject.toml`, from `start` upwards, or None."""
    start = start.resolve()
    return next((d for d in (start, *start.parents) if (d / "pyproject.toml").is_file()), None)


def load(directory: Path, config_file: Path | None = None) -> Project:
    """Return the project in `directory`, configured by `config_file`, `uv-layers.toml` or `[tool.uv-layers]`.

    Raises a LayersError that names the file and the setting when something in them is wrong.
    """
    pyproject = directory / "pyproject.toml"
    document = _read(pyproject)
    meta = _table(document, "project")
    uv = _table(document, "tool.uv")
    groups = tuple(normalised(group) for group in _table(document, "dependency-groups"))
    default = uv.get("default-groups", ["dev"])
    if default != "all":
        default = [normalised(group) for group in _strings(default, "pyproject.toml", "tool.uv.default-groups")]
    lock_root, member_files = _workspace(directory, uv)
    settings = lock_root / "uv.toml"
    configuration = config_file or directory / CONFIG_FILE
    candidates = (settings, lock_root / "pyproject.toml", configuration, *member_files)
    inputs = dict.fromkeys([pyproject, lock_root / "uv.lock", *(path for path in candidates if path.is_file())])
    root_uv = uv if lock_root == directory else _table(_read(lock_root / "pyproject.toml"), "tool.uv")
    dynamic = _strings(meta.get("dynamic", []), "pyproject.toml", "project.dynamic")
    return Project(
        directory=directory,
        lock_root=lock_root,
        config=_config(directory, document, config_file),
        inputs=tuple(inputs),
        members={name: path.parent for path in member_files if (name := _name(path))},
        name=_string(meta, "name"),
        requires_python=_string(meta, "requires-python"),
        python_request=_python_request(directory, lock_root),
        has_dependencies=bool(meta.get("dependencies")) or "dependencies" in dynamic,
        groups=groups,
        default_groups=tuple(g for g in groups if default == "all" or g in default),
        extras=tuple(normalised(extra) for extra in _table(document, "project.optional-dependencies")),
        # uv reads one of the two and not both: uv.toml wins.
        uv_settings=_read(settings) if settings.is_file() else root_uv,
    )


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
    return place if "://" in place else str(project.lock_root / place)


def _python_request(directory: Path, lock_root: Path) -> str | None:
    """Return the first request of the nearest `.python-version`, or None."""
    for folder in dict.fromkeys((directory, lock_root)):
        try:
            lines = (folder / ".python-version").read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        requests = (line.split("#")[0].strip() for line in lines)
        return next(filter(None, requests), None)
    return None


def _workspace(directory: Path, uv: Mapping[str, Any]) -> tuple[Path, list[Path]]:
    """Return the folder that holds `uv.lock`, and the `pyproject.toml` of each workspace member."""
    if "workspace" in uv or (directory / "uv.lock").is_file():
        return directory, _members(directory, uv)
    for parent in directory.parents:
        if (parent / "pyproject.toml").is_file() and (parent / "uv.lock").is_file():
            found = _members(parent, _table(_read(parent / "pyproject.toml"), "tool.uv"))
            if directory / "pyproject.toml" in found:
                return parent, found
            break
    return directory, []


def _members(root: Path, uv: Mapping[str, Any]) -> list[Path]:
    workspace = uv.get("workspace", {})
    if not isinstance(workspace, dict):
        raise errors.ConfigError("pyproject.toml", "tool.uv.workspace", "must be a table")
    found: dict[str, set[Path]] = {}
    for key in ("members", "exclude"):
        setting = f"tool.uv.workspace.{key}"
        patterns = _strings(workspace.get(key, []), "pyproject.toml", setting)
        try:
            found[key] = {path for p in patterns if p and ".." not in p.split("/") for path in root.glob(p)}
        except (ValueError, NotImplementedError) as error:
            raise errors.ConfigError("pyproject.toml", setting, str(error)) from None
    folders = (folder / "pyproject.toml" for folder in found["members"] - found["exclude"])
    return sorted(path for path in folders if path.is_file())


def _name(pyproject: Path) -> str | None:
    name = _string(_table(_read(pyproject), "project"), "name")
    return None if name is None else normalised(name)


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
    return Config(source, prefix(table.get("prefix", DEFAULT_PREFIX), source, f"{where}prefix"), tuple(specs))


def prefix(value: object, source: str, setting: str) -> str:
    """Return a valid prefix: an absolute, normal POSIX path; raises ConfigError."""
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable():
        raise errors.ConfigError(source, setting, f'must be an absolute path such as "/usr/local", not {value!r}')
    parts = [part for part in value.split("/") if part]
    if any(part in {".", ".."} for part in parts):
        raise errors.ConfigError(source, setting, f"must have no `.` or `..` in it: {value!r}")
    return "/" + "/".join(parts)


def layer_name(name: object, source: str) -> str:
    """Return a valid layer name; raises LayerNameError."""
    if not isinstance(name, str) or not _LAYER_NAME.fullmatch(name):
        raise errors.LayerNameError(source, str(name))
    return name


def _layer(table: Mapping[str, Any], source: str, where: str) -> LayerSpec:
    for key in sorted(table.keys() - _LAYER_KEYS):
        raise errors.ConfigError(source, f"{where}.{key}", f"unknown setting; known: {', '.join(sorted(_LAYER_KEYS))}")
    if "name" not in table:
        raise errors.ConfigError(source, where, "has no name; add one")
    lists = {k: tuple(normalised(v) for v in _strings(table.get(k, []), source, f"{where}.{k}")) for k in _LISTS}
    dependencies = table.get("dependencies", False)
    if not isinstance(dependencies, bool):
        raise errors.ConfigError(source, f"{where}.dependencies", f"must be true or false, not {dependencies!r}")
    return LayerSpec(layer_name(table["name"], source), **lists, dependencies=dependencies)


def with_layers(config: Path, layers: Sequence[LayerSpec], prefix: str) -> str:
    """Return the text of the file `config` with these layers in the place of its own; `prefix` is for a new file.

    Raises ConfigError where the file's layers stand in a way that cannot be replaced alone.
    """
    entries = [_entry(spec) for spec in layers]
    entries[-1] += "  # and whatever no layer claims"
    made = "layers = [                                # bottom to top\n" + "".join(f"  {e}\n" for e in entries) + "]\n"
    if not config.is_file():
        other = "" if prefix == DEFAULT_PREFIX else f"prefix = {_quoted(prefix)}\n"
        return other + made
    rest = {key: value for key, value in _read(config).items() if key != "layers"}
    text = config.read_bytes().decode()
    made = made.replace("\n", "\r\n" if "\r\n" in text else "\n")
    lines = text.splitlines(keepends=True)
    start = next((n for n, line in enumerate(lines) if re.match(r"layers\s*=", line)), None)
    if start is None:
        candidates = [made + ("\n" if text else "") + text]
    else:
        candidates = ["".join([*lines[:start], made, *lines[end:]]) for end in range(start + 1, len(lines) + 1)]
    # The first that leaves all else as it was: where an array ends is for a parser of TOML to say.
    wanted = {**rest, "layers": tomli.loads(made)["layers"]}
    for candidate in candidates:
        if _says(candidate, wanted):
            return candidate
    problem = "cannot be replaced alone; write them as `layers = [` on a line of its own, or remove them"
    raise errors.ConfigError(str(config), "layers", problem)


def _says(text: str, document: Mapping[str, Any]) -> bool:
    try:
        return tomli.loads(text) == document
    except tomli.TOMLDecodeError:
        return False


def _entry(spec: LayerSpec) -> str:
    """Return a layer as an inline table; a list that is too long for a line stands on lines of its own."""
    parts = [f"name = {_quoted(spec.name)}"]
    for key in _LISTS:
        if values := [_quoted(value) for value in getattr(spec, key)]:
            joined = ", ".join(values)
            if len(joined) > _LINE:
                lines = [""]
                for value in values:
                    if lines[-1] and len(lines[-1]) + len(value) > _LINE:
                        lines.append("")
                    lines[-1] += f"{value}, "
                joined = "\n" + "".join(f"      {line.rstrip(' ')}\n" for line in lines) + "  "
            parts.append(f"{key} = [{joined}]")
    if spec.dependencies:
        parts.append("dependencies = true")
    return f"{{ {', '.join(parts)} }},"


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomli.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise errors.UnreadableFileError(path, error.strerror) from None
    except (UnicodeDecodeError, tomli.TOMLDecodeError, RecursionError) as error:
        raise errors.UnreadableFileError(path, error) from None


def _table(document: Mapping[str, Any], setting: str) -> dict[str, Any]:
    """Return the table at a dotted path of `pyproject.toml`, empty where there is none."""
    value: Any = document
    for index, key in enumerate(keys := setting.split(".")):
        value = value.get(key, {})
        if not isinstance(value, dict):
            raise errors.ConfigError("pyproject.toml", ".".join(keys[: index + 1]), "must be a table")
    return dict(value)


def _string(project: Mapping[str, Any], key: str) -> str | None:
    value = project.get(key)
    if value is not None and not isinstance(value, str):
        raise errors.ConfigError("pyproject.toml", f"project.{key}", f"must be a string, not {value!r}")
    return value


def _strings(value: object, source: str, setting: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise errors.ConfigError(source, setting, f"must be a list of strings, not {value!r}")
    return value
