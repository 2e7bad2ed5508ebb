"""Faults that are real: signals, full and read-only disks, indexes that lie, interpreters that crash. No uv is mocked.

What runs is a process of its own, and all that it starts carries a mark by which it is found again.
"""

from __future__ import annotations

import importlib.util
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING

import pytest
from support import Server

from uv_layers.tree import seal
from uv_layers.tree.folder import STATE, LayersFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARK = "UV_LAYERS_TEST_MARK"
# Tests have an environment of their own, without this.
SEED = os.environ.get("UV_LAYERS_TEST_SEED")
PATIENCE = 60  # seconds until what does not come is given up


def _loaded(path: Path):
    spec = importlib.util.spec_from_file_location("functional_fixtures", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# Fixtures are where pytest finds them by their names; what they return are real uv and an index on loopback.
_functional = _loaded(Path(__file__).parents[1] / "functional" / "conftest.py")
_session_environment = _functional._session_environment  # noqa: SLF001
cold, environment, index, project = (getattr(_functional, n) for n in ("cold", "environment", "index", "project"))
run, run_program, site, stage = (getattr(_functional, n) for n in ("run", "run_program", "site", "stage"))
uv_run = _functional.uv_run


def pytest_collection_modifyitems(items):
    if not Path("/proc/self/environ").exists():
        for item in items:
            item.add_marker(pytest.mark.skip(reason="processes are found by /proc"))


@pytest.fixture
def until():
    """Return a function that waits for what a condition returns to be true."""

    def wait(condition: Callable[[], object]) -> None:
        last = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < last, "it did not come"
            time.sleep(0.005)

    return wait


@dataclass(frozen=True)
class Mark:
    """What tells the processes of a test from all others, those that outlive the one that started them included."""

    name: str

    def alive(self) -> list[int]:
        found = []
        for process in Path("/proc").iterdir():
            if not process.name.isdecimal():
                continue
            try:
                # One that has ended and was not waited for has no environment.
                if f"{MARK}={self.name}".encode() in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def gone(self) -> bool:
        return not self.alive()


@pytest.fixture
def mark(environment) -> Iterator[Mark]:
    """Mark all that is started; what is left at the end of the test is killed."""
    made = Mark(uuid.uuid4().hex)
    environment.setenv(MARK, made.name)
    yield made
    for number in made.alive():
        with suppress(ProcessLookupError):
            os.kill(number, 9)


@pytest.fixture
def chance() -> random.Random:
    """Return what is different in each run, and the same with the seed that is shown where a test fails."""
    seed = int(SEED or secrets.randbelow(2**32))
    print(f"UV_LAYERS_TEST_SEED={seed}")  # noqa: T201
    return random.Random(seed)  # noqa: S311 - no secret


@dataclass(frozen=True)
class Ended:
    status: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """The one line of the error, which is the last that is said; there is no traceback."""
        assert "Traceback" not in self.stderr
        assert "Exception ignored" not in self.stderr
        [line] = [line for line in self.stderr.splitlines() if line.startswith("error[")]
        assert self.stderr.endswith(f"{line}\n")
        return line


@dataclass(frozen=True)
class Program:
    """A uv-layers that runs."""

    process: subprocess.Popen[str]

    def catches_signals(self) -> bool:
        """Tell whether the signals that end it are caught, or it has ended."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        caught = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:")), 0)
        return self.process.poll() is not None or bool(caught & 1 << SIGTERM - 1)

    def end(self, signal: int | None = None) -> Ended:
        """Send a signal, if one is given, and wait for the end."""
        if signal is not None:
            self.process.send_signal(signal)
        stdout, stderr = self.process.communicate(timeout=PATIENCE)
        return Ended(self.process.returncode, stdout, stderr)


@pytest.fixture
def start(mark):
    """Return a function that starts uv-layers in a folder; `before` is a program that starts it, and `keep` are
    descriptors that it gets.
    """

    def call(
        *arguments: object,
        cwd: os.PathLike[str],
        before: tuple[str, ...] = (),
        keep: tuple[int, ...] = (),
        **environ: str,
    ) -> Program:
        argv = [*before, sys.executable, "-m", "uv_layers", *map(str, arguments)]
        pipe = subprocess.PIPE
        return Program(
            subprocess.Popen(
                argv,
                cwd=cwd,
                env=os.environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
                text=True,
                errors="replace",
                pass_fds=keep,
            )
        )

    return call


@dataclass(frozen=True)
class Layers:
    """What is on disk in a folder of layers."""

    path: Path

    def digest(self, layer: str = "heavy") -> str | None:
        """Return the digest of a layer's tree, None where there is none."""
        tree = self.path / layer
        return seal.digest(seal.hashed(tree)) if tree.exists() else None

    def record(self, layer: str = "heavy"):
        record = LayersFolder(self.path).record(layer)
        # One with nothing but its key says nothing of the tree.
        return None if record is not None and record.keys() == {"key"} else record

    def strays(self) -> list[str]:
        """Return what is there and no tree, no record and no lock: what somebody has left."""
        found = [path.name for path in self.path.glob("*") if path.name.startswith(".")]
        state = self.path / STATE
        names = [path.name for path in state.iterdir()] if state.exists() else []
        return sorted(
            [name for name in found if name not in {".gitignore", STATE}]
            + [name for name in names if name.startswith(".") or not name.endswith((".json", ".lock"))]
        )


@pytest.fixture
def layers_of():
    """Return a function that returns what is on disk in the folder of layers in a folder."""
    return lambda folder, name="layers": Layers(Path(folder) / name)


class Files:
    """Serves the files of a folder, with a fault.

    `hang` never answers, `truncate` ends in the middle, and `replace` sends what `other` is. What hangs goes on when
    it is released.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fault, self.other = "", b""
        self.asked: list[str] = []
        self.released = threading.Event()
        files = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = (files.folder / self.path.rsplit("/", 1)[-1]).read_bytes()
                fault = files.fault
                files.asked.append(self.path)
                if fault == "hang":
                    files.released.wait(PATIENCE)
                if fault == "replace":
                    content = files.other
                self.send_response(200)
                self.send_header("Content-Type", "application/octet-stream")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content[: len(content) // 2] if fault == "truncate" else content)

            do_HEAD = do_GET  # noqa: N815 - its name is the base class's

            def log_message(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self.released.set()
        self._server.stop()

    def serve(self, lock: Path) -> None:
        """Have the files that a layer lock names come from here."""
        text = lock.read_text(encoding="utf-8")
        assert self.folder.as_uri() in text
        lock.write_text(text.replace(self.folder.as_uri(), self.url), encoding="utf-8")


@pytest.fixture
def files(stage) -> Iterator[Files]:
    served = Files(stage.files)
    yield served
    served.stop()


@dataclass
class Interpreter:
    """A Python that does something else where it is to compile: what a shell is told."""

    path: Path
    real: str
    told: list[str] = field(default_factory=list)

    def instead(self, script: str, when: str = '"$2" = -S') -> None:
        text = f'#!/bin/bash\nif [[ {when} ]]; then\n{script}\nfi\nexec -a "$0" {self.real} "$@"\n'
        made = self.path.with_name("new")
        made.write_text(text, encoding="utf-8")
        made.chmod(0o755)
        # Known by its time and size, which say nothing of what it is told.
        os.utime(made, (1, 1))
        made.replace(self.path)


@pytest.fixture
def interpreter(tmp_path) -> Interpreter:
    """Return an installation of this Python at a place of its own, which works."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    home, base = tmp_path / "python", Path(sys.base_prefix)
    (home / "bin").mkdir(parents=True)
    (home / "lib").symlink_to(base / "lib")
    made = Interpreter(home / "bin" / name, str(base / "bin" / name))
    made.instead("false", when="-z x")
    return made


@dataclass(frozen=True)
class Disk:
    """A small disk of its own."""

    path: Path

    @property
    def used(self) -> int:
        return shutil.disk_usage(self.path).used

    def fill(self, leave: int = 0) -> Path:
        """Fill it up, but for some bytes, and return the file that is to be removed to have it empty again."""
        filler = self.path / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                size = file.tell()
            file.truncate(max(size - leave, 0) // 4096 * 4096)
        return filler

    def mount(self, *options: str) -> None:
        subprocess.run(["mount", "-o", ",".join(options), self.path], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path) -> Iterator[Callable[[int], Disk]]:
    """Return a function that makes a disk of so many kilobytes."""
    made: list[Path] = []

    def call(kilobytes: int) -> Disk:
        path = tmp_path / f"disk-{len(made)}"
        path.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=755", "tmpfs", path]
        try:
            done = subprocess.run(words, check=False, capture_output=True, text=True)
        except FileNotFoundError as error:
            pytest.skip(f"no disk can be mounted here: {error}")
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: {done.stderr.splitlines()[0]}")
        made.append(path)
        return Disk(path)

    yield call
    for path in made:
        subprocess.run(["umount", "--lazy", path], check=True)


@dataclass(frozen=True)
class User:
    """Another user than the one who runs the tests, and a folder that any user gets to."""

    folder: Path
    before: tuple[str, ...]

    def own(self, path: Path) -> None:
        for each in (path, *path.rglob("*")):
            os.chown(each, NOBODY, NOBODY, follow_symlinks=False)


NOBODY = 65534


@pytest.fixture
def nobody(environment) -> Iterator[User]:
    """Return another user, who sees this machine as it is but for the folders on the way to Python, which are open."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    if any(shutil.which(program) is None for program in ("unshare", "setpriv", "mount")):
        pytest.skip("needs unshare, setpriv and mount of util-linux")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "home").mkdir()
    os.chown(folder / "home", NOBODY, NOBODY)
    environment.setenv("HOME", str(folder / "home"))
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "UV_CACHE_DIR"):
        environment.delenv(name)
    needed = {Path(sys.base_prefix), Path(sys.prefix), Path(__file__).parents[2]}
    script = ["set -e; mask=$(umask); umask 022"]
    # In a view of the file system of its own, an empty folder in the place of one that is closed has what is needed.
    for closed in {parent for path in needed for parent in path.parents if not parent.stat().st_mode & 0o001}:
        inside = [path for path in needed if closed in path.parents]
        for number, path in enumerate(inside):
            script.append(f"mkdir -p {folder}/kept-{number} && mount --bind {path} {folder}/kept-{number}")
        script.append(f"mount -t tmpfs -o mode=755 tmpfs {closed}")
        for number, path in enumerate(inside):
            script.append(f"mkdir -p {path} && mount --bind {folder}/kept-{number} {path}")
    script.append(f'umask $mask; exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups "$@"')
    before = ("unshare", "--mount", "sh", "-c", "\n".join(script), "sh")
    try_it = subprocess.run(
        [*before, sys.executable, "-c", "import packaging, uv_layers.cli.main"],
        capture_output=True,
        text=True,
        check=False,
    )
    if try_it.returncode:
        shutil.rmtree(folder)
        pytest.skip(f"another user cannot run this Python: {try_it.stderr.strip()[-200:]}")
    yield User(folder, before)
    shutil.rmtree(folder)
