"""`uv-layers dockerfile`."""

from __future__ import annotations

import os
import re
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uv_layers import errors
from uv_layers.cli.dockerignore import check_dockerignore, new_dockerignore
from uv_layers.cli.options import command, env_names
from uv_layers.cli.terminal import print_hints, say
from uv_layers.image.bake import bake_file
from uv_layers.image.dockerfile import avoiding_names, dockerfile_blocks, updated_dockerfile, whole_dockerfile
from uv_layers.image.recipe import in_context, recipe_of
from uv_layers.plan.layers import image_groups
from uv_layers.plan.resolve import check_folders, check_image, find_project, image_python, layers_of
from uv_layers.project.options import Options
from uv_layers.system.files import read_text, write_atomically
from uv_layers.system.names import normalised
from uv_layers.system.paths import resolved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from uv_layers.image.recipe import Recipe
    from uv_layers.project.discovery import Project


@command(
    example="uv-layers dockerfile --cmd 'uvicorn main:app' > Dockerfile",
    without=("platform", "offline", "verbose", "warn_size"),
)
def dockerfile(  # noqa: PLR0913 - what a Dockerfile can be told
    *,
    options: Options,
    groups: Annotated[
        list[str] | None,
        typer.Argument(metavar="[GROUP]...", help="Dependency groups to add as layers on top.", show_default=False),
    ] = None,
    snippet: Annotated[
        bool, typer.Option("--snippet", envvar=env_names("SNIPPET"), help="The stages and the COPY lines alone.")
    ] = False,
    write: Annotated[
        Path | None,
        typer.Option(
            "--write", metavar="FILE", envvar=env_names("WRITE_FILE"), help="Keep the marked blocks of a Dockerfile."
        ),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            "--check", metavar="FILE", envvar=env_names("CHECK"), help="Exit 1, with a diff, where they are stale."
        ),
    ] = None,
    as_bake: Annotated[
        bool, typer.Option("--bake", envvar=env_names("BAKE"), help="Print a file for docker buildx bake.")
    ] = False,
    base: Annotated[
        str | None,
        typer.Option(
            "--base", metavar="IMAGE", envvar=env_names("BASE"), help="The base image. [python:X.Y-slim-bookworm]"
        ),
    ] = None,
    builder: Annotated[
        str | None,
        typer.Option(
            "--builder", metavar="IMAGE", envvar=env_names("BUILDER"), help="The builder's base image. [--base]"
        ),
    ] = None,
    tool: Annotated[
        str | None,
        typer.Option(
            "--tool",
            metavar="VERSION|WHEEL",
            envvar=env_names("TOOL"),
            help="The uv-layers of the builder: a release, or a wheel in the build context. [this version]",
        ),
    ] = None,
    uv: Annotated[
        str | None,
        typer.Option(
            "--uv",
            metavar="VERSION|IMAGE|pip",
            envvar=env_names("BUILDER_UV"),
            help="The uv of the builder: a release, an image with it, or pip or pip:VERSION. [a fixed release]",
        ),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            "--secret", metavar="NAME", envvar=env_names("SECRET"), help="A variable that an index asks for, or netrc."
        ),
    ] = None,
    no_link: Annotated[
        bool, typer.Option("--no-link", envvar=env_names("NO_LINK"), help="Plain COPY lines, for Podman and Buildah.")
    ] = False,
    copy: Annotated[
        list[str] | None,
        typer.Option(
            "--copy", metavar="PATH", envvar=env_names("COPY"), help="What of the project goes into the image."
        ),
    ] = None,
    cmd: Annotated[
        str | None, typer.Option("--cmd", metavar="COMMAND", envvar=env_names("CMD"), help="The command of the image.")
    ] = None,
) -> None:
    """Print a Dockerfile with a stage and a COPY line for each layer, or keep them up to date in one."""
    told: dict[str, object] = {
        "base": base,
        "builder": builder,
        "tool": tool,
        "uv": uv,
        "cmd": cmd,
        "secrets": secret,
        "copy": copy,
    }
    told = {key: value for key, value in told.items() if value} | ({"link": False} if no_link else {})
    if sum(map(bool, (snippet, write and not as_bake, check, as_bake))) > 1:
        raise errors.UsageError("--snippet, --write, --check and --bake are different things to do; give one")
    path = write or check
    if as_bake:
        typer.echo(bake_for(options, path or Path("Dockerfile"), groups or (), told), nl=False)
    elif path is None:
        typer.echo(dockerfile_for(options, groups or (), told, snippet=snippet), nl=False)
    else:
        _keep(path, *kept_dockerfile(options, path, groups or (), told), options, write=check is None)


