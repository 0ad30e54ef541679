"""The exposure of a shot's model view, measured from skin.

Networks were trained on photographs, in which skin is exposed well; a plate may be stops away from that.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from engine.faces.detect import detect
from engine.faces.mesh import PRESENT, fit_mesh, region_of_detection
from kernels.view import make_view, view

Float32 = NDArray[np.float32]

# Where skin shall lie in exposed linear light, and how far the exposure may go to bring it there.
SKIN_LIGHT = 0.25
EXPOSURE_RANGE = (1.0 / 64.0, 64.0)
# Where the middle of a picture without a face shall lie.
MIDDLE_GREY = 0.18
# Exposures that a face is looked for with, relative to that for middle grey.
TRIALS = (1.0, 4.0, 0.25)
# Bare skin on the mesh: cheeks, nose, chin, between the brows.
SKIN_POINTS = [50, 101, 118, 117, 123, 187, 205, 36, 280, 330, 347, 346, 352, 411, 425, 266]
SKIN_POINTS += [4, 5, 195, 197, 6, 199, 200, 175, 151, 9, 8]
# Weights of linear light (ITU-R BT.709).
REC709_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def measure_exposure(pictures: Iterable[Float32], *, detect_size: int, threshold: float, turned: bool) -> float | None:
    """The gain that brings the skin of the faces in a shot to its place, or None where no face is found.

    pictures: a few frames (h, w, 3) of the shot in linear Rec.709, reduced.
    """
    skins: list[float] = []
    for picture in pictures:
        skins += _skins(picture, detect_size, threshold, turned)
    if not skins:
        return None
    return float(np.clip(SKIN_LIGHT / max(float(np.median(skins)), 1e-9), *EXPOSURE_RANGE))


def grey_exposure(picture: Float32) -> float:
    """The gain that brings the geometric mean of a picture (h, w, 3), linear Rec.709, to middle grey."""
    luminance = picture @ REC709_LUMINANCE
    lit = luminance[np.isfinite(luminance) & (luminance > 1e-6)]
    if lit.size == 0:
        return 1.0
    mean = float(np.exp(np.log(lit.astype(np.float64)).mean()))
    return float(np.clip(MIDDLE_GREY / mean, *EXPOSURE_RANGE))


def _skins(picture: Float32, detect_size: int, threshold: float, turned: bool) -> list[float]:
    """The median luminance of the skin of each face that is not much smaller than the largest."""
    grey = grey_exposure(picture)
    for trial in TRIALS:
        seen = view(picture, make_view(exposure=float(np.clip(grey * trial, *EXPOSURE_RANGE))))
        found: list[tuple[float, float]] = []
        for detection in detect(seen, size=detect_size, threshold=threshold, turned=turned):
            mesh, presence = fit_mesh(seen, region_of_detection(detection))
            if presence >= PRESENT:
                found.append((float(np.ptp(mesh[:, 0])), _skin(picture, mesh)))
        if found:
            largest = max(found)[0]
            return [skin for width, skin in found if width >= largest / 2 and skin > 0.0]
    return []


def _skin(picture: Float32, mesh: NDArray[np.float64]) -> float:
    size = np.array(picture.shape[1::-1])
    points = np.clip(np.floor(mesh[SKIN_POINTS, :2]), 0, size - 1).astype(int)
    samples = picture[points[:, 1], points[:, 0]] @ REC709_LUMINANCE
    samples = samples[np.isfinite(samples)]
    return float(np.median(samples)) if samples.size else 0.0
