"""Guided by coverage, fuzz what reads documents: `python tests/fuzz/fuzz_documents.py TARGET [-max_total_time=300 …]`.

Targets are `pyproject`, `configuration`, `layer-lock` and `uv-lock`; the options are libFuzzer's. It needs the groups
`dev` and `fuzz`. What ends with anything but a result or an error of one line is a crash, and its input is written down
in the current folder.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

import atheris
from hypothesis import given, settings

from uv_layers.lock import uv_lock

with atheris.instrument_imports(include=["uv_layers", "packaging"], enable_loader_override=False):
    from uv_layers.lock import uv_lock

    PROPERTIES = Path(__file__).parents[1] / "property/test_hostile.py"
    spec = importlib.util.spec_from_file_location("hostile", PROPERTIES)
    hostile = importlib.util.module_from_spec(spec)
    sys.modules["hostile"] = hostile
    spec.loader.exec_module(hostile)

LOCK = b"""version = 1
revision = 3

[[package]]
name = "web"
version = "1.0"
source = { registry = "https://index.example/simple" }

[[package]]
name = "tool"
source = { git = "https://git.example/tool#0000000000000000000000000000000000000000" }
"""


def _pyproject(folder: Path, data: bytes) -> None:
    (folder / "pyproject.toml").write_bytes(data)
    hostile.read_project(folder)


def _configuration(folder: Path, data: bytes) -> None:
    (folder / "uv-layers.toml").write_bytes(data)
    hostile.read_project(folder)


def _layer_lock(folder: Path, data: bytes) -> None:
    (folder / "pylock.some.toml").write_bytes(data)
    hostile.one_line(hostile.read_lock, folder)


def _uv_lock(_: Path, data: bytes) -> None:
    uv_lock.locked_versions(data.decode(errors="replace"))


def _examples(test) -> list[bytes]:
    return [example.kwargs["data"] for example in test.hypothesis_explicit_examples]


# Each with the document that is changed, and with more to start from.
TARGETS = {
    "pyproject": (_pyproject, hostile.PYPROJECT, hostile.test_pyproject),
    "configuration": (_configuration, hostile.CONFIG, hostile.test_configuration),
    "layer-lock": (_layer_lock, hostile.LOCK, hostile.test_layer_lock),
    "uv-lock": (_uv_lock, None, None),
}


def main() -> None:
    name, *options = sys.argv[1:]
    read, document, test = TARGETS[name]
    folder, corpus = (Path(tempfile.mkdtemp(prefix=f"{name}-")) for _ in range(2))
    hostile.make_project(folder)
    (folder / "valid.toml").write_bytes(hostile.written(hostile.LOCK))
    seeds = [LOCK] if test is None else [hostile.written(document), *_examples(test), b"\xff" + bytes(range(256)) * 8]
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)

    @settings(deadline=None, database=None)
    @given(data=hostile.spoiled(document or {}))
    def changed(data: bytes) -> None:
        read(folder, data)

    def once(data: bytes) -> None:
        # What begins as no text does says how to change a document, and all else is one.
        if data[:1] >= b"\x80" and test is not None:
            changed.hypothesis.fuzz_one_input(data[1:])
        else:
            read(folder, data)

    # A document of 100 kB is as good as one of any size, and one that takes half a minute is a fault.
    limits = ["-max_len=100000", "-timeout=30", "-rss_limit_mb=500"]
    atheris.Setup([sys.argv[0], *limits, *options, str(corpus)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
