"""An index that asks for a password: the builder has it while it installs, and nothing that is left of a build does."""

from __future__ import annotations

import gzip
import os
import subprocess
import tarfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.docker

PROJECT = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["secretive"]

    [[tool.uv.index]]
    name = "private"
    url = "{url}"

    [tool.uv-layers]
    layers = [{{ name = "all", dependencies = true }}]

    [tool.uv-layers.dockerfile]
    secrets = {secrets}
"""
VARIABLES = ["UV_INDEX_PRIVATE_USERNAME", "UV_INDEX_PRIVATE_PASSWORD"]


@pytest.fixture
def private(project, web, credentials, monkeypatch):
    """Return a function that makes a project which has a package of the private index, and says how it gets there."""
    # Without a hash, so that the plan's stage downloads it, too.
    web.wheel("secretive", private=True, hashed=False)
    for name, value in zip(VARIABLES, credentials, strict=True):
        monkeypatch.setenv(name, value)

    def make(*secrets):
        made = project(PROJECT.format(url=web.private_index, secrets=list(secrets)))
        made.write(made.dockerfile())
        return made

    return make


@pytest.fixture
def saved(tmp_path):
    """Return a function that tells which of some words are in what `docker save` writes of images."""

    def words_in(words, *tags):
        file = tmp_path / "saved.tar"
        subprocess.run(["docker", "save", "--output", file, *tags], check=True)
        found = set()
        with tarfile.open(file) as archive:
            for member in archive:
                if member.isfile():
                    content = archive.extractfile(member).read()
                    content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
                    found |= {word for word in words if word.encode() in content}
        return found

    return words_in


def test_variables_are_in_nothing_that_is_left(private, credentials, docker, saved, web):
    context = private(*VARIABLES)
    user, password = credentials
    secrets = [f"--secret=id={name},env={name}" for name in VARIABLES]
    image, *stages = [context.build(*secrets, *more) for more in ([], ["--target=all"], ["--target=plan"])]
    assert image.run("python", "-c", "import secretive; print(secretive.VERSION)") == "1.0"

    host = urlsplit(web.url).netloc
    # What is searched for is found where it is: the lock, in the stages, has the address.
    assert saved([password, host], *(each.tag for each in (image, *stages))) == {host}
    said = [each.progress + docker("history", "--no-trunc", each.tag).stdout for each in (image, *stages)]
    said += [path.read_text(encoding="utf-8") for path in context.path.glob("[!.]*") if path.suffix != ".whl"]
    assert [text for text in said if password in text or user in text] == []


def test_without_its_secret_a_build_fails(private):
    with pytest.raises(AssertionError, match="secret UV_INDEX_PRIVATE_USERNAME: not found"):
        private(*VARIABLES).build()


@pytest.fixture
def netrc(credentials, web, tmp_path):
    """Return a file that has the password of the private index."""
    user, password = credentials
    file = tmp_path / "home" / ".netrc"
    file.parent.mkdir()
    file.write_text(f"machine {urlsplit(web.url).hostname}\nlogin {user}\npassword {password}\n", encoding="utf-8")
    return file


def test_netrc(private, credentials, netrc, saved):
    context = private("netrc")
    image, stage = (context.build(f"--secret=id=netrc,src={netrc}", *more) for more in ([], ["--target=all"]))
    assert image.run("python", "-c", "import secretive; print(secretive.VERSION)") == "1.0"
    assert saved([credentials[1]], image.tag, stage.tag) == set()


def test_bake_passes_variables_on(private, bake):
    bake(private(*VARIABLES), "--set", "image.output=type=cacheonly")


def test_bake_passes_the_netrc_at_home_on(private, bake, netrc, monkeypatch):
    context = private("netrc")
    # All that docker itself has there.
    monkeypatch.setenv("DOCKER_CONFIG", os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker")))
    monkeypatch.setenv("HOME", str(netrc.parent))
    bake(context, "--allow", f"fs.read={netrc}", "--set", "image.output=type=cacheonly")
