"""Strangers' documents and wheels, by real processes: nothing runs, hangs, grows or is written that should not be."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import support
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import FILE, LINK

from uv_layers.system.documents import LARGEST, LARGEST_LAYER_LOCK, LARGEST_LOCK

TAG = sys.implementation.cache_tag
# More than the default, for a proof that takes its time.
EXAMPLES = int(os.environ.get("UV_LAYERS_TEST_EXAMPLES", "250"))
SHA = "9" * 64


# Documents


@dataclass(frozen=True)
class Used:
    """How a program ended, what it said, and what it took."""

    status: int
    stdout: str
    stderr: str
    seconds: float
    megabytes: float


# Starts a program and writes down what that took. A program begins with the size of the one that starts it, and tests
# are large.
LAUNCHER = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
_, status, usage = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)
with open(sys.argv[1], "w") as file:
    print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss, file=file)
"""


@pytest.fixture
def measured(tmp_path):
    """Return a function that runs uv-layers in a folder, in a process of its own that is measured."""

    def call(*words, cwd):
        report = tmp_path.parent / f"{tmp_path.name}-used"
        program = [sys.executable, "-m", "uv_layers", *words]
        argv = [sys.executable, "-S", "-c", LAUNCHER, report, *program]
        # As it is for a user: to have its lines counted takes a program twice the time.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        done = subprocess.run(
            argv, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        )
        status, seconds, size = report.read_text().split()
        megabytes = int(size) / (1 << 20 if sys.platform == "darwin" else 1 << 10)
        return Used(int(status), done.stdout, done.stderr, float(seconds), megabytes)

    return call


def _many(line, room):
    """Return as many of a line as fit, with another number in each place of `@`."""
    made, length = [], 0
    for number in range(room):
        made.append(line.replace("@", f"{number:x}"))
        length += len(made[-1])
        if length > room:
            break
    return "".join(made[:-1])


