from __future__ import annotations

from uv_layers.tree.bytecode_worker import compiling_env


def test_a_worker_gets_the_environment_less_what_changes_how_python_compiles():
    changing = ("PYTHONOPTIMIZE", "PYTHONHASHSEED", "PYTHONPATH", "PYTHONWARNINGS", "PYTHONNODEBUGRANGES")
    environ = compiling_env({"LD_LIBRARY_PATH": "lib", **dict.fromkeys(changing, "1")})
    assert environ == {"LD_LIBRARY_PATH": "lib", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
