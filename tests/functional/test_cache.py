"""The bytecode cache by the command line: where it is, how big, and getting rid of it."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time

import pytest


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"UV_LAYERS_CACHE_DIR": "{tmp}/own", "XDG_CACHE_HOME": "{tmp}/xdg"}, "{tmp}/own"),
        ({"UV_LAYERS_CACHE_DIR": "relative"}, "{tmp}/relative"),
        ({"UV_LAYERS_CACHE_DIR": "", "XDG_CACHE_HOME": "{tmp}/xdg"}, "{tmp}/xdg/uv-layers"),
        ({"XDG_CACHE_HOME": "not/absolute", "HOME": "{tmp}/home"}, "{tmp}/home/.cache/uv-layers"),
        ({"XDG_CACHE_HOME": "", "HOME": "{tmp}/home"}, "{tmp}/home/.cache/uv-layers"),
    ],
)
def test_where_the_cache_is(run, tmp_path, environ, place):
    given = {name: value.format(tmp=tmp_path) for name, value in environ.items()}
    outcome = run("cache", "dir", cwd=tmp_path, **given)
    assert (outcome.status, outcome.output) == (0, place.format(tmp=tmp_path) + "\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "darwin", reason="names are UTF-8 there")
def test_a_place_whose_name_is_no_text_is_printed_as_it_is(tmp_path):
    odd = os.fsencode(tmp_path) + b"/\xff"
    environ = os.environ | {"UV_LAYERS_CACHE_DIR": os.fsdecode(odd), "PYTHONIOENCODING": "utf-8:strict"}
    argv = [sys.executable, "-m", "uv_layers", "cache", "dir"]
    # Not from the folder of the project, whose package is not what is tested.
    done = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, check=True)
    assert done.stdout == odd + b"\n"


def test_a_user_without_a_home_is_told_what_to_set(run, tmp_path, environment):
    def unknown(_):
        raise KeyError

    for name in ("HOME", "XDG_CACHE_HOME"):
        environment.delenv(name)
    environment.setattr(pwd, "getpwuid", unknown)
    outcome = run("cache", "dir", cwd=tmp_path)
    assert outcome.status == 2
    assert "UV_LAYERS_CACHE_DIR" in outcome.stderr


@pytest.fixture
def filled(stage, run, tmp_path, environment):
    """Fill a cache with the bytecode of two wheels, and return its entries."""
    environment.setenv("UV_LAYERS_CACHE_DIR", str(tmp_path / "cache"))
    stage.lock("some", *(stage.wheel(n, files={f"{n}.py": f"X = {n!r}\n" * 100}) for n in ("one", "other")))
    assert run("install", "some", cwd=stage).status == 0
    entries = sorted(path for path in (tmp_path / "cache").glob("*/*/*") if path.is_file())
    assert len(entries) == 2
    return entries


def _size(run, cwd) -> int:
    outcome = run("cache", "size", cwd=cwd)
    assert (outcome.status, outcome.stderr) == (0, "")
    return int(outcome.stdout)


def test_a_cache_that_is_not_there_is_empty(run, tmp_path):
    environ = {"UV_LAYERS_CACHE_DIR": str(tmp_path / "nowhere")}
    assert run("cache", "size", cwd=tmp_path, **environ).stdout == "0\n"
    for command in ("clean", "prune"):
        outcome = run("cache", command, cwd=tmp_path, **environ)
        assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "", "removed the bytecode of 0 wheels, 0 B\n")
    assert not (tmp_path / "nowhere").exists()


def test_its_size_is_that_of_its_entries(filled, run, tmp_path):
    assert _size(run, tmp_path) == sum(path.stat().st_size for path in filled) > 0


def test_other_programs_know_that_it_is_a_cache(filled, tmp_path):
    tag = (tmp_path / "cache/CACHEDIR.TAG").read_text(encoding="utf-8")
    assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55\n")


def test_cleaning_removes_all_and_the_next_install_fills_it_again(filled, run, stage, tmp_path):
    (tmp_path / "cache/bytecode-v0/ab").mkdir(parents=True)
    (tmp_path / "cache/bytecode-v0/ab/abcd").write_bytes(b"of an old release")
    (tmp_path / "cache/mine.txt").write_text("of somebody else", encoding="utf-8")
    outcome = run("cache", "clean", cwd=tmp_path)
    assert (outcome.status, outcome.stdout) == (0, "")
    assert outcome.stderr.startswith("removed the bytecode of 3 wheels, ")
    assert _size(run, tmp_path) == 0
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["CACHEDIR.TAG", "mine.txt"]
    assert run("install", "some", "--layers-dir", "again", cwd=stage).status == 0
    assert _size(run, tmp_path) > 0


@pytest.mark.parametrize(
    ("words", "environ", "age", "kept"),
    [
        ((), {}, 29, 2),
        ((), {}, 31, 1),
        (("--days", "7"), {}, 6, 2),
        (("--days", "7"), {}, 8, 1),
        ((), {"UV_LAYERS_DAYS": "7"}, 8, 1),
        (("--days", "0"), {}, 0, 0),
    ],
)
def test_pruning_removes_what_was_not_used_of_late(filled, run, tmp_path, words, environ, age, kept):
    old = time.time() - age * 86400
    os.utime(filled[0], (old, old))
    outcome = run("cache", "prune", *words, cwd=tmp_path, **environ)
    assert (outcome.status, outcome.stdout) == (0, "")
    assert outcome.stderr.startswith(f"removed the bytecode of {2 - kept} wheel")
    assert len([path for path in filled if path.exists()]) == kept


def test_an_entry_that_an_install_takes_is_used(filled, run, stage, tmp_path):
    for path in filled:
        os.utime(path, (1, 1))
    assert run("install", "some", "--layers-dir", "again", cwd=stage).status == 0
    assert run("cache", "prune", cwd=tmp_path).stderr == "removed the bytecode of 0 wheels, 0 B\n"


def test_a_number_of_days_is_no_less_than_none(run, tmp_path):
    assert run("cache", "prune", "--days", "-1", cwd=tmp_path).status == 2


def test_uv_and_the_bytecode_are_in_one_folder_that_a_builder_can_mount(stage, run, tmp_path, environment):
    for name in ("XDG_CACHE_HOME", "UV_CACHE_DIR"):
        environment.delenv(name)
    stage.lock("some", stage.wheel("one", files={"one.py": "X = 1\n"}))
    assert run("install", "some", cwd=stage, HOME=str(tmp_path / "home")).status == 0
    assert {path.name for path in (tmp_path / "home/.cache").iterdir()} == {"uv", "uv-layers"}


def test_the_place_and_the_size_of_the_cache_are_had_as_json(run, tmp_path):
    (tmp_path / "bytecode-v5/ab").mkdir(parents=True)
    (tmp_path / "bytecode-v5/ab/abcd").write_bytes(b"12345")
    where = {"UV_LAYERS_CACHE_DIR": str(tmp_path)}
    assert run("cache", "dir", "--json", cwd=tmp_path, **where).result == {"path": str(tmp_path)}
    assert run("cache", "size", "--json", cwd=tmp_path, **where).result == {"entries": 1, "bytes": 5}
