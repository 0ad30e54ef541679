"""Fit the 478-point mesh to a face, again and again until the crop that it is seen in no longer moves.

MediaPipe's attention mesh (Grishchenko et al., "Attention Mesh: High-fidelity Face Mesh Prediction in Real-time",
2020). The network's answer depends on the crop it is given, and the best crop follows from the answer; one pass from a
detector's box is off by several tenths of a percent of the face's width.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.faces.detect import Detection
from engine.models.session import open_model
from kernels.warp import warp_affine

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

POINTS = 478
# Outer corners of the person's right and left eye, which are level in a crop.
RIGHT_CORNER, LEFT_CORNER = 33, 263
# The points of the canonical mesh; those after it are the irises, and lie inside.
SURFACE = 468

# Under this presence the network itself says that what it was shown is not a face.
PRESENT = 0.5
# Meshes that share more of their boxes than this are one face that was found twice.
SAME_MESH = 0.5

CROP = 192
# The crop is this much larger than the mesh.
MARGIN = 1.5
MOST_PASSES = 5
# The fit has settled when the crop that follows from it is the one that it was seen in, up to this fraction of the
# crop's side, ratio of sides, and turn in radians. A closer match takes more passes and is not steadier (measured on
# grain: 0.09 % of the face's width either way).
SETTLED = 3e-3
# The network's points shift with the crop's place on the pixel grid, by more than grain moves them, and under a slow
# move of the camera that is no noise that smoothing could take away. So the mesh is the mean of eight looks, at these
# shifts (fractions of the side), ratios of sides and turns (radians) about the settled crop. Measured on the demo's two
# plates, against their known camera: 0.115 and 0.112 % of the face's width with one look, 0.042 and 0.044 % with eight.
SHIFT, ZOOM, TURN = 0.025, 0.03, 0.03
LOOKS = tuple((SHIFT * i, SHIFT * j, ZOOM * k, TURN * i * j * k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1))


# The network sees everything this far, in crop pixels, left of where it is: half the difference between a picture's
# mesh and that of its mirror image, mean of 14 portraits (standard deviation 0.11). Up and down cannot be told so.
TO_THE_LEFT = 0.16


class Region(NamedTuple):
    """A square of the picture that a face is looked at in: centre and side in pixels, clockwise turn in radians."""

    x: float
    y: float
    side: float
    angle: float

    def to_picture(self) -> Float64:
        """The (2, 3) matrix from the crop's pixels to the picture's."""
        scale = self.side / CROP
        cosine, sine = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        middle = CROP / 2
        return np.array(
            [
                [cosine, -sine, self.x - middle * (cosine - sine)],
                [sine, cosine, self.y - middle * (sine + cosine)],
            ]
        )


class Fit(NamedTuple):
    """mesh (478, 3): x, y in pixels, z in the same scale, smaller is nearer; presence: is it a face, [0, 1]."""

    mesh: Float64
    presence: float


def fit_mesh(picture: Float32, start: Region, *, passes: int = MOST_PASSES) -> Fit:
    """The mesh of the face near `start` in `picture` (h, w, 3), model view [0, 1]. Raises ModelError.

    Where the first looks say that there is no face, no more are spent on it.
    """
    region = start
    (fit,) = _look_at(picture, [region])
    for _ in range(passes - 1):
        following = region_of_mesh(fit.mesh)
        if _unlike(region, following) < SETTLED:
            break
        region = following
        (fit,) = _look_at(picture, [region])
    if fit.presence < PRESENT:
        return fit
    looks = _look_at(picture, _regions_around(region))
    return Fit(np.mean([look.mesh for look in looks], axis=0), fit.presence)


def region_of_detection(detection: Detection) -> Region:
    """Where to look first for the mesh of a face that was detected."""
    x0, y0, x1, y1 = detection.box
    across = detection.points[1] - detection.points[0]
    angle = float(np.arctan2(across[1], across[0]))
    return Region((x0 + x1) / 2, (y0 + y1) / 2, MARGIN * max(x1 - x0, y1 - y0), angle)


def region_of_mesh(mesh: Float64) -> Region:
    """Where to look for a face whose mesh (478, 3) is roughly known."""
    across = mesh[LEFT_CORNER, :2] - mesh[RIGHT_CORNER, :2]
    angle = float(np.arctan2(across[1], across[0]))
    cosine, sine = np.cos(angle), np.sin(angle)
    upright_to_picture = np.array([[cosine, -sine], [sine, cosine]])
    upright = mesh[:SURFACE, :2] @ upright_to_picture
    low, high = upright.min(0), upright.max(0)
    x, y = upright_to_picture @ ((low + high) / 2)
    return Region(float(x), float(y), MARGIN * float((high - low).max()), angle)


def face_width(mesh: NDArray[np.floating]) -> float:
    """The width of a face in pixels, from the mesh (478, 3): ear to ear through space, so that a turn keeps it."""
    return float(np.linalg.norm(mesh[454].astype(np.float64) - mesh[234]))


def mesh_box(mesh: NDArray[np.floating]) -> Float64:
    """The box (4,) x0, y0, x1, y1 around a mesh (478, 3)."""
    points = mesh[:SURFACE, :2].astype(np.float64)
    return np.concatenate([points.min(0), points.max(0)])


def _regions_around(region: Region) -> list[Region]:
    cosine, sine = np.cos(region.angle) * region.side, np.sin(region.angle) * region.side
    return [
        Region(
            float(region.x + cosine * across - sine * down),
            float(region.y + sine * across + cosine * down),
            region.side * (1.0 + zoom),
            region.angle + turn,
        )
        for across, down, zoom, turn in LOOKS
    ]


def _unlike(first: Region, second: Region) -> float:
    moved = np.hypot(first.x - second.x, first.y - second.y) / second.side
    # An angle may jump by a whole turn; only the way between the two counts.
    turned = abs(np.remainder(first.angle - second.angle + np.pi, 2 * np.pi) - np.pi)
    return float(max(moved, abs(first.side / second.side - 1.0), turned))


def _look_at(picture: Float32, regions: Sequence[Region]) -> list[Fit]:
    """What the network sees in each region; many at once take it less time than one after the other."""
    crops = np.empty((len(regions), 3, CROP, CROP), np.float32)
    for crop, region in zip(crops, regions, strict=True):
        crop[:] = warp_affine(picture, region.to_picture(), (CROP, CROP)).transpose(2, 0, 1)
    landmarks, presence = open_model("facemesh478").run({"input": crops})
    return [
        _fit(points, float(logit), region)
        for points, (logit,), region in zip(landmarks, presence, regions, strict=True)
    ]


def _fit(landmarks: Float32, presence: float, region: Region) -> Fit:
    crop_to_picture = region.to_picture()
    points = landmarks.astype(np.float64) + [TO_THE_LEFT, 0.0, 0.0]
    mesh = np.empty((POINTS, 3))
    mesh[:, :2] = points[:, :2] @ crop_to_picture[:, :2].T + crop_to_picture[:, 2]
    mesh[:, 2] = points[:, 2] * (region.side / CROP)
    return Fit(mesh, float(1.0 / (1.0 + np.exp(-presence))))
