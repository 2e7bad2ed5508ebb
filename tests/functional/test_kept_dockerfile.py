"""`uv-layers dockerfile` beyond a text to read: kept between marks, checked, and as a file for bake."""

from __future__ import annotations

import json
import os
import shlex
import subprocess

import pytest

from uv_layers import __version__

HEAD = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
APP = f'{HEAD}dependencies = ["web"]\n[dependency-groups]\nheavy = ["numbers"]\n[tool.uv]\ndefault-groups = ["heavy"]\n'
BASE = ("--base", "python:3.12", "--tool", "1.2.3")
INSTALL = '    --python "$(command -v python3 || uv python find)" uv-layers=='
OWN = """\
# What stands outside of the marks is mine.
{stages}
FROM python:3.12 AS final
{copies}
USER nobody
"""


@pytest.fixture
def folder(project):
    return project(APP)


def _snippet(run, folder, *words):
    text = run("dockerfile", "--snippet", *BASE, *words, cwd=folder).stdout
    return text.split("\n\n# Put this in the final stage, below lines that change less often than the dependencies:\n")


@pytest.fixture
def own(run, folder):
    """A Dockerfile with both blocks of a snippet in it."""
    stages, copies = _snippet(run, folder)
    (folder / "Dockerfile").write_text(OWN.format(stages=stages, copies=copies), encoding="utf-8")
    return folder / "Dockerfile"


def test_a_dockerfile_that_is_not_there_is_written_whole(run, folder):
    printed = run("dockerfile", *BASE, cwd=folder).stdout
    outcome = run("dockerfile", *BASE, "--write", "Dockerfile", cwd=folder)
    assert (outcome.status, outcome.stdout) == (0, "")
    assert outcome.stderr == "Dockerfile: written\n.dockerignore: written\n"
    assert (folder / "Dockerfile").read_text(encoding="utf-8") == printed
    outcome = run("dockerfile", *BASE, "--write", "Dockerfile", cwd=folder)
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "", "Dockerfile: up to date\n")


def test_a_stale_lock_is_a_hint_because_the_build_would_fail(run, folder):
    words = ("--write", "Dockerfile")
    assert "hint" not in run("dockerfile", *BASE, *words, cwd=folder).stderr
    folder.edit('["numbers"]', '["numbers", "speed"]')
    stderr = run("dockerfile", *BASE, *words, cwd=folder).stderr
    [hint] = [line for line in stderr.splitlines() if "hint" in line]
    assert hint.startswith(f"hint: the build will fail, because {folder / 'uv.lock'} does not match pyproject.toml")
    # With --frozen, the image would not be what the project asks for.
    assert hint.endswith("; run `uv lock`")
    assert "hint" not in run("dockerfile", *BASE, *words, "--frozen", cwd=folder).stderr
    assert "hint" not in run("dockerfile", *BASE, *words, "--quiet", cwd=folder).stderr
    # Printing starts no uv, and a check must not run builds of the project.
    for others in ((), ("--snippet",), ("--check", "Dockerfile")):
        assert "the build" not in run("dockerfile", *BASE, *others, cwd=folder).stderr


def test_a_lock_that_cannot_be_checked_here_is_no_hint(run, folder, environment):
    # No interpreter here is old enough for the project.
    folder.edit('requires-python = ">=3.10"', 'requires-python = ">=3.6,<3.7"')
    environment.setenv("UV_PYTHON_DOWNLOADS", "never")
    outcome = run("dockerfile", "--base", "python:3.6", "--tool", "1.2.3", "--write", "Dockerfile", cwd=folder)
    assert (outcome.status, outcome.stderr) == (0, "Dockerfile: written\n.dockerignore: written\n")


def test_the_images_of_a_dockerfile_have_one_hint_about_their_lock(run, folder):
    for image in ("first", "second"):
        assert run("dockerfile", *BASE, "--image", image, "--write", "Dockerfile", cwd=folder).status == 0
    folder.edit('["numbers"]', '["numbers", "speed"]')
    stderr = run("dockerfile", "--write", "Dockerfile", cwd=folder).stderr
    assert stderr.count("the build will fail") == 1
    assert "the build" not in run("dockerfile", "--check", "Dockerfile", cwd=folder).stderr


