"""`uv-layers suggest`: layers from sizes and from the history of the lock, and what is written of them."""

from __future__ import annotations

import json
import os
import re
import shutil

import pytest
from support import commit

from uv_layers.project import discovery

ONLY_SIZES = "the layers are based only on sizes: "
HEAD = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
"""
APP = f"""\
{HEAD}dependencies = ["web==1.0", "vendor-maths", "speed"]

[dependency-groups]
heavy = ["numbers==1.0"]
docs = ["docs-only"]

[tool.uv]
default-groups = ["heavy"]
"""
IMAGE = ["numbers", "shared", "speed", "vendor-core", "vendor-maths", "web"]


def layers(outcome):
    """Return the packages by layer, bottom to top, by `suggest --json`."""
    assert outcome.status == 0, outcome.stderr
    return {layer["name"]: sorted(layer["packages"]) for layer in outcome.result["layers"]}


def planned(outcome):
    """Return the same by `plan --json`."""
    assert outcome.status == 0, outcome.stderr
    return {layer: sorted(packages) for layer, packages in outcome.layers.items()}


@pytest.fixture
def app(project, git):
    """Return a project in a repository, with one commit."""
    folder = project(APP)
    git(folder, "init", "-q")
    commit(git, folder)
    return folder


@pytest.fixture
def busy(app, git):
    """Return the same with six commits more, in all of which `web` goes from one version to the other."""
    texts = [[(app / name).read_text() for name in ("pyproject.toml", "uv.lock")]]
    app.edit("web==1.0", "web==1.1")
    app.lock()
    texts.append([(app / name).read_text() for name in ("pyproject.toml", "uv.lock")])
    for number in range(1, 7):
        for name, text in zip(("pyproject.toml", "uv.lock"), texts[number % 2], strict=True):
            (app / name).write_text(text)
        commit(git, app)
    return app


def suggest(run, folder, *words):
    return run("suggest", "--json", *words, cwd=folder)


# What is learned


def test_what_changes_is_apart_from_what_does_not(busy, run):
    found = suggest(run, busy, "--budget", "2")
    assert sorted(layers(found).values(), key=len) == [["web"], sorted({*IMAGE} - {"web"})]
    assert {tuple(layer["packages"]): layer["changes"] for layer in found.result["layers"]}[("web",)] == 6
    assert found.result["history"] == {"revisions": 7, "unreadable": 0, "updates": 6}
    expected = found.result["expected_bytes"]
    assert expected["floor"] < expected["proposed"] < expected["today"] < expected["one_layer"]
    assert expected["one_layer"] == sum(layer["bytes"] for layer in found.result["layers"])
    assert suggest(run, busy, "--budget", "2").stdout == found.stdout


@pytest.mark.parametrize(("words", "count"), [((), 6), (("--budget", "1"), 1), (("--budget", "3"), 3)])
def test_the_budget_is_of_layers(busy, run, words, count):
    found = layers(suggest(run, busy, *words))
    assert len(found) == count
    assert sorted(name for packages in found.values() for name in packages) == IMAGE


def test_a_lock_that_was_renamed_is_followed(busy, git, run):
    (busy / "server").mkdir()
    for name in ("pyproject.toml", "uv.lock"):
        git(busy, "mv", name, f"server/{name}")
    git(busy, "commit", "-q", "-m", "moved")
    found = suggest(run, busy / "server", "--budget", "2")
    assert found.result["history"] == {"revisions": 8, "unreadable": 0, "updates": 6}


def test_a_revision_that_is_no_lock_is_counted(busy, git, run):
    text = (busy / "uv.lock").read_text()
    for spoiled in (b"<<<<<<< HEAD\n", b"\xff\xfe"):
        (busy / "uv.lock").write_bytes(spoiled)
        commit(git, busy)
    (busy / "uv.lock").write_text(text)
    commit(git, busy)
    found = suggest(run, busy)
    assert found.result["history"] == {"revisions": 10, "unreadable": 2, "updates": 6}
    assert "6 updates of the image in 10 revisions of uv.lock (2 of them unreadable)" in run("suggest", cwd=busy).stdout


def test_a_package_that_is_gone_is_in_no_layer_and_one_that_came_has_changed(busy, git, run):
    busy.edit('"speed"', '"helper"')
    busy.lock()
    commit(git, busy)
    found = suggest(run, busy)
    changes = {layer["packages"][0]: layer["changes"] for layer in found.result["layers"]}
    assert (changes["helper"], changes["web"], changes["numbers"]) == (1, 6, 0)
    assert "speed" not in changes


def test_what_the_image_has_not_does_not_count(app, git, run):
    app.edit('"docs-only"', '"tests-only"')
    app.lock()
    commit(git, app)
    found = suggest(run, app)
    assert found.result["history"] == {"revisions": 2, "unreadable": 0, "updates": 0}
    assert found.stderr == f"hint: {ONLY_SIZES}no revision of uv.lock changed a package in the image\n"


@pytest.mark.parametrize(
    ("words", "revisions", "updates"),
    [
        (("--max-revisions", "3"), 3, 2),
        (("--max-revisions", "1"), 1, 0),
        (("--max-revisions", "99"), 7, 6),
        (("--since", "2000-01-01"), 7, 6),
        (("--since", "2100-01-01"), 0, 0),
    ],
    ids=["three", "one", "more than there are", "since long ago", "since tomorrow"],
)
def test_the_history_may_be_limited(busy, run, words, revisions, updates):
    found = suggest(run, busy, *words)
    assert found.result["history"] == {"revisions": revisions, "unreadable": 0, "updates": updates}
    why = "no revision of uv.lock changed a package in the image"
    if not revisions:
        why = f"git has no revision of uv.lock since {words[1]}"
    assert found.result["hints"] == ([] if updates else [f"{ONLY_SIZES}{why}"])


def test_since_is_a_date_of_git(busy, git, run):
    third = git(busy, "show", "-s", "--format=%cI", "HEAD~2")
    assert suggest(run, busy, "--since", third).result["history"]["revisions"] == 3


def test_the_options_that_choose_the_image_choose_what_is_laid(busy, run):
    found = layers(suggest(run, busy, "--group", "docs", "--no-group", "heavy"))
    image = [name for packages in found.values() for name in packages]
    assert sorted(image) == sorted({*IMAGE, "docs-only"} - {"numbers"})


# Without a history


def test_a_folder_in_no_repository_is_laid_by_sizes(project, git, run):
    found = suggest(run, project(APP))
    assert found.stderr.startswith(f"hint: {ONLY_SIZES}git rev-parse failed: fatal: not a git repository")
    assert found.result["history"] == {"revisions": 0, "unreadable": 0, "updates": 0}
    assert sorted(name for packages in layers(found).values() for name in packages) == IMAGE


def test_without_git_it_says_so(project, run, tmp_path):
    found = suggest(run, project(APP), "--frozen", "--platform", "linux/amd64")
    assert found.status == 0
    (tmp_path / "bin").mkdir()
    found = run("suggest", cwd=tmp_path / "app", PATH=str(tmp_path / "bin"))
    assert (found.status, found.stderr) == (
        0,
        f"hint: {ONLY_SIZES}cannot run git (No such file or directory); install it\n",
    )
    assert "based on 0 updates of the image in 0 revisions of uv.lock" in found.stdout


@pytest.mark.parametrize("committed", [False, True], ids=["no commit", "another file's"])
def test_a_lock_that_is_in_no_commit(project, git, run, committed):
    folder = project(APP)
    git(folder, "init", "-q")
    if committed:
        git(folder, "add", "pyproject.toml")
        git(folder, "commit", "-q", "-m", "a message")
    why = "git has no revision of uv.lock" if committed else "git log failed: fatal: your current branch 'main' does"
    assert suggest(run, folder).stderr.startswith(f"hint: {ONLY_SIZES}{why}")


@pytest.mark.parametrize(("depth", "updates"), [(1, 0), (3, 2)])
def test_a_shallow_clone_says_that_it_is_one(busy, git, run, tmp_path, depth, updates):
    git(tmp_path, "clone", "-q", "--depth", str(depth), busy.path.as_uri(), "clone")
    found = suggest(run, tmp_path / "clone")
    assert found.result["history"]["updates"] == updates
    alone = "" if updates else ONLY_SIZES
    assert found.stderr == (
        f"hint: {alone}the history is incomplete, because this clone is shallow; run `git fetch --unshallow`\n"
    )


def test_a_project_without_packages_is_an_error(project, run):
    found = run("suggest", cwd=project(f"{HEAD}dependencies = []\n"))
    assert (found.status, found.stdout) == (2, "")
    assert found.stderr.startswith("error[no-layers]: ")
    nothing = project(f"{HEAD}dependencies = [\"for-windows; sys_platform == 'win32'\"]\n", name="windows")
    assert run("suggest", "--platform", "linux/amd64", cwd=nothing).stderr.startswith("error[no-layers]: ")


@pytest.mark.parametrize("words", [("--budget", "0"), ("--budget", "101"), ("--max-revisions", "0"), ("what",)])
def test_wrong_words_are_refused(app, run, words):
    assert run("suggest", *words, cwd=app).status == 2


# What is written


def test_nothing_is_written_unless_asked_for(busy, git, run):
    assert suggest(run, busy).result["written"] is None
    assert git(busy, "status", "--porcelain") == ""


def test_a_file_that_is_a_link_stays_one(busy, run):
    (busy / "shared").mkdir()
    (busy / "shared/layers.toml").write_text('prefix = "/opt"\n')
    (busy / "uv-layers.toml").symlink_to("shared/layers.toml")
    assert suggest(run, busy, "--write").status == 0
    assert (busy / "uv-layers.toml").is_symlink()
    assert (busy / "shared/layers.toml").read_text().startswith("layers = [")


def test_what_is_written_is_what_was_proposed(busy, run):
    found = suggest(run, busy, "--budget", "3", "--write")
    assert found.result["written"] == str(busy / "uv-layers.toml")
    assert found.stderr == f"{busy / 'uv-layers.toml'}: written\n"
    made = planned(run("plan", "--json", cwd=busy))
    assert list(made.items()) == list(layers(found).items())
    # Where nothing is configured, the groups that are in the image are so by `default-groups`.
    assert not any(layer["claims"]["groups"] for layer in found.result["layers"])
    again = suggest(run, busy, "--budget", "3")
    assert layers(again) == layers(found)
    assert again.result["expected_bytes"]["today"] == found.result["expected_bytes"]["proposed"]
    assert again.result["bytes_once"] == 0


FILES = {
    "only a prefix": '# ours\nprefix = "/opt"  # not the usual one\n',
    "layers": 'layers = [{ name = "all", dependencies = true }]\n# ours\nprefix = "/opt"\n',
    "layers on many lines": '# ours\nprefix = "/opt"\nlayers = [\n  { name = "a" },\n  # ]\n]\n',
}


@pytest.mark.parametrize("text", FILES)
@pytest.mark.parametrize("name", ["uv-layers.toml", "gpu.toml"])
def test_a_file_that_is_there_keeps_what_else_it_has(busy, run, name, text):
    (busy / name).write_text(FILES[text])
    words = () if name == "uv-layers.toml" else ("--config", name)
    found = suggest(run, busy, "--budget", "2", "--write", *words)
    assert found.result["written"] == str(name if words else busy / name)
    assert list(planned(run("plan", "--json", *words, cwd=busy)).items()) == list(layers(found).items())
    written = (busy / name).read_text()
    assert "# ours\n" in written
    assert discovery.load_project(busy.path, busy / name).config.prefix == "/opt"
    assert (busy / "uv-layers.toml").exists() == (not words)


def test_tables_of_layers_are_replaced_too(busy, run):
    (busy / "uv-layers.toml").write_text('[[layers]]\nname = "all"\ndependencies = true\n')
    found = suggest(run, busy, "--budget", "2", "--write")
    assert list(planned(run("plan", "--json", cwd=busy)).items()) == list(layers(found).items())


def test_the_file_wins_over_the_pyproject_and_has_its_prefix(busy, run):
    table = '[tool.uv-layers]\nprefix = "/opt"\nlayers = [{ name = "all", groups = ["docs"], dependencies = true }]\n'
    busy.edit("[tool.uv]\n", f"{table}[tool.uv]\n")
    found = suggest(run, busy, "--budget", "2", "--write")
    why = "[tool.uv-layers] in pyproject.toml has no effect; remove that table's keys (layers, prefix)"
    hint = f"hint: uv-layers.toml wins: {why}\n"
    assert found.stderr == f"{busy / 'uv-layers.toml'}: written\n{hint}"
    made = run("plan", "--json", cwd=busy)
    assert made.result["prefix"] == "/opt"
    assert list(planned(made).items()) == list(layers(found).items())
    # Every command says so, each time, until the table is gone.
    for words in (["suggest"], ["plan"], ["export"], ["install", "--all"], ["install", "--all"], ["dockerfile"]):
        assert run(*words, cwd=busy).stderr.count(hint) == 1, words
    busy.edit(table, "")
    assert "has no effect" not in run("plan", cwd=busy).stderr


@pytest.mark.parametrize("name", ["project", "rest", "web"])
def test_the_project_stays_in_the_image(busy, run, name):
    """The layer of the project is written too, and its name is not that of another layer."""
    configured = f'layers = [{{ name = "all" }}, {{ name = "{name}", project = true }}]\n'
    busy.edit(
        "[tool.uv]\n",
        '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
        f"[tool.uv-layers]\n{configured * (name != 'project')}[tool.uv]\n",
    )
    busy.lock()
    found = suggest(run, busy, "--budget", "4", "--write")
    made = planned(run("plan", "--json", cwd=busy))
    assert list(made.items()) == [*layers(found).items(), (name, ["app"])]


def test_without_the_project_none_is_written(busy, run):
    busy.edit("[tool.uv]\n", '[build-system]\nrequires = []\nbuild-backend = "own"\n[tool.uv]\n')
    busy.lock()
    found = suggest(run, busy, "--write", "--no-install-project")
    assert list(planned(run("plan", "--json", cwd=busy)).items()) == list(layers(found).items())


def test_a_table_that_does_not_count_may_have_anything_in_it(busy, run):
    (busy / "uv-layers.toml").write_text("")
    for table in ("[tool.uv-layers]\nlayers = 3\n", "[tool]\nuv-layers = 3\n"):
        busy.edit("[tool.uv]\n", f"{table}[tool.uv]\n")
        assert run("plan", cwd=busy).status == 0
        busy.edit(table, "")


@pytest.mark.parametrize("budget", ["1", "2", "10"])
@pytest.mark.parametrize("keep", [(), ("--keep",)], ids=["new", "keep"])
@pytest.mark.parametrize(
    "words", [("--group", "docs"), ("--extra", "fast"), ("--all-groups", "--all-extras")], ids=" ".join
)
def test_what_options_choose_is_written_too(busy, run, words, keep, budget):
    extras = '[project.optional-dependencies]\nfast = ["extra-one"]\nmore = ["extra-two"]\n\n'
    busy.edit("[dependency-groups]\n", f"{extras}[dependency-groups]\n")
    busy.lock()
    found = layers(suggest(run, busy, "--budget", budget, "--write", *words, *keep))
    for options in ((), words):
        plan = run("plan", "--json", cwd=busy)
        assert planned(plan) == found, options
        assert not [hint for hint in plan.result["hints"] if "matches no package" in hint]
    assert set(IMAGE) < {name for packages in found.values() for name in packages}


def test_layers_that_are_there_get_what_options_choose(busy, run):
    (busy / "uv-layers.toml").write_text("layers = [{ name = 'rest', dependencies = true }]\n")
    found = layers(suggest(run, busy, "--group", "docs", "--write", "--keep"))
    assert planned(run("plan", "--json", cwd=busy)) == found


def test_options_that_the_file_cannot_say_are_named(busy, run):
    words = ("--no-default-groups", "--no-group", "docs", "--no-install-package", "speed", "--all-packages")
    hint = "uv-layers.toml cannot store --all-packages --no-default-groups --no-group docs --no-install-package speed;"
    assert f"hint: {hint} pass these options to other commands, too\n" in suggest(run, busy, "--write", *words).stderr
    assert "cannot store" not in suggest(run, busy, *words).stderr
    assert "cannot store" not in suggest(run, busy, "--write", "--package", "app").stderr
    assert "cannot store" in suggest(run, busy, "--write", "--package", "app", "--package", "numbers").stderr


@pytest.mark.parametrize("words", [(), ("--keep",)], ids=["new", "keep"])
def test_groups_and_extras_that_only_a_layer_named_stay_in_the_image(busy, run, words):
    busy.edit(
        "[dependency-groups]\n",
        '[project.optional-dependencies]\nfast = ["web[fast]", "extra-one"]\n\n[dependency-groups]\n',
    )
    busy.lock()
    (busy / "uv-layers.toml").write_text(
        "layers = [{ name = 'docs', groups = ['docs'] }, { name = 'rest', extras = ['fast'], dependencies = true }]\n"
    )
    before = planned(run("plan", "--json", cwd=busy))
    found = suggest(run, busy, "--budget", "1", "--write", *words)
    [layer] = found.result["layers"]
    assert (layer["claims"]["groups"], layer["claims"]["extras"]) == (["docs"], ["fast"])
    assert {"docs-only", "extra-one"} < set(layer["packages"])
    [after] = planned(run("plan", "--json", cwd=busy)).values()
    assert after == sorted(name for packages in before.values() for name in packages)


def test_a_group_that_is_shut_for_now_stays_in_the_file(busy, run):
    (busy / "uv-layers.toml").write_text(
        "layers = [{ name = 'low', groups = ['docs'] }, { name = 'rest', dependencies = true }]\n"
    )
    for words in ((), ("--keep",)):
        found = suggest(run, busy, "--budget", "2", "--no-group", "docs", "--write", *words)
        assert "docs-only" not in {name for packages in layers(found).values() for name in packages}
        assert "docs-only" in {name for ps in planned(run("plan", "--json", cwd=busy)).values() for name in ps}


def test_a_family_that_moves_together_is_written_as_a_pattern(project, git, run):
    with_family, without = ('"vendor-maths", "vendor-more"', '"speed"')
    folder = project(f'{HEAD}dependencies = ["web", {with_family}]\n')
    git(folder, "init", "-q")
    commit(git, folder)
    for _ in range(2):
        for old, new in ((with_family, without), (without, with_family)):
            folder.edit(old, new)
            folder.lock()
            commit(git, folder)
    found = suggest(run, folder, "--budget", "2", "--write")
    assert {frozenset(packages) for packages in layers(found).values()} == {
        frozenset({"shared", "web"}),
        frozenset({"vendor-core", "vendor-maths", "vendor-more"}),
    }
    assert '{ name = "vendor", packages = ["vendor-*"] },\n' in (folder / "uv-layers.toml").read_text()


# With --keep


def test_keep_twice_is_the_same(busy, run):
    first = suggest(run, busy, "--keep", "--budget", "4", "--write")
    second = suggest(run, busy, "--keep", "--budget", "4", "--write")
    assert layers(second) == layers(first)
    assert (second.result["moves"], second.result["bytes_once"]) == ([], 0)
    assert second.result["layers"] == first.result["layers"]
    assert suggest(run, busy, "--keep", "--budget", "4").result["layers"] == first.result["layers"]


def test_keep_moves_what_pays_and_says_what_that_costs(busy, run):
    (busy / "uv-layers.toml").write_text(
        "layers = [{ name = 'low', packages = ['web', 'numbers'] }, { name = 'rest', dependencies = true }]\n"
    )
    found = suggest(run, busy, "--keep", "--budget", "3")
    assert (list(layers(found)), layers(found)["low"]) == (["low", "numbers", "rest"], ["web"])
    assert found.result["moves"] == [{"package": "numbers", "from": "low", "to": "numbers"}]
    assert found.result["layers"][2]["claims"]["dependencies"] is True
    # These two have other members than before; the third does not pay.
    once = sum(layer["bytes"] for layer in found.result["layers"][:2])
    assert found.result["bytes_once"] == once
    lines = run("suggest", "--keep", "--budget", "3", cwd=busy).stdout.splitlines()
    assert ["numbers", "low", "numbers"] in [line.split() for line in lines]
    assert lines[-1].endswith(f"; switching to these layers costs one pull of {once / 1000:.1f} kB")
    assert list(layers(suggest(run, busy, "--keep", "--budget", "2"))) == ["low", "rest"]


def test_keep_leaves_layers_that_are_good(busy, run):
    (busy / "uv-layers.toml").write_text(
        "layers = [{ name = 'often', packages = ['w*'] }, { name = 'rest', dependencies = true }]\n"
    )
    found = suggest(run, busy, "--keep", "--budget", "2")
    assert layers(found) == {"often": ["web"], "rest": sorted({*IMAGE} - {"web"})}
    assert [layer["claims"]["packages"] for layer in found.result["layers"]] == [["w*"], []]
    assert (found.result["moves"], found.result["bytes_once"]) == ([], 0)


# What is printed


def test_the_table_has_the_layers_and_what_an_update_pulls(busy, run):
    found = run("suggest", "--budget", "2", cwd=busy)
    assert (found.status, found.stderr) == (0, "")
    lines = found.stdout.splitlines()
    assert lines[0].split() == ["layer", "packages", "download", "updates", "largest", "first"]
    assert ["6", "of", "6", "web"] in [line.split()[-4:] for line in lines]
    named = ["one layer", "current layers", "proposed layers", "one layer per package"]
    named += ["one layer", "current layers", "proposed from the first 3 updates"]
    assert [re.split(" {3,}", line)[0] for line in lines if "%" in line] == named
    assert lines[-1].startswith("based on 6 updates of the image in 7 revisions of uv.lock; switching to these")
    verbose = run("suggest", "--budget", "2", "-v", cwd=busy).stdout
    assert "…" in found.stdout
    assert all(name in verbose for name in IMAGE)


def test_progress_is_for_a_terminal_alone(busy, run_program, on_a_terminal):
    shown, out = on_a_terminal("suggest", "--json", cwd=busy)
    assert "uv.lock: reading revision " in shown
    assert json.loads(out)["command"] == "suggest"
    quiet, again = on_a_terminal("suggest", "--json", "-q", cwd=busy)
    assert (quiet, again) == ("", out)
    assert run_program("suggest", "--json", cwd=busy).stderr == ""


def test_the_history_is_read_by_one_git(busy, run, tmp_path, environment):
    (tmp_path / "bin").mkdir()
    real = shutil.which("git")
    program = tmp_path / "bin/git"
    program.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\nexec {real} "$@"\n')
    program.chmod(0o755)
    environment.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    suggest(run, busy)
    calls = (tmp_path / "calls").read_text().splitlines()
    commands = [next(word for word in call.split() if word in {"cat-file", "log", "rev-parse"}) for call in calls]
    assert sorted(commands) == ["cat-file", "log", "rev-parse", "rev-parse"]


# Without evidence


@pytest.mark.parametrize("revisions", ["1", "3", "5"])
def test_a_short_history_gives_no_percentages_and_moves_nothing(busy, run, revisions):
    (busy / "uv-layers.toml").write_text(
        "layers = [{ name = 'low', packages = ['web', 'numbers'] }, { name = 'rest', dependencies = true }]\n"
    )
    words = ("--max-revisions", revisions)
    before = planned(run("plan", "--json", cwd=busy))
    kept = suggest(run, busy, "--keep", "--budget", "3", *words)
    assert layers(kept) == before
    assert (kept.result["moves"], kept.result["bytes_once"], kept.result["backtest"]) == ([], 0, None)
    for more in ((), ("--keep",)):
        text = run("suggest", *words, *more, cwd=busy).stdout
        assert "%" not in text
        assert "; at least 5 updates are needed to estimate what an update pulls" in text
    assert "%" in run("suggest", "--max-revisions", "6", cwd=busy).stdout


def test_layers_are_checked_on_the_later_half_of_the_history(busy, run):
    found = suggest(run, busy, "--budget", "2")
    sizes = {
        p["name"]: p["bytes"] for layer in run("plan", "--json", cwd=busy).result["layers"] for p in layer["packages"]
    }
    whole = sum(sizes.values())
    today = sum(sizes[name] for name in planned(run("plan", "--json", cwd=busy))["dependencies"])
    # In each update only `web` changed, which the first three tell.
    expected = {"learned": 3, "replayed": 3, "one_layer": whole, "today": today, "layers": sizes["web"]}
    assert found.result["backtest"] == expected
    rows = [" ".join(line.split()) for line in run("suggest", "--budget", "2", cwd=busy).stdout.splitlines()]
    assert "replay of the last 3 updates pulled per update of the image" in rows
    assert f"proposed from the first 3 updates {sizes['web']} B {sizes['web'] / whole:.1%}" in rows
    assert suggest(run, busy, "--keep").result["backtest"] is None


# Sizes that the lock lacks, and large layers


@pytest.fixture
def unsized(busy):
    """Return the project with a lock that has no size of `numbers` and `speed`, as with the index of PyTorch."""
    blocks = (busy / "uv.lock").read_text().split("[[package]]")
    for number, block in enumerate(blocks):
        if block.startswith(('\nname = "numbers"', '\nname = "speed"')):
            blocks[number] = re.sub(r", size = \d+", "", block)
    (busy / "uv.lock").write_text("[[package]]".join(blocks))
    return busy


def test_a_size_that_the_lock_lacks_is_asked_of_the_index(unsized, run, index):
    found = suggest(run, unsized, "--frozen")
    by_name = {layer["packages"][0]: layer for layer in found.result["layers"]}
    [file] = [name for name in index.files if name.startswith("speed-")]
    assert (by_name["speed"]["bytes"], by_name["speed"]["unsized"]) == (len(index.files[file]), 0)
    assert (found.result["unknown"], found.result["estimated"]) == ([], [])
    assert "%" in run("suggest", "--frozen", cwd=unsized).stdout


@pytest.mark.parametrize("budget", ["2", "3", "10"])
def test_what_stays_unknown_is_named_and_in_a_layer_of_its_own(unsized, run, tmp_path, budget):
    environ = {"UV_CACHE_DIR": str(tmp_path / "empty")}
    found = run("suggest", "--frozen", "--offline", "--json", "--budget", budget, cwd=unsized, **environ)
    assert found.result["unknown"] == ["numbers", "speed"]
    assert "hint: the figures exclude numbers, speed: size unknown\n" in found.stderr
    for packages in layers(found).values():
        assert not {"numbers", "speed"} & {*packages} or {*packages} <= {"numbers", "speed"}
    sizes = [
        p["bytes"]
        for layer in run("plan", "--json", "--frozen", cwd=unsized).result["layers"]
        for p in layer["packages"]
    ]
    assert found.result["expected_bytes"]["one_layer"] == sum(filter(None, sizes))
    assert " + 1 unknown" in run("suggest", "--frozen", "--offline", cwd=unsized, **environ).stdout


def test_an_index_that_does_not_answer_leaves_the_size_unknown(unsized, run, tmp_path):
    text = (unsized / "uv.lock").read_text()
    (unsized / "uv.lock").write_text(re.sub(r"/files/speed-", "/files/gone/speed-", text))
    found = run("suggest", "--frozen", "--json", cwd=unsized, UV_CACHE_DIR=str(tmp_path / "empty"))
    assert (found.result["unknown"], found.result["estimated"]) == (["speed"], [])


@pytest.mark.parametrize("where", ["trees", "cache"])
def test_offline_sizes_are_estimated_from_installed_files(unsized, run, tmp_path, where):
    environ = {"UV_CACHE_DIR": str(tmp_path / "cache")}
    assert run("install", "--all", "--frozen", cwd=unsized, **environ).status == 0
    if where == "cache":
        shutil.rmtree(unsized / "layers")
    else:
        shutil.rmtree(tmp_path / "cache")
    words = ("suggest", "--frozen", "--offline")
    found = run(*words, "--json", cwd=unsized, **environ)
    assert (found.result["unknown"], found.result["estimated"]) == ([], ["numbers", "speed"])
    assert "hint: sizes estimated from installed files: numbers, speed\n" in found.stderr
    assert " + 1 unknown" in run(*words, cwd=unsized, **environ).stdout


def test_the_size_of_a_file_of_the_project_is_that_of_the_file(project, run, index):
    folder = project(f'{HEAD}dependencies = ["tool"]\n', locked=False)
    [name] = [name for name in index.files if name.startswith("tool-")]
    (folder / name).write_bytes(index.files[name])
    (folder / "pyproject.toml").write_text(
        f'{HEAD}dependencies = ["tool"]\n[tool.uv.sources]\ntool = {{ path = "{name}" }}\n'
    )
    folder.lock()
    [layer] = suggest(run, folder, "--offline").result["layers"]
    assert (layer["bytes"], layer["unsized"]) == (len(index.files[name]), 0)
    (folder / name).unlink()
    [layer] = suggest(run, folder, "--frozen").result["layers"]
    assert (layer["bytes"], layer["unsized"]) == (0, 1)


def test_a_layer_that_is_too_large_is_split(busy, run):
    found = suggest(run, busy, "--budget", "1", "--max-size", "3kB")
    sizes = [layer["bytes"] for layer in found.result["layers"]]
    assert len(sizes) > 1
    assert max(sizes) <= 3000
    hint = f"hint: --max-size 3kB needs {len(sizes)} layers, more than --budget 1; raise one of them\n"
    assert hint in found.stderr
    assert layers(suggest(run, busy, "--budget", "1")).keys() == {"rest"}
    refused = run("suggest", "--max-size", "much", cwd=busy)
    assert (refused.status, refused.stderr) == (
        2,
        "error[usage]: --max-size is 'much'; pass a size, e.g. 500MB or 2GB\n",
    )


def test_the_layer_of_the_rest_has_that_name(busy, run):
    names = list(layers(suggest(run, busy, "--budget", "3")))
    assert names[-1] == "rest"
    assert set(names[:-1]) < set(IMAGE)
