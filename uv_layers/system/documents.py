"""Documents that anybody may have written: read within bounds, or refused with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomli

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


# A table of seven bytes takes a thousand in memory, and a key of n parts n² steps and as much memory: with these, no
# document takes five seconds, or 500 MB. What is in a project's is looked for on the disk, too.
LARGEST = 500_000


LARGEST_LAYER_LOCK = 2_000_000


# uv parses its own lock.
LARGEST_LOCK = 32_000_000


DOTS = 20_000_000


# What is deeper the standard library cannot compare, write or show; nor numbers that are longer than 4,300 digits. This
# is the largest that TOML promises.
DEEPEST = 100


LARGEST_NUMBER = 2**63 - 1


_STRINGS = "a list of strings"


def read_document(path: Path, largest: int = LARGEST) -> tuple[str, dict[str, Any]]:
    """Return the text of a TOML document of at most `largest` bytes, and what it says.

    Raises OSError, and ValueError with the reason why this is none that can be read here.
    """
    with path.open("rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError(f"it has more than {largest} bytes")
    text = data.decode().replace("\r\n", "\n")
    return text, parsed(text)


def parsed(text: str) -> dict[str, Any]:
    """Return what a TOML document says; raises ValueError with the reason why it cannot be read here."""
    if sum(line.count(".") ** 2 for line in text.split("\n")) > DOTS:
        raise ValueError("it has a key with too many parts")
    try:
        document = tomli.loads(text)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    _check(document)
    return document


def _check(document: dict[str, Any]) -> None:
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        inner = (value.values() if isinstance(value, dict) else value for value in level)
        values = [value for values in inner for value in values]
        if any(isinstance(value, int) and not -LARGEST_NUMBER <= value <= LARGEST_NUMBER for value in values):
            raise ValueError("it has a number that is too large")
        level = [value for value in values if isinstance(value, (dict, list))]
        if not level:
            return
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")


def misshapen(settings: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the first of uv's settings that is read here and has another form than uv has for it, and that form."""
    for key, value in settings.items():
        for fits, form in _FORMS.get(key, ()):
            if not fits(value):
                return key, form
    return None


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _has_tables(value: Any) -> bool:
    return _is_table(value) and all(map(_is_table, value.values()))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _has_urls(value: object) -> bool:
    return isinstance(value, list) and all(_is_table(index) and _is_text(index.get("url")) for index in value)


def _is_place(value: Any) -> bool:
    """Tell whether what is text in a value could be a path, as far as any text can."""
    if isinstance(value, str):
        return "\0" not in value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(_is_place, inner))


def _has_requirements(value: Any) -> bool:
    """Tell whether a value has lists of requirements by package, each a string or a table with one."""
    return _is_table(value) and all(isinstance(found, list) and all(map(_is_extra, found)) for found in value.values())


def _is_extra(entry: Any) -> bool:
    return _is_text(entry) or (
        _is_table(entry)
        and _is_text(entry.get("requirement"))
        and isinstance(entry.get("match-runtime", False), bool)
        and _is_text(path := entry.get("path", ""))
        and "\0" not in path
    )


_STRATEGIES = ("first-index", "unsafe-first-match", "unsafe-best-match")


_PLACE = (_is_place, "text without a NUL")


# uv's settings that are read here, with the form that uv has for them; of all others uv speaks for itself.
_FORMS: dict[str, tuple[tuple[Callable[[Any], bool], str], ...]] = {
    **dict.fromkeys(
        ("no-binary-package", "no-build-isolation-package", "no-build-package", "no-sources-package"),
        ((_is_list, _STRINGS),),
    ),
    "config-settings-package": ((_is_table, "a table"),),
    "extra-build-variables": ((_has_tables, "a table of tables"),),
    "extra-build-dependencies": ((_has_requirements, "a table of lists of requirements"),),
    "index-strategy": ((lambda value: value in _STRATEGIES, f"one of {', '.join(_STRATEGIES)}"),),
    "find-links": ((_is_list, _STRINGS), _PLACE),
    "index": ((_has_urls, "a list of tables, each with a url"), _PLACE),
    "index-url": ((_is_text, "a string"), _PLACE),
    "extra-index-url": ((lambda value: _is_text(value) or _is_list(value), _STRINGS), _PLACE),
}
