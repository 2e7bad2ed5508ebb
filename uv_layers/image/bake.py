"""Write a file for `docker buildx bake`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from uv_layers.image.dockerfile import NETRC, secrets, stage_names

if TYPE_CHECKING:
    from uv_layers.image.recipe import Recipe


# What a file for bake names besides the stages.
_IMAGE, _PUSH, _DEFAULT, _LAYERS = "image", "push", "default", "layers"
# Builds from the cache in an image of the registry, and pushes the new image with its own cache.
_PUSHED = {
    "inherits": [_IMAGE],
    "cache-from": ["type=registry,ref=${CACHE_FROM}"],
    "cache-to": ["type=inline"],
    "output": ["type=image,push=true,store=false,compression=zstd,oci-mediatypes=true"],
}


def bake_file(recipe: Recipe, name: str, dockerfile: str) -> str:
    """Return a JSON file for `docker buildx bake`: a target to build the image, one to push it, and one per layer."""
    image: dict[str, Any] = {"context": ".", "dockerfile": dockerfile, "tags": ["${IMAGE}"]}
    if recipe.name:
        image["target"] = recipe.name
        name = f"{name}-{recipe.name}"
    if recipe.secrets:
        image["secret"] = [
            "type=file,id=netrc,src=${NETRC}" if name == NETRC else f"type=env,id={name}" for name in secrets(recipe)
        ]
    # A null default: bake leaves out the argument if the environment lacks the variable.
    args = dict.fromkeys(arg for layer in recipe.layers for arg in layer.args)
    if args:
        image["args"] = {arg: f"${{{arg}}}" for arg in args}
    free = replace(recipe, taken=(*recipe.taken, _IMAGE, _PUSH, _DEFAULT, _LAYERS))
    names = zip(stage_names(free)[2:], stage_names(recipe)[2:], strict=True)
    stages = {name: {"inherits": [_IMAGE], "target": stage, "tags": []} for name, stage in names}
    document = {
        "variable": {
            **{arg: {"default": None} for arg in args},
            "IMAGE": {"default": name},
            "CACHE_FROM": {"default": "${IMAGE}"},
            # bake takes values from the environment, and does not expand `~`.
            **({"HOME": {}, "NETRC": {"default": "${HOME}/.netrc"}} if NETRC in recipe.secrets else {}),
        },
        "group": {_DEFAULT: {"targets": [_IMAGE]}, _LAYERS: {"targets": list(stages)}},
        "target": {_IMAGE: image, _PUSH: _PUSHED, **stages},
    }
    return json.dumps(document, indent=2) + "\n"
