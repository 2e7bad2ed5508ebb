"""Members of a workspace: one with `--package`, several with several."""

from __future__ import annotations

import sys

import pytest

SITE = f"usr/local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
ROOT = """\
[project]
name = "root"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["extra-one"]
[dependency-groups]
dev = ["tests-only"]
[tool.uv.workspace]
members = ["packages/*"]
{more}
"""
GROUPS = """\
[dependency-groups]
heavy = ["{heavy}"]
[tool.uv]
default-groups = ["heavy"]
[project.optional-dependencies]
fast = ["{fast}"]
"""


@pytest.fixture
def workspace(project, packaged, tmp_path):
    """Return a function that makes a locked workspace of three members: `api` and `worker`, which need `lib`."""

    def make(more=""):
        packages = tmp_path / "app/packages"
        source = "[tool.uv.sources]\nlib = { workspace = true }\n"
        packaged(packages / "lib", "lib", requires=["speed"])
        text = f"{GROUPS.format(heavy='numbers', fast='extra-two')}{source}"
        packaged(packages / "api", "api", requires=["web", "lib"], more=text)
        text = f"{GROUPS.format(heavy='vendor-maths', fast='docs-only')}{source}"
        packaged(packages / "worker", "worker", requires=["helper", "lib"], more=text)
        return project(ROOT.format(more=more))

    return make


