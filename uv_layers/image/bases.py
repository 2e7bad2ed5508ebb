"""Add Python to base images that have none."""

from __future__ import annotations

import re

# The command that installs Python, by the last part of an image name.
_APT = "apt-get update && apt-get install --yes --no-install-recommends python3"
_INSTALL = {"debian": _APT, "ubuntu": _APT, "cuda": _APT, "alpine": "apk add --no-cache python3"}


def lines_for_python(image: str) -> tuple[str, ...]:
    """Return the lines of a stage that adds Python to an image which is known to have none."""
    name = re.split(r"[:@]", image.rpartition("/")[2])[0]
    # CUDA images exist for other systems, too.
    if name not in _INSTALL or (name == "cuda" and "ubuntu" not in image) or "python" in image:
        return ()
    return f"FROM {image} AS base", f"RUN {_INSTALL[name]}"
