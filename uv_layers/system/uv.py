"""Find uv, and run it. No other module starts uv."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from uv_layers import errors
from uv_layers.credentials import masked
from uv_layers.system import process
from uv_layers.system.uv_environment import installing_env, resolving_env

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence


# The oldest uv that refuses a wheel with a script outside the prefix. A test checks that pyproject.toml requires it.
MINIMUM = (0, 11, 15)

# The uv that a Dockerfile gets: a constant, so that every machine writes the same text.
MINOR = "0.13"

# uv's errors for a layer lock, or its settings, that uv cannot read.
_UNREADABLE = ("error: Not a valid `pylock.toml` file", "error: Failed to parse: ")

# uv's errors for a selection that it refuses. Any other error is a failure of uv.
_REFUSALS = (
    *("is not defined in", "are incompatible with the", "Could not find root package"),
    *("Found multiple packages", "needs to be updated"),
)


@contextmanager
def unnamed_file(text: str) -> Iterator[tuple[int, str]]:
    """Yield the descriptor of an unnamed file, and its path for a program that inherits the descriptor.

    The URL of an index may have a password: nobody can find the file, and nothing is left if a process is killed.
    """
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        yield file.fileno(), f"/dev/fd/{file.fileno()}"


def _show(layer: str, line: str) -> None:
    # Layers are installed at the same time.
    sys.stderr.write(f"{layer}: {errors.printable(masked(line.rstrip()))}\n")
    sys.stderr.flush()


def image_argv(
    root: Path, packages: Sequence[str], groups: Iterable[str], extras: Iterable[str], *, all_extras: bool = False
) -> list[str]:
    """Return the arguments that export the image set of some packages of the workspace in `root`.

    `groups` are all groups of the image: uv's defaults depend on its version.
    """
    argv = [*_export(root, packages), *_FILES, "--no-default-groups", *_repeated("--group", groups)]
    return argv + (["--all-extras"] if all_extras else _repeated("--extra", extras))


def group_argv(root: Path, packages: Sequence[str], group: str, *, files: bool = False) -> list[str]:
    """Return the arguments that export the closure of a dependency group, with or without the `files`."""
    return [*_export(root, packages), *(_FILES if files else _NAMES), "--only-group", group]


def dependencies_argv(root: Path, packages: Sequence[str], extra: str | None = None) -> list[str]:
    """Return the arguments that export the closure of the packages' dependencies, with an extra if given."""
    argv = [*_export(root, packages), *_NAMES, "--no-default-groups"]
    return argv if extra is None else [*argv, "--extra", extra]


def check_argv(directory: Path, python: str) -> list[str]:
    """Return the arguments that check whether uv.lock matches the project.

    Without `--python`, uv would start the interpreter that the project's `.python-version` names.
    """
    return ["lock", "--check", "--project", str(directory), "--no-python-downloads", "--python", python]


def find_python_argv(directory: Path, request: str) -> list[str]:
    """Return the arguments that find an interpreter for the request of a user or a file.

    With `--system`, uv does not start the interpreter of a `.venv` in or above the folder. Without the cache, it does
    not trust one that the project's uv.toml may name.
    """
    argv = ["python", "find", "--system", "--no-cache", "--no-python-downloads", "--project", str(directory)]
    # `--`, so that a request from a file is never an option.
    return [*argv, "--", request]


def install_argv(
    what: Sequence[Path],
    prefix: Path | None,
    python: str,
    *,
    settings: str,
    environ: Mapping[str, str],
    editable: Collection[Path] = (),
    platform: str = "",
    verbose: bool = False,
) -> list[str]:
    """Return the arguments that install a layer lock, or folders, with the uv.toml `settings`.

    Files go below `prefix`, or else into the environment of `python`. Folders in `editable` are not copied.

    UV_NO_BUILD and UV_NO_BUILD_PACKAGE become options, because `uv pip` does not read them as `uv sync` does. uv builds
    nothing for another `platform`.
    """
    argv = ["pip", "install", "--python", python, "--no-deps", "--no-python-downloads", "--no-compile-bytecode"]
    argv += ["--preview-features", "pylock"]
    # Copy: a tree must not share files with uv's cache. An environment is temporary, so links are fine.
    argv += [] if prefix is None else ["--prefix", str(prefix), "--link-mode", "copy"]
    argv += ["--config-file", settings]
    for path in what:
        option = ["--editable"] if path in editable else [] if path.is_dir() else ["--requirements"]
        argv += [*option, str(path)]
    argv += ["--python-platform", platform, "--only-binary", ":all:"] if platform else []
    argv += _repeated("--only-binary", environ.get("UV_NO_BUILD_PACKAGE", "").split())
    flags = (("--no-build", is_on(environ, "UV_NO_BUILD")), ("--verbose", verbose))
    return argv + [flag for flag, given in flags if given]


