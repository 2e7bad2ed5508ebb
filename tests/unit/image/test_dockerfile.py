from __future__ import annotations

import csv
import json
import re
import shlex
from dataclasses import replace
from textwrap import dedent

import pytest

from uv_layers import credentials
from uv_layers.errors import MarksError, UsageError
from uv_layers.image.bake import bake_file
from uv_layers.image.dockerfile import dockerfile_blocks, stage_names, whole_dockerfile
from uv_layers.image.kept import avoiding_names, updated_dockerfile
from uv_layers.image.recipe import Recipe, Stage
from uv_layers.system.uv import MINOR

RECIPE = Recipe(
    layers=(Stage("heavy"), Stage("light")),
    inputs=("pyproject.toml", "uv.lock"),
    tool="0.1.0",
    image="python:3.12-slim-bookworm",
)
UV = f"COPY --from=ghcr.io/astral-sh/uv:{MINOR} /uv /uvx /usr/local/bin/\n"
BUILDER = """\
FROM {image} AS {stage}
USER root
ENV HOME=/root
{copy}RUN {mount}echo uv | UV_TOOL_DIR=/opt UV_TOOL_BIN_DIR=/usr/local/bin \\
    uv tool install --no-cache --no-python-downloads --excludes - \\
    --python "$(command -v python3 || uv python find)" {tool} && \\
    uv-layers precompile
WORKDIR /build
"""
PIP = """\
FROM {image} AS {stage}
USER root
ENV HOME=/root
RUN {mount}python3 -m venv /opt/uv-layers && \\
    /opt/uv-layers/bin/pip install --no-cache-dir {tool} && \\
    ln -sf /opt/uv-layers/bin/uv-layers /opt/uv-layers/bin/uv /usr/local/bin/ && \\
    uv-layers precompile
WORKDIR /build
"""


def _builder(text=BUILDER, **changes):
    plain = {"image": RECIPE.image, "stage": "uv-layers", "copy": UV, "mount": "", "tool": "uv-layers==0.1.0"}
    return text.format(**plain | changes)


STAGES = f"""\
# >>> uv-layers stages, managed by `uv-layers dockerfile --write`
{_builder()}
FROM uv-layers AS plan
RUN --mount=type=cache,target=/root/.cache \\
    --mount=type=bind,source=pyproject.toml,target=/build/pyproject.toml \\
    --mount=type=bind,source=uv.lock,target=/build/uv.lock \\
    uv-layers export

FROM uv-layers AS heavy
COPY --from=plan /build/pylock.heavy.toml ./
RUN --mount=type=cache,target=/root/.cache \\
    uv-layers install heavy

FROM uv-layers AS light
COPY --from=plan /build/pylock.light.toml ./
RUN --mount=type=cache,target=/root/.cache \\
    uv-layers install light
# <<< uv-layers stages
"""
COPIES = """\
# >>> uv-layers copies, managed by `uv-layers dockerfile --write`
COPY --link --from=heavy /build/layers/heavy/ /
COPY --link --from=light /build/layers/light/ /
# <<< uv-layers copies
"""


def _recipe(**changes):
    return Recipe(**{name: getattr(RECIPE, name) for name in Recipe.__slots__} | changes)


def test_the_snippet_has_the_stages_and_then_the_copies_bottom_first():
    note = "# Put this in the final stage, below lines that change less often than the dependencies:\n"
    assert dockerfile_blocks(RECIPE) == f"{STAGES}\n{note}{COPIES}"


def test_a_whole_dockerfile_ends_with_the_project_and_its_command():
    recipe = _recipe(sources=("app", "main.py"), command=("uvicorn", "main:app"))
    rest = """\
COPY --link app ./app
COPY --link main.py ./main.py
CMD ["uvicorn", "main:app"]
"""
    assert whole_dockerfile(recipe) == f"{STAGES}\nFROM python:3.12-slim-bookworm\nWORKDIR /app\n{COPIES}{rest}"


def test_without_sources_or_a_command_there_are_no_lines_for_them():
    assert whole_dockerfile(RECIPE).endswith(f"WORKDIR /app\n{COPIES}")


def test_there_is_no_syntax_line_and_no_stray_space():
    text = whole_dockerfile(RECIPE)
    assert "# syntax" not in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_the_builder_may_have_an_image_of_its_own():
    text = whole_dockerfile(_recipe(builder="registry.example/builder:1"))
    assert text.splitlines()[1] == "FROM registry.example/builder:1 AS uv-layers"
    assert "\nFROM python:3.12-slim-bookworm\n" in text


def test_the_tool_may_be_a_wheel_of_the_build_context():
    name = "uv_layers-1-py3-none-any.whl"
    mount = f"--mount=type=bind,source=build/dist/{name},target=/tmp/{name} \\\n    "
    for uv, text in ((None, BUILDER), ("pip", PIP)):
        stages = dockerfile_blocks(_recipe(tool=f"build/dist/{name}", uv=uv)).partition("\n")[2]
        assert stages.startswith(_builder(text, mount=mount, tool=f"/tmp/{name}"))  # noqa: S108 - in the builder


@pytest.mark.parametrize(
    ("export", "line"),
    [
        ((), "    uv-layers export"),
        (("--no-group", "heavy", "light"), "    uv-layers export --no-group heavy light"),
        (("--config", "my layers.toml"), "    uv-layers export --config 'my layers.toml'"),
        (("--prefix", "/a$(b)"), "    uv-layers export --prefix '/a$(b)'"),
    ],
)
def test_the_plan_stage_exports_with_the_given_arguments_quoted_for_the_shell(export, line):
    assert line in dockerfile_blocks(_recipe(export=export)).splitlines()


