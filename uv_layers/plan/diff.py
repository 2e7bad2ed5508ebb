"""What changes from one set of layers to another. Pure: no process, no file, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from uv_layers.lock.packages import Layer, Package


@dataclass(frozen=True, slots=True)
class Change:
    """What changed for a package in a layer.

    `kind` is `added`, `removed`, `updated`, `rebuilt` (the same version from another file), `retimed` (the same file
    with another upload time) or `moved` (from the layer `other`, or to it if the package is `away`). A change of the
    kind `setting` is one of a setting of the layer, which `package` names.
    """

    package: str
    kind: str
    old: str | None = None
    new: str | None = None
    other: str | None = None
    away: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class LayerChange:
    """What an update does to a layer, whose `status` is `same`, `changed`, `added`, `removed` or `unknown`.

    A layer of the project is `unknown` if nothing but its sources, which are not compared, can have changed.

    `size` is what a client pulls of it in bytes, `kept` how much of that is packages that did not change, and
    `unsized` the number of its packages whose size is not known.
    """

    layer: str
    status: str
    changes: tuple[Change, ...] = ()
    size: int = 0
    kept: int = 0
    unsized: int = 0


def compare(old: Sequence[Layer], new: Sequence[Layer]) -> tuple[LayerChange, ...]:
    """Return what becomes of each layer, those of `new` from bottom to top and then those that are gone.

    A layer is the same when it installs the same content, wherever that is downloaded from.
    """
    before = {m.package.name: (layer.name, m.package) for layer in old for m in layer.members}
    after = {m.package.name: (layer.name, m.package) for layer in new for m in layer.members}
    names = {layer.name: layer.settings for layer in old}
    changes = []
    for layer in new:
        found = [c for m in layer.members if (c := _arrived(layer.name, m.package, before.get(m.package.name)))]
        found += _left(layer.name, before, after)
        # An empty tree is the same however it is made; an environment has files all the same.
        if layer.members or layer.kind == "environment":
            found += _settings(names.get(layer.name, layer.settings), layer.settings)
        if layer.name in names and not found:
            changes.append(LayerChange(layer.name, "unknown" if layer.kind == "project" and layer.members else "same"))
            continue
        kept = sum(m.package.size or 0 for m in layer.members if _is_same(m.package, before.get(m.package.name)))
        status = "changed" if layer.name in names else "added"
        ordered = tuple(sorted(found, key=lambda change: change.package))
        changes.append(LayerChange(layer.name, status, ordered, layer.size, kept, layer.unsized))
    there = {layer.name for layer in new}
    gone = [layer.name for layer in old if layer.name not in there]
    return (*changes, *(LayerChange(name, "removed", tuple(_left(name, before, after))) for name in gone))


def _arrived(layer: str, package: Package, before: tuple[str, Package] | None) -> Change | None:
    """Return how a package of a layer is not as it was, or None where it is."""
    if before is None:
        return Change(package.name, "added", new=package.version)
    where, old = before
    if where != layer:
        return Change(package.name, "moved", old.version, package.version, where)
    if _is_same(package, before):
        return None
    if content(old) == content(package):
        return Change(package.name, "retimed", old.version, package.version)
    kind = "rebuilt" if old.version == package.version else "updated"
    return Change(package.name, kind, old.version, package.version)


def _settings(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    return [
        Change(key, "setting", old.get(key), new.get(key))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def _is_same(package: Package, before: tuple[str, Package] | None) -> bool:
    return before is not None and (content(before[1]), _times(before[1])) == (content(package), _times(package))


def _left(
    layer: str, before: Mapping[str, tuple[str, Package]], after: Mapping[str, tuple[str, Package]]
) -> list[Change]:
    """Return the packages that the layer had and has no more."""
    found = []
    for name, (was_in, package) in sorted(before.items()):
        if was_in != layer or (name in after and after[name][0] == layer):
            continue
        if name in after:
            where, moved = after[name]
            found.append(Change(name, "moved", package.version, moved.version, where, away=True))
        else:
            found.append(Change(name, "removed", old=package.version))
    return found


def content(package: Package) -> object:
    """Return what decides the content of an installed package: its version and its files' hashes, or its commit."""
    commit = package.table.get("vcs", {}).get("commit-id")
    return package.version, commit, sorted(item for file in _files(package) for item in file["hashes"].items())


def _times(package: Package) -> list[object]:
    return [file.get("upload-time") for file in _files(package)]


def _files(package: Package) -> list[Mapping[str, Any]]:
    table = package.table
    return [*table.get("wheels", ()), *(table[key] for key in ("sdist", "archive") if key in table)]
