"""The kernels on a GPU, against what its memory can do and against the clock. Needs CuPy and a GPU.

Peers: a copy on the device of as many bytes as the kernel has to read and write; and, where a person waits, a time.
"""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.report import Row, main
from kernels.blend import matching_grain, seam_gain
from kernels.composite import composite
from kernels.lane import Lane
from kernels.membrane import membrane
from kernels.transfer import monge_kantorovich, statistics, transfer
from kernels.view import make_view
from kernels.warp import invert, warp_affine

# The share of the copy's bandwidth that a kernel which only moves pixels should reach.
SHARE = 0.6
REPEATS = 30
VIEW = make_view()
SAME = np.eye(3)[:2]


def measure(_: argparse.Namespace) -> Sequence[Row]:
    if find_spec("cupy") is None or not import_module("cupy").cuda.is_available():
        raise SystemExit("this measures a GPU: it needs one, and faceplate[cuda]")
    lane = Lane()
    with lane:
        return [_composite_row(), _warp_row(), _membrane_row(lane), _path_row(lane)]


def _milliseconds(work: Callable[[], object]) -> float:
    """The median time of a call between two events of the current stream, warmed."""
    cuda = import_module("cupy").cuda
    for _ in range(3):
        work()
    times = []
    for _ in range(REPEATS):
        begin, end = cuda.Event(), cuda.Event()
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(cuda.get_elapsed_time(begin, end))
    return float(np.median(times))


def _copy(nbytes: int) -> float:
    """Milliseconds of a copy on the device that reads and writes so many bytes in all."""
    cupy = import_module("cupy")
    source = cupy.zeros(nbytes // 8, np.float32)
    target = cupy.empty_like(source)
    return _milliseconds(lambda: cupy.copyto(target, source))


def _composite_row() -> Row:
    cupy, side = import_module("cupy"), 4000
    frame = cupy.full((3, 4320, 8192), 0.2, np.float16)
    planes, patch = tuple(frame[:, 100 : 100 + side, 2000 : 2000 + side]), cupy.full((512, 512, 3), 0.5, np.float32)
    matte, counts = cupy.full((side, side), 0.7, np.float16), cupy.zeros(4, np.int64)
    matrix = SAME * (512.0 / side)
    ours = _milliseconds(lambda: composite(planes, patch, matte, matrix, VIEW, counts=counts))
    peer = _copy(2 * sum(plane.nbytes for plane in planes) + matte.nbytes)
    return Row("composite of a 4000 px face into 8192×4320, half", "copy on the device", peer, ours, 1.0 / SHARE)


def _warp_row() -> Row:
    cupy, side = import_module("cupy"), 4000
    source, out = cupy.full((side, side, 3), 0.4, np.float32), cupy.empty((side, side, 3), np.float32)
    turn = np.array([[0.98, -0.2, 300.0], [0.2, 0.98, -250.0]])
    ours = _milliseconds(lambda: warp_affine(source, turn, (side, side), "linear", out))
    return Row("linear warp of 4000², float", "copy on the device", _copy(2 * source.nbytes), ours, 1.0 / SHARE)


def _membrane_row(lane: Lane) -> Row:
    cupy, side = import_module("cupy"), 2048
    inside = cupy.asarray(_disk(side) > 0.0)
    difference = cupy.asarray(np.random.default_rng(1).normal(0.0, 0.1, (side, side, 3)).astype(np.float32))
    out = cupy.empty_like(difference)

    def solve() -> None:
        membrane(difference, inside, crop=False, out=out, workspace=lane.workspace)

    ours = _milliseconds(lambda: lane.replay("membrane 2048", solve))
    return Row("membrane of 2048², as a CUDA graph", "1.5 ms", 1.5, ours, 1.0)


def _path_row(lane: Lane) -> Row:
    """A face of 1000 px in a 4K frame from host memory to host memory; in the network's place stands its input."""
    side, crop = 1100, 512
    frame = np.full((3, 2160, 4096), 0.2, np.float16)
    box = frame[:, 500 : 500 + side, 1400 : 1400 + side]
    hull, skin = np.clip(_disk(side) * 40.0, 0.0, 1.0).astype(np.float32), np.ones((side, side), np.bool_)
    plate_to_crop = SAME * (crop / side)

    def work() -> None:
        planes, matte = lane.upload("planes", box), lane.upload("hull", hull)
        plate = lane.workspace.empty("gpu.plate", planes, (side, side, 3))
        for channel in range(3):
            plate[..., channel] = planes[channel]
        seen = warp_affine(plate, invert(plate_to_crop), (crop, crop), "linear", to_view=VIEW)
        patch = transfer(seen, monge_kantorovich(statistics(seen), statistics(seen)))
        there, bare = warp_affine(patch, plate_to_crop, (side, side), "cubic"), lane.upload("skin", skin)
        gain = seam_gain(plate, there, matte, bare, VIEW, 900.0, workspace=lane.workspace)
        grain = matching_grain(plate, there, matte, bare, VIEW, 1, 1, (0, 0), workspace=lane.workspace)
        composite(tuple(planes), patch, matte, plate_to_crop, VIEW, gain, grain)
        lane.download("planes", planes, box)

    return Row("a 1000 px face in 4K, upload to download, no network", "3 ms", 3.0, _milliseconds(work), 1.0)


def _disk(side: int) -> Any:
    """1 in the middle, 0 on a circle that touches the sides, negative beyond."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side * 2.0 - 1.0
    return 0.95 - np.hypot(x, y)


if __name__ == "__main__":
    main(__doc__ or "", measure)
