"""The target: an interpreter on this machine, or a platform by name, as markers and wheel tags."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uv_layers import errors
from uv_layers.system import process
from uv_layers.system.uv import Uv, find_python_argv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Target:
    """The Python and platform to evaluate markers and wheel tags for.

    `markers` is a marker environment (PEP 508); `tags` maps each supported wheel tag (PEP 425) to its
    rank, best first. An interpreter has an `executable` (the base one), the `cache_tag` and the `magic` number, in
    hex, of its bytecode (PEP 3147), its `abiflags` (PEP 3149) and the `build` that compiles: its version, and for a
    development version what Python prints about itself. Debian's own Python has a `local_site`, where it looks for
    packages that Debian did not install. `platform` is uv's name of a platform other than this one.
    """

    markers: Mapping[str, str]
    tags: Mapping[str, int]
    executable: str | None = None
    cache_tag: str = ""
    magic: str = ""
    abiflags: str = ""
    build: str = ""
    local_site: str = ""
    platform: str = ""

    @property
    def python(self) -> str:
        """The minor version, e.g. `3.12`."""
        return self.markers["python_version"]

    @property
    def full_python(self) -> str:
        """The full version, without the `+` of a development version, which specifiers do not accept."""
        return self.markers["python_full_version"].removesuffix("+")

    def __str__(self) -> str:
        name, machine = self.markers["platform_python_implementation"], self.markers["platform_machine"]
        return f"{name} {self.python} on {self.markers['sys_platform']} {machine}"


# A request that is not a path: a version, an implementation, or a program on PATH.
_NAME = re.compile(r"[\w@<>=!~,*+. -]*[\w*+]", re.ASCII)


def find_interpreter(
    uv: Uv, directory: Path, *, chosen: str | None = None, requested: str | None = None, requires: str | None = None
) -> Target:
    """Return the running interpreter if it fits, or else the one that uv finds.

    The user may have `chosen` any interpreter with --python or a variable. A project has `requested` one in
    `.python-version`, and `requires` versions. Raises TargetError if the project requests a path: that would run a file
    of the project.
    """
    request = chosen or requested
    if running_satisfies(request, requires):
        return of_running()
    if chosen is None and request is not None and not _NAME.fullmatch(request):
        raise errors.TargetError(
            f".python-version names an interpreter by path, {errors.shown(request)}, which uv-layers does not run; "
            "if you trust it, pass it with --python or UV_PYTHON"
        )
    # uv prefers a file or folder with the requested name: run it in a folder without the project's files.
    cwd = None if chosen else Path(os.__file__).parent
    wanted = request or requires or running_version()
    found = uv.find_python(find_python_argv(directory, wanted), cwd)
    if found is None:
        raise errors.TargetError(f"uv cannot find Python {wanted}; install it, or choose another with --python")
    return of_interpreter(found, uv.environ)


def running_version() -> str:
    """Return the minor version of the running interpreter, e.g. 3.12."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


# Runs in the target interpreter. Scripts in the image start its base interpreter, by a path that does not depend on how
# it was started here.
_PROBE = """
import importlib.util, os, platform, sys, sysconfig
from packaging.markers import default_environment
from packaging.tags import sys_tags
names = (os.path.join(sys.base_prefix, "bin", "python%d.%d" % sys.version_info[:2]),
         getattr(sys, "_base_executable", ""), sys.executable)
version = platform.python_version()
facts = {"executable": next(name for name in names if name and os.path.isfile(name)),
         "cache_tag": sys.implementation.cache_tag, "magic": importlib.util.MAGIC_NUMBER.hex(),
         "abiflags": getattr(sys, "abiflags", ""), "build": version if "+" not in version else sys.version,
         "local_site": sysconfig.get_path("purelib", "posix_local", {"base": sys.base_prefix})
                       if "posix_local" in sysconfig.get_scheme_names() else "",
         "markers": default_environment(), "tags": [str(tag) for tag in sys_tags()]}
"""

_ELSEWHERE = "import json, sys\nsys.path.insert(0, sys.argv[1])" + _PROBE + "print(json.dumps(facts))"
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "riscv64": "riscv64", "ppc64le": "ppc64le", "s390x": "s390x"}
_ALIASES = {"linux": "linux/amd64", "riscv64-unknown-linux": "linux/riscv64"}

# The least glibc that `--platform linux/…` assumes, as uv's own `--python-platform linux` does.
_GLIBC = 28
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_TRIPLE = re.compile(r"(x86_64|aarch64|riscv64)-(?:manylinux_2_(\d{1,2})|(manylinux2014)|unknown-linux-(gnu|musl))")


