"""action.yml: its script with a real repository and a real lock. `gh` alone, which is GitHub's side, is played here."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import uv
import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
INPUTS = {name: given["default"] for name, given in ACTION["inputs"].items()}
[INSTALL, DIFF, COMMENT] = ACTION["runs"]["steps"]
MARKER = "<!-- uv-layers diff of . -->"
JQ = '.[] | select(.user.type == "Bot" and (.body | startswith(env.MARKER))) | .id'

# Notes what it is called with. `comments.json` has what is on the pull request; with a file `denied` nothing is taken.
GH = f"""#!{sys.executable}
import json, os, pathlib, sys
folder = pathlib.Path(__file__).parents[1]
words = sys.argv[1:]
body = next((pathlib.Path(w.partition("=@")[2]).read_text() for w in words if w.startswith("body=@")), None)
with open(folder / "calls", "a") as file:
    print(json.dumps([[w for w in words if not w.startswith("body=@")], body, os.environ["GH_TOKEN"]]), file=file)
if body is not None:
    sys.exit((folder / "denied").exists() and "HTTP 403")
for comment in json.loads((folder / "comments.json").read_text()):
    if comment["user"]["type"] == "Bot" and comment["body"].startswith(os.environ["MARKER"]):
        print(comment["id"])
"""


class Runner:
    """What a runner has: a folder for tools, a summary, and the pull request that it is for."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder = folder
        self.work = work
        self.comments: list[dict[str, object]] = []

    @property
    def calls(self):
        text = (self.folder / "calls").read_text(encoding="utf-8") if (self.folder / "calls").exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    @property
    def written(self):
        return [(words[2:], body) for words, body, _ in self.calls if body is not None]

    @property
    def summary(self) -> str:
        return (self.folder / "summary").read_text(encoding="utf-8")

    def run(self, **changed: str) -> subprocess.CompletedProcess[str]:
        """Run the steps as GitHub does: the last one only for a pull request, and after the others have succeeded."""
        (self.folder / "comments.json").write_text(json.dumps(self.comments), encoding="utf-8")
        values = {"BASE": INPUTS["base"], "PROJECT": INPUTS["project"], "NUMBER": "7", "GH_TOKEN": "t0ken"} | changed
        output = self.folder / "output"
        output.write_text("", encoding="utf-8")
        done = self._step(DIFF, values)
        if done.returncode or not values["NUMBER"]:
            return done
        assert COMMENT["if"] == "github.event.pull_request.number"
        return self._step(
            COMMENT, values | {"STATUS": output.read_text(encoding="utf-8").strip().removeprefix("status=")}
        )

    def _step(self, step, values) -> subprocess.CompletedProcess[str]:
        environ = {
            **os.environ,
            **{name: values[name] for name in step["env"]},
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "PATH": os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]]),
            "GITHUB_REPOSITORY": "some/shop",
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "RUNNER_TEMP": str(self.folder),
            "UV_LAYERS_UV": uv.find_uv_bin(),
        }
        script = self.folder / "script.sh"
        script.write_text(step["run"], encoding="utf-8")
        argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", script]
        return subprocess.run(argv, cwd=self.work, env=environ, capture_output=True, text=True, check=False)


def _git(folder: Path, *words: str) -> None:
    settings = ["user.name=A", "user.email=a@b.test", "commit.gpgsign=false", "init.defaultBranch=main"]
    argv = ["git", *(word for setting in settings for word in ("-c", setting)), *words]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)


LOCKED = """\
version = 1
revision = 3
requires-python = ">=3.10"

[[package]]
name = "app"
version = "1"
source = {{ virtual = "." }}

[package.dev-dependencies]
heavy = [{{ name = "numbers" }}]

[package.metadata]

[package.metadata.requires-dev]
heavy = [{{ name = "numbers", specifier = "=={0}" }}]

[[package]]
name = "numbers"
version = "{0}"
source = {{ registry = "https://packages.example.com/simple" }}
wheels = [
    {{ url = "https://packages.example.com/numbers-{0}-py3-none-any.whl", hash = "sha256:{1}", size = 1000 }},
]
"""


def _commit(folder: Path, version: str) -> None:
    head = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
    groups = f'[dependency-groups]\nheavy = ["numbers=={version}"]\n[tool.uv]\ndefault-groups = ["heavy"]\n'
    (folder / "pyproject.toml").write_text(head + groups, encoding="utf-8")
    (folder / "uv.lock").write_text(LOCKED.format(version, version[0] * 64), encoding="utf-8")
    _git(folder, "add", ".")
    _git(folder, "commit", "--message", version, "--allow-empty")


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """Return a runner with a pull request that moves `numbers` from 1.0 to 2.0, merged into its base."""
    work = tmp_path / "work"
    work.mkdir()
    _git(work, "init")
    _commit(work, "1.0")
    _git(work, "switch", "--create", "update")
    _commit(work, "1.5")
    _commit(work, "2.0")
    _git(work, "switch", "main")
    _git(work, "merge", "--no-ff", "update")
    folder = tmp_path / "runner"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/gh").write_text(GH, encoding="utf-8")
    (folder / "bin/gh").chmod(0o755)
    (folder / "uv-layers/bin").mkdir(parents=True)
    program = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m uv_layers "$@"\n'
    (folder / "uv-layers/bin/uv-layers").write_text(program, encoding="utf-8")
    (folder / "uv-layers/bin/uv-layers").chmod(0o755)
    return Runner(folder, work)


