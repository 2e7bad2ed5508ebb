"""A wheel speaks only for itself, and a tree has what its RECORDs list."""

from __future__ import annotations

import shutil

import pytest

from uv_layers.tree import scheme

METADATA = "Metadata-Version: 2.1\nName: bbb\nVersion: 9\n"


def _digests(stage, run, cold):
    """Return the digests of the layer from several runs with cold caches, which uv fills in any order."""
    found = set()
    for number in range(3):
        words = ("install", "some", "--digest", "--json", "--layers-dir", f"layers{number}")
        ended = run(*words, cwd=stage, **cold())
        assert ended.status == 0, ended.stderr
        found.add(ended.result["layers"][0]["digest"])
    return found


@pytest.mark.parametrize("folder", ["data/share", "data/lib/python9.9/site-packages", "purelib/aaa/_vendor"])
def test_metadata_elsewhere_than_in_the_site_folder_is_a_wheels_own_file(stage, run, cold, folder):
    files = {
        f"{{data}}/{folder}/bbb-9.dist-info/RECORD": "../bbb/__init__.py,sha256=x,1\nbbb-9.dist-info/RECORD,,\n",
        f"{{data}}/{folder}/bbb-9.dist-info/METADATA": METADATA,
    }
    stage.lock("some", stage.wheel("aaa", files=files), stage.wheel("bbb", files={"bbb/__init__.py": "X = 1\n"}))
    assert len(_digests(stage, run, cold)) == 1
    assert run("verify", "some", "--layers-dir", "layers0", cwd=stage).status == 0


def test_metadata_of_a_package_that_is_not_in_the_lock_claims_nothing(stage, run, cold):
    files = {
        "{data}/purelib/zzz-9.dist-info/RECORD": "ccc.py,sha256=x,1\nzzz-9.dist-info/RECORD,,\n",
        "{data}/purelib/zzz-9.dist-info/METADATA": METADATA,
    }
    stage.lock("some", stage.wheel("aaa", files=files), stage.wheel("ccc", files={"ccc.py": "X = 1\n"}))
    assert len(_digests(stage, run, cold)) == 1
    verified = run("verify", "some", "--layers-dir", "layers0", cwd=stage)
    assert (verified.status, verified.stdout.count("\n")) == (0, 1)


@pytest.mark.parametrize("version", ["1.0", "9"])
@pytest.mark.parametrize("name", ["RECORD", "METADATA", "licenses/LICENSE"])
def test_a_wheel_that_writes_into_the_metadata_of_a_package_of_the_lock_is_refused(stage, run, site, version, name):
    path = f"bbb-{version}.dist-info/{name}"
    files = {f"{{data}}/purelib/{path}": "aaa.py,,\n"}
    stage.lock("some", stage.wheel("aaa", files=files), stage.wheel("bbb"))
    ended = run("install", "some", cwd=stage)
    place = f"aaa installs usr/local/{site}/{path} into the metadata folder of bbb"
    message = f"error[foreign-metadata]: {place}; leave one of these packages out\n"
    assert (ended.status, ended.stderr) == (2, message)
    assert not (stage / "layers/some").exists()


def test_two_wheels_that_write_each_others_record_leave_no_tree(stage, run):
    stage.lock(
        "some",
        stage.wheel("aaa", files={"{data}/purelib/bbb-1.0.dist-info/RECORD": "bbb-1.0.dist-info/RECORD,,\n"}),
        stage.wheel("bbb", files={"{data}/purelib/aaa-1.0.dist-info/RECORD": "aaa-1.0.dist-info/RECORD,,\n"}),
    )
    ended = run("install", "some", cwd=stage)
    assert (ended.status in {2, 4}, "error[" in ended.stderr) == (True, True)
    assert not (stage / "layers/some").exists()


def test_a_lock_file_that_a_wheel_brings_stays_and_that_of_uv_goes(stage, run):
    stage.lock("brings", stage.wheel("aaa", files={"{data}/data/.lock": "mine"}))
    stage.lock("none", stage.wheel("bbb"))
    assert run("install", "--all", cwd=stage).status == 0
    assert (stage / "layers/brings/usr/local/.lock").read_text(encoding="utf-8") == "mine"
    assert not (stage / "layers/none/usr/local/.lock").exists()
    assert run("verify", cwd=stage).status == 0


def test_a_tree_that_loses_a_file_while_it_is_built_is_no_tree(stage, run, monkeypatch, site):
    stage.lock("some", stage.wheel("pkg", files={"pkg/a.py": "", "pkg/b.py": ""}))
    arrange = scheme.arrange

    def disturbed(tree, prefix, target):
        arrange(tree, prefix, target)
        (tree / "usr/local" / site / "pkg/a.py").unlink()

    with monkeypatch.context() as patch:
        patch.setattr(scheme, "arrange", disturbed)
        ended = run("install", "some", cwd=stage)
    assert ended.status == 4
    assert "pkg/a.py" in ended.stderr
    assert not (stage / "layers/some").exists()
    assert run("install", "some", cwd=stage).status == 0
    assert run("verify", "some", cwd=stage).status == 0


def test_a_tree_whose_folder_is_removed_while_it_is_built_is_complete_or_absent(stage, run, monkeypatch):
    files = {f"pkg/m{number}.py": "" for number in range(200)}
    stage.lock("some", stage.wheel("pkg", files=files))
    arrange = scheme.arrange

    def removed(tree, prefix, target):
        arrange(tree, prefix, target)
        shutil.rmtree(stage / "layers")

    with monkeypatch.context() as patch:
        patch.setattr(scheme, "arrange", removed)
        ended = run("install", "some", cwd=stage)
    assert ended.status == 4
    assert "Traceback" not in ended.stderr
    ended = run("install", "some", cwd=stage)
    assert (ended.status, "up to date" in ended.stderr) == (0, False)
    assert run("verify", "some", cwd=stage).status == 0
