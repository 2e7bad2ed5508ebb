from __future__ import annotations

import dataclasses
import hashlib
import os
import struct
import time

import pytest

from uv_layers.errors import UsageError
from uv_layers.tree import bytecode, installed
from uv_layers.tree.bytecode import Compiler
from uv_layers.tree.bytecode_cache import Cache
from uv_layers.tree.installed import Distribution

SITE = "usr/local/lib/python3.12/site-packages"
PACKAGES = ("pkg", "other", "one", "two", "three", "data", "built")
KEY = "0f" * 32
CODES = {"a.py": b"bytecode", "dé/b.py": None, "c.py": b"", "d.py": b"\0" * 1000}


def _distribution(*paths, site=SITE):
    return Distribution("pkg", "1.0", f"{site}/pkg-1.0.dist-info", site, dict.fromkeys(paths, ""))


@pytest.mark.parametrize(
    ("path", "default", "everything"),
    [
        ("pkg/__init__.py", True, True),
        ("pkg/mod.py", True, True),
        ("single.py", True, True),
        ("pkg/tests/test_mod.py", False, True),
        ("pkg/sub/test/deep/mod.py", False, True),
        ("tests/mod.py", True, True),
        ("test/mod.py", True, True),
        ("tests/tests/mod.py", False, True),
        ("pkg/tests.py", True, True),
        ("pkg/testing/mod.py", True, True),
        ("pkg/mod.pyi", False, False),
        ("pkg/mod.pyc", False, False),
        ("pkg/data.txt", False, False),
    ],
)
def test_test_folders_of_packages_are_left_out_by_default(path, default, everything):
    distribution = _distribution(f"{SITE}/{path}")
    assert bytecode.sources(distribution, "default") == ((f"{SITE}/{path}",) if default else ())
    assert bytecode.sources(distribution, "all") == ((f"{SITE}/{path}",) if everything else ())


def test_sources_are_sorted_and_in_the_site_folder_and_not_of_another():
    distribution = _distribution(
        f"{SITE}/b.py",
        f"{SITE}/a.py",
        f"{SITE}/lost.py",
        "usr/local/bin/run.py",
        "usr/local/share/x.py",
        f"{SITE}x/y.py",
    )
    found = bytecode.sources(distribution, "default", frozenset({f"{SITE}/lost.py"}))
    assert found == (f"{SITE}/a.py", f"{SITE}/b.py")


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("usr/lib/pkg/mod.py", "usr/lib/pkg/__pycache__/mod.cpython-312.pyc"),
        ("usr/lib/a.b.py", "usr/lib/__pycache__/a.b.cpython-312.pyc"),
        ("usr/lib/é.py", "usr/lib/__pycache__/é.cpython-312.pyc"),
    ],
)
def test_bytecode_is_where_the_interpreter_looks(source, place):
    assert bytecode.bytecode_path(source, "cpython-312") == place


# The cache.


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def _entry(cache):
    [path] = [path for path in cache.path.glob("*/*/*") if path.is_file()]
    return path


@pytest.mark.parametrize("codes", [CODES, {}, {"a.py": None}, {"a.py": b""}], ids=len)
def test_what_is_put_into_the_cache_is_got_out_of_it(cache, codes):
    assert cache.get(KEY) is None
    cache.put(KEY, codes)
    assert cache.get(KEY) == codes
    assert list(cache.get(KEY)) == list(codes)
    assert cache.get(KEY[::-1]) is None


def test_an_entry_is_replaced_and_leaves_nothing_beside_it(cache):
    cache.put(KEY, CODES)
    cache.put(KEY, {"a.py": b"other"})
    assert cache.get(KEY) == {"a.py": b"other"}
    assert [path.name for path in _entry(cache).parent.iterdir()] == [KEY]


