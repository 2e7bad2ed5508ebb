"""Builds, pushes and pulls one project in the ways that a Dockerfile can install it, and compares them with uv-layers.

    python benchmarks/docker.py [--rounds 3] [--bytecode both|on|off] [--ways 'uv multi,uv-layers'] [--torch] [--quick]
                                [--registry 127.0.0.1:5000] [--uv-image ghcr.io/astral-sh/uv:0.13] [--json results.json]

The project is that of the post on layers with uv: a heavy group that is rarely updated (numpy, scipy, pandas and
scikit-learn, or torch 2.7.0 with `--torch`, as in the post), and a light one that is often updated (fastapi, uvicorn).

- `pip single`, `pip multi`, `uv single` and `uv multi` are the post's Dockerfiles, single-stage and multi-stage. The
  same differs from the post for all: no gcc (nothing is built from source), a base image without a patch version, one
  setting of bytecode for every way, and pip gets the versions of uv.lock. A cache mount is where the post has one: in
  `uv single`. `uv multi` resolves again in its builder, as in the post.
- `pex` is the recipe of pex's documentation: a PEX file, of which one stage unpacks the dependencies and one the
  sources.
- `uv-layers` is what `uv-layers dockerfile` prints, with the wheel of this checkout.
- `uv-layers suggest` has the four layers that the command proposes for the first lock, from sizes and from a history in
  which only fastapi was updated, five times.
- `uv multi zstd` and `uv-layers zstd` compress with zstd. The other ways have BuildKit's default, gzip.
- `uv-layers default` is what the how-to pages use: zstd, and bytecode of everything but the tests of packages. It is
  only run with bytecode.

All ways are built as in CI: `docker buildx build` pushes the image to the registry without storing it, with the inline
cache in it. A round takes each way once, with and without bytecode:

1. an empty builder builds and pushes the first image (`first`);
2. the same builder does so with fastapi bumped (`bump, same builder`), and with a small package of the heavy group
   bumped (`small bump, same builder`);
3. an empty builder builds the bumped project without a remote cache (`bump, cold builder`);
4. an empty builder does so with `--cache-from` the first image (`bump, inline cache`);
5. an empty client pulls the images (`first pull`, `bump pull`, `small bump pull`), and runs each of them.

A repository that is pushed to has the first image, and no other one with the bumped packages.

`--quick` leaves out 3 and what takes place on the same builder.

The figures are the medians of the rounds. Proxies between the engine and the registry count the bytes, one for each
repository. Each proxy has a loopback address of its own, since Docker mounts a blob from another repository of the same
address instead of sending it. Each repository and the client have the base image before. Its size is in no figure.

This drops the whole build cache of the engine, and leaves what it pushed in the registry: use an engine and a registry
that can be thrown away. `DOCKER_HOST` chooses the engine.
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
from contextlib import ExitStack, suppress
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
PEX_RELEASE = "pex==2.105.2"
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
PEX = """
FROM {base} AS pex
RUN pip install --no-cache-dir --disable-pip-version-check {pex}
WORKDIR /build
COPY requirements-heavy.txt requirements-light.txt ./
COPY src sources/src
RUN pex --pip-version vendored --use-pip-config -r requirements-heavy.txt -r requirements-light.txt \\
    -D sources --include-tools -o app.pex

FROM {base} AS deps
COPY --from=pex /build/app.pex /
RUN PEX_TOOLS=1 python /app.pex venv --scope=deps {pex_compile} /app

FROM {base} AS srcs
COPY --from=pex /build/app.pex /
RUN PEX_TOOLS=1 python /app.pex venv --scope=srcs {pex_compile} /app

