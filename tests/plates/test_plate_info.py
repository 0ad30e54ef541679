from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import OpenEXR
import pytest

from engine.plates import describe, make_timecode
from engine.plates.timecode import timecode_text


def test_info_says_what_a_plate_holds(tmp_path: Path) -> None:
    header = {
        "type": OpenEXR.scanlineimage,
        "compression": OpenEXR.PIZ_COMPRESSION,
        "timeCode": make_timecode("10:20:30:12"),
        "framesPerSecond": Fraction(24000, 1001),
        "pixelAspectRatio": 2.0,
        "dataWindow": (np.array([-4, -2], np.int32), np.array([11, 7], np.int32)),
        "displayWindow": (np.array([0, 0], np.int32), np.array([7, 5], np.int32)),
        "chromaticities": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767),
    }
    for number in (1001, 1002, 1005):
        channels = {name: np.zeros((10, 16), np.float16) for name in "RGBA"}
        channels |= {"Z": np.zeros((10, 16), np.float32), "id": np.zeros((10, 16), np.uint32)}
        OpenEXR.File(dict(header), channels).write(str(tmp_path / f"sh010.{number}.exr"))
    text = "\n".join(describe(tmp_path).lines())
    for fact in (
        "sh010.1001.exr (exr)", "1001-1002,1005 (3)", "1003-1004", "8×6", "16×10 from -4, -2", "R half", "Z float",
        "id uint", "R, G, B, alpha A", "piz compression", "ACEScg (from the file's chromaticities)", "10:20:30:12",
        "24000/1001 (23.976)", "aspect ratio 2",
    ):  # fmt: skip
        assert fact in text, fact
    assert len(describe(tmp_path / "sh010.####.exr", "1001-1002").missing) == 0
    assert describe(tmp_path, colorspace="lin_rec709").color_known_by == "option"


def test_info_is_json(tmp_path: Path) -> None:
    path = tmp_path / b"\xe9.exr".decode("utf-8", "surrogateescape")
    try:
        with path.open("wb") as file:
            OpenEXR.File({"type": OpenEXR.scanlineimage}, {name: np.zeros((4, 4), np.float16) for name in "RGB"}).write(
                file
            )
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert msgspec.json.decode(msgspec.json.encode(describe(path)))["path"].endswith(r"\xe9.exr")


@pytest.mark.parametrize("text", ["01:02:03:04", "23:59:59;29"])
def test_timecodes_go_round(text: str) -> None:
    assert timecode_text(make_timecode(text)) == text


@pytest.mark.parametrize("text", ["", "1:2:3:4", "24:00:00:00", "01:02:03", "aa:bb:cc:dd"])
def test_other_text_is_no_timecode(text: str) -> None:
    with pytest.raises(ValueError, match="no timecode"):
        make_timecode(text)
    assert timecode_text(text) == ""
