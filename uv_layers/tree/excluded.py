"""Remove the files that match `exclude-files` from a tree."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from uv_layers.system.paths import below
from uv_layers.system.patterns import Patterns
from uv_layers.tree.installed import update_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from uv_layers.tree.installed import Distribution


# Bytecode as a wheel brings it, and its source (PEP 3147).
_BYTECODE = re.compile(r"(.*/|)__pycache__/([^/]+?)\.[^/]+\.pyc")


class Excluded:
    """The files that some patterns match, of packages below a prefix.

    A path starts at the site folder for files in it, and at the prefix for all others. Bytecode goes with its source.
    A `.dist-info` folder stays whole: it tells Python and other tools what is installed.
    """

    def __init__(self, prefix: str, patterns: Sequence[str]) -> None:
        self._patterns = Patterns(patterns)
        self._none = not patterns
        self._top = below(Path(), prefix).as_posix()

    def of(self, distribution: Distribution) -> set[str]:
        """Return the matching files in the RECORD of a distribution."""
        paths = () if self._none else distribution.files
        return {path for path in paths if self._match(self._relative(path, distribution.site))}

    def _relative(self, path: str, site: str) -> str:
        inner = path.removeprefix(f"{site}/")
        return inner if inner != path else path.removeprefix(f"{self._top}/")

    def _match(self, path: str) -> bool:
        if any(folder.endswith(".dist-info") for folder in path.split("/")[:-1]):
            return False
        source = _BYTECODE.fullmatch(path)
        return self._patterns.match(path) or (source is not None and self._patterns.match(f"{source[1]}{source[2]}.py"))


def exclude(tree: Path, found: Iterable[Distribution], matched: Excluded) -> tuple[list[Distribution], dict[str, int]]:
    """Remove matched files from a tree and from the RECORD files.

    Returns the distributions as they are then, and the bytes that this saves, by package.
    """
    kept: list[Distribution] = []
    saved: dict[str, int] = {}
    for distribution in found:
        paths = matched.of(distribution)
        if paths:
            saved[distribution.name] = sum(_remove(tree / path) for path in paths)
            update_record(tree, distribution, removed=paths)
            files = {path: recorded for path, recorded in distribution.files.items() if path not in paths}
            distribution = replace(distribution, files=files)  # noqa: PLW2901
        kept.append(distribution)
    return kept, saved


def _remove(path: Path) -> int:
    """Remove a file, and return its size, 0 if it does not exist or is not a file."""
    if not path.is_file():
        return 0
    size = path.stat().st_size
    path.unlink()
    return size
