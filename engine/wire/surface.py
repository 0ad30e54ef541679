"""For hosts: where a face lies in every frame of a shot, asked for without waiting."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.wire.contact import Contact
from engine.wire.frames import attach
from engine.wire.messages import FaceTopology, Footage, Geometries, Geometry, Look, Topology
from engine.wire.talk import Talk, converse

_POINT_CACHE = struct.Struct("<12siiffi")


class Surface(NamedTuple):
    """A face in `frames`, one after the other: whether it is `seen` in each, and its `points` (n, 478, 3) there.

    Where it is not seen they are those of the frame before in which it was; at the beginning, of the first one.
    """

    footage: Footage
    topology: FaceTopology
    seen: NDArray[np.bool_]
    points: NDArray[np.float32]


def ask_surface(
    contact: Contact, shot: dict[str, Any], face: str, frames: range, focal: float, take: Callable[[Surface], None]
) -> Callable[[], bool]:
    """Ask for a face as `messages.Geometry` does, for `take`; what tells whether that is over.

    What goes wrong is the contact's error.
    """

    def talk() -> Talk:
        footage = yield Look(shot["plate"])
        topology = yield Topology()
        told: Geometries = yield Geometry(shot, face, frames[0], frames[-1], focal)
        try:
            take(_surface(footage, topology, told, frames))
        finally:
            contact.release(told.lease)

    return converse(contact, talk())


def write_point_cache(path: Path, points: NDArray[np.float32]) -> None:
    """Write points (n, points, 3) of n frames as a PC2 file, which 3D applications read."""
    header = _POINT_CACHE.pack(b"POINTCACHE2", 1, points.shape[1], 0.0, 1.0, len(points))
    path.write_bytes(header + np.ascontiguousarray(points, "<f4").tobytes())


def _surface(footage: Footage, topology: FaceTopology, told: Geometries, frames: range) -> Surface:
    points, every = attach(told, told, writing=False), np.asarray(frames)
    before = np.maximum(np.searchsorted(told.frames, every, "right") - 1, 0)
    return Surface(footage, topology, np.isin(every, told.frames), points[before])
