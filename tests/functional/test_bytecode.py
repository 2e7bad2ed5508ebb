"""Bytecode is that of the paths in the image, and is made once for each wheel."""

from __future__ import annotations

import json
import marshal
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from functools import partial
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path
from types import CodeType

import pytest

from uv_layers.system.interpreter import of_running
from uv_layers.tree import bytecode_cache, bytecode_worker

TAG = sys.implementation.cache_tag
MODULE = """\
def outer():
    def inner():
        return [x for x in range(3)]

    class Local:
        def method(self):
            return lambda: inner()

    return Local
"""


def _bytecode(tree: Path) -> dict[str, bytes]:
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in sorted(tree.rglob("*.pyc"))}


def _filenames(code: CodeType) -> set[str]:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return {code.co_filename}.union(*map(_filenames, inner))


def _pkg(stage, *, prefix=None):
    files = {
        "pkg/__init__.py": "",
        "pkg/deep/mod.py": MODULE,
        "pkg/tests/test_mod.py": "X = 1\n",
        "pkg/bad.py": "print 1",
    }
    stage.lock("some", stage.wheel("pkg", files=files), prefix=prefix)


# What the bytecode is.


@pytest.mark.parametrize("prefix", ["/usr/local", "/app/.venv", "/"])
def test_every_code_object_names_the_path_in_the_image(stage, run, cold, prefix, site):
    _pkg(stage, prefix=prefix)
    assert run("install", "some", cwd=stage, **cold()).status == 0
    found = _bytecode(stage / "layers/some")
    folder = f"{prefix.strip('/')}/{site}/pkg".strip("/")
    assert set(found) == {f"{folder}/__pycache__/__init__.{TAG}.pyc", f"{folder}/deep/__pycache__/mod.{TAG}.pyc"}
    code = marshal.loads(found[f"{folder}/deep/__pycache__/mod.{TAG}.pyc"][16:])  # noqa: S302 - our own
    assert _filenames(code) == {f"/{folder}/deep/mod.py"}


def _header(tree: Path, site: str) -> tuple[bytes, Path]:
    source = tree / "usr/local" / site / "pkg/deep/mod.py"
    return (source.parent / f"__pycache__/mod.{TAG}.pyc").read_bytes()[:16], source


def test_the_header_has_the_time_and_size_of_the_source(stage, run, cold, site):
    _pkg(stage)
    assert run("install", "some", cwd=stage, **cold()).status == 0
    header, source = _header(stage / "layers/some", site)
    status = source.stat()
    assert header == MAGIC_NUMBER + struct.pack("<III", 0, int(status.st_mtime), status.st_size)


@pytest.mark.parametrize(("mode", "flags"), [("unchecked-hash", 0b01), ("checked-hash", 0b11)])
def test_the_header_has_the_hash_of_the_source(stage, run, cold, mode, flags, site):
    _pkg(stage)
    assert run("install", "some", "--invalidation-mode", mode, cwd=stage, **cold()).status == 0
    header, source = _header(stage / "layers/some", site)
    assert header == MAGIC_NUMBER + flags.to_bytes(4, "little") + source_hash(source.read_bytes())


@pytest.mark.parametrize(("mode", "value"), [("timestamp", 2), ("unchecked-hash", 1), ("checked-hash", 2)])
def test_the_interpreter_of_the_image_uses_it(stage, run, cold, tmp_path, any_prefix, mode, value, site):
    image = tmp_path / "image"
    files = {"mod.py": "VALUE = 1\n\n\ndef fail():\n    raise ValueError\n"}
    stage.lock("some", stage.wheel("pkg", files=files), prefix=str(image))
    assert run("install", "some", "--invalidation-mode", mode, cwd=stage, **cold()).status == 0
    shutil.move(stage / f"layers/some{image}", image)

    def python(program: str) -> subprocess.CompletedProcess[str]:
        interpreter = Path(sys.base_prefix) / f"bin/python3.{sys.version_info[1]}"
        environ = os.environ | {"PYTHONPATH": str(image / site), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [interpreter, "-v", "-c", program], env=environ, capture_output=True, text=True, check=False
        )

    compiled = image / site / f"__pycache__/mod.{TAG}.pyc"
    done = python("import mod; mod.fail()")
    assert f"# {compiled} matches {image / site}/mod.py" in done.stderr
    assert f"# code object from '{compiled}'" in done.stderr
    assert f'File "{image / site}/mod.py", line 5, in fail\n    raise ValueError\n' in done.stderr
    (image / site / "mod.py").write_text("VALUE = 2\n", encoding="utf-8")
    assert python("import mod; print(mod.VALUE)").stdout == f"{value}\n"


