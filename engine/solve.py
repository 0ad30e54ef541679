"""The first pass: look at a whole shot, in order, and write down every face in it.

A reader thread is a few frames ahead; finding faces is the work of the caller's thread. Linking, bridging and smoothing
follow when all frames were seen, because they look both ways in time.
"""

import itertools
import math
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import Cancelled, PlateError
from engine.events import Notice, Progress, Report, shown
from engine.faces.bridging import bridge
from engine.faces.cuts import Proxy, find_cuts
from engine.faces.exposure import grey_exposure, measure_exposure
from engine.faces.linking import Chain, Sighting, link, people
from engine.faces.pose import fit_pose
from engine.faces.smoothing import smooth_meshes
from engine.faces.tracks import Track, Tracks
from engine.faces.watcher import Reduced, Watcher, reduce_frame
from engine.geometry import Box
from engine.plates.color import PlateColor
from engine.plates.frame import Frame
from engine.shot import Solve

# Frames, spread over the shot, that the exposure is measured on.
EXPOSURE_FRAMES = 5
# Frames that the reader may be ahead.
AHEAD = 2


class Footage(Protocol):
    """What can be solved: a plate, or frames that are in memory already, in order."""

    @property
    def name(self) -> str: ...

    @property
    def frames(self) -> Sequence[int]: ...

    @property
    def color(self) -> PlateColor: ...

    @property
    def display_window(self) -> Box: ...

    def read(self, frame: int, picture_only: bool = False) -> Frame:
        """A frame's picture. Raises PlateError."""
        ...


class _Read(NamedTuple):
    """A frame as the reader leaves it, or why it cannot be read."""

    number: int
    frame: Frame | None
    reduced: Reduced | None
    error: PlateError | None


class _Seen(NamedTuple):
    """What the whole shot held: one entry for each frame that could be read."""

    indices: list[int]
    sightings: list[list[Sighting]]
    proxies: list[Proxy]


def solve(plate: Footage, settings: Solve, report: Report, cancelled: Callable[[], bool]) -> Tracks:
    """The tracks of all faces in the plate; none is not an error here.

    `report` gets Progress and Notice events from the caller's thread; `cancelled` is asked once a frame. A frame that
    cannot be read is a gap and a Notice. Raises Cancelled; PlateError when no frame at all can be read; ModelError.
    """
    exposure = _exposure(plate, settings, report, cancelled)
    watcher = Watcher(
        plate.color.plate_to_rec709, exposure, threshold=settings.detect_threshold, turned=settings.turned
    )
    seen = _watch(plate, settings, watcher, report, cancelled)
    if not any(seen.sightings):
        report(Notice("no-face", f"No face was found in the plate {shown(plate.name)}."))
    cuts = find_cuts(seen.proxies)
    steps = _steps(plate.frames)
    chains = link(seen.sightings, [steps[index] for index in seen.indices], cuts)
    tracks = [
        _track(number, person, chain, plate.frames, steps, settings.smoothing)
        for number, (chain, person) in enumerate(zip(chains, people(chains), strict=True))
    ]
    display = plate.display_window
    return Tracks(
        plate=shown(plate.name),
        frames=tuple(plate.frames),
        size=(display.width, display.height),
        exposure=exposure,
        cuts=tuple(plate.frames[seen.indices[cut]] for cut in cuts),
        tracks=tuple(tracks),
    )


def _exposure(plate: Footage, settings: Solve, report: Report, cancelled: Callable[[], bool]) -> float:
    """The exposure of the whole shot: from skin, else from the middle of the pictures."""
    to_rec709 = plate.color.plate_to_rec709.astype(np.float32)
    count = min(EXPOSURE_FRAMES, len(plate.frames))
    chosen = sorted({int(index) for index in np.linspace(0, len(plate.frames) - 1, count).round()})
    greys: list[float] = []

    def pictures() -> Iterator[NDArray[np.float32]]:
        for index in chosen:
            _stop_if(cancelled)
            read = _read(plate, plate.frames[index], settings.detect_size)
            if read.reduced is not None:
                picture = read.reduced.picture @ to_rec709.T
                greys.append(grey_exposure(picture))
                yield picture

    measured = measure_exposure(
        pictures(),
        detect_size=settings.detect_size,
        threshold=settings.detect_threshold,
        turned=settings.turned,
    )
    if measured is not None:
        return measured
    if greys:
        report(Notice("exposure-from-picture", "The exposure was measured without a face, from the whole picture."))
        return float(np.median(greys))
    return 1.0


def _watch(plate: Footage, settings: Solve, watcher: Watcher, report: Report, cancelled: Callable[[], bool]) -> _Seen:
    seen = _Seen([], [], [])
    failure: PlateError | None = None
    with closing(_frames(plate, settings.detect_size)) as frames:
        for index, read in enumerate(frames):
            _stop_if(cancelled)
            if read.frame is None or read.reduced is None:
                failure = failure or read.error
                report(Notice("frame-unreadable", f"Frame {read.number} is left out: {read.error}"))
            else:
                sightings, proxy = watcher.look(read.frame, read.reduced)
                seen.indices.append(index)
                seen.sightings.append(sightings)
                seen.proxies.append(proxy)
            report(Progress("solve", read.number, index + 1, len(plate.frames)))
    if failure is not None and not seen.indices:
        raise failure
    return seen


def _frames(plate: Footage, size: int) -> Generator[_Read, None, None]:
    """The plate's frames in order, read by a thread that is at most AHEAD frames ahead; close it when leaving early."""
    pending: deque[Future[_Read]] = deque()
    with ThreadPoolExecutor(1, "plate reader") as reader:
        try:
            numbers = iter(plate.frames)
            pending.extend(reader.submit(_read, plate, number, size) for number in itertools.islice(numbers, AHEAD))
            while pending:
                read = pending.popleft().result()
                pending.extend(reader.submit(_read, plate, number, size) for number in itertools.islice(numbers, 1))
                yield read
        finally:
            for future in pending:
                future.cancel()


def _read(plate: Footage, number: int, size: int) -> _Read:
    try:
        frame = plate.read(number, picture_only=True)
        return _Read(number, frame, reduce_frame(frame, size), None)
    except PlateError as error:
        return _Read(number, None, None, error)


def _track(
    number: int, person: int, chain: Chain, frames: Sequence[int], steps: Sequence[int], smoothing: float
) -> Track:
    filled = bridge(chain, steps)
    meshes = smooth_meshes(filled.meshes, filled.steps, filled.bridged, smoothing)
    frame_of_step = dict(zip(steps, frames, strict=True))
    return Track(
        id=number,
        person=person,
        frames=np.array([frame_of_step[int(step)] for step in filled.steps], np.int32),
        mesh=meshes.astype(np.float32),
        pose=np.array([fit_pose(mesh).angles for mesh in meshes], np.float32),
        confidence=filled.confidence.astype(np.float32),
        bridged=filled.bridged,
        identity=chain.identity(),
    )


def _steps(frames: Sequence[int]) -> list[int]:
    """Where frames lie in time, counted in the plate's own step: a gap in the range is a gap in time."""
    step = math.gcd(*(after - before for before, after in itertools.pairwise(frames))) or 1
    return [(frame - frames[0]) // step for frame in frames]


def _stop_if(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled("The solve was stopped.", "Nothing was written; start it again to solve the plate.")
