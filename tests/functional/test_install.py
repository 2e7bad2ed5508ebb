"""`uv-layers install`: trees that are whole, alike everywhere, and left alone while nothing changes."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support import facts, record_digest

from uv_layers.cli.install import install_layers
from uv_layers.project.options import Options

APP = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["web<=1.0"]

    [dependency-groups]
    heavy = ["numbers<=1.0"]
    light = ["tool"]
    built = ["source"]
    docs = ["docs-only"]

    [tool.uv]
    default-groups = ["heavy", "light"]
"""
HEAD = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
SITE = f"usr/local/lib/{PYTHON}/site-packages"
EPOCH = 315532800  # 1980-01-01


def tree(folder, layer):
    return folder / "layers" / layer


def paths(root):
    return sorted(Path(root).rglob("*"))


def versions(root, name):
    return [p.name for p in root.glob(f"{SITE}/{name}-*.dist-info")]


def left_behind(folder):
    return [p.name for p in (folder / "layers/.uv-layers").iterdir() if p.suffix not in {".json", ".lock"}]


@pytest.fixture
def no_uv(tmp_path):
    """The environment in which a uv that is started fails."""
    program = tmp_path / "no-uv"
    program.write_text('#!/bin/sh\necho "uv was started with $*" >&2\nexit 97\n')
    program.chmod(0o755)
    return {"UV_LAYERS_UV": str(program)}


# Which trees are made


def test_one_layer_is_the_whole_path_below_its_tree(project, run):
    folder = project(APP)
    ended = run("install", "heavy", cwd=folder)
    assert ended.status == 0
    assert (tree(folder, "heavy") / SITE / "numbers/__init__.py").read_text().startswith("VERSION = '1.0'")
    assert versions(tree(folder, "heavy"), "shared") == ["shared-1.1.dist-info"]
    assert [p.name for p in (folder / "layers").iterdir() if not p.name.startswith(".")] == ["heavy"]


GROUPS = (
    '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = []\n'
    '[dependency-groups]\nheavy = ["tool"]\nlight = ["web"]\n[tool.uv]\ndefault-groups = ["heavy", "light"]\n'
)


def test_each_layer_reports_what_is_done_for_it(project, environment, cold):
    for name, value in cold().items():
        environment.setenv(name, value)
    folder = project(GROUPS)
    steps = []
    options = Options(directory=folder.path)
    install_layers(options, everything=True, report=lambda *step: steps.append(step))
    of = {layer: [doing for name, doing in steps if name == layer] for layer in ("heavy", "light")}
    for layer, number, files in (("heavy", "1 package", "2 files"), ("light", "2 packages", "2 files")):
        compiling = [f"compiling {n} of {files}" for n in (1, 2)]
        assert of[layer] == [f"installing {number}", *compiling, "checking files", ""]
    assert len(steps) == sum(map(len, of.values()))


def test_progress_is_for_a_terminal_alone(project, on_a_terminal, run_program):
    folder = project(GROUPS)
    said, out = on_a_terminal("install", "--all", cwd=folder)
    assert re.search(r"(heavy|light): installing \d", said)
    *_, after = said.split("\r\x1b[K")
    assert {line.partition(":")[0] for line in after.splitlines()} == {"heavy", "light"}
    assert out == ""
    assert "\x1b" not in run_program("install", "--all", cwd=folder).stderr


def test_verbose_shows_what_uv_says_with_the_layer_that_it_is_about(project, run_program, cold):
    ended = run_program("install", "--all", "-v", cwd=project(GROUPS), **cold())
    assert "heavy:  + tool==1.0\n" in ended.stderr
    assert "light:  + web==1.1\n" in ended.stderr
    assert all(line.startswith(("heavy: ", "light: ")) for line in ended.stderr.splitlines())


def test_several_layers_are_made_at_once_and_no_others(project, run):
    folder = project(APP)
    assert run("install", "light", "heavy", "light", cwd=folder).status == 0
    assert sorted(p.name for p in (folder / "layers").iterdir() if p.name[0] != ".") == ["heavy", "light"]


def test_all_makes_every_layer_and_none_has_a_package_of_another(project, run):
    folder = project(APP)
    assert run("install", "--all", cwd=folder).status == 0
    names = {p.name: sorted(d.name for d in (p / SITE).glob("*.dist-info")) for p in (folder / "layers").glob("[!.]*")}
    assert names == {
        "heavy": ["numbers-1.0.dist-info", "shared-1.1.dist-info"],
        "light": ["tool-1.0.dist-info"],
        "dependencies": ["web-1.0.dist-info"],
    }


