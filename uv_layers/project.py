"""The project's files: finding them, and reading their configuration with errors that name the setting."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import tomli

from uv_layers import errors
from uv_layers.model import DEFAULT_PREFIX, Config, LayerSpec, Project, normalised

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONFIG_FILE = "uv-layers.toml"
_LAYER_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
_CONFIG_KEYS = {"prefix", "layers"}
_LISTS = ("packages", "groups", "extras")
_LAYER_KEYS = {"name", "dependencies", *_LISTS}


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
    meta = _table(document, "project", "pyproject.toml")
    uv = _table(_table(document, "tool", "pyproject.toml"), "uv", "pyproject.toml")
    groups = tuple(normalised(g) for g in _table(document, "dependency-groups", "pyproject.toml"))
    default = uv.get("default-groups", ["dev"])
    if default != "all":
        default = [normalised(g) for g in _strings(default, "pyproject.toml", "tool.uv.default-groups")]
    lock_root, member_files = _workspace(directory, uv)
    settings = lock_root / "uv.toml"
    own = directory / CONFIG_FILE
    candidates = (settings, lock_root / "pyproject.toml", own, *member_files)
    inputs = dict.fromkeys([pyproject, lock_root / "uv.lock", *(p for p in candidates if p.is_file())])
    if config_file is not None:
        inputs[config_file] = None
    root_uv = (
        uv if lock_root == directory else _table(_table(_read(lock_root / "pyproject.toml"), "tool", ""), "uv", "")
    )
    return Project(
        directory=directory,
        lock_root=lock_root,
        config=_config(directory, document, config_file),
        inputs=tuple(inputs),
        members={name: path.parent for path in member_files if (name := _name(path))},
        name=meta.get("name"),
        requires_python=meta.get("requires-python"),
        python_request=_python_request(directory, lock_root),
        has_dependencies=bool(meta.get("dependencies")) or "dependencies" in meta.get("dynamic", ()),
        groups=groups,
        default_groups=tuple(g for g in groups if default == "all" or g in default),
        extras=tuple(normalised(e) for e in _table(meta, "optional-dependencies", "pyproject.toml")),
        # uv reads one of the two and not both: uv.toml wins.
        uv_settings=_read(settings) if settings.is_file() else root_uv,
    )


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
    root = directory
    if "workspace" not in uv and not (directory / "uv.lock").is_file():
        for parent in directory.parents:
            candidate = parent / "pyproject.toml"
            if candidate.is_file() and (parent / "uv.lock").is_file():
                above = _table(_table(_read(candidate), "tool", str(candidate)), "uv", str(candidate))
                if "workspace" in above:
                    root, uv = parent, above
                break
    patterns = _table(uv, "workspace", "pyproject.toml").get("members", ())
    # No symlinks and nothing above the root: what a build context cannot hold is no input of it.
    found = {p for pattern in patterns if not _escapes(pattern) for p in root.glob(f"{pattern}/pyproject.toml")}
    return root, sorted(found)


def _name(pyproject: Path) -> str | None:
    name = _table(_read(pyproject), "project", str(pyproject)).get("name")
    return normalised(name) if isinstance(name, str) else None


def _escapes(pattern: object) -> bool:
    return not isinstance(pattern, str) or pattern.startswith("/") or ".." in pattern.split("/")


def _config(directory: Path, document: Mapping[str, Any], config_file: Path | None) -> Config:
    own = directory / CONFIG_FILE
    if config_file is not None or own.is_file():
        path = config_file or own
        return _validated(_read(path), path.name, "")
    table = _table(_table(document, "tool", "pyproject.toml"), "uv-layers", "pyproject.toml")
    return _validated(table, "pyproject.toml", "tool.uv-layers.")


def _validated(table: Mapping[str, Any], source: str, where: str) -> Config:
    for key in table.keys() - _CONFIG_KEYS:
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
    for key in table.keys() - _LAYER_KEYS:
        raise errors.ConfigError(source, f"{where}.{key}", f"unknown setting; known: {', '.join(sorted(_LAYER_KEYS))}")
    if "name" not in table:
        raise errors.ConfigError(source, where, "has no name; add one")
    lists = {k: tuple(normalised(v) for v in _strings(table.get(k, []), source, f"{where}.{k}")) for k in _LISTS}
    dependencies = table.get("dependencies", False)
    if not isinstance(dependencies, bool):
        raise errors.ConfigError(source, f"{where}.dependencies", f"must be true or false, not {dependencies!r}")
    return LayerSpec(layer_name(table["name"], source), **lists, dependencies=dependencies)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomli.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise errors.UnreadableFileError(path, error.strerror) from None
    except (UnicodeDecodeError, tomli.TOMLDecodeError, RecursionError) as error:
        raise errors.UnreadableFileError(path, error) from None


def _table(document: Mapping[str, Any], key: str, source: str) -> dict[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise errors.ConfigError(source, key, "must be a table")
    return value


def _strings(value: object, source: str, setting: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise errors.ConfigError(source, setting, f"must be a list of strings, not {value!r}")
    return value
