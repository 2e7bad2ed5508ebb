from __future__ import annotations

from itertools import product
from random import Random

import pytest

from uv_layers.history import optimise
from uv_layers.history.model import Update, expected_bytes, floor_bytes, learned, probability
from uv_layers.history.optimise import PAYBACK, kept, patterns, proposed


def update(*changed: str, added: str = "") -> Update:
    return Update(frozenset({*changed, *added.split()}), frozenset(added.split()))


SIZES = {"torch": 900, "cudnn": 700, "numpy": 20, "fastapi": 1, "uvicorn": 1, "starlette": 1}
HISTORY = [*[update("fastapi", "starlette"), update("uvicorn")] * 4, update("torch", "cudnn"), update("numpy")]


def test_the_image_is_all_bytes_and_one_layer_a_package_is_the_floor():
    model = learned(SIZES, HISTORY)
    assert expected_bytes(model, [SIZES]) == pytest.approx(model.total) == pytest.approx(1623)
    assert proposed(model, 1) == [tuple(sorted(SIZES))]
    alone = proposed(model, len(SIZES))
    assert expected_bytes(model, alone) == pytest.approx(floor_bytes(model))
    assert proposed(model, 99) == alone


def test_heavy_packages_that_move_together_are_apart_from_those_that_often_change():
    model = learned(SIZES, HISTORY)
    assert proposed(model, 2) == [("cudnn", "torch"), ("fastapi", "numpy", "starlette", "uvicorn")]


def test_packages_that_change_together_are_put_together():
    # All change in half of the updates; only the history says which with which.
    model = learned(dict.fromkeys("abcd", 10), [update("a", "c"), update("b", "d")] * 10)
    assert sorted(proposed(model, 2)) == [("a", "c"), ("b", "d")]


@pytest.mark.parametrize("budget", [2, 3])
def test_small_examples_come_out_best(budget):
    model = learned(SIZES, HISTORY)
    names = list(SIZES)

    def split(labels):
        return [[n for n, label in zip(names, labels, strict=True) if label == i] for i in range(budget)]

    best = min(expected_bytes(model, split(labels)) for labels in product(range(budget), repeat=len(names)))
    assert expected_bytes(model, proposed(model, budget)) == pytest.approx(best, rel=0.01)


def test_the_formula_by_hand():
    model = learned({"a": 30, "b": 10}, [update("a")])
    # The shares: one event and half a one for a, half a one for b, of two.
    assert model.escapes["a"] == pytest.approx([0.5 * 2.718281828 ** -(1.5 / 2)])
    assert model.escapes["b"] == pytest.approx([2.718281828 ** -(0.5 / 2)])
    some = 1 - 0.5 / 2.718281828
    assert probability(model, ["b"]) == pytest.approx((1 - 2.718281828**-0.25) / some)
    assert probability(model, ["a", "b"]) == pytest.approx(1)


def test_the_order_of_the_input_is_of_no_consequence():
    model = learned(SIZES, HISTORY)
    turned = learned(dict(reversed(SIZES.items())), HISTORY)
    assert model == turned
    assert [proposed(model, k) for k in range(1, 7)] == [proposed(turned, k) for k in range(1, 7)]


def test_without_a_history_sizes_decide():
    model = learned({"torch": 900, "cudnn": 700, "a": 1, "b": 2, "c": 3}, [update()])
    assert sorted(proposed(model, 3), key=len) == [("cudnn",), ("torch",), ("a", "b", "c")]


def test_packages_that_are_gone_count_for_the_size_of_an_update():
    model = learned({"a": 1, "b": 1}, [update("a", "gone", "away", "left")])
    assert model.escapes["a"][0] == pytest.approx(0.5 * 2.718281828 ** -(2 * (0.25 + 0.125) / 0.5))


def test_packages_yet_to_come_do_not_join_a_layer_that_changes_all_the_time():
    often = [update("daily")] * 30
    sizes = {"daily": 1, "heavy": 1000, "small": 5}
    assert proposed(learned(sizes, often), 3)[-1] == ("small",)


def test_a_package_that_comes_back_is_not_new():
    model = learned({"a": 1}, [update("b"), update(added="b"), update(added="c"), update(added="c")])
    # In half an update more, of one more, a package comes for the first time.
    assert model.newcomers == pytest.approx([0.9, 0.9, 0.45, 0.9])


def test_sizes_of_zero_and_an_image_of_nothing():
    nothing = learned({}, HISTORY)
    assert (proposed(nothing, 3), expected_bytes(nothing, []), floor_bytes(nothing), nothing.total) == ([], 0, 0, 0)
    assert probability(nothing, []) == 0
    assert expected_bytes(nothing, [[]]) == 0
    layers = proposed(learned(dict.fromkeys("abc", 0), [update("a")]), 2)
    assert sorted(name for layer in layers for name in layer) == ["a", "b", "c"]


def test_of_more_packages_than_are_compared_those_of_one_history_are_together(monkeypatch):
    families = [[f"family{n}-{i:02}" for i in range(20)] for n in range(8)]
    sizes = {name: 10 + i % 7 for family in families for i, name in enumerate(family)}
    model = learned(sizes, [update(*family) for family in families] * 3)
    each_with_each = proposed(model, 8)
    monkeypatch.setattr(optimise, "GATHERED", 40)
    assert proposed(model, 8) == each_with_each


