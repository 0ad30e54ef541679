"""Colour as a managed project has it, by OpenColorIO; the names are those of Resolve's menus, as far as known [3rd]."""

import functools
from typing import Any

import numpy as np
import PyOpenColorIO
from numpy.typing import NDArray

# The module has no type information.
ocio: Any = PyOpenColorIO

LINEAR = "ACES2065-1"
SPACES = {
    "ACEScg": "ACEScg",
    "ACES (AP0)": "ACES2065-1",
    "ACES (AP1)": "ACEScg",
    "ACEScct": "ACEScct",
    "ACEScc": "ACEScc",
    "DaVinci WG/Intermediate": "DaVinci Intermediate WideGamut",
    "DaVinci WG/Linear": "Linear DaVinci WideGamut",
    "ARRI LogC3": "ARRI LogC3 (EI800)",
    "ARRI LogC4": "ARRI LogC4",
    "Blackmagic Design Film Gen 5": "BMDFilm WideGamut Gen5",
    "Canon Cinema Gamut/Canon Log 2": "CanonLog2 CinemaGamut D55",
    "Canon Cinema Gamut/Canon Log 3": "CanonLog3 CinemaGamut D55",
    "DJI D-Gamut/D-Log": "D-Log D-Gamut",
    "Panasonic V-Gamut/V-Log": "V-Log V-Gamut",
    "REDWideGamutRGB/Log3G10": "Log3G10 REDWideGamutRGB",
    "S-Gamut3/S-Log3": "S-Log3 S-Gamut3",
    "S-Gamut3.Cine/S-Log3": "S-Log3 S-Gamut3.Cine",
    "Apple Log": "Apple Log",
    "Linear": "Linear Rec.709 (sRGB)",
    "Rec.709 Linear": "Linear Rec.709 (sRGB)",
    "P3-D65 Linear": "Linear P3-D65",
    "Rec.2020 Linear": "Linear Rec.2020",
    "Rec.709 (Scene)": "Camera Rec.709",
    "Rec.709 Gamma 2.2": "Gamma 2.2 Encoded Rec.709",
    "Rec.709 Gamma 2.4": "Gamma 2.4 Encoded Rec.709",
    "sRGB": "sRGB Encoded Rec.709 (sRGB)",
}
# What a project that works in ACES calls its transforms.
ACES_SPACES = {
    "ACEScg - CSC": "ACEScg",
    "ACEScct - CSC": "ACEScct",
    "ACEScc - CSC": "ACEScc",
    "ARRI LogC3 - CSC": "ARRI LogC3 (EI800)",
    "ARRI LogC4 - CSC": "ARRI LogC4",
    "No Input Transform": "ACES2065-1",
    "No Output Transform": "ACES2065-1",
    "Rec.709": "Camera Rec.709",
    "sRGB": "sRGB Encoded Rec.709 (sRGB)",
}

Pixels = NDArray[np.float32]


def converted(pixels: Pixels, source: str, target: str) -> Pixels:
    """(height, width, 3) from one of OpenColorIO's colour spaces to another; the same numbers where they are one."""
    if source == target:
        return pixels
    out = np.ascontiguousarray(pixels, np.float32).copy()
    _processor(source, target).applyRGB(out)
    return out


@functools.cache
def _processor(source: str, target: str) -> Any:
    config = ocio.Config.CreateFromBuiltinConfig("studio-config-latest")
    return config.getProcessor(source, target).getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS)
