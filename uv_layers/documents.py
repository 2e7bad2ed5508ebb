"""Documents that anybody may have written: read within bounds, or refused with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomli

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# A table of seven bytes takes a thousand in memory, and a key of n parts n² steps and as much memory: with these, no
# document takes five seconds, or 500 MB. What is in a project's is looked for on the disk, too.
LARGEST = 500_000
LARGEST_LAYER_LOCK = 3_000_000
# uv parses its own lock.
LARGEST_LOCK = 32_000_000
DOTS = 20_000_000
# Deeper ones are more than the standard library can compare, write or show.
DEEPEST = 100
# uv's settings that are read here, by the form that uv has for them; of all others uv speaks for itself.
_LISTS = {"find-links", "no-binary-package", "no-build-isolation-package", "no-build-package"}
_TABLES = {"config-settings-package", "extra-build-dependencies", "extra-build-variables"}


def read(path: Path, largest: int = LARGEST) -> tuple[str, dict[str, Any]]:
    """Return the text of a TOML document of at most `largest` bytes, and what it says.

    Raises OSError, and ValueError with the reason why this is none that can be read here.
    """
    with path.open("rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError(f"it has more than {largest} bytes")
    text = data.decode().replace("\r\n", "\n")
    if sum(line.count(".") ** 2 for line in text.split("\n")) > DOTS:
        raise ValueError("it has keys of too many parts")
    try:
        document = tomli.loads(text)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    if _is_deep(document):
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    return text, document


def _is_deep(document: dict[str, Any]) -> bool:
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        inner = (value.values() if isinstance(value, dict) else value for value in level)
        level = [value for values in inner for value in values if isinstance(value, (dict, list))]
    return bool(level)


def misshapen(settings: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the first of uv's settings that is read here and has another form than uv has for it, and that form."""
    for key, value in settings.items():
        if key in _LISTS and not _is_list(value, str):
            return key, "a list of strings"
        if key in _TABLES and not isinstance(value, dict):
            return key, "a table"
        if key == "index" and not (_is_list(value, dict) and all(isinstance(i.get("url"), str) for i in value)):
            return key, "a list of tables, each with a url"
        if key == "index-url" and not isinstance(value, str):
            return key, "a string"
        if key == "extra-index-url" and not (isinstance(value, str) or _is_list(value, str)):
            return key, "a list of strings"
    return None


def _is_list(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
