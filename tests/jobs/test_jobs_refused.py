"""Jobs that are refused, and frames that fail alone."""

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine import core, recipe
from engine.errors import (
    ConsentError,
    FaceplateError,
    IdentityError,
    NoFace,
    OutputRefused,
    PlateNotFound,
    TracksError,
    UsageError,
)
from engine.events import Event, FrameDone, FrameFailed, Notice, Progress, Started
from engine.shot import Output, Plate, Replace, Shot
from tests.jobs.place import CONSENT, FRAMES, LAYERS, Record, bytes_of, read_exr, read_layers, shot_of, write_frame


def test_pictures_that_cannot_be_used_are_named(work: Path):
    (work / "grace/broken.jpg").write_bytes(b"hello")
    report = Record()
    assert core.run(shot_of(work), report, frames="1001").done == 1
    assert any("broken.jpg" in event.message for event in report.of(Notice))


def test_nothing_is_solved_for_a_person_without_a_picture(work: Path):
    (work / "grace/grace_hopper.jpg").unlink()
    report = Record()
    with pytest.raises(IdentityError):
        core.run(msgspec.structs.replace(shot_of(work), tracks=""), report)
    assert not report and not (work / "out").exists()


def test_a_frame_of_another_size_fails_alone(work: Path):
    write_frame(work / "plate/sh.1002.exr", np.zeros((100, 100, 3)))
    report = Record()
    assert core.run(shot_of(work), report).done == 2
    [failed] = report.of(FrameFailed)
    assert failed.frame == 1002 and "100×100" in failed.message


def test_a_frame_that_cannot_be_read_fails_alone(work: Path):
    damaged = work / "plate/sh.1002.exr"
    damaged.write_bytes(damaged.read_bytes()[:-2000])
    report = Record()
    finished = core.run(shot_of(work), report)
    assert (finished.done, finished.failed) == (2, 1)
    [failed] = report.of(FrameFailed)
    assert failed.frame == 1002 and failed.code == "frame-unreadable" and failed.message
    assert sorted(bytes_of(work / "out")) == ["sh.1001.exr", "sh.1003.exr"]


def test_a_missing_frame_fails_only_where_it_was_asked_for(work: Path):
    (work / "plate/sh.1002.exr").unlink()
    report = Record()
    assert core.run(shot_of(work), report).failed == 0
    assert any(event.code == "gap" and "1002" in event.message for event in report.of(Notice))
    for shot, frames in ((shot_of(work), "1001-1003"), (shot_of(work, "out", "plate.frames=1001-1003"), "")):
        report = Record()
        finished = core.run(shot, report, frames=frames)
        assert (finished.skipped, finished.failed) == (2, 1)
        assert [(event.frame, event.code) for event in report.of(FrameFailed)] == [(1002, "frame-missing")]


def test_nothing_but_missing_frames_is_no_work(work: Path):
    report = Record()
    finished = core.run(msgspec.structs.replace(shot_of(work), tracks=""), report, frames="5-6")
    assert finished.failed == 2 and not report.of(Progress)


def test_a_plate_without_a_face(work: Path):
    for number in FRAMES:
        write_frame(work / f"plate/sh.{number}.exr", np.full((160, 160, 3), 0.18))
    with pytest.raises(NoFace):
        core.run(msgspec.structs.replace(shot_of(work), tracks=""), Record())
    assert not bytes_of(work / "out")


def test_a_frame_without_the_face_is_written_unchanged(work: Path):
    for number in FRAMES[1:]:
        write_frame(work / f"plate/sh.{number}.exr", np.full((272, 272, 3), 0.18))
    shot = msgspec.structs.replace(shot_of(work, "out", *LAYERS), tracks="")
    report = Record()
    core.run(shot, report)
    assert [event.faces for event in report.of(FrameDone)] == [1, 0, 0]
    after, header = read_exr(work / "out/sh.1003.exr")
    before, _ = read_exr(work / "plate/sh.1003.exr")
    assert header["faceplate:synthetic"] == "no face in this frame: unchanged"
    assert all(np.array_equal(after[name], before[name]) for name in before)
    assert after.keys() == before.keys() and "faceplate:window" not in header
    layers = read_layers(work / "out/sh.1003.exr")
    assert set(layers) == {"patch.R", "patch.G", "patch.B", "patch.A", "matte.V"}
    assert not any(values.any() for values in layers.values())


def test_consent_comes_before_everything(work: Path):
    shot = shot_of(work)
    for content in (None, CONSENT.replace("2999", "2001"), "nothing"):
        (work / "grace/consent.toml").unlink() if content is None else (work / "grace/consent.toml").write_text(content)
        report = Record()
        with pytest.raises(ConsentError):
            core.run(shot, report)
        assert not report and not (work / "out").exists()


