"""A checkout from a stranger: nothing of it is started, and its layer locks decide only what is installed."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import pytest
import tomli
import tomli_w

HEAD = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["web"]

[dependency-groups]
heavy = ["numbers"]

[tool.uv]
default-groups = ["heavy"]
"""


# Interpreters


@pytest.fixture
def trap(tmp_path):
    """Return a function that makes a Python that writes down that it was started, and the file that it writes."""
    started = tmp_path / "started"

    def call(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "$0" >> {started}\nexec {sys.executable} "$@"\n')
        path.chmod(0o755)

    return call, started


def _environment(folder, trap):
    trap(folder / "bin/python")
    (folder / "bin/python3").symlink_to("python")
    (folder / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix) / 'bin'}\nversion_info = 3.99.0\n")


def _places(folder, trap, outside):
    """Put interpreters wherever uv looks for one in a project, or is led to by one of its files."""
    _environment(folder / ".venv", trap)
    _environment(folder / "env", trap)
    trap(folder / "e.sh")
    trap(folder / "python9")
    trap(outside / "python")
    (folder / "link.sh").symlink_to(outside / "python")


COMMANDS = (
    ("plan",),
    ("plan", "--platform", "linux/arm64"),
    ("export",),
    ("install", "--all"),
    ("verify",),
    ("dockerfile",),
    ("diff", "HEAD"),
    ("suggest",),
    ("env", "--shell", "sh"),
)
# What .python-version asks for, with the exit code where nothing else is asked for.
REQUESTS = {
    None: 0,
    "{here}": 0,
    "cpython@{here}": 0,
    "./e.sh": 2,
    "{folder}/e.sh": 2,
    "{outside}/python": 2,
    "link.sh": 2,
    "./link.sh": 2,
    "e.sh": 2,
    "env": 2,
    ".venv": 2,
    "./env": 2,
    "..": 2,
    ".": 2,
    "..\\\\app\\\\e.sh": 2,
    "python9": 2,
    "~/python": 2,
}


@pytest.mark.parametrize("request_", REQUESTS)
def test_no_command_starts_an_interpreter_of_the_project(project, run, git, trap, tmp_path, monkeypatch, request_):
    make, started = trap
    folder = project(HEAD)
    _places(folder.path, make, tmp_path / "outside")
    if request_ is not None:
        here = f"{sys.version_info[0]}.{sys.version_info[1]}"
        text = request_.format(here=here, folder=folder.path, outside=tmp_path / "outside")
        (folder / ".python-version").write_text(f"{text}\n")
    git(folder, "init", "-q")
    git(folder, "add", "pyproject.toml", "uv.lock")
    git(folder, "commit", "-q", "-m", "a")
    # The first is found by the interpreter that runs, the others by uv.
    for words in COMMANDS:
        ended = run(*words, cwd=folder)
        allowed = {REQUESTS[request_], 0} if words[0] in {"dockerfile", "env"} or "--platform" in words else None
        assert ended.status in (allowed or {REQUESTS[request_]}) | ({2} if words[0] == "env" else set()), ended.output
        assert not started.exists(), (words, started.read_text())
        if ended.status == 2 and words[0] == "plan" and "--platform" not in words:
            assert ended.stderr.startswith("error[bad-target]: ")


@pytest.mark.parametrize("name", [".python-version", ".python-versions"])
def test_uv_starts_none_when_it_has_to_look_for_an_interpreter(project, run, trap, tmp_path, python_of, name):
    """With a Python that is not the one that runs this, uv is asked; and the lock is checked."""
    make, started = trap
    other = "3.12" if sys.version_info[:2] != (3, 12) else "3.11"
    path = f"{Path(python_of(other)).parent}{os.pathsep}{os.environ['PATH']}"
    folder = project(HEAD)
    _places(folder.path, make, tmp_path / "outside")
    (folder / name).write_text("./e.sh\n")
    for words in (("plan", "-p", other), ("plan", "-p", other, "--frozen"), ("export", "-p", other)):
        ended = run(*words, cwd=folder, PATH=path)
        assert ended.status == 0, ended.output
        assert not started.exists(), started.read_text()