DOCUMENTS = {
    "a file without end": lambda room: "#" * 20 * room,
    "tables": lambda room: _many("[@]\n", room),
    "keys": lambda room: _many("@={}\n", room),
    "lists": lambda room: f"a=[{_many('[],', room)}]\n",
    "strings": lambda room: "a=[" + _many('"@",', room) + "]\n",
    "one key of many parts": lambda room: f"{'a.' * (room // 2)}a=1\n",
    "many keys of many parts": lambda room: _many(f"a@{'.a' * 990}=1\n", room),
    "tables of many parts": lambda room: _many(f"[a@{'.a' * 99}]\n", room),
    "lists in lists": lambda room: f"a={'[' * room}",
    "tables in tables": lambda room: f"a={'{a=' * (room // 3)}",
    "a number": lambda room: f"a={'9' * room}\n",
    "a hexadecimal number": lambda room: f"project=0x{'f' * room}\n",
    "a word": lambda room: f"{'a' * room}=1\n",
    "a string without end": lambda room: 'a="""' + "a" * room,
    "escapes": lambda room: 'a="' + "\\u00e9" * (room // 6) + '"\n',
    "not UTF-8": lambda room: "#" * room + "\udcff\n",
}
HEAD = '[project]\nname = "app"\ndependencies = ["web"]\n'
OWN = "[tool.uv-layers]\nlayers = ["
DEFAULT = "{}[tool.uv]\ndefault-groups=[{}]\n[dependency-groups]\n{}"
PROJECTS = {
    "groups": lambda room: f"{HEAD}[dependency-groups]\n" + _many("a@=[]\n", room),
    "default groups": lambda room: DEFAULT.format(HEAD, _many('"a@",', room // 2), _many("a@=[]\n", room // 2)),
    "layers": lambda room: HEAD + OWN + _many('{name="a@"},', room) + "]\n",
    "patterns": lambda room: HEAD + OWN + '{name="a",packages=["' + "*a" * (room // 2) + '"]}]\n',
    "members": lambda room: f"{HEAD}[tool.uv.workspace]\nmembers=[" + _many('"*@",', room) + "]\n",
    "sources": lambda room: f"{HEAD}[tool.uv.sources]\n" + _many('a@={path="a@"}\n', room),
    "a version": lambda room: f'{HEAD}requires-python=">={"9" * room}"\n',
}
LOCK = 'lock-version = "1.0"\ncreated-by = "a"\n'
WHEEL = f'hashes = {{ sha256 = "{SHA}" }}'
OF_WHEEL = f'{LOCK}[[packages]]\nname = "web"\nversion = "1.0"\n[[packages.wheels]]\n{WHEEL}\n'
TAGS = "-".join(".".join(f"{kind}{number}" for number in range(300)) for kind in "abc")
# As many as the name of one wheel may stand for.
MORE_TAGS = "a.b.c.d.e-a.b.c.d.e-a.b.c.d"
LOCKS = {
    "packages": lambda room: LOCK + _many('[[packages]]\nname="a@"\nvcs={type="git",url="a",commit-id="b"}\n', room),
    "a marker": lambda room: (
        f"{LOCK}packages = []\nenvironments = [\"os_name=='a'" + " or os_name=='a'" * (room // 17) + '"]\n'
    ),
    "brackets": lambda room: f"{LOCK}packages = []\nenvironments = [\"{'(' * (room // 2)}os_name=='a'\"]\n",
    "versions": lambda room: f'{LOCK}packages = []\nrequires-python = ">=1' + ",>=1" * (room // 4 - 20) + '"\n',
    "the tags of a wheel": lambda _: f'{OF_WHEEL}url = "https://host/web-1.0-{TAGS}.whl?/"\n',
    "many wheels": lambda room: (
        OF_WHEEL.partition("[[packages.w")[0]
        + _many(
            f'[[packages.wheels]]\nurl="web-1.0-{MORE_TAGS}.whl"\nhashes={{sha256="@"}}\n',
            room,
        )
    ),
}


def _write(path, text):
    path.write_text(text, encoding="utf-8", errors="surrogateescape")


def _refused(used):
    assert used.status == 2, used.stderr[-2000:]
    assert used.stdout == ""
    *_, last = used.stderr.splitlines()
    assert last.startswith("error[")
    assert "Traceback" not in used.stderr
    _modest(used)


def _modest(used):
    # CPU time. The same work takes several times as much on a busy machine; a quadratic one takes minutes.
    assert used.seconds < 30
    assert used.megabytes < 500


# They are all read by one function.
SOME = ("a file without end", "tables", "lists in lists", "not UTF-8")


@pytest.mark.parametrize("name", [*SOME, *PROJECTS])
def test_a_project_of_any_kind_and_size_is_done_with_at_once(measured, tmp_path, name):
    (tmp_path / "uv.lock").touch()
    _write(tmp_path / "pyproject.toml", {**DOCUMENTS, **PROJECTS}[name](LARGEST - 1000))
    used = measured("dockerfile", "--python", "3.12", cwd=tmp_path)
    _modest(used)
    if used.status:
        _refused(used)


@pytest.mark.parametrize("name", SOME)
def test_a_configuration_of_any_kind_and_size_is_done_with_at_once(measured, tmp_path, name):
    (tmp_path / "uv.lock").touch()
    (tmp_path / "pyproject.toml").write_text(HEAD)
    _write(tmp_path / "uv-layers.toml", DOCUMENTS[name](LARGEST - 1000))
    _refused(measured("dockerfile", "--python", "3.12", cwd=tmp_path))


@pytest.mark.parametrize("name", [*DOCUMENTS, *LOCKS])
def test_a_layer_lock_of_any_kind_and_size_is_done_with_at_once(measured, tmp_path, name):
    _write(tmp_path / "pylock.some.toml", {**DOCUMENTS, **LOCKS}[name](LARGEST_LAYER_LOCK - 1000))
    used = measured("verify", "some", cwd=tmp_path)
    _modest(used)
    if used.status == 1:  # there is no tree
        assert used.stdout.startswith("some: no-tree: ")
    else:
        _refused(used)
    if name in SOME:
        _refused(measured("install", "some", cwd=tmp_path))


def test_a_lock_without_end_is_refused(measured, run, tmp_path):
    (tmp_path / "pyproject.toml").write_text(HEAD)
    with (tmp_path / "uv.lock").open("wb") as file:
        file.truncate(LARGEST_LOCK + 1)
    _refused(measured("plan", cwd=tmp_path))
    assert f"it is larger than {LARGEST_LOCK} bytes" in run("plan", cwd=tmp_path).stderr


@pytest.mark.parametrize("name", ["pyproject.toml", "uv-layers.toml", "pylock.some.toml", ".python-version"])
def test_a_link_to_a_device_is_not_read(measured, tmp_path, name):
    if name != "pyproject.toml":
        (tmp_path / "pyproject.toml").write_text(HEAD)
    if name == "pylock.some.toml":
        (tmp_path / "pyproject.toml").unlink()
    (tmp_path / "uv.lock").touch()
    (tmp_path / name).symlink_to("/dev/zero")
    words = ("verify", "some") if name.startswith("pylock") else ("dockerfile", "--base", "a", "--tool", "1")
    used = measured(*words, cwd=tmp_path)
    _modest(used)
    refusals = {"pyproject.toml": "error[no-project]: ", "pylock.some.toml": "error[no-layer-lock]: "}
    assert (used.status, used.stderr[: len(refusals.get(name, ""))]) == (2 * (name in refusals), refusals.get(name, ""))


def test_a_link_to_itself_is_as_any_other_path(run, tmp_path):
    (tmp_path / "uv.lock").touch()
    (tmp_path / "pyproject.toml").write_text(f'{HEAD}[tool.uv.sources]\nweb = {{ path = "web.whl" }}\n')
    (tmp_path / "web.whl").symlink_to("web.whl")
    ended = run("dockerfile", "--python", "3.12", cwd=tmp_path)
    assert ended.status == 0, ended.output
    assert "source=web.whl,target=/build/web.whl" in ended.stdout


@pytest.mark.parametrize(
    ("words", "status"),
    [(("dockerfile", "--python", "3.12", "--write", "loop"), 4), (("env", "--project", "loop"), 2)],
    ids=["a Dockerfile", "a project"],
)
def test_a_link_to_itself_is_one_line(run, tmp_path, words, status):
    (tmp_path / "uv.lock").touch()
    (tmp_path / "pyproject.toml").write_text(HEAD)
    (tmp_path / "loop").symlink_to("loop")
    ended = run(*words, cwd=tmp_path)
    assert (ended.status, ended.stdout, ended.stderr.count("\n")) == (status, "", 1), ended.output
    assert ended.stderr.startswith("error[")


@pytest.mark.skipif(sys.platform == "darwin", reason="names are UTF-8 there")
def test_a_folder_whose_name_is_no_text_is_one_line(run, stage):
    stage.lock("some", stage.wheel("alpha"))
    odd = stage.copy(os.fsdecode(b"odd\xff"))
    ended = run("install", "some", cwd=odd)
    assert ended.status == 2, ended.output
    assert ended.stderr.startswith("error[usage]: ")
    assert ended.stderr.endswith("is not valid UTF-8, which uv needs; choose another folder\n")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("request_", ["-h", "--version", "\0", "3.12\x1b[31m", "x" * 300])
def test_what_a_file_asks_for_is_no_option_of_uv(project, run, request_):
    folder = project(f"{HEAD}version = '1'\n")
    (folder / ".python-version").write_text(f"{request_}\n")
    outcome = run("plan", "--frozen", cwd=folder)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("error[")
    assert outcome.stderr.count("\n") == 1
    assert outcome.stderr.strip().isprintable()


# What uv reads itself

APP = """\
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
pieces = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([b"\0", b"\xff", b"\x1b[31m", b"\n", b'"', b"..", b"/", b"[[package]]\n", b"[" * 300]),
    st.sampled_from([b"18446744073709551615", b"-1", b'name = "\\u001b[31m"\n', b'version = "1\\n"\n', b"%2D", b"%00"]),
)


@st.composite
def spoiled(draw, data):
    for _ in range(draw(st.integers(1, 3))):
        lines = data.split(b"\n")
        number = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(["insert", "remove", "twice", "cut", "value", "value"]))
        line = lines[number]
        place = draw(st.integers(0, len(line)))
        if kind == "insert":
            lines[number] = line[:place] + draw(pieces) + line[place:]
        elif kind == "remove":
            del lines[number]
        elif kind == "twice":
            lines.insert(number, line)
        elif kind == "value" and b"=" in line:
            lines[number] = (
                line.split(b"=")[0] + b"= " + draw(st.sampled_from([b"1", b'""', b"[]", b"{}", b"nan", b'"a"']))
            )
        else:
            lines[number] = line[:place]
        data = b"\n".join(lines)
    return data


@pytest.fixture
def app(project):
    return project(APP)


@given(data=st.data())
@settings(max_examples=EXAMPLES // 20, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_lock_that_is_spoiled(app, run, data):
    folder = app
    if not (folder / "whole").exists():
        (folder / "uv.lock").rename(folder / "whole")
    (folder / "uv.lock").write_bytes(data.draw(spoiled((folder / "whole").read_bytes())))
    before = sorted(path.name for path in folder.path.iterdir())
    for words in (("plan", "-v", "--frozen"), ("diff", "uv.lock")):
        ended = run(*words, cwd=folder)
        assert ended.status in {0, 2, 3}, ended.output
        assert "Traceback" not in ended.output
        assert all(line.isprintable() for line in ended.output.split("\n")), ended.output
        if ended.status:
            assert ended.stdout == ""
            assert ended.stderr.splitlines()[-1].startswith("error[")
    assert sorted(path.name for path in folder.path.iterdir()) == before


def test_what_uv_says_of_a_lock_cannot_drive_the_terminal(project, run):
    folder = project(APP)
    (folder / "uv.lock").write_text("version = \x1b[31m\x1b]0;title\x07\x9b31m\u202e\n")
    ended = run("plan", "--frozen", cwd=folder)
    assert (ended.status, "uv.lock" in ended.stderr) == (3, True)
    assert all(line.isprintable() for line in ended.stderr.split("\n"))


def test_names_in_a_layer_lock_cannot_drive_the_terminal(run, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, version in ((old, "1.0"), (new, "\\u001c1.0\\u001d\\n")):
        folder.mkdir()
        packages = (
            f'[[packages]]\nname = "a"\nversion = "{version}"\n'
            f'vcs = {{ type = "git", url = "https://a", commit-id = "{"0" * 40}" }}\n'
        )
        own = f'[tool.uv-layers]\nprefix = "/{version}`\\u001b[31m"\n'
        (folder / "pylock.some.toml").write_text(f"{LOCK}{packages}{own}")
    (tmp_path / "pyproject.toml").write_text(HEAD)
    for words in ((), ("--format", "markdown"), ("--json",)):
        ended = run("diff", old, new, *words, cwd=tmp_path)
        assert ended.status == 0
        assert "31m" in ended.stdout
        assert all(line.isprintable() for line in ended.output.split("\n"))
        assert "``" not in ended.stdout


# Wheels


def _wheel(folder, name, entries):
    folder.mkdir(exist_ok=True)
    made = folder / f"{name}-1.0-py3-none-any.whl"
    made.write_bytes(support.wheel(name, "1.0", entries))
    return made


def _described(folder):
    """Return all that is below a folder but trees and caches, as it is."""
    found = {}
    for top, names, files in os.walk(folder):
        names[:] = [name for name in names if name not in {"layers", "uv-cache", "bytecode"}]
        for path in (Path(top) / name for name in (*names, *files)):
            status = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) else None
            found[str(path)] = (status.st_mode, status.st_mtime_ns if content is not None else 0, content)
    return found


def _shebang():
    return f"#!{Path(sys.base_prefix) / 'bin'}/python3.{sys.version_info[1]}\nprint('mine')\n"


OUT = "../" * 12
# What each is made of; {out} is an absolute folder, {up} leads to it from a site folder.
WHEELS = {
    "climbs": [("../../../../../../../../escaped.py", FILE, "X = 1\n")],
    "climbs from its package": [("pkg/../../../../../../../../escaped.py", FILE, "X = 1\n")],
    "has an absolute path": [("{out}/escaped.py", FILE, "X = 1\n")],
    "climbs with backslashes": [("..\\..\\..\\..\\escaped.py", FILE, "X = 1\n")],
    "climbs as data": [("{{data}}/data/../../../../../../escaped", FILE, "x")],
    "climbs as a script": [("{{data}}/scripts/../../../../../../escaped", FILE, "#!python\n")],
    "has an absolute path as data": [("{{data}}/data/{out}/escaped", FILE, "x")],
    "has a link to a file": [("pkg/link.py", LINK, "{out}/bin/victim.py")],
    "has a link for a script": [("{{data}}/scripts/run", LINK, "{out}/bin/victim.py")],
    "has a link to a folder, and a file in it": [
        ("pkg/dir", LINK, "{out}/bin"),
        ("pkg/dir/planted.py", FILE, "X = 1\n"),
    ],
    "has a link for its bytecode": [("pkg/mod.py", FILE, "X = 1\n"), ("pkg/__pycache__", LINK, "{out}/bin")],
    "has a link for one bytecode": [
        ("pkg/mod.py", FILE, "X = 1\n"),
        (f"pkg/__pycache__/mod.{TAG}.pyc", LINK, "{out}/bin/victim.py"),
    ],
    "has a link for the lock of uv": [("{{data}}/data/.lock", LINK, "{out}/bin/victim.py")],
    "has a script that climbs": [
        ("{{info}}/entry_points.txt", FILE, "[console_scripts]\n../../../../../../escaped = a:b\n")
    ],
    "has a script with an absolute path": [
        ("{{info}}/entry_points.txt", FILE, "[console_scripts]\n{out}/escaped = a:b\n")
    ],
    "has the RECORD of another": [
        ("{{data}}/purelib/other-1.0.dist-info/RECORD", FILE, "{out}/bin/victim.py,,\n{up}/bin/victim.py,,\n"),
    ],
    "has the RECORDs of two others": [
        ("{{data}}/purelib/other-1.0.dist-info/RECORD", FILE, "{out}/bin/victim.py,sha256=a,1\n"),
        ("{{data}}/purelib/third-1.0.dist-info/RECORD", FILE, "{out}/bin/victim.py,sha256=a,1\n"),
    ],
    "has RECORDs that name themselves": [
        ("{{data}}/purelib/other-1.0.dist-info/RECORD", FILE, "gone.py,,\nother-1.0.dist-info/RECORD,,\n"),
        ("{{data}}/purelib/third-1.0.dist-info/RECORD", FILE, "gone.py,sha256=a,1\nthird-1.0.dist-info/RECORD,,\n"),
    ],
    "has the RECORD of a package of the lock": [
        ("{{data}}/purelib/good-1.0.dist-info/RECORD", FILE, "{out}/bin/victim.py,,\n{up}/bin/victim.py,,\n"),
    ],
    "has names for terminals": [("pkg/\x1b[31mred.py", FILE, "X = 1\n"), ("pkg/a\nb.py", FILE, "Y = 1\n")],
}


@pytest.mark.parametrize("name", WHEELS)
def test_a_wheel_writes_nothing_out_of_its_tree(stage, run, tmp_path, site, name):
    prefix = "/app/.venv"  # where scripts are written again
    (tmp_path / "bin").mkdir()
    victim = tmp_path / "bin/victim.py"
    victim.write_text(_shebang())
    victim.chmod(0o600)
    # As deep as a staging folder is, whatever it is called.
    up = os.path.relpath(tmp_path, stage / f"layers/.uv-layers/some.staging/0123456789abcdef/tree{prefix}/{site}")
    entries = [
        (path.format(out=tmp_path, up=up), mode, text.format(out=tmp_path, up=up)) for path, mode, text in WHEELS[name]
    ]
    wheels = [_wheel(stage.files, "evil", entries), stage.wheel("good", files={"good.py": "X = 1\n"})]
    stage.lock("some", *wheels, prefix=prefix)
    caches = {"UV_CACHE_DIR": str(tmp_path / "uv-cache"), "UV_LAYERS_CACHE_DIR": str(tmp_path / "bytecode")}
    before = _described(tmp_path)
    ended = run("install", "some", cwd=stage, **caches)
    assert _described(tmp_path) == before
    # A file where a folder for bytecode has to be is an error of the machine's.
    assert ended.status in ({0, 3, 4} if name == "has a link for its bytecode" else {0, 2, 3}), ended.output
    assert "Traceback" not in ended.output
    assert all(line.isprintable() for line in ended.output.split("\n"))
    assert not [path for path in (stage / "layers").rglob("*") if path.is_symlink()]
    above = [path for folder in (stage / "layers", *tmp_path.parents) for path in folder.glob("escaped*")]
    assert [*above, *(stage / "layers/.uv-layers").rglob("escaped*")] == []
    if ended.status == 0:
        verified = run("verify", "some", cwd=stage)
        assert verified.status in {0, 1}
        assert all(line.isprintable() for line in verified.output.split("\n"))


def test_a_record_without_end_takes_no_more_memory_than_that(measured, stage, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_LAYERS_CACHE_DIR", str(tmp_path / "bytecode"))
    rows = "".join(f"evil/{number:x}.txt,sha256={SHA},1\n" for number in range(EXAMPLES * 400))
    entries = [
        ("{data}/purelib/other-1.0.dist-info/RECORD", FILE, rows),
        ("{data}/purelib/other-1.0.dist-info/METADATA", FILE, ""),
    ]
    stage.lock("some", _wheel(stage.files, "evil", entries))
    used = measured("install", "some", cwd=stage)
    assert used.status in {0, 3}
    assert used.megabytes < 500


# Sources: as with uv, a lock that has them runs what they say, unless the user does not allow it.


@pytest.fixture
def evil(stage, tmp_path):
    """Return the path of a source distribution that writes a file when it is built, and the path of that file."""
    ran = tmp_path / "ran"
    text = f"open({str(ran)!r}, 'w').close()\nraise SystemExit('built')\n"
    files = {
        "own.py": text,
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n',
    }
    stage.files.mkdir(exist_ok=True)
    made = stage.files / "evil-1.0.tar.gz"
    made.write_bytes(support.sdist("evil", "1.0", files))
    return made, ran


def _locked(stage, table, **more):
    document = {"lock-version": "1.0", "created-by": "a stranger", "packages": [{"name": "evil", **table}]}
    (stage / "pylock.some.toml").write_text(tomli_w.dumps(document | more))


def _file(path):
    return {"url": path.as_uri(), "hashes": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}}


def _sources(kind, made, git, tmp_path):
    if kind == "sdist":
        return {"version": "1.0", "sdist": _file(made)}
    if kind == "archive":
        return {"version": "1.0", "archive": {"path": str(made), "hashes": _file(made)["hashes"]}}
    repository = tmp_path / "repository"
    repository.mkdir()
    with tarfile.open(made) as archive:
        for member in archive.getmembers():
            (repository / member.name.partition("/")[2]).write_bytes(archive.extractfile(member).read())
    git(repository, "init", "-q")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "a")
    commit = git(repository, "rev-parse", "HEAD")
    return {"vcs": {"type": "git", "url": repository.as_uri(), "commit-id": commit}}


@pytest.mark.parametrize("kind", ["sdist", "archive", "vcs"])
def test_what_is_built_runs_unless_builds_are_forbidden(stage, run, cold, evil, git, tmp_path, kind):
    made, ran = evil
    _locked(stage, _sources(kind, made, git, tmp_path))
    for environ in ({"UV_NO_BUILD": "1"}, {"UV_NO_BUILD_PACKAGE": "evil"}):
        ended = run("install", "some", cwd=stage, **cold(), **environ)
        assert ended.status == 3
        assert "evil" in ended.stderr
        assert not ran.exists()
    words = ("--platform", "linux/amd64", "--python", f"3.{sys.version_info[1]}")
    ended = run("install", "some", *words, cwd=stage, **cold())
    assert (ended.status, ran.exists()) == (2, False)
    assert "error[no-wheel]" in ended.stderr
    # What follows from that it is allowed by default, as it is with `uv pip install`.
    assert run("install", "some", cwd=stage, **cold()).status == 3
    assert ran.exists()
    assert not (stage / "layers/some").exists()


@pytest.mark.parametrize(
    ("table", "own", "says"),
    [
        ({"directory": {"path": "."}}, {}, "evil comes from a local folder"),
        ({"directory": {"path": ".", "editable": True}}, {}, "evil comes from a local folder"),
        ({"version": "1.0"}, {}, "Exactly one of vcs, directory, archive"),
        ({"version": "1.0", "wheels": [{"url": "https://host/other-1.0-py3-none-any.whl"}]}, {}, "hashes"),
        (
            {"version": "1.0", "wheels": [{"url": "https://h/other-1.0-py3-none-any.whl", "hashes": {"sha256": SHA}}]},
            {},
            "is not consistent with package name",
        ),
        ({"vcs": {"type": "git", "url": "https://host/a"}}, {}, "commit-id"),
        ({"archive": {"url": "https://host/evil-1.0-py3-none-any.whl", "hashes": {}}}, {}, "hash"),
        (
            {"archive": {"url": "https://host/evil-1.0-py3-none-any.whl", "hashes": {"sha256": SHA}}},
            {"python": "x"},
            "",
        ),
        (
            {"archive": {"url": "https://host/evil-1.0-py3-none-any.whl", "hashes": {"sha256": SHA}}},
            {"uv": {"python-downloads": 1}},
            "uv must",
        ),
        (
            {"archive": {"url": "https://host/evil-1.0-py3-none-any.whl", "hashes": {"sha256": SHA}}},
            {"uv": {"index": [{}]}},
            "with a url",
        ),
    ],
)
def test_a_lock_that_pins_nothing_or_says_too_much_is_refused(stage, run, table, own, says):
    _locked(stage, table, tool={"uv-layers": own})
    ended = run("verify", "some", cwd=stage)
    if not says:
        assert ended.status == 1
        return
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error[bad-layer-lock]: ")
    assert says in ended.stderr


def test_a_wheel_of_another_content_is_refused(stage, run, cold):
    wheel = stage.wheel("evil", files={"evil.py": "X = 1\n"})
    stage.lock("some", wheel)
    stage.wheel("evil", files={"evil.py": "X = 2\n"})
    ended = run("install", "some", cwd=stage, **cold())
    assert ended.status == 3
    assert "Hash mismatch" in ended.stderr
    assert not (stage / "layers/some").exists()


@pytest.mark.parametrize("prefix", ["/../../x", "x", "/a\\u0000", "/a\\nb", "", "/" + "a" * 300, "/a" * 600])
def test_a_prefix_that_leads_elsewhere_is_refused(stage, run, prefix):
    stage.lock("some", stage.wheel("web"))
    text = (stage / "pylock.some.toml").read_text()
    (stage / "pylock.some.toml").write_text(f'{text}prefix = "{prefix}"\n')
    ended = run("install", "some", cwd=stage)
    assert ended.status == 2
    assert ended.stderr.startswith("error[bad-config]: ")
    assert sorted(path.name for path in stage.path.iterdir()) == ["pylock.some.toml"]
