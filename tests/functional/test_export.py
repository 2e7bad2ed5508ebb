"""`uv-layers export`: layer locks that change if and only if what would be installed changes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import tomli
from packaging.pylock import Pylock

APP = """
    [project]
    name = "app"
    version = "1.0"
    description = "An app"
    requires-python = ">=3.10"
    dependencies = ["web<=1.0"]

    [dependency-groups]
    heavy = ["numbers<=1.0", "shared<=1.0", "source"]
    light = ["vendor-maths", "both"]
    docs = ["docs-only", "web"]
    dev = ["tests-only<=1.0"]

    [tool.uv]
    default-groups = ["dev", "heavy", "light"]
"""
LOCKS = ["pylock.dependencies.toml", "pylock.heavy.toml", "pylock.light.toml"]


def texts(folder):
    return {path.name: path.read_text(encoding="utf-8") for path in folder.path.glob("pylock.*.toml")}


def changed(before, after):
    assert before.keys() == after.keys()
    return [name for name in sorted(before) if before[name] != after[name]]


def settings_of(folder, layer):
    document = tomli.loads((folder / f"pylock.{layer}.toml").read_text(encoding="utf-8"))
    return document["tool"]["uv-layers"].get("uv", {})


# What is written


def test_every_layer_has_a_valid_lock_with_one_hashed_file_a_package(project, run):
    folder = project(APP)
    assert run("export", cwd=folder).status == 0
    assert sorted(texts(folder)) == LOCKS
    for text in texts(folder).values():
        lock = Pylock.from_dict(tomli.loads(text))
        assert lock.created_by == "uv-layers"
        for package in lock.packages:
            files = [*(package.wheels or ()), *([package.sdist] if package.sdist else ())]
            assert [list(file.hashes) for file in files] == [["sha256"]]


def test_the_locks_have_the_packages_of_the_plan(project, run):
    folder = project(APP)
    run("export", cwd=folder)
    planned = run("plan", "--json", cwd=folder).layers
    for layer, names in planned.items():
        lock = tomli.loads((folder / f"pylock.{layer}.toml").read_text(encoding="utf-8"))
        assert [p["name"] for p in lock["packages"]] == names
        own = lock["tool"]["uv-layers"]
        assert (own.pop("layer"), own.pop("prefix"), own["uv"].pop("index")[0]["name"]) == (layer, "/usr/local", "here")
        assert own == {"uv": {}}


def test_the_locks_are_for_the_target_alone(project, run):
    folder = project(APP)
    run("export", "--platform", "linux/arm64", "--python", "3.13", cwd=folder)
    lock = Pylock.from_dict(tomli.loads((folder / "pylock.heavy.toml").read_text(encoding="utf-8")))
    [numbers] = [p for p in lock.packages if p.name == "numbers"]
    assert [wheel.url.rsplit("/")[-1] for wheel in numbers.wheels] == [
        "numbers-1.0-py3-none-manylinux_2_17_aarch64.whl"
    ]
    assert str(lock.requires_python) == "==3.13.*"
    [environment] = lock.environments
    assert "aarch64" in str(environment)


def test_only_the_named_layers_are_written(project, run):
    folder = project(APP)
    assert run("export", "light", cwd=folder).status == 0
    assert sorted(texts(folder)) == ["pylock.light.toml"]


def test_a_group_that_is_no_layer_becomes_one_on_top_with_a_hint(project, run):
    folder = project(APP)
    ended = run("export", "docs", cwd=folder)
    assert ended.status == 0
    lock = tomli.loads((folder / "pylock.docs.toml").read_text(encoding="utf-8"))
    assert [p["name"] for p in lock["packages"]] == ["docs-only"]  # `web` and `shared` are below
    assert "hint: group 'docs' is included only in this run" in ended.stderr
    assert "hint" not in run("export", "docs", "-q", cwd=folder).stderr


def test_locks_go_where_output_says(project, run):
    folder = project(APP)
    run("export", "-o", "build/locks", cwd=folder)
    assert sorted(p.name for p in (folder / "build/locks").iterdir()) == LOCKS
    assert texts(folder) == {}
    run("export", cwd=folder, UV_LAYERS_OUTPUT="other")
    assert sorted(p.name for p in (folder / "other").iterdir()) == LOCKS


def test_locks_go_beside_the_project_wherever_one_stands(project, run, tmp_path):
    folder = project(APP)
    assert run("export", "--project", "app", cwd=tmp_path).status == 0
    assert sorted(texts(folder)) == LOCKS


def test_a_dash_prints_the_lock_and_writes_nothing(project, run):
    folder = project(APP)
    printed = run("export", "light", "-o", "-", cwd=folder)
    assert texts(folder) == {}
    assert printed.stderr == ""
    run("export", "light", cwd=folder)
    assert printed.stdout == texts(folder)["pylock.light.toml"]


def test_one_line_a_layer_goes_to_standard_error(project, run):
    folder = project(APP)
    first, second = run("export", cwd=folder), run("export", cwd=folder)
    assert first.stdout == second.stdout == ""
    lines = [f"light: 3 packages, {{}}, {folder / 'pylock.light.toml'}".format(s) for s in ("written", "unchanged")]
    assert first.stderr.splitlines()[1] == lines[0]
    assert second.stderr.splitlines()[1] == lines[1]
    assert run("export", "-q", cwd=folder).output == ""


def test_json_says_what_was_written(project, run):
    folder = project(APP)
    run("export", "heavy", cwd=folder)
    document = json.loads(run("export", "--json", cwd=folder).stdout)
    assert (document["schema"], document["command"]) == (1, "export")
    heavy, light, _ = document["result"]["layers"]
    assert heavy == {"name": "heavy", "path": str(folder / "pylock.heavy.toml"), "packages": 3, "changed": False}
    assert light["changed"]


# What leaves the locks as they are


def test_a_second_export_leaves_the_files_alone(project, run):
    folder = project(APP)
    run("export", cwd=folder)
    before = {p.name: (p.stat().st_mtime_ns, p.stat().st_ino) for p in folder.path.glob("pylock.*")}
    assert run("export", cwd=folder).status == 0
    assert {p.name: (p.stat().st_mtime_ns, p.stat().st_ino) for p in folder.path.glob("pylock.*")} == before


UNRELATED = {
    "the project's version": ('version = "1.0"', 'version = "2.0"'),
    "the description": ('"An app"', '"Another"'),
    "requires-python": ('">=3.10"', '">=3.9"'),
    "a group outside of the image": ('docs = ["docs-only", "web"]', 'docs = ["extra-one", "clash"]'),
    "the dev group": ("tests-only<=1.0", "speed"),
    "a bound that admits the same": ('"web<=1.0"', '"web<1.1"'),
    "the order of declaration in a group": ('["vendor-maths", "both"]', '["both", "vendor-maths"]'),
    "other settings of uv": ("[tool.uv]", "[tool.uv]\n    managed = true\n    package = false"),
    "a build setting of a package that is not built": (
        "[tool.uv]",
        '[tool.uv]\n    config-settings-package = { both = { a = "b" } }',
    ),
}


@pytest.mark.parametrize("change", UNRELATED)
def test_no_lock_changes_with(project, run, change):
    folder = project(APP)
    run("export", cwd=folder)
    before = texts(folder)
    folder.edit(*UNRELATED[change])
    folder.lock()
    assert run("export", cwd=folder).status == 0
    assert changed(before, texts(folder)) == []


def test_no_lock_changes_when_the_project_is_locked_anew(project, run):
    folder = project(APP)
    run("export", cwd=folder)
    before = texts(folder)
    (folder / "uv.lock").unlink()
    folder.lock()
    assert run("export", cwd=folder).status == 0
    assert changed(before, texts(folder)) == []


def test_no_lock_changes_with_the_place_of_the_project(project, run):
    one, other = project(APP), project(APP, name="elsewhere/deeper")
    for folder in (one, other):
        assert run("export", cwd=folder).status == 0
    assert changed(texts(one), texts(other)) == []


def test_new_wheels_of_other_platforms_change_no_lock(project, run):
    folder = project(APP)
    run("export", cwd=folder)
    before = texts(folder)
    lock = (folder / "uv.lock").read_text(encoding="utf-8")
    [windows] = [line for line in lock.splitlines() if "numbers-1.0-py3-none-macosx_10_9" in line][:1]
    folder.edit(windows, windows.replace("macosx_10_9_x86_64", "win_amd64") + "\n" + windows, "uv.lock")
    assert run("export", "--frozen", cwd=folder).status == 0
    assert changed(before, texts(folder)) == []


# What changes them

BUMPS = {
    "numbers": ("numbers<=1.0", "numbers", ["pylock.heavy.toml"]),
    "shared": ("shared<=1.0", "shared", ["pylock.heavy.toml"]),
    "web": ('"web<=1.0"', '"web"', ["pylock.dependencies.toml"]),
    "a package that moves to a lower layer": (
        '"both"',
        '"both", "web"',
        ["pylock.dependencies.toml", "pylock.light.toml"],
    ),
    "a package that is added": ('"both"', '"both", "extra-one"', ["pylock.light.toml"]),
}


@pytest.mark.parametrize("bump", BUMPS)
def test_exactly_the_locks_change_whose_packages_do(project, run, bump):
    old, new, expected = BUMPS[bump]
    folder = project(APP)
    run("export", cwd=folder)
    before = texts(folder)
    folder.edit(old, new)
    folder.lock("--upgrade")
    run("export", cwd=folder)
    assert changed(before, texts(folder)) == expected


def test_a_file_with_another_hash_changes_its_lock(project, run):
    folder = project(APP)
    run("export", cwd=folder)
    before = texts(folder)
    lock = (folder / "uv.lock").read_text(encoding="utf-8")
    [wheel] = [line for line in lock.splitlines() if "/vendor_core-1.0" in line]
    digest = wheel.split("sha256:")[1].split('"')[0]
    folder.edit(digest, "0" * 64, "uv.lock")
    run("export", "--frozen", cwd=folder)
    assert changed(before, texts(folder)) == ["pylock.light.toml"]


@pytest.mark.parametrize("options", [("--prefix", "/opt/app"), ("--python", "3.13", "--platform", "linux/arm64")])
def test_every_lock_changes_with(project, run, options):
    folder = project(APP)
    run("export", "--platform", "linux/amd64", "--python", "3.12", cwd=folder)
    before = texts(folder)
    run("export", *(options if "--platform" in options else (*options, "--platform", "linux/amd64")), cwd=folder)
    assert changed(before, texts(folder)) == LOCKS


# Settings that travel

TRAVELLING = {
    "config-settings": 'config-settings = { a = "b" }',
    "config-settings-package": 'config-settings-package = { source = { a = "b" } }',
    "extra-build-dependencies": 'extra-build-dependencies = { source = ["helper"] }',
    "extra-build-variables": 'extra-build-variables = { source = { FLAVOUR = "lemon" } }',
    "no-build-isolation-package": 'no-build-isolation-package = ["source"]',
    "build-constraint-dependencies": 'build-constraint-dependencies = ["helper<2"]',
}


@pytest.mark.parametrize("setting", TRAVELLING)
def test_a_build_setting_travels_with_the_package_that_is_built(project, run, setting):
    folder = project(APP)
    run("export", cwd=folder)
    before = texts(folder)
    folder.edit("[tool.uv]", f"[tool.uv]\n    {TRAVELLING[setting]}")
    folder.lock()
    assert run("export", cwd=folder).status == 0
    found = settings_of(folder, "heavy")
    assert found.pop("index")
    assert found == tomli.loads(TRAVELLING[setting])
    assert changed(before, texts(folder)) == ["pylock.heavy.toml"]


def test_settings_of_a_uv_toml_travel_too(project, run, index):
    folder = project(APP)
    own = f'[[index]]\nurl = "{index.url}"\ndefault = true\n[config-settings-package]\nSource = {{ a = "b" }}\n'
    (folder / "uv.toml").write_text(own)
    folder.lock()
    assert run("export", cwd=folder).status == 0
    travelling = settings_of(folder, "heavy")
    assert travelling == {
        "config-settings-package": {"Source": {"a": "b"}},
        "index": [{"url": index.url, "default": True}],
    }


def test_a_package_whose_wheel_is_refused_is_built_and_that_travels(project, run):
    folder = project(APP.replace("[tool.uv]", '[tool.uv]\n    no-binary-package = ["Both", "other"]'))
    run("export", cwd=folder)
    assert settings_of(folder, "light")["no-binary-package"] == ["both", "other"]  # a build may require it
    assert "no-binary-package" not in settings_of(folder, "dependencies")
    lock = tomli.loads((folder / "pylock.light.toml").read_text(encoding="utf-8"))
    [both] = [p for p in lock["packages"] if p["name"] == "both"]
    assert both["sdist"]["url"].endswith("/both-1.0.tar.gz")
    assert "wheels" not in both


# Sources


def test_a_package_of_an_explicit_index_is_named_by_its_address(project, run, index):
    source = '[tool.uv.sources]\nclash = { index = "cpu" }\n'
    cpu = f'[[tool.uv.index]]\nname = "cpu"\nurl = "{index.cpu_url}"\nexplicit = true\n'
    head = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["clash"]\n'
    folder = project(head + source + cpu)
    run("export", cwd=folder)
    [clash] = tomli.loads((folder / "pylock.dependencies.toml").read_text(encoding="utf-8"))["packages"]
    assert clash["version"] == "2.0+cpu"
    assert clash["wheels"][0]["url"].startswith(f"http://{index.host}/cpu/files/")


def test_a_package_of_an_address_is_hashed(project, run, index):
    url = f"http://{index.host}/files/speed-1.0-py3-none-any.whl"
    head = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
    folder = project(f'{head}dependencies = ["speed @ {url}"]\n')
    run("export", cwd=folder)
    [speed] = tomli.loads((folder / "pylock.dependencies.toml").read_text(encoding="utf-8"))["packages"]
    assert speed["archive"]["url"] == url
    assert len(speed["archive"]["hashes"]["sha256"]) == 64


@pytest.fixture
def repository(index, tmp_path):
    """A git repository of a package, and a function that runs git in it."""
    archive = tmp_path / "source.tar.gz"
    archive.write_bytes(index.files["source-1.0.tar.gz"])
    subprocess.run(["tar", "-xzf", archive], cwd=tmp_path, check=True)
    folder = tmp_path / "source-1.0"

    def git(*arguments):
        who = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
        done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "--quiet", "--initial-branch", "main")
    git("add", ".")
    git("commit", "--quiet", "--message", "One")
    return folder, git


def test_a_package_of_git_is_pinned_by_its_commit_and_not_by_the_branch(project, run, repository):
    folder, git = repository
    head = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["source"]\n'
    app = project(f'{head}[tool.uv.sources]\nsource = {{ git = "{folder.as_uri()}", branch = "main" }}\n')
    run("export", cwd=app)
    [source] = tomli.loads((app / "pylock.dependencies.toml").read_text(encoding="utf-8"))["packages"]
    assert source["vcs"]["commit-id"] == git("rev-parse", "HEAD")
    assert "requested-revision" not in source["vcs"]


# Secrets


def assert_no_secret(folder, *outcomes):
    for shown in (*texts(folder).values(), *(ended.output for ended in outcomes)):
        assert "s3cret-w0rd" not in shown
        assert "alice" not in shown


def test_credentials_of_an_index_are_never_written_or_said(project, run, index):
    folder = project(APP, url=index.url_with_credentials)
    ended = [run(*words, cwd=folder) for words in (("plan", "-v"), ("plan", "--json"), ("export",))]
    assert [e.status for e in ended] == [0, 0, 0]
    assert "/private/files/" in texts(folder)["pylock.heavy.toml"]
    assert_no_secret(folder, *ended)


def test_credentials_of_the_environment_are_never_written_or_said(project, run, index, environment):
    environment.setenv("UV_DEFAULT_INDEX", index.url_with_credentials)
    folder = project(APP)
    ended = [run(*words, cwd=folder) for words in (("plan", "-v"), ("export", "-v"))]
    assert [e.status for e in ended] == [0, 0]
    assert "/private/files/" in texts(folder)["pylock.heavy.toml"]
    assert_no_secret(folder, *ended)


def test_credentials_of_an_address_are_never_written_or_said(project, run, index):
    url = index.url_with_credentials.replace("/simple", "/files/speed-1.0-py3-none-any.whl")
    head = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
    folder = project(f'{head}dependencies = ["speed @ {url}"]\n')
    ended = [run(*words, cwd=folder) for words in (("plan", "-v"), ("export",))]
    assert [e.status for e in ended] == [0, 0]
    assert_no_secret(folder, *ended)


def test_credentials_are_not_said_when_uv_fails(project, run, index, tmp_path):
    folder = project(APP, url=index.url_with_credentials)
    folder.edit("alice:s3cret-w0rd@", "alice:s3cret-w0rd-that-is-wrong@")
    folder.edit('"both"', '"both", "speed"')
    ended = run("export", cwd=folder, UV_CACHE_DIR=str(tmp_path / "empty"))
    assert ended.status == 3
    assert "401" in ended.stderr
    assert_no_secret(folder, ended)


def test_credentials_that_git_says_are_masked(project, run):
    folder = project(APP)
    source = "[tool.uv.sources]\nvendor-maths = { git = 'http://alice:s3cret-w0rd@127.0.0.1:9/repository' }\n"
    folder.edit("[[tool.uv.index]]", f"{source}[[tool.uv.index]]")
    ended = run("export", cwd=folder)
    assert ended.status == 3
    assert "127.0.0.1:9/repository" in ended.stderr
    assert_no_secret(folder, ended)


def test_the_default_target_is_the_running_python(project, run):
    folder = project(APP)
    run("export", cwd=folder)
    lock = tomli.loads((folder / "pylock.heavy.toml").read_text(encoding="utf-8"))
    assert lock["requires-python"] == f"=={sys.version_info[0]}.{sys.version_info[1]}.*"
