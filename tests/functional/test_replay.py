"""benchmarks/replay.py and the drawing of it, on a history that is made here, and on the shared ones where they are."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
SHARED = sorted((ROOT.parent / "shared" / "histories").glob("*.json.gz"))
KEYS = {"repo", "revisions", "packages", "layers", "learned", "updates", "score", "floor", "expected", "seconds"}


def replay(*arguments: str | Path, script: str = "replay.py") -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, ROOT / "benchmarks" / script, *arguments]
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
    return written(tmp_path / "history.json.gz", revisions)


def written(path, revisions):
    with gzip.open(path, "wt", encoding="utf-8") as file:
        json.dump({"repo": "some/repo", "size_est": {"heavy==1": 890}, "revisions": revisions}, file)
    return path


def test_the_score_is_the_mean_of_what_the_updates_pull(history, tmp_path):
    done = replay(history, "--budget", "2", "--json", "--layers", tmp_path / "layers.json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    (project,) = summary["projects"]
    assert set(summary) == {"budget", "greedy", "mean", "median", "projects"}
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


def test_what_suggest_learns_from_is_the_lock_and_the_packages_of_the_image_of_the_choice(history, tmp_path):
    assert replay(history, "--as-suggest", "--layers", tmp_path / "as.json").returncode == 0
    assert replay(history, "--layers", tmp_path / "is.json").returncode == 0
    assert (tmp_path / "as.json").read_text() == (tmp_path / "is.json").read_text()
    # The lock has `late` before the image has it, and what left the image before the choice is not looked at.
    revisions = [
        {"full": {"late": ["1", 1], "early": ["1", 1]}, "inst": ["early"]},
        {"chg": {"late": ["2", 1]}},
        {"chg": {"late": ["3", 1]}},
        {"chg": {}, "inst_add": ["late"], "inst_rm": ["early"]},
        {"chg": {"late": ["4", 1]}},
    ]
    path = written(tmp_path / "late.json.gz", revisions)
    models = [
        json.loads(replay(path, "--split", split, "--json", *words).stdout)["projects"][0]["learned"]
        for split in ("0.5", "0.9")
        for words in ((), ("--as-suggest",))
    ]
    assert models == [0, 0, 1, 2]


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


def test_a_drawing_has_a_panel_for_each_budget_and_a_row_for_each_project(history, tmp_path):
    files = []
    for number, words in enumerate([("1",), ("1", "--greedy"), ("2", "--greedy"), ("2",)]):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(replay(history, "--json", "--budget", *words).stdout, encoding="utf-8")
    done = replay(*files, script="plot_replay.py")
    assert done.returncode == 0, done.stderr
    image = ET.fromstring(done.stdout)  # noqa: S314 - it was made here
    space = "{http://www.w3.org/2000/svg}"
    words = [text.text for text in image.iter(f"{space}text")]
    assert [word for word in words if " layer" in word] == ["1 layer", "2 layers"]
    assert words.count("some/repo") == words.count("mean") == 1
    marks = [circle for circle in image.iter(f"{space}circle") if circle.get("class") == "ours"]
    assert len(marks) == 1 + 2 * 2  # the legend's, then two panels of two rows
    assert replay(files[0], script="plot_replay.py").returncode == 1
    assert replay(*files, script="plot_replay.py").stdout == done.stdout


@pytest.mark.skipif(not SHARED, reason="there are no shared histories here")
def test_the_shared_histories_can_be_read():
    smallest = min(SHARED, key=lambda path: path.stat().st_size)
    done = replay(smallest, "--budget", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["projects"][0]) == KEYS
