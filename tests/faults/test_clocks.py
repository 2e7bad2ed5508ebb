"""A clock that has not been set since 1970, and one that goes back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

# What programs are told of the time, less so many seconds; the disk goes by the system's own clock.
SHIM = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long back(void) { const char *text = getenv("SECONDS_BACK"); return text ? atol(text) : 0; }
int clock_gettime(clockid_t clock, struct timespec *out) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int status = real(clock, out);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) out->tv_sec -= back();
  return status;
}
time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
int gettimeofday(struct timeval *out, void *zone) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}
"""


@pytest.fixture
def in_1970(tmp_path):
    """Return an environment in which it is some minutes after the first second of 1970."""
    if sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("needs Linux and a C compiler")
    (tmp_path / "clock.c").write_text(SHIM, encoding="utf-8")
    library = tmp_path / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "clock.c", "-ldl"], check=True)
    now = int(subprocess.run(["date", "+%s"], check=True, capture_output=True, text=True).stdout)
    environ = {"LD_PRELOAD": str(library), "SECONDS_BACK": str(now - 600)}
    told = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"],
        env=os.environ | environ,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    if not 0 < float(told) < 86_400:
        pytest.skip(f"this Python is not told another time: {told}")
    return environ


PROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["web", "numbers", "tool"]
"""


def test_a_clock_in_1970_makes_the_same(project, start, run, cold, in_1970, layers_of):
    folder = project(PROJECT)
    assert run("install", "--all", cwd=folder, **cold()).status == 0
    layers = layers_of(folder)
    expected = layers.digest("dependencies")
    plan = run("plan", "--json", cwd=folder).stdout
    shutil.rmtree(folder / "layers")
    caches = cold() | in_1970
    for _ in ("cold", "warm"):
        ended = start("install", "--all", "--digest", cwd=folder, **caches).end()
        assert (ended.status, ended.stdout) == (0, "")
        assert layers.digest("dependencies") == expected
        shutil.rmtree(folder / "layers")
    assert start("plan", "--json", cwd=folder, **caches).end().stdout == plan
    assert start("export", cwd=folder, **caches).end().status == 0
    # Back in the present, with caches from the past.
    ended = start("install", "--all", cwd=folder, **caches | {"LD_PRELOAD": ""}).end()
    assert (ended.status, layers.digest("dependencies")) == (0, expected)
    assert start("verify", cwd=folder, **caches).end().status == 0
    assert layers.strays() == []


def test_a_clock_in_1970_prunes_nothing_that_was_used_since(stage, start, run, cold, in_1970):
    stage.lock("heavy", stage.wheel("one", files={"one.py": "X = 1\n"}))
    caches = cold()
    assert run("install", "heavy", cwd=stage, **caches).status == 0
    ended = start("cache", "prune", cwd=stage, **caches | in_1970).end()
    assert (ended.status, ended.stderr) == (0, "removed the bytecode of 0 wheels, 0 B\n")
