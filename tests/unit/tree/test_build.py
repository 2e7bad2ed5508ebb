from __future__ import annotations

import dataclasses
import os

import pytest

from uv_layers.errors import TargetError
from uv_layers.project.options import Options, Selection
from uv_layers.tree import seal
from uv_layers.tree.build import Build, Tree
from uv_layers.tree.environment import image_interpreter, in_local_site
from uv_layers.tree.folder import LayersFolder
from uv_layers.tree.installed import Clash
from uv_layers.tree.record import recorded


@pytest.mark.parametrize(
    ("prefix", "image"),
    [
        ("/usr/local", "/opt/bin/python3.12"),
        ("/", "/opt/bin/python3.12"),
        ("/app/venvs", "/opt/bin/python3.12"),
        ("/venv/lib", "/opt/bin/python3.12"),
        ("/app/.venv", "/app/.venv/bin/python"),
        ("/opt/venv", "/opt/venv/bin/python"),
        ("/venv", "/venv/bin/python"),
        ("/opt/my-venv", "/opt/my-venv/bin/python"),
    ],
)
def test_scripts_find_the_interpreter_of_a_virtual_environment_or_the_builders(target, prefix, image):
    here = dataclasses.replace(target, executable="/opt/bin/python3.12", platform="")
    assert image_interpreter(prefix, here) == image


@pytest.mark.parametrize(
    ("prefix", "image"), [("/usr/local", "/usr/bin/env python3.12"), ("/app/.venv", "/app/.venv/bin/python")]
)
def test_scripts_for_another_platform_look_for_their_interpreter_or_have_that_of_the_environment(target, prefix, image):
    there = dataclasses.replace(target, executable="/opt/bin/python3.12")
    assert there.platform == "x86_64-manylinux_2_28"
    assert image_interpreter(prefix, there) == image


@pytest.fixture
def build(tmp_path):
    return Build(Options(environ={}), LayersFolder(tmp_path / "layers"), environ={"PATH": "bin"})


@pytest.fixture
def inputs(tmp_path):
    found = tmp_path / "pyproject.toml", tmp_path / "uv.lock"
    for path in found:
        path.write_text("a", encoding="utf-8")
    return found


