"""Files at a git revision, and the revisions of the lock."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from uv_layers import errors
from uv_layers.system import documents, process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


# The names of the files that decide a plan.
_DECIDING = {".python-version", "pyproject.toml", "uv-layers.toml", "uv.lock", "uv.toml"}

# Settings of an untrusted repository may start programs, and a checkout may contain a bare repository.
_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "log.showRoot": "true",  # the user may have turned it off
    "log.showSignature": "false",
    "safe.bareRepository": "explicit",
}

_GIT = ["git", *(word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}"))]


def not_comparable(side: str, reason: str) -> errors.GitError:
    """Return the error for a side of `diff` that is nothing to compare."""
    return errors.GitError(f"{side} is neither a uv.lock, a folder of layer locks nor a git revision{reason}")


class Repository:
    """The git repository around `folder`. Raises GitError if git is missing or fails."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = {**environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
        # To fetch a file that a clone lacks, git would start a program that the repository's settings name.
        self._environ |= {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
        self.root = os.path.realpath(self._git(["rev-parse", "--show-toplevel"]).rstrip("\n"))

    def commit(self, revision: str) -> str:
        """Return the full hash of the commit of a revision."""
        words = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
        return self._git(words, revision=revision).strip()

    def is_shallow(self) -> bool:
        """Return whether the clone lacks a part of the history."""
        return self._git(["rev-parse", "--is-shallow-repository"]).strip() == "true"

    def files(self, commit: str, folder: Path, more: Sequence[str] = ()) -> dict[Path, str]:
        """Return the text of the files below a folder that decide a plan, as of the commit, by path.

        `more` are names of further such files. A link is replaced by its target, if the commit has it.
        """
        below = os.path.relpath(os.path.realpath(folder), self.root)
        listed = self._git(["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, "--", below])
        # git reads one name per line. A forged tree may have folders called `..`.
        paths = [name for name in listed.split("\0") if "\n" not in name and ".." not in name.split("/")]
        named = [path for path in paths if posixpath.basename(path) in {*_DECIDING, *more}]
        texts = self.contents([f"{commit}:{name}" for name in named], "--follow-symlinks")
        files = zip(named, texts, strict=True)
        return {folder / os.path.relpath(name, below): text for name, text in files if text is not None}

    def revisions(self, path: Path, *, since: str | None = None, limit: int | None = None) -> list[str]:
        """Return the blobs of a file up to HEAD, oldest first, one for each change, following renames."""
        words = ["log", "--follow", "--first-parent", "--diff-merges=first-parent", "--raw", "--no-abbrev", "-z"]
        words += ["--no-relative", "--format=%x01"]
        words += [f"--since={since}"] if since else []
        words += [f"--max-count={limit}"] if limit else []
        name = os.path.relpath(os.path.realpath(path), os.path.realpath(self._folder))
        revisions = []
        for entry in self._git([*words, "--", name]).split("\x01")[1:]:
            # `:<mode> <mode> <blob> <blob> <status>`, then the paths; a deleted file has only zeros.
            blob = entry.lstrip("\0\n").split("\0")[0].split()[3]
            if blob.strip("0"):
                revisions.append(blob)
        return revisions[::-1]

    def contents(self, blobs: Sequence[str], *options: str) -> Iterator[str | None]:
        """Yield the text of each blob, or None if the clone lacks it, or if it is binary or larger than any lock."""
        with process.worker([*_GIT, "cat-file", "--batch", *options], env=self._environ, cwd=self._folder) as git:
            requests = [f"{blob}\n".encode() for blob in blobs]
            # Request one blob ahead: git unpacks it while this one is read.
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
                    # For a dangling link, git prints only two words.
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
                raise not_comparable(repr(revision), shallow)
            said = (done.stderr.strip().splitlines() or ["no message"])[0]
            raise errors.GitError(f"git {words[0]} failed: {said}")
        return done.stdout
