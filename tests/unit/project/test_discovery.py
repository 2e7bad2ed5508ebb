from __future__ import annotations

import re
from textwrap import dedent

import pytest

from uv_layers.errors import (
    ConfigError,
    DuplicateLayerError,
    LayerNameError,
    LayersError,
    SourceNameError,
    UnknownGroupError,
    UnreadableFileError,
    UsageError,
)
from uv_layers.lock.uv_lock import UvLock
from uv_layers.plan.scope import select_packages
from uv_layers.project import discovery, edit
from uv_layers.project.config import Config, LayerSpec, checked_prefix, layer_name
from uv_layers.project.settings import index_access


def _write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path


def _load(folder, text, **files):
    """Return the project that `text`, and what else is given, make."""
    _write(folder / "pyproject.toml", text)
    for name, content in files.items():
        _write(folder / name.replace("__", "-").replace("_toml", ".toml"), content)
    return _select(folder)


def _select(folder, *names, lock=None):
    """Return the project that a folder and a lock, which says nothing by default, make."""
    return select_packages(discovery.load_project(folder), names, lock or UvLock())


def _folders(found):
    return {name: member.directory for name, member in found.members.items()}


def test_a_project_is_found_from_any_folder_in_it(tmp_path):
    _write(tmp_path / "pyproject.toml")
    inside = tmp_path / "src" / "package"
    inside.mkdir(parents=True)
    assert discovery.find_folder(tmp_path) == discovery.find_folder(inside) == tmp_path.resolve()


def test_the_nearest_project_is_found(tmp_path):
    _write(tmp_path / "pyproject.toml")
    member = _write(tmp_path / "member" / "pyproject.toml").parent
    assert discovery.find_folder(member) == member.resolve()


def test_a_folder_that_is_named_like_the_file_is_no_project(tmp_path):
    _write(tmp_path / "pyproject.toml")
    (tmp_path / "a" / "pyproject.toml").mkdir(parents=True)
    assert discovery.find_folder(tmp_path / "a") == tmp_path.resolve()


def test_where_there_is_no_project_none_is_found(tmp_path):
    assert discovery.find_folder(tmp_path) is None


def test_an_empty_pyproject_is_a_project_without_anything(tmp_path):
    found = _load(tmp_path, "")
    assert (found.source.name, found.requires_python, found.python_request) == (None, "", None)
    assert (found.groups, found.default_groups, found.extras, found.has_dependencies) == ((), (), (), False)
    assert found.config == Config("pyproject.toml", "/usr/local", ())
    assert (found.directory, found.lock_root, found.lock) == (tmp_path, tmp_path, tmp_path / "uv.lock")
    assert (found.members, found.uv_settings) == ({}, {})


def test_what_the_pyproject_says_is_read_and_normalised(tmp_path):
    found = _load(
        tmp_path,
        """
        [project]
        name = "Demo"
        requires-python = ">=3.10"
        dependencies = ["fastapi"]

        [project.optional-dependencies]
        Web_UI = []
        cli = []

        [dependency-groups]
        Heavy_One = ["torch"]
        dev = ["pytest"]
        light = []

        [tool.uv]
        default-groups = ["light", "HEAVY.one"]
        no-build = true
        """,
    )
    assert (found.source.name, found.requires_python, found.has_dependencies) == ("demo", ">=3.10", True)
    assert found.extras == ("web-ui", "cli")
    assert found.groups == ("heavy-one", "dev", "light")
    # In the order of their declaration, not of tool.uv.default-groups.
    assert found.default_groups == ("heavy-one", "light")
    assert found.uv_settings == {"default-groups": ["light", "HEAVY.one"], "no-build": True}


OTHER = "choose another folder, e.g. /opt/venv or /app/.venv"
WOULD = "would change the owner or mode of %s in the image, or replace a symlink;"


@pytest.mark.parametrize(
    ("setting", "default"),
    [("", ("dev",)), ('default-groups = "all"', ("dev", "docs")), ("default-groups = []", ())],
    ids=["left out", "all", "none"],
)
def test_default_groups_are_those_of_uv(tmp_path, setting, default):
    found = _load(tmp_path, f"[dependency-groups]\ndev = []\ndocs = []\n[tool.uv]\n{setting}")
    assert found.default_groups == default


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("dependencies = []", False),
        ('dependencies = ["a"]', True),
        ('dynamic = ["dependencies"]', False),
    ],
)
def test_dependencies_are_those_that_are_written(tmp_path, text, has):
    assert _load(tmp_path, f"[project]\n{text}").has_dependencies is has


def test_the_lock_says_what_a_build_backend_adds(tmp_path):
    _write(
        tmp_path / "pyproject.toml", "[project]\nname = 'demo'\ndynamic = ['dependencies', 'optional-dependencies']\n"
    )
    table = """\
    name = "demo"
    dependencies = [{ name = "a" }]
    [package.optional-dependencies]
    web = [{ name = "b" }]
    [package.dev-dependencies]
    dev = [{ name = "c" }]
    [package.metadata]
    provides-extras = ["web", "none"]
    [package.metadata.requires-dev]
    empty = []
    """
    head = {"requires-python": ">=3.10", "supported-markers": ["sys_platform == 'linux'"]}
    found = _select(tmp_path, lock=UvLock(head, {"demo": [dedent(table)]}))
    assert (found.groups, found.extras, found.has_dependencies) == (("empty", "dev"), ("web", "none"), True)
    assert (found.requires_python, found.environments) == (">=3.10", ("sys_platform == 'linux'",))


def test_dev_dependencies_of_uv_are_the_group_dev(tmp_path):
    found = _load(tmp_path, "[tool.uv]\ndev-dependencies = ['a']\n")
    assert (found.groups, found.default_groups) == (("dev",), ("dev",))


@pytest.mark.parametrize(
    ("setting", "refused"), [('["nope"]', True), ('["dev"]', False), ('["docs"]', False), ('"all"', False)]
)
def test_a_default_group_has_to_be_defined(tmp_path, setting, refused):
    text = f"[dependency-groups]\ndocs = []\n[tool.uv]\ndefault-groups = {setting}\n"
    if refused:
        with pytest.raises(UnknownGroupError, match=r"^pyproject\.toml: tool\.uv\.default-groups: .* 'nope'"):
            _load(tmp_path, text)
    else:
        assert "nope" not in _load(tmp_path, text).default_groups


