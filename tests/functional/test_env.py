"""`uv-layers env`: built trees in the shells that there are on this machine, and for editors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

VERSION = f"3.{sys.version_info[1]}"
SITE = f"usr/local/lib/python{VERSION}/site-packages"
APP = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["web"]

    [dependency-groups]
    heavy = ["numbers"]
    docs = ["docs-only"]

    [tool.uv]
    default-groups = ["heavy"]
"""


@pytest.fixture
def built(stage, run):
    """Build three layers, of which `top` has a program and `empty` has nothing, and return their folder."""
    stage.lock("low", stage.wheel("alpha", files={"alpha.py": "X = 1\n"}))
    program = "[console_scripts]\nsay = beta:say\n"
    stage.lock("top", stage.wheel("beta", files={"beta.py": "def say():\n    print('said')\n"}, entry_points=program))
    stage.lock("empty")
    assert run("install", "--all", cwd=stage).status == 0
    return stage


def _sites(trees: Path, *layers: str) -> list[str]:
    return [str(trees / layer / SITE) for layer in layers]


# In shells

POSIX = """\
eval "$("$RUN" -m uv_layers env low empty top)"
once="$PATH|$PYTHONPATH"
eval "$("$RUN" -m uv_layers env top)"
eval "$("$RUN" -m uv_layers env low empty top)"
test "$once" = "$PATH|$PYTHONPATH" || echo "it grew"
"$RUN" -c "$CODE"
say
"""
FISH = """\
$RUN -m uv_layers env low empty top | source
set once "$PATH|$PYTHONPATH"
$RUN -m uv_layers env top | source
$RUN -m uv_layers env low empty top | source
test "$once" = "$PATH|$PYTHONPATH"; or echo "it grew"
$RUN -c $CODE
say
"""
POWERSHELL = """\
& $env:RUN -m uv_layers env low empty top | Out-String | Invoke-Expression
$once = "$env:PATH|$env:PYTHONPATH"
& $env:RUN -m uv_layers env top | Out-String | Invoke-Expression
& $env:RUN -m uv_layers env low empty top | Out-String | Invoke-Expression
if ($once -cne "$env:PATH|$env:PYTHONPATH") { "it grew" }
& $env:RUN -c $env:CODE
say
"""
CODE = """\
import alpha, beta, json, os
print(json.dumps([alpha.__file__, beta.__file__, os.environ['PATH'], os.environ['PYTHONPATH']]))
"""
SHELLS = {**dict.fromkeys(("bash", "zsh", "dash", "ksh"), POSIX), "fish": FISH, "pwsh": POWERSHELL}
INSTALLED = {name: shutil.which(name) for name in SHELLS}
HERE = [
    pytest.param(name, marks=pytest.mark.skipif(INSTALLED[name] is None, reason=f"{name} is not installed"))
    for name in SHELLS
]


def _in_shell(name: str, text: str, cwd: os.PathLike[str], **environ: str | None) -> list[str]:
    """Run the text in a shell, which says nothing else, and return the lines that it prints."""
    given = os.environ | {"RUN": sys.executable, "CODE": CODE, "SHELL": "/bin/none"} | environ
    done = subprocess.run(
        [str(INSTALLED[name]), "-c", text],
        cwd=cwd,
        env={variable: value for variable, value in given.items() if value is not None},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, []), ("", []), ("/already:/b c", ["/already", "/b c"]), ("/a::/b:", ["/a", "", "/b", ""])],
    ids=["unset", "empty", "set", "with empty elements"],
)
@pytest.mark.parametrize("name", HERE)
def test_the_shell_that_runs_has_its_code_and_finds_packages_and_programs(built, name, before, after):
    printed, said = _in_shell(name, SHELLS[name], built, PYTHONPATH=before, UV_LAYERS_QUIET="1")
    alpha, beta, path, pythonpath = json.loads(printed)
    trees = built / "layers"
    sites = _sites(trees, "top", "low")
    assert (beta, alpha) == (f"{sites[0]}/beta.py", f"{sites[1]}/alpha.py")
    assert pythonpath.split(":") == [*sites, *after]
    assert path == f"{trees}/top/usr/local/bin:{os.environ['PATH']}"
    assert said == "said"


