"""Write a recipe as a Dockerfile. Pure: text from data."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from uv_layers import __version__, errors
from uv_layers.image import marks
from uv_layers.image.recipe import PROJECT, Recipe
from uv_layers.system.paths import ENVIRONMENT, TOOL_FOLDER, is_environment
from uv_layers.system.uv import MINOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# The most layers of an image, and those reserved for the base image; official ones have four.
MOST_LAYERS, BASE_LAYERS = 127, 16
_TOOL, _PLAN = "uv-layers", "plan"
WORK = "/build"
_STAGE_NAME = re.compile(r"[a-z][a-z0-9_-]*")

# The Python of an image: the first one on PATH, or the one that uv manages.
_PYTHON = "$(command -v python3 || uv python find)"
# The secret that is a file and no variable.
NETRC = "netrc"

# The image of uv, and a pattern for its mirrors.
_UV = "ghcr.io/astral-sh/uv"
_UV_IMAGE = re.compile(r"(^|/)uv([:@]|$)")
_RELEASE = re.compile(r"\d+(\.\d+)*")
_VERSION = re.compile(r"\d[\w.+!]*", re.ASCII)
_PIP = re.compile(rf"pip(?::({_RELEASE.pattern}))?")
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*(?::[-+][\w./:@-]*)?\})", re.ASCII)
_SYSTEM_PACKAGE = re.compile(r"[A-Za-z0-9][\w+.:=~<>@-]*", re.ASCII)
_PATH = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"

_IMAGE_NAME = re.compile(
    rf"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d+)?/)?{_PATH}(?:/{_PATH})*"
    r"(?::\w[\w.-]{0,127})?(?:@[A-Za-z0-9]+(?:[+._-][A-Za-z0-9]+)*:[0-9a-fA-F]+)?",
    re.ASCII,
)


def dockerfile_blocks(recipe: Recipe) -> str:
    """Return the stages, then the `COPY` lines for the end of the final stage, each between comments that mark them."""
    note = "# Put this in the final stage, below lines that change less often than the dependencies:\n"
    return f"{_marked_stages(recipe)}\n{note}{_marked_copies(recipe)}"


def whole_dockerfile(recipe: Recipe) -> str:
    """Return a whole Dockerfile: the stages and the final image."""
    lines = last_lines(recipe)
    _check_layers(len(recipe.layers) + len(lines) + 1)
    # If an unlinked line follows a linked layer, BuildKit first puts all files of the image together.
    top = f"FROM {_image(recipe.image)}{recipe.name and f' AS {recipe.name}'}\nWORKDIR {recipe.editable or '/app'}\n"
    return f"{_marked_stages(recipe)}\n{top}{_marked_copies(recipe)}" + "".join(f"{line}\n" for line in lines)


def last_lines(recipe: Recipe) -> list[str]:
    """Return the lines below the marks of a whole Dockerfile, which no later run changes."""
    lines = [f"{_copy(recipe)} {_operands(source)}" for source in recipe.sources]
    if recipe.folder is not None:
        lines.append(f"{_copy(recipe)} {_operands(recipe.folder, './')}")
    if recipe.command:
        lines.append(f"CMD {json.dumps(recipe.command)}")
    return lines


def _marked_stages(recipe: Recipe) -> str:
    return marks.marked(marks.STAGES, stages(recipe), recipe.remembered, recipe.name)


def _marked_copies(recipe: Recipe) -> str:
    return marks.marked(marks.COPIES, copies(recipe), image=recipe.name)


def builder_stage(recipe: Recipe, name: str) -> str:
    """Return the stage that the other stages start from, with some name."""
    return _text([_builder(recipe, recipe.builder or recipe.image, name)], recipe)


def stages(recipe: Recipe) -> str:
    """Return the stages of a recipe: the builder, unless it is shared, the plan, and each layer."""
    tool, plan_stage, *layer_stages = stage_names(recipe)
    # Podman 4 wants absolute targets.
    files = [_mount("bind", source=path, target=posixpath.normpath(f"{WORK}/{place}")) for path, place in recipe.files]
    mounts = [_mount("bind", source=path, target=f"{WORK}/{path}") for path in recipe.inputs]
    # With --frozen, uv does not need the files to export the lock.
    mounts += [] if "--frozen" in recipe.export else files
    command = shlex.join(["uv-layers", "export", *recipe.export])
    cache = [_mount("cache", target="/root/.cache")]
    access = _secret_words(recipe)
    plan = [
        *([f"# {errors.printable(recipe.why)}"] if recipe.why else []),
        f"FROM {tool} AS {plan_stage}",
        # uv downloads a file whose hash the index does not give.
        _run([*cache, *mounts, *access, command]),
    ]
    blocks = [plan]
    if not recipe.shared:
        blocks.insert(0, _builder(recipe, recipe.builder or recipe.image, tool))
    for layer, stage in zip(recipe.layers, layer_stages, strict=True):
        lines = [f"FROM {tool} AS {stage}"] if layer.image is None else _builder(recipe, layer.image, stage)
        lines += _install_system_packages(layer.system_packages)
        lines += _set_variables(layer.args, dict(layer.env), recipe.escape)
        # A virtual environment needs no download.
        downloads = not (layer.layer == ENVIRONMENT and is_environment(recipe.prefix))
        mounts = []
        if layer.project is None:
            lines.append(f"COPY --from={plan_stage} {WORK}/pylock.{layer.layer}.toml ./")
            command = f"uv-layers install {layer.layer}"
            mounts = files if downloads else []
        else:
            # Not a mount: setuptools writes next to the sources, and not every Podman has writable mounts.
            lines.append(f"COPY . {recipe.editable or f'{WORK}/{PROJECT}'}")
            # The Python of the image, as the project's .python-version may request another one.
            python = f'--python "{_PYTHON}"'
            command = f"{shlex.join(['uv-layers', 'install', layer.layer, *layer.project])} {python}"
        blocks.append([*lines, _run([*cache, *mounts, *(access if downloads else ()), command])])
    return _text(blocks, recipe)


def _text(stages: Sequence[Sequence[str]], recipe: Recipe) -> str:
    text = "\n".join("".join(f"{line}\n" for line in stage) for stage in stages)
    return text.replace(" \\\n", f" {recipe.escape}\n")


def _secret_words(recipe: Recipe) -> list[str]:
    """Return the mounts of the secrets, then the variables with their values."""
    mounts, variables = [], []
    for name in secrets(recipe):
        # From a file: `env=` needs Docker 27, and an argument would be in the image.
        target = {"target": "/root/.netrc"} if name == NETRC else {}
        mounts.append(_mount("secret", id=name, **target) + ",required=true")
        variables += [] if target else [f'{name}="$(cat /run/secrets/{name})"']
    return [*mounts, *variables]


def _builder(recipe: Recipe, image: str, stage: str) -> list[str]:
    """Return the lines of a stage with uv-layers and uv, which leaves the site-packages of its image alone.

    It sets the user and HOME, because caches and secrets of the other stages are in root's home.
    """
    lines = [f"FROM {_image(image)} AS {stage}", "USER root", "ENV HOME=/root"]
    tool, mounts = f"uv-layers=={recipe.tool}", []
    if recipe.tool.endswith(".whl"):
        wheel = f"/tmp/{recipe.tool.rsplit('/', 1)[-1]}"  # noqa: S108 - a path in the builder
        tool, mounts = shlex.quote(wheel), [_mount("bind", source=recipe.tool, target=wheel)]
    elif not _VERSION.fullmatch(recipe.tool):
        raise errors.UsageError(f"--tool: {recipe.tool!r} is not a version or a wheel; pass e.g. {__version__}")
    uv = MINOR if recipe.uv is None and not _UV_IMAGE.search(image) else recipe.uv
    if pip := _PIP.fullmatch(uv or ""):
        also = f" uv=={pip[1]}" if pip[1] else ""
        steps = [
            f"python3 -m venv {TOOL_FOLDER} &&",
            f"{TOOL_FOLDER}/bin/pip install --no-cache-dir {tool}{also} &&",
            f"ln -sf {TOOL_FOLDER}/bin/uv-layers {TOOL_FOLDER}/bin/uv /usr/local/bin/ &&",
        ]
    else:
        if uv is not None:
            source = f"{_UV}:{uv}" if _RELEASE.fullmatch(uv) else _image(uv, variables=False)
            lines.append(f"COPY --from={source} /uv /uvx /usr/local/bin/")
        steps = [
            # Without the `uv` dependency, 17 MB: the stage already has uv.
            "echo uv | UV_TOOL_DIR=/opt UV_TOOL_BIN_DIR=/usr/local/bin",
            "uv tool install --no-cache --no-python-downloads --excludes -",
            # uv would prefer a Python that it manages to the one of the image.
            f'--python "{_PYTHON}" {tool} &&',
        ]
    return [*lines, _run([*mounts, *steps, "uv-layers precompile"]), f"WORKDIR {WORK}"]


def copies(recipe: Recipe) -> str:
    """Return the `COPY` lines of the final stage, and the variables of a virtual environment."""
    _check_layers(len(recipe.layers))
    # The interpreter of official images looks for packages in /usr/local.
    place = "/usr/local/" if recipe.prefix == "/" else "/"
    pairs = zip(recipe.layers, stage_names(recipe)[2:], strict=True)
    lines = [f"{_copy(recipe)} --from={stage} {WORK}/layers/{layer.layer}/ {place}" for layer, stage in pairs]
    if is_environment(recipe.prefix):
        prefix = _quoted(recipe.prefix, recipe.escape)
        lines.append(f'ENV VIRTUAL_ENV={prefix} PATH={prefix[:-1]}/bin:$PATH"')
    return "".join(f"{line}\n" for line in lines)


def _copy(recipe: Recipe) -> str:
    return "COPY --link" if recipe.link else "COPY"


def _check_layers(count: int) -> None:
    if count > (most := MOST_LAYERS - BASE_LAYERS):
        raise errors.UsageError(
            f"{count} layers are too many: an image can have {MOST_LAYERS}, of which {BASE_LAYERS} are reserved for "
            f"the base image; merge layers until there are at most {most}"
        )


def stage_names(recipe: Recipe) -> list[str]:
    """Return the names of the stages: the builder, the plan and each layer.

    With several images in the Dockerfile, they start with the name of the image.
    """
    # A stage with the name of an image would hide it in every later FROM.
    images = {recipe.image, recipe.builder, recipe.uv, *(layer.image for layer in recipe.layers)}
    taken = {"scratch", *images, *recipe.taken}
    _, _, *layers = everything = wanted_names(recipe)
    names = [recipe.shared] if recipe.shared else []
    for wanted in everything[len(names) :]:
        name = wanted
        while name in taken or not _STAGE_NAME.fullmatch(name) or (name != wanted and name in layers):
            name = f"layer-{name}"
        taken.add(name)
        names.append(name)
    return names


def wanted_names(recipe: Recipe) -> list[str]:
    """Return the preferred names of the stages, which other parts of the Dockerfile may have."""
    names = (_TOOL, _PLAN, *(layer.layer for layer in recipe.layers))
    return [f"{recipe.name}-{name}" if recipe.name else name for name in names]


def secrets(recipe: Recipe) -> Sequence[str]:
    """Return the names of the secrets of a recipe; raises UsageError for a name that is not valid."""
    for name in recipe.secrets:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise errors.UsageError(f"secret {name!r} is not valid; pass the name of a variable, or {NETRC}")
    return recipe.secrets


def _image(name: str, *, variables: bool = True) -> str:
    """Return the name of an image, which may contain variables in FROM."""
    if not _IMAGE_NAME.fullmatch(_VARIABLE.sub("0", name) if variables else name):
        raise errors.UsageError(f"{name!r} is not a valid image name; pass one, e.g. registry/name:tag")
    return name


def _mount(kind: str, **options: str) -> str:
    for path in options.values():
        # No quoting works in --mount: Docker splits the value into words and then reads it as CSV.
        if re.search(r"""[\s,"'`$\\[]|^!""", path):
            raise errors.UsageError(
                f"{path!r} cannot be mounted in a Dockerfile, because of its special characters; rename it"
            )
    return "--mount=" + ",".join([f"type={kind}", *(f"{key}={value}" for key, value in options.items())])


