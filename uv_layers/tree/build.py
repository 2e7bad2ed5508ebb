"""Build a layer tree from a layer lock: install, compile, seal and put in place."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli

from uv_layers import __version__, errors
from uv_layers.system.names import counted
from uv_layers.system.paths import below
from uv_layers.tree.environment import image_interpreter, in_local_site, make_environment
from uv_layers.tree.record import Record, identity, recorded
from uv_layers.tree.seal import digest, file_content, hashed
from uv_layers.tree.times import DEFAULT, Times, file_time

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from uv_layers.lock.layer_lock import LayerLock
    from uv_layers.project.options import Options
    from uv_layers.system.interpreter import Target
    from uv_layers.system.uv import Uv
    from uv_layers.tree.folder import LayersFolder
    from uv_layers.tree.installed import Clash, Distribution


@dataclass(frozen=True, slots=True)
class Tree:
    """A layer tree that is in place. `seconds` is the time that its build took, None if it was up to date."""

    layer: str
    path: Path
    record: Record
    seconds: float | None = None
    digest: str | None = None


def silent(_: str, __: str) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Build:
    """One run of `install`: where trees go, and how they are built.

    `sources` and `invalidation` choose what is compiled and how, as in `bytecode.Compiler`. With `strict`, two
    packages with different content for one file are an error. With `digest`, each tree gets its digest. No file of a
    tree is newer than `latest`, the value of SOURCE_DATE_EPOCH in seconds. Paths in layer locks start from `root`, and
    `access` has the project's settings for access to indexes. `report` gets a layer and its current step, or an empty
    text at the end.
    """

    options: Options
    folder: LayersFolder
    latest: int | None = None
    sources: str = "default"
    invalidation: str = "timestamp"
    strict: bool = False
    digest: bool = False
    root: Path = Path()
    access: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    report: Callable[[str, str], object] = silent

    def stamp(self, inputs: Sequence[Path]) -> str:
        """Return a digest of everything that decides the tree and is known without starting uv."""
        options = self.options
        facts: list[Any] = [options.prefix, options.python, options.platform, options.frozen, repr(options.selection)]
        facts += [*self._how(), options.packages, options.all_packages]
        facts += [self.environ.get(name) for name in ("PATH", "VIRTUAL_ENV", "UV_NO_BUILD_ISOLATION")]
        total = hashlib.sha256(json.dumps(facts).encode())
        for path in inputs:
            total.update(b"\0".join((b"", os.fsencode(path), file_content(path).encode())))
        return total.hexdigest()

    def unchanged(self, layer: str, stamp: str) -> Tree | None:
        """Return the layer's tree if none of its inputs changed."""
        record = recorded(self.folder, layer)
        if record is None or record.stamp != stamp or record.interpreter != identity(record.interpreter[0]):
            return None
        if self.folder.was_left(layer):
            return None
        return self._tree(layer, record)

    def make(self, uv: Uv, lock: LayerLock, target: Target, stamp: str) -> Tree:
        """Build the layer's tree and put it in place, or keep the current one if it is the same."""
        started = time.monotonic()
        facts: list[Any] = [lock.text, lock.prefix, target.executable, target.magic, target.build, target.abiflags]
        facts += [target.markers["platform_machine"], *self._how()]
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        stamp = "" if lock.kind == "project" else stamp
        interpreter = identity(str(target.executable))
        with self.folder.staging(lock.layer) as staging:
            record = recorded(self.folder, lock.layer)
            stays = record is not None and record.key == key and lock.kind != "project"
            if record is not None and stays:
                record = replace(record, stamp=stamp, interpreter=interpreter)
                self.folder.rewrite_record(lock.layer, record.to_json())
            else:
                record = replace(self._fill(uv, lock, target, staging), key=key, stamp=stamp, interpreter=interpreter)
                self.folder.put(lock.layer, staging / "tree", record.to_json())
        self.report(lock.layer, "")
        return self._tree(lock.layer, record, None if stays else time.monotonic() - started)

    def _how(self) -> list[object]:
        return [__version__, self.latest, self.sources, self.invalidation]

    def _fill(self, uv: Uv, lock: LayerLock, target: Target, staging: Path) -> Record:
        """Build the tree in `staging`, and return its record."""
        from uv_layers.tree import bytecode, bytecode_cache, excluded, installed, isolation, seal  # noqa: PLC0415

        tree, scratch = staging / "tree", staging / "scratch"
        below(tree, lock.prefix).mkdir(parents=True)
        scratch.mkdir()
        cache = bytecode_cache.Cache(staging) if self.sources == "none" else bytecode_cache.Cache.of(self.environ)
        package_times = {name: file_time(lock.times.get(name), self.latest) for name in lock.versions}
        how, report = (self.sources, self.invalidation, lock.exclude_files), partial(self.report, lock.layer)
        compiler = bytecode.Compiler(tree, lock.prefix, target, cache, package_times, *how, report)
        self.report(lock.layer, f"installing {counted(len(lock.versions), 'package')}")
        with ThreadPoolExecutor(1) as pool:
            # Restore bytecode while uv copies: both mostly wait for the disk.
            restored = pool.submit(compiler.restore, {} if self.sources == "none" else lock.wheels)
            if lock.kind == "environment":
                make_environment(target, below(tree, lock.prefix), lock.prefix, self.environ)
            elif lock.versions:
                self._install(uv, lock, target, staging, staging)
        everything = installed.distributions(tree, installed.sites(tree, lock.prefix, target.python))
        # A wheel may contain the metadata of a package outside the lock; the files belong to the wheel.
        found = [distribution for distribution in everything if distribution.name in lock.versions]
        if foreign := installed.foreign_metadata(found):
            raise errors.ForeignMetadataError(*foreign)
        lock_file = below(tree, lock.prefix) / ".lock"
        if not any(os.path.relpath(lock_file, tree) in distribution.files for distribution in found):
            lock_file.unlink(missing_ok=True)  # uv's lock of the folder, not a file of a wheel
        found, saved = excluded.exclude(tree, found, excluded.Excluded(lock.prefix, lock.exclude_files))
        shared, clashes = installed.shared(found), installed.clashes(found)
        self._check(clashes)
        self._settle(uv, lock, target, staging, found, clashes)
        image = image_interpreter(lock.prefix, target)
        for interpreter in (str(target.executable), str(isolation.interpreter(staging))):
            if image != interpreter:
                installed.rename_interpreter(tree, found, interpreter, image)
        compiled = bytecode.Compiled()
        if self.sources != "none":
            compiled = compiler.finish(found, lock.wheels, shared, restored.result(), scratch)
        self.report(lock.layer, "checking files")
        # A RECORD has the hash of every file but itself.
        records = {f"{distribution.info}/RECORD" for distribution in found}
        if lock.kind == "environment":
            records = {entry.path for entry in seal.walk(tree) if entry.has_content}
        made = {path: seal.identity(tree / path) for path in records}
        sealed = seal.seal(tree, lock.prefix, Times.of(found, lock.times, self.latest))
        if lock.kind != "environment":
            installed.check_complete(found, compiled.digests, sealed.paths)
        return Record(
            prefix=lock.prefix,
            sites=sorted({distribution.site for distribution in found}),
            packages=len(lock.versions),
            files=len(sealed.paths),
            size=sealed.size,
            built=sorted(lock.versions.keys() - lock.wheels.keys()),
            clashes=clashes,
            invalid=compiled.invalid,
            exclude_files=list(lock.exclude_files),
            excluded=saved,
            latest=self.latest,
            executable=sealed.executable,
            made=made | dict(compiled.digests),
        )

    def _install(
        self, uv: Uv, lock: LayerLock, target: Target, staging: Path, place: Path, only: str | None = None
    ) -> None:
        """Install the lock's packages, or only one of them, into the tree in `place`."""
        import tomli_w  # noqa: PLC0415

        from uv_layers.lock.builds import settings_to_install  # noqa: PLC0415
        from uv_layers.lock.layer_lock import file_name, placed  # noqa: PLC0415
        from uv_layers.system.uv import install_argv, unnamed_file  # noqa: PLC0415
        from uv_layers.tree import isolation, scheme  # noqa: PLC0415

        for path in (self.root, self.folder.path):
            if os.fsencode(path) != str(path).encode(errors="replace"):
                raise errors.UsageError(f"{path} is not valid UTF-8, which uv needs; choose another folder")
        tree, work = place / "tree", place / "work"
        work.mkdir()
        unisolated = set() if target.platform else isolation.unisolated(lock)
        isolated = None if only is None and not unisolated else ({only} if only else lock.versions.keys()) - unisolated
        tables = [*tomli.loads(lock.text).get("packages", ()), *lock.build_packages]
        settings = settings_to_install(lock.settings, tables, self.root, unisolated)
        # Build backends use this as the latest time in generated files.
        epoch = DEFAULT if self.latest is None else self.latest
        # An explicit settings file, so that uv does not look for one around the trees.
        with unnamed_file(tomli_w.dumps({**settings, **self.access})) as (descriptor, name):

            def install(names: Collection[str] | None, python: str, prefix: Path | None, path: Path | None) -> None:
                folders = [f for n, f in zip(lock.versions, lock.folders, strict=False) if names is None or n in names]
                file = work / file_name(lock.layer)
                if not folders:
                    file.write_text(placed(lock, self.root, names), encoding="utf-8")
                argv = install_argv(
                    folders or (file,),
                    prefix,
                    python,
                    editable=lock.editable if self.options.editable else (),
                    settings=name,
                    environ=self.environ,
                    platform=target.platform,
                    verbose=self.options.verbose,
                )
                run = partial(uv.install, cwd=work, epoch=epoch, settings=descriptor, path=path)
                run(argv, layer=lock.layer, lock=lock.path, show=self.options.verbose)

            prefix = below(tree, lock.prefix)
            with in_local_site(tree, lock.prefix, target):
                if isolated is None or isolated:
                    install(isolated, str(target.executable), prefix, None)
                if late := unisolated if only is None else unisolated & {only}:
                    python = isolation.interpreter(staging)
                    uv.create_environment(python.parent.parent, str(target.executable))
                    install(isolation.installed_before(lock), str(python), None, None)
                    install(late, str(python), prefix, python.parent)
        scheme.arrange(tree, lock.prefix, target)

    def _settle(
        self, uv: Uv, lock: LayerLock, target: Target, staging: Path, found: list[Distribution], clashes: list[Clash]
    ) -> None:
        """Give each clashing file the content of its last owner: uv keeps that of any owner.

        RECORD files do not have modes, so shared files get the mode of a script or of a plain file.
        """
        from uv_layers.tree import installed, seal  # noqa: PLC0415

        tree = staging / "tree"
        files = {distribution.name: distribution.files for distribution in found}
        for owner in sorted({clash.owners[-1] for clash in clashes}):
            paths = [c.path for c in clashes if c.owners[-1] == owner]
            if all(files[owner][path] and installed.matches(tree / path, files[owner][path]) for path in paths):
                continue
            alone = staging / "alone"
            alone.mkdir()
            self._install(uv, lock, target, staging, alone, owner)
            for path in paths:
                shutil.copyfile(alone / "tree" / path, tree / path)
            shutil.rmtree(alone)
        for path in installed.shared(found):
            with suppress(FileNotFoundError):  # a RECORD may list files that the wheel lacks
                (tree / path).chmod(seal.EXECUTABLE if installed.is_script(path) else seal.FILE)

    def _check(self, clashes: Sequence[Clash]) -> None:
        if clashes and self.strict:
            raise errors.ClashError(clashes[0].path, clashes[0].owners)

    def _tree(self, layer: str, record: Record, seconds: float | None = None) -> Tree:
        """Return the tree of a record; without `seconds`, it is up to date."""
        path, tree_digest = self.folder.tree(layer), None
        if self.digest:
            with self.folder.reading([layer]):
                tree_digest = digest(hashed(path))
        self._check(record.clashes)
        return Tree(layer, path, record, seconds, tree_digest)
