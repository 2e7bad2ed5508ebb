"""One layer lock gives one tree, wherever, by whom and however it is made."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest
from support import facts

TAG = sys.implementation.cache_tag
STDLIB = Path(sysconfig.get_path("stdlib"))
NOBODY = 65534


def _library(*names: str) -> dict[str, str | bytes]:
    """Return real sources, enough of them for several workers to share."""
    return {
        f"library/{path.relative_to(STDLIB)}": path.read_bytes()
        for name in names
        for path in sorted((STDLIB / name).rglob("*.py"))
    }


@pytest.fixture
def odd(stage):
    """Lock a layer, `some`, of two wheels and a source distribution with all that a package may hold."""
    files = {
        "alpha/__init__.py": "def main():\n    return {'a', 'b', 'c'} | {1, None}\n",
        "alpha/python2.py": "print 'hello'\n",
        "alpha/naïve file.py": "X = 'é'\n",
        "alpha/e\u0301🐍.py": "Y = 2 ** 70\n",
        'alpha/co,mma "quote".py': "Z = frozenset('xyz')\n",
        "alpha/=1": "",
        "alpha/ leading": "x",
        "alpha/tests/test_it.py": "assert True\n",
        "alpha/program": "#!/bin/sh\n",
        f"alpha/__pycache__/__init__.{TAG}.pyc": b"junk of the wheel",
        "alpha/__pycache__/__init__.cpython-27.pyc": b"for another Python",
        "alpha.pth": "import sys\n",
        "{data}/scripts/alpha-script": "#!python\nprint('a script')\n",
        "{data}/scripts/alpha-shell": "#!/bin/sh\necho\n",
        "{data}/data/share/alpha/é x.txt": "data\n",
        "{data}/data/etc/alpha.conf": "",
        "{data}/headers/alpha.h": "#define A\n",
    }
    entry_points = """\
        [console_scripts]
        alpha = alpha:main
        alpha-other = alpha:main

        [gui_scripts]
        alpha-window = alpha:main
        """
    alpha = stage.wheel("alpha", "1.0", files, entry_points, executable=["alpha/program"])
    library = stage.wheel("library", "3.1", _library("json", "email", "importlib", "unittest", "asyncio"))
    stage.lock("some", alpha, library, stage.sdist("source"))
    return stage


def _install(stage, *words, wrapper=(), **environ):
    """Install `some` by a program of its own, and return the result for the layer."""
    done = subprocess.run(
        [*wrapper, sys.executable, "-m", "uv_layers", "install", "some", "--digest", "--json", *words],
        cwd=stage,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["result"]["layers"][0]


ONE_PROCESSOR = """\
import os, sys
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
os.execv(sys.argv[1], sys.argv[1:])
"""
VARIANTS = {
    "umask 077": {"wrapper": ("sh", "-c", 'umask 077; exec "$@"', "sh")},
    "umask 002": {"wrapper": ("sh", "-c", 'umask 002; exec "$@"', "sh")},
    "hash seed 0": {"PYTHONHASHSEED": "0"},
    "hash seed 1": {"PYTHONHASHSEED": "1"},
    "one processor": {"wrapper": (sys.executable, "-c", ONE_PROCESSOR)},
    "one file at a time": {"UV_CONCURRENT_INSTALLS": "1"},
    "another zone and language": {"TZ": "Asia/Tokyo", "LC_ALL": "C"},
    "optimised": {"PYTHONOPTIMIZE": "2", "PYTHONNODEBUGRANGES": "1", "PYTHONDONTWRITEBYTECODE": "1"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_tree_is_the_same_from_another_folder_with_cold_caches_and(odd, cold, variant):
    if variant == "one processor" and not hasattr(os, "sched_setaffinity"):
        pytest.skip("the processors of a program cannot be chosen on this system")
    other = odd.copy("another folder/é")
    first = _install(odd, **cold())
    second = _install(other, **VARIANTS[variant], **cold())
    assert facts(other / "layers/some") == facts(odd / "layers/some")
    assert first["digest"] == second["digest"]


@pytest.mark.parametrize("warm", [("UV_CACHE_DIR",), ("UV_LAYERS_CACHE_DIR",), ("UV_CACHE_DIR", "UV_LAYERS_CACHE_DIR")])
def test_a_tree_is_the_same_with_a_warm_cache_of(odd, cold, warm):
    caches = cold()
    first = _install(odd, **caches)
    second = _install(odd.copy("other"), **{**cold(), **{name: caches[name] for name in warm}})
    assert facts(odd / "../other/layers/some") == facts(odd / "layers/some")
    assert first["digest"] == second["digest"]


def test_a_tree_has_what_the_packages_have_and_no_more(odd, cold, site):
    _install(odd, **cold())
    tree = facts(odd / "layers/some")
    inside = f"usr/local/{site}/"
    own = {path.removeprefix("usr/local/"): kind for path, (kind, _, _) in tree.items() if "library" not in path}
    below = {path.removeprefix(f"{site}/"): kind for path, kind in own.items() if path.startswith(f"{site}/alpha")}
    for name in ("alpha", "alpha-other", "alpha-window", "alpha-script", "alpha-shell"):
        assert own[f"bin/{name}"] == "-rwxr-xr-x"
    assert own["share/alpha/é x.txt"] == own["etc/alpha.conf"] == below["alpha.pth"] == "-rw-r--r--"
    assert below["alpha/program"] == "-rwxr-xr-x"
    assert below["alpha/__pycache__"] == "drwxr-xr-x"
    assert any(path.endswith("/alpha.h") for path in own)
    compiled = {path.rpartition("/")[2] for path in below if path.startswith("alpha/__pycache__/")}
    named = ("__init__", "naïve file", "e\u0301🐍", 'co,mma "quote"')
    assert compiled == {"__init__.cpython-27.pyc", *(f"{name}.{TAG}.pyc" for name in named)}
    assert tree[f"{inside}alpha/__pycache__/__init__.{TAG}.pyc"][2] != b"junk of the wheel"
    assert tree[f"{inside}alpha/__pycache__/__init__.cpython-27.pyc"][2] == b"for another Python"
    assert not [path for path in tree if path.endswith((".lock", ".json", "INSTALLER", "direct_url.json"))]


def test_packages_that_are_built_and_sources_that_are_no_python_are_told(odd, cold, run):
    told = run("install", "some", cwd=odd, **cold())
    assert "some: source: built from source, so another machine may build different files\n" in told.stderr
    assert "some: 1 file not compiled: invalid syntax in this version of Python\n" in told.stderr
    again = run("install", "some", "--json", cwd=odd).result["layers"][0]
    assert (again["up_to_date"], again["built"], again["uncompiled"]) == (True, ["source"], 1)


def test_the_project_and_its_layer_locks_give_one_tree(project, run, cold, tmp_path):
    app = project("""
        [project]
        name = "app"
        version = "1"
        requires-python = ">=3.10"
        dependencies = ["tool", "web", "source"]
        """)
    out = tmp_path / "locks"
    assert run("export", "-o", out, cwd=app).status == 0
    made = run("install", "--all", "--digest", "--json", cwd=app, **cold()).result["layers"]
    again = run("install", "--all", "--digest", "--json", cwd=out, **cold()).result["layers"]
    assert [layer["digest"] for layer in made] == [layer["digest"] for layer in again]
    assert facts(app / "layers/dependencies") == facts(out / "layers/dependencies")


def test_another_user_makes_the_same_tree(odd, cold, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    first = _install(odd, **cold())
    home = Path(tempfile.mkdtemp())  # pytest's own folder is closed to others
    shutil.copytree(odd.files, home / "files")
    try:
        locked = (odd / "pylock.some.toml").read_text(encoding="utf-8")
        (home / "pylock.some.toml").write_text(locked.replace(str(odd.files), str(home / "files")), encoding="utf-8")
        for path in (home, *home.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        environ = os.environ | dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"), str(home))
        environ |= {"UV_CACHE_DIR": str(home / "uv"), "UV_LAYERS_CACHE_DIR": str(home / "bytecode")}
        become = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        command = [sys.executable, "-c", "import uv_layers, uv; print(uv.find_uv_bin())"]
        try:
            subprocess.run(command, cwd=home, env=environ, capture_output=True, check=True, **become)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"another user cannot run the interpreter of the tests: {error}")
        command = [sys.executable, "-m", "uv_layers", "install", "some", "--digest", "--json"]
        done = subprocess.run(command, cwd=home, env=environ, capture_output=True, text=True, check=False, **become)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["result"]["layers"][0]["digest"] == first["digest"]
        assert facts(home / "layers/some") == facts(odd / "layers/some")
    finally:
        shutil.rmtree(home)


@pytest.mark.parametrize("version", [f"3.{n}" for n in range(10, 15) if n != sys.version_info[1]])
def test_bytecode_of_another_python_is_the_same_whatever_it_is_compiled_with(stage, cold, python_of, version):
    python = python_of(version)
    library = stage.wheel(
        "library", files=_library("json", "email", "importlib", "unittest", "asyncio", "logging", "xml")
    )
    other = stage.wheel("other", files={f"other/{n}.py": f"X = {{{n}, 'a', 'b'}}\nY = {n}.5\n" for n in range(40)})
    stage.lock("some", library, other)
    alone = stage.copy("alone")
    alone.lock("some", library)
    _install(stage, "--python", python, **cold())
    _install(alone, "--python", python, wrapper=VARIANTS["one processor"]["wrapper"], **cold())
    together, apart = facts(stage / "layers/some"), facts(alone / "layers/some")
    compiled = [path for path in apart if path.endswith(".pyc")]
    assert len(compiled) > 100
    assert {path: together[path] for path in compiled} == {path: apart[path] for path in compiled}


# Two packages with one path.


def _clashing(stage, *names, path="common.py", contents=None):
    contents = contents or {}
    wheels = [
        stage.wheel(name, files={path: contents.get(name, f"OWNER = {name!r}\n"), f"{name}.py": "X = 1\n"})
        for name in names
    ]
    stage.lock("some", *wheels)
    return wheels


WARNING = "warning: some: usr/local/{site}/common.py differs between aaa and bbb and ccc; ccc wins\n"


def test_the_last_by_name_has_the_file_every_time(stage, run, cold, site):
    _clashing(stage, "bbb", "ccc", "aaa")
    digests = set()
    for turn in range(10):
        made = run("install", "some", "--digest", "--json", "--layers-dir", f"turn-{turn}", cwd=stage, **cold())
        tree = stage / f"turn-{turn}/some/usr/local" / site
        assert (tree / "common.py").read_text(encoding="utf-8") == "OWNER = 'ccc'\n"
        layer = made.result["layers"][0]
        assert layer["clashes"] == [{"path": f"usr/local/{site}/common.py", "packages": ["aaa", "bbb", "ccc"]}]
        digests.add(layer["digest"])
        assert run("verify", "some", "--layers-dir", f"turn-{turn}", cwd=stage).status == 0
    assert len(digests) == 1


def test_a_clash_is_told_with_all_names_and_again_when_the_tree_is_up_to_date(stage, run, cold, site):
    _clashing(stage, "aaa", "bbb", "ccc")
    for said in (run("install", "some", cwd=stage, **cold()), run("install", "some", cwd=stage)):
        assert WARNING.format(site=site) in said.stderr


@pytest.mark.parametrize(
    "contents", [dict.fromkeys(("aaa", "bbb"), "SAME = 1\n"), dict.fromkeys(("aaa", "bbb"), "")], ids=["same", "empty"]
)
def test_files_of_one_content_are_not_worth_a_word(stage, run, cold, contents):
    _clashing(stage, "aaa", "bbb", contents=contents)
    made = run("install", "some", "--strict", cwd=stage, **cold())
    assert made.status == 0
    assert "differs" not in made.output
    assert run("verify", "some", cwd=stage).status == 0


@pytest.mark.parametrize("path", ["common.pyc", "pkg/__pycache__/common.cpython-27.pyc", "{data}/data/share/x.txt"])
def test_a_file_of_any_kind_has_one_winner(stage, run, cold, path):
    contents = {name: name * 1000 for name in ("aaa", "bbb")}
    _clashing(stage, "aaa", "bbb", path=path, contents=contents)
    for turn in range(5):
        assert run("install", "some", "--layers-dir", f"turn-{turn}", cwd=stage, **cold()).status == 0
        [found] = (stage / f"turn-{turn}").rglob(path.rpartition("/")[2])
        assert found.read_text(encoding="utf-8") == "bbb" * 1000
        verified = run("verify", "some", "--layers-dir", f"turn-{turn}", cwd=stage)
        assert (verified.status, verified.stderr) == (0, "")


def test_bytecode_of_a_clashing_module_is_that_of_whoever_has_it(stage, run, cold, site):
    caches = cold()
    loser, winner = _clashing(stage, "aaa", "bbb")
    bytecode = f"usr/local/{site}/__pycache__/common.{TAG}.pyc"
    assert run("install", "some", cwd=stage, **caches).status == 0
    content = (stage / "layers/some" / bytecode).read_bytes()
    assert b"bbb" in content
    assert b"aaa" not in content
    for layer, wheel, name in (("low", loser, b"aaa"), ("high", winner, b"bbb")):
        stage.lock(layer, wheel)
        assert run("install", layer, cwd=stage, **caches).status == 0
        assert name in (stage / "layers" / layer / bytecode).read_bytes()
    # And the other way round: what the loser alone has left in the cache is not for the two together.
    warm = run("install", "some", "--layers-dir", "again", cwd=stage, **caches)
    assert warm.status == 0
    assert facts(stage / "again/some") == facts(stage / "layers/some")


@pytest.mark.parametrize(
    ("loser", "winner"),
    [
        pytest.param("X = 1\n", "print 'no'\n", id="was valid"),
        pytest.param("print 'no'\n", "X = 1\n", id="was invalid"),
    ],
)
def test_bytecode_that_a_loser_left_in_the_cache_leaves_no_trace(stage, run, cold, loser, winner):
    lost, won = (stage.wheel(n, files={"deep/common.py": text}) for n, text in (("aaa", loser), ("bbb", winner)))
    stage.lock("some", lost, won)
    alone = stage.copy("alone")
    caches = cold()
    for layer, wheel in (("low", lost), ("high", won)):
        alone.lock(layer, wheel)
        assert run("install", layer, cwd=alone, **caches).status == 0
    assert run("install", "some", cwd=stage, **cold()).status == 0
    assert run("install", "some", cwd=alone, **caches).status == 0
    assert facts(alone / "layers/some") == facts(stage / "layers/some")


def test_strict_refuses_a_clash_and_the_old_tree_stays(stage, run, cold, site):
    stage.lock("some", stage.wheel("aaa", files={"common.py": "OWNER = 'aaa'\n"}))
    assert run("install", "some", cwd=stage).status == 0
    before = facts(stage / "layers/some")
    _clashing(stage, "aaa", "bbb")
    refused = run("install", "some", "--strict", cwd=stage, **cold())
    assert refused.status == 2
    assert refused.stderr == (
        f"error[clash]: usr/local/{site}/common.py differs between aaa and bbb; "
        "leave one of the packages out, or drop --strict\n"
    )
    assert facts(stage / "layers/some") == before


def test_strict_refuses_a_tree_that_is_up_to_date_as_well(stage, run, cold):
    _clashing(stage, "aaa", "bbb")
    assert run("install", "some", cwd=stage, **cold()).status == 0
    refused = run("install", "some", "--strict", cwd=stage)
    assert refused.status == 2
    assert "error[clash]" in refused.stderr


def _two_layers(stage):
    low, high = (stage.wheel(name, files={"common.py": f"OWNER = {name!r}\n"}) for name in ("zzz", "aaa"))
    stage.lock("low", low)
    stage.lock("high", high)


def test_a_clash_of_two_layers_is_told_with_both(stage, run, cold, site):
    _two_layers(stage)
    made = run("install", "low", "high", cwd=stage, **cold())
    assert made.status == 0
    assert (
        f"hint: usr/local/{site}/common.py differs between zzz (layer low) and aaa (layer high); "
        "the layer that is copied last wins\n"
    ) in made.stderr
    for layer, name in (("low", "zzz"), ("high", "aaa")):
        content = (stage / "layers" / layer / "usr/local" / site / "common.py").read_text(encoding="utf-8")
        assert content == f"OWNER = {name!r}\n"


def test_strict_refuses_a_clash_of_two_layers(stage, run, cold):
    _two_layers(stage)
    for _ in range(2):
        refused = run("install", "low", "high", "--strict", cwd=stage, **cold())
        assert refused.status == 2
        assert "error[clash]" in refused.stderr
        assert "differs between zzz (layer low) and aaa (layer high)" in refused.stderr


def test_layers_that_share_content_alone_are_not_worth_a_word(stage, run, cold):
    for layer in ("low", "high"):
        stage.lock(layer, stage.wheel(layer, files={"shared/__init__.py": "", f"shared/{layer}.py": "X = 1\n"}))
    made = run("install", "low", "high", "--strict", cwd=stage, **cold())
    assert made.status == 0
    assert "differs" not in made.output


# Scripts, and where they were made.


def _scripts(stage, prefix, *names):
    files = {"{data}/scripts/plain": "#!python\nprint('plain')\n", "{data}/scripts/window": "#!pythonw\n"}
    files["{data}/scripts/shell"] = "#!/bin/sh\n"
    entry_points = "[console_scripts]\nrun = common:main\n[gui_scripts]\ngui = common:main\n"
    wheels = [stage.wheel(name, files=files | {f"{name}.py": "X = 1\n"}, entry_points=entry_points) for name in names]
    stage.lock("some", *wheels, prefix=prefix)


def _interpreter() -> str:
    return os.path.realpath(Path(sys.base_prefix) / f"bin/python3.{sys.version_info[1]}")


def _shebangs(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8").partition("\n")[0] for path in folder.iterdir()}


@pytest.mark.parametrize(("prefix", "image"), [("/usr/local", None), ("/app/.venv", "/app/.venv/bin/python")])
def test_scripts_name_the_interpreter_that_the_image_has(stage, run, cold, prefix, image):
    _scripts(stage, prefix, "one")
    assert run("install", "some", cwd=stage, **cold()).status == 0
    shebangs = _shebangs(stage / f"layers/some{prefix}/bin")
    assert shebangs.pop("shell") == "#!/bin/sh"
    assert set(shebangs) == {"plain", "window", "run", "gui"}
    for line in shebangs.values():
        assert line.startswith("#!")
        named = line.removeprefix("#!")
        assert named == image if image else os.path.realpath(named) == _interpreter()
    assert run("verify", "some", cwd=stage).status == 0


@pytest.mark.parametrize(
    "prefix",
    [
        "/usr/local",
        pytest.param("/app/.venv"),
    ],
)
def test_two_packages_may_have_one_script(stage, run, cold, prefix):
    _scripts(stage, prefix, "one", "two")
    made = run("install", "some", "--strict", cwd=stage, **cold())
    assert made.status == 0
    verified = run("verify", "some", cwd=stage)
    assert (verified.status, verified.stdout.count("\n")) == (0, 1)


@pytest.mark.parametrize(
    "prefix",
    [
        "/usr/local",
        pytest.param("/app/.venv"),
    ],
)
def test_of_two_packages_with_different_scripts_the_last_has_it(stage, run, cold, prefix):
    wheels = [stage.wheel(n, files={"{data}/scripts/run": f"#!python\nprint({n!r})\n"}) for n in ("aaa", "bbb")]
    stage.lock("some", *wheels, prefix=prefix)
    for turn in range(5):
        assert run("install", "some", "--layers-dir", f"turn-{turn}", cwd=stage, **cold()).status == 0
        script = stage / f"turn-{turn}/some{prefix}/bin/run"
        assert script.read_text(encoding="utf-8").endswith("print('bbb')\n")
        verified = run("verify", "some", "--layers-dir", f"turn-{turn}", cwd=stage)
        assert (verified.status, verified.stdout.count("\n")) == (0, 1)


@pytest.mark.parametrize("prefix", ["/usr/local", "/app/.venv", "/"])
def test_no_byte_of_a_tree_tells_where_it_was_made(odd, run, cold, tmp_path, prefix):
    assert run("install", "some", "--prefix", prefix, cwd=odd, **cold()).status == 0
    needles = [os.fsencode(tmp_path), b"some.staging", b".uv-layers"]
    for path, (_, _, content) in facts(odd / "layers/some").items():
        for needle in needles:
            assert needle not in content, path
            assert needle not in os.fsencode(path)


def test_the_digest_is_what_its_page_says(odd, run, cold):
    told = _install(odd, **cold())["digest"]
    tree = odd / "layers/some"
    paths = sorted(tree.rglob("*"), key=lambda path: os.fsencode(path.relative_to(tree)))
    total = hashlib.sha256()
    for path in paths:
        content = b"" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest().encode()
        fields = [b"d" if path.is_dir() else b"f", f"{path.stat().st_mode & 0o7777:o}".encode(), b"315532800", content]
        total.update(b"\0".join([*fields, os.fsencode(path.relative_to(tree))]) + b"\0")
    assert told == f"sha256:{total.hexdigest()}"


# The RECORD of a wheel is not trusted: uv writes its own, of what it has unpacked.


@pytest.mark.parametrize("prefix", ["/usr/local", "/app/.venv"])
@pytest.mark.parametrize("row", ["gone.txt", "gone.py", "../../../bin/gone"])
def test_a_record_may_name_a_file_that_the_wheel_has_not(stage, run, cold, prefix, row):
    stage.lock(
        "some", *(stage.wheel(n, files={f"{n}.py": "X = 1\n"}, rows=[row]) for n in ("aaa", "bbb")), prefix=prefix
    )
    made = run("install", "some", cwd=stage, **cold())
    assert (made.status, made.stderr.count("error")) == (0, 0)
    assert run("verify", "some", cwd=stage).status == 0


@pytest.mark.parametrize("prefix", ["/usr/local", "/app/.venv"])
@pytest.mark.parametrize("absolute", [True, False], ids=["absolute", "relative"])
def test_a_record_that_leads_out_of_the_tree_touches_nothing_there(stage, run, cold, tmp_path, prefix, site, absolute):
    victim = tmp_path / "bin" / "victim.py"
    victim.parent.mkdir()
    text = f"#!{Path(sys.base_prefix) / 'bin'}/python3.{sys.version_info[1]}\nprint('mine')\n"
    victim.write_text(text, encoding="utf-8")
    victim.chmod(0o600)
    # As deep as a staging folder is, whatever it is called.
    folder = stage / f"layers/.uv-layers/some.staging/0123456789abcdef/tree{prefix}/{site}"
    row = str(victim) if absolute else os.path.relpath(victim, folder)
    stage.lock(
        "some", *(stage.wheel(n, files={f"{n}.py": "X = 1\n"}, rows=[row]) for n in ("aaa", "bbb")), prefix=prefix
    )
    assert run("install", "some", cwd=stage, **cold()).status in {0, 3}
    assert (victim.read_text(encoding="utf-8"), stat.S_IMODE(victim.stat().st_mode)) == (text, 0o600)
    assert [path.name for path in victim.parent.iterdir()] == ["victim.py"]