@pytest.mark.parametrize(
    ("groups", "limits"),
    [
        ("a = ['x']\nb = []", {"a": (">=3.12",), "b": ()}),
        ("a = []\nb = [{ include-group = 'A' }, 'x']", {"a": (">=3.12",), "b": (">=3.12",)}),
        ("c-C = []\nb = [{ include-group = 'c_c' }]", {"c-c": ("<3.14",), "b": ("<3.14",)}),
        (
            "a = [{ include-group = 'b' }]\nb = [{ include-group = 'c_c' }]\nc_c = [{ include-group = 'a' }]",
            {"a": (">=3.12", "<3.14"), "b": ("<3.14", ">=3.12"), "c-c": ("<3.14", ">=3.12")},
        ),
        ("a = 1\nb = [{ include-group = 1 }, { include-group = 'gone' }]", {"a": (">=3.12",), "b": ()}),
    ],
    ids=["own", "included", "normalised", "in a circle", "not what uv takes"],
)
def test_a_group_needs_the_pythons_of_those_that_it_includes(tmp_path, groups, limits):
    settings = "[tool.uv.dependency-groups]\nA = { requires-python = '>=3.12' }\nc_c = { requires-python = '<3.14' }\n"
    more = "b = 3\nd = { requires-python = 3 }\n"
    assert _load(tmp_path, f"[dependency-groups]\n{groups}\n{settings}{more}").group_python == limits


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("3.12\n", "3.12"),
        ("# why\n\n  3.11.4  # because\n3.12\n", "3.11.4"),
        ("# nothing\n", None),
        ("", None),
    ],
)
def test_the_python_request_is_the_first_in_the_file(tmp_path, text, request_):
    _write(tmp_path / ".python-version", text)
    assert _load(tmp_path, "").python_request == request_


def test_a_python_version_file_that_is_no_text_is_passed_over(tmp_path):
    (tmp_path / ".python-version").write_bytes(b"\xff\xfe3.12")
    assert _load(tmp_path, "").python_request is None


def test_uv_toml_wins_over_the_uv_table_as_a_whole(tmp_path):
    found = _load(tmp_path, "[tool.uv]\nno-build = true\n", uv_toml="no-binary = true\n")
    assert found.uv_settings == {"no-binary": True}


def test_of_the_uv_settings_those_say_how_indexes_are_reached(tmp_path):
    found = _load(
        tmp_path,
        """
        [tool.uv]
        no-build = true
        cache-dir = "cache"
        find-links = ["wheels", "https://links.example/"]
        keyring-provider = "subprocess"
        [[tool.uv.index]]
        name = "own"
        url = "https://user:secret@index.example/simple"
        [[tool.uv.index]]
        url = "flat"
        format = "flat"
        """,
    )
    assert index_access(found) == {
        "find-links": [str(tmp_path / "wheels"), "https://links.example/"],
        "index": [
            {"name": "own", "url": "https://user:secret@index.example/simple"},
            {"url": str(tmp_path / "flat"), "format": "flat"},
        ],
        "keyring-provider": "subprocess",
    }
    assert found.files == (tmp_path / "wheels", tmp_path / "flat")
    assert index_access(_load(tmp_path, "")) == {}


# Configuration.


LAYERS = """
{where}prefix = "/app/.venv/"
[[{where}layers]]
name = "cuda"
packages = ["Torch", "nvidia_*"]
[[{where}layers]]
name = "light"
groups = ["Light_Ones"]
extras = ["Web"]
dependencies = true
"""
SPECS = (
    LayerSpec("cuda", packages=("torch", "nvidia-*")),
    LayerSpec("light", groups=("light-ones",), extras=("web",), dependencies=True),
)


def test_the_table_in_pyproject_is_read(tmp_path):
    _write(tmp_path / "pyproject.toml", LAYERS.format(where="tool.uv-layers."))
    assert discovery.load_project(tmp_path).config == Config("pyproject.toml", "/app/.venv", SPECS)


def test_a_file_of_its_own_wins_over_the_table(tmp_path):
    found = _load(tmp_path, '[tool.uv-layers]\nprefix = "/opt"\n', uv__layers_toml=LAYERS.format(where=""))
    assert found.config == Config("uv-layers.toml", "/app/.venv", SPECS)


