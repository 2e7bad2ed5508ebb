from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import pytest

from uv_layers.system.interpreter import Target
from uv_layers.system.process import Finished
from uv_layers.tree import base
from uv_layers.tree.build import Tree
from uv_layers.tree.record import Record

RECORD = Record("/usr/local", [], 1, 1, 1, [], [], 0, None, [], {})

SITE = "lib/python3.12/site-packages"


@pytest.fixture
def image(tmp_path, monkeypatch):
    """The file system of the base image."""
    monkeypatch.setattr(base, "ROOT", tmp_path / "image")
    return tmp_path / "image"


@pytest.fixture
def tree(tmp_path):
    def build(*paths: str, prefix: str = "/usr/local") -> Tree:
        folder = tmp_path / "tree"
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
        sites = [f"{prefix.strip('/')}/{SITE}".strip("/")]
        return Tree("x", folder, dataclasses.replace(RECORD, prefix=prefix, sites=sites))

    return build


@pytest.mark.parametrize(
    ("metadata", "version"),
    [
        ("Demo_Pkg-1.0.dist-info", "1.0"),
        ("demo_pkg-1.0-py3.12.egg-info", "1.0"),
        ("demo_pkg-2.0.dist-info", None),
        ("demo_pkg.dist-info", None),
        ("other-1.0.dist-info", None),
        ("demo_pkg-1.0.txt", None),
    ],
)
def test_a_package_that_the_base_has_in_another_version_is_reported_with_both(image, tree, metadata, version):
    (image / "usr/local" / SITE / metadata).mkdir(parents=True)
    found = list(base.overlaps(tree(f"usr/local/{SITE}/demo_pkg-2.0.dist-info/RECORD")))
    start = f"/usr/local/{SITE} already has demo-pkg {version}, but layer 'x' has 2.0, so "
    assert [message.startswith(start) for message in found] == ([True] if version else [])


def test_a_flat_tree_goes_below_usr_local(image, tree):
    (image / "usr/local" / SITE / "demo-1.0.dist-info").mkdir(parents=True)
    (image / "lib").mkdir()
    flat = tree(f"{SITE}/demo-2.0.dist-info/RECORD", prefix="/")
    assert len(list(base.overlaps(flat))) == 1
    (image / "usr/local/lib").rename(image / "usr/local/lib64")
    assert list(base.overlaps(flat)) == []


def _owned(image: Path, *folders: str) -> None:
    """Make folders, and let everything in the image have the owner and mode that a layer gives it, as far as we may."""
    for folder in folders:
        (image / folder).mkdir(parents=True, exist_ok=True)


@pytest.fixture
def as_root(monkeypatch):
    """Let the files of whoever runs the tests be those of root."""
    lstat = Path.lstat

    def owned(path):
        status = list(lstat(path))
        status[4] = status[5] = 0
        return os.stat_result(status)

    monkeypatch.setattr(Path, "lstat", owned)


def test_a_link_that_a_folder_would_replace_is_reported(image, tree, as_root):
    _owned(image, "usr/local/share/man")
    (image / "usr/local/man").symlink_to("share/man")
    [message] = base.damages(tree("usr/local/man/man1/x.1"))
    assert message.startswith("the base image has a symlink at /usr/local/man, where layer 'x' has a folder; ")


def test_a_file_and_a_folder_that_would_replace_each_other_are_reported(image, tree, as_root):
    _owned(image, "usr/local/share/doc")
    (image / "usr/local/etc").touch()
    messages = sorted(base.damages(tree("usr/local/etc/x.conf", "usr/local/share/doc", "usr/local/bin/new")))
    assert [message.partition(";")[0] for message in messages] == [
        "the base image has a file at /usr/local/etc, where layer 'x' has a folder",
        "the base image has a folder at /usr/local/share/doc, where layer 'x' has a file",
    ]


@pytest.mark.parametrize(("folder", "damaged"), [("app", True), ("app/.venv", True), ("app/.venv/lib", False)])
def test_an_owner_or_mode_of_a_parent_that_would_change_is_reported(image, tree, as_root, folder, damaged):
    _owned(image, "app/.venv/lib")
    venv = tree(f"app/.venv/{SITE}/x.py", prefix="/app/.venv")
    assert list(base.damages(venv)) == []
    (image / folder).chmod(0o2775)
    message = f"layer 'x' changes /{folder} from owner 0:0 and mode 2775 to owner 0:0 and mode 755; "
    assert [found.startswith(message) for found in base.damages(venv)] == ([True] if damaged else [])


def test_what_the_base_does_not_have_is_no_damage(image, tree, as_root):
    _owned(image)
    assert list(base.damages(tree(f"app/.venv/{SITE}/x.py", prefix="/app/.venv"))) == []


SLIM = "/usr/local/bin/python3.12"
LAMBDA = "/var/lang/bin/python3.12"
UBI, UBI_VENV = "/usr/bin/python3.12", "/opt/app-root/bin/python3"
LAYOUTS = {
    # The executable, its prefix, and the folders where it looks for packages.
    SLIM: ("/usr/local", ["/usr/local/lib/python3.12/site-packages"]),
    "/usr/bin/python3.11": ("/usr", ["/usr/local/lib/python3.11/dist-packages", "/usr/lib/python3/dist-packages"]),
    LAMBDA: ("/var/lang", ["/var/lang/lib/python3.12/site-packages"]),
    UBI: ("/usr", ["/usr/local/lib64/python3.12/site-packages", "/usr/local/lib/python3.12/site-packages"]),
    UBI_VENV: ("/opt/app-root", ["/opt/app-root/lib64/python3.12/site-packages"]),
    "/opt/venv/bin/python3": ("/opt/venv", ["/opt/venv/lib/python3.12/site-packages"]),
    "/opt/conda/bin/python3.12": ("/opt/conda", ["/opt/conda/lib/python3.12/site-packages"]),
    "/root/.pyenv/bin/python3.12": ("/root/.pyenv", ["/root/.pyenv/lib/python3.12/site-packages"]),
    "/opt/free/bin/python3.14t": ("/opt/free", ["/opt/free/lib/python3.14t/site-packages"]),
}


