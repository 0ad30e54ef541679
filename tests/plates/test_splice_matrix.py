"""A plate edited in place, for every way to store pixels: nothing but the box changes, byte by byte and bit by bit."""

from pathlib import Path

import numpy as np
import pytest

from engine.geometry import Box
from engine.plates import Plate
from engine.plates.splice import Chunks
from tests.plates.edited import (
    COMPRESSIONS,
    LOSSY,
    assert_only_the_box_changed,
    assert_others_read_it,
    channels_of,
    edit_frame,
    write_plate,
)

# Blocks of 256 rows make three of it, and the box lies in the first two.
_SHAPE, _BOX = (531, 43), Box(5, 250, 21, 262)


@pytest.mark.parametrize("chunks", ["auto", "same", "stored"])
@pytest.mark.parametrize("kind", ["half", "float", "mixed"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression(
    tmp_path: Path, rng: np.random.Generator, compression: str, kind: str, chunks: Chunks
) -> None:
    write_plate(tmp_path / "in.exr", channels_of(rng, kind, _SHAPE), compression)
    edit = edit_frame(tmp_path / "in.exr", tmp_path / "out.exr", _BOX, rng, chunks)
    assert edit.written == (True, "")
    assert_only_the_box_changed(edit, exact=chunks != "same" or compression not in LOSSY[kind])
    assert_others_read_it(tmp_path / "out.exr")


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
