"""What an update does to layers, how that is written, and what the texts of locks say of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from uv_layers.cli.json import diff_json
from uv_layers.cli.markdown import diff_markdown
from uv_layers.cli.tables import diff_table
from uv_layers.lock import layer_lock, uv_lock
from uv_layers.lock.layer_lock import LayerLock
from uv_layers.lock.packages import Layer, Member, Package
from uv_layers.plan import diff
from uv_layers.plan.diff import Change, LayerChange


def wheel(name, version, size=10, digest=None, url="index-one"):
    file = {"url": f"{url}/{name}", "hashes": {"sha256": digest or f"{name}-{version}"}}
    return Package(name, version, size, table={"name": name, "version": version, "wheels": [file]})


def layer(name, *packages):
    return Layer(name, tuple(Member(package, "") for package in packages))


def of_table(name, **table):
    return Package(name, None, None, table={"name": name, **table})


BUILT = replace(of_table("s", version="1", sdist={"hashes": {"sha256": "s-1"}}), version="1", size=7, built=True)
A1, A2, B1, C1 = wheel("a", "1", 100), wheel("a", "2", 200), wheel("b", "1", 30), wheel("c", "1", 4)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param([layer("x", A1, B1)], [layer("x", A1, B1)], [LayerChange("x", "same")], id="same"),
        pytest.param([layer("x", A1, B1)], [layer("x", B1, A1)], [LayerChange("x", "same")], id="another order"),
        pytest.param([layer("x")], [layer("x")], [LayerChange("x", "same")], id="empty"),
        pytest.param(
            [layer("x", A1, B1)],
            [layer("x", A2, B1)],
            [LayerChange("x", "changed", (Change("a", "updated", "1", "2"),), 230, 30)],
            id="updated, and the rest is kept",
        ),
        pytest.param(
            [layer("x", A1), layer("y", B1)],
            [layer("x", A1), layer("y", B1, C1)],
            [LayerChange("x", "same"), LayerChange("y", "changed", (Change("c", "added", new="1"),), 34, 30)],
            id="a package more",
        ),
        pytest.param(
            [layer("x", A1, B1)],
            [layer("x", B1)],
            [LayerChange("x", "changed", (Change("a", "removed", "1"),), 30, 30)],
            id="a package less",
        ),
        pytest.param(
            [layer("x", A1)],
            [layer("x", wheel("a", "1", 101, "another"))],
            [LayerChange("x", "changed", (Change("a", "rebuilt", "1", "1"),), 101)],
            id="the same version from another file",
        ),
        pytest.param(
            [layer("x", A1)],
            [layer("x", wheel("a", "1", 100, url="index-two"))],
            [LayerChange("x", "same")],
            id="the same file from another place",
        ),
        pytest.param(
            [layer("x", A1)],
            [layer("y", B1), layer("x", A1)],
            [LayerChange("y", "added", (Change("b", "added", new="1"),), 30), LayerChange("x", "same")],
            id="a layer more",
        ),
        pytest.param(
            [layer("x", A1)],
            [layer("y"), layer("x", A1)],
            [LayerChange("y", "added"), LayerChange("x", "same")],
            id="an empty layer more",
        ),
        pytest.param(
            [layer("x", A1), layer("y", C1, B1)],
            [layer("x", A1)],
            [
                LayerChange("x", "same"),
                LayerChange("y", "removed", (Change("b", "removed", "1"), Change("c", "removed", "1"))),
            ],
            id="a layer less",
        ),
        pytest.param(
            [layer("x", A1, B1), layer("y", C1)],
            [layer("x", B1), layer("y", A1, C1)],
            [
                LayerChange("x", "changed", (Change("a", "moved", "1", "1", "y"),), 30, 30),
                LayerChange("y", "changed", (Change("a", "moved", "1", "1", "x"),), 104, 104),
            ],
            id="moved",
        ),
        pytest.param(
            [layer("x", A1, B1), layer("y", C1)],
            [layer("x", B1), layer("y", A2, C1)],
            [
                LayerChange("x", "changed", (Change("a", "moved", "1", "2", "y"),), 30, 30),
                LayerChange("y", "changed", (Change("a", "moved", "1", "2", "x"),), 204, 4),
            ],
            id="moved and updated",
        ),
        pytest.param(
            [layer("x", A1)],
            [layer("y", A1)],
            [
                LayerChange("y", "added", (Change("a", "moved", "1", "1", "x"),)),
                LayerChange("x", "removed", (Change("a", "moved", "1", "1", "y"),)),
            ],
            id="another name for a layer, which clients have",
        ),
        pytest.param(
            [layer("x", BUILT)],
            [layer("y", BUILT)],
            [
                LayerChange("y", "added", (Change("s", "moved", "1", "1", "x"),), 7, 7),
                LayerChange("x", "removed", (Change("s", "moved", "1", "1", "y"),)),
            ],
            id="another name for a layer that is built from source",
        ),
        pytest.param(
            [layer("x", A1, B1)],
            [layer("y", A1), layer("z", B1)],
            [
                LayerChange("y", "added", (Change("a", "moved", "1", "1", "x"),), 100, 100),
                LayerChange("z", "added", (Change("b", "moved", "1", "1", "x"),), 30, 30),
                LayerChange("x", "removed", (Change("a", "moved", "1", "1", "y"), Change("b", "moved", "1", "1", "z"))),
            ],
            id="a layer that is split",
        ),
        pytest.param(
            [layer("x", A1)],
            [replace(layer("y", A1), settings={"prefix": "/opt"})],
            [
                LayerChange("y", "added", (Change("a", "moved", "1", "1", "x"),), 100, 100),
                LayerChange("x", "removed", (Change("a", "moved", "1", "1", "y"),)),
            ],
            id="another name and another prefix",
        ),
        pytest.param(
            [layer("x", C1, B1)],
            [layer("x", wheel("d", "1", None), wheel("c", "1", None), A1)],
            [
                LayerChange(
                    "x",
                    "changed",
                    (Change("a", "added", new="1"), Change("b", "removed", "1"), Change("d", "added", new="1")),
                    100,
                    0,
                    unsized=2,
                )
            ],
            id="by name, and sizes that are not known",
        ),
    ],
)
def test_what_becomes_of_layers(old, new, expected):
    assert list(diff.compare(old, new)) == expected


FILE = {"hashes": {"sha256": "one"}}
OTHER = {"hashes": {"sha256": "two"}}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"sdist": FILE}, {"sdist": OTHER}),
        ({"archive": FILE}, {"archive": OTHER}),
        ({"vcs": {"commit-id": "one"}}, {"vcs": {"commit-id": "two"}}),
        ({"wheels": [FILE]}, {"wheels": [FILE, OTHER]}),
    ],
    ids=["sdist", "archive", "vcs", "wheels"],
)
def test_packages_are_told_apart_by_their_hashes_or_their_commit(old, new):
    before, after = [layer("x", of_table("a", **old))], [layer("x", of_table("a", **new))]
    assert diff.compare(before, before) == (LayerChange("x", "same"),)
    assert diff.compare(before, after)[0].changes == (Change("a", "rebuilt"),)


def test_where_a_commit_is_fetched_from_makes_no_change():
    sides = [[layer("x", of_table("a", vcs={"commit-id": "one", "url": url}))] for url in ("here", "there")]
    assert diff.compare(*sides) == (LayerChange("x", "same"),)


# How it is written.

CHANGES = (
    LayerChange("base", "same"),
    LayerChange(
        "heavy",
        "changed",
        (
            Change("gone", "removed", "1.0"),
            Change("here", "added", new="2.0"),
            Change("moved", "moved", "1.0", "1.0", "base"),
            Change("moved-on", "moved", "1.0", "1.1", "base"),
            Change("rebuilt", "rebuilt", "3.0", "3.0"),
            Change("updated", "updated", "1.0", "1.1"),
        ),
        2_500_000,
        1_000_000,
        1,
    ),
    LayerChange("top", "added", (Change("nameless", "added"),), 500),
    LayerChange("old", "removed", (Change("from-git", "removed"),)),
)
LINE = "2 of 4 layers change, 2.5 MB + 1 unknown to pull, 1.0 MB of it for unchanged packages"


def test_the_keys_of_a_diff():
    document = json.loads(diff_json(CHANGES[1:2]))
    [found] = document["result"]["layers"]
    assert (document["schema"], document["command"], document["result"]["bytes"]) == (1, "diff", 2_500_000)
    assert found.pop("changes")[2:4] == [
        {"package": "moved", "kind": "moved", "old": "1.0", "new": "1.0", "other": "base"},
        {"package": "moved-on", "kind": "moved", "old": "1.0", "new": "1.1", "other": "base"},
    ]
    assert found == {
        "name": "heavy",
        "status": "changed",
        "bytes": 2_500_000,
        "unsized": 1,
        "bytes_unchanged": 1_000_000,
    }


def test_the_bytes_of_a_diff_are_those_of_its_layers_and_what_is_not_there_is_null():
    result = json.loads(diff_json(CHANGES))["result"]
    assert result["bytes"] == 2_500_500
    assert [found["name"] for found in result["layers"]] == ["base", "heavy", "top", "old"]
    assert result["layers"][2]["changes"] == [
        {"package": "nameless", "kind": "added", "old": None, "new": None, "other": None}
    ]


def test_a_diff_as_a_table():
    header, _, *rows, blank, line = diff_table(CHANGES).splitlines()
    assert header.split() == ["layer", "status", "pulled", "unchanged", "part", "why"]
    assert [row.split(maxsplit=2)[:2] for row in rows] == [
        ["base", "same"],
        ["heavy", "changed"],
        ["top", "added"],
        ["old", "removed"],
    ]
    assert " ".join(rows[0].split()) == "base same"
    assert " ".join(rows[1].split()) == (
        "heavy changed 2.5 MB + 1 unknown 1.0 MB -gone 1.0, +here 2.0, moved 1.0 (moved from base), "
        "moved-on 1.0 -> 1.1 (moved from base), rebuilt 3.0 (different file), updated 1.0 -> 1.1"
    )
    assert " ".join(rows[2].split()) == "top added 500 B +nameless ?"
    assert " ".join(rows[3].split()) == "old removed -from-git ?"
    assert (blank, line) == ("", LINE)


def test_a_table_has_the_width_that_is_asked_for():
    assert max(map(len, diff_table(CHANGES, 50).split("\n\n")[0].splitlines())) <= 50


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ((), "no layers change; nothing to pull"),
        (CHANGES[:1], "no layers change; nothing to pull"),
        ((CHANGES[0], CHANGES[3]), "1 of 2 layers removed; nothing to pull"),
        (CHANGES[2:3], "1 of 1 layer changes, 500 B to pull"),
        (CHANGES, LINE),
    ],
    ids=["no layers", "same", "gone", "nothing kept", "all"],
)
def test_one_line_says_what_is_pulled(changes, line):
    assert diff_table(changes).splitlines()[-1] == line
    assert diff_markdown(changes).splitlines()[0] == f"**Image layers:** {line}"


def test_a_diff_as_markdown():
    assert diff_markdown((CHANGES[0], CHANGES[2], CHANGES[1])).splitlines() == [
        "**Image layers:** 2 of 3 layers change, 2.5 MB + 1 unknown to pull, 1.0 MB of it for unchanged packages",
        "",
        "| layer | | pulled | unchanged part |",
        "|---|---|--:|--:|",
        "| `base` | same |  |  |",
        "| `top` | added | 500 B |  |",
        "| `heavy` | changed | 2.5 MB + 1 unknown | 1.0 MB |",
        "",
        "<details><summary><code>top</code>: 1 change</summary>",
        "",
        "- `+nameless ?`",
        "",
        "</details>",
        "",
        "<details><summary><code>heavy</code>: 6 changes</summary>",
        "",
        "- `-gone 1.0`",
        "- `+here 2.0`",
        "- `moved 1.0 (moved from base)`",
        "- `moved-on 1.0 -> 1.1 (moved from base)`",
        "- `rebuilt 3.0 (different file)`",
        "- `updated 1.0 -> 1.1`",
        "",
        "</details>",
    ]


def test_markdown_of_no_change_has_a_row_a_layer_and_no_details():
    assert diff_markdown(CHANGES[:1]).splitlines()[2:] == [
        "| layer | | pulled | unchanged part |",
        "|---|---|--:|--:|",
        "| `base` | same |  |  |",
    ]


# uv.lock, by the heads of its tables.

HEAD = 'version = 1\nrevision = 3\nrequires-python = ">=3.10"\n'


def package(name, version=None, source='registry = "index"', rest=""):
    line = "" if version is None else f'version = "{version}"\n'
    return f'\n[[package]]\nname = "{name}"\n{line}source = {{ {source} }}\n{rest}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + package("a", "1.0") + package("b", "2.0"), {"a": ("1.0",), "b": ("2.0",)}),
        (HEAD + package("a", "2.0") + package("a", "1.0"), {"a": ("1.0", "2.0")}),
        (HEAD + package("app", source='editable = "."'), {"app": ("",)}),
        (HEAD + package("a", "1.0", 'git = "here?rev=main#abc123"'), {"a": ("1.0+abc123",)}),
        (HEAD + package("a", None, 'git = "here#abc123"'), {"a": ("+abc123",)}),
        (HEAD + package("a", "1.0", 'git = "here"'), {"a": ("1.0",)}),
        (HEAD + package("a", "1.0", 'url = "here/a.whl#sha256=abc"'), {"a": ("1.0",)}),
        (
            HEAD + package("a", "1.0", rest='dependencies = [\n    { name = "b" },\n]\n') + package("b", "3"),
            {"a": ("1.0",), "b": ("3",)},
        ),
        (HEAD + '\n[[package]]\nname = "a"\nversion = "1.0"\n', {"a": ("1.0",)}),
        (HEAD, None),
        ("", None),
        ("<<<<<<< ours\n", None),
        (HEAD + package("a", "1.0") + '\n[[package]]\nversion = "1.0"\n', None),
        (HEAD + package("a", "1.0").replace("[[package]]", "[[distribution]]"), None),
    ],
    ids=[
        "plain",
        "several",
        "no version",
        "git",
        "git without a version",
        "git without a commit",
        "url",
        "dependencies",
        "no source",
        "header",
        "empty",
        "conflict",
        "no name",
        "an older format",
    ],
)
def test_versions_are_read_from_the_heads_of_the_tables(text, expected):
    assert uv_lock.locked_versions(text) == expected


# Layer locks.


def lock_of(*tables):
    return LayerLock("heavy", "/usr/local", 'lock-version = "1.0"\n' + "".join(tables))


@pytest.mark.parametrize(
    ("file", "size"),
    [
        ('wheels = [{ url = "here", size = 12, hashes = { sha256 = "a" } }]', 12),
        ('wheels = [{ url = "here", hashes = { sha256 = "a" } }]', None),
        ('sdist = { url = "here", size = 13, hashes = { sha256 = "a" } }', 13),
        ('archive = { url = "here", size = 14, hashes = { sha256 = "a" } }', 14),
        ('vcs = { type = "git", url = "here", commit-id = "a" }', None),
    ],
    ids=["wheel", "unsized", "sdist", "archive", "vcs"],
)
def test_the_layer_of_a_lock_has_its_packages_with_their_sizes(file, size):
    found = layer_lock.layer_of(lock_of(f'[[packages]]\nname = "Odd.Name"\nversion = "1.0"\n{file}\n'))
    [member] = found.members
    assert (found.name, member.package.name, member.package.version) == ("heavy", "odd-name", "1.0")
    assert (member.package.size, member.reason) == (size, "")
    assert diff.compare([found], [found]) == (LayerChange("heavy", "same"),)


def test_the_layer_of_a_lock_may_be_empty_and_a_package_may_have_no_version():
    assert layer_lock.layer_of(lock_of()).members == ()
    [member] = layer_lock.layer_of(lock_of('[[packages]]\nname = "a"\nvcs = { commit-id = "b" }\n')).members
    assert member.package.version is None


def test_the_layer_of_a_lock_says_what_the_layer_is_made_with():
    text = 'requires-python = "==3.12.*"\n'
    settings = {"config-settings": {"a": "b"}, "index": [{"url": "https://index.example"}]}
    lock = LayerLock("heavy", "/opt", text, settings=settings)
    made = {"prefix": "/opt", "python": "==3.12.*", "config-settings": '{"a": "b"}'}
    assert layer_lock.layer_of(lock).settings == made


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"prefix": "/a"}, {"prefix": "/b"}, (Change("prefix", "setting", "/a", "/b"),)),
        ({}, {"config-settings": "{}"}, (Change("config-settings", "setting", None, "{}"),)),
        ({"python": "==3.12.*"}, {"python": "==3.12.*"}, ()),
    ],
)
def test_a_layer_that_is_made_otherwise_changes_though_its_packages_do_not(old, new, changes):
    members = layer("heavy", wheel("a", "1.0")).members
    [change] = diff.compare([Layer("heavy", members, old)], [Layer("heavy", members, new)])
    assert change.changes == changes
    assert (change.status, change.size, change.kept) == (("changed", 10, 10) if changes else ("same", 0, 0))


def test_an_empty_layer_is_the_same_however_it_is_made():
    [change] = diff.compare([Layer("heavy", (), {"prefix": "/a"})], [Layer("heavy", (), {"prefix": "/b"})])
    assert change.status == "same"


def test_a_setting_is_shown_with_what_it_was_and_is():
    change = LayerChange(
        "heavy", "changed", (Change("prefix", "setting", "/a", "/b"), Change("x", "setting", None, "1"))
    )
    assert "prefix: /a -> /b, x: none -> 1" in diff_table([change])


def test_an_environment_changes_with_its_settings_though_it_has_no_packages():
    old, new = ([Layer("venv", settings={"python": f"==3.{n}.*"}, kind="environment")] for n in (12, 13))
    change = Change("python", "setting", "==3.12.*", "==3.13.*")
    assert diff.compare(old, new) == (LayerChange("venv", "changed", (change,), 0),)
    assert diff.compare(old, old) == (LayerChange("venv", "same"),)


def _moved(names, other, new="1.0", *, away=False):
    return tuple(Change(name, "moved", "1.0", new, other, away) for name in names)


def test_many_packages_that_move_alike_are_counted():
    few, many = ("a", "b", "c"), [f"many-{number}" for number in range(33)]
    changes = [
        LayerChange(
            "top",
            "changed",
            (
                *_moved(few, "low"),
                *_moved(many, "dependencies"),
                *_moved(["y"], "dependencies", "2.0"),
                *_moved(["z"], "third", "2.0"),
            ),
        ),
        LayerChange("low", "changed", (*_moved(few, "top", away=True), *_moved(many, "other", away=True))),
    ]
    lines = diff_table(changes).splitlines()
    few = [f"{name} 1.0 (moved {{}})" for name in few]
    from_low = ", ".join(few).format(*["from low"] * 3)
    to_top = ", ".join(few).format(*["to top"] * 3)
    assert lines[2].endswith(
        f"34 packages moved from dependencies, {from_low}, y 1.0 -> 2.0, z 1.0 -> 2.0 (moved from third)"
    )
    assert lines[3].endswith(f"33 packages moved to other, {to_top}")
    assert "many-17" in diff_markdown(changes)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_of_a_diff_is_longer_than_the_width(width):
    names = [f"package-{number}" for number in range(50)]
    change = LayerChange(
        "top", "changed", tuple(Change(name, "updated", "1.0", "1.1") for name in names), 10**10, 10**9, 3
    )
    text = diff_table([change] * 12, width)
    assert max(map(len, text.splitlines())) <= width
    assert " ".join(text.split()).endswith(
        "12 of 12 layers change, 120.00 GB + 36 unknown to pull, 12.00 GB of it for unchanged packages"
    )
