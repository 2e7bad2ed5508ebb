"""Bytecode for the paths that the image will have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uv_layers import errors, process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def compile_tree(tree: Path, interpreter: str, environ: Mapping[str, str]) -> None:
    """Compile every source file of `tree` as if the tree were `/`; raises CompileError.

    The bytecode holds the hash of its source and is never checked against it (PEP 552, unchecked), so that it
    depends on no time. A file that is no valid Python is left without bytecode.
    """
    argv = [interpreter, "-I", "-m", "compileall", "-q", "-q", "-j", "0"]
    argv += ["--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p", "/", str(tree)]
    done = process.run(argv, env=environ)
    # 1 says that some file did not compile: a template, or a file for Python 2, which nobody imports.
    if done.status not in {0, 1}:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise errors.CompileError(interpreter, f"exit code {done.status}, {last}")
