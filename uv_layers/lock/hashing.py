"""The hashes that uv verifies."""

from __future__ import annotations

import re

# The hexadecimal digits of each, strongest first. uv ignores every other algorithm but MD5, without a word.
_DIGITS = {"sha512": 128, "sha384": 96, "sha256": 64, "blake2b": 64}


def strongest(hashes: object) -> dict[str, str] | None:
    """Return the strongest of a file's hashes (PEP 751), or None where none of them is as strong as SHA-256.

    It is only one: of several, uv is content with any that is right, were it the MD5.
    """
    if isinstance(hashes, dict):
        for algorithm, digits in _DIGITS.items():
            if algorithm in hashes:
                digest = str(hashes[algorithm])
                return {algorithm: digest.lower()} if re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", digest) else None
    return None
