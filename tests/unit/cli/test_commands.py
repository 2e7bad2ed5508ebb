from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from typer.main import get_command

from uv_layers import __version__, errors
from uv_layers.cli import main
from uv_layers.cli.app import app
from uv_layers.cli.export import Exported
from uv_layers.lock.layer_lock import LayerLock
from uv_layers.lock.packages import Layer, Member, Package
from uv_layers.plan.assign import Plan
from uv_layers.project.options import Selection
from uv_layers.system import process
from uv_layers.tree.build import Tree
from uv_layers.tree.record import Record
from uv_layers.tree.verify import Problem


@pytest.fixture(autouse=True)
def _caller(monkeypatch, tmp_path):
    """Give each run an environment, a folder and signal handlers of its own."""
    for name in os.environ:
        if name.startswith("UV_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(process, "_stops", 0)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line; return its exit code, what it printed and what it said."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["uv-layers", *arguments])
        with pytest.raises(SystemExit) as ended:
            main.main()
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def plan(target):
    layers = (Layer("heavy", (Member(Package("torch", "2.4.0", 9_000_000), "group heavy"),)), Layer("light"))
    return Plan("/usr/local", target, layers, ("light is\x1b[31m empty",))


@pytest.fixture
def asked(monkeypatch, plan):
    """Stand in for the commands: what they are given is kept, and what they return is made up."""
    calls = []

    def answer(result):
        def call(*args, **kwargs):
            calls.append((args, kwargs))
            return result

        return call

    lock = LayerLock("heavy", "/usr/local", "the text\n", {"torch": "2.4.0"})
    record = Record("/usr/local", [], 1, 2, 3000, [], [], 0, None, [], {})
    tree = Tree("heavy", Path("layers/heavy"), record, 0.5)
    monkeypatch.setattr("uv_layers.cli.plan.find_project", lambda _: None)
    monkeypatch.setattr("uv_layers.cli.plan.make_plan", answer(plan))
    monkeypatch.setattr(
        "uv_layers.cli.export.export_locks", answer(([Exported(lock, Path("pylock.heavy.toml"), changed=True)], plan))
    )
    monkeypatch.setattr("uv_layers.cli.install.install_layers", answer(([tree], plan.hints)))
    return calls


ROOT = get_command(app)


def _flat(group, path=()):
    """Return every command by its words, those of groups included."""
    found = {}
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        found |= _flat(command, (*path, name)) if hasattr(command, "commands") else {(*path, name): command}
    return found


COMMANDS = _flat(ROOT)


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_printed(run, option):
    assert run(option) == (0, f"uv-layers {__version__}\n", "")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_of_a_command_ends_with_an_example_of_it(run, words):
    status, out, _ = run(*words, "--help")
    assert status == 0
    assert run(*words, "-h") == (0, out, "")
    assert f"{out.splitlines()[-1].strip()} ".startswith(f"Example: uv-layers {' '.join(words)} ")


def test_what_is_an_option_of_uv_has_the_name_that_uv_gives_it():
    given = {opt for parameter in COMMANDS["plan",].params for opt in parameter.opts}
    assert given >= {
        *("--project", "--package", "--python", "-p", "--locked", "--frozen", "--offline", "--quiet", "-q"),
        *("--verbose", "-v", "--group", "--no-group", "--no-default-groups", "--extra", "--all-extras"),
    }


def test_the_options_reach_the_command(run, asked):
    status, _, _ = run(
        *("plan", "--project", "here", "--package", "Web_UI", "--package", "api", "--package", "web-ui"),
        *("--config", "gpu.toml", "--prefix", "/app/.venv", "--warn-size", "1.5 MB"),
        *("--group", "Docs_A", "--group", "b", "--no-group", "C", "--no-default-groups", "--extra", "Web.x,cli"),
        *("--extra", "GUI", "-p", "3.12", "--platform", "linux/arm64", "--frozen", "--offline", "-v", "-q"),
    )
    [((options, *_), _)] = asked
    assert status == 0
    assert options.selection == Selection(
        groups=("docs-a", "b"), no_groups=("c",), no_default_groups=True, extras=("web-x", "cli", "gui")
    )
    assert (options.directory, options.packages) == (Path("here"), ("web-ui", "api"))
    assert (options.config, options.warn_size) == (Path("gpu.toml"), 1_500_000)
    assert (options.prefix, options.python, options.platform) == ("/app/.venv", "3.12", "linux/arm64")
    assert (options.frozen, options.offline, options.verbose, options.quiet) == (True, True, True, True)


