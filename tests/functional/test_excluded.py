"""`exclude-files`: trees without some files, with RECORD files, bytecode and locks that agree."""

from __future__ import annotations

import csv
import re
import sys

import pytest
import tomli

TAG = sys.implementation.cache_tag
INFO = "alpha-1.0.dist-info"
FILES = {
    "alpha/__init__.py": "from alpha import core\n",
    "alpha/core.py": "X = 1\n",
    "alpha/core.pyi": "X: int\n",
    "alpha/tests/__init__.py": "",
    "alpha/tests/test_core.py": "Y = 2\n",
    "alpha/slow.py": "Z = 3\n",
    f"alpha/__pycache__/slow.{TAG}.pyc": b"brought",
    "tests/test_all.py": "A = 1\n",
    "{data}/data/share/alpha/notes.txt": "notes\n",
    "{data}/headers/alpha.h": "int x;\n",
    "{info}/licenses/tests/LICENSE": "free\n",
}


@pytest.fixture
def installed(stage, run, site):
    """Return a function that installs a layer without some files, and returns the outcome and the paths in its tree."""
    stage.lock("some", stage.wheel("alpha", "1.0", FILES, "[console_scripts]\nalpha = alpha.core:X\n"))
    plain = (stage / "pylock.some.toml").read_text(encoding="utf-8")

    def call(*patterns, words=()):
        more = f"exclude-files = {list(patterns)}\n" if patterns else ""
        (stage / "pylock.some.toml").write_text(plain + more, encoding="utf-8")
        outcome = run("install", "some", *words, cwd=stage)
        assert outcome.status == 0, outcome.stderr
        tree = stage / "layers/some/usr/local"
        paths = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
        return outcome, {path.removeprefix(f"{site}/") for path in paths}

    return call


def _recorded(stage, site):
    record = stage / "layers/some/usr/local" / site / INFO / "RECORD"
    with record.open(encoding="utf-8", newline="") as file:
        return {row[0] for row in csv.reader(file)}


@pytest.mark.parametrize("words", [(), ("--compile", "all")])
@pytest.mark.parametrize(
    ("pattern", "gone"),
    [
        ("**/tests/**", r"(alpha/)?tests/.*"),
        ("tests/**", r"tests/.*"),
        ("alpha/**/test_*", r"alpha/tests/(__pycache__/)?test_core\..*"),
        ("*.pyi", r".*\.pyi"),
        ("**/slow.py", r"alpha/(__pycache__/)?slow\..*"),
        ("include/**", r"include/.*"),
        ("share/**", r"share/.*"),
        ("bin/*", r"bin/.*"),
    ],
)
def test_matched_files_and_their_bytecode_are_in_no_tree_and_no_record(
    installed, stage, run, site, pattern, gone, words
):
    _, everything = installed(words=words)
    before = _recorded(stage, site)
    _, left = installed(pattern, words=words)
    assert left == {path for path in everything if not re.fullmatch(gone, path)}
    assert left < everything
    assert _recorded(stage, site) < before
    assert run("verify", "some", cwd=stage).status == 0


def test_metadata_stays_whatever_is_matched(installed, stage, run, site):
    _, left = installed("**", "*.dist-info/**", "METADATA", "**/tests/**")
    names = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/tests/LICENSE"}
    assert left == {f"{INFO}/{name}" for name in names}
    assert {path for path in _recorded(stage, site) if not path.startswith(INFO)} == set()
    assert run("verify", "some", cwd=stage).status == 0


def test_the_report_says_what_each_package_saves(installed, stage, run):
    outcome, _ = installed("*.pyi", "**/tests/**")
    saved = sum(
        len(FILES[name]) for name in FILES if name.endswith(".pyi") or ("tests/" in name and "info" not in name)
    )
    assert f"some: exclude-files saves {saved} B: alpha {saved} B\n" in outcome.stderr
    again = run("install", "some", "--json", cwd=stage).result["layers"][0]
    assert (again["up_to_date"], again["excluded"]) == (True, {"alpha": saved})


def test_a_warm_cache_of_bytecode_gives_the_same_tree_and_knows_the_patterns(installed, run, stage):
    def digest(*patterns):
        outcome, _ = installed(*patterns, words=("--digest",))
        return next(line for line in outcome.stderr.splitlines() if line.startswith("some: sha256:"))

    first = [digest(), digest("**/slow.py"), digest("**/core.py", "**/slow.py")]
    assert len(set(first)) == 3
    assert [digest(), digest("**/slow.py"), digest("**/core.py", "**/slow.py")] == first
    names = [path.name for path in (stage / "layers/some").rglob("*.pyc")]
    assert not [name for name in names if name.startswith(("core.", "slow."))]