def test_what_is_mine_stays_and_the_rest_follows_the_project(run, folder, own):
    before = own.stat().st_mtime_ns
    assert run("dockerfile", *BASE, "--write", "Dockerfile", cwd=folder).stderr == "Dockerfile: up to date\n"
    assert own.stat().st_mtime_ns == before
    folder.edit('heavy = ["numbers"]', 'heavy = ["numbers"]\nlight = ["speed"]')
    folder.edit('["heavy"]', '["heavy", "light"]')
    folder.lock()
    assert run("dockerfile", *BASE, "--write", "Dockerfile", cwd=folder).stderr == "Dockerfile: written\n"
    stages, copies = _snippet(run, folder)
    assert "AS light" in stages
    assert own.read_text(encoding="utf-8") == OWN.format(stages=stages, copies=copies)


def test_a_check_says_what_would_change_and_changes_nothing(run, folder, own):
    assert run("dockerfile", *BASE, "--check", "Dockerfile", cwd=folder).stderr == "Dockerfile: up to date\n"
    text = own.read_text(encoding="utf-8")
    outcome = run("dockerfile", "--base", "python:3.12", "--tool", "1.2.4", "--check", "Dockerfile", cwd=folder)
    assert outcome.status == 1
    remedy = "uv-layers dockerfile --base python:3.12 --tool 1.2.4 --write Dockerfile"
    assert outcome.stderr == f"Dockerfile is out of date; run `{remedy}`\n"
    assert outcome.stdout.splitlines()[:2] == ["--- Dockerfile", "+++ Dockerfile (up to date)"]
    changed = [line for line in outcome.stdout.splitlines()[2:] if line[:1] in {"-", "+"}]
    mark = "# >>> uv-layers stages, managed by `uv-layers dockerfile --write` with: --base python:3.12 --tool"
    assert changed == [
        f"-{mark} 1.2.3",
        f"+{mark} 1.2.4",
        f"-{INSTALL}1.2.3 && \\",
        f"+{INSTALL}1.2.4 && \\",
    ]
    assert own.read_text(encoding="utf-8") == text
    quiet = run("dockerfile", *BASE, "--tool", "1.2.4", "--check", "Dockerfile", "-q", cwd=folder)
    assert (quiet.status, quiet.stdout, quiet.stderr) == (1, outcome.stdout, "")


def test_a_check_of_what_is_not_there_shows_all_of_it(run, folder):
    outcome = run("dockerfile", *BASE, "--check", "Dockerfile", cwd=folder)
    assert outcome.status == 1
    assert "+FROM python:3.12\n" in outcome.stdout
    assert not (folder / "Dockerfile").exists()


def test_the_difference_is_a_patch_that_makes_it_right(run, folder, own):
    text = own.read_text(encoding="utf-8").replace("FROM python:3.12 AS final", "FROM python:3.13 AS final")
    own.write_text(text.partition("USER nobody")[0].strip(), encoding="utf-8")
    words = ("dockerfile", "--base", "python:3.13", "--check", "Dockerfile")
    patch = run(*words, cwd=folder)
    assert patch.status == 1
    assert "\\ No newline at end of file\n" in patch.stdout
    done = subprocess.run(
        ["git", "apply", "--unidiff-zero", "-p0", "-"],
        input=patch.stdout.replace(" (up to date)", ""),
        cwd=folder,
        env=os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.path.parent)},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert run(*words, cwd=folder).status == 0


def test_line_ends_of_windows_stay(run, folder, own):
    text = own.read_text(encoding="utf-8")
    own.write_bytes(text.replace("\n", "\r\n").encode())
    assert run("dockerfile", *BASE, "--check", "Dockerfile", cwd=folder).status == 0
    assert run("dockerfile", *BASE, "--tool", "9", "--write", "Dockerfile", cwd=folder).status == 0
    written = text.replace("==1.2.3", "==9").replace("--tool 1.2.3", "--tool 9")
    assert own.read_bytes() == written.replace("\n", "\r\n").encode()
    # A mark remembers its options whatever ends its line.
    assert run("dockerfile", "--check", "Dockerfile", cwd=folder).stderr == "Dockerfile: up to date\n"


def test_stages_of_mine_keep_their_names(run, folder, own):
    own.write_text(f"FROM node:20 AS heavy\n\n{own.read_text(encoding='utf-8')}", encoding="utf-8")
    assert run("dockerfile", *BASE, "--write", "Dockerfile", cwd=folder).status == 0
    text = own.read_text(encoding="utf-8")
    assert text.count(" AS heavy\n") == 1
    assert "FROM uv-layers AS layer-heavy\n" in text
    assert "COPY --link --from=layer-heavy /build/layers/heavy/ /\n" in text
    outcome = run("dockerfile", *BASE, "--bake", "--write", "Dockerfile", cwd=folder)
    assert json.loads(outcome.stdout)["group"]["layers"]["targets"] == ["layer-heavy", "dependencies"]