@pytest.mark.parametrize(
    ("prefix", "place"), [("/usr/local", "/"), ("/app/.venv", "/"), ("/", "/usr/local/")], ids=lambda value: value
)
def test_a_tree_is_copied_to_the_root_and_a_flat_one_to_where_the_interpreter_looks(prefix, place):
    lines = whole_dockerfile(_recipe(prefix=prefix)).splitlines()
    assert f"COPY --link --from=heavy /build/layers/heavy/ {place}" in lines


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("src", "COPY --link src ./src"),
        ("apps/web-1.0/*.py", "COPY --link apps/web-1.0/*.py ./apps/web-1.0/"),
        ("*.py", "COPY --link *.py ./"),
        ("my app/*.py", 'COPY --link ["./my app/*.py", "./my app/"]'),
        ("my app", 'COPY --link ["./my app", "./my app"]'),
        ("--link", 'COPY --link ["./--link", "./--link"]'),
        ("!a", r'COPY --link ["./[\\\\!]a", "./!a"]'),
        (" a ", r'COPY --link ["./[\\\\ ]a[\\\\ ]", "./ a "]'),
        ("b[1].py", r'COPY --link ["./b[\\\\[]1].py", "./b[1].py"]'),
        ("b?.py", r'COPY --link ["./b[\\\\?].py", "./b?.py"]'),
        ("a$HOME.py", r'COPY --link ["./a\\$HOME.py", "./a\\$HOME.py"]'),
        ("it's", r"""COPY --link ["./it\\'s", "./it\\'s"]"""),
    ],
)
def test_a_path_is_copied_whatever_is_in_its_name(source, line):
    assert line in whole_dockerfile(_recipe(sources=(source,))).splitlines()


def _read(word):
    """Return a word of a COPY as BuildKit has it after it removed quotes and backslashes, and expanded variables."""
    assert not re.search(r"""(?<!\\)(?:\\\\)*['"$]""", word)
    return re.sub(r"\\(.)", r"\1", word)


@pytest.mark.parametrize("source", ['a"b', "a\\b", "a\\", "${A}[!'x?]", "\\[a]", "$(id) `id`"])
def test_a_path_is_a_pattern_that_matches_it_alone(source):
    copy = whole_dockerfile(_recipe(sources=(source,))).splitlines()[-1]
    pattern, place = map(_read, json.loads(copy.removeprefix("COPY --link ")))
    assert place == f"./{source}"
    assert re.sub(r"\[\\(.)\]", r"\1", pattern) == f"./{source}"
    assert not re.search(r"[*?[\\]", re.sub(r"\[\\.\]", "", pattern))


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (("python", "-m", "app"), 'CMD ["python", "-m", "app"]'),
        (("sh", "-c", 'echo "a b"'), 'CMD ["sh", "-c", "echo \\"a b\\""]'),
    ],
)
def test_the_command_is_in_exec_form(command, line):
    assert whole_dockerfile(_recipe(command=command)).splitlines()[-1] == line


def _first_bind(text):
    """Return the options of the first bind mount, as BuildKit reads them: a word without quotes, then a CSV record."""
    word = next(word for word in shlex.split(text.replace("\\\n", " ")) if word.startswith("--mount=type=bind"))
    return dict(option.split("=", 1) for option in next(csv.reader([word.removeprefix("--mount=")])))


@pytest.mark.parametrize("path", ["pyproject.toml", "packages/a/pyproject.toml", "a=b.toml", "é.toml"])
def test_a_path_of_the_context_is_mounted_as_it_is(path):
    assert _first_bind(dockerfile_blocks(_recipe(inputs=(path,)))) == {
        "type": "bind",
        "source": path,
        "target": f"/build/{path}",
    }


@pytest.mark.parametrize("path", [*(f"a{character}b.toml" for character in " \t\n,\"'`$\\["), "!a.toml"])
def test_a_path_that_no_quoting_carries_through_a_mount_is_an_error(path):
    for recipe in (_recipe(inputs=(path,)), _recipe(tool=f"{path}/x.whl")):
        with pytest.raises(UsageError) as caught:
            dockerfile_blocks(recipe)
        assert "cannot be mounted in a Dockerfile, because of its special characters; rename it" in str(caught.value)


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        (("heavy", "light"), ["heavy", "light"]),
        (("scratch",), ["layer-scratch"]),
        (("3d", "0"), ["layer-3d", "layer-0"]),
        (("0", "layer-0"), ["layer-layer-0", "layer-0"]),
        (("layer-0", "0"), ["layer-0", "layer-layer-0"]),
        (("plan", "uv-layers"), ["layer-plan", "layer-uv-layers"]),
        (("plan", "layer-plan"), ["layer-layer-plan", "layer-plan"]),
        (("debian", "ubuntu"), ["layer-debian", "layer-ubuntu"]),
        (("a_b",), ["a_b"]),
        ((), []),
    ],
)
def test_a_stage_has_the_name_of_its_layer_where_that_is_free(layers, names):
    recipe = _recipe(layers=tuple(map(Stage, layers)), image="debian", builder="ubuntu")
    assert stage_names(recipe) == ["uv-layers", "plan", *names]


