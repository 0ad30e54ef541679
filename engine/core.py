"""Runs jobs: solve a shot, render its frames. No sockets, no terminal; everything it has to say goes to a `Report`.

Consent is checked before anything else is done, and again before each frame, so that a record that is taken away
stops a job that runs.
"""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from engine.errors import Cancelled, ConsentError, DiskFull, FaceplateError, FrameMissing, TracksError, UsageError
from engine.events import Finished, FrameDone, FrameFailed, FrameSkipped, Notice, Report, Started, shown
from engine.faces.tracks import Tracks
from engine.folders import make_folder
from engine.kept import NOTHING, Keep
from engine.models.used import check_licences
from engine.outputs import Places, find_places, layers_beside
from engine.pipeline import flow
from engine.plates.frame import Frame
from engine.plates.plate import Plate
from engine.plates.sequence import parse_frames, range_text
from engine.plates.write import remove_leftovers, write_frame
from engine.provenance.consent import Consent, check_consent
from engine.render import Renderer, RenderReport, read_identities
from engine.resume import Marks
from engine.shot import Shot
from engine.solved import check_name, find_tracks, solve_to, tracks_file
from engine.swappers.references import Identity

Cancel = Callable[[], bool]

# After one of these every other frame would fail in the same way.
STOPPING = (DiskFull, ConsentError)


def never() -> bool:
    """The `Cancel` of a job that nobody stops."""
    return False


def run(
    shot: Shot,
    report: Report,
    *,
    cancelled: Cancel = never,
    redo: bool = False,
    frames: str = "",
    keep: Keep = NOTHING,
) -> Finished:
    """Do the whole job: solve the shot, or take up its tracks, and render the frames.

    `frames` narrows what is rendered, never what is solved. Frames that are done already are skipped unless `redo`. A
    frame that fails is reported, and the others go on. Raises a `FaceplateError` when nothing can be rendered, and
    `Cancelled`, once the frames in flight are whole, after `cancelled()` became true. Calls `report` from this thread.
    With `keep`, people and solves are taken from there.
    """
    start = time.monotonic()
    consents = check_consents(shot)
    check_licences(shot)
    if shot.tracks:
        check_name(Path(shot.tracks))
    plate = Plate.open(shot.plate.path, shot.plate.frames, shot.plate.colorspace)
    places = find_places(shot.output.path, plate, [Path(entry.identity) for entry in shot.replace])
    # A shot is not solved for a person of whom there is no usable picture.
    identities = read_identities(shot, keep)
    wanted = _wanted(plate, shot, frames)
    make_folder(places.folder)
    remove_leftovers(places.folder, places.names.values())
    report(Started(len(wanted), plate.name, shown(places.folder)))
    present = _present(plate, wanted, report)
    counts = _Counts(failed=len(wanted) - len(present))
    if present:
        tracks = find_tracks(shot, plate, places.folder, report, cancelled, keep)
        job = _Job(shot, plate, places, tracks, identities, Marks(shot, plate, tracks, consents))
        counts = _render(job, present, redo, report, cancelled, counts)
    finished = Finished(counts.done, counts.skipped, counts.failed, time.monotonic() - start)
    report(finished)
    if cancelled():
        there = f"{finished.done + finished.skipped} of {len(wanted)} frames are there, whole"
        raise Cancelled(f"Stopped; {there}.", "The same command goes on from here.")
    return finished


def solve_shot(
    shot: Shot, path: Path | None, report: Report, *, cancelled: Cancel = never, keep: Keep = NOTHING
) -> Tracks:
    """Pass 1 alone: solve the whole shot and save its tracks at `path`; where that is None, where `run` looks for them.

    Raises a `FaceplateError`.
    """
    start = time.monotonic()
    named = str(path or shot.tracks)
    if named:
        check_name(Path(named))
    plate = Plate.open(shot.plate.path, shot.plate.frames, shot.plate.colorspace)
    if path is None:
        folder = find_places(shot.output.path, plate, [Path(entry.identity) for entry in shot.replace]).folder
        path = tracks_file(shot, plate, folder)
    report(Started(len(plate.frames), plate.name, shown(path)))
    tracks = solve_to(path, shot, plate, report, cancelled, keep)
    people = len({track.person for track in tracks.tracks})
    report(Notice("people", f"{people} {'person' if people == 1 else 'people'} in the shot."))
    report(Finished(len(plate.frames), 0, 0, time.monotonic() - start))
    return tracks


def check_consents(shot: Shot) -> list[Consent]:
    """The consent of every person in the recipe.

    Raises `UsageError` where it has none, and `ConsentError` for the first whose consent does not cover today.
    """
    if not shot.replace:
        raise UsageError("The recipe replaces nobody.", "Give an identity folder, or a [[replace]] section.")
    return [check_consent(Path(entry.identity)) for entry in shot.replace]


