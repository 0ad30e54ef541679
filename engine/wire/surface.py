"""For hosts: where a face lies in every frame of a shot, asked for without waiting."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.wire.contact import Contact, failure_of
from engine.wire.errors import EngineError
from engine.wire.frames import attach
from engine.wire.messages import FaceTopology, Failure, Footage, Geometries, Geometry, Look, Release, Reply, Topology

_POINT_CACHE = struct.Struct("<12siiffi")


class Surface(NamedTuple):
    """A face in frames of `footage`, one after the other: whether it is `seen` in each, and its `points` (n, 478, 3).

    Where it is not seen they are those of the frame before in which it was; at the beginning, of the first one.
    """

    topology: FaceTopology
    footage: Footage
    seen: NDArray[np.bool_]
    points: NDArray[np.float32]


def ask_surface(
    contact: Contact, shot: dict[str, Any], face: str, frames: range, focal: float, take: Callable[[Surface], None]
) -> Callable[[], bool]:
    """Ask for a face as `messages.Geometry` does, for `take`; what tells whether that is over.

    What goes wrong is the contact's error.
    """
    ended: list[Reply] = []

    def failed(failure: Failure) -> None:
        contact.error = failure
        ended.append(failure)

    def looked(reply: Reply) -> None:
        match reply:
            case Footage():
                contact.ask(Topology(), lambda told: topology(reply, told))
            case Failure():
                failed(reply)

    def topology(footage: Footage, reply: Reply) -> None:
        match reply:
            case FaceTopology():
                wanted = Geometry(shot, face, frames[0], frames[-1], focal)
                contact.ask(wanted, lambda told: geometry(reply, footage, told))
            case Failure():
                failed(reply)

    def geometry(known: FaceTopology, footage: Footage, reply: Reply) -> None:
        match reply:
            case Geometries():
                try:
                    take(_surface(known, footage, reply, frames))
                except EngineError as error:
                    failed(failure_of(error))
                contact.ask(Release(reply.lease))
                ended.append(reply)
            case Failure():
                failed(reply)

    contact.ask(Look(shot["plate"]), looked)
    return lambda: bool(ended)


def write_point_cache(path: Path, points: NDArray[np.float32]) -> None:
    """Write points (n, points, 3) of n frames as a PC2 file, which 3D applications read."""
    header = _POINT_CACHE.pack(b"POINTCACHE2", 1, points.shape[1], 0.0, 1.0, len(points))
    path.write_bytes(header + np.ascontiguousarray(points, "<f4").tobytes())


def _surface(topology: FaceTopology, footage: Footage, told: Geometries, frames: range) -> Surface:
    points, every = attach(told, told, writing=False), np.asarray(frames)
    before = np.maximum(np.searchsorted(told.frames, every, "right") - 1, 0)
    return Surface(topology, footage, np.isin(every, told.frames), points[before])
