"""Compare layers with the base image: in a builder stage, that is the file system of this machine."""

from __future__ import annotations

import ast
import os
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from uv_layers import errors
from uv_layers.project.config import checked_prefix
from uv_layers.system import process
from uv_layers.system.names import normalised
from uv_layers.system.paths import TOOL_FOLDER, is_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from uv_layers.system.interpreter import Target
    from uv_layers.tree.build import Tree


ROOT = Path("/")
_METADATA = (".dist-info", ".egg-info")
_PREFIX = 'choose a prefix that the base image does not use (prefix = "/opt/venv")'


def overlaps(tree: Tree) -> Iterator[str]:
    """Yield a message for each package that the base image has in another version in the same folder."""
    for site in tree.record.sites:
        folder = _in_image(site, tree.record.prefix)
        base, layer = _versions(ROOT / folder), _versions(tree.path / site)
        for name in sorted(name for name in base.keys() & layer.keys() if base[name] != layer[name]):
            yield (
                f"/{folder} already has {name} {base[name]}, but layer {tree.layer!r} has {layer[name]}, so the image "
                f'would mix their files; use a virtual environment (prefix = "/app/.venv"), or a base without {name}'
            )


def damages(tree: Tree) -> Iterator[str]:
    """Yield a message for each link, file, folder, owner or mode of the base image that a tree would replace."""
    top = _in_image(tree.record.prefix.strip("/"), tree.record.prefix)
    for folder, _, names in os.walk(tree.path):
        path = _in_image(os.path.relpath(folder, tree.path), tree.record.prefix)
        status = _status(ROOT / path)
        if status is None or path == ".":
            continue
        if not stat.S_ISDIR(status.st_mode):
            kind = "symlink" if stat.S_ISLNK(status.st_mode) else "file"
            yield f"the base image has a {kind} at /{path}, where layer {tree.layer!r} has a folder; {_PREFIX}"
            continue
        is_parent = f"{top}/".startswith(f"{path}/")
        if is_parent and (owner := _owner(status)) != _OURS:
            yield f"layer {tree.layer!r} changes /{path} from {owner} to {_OURS}; {_PREFIX}"
        for name in names:
            status = _status(ROOT / path / name)
            if status is not None and stat.S_ISDIR(status.st_mode):
                yield f"the base image has a folder at /{path}/{name}, where layer {tree.layer!r} has a file; {_PREFIX}"


def unsearched(prefixes: Iterable[str], target: Target, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a message for each prefix where the Python of the base image does not look for packages.

    A virtual environment has its own Python. This machine is certainly the base image only if uv-layers is where a
    Dockerfile installs it.
    """
    if sys.prefix != TOOL_FOLDER:
        return
    wanted = [prefix for prefix in dict.fromkeys(prefixes) if not is_environment(prefix)]
    pythons = _pythons(target, environ) if wanted else []
    for prefix in wanted:
        site = _site(prefix, target)
        blind = next((python for python in pythons if not python.searches(site)), None)
        if blind is not None:
            fitting = [f'set prefix = "{p}", ' for p in (blind.prefix, "/usr/local") if _fits(p, pythons, target)]
            yield (
                f"{blind.executable} does not look for packages in {site}, so imports in the image would fail; "
                f'{"".join(fitting[:1])}use a virtual environment (prefix = "/app/.venv"), '
                f"or add that folder to PYTHONPATH in the base image"
            )


@dataclass(frozen=True)
class _Python:
    """A Python of the base image: its path, its prefix and the folders where it looks for packages."""

    executable: str
    prefix: str
    folders: frozenset[str]

    def searches(self, site: str) -> bool:
        return os.path.realpath(site) in self.folders


# Lists the site folders, even if they do not exist yet. The working folder is on the search path, so it imports only
# modules that Python has already imported.
_SEARCH = """
import site, sys
print(ascii(("%d.%d" % sys.version_info[:2], sys.prefix, sys.path + site.getsitepackages())))
"""


def _pythons(target: Target, environ: Mapping[str, str]) -> list[_Python]:
    """Return the Python that scripts of a layer start, and the first `python3` on PATH if it has the same version.

    The latter may be in a virtual environment of the base image.
    """
    found = []
    for executable in dict.fromkeys([target.executable, shutil.which("python3", path=environ.get("PATH"))]):
        if executable is None or not Path(executable).is_absolute():
            continue
        try:
            done = process.run([executable, "-c", _SEARCH], env=environ)
            version, prefix, folders = ast.literal_eval(done.stdout)
        except (OSError, ValueError, SyntaxError):  # it does not start, or prints something else
            continue
        if version == target.python:
            found.append(_Python(executable, prefix, frozenset(map(os.path.realpath, folders))))
    return found


def _site(prefix: str, target: Target) -> str:
    """Return the folder in the image that packages of a prefix go to."""
    top = "/" + _in_image(prefix.strip("/"), prefix)
    threads = "t" if "t" in target.abiflags else ""
    folder = f"{top}/lib/python{target.python}{threads}"
    return target.local_site if target.local_site.startswith(f"{folder}/") else f"{folder}/site-packages"


def _fits(prefix: str, pythons: Iterable[_Python], target: Target) -> bool:
    """Return whether all Pythons of the base image look for packages in a prefix, so that it can be recommended."""
    site = _site(prefix, target)
    return _is_prefix(prefix) and (is_environment(prefix) or all(python.searches(site) for python in pythons))


def _is_prefix(path: str) -> bool:
    """Return whether a path is a valid prefix of layers; a home folder is not."""
    try:
        checked_prefix(path, "", "")
    except errors.ConfigError:
        return False
    return True


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
