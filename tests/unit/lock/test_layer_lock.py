from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import tomli
import tomli_w
from packaging.pylock import Pylock

from uv_layers.errors import (
    ConfigError,
    LayerLockError,
    NoWheelError,
    PythonMismatchError,
    TwoVersionsError,
    UnreadableFileError,
    UnsupportedSourceError,
)
from uv_layers.lock import exported, layer_lock, layer_lock_reader
from uv_layers.lock.layer_lock import LayerLock
from uv_layers.lock.packages import Layer, Member, Package
from uv_layers.system.interpreter import of_platform

INDEX = "https://index.example/files"
SHA = "5f" * 32
UPLOADED = datetime(2024, 1, 2, 3, 4, 5, 678_000, tzinfo=timezone.utc)
ROOT = Path("/project")
_EAST = timezone(timedelta(hours=9))
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _file(name, **more):
    return {"url": f"{INDEX}/{name}", "hashes": {"sha256": SHA}, **more}


def _package(name="demo", version="1.0", **more):
    table = {"name": name, "version": version, "index": "https://index.example/simple", **more}
    return {key: value for key, value in table.items() if value is not None}


def _text(*tables, **more):
    return tomli_w.dumps({"lock-version": "1.0", "created-by": "uv", **more, "packages": list(tables)})


def _only(target, table, settings=None):
    """Return the one package that is left of a table."""
    [package] = exported.Export(_text(table), target, ROOT).packages(settings or {})
    return package


def _wheels(*tags, name="demo", version="1.0"):
    return [_file(f"{name}-{version}-{tag}.whl", size=index + 1) for index, tag in enumerate(tags)]


def _chosen(target, *tags, settings=None):
    table = _package(wheels=_wheels(*tags), sdist=_file("demo-1.0.tar.gz"))
    package = _only(target, table, settings)
    [wheel] = package.table["wheels"]
    return wheel["url"].removeprefix(f"{INDEX}/demo-1.0-").removesuffix(".whl")


# Names.


def test_the_locks_of_a_folder_are_found_by_their_names(tmp_path):
    for name in ("pylock.light.toml", "pylock.heavy.toml", "pylock.toml", "pylock.a.b.toml", "pylock.x.txt", "x.toml"):
        (tmp_path / name).touch()
    assert layer_lock.layers_in(tmp_path) == ["heavy", "light"]
    assert [layer_lock.file_name(layer) for layer in ("heavy", "light")] == ["pylock.heavy.toml", "pylock.light.toml"]


# What an export says of one target.


def test_a_package_that_no_marker_admits_is_known_and_not_there(target):
    export = exported.Export(
        _text(
            _package("a", marker="sys_platform == 'win32'", wheels=_wheels("py3-none-any")),
            _package(
                "b", marker="python_version >= '3.12' and sys_platform == 'linux'", wheels=_wheels("py3-none-any")
            ),
            _package("c", wheels=_wheels("py3-none-any")),
        ),
        target,
        ROOT,
    )
    assert export.names == {"a", "b", "c"}
    assert [package.name for package in export.packages({})] == ["b", "c"]


@pytest.mark.parametrize(("platform", "version"), [("linux/amd64", "1.0"), ("linux/arm64", "2.0")])
def test_a_fork_of_the_resolution_is_decided_by_its_markers(platform, version):
    export = exported.Export(
        _text(
            _package("a", "1.0", marker="platform_machine == 'x86_64'", wheels=_wheels("py3-none-any", name="a")),
            _package("a", "2.0", marker="platform_machine == 'aarch64'", wheels=_wheels("py3-none-any", name="a")),
        ),
        of_platform(platform, "3.12"),
        ROOT,
    )
    assert [p.version for p in export.packages({})] == [version]


def test_a_marker_of_a_group_that_is_not_asked_for_admits_nothing(target):
    export = exported.Export(_text(_package("a", marker="'gpu' in dependency_groups")), target, ROOT)
    assert export.packages({}) == []


def test_two_versions_in_one_closure_are_an_error(target):
    with pytest.raises(TwoVersionsError, match=r"^group x needs a 1\.0 and group x needs a 2\.0"):
        exported.closure_of("a==1.0\na==2.0\n", "group x", target, {})


@pytest.mark.parametrize(
    ("line", "versions"),
    [
        ("a==1.0", {"a": "1.0"}),
        ("a==1.0\na==1.0", {"a": "1.0"}),
        ("a==1.0+cpu ; sys_platform == 'linux' and python_full_version >= '3.12'", {"a": "1.0+cpu"}),
        ("a==1.0 ; sys_platform == 'win32'\na==2.0 ; sys_platform == 'linux'", {"a": "2.0"}),
        ("a @ https://x.test/a-1.0-py3-none-any.whl", {"a": "https://x.test/a-1.0-py3-none-any.whl"}),
        ("a @ git+https://x.test/a@0123#subdirectory=b ; sys_platform == 'win32'", {}),
        ("./my files/a-1.0.tar.gz", {"local": "./my files/a-1.0.tar.gz"}),
        ("./my files/a-1.0.tar.gz ; sys_platform == 'linux'", {"local": "./my files/a-1.0.tar.gz"}),
        ("./my files/a-1.0.tar.gz ; sys_platform == 'win32'", {}),
        ("../another/a-1.0.tar.gz\n./folder\n-e ./folder\n-e .\n", {}),
        ("", {}),
    ],
)
def test_a_closure_has_the_requirements_that_the_target_installs(target, line, versions):
    found = exported.closure_of(line, "group x", target, {"my files/a-1.0.tar.gz": "local"})
    assert (found.reason, found.versions) == ("group x", versions)


