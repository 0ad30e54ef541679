"""A frame of a plate that is damaged, missing, or not written to its end: it fails alone, and never comes out black."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.wire.client import Client
from tests.jobs.place import LAYERS, Record, bytes_of, is_typed, read_exr, shot_of, swap, works_on

Spoil = Callable[[Path], object]

BAD, OTHERS = 1002, (1001, 1003)


def _cut(part: float) -> Spoil:
    return lambda path: path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])


def _flipped(part: float) -> Spoil:
    """One bit of a byte."""

    def spoil(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[int(len(data) * part)] ^= 0x10
        path.write_bytes(data)

    return spoil


def _in_place_of(make: Callable[[Path], object]) -> Spoil:
    def spoil(path: Path) -> None:
        path.unlink()
        make(path)

    return spoil


WAYS: dict[str, Spoil] = {
    "empty": _cut(0.0),
    "a header": _cut(0.002),
    "half": _cut(0.5),
    "all but a few bytes": _cut(0.9999),
    **{f"flipped at {part:.0%}": _flipped(part) for part in (0.2, 0.35, 0.5, 0.65)},
    "missing": Path.unlink,
    "text": lambda path: path.write_text("hello"),
    "a folder": _in_place_of(Path.mkdir),
    "a pipe": _in_place_of(os.mkfifo),
    "a link to nothing": _in_place_of(lambda path: path.symlink_to("nothing")),
}


def _failed_alone(client: Client, work: Path, whole: Path, request) -> None:
    told = []
    assert client.work(request, told.append).failure is None
    events = [msgspec.convert(one.event, dict) for one in told]
    [failed] = [one for one in events if one["type"] == "frame-failed"]
    assert failed["frame"] == BAD and failed["code"] in ("frame-unreadable", "frame-missing")
    assert failed["message"].endswith(".") and failed["remedy"]
    assert [one["frame"] for one in events if one["type"] == "frame-done"] == list(OTHERS)
    others = {name: data for name, data in bytes_of(whole).items() if str(BAD) not in name}
    assert len(others) == 4 and bytes_of(work / "out") == others


@pytest.mark.parametrize("way", WAYS)
def test_a_bad_frame_fails_alone(client: Client, work: Path, whole: tuple[Path, Record], way: str) -> None:
    WAYS[way](work / f"plate/sh.{BAD}.exr")
    _failed_alone(client, work, whole[0], swap(shot_of(work, "out", *LAYERS), frames="1001-1003"))


@pytest.mark.parametrize("way", ["half", "missing", "a folder", "a pipe", "a link to nothing"])
def test_a_bad_frame_of_a_pattern_fails_alone(client: Client, work: Path, way: str) -> None:
    """A pattern names frames that a folder does not show."""
    pattern = f"plate.path={work / 'plate/sh.%04d.exr'}"
    assert client.work(swap(shot_of(work, "undisturbed", *LAYERS, pattern)), lambda told: None).failure is None
    WAYS[way](work / f"plate/sh.{BAD}.exr")
    request = swap(shot_of(work, "out", *LAYERS, pattern), frames="1001-1003")
    _failed_alone(client, work, work / "undisturbed", request)


def test_damage_far_from_the_face_is_copied_as_it_is(client: Client, work: Path, whole: tuple[Path, Record]) -> None:
    """A job reads what it changes; the rest stays the plate's, to the bit."""
    path = work / f"plate/sh.{BAD}.exr"
    _flipped(0.98)(path)
    assert client.work(swap(shot_of(work, "out", *LAYERS)), lambda told: None).failure is None
    before, after = path.read_bytes(), (work / f"out/sh.{BAD}.exr").read_bytes()
    assert before[-5000:] == after[-5000:]
    for name, data in bytes_of(whole[0]).items():
        assert str(BAD) in name or (work / "out" / name).read_bytes() == data


def test_a_frame_that_is_still_being_written_fails_alone(
    client: Client, work: Path, whole: tuple[Path, Record]
) -> None:
    path, over = work / f"plate/sh.{BAD}.exr", threading.Event()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            for at in range(len(data) // 2, len(data) - 2000, 50):
                file.write(data[at : at + 50])
                if over.wait(0.001):
                    return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        _failed_alone(client, work, whole[0], swap(shot_of(work, "out", *LAYERS)))
    finally:
        over.set()
        writer.join()
    path.write_bytes(data)
    assert client.work(swap(shot_of(work, "out", *LAYERS)), lambda told: None).failure is None
    assert bytes_of(work / "out") == bytes_of(whole[0])


@pytest.mark.parametrize("way", ["half", "flipped at 50%", "text"])
def test_a_shot_is_solved_around_a_bad_frame(client: Client, work: Path, whole: tuple[Path, Record], way: str) -> None:
    WAYS[way](work / f"plate/sh.{BAD}.exr")
    shot = msgspec.structs.replace(shot_of(work), tracks="")
    told = []
    assert client.work(swap(shot), told.append).failure is None
    assert [one.event["frame"] for one in told if one.event["type"] == "frame-failed"] == [BAD]
    assert sorted(bytes_of(work / "out")) == [f"sh.{number}.exr" for number in OTHERS]
    for number in OTHERS:
        before, after = (read_exr(folder / f"sh.{number}.exr")[0]["R"] for folder in (work / "plate", work / "out"))
        assert 0.0 < np.mean(before != after) < 0.5 and np.median(after) > 0.5 * np.median(before)


def test_a_plate_of_bad_frames_alone_writes_nothing(client: Client, work: Path, whole: tuple[Path, Record]) -> None:
    for path in (work / "plate").iterdir():
        _cut(0.5)(path)
    assert is_typed(client.work(swap(msgspec.structs.replace(shot_of(work), tracks="")), lambda told: None).failure)
    told = []
    assert client.work(swap(shot_of(work)), told.append).failure is None
    assert [one.event["type"] for one in told][-4:] == ["frame-failed"] * 3 + ["finished"]
    assert not bytes_of(work / "out")
    (work / "plate").rename(work / "bad")
    (work / "plate").symlink_to(whole[0].parent / "plate")
    works_on(client, work, whole[0])


@pytest.mark.parametrize("setting", ["tracks={}.tracks", "replace.face=like:{}.jpg", "replace.identity={}"])
def test_a_pipe_in_the_place_of_another_file_is_not_waited_for(client: Client, work: Path, setting: str) -> None:
    for suffix in ("", ".tracks", ".jpg"):
        os.mkfifo(work / f"pipe{suffix}")
    shot = shot_of(work, "out", setting.format(work / "pipe"))
    assert is_typed(client.work(swap(shot), lambda told: None).failure)
