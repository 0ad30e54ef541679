"""Plates that no library writes, edited in place: blocks in any order, gaps, subsampled channels, deep parts beside."""

import itertools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from engine.errors import FrameUnreadable, PlateUnsupported
from engine.geometry import Box
from engine.plates import Plate, write_frame
from engine.plates.exr import read_exr_header
from engine.plates.splice import ExrFile
from engine.shot import Chunks
from tests.plates.edited import (
    COMPRESSIONS,
    LOSSY,
    assert_a_tool_reads,
    assert_only_the_box_changed,
    assert_others_read_it,
    channels_of,
    decoded,
    edit_frame,
    edit_part,
    part_of,
    same_bits,
    write_plate,
)
from tests.plates.exr_blocks import LONG_NAMES, Sampled, put_together, take_apart, write_sampled


def _shuffle(path: Path, rng: np.random.Generator, gaps: bool = True) -> None:
    """Lay the blocks of a file in another order, some with strange bytes before them."""
    parts = take_apart(path)
    order = [(number, index) for number, part in enumerate(parts) for index in range(part.count)]
    rng.shuffle(order)
    put_together(path, parts, order, lambda: int(rng.integers(1, 9000)) if gaps and rng.random() < 0.5 else 0)


@pytest.mark.parametrize("tiles", [None, (17, 13)])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_blocks_in_any_order_with_gaps(
    tmp_path: Path, rng: np.random.Generator, compression: str, tiles: tuple[int, int] | None
) -> None:
    write_plate(tmp_path / "in.exr", channels_of(rng, "mixed", (531, 43)), compression, (-5, 9), tiles)
    _shuffle(tmp_path / "in.exr", rng)
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", Box(5, 250, 21, 275), rng)
    assert_only_the_box_changed(edit)
    assert_others_read_it(edit.target)
    if tiles is None:
        # Gaps are not carried over: with blocks in their order, readers of some years ago would read the result.
        blocks = sorted(ExrFile(edit.target).table.parts[0], key=lambda block: block.offset)
        assert all(before.end == after.offset for before, after in itertools.pairwise(blocks))


@pytest.mark.parametrize("layers_in", [None, "part"])
def test_blocks_of_several_parts_in_any_order(tmp_path: Path, rng: np.random.Generator, layers_in: Any) -> None:
    parts = [
        part_of(channels_of(rng, "half", (85, 61)), "zip", name="beauty"),
        part_of(channels_of(rng, "mixed", (85, 61)), "piz", tiles=(20, 20), name="diffuse"),
        part_of({"Z": channels_of(rng, "float", (85, 61))["A"]}, "no", name="depth"),
    ]
    OpenEXR.File(parts).write(str(tmp_path / "in.exr"))
    _shuffle(tmp_path / "in.exr", rng)
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", Box(5, 10, 21, 20), rng, layers_in=layers_in)
    assert edit.part == 0
    assert_only_the_box_changed(edit)
    assert_others_read_it(edit.target)


@pytest.mark.parametrize("kind", ["scanlines", "plain", "tiles", "part"])
def test_long_stretches_lie_as_in_the_source(tmp_path: Path, rng: np.random.Generator, kind: str) -> None:
    compression, tiles = "no" if kind == "plain" else "zip", (64, 64) if kind == "tiles" else None
    # Blocks of more than 64 KiB, which do not keep their size when a part of them changes.
    write_plate(tmp_path / "in.exr", channels_of(rng, "half", (512, 2000)), compression, tiles=tiles)
    box, layers_in = Box(500, 300, 1500, 310), "part" if kind == "part" else None
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", box, rng, layers_in=layers_in)
    assert_only_the_box_changed(edit)
    assert_others_read_it(edit.target)
    old, new = (ExrFile(path).table.parts[0] for path in (edit.source, edit.target))
    last = len(old) - 1
    first = min(take_apart(edit.source)[0].touched(500, 300, 1500, 310))
    ends = [(after.end - before.end) % 4096 for before, after in zip(old, new, strict=True)]
    assert ends[0] == ends[first - 1] == 0
    assert ends[last] == 0 or kind == "scanlines"
    # Readers of some years ago take the scanlines of a file of one part without a gap, or not at all.
    gaps = [after.offset - before.end for before, after in itertools.pairwise(new)]
    assert kind not in ("scanlines", "plain") or set(gaps) == {0}
    assert sum(gaps) < 4096 * (1 + (len(new) if kind == "part" else 2))


