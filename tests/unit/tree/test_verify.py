from __future__ import annotations

import dataclasses
import hashlib
import os

import pytest

from uv_layers.lock.layer_lock import LayerLock
from uv_layers.tree import installed, seal, verify
from uv_layers.tree.record import Record
from uv_layers.tree.times import Times

SITE = "usr/local/lib/python3.12/site-packages"
EPOCH = 1_000_000
PYC = f"{SITE}/__pycache__/a.cpython-312.pyc"
LOCK = LayerLock("some", "/usr/local", "", {"pkg": "1.0"})
ENVIRONMENT = LayerLock("venv", "/app/.venv", "", kind="environment")


@pytest.fixture
def tree(tmp_path, put):
    tree = tmp_path / "tree"
    put(tree, "pkg", {f"{SITE}/a.py": "X = 1\n", "usr/local/bin/run": "#!/bin/sh\n"})
    (tree / PYC).parent.mkdir()
    (tree / PYC).write_bytes(b"code")
    (tree / "usr/local/bin/run").chmod(0o755)
    seal.seal(tree, "/usr/local", Times({}, EPOCH))
    return tree


MADE = {PYC: hashlib.sha256(b"code").hexdigest()}
RECORD = Record(
    prefix="/usr/local",
    sites=[],
    packages=1,
    files=3,
    size=100,
    built=[],
    clashes=[],
    invalid=0,
    latest=EPOCH,
    executable=["usr/local/bin/run"],
    made={},
)


def _found(tree, lock=LOCK, made=MADE, epoch=EPOCH):
    recorded = None if made is None else dataclasses.replace(RECORD, made=made, latest=epoch)
    return [(p.kind, p.path, p.detail) for p in verify.problems(tree, lock, recorded, epoch, "3.12", seal.hashed(tree))]


def test_a_tree_as_it_was_made_has_no_problem(tree):
    assert _found(tree) == []
    problems = verify.problems(tree, LOCK, RECORD, EPOCH, "3.12", seal.hashed(tree))
    assert {problem.layer for problem in problems} == {"some"}


def test_problems_are_sorted_by_path(tree):
    (tree / "usr/local/bin/run").unlink()
    (tree / SITE / "a.py").write_text("X = 2\n", encoding="utf-8")
    os.utime(tree / SITE / "a.py", (EPOCH, EPOCH))
    os.utime(tree / "usr/local/bin", (EPOCH, EPOCH))
    assert _found(tree) == [
        ("missing", "usr/local/bin/run", "RECORD lists it"),
        ("altered", f"{SITE}/a.py", "its hash differs from RECORD"),
    ]


@pytest.mark.parametrize(
    ("versions", "problems"),
    [
        ({"pkg": "2.0"}, [("other-version", f"{SITE}/pkg-1.0.dist-info", "pkg is 1.0, but the lock pins 2.0")]),
        ({"pkg": None}, []),
        ({"pkg": "1.0", "gone": "3.1"}, [("no-package", "", "gone 3.1 is not installed")]),
        ({}, [("added-package", f"{SITE}/pkg-1.0.dist-info", "the lock has no pkg")]),
    ],
)
def test_packages_are_held_against_the_lock(tree, versions, problems):
    assert _found(tree, LayerLock("some", "/usr/local", "", versions)) == problems


def test_bytecode_is_held_against_what_was_made(tree):
    assert _found(tree, made={PYC: "0" * 64}) == [("altered", PYC, "changed since install")]
    other = PYC.replace("/a.", "/b.")
    assert _found(tree, made={**MADE, other: "0" * 64}) == [("missing", other, "uv-layers compiled it")]
    assert _found(tree, made={}) == [
        ("added", f"{SITE}/__pycache__", "not in any RECORD"),
        ("added", PYC, "not in any RECORD"),
    ]


def test_where_nobody_knows_what_was_made_the_bytecode_of_any_source_will_do(tree):
    assert _found(tree, made=None) == []
    (tree / PYC).rename(tree / PYC.replace("/a.", "/b."))
    os.utime(tree / PYC.rpartition("/")[0], (EPOCH, EPOCH))
    assert ("added", PYC.replace("/a.", "/b."), "not in any RECORD") in _found(tree, made=None)


