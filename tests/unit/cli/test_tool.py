from __future__ import annotations

import json
import os
from importlib import metadata

import pytest

from uv_layers import __version__
from uv_layers.cli.tool import unpublished_hints

WHEEL = f"uv_layers-{__version__}-py3-none-any.whl"


class Installed(metadata.Distribution):
    """A distribution whose only file is what the installer recorded."""

    def __init__(self, recorded):
        self.recorded = recorded

    def read_text(self, filename):
        assert filename == "direct_url.json"
        return None if self.recorded is None else json.dumps(self.recorded)

    def locate_file(self, path):
        raise NotImplementedError


@pytest.fixture
def hints(monkeypatch, tmp_path):
    """Return a function that returns the hints for what an installer recorded, in a folder beside the context."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def call(recorded):
        monkeypatch.setattr(metadata, "distribution", lambda _: Installed(recorded))
        return unpublished_hints(tmp_path / "the context")

    return call


def test_a_release_from_an_index_has_no_hint(hints):
    assert hints(None) == []


def test_a_program_that_is_not_installed_has_no_hint(monkeypatch, tmp_path):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    assert unpublished_hints(tmp_path) == []


@pytest.mark.parametrize("info", [{}, {"editable": True}])
def test_from_a_folder_the_hint_builds_its_wheel_into_the_context(hints, info):
    [hint] = hints({"url": "file:///home/you/uv%20layers", "dir_info": info})
    command = "uv build --wheel --no-create-gitignore --out-dir '../the context' '/home/you/uv layers'"
    assert f"`{command}`" in hint
    assert f"`--tool {WHEEL}`" in hint


def test_from_a_wheel_the_hint_copies_it_into_the_context(hints):
    [hint] = hints({"url": "file:///tmp/uv_layers-9.9-py3-none-any.whl", "archive_info": {}})
    assert "`cp /tmp/uv_layers-9.9-py3-none-any.whl '../the context'`" in hint
    assert "`--tool uv_layers-9.9-py3-none-any.whl`" in hint


def test_from_git_the_hint_names_the_repository(hints):
    [hint] = hints({"url": "https://git.example/uv-layers", "vcs_info": {"vcs": "git", "commit_id": "0" * 40}})
    assert "https://git.example/uv-layers" in hint
    assert f"`--tool {WHEEL}`" in hint


def test_the_context_is_named_from_the_current_folder(hints, tmp_path):
    [hint] = hints({"url": "file:///src", "dir_info": {}})
    assert os.path.relpath(tmp_path / "the context") in hint
