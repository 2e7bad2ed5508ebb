"""Indexes without hashes: uv downloads a file to hash it, and is to do so once for an image."""

from __future__ import annotations

import tomli

PROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["web", "speed"]

[project.optional-dependencies]
more = ["extra-one"]

[dependency-groups]
heavy = ["vendor-core", "vendor-maths"]
docs = ["docs-only"]

[tool.uv]
default-groups = ["heavy"]
"""
FILES = ["extra_one", "shared", "speed", "vendor_core", "vendor_maths", "web"]
VARIABLES = {"UV_INDEX_HERE_USERNAME": "alice"}


def _downloaded(index):
    """Return the packages whose files were downloaded since the last call, one for each download."""
    found = sorted(path.rpartition("/")[2].split("-")[0] for path in index.asked if path.endswith(".whl"))
    index.asked.clear()
    return found


def test_a_plan_downloads_each_file_of_the_image_once_whatever_claims_it(project, run, index, cold):
    folder = project(PROJECT, url=index.bare_url)
    _downloaded(index)
    for words in (("plan",), ("export",), ("dockerfile", "--python", "3.12")):
        outcome = run(*words, "--extra", "more", cwd=folder, **cold())
        assert outcome.status == 0, outcome.stderr
        assert _downloaded(index) == ([] if words[0] == "dockerfile" else FILES)


def test_a_diff_downloads_the_files_of_the_old_image_and_of_the_new_one(project, run, index, git, cold):
    folder = project(PROJECT, url=index.bare_url)
    git(folder, "init", "--quiet")
    git(folder, "add", "pyproject.toml", "uv.lock")
    git(folder, "commit", "--quiet", "--message", "first")
    _downloaded(index)
    outcome = run("diff", "HEAD", "--extra", "more", cwd=folder, **cold())
    assert outcome.status == 0, outcome.stderr
    assert _downloaded(index) == sorted(FILES * 2)


def test_a_group_on_top_is_downloaded_with_the_image(project, run, index, cold):
    folder = project(PROJECT, url=index.bare_url)
    _downloaded(index)
    outcome = run("export", "docs", "--extra", "more", cwd=folder, **cold())
    assert outcome.status == 0, outcome.stderr
    assert _downloaded(index) == sorted([*FILES, "docs_only", "shared"])


def test_a_stage_installs_what_the_plan_has_hashed(project, run, index, cold, shelf):
    private = {**VARIABLES, "UV_INDEX_HERE_PASSWORD": shelf.password}
    folder = project(PROJECT, url=index.private_bare_url, locked=False)
    with_password = index.private_bare_url.replace("//", f"//alice:{shelf.password}@")
    folder.edit(index.private_bare_url, with_password)
    folder.lock()
    folder.edit(with_password, index.private_bare_url)
    refused = run("export", cwd=folder, **cold())
    assert refused.status == 3
    assert "401" in refused.stderr
    outcome = run("export", cwd=folder, **cold(), **private)
    assert outcome.status == 0, outcome.stderr
    tables = tomli.loads((folder / "pylock.heavy.toml").read_text(encoding="utf-8"))["packages"]
    assert [list(table["wheels"][0]["hashes"]) for table in tables] == [["sha256"], ["sha256"]]
    outcome = run("install", "--all", cwd=folder, **cold(), **private)
    assert outcome.status == 0, outcome.stderr
