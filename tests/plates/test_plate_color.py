from pathlib import Path
from typing import Any

import colour
import numpy as np
import OpenEXR
import pytest

from engine.errors import ColorError, UnknownColorspace, UsageError
from engine.geometry import Box
from engine.plates import Frame, Plate, write_frame
from engine.plates.color import PRIMARIES, from_chromaticities, named_color, plate_color

_COLOUR_NAMES = {
    "Linear Rec.709 (sRGB)": "ITU-R BT.709",
    "ACES2065-1": "ACES2065-1",
    "ACEScg": "ACEScg",
    "Linear Rec.2020": "ITU-R BT.2020",
    "Linear P3-D65": "P3-D65",
    "Linear P3-DCI": "DCI-P3",
}


def _reference(name: str) -> np.ndarray:
    """The matrix to Rec.709 of an independent implementation."""
    source, target = (colour.RGB_COLOURSPACES[one] for one in (_COLOUR_NAMES[name], "ITU-R BT.709"))
    source, target = source.copy(), target.copy()
    for space in (source, target):
        space.use_derived_matrix_RGB_to_XYZ = space.use_derived_matrix_XYZ_to_RGB = True
    return colour.matrix_RGB_to_RGB(source, target, "Bradford")


@pytest.mark.parametrize("name", list(PRIMARIES))
def test_chromaticities_give_the_matrix_that_colour_science_gives(name: str) -> None:
    color = from_chromaticities(np.array(PRIMARIES[name], np.float32).tolist())
    assert (color.name, color.known_by, color.is_linear) == (name, "chromaticities", True)
    np.testing.assert_allclose(color.plate_to_rec709, _reference(name), atol=2e-5)


@pytest.mark.parametrize("name", [name for name in PRIMARIES if name != "Linear P3-DCI"])
def test_names_and_chromaticities_agree(name: str) -> None:
    named = named_color(name)
    assert named.is_linear
    np.testing.assert_allclose(named.plate_to_rec709, _reference(name), atol=2e-4)
    pixels = np.ones((2, 2, 3), np.float32)
    assert named.to_linear(pixels) is pixels


def test_unknown_chromaticities() -> None:
    own = (0.7, 0.3, 0.2, 0.75, 0.14, 0.05, 0.3127, 0.3290)
    color = from_chromaticities(own)
    space = colour.RGB_Colourspace("own", np.reshape(own[:6], (3, 2)), own[6:])
    target = colour.RGB_COLOURSPACES["ITU-R BT.709"].copy()
    target.use_derived_matrix_XYZ_to_RGB = True
    expected = colour.matrix_RGB_to_RGB(space, target, "Bradford")
    np.testing.assert_allclose(color.plate_to_rec709, expected, atol=1e-6)
    assert "0.75" in color.name


@pytest.mark.parametrize(
    "bad", [(0.3,) * 8, (0.0,) * 8, (float("nan"),) * 8, (1, 2, 3), (0.6, 0.3, 0.3, 0.6, 0.1, 0.1, 0.3, 0.0)]
)
def test_chromaticities_that_span_nothing(bad: tuple[float, ...]) -> None:
    with pytest.raises(ColorError, match="chromaticities"):
        from_chromaticities(bad)


