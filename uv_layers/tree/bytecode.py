"""Bytecode for the paths that the image will have, compiled once for each wheel.

A cache entry has the bytecode of one wheel. Its key is a digest of everything that the bytecode depends on: the
wheel's content, the exact build of the interpreter, the optimisation level, the folder in the image, the invalidation
mode, the time of the sources where the mode compares it, and which sources are left out.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import posixpath
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from uv_layers.system import process
from uv_layers.system.names import counted
from uv_layers.tree.bytecode_cache import FORMAT, Cache
from uv_layers.tree.bytecode_worker import OPTIMISATION, ask, running

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from uv_layers.system.interpreter import Target
    from uv_layers.tree.installed import Distribution


_TEST_FOLDERS = {"test", "tests"}

# How many sources are compiled in one process.
_LIST = 16


@dataclass(frozen=True, slots=True)
class Compiled:
    """The result of compiling sources: the digest of each .pyc by its path in the tree, and the number of
    sources that are no valid Python.
    """

    sources: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    invalid: int = 0


@dataclass(slots=True)
class _Unit:
    """The sources of one wheel, as paths in the tree, their time, and their bytecode as the compiler returns it."""

    key: str
    time: int
    codes: dict[str, bytes | None]
    missing: int


def sources(distribution: Distribution, which: str, lost: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Return the sources of a distribution that are compiled, as sorted paths in the tree.

    They are those in its site folder, less those in a package's test folders, which no image imports, and less
    the `lost`, whose path another distribution has.
    """
    site = f"{distribution.site}/"
    found = []
    for path in distribution.files:
        if not path.endswith(".py") or not path.startswith(site) or path in lost:
            continue
        below_package = path[len(site) :].split("/")[1:-1]
        if which == "default" and not _TEST_FOLDERS.isdisjoint(below_package):
            continue
        found.append(path)
    return tuple(sorted(found))


def bytecode_path(source: str, cache_tag: str) -> str:
    """Return where the bytecode of a source goes (PEP 3147)."""
    folder, name = posixpath.split(source)
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{cache_tag}.pyc"


