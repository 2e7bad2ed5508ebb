"""examples/fastapi as an image, by a real engine."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.docker

HEAVY = "uv-layers install heavy-rarely-updated"
LIGHT = "uv-layers install light-frequently-updated"
EXPORT = "uv-layers export"
VERSIONS = "import fastapi, numpy; print(fastapi.__version__, numpy.__version__)"


def test_the_image_answers_with_the_locked_numpy(context, answer):
    assert answer(context.build()) == {"numpy": context.locked("numpy"), "determinant": 1.0}


def test_a_bump_changes_the_layer_that_it_is_in(context, versions):
    old, new = versions
    before = context.build()
    assert before.run("python", "-c", VERSIONS) == f"{old} {context.locked('numpy')}"

    context.lock(fastapi=new)
    after = context.build()
    assert after.run("python", "-c", VERSIONS) == f"{new} {context.locked('numpy')}"
    (heavy, light), (heavy_after, light_after) = before.packages[:2], after.packages[:2]
    assert heavy_after == heavy
    assert light_after != light
    assert not after.cached(EXPORT)
    assert after.cached(HEAVY)


def test_an_edit_that_moves_no_package_changes_no_layer(context):
    before = context.build()
    context.edit("requires-python", 'description = "What uv-layers is for"\nrequires-python')
    after = context.build()
    assert not after.cached(EXPORT)
    assert after.cached(HEAVY)
    assert after.cached(LIGHT)
    assert after.layers == before.layers


def test_layers_that_are_built_again_are_the_same(context):
    before = context.build()
    after = context.build("--no-cache")
    assert not after.cached(HEAVY)
    assert not after.cached(LIGHT)
    assert after.packages[:2] == before.packages[:2]


def test_the_snippet_builds_in_a_dockerfile_written_by_hand(context):
    stages, copies = context.dockerfile("--snippet").split("\n# Put this in the final stage")
    _, copies = copies.split("\n", 1)
    assert copies.count("COPY --link") == 2
    context.write(
        "# Written by hand.\n"
        f"{stages}\n"
        "FROM python:3.12-slim-bookworm\n"
        "ENV PYTHONUNBUFFERED=1\n"
        f"{copies}"
        "USER 1000:1000\n"
        "WORKDIR /srv\n"
        f'CMD ["python", "-c", "{VERSIONS}"]\n'
    )
    assert context.build().run() == f"{context.locked('fastapi')} {context.locked('numpy')}"


def test_a_dockerfile_has_no_warnings(context):
    done = context.check()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no warnings found" in done.stdout + done.stderr

    context.write((context.path / "Dockerfile").read_text(encoding="utf-8").replace(" AS plan", " as plan"))
    assert context.check().returncode != 0  # so that it is known to look
