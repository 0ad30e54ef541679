"""What the resident engine does for its clients: each request of the protocol, answered."""

import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from engine import __version__, recipe
from engine.errors import Cancelled, ConsentError, FaceplateError, IdentityError, OutputRefused
from engine.events import Event, Progress, shown
from engine.folders import is_folder
from engine.footage import faces, footage, geometry, topology
from engine.jobs import JobQueue
from engine.kept import Kept
from engine.leases import Leases
from engine.lookers import Lookers
from engine.models.catalogue import FOLDER, MODELS
from engine.models.pool import POOL
from engine.models.session import providers
from engine.preview_queue import PreviewQueue
from engine.priority import give_way
from engine.provenance.consent import NAME, check_consent, read_consent
from engine.server import Answer
from engine.swappers.references import find_pictures
from engine.turns import Turns
from engine.warm import warm
from engine.web.pages import Pages, asking
from engine.wire.messages import (
    VERSION,
    AnyRequest,
    Cancel,
    Done,
    FaceList,
    Faces,
    Failure,
    Follow,
    Geometries,
    Geometry,
    Hello,
    Identities,
    Identity,
    IdentityList,
    JobList,
    Jobs,
    Lease,
    Leased,
    Look,
    Model,
    ModelList,
    Models,
    Preview,
    Release,
    Reply,
    Review,
    Shutdown,
    Solve,
    State,
    Status,
    Submit,
    Swap,
    Topology,
    Welcome,
)

# Of the engine's memory, the part for pictures that clients share with it.
_LEASED = 0.4
_log = logging.getLogger(__name__)

# Folders that are looked at for one list of identities.
_MOST_FOLDERS = 1000


class Service:
    """The engine behind one server. `stop` is called when a client asks for the end."""

    def __init__(self, stop: Callable[[], None], clients: Callable[[], Collection[bytes]], limit: int) -> None:
        """`limit` bytes are for what is kept and for shared pictures; jobs need more, for the frames in work."""
        self._stop, self._clients, self._limit = stop, clients, limit
        self._began = time.monotonic()
        self._process = psutil.Process()
        self._turns = Turns()
        self._leases = Leases(round(limit * _LEASED))
        self._kept = Kept(limit - round(limit * _LEASED))
        self._jobs = JobQueue(self._turns, self._kept)
        self._previews = PreviewQueue(self._turns, self._leases, self._kept)
        self._pages = Pages(asking(self.handle), self._let_go)
        # What looks at folders and footage, and what takes pictures, in the order they came: neither holds up messages.
        self._lookers, self._takers = Lookers(2), Lookers(1)
        self._warm = 0.0
        self._warmer = threading.Thread(target=self._make_warm, name="warm", daemon=True)

    def begin(self) -> None:
        """Compile and load in the background what jobs will need."""
        self._warmer.start()

    def close(self) -> None:
        """Cancel every job, and wait until the frames in work are whole."""
        self._pages.close()
        self._previews.close()
        self._jobs.close()
        self._lookers.close()
        self._takers.close()
        self._leases.close()

    def vanished(self, client: bytes) -> None:
        self._pages.vanished(client)
        self._let_go(client)

    def _let_go(self, client: bytes) -> None:
        """Do nothing more for a client that has gone."""
        self._jobs.vanished(client)
        self._previews.vanished(client)
        self._leases.reclaim(client)

    def handle(self, client: bytes, request: AnyRequest, answer: Answer) -> None:
        match request:
            case Hello(version=version):
                answer(_welcome(version))
            case Solve() | Swap():
                self._jobs.start(request, client, answer)
            case Review():
                self._pages.start(request, client, answer)
            case Preview():
                self._previews.start(request, client, answer)
            case Follow(job=job):
                self._jobs.job(job).follow(answer)
            case Cancel(job=job):
                self._jobs.job(job).cancel()
                answer(Done())
            case Lease():
                picture = request.height, request.width, request.channels, request.pixel, request.colorspace
                answer(Leased(*self._leases.grant(client, *picture)))
            case Submit(lease=lease):
                self._takers.look(answer, lambda: self._submitted(client, lease))
            case Release(lease=lease):
                self._leases.release(client, lease)
                answer(Done())
            case Jobs():
                answer(JobList(self._jobs.states()))
            case Status():
                answer(self.state())
            case Models():
                answer(ModelList(_models()))
            case Identities(folder=folder):
                self._look(client, answer, lambda: IdentityList(_identities(folder)))
            case Look(plate=plate):
                self._look(client, answer, lambda: footage(plate))
            case Faces(shot=shot):
                self._look(client, answer, lambda: self._faces(shot))
            case Geometry():
                self._look(client, answer, lambda: self._geometries(client, request))
            case Topology():
                answer(topology())
            case Shutdown():
                answer(Done())
                self._stop()

    def _submitted(self, client: bytes, lease: str) -> Done:
        self._leases.submit(client, lease)
        return Done()

    def _look(self, client: bytes, answer: Answer, make: Callable[[], Reply]) -> None:
        self._lookers.look(answer, make, wanted=lambda: self._is_there(client))

    def _is_there(self, client: bytes) -> bool:
        return client in self._clients() or client in self._pages

    def _faces(self, shot: dict[str, Any]) -> FaceList:
        # Thumbnails are made by kernels.
        with self._turns.turn(urgent=True):
            return FaceList(faces(recipe.parse(shot), self._kept))

    def _geometries(self, client: bytes, asked: Geometry) -> Geometries:
        shot = recipe.parse(asked.shot)
        # A face may be named by a photo, which a network has to look at.
        with self._turns.turn(urgent=True):
            frames, meshes = geometry(shot, asked.face, asked.first, asked.last, asked.focal, self._kept)
        height, width, channels = meshes.shape
        granted = self._leases.grant(client, height, width, channels, "float32")
        if not self._is_there(client):
            # It vanished meanwhile, and nobody would take the lease back.
            self._leases.reclaim(client)
            raise Cancelled("Nobody waits for the geometry any more.")
        np.copyto(self._leases.picture(client, granted.lease), meshes)
        return Geometries(*granted, height, width, channels, "float32", frames)

    def state(self) -> State:
        """How the engine is. For any thread."""
        return State(
            engine=__version__,
            pid=os.getpid(),
            seconds=time.monotonic() - self._began,
            warm=self._warm,
            leased=self._leases.held_bytes,
            clients=len(self._clients()),
            jobs=self._jobs.states(),
            kept=self._kept.bytes,
            limit=self._limit,
            previews=len(self._previews),
            memory=self._process.memory_info().rss,
            networks=POOL.held_bytes,
            provider=next(iter(providers().values()), ""),
        )

    def _make_warm(self) -> None:
        def report(event: Event) -> None:
            if isinstance(event, Progress):
                self._warm = event.done / event.total
            # Whoever has a job goes first.
            self._turns.pass_on()

        give_way()
        try:
            with self._turns.turn():
                warm(report)
        except FaceplateError:
            # What is wrong with a model is the answer to the first job that needs it.
            return


