"""`.dockerignore` of anybody: an answer or IgnorePatternError."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from uv_layers.image.ignore import IgnoreFile, IgnorePatternError, escaped

LINES = st.lists(st.text(alphabet="ab/*?[]^-\\!#. &|~{}1d\ufeff\udce9ü") | st.text(), max_size=6).map("\n".join)
NAMES = st.text(alphabet="ab*[\\].-ü\udce9", min_size=1).filter(lambda name: name not in {".", ".."})
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@given(text=LINES, path=PATHS)
def test_any_text_has_an_answer(text, path):
    try:
        ignore = IgnoreFile(text)
        if ignore.excludes(path):
            assert ignore.last_match(path) is not None
    except IgnorePatternError:
        pass


@given(text=LINES, path=PATHS)
def test_an_exception_below_the_last_match_brings_a_file_back(text, path):
    lines = text.split("\n")
    try:
        ignore = IgnoreFile(text)
        if ignore.excludes(path) and (line := ignore.last_match(path)):
            lines.insert(line.number, f"!{escaped(path)}")
            assert not IgnoreFile("\n".join(lines)).excludes(path)
    except IgnorePatternError:
        pass
