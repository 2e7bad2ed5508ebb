"""Find where this uv-layers was installed from, so that a Dockerfile gets the same one."""

from __future__ import annotations

import json
import os
import shlex
from importlib import metadata
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from uv_layers import __version__

if TYPE_CHECKING:
    from pathlib import Path


def direct_url() -> dict[str, Any]:
    """Return the recorded folder, file or URL of this uv-layers (PEP 610); empty if it came from an index."""
    try:
        text = metadata.distribution("uv-layers").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return {}
    return json.loads(text) if text else {}


def unpublished_hints(context: Path) -> list[str]:
    """Return a hint if this uv-layers did not come from an index (PEP 610): PyPI may not have its release."""
    recorded = direct_url()
    if not recorded:
        return []
    parts = urlsplit(recorded["url"])
    wheel, folder = f"uv_layers-{__version__}-py3-none-any.whl", os.path.relpath(context)
    source, step = recorded["url"], "put its wheel in the build context"
    if parts.scheme == "file":
        source = unquote(parts.path)
        words = ["uv", "build", "--wheel", "--no-create-gitignore", "--out-dir", folder, source]
        if source.endswith(".whl"):
            wheel, words = os.path.basename(source), ["cp", source, folder]  # noqa: PTH119 - a string, as all here
        step = f"run `{shlex.join(words)}`"
    cause = f"the builder installs uv-layers {__version__} from PyPI, but yours is from {source}"
    return [f"{cause}; if PyPI lacks this version, {step} and add `--tool {wheel}`"]
