from __future__ import annotations

import pytest

from uv_layers.history.chosen import Backtest, backtest, layers_for, pulled, split, with_assumed
from uv_layers.history.model import Update


def updates(*changed):
    return [Update(frozenset(names.split())) for names in changed]


CUDA = {"torch": 900, **{f"nvidia-{letter}": 500 for letter in "abcd"}}
SMALL = {"web": 1, "six": 1, "numpy": 20}
BUSY = updates(*["web"] * 8, " ".join(CUDA), "numpy")


def total(layer, sizes):
    return sum(sizes[name] or 0 for name in layer)


@pytest.mark.parametrize("max_size", [900, 1000, 1500, 2000])
def test_a_large_layer_is_split_into_balanced_parts(max_size):
    parts = split(tuple(CUDA), CUDA, max_size)
    sizes = [total(part, CUDA) for part in parts]
    assert sorted(name for part in parts for name in part) == sorted(CUDA)
    assert max(sizes) <= max_size
    assert sizes == sorted(sizes, reverse=True)
    # Without one of the parts, the others could not have it all.
    assert total(CUDA, CUDA) > max_size * (len(parts) - 1) or max_size == 900


def test_a_layer_that_fits_and_a_package_that_does_not_stay_whole():
    assert split(("a", "b"), {"a": 5, "b": 5}, 10) == split(("a", "b"), {"a": 5, "b": 5}, None) == [("a", "b")]
    assert split(("a", "b"), {"a": 500, "b": 5}, 10) == [("a",), ("b",)]
    assert split(("a",), {"a": 500}, 10) == [("a",)]
    assert split(("a", "b", "c"), {"a": 500, "b": 5, "c": 5}, 10) == [("a",), ("b", "c")]


@pytest.mark.parametrize("budget", [1, 2, 4, 6, 8])
def test_the_parts_count_for_the_budget(budget):
    sizes = {**CUDA, **SMALL}
    layers = layers_for(sizes, BUSY, budget, 1000)
    assert max(total(layer, sizes) for layer in layers) <= 1000
    assert sorted(name for layer in layers for name in layer) == sorted(sizes)
    # Three layers are the least for so many bytes.
    assert len(layers) <= max(budget, 4)


@pytest.mark.parametrize("budget", [2, 3, 5, 8])
def test_unknown_sizes_are_apart_from_others(budget):
    sizes = {**SMALL, "torch": None, "torchvision": None}
    layers = layers_for(sizes, updates(*["web"] * 5, "torch torchvision", "six"), budget)
    assert len(layers) <= budget
    assert sorted(name for layer in layers for name in layer) == sorted(sizes)
    for layer in layers:
        assert len({sizes[name] is None for name in layer}) == 1
    # The top layer gets the packages that are yet to come.
    assert None not in {sizes[name] for name in layers[-1]}


@pytest.mark.parametrize("budget", [2, 3, 10])
def test_unknown_sizes_are_apart_even_if_other_layers_are_split(budget):
    sizes = {**CUDA, **SMALL, "secret": None}
    layers = layers_for(sizes, BUSY, budget, 500)
    assert len(layers) > 3
    assert ("secret",) in layers


def test_unknown_sizes_share_a_layer_if_there_is_only_one_or_nothing_else():
    assert layers_for({"a": None, "b": 1}, [], 1) == [("a", "b")]
    assert layers_for({"a": None, "b": None}, [], 1) == [("a", "b")]
    assert with_assumed({"a": None, "b": 7, "c": 3}) == {"a": 7, "b": 7, "c": 3}
    assert with_assumed({"a": None}) == {"a": 1}


def test_what_updates_pull_is_every_layer_that_one_of_its_packages_changed_in():
    sizes = {"a": 100, "b": 10, "c": None}
    assert pulled([("a",), ("b", "c")], sizes, updates("a", "c", "b c", "other")) == (100 + 10 + 10) / 4
    assert pulled([("a", "b", "c")], sizes, updates("a", "b")) == 110


def test_layers_are_learned_from_the_first_half_and_replayed_on_the_second():
    sizes = {"big": 1000, "web": 1, "new": 5}
    seen = [*updates("web", "", "web", "web"), Update(frozenset({"new"}), frozenset({"new"})), *updates("web", "web")]
    found = backtest(sizes, seen, [("big", "web", "new")], 3)
    # `new` is in the top layer with `web` or `big`, whichever the first half has put there.
    assert (found.learned, found.replayed, found.one_layer, found.today) == (3, 3, 1006, 1006)
    assert found.layers in {round((6 * 3) / 3), round((1005 + 2) / 3)}
    assert backtest(sizes, updates("web", "web", "web", "web"), [tuple(sizes)], 3) is None
    came = [*updates("gone", "gone"), *[Update(frozenset(sizes), frozenset(sizes))] * 3]
    assert backtest(sizes, came, [tuple(sizes)], 3) is None
    assert isinstance(backtest(sizes, updates(*["web"] * 5), [tuple(sizes)], 3), Backtest)
