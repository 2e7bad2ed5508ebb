"""The stages of a Dockerfile, done with folders of this machine: what is mounted and copied is all that they need."""

from __future__ import annotations

import re
import shlex
import shutil
import sys

import pytest
from support import said

PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
LAYERS = '[tool.uv-layers]\nlayers = [{ name = "packages", dependencies = true }, { name = "app", project = true }]\n'
MAIN = {"app/main.py": "import web\n\n\ndef main():\n    print('app with web', web.VERSION)\n"}


@pytest.fixture
def build(run, tmp_path):
    """Return a function that builds the stages of a Dockerfile from a context, and puts the trees together at a prefix.

    Each stage has a folder in place of /build, with what is mounted or copied into it and nothing else.
    """

    def call(text, context, prefix):
        numbers = len(list(tmp_path.glob("stages-*")))
        stages = tmp_path / f"stages-{numbers}"
        for block in text.partition("# <<< uv-layers stages")[0].split("\n\n")[1:]:
            [name] = re.findall(r"^FROM uv-layers AS (\S+)$", block, re.MULTILINE)
            (stages / name).mkdir(parents=True)
            for words in map(shlex.split, re.findall(r"^(?:COPY|RUN) .*", block.replace("\\\n", " "), re.MULTILINE)):
                _do(words, name, stages, context, run)
        place = tmp_path / f"image-{numbers}"
        for stage, tree in re.findall(r"^COPY --link --from=(\S+) /build/(\S+) /$", text, re.MULTILINE):
            shutil.copytree(stages / stage / tree, place, symlinks=True, dirs_exist_ok=True)
        return place / prefix.lstrip("/")

    return call


