"""`uv-layers plan`: which package is in which layer, and why."""

from __future__ import annotations

import json
import os
import sys

import pytest

APP = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["web"]

    [project.optional-dependencies]
    one = ["extra-one"]
    two = ["extra-two", "speed"]

    [dependency-groups]
    zeta = ["numbers"]
    alpha = ["Odd.Name_Here"]
    docs = ["docs-only"]
    dev = ["tests-only"]

    [tool.uv]
    default-groups = ["dev", "alpha", "zeta"]
"""
BUILT = """
    [build-system]
    requires = []
    build-backend = "own"
    backend-path = ["."]
"""
# Declared, so zeta is below alpha; `shared` is in the lowest of the layers that need it.
LAYERS = {"zeta": ["numbers", "shared"], "alpha": ["odd-name-here"], "dependencies": ["web"]}


def reasons(outcome, layer):
    [found] = [found for found in outcome.result["layers"] if found["name"] == layer]
    return {p["name"]: (p["reason"], p["also"]) for p in found["packages"]}


def configured(layers, prefix=""):
    return f"{APP}\n    [tool.uv-layers]\n    {prefix}\n    layers = [{', '.join(layers)}]\n"


# Without configuration


def test_layers_are_the_default_groups_less_dev_in_declared_order_then_the_project(project, run):
    assert list(run("plan", "--json", cwd=project(APP)).layers.items()) == list(LAYERS.items())


def test_a_project_without_dependencies_has_no_project_layer(project, run):
    folder = project(APP.replace('dependencies = ["web"]', "dependencies = []"))
    assert list(run("plan", "--json", cwd=folder).layers) == ["zeta", "alpha"]


def test_dependencies_alone_are_one_layer(project, run):
    folder = project('[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["web"]\n')
    assert run("plan", "--json", cwd=folder).layers == {"dependencies": ["shared", "web"]}


def test_default_groups_may_be_all(project, run):
    folder = project(APP.replace('["dev", "alpha", "zeta"]', '"all"'))
    assert list(run("plan", "--json", cwd=folder).layers) == ["zeta", "alpha", "docs", "dependencies"]


def test_a_group_that_includes_another_brings_its_packages(project, run):
    folder = project(APP.replace('alpha = ["Odd.Name_Here"]', 'alpha = ["Odd.Name_Here", {include-group = "docs"}]'))
    layers = run("plan", "--json", cwd=folder).layers
    assert layers["alpha"] == ["docs-only", "odd-name-here"]


def test_a_project_that_uv_builds_is_the_top_layer(project, run):
    backend = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
    folder = project(
        f"{APP}\n    {backend}".replace("\n[", "\n    [").replace("\nb", "\n    b").replace("\nr", "\n    r")
    )
    planned = run("plan", "--json", cwd=folder)
    assert list(planned.layers.items()) == [*LAYERS.items(), ("project", ["app"])]
    assert [layer["kind"] for layer in planned.result["layers"]] == ["packages"] * 3 + ["project"]
    assert run("plan", "--json", "--no-install-project", cwd=folder).layers == LAYERS


def test_the_plan_changes_nothing_in_the_folder(project, run):
    folder = project(APP)
    before = {p.name: p.stat().st_mtime_ns for p in folder.path.iterdir()}
    assert run("plan", cwd=folder).status == 0
    assert {p.name: p.stat().st_mtime_ns for p in folder.path.iterdir()} == before


def test_the_project_is_found_from_a_folder_in_it(project, run):
    folder = project(APP)
    below = folder / "src/app"
    below.mkdir(parents=True)
    assert run("plan", "--json", cwd=below).layers == LAYERS


def test_project_names_the_folder(project, run, tmp_path):
    folder = project(APP)
    assert run("plan", "--json", "--project", folder.path, cwd=tmp_path).layers == LAYERS
    assert run("plan", "--json", "--project", "app", cwd=tmp_path).layers == LAYERS
    assert run("plan", "--json", cwd=tmp_path, UV_LAYERS_PROJECT="app").layers == LAYERS
    assert run("plan", "--json", cwd=tmp_path, UV_PROJECT="app").layers == LAYERS


# With configuration


def test_the_table_in_pyproject_names_the_layers(project, run):
    layers = ['{ name = "low", groups = ["alpha"] }', '{ name = "high", groups = ["zeta"], dependencies = true }']
    found = run("plan", "--json", cwd=project(configured(layers, 'prefix = "/opt/app"')))
    assert found.layers == {"low": ["odd-name-here"], "high": ["numbers", "shared", "web"]}
    assert found.result["prefix"] == "/opt/app"


def test_the_file_beside_the_project_wins_over_the_table(project, run):
    folder = project(configured(['{ name = "table", groups = ["zeta"] }'], 'prefix = "/table"'))
    (folder / "uv-layers.toml").write_text('layers = [{ name = "file", groups = ["zeta"] }]\n')
    found = run("plan", "--json", cwd=folder)
    assert list(found.layers) == ["file"]
    assert found.result["prefix"] == "/usr/local"


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_named_file_wins_over_both(project, run, tmp_path, by_variable):
    folder = project(configured(['{ name = "table", groups = ["zeta"] }']))
    (folder / "uv-layers.toml").write_text('layers = [{ name = "file", groups = ["zeta"] }]\n')
    (tmp_path / "elsewhere.toml").write_text('layers = [{ name = "named", groups = ["zeta"] }]\n')
    if by_variable:
        found = run("plan", "--json", cwd=folder, UV_LAYERS_CONFIG=str(tmp_path / "elsewhere.toml"))
    else:
        found = run("plan", "--json", "--config", "../elsewhere.toml", cwd=folder)
    assert list(found.layers) == ["named"]


def test_the_option_wins_over_the_configured_prefix(project, run):
    folder = project(configured(['{ name = "low", groups = ["alpha"] }'], 'prefix = "/opt/app"'))
    assert run("plan", "--json", "--prefix", "/srv/", cwd=folder).result["prefix"] == "/srv"
    assert run("plan", "--json", cwd=folder, UV_LAYERS_PREFIX="/var/app").result["prefix"] == "/var/app"


def test_patterns_claim_before_groups_and_the_lower_layer_first(project, run):
    layers = [
        '{ name = "groups", groups = ["zeta", "alpha"] }',
        '{ name = "names", packages = ["odd_NAME.here", "num*"] }',
        '{ name = "late", packages = ["n*", "web"], dependencies = true }',
    ]
    found = run("plan", "--json", cwd=project(configured(layers)))
    assert found.layers == {"groups": ["shared"], "names": ["numbers", "odd-name-here"], "late": ["web"]}
    assert reasons(found, "names")["numbers"] == ("packages num*", ["group zeta"])


VENDOR = '{ name = "vendor", packages = ["vendor-m*"] }, { name = "rest", dependencies = true, groups = ["zeta"] }'


def test_a_pattern_takes_the_packages_that_match_and_not_what_they_need(project, run):
    app = APP.replace('["web"]', '["vendor-maths"]')
    found = run("plan", "--json", cwd=project(f"{app}\n    [tool.uv-layers]\n    layers = [{VENDOR}]\n"))
    assert found.layers["vendor"] == ["vendor-maths"]
    assert "vendor-core" in found.layers["rest"]


def test_the_top_layer_takes_what_nobody_claims(project, run):
    found = run("plan", "--json", cwd=project(configured(['{ name = "low" }', '{ name = "top", groups = ["zeta"] }'])))
    assert found.layers == {"low": [], "top": ["numbers", "odd-name-here", "shared", "web"]}
    assert reasons(found, "top")["web"] == ("claimed by no layer", [])
    assert "hint: layer 'low' is empty" in found.stderr


def test_a_shared_package_is_in_one_layer_and_names_who_else_needs_it(project, run):
    found = run("plan", "--json", cwd=project(APP))
    everywhere = [name for names in found.layers.values() for name in names]
    assert everywhere.count("shared") == 1
    assert reasons(found, "zeta")["shared"] == ("group zeta", ["dependencies"])
    assert reasons(found, "zeta")["numbers"] == ("group zeta", [])


def test_a_layer_of_an_extra_has_what_the_extra_adds(project, run):
    layers = [
        '{ name = "low", dependencies = true, groups = ["zeta", "alpha"] }',
        '{ name = "high", extras = ["two"] }',
    ]
    found = run("plan", "--json", cwd=project(configured(layers)))
    assert found.layers["high"] == ["extra-two", "speed"]
    assert reasons(found, "high")["speed"] == ("extra two", [])


def test_a_layer_of_an_extra_below_leaves_the_dependencies_to_their_layer(project, run):
    top = '{ name = "high", dependencies = true, groups = ["zeta", "alpha"] }'
    found = run("plan", "--json", cwd=project(configured(['{ name = "low", extras = ["two"] }', top])))
    assert found.layers["low"] == ["extra-two", "speed"]
    assert {"web", "shared"} < set(found.layers["high"])


def test_a_group_of_a_layer_is_in_the_image_though_it_is_no_default(project, run):
    found = run("plan", "--json", cwd=project(configured(['{ name = "low", groups = ["docs", "dev"] }'])))
    assert {"docs-only", "tests-only"} <= set(found.layers["low"])


# Options that choose


def test_a_group_on_the_command_line_is_a_layer_in_its_declared_place(project, run):
    found = run("plan", "--json", "--group", "docs", "--group", "dev", cwd=project(APP))
    assert list(found.layers) == ["zeta", "alpha", "docs", "dev", "dependencies"]
    assert found.layers["docs"] == ["docs-only"]
    assert found.layers["dev"] == ["tests-only"]


def test_a_group_that_is_left_out_is_no_layer(project, run):
    folder = project(APP)
    without = {"alpha": ["odd-name-here"], "dependencies": ["shared", "web"]}
    assert run("plan", "--json", "--no-group", "zeta", cwd=folder).layers == without
    assert run("plan", "--json", cwd=folder, UV_NO_GROUP="zeta").layers == without


def test_leaving_a_group_out_wins_over_asking_for_it_as_with_uv(project, run):
    folder = project(APP)
    assert "docs" not in run("plan", "--json", "--group", "docs", "--no-group", "docs", cwd=folder).layers
    assert "zeta" not in run("plan", "--json", "--group", "zeta", "--no-group", "zeta", cwd=folder).layers


def test_without_default_groups_the_project_is_left(project, run):
    folder = project(APP)
    assert run("plan", "--json", "--no-default-groups", cwd=folder).layers == {"dependencies": ["shared", "web"]}
    found = run("plan", "--json", "--no-default-groups", "--group", "docs", cwd=folder)
    assert found.layers == {"docs": ["docs-only", "shared"], "dependencies": ["web"]}


def test_extras_go_into_the_project_layer(project, run):
    folder = project(APP)
    assert run("plan", "--json", "--extra", "one", cwd=folder).layers["dependencies"] == ["extra-one", "web"]
    everything = ["extra-one", "extra-two", "speed", "web"]
    assert run("plan", "--json", "--all-extras", cwd=folder).layers["dependencies"] == everything
    assert run("plan", "--json", "--extra", "one", "--extra", "two", cwd=folder).layers["dependencies"] == everything


def test_selected_packages_that_no_layer_claims_go_to_the_top_layer(project, run):
    folder = project(configured(['{ name = "low", groups = ["zeta"] }', '{ name = "top", dependencies = true }']))
    found = run("plan", "--json", "--extra", "one", "--group", "docs", cwd=folder)
    assert found.layers["top"] == ["docs-only", "extra-one", "odd-name-here", "web"]


def test_names_of_groups_and_extras_are_normalised(project, run):
    app = APP.replace("docs = ", '"My_Docs" = ').replace("one = ", '"The.One" = ')
    found = run("plan", "--json", "--group", "my.DOCS", "--extra", "the_one", cwd=project(app))
    assert found.layers["my-docs"] == ["docs-only"]
    assert "extra-one" in found.layers["dependencies"]


def test_options_have_variables(project, run):
    folder = project(APP)
    assert "docs" in run("plan", "--json", cwd=folder, UV_LAYERS_GROUP="docs").layers
    assert "extra-one" in run("plan", "--json", cwd=folder, UV_LAYERS_EXTRA="one").layers["dependencies"]
    assert "extra-two" in run("plan", "--json", cwd=folder, UV_LAYERS_ALL_EXTRAS="1").layers["dependencies"]
    assert list(run("plan", cwd=folder, UV_LAYERS_JSON="1", UV_LAYERS_NO_DEFAULT_GROUPS="1").layers) == ["dependencies"]
    assert list(run("plan", "--json", cwd=folder, UV_NO_DEFAULT_GROUPS="true").layers) == ["dependencies"]


# The target

MARKED = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = [
        "numbers",
        "for-windows; sys_platform == 'win32'",
        "for-arm; platform_machine == 'aarch64'",
        "for-old-python; python_version < '3.12'",
        "for-313; python_version == '3.13' and platform_machine == 'aarch64'",
    ]
"""


