import itertools
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import OpenImageIO
import pytest

from engine.errors import FrameMissing, FrameUnreadable, PlateUnsupported, UsageError
from engine.geometry import Box
from engine.plates import Frame, Plate, make_timecode, write_frame
from engine.plates.exr import read_exr
from engine.plates.layout import read_layout

_ALL = ("NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB", "HTJ2K256", "HTJ2K32", "ZSTD")


def _special(rng: np.random.Generator, shape: tuple[int, int], dtype: Any) -> np.ndarray:
    """Random bits of every kind: denormals, infinities, NaN payloads, minus zero."""
    bits = np.uint16 if dtype == np.float16 else np.uint32
    pixels = rng.integers(0, np.iinfo(bits).max, shape, dtype=bits, endpoint=True)
    pixels.flat[:3] = (0x8000, 0x7C00, 0x7E2A) if bits == np.uint16 else (0x80000000, 0x7F800000, 0x7FC12345)
    return pixels.view(dtype)


def _mixed(rng: np.random.Generator, shape: tuple[int, int] = (37, 53)) -> dict[str, np.ndarray]:
    channels = {name: rng.normal(0.5, 2, shape).astype(np.float16) for name in "RGBA"}
    channels |= {"Z": _special(rng, shape, np.float32), "id": rng.integers(0, 2**32, shape, dtype=np.uint32)}
    return channels | {"spec.R": _special(rng, shape, np.float16)}


def _write(path: Path, channels: dict[str, np.ndarray], **header: Any) -> None:
    base = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(base | header, dict(channels)).write(str(path))


