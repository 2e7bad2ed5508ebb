"""The command line itself: help, version, completion, and the two ways to start it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import uv

import uv_layers

COMMANDS = ("plan", "export", "install", "dockerfile", "diff", "suggest", "verify", "env")
VERSION = f"uv-layers {uv_layers.__version__}\n"


@pytest.fixture
def script():
    """The installed `uv-layers` program."""
    return Path(sysconfig.get_path("scripts")) / "uv-layers"


def test_the_module_is_a_program(run_program, tmp_path):
    ended = run_program("--version", cwd=tmp_path)
    assert (ended.status, ended.stdout) == (0, VERSION)


def test_the_program_is_installed(script, tmp_path):
    done = subprocess.run([script, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == VERSION


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_finds_no_room_is_not_tried_again_at_the_end(script, tmp_path, stream):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with Path("/dev/full").open("w") as full:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: full}
        words = ["cache", "dir"] if stream == "stdout" else ["plan", "--platform", "plan9"]
        done = subprocess.run([script, *words], cwd=tmp_path, **streams, text=True, check=False)
    assert done.returncode == (4 if stream == "stdout" else 2)
    said = "error[machine]: No space left on device; free disk space, or choose another folder\n"
    assert (done.stdout or "", done.stderr or "") == ("", said if stream == "stdout" else "")


def test_what_is_compiled_beforehand_is_all_that_a_stage_imports(run_program, project, tmp_path):
    folder = project('[project]\nname = "app"\nversion = "1.0"\ndependencies = ["web"]\n')
    bytecode = tmp_path / "pycache"
    environ = {"PYTHONPYCACHEPREFIX": str(bytecode), "UV_LAYERS_UV": uv.find_uv_bin()}

    def compiled(*words):
        assert run_program(*words, cwd=folder, **environ).status == 0
        return {str(path.relative_to(bytecode)) for path in bytecode.rglob("*.pyc")}

    found = compiled("precompile")
    assert any(path.endswith(f"subprocess.{sys.implementation.cache_tag}.pyc") for path in found)
    assert not any("/pygments/" in path for path in found)
    assert compiled("export") == found
    assert compiled("install", "--all") == found


def test_what_is_compiled_beforehand_is_written_in_an_image_that_has_python_write_none(run_program, tmp_path):
    def compiled(name, **environ):
        ended = run_program("precompile", cwd=tmp_path, PYTHONPYCACHEPREFIX=str(tmp_path / name), **environ)
        assert (ended.status, ended.output) == (0, "")
        return {str(path.relative_to(tmp_path / name)) for path in (tmp_path / name).rglob("*.pyc")}

    found = compiled("as it is")
    assert found
    assert compiled("none wanted", PYTHONDONTWRITEBYTECODE="1") == found


def test_what_is_compiled_beforehand_is_not_what_lies_in_the_current_folder(script, tmp_path):
    (tmp_path / "tomli_w.py").write_text("raise SystemExit(9)\n", encoding="utf-8")
    environ = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": str(tmp_path / "pycache")}
    done = subprocess.run([script, "precompile"], cwd=tmp_path, env=environ, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_help_names_every_command(run, tmp_path):
    for words in (("--help",), ("-h",), ()):
        ended = run(*words, cwd=tmp_path)
        assert ended.status == (0 if words else 2)
        for command in COMMANDS:
            assert f"\n  {command} " in ended.output


def test_help_reads_no_project_and_starts_no_uv(run, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[broken")
    ended = run("plan", "--help", cwd=tmp_path, UV_LAYERS_UV=str(tmp_path / "nowhere"))
    assert ended.status == 0
    assert ended.stderr == ""


WRONG = {
    "an unknown option": (("plan", "--nope"), "--nope", "plan"),
    "an unknown command": (("nope",), "nope", ""),
    "an option without its value": (("plan", "--group"), "--group", "plan"),
    "a value for a flag of the program": (("--version=3",), "--version", ""),
    "a word too many": (("plan", "heavy"), "heavy", "plan"),
    "a word too few": (("diff",), "OLD", "diff"),
    "an option of another command": (("verify", "--platform", "linux/amd64"), "--platform", "verify"),
    "a value that is no choice": (("install", "--compile", "some"), "--compile: 'some'", "install"),
    "a value that is no number": (("cache", "prune", "--days", "x"), "--days: 'x'", "cache prune"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_command_line_is_refused_in_one_line_that_names_the_help(run, tmp_path, wrong):
    words, named, path = WRONG[wrong]
    ended = run(*words, cwd=tmp_path)
    assert (ended.status, ended.stdout) == (2, "")
    command = " ".join(filter(None, ("uv-layers", path, "--help")))
    assert re.fullmatch(rf"error\[usage\]: .*{re.escape(named)}.*; see `{command}`\n", ended.stderr)
    assert run(*command.split()[1:], cwd=tmp_path).status == 0


def test_a_wrong_value_of_a_variable_names_the_variable_that_is_set(run, tmp_path):
    ended = run("cache", "prune", cwd=tmp_path, UV_LAYERS_DAYS="x")
    assert ended.stderr.startswith("error[usage]: invalid value for UV_LAYERS_DAYS: 'x'")
    for variable in ("UV_LAYERS_FROZEN", "UV_FROZEN"):
        ended = run("plan", cwd=tmp_path, **{variable: "perhaps"})
        assert (ended.status, ended.stderr.count("\n")) == (2, 1)
        assert f"invalid value for {variable}: 'perhaps'" in ended.stderr


def test_a_pipe_that_is_closed_leaves_no_traceback(project, tmp_path):
    folder = project('[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["web"]\n')
    line = f"{sys.executable} -m uv_layers plan | true"
    done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


# Completion


@pytest.fixture
def complete(script, tmp_path):
    """Return a function that asks for the completion of a command line, as the shell would."""

    def call(line, cwd=tmp_path):
        environ = os.environ | {
            "_UV_LAYERS_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
            "UV_LAYERS_UV": str(tmp_path / "nowhere"),  # uv is not started
        }
        done = subprocess.run([script], cwd=cwd, env=environ, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.stdout.split()

    return call


def test_commands_and_options_are_completed(complete):
    assert set(COMMANDS) <= set(complete("uv-layers "))
    assert complete("uv-layers pl") == ["plan"]
    assert "--no-default-groups" in complete("uv-layers plan --no-de")


@pytest.fixture
def workspace(project):
    """A workspace whose root has groups, an extra and a member."""
    folder = project(
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["web"]\n'
        '[project.optional-dependencies]\nfast = ["speed"]\n'
        '[dependency-groups]\ndev = []\nheavy = ["numbers"]\nhelpers = ["helper"]\n'
        '[tool.uv]\ndefault-groups = ["heavy"]\n[tool.uv.workspace]\nmembers = ["parts/*"]\n',
        locked=False,
    )
    (folder / "parts/one").mkdir(parents=True)
    member = '[project]\nname = "one"\nversion = "1"\nrequires-python = ">=3.10"\n[dependency-groups]\ntools = []\n'
    (folder / "parts/one/pyproject.toml").write_text(member, encoding="utf-8")
    folder.lock()
    return folder


def test_names_of_the_project_are_completed(complete, workspace, tmp_path):
    assert complete("uv-layers install ", workspace) == ["heavy", "dependencies", "dev", "helpers"]
    assert complete("uv-layers install dep", workspace) == ["dependencies"]
    assert complete("uv-layers plan --group he", workspace) == ["heavy", "helpers"]
    assert complete("uv-layers dockerfile he", workspace) == ["heavy", "helpers"]
    assert complete("uv-layers plan --extra ", workspace) == ["fast"]
    assert set(complete("uv-layers plan --package ", workspace)) == {"app", "one"}
    # From elsewhere, and for the options that are on the line.
    assert complete(f"uv-layers verify --project {workspace.path} dep") == ["dependencies"]
    assert complete("uv-layers plan --package one --extra ", workspace) == []
    assert complete("uv-layers plan --all-packages --group t", workspace) == ["tools"]
    assert complete("uv-layers plan --group t", workspace) == []
    config = tmp_path / "other.toml"
    config.write_text('layers = [{ name = "all", dependencies = true, groups = ["heavy"] }]\n', encoding="utf-8")
    assert complete(f"uv-layers diff HEAD --config {config} --layer a", workspace) == ["all"]


def test_layer_locks_of_a_folder_are_completed(complete, stage):
    stage.lock("heavy", stage.wheel("one"))
    stage.lock("light", stage.wheel("two"))
    assert complete("uv-layers install ", stage) == ["heavy", "light"]


def test_nothing_is_completed_or_said_where_no_project_can_be_read(complete, workspace):
    assert complete("uv-layers install ") == []
    (workspace / "pyproject.toml").write_text("[broken", encoding="utf-8")
    assert complete("uv-layers plan --group ", workspace) == []


def test_shells_are_completed(complete):
    assert complete("uv-layers env --shell f") == ["fish"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_shown_for_the_shell_that_is_named(script, tmp_path, shell):
    environ = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [script, "--show-completion", shell], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert "_UV_LAYERS_COMPLETE" in done.stdout
    assert "uv-layers" in done.stdout


def test_completion_is_shown_for_the_shell_that_runs(script, tmp_path):
    line = f"{script} --show-completion; exit $?"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "complete -o default -F" in done.stdout


def test_completion_is_installed_for_the_shell_that_runs(script, tmp_path):
    environ = os.environ | {"HOME": str(tmp_path), "SHELL": "/bin/bash"}
    line = f"{script} --install-completion; exit $?"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert "bash completion installed" in done.stdout
    [written] = (tmp_path / ".bash_completions").iterdir()
    assert "_UV_LAYERS_COMPLETE=complete_bash" in written.read_text()
    assert str(written) in (tmp_path / ".bashrc").read_text()
