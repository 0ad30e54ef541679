"""A holdout keeps the plate where it is white: drawn in any format, one for each frame or one for all."""

from collections.abc import Callable
from pathlib import Path

import cv2
import msgspec
import numpy as np
import OpenEXR
import pytest

from engine import core
from engine.errors import FrameMissing, PlateNotFound
from engine.events import FrameDone, FrameFailed, FrameSkipped
from engine.geometry import Box
from engine.plates.matte_frames import MatteFrames
from engine.wire.client import Client
from engine.wire.frames import attach
from engine.wire.messages import Preview, Previewed
from tests.jobs.place import FRAMES, LAYERS, Record, read_exr, read_layers, shot_of

SIDE = 272
LEFT = np.zeros((SIDE, SIDE), np.float32)
LEFT[:, : SIDE // 2] = 1.0

Write = Callable[[Path, np.ndarray], None]


def write_png(path: Path, held: np.ndarray) -> None:
    assert cv2.imwrite(str(path), np.round(held * 255).astype(np.uint8))


def write_rgb(path: Path, held: np.ndarray) -> None:
    """Red says it; what the others hold is of no interest."""
    blue_green_red = np.dstack([np.full_like(held, 0.3), np.full_like(held, 0.7), held])
    assert cv2.imwrite(str(path), np.round(blue_green_red * 65535).astype(np.uint16))


def write_exr(path: Path, held: np.ndarray, **header: object) -> None:
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, **header}, {"Y": held.astype(np.float16)}).write(str(path))


def write_all(work: Path, write: Write, suffix: str, held: np.ndarray = LEFT) -> str:
    (work / "held").mkdir()
    for number in FRAMES:
        write(work / f"held/sh.{number}{suffix}", held)
    return f"matte.holdout={work}/held/sh.%04d{suffix}"


