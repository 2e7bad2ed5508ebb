from pathlib import Path

import pytest

from uv_layers.errors import ConfigError, LocalFolderError
from uv_layers.lock import builds
from uv_layers.lock.packages import Layer, Member, Package

SHA = "5f" * 32
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROOT = Path("/project")


def wheel(name, **more):
    file = {"url": f"https://index.example/{name}-1.0-py3-none-any.whl", "hashes": {"sha256": SHA}, **more}
    return Package(name, "1.0", table={"name": name, "version": "1.0", "wheels": [file]})


def source(name):
    file = {"url": f"https://index.example/{name}-1.0.tar.gz", "hashes": {"sha256": SHA}}
    return Package(name, "1.0", built=True, table={"name": name, "version": "1.0", "sdist": file})


def folder(name):
    return Package(name, "1.0", built=True, table={"name": name, "version": "1.0", "directory": {"path": "libs/a"}})


def layer(*packages):
    return Layer("heavy", tuple(Member(package, "") for package in packages))


def matching(*names, package="demo"):
    return {"extra-build-dependencies": {package: [{"requirement": name, "match-runtime": True} for name in names]}}


def needed(own, image, settings, closure=set):
    return [p.name for p in builds.build_packages(layer(*own), [*image, *own], settings, closure)]


def test_a_layer_of_wheels_needs_no_build_packages():
    settings = {"no-build-isolation": True, **matching("helper")}
    assert needed([wheel("demo")], [wheel("helper")], settings) == []


def test_what_matches_the_runtime_is_a_build_package_unless_the_layer_has_it():
    assert needed([source("demo")], [wheel("helper"), wheel("other")], matching("Helper")) == ["helper"]
    assert needed([source("demo"), wheel("helper")], [wheel("other")], matching("helper")) == []
    # Only what the layer builds matters.
    assert needed([source("demo")], [wheel("helper")], matching("helper", package="other")) == []


def test_a_folder_cannot_be_pinned():
    with pytest.raises(LocalFolderError, match="helper"):
        needed([source("demo")], [folder("helper")], matching("helper"))


@pytest.mark.parametrize("settings", [{"no-build-isolation-package": ["Demo"]}, {"no-build-isolation": True}])
def test_without_isolation_all_packages_that_uv_installs_before_are_there(settings):
    image = [wheel("helper"), folder("member"), wheel("other")]
    assert needed([source("demo"), wheel("own")], image, settings) == ["helper", "other"]


def test_another_package_without_isolation_is_not_installed_before():
    settings = {"no-build-isolation-package": ["demo", "late", "wheel"]}
    image = [source("late"), source("early"), wheel("wheel")]
    assert needed([source("demo")], image, settings) == ["early", "wheel"]


def test_what_a_build_without_isolation_needs_can_be_named():
    settings = {"no-build-isolation-package": ["demo"], "extra-build-dependencies": {"Demo": ["helper>=1"]}}
    image = [wheel("helper"), wheel("below"), wheel("other")]
    assert needed([source("demo")], image, settings, lambda names: {*names, "below"}) == ["helper", "below"]
    assert builds.unnamed(layer(source("demo")), settings) == []
    assert builds.unnamed(layer(source("demo"), wheel("b")), {"no-build-isolation": True}) == ["demo"]


def test_what_shall_match_the_runtime_must_be_in_the_image():
    builds.check_match_runtime({"demo", "helper"}, matching("helper"), "pyproject.toml: tool.uv")
    builds.check_match_runtime({"helper"}, matching("missing"), "pyproject.toml: tool.uv")
    with pytest.raises(
        ConfigError, match=r"tool\.uv: extra-build-dependencies\.demo: has match-runtime = true for missing"
    ):
        builds.check_match_runtime({"demo"}, matching("missing"), "pyproject.toml: tool.uv")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            matching("helper>=1"),
            "helper>=1 cannot have a version or URL with match-runtime = true; drop match-runtime, or the version",
        ),
        (
            matching("helper @ https://a.example/b.whl"),
            "cannot have a version or URL with match-runtime = true; drop match-runtime",
        ),
        ({"extra-build-dependencies": {"demo": ["=="]}}, "'==' is not a valid requirement"),
    ],
)
def test_requirements_that_uv_refuses(settings, problem):
    with pytest.raises(ConfigError, match=problem):
        builds.check_requirements(settings, "a")


