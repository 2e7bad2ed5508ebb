"""`uv-layers precompile`."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

import typer

from uv_layers.cli.options import plain_command
from uv_layers.system import process
from uv_layers.system.interpreter import of_running

# The modules that the commands of a stage import.
_MODULES = (
    *("packaging.markers", "packaging.pylock", "packaging.specifiers", "packaging.tags", "packaging.utils"),
    *("packaging.version", "tomli_w", "uv_layers.cli.export", "uv_layers.cli.install"),
    *("uv_layers.tree.base", "uv_layers.tree.bytecode", "uv_layers.tree.isolation", "uv_layers.tree.scheme"),
    *("uv_layers.tree.excluded", "uv_layers.tree.seal"),
)


@plain_command(example="uv-layers precompile")
def precompile() -> None:
    """Compile uv-layers and the parts of the standard library that it uses.

    Generated Dockerfiles run this in the stage that the other stages start from. Official Python images
    contain the standard library without bytecode, so each stage would otherwise compile it again.
    """
    if os.environ.get(unwanted := "PYTHONDONTWRITEBYTECODE"):
        # Images set it, and Python used it to load its first modules.
        environ = {name: value for name, value in os.environ.items() if name != unwanted}
        argv = [sys.executable, "-m", "uv_layers", "precompile"]
        # Not in the working folder: with `-m`, Python looks for modules there first.
        raise typer.Exit(process.run(argv, env=environ, cwd=Path(sys.prefix), show=sys.stderr.write).status)
    for name in _MODULES:
        import_module(name)
    of_running()