def test_one_extra_and_all_extras_exclude_each_other_as_with_uv(run, asked):
    status, stdout, stderr = run("plan", "--extra", "web", "--all-extras")
    assert (status, stdout, asked) == (2, "", [])
    assert stderr.startswith("error[usage]: --all-extras includes every extra; ")


@pytest.mark.parametrize(
    ("variable", "value", "field", "result"),
    [
        ("UV_LAYERS_PROJECT", "here", "directory", Path("here")),
        ("UV_PROJECT", "here", "directory", Path("here")),
        ("UV_LAYERS_PYTHON", "3.12", "python", "3.12"),
        ("UV_PYTHON", "3.12", "python", "3.12"),
        ("UV_LAYERS_GROUP", "a b", "selection", Selection(groups=("a", "b"))),
        ("UV_NO_GROUP", "a b", "selection", Selection(no_groups=("a", "b"))),
        ("UV_NO_DEFAULT_GROUPS", "1", "selection", Selection(no_default_groups=True)),
        ("UV_FROZEN", "1", "frozen", True),
        ("UV_FROZEN", "0", "frozen", False),
        ("UV_OFFLINE", "true", "offline", True),
        ("UV_LAYERS_PREFIX", "/opt", "prefix", "/opt"),
        ("UV_LAYERS_PACKAGE", "a B", "packages", ("a", "b")),
        ("UV_LAYERS_WARN_SIZE", "500MB", "warn_size", 500_000_000),
        ("UV_LAYERS_QUIET", "1", "quiet", True),
    ],
)
def test_a_variable_stands_for_an_option(run, asked, monkeypatch, variable, value, field, result):
    monkeypatch.setenv(variable, value)
    run("plan")
    [((options, *_), _)] = asked
    assert getattr(options, field) == result


def test_an_option_wins_over_its_variable_and_ours_over_that_of_uv(run, asked, monkeypatch):
    monkeypatch.setenv("UV_PYTHON", "3.10")
    monkeypatch.setenv("UV_LAYERS_PYTHON", "3.11")
    run("plan")
    run("plan", "--python", "3.12")
    assert [args[0].python for args, _ in asked] == ["3.11", "3.12"]


@pytest.mark.parametrize(
    ("size", "number"),
    [("0", 0), ("12", 12), ("12B", 12), ("1kB", 1000), ("2GB", 2_000_000_000), ("0.5 GB", 500_000_000)],
)
def test_a_size_is_a_number_with_the_unit_of_registries(run, asked, size, number):
    assert run("plan", "--warn-size", size)[0] == 0
    assert asked[0][0][0].warn_size == number


@pytest.mark.parametrize("size", ["", "GB", "1gb", "1 TB", "-1", "1e9", "1..5MB", "1MB ", "9" * 400, f"1.{'9' * 400}"])
def test_a_size_that_is_none_is_refused(run, asked, size):
    status, out, err = run("plan", "--warn-size", size)
    assert (status, out, asked) == (2, "", [])
    assert err == f"error[usage]: --warn-size is {size!r}; pass a size, e.g. 500MB or 2GB\n"


def test_locked_on_the_command_line_wins_over_frozen_in_the_environment(run, asked, monkeypatch):
    monkeypatch.setenv("UV_FROZEN", "1")
    run("plan", "--locked")
    [((options, *_), _)] = asked
    assert options.frozen is False


# Data goes to standard output, everything else to standard error.


def test_a_plan_is_printed_and_its_hints_are_said_without_control_characters(run, asked):
    status, out, err = run("plan")
    assert status == 0
    assert out.splitlines()[0].split() == ["layer", "packages", "download", "from"]
    assert err == "hint: light is\\x1b[31m empty\n"


