from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from uv_layers.history import optimise, suggest
from uv_layers.history.model import Model, Update, expected_bytes, learned, updates_of
from uv_layers.history.optimise import NEWCOMERS, kept, patterns
from uv_layers.lock.packages import Closure, Package
from uv_layers.plan import assign
from uv_layers.project import discovery, edit
from uv_layers.project.config import Config, LayerSpec
from uv_layers.system.interpreter import of_platform

TARGET = of_platform("linux/amd64", "3.12")
NAMES = (
    "a",
    "nvidia-cublas",
    "nvidia-cudnn",
    "nvidia-nccl",
    "numpy",
    "six",
    "torch",
    "torchvision",
    "web",
    "web-sockets",
)
PATTERNS = (*NAMES, "*", "nvidia-*", "t*", "torch*", "[nw]*", "?", "*i*")
GROUPS = ("docs", "heavy", "light")
packages = st.builds(Package, st.sampled_from(NAMES), st.just("1"), st.none() | st.integers(0, 10**9))
states = st.lists(st.dictionaries(st.sampled_from([*NAMES, "gone"]), st.integers(0, 2)), max_size=10)


@st.composite
def projects(draw):
    """Return the image, the layers, and what each group, extra or the project's dependencies need."""
    image = draw(st.lists(packages, min_size=1, unique_by=lambda package: package.name))
    needs = {claim: draw(st.lists(st.sampled_from(NAMES), unique=True)) for claim in (*GROUPS, "extra", "dependencies")}
    specs = []
    for index in range(draw(st.integers(1, 5))):
        claimed = draw(st.lists(st.sampled_from(PATTERNS), max_size=3, unique=True))
        groups = draw(st.lists(st.sampled_from(GROUPS), max_size=2, unique=True))
        extras = ("extra",) * draw(st.integers(0, 1))
        # A layer may be named as a package is.
        name = draw(st.sampled_from(["layer", *NAMES]).filter(lambda name: name not in {s.name for s in specs}))
        specs.append(LayerSpec(name, tuple(claimed), tuple(groups), extras, dependencies=draw(st.booleans())))
        assert index < 5
    return image, specs, needs


def planned(image, specs, needs):
    """Return the plan that the specs make; raises PatternError."""
    closures = {
        spec.name: [
            Closure(claim, dict.fromkeys(needs[claim], "1"))
            for claim in (*spec.groups, *spec.extras, *["dependencies"] * spec.dependencies)
        ]
        for spec in specs
    }
    return assign.assign(
        image=image, known=NAMES, layers=specs, closures=closures, prefix="/", target=TARGET, source="uv-layers.toml"
    )


def proposal(given_, history, budget, *, keep):
    image, specs, needs = given_
    layers = [layer for layer in planned(image, specs, needs).layers if layer.members]
    return suggest.suggest_layers(layers, specs, suggest.History(history, len(history)), budget, keep=keep)


@given(projects(), states, st.integers(1, 12), st.booleans())
@settings(deadline=None)
def test_a_plan_of_what_is_proposed_has_the_layers_that_are_proposed(given_, history, budget, keep):
    image, specs, needs = given_
    found = proposal(given_, history, budget, keep=keep)
    made = planned(image, [layer.spec for layer in found.layers], needs)
    assert [(layer.name, {m.package.name for m in layer.members}) for layer in made.layers] == [
        (layer.spec.name, set(layer.packages)) for layer in found.layers
    ]
    assert sorted(name for layer in found.layers for name in layer.packages) == sorted(p.name for p in image)
    assert 1 <= len(found.layers) <= budget
    # What has a group or an extra in the image is that a layer names it.
    for claim in ("groups", "extras"):
        named = {value for spec in specs for value in getattr(spec, claim)}
        assert {value for layer in found.layers for value in getattr(layer.spec, claim)} == named
    assert made.hints == ()


@given(projects(), states, st.integers(1, 12))
@settings(deadline=None)
def test_a_proposal_that_is_taken_is_kept(given_, history, budget):
    image, _, needs = given_
    first = proposal(given_, history, budget, keep=True)
    second = proposal((image, [layer.spec for layer in first.layers], needs), history, budget, keep=True)
    assert second.layers == first.layers
    assert (second.moves, second.once, second.today) == ((), 0, first.expected)


@given(projects(), states, st.integers(1, 12), st.booleans())
@settings(deadline=None)
def test_what_is_said_of_moves_and_of_the_cost_is_so(given_, history, budget, keep):
    image, specs, needs = given_
    before = {m.package.name: layer.name for layer in planned(image, specs, needs).layers for m in layer.members}
    found = proposal(given_, history, budget, keep=keep)
    after = {name: layer.spec.name for layer in found.layers for name in layer.packages}
    if keep:
        assert [(m.package, m.old, m.new) for m in found.moves] == sorted(
            (name, before[name], after[name]) for name in before if before[name] != after[name]
        )
    assert found.floor <= found.expected + 1
    assert found.expected <= found.one_layer + 1
    assert 0 <= found.once <= found.one_layer


