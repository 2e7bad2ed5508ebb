"""A plan's layers as a Dockerfile. Pure: text from data."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.model import ENVIRONMENT, is_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

# The layers that an image can have, and how many of them the base image is taken to have; official ones have four.
MOST_LAYERS, BASE_LAYERS = 127, 16

_TOOL, _PLAN = "uv-layers", "plan"
_WORK = "/build"
# Where the stage of the project itself has the build context, below the working folder.
PROJECT = "project"
_STAGE_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_STAGES, _COPIES = "stages", "copies"
# What a file for bake names besides the stages.
_IMAGE, _DEFAULT, _LAYERS = "image", "default", "layers"
# The secret that is a file and no variable.
_NETRC = "netrc"
# The image of uv itself, under whatever name.
_UV_IMAGE = re.compile(r"(^|/)uv([:@]|$)")


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

    `tool` is a version of uv-layers, or the path of its wheel in the build context; `uv` is a version of uv, or an
    image that has it; `inputs` are the files of the build context that decide the plan, and `files` those that are
    installed; `export` are the arguments of `uv-layers export`, and `why` says what is to be known of them; `secrets`
    are the environment variables, or `netrc`, that an index asks for; without `link` layers are copied in a way that
    Podman and Buildah know, too; `sources` are what the final image gets of the project itself, and `command` is what
    it runs; `taken` are the names of stages that the Dockerfile has besides.
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


def snippet(recipe: Recipe) -> str:
    """Return the stages, then the `COPY` lines for the end of the final stage, each between comments that mark them."""
    note = "# In the final stage, after what changes less often than the dependencies:\n"
    return f"{_marked(_STAGES, _stages(recipe))}\n{note}{_marked(_COPIES, _copies(recipe))}"


def complete(recipe: Recipe) -> str:
    """Return a whole Dockerfile: the stages and the final image."""
    lines = [f"{_copy(recipe)} {_operands(source, f'./{source}')}" for source in recipe.sources]
    if recipe.command:
        lines.append(f"CMD {json.dumps(recipe.command)}")
    _check_layers(len(recipe.layers) + len(recipe.sources) + 1)
    # What comes after a linked layer and is none itself makes BuildKit put all files of the image together first.
    top = f"FROM {_image(recipe.image)}\nWORKDIR /app\n"
    final = top + _marked(_COPIES, _copies(recipe)) + "".join(f"{line}\n" for line in lines)
    return f"{_marked(_STAGES, _stages(recipe))}\n{final}"


def beside(recipe: Recipe, text: str) -> Recipe:
    """Return the recipe with the names taken that the text of a Dockerfile gives to stages of its own."""
    rest = "".join(re.split("|".join(marked.pattern for marked in _MARKED.values()), text, flags=_FLAGS))
    others = re.findall(r"^\s*FROM\s.*\sAS\s+(\S+)\s*$", rest, re.IGNORECASE | re.MULTILINE)
    return replace(recipe, taken=(*recipe.taken, *(name.lower() for name in others)))


def updated(text: str, recipe: Recipe, path: str) -> str:
    """Return the text of the Dockerfile `path` with what stands between the marks made anew, and all else as it is.

    Raises MarksError unless each mark is there once.
    """
    recipe = beside(recipe, text)
    for name, made in ((_STAGES, _stages(recipe)), (_COPIES, _copies(recipe))):
        if len(found := list(_MARKED[name].finditer(text))) != 1:
            raise errors.MarksError(path, len(found), _mark(name))
        block = _marked(name, made)
        if "\r\n" in found[0][0]:
            block = block.replace("\n", "\r\n")
        text = text[: found[0].start()] + block + text[found[0].end() :]
    return text


def bake(recipe: Recipe, name: str, dockerfile: str) -> str:
    """Return a file for `docker buildx bake`, in JSON: the image as the target `image`, and a target for each layer."""
    image: dict[str, Any] = {"context": ".", "dockerfile": dockerfile, "tags": ["${IMAGE}"]}
    if recipe.secrets:
        image["secret"] = [
            "type=file,id=netrc,src=${NETRC}" if name == _NETRC else f"type=env,id={name}" for name in _secrets(recipe)
        ]
    free = replace(recipe, taken=(*recipe.taken, _IMAGE, _DEFAULT, _LAYERS))
    names = zip(stage_names(free)[2:], stage_names(recipe)[2:], strict=True)
    stages = {name: {"inherits": [_IMAGE], "target": stage, "tags": []} for name, stage in names}
    document = {
        "variable": {
            "IMAGE": {"default": name},
            # A variable of the environment's is the value of one here; nothing else makes a path of `~`.
            **({"HOME": {}, "NETRC": {"default": "${HOME}/.netrc"}} if _NETRC in recipe.secrets else {}),
        },
        "group": {_DEFAULT: {"targets": [_IMAGE]}, _LAYERS: {"targets": list(stages)}},
        "target": {_IMAGE: image, **stages},
    }
    return json.dumps(document, indent=2) + "\n"


def _mark(name: str) -> str:
    return f"# >>> uv-layers {name}"


def _marked(name: str, text: str) -> str:
    return f"{_mark(name)}, kept by `uv-layers dockerfile --write`\n{text}# <<< uv-layers {name}\n"


_FLAGS = re.DOTALL | re.MULTILINE
_MARKED = {
    name: re.compile(rf"^# >>> uv-layers {name}\b[^\n]*\n.*?^# <<< uv-layers {name}\b[^\n]*(?:\n|\Z)", _FLAGS)
    for name in (_STAGES, _COPIES)
}


def _stages(recipe: Recipe) -> str:
    tool, plan_stage, *layer_stages = stage_names(recipe)
    builder = _builder(recipe, recipe.builder or recipe.image, tool)
    # Podman 4 wants absolute targets.
    files = [_mount("bind", source=path, target=f"{_WORK}/{path}") for path in recipe.files]
    mounts = [_mount("bind", source=path, target=f"{_WORK}/{path}") for path in recipe.inputs] + files
    command = shlex.join(["uv-layers", "export", *recipe.export])
    plan = [
        *([f"# {errors.printable(recipe.why)}"] if recipe.why else []),
        f"FROM {tool} AS {plan_stage}",
        _run([*mounts, command]),
    ]
    stages = [builder, plan]
    for layer, stage in zip(recipe.layers, layer_stages, strict=True):
        if layer.image is not None and recipe.uv is None:
            raise errors.UsageError(
                f"layer {layer.layer!r} has an image of its own, and shares uv's cache with the others; "
                "name the uv of all with --uv or dockerfile.uv"
            )
        lines = [f"FROM {tool} AS {stage}"] if layer.image is None else _builder(recipe, layer.image, stage)
        if layer.system_packages:
            lines.append(_system(layer.image or recipe.builder or recipe.image, layer.system_packages))
        mounts = [_mount("cache", target="/root/.cache")]
        variables = []
        # An environment is made of what the builder has.
        downloads = not (layer.layer == ENVIRONMENT and is_environment(recipe.prefix))
        for name in _secrets(recipe) if downloads else ():
            # From a file and not `env=`, which Docker knows since 27 only; and never an argument.
            target = {"target": "/root/.netrc"} if name == _NETRC else {}
            mounts.append(_mount("secret", id=name, **target) + ",required=true")
            variables += [] if target else [f'{name}="$(cat /run/secrets/{name})"']
        if layer.project is None:
            lines.append(f"COPY --from={plan_stage} {_WORK}/pylock.{layer.layer}.toml ./")
            command = f"uv-layers install {layer.layer}"
            mounts += files if downloads else []
        else:
            # A copy and no mount: setuptools writes beside the sources, and Podman has no writable mount everywhere.
            lines.append(f"COPY . {_WORK}/{PROJECT}")
            command = shlex.join(["uv-layers", "install", layer.layer, *layer.project])
        stages.append([*lines, _run([*mounts, *variables, command])])
    return "\n".join("".join(f"{line}\n" for line in stage) for stage in stages)


def _builder(recipe: Recipe, image: str, stage: str) -> list[str]:
    """Return the lines of a stage that has uv-layers, and uv."""
    lines = [f"FROM {_image(image)} AS {stage}"]
    tool, mounts = shlex.quote(f"uv-layers=={recipe.tool}"), []
    if recipe.tool.endswith(".whl"):
        wheel = f"/tmp/{recipe.tool.rsplit('/', 1)[-1]}"  # noqa: S108 - a path in the builder
        tool, mounts = shlex.quote(wheel), [_mount("bind", source=recipe.tool, target=wheel)]
    is_image = recipe.uv is not None and not re.fullmatch(r"\d+(\.\d+)*", recipe.uv)
    if not is_image and not _UV_IMAGE.search(image):
        also = f" uv=={recipe.uv}" if recipe.uv else ""
        return [*lines, _run([*mounts, f"pip install --no-cache-dir {tool}{also}"]), f"WORKDIR {_WORK}"]
    if is_image:
        lines.append(f"COPY --from={_image(recipe.uv or '')} /uv /uvx /usr/local/bin/")
    steps = [
        # All that the tool needs but uv, which is there: another one would be 17 MB more to load.
        "echo uv | UV_TOOL_DIR=/opt UV_TOOL_BIN_DIR=/usr/local/bin",
        f"uv tool install --no-cache --no-python-downloads --excludes - {tool} &&",
        "uv-layers precompile",
    ]
    return [*lines, _run([*mounts, *steps]), f"WORKDIR {_WORK}"]


def _system(image: str, packages: Sequence[str]) -> str:
    for package in packages:
        if not re.fullmatch(r"[A-Za-z0-9][\w+.:=~<>@-]*", package, re.ASCII):
            raise errors.UsageError(f"{package!r} is no package of a system")
    names = shlex.join(packages)
    if "alpine" in image.rpartition("/")[2]:
        return f"RUN apk add --no-cache {names}"
    return _run(
        [
            "apt-get update &&",
            f"apt-get install --yes --no-install-recommends {names} &&",
            "rm -rf /var/lib/apt/lists/*",
        ]
    )


def _copies(recipe: Recipe) -> str:
    _check_layers(len(recipe.layers))
    # A flat tree (prefix "/") is copied to where the interpreter of the official images looks.
    place = "/usr/local/" if recipe.prefix == "/" else "/"
    pairs = zip(recipe.layers, stage_names(recipe)[2:], strict=True)
    lines = [f"{_copy(recipe)} --from={stage} {_WORK}/layers/{layer.layer}/ {place}" for layer, stage in pairs]
    if is_environment(recipe.prefix):
        # Within double quotes an instruction reads these three as more than themselves.
        prefix = re.sub(r'(["\\$])', r"\\\1", recipe.prefix)
        lines.append(f'ENV VIRTUAL_ENV="{prefix}" PATH="{prefix}/bin:$PATH"')
    return "".join(f"{line}\n" for line in lines)


def _copy(recipe: Recipe) -> str:
    return "COPY --link" if recipe.link else "COPY"


def _check_layers(count: int) -> None:
    if count > (most := MOST_LAYERS - BASE_LAYERS):
        raise errors.UsageError(
            f"{count} layers are too many: an image can have {MOST_LAYERS}, and {BASE_LAYERS} of them are left for the "
            f"base image; put packages together until there are {most}"
        )


def stage_names(recipe: Recipe) -> list[str]:
    """Return the names of the builder's stage, of the plan's, and of each layer's: as they are, where they can be."""
    # A stage that has the name of an image shadows it in every later FROM.
    images = {recipe.image, recipe.builder, recipe.uv, *(layer.image for layer in recipe.layers)}
    taken = {"scratch", *images, *recipe.taken}
    layers = [layer.layer for layer in recipe.layers]
    names: list[str] = []
    for wanted in (_TOOL, _PLAN, *layers):
        name = wanted
        while name in taken or not _STAGE_NAME.fullmatch(name) or (name != wanted and name in layers):
            name = f"layer-{name}"
        taken.add(name)
        names.append(name)
    return names


