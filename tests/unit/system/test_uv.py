from __future__ import annotations

import sys
from pathlib import Path

import pytest
import tomli
from packaging.requirements import Requirement

from uv_layers.errors import UvNotFoundError
from uv_layers.system.uv import (
    MINIMUM,
    MINOR,
    Uv,
    _build_step,
    _unbuilt,
    check_argv,
    dependencies_argv,
    find_python_argv,
    group_argv,
    image_argv,
    install_argv,
)
from uv_layers.system.uv_environment import installing_env, resolving_env

HERE = Path("some/project")
EXPORT = ["export", "--frozen", "--no-header"]
PROJECT = ["--project", "some/project"]
FILES = ["--format", "pylock.toml"]
NAMES = ["--format", "requirements.txt", "--no-hashes", "--no-annotate"]

# How packages are reached, by whom, and where they are kept: the caller's business, which is passed on.
REACHING = {
    "ALL_PROXY": "socks5://proxy.example",
    "AWS_PROFILE": "packages",
    "GIT_SSH_COMMAND": "ssh -i key",
    "HOME": "home",
    "HTTPS_PROXY": "http://proxy.example",
    "HTTP_PROXY": "http://proxy.example",
    "LANG": "C.UTF-8",
    "NETRC": "netrc",
    "NO_PROXY": "localhost",
    "PATH": "bin",
    "SSL_CERT_DIR": "certificates",
    "SSL_CERT_FILE": "ca.pem",
    "SSL_CLIENT_CERT": "client.pem",
    "TMPDIR": "tmp",
    "UV_CACHE_DIR": "cache",
    "UV_CONCURRENT_DOWNLOADS": "2",
    "UV_DEFAULT_INDEX": "https://index.example/simple",
    "UV_EXTRA_INDEX_URL": "https://more.example/simple",
    "UV_FIND_LINKS": "https://links.example/",
    "UV_HTTP_TIMEOUT": "300",
    "UV_INDEX": "foo=https://index.example/foo",
    "UV_INDEX_FOO_PASSWORD": "secret",
    "UV_INDEX_FOO_USERNAME": "user",
    "UV_INDEX_STRATEGY": "unsafe-best-match",
    "UV_INDEX_URL": "https://index.example/simple",
    "UV_INSECURE_HOST": "index.example",
    "UV_KEYRING_PROVIDER": "subprocess",
    "UV_NATIVE_TLS": "1",
    "UV_NO_BUILD": "1",
    "UV_NO_CACHE": "1",
    "UV_OFFLINE": "1",
    "UV_PYTHON_INSTALL_DIR": "pythons",
    "XDG_CACHE_HOME": "cache",
}
# What uv decides with whether a lock is stale.
RESOLVING = (
    "UV_CONFIG_FILE",
    "UV_EXCLUDE_NEWER",
    "UV_FORK_STRATEGY",
    "UV_NO_SOURCES",
    "UV_NO_SOURCES_PACKAGE",
    "UV_PRERELEASE",
    "UV_RESOLUTION",
)
# What would choose other packages, other files of them, or another place for them.
OVERRIDING = (
    "UV_BREAK_SYSTEM_PACKAGES",
    "UV_COMPILE_BYTECODE",
    "UV_CONSTRAINT",
    "UV_EXCLUDE",
    "UV_FROZEN",
    "UV_LINK_MODE",
    "UV_LOCKED",
    "UV_NO_BINARY",
    "UV_NO_BINARY_PACKAGE",
    "UV_NO_DEFAULT_GROUPS",
    "UV_NO_DEV",
    "UV_NO_EDITABLE",
    "UV_NO_GROUP",
    "UV_NO_VERIFY_HASHES",
    "UV_OVERRIDE",
    "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "UV_REQUIRE_HASHES",
    "UV_SYSTEM_PYTHON",
    "UV_TORCH_BACKEND",
    "UV_WORKING_DIR",
)


@pytest.mark.parametrize(
    ("groups", "extras", "all_extras", "words"),
    [
        ([], [], False, []),
        (["dev", "docs"], [], False, ["--group", "dev", "--group", "docs"]),
        ([], ["web", "cli"], False, ["--extra", "web", "--extra", "cli"]),
        (["docs"], ["web"], True, ["--group", "docs", "--all-extras"]),
    ],
)
@pytest.mark.parametrize("packages", [(), ("api", "worker")])
def test_the_image_set_is_asked_for_with_all_its_groups(packages, groups, extras, all_extras, words):
    argv = image_argv(HERE, packages, groups, extras, all_extras=all_extras)
    named = [word for name in packages for word in ("--package", name)]
    assert argv == [*EXPORT, *PROJECT, *named, *FILES, "--no-default-groups", *words]


def test_only_the_closure_of_a_group_is_asked_for():
    argv = [*EXPORT, *PROJECT, "--package", "api"]
    assert group_argv(HERE, ("api",), "heavy") == [*argv, *NAMES, "--only-group", "heavy"]
    assert group_argv(HERE, ("api",), "heavy", files=True) == [*argv, *FILES, "--only-group", "heavy"]


