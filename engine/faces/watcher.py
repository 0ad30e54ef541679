"""Look at the frames of a plate, one after another, and say which faces are in each.

Only what is needed is converted to float: a reduced copy for the detector, and the surroundings of each face for the
mesh, reduced where the face is large. Both are reduced in linear light and then seen through the model view.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.faces.cuts import Proxy, make_proxy
from engine.faces.detect import LARGEST_ENLARGEMENT, Detection, detect_reduced, overlap
from engine.faces.identity import SAME_PERSON, distance, embed
from engine.faces.linking import LONGEST_GAP, Sighting
from engine.faces.mesh import (
    CROP,
    PRESENT,
    SAME_MESH,
    Region,
    fit_mesh,
    mesh_box,
    region_of_detection,
    region_of_mesh,
)
from engine.geometry import Box
from engine.plates.frame import Frame
from kernels.view import make_view, view

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# The surroundings of a face that are looked at, as a multiple of the crop, and how many crop pixels they keep.
SURROUNDINGS = 1.3
KEPT = 2.0
# What stands for an infinity: the largest half.
HALF_MAX = 65504.0
# A face that the detector missed is followed by its mesh alone only while the mesh is this sure, and is scored so.
FOLLOWED_PRESENT, FOLLOWED_SCORE = 0.8, 0.5


class Reduced(NamedTuple):
    """A copy (h, w, 3) of a frame in plate-linear light, and the (2, 3) matrix from its pixels to the plate's."""

    picture: Float32
    to_plate: Float64


def reduce_frame(frame: Frame, size: int) -> Reduced:
    """The whole data window with its longer side `size` pixels long, or as it is where that would enlarge it much."""
    window = frame.data_window
    scale = min(size / max(window.width, window.height), LARGEST_ENLARGEMENT)
    width, height = max(1, round(window.width * scale)), max(1, round(window.height * scale))
    to_plate = np.array([[window.width / width, 0.0, window.x0], [0.0, window.height / height, window.y0]])
    return Reduced(_resized(frame, window, width, height), to_plate)


class Watcher:
    """Finds the faces of frames that are shown to it in order; remembers those of the frame before."""

    def __init__(
        self, plate_to_rec709: NDArray[np.floating], exposure: float, *, threshold: float = 0.5, turned: bool = False
    ) -> None:
        self._view = make_view(plate_to_rec709, exposure)
        self._threshold = threshold
        self._turned = turned
        self._before: list[tuple[Sighting, int]] = []

    def look(self, frame: Frame, reduced: Reduced) -> tuple[list[Sighting], Proxy]:
        """The faces of a frame, in plate pixels, and what is needed to find cuts. Raises ModelError."""
        seen = view(reduced.picture, self._view)
        faces: list[tuple[Sighting, int]] = []
        for detection in detect_reduced(seen, reduced.to_plate, self._threshold, self._turned):
            sighting = self._sight(frame, self._start(detection), detection.score)
            if sighting is not None and sighting.presence >= PRESENT and not _is_known(sighting, faces):
                faces.append((sighting, 0))
        faces += self._follow(frame, faces)
        self._before = faces
        return [sighting for sighting, _ in faces], make_proxy(reduced.picture, self._view.to_view)

    def _start(self, detection: Detection) -> Region:
        """Where to look first: where this face was in the frame before saves half of the passes."""
        boxes = [mesh_box(sighting.mesh) for sighting, _ in self._before]
        shared = [overlap(box, detection.box) for box in boxes]
        if not shared or max(shared) < SAME_MESH:
            return region_of_detection(detection)
        return region_of_mesh(self._before[int(np.argmax(shared))][0].mesh.astype(np.float64))

    def _follow(self, frame: Frame, found: list[tuple[Sighting, int]]) -> list[tuple[Sighting, int]]:
        """Faces of the frame before that the detector has lost: dark, turned far, or half hidden."""
        followed: list[tuple[Sighting, int]] = []
        for before, age in self._before:
            if age >= LONGEST_GAP or _is_known(before, found):
                continue
            sighting = self._sight(frame, region_of_mesh(before.mesh.astype(np.float64)), FOLLOWED_SCORE)
            if sighting is None or sighting.presence < FOLLOWED_PRESENT or _is_known(sighting, found + followed):
                continue
            if distance(sighting.embedding, before.embedding) < SAME_PERSON:
                followed.append((sighting, age + 1))
        return followed

    def _sight(self, frame: Frame, region: Region, score: float) -> Sighting | None:
        reach = SURROUNDINGS * region.side / 2 * (abs(np.cos(region.angle)) + abs(np.sin(region.angle)))
        box = Box(
            int(np.floor(region.x - reach)),
            int(np.floor(region.y - reach)),
            int(np.ceil(region.x + reach)),
            int(np.ceil(region.y + reach)),
        ).intersect(frame.data_window)
        if box.empty:
            return None
        scale = min(1.0, KEPT * CROP / region.side)
        width, height = max(1, round(box.width * scale)), max(1, round(box.height * scale))
        picture = view(_resized(frame, box, width, height), self._view)
        # Sides are rounded to pixels each on its own; the two scales differ by less than the mesh can tell.
        stretch = np.array([box.width / width, box.height / height])
        x, y = (np.array([region.x, region.y]) - [box.x0, box.y0]) / stretch
        mesh, presence = fit_mesh(picture, Region(float(x), float(y), region.side / stretch.mean(), region.angle))
        embedding = embed(picture, mesh)
        mesh[:, :2] = mesh[:, :2] * stretch + [box.x0, box.y0]
        mesh[:, 2] *= stretch.mean()
        return Sighting(mesh.astype(np.float32), score, presence, embedding)


def _resized(frame: Frame, box: Box, width: int, height: int) -> Float32:
    """The picture inside `box`, plate-linear, averaged down (or enlarged linearly) to (height, width, 3)."""
    picture = frame.rgb(box)
    # One NaN would spread over all the pixels that it is averaged with; looking for one costs less than replacing all.
    with np.errstate(invalid="ignore", over="ignore"):
        broken = not np.isfinite(picture.sum())
    if broken:
        np.nan_to_num(picture, copy=False, nan=0.0, posinf=HALF_MAX, neginf=0.0)
    if (width, height) == (box.width, box.height):
        return picture
    shrinks = width <= box.width and height <= box.height
    kind = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=kind), np.float32)


def _is_known(sighting: Sighting, faces: list[tuple[Sighting, int]]) -> bool:
    box = mesh_box(sighting.mesh)
    return any(overlap(box, mesh_box(other.mesh)) > SAME_MESH for other, _ in faces)
