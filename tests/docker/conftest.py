"""A real engine, the wheel of this project, and what images are built from: projects of the tests, and the example."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import support
import tomli
import uv
from packaging.markers import Marker

from uv_layers.system.uv import MINOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

ROOT = Path(__file__).parents[2]
PYTHON = "3.12"
BASE = f"python:{PYTHON}-slim-bookworm"
UV_IMAGE = f"ghcr.io/astral-sh/uv:{MINOR}"
# Any two will do; what else is in the lock stays as it is between them.
FASTAPI, NEXT_FASTAPI = "0.120.0", "0.121.0"
BUILD_TIMEOUT, START_TIMEOUT = 1200, 300  # seconds
REGISTRY = os.environ.get("UV_LAYERS_TEST_REGISTRY", "127.0.0.1:5000")
MANIFESTS = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
]
CHUNK = 1 << 20
# What `private` indexes ask for.
USER, PASSWORD = f"user-{uuid.uuid4().hex}", f"password-{uuid.uuid4().hex}"
_ALLOWED = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def _run(*argv: object, cwd: Path | None = None, timeout: float = BUILD_TIMEOUT):
    words = [str(word) for word in argv]
    # These run while nothing else does. Removing an image may remove layers that another build is about to unpack.
    # While a build with --no-cache runs a step, BuildKit has other builds share that step instead of their cache.
    alone = {"image", "rm"} <= set(words) or any("--no-cache" in word for word in words)
    with (Path(tempfile.gettempdir()) / f"uv-layers-tests-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
    return done


@dataclass(frozen=True)
class Image:
    """An image that was built, what BuildKit said of it, and the options of `docker` for the engine that has it."""

    tag: str
    progress: str
    base: str = BASE
    engine: tuple[str, ...] = ()

    @property
    def layers(self) -> list[str]:
        """The digests of the layers above the base image, bottom to top."""
        layers, base = (_layers(name, *self.engine) for name in (self.tag, self.base))
        assert layers[: len(base)] == base
        return layers[len(base) :]

    @property
    def packages(self) -> list[str]:
        """The same above that of WORKDIR, which a whole Dockerfile begins with: those of packages first."""
        return self.layers[1:]

    def cached(self, step: str) -> bool:
        """Tell whether the one step of the build that `step`, a part of its line, names came from the cache."""
        steps = {line for line in re.findall(r"^#\d+ \[.+$", self.progress, re.MULTILINE) if step in line}
        assert len(steps) == 1, self.progress
        number = steps.pop().split(" ", 1)[0]
        return f"\n{number} CACHED\n" in self.progress

    def run(self, *command: str) -> str:
        """Return what a command prints in a container of the image."""
        argv = ("run", "--rm", "--network=host", self.tag, *command)
        return _run("docker", *self.engine, *argv, timeout=START_TIMEOUT).stdout.strip()


def _layers(name: str, *engine: str) -> list[str]:
    return json.loads(_run("docker", *engine, "image", "inspect", "--format", "{{json .RootFS.Layers}}", name).stdout)


@dataclass(frozen=True)
class Context:
    """A folder with a locked project and a wheel of uv-layers, to build images from.

    `name` is that of its images, and `options` are what `uv-layers dockerfile` is always given.
    """

    path: Path
    name: str
    options: tuple[str, ...]

    def dockerfile(self, *arguments: str) -> str:
        """Return what `uv-layers dockerfile` prints for the context."""
        return self.uv_layers("dockerfile", *self.options, *arguments)

    def uv_layers(self, *arguments: str) -> str:
        """Return what uv-layers prints in the folder."""
        return _run(sys.executable, "-m", "uv_layers", *arguments, cwd=self.path).stdout

    def refused(self, *arguments: str) -> str:
        """Return the error with which uv-layers ends in the folder."""
        argv = [sys.executable, "-m", "uv_layers", *arguments]
        done = subprocess.run(argv, cwd=self.path, capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stdout
        return done.stderr

    def write(self, text: str, file: str = "Dockerfile") -> None:
        path = self.path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def build(self, *options: str, base: str = BASE, engine: tuple[str, ...] = ()) -> Image:
        argv = ["build", "--network=host", "--progress=plain", "--tag", tag := self.new_tag(), *options, "."]
        return Image(tag, _run("docker", *engine, *argv, cwd=self.path).stderr, base, engine)

    def follow(self, page: str, start: str, name: str, *options: str, engine: tuple[str, ...] = ()) -> Image:
        """Build an image with the one block of a page that starts so, under another name than the page's."""
        text = (ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8")
        [block] = re.findall(rf"^```sh\n({re.escape(start)}.*?)^```$", text, re.DOTALL | re.MULTILINE)
        assert "docker buildx build" in block
        words = ["docker", *engine, "buildx", "build", "--network=host", "--progress=plain", *options]
        script = re.sub(r"registry\.example\.com/shop:\w+", name, block.replace("docker buildx build", " ".join(words)))
        done = _run("bash", "-euo", "pipefail", "-c", script, cwd=self.path)
        return Image(name, done.stderr, engine=engine)

    def new_tag(self) -> str:
        """Return a name for an image, which is removed with the context's other ones."""
        return f"{self.name}:{uuid.uuid4().hex[:8]}"

    def copy(self, folder: Path) -> Context:
        """Return the context in another folder, which is made; its images go with this one's."""
        return replace(self, path=shutil.copytree(self.path, folder))

    def check(self, *options: str) -> subprocess.CompletedProcess[str]:
        argv = ["docker", "build", "--check", *options, "."]
        return subprocess.run(argv, cwd=self.path, capture_output=True, text=True, check=False, timeout=START_TIMEOUT)

    def edit(self, old: str, new: str, file: str = "pyproject.toml") -> None:
        text = (self.path / file).read_text(encoding="utf-8")
        assert old in text
        self.write(text.replace(old, new), file)

    def lock(self, *arguments: str) -> None:
        _lock(self.path, *arguments)

    def locked(self, name: str) -> str:
        """Return the version of a package that the lock has for the image's Python."""
        lock = tomli.loads((self.path / "uv.lock").read_text(encoding="utf-8"))
        python = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0"}
        packages = [package for package in lock["package"] if package["name"] == name]
        if len(packages) > 1:  # then each says where it is for
            packages = [p for p in packages if any(Marker(m).evaluate(python) for m in p["resolution-markers"])]
        assert len(packages) == 1
        return packages[0]["version"]


@dataclass(frozen=True)
class Example(Context):
    """A copy of examples/fastapi, which listens at a port."""

    port: int

    @property
    def command(self) -> str:
        return f"uvicorn main:app --host 127.0.0.1 --port {self.port}"

    def lock(self, fastapi: str) -> None:
        """Lock the project with one version of fastapi, and what else the lock has as it is."""
        _lock(self.path, "--upgrade-package", f"fastapi=={fastapi}")


@dataclass(frozen=True)
class Layer:
    """A layer of an image in a registry: the digest of its tar; media type, digest and size of the compressed blob."""

    diff_id: str
    media_type: str
    digest: str
    size: int


class Proxy(support.Server):
    """Passes requests on to the registry, and counts the bytes of each blob that the registry took.

    A blob is not mounted from another repository, as Docker asks for one that an earlier test pushed: a registry may
    decline that, and then what this repository lacks is sent whatever the registry has elsewhere.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Relay)
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


class _Relay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # What is no HTTP gets an answer that is: Docker tries TLS first, and plain HTTP only when the server speaks it.
    default_request_version = "HTTP/1.1"
    timeout = START_TIMEOUT
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
        with closing(HTTPConnection(REGISTRY, timeout=START_TIMEOUT)) as upstream:
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
    with closing(HTTPConnection(REGISTRY, timeout=START_TIMEOUT)) as connection:
        connection.request(method, path, headers={"Accept": ", ".join(MANIFESTS)})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


@dataclass(frozen=True)
class Repository:
    """A repository of the registry's, pushed to through the proxy and read without it."""

    name: str
    proxy: Proxy

    @property
    def reference(self) -> str:
        """The name of the repository, as the registry itself has it."""
        return f"{REGISTRY}/{self.name}"

    def push(self, image: Image, tag: str) -> dict[str, int]:
        """Push an image and return the bytes of each blob that was sent."""
        reference = f"127.0.0.1:{self.proxy.server_port}/{self.name}:{tag}"
        engine = ["docker", *image.engine]
        _run(*engine, "tag", image.tag, reference)
        try:
            _run(*engine, "push", reference)
        finally:
            _run(*engine, "image", "rm", reference)
        return self.proxy.take()

    def packages(self, tag: str) -> dict[str, Layer]:
        """Return the package layers of a pushed image, by name, bottom to top."""
        manifest = self._get(f"manifests/{tag}")
        if "manifests" in manifest:  # an index: of the image, and of what attests where it comes from
            (image,) = (each for each in manifest["manifests"] if each["platform"]["os"] != "unknown")
            manifest = self._get(f"manifests/{image['digest']}")
        config = self._get(f"blobs/{manifest['config']['digest']}")
        steps = [step.get("created_by", "") for step in config["history"] if not step.get("empty_layer")]
        layers = zip(steps, config["rootfs"]["diff_ids"], manifest["layers"], strict=True)
        return {
            copy[1]: Layer(diff_id, blob["mediaType"], blob["digest"], blob["size"])
            for step, diff_id, blob in layers
            if (copy := re.match(r"COPY /build/layers/([^/]+)/ ", step))
        }

    def digest(self, tag: str) -> str:
        """Return the digest of the manifest that a tag names."""
        status, headers, _ = _ask("HEAD", f"/v2/{self.name}/manifests/{tag}")
        assert status == HTTPStatus.OK
        return headers["Docker-Content-Digest"]

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


class _Server(support.Server):
    def __init__(self, folder: Path):
        folder.mkdir()
        self.folder = folder
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=folder))