@dataclass(frozen=True)
class Compiler:
    """Compiles the sources of one tree for their paths in the image, below `prefix`.

    `times` has the time of each package's files, in seconds since 1970. `sources` is `all` or `default` (test folders
    are left out). `exclude_files` are the patterns of sources that are not in the tree. `report` gets the progress.
    """

    tree: Path
    prefix: str
    target: Target
    cache: Cache
    times: Mapping[str, int]
    sources: str = "default"
    invalidation: str = "timestamp"
    exclude_files: tuple[str, ...] = ()
    report: Callable[[str], object] = str

    def restore(self, contents: Mapping[str, str]) -> dict[str, Compiled]:
        """Write the bytecode of wheels in the cache; their sources need not exist yet.

        `contents` has the hash of each wheel by the distribution's name.
        """
        with ThreadPoolExecutor(process.cores()) as pool:
            keys = {name: self._key(name, content) for name, content in contents.items()}
            parts = zip(keys, pool.map(self._restore, keys.values()), strict=True)
            return {name: part for name, part in parts if part is not None}

    def finish(
        self,
        found: Sequence[Distribution],
        contents: Mapping[str, str],
        shared: Mapping[str, Sequence[Distribution]],
        restored: Mapping[str, Compiled],
        scratch: Path,
    ) -> Compiled:
        """Write the bytecode of all sources of the distributions, and add new bytecode to the cache.

        `shared` has the files that several distributions list, of which the last owns the file. `restored` is what
        `restore` has returned. A distribution without a hash of its wheel in `contents` is
        identified by its sources. `scratch` is an empty folder. Raises CompileError.
        """
        # uv may have overwritten restored bytecode, or a source that several packages have.
        sharing = {distribution.name for having in shared.values() for distribution in having}
        brought = {path for distribution in found for path in distribution.files if path.endswith(".pyc")}
        done, open_ = [], []
        for distribution in found:
            lost = [path for path, having in shared.items() if distribution in having[:-1]]
            paths = sources(distribution, self.sources, frozenset(lost))
            part = restored.get(distribution.name)
            if part and part.sources == paths and distribution.name not in sharing and brought.isdisjoint(part.digests):
                done.append(part)
                continue
            self._take_back(part)
            content = contents.get(distribution.name) or _content(self.tree, paths)
            open_.append((distribution.name, paths, self._key(distribution.name, content, lost)))
        units = []
        for name, paths, key in open_:
            part = self._restore(key) if paths else Compiled()
            if part and part.sources == paths:
                done.append(part)
            else:
                self._take_back(part)
                units.append(_Unit(key, self._time(name), dict.fromkeys(paths), len(paths)))
        if units:
            done.append(self._compile(units, scratch))
        digests = {path: digest for part in done for path, digest in part.digests.items()}
        return Compiled((), digests, sum(part.invalid for part in done))

    def _take_back(self, part: Compiled | None) -> None:
        """Remove unused restored bytecode, and its folders."""
        for place in (self.tree / path for path in part.digests) if part else ():
            place.unlink(missing_ok=True)
            with suppress(OSError):
                os.removedirs(place.parent)

    def _time(self, package: str) -> int:
        return self.times[package] if self.invalidation == "timestamp" else 0

    def _key(self, package: str, content: str, lost: Sequence[str] = ()) -> str:
        target = self.target
        facts = [content, target.magic, target.cache_tag, target.build, target.abiflags, OPTIMISATION, self.prefix]
        facts += [self.sources, self.invalidation, self._time(package), target.local_site, *self.exclude_files]
        return hashlib.sha256(json.dumps([FORMAT, *facts, *sorted(lost)]).encode()).hexdigest()

    def _restore(self, key: str) -> Compiled | None:
        """Write the cached bytecode of a wheel, or return None if the cache does not have it."""
        codes = self.cache.get(key)
        # A shared cache is untrusted: write only below the prefix.
        below = f"{self.prefix.rstrip('/')}/"
        if codes is None or any(".." in path.split("/") or not f"/{path}".startswith(below) for path in codes):
            return None
        digests = dict(self._write(source, code) for source, code in codes.items() if code is not None)
        return Compiled(tuple(codes), digests, len(codes) - len(digests))

    def _write(self, source: str, code: bytes) -> tuple[str, str]:
        """Write the bytecode of a source, and return its path in the tree and its digest."""
        path = bytecode_path(source, self.target.cache_tag)
        place = f"{self.tree}/{path}"
        try:
            file = open(place, "wb")  # noqa: PTH123, SIM115 - hot
        except FileNotFoundError:
            os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120
            file = open(place, "wb")  # noqa: PTH123, SIM115
        with file:
            file.write(code)
        return path, hashlib.sha256(code).hexdigest()

    def _compile(self, units: Sequence[_Unit], scratch: Path) -> Compiled:
        """Compile the sources of the units, wheel by wheel, and cache the bytecode of each wheel."""
        digests: dict[str, str] = {}
        guard = Lock()
        # A list has sources of one wheel, always the same, because the bytecode depends on the sources before.
        named = [(unit, list(unit.codes)) for unit in units]
        jobs = iter([(unit, names[i : i + _LIST]) for unit, names in named for i in range(0, len(names), _LIST)])
        count = sum(unit.missing for unit in units)
        done = itertools.count(1)

        def work() -> None:
            with running(self.target, self.invalidation, scratch) as worker:
                while True:
                    with guard:
                        job = next(jobs, None)
                    if job is None:
                        return
                    unit, names = job
                    requests = [(f"{self.tree}/{source}", f"/{source}", unit.time) for source in names]
                    for source, code in zip(names, ask(worker, requests, self.target), strict=True):
                        written = None if code is None else self._write(source, code)
                        with guard:
                            digests.update([written] if written else [])
                            unit.codes[source] = code
                            unit.missing -= 1
                            self.report(f"compiling {next(done)} of {counted(count, 'file')}")
                            whole = not unit.missing
                        if whole:
                            self.cache.put(unit.key, unit.codes)
                            unit.codes = {}

        # For a few sources, starting another worker takes longer than it saves.
        workers = min(process.cores(), -(-count // _LIST))
        with ThreadPoolExecutor(workers) as pool:
            for worker in [pool.submit(work) for _ in range(workers)]:
                worker.result()
        return Compiled((), digests, count - len(digests))


def _content(tree: Path, sources: Sequence[str]) -> str:
    """Return a digest of sources. It does not use RECORD, whose hashes are not verified."""
    facts = [(path, hashlib.sha256((tree / path).read_bytes()).hexdigest()) for path in sources]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
