"""Packages that are built, in a project and in stages that have only layer locks, as `uv sync` builds them."""

from __future__ import annotations

import ast
import shutil
import sys
import tarfile

import pytest
import tomli

SITE = f"usr/local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
PYTHON = ("--python", sys.executable)
HEAD = '[project]\nname = "app"\nversion = "1.0"\nrequires-python = ">=3.10"\n'
# `source` writes down in what it builds which version of `helper` it was built with.
APP = f'{HEAD}dependencies = ["source", "helper==0.9", "web"]\n'
MATCH = '[tool.uv.extra-build-dependencies]\nsource = [{ requirement = "helper", match-runtime = true }]\n'
SHARED = '[tool.uv]\nno-build-isolation-package = ["source"]\n'
NAMED = f'{SHARED}extra-build-dependencies = {{ source = ["helper"] }}\n'
ONE = ""
LOWER = """
[tool.uv-layers]
layers = [{ name = "low", packages = ["source"] }, { name = "high", packages = ["helper"] }, { name = "rest" }]
"""
UPPER = """
[tool.uv-layers]
layers = [{ name = "high", packages = ["helper"] }, { name = "low", packages = ["source"] }, { name = "rest" }]
"""


@pytest.fixture
def built(run, uv_run, tmp_path, environment):
    """Return a function that gives what `source` was built with, by uv sync, in the project, and from layer locks."""

    def call(folder):
        found = {}
        environment.setenv("UV_CACHE_DIR", str(tmp_path / "cache-of-uv"))
        uv_run("sync", *PYTHON, cwd=folder)
        found["uv sync"] = _built_with(next((folder / ".venv").glob("lib/python*/site-packages/source.py")))
        environment.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
        stage = tmp_path / "stage"
        digests = []
        assert run("export", "-o", stage, *PYTHON, cwd=folder).status == 0
        for place in (folder.path, stage, stage):
            shutil.rmtree(place / "layers", ignore_errors=True)
            outcome = run("install", "--all", "--digest", "--json", *PYTHON, cwd=place)
            assert outcome.status == 0, outcome.stderr
            layers = outcome.result["layers"]
            digests.append({layer["name"]: layer["digest"] for layer in layers})
            [module] = (place / "layers").glob(f"*/{SITE}/source.py")
            found["stage" if place == stage else "project"] = _built_with(module)
            names = [path.name for path in (place / "layers").glob(f"*/{SITE}/*.dist-info")]
            assert sorted(names) == sorted(set(names))
            verified = run("verify", *PYTHON, cwd=place)
            assert verified.status == 0, verified.output
        assert digests[0] == digests[1] == digests[2]
        return found

    return call


def _built_with(module):
    return ast.literal_eval(module.read_text(encoding="utf-8").split("BUILT_WITH = ")[1])["helper"]


@pytest.mark.parametrize("layers", [ONE, LOWER, UPPER], ids=["one layer", "from above", "from below"])
@pytest.mark.parametrize("settings", [MATCH, SHARED, NAMED], ids=["match-runtime", "no isolation", "named"])
def test_a_build_finds_what_it_finds_with_uv_sync(project, built, settings, layers):
    folder = project(APP + settings + layers)
    assert built(folder) == {"uv sync": "0.9", "project": "0.9", "stage": "0.9"}


def test_without_isolation_for_all_packages_there_are_the_wheels(project, run):
    # uv sync installs nothing before such builds, and fails unless the environment has been synchronised before.
    folder = project(f"{APP}[tool.uv]\nno-build-isolation = true\n{LOWER}")
    assert run("install", "--all", *PYTHON, cwd=folder).status == 0
    assert _built_with(folder / "layers/low" / SITE / "source.py") == "0.9"


EXTRA = '{HEAD}dependencies = ["source"]\n[tool.uv]\nextra-build-dependencies = {{ source = [{entry}] }}\n'


@pytest.mark.parametrize(
    "entry", ['"helper"', "\"helper ; python_version > '3'\"", '{ requirement = "helper", match-runtime = false }']
)
@pytest.mark.parametrize("kind", ["url", "path"])
def test_an_extra_build_dependency_comes_from_its_source(project, built, index, tmp_path, kind, entry):
    name = "helper-0.9-py3-none-any.whl"
    for folder in (tmp_path / "app/my wheels", tmp_path / "stage/my wheels"):
        folder.mkdir(parents=True)
        (folder / name).write_bytes(index.files[name])
    place = {"url": f"http://{index.host}/files/{name}", "path": f"my wheels/{name}"}[kind]
    sources = f'[tool.uv.sources]\nhelper = {{ {kind} = "{place}" }}\n'
    folder = project(EXTRA.format(HEAD=HEAD, entry=entry) + sources)
    assert built(folder) == {"uv sync": "0.9", "project": "0.9", "stage": "0.9"}
    # Whatever the folder is called, the lock is the same.
    assert str(folder.path) not in (tmp_path / "stage/pylock.dependencies.toml").read_text(encoding="utf-8")


