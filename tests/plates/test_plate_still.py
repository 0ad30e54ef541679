from pathlib import Path
from typing import Any

import colour
import numpy as np
import OpenEXR
import OpenImageIO
import pytest

from engine.errors import ColorError, FrameUnreadable, PlateUnsupported
from engine.geometry import Box
from engine.plates import Plate, write_frame

_HALF = 1e-3
_TYPES = {"uint8": np.uint8, "uint16": np.uint16, "half": np.float16, "float": np.float32}


def _save(path: Path, pixels: np.ndarray, **attributes: Any) -> np.ndarray:
    kind = {np.dtype(dtype): name for name, dtype in _TYPES.items()}[pixels.dtype]
    spec = OpenImageIO.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], kind)
    for name, value in attributes.items():
        spec.attribute(name.replace("__", ":"), value)
    output = OpenImageIO.ImageOutput.create(str(path))
    assert output is not None
    assert output.open(str(path), spec), output.geterror()
    assert output.write_image(pixels), output.geterror()
    output.close()
    return pixels


def _linear(values: np.ndarray) -> np.ndarray:
    return colour.cctf_decoding(values.astype(np.float64), function="sRGB")


@pytest.fixture
def eight_bit(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (20, 31, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".PNG"])
def test_eight_bits_are_srgb(tmp_path: Path, eight_bit: np.ndarray, suffix: str) -> None:
    _save(tmp_path / f"a.0012{suffix}", eight_bit)
    plate = Plate.open(tmp_path)
    assert (plate.frames, plate.color.name, plate.color.known_by) == ((12,), "sRGB Encoded Rec.709 (sRGB)", "default")
    frame = plate.read(12)
    assert frame.channels["R"].dtype == np.float16
    np.testing.assert_allclose(frame.rgb(frame.data_window), _linear(eight_bit / 255), rtol=_HALF, atol=1e-7)


def test_sixteen_bits_are_srgb_too(tmp_path: Path, rng: np.random.Generator) -> None:
    for suffix in (".png", ".tif"):
        pixels = _save(tmp_path / f"a{suffix}", rng.integers(0, 65536, (20, 31, 3), dtype=np.uint16))
        frame = Plate.open(tmp_path / f"a{suffix}").read(1)
        np.testing.assert_allclose(frame.rgb(frame.data_window), _linear(pixels / 65535), rtol=_HALF, atol=1e-6)


def test_float_pixels_are_linear(tmp_path: Path, rng: np.random.Generator) -> None:
    pixels = _save(tmp_path / "a.tif", rng.normal(0.5, 3, (20, 31, 3)).astype(np.float32))
    plate = Plate.open(tmp_path / "a.tif")
    assert plate.color.is_linear
    frame = plate.read(1)
    np.testing.assert_allclose(frame.rgb(frame.data_window), pixels, rtol=_HALF, atol=1e-6)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_unassociated_alpha_is_multiplied_after_decoding(tmp_path: Path, rng: np.random.Generator, kind: Any) -> None:
    top = np.iinfo(kind).max
    pixels = rng.integers(0, top, (20, 31, 4), dtype=kind, endpoint=True)
    for suffix in (".png", ".tif"):
        _save(tmp_path / f"a{suffix}", pixels, oiio__UnassociatedAlpha=1)
        frame = Plate.open(tmp_path / f"a{suffix}").read(1)
        alpha = frame.alpha_of(Box(0, 0, 31, 20))
        assert alpha is not None
        np.testing.assert_allclose(alpha, pixels[..., 3] / top, rtol=_HALF, atol=1e-7)
        expected = _linear(pixels[..., :3] / top) * (pixels[..., 3:] / top)
        np.testing.assert_allclose(frame.rgb(frame.data_window), expected, rtol=_HALF, atol=1e-7)


def test_associated_alpha_is_taken_out_before_decoding(tmp_path: Path) -> None:
    pixels = np.full((4, 4, 4), 16000, np.uint16)
    pixels[..., 3] = 32000
    _save(tmp_path / "a.tif", pixels)
    frame = Plate.open(tmp_path / "a.tif").read(1)
    expected = _linear(np.array(0.5)) * 32000 / 65535
    np.testing.assert_allclose(frame.rgb(Box(0, 0, 4, 4)), np.full((4, 4, 3), expected), rtol=_HALF)


def test_an_opaque_alpha_is_kept(tmp_path: Path, eight_bit: np.ndarray) -> None:
    pixels = np.concatenate([eight_bit, np.full_like(eight_bit[..., :1], 255)], axis=2)
    _save(tmp_path / "a.png", pixels, oiio__UnassociatedAlpha=1)
    frame = Plate.open(tmp_path / "a.png").read(1)
    assert (frame.channels["A"] == 1).all()
    np.testing.assert_allclose(frame.rgb(frame.data_window), _linear(eight_bit / 255), rtol=_HALF, atol=1e-7)


def test_grey_becomes_three_channels(tmp_path: Path, eight_bit: np.ndarray) -> None:
    _save(tmp_path / "a.png", eight_bit[..., :1])
    frame = Plate.open(tmp_path / "a.png").read(1)
    np.testing.assert_allclose(
        frame.rgb(frame.data_window), np.repeat(_linear(eight_bit[..., :1] / 255), 3, axis=2), rtol=_HALF, atol=1e-7
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :8, 0], pixels[8:, :8, 1], pixels[:8, 24:, 2] = 255, 255, 255
    _save(tmp_path / "a.tif", pixels, Orientation=orientation)
    frame = Plate.open(tmp_path / "a.tif").read(1)
    upright = OpenImageIO.ImageBufAlgo.reorient(OpenImageIO.ImageBuf(str(tmp_path / "a.tif")))
    expected = upright.get_pixels(OpenImageIO.FLOAT)
    assert expected is not None
    assert (frame.data_window.height, frame.data_window.width) == expected.shape[:2]
    assert np.array_equal(frame.rgb(frame.data_window), expected)