def test_a_group_needs_no_configuration_at_all(project, run):
    folder = project(f'{HEAD}[dependency-groups]\nheavy = ["numbers"]\n')
    ended = run("install", "heavy", cwd=folder)
    assert ended.status == 0
    assert "hint: group 'heavy' is included only in this run" in ended.stderr
    assert (tree(folder, "heavy") / SITE / "numbers").is_dir()


def test_layer_locks_are_enough(project, run, tmp_path):
    folder = project(APP)
    run("export", cwd=folder)
    stage = tmp_path / "stage"
    stage.mkdir()
    shutil.copy(folder / "pylock.heavy.toml", stage)
    assert run("install", "heavy", "--compile", "none", cwd=stage).status == 0
    run("install", "heavy", "--compile", "none", cwd=folder)
    assert facts(stage / "layers/heavy") == facts(tree(folder, "heavy"))


def test_all_layer_locks_of_a_folder_are_installed(project, run, tmp_path):
    folder = project(APP)
    run("export", "-o", tmp_path / "stage", cwd=folder)
    assert run("install", "--all", "--project", "stage", cwd=tmp_path).status == 0
    assert sorted(p.name for p in (tmp_path / "stage/layers").glob("[!.]*")) == ["dependencies", "heavy", "light"]


def test_trees_go_where_layers_dir_says(project, run, tmp_path):
    folder = project(APP)
    assert run("install", "heavy", "--layers-dir", "../out", cwd=folder).status == 0
    assert run("install", "light", cwd=folder, UV_LAYERS_LAYERS_DIR=str(tmp_path / "out")).status == 0
    assert sorted(p.name for p in (tmp_path / "out").glob("[!.]*")) == ["heavy", "light"]
    assert not (folder / "layers").exists()


def test_a_layer_without_packages_is_an_empty_tree(project, run):
    layers = '[{ name = "low", packages = ["for-old-python"] }, { name = "top", dependencies = true }]'
    app = f'{HEAD}dependencies = ["web", "for-old-python; python_version < \'3.10\'"]\n'
    folder = project(f"{app}[tool.uv-layers]\nlayers = {layers}\n".replace(">=3.10", ">=3.9"))
    ended = run("install", "--all", cwd=folder)
    assert ended.status == 0
    assert "low: 0 packages" in ended.stderr
    assert [p for p in paths(tree(folder, "low")) if not p.is_dir()] == []


def test_installing_needs_no_network_once_the_cache_has_the_wheels(project, run):
    folder = project(APP)
    run("install", "--all", cwd=folder)
    shutil.rmtree(folder / "layers")
    assert run("install", "--all", "--offline", cwd=folder).status == 0
    assert (tree(folder, "light") / SITE / "tool").is_dir()


# What is in a tree


@pytest.mark.parametrize("prefix", ["/opt/app", "/", "/usr/"])
def test_packages_are_below_the_prefix(project, run, prefix):
    folder = project(APP)
    assert run("install", "light", "--prefix", prefix, cwd=folder).status == 0
    inside = tree(folder, "light") / prefix.strip("/")
    assert (inside / "lib" / PYTHON / "site-packages/tool/__init__.py").is_file()
    assert (inside / "bin/tool").is_file()
    assert (inside / "share/tool/notes.txt").is_file()


def test_the_prefix_of_the_layer_lock_is_kept(project, run, tmp_path):
    folder = project(f'{APP}\n    [tool.uv-layers]\n    prefix = "/srv/app"\n')
    run("export", "light", "-o", tmp_path / "stage", cwd=folder)
    assert run("install", "light", cwd=tmp_path / "stage").status == 0
    assert (tmp_path / "stage/layers/light/srv/app/bin/tool").is_file()


def test_scripts_run_by_the_base_interpreter_and_never_from_staging(project, run):
    folder = project(APP)
    run("install", "light", cwd=folder)
    interpreter = f"#!{Path(sys.base_prefix) / 'bin' / PYTHON}"
    for script, said in (("tool", "tool"), ("tool-script", "a script")):
        program = tree(folder, "light") / "usr/local/bin" / script
        assert program.read_text().splitlines()[0] == interpreter
        environ = os.environ | {"PYTHONPATH": str(tree(folder, "light") / SITE)}
        done = subprocess.run([program], env=environ, capture_output=True, text=True, check=True)
        assert done.stdout == f"{said}\n"