@pytest.mark.parametrize(("extra", "words"), [(None, []), ("web", ["--extra", "web"])])
def test_the_dependencies_are_asked_for_without_groups(extra, words):
    assert dependencies_argv(HERE, (), extra) == [*EXPORT, *PROJECT, *NAMES, "--no-default-groups", *words]


def test_the_lock_is_checked_for_the_target_and_without_fetching_a_python():
    argv = check_argv(HERE, "bin/python")
    assert argv == ["lock", "--check", *PROJECT, "--no-python-downloads", "--python", "bin/python"]


@pytest.mark.parametrize("request_", ["3.12", "-h"])
def test_an_interpreter_is_found_and_never_fetched(request_):
    argv = find_python_argv(HERE, request_)
    assert argv == ["python", "find", "--system", "--no-cache", "--no-python-downloads", *PROJECT, "--", request_]


@pytest.mark.parametrize(("verbose", "words"), [(False, []), (True, ["--verbose"])])
def test_a_layer_lock_is_installed_as_it_stands_and_copied_out_of_the_cache(verbose, words):
    argv = install_argv(
        [Path("work/pylock.heavy.toml")],
        Path("tree/usr/local"),
        "bin/python3.12",
        settings="/dev/fd/3",
        environ={},
        verbose=verbose,
    )
    assert argv == [
        *("pip", "install", "--python", "bin/python3.12", "--no-deps", "--no-python-downloads"),
        *("--no-compile-bytecode", "--preview-features", "pylock"),
        *("--prefix", "tree/usr/local", "--link-mode", "copy"),
        *("--config-file", "/dev/fd/3", "--requirements", "work/pylock.heavy.toml", *words),
    ]


def test_without_a_prefix_packages_go_into_the_environment_and_may_be_links_to_the_cache():
    argv = install_argv([Path("work/pylock.heavy.toml")], None, "env/bin/python", settings="/dev/fd/3", environ={})
    assert "--prefix" not in argv
    assert "--link-mode" not in argv


@pytest.mark.parametrize(
    ("said", "package", "step"),
    [
        (
            "error: Failed to build `demo==1.0`\n",
            "demo",
            "if a compiler or headers are missing, add them to the layer's",
        ),
        (
            "error: Failed to download and build `demo @ git+https://a`\n",
            "demo",
            "if a compiler or headers are missing",
        ),
        (
            "error: Failed to download and build `demo @ git+https://a`\n  cause: Git executable not found. Ensure …",
            "demo",
            "add git to the layer's system-packages",
        ),
        (
            "error: Failed to build `demo==1.0`\nModuleNotFoundError: No module named 'Cython.Build'\n",
            "demo",
            "its build needs the Python module Cython; if demo is built",
        ),
        (
            "error: Failed to build `demo==1.0` cause: Failed to resolve requirements from `build-system.requires`",
            "demo",
            "uv could not resolve its build requirements; check the indexes",
        ),
        ("error: no such index", None, ""),
    ],
)
def test_of_a_build_that_failed_the_package_and_the_next_step_are_known(said, package, step):
    assert _unbuilt(said) == package
    assert package is None or _build_step(said, package).startswith(step)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"UV_NO_BUILD": "1"}, ["--no-build"]),
        ({"UV_NO_BUILD": "True"}, ["--no-build"]),
        ({"UV_NO_BUILD": "0"}, []),
        ({"UV_NO_BUILD": ""}, []),
        ({"UV_NO_BUILD_PACKAGE": "one two"}, ["--only-binary", "one", "--only-binary", "two"]),
        ({"UV_NO_BUILD_PACKAGE": ""}, []),
    ],
)
def test_what_the_environment_forbids_to_build_is_not_built(environ, words):
    plain = install_argv([Path("lock")], Path("prefix"), "python", settings="uv.toml", environ={})
    given = install_argv([Path("lock")], Path("prefix"), "python", settings="uv.toml", environ=environ)
    assert given == plain + words


def test_resolving_keeps_how_packages_are_reached_and_how_the_lock_was_made():
    kept = REACHING | dict.fromkeys(RESOLVING, "x")
    environ = kept | dict.fromkeys((*OVERRIDING, "VIRTUAL_ENV"), "x")
    assert resolving_env(environ) == kept | {"NO_COLOR": "1", "UV_PROJECT_ENVIRONMENT": "/nonexistent/uv-layers"}


def test_installing_keeps_how_packages_are_reached_and_nothing_that_overrides_the_layer_lock():
    environ = REACHING | dict.fromkeys((*RESOLVING, *OVERRIDING, "VIRTUAL_ENV"), "x")
    assert installing_env(environ, 315532800) == REACHING | {
        "UV_NO_INSTALLER_METADATA": "1",
        "SOURCE_DATE_EPOCH": "315532800",
        "PYTHONHASHSEED": "0",
        "LDFLAGS": "-Wl,-S",
    }