def test_a_source_that_no_layer_lock_can_have_is_refused_where_it_is_built_with(project, run, index):
    sources = '[tool.uv.sources]\nhelper = { index = "here" }\n'
    folder = project(EXTRA.format(HEAD=HEAD, entry='"helper"') + sources)
    outcome = run("plan", cwd=folder)
    assert (outcome.status, outcome.stderr.count("\n")) == (2, 1)
    assert "helper has a source in tool.uv.sources" in outcome.stderr
    assert "match-runtime = true" in outcome.stderr
    folder.edit("source = [", "web = [")
    folder.lock()
    assert run("plan", cwd=folder).status == 0


def test_the_variable_for_builds_without_isolation_is_in_the_layer_lock(project, run, tmp_path):
    folder = project(f"{APP}{LOWER}")
    module = folder / "layers/low" / SITE / "source.py"
    for value, helper in (("0", None), ("true", "0.9")):
        assert run("install", "--all", *PYTHON, cwd=folder, UV_NO_BUILD_ISOLATION=value).status == 0
        assert _built_with(module) == helper
    assert run("export", "-o", tmp_path / "stage", *PYTHON, cwd=folder, UV_NO_BUILD_ISOLATION="1").status == 0
    outcome = run("install", "low", cwd=tmp_path / "stage")
    assert outcome.status == 0, outcome.stderr
    assert _built_with(tmp_path / "stage/layers/low" / SITE / "source.py") == "0.9"


def test_a_build_without_isolation_may_need_nothing(project, run):
    folder = project(f'{HEAD}dependencies = ["source"]\n{SHARED}')
    assert run("install", "--all", *PYTHON, cwd=folder).status == 0
    assert _built_with(folder / "layers/dependencies" / SITE / "source.py") is None


def test_a_file_that_two_packages_have_is_that_of_the_last_one_though_it_is_built_without_isolation(
    project, run, environment, index, shelf
):
    wheel = shelf.wheel("aaa", "1.0", data={"purelib/source.py": "VERSION = 'aaa'\n"})
    environment.setitem(index.files, wheel.file_name, wheel.content())
    folder = project(f'{HEAD}dependencies = ["source", "helper==0.9", "aaa"]\n{SHARED}')
    for _ in range(2):
        shutil.rmtree(folder / "layers", ignore_errors=True)
        outcome = run("install", "--all", *PYTHON, cwd=folder)
        assert outcome.status == 0, outcome.stderr
        assert _built_with(folder / "layers/dependencies" / SITE / "source.py") == "0.9"