def test_a_renamed_stage_is_copied_from_by_its_new_name_and_its_files_keep_the_name_of_the_layer():
    lines = dockerfile_blocks(_recipe(layers=(Stage("plan"),))).splitlines()
    assert "FROM uv-layers AS layer-plan" in lines
    assert "COPY --from=plan /build/pylock.plan.toml ./" in lines
    assert "    uv-layers install plan" in lines
    assert "COPY --link --from=layer-plan /build/layers/plan/ /" in lines


@pytest.mark.parametrize(
    ("images", "names"),
    [
        ({"image": "plan"}, ["uv-layers", "layer-plan", "heavy"]),
        ({"image": "uv-layers"}, ["layer-uv-layers", "plan", "heavy"]),
        ({"builder": "uv-layers"}, ["layer-uv-layers", "plan", "heavy"]),
        ({"image": "heavy"}, ["uv-layers", "plan", "layer-heavy"]),
        ({"image": "plan", "builder": "layer-plan"}, ["uv-layers", "layer-layer-plan", "heavy"]),
    ],
)
def test_no_stage_has_the_name_of_an_image(images, names):
    assert stage_names(_recipe(layers=(Stage("heavy"),), **images)) == names


def test_an_image_may_have_the_name_of_a_stage_of_the_tool():
    text = whole_dockerfile(_recipe(layers=(Stage("heavy"),), image="plan", builder="uv-layers"))
    assert [line for line in text.splitlines() if line.startswith(("FROM", "COPY"))] == [
        "FROM uv-layers AS layer-uv-layers",
        UV.strip(),
        "FROM layer-uv-layers AS layer-plan",
        "FROM layer-uv-layers AS heavy",
        "COPY --from=layer-plan /build/pylock.heavy.toml ./",
        "FROM plan",
        "COPY --link --from=heavy /build/layers/heavy/ /",
    ]


def _stage(recipe, name):
    """Return the lines of one stage of the snippet."""
    blocks = dockerfile_blocks(recipe).partition("# <<<")[0].split("\n\n")
    [block] = [block for block in blocks if re.search(rf"^FROM \S+ AS {name}$", block, re.MULTILINE)]
    return block[block.index("FROM ") :].rstrip("\n")


# Virtual environments.


def test_an_environment_is_the_first_layer_and_the_final_image_uses_it():
    text = whole_dockerfile(_recipe(layers=(Stage("venv"), Stage("heavy")), prefix="/app/.venv"))
    assert text.partition("\nFROM python:3.12-slim-bookworm\n")[2] == dedent("""\
        WORKDIR /app
        # >>> uv-layers copies, managed by `uv-layers dockerfile --write`
        COPY --link --from=venv /build/layers/venv/ /
        COPY --link --from=heavy /build/layers/heavy/ /
        ENV VIRTUAL_ENV="/app/.venv" PATH="/app/.venv/bin:$PATH"
        # <<< uv-layers copies
        """)


def _env(line):
    """Return the variables of an ENV instruction, as BuildKit reads them, with PATH=/bin before it."""
    found = {}
    for name, quoted in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', line.removeprefix("ENV ")):
        pieces = re.findall(r"\\.|\$\w+|[^\\$]+", quoted)
        known = {"$PATH": "/bin", '\\"': '"', "\\\\": "\\", "\\$": "$"}
        found[name] = "".join(known.get(piece, piece) for piece in pieces)
    return found


@pytest.mark.parametrize(
    "prefix", ["/venv", "/a b/.venv", '/a"b/.venv', "/a\\b/.venv", "/$HOME/.venv", "/$(id)/.venv", "/a'b#`é/venv"]
)
def test_the_variables_of_an_environment_are_quoted(prefix):
    [line] = [
        line for line in dockerfile_blocks(_recipe(prefix=prefix)).splitlines() if line.startswith("ENV VIRTUAL_ENV")
    ]
    assert _env(line) == {"VIRTUAL_ENV": prefix, "PATH": f"{prefix}/bin:/bin"}


# What the stages have.


def test_a_file_of_the_project_is_mounted_where_its_lock_looks_for_it():
    recipe = _recipe(layers=(Stage("heavy"),), files=(("vendor/a-1-py3-none-any.whl", "vendor/a-1-py3-none-any.whl"),))
    mount = "    --mount=type=bind,source=vendor/a-1-py3-none-any.whl,target=/build/vendor/a-1-py3-none-any.whl \\"
    assert _stage(recipe, "plan").splitlines()[-2:] == [mount, "    uv-layers export"]
    assert _stage(recipe, "heavy").splitlines()[-2:] == [mount, "    uv-layers install heavy"]


def test_why_the_lock_is_not_checked_stands_above_the_plan():
    text = dockerfile_blocks(_recipe(export=("--frozen",), why="--frozen: the dependencies\nRUN of x are dynamic."))
    assert "\n\n# --frozen: the dependencies\\nRUN of x are dynamic.\nFROM uv-layers AS plan\nRUN " in text
    assert "\n    uv-layers export --frozen\n" in text


def test_the_project_is_installed_from_a_copy_of_the_context():
    arguments = ("--project", "project/api", "--layers-dir", "layers", "--frozen", "--config", "project/a b")
    recipe = _recipe(
        layers=(Stage("heavy"), Stage("app", project=arguments)), files=(("vendor/a.whl", "vendor/a.whl"),)
    )
    python = '--python "$(command -v python3 || uv python find)"'
    assert _stage(recipe, "app") == dedent(f"""\
        FROM uv-layers AS app
        COPY . /build/project
        RUN --mount=type=cache,target=/root/.cache \\
            uv-layers install app --project project/api --layers-dir layers --frozen --config 'project/a b' {python}""")


