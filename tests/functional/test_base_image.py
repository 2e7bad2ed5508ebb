"""What the base image has is neither mixed with packages nor replaced; in a stage this machine is the base image."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from uv_layers.tree import base

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = """
    [project]
    name = "app"
    version = "1"
    requires-python = ">=3.10"
    dependencies = ["web"]
"""
WAYS_OUT = 'use a virtual environment (prefix = "/app/.venv"), or a base without pkg'


@pytest.fixture
def image(tmp_path, monkeypatch, site):
    """The file system of a base image with pkg 1.0 in the site folder of its Python."""
    root = tmp_path / "image"
    (root / "usr/local" / site / "pkg-1.0.dist-info").mkdir(parents=True)
    monkeypatch.setattr(base, "ROOT", root)
    return root


def test_a_package_that_the_base_has_in_another_version_is_reported(image, stage, run, site):
    stage.lock("some", stage.wheel("pkg", "2.0"))
    message = f"/usr/local/{site} already has pkg 1.0, but layer 'some' has 2.0, so the image would mix their files; "
    ended = run("install", "some", cwd=stage)
    assert (ended.status, f"hint: {message}{WAYS_OUT}\n" in ended.stderr) == (0, True)
    # The tree is up to date now.
    ended = run("install", "some", "--strict", cwd=stage)
    assert (ended.status, ended.stderr) == (2, f"error[base-image]: {message}{WAYS_OUT}\n")


@pytest.mark.parametrize(("version", "words"), [("1.0", ()), ("2.0", ("--prefix", "/app/.venv"))])
def test_the_same_version_and_another_prefix_are_no_overlap(image, stage, run, version, words):
    stage.lock("some", stage.wheel("pkg", version))
    ended = run("install", "some", "--strict", *words, cwd=stage)
    assert (ended.status, "hint" in ended.stderr) == (0, False)


def test_trees_for_another_platform_are_not_compared_with_this_machine(image, stage, run):
    stage.lock("some", stage.wheel("pkg", "2.0"))
    ended = run("install", "some", "--strict", "--platform", "linux/riscv64", cwd=stage)
    assert (ended.status, "already has" in ended.stderr) == (0, False)


def _with_link(image: Path) -> None:
    (image / "usr/local/etc").symlink_to("share")


def test_a_link_of_the_base_is_not_replaced_in_a_stage_of_root(image, stage, run, monkeypatch, site):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PYTHONPATH", f"/usr/local/{site}")
    monkeypatch.setattr(base, "_owner", lambda *_: base._OURS)  # noqa: SLF001 - as in an image
    stage.lock("some", stage.wheel("other", files={"{data}/data/etc/other.conf": "x"}))
    assert run("install", "some", cwd=stage).status == 0
    _with_link(image)
    ended = run("install", "some", "--layers-dir", "again", cwd=stage)
    message = "the base image has a symlink at /usr/local/etc, where layer 'some' has a folder; choose a prefix that "
    assert (ended.status, ended.stderr.splitlines()[-1].startswith(f"error[base-image]: {message}")) == (2, True)


def test_outside_of_a_stage_this_machine_is_not_the_base_image(image, stage, run, monkeypatch):
    _with_link(image)
    stage.lock("some", stage.wheel("other", files={"{data}/data/etc/other.conf": "x"}))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert run("install", "some", cwd=stage).status == 0


@pytest.mark.parametrize(("words", "stderr"), [((), "refused"), (("--platform", "linux/riscv64"), "")])
def test_a_prefix_that_python_does_not_look_into_is_refused_in_a_stage_of_root(
    stage, run, monkeypatch, any_prefix, words, stderr
):
    monkeypatch.setattr("uv_layers.tree.base.TOOL_FOLDER", sys.prefix)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", f"{sys.base_prefix}/bin")
    stage.lock("some", stage.wheel("pkg"), prefix="/opt/x")
    ended = run("install", "some", *words, cwd=stage)
    assert ended.status == (2 if stderr else 0)
    if stderr:
        assert ended.stderr.startswith("error[base-image]: ")
        assert f'; set prefix = "{sys.base_prefix}", use a virtual environment' in ended.stderr
        assert not (stage / "layers/some").exists()


@pytest.mark.parametrize("way", ["PYTHONPATH", "prefix", "user"])
def test_a_prefix_that_python_looks_into_is_accepted(stage, run, monkeypatch, any_prefix, site, way):
    monkeypatch.setattr("uv_layers.tree.base.TOOL_FOLDER", sys.prefix)
    monkeypatch.setattr(os, "geteuid", lambda: 1000 if way == "user" else 0)
    monkeypatch.setenv("PATH", os.environ["PATH"] if way == "user" else f"{sys.base_prefix}/bin")
    stage.lock("some", stage.wheel("pkg"), prefix=sys.base_prefix if way == "prefix" else "/opt/x")
    environ = {"PYTHONPATH": f"/opt/x/{site}"} if way == "PYTHONPATH" else {}
    ended = run("install", "some", cwd=stage, **environ)
    assert (ended.status, "look for packages" in ended.stderr) == (0, False)


def test_the_project_itself_goes_to_any_prefix(project, run, monkeypatch, any_prefix):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    app = project(PROJECT)
    assert run("install", "--all", "--prefix", "/opt/x", cwd=app).status == 0


def test_manual_pages_go_where_the_link_of_the_base_leads_and_headers_where_compilers_look(stage, run, site):
    files = {"{data}/data/man/man1/pkg.1": "a page", "{data}/headers/pkg.h": "#define X"}
    stage.lock("some", stage.wheel("pkg", files=files))
    assert run("install", "some", cwd=stage).status == 0
    prefix = stage / "layers/some/usr/local"
    include = site.split("/")[1]
    assert (prefix / "share/man/man1/pkg.1").read_text(encoding="utf-8") == "a page"
    assert (prefix / f"include/{include}/pkg/pkg.h").read_text(encoding="utf-8") == "#define X"
    assert not (prefix / "man").exists()
    assert not (prefix / "include/site").exists()
    record = (prefix / site / "pkg-1.0.dist-info/RECORD").read_text(encoding="utf-8")
    assert "../../../share/man/man1/pkg.1,sha256=" in record
    assert f"../../../include/{include}/pkg/pkg.h,sha256=" in record
    assert run("verify", "some", cwd=stage).status == 0


def test_two_packages_with_one_manual_page_clash_wherever_the_page_was(stage, run, cold):
    files = {"aaa": {"{data}/data/man/man1/x.1": "a"}, "bbb": {"{data}/data/share/man/man1/x.1": "b"}}
    stage.lock("some", *(stage.wheel(name, files=content) for name, content in files.items()))
    for number in range(2):
        outcome = run("install", "some", "--layers-dir", f"layers{number}", cwd=stage, **cold())
        assert "usr/local/share/man/man1/x.1 differs between aaa and bbb" in outcome.stderr
        page = stage / f"layers{number}/some/usr/local/share/man/man1/x.1"
        assert page.read_text(encoding="utf-8") == "b"
    assert "error[clash]" in run("install", "some", "--strict", "--layers-dir", "strict", cwd=stage).stderr


def test_a_file_in_one_layer_where_another_has_a_folder_is_a_clash(stage, run, site):
    stage.lock("low", stage.wheel("aaa", files={"thing": "a file"}))
    stage.lock("high", stage.wheel("bbb", files={"thing/mod.py": ""}))
    ended = run("install", "--all", cwd=stage)
    assert f"hint: usr/local/{site}/thing differs between aaa (layer low) and bbb (layer high)" in ended.stderr.replace(
        "bbb (layer high) and aaa (layer low)", "aaa (layer low) and bbb (layer high)"
    )
    assert "error[clash]" in run("install", "--all", "--strict", cwd=stage).stderr
