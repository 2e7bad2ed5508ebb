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
    return f"error[excluded]: {path} excludes {excluded}, which the Dockerfile needs; add {exceptions} below {line}\n"


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
    ignore(*lines, outcome.stderr.rpartition("add ")[2].partition(" below ")[0])
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
    assert run(*words, cwd=folder).stderr.startswith(
        "../Dockerfile: written\n.dockerignore: written\nhint: the build context is"
    )
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
    words = ("dockerfile", *BASE, "--no-link", "--write", "Dockerfile")
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


VERSION = "SETUPTOOLS_SCM_PRETEND_VERSION"


@pytest.fixture
def built(project, packaged, tmp_path):
    """Return a function that writes a project that is installed, whose build requires something."""

    def write(requires, layer="", more=""):
        layers = "[tool.uv-layers]\nlayers = [{ name = 'all', dependencies = true }, { name = 'app', project = true"
        text = packaged(tmp_path / "app", "app", requires=["web"]).replace(
            "requires = []", f'requires = ["{requires}"]'
        )
        return project(f"{text}{more}{layers}{layer} }}]\n")

    return write


@pytest.mark.parametrize(
    ("requires", "layer", "more", "git"),
    [
        ("hatch-vcs", "", "", True),
        ("Setuptools_SCM[toml]>=8", "", "", True),
        ("uv-dynamic-versioning", ", system-packages = ['gcc']", "", True),
        ("pbr>=6", ", system-packages = ['git']", "", True),
        ("pdm-backend", "", "[tool.pdm]\nversion = { source = 'scm' }\n", True),
        ("pdm-backend", "", "[tool.pdm]\nversion = { source = 'file' }\n", False),
        ("setuptools; python_version > '3'", "", "", False),
        ("setuptools-scm", f", args = ['{VERSION}']", "", False),
        ("setuptools-scm", f", env = {{ {VERSION} = '1' }}", "", False),
    ],
)
def test_a_version_from_git_needs_git(run, built, requires, layer, more, git):
    folder = built(requires, layer, more)
    written = _written(run, folder)
    stage = (folder / "Dockerfile").read_text(encoding="utf-8").split("AS app\n")[1]
    assert stage.count("git'; ") + stage.count("=git; ") == git
    assert ("**/.git" in written) != git
    # Without a file that is committed, git takes the version for one of a development release.
    assert ("Dockerfile" in written) != git


def test_a_member_that_the_image_lacks_asks_git_for_nothing(run, built, packaged):
    folder = built("own", more="[tool.uv.workspace]\nmembers = ['other']\n")
    text = packaged(folder / "other", "other").replace("requires = []", 'requires = ["hatch-vcs"]')
    (folder / "other/pyproject.toml").write_text(text, encoding="utf-8")
    folder.lock()
    assert "git; " not in run("dockerfile", *BASE, cwd=folder).stdout
    assert "packages=git; " in run("dockerfile", *BASE, "--all-packages", cwd=folder).stdout


def test_git_has_to_be_in_the_build_context(run, built, tmp_path, ignore_git):
    folder = built("hatch-vcs")
    assert run("dockerfile", *BASE, cwd=folder).stderr == ""
    (tmp_path / ".git").mkdir()
    outcome = run("dockerfile", *BASE, cwd=folder)
    assert outcome.status == 0
    assert outcome.stderr == (
        f"hint: the project takes its version from git, but the build context {folder.path} has no .git; "
        f"pass --context {tmp_path}\n"
    )
    ignore_git(folder)
    assert run("dockerfile", *BASE, cwd=folder).stderr == (
        "hint: .dockerignore excludes .git, which the build of the project may need; if so, add !.git/** below line 1 "
        "(.git)\n"
    )


