from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from uv_layers.errors import (
    ConfigError,
    DuplicateLayerError,
    LayerNameError,
    NoLayersError,
    PatternError,
    PythonMismatchError,
    TwoVersionsError,
    UnknownExtraError,
    UnknownGroupError,
    UnknownLayerError,
    UnsupportedTargetError,
)
from uv_layers.lock.packages import Closure, Layer, Member, Package
from uv_layers.plan import assign
from uv_layers.plan.layers import (
    LayerSet,
    check_environments,
    check_python,
    image_groups,
    layer_specs,
    named_specs,
    python_limits,
    spelled,
)
from uv_layers.project.config import DEPENDENCIES, Claim, Config, LayerSpec
from uv_layers.project.discovery import Project, Source
from uv_layers.project.options import Selection
from uv_layers.system.interpreter import of_platform

GROUPS = ("heavy", "docs", "dev", "light")


def _project(*layers, groups=GROUPS, default=("heavy", "dev", "light"), dependencies=False, extras=("web", "cli")):
    return Project(
        Path("demo"),
        Path("demo"),
        Config("uv-layers.toml", layers=layers),
        inputs=(),
        source=Source(Path("demo")),
        root=Source(Path("demo")),
        groups=groups,
        default_groups=default,
        has_dependencies=dependencies,
        extras=extras,
    )


def _group(name):
    return LayerSpec(name, groups=(name,))


# Which layers there are.


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(), ["heavy", "light"]),
        (Selection(groups=("docs",)), ["heavy", "docs", "light"]),
        (Selection(groups=("dev",)), ["heavy", "dev", "light"]),
        (Selection(no_groups=("heavy",)), ["light"]),
        (Selection(no_default_groups=True, groups=("light", "docs")), ["docs", "light"]),
        (Selection(no_default_groups=True, groups=("light",), no_groups=("heavy",)), ["light"]),
    ],
)
def test_layers_are_the_chosen_groups_in_the_order_of_their_declaration(selection, names):
    assert layer_specs(_project(), selection) == tuple(map(_group, names))


@pytest.mark.parametrize(
    ("dependencies", "selection", "top"),
    [
        (True, Selection(), LayerSpec("dependencies", dependencies=True)),
        (False, Selection(extras=("cli",)), LayerSpec("dependencies", extras=("cli",), dependencies=True)),
        (True, Selection(all_extras=True), LayerSpec("dependencies", extras=("web", "cli"), dependencies=True)),
        (
            False,
            Selection(all_extras=True, extras=("web",)),
            LayerSpec("dependencies", extras=("web", "cli"), dependencies=True),
        ),
    ],
)
def test_the_dependencies_and_extras_of_the_project_are_the_top_layer(dependencies, selection, top):
    assert layer_specs(_project(dependencies=dependencies), selection) == (_group("heavy"), _group("light"), top)


def test_configured_layers_are_taken_as_they_are():
    layers = (LayerSpec("cuda", packages=("torch",)), LayerSpec("rest", groups=("docs",), extras=("web",)))
    assert layer_specs(_project(*layers, dependencies=True), Selection()) == layers


def test_a_group_that_is_shut_out_is_in_no_configured_layer():
    layers = (LayerSpec("low", groups=("heavy", "docs"), extras=("web",)), LayerSpec("top", groups=("docs",)))
    assert layer_specs(_project(*layers), Selection(no_groups=("docs",))) == (
        LayerSpec("low", groups=("heavy",), extras=("web",)),
        LayerSpec("top"),
    )


@pytest.mark.parametrize(
    ("groups", "name"),
    [
        (("project",), "dependencies"),
        (("dependencies",), "dependencies-2"),
        (("dependencies-2", "dependencies"), "dependencies-3"),
        (("dependencies-2",), "dependencies"),
    ],
)
@pytest.mark.parametrize("default", [True, False])
def test_no_group_has_the_name_of_the_layer_of_dependencies(groups, name, default):
    found = layer_specs(_project(groups=groups, default=groups if default else (), dependencies=True), Selection())
    assert [spec.name for spec in found] == [*(groups if default else ()), name]


def test_the_layer_of_the_project_itself_has_the_name_that_it_is_given():
    own = LayerSpec("dependencies", project=True)
    config = dataclasses.replace(_project().config, project=own)
    [*_, found] = layer_specs(dataclasses.replace(_project(dependencies=True), config=config), Selection())
    assert found.name == "dependencies-2"


