"""The options that commands share, and how a function with options becomes a command."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.main

from uv_layers import errors
from uv_layers.cli import completion
from uv_layers.cli.help import AS_UV, HelpfulCommand
from uv_layers.project.options import Options, Selection
from uv_layers.system.names import is_name, normalised

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.core import TyperCommand


def size_of(option: str, text: str) -> int:
    """Return the bytes of a size on the command line; raises UsageError."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?) ?(B|kB|MB|GB)?", text)
    if match is None:
        raise errors.UsageError(f"{option} is {text!r}; pass a size, e.g. 500MB or 2GB")
    return int(float(match[1]) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[match[2] or "B"])


def option(usage: str, text: str, *variables: str, name: str = "", complete: Any = None, **settings: Any) -> Any:
    """Return an option with its help; UV_LAYERS_NAME sets it, else the first of the other `variables`.

    `usage` is e.g. "--python -p PYTHON". `name` replaces the option's name in UV_LAYERS_NAME.
    """
    names = [word for word in usage.split() if word.startswith("-")]
    value = usage.removeprefix(" ".join(names)).strip() or None
    own = f"UV_LAYERS_{name or names[0].removeprefix('--').replace('-', '_').upper()}"
    # One line for the variables of all options is below them.
    settings = {"envvar": [own, *variables], "show_envvar": False, "autocompletion": complete, **settings}
    return typer.Option(*names, metavar=value, help=text, **settings)


def argument(value: str, text: str, complete: Any = None) -> Any:
    """Return an optional argument."""
    return typer.Argument(metavar=value, autocompletion=complete, help=text, show_default=False)


Names = list[str] | None
Text = str | None
JsonOption = Annotated[bool, option("--json", "Print a JSON document.")]
LayersArgument = Annotated[
    Names, argument("[LAYER]...", "Layers or dependency groups. [default: all layers]", completion.layers)
]
LayersDirOption = Annotated[
    Path | None, option("--layers-dir DIR", "The folder of layer trees. [default: layers in the project's folder]")
]

# The groups of options in the help, below the command's own options.
_PANELS = {
    option: panel
    for panel, names in {
        "Shared options": "config frozen prefix platform warn_size",
        AS_UV: "project package all_packages locked group no_group no_default_groups all_groups extra all_extras "
        "no_install_project no_install_package python offline verbose quiet",
    }.items()
    for option in names.split()
}


