"""Every error: one line that names the file or the setting and the next step, its exit code, and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import uv

from uv_layers import errors

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
"""
APP = f"""\
{HEAD}dependencies = ["web"]

[project.optional-dependencies]
one = ["extra-one"]

[dependency-groups]
heavy = ["numbers"]
docs = ["docs-only"]

[tool.uv]
default-groups = ["heavy"]
"""
CONFLICT = f"""\
{HEAD}
[dependency-groups]
old = ["needs-old-clash"]
new = ["clash>=2"]

[tool.uv]
default-groups = ["old"]
conflicts = [[{{ group = "old" }}, {{ group = "new" }}]]
"""


def layers(*tables: str) -> str:
    return f"{APP}\n[tool.uv-layers]\nlayers = [{', '.join(tables)}]\n"


def setting(line: str) -> str:
    return f"{APP}\n[tool.uv-layers]\n{line}\n"


@dataclass(frozen=True)
class Case:
    """A command line in a project that is spoiled by `spoil`, and what the one line of its error has."""

    code: str
    status: int
    says: tuple[str, ...]
    text: str = APP
    words: tuple[str, ...] = ("plan",)
    environ: dict[str, str] = field(default_factory=dict)
    spoil: Callable | None = None
    marks: tuple = ()


def write(name: str, content: str | bytes) -> Callable:
    """Return what writes a file into the folder of the project."""

    def spoil(folder, run):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return spoil


def remove(name: str) -> Callable:
    return lambda folder, _: (folder / name).unlink()


def change(old: str, new: str) -> Callable:
    return lambda folder, _: folder.edit(old, new)


def program(text: str | bytes) -> Callable:
    """Return what writes `uv-here`, a program that stands where uv is looked for."""

    def spoil(folder, run):
        write("uv-here", text)(folder, run)
        (folder / "uv-here").chmod(0o755)

    return spoil


def lock_of(layer: str, old: str, new: str) -> Callable:
    """Return what exports a layer, leaves the layer lock alone in the folder, and changes it."""

    def spoil(folder, run):
        assert run("export", layer, cwd=folder).status == 0
        (folder / "pyproject.toml").unlink()
        folder.edit(old, new, f"pylock.{layer}.toml")

    return spoil


def installed(*words: str) -> Callable:
    """Return what makes the trees."""

    def spoil(folder, run):
        assert run("install", "--all", *words, cwd=folder).status == 0

    return spoil


def only_locks(folder, run):
    assert run("export", "heavy", cwd=folder).status == 0
    (folder / "pyproject.toml").unlink()


