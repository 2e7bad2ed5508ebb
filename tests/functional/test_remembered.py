"""The marks of a Dockerfile remember the options that its blocks were written with."""

from __future__ import annotations

import sys

import pytest

PROJECT = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["web"]
    [dependency-groups]
    tools = ["speed"]
    [project.optional-dependencies]
    more = ["helper"]
"""
OPTIONS = (
    *("--python", "3.12", "--group", "tools", "--extra", "more", "--prefix", "/app/.venv", "--builder", "python:3.12"),
    *("--uv", "0.13.9", "--secret", "UV_INDEX_A_PASSWORD", "--secret", "netrc", "--no-link", "--copy", "a b.py"),
    *("--cmd", "sh -c 'echo \"$HOME\"'", "--tool", "1.0"),
)


@pytest.fixture
def folder(project):
    made = project(PROJECT)
    (made / "a b.py").touch()
    return made


def test_write_and_check_without_options_use_those_of_the_marks(folder, run):
    (folder / "a b.py").touch()
    assert run("dockerfile", "--write", "Dockerfile", *OPTIONS, cwd=folder).status == 0
    first = (folder / "Dockerfile").read_text(encoding="utf-8")
    checked = run("dockerfile", "--check", "Dockerfile", cwd=folder)
    assert (checked.status, checked.output) == (0, "Dockerfile: up to date\n")
    folder.edit('"web"', '"web", "numbers"')
    folder.lock()
    (folder / "Dockerfile").write_text(first.replace("uv-layers install tools", "true"), encoding="utf-8")
    checked = run("dockerfile", "--check", "Dockerfile", cwd=folder)
    assert checked.status == 1
    assert checked.stdout.count("\n+") == 2
    assert run("dockerfile", "--write", "Dockerfile", cwd=folder).status == 0
    assert (folder / "Dockerfile").read_text(encoding="utf-8") == first
    assert '"image"' in run("dockerfile", "--bake", "--write", "Dockerfile", cwd=folder).stdout


def test_check_with_options_shows_what_they_change_and_the_remedy_has_them(folder, run):
    run("dockerfile", "--write", "Dockerfile", "--python", "3.12", cwd=folder)
    checked = run("dockerfile", "--check", "Dockerfile", "--base", "own/base", "--cmd", "a b", cwd=folder)
    assert checked.status == 1
    assert "--write` with: --base own/base --cmd 'a b'\n" in checked.stdout
    remedy = "uv-layers dockerfile --base own/base --cmd 'a b' --write Dockerfile"
    step = "add or change the line yourself, because uv-layers changes only the lines between its markers"
    assert (
        checked.stderr == f'hint: Dockerfile lacks `CMD ["a", "b"]`; {step}\n'
        f"Dockerfile is out of date; run `{remedy}`\n"
    )


def test_marks_of_an_older_release_have_no_options(folder, run):
    run("dockerfile", "--write", "Dockerfile", "--base", "python:3.12", cwd=folder)
    text = (folder / "Dockerfile").read_text(encoding="utf-8")
    (folder / "Dockerfile").write_text(text.replace(" with: --base python:3.12", ""), encoding="utf-8")
    checked = run("dockerfile", "--check", "Dockerfile", "--base", "python:3.12", cwd=folder)
    assert (checked.status, checked.stdout.count("\n+#")) == (1, 1)


def test_a_variable_changes_nothing_that_the_marks_remember(folder, run):
    run("dockerfile", "--write", "Dockerfile", "--python", "3.12", "--cmd", "serve", cwd=folder)
    for environ in ({"UV_PYTHON": "3.13"}, {"UV_PYTHON": sys.executable}, {"UV_LAYERS_CMD": "other"}):
        checked = run("dockerfile", "--check", "Dockerfile", cwd=folder, **environ)
        assert (checked.status, checked.output) == (0, "Dockerfile: up to date\n")


@pytest.mark.parametrize("request_", [sys.executable, ">={0}", "cpython-{0}"])
def test_of_an_interpreter_here_its_version_is_remembered(folder, run, request_):
    minor = f"3.{sys.version_info[1]}"
    words = ("--write", "Dockerfile", "--python", request_.format(minor))
    assert run("dockerfile", *words, "--cmd", "serve", cwd=folder).status == 0
    [mark, *_] = (folder / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert mark.endswith(f" with: --python {minor} --cmd serve")
    checked = run("dockerfile", "--check", "Dockerfile", cwd=folder)
    assert (checked.status, checked.output) == (0, "Dockerfile: up to date\n")
    run("dockerfile", *words, "--base", "debian", cwd=folder)
    [mark, *_] = (folder / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert mark.endswith(" with: --base debian")


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ("--python ./e.sh", "'./e.sh'"),
        ("--python environment", "'environment'"),
        ("--python 3.999", "'3.999'"),
        ("--python=/tmp/e.sh", "'--python=/tmp/e.sh'"),
        ("--project ..", "'--project'"),
        ("--config x", "'--config'"),
        ("--write other", "'--write'"),
        ("'", "'--'"),
    ],
)
def test_a_dockerfile_of_a_stranger_chooses_no_program_and_no_file(folder, run, words, refused):
    run("dockerfile", "--write", "Dockerfile", "--base", "debian", cwd=folder)
    text = (folder / "Dockerfile").read_text(encoding="utf-8")
    (folder / "Dockerfile").write_text(text.replace("with: --base debian", f"with: {words}"), encoding="utf-8")
    ended = run("dockerfile", "--check", "Dockerfile", cwd=folder)
    message = f"error[usage]: Dockerfile: a `# >>> uv-layers stages` line has {refused}, which is not allowed there; "
    step = "correct that line, or pass all options again to replace it\n"
    assert (ended.status, ended.stderr) == (2, message + step)


@pytest.mark.parametrize(
    ("stages", "refused"),
    [
        ("FROM python:3.13-slim", True),
        ("FROM python:3.12-alpine", False),
        ("FROM registry.example/python:3.13", True),
        ("FROM python:3.13 AS last\nRUN true\nFROM last", True),
        ("FROM python:3.13 AS other\nFROM --platform=linux/amd64 python:3.12 AS last\nFROM LAST", False),
        ("FROM debian", False),
    ],
)
def test_the_final_stage_has_the_python_of_the_layers(folder, run, stages, refused):
    run("dockerfile", "--write", "Dockerfile", "--python", "3.12", cwd=folder)
    text = (folder / "Dockerfile").read_text(encoding="utf-8")
    changed = text.replace("\nFROM python:3.12-slim-bookworm\n", f"\n{stages}\n")
    assert changed != text
    (folder / "Dockerfile").write_text(changed, encoding="utf-8")
    ended = run("dockerfile", "--write", "Dockerfile", cwd=folder)
    message = (
        "error[usage]: Dockerfile: the stage that copies the layers has Python 3.13, but the layers are for "
        "Python 3.12; pass --python 3.13, or change FROM\n"
    )
    assert (ended.status, ended.stderr) == ((2, message) if refused else (0, "Dockerfile: up to date\n"))


def test_a_command_that_no_shell_reads_is_refused(folder, run):
    ended = run("dockerfile", "--write", "Dockerfile", "--cmd", "sh -c 'x", cwd=folder)
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith('error[usage]: --cmd: "sh -c \'x" is not valid: ')
    assert not (folder / "Dockerfile").exists()


# The build context.


@pytest.fixture
def monorepo(project, packaged, tmp_path):
    """A project in `services/api` that needs the package in `libs/common`, and the repository that has both."""
    packaged(tmp_path / "repo/libs/common", "common", requires=["speed"])
    text = (
        '[project]\nname = "api"\nversion = "1.0"\nrequires-python = ">=3.10"\ndependencies = ["common", "web"]\n'
        '[tool.uv.sources]\ncommon = { path = "../../libs/common" }\n'
    )
    return project(text, name="repo/services/api")


def test_a_sibling_needs_a_context_that_has_both(monorepo, run, tmp_path):
    ended = run("dockerfile", cwd=monorepo)
    assert ended.status == 2
    assert ended.stderr.endswith(f"; pass --context {tmp_path / 'repo'}\n")
    text = run("dockerfile", "--context", "../..", cwd=monorepo).stdout
    for path in ("services/api/pyproject.toml", "services/api/uv.lock", "libs/common/pyproject.toml"):
        assert f"--mount=type=bind,source={path},target=/build/{path} " in text
    assert "uv-layers export --project services/api --output . --expect dependencies,project\n" in text
    assert "uv-layers install project --project project/services/api " in text
    assert text.endswith("\nCOPY --link services/api ./\n")


def test_the_context_is_remembered_from_wherever_the_command_is_run(monorepo, run, tmp_path):
    repo = tmp_path / "repo"
    assert run("dockerfile", "--context", "../..", "--write", "../../Dockerfile", cwd=monorepo).status == 0
    words = ("dockerfile", "--check", "Dockerfile", "--project", "services/api")
    checked = run(*words, cwd=repo)
    assert (checked.status, checked.stderr) == (0, "Dockerfile: up to date\n")


def test_the_context_can_be_configured(monorepo, run):
    text = run("dockerfile", "--context", "../..", cwd=monorepo).stdout
    (monorepo / "uv-layers.toml").write_text('[dockerfile]\ncontext = "../.."\n', encoding="utf-8")
    found = run("dockerfile", cwd=monorepo).stdout
    assert "source=services/api/uv-layers.toml" in found
    assert found.splitlines()[-1] == text.splitlines()[-1]


def test_a_dockerfile_above_the_context_is_pointed_out(project, run):
    folder = project(PROJECT, name="repo/app")
    ended = run("dockerfile", "--write", "../Dockerfile", cwd=folder)
    assert ended.status == 0
    hint = "hint: the build context is app, not the Dockerfile's folder; run `docker build --file ../Dockerfile .`"
    assert ended.stderr == f"../Dockerfile: written\n.dockerignore: written\n{hint}, or pass another --context\n"


def test_a_wheel_beside_the_project_is_where_its_layer_lock_looks_for_it(project, shelf, run, tmp_path):
    made = shelf.wheel("vendored", "1.0")
    (tmp_path / "repo/vendor").mkdir(parents=True)
    (tmp_path / "repo/vendor" / made.file_name).write_bytes(made.content())
    text = (
        '[project]\nname = "api"\nversion = "1.0"\nrequires-python = ">=3.10"\ndependencies = ["vendored"]\n'
        f'[tool.uv.sources]\nvendored = {{ path = "../vendor/{made.file_name}" }}\n'
    )
    folder = project(text, name="repo/api")
    found = run("dockerfile", "--context", "..", cwd=folder).stdout
    assert f"source=vendor/{made.file_name},target=/vendor/{made.file_name} " in found