@pytest.mark.parametrize(
    ("platform", "python", "more"),
    [
        ("linux/amd64", "3.11", ["for-old-python"]),
        ("linux/amd64", "3.12", []),
        ("linux/arm64", "3.12", ["for-arm"]),
        ("linux/arm64", "3.13", ["for-313", "for-arm"]),
        ("aarch64-unknown-linux-gnu", "3.13.2", ["for-313", "for-arm"]),
    ],
)
def test_markers_are_evaluated_for_the_platform(project, run, platform, python, more):
    found = run("plan", "--json", "--platform", platform, "--python", python, cwd=project(MARKED))
    assert found.layers["dependencies"] == sorted(["numbers", "shared", *more])
    assert found.result["target"]["python"].startswith(python)
    assert found.result["target"]["interpreter"] is None


def test_without_a_platform_the_target_is_the_running_interpreter(project, run):
    found = run("plan", "--json", cwd=project(MARKED)).result["target"]
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["interpreter"].startswith(sys.base_prefix)
    assert (found["implementation"], found["platform"]) == (sys.implementation.name, sys.platform)
    assert found["machine"] == os.uname().machine


def test_the_download_is_that_of_the_wheel_for_the_platform(project, run, index):
    folder = project(MARKED)
    for platform, tag in (("linux/amd64", "manylinux_2_17_x86_64"), ("linux/arm64", "manylinux_2_17_aarch64")):
        [layer] = run("plan", "--json", "--platform", platform, "--python", "3.12", cwd=folder).result["layers"]
        [numbers] = [p for p in layer["packages"] if p["name"] == "numbers"]
        assert numbers["bytes"] == len(index.files[f"numbers-1.1-py3-none-{tag}.whl"])
        assert layer["bytes"] == sum(p["bytes"] for p in layer["packages"])


