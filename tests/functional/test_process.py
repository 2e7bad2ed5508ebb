from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import shellingham

from uv_layers.system import process

ECHO = "import sys\nfor line in sys.stdin:\n    print(line.strip()[::-1], flush=True)\n"


def _python(code):
    return [sys.executable, "-I", "-c", code]


def test_a_program_is_run_to_its_end_and_what_it_says_is_kept_apart():
    done = process.run(_python("import sys; print('é'); print('b', file=sys.stderr); sys.exit(3)"), env=os.environ)
    assert done == process.Finished(3, "é\n", "b\n")


def test_a_program_has_the_environment_and_the_folder_it_is_given_and_no_input(tmp_path):
    code = "import os, sys; print(sorted(set(os.environ) - {'LC_CTYPE'}), os.getcwd(), repr(sys.stdin.read()))"
    done = process.run(_python(code), env={"ONLY": "this"}, cwd=tmp_path)
    assert done.stdout == f"['ONLY'] {tmp_path.resolve()} ''\n"


def test_what_is_no_utf_8_is_replaced():
    done = process.run(_python("import sys; sys.stdout.buffer.write(b'a\\xffb')"), env=os.environ)
    assert done.stdout == "a\ufffdb"


def test_standard_error_can_be_shown_line_by_line_as_it_comes(tmp_path):
    # The program ends only when its first line was shown.
    seen = tmp_path / "seen"
    code = "import os, sys\nprint('a', file=sys.stderr, flush=True)\nwhile not os.path.exists(sys.argv[1]): pass\n"
    lines = []

    def show(line):
        lines.append(line)
        seen.touch()

    done = process.run([*_python(f"{code}sys.exit('b')"), str(seen)], env=os.environ, show=show)
    assert (done.status, done.stdout, done.stderr, lines) == (1, "", "a\nb\n", ["a\n", "b\n"])


def test_a_program_is_never_run_by_a_shell():
    done = process.run([*_python("import sys; print(sys.argv[1])"), "$(id); *"], env=os.environ)
    assert done.stdout == "$(id); *\n"


def test_a_signal_that_ends_a_program_is_a_negative_status():
    assert process.run(_python("import os; os.kill(os.getpid(), 9)"), env=os.environ).status == -9


def test_a_program_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        process.run([str(tmp_path / "gone")], env=os.environ)


def _time_out():
    """Run a program that takes too long; return the seconds that it got, and what was left open."""
    started = time.monotonic()
    with warnings.catch_warnings(record=True) as left_open:
        warnings.simplefilter("always", ResourceWarning)
        with pytest.raises(subprocess.TimeoutExpired):
            process.run(_python("import time; time.sleep(60)"), env=os.environ, timeout=0.2)
        gc.collect()
    return time.monotonic() - started, [str(warning.message) for warning in left_open]


def test_what_was_ended_is_known_to_be_though_nothing_is_being_stopped_any_more():
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(process.run, _python("import time; time.sleep(60)"), env=os.environ)
        while not process._running:  # noqa: SLF001 - it has begun
            time.sleep(0.01)
        with process._guard:  # noqa: SLF001 - it can look only when all is over
            for child in process._running:  # noqa: SLF001
                process._ended.add(child)  # noqa: SLF001
                child.kill()
        with pytest.raises(process.Stopped):
            running.result()


