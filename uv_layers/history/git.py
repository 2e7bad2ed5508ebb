"""git: what files were at a revision, and which revisions the lock has had."""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uv_layers import errors
from uv_layers.system import documents, process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Revision:
    """A state of a file: its commit, the time of that in seconds, and its content's name."""

    commit: str
    seconds: int
    blob: str


# The names of the files that decide a plan.
_DECIDING = {".python-version", "pyproject.toml", "uv-layers.toml", "uv.lock", "uv.toml"}


# The settings of a repository name programs, and a checkout may bring a folder that git takes for a repository.
_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "log.showRoot": "true",  # the user may have turned off that the first revision is shown
    "log.showSignature": "false",
    "safe.bareRepository": "explicit",
}


_GIT = ["git", *(word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}"))]


class Repository:
    """The git repository that `folder` is in. Raises GitError when git is missing or says no."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = {**environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
        # Where a clone lacks a file, git would fetch it by a program that the repository's settings name.
        self._environ |= {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
        self.root = os.path.realpath(self._git(["rev-parse", "--show-toplevel"]).rstrip("\n"))

    def commit(self, revision: str) -> str:
        """Return the commit that a revision names, in full."""
        words = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
        found = self._git(words, revision=revision)
        return found.strip()

    def is_shallow(self) -> bool:
        """Tell whether the repository was cloned without all of its history."""
        return self._git(["rev-parse", "--is-shallow-repository"]).strip() == "true"

    def files(self, commit: str, folder: Path, more: Sequence[str] = ()) -> dict[Path, str]:
        """Return the files below a folder that decide a plan, as the commit has them, by their path now.

        `more` are names of further files that do. A link is what it leads to, if the commit has that.
        """
        below = os.path.relpath(os.path.realpath(folder), self.root)
        listed = self._git(["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, "--", below])
        # git reads one name a line. A tree that git has not made may have folders called `..`.
        paths = [name for name in listed.split("\0") if "\n" not in name and ".." not in name.split("/")]
        named = [path for path in paths if posixpath.basename(path) in {*_DECIDING, *more}]
        texts = self.contents([f"{commit}:{name}" for name in named], "--follow-symlinks")
        found = zip(named, texts, strict=True)
        return {folder / os.path.relpath(name, below): text for name, text in found if text is not None}

    def revisions(self, path: Path, *, since: str | None = None, limit: int | None = None) -> list[Revision]:
        """Return the states that a file has had on the way to HEAD, oldest first, through renames of it."""
        words = ["log", "--follow", "--first-parent", "--diff-merges=first-parent", "--raw", "--no-abbrev", "-z"]
        words += ["--no-relative", "--format=%x01%H %ct"]
        words += [f"--since={since}"] if since else []
        words += [f"--max-count={limit}"] if limit else []
        name = os.path.relpath(os.path.realpath(path), os.path.realpath(self._folder))
        found = []
        for entry in self._git([*words, "--", name]).split("\x01")[1:]:
            head, _, raw = entry.partition("\0")
            commit, seconds = head.split()
            # :<mode> <mode> <blob> <blob> <status>, before the paths; no blob is left of a file that was deleted.
            blob = raw.lstrip("\n").split("\0")[0].split()[3]
            if blob.strip("0"):
                found.append(Revision(commit, int(seconds), blob))
        return found[::-1]

    def contents(self, blobs: Sequence[str], *options: str) -> Iterator[str | None]:
        """Yield the text of each blob, None where the clone lacks it or it is no text; one git serves all.

        A blob that is larger than any lock is no text either.
        """
        with process.worker([*_GIT, "cat-file", "--batch", *options], env=self._environ, cwd=self._folder) as git:
            requests = [f"{blob}\n".encode() for blob in blobs]
            # One ahead: git unpacks the next while this one is being read.
            for request in [b"".join(requests[:2]), *requests[2:], b""][: len(requests)]:
                git.stdin.write(request)
                git.stdin.flush()
                fields = git.stdout.readline().split()
                if not fields:
                    raise errors.GitError(
                        "git ended early; if this is a partial clone, get the rest with "
                        "`git fetch --refetch --no-filter`"
                    )
                if fields[-1] == b"missing":
                    yield None
                    continue
                size = int(fields[-1])
                for _ in range(size // documents.LARGEST_LOCK):
                    git.stdout.read(documents.LARGEST_LOCK)
                data = git.stdout.read(size % documents.LARGEST_LOCK + 1)[:-1]
                try:
                    # Of a link that leads nowhere git says that in place of `<name> blob`.
                    is_text = len(fields) > 2 and size < documents.LARGEST_LOCK  # noqa: PLR2004
                    yield data.decode() if is_text else None
                except UnicodeDecodeError:
                    yield None

    def _git(self, words: Sequence[str], revision: str | None = None) -> str:
        try:
            done = process.run([*_GIT, *words], env=self._environ, cwd=self._folder)
        except OSError as error:
            raise errors.GitError(f"cannot run git ({error.strerror}); install it") from None
        if done.status:
            if revision is not None:
                shallow = " (this clone is shallow: `git fetch --unshallow` gets the rest)" if self.is_shallow() else ""
                raise errors.GitError(f"git has no revision {revision!r}{shallow}")
            said = (done.stderr.strip().splitlines() or ["no message"])[0]
            raise errors.GitError(f"git {words[0]} failed: {said}")
        return done.stdout