def _do(words, name, stages, context, run):
    folder = stages / name
    if words[0] == "COPY" and words[1] == ".":
        assert words[2] == "/build/project"
        shutil.copytree(context, folder / "project")
    elif words[0] == "COPY":
        source = words[1].removeprefix("--from=")
        assert words[3] == "./"
        shutil.copy(stages / source / words[2].removeprefix("/build/"), folder)
    else:
        mounts = [word for word in words[1:] if word.startswith("--mount=")]
        for mount in mounts:
            options = dict(option.split("=", 1) for option in mount.removeprefix("--mount=").split(","))
            if options["type"] == "bind":
                target = folder / options["target"].removeprefix("/build/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(context / options["source"], target)
        command = words[1 + len(mounts) :]
        assert command[0] == "uv-layers"
        # What the shell of the stage finds, which is the Python that runs uv-layers.
        words = [sys.executable if word.startswith("$(command -v python3") else word for word in command[1:]]
        outcome = run(*words, cwd=folder)
        assert outcome.status == 0, outcome.stderr


def _site(place):
    return place / "lib" / PYTHON / "site-packages"


def _names(place):
    return sorted(path.name.split("-")[0] for path in _site(place).glob("*.dist-info"))


def test_the_project_and_its_packages_are_in_the_image(project, packaged, build, run, tmp_path):
    text = packaged(tmp_path / "app", "app", MAIN, requires=["web"], scripts={"say": "app.main:main"}, more=LAYERS)
    folder = project(text)
    outcome = run("dockerfile", cwd=folder)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert "COPY app" not in outcome.stdout
    place = build(outcome.stdout, folder.path, "/usr/local")
    assert _names(place) == ["app", "shared", "web"]
    assert said(place / "bin/say", PYTHONPATH=str(_site(place))) == "app with web 1.1\n"
    # Where the stage is, no file tells.
    assert not [path for path in place.rglob("*") if path.is_file() and b"stages-" in path.read_bytes()]


@pytest.mark.parametrize("words", [(), ("--config", "ci/own.toml"), ("--extra", "more"), ("--group", "docs")], ids=str)
def test_the_stage_of_the_project_chooses_as_the_plan_does(project, packaged, build, run, tmp_path, words):
    more = (
        '[project.optional-dependencies]\nmore = ["side"]\n[dependency-groups]\ndocs = ["side"]\n'
        f'[tool.uv.sources]\nside = {{ path = "side" }}\n{LAYERS}'
    )
    packaged(tmp_path / "app/side", "side")
    folder = project(packaged(tmp_path / "app", "app", MAIN, requires=["web"], more=more))
    (folder / "ci").mkdir()
    own = LAYERS.replace("[tool.uv-layers]\n", "").replace('"app"', '"own"')
    (folder / "ci/own.toml").write_text(own, encoding="utf-8")
    text = run("dockerfile", *words, cwd=folder).stdout
    place = build(text, folder.path, "/usr/local")
    side = ["side"] if words[:1] in {("--extra",), ("--group",)} else []
    assert _names(place) == sorted(["app", "shared", "web", *side])
    assert ("AS own\n" in text) is (words[:1] == ("--config",))


def test_an_environment_is_put_together_from_its_stages(project, packaged, build, run, tmp_path, any_prefix):
    facts = {"requires": ["web"], "scripts": {"say": "app.main:main"}, "more": LAYERS}
    folder = project(packaged(tmp_path / "app", "app", MAIN, **facts))
    # The place of the image is known beforehand, so that the paths in the environment are real.
    prefix = f"{tmp_path}/image-0/srv/.venv"
    text = run("dockerfile", "--prefix", prefix, cwd=folder).stdout
    assert text.count(f'ENV VIRTUAL_ENV="{prefix}" PATH="{prefix}/bin:$PATH"\n') == 1
    made = build(text, folder.path, prefix)
    place = tmp_path / "image-0/srv/.venv"
    shutil.copytree(made, place, symlinks=True)
    assert said(place / "bin/say") == "app with web 1.1\n"


def test_members_of_a_workspace_are_in_the_image_from_wherever_it_is_asked_for(project, packaged, build, run, tmp_path):
    source = "[tool.uv.sources]\nlib = { workspace = true }\n"
    packaged(tmp_path / "app/packages/lib", "lib", requires=["speed"])
    packaged(tmp_path / "app/packages/api", "api", requires=["web", "lib"], more=f"{source}{LAYERS}")
    packaged(tmp_path / "app/packages/worker", "worker", requires=["helper", "lib"], more=source)
    folder = project(f'[tool.uv.workspace]\nmembers = ["packages/*"]\n{LAYERS}')
    one = ["api", "lib", "shared", "speed", "web"]
    for words, cwd, names in (
        (("--package", "api"), folder, one),
        ((), folder / "packages/api", one),
        (("--package", "api", "--package", "worker"), folder, sorted([*one, "helper", "worker"])),
        (("--package", "worker", "--package", "api"), folder / "packages/lib", sorted([*one, "helper", "worker"])),
    ):
        outcome = run("dockerfile", *words, cwd=cwd)
        assert (outcome.status, outcome.stderr) == (0, "")
        assert _names(build(outcome.stdout, folder.path, "/usr/local")) == names


@pytest.mark.parametrize("editable", ["", ", editable = true"])
def test_folders_within_the_context_are_in_the_layer_of_the_project(project, packaged, build, run, tmp_path, editable):
    packaged(tmp_path / "app/vendor/thing", "thing", requires=["speed"])
    source = f'[tool.uv.sources]\nthing = {{ path = "vendor/thing"{editable} }}\n'
    folder = project(packaged(tmp_path / "app", "app", MAIN, requires=["web", "thing"], more=f"{source}{LAYERS}"))
    text = run("dockerfile", cwd=folder).stdout
    # uv holds the lock against what the folder says of itself.
    assert "source=vendor/thing/pyproject.toml,target=/build/vendor/thing/pyproject.toml" in text
    assert "--frozen\n" not in text.partition("AS plan")[2].partition("\n\n")[0]
    place = build(text, folder.path, "/usr/local")
    assert _names(place) == ["app", "shared", "speed", "thing", "web"]
    assert not list(_site(place).glob("*.pth"))


def test_a_folder_outside_of_the_context_is_an_error_that_says_so(project, packaged, run, tmp_path):
    packaged(tmp_path / "thing", "thing")
    source = '[tool.uv.sources]\nthing = { path = "../thing" }\n'
    folder = project(packaged(tmp_path / "app", "app", MAIN, requires=["thing"], more=f"{source}{LAYERS}"))
    assert run("install", "app", cwd=folder).status == 0
    outcome = run("dockerfile", cwd=folder)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert "thing/pyproject.toml is outside the build context" in outcome.stderr


# What only sources tell: the plan stage has none, and takes the lock as it is.


@pytest.mark.parametrize("where", ["app", "thing"])
def test_where_dependencies_are_dynamic_the_plan_is_frozen_and_says_why(project, packaged, build, run, tmp_path, where):
    more = f'[tool.uv.sources]\nthing = {{ path = "thing" }}\n{LAYERS}'
    packaged(tmp_path / "app/thing", "thing", requires=["speed"], static=where != "thing")
    needs = {"requires": ["web", "thing"], "static": where != "app"}
    folder = project(packaged(tmp_path / "app", "app", MAIN, **needs, more=more))
    outcome = run("dockerfile", cwd=folder)
    assert (outcome.status, outcome.stderr) == (0, "")
    why = f"# --frozen: uv cannot check the dynamic dependencies of {where} without its sources.\n"
    assert f"\n\n{why}FROM uv-layers AS plan\n" in outcome.stdout
    assert "    uv-layers export --frozen --expect packages,app\n" in outcome.stdout
    assert _names(build(outcome.stdout, folder.path, "/usr/local")) == ["app", "shared", "speed", "thing", "web"]


def test_a_folder_without_a_project_table_is_frozen_too(project, packaged, run, tmp_path):
    packaged(tmp_path / "app/thing", "thing")
    (tmp_path / "app/thing/pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n', encoding="utf-8"
    )
    more = f'[tool.uv.sources]\nthing = {{ path = "thing" }}\n{LAYERS}'
    folder = project(packaged(tmp_path / "app", "app", MAIN, requires=["thing"], more=more))
    text = run("dockerfile", cwd=folder).stdout
    assert "\n# --frozen: thing has no [project] table, so uv cannot check it without its sources.\nFROM" in text
    assert "    uv-layers export --frozen --expect packages,app\n" in text


# A wheel in the project is a package like any other, from wherever its lock is installed.


@pytest.fixture
def with_wheel(project, stage):
    """A project that depends on a wheel, and on a source distribution, in a folder of it."""
    (stage.path.parent / "app/vendor").mkdir(parents=True)
    wheel, sdist = stage.wheel("local_one", files={"local_one.py": "X = 1\n"}), stage.sdist("localtwo")
    for file in (wheel, sdist):
        shutil.copy(file, stage.path.parent / "app/vendor")
    text = (
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
        'dependencies = ["local-one", "localtwo", "web"]\n'
        "[tool.uv.sources]\n"
        f'local-one = {{ path = "vendor/{wheel.name}" }}\nlocaltwo = {{ path = "vendor/{sdist.name}" }}\n'
    )
    return project(text)


def test_a_wheel_in_the_project_is_mounted_into_the_stages(with_wheel, build, run):
    text = run("dockerfile", cwd=with_wheel).stdout
    for name in ("local_one-1.0-py3-none-any.whl", "localtwo-1.0.tar.gz"):
        assert text.count(f"--mount=type=bind,source=vendor/{name},target=/build/vendor/{name} \\\n") == 2
    place = build(text, with_wheel.path, "/usr/local")
    assert _names(place) == ["local_one", "localtwo", "shared", "web"]
    assert not [path for path in place.rglob("*") if path.is_file() and b"stages-" in path.read_bytes()]


def test_a_lock_with_files_of_the_project_is_installed_where_they_are(with_wheel, run, tmp_path):
    assert run("install", "dependencies", cwd=with_wheel).status == 0
    place = with_wheel / "layers/dependencies/usr/local"
    assert _names(place) == ["local_one", "localtwo", "shared", "web"]
    assert run("export", "-o", tmp_path / "elsewhere", cwd=with_wheel).status == 0
    lock = (tmp_path / "elsewhere/pylock.dependencies.toml").read_text(encoding="utf-8")
    assert str(tmp_path) not in lock
    outcome = run("install", "--all", cwd=tmp_path / "elsewhere")
    assert outcome.status == 3
    assert "local_one-1.0-py3-none-any.whl" in outcome.stderr
    shutil.copytree(with_wheel / "vendor", tmp_path / "elsewhere/vendor")
    assert run("install", "--all", cwd=tmp_path / "elsewhere").status == 0
    assert _names(tmp_path / "elsewhere/layers/dependencies/usr/local") == _names(place)


def test_a_wheel_that_is_not_what_the_lock_has_is_refused(with_wheel, run, stage):
    wheel = stage.wheel("local_one", files={"local_one.py": "X = 'other'\n"})
    shutil.copy(wheel, with_wheel / "vendor")
    outcome = run("install", "dependencies", cwd=with_wheel)
    assert outcome.status != 0
    assert "error[" in outcome.stderr
    outcome = run("install", "dependencies", "--frozen", cwd=with_wheel)
    assert outcome.status == 3
    assert "Hash mismatch" in outcome.stderr


# An old Dockerfile, and a project whose layers have changed: the plan stage fails, so no image lacks packages.

HEAD = """
[project]
name = "app"
version = "1"
requires-python = ">=3.10"
dependencies = ["web"]

[dependency-groups]
heavy = ["numbers"]
light = ["speed"]
extra = ["shared"]
"""
DEFAULT = '[tool.uv]\ndefault-groups = ["heavy", "light"]\n'


@pytest.mark.parametrize(
    ("groups", "old", "new", "layers"),
    [
        ((), DEFAULT, DEFAULT.replace('"light"', '"light", "extra"'), "heavy, light, extra, dependencies"),
        ((), DEFAULT, DEFAULT.replace(', "light"', ""), "heavy, dependencies"),
        (("extra",), DEFAULT, DEFAULT.replace(', "light"', ""), "heavy, dependencies"),
        ((), DEFAULT, DEFAULT + LAYERS.partition(", {")[0] + "]", "packages"),
        ((), DEFAULT, DEFAULT + "package = true\n", "heavy, light, dependencies, project"),
    ],
    ids=["added", "no-default", "no-default-below-others", "configured", "package"],
)
def test_the_plan_stage_fails_if_the_project_has_other_layers(project, run, groups, old, new, layers):
    folder = project(HEAD + old)
    text = run("dockerfile", *groups, cwd=folder).stdout
    [words] = re.findall(r"^ +uv-layers export (.*)$", text, re.MULTILINE)
    assert run("export", *shlex.split(words), cwd=folder).status == 0
    for lock in folder.path.glob("pylock.*.toml"):
        lock.unlink()
    folder.edit(old, new)
    folder.lock()
    outcome = run("export", *shlex.split(words), cwd=folder)
    before = "heavy, light, dependencies"
    cause = f"the Dockerfile has the layers {before}, but the project has {layers}"
    command = "run `uv-layers dockerfile --write Dockerfile`"
    assert (outcome.status, outcome.stderr) == (2, f"error[stale-dockerfile]: {cause}; {command}\n")
    assert not list(folder.path.glob("pylock.*.toml"))


def test_the_plan_stage_fails_if_an_additional_group_is_gone(project, run):
    folder = project(HEAD + DEFAULT)
    text = run("dockerfile", "extra", cwd=folder).stdout
    [words] = re.findall(r"^ +uv-layers export (.*)$", text, re.MULTILINE)
    folder.edit("extra =", "more =")
    folder.lock()
    outcome = run("export", *shlex.split(words), cwd=folder)
    assert outcome.status == 2
    assert outcome.stderr.startswith("error[unknown-layer]: no layer or dependency group 'extra'")