def test_the_processors_are_those_that_may_be_used(monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        assert process.cores() == len(os.sched_getaffinity(0))
        monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert process.cores() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert process.cores() == 1


@pytest.mark.parametrize("failure", [shellingham.ShellDetectionFailure(), RuntimeError(), TypeError()])
def test_a_shell_that_is_not_found_is_that_of_the_user(monkeypatch, failure):
    def fail():
        raise failure

    monkeypatch.setattr(shellingham, "detect_shell", fail)
    assert process.running_shell({"SHELL": "/bin/zsh"}) == "/bin/zsh"
    assert process.running_shell({}) == ""


def test_a_shell_that_is_found_is_its_name(monkeypatch):
    monkeypatch.setattr(shellingham, "detect_shell", lambda: ("fish", "/usr/bin/fish"))
    assert process.running_shell({"SHELL": "/bin/zsh"}) == "fish"


def test_a_program_that_takes_too_long_is_ended():
    assert _time_out()[0] < 30


def test_a_program_that_was_ended_leaves_no_pipe_open():
    assert _time_out()[1] == []


def _wait_for(path):
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_all_that_is_under_way_is_ended_and_nothing_else_is_started(tmp_path):
    code = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    with ThreadPoolExecutor(2) as pool:
        paths = [tmp_path / "a", tmp_path / "b"]
        running = [pool.submit(process.run, [*_python(code), str(path)], env=os.environ) for path in paths]
        for path in paths:
            _wait_for(path)
        with process.stopped():
            for future in running:
                with pytest.raises(process.Stopped):
                    future.result(30)
            with pytest.raises(process.Stopped):
                process.run(_python(""), env=os.environ)
            with pytest.raises(process.Stopped), process.finishing():
                pytest.fail("it was begun")
            with process.stopped():
                pass
            with pytest.raises(process.Stopped):
                process.run(_python(""), env=os.environ)
    assert process.run(_python(""), env=os.environ).status == 0


def _begin_and_fail():
    with process.finishing(), process.finishing(), process.stopped():
        assert process.unfinished()
        raise ValueError("end")


def test_what_is_begun_is_unfinished_to_its_end():
    assert not process.unfinished()
    with pytest.raises(ValueError, match="end"):
        _begin_and_fail()
    assert not process.unfinished()


def test_a_worker_answers_until_it_is_left(tmp_path):
    with process.worker(_python(ECHO), env=os.environ, cwd=tmp_path) as ask:
        answers = []
        for request in (b"abc\n", b"def\n"):
            ask.stdin.write(request)
            ask.stdin.flush()
            answers.append(ask.stdout.readline())
    assert answers == [b"cba\n", b"fed\n"]
    assert ask.stdin.closed
    assert ask.stdout.closed


def test_a_worker_ends_with_the_error_that_leaves_it(tmp_path):
    code = "import time; time.sleep(60)"
    started = time.monotonic()
    with pytest.raises(ValueError, match="left"), process.worker(_python(code), env=os.environ, cwd=tmp_path):
        raise ValueError("left")
    assert time.monotonic() - started < 30


def test_a_worker_that_has_ended_by_itself_is_no_error_when_it_is_left(tmp_path):
    with process.worker(_python(""), env=os.environ, cwd=tmp_path) as ask:
        assert ask.stdout.readline() == b""
        ask.stdin.write(b"never read\n")
    assert ask.stdout.closed


def test_a_worker_is_ended_with_the_others_and_none_is_started_after(tmp_path):
    with ExitStack() as until:
        until.enter_context(pytest.raises(process.Stopped))
        ask = until.enter_context(process.worker(_python(ECHO), env=os.environ, cwd=tmp_path))
        with process.stopped():
            assert ask.stdout.readline() == b""
            with pytest.raises(process.Stopped), process.worker(_python(""), env=os.environ, cwd=tmp_path):
                pytest.fail("it was started")


def _ask_until_stopped(tmp_path, until):
    with process.worker(_python(ECHO), env=os.environ, cwd=tmp_path) as ask:
        until.enter_context(process.stopped())
        assert ask.stdout.readline() == b""


def test_what_a_worker_said_before_it_was_ended_is_not_the_whole(tmp_path):
    with ExitStack() as until, pytest.raises(process.Stopped):
        _ask_until_stopped(tmp_path, until)


def _ask_what_has_ended(tmp_path):
    with process.worker(_python(""), env=os.environ, cwd=tmp_path) as ask:
        assert ask.stdout.readline() == b""
        while True:  # the pipe may be there for a moment longer
            ask.stdin.write(b"never read\n")
            ask.stdin.flush()


def test_a_worker_that_ended_before_it_was_asked_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ChildProcessError, match="ended early"):
        _ask_what_has_ended(tmp_path)
