"""The record of a tree: JSON there and back, and nothing from JSON of another form."""

from __future__ import annotations

import json

import pytest

from uv_layers.tree.installed import Clash
from uv_layers.tree.record import Record, parsed

RECORD = Record(
    prefix="/usr/local",
    sites=["lib"],
    packages=1,
    files=2,
    size=3,
    built=["a"],
    clashes=[Clash("x", ("a", "b"))],
    invalid=0,
    latest=None,
    executable=[],
    made={"bin/x": "sha256"},
    key="k",
    stamp="s",
    interpreter=["/usr/bin/python3", 1, 2],
)


def test_a_record_comes_back():
    assert parsed(json.loads(json.dumps(RECORD.to_json()))) == RECORD


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("key", None),
        ("prefix", 1),
        ("size", -1),
        ("latest", "now"),
        ("sites", "lib"),
        ("built", [1]),
        ("exclude_files", [1]),
        ("excluded", []),
        ("excluded", {"a": "much"}),
        ("made", []),
        ("made", {"x": 1}),
        ("interpreter", None),
        ("interpreter", []),
        ("interpreter", [1]),
        ("clashes", {}),
        ("clashes", ["x"]),
        ("clashes", [{"path": 1, "owners": []}]),
        ("clashes", [{"path": "x", "owners": "ab"}]),
    ],
)
def test_json_of_another_form_is_no_record(name, value):
    assert parsed(RECORD.to_json() | {name: value}) is None
