"""The data that the modules hand to each other, frozen."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


DEFAULT_PREFIX = "/usr/local"
# The layer that has a virtual environment without its packages.
ENVIRONMENT = "venv"


def normalised(name: str) -> str:
    """Return a package, group or extra name, or a pattern of names, as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_environment(prefix: str) -> bool:
    """Tell whether a prefix is a virtual environment, by its last name: `.venv`, `venv`, or one that ends so."""
    return prefix.rpartition("/")[2].endswith("venv")


def resolved(path: Path) -> Path:
    """Return the path that links lead to; not by Path.resolve, which before Python 3.13 fails for a link to itself."""
    return Path(os.path.realpath(path))


def below(tree: Path, prefix: str) -> Path:
    """Return the folder of a tree that is the prefix in the image."""
    return tree / prefix.lstrip("/")


@dataclass(frozen=True, slots=True)
class Target:
    """What markers and wheel tags are evaluated for.

    `markers` is a marker environment (PEP 508); `tags` maps each supported wheel tag (PEP 425) to its
    rank, best first. An interpreter has an `executable` (the base one), the `cache_tag` and the `magic` number, in
    hex, of its bytecode (PEP 3147), its `abiflags` (PEP 3149) and the `build` that compiles: its version, and for a
    development version what Python prints about itself. Debian's own Python has a `local_site`, where it looks for
    packages that Debian did not install. `platform` is uv's name of a platform other than this one.
    """

    markers: Mapping[str, str]
    tags: Mapping[str, int]
    executable: str | None = None
    cache_tag: str = ""
    magic: str = ""
    abiflags: str = ""
    build: str = ""
    local_site: str = ""
    platform: str = ""

    @property
    def python(self) -> str:
        """The minor version, such as `3.12`."""
        return self.markers["python_version"]

    @property
    def full_python(self) -> str:
        """The full version, without the `+` of a Python from between two releases, which no specifier takes."""
        return self.markers["python_full_version"].removesuffix("+")

    def __str__(self) -> str:
        name, machine = self.markers["platform_python_implementation"], self.markers["platform_machine"]
        return f"{name} {self.python} on {self.markers['sys_platform']} {machine}"


@dataclass(frozen=True, slots=True)
class Selection:
    """uv's options that choose the packages of the image."""

    groups: tuple[str, ...] = ()
    no_groups: tuple[str, ...] = ()
    no_default_groups: bool = False
    extras: tuple[str, ...] = ()
    all_extras: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """What every command is told about the project, the target and uv."""

    directory: Path | None = None
    packages: tuple[str, ...] = ()
    warn_size: int = 2_000_000_000
    config: Path | None = None
    selection: Selection = field(default_factory=Selection)
    prefix: str | None = None
    python: str | None = None
    platform: str | None = None
    frozen: bool = False
    offline: bool = False
    verbose: bool = False
    quiet: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """A layer as it is configured: its name and what it claims, or that it is the project itself; and the image and the
    system's packages that its stage is to have.
    """

    name: str
    packages: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    dependencies: bool = False
    project: bool = False
    image: str | None = None
    system_packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """`[tool.uv-layers]`, or the same from a file of its own; `source` says which.

    `layers` are those of packages, `project` is the one of the project itself; `dockerfile` has what `uv-layers
    dockerfile` is told where no option says it.
    """

    source: str
    prefix: str = DEFAULT_PREFIX
    layers: tuple[LayerSpec, ...] = ()
    project: LayerSpec | None = None
    dockerfile: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """What a `pyproject.toml` says; a workspace root without a `[project]` table has no name.

    `groups` has the `requires-python` of each dependency group, those that it includes among them. `default_groups` is
    None for all.
    """

    directory: Path
    name: str | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    default_groups: tuple[str, ...] | None = ("dev",)
    extras: tuple[str, ...] = ()
    has_dependencies: bool = False


@dataclass(frozen=True, slots=True)
class Project:
    """A uv project: where its files are, and what its `pyproject.toml` and `uv.lock` say.

    `inputs` decide its plan; `files` are the wheels and archives in it that it depends on, and folders of such; and
    `unchecked` says why uv cannot check the lock with `inputs` only, if it cannot. `source` is its own
    `pyproject.toml`, `root` that of the workspace, and `members` has every package of the workspace.

    The rest is what `project.select` adds: `packages` are the names that uv is given with `--package` in the workspace,
    `parts` the members whose dependencies are in the image, `group_python` what each group demands of Python.
    """

    directory: Path
    lock_root: Path
    config: Config
    inputs: tuple[Path, ...]
    source: Source
    root: Source
    files: tuple[Path, ...] = ()
    unchecked: str = ""
    members: Mapping[str, Source] = field(default_factory=dict)
    requires_python: str | None = None
    python_request: str | None = None
    uv_settings: Mapping[str, Any] = field(default_factory=dict)
    start: Path = Path()
    packages: tuple[str, ...] = ()
    parts: tuple[Source, ...] = ()
    has_dependencies: bool = False
    groups: tuple[str, ...] = ()
    group_python: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    default_groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()

    @property
    def lock(self) -> Path:
        return self.lock_root / "uv.lock"


