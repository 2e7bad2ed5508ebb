"""The modification times of a layer tree, all in seconds since 1970 (UTC).

A file has the upload time of the wheel or source distribution that it was installed from. Folders, and files whose
upload time the lock does not give, have 1980-01-01. So the time tells two releases of a file apart, and it is still a
function of the layer lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from uv_layers.tree.installed import Distribution


#: 1980-01-01, the earliest time that a ZIP archive can store.
DEFAULT = 315532800

#: The latest time that fits into 32 bits, as the header of a .pyc file needs it.
LATEST = 2**32 - 1


def file_time(uploaded: int | None, latest: int | None) -> int:
    """Return the time of a file from a wheel or source distribution that was uploaded at `uploaded`.

    It is even, because ZIP archives store times in steps of two seconds, and not after `latest`, the value of
    SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/).
    """
    seconds = DEFAULT if uploaded is None else max(uploaded, DEFAULT)
    seconds = min(seconds, LATEST if latest is None else latest)
    return seconds - seconds % 2


@dataclass(frozen=True, slots=True)
class Times:
    """The time of each path in a tree: `files` by path, and `default` for everything else."""

    files: Mapping[str, int]
    default: int

    @classmethod
    def of(cls, distributions: Sequence[Distribution], uploads: Mapping[str, int], latest: int | None) -> Times:
        """Return the times of a tree with these distributions, sorted by name; `uploads` is by package name.

        The last distribution that lists a file owns it.
        """
        files: dict[str, int] = {}
        for distribution in distributions:
            seconds = file_time(uploads.get(distribution.name), latest)
            files |= dict.fromkeys((*distribution.files, f"{distribution.info}/RECORD"), seconds)
        return cls(files, file_time(None, latest))

    def of_file(self, path: str) -> int:
        """Return the time of a file; bytecode has the time of its source (PEP 3147)."""
        seconds = self.files.get(path)
        if seconds is None and path.endswith(".pyc"):
            folder, _, name = path.rpartition("__pycache__/")
            seconds = self.files.get(f"{folder}{name.removesuffix('.pyc').rpartition('.')[0]}.py")
        return self.default if seconds is None else seconds