def test_the_files_of_a_project_are_found_by_their_paths(target):
    tables = [
        _package("a", archive={"path": "./wheels/a-1.0-py3-none-any.whl", "hashes": {"sha256": "0" * 64}}),
        _package("b", archive={"url": "https://x.test/b-1.0.tar.gz", "hashes": {"sha256": "0" * 64}}),
        _package("c", wheels=_wheels("py3-none-any", name="c")),
    ]
    assert exported.Export(_text(*tables), target, ROOT).local_files == {"wheels/a-1.0-py3-none-any.whl": "a"}


def test_an_export_of_nothing_has_no_packages(target):
    export = exported.Export('lock-version = "1.0"\ncreated-by = "uv"\n', target, ROOT)
    assert (export.names, export.packages({}), export.local_files) == (frozenset(), [], {})


def test_packages_are_sorted_by_name(target):
    tables = [_package(name, wheels=_wheels("py3-none-any", name=name)) for name in ("b", "c", "a")]
    assert [p.name for p in exported.Export(_text(*tables), target, ROOT).packages({})] == ["a", "b", "c"]


# The one file that is installed.


@pytest.mark.parametrize(
    ("tags", "best"),
    [
        (("py3-none-any",), "py3-none-any"),
        (("py3-none-any", "cp312-cp312-manylinux_2_17_x86_64"), "cp312-cp312-manylinux_2_17_x86_64"),
        (
            ("cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312-manylinux_2_28_x86_64"),
            "cp312-cp312-manylinux_2_28_x86_64",
        ),
        (("cp312-cp312-manylinux_2_39_x86_64", "cp312-cp312-manylinux2014_x86_64"), "cp312-cp312-manylinux2014_x86_64"),
        (("cp39-abi3-manylinux_2_17_x86_64", "py2.py3-none-any"), "cp39-abi3-manylinux_2_17_x86_64"),
        (("cp39-abi3-linux_x86_64", "cp312-cp312-linux_x86_64"), "cp312-cp312-linux_x86_64"),
        (
            ("cp313-cp313-manylinux_2_17_x86_64", "cp312-cp312-manylinux_2_17_aarch64", "py310-none-any"),
            "py310-none-any",
        ),
        (("py3-none-manylinux_2_5_x86_64.manylinux1_x86_64",), "py3-none-manylinux_2_5_x86_64.manylinux1_x86_64"),
        (("1-py3-none-any", "2-py3-none-any"), "2-py3-none-any"),
        (("10-py3-none-any", "9-py3-none-any"), "10-py3-none-any"),
        (("py3-none-any", "1-py3-none-any"), "1-py3-none-any"),
        (("0-py3-none-any", "py3-none-any"), "0-py3-none-any"),
        (("9-py3-none-any", "cp312-none-any"), "cp312-none-any"),
        (("1-py3-none-any", "1a-py3-none-any"), "1a-py3-none-any"),
        (("1a-py3-none-any", "1b-py3-none-any"), "1b-py3-none-any"),
    ],
)
@pytest.mark.parametrize("turn", [1, -1], ids=["in order", "reversed"])
def test_the_best_wheel_is_the_one_whose_tag_comes_first_then_the_highest_build(target, tags, best, turn):
    assert _chosen(target, *tags[::turn]) == best


def test_a_wheel_keeps_what_installs_it_and_its_size(target):
    wheel = _file(
        "demo-1.0-py3-none-any.whl",
        size=10,
        **{"upload-time": UPLOADED, "hashes": {"sha512": "b" * 128, "sha256": SHA}},
    )
    package = _only(target, _package(wheels=[wheel], sdist=_file("demo-1.0.tar.gz"), marker="os_name == 'posix'"))
    assert package == Package(
        "demo",
        "1.0",
        10,
        built=False,
        table={
            "name": "demo",
            "version": "1.0",
            "wheels": [
                {
                    "upload-time": UPLOADED,
                    "url": f"{INDEX}/demo-1.0-py3-none-any.whl",
                    "size": 10,
                    "hashes": {"sha512": "b" * 128},
                }
            ],
        },
        index="https://index.example/simple",
    )


@pytest.mark.parametrize(
    "place",
    [
        {"url": f"{INDEX}/demo-1.0%2Bcu124-py3-none-any.whl"},
        {"url": f"{INDEX}/demo-1.0%2bcu124-py3-none-any.whl#sha256=x"},
        {"url": f"{INDEX}/demo-1.0+cu124-py3-none-any.whl?branch=a-b-c"},
        {"path": "wheels/demo-1.0+cu124-py3-none-any.whl"},
        {"name": "demo-1.0+cu124-py3-none-any.whl", "url": f"{INDEX}/download?id=3"},
    ],
    ids=["escaped", "fragment", "query", "path", "name"],
)
def test_a_wheel_is_known_by_its_file_name_wherever_that_is(target, place):
    wheel = {**place, "hashes": {"sha256": SHA}}
    package = _only(target, _package(version="1.0+cu124", wheels=[wheel]))
    assert package.table["wheels"] == [wheel]
    assert package.size is None


def test_where_no_wheel_suits_the_source_distribution_is_built(target):
    table = _package(wheels=_wheels("cp311-cp311-linux_x86_64"), sdist=_file("demo-1.0.tar.gz", size=7))
    assert _only(target, table) == Package(
        "demo",
        "1.0",
        7,
        built=True,
        table={
            "name": "demo",
            "version": "1.0",
            "sdist": {"url": f"{INDEX}/demo-1.0.tar.gz", "size": 7, "hashes": {"sha256": SHA}},
        },
        index="https://index.example/simple",
    )