def test_nothing_is_written_where_marks_are_missing(run, folder, own):
    text = own.read_text(encoding="utf-8").replace("# <<< uv-layers copies", "")
    own.write_text(text, encoding="utf-8")
    for option in ("--write", "--check"):
        outcome = run("dockerfile", *BASE, option, "Dockerfile", cwd=folder)
        assert (outcome.status, outcome.stdout) == (2, "")
        assert outcome.stderr.startswith(
            "error[no-marks]: Dockerfile: the block that starts with `# >>> uv-layers copies` has no last line "
        )
    assert own.read_text(encoding="utf-8") == text


def test_a_link_stays_one_and_what_it_leads_to_is_written(run, folder, own):
    (folder / "docker").mkdir()
    own.rename(folder / "docker/Dockerfile")
    own.symlink_to("docker/Dockerfile")
    assert run("dockerfile", *BASE, "--tool", "9", "--write", "Dockerfile", cwd=folder).status == 0
    assert own.is_symlink()
    assert "uv-layers==9" in (folder / "docker/Dockerfile").read_text(encoding="utf-8")


def test_a_file_that_is_written_keeps_its_mode_and_links(run, folder, own):
    own.chmod(0o600)
    assert run("dockerfile", *BASE, "--tool", "8", "--write", "Dockerfile", cwd=folder).status == 0
    assert own.stat().st_mode & 0o7777 == 0o600
    (folder / "Other").hardlink_to(own)
    assert run("dockerfile", *BASE, "--tool", "9", "--write", "Dockerfile", cwd=folder).status == 0
    assert "uv-layers==9" in (folder / "Other").read_text(encoding="utf-8")
    assert own.stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize(
    "words",
    [
        ("--write", "a", "--check", "a"),
        ("--snippet", "--write", "a"),
        ("--snippet", "--bake"),
        ("--bake", "--check", "a"),
        ("--snippet", "--check", "a"),
    ],
    ids=" ".join,
)
def test_one_thing_is_done_at_a_time(run, folder, words):
    outcome = run("dockerfile", *words, cwd=folder)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        "error[usage]: pass only one of --snippet, --write, --check and --bake (or both --bake and --write)\n"
    )
    assert not (folder / "a").exists()


@pytest.mark.parametrize(
    ("words", "dockerfile"), [((), "Dockerfile"), (("--write", "ci/Dockerfile"), "ci/Dockerfile")], ids=str
)
def test_bake_has_the_layers_of_the_project(run, folder, words, dockerfile):
    outcome = run("dockerfile", "--bake", *BASE, "--secret", "TOKEN", *words, cwd=folder)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert json.loads(outcome.stdout) == {
        "variable": {"IMAGE": {"default": "app"}, "CACHE_FROM": {"default": "${IMAGE}"}},
        "group": {"default": {"targets": ["image"]}, "layers": {"targets": ["heavy", "dependencies"]}},
        "target": {
            "image": {
                "context": ".",
                "dockerfile": dockerfile,
                "tags": ["${IMAGE}"],
                "secret": ["type=env,id=TOKEN"],
            },
            "push": {
                "inherits": ["image"],
                "cache-from": ["type=registry,ref=${CACHE_FROM}"],
                "cache-to": ["type=inline"],
                "output": ["type=image,push=true,store=false,compression=zstd,oci-mediatypes=true"],
            },
            "heavy": {"inherits": ["image"], "target": "heavy", "tags": []},
            "dependencies": {"inherits": ["image"], "target": "dependencies", "tags": []},
        },
    }
    assert not (folder / dockerfile).exists()


@pytest.mark.parametrize(("name", "image"), [("My App (2)", "my-app-2"), ("_._", "image")])
def test_without_a_name_the_image_is_named_like_the_folder(project, run, name, image):
    text = '[dependency-groups]\nheavy = ["web"]\n[tool.uv]\ndefault-groups = ["heavy"]\n[tool.uv.workspace]\n'
    outcome = run("dockerfile", "--bake", *BASE, cwd=project(text, name=name))
    assert json.loads(outcome.stdout)["variable"]["IMAGE"]["default"] == image