def _window(x0: int, y0: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array([x0, y0], np.int32), np.array([x0 + width - 1, y0 + height - 1], np.int32)


def _stored(path: Path, part: int = 0) -> dict[str, np.ndarray]:
    channels = OpenEXR.File(str(path), separate_channels=True).parts[part].channels
    return {name: channel.pixels for name, channel in channels.items()}


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()


def _spec(path: Path) -> OpenImageIO.ImageSpec:
    """The header as OpenImageIO sees it."""
    source = OpenImageIO.ImageInput.open(str(path))
    assert source is not None
    return source.spec()


def _seen(path: Path, names: str) -> np.ndarray:
    """Channels (height, width, n) float32 as OpenImageIO reads them."""
    pixels = OpenImageIO.ImageBuf(str(path)).get_pixels(OpenImageIO.FLOAT)
    assert pixels is not None
    return pixels[..., [_spec(path).channelindex(name) for name in names]]


def _raw_attributes(path: Path) -> dict[str, tuple[str, bytes]]:
    """The header of a single-part file, byte for byte, read without any library."""
    data, position, found = path.read_bytes(), 8, {}
    while data[position]:
        end = data.index(b"\0", position)
        kind_end = data.index(b"\0", end + 1)
        (size,) = struct.unpack_from("<i", data, kind_end + 1)
        value = data[kind_end + 5 : kind_end + 5 + size]
        found[data[position:end].decode()] = (data[end + 1 : kind_end].decode(), value)
        position = kind_end + 5 + size
    return found


@pytest.mark.parametrize("compression", _ALL)
def test_every_compression_gives_back_every_bit_and_header(
    tmp_path: Path, rng: np.random.Generator, compression: str
) -> None:
    source, target = tmp_path / "in.0007.exr", tmp_path / "out.0007.exr"
    _write(source, _mixed(rng), compression=getattr(OpenEXR, f"{compression}_COMPRESSION"), dwaCompressionLevel=30.0)
    plate = Plate.open(source)
    frame = plate.read(7)
    before = {name: pixels.copy() for name, pixels in frame.channels.items()}
    write_frame(frame, target)
    after = _stored(target)
    assert after.keys() == before.keys()
    assert all(_same(after[name], before[name]) for name in before)
    old, new = _raw_attributes(source), _raw_attributes(target)
    assert new == old


def test_pxr24_stays_where_it_is_exact(tmp_path: Path, rng: np.random.Generator) -> None:
    channels = {name: _special(rng, (20, 20), np.float16) for name in "RGB"}
    _write(tmp_path / "in.exr", channels, compression=OpenEXR.PXR24_COMPRESSION)
    write_frame(Plate.open(tmp_path / "in.exr").read(1), tmp_path / "out.exr")
    assert all(_same(_stored(tmp_path / "out.exr")[name], channels[name]) for name in channels)
    assert _raw_attributes(tmp_path / "out.exr")["compression"][1] == b"\5"


def test_only_the_changed_pixels_of_the_picture_change(tmp_path: Path, rng: np.random.Generator) -> None:
    channels = _mixed(rng)
    channels |= {name: _special(rng, (37, 53), np.float16) for name in "RGB"}
    _write(tmp_path / "in.exr", channels, dataWindow=_window(-7, -3, 53, 37), displayWindow=_window(0, 0, 40, 30))
    frame = Plate.open(tmp_path / "in.exr").read(1)
    assert (frame.data_window, frame.display_window) == (Box(-7, -3, 46, 34), Box(0, 0, 40, 30))
    box = Box(-2, 4, 30, 20)
    changed = rng.random((16, 32)) < 0.5
    new = rng.normal(1, 5, (16, 32, 3)).astype(np.float32)
    new[0, 0], changed[0, 0] = (1e6, -1e6, 20.0), True
    frame.replace(box, new, changed)
    frame.add_layer("matte.V", Box(-20, -20, 0, 0), np.ones((20, 20), np.float32))
    frame.add_layer("stmap.R", box, new[..., 0], np.float32)
    frame.attributes["faceplate:version"] = "1 – µ"
    write_frame(frame, tmp_path / "out.exr")
    after = _stored(tmp_path / "out.exr") | _stored(tmp_path / "out.layers.exr")
    where = np.zeros((37, 53), bool)
    where[7:23, 5:37] = changed
    for name, old in channels.items():
        untouched = ~where if name in "RGB" else np.ones_like(where)
        assert _same(after[name][untouched], old[untouched]), name
    for index, name in enumerate("RGB"):
        expected = np.clip(new[..., index], -65504, 65504).astype(np.float16)
        assert _same(after[name][7:23, 5:37][changed], expected[changed])
    assert after["matte.V"].sum() == 7 * 3
    assert (after["matte.V"][:3, :7] == 1).all()
    assert _same(after["stmap.R"][7:23, 5:37], new[..., 0])
    assert OpenEXR.File(str(tmp_path / "out.exr"), header_only=True).header()["faceplate:version"] == "1 – µ"
    assert _spec(tmp_path / "out.exr").x == -7


@pytest.mark.parametrize(
    ("data", "display"),
    [((0, 0, 53, 37), (0, 0, 53, 37)), ((100, 200, 53, 37), (90, 190, 100, 100)), ((-10, -10, 53, 37), (0, 0, 20, 10)),
     ((5, 5, 53, 37), (500, 500, 10, 10)), ((-300, -300, 53, 37), (-280, -290, 30, 20))],
)  # fmt: skip
def test_windows(tmp_path: Path, rng: np.random.Generator, data: tuple[int, ...], display: tuple[int, ...]) -> None:
    channels = _mixed(rng)
    _write(tmp_path / "in.exr", channels, dataWindow=_window(*data), displayWindow=_window(*display))
    frame = Plate.open(tmp_path / "in.exr").read(1)
    assert frame.display_window == Box(0, 0, display[2], display[3])
    assert frame.data_window == Box(0, 0, 53, 37).moved(data[0] - display[0], data[1] - display[1])
    box = Box(3, 4, 9, 8).moved(frame.data_window.x0, frame.data_window.y0)
    assert np.array_equal(frame.rgb(box)[..., 1], channels["G"][4:8, 3:9].astype(np.float32))
    write_frame(frame, tmp_path / "out.exr")
    spec = _spec(tmp_path / "out.exr")
    assert (spec.x, spec.y, spec.full_x, spec.full_y) == (data[0], data[1], display[0], display[1])
    assert (spec.full_width, spec.full_height) == display[2:]


def test_pictures_agree_with_openimageio(tmp_path: Path, rng: np.random.Generator) -> None:
    _write(tmp_path / "in.exr", _mixed(rng))
    plate = Plate.open(tmp_path / "in.exr")
    frame = plate.read(1, picture_only=True)
    expected = _seen(tmp_path / "in.exr", "RGBA")
    assert np.array_equal(frame.rgb(frame.data_window), expected[..., :3])
    alpha = frame.alpha_of(frame.data_window)
    assert alpha is not None
    assert np.array_equal(alpha, expected[..., 3])
    assert frame.rgb(frame.data_window).flags.c_contiguous
    assert set(frame.channels) == set("RGBA")
    with pytest.raises(ValueError, match="picture_only"):
        write_frame(frame, tmp_path / "out.exr")


def test_boxes_must_lie_in_the_data_window(rng: np.random.Generator) -> None:
    frame = Frame.new(1, _mixed(rng), Box(0, 0, 53, 37))
    for box in (Box(-1, 0, 5, 5), Box(0, 0, 54, 37), Box(5, 5, 5, 9)):
        with pytest.raises(ValueError, match="data window"):
            frame.rgb(box)
    with pytest.raises(ValueError, match="fit"):
        frame.replace(Box(0, 0, 5, 5), np.zeros((5, 4, 3), np.float32), np.ones((5, 4), bool))


def test_a_layer_does_not_replace_a_channel_of_the_picture(tmp_path: Path, rng: np.random.Generator) -> None:
    frame = Frame.new(1, _mixed(rng), Box(0, 0, 53, 37))
    frame.add_layer("Z", Box(0, 0, 1, 1), np.ones((1, 1), np.float32))
    with pytest.raises(UsageError, match="already has a channel Z"):
        write_frame(frame, tmp_path / "a.exr", layers_in="picture")
    assert not list(tmp_path.iterdir())
    write_frame(frame, tmp_path / "a.exr")
    assert _stored(tmp_path / "a.layers.exr").keys() == {"Z"}
    assert _same(_stored(tmp_path / "a.exr")["Z"], frame.channels["Z"])


def test_no_infinity_is_made_and_none_is_lost(rng: np.random.Generator) -> None:
    frame = Frame.new(1, _mixed(rng), Box(0, 0, 53, 37))
    values = np.full((1, 4, 3), 7e4, np.float32)
    values[0, 1], values[0, 2], values[0, 3] = np.inf, np.nan, -0.0
    frame.replace(Box(0, 0, 4, 1), values, np.ones((1, 4), bool))
    assert frame.channels["R"][0, 0] == np.float16(65504)
    assert np.isposinf(frame.channels["R"][0, 1])
    assert np.isnan(frame.channels["R"][0, 2])
    assert np.signbit(frame.channels["R"][0, 3])


@pytest.mark.parametrize("order", [OpenEXR.INCREASING_Y, OpenEXR.DECREASING_Y, OpenEXR.RANDOM_Y])
@pytest.mark.parametrize("tiled", [False, True])
def test_tiles_and_line_orders(tmp_path: Path, rng: np.random.Generator, order: OpenEXR.LineOrder, tiled: bool) -> None:
    if order == OpenEXR.RANDOM_Y and not tiled:
        pytest.skip("the format has no such scanline files")
    header: dict[str, Any] = {"lineOrder": order}
    if tiled:
        tiles = OpenEXR.TileDescription()
        tiles.xSize, tiles.ySize = 16, 8
        header |= {"type": OpenEXR.tiledimage, "tiles": tiles}
    channels = _mixed(rng)
    _write(tmp_path / "in.exr", channels, **header)
    plate = Plate.open(tmp_path / "in.exr")
    assert plate.info.tiles == ("16×8" if tiled else "")
    write_frame(plate.read(1), tmp_path / "out.exr")
    assert all(_same(_stored(tmp_path / "out.exr")[name], channels[name]) for name in channels)
    assert _raw_attributes(tmp_path / "out.exr") == _raw_attributes(tmp_path / "in.exr")
    assert np.array_equal(_seen(tmp_path / "out.exr", "R")[..., 0], channels["R"].astype(np.float32))


def test_a_mip_mapped_file_keeps_its_full_resolution(tmp_path: Path, rng: np.random.Generator) -> None:
    source = OpenImageIO.ImageBuf(rng.random((64, 64, 3)).astype(np.float32))
    config = OpenImageIO.ImageSpec()
    OpenImageIO.ImageBufAlgo.make_texture(OpenImageIO.MakeTxTexture, source, str(tmp_path / "in.exr"), config)
    frame = Plate.open(tmp_path / "in.exr").read(1)
    write_frame(frame, tmp_path / "out.exr")
    assert OpenImageIO.ImageBuf(str(tmp_path / "out.exr")).nmiplevels == 1
    assert np.allclose(frame.rgb(frame.data_window), _seen(tmp_path / "in.exr", "RGB"), atol=1e-6)


def test_every_attribute_survives(tmp_path: Path, rng: np.random.Generator) -> None:
    header = {
        "timeCode": make_timecode("01:02:03;04"),
        "framesPerSecond": Fraction(24000, 1001),
        "chromaticities": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767),
        "pixelAspectRatio": 2.0,
        "owner": "Zoë",
        "empty": "",
        "keyCode": OpenEXR.KeyCode(1, 2, 3, 4, 5, 4, 64),
        "worldToCamera": np.arange(16, dtype=np.float32).reshape(4, 4),
        "nan": float("nan"),
        "lens": [1.0, 2.0, 3.5],
        "multiView": ["left", "right"],
        "a/name/that/is/much/longer/than/the/31/characters/of/old": 5,
    }
    _write(tmp_path / "in.1001.exr", _mixed(rng), **header)
    plate = Plate.open(tmp_path)
    write_frame(plate.read(1001), tmp_path / "out.exr")
    old, new = _raw_attributes(tmp_path / "in.1001.exr"), _raw_attributes(tmp_path / "out.exr")
    assert old.keys() >= header.keys()
    assert new == old
    spec = _spec(tmp_path / "out.exr")
    assert spec.get_string_attribute("smpte:TimeCode") == "01:02:03:04"
    assert spec.get_float_attribute("PixelAspectRatio") == 2.0
    assert plate.color.name == "ACEScg"
    assert plate.info.timecode == "01:02:03;04"