def test_the_project_is_built_without_isolation(project, packaged, run, tmp_path):
    more = f"{SHARED.replace('source', 'app')}[tool.uv-layers]\nlayers = [\n"
    more += '{ name = "rest", dependencies = true }, { name = "app", project = true }]\n'
    folder = project(
        packaged(tmp_path / "app", "app", requires=["helper==0.9"], scripts={"say": "app:NAME"}, more=more)
    )
    folder.edit("file.write(os.getcwd())", "import helper; file.write(helper.VERSION)", "own.py")
    outcome = run("install", "--all", *PYTHON, cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert (folder / "build/app.txt").read_text() == "0.9"
    script = (folder / "layers/app/usr/local/bin/say").read_text()
    assert ".staging" not in script
    assert [path.name for path in (folder / "layers/app" / SITE).iterdir() if "helper" in path.name] == []


@pytest.mark.parametrize(("settings", "same"), [(MATCH, True), (NAMED, True), (SHARED, False)])
def test_a_layer_is_built_again_only_for_what_its_build_needs(project, run, settings, same):
    folder = project(APP.replace('"web"', '"web==1.0"') + settings + LOWER)
    before = run("export", "low", "-o", "-", cwd=folder)
    hint = "every update rebuilds source"
    assert (hint in before.stderr) is not same
    folder.edit('"web==1.0"', '"web==1.1"')
    folder.lock()
    assert (run("export", "low", "-o", "-", cwd=folder).stdout == before.stdout) is same
    folder.edit('"helper==0.9"', '"helper==1.0"')
    folder.lock()
    assert run("export", "low", "-o", "-", cwd=folder).stdout != before.stdout


def test_diff_shows_the_build_packages_that_change(project, run, git):
    folder = project(APP + MATCH + LOWER)
    git(folder, "init", "-q")
    git(folder, "add", "pyproject.toml", "uv.lock")
    git(folder, "commit", "-qm", "one")
    folder.edit('"helper==0.9"', '"helper==1.0"')
    folder.lock()
    [low] = [c for c in run("diff", "HEAD", "--json", cwd=folder).result["layers"] if c["name"] == "low"]
    [change] = low["changes"]
    assert (low["status"], change["kind"], change["package"]) == ("changed", "setting", "build package helper")
    assert (change["old"].split()[0], change["new"].split()[0]) == ("0.9", "1.0")


def test_packages_that_a_build_wants_and_the_image_does_not_have(project, run):
    folder = project(f'{HEAD}dependencies = ["source"]\n')
    folder.edit("[[tool.uv.index]]", f"{MATCH}[[tool.uv.index]]")
    folder.lock()
    outcome = run("plan", cwd=folder)
    assert outcome.status == 2
    problem = "build-dependencies.source: has match-runtime = true for helper, which the image lacks"
    assert problem in outcome.stderr
    # An excluded package is not in the image; and what is not built needs nothing.
    folder.edit('["source"]', '["source", "helper"]')
    folder.lock()
    outcome = run("plan", "--no-install-package", "helper", cwd=folder)
    assert outcome.status == 2
    assert problem in outcome.stderr
    folder.edit('["source", "helper"]', '["source"]')
    folder.lock()
    assert run("plan", "--no-install-package", "source", cwd=folder).status == 0


LIMIT = "2024-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("settings", "words", "limits"),
    [
        (f'exclude-newer = "{LIMIT}"\n', (), {"exclude-newer": LIMIT}),
        ("", ("--exclude-newer", LIMIT), {"exclude-newer": LIMIT}),
        (
            f'exclude-newer-package = {{ helper = "{LIMIT}" }}\n',
            (),
            {"exclude-newer-package": {"helper": LIMIT}},
        ),
    ],
    ids=["setting", "of the lock", "by package"],
)
def test_nothing_newer_is_built_with(project, run, index, environment, tmp_path, settings, words, limits):
    environment.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    for version, time in (("0.9", "2023-01-01T00:00:00Z"), ("1.0", "2025-01-01T00:00:00Z")):
        environment.setitem(index.uploaded, f"helper-{version}-py3-none-any.whl", time)
    text = f'{HEAD}dependencies = ["source", "web"]\n[tool.uv]\n{settings}'
    layers = LOWER.replace('{ name = "high", packages = ["helper"] }, ', "")
    folder = project(f'{text}extra-build-dependencies = {{ source = ["helper"] }}\n{layers}', locked=False)
    folder.lock(*words)
    stage = tmp_path / "stage"
    frozen = ("--frozen",) if words else ()
    assert run("export", "-o", stage, *frozen, *PYTHON, cwd=folder).status == 0
    low, rest = (tomli.loads((stage / f"pylock.{name}.toml").read_text()) for name in ("low", "rest"))
    assert low["tool"]["uv-layers"]["uv"].items() >= limits.items()
    assert "exclude-newer" not in str(rest)
    for place in (folder.path, stage):
        assert run("install", "low", *(frozen if place != stage else ()), *PYTHON, cwd=place).status == 0
        assert _built_with(place / "layers/low" / SITE / "source.py") == "0.9"


def test_a_span_of_time_stays_one(project, run):
    folder = project(f'{HEAD}dependencies = ["source"]\n[tool.uv]\nexclude-newer = "1 week"\n')
    text = run("export", "dependencies", "-o", "-", cwd=folder).stdout
    assert tomli.loads(text)["tool"]["uv-layers"]["uv"]["exclude-newer"] == "P1W"


def test_a_build_in_a_stage_finds_wheels_in_a_folder(project, run, index, tmp_path, shelf):
    wheel = shelf.wheel("helper", "3.0")
    settings = '[tool.uv]\nfind-links = ["vendor"]\nextra-build-dependencies = { source = ["helper"] }\n'
    folder = project(f'{HEAD}dependencies = ["source"]\n{settings}', locked=False)
    (folder / "vendor").mkdir()
    (folder / "vendor" / wheel.file_name).write_bytes(wheel.content())
    folder.lock()
    stage = tmp_path / "stage"
    assert run("export", "-o", stage, *PYTHON, cwd=folder).status == 0
    shutil.copytree(folder / "vendor", stage / "vendor")
    for place in (folder.path, stage):
        assert run("install", "--all", *PYTHON, cwd=place).status == 0
        assert _built_with(place / "layers/dependencies" / SITE / "source.py") == "3.0"