def test_a_file_that_is_named_wins_over_both(tmp_path):
    _write(tmp_path / "pyproject.toml", '[tool.uv-layers]\nprefix = "/a"\n')
    _write(tmp_path / "uv-layers.toml", 'prefix = "/b"\n')
    named = _write(tmp_path / "ci" / "gpu.toml", 'prefix = "/c"\n')
    found = discovery.load_project(tmp_path, named)
    assert found.config == Config("gpu.toml", "/c")
    assert named in found.inputs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prefxi = '/a'", "prefxi: unknown setting; known: dockerfile, exclude, exclude-files, layers, prefix"),
        ("layers = 3", "layers: must be a list of tables, one per layer"),
        ("layers = ['a']", "layers: must be a list of tables, one per layer"),
        ("layers = [{}]", "layers[0]: has no name; add one"),
        (
            "layers = [{name='a'}, {name='b', group=[]}]",
            (
                "layers[1].group: unknown setting; "
                "known: args, dependencies, env, extras, groups, image, name, packages, project, system-packages"
            ),
        ),
        ("layers = [{name='a', groups='x'}]", "layers[0].groups: must be a list of strings, not 'x'"),
        ("layers = [{name='a', packages=[1]}]", "layers[0].packages: must be a list of strings, not [1]"),
        ("layers = [{name='a', extras=1}]", "layers[0].extras: must be a list of strings, not 1"),
        ("layers = [{name='a', dependencies='yes'}]", "layers[0].dependencies: must be true or false, not 'yes'"),
        ("layers = [{name='a', project=1}]", "layers[0].project: must be true or false, not 1"),
        (
            "layers = [{name='a', project=true, dependencies=true}]",
            (
                "layers[0].project: cannot be combined with packages, groups, extras or dependencies; put those in an "
                "earlier layer"
            ),
        ),
        (
            "layers = [{name='a', project=true, packages=['x']}]",
            (
                "layers[0].project: cannot be combined with packages, groups, extras or dependencies; put those in an "
                "earlier layer"
            ),
        ),
        (
            "layers = [{name='a', project=true}, {name='b'}]",
            "layers: only the last layer can have project = true; move or change 'a'",
        ),
        (
            "layers = [{name='a', project=true}, {name='b', project=true}]",
            "layers: only the last layer can have project = true; move or change 'a'",
        ),
        ("layers = [{name='a', image=1}]", "layers[0].image: must be a string, not 1"),
        (
            "layers = [{name='a', system-packages='g++'}]",
            "layers[0].system-packages: must be a list of strings, not 'g++'",
        ),
        ("layers = [{name='a', args='A'}]", "layers[0].args: must be a list of strings, not 'A'"),
        ("layers = [{name='a', args=['A B']}]", "layers[0].args: 'A B' is not a valid variable name"),
        ("layers = [{name='a', env=['A']}]", "layers[0].env: must be a table, e.g. { NAME = \"value\" }, not ['A']"),
        ("layers = [{name='a', env={A=1}}]", "layers[0].env.A: must be a string, not 1"),
        ("layers = [{name='a', env={'1A'='x'}}]", "layers[0].env: '1A' is not a valid variable name"),
        ("dockerfile = 1", "dockerfile: must be a table"),
        (
            "dockerfile.bas = 'a'",
            "dockerfile.bas: unknown setting; known: base, builder, cmd, context, copy, link, secrets, tool, uv",
        ),
        ("dockerfile.base = 1", "dockerfile.base: must be a string, not 1"),
        ("dockerfile.cmd = ['a']", "dockerfile.cmd: must be a string, not ['a']"),
        ("dockerfile.copy = 'src'", "dockerfile.copy: must be a list of strings, not 'src'"),
        ("dockerfile.secrets = [1]", "dockerfile.secrets: must be a list of strings, not [1]"),
        ("dockerfile.link = 'no'", "dockerfile.link: must be true or false, not 'no'"),
        ("prefix = 'usr'", "prefix: must be an absolute path, e.g. \"/usr/local\", not 'usr'"),
        ("prefix = 1", 'prefix: must be an absolute path, e.g. "/usr/local", not 1'),
        ('prefix = "/a\\nb"', "prefix: must be an absolute path, e.g. \"/usr/local\", not '/a\\nb'"),
        ("prefix = '/a/../b'", "prefix: must not contain `.` or `..` between slashes: '/a/../b'"),
        *(
            (
                f"prefix = '{path}'",
                f"prefix: a layer at {path} {WOULD % used} {OTHER}",
            )
            for path, used in (
                ("/home/app/venv", "/home"),
                ("/root/.venv", "/root"),
                ("/tmp/venv", "/tmp"),  # noqa: S108 - refused
                ("/var/run/x", "/var/run"),
                ("/lib/app/venv", "/lib"),
                ("/lib64", "/lib64"),
            )
        ),
        ("prefix = '/./a'", "prefix: must not contain `.` or `..` between slashes: '/./a'"),
    ],
)
@pytest.mark.parametrize("own_file", [True, False])
def test_an_error_names_the_file_the_setting_and_the_problem(tmp_path, text, message, own_file):
    if own_file:
        _write(tmp_path / "pyproject.toml")
        _write(tmp_path / "uv-layers.toml", text)
        message = f"uv-layers.toml: {message}"
    else:
        _write(tmp_path / "pyproject.toml", f"[tool.uv-layers]\n{text}")
        message = f"pyproject.toml: tool.uv-layers.{message}"
    with pytest.raises(ConfigError) as caught:
        discovery.load_project(tmp_path)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/usr/local", "/usr/local"),
        ("/usr//local/", "/usr/local"),
        ("/app/.venv", "/app/.venv"),
        ("/a b/é", "/a b/é"),
        ("/a/..b", "/a/..b"),
    ],
)
def test_a_prefix_is_an_absolute_normal_path(value, result):
    assert checked_prefix(value, "here", "prefix") == result


@pytest.mark.parametrize("name", ["a", "0", "heavy", "a-b_c", "a" * 63, "1-2"])
def test_a_layer_name_can_be_a_file_a_folder_and_a_stage(name):
    assert layer_name(name, "here") == name


@pytest.mark.parametrize(
    "name", ["", "A", "-a", "a-", "_a", "a_", "a.b", "a/b", "..", "a b", "é", "a\n", "a" * 64, 1, None]
)
def test_any_other_layer_name_is_refused(name):
    with pytest.raises(LayerNameError, match=re.escape(f"here: {str(name)!r} is not a valid layer name")):
        layer_name(name, "here")


def test_two_layers_of_one_name_are_refused(tmp_path):
    with pytest.raises(DuplicateLayerError, match=r"^uv-layers\.toml: two layers are named 'a'; rename one$"):
        _load(tmp_path, "", uv__layers_toml="layers = [{name='a'}, {name='b'}, {name='a'}]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("project = 1", "pyproject.toml: project: must be a table"),
        ("tool = 1", "pyproject.toml: tool: must be a table"),
        ("dependency-groups = []", "pyproject.toml: dependency-groups: must be a table"),
        (
            "tool.uv.default-groups = 'dev'",
            "pyproject.toml: tool.uv.default-groups: must be a list of strings, not 'dev'",
        ),
        ("tool.uv = 1", "pyproject.toml: tool.uv: must be a table"),
        ("tool.uv-layers = 1", "pyproject.toml: tool.uv-layers: must be a table"),
        ("project.optional-dependencies = 1", "pyproject.toml: project.optional-dependencies: must be a table"),
        ("tool.uv.workspace = 1", "pyproject.toml: tool.uv.workspace: must be a table"),
        ("tool.uv.sources = 1", "pyproject.toml: tool.uv.sources: must be a table"),
    ],
)
def test_a_pyproject_of_the_wrong_types_is_an_error_that_names_the_setting(tmp_path, text, message):
    _write(tmp_path / "pyproject.toml", text)
    with pytest.raises(ConfigError) as caught:
        discovery.load_project(tmp_path)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    [
        "project.dynamic = 3",
        "tool.uv.workspace.members = 3",
        "tool.uv.workspace.members = ['/elsewhere', 'a']",
        "tool.uv.workspace.members = ['a', 3]",
        "tool.uv.workspace.exclude = 'a'",
        "project.requires-python = 3",
        "project.name = 3",
    ],
)
def test_a_value_of_the_wrong_type_is_an_error_and_no_traceback(tmp_path, text):
    _write(tmp_path / "pyproject.toml", text)
    with pytest.raises(LayersError):
        discovery.load_project(tmp_path)


