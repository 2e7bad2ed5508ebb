"""Credentials: however they reach uv, nothing says them, writes them down or gives them to a program as an argument."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
import uv
from support import Server

HEAD = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["web", "source"]

[dependency-groups]
heavy = ["numbers"]

[tool.uv]
default-groups = ["heavy"]
"""


@dataclass(frozen=True)
class Login:
    """A user and a password, and all forms in which they could be found again."""

    user: str
    password: str

    @property
    def userinfo(self) -> str:
        return quote(self.user, safe="") + (f":{quote(self.password, safe='')}" if self.password else "")

    @property
    def words(self) -> set[bytes]:
        secret = self.password or self.user
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        forms = {secret, quote(secret, safe=""), quote(secret), pair, pair.rstrip("="), secret.split("@")[-1]}
        return {form.encode() for form in forms}


LOGINS = {
    "plain": Login("alice", "s3cret-w0rd"),
    "percent-encoded": Login("al ice@corp", "p@ss/w0rd:%41é#s3cret"),
    "token": Login("t0ken-which-is-s3cret", ""),
}


class Guarded:
    """An index that asks for a password, in front of that of the tests; what it asks for can be changed."""

    def __init__(self, index, login):
        self.login = login
        #: How pages are answered: as they are, by this status, or by a redirection to this.
        self.answer: int | str = 200
        self.let_in = 0
        self._index = index
        self._server = Server(("127.0.0.1", 0), self._handler())
        self._server.start()
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}/simple"
        self.own_url = f"http://{login.userinfo}@{self.host}/simple"

    def stop(self):
        self._server.stop()

    def _handler(self):
        guarded, index = self, self._index

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                login = guarded.login
                pair = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
                kind, name = unquote(self.path).strip("/").split("/", 1)
                if self.headers.get("Authorization") != f"Basic {pair}":
                    return self.end(401, [("WWW-Authenticate", 'Basic realm="tests"')])
                guarded.let_in += 1
                if guarded.answer != 200 and isinstance(guarded.answer, int):
                    return self.end(guarded.answer)
                if isinstance(guarded.answer, str):
                    return self.end(302, [("Location", f"{guarded.answer}{self.path}")])
                if kind == "simple":
                    content = index.page(name, "")
                    return self.end(200, [("Content-Type", "application/vnd.pypi.simple.v1+json")], content)
                return self.end(200, [], index.file(name))

            do_HEAD = do_GET  # noqa: N815 - its name is the base class's

            def end(self, status, headers=(), content=b""):
                self.send_response(404 if content is None else status)
                for header in headers:
                    self.send_header(*header)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content or b"")

            def log_message(self, *_):
                pass

        return Handler


@pytest.fixture
def login(request):
    return LOGINS[request.param]


@pytest.fixture
def guarded(index, login):
    served = Guarded(index, login)
    yield served
    served.stop()


WAYS = ("address", "settings", "variables", "address in a variable", "netrc")
# By default the ways with one login, and the logins in one way; a netrc file has no blanks.
THOROUGH = "UV_LAYERS_TEST_EXAMPLES" in os.environ
PAIRS = [
    (login, way)
    for login in LOGINS
    for way in WAYS
    if (THOROUGH or login == "plain" or way == "address") and (login, way) != ("percent-encoded", "netrc")
]


@pytest.fixture
def reaching(guarded, login, environment, tmp_path):
    """Return a function that lets uv have the credentials in one way, and returns the address that the project has."""

    def call(way):
        if way in {"address", "settings"}:
            return guarded.own_url
        if way == "variables":
            environment.setenv("UV_INDEX_HERE_USERNAME", login.user)
            environment.setenv("UV_INDEX_HERE_PASSWORD", login.password)
        elif way == "address in a variable":
            environment.setenv("UV_DEFAULT_INDEX", f"here={guarded.own_url}")
        else:
            netrc = tmp_path / "home" / ".netrc"
            netrc.parent.mkdir()
            netrc.write_text(f"machine 127.0.0.1\nlogin {login.user}\npassword {login.password}\n")
            netrc.chmod(0o600)
            environment.setenv("NETRC", str(netrc))
        return guarded.url

    return call


@pytest.fixture
def started(monkeypatch):
    """The arguments of every program that is started in this process."""
    found = []

    class Recorded(subprocess.Popen):
        def __init__(self, args, *rest, **more):
            found.append([os.fsencode(word) for word in args])
            super().__init__(args, *rest, **more)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    return found


