from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
import uv
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import uv_layers
from uv_layers.system.uv import MINOR

ROOT = Path(__file__).parents[2]
VERSION = re.search(r'^__version__ = "(.+)"$', (ROOT / "uv_layers/__init__.py").read_text("utf-8"), re.MULTILINE)[1]
PROJECT = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def metadata(dist) -> Metadata:
    return Metadata.from_email(dist.installed[f"uv_layers-{VERSION}.dist-info/METADATA"])


def test_what_is_built_is_named_by_the_version(dist):
    assert dist.sdist.name == f"uv_layers-{VERSION}.tar.gz"
    assert dist.wheel.name == f"uv_layers-{VERSION}-py3-none-any.whl"


def test_the_source_distribution_has_what_git_has(dist):
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    tracked = {name for name in listed.stdout.split("\0") if name}
    assert set(dist.sources) == {*tracked, "PKG-INFO"}
    assert all(dist.sources[name] == (ROOT / name).read_bytes() for name in tracked)


def test_the_wheel_has_the_package_and_nothing_else(dist):
    about = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    package = {name: content for name, content in dist.sources.items() if name.startswith("uv_layers/")}
    assert {"uv_layers/__init__.py", "uv_layers/cli/app.py", "uv_layers/py.typed"} < set(package)
    assert set(dist.installed) == {*package, *(f"uv_layers-{VERSION}.dist-info/{name}" for name in about)}
    assert all(dist.installed[name] == content for name, content in package.items())


def test_nothing_is_in_them_of_the_machine_that_they_were_built_on(dist):
    for files in (dist.sources, dist.installed):
        for name, content in files.items():
            assert not name.endswith((".pyc", "uv.lock"))
            for place in {str(ROOT), sys.prefix, str(dist.wheel.parent)}:
                assert place.encode() not in content, f"{name} has {place}"


def test_the_wheel_comes_from_the_source_distribution_and_does_so_again(dist, run, tmp_path):
    run(uv.find_uv_bin(), "build", "--wheel", "--python", sys.executable, "-o", tmp_path, dist.sdist, cwd=tmp_path)
    assert (tmp_path / dist.wheel.name).read_bytes() == dist.wheel.read_bytes()


def test_the_metadata_is_that_of_the_project(metadata):
    # `from_email` has held it against the specification.
    assert (metadata.name, str(metadata.version)) == ("uv-layers", VERSION)
    assert metadata.license_expression == "MIT"
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description == (ROOT / "README.md").read_text(encoding="utf-8")
    assert {str(r) for r in metadata.requires_dist} == {str(Requirement(r)) for r in PROJECT["dependencies"]}


def test_the_classifiers_are_the_versions_of_python_that_are_required(metadata):
    named = [c.rpartition(" ")[2] for c in metadata.classifiers if re.search(r":: 3\.\d+$", c)]
    assert metadata.requires_python == SpecifierSet(f">={named[0]}")
    assert named == [f"3.{minor}" for minor in range(10, 10 + len(named))]


def test_the_version_is_in_one_place_and_the_changelog_knows_it():
    assert "version" in PROJECT["dynamic"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[?([^]\s]+)", changes, re.MULTILINE)[1]
    assert newest in {"Unreleased", VERSION}


def test_it_works_where_nothing_but_what_it_requires_is_installed(dist, run, tmp_path):
    venv, project = tmp_path / "venv", tmp_path / "project"
    program = uv.find_uv_bin()
    run(program, "venv", "--python", sys.executable, venv, cwd=tmp_path)
    run(program, "pip", "install", "--python", venv / "bin/python", dist.wheel, cwd=tmp_path)
    run(program, "pip", "check", "--python", venv / "bin/python", cwd=tmp_path)
    there = run(venv / "bin/python", "-I", "-c", "import uv_layers; print(uv_layers.__file__)", cwd=tmp_path)
    assert Path(there.strip()).is_relative_to(venv)
    assert run(venv / "bin/uv-layers", "--version", cwd=tmp_path).split()[-1] == VERSION

    project.mkdir()
    head = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
    text = f'{head}[dependency-groups]\nsome = []\n[tool.uv]\ndefault-groups = ["some"]\n'
    (project / "pyproject.toml").write_text(text, encoding="utf-8")
    run(venv / "bin/uv", "lock", "--offline", "--python", venv / "bin/python", cwd=project)
    assert "\nsome " in run(venv / "bin/uv-layers", "plan", "--offline", cwd=project)
    run(venv / "bin/uv-layers", "install", "some", "--offline", cwd=project)
    run(venv / "bin/uv-layers", "verify", "some", cwd=project)


def test_what_the_tests_import_is_what_is_released(dist):
    if "UV_LAYERS_TEST_DIST" not in os.environ:
        pytest.skip("UV_LAYERS_TEST_DIST names no folder: the tests may run on an editable installation")
    place = Path(uv_layers.__file__).parent
    assert place != ROOT / "uv_layers"
    package = {name.partition("/")[2]: c for name, c in dist.installed.items() if name.startswith("uv_layers/")}
    assert {name: (place / name).read_bytes() for name in package} == package
    # And so is the command.
    assert Path(shutil.which("uv-layers", path=str(Path(sys.executable).parent))).parent == Path(sys.executable).parent


def test_dockerfiles_get_no_newer_uv_than_the_one_that_the_tests_run_with():
    # Equal on the day of a release. uv may move on after it, and a Dockerfile does not.
    tested = importlib.metadata.version("uv").split(".")[:2]
    assert tuple(map(int, MINOR.split("."))) <= tuple(map(int, tested))