FROM {base}
COPY --from=deps /app /app
COPY --from=srcs /app /app
ENV PATH="/app/bin:$PATH"
CMD ["python", "-m", "uvicorn", "src.main:app"]
"""
# Those that are not ours.
WRITTEN = {"pip single": PIP_SINGLE, "pip multi": PIP_MULTI, "uv single": UV_SINGLE, "uv multi": UV_MULTI, "pex": PEX}
SUGGESTED = "suggested.toml"
DEFAULT = "uv-layers default"
BASELINE = "uv multi"
ZSTD = " zstd"
OURS = {"uv-layers": (), f"uv-layers{ZSTD}": (), DEFAULT: (), "uv-layers suggest": ("--config", SUGGESTED)}
WAYS = (*WRITTEN, f"{BASELINE}{ZSTD}", *OURS)

# In the order of the table; what `--quick` leaves out is not in its table.
MEASURES = (
    "first",
    "bump, inline cache",
    "bump, cold builder",
    "bump, same builder",
    "small bump, same builder",
    "first pull",
    "bump pull",
    "small bump pull",
    "first bytes pushed",
    "bump, inline cache bytes pushed",
    "bump, inline cache bytes pulled",
    "bump, cold builder bytes pushed",
    "bump, same builder bytes pushed",
    "small bump, same builder bytes pushed",
    "first pull bytes pulled",
    "bump pull bytes pulled",
    "small bump pull bytes pulled",
    "image size",
)


class Aim(NamedTuple):
    """A measure of a way, and what it is to be at most: of the same measure of `uv multi`, or without one as it is."""

    way: str
    measure: str
    most: float
    of: str | None = BASELINE
    torch: bool | None = None  # for this heavy group, or for each


AIMS = (
    Aim(DEFAULT, "bump, inline cache", 5, None),
    Aim(f"uv-layers{ZSTD}", "bump, inline cache", 5, None),
    Aim(f"uv-layers{ZSTD}", "bump, inline cache bytes pulled", 1e5, None),
    Aim(f"uv-layers{ZSTD}", "first", 0.55, torch=True),
    Aim(f"uv-layers{ZSTD}", "first pull bytes pulled", 0.8, torch=True),
    Aim("uv-layers", "first", 1.1),
    Aim("uv-layers", "bump, same builder", 0.8),
    Aim("uv-layers", "image size", 1.0),
    Aim("uv-layers", "bump, same builder bytes pushed", 1.0),
    Aim("uv-layers", "bump pull bytes pulled", 1.0),
    Aim("uv-layers", "bump, cold builder bytes pushed", 0.02),
    Aim("uv-layers suggest", "small bump, same builder bytes pushed", 0.05),
    Aim("uv-layers suggest", "small bump pull bytes pulled", 0.05),
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

    def take(self) -> Counter[str]:
        """Return the bytes that went each way since the last call."""
        with self._lock:
            counted = self._counted.copy()
            self._counted.clear()
        return counted


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
    """One way, once: the contexts by the state of their lock, a repository, two to copy it to, and the figures."""

    way: str
    compiled: bool
    quick: bool
    dockerfile: Path
    contexts: Path
    main: Proxy
    copies: tuple[Proxy, Proxy]
    figures: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        forget()
        for proxy in (self.main, *self.copies):
            docker("tag", BASE, base := f"{proxy.repository}:base")
            docker("push", "--quiet", base)
        pulls = {"first pull": "first", "bump pull": "bumped"}
        self.build("first", "first", self.main)
        if not self.quick:
            for copy in self.copies:
                docker("buildx", "imagetools", "create", "--tag", f"{copy.repository}:first", self._first)
            self.build("bump, same builder", "bumped", self.copies[0])
            self.build("small bump, same builder", "small", self.main)
            pulls["small bump pull"] = "small"
            forget()
            self.build("bump, cold builder", "bumped", self.copies[1])
        forget()
        self.build("bump, inline cache", "bumped", self.main, "--cache-from", f"type=registry,ref={self._first}")
        forget()
        for measure, state in pulls.items():
            self.pull(measure, state)
        if self.figures["first pull bytes pulled"] < 0.99 * self.figures["first bytes pushed"]:
            sys.exit(f"{self.way}: the engine has these layers in an image of another name; remove it")

    @property
    def _first(self) -> str:
        return f"{self.main.repository}:first"

    def build(self, measure: str, state: str, proxy: Proxy, *options: str) -> None:
        output = f"type=image,name={proxy.repository}:{state},push=true,store=false"
        if self.way.endswith(ZSTD) or self.way == DEFAULT:
            output += ",compression=zstd,oci-mediatypes=true"
        common = ("--network=host", "--provenance=false", "--cache-to", "type=inline", "--file", self.dockerfile)
        proxy.take()
        self.figures[measure] = timed("buildx", "build", *common, *options, "--output", output, self.contexts / state)
        sent = proxy.take()
        self.figures[f"{measure} bytes pushed"], self.figures[f"{measure} bytes pulled"] = sent["push"], sent["pull"]

    def pull(self, measure: str, state: str) -> None:
        image = f"{self.main.repository}:{state}"
        self.main.take()
        self.figures[measure] = timed("pull", "--quiet", image)
        self.figures[f"{measure} bytes pulled"] = self.main.take()["pull"]
        if state == "first":
            self.figures["image size"] = sum(layer_sizes(image)[: -len(layer_sizes(BASE))])
        # The time of an image that has not what was locked, or not the bytecode that it is to have, says nothing.
        locked = json.loads((self.contexts / state / "versions.json").read_text(encoding="utf-8"))
        said = docker("run", "--rm", "--network=none", image, "python", "-B", "-c", CHECK, *locked)
        if json.loads(said) != [locked, self.compiled]:
            sys.exit(f"{image} has {said}")


def trial(way: str, file: Path, contexts: Path, registry: str, *, compiled: bool, quick: bool) -> dict[str, float]:
    """Take a way once, and return the figures."""
    with ExitStack() as stack:
        main, *copies = (stack.enter_context(Proxy(f"127.0.0.{number}", registry)) for number in (1, 2, 3))
        taken = Trial(way, compiled, quick, file, contexts, main, tuple(copies))
        try:
            taken.run()
        finally:
            forget()
    return taken.figures


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
    if text := WRITTEN.get(way.removesuffix(ZSTD)):
        return text.format(
            base=BASE,
            uv=uv_image,
            pex=PEX_RELEASE,
            pip="--compile" if compiled else "--no-compile",
            pex_compile="--compile" if compiled else "",
            compile=int(compiled),
        )
    folder = contexts / "first"
    (wheel,) = folder.glob("*.whl")
    argv = (*TOOL, "dockerfile", "--python", PYTHON, "--tool", wheel.name, "--uv", uv_image)
    text = run(*argv, "--copy", "src", "--cmd", "uvicorn src.main:app", *OURS[way], cwd=folder)
    if way == DEFAULT:
        return text
    # By default no bytecode is made of packages' tests; the other ways make it.
    setting = f"ENV UV_LAYERS_COMPILE={'all' if compiled else 'none'}\n"
    return text.replace("WORKDIR /build\n", f"{setting}WORKDIR /build\n", 1)


def table(setting: str, medians: dict[str, dict[str, float]]) -> str:
    """Return the medians of each way as a table."""
    text = f"\n| bytecode {setting} | {' | '.join(medians)} |\n|---|{'--:|' * len(medians)}\n"
    for measure in MEASURES:
        if any(measure in of_way for of_way in medians.values()):
            divisor, unit = (1e6, "MB") if "bytes" in measure or "size" in measure else (1, "s")
            text += f"| {measure}, {unit} |"
            text += "".join(f" {of_way[measure] / divisor:.2f} |" for of_way in medians.values()) + "\n"
    return text


def report(results: dict[str, dict[str, list[dict[str, float]]]], *, torch: bool) -> tuple[dict[str, object], str]:
    """Return the medians and the aims, as data and as tables."""
    data: dict[str, object] = {}
    text = ""
    for setting, all_ways in results.items():
        ways = {way: runs for way, runs in all_ways.items() if runs}
        medians = {way: {m: statistics.median(run[m] for run in runs) for m in runs[0]} for way, runs in ways.items()}
        text += table(setting, medians)
        text += f"\n| bytecode {setting} | | at most | |\n|---|--:|--:|---|\n"
        aims = []
        for aim in AIMS:
            values = [medians.get(way, {}).get(aim.measure) for way in (aim.way, aim.of) if way]
            if None in values or aim.torch not in {None, torch}:
                continue
            value = values[0] if aim.of is None else values[0] / values[1]
            met = "met" if value <= aim.most else "missed"
            aims.append({**aim._asdict(), "value": value, "met": met == "met"})
            of = f" of {aim.of}" if aim.of else ""
            text += f"| {aim.way}: {aim.measure}{of} | {value:.4f} | {aim.most} | {met} |\n"
        data[setting] = {"medians": medians, "runs": ways, "aims": aims}
    return data, text


def main() -> None:
    """Read the arguments, run the rounds, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bytecode", choices=("both", "on", "off"), default="both")
    parser.add_argument("--ways", type=lambda text: text.split(","), default=WAYS, help=", ".join(WAYS))
    parser.add_argument("--torch", action="store_true", help="torch is the heavy group")
    parser.add_argument("--quick", action="store_true", help="only the first build, the inline cache, and pulls")
    parser.add_argument("--registry", default="127.0.0.1:5000", metavar="HOST:PORT")
    parser.add_argument("--uv-image", default="ghcr.io/astral-sh/uv:0.13", help="the image that has /uv and /uvx")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="written after each way; what it has is not measured again"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.ways) - set(WAYS):
        parser.error(f"no such way: {', '.join(unknown)}")
    settings = ("on", "off") if arguments.bytecode == "both" else (arguments.bytecode,)
    facts: dict[str, Any] = {"processors": os.cpu_count(), "torch": arguments.torch, "quick": arguments.quick}
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
            results[setting][way].append(
                trial(way, file, contexts, arguments.registry, compiled=setting == "on", quick=arguments.quick)
            )
            seconds = time.perf_counter() - started
            print(f"round {number}, bytecode {setting}, {way}: {seconds:.0f} s", file=sys.stderr)
            if arguments.json:
                text = json.dumps({**facts, "bytecode": report(results, torch=arguments.torch)[0]}, indent=2)
                arguments.json.write_text(f"{text}\n", encoding="utf-8")
    print(report(results, torch=arguments.torch)[1].strip())


if __name__ == "__main__":
    main()