def is_on(environ: Mapping[str, str], name: str) -> bool:
    """Return whether a variable of uv has a value that means yes."""
    return environ.get(name, "").lower() in {"1", "true", "yes", "on", "t", "y"}


# A pylock.toml needs a hash for every file, so uv downloads files whose hash the index lacks. Names need no download.
_FILES = ("--format", "pylock.toml")
_NAMES = ("--format", "requirements.txt", "--no-hashes", "--no-annotate")


def _export(root: Path, packages: Iterable[str]) -> list[str]:
    argv = ["export", "--frozen", "--no-header", "--project", str(root)]
    return [*argv, *_repeated("--package", packages)]


def _repeated(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


_UNBUILT = re.compile(r"Failed to (?:download and )?build `([^`]+)`")
_STALE = re.compile(r"existing lockfile due to (?:a )?([^\n]+)")
_MISSING_MODULE = re.compile(r"No module named '([\w.]+)'")


def _unbuilt(said: str) -> str | None:
    """Return the package that uv could not build according to its message, or None."""
    match = _UNBUILT.search(said)
    return match and re.split("==| @ ", match[1])[0]


def _build_step(said: str, package: str) -> str:
    """Return the next step for a failed build."""
    if "Git executable not found" in said:
        return "add git to the layer's system-packages"
    if "Failed to resolve requirements" in said:
        return "uv could not resolve its build requirements; check the indexes and exclude-newer in tool.uv"
    if match := _MISSING_MODULE.search(said):
        module = match[1].split(".")[0]
        return (
            f"its build needs the Python module {module}; if {package} is built without isolation, add the package "
            "with that module to the project's dependencies, otherwise to tool.uv.extra-build-dependencies"
        )
    return "if a compiler or headers are missing, add them to the layer's system-packages"


@dataclass(frozen=True)
class Uv:
    """A uv executable and the environment that it runs in."""

    path: str
    environ: Mapping[str, str]

    @classmethod
    def find(cls, environ: Mapping[str, str], *, offline: bool = False) -> Uv:
        """Return the first uv of UV_LAYERS_UV, UV, PATH and the `uv` wheel."""
        variables = {**environ, "UV_OFFLINE": "1"} if offline else environ
        for variable in ("UV_LAYERS_UV", "UV"):
            if path := environ.get(variable):
                if found := shutil.which(path, path=environ.get("PATH")):
                    return cls(found, variables)
                raise errors.UvNotFoundError(f"{variable} is {path!r}, which is not an executable")
        if found := shutil.which("uv", path=environ.get("PATH")):
            return cls(found, variables)
        try:
            from uv import find_uv_bin  # noqa: PLC0415 - only where PATH has none

            return cls(find_uv_bin(), variables)
        except (ImportError, FileNotFoundError):
            raise errors.UvNotFoundError("it is not on PATH, and the `uv` package is not installed") from None

    @cached_property
    def version(self) -> tuple[int, ...]:
        """The version, at least MINIMUM; raises UvTooOldError and UvNotFoundError."""
        try:
            done = process.run([self.path, "--version"], env=self.environ, timeout=20)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise errors.UvNotFoundError(f"{self.path} cannot be run ({error})") from None
        if done.status < 0:
            self._raise_for(done, ["--version"])
        match = re.match(r"uv (\d+)\.(\d+)\.(\d+)", done.stdout)
        if done.status or match is None:
            raise errors.UvNotFoundError(f"{self.path} --version did not print a version of uv")
        version = tuple(map(int, match.groups()))
        if version < MINIMUM:
            dotted = ".".join(map(str, MINIMUM))
            raise errors.UvTooOldError(self.path, ".".join(map(str, version)), dotted)
        return version

    def export(self, argv: Sequence[str], root: Path) -> str:
        """Return what `uv export` prints, with paths from `root`; raises RefusedError if uv refuses the selection."""
        done = self._run(argv, resolving_env(self.environ), cwd=root, check=False)
        # uv breaks its lines at the width of a terminal.
        reason = masked(" ".join(done.stderr.partition("error: ")[2].split("\n\n")[0].split()))
        if done.status and any(words in reason for words in _REFUSALS):
            raise errors.RefusedError(reason)
        self._raise_for(done, argv)
        return done.stdout

    def check(self, argv: Sequence[str], lock: Path) -> None:
        """Raise StaleLockError unless `lock` matches its project."""
        done = self._run(argv, resolving_env(self.environ), check=False)
        # uv has one exit code for a stale lock and a failed resolution: only the message differs.
        if "needs to be updated" in " ".join(done.stderr.split()):
            # uv prints the reason only with --verbose.
            again = self._run([*argv, "--verbose"], resolving_env(self.environ), check=False)
            reason = _STALE.search(again.stderr)
            raise errors.StaleLockError(lock, reason[1].strip(" :") if reason else "")
        self._raise_for(done, argv)

    def find_python(self, argv: Sequence[str], cwd: Path | None = None) -> str | None:
        """Return the path of the interpreter, or None; paths in the request start from `cwd`."""
        done = self._run(argv, resolving_env(self.environ), cwd=cwd, check=False)
        return None if done.status else done.stdout.strip()

    def newest_python(self, python: str) -> str:
        """Return the newest release of a minor version of CPython that uv knows, or its first one."""
        argv = ["python", "list", f"cpython-{python}", "--only-downloads", "--output-format", "json", "--no-config"]
        done = self._run(argv, resolving_env(self.environ))
        versions = (r["version"] for r in json.loads(done.stdout) if r["implementation"] == "cpython")
        return next(versions, f"{python}.0")

    def cache_folder(self, directory: Path) -> Path:
        """Return the folder of uv's cache for a project."""
        argv = ["cache", "dir", "--project", str(directory)]
        return Path(self._run(argv, resolving_env(self.environ), cwd=directory).stdout.strip())

    def create_environment(self, folder: Path, python: str) -> None:
        """Create a virtual environment in a folder, for builds without isolation."""
        argv = ["venv", "--clear", "--python", python, "--no-project", "--no-config", "--no-python-downloads"]
        self._run([*argv, str(folder)], resolving_env(self.environ))

    def install(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        epoch: int,
        show: bool,
        settings: int,
        layer: str,
        lock: Path | None = None,
        path: Path | None = None,
    ) -> None:
        """Run `uv pip install` in `cwd` with the open file of its `settings`; with `show`, show what uv prints.

        `path` is first on the PATH of builds. Raises LayerLockError if uv cannot read `lock` or its settings.
        """
        env = installing_env(self.environ, epoch)
        if path is not None:
            env |= {"PATH": os.pathsep.join(filter(None, (str(path), env.get("PATH"))))}
        shown = partial(_show, layer) if show else None
        done = self._run(argv, env, cwd=cwd, show=shown, check=False, files=(settings,))
        if lock is not None and any(words in done.stderr for words in _UNREADABLE):
            raise errors.LayerLockError(lock, f"uv cannot read it: {done.stderr.strip().splitlines()[-1].strip()}")
        # uv breaks its lines at the width of a terminal.
        said = " ".join(done.stderr.split())
        if done.status > 0 and (package := _unbuilt(said)):
            command = shlex.join([self.path, *argv]) if "--verbose" in argv else ""
            detail = "" if show else done.stderr.strip()
            problem = f"layer {layer!r}: {package} could not be built; {_build_step(said, package)}"
            raise errors.UvFailedError(command, done.status, detail, problem)
        self._raise_for(replace(done, stderr="") if show else done, argv)

    def _run(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        cwd: Path | None = None,
        show: Callable[[str], object] | None = None,
        check: bool = True,
        files: Sequence[int] = (),
    ) -> process.Finished:
        _ = self.version
        done = process.run([self.path, *argv], env=env, cwd=cwd, show=show, files=files)
        if check:
            self._raise_for(done, argv)
        return done

    def _raise_for(self, done: process.Finished, argv: Sequence[str]) -> None:
        if done.status:
            raise errors.UvFailedError(shlex.join([self.path, *argv]), done.status, done.stderr.strip())
