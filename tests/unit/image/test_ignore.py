"""The rules of `.dockerignore`. tests/docker/test_dockerignore.py asks BuildKit about many more of them."""

from __future__ import annotations

import pytest

from uv_layers.image.ignore import IgnoreFile, IgnorePatternError, escaped


@pytest.mark.parametrize(
    ("lines", "excluded", "kept"),
    [
        ([], [], ["a", "a/b"]),
        (["# a", " # a", "", "  "], [], ["a", "# b", "a/# a"]),
        ([" # a"], ["# a"], []),
        (["a"], ["a", "a/b", "a/b/c"], ["ab", "b/a", "A"]),
        (["/a/", "./b//c/../d", "../e", "e/.."], ["a", "b/d"], ["b", "b/c", "e"]),
        (["  a b\t ", "c\r"], ["a b", "c"], ["a"]),
        (["\ufeffa"], ["a"], []),
        (["", "\ufeffa"], ["\ufeffa"], ["a"]),
        (["/ a"], ["a"], [" a"]),
        (["*.lock"], ["uv.lock", ".lock"], ["a/uv.lock", "uv.lock.txt"]),
        (["*/*.lock"], ["a/uv.lock"], ["uv.lock", "a/b/uv.lock"]),
        (["**/*.lock"], ["uv.lock", "a/uv.lock", "a/b/uv.lock"], ["uv.locks"]),
        (["**/uv.lock"], ["uv.lock", "a/uv.lock"], ["my-uv.lock"]),
        (["**uv.lock"], ["uv.lock", "a/my-uv.lock"], ["uv.locks"]),
        (["a/**"], ["a/b", "a/b/c"], ["a", "ab"]),
        (["a**"], ["a", "ab", "ab/c"], ["ba"]),
        (["a/**/b"], ["a/b", "a/c/b", "a/c/d/b"], ["a", "b", "a/bc"]),
        (["a/*b**"], ["a/b", "a/bc", "a/bc/d"], ["a/c"]),
        (["**"], ["a", "a/b"], []),
        (["?"], ["a", "ü"], ["ab", "ab/c"]),
        (["a[b-d]", "[^a]x"], ["ab", "ad", "bx"], ["aa", "abc", "ax"]),
        (["[*]a", "[a&&b]"], ["]a", "^]a", "&"], ["*a", "*]a", "ba"]),
        (["x*[+--]"], ["x+", "xa-"], ["x."]),
        ([r"a\*", r"\[b", r"c\d*"], ["a*", "[b", "c1x"], ["ab", "b", "cd"]),
        (["a.b*", "(c)*", "d+*", "e$*"], ["a.bc", "(c)", "d+", "e$"], ["axb", "c", "dd"]),
        (["a^b", "c^d*"], ["a^b"], ["c^d"]),
        (["*", "!a"], ["b", "b/a"], ["a", "a/b"]),
        (["!a", "*"], ["a"], []),
        (["*", "! /a/", "a/b"], ["c", "a/b", "a/b/c"], ["a", "a/c"]),
        (["a", "!a/b/c"], ["a/x", "a/b/x"], ["a/b/c", "a/b/c/d"]),
        (["**", "!**/*.py", "!**/src"], ["a", "a/b"], ["a.py", "a/b/c.py", "a/src/b"]),
        # An exception counts for what is in a folder only if the folder was excluded.
        (["a/*", "!a"], ["a/b"], []),
        (["a/*", "!a/**"], [], ["a/b", "a/b/c"]),
        # BuildKit does not look for this exception in a/b.
        (["a/*", "!a/*/**"], ["a/b", "a/b/c"], []),
        (["a/*", "!a/*/c"], ["a/b"], ["a/b/c"]),
        # BuildKit finds this file, and sends nothing of what is in it.
        (["a", "!a/b", "a"], ["a/b"], []),
        (["!."], [], ["a"]),
        (["*", r"\o"], ["a"], []),
        (["*" + "a*" * 200 + "b"], [], ["a" * 200]),
    ],
    ids=str,
)
def test_the_rules(lines, excluded, kept):
    ignore = IgnoreFile("\n".join(lines))
    assert [path for path in (*excluded, *kept) if ignore.excludes(path)] == excluded


@pytest.mark.parametrize("line", ["!", " ! ", "!/", "[", "a[]", "[^]", "[a-]", "[-a]", "a\\", "**/[", "*[+--]"])
def test_a_pattern_that_docker_refuses_at_once(line):
    with pytest.raises(IgnorePatternError) as caught:
        IgnoreFile(f"a\n{line}\n")
    assert str(caught.value) == f"line 2: Docker does not accept the pattern {line.strip()!r}"


@pytest.mark.parametrize("line", ["x*[", r"src\obj", r"\8", r"\ü", "[z-a]", r"x*[\o]"])
def test_a_pattern_that_docker_refuses_when_it_matters(line):
    assert not IgnoreFile(f"!{line}").excludes("a")
    with pytest.raises(IgnorePatternError, match="line 1: Docker does not accept the pattern "):
        IgnoreFile(line).excludes("a")


def test_the_last_line_that_excludes_a_path():
    ignore = IgnoreFile("# all\n*\n\n*.toml\n!a.toml\na/b\nc\n")
    found = {path: line and line.number for path in ("a.toml", "b.lock", "a/b/c") for line in [ignore.last_match(path)]}
    assert found == {"a.toml": 4, "b.lock": 2, "a/b/c": 6}
    assert IgnoreFile("!a").last_match("a") is None


@pytest.mark.parametrize("path", ["a[1].py", "a*b/?", "a\\b", "(a) {b}+$.^"])
def test_an_escaped_path_is_a_pattern_of_it(path):
    assert IgnoreFile(escaped(path)).excludes(path)
    assert not any(map(IgnoreFile(escaped(path)).excludes, ("a1.py", "aab/c", "ab", f"{path}x")))