def running_satisfies(request: str | None, requires_python: str | None) -> bool:
    """Return whether the running interpreter fits `request` and `requires_python`.

    A request has the syntax of uv's `--python`. Only plain versions can fit; uv handles the others.
    """
    running = sys.version_info[:3]
    if request is not None:
        match = re.fullmatch(r"(?:(?:cpython|cp)@?)?(\d{1,4}(?:\.\d{1,4}){0,2})", request)
        asked = tuple(map(int, match[1].split("."))) if match else None
        if asked is None or sys.implementation.name != "cpython" or running[: len(asked)] != asked:
            return False
    if requires_python is None:
        return True
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - 30 ms

    try:
        return SpecifierSet(requires_python).contains(".".join(map(str, running)), prereleases=True)
    except ValueError:  # no specifier, or one with a number that is too long
        return False


def of_running() -> Target:
    """Return the target of the running interpreter."""
    scope: dict[str, Any] = {}
    exec(_PROBE, scope)  # noqa: S102 - the constant above
    return _from(scope["facts"])


def of_interpreter(executable: str, environ: Mapping[str, str]) -> Target:
    """Return the target of the interpreter `executable`; raises TargetError if it fails."""
    import packaging  # noqa: PLC0415 - only for its place

    folder = os.path.dirname(packaging.__path__[0])  # noqa: PTH120
    try:
        done = process.run([executable, "-I", "-c", _ELSEWHERE, folder], env=environ, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.TargetError(
            f"cannot run the Python interpreter {executable}: {error}; choose another with --python"
        ) from None
    if done.status:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise errors.TargetError(f"the Python interpreter {executable} failed: {last}; choose another with --python")
    try:
        return _from(json.loads(done.stdout))
    except (ValueError, TypeError, KeyError):
        raise errors.TargetError(
            f"{executable} is not a working Python interpreter; choose another with --python"
        ) from None


def with_host_interpreter(target: Target, host: Target) -> Target:
    """Return the target of another platform with the local interpreter that installs and compiles for it."""
    names = ("executable", "cache_tag", "magic", "abiflags", "build")
    return replace(target, **{name: getattr(host, name) for name in names})


def _from(facts: Mapping[str, Any]) -> Target:
    tags = _ranked(facts["tags"])
    more = {key: facts[key] for key in ("executable", "cache_tag", "magic", "abiflags", "build", "local_site")}
    return Target(facts["markers"], tags, **more)


def of_platform(platform: str, python: str) -> Target:
    """Return the target of CPython `python` on `platform`, without an interpreter.

    `platform` is a container platform (`linux/arm64`) or one of uv's `--python-platform` names for Linux
    (`aarch64-unknown-linux-musl`, `x86_64-manylinux_2_36`); `python` is a version, e.g. `3.12`.
    """
    from packaging.tags import compatible_tags, cpython_tags  # noqa: PLC0415 - 40 ms

    name, machine, libc = _platform(platform)
    # A limit on digits: the number of tags grows with the version.
    match = re.fullmatch(r"(?:cpython@?)?(3)\.(\d{1,2})(?:\.(\d{1,4}(?:(?:a|b|rc)\d{1,3})?))?", python)
    if match is None:
        raise errors.TargetError(f"--platform needs a Python version, e.g. --python 3.12, not {python!r}")
    minor, micro = int(match[2]), match[3] or "0"
    platforms = [*libc, f"linux_{machine}"]
    abi = f"cp3{minor}"
    tags = [*cpython_tags((3, minor), [abi], platforms), *compatible_tags((3, minor), abi, platforms)]
    full = f"3.{minor}.{micro}"
    markers = {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": full,
        "python_version": f"3.{minor}",
        "sys_platform": "linux",
    }
    return Target(markers, _ranked(map(str, tags)), platform=name)


def _platform(platform: str) -> tuple[str, str, list[str]]:
    """Return uv's name of a platform, its machine, and the tags of its C library, best first."""
    platform = _ALIASES.get(platform, platform)
    if platform.startswith("linux/") and (machine := _MACHINES.get(platform.split("/")[1])):
        # uv has no name with a glibc version for riscv64.
        name = "riscv64-unknown-linux" if machine == "riscv64" else f"{machine}-manylinux_2_{_GLIBC}"
        return name, machine, list(_manylinux(machine, _GLIBC))
    if match := _TRIPLE.fullmatch(platform):
        machine, glibc, legacy, libc = match.groups()
        if libc == "musl":
            return platform, machine, [f"musllinux_1_{minor}_{machine}" for minor in (2, 1)]
        return platform, machine, list(_manylinux(machine, 17 if legacy else int(glibc or _GLIBC)))
    raise errors.TargetError(
        f"unknown platform {platform!r}; use linux/amd64, linux/arm64, or a value of uv's --python-platform for Linux"
    )


def _manylinux(machine: str, newest: int) -> Iterator[str]:
    for minor in range(newest, 4 if machine in {"x86_64", "i686"} else 16, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in _LEGACY:
            yield f"{_LEGACY[minor]}_{machine}"


def _ranked(tags: Iterable[str]) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for tag in tags:
        ranks.setdefault(tag, len(ranks))
    return ranks