@pytest.fixture
def seen(tmp_path, environment):
    """Start uv by a program that keeps uv's arguments, and the files that a kill at this moment would leave.

    Returns the folder where they are kept.
    """
    folder = tmp_path / "seen"
    folder.mkdir()
    program = tmp_path / "uv-that-tells"
    program.write_text(
        f"""#!/bin/sh
printf '%s\\n' "$@" >> {folder}/arguments
case "$*" in *install*) cp -r "$PWD" {folder}/work-$$ ;; esac
exec {uv.find_uv_bin()} "$@"
"""
    )
    program.chmod(0o755)
    environment.setenv("UV_LAYERS_UV", str(program))
    return folder


def _files(*folders):
    return [path for folder in folders for path in sorted(Path(folder).rglob("*")) if path.is_file()]


def _with(words, content):
    return {word for word in words if word in content}


# Each with what it is to end with; `{old}` is another folder of layer locks.
COMMANDS = (
    (("plan", "-v"), 0),
    (("plan", "--json"), 0),
    (("export", "-v"), 0),
    (("export", "heavy", "-o", "-"), 0),
    (("export", "-o", "{old}", "--json"), 0),
    (("install", "--all", "-v"), 0),
    (("install", "--all", "--json"), 0),
    (("verify", "--json"), 0),
    (("verify",), 0),
    (("env", "--json"), 0),
    (("env", "--shell", "sh"), 0),
    (("dockerfile", "--python", "3.12"), 0),
    (("dockerfile", "--snippet", "--python", "3.12"), 0),
    (("dockerfile", "--write", "Dockerfile", "--python", "3.12", "--secret", "UV_INDEX_HERE_PASSWORD"), 0),
    (("dockerfile", "--check", "Dockerfile", "--python", "3.12"), 1),
    (("dockerfile", "--bake", "--python", "3.12"), 0),
    (("diff", "HEAD", "-p", f"3.{sys.version_info[1]}"), 0),
    (("diff", "{old}", "--json"), 0),
    (("diff", "uv.lock", "--format", "markdown"), 0),
    (("suggest", "-v"), 0),
    (("suggest", "--write", "--json"), 0),
    (("cache", "dir"), 0),
    (("cache", "size", "--json"), 0),
    (("cache", "prune"), 0),
)


@pytest.mark.parametrize(("login", "way"), PAIRS, indirect=["login"])
def test_no_command_says_or_writes_or_passes_a_secret(  # noqa: PLR0917
    project, run, git, reaching, guarded, login, started, seen, tmp_path, monkeypatch, way
):
    url = reaching(way)
    caches = {"UV_CACHE_DIR": str(tmp_path / "uv-cache"), "UV_LAYERS_CACHE_DIR": str(tmp_path / "bytecode")}
    for name, value in caches.items():
        monkeypatch.setenv(name, value)
    if way == "settings":
        folder = project(HEAD, url=guarded.url, locked=False)
        text = f'[[index]]\nname = "here"\nurl = "{url}"\ndefault = true\n'
        (folder / "uv.toml").write_text(text)
        folder.lock()
    else:
        folder = project(HEAD, url=url)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "a")
    inputs = {folder / "pyproject.toml", folder / "uv.toml", *_files(folder / ".git")}
    started.clear()
    few = {"plan", "export", "install", "verify"}
    for words, status in COMMANDS:
        if not (THOROUGH or way in {"address", "variables"} or words[0] in few):
            continue
        ended = run(*(word.format(old=tmp_path / "old") for word in words), cwd=folder)
        assert ended.status == status, ended.output
        assert _with(login.words, ended.output.encode()) == set(), words
    assert guarded.let_in > 0
    assert any(b"install" in words for words in started)
    assert [words for words in started if _with(login.words, b"\0".join(words))] == []
    written = [path for path in _files(folder, tmp_path / "old", tmp_path / "bytecode", seen) if path not in inputs]
    assert {path.name for path in written} >= {"pylock.heavy.toml", "heavy.json", "arguments"}
    assert list(seen.glob("work-*/pylock.heavy.toml"))
    assert [path for path in written if _with(login.words, path.read_bytes())] == []
    assert _files(folder / "layers/.uv-layers/heavy.staging") == []

    # As a builder's stage has it, with what a stage has of credentials.
    stage = tmp_path / "stage"
    stage.mkdir()
    for layer in ("heavy", "dependencies"):
        (folder / f"pylock.{layer}.toml").rename(stage / f"pylock.{layer}.toml")
    if way in {"address", "settings"}:
        reaching("variables")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another"))
    for words in (
        ("install", "--all", "-v"),
        ("verify",),
        ("install", "dependencies", "--layers-dir", "b", "--digest"),
    ):
        ended = run(*words, cwd=stage)
        assert ended.status == 0, ended.output
        assert _with(login.words, ended.output.encode()) == set()
    assert [words for words in started if _with(login.words, b"\0".join(words))] == []
    assert [path for path in _files(stage, tmp_path / "bytecode", seen) if _with(login.words, path.read_bytes())] == []


