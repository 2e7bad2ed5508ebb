"""The layer of the project itself: `{ name = "app", project = true }`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import facts

PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
SITE = f"usr/local/lib/{PYTHON}/site-packages"
LAYERS = """\
[tool.uv-layers]
layers = [
  { name = "packages", dependencies = true },
  { name = "app", project = true },
]
"""
MAIN = {"app/main.py": "import app\n\n\ndef main():\n    print('hello from', app.NAME)\n"}


def _tree(folder, layer="app"):
    return folder / "layers" / layer


def _distributions(folder, layer="app"):
    return sorted(path.name for path in (_tree(folder, layer) / SITE).glob("*.dist-info"))


@pytest.fixture
def app(project, packaged, tmp_path):
    """Return a function that makes a locked project that is a package, with what is more in its pyproject.toml."""

    def make(more=LAYERS, *, name="app", files=MAIN, requires=("web",), locked=True, **facts):
        text = packaged(tmp_path / name, "app", files, requires=requires, more=more, **facts)
        return project(text, name=name, locked=locked)

    return make


def test_the_project_is_installed_whole_and_above_its_packages(app, run):
    folder = app(scripts={"say": "app.main:main"})
    outcome = run("install", "--all", cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert "app: app: built from source, so another machine may build different files" in outcome.stderr
    assert (_distributions(folder, "packages"), _distributions(folder)) == (
        ["shared-1.1.dist-info", "web-1.1.dist-info"],
        ["app-1.0.dist-info"],
    )
    script = _tree(folder) / "usr/local/bin/say"
    assert script.read_text(encoding="utf-8").startswith(f"#!{Path(sys.base_prefix) / 'bin' / PYTHON}\n")
    environ = os.environ | {"PYTHONPATH": f"{_tree(folder) / SITE}"}
    done = subprocess.run([script], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "hello from app\n"
    assert (_tree(folder) / SITE / f"app/__pycache__/main.cpython-3{sys.version_info[1]}.pyc").is_file()
    assert run("verify", cwd=folder).status == 0


def test_the_plan_has_it_on_top(app, run):
    outcome = run("plan", "--json", cwd=app())
    assert [(layer["name"], layer["kind"]) for layer in outcome.result["layers"]] == [
        ("packages", "packages"),
        ("app", "project"),
    ]
    [package] = outcome.result["layers"][1]["packages"]
    assert (package["name"], package["bytes"], package["built"]) == ("app", None, True)
    assert package["reason"] == "project"


def test_nothing_of_where_it_was_built_is_in_the_tree(app, run):
    folder = app(scripts={"say": "app.main:main"})
    assert run("install", "app", cwd=folder).status == 0
    assert (folder / "build/app.txt").is_file()
    names = {path.name for path in _tree(folder).rglob("*")}
    assert names.isdisjoint(
        {"own.py", "build", "app.txt", "direct_url.json", "uv_cache.json", "INSTALLER", "REQUESTED"}
    )
    place = os.fsencode(folder.path)
    assert [path for path in _tree(folder).rglob("*") if path.is_file() and place in path.read_bytes()] == []


def test_the_same_sources_make_the_same_tree_anywhere(app, run, cold):
    one, other = app(), app(name="elsewhere/deep/app")
    assert run("install", "app", cwd=one, **cold()).status == 0
    before = os.umask(0o077)
    try:
        assert run("install", "app", cwd=other, **cold()).status == 0
    finally:
        os.umask(before)
    assert facts(_tree(one)) == facts(_tree(other))


@pytest.mark.parametrize("place", [".", "src"])
def test_a_change_of_the_sources_is_seen_whatever_the_times_of_files_say(app, run, place):
    folder = app(files={f"{place}/app/main.py": "X = 1\n"})
    assert run("install", "--all", cwd=folder).status == 0
    source = folder / place / "app/main.py"
    status = source.stat()
    source.write_text("X = 2\n", encoding="utf-8")
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    outcome = run("install", "--all", cwd=folder)
    assert outcome.status == 0
    assert (_tree(folder) / SITE / "app/main.py").read_text(encoding="utf-8") == "X = 2\n"
    # The packages, of which nothing has changed, are left alone.
    told = [line for line in outcome.stderr.splitlines() if re.search(r" packages?, ", line)]
    assert [", up to date, " in line for line in told] == [True, False]


def test_members_and_folders_that_it_depends_on_are_in_it(app, run, packaged, tmp_path):
    sources = """\
