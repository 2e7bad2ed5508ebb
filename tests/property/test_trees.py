"""Random wheels, clashing ones among them, give one tree from every install of one layer lock."""

from __future__ import annotations

import hashlib
import os
import random
import sys
import tempfile
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import tomli_w
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from support import wheel

from uv_layers.cli.install import install_layers
from uv_layers.cli.verify import verify_layers
from uv_layers.project.options import Options

ODD = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\\0", categories=["L", "N", "P", "S", "Zs"]), min_size=1
)
PLAIN = st.sampled_from(
    ["a", "b", "util", "tests", "test", "données", "naïve file", "comma,name", 'quote"name', "x+y", "=1"]
)
NAMES = st.one_of(PLAIN, ODD).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 80)
SOURCES = st.sampled_from(
    [
        "",
        "x = 1\n",
        "def f(self):\n    return {'a', 'b', 'c', 1, None} | set('xyz')\n",
        "NAMES = frozenset({'one', 'two', 'three'})\n\ndef g(x):\n    return x in {'p', 'q', 'r', 's'}\n",
        "print 'Python 2'\n",
        "# -*- coding: latin-1 -*-\ns = 'é'\n",
        "a\0b",
        "class A:\n    '''doc'''\n    big = 2 ** 70, 1.5, b'bytes', ...\n",
    ]
)
CONTENTS = st.one_of(SOURCES, st.text(max_size=40))
# Few folders and few names, so that wheels often clash.
TAG = sys.implementation.cache_tag
BYTECODE = st.sampled_from([f"pkg/__pycache__/{name}.{TAG}.pyc" for name in ("a", "b", "util")])
PATHS = BYTECODE | st.builds(
    lambda folder, name, suffix: f"{folder}{name}{suffix}",
    st.sampled_from(
        ["pkg/", "pkg/sub/", "pkg/tests/", "", "{data}/data/share/", "{data}/data/etc/x/", "{data}/scripts/"]
    ),
    NAMES,
    st.sampled_from([".py", ".py", ".txt", ".pth", ".so", ""]),
)
SCRIPTS = st.dictionaries(
    st.sampled_from(["run", "tool", "x-y"]), st.sampled_from(["pkg:main", "other:go"]), max_size=2
)


@dataclass(frozen=True)
class Wheel:
    name: str
    files: dict[str, str]
    scripts: dict[str, str]
    modes: tuple[int, ...]

    def write(self, folder: Path) -> Path:
        files = dict(self.files)
        if self.scripts:
            lines = "".join(f"{name} = {target}\n" for name, target in self.scripts.items())
            files["{info}/entry_points.txt"] = f"[console_scripts]\n{lines}"
        entries = [(path, mode, text) for (path, text), mode in zip(files.items(), cycle(self.modes))]
        place = folder / f"{self.name}-1.0-py3-none-any.whl"
        place.write_bytes(wheel(self.name, "1.0", entries))
        return place


WHEELS = st.lists(
    st.builds(
        Wheel,
        name=st.sampled_from(["alpha", "beta", "gamma", "delta"]),
        files=st.dictionaries(PATHS, CONTENTS, max_size=6),
        scripts=SCRIPTS,
        modes=st.lists(st.sampled_from([0o100644, 0o100755, 0o100600, 0o100444]), min_size=1, max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda wheel: wheel.name,
)


def layer_lock(wheels: list[Path]) -> str:
    packages = [
        {
            "name": wheel.name.split("-")[0],
            "version": "1.0",
            "wheels": [{"url": wheel.as_uri(), "hashes": {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}}],
        }
        for wheel in sorted(wheels)
    ]
    return tomli_w.dumps({"lock-version": "1.0", "created-by": "a test", "packages": packages})


def a_file_is_no_folder(wheels: list[Wheel]) -> bool:
    """Tell whether no path of one wheel is a folder of another, which no installer can unpack."""
    site = [path.replace("{data}/", f"{{{wheel.name}}}/") for wheel in wheels for path in wheel.files]
    data = [path.split("}/", 1)[1] for path in site if "}/" in path]
    plain = [path for path in site if "}/" not in path]
    return not any(a != b and b.startswith(f"{a}/") for paths in (plain, data) for a in paths for b in paths)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    wheels=WHEELS.filter(a_file_is_no_folder),
    sources=st.sampled_from(["all", "default", "none"]),
    seed=st.integers(0, 9),
)
def test_two_installs_of_one_layer_lock_never_differ(wheels, sources, seed):
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        (work / "wheels").mkdir()
        lock = layer_lock([wheel.write(work / "wheels") for wheel in wheels])
        digests = []
        # Cold and warm caches, another folder, another umask, another hash seed, fewer processors.
        for turn, (cache, umask) in enumerate([("one", 0o022), ("one", 0o077), ("two", 0o002)]):
            place = work / f"place {turn}"
            place.mkdir()
            (place / "pylock.some.toml").write_text(lock, encoding="utf-8")
            environ = os.environ | {
                "UV_CACHE_DIR": str(work / f"uv-{cache}"),
                "UV_LAYERS_CACHE_DIR": str(work / f"bytecode-{cache}"),
                "PYTHONHASHSEED": str(random.Random(seed + turn).randrange(1000)),  # noqa: S311
                "UV_CONCURRENT_INSTALLS": str(1 + turn),
            }
            before = os.umask(umask)
            try:
                options = Options(directory=place, offline=True, environ=environ)
                trees, _ = install_layers(options, ["some"], sources=sources, digest=True)
            finally:
                os.umask(before)
            digests.append(trees[0].digest)
            event(f"clashes: {len(trees[0].record.clashes)}")
            assert verify_layers(options, ["some"]) == [("some", trees[0].digest, [])]
        assert digests[0] == digests[1] == digests[2]