def test_consent_that_is_taken_away_stops_the_job(work: Path):
    class Revoking(Record):
        def __call__(self, event: Event) -> None:
            super().__call__(event)
            if isinstance(event, Started):
                (work / "grace/consent.toml").unlink()

    report = Revoking()
    finished = core.run(shot_of(work), report)
    assert (finished.done, finished.failed) == (0, 3)
    assert {event.code for event in report.of(FrameFailed)} == {"consent"}
    assert not bytes_of(work / "out")


@pytest.mark.parametrize("way", ["plate", "plate/../plate", "link", "link/../plate", "grace", "plate/sh.%04d.exr"])
def test_the_folders_of_plate_and_identity_take_no_output(work: Path, way: str):
    (work / "link").symlink_to("plate")
    before = bytes_of(work / "plate")
    with pytest.raises(OutputRefused):
        core.run(shot_of(work, way), Record())
    assert bytes_of(work / "plate") == before


def test_the_folder_that_linked_frames_lie_in_takes_no_output(work: Path):
    (work / "links").mkdir()
    for number in FRAMES:
        (work / f"links/sh.{number}.exr").symlink_to(work / f"plate/sh.{number}.exr")
    with pytest.raises(OutputRefused):
        core.run(recipe.with_settings(shot_of(work, "plate"), [f"plate.path={work / 'links'}"]), Record())


@pytest.mark.parametrize("name", ["out.png", "out.%04d.tif", "out.mov", "out.exr", "sh.tracks/out", ""])
def test_an_output_that_cannot_be_is_refused(work: Path, name: str):
    shot = msgspec.structs.replace(shot_of(work), output=Output(path=str(work / name) if name else ""))
    with pytest.raises(UsageError):
        core.run(shot, Record())


@pytest.mark.parametrize(
    ("output", "file"),
    [
        ("new.v001", "new.v001/sh.1001.exr"),
        ("a/b/", "a/b/sh.1001.exr"),
        ("a/b.%04d.exr", "a/b.1001.exr"),
        ("a/b.%06d.exr", "a/b.001001.exr"),
        ("a/b.####.exr", "a/b.1001.exr"),
        ("a/b.#####.exr", "a/b.01001.exr"),
        ("a/b.#.EXR", "a/b.1001.EXR"),
    ],
)
def test_where_a_frame_goes(work: Path, output: str, file: str):
    # os.path.join keeps a slash at the end, pathlib does not.
    shot = msgspec.structs.replace(shot_of(work), output=Output(path=os.path.join(work, output)))  # noqa: PTH118
    assert core.find_places(shot.output.path, core.Plate.open(shot.plate.path), []).path(1001) == work / file


def test_wrong_jobs_are_refused(work: Path):
    shot = shot_of(work)
    replaced = msgspec.structs.replace
    with pytest.raises(UsageError):
        core.run(replaced(shot, replace=()), Record())
    with pytest.raises(PlateNotFound):
        core.run(replaced(shot, plate=Plate(path=str(work / "grace/none.%04d.exr"))), Record())
    with pytest.raises(UsageError):
        core.run(shot, Record(), frames="1001-")
    (work / "grace/grace_hopper.jpg").unlink()
    with pytest.raises(IdentityError):
        core.run(shot, Record())


def test_tracks_of_another_plate_are_refused(work: Path):
    for path in (work / "plate").iterdir():
        path.rename(path.with_name(path.name.replace("sh", "other")))
    with pytest.raises(TracksError, match="other"):
        core.run(shot_of(work), Record())
    (work / "sh.tracks").write_bytes(b"\x81")
    with pytest.raises(TracksError):
        core.run(shot_of(work), Record())


def test_frames_that_were_not_solved_are_named(work: Path):
    shot = shot_of(work)
    core.solve_shot(recipe.with_settings(shot, ["plate.frames=1001-1002"]), work / "sh.tracks", Record())
    report = Record()
    assert core.run(shot, report).failed == 1
    assert [(event.frame, event.code) for event in report.of(FrameFailed)] == [(1003, "tracks")]


def test_every_error_of_a_job_can_be_printed(tmp_path: Path):
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    person = Path(strange)
    for step in range(3):
        if step == 1:
            person.mkdir()
        if step == 2:
            (person / "consent.toml").write_text(CONSENT)
        shot = Shot(plate=Plate(path=strange), replace=(Replace(identity=strange),), output=Output(path=strange))
        with pytest.raises(FaceplateError) as caught:
            core.run(shot, Record())
        assert str(caught.value).encode("utf-8")
