"""Patterns of file names: `*`, `?` and `[…]` within a name, and `**` for any number of folders."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


# Projects need fewer. An untrusted lock may have thousands, and each takes time for every file.
_MOST = 100
_LONGEST = 1000


def problem(patterns: Sequence[str]) -> str | None:
    """Return why some patterns are not valid, or None."""
    if len(patterns) > _MOST:
        return f"has {len(patterns)} patterns; the limit is {_MOST}"
    for pattern in patterns:
        if len(pattern) > _LONGEST or not pattern.isprintable():
            limit = f"is longer than {_LONGEST} characters or contains a control character"
            return f"has a pattern that {limit}: {pattern[:50]!r}"
        if any(part in {"", ".", ".."} for part in pattern.split("/")):
            return f'has {pattern!r}, in which a part is empty, "." or ".."; use e.g. "**/tests/**" or "*.pyi"'
    return None


class Patterns:
    """Patterns to match with many paths."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [_Pattern(pattern) for pattern in patterns]

    def match(self, path: str) -> bool:
        """Return whether one of the patterns matches a relative path."""
        return any(pattern.matches(path) for pattern in self._patterns)


class _Pattern:
    """One pattern. Without a slash it matches in any folder; with `**` at the end it matches all below a folder.

    It follows all positions at once, so several `**` do not multiply the time.
    """

    def __init__(self, pattern: str) -> None:
        parts = pattern.split("/")
        self._parts = [*["**"] * (len(parts) == 1), *parts, *["*"] * (parts[-1] == "**")]
        #: By folder, the positions in the pattern that can match the next part of a path.
        self._after = {"": self._with_folders({0})}

    def matches(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return len(self._parts) in self._step(self._positions(folder), name)

    def _positions(self, folder: str) -> set[int]:
        if folder not in self._after:
            parent, _, name = folder.rpartition("/")
            self._after[folder] = self._step(self._positions(parent), name)
        return self._after[folder]

    def _step(self, positions: set[int], name: str) -> set[int]:
        reached = set()
        for position in positions - {len(self._parts)}:
            part = self._parts[position]
            if part == "**":
                reached.add(position)
            elif fnmatchcase(name, part):
                reached.add(position + 1)
        return self._with_folders(reached)

    def _with_folders(self, positions: set[int]) -> set[int]:
        """Return the positions, and those after each `**`, which may match no folder."""
        reached = set(positions)
        for position, part in enumerate(self._parts):
            if part == "**" and position in reached:
                reached.add(position + 1)
        return reached
