"""Layers are disjoint and together what one export of the image set gives: of projects like three public ones.

The public ones themselves are planned, too, where they are beside this repository.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli
from packaging.markers import Marker, default_environment

REAL = Path(__file__).parents[2].parent / "shared" / "real"
DOCLING, MERINO, PAPERLESS = (
    "docling-project__docling-serve",
    "mozilla-services__merino-py",
    "paperless-ngx__paperless-ngx",
)

real = pytest.mark.skipif(not REAL.is_dir(), reason="the real projects are not beside this repository")

MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}


@pytest.fixture
def plan(run):
    """Return a function that plans one of the projects for a target, offline and with its lock as it is."""

    def call(name, *words, platform="linux/amd64", python="3.12", **environ):
        target = ("--platform", platform, "--python", python, "--frozen", "--offline")
        return run("plan", "--json", *target, *words, cwd=REAL / name, **environ)

    return call


def environment_of(platform, python):
    return {
        **default_environment(),
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": MACHINES[platform],
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }


@pytest.fixture
def image_set(uv_run):
    """Return a function that asks uv itself, once, for the packages of an image, as names and versions."""

    def call(name, *words, platform="linux/amd64", python="3.12"):
        argv = ("export", "--format", "pylock.toml", "--frozen", "--offline", "--no-header")
        exported = tomli.loads(uv_run(*argv, "--quiet", *words, cwd=REAL / name))
        environment = environment_of(platform, python)
        return sorted(
            (package["name"], package.get("version"))
            for package in exported["packages"]
            if "marker" not in package or Marker(package["marker"]).evaluate(environment, context="lock_file")
        )

    return call


def packages(planned):
    assert planned.status == 0, planned.stderr
    return [(p["name"], p["version"]) for layer in planned.result["layers"] for p in layer["packages"]]


# The options of `uv-layers plan`, those of `uv export` for the same image, and the target.
AMD64, ARM64 = {"platform": "linux/amd64"}, {"platform": "linux/arm64"}
IMAGES = {
    "docling-serve": (DOCLING, (), ("--no-dev",), AMD64),
    "docling-serve on arm64": (DOCLING, (), ("--no-dev",), ARM64 | {"python": "3.13"}),
    "docling-serve for the CPU": (
        DOCLING,
        ("--no-group", "pypi", "--group", "cpu"),
        ("--no-dev", "--no-group", "pypi", "--group", "cpu"),
        AMD64,
    ),
    "docling-serve with extras": (
        DOCLING,
        ("--extra", "ui", "--extra", "easyocr"),
        ("--no-dev", "--extra", "ui", "--extra", "easyocr"),
        AMD64,
    ),
    "merino": (MERINO, (), ("--no-dev",), AMD64 | {"python": "3.14"}),
    "merino without its load tests": (
        MERINO,
        ("--no-group", "load"),
        ("--no-dev", "--no-group", "load"),
        ARM64 | {"python": "3.14"},
    ),
    "merino's fleece": (
        MERINO,
        ("--package", "merino-fleece"),
        ("--no-dev", "--package", "merino-fleece"),
        AMD64 | {"python": "3.14"},
    ),
    "paperless": (PAPERLESS, (), ("--no-dev",), AMD64),
    "paperless on arm64": (PAPERLESS, (), ("--no-dev",), ARM64),
    "paperless with everything": (
        PAPERLESS,
        ("--all-extras", "--group", "docs"),
        ("--no-dev", "--all-extras", "--group", "docs"),
        AMD64,
    ),
}


# What makes each of the public projects worth planning, on the packages of the index here.
HEAD = """
[project]
name = "app"
version = "1"
requires-python = ">=3.10"
"""
LIKE_DOCLING = (
    HEAD
    + """
dependencies = ["web", "extra-one; platform_machine == 'aarch64'"]
optional-dependencies = { ui = ["speed"], ocr = ["tool", "extra-two; python_version < '3.13'"] }

[dependency-groups]
dev = ["tests-only"]
pypi = ["clash", "vendor-maths"]
cpu = ["clash", "vendor-maths"]

[tool.uv]
package = false
default-groups = ["dev", "pypi"]
conflicts = [[{ group = "pypi" }, { group = "cpu" }]]

[tool.uv.sources]
clash = [{ index = "cpu", group = "cpu" }]