def test_what_the_pull_request_changes_is_a_comment_and_in_the_summary(runner):
    done = runner.run()
    assert done.returncode == 0, done.stderr
    [(words, body)] = runner.written
    assert words == ["--method", "POST", "repos/some/shop/issues/7/comments", "--field"]
    assert body.startswith(f"{MARKER}\n**Image layers:** 1 of 1 layer changes")
    assert "- `numbers 1.0 -> 2.0`" in body
    assert runner.summary == body
    [listed, _] = runner.calls
    assert listed[0] == ["api", "--paginate", "repos/some/shop/issues/7/comments", "--jq", JQ]
    assert {token for *_, token in runner.calls} == {"t0ken"}


def test_its_own_comment_is_written_anew_and_no_other(runner):
    runner.comments = [
        {"id": 1, "user": {"type": "User"}, "body": f"{MARKER}\nwritten by somebody"},
        {"id": 2, "user": {"type": "Bot"}, "body": "of another action"},
        {"id": 3, "user": {"type": "Bot"}, "body": f"{MARKER}\nold"},
        {"id": 4, "user": {"type": "Bot"}, "body": f"{MARKER}\nolder"},
    ]
    assert runner.run().returncode == 0
    [(words, body)] = runner.written
    assert words == ["--method", "PATCH", "repos/some/shop/issues/comments/3", "--field"]
    assert "numbers 1.0 -> 2.0" in body


def test_a_pull_request_that_changes_no_layer_has_no_comment_but_one_that_was_there_is_right(runner):
    assert runner.run(BASE="HEAD").returncode == 0
    assert runner.written == []
    assert "no layers change; nothing to pull" in runner.summary
    runner.comments = [{"id": 3, "user": {"type": "Bot"}, "body": f"{MARKER}\nold"}]
    assert runner.run(BASE="HEAD").returncode == 0
    [(_, body)] = runner.written
    assert "no layers change; nothing to pull" in body


def test_a_token_that_may_not_comment_is_a_warning(runner):
    (runner.folder / "denied").touch()
    done = runner.run()
    assert done.returncode == 0
    assert done.stdout.startswith("::warning::The token may not comment")
    assert "numbers 1.0 -> 2.0" in runner.summary


def test_without_a_pull_request_there_is_the_summary_alone(runner):
    assert runner.run(NUMBER="").returncode == 0
    assert runner.calls == []
    assert "numbers 1.0 -> 2.0" in runner.summary


def test_what_is_too_long_for_a_comment_is_in_the_summary(runner):
    lots = "\n".join(f"- `package-{number:05}`" for number in range(5000))
    text = f"**Image layers:** 1 of 1\\n\\n<details><summary>heavy</summary>\\n{lots}\\n</details>\\n"
    program = runner.folder / "uv-layers/bin/uv-layers"
    program.write_text(f"#!/bin/sh\nprintf '{text}'\nexit 1\n", encoding="utf-8")
    assert runner.run().returncode == 0
    [(_, body)] = runner.written
    assert body == f"{MARKER}\n**Image layers:** 1 of 1\n\nThe packages are in the summary of the job.\n"
    assert "package-04999" in runner.summary


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"BASE": "nope"}, 2, "'nope' is neither a uv.lock"),
        ({"PROJECT": "nope"}, 2, "error["),
        ({"BASE": "$(touch injected)"}, 2, "is neither a uv.lock"),
        ({"BASE": "--output=injected"}, 2, "is neither a uv.lock"),
    ],
)
def test_what_cannot_be_compared_fails_and_nothing_is_written(runner, changed, status, words):
    done = runner.run(**changed)
    assert done.returncode == status
    assert words in done.stderr
    assert not (runner.work / "injected").exists()
    assert runner.calls == []


def test_the_token_is_for_the_step_that_comments_and_no_other():
    assert [step for step in ACTION["runs"]["steps"] if "inputs.token" in json.dumps(step)] == [COMMENT]
    assert "uv-layers/bin" not in COMMENT["run"]


def test_the_installation_is_of_the_revision_of_the_action():
    assert '-m pip install --quiet "$GITHUB_ACTION_PATH"' in INSTALL["run"]
