"""`uv-layers dockerfile` and `.dockerignore`: what the build needs gets to the engine."""

from __future__ import annotations

import pytest

HEAD = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
APP = f'{HEAD}dependencies = ["web"]\n'
LAYERS = 'layers = [{ name = "all", dependencies = true }]\n'
BASE = ("--base", "python:3.12", "--tool", "1.2.3")


@pytest.fixture
def folder(project):
    made = project(APP)
    (made / "uv-layers.toml").write_text(LAYERS, encoding="utf-8")
    return made


@pytest.fixture
def ignore(folder):
    """Return a function that writes the `.dockerignore` of the project, or another file."""

    def write(*lines, name=".dockerignore"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    return write


def _error(excluded, line, exceptions, path=".dockerignore"):
    return f"error[excluded]: {path} excludes {excluded}, which the Dockerfile needs; below {line}, add {exceptions}\n"


@pytest.mark.parametrize(
    "words",
    [(), ("--snippet",), ("--write", "Dockerfile"), ("--check", "Dockerfile"), ("--bake",)],
    ids="".join,
)
def test_whatever_is_made_of_it_a_file_that_the_build_lacks_is_an_error(run, folder, ignore, words):
    ignore("# only these", "*", "!pyproject.toml", "!uv.lock")
    outcome = run("dockerfile", *BASE, *words, cwd=folder)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr == _error("uv-layers.toml", "line 2 (*)", "!uv-layers.toml")
    assert not (folder / "Dockerfile").exists()
    ignore("# only these", "*", "!uv-layers.toml", "!pyproject.toml", "!uv.lock")
    assert run("dockerfile", *BASE, cwd=folder).status == 0


@pytest.mark.parametrize(
    ("lines", "excluded", "line", "exceptions"),
    [
        (["uv.lock"], "uv.lock", "line 1 (uv.lock)", "!uv.lock"),
        (["/uv.lock/"], "uv.lock", "line 1 (uv.lock)", "!uv.lock"),
        (["**/*.lock", "!*.py"], "uv.lock", "line 1 (**/*.lock)", "!uv.lock"),
        (["!uv.lock", "**"], "pyproject.toml, uv.lock, uv-layers.toml", "line 2 (**)", None),
        # The exceptions belong below the last line that would exclude one of them.
        (["*", "*.toml"], "pyproject.toml, uv.lock, uv-layers.toml", "line 2 (*.toml)", None),
    ],
)
def test_the_lines_that_the_error_names_are_enough(run, folder, ignore, lines, excluded, line, exceptions):
    ignore(*lines)
    expected = exceptions or "the lines !pyproject.toml, !uv.lock, !uv-layers.toml"
    assert run("dockerfile", *BASE, cwd=folder).stderr == _error(excluded, line, expected)
    number = int(line.split()[1])
    ignore(*lines[:number], *expected.removeprefix("the lines ").split(", "), *lines[number:])
    assert run("dockerfile", *BASE, cwd=folder).status == 0


def test_the_file_of_the_dockerfile_wins(run, folder, ignore):
    ignore("*")
    ignore("*.py", name="docker/Dockerfile.dockerignore")
    assert run("dockerfile", *BASE, "--write", "docker/Dockerfile", cwd=folder).stderr == "docker/Dockerfile: written\n"
    ignore("uv.lock", name="docker/Dockerfile.dockerignore")
    outcome = run("dockerfile", *BASE, "--check", "docker/Dockerfile", cwd=folder)
    path = "docker/Dockerfile.dockerignore"
    assert (outcome.status, outcome.stderr) == (2, _error("uv.lock", "line 1 (uv.lock)", "!uv.lock", path))
    # Of the context, beside another folder's Dockerfile.
    (folder / path).unlink()
    assert (
        f": {folder / '.dockerignore'} excludes"
        in run("dockerfile", *BASE, "--check", "docker/Dockerfile", cwd=folder).stderr
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"*.py\n!\n", "line 2: Docker does not accept the pattern '!'"),
        (b"x*[\n", "line 1: Docker does not accept the pattern 'x*['"),
        (b"#" * 50_001, "it is larger than 50000 bytes"),
    ],
)
def test_a_file_that_docker_refuses_is_refused(run, folder, content, problem):
    (folder / ".dockerignore").write_bytes(content)
    outcome = run("dockerfile", *BASE, cwd=folder)
    assert (outcome.status, outcome.stderr) == (2, f"error[unreadable-file]: cannot read .dockerignore: {problem}\n")