def test_the_groups_of_the_image_are_those_that_layers_claim_too():
    layers = [LayerSpec("low", groups=("docs",)), LayerSpec("top", groups=("light",))]
    assert image_groups(_project(), Selection(no_groups=("light",)), layers) == ["heavy", "docs"]


@pytest.mark.parametrize(
    ("named", "wanted"),
    [
        (["Heavy.Rarely_UP", "heavy"], ("heavy-rarely-up", "heavy")),
        (["A_b", "a_b", "a-B"], ("a_b",)),
        (["../nope_It"], ("../nope_It",)),
        ([], ()),
    ],
)
def test_names_of_the_command_line_are_normalised(named, wanted):
    assert spelled(named, ("heavy", "a_b", "heavy-rarely-up")) == wanted


def test_of_two_names_that_differ_only_in_spelling_each_is_found():
    assert spelled(["a-b", "a_b", "A.B"], ("a_b", "a-b")) == ("a-b", "a_b")


# Which Pythons and platforms the project supports.


@pytest.mark.parametrize(
    ("python", "limits", "refused"),
    [
        ("3.12.4", [], None),
        ("3.12.4", [("the project", ">=3.12"), ("group 'new'", ">=3.10,<3.13")], None),
        ("3.12.4", [("the project", ">=3.12"), ("group 'new'", ">=3.13")], ("group 'new'", ">=3.13")),
        ("3.12.4", [("the project", ">=3.12.5")], ("the project", ">=3.12.5")),
        ("3.14.0rc1", [("the project", ">=3.10")], None),
    ],
)
def test_the_python_of_the_target_is_compared_with_all_limits(python, limits, refused):
    at = of_platform("linux/amd64", python)
    if refused is None:
        assert check_python(limits, at) is None
        return
    with pytest.raises(PythonMismatchError) as caught:
        check_python(limits, at)
    source, limit = refused
    assert str(caught.value) == (
        f"{source} needs Python {limit}, but the target is Python {python}; "
        "choose another target with --python or --platform"
    )


def test_a_python_from_between_two_releases_satisfies_what_the_former_does(target):
    running = dataclasses.replace(target, markers={**target.markers, "python_full_version": "3.14.0+"})
    assert check_python([("the project", ">=3.14")], running) is None


def test_a_limit_that_is_not_a_specifier_is_an_error(target):
    with pytest.raises(
        ConfigError, match=r"^pyproject\.toml: requires-python: 'new' is not a valid version specifier$"
    ):
        check_python([("the project", "new")], target)


def test_the_limits_are_those_of_the_project_and_of_the_groups():
    project = dataclasses.replace(
        _project(), requires_python=">=3.10", group_python={"heavy": (), "docs": (">=3.12", "<3.14"), "dev": ("<4",)}
    )
    assert python_limits(project, ["docs", "heavy", "docs"]) == [
        ("the project", ">=3.10"),
        ("group 'docs'", ">=3.12"),
        ("group 'docs'", "<3.14"),
    ]
    assert python_limits(_project(), ["docs"]) == []


LINUX, NEW = "sys_platform == 'linux' and platform_machine == 'x86_64'", "python_full_version >= '3.13'"


@pytest.mark.parametrize(
    ("markers", "platform", "python", "fits"),
    [
        ((), "linux/arm64", "3.12.1", True),
        ((LINUX,), "linux/amd64", "3.12.1", True),
        ((LINUX,), "linux/arm64", "3.12.1", False),
        ((LINUX, "platform_machine == 'aarch64'"), "linux/arm64", "3.12.1", True),
        ((NEW,), "linux/amd64", "3.12.9", False),
        ((NEW,), "linux/amd64", "3.13.0", True),
    ],
)
def test_a_target_is_one_of_the_environments_of_the_lock(markers, platform, python, fits):
    at = of_platform(platform, python)
    if fits:
        assert check_environments(markers, at) is None
        return
    with pytest.raises(UnsupportedTargetError) as caught:
        check_environments(markers, at)
    assert ", ".join(markers) in str(caught.value)


@pytest.mark.parametrize("group", ["a" * 64, "two words", "é"])
def test_a_group_that_cannot_name_a_layer_is_an_error(group):
    with pytest.raises(LayerNameError, match=r"^pyproject\.toml: dependency-groups: "):
        layer_specs(_project(groups=(group,), default=(group,)), Selection())


