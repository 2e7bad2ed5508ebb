from pathlib import Path

import pytest

from uv_layers.lock.uv_lock import UvLock
from uv_layers.plan.sources import git_layers
from uv_layers.project.config import Config, LayerSpec
from uv_layers.project.discovery import Project, Source

HERE = Path("/project")
GIT = 'source = { git = "https://git.example/x#0" }\n'
APP = """\
name = "app"
dependencies = [{ name = "web" }]
[package.optional-dependencies]
ml = [{ name = "tool" }]
[package.dev-dependencies]
heavy = [{ name = "numbers" }]
"""
LOCK = UvLock(
    {},
    {
        "app": [APP],
        "web": ['name = "web"\ndependencies = [{ name = "shared" }]\n'],
        "numbers": ['name = "numbers"\n'],
        "tool": [f'name = "tool"\n{GIT}'],
        "shared": [f'name = "shared"\n{GIT}'],
        "gone": [f'name = "gone"\n{GIT}'],
    },
)
HEAVY, REST = LayerSpec("heavy", groups=("heavy",)), LayerSpec("rest", dependencies=True)


def layers(*specs, without=()):
    source = Source(HERE, "app")
    project = Project(HERE, HERE, Config("pyproject.toml"), (), source, source, parts=(source,))
    lock = UvLock({}, {name: texts for name, texts in LOCK.tables.items() if name not in without})
    return git_layers(project, lock, specs)


def test_a_lock_without_git_needs_it_nowhere():
    assert layers(HEAVY, REST, without=("tool", "shared", "gone")) == set()


@pytest.mark.parametrize("without", [("tool", "gone"), ("tool",)], ids=["claimed", "and unclaimed"])
def test_the_layers_that_may_have_a_package_from_git_need_it(without):
    assert layers(HEAVY, REST, without=without) == {"rest"}


def test_an_extra_is_asked_for_by_its_layer():
    assert layers(LayerSpec("ml", extras=("ml",)), HEAVY, without=("shared", "gone")) == {"ml"}


def test_a_pattern_claims_before_closures():
    vendor = LayerSpec("vendor", packages=("sha*",))
    assert layers(vendor, HEAVY, REST, without=("tool", "gone")) == {"vendor"}
    assert layers(HEAVY, REST, vendor, without=("tool", "gone")) == {"vendor"}


def test_what_no_layer_claims_is_in_the_top_layer():
    assert layers(REST, HEAVY, without=("tool", "shared")) == {"heavy"}
    assert layers() == set()