def test_what_makes_builds_the_same_wins_over_what_the_caller_has():
    environ = {"SOURCE_DATE_EPOCH": "1", "UV_NO_INSTALLER_METADATA": "0", "PYTHONHASHSEED": "random"}
    environ["LDFLAGS"] = "-L/opt/lib"
    assert installing_env(environ, 2) == {
        "LDFLAGS": "-L/opt/lib -Wl,-S",
        "SOURCE_DATE_EPOCH": "2",
        "UV_NO_INSTALLER_METADATA": "1",
        "PYTHONHASHSEED": "0",
    }


@pytest.mark.parametrize("build", [resolving_env, lambda environ: installing_env(environ, 0)])
def test_the_environment_of_the_caller_is_left_as_it_is(build):
    environ = {"PATH": "bin", "UV_LINK_MODE": "symlink"}
    build(environ)
    assert environ == {"PATH": "bin", "UV_LINK_MODE": "symlink"}


@pytest.mark.parametrize(
    "variable",
    [
        "UV_NO_CONFIG",
        "UV_NO_BUILD_ISOLATION",
        "UV_BUILD_CONSTRAINT",
    ],
)
def test_a_variable_that_changes_how_packages_are_built_does_not_reach_the_install(variable):
    assert variable not in installing_env({variable: "1"}, 0)


def test_the_dev_group_cannot_be_let_in_by_a_variable():
    assert "UV_DEV" not in resolving_env({"UV_DEV": "1"})


def _executable(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return str(path)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (("UV_LAYERS_UV", "UV", "PATH"), "UV_LAYERS_UV"),
        (("UV", "PATH"), "UV"),
        (("PATH",), "PATH"),
    ],
)
def test_uv_is_looked_for_in_the_order_that_is_documented(tmp_path, given, found):
    places = {name: _executable(tmp_path / name / "uv") for name in given}
    environ = places | {"PATH": str(tmp_path / "PATH")}
    uv = Uv.find(environ)
    assert (uv.path, uv.environ) == (places[found], environ)


def test_the_wheel_has_uv_where_path_has_none(tmp_path):
    import uv  # noqa: PLC0415

    assert Uv.find({"PATH": str(tmp_path)}).path == uv.find_uv_bin()


def test_no_uv_at_all_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uv", None)
    with pytest.raises(UvNotFoundError, match="it is not on PATH, and the `uv` package is not installed"):
        Uv.find({"PATH": str(tmp_path)})


@pytest.mark.parametrize("variable", ["UV_LAYERS_UV", "UV"])
def test_a_uv_that_is_named_and_not_there_is_an_error_even_with_another_on_path(tmp_path, variable):
    _executable(tmp_path / "uv")
    with pytest.raises(UvNotFoundError, match=f"{variable} is 'nowhere/uv', which is not an executable"):
        Uv.find({variable: "nowhere/uv", "PATH": str(tmp_path)})


def test_an_empty_variable_names_no_uv(tmp_path):
    on_path = _executable(tmp_path / "uv")
    assert Uv.find({"UV_LAYERS_UV": "", "UV": "", "PATH": str(tmp_path)}).path == on_path


def test_folders_are_installed_and_only_linked_to_where_that_is_asked_for(tmp_path):
    (tmp_path / "lib").mkdir()
    what = [tmp_path, tmp_path / "lib"]
    argv = install_argv(what, Path("tree"), "python", settings="uv.toml", environ={})
    plain = install_argv([], Path("tree"), "python", settings="uv.toml", environ={})
    assert argv == [*plain, str(tmp_path), str(tmp_path / "lib")]
    argv = install_argv(what, Path("tree"), "python", settings="uv.toml", environ={}, editable={tmp_path / "lib"})
    assert argv == [*plain, str(tmp_path), "--editable", str(tmp_path / "lib")]


def test_for_another_platform_only_wheels_are_installed():
    given = {"settings": Path("uv.toml"), "environ": {"UV_NO_BUILD_PACKAGE": "one"}}
    plain = install_argv([Path("lock")], Path("tree"), "python", **given)
    argv = install_argv([Path("lock")], Path("tree"), "python", **given, platform="aarch64-manylinux_2_28")
    at = plain.index("--only-binary")
    words = ["--python-platform", "aarch64-manylinux_2_28", "--only-binary", ":all:"]
    assert argv == [*plain[:at], *words, *plain[at:]]


def test_the_oldest_uv_is_the_one_that_is_required():
    project = tomli.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [required] = [r for r in map(Requirement, project["dependencies"]) if r.name == "uv"]
    assert str(required.specifier) == f">={'.'.join(map(str, MINIMUM))}"


def test_a_dockerfile_gets_a_uv_that_is_new_enough():
    assert tuple(map(int, MINOR.split("."))) >= MINIMUM[:2]