UV_HERE = {"UV_LAYERS_UV": "./uv-here"}
NAMES = "use up to 63 characters (a-z, 0-9, - and _)"
CASES = {
    "no project": Case(
        "no-project", 2, ("no pyproject.toml in {folder} or above", "--project"), spoil=remove("pyproject.toml")
    ),
    "no project that is named": Case(
        "no-project",
        2,
        ("no pyproject.toml in {folder} or above", "--project"),
        words=("plan", "--project", "."),
        spoil=remove("pyproject.toml"),
    ),
    "a project folder that does not exist": Case(
        "no-project",
        2,
        ("nowhere",),
        words=("plan", "--project", "nowhere"),
    ),
    "a project that is no TOML": Case(
        "unreadable-file",
        2,
        ("cannot read {folder}/pyproject.toml: ", "line 2"),
        spoil=write("pyproject.toml", "[project]\nname =\n"),
    ),
    "a project that is no text": Case(
        "unreadable-file", 2, ("cannot read {folder}/pyproject.toml: ",), spoil=write("pyproject.toml", b"\xff\xfe\0")
    ),
    "a project of endless depth": Case(
        "unreadable-file", 2, ("{folder}/pyproject.toml",), spoil=write("pyproject.toml", f"a = {'[' * 9999}")
    ),
    "a project whose tables are none": Case(
        "bad-config",
        2,
        ("pyproject.toml: dependency-groups: must be a table",),
        spoil=write("pyproject.toml", "dependency-groups = 3\n"),
    ),
    "a configuration that is no TOML": Case(
        "unreadable-file", 2, ("cannot read {folder}/uv-layers.toml: ",), spoil=write("uv-layers.toml", "layers = [")
    ),
    "a named configuration that does not exist": Case(
        "unreadable-file", 2, ("cannot read nowhere.toml: No such file",), words=("plan", "--config", "nowhere.toml")
    ),
    "no lock": Case("no-lock", 2, ("no uv.lock in {folder}; run `uv lock`",), spoil=remove("uv.lock")),
    "a stale lock": Case(
        "stale-lock", 2, ("{folder}/uv.lock", "run `uv lock`", "--frozen"), spoil=change('"numbers"', '"speed"')
    ),
    "a Dockerfile with other layers": Case(
        "stale-dockerfile",
        2,
        ("the Dockerfile has the layers heavy, gone, but the project has heavy, dependencies", "uv-layers dockerfile"),
        words=("export", "--expect", "heavy,gone"),
    ),
    "an unknown setting": Case(
        "bad-config",
        2,
        ("pyproject.toml: tool.uv-layers.layer: ", "known: dockerfile, exclude, exclude-files, layers, prefix"),
        setting("layer = []"),
    ),
    "an unknown setting in a file of its own": Case(
        "bad-config",
        2,
        ("uv-layers.toml: layer: ", "known: dockerfile, exclude, exclude-files, layers, prefix"),
        spoil=write("uv-layers.toml", "layer = []"),
    ),
    "layers that are no list": Case(
        "bad-config", 2, ("tool.uv-layers.layers: must be a list of tables",), setting("layers = 3")
    ),
    "a layer that is no table": Case(
        "bad-config", 2, ("tool.uv-layers.layers: must be a list of tables",), setting('layers = ["a"]')
    ),
    "a layer without a name": Case(
        "bad-config", 2, ("tool.uv-layers.layers[0]: has no name",), layers('{ groups = ["heavy"] }')
    ),
    "an unknown key of a layer": Case(
        "bad-config", 2, ("tool.uv-layers.layers[0].group: ", "groups"), layers('{ name = "a", group = "b" }')
    ),
    "groups that are no list": Case(
        "bad-config",
        2,
        ("layers[1].groups: must be a list of strings",),
        layers('{ name = "a" }', '{ name = "b", groups = "heavy" }'),
    ),
    "dependencies that are no truth": Case(
        "bad-config",
        2,
        ("layers[0].dependencies: must be true or false",),
        layers('{ name = "a", dependencies = ["web"] }'),
    ),
    "a relative prefix": Case(
        "bad-config", 2, ("tool.uv-layers.prefix: must be an absolute path",), setting('prefix = "usr"')
    ),
    "a prefix that climbs": Case(
        "bad-config", 2, ("tool.uv-layers.prefix: ", "`..`"), setting('prefix = "/usr/../etc"')
    ),
    "a relative prefix on the command line": Case(
        "bad-config", 2, ("--prefix: must be an absolute path",), words=("plan", "--prefix", "usr")
    ),
    "a name with capitals": Case("bad-layer-name", 2, ("pyproject.toml: 'Heavy'", NAMES), layers('{ name = "Heavy" }')),
    "a name that is a path": Case("bad-layer-name", 2, ("'../a'", NAMES), layers('{ name = "../a" }')),
    "a name that is too long": Case("bad-layer-name", 2, (NAMES,), layers(f'{{ name = "{"a" * 64}" }}')),
    "a name that drives the terminal": Case(
        "bad-layer-name", 2, ("\\x1b[31m", NAMES), layers('{ name = "\\u001b[31m" }')
    ),
    "a group whose name is too long for a layer": Case(
        "bad-layer-name",
        2,
        (NAMES,),
        APP.replace("docs = ", f"{'a' * 64} = ").replace('["heavy"]', '"all"'),
    ),
    "two layers with one name": Case(
        "duplicate-layer",
        2,
        ("pyproject.toml: two layers are named 'a'; rename one",),
        layers('{ name = "a" }', '{ name = "a" }'),
    ),
    "a platform for which there is no lock": Case(
        "unsupported-target",
        2,
        ("CPython 3.12 on linux aarch64", "platform_machine == 'x86_64'", "--platform"),
        f"{APP}environments = [\"platform_machine == 'x86_64'\"]\n",
        ("plan", "--platform", "linux/arm64", "--python", "3.12"),
    ),
    "groups that the project declares to be in conflict": Case(
        "refused",
        2,
        ("uv refuses this selection: Group", "incompatible", "leave out one of the conflicting groups or extras"),
        f'{APP}conflicts = [[{{ group = "heavy" }}, {{ group = "docs" }}]]\n',
        ("plan", "--group", "docs"),
    ),
    "a project by another name": Case(
        "source-name",
        2,
        ("other comes from the folder app, whose project is named app, so uv refuses",),
        f"{APP.replace(chr(34) + 'web' + chr(34), chr(34) + 'other' + chr(34))}"
        '[tool.uv.sources]\nother = { path = "." }\n',
    ),
    "an unknown layer": Case(
        "unknown-layer",
        2,
        ("'nope'", "layers: heavy, dependencies", "other dependency groups: docs"),
        words=("export", "nope"),
    ),
    "an unknown layer to install": Case(
        "unknown-layer", 2, ("'nope'", "layers: heavy, dependencies"), words=("install", "heavy", "nope")
    ),
    "an unknown group of a layer": Case(
        "unknown-group",
        2,
        ("pyproject.toml: layer 'a': no dependency group 'nope'", "heavy, docs"),
        layers('{ name = "a", groups = ["nope"] }'),
    ),
    "an unknown group to include": Case(
        "unknown-group", 2, ("--group: no dependency group 'nope'", "heavy, docs"), words=("plan", "--group", "nope")
    ),
    "an unknown group to leave out": Case(
        "unknown-group", 2, ("--no-group: ", "'nope'"), words=("plan", "--no-group", "nope")
    ),
    "an unknown extra of a layer": Case(
        "unknown-extra",
        2,
        ("pyproject.toml: layer 'a': no extra 'nope'", "defined: one"),
        layers('{ name = "a", extras = ["nope"] }'),
    ),
    "an unknown extra to include": Case(
        "unknown-extra", 2, ("--extra: no extra 'nope'", "defined: one"), words=("plan", "--extra", "nope")
    ),
    "nothing to layer": Case("no-layers", 2, ("{folder}/pyproject.toml: ", "tool.uv.default-groups", "--group"), HEAD),
    "a pattern that matches nothing": Case(
        "unmatched-pattern",
        2,
        ("pyproject.toml: layer 'a': 'nvidia-*' matches no package", "uv tree"),
        layers('{ name = "a", packages = ["nvidia-*"] }'),
    ),
    "a pattern for a package of a group that is not in the image": Case(
        "unmatched-pattern", 2, ("'docs-only'",), layers('{ name = "a", packages = ["docs-only"] }')
    ),
    "two versions of one package": Case(
        "two-versions",
        2,
        ("needs clash 1.0 and ", "needs clash 2.0; ", "'old'", "'new'", "--no-group"),
        CONFLICT,
        ("plan", "--group", "new"),
    ),
    "two versions, one in a layer on top": Case(
        "two-versions",
        2,
        (
            "the image needs clash 1.0 and group 'new' needs clash 2.0; ",
            "so leave out group 'new', or build two images",
        ),
        CONFLICT,
        ("export", "new"),
    ),
    "no wheel for the target": Case(
        "no-wheel",
        2,
        ("windows-wheel 1.0 has no wheel for CPython", "choose another version, Python or platform"),
        APP.replace('"web"', '"windows-wheel"'),
    ),
    "no wheel for the platform": Case(
        "no-wheel",
        2,
        ("numbers 1.1 has no wheel for CPython 3.12 on linux riscv64",),
        words=("plan", "--platform", "linux/riscv64", "--python", "3.12"),
    ),
    "a build that is forbidden": Case(
        "no-wheel",
        2,
        ("source 1.0 has no wheel", "no-build"),
        f'{HEAD}dependencies = ["source"]\n[tool.uv]\n',
        ("plan", "--frozen"),
        spoil=change("[tool.uv]", '[tool.uv]\nno-build-package = ["source"]'),
    ),
    "a local folder": Case(
        "local-folder",
        2,
        ("local-thing comes from the folder thing, which uv.lock does not pin", '{ name = "app", project = true }'),
        f'{HEAD}dependencies = ["local-thing"]\n[tool.uv.sources]\nlocal-thing = {{ path = "thing" }}\n'
        '[tool.uv-layers]\nlayers = [{ name = "all", dependencies = true }]\n',
    ),
    "a local folder of a group on top": Case(
        "local-folder",
        2,
        ("local-thing comes from the folder thing, which uv.lock does not pin",),
        f'{HEAD}[dependency-groups]\nmore = ["local-thing"]\n[tool.uv.sources]\nlocal-thing = {{ path = "thing" }}\n',
        ("export", "more"),
    ),
    "a layer lock that is no TOML": Case(
        "bad-layer-lock",
        2,
        ("{folder}/pylock.heavy.toml: ", "uv-layers export"),
        words=("install", "heavy"),
        spoil=lock_of("heavy", "lock-version = ", "lock-version "),
    ),
    "a layer lock of another format": Case(
        "bad-layer-lock",
        2,
        ("{folder}/pylock.heavy.toml: ", "9.0", "uv-layers export"),
        words=("install", "heavy"),
        spoil=lock_of("heavy", '"1.0"', '"9.0"'),
    ),
    "a layer lock without a hash": Case(
        "bad-layer-lock",
        2,
        ("{folder}/pylock.heavy.toml: ", "hash", "uv-layers export"),
        words=("install", "heavy"),
        spoil=lock_of("heavy", "sha256 = ", "# sha256 = "),
    ),
    "a layer lock of another layer": Case(
        "bad-layer-lock",
        2,
        ("lock of layer 'other', not of 'heavy'",),
        words=("install", "heavy"),
        spoil=lock_of("heavy", 'layer = "heavy"', 'layer = "other"'),
    ),
    "a layer lock with a bad prefix": Case(
        "bad-config",
        2,
        ("{folder}/pylock.heavy.toml: ", "prefix"),
        words=("install", "heavy"),
        spoil=lock_of("heavy", 'prefix = "/usr/local"', 'prefix = "/../../x"'),
    ),
    "a layer lock whose settings are none": Case(
        "bad-layer-lock",
        2,
        ("{folder}/pylock.heavy.toml: ",),
        words=("install", "heavy"),
        spoil=lock_of("heavy", "[tool.uv-layers]", "[tool]\nuv-layers = 3\n[other]"),
    ),
    "no layer lock": Case(
        "no-layer-lock",
        2,
        ("no pylock.light.toml in {folder}", "layer locks there: heavy", "uv-layers export"),
        words=("install", "light"),
        spoil=only_locks,
    ),
    "a layer lock by a name that is a path": Case(
        "bad-layer-name", 2, ("'../heavy'", NAMES), words=("install", "../heavy"), spoil=only_locks
    ),
    "a layer lock for another Python": Case(
        "python-mismatch",
        2,
        ("{folder}/pylock.heavy.toml needs Python ==3.99.*", "--python"),
        words=("install", "heavy"),
        spoil=lock_of("heavy", 'requires-python = "==3.', 'requires-python = "==3.99.*" # '),
    ),
    "a platform that nobody knows": Case(
        "bad-target", 2, ("'linux/mips'", "linux/arm64"), words=("plan", "--platform", "linux/mips")
    ),
    "a platform without a Python": Case(
        "bad-target",
        2,
        ("--platform needs a Python version, e.g. --python 3.12, not 'pypy'",),
        words=("plan", "--platform", "linux/amd64", "--python", "pypy"),
    ),
    "a Python that is not here": Case(
        "bad-target", 2, ("uv cannot find Python 3.99", "--python"), words=("plan", "--python", "3.99")
    ),
    "a Python that the project refuses": Case(
        "python-mismatch",
        2,
        ("the project needs Python >=3.10, but the target is Python 3.9", "--python"),
        words=("plan", "--platform", "linux/amd64", "--python", "3.9"),
    ),
    "an unsupported Python that is not installed": Case(
        "python-mismatch",
        2,
        ("the project needs Python >=3.10, but the target is Python 3.8", "--python"),
        words=("plan", "--python", "3.8"),
    ),
    "a tree that is not ours": Case(
        "not-ours",
        2,
        ("{folder}/layers/heavy", "--layers-dir"),
        words=("install", "heavy"),
        spoil=write("layers/heavy/a", "mine"),
    ),
    "no layer to install": Case("usage", 2, ("--all", "plan"), words=("install",)),
    "layers and all of them": Case("usage", 2, ("--all",), words=("install", "--all", "heavy")),
    "no layer to print": Case("usage", 2, ("--output -", "one layer"), words=("export", "-o", "-")),
    "no member of that name": Case("usage", 2, ("--package", "'nope'"), words=("plan", "--package", "nope")),
    "a time that is none": Case(
        "usage", 2, ("SOURCE_DATE_EPOCH is 'soon'",), words=("install", "heavy"), environ={"SOURCE_DATE_EPOCH": "soon"}
    ),
    "a time without end": Case(
        "usage",
        2,
        ("SOURCE_DATE_EPOCH",),
        words=("install", "heavy"),
        environ={"SOURCE_DATE_EPOCH": "9" * 5000},
    ),
    "a Dockerfile without marks": Case(
        "no-marks",
        2,
        (
            "Dockerfile must contain exactly one block that starts with `# >>> uv-layers stages`",
            "`uv-layers dockerfile --snippet`",
        ),
        words=("dockerfile", "--write", "Dockerfile"),
        spoil=write("Dockerfile", "FROM scratch\n"),
    ),
    "a Dockerfile that is no text": Case(
        "unreadable-file",
        2,
        ("cannot read Dockerfile: ",),
        words=("dockerfile", "--check", "Dockerfile"),
        spoil=write("Dockerfile", b"\xff\xfe"),
    ),
    "a size that is none": Case(
        "usage", 2, ("--warn-size is 'much'", "500MB or 2GB"), words=("plan", "--warn-size", "much")
    ),
    "the project's lock": Case(
        "usage",
        2,
        ("layer 'app' is the project itself, which has no layer lock; run `uv-layers install app`",),
        layers('{ name = "all" }', '{ name = "app", project = true }'),
        ("export", "app"),
    ),
    "a tree that is not built": Case(
        "not-built",
        2,
        ("no layer tree in {folder}/layers for heavy, dependencies;", "`uv-layers install heavy dependencies`"),
        words=("env",),
    ),
    "a shell that has no code": Case(
        "unknown-shell",
        2,
        ("shell 'tcsh' is not supported", "--shell: bash, zsh, fish, powershell"),
        words=("env", "--shell", "tcsh"),
        spoil=installed(),
    ),
    "a folder that cannot be on PATH": Case(
        "path-separator",
        2,
        ("{folder}/a:b/", "contains `:`", "--layers-dir"),
        words=("env", "--shell", "sh", "--layers-dir", "a:b"),
        spoil=installed("--layers-dir", "a:b"),
    ),
    "an unknown layer to put on PATH": Case(
        "unknown-layer", 2, ("'../a'", "layers: heavy, dependencies"), words=("env", "../a")
    ),
    "two packages with one file": Case(
        "clash",
        2,
        ("common.py differs between owner-one and owner-two", "--strict"),
        APP.replace('"web"', '"owner-one", "owner-two"'),
        ("install", "dependencies", "--strict"),
    ),
    "a file that the Dockerfile needs, excluded": Case(
        "excluded",
        2,
        (".dockerignore excludes uv.lock", "add !uv.lock below line 1 (uv.lock)"),
        words=("dockerfile", "--python", "3.12"),
        spoil=write(".dockerignore", "uv.lock\n"),
    ),
    "no uv": Case(
        "no-uv", 3, ("UV_LAYERS_UV is '/nowhere/uv'", "pip install uv"), environ={"UV_LAYERS_UV": "/nowhere/uv"}
    ),
    "no uv where uv said that it is": Case(
        "no-uv", 3, ("UV is '/nowhere/uv'", "UV_LAYERS_UV"), environ={"UV": "/nowhere/uv"}
    ),
    "a uv that is none": Case(
        "no-uv", 3, ("did not print a version of uv",), environ=UV_HERE, spoil=program("#!/bin/sh\necho cat 1.0\n")
    ),
    "a uv that fails": Case(
        "no-uv", 3, ("did not print a version of uv",), environ=UV_HERE, spoil=program("#!/bin/sh\nexit 1\n")
    ),
    "a uv that does not start": Case(
        "no-uv", 3, ("uv-here cannot be run",), environ=UV_HERE, spoil=program(b"\x7fELF")
    ),
    "no git": Case(
        "git",
        2,
        ("cannot run git (No such file or directory); install it",),
        words=("diff", "HEAD"),
        environ={"PATH": "nowhere"},
    ),
    "a uv that is too old": Case(
        "old-uv",
        3,
        ("uv-here is uv 0.4.30", "0.11.15 or newer", "uv self update"),
        environ=UV_HERE,
        spoil=program("#!/bin/sh\necho 'uv 0.4.30 (abc 2024-11-04)'\n"),
    ),
    "a lock that uv cannot read": Case(
        "uv-failed", 3, ("exit code 2", " lock --check "), spoil=write("uv.lock", "version = ")
    ),
    "a folder that cannot be made": Case(
        "machine", 4, ("pyproject.toml/locks",), words=("export", "-o", "pyproject.toml/locks")
    ),
    "a folder of trees that cannot be made": Case(
        "machine", 4, ("{folder}/pyproject.toml",), words=("install", "heavy", "--layers-dir", "pyproject.toml/layers")
    ),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=case.marks) for name, case in CASES.items()])