def test_of_a_file_that_two_have_the_content_of_the_last_is_right(tree, put):
    put(tree, "aaa", {f"{SITE}/a.py": "X = 0\n"})
    (tree / SITE / "a.py").write_text("X = 1\n", encoding="utf-8")
    seal.seal(tree, "/usr/local", Times({}, EPOCH))
    lock = LayerLock("some", "/usr/local", "", {"pkg": "1.0", "aaa": "1.0"})
    assert _found(tree, lock) == []
    (tree / SITE / "a.py").write_text("X = 0\n", encoding="utf-8")
    seal.seal(tree, "/usr/local", Times({}, EPOCH))
    assert _found(tree, lock) == [("altered", f"{SITE}/a.py", "its hash differs from RECORD")]


def test_modes_and_times_are_held_against_those_of_a_sealed_tree(tree):
    (tree / SITE / "a.py").chmod(0o600)
    (tree / SITE).chmod(0o700)
    os.utime(tree / "usr", (1, 1))
    assert _found(tree) == [
        ("mtime", "usr", f"1 instead of {EPOCH}"),
        ("mode", SITE, "700 instead of 755"),
        ("mode", f"{SITE}/a.py", "600 instead of 644"),
    ]
    (tree / "usr/local/bin/run").chmod(0o644)
    assert ("mode", "usr/local/bin/run", "644 instead of 755") in _found(tree)
    assert "usr/local/bin/run" not in {path for _, path, _ in _found(tree, made=None)}
    assert {kind for kind, *_ in _found(tree, epoch=EPOCH + 2)} == {"mode", "mtime"}


def test_a_link_is_added_and_has_no_mode(tree):
    (tree / "link").symlink_to("usr")
    os.utime(tree / "link", (EPOCH, EPOCH), follow_symlinks=False)
    assert _found(tree) == [("added", "link", "not in any RECORD")]


@pytest.mark.parametrize(
    ("prefix", "kinds"),
    [
        ("/usr/local", set()),
        ("/usr", {"no-package", "added"}),
        ("/", {"no-package", "added"}),
        ("/app/.venv", {"no-package", "added", "other-prefix"}),
        ("/usr/loc", {"no-package", "added", "other-prefix"}),
    ],
)
def test_packages_are_in_the_site_folder_of_the_locks_prefix(tree, prefix, kinds):
    assert {kind for kind, *_ in _found(tree, LayerLock("some", prefix, "", {"pkg": "1.0"}))} == kinds


def test_metadata_that_a_package_of_the_lock_brings_is_no_package(tree, put):
    put(tree, "bringer", {f"{SITE}/vendored-1.dist-info/RECORD": f"{SITE}/a.py,sha256=x,1\n"})
    seal.seal(tree, "/usr/local", Times({}, EPOCH))
    assert _found(tree, LayerLock("some", "/usr/local", "", {"pkg": "1.0", "bringer": "1.0"})) == []


def test_files_have_the_upload_time_of_their_package_and_bytecode_that_of_its_source(tree, put):
    put(tree, "other", {f"{SITE}/b.py": ""})
    lock = LayerLock("some", "/usr/local", "", {"pkg": "1.0", "other": "1.0"}, times={"pkg": 1_700_000_001})
    found = installed.distributions(tree, [SITE])
    seal.seal(tree, "/usr/local", Times.of(found, lock.times, None))
    assert _found(tree, lock, epoch=None) == []
    assert ((tree / PYC).stat().st_mtime, (tree / SITE / "b.py").stat().st_mtime) == (1_700_000_000, 315532800)
    assert {path for _, path, _ in _found(tree, lock, epoch=1_600_000_000)} == {
        PYC,
        "usr/local/bin/run",
        f"{SITE}/a.py",
        *(f"{SITE}/pkg-1.0.dist-info/{name}" for name in ("METADATA", "RECORD")),
    }


@pytest.mark.parametrize("path", [f"{SITE}/a.py", PYC])
def test_a_link_or_a_folder_is_no_file_whatever_it_leads_to(tree, path):
    elsewhere = tree.parent / "elsewhere"
    (tree / path).rename(elsewhere)
    (tree / path).symlink_to(elsewhere)
    assert ("altered", path, "not a file") in _found(tree)
    (tree / path).unlink()
    (tree / path).mkdir()
    assert ("altered", path, "not a file") in _found(tree)


