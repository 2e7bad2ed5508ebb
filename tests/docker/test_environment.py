"""The prefix /app/.venv: a virtual environment in the image, its skeleton a layer of its own."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.docker

PROJECT = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["hello"]

    [tool.uv-layers]
    prefix = "/app/.venv"
"""
WHERE = "import sys, hello; print(sys.prefix, sys.base_prefix, sys.executable, hello.__file__)"
PLACES = "/app/.venv /usr/local /app/.venv/bin/python /app/.venv/lib/python3.12/site-packages/hello.py"


@pytest.fixture
def context(project, web):
    web.wheel("hello", script=True)
    made = project(PROJECT)
    made.write(made.dockerfile())
    return made


def test_the_image_has_an_environment_that_works(context):
    image = context.build()
    assert image.run("python", "-c", WHERE) == PLACES
    assert image.run("hello") == "hello 1.0"
    assert image.run("head", "-1", "/app/.venv/bin/hello") == "#!/app/.venv/bin/python"
    settings = image.run("cat", "/app/.venv/pyvenv.cfg").splitlines()
    assert [line.split(" = ")[0] for line in settings] == ["home", "include-system-site-packages", "version_info"]
    assert settings[0] == "home = /usr/local/bin"
    assert image.run("sh", "-c", "grep -r /build /app/.venv || true") == ""
    # Activated by hand, too, and with nothing of the image's own PATH.
    activated = "export PATH=/usr/bin:/bin; . /app/.venv/bin/activate && which hello python && hello && deactivate"
    assert image.run("sh", "-c", activated).split() == ["/app/.venv/bin/hello", "/app/.venv/bin/python", "hello", "1.0"]


def test_the_skeleton_is_the_lowest_layer_and_outlives_a_bump(context, web):
    before = context.build()
    assert len(before.packages) == 3  # the environment, its packages, and the folder of the project

    web.wheel("hello", "2.0", script=True)
    context.lock("--upgrade")
    after = context.build()
    assert after.run("hello") == "hello 2.0"
    assert after.cached("uv-layers install venv")
    assert after.packages[0] == before.packages[0]
    assert after.packages[1] != before.packages[1]


def test_builders_elsewhere_make_the_same_environment(context, tmp_path):
    first = context.build("--no-cache")
    second = context.copy(tmp_path / "another" / "place").build("--no-cache")
    assert not second.cached("uv-layers install venv")
    assert second.packages[:2] == first.packages[:2]