[[tool.uv.index]]
name = "cpu"
url = "CPU"
explicit = true

"""
)
LIKE_MERINO = (
    HEAD
    + """
dependencies = ["common", "web"]

[dependency-groups]
dev = ["tests-only"]
jobs = ["numbers", "shared"]
load = ["vendor-more"]

[tool.uv]
default-groups = ["dev", "jobs", "load"]

[tool.uv.workspace]
members = ["common", "fleece"]

[tool.uv.sources]
common = { workspace = true }

"""
)
LIKE_PAPERLESS = (
    HEAD
    + """
dependencies = ["web[fast]", "for-arm; platform_machine == 'aarch64'", "for-windows; sys_platform == 'win32'"]
optional-dependencies = { more = ["extra-one"], most = ["extra-two; platform_machine == 'x86_64'"] }

[dependency-groups]
dev = [{ include-group = "docs" }, "tests-only"]
docs = ["docs-only"]

"""
)


@pytest.fixture
def like(project, index):
    """Return a function that writes a project that is like a public one."""

    def call(text):
        folder = project(text.replace("CPU", index.cpu_url), locked=False)
        for name, needs in (("common", ["extra-one"]), ("fleece", ["common", "speed"])) if "members" in text else ():
            (folder / name).mkdir()
            sources = "[tool.uv.sources]\ncommon = { workspace = true }\n" if "common" in needs else ""
            member = f"{HEAD.replace('app', name)}dependencies = {needs}\n{sources}"
            (folder / name / "pyproject.toml").write_text(member, encoding="utf-8")
        folder.lock()
        return folder.path

    return call


CPU = ("--no-group", "pypi", "--group", "cpu")
FLEECE = ("--package", "fleece")


@pytest.mark.parametrize(
    "target", [{"platform": "linux/amd64"}, {"platform": "linux/arm64", "python": "3.13"}], ids=str
)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LIKE_DOCLING, ()),
        (LIKE_DOCLING, CPU),
        (LIKE_DOCLING, ("--extra", "ui", "--extra", "ocr")),
        (LIKE_MERINO, ()),
        (LIKE_MERINO, ("--no-group", "load")),
        (LIKE_MERINO, FLEECE),
        (LIKE_PAPERLESS, ()),
        (LIKE_PAPERLESS, ("--all-extras", "--group", "docs")),
    ],
    ids=["groups", "other group", "extras", "workspace", "less a group", "member", "markers", "everything"],
)
def test_layers_of_a_project_like_a_public_one(plan, image_set, like, text, words, target):
    folder = like(text)
    ended = plan(folder, *words, **target)
    planned = packages(ended)
    assert len(planned) == len({package for package, _ in planned})
    assert sorted(planned) == image_set(folder, "--no-dev", *words, **target)
    assert len(planned) > 1
    # What has no version is a local folder.
    own = {layer["name"] for layer in ended.result["layers"] for p in layer["packages"] if p["version"] is None}
    assert own == ({"project"} if text == LIKE_MERINO else set())
    assert ("clash", "2.0+cpu") in planned if words == CPU else ("clash", "2.0+cpu") not in planned


def test_a_group_that_conflicts_with_a_default_one_is_refused_in_a_project_like_a_public_one(plan, like):
    ended = plan(like(LIKE_DOCLING), "--group", "cpu")
    assert ended.status == 2
    for part in ("error[two-versions]: layer ", "needs clash 2.", "+cpu", "'pypi'", "'cpu'", "--no-group"):
        assert part in ended.stderr.splitlines()[-1]


@real
@pytest.mark.parametrize("image", IMAGES)
def test_layers_are_disjoint_and_together_the_image_set(plan, image_set, image):
    name, ours, theirs, target = IMAGES[image]
    planned = packages(plan(name, *ours, **target))
    assert len(planned) == len({package for package, _ in planned})
    assert sorted(planned) == image_set(name, *theirs, **target)
    assert len(planned) > 30


@real
def test_the_layers_are_the_default_groups_and_the_project(plan):
    assert list(plan(DOCLING).layers) == ["pypi", "dependencies", "project"]
    assert list(plan(MERINO, python="3.14").layers) == ["jobs", "load", "dependencies", "project"]
    assert list(plan(PAPERLESS).layers) == ["dependencies"]


TORCH = """\
layers = [
  { name = "cuda", packages = ["torch", "nvidia-*", "triton"] },
  { name = "rest", groups = ["pypi"], dependencies = true },
]
"""


@real
@pytest.mark.parametrize("by_variable", [False, True])
def test_packages_are_claimed_by_a_file_from_outside(plan, image_set, tmp_path, by_variable):
    config = tmp_path / "layers.toml"
    config.write_text(TORCH)
    planned = plan(DOCLING, UV_LAYERS_CONFIG=str(config)) if by_variable else plan(DOCLING, "--config", config)
    cuda, rest = planned.layers["cuda"], planned.layers["rest"]
    assert {"torch", "triton"} < set(cuda)
    assert all(name in {"torch", "triton"} or name.startswith("nvidia-") for name in cuda)
    assert not [name for name in rest if name == "torch" or name.startswith("nvidia-")]
    # These layers leave out the project itself, which has no version.
    assert sorted(packages(planned)) == [package for package in image_set(DOCLING, "--no-dev") if package[1]]


@real
def test_the_heavy_layer_has_most_of_the_download(plan, tmp_path):
    config = tmp_path / "layers.toml"
    config.write_text(TORCH)
    cuda, rest = (layer["bytes"] for layer in plan(DOCLING, "--config", config).result["layers"])
    assert cuda > 3 * rest > 0


@real
def test_groups_that_conflict_are_refused_with_both_versions_and_both_layers(plan, tmp_path):
    config = tmp_path / "layers.toml"
    config.write_text(
        'layers = [{ name = "gpu", groups = ["pypi"] }, { name = "small", groups = ["cpu"], dependencies = true }]\n'
    )
    ended = plan(DOCLING, "--config", config)
    assert (ended.status, ended.stdout) == (2, "")
    *_, last = ended.stderr.splitlines()
    assert last.startswith("error[two-versions]: layer '")
    assert "+cpu" in last
    assert "'gpu'" in last
    assert "'small'" in last


@real
def test_a_group_that_conflicts_with_a_default_one_is_refused(plan):
    ended = plan(DOCLING, "--group", "cpu")
    assert ended.status == 2
    *_, last = ended.stderr.splitlines()
    assert last.startswith("error[two-versions]: layer '")
    for part in ("+cpu", "'pypi'", "'cpu'", "--no-group"):
        assert part in last


@real
def test_the_other_side_of_a_conflict_is_planned(plan):
    found = dict(packages(plan(DOCLING, "--no-group", "pypi", "--group", "cpu")))
    assert found["torch"].endswith("+cpu")
    assert not [name for name in found if name.startswith("nvidia-")]


@real
def test_every_layer_has_a_lock_whose_files_are_hashed(run, tmp_path):
    target = ("--platform", "linux/amd64", "--python", "3.12", "--frozen", "--offline")
    ended = run("export", *target, "-o", tmp_path, cwd=REAL / PAPERLESS)
    assert ended.status == 0, ended.stderr
    lock = tomli.loads((tmp_path / "pylock.dependencies.toml").read_text(encoding="utf-8"))
    for package in lock["packages"]:
        [file] = [*package.get("wheels", ()), *(package[key] for key in ("sdist", "archive") if key in package)]
        assert len(file["hashes"]["sha256"]) == 64, package["name"]
    assert "psycopg-c" not in {package["name"] for package in lock["packages"]}


@real
def test_a_source_of_git_is_pinned_by_its_commit(run, tmp_path):
    target = ("--platform", "linux/amd64", "--python", "3.12", "--frozen", "--offline")
    ended = run("export", "typing", *target, "-o", tmp_path, cwd=REAL / PAPERLESS)
    assert ended.status == 0, ended.stderr
    lock = tomli.loads((tmp_path / "pylock.typing.toml").read_text(encoding="utf-8"))
    [stubs] = [package for package in lock["packages"] if "vcs" in package]
    assert stubs["name"] == "microsoft-python-type-stubs"
    assert len(stubs["vcs"]["commit-id"]) == 40


@real
def test_planning_writes_nothing(plan):
    before = {path: path.stat().st_mtime_ns for path in REAL.rglob("*")}
    assert plan(MERINO, python="3.14").status == 0
    assert {path: path.stat().st_mtime_ns for path in REAL.rglob("*")} == before
