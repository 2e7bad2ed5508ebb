"""A virtual environment as the prefix: the layer `venv` below, and what works when the trees are put together."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tomli
from support import facts, said

from uv_layers.system import interpreter

PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
APP = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["web", "tool"]
    [dependency-groups]
    heavy = ["numbers"]
    [tool.uv]
    default-groups = ["heavy"]
"""


@pytest.fixture
def place(tmp_path, any_prefix):
    """A path that the trees can be put together at, which no other test has."""
    return tmp_path / "image/app/.venv"


@pytest.fixture
def merged(project, run, place):
    """A project whose trees are made for the environment at `place`, and put together there as COPY would do it."""
    folder = project(APP)
    outcome = run("install", "--all", "--prefix", place, cwd=folder)
    assert outcome.status == 0, outcome.stderr
    for layer in ("venv", "heavy", "dependencies"):
        shutil.copytree(folder / f"layers/{layer}{place}", place, symlinks=True, dirs_exist_ok=True)
    return folder


def test_the_environment_is_a_layer_of_its_own_below_all_others(project, run, place):
    folder = project(APP)
    outcome = run("plan", "--json", "--prefix", "/app/.venv", cwd=folder)
    assert [(layer["name"], layer["kind"]) for layer in outcome.result["layers"]] == [
        ("venv", "environment"),
        ("heavy", "packages"),
        ("dependencies", "packages"),
    ]
    assert outcome.result["layers"][0]["packages"] == []
    assert outcome.stderr == ""


def test_together_the_trees_are_an_environment_that_works(merged, place):
    facts = "import sys, numbers, web; print(sys.prefix, sys.base_prefix, sys.executable, web.__file__, sep='\\n')"
    site = place / "lib" / PYTHON / "site-packages"
    assert said(place / "bin/python", "-c", facts).splitlines() == [
        str(place),
        sys.base_prefix,
        str(place / "bin/python"),
        str(site / "web/__init__.py"),
    ]
    assert said(place / "bin/tool") == "tool\n"
    assert said(place / "bin/tool-script") == "a script\n"
    for name in ("python3", PYTHON):
        assert said(place / "bin" / name, "-c", "import sys; print(sys.prefix)") == f"{place}\n"


def test_its_bytecode_is_that_of_the_path_in_the_image(merged, place):
    text = "import web; print(web.main.__code__.co_filename, web.__spec__.cached, sep='\\n')"
    found = said(place / "bin/python", "-W", "ignore", "-c", text).splitlines()
    assert found[0] == str(place / "lib" / PYTHON / "site-packages/web/__init__.py")
    assert Path(found[1]).stat().st_mtime == Path(found[0]).stat().st_mtime == 1614834366  # when the index got it


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish"])
def test_it_can_be_activated(merged, place, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    script = f"{place}/bin/activate{'.fish' if shell == 'fish' else ''}"
    line = f". '{script}' && echo $VIRTUAL_ENV && tool && command -v python"
    assert said(shell, "-c", line).splitlines() == [str(place), "tool", str(place / "bin/python")]


def test_uv_and_venv_take_it_for_an_environment(merged, place, uv_run, tmp_path):
    shown = uv_run("pip", "list", "--python", str(place / "bin/python"), "--format", "freeze", cwd=tmp_path)
    assert shown.split() == ["numbers==1.1", "shared==1.1", "tool==1.0", "web==1.1"]


def test_the_skeleton_has_what_an_environment_needs_and_no_more(merged, place):
    tree = merged / f"layers/venv{place}"
    assert not (tree / "lib").exists()
    assert not list(tree.rglob("__pycache__"))
    names = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if not path.is_dir()}
    assert {"pyvenv.cfg", "bin/activate", "bin/activate.fish", "bin/python", "bin/python3", f"bin/{PYTHON}"} <= names
    assert not [name for name in names if "pip" in name or ".gitignore" in name or ".lock" in name]
    assert (tree / "pyvenv.cfg").read_text(encoding="utf-8") == (
        f"home = {Path(sys.base_prefix) / 'bin'}\n"
        "include-system-site-packages = false\n"
        f"version_info = {'.'.join(map(str, sys.version_info[:3]))}\n"
    )
    modes = {stat.S_IMODE(path.lstat().st_mode) for path in tree.rglob("*") if not path.is_symlink()}
    assert modes <= {0o755, 0o644}


