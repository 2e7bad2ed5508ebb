from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uv_layers.errors import UsageError
from uv_layers.image.dockerfile import stage_names, whole_dockerfile
from uv_layers.image.kept import updated_dockerfile
from uv_layers.image.recipe import Recipe, Stage
from uv_layers.system.uv import MINOR

# What BuildKit takes for the name of a stage.
STAGE = re.compile(r"[a-z][a-z0-9-_.]*")
AWKWARD = ("plan", "uv-layers", "scratch", "python", "debian", "0", "1", "layer-plan", "layer-layer-plan", "layer-0")

layer_names = st.one_of(st.sampled_from(AWKWARD), st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?", fullmatch=True))
recipes = st.builds(
    Recipe,
    layers=st.lists(layer_names, unique=True, max_size=8).map(lambda names: tuple(map(Stage, names))),
    inputs=st.just(("pyproject.toml", "uv.lock")),
    tool=st.just("0.1.0"),
    image=st.sampled_from(["python", "debian", "python:3.12", "layer-plan", "registry.example/image@sha256:0"]),
    builder=st.none() | st.sampled_from(["python", "debian", "layer-0"]),
)


@given(recipes)
@settings(deadline=None)
def test_stage_names_are_unique_and_valid_and_shadow_no_image(recipe):
    names = stage_names(recipe)
    assert len(names) == 2 + len(recipe.layers)
    assert len(set(names)) == len(names)
    assert all(STAGE.fullmatch(name) for name in names)
    assert not {"scratch", recipe.image, recipe.builder} & set(names)


@given(recipes)
@settings(deadline=None)
def test_every_stage_is_made_before_it_is_used_and_the_final_one_is_made_from_the_image(recipe):
    tool, plan, *stages = stage_names(recipe)
    uv = f"ghcr.io/astral-sh/uv:{MINOR}"
    layers = [stage.layer for stage in recipe.layers]
    made, copied = [], []
    for line in whole_dockerfile(recipe).splitlines():
        if match := re.fullmatch(r"FROM (\S+)(?: AS (\S+))?", line):
            base, name = match.groups()
            made.append((base, name))
        elif match := re.match(r"COPY (?:--link )?--from=(\S+) (\S+)", line):
            assert match[1] in {uv, *(name for _, name in made)}
            copied.append(match.groups())
    assert made[0] == (recipe.builder or recipe.image, tool)
    assert made[-1] == (recipe.image, None)
    assert {base for base, _ in made[1:-1]} == {tool}
    trees = [(stage, path) for stage, path in copied if stage not in {plan, uv}]
    assert trees == [(stage, f"/build/layers/{layer}/") for stage, layer in zip(stages, layers, strict=True)]


# What is configured, some of it by people who may write to the project and not to its Dockerfile.

PLAIN = Recipe(
    layers=(Stage("heavy", "debian", ("make",)), Stage("app", project=("--project", "project"))),
    inputs=("pyproject.toml",),
    tool="0.1.0",
    image="python",
    files=(("a.whl", "a.whl"),),
    prefix="/app/.venv",
    builder="python",
    uv="0.9",
    export=("--frozen",),
    why="because",
    secrets=("TOKEN",),
    sources=("src",),
    command=("run",),
)
SET = {
    "image of a layer": lambda text: replace(PLAIN, layers=(Stage("heavy", text, ("make",)), PLAIN.layers[1])),
    "packages of the system": lambda text: replace(PLAIN, layers=(Stage("heavy", "debian", (text,)), PLAIN.layers[1])),
    "arguments": lambda text: replace(PLAIN, layers=(PLAIN.layers[0], Stage("app", project=("--project", text)))),
    "inputs": lambda text: replace(PLAIN, inputs=(text,)),
    "tool": lambda text: replace(PLAIN, tool=text),
    "wheel": lambda text: replace(PLAIN, tool=f"{text}.whl"),
    "image": lambda text: replace(PLAIN, image=text),
    "builder": lambda text: replace(PLAIN, builder=text),
    "files": lambda text: replace(PLAIN, files=((text, text),)),
    "prefix": lambda text: replace(PLAIN, prefix=f"/{text}/venv"),
    "uv": lambda text: replace(PLAIN, uv=text),
    "export": lambda text: replace(PLAIN, export=("--config", text)),
    "why": lambda text: replace(PLAIN, why=text or "x"),
    "secrets": lambda text: replace(PLAIN, secrets=(text,)),
    "sources": lambda text: replace(PLAIN, sources=(text,)),
    "command": lambda text: replace(PLAIN, command=(text,)),
}
hostile = st.one_of(
    st.text(max_size=30),
    st.text(st.sampled_from("a\n\r\\'\"$(){}`;&|<># -=,:/\u2028\x85RUN"), max_size=12),
    st.sampled_from(["a\nRUN evil", "a\\\nRUN evil", "<<EOF", "a <<EOF", "# >>> uv-layers copies", "x" * 99]),
)


def _instructions(text):
    """Return the first word of each instruction, as BuildKit reads them: lines that end in a backslash go on."""
    found, goes_on = [], False
    for line in text.split("\n"):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        if not goes_on:
            found.append(line.split()[0])
        goes_on = line.rstrip().endswith("\\")
    return found


@pytest.mark.parametrize("what", SET)
@given(text=hostile)
@settings(deadline=None)
def test_no_text_makes_an_instruction_or_ends_a_block(what, text):
    if what == "prefix" and not text.isprintable():
        return  # which no configuration can have
    try:
        made = whole_dockerfile(SET[what](text))
    except UsageError:
        return
    known = _instructions(whole_dockerfile(PLAIN))
    if what in {"image of a layer", "builder", "uv"}:
        # uv is copied, but not into an image of uv and not with pip. No instruction but that depends on the text.
        assert [word for word in _instructions(made) if word != "COPY"] == [word for word in known if word != "COPY"]
    else:
        assert _instructions(made) == known
    assert updated_dockerfile(made, SET[what](text), "Dockerfile") == made
