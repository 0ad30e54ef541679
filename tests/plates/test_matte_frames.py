"""Mattes from files: the right channel of the right part, in the right place, read as what it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import OpenImageIO
import pytest

from engine.errors import FrameUnreadable, MatteError, PlateUnsupported
from engine.geometry import Box
from engine.plates.color import LINEAR_REC709
from engine.plates.exr import read_exr
from engine.plates.matte_frames import FIRST, MatteFrames, Wanted, read_own

HEIGHT, WIDTH = 40, 60
WINDOW = Box(0, 0, WIDTH, HEIGHT)
RNG = np.random.default_rng(3)
FIELD = RNG.random((HEIGHT, WIDTH)).astype(np.float32)


def windows(data: Box, display: Box) -> dict[str, Any]:
    return {
        f"{name}Window": (np.array([box.x0, box.y0], np.int32), np.array([box.x1 - 1, box.y1 - 1], np.int32))
        for name, box in (("data", data), ("display", display))
    }


def write(path: Path, channels: Mapping[str, np.ndarray], **header: Any) -> Path:
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, **header}, dict(channels)).write(str(path))
    return path


def read(path: Path, wanted: Wanted = FIRST, box: Box = WINDOW, display: Box = WINDOW, plate: Box = WINDOW):
    return MatteFrames(str(path), wanted).read(1, box, display, plate)


def by_oiio(path: Path, channel: str, part: int = 0) -> np.ndarray:
    picture = OpenImageIO.ImageBuf(str(path), part, 0)
    index = picture.spec().channelindex(channel)
    return np.asarray(picture.get_pixels(OpenImageIO.FLOAT))[..., index]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.uint32])
@pytest.mark.parametrize("compression", [OpenEXR.NO_COMPRESSION, OpenEXR.PIZ_COMPRESSION, OpenEXR.ZIPS_COMPRESSION])
def test_a_channel_by_its_name_in_every_type(tmp_path: Path, kind: Any, compression: Any) -> None:
    own = (FIELD > 0.5).astype(kind) if kind is np.uint32 else FIELD.astype(kind)
    others = {name: np.full_like(FIELD, 0.25) for name in ("R", "G", "B", "mask.G")}
    path = write(tmp_path / "a.exr", others | {"mask.R": own}, compression=compression)
    # OpenImageIO takes the largest whole number for 1; here they are marks, and any mark is white.
    expected = by_oiio(path, "mask.R") > 0 if kind is np.uint32 else by_oiio(path, "mask.R")
    np.testing.assert_array_equal(read(path, Wanted("mask.R")), expected)
    np.testing.assert_array_equal(read(path), np.full_like(FIELD, 0.25))


@pytest.mark.parametrize("names", [("A", "B", "G", "R"), ("A", "Y"), ("Z", "mask"), ("left.A", "left.R")])
def test_without_a_name_it_is_the_first_as_other_readers_have_it(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = write(tmp_path / "a.exr", {name: FIELD * np.float32(0.9**index) for index, name in enumerate(names)})
    first = OpenImageIO.ImageBuf(str(path)).spec().channelnames[0]
    np.testing.assert_array_equal(read(path), by_oiio(path, first))


def test_a_channel_of_another_part(tmp_path: Path) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage} | windows(WINDOW, WINDOW)
    small = windows(Box(10, 5, 30, 25), WINDOW)
    parts = [
        OpenEXR.Part(dict(header), {name: np.full_like(FIELD, 0.5) for name in "RGB"}, "beauty"),
        OpenEXR.Part(header | small, {"R": FIELD[:20, :20].copy()}, "mask"),
    ]
    OpenEXR.File(parts).write(str(tmp_path / "a.exr"))
    found = read(tmp_path / "a.exr", Wanted("mask.R"))
    np.testing.assert_array_equal(found[5:25, 10:30], FIELD[:20, :20])
    assert found.sum() == pytest.approx(FIELD[:20, :20].sum())
    with pytest.raises(MatteError, match=r"beauty\.R.*mask\.R"):
        read(tmp_path / "a.exr", Wanted("holdout.R"))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".exr"])
def test_a_name_that_is_not_there_is_answered_by_those_that_are(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".exr":
        write(path, {"mask.R": FIELD, "R": FIELD})
    else:
        assert cv2.imwrite(str(path), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    with pytest.raises(MatteError, match=r"no channel `mask\.r`.*R") as caught:
        read(path, Wanted("mask.r"))
    assert caught.value.code == "matte" and caught.value.remedy


def test_a_channel_of_a_still(tmp_path: Path) -> None:
    rgba = np.round(RNG.random((HEIGHT, WIDTH, 4)) * 255).astype(np.uint8)
    assert cv2.imwrite(str(tmp_path / "a.png"), rgba)
    np.testing.assert_allclose(read(tmp_path / "a.png", Wanted("A")), rgba[..., 3] / 255.0, atol=1e-6)
    np.testing.assert_allclose(read(tmp_path / "a.png", Wanted("B")), rgba[..., 0] / 255.0, atol=1e-6)


def test_only_the_box_is_read_and_it_lies_where_the_windows_say(tmp_path: Path) -> None:
    data, display = Box(-5, -3, 45, 27), Box(-10, -8, 50, 32)
    path = write(tmp_path / "a.exr", {"Y": FIELD[:30, :50].copy()}, **windows(data, display))
    whole = np.zeros((HEIGHT, WIDTH), np.float32)
    whole[5:35, 5:55] = FIELD[:30, :50]
    np.testing.assert_array_equal(read(path), whole)
    for box in (Box(20, 10, 30, 33), Box(-4, -4, 70, 50), Box(56, 0, 60, 40)):
        padded = np.pad(whole, ((10, 20), (10, 20)))
        np.testing.assert_array_equal(read(path, box=box), padded[box.moved(10, 10).slices(WINDOW)])


PLATE = Box(7, 4, 7 + WIDTH, 4 + HEIGHT)


def test_windows_of_one_size_that_lie_apart(tmp_path: Path) -> None:
    """A file without windows of its own was made by who took the plate's data window for the whole picture."""
    plain = write(tmp_path / "plain.exr", {"Y": FIELD})
    np.testing.assert_array_equal(read(plain, box=PLATE, plate=PLATE), FIELD)
    moved = write(tmp_path / "moved.exr", {"Y": FIELD}, **windows(PLATE, WINDOW))
    np.testing.assert_array_equal(read(moved, box=PLATE, plate=PLATE), FIELD)
    assert cv2.imwrite(str(tmp_path / "a.png"), np.round(FIELD * 255).astype(np.uint8))
    found = read(tmp_path / "a.png", box=PLATE, plate=PLATE)
    np.testing.assert_allclose(found, FIELD, atol=0.5 / 255 + 1e-6)


