"""Real uv on packages that are made here, from an index on loopback; nothing else can be reached."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import os
import pty
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import pytest
import support
import tomli_w
import uv
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

from uv_layers.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

USER, PASSWORD = "alice", "s3cret-w0rd"  # what the private half of the index asks for
ROOTS = ("/private", "/private-bare", "/bare", "/cpu")  # where the index is, besides at the top
NATIVE = ("manylinux_2_17_x86_64", "manylinux_2_17_aarch64", "macosx_11_0_arm64", "macosx_10_9_x86_64")

# Builds a wheel without help, and writes down in it what it was built with.
BACKEND = """\
import base64, hashlib, os, zipfile

NAME, VERSION = {name!r}, {version!r}


def _helper():
    try:
        import helper
    except ImportError:
        return None
    return helper.VERSION


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    folder = f"{{NAME}}-{{VERSION}}.dist-info"
    built_with = {{
        "settings": dict(config_settings or {{}}),
        "epoch": os.environ.get("SOURCE_DATE_EPOCH"),
        "flavour": os.environ.get("FLAVOUR"),
        "helper": _helper(),
    }}
    files = {{
        f"{{NAME}}.py": f"VERSION = {{VERSION!r}}\\nBUILT_WITH = {{built_with!r}}\\n",
        f"{{folder}}/METADATA": f"Metadata-Version: 2.2\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n",
        f"{{folder}}/WHEEL": "Wheel-Version: 1.0\\nGenerator: own\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }}
    record = []
    file_name = f"{{NAME}}-{{VERSION}}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, file_name), "w") as archive:
        for path, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record.append(f"{{path}},sha256={{digest}},{{len(text)}}")
            archive.writestr(path, text)
        record.append(f"{{folder}}/RECORD,,")
        archive.writestr(f"{{folder}}/RECORD", "\\n".join(record) + "\\n")
    return file_name
"""

# Packs the sources of a project as they are, and leaves a folder of its own beside them, as setuptools does.
PACKER = """\
import base64, hashlib, os, zipfile

NAME, VERSION, REQUIRES, SCRIPTS, STATIC = {facts!r}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None, editable=False):
    module = NAME.replace("-", "_")
    info = f"{{module}}-{{VERSION}}.dist-info"
    root = "src" if os.path.isdir("src") else "."
    os.makedirs("build", exist_ok=True)
    with open(f"build/{{module}}.txt", "w") as file:
        file.write(os.getcwd())
    files = {{f"{{module}}.pth": os.path.abspath(root)}} if editable else {{}}
    for folder, _, names in os.walk(os.devnull if editable else os.path.join(root, module)):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(".py"):
                with open(path) as file:
                    files[os.path.relpath(path, root)] = file.read()
    requires = "".join(f"Requires-Dist: {{one}}\\n" for one in REQUIRES)
    files[f"{{info}}/METADATA"] = f"Metadata-Version: 2.2\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n{{requires}}"
    files[f"{{info}}/WHEEL"] = "Wheel-Version: 1.0\\nGenerator: own\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    if SCRIPTS:
        lines = "".join(f"{{name}} = {{target}}\\n" for name, target in SCRIPTS.items())
        files[f"{{info}}/entry_points.txt"] = f"[console_scripts]\\n{{lines}}"
    record = []
    file_name = f"{{module}}-{{VERSION}}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, file_name), "w") as archive:
        for path, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record.append(f"{{path}},sha256={{digest}},{{len(text.encode())}}")
            archive.writestr(path, text)
        record.append(f"{{info}}/RECORD,,")
        archive.writestr(f"{{info}}/RECORD", "\\n".join(record) + "\\n")
    return file_name


def build_editable(*arguments):
    if os.path.exists("may-be-editable"):
        return build_wheel(*arguments, editable=True)
    if STATIC:
        raise SystemExit("somebody asked for a link to the sources")
    # uv asks so for what the project requires.
    return build_wheel(*arguments)
"""
BUILD = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'


# Stands in for a build backend that is on PyPI: the packages below src, and the scripts that pyproject.toml has.
STAND_IN_BACKEND = """\
import pathlib, re, zipfile


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    text = pathlib.Path("pyproject.toml").read_text()
    name, version = (re.search(f'^{key} = "(.*)"$', text, re.M)[1] for key in ("name", "version"))
    info = f"{name}-{version}.dist-info"
    files = {p.relative_to("src").as_posix(): p.read_text() for p in sorted(pathlib.Path("src").rglob("*.py"))}
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.3\\nName: {name}\\nVersion: {version}\\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    scripts = re.search(r"^\\[project.scripts]\\n((?:.+\\n)*)", text, re.M)
    if scripts:
        files[f"{info}/entry_points.txt"] = "[console_scripts]\\n" + scripts[1].replace('"', "")
    files[f"{info}/RECORD"] = "".join(f"{path},,\\n" for path in [*files, f"{info}/RECORD"])
    made = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, made), "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return made