def test_error(project, run, name):
    case = CASES[name]
    folder = project(case.text, locked=False)
    write("thing/pyproject.toml", '[project]\nname = "local-thing"\nversion = "1.0"\n')(folder, run)
    folder.lock()
    if case.spoil is not None:
        case.spoil(folder, run)
    ended = run(*case.words, cwd=folder, **case.environ)
    assert ended.status == case.status
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    *_, last = ended.stderr.splitlines()
    assert [line for line in ended.stderr.splitlines() if line.startswith("error[")] == [last]
    assert last.startswith(f"error[{case.code}]: ")
    for part in case.says:
        assert part.format(folder=folder.path) in last if "{folder}" in part else part in last


# These need more than a command line: test_bytecode.py, test_env.py, test_base_image.py and test_foreign_metadata.py
# have them. uv computes a hash if the index has none, so a file without a hash does not occur.
UNTRIED = {
    *("compile-failed", "no-shell", "unsupported-source"),
    *("base-image", "foreign-metadata", "incomplete-tree"),
}


def test_every_error_has_a_case():
    classes = [errors.LayersError]
    for kind in classes:
        classes += kind.__subclasses__()
    assert {kind.code for kind in classes} - {"error"} - UNTRIED == {case.code for case in CASES.values()}
    assert {kind.code: kind.exit_code for kind in classes}.items() >= {c.code: c.status for c in CASES.values()}.items()


