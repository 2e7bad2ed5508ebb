"""Names as packages, groups and extras are compared (PEP 503), and numbers of things."""

from __future__ import annotations

import re

# What uv takes for the name of a package, an extra or a group, and the longest that a file can be named for.
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,200}[a-z0-9])?", re.IGNORECASE | re.ASCII)


def is_name(name: str) -> bool:
    """Return whether uv takes a name for a package, an extra or a group."""
    return _NAME.fullmatch(name) is not None


def normalised(name: str) -> str:
    """Return a package, group or extra name, or a pattern of names, as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def counted(number: int, noun: str) -> str:
    """Return a number of things, e.g. `1 package` and `2 packages`."""
    return f"{number} {noun}{'s' * (number != 1)}"