def test_packages_of_the_system_are_installed_by_the_manager_that_the_image_has():
    packages = ("libpq-dev", "g++", "gcc=4:12.2.0-3")
    before, _, after = _stage(_recipe(layers=(Stage("heavy", None, packages),)), "heavy").partition("COPY --from=plan ")
    assert after.startswith("/build/pylock.heavy.toml ./\n")
    assert before == dedent("""\
        FROM uv-layers AS heavy
        RUN packages='libpq-dev g++ gcc=4:12.2.0-3'; \\
            if command -v apt-get; then apt-get update && apt-get install --yes --no-install-recommends $packages; \\
            elif command -v apk; then apk add --no-cache $packages; \\
            else $(command -v microdnf || command -v dnf || echo yum) install -y $packages; fi
        """)


def test_build_arguments_and_variables_are_those_of_one_stage():
    env = (("CARGO_HOME", "/root/.cache/cargo"), ("FLAGS", 'a "b" $c \\ `d`'))
    heavy = Stage("heavy", None, ("gcc",), args=("VERSION", "FLAG"), env=env)
    recipe = _recipe(layers=(heavy, Stage("light")))
    lines = _stage(recipe, "heavy").splitlines()
    start = lines.index("ARG VERSION")
    assert lines[start - 1].endswith("; fi")
    assert lines[start:][:5] == [
        "ARG VERSION",
        "ARG FLAG",
        'ENV CARGO_HOME="/root/.cache/cargo"',
        r'ENV FLAGS="a \"b\" \$c \\ `d`"',
        "COPY --from=plan /build/pylock.heavy.toml ./",
    ]
    assert dockerfile_blocks(recipe).count("VERSION") == 1
    other = _stage(replace(recipe, escape="`"), "heavy")
    assert 'ENV FLAGS="a `"b`" `$c \\ ``d``"\n' in other


def test_a_variable_that_would_be_an_instruction_is_refused():
    with pytest.raises(UsageError) as caught:
        dockerfile_blocks(_recipe(layers=(Stage("heavy", env=(("A", "x\nRUN evil"),)),)))
    assert (
        str(caught.value)
        == r"'x\nRUN evil' contains a control character, which a Dockerfile must not contain; remove it"
    )


@pytest.mark.parametrize(
    ("uv", "text"),
    [
        (None, _builder(image="nvidia/cuda:12", stage="heavy")),
        ("pip:0.13.9", _builder(PIP, image="nvidia/cuda:12", stage="heavy", tool="uv-layers==0.1.0 uv==0.13.9")),
    ],
)
def test_a_layer_may_have_an_image_of_its_own(uv, text):
    recipe = _recipe(layers=(Stage("heavy", "nvidia/cuda:12"), Stage("light")), uv=uv)
    assert _stage(recipe, "heavy") == text + dedent("""\
        COPY --from=plan /build/pylock.heavy.toml ./
        RUN --mount=type=cache,target=/root/.cache \\
            uv-layers install heavy""")
    assert _stage(recipe, "light").startswith("FROM uv-layers AS light\n")


@pytest.mark.parametrize(
    ("uv", "source"),
    [
        ("0.13.9", "ghcr.io/astral-sh/uv:0.13.9"),
        ("1", "ghcr.io/astral-sh/uv:1"),
        ("registry.example/uv:0.9.1", "registry.example/uv:0.9.1"),
        ("registry.example/uv@sha256:0", "registry.example/uv@sha256:0"),
        ("my/tools", "my/tools"),
        ("latest", "latest"),
        ("pipx", "pipx"),
        ("pip:latest", "pip:latest"),
    ],
)
def test_uv_may_be_a_release_or_come_from_an_image(uv, source):
    copy = f"COPY --from={source} /uv /uvx /usr/local/bin/\n"
    for image in (RECIPE.image, "astral/uv:python3.12-bookworm"):
        assert _stage(_recipe(builder=image, uv=uv), "uv-layers") == _builder(image=image, copy=copy).strip()


@pytest.mark.parametrize(
    ("image", "has_uv"),
    [
        ("registry.example/astral/uv:python3.12-bookworm", True),
        ("uv", True),
        ("registry.example/uv@sha256:0", True),
        ("my/uv-tools:1", False),
        ("uvloop:1", False),
    ],
)
def test_an_image_of_uv_keeps_its_uv(image, has_uv):
    for images in ({"builder": image}, {"image": image}):
        made = _builder(image=image, copy="" if has_uv else UV)
        assert _stage(_recipe(**images), "uv-layers") == made.strip()


@pytest.mark.parametrize(("uv", "also"), [("pip", ""), ("pip:0.13.9", " uv==0.13.9"), ("pip:1", " uv==1")])
def test_uv_may_come_from_pip(uv, also):
    for image in (RECIPE.image, "uv"):
        made = _builder(PIP, image=image, tool=f"uv-layers==0.1.0{also}")
        assert _stage(_recipe(builder=image, uv=uv), "uv-layers") == made.strip()


