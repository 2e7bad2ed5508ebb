from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from textwrap import dedent

import pytest

from uv_layers.cli.env import Environment
from uv_layers.cli.export import Exported, exported_line
from uv_layers.cli.install import tree_lines
from uv_layers.cli.json import diff_json, env_json, exported_json, plan_json, suggestion_json, trees_json, verified_json
from uv_layers.cli.plan import plan_table, size_table
from uv_layers.cli.suggest import suggestion_table
from uv_layers.cli.tables import size
from uv_layers.cli.verify import verified_lines
from uv_layers.history.chosen import Backtest
from uv_layers.history.suggest import Move, SuggestedLayer, Suggestion
from uv_layers.lock.layer_lock import LayerLock
from uv_layers.lock.packages import Layer, Member, Package
from uv_layers.plan.assign import Plan
from uv_layers.project.config import LayerSpec
from uv_layers.tree.build import Tree
from uv_layers.tree.installed import Clash
from uv_layers.tree.record import Record
from uv_layers.tree.verify import Problem


def _plan(target, *hints):
    heavy = (
        Member(Package("numpy", "2.1.0", 16_000_000), "packages numpy", ("group heavy", "group light")),
        Member(Package("torch", "2.4.0", 906_400_000), "group heavy"),
    )
    light = (Member(Package("tool", None, None, built=True), "group light"),)
    return Plan("/usr/local", target, (Layer("heavy", heavy), Layer("light", light)), hints)


RECORD = Record("/usr/local", [], 2, 30, 4_500_000, [], [], 0, None, [], {})
TREE = Tree("heavy", Path("layers/heavy"), RECORD, 1.23456)


def _tree(seconds=1.23456, digest=None, **record):
    return Tree("heavy", Path("layers/heavy"), dataclasses.replace(RECORD, **record), seconds, digest)


SUGGESTION = Suggestion(
    layers=(
        SuggestedLayer(
            LayerSpec("torch", ("nvidia-*", "torch")), ("torch", "nvidia-a", "nvidia-b", "triton"), 2000, 1, 3
        ),
        SuggestedLayer(LayerSpec("web", groups=("g",), extras=("e",), dependencies=True), ("web",), 500, 0, 9),
    ),
    revisions=14,
    unreadable=2,
    updates=10,
    one_layer=2500,
    today=2000,
    expected=750,
    floor=0,
    once=2500,
    moves=(Move("web", "low", "web"),),
    hints=("a hint",),
    backtest=Backtest(4, 5, 2400, 1200, 600),
    unknown=("triton",),
    estimated=("torch",),
)
LOCK = LayerLock("heavy", "/usr/local", "", {"numpy": "2.1.0", "torch": "2.4.0"})


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_550, "1.6 kB"),
        (999_900, "999.9 kB"),
        (1_000_000, "1.0 MB"),
        (906_400_000, "906.4 MB"),
        (1_000_000_000, "1.00 GB"),
        (12_345_678_901, "12.35 GB"),
        (999_960, "1.0 MB"),
        (999_999_999, "1.00 GB"),
    ],
)
def test_sizes_are_in_the_decimal_units_of_registries(count, text):
    assert size(count) == text


# The JSON documents: a key that goes, or means something else, breaks programs, and raises SCHEMA.


def test_every_document_has_its_schema_its_command_and_a_result(target):
    documents = {
        "plan": plan_json(_plan(target)),
        "install": trees_json([TREE]),
        "export": exported_json([Exported(LOCK, Path("pylock.heavy.toml"), changed=True)]),
        "diff": diff_json(()),
        "env": env_json(Environment({}, {}, None)),
        "verify": verified_json([("heavy", "sha256:0", [])]),
        "suggest": suggestion_json(SUGGESTION, None),
    }
    for command, text in documents.items():
        document = json.loads(text)
        assert list(document) == ["schema", "command", "result"]
        assert (document["schema"], document["command"]) == (1, command)


