from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest
from support import record_digest

from uv_layers.errors import IncompleteTreeError
from uv_layers.tree import installed
from uv_layers.tree.installed import Clash, Distribution

SITE = "usr/local/lib/python3.12/site-packages"


def _distributions(tree):
    return installed.distributions(tree, installed.sites(tree, "/usr/local", "3.12"))


def test_a_distribution_is_its_name_its_version_and_the_files_of_its_record(tmp_path, put):
    info = put(
        tmp_path,
        "Odd.Name_here",
        {f'{SITE}/odd/é, "x".py': "a", "usr/local/bin/run": "b"},
        unhashed=["usr/local/bin/run"],
    )
    [found] = _distributions(tmp_path)
    assert (found.name, found.version, found.info, found.site) == ("odd-name-here", "1.0", info, SITE)
    metadata = b"Name: Odd.Name_here\n"
    assert found.files == {
        f'{SITE}/odd/é, "x".py': "sha256=ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs",
        "usr/local/bin/run": "",
        f"{info}/METADATA": f"sha256={record_digest(metadata)}",
        f"{info}/RECORD": "",
    }


def test_distributions_are_sorted_by_name_wherever_they_are(tmp_path, put):
    put(tmp_path, "b", {})
    put(tmp_path, "A", {}, site="usr/local/lib64/python3.12/site-packages")
    put(tmp_path, "c", {})
    assert [found.name for found in _distributions(tmp_path)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("prefix", "site"),
    [
        ("/usr/local", "usr/local/lib/python3.12/site-packages"),
        ("/usr/local", "usr/local/lib64/python3.12/site-packages"),
        ("/usr/local", "usr/local/lib/python3.12/dist-packages"),
        ("/usr/local", "usr/local/lib/python3.12t/site-packages"),
        ("/usr/local", "usr/local/lib/pypy3.12/site-packages"),
        ("/", "lib/python3.12/site-packages"),
    ],
)
def test_site_folders_are_those_where_this_python_looks_below_the_prefix(tmp_path, prefix, site):
    for folder in (site, "share/lib/python3.12/site-packages", "usr/local/lib/python3.11/site-packages"):
        (tmp_path / folder).mkdir(parents=True)
    assert installed.sites(tmp_path, prefix, "3.12") == [site]


@pytest.mark.parametrize(
    ("site", "folder"),
    [
        (SITE, "usr/local/bin"),
        ("usr/local/lib64/python3.12/site-packages", "usr/local/bin"),
        ("usr/local/lib/python3/dist-packages", "usr/local/bin"),
        ("srv/lib/app/lib/pypy3.10/site-packages", "srv/lib/app/bin"),
        ("lib/python3.12/site-packages", "bin"),
        ("somewhere", "bin"),
        ("", "bin"),
    ],
)
def test_scripts_are_in_the_bin_beside_the_lib_of_the_site_folder(site, folder):
    assert installed.scripts(site) == folder


def test_what_a_package_has_inside_of_it_is_no_distribution(tmp_path, put):
    put(tmp_path, "setuptools", {f"{SITE}/setuptools/_vendor/wheel-1.0.dist-info/METADATA": ""})
    assert [found.name for found in _distributions(tmp_path)] == ["setuptools"]


def test_a_folder_of_such_a_name_without_a_record_is_no_distribution(tmp_path):
    assert _distributions(tmp_path) == []
    (tmp_path / SITE / "pkg-1.0.dist-info").mkdir(parents=True)
    assert _distributions(tmp_path) == []


def _clashes(tree):
    return installed.clashes(_distributions(tree))


def test_files_of_several_with_different_content_clash_and_the_last_by_name_is_last(tmp_path, put):
    put(tmp_path, "c", {f"{SITE}/x.py": "1", f"{SITE}/same.py": "1"})
    put(tmp_path, "a", {f"{SITE}/x.py": "2", f"{SITE}/same.py": "1", f"{SITE}/a.py": ""})
    put(tmp_path, "b", {f"{SITE}/x.py": "2", "usr/local/bin/run": "1"})
    put(tmp_path, "d", {"usr/local/bin/run": "2"})
    assert _clashes(tmp_path) == [
        Clash("usr/local/bin/run", ("b", "d")),
        Clash(f"{SITE}/x.py", ("a", "b", "c")),
    ]