def test_secrets_reach_the_stages_that_may_download_as_variables_and_never_as_arguments():
    layers = (Stage("heavy"), Stage("app", project=("--project", "project")))
    recipe = _recipe(layers=layers, secrets=("UV_INDEX_PRIVATE_PASSWORD", "netrc"))
    secrets = """\
    --mount=type=secret,id=UV_INDEX_PRIVATE_PASSWORD,required=true \\
    --mount=type=secret,id=netrc,target=/root/.netrc,required=true \\
    UV_INDEX_PRIVATE_PASSWORD="$(cat /run/secrets/UV_INDEX_PRIVATE_PASSWORD)" \\
"""
    for name in ("heavy", "app"):
        run = _stage(recipe, name).partition("\nRUN ")[2]
        assert run.startswith(f"--mount=type=cache,target=/root/.cache \\\n{secrets}    uv-layers install {name}")
    plan = _stage(recipe, "plan").partition("\nRUN ")[2]
    assert plan.startswith("--mount=type=cache,target=/root/.cache \\\n    --mount=type=bind,source=pyproject.toml,")
    assert plan.endswith(f"{secrets}    uv-layers export")
    assert "secret" not in _stage(recipe, "uv-layers")


@pytest.mark.parametrize(("prefix", "given"), [("/app/.venv", False), ("/usr/local", True)])
def test_the_stage_of_an_environment_is_given_neither_secrets_nor_files(prefix, given):
    recipe = _recipe(
        layers=(Stage("venv"),), prefix=prefix, secrets=("netrc",), files=(("vendor/hello.whl", "vendor/hello.whl"),)
    )
    stage = _stage(recipe, "venv")
    assert ("netrc" in stage, "vendor" in stage) == (given, given)


def test_without_link_the_copies_are_plain():
    text = whole_dockerfile(_recipe(link=False))
    assert "--link" not in text
    assert "\nCOPY --from=heavy /build/layers/heavy/ /\nCOPY --from=light /build/layers/light/ /\n" in text


# Nothing that is configured becomes an instruction of its own, or a command of the shell.

HOSTILE = ["a\nRUN evil", "a\r\nRUN evil", "a\u2028RUN evil", "a\x85RUN", "a\\\nRUN evil", "a\x00b"]
WORDS = [
    *HOSTILE,
    "$(evil)",
    "`evil`",
    "a;evil",
    "a&&evil",
    "a|evil",
    "a>b",
    "'a'",
    '"a"',
    "a b",
    "-a",
    "--a",
    "",
    "é",
    "aé",
]


@pytest.mark.parametrize("package", [word for word in WORDS if word != "a>b"])
def test_a_package_of_the_system_is_a_name(package):
    with pytest.raises(UsageError) as caught:
        dockerfile_blocks(_recipe(layers=(Stage("heavy", None, ("libpq-dev", package)),)))
    assert str(caught.value).endswith(" is not a valid system package name; correct it in system-packages")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("package", "written"),
    [("gcc=4:12-2", "gcc=4:12-2"), ("a~b", "'a~b'"), ("musl-dev<2", "'musl-dev<2'"), ("a>b", "'a>b'"), ("R", "R")],
)
def test_a_version_of_a_package_of_the_system_is_quoted_for_the_shell(package, written):
    text = dockerfile_blocks(_recipe(layers=(Stage("heavy", None, (package,)),)))
    assert f"RUN packages={written}; \\\n" in text


@pytest.mark.parametrize("name", [*WORDS, "a-b", "a.b", "A=B", "1A", "A,src=/etc/shadow", "../A"])
def test_a_secret_is_the_name_of_a_variable(name):
    for make in (dockerfile_blocks, lambda recipe: bake_file(recipe, "demo", "Dockerfile")):
        with pytest.raises(UsageError) as caught:
            make(_recipe(secrets=("GOOD", name)))
        assert str(caught.value).endswith(" is not valid; pass the name of a variable, or netrc")


NO_IMAGES = [
    *(
        "$(id)",
        "${A:-$(id)}",
        "${A",
        "$",
        "a:$(id)",
        "`id`",
        "a;b",
        "a&b",
        "a|b",
        "a>b",
        "{a}",
        "a:-b",
        "-a",
        "a/",
        "/a",
    ),
    *("a//b", "A", "a:b:c", "a@b", "a:b@c", "é", "../a", "a b", "a\tb", "--platform=x", "'a'", '"a"', "a#b", "a\\"),
    "a:" + "b" * 129,
]
IMAGES = [
    *(
        "debian",
        "a.b",
        "Registry.Example/a",
        "localhost/a",
        "registry.example:5000/a/b_c/d__e/f-g:1.0-RC_1@sha256:0123abCD",
    ),
    *("$BASE", "${BASE}", "python:${VERSION}-slim", "${A:-registry.example/a:1}", "$REGISTRY/a:$TAG", "${A:+b}"),
]


@pytest.mark.parametrize("name", [*HOSTILE, *NO_IMAGES])
def test_what_is_no_image_is_refused(name):
    recipes = [_recipe(**{key: name}) for key in ("image", "builder", "uv")]
    for recipe in (*recipes, _recipe(layers=(Stage("heavy", name),))):
        with pytest.raises(UsageError) as caught:
            whole_dockerfile(recipe)
        # A name with an @ may have a password in it.
        shown = credentials.masked(repr(name))
        assert str(caught.value) == f"{shown} is not a valid image name; pass one, e.g. registry/name:tag"


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_a_name_with_a_registry_a_tag_and_a_digest(name):
    assert f"\nFROM {name}\n" in whole_dockerfile(_recipe(image=name, builder="debian"))
    assert f"\nFROM {name} AS heavy\n" in dockerfile_blocks(_recipe(layers=(Stage("heavy", name),)))
    if "$" in name:  # COPY --from takes no variables
        with pytest.raises(UsageError, match="is not a valid image name"):
            dockerfile_blocks(_recipe(uv=name))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_argument_breaks_its_line(text):
    recipes = [
        _recipe(export=("--config", text)),
        _recipe(layers=(Stage("app", project=("--config", text)),)),
    ]
    for recipe in recipes:
        with pytest.raises(UsageError) as caught:
            dockerfile_blocks(recipe)
        assert str(caught.value).endswith(
            " contains a control character, which a Dockerfile must not contain; remove it"
        )


