"""`.dockerignore`: BuildKit and uv-layers agree on what a build gets."""

from __future__ import annotations

import os
import random
import re
import subprocess

import pytest

from uv_layers.image.ignore import IgnoreFile, IgnorePatternError

pytestmark = pytest.mark.docker

BUILDS = 150
NAMES = [
    *("a", "b", "ab", "a.b", "uv.lock", "xfoo", "foo", "src", ".venv", "pyproject.toml", "ü", "!x", "#c", " first"),
    *("last ", "a^b", "a[b]", "[", "a*b", "a\\b", "a$b", "(a)", "a+b", "a?b", "a{x}"),
]
# Not in here: `|` and `{1}`, which BuildKit by mistake takes for operators, and nobody writes.
PIECES = [
    *(
        "*",
        "*",
        "**",
        "**/",
        "/",
        "/",
        "?",
        "a",
        "b",
        "foo",
        "uv",
        "x",
        ".",
        "..",
        "./",
        "!",
        "^",
        "$",
        "#",
        " ",
        "(a)",
    ),
    *("[a-f]", "[^a]", "[*]", "[?a]", "[a\\]b]", "[!a]", "[&&]", "]", "\\*", "\\[", "\\ ", "\\d", "\\w", "\\b", "+"),
]
REFUSED = ["[", "\\", "[]", "[^]", "[a-]", "[z-a]", "\\o", "[-a]", "[]a]", "*\\", "[+--]", "*[", "*[-a]"]


@pytest.fixture
def chance():
    seed = random.randrange(1 << 32)  # noqa: S311 - no secret
    print("seed", seed)  # noqa: T201 - pytest shows it where the test fails
    return random.Random(seed)  # noqa: S311


@pytest.fixture
def tree(tmp_path, chance):
    """A folder with many files, three folders deep."""

    def fill(folder, depth):
        folder.mkdir()
        for name in chance.sample(NAMES, 6 if depth else 12):
            if depth < 3 and chance.random() < 0.45:
                fill(folder / name, depth + 1)
            else:
                (folder / name).write_text("x", encoding="utf-8")

    fill(tmp_path / "context", 0)
    return tmp_path / "context"


def _pattern(chance, paths):
    kind = chance.random()
    if kind < 0.2:
        pattern = chance.choice(paths)
    elif kind < 0.4:
        parts = chance.choice(paths).split("/")
        index = chance.randrange(len(parts))
        parts[index] = chance.choice(
            ["*", "**", f"*{parts[index][1:]}", f"{parts[index][:1]}*", "?" * len(parts[index])]
        )
        pattern = "/".join(parts)
    elif kind < 0.6:
        pattern = chance.choice(["**/", "*/", "/", "./", "a/../", "../"]) + chance.choice(NAMES)
        pattern += chance.choice(["", "/", "/**", "/*", "**"])
    else:
        pattern = "".join(chance.choices(PIECES, k=chance.randint(1, 5)))
    pattern += chance.choice(REFUSED) if chance.random() < 0.03 else ""
    pattern = "!" + pattern if chance.random() < 0.4 else pattern
    if chance.random() < 0.1:
        pattern = chance.choice([" ", "\t", "! ", "\xa0"]) + pattern + chance.choice([" ", "", "\r"])
    return pattern


def _text(chance, paths):
    lines = [_pattern(chance, paths) for _ in range(chance.randint(1, 7))]
    if chance.random() < 0.3:
        lines.insert(0, chance.choice(["*", "**", "*/*"]))
    return "\ufeff" * (chance.random() < 0.1) + "\n".join(lines) + "\n"


def _built(tree, text, out, number):
    """Return the files that are in the build with their content, or None where BuildKit refuses the patterns."""
    (tree / "Dockerfile.dockerignore").write_text(text, encoding="utf-8", newline="")
    (tree / "Dockerfile").write_text("FROM scratch\nCOPY . /\n", encoding="utf-8")
    for path in tree.rglob("*"):
        # BuildKit keeps the content of a file that it got in an earlier build, and sends it again if the time differs.
        os.utime(path, (number, number))
    argv = ["docker", "build", "--quiet", f"--output=type=local,dest={out}", "."]
    done = subprocess.run(argv, cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode:
        assert re.search("syntax error in pattern|illegal exclusion pattern", done.stderr), done.stderr
        return None
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file() and path.stat().st_size}


def test_what_buildkit_sends_is_what_uv_layers_expects(tree, chance, tmp_path):
    files = [str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()]
    paths = [str(path.relative_to(tree)) for path in tree.rglob("*")]
    refused = kept = 0
    for number in range(1, BUILDS + 1):
        text = _text(chance, paths)
        try:
            ignore = IgnoreFile(text)
            expected = {path for path in files if not ignore.excludes(path)}
        except IgnorePatternError:
            expected = None
        built = _built(tree, text, tmp_path / f"out-{number}", number)
        assert expected == (None if built is None else built - {"Dockerfile", "Dockerfile.dockerignore"}), repr(text)
        refused += built is None
        kept += built is not None and 0 < len(expected) < len(files)
    assert refused
    assert kept > BUILDS // 5


ALLOWED = "*\n!pyproject.toml\n!uv.lock\n!*.whl\n"
PROJECT = """
    [project]
    name = "app"
    version = "1.0"
    requires-python = ">=3.10"
    dependencies = ["hello"]
"""


def test_an_allow_list_with_the_lines_that_the_error_names_builds(project, web):
    web.wheel("hello", script=True)
    context = project(PROJECT, {"uv-layers.toml": 'layers = [{ name = "all", dependencies = true }]\n'})
    context.write(ALLOWED, ".dockerignore")
    words = ("dockerfile", *context.options, "--cmd", "hello", "--write", "Dockerfile")
    said = context.refused(*words)
    assert said.startswith("error[excluded]: .dockerignore excludes uv-layers.toml, which the Dockerfile needs; ")
    exception = said.rpartition("add ")[2].partition(" below ")[0]
    context.write(ALLOWED.replace("*\n", f"*\n{exception}\n", 1), ".dockerignore")
    context.uv_layers(*words)
    assert context.build().run() == "hello 1.0"


def test_the_first_dockerignore_keeps_nothing_from_the_build(project, web):
    web.wheel("hello", script=True)
    context = project(PROJECT, {".venv/pyvenv.cfg": "", "src/app/__init__.py": "", "src/app/__pycache__/a.pyc": ""})
    context.dockerfile("--cmd", "hello", "--write", "Dockerfile")
    image = context.build()
    assert image.run() == "hello 1.0"
    found = set(image.run("find", "/app", "-type", "f").splitlines())
    assert found >= {"/app/src/app/__init__.py", "/app/pyproject.toml", "/app/uv.lock"}
    assert not [name for name in found if "pycache" in name or "venv" in name or "Docker" in name]


def test_with_frozen_the_build_needs_no_other_file(project, web):
    web.wheel("hello", script=True)
    context = project(
        PROJECT + '[tool.uv.workspace]\nmembers = ["members/*"]\n',
        {"members/one/pyproject.toml": '[project]\nname = "one"\nversion = "1"\nrequires-python = ">=3.10"\n'},
    )
    context.write("members\n", ".dockerignore")
    words = ("--cmd", "hello", "--write", "Dockerfile")
    assert "excludes members/one/pyproject.toml" in context.refused("dockerfile", *context.options, *words)
    context.dockerfile("--frozen", *words)
    assert context.build().run() == "hello 1.0"
