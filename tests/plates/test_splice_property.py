"""Edits in place of any plate: sizes, origins, tiles, channels, compressions, boxes and ways to pack, drawn at random.

What is expected is made from the OpenEXR module's decoding of both files.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.geometry import Box
from engine.shot import Chunks, LayersIn
from tests.plates.edited import (
    COMPRESSIONS,
    LOSSY,
    Edit,
    assert_only_the_box_changed,
    decoded,
    edit_frame,
    edit_part,
    random_bits,
    same_bits,
    write_plate,
)
from tests.plates.exr_blocks import Sampled, put_together, take_apart, write_sampled

_PROFILE = settings(max_examples=250, deadline=None, derandomize=True, database=None)
_OWN = ("no", "zips", "zip")
_OTHERS = tuple(name for name in ("rle", "piz", "pxr24", "b44", "dwaa", "htj2k32", "zstd") if name in COMPRESSIONS)
_TYPES = (np.float16, np.float32)
_NAMES = ("A", "Z", "id", "N.X", "cryptomatte00.R", "a", "RGB.R")
_CHUNKS: st.SearchStrategy[Chunks] = st.sampled_from(["auto", "same", "stored"])
_LAYERS_IN: st.SearchStrategy[LayersIn | None] = st.sampled_from([None, None, "part", "file", "cropped-file"])
_ORDERS = (OpenEXR.INCREASING_Y, OpenEXR.DECREASING_Y, OpenEXR.RANDOM_Y)


@st.composite
def _boxes(draw: st.DrawFn, width: int, height: int, origin: tuple[int, int]) -> Box:
    """A box inside the data window; now and then the whole of it, one pixel, or nothing."""
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    x1, y1 = draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))
    if draw(st.integers(0, 9)) == 0:
        return Box(0, 0, 0, 0)
    return Box(x0, y0, x1, y1).moved(*origin)


@st.composite
def _plates(draw: st.DrawFn, path: Path, compressions: tuple[str, ...]) -> tuple[Box, bool]:
    """Write a plate; its data window, and whether its samples are of any bits, which no lossy compression keeps."""
    compression = draw(st.sampled_from(compressions))
    width, height = draw(st.integers(1, 50)), draw(st.integers(1, 90))
    origin = draw(st.tuples(st.integers(-60, 60), st.integers(-60, 60)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    names = draw(st.lists(st.sampled_from(_NAMES), unique=True))
    types = {name: draw(st.sampled_from(_TYPES)) for name in "RGB"}
    types |= {name: draw(st.sampled_from((*_TYPES, np.uint32))) for name in names}
    wild = compression not in LOSSY["mixed"]
    channels = {name: _samples(rng, (height, width), dtype, wild) for name, dtype in types.items()}
    tiles = draw(st.none() | st.tuples(st.integers(1, 60), st.integers(1, 60)))
    order = draw(st.sampled_from(_ORDERS if tiles else _ORDERS[:2]))
    write_plate(
        path, channels, compression, origin, tiles, "".join(draw(st.sets(st.sampled_from("RGB")))), lineOrder=order
    )
    if draw(st.booleans()):
        parts = take_apart(path)
        places = draw(st.permutations([(0, index) for index in range(parts[0].count)]))
        put_together(path, parts, places, lambda: int(rng.integers(0, 50)))
    return Box(0, 0, width, height).moved(*origin), wild


def _samples(rng: np.random.Generator, shape: tuple[int, int], dtype: Any, wild: bool) -> NDArray[Any]:
    if wild or dtype == np.uint32:
        return random_bits(rng, shape, dtype)
    return (0.5 + 0.2 * np.sin(np.arange(shape[0])[:, None] / 5) * np.ones(shape)).astype(dtype)


def _frame_is_edited(data: st.DataObject, compressions: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.exr"), Path(folder, "out.exr")
        window, exact = data.draw(_plates(source, compressions))
        box = data.draw(_boxes(window.width, window.height, (window.x0, window.y0)))
        chunks = data.draw(_CHUNKS)
        layers_in = data.draw(_LAYERS_IN)
        edit = edit_frame(source, target, box, np.random.default_rng(1), chunks, layers_in)
        assert_only_the_box_changed(edit, exact=exact or chunks != "same")
        if layers_in is not None:
            _assert_layer(edit, window, layers_in)


def _assert_layer(edit: Edit, window: Box, layers_in: str) -> None:
    path = edit.target if layers_in == "part" else edit.target.with_name("out.layers.exr")
    x0, y0, x1, y1 = take_apart(path)[-1].window
    held = Box(x0, y0, x1 + 1, y1 + 1)
    expected = np.zeros((held.height, held.width), np.float16)
    if not edit.box.empty:
        expected[edit.box.slices(held)] = 1
        assert held == (edit.box if layers_in == "cropped-file" else window)
    assert same_bits(decoded(path)[-1]["matte.V"], expected)


@_PROFILE
@given(data=st.data())
def test_frames_of_our_own_compressions(data: st.DataObject) -> None:
    _frame_is_edited(data, _OWN)


@_PROFILE
@given(data=st.data())
def test_frames_of_the_library_s_compressions(data: st.DataObject) -> None:
    _frame_is_edited(data, _OTHERS)


@_PROFILE
@given(data=st.data())
def test_any_channel_of_a_part_may_be_subsampled_and_edited(data: st.DataObject) -> None:
    across, down = data.draw(st.sampled_from([(1, 1), (2, 2), (2, 1), (1, 3), (4, 4)]))
    columns, rows = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 20))
    origin = data.draw(st.integers(-9, 9)) * across, data.draw(st.integers(-9, 9)) * down
    width, height = columns * across, rows * down
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    channels: Sampled = {}
    for name in data.draw(st.lists(st.sampled_from(_NAMES), min_size=1, unique=True)):
        steps = data.draw(st.sampled_from([(1, 1), (across, down)]))
        dtype = data.draw(st.sampled_from((*_TYPES, np.uint32)))
        channels[name] = random_bits(rng, (height // steps[1], width // steps[0]), dtype), steps
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.exr"), Path(folder, "out.exr")
        write_sampled(source, channels, data.draw(st.sampled_from([0, 2, 3])), origin)
        box = data.draw(_boxes(width, height, origin))
        reach = data.draw(_boxes(width, height, origin)).union(box)
        assert_only_the_box_changed(edit_part(source, target, box, rng, data.draw(_CHUNKS), reach))