@pytest.mark.parametrize(
    ("table", "url"),
    [
        (wheel("helper").table, f"https://index.example/helper-1.0-py3-none-any.whl#sha256={SHA}"),
        (source("helper").table, f"https://index.example/helper-1.0.tar.gz#sha256={SHA}"),
        (
            {"name": "helper", "wheels": [{"path": "a b/helper-1.0-py3-none-any.whl", "hashes": {"blake2b": SHA}}]},
            "file:///project/a%20b/helper-1.0-py3-none-any.whl",
        ),
        (
            {
                "name": "helper",
                "archive": {"url": "https://a.example/b.zip#egg=x", "subdirectory": "c", "hashes": {"sha512": SHA * 2}},
            },
            f"https://a.example/b.zip#sha512={SHA * 2}&subdirectory=c",
        ),
        (
            {"name": "helper", "vcs": {"type": "git", "url": "https://a.example/b.git", "commit-id": COMMIT}},
            f"git+https://a.example/b.git@{COMMIT}",
        ),
        (
            {"name": "helper", "vcs": {"type": "git", "path": "b", "commit-id": COMMIT, "subdirectory": "c"}},
            f"git+file:///project/b@{COMMIT}#subdirectory=c",
        ),
    ],
    ids=["wheel", "sdist", "path", "archive", "git", "git folder"],
)
def test_what_matches_the_runtime_is_installed_from_the_file_of_the_lock(table, url):
    settings = {**matching("helper", "Helper[b,a]; python_version > '3'", "unknown"), "index": []}
    settings["extra-build-dependencies"]["demo"].append("plain>=1")
    told = builds.settings_to_install(settings, [table], ROOT, set())
    assert told["extra-build-dependencies"] == {
        "demo": [
            f"helper @ {url}",
            f'Helper[a,b] @ {url} ; python_version > "3"',
            {"requirement": "unknown", "match-runtime": True},
            "plain>=1",
        ]
    }


def test_indexes_in_folders_are_found_from_anywhere():
    settings = {"find-links": ["wheels", "https://a.example"], "index": [{"name": "flat", "url": "wheels"}]}
    told = builds.settings_to_install(settings, [], ROOT, set())
    assert told == {
        "find-links": ["/project/wheels", "https://a.example"],
        "index": [{"name": "flat", "url": "/project/wheels"}],
    }


def test_what_uv_built_with_other_packages_is_not_taken_from_its_cache():
    def variables(*packages, unisolated=("demo",)):
        settings = {"extra-build-variables": {"Demo": {"A": "b"}, "other": {"C": "d"}}, **matching("gone")}
        told = builds.settings_to_install(settings, [p.table for p in packages], ROOT, set(unisolated))
        # uv does not use them without isolation, and would miss those of other layers.
        assert ("demo" in told["extra-build-dependencies"]) == ("demo" not in unisolated)
        return told["extra-build-variables"]

    first = variables(source("demo"), wheel("helper"))
    assert first["demo"].keys() == {"A", "UV_LAYERS_BUILD_PACKAGES"}
    assert first["other"] == {"C": "d"}
    assert first == variables(wheel("helper"), source("demo"))
    assert first != variables(source("demo"), wheel("helper", hashes={"sha256": "0" * 64}))
    assert variables(wheel("helper"), unisolated=()) == {"Demo": {"A": "b"}, "other": {"C": "d"}}


def test_a_build_package_is_described_by_what_its_content_depends_on():
    assert builds.described(wheel("helper").table) == "1.0 5f5f5f5f5f5f"
    assert builds.described({"name": "a", "vcs": {"commit-id": COMMIT}}) == "0123456789ab"


def extra(*entries):
    return {"extra-build-dependencies": {"Demo": list(entries)}}


@pytest.mark.parametrize(
    ("source", "entry"),
    [
        ({"url": "https://x.test/helper-1-py3-none-any.whl"}, "Helper[a,b] @ https://x.test/helper-1-py3-none-any.whl"),
        ({"url": "https://x.test/a.zip", "subdirectory": "b"}, "Helper[a,b] @ https://x.test/a.zip#subdirectory=b"),
        ({"git": "https://x.test/a", "rev": "v1"}, "Helper[a,b] @ git+https://x.test/a@v1"),
        ({"git": "https://x.test/a", "subdirectory": "b"}, "Helper[a,b] @ git+https://x.test/a#subdirectory=b"),
        ({"path": "a/helper.whl"}, {"requirement": "Helper[b,a]>=1", "path": "a/helper.whl"}),
        ({"path": "a"}, "Helper[b,a]>=1"),
        ({"index": "x"}, "Helper[b,a]>=1"),
        ({"url": "https://x.test/a.whl", "marker": "sys_platform == 'linux'"}, "Helper[b,a]>=1"),
        ([{"url": "https://x.test/a.whl"}], "Helper[b,a]>=1"),
    ],
)
def test_an_extra_build_dependency_is_where_its_source_says(source, entry):
    settings = extra("Helper[b,a]>=1", "other")
    assert builds.with_sources(settings, {"HELPER": source}, "x") == extra(entry, "other")
    assert builds.with_sources(settings, {}, "x") == settings
    assert builds.with_sources({}, {"HELPER": source}, "x") == {}


def test_an_extra_build_dependency_that_matches_the_runtime_has_its_source_in_the_lock():
    settings = matching("helper")
    assert builds.with_sources(settings, {"helper": {"url": "https://x.test/a.whl"}}, "x") == settings
    builds.check_sources({"demo"}, settings, {"helper": {"index": "x"}}, "x")
