"""Frames written in place that cannot be: the plate changes, the disk is full, no header holds such a value."""

import errno
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import DiskFull, FrameUnreadable, OutputError, PlateUnsupported
from engine.geometry import Box
from engine.plates import Frame, Plate, bytefile, edit, exr, write_frame
from engine.plates.proof import prove_edited, prove_layers
from tests.plates.edited import assert_only_the_box_changed, channels_of, edit_frame, random_bits, write_plate
from tests.plates.exr_blocks import put_together, take_apart

_BOX = Box(10, 30, 31, 50)


@pytest.fixture
def source(tmp_path: Path, rng: np.random.Generator) -> Path:
    folder = tmp_path / "plate"
    folder.mkdir()
    write_plate(folder / "in.exr", channels_of(rng, "mixed", (400, 301)), "zip")
    return folder / "in.exr"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def _changed_frame(source: Path) -> Frame:
    frame = Plate.open(source).read(1, reach=lambda window: _BOX.intersect(window))
    frame.channels["R"][...] = 0.5
    frame.add_layer("matte.V", _BOX, np.ones((20, 21), np.float32))
    return frame


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("value", [2**31, -(2**40), 1e300, "\ud800", b"bytes", [1]])
def test_attributes_that_no_header_holds(source: Path, out: Path, value: object) -> None:
    frame = _changed_frame(source)
    frame.attributes["faceplate:strange"] = value
    with pytest.raises(OutputError, match="Frame 1 cannot be written as EXR"):
        write_frame(frame, out / "a.exr")
    assert not _names(out)


def test_a_plate_that_becomes_shorter_is_an_error(source: Path, out: Path) -> None:
    for compression in ("zip", "no"):
        write_plate(source, channels_of(np.random.default_rng(1), "half", (400, 301)), compression)
        frame = _changed_frame(source)
        os.truncate(source, source.stat().st_size - 1000)
        with pytest.raises(FrameUnreadable, match="became shorter while it was read"):
            write_frame(frame, out / "a.exr")
        assert not _names(out)


def test_a_plate_that_changes_is_an_error(source: Path, out: Path) -> None:
    frame = _changed_frame(source)
    with source.open("r+b") as stream:
        stream.seek(-10, 2)
        stream.write(b"0123456789")
    os.utime(source, ns=(0, 1))
    with pytest.raises(FrameUnreadable, match="was changed while it was read"):
        write_frame(frame, out / "a.exr")
    assert not _names(out)


def test_a_plate_that_is_replaced_does_not_matter(source: Path, out: Path, rng: np.random.Generator) -> None:
    before = source.read_bytes()
    frame = _changed_frame(source)
    source.unlink()
    write_plate(source, channels_of(rng, "half", (20, 20)))
    write_frame(frame, out / "a.exr")
    source.write_bytes(before)
    blocks = take_apart(source)[0].blocks
    assert [old == new for old, new in zip(blocks, take_apart(out / "a.exr")[0].blocks, strict=True)].count(False) == 3


@pytest.mark.parametrize("compression", ["no", "zip", "piz", "dwaa"])
@pytest.mark.parametrize("wrong", ["picture", "alpha", "attribute", "layer", "cut"])
def test_the_proof_finds_one_wrong_bit(source: Path, out: Path, compression: str, wrong: str) -> None:
    write_plate(source, channels_of(np.random.default_rng(1), "half", (400, 301)), compression)
    frame = _changed_frame(source)
    frame.attributes["note"] = "right"
    write_frame(frame, out / "a.exr")
    assert frame.source is not None
    file, window, origin = frame.source.file, frame.source.window, (0, 0)
    written, layers = out / "a.exr", out / "a.layers.exr"
    prove_edited(file, window, _BOX, frame.attributes, "auto", written, written)
    prove_layers(frame, layers, 0, origin, layers)
    match wrong:
        case "picture" | "alpha":
            window.planes["B" if wrong == "picture" else "A"].view(np.uint16)[7, 11] ^= 1
        case "attribute":
            frame.attributes["note"] = "wrong"
        case "layer":
            frame.added["matte.V"].view(np.uint16)[3, 4] ^= 1
        case "cut":
            for path in (written, layers):
                path.write_bytes(path.read_bytes()[:-3])
    if wrong in ("layer", "cut"):
        with pytest.raises(OutputError, match="not read back" if wrong == "layer" else "not written whole"):
            prove_layers(frame, layers, 0, origin, layers)
    if wrong != "layer":
        with pytest.raises(OutputError, match="not written whole" if wrong == "cut" else "not read back"):
            prove_edited(file, window, _BOX, frame.attributes, "auto", written, written)


