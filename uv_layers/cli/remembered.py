"""The options in the marks of a Dockerfile, which `--write` and `--check` use again."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.project.options import Options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# An untrusted Dockerfile must not choose a file to run, read or write. uv runs `NAME/bin/python` for `--python NAME` if
# there is such a folder, so only versions are remembered.
_VERSION = re.compile(r"(?:(?:cpython|pypy|graalpy)@?)?3(?:\.\d{1,2}){0,2}t?")


def is_version(python: str) -> bool:
    """Return whether a value of `--python` means the same on every machine."""
    return _VERSION.fullmatch(python) is not None


def _values(options: Options, overrides: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the options that a Dockerfile remembers, with their values."""
    chosen = options.selection
    return [
        ("image", overrides.get("image")),
        ("package", options.packages),
        ("all-packages", options.all_packages),
        ("group", chosen.groups),
        ("no-group", chosen.no_groups),
        ("no-default-groups", chosen.no_default_groups),
        ("all-groups", chosen.all_groups),
        ("extra", chosen.extras),
        ("all-extras", chosen.all_extras),
        ("no-install-project", chosen.no_install_project),
        ("no-install-package", chosen.no_install_packages),
        ("prefix", options.prefix),
        ("python", options.python),
        ("frozen", options.frozen),
        *((key, overrides.get(key)) for key in ("context", "base", "builder", "tool", "uv")),
        ("secret", overrides.get("secrets")),
        ("no-link", overrides.get("link") is False),
        ("copy", overrides.get("copy")),
        ("cmd", overrides.get("cmd")),
        ("editable", overrides.get("editable")),
    ]


_TAKEN = {f"--{name}" for name, _ in _values(Options(), {})}


def words_of(options: Options, overrides: Mapping[str, Any], groups: Sequence[str]) -> list[str]:
    """Return options of `uv-layers dockerfile` as command-line words, in a fixed order."""
    words: list[str] = []
    for name, value in _values(options, overrides):
        several = value if isinstance(value, (list, tuple)) else [value] if value else []
        for item in several:
            words += [f"--{name}"] if item is True else [f"--{name}", str(item)]
    return [*words, *groups]


def dropped(remembered: str, words: Sequence[str]) -> list[str]:
    """Return the options of a mark that words on the command line do not have."""
    return sorted({word for word in _split(remembered) if word in _TAKEN} - set(words))


def _split(remembered: str) -> list[str]:
    try:
        return shlex.split(remembered)
    except ValueError:
        return ["--"]


def words_in(remembered: str, path: str) -> list[str]:
    """Return the options in a mark of the Dockerfile `path`; raises UsageError for one that is not allowed there."""
    words = _split(remembered)
    refused = [word for word in words if word.startswith("-") and word not in _TAKEN]
    pythons = [value for word, value in pairwise(words) if word == "--python"]
    refused += [value for value in pythons if not is_version(value)]
    if refused:
        raise errors.UsageError(
            f"{path}: a `# >>> uv-layers stages` line has {errors.shown(refused[0])}, which is not allowed there; "
            "correct that line, or pass all options again to replace it"
        )
    return words


def combined(remembered: str, words: Sequence[str], path: str) -> list[str]:
    """Return the options of a mark and those of the command line, which win; without the mark's if one is refused."""
    try:
        return [*words_in(remembered, path), *words]
    except errors.UsageError:
        return list(words)
