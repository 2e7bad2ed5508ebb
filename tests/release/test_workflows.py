from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import tomli
import yaml

from uv_layers import __version__

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PYTHONS = [
    classifier.rpartition(" ")[2]
    for classifier in tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["classifiers"]
    if re.search(r":: 3\.\d+$", classifier)
]


def _read(path: Path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _jobs(name: str):
    return _read(ROOT / f".github/workflows/{name}.yml")["jobs"]


def _steps(document):
    """Yield every step of a workflow, or of an action."""
    for job in document["jobs"].values() if "jobs" in document else [document["runs"]]:
        yield from job.get("steps", ())


@pytest.fixture
def lint():
    """Return a function that returns what actionlint says of workflows."""
    program = shutil.which("actionlint", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]))
    if program is None:
        pytest.skip("actionlint is not installed (the dependency group `workflows`)")

    def call(*paths: Path) -> str:
        argv = [program, "-no-color", *paths]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode in {0, 1}, done.stderr
        return done.stdout

    return call


def test_actionlint_finds_nothing(lint):
    assert [path.stem for path in WORKFLOWS] == ["release", "tests"]
    assert lint(*WORKFLOWS) == ""


PAGE = (ROOT / "docs/how-to/pull-requests.md").read_text(encoding="utf-8")
RECIPE = re.search(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[1]


def test_the_recipe_for_pull_requests_uses_the_action_of_this_version():
    document = yaml.safe_load(RECIPE)
    assert document["permissions"] == {"contents": "read", "pull-requests": "write"}
    checkout, action = document["jobs"]["diff"]["steps"]
    # What HEAD^ needs, and no more.
    assert checkout["with"] == {"fetch-depth": 2, "persist-credentials": False}
    assert action["uses"].endswith(f"/uv-layers@v{__version__}")
    inputs = _read(ROOT / "action.yml")["inputs"]
    table = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE))
    assert table == {"base": f"`{inputs['base']['default']}`", "project": "`.`", "token": "the job's token"}


def test_actionlint_finds_nothing_in_the_recipe(lint, tmp_path):
    (tmp_path / "recipe.yml").write_text(RECIPE, encoding="utf-8")
    assert lint(tmp_path / "recipe.yml") == ""


def test_the_matrix_is_that_of_the_classifiers():
    matrix = _jobs("tests")["tests"]["strategy"]["matrix"]
    assert matrix["python"] == PYTHONS
    assert matrix["os"] == ["ubuntu-latest", "macos-latest"]
    given = [step["with"] for step in _jobs("tests")["lowest"]["steps"] if "with" in step]
    assert [each["python-version"] for each in given if "python-version" in each] == [PYTHONS[0]]


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda path: path.name)
def test_what_is_used_is_pinned_and_nothing_from_outside_is_put_into_a_script(path):
    text = path.read_text(encoding="utf-8")
    for used in re.findall(r"^\s+(?:- )?uses: (.+)$", text, re.MULTILINE):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/tests\.yml", used)
    for step in _steps(_read(path)):
        assert "${{" not in step.get("run", "")
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_only_what_publishes_may_do_more_than_read():
    for path in WORKFLOWS:
        document = _read(path)
        assert document["permissions"] == {"contents": "read"}
        allowed = {name: job["permissions"] for name, job in document["jobs"].items() if "permissions" in job}
        assert allowed == ({"publish": {"id-token": "write"}} if path.stem == "release" else {})


def test_what_is_published_is_what_was_tested():
    publish = _jobs("release")["publish"]
    assert publish["needs"] == ["version", "tests"]
    assert _jobs("release")["tests"]["uses"] == "./.github/workflows/tests.yml"
    # It runs no code of the project, and builds nothing.
    assert [step["uses"].partition("@")[0] for step in publish["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]
    jobs = _jobs("tests")
    [stored] = [step["with"] for step in jobs["build"]["steps"] if "upload-artifact" in step.get("uses", "")]
    taken = [
        step["with"]
        for job in (publish, *(job for name, job in jobs.items() if name != "build"))
        for step in job["steps"]
        if "download-artifact" in step.get("uses", "")
    ]
    assert (stored["name"], stored["path"]) == ("dist", "dist/")
    assert taken == [{"name": "dist", "path": "dist/"}] * len(jobs)