def _welcome(version: int) -> Welcome | Failure:
    if version != VERSION:
        return Failure(
            "protocol", f"This engine speaks protocol {VERSION}, the client {version}.", "Update the older of the two."
        )
    return Welcome(VERSION, __version__, os.getpid(), color_config=shown(os.environ.get("OCIO", "")))


def _models() -> tuple[Model, ...]:
    """Every bundled network; one whose file is missing has no bytes."""
    opened = providers()
    return tuple(
        Model(name, spec.licence, spec.origin, _size_of(FOLDER / spec.file), name in opened)
        for name, spec in MODELS.items()
    )


@functools.cache
def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _identities(folder: str) -> tuple[Identity, ...]:
    """The folders below `folder` that hold pictures, and what their consent says today. Raises OutputRefused."""
    path = Path(folder)
    if "\0" in folder or not is_folder(path):
        raise OutputRefused(f"There is no folder {shown(folder)}.", "Check the path.")
    try:
        folders = sorted(child for child in path.iterdir() if child.is_dir())[:_MOST_FOLDERS]
    except OSError as error:
        raise OutputRefused(f"{shown(folder)} cannot be read: {error.strerror}.", "Check its permissions.") from error
    return tuple(found for child in folders if (found := _identity(child)) is not None)


def _identity(folder: Path) -> Identity | None:
    try:
        pictures = find_pictures(folder)
    except IdentityError:
        return None
    person, state, message = _consent_of(folder)
    return Identity(shown(folder), person, len(pictures), state, message, shown(pictures[0]))


def _consent_of(folder: Path) -> tuple[str, str, str]:
    """Whose it is, its state, and what is wrong with it."""
    try:
        return shown(check_consent(folder).person), "valid", ""
    except ConsentError as error:
        message = shown(error.message)
    try:
        return shown(read_consent(folder).person), "expired", message
    except ConsentError:
        return "", "unreadable" if os.path.lexists(folder / NAME) else "missing", message
