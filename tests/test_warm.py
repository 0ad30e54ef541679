"""Once the engine has been warmed, a job compiles nothing: processes of their own, and a cache of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
WARM = "from engine.warm import warm; warm(lambda event: None)"
JOB = """
import io
from pathlib import Path
from rich.console import Console
from engine.demo.run import main
main(Path({folder!r}), 2, console=Console(file=io.StringIO()))
"""


def compiled_by(statement: str, cache: Path) -> dict[str, Any]:
    """What a statement compiled and loaded in a process that starts with this cache."""
    command = [sys.executable, "-m", "tests.kernels.compiled", statement]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_after_warming_a_job_compiles_nothing(tmp_path):
    first = compiled_by(WARM, tmp_path / "cache")
    assert len(first["compiled"]) > 30
    job = compiled_by(JOB.format(folder=str(tmp_path / "demo")), tmp_path / "cache")
    assert job["compiled"] == {}
    assert job["loaded"] > 30