def _recipe(
    options: Options, project: Project, named: Sequence[str], told: Mapping[str, Any], dockerfile: Path
) -> Recipe:
    """Return the recipe of the project; `told`, from the command line, wins over the configuration."""
    settings = {**project.config.dockerfile, **told}
    if not settings.get("base"):
        layers, on_top, _ = layers_of(options, project, named)
        python = image_python(options, project)
        groups = image_groups(project, options.selection, layers)
        check_image(options, project, [*groups, *(spec.name for spec in on_top)], python)
        settings["base"] = f"python:{python}-slim-bookworm"
    recipe = recipe_of(options, project, named, settings)
    check_folders(options, project, named)
    print_hints(check_dockerignore(recipe, project, dockerfile), options)
    return recipe


def dockerfile_for(
    options: Options,
    named: Sequence[str] = (),
    told: Mapping[str, Any] | None = None,
    *,
    snippet: bool = False,
) -> str:
    """Return a Dockerfile for the project, or its stages and `COPY` lines alone.

    `told` has what the configuration's table `dockerfile` may have, and wins over it.
    """
    recipe = _recipe(options, find_project(options), named, told or {}, Path("Dockerfile"))
    return dockerfile_blocks(recipe) if snippet else whole_dockerfile(recipe)


def kept_dockerfile(
    options: Options, path: Path, named: Sequence[str] = (), told: Mapping[str, Any] | None = None
) -> tuple[str, str, tuple[Path, str] | None]:
    """Return the text of a Dockerfile as it is and as it should be, and the `.dockerignore` to write beside a new one.

    A Dockerfile that does not exist yet is empty.
    """
    project = find_project(options)
    recipe = _recipe(options, project, named, told or {}, path)
    if not path.exists():
        return "", whole_dockerfile(recipe), new_dockerignore(recipe, project, path)
    text = read_text(path)
    return text, updated_dockerfile(text, recipe, str(path)), None


def bake_for(options: Options, path: Path, named: Sequence[str] = (), told: Mapping[str, Any] | None = None) -> str:
    """Return a file for `docker buildx bake` that goes with the Dockerfile at `path`."""
    current = find_project(options)
    # A folder may have a name that no image can have.
    name = re.sub(r"[^a-z0-9]+", "-", normalised(current.source.name or current.directory.name)).strip("-") or "image"
    recipe = avoiding_names(
        _recipe(options, current, named, told or {}, path), read_text(path) if path.exists() else ""
    )
    return bake_file(recipe, name, in_context(path, current.lock_root))


def _keep(
    path: Path, old: str, new: str, dockerignore: tuple[Path, str] | None, options: Options, *, write: bool
) -> None:
    """Write the new text of a file, or exit with 1 and the difference to the old."""
    if old == new:
        say(f"{path}: up to date", options)
    elif write:
        place = resolved(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, new)
        say(f"{path}: written", options)
        if dockerignore is not None:
            write_atomically(*dockerignore)
            say(f"{dockerignore[0]}: written", options)
    else:
        before, after = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (old, new))
        lines = unified_diff(before, after, f"{path}", f"{path} (as it should be)")
        whole = (li if li.endswith("\n") else f"{li}\n\\ No newline at end of file\n" for li in lines)
        # As bytes: a path may be none of the encoding that the terminal has.
        typer.echo(os.fsencode("".join(whole)), nl=False)
        say(f"{path} is stale; run `uv-layers dockerfile --write {path}`", options)
        raise typer.Exit(1)
