"""The program's commands; the module of a command is imported when the command is used."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer

from uv_layers import __version__
from uv_layers.cli.help import HelpfulGroup

#: In the order in which `--help` lists them; each is a module beside this one that has a command of its name.
COMMANDS = ("plan", "export", "install", "verify", "env", "diff", "suggest", "cache", "dockerfile", "precompile")


class Commands(HelpfulGroup):
    """A group of commands that imports only the modules of the commands that it is asked for."""

    def list_commands(self, _: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(f"uv_layers.cli.{cmd_name}"), cmd_name)


app = typer.Typer(
    name="uv-layers",
    help="Split a uv project into image layers.",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(given: bool) -> None:  # noqa: FBT001 - typer calls it so
    if given:
        typer.echo(f"uv-layers {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    *,
    version: Annotated[
        bool, typer.Option("--version", "-V", is_eager=True, callback=_version, help="Print the version.")
    ] = False,
) -> None:
    pass
