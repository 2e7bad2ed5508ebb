"""A cold builder makes the layers that another one made, so that a registry which has them gets none again.

What is shown: two builds of one lock, with every cache dropped between them (the engine's build cache, its cache
mounts and the first image), from folders of other paths, times and modes, make package layers of the same diff IDs and
the same compressed digests, and pushing the second image sends no byte of a package layer. What is sent is counted by a
proxy of the test's own, which stands between the engine and the registry and sees each request.

Not claimed: the layers of the base image (as they are) and of the application (WORKDIR, and COPY of main.py with its
times). Nor does the image with the prefix /app/.venv run: nothing in it makes an environment of that folder yet.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(
        os.environ.get("UV_LAYERS_PRUNE_BUILDER") != "1",
        reason="drops the engine's whole build cache (docker builder prune -af); set UV_LAYERS_PRUNE_BUILDER=1",
    ),
]

REGISTRY = os.environ.get("UV_LAYERS_TEST_REGISTRY", "127.0.0.1:5000")
HEAVY, LIGHT = "heavy-rarely-updated", "light-frequently-updated"
STEPS = ("pip install", "uv-layers export", f"uv-layers install {HEAVY}", f"uv-layers install {LIGHT}")
MANIFESTS = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
]
TIMEOUT = 60  # seconds
CHUNK = 1 << 20
SMALL = 1 << 18  # bytes: more than all that is no layer of packages, less than any that is


@dataclass(frozen=True)
class Layer:
    """A layer of an image in a registry: the digest of its tar, and the digest and size of the compressed blob."""

    diff_id: str
    digest: str
    size: int


class Proxy(ThreadingHTTPServer):
    """Passes requests on to the registry, and counts the bytes of each blob that the registry took.

    A blob is not mounted from another repository, as Docker asks for one that an earlier test pushed: a registry may
    decline that, and then what this repository lacks is sent whatever the registry has elsewhere.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self._lock = threading.Lock()
        self._sent: Counter[str] = Counter()
        self._taken: Counter[str] = Counter()

    def sent(self, target: str, size: int, status: int) -> None:
        """Note a request to the blob uploads of a repository, its bytes, and what the registry said to it."""
        url = urlsplit(target)
        query = parse_qs(url.query)
        with self._lock:
            self._sent[url.path] += size
            # A PATCH names no digest; the PUT which ends its upload does.
            for digest in query.get("digest", []) if status == HTTPStatus.CREATED else ():
                self._taken[digest] += self._sent.pop(url.path)

    def take(self) -> dict[str, int]:
        """Return the bytes of each blob that was taken since the last call."""
        with self._lock:
            assert not +self._sent, "an upload was begun and not ended"
            taken = dict(self._taken)
            self._taken.clear()
        return taken


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # What is no HTTP gets an answer that is: Docker tries TLS first, and plain HTTP only when the server speaks it.
    default_request_version = "HTTP/1.1"
    timeout = TIMEOUT
    server: Proxy

    def _pass_on(self) -> None:
        size = 0
        target = self.path.split("?")[0] if "mount=" in self.path else self.path

        def body():
            nonlocal size
            for block in self._body():
                size += len(block)
                yield block

        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"connection", "expect"}}
        with closing(HTTPConnection(REGISTRY, timeout=TIMEOUT)) as upstream:
            chunked = "Transfer-Encoding" in self.headers
            # The Host header is the proxy's, so that the registry's answers point to the proxy.
            upstream.request(self.command, target, body(), headers, encode_chunked=chunked)
            answer = upstream.getresponse()
            content = answer.read()
        if "/blobs/uploads/" in target:
            self.server.sent(target, size, answer.status)
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                self.send_header(name, value)
        of_head = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", of_head or str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on  # noqa: N815 - names of the base class's

    def _body(self):
        if "Transfer-Encoding" in self.headers:
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length", 0))
        while left and (block := self.rfile.read(min(left, CHUNK))):
            left -= len(block)
            yield block

    def log_message(self, *_):
        pass


def _ask(method: str, path: str):
    """Return the status, headers and content of the registry's answer."""
    with closing(HTTPConnection(REGISTRY, timeout=TIMEOUT)) as connection:
        connection.request(method, path, headers={"Accept": ", ".join(MANIFESTS)})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


@dataclass(frozen=True)
class Repository:
    """A repository of the registry's, pushed to through the proxy and read without it."""

    name: str
    proxy: Proxy
    docker: Callable[..., Any]

    def push(self, image, tag: str) -> dict[str, int]:
        """Push an image and return the bytes of each blob that was sent."""
        reference = f"127.0.0.1:{self.proxy.server_port}/{self.name}:{tag}"
        self.docker("tag", image.tag, reference)
        try:
            self.docker("push", reference)
        finally:
            self.docker("image", "rm", reference)
        return self.proxy.take()

    def packages(self, tag: str) -> dict[str, Layer]:
        """Return the package layers of a pushed image, by name, bottom to top."""
        found = self._get(f"manifests/{tag}")
        if "manifests" in found:  # an index: of the image, and of what attests where it comes from
            (image,) = (each for each in found["manifests"] if each["platform"]["os"] != "unknown")
            found = self._get(f"manifests/{image['digest']}")
        config = self._get(f"blobs/{found['config']['digest']}")
        steps = [step.get("created_by", "") for step in config["history"] if not step.get("empty_layer")]
        layers = zip(steps, config["rootfs"]["diff_ids"], found["layers"], strict=True)
        return {
            copy[1]: Layer(diff_id, blob["digest"], blob["size"])
            for step, diff_id, blob in layers
            if (copy := re.match(r"COPY /build/layers/([^/]+)/ ", step))
        }

    def delete(self, *tags: str) -> None:
        """Delete images, as far as the registry lets one; their blobs go when it next collects garbage."""
        for tag in tags:
            _, headers, _ = _ask("HEAD", f"/v2/{self.name}/manifests/{tag}")
            if digest := headers["Docker-Content-Digest"]:
                _ask("DELETE", f"/v2/{self.name}/manifests/{digest}")

    def _get(self, path: str):
        status, _, content = _ask("GET", f"/v2/{self.name}/{path}")
        assert status == HTTPStatus.OK, content
        return json.loads(content)


@pytest.fixture(scope="module", autouse=True)
def _registry(_engine: None) -> None:
    """Skip without a registry; fail where there is to be one."""
    try:
        status, _, _ = _ask("GET", "/v2/")
        reason = "" if status == HTTPStatus.OK else f"it answers {status}"
    except (OSError, HTTPException) as error:
        reason = str(error)
    if reason and os.environ.get("UV_LAYERS_REQUIRE_DOCKER") == "1":
        pytest.fail(f"UV_LAYERS_REQUIRE_DOCKER=1, but no registry at {REGISTRY}: {reason}")
    if reason:
        pytest.skip(f"no registry at {REGISTRY} (UV_LAYERS_TEST_REGISTRY): {reason}")


@pytest.fixture
def repository(context, docker):
    """Return a repository which the registry did not have before."""
    with Proxy() as proxy:
        serving = threading.Thread(target=proxy.serve_forever)
        serving.start()
        made = Repository(context.name, proxy, docker)
        yield made
        made.delete("first", "second")
        proxy.shutdown()
        serving.join()


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
    assert list(packages) == [HEAVY, LIGHT]
    # The repository had none of them, and the proxy sees what is sent.
    assert {layer.digest: sent.get(layer.digest) for layer in packages.values()} == {
        layer.digest: layer.size for layer in packages.values()
    }

    forget(first)
    second = elsewhere.build()
    assert [step for step in STEPS if second.cached(step)] == []
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
