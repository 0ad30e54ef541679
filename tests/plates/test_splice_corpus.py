"""Real files, whole and damaged, edited in place: a whole result or an error that says why, within bounded memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.errors import PlateUnsupported
from engine.geometry import Box
from engine.plates import Plate
from tests.plates.edited import assert_only_the_box_changed, assert_others_read_it, edit_frame

_ROOT = Path(__file__).resolve().parents[2]
_EDIT_ALL = """
import resource, sys, time
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
from engine.errors import FaceplateError, FrameUnreadable
from engine.geometry import Box
from engine.plates import Plate, write_frame
target = Path(sys.argv[1])

def is_whole(path):
    try:
        plate = Plate.open(path)
        plate.read(plate.frames[0])
        return True
    except FrameUnreadable:
        return False

for name in sys.argv[2:]:
    started = time.monotonic()
    try:
        plate = Plate.open(name)
        middle = plate.info.data_window
        x, y = (middle.x0 + middle.x1) // 2, (middle.y0 + middle.y1) // 2
        box = Box(x, y, x + 9, y + 9)
        frame = plate.read(plate.frames[0], reach=lambda window: box.intersect(window))
        for plane in frame.channels.values():
            plane[...] = plane[::-1, ::-1].copy()
        frame.changes_in(box)
        write_frame(frame, target)
        outcome = "whole" if is_whole(target) else "BROKEN" if is_whole(name) else "as damaged as before"
    except FaceplateError as error:
        outcome = f"{error.code}: {error.message}"
    if target.exists():
        if ": " in outcome:
            outcome = "LEFT " + outcome
        target.unlink()
    if [path.name for path in target.parent.iterdir() if path.name.endswith(".part")]:
        outcome = "UNFINISHED " + outcome
    if time.monotonic() - started > 10:
        outcome = "SLOW " + outcome
    sys.stderr.write(f"\\n@{Path(name).name} {outcome}")
lines = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM"))
sys.stderr.write(f"\\n@peak {peak}")
"""


@pytest.mark.corpus
def test_real_files(corpus: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    edited = 0
    for path in sorted((corpus / "exr_good").rglob("*.exr")):
        try:
            plate = Plate.open(path)
        except PlateUnsupported as error:
            assert any(word in str(error) for word in ("deep", "subsampled", "grey", "no R, G and B")), error
            continue
        frame = plate.read(plate.frames[0], picture_only=True)
        assert frame.source is not None
        window = frame.source.file.layout.parts[frame.source.window.part].window
        x, y = (2 * window.x0 + window.x1) // 3, (2 * window.y0 + window.y1) // 3
        box = Box(x, y, x + window.width // 6, y + window.height // 6)
        edit = edit_frame(path, tmp_path / "out.exr", box, rng, "auto", "part")
        assert_only_the_box_changed(edit)
        assert_others_read_it(edit.target)
        edited += 1
    assert edited >= 20


@pytest.mark.corpus
def test_damaged_files(corpus: Path, tmp_path: Path) -> None:
    links = []
    for index, path in enumerate(sorted((corpus / "exr_damaged").iterdir())):
        links.append(tmp_path / f"damaged{index:03d}.v.exr")
        links[-1].symlink_to(path)
    (tmp_path / "out").mkdir()
    result = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", _EDIT_ALL, str(tmp_path / "out" / "a.exr"), *map(str, links)],
        capture_output=True,
        cwd=_ROOT,
        timeout=120,
    )
    text = result.stderr.decode("utf-8", "replace")
    assert result.returncode == 0, text[-3000:]
    outcomes = dict(line[1:].split(" ", 1) for line in text.splitlines() if line.startswith("@"))
    assert int(outcomes.pop("peak")) < 1000
    assert len(outcomes) == len(links) > 50
    kinds = {outcome.split(":")[0] for outcome in outcomes.values()}
    # Blocks that nobody wants are not decoded: one file has damage only there.
    assert kinds <= {"whole", "as damaged as before", "frame-unreadable", "plate-unsupported"}, outcomes