"""


@dataclass(frozen=True)
class Wheel:
    """A wheel to be: a module that knows its version, and whatever else is given."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    tag: str = "py3-none-any"
    extras: tuple[str, ...] = ()
    scripts: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        return canonicalize_name(self.name).replace("-", "_")

    @property
    def file_name(self) -> str:
        return f"{self.module}-{self.version}-{self.tag}.whl"

    def content(self) -> bytes:
        module = f"VERSION = {self.version!r}\n\n\ndef main():\n    print({self.name!r})\n"
        files = {
            f"{self.module}/__init__.py": module,
            **{f"{self.module}/{name}": text for name, text in self.files.items()},
            **{f"{{data}}/{name}": text for name, text in self.data.items()},
        }
        if self.scripts:
            lines = [f"{name} = {target}\n" for name, target in self.scripts.items()]
            files["{info}/entry_points.txt"] = "[console_scripts]\n" + "".join(lines)
        metadata = [("Requires-Dist", r) for r in self.requires] + [("Provides-Extra", e) for e in self.extras]
        return support.wheel(self.module, self.version, _entries(files), tag=self.tag, metadata=metadata)


@dataclass(frozen=True)
class Sdist:
    """A source distribution whose build backend is inside of it."""

    name: str
    version: str
    build_requires: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}.tar.gz"

    def content(self) -> bytes:
        build = f'[build-system]\nrequires = {list(self.build_requires)}\nbuild-backend = "own"\nbackend-path = ["."]\n'
        files = {
            "own.py": BACKEND.format(name=self.name, version=self.version),
            "pyproject.toml": f'{build}\n[project]\nname = "{self.name}"\nversion = "{self.version}"\n',
        }
        return support.sdist(self.name, self.version, files)


def _entries(files: Mapping[str, str | bytes], executable: Collection[str] = ()) -> list[tuple[str, int, str | bytes]]:
    runs = {path for path in files if path in executable or path.startswith("{data}/scripts/")}
    return [(path, support.PROGRAM if path in runs else support.FILE, content) for path, content in files.items()]


# `web` and `numbers` both need `shared`; `clash` is for conflicts; the rest are for what their names say.
PACKAGES = (
    *(Wheel("shared", version) for version in ("1.0", "1.1")),
    *(Wheel("web", v, ("shared", 'speed; extra == "fast"'), extras=("fast",)) for v in ("1.0", "1.1")),
    *(Wheel("numbers", v, ("shared",), f"py3-none-{p}") for v in ("1.0", "1.1") for p in NATIVE),
    *(Wheel("clash", version) for version in ("1.0", "2.0", "2.0+cpu")),
    Wheel("needs-old-clash", "1.0", ("clash<2",)),
    Wheel("speed", "1.0"),
    *(Wheel("helper", version) for version in ("0.9", "1.0")),
    Wheel("extra-one", "1.0"),
    Wheel("extra-two", "1.0"),
    Wheel("tests-only", "1.0"),
    Wheel("docs-only", "1.0", ("shared",)),
    Wheel("Odd.Name_Here", "1.0"),
    Wheel("vendor-core", "1.0"),
    Wheel("vendor-maths", "1.0", ("vendor-core",)),
    Wheel("vendor-more", "1.0", ("vendor-core",)),
    Wheel("for-windows", "1.0"),
    Wheel("for-arm", "1.0"),
    Wheel("for-old-python", "1.0"),
    Wheel("for-313", "1.0", tag="cp313-cp313-manylinux_2_17_aarch64"),
    Wheel("windows-wheel", "1.0", tag="py3-none-win_amd64"),
    *(Wheel(name, "1.0", data={"purelib/common.py": f"OWNER = {name!r}\n"}) for name in ("owner-one", "owner-two")),
    Wheel(
        "tool",
        "1.0",
        scripts={"tool": "tool:main"},
        data={"scripts/tool-script": "#!python\nprint('a script')\n", "data/share/tool/notes.txt": "some notes\n"},
        files={"nested/deep/text.txt": "text\n", "broken.py": "this is no python (\n"},
    ),
    Sdist("source", "1.0"),
    Sdist("built", "1.0", build_requires=("helper",)),
    Sdist("both", "1.0"),
    Wheel("both", "1.0"),
)


