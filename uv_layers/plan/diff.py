"""What changes from one set of layers to another. Pure: no process, no file, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from uv_layers.lock.packages import Layer, Package


@dataclass(frozen=True, slots=True)
class Change:
    """What changed for a package in a layer.

    `kind` is `added`, `removed`, `updated`, `rebuilt` (the same version from another file), `retimed` (the same file
    with another upload time), `moved` (from the layer `other`, or to it if `away`) or `setting` (`package` is then the
    name of a setting of the layer).
    """

    package: str
    kind: str
    old: str | None = None
    new: str | None = None
    other: str | None = None
    away: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class LayerChange:
    """What an update does to a layer. Its `status` is `same`, `changed`, `added`, `removed` or `unknown`.

    The layer of the project is `unknown` if only its sources can have changed: they are not compared.

    `size` is the bytes that a client pulls, `kept` the bytes of unchanged packages among them, and `unsized` the
    number of packages with unknown size.
    """

    layer: str
    status: str
    changes: tuple[Change, ...] = ()
    size: int = 0
    kept: int = 0
    unsized: int = 0


def compare(old: Sequence[Layer], new: Sequence[Layer]) -> tuple[LayerChange, ...]:
    """Return the change of each layer: the layers of `new` from bottom to top, then the removed ones.

    A layer is the same if it installs the same content, even from another URL.
    """
    before = {m.package.name: (layer.name, m.package) for layer in old for m in layer.members}
    after = {m.package.name: (layer.name, m.package) for layer in new for m in layer.members}
    old_settings = {layer.name: layer.settings for layer in old}
    layer_changes = []
    for layer in new:
        changes = [c for m in layer.members if (c := _arrived(layer.name, m.package, before.get(m.package.name)))]
        changes += _left(layer.name, before, after)
        # Settings do not change an empty tree; an environment has files without packages.
        if layer.members or layer.kind == "environment":
            changes += _settings(old_settings.get(layer.name, layer.settings), layer.settings)
        if layer.name in old_settings and not changes:
            status = "unknown" if layer.kind == "project" and layer.members else "same"
            layer_changes.append(LayerChange(layer.name, status))
            continue
        status = "changed" if layer.name in old_settings else "added"
        ordered = tuple(sorted(changes, key=lambda change: change.package))
        if any(_has_content_of(layer, other) for other in old):
            layer_changes.append(LayerChange(layer.name, status, ordered))
            continue
        kept = sum(m.package.size or 0 for m in layer.members if _is_same(m.package, before.get(m.package.name)))
        layer_changes.append(LayerChange(layer.name, status, ordered, layer.size, kept, layer.unsized))
    names = {layer.name for layer in new}
    gone = [layer.name for layer in old if layer.name not in names]
    return (*layer_changes, *(LayerChange(name, "removed", tuple(_left(name, before, after))) for name in gone))


def _has_content_of(layer: Layer, other: Layer) -> bool:
    """Return whether two layers have the same digest, so that clients with one of them do not pull the other.

    Builds from source may differ, and so may the files of a layer without packages.
    """
    packages = {m.package.name: (other.name, m.package) for m in other.members}
    same = len(packages) == len(layer.members) and all(
        not m.package.built and _is_same(m.package, packages.get(m.package.name)) for m in layer.members
    )
    return bool(packages) and same and layer.settings == other.settings


def _arrived(layer: str, package: Package, before: tuple[str, Package] | None) -> Change | None:
    """Return how a package of a layer changed, or None."""
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
    """Return the packages that the layer no longer has."""
    changes = []
    for name, (old_layer, package) in sorted(before.items()):
        if old_layer != layer or (name in after and after[name][0] == layer):
            continue
        if name in after:
            new_layer, moved = after[name]
            changes.append(Change(name, "moved", package.version, moved.version, new_layer, away=True))
        else:
            changes.append(Change(name, "removed", old=package.version))
    return changes


def content(package: Package) -> object:
    """Return what identifies the content of an installed package: its version, and its files' hashes or its commit."""
    commit = package.table.get("vcs", {}).get("commit-id")
    return package.version, commit, sorted(item for file in package.files for item in file["hashes"].items())


def _times(package: Package) -> list[object]:
    return [file.get("upload-time") for file in package.files]
