"""Writing layers into uv-layers.toml."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import tomli

from uv_layers import errors
from uv_layers.project.config import CLAIMS, Config, LayerSpec
from uv_layers.project.fields import read_toml
from uv_layers.system.paths import DEFAULT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


# The longest list of names that is written on one line.
_LINE = 90


def with_layers(path: Path, layers: Sequence[LayerSpec], config: Config) -> str:
    """Return the text of the file `path` with these layers in the place of its own, below that of the project itself.

    A new file has all else that `config` has. Raises ConfigError where the file's layers stand in a way that cannot be
    replaced alone.
    """
    entries = [_entry(spec) for spec in layers]
    entries[-1] += "  # and whatever no layer claims"
    entries += [] if config.project is None else [_entry(config.project)]
    made = "layers = [                                # bottom to top\n" + "".join(f"  {e}\n" for e in entries) + "]\n"
    if not path.is_file():
        import tomli_w  # noqa: PLC0415

        before = "" if config.prefix == DEFAULT_PREFIX else f"prefix = {_quoted(config.prefix)}\n"
        return before + made + ("\n" + tomli_w.dumps({"dockerfile": config.dockerfile}) if config.dockerfile else "")
    rest = {key: value for key, value in read_toml(path).items() if key != "layers"}
    text = path.read_bytes().decode()
    made = made.replace("\n", "\r\n" if "\r\n" in text else "\n")
    start = re.search(r"^layers\s*=", text, re.MULTILINE)
    if start is None:
        changed = made + ("\n" if text else "") + text
    else:
        changed = text[: start.start()] + made + text[_end(text, start.end()) :]
    # All else is to be as it was, and that is for a parser of TOML to say.
    if _says(changed, {**rest, "layers": tomli.loads(made)["layers"]}):
        return changed
    problem = "cannot be replaced alone; write them as `layers = [` on a line of its own, or remove them"
    raise errors.ConfigError(str(path), "layers", problem)


_TOKEN = re.compile(
    r""""{3}(?:\\.|[^\\])*?"{3}|\'{3}.*?\'{3}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|\#[^\n]*|[][]""", re.DOTALL
)


def _end(text: str, start: int) -> int:
    """Return where the line ends on which the array from `start` ends."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        depth += {"[": 1, "]": -1}.get(token[0], 0)
        if token[0] == "]" and depth <= 0:
            return text.find("\n", token.end()) + 1 or len(text)
    return len(text)


def _says(text: str, document: Mapping[str, Any]) -> bool:
    try:
        return tomli.loads(text) == document
    except tomli.TOMLDecodeError:
        return False


def _entry(spec: LayerSpec) -> str:
    """Return a layer as an inline table; a list that is too long for a line stands on lines of its own."""
    parts = [f"name = {_quoted(spec.name)}"]
    for key in (*CLAIMS, "system-packages", "args"):
        if values := [_quoted(value) for value in getattr(spec, key.replace("-", "_"))]:
            joined = ", ".join(values)
            if len(joined) > _LINE:
                lines = [""]
                for value in values:
                    if lines[-1] and len(lines[-1]) + len(value) > _LINE:
                        lines.append("")
                    lines[-1] += f"{value}, "
                joined = "\n" + "".join(f"      {line.rstrip(' ')}\n" for line in lines) + "  "
            parts.append(f"{key} = [{joined}]")
    parts += [f"{key} = true" for key in ("dependencies", "project") if getattr(spec, key)]
    parts += [f"image = {_quoted(spec.image)}"] if spec.image else []
    variables = ", ".join(f"{name} = {_quoted(value)}" for name, value in spec.env)
    parts += [f"env = {{ {variables} }}"] if variables else []
    return f"{{ {', '.join(parts)} }},"


def _quoted(value: str) -> str:
    # The one control character that TOML wants escaped, and JSON does not.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
