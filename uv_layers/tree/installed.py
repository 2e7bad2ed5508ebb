"""Read the distributions in a tree from their RECORD files (PEP 376, PEP 627)."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import posixpath
import string
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from uv_layers import errors
from uv_layers.system.names import normalised
from uv_layers.system.paths import below

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution. Paths are relative to the tree: its `.dist-info` folder, its site folder, and the
    files of its RECORD, each with its hash or an empty text.
    """

    name: str
    version: str
    info: str
    site: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Clash:
    """A file that several distributions have with different content; the last of `owners` wins."""

    path: str
    owners: tuple[str, ...]


_SUFFIX = ".dist-info"

# The length of a hash in hex.
_HEX = {"sha256": 64, "sha384": 96, "sha512": 128}

# Linux reads 127 characters of the first line, `#!` among them.
_LONGEST_SHEBANG = 125


def sites(tree: Path, prefix: str, python: str) -> list[str]:
    """Return the site folders of Python `X.Y` below the prefix of a tree, sorted."""
    top = below(Path(), prefix).as_posix()
    folders = product(("lib", "lib64"), (f"python{python}", f"python{python}t", f"pypy{python}"), ("site", "dist"))
    paths = (posixpath.normpath(f"{top}/{lib}/{name}/{kind}-packages") for lib, name, kind in folders)
    return sorted(path for path in paths if (tree / path).is_dir())


def distributions(tree: Path, sites: Iterable[str]) -> list[Distribution]:
    """Return the distributions in the site folders of a tree, sorted by name."""
    return sorted((_read(tree, info) for site in sites for info in _infos(tree, site)), key=lambda d: d.name)


def scripts(site: str) -> str:
    """Return the folder for scripts of a site folder: `bin` next to its `lib` or `lib64`."""
    return posixpath.join(f"/{site}".rpartition("/lib")[0].lstrip("/"), "bin")


def _infos(tree: Path, site: str) -> Iterator[str]:
    for name in os.listdir(tree / site):  # noqa: PTH208 - names are enough
        if name.endswith(_SUFFIX) and (tree / site / name / "RECORD").is_file():
            yield f"{site}/{name}"


def _read(tree: Path, info: str) -> Distribution:
    name, version = package_of(info)
    site = posixpath.dirname(info)
    files = {}
    try:
        with (tree / info / "RECORD").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            for row in filter(None, csv.reader(file)):
                path = posixpath.normpath(posixpath.join(site, row[0]))
                # Metadata that uv did not write may list anything.
                if path[:1] != "/" and path.split("/", 1)[0] != ".." and "\0" not in path:
                    files[path] = _hash(row[1]) if len(row) > 1 else ""
    except (OSError, csv.Error):
        # `verify` reports the files, as they have no owner.
        files = {}
    return Distribution(name, version, info, site, files)


def package_of(info: str) -> tuple[str, str]:
    """Return the normalised name and the version in the name of a `.dist-info` folder."""
    name, _, version = posixpath.basename(info).removesuffix(_SUFFIX).partition("-")
    return normalised(name), version


def foreign_metadata(found: Sequence[Distribution]) -> tuple[str, str, str] | None:
    """Return a package that has a file in a `.dist-info` folder of a package in `found` other than its own folder.

    The three values are the package, the file and the package of the folder; None if there is no such file.
    """
    names = {distribution.name for distribution in found}
    for distribution in found:
        for path in distribution.files:
            folder, _, inner = path.removeprefix(f"{distribution.site}/").partition("/")
            if not inner or not folder.endswith(_SUFFIX) or f"{distribution.site}/{folder}" == distribution.info:
                continue
            if path.startswith(f"{distribution.site}/") and (owner := package_of(folder)[0]) in names:
                return distribution.name, path, owner
    return None


def _hash(recorded: str) -> str:
    """Return a hash of a RECORD in the form of the specification: uv accepts hexadecimal or padded ones in wheels."""
    algorithm, _, value = recorded.partition("=")
    if len(value) == _HEX.get(algorithm) and not value.strip(string.hexdigits):
        value = _encoded(bytes.fromhex(value))
    return f"{algorithm}={value.rstrip('=')}" if value else recorded


def shared(found: Sequence[Distribution]) -> dict[str, list[Distribution]]:
    """Return the files of more than one distribution, with these distributions."""
    owners: dict[str, list[Distribution]] = {}
    for distribution in found:
        for path in distribution.files:
            owners.setdefault(path, []).append(distribution)
    return {path: having for path, having in sorted(owners.items()) if len(having) > 1}


