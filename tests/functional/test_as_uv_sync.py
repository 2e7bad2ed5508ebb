"""The image has what `uv sync` installs, and what uv refuses for a target is refused in one line."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import uv

TARGET = "3.12.4"
HEAD = '[project]\nname = "{name}"\nversion = "1.0"\nrequires-python = ">=3.10"\n'


def synced(folder, *words, dev=False):
    """Return what `uv sync --frozen --dry-run` would install, or its exit code where it refuses."""
    environ = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder / "none"), "UV_PYTHON_DOWNLOADS": "never"}
    argv = [uv.find_uv_bin(), "sync", "--frozen", "--dry-run", *([] if dev else ["--no-dev"]), *words]
    done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.returncode
    return sorted(re.findall(r"^ \+ (\S+?)(?:==| @ )", done.stderr, re.MULTILINE))


def planned(run, folder, *words):
    """Return the packages of the plan, or its exit code where it is an error of one line."""
    outcome = run("plan", "--json", "--frozen", *words, cwd=folder)
    if outcome.status:
        assert (outcome.stdout, outcome.stderr.count("\n")) == ("", 1), outcome.output
        return outcome.status
    return sorted(name for packages in outcome.layers.values() for name in packages)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a `pyproject.toml` in a folder of the workspace."""

    def write(folder, name, text):
        path = tmp_path / folder / "pyproject.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((HEAD.format(name=name) if name else "") + text)

    return write


A = """\
dependencies = ["web"]
[dependency-groups]
ml = ["numbers"]
mine = ["speed"]
[project.optional-dependencies]
fast = ["extra-one"]
[tool.uv]
default-groups = ["mine"]
"""
B = 'dependencies = ["helper"]\n[dependency-groups]\nml = ["docs-only"]\n'
GROUPS = """\
[dependency-groups]
all = ["tests-only"]
more = ["extra-two"]
[tool.uv]
default-groups = ["all"]
[tool.uv.workspace]
members = ["packages/*"]
"""
SELECTIONS = [
    (),
    ("--group", "ml"),
    ("--group", "more"),
    ("--no-group", "ml"),
    ("--no-default-groups",),
    ("--all-groups",),
    ("--all-groups", "--no-group", "ml"),
    ("--all-groups", "--no-default-groups"),
    ("--all-groups", "--group", "nope"),
    ("--package", "a", "--all-groups"),
    ("--all-packages",),
    ("--all-packages", "--group", "ml"),
    ("--all-packages", "--all-groups", "--all-extras"),
    ("--all-packages", "--package", "a"),
    ("--no-install-package", "shared", "--no-install-package", "Nope"),
    ("--package", "a", "--no-install-package", "web"),
    ("--no-install-package", "w*"),
    ("--extra", "fast"),
    ("--all-extras",),
    ("--package", "a"),
    ("--package", "a", "--group", "ml"),
    ("--package", "a", "--group", "more"),
    ("--package", "a", "--no-group", "more"),
    ("--package", "b", "--group", "mine"),
    ("--package", "b", "--extra", "fast"),
    ("--package", "a", "--package", "b"),
    ("--package", "a", "--package", "b", "--group", "ml"),
    ("--package", "a", "--package", "b", "--group", "more"),
    ("--package", "a", "--package", "b", "--extra", "fast"),
    ("--package", "shared"),
    ("--package", "nope"),
    ("--group", "nope"),
    ("--extra", "nope"),
    ("--extra", "fast,nope"),
    ("--extra", "fast", "--all-extras"),
]


@pytest.mark.parametrize("words", SELECTIONS, ids=" ".join)
@pytest.mark.parametrize("root", ["", "root"], ids=["no project in the root", "a project in the root"])
@pytest.mark.parametrize("folder", ["app", "app/packages/a"])
def test_a_workspace_is_selected_from_as_by_uv(project, write, run, tmp_path, root, folder, words):
    write("app/packages/a", "a", A)
    write("app/packages/b", "b", B)
    project((HEAD.format(name=root) + 'dependencies = ["shared"]\n' if root else "") + GROUPS)
    expected = synced(tmp_path / folder, *words)
    assert planned(run, tmp_path / folder, *words) == expected


