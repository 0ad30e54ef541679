"""What the numbers in a plate mean: its colour space, how that is known, and the way to linear Rec.709.

A scene-linear plate stays in its own primaries and `plate_to_rec709` leads out of them. An encoded one (sRGB, a
camera's log curve) is decoded to linear Rec.709 with OpenColorIO, with $OCIO or the built-in ACES configurations.
"""

import difflib
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import PyOpenColorIO
from numpy.typing import NDArray

from engine.errors import ColorError, UnknownColorspace

# The module has no type information.
ocio: Any = PyOpenColorIO

KnownBy = Literal["option", "attribute", "chromaticities", "default"]
Chromaticities = tuple[float, float, float, float, float, float, float, float]
FloatPixels = NDArray[np.float32]

# Red, green, blue and white as x, y: ITU-R BT.709 and BT.2020, SMPTE ST 2065-1 (AP0), Academy S-2014-004 (AP1),
# SMPTE RP 431-2 primaries with the D65 and the theatre white.
PRIMARIES: dict[str, Chromaticities] = {
    "Linear Rec.709 (sRGB)": (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290),
    "ACES2065-1": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.0770, 0.32168, 0.33767),
    "ACEScg": (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767),
    "Linear Rec.2020": (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290),
    "Linear P3-D65": (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290),
    "Linear P3-DCI": (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
}
_REC709 = "Linear Rec.709 (sRGB)"
_SRGB = "sRGB Encoded Rec.709 (sRGB)"
_CHROMATICITIES_MATCH = 1.5e-3
_PROBE_TOLERANCE = 1e-4
# Names in daily use that the configurations have no alias for.
_SHORT_NAMES = {
    "srgb": _SRGB,
    "linear": _REC709,
    "linear rec.709": _REC709,
    "linear srgb": _REC709,
    "srgb_rec709": _SRGB,
}
# Attributes that name a colour space in so many words: the OpenEXR standard's, then what programs write.
_SPACE_ATTRIBUTES = ("colorInteropID", "colorSpace", "colorspace", "ColorSpace", "oiio:ColorSpace")
# Names that say "linear" and leave the primaries open; the chromaticities know better.
_VAGUE = frozenset({"", "linear", "scene_linear", "raw", "data", "unknown", "default"})
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True, slots=True, eq=False)
class PlateColor:
    """The colour space of a plate.

    `plate_to_rec709` is (3, 3) float64 and acts on the linear pixels that `to_linear` gives. `chromaticities` are those
    of that linear space, or None where only OpenColorIO knows them. `channelwise`: each channel is decoded on its own.
    """

    name: str
    known_by: KnownBy
    is_linear: bool
    plate_to_rec709: NDArray[np.float64]
    chromaticities: Chromaticities | None
    channelwise: bool = True
    decode: Callable[[FloatPixels], None] | None = None
    encode: Callable[[FloatPixels], None] | None = None

    def to_linear(self, rgb: FloatPixels) -> FloatPixels:
        """Plate values (..., 3) float32 as scene-linear float32 of the same shape, unclipped."""
        return _applied(self.decode, rgb)

    def from_linear(self, rgb: FloatPixels) -> FloatPixels:
        """The inverse of `to_linear`."""
        return _applied(self.encode, rgb)

    def decoded(self) -> "PlateColor":
        """The colour of pixels that went through `to_linear`."""
        if self.is_linear:
            return self
        return PlateColor(_REC709, self.known_by, True, self.plate_to_rec709, self.chromaticities)


def plate_color(kind: str, pixel_type: str, attributes: Mapping[str, Any], option: str = "") -> PlateColor:
    """The colour space of a frame whose file is of `kind` (`exr`, `png`, `jpeg`, `tiff`, `dpx`).

    `option` (a name that OpenColorIO knows) wins, then the file's own attribute, its chromaticities, and the default:
    linear Rec.709 for EXR and float pixels, sRGB for whole-number pixels. Raises ColorError for a name that is unknown,
    and for a DPX in film density, whose meaning the file does not say.
    """
    if option:
        return named_color(option, "option")
    stated = _stated(kind, attributes)
    if stated:
        return named_color(stated, "attribute")
    chromaticities = attributes.get("chromaticities")
    if kind == "exr" and chromaticities is not None:
        return from_chromaticities(chromaticities)
    if kind == "exr" or pixel_type in ("half", "float"):
        return LINEAR_REC709
    return named_color(_SRGB, "default")


