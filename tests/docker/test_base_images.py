"""Images whose Python is not that of the official images: Debian's own, one that uv manages, one for musl."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version

import pytest

from uv_layers.system.uv import MINOR

pytestmark = pytest.mark.docker

DEBIAN = """
FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
"""
# As `uv python install` leaves it, which would have to be downloaded.
MANAGED = """
FROM debian:bookworm-slim
ENV UV_PYTHON_INSTALL_DIR=/opt/python
WORKDIR /opt/python
RUN --mount=type=bind,from=python:3.12-slim-bookworm,source=/usr/local,target=/mnt \
    cp -a /mnt cpython-3.12-linux-$(uname -m)-gnu && ldconfig $PWD/*/lib && \
    touch $(echo */lib/python3.12)/EXTERNALLY-MANAGED
"""
# An image with CPython 3.13 for musl; where its pip cannot be used, UV_LAYERS_TEST_MUSL_UV names an image of uv for it.
MUSL, MUSL_UV = os.environ.get("UV_LAYERS_TEST_MUSL_IMAGE", "python:3.13-alpine"), "UV_LAYERS_TEST_MUSL_UV"
PROJECT = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["hello"]
"""


@pytest.fixture
def build(project, web, image_of):
    """Return a function that builds the project on the base image that a Dockerfile makes."""
    web.wheel("hello", script=True)

    def build(text, python, prefix="/usr/local", *told):
        context, base = project(PROJECT), image_of(text)
        context.write(context.dockerfile("--base", base, "--python", python, "--prefix", prefix, *told))
        return context.build(base=base)

    return build


@pytest.mark.parametrize(
    ("prefix", "site", "python"),
    [
        ("/usr/local", "/usr/local/lib/python3.11/dist-packages", "python3"),
        ("/app/.venv", "/app/.venv/lib/python3.11/site-packages", "python"),
    ],
)
def test_debians_own_python(build, prefix, site, python):
    image = build(DEBIAN, "3.11", prefix)
    assert image.run(python, "-c", "import hello; print(hello.__file__)") == f"{site}/hello.py"
    assert image.run("hello") == "hello 1.0"


def test_a_python_that_uv_manages(build):
    image = build(MANAGED, "3.12", "/app/.venv")
    said = image.run("python", "-c", "import sys, hello; print(sys.prefix, sys.base_prefix, hello.VERSION)").split()
    assert said[0] == "/app/.venv"
    assert said[1].startswith("/opt/python/cpython-3.12-linux-")
    assert said[2] == "1.0"
    assert image.run("hello") == "hello 1.0"


# Both have a user and a HOME of its own, as images of Jupyter do.
USED = """
FROM python:3.12-slim-bookworm
RUN useradd --create-home app
USER app
ENV HOME=/home/app PYTHONDONTWRITEBYTECODE=1
WORKDIR /home/app
"""
SITE = "/usr/local/lib/python3.12/site-packages"
PIPLESS = f"FROM python:3.12-slim-bookworm\nRUN rm -r /usr/local/bin/pip* {SITE}/pip*\n"
# uv itself would take the Python outside of the virtual environment.
TWO = """
FROM python:3.12-slim-bookworm
COPY --from=python:3.13-slim-bookworm /usr/local /opt/other
RUN echo /opt/other/lib > /etc/ld.so.conf.d/other.conf && ldconfig && \\
    /opt/other/bin/python3.13 -m venv --without-pip /opt/venv
ENV PATH=/opt/venv/bin:$PATH
"""
WHERE = "import hello; print(hello.__file__)"


@pytest.mark.parametrize("told", [(), ("--uv", "pip")], ids=["uv", "pip"])
def test_a_base_with_a_user_of_its_own(build, told):
    image = build(USED, "3.12", "/usr/local", *told)
    assert image.run("sh", "-c", "id -un; echo $HOME; pwd; hello").split("\n") == [
        "app",
        "/home/app",
        "/app",
        "hello 1.0",
    ]
    assert image.run("sh", "-c", f"find {SITE}/hello* ! -perm -o+r; find /usr/local -user app") == ""
    assert image.run("sh", "-c", "ls /usr/local/bin/uv* /opt/uv-layers 2>/dev/null; true") == ""


