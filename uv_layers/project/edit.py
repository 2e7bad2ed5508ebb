"""Writing layers into uv-layers.toml."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from uv_layers.project.fields import read_toml
from uv_layers.system.paths import DEFAULT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from uv_layers.project.config import Config, LayerSpec

# The longest list of names that is written on one line.
_LINE = 90


def with_layers(path: Path, layers: Sequence[LayerSpec], config: Config) -> str:
    """Return the text of the file `path` with these layers in place of its own, below the layer of the project itself.

    Everything else in the file stays, with its comments and those of the layers that stay. A new file has everything
    that `config` has.
    """
    import tomlkit  # noqa: PLC0415 - 50 ms
    from tomlkit.items import Array  # noqa: PLC0415

    specs = (*layers, *([config.project] if config.project else []))
    if not path.is_file():
        values = {"prefix": config.prefix} if config.prefix != DEFAULT_PREFIX else {}
        lists = {"exclude": config.exclude, "exclude-files": config.exclude_files}
        settings = tomlkit.dumps(values | {key: value for key, value in lists.items() if value})
        dockerfile = tomlkit.dumps({"dockerfile": config.dockerfile}) if config.dockerfile else ""
        return settings + _array(specs, len(layers)) + (f"\n{dockerfile}" if dockerfile else "")
    read_toml(path)  # within limits
    text = path.read_bytes().decode()
    document = tomlkit.parse(text)
    old = document.get("layers")
    if not isinstance(old, Array):
        document.pop("layers", None)
        rest = document.as_string()
        changed = _array(specs, len(layers)) + ("\n" if rest else "") + rest
    else:
        if not _update(old, specs):
            document["layers"] = tomlkit.parse(_array(specs, len(layers)))["layers"]
        changed = document.as_string()
    return changed.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in text else changed


def _update(array: Any, specs: Sequence[LayerSpec]) -> bool:
    """Make the layers of an array others, in place; return False where those that stay would change their order."""
    import tomlkit  # noqa: PLC0415

    names = [layer.get("name") if isinstance(layer, dict) else None for layer in array]
    kept = [spec.name for spec in specs if spec.name in names]
    if not kept or [name for name in names if name in kept] != kept:
        return False
    for index in reversed(range(len(names))):
        if names[index] not in kept:
            del array[index]
    for index, spec in enumerate(specs):
        entry = tomlkit.value(_entry(spec))
        if index == len(array) or array[index].get("name") != spec.name:
            array.insert(index, entry)
        elif array[index].unwrap() != entry.unwrap():
            array[index] = entry
    return True


def _array(specs: Sequence[LayerSpec], count: int) -> str:
    """Return the text of the key `layers`; the last of the first `count` layers has what no layer claims."""
    lines = [f"  {_entry(spec)}," for spec in specs]
    lines[count - 1] += "  # and whatever no layer claims"
    return "".join(f"{line}\n" for line in ("layers = [                                # bottom to top", *lines, "]"))


def _entry(spec: LayerSpec) -> str:
    """Return a layer as an inline table, without the keys that have their default."""
    parts = []
    for field in fields(spec):
        value = getattr(spec, field.name)
        if field.default is MISSING or value != field.default:
            parts.append(f"{field.name.replace('_', '-')} = {_value(dict(value) if field.name == 'env' else value)}")
    return f"{{ {', '.join(parts)} }}"


def _value(value: object) -> str:
    """Return a value as TOML; a list that is too long for a line has lines of its own."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_value(item)}' for key, item in value.items())} }}"
    if not isinstance(value, tuple):
        # The one control character that TOML wants escaped, and JSON does not.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    values = [_value(item) for item in value]
    if len(joined := ", ".join(values)) <= _LINE:
        return f"[{joined}]"
    lines = [""]
    for text in values:
        if lines[-1] and len(lines[-1]) + len(text) > _LINE:
            lines.append("")
        lines[-1] += f"{text}, "
    return "[\n" + "".join(f"      {line.rstrip(' ')}\n" for line in lines) + "  ]"