def _run(words: Sequence[str]) -> str:
    for word in words:
        _check_printable(word)
    return "RUN " + " \\\n    ".join(words)


def _check_printable(text: str) -> None:
    # Quotes do not protect a line break in a Dockerfile: an instruction could follow it.
    if not text.isprintable():
        raise errors.UsageError(
            f"{text!r} contains a control character, which a Dockerfile must not contain; remove it"
        )


def _operands(source: str, place: str | None = None) -> str:
    """Return the arguments of a COPY from the build context to `place`, by default to the same path.

    A `*` matches any part of a name; the matches go to the same folder.
    """
    if place is None:
        place = f"./{source}" if "*" not in source else f"./{source.rpartition('/')[0]}/".replace(".//", "./")
    if re.fullmatch(r"[\w./*][\w./*-]*", source):
        return f"{source} {place}"
    if not source.isprintable():
        raise errors.UsageError(
            f"{source!r} cannot be copied in a Dockerfile, because of its control characters; rename it"
        )
    # Even in JSON form, BuildKit expands variables, removes quotes and backslashes, and reads a source as a pattern, in
    # up to three places. They agree only on escaped characters in brackets.
    pattern = re.sub(r"[?[\\]|^[! ]| $", r"[\\\g<0>]", source)
    return json.dumps([re.sub(r"""[\\'"$]""", r"\\\g<0>", path) for path in (f"./{pattern}", place)])


