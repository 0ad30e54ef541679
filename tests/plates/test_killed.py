"""Writers that are killed at any moment: a file with its final name is whole, and what they left can be removed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engine.geometry import Box
from engine.plates import Plate
from engine.plates.splice import ExrFile
from engine.plates.write import remove_leftovers
from tests.plates.edited import Edit, assert_only_the_box_changed, channels_of, decoded, write_plate

_ROOT = Path(__file__).resolve().parents[2]
_KILLS, _NUMBERS, _ROUNDS = 220, (1001, 1002, 1003), 2
_BOX = Box(100, 150, 300, 250)
# One process imports and compiles everything; each writer is a fork of it. Threads do not survive a fork, so there are
# none before: those of OpenEXR are sent home, and our own begin with the first frame.
_WRITERS = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np, OpenEXR
from engine.geometry import Box
from engine.plates import Plate, write_frame
from kernels.byte_planes import from_planes, to_planes

source, folder, kills = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
box, numbers, rounds = Box(*map(int, sys.argv[4].split())), [int(one) for one in sys.argv[5].split()], int(sys.argv[6])
OpenEXR.set_global_thread_count(0)
buffers = [np.zeros(8, np.uint8) for _ in range(3)]
to_planes(*buffers), from_planes(*buffers)

def write(folder, number, round):
    frame = Plate.open(source).read(1, reach=lambda window: box.intersect(window))
    for plane in frame.planes(box):
        plane[...] = number - 1000 + round / 4
    frame.changes_in(box)
    frame.add_layer("matte.V", box, np.full((box.height, box.width), number - 1000 + round / 4, np.float32))
    write_frame(frame, folder / f"a.{number}.exr")

def run(folder, ready):
    for turn in range(10**9):
        for number in numbers:
            if turn == 0 and number == numbers[0]:
                os.write(ready, b"x")
            write(folder, number, turn % rounds)

chance = random.Random(7)
expected = folder / "expected"
child = os.fork()
if not child:
    for round in range(rounds):
        (expected / str(round)).mkdir(parents=True)
        for number in numbers:
            write(expected / str(round), number, round)
    os._exit(0)
began = time.monotonic()
assert os.waitpid(child, 0)[1] == 0
a_frame = (time.monotonic() - began) / rounds / len(numbers)
for kill in range(kills):
    own = folder / f"{kill:03d}"
    own.mkdir()
    wait, ready = os.pipe()
    child = os.fork()
    if not child:
        try:
            run(own, ready)
        finally:
            os._exit(1)
    os.read(wait, 1)
    time.sleep(chance.uniform(0, min(6 * a_frame, 0.25)))
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status), status
    os.close(wait), os.close(ready)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_writers_that_are_killed(tmp_path: Path, rng: np.random.Generator) -> None:
    source = tmp_path / "in.exr"
    write_plate(source, channels_of(rng, "half", (540, 960)), "zip")
    out = tmp_path / "out"
    out.mkdir()
    numbers = " ".join(map(str, _NUMBERS))
    box = f"{_BOX.x0} {_BOX.y0} {_BOX.x1} {_BOX.y1}"
    subprocess.run(
        [sys.executable, "-c", _WRITERS, str(source), str(out), str(_KILLS), box, numbers, str(_ROUNDS)],
        cwd=_ROOT,
        check=True,
        timeout=300,
    )
    expected = _expected(source, out / "expected")
    found = [_check_folder(out / f"{kill:03d}", expected) for kill in range(_KILLS)]
    unfinished = sum(unfinished for unfinished, _ in found)
    whole = [whole for _, whole in found]
    # Many were killed while they wrote, some before the first frame was whole, some after several.
    assert unfinished > _KILLS // 4
    assert whole.count(0) > 0
    assert max(whole) >= 4


def _expected(source: Path, folder: Path) -> dict[str, set[bytes]]:
    """The bytes that a file of each name may have: those of one round or the other, made by a writer that lived."""
    expected: dict[str, set[bytes]] = {}
    for round in range(_ROUNDS):
        for number in _NUMBERS:
            target = folder / str(round) / f"a.{number}.exr"
            new = {name: np.full((_BOX.height, _BOX.width), number - 1000 + round / 4, np.float16) for name in "RGB"}
            assert_only_the_box_changed(Edit(source, target, 0, _BOX, new, {"faceplate:window": _BOX}))
            layers = decoded(target.with_name(f"a.layers.{number}.exr"))[0]["matte.V"]
            assert (layers[_BOX.slices(Box(0, 0, 960, 540))] == new["R"]).all()
        for path in (folder / str(round)).iterdir():
            expected.setdefault(path.name, set()).add(path.read_bytes())
    assert len(expected) == 2 * len(_NUMBERS)
    assert all(len(contents) == _ROUNDS for contents in expected.values())
    return expected


def _check_folder(folder: Path, expected: dict[str, set[bytes]]) -> tuple[bool, int]:
    """Whether something was left unfinished, and how many files are whole; all others would be an error."""
    names = {path.name for path in folder.iterdir()}
    left = {name for name in names if name.startswith(".")}
    assert all(name.endswith(".part") for name in left)
    for name in names - left:
        assert (folder / name).read_bytes() in expected[name], name
        file = ExrFile(folder / name)
        assert not file.table.rebuilt
        file.read(0, file.layout.parts[0].window)
    # Layers get their name before the frame does, so that no frame is there without its own.
    if any(name in names for name in (f"a.{number}.exr" for number in _NUMBERS)):
        assert set(Plate.open(folder / "a.####.exr").frames) <= set(_NUMBERS)
    outputs = [f"a.{number}.exr" for number in _NUMBERS]
    remove_leftovers(folder, outputs)
    assert {path.name for path in folder.iterdir()} == names
    for name in left:
        os.utime(folder / name, (0, time.time() - 4000))
    remove_leftovers(folder, outputs)
    assert {path.name for path in folder.iterdir()} == names - left
    return bool(left), len(names - left)