@pytest.mark.parametrize(
    ("settings", "built"),
    [
        ({}, False),
        ({"no-binary": True}, True),
        ({"no-binary": False}, False),
        ({"no-binary-package": ["Demo_"]}, False),
        ({"no-binary-package": ["DEMO"]}, True),
        ({"no-binary-package": ["other"]}, False),
        ({"no-build": True}, False),
    ],
)
def test_no_binary_forbids_wheels(target, settings, built):
    table = _package(wheels=_wheels("py3-none-any"), sdist=_file("demo-1.0.tar.gz"))
    assert _only(target, table, settings).built is built


@pytest.mark.parametrize(
    ("table", "settings", "step"),
    [
        (_package(wheels=_wheels("cp311-cp311-linux_x86_64")), {}, "it has no source distribution"),
        (_package(wheels=_wheels("cp311-cp311-linux_x86_64")), {"no-build": True}, "it has no source distribution"),
        (_package(), {}, "it has no source distribution"),
        (_package(sdist=_file("demo-1.0.tar.gz")), {"no-build": True}, "no-build forbids building it"),
        (_package(sdist=_file("demo-1.0.tar.gz")), {"no-build-package": ["Demo"]}, "no-build forbids building it"),
        (_package(archive=_file("demo-1.0-cp311-cp311-linux_x86_64.whl")), {}, "it has no source distribution"),
    ],
)
def test_without_a_file_that_may_be_installed_there_is_an_error_that_says_why(target, table, settings, step):
    with pytest.raises(NoWheelError, match=re.escape(step)) as caught:
        _only(target, table, settings)
    assert str(caught.value).startswith("demo 1.0 has no wheel for CPython 3.12 on linux x86_64, ")


@pytest.mark.parametrize("settings", [{"no-binary": True}, {"no-binary-package": ["Demo"]}])
def test_without_a_source_distribution_the_wheels_are_named_that_are_forbidden(target, settings):
    with pytest.raises(NoWheelError) as caught:
        _only(target, _package(wheels=_wheels("py3-none-any")), settings)
    assert str(caught.value) == (
        "demo 1.0 has no source distribution, and no-binary forbids its wheels; allow them, or choose another version"
    )


def _vcs(**more):
    return {"type": "git", "url": "https://git.example/demo.git", "commit-id": COMMIT, **more}


@pytest.mark.parametrize(
    ("table", "settings"),
    [
        (_package(vcs=_vcs()), {"no-build": True}),
        (_package(archive=_file("demo-1.0.tar.gz")), {"no-build-package": ["demo"]}),
    ],
    ids=["vcs", "archive"],
)
def test_what_may_not_be_built_may_not_come_from_elsewhere_either(target, table, settings):
    with pytest.raises(NoWheelError):
        _only(target, table, settings)


def test_a_commit_is_its_own_pin(target):
    table = _package(version=None, vcs=_vcs(**{"requested-revision": "main", "subdirectory": "python"}))
    assert _only(target, table) == Package(
        "demo",
        None,
        None,
        built=True,
        table={
            "name": "demo",
            "vcs": {
                "type": "git",
                "url": "https://git.example/demo.git",
                "commit-id": COMMIT,
                "subdirectory": "python",
            },
        },
    )


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://git.example/a.git", "https://git.example/a.git"),
        ("https://user:secret@git.example/a.git", "https://git.example/a.git"),
        ("https://token@git.example/a.git", "https://git.example/a.git"),
        ("git+https://user:secret@git.example/a.git", "git+https://git.example/a.git"),
        ("ssh://git@git.example/a.git", "ssh://git@git.example/a.git"),
        ("git+ssh://git@git.example/a.git", "git+ssh://git@git.example/a.git"),
        ("ssh://git:secret@git.example/a.git", "ssh://git@git.example/a.git"),
        ("https://user:p@ss:w@rd@git.example/a@b", "https://git.example/a@b"),
        (" https://user:secret@git.example/a.git", " https://git.example/a.git"),
        ("https:///user:secret@git.example/a.git", "https:///git.example/a.git"),
        ("https:user:secret@git.example/a.git", "https:git.example/a.git"),
        ("HTTPS:\\\\user:secret@git.example/a.git", "HTTPS:\\\\git.example/a.git"),
        ("https://git.example?a=b@c", "https://git.example?a=b@c"),
        ("https://git.example/a@b.git", "https://git.example/a@b.git"),
    ],
)
def test_no_credentials_are_kept_but_the_user_of_ssh(target, url, kept):
    assert _only(target, _package(vcs=_vcs(url=url))).table["vcs"]["url"] == kept
    if "ssh" not in url:
        archive = _file("x", url=f"{url}/demo-1.0.tar.gz")
        assert _only(target, _package(archive=archive)).table["archive"]["url"] == f"{kept}/demo-1.0.tar.gz"


@pytest.mark.parametrize(
    ("name", "built"), [("demo-1.0-py3-none-any.whl", False), ("demo-1.0.tar.gz", True), ("demo-1.0.zip", True)]
)
def test_an_archive_is_kept_whole_and_built_unless_it_is_a_wheel(target, name, built):
    archive = _file(name, size=3, subdirectory="python", **{"upload-time": UPLOADED})
    assert _only(target, _package(version=None, archive=archive)) == Package(
        "demo",
        None,
        3,
        built=built,
        table={
            "name": "demo",
            "archive": {
                "upload-time": UPLOADED,
                "url": f"{INDEX}/{name}",
                "size": 3,
                "subdirectory": "python",
                "hashes": {"sha256": SHA},
            },
        },
    )


