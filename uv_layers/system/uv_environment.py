"""The environment variables for uv: without those that would change what the locks pin."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


# uv needs these to decide whether a lock is stale.
_RESOLVING = {
    *("UV_CONFIG_FILE", "UV_EXCLUDE_NEWER", "UV_FORK_STRATEGY", "UV_NO_SOURCES", "UV_NO_SOURCES_PACKAGE"),
    *("UV_PRERELEASE", "UV_RESOLUTION"),
}

# Each would change the selection, what the layer lock pins, or where it is installed.
_OVERRIDING = {
    *("UV_BREAK_SYSTEM_PACKAGES", "UV_COMPILE_BYTECODE", "UV_CONSTRAINT", "UV_DEV", "UV_EXCLUDE", "UV_FROZEN"),
    *("UV_LINK_MODE", "UV_LOCKED", "UV_NO_BINARY", "UV_NO_BINARY_PACKAGE", "UV_NO_DEFAULT_GROUPS", "UV_NO_DEV"),
    *("UV_NO_EDITABLE", "UV_NO_GROUP", "UV_NO_VERIFY_HASHES", "UV_OVERRIDE", "UV_PROJECT"),
    *("UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "UV_REQUIRE_HASHES", "UV_SYSTEM_PYTHON", "UV_TORCH_BACKEND"),
    *("UV_WORKING_DIR",),
}

# Builds take these from the layer lock, through a uv.toml that uv must read.
_BUILDING = {"UV_BUILD_CONSTRAINT", "UV_NO_BUILD_ISOLATION", "UV_NO_CONFIG"}


def resolving_env(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for `uv export`, `uv lock` and `uv python`.

    The project's environment is a folder that does not exist: uv would start the interpreter of an existing one.
    """
    kept = {k: v for k, v in environ.items() if k not in _OVERRIDING | {"VIRTUAL_ENV"}}
    return kept | {"NO_COLOR": "1", "UV_PROJECT_ENVIRONMENT": "/nonexistent/uv-layers"}


def installing_env(environ: Mapping[str, str], epoch: int) -> dict[str, str]:
    """Return the environment for `uv pip install`, without variables that would override the layer lock.

    `epoch`, in seconds, becomes SOURCE_DATE_EPOCH for the builds of source distributions.
    """
    kept = {k: v for k, v in environ.items() if k not in _OVERRIDING | _RESOLVING | _BUILDING | {"VIRTUAL_ENV"}}
    # For reproducible builds: the latest time that they write, the order of sets, and no debug sections, which have the
    # random path of uv's build folder.
    building = {"SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0"}
    building["LDFLAGS"] = f"{environ.get('LDFLAGS', '')} -Wl,-S".strip()
    return kept | building | {"UV_NO_INSTALLER_METADATA": "1"}
