"""Read untrusted TOML within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomli

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


# A table of seven bytes takes a thousand in memory, and a key of n parts takes n² steps and memory. Within these
# limits, no document takes five seconds or 500 MB.
LARGEST = 500_000
LARGEST_LAYER_LOCK = 2_000_000

# uv parses its own lock.
LARGEST_LOCK = 32_000_000
DOTS = 20_000_000

# The standard library cannot compare, write or print deeper documents, or numbers of more than 4,300 digits. TOML
# guarantees 64 bits.
DEEPEST = 100
LARGEST_NUMBER = 2**63 - 1


def read_document(path: Path, largest: int = LARGEST) -> tuple[str, dict[str, Any]]:
    """Return the text and the content of a TOML document of at most `largest` bytes; raises OSError and ValueError."""
    with path.open("rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError(f"it is larger than {largest} bytes")
    text = data.decode().replace("\r\n", "\n")
    return text, parsed(text)


def parsed(text: str) -> dict[str, Any]:
    """Return the content of a TOML document; raises ValueError with the reason."""
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


def fits(value: Any, shape: Any) -> bool:
    """Return whether a value has a shape: a type, a text that it equals, or alternatives in a tuple.

    A list has the shape of its items. A table has the shapes of some keys, or at `str` that of all values.
    """
    if isinstance(shape, tuple):
        return any(fits(value, each) for each in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(item, shape[0]) for item in value)
    if isinstance(shape, dict):
        keys = dict.fromkeys(value, shape[str]) if isinstance(value, dict) and str in shape else shape
        return isinstance(value, dict) and all(fits(value.get(key), each) for key, each in keys.items())
    return isinstance(value, shape) if isinstance(shape, type) else bool(value == shape)


def misshapen(settings: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the first of uv's settings with a wrong type, and the right type, or None."""
    for key, value in settings.items():
        shape, form = _FORMS.get(key, (object, ""))
        if not fits(value, shape):
            return key, form
        if key in _FORMS and _has_nul(value):
            return key, "text without a NUL"
    return None


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    return any(map(_has_nul, value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()))


_STRINGS = ([str], "a list of strings")
_STRATEGIES = ("first-index", "unsafe-first-match", "unsafe-best-match")
_REQUIREMENT = (str, {"requirement": str, "match-runtime": (bool, type(None)), "path": (str, type(None))})

# The types of uv's settings that uv-layers reads. uv checks the others.
_FORMS: dict[str, tuple[Any, str]] = {
    "no-binary-package": _STRINGS,
    "no-build-isolation-package": _STRINGS,
    "no-build-package": _STRINGS,
    "no-sources-package": _STRINGS,
    "config-settings-package": (dict, "a table"),
    "extra-build-variables": ({str: dict}, "a table of tables"),
    "extra-build-dependencies": ({str: [_REQUIREMENT]}, "a table of lists of requirements"),
    "index-strategy": (_STRATEGIES, f"one of {', '.join(_STRATEGIES)}"),
    "find-links": _STRINGS,
    "index": ([{"url": str}], "a list of tables, each with a url"),
    "index-url": (str, "a string"),
    "extra-index-url": ((str, [str]), "a list of strings"),
}
