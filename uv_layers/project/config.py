"""Read the layers that `[tool.uv-layers]` or uv-layers.toml configures."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.project.fields import LONGEST_NAME, LONGEST_PATH, get_flag, get_strings, get_table, get_text, read_toml
from uv_layers.system import patterns
from uv_layers.system.names import normalised
from uv_layers.system.paths import DEFAULT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Claim:
    """What a layer claims: the `dependencies` of the project, or a `group` or `extra` by name."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()


DEPENDENCIES = Claim("dependencies")


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """The configuration of a layer: its name, and its claims, or that it is the layer of the project; and for its stage
    the image, system packages, build arguments, and variables with their values.
    """

    name: str
    packages: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    dependencies: bool = False
    project: bool = False
    image: str | None = None
    system_packages: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What the layer claims through uv, in the order of precedence."""
        groups = (Claim("group", name) for name in self.groups)
        extras = (Claim("extra", name) for name in self.extras)
        return (*groups, *[DEPENDENCIES] * self.dependencies, *extras)


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration from `[tool.uv-layers]` or from a file; `source` says which.

    `layers` claim packages, and `project` is the layer of the project. The image has no packages that match `exclude`,
    and no files that match `exclude_files`. `dockerfile` has defaults for the options of `uv-layers dockerfile`.
    `table` has the keys of `[tool.uv-layers]`, even if a file wins.
    """

    source: str
    prefix: str = DEFAULT_PREFIX
    layers: tuple[LayerSpec, ...] = ()
    project: LayerSpec | None = None
    dockerfile: Mapping[str, Any] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    exclude_files: tuple[str, ...] = ()
    table: tuple[str, ...] = field(default=(), compare=False)

    @property
    def hints(self) -> tuple[str, ...]:
        """Hints about keys of `pyproject.toml` that have no effect."""
        if not self.table or self.source == PYPROJECT:
            return ()
        keys = ", ".join(self.table)
        return (
            f"{self.source} wins: [tool.uv-layers] in {PYPROJECT} has no effect; remove that table's keys ({keys})",
        )


PYPROJECT = "pyproject.toml"
CONFIG_FILE = "uv-layers.toml"

# Folders that are links in base images or mounts in containers, or have a special owner or mode.
_USED = (
    *("/bin", "/dev", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root", "/run", "/sbin", "/sys"),
    *("/tmp", "/var/local", "/var/lock", "/var/mail", "/var/run", "/var/tmp"),  # noqa: S108 - refused
)

_LAYER_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
_CONFIG_KEYS = {"prefix", "layers", "exclude", "exclude-files", "dockerfile"}
CLAIMS = ("packages", "groups", "extras")
_LAYER_KEYS = {"name", "dependencies", "project", "image", "system-packages", "args", "env", *CLAIMS}
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_DOCKERFILE_STRINGS, _DOCKERFILE_LISTS = {"base", "builder", "cmd", "context", "tool", "uv"}, {"copy", "secrets"}


def load_config(directory: Path, document: Mapping[str, Any], config_file: Path | None) -> Config:
    """Return the configuration from a file, uv-layers.toml, or `pyproject.toml`; raises ConfigError."""
    path = config_file or directory / CONFIG_FILE
    # Errors in an ignored table do not matter.
    table = document.get("tool", {}).get("uv-layers", {}) if isinstance(document.get("tool"), dict) else {}
    keys = tuple(sorted(table)) if isinstance(table, dict) else ()
    if config_file is not None or path.is_file():
        return replace(_validated(read_toml(path), path.name, ""), table=keys)
    return replace(_validated(get_table(document, "tool.uv-layers"), PYPROJECT, "tool.uv-layers."), table=keys)


def _validated(table: Mapping[str, Any], source: str, where: str) -> Config:
    for key in sorted(table.keys() - _CONFIG_KEYS):
        raise errors.ConfigError(source, f"{where}{key}", f"unknown setting; known: {', '.join(sorted(_CONFIG_KEYS))}")
    layers = table.get("layers", [])
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise errors.ConfigError(source, f"{where}layers", "must be a list of tables, one per layer")
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
                source, f"{where}layers", f"only the last layer can have project = true; move or change {spec.name!r}"
            )
    return Config(
        source,
        checked_prefix(table.get("prefix", DEFAULT_PREFIX), source, f"{where}prefix"),
        tuple(specs),
        own,
        _dockerfile(table.get("dockerfile", {}), source, f"{where}dockerfile"),
        _patterns(table.get("exclude", []), source, f"{where}exclude"),
        _exclude_files(table.get("exclude-files", []), source, f"{where}exclude-files"),
    )