def test_what_the_build_context_lacks_is_reported(run, folder):
    (folder / "here.py").touch()
    words = ("--tool", "dist/tool-1-py3-none-any.whl", "--copy", "here.py", "--copy", "./gone", "--copy", "*.css")
    outcome = run("dockerfile", "--base", "python:3.12", *words, cwd=folder)
    lines = [f"hint: {name} is not in the build context" for name in ("dist/tool-1-py3-none-any.whl", "./gone")]
    assert [line.partition(" context")[0] + " context" for line in outcome.stderr.splitlines()] == lines
    assert outcome.status == 0


@pytest.mark.parametrize(
    ("words", "lines", "excluded"),
    [
        (("--tool", "dist/uv_layers-1-py3-none-any.whl"), ["dist"], "dist/uv_layers-1-py3-none-any.whl"),
        (("--copy", "static"), ["static"], "static"),
        (("--copy", "static"), ["**/*.css", "**/*.js"], "static"),
        (("--copy", "./static/"), ["static/**"], "static"),
        (("--copy", "static/*.css"), ["*/a.css"], "static/*.css"),
        (("--copy", "a[1].py"), ["*1*"], "a[1].py"),
        (("--copy", "later.txt"), ["*.txt"], "later.txt"),
        (("--copy", "empty"), ["empty"], None),
        (("--copy", "static"), ["**/*.css"], None),
        (("--copy", "*.none"), ["*.none"], None),
        (("--copy", "../static"), ["static"], None),
        (("--copy", "."), ["static"], None),
        (("--copy", "static", "--copy", "a[1].py"), ["*.txt"], None),
    ],
)
def test_copies_and_the_wheel_of_the_tool_are_checked(run, folder, ignore, words, lines, excluded):
    for name in ("static/a.css", "static/b.js", "a[1].py", "empty/none"):
        ignore(name=name)
    (folder / "empty/none").unlink()
    ignore(*lines)
    outcome = run("dockerfile", "--base", "python:3.12", *words, cwd=folder)
    if excluded is None:
        assert (outcome.status, outcome.stderr) == (0, "")
        return
    assert outcome.status == 2
    assert f".dockerignore excludes {excluded}, which" in outcome.stderr
    ignore(*lines, outcome.stderr.strip().rpartition("add ")[2])
    assert run("dockerfile", "--base", "python:3.12", *words, cwd=folder).status == 0


