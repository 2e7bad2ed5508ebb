"""Check that `.dockerignore` does not exclude files of the build, and write one for a new Dockerfile."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uv_layers import errors
from uv_layers.image.ignore import LARGEST, IgnoreFile, IgnorePatternError, escaped
from uv_layers.image.recipe import in_context
from uv_layers.project.fields import get_strings, get_table, read_toml
from uv_layers.system.names import normalised
from uv_layers.system.paths import resolved
from uv_layers.tree.folder import STATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from uv_layers.image.ignore import Line
    from uv_layers.image.recipe import Recipe
    from uv_layers.project.discovery import Project


# Never sources. Without build, dist and env: they could be packages of the project.
_NEVER_NEEDED = (
    *("**/.git", "**/.venv", "**/.env", "**/.DS_Store", "**/__pycache__", "**/*.py[co]", "**/*.egg-info"),
    *("**/.coverage", "**/.hypothesis", "**/.ipynb_checkpoints", "**/.mypy_cache", "**/.nox", "**/.pytest_cache"),
    *("**/.ruff_cache", "**/.tox", "**/node_modules"),
)

# Plugins of build backends that get the version from git.
_FROM_GIT = re.compile(r"vcs|scm|version")


def check_dockerignore(recipe: Recipe, project: Project, context: Path, dockerfile: Path) -> list[str]:
    """Return hints about excluded files that a build of the project may read.

    Raises ExcludedError if `.dockerignore`, or `<Dockerfile>.dockerignore` which wins, excludes a file that the
    Dockerfile mounts or copies, and UnreadableFileError.
    """
    root = resolved(context)
    path = _ignore_path(root, dockerfile)
    if path is None:
        return []
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise errors.UnreadableFileError(path, f"it is larger than {LARGEST} bytes")
    try:
        ignore = IgnoreFile(data.decode(errors="surrogateescape"))
        if lost := _excluded(ignore, root, _needed(recipe)):
            last = max((each.line for each in lost.values()), key=lambda line: line.number)
            raise errors.ExcludedError(path, list(lost), _shown(last), [each.exception for each in lost.values()])
        read = _excluded(ignore, root, _read_by_builds(recipe, project, root))
    except IgnorePatternError as error:
        raise errors.UnreadableFileError(path, error) from None
    return [
        f"{path} excludes {name}, which the build of the project may need; if so, below {_shown(each.line)}, "
        f"add {each.exception}"
        for name, each in read.items()
    ]


def missing_hints(recipe: Recipe, context: Path) -> list[str]:
    """Return a hint for each file that the Dockerfile uses and the build context lacks."""
    wheel = [recipe.tool] if recipe.tool.endswith(".whl") else []
    names = [name for name in (*wheel, *recipe.sources) if not any(character in name for character in "*?[")]
    # Docker ignores `..` at the top of the context.
    missing = [name for name in names if not os.path.lexists(f"{context}{posixpath.normpath(f'/{name}')}")]
    return [f"{name} is not in the build context {context}; put it there before you build" for name in missing]


def new_dockerignore(recipe: Recipe, project: Project, context: Path, dockerfile: Path) -> tuple[Path, str] | None:
    """Return the path and text of a `.dockerignore` for a new Dockerfile, or None if there is one."""
    root = resolved(context)
    path = _of_context(root, dockerfile)
    if os.path.lexists(path) or _ignore_path(root, dockerfile):
        return None
    layers = project.directory / "layers"
    # A folder called "layers" may be a package of the project.
    own = [layers] if not layers.exists() or (layers / STATE).is_dir() else []
    from_git = any(_FROM_GIT.search(need) for folder in _folders(project) for need in _build_requires(folder))
    # A committed file that the build lacks would count as a local change in git versions.
    own += [] if from_git else [path, dockerfile]
    lines = [*_NEVER_NEEDED, *map(escaped, _in_context(own, root))]
    if from_git:
        lines.remove("**/.git")
    needed = [*_needed(recipe), *_read_by_builds(recipe, project, root)]
    lines = [line for line in lines if not _excluded(IgnoreFile(line), root, needed)]
    text = "# Files that the build does not need. This file is yours: uv-layers does not change it.\n"
    return path, text + "".join(f"{line}\n" for line in lines)


def _ignore_path(root: Path, dockerfile: Path) -> Path | None:
    candidates = (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), _of_context(root, dockerfile))
    return next((path for path in candidates if path.is_file()), None)


def _of_context(root: Path, dockerfile: Path) -> Path:
    """Return the path of the context's `.dockerignore`, relative like that of the Dockerfile."""
    return (dockerfile.parent if resolved(dockerfile.parent) == root else root) / ".dockerignore"


