"""A file for `docker buildx bake`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from uv_layers.image.dockerfile import NETRC, secrets, stage_names

if TYPE_CHECKING:
    from uv_layers.image.recipe import Recipe


# What a file for bake names besides the stages.
_IMAGE, _DEFAULT, _LAYERS = "image", "default", "layers"


def bake_file(recipe: Recipe, name: str, dockerfile: str) -> str:
    """Return a file for `docker buildx bake`, in JSON: the image as the target `image`, and a target for each layer."""
    image: dict[str, Any] = {"context": ".", "dockerfile": dockerfile, "tags": ["${IMAGE}"]}
    if recipe.name:
        image["target"] = recipe.name
        name = f"{name}-{recipe.name}"
    if recipe.secrets:
        image["secret"] = [
            "type=file,id=netrc,src=${NETRC}" if name == NETRC else f"type=env,id={name}" for name in secrets(recipe)
        ]
    # Without a value, a variable of the environment's that is not set leaves the argument out.
    args = dict.fromkeys(arg for layer in recipe.layers for arg in layer.args)
    if args:
        image["args"] = {arg: f"${{{arg}}}" for arg in args}
    free = replace(recipe, taken=(*recipe.taken, _IMAGE, _DEFAULT, _LAYERS))
    names = zip(stage_names(free)[2:], stage_names(recipe)[2:], strict=True)
    stages = {name: {"inherits": [_IMAGE], "target": stage, "tags": []} for name, stage in names}
    document = {
        "variable": {
            **{arg: {"default": None} for arg in args},
            "IMAGE": {"default": name},
            # A variable of the environment's is the value of one here; nothing else makes a path of `~`.
            **({"HOME": {}, "NETRC": {"default": "${HOME}/.netrc"}} if NETRC in recipe.secrets else {}),
        },
        "group": {_DEFAULT: {"targets": [_IMAGE]}, _LAYERS: {"targets": list(stages)}},
        "target": {_IMAGE: image, **stages},
    }
    return json.dumps(document, indent=2) + "\n"
