"""`faceplate verify` from outside: exit status, text and JSON."""

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import OpenEXR
import pytest

from engine.geometry import Box
from engine.plates import Plate, write_frame
from engine.plates.splice import ExrFile

Command = Callable[..., CompletedProcess[str]]
BOX = Box(20, 12, 40, 30)


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Frames 1001 to 1003 in plate/, results of the first two in out/, with their layers beside them."""
    rng = np.random.default_rng(3)
    (tmp_path / "plate").mkdir()
    (tmp_path / "out").mkdir()
    for number in (1001, 1002, 1003):
        channels = {name: rng.random((48, 64)).astype(np.float16) for name in "RGBZ"}
        header = {"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, channels).write(str(tmp_path / f"plate/sh.{number}.exr"))
    plate = Plate.open(tmp_path / "plate")
    for number in (1001, 1002):
        frame = plate.read(number, reach=lambda window: BOX.grown(2))
        frame.changes_in(BOX if number == 1001 else Box(0, 0, 0, 0))
        if number == 1001:
            size = BOX.height, BOX.width
            frame.replace(BOX, np.full((*size, 3), 2, np.float32), np.ones(size, bool))
        frame.add_layer("matte.V", BOX, np.ones((BOX.height, BOX.width), np.float32))
        write_frame(frame, tmp_path / f"out/sh.{number}.exr")
    assert len(list((tmp_path / "out").iterdir())) == 4
    return tmp_path


def flip(path: Path, row: int, byte: int) -> None:
    chunk = ExrFile(path).table.parts[0][row]
    data = bytearray(path.read_bytes())
    data[chunk.offset + chunk.lead + byte] ^= 1
    path.write_bytes(data)


def test_a_result_that_is_as_it_should_be(faceplate: Command, shot: Path):
    size = (48 - BOX.height) * 64 * 4 * 2
    for plate, out in (("plate", "out"), ("plate/sh.%04d.exr", "out/sh.####.exr")):
        done = faceplate("verify", plate, out)
        assert done.returncode == 0
        assert done.stdout.splitlines() == [
            "frame 1001: only the window changed; 1080 samples of the picture changed in the window 20×18 from 20, 12,"
            f" 18 of 48 chunks are new, {size} bytes are the plate's",
            f"frame 1002: nothing changed; 0 of 48 chunks are new, {48 * 64 * 4 * 2} bytes are the plate's",
            "2 of 2 frames are the plate outside of their windows",
        ]
        assert done.stderr == f"note: {out} has no frames 1003.\n"


def test_a_frame_that_was_written_anew(faceplate: Command, shot: Path):
    frame = Plate.open(shot / "plate").read(1002)
    frame.changes_in(Box(0, 0, 0, 0))
    write_frame(frame, shot / "out/sh.1002.exr", "piz")
    done = faceplate("verify", "plate", "out")
    assert done.returncode == 0
    first, second, last = done.stdout.splitlines()
    assert first.startswith("frame 1001: only the window changed")
    anew = "written anew (compression): the samples outside the window are the same, the bytes are not"
    assert second == f"frame 1002: {anew}; 2 of 2 chunks are new, 0 bytes are the plate's"
    assert last == "2 of 2 frames are the plate outside of their windows, 1 of them by their samples alone"


def test_one_line_of_json_for_each_frame(faceplate: Command, shot: Path):
    done = faceplate("verify", "plate", "out", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    first, second, note = (json.loads(text) for text in done.stdout.splitlines())
    assert first["type"] == second["type"] == "frame-verified"
    assert (first["frame"], first["same"], first["new_chunks"], first["changed_samples"]) == (1001, True, 18, 1080)
    assert first["window"] == {"x0": 20, "y0": 12, "x1": 40, "y1": 30}
    assert first["digest"] == first["plate_digest"] != second["digest"]
    assert (second["window"], second["new_chunks"]) == (None, 0)
    assert note["type"] == "notice"


def test_what_else_changed_is_named_and_ends_with_1(faceplate: Command, shot: Path):
    out = shot / "out/sh.1001.exr"
    # Channels in the order of their names: B, G, R, Z, 128 bytes a row each. Row 14 crosses the window, row 3 does not.
    flip(out, 14, 3 * 128 + 2 * 25)
    flip(out, 14, 2 * 50)
    flip(out, 3, 128)
    done = faceplate("verify", "plate", "out")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith("frame 1001: something else changed; 1080 samples of the picture")
    assert done.stdout.splitlines()[1:4] == [
        "  channel B: 1 samples differ in 1×1 from 50, 14",
        "  channel G: 1 samples differ in 1×1 from 0, 3",
        "  channel Z: 1 samples differ in 1×1 from 25, 14",
    ]
    assert done.stdout.splitlines()[-1] == "1 of 2 frames are the plate outside of their windows"
    done = faceplate("verify", "plate", "out", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout.splitlines()[0])
    assert not found["same"] and found["digest"] != found["plate_digest"]
    box = {"x0": 50, "y0": 14, "x1": 51, "y1": 15}
    assert found["channels"][0] == {"part": "", "channel": "B", "samples": 1, "box": box}


def test_frames_that_cannot_be_compared(faceplate: Command, shot: Path):
    (shot / "plate/sh.1001.exr").unlink()
    path = shot / "out/sh.1002.exr"
    path.write_bytes(path.read_bytes()[:-9])
    done = faceplate("verify", "plate", "out")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0].startswith("frame 1001: The plate has no frame 1001, and out/sh.1001.exr is there.")
    assert lines[1].startswith("frame 1002: out/sh.1002.exr cannot be read: it is cut off")
    assert lines[2] == "note: out has no frames 1003."
    assert done.stdout == "0 of 2 frames are the plate outside of their windows\n"
    done = faceplate("verify", "plate", "out", "--json")
    codes = [json.loads(text)["code"] for text in done.stdout.splitlines()]
    assert (done.returncode, codes) == (1, ["frame-missing", "frame-unreadable", "not-rendered"])


def test_two_files_with_numbers_and_names_of_their_own(faceplate: Command, shot: Path):
    name = os.fsdecode(b"out/caf\xe9.0007.exr")
    shutil.copy(shot / "out/sh.1001.exr", shot / name)
    done = faceplate("verify", "plate/sh.1001.exr", os.fsencode(name))
    assert done.returncode == 0 and done.stdout.startswith("frame 7: only the window changed")
    done = faceplate("verify", "plate/sh.1001.exr", os.fsencode(name), "--json")
    assert json.loads(done.stdout)["path"] == "out/caf\\xe9.0007.exr"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "PLATE"),
        (("plate",), 2, "OUT"),
        (("plate", "out", "more"), 2, "more"),
        (("plate", ""), 2, "no name"),
        (("plate/sh.1001.exr", "a.png"), 2, "is not an EXR file"),
        (("a.png", "out"), 2, "is not an EXR file"),
        (("plate", "nowhere"), 1, "There is no file nowhere"),
        (("plate/sh.1001.exr", "text.exr"), 1, "not an EXR file but a text file"),
        (("plate/sh.1001.exr", "cut.exr"), 1, "cut off"),
        (("cut.exr", "out/sh.1001.exr"), 1, "cut off"),
        (("header.exr", "out/sh.1001.exr"), 1, "header is damaged"),
    ],
)
def test_wrong_usage_and_damage_are_sentences(
    faceplate: Command, shot: Path, arguments: tuple[str, ...], status: int, message: str
):
    data = (shot / "plate/sh.1001.exr").read_bytes()
    (shot / "a.png").touch()
    (shot / "text.exr").write_text("hello\n")
    (shot / "cut.exr").write_bytes(data[: len(data) // 2])
    place = data.index(b"dataWindow\0box2i\0") + 21
    (shot / "header.exr").write_bytes(data[:place] + struct.pack("<i", 500) + data[place + 4 :])
    done = faceplate("verify", *arguments)
    assert done.returncode == status
    assert message in done.stderr
