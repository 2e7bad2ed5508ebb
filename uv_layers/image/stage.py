"""Lines of a Dockerfile that prepare the stage of one layer: packages of its system, build arguments and variables."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from uv_layers import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_SYSTEM_PACKAGE = re.compile(r"[A-Za-z0-9][\w+.:=~<>@-]*", re.ASCII)


def install_system_packages(packages: Sequence[str]) -> list[str]:
    """Return the instruction that installs packages with the package manager of the image, whichever it has."""
    for package in packages:
        if not _SYSTEM_PACKAGE.fullmatch(package):
            raise errors.UsageError(f"{package!r} is not a valid system package name; correct it in system-packages")
    lines = [
        f"RUN packages={shlex.quote(' '.join(packages))}; \\",
        "    if command -v apt-get; then apt-get update && apt-get install --yes --no-install-recommends $packages; \\",
        "    elif command -v apk; then apk add --no-cache $packages; \\",
        "    else $(command -v microdnf || command -v dnf || echo yum) install -y $packages; fi",
    ]
    return lines if packages else []


def set_variables(args: Sequence[str], env: Mapping[str, str], escape: str) -> list[str]:
    """Return the instructions that declare build arguments and set variables in a stage."""
    lines = [f"ARG {name}" for name in args]
    for name, value in env.items():
        if not value.isprintable():
            raise errors.UsageError(f"{value!r} has a control character, which a Dockerfile cannot have; remove it")
        lines.append(f"ENV {name}={quoted(value, escape)}")
    return lines


def quoted(value: str, escape: str) -> str:
    """Return a value in double quotes, in which an instruction reads three characters as more than themselves."""
    special = re.compile(rf'["${re.escape(escape)}]')
    return '"' + special.sub(lambda found: escape + found[0], value) + '"'
