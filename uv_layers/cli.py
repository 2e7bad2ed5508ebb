"""The command line: signatures to calls, results to the terminal, and the one place that exits."""

from __future__ import annotations

import inspect
import os
import re
import signal
import sys
import time
from contextlib import suppress
from enum import Enum
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from uv_layers import __version__, errors
from uv_layers.credentials import masked
from uv_layers.model import Options, Selection, normalised, resolved

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from uv_layers.bytecode import Cache

# The exit code of what wrote to a pipe that nobody reads, as it is where the signal for that ends a program.
_UNREAD = 128 + signal.SIGPIPE
# Seconds that a command has to end after a signal; and that it has where there is something to clear away.
_GRACE, _PATIENCE = 1.0, 30.0

app = typer.Typer(
    name="uv-layers",
    help="One image layer per dependency group of a uv project.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?) ?(B|kB|MB|GB)?", text)
    if match is None:
        raise errors.UsageError(f"--warn-size is {text!r}; give a size such as 500MB or 2GB")
    return int(float(match[1]) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[match[2] or "B"])


def _env(option: str, *others: str) -> list[str]:
    return [f"UV_LAYERS_{option}", *others]


ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project", metavar="DIR", envvar=_env("PROJECT", "UV_PROJECT"), help="The project, or a folder in it."
    ),
]
PackageOption = Annotated[
    list[str] | None,
    typer.Option("--package", metavar="NAME", envvar=_env("PACKAGE"), help="A member of the workspace."),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", envvar=_env("CONFIG"), help="A file to use for uv-layers.toml."),
]
GroupOption = Annotated[
    list[str] | None,
    typer.Option("--group", metavar="NAME", envvar=_env("GROUP"), help="Include a dependency group."),
]
NoGroupOption = Annotated[
    list[str] | None,
    typer.Option(
        "--no-group", metavar="NAME", envvar=_env("NO_GROUP", "UV_NO_GROUP"), help="Leave a dependency group out."
    ),
]
NoDefaultGroupsOption = Annotated[
    bool,
    typer.Option(
        "--no-default-groups",
        envvar=_env("NO_DEFAULT_GROUPS", "UV_NO_DEFAULT_GROUPS"),
        help="Leave the default groups out.",
    ),
]
ExtraOption = Annotated[
    list[str] | None, typer.Option("--extra", metavar="NAME", envvar=_env("EXTRA"), help="Include an extra.")
]
AllExtrasOption = Annotated[bool, typer.Option("--all-extras", envvar=_env("ALL_EXTRAS"), help="Include all extras.")]
PrefixOption = Annotated[
    str | None,
    typer.Option("--prefix", metavar="PATH", envvar=_env("PREFIX"), help="Where packages live in the image."),
]
PythonOption = Annotated[
    str | None,
    typer.Option(
        "--python", "-p", metavar="PYTHON", envvar=_env("PYTHON", "UV_PYTHON"), help="The target interpreter."
    ),
]
PlatformOption = Annotated[
    str | None,
    typer.Option(
        "--platform", metavar="OS/ARCH", envvar=_env("PLATFORM"), help="A target that is not here, as linux/arm64."
    ),
]
WarnSizeOption = Annotated[
    str,
    typer.Option(
        "--warn-size", metavar="SIZE", envvar=_env("WARN_SIZE"), help="Point out layers that are larger, as 500MB."
    ),
]
LockedOption = Annotated[
    bool,
    typer.Option(
        "--locked", envvar=_env("LOCKED"), help="Check that uv.lock matches the project, as is done by default."
    ),
]
FrozenOption = Annotated[
    bool, typer.Option("--frozen", envvar=_env("FROZEN", "UV_FROZEN"), help="Take uv.lock as it is, unchecked.")
]
OfflineOption = Annotated[bool, typer.Option("--offline", envvar=_env("OFFLINE", "UV_OFFLINE"), help="Use no network.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", envvar=_env("VERBOSE"), help="Say more.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", envvar=_env("QUIET"), help="Print data and errors alone.")]
JsonOption = Annotated[bool, typer.Option("--json", envvar=_env("JSON"), help="Print a JSON document.")]


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


