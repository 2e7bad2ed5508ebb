# ruff: noqa: S605, S606 - that these start a process is the point
from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess

import pytest

ARGV = ["true"]


@pytest.mark.parametrize(
    "start",
    [
        lambda: subprocess.run(ARGV, check=False),
        lambda: subprocess.getoutput("true"),
        lambda: os.system("true"),
        lambda: os.popen("true"),
        lambda: os.posix_spawn("/bin/true", ARGV, {}),
        lambda: os.posix_spawnp("true", ARGV, {}),
        lambda: os.spawnv(os.P_WAIT, "/bin/true", ARGV),
        lambda: os.execv("/bin/true", ARGV),
        lambda: os.execvp("true", ARGV),
        lambda: os.fork(),  # noqa: PLW0108 - looked up within the test
        lambda: os.forkpty(),  # noqa: PLW0108
        lambda: asyncio.run(asyncio.create_subprocess_exec("true")),
        lambda: multiprocessing.get_context("fork").Process().start(),
    ],
)
def test_a_unit_test_starts_no_process(start):
    with pytest.raises(AssertionError, match="a unit test started a process"):
        start()