@pytest.fixture
def messages(monkeypatch):
    """Return a function that returns what is reported for a prefix, a target and the first python3 on PATH."""

    def version(python: str) -> str:
        return next((part for part in ("3.11", "3.14") if part in python), "3.12")

    def run(argv, *, env):
        executable = argv[0]
        if executable not in LAYOUTS:
            raise FileNotFoundError(executable)
        prefix, folders = LAYOUTS[executable]
        paths = [*env.get("PYTHONPATH", "").split(os.pathsep), *folders]
        return Finished(0, ascii((version(executable), prefix, paths)))

    monkeypatch.setattr(sys, "prefix", "/opt/uv-layers")

    def call(prefix, executable, on_path=None, **environ):
        debian = executable == "/usr/bin/python3.11"
        target = Target(
            {"python_version": version(executable)},
            {},
            executable=executable,
            abiflags="t" if executable.endswith("t") else "",
            local_site="/usr/local/lib/python3.11/dist-packages" if debian else "",
        )
        monkeypatch.setattr(base.shutil, "which", lambda *_, **__: on_path)
        monkeypatch.setattr(base.process, "run", run)
        return list(base.unsearched([prefix, prefix], target, environ))

    return call


@pytest.mark.parametrize(
    ("prefix", "python"),
    [
        ("/usr/local", SLIM),
        ("/", SLIM),
        ("/usr/local", "/usr/bin/python3.11"),
        ("/", "/usr/bin/python3.11"),
        ("/usr/local", UBI),
        ("/var/lang", LAMBDA),
        ("/opt/conda", "/opt/conda/bin/python3.12"),
        ("/opt/free", "/opt/free/bin/python3.14t"),
        ("/app/.venv", LAMBDA),
        ("/usr/local", "/nothing/bin/python3.12"),
    ],
)
def test_a_prefix_where_python_looks_is_not_reported(messages, prefix, python):
    assert messages(prefix, python) == []


@pytest.mark.parametrize(
    ("prefix", "python", "folder", "fitting"),
    [
        ("/opt/x", SLIM, "/opt/x/lib/python3.12/site-packages", "/usr/local"),
        ("/opt/x", "/usr/bin/python3.11", "/opt/x/lib/python3.11/site-packages", "/usr/local"),
        ("/usr", "/usr/bin/python3.11", "/usr/lib/python3.11/site-packages", "/usr/local"),
        ("/usr/local", LAMBDA, "/usr/local/lib/python3.12/site-packages", "/var/lang"),
        ("/", LAMBDA, "/usr/local/lib/python3.12/site-packages", "/var/lang"),
        ("/opt/x", UBI, "/opt/x/lib/python3.12/site-packages", "/usr/local"),
        ("/usr/local", "/opt/conda/bin/python3.12", "/usr/local/lib/python3.12/site-packages", "/opt/conda"),
        ("/usr/local", "/opt/free/bin/python3.14t", "/usr/local/lib/python3.14t/site-packages", "/opt/free"),
    ],
)
def test_a_prefix_where_python_does_not_look_is_reported_with_one_that_fits(messages, prefix, python, folder, fitting):
    [message] = messages(prefix, python)
    assert message == (
        f"{python} does not look for packages in {folder}, so imports in the image would fail; "
        f'set prefix = "{fitting}", use a virtual environment (prefix = "/app/.venv"), '
        "or add that folder to PYTHONPATH in the base image"
    )


def test_a_folder_on_pythonpath_is_looked_into(messages):
    folder = "/opt/x/lib/python3.12/site-packages"
    assert messages("/opt/x", SLIM, PYTHONPATH=f"/y{os.pathsep}{folder}") == []


@pytest.mark.parametrize(
    ("prefix", "python", "on_path", "blind", "fitting"),
    [
        ("/usr/local", SLIM, "/opt/venv/bin/python3", "/opt/venv/bin/python3", 'set prefix = "/opt/venv", '),
        # No prefix is for both, and no name of a virtual environment.
        ("/usr/local", UBI, UBI_VENV, UBI_VENV, ""),
        ("/opt/app-root", UBI, UBI_VENV, UBI, ""),
        ("/opt/venv", SLIM, "/opt/venv/bin/python3", None, ""),
        # Another version, and what is not an absolute path, do not count.
        ("/usr/local", SLIM, "/usr/bin/python3.11", None, ""),
        ("/usr/local", SLIM, "bin/python3", None, ""),
    ],
)
def test_the_first_python_on_path_has_to_look_there_too(messages, prefix, python, on_path, blind, fitting):
    found = messages(prefix, python, on_path)
    assert [m.split()[0] for m in found] == ([blind] if blind else [])
    assert all(f"; {fitting}use a virtual environment" in m for m in found)


def test_where_no_dockerfile_installed_this_the_machine_is_not_the_base_image(messages, monkeypatch):
    monkeypatch.setattr(sys, "prefix", "/root/.local/share/uv/tools/uv-layers")
    assert messages("/usr/local", LAMBDA) == []
    assert messages("/usr/local", "/root/.pyenv/bin/python3.12") == []


def test_a_python_in_a_home_folder_counts_where_a_dockerfile_installed_this(messages):
    [message] = messages("/usr/local", "/root/.pyenv/bin/python3.12")
    assert "would fail; use a virtual environment" in message
