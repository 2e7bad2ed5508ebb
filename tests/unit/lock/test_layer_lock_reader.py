from __future__ import annotations

import re

import pytest
import tomli
import tomli_w

from uv_layers.errors import LayerLockError, NoWheelError, PythonMismatchError
from uv_layers.lock import layer_lock_reader
from uv_layers.system.interpreter import of_platform

SHA = "5f" * 32
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = "https://index.example/files"


def _file(name, **more):
    return {"url": f"{FILES}/{name}", "hashes": {"sha256": SHA}, **more}


def _wheel(version="1.0", tag="py3-none-any", **more):
    return _file(f"demo-{version}-{tag}.whl", **more)


def _package(version="1.0", **more):
    table = {"name": "demo", "version": version, **more}
    return {key: value for key, value in table.items() if value is not None}


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a layer lock and reads it."""

    def call(*tables, **more):
        document = {"lock-version": "1.0", "created-by": "uv", **more, "packages": list(tables)}
        path = tmp_path / "pylock.some.toml"
        path.write_text(tomli_w.dumps(document), encoding="utf-8")
        return layer_lock_reader.read_layer_lock(path, "some")

    return call


@pytest.fixture
def narrowed(read, tmp_path, target):
    """Return a function that writes a layer lock and returns what the target installs of it."""

    def call(*tables, at=target, **more):
        return layer_lock_reader.narrow_to_target(read(*tables, **more), tmp_path / "pylock.some.toml", at)

    return call


def _git(**more):
    return _package(vcs={"type": "git", "url": "https://git.example/a", "commit-id": COMMIT, **more})


WEAK = "has no SHA-256 or stronger hash"
NOT_A_NAME = "is not the name of a wheel"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (_package(wheels=[_wheel(hashes={"sha1": "00"})]), f"demo-1.0-py3-none-any.whl {WEAK}"),
        (_package(wheels=[_wheel(), _wheel(hashes={"md5": "0" * 32})]), WEAK),
        (_package(wheels=[_wheel()], sdist=_file("demo-1.0.tar.gz", hashes={"sha256": "00"})), WEAK),
        (_package(archive=_file("demo-1.0.zip", hashes={"foo": SHA})), WEAK),
        (
            _package(archive=_file("other-1.0-py3-none-any.whl")),
            "other-1.0-py3-none-any.whl is not a wheel for demo 1.0",
        ),
        (_package(archive=_wheel("2.0")), "is not a wheel for demo 1.0"),
        (_package(None, archive=_file("x-2.0-py3-none-any.whl")), "x-2.0-py3-none-any.whl is not a wheel for demo;"),
        (_package(wheels=[_file("other-1.0-py3-none-any.whl")]), "is not consistent with package name"),
        (_package(wheels=[_wheel("2.0")]), "is not consistent with package version"),
        (_package(sdist=_file("demo-2.0.tar.gz")), "is not consistent with package version"),
        (_package(sdist=_file("demo-1.0.exe")), "Invalid sdist filename"),
        (_package(wheels=[{"path": "a\0/demo-1.0-py3-none-any.whl", "hashes": {"sha256": SHA}}]), "control character"),
        (_package(wheels=[_wheel(url=f"{FILES}/\n/demo-1.0-py3-none-any.whl")]), "control character"),
        (_package(archive=_file("demo.zip", subdirectory="a\0")), "control character"),
        (_package(wheels=[_wheel(url="files/demo-1.0-py3-none-any.whl")]), "is not a URL"),
        *(
            (
                _package(wheels=[_wheel(url=f"{scheme}://x.test/demo-1.0-py3-none-any.whl")]),
                "use https:, http: or file:",
            )
            for scheme in ("ftp", "ssh", "git+https", "s3")
        ),
        (_package(sdist={**_file("demo-1.0.tar.gz"), "url": "ftp://x.test/demo-1.0.tar.gz"}), "uv can download from"),
        (_package(archive={**_file("demo.zip"), "url": "FTP://x.test/demo.zip"}), "uv can download from"),
        (_package(index="nowhere", wheels=[_wheel()]), "the index of demo, 'nowhere', is not a URL"),
        (_package(wheels=[_wheel(size=-1)]), "has an invalid size, -1"),
        (_package(wheels=[_wheel(size=2**63)]), "number that is too large"),
        (_package(wheels=[_wheel(size=True)]), "size"),
        (_package(wheels=[_wheel(size="1")]), "size"),
        (_package(wheels=[_wheel(tag="a.b.c.d.e-f.g.h.i.j-k.l.m.n.o")]), NOT_A_NAME),
        (_package(wheels=[{**_wheel(), "name": "demo-1.0-" + "-".join([".".join("abcde")] * 3)}]), NOT_A_NAME),
        (_package(wheels=[{**_wheel(), "path": "a/demo-1.0-" + "-".join([".".join("abcde")] * 3)}]), NOT_A_NAME),
        (_git(type="hg"), "demo comes from 'hg', but uv supports only git"),
        (_git(**{"commit-id": "main"}), "'main', is not a commit hash"),
        (_git(**{"commit-id": "--upload-pack=x"}), "is not a commit hash"),
        (_git(**{"commit-id": COMMIT[1:]}), "is not a commit hash"),
        (_git(**{"commit-id": f"{COMMIT}\n"}), "is not a commit hash"),
        (_git(url="ext::sh -c id"), "not accept as a git URL"),
        (_git(url="file::ext::sh -c id"), "not accept as a git URL"),
        (_git(url="https::https://git.example/a"), "not accept as a git URL"),
        (_git(url="--upload-pack=id"), "not accept as a git URL"),
        (_git(url="ssh://-oProxyCommand=id/a"), "not accept as a git URL"),
        (_git(url="git@git.example:a"), "not accept as a git URL"),
        (_git(url="ftp://git.example/a"), "not accept as a git URL"),
        (_git(url="git+https://git.example/a"), "not accept as a git URL"),
        (_git(url="https://[git.example/a"), "Invalid IPv6 URL"),
        (_git(url="https://git.example/a\0"), "control character"),
        (_git(subdirectory="a\0"), "control character"),
        ({**_git(), "name": "De mo"}, "name"),
        (_package("not a version", wheels=[_wheel()]), "version"),
        (_package(marker="nope", wheels=[_wheel()]), "marker"),
        (_package(marker=f"{'(' * 3000}os_name == 'a'", wheels=[_wheel()]), "Marker"),
        (_package(wheels=[]), "Exactly one of vcs, directory, archive"),
    ],
)
def test_what_uv_would_refuse_or_not_verify_is_refused_in_one_line(read, tmp_path, table, problem):
    with pytest.raises(LayerLockError, match=re.escape(problem)) as caught:
        read(table)
    assert str(caught.value).startswith(f"{tmp_path / 'pylock.some.toml'}: ")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"index-strategy": "best"}, "index-strategy must be one of first-index, unsafe-"),
        ({"index-strategy": []}, "index-strategy must be one of"),
    ],
)
def test_a_setting_that_uv_does_not_know_is_refused(read, settings, problem):
    with pytest.raises(LayerLockError, match=problem):
        read(tool={"uv-layers": {"uv": settings}})


@pytest.mark.parametrize(
    "table",
    [
        _git(url="http://git.example/a"),
        _git(url="ssh://git@git.example/a", subdirectory="b"),
        _git(url="file:///repository"),
        _package(vcs={"type": "git", "path": "repository", "commit-id": COMMIT.upper()}),
        _package(None, archive=_wheel("3.0")),
        _package("1", wheels=[_wheel("1.0.0", hashes={"sha512": "a" * 128}, size=0)], index="https://index.example"),
    ],
)
def test_what_uv_takes_is_read(read, table):
    assert read(table).versions == {"demo": table.get("version")}


LINUX, WINDOWS = "sys_platform == 'linux'", "sys_platform == 'win32'"
WHEELS = [_wheel(tag=tag) for tag in ("cp312-cp312-win_amd64", "py3-none-any", "cp312-cp312-manylinux_2_17_x86_64")]


def test_a_lock_is_narrowed_to_what_the_target_installs(narrowed):
    lock = narrowed(
        _package(marker=LINUX, wheels=WHEELS, sdist=_file("demo-1.0.tar.gz")),
        {**_package("2.0", marker=WINDOWS, wheels=[_wheel("2.0")])},
        tool={"uv-layers": {"layer": "some", "environment": True, "prefix": "/app/.venv"}},
    )
    assert tomli.loads(lock.text)["packages"] == [_package(wheels=WHEELS[2:])]
    assert (lock.versions, lock.wheels) == ({"demo": "1.0"}, {"demo": f"sha256:{SHA}"})
    assert (lock.layer, lock.prefix, lock.kind) == ("some", "/app/.venv", "environment")


def test_a_lock_is_narrowed_to_the_strongest_hash_of_each_file(narrowed):
    hashes = {"md5": "0" * 32, "sha256": SHA, "sha512": "a" * 128}
    lock = narrowed(_package(wheels=[_wheel(hashes=hashes)]))
    assert tomli.loads(lock.text)["packages"][0]["wheels"][0]["hashes"] == {"sha512": "a" * 128}
    assert lock.wheels == {"demo": f"sha512:{'a' * 128}"}


@pytest.mark.parametrize(
    ("marker", "is_in"),
    [
        ("'fast' in extras", False),
        ("'fast' not in extras", True),
        ("'dev' in dependency_groups", True),
        ("'docs' in dependency_groups", False),
        (f"'dev' in dependency_groups and {WINDOWS}", False),
    ],
)
def test_extras_are_not_asked_for_and_of_the_groups_the_default_ones_are(narrowed, marker, is_in):
    lock = narrowed(
        _package(marker=marker, wheels=[_wheel()]),
        extras=["fast"],
        **{"dependency-groups": ["dev", "docs"], "default-groups": ["dev"]},
    )
    assert list(lock.versions) == ["demo"] * is_in


def test_a_package_that_is_in_a_lock_twice_for_a_target_is_refused(narrowed):
    tables = (_package(wheels=[_wheel()]), _package("2.0", marker=LINUX, wheels=[_wheel("2.0")]))
    with pytest.raises(LayerLockError, match=r"it lists demo twice for CPython 3\.12 on linux x86_64"):
        narrowed(*tables)
    lock = narrowed(_package(marker=WINDOWS, wheels=[_wheel()]), tables[1])
    assert lock.versions == {"demo": "2.0"}


@pytest.mark.parametrize(("marker", "refused"), [(LINUX, True), (WINDOWS, False)])
def test_the_python_of_a_package_that_is_installed_is_compared_with_the_target(narrowed, marker, refused):
    table = _package(marker=marker, wheels=[_wheel()], **{"requires-python": ">=3.13"})
    if not refused:
        assert narrowed(table).versions == {}
        return
    with pytest.raises(PythonMismatchError, match=r"demo needs Python >=3\.13, but the target is Python 3\.12\.4"):
        narrowed(table)


def test_a_lock_without_a_file_for_the_target_is_refused(narrowed):
    with pytest.raises(NoWheelError):
        narrowed(_package(wheels=WHEELS[:1]))
    sdist = _file("demo-1.0.tar.gz")
    lock = narrowed(_package(wheels=WHEELS[:1], sdist=sdist), at=of_platform("linux/arm64", "3.12"))
    assert tomli.loads(lock.text)["packages"] == [_package(sdist=sdist)]


@pytest.mark.parametrize(
    ("setting", "refused"),
    [
        ('index = [{ url = "ftp://x.test/simple" }]', True),
        ('find-links = ["https://x.test/a", "ftp://x.test/b"]', True),
        ('extra-index-url = "ftp://x.test/simple"', True),
        ('extra-index-url = ["ftp://x.test/simple"]', True),
        ('index-url = "ftp://x.test/simple"', True),
        ('index-url = "https://x.test/simple"', False),
        ('find-links = ["wheels", "file:///wheels"]', False),
    ],
)
def test_an_index_is_where_uv_can_look_for_packages(tmp_path, setting, refused):
    path = tmp_path / "pylock.heavy.toml"
    path.write_text(f'lock-version = "1.0"\ncreated-by = "x"\npackages = []\n[tool.uv-layers.uv]\n{setting}\n')
    if refused:
        with pytest.raises(LayerLockError, match=r"'ftp://x\.test/\w+' is not a URL that uv accepts for an index"):
            layer_lock_reader.read_layer_lock(path, "heavy")
    else:
        assert layer_lock_reader.read_layer_lock(path, "heavy").settings
