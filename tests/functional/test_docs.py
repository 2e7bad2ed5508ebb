"""What the documents say is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomli
import typer.main

from uv_layers import errors
from uv_layers.cli.app import app
from uv_layers.project import discovery

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/reference"


def _subclasses(kind: type) -> set[type]:
    return {kind}.union(*map(_subclasses, kind.__subclasses__()))


def _rows(text: str) -> list[list[str]]:
    """Return the cells of the rows of every table."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_codes_of_errors_are_those_that_there_are():
    documented = {}
    for code, status, *_ in _rows((REFERENCE / "exit-codes.md").read_text(encoding="utf-8")):
        for name in re.findall(r"`([a-z-]+)`", code):
            assert name not in documented
            documented[name] = int(status)
    kinds = _subclasses(errors.LayersError) - {errors.LayersError}
    assert documented == {kind.code: kind.exit_code for kind in kinds}


def test_every_exit_code_is_explained():
    rows = _rows((REFERENCE / "exit-codes.md").read_text(encoding="utf-8"))
    explained = {
        int(number)
        for first, *_ in rows
        for number in re.findall(r"^\d+(?:, \d+)*$", first)[:1]
        for number in number.split(", ")
    }
    kinds = _subclasses(errors.LayersError)
    assert {0, 1, 130, 141, 143, *(kind.exit_code for kind in kinds)} == explained


def _commands(group, path: str = "uv-layers"):
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(_commands(typer.main.get_command(app)))


def _help(name: str, command) -> str:
    context = command.make_context(name, [], resilient_parsing=True)
    return " ".join(command.get_help(context).split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_an_environment_variable_of_its_name(name):
    command = COMMANDS[name]
    text = _help(name, command)
    options = {p.opts[0]: p for p in command.params if p.param_type_name == "option" and p.name != "help"}
    assert options or name == "uv-layers precompile" or name.startswith("uv-layers cache ")
    # UV_LAYERS_UV is the path of the uv here.
    others = {"--uv": "BUILDER_UV", "--editable": "EDITABLE_DIR"} if name == "uv-layers dockerfile" else {}
    once = {
        "--all",
        "--layer",
        "--exit-code",
        "--keep",
        "--write",
        "--check",
        "--snippet",
        "--bake",
        "--image",
        "--expect",
    }
    for option, parameter in options.items():
        assert parameter.help
        if option in once:
            assert not parameter.envvar
            continue
        variable = f"UV_LAYERS_{others.get(option, option.removeprefix('--').replace('-', '_').upper())}"
        variables = [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar
        assert variables[0] == variable
    assert ("also be set with an environment variable" in text) == any(
        parameter.envvar for parameter in options.values()
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_has_an_example_of_itself(name):
    command = COMMANDS[name]
    assert command.help.endswith(".")
    assert re.match(rf"Example: {name}( |$)", command.epilog)


README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


TOML = [
    pytest.param(block, id=f"{path.relative_to(ROOT)}-{index}")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    for index, block in enumerate(_blocks(path.read_text(encoding="utf-8"), "toml"))
]


@pytest.mark.parametrize("block", TOML)
def test_every_configuration_in_the_documents_is_taken(tmp_path, block):
    document = tomli.loads(block)
    if "lock-version" in document:
        pytest.skip("it is a layer lock")
    (tmp_path / "pyproject.toml").write_text(block, encoding="utf-8")
    own = document.get("tool", {}).get("uv-layers", {})
    if "layers" in document or "prefix" in document:
        (tmp_path / "uv-layers.toml").write_text(block, encoding="utf-8")
        own = document
    config = discovery.load_project(tmp_path).config
    layers = (*config.layers, *([config.project] if config.project else []))
    assert [layer.name for layer in layers] == [layer["name"] for layer in own.get("layers", [])]


def test_the_readme_has_the_configuration_of_the_design():
    [block] = _blocks(README, "toml")
    layers = tomli.loads(block)["tool"]["uv-layers"]["layers"]
    assert [layer["name"] for layer in layers] == ["cuda", "heavy", "light", "project"]


def test_the_readme_shows_the_dockerfile_of_the_example():
    assert _blocks(README, "dockerfile") == [(ROOT / "examples/fastapi/Dockerfile").read_text(encoding="utf-8")]


def test_every_link_leads_to_a_file():
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#]+)", prose):
            assert "://" in target or (path.parent / target).exists(), f"{path}: {target}"


def _keys(value) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize(
    "words",
    [
        ("plan",),
        ("export",),
        ("install", "--all", "--digest"),
        ("diff", "old.lock"),
        ("suggest", "--keep", "--budget", "1"),
        ("verify",),
        ("env",),
    ],
    ids=lambda words: words[0],
)
def test_every_key_of_a_document_is_explained(stage, project, run, words):
    command = words[0]
    text = (REFERENCE / "json.md").read_text(encoding="utf-8")
    [section] = [part for part in re.split(r"^## ", text, flags=re.MULTILINE) if part.startswith(f"`{command}`")]
    explained = set(re.findall(r"`([A-Za-z_]+)`", section))
    if command in {"plan", "export", "diff", "suggest"}:
        dependencies = '["web", "source", "tool"]'
        app = project(
            f'[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = {dependencies}\n'
        )
        if command == "diff":
            (app / "uv.lock").rename(app / "old.lock")
            app.edit('"web"', '"speed"')
            app.lock()
        if command == "suggest":
            layers = "{ name = 'low', packages = ['tool'] }, { name = 'rest', dependencies = true }"
            (app / "uv-layers.toml").write_text(f"layers = [{layers}]\n")
        outcome = run(*words, "--json", cwd=app)
    else:
        stage.lock("some", *(stage.wheel(n, files={"common.py": f"X = {n!r}\n"}) for n in ("aaa", "bbb")))
        assert run("install", "some", cwd=stage).status == 0
        if command == "verify":
            (stage / "layers/some/added").touch()
        outcome = run(*words, "--json", cwd=stage)
    keys = _keys(outcome.result)
    assert len(keys) > 3
    assert all(outcome.result.get(name, True) for name in ("layers", "moves"))
    assert keys <= explained
    envelope = re.split(r"^## ", text, flags=re.MULTILINE)[0]
    assert {"schema", "command", "result"} <= set(re.findall(r"`([a-z]+)`", envelope))


def test_the_kinds_of_problems_are_those_that_there_are():
    text = (REFERENCE / "json.md").read_text(encoding="utf-8").split("The kinds are", 1)[1]
    sources = [(ROOT / f"uv_layers/{name}.py").read_text(encoding="utf-8") for name in ("tree/verify", "cli/verify")]
    raised = set(re.findall(r'(?:yield|Problem\(lock\.layer,) "([a-z-]+)"', "".join(sources)))
    assert set(re.findall(r"`([a-z-]+)`", text.split(".")[0])) == raised