def _shared(  # noqa: PLR0913 - what they have in common is listed here once
    *,
    project: ProjectOption = None,
    package: PackageOption = None,
    config: ConfigOption = None,
    group: GroupOption = None,
    no_group: NoGroupOption = None,
    no_default_groups: NoDefaultGroupsOption = False,
    extra: ExtraOption = None,
    all_extras: AllExtrasOption = False,
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
    selection = Selection(
        groups=tuple(map(normalised, group or ())),
        no_groups=tuple(map(normalised, no_group or ())),
        no_default_groups=no_default_groups,
        # uv splits this option at commas, and no other.
        extras=tuple(normalised(name) for value in extra or () for name in value.split(",")),
        all_extras=all_extras,
    )
    return Options(
        directory=project,
        packages=tuple(dict.fromkeys(map(normalised, package or ()))),
        config=config,
        selection=selection,
        prefix=prefix,
        python=python,
        platform=platform,
        warn_size=_bytes(warn_size),
        frozen=frozen and not locked,
        offline=offline,
        verbose=verbose,
        quiet=quiet,
    )


def _command(*, example: str, without: tuple[str, ...] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command that takes the shared options, less those in `without`, as its one argument `options`."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        shared = {n: p for n, p in inspect.signature(_shared, eval_str=True).parameters.items() if n not in without}
        own = {n: p for n, p in inspect.signature(function, eval_str=True).parameters.items() if n != "options"}

        def run(**given: object) -> None:
            options = _shared(**{name: given.pop(name) for name in shared})  # type: ignore[arg-type]
            function(options=options, **given)

        parameters = {**own, **shared}
        run.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
        run.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
        run.__doc__ = function.__doc__
        return app.command(function.__name__, epilog=f"Example: {example}")(run)

    return register


@_command(example="uv-layers plan -v")
def plan(*, options: Options, as_json: JsonOption = False) -> None:
    """Show the layers: packages, bytes to pull, and why each package is where it is."""
    from uv_layers import commands, output  # noqa: PLC0415 - keeps --help and --version fast

    made = commands.plan(options)
    if as_json:
        typer.echo(output.plan_json(made))
    else:
        typer.echo(output.plan_table(made, verbose=options.verbose, width=_width()), nl=False)
    _hints(made.hints, options)


LayersArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[LAYER]...", help="Layers, or dependency groups; all when left out.", show_default=False),
]


LayersDirOption = Annotated[
    Path | None,
    typer.Option(
        "--layers-dir",
        metavar="DIR",
        envvar=_env("LAYERS_DIR"),
        help="Where trees are. [layers in the project's folder]",
    ),
]


class Sources(str, Enum):
    """What is compiled."""

    ALL = "all"
    DEFAULT = "default"
    NONE = "none"


class Invalidation(str, Enum):
    """How Python validates bytecode: by its source's time and size, by its source's hash, or not at all (PEP 552)."""

    TIMESTAMP = "timestamp"
    CHECKED = "checked-hash"
    UNCHECKED = "unchecked-hash"


@_command(example="uv-layers export heavy -o locks")
def export(
    *,
    options: Options,
    layers: LayersArgument = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            envvar=_env("OUTPUT"),
            help="Where to write; - prints one layer. [the project's folder]",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the lock of each layer, pylock.LAYER.toml: of those named, or of all."""
    from uv_layers import commands  # noqa: PLC0415
    from uv_layers import output as rendering  # noqa: PLC0415

    to_text = output is not None and str(output) == "-"
    if to_text and (len(layers or ()) != 1 or as_json):
        raise errors.UsageError("--output - prints the lock of one layer; name one, without --json")
    exported, made = commands.export(options, layers or (), output, to_text=to_text)
    if to_text:
        typer.echo(exported[0].lock.text, nl=False)
    elif as_json:
        typer.echo(rendering.exported_json(exported))
    else:
        for item in exported:
            _say(rendering.exported_line(item), options)
    _hints(made.hints, options)


@_command(example="uv-layers install heavy")
def install(
    *,
    options: Options,
    layers: Annotated[
        list[str] | None,
        typer.Argument(metavar="[LAYER]...", help="Layers, or dependency groups.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", envvar=_env("ALL"), help="Install every layer.")] = False,
    layers_dir: LayersDirOption = None,
    sources: Annotated[
        Sources,
        typer.Option("--compile", envvar=_env("COMPILE"), help="Compile all, all but test folders, or none."),
    ] = Sources.DEFAULT,
    no_compile_bytecode: Annotated[
        bool,
        typer.Option("--no-compile-bytecode", envvar=_env("NO_COMPILE_BYTECODE"), help="The same as --compile none."),
    ] = False,
    invalidation: Annotated[
        Invalidation,
        typer.Option("--invalidation-mode", envvar=_env("INVALIDATION_MODE"), help="How Python validates bytecode."),
    ] = Invalidation.TIMESTAMP,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", envvar=_env("STRICT"), help="Fail if packages of the layers or of the base image collide."
        ),
    ] = False,
    digest: Annotated[
        bool, typer.Option("--digest", envvar=_env("DIGEST"), help="Say the digest of each tree.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make layer trees: from the project here, else from the layer locks here."""
    from uv_layers import commands, output  # noqa: PLC0415

    trees, hints = commands.install(
        options,
        layers or (),
        everything=everything,
        layers_dir=layers_dir,
        sources="none" if no_compile_bytecode else sources.value,
        invalidation=invalidation.value,
        strict=strict,
        digest=digest,
        show_progress=options.verbose or (sys.stderr.isatty() and not options.quiet),
    )
    if as_json:
        typer.echo(output.trees_json(trees))
    else:
        for line in (line for tree in trees for line in output.tree_lines(tree)):
            _say(line, options)
    _hints(hints, options)


@_command(example="uv-layers verify heavy", without=("platform", "verbose", "warn_size"))
def verify(
    *, options: Options, layers: LayersArgument = None, layers_dir: LayersDirOption = None, as_json: JsonOption = False
) -> None:
    """Hold trees against their layer locks; exit 1 with a list of what is wrong."""
    from uv_layers import commands, output  # noqa: PLC0415

    results = commands.verify(options, layers or (), layers_dir=layers_dir)
    if as_json:
        typer.echo(output.verified_json(results))
    else:
        for line in (line for result in results for line in output.verified_lines(*result)):
            typer.echo(errors.printable(line))
    if any(problems for _, _, problems in results):
        raise typer.Exit(1)


@_command(
    example="uv-layers env --shell fish | source",
    without=("prefix", "python", "platform", "warn_size", "locked", "frozen", "offline", "verbose"),
)
def env(
    *,
    options: Options,
    layers: LayersArgument = None,
    layers_dir: LayersDirOption = None,
    shell: Annotated[
        str | None,
        typer.Option(
            "--shell",
            metavar="NAME",
            envvar=_env("SHELL"),
            help="bash, zsh, fish, powershell, or sh. [the shell that runs]",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print shell code that puts built trees on PATH and PYTHONPATH."""
    from uv_layers import commands  # noqa: PLC0415

    environment, hints = commands.env(options, layers or (), layers_dir=layers_dir)
    if as_json:
        from uv_layers import output  # noqa: PLC0415

        typer.echo(output.env_json(environment))
    else:
        from uv_layers import process  # noqa: PLC0415
        from uv_layers.shell import code  # noqa: PLC0415

        text = code(environment.variables, shell or process.running_shell(options.environ))
        # As bytes: a path may be none of the encoding that the terminal has.
        typer.echo(os.fsencode(text), nl=False)
    _hints(hints, options)


class Format(str, Enum):
    """How a diff is written."""

    TABLE = "table"
    MARKDOWN = "markdown"


@_command(example="uv-layers diff HEAD~1", without=("locked", "frozen", "verbose", "warn_size"))
def diff(
    *,
    options: Options,
    old: Annotated[str, typer.Argument(metavar="OLD", help="A git revision, a uv.lock, or a folder of layer locks.")],
    new: Annotated[
        str | None,
        typer.Argument(metavar="[NEW]", help="The same; the working tree when left out.", show_default=False),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            "--layer", metavar="NAME", envvar=_env("LAYER"), help="With --exit-code: look at this layer alone."
        ),
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", envvar=_env("EXIT_CODE"), help="Exit with 1 when a layer changes.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", envvar=_env("FORMAT"), help="How to write it.")] = Format.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Say which layers change from OLD to NEW, why, and how many bytes are pulled."""
    from uv_layers import commands, output  # noqa: PLC0415
    from uv_layers.plan import wanted  # noqa: PLC0415

    changes = commands.diff(options, old, new)
    known = [change.layer for change in changes]
    layers = wanted(layer or (), known)
    if missing := [name for name in layers if name not in known]:
        raise errors.UnknownLayerError(missing[0], known, ())
    if as_json:
        typer.echo(output.diff_json(changes))
    elif form is Format.MARKDOWN:
        typer.echo(output.diff_markdown(changes), nl=False)
    else:
        typer.echo(output.diff_table(changes, _width()), nl=False)
    if exit_code and any(change.status != "same" for change in changes if not layers or change.layer in layers):
        raise typer.Exit(1)


@_command(example="uv-layers suggest --budget 10 --write", without=("warn_size",))
def suggest(
    *,
    options: Options,
    budget: Annotated[
        int,
        typer.Option("--budget", metavar="N", min=1, max=100, envvar=_env("BUDGET"), help="The layers to have."),
    ] = 10,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", envvar=_env("SINCE"), help="Learn from what git has since then."),
    ] = None,
    max_revisions: Annotated[
        int | None,
        typer.Option(
            "--max-revisions", metavar="N", min=1, envvar=_env("MAX_REVISIONS"), help="Learn from the last N revisions."
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", envvar=_env("KEEP"), help="Start from today's layers; move only what pays.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", envvar=_env("WRITE"), help="Put the layers in uv-layers.toml.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Propose layers, from the sizes of packages and from what the history of uv.lock says of their changes."""
    from uv_layers import commands, output  # noqa: PLC0415

    suggestion, path = commands.suggest(
        options,
        budget=budget,
        since=since,
        limit=max_revisions,
        keep=keep,
        write=write,
        show_progress=sys.stderr.isatty() and not options.quiet,
    )
    if as_json:
        typer.echo(output.suggestion_json(suggestion, path))
    else:
        typer.echo(output.suggestion_table(suggestion, verbose=options.verbose, width=_width()), nl=False)
    if path is not None:
        _say(f"written: {path}", options)
    _hints(suggestion.hints, options)


cache_app = typer.Typer(name="cache", help="The bytecode cache.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(cache_app)


def _cache() -> Cache:
    from uv_layers.bytecode import Cache  # noqa: PLC0415

    return Cache.of(os.environ)


@cache_app.command("dir", epilog="Example: uv-layers cache dir")
def cache_dir(*, as_json: JsonOption = False) -> None:
    """Print where the cache is."""
    from uv_layers.output import envelope  # noqa: PLC0415

    path = str(_cache().path)
    typer.echo(envelope("cache dir", {"path": path}) if as_json else os.fsencode(path))


@cache_app.command("size", epilog="Example: uv-layers cache size")
def cache_size(*, as_json: JsonOption = False) -> None:
    """Print the size of the cache in bytes."""
    from uv_layers.output import envelope  # noqa: PLC0415

    entries, size = _cache().size()
    typer.echo(envelope("cache size", {"entries": entries, "bytes": size}) if as_json else size)


@cache_app.command("prune", epilog="Example: uv-layers cache prune --days 7")
def cache_prune(
    days: Annotated[
        int,
        typer.Option(
            "--days", metavar="N", min=0, max=36500, envvar=_env("DAYS"), help="Keep what was used in the last N days."
        ),
    ] = 30,
) -> None:
    """Remove the bytecode of wheels that were not installed of late."""
    _removed(_cache().prune(days))


@cache_app.command("clean", epilog="Example: uv-layers cache clean")
def cache_clean() -> None:
    """Remove all bytecode."""
    _removed(_cache().clean())


def _removed(result: tuple[int, int]) -> None:
    from uv_layers.output import size  # noqa: PLC0415

    typer.echo(f"removed {result[0]} wheels' bytecode, {size(result[1])}", err=True)


@_command(
    example="uv-layers dockerfile --cmd 'uvicorn main:app' > Dockerfile",
    without=("platform", "offline", "verbose", "warn_size"),
)
def dockerfile(  # noqa: PLR0913 - what a Dockerfile can be told
    *,
    options: Options,
    groups: Annotated[
        list[str] | None,
        typer.Argument(metavar="[GROUP]...", help="Dependency groups to add as layers on top.", show_default=False),
    ] = None,
    snippet: Annotated[
        bool, typer.Option("--snippet", envvar=_env("SNIPPET"), help="The stages and the COPY lines alone.")
    ] = False,
    write: Annotated[
        Path | None,
        typer.Option(
            "--write", metavar="FILE", envvar=_env("WRITE_FILE"), help="Keep the marked blocks of a Dockerfile."
        ),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            "--check", metavar="FILE", envvar=_env("CHECK"), help="Exit 1, with a diff, where they are stale."
        ),
    ] = None,
    as_bake: Annotated[
        bool, typer.Option("--bake", envvar=_env("BAKE"), help="Print a file for docker buildx bake.")
    ] = False,
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="IMAGE", envvar=_env("BASE"), help="The base image. [python:X.Y-slim-bookworm]"),
    ] = None,
    builder: Annotated[
        str | None,
        typer.Option("--builder", metavar="IMAGE", envvar=_env("BUILDER"), help="The builder's base image. [--base]"),
    ] = None,
    tool: Annotated[
        str | None,
        typer.Option(
            "--tool",
            metavar="VERSION|WHEEL",
            envvar=_env("TOOL"),
            help="The uv-layers of the builder: a release, or a wheel in the build context. [this version]",
        ),
    ] = None,
    uv: Annotated[
        str | None,
        typer.Option(
            "--uv",
            metavar="VERSION|IMAGE|pip",
            envvar=_env("BUILDER_UV"),
            help="The uv of the builder: a release, an image with it, or pip or pip:VERSION. [a fixed release]",
        ),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            "--secret", metavar="NAME", envvar=_env("SECRET"), help="A variable that an index asks for, or netrc."
        ),
    ] = None,
    no_link: Annotated[
        bool, typer.Option("--no-link", envvar=_env("NO_LINK"), help="Plain COPY lines, for Podman and Buildah.")
    ] = False,
    copy: Annotated[
        list[str] | None,
        typer.Option("--copy", metavar="PATH", envvar=_env("COPY"), help="What of the project goes into the image."),
    ] = None,
    cmd: Annotated[
        str | None, typer.Option("--cmd", metavar="COMMAND", envvar=_env("CMD"), help="The command of the image.")
    ] = None,
) -> None:
    """Print a Dockerfile with a stage and a COPY line for each layer, or keep them up to date in one."""
    from uv_layers import commands  # noqa: PLC0415

    told: dict[str, object] = {
        "base": base,
        "builder": builder,
        "tool": tool,
        "uv": uv,
        "cmd": cmd,
        "secrets": secret,
        "copy": copy,
    }
    told = {key: value for key, value in told.items() if value} | ({"link": False} if no_link else {})
    if sum(map(bool, (snippet, write and not as_bake, check, as_bake))) > 1:
        raise errors.UsageError("--snippet, --write, --check and --bake are different things to do; give one")
    path = write or check
    if as_bake:
        typer.echo(commands.bake(options, path or Path("Dockerfile"), groups or (), told), nl=False)
    elif path is None:
        typer.echo(commands.dockerfile(options, groups or (), told, snippet=snippet), nl=False)
    else:
        _keep(path, *commands.kept_dockerfile(options, path, groups or (), told), options, write=check is None)


@app.command(epilog="Example: uv-layers precompile")
def precompile() -> None:
    """Have Python compile what the stages of a Dockerfile run, once for all of them.

    The official images have no bytecode of the standard library, and what a stage compiles the others do not see.
    """
    if os.environ.get(unwanted := "PYTHONDONTWRITEBYTECODE"):
        # Many an image has it set, and Python has loaded its first modules by it.
        from uv_layers import process  # noqa: PLC0415

        environ = {name: value for name, value in os.environ.items() if name != unwanted}
        argv = [sys.executable, "-m", "uv_layers", "precompile"]
        # There, as `-m` has Python look for modules in the current folder first, and that may be somebody's project.
        raise typer.Exit(process.run(argv, env=environ, cwd=Path(sys.prefix), show=sys.stderr.write).status)

    import tomli_w  # noqa: F401, PLC0415
    from packaging import markers, specifiers, tags, utils, version  # noqa: F401, PLC0415

    from uv_layers import base, build, bytecode, commands, installed, output, scheme, seal, target  # noqa: F401, PLC0415

    target.of_running()


def _keep(path: Path, old: str, new: str, options: Options, *, write: bool) -> None:
    """Write the new text of a file, or exit with 1 and the difference to the old."""
    if old == new:
        _say(f"{path}: up to date", options)
    elif write:
        from uv_layers.fs import write_atomically  # noqa: PLC0415

        place = resolved(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, new)
        _say(f"{path}: written", options)
    else:
        from difflib import unified_diff  # noqa: PLC0415

        before, after = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (old, new))
        lines = unified_diff(before, after, f"{path}", f"{path} (as it should be)")
        whole = (li if li.endswith("\n") else f"{li}\n\\ No newline at end of file\n" for li in lines)
        # As bytes: a path may be none of the encoding that the terminal has.
        typer.echo(os.fsencode("".join(whole)), nl=False)
        _say(f"{path} is stale; run `uv-layers dockerfile --write {path}`", options)
        raise typer.Exit(1)


def _say(line: str, options: Options) -> None:
    if not options.quiet:
        # A line may have names from wheels in it, and addresses.
        typer.echo(errors.printable(masked(line)), err=True)


def _hints(hints: tuple[str, ...], options: Options) -> None:
    for hint in hints:
        _say(f"hint: {hint}", options)


def _width() -> int | None:
    """Return the width of the terminal, or None where output goes elsewhere and no line is to be folded."""
    import shutil  # noqa: PLC0415

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def main() -> None:
    """Run the command line and exit with the code that docs/reference/exit-codes.md gives.

    A thread runs it, and this one waits for its end, or for a signal. So a signal cannot come in the middle of
    anything: it ends the programs that are under way, and the command ends by the error that this is to it.
    """
    _open_closed_streams()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    ended: list[int | BaseException] = []

    def work() -> None:
        try:
            ended.append(_run())
        except BaseException as error:  # noqa: BLE001 - raised again below
            ended.append(error)
        os.write(writer, b"\0")

    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for awaited in (signal.SIGINT, signal.SIGTERM):
        signal.signal(awaited, _noted)
    thread = Thread(target=work, daemon=True)
    thread.start()
    number = os.read(reader, 1)[0]
    if number:
        _end(thread, 128 + number)
    thread.join()
    # The exit code is known. Python itself, on its way out, would have another signal end it.
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    for end in (reader, writer):
        os.close(end)
    status = 128 + number if number else _status(ended[0])
    _drop_unwritten()
    sys.exit(status)


def _noted(_: int, __: FrameType | None) -> None:
    """Do nothing: that there is such a function has the signal written to the pipe that `main` reads."""


def _end(thread: Thread, status: int) -> None:
    """End what the thread has under way, and it; further signals change nothing.

    The program ends as if it were killed where the thread has nothing to clear away and computes, or waits, on.
    """
    from uv_layers import process  # noqa: PLC0415

    process.stop()
    thread.join(_GRACE)
    last = time.monotonic() + _PATIENCE
    while thread.is_alive() and process.unfinished() and time.monotonic() < last:
        thread.join(_GRACE / 10)
    if thread.is_alive():
        os._exit(status)


def _run() -> int:
    stdout = sys.stdout
    try:
        app()
    except SystemExit as ended:
        # Typer says 1, which is no such thing here, and puts something in the place of what nobody reads any more.
        return _UNREAD if sys.stdout is not stdout else int(ended.code or 0)
    raise AssertionError  # pragma: no cover - Typer ends by SystemExit


def _status(ended: int | BaseException) -> int:
    """Return the exit code of a run that ended with a code or by an error, which is said."""
    if isinstance(ended, int):
        return ended
    if isinstance(ended, OSError):
        ended = errors.MachineError(ended)
    if not isinstance(ended, errors.LayersError):
        raise ended
    with suppress(OSError):  # then the exit code alone says it
        if detail := getattr(ended, "detail", ""):
            typer.echo(detail, err=True)
        typer.echo(f"error[{ended.code}]: {ended}", err=True)
    return ended.exit_code


def _drop_unwritten() -> None:
    """Drop what the standard streams have no room for, which Python would try to write again, and exit with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # noqa: PERF203 - twice
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_closed_streams() -> None:
    """Put nothing in the place of each standard stream that is closed, lest a file that is opened gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - until the end
