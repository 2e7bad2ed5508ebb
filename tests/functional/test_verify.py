"""`verify` finds whatever was done to a tree."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TAG = sys.implementation.cache_tag
SITE = f"usr/local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
EPOCH = 315532800
INIT, INFO = f"{SITE}/alpha/__init__.py", f"{SITE}/alpha-1.0.dist-info"
PYC = f"{SITE}/alpha/__pycache__/__init__.{TAG}.pyc"


def _alpha(stage, version="1.0"):
    files = {
        "alpha/__init__.py": "def main():\n    pass\n",
        "alpha/bad.py": "print 1\n",
        f"alpha/__pycache__/__init__.{TAG}.pyc": b"of the wheel",
        "alpha/tests/test_it.py": "X = 1\n",
        "{data}/scripts/script": "#!python\n",
        "{data}/data/share/é x.txt": "data\n",
    }
    return stage.wheel("alpha", version, files, "[console_scripts]\nalpha = alpha:main\n")


@pytest.fixture
def tree(stage, run):
    """Install one layer, `some`, and return its tree."""
    stage.lock("some", _alpha(stage))
    assert run("install", "some", cwd=stage).status == 0
    return stage / "layers/some"


def _timed(tree: Path) -> None:
    """Give everything its time again, so that nothing but the content tells what was done."""
    for path in (*tree.rglob("*"), tree):
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def _problems(outcome) -> set[tuple[str, str]]:
    return {(p["kind"], p["path"]) for layer in outcome.result["layers"] for p in layer["problems"]}


def test_a_tree_that_nobody_has_touched_holds(tree, stage, run):
    digest = run("install", "some", "--digest", "--json", cwd=stage).result["layers"][0]["digest"]
    assert run("install", "some", "--digest", cwd=stage).stderr.splitlines()[1] == f"some: {digest}"
    verified = run("verify", "some", cwd=stage)
    assert (verified.status, verified.stdout) == (0, f"some: matches its lock; digest {digest}\n")
    assert run("verify", "some", "--json", cwd=stage).result == {
        "layers": [{"name": "some", "digest": digest, "problems": []}]
    }


def _append(path: str):
    def tamper(tree: Path) -> None:
        with (tree / path).open("ab") as file:
            file.write(b"\n")

    return tamper


def _write(path: str, text: str = ""):
    def tamper(tree: Path) -> None:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text, encoding="utf-8")

    return tamper


def _other_version(tree: Path) -> None:
    (tree / INFO).rename(tree / SITE / "alpha-2.0.dist-info")


def _another_package(tree: Path) -> None:
    _write(f"{SITE}/beta-1.0.dist-info/RECORD", "beta-1.0.dist-info/RECORD,,\n")(tree)


def _link(tree: Path) -> None:
    (tree / INIT).rename(tree / "../elsewhere.py")
    (tree / INIT).symlink_to(tree / "../elsewhere.py")


def _dangling(tree: Path) -> None:
    (tree / INIT).unlink()
    (tree / INIT).symlink_to("nowhere")


def _as_folder(tree: Path) -> None:
    (tree / INIT).unlink()
    (tree / INIT).mkdir()


def _record(change):
    def tamper(tree: Path) -> None:
        record = tree / INFO / "RECORD"
        record.write_bytes(change(record.read_bytes()))

    return tamper


def _record_folder(tree: Path) -> None:
    (tree / INFO / "RECORD").unlink()
    (tree / INFO / "RECORD").mkdir()


ALTERED = {("altered", INIT)}
RECORD = ("altered", f"{INFO}/RECORD")
TAMPERINGS = {
    "a changed byte": (_append(INIT), ALTERED),
    "a changed script": (_append("usr/local/bin/script"), {("altered", "usr/local/bin/script")}),
    "changed data": (_append("usr/local/share/é x.txt"), {("altered", "usr/local/share/é x.txt")}),
    "changed metadata": (_append(f"{INFO}/METADATA"), {("altered", f"{INFO}/METADATA")}),
    "altered bytecode": (_append(PYC), {("altered", PYC)}),
    "bytecode of the wheel": (_write(PYC, "of the wheel"), {("altered", PYC)}),
    "a removed file": (lambda tree: (tree / INIT).unlink(), {("missing", INIT)}),
    "removed bytecode": (lambda tree: (tree / PYC).unlink(), {("missing", PYC)}),
    "an added file": (_write(f"{SITE}/alpha/more.py"), {("added", f"{SITE}/alpha/more.py")}),
    "added bytecode": (_write(f"{SITE}/alpha/more.pyc"), {("added", f"{SITE}/alpha/more.pyc")}),
    "an added folder": (lambda tree: (tree / SITE / "more").mkdir(), {("added", f"{SITE}/more")}),
    "files elsewhere": (_write("etc/passwd"), {("added", "etc"), ("added", "etc/passwd")}),
    "a path file": (_write(f"{SITE}/more.pth", "import os\n"), {("added", f"{SITE}/more.pth")}),
    "a closed file": (lambda tree: (tree / INIT).chmod(0o600), {("mode", INIT)}),
    "a file that all may write": (lambda tree: (tree / INIT).chmod(0o666), {("mode", INIT)}),
    "a file with a set-user bit": (lambda tree: (tree / INIT).chmod(0o4755), {("mode", INIT)}),
    "a file that runs": (lambda tree: (tree / INIT).chmod(0o755), {("mode", INIT)}),
    "a script that does not run": (
        lambda tree: (tree / "usr/local/bin/script").chmod(0o644),
        {("mode", "usr/local/bin/script")},
    ),
    "a closed folder": (lambda tree: (tree / SITE).chmod(0o700), {("mode", SITE)}),
    "another version": (_other_version, {("other-version", f"{SITE}/alpha-2.0.dist-info")}),
    "another package": (_another_package, {("added-package", f"{SITE}/beta-1.0.dist-info")}),
    "no metadata": (lambda tree: shutil.rmtree(tree / INFO), {("no-package", ""), ("added", INIT)}),
    "a link to the same content": (_link, ALTERED),
    "a link to nowhere": (_dangling, ALTERED),
    "a folder for a file": (_as_folder, ALTERED),
    "a RECORD with an empty line": (_record(lambda text: text + b"\n"), {RECORD}),
    "a RECORD with paths alone": (_record(lambda text: text + b"more.py\n"), {RECORD}),
    "a RECORD that is no text": (_record(lambda text: text + b"\xff,,\n"), {RECORD}),
    "an empty RECORD": (_record(lambda _: b""), {RECORD, ("added", INIT)}),
    "a RECORD that is a folder": (_record_folder, {RECORD, ("added", INIT)}),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_was_done_to_a_tree_is_found(tree, stage, run, name):
    tamper, expected = TAMPERINGS[name]
    tamper(tree)
    _timed(tree)
    outcome = run("verify", "some", "--json", cwd=stage)
    assert outcome.status == 1
    found = _problems(outcome)
    assert expected <= found
    # What RECORD is silent of has no owner; neither have the files of a package that is not there.
    if "RECORD" not in name and not {kind for kind, _ in expected} & {"no-package", "other-version", "added-package"}:
        assert found == expected
    assert outcome.result["layers"][0]["digest"].startswith("sha256:")


@pytest.mark.parametrize("path", [INIT, SITE, "usr"])
def test_a_time_that_was_changed_is_found(tree, stage, run, path):
    os.utime(tree / path, (1, 1))
    outcome = run("verify", "some", cwd=stage)
    assert (outcome.status, outcome.stdout) == (1, f"some: mtime: {path}: 1 instead of {EPOCH}\n")


def test_a_tree_that_is_not_there_is_a_problem(tree, stage, run):
    shutil.rmtree(tree)
    outcome = run("verify", "some", "--json", cwd=stage)
    assert outcome.status == 1
    detail = f"{tree} does not exist; build it with `uv-layers install`"
    assert outcome.result["layers"] == [
        {"name": "some", "digest": None, "problems": [{"kind": "no-tree", "path": "", "detail": detail}]}
    ]
    assert run("verify", "some", cwd=stage).stdout == f"some: no-tree: {detail}\n"


def test_all_layers_are_held_and_each_problem_is_a_line(stage, run):
    for layer in ("low", "high"):
        stage.lock(layer, stage.wheel(layer, files={f"{layer}.py": "X = 1\n"}))
    assert run("install", "--all", cwd=stage).status == 0
    (stage / "layers/low" / SITE / "low.py").unlink()
    (stage / "layers/low" / SITE / "other.py").touch()
    _timed(stage / "layers/low")
    outcome = run("verify", cwd=stage)
    assert outcome.status == 1
    high, missing, added = outcome.stdout.splitlines()
    assert high.startswith("high: matches its lock; digest sha256:")
    assert missing == f"low: missing: {SITE}/low.py: RECORD lists it"
    assert added == f"low: added: {SITE}/other.py: not in any RECORD"
    assert run("verify", "high", cwd=stage).status == 0


def test_a_lock_that_has_changed_since_is_held_against_the_old_tree(tree, stage, run):
    stage.lock("some", _alpha(stage, "2.0"), stage.wheel("beta"))
    outcome = run("verify", "some", cwd=stage)
    assert (outcome.status, outcome.stdout.splitlines()) == (
        1,
        [
            "some: no-package: beta 1.0 is not installed",
            f"some: other-version: {INFO}: alpha is 1.0, but the lock pins 2.0",
        ],
    )
    stage.lock("some")
    assert f"some: added-package: {INFO}: the lock has no alpha\n" in run("verify", "some", cwd=stage).stdout


def test_a_tree_for_another_prefix_does_not_hold(tree, stage, run):
    stage.lock("some", _alpha(stage), prefix="/app/.venv")
    assert ("other-prefix", "") in _problems(run("verify", "some", "--json", cwd=stage))


def test_a_source_distribution_holds_whatever_its_build_calls_its_version(stage, run):
    stage.lock("some", stage.sdist("source"))
    text = (stage / "pylock.some.toml").read_text(encoding="utf-8")
    (stage / "pylock.some.toml").write_text(text.replace('version = "1.0"\n', "", 2), encoding="utf-8")
    text = 'lock-version = "1.0"\n' + text.split("\n", 1)[1].replace('version = "1.0"\n', "")
    (stage / "pylock.some.toml").write_text(text, encoding="utf-8")
    assert run("install", "some", cwd=stage).status == 0
    assert run("verify", "some", cwd=stage).status == 0


def test_a_tree_has_no_folder_of_a_wheel_with_nothing_in_it(stage, run):
    files = {"alpha/__init__.py": "", "alpha/cache/empty/": "", "alpha.libs/": "", "{data}/data/share/": ""}
    stage.lock("some", stage.wheel("alpha", files=files))
    assert run("install", "some", cwd=stage).status == 0
    assert run("verify", "some", cwd=stage).status == 0
    folders = {path for path in (stage / "layers/some").rglob("*") if path.is_dir()}
    assert {folder.name for folder in folders} >= {"alpha", "__pycache__"}
    assert all(any(folder.iterdir()) for folder in folders)


def test_the_time_is_that_of_the_install(stage, run):
    stage.lock("some", _alpha(stage))
    assert run("install", "some", cwd=stage, SOURCE_DATE_EPOCH="1700000000").status == 0
    assert run("verify", "some", cwd=stage).status == 0


def test_two_folders_have_one_digest(tree, stage, run, cold):
    other = stage.copy("elsewhere")
    assert run("install", "some", cwd=other, **cold()).status == 0
    assert run("verify", cwd=other).stdout == run("verify", cwd=stage).stdout


def test_a_project_is_verified_from_its_lock(project, run):
    app = project('[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["web"]\n')
    assert run("install", "--all", cwd=app).status == 0
    assert run("verify", cwd=app).status == 0
    (app / "layers/dependencies" / SITE / "web/__init__.py").unlink()
    assert run("verify", "dependencies", cwd=app).status == 1


def test_verifying_changes_nothing(tree, stage, run):
    def state():
        return {path: path.lstat().st_mtime_ns for path in stage.path.rglob("*")}

    before = state()
    assert run("verify", cwd=stage).status == 0
    assert state() == before


def test_a_layer_without_a_lock_is_an_error(tree, stage, run):
    outcome = run("verify", "other", cwd=stage)
    assert outcome.status == 2
    assert outcome.stderr.startswith("error[no-layer-lock]: no pylock.other.toml in ")


@pytest.mark.parametrize(
    ("tamper", "status"),
    [(lambda _: None, 0), (_append(PYC), 0), (_append(INIT), 1), (_write(f"{SITE}/alpha/more.cpython-1.pyc"), 1)],
    ids=["untouched", "other bytecode", "another source", "bytecode of no source"],
)
def test_a_tree_from_elsewhere_holds_with_whatever_bytecode_it_has(tree, stage, run, tamper, status):
    other = stage.copy("elsewhere")
    shutil.copytree(tree, other / "layers/some", symlinks=True)
    tamper(other / "layers/some")
    _timed(other / "layers/some")
    assert run("verify", "some", cwd=other).status == status


def test_a_record_of_another_hand_is_as_none(tree, stage, run):
    record = stage / "layers/.uv-layers/some.json"
    record.write_text(f'{{"key": "{"0" * 64}", "interpreter": ["/python3.9"]}}', encoding="utf-8")
    assert run("verify", "some", cwd=stage).status == 0
    nowhere = run("env", "some", cwd=stage)
    assert (nowhere.status, nowhere.stderr[:17]) == (2, "error[not-built]:")
    (tree / INIT).unlink()
    assert run("install", "some", cwd=stage).status == 0
    assert (tree / INIT).is_file()


@pytest.mark.parametrize("prefix", ["/", "/usr/local"])
def test_a_tree_without_packages_holds_and_has_its_prefix_alone(stage, run, prefix):
    stage.lock("none", prefix=prefix)
    assert run("install", "none", cwd=stage).status == 0
    assert run("verify", "none", cwd=stage).status == 0
    (stage / "layers/none/opt").mkdir()
    _timed(stage / "layers/none")
    assert _problems(run("verify", "none", "--json", cwd=stage)) == {("added", "opt")}