def _shown(line: Line) -> str:
    return f"line {line.number} ({'!' * line.exception}{line.pattern})"


def _needed(recipe: Recipe) -> Iterator[str]:
    """Yield the paths in the build context that the Dockerfile mounts or copies, which may have a `*`."""
    yield from (*recipe.inputs, *(path for path, _ in recipe.files))
    if recipe.tool.endswith(".whl"):
        yield recipe.tool
    yield from recipe.sources


def _read_by_builds(recipe: Recipe, project: Project, root: Path) -> Iterator[str]:
    """Yield the files that a build backend reads, by `pyproject.toml` and common layouts."""
    if all(stage.project is None for stage in recipe.layers):
        return
    for folder in _folders(project):
        meta = get_table(read_toml(folder / "pyproject.toml"), "project")
        readme = meta.get("readme")
        readme = readme.get("file") if isinstance(readme, dict) else readme
        names = ("pyproject.toml", "src", normalised(str(meta.get("name", ""))).replace("-", "_"), readme)
        paths = [folder / name for name in names if isinstance(name, str) and name]
        yield from _in_context(filter(os.path.exists, paths), root)


def _in_context(paths: Iterable[Path], root: Path) -> Iterator[str]:
    """Yield the paths in the build context, relative to it."""
    for path in map(resolved, paths):
        if path.is_relative_to(root):
            yield in_context(path, root)


def _folders(project: Project) -> list[Path]:
    return [path.parent for path in project.inputs if path.name == "pyproject.toml"]


def _build_requires(folder: Path) -> list[str]:
    table = get_table(read_toml(folder / "pyproject.toml"), "build-system")
    return get_strings(table.get("requires", []), "pyproject.toml", "build-system.requires")


@dataclass(frozen=True, slots=True)
class _Excluded:
    """A path that is excluded completely; the `exception` below the `line` includes it."""

    line: Line
    exception: str


def _excluded(ignore: IgnoreFile, root: Path, paths: Iterable[str]) -> dict[str, _Excluded]:
    """Return the paths that are excluded completely."""
    found = {}
    for given in dict.fromkeys(paths):
        path = posixpath.normpath(given.lstrip("/") or ".")
        if path.startswith(".."):
            continue
        places = _expanded(root, path)
        files = [file for place in places for file in _files(root, place)]
        if files and all(map(ignore.excludes, files)):
            # After a line about a folder, later lines may be about caches in it.
            lines = [*filter(None, map(ignore.last_match, places))] or [*filter(None, map(ignore.last_match, files))]
            # The exception of a folder includes its files only if another line excludes the folder.
            pattern = f"{escaped(path)}/**" if (root / path).is_dir() else escaped(path).replace(r"\*", "*")
            found[path] = _Excluded(max(lines, key=lambda line: line.number), f"!{pattern}")
    return found


def _expanded(root: Path, path: str) -> list[str]:
    """Return the path, or the matches of one with a `*`."""
    if "*" not in path:
        return [path]
    pattern = re.sub(r"[?\[]", r"[\g<0>]", re.sub(r"\*+", "*", path))
    return [place.relative_to(root).as_posix() for place in root.glob(pattern)]


def _files(root: Path, path: str) -> list[str]:
    """Return the files below a folder of the context; any other path is returned as it is."""
    if not (root / path).is_dir():
        return [path]
    return [
        posixpath.normpath(f"{os.path.relpath(folder, root)}/{name}")
        for folder, _, names in os.walk(root / path)
        for name in names
    ]