class _Handler(SimpleHTTPRequestHandler):
    def send_head(self):
        if not self.path.startswith("/private/") or self.headers.get("Authorization") == _ALLOWED:
            return super().send_head()
        self.send_response(HTTPStatus.UNAUTHORIZED)
        self.send_header("WWW-Authenticate", 'Basic realm="tests"')
        self.end_headers()
        return None

    def log_message(self, *_):
        pass


@dataclass(frozen=True)
class Web:
    """A folder that is served at a URL, with indexes of packages (PEP 503); one below `private` asks for a password."""

    folder: Path
    url: str

    @property
    def index(self) -> str:
        return f"{self.url}/simple"

    @property
    def private_index(self) -> str:
        return f"{self.url}/private/simple"

    def wheel(
        self,
        name: str,
        version: str = "1.0",
        *,
        private: bool = False,
        hashed: bool = True,
        script: bool = False,
        tag: str = "py3-none-any",
    ) -> Path:
        """Put a wheel into the index, and return its path."""
        root = self.folder / "private" if private else self.folder
        file = _pack(root / "files", name, version, script=script, tag=tag)
        self.list(name, file, root, hashed=hashed)
        return file

    def list(self, name: str, file: Path, root: Path | None = None, *, hashed: bool = True) -> None:
        """Put a file into the index as one of the package `name`, with or without its hash."""
        page = (root or self.folder) / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        digest = f"#sha256={hashlib.sha256(file.read_bytes()).hexdigest()}" if hashed else ""
        with page.open("a", encoding="utf-8") as out:
            out.write(f'<a href="../../files/{file.name}{digest}">{file.name}</a>\n')