def _shared(  # noqa: PLR0913 - what they have in common is listed here once
    *,
    project: Annotated[
        Path | None, option("--project DIR", "Use the project in DIR or above it.", "UV_PROJECT")
    ] = None,
    package: Annotated[
        Names, option("--package NAME", "Use this member of the workspace.", complete=completion.members)
    ] = None,
    all_packages: Annotated[bool, option("--all-packages", "Include every member of the workspace.")] = False,
    config: Annotated[Path | None, option("--config FILE", "Read this file instead of uv-layers.toml.")] = None,
    group: Annotated[Names, option("--group NAME", "Include a dependency group.", complete=completion.groups)] = None,
    no_group: Annotated[
        Names, option("--no-group NAME", "Exclude a dependency group.", "UV_NO_GROUP", complete=completion.groups)
    ] = None,
    no_default_groups: Annotated[
        bool, option("--no-default-groups", "Exclude the default groups.", "UV_NO_DEFAULT_GROUPS")
    ] = False,
    all_groups: Annotated[bool, option("--all-groups", "Include all dependency groups, even dev.")] = False,
    extra: Annotated[Names, option("--extra NAME", "Include an extra.", complete=completion.extras)] = None,
    all_extras: Annotated[bool, option("--all-extras", "Include all extras.")] = False,
    no_install_project: Annotated[bool, option("--no-install-project", "Do not install the project itself.")] = False,
    no_install_package: Annotated[
        Names, option("--no-install-package NAME", "Do not install this package, only its dependencies.")
    ] = None,
    prefix: Annotated[
        Text, option("--prefix PATH", "Install to PATH in the image, e.g. /app/.venv. [default: /usr/local]")
    ] = None,
    python: Annotated[Text, option("--python -p PYTHON", "Use this Python, e.g. 3.12.", "UV_PYTHON")] = None,
    platform: Annotated[Text, option("--platform OS/ARCH", "Target another platform, e.g. linux/arm64.")] = None,
    warn_size: Annotated[str, option("--warn-size SIZE", "Warn about layers larger than SIZE, e.g. 500MB.")] = "2GB",
    locked: Annotated[bool, option("--locked", "Fail if uv.lock is out of date. This is the default.")] = False,
    frozen: Annotated[
        bool, option("--frozen", "Do not check that uv.lock is up to date. [default: --locked]", "UV_FROZEN")
    ] = False,
    offline: Annotated[bool, option("--offline", "Do not use the network.", "UV_OFFLINE")] = False,
    verbose: Annotated[bool, option("--verbose -v", "Show more output.")] = False,
    quiet: Annotated[bool, option("--quiet -q", "Print only data and errors.")] = False,
) -> Options:
    """Return the options that commands share."""
    if all_extras and extra:
        raise errors.UsageError("--all-extras includes every extra; leave out --extra or --all-extras")
    if all_packages and package:
        raise errors.UsageError("--all-packages includes every member; leave out --package or --all-packages")
    for name in no_install_package or ():
        if not is_name(name):
            raise errors.UsageError(f"--no-install-package: {errors.shown(name)} is not a package name")
    selection = Selection(
        groups=tuple(map(normalised, group or ())),
        no_groups=tuple(map(normalised, no_group or ())),
        no_default_groups=no_default_groups,
        all_groups=all_groups,
        # uv splits only this option at commas.
        extras=tuple(normalised(name) for value in extra or () for name in value.split(",")),
        all_extras=all_extras,
        no_install_project=no_install_project,
        no_install_packages=tuple(dict.fromkeys(map(normalised, no_install_package or ()))),
    )
    return Options(
        directory=project,
        packages=tuple(dict.fromkeys(map(normalised, package or ()))),
        all_packages=all_packages,
        config=config,
        selection=selection,
        prefix=prefix,
        python=python,
        platform=platform,
        warn_size=size_of("--warn-size", warn_size),
        frozen=frozen and not locked,
        offline=offline,
        verbose=verbose,
        quiet=quiet,
    )


def command(*, example: str, without: tuple[str, ...] = ()) -> Callable[[Callable[..., object]], TyperCommand]:
    """Make a command of a function: it also takes the shared options, except those in `without`, as `options`."""

    def register(function: Callable[..., object]) -> TyperCommand:
        shared = {n: p for n, p in inspect.signature(_shared, eval_str=True).parameters.items() if n not in without}
        own = {n: p for n, p in inspect.signature(function, eval_str=True).parameters.items() if n != "options"}

        def run(**given: object) -> object:
            options = _shared(**{name: given.pop(name) for name in shared})  # type: ignore[arg-type]
            return function(options=options, **given)

        parameters = {**own, **shared}
        run.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
        run.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
        run.__doc__ = function.__doc__
        return plain_command(example=example)(run, function.__name__)

    return register


def plain_command(*, example: str) -> Callable[..., TyperCommand]:
    """Make a command of a function that takes only its own options."""

    def register(function: Callable[..., None], name: str | None = None) -> TyperCommand:
        app = typer.Typer(rich_markup_mode=None, add_completion=False)
        epilog = f"Example: {example}"
        app.command(name or function.__name__, cls=HelpfulCommand, epilog=epilog)(function)
        command: Any = typer.main.get_command(app)
        for parameter in command.params:
            parameter.rich_help_panel = _PANELS.get(parameter.name, parameter.rich_help_panel)
        return command  # type: ignore[no-any-return]

    return register