# As images of Lambda have their Python, and bases of other teams.
MOVED = """
FROM debian:bookworm-slim
RUN --mount=type=bind,from=python:3.12-slim-bookworm,source=/usr/local,target=/mnt \\
    mkdir -p {0} && cp -a /mnt/. {0} && ldconfig {0}/lib && rm -f /usr/local/bin/python*
ENV PATH={0}/bin:$PATH
"""
# As images of UBI have it: a virtual environment of another user, which each bash activates.
ACTIVATED = """
FROM python:3.12-slim-bookworm
RUN python3 -m venv --without-pip /opt/app-root && chown -R 1001:0 /opt/app-root && chmod -R g=u /opt/app-root && \\
    printf '#!/bin/bash\\nexec "$@"\\n' > /usr/bin/container-entrypoint && chmod +x /usr/bin/container-entrypoint
ENV BASH_ENV=/opt/app-root/bin/activate PATH=/opt/app-root/bin:$PATH
USER 1001
ENTRYPOINT ["container-entrypoint"]
"""


@pytest.mark.parametrize("prefix", ["/opt/app-root", "/var/lang"])
def test_a_python_elsewhere_needs_its_own_prefix(build, prefix):
    message = f"error.base-image.: {prefix}/bin/python3.12 does not look for packages in {SITE}, so .*"
    with pytest.raises(AssertionError, match=f'{message}set prefix = "{prefix}", use a virtual environment'):
        build(MOVED.format(prefix), "3.12")
    image = build(MOVED.format(prefix), "3.12", prefix)
    assert image.run("python3", "-c", WHERE) == f"{prefix}/lib/python3.12/site-packages/hello.py"
    assert image.run("hello") == "hello 1.0"


def test_a_virtual_environment_of_the_base_does_not_look_into_usr_local(build):
    with pytest.raises(AssertionError, match="/opt/app-root/bin/python3 does not look for packages in /usr/local/"):
        build(ACTIVATED, "3.12")
    image = build(ACTIVATED, "3.12", "/app/.venv")
    assert image.run("hello") == "hello 1.0"
    # What the entrypoint activates comes before it, unless that is switched off.
    assert image.run("python", "-c", "import sys; print(sys.prefix)") == "/opt/app-root"
    argv = ("docker", "run", "--rm", "--env", "BASH_ENV=", image.tag, "python", "-c", WHERE)
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "/app/.venv/lib/python3.12/site-packages/hello.py"


def test_a_folder_on_pythonpath_is_a_prefix_too(build):
    site = "/opt/x/lib/python3.12/site-packages"
    image = build(f"FROM python:3.12-slim-bookworm\nENV PYTHONPATH={site}\n", "3.12", "/opt/x")
    assert image.run("python", "-c", WHERE) == f"{site}/hello.py"


def test_the_lines_that_are_printed_give_python_to_a_base_without(project, web):
    web.wheel("hello", script=True)
    context = project(PROJECT)
    words = (sys.executable, "-m", "uv_layers", "dockerfile", *context.options, "--python", "3.11")
    bare = subprocess.run(
        [*words, "--base", "debian:bookworm-slim"], cwd=context.path, capture_output=True, text=True, check=True
    )
    hint, *lines = bare.stderr.splitlines()
    assert "--base base" in hint
    context.write("\n".join([*lines, "", context.dockerfile("--python", "3.11", "--base", "base")]))
    assert context.build(base="debian:bookworm-slim").run("hello") == "hello 1.0"


# With neither apt-get nor apk, and a script for what images of UBI and Amazon Linux have.
OTHER_MANAGER = """
FROM python:3.12-slim-bookworm
RUN rm /usr/bin/apt-get && echo 'echo $0 "$@" >> /installed' > /usr/bin/{0} && chmod +x /usr/bin/{0}
"""


@pytest.mark.parametrize("manager", ["microdnf", "dnf", "yum", "apk"])
def test_packages_of_the_system_are_installed_by_the_manager_of_the_image(project, web, image_of, manager):
    web.wheel("hello")
    context = project(PROJECT)
    layers = '[{ name = "own", dependencies = true, system-packages = ["gcc", "libpq-devel"] }]'
    context.edit("[[tool.uv.index]]", f"[tool.uv-layers]\nlayers = {layers}\n\n[[tool.uv.index]]")
    context.write(context.dockerfile("--base", image_of(OTHER_MANAGER.format(manager))))
    words = "add --no-cache" if manager == "apk" else "install -y"
    said = context.build("--target", "own").run("cat", "/installed")
    assert said == f"/usr/bin/{manager} {words} gcc libpq-devel"