def _damages(data):
    yield b""
    yield b"something else"
    yield data[:-1]
    yield data + b"\0"
    yield data[:20]
    yield data.replace(b"bytecode 5", b"bytecode 0", 1)
    for position in (0, len(data) // 2, len(data) - 1, data.index(b"\n") + 5):
        yield data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def test_an_entry_that_is_damaged_is_as_one_that_is_not_there(cache):
    cache.put(KEY, CODES)
    path = _entry(cache)
    data = path.read_bytes()
    every = list(_damages(data))
    assert len({data, *every}) == 11
    for damaged in every:
        path.write_bytes(damaged)
        assert cache.get(KEY) is None
    cache.put(KEY, CODES)
    assert path.read_bytes() == data


def test_an_entry_of_another_key_is_none_of_this(cache):
    cache.put(KEY, CODES)
    other = "0f" + KEY[2:-2] + "00"
    assert cache.get(other) is None
    moved = cache.path / "bytecode-v5" / other[:2] / other
    moved.parent.mkdir(exist_ok=True)
    _entry(cache).rename(moved)
    assert cache.get(other) is None


FORGED = {
    "no length": b"1234567",
    "no names": struct.pack("<q", -1),
    "names that are no JSON": struct.pack("<q", 1) + b"{",
    "names that are no list": struct.pack("<q", 1) + b"1",
    "more names than codes": struct.pack("<q", 5) + b'["a"]',
    "a name that is a number": struct.pack("<q", 3) + b"[1]" + struct.pack("<q", 0),
    "a name that is a list": struct.pack("<q", 4) + b"[[]]" + struct.pack("<q", 0),
    "a name with a NUL": struct.pack("<q", 10) + b'["\\u0000"]' + struct.pack("<q", 0),
    "names without end": struct.pack("<q", 100_000) + b"[" * 100_000,
}


@pytest.mark.parametrize("payload", FORGED.values(), ids=FORGED)
def test_an_entry_that_was_forged_is_none_though_its_checksum_holds(cache, payload):
    cache.put(KEY, CODES)
    checksum = hashlib.sha256(KEY.encode() + payload).digest()
    data = _entry(cache).read_bytes()
    _entry(cache).write_bytes(data[: data.index(b"\n") + 1] + checksum + payload)
    assert cache.get(KEY) is None


@pytest.mark.parametrize("spoil", ["file", "entries", "folder"])
def test_a_cache_that_cannot_be_written_to_is_no_error(tmp_path, cache, spoil):
    if spoil == "file":
        cache.path.write_text("no folder", encoding="utf-8")
    elif spoil == "entries":
        cache.path.mkdir()
        (cache.path / "bytecode-v5").write_text("no folder", encoding="utf-8")
    else:
        (cache.path / "bytecode-v5" / KEY[:2] / KEY).mkdir(parents=True)
    cache.put(KEY, CODES)
    assert cache.get(KEY) is None
    assert not list(tmp_path.rglob(f".{KEY}*"))


def test_a_disk_that_is_full_is_no_error_and_leaves_nothing(cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    cache.put(KEY, CODES)
    assert [path for path in cache.path.glob("*/*/*") if path.is_file()] == []
    assert cache.get(KEY) is None


def test_a_cache_that_can_only_be_read_is_read(cache, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    cache.put(KEY, CODES)
    monkeypatch.setattr(os, "utime", refused)
    assert cache.get(KEY) == CODES


def test_getting_an_entry_is_using_it(cache):
    cache.put(KEY, CODES)
    os.utime(_entry(cache), (1, 1))
    cache.get(KEY)
    assert time.time() - _entry(cache).stat().st_mtime < 60


def test_the_size_is_that_of_all_entries(cache):
    assert cache.size() == (0, 0)
    for number in range(3):
        cache.put(f"{number}{KEY}", {"a.py": b"x" * number})
    sizes = [path.stat().st_size for path in cache.path.glob("*/*/*")]
    assert cache.size() == (3, sum(sizes))
    assert (cache.path / "CACHEDIR.TAG").read_text(encoding="utf-8").startswith("Signature: 8a477f597d28d17278")


def test_pruning_removes_what_was_not_used_for_so_many_days(cache):
    now = 1_700_000_000.0
    for number, age in enumerate((0, 6.9, 7, 100)):
        key = f"{number}{KEY}"
        cache.put(key, CODES)
        when = now - age * 86400
        os.utime(cache.path / "bytecode-v5" / key[:2] / key, (when, when))
    each = cache.size()[1] // 4
    assert cache.prune(7, now) == (2, 2 * each)
    assert cache.size() == (2, 2 * each)
    assert cache.get(f"0{KEY}") == cache.get(f"1{KEY}") == CODES
    assert cache.prune(0, time.time() + 1) == (2, 2 * each)


def test_what_others_have_pruned_meanwhile_is_no_error(cache, monkeypatch):
    cache.put(KEY, CODES)
    entry = _entry(cache)
    known = [(entry, entry.stat())]
    there = cache.path.glob
    monkeypatch.setattr("pathlib.Path.glob", lambda _, pattern: [*there(pattern), entry.with_name("gone")])
    assert cache.size()[0] == 1
    entry.unlink()
    monkeypatch.setattr(Cache, "_files", lambda _: known)
    assert cache.prune(0)[0] == 1


def test_cleaning_removes_the_entries_of_every_release_and_nothing_else(cache):
    cache.put(KEY, CODES)
    size = cache.size()[1]
    (cache.path / "bytecode-v0/ab").mkdir(parents=True)
    (cache.path / "bytecode-v0/ab/old").write_bytes(b"12345")
    (cache.path / "other").mkdir()
    assert cache.clean() == (2, size + 5)
    assert sorted(path.name for path in cache.path.iterdir()) == ["CACHEDIR.TAG", "other"]
    assert cache.clean() == (0, 0)


def test_what_cannot_be_cleaned_is_left(cache):
    cache.path.mkdir()
    (cache.path / "bytecode-v0").write_text("no folder", encoding="utf-8")
    assert cache.clean() == (0, 0)
    assert (cache.path / "bytecode-v0").is_file()


def test_what_stays_is_not_said_to_be_removed(cache, monkeypatch):
    cache.put(KEY, CODES)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    assert cache.clean() == (0, 0)
    assert cache.get(KEY) == CODES


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"UV_LAYERS_CACHE_DIR": "/a/b", "XDG_CACHE_HOME": "/c"}, "/a/b"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/uv-layers"),
        ({"UV_LAYERS_CACHE_DIR": "", "XDG_CACHE_HOME": "/c"}, "/c/uv-layers"),
        ({"XDG_CACHE_HOME": "c"}, "{home}/.cache/uv-layers"),
        ({}, "{home}/.cache/uv-layers"),
    ],
)
def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch, environ, place):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(Cache.of(environ).path) == place.format(home=tmp_path)


