"""Update the marked blocks of a Dockerfile, or add the blocks of another image. Pure: text from data."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from uv_layers import errors
from uv_layers.image import marks
from uv_layers.image.dockerfile import WORK, builder_stage, copies, stages, wanted_names, whole_dockerfile

if TYPE_CHECKING:
    from uv_layers.image.recipe import Recipe


def with_image(text: str, recipe: Recipe, path: str) -> str:
    """Return the text of the Dockerfile `path`, with the named image of a recipe added if it lacks it.

    The image goes below the first stages, so that the last stage, the default of `docker build`, stays the same.
    """
    end = marks.stages_end(text)
    if not recipe.name or recipe.name in marks.remembered(text) or end is None:
        return text
    recipe = avoiding_names(recipe, text)
    if recipe.name in {*recipe.taken, "scratch", recipe.image, recipe.builder}:
        raise errors.UsageError(f"{path} already uses the name {recipe.name!r}; choose another --image")
    new = f"\n{whole_dockerfile(recipe)}"
    return text[:end] + (new.replace("\n", "\r\n") if "\r\n" in text[:end] else new) + text[end:]


def avoiding_names(recipe: Recipe, text: str) -> Recipe:
    """Return the recipe for a Dockerfile with this text, which may have blocks of other images.

    The recipe shares the builder stage of a block above its own if it is the same.
    """
    recipe = replace(recipe, escape=marks.escape(text))
    tool, plan, *_ = wanted_names(recipe)
    above = marks.above(text, marks.STAGES, recipe.name)
    defined = re.findall(r"^FROM \S+ AS (\S+)$", above, re.MULTILINE)
    # The stage of a layer with its own image starts like a builder.
    shared = next((name for name in defined if f"{builder_stage(recipe, name)}\n" in above), "")
    taken = {*marks.names(text, (tool, plan), WORK), *defined}
    return replace(recipe, taken=(*recipe.taken, *sorted(taken)), shared=shared)


def updated_dockerfile(text: str, recipe: Recipe, path: str) -> str:
    """Return the text of the Dockerfile `path` with new blocks; raises MarksError unless it has each exactly once."""
    recipe = avoiding_names(recipe, text)
    stage = marks.final_image(marks.above(text, marks.COPIES, recipe.name))
    final, base = (_python_of(image) for image in (stage or "", recipe.image))
    if final and base and final != base:
        raise errors.UsageError(
            f"{path}: the stage that copies the layers has Python {final}, but the layers are for Python {base}; "
            f"pass --python {final}, or change FROM"
        )
    blocks = {marks.STAGES: stages(recipe), marks.COPIES: copies(recipe)}
    return marks.replaced(text, blocks, path, recipe.remembered, recipe.name)


def _python_of(image: str) -> str | None:
    """Return the minor version of Python in the name of an official image."""
    match = re.search(r"(?:^|/)python:(\d+\.\d+)", image)
    return match and match[1]
