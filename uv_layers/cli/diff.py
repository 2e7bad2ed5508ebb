"""`uv-layers diff`."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from uv_layers import errors
from uv_layers.cli import completion
from uv_layers.cli.json import diff_json
from uv_layers.cli.markdown import diff_markdown
from uv_layers.cli.options import JsonOption, Names, Text, argument, command, option
from uv_layers.cli.sources import lock_file
from uv_layers.cli.tables import diff_table
from uv_layers.cli.terminal import terminal_width
from uv_layers.history.git import Repository, not_comparable
from uv_layers.lock.layer_lock import layer_of, layers_in
from uv_layers.lock.layer_lock_reader import read_layer_lock
from uv_layers.lock.uv_lock import check_size
from uv_layers.plan.diff import LayerChange, compare
from uv_layers.plan.layers import check_selection, known_config, known_selection, spelled
from uv_layers.plan.resolve import find_project, layer_locks, make_plan
from uv_layers.project.options import Options
from uv_layers.system.documents import parsed
from uv_layers.system.files import read_text
from uv_layers.system.tasks import parallel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uv_layers.lock.layer_lock import LayerLock
    from uv_layers.project.discovery import Project


# The longest line of a table if standard output is not a terminal.
_PIPE = 120


@command(example="uv-layers diff HEAD~1", without=("locked", "frozen", "verbose", "warn_size"))
def diff(
    *,
    options: Options,
    old: Annotated[str, typer.Argument(metavar="OLD", help="A git revision, a uv.lock, or a folder of layer locks.")],
    new: Annotated[Text, argument("[NEW]", "What to compare OLD with. [default: the working tree]")] = None,
    layer: Annotated[
        Names,
        option("--layer NAME", "With --exit-code, check only this layer.", complete=completion.layers, envvar=None),
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if a layer changes.")] = False,
    form: Annotated[Literal["table", "markdown"], option("--format", "The output format.")] = "table",
    as_json: JsonOption = False,
) -> None:
    """Show which layers change from OLD to NEW, why, and the bytes to pull."""
    changes = layer_changes(options, old, new)
    known = [change.layer for change in changes]
    layers = spelled(layer or (), known)
    if missing := [name for name in layers if name not in known]:
        raise errors.UnknownLayerError(missing[0], known, ())
    if as_json:
        typer.echo(diff_json(changes))
    elif form == "markdown":
        typer.echo(diff_markdown(changes), nl=False)
    else:
        typer.echo(diff_table(changes, terminal_width() or _PIPE), nl=False)
    # The sources of the project's layer are not compared: report it as changed if the user names it.
    silent = {"same"} if layers else {"same", "unknown"}
    if exit_code and any(c.status not in silent for c in changes if not layers or c.layer in layers):
        raise typer.Exit(1)


def layer_changes(options: Options, old: str, new: str | None = None) -> tuple[LayerChange, ...]:
    """Return the change of each layer from `old` to `new`, by default the working tree.

    Each is a git revision, a lock file, or a folder of layer locks. uv.lock is taken as it is, unchecked.
    """
    options = replace(options, frozen=True)
    sides: list[tuple[list[LayerLock], Project | None]] = parallel(
        [partial(_side, options, old), partial(_side, options, new)], workers=2
    )
    if projects := [project for _, project in sides if project is not None]:
        groups = tuple(dict.fromkeys(group for project in projects for group in project.groups))
        extras = tuple(dict.fromkeys(extra for project in projects for extra in project.extras))
        check_selection(replace(projects[0], groups=groups, extras=extras), options.selection)
    before, after = (locks for locks, _ in sides)
    if any(project is None for _, project in sides):
        # The layer of the project has no layer lock.
        before, after = ([lock for lock in locks if lock.kind != "project"] for locks in (before, after))
    return compare(tuple(map(layer_of, before)), tuple(map(layer_of, after)))


def _side(options: Options, side: str | None) -> tuple[list[LayerLock], Project | None]:
    """Return the layer locks of a side, and its project; a folder of layer locks has none."""
    if side is None:
        return _all_locks(options)
    path = Path(side)
    if path.is_dir() and (names := layers_in(path)):
        return [read_layer_lock(lock_file(path, name), name) for name in names], None
    current = find_project(options)
    if path.is_file():
        check_size(path)
        requests = (folder / ".python-version" for folder in (current.directory, current.lock_root))
        texts = {file: read_text(file) for file in (*current.inputs, *requests) if file.is_file()}
        return _locks_of(options, current, texts | {current.lock: read_text(path)}, side)
    try:
        repository = Repository(current.lock_root, options.environ)
    except errors.GitError as error:
        raise not_comparable(side, f": {error}") from None
    config = () if options.config is None else (options.config.name,)
    texts = repository.files(repository.commit(side), _top(current), config)
    for file in (current.directory / "pyproject.toml", current.lock):
        if file not in texts:
            name = os.path.relpath(file, current.lock_root)
            step = "commit it, or choose another revision"
            raise errors.GitError(f"{side} has no {name} in {current.lock_root}; {step}")
    return _locks_of(options, current, texts, side)


def _all_locks(options: Options, *, lenient: bool = False) -> tuple[list[LayerLock], Project]:
    """Return the layer locks of a project, and the project; `lenient` is for an old revision.

    The other side may have the groups and extras that options name: see `layer_changes`.
    """
    current = find_project(options)
    options = replace(options, selection=known_selection(current, options.selection))
    if lenient:
        current = replace(current, config=known_config(current))
    try:
        return layer_locks(make_plan(options, current, (), lenient=lenient), current, ()), current
    except errors.NoLayersError:
        if not lenient:
            raise
        return [], current


def _locks_of(
    options: Options, current: Project, texts: Mapping[Path, str], side: str
) -> tuple[list[LayerLock], Project]:
    """Return the layer locks of the project with these texts for its files, and no other files.

    What options or layers name and the project did not have then, it does without. Errors name the side.
    """
    top = _top(current)
    with TemporaryDirectory() as temporary:
        root = Path(temporary).resolve()

        def place(path: Path) -> Path:
            return root / path.relative_to(top)

        for path, text in texts.items():
            if path.is_relative_to(top):
                place(path).parent.mkdir(parents=True, exist_ok=True)
                place(path).write_text(_for_any_uv(path.name, text), encoding="utf-8")
        config = options.config and options.config.absolute()
        if config is not None and config in texts and config.is_relative_to(top):
            config = place(config)
        try:
            return _all_locks(replace(options, directory=place(current.start), config=config), lenient=True)
        except errors.LayersError as error:
            error.args = (f"in {side}: {str(error).replace(f'{root}/', '')}",)
            raise


def _for_any_uv(name: str, text: str) -> str:
    """Return the text of a file without `required-version`, which was for the uv of its time."""
    if name not in {"pyproject.toml", "uv.toml"} or "required-version" not in text:
        return text
    import tomli_w  # noqa: PLC0415 - rarely needed

    try:
        document = parsed(text)
        table = document if name == "uv.toml" else document["tool"]["uv"]
        del table["required-version"]
    except (ValueError, KeyError, TypeError):  # reported when the project is read
        return text
    return tomli_w.dumps(document)


def _top(current: Project) -> Path:
    """Return the folder with the whole workspace: members may be outside its root."""
    members = (member.directory for member in current.members.values())
    return Path(os.path.commonpath([current.lock_root, *members]))
