"""Read and update the marked blocks of a Dockerfile, and find the names in the rest of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from uv_layers import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


STAGES, COPIES = "stages", "copies"
_WITH = " with: "
_FLAGS = re.DOTALL | re.MULTILINE
_STAGES_MARK = re.compile(rf"^# >>> uv-layers {STAGES}\b(?: for ([a-z][a-z0-9_-]*))?[^\n]*$", re.MULTILINE)


def marked(name: str, text: str, remembered: str = "", image: str = "") -> str:
    """Return a block: its text between marks, the first of which has the options of the command.

    `image` is the name of one of several images.
    """
    options = f"{_WITH}{remembered}" if remembered else ""
    first = f"{_mark(name, image)}, managed by `uv-layers dockerfile --write`{options}"
    return f"{first}\n{text}{_end(name, image)}\n"


def remembered(text: str) -> dict[str, str]:
    """Return the options of each image of a Dockerfile, in the order of their stages."""
    return {match[1] or "": match[0].rstrip("\r").partition(_WITH)[2] for match in _STAGES_MARK.finditer(text)}


def stages_end(text: str) -> int | None:
    """Return the end of the first block of stages, or None."""
    first = next(iter(remembered(text)), None)
    match = None if first is None else _block(STAGES, first).search(text)
    return match and match.end()


def above(text: str, name: str, image: str) -> str:
    """Return the text above the block of an image, or the whole text, with Linux line ends."""
    match = _block(name, image).search(text)
    return (text if match is None else text[: match.start()]).replace("\r\n", "\n")


def final_image(text: str) -> str | None:
    """Return the base image of the last stage of a Dockerfile, or None; stages may start from others."""
    stages: dict[str, str] = {}
    image = None
    for name, arguments in _instructions(text, escape(text)):
        if name == "FROM" and (match := re.match(r"(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", arguments, re.IGNORECASE)):
            image = stages.get(match[1].lower(), match[1])
            stages[(match[2] or "").lower()] = image
    return image


def replaced(text: str, blocks: Mapping[str, str], path: str, remembered: str = "", image: str = "") -> str:
    """Return the text of the Dockerfile `path` with new blocks; raises MarksError unless each mark is there once."""
    for name, block in blocks.items():
        if len(found := list(_block(name, image).finditer(text))) != 1:
            is_open = not found and re.search(_line(">>>", name, image), text, re.MULTILINE)
            raise errors.MarksError(path, len(found), _mark(name, image), _end(name, image) if is_open else "")
        new = marked(name, block, remembered if name == STAGES else "", image)
        if "\r\n" in found[0][0]:
            new = new.replace("\n", "\r\n")
        text = text[: found[0].start()] + new + text[found[0].end() :]
    return text


def escape(text: str) -> str:
    """Return the character that continues lines: directives are the comments `# NAME=VALUE` that begin a Dockerfile."""
    for line in text.removeprefix("\ufeff").splitlines():
        directive = re.fullmatch(r"#\s*([a-zA-Z]\w*)\s*=\s*(.+?)\s*", line)
        if directive is None:
            break
        if directive[1].lower() == "escape" and directive[2] == "`":
            return "`"
    return "\\"


def names(text: str, ours: tuple[str, ...], folder: str) -> set[str]:
    """Return the names of stages and images outside of the blocks, in lower case as in BuildKit.

    They exclude the stages of a block: names in `ours` that the block defines, and stages that `folder` is copied from.
    """
    own = re.sub(
        rf"^# >>> uv-layers ({STAGES}|{COPIES})\b.*?^# <<< uv-layers \1\b[^\n]*(?:\n|\Z)", "", text, flags=_FLAGS
    )
    instructions = list(_instructions(own, escape(text)))
    defined = {
        match[1].lower()
        for name, arguments in instructions
        if name == "FROM" and (match := re.search(r"\sAS\s+(\S+)$", arguments, re.IGNORECASE))
    }
    kept = {name for name in ours if re.search(rf" AS {name}\r?$", text, re.MULTILINE)}
    used = {name.lower() for instruction in instructions for name in _used(*instruction, folder)}
    return defined | (used - kept)


def _used(name: str, arguments: str, folder: str) -> Iterator[str]:
    """Yield the stages and images that an instruction uses, except the sources of `folder`."""
    values: list[str] = []
    if name == "FROM":
        values = re.findall(r"^(?:--\S+\s+)*(\S+)", arguments)
    elif name == "ARG":  # which `FROM $NAME` may use
        values = re.findall(r"=(\S+)", arguments)
    elif name == "COPY" and not re.match(rf"""(?:--\S+\s+)*[\["'\s]*/?{folder[1:]}/""", arguments):
        values = re.findall(r"--from=(\S+)", arguments)
    elif name == "RUN":
        mounts = re.findall(r"--mount=(\S+)", arguments)
        others = [mount for mount in mounts if not re.search(rf"(?:source|src)=/?{folder[1:]}/", mount)]
        values = [value for mount in others for value in re.findall(r"\bfrom=([^,]+)", mount, re.IGNORECASE)]
    for value in values:
        yield from re.findall(r"\w[\w.-]*", value) if "$" in value else [value.strip("\"'")]


def _instructions(text: str, escape: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the arguments of each instruction, without comments and here-documents."""
    lines = [line.strip() for line in text.splitlines()]
    instruction, number = "", 0
    while number < len(lines):
        line, number = lines[number], number + 1
        if not line or line.startswith("#"):
            continue
        instruction += line
        if line.endswith(escape) and number < len(lines):
            instruction = f"{instruction[:-1]} "
            continue
        name, arguments = [*instruction.split(maxsplit=1), ""][:2]
        yield name.upper(), arguments
        for end in re.findall(r"(?<!\S)\d*<<-?[\"']?([A-Za-z_]\w*)", arguments):
            if end in lines[number:]:
                number = lines.index(end, number) + 1
        instruction = ""


def _block(name: str, image: str) -> re.Pattern[str]:
    return re.compile(rf"{_line('>>>', name, image)}\n.*?{_line('<<<', name, image)}(?:\n|\Z)", _FLAGS)


def _line(start: str, name: str, image: str) -> str:
    """Return a pattern of the first (`>>>`) or the last line (`<<<`) of a block."""
    words = rf"{_named(name, image)}(?![\w-])" if image else rf"{name}\b(?! for )"
    return rf"^# {start} uv-layers {words}[^\n]*"


def _mark(name: str, image: str) -> str:
    return f"# >>> uv-layers {_named(name, image)}"


def _end(name: str, image: str) -> str:
    return f"# <<< uv-layers {_named(name, image)}"


def _named(name: str, image: str) -> str:
    return f"{name} for {image}" if image else name