def test_a_pattern_may_match_only_packages_of_another_platform(project, run):
    layers = '[{ name = "arm", packages = ["for-arm"] }, { name = "rest", dependencies = true }]'
    folder = project(f"{MARKED}\n    [tool.uv-layers]\n    layers = {layers}\n")
    amd, arm = (
        run("plan", "--json", "--platform", f"linux/{machine}", "--python", "3.12", cwd=folder).layers["arm"]
        for machine in ("amd64", "arm64")
    )
    assert (amd, arm) == ([], ["for-arm"])


# Where packages come from


def test_an_explicit_index_decides_for_its_package_alone(project, run, index):
    app = f"""
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["clash", "web"]

    [tool.uv.sources]
    clash = {{ index = "cpu" }}

    [[tool.uv.index]]
    name = "cpu"
    url = "{index.cpu_url}"
    explicit = true
    """
    [layer] = run("plan", "--json", cwd=project(app)).result["layers"]
    versions = {p["name"]: p["version"] for p in layer["packages"]}
    assert versions == {"clash": "2.0+cpu", "shared": "1.1", "web": "1.1"}


def test_a_source_distribution_is_said_to_be_built(project, run):
    app = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["source", "both"]\n'
    [layer] = run("plan", "--json", cwd=project(app)).result["layers"]
    assert {p["name"]: p["built"] for p in layer["packages"]} == {"source": True, "both": False}