def test_no_file_names_the_place_where_it_was_built(project, run):
    folder = project(APP.replace('"light"]', '"light", "built"]'))
    assert run("install", "--all", cwd=folder).status == 0
    place = os.fsencode(folder.path)
    for layer in ("heavy", "light", "built", "dependencies"):
        files = [path for path in paths(tree(folder, layer)) if path.is_file()]
        assert files
        assert [path for path in files if place in path.read_bytes() or b".staging" in path.read_bytes()] == []


def test_the_record_of_each_package_names_files_that_are_there_with_their_hash(project, run):
    folder = project(APP)
    run("install", "light", cwd=folder)
    site = tree(folder, "light") / SITE
    with (site / "tool-1.0.dist-info/RECORD").open(newline="") as file:
        rows = list(csv.reader(file))
    assert "tool/nested/deep/text.txt" in [name for name, _, _ in rows]
    for name, digest, _ in rows:
        content = (site / name).read_bytes()
        if digest:
            assert digest == f"sha256={record_digest(content)}", name


def test_uv_leaves_no_trace_of_itself(project, run):
    folder = project(APP)
    run("install", "--all", cwd=folder)
    names = {path.name for path in paths(folder / "layers") if ".uv-layers" not in path.parts}
    assert names.isdisjoint({".lock", "INSTALLER", "REQUESTED", "uv_cache.json", "direct_url.json", "CACHEDIR.TAG"})


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_modes_are_those_of_an_image_under_any_umask(project, run, umask):
    folder = project(APP)
    before = os.umask(umask)
    try:
        run("install", "light", cwd=folder)
    finally:
        os.umask(before)
    root = tree(folder, "light")
    modes = {str(p.relative_to(root)): stat.S_IMODE(p.lstat().st_mode) for p in (root, *paths(root))}
    executables = {"usr/local/bin/tool", "usr/local/bin/tool-script"}
    for path, mode in modes.items():
        assert mode == (0o755 if path in executables or (root / path).is_dir() else 0o644), path


def test_a_tree_is_the_same_from_another_folder_cache_and_umask(project, run, tmp_path):
    one, other = project(APP), project(APP, name="a/deeper/place")
    run("install", "--all", "--compile", "none", cwd=one)
    before = os.umask(0o027)
    try:
        run("install", "--all", "--compile", "none", cwd=other, UV_CACHE_DIR=str(tmp_path / "cold"))
    finally:
        os.umask(before)
    for layer in ("heavy", "light", "dependencies"):
        assert facts(tree(one, layer)) == facts(tree(other, layer))


HOSTILE = {
    "UV_LINK_MODE": "symlink",
    "UV_COMPILE_BYTECODE": "1",
    "UV_NO_BINARY": "1",
    "UV_NO_VERIFY_HASHES": "1",
    "UV_SYSTEM_PYTHON": "1",
    "UV_BREAK_SYSTEM_PACKAGES": "1",
    "UV_RESOLUTION": "lowest",
    "UV_EXCLUDE_NEWER": "2001-01-01",
    "UV_TORCH_BACKEND": "cpu",
    "UV_NO_SOURCES": "1",
    "UV_PRERELEASE": "allow",
    "UV_REQUIRE_HASHES": "1",
    "UV_NO_EDITABLE": "1",
    "VIRTUAL_ENV": "/nowhere",
    "UV_CONSTRAINT": "/nowhere/constraints.txt",
    "UV_OVERRIDE": "/nowhere/overrides.txt",
    "UV_PROJECT_ENVIRONMENT": "/nowhere/venv",
    "UV_WORKING_DIR": "/nowhere",
    "UV_CONFIG_FILE": "/nowhere/uv.toml",
    "UV_PYTHON_PREFERENCE": "only-managed",
    "UV_INDEX_STRATEGY": "unsafe-best-match",
}


def test_no_variable_of_uv_changes_what_a_layer_lock_fixes(project, run, tmp_path):
    folder = project(APP)
    run("export", "light", "-o", tmp_path / "stage", cwd=folder)
    assert run("install", "light", "--compile", "none", cwd=tmp_path / "stage").status == 0
    plain = facts(tmp_path / "stage/layers/light")
    shutil.rmtree(tmp_path / "stage/layers")
    assert run("install", "light", "--compile", "none", cwd=tmp_path / "stage", **HOSTILE).status == 0
    assert facts(tmp_path / "stage/layers/light") == plain


