"""`uv-layers diff`: which layers an update changes, why, and what is pulled."""

from __future__ import annotations

import re
import subprocess
import tempfile

import pytest
import uv
from support import commit

HEAD = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
"""
APP = f"""\
{HEAD}dependencies = ["web==1.0"]

[dependency-groups]
heavy = ["numbers", "shared==1.0"]

[tool.uv]
default-groups = ["heavy"]
"""
SAME = {"heavy": ("same", []), "dependencies": ("same", [])}
WEB = {"heavy": ("same", []), "dependencies": ("changed", ["web updated 1.0 1.1"])}
SHARED = {"heavy": ("changed", ["shared updated 1.0 1.1"]), "dependencies": ("same", [])}


def changes(outcome):
    """Return what becomes of each layer, by `diff --json`."""
    assert (outcome.status, outcome.stderr) == (0, "")
    return {
        found["name"]: (found["status"], [" ".join(str(v) for v in c.values() if v) for c in found["changes"]])
        for found in outcome.result["layers"]
    }


@pytest.fixture
def app(project, git):
    """Return a project in a repository, with one commit."""
    folder = project(APP)
    git(folder, "init", "-q")
    commit(git, folder)
    return folder


def update(folder, name, old="1.0", new="1.1"):
    folder.edit(f"{name}=={old}", f"{name}=={new}")
    folder.lock()


# Revisions


def test_the_sources_of_the_project_are_not_said_to_be_the_same(project, packaged, git, run, tmp_path):
    folder = project(packaged(tmp_path / "own", "own", requires=("web",)), name="own")
    git(folder, "init", "-q")
    commit(git, folder)
    same, unknown = ("same", []), ("unknown", [])
    assert changes(run("diff", "HEAD", "--json", cwd=folder)) == {"dependencies": same, "project": unknown}
    (folder / "own/__init__.py").write_text("NAME = 'other'\n", encoding="utf-8")
    found = run("diff", "HEAD", cwd=folder)
    assert found.stdout.splitlines()[-1] == (
        "no layers change; nothing to pull; the sources in layer project are not compared"
    )
    assert run("diff", "HEAD", "--exit-code", cwd=folder).status == 0
    assert run("diff", "HEAD", "--exit-code", "--layer", "dependencies", cwd=folder).status == 0
    assert run("diff", "HEAD", "--exit-code", "--layer", "project", cwd=folder).status == 1
    # Layer locks have no layer of the project: it is not added.
    assert run("export", "--output", "locks", cwd=folder).status == 0
    assert changes(run("diff", "locks", "--json", cwd=folder)) == {"dependencies": same}
    assert changes(run("diff", "HEAD", "locks", "--json", cwd=folder)) == {"dependencies": same}


def test_a_revision_against_the_working_tree(app, run, index):
    assert changes(run("diff", "HEAD", "--json", cwd=app)) == SAME
    update(app, "web")
    found = run("diff", "HEAD", "--json", cwd=app)
    assert changes(found) == WEB
    pulled = len(index.files["web-1.1-py3-none-any.whl"])
    assert found.result["bytes"] == pulled
    assert [layer["bytes"] for layer in found.result["layers"]] == [0, pulled]


def test_a_lock_that_is_stale_is_taken_as_it_is(app, run):
    app.edit("web==1.0", "web==1.1")
    assert changes(run("diff", "HEAD", "--json", cwd=app)) == SAME


def test_two_revisions_whatever_the_working_tree_is(app, git, run):
    update(app, "web")
    commit(git, app)
    git(app, "tag", "v2")
    update(app, "shared")
    commit(git, app)
    (app / "uv.lock").write_text("spoiled\n")
    assert changes(run("diff", "v2~1", "v2", "--json", cwd=app)) == WEB
    assert changes(run("diff", "v2", "main", "--json", cwd=app)) == SHARED
    assert changes(run("diff", "HEAD~2", "HEAD", "--json", cwd=app)) == {**WEB, "heavy": SHARED["heavy"]}
    assert changes(run("diff", "HEAD~1", "HEAD~2", "--json", cwd=app)) == {
        **SAME,
        "dependencies": ("changed", ["web updated 1.1 1.0"]),
    }


def test_layers_are_those_that_each_revision_has(app, git, run):
    layers = '{ name = "light", groups = ["heavy"], dependencies = true }'
    app.edit(
        "[tool.uv]", f"[tool.uv-layers]\nlayers = [{{ name = 'base', packages = ['numbers'] }}, {layers}]\n[tool.uv]"
    )
    commit(git, app)
    expected = {
        "base": ("added", ["numbers moved 1.1 1.1 heavy"]),
        "light": ("added", ["shared moved 1.0 1.0 heavy", "web moved 1.0 1.0 dependencies"]),
        "heavy": ("removed", ["numbers moved 1.1 1.1 base", "shared moved 1.0 1.0 light"]),
        "dependencies": ("removed", ["web moved 1.0 1.0 light"]),
    }
    found = run("diff", "HEAD~1", "HEAD", "--json", cwd=app)
    assert changes(found) == expected
    assert [layer["bytes"] == layer["bytes_unchanged"] for layer in found.result["layers"]] == [True] * 4
    assert found.result["bytes"] > 0


@pytest.mark.parametrize("name", ["uv-layers.toml", "gpu.toml"])
def test_a_file_of_layers_is_that_of_the_revision(app, git, run, name):
    base = "layers = [{ name = 'base', packages = ['numbers'] }, { name = 'top', dependencies = true }]\n"
    (app / name).write_text(base)
    commit(git, app)
    (app / name).write_text(base.replace("'numbers'", "'shared'").replace("name = 'top'", "name = 'rest'"))
    words = () if name == "uv-layers.toml" else ("--config", name)
    found = changes(run("diff", "HEAD", "--json", *words, cwd=app))
    assert {layer: status for layer, (status, _) in found.items()} == {
        "base": "changed",
        "rest": "added",
        "top": "removed",
    }
    assert changes(run("diff", "HEAD", "HEAD", "--json", *words, cwd=app)).keys() == {"base", "top"}


def test_a_file_of_layers_that_the_revision_lacks_is_taken_from_here(app, run, tmp_path):
    text = "layers = [{ name = 'base', packages = ['numbers'] }, { name = 'top', dependencies = true }]\n"
    for place in (app / "gpu.toml", tmp_path / "gpu.toml"):
        place.write_text(text)
        found = changes(run("diff", "HEAD", "--json", "--config", place, cwd=app))
        assert found == {"base": ("same", []), "top": ("same", [])}


def test_a_member_of_a_workspace(project, git, run):
    folder = project(f"{HEAD}[tool.uv.workspace]\nmembers = ['members/*']\n", locked=False)
    for name, needs in (("one", "web==1.0"), ("two", "shared==1.0")):
        (folder / f"members/{name}").mkdir(parents=True)
        text = f'{HEAD.replace("app", name)}dependencies = ["{needs}"]\n'
        (folder / f"members/{name}/pyproject.toml").write_text(text)
    folder.lock()
    git(folder, "init", "-q")
    commit(git, folder)
    folder.edit("web==1.0", "web==1.1", "members/one/pyproject.toml")
    folder.lock()
    one = {"dependencies": ("changed", ["web updated 1.0 1.1"])}
    two = {"dependencies": ("same", [])}
    assert changes(run("diff", "HEAD", "--json", "--package", "one", cwd=folder)) == one
    assert changes(run("diff", "HEAD", "--json", "--package", "two", cwd=folder)) == two
    assert changes(run("diff", "HEAD", "--json", cwd=folder / "members/one")) == one
    assert changes(run("diff", "HEAD", "--json", "--project", "members/two", cwd=folder)) == two


def test_a_project_in_a_folder_of_its_repository(project, git, run, tmp_path):
    folder = project(APP, name="repo/services/app")
    git(tmp_path / "repo", "init", "-q")
    (tmp_path / "repo/pyproject.toml").write_text("not = 'ours'\n")
    commit(git, tmp_path / "repo")
    update(folder, "web")
    assert changes(run("diff", "HEAD", "--json", cwd=folder)) == WEB
    assert changes(run("diff", "HEAD", "--json", "--project", "services/app", cwd=tmp_path / "repo")) == WEB


def test_files_that_are_links_are_what_they_lead_to(project, git, run, tmp_path):
    folder = project(APP, name="repo/app")
    (tmp_path / "repo/shared").mkdir()
    git(tmp_path / "repo", "init", "-q")
    for name in ("pyproject.toml", "uv.lock"):
        (folder / name).rename(tmp_path / "repo/shared" / name)
        (folder / name).symlink_to(f"../shared/then-{name}")
        (tmp_path / "repo/shared" / f"then-{name}").symlink_to(name)
    (folder / ".python-version").symlink_to("/nowhere")
    commit(git, tmp_path / "repo")
    folder.edit("web==1.0", "web==1.1")
    folder.lock()
    assert changes(run("diff", "HEAD", "--json", cwd=folder)) == WEB
    for target in ("uv.lock", "/nowhere", "../nothing", "../../outside"):
        (folder / "uv.lock").unlink()
        (folder / "uv.lock").symlink_to(target)
        commit(git, tmp_path / "repo")
        (folder / "uv.lock").unlink()
        folder.lock()
        found = run("diff", "HEAD", cwd=folder)
        assert (found.status, found.stderr) == (
            2,
            f"error[git]: HEAD has no uv.lock in {folder.path}; commit it, or choose another revision\n",
        )


@pytest.mark.parametrize("name", ["uv.lock", "pyproject.toml"])
def test_a_revision_from_before_the_project_is_said_to_be_that(project, git, run, tmp_path, name):
    folder = project(APP, name="repo/app")
    git(tmp_path / "repo", "init", "-q")
    (tmp_path / "repo/pyproject.toml").write_text(HEAD)
    text = (folder / name).read_text()
    (folder / name).unlink()
    commit(git, tmp_path / "repo")
    (folder / name).write_text(text)
    found = run("diff", "HEAD", cwd=folder)
    assert (found.status, found.stdout) == (2, "")
    assert found.stderr == f"error[git]: HEAD has no {name} in {folder.path}; commit it, or choose another revision\n"


def test_a_revision_that_there_is_not(app, run):
    found = run("diff", "HEAD", "v9.9", cwd=app)
    assert (found.status, found.stdout) == (2, "")
    assert found.stderr == "error[git]: 'v9.9' is neither a uv.lock, a folder of layer locks nor a git revision\n"


def test_without_a_repository_the_error_says_what_else_can_be_compared(project, run):
    found = run("diff", "HEAD", cwd=project(APP))
    assert found.status == 2
    start = "error[git]: HEAD is neither a uv.lock, a folder of layer locks nor a git revision: git rev-parse failed: "
    assert found.stderr.startswith(start)


def test_a_shallow_clone_compares_what_it_has(app, git, run, tmp_path):
    update(app, "web")
    commit(git, app)
    git(tmp_path, "clone", "-q", "--depth", "1", app.path.as_uri(), "clone")
    clone = tmp_path / "clone"
    assert changes(run("diff", "HEAD", "--json", cwd=clone)) == SAME
    found = run("diff", "HEAD~1", cwd=clone)
    assert found.status == 2
    assert "nor a git revision (this clone is shallow: `git fetch --unshallow`" in found.stderr


def test_nothing_is_written(app, git, run):
    commit_of = git(app, "rev-parse", "HEAD")
    update(app, "web")

    def state():
        return {p: (p.stat().st_mtime_ns, p.is_file() and p.read_bytes()) for p in app.path.rglob("*")}

    before = state()
    assert run("diff", commit_of, cwd=app).status == 0
    assert state() == before


# Locks


def test_two_lock_files_where_there_is_no_repository(project, run, index):
    folder = project(APP)
    (folder / "uv.lock").rename(folder / "old.lock")
    update(folder, "shared")
    found = run("diff", "old.lock", "uv.lock", "--json", cwd=folder)
    assert changes(found) == SHARED
    heavy = found.result["layers"][0]
    assert heavy["bytes"] - heavy["bytes_unchanged"] == len(index.files["shared-1.1-py3-none-any.whl"])
    numbers = {len(content) for name, content in index.files.items() if name.startswith("numbers-1.1-")}
    assert heavy["bytes_unchanged"] in numbers
    assert changes(run("diff", "old.lock", "--json", cwd=folder)) == SHARED
    assert changes(run("diff", "uv.lock", "old.lock", "--json", cwd=folder))["heavy"][1] == ["shared updated 1.1 1.0"]


def test_a_lock_file_is_for_the_python_of_the_project(project, run):
    old = "extra-one; python_version < '3.11'"
    folder = project(f'{HEAD}dependencies = ["web", "{old}"]\n')
    (folder / ".python-version").write_text("3.10\n")
    (folder / "uv.lock").rename(folder / "old.lock")
    folder.edit(old, "extra-one")
    folder.lock()
    found = run("diff", "old.lock", "--platform", "linux/amd64", "--json", cwd=folder)
    assert changes(found) == {"dependencies": ("same", [])}


def test_a_lock_file_that_is_no_text(project, run):
    folder = project(APP)
    (folder / "old.lock").write_bytes(b"\xff\xfe")
    found = run("diff", "old.lock", cwd=folder)
    assert (found.status, found.stdout) == (2, "")
    assert found.stderr.startswith("error[unreadable-file]: cannot read old.lock: 'utf-8' codec")


def test_a_lock_file_with_layers_of_a_file_elsewhere(project, run, tmp_path):
    folder = project(APP)
    (tmp_path / "elsewhere.toml").write_text("layers = [{ name = 'all', dependencies = true }]\n")
    (folder / "uv.lock").rename(folder / "old.lock")
    update(folder, "web")
    found = run("diff", "old.lock", "--json", "--config", tmp_path / "elsewhere.toml", cwd=folder)
    assert changes(found) == {"all": ("changed", ["web updated 1.0 1.1"])}


def test_folders_of_layer_locks_need_no_project(project, run, tmp_path):
    folder = project(APP)
    assert run("export", "-o", tmp_path / "before", cwd=folder).status == 0
    update(folder, "web")
    assert run("export", "-o", tmp_path / "after", cwd=folder).status == 0
    assert changes(run("diff", "before", "after", "--json", cwd=tmp_path)) == WEB
    assert changes(run("diff", tmp_path / "after", "--json", cwd=folder)) == SAME
    (tmp_path / "after/pylock.heavy.toml").unlink()
    assert changes(run("diff", "before", "after", "--json", cwd=tmp_path))["heavy"] == (
        "removed",
        ["numbers removed 1.1", "shared removed 1.0"],
    )


def test_a_folder_without_layer_locks_may_be_the_name_of_a_revision(app, git, run):
    git(app, "branch", "release")
    (app / "release").mkdir()
    assert changes(run("diff", "release", "--json", cwd=app)) == SAME


@pytest.mark.parametrize(
    ("layer", "package", "code"),
    [("heavy|`<b>", "numbers", "bad-layer-name"), ("heavy", "numb`|<b>", "bad-layer-lock")],
    ids=["layer", "package"],
)
def test_a_name_that_could_break_markdown_is_refused(project, run, tmp_path, layer, package, code):
    folder = project(APP)
    assert run("export", "heavy", "-o", tmp_path / "locks", cwd=folder).status == 0
    lock = tmp_path / "locks/pylock.heavy.toml"
    text = lock.read_text()
    lock.unlink()
    (tmp_path / f"locks/pylock.{layer}.toml").write_text(text.replace('name = "numbers"', f'name = "{package}"'))
    found = run("diff", "locks", "locks", "--format", "markdown", cwd=tmp_path)
    assert (found.status, found.stdout) == (2, "")
    assert found.stderr.startswith(f"error[{code}]: ")


# What is printed, and how it ends


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ((), 0),
        (("--exit-code",), 1),
        (("--exit-code", "--layer", "dependencies"), 1),
        (("--exit-code", "--layer", "heavy"), 0),
        (("--exit-code", "--layer", "heavy", "--layer", "dependencies"), 1),
        (("--layer", "dependencies"), 0),
    ],
    ids=["not asked", "any", "it", "not it", "both", "asked without"],
)
def test_the_exit_code_tells_whether_a_layer_changes(app, run, words, status):
    update(app, "web")
    found = run("diff", "HEAD", *words, cwd=app)
    assert (found.status, found.stderr) == (status, "")
    assert "web 1.0 -> 1.1" in found.stdout
    assert run("diff", "HEAD", *words, "--json", cwd=app).status == status


def test_no_change_ends_with_0(app, run):
    found = run("diff", "HEAD", "--exit-code", cwd=app)
    assert (found.status, found.stdout.splitlines()[-1]) == (0, "no layers change; nothing to pull")


def test_a_layer_that_neither_side_has(app, run):
    found = run("diff", "HEAD", "--exit-code", "--layer", "nope", cwd=app)
    assert (found.status, found.stdout) == (2, "")
    assert found.stderr == "error[unknown-layer]: no layer or dependency group 'nope'; layers: heavy, dependencies\n"


def test_a_table_and_markdown(app, run):
    update(app, "web")
    *table, _, line = run("diff", "HEAD", cwd=app).stdout.splitlines()
    size = r"\d{3} B"
    assert re.fullmatch(rf"1 of 2 layers changes, {size} to pull", line)
    assert re.fullmatch(rf"dependencies +changed +{size} +web 1\.0 -> 1\.1", table[-1])
    assert re.fullmatch(
        rf"\*\*Image layers:\*\* {line}\n\n\| layer .*\n\|---.*\n\| `heavy` \| same \|  \|  \|\n"
        rf"\| `dependencies` \| changed \| {size} \|  \|\n\n"
        r"<details><summary><code>dependencies</code>: 1 change</summary>\n\n"
        r"- `web 1\.0 -> 1\.1`\n\n</details>\n",
        run("diff", "HEAD", "--format", "markdown", cwd=app).stdout,
    )


def test_another_prefix_changes_every_layer(app, run):
    app.edit("[tool.uv]", '[tool.uv-layers]\n    prefix = "/opt"\n    [tool.uv]')
    ended = run("diff", "HEAD", "--json", "--exit-code", cwd=app)
    assert ended.status == 1
    layers = ended.result["layers"]
    assert {layer["status"] for layer in layers} == {"changed"}
    assert all(layer["bytes"] == layer["bytes_unchanged"] for layer in layers)
    [change] = layers[0]["changes"]
    assert (change["package"], change["kind"], change["old"], change["new"]) == (
        "prefix",
        "setting",
        "/usr/local",
        "/opt",
    )


# Histories as they are


@pytest.fixture
def history(project, git):
    """Return a function that commits projects, one after the other, in one folder."""

    def history(*texts):
        folder, before = project(texts[0]), texts[0]
        git(folder, "init", "-q")
        commit(git, folder)
        for text in texts[1:]:
            folder.edit(before, text)
            before = text
            folder.lock()
            commit(git, folder)
        return folder

    return history


def test_a_revision_without_dependencies(history, run):
    folder = history(HEAD, APP)
    assert changes(run("diff", "HEAD~1", "--json", cwd=folder)) == {
        "heavy": ("added", ["numbers added 1.1", "shared added 1.0"]),
        "dependencies": ("added", ["web added 1.0"]),
    }
    assert {status for status, _ in changes(run("diff", "HEAD", "HEAD~1", "--json", cwd=folder)).values()} == {
        "removed"
    }
    assert changes(run("diff", "HEAD~1", "HEAD~1", "--json", cwd=folder)) == {}
    # Of the project as it is here, there has to be something.
    folder.edit(APP, HEAD)
    folder.lock()
    assert run("diff", "HEAD", cwd=folder).stderr.startswith("error[no-layers]: ")


@pytest.mark.parametrize("words", [("--group", "ml"), ("--extra", "fast"), ("--no-group", "ml"), ("--all-groups",)])
def test_a_revision_without_a_group_or_an_extra_that_there_is_now(history, run, words):
    more = '[project.optional-dependencies]\nfast = ["extra-one"]\n[dependency-groups]\nml = ["speed"]\n'
    before = f'{HEAD}dependencies = ["web==1.0"]\n'
    folder = history(before, f"{before}{more}")
    added = {"--group": "speed", "--all-groups": "speed", "--extra": "extra-one"}.get(words[0])
    for sides, kind in ((["HEAD~1"], "added"), (["HEAD~1", "HEAD"], "added"), (["HEAD", "HEAD~1"], "removed")):
        found = changes(run("diff", *sides, *words, "--json", cwd=folder))
        said = [text for _, texts in found.values() for text in texts]
        assert [text for text in said if f"{added} {kind}" in text] == said[:1] == ([] if added is None else said)
    # The same if the group or the extra was in OLD, and is no longer in the working tree.
    folder.edit(f"{before}{more}", before)
    folder.lock()
    assert [run("diff", "HEAD", *words, "--json", cwd=folder).result] == [
        run("diff", "HEAD", "HEAD~1", *words, "--json", cwd=folder).result
    ]


@pytest.mark.parametrize(
    ("words", "code"),
    [(("--group", "nope"), "group"), (("--no-group", "nope"), "group"), (("--extra", "nope"), "extra")],
)
def test_a_name_that_no_side_has_is_an_error(app, run, words, code):
    for sides in (["HEAD"], ["HEAD", "HEAD"]):
        found = run("diff", *sides, *words, cwd=app)
        assert (found.status, found.stderr.split(":")[0]) == (2, f"error[unknown-{code}]")


@pytest.mark.parametrize(
    "layers",
    [
        '{ name = "new", groups = ["ml"], extras = ["fast"] }, { name = "rest", dependencies = true }',
        '{ name = "new", packages = ["spee*", "extra-one"] }, { name = "rest", dependencies = true }',
    ],
)
@pytest.mark.parametrize("where", ["pyproject.toml", "uv-layers.toml", "gpu.toml"])
def test_layers_that_are_configured_only_now(history, git, run, where, layers):
    more = '[project.optional-dependencies]\nfast = ["extra-one"]\n[dependency-groups]\nml = ["speed"]\n'
    deps = f'{HEAD}dependencies = ["web==1.0"]\n'
    deps_more = f'{HEAD}dependencies = ["web==1.0", "speed"]\n{more}'
    folder = history(deps, deps_more)
    if where == "pyproject.toml":
        folder.edit(more, f"{more}[tool.uv-layers]\nlayers = [{layers}]\n")
    else:
        (folder / where).write_text(f"layers = [{layers}]\n")
    words = ("--config", where) if where == "gpu.toml" else ()
    found = changes(run("diff", "HEAD~1", *words, "--json", cwd=folder))
    assert any(text.startswith("speed added") for text in found["new"][1])
    # With --config, the layers from here are those of the revision, too.
    moved = ["shared moved 1.1 1.1 dependencies", "web moved 1.0 1.0 dependencies"]
    assert found["rest"] == (("same", []) if words else ("added", moved))


@pytest.mark.parametrize("name", ["pyproject.toml", "uv.toml"])
def test_a_revision_that_required_another_uv(app, git, run, name):
    required = 'required-version = "==0.1.0"\n'
    before = (app / "pyproject.toml").read_text()
    if name == "uv.toml":
        (app / name).write_text(required)
    else:
        app.edit("[tool.uv]\n", f"[tool.uv]\n{required}")
    commit(git, app)
    assert run("plan", cwd=app).status == 3
    (app / "uv.toml").unlink(missing_ok=True)
    (app / "pyproject.toml").write_text(before)
    update(app, "web")
    expected = WEB if name != "uv.toml" else changes(run("diff", "HEAD~1", "--json", cwd=app))
    assert changes(run("diff", "HEAD", "--json", cwd=app)) == expected
    commit(git, app)
    assert changes(run("diff", "HEAD~1", "HEAD", "--json", cwd=app)) == expected


@pytest.mark.parametrize(
    ("old", "new", "code", "problem"),
    [
        (
            '["heavy"]',
            '["gone"]',
            "unknown-group",
            "pyproject.toml: tool.uv.default-groups: no dependency group 'gone'",
        ),
        (
            "[tool.uv]\n",
            "[tool.uv-layers]\nlayers = 3\n[tool.uv]\n",
            "bad-config",
            "pyproject.toml: tool.uv-layers.layers: must be",
        ),
        (
            "[tool.uv]\n",
            '[tool.uv]\nrequired-version = "x"\n[tool.uv]\n',
            "unreadable-file",
            "cannot read pyproject.toml: ",
        ),
        ("[tool.uv]\n", "[required-version]\n[tool.uv]\nenvironments = 3\n", "uv-failed", ""),
    ],
)
def test_an_error_says_in_which_revision_it_is(app, git, run, old, new, code, problem):
    before = (app / "pyproject.toml").read_text()
    app.edit(old, new)
    commit(git, app)
    (app / "pyproject.toml").write_text(before)
    found = run("diff", "HEAD", cwd=app)
    assert f"error[{code}]: in HEAD: {problem}" in found.stderr
    assert tempfile.gettempdir() not in found.stderr.rpartition("error[")[2].split(";")[0]


def test_no_line_of_the_table_is_longer_than_120_characters_in_a_pipe(history, run):
    names = (
        "web",
        "numbers",
        "speed",
        "extra-one",
        "extra-two",
        "helper",
        "tests-only",
        "vendor-maths",
        "vendor-more",
    )
    folder = history(HEAD, f"{HEAD}dependencies = {list(names)}\n")
    lines = run("diff", "HEAD~1", cwd=folder).stdout.splitlines()
    assert 110 < max(map(len, lines)) <= 120
    assert all(any(f"+{name}" in line for line in lines) for name in names)


def test_a_stale_lock_is_reported_with_the_reason_of_uv(app, run):
    app.edit("web==1.0", "web==1.1")
    argv = [uv.find_uv_bin(), "lock", "--check", "--verbose"]
    said = subprocess.run(argv, cwd=app, capture_output=True, text=True, check=False).stderr
    [reason] = re.findall("existing lockfile due to (.+)", said)
    assert f"uv.lock does not match pyproject.toml ({reason}); run `uv lock`" in run("plan", cwd=app).stderr