def test_a_package_is_built_where_its_wheel_is_refused(project, run, index):
    app = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["both"]\n'
    [layer] = run("plan", "--json", cwd=project(f'{app}[tool.uv]\nno-binary-package = ["both"]\n')).result["layers"]
    assert layer["packages"][0]["built"]
    assert layer["bytes"] == len(index.files["both-1.0.tar.gz"])


# A workspace

ROOT = """
    [project]
    name = "root"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["web", "member"]

    [tool.uv.sources]
    member = { workspace = true }

    [tool.uv.workspace]
    members = ["packages/*"]
"""
MEMBER = """\
[project]
name = "member"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["numbers"]

[dependency-groups]
heavy = ["vendor-maths"]

[tool.uv]
default-groups = ["heavy"]
"""
MEMBER_LAYERS = {
    "heavy": ["vendor-core", "vendor-maths"],
    "dependencies": ["numbers", "shared"],
    "project": ["member"],
}


@pytest.fixture
def workspace(project):
    made = project(ROOT, locked=False)
    (made / "packages/member").mkdir(parents=True)
    (made / "packages/member/pyproject.toml").write_text(MEMBER)
    made.lock()
    return made


def test_the_root_of_a_workspace_has_the_member_that_it_needs_on_top(workspace, run):
    layers = {"dependencies": ["numbers", "shared", "web"], "project": ["member"]}
    assert run("plan", "--json", cwd=workspace).layers == layers


