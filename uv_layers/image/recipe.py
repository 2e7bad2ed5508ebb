"""What a Dockerfile is written from."""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uv_layers import __version__, errors
from uv_layers.lock import uv_lock
from uv_layers.plan import resolve
from uv_layers.plan.sources import git_layers
from uv_layers.system.names import normalised
from uv_layers.system.paths import ENVIRONMENT, is_environment, resolved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from uv_layers.project.config import LayerSpec
    from uv_layers.project.discovery import Project
    from uv_layers.project.options import Options


def recipe_of(options: Options, current: Project, named: Sequence[str], settings: Mapping[str, Any]) -> Recipe:
    """Return what the Dockerfile of the project says; `settings` are those of `[tool.uv-layers.dockerfile]`.

    Raises UsageError for a file that is outside of the build context.
    """
    specs, on_top, _ = resolve.layers_of(options, current, named)
    own = current.config.project
    prefix = resolve.prefix_of(options, current.config.prefix)
    stages = [Stage(ENVIRONMENT)] * is_environment(prefix)
    git = git_layers(current, uv_lock.read_uv_lock(current.lock), (*specs, *on_top))
    stages += [Stage(s.name, s.image, _system_packages(s, git=s.name in git)) for s in (*specs, *on_top)]
    names = [stage.layer for stage in stages]
    arguments = _export_arguments(options, current)
    if own is not None:
        stages.append(Stage(own.name, own.image, own.system_packages, tuple(_install_arguments(options, current))))
    sources = settings.get("copy", _sources(current) if own is None else ())
    try:
        command = tuple(shlex.split(settings.get("cmd", "")))
    except ValueError as error:
        raise errors.UsageError(f"the command {errors.shown(settings['cmd'])} is none: {error}") from None
    return Recipe(
        layers=tuple(stages),
        inputs=tuple(in_context(path, current.lock_root) for path in current.inputs),
        tool=settings.get("tool", __version__),
        image=settings["base"],
        prefix=prefix,
        builder=settings.get("builder"),
        uv=settings.get("uv"),
        files=tuple(in_context(path, current.lock_root) for path in current.files),
        export=(*arguments, *(names if on_top else ())),
        why=f"--frozen: {current.unchecked}." if current.unchecked else "",
        secrets=tuple(settings.get("secrets", ())),
        link=settings.get("link", True),
        sources=tuple(sources),
        command=command,
    )


def _system_packages(spec: LayerSpec, *, git: bool) -> tuple[str, ...]:
    """Return the packages of the system that a layer is built with: git is one if the layer has a git source."""
    given = any(re.match(r"git\b(?!-)", package) for package in spec.system_packages)
    return spec.system_packages if given or not git else (*spec.system_packages, "git")


def in_context(path: Path, root: Path) -> str:
    """Return a path as the build context has it; the context is the folder of uv.lock."""
    place, top = str(resolved(path)), os.path.join(resolved(root), "")  # noqa: PTH118
    if not f"{place}/".startswith(top):
        raise errors.UsageError(f"{path} is outside of the build context {root}; move it there")
    return place[len(top) :] or "."


def _export_arguments(options: Options, current: Project) -> list[str]:
    """Return the arguments that make `uv-layers export` in the builder choose what is chosen here."""
    words = _chosen(options, current, ".")
    words += ["--frozen"] if options.frozen or current.unchecked else []
    packages = _packages(options, current)
    folder = current.start if packages else current.directory
    if folder != current.lock_root:
        words += ["--project", in_context(folder, current.lock_root), "--output", "."]
    return words + packages


def _install_arguments(options: Options, current: Project) -> list[str]:
    """Return the arguments that make `uv-layers install` install the project, whose sources are in a folder there."""
    packages = _packages(options, current)
    where = in_context(current.start if packages else current.directory, current.lock_root)
    words = ["--project", posixpath.normpath(f"{PROJECT}/{where}"), "--layers-dir", "layers", "--frozen"]
    return [*words, *packages, *_chosen(options, current, PROJECT)]


def _packages(options: Options, current: Project) -> list[str]:
    """Return the `--package` options, unless they name the one project that is in the folder anyway."""
    one = len(options.packages) == 1 and current.source.name in options.packages
    return [] if one else [word for name in options.packages for word in ("--package", name)]


def _chosen(options: Options, current: Project, root: str) -> list[str]:
    chosen = options.selection
    words = [word for group in chosen.groups for word in ("--group", group)]
    words += [word for group in chosen.no_groups for word in ("--no-group", group)]
    words += [word for extra in chosen.extras for word in ("--extra", extra)]
    flags = (("--no-default-groups", chosen.no_default_groups), ("--all-extras", chosen.all_extras))
    words += [flag for flag, given in flags if given]
    if options.config is not None:
        words += ["--config", posixpath.normpath(f"{root}/{in_context(options.config, current.lock_root)}")]
    if options.prefix is not None:
        words += ["--prefix", options.prefix]
    return words


def _sources(current: Project) -> list[str]:
    """Return what the final image gets of each project: `src`, else its package, else its modules."""
    found: list[Path] = []
    for part in current.parts:
        names = ("src", normalised(part.name or "").replace("-", "_"))
        folders = (part.directory / name for name in names if name and (part.directory / name).is_dir())
        first = next(folders, None)
        found += sorted(part.directory.glob("*.py")) if first is None else [first]
    return [in_context(path, current.lock_root) for path in found]


# Where the stage of the project itself has the build context, below the working folder.
PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Stage:
    """The stage that makes a layer.

    It may have an image of its own instead of the builder's, and packages of the image's system to build with. One that
    installs the project itself has the arguments of `uv-layers install` for that, and the sources of the project.
    """

    layer: str
    image: str | None = None
    system_packages: tuple[str, ...] = ()
    project: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a Dockerfile is made from.

    `tool` is a version of uv-layers, or the path of its wheel in the build context; `uv` is a version of uv, an image
    that has it, `pip`, or `pip:` and a version; `inputs` are the files of the build context that decide the plan, and
    `files` those that are installed; `export` are the arguments of `uv-layers export`, and `why` says what is to be
    known of them; `secrets` are the environment variables, or `netrc`, that an index asks for; without `link` layers
    are copied in a way that Podman and Buildah know, too; `sources` are what the final image gets of the project
    itself, and `command` is what it runs; `taken` are the names that the rest of the Dockerfile uses for stages and
    images, and `escape` is the character that continues a line in it.
    """

    layers: tuple[Stage, ...]
    inputs: tuple[str, ...]
    tool: str
    image: str
    files: tuple[str, ...] = ()
    prefix: str = "/usr/local"
    builder: str | None = None
    uv: str | None = None
    export: tuple[str, ...] = ()
    why: str = ""
    secrets: tuple[str, ...] = ()
    link: bool = True
    sources: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    escape: str = "\\"
