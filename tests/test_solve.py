"""The first pass on a real plate: a photograph seen by a moving camera, as scene-linear EXR frames."""

import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data
from skimage.io import imread

from engine.errors import Cancelled, FrameUnreadable
from engine.events import Event, Notice, Progress
from engine.faces.analyse import analyse_picture
from engine.faces.identity import distance
from engine.faces.mesh import face_width
from engine.faces.tracks import Tracks
from engine.geometry import Box
from engine.plates.frame import Frame
from engine.plates.plate import Plate
from engine.plates.write import write_frame
from engine.shot import Solve
from engine.solve import solve

Float32 = NDArray[np.float32]
WIDTH, HEIGHT, OVERSCAN = 400, 300, 8
FRAMES = 10


def linear(picture: NDArray[np.uint8]) -> Float32:
    encoded = picture.astype(np.float64) / 255.0
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)


ASTRONAUT = linear(data.astronaut())
OFFICER = linear(imread(f"{matplotlib.get_data_path()}/sample_data/grace_hopper.jpg"))


def camera(scene: Float32, x: float, y: float) -> Float32:
    """The scene over a data window that is larger than the display, whose top left lies at (x, y) of the scene."""
    size = (WIDTH + 2 * OVERSCAN, HEIGHT + 2 * OVERSCAN)
    matrix = np.array([[1.0, 0.0, x - OVERSCAN], [0.0, 1.0, y - OVERSCAN]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(scene, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT), np.float32)


def write_plate(folder: Path, pictures: list[Float32], first: int = 1001) -> Plate:
    folder.mkdir()
    display = Box(0, 0, WIDTH, HEIGHT)
    rng = np.random.default_rng(3)
    for number, picture in enumerate(pictures, first):
        noisy = picture * (1.0 + rng.normal(0, 0.02, picture.shape))
        channels = {name: noisy[..., index].astype(np.float16) for index, name in enumerate("RGB")}
        frame = Frame.new(number, channels, display, display.grown(OVERSCAN), {"framesPerSecond": Fraction(24)})
        write_frame(frame, folder / f"sh010.{number}.exr", "zip")
    return Plate.open(folder)


def run(plate: Plate, settings: Solve | None = None) -> tuple[Tracks, list[Event]]:
    events: list[Event] = []
    return solve(plate, settings or Solve(), events.append, lambda: False), events


def codes(events: list[Event]) -> list[str]:
    return [event.code for event in events if isinstance(event, Notice)]


@pytest.fixture(scope="module")
def pan(tmp_path_factory: pytest.TempPathFactory) -> Plate:
    """A pan by 3 pixels a frame over the astronaut, two stops under."""
    pictures = [0.25 * camera(ASTRONAUT, 20 + 3 * t, 5 + t) for t in range(FRAMES)]
    return write_plate(tmp_path_factory.mktemp("plates") / "pan", pictures)


@pytest.fixture(scope="module")
def solved(pan: Plate) -> tuple[Tracks, list[Event]]:
    return run(pan)


def test_one_track_that_follows_the_camera(solved: tuple[Tracks, list[Event]]) -> None:
    tracks, events = solved
    (track,) = tracks.tracks
    assert track.frames.tolist() == list(range(1001, 1001 + FRAMES))
    assert (tracks.plate, tracks.size, tracks.cuts) == ("sh010", (WIDTH, HEIGHT), ())
    still = analyse_picture(data.astronaut().astype(np.float32) / 255.0)[0]
    moved = np.stack([still.mesh[:, :2] - [20 + 3 * t, 5 + t] for t in range(FRAMES)])
    # Plate pixels count from the display window, whatever the data window is.
    np.testing.assert_allclose(track.mesh[..., :2], moved, atol=0.02 * face_width(still.mesh))
    assert np.abs((track.mesh[..., :2] - moved).mean()) < 0.4
    steady = track.mesh[..., :2] - moved
    assert steady.std(axis=0).mean() < 0.0008 * face_width(still.mesh)
    assert distance(track.identity, still.embedding) < 0.3
    assert not track.bridged.any()
    assert track.confidence.min() > 0.5
    np.testing.assert_allclose(track.pose, np.broadcast_to(still.pose.angles, track.pose.shape), atol=3.0)
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.done for event in progress] == list(range(1, FRAMES + 1))
    assert {(event.stage, event.total) for event in progress} == {("solve", FRAMES)}
    assert codes(events) == []


def test_the_same_plate_gives_the_same_bytes(pan: Plate, solved: tuple[Tracks, list[Event]]) -> None:
    assert run(pan)[0].digest() == solved[0].digest()


