"""A layer lock comes from elsewhere: its prefix is held to the same rule as a setting."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("prefix", "problem"),
    [
        ("/../../outside", "must not contain `.` or `..` between slashes"),
        ("/..", "must not contain `.` or `..` between slashes"),
        ("/usr/./local", "must not contain `.` or `..` between slashes"),
        ("usr", "must be an absolute path"),
        ("", "must be an absolute path"),
        ("/a\nb", "must be an absolute path"),
        (3, "must be an absolute path"),
        (["/usr"], "must be an absolute path"),
    ],
)
def test_a_prefix_that_leads_elsewhere_is_refused_and_nothing_is_written(stage, run, prefix, problem):
    lock = stage.lock("some", stage.wheel("pkg", files={"pkg.py": "X = 1\n"}), prefix=prefix)
    before = sorted(stage.path.parent.rglob("*"))
    for words in (("install", "some"), ("install", "--all"), ("verify", "some"), ("install", "some", "--prefix", "/a")):
        outcome = run(*words, cwd=stage)
        assert outcome.status == 2
        assert outcome.stdout == ""
        assert outcome.stderr.startswith(f"error[bad-config]: {lock}: tool.uv-layers.prefix: {problem}")
    assert sorted(stage.path.parent.rglob("*")) == before


@pytest.mark.parametrize("prefix", ["/", "/usr/local", "/app/.venv", "/a b/é"])
def test_any_other_is_where_the_packages_are(stage, run, prefix, site):
    stage.lock("some", stage.wheel("pkg", files={"pkg.py": "X = 1\n"}), prefix=prefix)
    assert run("install", "some", cwd=stage).status == 0
    assert (stage / f"layers/some{prefix}" / site / "pkg.py").is_file()
    assert run("verify", "some", cwd=stage).status == 0


@pytest.mark.parametrize("prefix", ["/app dir/.venv", f"/{'x' * 130}/.venv"], ids=["a space", "long"])
def test_a_script_of_an_interpreter_that_no_shebang_can_name_goes_by_way_of_the_shell(stage, run, prefix):
    stage.lock("some", stage.wheel("pkg", files={"{data}/scripts/run": "#!python\nprint()\n"}), prefix=prefix)
    assert run("install", "some", cwd=stage).status == 0
    script = (stage / f"layers/some{prefix}/bin/run").read_text(encoding="utf-8")
    assert script.startswith(f"#!/bin/sh\n'''exec' '{prefix}/bin/python' \"$0\" \"$@\"\n' '''\n")
