"""`uv-layers install --platform`: trees for a platform that is not here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support import facts

VERSION = f"3.{sys.version_info[1]}"
PYTHON = f"python{VERSION}"
SITE = f"usr/local/lib/{PYTHON}/site-packages"
APP = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["tool", "numbers", "for-arm; platform_machine == 'aarch64'", "speed; platform_machine == 'x86_64'"]
"""
ARM = ("--platform", "linux/arm64", "--python", VERSION)


def _tags(tree):
    [info] = tree.glob(f"{SITE}/numbers-*.dist-info/WHEEL")
    return [line.removeprefix("Tag: ") for line in info.read_text(encoding="utf-8").splitlines() if "Tag" in line]


@pytest.mark.parametrize(
    ("platform", "tag", "other"),
    [
        ("linux/arm64", "manylinux_2_17_aarch64", "for_arm"),
        ("aarch64-manylinux_2_36", "manylinux_2_17_aarch64", "for_arm"),
        ("linux/amd64", "manylinux_2_17_x86_64", "speed"),
        ("x86_64-unknown-linux-gnu", "manylinux_2_17_x86_64", "speed"),
    ],
)
def test_the_wheels_are_those_of_the_platform(project, run, platform, tag, other):
    folder = project(APP)
    outcome = run("install", "--all", "--platform", platform, "--python", VERSION, cwd=folder)
    assert outcome.status == 0, outcome.stderr
    tree = folder / "layers/dependencies"
    assert _tags(tree) == [f"py3-none-{tag}"]
    assert {path.name for path in (tree / SITE).iterdir() if "." not in path.name} == {
        *("tool", "numbers", "shared", "common", other)[:3],
        other,
    }


def test_scripts_look_for_the_interpreter_where_they_run(project, run):
    folder = project(APP)
    assert run("install", "--all", *ARM, cwd=folder).status == 0
    for name in ("tool", "tool-script"):
        script = folder / "layers/dependencies/usr/local/bin" / name
        assert script.read_text(encoding="utf-8").startswith(f"#!/usr/bin/env {PYTHON}\n")
    environ = {"PATH": f"{sys.base_prefix}/bin:{os.defpath}", "PYTHONPATH": str(folder / "layers/dependencies" / SITE)}
    done = subprocess.run([script.with_name("tool")], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "tool\n"


def test_scripts_in_an_environment_name_its_interpreter(project, run):
    folder = project(APP)
    assert run("install", "--all", *ARM, "--prefix", "/app/.venv", cwd=folder).status == 0
    script = folder / "layers/dependencies/app/.venv/bin/tool"
    assert script.read_text(encoding="utf-8").startswith("#!/app/.venv/bin/python\n")
    assert (folder / "layers/venv/app/.venv/pyvenv.cfg").is_file()


def test_bytecode_is_compiled_by_an_interpreter_here(project, run):
    folder = project(APP)
    assert run("install", "--all", *ARM, cwd=folder).status == 0
    tag = f"cpython-3{sys.version_info[1]}"
    assert (folder / f"layers/dependencies/{SITE}/for_arm/__pycache__/__init__.{tag}.pyc").is_file()
    assert run("verify", "dependencies", cwd=folder).status == 1


def test_it_is_the_same_again_and_not_that_of_here(project, run, cold):
    folder, other = project(APP), project(APP, name="elsewhere")
    assert run("install", "--all", *ARM, cwd=folder, **cold()).status == 0
    assert run("install", "--all", *ARM, cwd=other, **cold()).status == 0
    assert facts(folder / "layers/dependencies") == facts(other / "layers/dependencies")
    assert "up to date" in run("install", "--all", *ARM, cwd=folder).stderr
    assert run("install", "--all", cwd=folder).status == 0
    assert facts(folder / "layers/dependencies") != facts(other / "layers/dependencies")


def test_layer_locks_for_it_are_enough(project, run, tmp_path):
    folder = project(APP)
    assert run("export", *ARM, "-o", tmp_path / "stage", cwd=folder).status == 0
    assert run("install", "--all", *ARM, cwd=tmp_path / "stage").status == 0
    assert run("install", "--all", *ARM, cwd=folder).status == 0
    assert facts(tmp_path / "stage/layers/dependencies") == facts(folder / "layers/dependencies")
    outcome = run("install", "--all", "--platform", "linux/riscv64", "--python", VERSION, cwd=tmp_path / "stage")
    assert outcome.status == 2
    assert "error[python-mismatch]" in outcome.stderr


@pytest.mark.parametrize("name", ["source", "both"])
def test_what_would_have_to_be_built_is_an_error_that_says_so(project, run, name):
    app = f'[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["{name}"]\n'
    folder = project(f"{app}[tool.uv]\nno-binary-package = ['both']\n")
    assert run("plan", *ARM, cwd=folder).status == 0
    outcome = run("install", "--all", *ARM, cwd=folder)
    assert (outcome.status, outcome.stdout) == (2, ""), outcome.stderr
    assert outcome.stderr == (
        f"error[no-wheel]: {name} 1.0 has no wheel for CPython {VERSION} on linux aarch64, "
        "and uv cannot build for another platform; build the layer, or a wheel, on that platform\n"
    )
    assert not (folder / "layers/dependencies").exists()


def test_the_project_itself_is_not_built_for_elsewhere(project, packaged, run, tmp_path):
    layers = '[tool.uv-layers]\nlayers = [{ name = "packages" }, { name = "own", project = true }]\n'
    folder = project(packaged(tmp_path / "app", "app", requires=["web"], more=layers))
    assert run("install", "packages", *ARM, cwd=folder).status == 0
    outcome = run("install", "own", *ARM, cwd=folder)
    assert (outcome.status, outcome.stdout) == (2, ""), outcome.stderr
    assert outcome.stderr.startswith(f"error[no-wheel]: app has no wheel for CPython {VERSION} on linux aarch64, ")


def test_without_an_interpreter_of_its_version_there_is_an_error(project, run):
    outcome = run("install", "--all", "--platform", "linux/arm64", "--python", "3.99", cwd=project(APP))
    assert (outcome.status, outcome.stdout) == (2, ""), outcome.stderr
    assert outcome.stderr == (
        "error[bad-target]: uv cannot find Python 3.99; install it, or choose another with --python\n"
    )
