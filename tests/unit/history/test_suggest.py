from __future__ import annotations

import pytest

from uv_layers.history import suggest
from uv_layers.history.model import Update, updates_of
from uv_layers.history.suggest import History, Move
from uv_layers.lock.packages import Layer, Member, Package
from uv_layers.project.config import LayerSpec

ONLY_SIZES = "the layers are based only on sizes: "
SIZES = {"torch": 900, "nvidia-a": 400, "nvidia-b": 300, "nvidia-c": 200, "numpy": 20, "web": 1, "six": 1}


def plan(**layers: str) -> list[Layer]:
    return [
        Layer(name, tuple(Member(Package(p, "1", SIZES[p]), "") for p in packages.split()))
        for name, packages in layers.items()
    ]


def states(*changed: str) -> History:
    """Return a history in which these packages change, one update after the other."""
    found = [dict.fromkeys(SIZES, 0)]
    for update in changed:
        found.append({name: found[-1][name] + (name in update.split()) for name in SIZES})
    return History(found, len(found))


ONE = plan(dependencies=" ".join(SIZES))
CUDA = "torch nvidia-a nvidia-b nvidia-c"
BUSY = states(*["web"] * 8, CUDA, CUDA, CUDA, "numpy")


def claims(suggestion):
    return [(layer.spec.name, layer.spec.packages) for layer in suggestion.layers]


def test_families_are_patterns_and_the_top_layer_lists_nothing():
    found = suggest.suggest_layers(ONE, (), BUSY, 3)
    assert claims(found) == [("nvidia", ("nvidia-*",)), ("numpy", ("numpy", "six", "web")), ("rest", ())]
    assert [layer.packages for layer in found.layers] == [
        ("nvidia-a", "nvidia-b", "nvidia-c"),
        ("numpy", "six", "web"),
        ("torch",),
    ]
    assert [(layer.size, layer.changes) for layer in found.layers] == [(900, 3), (22, 9), (900, 3)]
    assert (found.revisions, found.unreadable, found.updates, found.hints) == (13, 0, 12, ())
    assert found.one_layer == found.today == 1822
    assert found.floor < found.expected < found.today
    assert (found.once, found.moves) == (found.one_layer, ())


def test_a_size_that_is_not_known_is_counted():
    layers = [Layer("x", (Member(Package("a", "1", 5), ""), Member(Package("b", "1"), "")))]
    [layer] = suggest.suggest_layers(layers, (), History(), 1).layers
    assert (layer.packages, layer.size, layer.unsized) == (("a", "b"), 5, 1)


def test_layers_that_come_out_as_they_are_are_pulled_once_by_nobody():
    layers = plan(low=CUDA[6:], often="web numpy six", top="torch")
    found = suggest.suggest_layers(layers, (LayerSpec("low"), LayerSpec("often"), LayerSpec("top")), BUSY, 3)
    assert (found.once, found.today) == (0, found.expected)
    assert [layer.spec.name for layer in found.layers] == ["nvidia", "numpy", "rest"]


def test_groups_and_extras_of_layers_that_go_are_named_by_the_top_one():
    specs = (
        LayerSpec("a", groups=("heavy", "docs"), extras=("x",)),
        LayerSpec("b", groups=("docs",), extras=("y", "x"), dependencies=True),
    )
    low, top = (layer.spec for layer in suggest.suggest_layers(plan(a=CUDA, b="web numpy six"), specs, BUSY, 2).layers)
    assert low == LayerSpec("nvidia-c", packages=("numpy", "nvidia-c", "six", "web"))
    assert top == LayerSpec("rest", groups=("heavy", "docs"), extras=("x", "y"))


def test_kept_layers_are_configured_as_they_were_unless_their_packages_move():
    specs = (LayerSpec("cuda", groups=("cuda",)), LayerSpec("top", dependencies=True))
    found = suggest.suggest_layers(plan(cuda=CUDA, top="web numpy six"), specs, BUSY, 2, keep=True)
    assert tuple(layer.spec for layer in found.layers) == specs
    assert (found.moves, found.once) == ((), 0)
    found = suggest.suggest_layers(plan(cuda=f"{CUDA} web", top="numpy six"), specs, BUSY, 2, keep=True)
    assert [layer.spec for layer in found.layers] == [
        LayerSpec("cuda", packages=("numpy", "nvidia-c", "six", "web"), groups=("cuda",)),
        LayerSpec("top", packages=("nvidia-a", "nvidia-b", "torch"), dependencies=True),
    ]
    assert [move for move in found.moves if move.old == "top"] == [
        Move("numpy", "top", "cuda"),
        Move("six", "top", "cuda"),
    ]
    assert [move.package for move in found.moves] == ["numpy", "nvidia-a", "nvidia-b", "six", "torch"]
    assert found.once == found.one_layer