def test_packages_that_are_gathered_first_cost_little_more(monkeypatch):
    random = Random(7)  # noqa: S311 - no secret
    sizes = {f"p{n:03}": int(random.paretovariate(0.7) * 1000) for n in range(200)}
    families = [random.sample(sorted(sizes), random.randint(1, 12)) for _ in range(25)]
    seen = [update(*random.choice(families), *random.choice(families)) for _ in range(30)]
    model = learned(sizes, seen)
    best = expected_bytes(model, proposed(model, 8))
    monkeypatch.setattr(optimise, "GATHERED", 30)
    gathered = proposed(model, 8)
    assert sorted(name for layer in gathered for name in layer) == sorted(sizes)
    assert best < expected_bytes(model, gathered) * 1.0001 < best * 1.1
    assert expected_bytes(model, gathered) < expected_bytes(model, [sizes]) / 2


def test_packages_leave_a_layer_though_its_product_has_no_digits_left(monkeypatch):
    # As with a thousand packages that all changed in one update.
    monkeypatch.setattr("uv_layers.history.model.STAYS", 1e-200)
    model = learned(SIZES, HISTORY)
    assert layers_of(kept(model, [["torch", "fastapi", "starlette", "uvicorn"], ["cudnn", "numpy"]], 2)) == [
        ("fastapi", "numpy", "starlette", "uvicorn"),
        ("cudnn", "torch"),
    ]


# From layers that are there


def layers_of(found):
    return [layer for _, layer in found]


def test_layers_that_are_good_are_kept():
    model = learned(SIZES, HISTORY)
    good = proposed(model, 3)
    assert kept(model, good, 3) == list(enumerate(good))
    assert layers_of(kept(model, good, 99))[-1] == good[-1]


def test_a_move_is_made_where_it_pays_within_the_time_and_only_there():
    # Taking the daily package out of the heavy layer pulls that once, and spares it at every second update.
    model = learned({"heavy": 1000, "daily": 1, "other": 1}, [update("daily"), update("other")] * 20)
    assert layers_of(kept(model, [["daily", "heavy"], ["other"]], 2)) == [("heavy",), ("daily", "other")]
    # One update in so many brings less than the move costs, though without that cost it would be made.
    seen = [update("rare"), *[update("other")] * 10 * PAYBACK]
    model = learned({"heavy": 1000, "rare": 1, "other": 1}, seen)
    today = [["heavy", "rare"], ["other"]]
    assert layers_of(kept(model, today, 2)) == [tuple(layer) for layer in today]
    assert expected_bytes(model, [["heavy"], ["other", "rare"]]) < expected_bytes(model, today)


def test_a_move_is_made_though_it_saves_hardly_more_than_it_pulls_within_the_time():
    model = learned({"a": 10, "b": 100}, [update("b", "gone")] * 2)
    saved = expected_bytes(model, [["a", "b"]]) - expected_bytes(model, [["a"], ["b"]])
    assert model.total < saved * PAYBACK < 1.03 * model.total
    assert layers_of(kept(model, [["a", "b"]], 2)) == [("a",), ("b",)]


def test_a_layer_that_was_divided_is_divided_again_without_being_paid_for_twice():
    model = learned({"a": 1000, "b": 2, "c": 100}, [update("b")] * 20)
    assert layers_of(kept(model, [["a", "b", "c"]], 3)) == [("c",), ("a",), ("b",)]


def test_new_layers_come_below_the_top_one_and_the_others_stay_in_their_order():
    found = kept(learned(SIZES, HISTORY * 3), [["torch", "fastapi"], ["cudnn", "starlette"], ["numpy", "uvicorn"]], 4)
    places = [place for place, _ in found]
    assert places == [0, 1, None, 2]


def test_layers_in_excess_are_merged_where_that_costs_least():
    model = learned(SIZES, HISTORY)
    found = kept(model, [["torch"], ["cudnn"], ["numpy"], ["fastapi", "starlette", "uvicorn"]], 2)
    assert found == [(1, ("cudnn", "torch")), (3, ("fastapi", "numpy", "starlette", "uvicorn"))]
    assert kept(model, [[name] for name in SIZES], 1) == [(5, tuple(sorted(SIZES)))]


def test_where_nothing_ever_changes_and_has_no_bytes_nothing_is_moved():
    model = learned(dict.fromkeys("ab", 0), [])
    assert layers_of(kept(model, [["a"], ["b"]], 5)) == [("a",), ("b",)]


# What stands for the packages of a layer

FAMILY = ["nvidia-cublas", "nvidia-cudnn", "nvidia-nccl"]


@pytest.mark.parametrize(
    ("layer", "others", "seen", "expected"),
    [
        ([*FAMILY, "torch"], ["numpy"], [], ["nvidia-*", "torch"]),
        (FAMILY[:2], [], [], FAMILY[:2]),
        (["a-b", *FAMILY], [], [], ["a-b", "nvidia-*"]),
        (FAMILY, ["nvidia-ml-py"], [], FAMILY),
        (FAMILY, ["nvidia"], [], ["nvidia-*"]),
        (FAMILY, [], [update(*FAMILY)], ["nvidia-*"]),
        # Two thirds of them at each update is together, one at each is not.
        (FAMILY, [], [update(*FAMILY[:2]), update(*FAMILY[1:])], ["nvidia-*"]),
        (FAMILY, [], [update(name) for name in FAMILY], FAMILY),
        (["a-b-c", "a-b-d", "a-b-e", "a-f"], [], [], ["a-*"]),
        (["a-b-c", "a-b-d", "a-b-e", "a-f"], ["a-g"], [], ["a-b-*", "a-f"]),
        # The wider family did not move together, the narrower one did.
        (["a-b-c", "a-b-d", "a-b-e", "a-f"], [], [update("a-f")] * 9 + [update("a-b-c", "a-b-d", "a-b-e")], None),
        ([], ["a"], [], []),
    ],
)
def test_patterns(layer, others, seen, expected):
    assert patterns(layer, others, seen) == (["a-b-*", "a-f"] if expected is None else expected)