class Index:
    """Packages by the JSON simple API (PEP 691): at `url` for all, at `private_url` for who has a password.

    `cpu_url` has the versions with `+cpu`, which the others have not. `bare_url` gives no hashes; nor does
    `private_bare_url`, which asks for a password.
    """

    def __init__(self) -> None:
        self.files = {package.file_name: package.content() for package in PACKAGES}
        #: The upload times that it knows, by package or file.
        self.uploaded = {
            "web": "2021-03-04T05:06:07.891Z",
            "source": "2022-02-02T00:00:01Z",
            "shared": "2023-05-06T07:08:10Z",
        }
        #: The paths that were asked for, so that a test can tell what was downloaded.
        self.asked: list[str] = []
        self._server = support.Server(("127.0.0.1", 0), _handler(self))

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/simple"

    @property
    def cpu_url(self) -> str:
        return f"http://{self.host}/cpu/simple"

    @property
    def bare_url(self) -> str:
        return f"http://{self.host}/bare/simple"

    @property
    def private_bare_url(self) -> str:
        return f"http://{self.host}/private-bare/simple"

    @property
    def private_url(self) -> str:
        """The address without credentials, which alone answers 401."""
        return f"http://{self.host}/private/simple"

    @property
    def url_with_credentials(self) -> str:
        return f"http://{USER}:{PASSWORD}@{self.host}/private/simple"

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def file(self, name: str) -> bytes | None:
        if not name.endswith(".metadata"):
            return self.files.get(name)
        with zipfile.ZipFile(io.BytesIO(self.files[name.removesuffix(".metadata")])) as wheel:
            inside = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
            return wheel.read(inside)

    def page(self, name: str, root: str) -> bytes | None:
        names = [file for file in self.files if ("+cpu" in file) == (root == "/cpu") and _project_of(file) == name]
        described = [
            {
                "filename": file,
                "url": f"{root}/files/{quote(file)}",
                "size": len(content),
                "hashes": {} if root.endswith("bare") else {"sha256": hashlib.sha256(content).hexdigest()},
                "core-metadata": file.endswith(".whl"),
                **({"upload-time": time} if (time := self.uploaded.get(file) or self.uploaded.get(name)) else {}),
            }
            for file, content in ((file, self.files[file]) for file in sorted(names))
        ]
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": described}
        return json.dumps(page).encode() if names else None


def _project_of(file: str) -> str:
    return (parse_sdist_filename if file.endswith(".tar.gz") else parse_wheel_filename)(file)[0]


def _handler(index: Index) -> type[BaseHTTPRequestHandler]:
    allowed = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(self.path)
            root = next((root for root in ROOTS if self.path.startswith(f"{root}/")), "")
            if root.startswith("/private") and self.headers.get("Authorization") != allowed:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="tests"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            kind, name = unquote(self.path).removeprefix(root).strip("/").split("/", 1)
            content = index.page(name, root) if kind == "simple" else index.file(name)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            page = kind == "simple"
            self.send_header(
                "Content-Type", "application/vnd.pypi.simple.v1+json" if page else "application/octet-stream"
            )
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815 - its name is the base class's

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@dataclass(frozen=True)
class Outcome:
    """How a command line ended, and what it said."""

    status: int
    stdout: str
    stderr: str

    @property
    def result(self):
        """The result in the JSON envelope."""
        return json.loads(self.stdout)["result"]

    @property
    def layers(self) -> dict[str, list[str]]:
        """The names of the packages by layer, of `plan --json`."""
        return {layer["name"]: [p["name"] for p in layer["packages"]] for layer in self.result["layers"]}

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