def test_a_local_folder_is_built(target):
    folder = _package(directory={"path": "packages/demo"})
    table = {"name": "demo", "version": "1.0", "directory": {"path": "packages/demo"}}
    assert _only(target, folder) == Package("demo", "1.0", None, built=True, table=table)


def test_a_local_folder_whose_version_is_dynamic_has_none(target):
    assert _only(target, _package(version=None, directory={"path": "."})).version is None


@pytest.mark.parametrize("hashes", [{}, None, {"md5": "0" * 32}], ids=["empty", "left out", "weak"])
def test_a_file_without_a_hash_is_refused(target, hashes):
    wheel = {"url": f"{INDEX}/demo-1.0-py3-none-any.whl"} | ({} if hashes is None else {"hashes": hashes})
    with pytest.raises(UnsupportedSourceError):
        _only(target, _package(wheels=[wheel]))


# Layer locks.


TABLES = (
    _package("numpy", "2.1.0", wheels=[_file("numpy-2.1.0-cp312-cp312-manylinux_2_17_x86_64.whl", size=16_000)]),
    _package("antlr", "4.9", sdist=_file("antlr-4.9.tar.gz", size=100), marker="python_version < '3.13'"),
    _package("tool", None, vcs=_vcs(**{"requested-revision": "main"})),
    _package("patched", None, archive=_file("patched-2.0.zip")),
)


def _layer(target, *tables, name="heavy"):
    packages = exported.Export(_text(*tables), target, ROOT).packages({})
    return Layer(name, tuple(Member(package, "group heavy") for package in packages))


def _lock(target, *tables, prefix="/usr/local", settings=None, name="heavy", build_packages=()):
    return layer_lock.layer_lock(_layer(target, *tables, name=name), prefix, target, settings or {}, build_packages)


TEXT = f"""\
lock-version = "1.0"
environments = [
    "implementation_name == 'cpython' and platform_machine == 'x86_64' and sys_platform == 'linux'",
]
requires-python = "==3.12.*"
created-by = "uv-layers"

[[packages]]
name = "antlr"
version = "4.9"

[packages.sdist]
url = "{INDEX}/antlr-4.9.tar.gz"
size = 100

[packages.sdist.hashes]
sha256 = "{SHA}"

[[packages]]
name = "tool"

[packages.vcs]
type = "git"
url = "https://git.example/demo.git"
commit-id = "{COMMIT}"

[tool.uv-layers]
layer = "heavy"
prefix = "/usr/local"

[tool.uv-layers.uv]
no-binary-package = [
    "antlr",
]
"""


def test_the_text_of_a_layer_lock_is_this_and_stays_this(target):
    lock = _lock(target, TABLES[1], TABLES[2], settings={"no-binary-package": ["Antlr"]})
    assert lock.text == TEXT
    versions = {"antlr": "4.9", "tool": None}
    assert lock == LayerLock("heavy", "/usr/local", TEXT, versions, {}, {"no-binary-package": ["antlr"]})


def test_a_layer_lock_is_valid_by_pep_751_and_has_one_file_for_each_package(target):
    document = Pylock.from_dict(tomli.loads(_lock(target, *TABLES).text))
    assert [package.name for package in document.packages] == ["antlr", "numpy", "patched", "tool"]
    assert str(document.requires_python) == "==3.12.*"
    assert [str(marker) for marker in document.environments] == [
        'implementation_name == "cpython" and platform_machine == "x86_64" and sys_platform == "linux"'
    ]
    for package in document.packages:
        files = [*(package.wheels or ()), package.sdist, package.archive, package.vcs]
        assert len([file for file in files if file is not None]) == 1


def test_the_order_of_the_export_is_not_in_the_text(target):
    assert _lock(target, *TABLES).text == _lock(target, *TABLES[::-1]).text


def _changed(table, **more):
    return {key: value for key, value in (table | more).items() if value is not None}


UNCHANGED = {
    "index": _changed(TABLES[0], index="https://mirror.example/simple"),
    "no index": _changed(TABLES[0], index=None),
    "a marker that the target meets": _changed(TABLES[0], marker="sys_platform == 'linux'"),
    "a wheel for another platform": _changed(
        TABLES[0], wheels=[*TABLES[0]["wheels"], _file("numpy-2.1.0-cp312-cp312-win_amd64.whl")]
    ),
    "a worse wheel": _changed(TABLES[0], wheels=[_file("numpy-2.1.0-py3-none-any.whl"), *TABLES[0]["wheels"]]),
    "a source distribution": _changed(TABLES[0], sdist=_file("numpy-2.1.0.tar.gz")),
    "dependencies": _changed(TABLES[0], dependencies=[{"name": "antlr"}]),
    "requires-python": _changed(TABLES[0], **{"requires-python": ">=3.10"}),
}
CHANGED = {
    "upload time": _changed(TABLES[0], wheels=[TABLES[0]["wheels"][0] | {"upload-time": UPLOADED}]),
    "version": _changed(TABLES[0], version="2.1.1"),
    "hash": _changed(TABLES[0], wheels=[TABLES[0]["wheels"][0] | {"hashes": {"sha256": "a" * 64}}]),
    "a better wheel": _changed(
        TABLES[0],
        wheels=[*TABLES[0]["wheels"], _file("numpy-2.1.0-cp312-cp312-manylinux_2_28_x86_64.whl")],
    ),
}


