"""That a result is its plate outside of the declared window, and that whatever is not is found and named."""

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.geometry import Box
from engine.plates import compare
from engine.plates.header import WINDOW
from engine.plates.layout import read_layout
from engine.plates.splice import ExrFile
from engine.plates.verified import ChannelChange
from engine.plates.verify import verify_frame
from tests.plates.results import BOX, DATA, Change, edited, fails, flipped, swapped, with_header

LOSSLESS = ("NO", "RLE", "ZIPS", "ZIP", "PIZ", "HTJ2K256", "HTJ2K32", "ZSTD")
LOSSY = ("PXR24", "B44", "B44A", "DWAA", "DWAB", "LJ2K")


# The bytes of a box, in an attribute that is none.
_BOX_AS_TEXT = struct.pack("<4i", BOX.x0, BOX.y0, BOX.x1 - 1, BOX.y1 - 1).decode()


@pytest.mark.parametrize("compression", [*LOSSLESS, *LOSSY])
@pytest.mark.parametrize("tiles", [None, (32, 16)])
def test_a_result_is_its_plate_outside_of_the_window(
    plate: Callable[..., Path], compression: str, tiles: tuple[int, int] | None
) -> None:
    source = plate(compression, tiles)
    out = swapped(source, layers=True)
    found = verify_frame(source, out, 7)
    assert found.same, found.lines()
    assert (found.frame, found.window, found.written_anew, found.repacked_chunks) == (7, BOX, False, 0)
    assert found.changed_samples == 3 * -(-BOX.width * BOX.height // 2)
    assert found.digest == found.plate_digest
    assert not (found.added or found.channels or found.headers or found.problems or found.notes)
    part = read_layout(out).parts[0]
    columns = 1 if tiles is None else 2
    rows = part.rows if tiles is None else tiles[1]
    first, last = (BOX.y0 - DATA.y0) // rows, (BOX.y1 - 1 - DATA.y0) // rows
    assert found.new_chunks == (last - first + 1) * columns
    assert found.chunks == part.chunk_count
    assert "only the window changed" in found.lines()[0]
    assert "21×18 from 10, 40" in found.lines()[0]
    assert len(found.lines()) == 1


@pytest.mark.parametrize("batch", [100, 5000, 1 << 22])
def test_the_digests_are_those_of_the_blocks_outside_of_the_window(
    plate: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(compare, "_BATCH", batch)
    source = plate("ZIPS")
    out = swapped(source)
    found = verify_frame(source, out)
    data, count = out.read_bytes(), DATA.height
    table = read_layout(out).table
    rows, kept, identical = [], hashlib.sha256(), 0
    for offset in struct.unpack_from(f"<{count}Q", data, table):
        y, size = struct.unpack_from("<2i", data, offset)
        rows.append(y)
        if not BOX.y0 <= y < BOX.y1:
            kept.update(hashlib.sha256(data[offset + 8 : offset + 8 + size]).digest())
            identical += size
    assert sorted(rows) == list(range(DATA.y0, DATA.y1))
    assert (found.digest, found.plate_digest) == (kept.hexdigest(), kept.hexdigest())
    assert found.identical_bytes == identical


def test_a_frame_without_a_face_declares_nothing(plate: Callable[..., Path]) -> None:
    source = plate()
    out = swapped(source, changed=False)
    found = verify_frame(source, out)
    assert (found.same, found.window, found.new_chunks, found.changed_samples) == (True, None, 0, 0)
    assert "nothing changed" in found.lines()[0]
    assert fails(verify_frame(source, flipped(out, 0, 0, 9))).digest != found.digest


@pytest.mark.parametrize("tiles", [None, (32, 16)])
def test_one_bit_in_an_untouched_block(plate: Callable[..., Path], tiles: tuple[int, int] | None) -> None:
    out = swapped(source := plate("NO", tiles))
    # The channels of a row follow one another in the order of their names: A, B, G, R, Z, id. The third tile is narrow.
    width = DATA.width if tiles is None else DATA.width - 2 * 32
    found = fails(verify_frame(source, flipped(out, 0, 2, width * 2 + 2 * 5)))
    x, y = DATA.x0 + 5, DATA.y0 + 2
    if tiles is not None:
        x += 2 * 32
        y = DATA.y0
        assert found.chunks == 3 * 7
    assert found.channels == (ChannelChange("", "B", 1, Box(x, y, x + 1, y + 1)),)
    assert found.digest != found.plate_digest
    assert found.changed_samples == 3 * -(-BOX.width * BOX.height // 2)
    assert f"  channel B: 1 samples differ in 1×1 from {x}, {y}" in found.lines()


@pytest.mark.parametrize(("compression", "rows"), [("ZIP", 16), ("ZIPS", 1)])
def test_one_bit_in_a_block_that_cannot_be_decoded_any_more(
    plate: Callable[..., Path], compression: str, rows: int
) -> None:
    out = swapped(source := plate(compression))
    # The last byte belongs to the block's checksum.
    broken = flipped(out, 0, 0, -1)
    found = fails(verify_frame(source, broken))
    assert found.problems == (f"{broken} cannot be read: some of its pixels are damaged, in 90×{rows} from -7, 11.",)
    assert not found.channels
    assert found.changed_samples == 3 * -(-BOX.width * BOX.height // 2)


@pytest.mark.parametrize("compression", ["RLE", "PIZ", "PXR24", "B44", "DWAA", "HTJ2K32", "ZSTD"])
def test_one_bit_anywhere_in_the_blocks_of_the_library(plate: Callable[..., Path], compression: str) -> None:
    out = swapped(source := plate(compression))
    last = ExrFile(out).table.parts[0][-1].packed
    for byte in (0, last // 2, last - 1):
        found = verify_frame(source, flipped(out, 0, -1, byte))
        assert found.digest != found.plate_digest
        assert found.repacked_chunks == 1
    assert not fails(verify_frame(source, flipped(out, 0, -1, last // 2))).notes


@pytest.mark.parametrize("compression", ["NO", "RLE", "ZIP", "PIZ", "DWAA"])
@pytest.mark.parametrize("name", ["A", "Z", "id"])
def test_one_bit_of_another_channel_inside_of_the_window(
    plate: Callable[..., Path], compression: str, name: str
) -> None:
    source = plate(compression)

    def change(planes: dict[str, np.ndarray]) -> None:
        plane = planes[name]
        row, column = plane.shape[0] // 2, BOX.x0 - DATA.x0 + 3
        plane.view(f"u{plane.itemsize}")[row, column] ^= 1

    found = fails(verify_frame(source, edited(source, change)))
    assert [(one.channel, one.samples) for one in found.channels] == [(name, 1)]
    assert (found.channels[0].box.x0, found.channels[0].box.width) == (BOX.x0 + 3, 1)
    assert found.digest == found.plate_digest


@pytest.mark.parametrize("compression", ["NO", "ZIPS", "B44", "HTJ2K32"])
@pytest.mark.parametrize(("column", "allowed"), [(-1, False), (0, True), (20, True), (21, False)])
def test_the_picture_beside_the_window_in_the_same_block(
    plate: Callable[..., Path], compression: str, column: int, allowed: bool
) -> None:
    source = plate(compression)

    def change(planes: dict[str, np.ndarray]) -> None:
        rows = planes["G"].shape[0]
        first = {BOX.height: 2}.get(rows, BOX.y0 - DATA.y0 + 2 - (BOX.y0 - DATA.y0) // 32 * 32)
        planes["G"][first, BOX.x0 - DATA.x0 + column] = 7

    found = verify_frame(source, edited(source, change))
    assert found.same == allowed
    assert found.changed_samples == allowed
    x, y = BOX.x0 + column, BOX.y0 + 2
    assert found.channels == (() if allowed else (ChannelChange("", "G", 1, Box(x, y, x + 1, y + 1)),))


@pytest.mark.parametrize(("before", "after"), [(0x0000, 0x8000), (0x7E01, 0x7E02), (0x7C00, 0x7E00)])
def test_bits_count_and_not_their_values(plate: Callable[..., Path], before: int, after: int) -> None:
    def set_to(bits: int) -> Change:
        def change(planes: dict[str, np.ndarray]) -> None:
            planes["A"].view(np.uint16)[1, 1] = bits

        return change

    out = edited(plate("NO"), set_to(before))
    first = out.rename(out.with_name("first.exr"))
    found = fails(verify_frame(first, edited(first, set_to(after))))
    assert [(one.channel, one.samples) for one in found.channels] == [("A", 1)]


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (lambda header: header.update(owner=("string", b"Zoe")), "changed"),
        (lambda header: header.update(owner=("blob", header["owner"][1])), "changed"),
        (lambda header: header.pop("owner"), "missing"),
        (lambda header: header.update(comment=("string", b"!")), "added"),
        (lambda header: header.update(name=("string", b"!")), "added"),
        (lambda header: header.update(lineOrder=("lineOrder", b"\1")), "changed"),
        (lambda header: header.update(displayWindow=("box2i", bytes(16))), "changed"),
    ],
)
def test_one_attribute_of_the_header(plate: Callable[..., Path], change: Callable[[Any], Any], how: str) -> None:
    out = swapped(source := plate())
    assert verify_frame(source, with_header(out, lambda header: header.pop("faceplate:version"))).same
    found = fails(verify_frame(source, with_header(out, change)))
    (header,) = found.headers
    assert (header.part, header.how) == ("", how)
    assert f"  header {header.attribute}: {how}" in found.lines()
    assert not (found.channels or found.problems)


def test_another_part(plate: Callable[..., Path]) -> None:
    out = swapped(source := plate(parts=True))
    found = verify_frame(source, out)
    assert found.same, found.lines()
    assert found.chunks == sum(part.chunk_count for part in read_layout(source).parts)
    found = fails(verify_frame(source, flipped(out, 2, 30, 2 * DATA.width)))
    y = DATA.y0 + 30
    assert found.channels == (ChannelChange("diffuse", "G", 1, Box(DATA.x0, y, DATA.x0 + 1, y + 1)),)
    assert any(line.startswith("  channel G of part diffuse: 1 samples") for line in found.lines())
    found = fails(verify_frame(source, flipped(out, 0, 30, -1)))
    assert found.problems[0].endswith("damaged, in 90×1 from -7, 41 of part depth.")


def test_the_picture_of_another_part_has_no_window(plate: Callable[..., Path]) -> None:
    result = swapped(source := plate(parts=True))

    def change(planes: dict[str, np.ndarray]) -> None:
        planes["R"][5, BOX.x0 - DATA.x0 + 5] = 7

    found = fails(verify_frame(source, edited(result.rename(result.with_name("result.exr")), change, 2, {})))
    assert found.window == BOX
    assert [(one.part, one.channel) for one in found.channels] == [("diffuse", "R")]
    assert found.digest != found.plate_digest


@pytest.mark.parametrize(
    "declared",
    [None, DATA.grown(1), Box(10, 40, 31, 200), Box(0, 0, 0, 0), "a text", _BOX_AS_TEXT, Box(500, 500, 510, 510)],
)
def test_what_changed_without_a_window_that_can_be(plate: Callable[..., Path], declared: object) -> None:
    source = plate()
    attributes = {} if declared is None else {WINDOW: declared}
    unchanged = verify_frame(source, edited(source, lambda planes: None, attributes=attributes))
    assert unchanged.window is None
    # The blocks were packed anew, and nothing says why.
    assert not unchanged.same and not unchanged.channels

    def change(planes: dict[str, np.ndarray]) -> None:
        planes["R"][20, 30] = 7

    found = fails(verify_frame(source, edited(source, change, attributes=attributes)))
    assert [(one.channel, one.samples) for one in found.channels] == [("R", 1)]
    assert found.changed_samples == 0
    assert bool(found.notes) == (declared not in (None, Box(0, 0, 0, 0)))
