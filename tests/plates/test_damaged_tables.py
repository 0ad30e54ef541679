"""Tables of blocks that lie, blocks that are missing or too short, and tiles of several levels."""

import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import OpenImageIO
import pytest

from engine.errors import FrameUnreadable
from engine.geometry import Box
from engine.plates import Plate, write_frame
from engine.plates.splice import ExrFile
from tests.plates.edited import (
    Pixels,
    assert_only_the_box_changed,
    assert_others_read_it,
    channels_of,
    decoded,
    edit_frame,
    part_of,
    same_bits,
    write_plate,
)
from tests.plates.exr_blocks import head_of, put_together, table_of, take_apart

_BOX = Box(10, 30, 31, 50)
_REBUILT = "The plate's table of blocks was damaged; the result has a new one."


def _write(path: Path, kind: str, rng: np.random.Generator) -> None:
    if kind == "parts":
        parts = [part_of(channels_of(rng, "half", (85, 61)), "zip", name=name) for name in ("beauty", "diffuse")]
        OpenEXR.File(parts).write(str(path))
        return
    compression = {"plain": "no", "zips": "zips", "decreasing": "zip", "tiles": "piz"}[kind]
    order = OpenEXR.DECREASING_Y if kind == "decreasing" else OpenEXR.INCREASING_Y
    tiles = (16, 24) if kind == "tiles" else None
    write_plate(path, channels_of(rng, "mixed", (85, 61)), compression, (-3, 0), tiles, lineOrder=order)


def _change_table(path: Path, change: Callable[[list[int], int], object]) -> None:
    """`change` gets the offsets, to be changed where they are, and the length of the file."""
    start, count = table_of(path)
    data = bytearray(path.read_bytes())
    offsets = list(struct.unpack_from(f"<{count}Q", data, start))
    change(offsets, len(data))
    struct.pack_into(f"<{count}Q", data, start, *offsets)
    path.write_bytes(data)


def _zeros(offsets: list[int], _: int) -> None:
    offsets[:] = [0] * len(offsets)


def _one_zero(offsets: list[int], _: int) -> None:
    offsets[-1] = 0


def _past_the_end(offsets: list[int], length: int) -> None:
    offsets[1::2] = [length + offset for offset in offsets[1::2]]


def _huge(offsets: list[int], _: int) -> None:
    offsets[:] = [2**64 - 1 - offset for offset in offsets]


def _swapped(offsets: list[int], _: int) -> None:
    offsets[0], offsets[1] = offsets[1], offsets[0]


def _into_a_block(offsets: list[int], _: int) -> None:
    offsets[2] += 3


def _into_the_header(offsets: list[int], _: int) -> None:
    offsets[0] = 8


def _all_the_same(offsets: list[int], _: int) -> None:
    offsets[:] = [offsets[0]] * len(offsets)


@pytest.mark.parametrize("kind", ["plain", "zips", "decreasing", "tiles", "parts"])
@pytest.mark.parametrize(
    "damage",
    [_zeros, _one_zero, _past_the_end, _huge, _swapped, _into_a_block, _into_the_header, _all_the_same],
)
def test_a_damaged_table_is_made_anew(
    tmp_path: Path, rng: np.random.Generator, kind: str, damage: Callable[[list[int], int], None]
) -> None:
    _write(tmp_path / "whole.exr", kind, rng)
    shutil.copy(tmp_path / "whole.exr", tmp_path / "in.exr")
    _change_table(tmp_path / "in.exr", damage)
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", _BOX, rng)
    assert edit.note == _REBUILT
    assert_only_the_box_changed(replace(edit, source=tmp_path / "whole.exr", note=""))
    assert_others_read_it(edit.target)
    assert not ExrFile(edit.target).table.rebuilt


@pytest.mark.parametrize("kind", ["plain", "zips", "decreasing", "tiles", "parts"])
def test_blocks_that_are_missing_are_an_error(tmp_path: Path, rng: np.random.Generator, kind: str) -> None:
    path = tmp_path / "in.exr"
    _write(path, kind, rng)
    start, count = table_of(path)
    path.write_bytes(path.read_bytes()[:-5])
    for damage in (lambda offsets, length: None, _zeros, _swapped):
        _change_table(path, damage)
        with pytest.raises(FrameUnreadable, match=f"1 of its {count} blocks are missing"):
            Plate.open(path).read(1, reach=lambda window: _BOX.intersect(window))
    path.write_bytes(path.read_bytes()[: start + 8 * count - 1])
    with pytest.raises(FrameUnreadable, match=f"{count} of its {count} blocks are missing"):
        Plate.open(path).read(1, reach=lambda window: _BOX.intersect(window))


@pytest.mark.parametrize("tiles", [None, (16, 24)])
@pytest.mark.parametrize("length", [0, 1, 100, 10**9, -1])
def test_a_block_of_a_wrong_length_is_an_error(
    tmp_path: Path, rng: np.random.Generator, tiles: Any, length: int
) -> None:
    for compression in ("no", "zip", "piz"):
        write_plate(tmp_path / "in.exr", channels_of(rng, "half", (85, 61)), compression, tiles=tiles)
        (part,) = parts = take_apart(tmp_path / "in.exr")
        (index, *_) = part.touched(10, 30, 11, 31)
        block = part.blocks[index]
        part.blocks[index] = block[: part.lead - 4] + struct.pack("<i", length) + block[part.lead :]
        put_together(tmp_path / "in.exr", parts)
        with pytest.raises(FrameUnreadable):
            Plate.open(tmp_path / "in.exr").read(1, reach=lambda window: _BOX.intersect(window))