def test_a_plan_as_json_is_one_document_on_standard_output(run, asked):
    _, out, err = run("plan", "--json")
    assert json.loads(out)["command"] == "plan"
    assert err.startswith("hint: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("export",), "heavy: 1 package, written, pylock.heavy.toml\n"),
        (("install", "heavy"), "heavy: 1 package, 2 files, 3.0 kB, 0.5 s, layers/heavy\n"),
    ],
)
def test_what_was_done_is_said_and_not_printed(run, asked, arguments, said):
    assert run(*arguments) == (0, "", f"{said}hint: light is\\x1b[31m empty\n")
    assert run(*arguments, "--quiet") == (0, "", "")
    status, out, _ = run(*arguments, "--json", "--quiet")
    assert (status, json.loads(out)["command"]) == (0, arguments[0])


def test_a_layer_lock_is_printed_as_it_is_for_a_dash(run, asked):
    assert run("export", "heavy", "--output", "-", "-q") == (0, "the text\n", "")


@pytest.mark.parametrize("arguments", [(), ("a", "b"), ("a", "--json")])
def test_a_dash_prints_one_layer_and_no_json(run, asked, arguments):
    status, out, err = run("export", "-o", "-", *arguments)
    assert (status, out) == (2, "")
    assert err == "error[usage]: `--output -` prints the lock of a single layer; name one layer, and drop --json\n"
    assert asked == []


@pytest.mark.parametrize("arguments", [(), ("heavy", "--all")])
def test_install_takes_names_or_all(run, arguments):
    assert run("install", *arguments) == (
        2,
        "",
        "error[usage]: name the layers to install (see `uv-layers plan`), or pass --all, but not both\n",
    )


@pytest.mark.parametrize(
    ("problems", "status", "text"),
    [
        ([], 0, "heavy: matches its lock; digest sha256:0\n"),
        ([Problem("heavy", "added", "a\x1bb")], 1, "heavy: added: a\\x1bb\n"),
    ],
)
def test_a_check_that_says_no_ends_with_1(run, monkeypatch, problems, status, text):
    monkeypatch.setattr("uv_layers.cli.verify.verify_layers", lambda *_, **__: [("heavy", "sha256:0", problems)])
    assert run("verify", "heavy") == (status, text, "")
    ended, out, err = run("verify", "heavy", "--json")
    assert (ended, json.loads(out)["command"], err) == (status, "verify", "")


