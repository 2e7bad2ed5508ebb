"""benchmarks/replay.py on a history that is made here, and on the shared ones where they are."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = sorted((ROOT.parent / "shared" / "histories").glob("*.json.gz"))
KEYS = {"repo", "revisions", "packages", "layers", "learned", "updates", "score", "floor", "expected", "seconds"}


def replay(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, ROOT / "benchmarks" / "replay.py", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture
def history(tmp_path):
    """A heavy and a light package, of which the light one changes; another comes, and one that is not installed."""

    def light(version: int) -> dict[str, object]:
        return {"chg": {"light": [str(version), 10]}}

    first = {"full": {"heavy": ["1", None, "s"], "light": ["1", 10]}, "inst": ["heavy", "light"]}
    revisions = [
        first,
        light(2),
        light(3),
        light(4),
        {"chg": {"new": ["1", 100]}, "inst_add": ["new"]},
        {"chg": {"unused": ["1", 5000]}},
        light(5),
        {"chg": {}, "rm": ["new"], "inst_rm": ["new"]},
    ]
    path = tmp_path / "history.json.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        json.dump({"repo": "some/repo", "size_est": {"heavy==1": 890}, "revisions": revisions}, file)
    return path


def test_the_score_is_the_mean_of_what_the_updates_pull(history, tmp_path):
    done = replay(history, "--budget", "2", "--json", "--layers", tmp_path / "layers.json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    (project,) = summary["projects"]
    assert set(summary) == {"budget", "mean", "median", "projects"}
    assert set(project) == KEYS
    layers = json.loads((tmp_path / "layers.json").read_text(encoding="utf-8"))
    assert layers == {"some/repo": [["heavy"], ["light"]]}
    # The new package is in the top layer: 110 of 1,000 twice, then 10 of 900. What is not installed does not count.
    assert project["score"] == pytest.approx((0.11 + 0.11 + 10 / 900) / 3)
    assert project["floor"] == pytest.approx((0.1 + 0.01 + 0) / 3)
    assert (project["revisions"], project["learned"], project["updates"]) == (8, 3, 3)
    assert summary["mean"] == summary["median"] == project["score"]


def test_one_layer_pulls_all_and_the_starting_point_can_be_asked_for(history):
    one = json.loads(replay(history, "--budget", "1", "--json").stdout)
    assert one["mean"] == pytest.approx(1)
    assert json.loads(replay(history, "--budget", "2", "--greedy", "--json").stdout)["mean"] < 0.1


def test_a_client_that_pulls_rarely_and_another_split(history):
    rare = json.loads(replay(history, "--budget", "2", "--json", "--every", "2").stdout)
    assert rare["projects"][0]["updates"] == 2
    late = json.loads(replay(history, "--budget", "2", "--json", "--split", "0.75").stdout)
    assert late["projects"][0]["learned"] == 4


def test_the_table_has_a_line_for_each_project(history):
    lines = replay(history).stdout.splitlines()
    assert lines[0].split() == ["project", "updates", "layers", "score", "floor", "expected"]
    assert lines[1].split()[:3] == ["some/repo", "3", "2"]
    assert lines[2].startswith("mean 0.0")


def test_a_split_that_leaves_nothing_is_refused(history):
    assert replay(history, "--split", "1").returncode == 2


@pytest.mark.skipif(not SHARED, reason="there are no shared histories here")
def test_the_shared_histories_can_be_read():
    smallest = min(SHARED, key=lambda path: path.stat().st_size)
    done = replay(smallest, "--budget", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["projects"][0]) == KEYS
