"""Builds, pushes and pulls one project in the ways that a Dockerfile can install it, and holds uv-layers against them.

    python benchmarks/docker.py [--rounds 3] [--bytecode both|on|off] [--ways 'uv multi,uv-layers'] [--torch]
                                [--registry 127.0.0.1:5000] [--uv-image ghcr.io/astral-sh/uv:0.13] [--json results.json]

The project is that of the post on layers with uv: a group that is heavy and rarely updated (numpy, scipy, pandas and
scikit-learn, or with `--torch` the post's torch 2.7.0), and one that is light and often updated (fastapi, uvicorn).
The ways `pip single`, `pip multi`, `uv single` and `uv multi` are the post's Dockerfiles, single-stage and multi-stage.
What differs from the post is the same for all: no gcc (nothing is built from source), a base image without a patch
version, one setting of bytecode for every way (the post leaves it to the tool, but in `uv single`), and pip gets the
versions of uv.lock. A cache mount is where the post has one: in `uv single`. `uv multi` resolves anew in its builder,
as in the post. `uv-layers` is what `uv-layers dockerfile` prints, with the wheel of this checkout and uv from the image
that the post's ways have it from; `uv-layers default` is the same with the tool's own setting of bytecode, which leaves
out packages' tests, and is taken with bytecode only; `uv-layers suggest` has four layers, those that the command
proposes for the first lock, from sizes and from a history in which fastapi alone was updated, five times.

A round takes every way once, with and without bytecode. For each: all is forgotten, then a cold build and its push; a
build with fastapi bumped, and its push; one with a small package of the heavy group moved, and its push; all is
forgotten; a build with fastapi bumped on this second, cold builder, pushed to a repository that has the first image
only, and to one that has the bumped image, too; all is forgotten; the pull of each. The figures are the medians of the
rounds. Bytes are counted between the engine and the registry by proxies, one for each repository. Each has a loopback
address of its own: what the engine has sent to one address it would mount from there rather than send again. The base
image is in each repository, and at the client, before all. Its size is in no figure.

This drops the engine's whole build cache, and leaves what it pushed in the registry: take ones that can be thrown away.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Lock, Thread
from typing import Any, NamedTuple

from uv import find_uv_bin

ROOT = Path(__file__).parents[1]
PYTHON = "3.12"
BASE = f"python:{PYTHON}-slim-bookworm"
NAME = "uv-layers-bench"  # of every image that is made here, and of no other
CHUNK = 1 << 20
TOOL = (sys.executable, "-m", "uv_layers")
LAYERS = 4  # that are asked of `suggest`

PROJECT = """
[project]
name = "test-project"
version = "0.0.0"
requires-python = "=={python}.*"
dependencies = []

[dependency-groups]
dev = ["pytest==8.3.5", "ruff==0.11.11"]
heavy-rarely-updated = {heavy}
light-frequently-updated = ["fastapi=={fastapi}", "uvicorn==0.34.2"]

[tool.uv]
default-groups = ["dev", "heavy-rarely-updated", "light-frequently-updated"]
# Not in uv.lock alone, which `uv pip compile` does not read.
constraint-dependencies = ["{small}"]
environments = ["sys_platform == 'linux'"]
"""
MAIN = "from fastapi import FastAPI\n\napp = FastAPI()\n"
# What an image has: versions of the packages that are named, and whether there is bytecode.
CHECK = """
import importlib.metadata, importlib.util, json, os, sys
import src.main
bytecode = os.path.exists(importlib.util.find_spec("fastapi").cached)
print(json.dumps([{name: importlib.metadata.version(name) for name in sys.argv[1:]}, bytecode]))
"""
FASTAPI = ("0.115.12", "0.115.13")
BEFORE = ("0.115.7", "0.115.8", "0.115.9", "0.115.10", "0.115.11")  # in the history that `suggest` reads

PIP_SINGLE = """
FROM {base}
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \\
    PIP_NO_CACHE_DIR=1
WORKDIR /app
COPY requirements-heavy.txt .
RUN pip install {pip} -r requirements-heavy.txt
COPY requirements-light.txt .
RUN pip install {pip} -r requirements-light.txt
COPY src src
EXPOSE 8000
CMD ["uvicorn", "src.main:app"]
"""
UV_SINGLE = """
FROM {base}
COPY --from={uv} /uv /uvx /bin/
WORKDIR /app
ENV UV_PYTHON_DOWNLOADS=0
ENV UV_COMPILE_BYTECODE={compile}
ENV UV_LINK_MODE=copy
ENV UV_LOCKED=1
RUN --mount=type=cache,target=/root/.cache/uv \\
    --mount=type=bind,source=uv.lock,target=uv.lock \\
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \\
    uv sync --no-install-project --no-dev