def test_the_cache_is_where_the_variable_says_and_an_empty_one_can_be_cleared(run, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_LAYERS_CACHE_DIR", str(tmp_path / "cache"))
    assert run("cache", "dir") == (0, f"{tmp_path / 'cache'}\n", "")
    assert run("cache", "size") == (0, "0\n", "")
    assert run("cache", "prune", "--days", "0") == (0, "", "removed the bytecode of 0 wheels, 0 B\n")
    assert run("cache", "clean") == (0, "", "removed the bytecode of 0 wheels, 0 B\n")


def test_a_dockerfile_is_printed_without_starting_anything(run, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "demo"\ndependencies = ["a"]\n', encoding="utf-8")
    (tmp_path / "uv.lock").touch()
    (tmp_path / "main.py").touch()
    status, out, err = run("dockerfile", "--base", "python:3.12", "--cmd", "python main.py", "--tool", "0.1.0")
    assert (status, err) == (0, "")
    assert out.splitlines()[1] == "FROM python:3.12 AS uv-layers"
    assert out.endswith('COPY --link . ./\nCMD ["python", "main.py"]\n')


def test_the_program_of_the_package_runs_nothing_when_it_is_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "uv_layers.__main__", raising=False)
    monkeypatch.setattr(sys, "argv", ["uv-layers", "--nonsense"])
    assert callable(importlib.import_module("uv_layers.__main__").main)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_before_the_command_line_runs_ends_the_program(monkeypatch, number):
    statuses = []
    monkeypatch.setattr(os, "_exit", statuses.append)
    monkeypatch.setattr(main, "main", lambda: signal.getsignal(number)(number, None))
    importlib.import_module("uv_layers.__main__").main()
    assert statuses == [128 + number]


def test_a_stream_that_is_closed_is_one_that_nobody_reads(monkeypatch):
    for name in ("stdin", "stderr"):
        monkeypatch.setattr(sys, name, None)
    stdout = sys.stdout
    main._open_closed_streams()  # noqa: SLF001 - of a program, before it does anything
    assert sys.stdout is stdout
    with sys.stdin, sys.stderr:
        assert (sys.stdin.read(), sys.stderr.write("gone")) == ("", 4)


# How it ends.


def test_outside_of_a_project_there_is_one_line_that_says_so(run, tmp_path):
    status, out, err = run("plan")
    assert (status, out) == (2, "")
    assert err.startswith(f"error[no-project]: no pyproject.toml in {tmp_path} or above; ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        (errors.UsageError("no"), 2, "error[usage]: no\n"),
        (
            errors.UvFailedError("uv lock --check", 2, "two\nlines"),
            3,
            "two\nlines\nerror[uv-failed]: uv failed with exit code 2; the command was: uv lock --check\n",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "a"),
            4,
            "error[machine]: No space left on device: a; free disk space, or choose another folder\n",
        ),
        (OSError(errno.EIO, "Input/output error"), 4, "error[machine]: Input/output error\n"),
    ],
)
def test_a_failure_is_said_in_one_line_and_has_its_exit_code(run, monkeypatch, failure, status, said):
    def fail(*_):
        raise failure

    monkeypatch.setattr("uv_layers.cli.plan.find_project", fail)
    assert run("plan") == (status, "", said)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_unwinds_and_ends_with_its_exit_code(run, monkeypatch, number, status):
    unwound = []

    def interrupted(*_):
        os.kill(os.getpid(), number)
        try:
            while True:
                with process.finishing():
                    time.sleep(0.01)
        finally:
            unwound.append(True)

    monkeypatch.setattr("uv_layers.cli.plan.find_project", interrupted)
    assert run("plan") == (status, "", "")
    assert unwound == [True]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_further_signals_change_nothing(run, monkeypatch, number):
    unwound = []

    def interrupted(*_):
        with process.finishing():
            for again in (number, signal.SIGINT, signal.SIGTERM):
                os.kill(os.getpid(), again)
                time.sleep(0.01)
            unwound.append(True)

    monkeypatch.setattr("uv_layers.cli.plan.find_project", interrupted)
    assert run("plan") == (128 + number, "", "")
    assert unwound == [True]


def _end_of(monkeypatch, command, grace, patience):
    """Interrupt a command that does not end by itself, and return the exit code that the program ends with at once."""
    monkeypatch.setattr(main, "_GRACE", grace)
    monkeypatch.setattr(main, "_PATIENCE", patience)
    statuses = []
    monkeypatch.setattr(os, "_exit", statuses.append)
    thread = threading.Thread(target=command, daemon=True)
    thread.start()
    main._end(thread, 130)  # noqa: SLF001 - to be told without the end of this process
    return statuses


def test_what_computes_on_after_a_signal_and_has_nothing_to_clear_away_is_not_waited_for(monkeypatch):
    go_on = threading.Event()
    assert _end_of(monkeypatch, lambda: go_on.wait(60), 0.05, 60) == [130]
    go_on.set()


def test_what_is_to_be_cleared_away_after_a_signal_is_waited_for_but_not_for_ever(monkeypatch):
    go_on, begun = threading.Event(), threading.Event()

    def command():
        with process.finishing():
            begun.set()
            go_on.wait(60)

    end = process.stop
    monkeypatch.setattr(process, "stop", lambda: (begun.wait(60), end()))
    assert _end_of(monkeypatch, command, 0.01, 0.1) == [130]
    monkeypatch.setattr(process, "_stops", 0)
    begun.clear()
    threading.Timer(0.3, go_on.set).start()
    assert _end_of(monkeypatch, command, 0.01, 60) == []


def test_an_error_of_the_program_itself_is_not_hidden(monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("uv_layers.cli.plan.find_project", fail)
    monkeypatch.setattr(sys, "argv", ["uv-layers", "plan"])
    with pytest.raises(ZeroDivisionError):
        main.main()


def test_on_a_terminal_the_table_has_the_width_of_it(run, asked, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _, out, _ = run("plan")
    assert max(map(len, out[: out.index("\nfor ")].splitlines())) <= 40