@pytest.mark.parametrize(
    ("name", "decode"),
    [("sRGB", lambda v: colour.cctf_decoding(v, function="sRGB")),
     ("srgb_texture", lambda v: colour.cctf_decoding(v, function="sRGB")),
     ("Gamma 2.4 Encoded Rec.709", lambda v: v**2.4),
     ("ARRI LogC3 (EI800)", colour.models.log_decoding_ARRILogC3),
     ("S-Log3 S-Gamut3.Cine", colour.models.log_decoding_SLog3)],
)  # fmt: skip
def test_encoded_spaces_decode_grey_as_colour_science_does_and_back(name: str, decode: Any) -> None:
    grey = np.linspace(0.1, 0.98, 200)
    encoded = np.repeat(grey.astype(np.float32)[:, None], 3, axis=1)
    color = named_color(name)
    assert not color.is_linear
    linear = color.to_linear(encoded)
    np.testing.assert_allclose(linear[:, 1], decode(grey), rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(color.from_linear(linear), encoded, atol=2e-6)
    assert linear.dtype == np.float32


def test_the_option_wins_then_the_attribute_then_the_chromaticities() -> None:
    ap0 = {"chromaticities": PRIMARIES["ACES2065-1"]}
    stated = {**ap0, "colorInteropID": "lin_ap1_scene"}
    for option, attributes, name, known_by in (
        ("lin_rec709", stated, "Linear Rec.709 (sRGB)", "option"),
        ("", stated, "ACEScg", "attribute"),
        ("", {**ap0, "oiio:ColorSpace": "Linear"}, "ACES2065-1", "chromaticities"),
        ("", {**ap0, "oiio:ColorSpace": "no such thing"}, "ACES2065-1", "chromaticities"),
        ("", {"acesImageContainerFlag": 1}, "ACES2065-1", "attribute"),
        ("", {}, "Linear Rec.709 (sRGB)", "default"),
    ):
        color = plate_color("exr", "half", attributes, option)
        assert (color.name, color.known_by) == (name, known_by)


def test_the_profile_of_a_still_counts() -> None:
    color = plate_color("jpeg", "uint8", {"ICCProfile:profile_description": "Display P3"})
    assert (color.name, color.known_by, color.channelwise) == ("sRGB Encoded P3-D65", "attribute", False)
    assert plate_color("png", "uint8", {"oiio:ColorSpace": "g22_rec709_scene"}).name == "Gamma 2.2 Encoded Rec.709"
    assert plate_color("png", "uint8", {"oiio:ColorSpace": "srgb_rec709_scene"}).known_by == "default"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("ACESgc", "ACEScg"),
        ("logc4", "ARRI LogC4"),
        ("rec2020", "Linear Rec.2020"),
        ("\udce9", "ACEScg"),
        ("zzzz", "lin_rec709"),
        # Nearest is Raw, which would be refused as well.
        ("nonsense", "lin_rec709"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UnknownColorspace) as raised:
        named_color(name)
    assert isinstance(raised.value, UsageError)
    assert near in raised.value.remedy
    str(raised.value).encode()


def test_data_is_no_colour() -> None:
    with pytest.raises(ColorError, match="data"):
        named_color("Raw")


def test_an_encoded_exr_is_edited_in_its_own_encoding(tmp_path: Path, rng: np.random.Generator) -> None:
    stored = {name: rng.random((8, 8)).astype(np.float32) for name in "RGB"}
    OpenEXR.File({"type": OpenEXR.scanlineimage, "oiio:ColorSpace": "sRGB"}, dict(stored)).write(
        str(tmp_path / "a.exr")
    )
    plate = Plate.open(tmp_path / "a.exr")
    assert (plate.color.is_linear, plate.color.known_by) == (False, "attribute")
    frame, box = plate.read(1), Box(0, 0, 8, 8)
    linear = frame.rgb(box)
    np.testing.assert_allclose(linear[..., 0], colour.cctf_decoding(stored["R"], function="sRGB"), rtol=1e-4, atol=1e-6)
    changed = np.zeros((8, 8), bool)
    changed[2:4] = True
    frame.replace(box, linear * 0.5, changed)
    np.testing.assert_allclose(frame.rgb(box)[2:4], linear[2:4] * 0.5, rtol=1e-4, atol=1e-6)
    assert np.array_equal(frame.channels["R"][4:], stored["R"][4:])


def test_a_configuration_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCIO", "ocio://studio-config-v1.0.0_aces-v1.3_ocio-v2.1")
    color = named_color("ARRI LogC4")
    assert not color.is_linear
    grey = np.linspace(0.2, 0.9, 50)
    linear = color.to_linear(np.repeat(grey.astype(np.float32)[:, None], 3, axis=1))[:, 1]
    np.testing.assert_allclose(linear, colour.models.log_decoding_ARRILogC4(grey), rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(named_color("ACEScg").plate_to_rec709, _reference("ACEScg"), atol=2e-4)
    monkeypatch.setenv("OCIO", str(tmp_path / "missing.ocio"))
    with pytest.raises(ColorError, match="OpenColorIO"):
        named_color("ACEScg")


def test_default_needs_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setenv("OCIO", str(tmp_path / "missing.ocio"))
    frame = Frame.new(1, {name: rng.random((4, 4)).astype(np.float16) for name in "RGB"}, Box(0, 0, 4, 4))
    write_frame(frame, tmp_path / "a.exr")
    assert Plate.open(tmp_path / "a.exr").color.known_by == "default"