def test_a_link_is_nobodys_bytecode(tree):
    elsewhere = tree.parent / "elsewhere"
    (tree / PYC).rename(elsewhere)
    (tree / PYC).symlink_to(elsewhere)
    assert ("added", PYC, "not in any RECORD") in _found(tree, made=None)


# A virtual environment has no RECORD: all of it is held against what was made.


@pytest.fixture
def skeleton(tmp_path):
    tree = tmp_path / "skeleton"
    (tree / "app/.venv/bin").mkdir(parents=True)
    (tree / "app/.venv/bin/python").symlink_to("/usr/local/bin/python3.12")
    (tree / "app/.venv/bin/activate").write_text("activated\n", encoding="utf-8")
    (tree / "app/.venv/pyvenv.cfg").write_text("home = /usr/local/bin\n", encoding="utf-8")
    seal.seal(tree, "/app/.venv", Times({}, EPOCH))
    return tree


SKELETON = {
    "app/.venv/bin/activate": hashlib.sha256(b"activated\n").hexdigest(),
    "app/.venv/bin/python": "-> /usr/local/bin/python3.12",
    "app/.venv/pyvenv.cfg": hashlib.sha256(b"home = /usr/local/bin\n").hexdigest(),
}


def _put(tree, path, text):
    """Put a sealed file, or for `-> target` a link, in the place of what is there."""
    (tree / path).unlink(missing_ok=True)
    if text.startswith("-> "):
        (tree / path).symlink_to(text.removeprefix("-> "))
    else:
        (tree / path).write_text(text, encoding="utf-8")
    seal.seal(tree, "/app/.venv", Times({}, EPOCH))


def test_a_virtual_environment_as_it_was_made_has_no_problem(skeleton):
    assert _found(skeleton, ENVIRONMENT, SKELETON) == []
    assert _found(skeleton, ENVIRONMENT, None) == []


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        ("bin/activate", "other\n", "changed since install"),
        ("bin/activate", "-> activated\n", "not a file"),
        ("bin/python", "-> /usr/bin/python3.12", "changed since install"),
        # What a link leads to is no content of it.
        ("bin/python", "/usr/local/bin/python3.12", "not a symlink"),
    ],
)
def test_of_a_virtual_environment_a_file_and_a_link_are_what_was_made(skeleton, path, text, problem):
    _put(skeleton, f"app/.venv/{path}", text)
    assert _found(skeleton, ENVIRONMENT, SKELETON) == [("altered", f"app/.venv/{path}", problem)]
    assert _found(skeleton, ENVIRONMENT, None) == []


def test_a_virtual_environment_has_no_file_more_and_none_less(skeleton):
    _put(skeleton, "app/.venv/bin/pip", "pip\n")
    (skeleton / "app/.venv/bin/activate").unlink()
    seal.seal(skeleton, "/app/.venv", Times({}, EPOCH))
    assert _found(skeleton, ENVIRONMENT, SKELETON) == [
        ("missing", "app/.venv/bin/activate", "uv-layers created it"),
        ("added", "app/.venv/bin/pip", "not in any RECORD"),
    ]


@pytest.mark.parametrize("name", ["bin/python", "pyvenv.cfg"])
def test_a_folder_without_these_is_no_virtual_environment_wherever_it_comes_from(skeleton, name):
    (skeleton / "app/.venv" / name).unlink()
    seal.seal(skeleton, "/app/.venv", Times({}, EPOCH))
    for made in (None, SKELETON):
        assert _found(skeleton, ENVIRONMENT, made) == [("missing", f"app/.venv/{name}", "uv-layers created it")]


def test_a_virtual_environment_has_no_packages(skeleton, put):
    site = "app/.venv/lib/python3.12/site-packages"
    info = put(skeleton, "pkg", {f"{site}/a.py": "X = 1\n"}, site=site)
    seal.seal(skeleton, "/app/.venv", Times({}, EPOCH))
    assert _found(skeleton, ENVIRONMENT, SKELETON) == [("added-package", info, "the lock has no pkg")]
