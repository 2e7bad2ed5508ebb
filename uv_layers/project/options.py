"""The options that all commands share: the project, the target and uv."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Selection:
    """uv's options that choose the packages of the image."""

    groups: tuple[str, ...] = ()
    no_groups: tuple[str, ...] = ()
    no_default_groups: bool = False
    all_groups: bool = False
    extras: tuple[str, ...] = ()
    all_extras: bool = False
    no_install_project: bool = False
    no_install_packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """The options that all commands share: the project, the target and uv."""

    directory: Path | None = None
    packages: tuple[str, ...] = ()
    all_packages: bool = False
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
    editable: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
