"""Every kind of error that a user can meet, with its exit code and its stable code; most have their message here, too.

Exit codes: 1 a check says no, 2 bad usage, configuration or input, 3 uv failed, 4 the machine failed.
A message is one line: the cause, what it concerns, and the next step.
"""

from __future__ import annotations

import errno
import re
import shlex
import signal
from typing import TYPE_CHECKING, ClassVar

from uv_layers.credentials import masked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

# The longest line of an error, and the longest value of a document in one.
_LINE, _VALUE = 4000, 100
_ROOM = "free disk space, or choose another folder"
_ACCESS = "check the folder's permissions, or choose another folder"
_STEPS = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EACCES: _ACCESS,
    errno.EPERM: _ACCESS,
    errno.EROFS: _ACCESS,
}
# By what uv says.
_UV_STEPS = {
    f"(os error {number})": f"{step} with UV_CACHE_DIR, TMPDIR or --layers-dir" for number, step in _STEPS.items()
}


def _listing(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def printable(text: str) -> str:
    """Return text with control characters escaped, so that input cannot drive the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(value: object) -> str:
    """Return a value of a document as a message has it, not longer than a line bears."""
    text = repr(value)
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}…"


class LayersError(Exception):
    """An error that is reported in one line and ends the program with `exit_code`."""

    exit_code: ClassVar[int] = 2
    code: ClassVar[str] = "error"

    def __init_subclass__(cls, *, code: str, exit_code: int = 2) -> None:
        cls.code, cls.exit_code = code, exit_code

    def __init__(self, message: str) -> None:
        message = printable(masked(message))
        half = _LINE // 2
        super().__init__(message if len(message) <= _LINE else f"{message[:half]} … {message[-half:]}")


class ProjectNotFoundError(LayersError, code="no-project"):
    def __init__(self, directory: Path) -> None:
        super().__init__(
            f"no pyproject.toml in {directory} or above; run in a uv project, or pass its folder with --project"
        )


class UnreadableFileError(LayersError, code="unreadable-file"):
    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(f"cannot read {path}: {reason}")


class LockNotFoundError(LayersError, code="no-lock"):
    def __init__(self, directory: Path) -> None:
        super().__init__(f"no uv.lock in {directory}; run `uv lock`")


class StaleLockError(LayersError, code="stale-lock"):
    def __init__(self, path: Path, reason: str = "") -> None:
        self.cause = f"{path} does not match pyproject.toml{reason and f' ({reason})'}"
        super().__init__(f"{self.cause}; run `uv lock`, or skip the check with --frozen")


class StaleDockerfileError(LayersError, code="stale-dockerfile"):
    def __init__(self, expected: Sequence[str], names: Sequence[str]) -> None:
        super().__init__(
            f"the Dockerfile has the layers {_listing(expected)}, but the project has {_listing(names)}; "
            "run `uv-layers dockerfile --write Dockerfile`"
        )


class ConfigError(LayersError, code="bad-config"):
    def __init__(self, source: str, setting: str, problem: str) -> None:
        super().__init__(f"{source}: {setting}: {problem}")


class LayerNameError(LayersError, code="bad-layer-name"):
    def __init__(self, source: str, name: str) -> None:
        super().__init__(
            f"{source}: {shown(name)} is not a valid layer name; use up to 63 characters (a-z, 0-9, - and _), "
            "with a letter or digit at both ends"
        )


class DuplicateLayerError(LayersError, code="duplicate-layer"):
    def __init__(self, source: str, name: str, step: str = "rename one") -> None:
        super().__init__(f"{source}: two layers are named {name!r}; {step}")


class UnknownLayerError(LayersError, code="unknown-layer"):
    def __init__(self, name: str, layers: Sequence[str], groups: Sequence[str]) -> None:
        others = f"; other dependency groups: {_listing(groups)}" if groups else ""
        super().__init__(f"no layer or dependency group {name!r}; layers: {_listing(layers)}{others}")


class UnknownGroupError(LayersError, code="unknown-group"):
    def __init__(self, source: str, group: str, groups: Sequence[str]) -> None:
        super().__init__(f"{source}: no dependency group {group!r} in pyproject.toml; defined: {_listing(groups)}")


class UnknownExtraError(LayersError, code="unknown-extra"):
    def __init__(self, source: str, extra: str, extras: Sequence[str]) -> None:
        super().__init__(f"{source}: no extra {extra!r} in pyproject.toml; defined: {_listing(extras)}")


class NoLayersError(LayersError, code="no-layers"):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: no dependencies, and no default groups other than dev, so there is nothing to layer; "
            "add dependencies, list a group in tool.uv.default-groups, or name one with --group"
        )


class PatternError(LayersError, code="unmatched-pattern"):
    def __init__(self, source: str, layer: str, pattern: str) -> None:
        super().__init__(
            f"{source}: layer {layer!r}: {pattern!r} matches no package in the image; "
            "correct the pattern (`uv tree` lists the packages)"
        )


class TwoVersionsError(LayersError, code="two-versions"):
    def __init__(self, package: str, first: tuple[str, str], second: tuple[str, str]) -> None:
        (where, version), (other, another) = first, second
        reasons = re.findall(r"\((group|extra) ([^()]+)\)", f"{where} {other}")
        ways = dict.fromkeys(
            f"pass --no-group {name}" if kind == "group" else f"drop the extra {name}" for kind, name in reasons
        )
        which = f" ({' or '.join(ways)})" if ways else ""
        # A group on top may be left out, the image may not.
        what = other if where == "the image" else f"one of these{which}"
        super().__init__(
            f"{where} needs {package} {version} and {other} needs {package} {another}; "
            f"an image can contain only one version of a package, so leave out {what}, or build two images"
        )


class RefusedError(LayersError, code="refused"):
    """uv refuses the selection: what it asks for is not in the lock, or in conflict."""

    def __init__(self, reason: str) -> None:
        conflict = "leave out one of the conflicting groups or extras, or build two images"
        step = conflict if "incompatible" in reason else "correct the name, or run `uv lock`"
        super().__init__(f"uv refuses this selection: {reason}; {step}")


class UnsupportedTargetError(LayersError, code="unsupported-target"):
    def __init__(self, target: str, environments: Iterable[str]) -> None:
        super().__init__(
            f"uv.lock has no packages for {target}: tool.uv.environments lists only {_listing(environments)}; "
            "choose another target with --platform and --python, or add this target to the list and run `uv lock`"
        )


class SourceNameError(LayersError, code="source-name"):
    def __init__(self, package: str, folder: str, name: str) -> None:
        super().__init__(
            f"{package} comes from the folder {folder}, whose project is named {name}, so uv refuses the dependency; "
            f"depend on {name}, or correct tool.uv.sources"
        )


class NoWheelError(LayersError, code="no-wheel"):
    def __init__(
        self,
        package: str,
        version: str | None,
        target: str,
        *,
        build_forbidden: bool = False,
        wheels_forbidden: bool = False,
        elsewhere: bool = False,
        glibc: tuple[int, int, str] | None = None,
    ) -> None:
        """`glibc` is the minor version that the target has, the one that a wheel needs, and the machine."""
        if glibc:
            old, new, machine = glibc
            target += f" with glibc 2.{old}"
            step = (
                f"only for glibc 2.{new}; use a base image with glibc 2.{new} or newer, and pass "
                f"--platform {machine}-manylinux_2_{new} whenever you run uv-layers outside that image"
            )
        elif elsewhere:
            step = "and uv cannot build for another platform; build the layer, or a wheel, on that platform"
        elif build_forbidden:
            step = "and no-build forbids building it; allow the build, or choose another version"
        else:
            step = "and it has no source distribution; choose another version, Python or platform"
        cause = f"has no wheel for {target}, {step}"
        if wheels_forbidden:
            cause = (
                "has no source distribution, and no-binary forbids its wheels; allow them, or choose another version"
            )
        super().__init__(f"{' '.join(filter(None, (package, version)))} {cause}")


class UnsupportedSourceError(LayersError, code="unsupported-source"):
    def __init__(self, package: str, kind: str) -> None:
        super().__init__(
            f"{package} comes from {kind}, which has no SHA-256 or stronger hash; "
            "use an index that provides hashes, or another source"
        )


class LocalFolderError(LayersError, code="local-folder"):
    def __init__(self, package: str, folder: str) -> None:
        super().__init__(
            f"{package} comes from the folder {folder}, which uv.lock does not pin; add "
            '{ name = "app", project = true } as the last layer; if only one group needs it, also pass --group NAME'
        )


class LayerLockError(LayersError, code="bad-layer-lock"):
    def __init__(self, path: Path, problem: object) -> None:
        super().__init__(f"{path}: {problem}; run `uv-layers export` to write the lock again")


class LayerLockNotFoundError(LayersError, code="no-layer-lock"):
    def __init__(self, path: Path, found: Sequence[str]) -> None:
        super().__init__(
            f"no {path.name} in {path.parent} (layer locks there: {_listing(found)}); "
            "run `uv-layers export` to write it"
        )


class TargetError(LayersError, code="bad-target"):
    """The platform or Python of --platform and --python cannot be used."""


class PythonMismatchError(LayersError, code="python-mismatch"):
    def __init__(self, source: str, wanted: str, found: str) -> None:
        super().__init__(
            f"{source} needs {wanted}, but the target is {found}; choose another target with --python or --platform"
        )


class NotOursError(LayersError, code="not-ours"):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"uv-layers did not create {path} and will not replace it; remove it, or choose another --layers-dir"
        )


class MarksError(LayersError, code="no-marks"):
    def __init__(self, path: str, count: int, mark: str, end: str = "") -> None:
        """`end` is the missing last line of a block that starts."""
        message = f"{path} must contain exactly one block that starts with `{mark}`, but contains {count}; "
        if end:
            message = f"{path}: the block that starts with `{mark}` has no last line `{end}`; add it"
        elif count:
            message += "keep only one"
        else:
            message += "copy the missing blocks from `uv-layers dockerfile --snippet`, or name the image with --image"
        super().__init__(message)


class ExcludedError(LayersError, code="excluded"):
    """The build context lacks files that the Dockerfile needs. `line` is the last one that excludes one of them."""

    def __init__(self, path: Path, excluded: Sequence[str], line: str, exceptions: Sequence[str]) -> None:
        super().__init__(
            f"{path} excludes {_listing(excluded)}, which the Dockerfile needs; "
            f"add {'the lines ' if len(exceptions) > 1 else ''}{_listing(exceptions)} below {line}"
        )


class GitError(LayersError, code="git"):
    """git failed, or cannot read a revision."""


class UsageError(LayersError, code="usage"):
    """The command line is wrong."""


class NotBuiltError(LayersError, code="not-built"):
    def __init__(self, layers: Sequence[str], folder: Path, options: Sequence[str] = ()) -> None:
        command = shlex.join(["uv-layers", "install", *layers, *options])
        super().__init__(f"no layer tree in {folder} for {_listing(layers)}; run `{command}`")


class ShellNotFoundError(LayersError, code="no-shell"):
    def __init__(self, known: Iterable[str]) -> None:
        super().__init__(f"cannot detect your shell; choose one with --shell: {_listing(known)}")


class UnknownShellError(LayersError, code="unknown-shell"):
    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"shell {name!r} is not supported; choose one with --shell: {_listing(known)}")


class PathSeparatorError(LayersError, code="path-separator"):
    def __init__(self, variable: str, folder: str) -> None:
        super().__init__(
            f"{folder} contains `:`, which separates folders in {variable}; "
            "choose a --layers-dir without `:`, or use --json"
        )


class UvNotFoundError(LayersError, code="no-uv", exit_code=3):
    def __init__(self, where: str) -> None:
        super().__init__(f"uv not found: {where}; install it (`pip install uv`) or set UV_LAYERS_UV to its path")


class UvTooOldError(LayersError, code="old-uv", exit_code=3):
    def __init__(self, path: str, version: str, minimum: str) -> None:
        super().__init__(
            f"{path} is uv {version}, but uv-layers needs {minimum} or newer; update it, e.g. with `uv self update`"
        )


class UvFailedError(LayersError, code="uv-failed", exit_code=3):
    """uv ended with an error: its own words (`detail`), then the line with the command that failed.

    If the `problem` is known, the line has that and what to do, and the command only if there is one.
    """

    def __init__(self, command: str, status: int, detail: str = "", problem: str = "") -> None:
        self.detail = "\n".join(map(printable, masked(detail).splitlines()))
        if problem:
            super().__init__(f"{problem}; the command was: {command}" if command else problem)
            return
        how = f"was killed by signal {-status}" if status < 0 else f"failed with exit code {status}"
        steps = [f"{step}; " for words, step in _UV_STEPS.items() if words in detail] if status > 0 else []
        if status == -signal.SIGKILL:
            steps = ["run the command again, with more memory if the system ran out; "]
        super().__init__(f"uv {how}; {''.join(steps)}the command was: {command}")


class MachineError(LayersError, code="machine", exit_code=4):
    def __init__(self, error: OSError) -> None:
        where = f": {error.filename}" if error.filename else ""
        step = _STEPS.get(error.errno or 0)
        super().__init__(f"{error.strerror or error}{where}{f'; {step}' if step else ''}")


class CompileError(LayersError, code="compile-failed", exit_code=4):
    def __init__(self, interpreter: str, source: str) -> None:
        super().__init__(f"{interpreter} crashed while compiling {source}; skip bytecode with --compile none")


class IncompleteTreeError(LayersError, code="incomplete-tree", exit_code=4):
    def __init__(self, path: str, *, expected: bool) -> None:
        what = "was removed" if expected else "was created"
        super().__init__(
            f"{path} {what} while the tree was being built; stop the program that changes it, and run the command again"
        )


class ForeignMetadataError(LayersError, code="foreign-metadata"):
    def __init__(self, package: str, path: str, owner: str) -> None:
        super().__init__(
            f"{package} installs {path} into the metadata folder of {owner}; leave one of these packages out"
        )


class BaseImageError(LayersError, code="base-image"):
    """A layer does not fit the base image."""


class ClashError(LayersError, code="clash"):
    def __init__(self, path: str, owners: Sequence[str]) -> None:
        super().__init__(
            f"{path} differs between {' and '.join(owners)}; leave one of the packages out, or drop --strict"
        )