@pytest.mark.parametrize("words", [(), ("--package", "ext"), ("--package", "ext", "--package", "app")], ids=" ".join)
def test_members_may_be_outside_of_the_root(project, write, run, tmp_path, words):
    write("ext", "ext", 'dependencies = ["numbers"]\n')
    folder = project(f'{HEAD.format(name="app")}dependencies = ["web"]\n[tool.uv.workspace]\nmembers = ["../ext"]\n')
    assert planned(run, folder, *words) == synced(folder.path, *words)
    assert planned(run, tmp_path / "ext") == 2
    outcome = run("diff", "uv.lock", *words, cwd=folder)
    assert outcome.status == 0, outcome.stderr


@pytest.mark.parametrize(("folder", "words"), [("app", ("--package", "api")), ("app/api", ())])
def test_a_member_may_need_the_root(project, packaged, run, tmp_path, folder, words):
    build = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
    core = "[tool.uv.sources]\ncore = { workspace = true }\n"
    packaged(tmp_path / "app/api", "api", requires=["core", "speed"], more=core)
    members = '[tool.uv.workspace]\nmembers = ["api"]\n'
    project(f'{HEAD.format(name="core")}dependencies = ["numbers"]\n{build}{members}')
    installed = ["api", "core", "numbers", "shared", "speed"]
    assert planned(run, tmp_path / folder, *words) == synced(tmp_path / folder, *words) == installed
    layers = {"dependencies": ["numbers", "shared", "speed"], "project": ["api", "core"]}
    assert run("plan", "--json", *words, cwd=tmp_path / folder).layers == layers
    # uv, too, leaves out the project of the folder, or of --package, and nothing else.
    words = (*words, "--no-install-project")
    assert planned(run, tmp_path / folder, *words) == synced(tmp_path / folder, *words)


@pytest.mark.parametrize("between", ["plain", ""])
def test_what_is_between_a_member_and_its_root_hides_the_root(project, write, run, tmp_path, between):
    write("app/plain", between, "")
    write("app/plain/inner", "inner", 'dependencies = ["web"]\n')
    members = '[tool.uv.workspace]\nmembers = ["plain/inner"]\n'
    project(f'{HEAD.format(name="app")}dependencies = ["shared"]\n{members}')
    assert planned(run, tmp_path / "app", "--package", "inner") == ["shared", "web"]
    outcome = run("plan", cwd=tmp_path / "app/plain/inner")
    assert (outcome.status, outcome.stderr.split(":")[0]) == (2, "error[no-lock]")


def test_a_default_group_may_have_any_name_and_be_named_in_any_spelling(project, run):
    groups = '[dependency-groups]\nproject = ["numbers"]\ndependencies = ["speed"]\n"Some.Rare_One" = ["docs-only"]\n'
    default = '[tool.uv]\ndefault-groups = ["project", "dependencies"]\n'
    folder = project(f'{HEAD.format(name="app")}dependencies = ["web"]\n{groups}{default}')
    layers = {"project": ["numbers", "shared"], "dependencies": ["speed"], "dependencies-2": ["web"]}
    assert run("plan", "--json", cwd=folder).layers == layers
    for words in (
        ("install", "SOME_rare.one", "Project"),
        ("verify", "Some.Rare_One"),
        ("env", "Some.Rare_One", "--shell", "sh"),
        ("export", "Some.Rare_One"),
        ("dockerfile", "Some.Rare_One", "--python", "3.12"),
        ("diff", "uv.lock", "--exit-code", "--layer", "Dependencies_2"),
    ):
        outcome = run(*words, cwd=folder)
        assert outcome.status == 0, outcome.output
    assert sorted(path.name for path in (folder / "layers").glob("[!.]*")) == ["project", "some-rare-one"]
    assert (folder / "pylock.some-rare-one.toml").is_file()
    # From a folder that has nothing but layer locks, too.
    (folder / "stage").mkdir()
    (folder / "pylock.some-rare-one.toml").rename(folder / "stage/pylock.some-rare-one.toml")
    (folder / "pyproject.toml").unlink()
    assert run("install", "Some.Rare_One", cwd=folder / "stage").status == 0


# Targets.


ENVIRONMENTS = """\
dependencies = ["web"]
[tool.uv]
environments = [{environments}]
"""