def test_without_anything_to_layer_there_is_an_error_that_says_what_to_add():
    message = r"^demo.pyproject\.toml: .* list a group in tool\.uv\.default-groups, or name one with --group"
    with pytest.raises(NoLayersError, match=message):
        layer_specs(_project(default=("dev",)), Selection())


def test_without_anything_to_layer_a_group_may_still_be_named():
    assert layer_specs(_project(default=("dev",)), Selection(), ["docs"]) == ()


@pytest.mark.parametrize(
    ("selection", "error", "message"),
    [
        (
            Selection(groups=("nope",)),
            UnknownGroupError,
            "--group: no dependency group 'nope' in pyproject.toml; defined: heavy, docs, dev, light",
        ),
        (
            Selection(no_groups=("nope",)),
            UnknownGroupError,
            "--no-group: no dependency group 'nope' in pyproject.toml; defined: heavy, docs, dev, light",
        ),
        (
            Selection(extras=("nope",)),
            UnknownExtraError,
            "--extra: no extra 'nope' in pyproject.toml; defined: web, cli",
        ),
    ],
)
@pytest.mark.parametrize("layers", [(), (LayerSpec("all"),)], ids=["no table", "table"])
def test_options_name_groups_and_extras_that_there_are(selection, error, message, layers):
    with pytest.raises(error) as caught:
        layer_specs(_project(*layers), selection)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        (LayerSpec("a", groups=("nope",)), UnknownGroupError, "uv-layers.toml: layer 'a': no dependency group 'nope'"),
        (LayerSpec("a", extras=("nope",)), UnknownExtraError, "uv-layers.toml: layer 'a': no extra 'nope'"),
    ],
)
def test_layers_name_groups_and_extras_that_there_are(layer, error, message):
    with pytest.raises(error, match=message):
        layer_specs(_project(layer), Selection())


def test_a_name_on_the_command_line_may_be_a_group_that_is_no_layer():
    named = named_specs(["docs", "heavy", "top", "docs", "light"], ["heavy", "top"], GROUPS)
    assert named == (_group("docs"), _group("light"))


def test_a_name_that_is_neither_layer_nor_group_is_an_error_that_lists_both():
    with pytest.raises(UnknownLayerError) as caught:
        named_specs(["docs", "nope"], ["heavy"], GROUPS)
    assert str(caught.value) == (
        "no layer or dependency group 'nope'; layers: heavy; other dependency groups: docs, dev, light"
    )


# Which package is in which layer.


def _packages(*names):
    return [Package(name, "1") for name in names]


def _needs(reason, *names):
    return Closure(reason, dict.fromkeys(names, "1"))


def _make(target, image, layers, closures=None, *, known=(), on_top=(), source="uv-layers.toml"):
    return assign.assign(
        image=image,
        known={p.name for p in image} | set(known),
        layers=layers,
        closures=closures or {},
        prefix="/usr/local",
        target=target,
        source=source,
        on_top=on_top,
    )


def _content(made):
    return {layer.name: [member.package.name for member in layer.members] for layer in made.layers}


def _reasons(made):
    return {m.package.name: (m.reason, m.also) for layer in made.layers for m in layer.members}


def test_a_shared_package_is_in_the_lowest_layer_that_needs_it(target):
    layers = [_group("heavy"), _group("light")]
    closures = {
        "heavy": [_needs("group heavy", "torch", "numpy")],
        "light": [_needs("group light", "fastapi", "numpy")],
    }
    made = _make(target, _packages("fastapi", "numpy", "torch"), layers, closures)
    assert _content(made) == {"heavy": ["numpy", "torch"], "light": ["fastapi"]}
    assert _reasons(made) == {
        "numpy": ("group heavy", ("group light",)),
        "torch": ("group heavy", ()),
        "fastapi": ("group light", ()),
    }
    assert (made.prefix, made.target, made.hints) == ("/usr/local", target, ())


def test_patterns_of_any_layer_claim_before_the_closures_of_any(target):
    layers = [
        LayerSpec("bottom", groups=("all",)),
        LayerSpec("middle", packages=("nvidia-*", "torch")),
        LayerSpec("top", packages=("nvidia-cublas", "t*")),
    ]
    closures = {"bottom": [_needs("group all", "nvidia-cublas", "torch", "triton", "numpy")]}
    made = _make(target, _packages("numpy", "nvidia-cublas", "torch", "triton"), layers, closures)
    assert _content(made) == {"bottom": ["numpy"], "middle": ["nvidia-cublas", "torch"], "top": ["triton"]}
    assert _reasons(made) == {
        "numpy": ("group all", ()),
        "nvidia-cublas": ("packages nvidia-*", ("group all",)),
        "torch": ("packages torch", ("group all",)),
        "triton": ("packages t*", ("group all",)),
    }


