"""What a Dockerfile says can be done: its plan stage has all that it needs, and makes the locks that are copied."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import tomli

APP = """\
[project]
name = "My.App"
version = "1"
requires-python = ">=3.10"
dependencies = ["web"]
optional-dependencies = { more = ["extra-one"], most = ["extra-two"] }
[dependency-groups]
heavy = ["numbers"]
docs = ["docs-only"]
dev = ["tests-only"]
[tool.uv]
default-groups = ["heavy"]
"""
MEMBER = APP + '[tool.uv.workspace]\nmembers = ["packages/*"]\n'


def _built(text, context, folder, run):
    """Do what the plan stage does with the files that are mounted into it; return the locks that are copied from it."""
    folder.mkdir()
    [stage] = re.findall(r"^FROM \S+ AS plan\n(RUN .*?)\n(?:\n|$)", text, re.DOTALL | re.MULTILINE)
    words = shlex.split(stage.replace("\\\n", " "))[1:]
    mounts = [word for word in words if word.startswith("--mount=")]
    for mount in mounts:
        options = dict(option.split("=", 1) for option in mount.removeprefix("--mount=").split(","))
        if options["type"] == "cache":
            continue
        target = folder / Path(options["target"]).relative_to("/build")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(context / options["source"], target)
    command = words[len(mounts) :]
    assert command[0] == "uv-layers"
    outcome = run(*command[1:], cwd=folder)
    assert outcome.status == 0, outcome.stderr
    copied = re.findall(r"^COPY --from=plan /build/(pylock\.\S+\.toml) \./$", text, re.MULTILINE)
    assert sorted(copied) == sorted(path.name for path in folder.glob("pylock.*.toml"))
    return {name: tomli.loads((folder / name).read_text(encoding="utf-8")) for name in copied}


def _packages(locks):
    return {
        name.split(".")[1]: [package["name"] for package in lock.get("packages", [])]
        for name, lock in locks.items()
        if "environment" not in lock["tool"]["uv-layers"]
    }


@pytest.mark.parametrize(
    ("words", "layers"),
    [
        ((), {"heavy": ["numbers", "shared"], "dependencies": ["web"]}),
        (("--group", "docs"), {"heavy": ["numbers", "shared"], "docs": ["docs-only"], "dependencies": ["web"]}),
        (("--group", "dev", "--no-group", "heavy"), {"dev": ["tests-only"], "dependencies": ["shared", "web"]}),
        (("--no-default-groups",), {"dependencies": ["shared", "web"]}),
        (("--extra", "more"), {"heavy": ["numbers", "shared"], "dependencies": ["extra-one", "web"]}),
        (("--all-extras",), {"heavy": ["numbers", "shared"], "dependencies": ["extra-one", "extra-two", "web"]}),
        (("docs",), {"heavy": ["numbers", "shared"], "dependencies": ["web"], "docs": ["docs-only"]}),
        (("--config", "ci/one.toml"), {"all": ["numbers", "shared", "web"]}),
        (("--package", "my_app"), {"heavy": ["numbers", "shared"], "dependencies": ["web"]}),
        (("--frozen",), {"heavy": ["numbers", "shared"], "dependencies": ["web"]}),
        (("--prefix", "/app/.venv"), {"heavy": ["numbers", "shared"], "dependencies": ["web"]}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_the_plan_stage_makes_the_locks_that_are_copied(project, run, tmp_path, words, layers):
    app = project(APP)
    (app / "ci").mkdir()
    (app / "ci/one.toml").write_text('layers = [{ name = "all", groups = ["heavy"] }]\n', encoding="utf-8")
    outcome = run("dockerfile", *words, cwd=app)
    assert (outcome.status, outcome.stderr) == (0, "")
    locks = _built(outcome.stdout, app.path, tmp_path / "plan", run)
    assert _packages(locks) == layers
    prefix = "/app/.venv" if "--prefix" in words else "/usr/local"
    assert {lock["tool"]["uv-layers"]["prefix"] for lock in locks.values()} == {prefix}


def test_a_member_of_a_workspace_is_built_from_the_root(project, run, tmp_path):
    root = project(MEMBER, locked=False)
    member = root / "packages/api"
    member.mkdir(parents=True)
    text = '[project]\nname = "api"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["speed"]\n'
    (member / "pyproject.toml").write_text(text, encoding="utf-8")
    root.lock()
    for number, (words, cwd) in enumerate(((("--package", "api"), root), ((), member))):
        outcome = run("dockerfile", *words, cwd=cwd)
        assert (outcome.status, outcome.stderr) == (0, "")
        assert outcome.stdout.endswith("copies\nCOPY --link packages/api ./\n")
        locks = _built(outcome.stdout, root.path, tmp_path / f"plan-{number}", run)
        assert _packages(locks) == {"dependencies": ["speed"]}


def _mounted(text):
    [stage] = re.findall(r"^FROM \S+ AS plan\n(RUN .*?)\n(?:\n|$)", text, re.DOTALL | re.MULTILINE)
    return re.findall("source=([^,]+)", stage)


WORKSPACE = """\
[project]
name = "root"
version = "1"
requires-python = ">=3.10"
dependencies = ["one", "library", "local"]
[tool.uv.workspace]
members = {members}
[tool.uv.sources]
one = {{ workspace = true }}
library = {{ path = "library" }}
local = {{ path = "wheels/local-1.0-py3-none-any.whl" }}
[tool.uv-layers]
layers = [{{ name = "packages", dependencies = true }}, {{ name = "app", project = true }}]
"""


@pytest.mark.parametrize("members", [["members/*"], ["members/one", "members/two"]], ids=["pattern", "names"])
@pytest.mark.parametrize(
    ("words", "mounted"),
    [
        ((), []),
        (("--package", "one"), ["members/one/pyproject.toml"]),
        (("--package", "one", "--package", "two"), ["members/one/pyproject.toml", "members/two/pyproject.toml"]),
        (("--project", "members/two"), ["members/two/pyproject.toml"]),
        (
            ("--project", "members/one", "--package", "two"),
            ["members/one/pyproject.toml", "members/two/pyproject.toml"],
        ),
    ],
    ids=lambda value: "-".join(value).replace("/", "-"),
)
def test_with_frozen_the_plan_stage_has_only_what_uv_reads(
    project, packaged, shelf, run, tmp_path, members, words, mounted
):
    folder = tmp_path / "app"
    for name, requires in (("members/one", ["web"]), ("members/two", ["one", "speed"]), ("library", ["extra-one"])):
        more = "[dependency-groups]\nmore = ['extra-two']\n[tool.uv]\ndefault-groups = ['more']\n"
        if "two" in name:
            more += "[tool.uv.sources]\none = { workspace = true }\n"
        layers = (
            "[tool.uv-layers]\nlayers = [{ name = 'own', dependencies = true }, { name = 'app', project = true }]\n"
        )
        packaged(folder / name, name.rpartition("/")[2], requires=requires, more=more + layers)
    (folder / "wheels").mkdir()
    wheel = shelf.wheel("local", "1.0")
    (folder / "wheels" / wheel.file_name).write_bytes(wheel.content())
    root = project(WORKSPACE.format(members=members))
    locks = []
    for number, frozen in enumerate(((), ("--frozen",))):
        outcome = run("dockerfile", *words, *frozen, cwd=root)
        assert (outcome.status, outcome.stderr) == (0, "")
        locks.append(_built(outcome.stdout, root.path, tmp_path / f"plan-{number}", run))
    assert locks[0] == locks[1]
    assert sum(map(len, _packages(locks[0]).values())) > 1
    assert sorted(_mounted(outcome.stdout)) == sorted(["pyproject.toml", "uv.lock", *mounted])


def test_with_frozen_members_are_left_out_though_the_stage_has_no_pyproject_of_theirs(project, packaged, run, tmp_path):
    packaged(tmp_path / "app/packages/one", "one", requires=["speed"])
    sources = "[tool.uv.sources]\none = { workspace = true }\n"
    layers = '[tool.uv-layers]\nlayers = [{ name = "all", dependencies = true }]\n'
    app = project(MEMBER.replace('["web"]', '["web", "one"]') + sources + layers)
    text = run("dockerfile", "--frozen", cwd=app).stdout
    assert _mounted(text) == ["pyproject.toml", "uv.lock"]
    locks = _built(text, app.path, tmp_path / "plan", run)
    assert _packages(locks) == _packages(_built(run("dockerfile", cwd=app).stdout, app.path, tmp_path / "other", run))
    assert "speed" in str(_packages(locks))


def test_a_folder_that_no_layer_installs_is_refused_as_by_plan(project, packaged, run, tmp_path):
    packaged(tmp_path / "app/library", "library", requires=["speed"])
    sources = '[tool.uv.sources]\nlibrary = { path = "library" }\n'
    layers = '[tool.uv-layers]\nlayers = [{ name = "all", dependencies = true }]\n'
    app = project(APP.replace('["web"]', '["web", "library"]') + sources + layers)
    plan = run("plan", cwd=app)
    assert (plan.status, plan.stdout) == (2, "")
    assert plan.stderr.startswith("error[local-folder]: library comes from the folder library")
    for words in ((), ("--snippet",), ("--write", "Dockerfile"), ("--check", "Dockerfile"), ("--bake",)):
        for base in ((), ("--base", "python:3.12")):
            outcome = run("dockerfile", *words, *base, cwd=app)
            assert (outcome.status, outcome.stdout, outcome.stderr) == (2, "", plan.stderr)
    # Where another group needs it, the image does not.
    app.edit('["web", "library"]', '["web"]')
    app.edit("docs = [", 'docs = ["library", ')
    app.lock()
    assert run("dockerfile", cwd=app).status == 0
    assert run("dockerfile", "--group", "docs", cwd=app).stderr == plan.stderr
    assert run("dockerfile", "docs", cwd=app).stderr == run("export", "docs", cwd=app).stderr == plan.stderr
    # Nor has it what only Windows needs.
    app.edit('["library"', "[\"library; sys_platform == 'win32'\"")
    app.lock()
    assert run("dockerfile", "--group", "docs", cwd=app).status == 0
    app.edit("sys_platform == 'win32'", "platform_machine == 'aarch64'")
    app.lock()
    assert run("dockerfile", "--group", "docs", cwd=app).status == 0
    # A lock that is for that platform alone has no image without it.
    app.edit("[tool.uv]", "[tool.uv]\nenvironments = [\"platform_machine == 'aarch64'\"]")
    app.lock()
    assert run("dockerfile", "--group", "docs", cwd=app).stderr == plan.stderr


@pytest.mark.parametrize(
    ("cwd", "words", "copied"),
    [
        (".", (), ["COPY --link . ./"]),
        ("packages/api", (), ["COPY --link packages/api ./"]),
        (".", ("--package", "api"), ["COPY --link packages/api ./"]),
        # The folder that has both.
        (".", ("--package", "api", "--package", "my-app"), ["COPY --link . ./"]),
        (".", ("--package", "lib"), []),
        (".", ("--package", "api", "--package", "lib"), ["COPY --link packages/api ./"]),
        ("packages/api", ("--copy", "main.py"), ["COPY --link main.py ./main.py"]),
    ],
    ids=str,
)
def test_the_folder_of_a_project_that_is_no_package_is_copied(project, run, packaged, cwd, words, copied):
    root = project(MEMBER, locked=False)
    packaged(root / "packages/lib", "lib")
    (root / "packages/api").mkdir()
    api = '[project]\nname = "api"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["web"]\n'
    (root / "packages/api/pyproject.toml").write_text(api, encoding="utf-8")
    (root / "main.py").touch()
    root.lock()
    outcome = run("dockerfile", *words, cwd=root / cwd)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert outcome.stdout.rpartition("copies\n")[2].splitlines() == copied
    installs = "COPY --link --from=project /build/layers/project/ /" in outcome.stdout.splitlines()
    assert installs is ("lib" in words)


@pytest.mark.parametrize("files", [("src/my_app/__init__.py", "main.py"), ("scripts/deep/run.py",), ()], ids=str)
def test_the_project_itself_is_copied_last_and_whole(project, run, files):
    app = project(APP)
    for name in files:
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).touch()
    text = run("dockerfile", cwd=app).stdout
    assert text.rpartition("copies\n")[2].splitlines() == ["COPY --link . ./"]


@pytest.mark.parametrize("request_", ["3.11", "3.11.4", "cpython@3.11", "cpython3.11"])
def test_the_image_is_that_of_the_python_that_is_asked_for(project, run, request_):
    app = project(APP)
    for words in (("--python", request_), ()):
        (app / ".python-version").write_text("3.13\n" if words else f"{request_}\n", encoding="utf-8")
        text = run("dockerfile", *words, cwd=app, UV_LAYERS_UV="/nowhere/uv").stdout
        assert text.splitlines()[1] == "FROM python:3.11-slim-bookworm AS uv-layers"


def test_without_a_request_the_image_is_that_of_the_interpreter_here(project, run):
    text = run("dockerfile", cwd=project(APP)).stdout
    assert text.splitlines()[1] == f"FROM python:3.{sys.version_info[1]}-slim-bookworm AS uv-layers"


def test_a_file_outside_of_the_context_cannot_be_used(project, run, tmp_path):
    (tmp_path / "outside.toml").write_text("", encoding="utf-8")
    outcome = run("dockerfile", "--config", tmp_path / "outside.toml", cwd=project(APP))
    assert (outcome.status, outcome.stdout) == (2, "")
    assert f"{tmp_path / 'outside.toml'} is outside the build context {tmp_path / 'app'}" in outcome.stderr


def test_groups_that_uv_refuses_together_without_a_package_in_common_are_refused_with_its_words(project, run):
    app = project("""
        [project]
        name = "app"
        version = "1"
        requires-python = ">=3.10"
        [dependency-groups]
        one = ["extra-one"]
        two = ["extra-two"]
        [tool.uv]
        default-groups = []
        conflicts = [[{ group = "one" }, { group = "two" }]]
        """)
    outcome = run("plan", "--group", "one", "--group", "two", cwd=app)
    assert outcome.status == 2
    assert outcome.stderr.startswith("error[refused]: uv refuses this selection: Groups `one` and `two` are ")


def test_a_release_that_may_not_be_on_pypi_is_pointed_out(run_program, project):
    folder = project('[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["web"]\n')
    words = ("dockerfile", "--base", "python:3.12")
    # What the tests run is installed from the checkout or from a wheel.
    ended = run_program(*words, cwd=folder)
    assert (ended.status, ended.stderr.count("\n")) == (0, 1)
    assert re.search(r"^hint: the builder installs uv-layers .* `--tool uv_layers-\S+\.whl`$", ended.stderr)
    assert run_program(*words, "--quiet", cwd=folder).stderr == ""
    assert run_program(*words, "--tool", "0.1.0", cwd=folder).stderr == ""