def test_multi_part_files_keep_every_part(tmp_path: Path, rng: np.random.Generator) -> None:
    depth = {"Z": _special(rng, (10, 12), np.float32)}
    beauty = {name: _special(rng, (37, 53), np.float16) for name in ("R", "G", "B", "A")}
    other = {name: _special(rng, (37, 53), np.float16) for name in ("R", "G", "B")}
    zip_ = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    display = {"displayWindow": _window(0, 0, 53, 37)}
    parts = [
        OpenEXR.Part({**zip_, **display, "dataWindow": _window(4, 5, 12, 10)}, dict(depth), "depth"),
        OpenEXR.Part({**zip_, **display, "note": "other"}, dict(other), "diffuse"),
        OpenEXR.Part({**zip_, **display, "note": "mine"}, dict(beauty), "beauty"),
    ]
    OpenEXR.File(parts).write(str(tmp_path / "in.exr"))
    plate = Plate.open(tmp_path / "in.exr")
    assert plate.info.parts == ("depth", "diffuse", "beauty")
    frame = plate.read(1)
    assert frame.source is not None
    assert frame.source.window.part == 2
    box = Box(1, 1, 4, 4)
    frame.replace(box, np.ones((3, 3, 3), np.float32), np.ones((3, 3), bool))
    frame.add_layer("matte.V", box, np.ones((3, 3), np.float32))
    write_frame(frame, tmp_path / "out.exr", layers_in="picture")
    for index, channels in enumerate((depth, other)):
        assert all(_same(_stored(tmp_path / "out.exr", index)[name], channels[name]) for name in channels)
    mine = _stored(tmp_path / "out.exr", 2)
    assert set(mine) == {"R", "G", "B", "A", "matte.V"}
    assert (mine["R"][1:4, 1:4] == 1).all()
    assert _same(mine["R"][5:], beauty["R"][5:])
    out = OpenEXR.File(str(tmp_path / "out.exr"), separate_channels=True)
    assert [part.name() for part in out.parts] == ["depth", "diffuse", "beauty"]
    assert [part.header.get("note") for part in out.parts] == [None, "other", "mine"]
    assert tuple(out.parts[0].header["dataWindow"][0]) == (4, 5)