def test_the_top_layer_takes_what_nobody_claims(target):
    made = _make(target, _packages("a", "b"), [LayerSpec("low", packages=("a",)), LayerSpec("high")])
    assert _content(made) == {"low": ["a"], "high": ["b"]}
    assert _reasons(made)["b"] == (assign.UNCLAIMED, ())


def test_every_reason_is_given_once(target):
    layers = [LayerSpec("all", groups=("a", "b"), dependencies=True)]
    closures = {"all": [_needs("group a", "x"), _needs("group b", "x"), _needs("dependencies", "x")]}
    made = _make(target, _packages("x"), layers, closures)
    assert _reasons(made) == {"x": ("group a", ("group b", "dependencies"))}


def test_a_closure_brings_nothing_into_the_image(target):
    made = _make(target, _packages("a"), [_group("heavy")], {"heavy": [_needs("group heavy", "a", "dev-only")]})
    assert _content(made) == {"heavy": ["a"]}


def test_a_pattern_may_match_what_is_in_the_image_of_another_target_alone(target):
    made = _make(target, _packages("a"), [LayerSpec("all", packages=("colorama",))], known=["colorama"])
    assert _content(made) == {"all": ["a"]}


def test_a_pattern_that_matches_nothing_is_an_error_that_names_it(target):
    with pytest.raises(PatternError, match=r"^uv-layers\.toml: layer 'cuda': 'troch' matches no package in the image"):
        _make(target, _packages("torch"), [LayerSpec("cuda", packages=("troch",))])


def test_patterns_match_whole_names(target):
    layers = [LayerSpec("low", packages=("torch", "[n]umpy", "s?x", "[f]?st*")), LayerSpec("high")]
    made = _make(target, _packages("torch", "torchvision", "pytorch", "numpy", "six", "fastapi"), layers)
    assert _content(made) == {"low": ["torch", "numpy", "six", "fastapi"], "high": ["torchvision", "pytorch"]}


def test_each_pattern_that_matches_nothing_beside_others_is_a_hint(target):
    layers = [LayerSpec("low", packages=("a", "gone-*", "lost")), LayerSpec("high", packages=("b", "away"))]
    assert _make(target, _packages("a", "b"), layers).hints == (
        "layer 'low': 'gone-*' matches no package in the image; correct or remove the pattern",
        "layer 'low': 'lost' matches no package in the image; correct or remove the pattern",
        "layer 'high': 'away' matches no package in the image; correct or remove the pattern",
    )


def test_named_groups_become_layers_on_top_without_what_is_below(target):
    on_top = [(_group("docs"), _packages("a", "sphinx", "jinja2")), (_group("lint"), _packages("jinja2", "ruff"))]
    made = _make(target, _packages("a"), [_group("heavy")], on_top=on_top)
    assert _content(made) == {"heavy": ["a"], "docs": ["sphinx", "jinja2"], "lint": ["ruff"]}
    assert _reasons(made)["ruff"] == ("group lint", ())
    assert made.hints == (
        "group 'docs' is included only in this run; to always include it, add it to default-groups or to a layer",
        "group 'lint' is included only in this run; to always include it, add it to default-groups or to a layer",
    )


def test_a_project_without_layers_has_those_that_are_named(target):
    made = _make(target, [], [], on_top=[(_group("docs"), _packages("sphinx"))], source="pyproject.toml")
    assert _content(made) == {"docs": ["sphinx"]}
    assert made.hints == (
        "group 'docs' is included only in this run; to always include it, add it to default-groups or to a layer",
    )


def test_a_layer_that_is_left_with_nothing_is_kept_with_a_hint(target):
    closures = {"low": [_needs("group low", "a")], "high": [_needs("group high", "a")]}
    made = _make(target, _packages("a"), [_group("low"), _group("high")], closures)
    assert _content(made) == {"low": ["a"], "high": []}
    assert made.hints == ("layer 'high' is empty: its packages are in another layer, or not needed on this platform",)


