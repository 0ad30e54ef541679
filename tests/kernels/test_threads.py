"""The threads of the kernels, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALLS = """
import kernels
import numpy as np, psutil
from kernels.view import make_view, view
from numba import threading_layer

pixels, model_view, process = np.zeros((8, 8, 3), np.float32), make_view(), psutil.Process()
for _ in range(500):
    view(pixels, model_view)
before = process.memory_info().rss
for _ in range(5000):
    view(pixels, model_view)
print(threading_layer(), (process.memory_info().rss - before) // 1024)
"""


def test_a_call_leaves_nothing_behind() -> None:
    done = subprocess.run([sys.executable, "-c", CALLS], cwd=ROOT, capture_output=True, text=True, check=True)
    layer, grown = done.stdout.split()
    if layer == "tbb":
        pytest.skip("Numba has no OpenMP on this system, and its TBB layer leaks")
    # Every call of a leaking layer would lose 7 kB.
    assert int(grown) < 4000