@pytest.mark.parametrize(
    "tool",
    [
        *(
            "0.1 && evil",
            "0.1;evil",
            "$(evil)",
            "`evil`",
            "0.1 --index evil",
            "<<EOF",
            "*",
            "nope",
            "",
            "v1",
            "0.1.0\n",
        ),
        *HOSTILE,
        "a.whl\nRUN evil",
    ],
)
def test_the_tool_is_a_version_or_a_wheel(tool):
    for recipe in (_recipe(tool=tool), _recipe(tool=tool, uv="pip")):
        with pytest.raises(UsageError) as caught:
            dockerfile_blocks(recipe)
        assert str(caught.value).startswith(f"--tool: {tool!r} is not a version or a wheel; pass e.g. ")


@pytest.mark.parametrize("text", HOSTILE)
def test_neither_sources_nor_the_command_break_their_lines(text):
    *lines, command = whole_dockerfile(_recipe(command=("run", text))).splitlines()
    assert lines == whole_dockerfile(RECIPE).splitlines()
    assert json.loads(command.removeprefix("CMD ")) == ["run", text]
    with pytest.raises(UsageError) as caught:
        whole_dockerfile(_recipe(sources=(text,)))
    assert (
        str(caught.value) == f"{text!r} cannot be copied in a Dockerfile, because of its control characters; rename it"
    )


# How many layers an image can have.


def test_an_image_has_no_more_layers_than_engines_take():
    layers = tuple(Stage(f"layer{number}") for number in range(112))
    assert dockerfile_blocks(_recipe(layers=layers[:111])).count("COPY --link") == 111
    assert whole_dockerfile(_recipe(layers=layers[:109], sources=("src",))).count("COPY --link") == 110
    message = (
        "112 layers are too many: an image can have 127, of which 16 are reserved for the base image; "
        "merge layers until there are at most 111"
    )
    for make, recipe in (
        (dockerfile_blocks, _recipe(layers=layers)),
        (whole_dockerfile, _recipe(layers=layers[:110], sources=("src",))),
    ):
        with pytest.raises(UsageError) as caught:
            make(recipe)
        assert str(caught.value) == message


# A Dockerfile that is kept.

OLD = """\
# syntax=docker/dockerfile:1
{stages}
FROM python:3.12 AS final
RUN adduser app  # >>> uv-layers stages
{copies}
USER app
"""


def _kept(stages=STAGES, copies=COPIES):
    return OLD.format(stages=stages, copies=copies)


STALE = _kept(STAGES.replace("uv-layers==0.1.0", "uv-layers==0.0.9"), COPIES.replace("heavy", "older"))


def test_what_is_between_the_marks_is_made_anew_and_all_else_stays():
    assert updated_dockerfile(STALE, RECIPE, "Dockerfile") == _kept()
    assert updated_dockerfile(_kept(), RECIPE, "Dockerfile") == _kept()


def test_a_mark_may_say_anything_after_its_name_and_may_be_the_end_of_the_file():
    stages = STAGES.replace(", managed by `uv-layers dockerfile --write`", " (do not edit)").replace("0.1.0", "0.0.9")
    text = f"{stages}FROM scratch\n{COPIES}".removesuffix("\n")
    assert updated_dockerfile(text, RECIPE, "Dockerfile") == f"{STAGES}FROM scratch\n{COPIES}"


def test_a_block_may_be_empty():
    empty = "# >>> uv-layers {0}\n# <<< uv-layers {0}\n"
    text = f"{empty.format('stages')}FROM scratch\n{empty.format('copies')}"
    assert updated_dockerfile(text, RECIPE, "Dockerfile") == f"{STAGES}FROM scratch\n{COPIES}"


def test_line_ends_are_those_that_the_block_has():
    assert updated_dockerfile(STALE.replace("\n", "\r\n"), RECIPE, "Dockerfile") == _kept().replace("\n", "\r\n")
    mixed = _kept(STAGES.replace("\n", "\r\n"))
    assert updated_dockerfile(mixed, RECIPE, "Dockerfile") == mixed


@pytest.mark.parametrize(
    ("text", "count", "mark"),
    [
        ("", "0", "stages"),
        (_kept(stages=""), "0", "stages"),
        (_kept(copies=""), "0", "copies"),
        (_kept(stages=STAGES * 2), "2", "stages"),
        (_kept(copies=COPIES * 3), "3", "copies"),
        (_kept(copies=COPIES.partition("\n")[2]), "0", "copies"),
        (_kept(stages=STAGES.replace("# >>>", "## >>>")), "0", "stages"),
        (_kept(stages=STAGES.replace("stages", "stagesx")), "0", "stages"),
        # What is in a block goes with it.
        (_kept(stages=STAGES.replace("\n\n", f"\n{COPIES}\n", 1), copies=""), "0", "copies"),
    ],
)
def test_each_mark_is_there_once(text, count, mark):
    with pytest.raises(MarksError) as caught:
        updated_dockerfile(text, RECIPE, "ci/Dockerfile")
    assert str(caught.value) == (
        f"ci/Dockerfile must contain exactly one block that starts with `# >>> uv-layers {mark}`, "
        f"but contains {count}; "
        + (
            "copy the missing blocks from `uv-layers dockerfile --snippet`, or name the image with --image"
            if count == "0"
            else "keep only one"
        )
    )


