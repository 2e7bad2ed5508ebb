"""A running image behaves as one made by `uv sync` or pip: file times, bytecode, and what the base image has."""

from __future__ import annotations

import json
import re
import uuid
from datetime import datetime
from email.utils import parsedate_to_datetime

import pytest
import support
import tomli

pytestmark = pytest.mark.docker

DJANGO = """
    [project]
    name = "shop"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["django=={version}", "starlette", "six==1.17.0"]
"""
SETTINGS = """
    SECRET_KEY = "tests"
    INSTALLED_APPS = [
        "django.contrib.staticfiles", "django.contrib.admin", "django.contrib.auth",
        "django.contrib.contenttypes", "django.contrib.messages", "django.contrib.sessions",
    ]
    STATIC_URL, STATIC_ROOT = "/static/", "/static"
"""
RELEASES = "4.2.16", "5.1.2"
CSS = "css/base.css"
# Asks Starlette's StaticFiles for one file of Django, as a server does.
SERVE = """
import asyncio, json, os, django
from starlette.staticfiles import StaticFiles
folder = os.path.join(os.path.dirname(django.__file__), "contrib/admin/static/admin")
sent = []
async def send(message):
    sent.append(message)
async def receive():
    await asyncio.Event().wait()
scope = {"type": "http", "method": "GET", "path": "/css/base.css", "headers": []}
asyncio.run(StaticFiles(directory=folder)(scope, receive, send))
print(json.dumps({name.decode(): value.decode() for name, value in sent[0]["headers"]}))
"""
COLLECT = ("python", "-m", "django", "collectstatic", "--noinput", "--settings=settings")


@pytest.fixture(scope="module")
def shop(project_of):
    """Return an image of a project with one release of Django, by that release."""
    images = {}

    def build(version, more=""):
        if (version, more) not in images:
            context = project_of(DJANGO.format(version=version), {"settings.py": SETTINGS})
            context.write(context.dockerfile("--copy", "settings.py") + more)
            images[version, more] = context, context.build()
        return images[version, more]

    return build


@pytest.fixture
def volume(docker):
    """Return the name of a volume, which goes when the test is over."""
    name = f"uv-layers-test-{uuid.uuid4().hex[:12]}"
    docker("volume", "create", name)
    yield name
    docker("volume", "rm", "--force", name)


def _uploaded(context, name):
    """Return when the wheel of a package was uploaded, in even seconds, as the lock has it."""
    lock = tomli.loads((context.path / "uv.lock").read_text(encoding="utf-8"))
    [wheel] = next(package["wheels"] for package in lock["package"] if package["name"] == name)
    moment = datetime.fromisoformat(wheel["upload-time"].replace("Z", "+00:00"))
    return int(moment.timestamp()) // 2 * 2


def test_a_server_says_when_a_release_of_a_file_was_uploaded(shop):
    answers = []
    for version in RELEASES:
        context, image = shop(version)
        headers = json.loads(image.run("python", "-c", SERVE))
        assert parsedate_to_datetime(headers["last-modified"]).timestamp() == _uploaded(context, "django")
        answers.append((headers["etag"], headers["last-modified"]))
    assert answers[0][0] != answers[1][0]
    assert answers[0][1] != answers[1][1]


def _collected(docker, image, volume, *options):
    """Run collectstatic into a volume; return how many files it copied and left, and the content of one of them."""
    words = ("run", "--rm", "--network=host", "--volume", f"{volume}:/static", image.tag)
    said = docker(*words, *COLLECT, *options).stdout
    copied = int(re.search(r"(\d+) static files? copied", said)[1])
    left = re.search(r"(\d+) unmodified", said)
    return copied, int(left[1]) if left else 0, docker(*words, "sha256sum", f"/static/admin/{CSS}").stdout.split()[0]


def _packaged(docker, image):
    program = "import django, os, sys; print(os.path.dirname(django.__file__))"
    folder = image.run("python", "-c", program)
    return image.run("sha256sum", f"{folder}/contrib/admin/static/admin/{CSS}").split()[0]


def test_collectstatic_into_a_volume_needs_clear(shop, docker, volume):
    old, new = (shop(version)[1] for version in RELEASES)
    copied, left, content = _collected(docker, old, volume)
    assert (copied > 100, left, content) == (True, 0, _packaged(docker, old))
    # It copies only what is newer than the last copy, and no reproducible time is.
    copied, left, content = _collected(docker, new, volume)
    assert (left > 100, content) == (True, _packaged(docker, old))
    copied, left, content = _collected(docker, new, volume, "--clear")
    assert (copied > 100, left, content) == (True, 0, _packaged(docker, new))


def test_collectstatic_at_build_time_has_the_files_of_the_release(shop):
    for version in RELEASES:
        _, image = shop(version, f"RUN {' '.join(COLLECT)}\n")
        folder = image.run("python", "-c", "import django, os; print(os.path.dirname(django.__file__))")
        assert image.run("cmp", f"{folder}/contrib/admin/static/admin/{CSS}", f"/static/admin/{CSS}") == ""


MODULES = "import six, django, django.db.models, starlette.applications"


