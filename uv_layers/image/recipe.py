"""Collect the data for a Dockerfile."""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from uv_layers import __version__, errors
from uv_layers.lock.uv_lock import read_uv_lock
from uv_layers.plan import resolve
from uv_layers.plan.sources import asks_git, git_layers
from uv_layers.project.config import DEPENDENCIES
from uv_layers.system.paths import ENVIRONMENT, is_environment, resolved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from uv_layers.project.config import LayerSpec
    from uv_layers.project.discovery import Project
    from uv_layers.project.options import Options


def recipe_of(
    options: Options,
    current: Project,
    named: Sequence[str],
    settings: Mapping[str, Any],
    context: Path,
    remembered: Sequence[str] = (),
) -> Recipe:
    """Return the data for the project's Dockerfile; `settings` are those of `[tool.uv-layers.dockerfile]`.

    `context` is the build context. Raises UsageError for a file outside it.
    """
    name = settings.get("image", "")
    if name and not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        raise errors.UsageError(
            f"--image: {name!r} is not a valid stage name; use a-z, 0-9, - and _, starting with a letter"
        )
    editable = settings.get("editable", "")
    if editable and not _FOLDER.fullmatch(editable):
        raise errors.UsageError(f"--editable: {editable!r} is not a valid path in the image; pass e.g. /app")
    layers = resolve.layers_of(options, current, named)
    own = layers.own
    stages = [Stage(ENVIRONMENT)] * is_environment(layers.prefix)
    specs = (*layers.layers, *layers.on_top)
    git = git_layers(current, read_uv_lock(current.lock), specs)
    stages += [_stage(spec, git=spec.name in git) for spec in specs]
    names = [stage.layer for stage in stages]
    arguments = _export_arguments(options, current, context)
    if own is not None:
        # With the version in a variable, e.g. SETUPTOOLS_SCM_PRETEND_VERSION, the build does not ask git.
        given = any("VERSION" in name for name in (*own.args, *dict(own.env)))
        stage = _stage(own, git=not given and asks_git(current))
        stages.append(replace(stage, project=tuple(_install_arguments(options, current, context, editable))))
    try:
        command = tuple(shlex.split(settings.get("cmd", "")))
    except ValueError as error:
        raise errors.UsageError(
            f"--cmd: {errors.shown(settings['cmd'])} is not valid: {error}; correct its quoting"
        ) from None
    return Recipe(
        name=name,
        layers=tuple(stages),
        inputs=tuple(in_context(path, context) for path in _inputs(current, arguments)),
        tool=settings.get("tool", __version__),
        image=settings["base"],
        prefix=layers.prefix,
        builder=settings.get("builder"),
        uv=settings.get("uv"),
        files=tuple((in_context(path, context), os.path.relpath(path, current.lock_root)) for path in current.files),
        export=(*arguments, *(names if layers.on_top else ()), "--expect", ",".join(layers.names)),
        why=f"--frozen: {current.unchecked}." if current.unchecked else "",
        secrets=tuple(settings.get("secrets", ())),
        link=settings.get("link", True),
        sources=tuple(settings.get("copy", ())),
        folder=None if "copy" in settings else "." if editable else _folder(current, context),
        editable=editable,
        remembered=shlex.join(remembered),
        command=command,
    )


def _stage(spec: LayerSpec, *, git: bool = False) -> Stage:
    """Return the stage of a layer, with git among the system packages if the layer needs it."""
    stage = Stage(spec.name, spec.image, spec.system_packages, args=spec.args, env=spec.env)
    if git and not stage.has_git:
        stage = replace(stage, system_packages=(*stage.system_packages, "git"))
    return stage


def in_context(path: Path, context: Path) -> str:
    """Return a path relative to the build context; raises UsageError for a path outside it."""
    place, top = str(resolved(path)), os.path.join(resolved(context), "")  # noqa: PTH118
    if not f"{place}/".startswith(top):
        above = os.path.commonpath([place, top])
        raise errors.UsageError(f"{path} is outside the build context {context}; pass --context {above}")
    return place[len(top) :] or "."


def _export_arguments(options: Options, current: Project, context: Path) -> list[str]:
    """Return the arguments with which `uv-layers export` in the builder makes the same selection."""
    words = _chosen(options, context, ".")
    words += ["--frozen"] if options.frozen or current.unchecked else []
    packages = _packages(options, current)
    folder = current.start if packages else current.directory
    if resolved(folder) != resolved(context):
        words += ["--project", in_context(folder, context), "--output", "."]
    return words + packages