def from_chromaticities(chromaticities: Sequence[float], known_by: KnownBy = "chromaticities") -> PlateColor:
    """The linear space with these primaries and white. Raises ColorError where they span no colour space."""
    own = tuple(float(value) for value in chromaticities)
    for name, known in PRIMARIES.items():
        if len(own) == 8 and np.allclose(own, known, rtol=0.0, atol=_CHROMATICITIES_MATCH):
            return PlateColor(name, known_by, True, _to_rec709(known), known)
    try:
        if len(own) != 8 or not np.isfinite(own).all():
            raise ValueError
        matrix = _to_rec709(own)
    except (ValueError, ZeroDivisionError, np.linalg.LinAlgError) as error:
        raise ColorError(
            f"The plate's chromaticities {own} are no colour space.", "Name the right one with --colorspace."
        ) from error
    text = " ".join(f"{value:.4g}" for value in own)
    return PlateColor(f"linear, chromaticities {text}", known_by, True, matrix, own)


def named_color(name: str, known_by: KnownBy = "option") -> PlateColor:
    """The colour space of that name or alias in $OCIO or the built-in configurations. Raises ColorError."""
    refused = UnknownColorspace if known_by == "option" else ColorError
    wanted = _SHORT_NAMES.get(name.strip().lower(), name.strip())
    for config in _configs():
        space = config.getColorSpace(wanted) if _is_text(wanted) else None
        if space is not None:
            break
    else:
        raise refused(f"There is no colour space {name.strip()!a}.", _nearest(wanted))
    if space.isData():
        raise refused(f"The colour space {space.getName()} is for data, not for pictures.", "Name the plate's own.")
    return _from_space(config, space, known_by)


def _applied(transform: Callable[[FloatPixels], None] | None, rgb: FloatPixels) -> FloatPixels:
    if transform is None:
        return rgb
    pixels = np.array(rgb, np.float32, order="C", copy=True)
    transform(pixels)
    return pixels


def _stated(kind: str, attributes: Mapping[str, Any]) -> str:
    """The colour space that a file's own attributes name, or nothing."""
    if kind == "exr":
        for key in _SPACE_ATTRIBUTES:
            value = attributes.get(key)
            if isinstance(value, str) and value.strip().lower() not in _VAGUE and _is_known(value):
                return value
        return "ACES2065-1" if attributes.get("acesImageContainerFlag") == 1 else ""
    if kind == "dpx":
        return _dpx_space(str(attributes.get("dpx:Transfer", "")))
    profile = str(attributes.get("ICCProfile:profile_description", "")).lower()
    for words, space in (("display p3", "srgb_p3d65_scene"), ("adobe rgb", "g22_adobergb_scene"), ("srgb", _SRGB)):
        if words in profile:
            return space
    # OpenImageIO says sRGB of any file that says nothing; only another answer comes from the file.
    stated = str(attributes.get("oiio:ColorSpace", ""))
    return (
        stated if _is_known(stated) and stated.lower() not in _VAGUE and not stated.lower().startswith("srgb") else ""
    )


def _dpx_space(transfer: str) -> str:
    match transfer.lower():
        case "linear":
            return _REC709
        case "itu-r 709-4" | "smpte 274m" | "itu-r 601-5 b or g" | "itu-r 601-5 m":
            return "Camera Rec.709"
        case "printing density" | "logarithmic":
            raise ColorError(
                f"The DPX holds film density ({transfer}), and does not say of which film or camera.",
                "Name it with --colorspace, for example ADX10 or 'ARRI LogC3 (EI800)'.",
            )
    return ""


def _is_text(name: str) -> bool:
    return bool(name) and name.isprintable() and "\0" not in name


def _is_known(name: str) -> bool:
    name = name.strip()
    return _is_text(name) and (
        name.lower() in _SHORT_NAMES or any(config.getColorSpace(name) is not None for config in _configs())
    )


def _nearest(name: str) -> str:
    names: dict[str, str] = {}
    for config in _configs():
        for space in config.getColorSpaces():
            if space.isData():
                continue
            for alias in (space.getName(), *space.getAliases()):
                names.setdefault(alias.lower(), space.getName())
    near = difflib.get_close_matches(name.lower(), names, n=8, cutoff=0.5)
    near += [alias for alias in names if name.lower() in alias]
    found = list(dict.fromkeys(names[alias] for alias in near))[:4]
    return (
        f"Did you mean {' or '.join(repr(one) for one in found)}?"
        if found
        else "Try ACEScg, lin_rec709 or srgb_texture."
    )