@pytest.mark.parametrize(
    "data", [b"[project", b"\xff", b"a = " + b"[" * 20_000], ids=["no TOML", "no UTF-8", "nested too deeply"]
)
def test_a_file_that_is_no_toml_is_an_error_that_names_it(tmp_path, data):
    (tmp_path / "pyproject.toml").write_bytes(data)
    with pytest.raises(UnreadableFileError, match=re.escape(str(tmp_path / "pyproject.toml"))):
        discovery.load_project(tmp_path)


def test_a_file_that_is_not_there_is_an_error_that_names_it(tmp_path):
    _write(tmp_path / "pyproject.toml")
    with pytest.raises(UnreadableFileError, match=r"cannot read .*gone\.toml: No such file or directory"):
        discovery.load_project(tmp_path, tmp_path / "gone.toml")


# Workspaces, and which files decide a plan.


WORKSPACE = """
[project]
name = "Root"
[tool.uv]
no-build = true
[tool.uv.workspace]
members = ["packages/*", "apps/web"]
"""


def _workspace(root):
    _write(root / "pyproject.toml", WORKSPACE)
    _write(root / "uv.lock")
    for name in ("packages/b", "packages/a", "apps/web"):
        _write(root / name / "pyproject.toml", f'[project]\nname = "{name.rsplit("/", 1)[-1].upper()}"\n')
    _write(root / "packages" / "notes" / "README.md")
    _write(root / "apps" / "other" / "pyproject.toml")


def _relative(paths, root):
    return [path.relative_to(root).as_posix() for path in paths]


def test_the_inputs_of_a_project_are_its_files_and_no_others(tmp_path):
    found = _load(tmp_path, "", uv_toml="", uv__layers_toml="", main_py="")
    assert _relative(found.inputs, tmp_path) == ["pyproject.toml", "uv.lock", "uv.toml", "uv-layers.toml"]


def test_a_lock_that_is_yet_to_be_made_is_an_input(tmp_path):
    assert _relative(_load(tmp_path, "").inputs, tmp_path) == ["pyproject.toml", "uv.lock"]


def test_the_root_of_a_workspace_knows_its_members(tmp_path):
    _workspace(tmp_path)
    root = discovery.load_project(tmp_path)
    assert _folders(root) == {
        "root": tmp_path,
        "web": tmp_path / "apps/web",
        "a": tmp_path / "packages/a",
        "b": tmp_path / "packages/b",
    }
    assert _relative(root.inputs, tmp_path) == [
        *("pyproject.toml", "uv.lock"),
        *("apps/web/pyproject.toml", "packages/a/pyproject.toml", "packages/b/pyproject.toml"),
    ]


def test_a_member_takes_the_lock_and_the_uv_settings_of_its_root(tmp_path):
    _workspace(tmp_path)
    _write(tmp_path / ".python-version", "3.11")
    member = discovery.load_project(tmp_path / "packages" / "a")
    assert (member.directory, member.lock_root) == (tmp_path / "packages" / "a", tmp_path)
    assert member.lock == tmp_path / "uv.lock"
    assert (member.source.name, member.python_request) == ("a", "3.11")
    assert member.uv_settings["no-build"] is True
    assert set(member.members) == {"root", "a", "b", "web"}
    assert _relative(member.inputs, tmp_path) == [
        *("packages/a/pyproject.toml", "uv.lock", "pyproject.toml"),
        *("apps/web/pyproject.toml", "packages/b/pyproject.toml"),
    ]


def test_a_member_is_configured_by_its_own_table_and_its_own_python_version(tmp_path):
    _workspace(tmp_path)
    _write(tmp_path / "uv-layers.toml", 'prefix = "/srv/root"')
    _write(tmp_path / ".python-version", "3.11")
    _write(tmp_path / "packages/a/.python-version", "3.12")
    member = discovery.load_project(tmp_path / "packages" / "a")
    assert (member.config.prefix, member.python_request) == ("/usr/local", "3.12")


def test_a_member_with_a_lock_of_its_own_is_a_member_as_with_uv(tmp_path):
    _workspace(tmp_path)
    _write(tmp_path / "packages" / "a" / "uv.lock")
    assert discovery.load_project(tmp_path / "packages" / "a").lock_root == tmp_path


@pytest.mark.parametrize("between", ["[project]\nname = 'plain'\n", "[tool.other]\n"])
def test_a_pyproject_between_a_member_and_its_root_hides_the_root_from_it_as_with_uv(tmp_path, between):
    _write(tmp_path / "pyproject.toml", "[tool.uv.workspace]\nmembers = ['plain/inner']\n")
    _write(tmp_path / "plain/pyproject.toml", between)
    inner = _write(tmp_path / "plain/inner/pyproject.toml", "[project]\nname = 'inner'\n").parent
    assert discovery.load_project(inner).lock_root == inner
    found = _select(tmp_path, "inner")
    assert (found.directory, found.lock_root, found.packages) == (inner, tmp_path, ("inner",))


@pytest.mark.parametrize("folder", [".", "packages/a"])
def test_a_project_that_uv_does_not_manage_is_refused(tmp_path, folder):
    unmanaged = "[tool.uv]\nmanaged = false\n"
    texts = {".": '[tool.uv.workspace]\nmembers = ["packages/*"]\n', "packages/a": '[project]\nname = "a"\n'}
    for name, text in texts.items():
        _write(tmp_path / name / "pyproject.toml", (unmanaged if name == folder else "") + text)
    with pytest.raises(ConfigError, match=r"tool\.uv\.managed: is false, so uv does not install this project"):
        discovery.load_project(tmp_path / "packages/a")


def test_a_member_that_is_not_managed_is_none(tmp_path):
    _workspace(tmp_path)
    _write(tmp_path / "packages/a/pyproject.toml", "[project]\nname = 'a'\n[tool.uv]\nmanaged = false\n")
    assert set(discovery.load_project(tmp_path).members) == {"root", "b", "web"}


