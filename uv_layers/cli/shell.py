"""Shell code that adds folders to variables, e.g. `PATH`, in the syntax of each shell. Pure: no process, no file.

Folders already there are left where they are, so that evaluating it again changes nothing. A variable that is unset
or empty gets no empty element: in `PATH` and `PYTHONPATH` that is the current folder.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from uv_layers import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


def code(variables: Mapping[str, Sequence[str]], shell: str) -> str:
    """Return the code that adds folders at the start of each variable, in order.

    `shell` is a name or a path, as `$SHELL` is; empty, it is not known. Raises ShellNotFoundError, UnknownShellError
    and PathSeparatorError.
    """
    if not shell:
        raise errors.ShellNotFoundError(SYNTAXES)
    name = shell.rpartition("/")[2]
    if name not in SYNTAXES:
        raise errors.UnknownShellError(name, SYNTAXES)
    for variable, folders in variables.items():
        for folder in folders:
            if ":" in folder:
                raise errors.PathSeparatorError(variable, folder)
    lines = (line for item in variables.items() if item[1] for line in SYNTAXES[name](*item))
    return "".join(f"{line}\n" for line in lines)


def _posix(variable: str, folders: Sequence[str]) -> Iterator[str]:
    for folder in map(shlex.quote, reversed(folders)):
        value = f'{folder}"${{{variable}:+:${variable}}}"'
        yield f'case ":${{{variable}-}}:" in *:{folder}:*) ;; *) export {variable}={value} ;; esac'


def _fish(variable: str, folders: Sequence[str]) -> Iterator[str]:
    # In fish, an empty variable is a list with one empty element.
    yield f'test -n "${variable}"; or set -e {variable}'
    for folder in reversed(folders):
        # Only these two are special in single quotes.
        quoted = "'" + re.sub(r"(['\\])", r"\\\1", folder) + "'"
        yield f"contains -- {quoted} ${variable}; or set -gx {variable} {quoted} ${variable}"


def _powershell(variable: str, folders: Sequence[str]) -> Iterator[str]:
    value = f"$env:{variable}"
    for folder in reversed(folders):
        # In PowerShell, typographic quotes are quotes, too.
        quoted = "'" + re.sub("(['\u2018-\u201b])", r"\1\1", folder) + "'"
        new = f'{quoted} + $(if ({value}) {{ ":{value}" }})'
        yield f"if (\"{value}\".Split(':') -cnotcontains {quoted}) {{ {value} = {new} }}"


SYNTAXES: dict[str, Callable[[str, Sequence[str]], Iterator[str]]] = {
    **dict.fromkeys(("bash", "zsh"), _posix),
    "fish": _fish,
    "powershell": _powershell,
    "pwsh": _powershell,
    **dict.fromkeys(("sh", "ash", "dash", "ksh"), _posix),
}