@pytest.mark.parametrize(
    ("words", "compiled"),
    [
        ((), {"__init__", "mod", "test"}),
        (("--compile", "default"), {"__init__", "mod", "test"}),
        (("--compile", "all"), {"__init__", "mod", "test", "test_mod"}),
        (("--compile", "none"), set()),
    ],
)
def test_what_is_compiled(stage, run, cold, words, compiled):
    files = {
        "pkg/__init__.py": "",
        "pkg/mod.py": "",
        "pkg/tests/test_mod.py": "",
        "pkg/sub/test/test_mod.py": "",
        "test.py": "",
        "{data}/scripts/script.py": "#!python\n",
        "{data}/data/share/example.py": "",
    }
    stage.lock("some", stage.wheel("pkg", files=files))
    assert run("install", "some", *words, cwd=stage, **cold()).status == 0
    assert {path.name.partition(".")[0] for path in (stage / "layers/some").rglob("*.pyc")} == compiled
    assert run("verify", "some", cwd=stage).status == 0


def test_a_package_called_tests_is_compiled(stage, run, cold):
    stage.lock("some", stage.wheel("pkg", files={"tests/mod.py": "", "test/mod.py": ""}))
    assert run("install", "some", cwd=stage, **cold()).status == 0
    assert len(_bytecode(stage / "layers/some")) == 2


def test_sources_that_are_no_python_are_counted(stage, run, cold):
    files = {"pkg/two.py": "print 'x'\n", "pkg/nul.py": "a\0b", "pkg/no_utf8.py": b"\xff", "pkg/good.py": "X = 1\n"}
    stage.lock("some", stage.wheel("pkg", files=files))
    caches = cold()
    for turn in ("cold", "warm"):
        made = run("install", "some", "--layers-dir", turn, cwd=stage, **caches)
        assert "some: 3 files not compiled: invalid syntax in this version of Python\n" in made.stderr
        assert [Path(path).name for path in _bytecode(stage / turn)] == [f"good.{TAG}.pyc"]


# A Python 3.12 that has compiled `EARLIER` gives `LATER` two equal sets, where another one shares a single set.
EARLIER = """\
def shop() -> None:
    course = "soup" if self.purse is None else "bread"
    if self.stall in {"left", "right"}:
        found = look(market.FISH)


def cook() -> None:
    self.stove.light()
"""
LATER = """\
if kitchen:
    'A menu.'

    def order() -> None:
        try:
            dish = dish.encode("menu").decode("plate")
        except Missing as error:
            raise Closed() from error
        return Table()

    def serve() -> Table:
        hungry = any()
        if hungry and guest.get("WISH", "").lower() == "dessert":
            if course in {"soup", "ws"} and dish.endswith(":80"):
                dish = dish[:-3]
            elif course in {"bread", "wine"} and dish.endswith(":443"):
                dish = dish[:-4]

    def pay() -> str:
        if bill:
            bill = {}
        dear = course in {"bread", "wine"}
"""


@pytest.mark.parametrize("version", [f"3.{minor}" for minor in range(10, 15)])
def test_a_source_is_compiled_as_if_no_other_one_was_before(tmp_path, python_of, version):
    target = replace(of_running(), executable=python_of(version))
    running = partial(bytecode_worker.running, target, "timestamp", tmp_path)
    (tmp_path / "earlier.py").write_text(EARLIER, encoding="utf-8")
    (tmp_path / "later.py").write_text(LATER, encoding="utf-8")

    def compiled(*names):
        with running() as worker:
            return [[*bytecode_worker.ask(worker, [(f"{tmp_path}/{name}.py", "/x.py", 0)], target)] for name in names]

    assert compiled("later") == compiled("earlier", "later")[1:]


# How often it is made.


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """Return a function that returns the sources that were compiled since it was last called."""
    log = tmp_path / "compiled"
    log.touch()
    request = "path, name, mtime = request"
    worker = bytecode_worker.WORKER  # the only place that every compilation passes
    assert request in worker
    noting = f"{request}; file = open({str(log)!r}, 'a'); file.write(name + chr(10)); file.close()"
    monkeypatch.setattr(bytecode_worker, "WORKER", worker.replace(request, noting))

    def since() -> list[str]:
        names = sorted(Path(line).name for line in log.read_text(encoding="utf-8").splitlines())
        log.write_text("", encoding="utf-8")
        return names

    return since