def test_content_without_a_hash_is_taken_to_differ(tmp_path, put):
    for name in ("a", "b"):
        put(tmp_path, name, {f"{SITE}/x.pyc": "same"}, unhashed=[f"{SITE}/x.pyc"])
    assert _clashes(tmp_path) == [Clash(f"{SITE}/x.pyc", ("a", "b"))]


def test_a_file_where_another_package_has_a_folder_clashes(tmp_path, put):
    put(tmp_path / "one", "a", {f"{SITE}/x": "1", f"{SITE}/y.py": "1"})
    put(tmp_path / "other", "b", {f"{SITE}/x/deep/mod.py": "1", f"{SITE}/y.py": "1"})
    put(tmp_path / "other", "c", {f"{SITE}/x/c.py": "1", f"{SITE}/xx/c.py": "1"})
    found = [*_distributions(tmp_path / "one"), *_distributions(tmp_path / "other")]
    assert installed.folder_clashes(found) == [Clash(f"{SITE}/x", ("a", "b", "c"))]
    assert installed.folder_clashes(found[1:]) == installed.folder_clashes([]) == []


def test_a_file_in_the_metadata_of_another_package_is_found(tmp_path, put):
    put(tmp_path, "bbb", {})
    put(tmp_path, "aaa", {f"{SITE}/aaa/bbb-9.dist-info/RECORD": "", f"{SITE}/other-1.dist-info/RECORD": ""})
    assert installed.foreign_metadata(_distributions(tmp_path)[:2]) is None
    for path, owner in (
        (f"{SITE}/bbb-1.0.dist-info/RECORD", "bbb"),
        (f"{SITE}/B_B.B-9.dist-info/x/y", "b-b-b"),
        (f"{SITE}/aaa-2.dist-info/METADATA", "aaa"),
    ):
        found = [
            Distribution(name, "1.0", f"{SITE}/{name}-1.0.dist-info", SITE, {}) for name in ("aaa", "bbb", "b-b-b")
        ]
        assert installed.foreign_metadata(found) is None
        assert installed.foreign_metadata([replace(found[0], files={path: ""}), *found[1:]]) == ("aaa", path, owner)


def test_a_tree_is_complete_if_it_has_what_its_records_list_and_the_bytecode(tmp_path, put):
    put(tmp_path, "a", {f"{SITE}/a.py": ""})
    found = _distributions(tmp_path)
    paths = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    installed.check_complete(found, {"a.pyc"}, {*paths, "a.pyc"})
    for bytecode, actual, message in (
        ({"a.pyc"}, paths, r"^a\.pyc was removed "),
        (set(), paths - {f"{SITE}/a.py"}, r"/a\.py was removed "),
        (set(), {*paths, "b"}, "^b was created "),
    ):
        with pytest.raises(IncompleteTreeError, match=message):
            installed.check_complete(found, bytecode, actual)


def test_what_several_have_is_shared_whatever_its_content(tmp_path, put):
    put(tmp_path, "a", {f"{SITE}/same.py": "1", f"{SITE}/a.py": ""})
    put(tmp_path, "b", {f"{SITE}/same.py": "1"})
    shared = installed.shared(_distributions(tmp_path))
    assert {path: [found.name for found in having] for path, having in shared.items()} == {
        f"{SITE}/same.py": ["a", "b"]
    }


def test_a_path_that_there_cannot_be_is_no_file_of_a_distribution(tmp_path, put):
    info = put(tmp_path, "odd", {f"{SITE}/a.py": ""})
    with (tmp_path / info / "RECORD").open("ab") as file:
        file.write(b"x\0y,,\n")
    [found] = _distributions(tmp_path)
    assert not any("\0" in path for path in found.files)


