from __future__ import annotations

from pathlib import Path

import pytest

from uv_layers.lock.packages import Layer, Member, Package
from uv_layers.project.config import Config
from uv_layers.project.discovery import Project, Source
from uv_layers.project.options import Options
from uv_layers.system.names import normalised


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("Flask", "flask"),
        ("zope.interface", "zope-interface"),
        ("a-_.b", "a-b"),
        ("ruamel_yaml", "ruamel-yaml"),
        ("NVIDIA_*", "nvidia-*"),
        ("*", "*"),
    ],
)
def test_names_and_patterns_are_normalised_as_pep_503_says(name, result):
    assert normalised(name) == result
    assert normalised(result) == result


def test_a_target_is_named_for_people(target):
    assert str(target) == "CPython 3.12 on linux x86_64"
    assert target.python == "3.12"


def test_a_layer_sums_what_is_known_and_counts_what_is_not():
    layer = Layer(
        "heavy",
        (
            Member(Package("a", "1", size=10), "group heavy"),
            Member(Package("b", "1", size=None), "packages b*"),
            Member(Package("c", "1", size=0), "group heavy"),
        ),
    )
    assert (layer.size, layer.unsized, layer.reasons) == (10, 1, ("group heavy", "packages b*"))
    assert (Layer("empty").size, Layer("empty").unsized, Layer("empty").reasons) == (0, 0, ())


def test_the_lock_of_a_member_is_in_the_root_of_its_workspace():
    project = Project(Path("root/member"), Path("root"), Config("pyproject.toml"), (), Source(Path()), Source(Path()))
    assert project.lock == Path("root/uv.lock")


def test_options_hold_the_environment_as_it_was(monkeypatch):
    monkeypatch.setenv("UV_LAYERS_TEST", "before")
    options = Options()
    monkeypatch.setenv("UV_LAYERS_TEST", "after")
    assert options.environ["UV_LAYERS_TEST"] == "before"
