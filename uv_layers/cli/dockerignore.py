"""Check that the build gets the files that it needs, and write a `.dockerignore` for a new Dockerfile."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uv_layers import errors
from uv_layers.image.ignore import LARGEST, IgnoreFile, IgnorePatternError, escaped
from uv_layers.image.recipe import in_context
from uv_layers.project.fields import get_table, read_toml
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


def check_dockerignore(recipe: Recipe, project: Project, context: Path, dockerfile: Path) -> list[str]:
    """Return hints about excluded files that a build of the project may read.

    Raises ExcludedError if `.dockerignore`, or `<Dockerfile>.dockerignore` which wins, excludes a file that the
    Dockerfile mounts or copies, and UnreadableFileError.
    """
    root = resolved(context)
    hints = _git_hints(recipe, root)
    path = _ignore_path(root, dockerfile)
    if path is None:
        # A new Dockerfile gets a `.dockerignore`.
        nothing = IgnoreFile("")
        copied = dockerfile.exists() and _copies_environment(nothing, recipe, project, root)
        return [*hints, *([_environment_hint(_of_context(root, dockerfile))] if copied else [])]
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
        hints += [_environment_hint(path)] if _copies_environment(ignore, recipe, project, root) else []
    except IgnorePatternError as error:
        raise errors.UnreadableFileError(path, error) from None
    return hints + [
        f"{path} excludes {name}, which the build of the project may need; if so, add {each.exception} "
        f"below {_shown(each.line)}"
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
    from_git = _asks_git(recipe)
    # A committed file that the build lacks would count as a local change in git versions.
    own += [] if from_git else [path, dockerfile]
    lines = [*_NEVER_NEEDED, *map(escaped, _in_context(own, root))]
    if from_git:
        lines.remove("**/.git")
    needed = [*_needed(recipe), *_read_by_builds(recipe, project, root)]
    lines = [line for line in lines if not _excluded(IgnoreFile(line), root, needed)]
    text = "# Files that the build does not need. This file is yours: uv-layers does not change it.\n"
    return path, text + "".join(f"{line}\n" for line in lines)


def uncopied_hints(recipe: Recipe, context: Path) -> list[str]:
    """Return hints about files of the project that a new Dockerfile starts with `--cmd` and does not copy."""
    if recipe.folder is not None:
        return []
    words = [posixpath.normpath(word) for word in recipe.command if not word.startswith("/")]
    # A command may be called like a folder of the project. `os.path` does not raise for a word that no path can be.
    files = [word for word in words if (os.path.exists if "/" in word else os.path.isfile)(context / word)]
    copied = [context / place for source in recipe.sources for place in _expanded(context, source)]
    missing = [file for file in files if not any((context / file).is_relative_to(place) for place in copied)]
    return [
        f"--cmd uses {file}, which the Dockerfile does not copy; add a COPY line, or write a new Dockerfile with "
        f"--copy {file.split('/')[0]}"
        for file in missing
    ]


def _asks_git(recipe: Recipe) -> bool:
    return any(stage.has_git for stage in recipe.layers if stage.project is not None)


def _git_hints(recipe: Recipe, root: Path) -> list[str]:
    if not _asks_git(recipe) or (root / ".git").exists():
        return []
    return [
        f"the project takes its version from git, but the build context {root} has no .git; pass --context {folder}"
        for folder in root.parents
        if (folder / ".git").exists()
    ][:1]


def _copies_environment(ignore: IgnoreFile, recipe: Recipe, project: Project, root: Path) -> bool:
    """Return whether the build copies the virtual environment that `uv sync` makes, which is of this machine."""
    environment = project.lock_root / ".venv"
    installs = any(stage.project is not None for stage in recipe.layers)
    copied = root if installs else root / recipe.folder if recipe.folder is not None else None
    return (
        copied is not None
        and environment.is_dir()
        and resolved(project.lock_root).is_relative_to(copied)
        and not ignore.excludes(f"{in_context(environment, root)}/pyvenv.cfg")
    )


def _environment_hint(path: Path) -> str:
    return f"the build copies .venv, this machine's virtual environment; add **/.venv to {path}"


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
    if _asks_git(recipe):
        yield from _in_context(filter(os.path.exists, [root / ".git"]), root)
    for folder in [path.parent for path in project.inputs if path.name == "pyproject.toml"]:
        meta = get_table(read_toml(folder / "pyproject.toml"), "project")
        named = [meta.get("readme"), meta.get("license")]
        texts = [value.get("file") if isinstance(value, dict) else value for value in named]
        names = ("pyproject.toml", "src", normalised(str(meta.get("name", ""))).replace("-", "_"), *texts)
        paths = [folder / name for name in names if isinstance(name, str) and name]
        yield from _in_context(filter(os.path.exists, paths), root)


def _in_context(paths: Iterable[Path], root: Path) -> Iterator[str]:
    """Yield the paths in the build context, relative to it."""
    for path in map(resolved, paths):
        if path.is_relative_to(root):
            yield in_context(path, root)


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