@pytest.mark.parametrize("fails", ["write", "copy_range"])
@pytest.mark.parametrize("at", [0, 1, 2, 5])
def test_a_full_disk_at_any_moment_leaves_nothing(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch, fails: str, at: int
) -> None:
    frame = _changed_frame(source)
    left = [at]

    def counted(real: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(*arguments)

        return call

    (out / "a.exr").write_bytes(b"from before")
    if fails == "write":
        monkeypatch.setattr(bytefile.ByteFile, "write", counted(bytefile.ByteFile.write))
    else:
        monkeypatch.setattr(edit, "copy_range", counted(edit.copy_range))
    try:
        write_frame(frame, out / "a.exr")
    except DiskFull as error:
        assert error.retry
        assert (out / "a.exr").read_bytes() == b"from before"
        assert _names(out) == ["a.exr"]
    else:
        # There are two stretches to copy: above and below the face.
        assert (fails, at) in (("copy_range", 2), ("copy_range", 5))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"file systems cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("compression", ["no", "zip", "piz"])
@pytest.mark.parametrize("layers_in", ["file", "part"])
def test_a_disk_that_is_really_full(
    tmp_path: Path, rng: np.random.Generator, small_disk: Path, compression: str, layers_in: Any
) -> None:
    channels = {name: random_bits(rng, (400, 1000), np.float16) for name in "RGB"}
    write_plate(tmp_path / "in.exr", channels, compression)
    with pytest.raises(DiskFull):
        edit_frame(tmp_path / "in.exr", small_disk / "a.exr", _BOX, rng, layers_in=layers_in)
    assert not _names(small_disk)
    write_plate(tmp_path / "in.exr", {name: pixels[:200] for name, pixels in channels.items()}, compression)
    edit_ = edit_frame(tmp_path / "in.exr", small_disk / "a.exr", _BOX, rng, layers_in=layers_in)
    assert_only_the_box_changed(edit_)


@pytest.mark.parametrize("compression", ["dwab", "zip"])
def test_a_header_that_claims_a_giant_is_refused_before_there_is_room_for_it(
    tmp_path: Path, rng: np.random.Generator, compression: str
) -> None:
    """One row of it would be no giant; the blocks that hold the row are."""
    write_plate(tmp_path / "in.exr", channels_of(rng, "half", (16, 16)), compression)
    parts = take_apart(tmp_path / "in.exr")
    for name in ("dataWindow", "displayWindow"):
        parts[0].header[name] = "box2i", struct.pack("<4i", 0, 0, 2**27 - 1, 15)
    put_together(tmp_path / "in.exr", parts)
    with pytest.raises(PlateUnsupported, match="16 GiB of memory"):
        Plate.open(tmp_path / "in.exr").read(1, reach=lambda window: Box(0, 3, 2**27, 4))


def test_a_picture_is_read_where_all_channels_would_take_too_much(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = (*"RGB", *(f"{number:02}.V" for number in range(30)))
    write_plate(tmp_path / "in.exr", {name: rng.random((64, 64)).astype(np.float32) for name in names})
    monkeypatch.setattr(exr, "_MOST_BYTES", 200_000)
    plate = Plate.open(tmp_path / "in.exr")
    assert plate.read(1, picture_only=True).channels.keys() == set("RGB")
    plate.read(1, reach=lambda window: Box(0, 20, 64, 30))
    with pytest.raises(PlateUnsupported, match="GiB of memory"):
        plate.read(1)