@pytest.mark.parametrize(
    ("environments", "platform", "python", "fits"),
    [
        ("\"platform_machine == 'x86_64'\"", "linux/amd64", TARGET, True),
        ("\"platform_machine == 'x86_64'\"", "linux/arm64", TARGET, False),
        ("\"platform_machine == 'x86_64'\", \"platform_machine == 'aarch64'\"", "linux/arm64", TARGET, True),
        ("\"python_version >= '3.13'\"", "linux/arm64", TARGET, False),
        ("\"python_version >= '3.13'\"", "linux/arm64", "3.13.1", True),
    ],
)
def test_a_target_that_the_lock_leaves_out_is_refused(project, run, environments, platform, python, fits):
    folder = project(HEAD.format(name="app") + ENVIRONMENTS.format(environments=environments))
    target = ("--platform", platform, "--python", python)
    for words in (("plan",), ("export",), ("diff", "uv.lock")):
        outcome = run(*words, *target, cwd=folder)
        assert outcome.status == (0 if fits else 2), outcome.output
        assert outcome.stderr.startswith("error[unsupported-target]: ") is not fits
    assert not fits or (folder / "pylock.dependencies.toml").is_file()


REQUIRES = """\
dependencies = ["web"]
[dependency-groups]
new = ["numbers"]
with-new = [{ include-group = "new" }, "speed"]
old = ["docs-only"]
[tool.uv]
default-groups = []
[tool.uv.dependency-groups]
new = { requires-python = ">=3.13" }
old = { requires-python = "<3.13" }
"""


