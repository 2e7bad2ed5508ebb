"""The layers that a project has for given options. Pure: no process, no file, no clock."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from uv_layers import errors
from uv_layers.plan.assign import matching
from uv_layers.project.config import DEPENDENCIES, Claim, LayerSpec, layer_name
from uv_layers.system.names import normalised
from uv_layers.system.paths import ENVIRONMENT, is_environment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from uv_layers.project.config import Config
    from uv_layers.project.discovery import Project
    from uv_layers.project.options import Selection
    from uv_layers.system.interpreter import Target


# The default names of the layers of the project's dependencies and of the project itself.
_DEPENDENCIES, _PROJECT = "dependencies", "project"


@dataclass(frozen=True, slots=True)
class LayerSet:
    """The layers that a project has for given options.

    `layers` claim packages, bottom to top. `on_top` are the layers of groups that only the command line names. `own` is
    the layer of the project itself. `names` are all layers of the image, bottom to top; `wanted` are the ones that the
    command line names, or all of them.
    """

    prefix: str
    layers: tuple[LayerSpec, ...]
    on_top: tuple[LayerSpec, ...]
    own: LayerSpec | None
    names: tuple[str, ...]
    wanted: tuple[str, ...]

    @classmethod
    def of(cls, project: Project, selection: Selection, prefix: str, named: Sequence[str] = ()) -> LayerSet:
        """Return the layers of a project; `named` are layers or groups as the user typed them."""
        own = own_layer(project, selection)
        layers = layer_specs(project, selection, named)
        below = (ENVIRONMENT,) if is_environment(prefix) else ()
        names = (*below, *(spec.name for spec in layers), *(() if own is None else (own.name,)))
        wanted = spelled(named, (*names, *project.groups))
        return cls(prefix, layers, named_specs(wanted, names, project.groups), own, names, wanted or names)

    def groups(self, project: Project, selection: Selection) -> list[str]:
        """Return the dependency groups of the image and of the layers on top of it."""
        return [*image_groups(project, selection, self.layers), *(spec.name for spec in self.on_top)]


def own_layer(project: Project, selection: Selection) -> LayerSpec | None:
    """Return the layer of the project: the configured one, or one if `uv sync` would install local folders."""
    if project.config.layers or project.config.project:
        return project.config.project
    installed = local_packages(project, selection)
    return LayerSpec(_free_name(_PROJECT, project.groups), project=True) if installed else None


def local_packages(project: Project, selection: Selection, layers: Iterable[LayerSpec] = ()) -> set[str]:
    """Return the packages in local folders that `uv sync` would install for what is selected and what layers claim."""
    layers = tuple(layers)
    extras = {*_selected_extras(project, selection), *(extra for spec in layers for extra in spec.extras)}
    claims = [DEPENDENCIES, *(Claim("group", group) for group in image_groups(project, selection, layers))]
    claims += [Claim("extra", extra) for extra in extras]
    installed = {name for claim in claims for name in project.local.get(claim, ())}
    return installed - left_out(project, selection, installed)


def unlayered_hints(project: Project, selection: Selection, layers: LayerSet) -> list[str]:
    """Return a hint if the image lacks the project, or a member that it needs, as no configured layer installs them."""
    names = sorted(local_packages(project, selection, layers.layers)) if layers.own is None else []
    if not names:
        return []
    layer = '{ name = "project", project = true }'
    cause = f"the image lacks {', '.join(names)}, which uv sync would install"
    return [f"{cause}; add {layer} as the last layer, or set exclude = {json.dumps(names)}"]


def layer_specs(project: Project, selection: Selection, named: Sequence[str] = ()) -> tuple[LayerSpec, ...]:
    """Return the layers of a project that claim packages, bottom to top.

    Without configured layers, there is one for each default group except `dev` and each selected group, in the order of
    `pyproject.toml`, then one for the project's dependencies. Raises NoLayersError, UnknownGroupError and
    UnknownExtraError.
    """
    config = project.config
    check_selection(project, selection)
    if config.layers:
        for spec in config.layers:
            _check_groups(f"{config.source}: layer {spec.name!r}", spec.groups, project)
            _check_extras(f"{config.source}: layer {spec.name!r}", spec.extras, project)
        # As in uv, --no-group wins.
        no_groups = selection.no_groups
        return tuple(replace(s, groups=tuple(g for g in s.groups if g not in no_groups)) for s in config.layers)
    own = own_layer(project, selection)
    specs = [_of_group(group) for group in image_groups(project, selection)]
    if project.has_dependencies or selection.extras or selection.all_extras:
        extras = _selected_extras(project, selection)
        taken = {*project.groups, *(() if own is None else (own.name,))}
        specs.append(LayerSpec(_free_name(_DEPENDENCIES, taken), extras=extras, dependencies=True))
    if not specs and not named and own is None:
        raise errors.NoLayersError(project.directory / "pyproject.toml")
    return tuple(specs)


def image_groups(project: Project, selection: Selection, layers: Iterable[LayerSpec] = ()) -> list[str]:
    """Return the dependency groups of the image and of `layers`, in the order of `pyproject.toml`."""
    default = () if selection.no_default_groups else (g for g in project.default_groups if g != "dev")
    chosen = project.groups if selection.all_groups else selection.groups
    wanted = {*default, *chosen, *(group for spec in layers for group in spec.groups)}
    return [group for group in project.groups if group in wanted and group not in selection.no_groups]


def known_selection(project: Project, selection: Selection) -> Selection:
    """Return a selection without the groups and extras that the project does not define."""
    return replace(
        selection,
        groups=tuple(group for group in selection.groups if group in project.groups),
        no_groups=tuple(group for group in selection.no_groups if group in project.groups),
        extras=tuple(extra for extra in selection.extras if extra in project.extras),
    )


def known_config(project: Project) -> Config:
    """Return the configuration without the groups and extras that the project does not define."""
    layers = (
        replace(
            spec,
            groups=tuple(group for group in spec.groups if group in project.groups),
            extras=tuple(extra for extra in spec.extras if extra in project.extras),
        )
        for spec in project.config.layers
    )
    return replace(project.config, layers=tuple(layers))


def claims_of(project: Project, selection: Selection) -> list[Claim]:
    """Return the groups and extras that are in the image because an option names them."""
    groups = image_groups(replace(project, default_groups=()), selection)
    extras = _selected_extras(project, selection)
    return [*(Claim("group", name) for name in groups), *(Claim("extra", name) for name in extras)]


def _selected_extras(project: Project, selection: Selection) -> tuple[str, ...]:
    return project.extras if selection.all_extras else selection.extras


def left_out(project: Project, selection: Selection, names: Collection[str]) -> set[str]:
    """Return the packages among `names` that the image does not get, as with `uv sync --no-install-package`."""
    patterns = (*project.config.exclude, *selection.no_install_packages)
    found = {name for pattern in patterns for name in matching(pattern, names)}
    if selection.no_install_project:
        # uv takes the one package of --package for the project, also one that is no member of the workspace.
        chosen = set(project.packages)
        found |= chosen if len(chosen) == 1 else {project.source.name or ""}
    return found


def _free_name(name: str, taken: Collection[str]) -> str:
    """Return the name, with a number if it is taken: a group may have any name."""
    names = (name, *(f"{name}-{number}" for number in range(2, len(taken) + 3)))
    return next(free for free in names if free not in taken)


def python_limits(project: Project, groups: Iterable[str]) -> list[tuple[str, str]]:
    """Return the versions of Python that the project and these groups need, each with what needs them."""
    limits = [("the project", project.requires_python)] if project.requires_python else []
    named = ((f"group {g!r}", limit) for g in dict.fromkeys(groups) for limit in project.group_python.get(g, ()))
    return [*limits, *named]


def check_python(limits: Iterable[tuple[str, str]], target: Target) -> None:
    """Raise PythonMismatchError unless the target's Python is within all limits."""
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - tens of ms

    for source, limit in limits:
        try:
            fits = SpecifierSet(limit).contains(target.full_python, prereleases=True)
        except ValueError:
            problem = f"{errors.shown(limit)} is not a valid version specifier"
            raise errors.ConfigError("pyproject.toml", "requires-python", problem) from None
        if not fits:
            raise errors.PythonMismatchError(source, f"Python {limit}", f"Python {target.full_python}")