def _two(stage, version="1.0"):
    one = stage.wheel("one", version, {"one/a.py": f"VERSION = {version!r}\n", "one/b.py": "X = 1\n"})
    other = stage.wheel(
        "other", files={f"other/{letter}.py": "X = 1\n" for letter in "cd"} | {"other/bad.py": "print 1"}
    )
    stage.lock("some", one, other)


def test_with_a_warm_cache_nothing_is_compiled(stage, run, cold, monkeypatch):
    _two(stage)
    caches = cold()
    assert run("install", "some", cwd=stage, **caches).status == 0
    monkeypatch.setattr(bytecode_worker, "WORKER", "raise SystemExit(1)")
    made = run("install", "some", "--layers-dir", "elsewhere", "--digest", "--json", cwd=stage, **caches)
    assert made.status == 0
    assert _bytecode(stage / "elsewhere/some") == _bytecode(stage / "layers/some")
    assert len(_bytecode(stage / "elsewhere/some")) == 4
    assert run("verify", "some", "--layers-dir", "elsewhere", cwd=stage).status == 0


def test_an_interpreter_that_ends_while_it_compiles_is_an_error_and_the_old_tree_stays(stage, run, cold, monkeypatch):
    _two(stage)
    assert run("install", "some", cwd=stage, **cold()).status == 0
    before = _bytecode(stage / "layers/some")
    _two(stage, "2.0")
    for worker in (
        "raise SystemExit(1)",
        "import sys; sys.stdin.buffer.readline()",
        "import sys; sys.stdin.buffer.readline(); sys.stdout.buffer.write(b'1234')",
        "import sys; sys.stdin.buffer.readline(); sys.stdout.buffer.write((100).to_bytes(8, 'little') + b'few')",
    ):
        monkeypatch.setattr(bytecode_worker, "WORKER", worker)
        failed = run("install", "some", cwd=stage, **cold())
        assert failed.status == 4
        last = failed.stderr.splitlines()[-1]
        assert last.startswith("error[compile-failed]: /")
        assert f"/python{sys.version_info[0]}.{sys.version_info[1]} crashed while compiling " in last
        assert "site-packages/one/a.py" in last
        assert "--compile none" in last
        assert _bytecode(stage / "layers/some") == before
    assert sorted(path.name for path in (stage / "layers/.uv-layers").iterdir()) == ["some.json", "some.lock"]
    assert run("install", "some", "--compile", "none", cwd=stage, **cold()).status == 0


def test_a_module_of_the_project_is_not_imported_by_what_compiles(stage, run, cold):
    _pkg(stage)
    for name in ("json", "marshal", "struct", "warnings"):
        (stage / f"{name}.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    assert run("install", "some", cwd=stage, **cold()).status == 0
    assert len(_bytecode(stage / "layers/some")) == 2


def test_only_the_wheel_that_was_bumped_is_compiled(stage, run, cold, compiled):
    caches = cold()
    _two(stage)
    assert run("install", "some", cwd=stage, **caches).status == 0
    assert compiled() == ["a.py", "b.py", "bad.py", "c.py", "d.py"]
    _two(stage, "2.0")
    assert run("install", "some", cwd=stage, **caches).status == 0
    assert compiled() == ["a.py", "b.py"]
    assert run("verify", "some", cwd=stage).status == 0


def test_a_package_that_is_built_is_compiled_once_for_each_content(stage, run, cold, compiled):
    stage.lock("some", stage.sdist("source"))
    caches = cold()
    for turn, expected in (("first", ["source.py"]), ("second", [])):
        assert run("install", "some", "--layers-dir", turn, cwd=stage, **caches).status == 0
        assert compiled() == expected
    stage.lock("some", stage.sdist("source", "2.0"))
    assert run("install", "some", cwd=stage, **caches).status == 0
    assert compiled() == ["source.py"]


@pytest.mark.parametrize(
    "words",
    [("--prefix", "/app/.venv"), ("--invalidation-mode", "checked-hash"), ("--compile", "all")],
    ids=lambda words: words[0],
)
def test_what_the_bytecode_depends_on_is_compiled_anew(stage, run, cold, compiled, words):
    caches = cold()
    _pkg(stage)
    assert run("install", "some", cwd=stage, **caches).status == 0
    compiled()
    assert run("install", "some", *words, cwd=stage, **caches).status == 0
    assert "mod.py" in compiled()
    fresh = run("install", "some", *words, "--layers-dir", "fresh", cwd=stage, **cold())
    assert fresh.status == 0
    assert _bytecode(stage / "fresh/some") == _bytecode(stage / "layers/some")


def _entries(caches) -> list[Path]:
    return sorted(path for path in Path(caches["UV_LAYERS_CACHE_DIR"]).glob("bytecode-v*/*/*") if path.is_file())


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def _foreign(path: Path) -> None:
    path.write_bytes(b"something else")


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [_truncated, _flipped, _foreign, _emptied, Path.unlink])
def test_an_entry_that_is_damaged_is_made_again(stage, run, cold, compiled, damage):
    _two(stage)
    caches = cold()
    first = run("install", "some", "--digest", "--json", cwd=stage, **caches).result["layers"][0]["digest"]
    whole = {path: path.read_bytes() for path in _entries(caches)}
    assert len(whole) == 2
    compiled()
    for path in whole:
        damage(path)
    again = run("install", "some", "--digest", "--json", "--layers-dir", "again", cwd=stage, **caches)
    assert again.result["layers"][0]["digest"] == first
    assert compiled() == ["a.py", "b.py", "bad.py", "c.py", "d.py"]
    assert {path: path.read_bytes() for path in _entries(caches)} == whole


