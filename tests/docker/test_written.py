"""What `uv-layers dockerfile` writes beside a new Dockerfile: blocks in one that is there, and a file for bake."""

from __future__ import annotations

import uuid

import pytest

pytestmark = pytest.mark.docker

PROJECT = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["hello", "other"]

    [tool.uv-layers]
    layers = [
      { name = "low", packages = ["hello"] },
      { name = "high", dependencies = true },
    ]
"""
# Its stages have the names of a layer and of what uv-layers calls its own.
BY_HAND = """\
FROM debian:bookworm-slim AS low
RUN echo 'from a stage of its own' > /said

# >>> uv-layers stages
# <<< uv-layers stages

FROM low AS plan

FROM python:3.12-slim-bookworm
# >>> uv-layers copies
# <<< uv-layers copies
COPY --from=plan /said /said
CMD ["sh", "-c", "cat /said && hello && other"]
"""
SAID = ["from a stage of its own", "hello 1.0", "other 1.0"]


@pytest.fixture
def context(project, web):
    web.wheel("hello", script=True)
    web.wheel("other", script=True)
    return project(PROJECT)


def test_blocks_in_a_dockerfile_that_is_there(context):
    context.write(BY_HAND)
    context.dockerfile("--write", "Dockerfile")
    assert context.build().run().splitlines() == SAID

    # A layer comes: the blocks are stale until they are written again.
    context.edit('  { name = "high"', '  { name = "middle", packages = ["other"] },\n  { name = "high"')
    with pytest.raises(AssertionError, match="Dockerfile is out of date"):
        context.dockerfile("--check", "Dockerfile")
    context.dockerfile("--write", "Dockerfile")
    context.dockerfile("--check", "Dockerfile")
    image = context.build()
    assert len(image.layers) == 4  # three layers, and what was said
    assert image.run().splitlines() == SAID


def test_a_build_from_another_folder(context, docker, tmp_path):
    context.dockerfile("--cmd", "hello", "--write", "docker/Dockerfile")
    tag, place = context.new_tag(), context.path
    docker("build", "--network=host", "--tag", tag, "-f", place / "docker" / "Dockerfile", place, cwd=tmp_path)
    assert docker("run", "--rm", "--network=host", tag).stdout == "hello 1.0\n"


def test_bake(context, bake, docker):
    context.dockerfile("--cmd", "hello", "--write", "Dockerfile")
    tag = context.new_tag()
    bake(context, "--set", f"image.tags={tag}")
    assert docker("run", "--rm", "--network=host", tag).stdout == "hello 1.0\n"
    said = bake(context, "layers", "--set", "*.output=type=cacheonly").stderr
    assert "uv-layers install low" in said
    assert "uv-layers install high" in said


def test_bake_pushes_an_image_that_has_its_cache(context, bake, docker, repository, monkeypatch):
    context.dockerfile("--cmd", "hello", "--write", "Dockerfile")
    image = f"{repository.reference}:first"
    monkeypatch.setenv("IMAGE", image)
    said = bake(context, "push").stderr
    assert f"importing cache manifest from {image}" in said
    assert docker("run", "--rm", "--network=host", image).stdout == "hello 1.0\n"
    docker("image", "rm", image)
    assert "inferred cache manifest type" in bake(context, "push").stderr


def test_the_blocks_of_a_dockerfile_with_another_escape_character(context, docker):
    context.write("# escape=`\n" + BY_HAND)
    context.dockerfile("--write", "Dockerfile")
    assert context.build().run().splitlines() == SAID


@pytest.mark.parametrize(
    "use", ["FROM {}", "FROM --platform=$BUILDPLATFORM {}", "FROM python:3.12-slim-bookworm\nCOPY --from={} /mark /"]
)
def test_an_image_with_the_name_of_a_layer_is_the_image(project, web, image_of, docker, use):
    web.wheel("hello", script=True)
    name = f"layer{uuid.uuid4().hex[:12]}"
    made = image_of("FROM python:3.12-slim-bookworm\nRUN touch /mark\n")
    docker("tag", made, name)
    try:
        context = project(f"""
            [project]
            name = "app"
            version = "1.0"
            requires-python = ">=3.10"

            [dependency-groups]
            {name} = ["hello"]

            [tool.uv]
            default-groups = ["{name}"]
        """)
        stages, copies = context.dockerfile("--snippet").split("\n# Put this in the final stage")
        context.write(f"{stages}\n{use.format(name)}\n{copies.partition(chr(10))[2]}")
        context.dockerfile("--write", "Dockerfile")
        assert context.build().run("sh", "-c", "hello && ls /mark && ls -d /build || true").splitlines() == [
            "hello 1.0",
            "/mark",
        ]
    finally:
        docker("image", "rm", name)


NAMES = [
    "b[1].py",
    "b1.py",
    "a$HOME.py",
    "q?.py",
    "it's.py",
    'a "b".py',
    "back\\slash.py",
    "!x.py",
    " y ",
    "$(id).py",
    "é.py",
]


def test_files_of_any_name_are_copied(context):
    for name in NAMES:
        context.write(name, name)
    context.write(context.dockerfile(*(word for name in NAMES for word in ("--copy", name))))
    found = context.build().run("sh", "-c", 'cd /app; for file in *; do printf "<%s>\\n" "$(cat "$file")"; done')
    assert sorted(found.splitlines()) == sorted(f"<{name}>" for name in NAMES)
