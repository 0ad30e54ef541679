"""What the resident engine does for its clients: each request of the protocol, answered."""

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from engine import __version__
from engine.errors import ConsentError, FaceplateError, IdentityError, OutputRefused
from engine.events import Event, Progress, shown
from engine.failure import INTERNAL, failure_of
from engine.folders import is_folder
from engine.jobs import JobQueue
from engine.leases import Leases
from engine.models.catalogue import MODELS
from engine.priority import give_way
from engine.provenance.consent import NAME, check_consent, read_consent
from engine.server import Answer
from engine.swappers.references import find_pictures
from engine.turns import Turns
from engine.warm import warm
from engine.wire.messages import (
    VERSION,
    AnyRequest,
    Cancel,
    Done,
    Failure,
    Follow,
    Hello,
    Identities,
    Identity,
    IdentityList,
    JobList,
    Jobs,
    Lease,
    Leased,
    ModelList,
    Models,
    Release,
    Reply,
    Shutdown,
    Solve,
    State,
    Status,
    Submit,
    Swap,
    Welcome,
)

# All pictures that clients share with the engine.
_LEASED_BYTES = 2 << 30
# Folders that are looked at for one list of identities.
_MOST_FOLDERS = 1000
_log = logging.getLogger(__name__)


class Service:
    """The engine behind one server. `stop` is called when a client asks for the end."""

    def __init__(self, stop: Callable[[], None], clients: Callable[[], int]) -> None:
        self._stop, self._count = stop, clients
        self._began = time.monotonic()
        self._turns = Turns()
        self._jobs = JobQueue(self._turns)
        self._leases = Leases(_LEASED_BYTES)
        # What looks at folders and takes pictures, so that it holds up nobody's messages.
        self._lookers = ThreadPoolExecutor(2, "look")
        self._warm = 0.0
        self._warmer = threading.Thread(target=self._make_warm, name="warm", daemon=True)

    def begin(self) -> None:
        """Compile and load in the background what jobs will need."""
        self._warmer.start()

    def close(self) -> None:
        """Cancel every job, and wait until the frames in work are whole."""
        self._jobs.close()
        self._lookers.shutdown()
        self._leases.close()

    def vanished(self, client: bytes) -> None:
        self._jobs.vanished(client)
        self._leases.reclaim(client)

    def handle(self, client: bytes, request: AnyRequest, answer: Answer) -> None:
        match request:
            case Hello(version=version):
                answer(_welcome(version))
            case Solve() | Swap():
                self._jobs.start(request, client, answer)
            case Follow(job=job):
                self._jobs.job(job).follow(answer)
            case Cancel(job=job):
                self._jobs.job(job).cancel()
                answer(Done())
            case Lease():
                picture = request.height, request.width, request.channels, request.pixel, request.colorspace
                answer(Leased(*self._leases.grant(client, *picture)))
            case Submit(lease=lease):
                self._lookers.submit(_answer_with, answer, lambda: self._submitted(client, lease))
            case Release(lease=lease):
                self._leases.release(client, lease)
                answer(Done())
            case Jobs():
                answer(JobList(self._jobs.states()))
            case Status():
                answer(self._state())
            case Models():
                answer(ModelList(tuple(MODELS)))
            case Identities(folder=folder):
                self._lookers.submit(_answer_with, answer, lambda: IdentityList(_identities(folder)))
            case Shutdown():
                answer(Done())
                self._stop()

    def _submitted(self, client: bytes, lease: str) -> Done:
        self._leases.submit(client, lease)
        return Done()

    def _state(self) -> State:
        return State(
            engine=__version__,
            pid=os.getpid(),
            seconds=time.monotonic() - self._began,
            warm=self._warm,
            leased=self._leases.held_bytes,
            clients=self._count(),
            jobs=self._jobs.states(),
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


def _answer_with(answer: Answer, make: Callable[[], Reply]) -> None:
    try:
        answer(make())
    except FaceplateError as error:
        answer(failure_of(error))
    except Exception:  # noqa: BLE001
        # No request stays without an answer; what it met is in the log.
        _log.exception("look")
        answer(INTERNAL)


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
        pictures = len(find_pictures(folder))
    except IdentityError:
        return None
    try:
        return Identity(shown(folder), shown(check_consent(folder).person), pictures, "valid")
    except ConsentError as error:
        message = shown(error.message)
    try:
        person, state = read_consent(folder).person, "expired"
    except ConsentError:
        person, state = "", "unreadable" if os.path.lexists(folder / NAME) else "missing"
    return Identity(shown(folder), shown(person), pictures, state, message)
