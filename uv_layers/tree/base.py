"""What the base image already has where a layer goes: in a builder stage that is the file system of this machine."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from uv_layers.system.names import normalised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uv_layers.tree.build import Tree


ROOT = Path("/")


_METADATA = (".dist-info", ".egg-info")


_PREFIX = 'choose a prefix that the base image does not use (prefix = "/opt/venv")'


def overlaps(tree: Tree) -> Iterator[str]:
    """Yield a message for each package of a tree that the base image has in the same folder in another version."""
    for site in tree.sites:
        folder = _in_image(site, tree.prefix)
        base, layer = _versions(ROOT / folder), _versions(tree.path / site)
        for name in sorted(name for name in base.keys() & layer.keys() if base[name] != layer[name]):
            yield (
                f"/{folder} already has {name} {base[name]}, and this layer brings {layer[name]}: the image would mix "
                f'files of both; use a virtual environment (prefix = "/app/.venv"), or a base image without {name}'
            )


def damages(tree: Tree) -> Iterator[str]:
    """Yield a message for each link, file, folder, owner or mode of the base image that a tree would replace."""
    top = _in_image(tree.prefix.strip("/"), tree.prefix)
    for folder, _, names in os.walk(tree.path):
        path = _in_image(os.path.relpath(folder, tree.path), tree.prefix)
        status = _status(ROOT / path)
        if status is None or path == ".":
            continue
        if not stat.S_ISDIR(status.st_mode):
            kind = "link" if stat.S_ISLNK(status.st_mode) else "file"
            yield f"the base image has a {kind} at /{path}, where this layer has a folder; {_PREFIX}"
            continue
        is_parent = f"{top}/".startswith(f"{path}/")
        if is_parent and (owner := _owner(status)) != _OURS:
            yield f"this layer changes /{path} from {owner} to {_OURS}; {_PREFIX}"
        for name in names:
            status = _status(ROOT / path / name)
            if status is not None and stat.S_ISDIR(status.st_mode):
                yield f"the base image has a folder at /{path}/{name}, where this layer has a file; {_PREFIX}"


def _in_image(path: str, prefix: str) -> str:
    """Return the path in the image, without its first slash; trees for the prefix `/` are copied to /usr/local."""
    return os.path.normpath(f"usr/local/{path}" if prefix == "/" else path)


def _versions(folder: Path) -> dict[str, str]:
    """Return the version of each package that has its metadata in a folder."""
    try:
        entries = os.listdir(folder)  # noqa: PTH208 - names are enough
    except OSError:
        return {}
    stems = (os.path.splitext(entry)[0] for entry in entries if entry.endswith(_METADATA))  # noqa: PTH122
    parts = (stem.split("-") for stem in stems)
    return {normalised(name): version for name, version, *_ in (part for part in parts if len(part) > 1)}


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None


def _owner(status: os.stat_result) -> str:
    return f"owner {status.st_uid}:{status.st_gid} and mode {stat.S_IMODE(status.st_mode):o}"


_OURS = "owner 0:0 and mode 755"
