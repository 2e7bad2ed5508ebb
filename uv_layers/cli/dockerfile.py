"""`uv-layers dockerfile`."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uv_layers import errors
from uv_layers.cli import completion
from uv_layers.cli.dockerignore import check_dockerignore, missing_hints, new_dockerignore, uncopied_hints
from uv_layers.cli.kept import Kept, keep, lines_to_change
from uv_layers.cli.options import Names, Text, argument, command, option
from uv_layers.cli.remembered import combined, dropped, is_version, words_in, words_of
from uv_layers.cli.terminal import print_hints, say
from uv_layers.cli.tool import unpublished_hints
from uv_layers.image import marks
from uv_layers.image.bake import bake_file
from uv_layers.image.bases import lines_for_python
from uv_layers.image.dockerfile import dockerfile_blocks, last_lines, whole_dockerfile
from uv_layers.image.kept import avoiding_names, updated_dockerfile, with_image
from uv_layers.image.recipe import in_context, recipe_of
from uv_layers.plan.layers import unlayered_hints
from uv_layers.plan.resolve import check_folders, check_image, find_project, image_python, layers_of, stale_hints
from uv_layers.project.options import Options
from uv_layers.system.files import read_text
from uv_layers.system.names import normalised
from uv_layers.system.paths import resolved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from uv_layers.image.recipe import Recipe
    from uv_layers.project.discovery import Project


@dataclass(frozen=True)
class _Request:
    """The options of one image, from the command line or from a mark of the Dockerfile."""

    options: Options
    groups: tuple[str, ...]
    overrides: Mapping[str, Any]


@command(
    example="uv-layers dockerfile --cmd 'uvicorn main:app' --write Dockerfile",
    without=("platform", "offline", "verbose", "warn_size"),
)
def dockerfile(  # noqa: PLR0913 - a parameter for each option
    *,
    ctx: typer.Context,
    options: Options,
    groups: Annotated[
        Names, argument("[GROUP]...", "Additional dependency groups; each becomes a layer on top.", completion.groups)
    ] = None,
    snippet: Annotated[bool, typer.Option("--snippet", help="Print only the stages and COPY lines.")] = False,
    write: Annotated[
        Path | None, option("--write FILE", "Create FILE, or update its marked blocks.", envvar=None)
    ] = None,
    check: Annotated[
        Path | None, option("--check FILE", "If a block is out of date, print a diff and exit with 1.", envvar=None)
    ] = None,
    as_bake: Annotated[bool, typer.Option("--bake", help="Print a bake file for docker buildx bake.")] = False,
    image: Annotated[
        Text,
        option(
            "--image NAME", "The name of this image's final stage, for a Dockerfile with several images.", envvar=None
        ),
    ] = None,
    context: Annotated[
        Path | None, option("--context DIR", "The build context. [default: the folder of uv.lock]")
    ] = None,
    base: Annotated[Text, option("--base IMAGE", "The base image. [default: python:X.Y-slim-bookworm]")] = None,
    builder: Annotated[
        Text, option("--builder IMAGE", "The builder's base image. [default: the same as --base]")
    ] = None,
    tool: Annotated[
        Text,
        option("--tool VERSION|WHEEL", "Which uv-layers the builder installs. [default: this version]"),
    ] = None,
    uv: Annotated[
        Text,
        option(
            "--uv VERSION|IMAGE|pip",
            "Where the builder gets uv. [default: a pinned version of uv's image]",
            name="BUILDER_UV",
        ),
    ] = None,
    secret: Annotated[
        Names, option("--secret NAME", "A build secret for an index: the name of a variable, or netrc.")
    ] = None,
    no_link: Annotated[bool, option("--no-link", "Write COPY without --link, e.g. for Podman and Buildah.")] = False,
    copy: Annotated[Names, option("--copy PATH", "Copy this file or folder into the image.")] = None,
    editable: Annotated[
        Text,
        option(
            "--editable DIR",
            "For development: import the project from DIR in the image, e.g. /app.",
            name="EDITABLE_DIR",
        ),
    ] = None,
    cmd: Annotated[Text, option("--cmd COMMAND", "The command that the image runs (CMD).")] = None,
) -> _Request | None:
    """Print, write or update a Dockerfile with a stage for each layer."""
    overrides: dict[str, object] = {
        "image": image,
        "context": context,
        "base": base,
        "builder": builder,
        "tool": tool,
        "uv": uv,
        "cmd": cmd,
        "secrets": secret,
        "copy": copy,
        "editable": editable,
    }
    overrides = {key: value for key, value in overrides.items() if value} | ({"link": False} if no_link else {})
    request = _Request(options, tuple(groups or ()), overrides)
    if ctx.obj is _ASK:
        return request
    if sum(map(bool, (snippet, write and not as_bake, check, as_bake))) > 1:
        raise errors.UsageError("pass only one of --snippet, --write, --check and --bake (or both --bake and --write)")
    path = write or check
    given = _given(ctx)
    marked = marks.remembered(read_text(path)) if path is not None and path.exists() else {}
    requests = {} if path is None else _requests(path, marked, request, given=given)
    if as_bake:
        request = requests.get(image or "", request)
        typer.echo(bake_for(request.options, path or Path("Dockerfile"), request.groups, request.overrides), nl=False)
    elif path is None:
        typer.echo(dockerfile_for(options, request.groups, overrides, snippet=snippet), nl=False)
    else:
        words = words_of(options, overrides, request.groups) if request in requests.values() else []
        remedy = ["uv-layers", "dockerfile", *words, "--write", str(path)]
        keep(_kept(path, requests, request, write=check is None), options, remedy, write=check is None)
        old = marked.get(image or "", "")
        if write and given and (gone := dropped(old, words)):
            command = shlex.join(["uv-layers", "dockerfile", *combined(old, words, str(path)), "--write", str(path)])
            hint = f"{path} no longer remembers {', '.join(gone)}: new options replace all remembered ones"
            print_hints([f"{hint}; to keep them, run `{command}`"], options)
    return None


def _recipe(
    options: Options,
    project: Project,
    context: Path,
    named: Sequence[str],
    overrides: Mapping[str, Any],
    dockerfile: Path,
) -> Recipe:
    """Return the recipe of the project; `overrides`, from the command line, win over the configuration."""
    settings = {**project.config.dockerfile, **overrides}
    python = None
    layers = layers_of(options, project, named)
    if not settings.get("base"):
        python = image_python(options, project)
        check_image(options, project, layers.groups(project, options.selection), python)
        settings["base"] = f"python:{python}-slim-bookworm"
    if lines := lines_for_python(settings["base"]):
        step = "add these lines to the top of the Dockerfile, and pass `--base base`"
        hint = f"hint: {settings['base']} has no Python; {step}:"
        for line in (hint, *lines):
            say(line, options)
    if options.python is not None and not is_version(options.python):
        # Other machines do not have the interpreter at this path.
        options = replace(options, python=python)
    if overrides.get("context"):
        # Relative to uv.lock, so that the next run finds it from any folder.
        overrides = {**overrides, "context": os.path.relpath(context, resolved(project.lock_root))}
    recipe = recipe_of(options, project, named, settings, context, words_of(options, overrides, named))
    check_folders(options, project, named)
    print_hints([*project.config.hints, *unlayered_hints(project, options.selection, layers)], options)
    print_hints([*missing_hints(recipe, context), *check_dockerignore(recipe, project, context, dockerfile)], options)
    if not settings.get("tool"):
        print_hints(unpublished_hints(context), options)
    return recipe


def _context(project: Project, overrides: Mapping[str, Any]) -> Path:
    """Return the build context: `--context`, the configured one, or the folder of uv.lock."""
    configured = project.config.dockerfile.get("context")
    folder = project.lock_root if configured is None else project.directory / configured
    return resolved(overrides.get("context") or folder)


def dockerfile_for(
    options: Options, named: Sequence[str] = (), overrides: Mapping[str, Any] | None = None, *, snippet: bool = False
) -> str:
    """Return a Dockerfile for the project, or only its stages and `COPY` lines.

    `overrides` win over the configuration's table `dockerfile`, and have the same keys.
    """
    project, overrides = find_project(options), overrides or {}
    context = _context(project, overrides)
    recipe = _recipe(options, project, context, named, overrides, Path("Dockerfile"))
    if snippet:
        return dockerfile_blocks(recipe)
    print_hints(uncopied_hints(recipe, context), options)
    return whole_dockerfile(recipe)


def _kept(path: Path, requests: Mapping[str, _Request], given: _Request, *, write: bool) -> Kept:
    """Return the old and new text of the Dockerfile at `path`, with these images; `given` is of this run."""
    text = old = read_text(path) if path.exists() else ""
    recipes = {}
    locks = set()
    for name, request in requests.items():
        project = find_project(request.options)
        if write and project.lock not in locks:
            locks.add(project.lock)
            print_hints(stale_hints(request.options, project), request.options)
        context = _context(project, request.overrides)
        recipes[name] = recipe = _recipe(request.options, project, context, request.groups, request.overrides, path)
        if not path.exists():
            print_hints(uncopied_hints(recipe, context), request.options)
            return Kept(path, "", whole_dockerfile(recipe), context, new_dockerignore(recipe, project, context, path))
        text = with_image(text, recipe, str(path))
        if request is given:
            print_hints(lines_to_change(path, text, last_lines(recipe), given.overrides), given.options)
    # The stage names of an image depend on those of the images above.
    for name in sorted(recipes, key=[*marks.remembered(text), *recipes].index):
        text = updated_dockerfile(text, recipes[name], str(path))
    return Kept(path, old, text, context)


# Options of a single run, which a Dockerfile does not remember.
_PER_RUN = {"project", "config", "locked", "quiet", "snippet", "write", "check", "as_bake", "image"}
# The object of a context in which a command only parses words.
_ASK = object()


def _given(ctx: typer.Context) -> bool:
    """Return whether the command line has options that a Dockerfile remembers; variables do not count."""
    sources = [ctx.get_parameter_source(name) for name in ctx.params if name not in _PER_RUN]
    return any(source is not None and source.name == "COMMANDLINE" for source in sources)


def _requests(path: Path, marked: Mapping[str, str], request: _Request, *, given: bool) -> dict[str, _Request]:
    """Return the images of a Dockerfile by name: those that its marks remember, and `request` if `given` or new."""
    name = request.overrides.get("image", "")
    found = {other: words_in(words, str(path)) for other, words in marked.items() if not given or other != name}
    requests = {other: _remembered(other, words, request.options) for other, words in found.items()}
    if given or (not found.get(name) and (name or not any(found.values()))):
        requests[name] = request
    return requests


def _remembered(name: str, words: Sequence[str], options: Options) -> _Request:
    """Return the image that a mark remembers, with options of this run that it does not remember."""
    given: list[tuple[str, Any]] = [("--project", options.directory), ("--config", options.config)]
    if "--context" in words:
        value = words.index("--context") + 1
        words = [*words[:value], str(find_project(options).lock_root / words[value]), *words[value + 1 :]]
    more = [word for name, value in given if value is not None for word in (name, str(value))]
    more += ["--quiet"] if options.quiet else []
    request: _Request = dockerfile.main(
        [*more, *words], prog_name="uv-layers dockerfile", standalone_mode=False, obj=_ASK
    )
    return replace(request, overrides={**request.overrides, "image": name} if name else request.overrides)


def bake_for(
    options: Options, path: Path, named: Sequence[str] = (), overrides: Mapping[str, Any] | None = None
) -> str:
    """Return a file for `docker buildx bake` for the Dockerfile at `path`."""
    current, overrides = find_project(options), overrides or {}
    context = _context(current, overrides)
    # The name of the folder may not be valid for an image.
    name = re.sub(r"[^a-z0-9]+", "-", normalised(current.source.name or current.directory.name)).strip("-") or "image"
    text = read_text(path) if path.exists() else ""
    recipe = avoiding_names(_recipe(options, current, context, named, overrides, path), text)
    return bake_file(recipe, name, in_context(path, context))