@pytest.mark.parametrize(("write", "suffix"), [(write_png, ".png"), (write_rgb, ".tif"), (write_exr, ".exr")])
def test_the_plate_stays_where_it_is_held(work: Path, whole: tuple[Path, Record], write: Write, suffix: str) -> None:
    setting = write_all(work, write, suffix)
    core.run(shot_of(work, "out", *LAYERS, setting), Record())
    for number in FRAMES:
        ours, plate, free = (
            read_exr(folder / f"sh.{number}.exr")[0] for folder in (work / "out", work / "plate", whole[0])
        )
        matte = read_layers(work / f"out/sh.{number}.exr")["matte.V"]
        assert not matte[:, : SIDE // 2].any() and matte[:, SIDE // 2 :].any()
        for name in "RGB":
            np.testing.assert_array_equal(ours[name][:, : SIDE // 2], plate[name][:, : SIDE // 2])
            assert (ours[name] != plate[name]).any()
        there = read_layers(whole[0] / f"sh.{number}.exr")["matte.V"]
        np.testing.assert_array_equal(matte[:, SIDE // 2 :], there[:, SIDE // 2 :])
        assert (free["R"][:, : SIDE // 2] != plate["R"][:, : SIDE // 2]).any()


def test_half_held_is_half_the_matte(work: Path, whole: tuple[Path, Record]) -> None:
    setting = write_all(work, write_exr, ".exr", np.full((SIDE, SIDE), 0.5))
    core.run(shot_of(work, "out", *LAYERS, setting), Record())
    free = read_layers(whole[0] / "sh.1001.exr")["matte.V"].astype(np.float32)
    held = read_layers(work / "out/sh.1001.exr")["matte.V"].astype(np.float32)
    np.testing.assert_allclose(held, free / 2.0, atol=1e-3)


def test_one_picture_holds_for_all_frames(work: Path) -> None:
    write_png(work / "left.png", LEFT)
    report = Record()
    core.run(shot_of(work, "out", *LAYERS, f"matte.holdout={work}/left.png"), report)
    assert len(report.of(FrameDone)) == 3
    assert not read_layers(work / "out/sh.1003.exr")["matte.V"][:, : SIDE // 2].any()


def test_a_frame_of_a_sequence_stands_for_all_of_it(work: Path) -> None:
    write_all(work, write_png, ".png")
    write_png(work / "held/sh.1002.png", 1.0 - LEFT)
    everything = Box(0, 0, SIDE, SIDE)
    held = MatteFrames(str(work / "held/sh.1001.png"))
    with pytest.raises(FrameMissing):
        held.read(1009, everything, everything, everything)
    np.testing.assert_array_equal(held.read(1001, everything, everything, everything), LEFT)


def test_what_is_as_good_as_white_keeps_the_plate_to_the_bit(work: Path) -> None:
    held = np.full((SIDE, SIDE), 1.0, np.float32)
    held[::2] = np.float32(0.99999994)
    (work / "held").mkdir()
    for number in FRAMES:
        OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION}, {"Y": held}).write(str(work / f"held/sh.{number}.exr"))
    core.run(shot_of(work, "out", f"matte.holdout={work}/held/sh.%04d.exr"), Record())
    for number in FRAMES:
        ours, plate = (read_exr(folder / f"sh.{number}.exr")[0] for folder in (work / "out", work / "plate"))
        for name in "RGB":
            np.testing.assert_array_equal(ours[name], plate[name])


def test_a_data_window_says_where_it_lies(tmp_path: Path) -> None:
    windows = {
        "dataWindow": (np.array([10, 20], np.int32), np.array([29, 39], np.int32)),
        "displayWindow": (np.array([5, 5], np.int32), np.array([104, 54], np.int32)),
    }
    write_exr(tmp_path / "held.exr", np.ones((20, 20)), **windows)
    held = MatteFrames(str(tmp_path / "held.exr")).read(7, Box(0, 0, 100, 50), *[Box(0, 0, 100, 50)] * 2)
    assert held[15:35, 5:25].all() and held.sum() == 400
    inside = MatteFrames(str(tmp_path / "held.exr")).read(7, Box(20, 30, 40, 60), *[Box(0, 0, 100, 50)] * 2)
    assert inside[:5, :5].all() and inside.sum() == 25


def test_one_of_the_size_of_the_plates_data_window_lies_there(tmp_path: Path) -> None:
    """So is one that was rendered where only that window is shown, as in Blender."""
    write_exr(tmp_path / "held.exr", np.ones((20, 30)))
    held = MatteFrames(str(tmp_path / "held.exr")).read(7, Box(0, 0, 100, 50), Box(0, 0, 100, 50), Box(40, 10, 70, 30))
    assert held[10:30, 40:70].all() and held.sum() == 600


def test_values_that_are_no_part_are_brought_into_range(tmp_path: Path) -> None:
    write_exr(tmp_path / "held.exr", np.array([[-1.0, 2.0], [np.nan, 0.25]]))
    held = MatteFrames(str(tmp_path / "held.exr")).read(1, *[Box(0, 0, 2, 2)] * 3)
    np.testing.assert_array_equal(held, [[0.0, 1.0], [0.0, 0.25]])


def test_frames_of_it_that_are_missing_damaged_or_of_another_size(work: Path) -> None:
    setting = write_all(work, write_png, ".png")
    (work / "held/sh.1001.png").unlink()
    (work / "held/sh.1002.png").write_bytes((work / "held/sh.1002.png").read_bytes()[:60])
    write_png(work / "held/sh.1003.png", LEFT[:100])
    report = Record()
    core.run(shot_of(work, "out", setting), report)
    codes = [failed.code for failed in report.of(FrameFailed)]
    assert codes == ["frame-missing", "frame-unreadable", "plate-unsupported"]
    assert not list((work / "out").glob("*.exr"))


def test_a_holdout_that_is_not_there_stops_the_job(work: Path) -> None:
    with pytest.raises(PlateNotFound):
        core.run(shot_of(work, "out", f"matte.holdout={work}/nowhere/%04d.png"), Record())


def test_only_what_was_held_anew_is_done_anew(work: Path) -> None:
    setting = write_all(work, write_png, ".png")
    shot = shot_of(work, "out", setting)
    core.run(shot, Record())
    write_png(work / "held/sh.1002.png", LEFT[:, ::-1])
    report = Record()
    core.run(shot, report)
    assert [event.frame for event in report.of(FrameDone)] == [1002]
    assert [event.frame for event in report.of(FrameSkipped)] == [1001, 1003]


def test_without_it_everything_is_done_anew(work: Path, whole: tuple[Path, Record]) -> None:
    core.run(shot_of(work, "out", *LAYERS, write_all(work, write_png, ".png")), Record())
    report = Record()
    core.run(shot_of(work, "out", *LAYERS), report)
    assert len(report.of(FrameDone)) == 3
    assert (work / "out/sh.1002.exr").read_bytes() == (whole[0] / "sh.1002.exr").read_bytes()


def test_a_preview_is_held_too(client: Client, work: Path) -> None:
    shot = shot_of(work, "out", write_all(work, write_png, ".png"))
    told = client.ask(Preview(msgspec.to_builtins(shot), 1001, shows="matte"), Previewed)
    matte = attach(told, told, writing=False)
    assert not matte[:, : SIDE // 2].any() and matte[:, SIDE // 2 :].any()
