"""Find the files of a build context that `.dockerignore` excludes. Pure: text and paths in, answers out.

The rules are BuildKit's, including the odd ones. tests/docker/test_dockerignore.py compares both.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


# Longer than any real file: matching time grows with the length.
LARGEST = 50_000

# What Go's strings.TrimSpace removes. Python's str.strip removes four more.
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_SPECIAL = re.compile(r"[*?\[\]]|\\.", re.DOTALL)

# Go's filepath.Match checks a pattern up to the first part that does not match.
_ITEM = r"(?:\\.|[^\\\]\-])"
_CHECKED = re.compile(rf"\**(?!\*)(?:[^\\\[*]|\\.|\[(?:\^|(?!\^))(?:{_ITEM}(?:-{_ITEM})?)+\])*(?:\*.*)?", re.DOTALL)

# BuildKit turns a pattern into a regular expression piece by piece, and ignores brackets.
_PIECE = re.compile(r"\*\*/?|\\.|.", re.DOTALL)
_PIECES = {"*": "[^/]*", "?": "[^/]", "\\": "\\\\$"} | {c: f"\\{c}" for c in ".+()|{}$"}
_FOLDERS, _ANYTHING = "(.*/)?", ".*"
_STEP = re.compile(r"\(\.\*/\)\?|\.\*|(\[\^?\]?(?:\\.|[^\]\\])*\]|\\.|.)(\*?)", re.DOTALL)
# Escaped letters that mean the same in Go and in Python, and every other character of ASCII but digits.
_ESCAPE = re.compile(r"\\(?:[AaBbDdfnrtvWw]|(?![A-Za-z0-9])[\x00-\x7f])")


class IgnorePatternError(ValueError):
    """A line that BuildKit does not accept."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line with a pattern. An `exception` starts with `!` and includes files again that a line above excludes."""

    number: int
    pattern: str
    exception: bool
    matches: Callable[[str], bool]


class IgnoreFile:
    """The patterns of a `.dockerignore`. Its methods, too, raise IgnorePatternError, as BuildKit does."""

    def __init__(self, text: str) -> None:
        self.lines = tuple(_lines(text))
        exceptions = [line.pattern.removesuffix("/**").removesuffix("/*") for line in self.lines if line.exception]
        # BuildKit enters an excluded folder only if an exception might match in it.
        self._kept = None if any(re.search(r"[*\[\]?^\\]", p) for p in exceptions) else [f"{p}/" for p in exceptions]
        self._states: dict[str, tuple[bool, tuple[bool, ...]]] = {"": (False, (False,) * len(self.lines))}

    def excludes(self, path: str) -> bool:
        """Return whether the build lacks a file; the path is relative to the build context."""
        return self._state(path)[0] or self._is_sent_empty(path)

    def last_match(self, path: str) -> Line | None:
        """Return the last line that excludes a path or a parent folder; an exception belongs below it."""
        lines = (line for line in reversed(self.lines) if not line.exception)
        return next((line for line in lines if any(map(line.matches, _with_folders(path)))), None)

    def _state(self, path: str) -> tuple[bool, tuple[bool, ...]]:
        """Return whether BuildKit leaves out a path while it walks the context, and which lines have matched so far."""
        folder = ""
        for place in _with_folders(path):
            if place not in self._states:
                self._states[place] = self._next_state(folder, place)
            folder = place
        return self._states[path]

    def _next_state(self, folder: str, path: str) -> tuple[bool, tuple[bool, ...]]:
        excluded, inherited = self._states[folder]
        if excluded and self._is_skipped(folder):
            return True, inherited
        excluded, matches = False, []
        for line, match in zip(self.lines, inherited, strict=True):
            # BuildKit skips a line that would change nothing, also below this folder.
            matches.append(match or (line.exception == excluded and line.matches(path)))
            if matches[-1]:
                excluded = not line.exception
        return excluded, tuple(matches)

    def _is_skipped(self, folder: str) -> bool:
        return self._kept is not None and not any(kept.startswith(f"{folder}/") for kept in self._kept)

    def _is_sent_empty(self, path: str) -> bool:
        """Return whether BuildKit sends a file empty: it checks again by another rule before it opens the file."""
        excluded = False
        for line in self.lines:
            if line.exception == excluded and any(map(line.matches, _with_folders(path))):
                excluded = not line.exception
        return excluded


