"""Pictures that are in Blender's memory alone."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from conftest import SIDE, ops


def test_an_image_that_is_in_no_file(addon: Any, engine: Any, clip: Any, work: Path) -> None:
    """A picture of Blender's own memory goes to the engine and comes back with the face replaced."""
    loaded = bpy.data.images.load(str(work / "plate/sh.1001.exr"))
    pixels = np.zeros(SIDE * SIDE * 4, np.float32)
    loaded.pixels.foreach_get(pixels)
    bpy.data.images.remove(loaded)
    image: Any = bpy.data.images.new("made here", SIDE, SIDE, float_buffer=True)
    image.pixels.foreach_set(pixels)
    assert ops.faceplate.preview_image(image=image.name) == {"FINISHED"}
    assert addon("preview").latest[0].faces == 1
    found, expected = np.zeros_like(pixels), np.zeros_like(pixels)
    bpy.data.images["Faceplate made here"].pixels.foreach_get(found)
    assert ops.faceplate.preview() == {"FINISHED"}
    bpy.data.images[addon("preview").image_name(clip)].pixels.foreach_get(expected)
    # The same frame, solved alone both times.
    assert addon("preview").latest[0].solved == "frame"
    # What is made of a plate of half precision is half, too.
    np.testing.assert_allclose(found, expected, rtol=2**-10, atol=1e-6)
    assert not np.array_equal(found, pixels)
    image.pixels.foreach_get(found)
    np.testing.assert_array_equal(found, pixels)
