"""A real engine, the wheel of this project, and examples/fastapi as the context of a build."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import uuid
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
import tomli
import uv
from packaging.markers import Marker

ROOT = Path(__file__).parents[2]
PYTHON = "3.12"
BASE = f"python:{PYTHON}-slim-bookworm"
# Any two will do; what else is in the lock stays as it is between them.
FASTAPI, NEXT_FASTAPI = "0.120.0", "0.121.0"
BUILD_TIMEOUT, START_TIMEOUT = 600, 60  # seconds


def _run(*argv: object, cwd: Path | None = None, timeout: float = BUILD_TIMEOUT):
    words = [str(word) for word in argv]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
    return done


@dataclass(frozen=True)
class Image:
    """An image that was built, and what BuildKit said of it."""

    tag: str
    progress: str

    @property
    def layers(self) -> list[str]:
        """The digests of the layers above the base image: those of packages first, bottom to top."""
        layers, base = (_layers(name) for name in (self.tag, BASE))
        assert layers[: len(base)] == base
        return layers[len(base) :]

    def cached(self, step: str) -> bool:
        """Tell whether the one step of the build that `step`, a part of its line, names came from the cache."""
        steps = {line for line in re.findall(r"^#\d+ \[.+$", self.progress, re.MULTILINE) if step in line}
        assert len(steps) == 1, self.progress
        number = steps.pop().split(" ", 1)[0]
        return f"\n{number} CACHED\n" in self.progress

    def run(self, *command: str) -> str:
        """Return what a command prints in a container of the image."""
        return _run("docker", "run", "--rm", "--network=host", self.tag, *command, timeout=START_TIMEOUT).stdout.strip()


def _layers(name: str) -> list[str]:
    return json.loads(_run("docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", name).stdout)


@dataclass(frozen=True)
class Context:
    """A copy of the example with its lock and a wheel of uv-layers, to build images from."""

    path: Path
    wheel: str
    name: str
    port: int

    @property
    def command(self) -> str:
        return f"uvicorn main:app --host 127.0.0.1 --port {self.port}"

    def dockerfile(self, *arguments: str) -> str:
        """Return what `uv-layers dockerfile` prints for the context."""
        argv = (sys.executable, "-m", "uv_layers", "dockerfile", "--python", PYTHON, "--tool", self.wheel)
        return _run(*argv, *arguments, cwd=self.path).stdout

    def write(self, dockerfile: str) -> None:
        (self.path / "Dockerfile").write_text(dockerfile, encoding="utf-8")

    def build(self, *options: str) -> Image:
        tag = f"{self.name}:{uuid.uuid4().hex[:8]}"
        done = _run("docker", "build", "--network=host", "--progress=plain", "--tag", tag, *options, ".", cwd=self.path)
        return Image(tag, done.stderr)

    def copy(self, folder: Path) -> Context:
        """Return the context in another folder, which is made; its images go with this one's."""
        return replace(self, path=shutil.copytree(self.path, folder))

    def check(self) -> subprocess.CompletedProcess[str]:
        argv = ["docker", "build", "--check", "."]
        return subprocess.run(argv, cwd=self.path, capture_output=True, text=True, check=False, timeout=START_TIMEOUT)

    def edit(self, old: str, new: str) -> None:
        file = self.path / "pyproject.toml"
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def lock(self, fastapi: str) -> None:
        """Lock the project with one version of fastapi, and what else the lock has as it is."""
        _lock(self.path, fastapi)

    def locked(self, name: str) -> str:
        """Return the version of a package that the lock has for the image's Python."""
        lock = tomli.loads((self.path / "uv.lock").read_text(encoding="utf-8"))
        python = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0"}
        packages = [package for package in lock["package"] if package["name"] == name]
        if len(packages) > 1:  # then each says where it is for
            packages = [p for p in packages if any(Marker(m).evaluate(python) for m in p["resolution-markers"])]
        assert len(packages) == 1
        return packages[0]["version"]


def _get(port: int) -> bytes | None:
    """Return what a server on loopback answers, or None while it does not."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/")
            return connection.getresponse().read()
        except (OSError, HTTPException):
            return None


def _lock(folder: Path, fastapi: str) -> None:
    _run(uv.find_uv_bin(), "lock", "--python", sys.executable, "--upgrade-package", f"fastapi=={fastapi}", cwd=folder)


@pytest.fixture(scope="session", autouse=True)
def _engine() -> None:
    """Skip without an engine; fail where there is to be one."""
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False, timeout=60)
        reason = "" if done.returncode == 0 else done.stderr.strip() or "`docker info` fails"
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    if reason and os.environ.get("UV_LAYERS_REQUIRE_DOCKER") == "1":
        pytest.fail(f"UV_LAYERS_REQUIRE_DOCKER=1, but no Docker engine answers: {reason}")
    if reason:
        pytest.skip(f"no Docker engine answers: {reason}")


@pytest.fixture(scope="session")
def wheel(_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of this project."""
    out = tmp_path_factory.mktemp("dist")
    _run(uv.find_uv_bin(), "build", "--wheel", "--python", sys.executable, "--out-dir", out, ROOT)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def _example(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the example, locked with an old fastapi, with the wheel in it."""
    folder = tmp_path_factory.mktemp("example") / "fastapi"
    folder.mkdir()
    for name in ("main.py", "pyproject.toml"):
        shutil.copyfile(ROOT / "examples" / "fastapi" / name, folder / name)
    _lock(folder, FASTAPI)
    shutil.copy(wheel, folder)
    return folder


@pytest.fixture
def context(_example: Path, wheel: Path, tmp_path: Path):
    """Return the example in a folder of the test's own; its images go when the test is over."""
    folder = shutil.copytree(_example, tmp_path / "fastapi")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Context(folder, wheel.name, f"uv-layers-test-{uuid.uuid4().hex[:12]}", port)
    made.write(made.dockerfile("--cmd", made.command))
    # No build before this one had such a lock, so what comes from the cache now comes from it whatever the lock is.
    made.edit('version = "0.0.0"', f'version = "0.0.{time.time_ns()}"')
    made.lock(FASTAPI)
    yield made
    if tags := _run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", made.name).stdout.split():
        _run("docker", "image", "rm", "--force", *tags)


@pytest.fixture
def answer(context: Context):
    """Return a function that starts an image's own command and returns the JSON that it answers."""
    started = []

    def ask(image: Image):
        container = f"{context.name}-{len(started)}"
        started.append(container)
        _run("docker", "run", "--detach", "--network=host", "--name", container, image.tag)
        deadline = time.monotonic() + START_TIMEOUT
        while (said := _get(context.port)) is None:
            if time.monotonic() > deadline:
                logs = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=False)
                pytest.fail(f"no answer in {START_TIMEOUT} seconds\n{logs.stdout}{logs.stderr}")
            time.sleep(0.2)
        return json.loads(said)

    yield ask
    if started:
        _run("docker", "rm", "--force", *started)


@pytest.fixture
def docker():
    """Return a function that runs `docker` and returns what is known when it has ended well."""
    return partial(_run, "docker")


@pytest.fixture
def versions():
    """Return the versions of fastapi between which a bump goes."""
    return FASTAPI, NEXT_FASTAPI