COPY src src
ENV PATH="/app/.venv/bin:$PATH"
CMD ["uvicorn", "src.main:app"]
"""
# The final stage of both, which is the same in the post.
MULTI = """
FROM {base}
ENV PYTHON_PATH=/usr/local
WORKDIR /app
COPY --from=builder /packages/heavy $PYTHON_PATH
COPY --from=builder /packages/light $PYTHON_PATH
COPY ./src ./src
EXPOSE 8000
CMD ["uvicorn", "src.main:app", "--host", "0.0.0.0", "--port", "8000"]
"""
PIP_MULTI = f"""
FROM {{base}} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /packages
COPY requirements-heavy.txt .
RUN pip3 install {{pip}} --prefix=./heavy -r requirements-heavy.txt
COPY requirements-light.txt .
RUN pip3 install {{pip}} --prefix=./light -r requirements-light.txt
{MULTI}"""
UV_MULTI = f"""
FROM {{base}} AS generator
COPY --from={{uv}} /uv /uvx /bin/
ENV UV_LINK_MODE=copy \\
    UV_LOCKED=1
WORKDIR /packages
RUN --mount=type=bind,source=uv.lock,target=uv.lock \\
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \\
    uv pip compile --emit-index-url --group heavy-rarely-updated -o requirements-heavy.txt \\
    && uv pip compile --emit-index-url --group light-frequently-updated -o requirements-light.txt

FROM {{base}} AS builder
COPY --from={{uv}} /uv /uvx /bin/
ENV UV_PYTHON_DOWNLOADS=0
ENV UV_COMPILE_BYTECODE={{compile}}
WORKDIR /packages
COPY --from=generator /packages/requirements-heavy.txt ./
RUN uv pip install --prefix=./heavy --no-deps -r requirements-heavy.txt
COPY --from=generator /packages/requirements-light.txt .
RUN uv pip install --prefix=./light --no-deps -r requirements-light.txt
{MULTI}"""
POST = {"pip single": PIP_SINGLE, "pip multi": PIP_MULTI, "uv single": UV_SINGLE, "uv multi": UV_MULTI}
SUGGESTED = "suggested.toml"
DEFAULT = "uv-layers default"
OURS = {"uv-layers": (), DEFAULT: (), "uv-layers suggest": ("--config", SUGGESTED)}
WAYS = (*POST, *OURS)

MEASURES = (
    "cold build",
    "hot build",
    "hot build, cold builder",
    "small bump build",
    "image size",
    "cold push",
    "cold push bytes",
    "hot push",
    "hot push bytes",
    "hot push bytes, cold builder",
    "same again push bytes, cold builder",
    "small bump push bytes",
    "cold pull",
    "cold pull bytes",
    "hot pull",
    "hot pull bytes",
    "hot pull bytes, cold builder",
    "small bump pull bytes",
)
# At most so much of `uv multi`: with bytecode, and without.
AIMS = (
    ("uv-layers", "cold build", 0.9, 1.1),
    (DEFAULT, "cold build", 0.9, 1.1),
    ("uv-layers", "hot build", 0.8, 0.8),
    ("uv-layers", "image size", 1.0, 1.0),
    ("uv-layers", "hot push bytes", 1.0, 1.0),
    ("uv-layers", "hot pull bytes", 1.0, 1.0),
    ("uv-layers", "hot push bytes, cold builder", 0.02, 0.02),
    ("uv-layers", "same again push bytes, cold builder", 0.02, 0.02),
    ("uv-layers suggest", "hot push bytes, cold builder", 0.02, 0.02),
    ("uv-layers suggest", "small bump push bytes", 0.05, 0.05),
    ("uv-layers suggest", "small bump pull bytes", 0.05, 0.05),
)


class Heavy(NamedTuple):
    """What is in the heavy group; a small package under it and the versions it moves between."""

    group: tuple[str, ...]
    small: tuple[str, str, str]


SCIENCE = Heavy(
    ("numpy==2.2.6", "scipy==1.15.3", "pandas==2.2.3", "scikit-learn==1.6.1"),
    ("threadpoolctl", "3.5.0", "3.6.0"),
)
TORCH = Heavy(("torch==2.7.0",), ("fsspec", "2025.3.2", "2025.5.1"))


class Proxy(ThreadingTCPServer):
    """Passes connections on to the registry, and counts the bytes each way."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str, registry: str) -> None:
        super().__init__((address, 0), Connection)
        host, _, port = registry.rpartition(":")
        self.registry = (host, int(port))
        self.repository = f"{address}:{self.server_address[1]}/{NAME}/{time.time_ns()}"
        self._lock = Lock()
        self._counted: Counter[str] = Counter()
        Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self) -> None:
        self.shutdown()
        super().server_close()

    def count(self, direction: str, size: int) -> None:
        with self._lock:
            self._counted[direction] += size

    def take(self, direction: str) -> int:
        """Return the bytes that went one way since the last call, of whichever way."""
        with self._lock:
            size = self._counted[direction]
            self._counted.clear()
        return size


