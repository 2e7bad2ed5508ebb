"""git: what files were at a revision, and which revisions the lock has had."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from uv_layers import errors, process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


# The names of the files that decide a plan.
_DECIDING = {".python-version", "pyproject.toml", "uv-layers.toml", "uv.lock", "uv.toml"}


class Repository:
    """The git repository that `folder` is in. Raises GitError when git is missing or says no."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = {**environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
        self.root = os.path.realpath(self._git(["rev-parse", "--show-toplevel"]).rstrip("\n"))

    def commit(self, revision: str) -> str:
        """Return the commit that a revision names, in full."""
        words = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
        found = self._git(words, revision=revision)
        return found.strip()

    def is_shallow(self) -> bool:
        """Tell whether the repository was cloned without all of its history."""
        return self._git(["rev-parse", "--is-shallow-repository"]).strip() == "true"

    def files(self, commit: str, folder: Path) -> dict[Path, str]:
        """Return the files below a folder that decide a plan, as the commit has them, by their path now."""
        below = os.path.relpath(os.path.realpath(folder), self.root)
        listed = self._git(["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, "--", below])
        names = [name for name in listed.split("\0") if posixpath.basename(name) in _DECIDING]
        return {folder / os.path.relpath(name, below): self._git(["show", f"{commit}:{name}"]) for name in names}

    def _git(self, words: Sequence[str], revision: str | None = None) -> str:
        try:
            done = process.run(["git", *words], env=self._environ, cwd=self._folder)
        except OSError as error:
            raise errors.GitError(f"git does not run ({error.strerror}); install it") from None
        if done.status:
            if revision is not None:
                shallow = " (this clone is shallow: `git fetch --unshallow` gets the rest)" if self.is_shallow() else ""
                raise errors.GitError(f"git knows no revision {revision!r}{shallow}")
            said = (done.stderr.strip().splitlines() or ["no message"])[0]
            raise errors.GitError(f"git {words[0]} failed: {said}")
        return done.stdout