def test_nothing_in_the_skeleton_tells_where_it_was_made(merged):
    for path in (merged / "layers/venv").rglob("*"):
        if path.is_symlink():
            assert ".uv-layers" not in str(path.readlink())
        elif path.is_file():
            text = path.read_bytes()
            assert b".uv-layers" not in text
            assert os.fsencode(merged.path / "layers") not in text


def test_it_is_the_same_from_another_folder_and_with_another_umask(project, run, cold):
    one, other = project(APP), project(APP, name="elsewhere/deep/app")
    assert run("install", "--all", "--prefix", "/app/.venv", cwd=one, **cold()).status == 0
    before = os.umask(0o077)
    try:
        assert (
            run("install", "--all", "--prefix", "/app/.venv", cwd=other, **cold(), PYTHONDONTWRITEBYTECODE="1").status
            == 0
        )
    finally:
        os.umask(before)
    for layer in ("venv", "heavy", "dependencies"):
        assert facts(one / f"layers/{layer}") == facts(other / f"layers/{layer}")


def test_its_lock_says_that_it_is_one_and_makes_it_elsewhere(project, run, tmp_path):
    folder = project(APP)
    assert run("export", "--prefix", "/app/.venv", "-o", tmp_path / "stage", cwd=folder).status == 0
    lock = tomli.loads((tmp_path / "stage/pylock.venv.toml").read_text(encoding="utf-8"))
    assert lock["tool"]["uv-layers"] == {"layer": "venv", "prefix": "/app/.venv", "environment": True}
    assert lock["packages"] == []
    assert run("install", "venv", cwd=tmp_path / "stage").status == 0
    assert run("install", "venv", "--prefix", "/app/.venv", cwd=folder).status == 0
    assert facts(tmp_path / "stage/layers/venv") == facts(folder / "layers/venv")
    assert run("verify", "venv", cwd=tmp_path / "stage").status == 0


def test_it_is_up_to_date_until_something_changes(project, run, tmp_path):
    folder = project(APP)
    words = ("install", "venv", "--prefix", "/app/.venv")
    assert "up to date" not in run(*words, cwd=folder).stderr
    assert "up to date" in run(*words, cwd=folder, UV_LAYERS_UV=str(tmp_path / "nowhere")).stderr
    assert "up to date" not in run("install", "venv", "--prefix", "/other/.venv", cwd=folder).stderr


def test_verify_says_what_is_wrong_with_it(project, run):
    folder = project(APP)
    run("install", "venv", "--prefix", "/app/.venv", cwd=folder)
    words = ("verify", "venv", "--prefix", "/app/.venv")
    assert run(*words, cwd=folder).status == 0
    tree = folder / "layers/venv/app/.venv"
    (tree / "bin/python").unlink()
    (tree / "bin/python").symlink_to("/nowhere")
    (tree / "bin/activate").write_text("", encoding="utf-8")
    (tree / "bin/more").touch()
    outcome = run(*words, cwd=folder)
    assert outcome.status == 1
    for line in (
        "venv: altered: app/.venv/bin/python: changed since install",
        "venv: altered: app/.venv/bin/activate: changed since install",
        "venv: added: app/.venv/bin/more: not in any RECORD",
    ):
        assert line in outcome.stdout.splitlines()


def test_a_tree_from_elsewhere_is_verified_without_a_record(project, run, tmp_path):
    folder = project(APP)
    run("install", "venv", "--prefix", "/app/.venv", cwd=folder)
    shutil.copytree(folder / "layers/venv", tmp_path / "copied/venv", symlinks=True)
    words = ("verify", "venv", "--prefix", "/app/.venv", "--layers-dir", tmp_path / "copied")
    assert run(*words, cwd=folder).status == 0
    (tmp_path / "copied/venv/app/.venv/pyvenv.cfg").unlink()
    assert "missing: app/.venv/pyvenv.cfg" in run(*words, cwd=folder).stdout