def _pack(folder: Path, name: str, version: str = "1.0", *, script: bool = False, tag: str = "py3-none-any") -> Path:
    """Write a wheel with a module that knows its version and tag; its script, if it is to have one, prints the name."""
    module = f"VERSION, TAG = {version!r}, {tag!r}\n\n\ndef main():\n    print({name!r}, VERSION)\n"
    entries = [(f"{name}.py", support.FILE, module)]
    if script:
        entries.append(("{info}/entry_points.txt", support.FILE, f"[console_scripts]\n{name} = {name}:main\n"))
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{name}-{version}-{tag}.whl"
    made.write_bytes(support.wheel(name, version, entries, tag=tag))
    return made


def _get(port: int) -> bytes | None:
    """Return what a server on loopback answers, or None while it does not."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/")
            return connection.getresponse().read()
        except (OSError, HTTPException):
            return None


def _lock(folder: Path, *arguments: str) -> None:
    _run(uv.find_uv_bin(), "lock", "--python", sys.executable, *arguments, cwd=folder)


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
    """Return the wheel of this project: that of UV_LAYERS_TEST_DIST, else one that is made of the checkout."""
    out = tmp_path_factory.mktemp("dist")
    if released := os.environ.get("UV_LAYERS_TEST_DIST"):
        return Path(shutil.copy(next(Path(released).glob("*.whl")), out))
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
    _lock(folder, "--upgrade-package", f"fastapi=={FASTAPI}")
    shutil.copy(wheel, folder)
    return folder


@pytest.fixture
def context(_example: Path, wheel: Path, tmp_path: Path):
    """Return the example in a folder of the test's own; its images go when the test is over."""
    folder = shutil.copytree(_example, tmp_path / "fastapi")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Example(folder, _name(), ("--python", PYTHON, "--tool", wheel.name), port)
    made.write(made.dockerfile("--copy", "main.py", "--cmd", made.command))
    # No build before this one had such a lock, so what comes from the cache now comes from it whatever the lock is.
    made.edit('version = "0.0.0"', f'version = "0.0.{time.time_ns()}"')
    made.lock(FASTAPI)
    yield made
    _remove(made.name)


def _name() -> str:
    return f"uv-layers-test-{uuid.uuid4().hex[:12]}"


