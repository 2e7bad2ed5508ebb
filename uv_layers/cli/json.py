"""Results as versioned JSON documents for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from uv_layers.cli.env import Environment
    from uv_layers.cli.export import Exported
    from uv_layers.history.suggest import Suggestion
    from uv_layers.lock.packages import Layer
    from uv_layers.plan.assign import Plan
    from uv_layers.plan.diff import LayerChange
    from uv_layers.tree.build import Tree
    from uv_layers.tree.verify import Problem

# Increased if a key changes or disappears, not for new keys.
SCHEMA = 1


def envelope(command: str, result: Any) -> str:
    """Return the JSON document that each command prints under --json: `schema`, `command`, `result`."""
    return json.dumps({"schema": SCHEMA, "command": command, "result": result}, indent=2)


def plan_json(plan: Plan) -> str:
    """Return the plan as JSON; docs/reference/json.md has the keys."""
    markers = plan.target.markers
    result = {
        "prefix": plan.prefix,
        "target": {
            "python": markers["python_full_version"],
            "implementation": markers["implementation_name"],
            "platform": markers["sys_platform"],
            "machine": markers["platform_machine"],
            "interpreter": plan.target.executable,
        },
        "bytes": sum(layer.size for layer in plan.layers),
        "layers": [_layer_json(layer) for layer in plan.layers],
        "hints": list(plan.hints),
    }
    return envelope("plan", result)


def _layer_json(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "kind": layer.kind,
        "bytes": layer.size,
        "unsized": layer.unsized,
        "packages": [
            {
                "name": m.package.name,
                "version": m.package.version,
                "bytes": m.package.size,
                "built": m.package.built,
                "built_from": m.package.built_from,
                "reason": m.reason,
                "also": list(m.also),
            }
            for m in layer.members
        ],
    }


def trees_json(trees: Iterable[Tree]) -> str:
    """Return the result of `install` as JSON."""
    return envelope(
        "install",
        {
            "layers": [
                {
                    "name": tree.layer,
                    "path": str(tree.path),
                    "packages": tree.record.packages,
                    "files": tree.record.files,
                    "bytes": tree.record.size,
                    "seconds": round(tree.seconds or 0, 3),
                    "up_to_date": tree.seconds is None,
                    "built": tree.record.built,
                    "clashes": [{"path": clash.path, "packages": list(clash.owners)} for clash in tree.record.clashes],
                    "uncompiled": tree.record.invalid,
                    "excluded": tree.record.excluded,
                    "digest": tree.digest,
                }
                for tree in trees
            ]
        },
    )


def verified_json(results: Iterable[tuple[str, str | None, Sequence[Problem]]]) -> str:
    """Return the result of `verify` as JSON."""
    layers = [
        {
            "name": layer,
            "digest": digest,
            "problems": [{"kind": p.kind, "path": p.path, "detail": p.detail} for p in problems],
        }
        for layer, digest, problems in results
    ]
    return envelope("verify", {"layers": layers})


def env_json(environment: Environment) -> str:
    """Return the result of `env` as JSON."""
    return envelope(
        "env",
        {
            **{variable: list(folders) for variable, folders in environment.variables.items()},
            "interpreter": environment.interpreter,
            "layers": [{"name": layer, "path": str(path)} for layer, path in environment.trees.items()],
        },
    )


def diff_json(changes: Sequence[LayerChange]) -> str:
    """Return the result of `diff` as JSON."""
    layers = [
        {
            "name": change.layer,
            "status": change.status,
            "bytes": change.size,
            "unsized": change.unsized,
            "bytes_unchanged": change.kept,
            "changes": [
                {"package": c.package, "kind": c.kind, "old": c.old, "new": c.new, "other": c.other}
                for c in change.changes
            ],
        }
        for change in changes
    ]
    return envelope("diff", {"bytes": sum(change.size for change in changes), "layers": layers})


def suggestion_json(suggestion: Suggestion, path: Path | None) -> str:
    """Return the result of `suggest` as JSON."""
    result = {
        "layers": [
            {
                "name": layer.spec.name,
                "claims": {key: list(getattr(layer.spec, key)) for key in ("packages", "groups", "extras")}
                | {"dependencies": layer.spec.dependencies},
                "packages": list(layer.packages),
                "bytes": layer.size,
                "unsized": layer.unsized,
                "changes": layer.changes,
            }
            for layer in suggestion.layers
        ],
        "history": {
            "revisions": suggestion.revisions,
            "unreadable": suggestion.unreadable,
            "updates": suggestion.updates,
        },
        "expected_bytes": {
            "one_layer": suggestion.one_layer,
            "today": suggestion.today,
            "proposed": suggestion.expected,
            "floor": suggestion.floor,
        },
        "backtest": None if suggestion.backtest is None else asdict(suggestion.backtest),
        "unknown": list(suggestion.unknown),
        "estimated": list(suggestion.estimated),
        "bytes_once": suggestion.once,
        "moves": [{"package": m.package, "from": m.old, "to": m.new} for m in suggestion.moves],
        "written": None if path is None else str(path),
        "hints": list(suggestion.hints),
    }
    return envelope("suggest", result)


def exported_json(exported: Iterable[Exported]) -> str:
    """Return the result of `export` as JSON."""
    layers = [
        {"name": e.lock.layer, "path": str(e.path), "packages": len(e.lock.versions), "changed": e.changed}
        for e in exported
    ]
    return envelope("export", {"layers": layers})