def test_a_lock_above_that_is_of_no_workspace_is_somebody_elses(tmp_path):
    _write(tmp_path / "pyproject.toml")
    _write(tmp_path / "uv.lock")
    _write(tmp_path / "inner" / "pyproject.toml")
    assert discovery.load_project(tmp_path / "inner").lock_root == tmp_path / "inner"


def test_members_may_be_outside_of_the_root(tmp_path):
    outside = _write(tmp_path / "outside" / "pyproject.toml", "[project]\nname = 'out'\n")
    root = tmp_path / "root"
    _write(root / "pyproject.toml", "[tool.uv.workspace]\nmembers = ['../outside', '../out*', '']")
    found = discovery.load_project(root)
    assert found.inputs == (root / "pyproject.toml", root / "uv.lock", outside)
    assert _folders(found) == {"out": outside.parent}
    member = _select(root, "out")
    assert (member.directory, member.lock_root, member.start) == (outside.parent, root, root)


def test_members_that_are_links_to_elsewhere_are_members_as_uv_has_it(tmp_path):
    _write(tmp_path / "outside" / "pyproject.toml", "[project]\nname = 'linked'\n")
    root = tmp_path / "root"
    _write(root / "pyproject.toml", "[tool.uv.workspace]\nmembers = ['packages/*']")
    (root / "packages").mkdir()
    (root / "packages" / "linked").symlink_to(tmp_path / "outside")
    linked = root / "packages" / "linked"
    assert discovery.load_project(root).inputs == (root / "pyproject.toml", root / "uv.lock", linked / "pyproject.toml")
    assert _folders(discovery.load_project(root)) == {"linked": linked}


def test_a_folder_that_is_excluded_is_no_member(tmp_path):
    _write(tmp_path / "pyproject.toml", "[tool.uv.workspace]\nmembers = ['packages/*']\nexclude = ['packages/b*']\n")
    _write(tmp_path / "uv.lock")
    for name in ("a", "b", "bb"):
        _write(tmp_path / "packages" / name / "pyproject.toml", f"[project]\nname = '{name}'\n")
    root = discovery.load_project(tmp_path)
    assert list(root.members) == ["a"]
    assert _relative(root.inputs, tmp_path) == ["pyproject.toml", "uv.lock", "packages/a/pyproject.toml"]
    member, excluded = (discovery.load_project(tmp_path / "packages" / name) for name in ("a", "b"))
    assert (member.lock_root, excluded.lock_root) == (tmp_path, tmp_path / "packages" / "b")


def test_a_folder_that_is_no_member_has_no_workspace_root(tmp_path):
    _workspace(tmp_path)
    other = discovery.load_project(tmp_path / "apps" / "other")
    assert (other.lock_root, other.members, other.uv_settings) == (other.directory, {}, {})


def test_a_member_without_a_name_is_an_input_that_cannot_be_asked_for(tmp_path):
    _write(tmp_path / "pyproject.toml", "[tool.uv.workspace]\nmembers = ['a']")
    _write(tmp_path / "a" / "pyproject.toml", "[project]\nversion = '1'\n")
    found = discovery.load_project(tmp_path)
    assert found.members == {}
    assert tmp_path / "a" / "pyproject.toml" in found.inputs


# Layers in the place of those that a file has


MADE = (LayerSpec("cuda", packages=("nvidia-*", "torch")), LayerSpec("top", groups=("web",), dependencies=True))
WRITTEN = """\
layers = [                                # bottom to top
  { name = "cuda", packages = ["nvidia-*", "torch"] },
  { name = "top", groups = ["web"], dependencies = true },  # and whatever no layer claims
]
"""


def _read_back(path, text):
    _write(path.parent / "pyproject.toml")
    path.write_text(text, encoding="utf-8")
    return discovery.load_project(path.parent).config


def test_a_new_file_has_the_layers_and_the_prefix_where_it_is_not_the_usual_one(tmp_path):
    path = tmp_path / "uv-layers.toml"
    assert edit.with_layers(path, MADE, Config("", "/usr/local")) == WRITTEN
    assert edit.with_layers(path, MADE, Config("", "/opt/é")) == f'prefix = "/opt/é"\n{WRITTEN}'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", WRITTEN),
        ("layers = []\n", WRITTEN),
        ("layers=[]", WRITTEN.replace(" = [  ", "=[  ", 1).rstrip()),
        ('prefix = "/opt"  # ours\n', f'{WRITTEN}\nprefix = "/opt"  # ours\n'),
        ("# only words", f"{WRITTEN}\n# only words"),
        ('# ü\nprefix = "/opt"\n\nlayers = [{name = "a"}] # x\n', f'# ü\nprefix = "/opt"\n\n{WRITTEN[:-1]} # x\n'),
        (
            'layers = [\n  {name = "]"},  # ]\n  # x = 1\n]\n\n# kept\nprefix = "/"\n',
            f'{WRITTEN}\n# kept\nprefix = "/"\n',
        ),
        ('layers = [\n  {name = "a"},\n]\nprefix = "/opt"\n# the end', f'{WRITTEN}prefix = "/opt"\n# the end'),
        ('#layers = []\nprefix = "/"\n', f'{WRITTEN}\n#layers = []\nprefix = "/"\n'),
    ],
)
def test_the_rest_of_a_file_stays_as_it_is(tmp_path, before, after):
    path = tmp_path / "uv-layers.toml"
    path.write_text(before, encoding="utf-8")
    text = edit.with_layers(path, MADE, Config("", "/elsewhere"))
    assert text == after
    path.write_text(text, encoding="utf-8")
    assert edit.with_layers(path, MADE, Config("", "/elsewhere")) == after
    assert _read_back(path, text).layers == MADE