def test_files_are_for_every_user_and_chown_takes_numbers(project, web):
    web.wheel("hello", script=True)
    context = project(PROJECT, {"main.py": "import hello\n\nprint(open('data').read(), hello.VERSION)\n", "data": "d"})
    text = context.dockerfile("--cmd", "python main.py")
    text = text.replace("COPY --link main.py ./main.py\n", "")
    copy = "COPY --link --chown={0}:{0} main.py data ./\nUSER 1234:1234\n"
    context.write(text.replace("CMD ", copy.format(1234) + "CMD "))
    image = context.build()
    assert image.run() == "d 1.0"
    assert image.run("stat", "-c", "%u:%g", "main.py", f"{SITE}/hello.py") == "1234:1234\n0:0"
    assert image.run("hello") == "hello 1.0"
    context.write(text.replace("CMD ", copy.format("www-data") + "CMD "))
    with pytest.raises(AssertionError, match=r"(?i)user"):
        context.build()


def test_a_base_without_pip(build):
    assert build(PIPLESS, "3.12").run("python", "-c", WHERE) == f"{SITE}/hello.py"


@pytest.mark.parametrize("told", [(), ("--uv", "pip")], ids=["uv", "pip"])
def test_the_builder_runs_on_the_first_python_of_its_base(project, web, image_of, told):
    web.wheel("hello")
    context = project(PROJECT)
    context.write(context.dockerfile("--base", image_of(TWO), *told))
    python = context.build("--target", "uv-layers").run("readlink", "-f", "/opt/uv-layers/bin/python")
    assert python == "/opt/other/bin/python3.13"


@pytest.mark.parametrize(
    "told", [(), ("--uv", "pip"), ("--uv", f"pip:{version('uv')}")], ids=["uv", "pip", "a release"]
)
def test_the_builder_has_the_packages_of_its_base(project, web, told):
    web.wheel("hello")
    context = project(PROJECT)
    context.write(context.dockerfile(*told))
    builder = context.build("--target", "uv-layers")
    packages = ("sh", "-c", f"cd {SITE} && find . -not -name '*.pyc' -not -name __pycache__ | sort")
    assert builder.run(*packages) == replace(builder, tag=builder.base).run(*packages)
    release = {"": MINOR, "pip": ""}.get(told[-1] if told else "", version("uv"))
    assert builder.run("uv", "--version").startswith(f"uv {release}")
    assert builder.run("uv-layers", "--version").startswith("uv-layers ")
    assert builder.run("/opt/uv-layers/bin/python", "-c", "import sys; print(sys.base_prefix)") == "/usr/local"


@pytest.mark.parametrize("told", [(), ("--uv", "pip")], ids=["uv", "pip"])
def test_a_layer_with_an_image_of_its_own(project, web, image_of, told):
    web.wheel("hello", script=True)
    context, other = project(PROJECT), image_of(USED)
    layers = (
        f'[tool.uv-layers]\nlayers = [{{ name = "own", dependencies = true, image = "{other}" }}]\n\n[[tool.uv.index]]'
    )
    context.edit("[[tool.uv.index]]", layers)
    context.write(context.dockerfile(*told))
    assert f"FROM {other} AS own\n" in (context.path / "Dockerfile").read_text(encoding="utf-8")
    assert context.build().run("hello") == "hello 1.0"


def test_an_image_with_musl(project, web):
    if subprocess.run(["docker", "pull", "--quiet", MUSL], capture_output=True, check=False).returncode:
        known = subprocess.run(["docker", "image", "inspect", MUSL], capture_output=True, check=False)
        if known.returncode:
            pytest.skip(f"no image {MUSL} (UV_LAYERS_TEST_MUSL_IMAGE)")
    for libc in ("manylinux_2_17", "musllinux_1_2"):
        web.wheel("hello", script=True, tag=f"cp313-cp313-{libc}_x86_64")
        web.wheel("hello", script=True, tag=f"cp313-cp313-{libc}_aarch64")
    context = project(PROJECT)
    told = ["--base", MUSL, "--python", "3.13"]
    told += ["--uv", uv] if (uv := os.environ.get(MUSL_UV)) else []
    context.write(context.dockerfile(*told))
    image = context.build(base=MUSL)
    program = "import os, hello; print(hello.TAG, os.path.exists(hello.__spec__.cached))"
    tag, compiled = image.run("python3", "-B", "-c", program).split()
    assert tag.startswith("cp313-cp313-musllinux_1_2_")
    assert compiled == "True"
    assert image.run("hello") == "hello 1.0"
