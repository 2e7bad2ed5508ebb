"""The pages of docs/: what they tell a reader to run is run, and does and prints what they say."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import uv

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# Packages that pages name, small and without what the real ones need, and for any machine where the real ones are not.
STAND_INS = {
    "fastapi": ("0.120.0", "0.121.0"),
    "uvicorn": ("0.38.0",),
    "numpy": ("2.3.4",),
    "scipy": ("1.16.2",),
    "pytest": ("8.4.2",),
    "acme-auth": ("2.1.0",),
}
PROGRAMS = {"uvicorn": {"uvicorn": "uvicorn:main"}}
NATIVE = {"numpy", "scipy"}
TESTED = {"numpy": {"tests/test_it.py": "X = 1\n"}}
PAGES = sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md") if "```console" in p.read_text("utf-8"))


@pytest.fixture
def stocked(index, shelf):
    """Return the index with the packages that pages name; its own are as they were when the test is over."""
    before, uploaded = dict(index.files), dict(index.uploaded)
    index.uploaded["numpy"] = "2025-10-15T16:15:54.351Z"
    for name, versions in STAND_INS.items():
        for version in versions:
            for tag in [f"py3-none-{p}" for p in shelf.platforms] if name in NATIVE else ["py3-none-any"]:
                more = {"scripts": PROGRAMS.get(name, {}), "files": TESTED.get(name, {})}
                made = shelf.wheel(name, version, tag=tag, **more)
                index.files[made.file_name] = made.content()
    source = shelf.sdist("markupsafe", "3.0.3")
    index.files |= {source.file_name: source.content(), **shelf.backend()}
    yield index
    for current, old in ((index.files, before), (index.uploaded, uploaded)):
        current.clear()
        current.update(old)


@pytest.fixture
def at_home(environment, tmp_path):
    """Put uv-layers and uv on PATH, and return the folder that pages call /home/you/app."""
    programs = [sysconfig.get_path("scripts"), str(Path(uv.find_uv_bin()).parent)]
    environment.setenv("PATH", os.pathsep.join([*programs, os.environ["PATH"]]))
    environment.setenv("UV_PYTHON", sys.executable)
    folder = tmp_path / "app"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_runs_does_what_it_says(walk, page, stocked, shelf, at_home, environment):
    if shutil.which("make") is None and "\n$ make" in (DOCS / page).read_text(encoding="utf-8"):
        pytest.skip("there is no make here")
    environment.setenv("UV_DEFAULT_INDEX", stocked.url)
    replaced = {
        "https://packages.example.com/simple": stocked.private_url,
        "correct-horse": shelf.password,
        "/home/you/app": str(at_home),
    }
    assert walk(page, at_home, replaced) > 0


@pytest.mark.parametrize(
    "block",
    [
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ false\n```\n",
        "<!-- exit 1 -->\n```console\n$ true\n```\n",
        "```console\n$ exit 0\n$ echo one\none\n```\n",
        "```console\n$ echo one; echo two\none\n```\n",
    ],
)
def test_a_page_that_says_something_else_fails(walk, tmp_path, block):
    (tmp_path / "page.md").write_text(block, encoding="utf-8")
    with pytest.raises(AssertionError, match=r"\$ (echo|false|true|exit)"):
        walk(tmp_path / "page.md", tmp_path, {})


def test_a_page_is_held_to_all_but_numbers(walk, tmp_path):
    (tmp_path / "page.md").write_text(
        '```text title="notes/some.txt"\none\n```\n```console\n$ cat notes/some.txt\none\n'
        "$ echo 7 packages, 1.2 kB, 3.4 s; \\\n  echo and more\n12 packages, 3 MB, 20 ms\n…\n```\n"
        "<!-- exit 3 -->\n```console\n$ (exit 3)\n```\n<!-- engine -->\n```console\n$ false\n```\n",
        encoding="utf-8",
    )
    assert walk(tmp_path / "page.md", tmp_path, {}) == 3


def test_the_reference_of_commands_is_that_of_the_commands():
    spec = importlib.util.spec_from_file_location("commands_page", DOCS / "commands.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "stale: run `python docs/commands.py`"


def _zips(folder):
    return {name: (folder / f"{name}.zip").read_bytes() for name in ("heavy", "light")}


def test_zips_of_lambda_layers_have_packages_where_lambda_looks_and_are_the_same_again(
    walk, stocked, at_home, environment, tmp_path
):
    environment.setenv("UV_DEFAULT_INDEX", stocked.url)
    walk("how-to/aws-lambda.md", at_home, {"/home/you/app": str(at_home)})
    first = _zips(at_home)
    opt = tmp_path / "opt"
    for name in first:
        with zipfile.ZipFile(at_home / f"{name}.zip") as archive:
            archive.extractall(opt)
            moments = {entry.date_time for entry in archive.infolist() if not entry.is_dir()}
            assert moments == {(2025, 10, 15, 16, 15, 54) if name == "heavy" else (1980, 1, 1, 0, 0, 0)}
    site = opt / f"python/lib/python3.{sys.version_info[1]}/site-packages"
    assert {"numpy", "fastapi"} <= {path.name for path in site.iterdir()}
    assert "aarch64" in next(site.glob("numpy-*.dist-info/WHEEL")).read_text(encoding="utf-8")
    assert list((site / "numpy/__pycache__").glob("__init__.*.pyc"))
    # As in a function, these folders are first on the path. Unpacking gave the files new times.
    argv = [sys.executable, "-I", "-v", "-c", f"import sys; sys.path.insert(0, {str(site)!r}); import numpy, fastapi"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    sources = re.findall(rf"^# code object from '?{site}/(\w+)/(\S*?)\.[\w-]+\.pyc'?$", done.stderr, re.MULTILINE)
    assert sources == [("numpy", "__pycache__/__init__"), ("fastapi", "__pycache__/__init__")]

    elsewhere = tmp_path / "elsewhere" / "app"
    elsewhere.mkdir(parents=True)
    walk("how-to/aws-lambda.md", elsewhere, {"/home/you/app": str(elsewhere)})
    assert _zips(elsewhere) == first


def test_a_tarball_leaves_the_folders_of_the_machine_as_they_are(walk, stocked, at_home, environment):
    environment.setenv("UV_DEFAULT_INDEX", stocked.url)
    walk("how-to/tarballs.md", at_home, {"/home/you/app": str(at_home)})
    machine = at_home / "machine"
    (machine / "usr").mkdir(parents=True)
    (machine / "usr").chmod(0o700)
    os.utime(machine / "usr", (1_700_000_000, 1_700_000_000))
    for name in ("heavy", "light"):
        subprocess.run(["tar", "--no-overwrite-dir", "-C", machine, "-xf", at_home / f"{name}.tar"], check=True)
    assert stat.S_IMODE((machine / "usr").stat().st_mode) == 0o700
    unpacked = {p.relative_to(machine) for p in machine.rglob("*") if p.is_file()}
    trees = [at_home / "layers" / name for name in ("heavy", "light")]
    assert unpacked == {p.relative_to(tree) for tree in trees for p in tree.rglob("*") if p.is_file()}


def test_the_hook_of_pre_commit_does_what_the_page_says(walk, stocked, at_home, environment, run):
    environment.setenv("UV_DEFAULT_INDEX", stocked.url)
    walk("how-to/keep-a-dockerfile-up-to-date.md", at_home, {})
    text = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    hook = dict(re.findall(r"^[- ] (\w+): (.+)$", text, re.MULTILINE))
    assert hook["id"] == "uv-layers-dockerfile"
    assert (hook["language"], hook["pass_filenames"]) == ("python", "false")
    asked = ("uv.lock", "pyproject.toml", "uv-layers.toml", "Dockerfile", "services/api/pyproject.toml")
    assert all(re.search(hook["files"], name) for name in asked)
    assert not any(re.search(hook["files"], name) for name in ("main.py", "my-uv.lock", "uv.lock.orig"))
    program, *words = shlex.split(hook["entry"])
    assert program == "uv-layers"
    assert run(*words, cwd=at_home).status == 0
    (at_home / "Dockerfile").write_text((at_home / "Dockerfile").read_text("utf-8").replace("small", "other"), "utf-8")
    assert run(*words, cwd=at_home).status == 1


def test_no_page_is_fetched_from_elsewhere():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in text
    assert "://" not in text
