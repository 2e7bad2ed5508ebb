"""A cold builder makes the layers that another one made, so that a registry which has them gets none again.

What is shown: two builds of one lock, with every cache dropped between them (the engine's build cache, its cache
mounts and the first image), from folders of other paths, times and modes, make package layers of the same diff IDs and
the same compressed digests, and pushing the second image sends no byte of a package layer. What is sent is counted by a
proxy of the test's own, which stands between the engine and the registry and sees each request.

Not claimed: the layers of the base image (as they are) and of the application (WORKDIR, and COPY of main.py with its
times).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.docker,
    pytest.mark.prunes,
    pytest.mark.skipif(
        os.environ.get("UV_LAYERS_PRUNE_BUILDER") != "1",
        reason="drops the engine's whole build cache (docker builder prune -af); set UV_LAYERS_PRUNE_BUILDER=1",
    ),
]

HEAVY, LIGHT = "heavy-rarely-updated", "light-frequently-updated"
STEPS = ("uv tool install", "uv-layers export", f"uv-layers install {HEAVY}", f"uv-layers install {LIGHT}")
SMALL = 1 << 20  # bytes: more than the folder of the project with its lock and the wheel, less than a layer of packages


@pytest.fixture
def forget(docker):
    """Return a function that makes the engine forget images, and all that was ever built on it."""

    def forget(*images):
        for image in images:
            docker("image", "rm", image.tag)
        docker("builder", "prune", "--all", "--force")
        # A build that still runs, of whomever, holds its cache mounts, which other builds then share.
        assert "exec.cachemount" not in docker("buildx", "du", "--verbose").stdout

    return forget


def _dress(folder: Path, umask: int, time: int) -> None:
    """Give all files of a folder the modes that they have when they are made with a umask, and a time."""
    for path in (*folder.rglob("*"), folder):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
        os.utime(path, (time, time))


@pytest.mark.parametrize("prefix", ["/usr/local", "/app/.venv"])
@pytest.mark.parametrize("python", ["3.12", "3.13"])
def test_a_cold_builder_elsewhere_makes_the_layers_that_the_registry_has(
    python, prefix, context, repository, forget, tmp_path
):
    base = f"python:{python}-slim-bookworm"
    context.write(context.dockerfile("--python", python, "--base", base, "--prefix", prefix))
    elsewhere = context.copy(tmp_path / "another" / "place")
    _dress(context.path, 0o002, 1_700_000_000)
    _dress(elsewhere.path, 0o077, 1_000_000_000)

    # BuildKit takes a COPY from the cache when the source differs in nothing but times: no layer that was copied before
    # may stand in for one of these.
    forget()
    first = context.build()
    sent = repository.push(first, "first")
    packages = repository.packages("first")
    assert list(packages) == [*(["venv"] if prefix == "/app/.venv" else []), HEAVY, LIGHT]
    # The repository had none of them, and the proxy sees what is sent.
    assert {layer.digest: sent.get(layer.digest) for layer in packages.values()} == {
        layer.digest: layer.size for layer in packages.values()
    }

    forget(first)
    second = elsewhere.build()
    assert [step for step in STEPS if second.cached(step)] == []
    assert second.run("python", "-c", "import fastapi, numpy, sys; print(sys.prefix)") == prefix
    sent = repository.push(second, "second")
    assert repository.packages("second") == packages
    assert sent.keys() & {layer.digest for layer in packages.values()} == set()
    # The proxy did see this push: the image's configuration, and the layer of main.py, which has another time and mode.
    assert 0 < sum(sent.values()) < SMALL


def test_a_layer_that_changed_is_the_one_that_is_sent(context, repository, versions):
    _, new = versions
    repository.push(context.build(), "first")
    before = repository.packages("first")

    context.lock(fastapi=new)
    sent = repository.push(context.build(), "second")
    after = repository.packages("second")
    assert after[HEAVY] == before[HEAVY]
    assert after[LIGHT].digest != before[LIGHT].digest
    packages = {layer.digest: layer.size for layer in (*before.values(), *after.values())}
    assert {digest: size for digest, size in sent.items() if digest in packages} == {
        after[LIGHT].digest: after[LIGHT].size
    }
