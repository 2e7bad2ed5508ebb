"""A target interpreter that ends while it compiles, before it answers or in the middle of an answer."""

from __future__ import annotations

import pytest

CRASHES = {
    "at once": "kill -SEGV $$",
    "when it is asked": "read -r line; kill -SEGV $$",
    "in the middle of an answer": "read -r line; printf '\\x10\\0\\0\\0\\0\\0\\0\\0abc'; kill -SEGV $$",
    "between two answers": "read -r line; printf '\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff'; kill -SEGV $$",
}


@pytest.mark.parametrize("crash", CRASHES)
def test_an_interpreter_that_crashes_leaves_the_old_tree(stage, start, mark, run, cold, interpreter, layers_of, crash):
    layers, caches = layers_of(stage), cold()
    words = ("install", "heavy", "--python", interpreter.path)
    stage.lock("heavy", stage.wheel("one", files={"one.py": "X = 1\n"}))
    assert run(*words, cwd=stage, **caches).status == 0
    before = layers.digest(), layers.record()
    stage.lock("heavy", stage.wheel("one", "2.0", files={f"one/{number}.py": "X = 2\n" for number in range(50)}))
    interpreter.instead(CRASHES[crash])
    ended = start(*words, cwd=stage, **caches).end()
    assert (ended.status, ended.stdout) == (4, "")
    assert ended.error.startswith(f"error[compile-failed]: {interpreter.path} crashed while compiling /usr/local/lib/")
    assert ended.error.endswith("; skip bytecode with --compile none")
    assert mark.gone()
    assert (layers.digest(), layers.record()) == before
    assert layers.strays() == []
    interpreter.instead("false", when="-z x")
    assert run(*words, cwd=stage, **caches).status == 0
    assert layers.strays() == []
    assert run("verify", "heavy", "--python", interpreter.path, cwd=stage).status == 0