class _Counts(NamedTuple):
    done: int = 0
    skipped: int = 0
    failed: int = 0


class _Job(NamedTuple):
    shot: Shot
    plate: Plate
    places: Places
    tracks: Tracks
    identities: list[Identity]
    marks: Marks


class _Read(NamedTuple):
    frame: Frame
    milliseconds: float


class _Edited(NamedTuple):
    frame: Frame
    report: RenderReport


def _wanted(plate: Plate, shot: Shot, frames: str) -> list[int]:
    """Frames to look at, in order; those that were asked for by number are among them even if they are missing."""
    if frames:
        return sorted(parse_frames(frames))
    return sorted({*plate.frames, *plate.missing}) if shot.plate.frames else list(plate.frames)


def _present(plate: Plate, wanted: list[int], report: Report) -> list[int]:
    """Those that exist. The others fail where they were asked for; gaps that nobody asked for are only noted."""
    known = set(plate.frames)
    for number in wanted:
        if number not in known:
            report(_failed(number, FrameMissing(f"The plate has no frame {number}.", "Check the range of frames.")))
    unasked = set(plate.missing).difference(wanted)
    if unasked:
        report(Notice("gap", f"The plate has no frames {range_text(unasked)}."))
    return [number for number in wanted if number in known]


def _render(job: _Job, wanted: list[int], redo: bool, report: Report, cancelled: Cancel, counts: _Counts) -> _Counts:
    """Pass 2 over the frames that exist; those that are done already are only reported."""
    todo = []
    for number in wanted:
        path = job.places.path(number)
        if not redo and job.marks.done(number, path, job.plate.path(number)):
            report(FrameSkipped(number, shown(path), "done already, by the same recipe", _layers(job, path)))
        else:
            todo.append(number)
    counts = counts._replace(skipped=len(wanted) - len(todo))
    if not todo or cancelled():
        return counts
    return _render_all(job, todo, report, cancelled, counts)


def _render_all(job: _Job, todo: list[int], report: Report, cancelled: Cancel, counts: _Counts) -> _Counts:
    renderer = Renderer(job.shot, job.tracks, job.plate.color, job.identities)
    for problem in (problem for identity in job.identities for problem in identity.unusable):
        report(Notice(problem.code, shown(str(problem))))
    left = dict.fromkeys(todo)
    halt: FaceplateError | None = None
    outcomes = flow(
        todo,
        read=lambda number: _read(job, renderer, number),
        edit=lambda read: _edit(job, renderer, read),
        write=lambda edited: _write(job, edited),
        stopped=lambda: halt is not None or cancelled(),
    )
    with closing(outcomes):
        for number, result in outcomes:
            del left[number]
            if isinstance(result, FrameDone):
                report(result)
                counts = counts._replace(done=counts.done + 1)
            else:
                report(_failed(number, result))
                counts = counts._replace(failed=counts.failed + 1)
                halt = result if isinstance(result, STOPPING) else halt
    if halt is None:
        return counts
    for number in left:
        report(_failed(number, halt))
    return counts._replace(failed=counts.failed + len(left))


def _read(job: _Job, renderer: Renderer, number: int) -> _Read:
    start = time.perf_counter()
    frame = job.plate.read(number, reach=lambda window: renderer.reach(number, window))
    if number not in job.tracks.frames:
        raise TracksError(f"Frame {number} was not solved.", "Solve the whole plate, or leave the tracks file away.")
    return _Read(frame, _since(start))


def _edit(job: _Job, renderer: Renderer, read: _Read) -> _Edited:
    check_consents(job.shot)
    rendered = renderer.render(read.frame)
    read.frame.attributes.update(job.marks.of(read.frame.number, rendered.faces))
    milliseconds = {"read": read.milliseconds, **rendered.milliseconds}
    return _Edited(read.frame, rendered._replace(milliseconds=milliseconds))


def _write(job: _Job, edited: _Edited) -> FrameDone:
    start = time.perf_counter()
    number = edited.frame.number
    path = job.places.path(number)
    output = job.shot.output
    written = write_frame(edited.frame, path, output.compression, output.chunks, output.layers_in)
    milliseconds = {**edited.report.milliseconds, "write": _since(start)}
    report = edited.report
    told = report.faces, milliseconds, report.pixels, written.in_place, written.note
    return FrameDone(number, shown(path), *told, _layers(job, path))


def _layers(job: _Job, path: Path) -> str:
    """The file of a frame's layers, as events have it."""
    return shown(layers_beside(path, job.shot.output) or "")


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3


def _failed(number: int, error: FaceplateError) -> FrameFailed:
    return FrameFailed(number, error.code, shown(error.message), shown(error.remedy))
