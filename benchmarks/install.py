"""Times `uv-layers install` against raw `uv pip install`, in turn, in one run.

    python benchmarks/install.py [--rounds 5] [--json results.json] [--python python3.12]

The layer is numpy, scipy, pandas, scikit-learn and sympy. Needs the network once, to lock and to fill uv's cache;
everything timed is offline. Each figure is the median of the rounds; a ratio is to raw uv with bytecode, or, for
`--compile none`, to raw uv without.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from uv import find_uv_bin

PROJECT = """
[project]
name = "benchmark"
version = "0"
requires-python = ">={python}"

[dependency-groups]
science = ["numpy", "scipy", "pandas", "scikit-learn", "sympy"{pin}]

[tool.uv]
default-groups = ["science"]
"""
OLD_JOBLIB = ', "joblib<1.5.2"'
LIMITS = {
    "first install": 0.65,
    "joblib bumped": 0.12,
    "another directory": 0.10,
    "up to date": 0.02,
    "no bytecode": 1.3,
}


def timed(argv: list[str], cwd: Path, env: dict[str, str]) -> tuple[float, int]:
    """Run a command, and return its seconds and the peak memory in bytes of its largest process."""
    os.sync()
    started = time.perf_counter()
    child = subprocess.Popen(argv, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        sys.exit(f"failed: {' '.join(argv)}")
    return seconds, usage.ru_maxrss * 1024


def lock(folder: Path, pin: str, python: str, env: dict[str, str]) -> None:
    """Make a folder with the layer lock of the project."""
    project = folder / "project"
    project.mkdir(parents=True)
    version = subprocess.check_output([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], text=True)
    (project / "pyproject.toml").write_text(PROJECT.format(pin=pin, python=version.strip()), encoding="utf-8")
    subprocess.run([find_uv_bin(), "lock", "--quiet", "--python", python], cwd=project, env=env, check=True)
    command = [sys.executable, "-m", "uv_layers", "export", "--quiet", "--output", str(folder), "--python", python]
    subprocess.run(command, cwd=project, env=env, check=True)
    shutil.rmtree(project)


def main() -> None:
    """Read the arguments, run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--python", default=sys.executable)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        results = run(Path(temporary), arguments.rounds, arguments.python)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print("| case | seconds | ratio | at most | peak memory |\n|---|---|---|---|---|")
    for row in results["cases"]:
        limit = "" if row["limit"] is None else row["limit"]
        ratio = f"{row['ratio']:.3f}"
        print(f"| {row['case']} | {row['seconds']:.2f} | {ratio} | {limit} | {row['memory'] / 1e6:.0f} MB |")


def run(work: Path, rounds: int, python: str) -> dict[str, object]:  # noqa: C901 - one case after the other
    """Return the results of all rounds; the cases of a round run in turn."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("UV_")} | {"UV_PYTHON_DOWNLOADS": "never"}
    old, new = work / "old", work / "new"
    lock(old, OLD_JOBLIB, python, env)
    lock(new, "", python, env)
    raw = [find_uv_bin(), "pip", "install", "--quiet", "--offline", "--python", python, "--link-mode", "copy"]
    raw += ["--no-deps", "--preview-features", "pylock", "-r", "pylock.science.toml", "--prefix"]
    tool = [sys.executable, "-m", "uv_layers", "install", "science", "--quiet", "--offline", "--python", python]
    tool.append("--layers-dir")
    caches = {name: work / f"cache-{name}" for name in ("old", "warm", "run")}
    with_cache = {name: env | {"UV_LAYERS_CACHE_DIR": str(path)} for name, path in caches.items()}
    # Fill uv's cache, a bytecode cache that has the old joblib, and one that has all.
    for folder in (old, new):
        online = [word for word in raw if word != "--offline"]
        subprocess.run([*online, str(work / "fill")], cwd=folder, env=env, check=True)
        shutil.rmtree(work / "fill")
    subprocess.run([*tool, str(work / "fill-old")], cwd=old, env=with_cache["old"], check=True)
    subprocess.run([*tool, str(work / "fill-new")], cwd=new, env=with_cache["warm"], check=True)

    def fresh_cache(source: Path | None) -> None:
        shutil.rmtree(caches["run"], ignore_errors=True)
        if source:
            shutil.copytree(source, caches["run"])

    def case(name: str) -> tuple[float, int]:
        out = work / "out"
        if name == "raw uv":
            result = timed([*raw, str(out), "--compile-bytecode"], new, env)
        elif name == "raw uv without bytecode":
            result = timed([*raw, str(out)], new, env)
        elif name == "first install":
            fresh_cache(None)
            result = timed([*tool, str(out)], new, with_cache["run"])
        elif name == "joblib bumped":
            fresh_cache(caches["old"])
            # The tree of the old lock is in place; it is replaced.
            subprocess.run([*tool, str(out)], cwd=old, env=with_cache["run"], check=True)
            result = timed([*tool, str(out)], new, with_cache["run"])
        elif name == "another directory":
            result = timed([*tool, str(out)], new, with_cache["warm"])
        elif name == "up to date":
            return timed([*tool, str(work / "fill-new")], new, with_cache["warm"])
        else:
            result = timed([*tool, str(out), "--compile", "none"], new, with_cache["warm"])
        shutil.rmtree(out)
        return result

    names = ["raw uv", "first install", "joblib bumped", "another directory", "up to date"]
    names += ["raw uv without bytecode", "no bytecode"]
    seen: dict[str, list[tuple[float, int]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            seen[name].append(case(name))
    medians = {name: statistics.median(seconds for seconds, _ in runs) for name, runs in seen.items()}
    rows = []
    for name in names:
        base = medians["raw uv without bytecode" if name == "no bytecode" else "raw uv"]
        memory = max(peak for _, peak in seen[name])
        ratio = medians[name] / base
        rows.append(
            {
                "case": name,
                "seconds": medians[name],
                "ratio": ratio,
                "limit": LIMITS.get(name),
                "memory": memory,
                "runs": [seconds for seconds, _ in seen[name]],
            }
        )
    return {"rounds": rounds, "processors": os.cpu_count(), "cases": rows}


if __name__ == "__main__":
    main()