def test_files_that_are_left_out_do_not_clash(stage, run):
    files = [stage.wheel(name, "1.0", {"tests/__init__.py": f"A = {name!r}\n"}) for name in ("one", "two")]
    lock = stage.lock("some", *files)
    assert "differs between" in run("install", "some", cwd=stage).stderr
    with lock.open("a", encoding="utf-8") as file:
        file.write('exclude-files = ["tests/**"]\n')
    outcome = run("install", "some", "--strict", "--json", cwd=stage)
    assert (outcome.status, outcome.result["layers"][0]["excluded"]) == (0, {"one": 10, "two": 0})
    assert run("verify", "some", cwd=stage).status == 0


def test_verify_finds_a_tree_that_was_built_with_other_patterns(installed, stage, run):
    installed("*.pyi")
    lock = stage / "pylock.some.toml"
    excluding = lock.read_text(encoding="utf-8")
    lock.write_text(excluding.replace("'*.pyi'", "'**/core.py'"), encoding="utf-8")
    outcome = run("verify", "some", cwd=stage)
    assert outcome.status == 1
    assert "some: other-files: built with exclude-files: *.pyi; the lock has: **/core.py" in outcome.stdout
    assert "alpha/core.py: the lock excludes it" in outcome.stdout
    lock.write_text(excluding.partition("exclude-files")[0], encoding="utf-8")
    assert "built with exclude-files: *.pyi; the lock has: none" in run("verify", "some", cwd=stage).stdout


PROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["tool"]
[tool.uv-layers]
prefix = "{prefix}"
exclude-files = ["share/**", "*.txt", "share/**"]
layers = [{{ name = "all", dependencies = true }}]
"""


def test_a_project_has_its_patterns_in_each_layer_lock_and_a_diff_shows_them(project, run, git, tmp_path):
    folder = project(PROJECT.format(prefix="/usr/local"))
    git(folder, "init", "--quiet")
    git(folder, "add", "pyproject.toml", "uv.lock")
    git(folder, "commit", "--quiet", "--message", "first")
    assert run("export", cwd=folder).status == 0
    lock = tomli.loads((folder / "pylock.all.toml").read_text(encoding="utf-8"))
    assert lock["tool"]["uv-layers"]["exclude-files"] == ["*.txt", "share/**"]
    folder.edit('exclude-files = ["share/**", "*.txt", "share/**"]\n', "")
    assert "exclude-files: *.txt share/** -> none" in " ".join(run("diff", "HEAD", cwd=folder).stdout.split())


def test_a_virtual_environment_has_no_patterns_of_its_own(project, run):
    folder = project(PROJECT.format(prefix="/app/.venv"))
    outcome = run("install", "--all", cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert run("export", cwd=folder).status == 0
    assert "exclude-files" not in (folder / "pylock.venv.toml").read_text(encoding="utf-8")
    assert run("verify", cwd=folder).status == 0
    assert not list((folder / "layers/all").rglob("notes.txt"))
    assert list((folder / "layers/venv").rglob("pyvenv.cfg"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('"*.pyi"', "must be a list of strings"),
        ("[1]", "must be a list of strings"),
        ('["/usr/**"]', "in which a part is empty"),
    ],
)
def test_what_is_no_pattern_is_refused_in_a_project_and_in_a_lock(project, stage, run, value, words):
    text = PROJECT.format(prefix="/usr/local").replace('["share/**", "*.txt", "share/**"]', value)
    outcome = run("plan", cwd=project(text))
    assert outcome.status == 2
    assert words in outcome.stderr
    assert "tool.uv-layers.exclude-files" in outcome.stderr
    lock = stage.lock("some", stage.wheel("alpha"))
    lock.write_text(f"{lock.read_text(encoding='utf-8')}exclude-files = {value}\n", encoding="utf-8")
    outcome = run("install", "some", cwd=stage)
    assert (outcome.status, outcome.stderr.count("\n")) == (2, 1)
    assert words in outcome.stderr


def test_a_plan_lists_packages_by_size(project, run):
    folder = project(PROJECT.format(prefix="/usr/local"))
    outcome = run("plan", "--size", cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert [line.split()[0] for line in outcome.stdout.splitlines()[2:]] == ["tool"]
    assert run("plan", "--size", "--json", cwd=folder).stdout == run("plan", "--json", cwd=folder).stdout