@pytest.mark.parametrize("gain", [0.002, 30.0])
def test_the_exposure_brings_any_plate_to_the_same_view(
    tmp_path: Path, solved: tuple[Tracks, list[Event]], gain: float
) -> None:
    plate = write_plate(tmp_path / "plate", [gain * camera(ASTRONAUT, 20, 5)])
    tracks, _ = run(plate)
    wanted = np.clip(solved[0].exposure * 0.25 / gain, 1 / 64, 64)
    assert tracks.exposure == pytest.approx(wanted, rel=0.1)
    offset = tracks.tracks[0].mesh[0, :, :2] - solved[0].tracks[0].mesh[0, :, :2]
    assert np.abs(offset).mean() < 0.02 * face_width(tracks.tracks[0].mesh[0])


def test_gaps_and_broken_frames_are_bridged_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "plate"
    write_plate(folder, [camera(ASTRONAUT, 20 + 3 * t, 5) for t in range(FRAMES)])
    broken = folder / "sh010.1004.exr"
    broken.write_bytes(broken.read_bytes()[:20_000])
    (folder / "sh010.1007.exr").unlink()
    tracks, events = run(Plate.open(folder))
    (track,) = tracks.tracks
    assert track.frames.tolist() == [1001, 1002, 1003, 1004, 1005, 1006, 1008, 1009, 1010]
    assert track.frames[track.bridged].tolist() == [1004]
    assert track.confidence[3] < 0.6 * track.confidence[2]
    nose = track.mesh[:, 4, 0].astype(np.float64)
    np.testing.assert_allclose(nose - nose[0], -3.0 * (track.frames - 1001), atol=0.8)
    assert codes(events) == ["frame-unreadable"]


def test_a_plate_of_broken_frames_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "plate"
    plate = write_plate(folder, [camera(ASTRONAUT, 20, 5)] * 2)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(FrameUnreadable):
        run(plate)


def test_a_cut_to_somebody_else_and_back(tmp_path: Path) -> None:
    scenes = [ASTRONAUT] * 4 + [OFFICER] * 4 + [ASTRONAUT] * 4
    plate = write_plate(tmp_path / "plate", [camera(scene, 60, 5) for scene in scenes])
    tracks, _ = run(plate)
    assert tracks.cuts == (1005, 1009)
    assert [track.frames[0] for track in tracks.tracks] == [1001, 1005, 1009]
    assert [track.person for track in tracks.tracks] == [0, 1, 0]
    officers = tracks.select("largest")
    assert [track.id for track in officers] == [1]
    assert [track.id for track in tracks.select("2")] == [0, 2]


def test_two_people_in_one_frame(tmp_path: Path) -> None:
    both = np.concatenate([ASTRONAUT[:316, 110:318], OFFICER[:316, 130:338]], axis=1)
    tracks, _ = run(write_plate(tmp_path / "plate", [both] * 3))
    assert len(tracks.tracks) == 2
    left, right = tracks.select("left")[0], tracks.select("right")[0]
    assert left.mesh[:, :, 0].max() < 208 - OVERSCAN < right.mesh[:, :, 0].min()


def test_no_face_is_told_and_is_no_error(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(0, 1, (HEIGHT + 16, WIDTH + 16, 3)).astype(np.float32)
    tracks, events = run(write_plate(tmp_path / "plate", [noise] * 2))
    assert tracks.tracks == ()
    assert tracks.exposure > 0
    assert codes(events) == ["exposure-from-picture", "no-face"]


def test_numbers_that_are_not_finite_do_not_hide_the_face(tmp_path: Path) -> None:
    picture = camera(ASTRONAUT, 20, 5)
    picture[::37, ::41] = np.nan
    picture[5::37, ::41] = np.inf
    tracks, _ = run(write_plate(tmp_path / "plate", [picture]))
    assert len(tracks.tracks) == 1
    assert np.isfinite(tracks.tracks[0].mesh).all()


def test_a_face_on_its_side_is_found_when_asked(tmp_path: Path) -> None:
    turned = np.ascontiguousarray(np.rot90(ASTRONAUT[:416, 100:416]))
    plate = write_plate(tmp_path / "plate", [turned])
    tracks, _ = run(plate, Solve(turned=True))
    assert abs(abs(float(tracks.tracks[0].pose[0, 2])) - 90) < 15


def stops_after(count: int) -> Callable[[], bool]:
    left = iter([False] * count)
    return lambda: next(left, True)


@pytest.mark.parametrize("asked", [0, 3, 9])
def test_it_stops_when_told_and_leaves_no_thread(pan: Plate, asked: int) -> None:
    with pytest.raises(Cancelled):
        solve(pan, Solve(), lambda event: None, stops_after(asked))
    assert "plate reader" not in {thread.name for thread in threading.enumerate()}
