"""Whole jobs on a small plate with a real face: what is written and skipped, and what survives an interruption."""

import json
import os
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine import __version__, core, recipe
from engine.errors import (
    Cancelled,
)
from engine.events import Finished, FrameDone, FrameFailed, FrameSkipped, Notice, Progress, Started
from engine.plates.verified import FrameVerified
from engine.plates.verify import verify_frames
from engine.resume import Marks
from engine.shot import Key
from tests.jobs.place import CONSENT, FRAMES, LAYERS, Record, bytes_of, faceplate, read_exr, read_layers, shot_of


def test_a_solve_reports_what_it_does(work: Path):
    report = Record()
    core.solve_shot(recipe.with_settings(shot_of(work), ["plate.frames=1001"]), work / "new.tracks", report)
    assert report[0] == Started(1, "sh", str(work / "new.tracks"))
    assert [event.message for event in report.of(Notice)] == ["1 person in the shot."]
    [finished] = report.of(Finished)
    assert finished is report[-1] and finished.done == 1


def test_a_job_reports_what_it_does(whole: tuple[Path, Record]):
    folder, report = whole
    assert report[0] == Started(3, "sh", str(folder))
    assert [event.frame for event in report.of(FrameDone)] == list(FRAMES)
    assert all(
        event.faces == 1 and {"read", "write", "swap"} <= event.milliseconds.keys() for event in report.of(FrameDone)
    )
    assert all(event.in_place and not event.note for event in report.of(FrameDone))
    finished = report[-1]
    assert isinstance(finished, Finished) and (finished.done, finished.skipped, finished.failed) == (3, 0, 0)


def test_only_the_face_is_changed(whole: tuple[Path, Record], originals: Path):
    for number in FRAMES:
        before, _ = read_exr(originals / f"plate/sh.{number}.exr")
        after, _ = read_exr(whole[0] / f"sh.{number}.exr")
        for name in ("A", "Z"):
            assert after[name].dtype == before[name].dtype and np.array_equal(after[name], before[name])
        assert after.keys() == before.keys()
        inside = read_layers(whole[0] / f"sh.{number}.exr")["matte.V"] > 0
        assert 0.02 < inside.mean() < 0.5
        for name in "RGB":
            changed = before[name].view(np.uint16) != after[name].view(np.uint16)
            assert not changed[~inside].any() and changed[inside].mean() > 0.5


def test_the_result_proves_to_be_the_plate_outside_of_its_windows(whole: tuple[Path, Record], originals: Path):
    found = list(verify_frames(originals / "plate", whole[0]))
    assert [event.frame for event in found if isinstance(event, FrameVerified)] == list(FRAMES)
    for event in found:
        assert isinstance(event, FrameVerified) and event.same and event.window is not None
        assert event.digest == event.plate_digest and event.changed_samples


def test_the_header_says_what_was_done(whole: tuple[Path, Record]):
    _, header = read_exr(whole[0] / "sh.1001.exr")
    assert header["faceplate:version"] == __version__
    assert header["faceplate:synthetic"] == "face replaced by mesh; person: Grace"
    told = json.loads(header["faceplate:recipe"])
    assert told["output"]["layers"] == ["patch", "matte"] and told["replace"][0]["identity"] == "grace"
    assert str(whole[0].parent) not in header["faceplate:recipe"]
    assert len(header["faceplate:digest"]) == 64


def test_frames_alone_and_backwards_are_the_same_bytes(whole: tuple[Path, Record], work: Path):
    shot = shot_of(work, "alone", *LAYERS)
    for number in (1003, 1001):
        assert core.run(shot, Record(), frames=str(number)).done == 1
    there = bytes_of(whole[0])
    del there["sh.1002.exr"], there["sh.layers.1002.exr"]
    assert bytes_of(work / "alone") == there


