"""`uv-layers cache`."""

from __future__ import annotations

import os
from typing import Annotated

import typer
import typer.main

from uv_layers.cli.help import HelpfulCommand, HelpfulGroup
from uv_layers.cli.json import envelope
from uv_layers.cli.options import JsonOption, option
from uv_layers.cli.tables import size
from uv_layers.system.names import counted
from uv_layers.tree.bytecode_cache import Cache

cache_app = typer.Typer(
    name="cache",
    help="Show, prune or remove the bytecode cache.",
    cls=HelpfulGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


def _cache() -> Cache:
    return Cache.of(os.environ)


@cache_app.command("dir", cls=HelpfulCommand, epilog="Example: uv-layers cache dir")
def cache_dir(*, as_json: JsonOption = False) -> None:
    """Print the path of the cache."""
    path = str(_cache().path)
    typer.echo(envelope("cache dir", {"path": path}) if as_json else os.fsencode(path))


@cache_app.command("size", cls=HelpfulCommand, epilog="Example: uv-layers cache size")
def cache_size(*, as_json: JsonOption = False) -> None:
    """Print the size of the cache in bytes."""
    entries, size = _cache().size()
    typer.echo(envelope("cache size", {"entries": entries, "bytes": size}) if as_json else size)


@cache_app.command("prune", cls=HelpfulCommand, epilog="Example: uv-layers cache prune --days 7")
def cache_prune(
    days: Annotated[
        int, option("--days N", "Keep the bytecode of wheels that were installed in the last N days.", min=0, max=36500)
    ] = 30,
) -> None:
    """Remove the bytecode of wheels that were not installed recently."""
    _removed(_cache().prune(days))


@cache_app.command("clean", cls=HelpfulCommand, epilog="Example: uv-layers cache clean")
def cache_clean() -> None:
    """Remove the whole bytecode cache."""
    _removed(_cache().clean())


def _removed(result: tuple[int, int]) -> None:
    typer.echo(f"removed the bytecode of {counted(result[0], 'wheel')}, {size(result[1])}", err=True)


cache = typer.main.get_command(cache_app)