def _secrets(recipe: Recipe) -> Sequence[str]:
    for name in recipe.secrets:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise errors.UsageError(f"secret {name!r} is neither the name of a variable nor {_NETRC}")
    return recipe.secrets


def _image(name: str) -> str:
    if not re.fullmatch(r"[^\s#\"'\\]+", name) or not name.isprintable() or name.startswith("-"):
        raise errors.UsageError(f"{name!r} is no name of an image")
    return name


def _mount(kind: str, **options: str) -> str:
    for path in options.values():
        # The value of --mount is read as words and then as CSV, with no quoting that survives both.
        if re.search(r"""[\s,"'`$\\]""", path):
            raise errors.UsageError(f"{path!r} cannot be mounted in a Dockerfile; rename it")
    return "--mount=" + ",".join([f"type={kind}", *(f"{key}={value}" for key, value in options.items())])


def _run(words: Sequence[str]) -> str:
    for word in words:
        # The shell's quotes hold no line break of a Dockerfile: what follows would be an instruction.
        if not word.isprintable():
            raise errors.UsageError(f"{word!r} cannot stand in a Dockerfile")
    return "RUN " + " \\\n    ".join(words)


def _operands(*paths: str) -> str:
    plain = all(re.fullmatch(r"[\w./*][\w./*-]*", path) for path in paths)
    return " ".join(paths) if plain else json.dumps([path if path[:1] != "-" else f"./{path}" for path in paths])
