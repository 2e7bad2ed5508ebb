"""Images for development: the sources are imported from their folder, and are seen without a build."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.docker

BACKENDS = {"app": "hatchling", "one": "uv_build", "two": "setuptools"}
MODULES = {"hatchling": "hatchling.build", "uv_build": "uv_build", "setuptools": "setuptools.build_meta"}
MAIN = "import hello, one, two\n\n\ndef main():\n    print('app says', hello.VERSION, one.NAME, two.NAME)\n"


def pyproject(name, dependencies=(), more=""):
    backend = BACKENDS[name]
    return f"""
[build-system]
requires = ["{backend}"]
build-backend = "{MODULES[backend]}"

[project]
name = "{name}"
version = "1.0"
requires-python = ">=3.10"
dependencies = {list(dependencies)}

[project.scripts]
{name} = "{name}:main"

{more}
"""


WORKSPACE = """
[tool.uv.workspace]
members = ["members/*"]

[tool.uv.sources]
one = { workspace = true }
two = { workspace = true }
"""


@pytest.fixture
def context(project, web):
    """Return a workspace of three packages with three backends, and its Dockerfile with an image `dev`."""
    web.wheel("hello")
    files = {"src/app/__init__.py": MAIN}
    for name in ("one", "two"):
        files[f"members/{name}/pyproject.toml"] = pyproject(name)
        files[f"members/{name}/src/{name}/__init__.py"] = f"NAME = '{name}'\n"
    context = project(pyproject("app", ["hello", "one", "two"], WORKSPACE), files)
    context.dockerfile("--cmd", "app", "--write", "Dockerfile")
    context.dockerfile("--image", "dev", "--editable", "/app", "--cmd", "app", "--write", "Dockerfile")
    return context


def edit(context):
    context.edit("app says", "the app says", "src/app/__init__.py")
    for name in ("one", "two"):
        context.edit("NAME = '", "NAME = 'new ", f"members/{name}/src/{name}/__init__.py")


def test_a_bind_mount_and_a_copied_file_take_effect(context, docker):
    image, dev = context.build(), context.build("--target", "dev")
    assert image.run() == dev.run() == "app says 1.0 one two"
    assert dev.packages[0] == image.packages[0]
    edit(context)

    def mounted(built):
        # As `volumes` of docker compose does: each folder of sources, and what is beside it stays the image's.
        mounts = [f"--volume={context.path / place}:/app/{place}" for place in ("src", "members")]
        return docker("run", "--rm", "--network=host", *mounts, built.tag).stdout.strip()

    assert mounted(dev) == "the app says 1.0 new one new two"
    assert mounted(image) == "app says 1.0 one two"
    # As `docker compose watch` does: what was edited is copied into the container that runs.
    name = dev.tag.replace(":", "-")
    docker("create", "--network=host", "--name", name, dev.tag)
    try:
        docker("cp", context.path / "src/app/__init__.py", f"{name}:/app/src/app/__init__.py")
        assert docker("start", "--attach", name).stdout.strip() == "the app says 1.0 one two"
    finally:
        docker("rm", "--force", name)


def test_an_edit_of_sources_leaves_the_layer_of_editable_packages_as_it_is(context):
    before = context.build("--target", "dev")
    edit(context)
    after = context.build("--target", "dev")
    assert after.run() == "the app says 1.0 new one new two"
    # WORKDIR, the dependencies, the project, and last the sources.
    assert [old == new for old, new in zip(before.layers, after.layers, strict=True)] == [True, True, True, False]
