"""What git knows: revisions of a lock, what files were at one, and what it says where it does not."""

from __future__ import annotations

import os
from typing import NamedTuple

import pytest

from uv_layers.errors import GitError
from uv_layers.history.git import Repository


class Revision(NamedTuple):
    commit: str
    seconds: int
    blob: str


def text(number):
    """Return a lock of its own for each number, each much like the others."""
    return f"version = {number}\n" + "".join(f"# line {line}\n" for line in range(40))


@pytest.fixture
def folder(git, tmp_path):
    path = tmp_path / "repo"
    path.mkdir()
    git(path, "init", "-q")
    return path


@pytest.fixture
def commit(git, folder):
    """Return a function that commits the content of a file, None to delete it, and returns what it is by then."""

    def call(content, name="uv.lock"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "a\x01message\n\nof three lines")
        return None if content is None else revision(git, folder, name)

    return call


def revision(git, folder, name="uv.lock", at="HEAD"):
    found, seconds = git(folder, "show", "-s", "--format=%H %ct", at).split()
    return Revision(found, int(seconds), git(folder, "rev-parse", f"{at}:{name}"))


def opened(path):
    return Repository(path, os.environ)


def blobs(*revisions):
    return [revision.blob for revision in revisions]


# The revisions of a file


def test_revisions_are_those_that_change_the_file_oldest_first(folder, commit):
    expected = [commit(text(1)), commit(text(2))]
    commit("other", "pyproject.toml")
    commit("other", "member/uv.lock")
    expected.append(commit(text(3)))
    found = opened(folder).revisions(folder / "uv.lock")
    assert found == blobs(*expected)


def test_a_file_without_a_commit_has_no_revisions(folder, commit):
    commit("other", "pyproject.toml")
    assert opened(folder).revisions(folder / "uv.lock") == []


def test_a_rename_is_followed(git, folder, commit):
    expected = [commit(text(1)), commit(text(2))]
    (folder / "server").mkdir()
    git(folder, "mv", "uv.lock", "server/uv.lock")
    git(folder, "commit", "-q", "-m", "moved")
    expected += [revision(git, folder, "server/uv.lock"), commit(text(3), "server/uv.lock")]
    for place in (folder, folder / "server"):
        assert opened(place).revisions(folder / "server/uv.lock") == blobs(*expected)


def test_revisions_may_be_limited_to_the_newest(folder, commit):
    made = [commit(text(1)), commit("other", "a"), commit(text(2)), commit("other", "b"), commit(text(3))]
    repository = opened(folder)
    assert repository.revisions(folder / "uv.lock", limit=2) == blobs(made[2], made[4])
    assert repository.revisions(folder / "uv.lock", since=str(made[2].seconds)) == blobs(made[2], made[4])
    assert repository.revisions(folder / "uv.lock", since=str(made[2].seconds), limit=1) == blobs(made[4])
    assert repository.revisions(folder / "uv.lock", since=str(made[4].seconds + 1)) == []


def test_a_deleted_lock_is_no_state_of_it_and_one_that_comes_back_is(folder, commit):
    expected = [commit(text(1))]
    commit(None)
    expected.append(commit(text(2)))
    assert opened(folder).revisions(folder / "uv.lock") == blobs(*expected)


def test_a_merge_is_one_revision(git, folder, commit):
    expected = [commit(text(1))]
    git(folder, "switch", "-q", "-c", "update")
    commit(text(2))
    commit(text(3))
    git(folder, "switch", "-q", "main")
    commit("other", "pyproject.toml")
    git(folder, "merge", "-q", "--no-ff", "--no-edit", "update")
    expected += [revision(git, folder), commit(text(4))]
    assert opened(folder).revisions(folder / "uv.lock") == blobs(*expected)
    assert expected[1].blob == git(folder, "rev-parse", "update:uv.lock")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("color.ui", "always"),
        ("diff.renames", "false"),
        ("diff.relative", "true"),
        ("log.diffMerges", "off"),
        ("log.showRoot", "false"),
    ],
)
def test_settings_of_the_user_change_nothing(git, folder, commit, setting, value):
    first = commit(text(1))
    (folder / "server").mkdir()
    git(folder, "mv", "uv.lock", "server/uv.lock")
    git(folder, "commit", "-q", "-m", "moved")
    git(folder, "config", setting, value)
    expected = [first, revision(git, folder, "server/uv.lock"), commit(text(2), "server/uv.lock")]
    assert opened(folder / "server").revisions(folder / "server/uv.lock") == blobs(*expected)


def test_a_folder_that_is_reached_through_a_link_has_the_same_revisions(folder, commit, tmp_path):
    expected = [commit(text(1), "a b/é/uv.lock")]
    (tmp_path / "link").symlink_to(folder / "a b")
    assert opened(tmp_path / "link/é").revisions(tmp_path / "link/é/uv.lock") == blobs(*expected)


# What files were