@pytest.mark.parametrize(
    ("recorded", "matches"),
    [
        ("sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0", True),
        ("sha256=ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs", False),
        ("sha256=", False),
        ("", True),
        ("md5=kAFQmDzST7DWlj99KOF_cg", True),
        ("nonsense=x", False),
        ("nonsense=", False),
        ("shake_128=x", False),
        ("shake_128=", False),
    ],
)
@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known"])
def test_a_file_is_held_against_its_row(tmp_path, recorded, matches, known):
    (tmp_path / "file").write_bytes(b"abc")
    sha256 = hashlib.sha256(b"abc").hexdigest() if known else None
    assert installed.matches(tmp_path / "file", recorded, sha256) is matches


def test_what_is_known_of_a_file_is_not_read_again(tmp_path):
    known = hashlib.sha256(b"abc").hexdigest()
    recorded = "sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"
    assert installed.matches(tmp_path / "nowhere", recorded, known)


def test_a_large_file_is_hashed_whole(tmp_path):
    data = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(data)
    assert installed.matches(tmp_path / "file", f"sha256={record_digest(data)}")
    (tmp_path / "file").write_bytes(data + b"x")
    assert installed.record_hash(tmp_path / "file") == record_digest(data + b"x")


OLD, NEW = "/opt/python/bin/python3.12", "/app/.venv/bin/python"


@pytest.mark.parametrize(
    ("script", "renamed"),
    [
        (f"#!{OLD}\nprint()\n", f"#!{NEW}\nprint()\n"),
        (f"#!{OLD}\n", f"#!{NEW}\n"),
        (f"#!/bin/sh\n'''exec' '{OLD}' \"$0\" \"$@\"\n' '''\nprint()\n", f"#!{NEW}\nprint()\n"),
        ("#!/bin/sh\necho\n", None),
        (f"#!{OLD} -I\n", None),
        (f"#!{OLD}3\n", None),
        (f"print('#!{OLD}')\n", None),
        ("", None),
    ],
)
def test_a_script_gets_the_interpreter_of_the_image_and_its_record_the_new_hash(tmp_path, put, script, renamed):
    path, other = "usr/local/bin/run", f"{SITE}/pkg/run"
    info = put(tmp_path, "pkg", {path: script, other: script, f"{SITE}/pkg/é,x.py": ""})
    before = (tmp_path / info / "RECORD").read_text(encoding="utf-8")
    found = _distributions(tmp_path)
    installed.rename_interpreter(tmp_path, found, OLD, NEW)
    assert (tmp_path / path).read_text(encoding="utf-8") == (script if renamed is None else renamed)
    assert (tmp_path / other).read_text(encoding="utf-8") == script
    [after] = _distributions(tmp_path)
    assert all(installed.matches(tmp_path / name, recorded) for name, recorded in after.files.items())
    if renamed is None:
        assert (tmp_path / info / "RECORD").read_text(encoding="utf-8") == before
    else:
        assert f",{len(renamed)}\n" in (tmp_path / info / "RECORD").read_text(encoding="utf-8")


def test_a_script_that_is_not_there_is_passed_over(tmp_path, put):
    put(tmp_path, "pkg", {"usr/local/bin/run": f"#!{OLD}\n", "usr/local/bin/gone": ""})
    (tmp_path / "usr/local/bin/gone").unlink()
    installed.rename_interpreter(tmp_path, _distributions(tmp_path), OLD, NEW)
    assert (tmp_path / "usr/local/bin/run").read_text(encoding="utf-8") == f"#!{NEW}\n"


@pytest.mark.parametrize(
    ("path", "script"),
    [("bin/run", True), ("usr/local/bin/run", True), ("usr/local/bin/deep/run", False), ("usr/bin.py", False)],
)
def test_scripts_are_in_a_folder_called_bin(path, script):
    assert installed.is_script(path) is script