@pytest.mark.parametrize(
    ("names", "picture", "alpha"),
    [("R G B", "R G B", None), ("r g b beauty.R beauty.G beauty.B beauty.A", "beauty.R beauty.G beauty.B", "beauty.A"),
     ("diffuse.r diffuse.g diffuse.b diffuse.a", "diffuse.r diffuse.g diffuse.b", "diffuse.a"),
     ("R G B A diffuse.R diffuse.G diffuse.B", "R G B", "A"),
     ("diffuse.R diffuse.G diffuse.B C.R C.G C.B", "C.R C.G C.B", None),
     ("V.C.R V.C.G V.C.B V.Mist.Z V.N.R V.N.G V.N.B", "V.C.R V.C.G V.C.B", None),
     ("x.R x.G x.B patch.R patch.G patch.B patch.A", "x.R x.G x.B", None)],
)  # fmt: skip
def test_which_channels_are_the_picture(tmp_path: Path, names: str, picture: str, alpha: str | None) -> None:
    _write(tmp_path / "in.exr", {name: np.zeros((4, 4), np.float16) for name in names.split()})
    frame = Plate.open(tmp_path / "in.exr").read(1)
    assert frame.picture == tuple(picture.split())
    assert frame.alpha == alpha


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("Y", "grey"),
        ("G", "no R, G and B"),
        ("spec.R spec.G spec.B diff.R diff.G diff.B", "diff, spec"),
        ("R G", "it has G, R"),
    ],
)
def test_frames_without_a_clear_picture(tmp_path: Path, names: str, message: str) -> None:
    _write(tmp_path / "in.exr", {name: np.zeros((4, 4), np.float16) for name in names.split()})
    with pytest.raises(PlateUnsupported, match=message) as raised:
        Plate.open(tmp_path / "in.exr")
    assert raised.value.remedy