def _exclude_files(value: object, source: str, where: str) -> tuple[str, ...]:
    """Return the patterns sorted, as their order has no meaning."""
    result = tuple(sorted(set(get_strings(value, source, where))))
    if problem := patterns.problem(result):
        raise errors.ConfigError(source, where, problem)
    return result


def _dockerfile(table: object, source: str, where: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise errors.ConfigError(source, where, "must be a table")
    known = {"link", *_DOCKERFILE_STRINGS, *_DOCKERFILE_LISTS}
    for key in sorted(table.keys() - known):
        raise errors.ConfigError(source, f"{where}.{key}", f"unknown setting; known: {', '.join(sorted(known))}")
    strings = {k: get_text(v, source, f"{where}.{k}") for k, v in table.items() if k in _DOCKERFILE_STRINGS}
    lists = {k: tuple(get_strings(v, source, f"{where}.{k}")) for k, v in table.items() if k in _DOCKERFILE_LISTS}
    flags = {k: get_flag(v, source, f"{where}.{k}") for k, v in table.items() if k == "link"}
    return {**strings, **lists, **flags}


def checked_prefix(value: object, source: str, setting: str) -> str:
    """Return a valid prefix: an absolute, normal POSIX path; raises ConfigError."""
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable():
        problem = f'must be an absolute path, e.g. "/usr/local", not {errors.shown(value)}'
        raise errors.ConfigError(source, setting, problem)
    parts = [part for part in value.split("/") if part]
    if len(value) > LONGEST_PATH or any(len(part.encode()) > LONGEST_NAME for part in parts):
        raise errors.ConfigError(source, setting, f"is too long: {errors.shown(value)}")
    if any(part in {".", ".."} for part in parts):
        raise errors.ConfigError(
            source, setting, f"must not contain `.` or `..` between slashes: {errors.shown(value)}"
        )
    path = "/" + "/".join(parts)
    if used := next((folder for folder in _USED if f"{path}/".startswith(f"{folder}/")), None):
        problem = f"a layer at {path} would change the owner or mode of {used} in the image, or replace a symlink"
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
    lists = {k: _patterns(table.get(k, []), source, f"{where}.{k}") for k in CLAIMS}
    flags = {key: get_flag(table.get(key, False), source, f"{where}.{key}") for key in ("dependencies", "project")}
    if flags["project"] and (flags["dependencies"] or any(lists.values())):
        problem = "cannot be combined with packages, groups, extras or dependencies; put those in an earlier layer"
        raise errors.ConfigError(source, f"{where}.project", problem)
    return LayerSpec(
        layer_name(table["name"], source),
        packages=lists["packages"],
        groups=lists["groups"],
        extras=lists["extras"],
        dependencies=flags["dependencies"],
        project=flags["project"],
        image=get_text(table["image"], source, f"{where}.image") if "image" in table else None,
        system_packages=tuple(get_strings(table.get("system-packages", []), source, f"{where}.system-packages")),
        args=_variables(get_strings(table.get("args", []), source, f"{where}.args"), source, f"{where}.args"),
        env=_env(table.get("env", {}), source, f"{where}.env"),
    )


def _patterns(value: object, source: str, where: str) -> tuple[str, ...]:
    patterns = tuple(map(normalised, get_strings(value, source, where)))
    if any(len(pattern) > LONGEST_NAME for pattern in patterns):
        raise errors.ConfigError(source, where, "has a pattern that is too long")
    return patterns


def _env(table: object, source: str, where: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(table, dict):
        raise errors.ConfigError(
            source, where, f'must be a table, e.g. {{ NAME = "value" }}, not {errors.shown(table)}'
        )
    names = _variables(table, source, where)
    return tuple((name, get_text(table[name], source, f"{where}.{name}")) for name in names)


def _variables(names: Iterable[str], source: str, where: str) -> tuple[str, ...]:
    for name in names:
        if not _VARIABLE.fullmatch(name):
            raise errors.ConfigError(source, where, f"{errors.shown(name)} is not a valid variable name")
    return tuple(names)
