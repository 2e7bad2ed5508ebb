from __future__ import annotations

import hashlib
import os
import stat

import pytest

from uv_layers.tree import seal
from uv_layers.tree.times import Times


def _made(tree):
    """Make a tree with all kinds of things in it."""
    (tree / "usr/local/lib/data").mkdir(parents=True)
    (tree / "usr/local/bin").mkdir()
    (tree / "usr/local/lib/a.py").write_text("abc", encoding="utf-8")
    (tree / "usr/local/bin/run").write_text("12345", encoding="utf-8")
    (tree / "usr/local/lib/link").symlink_to("a.py")
    (tree / "usr/local/lib/folder").symlink_to("data")
    (tree / "usr/local/lib/data/none").touch()
    (tree / "usr/local/lib/dangling").symlink_to("nowhere")
    (tree / "usr/local/lib/.lock").touch()
    return tree


def _is_folder(path):
    return path.is_dir() and not path.is_symlink()


@pytest.mark.parametrize("modes", [(0o600, 0o700, 0o700), (0o666, 0o777, 0o2777), (0o4444, 0o4744, 0o755)])
def test_modes_and_times_are_those_of_an_image_whatever_they_were(tmp_path, modes):
    tree = _made(tmp_path / "tree")
    plain, runs, folder = modes
    (tree / "usr/local/lib/a.py").chmod(plain)
    (tree / "usr/local/bin/run").chmod(runs)
    for path in (tree / "usr/local/lib", tree / "usr", tree):
        path.chmod(folder)
    sealed = seal.seal(tree, "/usr/local", Times({}, 1_000_000))
    # Links are paths of their own, whatever they lead to.
    assert sealed.paths == {path.relative_to(tree).as_posix() for path in tree.rglob("*") if not _is_folder(path)}
    assert sealed.size == len("abc") + len("12345")
    for path in (tree, *tree.rglob("*")):
        status = path.lstat()
        assert status.st_mtime_ns == 1_000_000 * 10**9
        if not path.is_symlink():
            expected = 0o755 if path.is_dir() or path.name == "run" else 0o644
            assert stat.S_IMODE(status.st_mode) == expected


def test_what_is_executable_is_told_sorted_and_by_its_path_in_the_tree(tmp_path):
    tree = _made(tmp_path / "tree")
    for name in ("z", "a"):
        (tree / "usr" / name).touch()
        (tree / "usr" / name).chmod(0o700)
    (tree / "usr/local/bin/run").chmod(0o755)
    assert seal.seal(tree, "/usr/local", Times({}, 0)).executable == ["usr/a", "usr/local/bin/run", "usr/z"]


def test_each_file_has_its_own_time_and_folders_the_default(tmp_path):
    tree = _made(tmp_path / "tree")
    times = Times({"usr/local/lib/a.py": 2_000_000, "usr/local/lib/link": 3_000_000}, 1_000_000)
    seal.seal(tree, "/usr/local", times)
    found = {path.relative_to(tree).as_posix(): path.lstat().st_mtime for path in tree.rglob("*")}
    assert {path: seconds for path, seconds in found.items() if seconds != 1_000_000} == times.files


@pytest.mark.parametrize("prefix", ["/usr/local", "/"])
def test_folders_with_nothing_in_them_go_but_for_that_of_the_prefix(tmp_path, prefix):
    tree = tmp_path / "tree"
    (tree / "usr/local/lib/site/pkg.libs/deep").mkdir(parents=True)
    (tree / "usr/share").mkdir()
    assert seal.seal(tree, prefix, Times({}, 0)) == (set(), 0, [])
    there = ["usr", "usr/local"] if prefix == "/usr/local" else []
    assert sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*")) == there
    assert tree.is_dir()


