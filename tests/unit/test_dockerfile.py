from __future__ import annotations

import csv
import shlex
from textwrap import dedent

import pytest

from uv_layers.dockerfile import Recipe, Stage, complete, snippet, stage_names
from uv_layers.errors import UsageError

RECIPE = Recipe(
    layers=(Stage("heavy"), Stage("light")),
    inputs=("pyproject.toml", "uv.lock"),
    tool="0.1.0",
    image="python:3.12-slim-bookworm",
)
STAGES = """\
FROM python:3.12-slim-bookworm AS uv-layers
RUN pip install --no-cache-dir uv-layers==0.1.0
WORKDIR /build

FROM uv-layers AS plan
RUN --mount=type=bind,source=pyproject.toml,target=pyproject.toml \\
    --mount=type=bind,source=uv.lock,target=uv.lock \\
    uv-layers export

FROM uv-layers AS heavy
COPY --from=plan /build/pylock.heavy.toml ./
RUN --mount=type=cache,target=/root/.cache \\
    uv-layers install heavy

FROM uv-layers AS light
COPY --from=plan /build/pylock.light.toml ./
RUN --mount=type=cache,target=/root/.cache \\
    uv-layers install light
"""


def _recipe(**changes):
    return Recipe(**{name: getattr(RECIPE, name) for name in Recipe.__slots__} | changes)


def test_the_snippet_has_the_stages_and_then_the_copies_bottom_first():
    assert snippet(RECIPE) == STAGES + dedent("""\

        # In the final stage, after what changes less often than the dependencies:
        COPY --link --from=heavy /build/layers/heavy/ /
        COPY --link --from=light /build/layers/light/ /
        """)


def test_a_whole_dockerfile_ends_with_the_project_and_its_command():
    recipe = _recipe(sources=("app", "main.py"), command=("uvicorn", "main:app"))
    assert complete(recipe) == STAGES + dedent("""\

        FROM python:3.12-slim-bookworm
        COPY --link --from=heavy /build/layers/heavy/ /
        COPY --link --from=light /build/layers/light/ /
        WORKDIR /app
        COPY app ./app
        COPY main.py ./main.py
        CMD ["uvicorn", "main:app"]
        """)


def test_without_sources_or_a_command_there_are_no_lines_for_them():
    assert complete(RECIPE).endswith("COPY --link --from=light /build/layers/light/ /\nWORKDIR /app\n")


def test_there_is_no_syntax_line_and_no_stray_space():
    text = complete(RECIPE)
    assert "# syntax" not in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_the_builder_may_have_an_image_of_its_own():
    text = complete(_recipe(builder="registry.example/builder:1"))
    assert text.startswith("FROM registry.example/builder:1 AS uv-layers\n")
    assert "\nFROM python:3.12-slim-bookworm\n" in text


def test_the_tool_may_be_a_wheel_of_the_build_context():
    text = snippet(_recipe(tool="dist/uv_layers-1-py3-none-any.whl"))
    assert text.startswith(
        dedent("""\
        FROM python:3.12-slim-bookworm AS uv-layers
        RUN --mount=type=bind,source=dist/uv_layers-1-py3-none-any.whl,target=/tmp/uv_layers-1-py3-none-any.whl \\
            pip install --no-cache-dir /tmp/uv_layers-1-py3-none-any.whl
        WORKDIR /build
        """)
    )


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
    assert line in snippet(_recipe(export=export)).splitlines()


@pytest.mark.parametrize(
    ("prefix", "place"), [("/usr/local", "/"), ("/app/.venv", "/"), ("/", "/usr/local/")], ids=lambda value: value
)
def test_a_tree_is_copied_to_the_root_and_a_flat_one_to_where_the_interpreter_looks(prefix, place):
    lines = complete(_recipe(prefix=prefix)).splitlines()
    assert f"COPY --link --from=heavy /build/layers/heavy/ {place}" in lines


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("src", "COPY src ./src"),
        ("apps/web-1.0/*.py", "COPY apps/web-1.0/*.py ./apps/web-1.0/*.py"),
        ("my app", 'COPY ["my app", "./my app"]'),
        ('a"b', 'COPY ["a\\"b", "./a\\"b"]'),
        ("--link", 'COPY ["./--link", "./--link"]'),
    ],
)
def test_a_path_that_the_shell_form_would_split_is_written_as_json(source, line):
    assert line in complete(_recipe(sources=(source,))).splitlines()


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (("python", "-m", "app"), 'CMD ["python", "-m", "app"]'),
        (("sh", "-c", 'echo "a b"'), 'CMD ["sh", "-c", "echo \\"a b\\""]'),
    ],
)
def test_the_command_is_in_exec_form(command, line):
    assert complete(_recipe(command=command)).splitlines()[-1] == line


def _first_mount(text):
    """Return the options of the first --mount, as BuildKit reads them: a word without quotes, then a record of CSV."""
    word = next(word for word in shlex.split(text.replace("\\\n", " ")) if word.startswith("--mount="))
    return dict(option.split("=", 1) for option in next(csv.reader([word.removeprefix("--mount=")])))


@pytest.mark.parametrize("path", ["pyproject.toml", "packages/a/pyproject.toml", "a=b.toml", "é.toml"])
def test_a_path_of_the_context_is_mounted_as_it_is(path):
    assert _first_mount(snippet(_recipe(inputs=(path,)))) == {"type": "bind", "source": path, "target": path}


@pytest.mark.parametrize("character", [*" \t\n,\"'`$\\"])
def test_a_path_that_no_quoting_carries_through_a_mount_is_an_error(character):
    path = f"a{character}b.toml"
    for recipe in (_recipe(inputs=(path,)), _recipe(tool=f"{path}/x.whl")):
        with pytest.raises(UsageError) as caught:
            snippet(recipe)
        assert "cannot be mounted in a Dockerfile; rename it" in str(caught.value)


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
    recipe = _recipe(layers=layers, image="debian", builder="ubuntu")
    assert stage_names(recipe) == ["uv-layers", "plan", *names]


def test_a_renamed_stage_is_copied_from_by_its_new_name_and_its_files_keep_the_name_of_the_layer():
    lines = snippet(_recipe(layers=("plan",))).splitlines()
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
    assert stage_names(_recipe(layers=("heavy",), **images)) == names


def test_an_image_may_have_the_name_of_a_stage_of_the_tool():
    text = complete(_recipe(layers=("heavy",), image="plan", builder="uv-layers"))
    assert [line for line in text.splitlines() if line.startswith(("FROM", "COPY"))] == [
        "FROM uv-layers AS layer-uv-layers",
        "FROM layer-uv-layers AS layer-plan",
        "FROM layer-uv-layers AS heavy",
        "COPY --from=layer-plan /build/pylock.heavy.toml ./",
        "FROM plan",
        "COPY --link --from=heavy /build/layers/heavy/ /",
    ]