@dataclass(frozen=True, slots=True)
class Package:
    """A package as the target installs it; `size` is the download in bytes, where the lock says it.

    `table` is its PEP 751 table, narrowed to the one file that is installed; `built` says that this is no wheel;
    `index` is the URL of the index that it is from.
    """

    name: str
    version: str | None
    size: int | None = None
    built: bool = False
    index: str | None = None
    table: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Closure:
    """The packages that one group, extra or the project's dependencies need, by name and version."""

    reason: str
    versions: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Member:
    """A package in its layer: why it is there, and what else asks for it."""

    package: Package
    reason: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer; `settings` has what its lock says beside the packages: the prefix, the Python, and how it builds.

    Its `kind` is `packages`, `environment` (a virtual environment without its packages) or `project` (what is installed
    from the project's own folders).
    """

    name: str
    members: tuple[Member, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    kind: str = "packages"

    @property
    def size(self) -> int:
        """Bytes to download, of the packages whose size the lock says."""
        return sum(m.package.size or 0 for m in self.members)

    @property
    def unsized(self) -> int:
        """The number of packages whose size the lock does not say."""
        return sum(m.package.size is None for m in self.members)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The distinct reasons of its members, in order."""
        return tuple(dict.fromkeys(m.reason for m in self.members))


@dataclass(frozen=True, slots=True)
class Plan:
    """Which package is in which layer, bottom to top, and why."""

    prefix: str
    target: Target
    layers: tuple[Layer, ...]
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What changed for a package in a layer.

    `kind` is `added`, `removed`, `updated`, `rebuilt` (the same version from another file), `retimed` (the same file
    with another upload time) or `moved` (to or from the layer `other`). A change of the kind `setting` is one of a
    setting of the layer, which `package` names.
    """

    package: str
    kind: str
    old: str | None = None
    new: str | None = None
    other: str | None = None


@dataclass(frozen=True, slots=True)
class LayerChange:
    """What an update does to a layer, whose `status` is `same`, `changed`, `added` or `removed`.

    `size` is what a client pulls of it in bytes, `kept` how much of that is packages that did not change, and
    `unsized` the number of its packages whose size is not known.
    """

    layer: str
    status: str
    changes: tuple[Change, ...] = ()
    size: int = 0
    kept: int = 0
    unsized: int = 0


@dataclass(frozen=True, slots=True)
class SuggestedLayer:
    """A layer that is proposed: how it would be configured, its packages, largest first, their bytes, the number of
    those whose size is not known, and the updates in the history that changed one of them.
    """

    spec: LayerSpec
    packages: tuple[str, ...]
    size: int
    unsized: int
    changes: int


@dataclass(frozen=True, slots=True)
class Move:
    """A package that a proposal takes from one layer to another."""

    package: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Layers that are proposed, bottom to top, and what they were learned from: the revisions of the lock that git has,
    how many of them are no lock, and the updates among them that changed the image.

    The rest are bytes that a client is expected to pull at an update of the image: with one layer of everything, with
    the layers of today, with those proposed, and if only what changed were pulled; and, in `once`, what it pulls a
    single time when the layers become those proposed. `moves` are those from layers that are kept.
    """

    layers: tuple[SuggestedLayer, ...]
    revisions: int
    unreadable: int
    updates: int
    one_layer: int
    today: int
    expected: int
    floor: int
    once: int
    moves: tuple[Move, ...] = ()
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerLock:
    """The lock of one layer: what it installs, where, and the text that is its identity.

    `versions` has every package, `wheels` the hash of each package that is one wheel (the others are built), and
    `times` the upload time of the package's file, in seconds since 1970, where the lock gives it. The lock of the
    project itself is in no file; `folders` are what it installs. `path` is the file that the lock was read from.
    """

    layer: str
    prefix: str
    text: str
    versions: Mapping[str, str | None] = field(default_factory=dict)
    wheels: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "packages"
    folders: tuple[Path, ...] = ()
    times: Mapping[str, int] = field(default_factory=dict)
    path: Path | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution. Paths are relative to the tree: its `.dist-info` folder, the site folder that is
    in, and all files of its RECORD with their hash as RECORD has it, empty where it has none.
    """

    name: str
    version: str
    info: str
    site: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Clash:
    """A file that several distributions have with different content; the last of `owners` has its way."""

    path: str
    owners: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """A layer tree that is in place; `seconds` is the time that it took to build.

    `sites` are the paths of its site folders in the tree. `built` names the packages that were built from source, whose
    content is up to their build; `invalid` counts the sources that did not compile.
    """

    layer: str
    path: Path
    packages: int
    files: int
    size: int
    seconds: float
    up_to_date: bool
    built: tuple[str, ...] = ()
    clashes: tuple[Clash, ...] = ()
    invalid: int = 0
    digest: str | None = None
    prefix: str = DEFAULT_PREFIX
    sites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Environment:
    """What a shell, or an editor, is to know to use layer trees where they are.

    `trees` has them by layer, bottom to top; `variables` has the folders of `PATH` and `PYTHONPATH`, the top layer's
    first, as in the image the layer copied last wins; `interpreter` is the one that they were made with, None where
    that is not one.
    """

    trees: Mapping[str, Path]
    variables: Mapping[str, tuple[str, ...]]
    interpreter: str | None


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one path of a tree: `kind` is a stable word, `detail` says it."""

    layer: str
    kind: str
    path: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Exported:
    """A layer lock and its file; `changed` is False when the file held it already."""

    lock: LayerLock
    path: Path
    changed: bool