def test_a_git_that_ends_before_it_was_asked_for_all_is_an_error(folder, commit, tmp_path):
    known = blobs(*(commit(text(number)) for number in range(2)))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text('#!/bin/sh\ncase "$*" in *cat-file*) read line ;; *) echo / ;; esac\n')
    (tmp_path / "bin/git").chmod(0o755)
    ending = Repository(folder, {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"})
    with pytest.raises(GitError, match="git ended early"):
        list(ending.contents(known))


def test_a_tree_with_a_way_out_of_the_repository_has_no_files_there(git, folder, commit):
    commit("locked")
    blob = git(folder, "rev-parse", "HEAD:uv.lock")

    def tree(mode, name, entry):
        path = folder / ".git/tree"
        path.write_bytes(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(entry))
        return git(folder, "hash-object", "-t", "tree", "-w", "--literally", str(path))

    # As git makes none, and fetches them unless it is told to look.
    out = tree("40000", "a", tree("40000", "..", tree("100644", "uv.lock", blob)))
    forged = git(folder, "commit-tree", "-m", "forged", out)
    assert git(folder, "ls-tree", "-r", "--name-only", forged) == "a/../uv.lock"
    assert opened(folder).files(forged, folder) == {}


def test_contents_are_the_texts_of_blobs_and_none_where_there_is_no_text(folder, commit):
    texts = ["one\nline more\n", "", "é without an end", b"\xff\xfe", "last\n"]
    known = blobs(*map(commit, texts))
    asked = [*known[:2], "0" * 40, *known[2:], "no-name"]
    found = list(opened(folder).contents(asked))
    assert found == ["one\nline more\n", "", None, "é without an end", None, "last\n", None]


def test_a_commit_is_named_by_whatever_git_takes_for_one(git, folder, commit):
    first, second = commit("1"), commit("2")
    git(folder, "tag", "-a", "-m", "a tag", "v1", first.commit)
    repository = opened(folder)
    assert [repository.commit(name) for name in ("HEAD", "main", "@~1", "v1", first.commit[:12])] == [
        *(second.commit, second.commit, first.commit),
        *(first.commit, first.commit),
    ]


def test_the_files_that_decide_are_those_of_the_commit_below_the_folder(folder, commit):
    for name in (
        "uv.lock",
        "app/uv.lock",
        "app/pyproject.toml",
        "app/a b/é/pyproject.toml",
        "app/main.py",
        "app/x.toml",
    ):
        commit(f"old {name}", name)
    first = commit("the request\n", "app/.python-version")
    commit("new", "app/uv.lock")
    commit("added", "app/uv-layers.toml")
    commit(None, "app/pyproject.toml")
    names = ["uv.lock", "pyproject.toml", "a b/é/pyproject.toml"]
    expected = {folder / "app" / name: f"old app/{name}" for name in names}
    expected[folder / "app/.python-version"] = "the request\n"
    repository = opened(folder / "app")
    assert repository.files(first.commit, folder / "app") == expected
    more = repository.files(first.commit, folder / "app", ["x.toml"])
    assert more == expected | {folder / "app/x.toml": "old app/x.toml"}
    whole = repository.files(first.commit, folder)
    assert whole == expected | {folder / "uv.lock": "old uv.lock"}


# What git does not know


@pytest.mark.parametrize("name", ["nope", "v1~5", "HEAD:uv.lock", "--all", "--since=1", "", "a\nb"])
def test_what_names_no_commit_is_said(folder, commit, name):
    commit("1")
    with pytest.raises(GitError) as raised:
        opened(folder).commit(name)
    assert str(raised.value) == f"{name!r} is neither a uv.lock, a folder of layer locks nor a git revision"


def test_a_shallow_clone_says_that_it_is_one(git, folder, commit, tmp_path):
    first, second = commit(text(1)), commit(text(2))
    git(tmp_path, "clone", "-q", "--depth", "1", folder.as_uri(), "clone")
    clone = opened(tmp_path / "clone")
    assert (clone.is_shallow(), opened(folder).is_shallow()) == (True, False)
    for name in ("HEAD~1", first.commit):
        with pytest.raises(GitError) as raised:
            clone.commit(name)
        shallow = "(this clone is shallow: `git fetch --unshallow` gets the rest)"
        cause = f"{name!r} is neither a uv.lock, a folder of layer locks nor a git revision"
        assert str(raised.value) == f"{cause} {shallow}"
    assert clone.revisions(tmp_path / "clone/uv.lock") == blobs(second)
    assert list(clone.contents([first.blob, second.blob])) == [None, text(2)]


def test_a_folder_in_no_repository_is_an_error(git, tmp_path):
    with pytest.raises(GitError, match=r"^git rev-parse failed: fatal: not a git repository"):
        opened(tmp_path)


def test_a_git_that_says_nothing_is_an_error_all_the_same(tmp_path):
    (tmp_path / "git").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "git").chmod(0o755)
    with pytest.raises(GitError, match=r"^git rev-parse failed: no message$"):
        Repository(tmp_path, os.environ | {"PATH": str(tmp_path)})


def test_without_git_there_is_an_error_that_says_so(tmp_path):
    with pytest.raises(GitError, match=r"^cannot run git \(No such file or directory\); install it$"):
        Repository(tmp_path, os.environ | {"PATH": str(tmp_path)})


@pytest.mark.parametrize("size", [99, 100, 101, 250, 300])
def test_a_blob_that_is_larger_than_any_lock_is_passed_over(folder, commit, monkeypatch, size):
    monkeypatch.setattr("uv_layers.system.documents.LARGEST_LOCK", 100)
    found = [commit(content) for content in ("first", "a" * size, "last")]
    texts = opened(folder).contents(blobs(*found))
    assert list(texts) == ["first", "a" * size if size < 100 else None, "last"]