def test_a_second_run_skips_what_is_done(whole: tuple[Path, Record], work: Path):
    # The result moves with the plate: no path decides what is done.
    shutil.copytree(whole[0], work / "out")
    (work / "out/sh.1002.exr").write_bytes(b"not whole")
    shot, report = shot_of(work, "out", *LAYERS), Record()
    finished = core.run(shot, report)
    assert (finished.done, finished.skipped) == (1, 2)
    assert [event.frame for event in report.of(FrameSkipped)] == [1001, 1003]
    assert core.run(shot, Record(), frames="1003", redo=True).done == 1
    # A copy that was cut off still has its header.
    last = work / "out/sh.1003.exr"
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    assert core.run(shot, Record()).done == 1
    assert bytes_of(work / "out") == bytes_of(whole[0])


def test_what_killed_runs_left_is_removed(work: Path):
    (work / "out").mkdir()
    old, young, other = (work / "out" / f".{name}.part" for name in ("sh.1001.exr.1", "sh.1002.exr.2", "other.exr.3"))
    for path in (old, young, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (1e9, 1e9))
    core.run(shot_of(work), Record(), frames="1001")
    assert not old.exists() and young.exists() and other.exists()


def test_what_decides_the_pixels_is_what_is_done_again(whole: tuple[Path, Record], work: Path):
    def done(*settings: str) -> bool:
        shot = shot_of(work, "out", *LAYERS, *settings)
        plate = core.Plate.open(shot.plate.path, "", shot.plate.colorspace)
        marks = Marks(shot, plate, core.Tracks.load(Path(shot.tracks)), core.check_consents(shot))
        return marks.done(1001, whole[0] / "sh.1001.exr", plate.path(1001))

    def appended(path: Path, more: bytes) -> None:
        with path.open("ab") as file:
            file.write(more)

    assert done() and done("plate.frames=1001") and done("output.path=elsewhere")
    for setting in ("match.amount=0.5", "seed=1", "output.layers=patch", "plate.colorspace=ACEScg"):
        assert not done(setting), setting
    tracks = (work / "sh.tracks").read_bytes()
    (work / "sh.tracks").write_bytes(tracks.replace(b"exposure\xcb?", b"exposure\xcb@"))
    assert (work / "sh.tracks").read_bytes() != tracks and not done()
    (work / "sh.tracks").write_bytes(tracks)
    (work / "grace/notes.txt").touch()
    assert done()
    (work / "grace/consent.toml").write_text(CONSENT.replace("Grace", "G. Hopper"))
    assert not done()
    (work / "grace/consent.toml").write_text(CONSENT + 'note = "x"')
    assert done()
    os.utime(work / "plate/sh.1001.exr")
    assert not done()
    shutil.copystat(work / "plate/sh.1002.exr", work / "plate/sh.1001.exr")
    assert done()
    appended(work / "grace/grace_hopper.jpg", b"\0")
    assert not done()


def test_only_frames_that_a_key_changes_are_done_again(whole: tuple[Path, Record], work: Path):
    shutil.copytree(whole[0], work / "keyed")
    first, last = (Key(setting="composite.opacity", frame=n, value=v) for n, v in ((1002, 1.0), (1003, 0.0)))
    keyed = msgspec.structs.replace(shot_of(work, "keyed", *LAYERS), key=(first, last))
    report = Record()
    finished = core.run(keyed, report)
    assert (finished.done, finished.skipped) == (1, 2)
    written, plate = read_exr(work / "keyed/sh.1003.exr"), read_exr(work / "plate/sh.1003.exr")
    for name in "RGB":
        np.testing.assert_array_equal(written[0][name], plate[0][name])
    said = msgspec.json.decode(written[1]["faceplate:recipe"])
    assert said["composite"]["opacity"] == 0.0 and said["key"] == []
    assert core.run(keyed, Record()).skipped == 3