def test_a_user_may_name_an_interpreter_of_the_project(project, run, trap):
    make, started = trap
    folder = project(HEAD)
    make(folder / "e.sh")
    assert run("plan", "--python", "./e.sh", cwd=folder).status == 0
    assert started.exists()
    started.unlink()
    assert run("plan", cwd=folder, UV_PYTHON=str(folder / "e.sh")).status == 0
    assert started.exists()


def test_in_a_folder_of_layer_locks_none_is_started_either(stage, run, trap, tmp_path, python_of):
    make, started = trap
    other = "3.12" if sys.version_info[:2] != (3, 12) else "3.11"
    path = f"{Path(python_of(other)).parent}{os.pathsep}{os.environ['PATH']}"
    stage.lock("some", stage.wheel("web"))
    _places(stage.path, make, tmp_path / "outside")
    (stage / ".python-version").write_text("./e.sh\n")
    for words in (("install", "some"), ("verify",), ("install", "some", "-p", other, "--layers-dir", "b")):
        ended = run(*words, cwd=stage, PATH=path)
        assert ended.status == 0, ended.output
        assert not started.exists(), started.read_text()


# Git


def test_the_settings_of_a_repository_start_nothing(project, run, git, tmp_path):
    started = tmp_path / "started"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {started}\n")
    program.chmod(0o755)
    folder = project(HEAD)
    (folder / ".gitattributes").write_text("* filter=evil diff=evil\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "a")
    git(folder, "commit", "-q", "--allow-empty", "-m", "b")
    for name in (
        "alias.log",
        "alias.rev-parse",
        "core.askPass",
        "core.editor",
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
        "diff.evil.command",
        "diff.evil.textconv",
        "diff.external",
        "filter.evil.clean",
        "filter.evil.smudge",
        "gpg.program",
    ):
        git(folder, "config", name, str(program))
    git(folder, "config", "core.hooksPath", str(tmp_path))
    git(folder, "config", "log.showSignature", "true")
    started.unlink(missing_ok=True)
    for words in (("diff", "HEAD"), ("suggest",)):
        assert run(*words, cwd=folder).status == 0
    assert not started.exists()


def test_a_file_that_a_clone_lacks_is_not_fetched(project, run, git, tmp_path):
    folder, clone, started = project(HEAD), tmp_path / "clone", tmp_path / "started"
    git(folder, "init", "-q")
    git(folder, "config", "uploadpack.allowFilter", "true")
    for name in ("a", "b"):
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", name)
        (folder / "uv.lock").write_text((folder / "uv.lock").read_text() + "\n")
    git(tmp_path, "clone", "-q", "--no-local", "--filter=blob:none", folder.path.as_uri(), clone)
    git(clone, "config", "protocol.ext.allow", "always")
    git(clone, "config", "remote.origin.url", f"ext::touch {started}")
    for words in (("suggest",), ("diff", "HEAD^")):
        ended = run(*words, cwd=clone)
        assert (ended.status, "`git fetch --refetch --no-filter`" in ended.stderr) == (2, True), ended.output
        assert not started.exists()
    git(clone, "config", "remote.origin.url", folder.path.as_uri())
    git(clone, "fetch", "-q", "--refetch", "--no-filter")
    assert run("suggest", cwd=clone).status == 0


def test_a_folder_that_looks_like_a_repository_is_none(project, run, git, tmp_path):
    folder = project(HEAD)
    for words in (("init", "-q", "--bare", "."), ("config", "core.bare", "false"), ("config", "core.worktree", ".")):
        git(folder, *words)
    ended = run("diff", "main", cwd=folder)
    assert (ended.status, ended.stderr.startswith("error[git]: ")) == (2, True), ended.output


# Layer locks


def _lock(stage, *tables, **more):
    document = {"lock-version": "1.0", "created-by": "x", **more, "packages": list(tables)}
    (stage / "pylock.some.toml").write_text(tomli_w.dumps(document))


def _table(wheel, hashes, **more):
    name, version = wheel.name.split("-")[:2]
    return {"name": name, "version": version, "wheels": [{"path": str(wheel), "hashes": hashes}], **more}


def _hashes(wheel):
    return {name: hashlib.new(name, wheel.read_bytes()).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")}


@pytest.mark.parametrize("algorithm", ["sha1", "md5", "sha224", "sha3_256", "foo"])
def test_a_file_without_a_strong_hash_is_not_installed_nor_kept(stage, run, cold, algorithm, monkeypatch):
    wheel = stage.wheel("web", files={"web.py": "X = 1\n"})
    right = hashlib.new(algorithm, wheel.read_bytes()).hexdigest() if algorithm != "foo" else "00"
    _lock(stage, _table(wheel, {algorithm: right}))
    environ = cold() | {"UV_LAYERS_UV": "/nowhere"}
    for words in ("install", "verify"):
        ended = run(words, "some", cwd=stage, **(environ if words == "install" else {}))
        # uv is looked for, and not started.
        assert (ended.status, ended.stdout) in {(2, ""), (3, "")}
    ended = run("install", "some", cwd=stage, **cold())
    assert ended.status == 2
    assert ended.stderr.startswith("error[bad-layer-lock]: ")
    assert "has no SHA-256 or stronger hash" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not (stage / "layers").exists()
    assert not Path(environ["UV_LAYERS_CACHE_DIR"]).exists()


@pytest.mark.parametrize(
    "wrong", [("sha512",), ("sha512", "sha256"), ("sha512", "sha1"), ("sha512", "sha256", "sha1")], ids="+".join
)
def test_of_several_hashes_the_strongest_is_verified(stage, run, cold, wrong):
    wheel = stage.wheel("web", files={"web.py": "X = 1\n"})
    hashes = _hashes(wheel)
    _lock(stage, _table(wheel, hashes | {name: "0" * len(hashes[name]) for name in wrong}))
    ended = run("install", "some", cwd=stage, **cold())
    assert ended.status == 3
    assert "Hash mismatch" in ended.stderr
    # A weaker one that is wrong does not matter.
    _lock(stage, _table(wheel, hashes | {"md5": "0" * 32, "sha256": "0" * 64}))
    assert run("install", "some", cwd=stage, **cold()).status == 0


def test_a_lock_of_the_project_without_strong_hashes_is_refused(project, run):
    folder = project(HEAD)
    lock = tomli.loads((folder / "uv.lock").read_text())
    for package in lock["package"]:
        for wheel in package.get("wheels", ()):
            wheel["hash"] = "md5:" + "0" * 32
    (folder / "uv.lock").write_text(tomli_w.dumps(lock))
    for words in (("plan", "--frozen"), ("install", "--all", "--frozen")):
        ended = run(*words, cwd=folder)
        assert (ended.status, ended.stderr.startswith("error[unsupported-source]: ")) == (2, True), ended.output


def test_a_lock_of_uv_with_markers_is_installed_as_uv_does(project, run, uv_run, cold, tmp_path):
    text = HEAD.replace('["numbers"]', '["tool"]').replace(
        '["web"]',
        """[
  "web", "both", "for-windows; sys_platform == 'win32'", "for-old-python; python_version < '3'",
  "clash==1.0; sys_platform == 'win32'", "clash==2.0; sys_platform != 'win32'",
]""",
    )
    folder = project(f"""{text}environments = ["sys_platform == 'win32'", "sys_platform == 'linux'"]\n""")
    stage = tmp_path / "stage"
    stage.mkdir()
    uv_run("export", "--format", "pylock.toml", "-o", str(stage / "pylock.all.toml"), cwd=folder)
    assert "marker" in (stage / "pylock.all.toml").read_text()
    ended = run("install", "all", "--json", cwd=stage, **cold())
    assert ended.status == 0, ended.output
    [tree] = ended.result["layers"] if isinstance(ended.result, dict) else ended.result
    uv_run(
        *("pip", "install", "--preview-features", "pylock", "--python", sys.executable, "--no-deps"),
        *("--prefix", str(tmp_path / "by-uv"), "-r", str(stage / "pylock.all.toml")),
        cwd=stage,
    )
    names = [
        sorted(path.name for path in Path(root).rglob("*.dist-info"))
        for root in (stage / "layers/all", tmp_path / "by-uv")
    ]
    assert names[0] == names[1]
    assert "clash-2.0.dist-info" in names[0]
    assert "for_windows-1.0.dist-info" not in names[0]
    assert (tree["packages"], tree["built"]) == (len(names[0]), [])
    ended = run("verify", cwd=stage)
    assert ended.status == 0, ended.output


CONDITIONS = {
    "a package that needs another Python": (lambda table: table | {"requires-python": ">=3.99"}, {}, 2),
    "a package twice": (lambda table: [table, table], {}, 2),
    "an extra": (lambda table: table | {"marker": "'x' in extras"}, {"extras": ["x"]}, 0),
    "a group": (lambda table: table | {"marker": "'x' in dependency_groups"}, {"dependency-groups": ["x"]}, 0),
    "a default group": (
        lambda table: table | {"marker": "'x' in dependency_groups"},
        {"dependency-groups": ["x"], "default-groups": ["x"]},
        0,
    ),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_lock_of_another_tool_is_installed_as_uv_does(stage, run, cold, name, tmp_path):
    change, more, status = CONDITIONS[name]
    wheel = stage.wheel("web", files={"web.py": "X = 1\n"})
    changed = change(_table(wheel, {"sha256": _hashes(wheel)["sha256"]}))
    _lock(stage, *(changed if isinstance(changed, list) else [changed]), **more)
    ended = run("install", "some", cwd=stage, **cold())
    assert ended.status == status, ended.output
    if status:
        assert len(ended.stderr.splitlines()) == 1
        return
    there = bool(list((stage / "layers/some").rglob("web.py")))
    assert there == (name == "a default group")
    assert run("verify", cwd=stage).status == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"index": [{"url": "https://[host/simple"}]},
        {"index": [{"url": "https://host/simple", "format": "odd"}]},
        {"index": [{"url": "https://host/simple", "name": "a b"}]},
        {"index": [{"url": "https://host/simple", "default": 1}]},
        {"index-url": "https://host:port/simple"},
        {"extra-index-url": "https://host/simple"},
        {"index-strategy": "best"},
        {"no-index": "yes"},
        {"no-build-isolation": 1},
        {"config-settings": {"a": 1}},
        {"config-settings-package": {"web": 1}},
        {"build-constraint-dependencies": ["a b c"]},
        {"extra-build-dependencies": {"web": ["a b c"]}},
        {"extra-build-variables": {"web": {"A": 1}}},
        {"no-binary-package": ["a b"]},
    ],
    ids=json.dumps,
)
def test_a_setting_that_uv_refuses_is_refused_in_one_line(stage, run, settings):
    wheel = stage.wheel("web")
    _lock(stage, _table(wheel, {"sha256": _hashes(wheel)["sha256"]}), tool={"uv-layers": {"uv": settings}})
    ended = run("install", "some", cwd=stage)
    assert (ended.status, len(ended.stderr.splitlines())) == (2, 1), ended.output
    assert ended.stderr.startswith("error[bad-layer-lock]: ")


def test_arabic_digits_are_no_number_of_seconds(stage, run):
    stage.lock("some", stage.wheel("web"))
    ended = run("install", "some", cwd=stage, SOURCE_DATE_EPOCH="\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668")
    assert (ended.status, ended.stderr.startswith("error[usage]: SOURCE_DATE_EPOCH is ")) == (2, True)


def test_a_layers_folder_that_is_a_link_to_nothing_says_what_to_do(stage, run):
    stage.lock("some", stage.wheel("web"))
    (stage / "layers").symlink_to(os.path.join("..", "gone"))  # noqa: PTH118
    ended = run("install", "some", cwd=stage)
    assert (ended.status, "choose another --layers-dir" in ended.stderr) == (2, True)