def test_a_new_layer_below_the_top_has_a_name_that_no_other_has():
    specs = (LayerSpec("web", dependencies=True),)
    found = suggest.suggest_layers(plan(web=" ".join(SIZES)), specs, BUSY, 2, keep=True)
    assert [layer.spec.name for layer in found.layers][-1] == "web"
    assert len({layer.spec.name for layer in found.layers}) == 2
    assert {move.old for move in found.moves} == {"web"}


def test_a_pattern_that_fits_packages_of_another_layer_becomes_names():
    specs = (LayerSpec("a", packages=("numpy", "six", "w*")), LayerSpec("b", packages=("n*",)), LayerSpec("c"))
    found = suggest.suggest_layers(plan(a="numpy six web", b=CUDA[6:], c="torch"), specs, BUSY, 3, keep=True)
    assert claims(found) == [("a", ("numpy", "six", "w*")), ("b", ("nvidia-*",)), ("c", ())]
    assert found.moves == ()


def test_layers_in_excess_of_the_budget_are_merged():
    specs = (LayerSpec("a", groups=("g",)), LayerSpec("b"), LayerSpec("c", dependencies=True))
    found = suggest.suggest_layers(
        plan(a="torch", b="nvidia-a nvidia-b", c="web numpy six nvidia-c"), specs, BUSY, 2, keep=True
    )
    assert claims(found) == [("b", ("nvidia-a", "nvidia-b", "torch")), ("c", ())]
    assert found.layers[-1].spec.groups == ("g",)
    assert found.moves == (Move("torch", "a", "b"),)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["web"], ["rest"]),
        (["a", "rest"], ["rest-2", "rest"]),
        (["rest", "six"], ["six", "rest"]),
        (["0", "a" * 70], ["a" * 63, "rest"]),
        (["0", f"{'a' * 62}-b"], ["a" * 62, "rest"]),
        ([f"{'a' * 63}{n}" for n in "xyz"], ["a" * 63, f"{'a' * 59}-2", "rest"]),
    ],
)
def test_a_layer_has_the_name_of_its_largest_package_as_far_as_that_is_one(names, expected):
    layers = [Layer("x", tuple(Member(Package(name, "1", 1), "") for name in names))]
    assert [layer.spec.name for layer in suggest.suggest_layers(layers, (), History(), len(names)).layers] == expected


@pytest.mark.parametrize(
    ("history", "hints"),
    [
        (History(), (f"{ONLY_SIZES}no revision of uv.lock changed a package in the image",)),
        (History(lacks="no git"), (f"{ONLY_SIZES}no git",)),
        (History(BUSY.states, lacks="it ends early"), ("it ends early",)),
        (BUSY, ()),
    ],
)
def test_a_hint_says_what_the_history_lacks(history, hints):
    assert suggest.suggest_layers(ONE, (), history, 3).hints == hints


def test_nothing_is_divided_by_an_image_of_no_bytes():
    found = suggest.suggest_layers([Layer("x", (Member(Package("a", "1", 0), ""),))], (), History(), 3)
    assert (found.one_layer, found.today, found.expected, found.floor) == (0, 0, 0, 0)


def test_a_proposal_is_the_same_in_whatever_order_the_image_comes():
    turned = [Layer("dependencies", ONE[0].members[::-1])]
    for keep in (False, True):
        specs = (LayerSpec("dependencies", dependencies=True),)
        assert suggest.suggest_layers(turned, specs, BUSY, 4, keep=keep) == suggest.suggest_layers(
            ONE, specs, BUSY, 4, keep=keep
        )


def test_the_model_sees_the_packages_of_the_image_alone():
    old, new = {"a": "1", "gone": "1"}, {"a": "2", "b": "1"}
    assert updates_of([old, new, new], {"a", "b"}) == [
        Update(frozenset({"a", "b"}), frozenset({"b"})),
        Update(frozenset()),
    ]
    assert updates_of([old], {"a"}) == updates_of([], {"a"}) == []


def test_what_builds_need_goes_to_every_layer_that_builds():
    built = [Member(Package(name, "1", 5, built=True), "") for name in ("a", "b")]
    layers = [Layer("x", (*built, Member(Package("c", "1", 5), "")))]
    first = LayerSpec("x", image="builder", system_packages=("gcc",), args=("A",), env=(("B", "b"), ("C", "old")))
    specs = (first, LayerSpec("y", system_packages=("git", "gcc"), args=("A", "D"), env=(("C", "new"),)))
    found = {layer.packages: layer.spec for layer in suggest.suggest_layers(layers, specs, History(), 3).layers}
    settings = {names: (spec.image, spec.system_packages, spec.args, spec.env) for names, spec in found.items()}
    builds = "builder", ("gcc", "git"), ("A", "D"), (("B", "b"), ("C", "new"))
    assert settings == {("a",): builds, ("b",): builds, ("c",): (None, (), (), ())}
