"""Results that are stored in another way than their plates, parts of all kinds, and how frames are paired."""

import os
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import OpenImageIO
import pytest

from engine.errors import FrameUnreadable, PlateUnsupported, UsageError
from engine.events import FrameFailed, Notice
from engine.geometry import Box
from engine.plates import compare
from engine.plates.chunks import chunk_box
from engine.plates.companion import layer_part
from engine.plates.edit import NewPart, write_alone, write_edited
from engine.plates.header import WINDOW, header_bytes
from engine.plates.layout import DEEP, MULTI_PART, ChannelLayout, read_layout
from engine.plates.rows import pack, packed_bytes
from engine.plates.splice import ExrFile
from engine.plates.verified import ChannelChange, FrameVerified, HeaderChange
from engine.plates.verify import verify_frame, verify_frames
from engine.plates.zipped import compress
from tests.plates.results import BOX, DATA, coarse_pixels, edited, fails, flipped, header_of, swapped, with_header

LOSSLESS = ("NO", "RLE", "ZIPS", "ZIP", "PIZ", "HTJ2K256", "HTJ2K32", "ZSTD")
LOSSY = ("PXR24", "B44", "B44A", "DWAA", "DWAB")


@pytest.mark.parametrize("options", [{"compression": "piz"}, {"layers": True, "layers_in": "picture"}])
@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("tiles", [None, (32, 16)])
def test_written_anew(
    plate: Callable[..., Path], options: dict[str, Any], parts: bool, tiles: tuple[int, int] | None
) -> None:
    out = swapped(source := plate("ZIP", tiles, parts), **options)
    found = verify_frame(source, out)
    assert found.same, found.lines()
    assert found.written_anew
    assert found.changed_samples == 3 * -(-BOX.width * BOX.height // 2)
    assert found.added == (("channel matte.V",) if "layers" in options else ())
    assert found.storage == (("compression",) if "compression" in options else ())
    assert "the samples outside the window are the same, the bytes are not" in found.lines()[0]
    assert found.digest != found.plate_digest

    def change(planes: dict[str, np.ndarray]) -> None:
        planes["Z"][3, 50] += 1
        planes["R"][3, 80] += 1

    number = 1 if parts else 0
    found = fails(verify_frame(source, edited(out.rename(out.with_name("anew.exr")), change, number)))
    assert [(one.channel, one.samples) for one in found.channels] == [("R", 1), ("Z", 1)]


def test_channels_that_are_gone_or_of_another_type_or_nobodys(plate: Callable[..., Path]) -> None:
    source = plate()
    parts = OpenEXR.File(str(source), separate_channels=True).parts
    channels = {name: channel.pixels for name, channel in parts[0].channels.items()}
    channels |= {"A": channels["A"].astype(np.float32), "extra": channels["A"]}
    del channels["id"]
    OpenEXR.File(header_of("ZIP"), channels).write(str(source.with_name("out.exr")))
    found = fails(verify_frame(source, source.with_name("out.exr")))
    assert found.problems == (
        "The channel A is of another type.",
        "The channel extra is not the plate's.",
        "The channel id is missing.",
    )
    assert not found.channels


def test_another_data_window(plate: Callable[..., Path]) -> None:
    source = plate("NO")
    moved = struct.pack("<4i", DATA.x0 + 1, DATA.y0, DATA.x1, DATA.y1 - 1)
    out = with_header(source, lambda header: header.update(dataWindow=("box2i", moved)))
    found = fails(verify_frame(source, out))
    assert found.headers == (HeaderChange("", "dataWindow", "changed"),)
    assert found.problems == ("The chunks are stored in another way, and could not be compared.",)


@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("compression", ["NO", "ZIP", "PIZ"])
def test_layers_in_a_part_of_their_own(plate: Callable[..., Path], parts: bool, compression: str) -> None:
    out = swapped(source := plate(compression, parts=parts), layers=True, layers_in="part")
    found = verify_frame(source, out)
    assert found.same, found.lines()
    assert not found.written_anew
    assert found.added == ("part faceplate",)
    assert found.digest == found.plate_digest
    assert "  added: part faceplate" in found.lines()
    number = 1 if parts else 0
    assert not verify_frame(source, flipped(out, number, 0, 3)).same


def test_parts_that_are_missing_or_nobodys(plate: Callable[..., Path], rng: np.random.Generator) -> None:
    source = plate()
    single, out = source.with_name("single.exr"), source.with_name("out.exr")
    shutil.copy(source, single)
    header = read_layout(single).parts[0].attributes
    extra = layer_part(header, DATA, {"matte.V": coarse_pixels(rng, np.float16)}, DATA, "mask")
    file = ExrFile(single)
    write_edited(file, out, file.read(0, BOX), Box(0, 0, 0, 0), {}, new_part=extra)
    assert fails(verify_frame(single, out)).problems == ("The part mask is not the plate's.",)
    assert fails(verify_frame(out, single)).problems == ("The part mask is missing.",)


@pytest.mark.parametrize("compression", ["DWAA", "DWAB", "B44"])
def test_lossy_blocks_that_were_compressed_again(plate: Callable[..., Path], compression: str) -> None:
    out = swapped(source := plate(compression), chunks="same")
    found = fails(verify_frame(source, out))
    assert {one.channel for one in found.channels} >= {"R", "G", "B"}
    assert any("compressed again, with loss" in note for note in found.notes)
    assert found.repacked_chunks == 0


def test_a_mip_mapped_plate(tmp_path: Path, rng: np.random.Generator) -> None:
    source, out = tmp_path / "plate.exr", tmp_path / "copy.exr"
    image = OpenImageIO.ImageBuf(rng.random((DATA.y1, DATA.x1, 3)).astype(np.float32))
    OpenImageIO.ImageBufAlgo.make_texture(OpenImageIO.MakeTxTexture, image, str(source), OpenImageIO.ImageSpec())
    assert len(read_layout(source).parts[0].levels) > 2
    shutil.copy(source, out)
    assert verify_frame(source, out).same
    last = read_layout(source).parts[0].chunk_count - 1
    found = fails(verify_frame(source, flipped(out, 0, last, -1)))
    assert found.problems == ("1 chunks of smaller levels are not the plate's.",)
    found = verify_frame(source, swapped(source))
    assert found.written_anew
    assert "tiles" in found.storage
    assert not (found.channels or found.problems)
    found = fails(verify_frame(source.with_name("out.exr"), source))
    assert found.problems == ("The smaller levels are stored in another way, and could not be compared.",)


def test_a_block_that_was_packed_again_by_somebody_else(plate: Callable[..., Path]) -> None:
    out = swapped(source := plate("ZIPS"))
    file, data = ExrFile(out), bytearray(out.read_bytes())
    chunk = file.table.parts[0][0]
    start = chunk.offset + chunk.lead
    again = zlib.compress(zlib.decompress(data[start : start + chunk.packed]), 9)
    assert again != data[start : start + chunk.packed]
    struct.pack_into("<Q", data, file.layout.table, len(data))
    out.write_bytes(bytes(data) + struct.pack("<2i", DATA.y0, len(again)) + again)
    found = fails(verify_frame(source, out))
    assert (found.repacked_chunks, found.written_anew) == (1, False)
    assert found.digest != found.plate_digest
    assert found.problems == ("1 chunks outside the window are not the plate's bytes.",) and not found.channels


def test_a_table_of_blocks_that_is_damaged(plate: Callable[..., Path]) -> None:
    out = swapped(source := plate())
    for path, same in ((source, True), (out, False)):
        broken = path.with_name("broken.exr")
        data = bytearray(path.read_bytes())
        struct.pack_into("<Q", data, read_layout(path).table, 0)
        broken.write_bytes(data)
        found = verify_frame(broken, out) if path == source else verify_frame(source, broken)
        assert found.same == same
        assert bool(found.notes) == same
        assert bool(found.problems) != same


def test_a_result_of_a_result(plate: Callable[..., Path]) -> None:
    out = swapped(plate())
    first = out.rename(out.with_name("first.exr"))
    found = verify_frame(first, swapped(first))
    assert (found.same, found.window) == (True, BOX)
    assert verify_frame(first, swapped(first, changed=False)).window is None


def test_deep_parts_are_compared_by_their_bytes(plate: Callable[..., Path]) -> None:
    flat = read_layout(plate("NO")).parts[0]
    source = plate().with_name("deep.exr")
    picture = flat.attributes | _part_of_many("picture", "scanlineimage", DATA.height)
    deep = flat.attributes | _part_of_many("deep", "deepscanline", DATA.height)
    head = header_bytes([picture, deep], 2 | MULTI_PART | DEEP)
    row = bytes(DATA.width * 16)
    leads = [struct.pack("<3i", 0, y, len(row)) for y in range(DATA.y0, DATA.y1)]
    leads += [struct.pack("<2i3q", 1, y, 40, 60, 1000) for y in range(DATA.y0, DATA.y1)]
    blocks = [lead + row for lead in leads[: DATA.height]] + [lead + bytes(100) for lead in leads[DATA.height :]]
    ends = np.cumsum([len(head) + 8 * len(blocks), *map(len, blocks)])
    source.write_bytes(head + ends[:-1].astype("<u8").tobytes() + b"".join(blocks))
    out = source.with_name("out.exr")
    shutil.copy(source, out)
    found = verify_frame(source, out)
    assert (found.same, found.chunks) == (True, 200)
    # In the pixels, and in the size of the unpacked pixels, which stands before them.
    for byte in (70, -1 - 7):
        chunk = ExrFile(source).table.parts[1][4]
        data = bytearray(source.read_bytes())
        data[chunk.offset + chunk.lead + byte] ^= 1
        out.write_bytes(data)
        found = fails(verify_frame(source, out))
        assert found.problems == ("1 chunks of part deep, which is deep, are not the plate's.",)


def _part_of_many(name: str, kind: str, count: int) -> dict[str, tuple[str, bytes]]:
    texts = {"name": ("string", name.encode()), "type": ("string", kind.encode())}
    return texts | {"chunkCount": ("int", struct.pack("<i", count))}


@pytest.mark.parametrize("compression", [0, 3])
def test_channels_that_are_subsampled(tmp_path: Path, rng: np.random.Generator, compression: int) -> None:
    data = Box(-4, -6, 60, 70)
    pixels = {name: rng.random((76, 64)).astype(np.float16) for name in "BGR"}
    pixels["by"] = rng.random((38, 32)).astype(np.float16)

    def write(path: Path) -> Path:
        part = layer_part({}, data, {"R": pixels["R"]}, data).layout
        channels = tuple(
            ChannelLayout(name, 1, False, (2, 2) if name == "by" else (1, 1)) for name in ("B", "G", "R", "by")
        )
        text = b"".join(one.name.encode() + struct.pack("<xiB3x2i", 1, 0, *one.sampling) for one in channels)
        attributes = part.attributes | {
            "channels": ("chlist", text + b"\0"),
            "compression": ("compression", bytes([compression])),
        }
        rows = {0: 1, 3: 16}[compression]
        layout = replace(part, channels=channels, compression=compression, rows=rows, attributes=attributes)
        boxes = [chunk_box(layout, index) for index in range(layout.chunk_count)]
        blocks = [compress(pack(channels, box, pixels, data), compression) for box in boxes]
        write_alone(NewPart(layout, blocks), path)
        return path

    source = write(tmp_path / "plate.exr")
    assert verify_frame(source, write(tmp_path / "out.exr")).same
    pixels["by"][10:12, 20] += 1
    (tmp_path / "out.exr").unlink()
    found = fails(verify_frame(source, write(tmp_path / "out.exr")))
    # A sample of every second pixel and row: the rows 14 and 16, the column 36.
    assert found.channels == (ChannelChange("", "by", 2, Box(36, 14, 37, 17)),)


@pytest.mark.parametrize("compression", ["ZIP", "PIZ"])
@pytest.mark.parametrize(("before", "after"), [(None, None), ((32, 16), (32, 16)), (None, (24, 40)), ((24, 40), None)])
def test_the_counts_do_not_depend_on_the_bands(
    plate: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    compression: str,
    before: tuple[int, int] | None,
    after: tuple[int, int] | None,
) -> None:
    header = OpenEXR.File(str(plate(compression, after)), header_only=True).header()
    header[WINDOW] = tuple(np.array(corner, np.int32) for corner in ((BOX.x0, BOX.y0), (BOX.x1 - 1, BOX.y1 - 1)))
    source = plate("ZIP", before)
    channels = OpenEXR.File(str(source), separate_channels=True).parts[0].channels
    changed = {name: channel.pixels.copy() for name, channel in channels.items()}
    spots = np.random.default_rng(4).random((DATA.height, DATA.width)) < 0.1
    changed["R"][spots] += 100
    out = source.with_name("out.exr")
    OpenEXR.File(header, changed).write(str(out))
    inside = np.zeros_like(spots)
    inside[BOX.slices(DATA)] = spots[BOX.slices(DATA)]
    rows, columns = np.nonzero(spots & ~inside)
    box = Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1).moved(DATA.x0, DATA.y0)
    for band in (1, 1000, 30_000, 1 << 26):
        monkeypatch.setattr(compare, "_BAND", band)
        found = verify_frame(source, out)
        assert found.changed_samples == inside.sum()
        assert found.channels == (ChannelChange("", "R", len(rows), box),)
        assert found.storage == (("compression",) if compression != "ZIP" else ()) + (
            ("tiles",) if before != after else ()
        )