@pytest.mark.parametrize("answer", [401, 403, 404, 500, "http://127.0.0.1:9", "itself"], ids=str)
@pytest.mark.parametrize(
    ("login", "way"), [pair for pair in PAIRS if THOROUGH or pair[0] != "plain"], indirect=["login"]
)
def test_no_error_says_a_secret(project, run, reaching, guarded, login, started, tmp_path, way, answer):
    url = reaching(way)
    folder = project(HEAD, url=url)
    assert run("export", cwd=folder).status == 0
    if answer == 401:
        guarded.login = Login("somebody", "else")
    elif answer == "itself":
        guarded.answer = f"http://{login.userinfo}@{guarded.host}"
    else:
        guarded.answer = answer
    folder.edit('"web", "source"', '"web", "source", "speed"')
    started.clear()
    for number, words in enumerate(
        (("install", "--all", "--frozen", "-v"), ("install", "--all", "--frozen"), ("plan", "-v"))
    ):
        ended = run(*words, cwd=folder, UV_CACHE_DIR=str(tmp_path / f"cold-{number}"), UV_HTTP_RETRIES="0")
        assert ended.status == 3, ended.output
        assert ended.stderr.splitlines()[-1].startswith("error[uv-failed]: ")
        assert _with(login.words, ended.output.encode()) == set(), words
    assert [words for words in started if _with(login.words, b"\0".join(words))] == []
    written = [path for path in _files(folder) if path.name != "pyproject.toml"]
    assert [path for path in written if _with(login.words, path.read_bytes())] == []


@pytest.mark.parametrize("login", ["percent-encoded"], indirect=True)
def test_credentials_in_settings_of_builds_stay_where_they_are(project, run, guarded, login, reaching):
    reaching("variables")
    more = f'build-constraint-dependencies = ["helper @ {guarded.own_url}/helper.whl"]\n'
    folder = project(
        f"{HEAD}{more}extra-build-variables = {{ source = {{ PLACE = '{guarded.own_url}' }} }}\n", url=guarded.url
    )
    ended = run("export", cwd=folder)
    assert ended.status == 0, ended.output
    text = (folder / "pylock.dependencies.toml").read_text()
    assert f"helper @ http://{guarded.host}/simple/helper.whl" in text
    assert _with(login.words, text.encode()) == set()


ODD = {
    "index": '[[tool.uv.index]]\nname = "odd"\nurl = "{}"\n',
    "index-url": '[tool.uv]\nindex-url = "{}"\n',
    "extra-index-url": '[tool.uv]\nextra-index-url = ["{}"]\n',
    "find-links": '[tool.uv]\nfind-links = ["{}"]\n',
    "https-proxy": '[tool.uv]\nhttps-proxy = "{}"\n',
    "build-constraint-dependencies": '[tool.uv]\nbuild-constraint-dependencies = ["six @ {}/six.whl"]\n',
    "UV_INDEX_URL": "",
    "UV_DEFAULT_INDEX": "",
    "UV_EXTRA_INDEX_URL": "",
    "UV_FIND_LINKS": "",
    "HTTPS_PROXY": "",
}


ADDRESSES = ("http://user:{}@{}", "http:/user:{}@{}", "http://{}@{}", "http://{1}/simple?token={0}")
# All addresses in two places, and one in the others. Where uv takes a token for a host, it may name that host.
PLACES = [(place, address) for place in ODD for address in ADDRESSES if place in {"index", "UV_INDEX_URL"}]
PLACES += [(place, ADDRESSES[0]) for place in ODD if place not in {"index", "UV_INDEX_URL"}]


@pytest.mark.parametrize(("place", "address"), PLACES)
def test_a_password_of_any_characters_is_nowhere(project, run, index, place, address, tmp_path):
    """uv refuses some of these addresses, and says so with the address; others it takes."""
    for number, password in enumerate(
        ("s3cr/word", "s3cr#word", "s3cr?word", "s3cr@word", "12/s3crword", "s3cr%2Fword")
    ):
        folder = project(HEAD.split("[tool.uv]", maxsplit=1)[0], name=f"app-{number}")
        url = address.format(password, index.host)
        (folder / "pyproject.toml").write_text((folder / "pyproject.toml").read_text() + ODD[place].format(url))
        environ = {place: url} if place.isupper() else {}
        output = ""
        for words in (
            ("plan",),
            ("export", "--frozen"),
            ("install", "--all", "--frozen", "-v"),
            ("dockerfile", "--python", "3.12"),
        ):
            output += run(*words, cwd=folder, **environ).output
        written = [path for path in _files(folder) if path.name not in {"pyproject.toml", "uv.lock"}]
        for word in ("s3cr", "word@", "/word"):
            assert word not in output
            assert [path for path in written if word.encode() in path.read_bytes()] == []
        assert "COPY" in output
