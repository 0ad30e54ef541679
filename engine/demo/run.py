"""`faceplate demo`: makes a plate and an identity, swaps as a user would, and says what became of it."""

import time
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from engine import core
from engine.demo.measure import Numbers, Seen, compare, observe
from engine.demo.photos import PHOTOS, Photo, build_scene
from engine.demo.pictures import write_contact_sheet, write_watch
from engine.demo.plate import DISPLAY, FIRST_FRAME, write_plate
from engine.errors import Cancelled, NoFace, OutputError, UsageError
from engine.events import Event, Finished, FrameDone, Progress, Report, Started
from engine.faces.analyse import Face, analyse_picture
from engine.faces.tracks import Tracks
from engine.geometry import Box
from engine.plates.plate import Plate
from engine.provenance.consent import Consent, write_consent
from engine.shot import Output, Replace, Shot
from engine.shot import Plate as PlateSettings

DEFAULT_OUTPUT = Path("faceplate-demo")
DEFAULT_FRAMES = 24
# The close-up of the contact sheet, in plate pixels.
CLOSE = (560, 315)


class Measured(msgspec.Struct, frozen=True):
    """What the demo prints, and writes as report.json.

    `milliseconds` are for one frame, by stage: medians, but for the solve, which is the mean over the shot. `seconds`
    are for the whole swap, with everything that is done or compiled only once.
    """

    plate: str
    identity: str
    frames: int
    faces: int
    seconds: float
    milliseconds: dict[str, float]
    numbers: Numbers


def main(
    output: Path = DEFAULT_OUTPUT,
    frames: int = DEFAULT_FRAMES,
    report: Report = lambda event: None,
    *,
    cancelled: core.Cancel = core.never,
    plate: str = "astronaut",
    identity: str = "hopper",
    console: Console | None = None,
) -> int:
    """Run the demo into the folder `output`; returns the exit status, 1 if a frame failed.

    `plate` and `identity` are keys of `PHOTOS`. The table goes to `console`, by default standard output. Raises
    FaceplateError.
    """
    if frames < 1:
        raise UsageError("A plate has at least one frame.", "Ask for --frames 1 or more.")
    target, source = PHOTOS[plate], PHOTOS[identity]
    try:
        for folder in ("plate", "identity"):
            (output / folder).mkdir(parents=True, exist_ok=True)
        write_identity(source, output / "identity")
        # Tracks from an earlier run belong to another plate.
        (output / "shot.tracks").unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"The demo cannot write there: {error.strerror or error}.", "Choose another place."
        ) from error
    for number in write_plate(build_scene(target), target, output / "plate", frames):
        report(Progress("plate", number, number - FIRST_FRAME + 1, frames))
        if cancelled():
            raise Cancelled("Stopped while the plate was made.")
    job = _Job(report)
    core.run(demo_shot(output, frames), job, cancelled=cancelled, redo=True)
    if not job.done or job.failed:
        return 1
    measured = _look(output, target, source, job, report)
    (output / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(measured), indent=2) + b"\n")
    (console or Console()).print(
        _table(measured), f"Look at {output / 'contact_sheet.png'} and {output / 'watch.webp'}"
    )
    return 0


def demo_shot(output: Path, frames: int) -> Shot:
    """The recipe that a user would have asked for on the command line."""
    return Shot(
        tracks=str(output / "shot.tracks"),
        plate=PlateSettings(path=str(output / "plate"), frames=f"{FIRST_FRAME}-{FIRST_FRAME + frames - 1}"),
        replace=(Replace(identity=str(output / "identity")),),
        output=Output(path=str(output / "result"), layers=("patch", "matte", "stmap")),
    )


def write_identity(photo: Photo, folder: Path) -> None:
    """Write the photo as it came into `folder`, which exists, and a consent record that says why it may be used."""
    folder.joinpath(photo.key).with_suffix(Path(photo.member).suffix).write_bytes(photo.file_bytes())
    consent = Consent(
        person=photo.person,
        scope="The demo of Faceplate, to show and to test the software.",
        granted_by="Nobody needs to: a public-domain picture of a public person, used to demonstrate software.",
        until=date(2099, 12, 31),
        note=photo.origin,
    )
    write_consent(folder, consent)


