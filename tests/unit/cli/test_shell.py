"""Shell code, compared whole; tests/functional/test_env.py runs it."""

from __future__ import annotations

import pytest

from uv_layers import errors
from uv_layers.cli import shell

TWO = {"PATH": ("/l/top/bin",), "PYTHONPATH": ("/l/top/site", "/l/low/site")}
POSIX = """\
case ":${PATH-}:" in *:/l/top/bin:*) ;; *) export PATH=/l/top/bin"${PATH:+:$PATH}" ;; esac
case ":${PYTHONPATH-}:" in *:/l/low/site:*) ;; *) export PYTHONPATH=/l/low/site"${PYTHONPATH:+:$PYTHONPATH}" ;; esac
case ":${PYTHONPATH-}:" in *:/l/top/site:*) ;; *) export PYTHONPATH=/l/top/site"${PYTHONPATH:+:$PYTHONPATH}" ;; esac
"""
FISH = """\
test -n "$PATH"; or set -e PATH
contains -- '/l/top/bin' $PATH; or set -gx PATH '/l/top/bin' $PATH
test -n "$PYTHONPATH"; or set -e PYTHONPATH
contains -- '/l/low/site' $PYTHONPATH; or set -gx PYTHONPATH '/l/low/site' $PYTHONPATH
contains -- '/l/top/site' $PYTHONPATH; or set -gx PYTHONPATH '/l/top/site' $PYTHONPATH
"""
POWERSHELL = """\
if ("$env:PATH".Split(':') -cnotcontains '/l/top/bin') \
{ $env:PATH = '/l/top/bin' + $(if ($env:PATH) { ":$env:PATH" }) }
if ("$env:PYTHONPATH".Split(':') -cnotcontains '/l/low/site') \
{ $env:PYTHONPATH = '/l/low/site' + $(if ($env:PYTHONPATH) { ":$env:PYTHONPATH" }) }
if ("$env:PYTHONPATH".Split(':') -cnotcontains '/l/top/site') \
{ $env:PYTHONPATH = '/l/top/site' + $(if ($env:PYTHONPATH) { ":$env:PYTHONPATH" }) }
"""
CODE = {
    **dict.fromkeys(("bash", "zsh"), POSIX),
    "fish": FISH,
    **dict.fromkeys(("powershell", "pwsh"), POWERSHELL),
    **dict.fromkeys(("sh", "ash", "dash", "ksh"), POSIX),
}


@pytest.mark.parametrize("name", CODE)
def test_the_last_folder_is_put_first_so_that_the_first_ends_up_there(name):
    assert shell.code(TWO, name) == CODE[name]


def test_a_shell_may_be_named_by_its_path():
    assert shell.code(TWO, "/usr/local/bin/fish") == FISH


def test_a_variable_without_folders_is_left_alone():
    assert shell.code({"PATH": (), "PYTHONPATH": ("/a",)}, "fish").count("\n") == 2
    for name in CODE:
        assert shell.code({"PATH": (), "PYTHONPATH": ()}, name) == ""


@pytest.mark.parametrize(
    ("name", "path", "quoted"),
    [
        ("bash", "/a b", "'/a b'"),
        ("bash", "/a'b", """'/a'"'"'b'"""),
        ("bash", '/"$a`b`\\*[c]!~\n', """'/"$a`b`\\*[c]!~\n'"""),
        ("fish", "/a b", "'/a b'"),
        ("fish", "/a'b", r"'/a\'b'"),
        ("fish", "/a\\b\\\\'", r"'/a\\b\\\\\''"),
        ("fish", '/"$a`b`(c)\n', """'/"$a`b`(c)\n'"""),
        ("pwsh", "/a'b", "'/a''b'"),
        ("pwsh", "/\u2018\u2019\u201a\u201b", "'/\u2018\u2018\u2019\u2019\u201a\u201a\u201b\u201b'"),
        ("pwsh", '/"$a`b`\\\n\u201c', """'/"$a`b`\\\n\u201c'"""),
    ],
)
def test_a_path_is_quoted_for_its_shell(name, path, quoted):
    assert shell.code({"PATH": (path,)}, name) == shell.code({"PATH": ("/plain",)}, name).replace(
        "'/plain'" if name != "bash" else "/plain", quoted
    )


@pytest.mark.parametrize("name", ["tcsh", "cmd", "nu", "/bin/", "Bash"])
def test_an_unknown_shell_is_refused_with_those_that_are_known(name):
    with pytest.raises(errors.UnknownShellError, match=f": {', '.join(CODE)}$"):
        shell.code(TWO, name)


def test_a_shell_that_is_not_known_has_to_be_named():
    with pytest.raises(errors.ShellNotFoundError, match=f": {', '.join(CODE)}$"):
        shell.code(TWO, "")


@pytest.mark.parametrize("name", CODE)
def test_a_path_with_the_separator_in_it_is_refused(name):
    with pytest.raises(errors.PathSeparatorError, match=r"^/a:b contains `:`, .* in PYTHONPATH; "):
        shell.code({"PATH": ("/a",), "PYTHONPATH": ("/c", "/a:b")}, name)
