"""Move folders that a layer needs elsewhere than uv installs them."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from uv_layers.system.paths import below, is_environment
from uv_layers.tree import installed

if TYPE_CHECKING:
    from pathlib import Path

    from uv_layers.system.interpreter import Target


def arrange(tree: Path, prefix: str, target: Target) -> None:
    """Move headers and manual pages of a tree to where pip puts them in the image, and update the RECORD files.

    Outside of a virtual environment uv installs headers in `include/site/pythonX.Y`, where no compiler looks. In
    Debian's images `/usr/local/man` is a link to `share/man`, and a layer with a folder of that name would replace it.
    """
    if is_environment(prefix):
        return
    top = below(tree, prefix)
    folders = {
        os.path.relpath(headers, tree): f"include/python{target.python}{target.abiflags}"
        for headers in top.glob("include/site/python*")
    }
    if prefix in {"/", "/usr/local"} and (top / "man").is_dir():
        folders[os.path.relpath(top / "man", tree)] = "share/man"
    renamed: dict[str, str] = {}
    for old, new in folders.items():
        renamed |= _merge(tree, old, os.path.relpath(top / new, tree))
    if renamed:
        for distribution in installed.distributions(tree, installed.sites(tree, prefix, target.python)):
            if not renamed.keys().isdisjoint(distribution.files):
                installed.update_record(tree, distribution, renamed=renamed)


def _merge(tree: Path, old: str, new: str) -> dict[str, str]:
    """Move what is below the folder `old` to below `new`, and return the new path of each file."""
    renamed = {}
    for folder, _, names in os.walk(tree / old):
        inner = os.path.relpath(folder, tree / old)
        target = posixpath.normpath(f"{new}/{inner}")
        (tree / target).mkdir(parents=True, exist_ok=True)
        for name in names:
            (tree / folder / name).replace(tree / target / name)
            renamed[posixpath.normpath(f"{old}/{inner}/{name}")] = f"{target}/{name}"
    return renamed