class _Job:
    """A `Report` that passes events on, and keeps what the table needs."""

    def __init__(self, report: Report) -> None:
        self.done: list[FrameDone] = []
        self.failed = 0
        self.seconds = 0.0
        self.solve_seconds = 0.0
        self._report = report
        self._started = 0.0

    def __call__(self, event: Event) -> None:
        match event:
            case Started():
                self._started = time.monotonic()
            case Progress():
                self.solve_seconds = time.monotonic() - self._started
            case FrameDone():
                self.done.append(event)
            case Finished():
                self.failed, self.seconds = event.failed, event.seconds
        self._report(event)


def _look(output: Path, target: Photo, source: Photo, job: _Job, report: Report) -> Measured:
    """Measure the result, and leave the pictures of it."""
    plate, result = Plate.open(output / "plate"), Plate.open(output / "result")
    frames = sorted(event.frame for event in job.done)
    observed: list[Seen] = []
    for sequence in (plate, result):
        observed.append(observe(sequence, frames, target))
        report(Progress("measure", frames[-1], len(observed), 2))
    before, after = observed
    tracks = Tracks.load(output / "shot.tracks")
    numbers = compare(before, after, tracks, _face_of(source), _face_of(target), target)
    chosen = sorted({frames[0], frames[len(frames) // 2], frames[-1]})
    write_contact_sheet(output / "contact_sheet.png", plate, result, chosen, _close_up(before, chosen[-1]))
    write_watch(output / "watch.webp", plate, result, frames)
    return Measured(
        plate=target.person,
        identity=source.person,
        frames=len(frames),
        faces=sum(event.faces for event in job.done),
        seconds=job.seconds,
        milliseconds={"solve": 1e3 * job.solve_seconds / len(frames), **_medians(job.done)},
        numbers=numbers,
    )


def _face_of(photo: Photo) -> Face:
    faces = analyse_picture(photo.pixels())
    if not faces:
        raise NoFace(f"No face was found in the demo's picture of {photo.person}.", "Report this as a fault.")
    return faces[0]


def _close_up(seen: Seen, frame: int) -> Box:
    """A box of the close-up's size around the face, inside the display window."""
    width, height = CLOSE
    x0, y0 = (DISPLAY.width - width) // 2, (DISPLAY.height - height) // 2
    if frame in seen.faces:
        box = seen.faces[frame].box
        x0, y0 = int((box[0] + box[2] - width) / 2), int((box[1] + box[3] - height) / 2)
    x0, y0 = min(max(x0, 0), DISPLAY.width - width), min(max(y0, 0), DISPLAY.height - height)
    return Box(x0, y0, x0 + width, y0 + height)


def _medians(done: list[FrameDone]) -> dict[str, float]:
    stages = dict.fromkeys(stage for event in done for stage in event.milliseconds)
    return {stage: float(np.median([event.milliseconds.get(stage, 0.0) for event in done])) for stage in stages}


def _table(measured: Measured) -> Table:
    numbers, per_frame = measured.numbers, measured.milliseconds
    table = Table(title=f"{measured.identity} in place of {measured.plate}", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row("frames", f"{measured.frames}", f"{measured.frames / measured.seconds:.2f} a second, all told")
    table.add_row("faces", f"{measured.faces}", "replaced")
    table.add_section()
    for stage, milliseconds in per_frame.items():
        table.add_row(stage, f"{milliseconds:.0f} ms", "mean over the shot" if stage == "solve" else "")
    table.add_section()
    source, target = f"to {measured.identity}", f"to {measured.plate}"
    table.add_row(f"identity {source}", _change(numbers.to_source_before, numbers.to_source_after), "lower is nearer")
    table.add_row(f"identity {target}", _change(numbers.to_target_before, numbers.to_target_after), "0.6 is a stranger")
    table.add_section()
    table.add_row("jitter", _change(numbers.jitter_plate, numbers.jitter_result, " %"), "of the face's width, raw")
    table.add_row("jitter of the track", f"{numbers.jitter_track:.3f} %", "after smoothing")
    table.add_row("swim", f"{numbers.swim:.2f}", "of the face, still; 1 is the plate's own")
    return table


def _change(before: float, after: float, unit: str = "") -> str:
    digits = 3 if unit else 2
    return f"{before:.{digits}f}{unit} → {after:.{digits}f}{unit}"
