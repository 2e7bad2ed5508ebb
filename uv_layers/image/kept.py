"""A Dockerfile that is kept: new text for its marked blocks, and a place for the blocks of another image. Pure."""

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
    """Return the text of the Dockerfile `path` with the named image of a recipe, which it gets if it lacks it.

    The image goes below the first stages, which have the builder: what `docker build` builds without `--target`, the
    last stage, stays the same.
    """
    end = marks.stages_end(text)
    if not recipe.name or recipe.name in marks.remembered(text) or end is None:
        return text
    recipe = avoiding_names(recipe, text)
    if recipe.name in {*recipe.taken, "scratch", recipe.image, recipe.builder}:
        raise errors.UsageError(f"{path} uses the name {recipe.name!r} already; choose another --image")
    new = f"\n{whole_dockerfile(recipe)}"
    return text[:end] + (new.replace("\n", "\r\n") if "\r\n" in text[:end] else new) + text[end:]


def avoiding_names(recipe: Recipe, text: str) -> Recipe:
    """Return the recipe for the blocks of a Dockerfile that has this text outside of them, and blocks of other images.

    Of the blocks above its own, a recipe uses the builder stage if it is the same as the one that it needs.
    """
    recipe = replace(recipe, escape=marks.escape(text))
    tool, plan, *_ = wanted_names(recipe)
    above = marks.above(text, marks.STAGES, recipe.name)
    defined = re.findall(r"^FROM \S+ AS (\S+)$", above, re.MULTILINE)
    # A stage of a layer with an image of its own begins like a builder, and goes on.
    shared = next((name for name in defined if f"{builder_stage(recipe, name)}\n" in above), "")
    taken = {*marks.names(text, (tool, plan), WORK), *defined}
    return replace(recipe, taken=(*recipe.taken, *sorted(taken)), shared=shared)


def updated_dockerfile(text: str, recipe: Recipe, path: str) -> str:
    """Return the text of the Dockerfile `path` with new blocks for a recipe, and all else as it is.

    Raises MarksError unless each mark is there once.
    """
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
