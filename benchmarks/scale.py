"""Times uv-layers on large locks and large layers at three sizes, to tell how time and memory grow.

    python benchmarks/scale.py [--packages 5000] [--layers 60] [--files 200000] [--rounds 3] [--only files] [--json OUT]

Each of the three is taken at a quarter, at half and whole, with the others whole. The lock is what uv makes of
packages that an index on loopback describes, in as many dependency groups as there are layers, and has a history of 30
revisions; the layer of many files is of wheels with small modules. Nothing is downloaded. Of several rounds the median
counts.

A command's own CPU seconds and peak memory are those of its process; what it starts (uv, git, and the interpreters that
compile) is apart. Raw uv is timed beside it. Memory is read from /proc: this is for Linux.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from uv import find_uv_bin

REVISIONS = 30
RUN = 10  # packages, of which one requires the next
WHEELS = 8  # that the files of the large layer come in
PLATFORMS = ("manylinux_2_17_x86_64", "manylinux_2_17_aarch64", "macosx_11_0_arm64", "win_amd64")
MODULE = "LIMIT = {0}\n\n\ndef twice(value: int = LIMIT) -> int:\n    return 2 * value\n"
# Runs uv-layers in its process, and writes down what it took. Unlike ru_maxrss, VmHWM forgets who started it.
OWN = """
import json, resource, sys
from uv_layers.cli.main import main
place, *sys.argv[1:] = sys.argv[1:]
try:
    main()
finally:
    own, others = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    with open("/proc/self/status") as status, open(place, "w") as file:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        json.dump([own.ru_utime + own.ru_stime, others.ru_utime + others.ru_stime, peak / 1000], file)
"""
# Starts a program from a process that is small, whose memory would else count for the program's.
RAW = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    json.dump([0.0, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000], file)
sys.exit(done.returncode)
"""


@dataclass(frozen=True)
class Taken:
    """What a command took: seconds, CPU seconds of its own and of what it started, and its peak memory in MB."""

    seconds: float
    own: float
    others: float
    peak: float


def measured(kind: str, words: list[str], cwd: Path, env: dict[str, str]) -> Taken:
    """Run a command, `OWN` or `RAW`, and return what it took; it must not fail."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as said:
        argv = [sys.executable, "-c", kind, said.name, *words]
        started = time.perf_counter()
        done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
        if done.returncode:
            sys.exit(f"failed: {' '.join(words)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return Taken(seconds, *json.load(said))


class Index(ThreadingHTTPServer):
    """Describes packages by the JSON simple API (PEP 691) with their metadata (PEP 658); no file can be had."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, packages: dict[str, list[str]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.numbers = {name: number for number, name in enumerate(packages)}
        self.metadata = {
            name: "\n".join(
                ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *map("Requires-Dist: {}".format, rs)]
            )
            for name, rs in packages.items()
        }

    def page(self, name: str) -> str:
        """Return the page of a package: one wheel, or, for three in ten, one for each platform."""
        number = self.numbers[name]
        tags = [f"py3-none-{p}" for p in PLATFORMS] if number % 10 < 3 else ["py3-none-any"]  # noqa: PLR2004
        files = [
            {
                "filename": f"{name.replace('-', '_')}-1.0-{tag}.whl",
                "url": f"/files/{name.replace('-', '_')}-1.0-{tag}.whl",
                "size": 5_000 + (number * 7919 % 9973) ** 2,
                "hashes": {"sha256": hashlib.sha256(f"{name}{tag}".encode()).hexdigest()},
                "core-metadata": True,
            }
            for tag in tags
        ]
        return json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": files})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Index

    def do_GET(self) -> None:
        kind, name = self.path.strip("/").split("/", 1)
        if kind == "simple":
            content, answer = "application/vnd.pypi.simple.v1+json", self.server.page(name)
        else:
            content, answer = "text/plain", self.server.metadata[name.split("-1.0-")[0].replace("_", "-")]
        self.send_response(200)
        self.send_header("Content-Type", content)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_: object) -> None:
        pass