def test_an_entry_that_cannot_be_read_or_written_is_done_without(stage, run, cold):
    _two(stage)
    caches = cold()
    assert run("install", "some", cwd=stage, **caches).status == 0
    for path in _entries(caches):
        _folder(path)
    assert run("install", "some", "--layers-dir", "again", cwd=stage, **caches).status == 0
    assert _bytecode(stage / "again/some") == _bytecode(stage / "layers/some")


def test_a_cache_that_cannot_be_written_to_is_done_without(stage, run, cold, tmp_path):
    _two(stage)
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    made = run("install", "some", cwd=stage, **cold() | {"UV_LAYERS_CACHE_DIR": str(tmp_path / "file")})
    assert made.status == 0
    assert len(_bytecode(stage / "layers/some")) == 4
    assert (tmp_path / "file").read_text(encoding="utf-8") == "no folder"


@pytest.mark.parametrize(
    "change",
    [
        lambda path: f"usr/local/../../{'../' * 6}{Path(path).name}",
        lambda path: f"{'../' * 6}outside/{Path(path).name}",
        lambda path: f"etc/{Path(path).name}",
        lambda path: path.replace("one/", "two/").replace("other/", "two/"),
    ],
    ids=["up and out", "out", "beside the prefix", "another folder"],
)
def test_an_entry_that_was_forged_puts_nothing_where_the_wheel_has_nothing(stage, run, cold, change):
    _two(stage)
    caches = cold()
    first = run("install", "some", "--digest", "--json", cwd=stage, **caches).result["layers"][0]["digest"]
    cache = bytecode_cache.Cache(Path(caches["UV_LAYERS_CACHE_DIR"]))
    for path in _entries(caches):
        codes = cache.get(path.name)
        cache.put(path.name, {change(name): code for name, code in codes.items()})

    def outside():
        return {path for path in stage.path.parent.rglob("*") if "again" not in path.parts}

    before = outside()
    again = run("install", "some", "--digest", "--json", "--layers-dir", "layers/again", cwd=stage, **caches)
    assert again.result["layers"][0]["digest"] == first
    assert outside() - {stage / "layers/again"} == before


def test_one_cache_serves_layers_that_are_made_at_once(stage, run, cold, compiled):
    caches = cold()
    names = [f"layer{number}" for number in range(6)]
    for name in names:
        files = {f"{name}/m{number}.py": f"X = {number}\n" for number in range(20)}
        stage.lock(name, stage.wheel(name, files=files))
    assert run("install", "--all", cwd=stage, **caches).status == 0
    assert len(compiled()) == 120
    assert run("install", "--all", "--layers-dir", "again", cwd=stage, **caches).status == 0
    assert compiled() == []
    assert _bytecode(stage / "again") == _bytecode(stage / "layers")
    assert len(_entries(caches)) == 6


def test_the_record_beside_the_tree_has_the_digest_of_each(stage, run, cold):
    _pkg(stage)
    assert run("install", "some", cwd=stage, **cold()).status == 0
    record = json.loads((stage / "layers/.uv-layers/some.json").read_text(encoding="utf-8"))
    records = {str(path.relative_to(stage / "layers/some")) for path in (stage / "layers/some").rglob("RECORD")}
    assert set(record["made"]) == set(_bytecode(stage / "layers/some")) | records
