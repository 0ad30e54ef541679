# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a result, once its frames are written: it is put where it was asked for, or renewed there."""

from functools import partial
from pathlib import Path
from typing import Any

import bpy

from engine.wire.sequence import number_of, numbered, numbers_beside, pattern
from engine.wire.work import Work

from . import comp, frames, settings

# What frames are in that the engine makes of a plate that is not OpenEXR.
_LINEAR = "Linear Rec.709"


def arrived(uid: int, work: Work) -> None:
    """Called when a swap has ended, however it did; `uid` is the session's number of the clip."""
    clip = settings.clip_with(uid)
    if clip is None or not work.paths:
        return
    shot, first = settings.settings_of(clip), min(work.paths)
    shot.result = work.paths[first]
    # Frames from before are part of the result.
    numbers = numbers_beside(Path(shot.result))
    path = numbered(Path(shot.result), numbers[0])
    layers = numbered(Path(work.layers[first]), numbers[0]) if first in work.layers else None
    span = range(numbers[0], numbers[-1] + 1)

    if settings.CLIP in shot.result_to:
        settings.later(uid, partial(_put_clip, path))
    if settings.SEQUENCER in shot.result_to:
        settings.later(uid, partial(_put_strip, path, span))
    if settings.COMPOSITOR in shot.result_to and layers is not None:
        for label, file in (("Result", path), ("Layers", layers)):
            settings.later(uid, partial(_read_image, label, file))
        settings.later(uid, partial(_put_nodes, span))


def _put_nodes(numbers: range, clip: Any) -> None:
    def time(node: Any) -> None:
        node.frame_duration = len(numbers)
        node.frame_start, node.frame_offset = frames.clip_frame(clip, numbers[0]), numbers[0] - 1

    images = {label: comp.own(bpy.data.images, f"{label} {clip.name}") for label in ("Result", "Layers")}
    comp.put(bpy.context.scene, clip, images, time)


def _put_clip(path: Path, clip: Any) -> None:
    mark = f"Result {clip.name}"
    made: Any = comp.own(bpy.data.movieclips, mark) or bpy.data.movieclips.load(str(path))
    made[comp.OWN] = made.name = mark
    # Nothing shows it yet, and files do not keep what nobody uses.
    made.use_fake_user = True
    made.filepath = str(path)
    made.frame_start = frames.clip_frame(clip, number_of(path))
    made.colorspace_settings.name = _space(clip)


def _read_image(label: str, path: Path, clip: Any) -> None:
    mark = f"{label} {clip.name}"
    image: Any = comp.own(bpy.data.images, mark) or bpy.data.images.load(str(path))
    image[comp.OWN] = image.name = mark
    image.source = "SEQUENCE" if clip.source == "SEQUENCE" else "FILE"
    image.colorspace_settings.name = _space(clip)
    # This also has it read again.
    image.filepath = str(path)


def _put_strip(path: Path, numbers: range, clip: Any) -> None:
    scene: Any = bpy.context.scene
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    mark = f"Result {clip.name}"
    strip = comp.own(strips, mark)
    if strip is None:
        channel = 1 + max((one.channel for one in strips), default=0)
        strip = strips.new_image(mark, str(path), channel, frames.clip_frame(clip, numbers[0]))
        strip[comp.OWN] = mark
        _fill(strip, path, numbers)
        _trim(strip, strips, clip, numbers)
    else:
        strip.frame_start += numbers[0] - number_of(Path(strip.elements[0].filename))
        _fill(strip, path, numbers)
    strip.colorspace_settings.name = _space(clip)


def _fill(strip: Any, path: Path, numbers: range) -> None:
    names = [numbered(path, number).name for number in numbers]
    while len(strip.elements) > len(names):
        strip.elements.pop(-1)
    for name in names[len(strip.elements) :]:
        strip.elements.append(name)
    for element, name in zip(strip.elements, names, strict=True):
        element.filename = name
    # This also has the files read again.
    strip.directory = str(path.parent)


def _trim(strip: Any, strips: Any, clip: bpy.types.MovieClip, numbers: range) -> None:
    """Give a strip the start and the offsets of the plate's own strip, where it has one."""
    for plate in strips:
        files = plate.elements if plate.type == "IMAGE" else ()
        if plate != strip and files:
            file = Path(frames.whole_path(clip, plate.directory)) / files[0].filename
            if str(pattern(file)) == frames.plate_path(clip):
                strip.frame_start = plate.frame_start + numbers[0] - number_of(file)
                strip.frame_offset_start = max(0, plate.frame_final_start - strip.frame_start)
                strip.frame_offset_end = max(0, strip.frame_start + len(numbers) - plate.frame_final_end)
                return


def _space(clip: Any) -> str:
    """What Blender calls the colour space of the result: that of the plate, if it is an OpenEXR."""
    return clip.colorspace_settings.name if Path(clip.filepath).suffix.lower() == ".exr" else _LINEAR
