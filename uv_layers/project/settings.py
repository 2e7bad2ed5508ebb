"""The settings of uv that matter for layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uv_layers.credentials import is_url
from uv_layers.system.paths import with_absolute_indexes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uv_layers.project.discovery import Project


# uv's settings for access to indexes. They do not change what a layer lock pins.
_ACCESS = (
    *("allow-insecure-host", "extra-index-url", "find-links", "http-proxy", "https-proxy", "index"),
    *("index-strategy", "index-url", "keyring-provider", "native-tls", "no-index", "no-proxy", "system-certs"),
)


def index_access(project: Project) -> dict[str, Any]:
    """Return the project's settings for access to indexes, with absolute paths."""
    settings = {key: project.uv_settings[key] for key in _ACCESS if key in project.uv_settings}
    return with_absolute_indexes(settings, project.lock_root)


def local_indexes(uv_settings: Mapping[str, Any]) -> list[str]:
    """Return the folders and files that the settings use as indexes."""
    indexes = [*uv_settings.get("find-links", ()), *(index["url"] for index in uv_settings.get("index", ()))]
    return [index for index in indexes if not is_url(index)]
