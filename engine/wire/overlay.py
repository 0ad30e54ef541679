"""For hosts: what is drawn over footage, the meshes of its faces and its matte, fetched without waiting."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.wire.contact import Contact
from engine.wire.errors import EngineError
from engine.wire.frames import attach
from engine.wire.messages import (
    FaceList,
    Faces,
    FaceTopology,
    Footage,
    Geometries,
    Geometry,
    Look,
    Preview,
    Previewed,
    Reply,
)
from engine.wire.recipe import solved_part

# Frames whose meshes are fetched at once, about a megabyte; pixels of a matte for the screen, at most, either way.
_BLOCK, _MOST = 200, 512
_TINT = (1.0, 0.15, 0.1, 0.25)


class Overlays:
    """The overlay of each piece of footage, by a key of the host's. For one thread."""

    def __init__(self, contact: Contact) -> None:
        self._contact = contact
        self._overlays: dict[object, Overlay] = {}

    def of(self, key: object, shot: dict[str, Any]) -> "Overlay | None":
        """The overlay for a recipe as it is now; None until the engine has told of its footage and its faces."""
        footage, found = self._contact.known(Look(shot["plate"])), self._contact.known(Faces(solved_part(shot)))
        if found is None or not isinstance(footage, Footage):
            return None
        over = self._overlays.get(key)
        # What it holds is good for as long as the engine's answer stays the same.
        if over is None or over.found is not found:
            over = self._overlays[key] = Overlay(self._contact, f"overlay {key}", footage, found)
        over.shot = shot
        return over

    def clear(self) -> None:
        self._overlays.clear()


class Overlay:
    """What is known of one solve of a shot; `faces` are the numbers of those that were found."""

    def __init__(self, contact: Contact, scrub: str, footage: Footage, found: Reply) -> None:
        self.footage, self.found = footage, found
        self.faces = [face.number for face in found.faces] if isinstance(found, FaceList) else []
        self.shot: dict[str, Any] = {}
        self._contact, self._scrub = contact, scrub
        self._meshes: dict[tuple[int, int], dict[int, NDArray[np.float32]]] = {}
        self._asked: Preview | None = None
        self._matte: tuple[int, NDArray[np.float32]] | None = None

    def mesh(self, face: int, number: int) -> NDArray[np.float32] | None:
        """The points of a face in a frame, (478, 3) in plate pixels; None until they have come, and where none are."""
        block = number // _BLOCK
        # To ask without an engine would start one.
        if (face, block) not in self._meshes and self._contact.state == "connected":
            first, kept = block * _BLOCK, self._meshes.setdefault((face, block), {})

            def take(told: Reply) -> None:
                if isinstance(told, Geometries) and (points := self._taken(told)) is not None:
                    kept.update(zip(told.frames, points, strict=True))

            self._contact.ask(Geometry(solved_part(self.shot), str(face), first, first + _BLOCK - 1), take)
        return self._meshes.get((face, block), {}).get(number)

    def tint(self, number: int) -> NDArray[np.float32] | None:
        """The matte of a frame as a picture (height, width, 4) for the screen, the bottom row first, reduced in size.

        None until it has come, and the same array while it stays. It is asked for again where the recipe has changed.
        """
        asked = Preview(self.shot, number, "matte", scrub=self._scrub, rows="up")
        if asked != self._asked and self._contact.state == "connected":
            self._asked = asked
            self._contact.ask(asked, self._take_matte)
        return self._matte[1] if self._matte is not None and self._matte[0] == number else None

    def _take_matte(self, told: Reply) -> None:
        if isinstance(told, Previewed):
            matte = self._taken(told, -(-max(told.width, told.height) // _MOST))
            if matte is not None:
                self._matte = told.frame, _tinted(matte)

    def _taken(self, told: Geometries | Previewed, step: int = 1) -> NDArray[np.float32] | None:
        """A copy of what was leased, or of each so many of its rows and columns; None where it is gone."""
        try:
            return attach(told, told, writing=False)[::step, ::step].copy()
        except EngineError:
            return None
        finally:
            self._contact.release(told.lease)


def lines_of(topology: FaceTopology) -> tuple[Any, Any]:
    """Between which points there are lines, int32 (n, 2): the edges of the triangles, and the rings."""
    return _lines(topology.triangles, tuple(topology.rings.values()))


@cache
def _lines(triangles: tuple[tuple[int, int, int], ...], rings: tuple[tuple[int, ...], ...]) -> tuple[Any, Any]:
    edges = {(min(pair), max(pair)) for a, b, c in triangles for pair in ((a, b), (b, c), (c, a))}
    closed = [pair for ring in rings for pair in zip(ring, ring[1:] + ring[:1], strict=True)]
    return np.array(sorted(edges), np.int32), np.array(closed, np.int32)


def _tinted(matte: NDArray[np.float32]) -> NDArray[np.float32]:
    """A matte (height, width, 1) as a picture: a tint, and more of it along the middle of its edge."""
    picture = np.empty((*matte.shape[:2], 4), np.float32)
    picture[..., :3] = _TINT[:3]
    picture[..., 3:] = _TINT[3] * matte + 6.0 * np.square(matte * (1.0 - matte))
    return picture