@st.composite
def layerings(draw):
    """Return a model, layers of its packages, and a budget."""
    sizes = draw(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 10**9), min_size=1))
    changes = st.builds(
        lambda changed, added: Update(frozenset(changed | added), frozenset(added)),
        st.sets(st.sampled_from(NAMES), max_size=6),
        st.sets(st.sampled_from(NAMES), max_size=2),
    )
    model = learned(sizes, draw(st.lists(changes, max_size=12)))
    places = {name: draw(st.integers(0, 4)) for name in sizes}
    layers = [[n for n in sizes if places[n] == place] for place in range(5)]
    return model, [layer for layer in layers if layer], draw(st.integers(1, 12))


def with_newcomers(model, layers):
    """Return the expected bytes with the packages yet to come in the top layer."""
    sizes = {**model.sizes, "": NEWCOMERS * model.total}
    whole = Model(sizes, {**model.escapes, "": model.newcomers}, model.newcomers)
    return expected_bytes(whole, [*layers[:-1], [*layers[-1], ""]])


@given(layerings())
@settings(deadline=None)
def test_layers_that_are_kept_are_disjoint_and_whole_and_within_the_budget(given_):
    model, layers, budget = given_
    found = kept(model, layers, budget)
    assert sorted(name for _, layer in found for name in layer) == sorted(model.sizes)
    assert 1 <= len(found) <= budget
    assert all(layer for _, layer in found)
    places = [place for place, _ in found if place is not None]
    assert places == sorted(set(places))
    assert found[-1][0] == len(layers) - 1


@given(layerings())
@settings(deadline=None)
def test_keeping_costs_no_more_than_today(given_):
    model, layers, budget = given_
    found = [layer for _, layer in kept(model, layers, max(budget, len(layers)))]
    assert with_newcomers(model, found) <= with_newcomers(model, layers) * (1 + 1e-9)


@given(layerings(), st.integers(1, 10))
@settings(deadline=None)
def test_so_are_those_whose_packages_are_moved_a_few_at_once(given_, most):
    model, layers, budget = given_
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimise, "GATHERED", most)
        found = kept(model, layers, budget)
        same = kept(model, layers, max(budget, len(layers)))
    assert sorted(name for _, layer in found for name in layer) == sorted(model.sizes)
    assert 1 <= len(found) <= budget
    assert found[-1][0] == len(layers) - 1
    assert with_newcomers(model, [layer for _, layer in same]) <= with_newcomers(model, layers) * (1 + 1e-9)


@given(layerings())
@settings(deadline=None)
def test_of_layers_that_were_kept_nothing_moves(given_):
    model, layers, budget = given_
    found = [layer for _, layer in kept(model, layers, budget)]
    assert kept(model, found, budget) == list(enumerate(found))


@given(st.sets(st.sampled_from(NAMES), min_size=1), states)
@settings(deadline=None)
def test_patterns_stand_for_the_packages_of_the_layer_and_no_others(layer, history):
    others = set(NAMES) - layer
    written = patterns(layer, others, updates_of(history, NAMES))
    spec = LayerSpec("layer", tuple(written))
    made = planned([Package(name, "1") for name in NAMES], [spec, LayerSpec("top")], {})
    assert {m.package.name for m in made.layers[0].members} == layer
    assert written == sorted(set(written))


texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)


@given(
    st.lists(
        st.builds(
            LayerSpec,
            st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?", fullmatch=True),
            *[st.lists(texts.map(discovery.normalised), max_size=30).map(tuple)] * 3,
            st.booleans(),
        ),
        min_size=1,
        unique_by=lambda spec: spec.name,
    ),
    st.sampled_from(
        [
            None,
            "",
            "# ü\n",
            'prefix = "/opt"',
            'layers = []\nprefix = "/opt"\n',
            'prefix = "/opt"\nlayers = [\n  # ] = [\n  { name = "]" }, # {\n]\n# end\n',
        ]
    ),
)
@settings(deadline=None)
def test_what_is_written_is_read_as_the_same(specs, before):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "uv-layers.toml"
        if before is not None:
            path.write_text(before, encoding="utf-8")
        text = edit.with_layers(path, specs, Config("", "/elsewhere"))
        path.write_text(text, encoding="utf-8")
        (Path(folder) / "pyproject.toml").touch()
        config = discovery.load_project(Path(folder)).config
    assert config.layers == tuple(map(_normal, specs))
    assert config.prefix == ("/elsewhere" if before is None else tomli.loads(before).get("prefix", "/usr/local"))


def _normal(spec):
    """Return a layer as it is read: normalising may take more than one go."""
    lists = {key: tuple(map(discovery.normalised, getattr(spec, key))) for key in ("packages", "groups", "extras")}
    return replace(spec, **lists)
