"""Holding a tree against its layer lock."""

from __future__ import annotations

import hashlib
import posixpath
import stat
from typing import TYPE_CHECKING

from uv_layers import installed, seal
from uv_layers.model import Problem

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from uv_layers.model import Distribution, LayerLock


def problems(tree: Path, lock: LayerLock, digests: Mapping[str, str] | None, epoch: int) -> list[Problem]:
    """Return what is wrong with a tree, sorted by path, nothing when all is well.

    `digests` has the SHA-256 of each bytecode file that `install` made, by its path; without it, any bytecode of a
    source that is there will do. The kinds are `missing`, `added`, `altered`, `mode`, `mtime`, `no-package`,
    `other-version` and `added-package`.
    """
    found = installed.distributions(tree)
    on_disk = dict(seal.walk(tree))
    if digests is None:
        digests = _bytecode(tree, found, on_disk)
    wrong = [*_packages(found, lock), *_files(tree, found, digests, on_disk)]
    wrong += [problem for path, status in on_disk.items() for problem in _metadata(path, status, epoch)]
    return sorted((Problem(lock.layer, *fields) for fields in wrong), key=lambda p: (p.path, p.kind))


def _packages(found: list[Distribution], lock: LayerLock) -> Iterator[tuple[str, str, str]]:
    there = {distribution.name: distribution for distribution in found}
    for name, version in lock.versions.items():
        if name not in there:
            yield "no-package", "", f"{name} {version} is not there"
        # A source that is built says its version when it is built; its lock need not.
        elif version is not None and there[name].version != version:
            yield "other-version", there[name].info, f"{name} is {there[name].version}, the lock has {version}"
    for name in there.keys() - lock.versions.keys():
        yield "added-package", there[name].info, f"the lock has no {name}"


def _bytecode(tree: Path, found: list[Distribution], on_disk: Mapping[str, object]) -> dict[str, str]:
    """Return the digests of the bytecode that is there of the sources in the RECORDs (PEP 3147)."""
    known = {
        (posixpath.dirname(path), posixpath.basename(path).removesuffix(".py"))
        for distribution in found
        for path in distribution.files
        if path.endswith(".py")
    }
    there = {}
    for path in on_disk:
        folder, name = posixpath.split(path)
        if name.endswith(".pyc") and (folder.removesuffix("/__pycache__"), name.split(".")[0]) in known:
            there[path] = hashlib.sha256((tree / path).read_bytes()).hexdigest()
    return there


def _files(
    tree: Path, found: list[Distribution], digests: Mapping[str, str], on_disk: Mapping[str, os.stat_result]
) -> Iterator[tuple[str, str, str]]:
    lost = {clash.path: clash.owners[-1] for clash in installed.clashes(found)}
    # Bytecode that a wheel brings gives way to that which `install` makes.
    expected = {
        path: recorded
        for distribution in found
        for path, recorded in distribution.files.items()
        if path not in digests and lost.get(path, distribution.name) == distribution.name
    }
    for path, recorded in expected.items():
        if path in on_disk and not installed.matches(tree / path, recorded):
            yield "altered", path, "its hash is not that of RECORD"
    for path, digest in digests.items():
        if path in on_disk and hashlib.sha256((tree / path).read_bytes()).hexdigest() != digest:
            yield "altered", path, "it is not the bytecode that was made"
    wanted = {*expected, *digests}
    for path in wanted - on_disk.keys():
        yield "missing", path, "bytecode" if path in digests else "RECORD has it"
    folders = {""}
    for folder in map(posixpath.dirname, wanted):
        while folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)  # noqa: PLW2901 - up to the top
    for path in on_disk.keys() - wanted - folders:
        yield "added", path, "no RECORD has it"


def _metadata(path: str, status: os.stat_result, epoch: int) -> Iterator[tuple[str, str, str]]:
    mode, mtime = status.st_mode, int(status.st_mtime)
    sealed = seal.FOLDER if stat.S_ISDIR(mode) else seal.file_mode(mode)
    if not stat.S_ISLNK(mode) and stat.S_IMODE(mode) != sealed:
        yield "mode", path, f"{stat.S_IMODE(mode):o} instead of {sealed:o}"
    if mtime != epoch:
        yield "mtime", path, f"{mtime} instead of {epoch}"
