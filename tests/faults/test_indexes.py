"""An index that refuses, hangs, ends in the middle or sends another file: exit 3, uv's own words, and nothing new."""

from __future__ import annotations

import socket

import pytest

FAULTS = {
    "refuse": "Connection refused",
    "hang": "timed out",
    "truncate": "",
    "replace": "Hash mismatch",
}


@pytest.mark.parametrize("old", [False, True], ids=["no tree", "an old tree"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_does_not_come_as_it_is_locked_is_not_installed(
    stage, files, start, mark, run, cold, layers_of, fault, old
):
    layers, caches = layers_of(stage), cold()
    if old:
        stage.lock("heavy", stage.wheel("one", files={"one.py": "X = 1\n"}))
        assert run("install", "heavy", cwd=stage, **caches).status == 0
    before = layers.digest(), layers.record()
    files.other = stage.wheel("one", "2.0", files={"one.py": "X = 'of somebody else'\n"}).read_bytes()
    lock = stage.lock("heavy", stage.wheel("one", "2.0", files={"one.py": "X = 2\n" * 10_000}))
    files.serve(lock)
    good = lock.read_text(encoding="utf-8")
    if fault == "refuse":
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            port = nobody.getsockname()[1]
        lock.write_text(good.replace(files.url, f"http://127.0.0.1:{port}"), encoding="utf-8")
    else:
        files.fault = fault
    ended = start("install", "heavy", cwd=stage, UV_HTTP_TIMEOUT="1", **caches).end()
    assert (ended.status, ended.stdout) == (3, "")
    assert ended.error.startswith("error[uv-failed]: uv failed with exit code ")
    assert "pip install" in ended.error
    assert FAULTS[fault].lower() in ended.stderr.lower()
    assert "one==2.0" in ended.stderr
    assert mark.gone()
    assert (layers.digest(), layers.record()) == before
    assert layers.strays() == []
    files.fault = ""
    files.released.set()
    lock.write_text(good, encoding="utf-8")
    assert run("install", "heavy", cwd=stage, **caches).status == 0
    assert (layers.digest() is not None, layers.digest() != before[0]) == (True, True)
    assert run("verify", "heavy", cwd=stage).status == 0
    assert layers.strays() == []