def test_whole_number_channels_are_no_picture(tmp_path: Path) -> None:
    _write(tmp_path / "in.exr", {name: np.zeros((4, 4), np.uint32) for name in "RGB"})
    with pytest.raises(PlateUnsupported):
        Plate.open(tmp_path / "in.exr")


def test_a_text_file_called_exr(tmp_path: Path) -> None:
    path = tmp_path / "a.0001.exr"
    path.write_text("this is no picture\n")
    with pytest.raises(FrameUnreadable, match=r"a\.0001\.exr cannot be read: it is not an EXR file but a text file\."):
        Plate.open(path)
    path.write_bytes(b"")
    with pytest.raises(FrameUnreadable, match="empty"):
        Plate.open(path)


@pytest.mark.parametrize("kind", ["scanline", "tiles", "parts"])
def test_a_frame_cut_off_anywhere_is_an_error(
    tmp_path: Path, rng: np.random.Generator, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    channels = {name: rng.random((64, 64)).astype(np.float16) for name in "RGB"}
    path, cut = tmp_path / "whole.0001.exr", tmp_path / "cut.0001.exr"
    header: dict[str, Any] = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    if kind == "tiles":
        tiles = OpenEXR.TileDescription()
        tiles.xSize = tiles.ySize = 16
        header |= {"type": OpenEXR.tiledimage, "tiles": tiles}
    count = 2 if kind == "parts" else 1
    parts = [OpenEXR.Part(dict(header), dict(channels), f"p{index}" if count > 1 else "") for index in range(count)]
    OpenEXR.File(parts).write(str(path))
    data = path.read_bytes()
    plate = Plate.open(path)
    plate.read(1)
    capfd.readouterr()
    for length in (1, 4, 8, 100, len(data) // 4, len(data) // 2, len(data) - 300, len(data) - 1):
        cut.write_bytes(data[:length])
        with pytest.raises(FrameUnreadable, match=r"cut\.0001\.exr cannot be read"):
            read_exr(cut, 1, plate.color)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("position", [0.3, 0.6, 0.95])
def test_damaged_pixels_are_an_error_never_black(tmp_path: Path, rng: np.random.Generator, position: float) -> None:
    path = tmp_path / "a.0001.exr"
    _write(path, {name: rng.random((64, 64)).astype(np.float16) for name in "RGB"})
    plate, data = Plate.open(path), bytearray(path.read_bytes())
    place = int(len(data) * position)
    data[place : place + 64] = bytes(64)
    path.write_bytes(data)
    with pytest.raises(FrameUnreadable):
        plate.read(1)


def test_one_bad_frame_does_not_stop_the_plate(tmp_path: Path, rng: np.random.Generator) -> None:
    for number in (2, 3):
        _write(tmp_path / f"a.{number:04d}.exr", _mixed(rng))
    (tmp_path / "a.0001.exr").write_bytes((tmp_path / "a.0002.exr").read_bytes()[:200])
    plate = Plate.open(tmp_path)
    assert plate.frames == (1, 2, 3)
    with pytest.raises(FrameUnreadable):
        plate.read(1)
    plate.read(2)
    (tmp_path / "a.0003.exr").unlink()
    with pytest.raises(FrameMissing, match="Frame 3"):
        plate.read(3)


def test_text_attributes_that_are_not_utf8_are_named(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "a.exr"
    _write(path, _mixed(rng), owner="Zoe!")
    path.write_bytes(path.read_bytes().replace(b"Zoe!", b"Zo\xeb!"))
    with pytest.raises(PlateUnsupported, match="owner"):
        Plate.open(path)


def test_a_plate_and_its_output_may_have_names_that_are_not_utf8(tmp_path: Path, rng: np.random.Generator) -> None:
    source, target = (
        tmp_path / name.decode("utf-8", "surrogateescape") for name in (b"caf\xe9.0001.exr", b"\xfcber.exr")
    )
    _write(tmp_path / "plain.exr", _mixed(rng))
    try:
        (tmp_path / "plain.exr").rename(source)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    plate = Plate.open(source)
    write_frame(plate.read(1), target)
    assert target.is_file()
    assert r"caf\xe9" in "\n".join(plate.info.lines())


@pytest.mark.parametrize("parts", [1, 2])
def test_perceptually_linear_marks_survive(tmp_path: Path, rng: np.random.Generator, parts: int) -> None:
    pixels = rng.random((8, 8)).astype(np.float16)
    made = []
    for index in range(parts):
        marked = {name: OpenEXR.Channel(name, pixels, 1, 1, name != "B") for name in "RGB"}
        made.append(OpenEXR.Part({"type": OpenEXR.scanlineimage}, marked, f"part{index}"))
    OpenEXR.File(made).write(str(tmp_path / "in.exr"))
    write_frame(Plate.open(tmp_path / "in.exr").read(1), tmp_path / "out.exr")
    before, after = (read_layout(tmp_path / name).parts for name in ("in.exr", "out.exr"))
    assert [part.channels for part in after] == [part.channels for part in before]
    assert [one.perceptually_linear for one in after[-1].channels] == [False, True, True]


@pytest.mark.corpus
def test_real_files_come_back_bit_for_bit(corpus: Path, tmp_path: Path) -> None:
    whole = 0
    for path in sorted((corpus / "exr_good").rglob("*.exr")):
        try:
            plate = Plate.open(path)
            frame = plate.read(plate.frames[0])
        except PlateUnsupported as error:
            assert any(word in str(error) for word in ("deep", "subsampled", "grey", "no R, G and B")), error
            continue
        write_frame(frame, tmp_path / "out.exr")
        old = OpenEXR.File(str(path), separate_channels=True).parts
        new = OpenEXR.File(str(tmp_path / "out.exr"), separate_channels=True).parts
        assert len(old) == len(new)
        for before, after in itertools.zip_longest(old, new):
            assert before.channels.keys() == after.channels.keys()
            assert all(_same(before.channels[name].pixels, after.channels[name].pixels) for name in before.channels)
            assert before.header.keys() == after.header.keys(), path
        whole += 1
    assert whole >= 20