def test_without_a_home_the_variable_that_says_where_is_named(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.home", homeless)
    with pytest.raises(UsageError, match=r"^no home folder for the bytecode cache; set UV_LAYERS_CACHE_DIR$"):
        Cache.of({})


# What an entry is known by, and what is done without compiling.


@pytest.fixture
def compiler(tmp_path, target, cache):
    at = dataclasses.replace(target, executable="python3.12", cache_tag="cpython-312", magic="cb0d0d0a")
    (tmp_path / "tree").mkdir()
    return Compiler(tmp_path / "tree", "/usr/local", at, cache, dict.fromkeys(PACKAGES, 315532800))


def _keep(compiler, content, codes, lost=(), package="pkg"):
    """Put bytecode into the cache for a wheel with this content."""
    compiler.cache.put(compiler._key(package, content, lost), codes)  # noqa: SLF001 - all else compiles


def _finish(compiler, contents, restored, scratch):
    """Finish; no process can be started here, so whatever would compile fails."""
    found = installed.distributions(compiler.tree, [SITE])
    return compiler.finish(found, contents, installed.shared(found), restored, scratch)


def test_the_bytecode_of_a_wheel_is_restored_for_the_tree_and_its_digests_are_known(compiler):
    _keep(compiler, "sha256:1", {f"{SITE}/a.py": b"code", f"{SITE}/bad.py": None})
    found = compiler.restore({"pkg": "sha256:1", "other": "sha256:2"})
    assert set(found) == {"pkg"}
    place = f"{SITE}/__pycache__/a.cpython-312.pyc"
    assert (compiler.tree / place).read_bytes() == b"code"
    assert found["pkg"].sources == (f"{SITE}/a.py", f"{SITE}/bad.py")
    assert set(found["pkg"].digests) == {place}
    assert found["pkg"].invalid == 1


def test_the_root_is_a_prefix_too(compiler):
    compiler = dataclasses.replace(compiler, prefix="/")
    _keep(compiler, "sha256:1", {"lib/a.py": b"code"})
    assert set(compiler.restore({"pkg": "sha256:1"})) == {"pkg"}


def test_what_is_restored_is_written_over_what_is_there(compiler):
    _keep(compiler, "sha256:1", {f"{SITE}/a.py": b"code"})
    place = compiler.tree / SITE / "__pycache__/a.cpython-312.pyc"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"what the wheel has brought")
    compiler.restore({"pkg": "sha256:1"})
    assert place.read_bytes() == b"code"