def test_a_dockerfile_outside_of_the_context_is_no_matter_for_bake(run, folder, tmp_path):
    outcome = run("dockerfile", "--bake", *BASE, "--write", tmp_path / "Dockerfile", cwd=folder)
    assert outcome.status == 2
    assert "is outside the build context" in outcome.stderr


# What the configuration says, and options over it.

CONFIG = """\
[tool.uv-layers.dockerfile]
base = "debian:12"
builder = "python:3.11"
tool = "7"
uv = "0.9.9"
secrets = ["TOKEN"]
link = false
copy = ["pyproject.toml"]
cmd = "python -m 'my app'"
"""


def test_the_table_says_what_no_option_says(project, run):
    folder = project(APP + CONFIG)
    lines = run("dockerfile", cwd=folder, UV_LAYERS_UV="/nowhere").stdout.splitlines()
    assert lines[1] == "FROM python:3.11 AS uv-layers"
    assert "COPY --from=ghcr.io/astral-sh/uv:0.9.9 /uv /uvx /usr/local/bin/" in lines
    assert f"{INSTALL}7 && \\" in lines
    assert "    --mount=type=secret,id=TOKEN,required=true \\" in lines
    assert lines[-8:] == [
        "FROM debian:12",
        "WORKDIR /app",
        "# >>> uv-layers copies, managed by `uv-layers dockerfile --write`",
        "COPY --from=heavy /build/layers/heavy/ /",
        "COPY --from=dependencies /build/layers/dependencies/ /",
        "# <<< uv-layers copies",
        "COPY pyproject.toml ./pyproject.toml",
        'CMD ["python", "-m", "my app"]',
    ]
    words = ("--base", "a", "--builder", "b", "--tool", "8", "--uv", "0.9", "--secret", "OTHER", "--copy", "uv.lock")
    lines = run("dockerfile", *words, "--cmd", "run", cwd=folder).stdout.splitlines()
    assert lines[1] == "FROM b AS uv-layers"
    assert "COPY --from=ghcr.io/astral-sh/uv:0.9 /uv /uvx /usr/local/bin/" in lines
    assert f"{INSTALL}8 && \\" in lines
    assert "    --mount=type=secret,id=OTHER,required=true \\" in lines
    assert not [line for line in lines if "TOKEN" in line]
    assert [lines[-8], *lines[-2:]] == ["FROM a", "COPY uv.lock ./uv.lock", 'CMD ["run"]']


def test_variables_stand_for_its_options(run, folder):
    environ = {"UV_LAYERS_BUILDER_UV": "0.9.9", "UV_LAYERS_SECRET": "A B"}
    text = run("dockerfile", *BASE, cwd=folder, **environ, UV_LAYERS_NO_LINK="1").stdout
    assert "COPY --from=ghcr.io/astral-sh/uv:0.9.9 " in text
    assert [text.count(f"id={name},") for name in "AB"] == [3, 3]
    assert "--link" not in text


def test_a_layer_may_have_its_image_and_packages_of_the_system(project, run):
    layers = '{ name = "a", groups = ["heavy"], image = "nvidia/cuda", system-packages = ["g++"] }, { name = "b" }'
    folder = project(f"{APP}[tool.uv-layers]\nlayers = [{layers}]\n")
    text = run("dockerfile", *BASE, "--uv", "registry.example/astral/uv:0.9", cwd=folder).stdout
    stage = text.partition("FROM nvidia/cuda AS a\n")[2].partition("\n\n")[0].splitlines()
    builder = text.partition("AS uv-layers\n")[2].partition("\n\n")[0].splitlines()
    assert "COPY --from=registry.example/astral/uv:0.9 /uv /uvx /usr/local/bin/" in builder
    assert stage[: len(builder)] == builder
    assert stage[len(builder)] == "RUN packages=g++; \\"


@pytest.mark.parametrize(("base", "lines"), [("debian:12", 3), ("python:3.12", 0)])
def test_a_base_without_python_is_pointed_out_with_the_lines_that_add_it(project, run, base, lines):
    ended = run("dockerfile", "--python", "3.12", "--base", base, cwd=project(APP))
    assert ended.status == 0
    assert (
        ended.stderr.splitlines()
        == [
            f"hint: {base} has no Python; add these lines to the top of the Dockerfile, and pass `--base base`:",
            f"FROM {base} AS base",
            "RUN apt-get update && apt-get install --yes --no-install-recommends python3",
        ][:lines]
    )


