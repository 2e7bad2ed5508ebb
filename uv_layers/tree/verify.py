"""Check a tree against its layer lock."""

from __future__ import annotations

import posixpath
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from uv_layers.tree import installed, seal
from uv_layers.tree.excluded import Excluded
from uv_layers.tree.times import Times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from uv_layers.lock.layer_lock import LayerLock
    from uv_layers.tree.installed import Distribution
    from uv_layers.tree.record import Record

    # The entries of a tree by path, each with its identity.
    OnDisk = Mapping[str, tuple[seal.Entry, str]]


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with a path of a tree: `kind` is stable, `detail` is for readers."""

    layer: str
    kind: str
    path: str
    detail: str = ""


def problems(
    tree: Path,
    lock: LayerLock,
    made: Record | None,
    latest: int | None,
    python: str,
    there: Iterable[tuple[seal.Entry, str]],
) -> list[Problem]:
    """Return the problems of a tree, sorted by path; `there` has its entries, each with its SHA-256.

    `made` is the record of the tree, `python` its minor version. Without a record, `latest` is SOURCE_DATE_EPOCH, and
    for a tree from elsewhere, bytecode and the files of a virtual environment may have any content, and any file may be
    executable. The kinds are `missing`, `added`, `altered`, `mode`, `mtime`, `no-package`,
    `other-version`, `added-package`, `other-prefix` and `other-files`.
    """
    everything = installed.distributions(tree, installed.sites(tree, lock.prefix, python))
    found = [distribution for distribution in everything if distribution.name in lock.versions]
    listed = {path for distribution in found for path in distribution.files}
    # A wheel may contain metadata of another package; then its RECORD lists those files.
    added = [d for d in everything if d.name not in lock.versions and f"{d.info}/RECORD" not in listed]
    on_disk = {
        entry.path: (entry, seal.identity(tree / entry.path) if entry.is_link else sha256) for entry, sha256 in there
    }
    digests = _bytecode([*added, *found], on_disk) if made is None else made.made
    if made is None and lock.kind == "environment":
        # The files that every virtual environment has, and all existing ones.
        digests = {f"{lock.prefix.lstrip('/')}/{name}": "" for name in ("bin/python", "pyvenv.cfg")}
        digests |= {path: identity for path, (_, identity) in on_disk.items() if identity}
    wrong = [*_packages(found, added, lock, on_disk), *_files(tree, lock.prefix, [*added, *found], digests, on_disk)]
    times = Times.of(found, lock.times, latest if made is None else made.latest)
    executable = None if made is None else frozenset(made.executable)
    wrong += _excluded(found, lock, made, on_disk)
    wrong += [problem for entry, _ in on_disk.values() for problem in _metadata(entry, times, executable)]
    return sorted((Problem(lock.layer, *fields) for fields in wrong), key=lambda p: (p.path, p.kind))


def _packages(
    found: list[Distribution], added: list[Distribution], lock: LayerLock, on_disk: OnDisk
) -> Iterator[tuple[str, str, str]]:
    if on_disk and lock.prefix.strip("/") not in {"", *on_disk}:
        yield "other-prefix", "", f"the tree contains nothing below {lock.prefix}, the prefix of the lock"
    there = {distribution.name: distribution for distribution in found}
    for name, version in lock.versions.items():
        if name not in there:
            yield "no-package", "", f"{name} {version} is not installed"
        # The lock may lack the version of a package that is built: the build decides.
        elif version is not None and there[name].version != version:
            yield "other-version", there[name].info, f"{name} is {there[name].version}, but the lock pins {version}"
    for distribution in added:
        yield "added-package", distribution.info, f"the lock has no {distribution.name}"


def _excluded(
    found: list[Distribution], lock: LayerLock, made: Record | None, on_disk: OnDisk
) -> Iterator[tuple[str, str, str]]:
    excluded = Excluded(lock.prefix, lock.exclude_files)
    for path in {path for distribution in found for path in excluded.of(distribution)} & on_disk.keys():
        yield "added", path, "the lock excludes it"
    if made is not None and made.exclude_files != list(lock.exclude_files):
        had, wanted = (" ".join(patterns) or "none" for patterns in (made.exclude_files, lock.exclude_files))
        yield "other-files", "", f"built with exclude-files: {had}; the lock has: {wanted}"


def _bytecode(found: list[Distribution], on_disk: OnDisk) -> dict[str, str]:
    """Return the digests of existing bytecode of the sources in the RECORD files (PEP 3147)."""
    known = {
        (posixpath.dirname(path), posixpath.basename(path).removesuffix(".py"))
        for distribution in found
        for path in distribution.files
        if path.endswith(".py")
    }
    there = {}
    for path, (entry, identity) in on_disk.items():
        folder, name = posixpath.split(path)
        source = folder.removesuffix("/__pycache__"), name.split(".")[0]
        if entry.is_file and name.endswith(".pyc") and source in known:
            there[path] = identity
    return there


def _files(
    tree: Path,
    prefix: str,
    found: list[Distribution],
    digests: Mapping[str, str],
    on_disk: OnDisk,
) -> Iterator[tuple[str, str, str]]:
    # `install` replaces bytecode of wheels. The last package by name owns a shared file; `found` is in that order.
    expected = {
        path: recorded for distribution in found for path, recorded in distribution.files.items() if path not in digests
    }
    wanted = {*expected, *digests}
    for path in wanted & on_disk.keys():
        (entry, identity), is_link = on_disk[path], digests.get(path, "").startswith("-> ")
        if not (entry.is_link if is_link else entry.is_file):
            yield "altered", path, f"not a {'symlink' if is_link else 'file'}"
        elif path in digests:
            if identity != digests[path]:
                yield "altered", path, "changed since install"
        elif not installed.matches(tree / path, expected[path], identity):
            yield "altered", path, "its hash differs from RECORD"
    for path in wanted - on_disk.keys():
        made = "uv-layers compiled it" if path.endswith(".pyc") else "uv-layers created it"
        yield "missing", path, "RECORD lists it" if path in expected else made
    folders = {""}
    # A tree without packages has only the prefix.
    for folder in (prefix.lstrip("/"), *map(posixpath.dirname, wanted)):
        while folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)  # noqa: PLW2901 - up to the top
    for path in on_disk.keys() - wanted - folders:
        yield "added", path, "not in any RECORD"


def _metadata(entry: seal.Entry, times: Times, executable: frozenset[str] | None) -> Iterator[tuple[str, str, str]]:
    path, mode, mtime = entry
    if stat.S_ISDIR(mode):
        sealed = seal.FOLDER
    elif executable is None:
        sealed = seal.file_mode(mode)
    else:
        sealed = seal.EXECUTABLE if path in executable else seal.FILE
    if not entry.is_link and stat.S_IMODE(mode) != sealed:
        yield "mode", path, f"{stat.S_IMODE(mode):o} instead of {sealed:o}"
    expected = times.of_file(path) if entry.has_content else times.default
    if mtime != expected:
        yield "mtime", path, f"{mtime} instead of {expected}"
