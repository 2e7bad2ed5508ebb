"""Names as packages, groups and extras are compared (PEP 503), and numbers of things."""

from __future__ import annotations

import re


def normalised(name: str) -> str:
    """Return a package, group or extra name, or a pattern of names, as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def counted(number: int, noun: str) -> str:
    """Return a number of things, e.g. `1 package` and `2 packages`."""
    return f"{number} {noun}{'s' * (number != 1)}"
