from __future__ import annotations

import dataclasses

import pytest

from uv_layers.tree import installed, scheme

SITE = "lib/python3.12/site-packages"


def _files(tree):
    return {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}


def _record(tree, prefix):
    [found] = installed.distributions(tree, installed.sites(tree, prefix, "3.12"))
    return found.files


@pytest.mark.parametrize(
    ("prefix", "old", "new"),
    [
        ("/usr/local", "usr/local/man/man1/tool.1", "usr/local/share/man/man1/tool.1"),
        ("/", "man/man1/tool.1", "share/man/man1/tool.1"),
        ("/opt/python", "opt/python/man/man1/tool.1", None),
        ("/app/.venv", "app/.venv/man/man1/tool.1", None),
        ("/usr/local", "usr/local/include/site/python3.12/pkg/deep/x.h", "usr/local/include/python3.12/pkg/deep/x.h"),
        ("/", "include/site/python3.12/pkg/x.h", "include/python3.12/pkg/x.h"),
        ("/opt/python", "opt/python/include/site/python3.12/x.h", "opt/python/include/python3.12/x.h"),
        ("/app/.venv", "app/.venv/include/site/python3.12/pkg/x.h", None),
        ("/usr/local", "usr/local/share/man/man1/tool.1", None),
        ("/usr/local", "usr/local/include/pkg/x.h", None),
    ],
)
def test_headers_and_manual_pages_go_where_pip_puts_them_in_the_image(tmp_path, put, target, prefix, old, new):
    site = f"{prefix.strip('/')}/{SITE}".strip("/")
    put(tmp_path, "pkg", {old: "text", f"{site}/pkg.py": ""}, site=site)
    rest = _files(tmp_path) - {old}
    scheme.arrange(tmp_path, prefix, target)
    assert _files(tmp_path) == {new or old, *rest}
    record = _record(tmp_path, prefix)
    assert set(record) == {new or old, *rest}
    assert installed.matches(tmp_path / (new or old), record[new or old])


def test_headers_are_for_the_abi_of_the_interpreter(tmp_path, put, target):
    put(tmp_path, "pkg", {"usr/local/include/site/python3.12/x.h": ""})
    scheme.arrange(tmp_path, "/usr/local", dataclasses.replace(target, abiflags="t"))
    assert (tmp_path / "usr/local/include/python3.12t/x.h").is_file()


def test_only_the_record_that_lists_a_moved_file_changes(tmp_path, put, target):
    put(tmp_path, "pkg", {"usr/local/man/man1/tool.1": "a"})
    other = put(tmp_path, "other", {"usr/local/share/man/man1/other.1": "b"})
    before = (tmp_path / other / "RECORD").read_bytes()
    scheme.arrange(tmp_path, "/usr/local", target)
    assert (tmp_path / other / "RECORD").read_bytes() == before
    assert {path.name for path in (tmp_path / "usr/local/share/man/man1").iterdir()} == {"tool.1", "other.1"}
