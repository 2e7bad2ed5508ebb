from __future__ import annotations

import importlib.util
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.tags import sys_tags

from uv_layers.errors import TargetError
from uv_layers.system import interpreter

MAJOR, MINOR, MICRO = sys.version_info[:3]
THIS = f"{MAJOR}.{MINOR}"
NEXT = f"{MAJOR}.{MINOR + 1}"


@pytest.mark.parametrize(
    ("request_", "requires", "answer"),
    [
        (None, None, True),
        (THIS, None, True),
        (f"{THIS}.{MICRO}", None, True),
        (f"{MAJOR}", None, True),
        (f"cpython{THIS}", None, True),
        (f"cpython@{THIS}", None, True),
        (f"cp{THIS}", None, True),
        (NEXT, None, False),
        (f"{THIS}.{MICRO + 1}", None, False),
        (None, f">={THIS}", True),
        (None, f"<{THIS}", False),
        (THIS, f">={NEXT}", False),
        (NEXT, f">={THIS}", False),
        (THIS, "no specifier", False),
        # uv is asked what these are.
        (f">={THIS}", None, False),
        (f"pypy{THIS}", None, False),
        (f"{THIS}t", None, False),
        ("9" * 5000, None, False),
        (f"3.{'9' * 5000}", None, False),
        ("/opt/python/bin/python3", None, False),
        ("", None, False),
    ],
)
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="the requests are for CPython")
def test_this_interpreter_is_taken_where_it_is_surely_the_one_that_is_asked_for(request_, requires, answer):
    assert interpreter.running_satisfies(request_, requires) is answer


def test_the_running_interpreter_is_described_as_packaging_does():
    running = interpreter.of_running()
    tags = list(dict.fromkeys(map(str, sys_tags())))
    assert running.markers == default_environment()
    assert running.tags == {tag: rank for rank, tag in enumerate(tags)}
    assert (running.cache_tag, running.magic) == (
        sys.implementation.cache_tag,
        importlib.util.MAGIC_NUMBER.hex(),
    )


def test_the_running_interpreter_is_named_by_its_base_and_not_by_a_virtual_environment():
    executable = Path(interpreter.of_running().executable)
    assert executable.is_file()
    assert executable.is_relative_to(sys.base_prefix)


@pytest.mark.parametrize(
    ("platform", "machine", "best", "oldest", "too_new"),
    [
        ("linux/amd64", "x86_64", "manylinux_2_28_x86_64", "manylinux1_x86_64", "manylinux_2_29_x86_64"),
        ("linux/arm64", "aarch64", "manylinux_2_28_aarch64", "manylinux2014_aarch64", "manylinux_2_29_aarch64"),
        ("linux/arm64/v8", "aarch64", "manylinux_2_28_aarch64", "manylinux2014_aarch64", "manylinux_2_29_aarch64"),
        ("linux/s390x", "s390x", "manylinux_2_28_s390x", "manylinux2014_s390x", "manylinux_2_29_s390x"),
        (
            "x86_64-unknown-linux-gnu",
            "x86_64",
            "manylinux_2_28_x86_64",
            "manylinux1_x86_64",
            "manylinux_2_29_x86_64",
        ),
        ("x86_64-manylinux_2_36", "x86_64", "manylinux_2_36_x86_64", "manylinux1_x86_64", "manylinux_2_37_x86_64"),
        (
            "aarch64-manylinux_2_17",
            "aarch64",
            "manylinux_2_17_aarch64",
            "manylinux2014_aarch64",
            "musllinux_1_1_aarch64",
        ),
        ("x86_64-unknown-linux-musl", "x86_64", "musllinux_1_2_x86_64", "musllinux_1_1_x86_64", "manylinux1_x86_64"),
    ],
)
def test_a_platform_stands_for_its_markers_and_its_tags(platform, machine, best, oldest, too_new):
    found = interpreter.of_platform(platform, "3.12.4")
    assert next(iter(found.tags)) == f"cp312-cp312-{best}"
    assert f"cp312-cp312-{oldest}" in found.tags
    assert f"cp312-cp312-linux_{machine}" in found.tags
    assert not [tag for tag in found.tags if tag.endswith(f"-{too_new}")]
    assert found.markers == {
        "implementation_name": "cpython",
        "implementation_version": "3.12.4",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": "3.12.4",
        "python_version": "3.12",
        "sys_platform": "linux",
    }
    assert found.executable is None


def test_tags_are_ranked_from_the_most_to_the_least_specific():
    ranks = interpreter.of_platform("linux/amd64", "3.12").tags
    order = [
        "cp312-cp312-manylinux_2_28_x86_64",
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp312-cp312-manylinux2014_x86_64",
        "cp312-cp312-manylinux_2_5_x86_64",
        "cp312-cp312-manylinux1_x86_64",
        "cp312-cp312-linux_x86_64",
        "cp312-abi3-manylinux_2_28_x86_64",
        "cp312-none-manylinux_2_28_x86_64",
        "cp39-abi3-manylinux_2_28_x86_64",
        "py3-none-manylinux_2_28_x86_64",
        "cp312-none-any",
        "py312-none-any",
        "py3-none-any",
    ]
    assert sorted(order, key=lambda tag: ranks[tag]) == order
    assert sorted(ranks.values()) == list(range(len(ranks)))
    assert "cp313-cp313-manylinux_2_28_x86_64" not in ranks
    assert "cp313-none-any" not in ranks