def test_the_ends_of_lines_are_those_of_the_file(tmp_path):
    path = tmp_path / "uv-layers.toml"
    path.write_bytes(b'# ours\r\nlayers = [\r\n]\r\nprefix = "/opt"\r\n')
    text = edit.with_layers(path, MADE, Config("", "/usr/local"))
    assert text == f'# ours\n{WRITTEN}prefix = "/opt"\n'.replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("before", "rest"),
    [
        ('[[layers]]\nname = "a"\n', ""),
        ('prefix = "/opt"\n\n[[layers]]\nname = "a"\n', 'prefix = "/opt"'),
        ('"layers" = [{ name = "a" }]\n', ""),
        (' layers = [{ name = "a" }]\n', ""),
        ("layers = 1  # no array\n", ""),
    ],
)
def test_layers_are_replaced_however_they_are_written(tmp_path, before, rest):
    path = tmp_path / "uv-layers.toml"
    path.write_text(before, encoding="utf-8")
    text = edit.with_layers(path, MADE, Config("", "/usr/local"))
    assert rest in text
    assert _read_back(path, text).layers == MADE


def test_layers_that_stay_keep_their_comments_and_their_format(tmp_path):
    path = tmp_path / "uv-layers.toml"
    path.write_text(
        "layers = [\n"
        "  # torch and all of CUDA\n"
        '  { packages = ["nvidia-*", "torch"], name = "cuda" },  # 3 GB\n'
        '  { name = "gone" },\n'
        "  # what changes\n"
        '  { name = "top", groups = ["api"], dependencies = true },\n'
        "]\n",
        encoding="utf-8",
    )
    text = edit.with_layers(path, MADE, Config("", "/usr/local"))
    assert "  # torch and all of CUDA\n" in text
    assert '  { packages = ["nvidia-*", "torch"], name = "cuda" },  # 3 GB\n' in text
    assert "  # what changes\n" in text
    assert "gone" not in text
    assert _read_back(path, text).layers == MADE


def test_a_long_list_is_on_lines_of_its_own_that_can_be_read(tmp_path):
    names = tuple(f"package-{number:03}" for number in range(40))
    layers = (LayerSpec("many", packages=names, groups=names[:20]), LayerSpec("top", extras=("é",)))
    text = edit.with_layers(tmp_path / "none.toml", layers, Config("", "/usr/local"))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 96
    assert lines[1] == '  { name = "many", packages = ['
    assert lines[2].startswith('      "package-000", "package-001", ')
    assert all(line.endswith(",") for line in lines[2:7])
    config = _read_back(tmp_path / "uv-layers.toml", text)
    assert config.layers == layers


def test_a_line_of_the_longest_length_stays_one(tmp_path):
    fits = (LayerSpec("a", packages=("x" * 43, "y" * 41)), LayerSpec("b"))
    assert len(edit.with_layers(tmp_path / "f", fits, Config("", "/usr/local")).splitlines()) == 4
    long = (LayerSpec("a", packages=("x" * 43, "y" * 42)), LayerSpec("b"))
    assert len(edit.with_layers(tmp_path / "f", long, Config("", "/usr/local")).splitlines()) > 4


def test_a_new_file_has_all_else_that_pyproject_has_and_the_project_stays_on_top(tmp_path):
    env = (("FLAGS", 'a "b" $c \\'), ("B", ""))
    own = LayerSpec("app", project=True, system_packages=("git",), args=("VERSION", "A"), env=env)
    dockerfile = {"base": "debian", "secrets": ["netrc"], "link": False}
    config = Config(
        "pyproject.toml", "/app/.venv", MADE, own, dockerfile, ("torch", "nvidia-*"), ("*.pyi", "**/tests/**")
    )
    path = tmp_path / "uv-layers.toml"
    path.write_text(edit.with_layers(path, MADE, config), encoding="utf-8")
    (tmp_path / "pyproject.toml").touch()
    read = discovery.load_project(tmp_path).config
    assert (read.prefix, read.layers, read.project, read.exclude) == (config.prefix, MADE, own, config.exclude)
    assert set(read.exclude_files) == set(config.exclude_files)
    assert dict(read.dockerfile) == {**config.dockerfile, "secrets": ("netrc",)}


# The project as a layer, and what a Dockerfile is told.


@pytest.mark.parametrize("own_file", [True, False])
def test_the_layer_of_the_project_is_apart_from_those_of_packages(tmp_path, own_file):
    stage = "image='cuda', system-packages=['g++', 'Make'], args=['A'], env={B='c'}"
    layers = f"layers = [{{name='all', {stage}}}, {{name='app', project=true}}]\n"
    if own_file:
        found = _load(tmp_path, "", uv__layers_toml=layers).config
    else:
        found = _load(tmp_path, f"[tool.uv-layers]\n{layers}").config
    spec = LayerSpec("all", image="cuda", system_packages=("g++", "Make"), args=("A",), env=(("B", "c"),))
    assert found.layers == (spec,)
    assert found.project == LayerSpec("app", project=True)
    assert found.dockerfile == {}


def test_a_layer_may_say_that_it_is_not_the_project(tmp_path):
    found = _load(tmp_path, "[tool.uv-layers]\nlayers = [{name='a', project=false, dependencies=true}]").config
    assert (found.layers, found.project) == ((LayerSpec("a", dependencies=True),), None)


def test_no_two_layers_have_one_name_the_project_included(tmp_path):
    with pytest.raises(DuplicateLayerError):
        _load(tmp_path, "[tool.uv-layers]\nlayers = [{name='a'}, {name='a', project=true}]")


def test_a_dockerfile_is_told_what_its_table_has_and_no_more(tmp_path):
    table = """
    [tool.uv-layers.dockerfile]
    base = "a"
    builder = "b"
    cmd = "c d"
    tool = "1"
    uv = "2"
    copy = ["src", "data"]
    secrets = []
    link = false
    """
    assert _load(tmp_path, table).config.dockerfile == {
        "base": "a",
        "builder": "b",
        "cmd": "c d",
        "tool": "1",
        "uv": "2",
        "copy": ("src", "data"),
        "secrets": (),
        "link": False,
    }
    assert _load(tmp_path, "[tool.uv-layers.dockerfile]\nlink = true").config.dockerfile == {"link": True}


# Local files and folders.


SOURCES = """
[tool.uv.sources]
folder = { path = "libs/folder", editable = true }
bare = { path = "libs/bare" }
gone = { path = "libs/gone" }
wheel = { path = "vendor/./a-1-py3-none-any.whl" }
again = [{ path = "vendor/a-1-py3-none-any.whl", marker = "x" }, { index = "here" }]
index = { index = "here" }
git = { git = "https://example/x" }
odd = { path = 3 }
"""


