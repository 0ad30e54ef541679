"""Whole jobs on a small plate with a real face: what is written, skipped, refused, and what survives an interruption.

The plate is three frames cut out of scikit-image's astronaut, made linear; the identity is matplotlib's portrait of
Grace Hopper. Both are in the public domain.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import msgspec
import numpy as np
import OpenEXR
import pytest
import skimage.data

from engine import __version__, core, recipe
from engine.errors import (
    Cancelled,
    ConsentError,
    FaceplateError,
    IdentityError,
    NoFace,
    OutputRefused,
    PlateNotFound,
    TracksError,
    UsageError,
)
from engine.events import Event, Finished, FrameDone, FrameFailed, FrameSkipped, Notice, Progress, Started
from engine.resume import Marks
from engine.shot import Output, Plate, Replace, Shot

FRAMES = (1001, 1002, 1003)
CONSENT = 'person = "Grace"\nscope = "tests"\ngranted_by = "public domain"\nuntil = 2999-01-01\n'
LAYERS = ("output.layers=patch,matte",)
REPOSITORY = Path(__file__).parents[1]


class Record(list[Event]):
    """Keeps every event, and can do something when one comes."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: type[Event]) -> list:
        return [event for event in self if isinstance(event, kind)]


def write_frame(path: Path, rgb: np.ndarray) -> None:
    """Half RGBA and a float Z, linear Rec.709."""
    height, width = rgb.shape[:2]
    channels = {name: rgb[..., index].astype(np.float16) for index, name in enumerate("RGB")}
    channels |= {"A": np.ones((height, width), np.float16)}
    channels |= {"Z": np.arange(height * width, dtype=np.float32).reshape(height, width)}
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, channels).write(str(path))


def read_exr(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {name: channel.pixels.copy() for name, channel in file.channels().items()}, dict(file.header())


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plate in `plate/`, the identity in `grace/`, and the tracks of the plate in `sh.tracks`."""
    folder = tmp_path_factory.mktemp("originals")
    (folder / "plate").mkdir()
    (folder / "grace").mkdir()
    encoded = skimage.data.astronaut()[:272, 90:362].astype(np.float64) / 255.0
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    for index, number in enumerate(FRAMES):
        grain = np.random.default_rng(number).normal(0.0, 0.004, linear.shape)
        write_frame(folder / f"plate/sh.{number}.exr", np.roll(linear, index, axis=1) + grain)
    shutil.copy(Path(matplotlib.get_data_path()) / "sample_data/grace_hopper.jpg", folder / "grace")
    (folder / "grace/consent.toml").write_text(CONSENT)
    core.solve_shot(Shot(plate=Plate(path=str(folder / "plate"))), folder / "sh.tracks", Record())
    return folder


@pytest.fixture
def work(originals: Path, tmp_path: Path) -> Path:
    """A copy of the originals that a test may spoil, times of change included."""
    return Path(shutil.copytree(originals, tmp_path / "work"))


def shot_of(work: Path, output: str | Path = "out", *settings: str) -> Shot:
    shot = Shot(
        plate=Plate(path=str(work / "plate")),
        replace=(Replace(identity=str(work / "grace")),),
        tracks=str(work / "sh.tracks"),
        output=Output(path=str(work / output)),
    )
    return recipe.with_settings(shot, settings)


@pytest.fixture(scope="module")
def whole(originals: Path) -> tuple[Path, Record]:
    """One undisturbed run of the originals, with layers: its folder, and what it reported."""
    report = Record()
    core.run(shot_of(originals, "whole", *LAYERS), report)
    return originals / "whole", report


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
    finished = report[-1]
    assert isinstance(finished, Finished) and (finished.done, finished.skipped, finished.failed) == (3, 0, 0)


def test_only_the_face_is_changed(whole: tuple[Path, Record], originals: Path):
    for number in FRAMES:
        before, _ = read_exr(originals / f"plate/sh.{number}.exr")
        after, _ = read_exr(whole[0] / f"sh.{number}.exr")
        for name in ("A", "Z"):
            assert after[name].dtype == before[name].dtype and np.array_equal(after[name], before[name])
        inside = after["matte.V"] > 0
        assert 0.02 < inside.mean() < 0.5
        for name in "RGB":
            changed = before[name].view(np.uint16) != after[name].view(np.uint16)
            assert not changed[~inside].any() and changed[inside].mean() > 0.5


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
    del there["sh.1002.exr"]
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


def test_what_killed_runs_left_is_removed(work: Path):
    (work / "out").mkdir()
    old, young, other = (work / "out" / f".{name}.part" for name in ("sh.1001.exr.1", "sh.1002.exr.2", "other.exr.3"))
    for path in (old, young, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (1e9, 1e9))
    core.run(shot_of(work), Record(), frames="1001")
    assert not old.exists() and young.exists() and other.exists()


def test_a_frame_of_another_size_fails_alone(work: Path):
    write_frame(work / "plate/sh.1002.exr", np.zeros((100, 100, 3)))
    report = Record()
    assert core.run(shot_of(work), report).done == 2
    [failed] = report.of(FrameFailed)
    assert failed.frame == 1002 and "100×100" in failed.message


def test_what_decides_the_pixels_is_what_is_done_again(whole: tuple[Path, Record], work: Path):
    def done(*settings: str) -> bool:
        shot = shot_of(work, "out", *LAYERS, *settings)
        plate = core.Plate.open(shot.plate.path, "", shot.plate.colorspace)
        marks = Marks(shot, plate, core.Tracks.load(Path(shot.tracks)), core.check_consents(shot))
        return marks.done(whole[0] / "sh.1001.exr", plate.path(1001))

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
    assert set(after) - set(before) == {"patch.R", "patch.G", "patch.B", "patch.A", "matte.V"}
    assert not after["matte.V"].any()


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
    assert 1 <= len(there) < 3 and len(there) == len(report.of(FrameDone))
    finished = core.run(shot, Record())
    assert finished.skipped == len(there) and finished.done == 3 - len(there)
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


def faceplate(*arguments: object, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "engine.cli", *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


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
