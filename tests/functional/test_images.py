"""`uv-layers dockerfile --image`: several images in one Dockerfile."""

from __future__ import annotations

import json
import re

import pytest

PROJECT = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["web"]
    [dependency-groups]
    dev = ["speed"]
    plan = ["numbers"]
"""
BASE = ("--base", "python:3.12")
STAGE = re.compile(r"^FROM (\S+) AS (\S+)$", re.MULTILINE)


@pytest.fixture
def folder(project):
    return project(PROJECT)


@pytest.fixture
def dockerfile(folder, run):
    """Return a function that runs `uv-layers dockerfile --write Dockerfile` and returns the text of the file."""

    def write(*words):
        ended = run("dockerfile", *words, "--write", "Dockerfile", cwd=folder)
        assert ended.status == 0, ended.stderr
        return (folder / "Dockerfile").read_text(encoding="utf-8")

    return write


def check(run, folder, *words):
    return run("dockerfile", *words, "--check", "Dockerfile", cwd=folder)


def test_an_image_is_added_above_the_last_stage_and_uses_the_same_builder(dockerfile, folder, run):
    first = dockerfile(*BASE, "--cmd", "serve")
    text = dockerfile("--image", "test", *BASE, "--cmd", "pytest", "dev")
    stages = STAGE.findall(text)
    assert stages == [
        ("python:3.12", "uv-layers"),
        ("uv-layers", "plan"),
        ("uv-layers", "dependencies"),
        ("uv-layers", "test-plan"),
        ("uv-layers", "test-dependencies"),
        ("uv-layers", "test-dev"),
        ("python:3.12", "test"),
    ]
    above, below = first.split("# <<< uv-layers stages\n")
    assert text.startswith(above)
    assert text.endswith(below)
    assert 'CMD ["pytest"]\n\nFROM python:3.12\nWORKDIR /app\n' in text
    assert check(run, folder).stderr == "Dockerfile: up to date\n"
    assert check(run, folder, "--image", "test").stderr == "Dockerfile: up to date\n"


def test_all_images_are_written_and_checked_together(dockerfile, folder, run):
    dockerfile(*BASE)
    dockerfile("--image", "test", *BASE, "dev")
    text = dockerfile("--image", "numbers", *BASE, "plan")
    folder.edit('"web"', '"web", "helper"')
    folder.edit("[dependency-groups]", "[project.optional-dependencies]\nx = []\n[dependency-groups]")
    folder.lock()
    assert dockerfile() == text
    (folder / "Dockerfile").write_text(text.replace("install d", "install D"), encoding="utf-8")
    ended = check(run, folder)
    assert ended.status == 1
    assert ended.stderr == "Dockerfile is out of date; run `uv-layers dockerfile --write Dockerfile`\n"
    assert ended.stdout.count("\n+    uv-layers install d") == 4
    assert dockerfile() == text


def test_other_options_of_the_first_image_leave_no_other_with_a_wrong_builder(dockerfile, folder, run):
    dockerfile(*BASE)
    dockerfile("--image", "test", *BASE, "dev")
    stages = STAGE.findall(dockerfile(*BASE, "--builder", "python:3.12-slim"))
    assert stages[0] == ("python:3.12-slim", "uv-layers")
    assert ("python:3.12", "test-uv-layers") in stages
    assert {base for base, name in stages if name.startswith("test-d")} == {"test-uv-layers"}
    assert check(run, folder).status == 0
    ended = check(run, folder, "--image", "test", "--base", "python:3.13")
    message = (
        "error[usage]: Dockerfile: the stage that copies the layers has Python 3.12, but the layers are for "
        "Python 3.13; pass --python 3.12, or change FROM\n"
    )
    assert (ended.status, ended.stderr) == (2, message)


def test_the_first_image_can_have_a_name_too(dockerfile, folder, run):
    text = dockerfile("--image", "cpu", *BASE)
    assert text.count("FROM python:3.12 AS cpu\n") == 1
    text = dockerfile("--image", "cuda", *BASE, "dev")
    assert text.index("AS cuda\n") < text.index("AS cpu\n")
    assert check(run, folder).stderr == "Dockerfile: up to date\n"
    ended = run("dockerfile", *BASE, "--write", "Dockerfile", cwd=folder)
    assert ended.status == 2
    assert "but contains 0; copy the missing blocks from `uv-layers dockerfile --snippet`, or name" in ended.stderr


def test_names_do_not_clash(dockerfile, folder, run):
    text = dockerfile("--group", "plan", *BASE)
    assert "FROM uv-layers AS layer-plan\n" in text
    ended = run("dockerfile", "--image", "plan", *BASE, "--write", "Dockerfile", cwd=folder)
    message = "error[usage]: Dockerfile already uses the name 'plan'; choose another --image\n"
    assert (ended.status, ended.stderr) == (2, message)
    ended = run("dockerfile", "--image", "Test", *BASE, cwd=folder)
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error[usage]: --image: 'Test' is not a valid stage name; ")
    # The final stage has the name that a stage of the next image would have.
    dockerfile("--image", "a-dev", *BASE)
    text = dockerfile("--image", "a", *BASE, "dev")
    names = [name for _, name in STAGE.findall(text)]
    assert len(set(names)) == len(names)
    assert {"a-dev", "layer-a-dev"} < {*names}
    assert check(run, folder).status == 0


def test_line_ends_of_windows_are_those_of_another_image(dockerfile, folder, run):
    text = dockerfile(*BASE)
    (folder / "Dockerfile").write_bytes(text.replace("\n", "\r\n").encode())
    dockerfile("--image", "test", *BASE)
    content = (folder / "Dockerfile").read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n")
    assert content.count(b" AS uv-layers\r\n") == 1
    assert b"test-uv-layers" not in content
    assert check(run, folder).status == 0


def test_options_win_over_a_mark_that_is_refused(dockerfile, folder, run):
    dockerfile(*BASE)
    text = dockerfile("--image", "test", *BASE)
    (folder / "Dockerfile").write_text(text.replace("--image test", "--config x"), encoding="utf-8")
    assert check(run, folder).status == 2
    assert dockerfile("--image", "test", *BASE) == text
    # The name is that of the block.
    (folder / "Dockerfile").write_text(text.replace("--image test", "--image other"), encoding="utf-8")
    assert dockerfile() == text


def test_bake_builds_the_image_that_is_named(dockerfile, folder, run):
    dockerfile(*BASE)
    dockerfile("--image", "test", *BASE, "dev")
    ended = run("dockerfile", "--bake", "--image", "test", "--write", "Dockerfile", cwd=folder)
    document = json.loads(ended.stdout)
    assert document["target"]["image"]["target"] == "test"
    assert document["variable"]["IMAGE"]["default"] == "app-test"
    assert document["group"]["layers"]["targets"] == ["test-dependencies", "test-dev"]
    ended = run("dockerfile", "--bake", "--write", "Dockerfile", cwd=folder)
    document = json.loads(ended.stdout)
    assert "target" not in document["target"]["image"]
    assert document["group"]["layers"]["targets"] == ["dependencies"]