@pytest.mark.parametrize("compression", ["no", "zip", "piz"])
def test_blocks_that_overlap_are_an_error(tmp_path: Path, rng: np.random.Generator, compression: str) -> None:
    """Each would be copied in full: a small file could fill a disk."""
    write_plate(tmp_path / "in.exr", channels_of(rng, "half", (400, 20)), compression)
    (part,) = parts = take_apart(tmp_path / "in.exr")
    last = sum(len(block) for block in part.blocks[1:])
    part.blocks[0] = part.blocks[0][:4] + struct.pack("<i", len(part.blocks[0]) - 8 + last) + part.blocks[0][8:]
    put_together(tmp_path / "in.exr", parts)
    with pytest.raises(FrameUnreadable):
        Plate.open(tmp_path / "in.exr").read(1, reach=lambda window: Box(0, 300, 5, 305))


@pytest.mark.parametrize("name", ["channels", "compression", "dataWindow"])
@pytest.mark.parametrize("how", ["missing", "another type", "too short"])
def test_a_header_without_what_it_needs_is_an_error(
    tmp_path: Path, rng: np.random.Generator, name: str, how: str
) -> None:
    write_plate(tmp_path / "in.exr", channels_of(rng, "half", (85, 61)), "piz")
    (part,) = parts = take_apart(tmp_path / "in.exr")
    kind, value = part.header.pop(name)
    if how != "missing":
        part.header[name] = ("string", value) if how == "another type" else (kind, value[:-1])
    (tmp_path / "in.exr").write_bytes(head_of(parts) + bytes(8 * 3) + b"".join(part.blocks))
    with pytest.raises(FrameUnreadable, match="its header is damaged"):
        Plate.open(tmp_path / "in.exr")


@pytest.mark.parametrize("rounding", [0, 1])
@pytest.mark.parametrize("mode", [1, 2])
def test_tiles_of_several_levels_are_written_anew(
    tmp_path: Path, rng: np.random.Generator, mode: int, rounding: int
) -> None:
    pixels = {name: rng.random((21, 45)).astype(np.float16) for name in "RGB"}
    _write_levels(tmp_path / "in.exr", pixels, mode | rounding << 4)
    frame = Plate.open(tmp_path / "in.exr").read(1, reach=lambda window: Box(20, 3, 30, 8))
    assert frame.loaded == Box(16, 0, 32, 8)
    for name in "RGB":
        assert same_bits(frame.channels[name], pixels[name][0:8, 16:32])
        frame.channels[name][...] = 2
    written = write_frame(frame, tmp_path / "out.exr")
    assert not written.in_place
    assert "smaller levels" in written.note
    after = decoded(tmp_path / "out.exr")[0]
    for name, values in pixels.items():
        values[0:8, 16:32] = 2
        assert same_bits(after[name], values)
    assert OpenImageIO.ImageBuf(str(tmp_path / "out.exr")).nmiplevels == 1
    assert_others_read_it(tmp_path / "out.exr")


def _write_levels(path: Path, pixels: dict[str, Pixels], mode: int) -> None:
    """A file of uncompressed tiles of 16 by 8 with mip maps (1) or rip maps (2), rounded up with 16 more."""
    write_plate(path, pixels, "no", tiles=(16, 8))
    (part,) = take_apart(path)
    part.header["tiles"] = "tiledesc", struct.pack("<IIB", 16, 8, mode)
    blocks = [
        struct.pack("<5i", x, y, *level, rows.size) + rows.tobytes()
        for level, planes in _levels(pixels, mode)
        for y, x, rows in _tiles(planes)
    ]
    head = head_of([part])
    offsets = np.cumsum([len(head) + 8 * len(blocks), *map(len, blocks)], dtype="<u8")[:-1]
    path.write_bytes(head + offsets.tobytes() + b"".join(blocks))


def _levels(pixels: dict[str, Pixels], mode: int) -> list[tuple[tuple[int, int], dict[str, Pixels]]]:
    height, width = pixels["R"].shape
    up = mode >> 4

    def count(size: int) -> int:
        return (size - 1).bit_length() + 1 if up else size.bit_length()

    def size(full: int, level: int) -> int:
        return max(1, -(-full >> level) if up else full >> level)

    across, down = count(width), count(height)
    levels = [(level, level) for level in range(max(across, down))]
    if mode & 15 == 2:
        levels = [(x, y) for y in range(down) for x in range(across)]
    return [
        ((x, y), {name: values[: size(height, y), : size(width, x)] for name, values in pixels.items()})
        for x, y in levels
    ]


def _tiles(planes: dict[str, Pixels]) -> list[tuple[int, int, Pixels]]:
    height, width = planes["R"].shape
    return [
        (y // 8, x // 16, np.concatenate([planes[name][y : y + 8, x : x + 16] for name in "BGR"], 1).view(np.uint8))
        for y in range(0, height, 8)
        for x in range(0, width, 16)
    ]
