from __future__ import annotations

import pytest

from uv_layers.system.patterns import Patterns, problem


@pytest.mark.parametrize(
    ("pattern", "matched", "others"),
    [
        ("*.pyi", ["a.pyi", "a/b/c.pyi"], ["a.py", "a.pyi/b"]),
        ("tests/**", ["tests/a", "tests/a/b"], ["tests", "a/tests/b", "tests.py"]),
        ("**/tests/**", ["tests/a", "a/tests/b", "a/b/tests/c/d"], ["a/tests", "a/testsb/c", "tests"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["b", "x/a/b", "a/b/c"]),
        ("a/*/b", ["a/x/b"], ["a/b", "a/x/y/b"]),
        ("a/**/b/**/c", ["a/b/c", "a/b/x/b/c", "a/x/b/y/z/c"], ["a/c", "a/b/x"]),
        ("**", ["a", "a/b"], []),
        ("**/**", ["a", "a/b"], []),
        ("a?[bc].h", ["a1b.h", "x/a2c.h"], ["ab.h", "a1d.h", "A1b.h"]),
        ("a**b", ["ab", "a-b", "x/a-b"], ["a/b"]),
    ],
)
def test_what_a_pattern_matches(pattern, matched, others):
    patterns = Patterns([pattern])
    assert [path for path in (*matched, *others) if patterns.match(path)] == matched


def test_one_of_several_patterns_is_enough_and_none_matches_nothing():
    assert Patterns(["a", "b"]).match("b")
    assert not Patterns([]).match("b")


@pytest.mark.parametrize(
    ("patterns", "why"),
    [
        (["**/tests/**", "*.pyi", "a b/[!c]?"], None),
        (["a"] * 100, None),
        (["a"] * 101, "has 101 patterns; the limit is 100"),
        (["a" * 1001], "has a pattern that is longer than 1000 characters or contains a control character: "),
        (["a\nb"], "has a pattern that is longer than 1000 characters or contains a control character: "),
        *(
            ([pattern], f'has {pattern!r}, in which a part is empty, "." or ".."; use e.g.')
            for pattern in ("", "/a", "a/", "a//b", "./a", "a/../b", "..")
        ),
    ],
)
def test_what_is_wrong_with_patterns(patterns, why):
    found = problem(patterns)
    assert (found is None) if why is None else found.startswith(why)
