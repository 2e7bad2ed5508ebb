"""What is released, built once: that of UV_LAYERS_TEST_DIST, as `.ci/run build` makes it, else made here."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import uv

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Dist:
    """A source distribution and a wheel: their paths, and their files by name, without the folder of the first."""

    sdist: Path
    wheel: Path

    @property
    def sources(self) -> dict[str, bytes]:
        with tarfile.open(self.sdist) as archive:
            members = [member for member in archive.getmembers() if not member.isdir()]
            return {m.name.partition("/")[2]: archive.extractfile(m).read() for m in members}

    @property
    def installed(self) -> dict[str, bytes]:
        with zipfile.ZipFile(self.wheel) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def run(*words: object, cwd: Path, **environ: str) -> str:
    """Return what a program prints; it must not fail."""
    argv = list(map(str, words))
    done = subprocess.run(argv, cwd=cwd, env=os.environ | environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(name="run")
def _run():
    """Return a function that returns what a program prints."""
    return run


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Dist:
    folder = Path(os.environ.get("UV_LAYERS_TEST_DIST") or tmp_path_factory.mktemp("dist"))
    if "UV_LAYERS_TEST_DIST" not in os.environ:
        run(uv.find_uv_bin(), "build", "--python", sys.executable, "--out-dir", folder, ROOT, cwd=folder)
    [sdist], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Dist(sdist.resolve(), wheel.resolve())
