"""The project itself as a layer: installed from its sources, which only its own stage sees."""

from __future__ import annotations

import subprocess

import pytest

pytestmark = pytest.mark.docker

BACKENDS = {"setuptools": "setuptools.build_meta", "hatchling": "hatchling.build"}
MAIN = "import hello\n\n\ndef main():\n    print('app says', hello.VERSION)\n"


def pyproject(name="app", backend="hatchling", dependencies=("hello",), more=""):
    return f"""
[build-system]
requires = ["{backend}"]
build-backend = "{BACKENDS[backend]}"

[project]
name = "{name}"
version = "1.0"
requires-python = ">=3.10"
dependencies = {list(dependencies)}

[project.scripts]
{name} = "{name}:main"

{more}
"""


LAYERS = """
[tool.uv-layers]
layers = [
  { name = "below", dependencies = true },
  { name = "app", project = true },
]
"""


@pytest.fixture
def packaged(project, web):
    """Return a function that makes a project that is a package, and its Dockerfile."""
    web.wheel("hello")

    def make(backend="hatchling", prefix="/usr/local"):
        made = project(pyproject(backend=backend, more=LAYERS), {"src/app/__init__.py": MAIN})
        made.write(made.dockerfile("--cmd", "app", "--prefix", prefix))
        return made

    return make


def naming_the_builder(image, *names, prefix="/usr/local"):
    """Return those files of packages, and of their scripts, that tell where they were built.

    Of an xargs whose grep has found nothing the status is 123: not that of one that was given no file.
    """
    places = [f"{prefix}/{place}/{name}*" for name in names for place in ("bin", "lib/python3.12/site-packages")]
    return image.run("sh", "-c", f"ls -d {' '.join(places)} 2>/dev/null | xargs -r grep -rl /build; test $? -eq 123")


@pytest.mark.parametrize(
    ("backend", "prefix", "layers"),
    [("setuptools", "/usr/local", 2), ("hatchling", "/app/.venv", 3)],
)
def test_the_image_has_the_package_and_not_its_sources(backend, prefix, layers, packaged):
    image = packaged(backend, prefix).build()
    assert image.run() == "app says 1.0"
    assert len(image.packages) == layers
    where = "import app; print(app.__file__)"
    assert image.run("python", "-c", where) == f"{prefix}/lib/python3.12/site-packages/app/__init__.py"
    assert image.run("sh", "-c", "ls -A /app | grep -v venv; ls -d /build; true") == ""
    assert naming_the_builder(image, "app", prefix=prefix) == ""


def test_a_packaged_project_is_in_the_image_without_configuration(project, web):
    web.wheel("hello")
    # Another Python than the image has: what the project asks for is for its developers.
    context = project(pyproject(), {"src/app/__init__.py": MAIN, ".python-version": "3.99\n"})
    context.write(context.dockerfile("--cmd", "app"))
    image = context.build()
    assert image.run() == "app says 1.0"
    assert len(image.packages) == 2
    before = image.layers
    context.edit("app says", "the app says", "src/app/__init__.py")
    image = context.build()
    assert image.run() == "the app says 1.0"
    assert [old == new for old, new in zip(before, image.layers, strict=True)] == [True, True, False]


def test_the_folder_of_a_plain_project_is_copied(project, web):
    web.wheel("hello")
    text = "[project]\nname = 'app'\nversion = '1.0'\nrequires-python = '>=3.10'\ndependencies = ['hello']\n"
    files = {"scripts/deep/run.py": MAIN + "\n\nmain()\n", "data/x.txt": "x"}
    context = project(text, files)
    context.write(context.dockerfile("--cmd", "python scripts/deep/run.py"))
    image = context.build()
    assert image.run() == "app says 1.0"
    assert image.run("cat", "/app/data/x.txt") == "x"


def test_an_edit_of_the_sources_runs_the_stage_of_the_project_alone(packaged):
    context = packaged()
    before = context.build()
    context.edit("app says", "the app says", "src/app/__init__.py")
    after = context.build()
    assert after.run() == "the app says 1.0"
    assert after.cached("uv-layers export")
    assert after.cached("uv-layers install below")
    assert not after.cached("uv-layers install app")
    assert after.packages[0] == before.packages[0]
    assert after.packages[1] != before.packages[1]


def test_the_layer_of_the_project_is_the_same_wherever_it_is_built(packaged, tmp_path):
    context = packaged()
    first = context.build()
    second = context.copy(tmp_path / "elsewhere").build("--no-cache")
    assert second.packages[:2] == first.packages[:2]


WORKSPACE = f"""
[project]
name = "whole"
version = "1.0"
requires-python = ">=3.10"
dependencies = []

[tool.uv.workspace]
members = ["members/*"]

[tool.uv.sources]
lib = {{ workspace = true }}
{LAYERS}
"""


@pytest.fixture
def workspace(project, web):
    """Return a workspace of `one`, which needs the member `lib`, and of `two`, which does not."""
    web.wheel("hello")
    web.wheel("other")
    members = {"lib": ["hello"], "one": ["lib"], "two": ["other"]}
    mains = {
        "lib": "VERSION = 'of lib'\n\n\ndef main():\n    pass\n",
        "one": "import lib\n\n\ndef main():\n    print('one', lib.VERSION)\n",
        "two": "import other\n\n\ndef main():\n    print('two', other.VERSION)\n",
    }
    files = {
        f"members/{name}/pyproject.toml": pyproject(name, dependencies=needs, more=LAYERS)
        for name, needs in members.items()
    }
    files |= {f"members/{name}/src/{name}/__init__.py": text for name, text in mains.items()}
    return project(WORKSPACE, files)


