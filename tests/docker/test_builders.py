"""Two builders that share a registry, and nothing else: what the second one builds, and what it pushes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.docker

PROJECT = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"

    [dependency-groups]
    heavy = ["numbers"]
    light = ["web"]

    [tool.uv]
    default-groups = ["heavy", "light"]
"""
# Another run of the tests on this machine has a bridge of its own.
BRIDGE, ADDRESS = f"uvl-{os.getpid()}", f"172.31.{os.getpid() % 256}.1/24"
START_TIMEOUT = 300  # seconds


@pytest.fixture(scope="module")
def second(uv_image, tmp_path_factory):
    """Return the options of `docker` for a second engine, which has the images that builds here start from."""
    dockerd = os.environ.get("UV_LAYERS_TEST_DOCKERD") or shutil.which("dockerd")
    if dockerd is None:
        pytest.skip("no dockerd for a second engine on PATH, nor in UV_LAYERS_TEST_DOCKERD")
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a second engine needs root, and `ip`")
    folder = tmp_path_factory.mktemp("engine")
    engine = ("--host", f"unix://{folder}/docker.sock")
    config = folder / "daemon.json"
    config.write_text('{"features": {"containerd-snapshotter": true}}', encoding="utf-8")
    argv = [dockerd, "--config-file", config, *engine, "--bridge", BRIDGE, "--iptables=false", "--ip6tables=false"]
    argv += [f"--{name}={folder / name}" for name in ("data-root", "exec-root", "pidfile")]
    # Beside it may be what it starts.
    here = Path(dockerd).parent
    path = os.pathsep.join([str(here), str(here.parent / "bin"), os.environ["PATH"]])
    # A bridge of its own: an engine without one removes that of the other.
    _run("ip", "link", "add", BRIDGE, "type", "bridge")
    try:
        _run("ip", "address", "add", ADDRESS, "dev", BRIDGE)
        _run("ip", "link", "set", BRIDGE, "up")
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(argv, env=os.environ | {"PATH": path}, stdout=log, stderr=log)
        try:
            _wait_for(engine, process, folder / "log")
            save = ("docker", "save", "python:3.12-slim-bookworm", uv_image)
            with subprocess.Popen(save, stdout=subprocess.PIPE) as images:
                subprocess.run(["docker", *engine, "load"], stdin=images.stdout, check=True, capture_output=True)
            assert images.returncode == 0
            yield engine
        finally:
            process.terminate()
            process.wait(START_TIMEOUT)
    finally:
        _run("ip", "link", "delete", BRIDGE)
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
        for mount in mounts:
            if mount.startswith(f"{folder}/"):
                _run("umount", mount)
        shutil.rmtree(folder)


def _run(*argv):
    subprocess.run(argv, check=True, capture_output=True)


def _wait_for(engine, process, log):
    deadline = time.monotonic() + START_TIMEOUT
    while subprocess.run(["docker", *engine, "info"], capture_output=True, check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"no second engine\n{log.read_text(encoding='utf-8')}")
        time.sleep(0.2)


@pytest.fixture
def small(project, web):
    """Return a project with a package in each of two layers."""
    web.wheel("numbers")
    web.wheel("web")
    made = project(PROJECT)
    made.write(made.dockerfile())
    return made


def bump(project, web, version="2.0"):
    web.wheel("web", version)
    project.lock("--upgrade")


VERSION = ("python", "-c", "import web; print(web.VERSION)")


def test_a_remote_cache_spares_the_stage_that_did_not_change(small, repository, second, web):
    cache = f"type=registry,ref={repository.reference}:cache"
    small.build(f"--cache-to={cache},mode=max")
    bump(small, web)
    there = small.build(f"--cache-from={cache}", engine=second)
    assert there.run(*VERSION) == "2.0"
    assert there.cached("uv-layers install heavy")
    assert not there.cached("uv-layers install light")


def test_a_builder_without_a_cache_sends_the_layer_that_changed_alone(small, repository, second, web):
    first = small.build()
    repository.push(first, "first")
    before = repository.packages("first")

    bump(small, web)
    there = small.build("--no-cache", engine=second)
    assert not there.cached("uv-layers install heavy")
    sent = repository.push(there, "second")
    after = repository.packages("second")
    assert after["heavy"] == before["heavy"]
    assert after["light"] != before["light"]
    assert after["heavy"].digest not in sent
    assert after["light"].digest in sent


def test_a_cold_builder_needs_only_the_last_image(small, docker, repository, second, web):
    page = ("remote-caches.md", "docker buildx build --provenance=false --tag registry.example.com/shop:latest")
    # Through the proxy, which counts what is pushed.
    last = f"127.0.0.1:{repository.proxy.server_port}/{repository.name}:first"
    small.follow(*page, last)
    before = repository.packages("first")
    repository.proxy.take()

    docker(*second, "builder", "prune", "--all", "--force")  # what other tests built
    # No engine has this layer, compressed in another way.
    bump(small, web, f"2.{time.time_ns()}")
    there = small.follow(*page, last, engine=second)
    after = repository.packages("first")
    assert after["heavy"] == before["heavy"]
    assert after["light"] != before["light"]
    assert after["light"].media_type.endswith("+zstd")

    sent = repository.proxy.take()
    assert after["light"].digest in sent
    assert after["heavy"].digest not in sent
    cached = {
        "uv tool install": False,
        "uv-layers export": False,
        "uv-layers install heavy": True,
        "uv-layers install light": False,
        "COPY --link --from=heavy": True,
        "COPY --link --from=light": False,
    }
    assert {step: there.cached(step) for step in cached} == cached
    # Docker prints the layers that it downloads.
    assert before["heavy"].digest not in there.progress


def test_two_builders_make_one_image(context, docker, repository, second, tmp_path):
    page = ("reproducible-images.md", "export SOURCE_DATE_EPOCH=")
    elsewhere = context.copy(tmp_path / "another" / "place")
    for path in elsewhere.path.iterdir():
        os.utime(path)
    image = f"{repository.reference}:first"
    context.follow(*page, image, "--no-cache")
    elsewhere.follow(*page, f"{repository.reference}:second", "--no-cache", engine=second)
    assert repository.digest("first") == repository.digest("second")

    # The exporter changes no time that Python compares with the bytecode.
    program = "import json, sys, fastapi, numpy; print(json.dumps([numpy.__name__, fastapi.__name__]))"
    started = docker("run", "--rm", "--network=none", image, "python", "-v", "-c", program)
    docker("image", "rm", image)
    assert json.loads(started.stdout) == ["numpy", "fastapi"]
    assert "# code object from" in started.stderr
    assert "bytecode is stale" not in started.stderr