def _inputs(current: Project, export: Sequence[str]) -> list[Path]:
    """Return the files that `uv-layers export` reads; --frozen needs no `pyproject.toml` of mere dependencies."""
    if "--frozen" not in export:
        return list(current.inputs)
    folders = {current.lock_root, current.start, current.directory, *(part.directory for part in current.parts)}
    return [path for path in current.inputs if path.name != "pyproject.toml" or path.parent in folders]


def _install_arguments(options: Options, current: Project, context: Path, editable: str) -> list[str]:
    """Return the arguments with which `uv-layers install` in a stage installs the project from its sources."""
    packages = _packages(options, current)
    where = in_context(current.start if packages else current.directory, context)
    root = editable or PROJECT
    words = ["--editable"] if editable else []
    words += ["--project", posixpath.normpath(f"{root}/{where}"), "--layers-dir", "layers", "--frozen"]
    return [*words, *packages, *_chosen(options, context, root)]


def _packages(options: Options, current: Project) -> list[str]:
    """Return the `--package` options, unless they name only the project in the folder."""
    if options.all_packages:
        return ["--all-packages"]
    one = len(options.packages) == 1 and current.source.name in options.packages
    return [] if one else [word for name in options.packages for word in ("--package", name)]


def _chosen(options: Options, context: Path, root: str) -> list[str]:
    chosen = options.selection
    words = [word for group in chosen.groups for word in ("--group", group)]
    words += [word for group in chosen.no_groups for word in ("--no-group", group)]
    words += [word for extra in chosen.extras for word in ("--extra", extra)]
    flags = (
        ("--no-default-groups", chosen.no_default_groups),
        ("--all-groups", chosen.all_groups),
        ("--all-extras", chosen.all_extras),
        ("--no-install-project", chosen.no_install_project),
    )
    words += [flag for flag, given in flags if given]
    words += [word for name in chosen.no_install_packages for word in ("--no-install-package", name)]
    if options.config is not None:
        words += ["--config", posixpath.normpath(f"{root}/{in_context(options.config, context)}")]
    if options.prefix is not None:
        words += ["--prefix", options.prefix]
    return words


def _folder(current: Project, context: Path) -> str | None:
    """Return the folder to copy into the final image, which has the projects that are not installed, or None."""
    installed = current.local.get(DEPENDENCIES, frozenset())
    folders = [part.directory for part in current.parts if part.name not in installed]
    if not folders:
        return None
    return in_context(folders[0] if len(folders) == 1 else current.lock_root, context)


# Without `..` and special characters of shells and Dockerfiles. The builder uses /build.
_FOLDER = re.compile(r"(?!/build(?:/|$))(?:/(?!\.\.?(?:/|$))[\w.-]+)+", re.ASCII)

# The folder with the build context in the stage of the project, below the working folder.
PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Stage:
    """The stage that builds a layer.

    It may have its own image instead of the builder's, system packages, build arguments, and variables with their
    values. In the stage of the project, `project` are the arguments of `uv-layers install`.
    """

    layer: str
    image: str | None = None
    system_packages: tuple[str, ...] = ()
    project: tuple[str, ...] | None = None
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()

    @property
    def has_git(self) -> bool:
        return any(re.match(r"git\b(?!-)", package) for package in self.system_packages)


@dataclass(frozen=True, slots=True)
class Recipe:
    """The data for a Dockerfile.

    - `tool` is a version of uv-layers, or the path of its wheel in the build context.
    - `uv` is a version of uv, an image that has it, `pip`, or `pip:VERSION`.
    - `inputs` are the files of the build context that decide the plan, `files` those that are installed.
    - `export` are the arguments of `uv-layers export`, and `why` a comment on them.
    - `secrets` are the environment variables, or `netrc`, that indexes need.
    - `link` is false for a COPY that Podman and Buildah support.
    - `sources` and `folder` are copied into the final image; `command` is its command.
    - `taken` are names of stages and images in the rest of the Dockerfile, and `escape` its escape character.
    - `name` is the name of one of several images, and `shared` the builder stage that it shares with another.
    - `editable` is the folder of the image with the sources of local packages.
    """

    layers: tuple[Stage, ...]
    inputs: tuple[str, ...]
    tool: str
    image: str
    files: tuple[tuple[str, str], ...] = ()
    prefix: str = "/usr/local"
    builder: str | None = None
    uv: str | None = None
    export: tuple[str, ...] = ()
    why: str = ""
    secrets: tuple[str, ...] = ()
    link: bool = True
    sources: tuple[str, ...] = ()
    folder: str | None = None
    remembered: str = ""
    command: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    escape: str = "\\"
    name: str = ""
    shared: str = ""
    editable: str = ""
