from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given, settings
from hypothesis import strategies as st

from uv_layers.lock.packages import Closure, Package
from uv_layers.plan.assign import UNCLAIMED, assign
from uv_layers.project.config import LayerSpec
from uv_layers.system.interpreter import of_platform

TARGET = of_platform("linux/amd64", "3.12")
NAMES = ("nvidia-cublas", "nvidia-cudnn", "numpy", "torch", "torchvision", "triton", "fastapi", "filelock", "six", "a")
PATTERNS = (*NAMES, "*", "nvidia-*", "t*", "torch*", "[nf]*", "?", "*i*")


@st.composite
def plans(draw):
    """Return the image, the layers, what each of them needs, and layers to go on top."""
    image = [Package(name, "1") for name in draw(st.lists(st.sampled_from(NAMES), unique=True))]
    layers, closures = [], {}
    for index in range(draw(st.integers(1, 5))):
        patterns = draw(st.lists(st.sampled_from(PATTERNS), max_size=3))
        layers.append(LayerSpec(f"layer-{index}", packages=tuple(patterns)))
        # A closure may name what is not in the image: its versions may come from another fork.
        needs = draw(st.lists(st.lists(st.sampled_from(NAMES), unique=True), max_size=3))
        closures[f"layer-{index}"] = [
            Closure(f"group {index}.{number}", dict.fromkeys(names, "1")) for number, names in enumerate(needs)
        ]
    groups = draw(st.lists(st.lists(st.sampled_from(NAMES), unique=True), max_size=3))
    on_top = [
        (LayerSpec(f"top-{number}", groups=(f"top-{number}",)), [Package(name, "1") for name in names])
        for number, names in enumerate(groups)
    ]
    return image, layers, closures, on_top


def _made(image, layers, closures, on_top):
    return assign(
        image=image,
        known=NAMES,
        layers=layers,
        closures=closures,
        prefix="/usr/local",
        target=TARGET,
        source="uv-layers.toml",
        on_top=on_top,
    )


@given(plans())
@settings(deadline=None)
def test_layers_are_disjoint_and_together_they_are_the_image_and_what_is_named(given_):
    image, layers, _, on_top = given_
    made = _made(*given_)
    placed = [member.package.name for layer in made.layers for member in layer.members]
    wanted = {package.name for packages in (image, *(ps for _, ps in on_top)) for package in packages}
    assert len(placed) == len(set(placed))
    assert set(placed) == wanted
    assert [layer.name for layer in made.layers] == [spec.name for spec in (*layers, *(s for s, _ in on_top))]


@given(plans())
@settings(deadline=None)
def test_patterns_win_over_closures_and_lower_layers_over_higher_ones(given_):
    image, layers, closures, _ = given_
    made = _made(*given_)
    place = {m.package.name: (depth, m) for depth, layer in enumerate(made.layers) for m in layer.members}
    for package in image:
        by_pattern = [
            depth for depth, spec in enumerate(layers) if any(fnmatchcase(package.name, p) for p in spec.packages)
        ]
        by_closure = [
            depth for depth, spec in enumerate(layers) if any(package.name in c.versions for c in closures[spec.name])
        ]
        depth, member = place[package.name]
        assert depth == min(by_pattern or by_closure or [len(layers) - 1])
        assert member.reason.startswith("packages ") == bool(by_pattern)
        assert (member.reason == UNCLAIMED) == (not by_pattern and not by_closure)
        reasons = {c.reason for needs in closures.values() for c in needs if package.name in c.versions}
        assert reasons - {member.reason} == set(member.also)


@given(plans())
@settings(deadline=None)
def test_what_goes_on_top_changes_nothing_below(given_):
    image, layers, closures, _ = given_
    assert _made(*given_).layers[: len(layers)] == _made(image, layers, closures, []).layers


@given(plans(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_image_decides_nothing(given_, random):
    image, layers, closures, on_top = given_
    shuffled = random.sample(image, len(image))

    def places(packages):
        made = _made(packages, layers, closures, on_top)
        return {member.package.name: (layer.name, member) for layer in made.layers for member in layer.members}

    assert places(shuffled) == places(image)
