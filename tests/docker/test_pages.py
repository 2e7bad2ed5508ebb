"""What pages of docs/ say of images: the tutorial is gone through, and what others show is built."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import uv

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PYTHON, IMAGE = "3.12", "python:3.12-slim-bookworm"
ARM = 0xB7  # of e_machine in ELF
HEAVY, LIGHT = "heavy-rarely-updated", "light-frequently-updated"


def _block(page: str, language: str, start: str) -> str:
    """Return the one block of a page in a language that starts so."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}(?: title=\S+)?\n({re.escape(start)}.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(found) == 1
    return found[0]


def _parts(snippet: str) -> tuple[str, str]:
    """Return the stages and the COPY lines of what `uv-layers dockerfile --snippet` prints."""
    stages, copies = snippet.split("\n# Put this in the final stage")
    return stages, copies.split("\n", 1)[1]


def _python() -> str | None:
    found = subprocess.run([uv.find_uv_bin(), "python", "find", PYTHON], capture_output=True, check=False, text=True)
    return found.stdout.strip() if found.returncode == 0 else None


@pytest.mark.skipif(_python() is None, reason=f"the page compiles for Python {PYTHON}, and none is here")
def test_the_tutorial_leads_to_an_image_and_through_a_bump(walk, context, wheel, monkeypatch, tmp_path):
    programs = [sysconfig.get_path("scripts"), str(Path(uv.find_uv_bin()).parent)]
    monkeypatch.setenv("PATH", os.pathsep.join([*programs, os.environ["PATH"]]))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    folder = tmp_path / "app"
    folder.mkdir()
    shutil.copy(wheel, folder)
    replaced = {
        "3.12": PYTHON,
        "/home/you/app": str(folder),
        "uv_layers-0.1.0-py3-none-any.whl": wheel.name,
        "first-image": f"{context.name}:first",
        "docker build ": "docker build --network=host ",
        "docker run --rm": "docker run --rm --network=host",
    }
    assert walk("tutorial/first-image.md", folder, replaced, engine=True) > 15


def test_an_image_on_the_python_of_debian(context, docker, uv_image):
    base = _block("how-to/base-images.md", "dockerfile", "FROM debian:bookworm-slim AS base\nRUN apt-get")
    stages, copies = _parts(context.dockerfile("--snippet", "--python", "3.11", "--base", "base"))
    context.write(f"{base}\n{stages}\nFROM base\n{copies}")
    image = context.build()
    program = "import fastapi; print(fastapi.__file__)"
    found = docker("run", "--rm", "--network=host", image.tag, "python3", "-c", program).stdout.strip()
    assert found == "/usr/local/lib/python3.11/dist-packages/fastapi/__init__.py"


def test_a_layer_is_built_with_a_compiler_that_the_image_has_not(context, docker):
    project = _block("how-to/native-builds.md", "toml", "[project]")
    (context.path / "pyproject.toml").write_text(project, encoding="utf-8")
    (context.path / "uv.lock").unlink()
    subprocess.run([uv.find_uv_bin(), "lock", "--quiet"], cwd=context.path, check=True)
    context.write(context.dockerfile())
    image = context.build()
    program = "import markupsafe._speedups as s; print(s.__file__)"
    assert docker("run", "--rm", "--network=host", image.tag, "python", "-c", program).stdout.endswith("-gnu.so\n")
    packages = docker(
        "run", "--rm", "--network=host", image.tag, "dpkg-query", "--show", "--showformat", "${Package}\n"
    )
    assert "gcc" not in packages.stdout.split()


def test_trees_of_another_platform_are_made_without_emulation(context, tmp_path):
    builder = _block("how-to/platforms.md", "dockerfile", "FROM --platform=$BUILDPLATFORM")
    platform, told = builder.splitlines()[0], "".join(f"{line}\n" for line in builder.splitlines()[-2:])
    stages, copies = _parts(context.dockerfile("--snippet"))
    assert f"FROM {IMAGE} AS uv-layers\n" in stages
    stages = stages.replace(f"FROM {IMAGE} AS uv-layers", platform).replace(
        "WORKDIR /build\n", f"WORKDIR /build\n{told}"
    )
    context.write(f"{stages}\nFROM scratch\n{copies}")
    out = tmp_path / "out"
    context.build("--platform", "linux/arm64", "--output", f"type=local,dest={out}")
    libraries = list(out.rglob("*.so"))
    assert len(libraries) > 10
    assert {int.from_bytes(path.read_bytes()[18:20], "little") for path in libraries} == {ARM}
    assert (out / "usr/local/bin/uvicorn").read_text(encoding="utf-8").startswith(f"#!/usr/bin/env python{PYTHON}\n")


def test_the_bake_file_is_one(context, docker):
    (context.path / "docker-bake.json").write_text(context.dockerfile("--bake"), encoding="utf-8")
    cache = "type=registry,ref=registry.example.com/shop:cache"
    done = subprocess.run(
        ["docker", "buildx", "bake", "--print", "--set", f"*.cache-from={cache}", "layers"],
        cwd=context.path,
        capture_output=True,
        check=True,
        text=True,
    )
    targets = json.loads(done.stdout)["target"]
    assert set(targets) == {HEAVY, LIGHT}
    assert all(target["target"] == name and target["cache-from"] for name, target in targets.items())