def test_a_turned_jpeg(tmp_path: Path) -> None:
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, :64] = 255
    _save(tmp_path / "a.jpg", pixels, Orientation=6)
    frame = Plate.open(tmp_path / "a.jpg").read(1)
    assert frame.display_window == Box(0, 0, 64, 128)
    seen = frame.rgb(frame.data_window)
    assert seen[:50].min() > 0.9
    assert seen[78:].max() < 0.1


def test_a_dpx_says_what_its_numbers_mean(tmp_path: Path, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 1024, (20, 32, 3), dtype=np.uint16) * 64
    _save(tmp_path / "lin.dpx", pixels, oiio__BitsPerSample=16, oiio__ColorSpace="lin_rec709_scene")
    plate = Plate.open(tmp_path / "lin.dpx")
    assert (plate.color.is_linear, plate.color.known_by) == (True, "attribute")
    frame = plate.read(1)
    np.testing.assert_allclose(frame.rgb(frame.data_window), pixels / 65535, rtol=_HALF, atol=1e-7)
    _save(tmp_path / "log.dpx", pixels, oiio__BitsPerSample=10, oiio__ColorSpace="KodakLog")
    with pytest.raises(ColorError, match="film density") as raised:
        Plate.open(tmp_path / "log.dpx")
    assert "--colorspace" in raised.value.remedy
    frame = Plate.open(tmp_path / "log.dpx", colorspace="ARRI LogC3 (EI800)").read(1)
    expected = colour.models.log_decoding_ARRILogC3((pixels >> 6) / 1023)
    grey = np.abs(pixels.astype(int) - pixels[..., :1].astype(int)).max(axis=2) == 0
    assert not grey.any() or np.allclose(frame.rgb(frame.data_window)[grey], expected[grey], rtol=0.01)
    _save(tmp_path / "none.dpx", pixels, oiio__BitsPerSample=10)
    assert Plate.open(tmp_path / "none.dpx").color.known_by == "default"


def test_a_camera_log_grey_ramp(tmp_path: Path) -> None:
    ramp = np.linspace(6000, 60000, 64).astype(np.uint16)
    _save(tmp_path / "a.png", np.repeat(np.tile(ramp, (4, 1))[..., None], 3, axis=2))
    plate = Plate.open(tmp_path / "a.png", colorspace="ARRI LogC3 (EI800)")
    frame = plate.read(1)
    expected = colour.models.log_decoding_ARRILogC3(ramp / 65535)
    np.testing.assert_allclose(frame.rgb(frame.data_window)[0, :, 1], expected, rtol=2e-3, atol=2e-5)


def test_a_still_becomes_a_linear_exr(tmp_path: Path, eight_bit: np.ndarray) -> None:
    _save(tmp_path / "a.0042.tif", eight_bit, Artist="Zoë", PixelAspectRatio=2.0)
    frame = Plate.open(tmp_path / "a.0042.tif").read(42)
    write_frame(frame, tmp_path / "a.0042.exr")
    plate = Plate.open(tmp_path / "a.0042.exr")
    assert plate.frames == (42,)
    assert (plate.color.name, plate.color.known_by) == ("Linear Rec.709 (sRGB)", "chromaticities")
    header = OpenEXR.File(str(tmp_path / "a.0042.exr"), header_only=True).header()
    assert header["pixelAspectRatio"] == 2.0
    assert header["Artist"] == "Zoë"
    assert np.array_equal(plate.read(42).rgb(frame.data_window), frame.rgb(frame.data_window))


def test_dpx_timecode_and_rate_are_carried_over(tmp_path: Path, eight_bit: np.ndarray) -> None:
    _save(tmp_path / "a.dpx", eight_bit, dpx__TimeCode=0x01020304, smpte__TimeCode="x", dpx__FrameRate=24.0)
    info = Plate.open(tmp_path / "a.dpx").info
    spec = OpenImageIO.ImageInput.open(str(tmp_path / "a.dpx"))
    assert spec is not None
    if spec.spec().get_string_attribute("smpte:TimeCode"):
        assert info.timecode == spec.spec().get_string_attribute("smpte:TimeCode")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".dpx"])
def test_stills_cut_off_are_errors(tmp_path: Path, rng: np.random.Generator, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    _save(path, rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    plate, data = Plate.open(path), path.read_bytes()
    for length in (0, 1, 10, len(data) // 3, len(data) * 2 // 3, len(data) * 9 // 10):
        path.write_bytes(data[:length])
        with pytest.raises(FrameUnreadable, match="cannot be read"):
            plate.read(1)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".dpx"])
def test_text_called_a_picture(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_text("hello")
    with pytest.raises(FrameUnreadable, match="cannot be read"):
        Plate.open(tmp_path / f"a{suffix}")


def test_a_still_whose_name_is_not_utf8_is_a_clear_error(tmp_path: Path, eight_bit: np.ndarray) -> None:
    _save(tmp_path / "a.png", eight_bit)
    try:
        odd = (tmp_path / "a.png").rename(tmp_path / b"\xe9.png".decode("utf-8", "surrogateescape"))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(PlateUnsupported, match=r"\\xe9\.png.*not UTF-8"):
        Plate.open(odd)
