"""A plate edited in place, for every way to store pixels: nothing but the box changes, byte by byte and bit by bit."""

from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from engine.geometry import Box
from engine.plates import Plate
from engine.shot import Chunks
from tests.plates.edited import (
    COMPRESSIONS,
    LOSSY,
    Edit,
    assert_a_tool_reads,
    assert_only_the_box_changed,
    assert_others_read_it,
    channels_of,
    decoded,
    edit_frame,
    part_of,
    random_bits,
    same_bits,
    write_plate,
)
from tests.plates.exr_blocks import LINES, take_apart

_LOSSY = LOSSY["mixed"]
# Blocks of 256 rows make three of it, and the box lies in the first two.
_SHAPE, _BOX = (531, 43), Box(5, 250, 21, 262)
_ORDERS = {"increasing": OpenEXR.INCREASING_Y, "decreasing": OpenEXR.DECREASING_Y, "random": OpenEXR.RANDOM_Y}


@pytest.mark.parametrize("chunks", ["auto", "same", "stored"])
@pytest.mark.parametrize("kind", ["half", "float", "mixed"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression(
    tmp_path: Path, rng: np.random.Generator, compression: str, kind: str, chunks: Chunks
) -> None:
    write_plate(tmp_path / "in.exr", channels_of(rng, kind, _SHAPE), compression)
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", _BOX, rng, chunks)
    assert_only_the_box_changed(edit, exact=chunks != "same" or compression not in LOSSY[kind])
    assert_others_read_it(tmp_path / "out.exr")


@pytest.mark.parametrize("chunks", ["auto", "same", "stored"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_blocks_are_packed_as_asked(tmp_path: Path, rng: np.random.Generator, compression: str, chunks: Chunks) -> None:
    channels = channels_of(rng, "half", (64, 300)) | {"Z": np.zeros((64, 300), np.float32)}
    write_plate(tmp_path / "in.exr", channels, compression)
    edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", Box(7, 3, 8, 4), rng, chunks)
    (part,) = take_apart(tmp_path / "out.exr")
    (block,) = part.touched(7, 3, 8, 4)
    rows = min(64, LINES[COMPRESSIONS[compression].value])
    is_stored = len(part.blocks[block]) == part.lead + rows * 300 * 12
    assert is_stored == (chunks == "stored" or compression == "no" or (chunks == "auto" and compression in _LOSSY))


@pytest.mark.parametrize("level", [2.0, 45.0, 900.0])
@pytest.mark.parametrize("compression", ["dwaa", "dwab"])
def test_a_lossy_block_is_packed_at_the_level_of_the_file(
    tmp_path: Path, rng: np.random.Generator, compression: str, level: float
) -> None:
    channels = {name: pixels + rng.normal(0, 0.1, (256, 300)).astype(np.float16) for name, pixels in
                channels_of(rng, "half", (256, 300)).items()}  # fmt: skip
    write_plate(tmp_path / "in.exr", channels, compression, dwaCompressionLevel=level)
    edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", Box(7, 3, 8, 4), rng, "same")
    before, after = (len(take_apart(tmp_path / name)[0].blocks[0]) for name in ("in.exr", "out.exr"))
    assert 0.8 < after / before < 1.25


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_frame_without_a_change_is_the_same_but_for_its_header(
    tmp_path: Path, rng: np.random.Generator, compression: str
) -> None:
    write_plate(tmp_path / "in.exr", channels_of(rng, "mixed", (70, 20)), compression)
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", Box(0, 0, 0, 0), rng)
    assert_only_the_box_changed(edit)
    assert take_apart(edit.target)[0].blocks == take_apart(edit.source)[0].blocks


@pytest.mark.parametrize("compression", ["no", "rle", "zip", "piz", "b44"])
@pytest.mark.parametrize("order", ["increasing", "decreasing"])
@pytest.mark.parametrize("origin", [(0, 0), (-7, -3), (1001, 333), (-300, 17)])
def test_origins_and_line_orders_of_scanlines(
    tmp_path: Path, rng: np.random.Generator, compression: str, order: str, origin: tuple[int, int]
) -> None:
    channels = channels_of(rng, "mixed", (85, 61))
    write_plate(tmp_path / "in.exr", channels, compression, origin, lineOrder=_ORDERS[order])
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", Box(3, 30, 44, 41).moved(*origin), rng)
    assert_only_the_box_changed(edit)
    assert_others_read_it(edit.target)


@pytest.mark.parametrize("box", [Box(0, 0, 61, 85), Box(0, 84, 61, 85), Box(60, 0, 61, 1), Box(59, 15, 61, 17)])
@pytest.mark.parametrize("compression", ["no", "zip", "piz"])
def test_boxes_at_the_edge(tmp_path: Path, rng: np.random.Generator, compression: str, box: Box) -> None:
    write_plate(tmp_path / "in.exr", channels_of(rng, "mixed", (85, 61)), compression, (-9, -20))
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", box.moved(-9, -20), rng)
    assert_only_the_box_changed(edit)


@pytest.mark.parametrize("chunks", ["auto", "same", "stored"])
@pytest.mark.parametrize("order", _ORDERS)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_tiles(tmp_path: Path, rng: np.random.Generator, compression: str, order: str, chunks: Chunks) -> None:
    channels = channels_of(rng, "mixed", (85, 61))
    write_plate(tmp_path / "in.exr", channels, compression, (-5, 9), (17, 13), lineOrder=_ORDERS[order])
    # From inside one tile into the last column, where tiles are narrower, and through five rows of them.
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", Box(15, 29, 55, 78), rng, chunks)
    assert_only_the_box_changed(edit, exact=chunks != "same" or compression not in _LOSSY)
    assert_others_read_it(edit.target)
    assert len(take_apart(edit.source)[0].touched(15, 29, 55, 78)) == 3 * 5


@pytest.mark.parametrize("tiles", [(1, 1), (61, 85), (64, 128), (7, 200), (33, 2)])
def test_strange_sizes_of_tiles(tmp_path: Path, rng: np.random.Generator, tiles: tuple[int, int]) -> None:
    for compression, box in (("no", Box(0, 0, 2, 2)), ("zips", Box(30, 40, 35, 43)), ("htj2k32", Box(60, 84, 61, 85))):
        write_plate(tmp_path / "in.exr", channels_of(rng, "half", (85, 61)), compression, (2, -4), tiles)
        edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", box.moved(2, -4), rng)
        assert_only_the_box_changed(edit)


@pytest.mark.parametrize("compression", ["b44", "b44a", "dwaa", "piz", "zip"])
@pytest.mark.parametrize("chunks", ["auto", "same"])
def test_perceptually_linear_channels(
    tmp_path: Path, rng: np.random.Generator, compression: str, chunks: Chunks
) -> None:
    write_plate(tmp_path / "in.exr", channels_of(rng, "half", (85, 61)), compression, linear="RB")
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", Box(10, 40, 20, 50), rng, chunks)
    assert_only_the_box_changed(edit, exact=chunks == "auto" or compression in ("piz", "zip"))


def _three_parts(rng: np.random.Generator, path: Path, tiles: tuple[int, int] | None) -> None:
    """The picture is the last part; the first has another data window, and the second is lossy."""
    display: dict[str, Any] = {"displayWindow": (np.array([0, 0], np.int32), np.array([60, 84], np.int32))}
    depth = {"Z": random_bits(rng, (20, 30), np.float32)}
    OpenEXR.File(
        [
            part_of(depth, "zips", (4, 5), name="depth", **display),
            part_of(channels_of(rng, "half", (85, 61)), "dwaa", tiles=(32, 32), name="diffuse", note="a", **display),
            part_of(channels_of(rng, "mixed", (85, 61)), "zip", (-3, 0), tiles, name="beauty", note="b", **display),
        ]
    ).write(str(path))


@pytest.mark.parametrize("tiles", [None, (16, 24)])
@pytest.mark.parametrize("layers_in", [None, "part", "file"])
def test_the_right_part_of_several(tmp_path: Path, rng: np.random.Generator, tiles: Any, layers_in: Any) -> None:
    _three_parts(rng, tmp_path / "in.exr", tiles)
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", Box(10, 30, 31, 50), rng, layers_in=layers_in)
    assert edit.part == 2
    assert_only_the_box_changed(edit)
    assert_others_read_it(edit.target)
    names = [part.name() for part in OpenEXR.File(str(edit.target), header_only=True).parts]
    assert names == ["depth", "diffuse", "beauty", *(["faceplate"] if layers_in == "part" else [])]


@pytest.mark.parametrize("tiles", [None, (16, 24)])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_layers_in_a_part_of_their_own(
    tmp_path: Path, rng: np.random.Generator, compression: str, tiles: tuple[int, int] | None
) -> None:
    write_plate(tmp_path / "in.exr", channels_of(rng, "mixed", (300, 61)), compression, (-3, -8), tiles)
    box = Box(0, 60, 20, 70)
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", box, rng, layers_in="part")
    assert_only_the_box_changed(edit)
    assert_others_read_it(edit.target)
    expected = np.zeros((300, 61), np.float16)
    expected[box.moved(3, 8).slices(Box(0, 0, 61, 300))] = 1
    assert same_bits(decoded(edit.target)[1]["matte.V"], expected)


@pytest.mark.parametrize("layers_in", ["file", "cropped-file"])
@pytest.mark.parametrize("compression", ["no", "zip", "dwaa"])
def test_layers_in_a_file_of_their_own(
    tmp_path: Path, rng: np.random.Generator, compression: str, layers_in: Any
) -> None:
    write_plate(tmp_path / "in.exr", channels_of(rng, "half", (85, 61)), compression, (-3, -8), note="kept")
    box = Box(0, 20, 20, 30)
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", box, rng, layers_in=layers_in)
    assert_only_the_box_changed(edit)
    beside = tmp_path / "out.layers.exr"
    assert_others_read_it(beside)
    x0, y0, x1, y1 = take_apart(beside)[0].window
    window = Box(x0, y0, x1 + 1, y1 + 1)
    assert window == (box if layers_in == "cropped-file" else Box(-3, -8, 58, 77))
    expected = np.zeros((window.height, window.width), np.float16)
    expected[box.slices(window)] = 1
    assert same_bits(decoded(beside)[0]["matte.V"], expected)
    assert take_apart(beside)[0].header["note"] == ("string", b"kept")


@pytest.mark.parametrize(
    ("compression", "kind"), [("dwaa", "half"), ("dwab", "float"), ("b44", "half"), ("b44a", "half"),
                              ("pxr24", "float"), ("lj2k", "half")],
)  # fmt: skip
@pytest.mark.parametrize("tiles", [None, (32, 32)])
def test_no_generation_is_lost(
    tmp_path: Path, rng: np.random.Generator, compression: str, kind: str, tiles: tuple[int, int] | None
) -> None:
    if compression not in COMPRESSIONS:
        pytest.skip(f"the library does not know {compression}")
    write_plate(tmp_path / "0.exr", channels_of(rng, kind, (300, 61)), compression, tiles=tiles)
    outside = np.ones((300, 61), bool)
    for round, box in enumerate((Box(5, 20, 30, 50), Box(10, 30, 40, 60), Box(0, 250, 61, 270))):
        edit = edit_frame(tmp_path / f"{round}.exr", tmp_path / f"{round + 1}.exr", box, rng)
        assert_only_the_box_changed(edit)
        outside[box.slices(Box(0, 0, 61, 300))] = False
    first, last = (decoded(tmp_path / name)[0] for name in ("0.exr", "3.exr"))
    assert all(same_bits(last[name][outside], first[name][outside]) for name in first)


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> list[Edit]:
    """One of each kind of file that readers of some years ago know too."""
    folder, rng, box = tmp_path_factory.mktemp("edits"), np.random.default_rng(5), Box(10, 30, 31, 50)
    made = []
    for name in ("no", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab"):
        tiles = (16, 24) if name in ("no", "piz", "dwab") else None
        write_plate(folder / f"in_{name}.exr", channels_of(rng, "mixed", (85, 61)), name, (-3, 0), tiles)
        made.append(edit_frame(folder / f"in_{name}.exr", folder / f"{name}.exr", box, rng))
    write_plate(folder / "in_down.exr", channels_of(rng, "half", (85, 61)), "zip", lineOrder=OpenEXR.DECREASING_Y)
    made.append(edit_frame(folder / "in_down.exr", folder / "down.exr", box, rng))
    _three_parts(rng, folder / "in_parts.exr", None)
    for layers_in in ("part", "cropped-file"):
        made.append(
            edit_frame(folder / "in_parts.exr", folder / f"parts_{layers_in}.exr", box, rng, layers_in=layers_in)
        )
    return made


@pytest.mark.parametrize("command", ["exrheader", "exrinfo -v", "oiiotool --stats"])
def test_the_tools_of_other_projects_read_it(edits: list[Edit], command: str) -> None:
    targets = [edit.target for edit in edits]
    assert_a_tool_reads(command, [*targets, targets[-1].with_name("parts_cropped-file.layers.exr")])


@pytest.mark.parametrize(
    ("compression", "loaded"),
    [("no", Box(3, 245, 17, 260)), ("zip", Box(-2, 240, 41, 272)), ("dwab", Box(-2, 0, 41, 512))],
)
def test_only_the_blocks_of_the_reach_are_read(
    tmp_path: Path, rng: np.random.Generator, compression: str, loaded: Box
) -> None:
    write_plate(tmp_path / "in.exr", channels_of(rng, "half", _SHAPE), compression, origin=(-2, 0))
    frame = Plate.open(tmp_path / "in.exr").read(1, reach=lambda window: Box(3, 245, 17, 260).intersect(window))
    assert (frame.data_window, frame.loaded) == (Box(-2, 0, 41, 531), loaded)
    assert frame.channels["R"].shape == (loaded.height, loaded.width)
