"""Sizes of packages that `uv.lock` does not give: from their index, from uv's cache and from layer trees."""

from __future__ import annotations

import csv
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from uv_layers.system.names import normalised
from uv_layers.system.tasks import parallel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from uv_layers.lock.packages import Layer, Package

# Seconds to wait for an index, and requests at once.
_TIMEOUT, _REQUESTS = 10, 8

# The part of its installed bytes that a package is to download, about: wheels of torch and CUDA have 0.5 to 0.6.
_PACKED = 0.5


def complete(
    layers: Sequence[Layer], root: Path, folders: Iterable[tuple[Path, str]], *, offline: bool
) -> tuple[list[Layer], dict[str, int]]:
    """Return the layers with the sizes that indexes tell, and estimates by name for packages whose size none tells.

    Paths in the packages start from `root`; `folders` have installed packages at a pattern below each. With `offline`,
    no index is asked.
    """
    unknown = {m.package.name: m.package for layer in layers for m in layer.members if m.package.size is None}
    if not unknown:
        return list(layers), {}
    exact = {name: size for name, package in unknown.items() if (size := _size_here(package, root))}
    asked = {} if offline else {name: url for name, package in unknown.items() if (url := _url(package))}
    lengths = parallel([partial(_content_length, url) for url in asked.values()], _REQUESTS) if asked else []
    exact |= {name: length for name, length in zip(asked, lengths, strict=True) if length}
    wanted = {(name, package.version or ""): name for name, package in unknown.items() if name not in exact}
    estimates: dict[str, int] = {}
    for folder, pattern in folders if wanted else ():
        for name, size in _installed(folder, pattern, wanted):
            estimates.setdefault(name, size)
    return [_with_sizes(layer, exact) for layer in layers], estimates


def _with_sizes(layer: Layer, sizes: dict[str, int]) -> Layer:
    members = (
        replace(m, package=replace(m.package, size=sizes.get(m.package.name, m.package.size))) for m in layer.members
    )
    return replace(layer, members=tuple(members))


def _files(package: Package) -> list[Mapping[str, Any]]:
    table = package.table
    return [*table.get("wheels", ()), *(table[key] for key in ("sdist", "archive") if key in table)]


def _size_here(package: Package, root: Path) -> int | None:
    """Return the size of a package's file if that is on this machine."""
    with suppress(OSError):
        return next(((root / file["path"]).stat().st_size for file in _files(package) if "path" in file), None)
    return None


def _url(package: Package) -> str | None:
    """Return where the one file of a package is downloaded from, or None if that is not by HTTP."""
    urls = (str(file.get("url", "")) for file in _files(package))
    return next((url for url in urls if url.startswith(("http://", "https://"))), None)


def _content_length(url: str) -> int | None:
    """Return the length of a file by a HEAD request, or None if the server does not tell it."""
    from http.client import HTTPException  # noqa: PLC0415 - with urllib, 60 ms
    from urllib.request import Request, urlopen  # noqa: PLC0415

    with suppress(OSError, ValueError, HTTPException):
        request = Request(url, method="HEAD", headers={"User-Agent": "uv-layers", "Accept-Encoding": "identity"})  # noqa: S310
        with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - only HTTP: see _url
            return int(answer.headers.get("Content-Length", ""))
    return None


def _installed(folder: Path, pattern: str, wanted: dict[tuple[str, str], str]) -> Iterator[tuple[str, int]]:
    """Yield the packages that are installed below a folder, with an estimate of what they are to download."""
    for record in folder.glob(f"{pattern}/*.dist-info/RECORD"):
        name, _, version = record.parent.name.removesuffix(".dist-info").partition("-")
        found = wanted.get((normalised(name), version))
        if found is not None:
            with suppress(OSError, ValueError, csv.Error), record.open(encoding="utf-8", newline="") as file:
                yield found, round(_PACKED * sum(int(row[2]) for row in csv.reader(file) if row[2:] and row[2]))