def test_local_files_and_folders_are_found_in_the_sources(tmp_path):
    _write(tmp_path / "libs/folder/pyproject.toml", "[project]\nname = 'folder'\n")
    _write(tmp_path / "libs/bare/setup.py")
    _write(tmp_path / "vendor/a-1-py3-none-any.whl")
    found = _load(tmp_path, f"[project]\nname = 'demo'\n{SOURCES}")
    assert _relative(found.inputs, tmp_path) == ["pyproject.toml", "uv.lock", "libs/folder/pyproject.toml"]
    # What is not there is no folder, and uv says so better.
    assert _relative(found.files, tmp_path) == ["libs/gone", "vendor/a-1-py3-none-any.whl"]
    assert found.unchecked == "bare has no [project] table, so uv cannot check it without its sources"


def test_sources_of_members_and_of_the_root_count_too(tmp_path):
    _write(tmp_path / "pyproject.toml", WORKSPACE + "[tool.uv.sources]\nx = { path = 'vendor/x.whl' }\n")
    _write(tmp_path / "uv.lock")
    member = "[project]\nname = 'a'\n[tool.uv.sources]\ny = { path = '../../vendor/y.whl' }\nz = { path = '../z' }\n"
    _write(tmp_path / "packages/a/pyproject.toml", member)
    _write(tmp_path / "packages/z/pyproject.toml", "[project]\nname = 'z'\n")
    for folder in (tmp_path, tmp_path / "packages/a", tmp_path / "packages/z"):
        found = discovery.load_project(folder)
        assert sorted(_relative(found.files, tmp_path)) == ["vendor/x.whl", "vendor/y.whl"]
        assert _relative(found.inputs, tmp_path).count("packages/z/pyproject.toml") == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[project]\nname = 'thing'", ""),
        ("[project]\nname = 'thing'\ndynamic = ['version']", ""),
        (
            "[project]\nname = 'thing'\ndynamic = ['version', 'dependencies']",
            "uv cannot check the dynamic dependencies of thing without its sources",
        ),
        (
            "[project]\nname = 'thing'\ndynamic = ['optional-dependencies']",
            "uv cannot check the dynamic optional-dependencies of thing without its sources",
        ),
        (
            "[project]\ndynamic = ['dependencies']",
            "uv cannot check the dynamic dependencies of {folder} without its sources",
        ),
    ],
)
@pytest.mark.parametrize("where", ["the project", "a member", "a folder"])
def test_where_only_sources_tell_what_is_needed_the_lock_cannot_be_checked(tmp_path, text, why, where):
    folder = tmp_path / "demo" if where == "the project" else tmp_path / "demo/inner"
    head = {
        "the project": "",
        "a member": "[tool.uv.workspace]\nmembers = ['inner']\n",
        "a folder": "[tool.uv.sources]\nthing = { path = 'inner' }\n",
    }
    _write(tmp_path / "demo/pyproject.toml", head[where])
    _write(folder / "pyproject.toml", text)
    assert discovery.load_project(tmp_path / "demo").unchecked == why.format(folder=folder.name)


def test_a_project_without_a_project_table_can_be_checked_and_a_folder_without_one_cannot(tmp_path):
    assert _load(tmp_path, "[dependency-groups]\na = []\n").unchecked == ""
    _write(tmp_path / "inner/pyproject.toml", "[build-system]\nrequires = []\n")
    found = _load(tmp_path, "[tool.uv.sources]\nthing = { path = 'inner' }\n")
    assert found.unchecked == "inner has no [project] table, so uv cannot check it without its sources"


# Several members at once.


A = """
[project]
name = "a"
dependencies = ["x"]
optional-dependencies = { fast = [] }
[dependency-groups]
one = []
two = []
[tool.uv]
default-groups = ["one"]
[tool.uv.dependency-groups]
two = { requires-python = ">=3.12" }
"""
B = """
[project]
name = "b"
dynamic = ["dependencies"]
[dependency-groups]
two = []
three = []
[tool.uv]
default-groups = "all"
"""
HEAD = """
[project]
name = "Root"
[dependency-groups]
one = []
root = []
[tool.uv.dependency-groups]
one = { requires-python = ">=3.13" }
root = { requires-python = ">=3.14" }
"""
TAIL = """
[tool.uv]
default-groups = ["root", "one"]
[tool.uv.workspace]
members = ["packages/*", "apps/web"]
"""


@pytest.fixture
def workspace(tmp_path):
    _workspace(tmp_path)
    _write(tmp_path / "pyproject.toml", HEAD + TAIL)
    _write(tmp_path / "packages/a/pyproject.toml", A)
    _write(tmp_path / "packages/b/pyproject.toml", B)
    _write(tmp_path / "packages/a/uv-layers.toml", "prefix = '/a'\n")
    _write(tmp_path / "uv-layers.toml", "prefix = '/srv/root'\n")
    return tmp_path


def test_several_members_are_one_project_with_what_each_of_them_has(workspace):
    both = _select(workspace, "a", "b")
    assert (both.directory, both.lock, both.config.prefix) == (workspace, workspace / "uv.lock", "/srv/root")
    assert (both.groups, both.extras) == (("one", "two", "three"), ("fast",))
    # As uv does: what the project of the folder has by default, of the groups that the members have.
    assert both.default_groups == ("one",)
    assert both.group_python == {"one": (), "two": (">=3.12",), "three": ()}
    assert both.has_dependencies
    assert both.unchecked == "uv cannot check the dynamic dependencies of b without its sources"
    assert [part.name for part in both.parts] == ["a", "b"]
    assert both.packages == ("a", "b")
    assert _select(workspace, "web", "b").has_dependencies is False


def test_the_folder_decides_which_groups_several_members_have_by_default(workspace):
    both = _select(workspace / "packages/b", "a", "b")
    assert both.default_groups == ("one", "two", "three")
    assert (both.directory, both.start, both.config.prefix) == (workspace, workspace / "packages/b", "/srv/root")


