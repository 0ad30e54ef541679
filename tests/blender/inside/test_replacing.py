"""From a clip to its result, as a person goes: connect, find faces, look at a frame, replace."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from conftest import SIDE, ops


def test_the_engine_is_started_and_connected(addon: Any, engine: Any) -> None:
    assert engine.state == "none"
    assert ops.faceplate.connect() == {"FINISHED"}
    assert engine.state == "connected" and engine.error is None


def test_faces_are_found(addon: Any, clip: Any, engine: Any) -> None:
    assert ops.faceplate.find_faces() == {"FINISHED"}
    people = addon("people")
    engine.wait(lambda: people.faces_of(clip))
    (face,) = people.faces_of(clip)
    assert (face.number, face.first, face.last, face.frames) == (1, 1001, 1003, 3)
    # Without a window icons have no number; their pixels are kept, the bottom row first.
    people.face_icon(face)
    (icon,) = people._icons.values()
    pixels = np.zeros(face.side * face.side, np.int32)
    icon.image_pixels.foreach_get(pixels)
    shown = pixels.reshape(face.side, face.side)[::-1]
    np.testing.assert_array_equal(shown, np.frombuffer(face.thumbnail, np.int32).reshape(face.side, face.side))


def test_the_person_is_known(addon: Any, clip: Any, engine: Any, work: Path) -> None:
    people = addon("people")
    engine.wait(lambda: people.identity_of(clip, str(work / "grace")))
    known = people.identity_of(clip, str(work / "grace"))
    assert (known.person, known.consent, known.pictures) == ("Grace", "valid", 1)
    people.identity_icon(known)
    assert known.picture in people._icons


def test_a_frame_is_shown(addon: Any, clip: Any) -> None:
    assert ops.faceplate.preview() == {"FINISHED"}
    image = bpy.data.images[addon("preview").image_name(clip)]
    assert tuple(image.size) == (SIDE, SIDE) and image.is_float
    pixels = np.zeros(SIDE * SIDE * 4, np.float32)
    image.pixels.foreach_get(pixels)
    assert pixels.max() > 0.2


def test_the_face_is_replaced(addon: Any, clip: Any, work: Path) -> None:
    assert ops.faceplate.replace() == {"FINISHED"}
    assert sorted(path.name for path in (work / "plate/faceplate").glob("*.exr")) == [
        "sh.1001.exr", "sh.1002.exr", "sh.1003.exr",
    ]  # fmt: skip
    assert clip.faceplate.result == str(work / "plate/faceplate/sh.1001.exr")


def test_what_was_previewed_is_what_was_written(addon: Any, clip: Any, work: Path) -> None:
    """Row by row: Blender begins at the bottom, and so does what it was lent."""
    assert ops.faceplate.preview() == {"FINISHED"}
    shown = np.zeros(SIDE * SIDE * 4, np.float32)
    bpy.data.images[addon("preview").image_name(clip)].pixels.foreach_get(shown)
    np.testing.assert_array_equal(shown, pixels(str(work / "plate/faceplate/sh.1001.exr")))


def pixels(path: str) -> np.ndarray:
    image = bpy.data.images.load(path, check_existing=False)
    found = np.zeros(SIDE * SIDE * 4, np.float32)
    image.pixels.foreach_get(found)
    bpy.data.images.remove(image)
    return found


def test_settings_with_keys_are_each_frame_s_own(addon: Any, clip: Any, work: Path) -> None:
    """Opacity goes from 0 to 1: the first frame is the plate, the last is what it is without keys."""
    whole = pixels(str(work / "plate/faceplate/sh.1003.exr"))
    clip.faceplate.output.path = str(work / "keyed")
    for frame, value in ((1, 0.0), (2, 0.0), (3, 1.0)):
        clip.faceplate.composite.opacity = value
        clip.keyframe_insert("faceplate.composite.opacity", frame=frame)
    assert ops.faceplate.replace() == {"FINISHED"}
    (job,) = addon("jobs").latest
    assert (job.done, job.total, sorted(job.paths)) == (3, 3, [1001, 1002, 1003])
    for number in (1001, 1002):
        np.testing.assert_array_equal(pixels(job.paths[number]), pixels(str(work / f"plate/sh.{number}.exr")))
    np.testing.assert_array_equal(pixels(job.paths[1003]), whole)


def test_some_frames_only(clip: Any, work: Path) -> None:
    clip.faceplate.output.path = str(work / "some")
    clip.faceplate.output.layers = {"matte"}
    assert ops.faceplate.replace(frames="1002") == {"FINISHED"}
    assert sorted(path.name for path in (work / "some").glob("*.exr")) == ["sh.1002.exr", "sh.layers.1002.exr"]
    assert clip.faceplate.result == str(work / "some/sh.1002.exr")