def check_environments(markers: Sequence[str], *targets: Target) -> None:
    """Raise UnsupportedTargetError unless the lock supports one of the targets; without markers it supports all."""
    if not markers:
        return
    from packaging.markers import Marker  # noqa: PLC0415 - 60 ms

    environments = [dict(target.markers) for target in targets]
    if not any(Marker(marker).evaluate(e, context="lock_file") for marker in markers for e in environments):
        raise errors.UnsupportedTargetError(f"{targets[0]} ({targets[0].full_python})", markers)


def spelled(named: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return names from the command line, spelled like the layers and groups that they mean."""
    spellings = {normalised(name): name for name in reversed(known)}
    return tuple(dict.fromkeys(n if n in known else spellings.get(normalised(n), n) for n in named))


def named_specs(names: Iterable[str], known: Sequence[str], groups: Sequence[str]) -> tuple[LayerSpec, ...]:
    """Return a spec for each name that is only a dependency group, not a layer; raises UnknownLayerError."""
    others = [group for group in groups if group not in known]
    added = [name for name in dict.fromkeys(names) if name not in known]
    for name in added:
        if name not in others:
            raise errors.UnknownLayerError(name, known, others)
    return tuple(map(_of_group, added))


def _of_group(group: str) -> LayerSpec:
    return LayerSpec(layer_name(group, "pyproject.toml: dependency-groups"), groups=(group,))


def check_selection(project: Project, selection: Selection) -> None:
    """Raise UnknownGroupError or UnknownExtraError for a name in an option that the project does not define."""
    _check_groups("--group", selection.groups, project)
    _check_groups("--no-group", selection.no_groups, project)
    _check_extras("--extra", selection.extras, project)


def _check_groups(setting: str, groups: Iterable[str], project: Project) -> None:
    for group in groups:
        if group not in project.groups:
            raise errors.UnknownGroupError(setting, group, project.groups)


def _check_extras(setting: str, extras: Iterable[str], project: Project) -> None:
    for extra in extras:
        if extra not in project.extras:
            raise errors.UnknownExtraError(setting, extra, project.extras)
