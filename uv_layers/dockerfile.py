"""A plan's layers as a Dockerfile. Pure: text from data."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uv_layers import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOOL, _PLAN = "uv-layers", "plan"
_WORK = "/build"
_STAGE_NAME = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a Dockerfile is made from.

    `tool` is a version of uv-layers, or the path of its wheel in the build context; `inputs` are the files
    of the build context that decide the plan; `export` are the arguments of `uv-layers export`; `sources` are
    what the final image gets of the project itself, and `command` is what it runs.
    """

    layers: tuple[str, ...]
    inputs: tuple[str, ...]
    tool: str
    image: str
    prefix: str = "/usr/local"
    builder: str | None = None
    export: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


def snippet(recipe: Recipe) -> str:
    """Return the stages, then the `COPY` lines for the end of the final stage."""
    copies = "".join(f"{line}\n" for line in _copies(recipe))
    return f"{_stages(recipe)}\n# In the final stage, after what changes less often than the dependencies:\n{copies}"


def complete(recipe: Recipe) -> str:
    """Return a whole Dockerfile: the stages and the final image."""
    lines = [f"FROM {recipe.image}", *_copies(recipe), "WORKDIR /app"]
    lines += [f"COPY {_operands(source, f'./{source}')}" for source in recipe.sources]
    if recipe.command:
        lines.append(f"CMD {json.dumps(recipe.command)}")
    return _stages(recipe) + "\n" + "".join(f"{line}\n" for line in lines)


def _stages(recipe: Recipe) -> str:
    tool, plan_stage, *layer_stages = stage_names(recipe)
    builder = [f"FROM {recipe.builder or recipe.image} AS {tool}", *_tool(recipe.tool), f"WORKDIR {_WORK}"]
    mounts = [_mount("bind", source=path, target=path) for path in recipe.inputs]
    command = shlex.join(["uv-layers", "export", *recipe.export])
    plan = [f"FROM {tool} AS {plan_stage}", _run([*mounts, command])]
    stages = [builder, plan]
    for layer, stage in zip(recipe.layers, layer_stages, strict=True):
        lock = f"pylock.{layer}.toml"
        stages.append(
            [
                f"FROM {tool} AS {stage}",
                f"COPY --from={plan_stage} {_WORK}/{lock} ./",
                _run([_mount("cache", target="/root/.cache"), f"uv-layers install {layer}"]),
            ]
        )
    return "\n".join("".join(f"{line}\n" for line in stage) for stage in stages)


def _tool(tool: str) -> list[str]:
    if not tool.endswith(".whl"):
        return [f"RUN pip install --no-cache-dir uv-layers=={tool}"]
    wheel = f"/tmp/{tool.rsplit('/', 1)[-1]}"  # noqa: S108 - a path in the builder
    return [_run([_mount("bind", source=tool, target=wheel), f"pip install --no-cache-dir {shlex.quote(wheel)}"])]


def _copies(recipe: Recipe) -> list[str]:
    # A flat tree (prefix "/") is copied to where the interpreter of the official images looks.
    place = "/usr/local/" if recipe.prefix == "/" else "/"
    pairs = zip(recipe.layers, stage_names(recipe)[2:], strict=True)
    return [f"COPY --link --from={stage} {_WORK}/layers/{layer}/ {place}" for layer, stage in pairs]


def stage_names(recipe: Recipe) -> list[str]:
    """Return the names of the builder's stage, of the plan's, and of each layer's: as they are, where they can be."""
    # A stage that has the name of an image shadows it in every later FROM.
    taken = {"scratch", recipe.image, recipe.builder}
    names: list[str] = []
    for wanted in (_TOOL, _PLAN, *recipe.layers):
        name = wanted
        while name in taken or not _STAGE_NAME.fullmatch(name) or (name != wanted and name in recipe.layers):
            name = f"layer-{name}"
        taken.add(name)
        names.append(name)
    return names


def _mount(kind: str, **options: str) -> str:
    for path in options.values():
        # The value of --mount is read as words and then as CSV, with no quoting that survives both.
        if re.search(r"""[\s,"'`$\\]""", path):
            raise errors.UsageError(f"{path!r} cannot be mounted in a Dockerfile; rename it")
    return "--mount=" + ",".join([f"type={kind}", *(f"{key}={value}" for key, value in options.items())])


def _run(words: Sequence[str]) -> str:
    return "RUN " + " \\\n    ".join(words)


def _operands(*paths: str) -> str:
    plain = all(re.fullmatch(r"[\w./*][\w./*-]*", path) for path in paths)
    return " ".join(paths) if plain else json.dumps([path if path[:1] != "-" else f"./{path}" for path in paths])