def test_links_keep_their_targets_and_their_targets_are_not_touched(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("mine", encoding="utf-8")
    outside.chmod(0o600)
    os.utime(outside, (5, 5))
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to(outside)
    seal.seal(tmp_path / "tree", "/", Times({}, 7))
    assert (tmp_path / "tree/link").readlink() == outside
    assert (outside.stat().st_mtime, stat.S_IMODE(outside.stat().st_mode)) == (5, 0o600)


def test_a_walk_is_sorted_by_bytes_and_follows_no_link(tmp_path):
    for name in ("é", "z", "a/b", "a-b", "a.b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "loop").symlink_to(".")
    assert [entry.path for entry in seal.walk(tmp_path)] == ["a", "a-b", "a.b", "a/b", "loop", "z", "é"]


def test_a_walk_is_sorted_by_bytes_where_names_are_no_text(tmp_path):
    names = [b"a", b"\x80", "é".encode(), b"\xff"]
    try:
        for name in reversed(names):
            (tmp_path / os.fsdecode(name)).touch()
    except OSError:
        pytest.skip("this file system has names of UTF-8 alone")
    assert [os.fsencode(entry.path) for entry in seal.walk(tmp_path)] == names


@pytest.mark.parametrize(("together", "at_once"), [(1, 1), (2, 3), (5, 2), (7, 7)])
def test_all_is_hashed_once_and_in_order_however_it_is_shared_out(tmp_path, monkeypatch, together, at_once):
    monkeypatch.setattr(seal, "_TOGETHER", together)
    monkeypatch.setattr(seal, "_AT_ONCE", at_once)
    expected = {"folder": "", "link": hashlib.sha256(b"nowhere").hexdigest()}
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for number in range(10, 31):
        (tmp_path / f"file{number}").write_text(str(number), encoding="utf-8")
        expected[f"file{number}"] = hashlib.sha256(str(number).encode()).hexdigest()
    assert [(entry.path, sha256) for entry, sha256 in seal.hashed(tmp_path)] == sorted(expected.items())


def _digest(tree):
    return seal.digest(seal.hashed(tree))


def _plain(tree):
    (tree / "a").mkdir(parents=True)
    (tree / "a/file").write_text("content", encoding="utf-8")
    (tree / "link").symlink_to("a/file")
    seal.seal(tree, "/", Times({}, 315532800))
    return tree


def test_the_digest_of_a_tree_is_this_and_stays_this(tmp_path):
    expected = "sha256:e05c6b9a9b1f60a1aca4863b9c7f88d958ca07e53b1ca6e8146be125df4c5f75"
    assert _digest(_plain(tmp_path / "one")) == _digest(_plain(tmp_path / "two")) == expected


def test_the_digest_of_nothing_is_that_of_no_bytes(tmp_path):
    assert _digest(tmp_path) == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def _content(tree):
    (tree / "a/file").write_text("Content", encoding="utf-8")


def _moved(tree):
    (tree / "a/file").rename(tree / "a/elif")


def _relinked(tree):
    (tree / "link").unlink()
    (tree / "link").symlink_to("a/elif")


def _unlinked(tree):
    (tree / "link").unlink()
    (tree / "link").write_text("a/file", encoding="utf-8")


CHANGES = {
    "content": _content,
    "name": _moved,
    "target": _relinked,
    "type": _unlinked,
    "added folder": lambda tree: (tree / "b").mkdir(),
    "added file": lambda tree: (tree / "b").touch(),
    "mode": lambda tree: (tree / "a/file").chmod(0o755),
    "folder's mode": lambda tree: (tree / "a").chmod(0o700),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_digest_tells_every_change(tmp_path, change):
    tree = _plain(tmp_path / "tree")
    before = _digest(tree)
    CHANGES[change](tree)
    for path in tree.rglob("*"):
        os.utime(path, (315532800, 315532800), follow_symlinks=False)
    assert _digest(tree) != before


@pytest.mark.parametrize("path", ["a", "a/file", "link"])
def test_the_digest_tells_a_time(tmp_path, path):
    tree = _plain(tmp_path / "tree")
    before = _digest(tree)
    os.utime(tree / path, (1, 315532801), follow_symlinks=False)
    assert _digest(tree) != before


def test_the_digest_is_the_same_whatever_mode_a_system_gives_to_links(tmp_path, monkeypatch):
    tree = _plain(tmp_path / "tree")
    here = _digest(tree)

    def elsewhere(tree, walk=seal.walk):
        return [entry._replace(mode=stat.S_IFLNK | 0o755) if entry.is_link else entry for entry in walk(tree)]

    monkeypatch.setattr(seal, "walk", elsewhere)
    assert _digest(tree) == here


def test_the_digest_of_a_large_file_is_that_of_all_of_it(tmp_path):
    (tmp_path / "tree").mkdir()
    digests = set()
    for last in (b"x", b"y"):
        (tmp_path / "tree/file").write_bytes(b"0" * (3 << 20) + last)
        os.utime(tmp_path / "tree/file", (0, 0))
        digests.add(_digest(tmp_path / "tree"))
    assert len(digests) == 2


def test_the_identity_of_a_link_is_its_target_and_of_a_file_its_content(tmp_path):
    (tmp_path / "file").write_text("text", encoding="utf-8")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("/nowhere")
    assert seal.identity(tmp_path / "file") == hashlib.sha256(b"text").hexdigest()
    assert [seal.identity(tmp_path / name) for name in ("link", "dangling")] == ["-> file", "-> /nowhere"]


@pytest.mark.parametrize("at_once", [1, 3, 4])
def test_a_digest_is_the_same_however_many_files_are_hashed_at_once(tmp_path, monkeypatch, at_once):
    for number in range(7):
        (tmp_path / f"folder{number % 2}").mkdir(exist_ok=True)
        (tmp_path / f"folder{number % 2}/file{number}").write_text(str(number), encoding="utf-8")
    (tmp_path / "link").symlink_to("folder0")
    whole = _digest(tmp_path)
    monkeypatch.setattr(seal, "_AT_ONCE", at_once)
    assert _digest(tmp_path) == whole