@pytest.mark.parametrize("case", UNCHANGED)
def test_what_does_not_change_the_tree_does_not_change_the_text(target, case):
    assert _lock(target, UNCHANGED[case], *TABLES[1:]).text == _lock(target, *TABLES).text


@pytest.mark.parametrize(
    "file",
    [
        {"wheels": [_file("demo-1.0-py3-none-any.whl", **{"upload-time": UPLOADED})]},
        {"wheels": [_file("demo-1.0-py3-none-any.whl", **{"upload-time": UPLOADED.replace(tzinfo=None)})]},
        {"wheels": [_file("demo-1.0-py3-none-any.whl", **{"upload-time": UPLOADED.astimezone(_EAST)})]},
        {"sdist": _file("demo-1.0.tar.gz", **{"upload-time": UPLOADED})},
        {"archive": _file("demo-1.0.tar.gz", **{"upload-time": UPLOADED}), "version": None},
    ],
    ids=["wheel", "without a zone", "another zone", "sdist", "archive"],
)
def test_the_time_of_a_package_is_that_of_the_upload_of_its_file_in_seconds(target, file):
    assert _lock(target, _package(**file)).times == {"demo": 1704164645}


@pytest.mark.parametrize("file", [{"wheels": [_file("demo-1.0-py3-none-any.whl")]}, {"vcs": _vcs()}], ids=["no", "git"])
def test_a_package_whose_upload_time_the_lock_does_not_give_has_none(target, file):
    assert _lock(target, _package(**file)).times == {}


@pytest.mark.parametrize("case", CHANGED)
def test_what_changes_the_tree_changes_the_text(target, case):
    assert _lock(target, CHANGED[case], *TABLES[1:]).text != _lock(target, *TABLES).text


def test_what_was_asked_of_git_does_not_change_the_text_and_its_commit_does(target):
    base = _lock(target, _package(vcs=_vcs())).text
    assert _lock(target, _package(vcs=_vcs(**{"requested-revision": "v1"}))).text == base
    assert _lock(target, _package(vcs=_vcs(**{"commit-id": COMMIT[::-1]}))).text != base


@pytest.mark.parametrize("more", [{"prefix": "/app/.venv"}, {"name": "light"}])
def test_the_prefix_and_the_name_are_in_the_text(target, more):
    assert _lock(target, *TABLES, **more).text != _lock(target, *TABLES).text


def test_neither_patch_release_of_python_nor_its_place_is_in_the_text(target):
    other = of_platform("linux/amd64", "3.12.11")
    assert _lock(other, *TABLES).text == _lock(target, *TABLES).text


@pytest.mark.parametrize(("platform", "python"), [("linux/arm64", "3.12"), ("linux/amd64", "3.13")])
def test_the_platform_and_the_minor_version_of_python_are_in_the_text(target, platform, python):
    assert _lock(of_platform(platform, python), *TABLES[1:]).text != _lock(target, *TABLES[1:]).text


def test_a_layer_without_packages_has_a_lock(target):
    lock = _lock(target)
    assert (lock.versions, lock.wheels) == ({}, {})
    assert Pylock.from_dict(tomli.loads(lock.text)).packages == []


EVERY_SETTING = {
    "build-constraint-dependencies": ["setuptools<70"],
    "cache-dir": "cache",
    "config-settings": {"editable_mode": "strict"},
    "config-settings-package": {"Antlr": {"a": "b"}, "numpy": {"c": "d"}},
    "extra-build-dependencies": {"numpy": ["cython"], "tool": ["hatchling"]},
    "extra-build-variables": {"other": {"A": "b"}},
    "index": [{"url": "https://index.example/simple"}],
    "no-binary": False,
    "no-binary-package": ["tool", "Antlr", "other"],
    "no-build-isolation": False,
    "no-build-isolation-package": ["other"],
    "exclude-newer": "2025-01-01T00:00:00Z",
    "exclude-newer-package": {"cython": False},
    "dependency-metadata": [{"name": "cython"}],
    "no-build-package": ["Cython"],
    "no-sources": True,
    "no-sources-package": ["Cython"],
    "workspace": {"members": ["a"]},
}


@pytest.mark.parametrize(
    ("tables", "settings", "kept"),
    [
        (TABLES[:1], EVERY_SETTING, {}),
        (
            TABLES,
            EVERY_SETTING,
            {
                "build-constraint-dependencies": ["setuptools<70"],
                "config-settings": {"editable_mode": "strict"},
                "config-settings-package": {"Antlr": {"a": "b"}},
                "extra-build-dependencies": {"tool": ["hatchling"]},
                "index": [{"url": "https://index.example/simple"}],
                "no-binary-package": ["antlr", "other", "tool"],
                "exclude-newer": "2025-01-01T00:00:00Z",
                "exclude-newer-package": {"cython": False},
                "dependency-metadata": [{"name": "cython"}],
                "no-build-package": ["cython"],
                "no-sources": True,
                "no-sources-package": ["cython"],
            },
        ),
        (TABLES[2:3], {"no-build-isolation": True}, {"no-build-isolation": True}),
        (TABLES[2:3], {"no-build-isolation-package": ["Tool"]}, {"no-build-isolation-package": ["tool"]}),
        (TABLES, {}, {}),
    ],
    ids=["no package is built", "some are", "isolation", "isolation of one", "no settings"],
)
def test_of_the_settings_those_are_kept_that_change_a_build_of_this_layer(target, tables, settings, kept):
    lock = _lock(target, *tables, settings=settings)
    own = tomli.loads(lock.text)["tool"]["uv-layers"]
    assert lock.settings == kept
    assert own.get("uv", {}) == kept
    assert ("uv" in own) == bool(kept)


