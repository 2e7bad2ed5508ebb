"""What `import uv_layers.cli.main` loads: it decides how long `--version` takes."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

LOADED = """
import json, sys
before = set(sys.modules)
import {module}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
# Of other people's packages: Typer and what it cannot do without. (Some versions of it have click inside.)
# Python 3.15 loads `_missing_stdlib_info` where its maker left modules out, as Debian does.
ALLOWED = {"_missing_stdlib_info", "annotated_doc", "click", "colorama", "shellingham", "typer", "typing_extensions"}
OWN = {
    "uv_layers",
    *(f"uv_layers.{name}" for name in ("cli", "cli.app", "cli.help", "cli.main", "cli.terminal")),
    *(f"uv_layers.{name}" for name in ("credentials", "errors", "system", "system.process")),
}
# Each costs more than all of the above, or is needed by commands alone.
COSTLY = (
    "rich",
    "packaging",
    "tomli",
    "tomli_w",
    "concurrent.futures",
    "asyncio",
    "hashlib",
    "uv",
)


@pytest.fixture(scope="module")
def loaded():
    command = [sys.executable, "-I", "-c", LOADED.format(module="uv_layers.cli.main")]
    return set(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def test_the_command_line_loads_no_package_but_those_that_it_is_made_of(loaded):
    packages = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert packages - ALLOWED == {"uv_layers"}


def test_the_command_line_loads_no_module_of_ours_before_it_knows_the_command(loaded):
    assert {name for name in loaded if name.partition(".")[0] == "uv_layers"} == OWN


@pytest.mark.parametrize("module", COSTLY)
def test_the_command_line_does_not_load_what_is_costly(loaded, module):
    assert module not in loaded


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["install", "--help"], ["plan", "--nope"]], ids=str)
def test_help_and_errors_need_no_rich(words, tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "uv_layers", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert "uv_layers.cli.app\n" in done.stderr
    assert not re.search(r"\brich\b", done.stderr)


@pytest.mark.parametrize(
    "module",
    [
        *("cli.json", "cli.markdown", "cli.shell", "cli.tables"),
        *("history.chosen", "history.draft", "history.git", "history.model", "history.optimise"),
        *("history.sizes", "history.suggest"),
        *("image.bake", "image.bases", "image.dockerfile", "image.recipe"),
        *("lock.exported", "lock.layer_lock", "lock.layer_lock_reader", "lock.uv_lock"),
        *("plan.assign", "plan.diff", "plan.layers", "plan.resolve"),
        *("project.config", "project.discovery", "project.edit"),
        *("system.interpreter", "system.patterns", "system.uv", "system.uv_environment"),
        *(
            "tree.base",
            "tree.build",
            "tree.bytecode",
            "tree.bytecode_worker",
            "tree.excluded",
            "tree.folder",
            "tree.verify",
        ),
    ],
)
def test_a_module_loads_neither_rich_nor_packaging_before_it_uses_them(module):
    command = [sys.executable, "-I", "-c", LOADED.format(module=f"uv_layers.{module}")]
    names = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert not {"rich", "packaging", "typer"} & {name.partition(".")[0] for name in names}