@pytest.mark.parametrize(
    ("layers", "closures"),
    [
        pytest.param(
            [_group("low"), LayerSpec("high", packages=("a",))],
            {"low": [_needs("group low", "a")]},
            id="taken from above",
        ),
        pytest.param(
            [_group("low"), LayerSpec("high")],
            {"low": []},
            id="claims nothing",
        ),
    ],
)
def test_the_hint_of_an_empty_layer_is_true(target, layers, closures):
    hints = _make(target, _packages("a"), layers, closures).hints
    assert hints == ("layer 'low' is empty: its packages are in another layer, or not needed on this platform",)


def test_a_named_group_that_needs_another_version_than_the_image_is_an_error(target):
    with pytest.raises(TwoVersionsError) as caught:
        _make(target, [Package("a", "1")], [_group("heavy")], on_top=[(_group("docs"), [Package("a", "2")])])
    assert str(caught.value).startswith("the image needs a 1 and group 'docs' needs a 2; ")


def test_two_named_groups_that_need_two_versions_are_an_error(target):
    on_top = [(_group("docs"), [Package("a", "1")]), (_group("lint"), [Package("a", "2")])]
    with pytest.raises(TwoVersionsError, match=r"^group 'docs' needs a 1 and group 'lint' needs a 2; "):
        _make(target, [], [], on_top=on_top)


def test_two_layers_that_need_two_versions_are_named_with_their_reasons():
    closures = {
        "layer 'cpu'": [Closure("group cpu", {"numpy": "2", "torch": "2.4+cpu"})],
        "layer 'gpu'": [Closure("group gpu", {"numpy": "2", "torch": "2.4+cu124"})],
    }
    with pytest.raises(TwoVersionsError) as caught:
        assign.check_versions(closures)
    assert str(caught.value).startswith(
        "layer 'cpu' (group cpu) needs torch 2.4+cpu and layer 'gpu' (group gpu) needs torch 2.4+cu124; "
    )


@pytest.mark.parametrize(
    ("first", "second", "way"),
    [
        ("group a", "group b", "leave out one of these (pass --no-group a or pass --no-group b), or"),
        ("extra a", "extra b", "leave out one of these (drop the extra a or drop the extra b), or"),
        ("dependencies", "extra b", "leave out one of these (drop the extra b), or"),
        ("group a", "extra a", "leave out one of these (pass --no-group a or drop the extra a), or"),
        ("", "", "leave out one of these, or"),
    ],
)
def test_two_versions_are_avoided_by_what_asks_for_them(first, second, way):
    closures = {"layer 'low'": [Closure(first, {"a": "1"})], "layer 'top'": [Closure(second, {"a": "2"})]}
    with pytest.raises(TwoVersionsError) as caught:
        assign.check_versions(closures)
    assert f"an image can contain only one version of a package, so {way} build two images" in str(caught.value)


def test_a_package_may_have_no_version():
    assert assign.check_versions({"a": [Closure("", {"x": None})], "b": [Closure("", {"x": None})]}) is None
    with pytest.raises(TwoVersionsError):
        assign.check_versions({"a": [Closure("", {"x": None})], "b": [Closure("", {"x": "1"})]})


# The environment, the project itself, and layers that are too large.


def _whole(target, prefix="/usr/local", own=None, layers=()):
    return assign.assign(
        image=_packages("a"),
        known={"a"},
        layers=layers,
        closures={},
        prefix=prefix,
        target=target,
        source="uv-layers.toml",
        own=own,
    )


def _names(project, prefix="/usr/local", **selection):
    return LayerSet.of(project, Selection(**selection), prefix).names


LOCAL = {DEPENDENCIES: frozenset({"demo"}), Claim("group", "light"): frozenset({"tool"})}


@pytest.mark.parametrize(
    ("local", "selection", "names"),
    [
        ({}, {}, ("heavy", "light", "dependencies")),
        (LOCAL, {}, ("heavy", "light", "dependencies", "project")),
        (LOCAL, {"no_install_project": True}, ("heavy", "light", "dependencies", "project")),
        (LOCAL, {"no_install_project": True, "no_groups": ("light",)}, ("heavy", "dependencies")),
        ({Claim("extra", "web"): frozenset({"tool"})}, {}, ("heavy", "light", "dependencies")),
        (
            {Claim("extra", "web"): frozenset({"tool"})},
            {"extras": ("web",)},
            ("heavy", "light", "dependencies", "project"),
        ),
        (
            {Claim("extra", "web"): frozenset({"tool"})},
            {"all_extras": True},
            ("heavy", "light", "dependencies", "project"),
        ),
    ],
)
def test_local_packages_that_uv_installs_have_a_layer_on_top(local, selection, names):
    project = dataclasses.replace(_project(dependencies=True), local=local, source=Source(Path("demo"), "demo"))
    assert _names(project, **selection) == names