@pytest.mark.parametrize(
    ("words", "layers"),
    [
        ((), {"dependencies": ["extra-one"]}),
        (
            ("--package", "api"),
            {"heavy": ["numbers", "shared"], "dependencies": ["speed", "web"], "project": ["api", "lib"]},
        ),
        (
            ("--package", "worker"),
            {
                "heavy": ["vendor-core", "vendor-maths"],
                "dependencies": ["helper", "speed"],
                "project": ["lib", "worker"],
            },
        ),
        (("--package", "lib"), {"dependencies": ["speed"], "project": ["lib"]}),
        (("--package", "root"), {"dependencies": ["extra-one"]}),
        (
            ("--package", "api", "--package", "worker", "--group", "heavy"),
            {
                "heavy": ["numbers", "shared", "vendor-core", "vendor-maths"],
                "dependencies": ["helper", "speed", "web"],
                "project": ["api", "lib", "worker"],
            },
        ),
        (
            ("--package", "worker", "--package", "root", "--package", "worker", "--group", "heavy"),
            {
                "heavy": ["vendor-core", "vendor-maths"],
                "dependencies": ["extra-one", "helper", "speed"],
                "project": ["lib", "worker"],
            },
        ),
        (
            ("--package", "api", "--package", "lib", "--extra", "fast", "--no-group", "heavy"),
            {"dependencies": ["extra-two", "shared", "speed", "web"], "project": ["api", "lib"]},
        ),
        (
            ("--package", "api", "--package", "worker", "--all-extras", "--no-default-groups"),
            {
                "dependencies": ["docs-only", "extra-two", "helper", "shared", "speed", "web"],
                "project": ["api", "lib", "worker"],
            },
        ),
        (
            ("--package", "api", "--package", "root", "--group", "dev"),
            {
                "dev": ["tests-only"],
                "dependencies": ["extra-one", "shared", "speed", "web"],
                "project": ["api", "lib"],
            },
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_the_image_has_what_the_chosen_members_need(workspace, run, words, layers):
    folder = workspace()
    outcome = run("plan", "--json", *words, cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert outcome.layers == layers


def test_members_are_chosen_from_any_folder_of_the_workspace(workspace, run):
    folder = workspace()
    words = ("plan", "--json", "--package", "api", "--package", "worker")
    assert run(*words, cwd=folder / "packages/lib").layers == run(*words, cwd=folder).layers


def test_one_reason_is_given_for_what_two_members_ask_for(workspace, run):
    words = ("--package", "api", "--package", "worker", "--group", "heavy")
    outcome = run("plan", "--json", *words, cwd=workspace())
    reasons = {p["name"]: p["reason"] for layer in outcome.result["layers"] for p in layer["packages"]}
    assert reasons["speed"] == reasons["web"] == reasons["helper"] == "dependencies"
    assert reasons["numbers"] == reasons["vendor-maths"] == "group heavy"


def test_several_members_are_configured_by_the_root_and_one_by_itself(workspace, run):
    layers = '[tool.uv-layers]\nlayers = [{ name = "all" }, { name = "own", project = true }]\n'
    folder = workspace(layers)
    own = run("plan", "--json", "--package", "api", cwd=folder)
    assert list(own.layers) == ["heavy", "dependencies", "project"]
    several = run("plan", "--json", "--package", "api", "--package", "worker", cwd=folder)
    assert list(several.layers) == ["all", "own"]
    assert several.layers["own"] == ["api", "lib", "worker"]


def test_several_members_are_installed_with_all_that_they_need(workspace, run):
    layers = '[tool.uv-layers]\nlayers = [{ name = "all" }, { name = "own", project = true }]\n'
    folder = workspace(layers)
    outcome = run("install", "--all", "--package", "api", "--package", "worker", cwd=folder)
    assert outcome.status == 0, outcome.stderr
    own = folder / "layers/own" / SITE
    assert sorted(path.name for path in own.glob("*.dist-info")) == [
        f"{name}-1.0.dist-info" for name in ("api", "lib", "worker")
    ]
    assert run("verify", "--package", "api", "--package", "worker", cwd=folder).status == 0
    # What one of them needs alone makes another tree.
    assert run("install", "own", "--package", "api", cwd=folder).status == 2
    assert run("install", "all", "--package", "api", "--package", "lib", cwd=folder).status == 0
    assert not (folder / "layers/all" / SITE / "helper").exists()


def test_a_tree_of_the_root_is_stale_for_all_members(workspace, run):
    folder = workspace()
    assert run("install", "dependencies", cwd=folder).status == 0
    assert not (folder / "layers/dependencies" / SITE / "web").exists()
    outcome = run("install", "dependencies", "--all-packages", cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert (folder / "layers/dependencies" / SITE / "web").exists()


def test_two_members_in_conflict_are_named(project, packaged, run, tmp_path):
    for name, needs in (("api", "clash<2"), ("worker", "clash>=2")):
        packaged(tmp_path / "app/packages" / name, name, requires=[needs])
    conflicts = '[tool.uv]\nconflicts = [[{ package = "api" }, { package = "worker" }]]\n'
    folder = project(f'[tool.uv.workspace]\nmembers = ["packages/*"]\n{conflicts}')
    for name in ("api", "worker"):
        assert run("plan", "--package", name, cwd=folder).status == 0
    outcome = run("plan", "--package", "api", "--package", "worker", cwd=folder)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(
        "error[refused]: uv refuses this selection: Package `api` and package `worker` are incompat"
    )


def test_a_stale_lock_is_told_whoever_is_chosen(workspace, run):
    folder = workspace()
    folder.edit('"helper"', '"extra-two"', "packages/worker/pyproject.toml")
    for words in (("--package", "api", "--package", "lib"), ("--package", "worker"), ()):
        assert "error[stale-lock]" in run("plan", *words, cwd=folder).stderr


def test_a_member_that_is_none_is_an_error_that_lists_them(workspace, run):
    outcome = run("plan", "--package", "api", "--package", "nope", cwd=workspace())
    assert outcome.status == 2
    assert outcome.stderr == "error[usage]: --package: no member 'nope' in the workspace; members: api, lib, worker\n"


def test_a_workspace_without_a_project_of_its_own_has_members(project, packaged, run, tmp_path):
    packaged(tmp_path / "app/packages/api", "api", requires=["web"])
    packaged(tmp_path / "app/packages/lib", "lib", requires=["speed"])
    folder = project('[tool.uv.workspace]\nmembers = ["packages/*"]\n')
    outcome = run("plan", "--json", "--package", "api", "--package", "lib", cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert outcome.layers == {"dependencies": ["shared", "speed", "web"], "project": ["api", "lib"]}


def test_a_group_on_top_is_that_of_each_member_that_has_one(workspace, run):
    folder = workspace()
    for name, package in (("api", "docs-only"), ("worker", "tests-only")):
        folder.edit(
            "[dependency-groups]\n", f'[dependency-groups]\nmore = ["{package}"]\n', f"packages/{name}/pyproject.toml"
        )
    folder.lock()
    words = ("export", "more", "--json", "--package", "api", "--package", "worker", "--package", "lib")
    outcome = run(*words, cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert [(layer["name"], layer["packages"]) for layer in outcome.result["layers"]] == [("more", 2)]