@pytest.mark.parametrize("name", HERE)
def test_a_folder_may_have_any_name_but_one_with_a_colon(built, tmp_path, name):
    odd = tmp_path / "a 'b' \"c\" $HOME `d` \\e\\ [f]* {g,h} !~#&;| \u2018é\u2019\n(i)"
    (built / "layers").rename(odd)
    printed, said = _in_shell(name, SHELLS[name], built, UV_LAYERS_LAYERS_DIR=str(odd), UV_LAYERS_QUIET="1")
    alpha, beta, *_ = json.loads(printed)
    assert [beta, alpha] == [str(odd / "top" / SITE / "beta.py"), str(odd / "low" / SITE / "alpha.py")]
    assert said == "said"


@pytest.mark.skipif(INSTALLED["bash"] is None, reason="bash is not installed")
@pytest.mark.skipif(sys.platform == "darwin", reason="names are UTF-8 there")
def test_a_name_that_is_no_text_is_printed_as_it_is(built):
    odd = os.fsencode(built / "layers") + b"\xff"
    os.rename(os.fsencode(built / "layers"), odd)  # noqa: PTH104 - a name in bytes
    # As in the locales of most people, where Python prints no such name.
    given = {"UV_LAYERS_LAYERS_DIR": os.fsdecode(odd), "UV_LAYERS_QUIET": "1", "PYTHONIOENCODING": "utf-8:strict"}
    printed, _ = _in_shell("bash", POSIX, built, **given)
    assert os.fsencode(json.loads(printed)[0]) == odd + f"/low/{SITE}/alpha.py".encode()


# Starts itself to a depth at which no shell is found, then runs what it is given.
DEEP = """\
import subprocess, sys
depth, argv = int(sys.argv[1]), sys.argv[2:]
sys.exit(subprocess.call([sys.executable, __file__, str(depth - 1), *argv] if depth else argv))
"""


@pytest.fixture
def shell_less(built, tmp_path):
    """Return a function that runs `uv-layers env` where no shell is among the processes above it."""
    (tmp_path / "deep.py").write_text(DEEP)

    def call(**environ):
        argv = [sys.executable, tmp_path / "deep.py", "10", sys.executable, "-m", "uv_layers", "env", "-q"]
        return subprocess.run(
            argv, cwd=built, env=os.environ | environ, capture_output=True, text=True, check=False, timeout=120
        )

    return call


def test_without_a_shell_the_variable_of_the_users_says_it(shell_less, built, run):
    assert shell_less(SHELL="/usr/bin/fish").stdout == run("env", "--shell", "fish", cwd=built).stdout
    assert shell_less(SHELL="/bin/sh").stdout == run("env", "--shell", "bash", cwd=built).stdout


def test_without_that_too_it_has_to_be_named(shell_less):
    done = shell_less(SHELL="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error[no-shell]: cannot detect your shell; choose one with --shell: ")
    assert shell_less(SHELL="", UV_LAYERS_SHELL="zsh").returncode == 0


# For editors


def test_json_has_the_folders_of_all_layers_and_the_interpreter_that_made_them(built, run):
    trees = built / "layers"
    outcome = run("env", "--json", "-q", cwd=built)
    assert outcome.result == {
        "PATH": [f"{trees}/top/usr/local/bin"],
        "PYTHONPATH": _sites(trees, "top", "low"),
        "interpreter": json.loads((trees / ".uv-layers/low.json").read_text(encoding="utf-8"))["interpreter"][0],
        "layers": [{"name": name, "path": f"{trees}/{name}"} for name in ("empty", "low", "top")],
    }