@pytest.mark.parametrize(
    "text",
    [
        _kept(stages=STAGES.partition("# <<<")[0]),
        # The end of one is no end of the other.
        _kept(stages=STAGES.replace("<<< uv-layers stages", "<<< uv-layers copies")),
    ],
)
def test_a_block_without_its_last_line_is_an_error_that_names_the_line(text):
    with pytest.raises(MarksError) as caught:
        updated_dockerfile(text, RECIPE, "ci/Dockerfile")
    assert str(caught.value) == (
        "ci/Dockerfile: the block that starts with `# >>> uv-layers stages` has no last line "
        "`# <<< uv-layers stages`; add it"
    )


@pytest.mark.parametrize(
    "line", ["FROM node AS {}", "from node as {}", "  FROM --platform=$P node:20 AS  {}  ", "FROM a AS {}\r"]
)
def test_stages_make_way_for_those_that_the_dockerfile_has_besides(line):
    before = f"{line.format('heavy')}\n{line.format('Plan')}\nFROM node AS other\n"
    renamed = {"plan": "layer-plan", "heavy": "layer-heavy"}
    stages, copies = STAGES, COPIES
    for old, new in renamed.items():
        stages = stages.replace(f" AS {old}\n", f" AS {new}\n").replace(f"--from={old} ", f"--from={new} ")
        copies = copies.replace(f"--from={old} ", f"--from={new} ")
    for text in (_kept(), _kept(stages, copies)):
        assert updated_dockerfile(before + text, RECIPE, "Dockerfile") == before + _kept(stages, copies)


# What BuildKit would look for among the stages first.
USED = [
    "FROM {}",
    "from {} as other",
    "FROM --platform=$BUILDPLATFORM {} AS other",
    "FROM \\\n  # a comment\n\n  {} \\\n  AS other",
    "ARG BASE={}\nFROM $BASE",
    'ARG BASE="{}" OTHER\nFROM ${{BASE}}',
    "FROM ${{BASE:-{}}}",
    "FROM a\nCOPY --from={} /a /b",
    'FROM a\ncopy --link --from="{}" --chown=1:1 ["/a", "/build/"]',
    "FROM a\nCOPY \\\n--from={} \\\n/a /b",
    "FROM a\nRUN --mount=from={},target=/a true",
    "FROM a\nRUN --mount=type=cache,target=/c \\\n  --mount=type=bind,source=/a,target=/build/a,from={} true",
    "FROM a\nRUN <<EOF\nRUN --mount=from=x true\nEOF\nCOPY --from={} /a /b",
    "FROM a\nRUN echo 'a <<EOF'\nCOPY --from={} /a /b",
]


@pytest.mark.parametrize("lines", USED)
@pytest.mark.parametrize("below", [False, True])
def test_no_stage_has_the_name_of_an_image_that_the_dockerfile_uses_besides(lines, below):
    for name in ("heavy", "Heavy"):
        own = f"{lines.format(name)}\n"
        text = f"{_kept()}{own}" if below else f"{own}{_kept()}"
        made = updated_dockerfile(text, RECIPE, "Dockerfile")
        assert "FROM uv-layers AS layer-heavy\n" in made
        assert "--from=layer-heavy /build/layers/heavy/ /\n" in made
        assert "FROM uv-layers AS light\n" in made
        assert made.replace("layer-heavy", "heavy") == text
        assert updated_dockerfile(made, RECIPE, "Dockerfile") == made


@pytest.mark.parametrize(
    "lines",
    [
        "# FROM node AS heavy",
        "FROM node AS heavy2",
        "FROM heavy:1",
        "FROM a\nRUN echo FROM node AS heavy",
        "FROM a\nRUN <<EOF\nFROM heavy\nCOPY --from=heavy /a /b\nEOF",
        "FROM a\nRUN <<-'A' cat <<\"B\"\nFROM heavy\n\tA\nFROM heavy\nB",
        "FROM a\nCOPY --from=heavy /build/layers/heavy/ /",
        'FROM a\nCOPY --link --from=heavy ["/build/layers/heavy/", "/"]',
        "FROM a\nRUN --mount=type=bind,from=heavy,source=/build/layers/heavy,target=/heavy ls /heavy",
        "FROM uv-layers AS other\nRUN uv-layers --version",
        "FROM a\nCOPY --from=uv-layers /usr/local/bin/uv /bin/",
        "FROM a\nCOPY --from=plan /build/pylock.heavy.toml /",
        "FROM a\nCOPY heavy /heavy \\",
    ],
)
def test_a_name_that_means_a_stage_of_the_block_is_left_to_it(lines):
    assert updated_dockerfile(f"{STALE}{lines}\n", RECIPE, "Dockerfile") == f"{_kept()}{lines}\n"


@pytest.mark.parametrize("name", ["uv-layers", "plan"])
def test_an_image_may_have_the_name_of_a_stage_of_the_tool_where_the_block_has_none_yet(name):
    empty = _kept("# >>> uv-layers stages\n# <<< uv-layers stages\n")
    made = updated_dockerfile(f"{empty}FROM {name}\n", RECIPE, "Dockerfile")
    assert f" AS layer-{name}\n" in made
    assert updated_dockerfile(made, RECIPE, "Dockerfile") == made