def test_a_first_dockerfile_gets_a_dockerignore(run, folder):
    outcome = run("dockerfile", *BASE, "--write", "docker/Dockerfile", cwd=folder)
    assert outcome.stderr == "docker/Dockerfile: written\n.dockerignore: written\n"
    lines = (folder / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert {"**/.git", "**/.venv", "**/__pycache__", "**/.pytest_cache", "layers"} < set(lines)
    assert lines[-2:] == [".dockerignore", "docker/Dockerfile"]
    assert run("dockerfile", *BASE, "--check", "docker/Dockerfile", cwd=folder).status == 0


def test_a_dockerfile_outside_of_the_context_is_not_in_its_dockerignore(run, folder):
    words = ("dockerfile", *BASE, "--write", "../Dockerfile")
    assert run(*words, cwd=folder).stderr.startswith("../Dockerfile: written\n.dockerignore: written\nhint: build from")
    assert (folder / ".dockerignore").read_text(encoding="utf-8").splitlines()[-1] == ".dockerignore"


@pytest.mark.parametrize("name", [".dockerignore", "Dockerfile.dockerignore"])
def test_a_dockerignore_that_is_there_stays_as_it_is(run, folder, ignore, name):
    ignore("*.md", name=name)
    assert run("dockerfile", *BASE, "--write", "Dockerfile", cwd=folder).stderr == "Dockerfile: written\n"
    assert (folder / name).read_text(encoding="utf-8") == "*.md\n"
    assert len(list(folder.path.glob("*.dockerignore"))) == 1


def test_a_link_to_nothing_stays_as_it_is(run, folder):
    (folder / ".dockerignore").symlink_to("elsewhere")
    assert run("dockerfile", *BASE, "--write", "Dockerfile", cwd=folder).stderr == "Dockerfile: written\n"
    assert not (folder / "elsewhere").exists()


def test_a_dockerfile_that_is_there_gets_no_dockerignore(run, folder):
    run("dockerfile", *BASE, "--write", "Dockerfile", cwd=folder)
    (folder / ".dockerignore").unlink()
    words = ("dockerfile", *BASE, "--cmd", "other", "--write", "Dockerfile")
    assert run(*words, cwd=folder).stderr == "Dockerfile: written\n"
    assert not (folder / ".dockerignore").exists()


def _written(run, folder):
    run("dockerfile", *BASE, "--write", "Dockerfile", cwd=folder)
    return (folder / ".dockerignore").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(("name", "expected"), [("layers/__init__.py", False), ("layers/.uv-layers/all.json", True)])
def test_only_our_layers_are_left_out(run, folder, ignore, name, expected):
    ignore(name=name)
    assert ("layers" in _written(run, folder)) == expected


def test_nothing_that_is_needed_is_left_out(run, folder, ignore):
    ignore(name="node_modules/a.js")
    words = ("--copy", "node_modules", "--write", "Dockerfile")
    assert run("dockerfile", *BASE, *words, cwd=folder).status == 0
    assert "**/node_modules" not in (folder / ".dockerignore").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(("requires", "git"), [("hatch-vcs", True), ("hatchling", False)])
def test_a_version_from_git_needs_git(run, project, requires, git):
    build = f'[build-system]\nrequires = ["{requires}"]\nbuild-backend = "hatchling.build"\n'
    folder = project(f"{HEAD}{build}[tool.uv-layers]\nlayers = [{{ name = 'app', project = true }}]\n", locked=False)
    folder.edit("[[tool.uv.index]]", "[tool.uv]\npackage = false\n[[tool.uv.index]]")
    folder.lock()
    folder.edit("[tool.uv]\npackage = false\n", "")
    written = _written(run, folder)
    assert ("**/.git" in written) != git
    # Without a file that is committed, git takes the version for one of a development release.
    assert ("Dockerfile" in written) != git


@pytest.fixture
def packages(project, packaged, tmp_path):
    """A workspace with an app that is installed, with a library from a folder and a member that it does not need."""
    layers = "[tool.uv-layers]\nlayers = [{ name = 'all', dependencies = true }, { name = 'app', project = true }]\n"
    sources = "[tool.uv.workspace]\nmembers = ['members/*']\n[tool.uv.sources]\nlibrary = { path = 'library' }\n"
    text = packaged(tmp_path / "app", "app", {"src/app/__init__.py": ""}, requires=["web", "library"])
    packaged(tmp_path / "app/library", "library", requires=["speed"])
    packaged(tmp_path / "app/members/other", "other", requires=["extra-one"])
    (tmp_path / "app/README.md").write_text("text\n", encoding="utf-8")
    return project(text.replace("version =", 'readme = "README.md"\nversion =') + sources + layers)


def test_what_the_build_of_the_project_reads(run, packages):
    ignore = packages / ".dockerignore"
    ignore.write_text("*\n!**/pyproject.toml\n!uv.lock\n", encoding="utf-8")
    outcome = run("dockerfile", *BASE, cwd=packages)
    assert outcome.status == 0
    places = ["src/**", "app/**", "README.md", "members/other/other/**", "library/library/**"]
    assert outcome.stderr.splitlines() == [
        f"hint: .dockerignore excludes {place.removesuffix('/**')}, which the build of the project may need; "
        f"if so, below line 1 (*), add !{place}"
        for place in places
    ]
    lines = "".join(f"!{place}\n" for place in places)
    ignore.write_text(f"*\n{lines}!**/pyproject.toml\n!uv.lock\n", encoding="utf-8")
    assert run("dockerfile", *BASE, cwd=packages).stderr == ""
    ignore.write_text("library\n", encoding="utf-8")
    assert (
        _error("library/pyproject.toml", "line 1 (library)", "!library/pyproject.toml")
        == run("dockerfile", *BASE, cwd=packages).stderr
    )
    # What is not mounted may not be needed.
    outcome = run("dockerfile", *BASE, "--frozen", cwd=packages)
    assert outcome.status == 0
    assert "excludes library/pyproject.toml, which the build of the project may need; if so" in outcome.stderr
