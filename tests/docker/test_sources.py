"""Packages from elsewhere than an index: a repository, a URL, a file of the project; and those that are compiled."""

from __future__ import annotations

import subprocess
import tarfile

import pytest

pytestmark = pytest.mark.docker

PURE = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "pure"
version = "2.5"
""",
    "pure.py": "VERSION = '2.5'\n",
}
COMPILED = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "compiled"
version = "1.0"

[tool.setuptools]
ext-modules = [{ name = "compiled", sources = ["compiled.c"] }]
""",
    "compiled.c": """\
#include <Python.h>

static PyModuleDef module = {PyModuleDef_HEAD_INIT, "compiled"};

PyMODINIT_FUNC PyInit_compiled(void) {
    PyObject *made = PyModule_Create(&module);
    PyModule_AddStringConstant(made, "VERSION", "of C");
    return made;
}
""",
    "PKG-INFO": "Metadata-Version: 2.2\nName: compiled\nVersion: 1.0\n",
}


def needing(name, source="", **layer):
    """Return a `pyproject.toml` with one layer, of a package that has a source."""
    settings = "".join(f", {key.replace('_', '-')} = {value!r}" for key, value in layer.items())
    return f"""
        [project]
        name = "app"
        version = "1.0"
        requires-python = ">=3.10"
        dependencies = ["{name}"]

        [tool.uv.sources]
        {f"{name} = {source}" if source else ""}

        [tool.uv-layers]
        layers = [{{ name = "all", dependencies = true{settings} }}]
    """


def version_of(name, context, *options):
    """Return the version of a package in the image that the context makes."""
    context.write(context.dockerfile(*options))
    return context.build().run("python", "-c", f"import {name}; print({name}.VERSION)")


@pytest.fixture
def write(tmp_path):
    """Return a function that writes files into a folder below the test's own, and returns it."""

    def write(files, name):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        return folder

    return write


def test_a_url(project, web):
    file = web.wheel("hello")
    context = project(needing("hello", f'{{ url = "{web.url}/files/{file.name}" }}'))
    assert version_of("hello", context) == "1.0"


def test_files_of_the_project(project, pack_wheel, tmp_path):
    pack_wheel(tmp_path / "project" / "vendor", "hello", "1.5")
    context = project(needing("hello", '{ path = "vendor/hello-1.5-py3-none-any.whl" }'))
    assert version_of("hello", context) == "1.5"


@pytest.mark.parametrize("setting", ['find-links = ["vendor"]', 'index = [{ url = "vendor", format = "flat" }]'])
def test_a_folder_of_wheels_in_the_project(project, pack_wheel, tmp_path, setting):
    pack_wheel(tmp_path / "project" / "vendor", "hello", "1.5")
    context = project(needing("hello"), {"uv.toml": f"{setting}\n"})
    assert version_of("hello", context) == "1.5"


def test_a_folder_of_the_project(project):
    text = needing("pure", '{ path = "vendor/pure" }')
    text = text.replace('{ name = "all", dependencies = true }', '{ name = "app", project = true }')
    context = project(text, {f"vendor/pure/{name}": content for name, content in PURE.items()})
    assert version_of("pure", context) == "2.5"


def test_a_file_outside_of_the_context(project, pack_wheel, tmp_path):
    file = pack_wheel(tmp_path, "hello")
    context = project(needing("hello", f'{{ path = "../{file.name}" }}'))
    said = context.refused("dockerfile")
    assert f"{file} is outside the build context {context.path}; pass --context {tmp_path}" in said


def test_a_repository(project, web, write):
    write(PURE, "pure")
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b.test", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "All"]):
        subprocess.run([*git, *words], cwd=web.folder.parent / "pure", check=True)
    subprocess.run([*git, "clone", "-q", "--bare", "../pure", "pure.git"], cwd=web.folder, check=True)
    # So that git can read it from a server which knows nothing of git.
    subprocess.run([*git, "update-server-info"], cwd=web.folder / "pure.git", check=True)
    context = project(needing("pure", f'{{ git = "{web.url}/pure.git" }}'))
    assert version_of("pure", context) == "2.5"


@pytest.fixture
def compiled(web, write):
    """Put a source distribution that needs a compiler into the index."""
    folder = write(COMPILED, "compiled")
    made = web.folder / "files" / "compiled-1.0.tar.gz"
    made.parent.mkdir()
    with tarfile.open(made, "w:gz") as archive:
        archive.add(folder, "compiled-1.0")
    web.list("compiled", made)


def test_a_compiler_that_only_the_stage_has(compiled, project):
    context = project(needing("compiled", system_packages=["gcc", "libc6-dev"]))
    assert version_of("compiled", context) == "of C"
    assert context.build().run("sh", "-c", "which gcc || true") == ""


def test_an_image_that_only_the_stage_has(compiled, project, image_of):
    install = "apt-get install --yes --no-install-recommends gcc libc6-dev"
    image = image_of(f"FROM python:3.12-slim-bookworm\nRUN apt-get update && {install}\n")
    context = project(needing("compiled", image=image))
    assert version_of("compiled", context) == "of C"