def test_a_proxy_is_refused_by_its_size(tmp_path: Path) -> None:
    path = write(tmp_path / "a.exr", {"Y": FIELD[::2, ::2].copy()})
    with pytest.raises(PlateUnsupported, match=r"30×20.*60×40"):
        read(path)


def test_a_file_that_is_cut_off_is_unreadable(tmp_path: Path) -> None:
    path = write(tmp_path / "a.exr", {"Y": FIELD})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FrameUnreadable):
        read(path)


@pytest.mark.parametrize("compression", [OpenEXR.ZIP_COMPRESSION, OpenEXR.NO_COMPRESSION])
def test_a_channel_of_the_plates_own_file(tmp_path: Path, compression: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compressed blocks hold all channels: they are not decoded again. Of plain rows only the channel is read."""
    channels = {name: FIELD.astype(np.float16) for name in "RGB"} | {"mask.R": 1 - FIELD}
    path = write(tmp_path / "a.exr", channels, compression=compression, **windows(PLATE, WINDOW))
    box = Box(20, 14, 40, 30)
    frame = read_exr(path, 1, LINEAR_REC709, reach=lambda window: Box(15, 10, 50, 35))
    expected = (1 - FIELD)[box.slices(PLATE)]
    assert frame.source is not None
    asked: list[Any] = []
    real = frame.source.file.read
    monkeypatch.setattr(type(frame.source.file), "read", lambda file, *more: asked.append(more) or real(*more))
    np.testing.assert_array_equal(read_own(frame, Wanted("mask.R"), box), expected)
    assert [tuple(names) for _, _, names in asked] == ([("mask.R",)] if "mask.R" not in frame.channels else [])
    assert ("mask.R" in frame.channels) == (compression == OpenEXR.ZIP_COMPRESSION)
    frame.source = None
    np.testing.assert_array_equal(read_own(frame, Wanted("mask.R"), box), expected)
    frame.path = Path()
    with pytest.raises(MatteError, match="from memory"):
        read_own(frame, Wanted("mask.R"), box)