@pytest.mark.parametrize(
    ("settings", "same"),
    [
        (
            {"no-binary-package": ["antlr", "tool"], "extra-build-variables": {"antlr": {}, "tool": {}}},
            {"extra-build-variables": {"tool": {}, "antlr": {}}, "no-binary-package": ["tool", "Antlr"]},
        ),
        (
            {"config-settings": {"a": "1", "b": "2"}},
            {"config-settings": {"b": "2", "a": "1"}},
        ),
    ],
)
def test_the_order_of_the_settings_is_not_in_the_text(target, settings, same):
    assert _lock(target, *TABLES, settings=settings).text == _lock(target, *TABLES, settings=same).text


@pytest.mark.parametrize("settings", [{}, {"no-binary-package": ["antlr"]}], ids=["no settings", "settings"])
@pytest.mark.parametrize("needed", [(), ("cython",)], ids=["no build packages", "a build package"])
def test_a_layer_lock_is_read_as_it_was_written(tmp_path, target, settings, needed):
    build = [_only(target, _package(name, wheels=_wheels("py3-none-any", name=name))) for name in needed]
    lock = _lock(target, *TABLES, prefix="/app/.venv", settings=settings, build_packages=build)
    path = tmp_path / "pylock.heavy.toml"
    path.write_text(lock.text, encoding="utf-8")
    assert layer_lock_reader.read_layer_lock(path, "heavy") == lock
    assert layer_lock_reader.narrow_to_target(lock, path, target) is lock


def test_a_pylock_of_another_tool_is_a_layer_lock_with_the_default_prefix(tmp_path):
    path = tmp_path / "pylock.heavy.toml"
    path.write_text(_text(_package(wheels=_wheels("py3-none-any"))), encoding="utf-8")
    lock = layer_lock_reader.read_layer_lock(path, "heavy")
    assert (lock.layer, lock.prefix, lock.settings) == ("heavy", "/usr/local", {})
    assert (lock.versions, lock.wheels) == ({"demo": "1.0"}, {"demo": f"sha256:{SHA}"})


@pytest.mark.parametrize(
    ("table", "wheel"),
    [
        (_package(wheels=_wheels("py3-none-any")), f"sha256:{SHA}"),
        (_package(archive=_file("demo-1.0-py3-none-any.whl")), f"sha256:{SHA}"),
        (_package(archive=_file("demo-1.0.tar.gz")), None),
        (_package(sdist=_file("demo-1.0.tar.gz")), None),
        (_package(wheels=_wheels("py3-none-any"), sdist=_file("demo-1.0.tar.gz")), None),
        (_package(wheels=_wheels("py2-none-any", "py3-none-any")), None),
        (_package(vcs=_vcs()), None),
    ],
    ids=["wheel", "archived wheel", "archive", "sdist", "wheel or sdist", "either of two", "commit"],
)
def test_the_content_of_a_package_is_known_where_it_can_only_be_one_wheel(tmp_path, table, wheel):
    path = tmp_path / "pylock.heavy.toml"
    path.write_text(_text(table), encoding="utf-8")
    assert layer_lock_reader.read_layer_lock(path, "heavy").wheels == ({} if wheel is None else {"demo": wheel})


def test_a_lock_can_be_narrowed_to_one_package_and_stays_valid(target):
    lock = _lock(target, *TABLES)
    whole, narrow = tomli.loads(lock.text), tomli.loads(layer_lock.placed(lock, ROOT, {"antlr"}))
    assert narrow == whole | {"packages": [table for table in whole["packages"] if table["name"] == "antlr"]}
    assert [package.name for package in Pylock.from_dict(narrow).packages] == ["antlr"]
    assert layer_lock.placed(lock, ROOT) == lock.text


LOCAL = (
    _package("archived", None, archive={"path": "wheels/a b/archived.zip", "hashes": {"sha256": SHA}}),
    _package("source", sdist={"path": "source-1.0.tar.gz", "hashes": {"sha256": SHA}}),
    _package("wheel", wheels=[{"path": "wheels/wheel-1.0-py3-none-any.whl", "hashes": {"sha256": SHA}}]),
    TABLES[2],
)


@pytest.mark.parametrize("only", [None, "archived", "source", "wheel", "tool"])
def test_the_files_of_a_lock_are_found_from_anywhere(target, only):
    lock = _lock(target, *LOCAL)
    placed = tomli.loads(layer_lock.placed(lock, ROOT, only and {only}))
    files = {
        table["name"]: str((table.get("archive") or table.get("sdist") or table.get("wheels", [{}])[0]).get("path"))
        for table in placed["packages"]
    }
    expected = {
        "archived": "/project/wheels/a b/archived.zip",
        "source": "/project/source-1.0.tar.gz",
        "wheel": "/project/wheels/wheel-1.0-py3-none-any.whl",
        "tool": "None",
    }
    assert files == ({only: expected[only]} if only else expected)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("file:///project/wheels/a%20b/x-1.0-py3-none-any.whl", {"path": "wheels/a b/x-1.0-py3-none-any.whl"}),
        ("file:///projects/x-1.0-py3-none-any.whl", {"url": "file:///projects/x-1.0-py3-none-any.whl"}),
        ("file:///other/x-1.0-py3-none-any.whl", {"url": "file:///other/x-1.0-py3-none-any.whl"}),
    ],
)
def test_a_file_in_the_project_has_one_name_wherever_that_is(target, url, place):
    table = _package("x", wheels=[{"url": url, "hashes": {"sha256": SHA}}])
    assert _only(target, table).table["wheels"] == [{**place, "hashes": {"sha256": SHA}}]