def _luminance(rng: np.random.Generator, width: int, height: int) -> Sampled:
    small = channels_of(rng, "half", (height // 2, width // 2))
    whole = channels_of(rng, "mixed", (height, width))
    channels: Sampled = {"Y": (whole["G"], (1, 1)), "Z": (whole["Z"], (1, 1))}
    return channels | {name: (small[name[0]], (2, 2)) for name in ("RY", "BY")}


@pytest.mark.parametrize("chunks", ["auto", "same", "stored"])
@pytest.mark.parametrize("box", [Box(0, 0, 1, 1), Box(5, 15, 22, 34), Box(0, 0, 30, 44), Box(13, 41, 14, 42)])
@pytest.mark.parametrize("origin", [(0, 0), (-6, 10)])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_subsampled_channels(
    tmp_path: Path, rng: np.random.Generator, compression: str, origin: tuple[int, int], box: Box, chunks: Chunks
) -> None:
    channels = _luminance(rng, 30, 44)
    write_sampled(tmp_path / "in.exr", channels, COMPRESSIONS[compression].value, origin)
    assert all(same_bits(decoded(tmp_path / "in.exr")[0][name], pixels) for name, (pixels, _) in channels.items())
    edit = edit_part(tmp_path / "in.exr", tmp_path / "out.exr", box.moved(*origin), rng, chunks)
    assert_only_the_box_changed(edit)


@pytest.mark.parametrize("compression", ["no", "zips", "zip"])
def test_a_picture_with_a_subsampled_channel_beside_it(
    tmp_path: Path, rng: np.random.Generator, compression: str
) -> None:
    channels: Sampled = {name: (pixels, (1, 1)) for name, pixels in channels_of(rng, "mixed", (44, 28)).items()}
    channels |= {"small.Z": (rng.random((11, 7)).astype(np.float32), (4, 4))}
    channels |= {"wide.Z": (rng.random((22, 28)).astype(np.float32), (1, 2))}
    write_sampled(tmp_path / "in.exr", channels, COMPRESSIONS[compression].value, (-8, 4))
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", Box(-3, 17, 9, 25), rng)
    assert_only_the_box_changed(edit)


@pytest.mark.parametrize("compression", ["no", "rle", "zips"])
def test_rows_without_a_sample(tmp_path: Path, rng: np.random.Generator, compression: str) -> None:
    channels: Sampled = {"BY": (rng.random((6, 5)).astype(np.float16), (2, 2))}
    channels |= {"RY": (rng.random((6, 5)).astype(np.float32), (2, 2))}
    write_sampled(tmp_path / "in.exr", channels, COMPRESSIONS[compression].value, (0, 0))
    assert all(same_bits(decoded(tmp_path / "in.exr")[0][name], pixels) for name, (pixels, _) in channels.items())
    edit = edit_part(tmp_path / "in.exr", tmp_path / "out.exr", Box(2, 3, 7, 9), rng, "auto")
    assert_only_the_box_changed(edit)


@pytest.mark.corpus
@pytest.mark.parametrize("chunks", ["auto", "same", "stored"])
def test_a_real_luminance_chroma_file(corpus: Path, tmp_path: Path, rng: np.random.Generator, chunks: Chunks) -> None:
    source = corpus / "exr_good" / "Chromaticities" / "Rec709_YC.exr"
    edit = edit_part(source, tmp_path / "out.exr", Box(101, 203, 298, 251), rng, chunks)
    assert_only_the_box_changed(edit)
    with pytest.raises(PlateUnsupported, match="subsampled"):
        Plate.open(tmp_path / "out.exr")


@pytest.mark.corpus
@pytest.mark.parametrize("layers_in", [None, "part", "file"])
def test_deep_parts_beside_the_picture(corpus: Path, tmp_path: Path, rng: np.random.Generator, layers_in: Any) -> None:
    (deep,) = take_apart(corpus / "exr_good" / "objectid.deep.exr")
    # The OpenEXR module, which is the judge here, does not read it.
    del deep.header["deepImageState"]
    display = deep.header["displayWindow"]
    _, _, x1, y1 = struct.unpack("<4i", display[1])
    write_plate(tmp_path / "flat.exr", channels_of(rng, "mixed", (y1 + 1, x1 + 1)), "piz")
    (flat,) = take_apart(tmp_path / "flat.exr")
    for part, name, kind in ((deep, b"deep", b"deepscanline"), (flat, b"beauty", b"scanlineimage")):
        part.header |= {"name": ("string", name), "type": ("string", kind), "displayWindow": display}
        part.header["chunkCount"] = ("int", struct.pack("<i", part.count))
        part.header["pixelAspectRatio"] = ("float", struct.pack("<f", 1))
    put_together(tmp_path / "in.exr", [deep, flat])
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", Box(30, 40, 99, 77), rng, layers_in=layers_in)
    assert edit.part == 1
    assert_only_the_box_changed(edit)
    before, after = (OpenEXR.File(str(path), separate_channels=True).parts[0] for path in (edit.source, edit.target))
    assert before.channels.keys() == after.channels.keys() and before.type() == OpenEXR.deepscanline
    for name, channel in before.channels.items():
        pairs = zip(channel.pixels.flat[::97], after.channels[name].pixels.flat[::97], strict=True)
        assert all(np.array_equal(old, new, equal_nan=old is not None) for old, new in pairs)
    frame = Plate.open(edit.source).read(1)
    with pytest.raises(PlateUnsupported, match="deep or subsampled"):
        write_frame(frame, tmp_path / "anew.exr", "zip")


@pytest.mark.parametrize("chunks", ["auto", "same", "stored"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_list_of_channels_in_another_order(
    tmp_path: Path, rng: np.random.Generator, compression: str, chunks: Chunks
) -> None:
    """Every reader sorts the list by name, and takes the pixels to be in that order."""
    write_plate(tmp_path / "in.exr", channels_of(rng, "half", (40, 30)), compression)
    parts = take_apart(tmp_path / "in.exr")
    listed = parts[0].header["channels"][1]
    backwards = b"".join(listed[place : place + 18] for place in (54, 36, 18, 0))
    parts[0].header["channels"] = "chlist", backwards + b"\0"
    put_together(tmp_path / "in.exr", parts)
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", Box(3, 4, 9, 9), rng, chunks)
    assert_only_the_box_changed(edit, exact=chunks != "same" or compression not in LOSSY["half"])
    assert_others_read_it(edit.target)
    parts[0].header["channels"] = "chlist", listed.replace(b"A\0", b"R\0")
    put_together(tmp_path / "in.exr", parts)
    with pytest.raises(FrameUnreadable, match="two channels have the same name"):
        Plate.open(tmp_path / "in.exr")


@pytest.mark.parametrize("layers_in", ["file", "part"])
def test_names_longer_than_31_characters(tmp_path: Path, rng: np.random.Generator, layers_in: Any) -> None:
    long = "a/name/that/is/much/longer/than/the/31/characters/of/old"
    write_plate(tmp_path / "in.exr", channels_of(rng, "half", (40, 30)), **{long: 5, "short": "kept"})
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", Box(3, 4, 9, 9), rng, layers_in=layers_in)
    assert_only_the_box_changed(edit)
    assert OpenEXR.File(str(edit.target), header_only=True).header()[long] == 5


@pytest.mark.parametrize("layers_in", ["file", "part", "picture"])
def test_layers_with_long_names(tmp_path: Path, rng: np.random.Generator, layers_in: Any) -> None:
    write_plate(tmp_path / "in.exr", channels_of(rng, "half", (40, 30)))
    frame = Plate.open(tmp_path / "in.exr").read(1)
    name = "matte.of a person whose name is longer than 31 characters.V"
    frame.add_layer(name, Box(3, 4, 9, 9), np.ones((5, 6), np.float32))
    write_frame(frame, tmp_path / "out.exr", layers_in=layers_in)
    path = tmp_path / ("out.layers.exr" if layers_in == "file" else "out.exr")
    assert decoded(path)[-1][name].sum() == 30
    assert_others_read_it(path)
    assert int.from_bytes(path.read_bytes()[4:8], "little") & LONG_NAMES


@pytest.mark.parametrize(
    ("kind", "value"),
    [("rational", bytes(8)), ("keycode", bytes(28)), ("deepImageState", b"\1"), ("idmanifest", bytes(8)),
     ("ofOurOwn", b"\1\2\3"), ("bytes", b"")],
)  # fmt: skip
@pytest.mark.parametrize("layers_in", ["file", "part"])
def test_attributes_that_the_library_refuses(
    tmp_path: Path, rng: np.random.Generator, kind: str, value: bytes, layers_in: Any
) -> None:
    write_plate(tmp_path / "in.exr", channels_of(rng, "half", (40, 30)), owner="Zoë")
    parts = take_apart(tmp_path / "in.exr")
    parts[0].header["odd"] = kind, value
    put_together(tmp_path / "in.exr", parts)
    assert read_exr_header(tmp_path / "in.exr").attributes["owner"] == "Zoë"
    frame = Plate.open(tmp_path / "in.exr").read(1)
    frame.add_layer("matte.V", Box(3, 4, 9, 9), np.ones((5, 6), np.float32))
    write_frame(frame, tmp_path / "out.exr", layers_in=layers_in)
    assert take_apart(tmp_path / "out.exr")[0].header["odd"] == (kind, value)


@pytest.mark.parametrize("layers_in", ["file", "part"])
def test_a_result_can_be_a_plate_again(tmp_path: Path, rng: np.random.Generator, layers_in: Any) -> None:
    write_plate(tmp_path / "0.exr", channels_of(rng, "half", (40, 30)))
    for round, box in enumerate((Box(3, 4, 9, 9), Box(20, 30, 25, 35))):
        edit = edit_frame(tmp_path / f"{round}.exr", tmp_path / f"{round + 1}.exr", box, rng, layers_in=layers_in)
        assert_only_the_box_changed(edit)
        assert_others_read_it(edit.target)
    parts = [part.name() for part in OpenEXR.File(str(tmp_path / "2.exr"), header_only=True).parts]
    assert parts == (["rgba", "faceplate", "faceplate2"] if layers_in == "part" else [""])


@pytest.mark.parametrize("command", ["exrheader", "exrinfo -v", "oiiotool --stats"])
def test_the_tools_of_other_projects_read_them(tmp_path: Path, rng: np.random.Generator, command: str) -> None:
    edits = []
    # Many of them read scanlines from block to block; in these, long stretches begin where they shall be aligned.
    for name, tiles in (("no", None), ("zip", None), ("zips", (256, 256)), ("piz", (17, 13))):
        write_plate(tmp_path / "in.exr", channels_of(rng, "half", (400, 500)), name, (-5, 9), tiles)
        if tiles is not None:
            _shuffle(tmp_path / "in.exr", rng)
        edits.append(edit_frame(tmp_path / "in.exr", tmp_path / f"{name}.exr", Box(5, 200, 400, 230), rng))
    # OpenImageIO does not read subsampled channels.
    for name in ("no", "zip") if "oiio" not in command else ():
        write_sampled(tmp_path / "in.exr", _luminance(rng, 30, 44), COMPRESSIONS[name].value, (0, 0))
        edits.append(edit_part(tmp_path / "in.exr", tmp_path / f"s_{name}.exr", Box(5, 15, 22, 34), rng, "auto"))
    assert_a_tool_reads(command, [edit.target for edit in edits])
