"""A large frame costs the memory of its window, not its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.plates.edited import write_plate

_ROOT = Path(__file__).resolve().parents[2]
_WIDTH, _HEIGHT, _CHANNELS = 4096, 2160, 12
_MEASURE = """
import sys
from pathlib import Path
from engine.geometry import Box
from engine.plates import Plate, write_frame

STATUS = Path("/proc/self/status")

def memory(name):
    return next(int(line.split()[1]) << 10 for line in STATUS.read_text().splitlines() if line.startswith(name))

def edit(source, target):
    # The face; it does not begin at the edge of a block.
    frame = Plate.open(source).read(1, reach=lambda window: Box(1500, 903, 2300, 1203).intersect(window))
    for plane in frame.planes(Box(1500, 903, 2300, 1203).intersect(frame.loaded)) or ():
        plane[...] = 2
    if sys.argv[3]:
        frame.add_layer("matte.V", frame.loaded, frame.rgb(frame.loaded)[..., 0])
    write_frame(frame, target, layers_in=sys.argv[3] or "file")
    return sum(plane.nbytes for plane in frame.channels.values())

source, target = Path(sys.argv[1]), Path(sys.argv[2])
# The first call brings compiled functions and threads, which are no cost of a frame.
edit(source.with_name("small.exr"), target)
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
window = edit(source, target)
print(window, memory("VmHWM") - before)
"""


@pytest.mark.parametrize(
    ("compression", "layers_in"),
    [("zip", ""), ("zip", "file"), *(pytest.param(name, "", marks=pytest.mark.slow) for name in ("no", "piz", "dwaa")),
     pytest.param("zip", "part", marks=pytest.mark.slow)],
)  # fmt: skip
def test_a_window_of_a_large_frame(tmp_path: Path, rng: np.random.Generator, compression: str, layers_in: str) -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("this system does not say how much memory was used")
    row = rng.random((1, _WIDTH)).astype(np.float16)
    names = (*"RGBA", *(f"light{number}.R" for number in range(_CHANNELS - 4)))
    for name, height in (("in.exr", _HEIGHT), ("small.exr", 1300)):
        width = _WIDTH if name == "in.exr" else 2400
        write_plate(tmp_path / name, {one: np.repeat(row[:, :width], height, 0) for one in names}, compression)
    command = [sys.executable, "-c", _MEASURE, str(tmp_path / "in.exr"), str(tmp_path / "out.exr"), layers_in]
    result = subprocess.run(command, capture_output=True, text=True, cwd=_ROOT, timeout=60)
    assert result.returncode == 0, result.stderr
    window, peak = map(int, result.stdout.split())
    frame = _WIDTH * _HEIGHT * 2 * _CHANNELS
    # Twice is what was measured: the window, and what is read back of it.
    assert window < frame / 6
    assert peak < 3 * window + (16 << 20) < frame / 1.8