def test_layers_come_in_the_order_of_the_project_with_a_group_on_top_where_it_is_named(project, run):
    folder = project(APP)
    assert run("install", "heavy", "dependencies", "docs", cwd=folder).status == 0
    trees = folder / "layers"
    nowhere = {"UV_LAYERS_UV": "/nowhere/uv"}  # no uv is started
    assert run("env", "--json", cwd=folder, **nowhere).result["PYTHONPATH"] == _sites(trees, "dependencies", "heavy")
    named = run("env", "heavy", "docs", "--json", cwd=folder, **nowhere).result
    assert named["PYTHONPATH"] == _sites(trees, "docs", "heavy")
    assert [layer["name"] for layer in named["layers"]] == ["heavy", "docs"]


def test_a_folder_has_one_name_from_wherever_this_is_run(built, run):
    here = run("env", "--json", "-q", cwd=built)
    (built / "sub").mkdir()
    words = ("--project", "..", "--layers-dir", "../layers")
    assert run("env", "--json", "-q", *words, cwd=built / "sub").result == here.result


@pytest.mark.parametrize("prefix", ["/", "/app/.venv"])
def test_any_prefix_will_do(stage, run, site, prefix):
    stage.lock("some", stage.wheel("pkg", files={"{data}/scripts/run": "#!python\n"}), prefix=prefix)
    assert run("install", "some", cwd=stage).status == 0
    inside = stage / f"layers/some{prefix}"
    result = run("env", "--json", "-q", cwd=stage).result
    assert (result["PATH"], result["PYTHONPATH"]) == ([str(inside / "bin")], [str(inside / site)])


def test_an_empty_layer_changes_no_variable(built, run):
    for shell in ("bash", "fish", "powershell"):
        ended = run("env", "empty", "--shell", shell, "-q", cwd=built)
        assert (ended.status, ended.output) == (0, "")


def test_a_tree_that_is_not_there_or_half_replaced_is_named_with_the_next_step(built, run):
    shutil.rmtree(built / "layers/low")
    (built / "layers/.uv-layers/top.json").write_text("null\n")
    ended = run("env", cwd=built)
    assert (ended.status, ended.stdout) == (2, "")
    trees = built / "layers"
    cause = f"error[not-built]: no layer tree in {trees} for low, top"
    assert ended.stderr == f"{cause}; run `uv-layers install low top`\n"
    ended = run("env", "--layers-dir", trees, cwd=built)
    assert ended.stderr == f"{cause}; run `uv-layers install low top --layers-dir {trees}`\n"


# The interpreter


@pytest.fixture
def said(built, run, tmp_path):
    """Return a function that says what is said where `python` on PATH is a link to a file of the given name."""

    def call(name=None):
        folder = tmp_path / f"programs-{name}"
        folder.mkdir()
        if name is not None:
            (folder / name).touch(0o755)
            (folder / "python").symlink_to(name)
        outcome = run("env", "--json", cwd=built, PATH=str(folder))
        assert outcome.status == 0
        return outcome.stderr

    return call


def test_a_python_that_is_another_one_is_hinted_at(built, run, said):
    interpreter = run("env", "--json", cwd=built).result["interpreter"]
    step = f"run Python {VERSION} by its full path\n"
    assert said("python3.9") == f"hint: the trees need {interpreter}, but `python` is 3.9; {step}"
    assert said() == f"hint: the trees need {interpreter}, but PATH has no `python`; {step}"
    assert said(f"python{VERSION}") == ""
    assert said("shim") == ""


def test_trees_of_several_interpreters_have_none_in_common(built, run, said):
    record = built / "layers/.uv-layers/low.json"
    content = json.loads(record.read_text(encoding="utf-8"))
    record.write_text(json.dumps(content | {"interpreter": ["/other/python3.9", 1, 2]}), encoding="utf-8")
    assert run("env", "--json", cwd=built).result["interpreter"] is None
    assert said("python3.8") == ""