def has(image, *names):
    known = ("hello", "other", "lib", "one", "two")
    code = f"import importlib.util as u; print(*[n for n in {known} if u.find_spec(n)])"
    return image.run("python", "-c", code).split() == list(names)


@pytest.mark.parametrize("chosen", [("--package", "one"), ("--project", "members/one")], ids=" ".join)
def test_a_member_comes_with_the_member_that_it_depends_on(chosen, workspace):
    workspace.write(workspace.dockerfile(*chosen, "--cmd", "one"))
    image = workspace.build()
    assert image.run() == "one of lib"
    assert has(image, "hello", "lib", "one")
    assert naming_the_builder(image, "lib", "one") == ""


def test_two_members_share_an_image(workspace):
    workspace.write(workspace.dockerfile("--package", "one", "--package", "two"))
    image = workspace.build()
    assert has(image, "hello", "other", "lib", "one", "two")
    assert image.run("sh", "-c", "one && two").splitlines() == ["one of lib", "two 1.0"]


def test_a_version_that_a_file_tells(packaged):
    context = packaged()
    context.edit('version = "1.0"', 'dynamic = ["version"]')
    context.edit("[tool.uv-layers]", '[tool.hatch.version]\npath = "src/app/__init__.py"\n\n[tool.uv-layers]')
    context.edit("import hello", "__version__ = '3.4'\nimport hello", "src/app/__init__.py")
    context.lock()
    context.write(text := context.dockerfile("--cmd", "app"))
    assert "uv-layers export --expect below,app\n" in text
    version = "import importlib.metadata as m; print(m.version('app'))"
    assert context.build().run("python", "-c", version) == "3.4"


def test_dependencies_that_a_file_tells_are_taken_from_the_lock_as_it_is(packaged):
    context = packaged("setuptools")
    context.edit("""dependencies = ['hello']""", 'dynamic = ["dependencies"]')
    dynamic = '[tool.setuptools.dynamic]\ndependencies = { file = ["requirements.txt"] }\n\n[tool.uv-layers]'
    context.edit("[tool.uv-layers]", dynamic)
    context.write("hello\n", "requirements.txt")
    context.lock()
    context.write(text := context.dockerfile("--cmd", "app"))
    assert "# --frozen: uv cannot check the dynamic dependencies of app without its sources.\n" in text
    assert context.build().run() == "app says 1.0"


SCM = """
    [build-system]
    requires = ["setuptools", "setuptools-scm"]
    build-backend = "setuptools.build_meta"

    [project]
    name = "app"
    dynamic = ["version"]
    requires-python = ">=3.10"
    dependencies = ["hello"]

    [tool.setuptools_scm]

    [tool.uv-layers]
    layers = [
      { name = "below", dependencies = true },
      { name = "app", project = true, args = ["SETUPTOOLS_SCM_PRETEND_VERSION"], env = { FLAGS = "a 'b' $c" } },
    ]
"""


def test_a_build_argument_of_the_projects_stage_reruns_no_other(project, web, monkeypatch):
    web.wheel("hello")
    monkeypatch.setenv("SETUPTOOLS_SCM_PRETEND_VERSION", "0")  # to lock
    context = project(SCM, {"src/app/__init__.py": MAIN})
    context.write(context.dockerfile())
    ask = ("python", "-c", "from importlib.metadata import version; print(version('app'))")
    old, new = (context.build("--build-arg", f"SETUPTOOLS_SCM_PRETEND_VERSION={v}") for v in ("1.2", "1.3"))
    assert (old.run(*ask), new.run(*ask)) == ("1.2", "1.3")
    assert [new.cached(f"uv-layers {step}") for step in ("export", "install below", "install app")] == [
        True,
        True,
        False,
    ]
    assert (new.packages[0] == old.packages[0], new.packages[1] == old.packages[1]) == (True, False)
    stage = context.build("--build-arg", "SETUPTOOLS_SCM_PRETEND_VERSION=1.3", "--target", "app")
    assert stage.run("sh", "-c", 'echo "$FLAGS"') == "a 'b' $c"


VCS = """
    [build-system]
    requires = ["hatchling", "hatch-vcs"]
    build-backend = "hatchling.build"

    [project]
    name = "app"
    dynamic = ["version"]
    requires-python = ">=3.10"
    dependencies = ["hello"]

    [tool.hatch.version]
    source = "vcs"

    [tool.uv-layers]
    layers = [
      { name = "below", dependencies = true },
      { name = "app", project = true },
    ]
"""


def test_the_projects_stage_asks_git_for_the_version(project, web, monkeypatch):
    web.wheel("hello")
    monkeypatch.setenv("SETUPTOOLS_SCM_PRETEND_VERSION", "0")  # to lock
    context = project(VCS, {"src/app/__init__.py": MAIN, ".gitignore": "*.whl\n"})
    context.dockerfile("--write", "Dockerfile")

    def git(*words):
        run = ["git", "-c", "user.name=a", "-c", "user.email=a@b.test", *words]
        subprocess.run(run, cwd=context.path, check=True, capture_output=True)

    def tagged(version):
        git("add", "--all")
        git("commit", "--quiet", "--allow-empty", "--message", version)
        git("tag", f"v{version}")
        return context.build()

    git("init", "--quiet")
    ask = ("python", "-c", "from importlib.metadata import version; print(version('app'))")
    old, new = tagged("1.2"), tagged("1.3")
    assert (old.run(*ask), new.run(*ask)) == ("1.2", "1.3")
    assert [new.cached(f"uv-layers {step}") for step in ("export", "install below", "install app")] == [
        True,
        True,
        False,
    ]