@pytest.fixture
def ignore_git():
    def write(folder):
        (folder / ".git").mkdir()
        (folder / ".git/HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
        (folder / ".dockerignore").write_text(".git\n", encoding="utf-8")

    return write


def test_lines_outside_the_marks_are_not_changed(run, built):
    folder = built("own")
    (folder / "deploy").mkdir()
    run("dockerfile", *BASE, "--cmd", "app", "--write", "Dockerfile", cwd=folder)
    again = ("dockerfile", *BASE, "--cmd", "app serve", "--copy", "deploy", "--write", "Dockerfile")
    step = "add or change the line yourself, because uv-layers changes only the lines between its markers"
    lines = ["COPY --link deploy ./deploy", 'CMD ["app", "serve"]']
    written = run(*again, cwd=folder).stderr
    hints = [f"hint: Dockerfile lacks `{line}`; {step}\n" for line in lines]
    assert written == "".join(hints) + "Dockerfile: written\n"
    assert run("dockerfile", "--check", "Dockerfile", cwd=folder).stderr == "Dockerfile: up to date\n"
    folder.edit('CMD ["app"]', "\n".join(lines), name="Dockerfile")
    assert run(*again, cwd=folder).stderr == "Dockerfile: up to date\n"
    other = ("dockerfile", *BASE, "--image", "test", "--cmd", "app test", "--write", "Dockerfile")
    assert run(*other, cwd=folder).stderr == "Dockerfile: written\n"


ENVIRONMENT = "hint: the build copies .venv, this machine's virtual environment; add **/.venv to "


def test_the_environment_of_this_machine_stays_out(run, project, ignore):
    folder = project(APP)
    (folder / ".venv").mkdir()
    assert run("dockerfile", *BASE, "--write", "Dockerfile", cwd=folder).stderr == (
        "Dockerfile: written\n.dockerignore: written\n"
    )
    check = ("dockerfile", *BASE, "--check", "Dockerfile")
    (folder / ".dockerignore").unlink()
    outcome = run(*check, cwd=folder)
    assert (outcome.status, outcome.stderr) == (0, f"{ENVIRONMENT}.dockerignore\nDockerfile: up to date\n")
    (folder / ".dockerignore").write_text(".git\n", encoding="utf-8")
    assert run(*check, cwd=folder).stderr == f"{ENVIRONMENT}.dockerignore\nDockerfile: up to date\n"
    (folder / ".dockerignore").write_text(".git\n**/.venv\n", encoding="utf-8")
    assert run(*check, cwd=folder).stderr == "Dockerfile: up to date\n"
    (folder / ".dockerignore").unlink()
    (folder / "main.py").touch()
    outcome = run("dockerfile", *BASE, "--copy", "main.py", cwd=folder)
    assert ENVIRONMENT not in outcome.stderr


def test_a_project_that_is_installed_has_an_environment_too(run, built):
    folder = built("own")
    (folder / ".venv").mkdir()
    (folder / "Dockerfile").touch()
    assert run("dockerfile", *BASE, cwd=folder).stderr == f"{ENVIRONMENT}.dockerignore\n"


UNCOPIED = (
    "deploy/entrypoint.sh, which the Dockerfile does not copy; add a COPY line, or write a new Dockerfile with "
    "--copy deploy"
)


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ((), UNCOPIED),
        (("--copy", "app"), UNCOPIED),
        (("--copy", "deploy"), None),
        (("--copy", "dep*/*.sh"), None),
        (("--copy", "."), None),
        (("--editable", "/app"), None),
        (("--snippet",), None),
    ],
)
def test_what_the_command_starts_is_in_the_image(run, built, words, missing):
    folder = built("own")
    (folder / "deploy").mkdir()
    (folder / "deploy/entrypoint.sh").touch()
    command = ("--cmd", "/bin/sh ./deploy/entrypoint.sh app")
    assert (folder / "app").is_dir()
    expected = f"hint: --cmd uses {missing}\n" if missing else ""
    assert run("dockerfile", *BASE, *words, *command, cwd=folder).stderr == expected
    if "--snippet" not in words:
        written = run("dockerfile", *BASE, *words, *command, "--write", "Dockerfile", cwd=folder).stderr
        assert written == f"{expected}Dockerfile: written\n.dockerignore: written\n"
        # The lines below the marks are yours.
        assert run("dockerfile", "--check", "Dockerfile", cwd=folder).stderr == "Dockerfile: up to date\n"


@pytest.fixture
def packages(project, packaged, tmp_path):
    """A workspace with an app that is installed, with a library from a folder and a member that it does not need."""
    layers = "[tool.uv-layers]\nlayers = [{ name = 'all', dependencies = true }, { name = 'app', project = true }]\n"
    sources = "[tool.uv.workspace]\nmembers = ['members/*']\n[tool.uv.sources]\nlibrary = { path = 'library' }\n"
    text = packaged(tmp_path / "app", "app", {"src/app/__init__.py": "", "LICENSE": ""}, requires=["web", "library"])
    packaged(tmp_path / "app/library", "library", requires=["speed"])
    packaged(tmp_path / "app/members/other", "other", requires=["extra-one"])
    (tmp_path / "app/README.md").write_text("text\n", encoding="utf-8")
    return project(
        text.replace("version =", 'readme = "README.md"\nlicense = { file = "LICENSE" }\nversion =') + sources + layers
    )


def test_what_the_build_of_the_project_reads(run, packages):
    ignore = packages / ".dockerignore"
    ignore.write_text("*\n!**/pyproject.toml\n!uv.lock\n", encoding="utf-8")
    outcome = run("dockerfile", *BASE, cwd=packages)
    assert outcome.status == 0
    places = ["src/**", "app/**", "README.md", "LICENSE", "members/other/other/**", "library/library/**"]
    assert outcome.stderr.splitlines() == [
        f"hint: .dockerignore excludes {place.removesuffix('/**')}, which the build of the project may need; "
        f"if so, add !{place} below line 1 (*)"
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
