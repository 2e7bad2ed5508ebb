"""Names as packages, groups and extras are compared (PEP 503)."""

from __future__ import annotations

import re


def normalised(name: str) -> str:
    """Return a package, group or extra name, or a pattern of names, as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()
