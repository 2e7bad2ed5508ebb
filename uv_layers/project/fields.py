"""Read values of a TOML document, with errors that name the setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.system import documents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


LONGEST_NAME = 255

# The longest prefix and pattern of members: the paths of trees are longer than the prefix.
LONGEST_PATH = 1000


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file; raises UnreadableFileError."""
    try:
        return documents.read_document(path)[1]
    except OSError as error:
        raise errors.UnreadableFileError(path, error.strerror) from None
    except ValueError as error:
        raise errors.UnreadableFileError(path, error) from None


def get_table(document: Mapping[str, Any], setting: str) -> dict[str, Any]:
    """Return the table at a dotted path of `pyproject.toml`, or an empty one."""
    value: Any = document
    for index, key in enumerate(keys := setting.split(".")):
        value = value.get(key, {})
        if not isinstance(value, dict):
            raise errors.ConfigError("pyproject.toml", ".".join(keys[: index + 1]), "must be a table")
    return dict(value)


def get_text(value: object, source: str, setting: str) -> str:
    """Return the value if it is a string; raises ConfigError."""
    if not isinstance(value, str):
        raise errors.ConfigError(source, setting, f"must be a string, not {errors.shown(value)}")
    return value


def get_string(project: Mapping[str, Any], key: str) -> str | None:
    """Return a string of the table `project`, or None if it has no such key; raises ConfigError."""
    value = project.get(key)
    return None if value is None else get_text(value, "pyproject.toml", f"project.{key}")


def get_flag(value: object, source: str, setting: str) -> bool:
    """Return the value if it is true or false; raises ConfigError."""
    if not isinstance(value, bool):
        raise errors.ConfigError(source, setting, f"must be true or false, not {errors.shown(value)}")
    return value


def get_strings(value: object, source: str, setting: str) -> list[str]:
    """Return the value if it is a list of strings; raises ConfigError."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise errors.ConfigError(source, setting, f"must be a list of strings, not {errors.shown(value)}")
    return value