@pytest.mark.parametrize("folder", ["", "packages/b"])
def test_one_member_has_its_own_groups_and_on_demand_those_of_the_root(workspace, folder):
    one = _select(workspace / folder, "a")
    assert (one.directory, one.config.prefix, one.packages) == (workspace / "packages/a", "/a", ("a",))
    assert (one.groups, one.default_groups) == (("one", "two", "root"), ("one",))
    assert one.group_python == {"one": (), "two": (">=3.12",), "root": (">=3.14",)}


def test_a_folder_of_a_member_is_that_member(workspace):
    found = _select(workspace / "packages/a")
    assert (found.packages, [part.name for part in found.parts]) == (("a",), ["a"])
    assert _select(workspace).packages == ()
    assert _select(workspace, "root").packages == ("root",)


def test_a_root_without_a_project_has_all_members_and_its_own_groups(workspace):
    _write(workspace / "pyproject.toml", HEAD.replace('[project]\nname = "Root"', "") + TAIL)
    found = _select(workspace)
    assert (found.groups, found.default_groups) == (("one", "root", "two", "three"), ("one", "root"))
    assert found.group_python["one"] == (">=3.13",)
    assert ([part.name for part in found.parts], found.packages) == (["web", "a", "b"], ())
    assert (found.extras, found.has_dependencies) == (("fast",), True)
    several = _select(workspace, "a", "b")
    assert (several.groups, several.default_groups) == (("one", "root", "two", "three"), ("one", "root"))


def test_a_package_of_the_lock_can_be_named_though_it_is_no_member(workspace):
    lock = UvLock({}, {"other": ['name = "other"\n']})
    found = _select(workspace / "packages/a", "other", lock=lock)
    assert (found.directory, found.packages, found.has_dependencies) == (workspace, ("other", "other"), True)
    assert found.default_groups == ()
    assert _select(workspace, "a", "other", lock=lock).packages == ("a", "other")
    with pytest.raises(UsageError, match="--package: no member 'nope' in the workspace; members: web, a, b"):
        _select(workspace, "a", "nope", lock=lock)


@pytest.mark.parametrize(("text", "refused"), [(A, True), (A.replace('"a"', '"q"'), False), ("", False), (None, False)])
def test_a_folder_has_the_project_that_its_package_is(tmp_path, text, refused):
    if text is not None:
        _write(tmp_path / "pyproject.toml", text)
    if refused:
        with pytest.raises(SourceNameError, match=r"^q comes from the folder .*, whose project is named a, "):
            discovery.check_source_name(tmp_path, "q")
    else:
        assert discovery.check_source_name(tmp_path, "q") is None


# What strangers write.


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[dependency-groups]\n'a b' = []\n", "dependency-groups: 'a b' is not a valid name"),
        ("[project.optional-dependencies]\n'../a' = []\n", "project.optional-dependencies: '../a' is not a valid name"),
        ("[project]\nname = '-a'\n", "project.name: '-a' is not a valid package name"),
        ("[tool.uv.sources]\na = { path = 'a\\u0000' }\n".replace("'", '"'), "a: its path has a NUL character"),
        ("[tool.uv]\nindex = 3\n", "tool.uv.index: must be a list of tables"),
        (f"[tool.uv.workspace]\nmembers = {['a'] * 1001}\n", "tool.uv.workspace.members: has more than 1000"),
        (f"[tool.uv.workspace]\nmembers = ['{'a/' * 2000}']\n", "members: has a pattern that is too long"),
        (f"[tool.uv-layers]\nlayers = [{{ name = 'a', packages = ['{'a' * 256}'] }}]\n", "has a pattern that is too"),
        (f"[tool.uv-layers]\nprefix = '/{'a' * 256}'\n", "tool.uv-layers.prefix: is too long"),
        (f"[tool.uv-layers]\nprefix = '{'/a' * 501}'\n", "tool.uv-layers.prefix: is too long"),
    ],
)
def test_what_nothing_can_be_made_of_is_refused(tmp_path, text, says):
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(says)):
        discovery.load_project(tmp_path)


def test_settings_of_uv_in_a_file_of_its_own_are_held_to_their_form_too(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "uv.toml").write_text("find-links = 1\n")
    with pytest.raises(ConfigError, match=re.escape("uv.toml: find-links: must be a list of strings")):
        discovery.load_project(tmp_path)


@pytest.mark.parametrize("request_", ["3.12\x1b[31m", "a" * 256])
def test_a_request_that_names_no_python_is_refused(tmp_path, request_):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".python-version").write_text(request_)
    with pytest.raises(UnreadableFileError, match="is not a valid Python version"):
        discovery.load_project(tmp_path)


def test_the_root_of_a_workspace_may_name_itself(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.uv.workspace]\nmembers = ['.', './']\n")
    assert discovery.load_project(tmp_path).members == {}


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("layers = [ # ]\n  { name = ']' },\n] # [\n", " # [\n"),
        ('layers = [{ name = "]\\"]" }, {a = \'\'\'\n]\'\'\', b = """\n]\\""""}]\n', "\n"),
        ("layers = [\n[[]],\n]", ""),
    ],
)
def test_where_layers_end_is_told_by_their_brackets(tmp_path, text, end):
    path = tmp_path / "uv-layers.toml"
    path.write_text(f"# first\n{text}", encoding="utf-8")
    assert edit.with_layers(path, MADE, Config("", "/usr/local")) == f"# first\n{WRITTEN[:-1]}{end}"


def test_a_file_that_is_no_toml_is_not_replaced(tmp_path):
    path = tmp_path / "uv-layers.toml"
    path.write_text("layers = [\n", encoding="utf-8")
    with pytest.raises(UnreadableFileError, match=r"uv-layers\.toml: "):
        edit.with_layers(path, MADE, Config("", "/usr/local"))


def test_text_that_looks_like_layers_is_text(tmp_path):
    path = tmp_path / "uv-layers.toml"
    path.write_text("a = '''\nlayers = [\n'''\n", encoding="utf-8")
    text = edit.with_layers(path, MADE, Config("", "/usr/local"))
    assert text == f"{WRITTEN}\na = '''\nlayers = [\n'''\n"


def test_a_control_character_is_written_as_toml_has_it(tmp_path):
    text = edit.with_layers(tmp_path / "f", [LayerSpec("a", image="a\x7f")], Config("", "/usr/local"))
    assert 'image = "a\\u007f"' in text
