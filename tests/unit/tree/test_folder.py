from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import os
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from uv_layers.errors import IncompleteTreeError, NotOursError, UsageError
from uv_layers.system import files
from uv_layers.system.files import write_atomically
from uv_layers.tree.folder import STATE, LayersFolder


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_written_again_only_when_it_changes(tmp_path):
    path = tmp_path / "pylock.heavy.toml"
    assert write_atomically(path, "é\n") is True
    first = path.stat()
    assert write_atomically(path, "é\n") is False
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    assert write_atomically(path, "b\n") is True
    assert path.read_bytes() == b"b\n"
    assert _names(tmp_path) == [path.name]


@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_text_and_nothing_else(tmp_path, monkeypatch, failure):
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")

    def fail(*_):
        raise failure

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(failure):
        write_atomically(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert _names(tmp_path) == ["file"]


@pytest.mark.parametrize("old", [None, "old", "new"])
def test_what_a_killed_process_left_of_a_write_is_gone_after_the_next(tmp_path, old):
    path = tmp_path / "file"
    (tmp_path / ".file.uv-layers").write_text("new, and half of someth", encoding="utf-8")
    if old:
        path.write_text(old, encoding="utf-8")
    assert write_atomically(path, "new") is (old != "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert _names(tmp_path) == ["file"]


def test_what_was_left_and_cannot_be_removed_is_no_error_where_the_text_is_there_already(tmp_path):
    path = tmp_path / "file"
    path.write_text("new", encoding="utf-8")
    (tmp_path / ".file.uv-layers").mkdir()
    assert write_atomically(path, "new") is False


@pytest.mark.parametrize("mode", [0o600, 0o444, 0o755])
def test_a_file_that_is_written_again_keeps_its_mode(tmp_path, mode):
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")
    path.chmod(mode)
    assert write_atomically(path, "new") is True
    assert (path.read_text(encoding="utf-8"), path.stat().st_mode & 0o7777) == ("new", mode)


@pytest.mark.parametrize("new", ["new", "", "a longer text"])
def test_a_file_that_is_written_again_keeps_its_other_links(tmp_path, new):
    path = tmp_path / "file"
    path.write_text("the old", encoding="utf-8")
    os.link(path, tmp_path / "other")
    path.chmod(0o600)
    assert write_atomically(path, new) is True
    assert (tmp_path / "other").read_text(encoding="utf-8") == path.read_text(encoding="utf-8") == new
    assert path.samefile(tmp_path / "other")
    assert path.stat().st_mode & 0o7777 == 0o600
    assert _names(tmp_path) == ["file", "other"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes files of another owner")
@pytest.mark.parametrize("owner", [(12345, 12346), (0, 12346)])
def test_a_file_that_is_written_again_keeps_its_owner(tmp_path, owner):
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")
    os.chown(path, *owner)
    path.chmod(0o640)
    assert write_atomically(path, "new") is True
    stat = path.stat()
    assert (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777) == (*owner, 0o640)
    assert path.read_text(encoding="utf-8") == "new"


def test_a_file_with_other_links_has_its_old_text_after_a_write_that_fails(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")
    os.link(path, tmp_path / "other")
    fill = files._fill  # noqa: SLF001 - a disk that is full for the new text, and not for the old
    full = iter([OSError(28, "No space left on device")])

    def fills_up(file, data):
        for error in full:
            file.write(data[:8])
            raise error
        fill(file, data)

    monkeypatch.setattr(files, "_fill", fills_up)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "a longer text")
    assert (tmp_path / "other").read_bytes() == b"old"
    assert _names(tmp_path) == ["file", "other"]


def test_a_file_of_the_users_beside_it_stays(tmp_path):
    (tmp_path / ".Dockerfile.new").write_text("mine", encoding="utf-8")
    for text in ("one", "two", "two"):
        write_atomically(tmp_path / "Dockerfile", text)
    assert (tmp_path / ".Dockerfile.new").read_text(encoding="utf-8") == "mine"


def test_an_interrupt_right_after_a_file_was_put_in_its_place_is_the_interrupt(tmp_path, monkeypatch):
    replace = Path.replace

    def interrupted(self, to):
        replace(self, to)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", "new")
    assert _names(tmp_path) == ["file"]


def test_many_that_write_one_file_at_once_leave_it_whole(tmp_path):
    path, texts = tmp_path / "file", [f"{number}\n" * 50_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for text in [pool.submit(write_atomically, path, text) for _ in range(10) for text in texts]:
            text.result()
    assert path.read_text(encoding="utf-8") in texts
    assert _names(tmp_path) == ["file"]


@pytest.mark.parametrize("again", [False, True], ids=["it is gone", "there is another"])
def test_what_another_process_has_put_in_its_place_meanwhile_is_not_written_to(tmp_path, again):
    path, temporary = tmp_path / "file", tmp_path / ".file.uv-layers"
    thread = threading.Thread(target=write_atomically, args=(path, "mine"))
    with temporary.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("theirs")
        held.flush()
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        temporary.rename(path)
        os.link(path, tmp_path / "seen")
        if again:
            temporary.touch()
    thread.join(30)
    assert path.read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "seen").read_text(encoding="utf-8") == "theirs"
    assert _names(tmp_path) == ["file", "seen"]


def test_a_write_that_fails_says_where(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left") as raised:
        write_atomically(tmp_path / "file", "text")
    assert raised.value.filename == str(tmp_path / "file")


def test_what_cannot_be_written_is_an_error_that_leaves_nothing(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "folder", "text")
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "gone" / "file", "text")
    assert _names(tmp_path) == ["folder"]


@pytest.fixture
def folder(tmp_path) -> LayersFolder:
    return LayersFolder(tmp_path / "layers")


def _record(text):
    return {"key": hashlib.sha256(text.encode()).hexdigest(), "text": text, "files": 1}


def _put(folder, layer="heavy", text="new", record=None):
    with folder.staging(layer) as staging:
        tree = staging / "tree"
        tree.mkdir()
        (tree / "file").write_text(text, encoding="utf-8")
        folder.put(layer, tree, record or _record(text))


def _text(folder, layer="heavy"):
    return (folder.tree(layer) / "file").read_text(encoding="utf-8")


def test_a_tree_is_put_in_its_place_with_its_record(folder):
    _put(folder)
    assert folder.tree("heavy") == folder.path / "heavy"
    assert _text(folder) == "new"
    assert folder.record("heavy") == _record("new")
    assert _names(folder.path) == [".gitignore", STATE, "heavy"]
    assert _names(folder.tree("heavy")) == ["file"]


def test_a_tree_takes_the_place_of_the_old_one_and_nothing_of_that_is_left(folder):
    _put(folder, text="old")
    (folder.tree("heavy") / "older").touch()
    _put(folder)
    assert _text(folder) == "new"
    assert _names(folder.tree("heavy")) == ["file"]
    assert folder.record("heavy") == _record("new")
    assert not list(folder.path.glob(f"{STATE}/*.staging"))


def test_a_tree_that_loses_files_while_it_is_put_in_place_is_no_tree(folder):
    with pytest.raises(IncompleteTreeError):
        _put(folder, record={**_record("new"), "files": 2})
    assert (folder.record("heavy"), folder.tree("heavy").exists()) == (None, False)
    _put(folder)
    assert folder.record("heavy") == _record("new")


def test_trees_of_other_layers_are_left_alone(folder):
    _put(folder, "heavy", "one")
    _put(folder, "light", "two")
    assert (_text(folder, "heavy"), _text(folder, "light")) == ("one", "two")


def test_the_folder_is_made_with_its_parents_and_ignored_by_git(tmp_path):
    folder = LayersFolder(tmp_path / "a" / "b" / "layers")
    _put(folder)
    assert (folder.path / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_in_a_folder_of_somebody_else_nothing_is_hidden_from_git(folder):
    folder.path.mkdir()
    _put(folder)
    assert _names(folder.path) == [STATE, "heavy"]


def test_staging_is_empty_and_gone_afterwards(folder):
    with folder.staging("heavy") as staging:
        assert list(staging.iterdir()) == []
        (staging / "file").touch()
        # On the file system of the trees, so that a rename can put it in place.
        assert folder.path in staging.parents
    assert not staging.exists()
    assert folder.record("heavy") is None
    assert not folder.tree("heavy").exists()


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_tree_and_no_staging(folder, failure):
    _put(folder, text="old")
    with pytest.raises(failure), folder.staging("heavy") as staging:
        raise failure
    assert not staging.exists()
    assert (_text(folder), folder.record("heavy")) == ("old", _record("old"))


def test_a_failure_that_does_not_say_where_is_said_to_be_in_the_staging_folder(folder):
    with pytest.raises(OSError, match="No space left") as raised, folder.staging("heavy") as staging:
        raise OSError(28, "No space left on device")
    assert raised.value.filename == str(staging)


def test_what_a_killed_run_left_behind_is_cleared(folder):
    left = folder.path / STATE / "heavy.staging"
    (left / "tree" / "usr").mkdir(parents=True)
    with folder.staging("heavy") as staging:
        assert list(staging.iterdir()) == []
        # Before the new tree is made: both may be more than the disk holds.
        assert list(left.iterdir()) == [staging]
    assert not left.exists()


def test_a_program_that_outlives_its_killed_run_disturbs_nobody(folder):
    orphan, done = folder.path / STATE / "heavy.staging" / "of another run" / "tree", threading.Event()

    def write():
        for number in itertools.count():
            if done.is_set():
                return
            with suppress(FileNotFoundError, FileExistsError):
                orphan.mkdir(parents=True, exist_ok=True)
                (orphan / f"{number}").touch()

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(50):
        _put(folder)
        assert _names(folder.tree("heavy")) == ["file"]
    done.set()
    thread.join()
    orphan.mkdir(parents=True, exist_ok=True)
    assert folder.was_left("heavy")
    with folder.staging("heavy"):
        assert folder.was_left("heavy")
    assert not folder.was_left("heavy")


def test_a_folder_whose_gitignore_cannot_be_written_is_not_made(folder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space left"):
            _put(folder)
    assert not folder.path.exists()
    _put(folder)
    assert (folder.path / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_a_tree_that_is_read_is_not_replaced_meanwhile(folder):
    _put(folder, text="old")
    put = threading.Thread(target=_put, args=(folder,))
    with folder.reading(["nowhere", "heavy"]):
        put.start()
        put.join(0.2)
        assert (put.is_alive(), _text(folder)) == (True, "old")
    put.join(10)
    assert _text(folder) == "new"


@pytest.mark.parametrize("step", [1, 2])
def test_a_put_that_ends_half_way_says_no_more_than_is_true_and_can_be_made_again(folder, monkeypatch, step):
    _put(folder, text="old")
    rename, calls = Path.rename, []

    def fail(self, to):
        calls.append(to)
        if len(calls) == step:
            raise OSError(28, "No space left on device")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="No space left"):
        _put(folder)
    assert folder.record("heavy") == (None if step == 2 else {"key": _record("new")["key"]})
    assert json.loads((folder.path / STATE / "heavy.json").read_text(encoding="utf-8")).keys() == {"key"}
    monkeypatch.undo()
    _put(folder)
    assert (_text(folder), folder.record("heavy")) == ("new", _record("new"))


def test_a_second_run_waits_for_the_layer_and_not_for_others(folder):
    entered, order = threading.Event(), []

    def second():
        with folder.staging("heavy"):
            order.append("second")
        entered.set()

    thread = threading.Thread(target=second)
    with folder.staging("heavy"):
        thread.start()
        with folder.staging("light"):
            order.append("other layer")
        assert not entered.wait(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["other layer", "first", "second"]


def _file(path):
    path.write_text("precious", encoding="utf-8")


def _folder(path):
    path.mkdir()
    _file(path / "file")


def _link(path):
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir()
    _file(elsewhere / "file")
    path.symlink_to(elsewhere)


def _dangling(path):
    path.symlink_to("nowhere")


def _tree_of(folder):
    """Return all paths but those of the state folder, and where links lead."""
    paths = (path for path in folder.path.rglob("*") if STATE not in path.parts)
    return sorted((path, path.readlink() if path.is_symlink() else None) for path in paths)


# A folder in the place of one of ours cannot be told from it.
FOREIGN = [(make, False) for make in (_file, _folder, _link, _dangling)]
FOREIGN += [(make, True) for make in (_file, _link, _dangling)]


@pytest.mark.parametrize(("make", "was_ours"), FOREIGN)
def test_what_is_not_ours_is_refused_and_left_alone(folder, make, was_ours):
    folder.path.mkdir()
    if was_ours:
        _put(folder)
        folder.tree("heavy").rename(folder.path.parent / "moved")
    make(folder.tree("heavy"))
    before = _tree_of(folder)
    message = "uv-layers did not create .*heavy and will not replace it"
    with pytest.raises(NotOursError, match=message), folder.staging("heavy"):
        pytest.fail("it was staged")
    assert _tree_of(folder) == before
    assert folder.record("heavy") is None


def test_a_tree_that_was_removed_has_no_record_and_is_made_again(folder):
    _put(folder)
    folder.tree("heavy").rename(folder.path.parent / "moved")
    assert folder.record("heavy") is None
    _put(folder)
    assert _text(folder) == "new"


@pytest.mark.parametrize(
    "data", [b"null", b"[1]", b"{", b"", b"\xff", b"{}", b'{"key": 1}', b'{"key": "x"}', b'{"digest": "x"}']
)
def test_a_record_that_says_nothing_is_none(folder, data):
    _put(folder)
    (folder.path / STATE / "heavy.json").write_bytes(data)
    assert folder.record("heavy") is None


def test_a_record_may_be_written_anew_for_a_tree_that_stays(folder):
    _put(folder)
    folder.rewrite_record("heavy", _record("other"))
    assert folder.record("heavy") == _record("other")
    assert _text(folder) == "new"
    assert json.loads((folder.path / STATE / "heavy.json").read_text(encoding="utf-8")) == _record("other")


@pytest.mark.parametrize("name", ["heavy.lock", ".heavy.json.new", "heavy.json", "heavy.staging", "."])
@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_no_link_in_the_folder_is_followed(folder, name, kind):
    _put(folder)
    outside = folder.path.parent / "outside"
    if kind == "file":
        outside.write_text("as it was")
    elif kind == "folder":
        outside.mkdir()
    link = folder.path / STATE / name
    if name == ".":
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to(outside)
    with pytest.raises(NotOursError, match=re.escape(str(folder.path))):
        _put(folder)
    assert kind != "file" or outside.read_text(encoding="utf-8") == "as it was"
    assert kind != "folder" or list(outside.iterdir()) == []
    assert kind != "nothing" or not outside.exists()
    assert folder.was_left("heavy") == (name == "heavy.staging")


def test_a_link_in_the_place_of_a_lock_keeps_nobody_from_reading(folder):
    _put(folder)
    lock = folder.path / STATE / "heavy.lock"
    lock.unlink()
    lock.symlink_to(folder.path.parent)
    with folder.reading(["heavy"]):
        assert _text(folder) == "new"


@pytest.mark.parametrize("data", [b"null", b"{}", b'{"key": "x"}'])
def test_a_record_that_uv_layers_cannot_have_written_makes_no_tree_ours(folder, data):
    (folder.path / STATE).mkdir(parents=True)
    folder.tree("heavy").mkdir()
    _file(folder.tree("heavy") / "file")
    (folder.path / STATE / "heavy.json").write_bytes(data)
    with pytest.raises(NotOursError):
        _put(folder)
    assert _text(folder) == "precious"


def test_a_layers_folder_that_is_a_link_to_nothing_is_an_error_with_a_next_step(folder):
    folder.path.symlink_to("gone")
    with pytest.raises(UsageError, match="is a symlink to gone, which does not exist; create it, or choose another"):
        _put(folder)
    (folder.path.parent / "gone").mkdir()
    _put(folder)
    assert _text(folder) == "new"


def test_a_state_that_is_elsewhere_is_not_ours(folder):
    outside = folder.path.parent / "outside"
    outside.mkdir()
    folder.path.mkdir()
    (folder.path / STATE).symlink_to(outside)
    with pytest.raises(NotOursError), folder.staging("heavy"):
        pass
    assert list(outside.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_an_error_and_stays(folder):
    _file(folder.path)
    with pytest.raises(NotADirectoryError), folder.staging("heavy"):
        pytest.fail("it was staged")
    assert folder.path.read_text(encoding="utf-8") == "precious"