@pytest.mark.parametrize(
    "change",
    [
        lambda c: dataclasses.replace(c, prefix="/app/.venv"),
        lambda c: dataclasses.replace(c, sources="all"),
        lambda c: dataclasses.replace(c, invalidation="checked-hash"),
        lambda c: dataclasses.replace(c, target=dataclasses.replace(c.target, magic="00000000")),
        lambda c: dataclasses.replace(c, target=dataclasses.replace(c.target, cache_tag="pypy312")),
        lambda c: dataclasses.replace(c, target=dataclasses.replace(c.target, build="3.12.4")),
        lambda c: dataclasses.replace(c, target=dataclasses.replace(c.target, abiflags="t")),
        lambda c: dataclasses.replace(c, times={"pkg": 315532802}),
    ],
    ids=["prefix", "sources", "invalidation", "magic", "cache tag", "patch version", "abi flags", "time"],
)
def test_an_entry_is_for_all_that_the_bytecode_depends_on(compiler, change):
    _keep(compiler, "sha256:1", {f"{SITE}/a.py": b"code"})
    assert set(compiler.restore({"pkg": "sha256:1"})) == {"pkg"}
    assert change(compiler).restore({"pkg": "sha256:1"}) == {}
    assert compiler.restore({"pkg": "sha256:2"}) == {}


def test_an_entry_without_the_lost_is_another_than_the_whole(compiler):
    _keep(compiler, "sha256:1", {f"{SITE}/a.py": b"code"}, lost=[f"{SITE}/b.py"])
    assert compiler.restore({"pkg": "sha256:1"}) == {}


def test_neither_the_tree_nor_the_place_of_the_interpreter_is_in_the_key(compiler, tmp_path):
    _keep(compiler, "sha256:1", {f"{SITE}/a.py": b"code"})
    other_target = dataclasses.replace(compiler.target, executable="elsewhere/python3.12")
    other = dataclasses.replace(compiler, tree=tmp_path / "other", target=other_target)
    assert set(other.restore({"pkg": "sha256:1"})) == {"pkg"}


@pytest.mark.parametrize(
    "path", ["../a.py", f"{SITE}/../../../../../../a.py", "usr/lib/a.py", "etc/a.py", "/usr/local/../../a.py"]
)
def test_an_entry_that_leads_away_from_the_prefix_is_as_one_that_is_not_there(compiler, path):
    _keep(compiler, "sha256:1", {f"{SITE}/a.py": b"code", path: b"code"})
    assert compiler.restore({"pkg": "sha256:1"}) == {}
    assert list(compiler.tree.rglob("*.pyc")) == []


def test_what_was_restored_is_not_made_again(compiler, put, tmp_path):
    put(compiler.tree, "pkg", {f"{SITE}/a.py": "X = 1\n"})
    _keep(compiler, "sha256:1", {f"{SITE}/a.py": b"code"})
    contents = {"pkg": "sha256:1"}
    restored = compiler.restore(contents)
    compiler.cache.clean()
    done = _finish(compiler, contents, restored, tmp_path)
    assert set(done.digests) == {f"{SITE}/__pycache__/a.cpython-312.pyc"}