def test_an_error_is_shown_though_quiet_is_asked_for(project, run):
    ended = run("export", "nope", "-q", cwd=project(APP))
    assert ended.stderr.startswith("error[unknown-layer]: ")


def test_json_that_fails_leaves_standard_output_empty(project, run_program):
    ended = run_program("plan", "--json", "--group", "nope", cwd=project(APP))
    assert ended.status == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("error[unknown-group]: ")


# The check of the lock


def test_frozen_skips_the_check_of_the_lock(project, run):
    folder = project(APP)
    folder.edit('"numbers"', '"speed"')
    assert run("plan", "--json", "--frozen", cwd=folder).layers["heavy"] == ["numbers", "shared"]
    assert run("plan", "--json", cwd=folder, UV_FROZEN="1").layers["heavy"] == ["numbers", "shared"]
    assert run("plan", "--json", cwd=folder, UV_LAYERS_FROZEN="1").layers["heavy"] == ["numbers", "shared"]


def test_locked_checks_the_lock_whatever_the_environment_says(project, run):
    folder = project(APP)
    folder.edit('"numbers"', '"speed"')
    assert "error[stale-lock]" in run("plan", "--locked", cwd=folder, UV_FROZEN="1").stderr


def test_nothing_is_written_when_the_lock_is_stale(project, run):
    folder = project(APP)
    folder.edit('"numbers"', '"speed"')
    before = (folder / "uv.lock").read_bytes()
    assert run("export", cwd=folder).status == 2
    assert run("install", "--all", cwd=folder).status == 2
    assert sorted(p.name for p in folder.path.iterdir()) == ["pyproject.toml", "uv.lock"]
    assert (folder / "uv.lock").read_bytes() == before