[tool.uv.sources]
lib = { workspace = true }
beside = { path = "../beside", editable = true }
inside = { path = "vendor/inside" }
[tool.uv.workspace]
members = ["packages/*"]
"""
    packaged(tmp_path / "app/packages/lib", "lib", requires=["speed"])
    packaged(tmp_path / "app/packages/unused", "unused", requires=["extra-one"])
    packaged(tmp_path / "app/vendor/inside", "inside")
    packaged(tmp_path / "beside", "beside", requires=["extra-two"])
    folder = app(f"{LAYERS}{sources}", requires=["web", "lib", "beside", "inside"])
    outcome = run("install", "--all", cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert _distributions(folder) == [f"{name}-1.0.dist-info" for name in ("app", "beside", "inside", "lib")]
    assert _distributions(folder, "packages") == [
        *("extra_two-1.0.dist-info", "shared-1.1.dist-info", "speed-1.0.dist-info", "web-1.1.dist-info")
    ]
    for name in ("app", "beside", "inside", "lib"):
        assert (_tree(folder) / SITE / name / "__init__.py").read_text(encoding="utf-8") == f"NAME = {name!r}\n"
    assert not list((_tree(folder) / SITE).glob("*.pth"))
    assert run("verify", "app", cwd=folder).status == 0


def test_a_folder_without_a_layer_for_it_is_an_error_that_says_how_to_have_one(app, run, packaged, tmp_path):
    packaged(tmp_path / "app/thing", "thing")
    layers = '[tool.uv-layers]\nlayers = [{ name = "all", dependencies = true }]\n'
    folder = app(f'{layers}[tool.uv.sources]\nthing = {{ path = "thing" }}\n', requires=["web", "thing"])
    for words in (("plan",), ("export",), ("install", "all")):
        outcome = run(*words, cwd=folder)
        assert (outcome.status, outcome.stdout) == (2, "")
        assert outcome.stderr == (
            "error[local-folder]: thing comes from the folder thing, which uv.lock does not pin; add "
            '{ name = "app", project = true } as the last layer; if only one group needs it, also pass --group NAME\n'
        )


def test_a_group_on_top_has_no_folder_that_the_layer_has(app, run, packaged, tmp_path):
    packaged(tmp_path / "app/thing", "thing", requires=["speed"])
    groups = '[dependency-groups]\ndocs = ["docs-only", "thing"]\n[tool.uv.sources]\nthing = { path = "thing" }\n'
    folder = app(f"{LAYERS}{groups}", requires=["web", "thing"])
    assert run("plan", "--json", cwd=folder).layers == {"packages": ["shared", "speed", "web"], "app": ["app", "thing"]}
    outcome = run("export", "docs", cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert "docs: 1 package," in outcome.stderr


def test_it_has_no_lock_and_is_no_layer_to_export(app, run):
    folder = app()
    assert run("export", cwd=folder).status == 0
    assert [path.name for path in folder.path.glob("pylock.*")] == ["pylock.packages.toml"]
    outcome = run("export", "packages", "app", cwd=folder)
    assert (outcome.status, outcome.stdout) == (2, "")
    cause = "layer 'app' is the project itself, which has no layer lock"
    assert outcome.stderr == f"error[usage]: {cause}; run `uv-layers install app`\n"


def test_verify_says_what_is_wrong_with_it(app, run):
    folder = app()
    assert run("install", "app", cwd=folder).status == 0
    (_tree(folder) / SITE / "app/main.py").write_text("X = 3\n", encoding="utf-8")
    outcome = run("verify", "app", cwd=folder)
    assert outcome.status == 1
    assert f"app: altered: {SITE}/app/main.py: its hash differs from RECORD" in outcome.stdout


def test_an_old_tree_is_replaced_whole(app, run):
    folder = app(files={**MAIN, "app/gone.py": ""})
    assert run("install", "app", cwd=folder).status == 0
    (folder / "app/gone.py").unlink()
    assert run("install", "app", cwd=folder).status == 0
    assert not (_tree(folder) / SITE / "app/gone.py").exists()


def test_a_build_that_fails_is_told_by_uv_and_leaves_the_old_tree(app, run):
    folder = app()
    assert run("install", "app", cwd=folder).status == 0
    before = facts(_tree(folder))
    (folder / "own.py").write_text("raise SystemExit('no build today')\n", encoding="utf-8")
    outcome = run("install", "app", cwd=folder)
    assert outcome.status == 3
    assert "no build today" in outcome.stderr
    assert "error[uv-failed]: " in outcome.stderr
    assert facts(_tree(folder)) == before


def test_a_project_that_is_no_package_has_an_empty_layer_with_a_hint(project, run):
    folder = project(
        f'[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["web"]\n{LAYERS}'
    )
    outcome = run("install", "--all", cwd=folder)
    assert outcome.status == 0
    assert (
        "hint: layer 'app' is empty: the project and the members that it needs are excluded, or are not packages"
        in outcome.stderr
    )
    assert "app: 0 packages, 0 files" in outcome.stderr


def test_what_the_configuration_of_the_project_says_of_builds_is_heeded(app, run):
    """Its index alone has what the build requires."""
    folder = app(more=LAYERS)
    folder.edit("requires = []", 'requires = ["helper"]')
    folder.edit("file.write(os.getcwd())", "import helper; file.write(helper.VERSION)", "own.py")
    folder.lock()
    assert run("install", "app", cwd=folder).status == 0
    assert (folder / "build/app.txt").read_text(encoding="utf-8") == "1.0"


def test_a_project_may_be_all_that_there_is(app, run):
    folder = app('[tool.uv-layers]\nlayers = [{ name = "app", project = true }]\n', requires=[])
    outcome = run("install", "--all", cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert _distributions(folder) == ["app-1.0.dist-info"]


def test_with_packages_and_no_other_layer_these_have_the_layer_project(app, run):
    folder = app('[tool.uv-layers]\nlayers = [{ name = "app", project = true }]\n')
    assert run("plan", "--json", cwd=folder).layers == {"dependencies": ["shared", "web"], "app": ["app"]}


def test_it_is_below_the_prefix_and_in_an_environment(app, run):
    folder = app(f'{LAYERS}prefix = "/srv/.venv"\n', scripts={"say": "app.main:main"})
    outcome = run("install", "--all", cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert (_tree(folder) / "srv/.venv/bin/say").read_text(encoding="utf-8").startswith("#!/srv/.venv/bin/python\n")
    assert run("verify", cwd=folder).status == 0


@pytest.mark.parametrize("environ", [{"UV_NO_BUILD": "1"}, {"UV_NO_BUILD_PACKAGE": "app"}], ids=str)
def test_where_no_build_is_allowed_uv_says_so(app, run, environ):
    outcome = run("install", "app", cwd=app(), **environ)
    assert outcome.status == 3
    assert "error[uv-failed]" in outcome.stderr


def test_a_layer_of_packages_is_up_to_date_without_uv_though_the_project_is_made_each_time(app, run, tmp_path):
    folder = app()
    assert run("install", "--all", cwd=folder).status == 0
    no_uv = {"UV_LAYERS_UV": str(tmp_path / "nowhere")}
    assert "up to date" in run("install", "packages", cwd=folder, **no_uv).stderr
    assert "error[no-uv]" in run("install", "app", cwd=folder, **no_uv).stderr


def test_a_diff_has_it_and_knows_nothing_of_its_sources(app, run, git):
    folder = app()
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    (folder / "app/main.py").write_text("X = 2\n", encoding="utf-8")
    folder.edit('"web"', '"web", "speed"')
    folder.lock()
    outcome = run("diff", "--json", "HEAD", cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert {layer["name"]: layer["status"] for layer in outcome.result["layers"]} == {
        "packages": "changed",
        "app": "unknown",
    }


def test_a_layer_that_is_large_is_pointed_out(app, run):
    outcome = run("plan", "--warn-size", "1kB", cwd=app())
    [hint] = [line for line in outcome.stderr.splitlines() if line.startswith("hint: ")]
    assert hint.startswith(
        "hint: layer 'packages' is 0.00 GB (web 51%, shared 49%): BuildKit compresses it on one core, "
    )
    assert hint.endswith("split it, e.g. with `uv-layers suggest`")
    assert run("plan", cwd=app(name="other")).stderr == ""
    assert "hint: layer 'packages'" in run("export", "--warn-size", "1kB", cwd=app(name="third")).stderr


# Without configuration: what `uv sync` installs of local folders is a layer on top.


def _planned(run, folder, *words):
    return run("plan", "--json", *words, cwd=folder).layers


def test_a_packaged_project_is_installed_on_top_of_its_dependencies(app, run):
    folder = app("", scripts={"say": "app.main:main"})
    assert _planned(run, folder) == {"dependencies": ["shared", "web"], "project": ["app"]}
    assert run("install", "--all", cwd=folder).status == 0
    assert _distributions(folder, "project") == ["app-1.0.dist-info"]
    assert (_tree(folder, "project") / "usr/local/bin/say").is_file()
    assert run("verify", cwd=folder).status == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [("", ("--no-install-project",)), ("[tool.uv]\npackage = false\n", ())],
    ids=["option", "setting"],
)
def test_a_project_that_uv_does_not_install_has_no_layer(app, run, more, words):
    folder = app(more)
    assert _planned(run, folder, *words) == {"dependencies": ["shared", "web"]}
    text = run("dockerfile", *words, cwd=folder).stdout
    assert "uv-layers install project" not in text
    assert ("uv-layers export --no-install-project --expect dependencies\n" in text) == bool(words)


@pytest.mark.parametrize("command", ["plan", "dockerfile"])
def test_layers_that_leave_the_project_out_are_reported(app, run, command):
    layers = '[tool.uv-layers]\nlayers = [{ name = "packages", dependencies = true }]\n'
    folder = app(layers)
    outcome = run(command, cwd=folder)
    report = "hint: the image lacks app, which uv sync would install; add "
    assert (outcome.status, outcome.stderr.count(report)) == (0, 1)
    assert "the image lacks" not in run(command, "--no-install-project", cwd=folder).stderr
    # Both ways out that the message names.
    [layer] = re.findall(r"add (\{.*?\})", outcome.stderr)
    [exclude] = re.findall(r"or set (exclude = .*)$", outcome.stderr, re.MULTILINE)
    for change in (layers.replace("true }]", f"true }}, {layer}]"), f"{layers}{exclude}\n"):
        folder.edit(layers, change)
        assert "the image lacks" not in run(command, cwd=folder).stderr
        folder.edit(change, layers)


def test_what_a_plain_project_needs_of_its_workspace_has_a_layer(project, packaged, run, tmp_path):
    packaged(tmp_path / "shop/libs/lib", "lib", requires=["speed"])
    packaged(tmp_path / "shop/libs/unused", "unused", requires=["helper"])
    source = '[tool.uv.sources]\nlib = { workspace = true }\n[tool.uv.workspace]\nmembers = ["libs/*"]\n'
    text = '[project]\nname = "shop"\nversion = "1.0"\nrequires-python = ">=3.10"\ndependencies = ["lib"]\n'
    folder = project(text + source, name="shop")
    assert _planned(run, folder) == {"dependencies": ["speed"], "project": ["lib"]}
    text = run("dockerfile", cwd=folder).stdout
    # The project itself is not a package, so its folder is copied.
    assert text.endswith("# <<< uv-layers copies\nCOPY --link . ./\n")


@pytest.mark.parametrize("words", [(), ("--group", "tools"), ("--extra", "more")])
def test_a_local_package_of_a_group_or_an_extra_has_a_layer_when_that_is_chosen(
    project, packaged, run, tmp_path, words
):
    packaged(tmp_path / "shop/lib", "lib", requires=["speed"])
    text = """
        [project]
        name = "shop"
        version = "1.0"
        requires-python = ">=3.10"
        dependencies = ["web"]
        [project.optional-dependencies]
        more = ["lib"]
        [dependency-groups]
        tools = ["lib"]
        [tool.uv.sources]
        lib = { path = "lib" }
    """
    layers = _planned(run, project(text, name="shop"), *words)
    assert layers.get("project") == (["lib"] if words else None)
    assert sorted(name for names in layers.values() for name in names) == sorted(
        ["shared", "web", *(["lib", "speed"] if words else [])]
    )


def test_the_dockerfile_installs_a_packaged_project_and_copies_nothing(app, run):
    text = run("dockerfile", "--cmd", "say", cwd=app("")).stdout
    assert 'uv-layers install project --project project --layers-dir layers --frozen --python "$(command -v ' in text
    assert text.endswith('COPY --link --from=project /build/layers/project/ /\n# <<< uv-layers copies\nCMD ["say"]\n')


def test_a_group_may_have_the_name_of_the_layer(app, run):
    groups = (
        '[dependency-groups]\nproject = ["speed"]\nproject-2 = ["numbers"]\n[tool.uv]\ndefault-groups = ["project"]\n'
    )
    folder = app(groups)
    layers = {"project": ["speed"], "dependencies": ["shared", "web"], "project-3": ["app"]}
    assert run("plan", "--json", cwd=folder).layers == layers
    text = run("dockerfile", "--python", "3.12", cwd=folder).stdout
    assert "uv-layers install project-3 --project project " in text


# Editable.


def test_editable_sources_are_imported_from_where_they_are(app, packaged, run):
    folder = app(
        '[tool.uv.workspace]\nmembers = ["lib"]\n'
        '[tool.uv.sources]\nlib = { workspace = true }\nside = { path = "side" }\n',
        files={"may-be-editable": "", "lib/may-be-editable": ""},
        requires=("web", "lib", "side"),
        scripts={"say": "app:main"},
        locked=False,
    )
    packaged(folder / "lib", "lib")
    packaged(folder / "side", "side")
    folder.lock()
    installed = run("install", "--all", "--editable", "--digest", cwd=folder)
    assert installed.status == 0, installed.stderr
    site = _tree(folder, "project") / SITE
    links = {path.name: path.read_text(encoding="utf-8") for path in site.glob("*.pth")}
    # uv sync installs a path dependency editable only if its source says so.
    assert links == {"app.pth": str(folder.path), "lib.pth": f"{folder / 'lib'}"}
    assert sorted(path.name for path in site.iterdir() if path.suffix == "") == ["side"]
    assert (_tree(folder, "project") / "usr/local/bin/say").is_file()
    (folder / "app/__init__.py").write_text("NAME = 'new'\n", encoding="utf-8")
    again = run("install", "project", "--editable", "--digest", cwd=folder)
    digest = next(line for line in again.stderr.splitlines() if line.startswith("project: sha256:"))
    assert digest in installed.stderr.splitlines()
    assert run("verify", cwd=folder).status == 0
    assert run("install", "project", cwd=folder).status == 0
    assert not list(site.glob("*.pth"))


def test_the_stage_of_editable_sources_has_them_where_the_image_has_them(app, run):
    folder = app("")
    words = ("dockerfile", "--base", "python:3.12")
    assert run(*words, "--write", "Dockerfile", cwd=folder).status == 0
    dev = ("--image", "dev", "--editable", "/srv/app")
    assert run(*words, *dev, "--write", "Dockerfile", cwd=folder).status == 0
    text = (folder / "Dockerfile").read_text(encoding="utf-8")
    assert "with: --image dev --base python:3.12 --editable /srv/app\n" in text
    plain, stage = (text.partition(f"FROM uv-layers AS {name}project\n")[2].splitlines()[:3] for name in ("", "dev-"))
    assert (plain[0], stage[0]) == ("COPY . /build/project", "COPY . /srv/app")
    assert plain[2].replace("--project project", "--editable --project /srv/app") == stage[2]
    assert "\nFROM python:3.12 AS dev\nWORKDIR /srv/app\n" in text
    assert text.count("\nCOPY --link . ./\n") == 1
    assert run("dockerfile", "--check", "Dockerfile", cwd=folder).status == 0
    assert "COPY --link app ./app\n" in run(*words, *dev, "--copy", "app", cwd=folder).stdout


@pytest.mark.parametrize("place", ["app", "/", "/a b", "/a/../b", "/$x", "/build", "/build/x"])
def test_a_folder_that_editable_sources_cannot_be_in_is_refused(app, run, place):
    ended = run("dockerfile", "--base", "python:3.12", "--editable", place, cwd=app(""))
    message = f"error[usage]: --editable: {place!r} is not a valid path in the image; pass e.g. /app\n"
    assert (ended.status, ended.stdout, ended.stderr) == (2, "", message)