def test_the_layer_of_the_project_has_a_free_name_and_none_where_layers_are_configured():
    project = dataclasses.replace(_project(groups=("project",), default=("project",)), local=LOCAL)
    assert _names(project) == ("project", "project-2")
    assert _names(dataclasses.replace(_project(LayerSpec("all")), local=LOCAL)) == ("all",)


@pytest.mark.parametrize("prefix", ["/app/.venv", "/venv", "/opt/my-venv"])
def test_an_environment_is_a_layer_below_all_others(target, prefix):
    made = _whole(target, prefix, layers=[LayerSpec("all")])
    assert [(layer.name, layer.kind) for layer in made.layers] == [("venv", "environment"), ("all", "packages")]
    assert made.layers[0] == Layer("venv", kind="environment")
    assert made.hints == ()
    assert _names(_project(LayerSpec("all")), prefix) == ("venv", "all")


@pytest.mark.parametrize("prefix", ["/usr/local", "/", "/venv/lib", "/app/venvs"])
def test_elsewhere_there_is_none(target, prefix):
    assert [layer.name for layer in _whole(target, prefix, layers=[LayerSpec("venv")]).layers] == ["venv"]
    assert _names(_project(LayerSpec("all")), prefix) == ("all",)


def test_a_layer_of_packages_has_not_the_name_of_the_environment(target):
    with pytest.raises(DuplicateLayerError, match=r"^prefix /app/\.venv adds the layer 'venv': two layers"):
        _whole(target, "/app/.venv", layers=[LayerSpec("venv")])


def test_the_project_is_a_layer_above_all_others(target):
    own = LayerSpec("app", project=True), [Package("app", None, built=True), Package("lib", None, built=True)]
    made = _whole(target, "/app/.venv", own)
    assert [(layer.name, layer.kind) for layer in made.layers] == [
        ("venv", "environment"),
        ("dependencies", "packages"),
        ("app", "project"),
    ]
    assert [(m.package.name, m.reason, m.also) for m in made.layers[-1].members] == [
        ("app", "project", ()),
        ("lib", "project", ()),
    ]
    assert made.hints == ()
    config = dataclasses.replace(_project(LayerSpec("all")).config, project=own[0])
    assert _names(dataclasses.replace(_project(), config=config), "/app/.venv") == ("venv", "all", "app")


def test_a_project_that_is_no_package_is_said_to_be_none(target):
    made = _whole(target, own=(LayerSpec("app", project=True), []))
    assert [layer.name for layer in made.layers] == ["dependencies", "app"]
    what = "the project and the members that it needs are excluded, or are not packages (see tool.uv.package)"
    assert made.hints == (f"layer 'app' is empty: {what}",)


def test_a_project_may_be_all_that_there_is():
    config = dataclasses.replace(_project().config, project=LayerSpec("app", project=True))
    empty = dataclasses.replace(
        _project(), config=config, groups=(), default_groups=(), extras=(), has_dependencies=False
    )
    assert layer_specs(empty, Selection()) == ()


def _sized(*sizes):
    members = tuple(Member(Package(f"p{n}", "1", size), "group a") for n, size in enumerate(sizes))
    return Layer("heavy", members)


def test_a_layer_that_is_too_large_is_told_with_its_largest_packages():
    layers = [_sized(600, 1_000_000_000, None, 900_000_000, 100_000_000, 0), _sized(10)]
    [hint] = assign.too_large(layers, 1_999_999_999)
    assert hint == (
        "layer 'heavy' is 2.00 GB (p1 50%, p3 45%, p4 5%): BuildKit compresses it on one core, and a registry may "
        "refuse it; split it, e.g. with `uv-layers suggest`"
    )
    assert list(assign.too_large(layers, 2_000_000_600)) == []
    assert list(assign.too_large([Layer("venv", kind="environment"), _sized(None, 0)], 0)) == []
    assert len(list(assign.too_large([_sized(1)], 0))) == 1


def test_a_package_of_unknown_size_is_no_part_of_a_layer_that_is_too_large():
    [hint] = assign.too_large([_sized(1, None, 1)], 0)
    assert "is 0.00 GB (p0 50%, p2 50%, p1 0%): " in hint
