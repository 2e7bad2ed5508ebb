from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uv_layers.history import optimise
from uv_layers.history.model import Update, expected_bytes, floor_bytes, learned, probability
from uv_layers.history.optimise import proposed

NAMES = st.sampled_from([f"p{number}" for number in range(12)])
sizes = st.dictionaries(NAMES, st.integers(0, 10**9), min_size=1)
updates = st.lists(
    st.builds(
        lambda changed, added: Update(frozenset(changed | added), frozenset(added)),
        st.sets(NAMES, max_size=8),
        st.sets(NAMES, max_size=2),
    ),
    max_size=12,
)


@given(sizes, updates, st.integers(1, 14))
@settings(deadline=None)
def test_layers_are_disjoint_and_together_the_image_and_within_the_budget(image, history, budget):
    layers = proposed(learned(image, history), budget)
    placed = [name for layer in layers for name in layer]
    assert sorted(placed) == sorted(image)
    assert len(layers) == min(budget, len(image))
    assert all(layers)
    assert all(list(layer) == sorted(layer) for layer in layers)


@given(sizes, updates, st.integers(1, 14), st.integers(1, 12))
@settings(deadline=None)
def test_so_they_are_where_packages_are_gathered_first(image, history, budget, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimise, "GATHERED", most)
        model = learned(image, history)
        layers = proposed(model, budget)
        assert layers == proposed(learned(dict(reversed(image.items())), history), budget)
    assert sorted(name for layer in layers for name in layer) == sorted(image)
    assert len(layers) == min(budget, len(image))
    assert expected_bytes(model, layers) <= expected_bytes(model, [image]) + 1e-9 * model.total


@given(sizes, updates, st.integers(1, 14), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_packages_does_not_matter(image, history, budget, random):
    turned = list(image.items())
    random.shuffle(turned)
    assert proposed(learned(image, history), budget) == proposed(learned(dict(turned), history), budget)


@given(sizes, updates, st.integers(1, 14))
@settings(deadline=None)
def test_any_layering_costs_no_more_than_one_layer_and_no_less_than_the_floor(image, history, budget):
    model = learned(image, history)
    cost = expected_bytes(model, proposed(model, budget))
    slack = 1e-9 * model.total
    assert floor_bytes(model) - slack <= cost <= expected_bytes(model, [image]) + slack


@given(sizes, updates, st.integers(1, 14))
@settings(deadline=None)
def test_all_but_the_top_layer_are_in_the_order_of_their_changes(image, history, budget):
    model = learned(image, history)
    chances = [probability(model, layer) for layer in proposed(model, budget)]
    assert chances[:-1] == sorted(chances[:-1])
    assert all(0 <= chance <= 1 + 1e-9 for chance in chances)