# What uv says


def test_uv_speaks_for_itself_before_the_line_with_its_command(project, run):
    folder = project(APP)
    (folder / "uv.lock").write_text("version = ")
    uv_says, command = (run("plan", cwd=folder).stderr.split("error[uv-failed]: "))[:2]
    assert "uv.lock" in uv_says
    assert "uv failed with exit code 2; the command was: " in command
    assert f"--project {folder.path}" in command


# Interrupts


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_uv_and_leaves_nothing_behind(project, run, tmp_path, number, status):
    folder = project(APP)
    started = tmp_path / "started"
    slow = tmp_path / "slow-uv"
    # The real uv, but for an install that takes its time.
    hang = f'if [ "$1" = pip ]; then echo $$ > {started}.new; mv {started}.new {started}; exec sleep 60; fi'
    slow.write_text(f'#!/bin/sh\n{hang}\nexec {uv.find_uv_bin()} "$@"\n')
    slow.chmod(0o755)
    program = subprocess.Popen(
        [sys.executable, "-m", "uv_layers", "install", "heavy"],
        cwd=folder,
        env=os.environ | {"UV_LAYERS_UV": str(slow)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    child = int(started.read_text())
    program.send_signal(number)
    stdout, stderr = program.communicate(timeout=30)
    assert program.returncode == status
    assert (stdout, "Traceback" in stderr) == ("", False)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert not (folder / "layers/heavy").exists()
    assert [p.name for p in (folder / "layers/.uv-layers").iterdir() if p.suffix not in {".lock", ".json"}] == []
    assert run("install", "heavy", cwd=folder).status == 0