def test_plan_says_what_is_built(project, run, git, tmp_path, packaged):
    packaged(tmp_path / "repository", "lib")
    git(tmp_path / "repository", "init", "-q")
    git(tmp_path / "repository", "add", ".")
    git(tmp_path / "repository", "commit", "-qm", "one")
    sources = f'[tool.uv.sources]\nlib = {{ git = "file://{tmp_path}/repository" }}\n'
    folder = project(f'{HEAD}dependencies = ["source", "lib", "web"]\n{sources}')
    [layer] = run("plan", "--json", cwd=folder).result["layers"]
    assert {p["name"]: p["built_from"] for p in layer["packages"]} == {
        "lib": "git",
        "shared": None,
        "source": "source",
        "web": None,
    }
    text = run("plan", "-v", cwd=folder).stdout
    assert [line.split()[-2] for line in text.splitlines() if " lib " in line or " source " in line] == [
        "git",
        "source",
    ]
    assert "built from" in text
    assert "RUN packages=git;" in run("dockerfile", "--python", "3.12", cwd=folder).stdout


def test_the_stage_of_a_layer_from_git_has_git(project, run, git, tmp_path, packaged):
    packaged(tmp_path / "repository", "lib")
    git(tmp_path / "repository", "init", "-q")
    git(tmp_path / "repository", "add", ".")
    git(tmp_path / "repository", "commit", "-qm", "one")
    more = '[dependency-groups]\nheavy = ["lib"]\n[tool.uv]\ndefault-groups = ["heavy"]\n'
    more += f'[tool.uv.sources]\nlib = {{ git = "file://{tmp_path}/repository" }}\n'
    layers = '[tool.uv-layers]\nlayers = [{ name = "heavy", groups = ["heavy"], system-packages = SYSTEM }, '
    layers += '{ name = "rest", dependencies = true }]\n'
    folder = project(f'{HEAD}dependencies = ["web"]\n{more}{layers.replace("SYSTEM", "[]")}')
    heavy, rest = run("dockerfile", cwd=folder).stdout.split("AS heavy\n")[1].split("AS rest\n")
    assert heavy.count("RUN packages=git;") == 1
    assert "apt-get" not in rest
    folder.edit("system-packages = []", 'system-packages = ["gcc", "git=1:2.39"]')
    assert run("dockerfile", cwd=folder).stdout.count("git=") == 1
    assert "packages=git;" not in run("dockerfile", cwd=folder).stdout


FAILING = """\
def build_wheel(*arguments):
    import subprocess
    subprocess.run(["no-such-compiler"], check=True)
"""


@pytest.mark.parametrize(
    ("backend", "requires", "step"),
    [
        (FAILING, (), "if a compiler or headers are missing, add them to the layer's system-packages"),
        ("import no_such_module\n", (), "its build needs the Python module no_such_module; if"),
        (FAILING, ("no-such-package",), "uv could not resolve its build requirements"),
    ],
    ids=["program", "module", "requirement"],
)
def test_a_build_that_fails_names_the_layer_and_what_to_do(project, run, packaged, tmp_path, backend, requires, step):
    with tarfile.open(tmp_path / "broken-1.0.tar.gz", "w:gz") as archive:
        packaged(tmp_path / "broken-1.0", "broken")
        (tmp_path / "broken-1.0/own.py").write_text(backend, encoding="utf-8")
        text = (
            (tmp_path / "broken-1.0/pyproject.toml").read_text().replace("requires = []", f"requires = {[*requires]}")
        )
        (tmp_path / "broken-1.0/pyproject.toml").write_text(text, encoding="utf-8")
        archive.add(tmp_path / "broken-1.0", "broken-1.0")
    folder = project(
        f'{HEAD}dependencies = ["broken"]\n[tool.uv.sources]\nbroken = {{ path = "broken.tar.gz" }}\n', locked=False
    )
    (tmp_path / "broken-1.0.tar.gz").rename(folder / "broken.tar.gz")
    folder.lock()
    outcome = run("install", "--all", *PYTHON, cwd=folder)
    last = outcome.stderr.splitlines()[-1]
    assert outcome.status == 3
    assert last.startswith(f"error[uv-failed]: layer 'dependencies': broken could not be built; {step}")
    assert "the command was: " not in last
    assert "the command was: " in run("install", "--all", "-v", *PYTHON, cwd=folder).stderr.splitlines()[-1]