def test_package_names_a_member(workspace, run, tmp_path):
    assert run("plan", "--json", "--package", "member", cwd=workspace).layers == MEMBER_LAYERS
    assert run("plan", "--json", cwd=workspace, UV_LAYERS_PACKAGE="Member").layers == MEMBER_LAYERS
    assert (
        run("plan", "--json", "--package", "member", "--project", workspace.path, cwd=tmp_path).layers == MEMBER_LAYERS
    )


def test_a_member_is_planned_from_its_own_folder(workspace, run):
    assert run("plan", "--json", cwd=workspace / "packages/member").layers == MEMBER_LAYERS


def test_a_member_is_configured_by_its_own_file(workspace, run):
    own = 'layers = [{ name = "all", groups = ["heavy"], dependencies = true }]\n'
    (workspace / "packages/member/uv-layers.toml").write_text(own)
    found = run("plan", "--json", "--package", "member", cwd=workspace)
    assert found.layers == {"all": ["numbers", "shared", "vendor-core", "vendor-maths"]}


# What is printed


def test_json_is_all_that_stands_on_standard_output(project, run_program):
    ended = run_program("plan", "--json", cwd=project(configured(['{ name = "low" }', '{ name = "top" }'])))
    document = json.loads(ended.stdout)
    assert (document["schema"], document["command"]) == (1, "plan")
    assert ended.stderr == "".join(f"hint: {hint}\n" for hint in document["result"]["hints"])


def test_quiet_leaves_out_the_hints(project, run):
    folder = project(configured(['{ name = "low" }', '{ name = "top" }']))
    assert run("plan", cwd=folder).stderr.startswith("hint: ")
    assert run("plan", "-q", cwd=folder).stderr == ""
    assert run("plan", cwd=folder, UV_LAYERS_QUIET="1").stderr == ""


def test_the_table_has_a_row_a_layer_from_bottom_to_top_and_a_total(project, run):
    found = run("plan", "--no-group", "dev", "--no-group", "docs", cwd=project(APP))
    assert found.status == 0
    assert found.stderr == ""
    header, _, *rows = [line.split() for line in found.stdout.splitlines()]
    assert header == ["layer", "packages", "download", "from"]
    assert [row[:2] for row in rows[:4]] == [["zeta", "2"], ["alpha", "1"], ["dependencies", "1"], ["total", "4"]]
    assert rows[0][-2:] == ["group", "zeta"]
    assert rows[2][-1] == "dependencies"
    assert "prefix /usr/local" in found.stdout


def test_verbose_has_a_row_a_package_with_its_reason(project, run):
    lines = [line.split() for line in run("plan", "-v", cwd=project(APP)).stdout.splitlines()]
    [row] = [line for line in lines if line[:2] == ["zeta", "shared"]]
    assert row[2] == "1.1"
    assert " ".join(row[5:]) == "group zeta (also dependencies)"
    assert ["alpha", "odd-name-here", "1.0"] in [line[:3] for line in lines]


def test_a_plan_offline_needs_no_cache(project, run, tmp_path):
    found = run("plan", "--json", "--offline", cwd=project(APP), UV_CACHE_DIR=str(tmp_path / "empty"))
    assert found.layers == LAYERS


def test_the_plan_is_the_same_each_time(project, run):
    folder = project(APP)
    first, second = (run("plan", "--json", cwd=folder) for _ in range(2))
    assert (first.status, first.stdout) == (0, second.stdout)
