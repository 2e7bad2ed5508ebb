"""The members of a uv workspace."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.project.fields import LONGEST_PATH, get_strings, get_table, read_toml

if TYPE_CHECKING:
    from collections.abc import Mapping


# The most patterns of a workspace: each is a search of the disk.
_MOST_PATTERNS = 1000


def workspace(
    directory: Path, document: Mapping[str, Any], root: Path | None
) -> tuple[Path, Mapping[str, Any], list[Path]]:
    """Return the root of the workspace, its `pyproject.toml`, and the paths of the members' ones, as uv finds them."""
    root = root or _root(directory, document)
    table = document if root == directory else read_toml(root / "pyproject.toml")
    return root, table, _members(root, get_table(table, "tool.uv"))


def _root(directory: Path, document: Mapping[str, Any]) -> Path:
    if "project" in document and "workspace" not in get_table(document, "tool.uv"):
        # uv looks no further than the first project above.
        above = next((d for d in directory.parents if (d / "pyproject.toml").is_file()), directory)
        uv = get_table(read_toml(above / "pyproject.toml"), "tool.uv")
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
        patterns = get_strings(workspace.get(key, []), "pyproject.toml", setting)
        if len(patterns) > _MOST_PATTERNS:
            raise errors.ConfigError("pyproject.toml", setting, f"has more than {_MOST_PATTERNS} entries")
        # Python before 3.13 fails for a path that is too long.
        if any(len(pattern) > LONGEST_PATH for pattern in patterns):
            raise errors.ConfigError("pyproject.toml", setting, "has a pattern that is too long")
        patterns = [p for p in patterns if posixpath.normpath(p or ".") != "."]
        try:
            found[key] = {Path(os.path.normpath(path)) for p in patterns for path in root.glob(p)}
        except (OSError, ValueError, NotImplementedError, RecursionError) as error:
            raise errors.ConfigError("pyproject.toml", setting, str(error)) from None
    folders = (folder / "pyproject.toml" for folder in found["members"] - found["exclude"] - {root})
    return sorted(path for path in folders if path.is_file())