@dataclass(frozen=True)
class ProjectFolder:
    """A folder with a uv project."""

    path: Path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def __fspath__(self) -> str:
        return str(self.path)

    def edit(self, old: str, new: str, name: str = "pyproject.toml") -> None:
        text = (self.path / name).read_text(encoding="utf-8")
        assert old in text
        (self.path / name).write_text(text.replace(old, new), encoding="utf-8")

    def lock(self, *arguments: str) -> None:
        _uv("lock", "--python", sys.executable, *arguments, cwd=self.path)


def _uv(*arguments: str, cwd: Path) -> str:
    done = subprocess.run([uv.find_uv_bin(), *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def index():
    served = Index()
    served.start()
    yield served
    served.stop()


@pytest.fixture(scope="session")
def _session_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    programs = [str(Path(sys.base_prefix) / "bin"), os.defpath]
    return {
        "HOME": str(home),
        "XDG_CONFIG_DIRS": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "UV_CACHE_DIR": str(home / "uv-cache"),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_HTTP_RETRIES": "0",
        # Whatever is not on loopback goes to a port where nobody listens.
        "ALL_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
        "PATH": os.pathsep.join(programs),
    }


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, _session_environment: dict[str, str]) -> pytest.MonkeyPatch:
    """Give each test the same environment, whatever the caller's says to uv, to pip, to Python or to uv-layers."""
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_", "PYTHON", "XDG_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("UV", "VIRTUAL_ENV", "CONDA_PREFIX", "SOURCE_DATE_EPOCH", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    for name, value in _session_environment.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def project(tmp_path: Path, index: Index):
    """Return a function that makes a locked project of a `pyproject.toml`, which uses the index here."""

    def make(text: str, *, name: str = "app", url: str | None = None, locked: bool = True) -> ProjectFolder:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        source = f'[[tool.uv.index]]\nname = "here"\nurl = "{url or index.url}"\ndefault = true\n'
        (folder / "pyproject.toml").write_text(f"{dedent(text)}\n{source}", encoding="utf-8")
        made = ProjectFolder(folder)
        if locked:
            made.lock()
        return made

    return make


def packaged(
    folder: Path,
    name: str,
    files: Mapping[str, str] | None = None,
    *,
    requires: Collection[str] = (),
    scripts: Mapping[str, str] | None = None,
    more: str = "",
    static: bool = True,
) -> str:
    """Write the sources of a package that builds itself into a folder; return its pyproject.toml, written there too.

    Without `static`, its build alone tells what it requires.
    """
    for path, text in {f"{name.replace('-', '_')}/__init__.py": f"NAME = {name!r}\n", **(files or {})}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    facts = (name, "1.0", tuple(requires), dict(scripts or {}), static)
    (folder / "own.py").write_text(PACKER.format(facts=facts), encoding="utf-8")
    dependencies = f"dependencies = {json.dumps(list(requires))}" if static else 'dynamic = ["dependencies"]'
    head = f'[project]\nname = "{name}"\nversion = "1.0"\nrequires-python = ">=3.10"\n{dependencies}\n'
    points = "".join(f'{script} = "{target}"\n' for script, target in (scripts or {}).items())
    text = f"{head}{f'[project.scripts]{chr(10)}{points}' if points else ''}{BUILD}{more}"
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return text


@pytest.fixture(name="packaged")
def _packaged():
    """Return the function that writes a package into a folder."""
    return packaged


@dataclass(frozen=True)
class Shelf:
    """How to make what an index is stocked with."""

    wheel = Wheel
    sdist = Sdist
    platforms = NATIVE
    password = PASSWORD

    def backend(self) -> dict[str, bytes]:
        """Return the file of a build backend that is called as one is that pages name."""
        made = Wheel("hatchling", "1.27.0", files={"build.py": STAND_IN_BACKEND})
        return {made.file_name: made.content()}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def uv_run():
    """Return a function that runs uv itself in a folder and returns what it prints."""
    return _uv


@pytest.fixture
def git(environment: pytest.MonkeyPatch, tmp_path: Path):
    """Return a function that runs git in a folder with nobody's settings, a day after it ran last."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        environment.delenv(name)
    environment.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    environment.setenv("GIT_CONFIG_NOSYSTEM", "1")
    environment.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    settings = {"init.defaultBranch": "main", "commit.gpgsign": "false", "user.name": "A", "user.email": "a@b.test"}
    times = itertools.count(1_700_000_000, 86_400)

    def call(folder: os.PathLike[str], *words: str) -> str:
        at = f"{next(times)} +0000"
        done = subprocess.run(
            ["git", *(word for key, value in settings.items() for word in ("-c", f"{key}={value}")), *words],
            cwd=folder,
            env=os.environ | {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return call


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function that runs a command line in a folder, in this process."""

    def call(*arguments: object, cwd: os.PathLike[str], **environ: str) -> Outcome:
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.chdir(cwd)
            patch.setattr(sys, "argv", ["uv-layers", *map(str, arguments)])
            # As installed from PyPI: what the tests run is from a folder or a wheel, and would say so.
            patch.setattr("uv_layers.cli.tool.direct_url", dict)
            for name, value in environ.items():
                patch.setenv(name, value)
            try:
                with pytest.raises(SystemExit) as ended:
                    main()
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)
        said = capsys.readouterr()
        return Outcome(ended.value.code, said.out, said.err)

    return call


@pytest.fixture
def any_prefix(monkeypatch):
    """Accept prefixes in the folder of the test, where trees can be run, though it is below /tmp."""
    monkeypatch.setattr("uv_layers.project.config._USED", ())
    monkeypatch.setattr("uv_layers.tree.base.ROOT", Path("/nothing"))


@pytest.fixture
def run_program():
    """Return a function that runs `python -m uv_layers` in a folder, in a process of its own."""

    def call(*arguments: object, cwd: os.PathLike[str], **environ: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "uv_layers", *map(str, arguments)],
            cwd=cwd,
            env=os.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def on_a_terminal(tmp_path):
    """Return a function that runs uv-layers in a folder with a terminal for standard error.

    It returns what the program wrote to that and to standard output.
    """

    def call(*arguments: object, cwd: os.PathLike[str]) -> tuple[str, str]:
        own, its = pty.openpty()
        argv = [sys.executable, "-m", "uv_layers", *map(str, arguments)]
        environ = os.environ | {"TERM": "xterm", "COLUMNS": "200"}
        with (tmp_path / "out").open("wb") as out:
            started = subprocess.Popen(argv, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=its)
        os.close(its)
        said = b""
        while True:
            try:
                piece = os.read(own, 65536)
            except OSError:  # Linux has no other end of a terminal that nobody writes to any more
                break
            if not piece:
                break
            said += piece
        os.close(own)
        assert started.wait() == 0
        return said.decode(), (tmp_path / "out").read_text()

    return call


def _described(files: Iterable[Path]) -> list[dict[str, object]]:
    """Return the tables of a layer lock for wheels and source distributions, by the names that the files have."""
    tables = []
    for file in sorted(files):
        name, version = file.name.removesuffix(".tar.gz").split("-")[:2]
        described = {"url": file.as_uri(), "hashes": {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}}
        kind = {"wheels": [described]} if file.suffix == ".whl" else {"sdist": described}
        tables.append({"name": canonicalize_name(name), "version": version, **kind})
    return tables


@dataclass(frozen=True)
class Stage:
    """A folder with layer locks of files that are made here, as a builder's stage has them. Nothing is downloaded."""

    path: Path
    files: Path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def __fspath__(self) -> str:
        return str(self.path)

    def wheel(
        self,
        name: str,
        version: str = "1.0",
        files: Mapping[str, str | bytes] | None = None,
        entry_points: str = "",
        executable: Collection[str] = (),
        rows: Iterable[str] = (),
    ) -> Path:
        """Write a wheel with these files and no others, `{data}` being its data folder, and return its path.

        `rows` are further paths that its RECORD names, with the hash of nothing.
        """
        content = dict(files or {})
        if entry_points:
            content["{info}/entry_points.txt"] = dedent(entry_points)
        self.files.mkdir(exist_ok=True)
        place = self.files / f"{name}-{version}-py3-none-any.whl"
        place.write_bytes(support.wheel(name, version, _entries(content, executable), rows=rows))
        return place

    def sdist(self, name: str, version: str = "1.0") -> Path:
        """Write a source distribution that builds itself, and return its path."""
        self.files.mkdir(exist_ok=True)
        made = Sdist(name, version)
        (self.files / made.file_name).write_bytes(made.content())
        return self.files / made.file_name

    def lock(
        self, layer: str, *files: Path, prefix: str | None = None, uploaded: Mapping[str, datetime] | None = None
    ) -> Path:
        """Write the lock of a layer with these files, and return its path; `uploaded` has times by package name."""
        own = {"layer": layer} if prefix is None else {"layer": layer, "prefix": prefix}
        packages = _described(files)
        for package in packages:
            if package["name"] in (uploaded or {}):
                file = package["sdist"] if "sdist" in package else package["wheels"][0]
                file["upload-time"] = uploaded[package["name"]]
        document = {"lock-version": "1.0", "created-by": "tests", "packages": packages}
        path = self.path / f"pylock.{layer}.toml"
        path.write_text(tomli_w.dumps(document | {"tool": {"uv-layers": own}}), encoding="utf-8")
        return path

    def copy(self, name: str) -> Stage:
        """Return another folder with the same layer locks, without trees."""
        path = self.path.parent / name
        path.mkdir(parents=True)
        for lock in self.path.glob("pylock.*.toml"):
            (path / lock.name).write_bytes(lock.read_bytes())
        return Stage(path, self.files)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Return an empty folder for layer locks."""
    (tmp_path / "stage").mkdir()
    return Stage(tmp_path / "stage", tmp_path / "files")


@pytest.fixture
def cold(tmp_path: Path):
    """Return a function that returns an environment with empty caches of uv and of bytecode, others at every call."""
    numbers = itertools.count()

    def environ() -> dict[str, str]:
        folder = tmp_path / f"caches-{next(numbers)}"
        return {"UV_CACHE_DIR": str(folder / "uv"), "UV_LAYERS_CACHE_DIR": str(folder / "bytecode")}

    return environ


def _pythons(version: str) -> Iterator[str]:
    """Yield what may be an interpreter of a version: named, running, of a GitHub runner, of pyenv, or on PATH."""
    yield from filter(None, os.environ.get("UV_LAYERS_TEST_PYTHONS", "").split(os.pathsep))
    yield sys.executable
    for variable, pattern in (
        ("RUNNER_TOOL_CACHE", "Python/{}.*/*/bin/python3"),
        ("PYENV_ROOT", "versions/{}.*/bin/python3"),
    ):
        if root := os.environ.get(variable):
            yield from map(str, sorted(Path(root).glob(pattern.format(version))))
    yield f"python{version}"


@pytest.fixture(scope="session")
def python_of():
    """Return a function that returns an interpreter of a version such as 3.12, and skips where there is none here."""

    @cache
    def find(version: str) -> str | None:
        ask = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
        for python in _pythons(version):
            try:
                said = subprocess.run([python, "-I", "-c", ask], capture_output=True, text=True, check=True).stdout
            except (OSError, subprocess.CalledProcessError):  # not there, or a shim of what is not there
                continue
            if said.split()[0] == version:
                return said.split()[1]
        return None

    def call(version: str) -> str:
        found = find(version)
        if found is None:
            pytest.skip(f"no Python {version} here, nor in UV_LAYERS_TEST_PYTHONS")
        return found

    return call


@pytest.fixture
def site() -> str:
    """Return the path of the site folder below a prefix."""
    return f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
