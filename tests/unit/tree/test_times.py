from __future__ import annotations

import pytest

from uv_layers.tree.installed import Distribution
from uv_layers.tree.times import DEFAULT, LATEST, Times, file_time

SITE = "lib/python3.12/site-packages"


@pytest.mark.parametrize(
    ("uploaded", "latest", "seconds"),
    [
        (None, None, DEFAULT),
        (1_700_000_000, None, 1_700_000_000),
        (1_700_000_001, None, 1_700_000_000),
        (1_700_000_000, 1_800_000_000, 1_700_000_000),
        (1_700_000_000, 1_600_000_001, 1_600_000_000),
        (None, 1_600_000_000, DEFAULT),
        (None, 1001, 1000),
        (1_700_000_000, 0, 0),
        (5, None, DEFAULT),
        (2**40, None, LATEST - 1),
    ],
)
def test_a_file_has_its_upload_time_between_1980_and_source_date_epoch_in_even_seconds(uploaded, latest, seconds):
    assert file_time(uploaded, latest) == seconds


def _distribution(name, *paths):
    return Distribution(name, "1.0", f"{SITE}/{name}-1.0.dist-info", SITE, dict.fromkeys(paths, ""))


def test_a_file_of_several_distributions_has_the_time_of_the_last():
    found = [_distribution("a", "x", "shared"), _distribution("b", "shared"), _distribution("c", "z")]
    times = Times.of(found, {"a": 400_000_000, "b": 500_000_000}, None)
    expected = {"x": 400_000_000, "shared": 500_000_000, "z": DEFAULT, "elsewhere": DEFAULT}
    assert {path: times.of_file(path) for path in expected} == expected


@pytest.mark.parametrize(
    ("bytecode", "seconds"),
    [
        ("pkg/__pycache__/mod.cpython-312.pyc", 400_000_000),
        ("pkg/__pycache__/mod.dotted.cpython-312.pyc", 500_000_000),
        ("__pycache__/top.cpython-312.pyc", 600_000_000),
        ("pkg/__pycache__/other.cpython-312.pyc", DEFAULT),
        ("pkg/mod.pyc", DEFAULT),
        ("pkg/own.pyc", 700_000_000),
    ],
)
def test_bytecode_has_the_time_of_its_source_unless_a_record_lists_it(bytecode, seconds):
    files = {"pkg/mod.py": 400_000_000, "pkg/mod.dotted.py": 500_000_000, "top.py": 600_000_000}
    assert Times({**files, "pkg/own.pyc": 700_000_000}, DEFAULT).of_file(bytecode) == seconds