def _tags() -> list[str]:
    return _run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()


def _remove(*names: str) -> None:
    """Remove the images of some names."""
    if tags := [tag for tag in _tags() if tag.rpartition(":")[0] in names]:
        _run("docker", "image", "rm", "--force", *tags)


@pytest.fixture(scope="session")
def names(_engine: None):
    """Return a function that makes a name, whose images go at the end: to remove one waits for all builds."""
    made: list[str] = []

    def make() -> str:
        made.append(_name())
        return made[-1]

    yield make
    _remove(*made)


@pytest.fixture
def web(tmp_path: Path):
    """Return a folder that is served on loopback."""
    server = _Server(tmp_path / "web")
    server.start()
    yield Web(server.folder, f"http://127.0.0.1:{server.server_port}")
    server.stop()


@pytest.fixture
def pack_wheel():
    """Return a function that writes a wheel into a folder, and returns its path."""
    return _pack


@pytest.fixture
def image_of(tmp_path: Path, names: Callable[[], str]):
    """Return a function that makes an image of the text of a Dockerfile, and returns its name."""
    name = names()

    def make(text: str, *options: str) -> str:
        context = Context(tmp_path / "empty", name, ())
        context.write(text)
        return context.build(*options).tag

    return make


@pytest.fixture
def credentials():
    """Return the user and the password that private indexes ask for."""
    return USER, PASSWORD


def _has_uv(image: str) -> bool:
    """Tell whether an image has uv where the official one has it."""
    argv, text = ["docker", "build", "--output=type=cacheonly", "-"], f"FROM scratch\nCOPY --from={image} /uv /uvx /\n"
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=False).returncode == 0


@pytest.fixture(scope="session")
def uv_image(_engine: None):
    """Return the image that uv comes from by default; the engine pulls it if it has none."""
    if not _has_uv(UV_IMAGE):
        pytest.fail(f"the engine neither has nor can pull {UV_IMAGE}")
    return UV_IMAGE


@pytest.fixture
def project(tmp_path: Path, web: Web, wheel: Path, uv_image: str, names: Callable[[], str]):
    """Return a function that makes a locked project of the text of its `pyproject.toml` and of other files by name.

    Its packages come from the `web`, and what that has not, as a build backend, from where uv looks.
    """
    name = names()
    options = ("--python", PYTHON, "--tool", wheel.name)

    def make(text: str, files: Mapping[str, str] | None = None) -> Context:
        made = Context(tmp_path / "project", name, options)
        text = f'{dedent(text)}\n[[tool.uv.index]]\nname = "web"\nurl = "{web.index}"\n'
        for file, content in {"pyproject.toml": text, **(files or {})}.items():
            made.write(dedent(content), file)
        shutil.copy(wheel, made.path)
        made.lock()
        return made

    return make


@pytest.fixture(scope="module")
def project_of(
    wheel: Path, names: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Context]:
    """Return a function that makes a locked project with packages of PyPI, and with some files and wheels."""

    def make(text: str, files: Mapping[str, str] | None = None, wheels: Iterable[Path] = ()) -> Context:
        folder = tmp_path_factory.mktemp("project")
        made = Context(folder, names(), ("--python", PYTHON, "--tool", wheel.name))
        for file, content in {"pyproject.toml": text, **(files or {})}.items():
            made.write(dedent(content), file)
        for file in (wheel, *wheels):
            shutil.copy(file, folder)
        made.lock()
        return made

    return make


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


@pytest.fixture(scope="session")
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
def repository(_registry: None):
    """Return a repository which the registry did not have before."""
    proxy = Proxy()
    proxy.start()
    made = Repository(_name(), proxy)
    yield made
    try:
        made.delete("first", "second", "cache")
    finally:
        proxy.stop()


@pytest.fixture
def copy_of(tmp_path: Path):
    """Return a function that makes a context, which nothing is built from, of a copy of a folder."""

    def copy(folder: Path) -> Context:
        return Context(shutil.copytree(folder, tmp_path / folder.name), "", ())

    return copy


@pytest.fixture
def bake():
    """Return a function that builds what `uv-layers dockerfile --bake` prints for a context."""

    def bake(context: Context, *arguments: str):
        context.write(context.dockerfile("--bake"), "docker-bake.json")
        context.write('{"target": {"image": {"network": "host"}}}', "host.json")
        options = ("--file", "docker-bake.json", "--file", "host.json", "--allow", "network.host")
        return _run("docker", "buildx", "bake", *options, *arguments, cwd=context.path)

    return bake


@pytest.fixture
def versions():
    """Return the versions of fastapi between which a bump goes."""
    return FASTAPI, NEXT_FASTAPI