SURROUNDINGS = {
    "a uv.toml": ("uv.toml", '[pip]\nno-binary = ["tool"]\n'),
    "a pyproject.toml": (
        "pyproject.toml",
        '[project]\nname = "a"\nversion = "1"\n[tool.uv.pip]\nno-binary = ["tool"]\n',
    ),
}


@pytest.mark.parametrize("around", SURROUNDINGS)
def test_no_project_around_the_layer_locks_changes_what_they_fix(project, run, tmp_path, around):
    folder = project(APP)
    run("export", "light", "-o", tmp_path / "around/stage", cwd=folder)
    name, text = SURROUNDINGS[around]
    (tmp_path / "around" / name).write_text(text)
    ended = run("install", "light", cwd=tmp_path / "around/stage")
    assert ended.status == 0, ended.stderr
    assert (tmp_path / "around/stage/layers/light" / SITE / "tool").is_dir()


# Source distributions


def built_with(folder, layer="dependencies"):
    scope = {}
    exec((tree(folder, layer) / SITE / "source.py").read_text(), scope)  # noqa: S102 - written by the backend here
    return scope["BUILT_WITH"]


def test_a_source_distribution_is_built(project, run):
    folder = project(APP)
    assert run("install", "built", cwd=folder).status == 0
    assert built_with(folder, "built") == {"settings": {}, "epoch": str(EPOCH), "flavour": None, "helper": None}


def test_a_source_distribution_is_built_with_the_settings_of_the_project(project, run, tmp_path):
    settings = (
        "[tool.uv]\n"
        'config-settings-package = { source = { a = "b" } }\n'
        'extra-build-variables = { source = { FLAVOUR = "lemon" } }\n'
        'extra-build-dependencies = { source = ["helper"] }\n'
    )
    folder = project(f'{HEAD}dependencies = ["source"]\n{settings}')
    assert run("install", "dependencies", cwd=folder, UV_CACHE_DIR=str(tmp_path / "cold")).status == 0
    found = built_with(folder)
    assert (found["settings"], found["flavour"], found["helper"]) == ({"a": "b"}, "lemon", "1.0")


def test_the_settings_are_in_the_layer_lock_as_well(project, run, tmp_path):
    settings = '[tool.uv]\nconfig-settings-package = { source = { a = "b" } }\n'
    folder = project(f'{HEAD}dependencies = ["source"]\n{settings}')
    run("export", "-o", tmp_path / "stage", cwd=folder)
    ended = run("install", "dependencies", cwd=tmp_path / "stage", UV_CACHE_DIR=str(tmp_path / "cold"))
    assert ended.status == 0
    assert "'settings': {'a': 'b'}" in (tmp_path / "stage/layers/dependencies" / SITE / "source.py").read_text()


HOSTILE_TO_BUILDS = {
    "UV_NO_CONFIG": "1",
    "UV_BUILD_CONSTRAINT": "/nowhere/constraints.txt",
    "UV_NO_BUILD_ISOLATION": "1",
}


@pytest.mark.parametrize("name", HOSTILE_TO_BUILDS)
def test_no_variable_of_uv_changes_how_a_layer_lock_is_built(project, run, index, tmp_path, name):
    settings = '[tool.uv]\nconfig-settings-package = { built = { a = "b" } }\n'
    folder = project(f'{HEAD}dependencies = ["built"]\n{settings}')
    run("export", "-o", tmp_path / "stage", cwd=folder)
    environ = {"UV_CACHE_DIR": str(tmp_path / "cold"), "UV_DEFAULT_INDEX": index.url, name: HOSTILE_TO_BUILDS[name]}
    ended = run("install", "dependencies", cwd=tmp_path / "stage", **environ)
    assert ended.status == 0, ended.stderr
    module = (tmp_path / "stage/layers/dependencies" / SITE / "built.py").read_text()
    assert "'settings': {'a': 'b'}" in module
    assert "'helper': '1.0'" in module


def test_no_build_of_the_environment_forbids_builds(project, run, tmp_path):
    folder = project(f'{HEAD}dependencies = ["source"]\n')
    ended = run("install", "dependencies", cwd=folder, UV_NO_BUILD="1", UV_CACHE_DIR=str(tmp_path / "cold"))
    assert ended.status == 3
    assert "\nerror[uv-failed]: " in ended.stderr
    assert not (folder / "layers/dependencies").exists()