def test_a_band_takes_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch, plate: Callable[..., Path]) -> None:
    for tiles, limit in ((None, 40_000), ((32, 16), 40_000), ((32, 16), 10_000)):
        monkeypatch.setattr(compare, "_BAND", limit)
        part = read_layout(plate("ZIP", tiles)).parts[0]
        bands = list(compare.all_bands(part, part))
        sizes = [packed_bytes(part.channels, band) for band in bands]
        assert max(sizes) <= limit < 2 * max(sizes)
        assert sum(sizes) == packed_bytes(part.channels, DATA)


def test_a_file_that_somebody_writes_to_meanwhile(plate: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    source = plate()
    out = swapped(source)
    for path in (source, out):

        def touching(file: ExrFile, part: int, path: Path = path) -> list[bytes]:
            found = compare.chunk_digests(file, part)
            os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
            return found

        monkeypatch.setattr("engine.plates.verify.chunk_digests", touching)
        with pytest.raises(FrameUnreadable, match=f"{path.name} was changed while it was read"):
            verify_frame(source, out)


def test_frames_are_paired_by_number(plate: Callable[..., Path], tmp_path: Path) -> None:
    source = plate()
    out = swapped(source, layers=True)
    for folder, path, numbers in (("plates", source, (1, 2, 3, 5)), ("results", out, (2, 3, 4, 5))):
        (tmp_path / folder).mkdir()
        for number in numbers:
            shutil.copy(path, tmp_path / folder / f"sh.{number:04d}.exr")
            if folder == "results":
                shutil.copy(path.with_name("out.layers.exr"), tmp_path / folder / f"sh.layers.{number:04d}.exr")
    (tmp_path / "results/sh.0003.exr").write_bytes(out.read_bytes()[:-100])
    (tmp_path / "results/sh.0005.exr").write_bytes(b"nothing")
    for plates in (tmp_path / "plates", tmp_path / "plates/sh.%04d.exr", str(tmp_path / "plates/sh.####.exr")):
        two, three, four, five, left = verify_frames(plates, tmp_path / "results")
        assert isinstance(two, FrameVerified)
        assert two.same
        assert (two.frame, two.plate) == (2, str(tmp_path / "plates/sh.0002.exr"))
        assert isinstance(three, FrameFailed)
        assert (three.frame, three.code) == (3, "frame-unreadable")
        assert "cut off" in three.message
        assert isinstance(four, FrameFailed)
        assert (four.frame, four.code) == (4, "frame-missing")
        assert isinstance(five, FrameFailed)
        assert "not an EXR file" in five.message
        assert isinstance(left, Notice)
        assert "no frames 1." in left.message


def test_two_files_are_a_pair_whatever_their_numbers(plate: Callable[..., Path]) -> None:
    source = plate()
    out = swapped(source).rename(source.with_name("out.1001.exr"))
    (found,) = verify_frames(source, out)
    assert isinstance(found, FrameVerified)
    assert (found.same, found.frame) == (True, 1001)


def test_only_exr_frames_that_can_be_a_plate(plate: Callable[..., Path]) -> None:
    out = swapped(source := plate())
    (still := source.with_name("still.png")).touch()
    for pair in ((still, out), (source, still)):
        with pytest.raises(UsageError, match=r"still\.png is not an EXR file"):
            list(verify_frames(*pair))
    grey = source.with_name("grey.exr")
    OpenEXR.File(header_of("ZIP"), {"Y": np.zeros((DATA.height, DATA.width), np.float16)}).write(str(grey))
    with pytest.raises(PlateUnsupported, match="grey"):
        verify_frame(grey, grey)
    with pytest.raises(FrameUnreadable):
        verify_frame(source, still)


@pytest.mark.corpus
def test_real_files_are_themselves_and_nothing_else(plate: Callable[..., Path], corpus: Path) -> None:
    source, same = plate(), 0
    for path in sorted(corpus.glob("exr_*/**/*.exr")):
        for first in (path, source):
            try:
                found = verify_frame(first, path)
            except (FrameUnreadable, PlateUnsupported) as error:
                assert error.message.endswith(".")
            else:
                assert found.same == (first == path), path
                same += found.same
    assert same > 20