NAMED = {"name": "own", "url": "https://user:secret@own.example/simple/", "explicit": True}
BARE = {**NAMED, "url": "https://own.example/simple/"}
OTHER = {"name": "other", "url": "https://other.example/simple"}


@pytest.mark.parametrize(
    ("settings", "wheels", "builds"),
    [
        ({"index": [NAMED, OTHER]}, {"index": [BARE]}, {"index": [BARE, OTHER]}),
        ({"index": [{"url": "https://own.example/simple"}]}, {}, {"index": [{"url": "https://own.example/simple"}]}),
        (
            {"index": [{"name": "flat", "url": "wheels", "format": "flat"}]},
            {},
            {"index": [{"name": "flat", "url": "wheels", "format": "flat"}]},
        ),
        (
            {"index-url": "https://t@a.example/simple", "index-strategy": "unsafe-best-match"},
            {},
            {"index-url": "https://a.example/simple", "index-strategy": "unsafe-best-match"},
        ),
        (
            {"extra-index-url": ["https://u:p@a.example", "https://b.example"], "no-index": True},
            {},
            {"extra-index-url": ["https://a.example", "https://b.example"], "no-index": True},
        ),
        ({"find-links": ["wheels"], "keyring-provider": "subprocess"}, {}, {"find-links": ["wheels"]}),
    ],
)
def test_a_lock_names_the_indexes_that_it_needs_and_no_credentials(target, settings, wheels, builds):
    wheel = _package(wheels=_wheels("py3-none-any"), index="https://own.example/simple")
    assert _lock(target, wheel, settings=settings).settings == wheels
    assert _lock(target, wheel, TABLES[1], settings=settings).settings == builds


def _nothing(own):
    return f'lock-version = "1.0"\ncreated-by = "uv-layers"\npackages = []\n{own}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("lock-version", "Expected '='"),
        ('created-by = "uv"\npackages = []\n', "lock-version"),
        ('lock-version = "2.0"\ncreated-by = "uv"\npackages = []\n', "2.0"),
        (_text(_package(wheels=[_file("demo-1.0-py3-none-any.whl", hashes={})])), "At least one hash"),
        (_text(_package()), "wheels"),
        (_text(_package(directory={"path": "."})), "demo comes from a local folder, which has no hash"),
        (_nothing('[tool.uv-layers]\nlayer = "light"\n'), "it is the lock of layer 'light', not of 'heavy'"),
    ],
    ids=["no TOML", "no version", "a newer version", "no hash", "no file", "a local folder", "of another layer"],
)
def test_what_is_no_layer_lock_is_an_error_that_says_why(tmp_path, text, problem):
    path = tmp_path / "pylock.heavy.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LayerLockError, match=re.escape(problem)) as caught:
        layer_lock_reader.read_layer_lock(path, "heavy")
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith("; run `uv-layers export` to write the lock again")


@pytest.mark.parametrize(
    "text",
    [
        _nothing('[tool]\nuv-layers = "x"\n'),
        _nothing("[tool.uv-layers]\nuv = 3\n"),
        _nothing("[tool.uv-layers.uv]\ncache-dir = 'x'\n"),
        "a = " + "[" * 20_000,
    ],
    ids=["no table", "settings are no table", "unknown settings", "nesting"],
)
def test_a_layer_lock_that_was_tampered_with_is_an_error(tmp_path, text):
    path = tmp_path / "pylock.heavy.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LayerLockError):
        layer_lock_reader.read_layer_lock(path, "heavy")


def test_a_layer_lock_that_is_no_text_is_an_error(tmp_path):
    path = tmp_path / "pylock.heavy.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(LayerLockError, match="utf-8"):
        layer_lock_reader.read_layer_lock(path, "heavy")


def test_a_layer_lock_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UnreadableFileError, match="No such file or directory"):
        layer_lock_reader.read_layer_lock(tmp_path / "pylock.heavy.toml", "heavy")


@pytest.mark.parametrize(
    ("platform", "python", "fits"),
    [
        ("linux/amd64", "3.12.0", True),
        ("linux/amd64", "3.12.11", True),
        ("linux/amd64", "3.13", False),
        ("linux/arm64", "3.12", False),
    ],
)
def test_a_layer_lock_is_for_targets_like_its_own(tmp_path, target, platform, python, fits):
    lock, other = _lock(target, *TABLES), of_platform(platform, python)
    path = tmp_path / "pylock.heavy.toml"
    if fits:
        assert layer_lock_reader.narrow_to_target(lock, path, other) is lock
        return
    with pytest.raises(PythonMismatchError) as caught:
        layer_lock_reader.narrow_to_target(lock, path, other)
    assert str(caught.value) == (
        f"{path} needs Python ==3.12.* where "
        "implementation_name == 'cpython' and platform_machine == 'x86_64' and sys_platform == 'linux', "
        f"but the target is {other}; choose another target with --python or --platform"
    )


def test_a_lock_that_says_nothing_of_a_target_is_for_any(tmp_path, target):
    lock = LayerLock("heavy", "/usr/local", _nothing(""))
    assert layer_lock_reader.narrow_to_target(lock, tmp_path / "pylock.heavy.toml", target) is lock


def test_a_lock_for_another_python_alone_says_so(tmp_path, target):
    text = 'lock-version = "1.0"\ncreated-by = "x"\nrequires-python = ">=3.13"\npackages = []\n'
    with pytest.raises(PythonMismatchError, match=r"needs Python >=3\.13, but the target"):
        layer_lock_reader.narrow_to_target(LayerLock("heavy", "/usr/local", text), tmp_path, target)