def test_a_build_finds_its_requirements_in_the_index_of_the_environment(project, run, index, tmp_path):
    folder = project(f'{HEAD}dependencies = ["built"]\n')
    run("export", "-o", tmp_path / "stage", cwd=folder)
    cold = {"UV_CACHE_DIR": str(tmp_path / "cold"), "UV_DEFAULT_INDEX": index.url}
    assert run("install", "dependencies", cwd=tmp_path / "stage", **cold).status == 0
    assert "'helper': '1.0'" in (tmp_path / "stage/layers/dependencies" / SITE / "built.py").read_text()


def test_a_build_finds_its_requirements_in_the_index_of_the_project(project, run, tmp_path):
    folder = project(f'{HEAD}dependencies = ["built"]\n')
    run("export", "-o", tmp_path / "stage", cwd=folder)
    ended = run("install", "dependencies", cwd=tmp_path / "stage", UV_CACHE_DIR=str(tmp_path / "cold"))
    assert ended.status == 0, ended.stderr


def test_trees_outside_of_the_project_are_built_alike(project, run, tmp_path):
    folder = project(f'{HEAD}dependencies = ["built"]\n')
    out = ("--layers-dir", tmp_path / "out")
    for number, words in enumerate(((), out)):
        ended = run("install", "dependencies", *words, cwd=folder, UV_CACHE_DIR=str(tmp_path / f"cold{number}"))
        assert ended.status == 0, ended.stderr
    assert facts(folder / "layers/dependencies") == facts(tmp_path / "out/dependencies")


def test_a_wheel_that_is_refused_is_built_from_source(project, run):
    folder = project(f'{HEAD}dependencies = ["both"]\n[tool.uv]\nno-binary-package = ["both"]\n')
    assert run("install", "dependencies", cwd=folder).status == 0
    assert "BUILT_WITH" in (tree(folder, "dependencies") / SITE / "both.py").read_text()


# Sources other than an index


def test_a_package_of_an_address_is_installed(project, run, index):
    at = f"http://{index.host}/files"
    wanted = f'["speed @ {at}/speed-1.0-py3-none-any.whl", "source @ {at}/source-1.0.tar.gz"]'
    folder = project(f"{HEAD}dependencies = {wanted}\n")
    assert run("install", "dependencies", cwd=folder).status == 0
    assert versions(tree(folder, "dependencies"), "speed") == ["speed-1.0.dist-info"]
    assert versions(tree(folder, "dependencies"), "source") == ["source-1.0.dist-info"]


@pytest.fixture
def with_local_wheel(project, index):
    """A project that has one of its dependencies as a wheel in its folder."""
    source = '[tool.uv.sources]\nspeed = { path = "vendor/speed-1.0-py3-none-any.whl" }\n'
    folder = project(f'{HEAD}dependencies = ["speed"]\n{source}', locked=False)
    (folder / "vendor").mkdir()
    (folder / "vendor/speed-1.0-py3-none-any.whl").write_bytes(index.files["speed-1.0-py3-none-any.whl"])
    folder.lock()
    return folder


def test_a_wheel_in_the_project_is_installed(with_local_wheel, run):
    ended = run("install", "dependencies", cwd=with_local_wheel)
    assert ended.status == 0, ended.stderr
    assert versions(tree(with_local_wheel, "dependencies"), "speed") == ["speed-1.0.dist-info"]


def test_a_wheel_beside_the_layer_lock_is_installed(with_local_wheel, run, tmp_path):
    run("export", cwd=with_local_wheel)
    stage = tmp_path / "stage"
    stage.mkdir()
    shutil.copy(with_local_wheel / "pylock.dependencies.toml", stage)
    shutil.copytree(with_local_wheel / "vendor", stage / "vendor")
    ended = run("install", "dependencies", cwd=stage)
    assert ended.status == 0, ended.stderr
    assert versions(tree(stage, "dependencies"), "speed") == ["speed-1.0.dist-info"]


def test_a_flat_index_in_the_project_is_named_by_no_absolute_path(project, run, uv_run, index):
    flat = '[[tool.uv.index]]\nname = "flat"\nurl = "./wheels"\nformat = "flat"\nexplicit = true\n'
    sources = '[tool.uv.sources]\nspeed = { index = "flat" }\n'
    folder = project(f'{HEAD}dependencies = ["speed"]\n{sources}{flat}', locked=False)
    (folder / "wheels").mkdir()
    (folder / "wheels/speed-1.0-py3-none-any.whl").write_bytes(index.files["speed-1.0-py3-none-any.whl"])
    folder.lock()
    if "hashes = {}" in uv_run("export", "--quiet", "--frozen", "--format", "pylock.toml", cwd=folder):
        pytest.skip("this uv has no hash of a file in a folder")
    run("export", cwd=folder)
    assert str(folder.path) not in (folder / "pylock.dependencies.toml").read_text()


