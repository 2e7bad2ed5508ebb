"""Images with a newer Python than the official ones here, which is Debian's own: of the builder and of the target."""

from __future__ import annotations

import re
import subprocess
import uuid

import pytest

pytestmark = pytest.mark.docker

PROJECT = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["fastapi", "uvicorn"]

    [dependency-groups]
    heavy = ["numpy"]

    [tool.uv]
    default-groups = ["heavy"]
"""
IMPORTS = ("-c", "import fastapi, numpy, uvicorn; print(int(numpy.ones(3).sum()))")
CACHE = "type=cache,target=/root/.cache"


@pytest.fixture(params=["3.14", "3.15"])
def python(request):
    """Return the version of a Python that an image of Debian has."""
    image = f"debian:forky-python{request.param}"
    if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode:
        pytest.skip(f"no image {image}, with Debian's Python {request.param}")
    return request.param


@pytest.fixture
def context(python, project):
    """Return a project with packages of PyPI, and the Dockerfile for that Python."""
    made = project(PROJECT)
    made.edit('url = "', 'explicit = true\nurl = "')
    made.lock()
    base = f"debian:forky-python{python}"
    made.write(made.dockerfile("--python", python, "--base", base))
    return made


def _cold(context):
    """Write the Dockerfile with empty caches: those of another name."""
    text = (context.path / "Dockerfile").read_text(encoding="utf-8")
    assert CACHE in text
    context.write(re.sub(f"{CACHE}(,id=\\w+)?", f"{CACHE},id={uuid.uuid4().hex}", text))


@pytest.mark.parametrize("prefix", ["/usr/local", "/app/.venv"])
def test_packages_work_and_nothing_is_compiled_at_import(context, python, prefix):
    base = f"debian:forky-python{python}"
    context.write(context.dockerfile("--python", python, "--base", base, "--prefix", prefix))
    image = context.build(base=base)
    assert image.run("python3", *IMPORTS) == "3"
    assert image.run("uvicorn", "--version").startswith("Running uvicorn ")
    assert image.run("python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])") == python
    # As root, which may write bytecode: `-v` names the source of each module that was compiled.
    said = image.run("sh", "-c", f"python3 -v {IMPORTS[0]} '{IMPORTS[1]}' 2>&1")
    loaded = re.findall(rf"^# code object from '?({prefix}/[^']*)", said, re.MULTILINE)
    assert len(loaded) > 100
    assert [path for path in loaded if not path.endswith(".pyc")] == []
    builder = context.build("--target", "uv-layers", base=base)
    assert builder.run("/opt/uv-layers/bin/python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])") == python


def test_layers_are_the_same_with_cold_and_warm_caches(context, python, tmp_path):
    base = f"debian:forky-python{python}"
    _cold(context)
    first = context.build("--no-cache", base=base)
    warm = context.build("--no-cache", base=base)
    elsewhere = context.copy(tmp_path / "another" / "place")
    _cold(elsewhere)
    cold = elsewhere.build("--no-cache", base=base)
    assert len(first.packages) == 3  # the last one is the project's folder
    assert first.packages[:2] == warm.packages[:2] == cold.packages[:2]