CHANGES = {
    "SOURCE_DATE_EPOCH": {"latest": 1},
    "sources": {"sources": "all"},
    "invalidation": {"invalidation": "checked-hash"},
    "PATH": {"environ": {"PATH": "other"}},
    "VIRTUAL_ENV": {"environ": {"PATH": "bin", "VIRTUAL_ENV": ".venv"}},
    "UV_NO_BUILD_ISOLATION": {"environ": {"PATH": "bin", "UV_NO_BUILD_ISOLATION": "1"}},
    "prefix": {"options": Options(environ={}, prefix="/opt")},
    "python": {"options": Options(environ={}, python="3.13")},
    "frozen": {"options": Options(environ={}, frozen=True)},
    "packages": {"options": Options(environ={}, packages=("a", "b"))},
    "selection": {"options": Options(environ={}, selection=Selection(groups=("a",)))},
}
SAME = {
    "report": {"report": print},
    "digest": {"digest": True},
    "strict": {"strict": True},
    "another variable": {"environ": {"PATH": "bin", "LANG": "C"}},
    "offline": {"options": Options(environ={}, offline=True)},
    "quiet": {"options": Options(environ={}, quiet=True, verbose=True)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_may_change_the_tree_changes_the_stamp(build, inputs, change):
    assert dataclasses.replace(build, **CHANGES[change]).stamp(inputs) != build.stamp(inputs)


@pytest.mark.parametrize("change", SAME)
def test_what_cannot_does_not(build, inputs, change):
    assert dataclasses.replace(build, **SAME[change]).stamp(inputs) == build.stamp(inputs)


def test_the_files_change_the_stamp(build, inputs):
    stamps = {build.stamp(inputs), build.stamp(inputs[:1]), build.stamp(())}
    inputs[0].write_text("b", encoding="utf-8")
    stamps.add(build.stamp(inputs))
    assert len(stamps) == 4
    assert build.stamp(inputs) in stamps


def _record(build, path, **changes):
    status = path.stat()
    record = {
        "key": "0" * 64,
        "stamp": "stamp",
        "interpreter": [str(path), status.st_mtime_ns, status.st_size],
        "packages": 2,
        "files": 3,
        "size": 4,
        "built": ["source"],
        "clashes": [{"path": "x", "owners": ["a", "b"]}],
        "invalid": 5,
        "prefix": "/usr/local",
        "sites": ["usr/local/lib/python3.12/site-packages"],
        "latest": None,
        "executable": ["run"],
        "made": {"x.pyc": "digest"},
        "exclude_files": ["*.pyi"],
        "excluded": {"a": 1},
    }
    with build.folder.staging("some") as staging:
        (staging / "tree").mkdir()
        for number in range(3):
            (staging / f"tree/file{number}").touch()
        build.folder.put("some", staging / "tree", record)
    build.folder.rewrite_record("some", record | changes)


def test_a_tree_whose_stamp_and_interpreter_are_the_same_is_up_to_date(build, tmp_path):
    python = tmp_path / "python"
    python.touch()
    _record(build, python)
    made = Tree("some", tmp_path / "layers/some", recorded(build.folder, "some"))
    assert made.record.clashes == [Clash("x", ("a", "b"))]
    assert build.unchanged("some", "stamp") == made
    assert build.unchanged("some", "other") is None
    assert build.unchanged("other", "stamp") is None
    with_digest = dataclasses.replace(build, digest=True).unchanged("some", "stamp")
    assert with_digest == dataclasses.replace(made, digest=seal.digest(seal.hashed(tmp_path / "layers/some")))


def test_an_interpreter_that_changed_or_went_makes_the_tree_again(build, tmp_path):
    python = tmp_path / "python"
    python.touch()
    _record(build, python)
    os.utime(python, (1, 1))
    assert build.unchanged("some", "stamp") is None
    _record(build, python)
    python.write_text("larger", encoding="utf-8")
    assert build.unchanged("some", "stamp") is None
    _record(build, python)
    python.unlink()
    assert build.unchanged("some", "stamp") is None


def test_a_tree_whose_staging_a_killed_run_has_left_is_looked_at_again(build, tmp_path):
    python = tmp_path / "python"
    python.touch()
    _record(build, python)
    (tmp_path / "layers/.uv-layers/some.staging").mkdir()
    assert build.unchanged("some", "stamp") is None


DAMAGE = {
    **{f"no {name}": {name: None} for name in ("key", "stamp", "interpreter", "packages", "files", "size")},
    **{f"no {name}": {name: None} for name in ("built", "clashes", "invalid", "prefix", "sites", "executable", "made")},
    "a size that no file has": {"size": 10**400},
    "a time limit that is a text": {"latest": "1980"},
    "a site folder that is a number": {"sites": [1]},
    "no interpreter in its list": {"interpreter": []},
    "an interpreter that is a number": {"interpreter": [1]},
    "a built package that is a list": {"built": [[]]},
    "an executable that is a table": {"executable": [{}]},
    "no patterns": {"exclude_files": None},
    "a saving that is a text": {"excluded": {"a": "much"}},
    "a digest that is a number": {"made": {"x": 1}},
    "a clash that is a path": {"clashes": ["x"]},
    "a clash without owners": {"clashes": [{"path": "x"}]},
    "a clash with an owner alone": {"clashes": [{"path": "x", "owners": "a"}]},
    "a clash of numbers": {"clashes": [{"path": "x", "owners": [1, 2]}]},
    "a clash at a number": {"clashes": [{"path": 1, "owners": ["a"]}]},
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_record_that_install_cannot_have_written_is_none(build, tmp_path, damage):
    python = tmp_path / "python"
    python.touch()
    _record(build, python)
    assert recorded(build.folder, "some") is not None
    _record(build, python, **DAMAGE[damage])
    assert recorded(build.folder, "some") is None
    assert build.unchanged("some", "stamp") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", "[" * 100_000])
def test_a_record_that_is_no_record_is_none(build, tmp_path, text):
    python = tmp_path / "python"
    python.touch()
    _record(build, python)
    (tmp_path / "layers/.uv-layers/some.json").write_text(text, encoding="utf-8")
    assert recorded(build.folder, "some") is None


@pytest.mark.parametrize("interpreter", ["\0", "\ud800"])
def test_an_interpreter_that_no_path_can_name_has_changed(build, tmp_path, interpreter):
    python = tmp_path / "python"
    python.touch()
    _record(build, python, interpreter=[interpreter, 1, 2])
    assert build.unchanged("some", "stamp") is None


# Debian's own Python looks for local packages in dist-packages.


def _debian(target, site="/usr/local/lib/python3.12/dist-packages"):
    return dataclasses.replace(target, executable="/usr/bin/python3.12", local_site=site)


@pytest.mark.parametrize("prefix", ["/usr/local", "/"])
def test_packages_are_put_where_debians_python_looks(target, tmp_path, prefix):
    lib = tmp_path / prefix.lstrip("/") / "lib/python3.12"
    with in_local_site(tmp_path, prefix, _debian(target)):
        (lib / "site-packages/a.py").write_text("", encoding="utf-8")
    assert sorted(path.relative_to(lib).as_posix() for path in lib.rglob("*")) == [
        "dist-packages",
        "dist-packages/a.py",
    ]
    assert not (lib / "site-packages").is_symlink()


def test_the_link_goes_though_the_installation_fails(target, tmp_path):
    with pytest.raises(KeyError), in_local_site(tmp_path, "/usr/local", _debian(target)):
        raise KeyError
    assert not (tmp_path / "usr/local/lib/python3.12/site-packages").is_symlink()


def test_what_is_there_already_stays(target, tmp_path):
    place = tmp_path / "usr/local/lib/python3.12/dist-packages"
    place.mkdir(parents=True)
    (place / "restored.pyc").touch()
    with in_local_site(tmp_path, "/usr/local", _debian(target)):
        assert (place.with_name("site-packages") / "restored.pyc").is_file()


@pytest.mark.parametrize(
    ("prefix", "site"),
    [
        ("/usr/local", ""),
        ("/app/.venv", "/app/.venv/lib/python3.12/dist-packages"),
        ("/opt", "/usr/local/lib/python3.12/dist-packages"),
        ("/usr/loc", "/usr/local/lib/python3.12/dist-packages"),
    ],
)
def test_elsewhere_uv_has_its_way(target, tmp_path, prefix, site):
    with in_local_site(tmp_path, prefix, _debian(target, site)):
        assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_deeper_in_the_prefix_is_an_error_that_names_the_right_one(target, tmp_path):
    message = r"^/usr/bin/python3\.12 does not look for packages in /usr; use the prefix /usr/local$"
    with pytest.raises(TargetError, match=message), in_local_site(tmp_path, "/usr", _debian(target)):
        pass