class Connection(BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        with socket.create_connection(self.server.registry) as registry:
            pushing = Thread(target=self._pass, args=(self.request, registry, "push"))
            pushing.start()
            self._pass(registry, self.request, "pull")
            pushing.join()

    def _pass(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        with suppress(OSError):
            while block := source.recv(CHUNK):
                self.server.count(direction, len(block))
                sink.sendall(block)
            sink.shutdown(socket.SHUT_WR)


def run(*argv: object, cwd: Path | None = None) -> str:
    """Return what a command prints; one that fails ends the benchmark with all that it said."""
    words = [str(word) for word in argv]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"failed: {' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def docker(*argv: object) -> str:
    """Return what a docker command prints."""
    return run("docker", *argv)


def timed(*argv: object) -> float:
    """Return the seconds that a docker command takes."""
    os.sync()
    started = time.perf_counter()
    docker(*argv)
    return time.perf_counter() - started


def forget() -> None:
    """Remove every image of the benchmark, and all that was ever built on the engine."""
    images = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    if ours := [image for image in images if f"{NAME}/" in image]:
        docker("image", "rm", "--force", *ours)
    docker("builder", "prune", "--all", "--force")


def layer_sizes(image: str) -> list[int]:
    """Return the bytes that each step of an image takes on disk, top to bottom."""
    return [int(size) for size in docker("history", "--human=false", "--format", "{{.Size}}", image).split()]


@dataclass(frozen=True)
class Trial:
    """One way, once: the contexts by their state of the lock, two repositories, and what is found."""

    way: str
    compiled: bool
    dockerfile: Path
    contexts: Path
    main: Proxy
    other: Proxy
    found: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        forget()
        for proxy in (self.main, self.other):
            self.push("base push", BASE, "base", proxy)
        self.build("cold build", "first")
        self.found["image size"] = sum(layer_sizes(self._image("first"))[: -len(layer_sizes(BASE))])
        self.push("cold push", self._image("first"), "first", self.main)
        self.push("other push", self._image("first"), "first", self.other)
        self.build("hot build", "bumped")
        self.push("hot push", self._image("bumped"), "bumped", self.main)
        self.build("small bump build", "small")
        self.push("small bump push", self._image("small"), "small", self.main)
        forget()
        self.build("hot build, cold builder", "bumped")
        self.push("hot push, cold builder", self._image("bumped"), "bumped", self.other)
        self.push("same again push, cold builder", self._image("bumped"), "again", self.main)
        forget()
        self.move("pull", "cold pull", "first", self.main)
        self.move("pull", "small bump pull", "small", self.main)
        self.move("pull", "hot pull", "bumped", self.main)
        docker("image", "rm", f"{self.main.repository}:bumped")
        self.move("pull", "hot pull, cold builder", "bumped", self.other)
        if self.found["cold pull bytes"] < 0.99 * self.found["cold push bytes"]:
            sys.exit(f"{self.way}: the engine has these layers in an image of another name; remove it")

    def build(self, measure: str, state: str) -> None:
        context, tag = self.contexts / state, self._image(state)
        options = ("--network=host", "--provenance=false", "--file", self.dockerfile, "--tag", tag)
        self.found[measure] = timed("build", *options, context)
        # The time of an image that has not what was locked, or not the bytecode that it is to have, says nothing.
        locked = json.loads((context / "versions.json").read_text(encoding="utf-8"))
        said = docker("run", "--rm", "--network=none", tag, "python", "-B", "-c", CHECK, *locked)
        if json.loads(said) != [locked, self.compiled]:
            sys.exit(f"{tag} has {said}")

    def push(self, measure: str, image: str, tag: str, proxy: Proxy) -> None:
        docker("tag", image, f"{proxy.repository}:{tag}")
        self.move("push", measure, tag, proxy)

    def move(self, direction: str, measure: str, tag: str, proxy: Proxy) -> None:
        proxy.take(direction)
        self.found[measure] = timed(direction, "--quiet", f"{proxy.repository}:{tag}")
        name, *where = measure.split(",")
        self.found[",".join((f"{name} bytes", *where))] = proxy.take(direction)

    def _image(self, tag: str) -> str:
        return f"{NAME}/{self.way.replace(' ', '-')}:{tag}"


def trial(way: str, compiled: bool, file: Path, contexts: Path, registry: str) -> dict[str, float]:  # noqa: FBT001
    """Take a way once, and return what is found."""
    with Proxy("127.0.0.1", registry) as main, Proxy("127.0.0.2", registry) as other:
        made = Trial(way, compiled, file, contexts, main, other)
        try:
            made.run()
        finally:
            forget()
    return made.found


def lock_project(folder: Path, heavy: Heavy, fastapi: str, small: str) -> None:
    """Write and lock the project, with a version of fastapi and one of the small package."""
    project = PROJECT.format(
        python=PYTHON, heavy=json.dumps(heavy.group), fastapi=fastapi, small=f"{heavy.small[0]}=={small}"
    )
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    run(find_uv_bin(), "lock", cwd=folder)


def suggest(folder: Path, heavy: Heavy) -> str:
    """Return the configuration of the layers that `suggest` proposes for the first lock, from its history."""
    run("git", "init", "--quiet", folder)
    for fastapi in (*BEFORE, FASTAPI[0]):
        lock_project(folder, heavy, fastapi, heavy.small[1])
        run("git", "add", "pyproject.toml", "uv.lock", cwd=folder)
        who = ("-c", f"user.name={NAME}", "-c", f"user.email={NAME}@localhost")
        run("git", *who, "commit", "--quiet", "--message", f"fastapi {fastapi}", cwd=folder)
    (folder / SUGGESTED).write_text("layers = []\n", encoding="utf-8")
    run(*TOOL, "suggest", "--budget", LAYERS, "--config", SUGGESTED, "--write", cwd=folder)
    return (folder / SUGGESTED).read_text(encoding="utf-8")


def lock(work: Path, heavy: Heavy) -> Path:
    """Make the build contexts: the project locked at first, with fastapi bumped, and with the small package moved."""
    contexts = work / f"contexts-{time.time_ns()}"
    _, old, new = heavy.small
    states = {"first": (FASTAPI[0], old), "bumped": (FASTAPI[1], old), "small": (FASTAPI[0], new)}
    run(find_uv_bin(), "build", "--wheel", "--out-dir", work / "dist", ROOT)
    (wheel,) = (work / "dist").glob("*.whl")
    for state, (fastapi, small) in states.items():
        folder = contexts / state
        if state == "first":
            (folder / "src").mkdir(parents=True)
            (folder / "src" / "main.py").write_text(MAIN, encoding="utf-8")
            shutil.copy(wheel, folder)
        else:
            shutil.copytree(contexts / "first", folder)
        lock_project(folder, heavy, fastapi, small)
        export = (find_uv_bin(), "export", "--locked", "--no-hashes", "--no-header", "--no-annotate")
        versions: dict[str, str] = {}
        for group in ("heavy-rarely-updated", "light-frequently-updated"):
            pins = [line.split(" ;")[0] for line in run(*export, "--only-group", group, cwd=folder).splitlines()]
            file = folder / f"requirements-{group.split('-')[0]}.txt"
            file.write_text("\n".join(pins) + "\n", encoding="utf-8")
            versions |= dict(pin.split("==") for pin in pins)
        (folder / "versions.json").write_text(json.dumps(versions), encoding="utf-8")
    suggested = suggest(work / "history", heavy)
    for state in states:
        (contexts / state / SUGGESTED).write_text(suggested, encoding="utf-8")
    return contexts


def dockerfile(way: str, compiled: bool, contexts: Path, uv_image: str) -> str:  # noqa: FBT001
    """Return the Dockerfile of a way, with the bytecode of all packages or of none."""
    if way in POST:
        pip = "--compile" if compiled else "--no-compile"
        return POST[way].format(base=BASE, uv=uv_image, pip=pip, compile=int(compiled))
    folder = contexts / "first"
    (wheel,) = folder.glob("*.whl")
    argv = (*TOOL, "dockerfile", "--python", PYTHON, "--tool", wheel.name, "--uv", uv_image)
    text = run(*argv, "--copy", "src", "--cmd", "uvicorn src.main:app", *OURS[way], cwd=folder)
    if way == DEFAULT:
        return text
    # By default no bytecode is made of packages' tests; the other ways make it.
    setting = f"ENV UV_LAYERS_COMPILE={'all' if compiled else 'none'}\n"
    return text.replace("WORKDIR /build\n", f"{setting}WORKDIR /build\n", 1)


def report(results: dict[str, dict[str, list[dict[str, float]]]]) -> tuple[dict[str, object], str]:
    """Return the medians and the aims, as data and as tables."""
    data: dict[str, object] = {}
    text = ""
    for setting, all_ways in results.items():
        ways = {way: runs for way, runs in all_ways.items() if runs}
        medians = {way: {m: statistics.median(run[m] for run in runs) for m in MEASURES} for way, runs in ways.items()}
        text += f"\n| bytecode {setting} | {' | '.join(ways)} |\n|---|{'--:|' * len(ways)}\n"
        for measure in MEASURES:
            divisor, unit = (1e6, "MB") if "bytes" in measure or "size" in measure else (1, "s")
            cells = (f"{medians[way][measure] / divisor:.2f} {unit}" for way in ways)
            text += f"| {measure} | {' | '.join(cells)} |\n"
        text += f"\n| bytecode {setting}, of uv multi | ratio | at most | |\n|---|--:|--:|---|\n"
        aims = []
        for way, measure, *limits in AIMS:
            if {way, "uv multi"} <= ways.keys():
                ratio, limit = medians[way][measure] / medians["uv multi"][measure], limits[setting == "off"]
                aims.append({"way": way, "measure": measure, "ratio": ratio, "limit": limit, "met": ratio <= limit})
                text += f"| {way}: {measure} | {ratio:.4f} | {limit} | {'met' if ratio <= limit else 'missed'} |\n"
        data[setting] = {"medians": medians, "runs": ways, "aims": aims}
    return data, text


def main() -> None:
    """Read the arguments, run the rounds, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bytecode", choices=("both", "on", "off"), default="both")
    parser.add_argument("--ways", type=lambda text: text.split(","), default=WAYS, help=", ".join(WAYS))
    parser.add_argument("--torch", action="store_true", help="torch is the heavy group")
    parser.add_argument("--registry", default="127.0.0.1:5000", metavar="HOST:PORT")
    parser.add_argument("--uv-image", default="ghcr.io/astral-sh/uv:0.13", help="the image that has /uv and /uvx")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="written after each way; what it has is not measured again"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.ways) - set(WAYS):
        parser.error(f"no such way: {', '.join(unknown)}")
    settings = ("on", "off") if arguments.bytecode == "both" else (arguments.bytecode,)
    facts: dict[str, Any] = {"processors": os.cpu_count(), "torch": arguments.torch}
    trials = [(s, way) for s, way in product(settings, arguments.ways) if (s, way) != ("off", DEFAULT)]
    results: dict[str, dict[str, list[dict[str, float]]]] = {s: {way: [] for way in arguments.ways} for s in settings}
    if arguments.json and arguments.json.exists():
        known = json.loads(arguments.json.read_text(encoding="utf-8"))
        if {key: known[key] for key in facts} != facts:
            parser.error(f"{arguments.json} is of another benchmark")
        for setting, way in trials:
            results[setting][way] = known["bytecode"].get(setting, {"runs": {}})["runs"].get(way, [])
    with tempfile.TemporaryDirectory() as temporary:
        contexts = lock(Path(temporary), TORCH if arguments.torch else SCIENCE)
        for number, (setting, way) in product(range(1, arguments.rounds + 1), trials):
            if len(results[setting][way]) >= number:
                continue
            started = time.perf_counter()
            file = Path(temporary) / "Dockerfile"
            file.write_text(dockerfile(way, setting == "on", contexts, arguments.uv_image), encoding="utf-8")
            results[setting][way].append(trial(way, setting == "on", file, contexts, arguments.registry))
            seconds = time.perf_counter() - started
            print(f"round {number}, bytecode {setting}, {way}: {seconds:.0f} s", file=sys.stderr)
            if arguments.json:
                text = json.dumps({**facts, "bytecode": report(results)[0]}, indent=2)
                arguments.json.write_text(f"{text}\n", encoding="utf-8")
    print(report(results)[1].strip())


if __name__ == "__main__":
    main()
