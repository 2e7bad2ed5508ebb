"""Which interpreter is started: never one that the project brings, or names by a path."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from uv_layers import errors, target
from uv_layers.uv import find_python_argv

if TYPE_CHECKING:
    from uv_layers.model import Options, Project, Target
    from uv_layers.uv import Uv

# What a project may ask for: a version, an implementation, or the name of a program on PATH.
_NAME = re.compile(r"[\w@<>=!~,*+. -]*[\w*+]", re.ASCII)


def find(uv: Uv, options: Options, directory: Path, current: Project | None) -> Target:
    """Return the interpreter that runs this where it is one that is asked for, else the one that uv finds.

    The user may name any interpreter, with --python or a variable. Raises TargetError for one that the project names
    by a path: to start it would be to run a file of the project.
    """
    request = options.python or (current.python_request if current else None)
    requires = current.requires_python if current else None
    if target.running_satisfies(request, requires):
        return target.of_running()
    if options.python is None and request is not None and not _NAME.fullmatch(request):
        raise errors.TargetError(
            f".python-version names the interpreter by a path, {errors.shown(request)}, and a project's files are not "
            f"started; name one with --python or UV_PYTHON"
        )
    # uv takes the name of a file or folder for its path: there must be none of the project's where it looks.
    cwd = None if options.python else Path(os.__file__).parent
    wanted = request or requires or running_version()
    found = uv.find_python(find_python_argv(directory, wanted), cwd)
    if found is None:
        raise errors.TargetError(f"uv finds no Python {wanted} here; install one, or name another with --python")
    return target.of_interpreter(found, options.environ)


def running_version() -> str:
    """Return the minor version of the interpreter that runs this, e.g. 3.12."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"