@pytest.mark.parametrize(
    ("words", "python", "refused"),
    [
        (("plan",), TARGET, ""),
        (("plan", "--group", "new"), TARGET, "new"),
        (("plan", "--group", "new"), "3.13.1", ""),
        (("plan", "--group", "with_new"), TARGET, "with-new"),
        (("plan", "--group", "new", "--no-group", "new"), TARGET, ""),
        (("export", "new"), TARGET, "new"),
        (("export", "old"), "3.13.1", "old"),
        (("plan", "--group", "old"), TARGET, ""),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_a_group_for_another_python_is_refused(project, run, words, python, refused):
    folder = project(HEAD.format(name="app") + REQUIRES)
    outcome = run(*words, "--platform", "linux/amd64", "--python", python, cwd=folder)
    assert outcome.status == (2 if refused else 0), outcome.output
    assert outcome.stderr.startswith(f"error[python-mismatch]: group '{refused}' needs Python ") is bool(refused)


@pytest.mark.parametrize(
    ("more", "words", "refused"),
    [
        ("[tool.uv]\nenvironments = [\"sys_platform == 'darwin'\"]\n", (), "unsupported-target"),
        ("[tool.uv]\nenvironments = [\"platform_machine == 'aarch64'\"]\n", (), ""),
        ("[tool.uv]\nenvironments = [\"python_full_version >= '3.12.3'\"]\n", (), ""),
        ("[tool.uv]\nenvironments = [\"sys_platform == 'darwin'\"]\n", ("--base", "scratch"), ""),
        (REQUIRES.partition("\n")[2], ("new",), "python-mismatch"),
        (REQUIRES.partition("\n")[2], ("--group", "new"), "python-mismatch"),
        (REQUIRES.partition("\n")[2], ("old",), ""),
    ],
)
def test_a_dockerfile_is_for_what_the_project_supports(project, run, more, words, refused):
    folder = project(f'{HEAD.format(name="app")}dependencies = ["web"]\n{more}')
    outcome = run("dockerfile", "--python", "3.12", *words, cwd=folder)
    assert outcome.status == (2 if refused else 0), outcome.output
    assert outcome.stderr.startswith(f"error[{refused}]: ") is bool(refused)


def test_a_group_that_a_layer_claims_is_refused_too(project, run):
    layers = '[tool.uv-layers]\nlayers = [{ name = "low", groups = ["new"] }, { name = "top" }]\n'
    folder = project(HEAD.format(name="app") + REQUIRES + layers)
    outcome = run("plan", "--platform", "linux/amd64", "--python", TARGET, cwd=folder)
    assert outcome.stderr.startswith("error[python-mismatch]: group 'new' needs Python >=3.13, ")


def test_a_minor_version_of_python_is_its_newest_patch(project, run):
    needs = "dependencies = [\"web; python_full_version >= '3.12.3'\", \"speed; python_full_version < '3.12.3'\"]\n"
    folder = project(HEAD.format(name="app") + needs)
    target = ("--platform", "linux/arm64", "--python")
    assert run("plan", "--json", *target, "3.12", cwd=folder).layers["dependencies"] == ["shared", "web"]
    assert run("plan", "--json", *target, "3.12.0", cwd=folder).layers["dependencies"] == ["speed"]
    # uv knows none of this one.
    assert run("plan", "--json", *target, "3.99", cwd=folder).layers["dependencies"] == ["shared", "web"]


@pytest.mark.parametrize("offline", [True, False])
def test_offline_holds_for_every_call_of_uv(project, run, tmp_path, offline):
    folder = project(f'{HEAD.format(name="app")}dependencies = ["web"]\n')
    assert run("install", "--all", "--layers-dir", "before", cwd=folder).status == 0
    log, told = tmp_path / "log", tmp_path / "told-uv"
    told.write_text(f'#!/bin/sh\necho "${{UV_OFFLINE-}} $1" >> {log}\nexec {uv.find_uv_bin()} "$@"\n')
    told.chmod(0o755)
    words = ["--offline"] * offline
    for command in (
        ("install", "--all"),
        ("plan", "--platform", "linux/arm64", "--python", "3.12"),
        ("plan", "--python", ">=3.10"),
    ):
        assert run(*command, *words, cwd=folder, UV_LAYERS_UV=str(told)).status == 0
    variable, names = zip(*(line.split(" ") for line in log.read_text().splitlines()), strict=True)
    assert set(variable) == {"1" if offline else ""}
    assert {"export", "lock", "pip", "python"} <= set(names)


@pytest.mark.parametrize("words", [("--all-groups",), ("--group", "dev"), ("--all-groups", "--no-group", "docs")])
def test_the_group_dev_is_in_the_image_if_asked_for(project, run, words):
    groups = '[dependency-groups]\ndev = ["tests-only"]\ndocs = ["docs-only"]\n'
    folder = project(f'{HEAD.format(name="app")}dependencies = ["shared"]\n{groups}')
    assert planned(run, folder, *words) == synced(folder.path, *words, dev=True)
    assert "tests-only" in run("plan", "--json", *words, cwd=folder).layers["dev"]


def test_a_layer_may_have_the_group_dev(project, run):
    groups = '[dependency-groups]\ndev = ["tests-only"]\n'
    layers = (
        '[tool.uv-layers]\nlayers = [{ name = "app", dependencies = true }, { name = "tests", groups = ["dev"] }]\n'
    )
    folder = project(f'{HEAD.format(name="app")}dependencies = ["shared"]\n{groups}{layers}')
    assert run("plan", "--json", cwd=folder).layers == {"app": ["shared"], "tests": ["tests-only"]}
    assert planned(run, folder) == synced(folder.path, dev=True)


def test_plan_names_the_groups_that_are_in_no_layer(project, run, tmp_path):
    groups = '[dependency-groups]\ndev = ["tests-only"]\ndocs = ["docs-only"]\nml = ["numbers"]\n'
    default = '[tool.uv]\ndefault-groups = ["ml"]\n'
    folder = project(f'{HEAD.format(name="app")}dependencies = ["shared"]\n{groups}{default}')

    def hints(*words):
        return [line for line in run(*words, cwd=folder).stderr.splitlines() if "not in the image" in line]

    where = "not in the image; to include a group, pass --group, or add it to the `groups` of a layer"
    assert hints("plan") == [f"hint: groups dev, docs are {where}"]
    assert hints("plan", "--group", "docs") == [f"hint: group dev is {where}"]
    assert hints("plan", "--no-group", "docs", "--no-group", "dev") == hints("plan", "--all-groups") == []
    assert hints("export", "-o", tmp_path / "locks") == []


EXCLUDED = '[tool.uv-layers]\nexclude = {}\nlayers = [{{ name = "low", packages = ["web"] }}, {{ name = "top" }}]\n'


@pytest.mark.parametrize(
    ("exclude", "words"),
    [
        (["Web"], ["web"]),
        (["web", "shared"], ["web", "shared"]),
        (["s*"], ["shared", "speed"]),
    ],
)
def test_the_image_goes_without_what_the_table_excludes(project, run, exclude, words):
    folder = project(f'{HEAD.format(name="app")}dependencies = ["web", "speed"]\n{EXCLUDED.format(exclude)}')
    expected = synced(folder.path, *(word for name in words for word in ("--no-install-package", name)))
    assert planned(run, folder) == expected
    assert "matches no package" not in run("plan", cwd=folder).stderr


def test_what_excludes_nothing_is_reported(project, run):
    folder = project(f'{HEAD.format(name="app")}dependencies = ["web", "speed"]\n{EXCLUDED.format(["gone", "speed"])}')
    outcome = run("plan", cwd=folder)
    assert (outcome.status, outcome.stderr.count("matches no package")) == (0, 1)
    assert "hint: exclude: 'gone' matches no package in the image; correct or remove the pattern" in outcome.stderr


def test_an_excluded_local_folder_needs_no_layer(project, packaged, run, tmp_path):
    packaged(tmp_path / "app/lib", "lib", requires=["numbers"])
    source = '[tool.uv.sources]\nlib = { path = "lib" }\n'
    layers = '[tool.uv-layers]\nexclude = ["lib"]\nlayers = [{ name = "all", dependencies = true }]\n'
    folder = project(f'{HEAD.format(name="app")}dependencies = ["lib"]\n{source}{layers}')
    assert planned(run, folder) == synced(folder.path, "--no-install-package", "lib")
    assert run("dockerfile", cwd=folder).status == 0
    folder.edit(layers, "")
    words = ("--no-install-package", "lib")
    assert planned(run, folder, *words) == synced(folder.path, *words)
    assert "project" not in run("plan", "--json", *words, cwd=folder).layers


def test_a_path_dependency_can_be_the_project_that_is_not_installed(project, packaged, run, tmp_path):
    packaged(tmp_path / "app/lib", "lib", requires=["numbers"])
    source = '[tool.uv.sources]\nlib = { path = "lib" }\n'
    folder = project(f'{HEAD.format(name="app")}dependencies = ["lib"]\n{source}')
    words = ("--package", "lib", "--no-install-project")
    assert planned(run, folder, *words) == synced(folder.path, *words)
    assert "lib" in planned(run, folder, "--package", "lib")


@pytest.mark.parametrize("folder", ["app", "app/packages/a"])
def test_a_dockerfile_remembers_how_packages_are_chosen(project, write, run, tmp_path, folder):
    write("app/packages/a", "a", A)
    write("app/packages/b", "b", B)
    project(HEAD.format(name="root") + 'dependencies = ["shared"]\n' + GROUPS)
    words = ("--all-packages", "--all-groups", "--no-install-package", "web")
    path = tmp_path / "app/Dockerfile"
    assert run("dockerfile", "--write", path, *words, cwd=tmp_path / folder).status == 0
    text = path.read_text()
    assert run("dockerfile", "--check", path, cwd=tmp_path / folder).status == 0
    line = next(line for line in text.splitlines() if "uv-layers export" in line)
    argv = line.partition("uv-layers export ")[2].split()
    outcome = run("export", *argv, "--output", tmp_path / "locks", cwd=tmp_path / "app")
    assert outcome.status == 0, outcome.stderr
    names = {
        name
        for lock in (tmp_path / "locks").iterdir()
        for name in re.findall(r'^name = "(.*)"', lock.read_text(), re.MULTILINE)
    }
    assert names >= set(synced(tmp_path / folder, *words)) - {"root", "a", "b"}
    assert "web" not in names


# A wheel that needs a newer glibc than the target has.

NEEDS = """\
[project]
name = "app"
version = "1"
requires-python = ">=3.10"
dependencies = ["accelerated"]
[tool.uv]
package = false
"""
OLD = "x86_64-manylinux_2_28"
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def accelerated(project, index, shelf):
    """Return a function that locks a project whose package has wheels with some tags."""
    before = dict(index.files)

    def make(*tags):
        for tag in tags:
            wheel = shelf.wheel("accelerated", "1.0", tag=tag)
            index.files[wheel.file_name] = wheel.content()
        return project(NEEDS)

    yield make
    index.files.clear()
    index.files.update(before)


@pytest.mark.parametrize("table", ["", '[tool.uv-layers]\nexclude = ["accelerated"]\n'])
def test_a_package_that_is_left_out_needs_no_wheel(accelerated, run, table):
    folder = accelerated("py3-none-win_amd64")
    words = ("--no-install-package", "accelerated")
    assert run("plan", cwd=folder).stderr.startswith("error[no-wheel]: accelerated 1.0")
    folder.edit("[tool.uv]\n", f"{table}[tool.uv]\n")
    assert planned(run, folder, *(() if table else words)) == synced(folder, *words) == []
    # The same for a layer on top of the image.
    folder.edit('dependencies = ["accelerated"]', '[dependency-groups]\nml = ["accelerated", "web"]')
    folder.lock()
    outcome = run("export", "ml", *(() if table else words), cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert "accelerated" not in (folder / "pylock.ml.toml").read_text()


def test_the_oldest_glibc_that_has_a_wheel_is_named(accelerated, run):
    folder = accelerated(*(f"py3-none-manylinux_2_{minor}" for minor in ("39_x86_64", "34_x86_64", "17_aarch64")))
    outcome = run("plan", "--platform", OLD, cwd=folder)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        f"error[no-wheel]: accelerated 1.0 has no wheel for CPython {HERE} on linux x86_64 with glibc 2.28, only for "
        "glibc 2.34; use a base image with glibc 2.34 or newer, and pass "
        "--platform x86_64-manylinux_2_34 whenever you run uv-layers outside that image\n"
    )
    assert synced(folder, "--python-platform", OLD) == 2
    newer = "x86_64-manylinux_2_34"
    packages = planned(run, folder, "--platform", newer)
    assert packages == synced(folder, "--python-platform", newer) == ["accelerated"]


@pytest.mark.parametrize(
    ("tag", "platform"),
    [
        ("cp311-cp311-manylinux_2_34_x86_64", OLD),
        ("cp312-cp312-manylinux_2_34_aarch64", OLD),
        ("cp312-cp312-macosx_11_0_arm64", OLD),
        ("cp312-cp312-manylinux_2_34_x86_64", "x86_64-unknown-linux-musl"),
    ],
)
def test_no_glibc_is_named_where_another_one_does_not_help(accelerated, run, tag, platform):
    outcome = run("plan", "--platform", platform, "--python", "3.12", cwd=accelerated(tag))
    assert outcome.status == 2
    assert "error[no-wheel]: accelerated 1.0 has no wheel for CPython 3.12 on linux x86_64, " in outcome.stderr
    assert "glibc" not in outcome.stderr


def test_a_wheel_for_several_platforms_counts_for_the_oldest_of_each(accelerated, run):
    folder = accelerated("cp312-abi3-manylinux_2_34_x86_64.manylinux_2_35_x86_64", "cp311-abi3-manylinux_2_36_x86_64")
    outcome = run("plan", "--platform", OLD, "--python", "3.12", cwd=folder)
    assert "only for glibc 2.34;" in outcome.stderr


# As the PyTorch indexes do: each extra has its own version, from an index of its own.

TORCH = """\
[project]
name = "app"
version = "1"
requires-python = ">=3.10"
dependencies = ["web"]
[project.optional-dependencies]
cpu = ["clash==2.0"]
gpu = ["clash==2.0", "vendor-core"]
[tool.uv]
package = false
conflicts = [[{ extra = "cpu" }, { extra = "gpu" }]]
[tool.uv.sources]
clash = [{ index = "cpu", extra = "cpu" }, { index = "gpu", extra = "gpu" }]
[[tool.uv.index]]
name = "cpu"
url = "CPU"
explicit = true
[[tool.uv.index]]
name = "gpu"
url = "GPU"
explicit = true
"""
LAYERS = """\
[tool.uv-layers]
layers = [
  {{ name = "torch", packages = ["clash", "vendor-*"], extras = {} }},
  {{ name = "app", dependencies = true }},
]
"""


@pytest.fixture
def torch(project, index):
    """Return a function that locks the project, with a layer that claims some extras."""

    def make(*extras):
        text = TORCH.replace("CPU", index.cpu_url).replace("GPU", index.url)
        return project(text + LAYERS.format(list(extras)))

    return make


def versions(text):
    return sorted(re.findall(r"^name = \"(\S+)\"\nversion = \"(\S+)\"", text, re.MULTILINE))


def exported(folder, *words):
    argv = [uv.find_uv_bin(), "export", "--quiet", "--frozen", "--no-dev", "--format", "pylock.toml", *words]
    return versions(subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize(("extra", "version"), [("cpu", "2.0+cpu"), ("gpu", "2.0")])
def test_each_of_two_extras_that_conflict_has_its_image(torch, run, extra, version):
    folder = torch()
    assert planned(run, folder, "--extra", extra) == synced(folder, "--extra", extra)
    assert run("export", "--frozen", "--extra", extra, "--output", "locks", cwd=folder).status == 0
    locks = [(folder / "locks" / f"pylock.{name}.toml").read_text() for name in ("torch", "app")]
    assert ("clash", version) in versions(locks[0])
    assert sorted(pin for lock in locks for pin in versions(lock)) == exported(folder, "--extra", extra)


def test_both_extras_at_once_are_refused(torch, run):
    words = ("--extra", "cpu", "--extra", "gpu")
    assert planned(run, torch(), *words) == synced(torch(), *words) == 2


@pytest.mark.parametrize("extra", ["cpu", "gpu"])
def test_a_layer_may_claim_one_of_two_extras_that_conflict(torch, run, extra):
    folder = torch(extra)
    assert planned(run, folder) == synced(folder, "--extra", extra)
