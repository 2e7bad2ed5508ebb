"""Files have the time of the release that they are from, which the lock gives."""

from __future__ import annotations

from datetime import datetime

import pytest

PROJECT = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["web", "source", "speed", "for-arm"]
"""
DEFAULT = 315532800  # 1980-01-01, in seconds


@pytest.fixture
def uploaded(index):
    """Return the upload time of each package, in even seconds."""
    moments = {name: datetime.fromisoformat(text.replace("Z", "+00:00")) for name, text in index.uploaded.items()}
    return {name: int(moment.timestamp()) // 2 * 2 for name, moment in moments.items()}


def _times(tree, site):
    """Return the time of each file below the site folder, by package, and the times of all folders."""
    files, folders = {}, set()
    for path in tree.rglob("*"):
        if path.is_dir():
            folders.add(path.stat().st_mtime)
        else:
            name = path.relative_to(tree / "usr/local" / site).parts[0].partition("-")[0].removesuffix(".py")
            name = name.replace("__pycache__", path.name.partition(".")[0])
            files.setdefault(name, set()).add(path.stat().st_mtime)
    return files, folders


@pytest.fixture
def folder(project):
    return project(PROJECT)


def test_each_file_has_the_upload_time_of_the_wheel_or_source_distribution_it_is_from(folder, run, site, uploaded):
    assert run("install", "--all", cwd=folder).status == 0
    [tree] = (path for path in (folder / "layers").iterdir() if path.is_dir() and path.name[0] != ".")
    files, folders = _times(tree, site)
    known = {name: {seconds} for name, seconds in uploaded.items()}
    assert files == known | {"speed": {DEFAULT}, "for_arm": {DEFAULT}}
    assert folders == {DEFAULT}
    assert run("verify", cwd=folder).status == 0


def test_no_file_is_newer_than_source_date_epoch(folder, run, site, uploaded):
    latest = uploaded["source"]
    assert run("install", "--all", cwd=folder, SOURCE_DATE_EPOCH=str(latest + 1)).status == 0
    [tree] = (path for path in (folder / "layers").iterdir() if path.is_dir() and path.name[0] != ".")
    files, _ = _times(tree, site)
    assert files["web"] == {uploaded["web"]}
    assert files["shared"] == files["source"] == {latest}
    # The limit is recorded: without the variable the tree is still what was built.
    assert run("verify", cwd=folder).status == 0


def test_source_date_epoch_before_1980_holds_for_folders_too(stage, run, site):
    stage.lock("some", stage.wheel("pkg"))
    assert run("install", "some", cwd=stage, SOURCE_DATE_EPOCH="1001").status == 0
    assert {path.stat().st_mtime for path in (stage / "layers/some").rglob("*")} == {1000}


def test_another_limit_builds_the_tree_again(folder, run):
    run("install", "--all", cwd=folder)
    assert "up to date" not in run("install", "--all", cwd=folder, SOURCE_DATE_EPOCH="1600000000").stderr


def test_the_time_is_in_the_layer_lock_and_the_tree_is_a_function_of_it(folder, run, tmp_path, cold):
    [layer] = run("plan", "--json", cwd=folder).layers
    assert run("export", "-o", tmp_path / "locks", cwd=folder).status == 0
    digests = set()
    for place in (folder.path, tmp_path / "locks"):
        trees = run("install", layer, "--digest", "--json", cwd=place, **cold()).result["layers"]
        digests |= {tree["digest"] for tree in trees}
    assert len(digests) == 1


def test_two_releases_of_a_file_of_one_size_differ_in_time_and_so_in_what_a_server_says_of_them(stage, run, site):
    seen = []
    for version, uploaded in (("1.0", datetime(2024, 1, 1)), ("1.1", datetime(2024, 2, 1))):  # noqa: DTZ001 - PEP 751: UTC
        wheel = stage.wheel("pkg", version, files={"static/app.css": f"/* {version} */"})
        stage.lock("some", wheel, uploaded={"pkg": uploaded})
        assert run("install", "some", cwd=stage).status == 0
        status = (stage / "layers/some/usr/local" / site / "static/app.css").stat()
        seen.append((status.st_size, status.st_mtime))
    (size, first), (other, second) = seen
    assert (size, first < second) == (other, True)


def test_diff_says_that_only_times_changed(stage, run, tmp_path):
    wheel = stage.wheel("pkg")
    stage.lock("some", wheel)
    other = stage.copy("other")
    other.lock("some", wheel, uploaded={"pkg": datetime(2024, 1, 1)})  # noqa: DTZ001
    changed = run("diff", stage.path, other.path, "--json", cwd=tmp_path).result["layers"]
    assert [change["kind"] for layer in changed for change in layer["changes"]] == ["retimed"]
    assert "pkg 1.0 (new upload time)" in run("diff", stage.path, other.path, cwd=tmp_path).stdout
    assert run("diff", stage.path, stage.path, "--exit-code", cwd=tmp_path).status == 0