def test_tracks_are_kept_beside_the_output(work: Path, originals: Path):
    shot = msgspec.structs.replace(shot_of(work), tracks="")

    def found() -> Record:
        report = Record()
        plate = core.Plate.open(shot.plate.path)
        tracks = core.find_tracks(shot, plate, work / "out", report, core.never)
        assert tracks.digest() == core.Tracks.load(originals / "sh.tracks").digest()
        return report

    assert [event.frame for event in found().of(Progress)] == list(FRAMES)
    [kept] = (work / "out/.faceplate").iterdir()
    assert kept.read_bytes() == (originals / "sh.tracks").read_bytes()
    assert not found()
    kept.write_bytes(b"\x81")
    report = found()
    assert report.of(Progress) and any(event.code == "tracks" for event in report.of(Notice))
    # Those of another plate may lie there as well.
    other = core.Tracks.load(originals / "sh.tracks")
    msgspec.structs.replace(other, plate="other").save(kept)
    assert found().of(Progress)
    os.utime(work / "plate/sh.1003.exr")
    assert found().of(Progress)


def test_a_stopped_job_keeps_whole_frames_and_goes_on(work: Path, whole: tuple[Path, Record]):
    shot = shot_of(work, "out", *LAYERS)
    report = Record()
    with pytest.raises(Cancelled):
        core.run(shot, report, cancelled=lambda: bool(report.of(FrameDone)))
    there = bytes_of(work / "out")
    done = len(report.of(FrameDone))
    assert 1 <= done < 3 and len(there) == 2 * done
    finished = core.run(shot, Record())
    assert finished.skipped == done and finished.done == 3 - done
    assert bytes_of(work / "out") == bytes_of(whole[0])


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Writing beyond `size` bytes fails with EFBIG: what a full disk looks like, without filling one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_stops_the_job_and_leaves_nothing_half(work: Path):
    report = Record()
    with no_file_larger_than(50_000):
        finished = core.run(shot_of(work), report)
    assert (finished.done, finished.failed) == (0, 3)
    assert {event.code for event in report.of(FrameFailed)} == {"disk-full"}
    assert not list((work / "out").rglob("*.*"))


@pytest.mark.slow
def test_swap_and_render_of_its_recipe_give_the_same_bytes(work: Path):
    arguments = ("--tracks", work / "sh.tracks", "--layers", "stmap", "--set", "matte.grow=0.05")
    places = (work / "plate/sh.%04d.exr", work / "grace", "-o", work / "out")
    swap = faceplate("swap", *places, *arguments, "--save-shot", work / "shot.toml")
    shown, problems = swap.communicate(timeout=300)
    assert swap.returncode == 0 and b"3 done" in shown, problems
    first = bytes_of(work / "out")
    shutil.rmtree(work / "out")
    render = faceplate("render", work / "shot.toml", "--frames", "1002,1001", "--json")
    shown, problems = render.communicate(timeout=300)
    assert render.returncode == 0, problems
    assert [json.loads(line)["type"] for line in shown.splitlines()].count("frame-done") == 2
    assert bytes_of(work / "out") == {name: data for name, data in first.items() if "1003" not in name}


@pytest.mark.slow
def test_ctrl_c_ends_cleanly(work: Path):
    for number in range(1004, 1010):
        shutil.copy(work / "plate/sh.1003.exr", work / f"plate/sh.{number}.exr")
    swap = faceplate("swap", work / "plate", work / "grace", "-o", work / "out", "--json", start_new_session=True)
    assert swap.stdout is not None
    for line in swap.stdout:
        if json.loads(line)["type"] == "frame-done":
            os.killpg(swap.pid, signal.SIGINT)
            break
    rest, problems = swap.communicate(timeout=300)
    assert swap.returncode == 130 and problems == b""
    last = json.loads(rest.splitlines()[-1])
    assert last["type"] == "error" and last["code"] == "cancelled"
    there = bytes_of(work / "out")
    assert 1 <= len(there) < 9 and all(name.endswith(".exr") for name in there)
    for name in there:
        assert read_exr(work / "out" / name)[0]["R"].shape == (272, 272)
