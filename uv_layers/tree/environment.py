"""Create a virtual environment as a layer, and find where the target's Python looks for packages."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from uv_layers import errors
from uv_layers.system import process
from uv_layers.system.paths import below, is_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from uv_layers.system.interpreter import Target


# Runs in the target: creates the environment in the first argument, with scripts for the path in the second.
_VENV = """
import os, sys, types, venv

class Builder(venv.EnvBuilder):
    def replace_variables(self, text, context):
        names = dict(vars(context), env_dir=sys.argv[2])
        names["env_exe"] = os.path.join(sys.argv[2], os.path.relpath(context.env_exe, context.env_dir))
        return super().replace_variables(text, types.SimpleNamespace(**names))

Builder(symlinks=True, with_pip=False).create(sys.argv[1])
"""


def make_environment(target: Target, folder: Path, prefix: str, environ: Mapping[str, str]) -> None:
    """Create a virtual environment in `folder` that works at `prefix`. Raises TargetError."""
    argv = [str(target.executable), "-I", "-c", _VENV, str(folder), prefix]
    done = process.run(argv, env=environ)
    if done.status:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise errors.TargetError(
            f"{target.executable} cannot create a virtual environment: {said}; choose another Python with --python"
        )
    # venv writes the path of the staging folder into this file.
    home = os.path.dirname(str(target.executable))  # noqa: PTH120 - as it was said, unresolved
    version = f"version_info = {target.markers['python_full_version']}"
    text = f"home = {home}\ninclude-system-site-packages = false\n{version}\n"
    (folder / "pyvenv.cfg").write_text(text, encoding="utf-8")
    (folder / ".gitignore").unlink(missing_ok=True)


@contextmanager
def in_local_site(tree: Path, prefix: str, target: Target) -> Iterator[None]:
    """Make uv install where Debian's own Python looks for packages, by a link from uv's folder.

    Raises TargetError if Debian's folder is elsewhere below the prefix.
    """
    place = "/usr/local" if prefix == "/" else prefix
    if is_environment(prefix) or not target.local_site.startswith(f"{place}/"):
        yield
        return
    folder, _, name = target.local_site.removeprefix(f"{place}/").rpartition("/")
    if folder != f"lib/python{target.python}":
        raise errors.TargetError(
            f"{target.executable} does not look for packages in {prefix}; use the prefix /usr/local"
        )
    parent = below(tree, prefix) / folder
    (parent / name).mkdir(parents=True, exist_ok=True)
    link = parent / "site-packages"
    link.symlink_to(name)
    try:
        yield
    finally:
        link.unlink()


def image_interpreter(prefix: str, target: Target) -> str:
    """Return the interpreter in the first line of scripts in the image.

    It is that of the virtual environment, or else the builder's, which has the same path in the image. On another
    platform the path is unknown, so `env` finds it.
    """
    if is_environment(prefix):
        return f"{prefix}/bin/python"
    return f"/usr/bin/env python{target.python}" if target.platform else str(target.executable)