@pytest.mark.parametrize(
    ("head", "escape"),
    [
        ("# escape=`\n", "`"),
        ("#ESCAPE = `\r\n", "`"),
        ("\ufeff# syntax=docker/dockerfile:1\n# escape=`\n", "`"),
        ("# escape=\\\n", "\\"),
        ("# a comment\n# escape=`\n", "\\"),
        ("\n# escape=`\n", "\\"),
        ("FROM a\n# escape=`\n", "\\"),
    ],
)
def test_lines_go_on_as_the_dockerfile_says(head, escape):
    recipe = _recipe(prefix="/a$b`c\\d/venv")
    made = updated_dockerfile(head + STALE.partition("\n")[2], recipe, "Dockerfile")
    assert made.startswith(head)
    going_on = [line for line in made.splitlines() if line.endswith((" `", " \\"))]
    assert len(going_on) == 8 + head.startswith("#ESCAPE")
    assert all(line.endswith(f" {escape}") for line in going_on)
    quoted = {"\\": r"/a\$b`c\\d/venv", "`": r"/a`$b``c\d/venv"}[escape]
    assert f'VIRTUAL_ENV="{quoted}"' in made
    own = f"FROM a{escape}\n AS other\nCOPY {escape}\n--from=heavy /a /b\n"
    assert " AS layer-heavy\n" in updated_dockerfile(made + own, recipe, "Dockerfile")


def test_a_stage_that_begins_right_below_a_block_takes_its_name_too():
    text = f"{STAGES}FROM node AS heavy\n{COPIES}"
    renamed = STAGES.replace(" AS heavy\n", " AS layer-heavy\n")
    copies = COPIES.replace("--from=heavy ", "--from=layer-heavy ")
    assert updated_dockerfile(text, RECIPE, "Dockerfile") == f"{renamed}FROM node AS heavy\n{copies}"


# A file for bake.


def test_bake_has_a_target_for_the_image_and_one_for_each_layer():
    assert json.loads(bake_file(RECIPE, "demo", "ci/Dockerfile")) == {
        "variable": {"IMAGE": {"default": "demo"}, "CACHE_FROM": {"default": "${IMAGE}"}},
        "group": {"default": {"targets": ["image"]}, "layers": {"targets": ["heavy", "light"]}},
        "target": {
            "image": {"context": ".", "dockerfile": "ci/Dockerfile", "tags": ["${IMAGE}"]},
            "push": {
                "inherits": ["image"],
                "cache-from": ["type=registry,ref=${CACHE_FROM}"],
                "cache-to": ["type=inline"],
                "output": ["type=image,push=true,store=false,compression=zstd,oci-mediatypes=true"],
            },
            "heavy": {"inherits": ["image"], "target": "heavy", "tags": []},
            "light": {"inherits": ["image"], "target": "light", "tags": []},
        },
    }


def test_the_file_for_bake_is_laid_out_for_reading_and_for_diffs():
    lines = bake_file(RECIPE, "demo", "Dockerfile").split("\n")
    assert lines[:5] == ["{", '  "variable": {', '    "IMAGE": {', '      "default": "demo"', "    },"]
    assert lines[-2:] == ["}", ""]


def test_bake_passes_secrets_on():
    made = json.loads(bake_file(_recipe(secrets=("UV_INDEX_PASSWORD", "netrc")), "demo", "Dockerfile"))
    assert made["target"]["image"]["secret"] == ["type=env,id=UV_INDEX_PASSWORD", "type=file,id=netrc,src=${NETRC}"]
    assert made["variable"] == {
        "IMAGE": {"default": "demo"},
        "CACHE_FROM": {"default": "${IMAGE}"},
        # The variable of the environment: bake makes no path of `~`.
        "HOME": {},
        "NETRC": {"default": "${HOME}/.netrc"},
    }
    made = json.loads(bake_file(_recipe(secrets=("UV_INDEX_PASSWORD",)), "demo", "Dockerfile"))
    assert made["target"]["image"]["secret"] == ["type=env,id=UV_INDEX_PASSWORD"]
    assert "NETRC" not in made["variable"]


def test_in_bake_no_layer_is_the_image_or_a_group():
    names = ("image", "push", "layers", "default", "layer-image", "heavy")
    made = json.loads(bake_file(_recipe(layers=tuple(map(Stage, names))), "demo", "Dockerfile"))
    targets = {name: target.get("target") for name, target in made["target"].items()}
    assert targets == {
        "image": None,
        "push": None,
        "layer-layer-image": "image",
        "layer-push": "push",
        "layer-layers": "layers",
        "layer-default": "default",
        "layer-image": "layer-image",
        "heavy": "heavy",
    }
    assert made["group"]["layers"]["targets"] == list(targets)[2:]


def test_bake_names_the_stages_that_the_dockerfile_has():
    made = json.loads(bake_file(avoiding_names(RECIPE, f"FROM node AS heavy\n{_kept()}"), "demo", "Dockerfile"))
    assert {name: target.get("target") for name, target in made["target"].items()} == {
        "image": None,
        "push": None,
        "layer-heavy": "layer-heavy",
        "light": "light",
    }


def test_bake_passes_build_arguments_that_the_environment_has():
    stages = (Stage("heavy", args=("A", "B")), Stage("light", args=("B",)), Stage("rest"))
    made = json.loads(bake_file(_recipe(layers=stages), "demo", "Dockerfile"))
    assert made["variable"] == {
        "A": {"default": None},
        "B": {"default": None},
        "IMAGE": {"default": "demo"},
        "CACHE_FROM": {"default": "${IMAGE}"},
    }
    assert made["target"]["image"]["args"] == {"A": "${A}", "B": "${B}"}