def escaped(path: str) -> str:
    """Return the pattern that matches only this path."""
    return re.sub(r"[*?\[\]\\]", r"\\\g<0>", path)


def _with_folders(path: str) -> Iterator[str]:
    return accumulate(path.split("/"), lambda folder, name: f"{folder}/{name}")


def _lines(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        pattern = line.strip(_SPACE)
        if line.startswith("#") or not pattern:
            continue
        # Docker removes the slash at the start, then reads the result once more.
        sign = "!" * pattern.startswith("!")
        pattern = _clean(pattern.removeprefix("!").strip(_SPACE))
        pattern = sign + (pattern if pattern == "/" else pattern.removeprefix("/"))
        pattern = _clean(pattern.strip(_SPACE))
        exception = pattern.startswith("!")
        pattern = pattern.removeprefix("!")
        problem = f"line {number}: Docker does not accept the pattern {line.strip()!r}"
        if not pattern or not _CHECKED.fullmatch(pattern):
            raise IgnorePatternError(problem)
        yield Line(number, pattern, exception, _matcher(pattern, problem))


def _clean(path: str) -> str:
    """Return a path as Go's filepath.Clean does. Python keeps two slashes at the start."""
    return re.sub("^//", "/", posixpath.normpath(path)) if path else path


def _matcher(pattern: str, problem: str) -> Callable[[str], bool]:
    """Return the function that matches a pattern, or raises IgnorePatternError if BuildKit cannot compile it."""
    if not _SPECIAL.search(pattern):
        return pattern.__eq__
    if pattern.startswith("**") and not _SPECIAL.search(end := pattern[2:]):
        return lambda path: path.endswith(end) or f"/{path}" == end
    if pattern.endswith("**") and not _SPECIAL.search(start := pattern[:-2]):
        return lambda path: path.startswith(start)

    def piece(match: re.Match[str]) -> str:
        if match[0].startswith("**"):
            return _ANYTHING if match.end() == len(pattern) else _FOLDERS
        return _PIECES.get(match[0], match[0])

    try:
        steps = [_step(match) for match in _STEP.finditer(_PIECE.sub(piece, pattern))]
    except re.error:
        return partial(_refuse, problem)
    return partial(_matches, steps)


def _step(match: re.Match[str]) -> tuple[str, re.Pattern[str] | None]:
    """Return the kind of a step of a regular expression, and the pattern of its character, if it has one."""
    atom = match[1]
    if atom is None:
        return match[0], None
    if not all(map(_ESCAPE.fullmatch, re.findall(r"\\.", atom, re.DOTALL))):
        raise re.error("an escape that Go does not know")
    if atom.startswith("["):
        # In brackets, Python warns about these.
        atom = "[" + re.sub(r"[\[&|~]|(?<=-)-", r"\\\g<0>", atom[1:-1]) + "]"
    return match[2], re.compile(atom, re.ASCII)


def _refuse(problem: str, _: str) -> bool:
    raise IgnorePatternError(problem)


def _matches(steps: Sequence[tuple[str, re.Pattern[str] | None]], path: str) -> bool:
    """Return whether the steps match a whole path.

    It follows all positions at once: `re` could take exponential time for an untrusted pattern.
    """
    places = {0}
    for kind, atom in steps:
        if atom is None:
            rest = range(min(places), len(path))
            places |= {len(path), *rest} if kind == _ANYTHING else {i + 1 for i in rest if path[i] == "/"}
        elif kind == "*":
            new = places
            while new := _after(atom, path, new) - places:
                places = places | new
        elif not (places := _after(atom, path, places)):
            return False
    return len(path) in places


def _after(atom: re.Pattern[str], path: str, places: Iterable[int]) -> set[int]:
    return {match.end() for place in places if (match := atom.match(path, place))}
