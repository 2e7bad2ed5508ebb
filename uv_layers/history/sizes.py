"""Find sizes that `uv.lock` lacks: in the index, in uv's cache and in layer trees."""

from __future__ import annotations

import csv
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from uv_layers.system.names import normalised
from uv_layers.system.tasks import parallel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from uv_layers.lock.packages import Layer, Package

# Seconds to wait for an index, and requests at once.
_TIMEOUT, _REQUESTS = 10, 8

# Download bytes per installed byte, roughly: wheels of torch and CUDA have 0.5 to 0.6.
_PACKED = 0.5


def complete(
    layers: Sequence[Layer], root: Path, folders: Iterable[tuple[Path, str]], *, offline: bool
) -> tuple[list[Layer], dict[str, int]]:
    """Return the layers with sizes from indexes, and estimates by name for the other packages.

    Paths in the packages start from `root`. Each of `folders` has installed packages below it, at a pattern. `offline`
    skips the indexes.
    """
    unknown = {m.package.name: m.package for layer in layers for m in layer.members if m.package.size is None}
    if not unknown:
        return list(layers), {}
    exact = {name: size for name, package in unknown.items() if (size := _size_here(package, root))}
    urls = {} if offline else {name: url for name, package in unknown.items() if (url := _url(package))}
    lengths = parallel([partial(_content_length, url) for url in urls.values()], _REQUESTS) if urls else []
    exact |= {name: length for name, length in zip(urls, lengths, strict=True) if length}
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


def _size_here(package: Package, root: Path) -> int | None:
    """Return the size of a package's file if it is a local one."""
    with suppress(OSError):
        return next(((root / file["path"]).stat().st_size for file in package.files if "path" in file), None)
    return None


def _url(package: Package) -> str | None:
    """Return the HTTP URL of a package's file, or None."""
    urls = (str(file.get("url", "")) for file in package.files)
    return next((url for url in urls if url.startswith(("http://", "https://"))), None)


def _content_length(url: str) -> int | None:
    """Return the length of a file from a HEAD request, or None."""
    from http.client import HTTPException  # noqa: PLC0415 - with urllib, 60 ms
    from urllib.request import Request, urlopen  # noqa: PLC0415

    with suppress(OSError, ValueError, HTTPException):
        request = Request(url, method="HEAD", headers={"User-Agent": "uv-layers", "Accept-Encoding": "identity"})  # noqa: S310
        with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - only HTTP: see _url
            return int(answer.headers.get("Content-Length", ""))
    return None


def _installed(folder: Path, pattern: str, wanted: dict[tuple[str, str], str]) -> Iterator[tuple[str, int]]:
    """Yield the wanted packages that are installed below a folder, with an estimate of their download size."""
    for record in folder.glob(f"{pattern}/*.dist-info/RECORD"):
        name, _, version = record.parent.name.removesuffix(".dist-info").partition("-")
        package = wanted.get((normalised(name), version))
        if package is not None:
            with suppress(OSError, ValueError, csv.Error), record.open(encoding="utf-8", newline="") as file:
                yield package, round(_PACKED * sum(int(row[2]) for row in csv.reader(file) if row[2:] and row[2]))