def _compiled(docker, image, *options, program=MODULES):
    """Return the modules of site-packages that Python compiled, and the number of those that it had bytecode of."""
    argv = ("run", "--rm", "--network=host", *options, image.tag, "python", "-v", "-c", program)
    said = docker(*argv).stderr
    sources = re.findall(
        r"^# code object from '?(/usr/local/lib/python3\.\d+/site-packages/\S+?)'?$", said, re.MULTILINE
    )
    return [path for path in sources if path.endswith(".py")], sum(path.endswith(".pyc") for path in sources)


@pytest.mark.parametrize("options", [(), ("--read-only",), ("--user", "1234")], ids=["usual", "read-only", "non-root"])
def test_nothing_is_compiled_in_a_container(shop, docker, options):
    compiled, cached = _compiled(docker, shop(RELEASES[0])[1], *options)
    assert compiled == []
    assert cached > 100


def test_python_runs_what_replaces_a_package_of_a_layer(shop, docker):
    context, _ = shop(RELEASES[0])
    changes = {
        "an older release": "RUN pip install --no-cache-dir six==1.16.0\n",
        "an edit": "RUN sed -i 's/^__version__ = .*/__version__ = \"1.16.0\"/' "
        "/usr/local/lib/python3.12/site-packages/six.py\n",
    }
    for name, line in changes.items():
        context.write(context.dockerfile("--copy", "settings.py") + line, f"Dockerfile.{name.split()[1]}")
        image = context.build("--file", f"Dockerfile.{name.split()[1]}")
        assert image.run("python", "-c", "import six; print(six.__version__)") == "1.16.0", name


def test_python_runs_a_file_that_is_mounted_over_one_of_a_layer(shop, docker):
    context, image = shop(RELEASES[0])
    context.write("__version__ = 'mounted'\n", "six.py")
    mount = f"{context.path}/six.py:/usr/local/lib/python3.12/site-packages/six.py:ro"
    argv = ("run", "--rm", "--volume", mount, image.tag, "python", "-c", "import six; print(six.__version__)")
    assert docker(*argv).stdout == "mounted\n"


OVERLAP = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["pydantic>=2.9"]
"""


def test_a_package_that_the_base_has_in_another_version_is_reported_and_with_strict_an_error(project_of, image_of):
    base = image_of("FROM python:3.12-slim-bookworm\nRUN pip install --no-cache-dir pydantic==1.10.18\n")
    context = project_of(OVERLAP)
    context.write(context.dockerfile("--base", base, "--builder", base))
    # A layer from the cache of an earlier run installs nothing, and so reports nothing.
    said = context.build("--no-cache", base=base).progress
    report = "/usr/local/lib/python3.12/site-packages already has pydantic 1.10.18, but layer 'dependencies' has 2."
    assert f"hint: {report}" in said
    [name] = re.findall(r"uv-layers install (\S+)$", context.dockerfile("--base", base), re.MULTILINE)
    context.edit(f"uv-layers install {name}", f"uv-layers install {name} --strict", "Dockerfile")
    with pytest.raises(AssertionError, match=re.escape(f"error[base-image]: {report}")):
        context.build(base=base)
    # The way out that the message names.
    context.write(context.dockerfile("--base", base, "--builder", base, "--prefix", "/app/.venv"))
    image = context.build(base=base)
    program = "import pydantic, importlib.metadata as m; print(pydantic.VERSION == m.version('pydantic') != '1.10.18')"
    assert image.run("python", "-c", program) == "True"


LINKS = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["manual", "greenlet"]
    [tool.uv.sources]
    manual = { path = "manual-1.0-py3-none-any.whl" }
"""


@pytest.fixture
def manual(tmp_path):
    """Return a wheel with a manual page where older packages have them."""
    entries = [("manual.py", support.FILE, ""), ("{data}/data/man/man1/manual.1", support.FILE, "a page")]
    path = tmp_path / "manual-1.0-py3-none-any.whl"
    path.write_bytes(support.wheel("manual", "1.0", entries))
    return path


@pytest.mark.parametrize("options", [(), ("--no-link",)], ids=["link", "no-link"])
def test_links_of_the_base_stay_and_headers_are_where_compilers_look(project_of, image_of, manual, options):
    base = image_of(
        "FROM python:3.12-slim-bookworm\n"
        "RUN mkdir -p /usr/local/share/man && rm -rf /usr/local/man && ln -s share/man /usr/local/man\n"
    )
    context = project_of(LINKS, wheels=[manual])
    context.write(context.dockerfile("--base", base, "--builder", base, *options))
    image = context.build(base=base)
    assert image.run("readlink", "/usr/local/man") == "share/man"
    assert image.run("cat", "/usr/local/man/man1/manual.1") == "a page"
    program = "import sysconfig, os; print(os.path.isfile(sysconfig.get_path('include') + '/greenlet/greenlet.h'))"
    assert image.run("python", "-c", program) == "True"


def test_a_prefix_below_a_folder_of_somebody_else_is_refused_in_the_stage(project_of, image_of):
    base = image_of("FROM python:3.12-slim-bookworm\nRUN mkdir /app && chown 1000:1000 /app\n")
    context = project_of(OVERLAP)
    context.write(context.dockerfile("--base", base, "--builder", base, "--prefix", "/app/.venv"))
    message = (
        r"error\[base-image\]: layer '\w+' changes /app from owner 1000:1000 and mode 755 to owner 0:0 and mode 755; "
    )
    with pytest.raises(AssertionError, match=message):
        context.build(base=base)