# Locks of an environment and of the project, and another platform.


def test_the_lock_of_an_environment_has_no_packages_and_is_read_as_one(target, tmp_path):
    lock = layer_lock.layer_lock(Layer("venv", kind="environment"), "/app/.venv", target, {"no-binary": True})
    assert tomli.loads(lock.text) == {
        "lock-version": "1.0",
        "environments": [
            "implementation_name == 'cpython' and platform_machine == 'x86_64' and sys_platform == 'linux'"
        ],
        "requires-python": "==3.12.*",
        "created-by": "uv-layers",
        "packages": [],
        "tool": {"uv-layers": {"layer": "venv", "prefix": "/app/.venv", "environment": True}},
    }
    assert (lock.kind, lock.versions) == ("environment", {})
    path = tmp_path / "pylock.venv.toml"
    path.write_text(lock.text, encoding="utf-8")
    assert layer_lock_reader.read_layer_lock(path, "venv") == lock
    # Only true is true: other tools may have other tables of that name.
    path.write_text(lock.text.replace("environment = true", 'environment = "yes"'), encoding="utf-8")
    assert layer_lock_reader.read_layer_lock(path, "venv").kind == "packages"


def test_the_lock_of_the_project_knows_its_folders_and_is_read_by_nobody(target, tmp_path):
    table = {"name": "demo", "directory": {"path": "."}}
    layer = Layer("app", (Member(Package("demo", None, built=True, table=table), "project"),), kind="project")
    lock = layer_lock.layer_lock(layer, "/usr/local", target, {"config-settings": {"a": "b"}})
    assert (lock.kind, lock.versions, lock.wheels) == ("project", {"demo": None}, {})
    # What the project says of builds holds for its own, too.
    assert lock.settings == {"config-settings": {"a": "b"}}
    path = tmp_path / "pylock.app.toml"
    path.write_text(lock.text, encoding="utf-8")
    with pytest.raises(LayerLockError, match="demo comes from a local folder, which has no hash"):
        layer_lock_reader.read_layer_lock(path, "app")


def _locked(*tables):
    return LayerLock("heavy", "/usr/local", _text(*tables))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (_package(wheels=_wheels("py3-none-any")), None),
        (_package(archive=_file("demo-1.0-py3-none-any.whl")), None),
        (_package(wheels=_wheels("py3-none-any"), sdist=_file("demo-1.0.tar.gz")), None),
        (_package(sdist=_file("demo-1.0.tar.gz")), "demo 1.0"),
        (_package(archive=_file("demo-1.0.zip")), "demo 1.0"),
        (_package(version=None, vcs={"type": "git", "url": "https://a", "commit-id": COMMIT}), "demo"),
        (_package(version=None, directory={"path": "."}), "demo"),
    ],
)
def test_for_another_platform_nothing_is_built(table, message):
    at = of_platform("linux/arm64", "3.12")
    locks = [_locked(), _locked(table)]
    if message is None:
        assert layer_lock_reader.check_wheels(locks, at) is None
        return
    with pytest.raises(NoWheelError) as caught:
        layer_lock_reader.check_wheels(locks, at)
    assert str(caught.value) == (
        f"{message} has no wheel for CPython 3.12 on linux aarch64, "
        "and uv cannot build for another platform; build the layer, or a wheel, on that platform"
    )


# Locks of strangers.


def _lock_of(tmp_path, **document):
    path = tmp_path / "pylock.some.toml"
    path.write_text(tomli_w.dumps({"lock-version": "1.0", "created-by": "a", "packages": [], **document}))
    return path


def test_the_tags_of_a_wheel_are_not_multiplied_without_end(target):
    many = ".".join(f"py{number}" for number in range(60))
    fits, more = (f"demo-1.0-py3.{many}-none-{platforms}.whl" for platforms in ("any", "any.b"))
    assert _only(target, _package(wheels=[_file(fits)])).table["wheels"][0]["url"].endswith(fits)
    with pytest.raises(NoWheelError):
        _only(target, _package(wheels=[_file(more)]))


def test_the_name_of_a_wheel_may_be_encoded_in_its_url(target):
    name = "demo%2D1.0%2Bcpu%2Dpy3%2Dnone%2Dany.whl"
    assert _only(target, _package(version="1.0+cpu", wheels=[_file(name)])).built is False


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"prefix": 1}, 'tool.uv-layers.prefix: must be an absolute path, e.g. "/usr/local", not 1'),
        ({"uv": {"index": [{"name": "a"}]}}, "tool.uv-layers.uv.index must be a list of tables, each with a url"),
        ({"layer": ["a"]}, "it is the lock of layer ['a'], not of 'some'"),
    ],
)
def test_what_a_lock_says_to_uv_layers_has_a_form(tmp_path, own, says):
    with pytest.raises((ConfigError, LayerLockError), match=re.escape(says)):
        layer_lock_reader.read_layer_lock(_lock_of(tmp_path, tool={"uv-layers": own}), "some")


@pytest.mark.parametrize("more", [{"environments": ["extra == 'x'"]}, {"requires-python": f"=={'9' * 5000}"}])
def test_what_cannot_be_compared_with_a_target_is_refused(tmp_path, target, more):
    path = _lock_of(tmp_path, **more)
    with pytest.raises(LayerLockError):
        layer_lock_reader.narrow_to_target(layer_lock_reader.read_layer_lock(path, "some"), path, target)