# Indexes with a password


@pytest.fixture
def private_stage(project, run, index, tmp_path):
    """A folder with the layer lock of a project that uses the private index."""
    folder = project(f'{HEAD}dependencies = ["web"]\n', url=index.url_with_credentials)
    run("export", "-o", tmp_path / "stage", cwd=folder)
    return tmp_path / "stage"


def test_a_private_index_is_installed_from_with_the_credentials_of_the_project(project, run, index, tmp_path):
    folder = project(f'{HEAD}dependencies = ["web"]\n', url=index.url_with_credentials)
    out, cold = ("--layers-dir", tmp_path / "out"), {"UV_CACHE_DIR": str(tmp_path / "cold")}
    ended = run("install", "dependencies", *out, cwd=folder, **cold)
    assert ended.status == 0, ended.stderr


def test_a_private_index_is_installed_from_with_the_url_of_the_environment(run, index, private_stage, tmp_path):
    environ = {"UV_DEFAULT_INDEX": index.url_with_credentials, "UV_CACHE_DIR": str(tmp_path / "cold")}
    ended = run("install", "dependencies", cwd=private_stage, **environ)
    assert ended.status == 0, ended.stderr
    assert "s3cret-w0rd" not in ended.output
    for path in paths(private_stage):
        assert not path.is_file() or b"s3cret-w0rd" not in path.read_bytes()


def test_a_private_index_is_installed_from_with_the_credentials_for_its_name(run, private_stage, tmp_path):
    environ = {"UV_INDEX_HERE_USERNAME": "alice", "UV_INDEX_HERE_PASSWORD": "s3cret-w0rd"}
    ended = run("install", "dependencies", cwd=private_stage, UV_CACHE_DIR=str(tmp_path / "cold"), **environ)
    assert ended.status == 0, ended.stderr


def test_a_private_index_without_credentials_fails_and_says_so(run, private_stage, tmp_path):
    ended = run("install", "dependencies", cwd=private_stage, UV_CACHE_DIR=str(tmp_path / "cold"))
    assert ended.status == 3
    assert "401" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("error[uv-failed]: ")


# When a tree is made again


def test_a_second_run_starts_no_uv_and_says_up_to_date(project, run, no_uv):
    folder = project(APP)
    run("install", "--all", cwd=folder)
    before = {p: p.lstat().st_ino for p in paths(folder / "layers")}
    ended = run("install", "--all", cwd=folder, **no_uv)
    assert ended.status == 0
    lines = [line for line in ended.stderr.splitlines() if "up to date" in line]
    assert [line.split(":")[0] for line in lines] == ["heavy", "light", "dependencies"]
    assert {p: p.lstat().st_ino for p in paths(folder / "layers")} == before


def test_a_second_run_from_layer_locks_starts_no_uv(project, run, no_uv, tmp_path):
    folder = project(APP)
    run("export", "-o", tmp_path / "stage", cwd=folder)
    run("install", "light", cwd=tmp_path / "stage")
    ended = run("install", "light", cwd=tmp_path / "stage", **no_uv)
    assert ended.status == 0
    assert "up to date" in ended.stderr


