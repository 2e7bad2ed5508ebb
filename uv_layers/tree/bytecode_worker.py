"""The target interpreter as a compiler: a process that forks for each list of sources."""

from __future__ import annotations

import json
import os
import struct
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from uv_layers import errors
from uv_layers.system import process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from uv_layers.system.interpreter import Target


OPTIMISATION = 0

#: The flags in the header of a .pyc file, by the way in which Python validates it (PEP 552).
FLAGS = {"timestamp": 0b00, "unchecked-hash": 0b01, "checked-hash": 0b11}

# Runs in the target interpreter. It reads JSON lines, each a list of [source, path in the image, mtime], and answers
# each of these with a length and the bytecode, or with -1 if the source is not valid Python. No site, no environment
# and a fixed hash seed give the same bytes in every run.
WORKER = """
import gc, json, marshal, os, struct, sys, warnings
from importlib.util import MAGIC_NUMBER, source_hash
gc.disable()
warnings.simplefilter("ignore")
# On Python 3.10, marshal writes whether a shared string of one character is interned.
for code in range(256):
    sys.intern(chr(code))
flags, level = int(sys.argv[1]), int(sys.argv[2])
out = sys.stdout.buffer
def answer(request):
    path, name, mtime = request
    try:
        # A RECORD may list a missing source.
        with open(path, "rb") as file:
            source = file.read()
        code = marshal.dumps(compile(source, name, "exec", dont_inherit=True, optimize=level))
    except Exception:
        out.write(struct.pack("<q", -1))
    else:
        tag = source_hash(source) if flags else struct.pack("<II", mtime & 0xFFFFFFFF, len(source) & 0xFFFFFFFF)
        data = MAGIC_NUMBER + struct.pack("<I", flags) + tag + code
        out.write(struct.pack("<q", len(data)))
        out.write(data)
    out.flush()
for line in sys.stdin.buffer:
    # What was compiled before in a process may change the bytecode, e.g. by strings that are interned. So each list is
    # compiled in a child, where nothing was.
    child = os.fork()
    if not child:
        for request in json.loads(line):
            answer(request)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(1)
"""

# Layers that are built in parallel share the processors.
_slots = BoundedSemaphore(process.cores())


@contextmanager
def running(target: Target, invalidation: str, folder: Path) -> Iterator[process.Worker]:
    """Run the target interpreter in an empty folder, once a processor is free, and yield its pipes."""
    # Not -I: it ignores the hash seed, which decides the order of a frozenset on Python 3.10.
    argv = [str(target.executable), "-s", "-S", "-c", WORKER, str(FLAGS[invalidation]), str(OPTIMISATION)]
    with _slots, process.worker(argv, env=compiling_env(os.environ), cwd=folder) as worker:
        yield worker


def compiling_env(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment, without what changes how Python compiles."""
    kept = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    return kept | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def ask(worker: process.Worker, requests: Sequence[tuple[str, str, int]], target: Target) -> Iterator[bytes | None]:
    """Yield the bytecode of each source, or None if it is not valid Python; raises CompileError.

    A request has the path of the source, its path in the image and its time. The bytecode depends on all requests.
    """
    path = requests[0][1]
    try:
        worker.stdin.write(json.dumps(requests).encode() + b"\n")
        worker.stdin.flush()
        for request in requests:
            path = request[1]
            yield _answer(worker)
    except (BrokenPipeError, EOFError, struct.error):
        raise errors.CompileError(str(target.executable), path) from None


def _answer(worker: process.Worker) -> bytes | None:
    (length,) = struct.unpack("<q", worker.stdout.read(8))
    code = worker.stdout.read(max(length, 0))
    if len(code) < length:
        raise EOFError
    return None if length < 0 else code