def test_the_keys_of_a_plan(target):
    interpreter = dataclasses.replace(target, executable="bin/python3.12")
    plan = dataclasses.replace(_plan(target, "a hint"), target=interpreter)
    assert json.loads(plan_json(plan))["result"] == {
        "prefix": "/usr/local",
        "target": {
            "python": "3.12.4",
            "implementation": "cpython",
            "platform": "linux",
            "machine": "x86_64",
            "interpreter": "bin/python3.12",
        },
        "bytes": 922_400_000,
        "layers": [
            {
                "name": "heavy",
                "kind": "packages",
                "bytes": 922_400_000,
                "unsized": 0,
                "packages": [
                    {
                        "name": "numpy",
                        "version": "2.1.0",
                        "bytes": 16_000_000,
                        "built": False,
                        "built_from": None,
                        "reason": "packages numpy",
                        "also": ["group heavy", "group light"],
                    },
                    {
                        "name": "torch",
                        "version": "2.4.0",
                        "bytes": 906_400_000,
                        "built": False,
                        "built_from": None,
                        "reason": "group heavy",
                        "also": [],
                    },
                ],
            },
            {
                "name": "light",
                "kind": "packages",
                "bytes": 0,
                "unsized": 1,
                "packages": [
                    {
                        "name": "tool",
                        "version": None,
                        "bytes": None,
                        "built": True,
                        "built_from": "source",
                        "reason": "group light",
                        "also": [],
                    }
                ],
            },
        ],
        "hints": ["a hint"],
    }


def test_a_plan_for_elsewhere_has_no_interpreter(target):
    assert json.loads(plan_json(_plan(target)))["result"]["target"]["interpreter"] is None


def test_the_keys_of_an_environment():
    trees = {"heavy": Path("/layers/heavy"), "light": Path("/layers/light")}
    variables = {"PATH": ("/layers/light/bin",), "PYTHONPATH": ("/layers/light/site", "/layers/heavy/site")}
    assert json.loads(env_json(Environment(trees, variables, "bin/python3.12")))["result"] == {
        "PATH": ["/layers/light/bin"],
        "PYTHONPATH": ["/layers/light/site", "/layers/heavy/site"],
        "interpreter": "bin/python3.12",
        "layers": [{"name": "heavy", "path": "/layers/heavy"}, {"name": "light", "path": "/layers/light"}],
    }


def test_the_keys_of_installed_trees():
    clashes = [Clash("bin/x", ("a", "b"))]
    tree = _tree(built=["antlr"], clashes=clashes, invalid=3, digest="sha256:0", excluded={"antlr": 7})
    plain = {
        "name": "heavy",
        "path": "layers/heavy",
        "packages": 2,
        "files": 30,
        "bytes": 4_500_000,
        "seconds": 1.235,
        "up_to_date": False,
        "built": [],
        "clashes": [],
        "uncompiled": 0,
        "excluded": {},
        "digest": None,
    }
    rich = plain | {
        "built": ["antlr"],
        "clashes": [{"path": "bin/x", "packages": ["a", "b"]}],
        "uncompiled": 3,
        "excluded": {"antlr": 7},
        "digest": "sha256:0",
    }
    assert json.loads(trees_json([TREE, tree]))["result"] == {"layers": [plain, rich]}


def test_the_keys_of_exported_locks():
    exported = [Exported(LOCK, Path("locks/pylock.heavy.toml"), changed=True)]
    assert json.loads(exported_json(exported))["result"] == {
        "layers": [{"name": "heavy", "path": "locks/pylock.heavy.toml", "packages": 2, "changed": True}]
    }


def test_the_keys_of_verified_trees():
    problems = [Problem("heavy", "altered", "usr/a", "why")]
    assert json.loads(verified_json([("heavy", None, problems), ("light", "sha256:0", [])]))["result"] == {
        "layers": [
            {"name": "heavy", "digest": None, "problems": [{"kind": "altered", "path": "usr/a", "detail": "why"}]},
            {"name": "light", "digest": "sha256:0", "problems": []},
        ]
    }


def test_the_keys_of_a_proposal():
    assert json.loads(suggestion_json(SUGGESTION, Path("uv-layers.toml")))["result"] == {
        "layers": [
            {
                "name": "torch",
                "claims": {"packages": ["nvidia-*", "torch"], "groups": [], "extras": [], "dependencies": False},
                "packages": ["torch", "nvidia-a", "nvidia-b", "triton"],
                "bytes": 2000,
                "unsized": 1,
                "changes": 3,
            },
            {
                "name": "web",
                "claims": {"packages": [], "groups": ["g"], "extras": ["e"], "dependencies": True},
                "packages": ["web"],
                "bytes": 500,
                "unsized": 0,
                "changes": 9,
            },
        ],
        "history": {"revisions": 14, "unreadable": 2, "updates": 10},
        "expected_bytes": {"one_layer": 2500, "today": 2000, "proposed": 750, "floor": 0},
        "backtest": {"learned": 4, "replayed": 5, "one_layer": 2400, "today": 1200, "layers": 600},
        "unknown": ["triton"],
        "estimated": ["torch"],
        "bytes_once": 2500,
        "moves": [{"package": "web", "from": "low", "to": "web"}],
        "written": "uv-layers.toml",
        "hints": ["a hint"],
    }
    assert json.loads(suggestion_json(SUGGESTION, None))["result"]["written"] is None


# Text for people.