@pytest.mark.parametrize("own", [False, True])
def test_a_layer_may_have_build_arguments_and_variables(project, run, own):
    settings = 'args = ["VERSION"], env = { FLAGS = "-O2" }'
    layers = f'{{ name = "a", groups = ["heavy"], {"" if own else settings} }}, {{ name = "b" }}'
    layers += f', {{ name = "own", project = true, {settings} }}' if own else ""
    folder = project(f"{APP}[tool.uv-layers]\nlayers = [{layers}]\n".replace(",  }", " }"))
    text = run("dockerfile", *BASE, cwd=folder).stdout
    stage = text.partition(f"FROM uv-layers AS {'own' if own else 'a'}\n")[2].partition("\n\n")[0].splitlines()
    assert stage[:2] == ["ARG VERSION", 'ENV FLAGS="-O2"']
    assert text.count("VERSION") == text.count("FLAGS") == 1


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ('base = "a\\nRUN evil"', "is not a valid image name; pass one, e.g. registry/name:tag"),
        ('builder = "a b"', "is not a valid image name; pass one, e.g. registry/name:tag"),
        ('uv = ""', "is not a valid image name; pass one, e.g. registry/name:tag"),
        ('tool = "1\\nRUN evil"', f"is not a version or a wheel; pass e.g. {__version__}"),
        ('secrets = ["a\\nRUN evil"]', "is not valid; pass the name of a variable, or netrc"),
    ],
)
def test_what_would_be_an_instruction_is_refused(project, run, setting, error):
    folder = project(f"{APP}[tool.uv-layers.dockerfile]\n{setting}\n")
    for words in ((), ("--snippet",), ("--write", "Dockerfile")):
        outcome = run("dockerfile", "--python", "3.12", *words, cwd=folder)
        assert (outcome.status, outcome.stdout) == (2, "")
        assert outcome.stderr.startswith("error[usage]: ")
        assert outcome.stderr.endswith(f"{error}\n")
    assert not (folder / "Dockerfile").exists()


def test_options_that_a_dockerfile_no_longer_remembers_are_named(run, folder):
    first = ("--write", "Dockerfile", *BASE, "--cmd", "run --python 3", "--secret", "NETRC")
    assert "no longer" not in run("dockerfile", *first, cwd=folder).stderr
    assert "no longer" not in run("dockerfile", "--write", "Dockerfile", cwd=folder).stderr
    outcome = run("dockerfile", "--write", "Dockerfile", *BASE, "--cmd", "other", cwd=folder)
    hint = "hint: Dockerfile no longer remembers --secret: new options replace all remembered ones; to keep them, run `"
    last = outcome.stderr.splitlines()[-1]
    assert last.startswith(hint)
    assert (outcome.status, "NETRC" in (folder / "Dockerfile").read_text(encoding="utf-8")) == (0, False)
    [program, *words] = shlex.split(last.removeprefix(hint).rstrip("`"))
    assert program == "uv-layers"
    assert "no longer" not in run(*words, cwd=folder).stderr
    first_line = (folder / "Dockerfile").read_text(encoding="utf-8").splitlines()[0]
    assert "--cmd other" in first_line
    assert "--secret NETRC" in first_line


def test_the_command_that_keeps_options_has_none_that_a_dockerfile_may_not_choose(run, folder):
    assert run("dockerfile", "--write", "Dockerfile", *BASE, "--secret", "NETRC", cwd=folder).status == 0
    text = (folder / "Dockerfile").read_text(encoding="utf-8")
    (folder / "Dockerfile").write_text(text.replace("with: ", "with: --config other.toml "), encoding="utf-8")
    outcome = run("dockerfile", "--write", "Dockerfile", *BASE, cwd=folder)
    assert "no longer remembers --secret" in outcome.stderr
    assert "other.toml" not in outcome.stderr


def test_without_a_write_nothing_is_said_about_what_is_remembered(run, folder):
    assert run("dockerfile", "--write", "Dockerfile", *BASE, "--secret", "NETRC", cwd=folder).status == 0
    outcome = run("dockerfile", "--write", "Dockerfile", "--base", "a b", cwd=folder)
    assert (outcome.status, "no longer" in outcome.stderr) == (2, False)


def test_a_check_of_a_dockerfile_that_does_not_exist_says_so(run, folder):
    outcome = run("dockerfile", *BASE, "--check", "Gone", cwd=folder)
    assert (outcome.status, outcome.stderr.startswith("Gone does not exist; run `uv-layers dockerfile ")) == (1, True)
