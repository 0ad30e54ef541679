"""Which threads the kernels use does not hang on what other programs are installed."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_openmp_comes_before_other_pools_of_threads() -> None:
    says = "import kernels.warp; from numba import config; print(*config.THREADING_LAYER_PRIORITY)"
    own = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_THREADING")}
    shown = subprocess.run([sys.executable, "-c", says], cwd=ROOT, env=own, capture_output=True, text=True, check=True)
    assert shown.stdout.split()[0] == "omp"