def test_a_source_that_several_have_is_compiled_for_the_last_of_them_alone(compiler, put, tmp_path):
    shared = f"{SITE}/shared.py"
    for name in ("one", "three", "two"):
        put(compiler.tree, name, {f"{SITE}/{name}.py": "X = 1\n", shared: "X = 1\n"})
    for name in ("one", "three"):
        _keep(compiler, name, {f"{SITE}/{name}.py": b"code"}, lost=[shared])
    _keep(compiler, "two", {shared: b"code of two", f"{SITE}/two.py": b"code"})
    contents = {name: name for name in ("one", "two", "three")}
    done = _finish(compiler, contents, {}, tmp_path)
    places = {f"{SITE}/__pycache__/{name}.cpython-312.pyc" for name in ("one", "shared", "three", "two")}
    assert set(done.digests) == places
    assert (compiler.tree / SITE / "__pycache__/shared.cpython-312.pyc").read_bytes() == b"code of two"


def test_bytecode_of_a_source_that_another_has_as_no_python_is_taken_back(compiler, put, tmp_path):
    shared = f"{SITE}/shared.py"
    for name in ("one", "two"):
        put(compiler.tree, name, {f"{SITE}/{name}.py": "X = 1\n", shared: "print 1\n"})
    _keep(compiler, "one", {f"{SITE}/one.py": b"code", shared: b"code of one"})
    _keep(compiler, "one", {f"{SITE}/one.py": b"code"}, lost=[shared])
    _keep(compiler, "two", {shared: None, f"{SITE}/two.py": b"code"})
    contents = {"one": "one", "two": "two"}
    restored = compiler.restore(contents)
    done = _finish(compiler, contents, restored, tmp_path)
    places = {f"{SITE}/__pycache__/{name}.cpython-312.pyc" for name in ("one", "two")}
    assert {str(path.relative_to(compiler.tree)) for path in compiler.tree.rglob("*.pyc")} == places
    assert set(done.digests) == places


def test_bytecode_that_is_gone_already_is_taken_back_without_an_error(compiler):
    _keep(compiler, "sha256:1", {f"{SITE}/a.py": b"code"})
    part = compiler.restore({"pkg": "sha256:1"})["pkg"]
    (compiler.tree / SITE / "__pycache__/a.cpython-312.pyc").unlink()
    compiler._take_back(part)  # noqa: SLF001 - what else there is compiles
    assert not (compiler.tree / SITE).exists()


def test_a_distribution_without_sources_needs_no_entry(compiler, put, tmp_path):
    put(compiler.tree, "data", {"usr/local/share/x.txt": "x"})
    done = _finish(compiler, {}, {}, tmp_path)
    assert (dict(done.digests), done.invalid) == ({}, 0)


def test_a_distribution_that_was_built_is_known_by_its_sources_and_not_by_what_its_record_says(compiler, put, tmp_path):
    source = f"{SITE}/built.py"
    contents = []
    for number, (text, unhashed) in enumerate((("X = 1\n", ()), ("X = 1\n", [source]), ("X = 2\n", ()))):
        put(tmp_path / f"{number}", "built", {source: text}, unhashed=unhashed)
        contents.append(bytecode._content(tmp_path / f"{number}", [source]))  # noqa: SLF001
    assert contents[0] == contents[1] != contents[2]
    # A wheel can claim any hash for its sources.
    (tmp_path / "0" / source).write_text("X = 3\n", encoding="utf-8")
    assert bytecode._content(tmp_path / "0", [source]) not in contents  # noqa: SLF001


def test_a_distribution_that_was_built_has_its_entry(compiler, put, tmp_path):
    source = f"{SITE}/built.py"
    put(compiler.tree, "built", {source: "X = 1\n"}, unhashed=[source])
    _keep(compiler, bytecode._content(compiler.tree, [source]), {source: b"code"})  # noqa: SLF001
    assert set(_finish(compiler, {}, {}, tmp_path).digests) == {f"{SITE}/__pycache__/built.cpython-312.pyc"}