def clashes(found: Sequence[Distribution]) -> list[Clash]:
    """Return the files of several distributions that differ, sorted by path. The last distribution by name wins."""
    return [
        Clash(path, tuple(distribution.name for distribution in having))
        for path, having in shared(found).items()
        # Bytecode may have no hash; then it counts as different.
        if len({distribution.files[path] or distribution.name for distribution in having}) > 1
    ]


def folder_clashes(found: Sequence[Distribution]) -> list[Clash]:
    """Return the files whose path is a folder of another distribution, sorted by path."""
    folders: set[str] = set()
    for path in (path for distribution in found for path in distribution.files):
        folder = posixpath.dirname(path)
        while folder and folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    return [
        Clash(path, tuple(d.name for d in found if path in d.files or any(p.startswith(f"{path}/") for p in d.files)))
        for path in sorted(folders.intersection(*[{path for d in found for path in d.files}]))
    ]


def check_complete(found: Sequence[Distribution], bytecode: Collection[str], paths: Collection[str]) -> None:
    """Raise IncompleteTreeError unless a tree has the files that its RECORDs list, the bytecode, and no others.

    uv lists in a RECORD exactly what it unpacks. A difference means that another program changed the tree meanwhile,
    or that two wheels wrote to each other's RECORD.
    """
    expected = {path for distribution in found for path in distribution.files}.union(bytecode)
    if different := expected.symmetric_difference(paths):
        path = min(different)
        raise errors.IncompleteTreeError(path, expected=path in expected)


def is_script(path: str) -> bool:
    """Return whether a path is a script: its folder is `bin`."""
    return posixpath.basename(posixpath.dirname(path)) == "bin"


def matches(path: Path, recorded: str, sha256: str | None = None) -> bool:
    """Return whether the file has the hash of a RECORD row, e.g. `sha256=47DEQp…`. Without a hash, any file matches.

    `sha256` is the hash of the file in hex, if it is known.
    """
    if not recorded:
        return True
    algorithm, _, expected = recorded.partition("=")
    if algorithm == "sha256" and sha256 is not None:
        return _encoded(bytes.fromhex(sha256)) == expected
    return bool(expected) and record_hash(path, algorithm) == expected


def record_hash(path: Path, algorithm: str = "sha256") -> str:
    """Return the hash of a file for a RECORD, or an empty text for an unknown algorithm."""
    try:
        digest = hashlib.new(algorithm)
        digest.digest()  # SHAKE needs a length
    except (TypeError, ValueError):
        return ""
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return _encoded(digest.digest())


def _encoded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def rename_interpreter(tree: Path, found: Sequence[Distribution], old: str, new: str) -> None:
    """Replace the interpreter `old` by `new` in the first lines of scripts, and update RECORD."""
    changed = {}
    for path in {path for distribution in found for path in distribution.files if is_script(path)}:
        if not (tree / path).is_file():
            continue
        content = (tree / path).read_bytes()
        renamed = _renamed(content, old.encode(), new.encode())
        if renamed != content:
            (tree / path).write_bytes(renamed)
            changed[path] = [f"sha256={record_hash(tree / path)}", str(len(renamed))]
    for distribution in found:
        if not changed.keys().isdisjoint(distribution.files):
            update_record(tree, distribution, changed=changed)


def _renamed(script: bytes, old: bytes, new: bytes) -> bytes:
    """Return the script with its interpreter replaced, in plain form or in uv's form for long paths or spaces."""
    plain, _, rest = script.partition(b"\n")
    if plain == b"#!" + old:
        return _shebang(new) + rest
    if script.startswith(b"#!/bin/sh\n'''exec' '" + old + b"' "):
        return _shebang(new) + script.partition(b"\n' '''\n")[2]
    return script


def _shebang(interpreter: bytes) -> bytes:
    """Return the first lines of a script; as in pip, a shell starts a path that the kernel does not accept."""
    if len(interpreter) <= _LONGEST_SHEBANG and b" " not in interpreter.removeprefix(b"/usr/bin/env "):
        return b"#!" + interpreter + b"\n"
    return b"#!/bin/sh\n'''exec' '" + interpreter + b"' \"$0\" \"$@\"\n' '''\n"


def update_record(
    tree: Path,
    distribution: Distribution,
    *,
    changed: Mapping[str, list[str]] = {},
    renamed: Mapping[str, str] = {},
    removed: Collection[str] = (),
) -> None:
    """Update the RECORD of a distribution: new hashes and sizes, new paths, and removed files."""
    record = tree / distribution.info / "RECORD"
    rows = []
    with record.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        for row in filter(None, csv.reader(file)):
            path = posixpath.normpath(posixpath.join(distribution.site, row[0]))
            if path in removed:
                continue
            row[1:] = changed.get(path, row[1:])
            if path in renamed:
                row[0] = posixpath.relpath(renamed[path], distribution.site)
            rows.append(row)
    with record.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