CHANGES = {
    "a version": ("numbers<=1.0", "numbers"),
    "a package more": ('"numbers<=1.0"', '"numbers<=1.0", "speed"'),
    "a package less": ('"numbers<=1.0"', '"speed"'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_tree_is_made_again_after_a_change_of(project, run, change):
    folder = project(APP)
    run("install", "heavy", "light", cwd=folder)
    heavy, light = (tree(folder, layer).stat().st_ino for layer in ("heavy", "light"))
    folder.edit(*CHANGES[change])
    folder.lock("--upgrade")
    ended = run("install", "heavy", "light", cwd=folder)
    assert ended.status == 0
    assert tree(folder, "heavy").stat().st_ino != heavy
    assert tree(folder, "light").stat().st_ino == light
    wanted = {
        "a version": ["numbers-1.1", "shared-1.1"],
        "a package more": ["numbers-1.0", "shared-1.1", "speed-1.0"],
        "a package less": ["speed-1.0"],
    }
    found = sorted(p.name.removesuffix(".dist-info") for p in (tree(folder, "heavy") / SITE).glob("*.dist-info"))
    assert found == wanted[change]


def test_a_change_of_the_project_alone_leaves_the_tree(project, run):
    folder = project(APP)
    run("install", "heavy", cwd=folder)
    before = tree(folder, "heavy").stat().st_ino
    folder.edit('version = "1.0"', 'version = "2.0"')
    folder.lock()
    ended = run("install", "heavy", cwd=folder)
    assert "up to date" in ended.stderr
    assert tree(folder, "heavy").stat().st_ino == before


def test_another_prefix_makes_the_tree_again(project, run):
    folder = project(APP)
    run("install", "heavy", cwd=folder)
    run("install", "heavy", "--prefix", "/opt", cwd=folder)
    assert [p.name for p in tree(folder, "heavy").iterdir()] == ["opt"]


def test_a_tree_that_was_removed_is_made_again(project, run):
    folder = project(APP)
    run("install", "heavy", cwd=folder)
    shutil.rmtree(tree(folder, "heavy"))
    assert run("install", "heavy", cwd=folder).status == 0
    assert (tree(folder, "heavy") / SITE / "numbers").is_dir()


def test_a_record_of_another_release_makes_the_tree_again(project, run):
    folder = project(APP)
    run("install", "heavy", cwd=folder)
    record = folder / "layers/.uv-layers/heavy.json"
    record.write_text(json.dumps({"key": json.loads(record.read_text())["key"]}))
    ended = run("install", "heavy", cwd=folder)
    assert ended.status == 0
    assert "up to date" not in ended.stderr


@pytest.mark.parametrize("text", ["{}", "null", '{"key": "x"}', '{"key": '])
def test_a_record_that_uv_layers_did_not_write_makes_no_folder_ours(project, run, text):
    folder = project(APP)
    run("install", "heavy", cwd=folder)
    (folder / "layers/.uv-layers/heavy.json").write_text(text)
    (folder / "layers/heavy/precious").touch()
    ended = run("install", "heavy", cwd=folder)
    assert (ended.status, ended.stderr.startswith("error[not-ours]: ")) == (2, True)
    assert (folder / "layers/heavy/precious").is_file()


def test_what_a_killed_run_left_behind_is_cleared(project, run):
    folder = project(APP)
    run("install", "heavy", cwd=folder)
    shutil.rmtree(tree(folder, "heavy"))
    left = folder / "layers/.uv-layers/heavy.staging/tree/usr"
    left.mkdir(parents=True)
    assert run("install", "heavy", cwd=folder).status == 0
    assert left_behind(folder) == []


# When it fails


@pytest.fixture
def spoiled(project, run, tmp_path):
    """A folder with a tree and its layer lock, which now has a wrong hash, and the facts of the tree."""
    folder = project(APP.replace('"tool"', '"extra-two"'))
    stage = tmp_path / "stage"
    run("export", "light", "-o", stage, cwd=folder)
    assert run("install", "light", cwd=stage).status == 0
    lock = stage / "pylock.light.toml"
    digest = lock.read_text().split('sha256 = "')[1].split('"')[0]
    lock.write_text(lock.read_text().replace(digest, "0" * 64))
    return stage


def test_a_wheel_with_another_hash_is_refused_and_the_old_tree_stays(spoiled, run):
    before, record = facts(spoiled / "layers/light"), (spoiled / "layers/.uv-layers/light.json").read_text()
    ended = run("install", "light", cwd=spoiled)
    assert ended.status == 3
    assert "error[uv-failed]: " in ended.stderr
    assert "hash" in ended.stderr.lower()
    assert facts(spoiled / "layers/light") == before
    assert (spoiled / "layers/.uv-layers/light.json").read_text() == record
    assert left_behind(spoiled) == []


def test_a_first_install_that_fails_leaves_no_tree(spoiled, run):
    shutil.rmtree(spoiled / "layers")
    assert run("install", "light", cwd=spoiled).status == 3
    assert not (spoiled / "layers/light").exists()
    assert left_behind(spoiled) == []


def test_one_layer_that_fails_leaves_the_old_trees_of_all(project, run, tmp_path):
    folder = project(APP)
    run("export", "-o", tmp_path / "stage", cwd=folder)
    run("install", "--all", cwd=tmp_path / "stage")
    stage = tmp_path / "stage"
    lock = stage / "pylock.heavy.toml"
    lock.write_text(lock.read_text().replace("/files/numbers-", "/files/of-nowhere/numbers-"))
    before = {name: facts(stage / "layers" / name) for name in ("heavy", "light")}
    assert run("install", "--all", cwd=stage).status == 3
    assert {name: facts(stage / "layers" / name) for name in before} == before
    assert left_behind(stage) == []


FOREIGN = {
    "a folder": lambda place: place.mkdir(parents=True),
    "a folder with files": lambda place: (place.mkdir(parents=True), (place / "mine.txt").write_text("mine")),
    "a file": lambda place: (place.parent.mkdir(), place.write_text("mine")),
    "a symlink": lambda place: (place.parent.mkdir(), (place.parent / "x").mkdir(), place.symlink_to("x")),
    "a dangling symlink": lambda place: (place.parent.mkdir(), place.symlink_to("nothing")),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_not_ours_is_refused_and_left_alone(project, run, kind):
    folder = project(APP)
    FOREIGN[kind](tree(folder, "light"))
    before = facts(tree(folder, "light")) if "dangling" not in kind else tree(folder, "light").readlink()
    ended = run("install", "light", cwd=folder)
    assert ended.status == 2
    assert f"error[not-ours]: uv-layers did not create {tree(folder, 'light')} " in ended.stderr
    after = facts(tree(folder, "light")) if "dangling" not in kind else tree(folder, "light").readlink()
    assert after == before


def test_a_layer_lock_for_another_python_is_refused(project, run, tmp_path):
    folder, stage = project(APP), tmp_path / "stage"
    run("export", "light", "-o", stage, cwd=folder)
    lock = stage / "pylock.light.toml"
    wanted = f"=={sys.version_info[0]}.{sys.version_info[1]}.*"
    lock.write_text(lock.read_text().replace(wanted, "==3.99.*"))
    ended = run("install", "light", cwd=stage)
    assert ended.status == 2
    assert "error[python-mismatch]: " in ended.stderr
    assert str(lock) in ended.stderr
    assert not (stage / "layers/light").exists()


def test_a_layer_lock_for_another_platform_is_refused(project, run, tmp_path):
    folder, stage = project(APP.replace("numbers<=1.0", "speed")), tmp_path / "stage"
    run("export", "light", "-o", stage, "--platform", "linux/riscv64", cwd=folder)
    ended = run("install", "light", cwd=stage)
    assert ended.status == 2
    assert "error[python-mismatch]: " in ended.stderr
    assert "riscv64" in ended.stderr


# The folder of the trees


def test_git_ignores_the_folder(project, run):
    folder = project(APP)
    run("install", "heavy", cwd=folder)
    assert (folder / "layers/.gitignore").read_text() == "*\n"
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    status = subprocess.run(
        ["git", "status", "--short", "--untracked-files=all"], cwd=folder, check=True, capture_output=True, text=True
    )
    assert "layers" not in status.stdout
    assert "uv.lock" in status.stdout


def test_git_goes_on_seeing_a_folder_that_was_there(project, run):
    folder = project(APP)
    (folder / "layers").mkdir()
    (folder / "layers/mine.txt").write_text("mine")
    assert run("install", "heavy", cwd=folder).status == 0
    assert not (folder / "layers/.gitignore").exists()
    assert (folder / "layers/mine.txt").read_text() == "mine"


# What is printed


def test_one_line_a_layer_says_what_became_of_it(project, run):
    folder = project(APP)
    ended = run("install", "--all", cwd=folder)
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert lines[0].startswith("heavy: 2 packages, ")
    assert lines[0].endswith(f" s, {tree(folder, 'heavy')}")
    assert run("install", "--all", "-q", cwd=folder).output == ""


def test_json_says_what_was_made(project, run):
    folder = project(APP)
    first = run("install", "light", "--json", "--compile", "none", cwd=folder)
    [made] = first.result["layers"]
    files = [p for p in paths(tree(folder, "light")) if p.is_file()]
    assert (made["name"], made["path"], made["packages"]) == ("light", str(tree(folder, "light")), 1)
    assert made["files"] == len(files)
    assert made["bytes"] == sum(p.stat().st_size for p in files)
    assert made["seconds"] > 0
    assert made["up_to_date"] is False
    assert first.stderr == ""
    [again] = run("install", "light", "--json", "--compile", "none", cwd=folder).result["layers"]
    assert again["up_to_date"] is True
    assert {k: v for k, v in again.items() if k not in {"seconds", "up_to_date"}} == {
        k: v for k, v in made.items() if k not in {"seconds", "up_to_date"}
    }


def test_json_stands_alone_on_standard_output_of_a_program(project, run_program):
    folder = project(APP)
    ended = run_program("install", "--all", "--json", cwd=folder)
    assert ended.status == 0
    assert [layer["name"] for layer in ended.result["layers"]] == ["heavy", "light", "dependencies"]