def test_a_plan_is_a_row_for_each_layer_and_their_sum(target):
    assert plan_table(_plan(target)) == dedent("""\
        layer   packages               download   from
        ─────────────────────────────────────────────────────────────────────
        heavy          2               922.4 MB   packages numpy, group heavy
        light          1        0 B + 1 unknown   group light
        total          3   922.4 MB + 1 unknown

        for CPython 3.12 on linux x86_64, prefix /usr/local
        """)


def _rows(text):
    """Return the cells of a table: columns are two or more spaces apart."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines() if line]


def test_the_verbose_plan_has_a_row_for_each_package_and_says_why_it_is_there(target):
    rows = _rows(plan_table(_plan(target), verbose=True))
    assert ["heavy", "numpy", "2.1.0", "16.0 MB", "packages numpy (also group heavy, group light)"] in rows
    assert ["heavy", "torch", "2.4.0", "906.4 MB", "group heavy"] in rows
    assert ["light", "tool", "unknown", "source", "group light"] in rows


@pytest.mark.parametrize(
    ("package", "origin", "download"),
    [
        (Package("a", "1"), None, "unknown"),
        (Package("a", "1", built=True, table={"sdist": {}}), "source", "unknown"),
        (Package("a", "1", built=True, table={"vcs": {}}), "git", "unknown"),
        (Package("a", "1", built=True, table={"directory": {}}), "folder", "local"),
    ],
)
def test_the_verbose_plan_says_what_a_package_is_built_from(target, package, origin, download):
    layers = (Layer("heavy", (Member(package, "group heavy"),)),)
    text = plan_table(Plan("/usr/local", target, layers), verbose=True)
    assert package.built_from == origin
    assert ("built from" in text) is (origin is not None)
    assert ["heavy", "a", "1", download, *filter(None, [origin]), "group heavy"] in _rows(text)


def test_nothing_is_downloaded_for_a_folder(target):
    folders = [Package(name, "1", built=True, table={"directory": {}}) for name in ("a", "b")]
    layers = (
        Layer("below", (Member(Package("c", "1", size=2000), "group below"), Member(folders[1], "group below"))),
        Layer("project", (Member(folders[0], "project"),), kind="project"),
        Layer("venv", kind="environment"),
    )
    rows = _rows(plan_table(Plan("/usr/local", target, layers)))
    assert [row[:3] for row in rows[2:6]] == [
        ["below", "2", "2.0 kB"],
        ["project", "1", "local"],
        ["venv", "0", "0 B"],
        ["total", "3", "2.0 kB"],
    ]
    rows = _rows(size_table(Plan("/usr/local", target, layers)))
    assert [row[:3] for row in rows[2:]] == [
        ["c", "below", "2.0 kB"],
        ["a", "project", "local"],
        ["b", "below", "local"],
    ]


def test_off_a_terminal_no_row_is_folded_and_nothing_is_coloured(target, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    reasons = tuple(f"group {'x' * 60}{n}" for n in range(3))
    members = tuple(Member(Package(f"p{n}", "1", 1), reason) for n, reason in enumerate(reasons))
    text = plan_table(Plan("/usr/local", target, (Layer("heavy", members),)))
    assert any(line.endswith(", ".join(reasons)) for line in text.splitlines())
    assert "\x1b" not in text


def test_on_a_terminal_rows_are_folded_and_nothing_is_cut_off(target):
    text = plan_table(_plan(target), verbose=True, width=50)
    rows = text[: text.rindex("\nfor ")].splitlines()
    assert max(map(len, rows)) <= 50
    assert "…" not in text
    assert "numpy" in text


def test_what_looks_like_markup_is_text(target):
    layer = Layer("heavy", (Member(Package("torch", "1", 1), "packages [bold]torch[/bold]"),))
    assert "packages [bold]torch[/bold]" in plan_table(Plan("/usr/local", target, (layer,)))


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, ["heavy: 2 packages, 30 files, 4.5 MB, 1.2 s, layers/heavy"]),
        ({"seconds": None}, ["heavy: 2 packages, 30 files, 4.5 MB, up to date, layers/heavy"]),
        (
            {"digest": "sha256:0"},
            ["heavy: 2 packages, 30 files, 4.5 MB, 1.2 s, layers/heavy", "heavy: sha256:0"],
        ),
        (
            {"built": ["antlr", "tool"], "invalid": 2, "clashes": [Clash("bin/x", ("a", "b"))]},
            [
                "heavy: 2 packages, 30 files, 4.5 MB, 1.2 s, layers/heavy",
                "heavy: antlr, tool: built from source, so another machine may build different files",
                "heavy: 2 files not compiled: invalid syntax in this version of Python",
                "warning: heavy: bin/x differs between a and b; b wins",
            ],
        ),
    ],
)
def test_a_tree_is_told_in_a_line_and_what_there_is_to_know_of_it_in_more(changes, lines):
    assert tree_lines(_tree(**changes)) == lines


@pytest.mark.parametrize(("changed", "state"), [(True, "written"), (False, "unchanged")])
def test_an_export_is_told_in_a_line(changed, state):
    exported = Exported(LOCK, Path("pylock.heavy.toml"), changed=changed)
    assert exported_line(exported) == f"heavy: 2 packages, {state}, pylock.heavy.toml"


def test_a_tree_that_holds_is_one_line_and_each_problem_is_one_too():
    assert verified_lines("heavy", "sha256:0", []) == ["heavy: matches its lock; digest sha256:0"]
    problems = [
        Problem("heavy", "missing", "usr/a"),
        Problem("heavy", "altered", "usr/b", "why"),
        Problem("h", "k", ""),
    ]
    assert verified_lines("heavy", None, problems) == [
        "heavy: missing: usr/a",
        "heavy: altered: usr/b: why",
        "heavy: k: ",
    ]


def test_a_proposal_is_its_layers_and_what_they_cost_and_what_that_is_learned_from():
    assert (
        suggestion_table(SUGGESTION)
        == dedent("""\
        layer   packages             download   updates   largest first
        ──────────────────────────────────────────────────────────────────────────────
        torch          4   2.0 kB + 1 unknown   3 of 10   torch, nvidia-a, nvidia-b, …
        web            1                500 B   9 of 10   web

        layers                  pulled per update   of the image
        ────────────────────────────────────────────────────────
        one layer                          2.5 kB         100.0%
        current layers                     2.0 kB          80.0%
        proposed layers                     750 B          30.0%
        one layer per package                 0 B           0.0%

        replay of the last 5 updates        pulled per update   of the image
        ────────────────────────────────────────────────────────────────────
        one layer                                      2.4 kB         100.0%
        current layers                                 1.2 kB          50.0%
        proposed from the first 4 updates               600 B          25.0%

        moves   from   to
        ──────────────────
        web     low    web

        based on 10 updates of the image in 14 revisions of uv.lock (2 of them unreadable); """)
        + "switching to these layers costs one pull of 2.5 kB\n"
    )


def test_a_proposal_without_a_history_and_without_a_change_says_neither():
    nothing = dataclasses.replace(
        SUGGESTION, updates=0, revisions=1, unreadable=0, once=0, moves=(), one_layer=0, backtest=None
    )
    text = suggestion_table(nothing, verbose=True)
    few = "at least 5 updates are needed to estimate what an update pulls"
    assert text.endswith(f"\nbased on 0 updates of the image in 1 revision of uv.lock; {few}\n")
    assert "%" not in text
    assert "%" in suggestion_table(dataclasses.replace(nothing, updates=5))
    assert " of 0" not in text
    assert "torch, nvidia-a, nvidia-b, triton" in text
    assert "moves" not in text


def test_the_packages_of_a_plan_by_size_have_bars_on_a_terminal_only(target):
    rows = [
        ("torch", "heavy", "906.4", "MB", "98.3%"),
        ("numpy", "heavy", "16.0", "MB", "1.7%"),
        ("tool", "light", "unknown"),
    ]
    lines = size_table(_plan(target)).splitlines()
    assert lines[0].split() == ["package", "layer", "download", "share"]
    assert [tuple(line.split()) for line in lines[2:]] == rows
    assert size_table(_plan(target), width=44) == size_table(_plan(target))
    assert size_table(_plan(target), width=45).splitlines()[2].endswith("%   ████████")
    torch, numpy, tool = size_table(_plan(target), width=80).splitlines()[2:]
    assert tuple(torch.split()) == (*rows[0], "█" * 24)
    assert (tuple(numpy.split()), tuple(tool.split())) == (rows[1], rows[2])


def test_a_plan_without_packages_has_no_sizes(target):
    table = size_table(dataclasses.replace(_plan(target), layers=()), width=80)
    assert table.splitlines()[0].split() == ["package", "layer", "download", "share"]
    assert len(table.splitlines()) == 2


def test_what_is_saved_is_said_for_the_largest_packages_and_for_all_if_asked(target):
    tree = _tree(excluded={"a": 1, "b": 4_000, "c": 2_000_000, "d": 3})
    assert tree_lines(tree)[1] == "heavy: exclude-files saves 2.0 MB: c 2.0 MB, b 4.0 kB, d 3 B, …"
    assert tree_lines(tree, verbose=True)[1].endswith("d 3 B, a 1 B")
