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
from uv_layers.cli.help import HelpfulCommand
from uv_layers.project.options import Options, Selection
from uv_layers.system.names import is_name, normalised

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.core import TyperCommand


def size_of(option: str, text: str) -> int:
    """Return the bytes of a size on the command line; raises UsageError."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?) ?(B|kB|MB|GB)?", text)
    if match is None:
        raise errors.UsageError(f"{option} is {text!r}; give a size such as 500MB or 2GB")
    return int(float(match[1]) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[match[2] or "B"])


def env_names(option: str, *others: str) -> list[str]:
    """Return the environment variables of an option; the first one wins."""
    return [f"UV_LAYERS_{option}", *others]


ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        metavar="DIR",
        envvar=env_names("PROJECT", "UV_PROJECT"),
        help="Use the project in DIR or above it.",
    ),
]
PackageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--package",
        metavar="NAME",
        envvar=env_names("PACKAGE"),
        autocompletion=completion.members,
        help="Use this member of the workspace.",
    ),
]
AllPackagesOption = Annotated[
    bool,
    typer.Option("--all-packages", envvar=env_names("ALL_PACKAGES"), help="Include every member of the workspace."),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", envvar=env_names("CONFIG"), help="Read this file instead of uv-layers.toml."
    ),
]
GroupOption = Annotated[
    list[str] | None,
    typer.Option(
        "--group",
        metavar="NAME",
        envvar=env_names("GROUP"),
        autocompletion=completion.groups,
        help="Include a dependency group.",
    ),
]
NoGroupOption = Annotated[
    list[str] | None,
    typer.Option(
        "--no-group",
        metavar="NAME",
        envvar=env_names("NO_GROUP", "UV_NO_GROUP"),
        autocompletion=completion.groups,
        help="Exclude a dependency group.",
    ),
]
NoDefaultGroupsOption = Annotated[
    bool,
    typer.Option(
        "--no-default-groups",
        envvar=env_names("NO_DEFAULT_GROUPS", "UV_NO_DEFAULT_GROUPS"),
        help="Exclude the default groups.",
    ),
]
AllGroupsOption = Annotated[
    bool, typer.Option("--all-groups", envvar=env_names("ALL_GROUPS"), help="Include all dependency groups, even dev.")
]
ExtraOption = Annotated[
    list[str] | None,
    typer.Option(
        "--extra", metavar="NAME", envvar=env_names("EXTRA"), autocompletion=completion.extras, help="Include an extra."
    ),
]
AllExtrasOption = Annotated[
    bool, typer.Option("--all-extras", envvar=env_names("ALL_EXTRAS"), help="Include all extras.")
]
NoInstallProjectOption = Annotated[
    bool,
    typer.Option(
        "--no-install-project",
        envvar=env_names("NO_INSTALL_PROJECT"),
        help="Do not install the project itself.",
    ),
]
NoInstallPackageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--no-install-package",
        metavar="NAME",
        envvar=env_names("NO_INSTALL_PACKAGE"),
        help="Do not install this package, only its dependencies.",
    ),
]
PrefixOption = Annotated[
    str | None,
    typer.Option(
        "--prefix",
        metavar="PATH",
        envvar=env_names("PREFIX"),
        help="Install to PATH in the image, e.g. /app/.venv. [/usr/local]",
    ),
]
PythonOption = Annotated[
    str | None,
    typer.Option(
        "--python", "-p", metavar="PYTHON", envvar=env_names("PYTHON", "UV_PYTHON"), help="Use this Python, e.g. 3.12."
    ),
]
PlatformOption = Annotated[
    str | None,
    typer.Option(
        "--platform", metavar="OS/ARCH", envvar=env_names("PLATFORM"), help="Target another platform, e.g. linux/arm64."
    ),
]
WarnSizeOption = Annotated[
    str,
    typer.Option(
        "--warn-size",
        metavar="SIZE",
        envvar=env_names("WARN_SIZE"),
        help="Warn about layers larger than SIZE, e.g. 500MB.",
    ),
]
LockedOption = Annotated[
    bool,
    typer.Option("--locked", envvar=env_names("LOCKED"), help="Fail if uv.lock is not up to date. [default]"),
]
FrozenOption = Annotated[
    bool,
    typer.Option("--frozen", envvar=env_names("FROZEN", "UV_FROZEN"), help="Do not check that uv.lock is up to date."),
]
OfflineOption = Annotated[
    bool, typer.Option("--offline", envvar=env_names("OFFLINE", "UV_OFFLINE"), help="Do not use the network.")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", envvar=env_names("VERBOSE"), help="Show more output.")]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", envvar=env_names("QUIET"), help="Print only data and errors.")
]
JsonOption = Annotated[bool, typer.Option("--json", envvar=env_names("JSON"), help="Print a JSON document.")]

LayersArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[LAYER]...",
        autocompletion=completion.layers,
        help="Layers or dependency groups. [all layers]",
        show_default=False,
    ),
]

LayersDirOption = Annotated[
    Path | None,
    typer.Option(
        "--layers-dir",
        metavar="DIR",
        envvar=env_names("LAYERS_DIR"),
        help="The folder of the layer trees. [layers, beside pyproject.toml]",
    ),
]

# The groups of options in the help, below the command's own options.
_PANELS = {
    option: f"{panel} options"
    for panel, names in {
        "Project": "project package all_packages config locked frozen",
        "Package": "group no_group no_default_groups all_groups extra all_extras no_install_project no_install_package",
        "Target": "prefix python platform",
        "Global": "warn_size offline verbose quiet",
    }.items()
    for option in names.split()
}


def _shared(  # noqa: PLR0913 - what they have in common is listed here once
    *,
    project: ProjectOption = None,
    package: PackageOption = None,
    all_packages: AllPackagesOption = False,
    config: ConfigOption = None,
    group: GroupOption = None,
    no_group: NoGroupOption = None,
    no_default_groups: NoDefaultGroupsOption = False,
    all_groups: AllGroupsOption = False,
    extra: ExtraOption = None,
    all_extras: AllExtrasOption = False,
    no_install_project: NoInstallProjectOption = False,
    no_install_package: NoInstallPackageOption = None,
    prefix: PrefixOption = None,
    python: PythonOption = None,
    platform: PlatformOption = None,
    warn_size: WarnSizeOption = "2GB",
    locked: LockedOption = False,
    frozen: FrozenOption = False,
    offline: OfflineOption = False,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
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
        # A command keeps the names of its help option from the first context that asks, which may have no parent.
        settings = {"help_option_names": ["-h", "--help"]}
        epilog = f"Example: {example}"
        app.command(name or function.__name__, cls=HelpfulCommand, epilog=epilog, context_settings=settings)(function)
        command: Any = typer.main.get_command(app)
        for parameter in command.params:
            parameter.rich_help_panel = _PANELS.get(parameter.name, parameter.rich_help_panel)
            parameter.show_envvar = False  # one line for all of them is below the options
        return command  # type: ignore[no-any-return]

    return register