def _install_system_packages(packages: Sequence[str]) -> list[str]:
    """Return the instruction that installs packages with the image's package manager."""
    for package in packages:
        if not _SYSTEM_PACKAGE.fullmatch(package):
            raise errors.UsageError(f"{package!r} is not a valid system package name; correct it in system-packages")
    lines = [
        f"RUN packages={shlex.quote(' '.join(packages))}; \\",
        "    if command -v apt-get; then apt-get update && apt-get install --yes --no-install-recommends $packages; \\",
        "    elif command -v apk; then apk add --no-cache $packages; \\",
        "    else $(command -v microdnf || command -v dnf || echo yum) install -y $packages; fi",
    ]
    return lines if packages else []


def _set_variables(args: Sequence[str], env: Mapping[str, str], escape: str) -> list[str]:
    """Return the instructions that declare build arguments and set variables in a stage."""
    lines = [f"ARG {name}" for name in args]
    for name, value in env.items():
        _check_printable(value)
        lines.append(f"ENV {name}={_quoted(value, escape)}")
    return lines


def _quoted(value: str, escape: str) -> str:
    """Return a value in double quotes, with its three special characters escaped."""
    special = re.compile(rf'["${re.escape(escape)}]')
    return '"' + special.sub(lambda found: escape + found[0], value) + '"'