@pytest.mark.parametrize("prefix", ["/usr/local", "/", "/app/venv/site"])
def test_any_other_prefix_has_no_such_layer(project, run, prefix):
    folder = project(APP)
    assert list(run("plan", "--json", "--prefix", prefix, cwd=folder).layers) == ["heavy", "dependencies"]
    assert "error[unknown-layer]" in run("install", "venv", "--prefix", prefix, cwd=folder).stderr


def test_another_layer_cannot_have_its_name(project, run):
    folder = project(APP.replace("heavy", "venv"))
    assert run("plan", "--json", cwd=folder).status == 0
    outcome = run("plan", "--prefix", "/app/.venv", cwd=folder)
    assert (outcome.status, outcome.stdout) == (2, "")
    cause = "prefix /app/.venv adds the layer 'venv': two layers are named 'venv'"
    assert outcome.stderr == f"error[duplicate-layer]: {cause}; rename yours\n"


def test_an_interpreter_that_makes_none_is_an_error_with_its_last_line(project, run, tmp_path, monkeypatch):
    """As Debian's is without its package python3-venv."""
    folder = project(APP)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'one line' >&2\necho 'no venv' >&2\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    running = replace(interpreter.of_running(), executable=str(python))
    monkeypatch.setattr(interpreter, "of_running", lambda: running)
    words = ("install", "venv", "--prefix", "/app/.venv", "--frozen")
    outcome = run(*words, cwd=folder)
    assert (outcome.status, outcome.stdout) == (2, "")
    message = f"error[bad-target]: {python} cannot create a virtual environment: no venv; "
    assert outcome.stderr == f"{message}choose another Python with --python\n"
    assert not (folder / "layers/venv").exists()
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    assert "cannot create a virtual environment: no message; choose" in run(*words, cwd=folder).stderr


def test_an_environment_at_another_place_is_another_layer(project, run, tmp_path):
    folder = project(APP)
    for name, prefix in (
        ("one", "/app/.venv"),
        ("same", "/app/.venv"),
        ("other", "/srv/.venv"),
        ("none", "/usr/local"),
    ):
        assert run("export", "--prefix", prefix, "-o", tmp_path / name, cwd=folder).status == 0

    def changes(new):
        found = run("diff", "--json", tmp_path / "one", tmp_path / new, cwd=folder).result["layers"]
        return {layer["name"]: (layer["status"], [c["package"] for c in layer["changes"]]) for layer in found}

    assert changes("same") == {"heavy": ("same", []), "dependencies": ("same", []), "venv": ("same", [])}
    other = {name: ("changed", ["prefix"]) for name in ("heavy", "dependencies", "venv")}
    assert changes("other") == other
    assert changes("none") == {**other, "venv": ("removed", [])}


def test_env_leaves_the_skeleton_out_of_the_shell_and_a_strict_run_takes_it(project, run):
    folder = project(APP)
    words = ("--prefix", "/app/.venv")
    assert run("install", "--all", "--strict", *words, cwd=folder).status == 0
    found = run("env", "--json", cwd=folder, UV_LAYERS_PREFIX="/usr/local")
    assert list(folder.path.glob("layers/venv")) != []
    assert [layer["name"] for layer in found.result["layers"]] == ["heavy", "dependencies"]
    folder.edit("[tool.uv]", '[tool.uv-layers]\nprefix = "/app/.venv"\n[tool.uv]')
    found = run("env", "--json", cwd=folder)
    assert [layer["name"] for layer in found.result["layers"]] == ["venv", "heavy", "dependencies"]
    # Its `python` is that of the image, and would stand before the one here.
    assert found.result["PATH"] == [str(folder / "layers/dependencies/app/.venv/bin")]
    assert found.result["PYTHONPATH"] == [
        str(folder / f"layers/{layer}/app/.venv/lib/{PYTHON}/site-packages") for layer in ("dependencies", "heavy")
    ]
