"""The hashes that uv verifies."""

from __future__ import annotations

import re

# Hexadecimal digits, strongest first. uv silently ignores other algorithms, except MD5.
_DIGITS = {"sha512": 128, "sha384": 96, "sha256": 64, "blake2b": 64}


def strongest(hashes: object) -> dict[str, str] | None:
    """Return the strongest hash of a file (PEP 751), or None if it is weaker than SHA-256.

    Only one, because uv accepts a file if any of several hashes matches, even an MD5.
    """
    if isinstance(hashes, dict):
        for algorithm, digits in _DIGITS.items():
            if algorithm in hashes:
                digest = str(hashes[algorithm])
                return {algorithm: digest.lower()} if re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", digest) else None
    return None
