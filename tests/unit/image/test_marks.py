"""What is read from a Dockerfile beside its blocks: the options in its first mark, and the image of its last stage."""

from __future__ import annotations

import pytest

from uv_layers.image.marks import final_image, marked, remembered


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_first_mark_remembers_options(end):
    text = marked("stages", "FROM a\n", "--cmd 'a with: b'") + marked("copies", "COPY b c\n")
    assert remembered(text.replace("\n", end)) == {"": "--cmd 'a with: b'"}
    text += marked("stages", "FROM b\n", "--image test", "test")
    assert remembered(text.replace("\n", end)) == {"": "--cmd 'a with: b'", "test": "--image test"}
    assert remembered(marked("stages", "FROM a\n").replace("\n", end)) == {"": ""}
    assert remembered(f"FROM a{end}") == {}


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("", None),
        ("RUN true\n", None),
        ("FROM", None),
        ("FROM a\nFROM b\n", "b"),
        ("from a as X\nFROM x\n", "a"),
        ("FROM a AS x\nFROM x AS y\nRUN <<EOF\nFROM z\nEOF\nFROM --platform=linux/arm64 Y\n", "a"),
        ("# escape=`\nFROM `\n  a\n", "a"),
        ("# FROM b\nFROM a \\\n  AS c\n", "a"),
    ],
)
def test_the_image_of_the_last_stage(text, image):
    assert final_image(text) == image