@pytest.mark.parametrize(
    ("interpreter", "plain"),
    [("/a/bin/python", True), (f"/{'a' * 124}", True), (f"/{'a' * 125}", False), ("/a b/bin/python", False)],
    ids=["usual", "longest", "too long", "a space"],
)
def test_an_interpreter_that_no_first_line_can_name_is_named_by_way_of_the_shell(tmp_path, put, interpreter, plain):
    put(tmp_path, "pkg", {"usr/local/bin/run": f"#!{OLD}\nprint()\n"})
    installed.rename_interpreter(tmp_path, _distributions(tmp_path), OLD, interpreter)
    by_shell = f"#!/bin/sh\n'''exec' '{interpreter}' \"$0\" \"$@\"\n' '''\nprint()\n"
    expected = f"#!{interpreter}\nprint()\n" if plain else by_shell
    assert (tmp_path / "usr/local/bin/run").read_text(encoding="utf-8") == expected


def test_every_record_that_has_a_script_gets_its_new_hash(tmp_path, put):
    run = "usr/local/bin/run"
    for name in ("a", "b"):
        put(tmp_path, name, {run: f"#!{OLD}\n", f"{SITE}/{name}.py": ""})
    put(tmp_path, "c", {f"{SITE}/c.py": ""})
    installed.rename_interpreter(tmp_path, _distributions(tmp_path), OLD, NEW)
    found = _distributions(tmp_path)
    assert [run in distribution.files for distribution in found] == [True, True, False]
    rows = [(tmp_path / path, recorded) for distribution in found for path, recorded in distribution.files.items()]
    assert all(installed.matches(path, recorded) for path, recorded in rows)


@pytest.mark.parametrize(
    ("record", "files"),
    [
        (b"a.py,sha256=x,1\n\nb.py\n", {f"{SITE}/a.py": "sha256=x", f"{SITE}/b.py": ""}),
        (b"\xff.py,,\n", {f"{SITE}/\udcff.py": ""}),
        (b"", {}),
        (b"a.py,,\n" + b"x" * 200_000 + b",,\n", {}),
    ],
    ids=["short rows", "no UTF-8", "empty", "no CSV"],
)
def test_a_record_that_is_damaged_is_read_where_it_can_be(tmp_path, record, files):
    (tmp_path / SITE / "a-1.dist-info").mkdir(parents=True)
    (tmp_path / SITE / "a-1.dist-info/RECORD").write_bytes(record)
    [found] = _distributions(tmp_path)
    assert dict(found.files) == files


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../../../../../../etc/passwd", "..", "../../../../.."])
def test_nothing_of_a_record_leads_out_of_the_tree(tmp_path, put, path):
    info = put(tmp_path, "demo", {f"{SITE}/demo.py": ""})
    with (tmp_path / info / "RECORD").open("a", encoding="utf-8") as file:
        file.write(f"{path},sha256=a,1\n..a,,\n../../../..b,,\n")
    [found] = _distributions(tmp_path)
    assert all(not name.startswith(("/", "../")) and name != ".." for name in found.files)
    assert {f"{SITE}/demo.py", f"{SITE}/..a"} <= found.files.keys()


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("written", ["hex", "upper", "padded", "plain"])
def test_a_record_may_have_hashes_in_hex_or_with_padding(tmp_path, algorithm, written):
    digest = hashlib.new(algorithm, b"content").digest()
    padded = base64.urlsafe_b64encode(digest).decode()
    value = {"hex": digest.hex(), "upper": digest.hex().upper(), "padded": padded, "plain": padded.rstrip("=")}[written]
    info = tmp_path / SITE / "a-1.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text(f"a.py,{algorithm}={value},7\nb.py,{algorithm}={'0' * 63},7\n")
    (tmp_path / SITE / "a.py").write_bytes(b"content")
    [found] = _distributions(tmp_path)
    assert found.files[f"{SITE}/a.py"] == f"{algorithm}={padded.rstrip('=')}"
    assert installed.matches(tmp_path / SITE / "a.py", found.files[f"{SITE}/a.py"])
    assert not installed.matches(tmp_path / SITE / "a.py", found.files[f"{SITE}/b.py"])