@functools.lru_cache(maxsize=4)
def _load(where: str) -> Any:
    try:
        return ocio.Config.CreateFromFile(where)
    except (ocio.Exception, ocio.ExceptionMissingFile) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        raise ColorError(f"The OpenColorIO configuration {where!a} cannot be used: {first}", "Check $OCIO.") from error


def _builtin() -> Any:
    return _load("ocio://cg-config-latest")


def _configs() -> list[Any]:
    """$OCIO where it is set, the small built-in configuration, and the one with the cameras."""
    own = os.environ.get("OCIO", "")
    return [*([_load(own)] if own else []), _builtin(), _load("ocio://studio-config-latest")]


def _from_space(config: Any, space: Any, known_by: KnownBy) -> PlateColor:
    name = space.getName()
    try:
        if config in _configs()[-2:]:
            processor = config.getProcessor(name, _REC709)
        else:
            processor = ocio.Config.GetProcessorFromConfigs(config, name, _builtin(), _REC709)
        # The default optimisation replaces logarithms and powers by approximations.
        decode = processor.getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS).applyRGB
        inverse = processor.createGroupTransform()
        inverse.setDirection(ocio.TRANSFORM_DIR_INVERSE)
        encode = config.getProcessor(inverse).getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS).applyRGB
    except (ocio.Exception, ocio.ExceptionMissingFile) as error:
        raise ColorError(
            f"The colour space {name} has no way to linear Rec.709: {error}", "Choose another one."
        ) from error
    matrix = _as_matrix(decode)
    if matrix is not None:
        known = PRIMARIES.get(name)
        return PlateColor(name, known_by, True, matrix if known is None else _to_rec709(known), known)
    return PlateColor(
        name, known_by, False, np.eye(3), PRIMARIES[_REC709], _is_channelwise(decode), decode=decode, encode=encode
    )


def _as_matrix(decode: Callable[[FloatPixels], None]) -> NDArray[np.float64] | None:
    """The matrix that a transform is, or None when it is not linear."""
    probes = np.array(
        [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [0.18] * 3, [4.0, 8.0, 2.0], [-0.1, 0.02, 30]], np.float32
    )
    seen = probes.copy()
    decode(seen)
    matrix = seen[:3].T.astype(np.float64)
    expected = probes @ matrix.T
    return matrix if np.allclose(seen, expected, rtol=_PROBE_TOLERANCE, atol=_PROBE_TOLERANCE) else None


def _is_channelwise(decode: Callable[[FloatPixels], None]) -> bool:
    mixed = np.array([[0.9, 0.1, 0.4], [0.9] * 3, [0.1] * 3, [0.4] * 3], np.float32)
    decode(mixed)
    return np.allclose(mixed[0], np.diag(mixed[1:]), rtol=1e-6, atol=1e-7)


@functools.lru_cache(maxsize=32)
def _to_rec709(chromaticities: Chromaticities) -> NDArray[np.float64]:
    """Linear RGB of these primaries to linear Rec.709, with Bradford adaptation (Lindbloom; ICC.1:2022 annex E)."""
    source_white, target_white = (_xyz(*primaries[6:]) for primaries in (chromaticities, PRIMARIES[_REC709]))
    gain = np.diag((_BRADFORD @ target_white) / (_BRADFORD @ source_white))
    adapt = np.linalg.inv(_BRADFORD) @ gain @ _BRADFORD
    matrix = np.linalg.inv(_to_xyz(PRIMARIES[_REC709])) @ adapt @ _to_xyz(chromaticities)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-9:
        raise ValueError("singular")
    matrix = matrix.astype(np.float64)
    matrix.flags.writeable = False
    return matrix


def _to_xyz(chromaticities: Chromaticities) -> NDArray[np.float64]:
    """Linear RGB to XYZ with the white at Y = 1 (SMPTE RP 177)."""
    columns = np.array([[x, y, 1 - x - y] for x, y in zip(chromaticities[0:6:2], chromaticities[1:6:2], strict=True)]).T
    gains = np.linalg.solve(columns, _xyz(*chromaticities[6:]))
    return (columns * gains).astype(np.float64)


def _xyz(x: float, y: float) -> NDArray[np.float64]:
    return np.array([x / y, 1.0, (1 - x - y) / y])


LINEAR_REC709 = PlateColor(_REC709, "default", True, np.eye(3), PRIMARIES[_REC709])