@pytest.mark.parametrize(
    ("python", "full"),
    [("3.12", "3.12.0"), ("3.12.4", "3.12.4"), ("cpython3.13", "3.13.0"), ("cpython@3.9", "3.9.0")],
)
def test_a_python_of_a_platform_is_a_version(python, full):
    markers = interpreter.of_platform("linux/amd64", python).markers
    assert (markers["python_full_version"], markers["python_version"]) == (full, full.rsplit(".", 1)[0])


@pytest.mark.parametrize(
    "python",
    [
        *("3", "2.7", "312", "3.12t", ">=3.12", "pypy3.10", "/usr/bin/python3", ""),
        # The tags of such a version would have no end.
        *("3.99999999999", f"3.{'9' * 5000}", f"3.12.{'9' * 5000}"),
    ],
)
def test_anything_else_is_no_python_of_a_platform(python):
    with pytest.raises(TargetError, match=r"^--platform needs a Python version, e\.g\. --python 3\.12, not "):
        interpreter.of_platform("linux/amd64", python)


@pytest.mark.parametrize(
    "platform",
    [
        "",
        "linux/",
        "linux/mips",
        "linux/arm/v7",
        "windows/amd64",
        "x86_64-apple-darwin",
        "amd64",
        "x86_64-manylinux_2_999999999",
    ],
)
def test_an_unknown_platform_is_an_error_that_names_known_ones(platform):
    with pytest.raises(TargetError, match=f"^unknown platform '{platform}'; use linux/amd64, linux/arm64, or "):
        interpreter.of_platform(platform, "3.12")


@pytest.mark.parametrize(
    "platform",
    [
        "x86_64-unknown-linux-gnu",
        "aarch64-unknown-linux-gnu",
        "aarch64-unknown-linux-musl",
        "x86_64-manylinux_2_17",
        "aarch64-manylinux_2_40",
        "linux",
        "x86_64-manylinux2014",
        "riscv64-unknown-linux",
    ],
)
def test_the_names_of_uv_for_linux_are_known(platform):
    assert interpreter.of_platform(platform, "3.12").markers["sys_platform"] == "linux"


def test_a_machine_that_there_is_not_is_an_unknown_platform():
    with pytest.raises(TargetError):
        interpreter.of_platform("amd64-unknown-linux-gnu", "3.12")


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        ("linux", "x86_64-manylinux_2_28"),
        ("linux/amd64", "x86_64-manylinux_2_28"),
        ("linux/arm64/v8", "aarch64-manylinux_2_28"),
        ("linux/riscv64", "riscv64-unknown-linux"),
        ("riscv64-unknown-linux", "riscv64-unknown-linux"),
        ("aarch64-unknown-linux-musl", "aarch64-unknown-linux-musl"),
        ("x86_64-manylinux2014", "x86_64-manylinux2014"),
        ("x86_64-manylinux_2_36", "x86_64-manylinux_2_36"),
    ],
)
def test_uv_is_told_of_a_platform_by_its_own_name(platform, name):
    assert interpreter.of_platform(platform, "3.12").platform == name


def test_a_platform_is_equipped_with_the_interpreter_here_and_stays_what_it_is():
    there, here = interpreter.of_platform("linux/arm64", "3.12"), interpreter.of_platform("linux/amd64", "3.12")
    here = replace(here, executable="/opt/python3.12", platform="")
    here = replace(
        here, cache_tag="cpython-312", magic="cb0d0d0a", local_site="/usr/local/lib/python3.12/dist-packages"
    )
    made = interpreter.with_host_interpreter(there, here)
    assert made == replace(there, executable="/opt/python3.12", cache_tag="cpython-312", magic="cb0d0d0a")
    # Whether Debian's scheme is that of the other platform's image, nobody knows here.
    assert (made.platform, made.local_site) == ("aarch64-manylinux_2_28", "")


@pytest.mark.parametrize(
    ("schemes", "site"), [(("posix_prefix",), ""), (("posix_local", "posix_prefix"), "/base/local")]
)
def test_the_scheme_of_debian_says_where_local_packages_are(monkeypatch, schemes, site):
    real = sysconfig.get_path
    monkeypatch.setattr(sysconfig, "get_scheme_names", lambda: schemes)

    def get_path(name, scheme="posix_prefix", more=None):
        if scheme == "posix_local":
            assert (name, more) == ("purelib", {"base": sys.base_prefix})
            return "/base/local"
        return real(name, scheme, more)

    monkeypatch.setattr(sysconfig, "get_path", get_path)
    assert interpreter.of_running().local_site == site
