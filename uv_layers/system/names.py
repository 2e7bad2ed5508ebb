"""Names of packages, groups and extras (PEP 503), and counts of things."""

from __future__ import annotations

import re

# A valid name of a package, an extra or a group, short enough for the name of a file.
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,200}[a-z0-9])?", re.IGNORECASE | re.ASCII)


def is_name(name: str) -> bool:
    """Return whether a name is valid for a package, an extra or a group."""
    return _NAME.fullmatch(name) is not None


def normalised(name: str) -> str:
    """Return a name, or a pattern of names, normalised (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def counted(number: int, noun: str) -> str:
    """Return a count of things, e.g. `1 package` or `2 packages`."""
    return f"{number} {noun}{'s' * (number != 1)}"
