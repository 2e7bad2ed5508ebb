from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from uv_layers.dockerfile import Recipe, Stage, complete, stage_names

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
    layers = [stage.layer for stage in recipe.layers]
    made, copied = [], []
    for line in complete(recipe).splitlines():
        if match := re.fullmatch(r"FROM (\S+)(?: AS (\S+))?", line):
            base, name = match.groups()
            made.append((base, name))
        elif match := re.match(r"COPY (?:--link )?--from=(\S+) (\S+)", line):
            assert match[1] in {name for _, name in made}
            copied.append(match.groups())
    assert made[0] == (recipe.builder or recipe.image, tool)
    assert made[-1] == (recipe.image, None)
    assert {base for base, _ in made[1:-1]} == {tool}
    trees = [(stage, path) for stage, path in copied if stage != plan]
    assert trees == [(stage, f"/build/layers/{layer}/") for stage, layer in zip(stages, layers, strict=True)]