def graph(count: int, layers: int) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return what each of `count` packages requires, and what each of `layers` groups lists.

    A group lists every tenth package of its share, which require the nine after them, one the next. And one package in
    twenty, whatever group it is of, requires one of a few that many need.
    """
    names = [f"area{number // 50:03}-package-{number:05}" for number in range(count)]
    requires: dict[str, list[str]] = {name: [] for name in names}
    common = max(count // 100, 1)
    for number in range(count - 1):
        if (number + 1) % RUN:
            requires[names[number]].append(names[number + 1])
        if number >= common and not number % (2 * RUN):
            requires[names[number]].append(names[number % common])
    share = count // layers // RUN * RUN
    groups = {f"layer-{n:02}": names[n * share : (n + 1) * share : RUN] for n in range(layers)}
    groups[f"layer-{layers - 1:02}"] += names[layers * share :: RUN]
    return requires, groups


def project(folder: Path, count: int, layers: int, env: dict[str, str]) -> None:
    """Make a repository with a project that has such a lock, and a history of it."""
    requires, groups = graph(count, layers)
    with Index(requires) as index:
        serving = threading.Thread(target=index.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        lists = "".join(f"{name} = {json.dumps(members)}\n" for name, members in groups.items())
        (folder / "pyproject.toml").write_text(
            '[project]\nname = "large"\nversion = "1"\nrequires-python = ">=3.10"\n'
            f"[dependency-groups]\n{lists}[tool.uv]\ndefault-groups = {json.dumps(list(groups))}\n"
            f'[[tool.uv.index]]\nname = "here"\nurl = "http://127.0.0.1:{index.server_port}/simple"\ndefault = true\n',
            encoding="utf-8",
        )
        lock = [find_uv_bin(), "lock", "--quiet", "--python", sys.executable]
        subprocess.run(lock, cwd=folder, env=env, check=True)
        index.shutdown()
        serving.join()
    head, *tables = (folder / "uv.lock").read_text(encoding="utf-8").split("\n[[package]]\n")
    texts = ["\n[[package]]\n".join([head, *tables])]
    for update in range(1, REVISIONS):
        # Backwards: three in two hundred packages had another version before.
        for number in range(update * 37 % 67, len(tables), 67):
            tables[number] = tables[number].replace('\nversion = "1.0"', f'\nversion = "0.{update}"', 1)
            tables[number] = tables[number].replace("-1.0-", f"-0.{update}-")
        texts.append("\n[[package]]\n".join([head, *tables]))
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b.test", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "--quiet"], cwd=folder, env=env, check=True)
    for text in reversed(texts):
        (folder / "uv.lock").write_text(text, encoding="utf-8")
        subprocess.run([*git, "add", "."], cwd=folder, env=env, check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", "update"], cwd=folder, env=env, check=True)


def wheels(folder: Path, count: int) -> None:
    """Write a layer lock of wheels that have `count` files together, and the wheels."""
    tables = []
    each = (count - WHEELS * 4) // WHEELS
    for number in range(WHEELS):
        name, info = f"large{number}", f"large{number}-1.0.dist-info"
        files = {f"{name}/__init__.py": ""}
        files |= {f"{name}/part{i // 100:04}/module{i % 100:02}.py": MODULE.format(i) for i in range(each)}
        files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        path = folder / f"{name}-1.0-py3-none-any.whl"
        record = []
        with zipfile.ZipFile(path, "w") as archive:
            for place, text in files.items():
                digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
                record.append(f"{place},sha256={digest},{len(text)}\n")
                archive.writestr(place, text)
            archive.writestr(f"{info}/RECORD", "".join([*record, f"{info}/RECORD,,\n"]))
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        wheel = f'{{ url = "{path.as_uri()}", hashes = {{ sha256 = "{sha256}" }} }}'
        tables.append(f'[[packages]]\nname = "{name}"\nversion = "1.0"\nwheels = [{wheel}]\n')
    text = 'lock-version = "1.0"\ncreated-by = "benchmark"\n\n' + "\n".join(tables)
    (folder / "pylock.large.toml").write_text(text, encoding="utf-8")


def locks(work: Path, count: int, layers: int, env: dict[str, str]) -> dict[str, Taken]:
    """Return what the commands took that read a lock."""
    folder = work / "project"
    folder.mkdir(parents=True)
    project(folder, count, layers, env)
    raw = [find_uv_bin(), "export", "--format", "pylock.toml", "--frozen", "--quiet", "--no-dev"]
    check = [find_uv_bin(), "lock", "--check", "--offline", "--python", sys.executable]

    def own(*words: str) -> Taken:
        return measured(OWN, [*words, "--offline"] if words[0] != "dockerfile" else list(words), folder, env)

    taken = {
        "`plan`": own("plan"),
        "`export`": own("export", "-o", str(work / "locks")),
        "`dockerfile`": own("dockerfile", "--python", "3.12"),
        "`diff HEAD~1`": own("diff", "HEAD~1"),
        "`suggest`": own("suggest"),
        "`suggest --keep`": own("suggest", "--keep"),
        "`suggest --write`": own("suggest", "--write"),
        "`plan`, packages by name": own("plan"),
        "uv: one `uv export`": measured(RAW, raw, folder, env),
        "uv: `uv lock --check`": measured(RAW, check, folder, env),
    }
    shutil.rmtree(work)
    return taken


def files(work: Path, count: int, env: dict[str, str]) -> dict[str, Taken]:
    """Return what the commands took that make a layer, or read it."""
    work.mkdir(parents=True)
    wheels(work, count)
    env = env | {"UV_CACHE_DIR": str(work / "uv-cache"), "UV_LAYERS_CACHE_DIR": str(work / "bytecode")}
    raw = [find_uv_bin(), "pip", "install", "--quiet", "--offline", "--python", sys.executable, "--link-mode", "copy"]
    raw += ["--no-deps", "--preview-features", "pylock", "-r", "pylock.large.toml", "--prefix"]
    # Unpacks the wheels into uv's cache, which is no part of what is timed.
    measured(RAW, [*raw, str(work / "out")], work, env)
    shutil.rmtree(work / "out")
    taken = {}

    def own(name: str, *words: str, then: str = "out") -> None:
        taken[name] = measured(OWN, [*words, "--python", sys.executable], work, env)
        shutil.rmtree(work / then, ignore_errors=True)

    install = ("install", "large", "--offline", "--layers-dir")
    own("`install`", *install, "layers", then="none")
    own("`install`, up to date", *install, "layers", then="none")
    own("`verify`", "verify", "large", "--layers-dir", "layers", then="layers")
    own("`install`, bytecode in the cache", *install, "out")
    own("`install --compile none`", *install, "out", "--compile", "none")
    taken["uv: `uv pip install`"] = measured(RAW, [*raw, str(work / "out")], work, env)
    shutil.rmtree(work)
    return taken


def median(rounds: list[dict[str, Taken]]) -> dict[str, Taken]:
    """Return the median of each figure of each case."""
    figures = ("seconds", "own", "others", "peak")
    return {
        case: Taken(*(statistics.median(getattr(taken[case], figure) for taken in rounds) for figure in figures))
        for case in rounds[0]
    }


def table(sizes: list[str], results: list[dict[str, Taken]]) -> str:
    """Return a table with a row a case: CPU seconds, and of the largest size those of uv-layers itself and the seconds
    that passed; memory; and what the first and the last grew by.
    """
    head = ["", *(f"CPU s, {size}" for size in sizes), "own", "seconds", *(f"MB, {size}" for size in sizes), "grown by"]
    lines = [f"| {' | '.join(head)} |", "|---" + "|--:" * (len(head) - 1) + "|"]
    for case in results[0]:
        first, *_, last = taken = [result[case] for result in results]
        cells = [f"{each.own + each.others:.2f}" for each in taken]
        cells += ["" if case.startswith("uv:") else f"{last.own:.2f}", f"{last.seconds:.2f}"]
        cells += [f"{each.peak:.0f}" for each in taken]
        grown = ((last.own + last.others) / (first.own + first.others), last.peak / first.peak)
        lines.append(f"| {case} | {' | '.join(cells)} | {grown[0]:.1f}, {grown[1]:.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Read the arguments, run, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=int, default=5000)
    parser.add_argument("--layers", type=int, default=60)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("packages", "layers", "files"), action="append")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", type=Path, help="where to put what is made; at most 8 kB a file")
    arguments = parser.parse_args()
    env = {k: v for k, v in os.environ.items() if not k.startswith("UV_")} | {"UV_PYTHON_DOWNLOADS": "never"}
    env["GIT_CONFIG_GLOBAL"] = os.devnull
    said = []
    with tempfile.TemporaryDirectory(dir=arguments.work) as temporary:
        work = Path(temporary)
        env["UV_CACHE_DIR"] = str(work / "cache")
        whole = (arguments.packages, arguments.layers, arguments.files)
        done: dict[tuple[int, ...], dict[str, Taken]] = {}
        for position, what in enumerate(("packages", "layers", "files")):
            if what not in (arguments.only or [what]):
                continue
            sizes, results = [], []
            for part in (4, 2, 1):
                numbers = [number // (part if n == position else 1) for n, number in enumerate(whole)]
                run, given = (files, numbers[2:]) if what == "files" else (locks, numbers[:2])
                sizes.append(f"{numbers[position]:,}")
                if tuple(given) not in done:
                    rounds = [run(work / f"{what}-{part}-{turn}", *given, env) for turn in range(arguments.rounds)]
                    done[tuple(given)] = median(rounds)
                    progress = f"{what}: {sizes[-1]} done, load {os.getloadavg()[0]:.1f}"
                    print(progress, *done[tuple(given)].items(), sep="\n  ", file=sys.stderr, flush=True)
                results.append(done[tuple(given)])
            print(f"{what}:\n\n{table(sizes, results)}\n", flush=True)
            cases = [{case: taken.__dict__ for case, taken in result.items()} for result in results]
            said.append({"what": what, "sizes": sizes, "cases": cases})
    if arguments.json:
        about = {"rounds": arguments.rounds, "processors": os.cpu_count(), "results": said}
        arguments.json.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
