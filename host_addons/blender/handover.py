# SPDX-License-Identifier: GPL-3.0-or-later
"""The solve, handed over: tracks and a mask on the clip, and the face as a mesh that moves before the camera."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from engine.wire.messages import Failure
from engine.wire.recipe import solved_part
from engine.wire.surface import Surface, ask_surface, write_point_cache

from . import comp, frames, settings
from .connection import engine, pieces
from .preferences import cache_folder

# The engine's centimetres in Blender's metres.
_SCALE = 0.01
_CONSTANT, _LINEAR = 0, 1
# A part of what is made of a surface, which takes a few milliseconds; it is given the clip.
_Piece = Callable[[Any], None]
_OTHER_SIZE = Failure(
    "plate-size", "Blender shows the plate in another size than it has.", "Take proxies and undistortion away."
)


def _mark(clip: Any, *face: str) -> str:
    """By what is found again what was made of a clip, or of a face in it: Blender cuts long names."""
    return " ".join(("Faceplate", clip.name, *face))


def tracks(clip: Any, face: str) -> Callable[[], bool]:
    """Have tracks and a mask made of a face; what tells whether that is over."""

    def put(surface: Surface, corner: tuple[int, int]) -> Iterator[_Piece]:
        places = surface.points[..., :2] - corner
        for name, point in surface.topology.landmarks.items():
            yield partial(_put_track, f"Faceplate {face} {name}", surface.seen, places[:, point])
        ring = list(surface.topology.rings["hull"])
        yield partial(_put_mask, face, surface, len(ring))
        for index, point in enumerate(ring):
            yield partial(_animate_mask, face, index, places[:, point])

    return _ask(clip, face, 0.0, put)


def mesh(clip: Any, face: str) -> Callable[[], bool]:
    """Have a mesh made of a face, in the space of the scene's camera; what tells whether that is over."""
    width, height = clip.size
    graph, camera = bpy.context.evaluated_depsgraph_get(), _camera(bpy.context.scene, clip)
    projection = camera.calc_matrix_camera(graph, x=width, y=height)
    focal = projection[0][0] * width / 2

    def parent(surface: Surface, corner: tuple[int, int], clip: Any) -> None:
        found, footage = comp.own(bpy.data.objects, _mark(clip, face)), surface.footage
        if found is None:
            return
        # The engine's camera looks through the middle of the plate; this one may be shifted, or see a part of it.
        shear = Matrix.Identity(4)
        shear[0][2] = (corner[0] + (width - footage.width) / 2) / focal - projection[0][2] / projection[0][0]
        shear[1][2] = (footage.height - height) / 2 / focal - corner[1] / focal - projection[1][2] / projection[1][1]
        found.parent, found.matrix_parent_inverse = _camera(bpy.context.scene, clip), shear

    def put(surface: Surface, corner: tuple[int, int]) -> Iterator[_Piece]:
        yield partial(_put_mesh, face, surface)
        yield partial(_put_cache, face, surface, focal)
        yield partial(parent, surface, corner)

    return _ask(clip, face, focal, put)


def _ask(
    clip: Any, face: str, focal: float, put: Callable[[Surface, tuple[int, int]], Iterator[_Piece]]
) -> Callable[[], bool]:
    uid, shot = clip.session_uid, solved_part(settings.plain_shot(clip))

    def take(surface: Surface) -> None:
        found = settings.clip_with(uid)
        corner = frames.plate_corner(found, surface.footage) if found is not None else None
        if corner is not None:
            for piece in put(surface, corner):
                settings.later(uid, piece)
            pieces.append(partial(bpy.ops.ed.undo_push, message="Faceplate"))
        elif found is not None:
            engine.error = _OTHER_SIZE

    answered = ask_surface(engine, shot, face, frames.clip_numbers(clip), focal, take)
    return lambda: answered() and not pieces


def _put_track(title: str, seen: Any, places: Any, clip: Any) -> None:
    known = clip.tracking.objects[0].tracks
    track = known.get(title) or known.new(name=title, frame=1)
    for frame in [marker.frame for marker in track.markers if marker.frame > len(places)]:
        track.markers.delete_frame(frame)
    for index, (x, y) in enumerate((places / clip.size).tolist()):
        track.markers.insert_frame(index + 1, co=(x, 1.0 - y)).mute = not seen[index]


def _put_mask(face: str, surface: Surface, count: int, clip: Any) -> None:
    made: Any = comp.own(bpy.data.masks, _mark(clip)) or bpy.data.masks.new(_mark(clip))
    made[comp.OWN] = _mark(clip)
    made.use_fake_user = True
    made.frame_start, made.frame_end = clip.frame_start, clip.frame_start + len(surface.seen) - 1
    if face in made.layers:
        made.layers.remove(made.layers[face])
    spline = made.layers.new(name=face).splines.new()
    spline.use_cyclic = True
    spline.points.add(count - 1)
    for point in spline.points:
        point.handle_type = "VECTOR"
    path = f'layers["{bpy.utils.escape_identifier(face)}"].alpha'
    _animate(made, path, clip.frame_start, surface.seen[:, None], _CONSTANT)


def _animate_mask(face: str, index: int, places: Any, clip: Any) -> None:
    # A mask lies in a square as large as the longer side, with the picture in its middle, y upwards.
    made: Any = comp.own(bpy.data.masks, _mark(clip))
    if made is not None and face in made.layers:
        width, height = clip.size
        places = (places * (1, -1) + (-width / 2, height / 2)) / max(width, height) + 0.5
        path = f'layers["{bpy.utils.escape_identifier(face)}"].splines[0].points[{index}].co'
        _animate(made, path, clip.frame_start, places, _LINEAR)


def _camera(scene: Any, clip: Any) -> Any:
    """The scene's camera; where there is none, one with the lens of the clip's tracking camera."""
    if scene.camera is None:
        scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        scene.collection.objects.link(scene.camera)
        data: Any = scene.camera.data
        tracked = clip.tracking.camera
        data.sensor_fit, data.sensor_width, data.lens = "HORIZONTAL", tracked.sensor_width, tracked.focal_length
        bpy.context.view_layer.update()
    return scene.camera


def _put_mesh(face: str, surface: Surface, clip: Any) -> None:
    name, topology = _mark(clip, face), surface.topology
    if comp.own(bpy.data.objects, name) is None:
        made: Any = bpy.data.meshes.new(name)
        made.from_pydata(surface.points[0, : len(topology.uv)].tolist(), [], topology.triangles)
        corners = np.array(topology.uv, np.float32)[np.array(topology.triangles)]
        made.uv_layers.new(name="Faceplate").data.foreach_set("uv", corners.reshape(-1))
        made.shade_smooth()
        found: Any = bpy.data.objects.new(name, made)
        found[comp.OWN] = name
        bpy.context.scene.collection.objects.link(found)


def _put_cache(face: str, surface: Surface, focal: float, clip: Any) -> None:
    found: Any = comp.own(bpy.data.objects, _mark(clip, face))
    if found is None:
        return
    shot = Path(settings.plain_shot(clip)["tracks"]).stem
    path = cache_folder() / f"{shot}.{re.sub(r'[^0-9A-Za-z]+', '_', face)}.{focal:.2f}.pc2"
    write_point_cache(path, surface.points[:, : len(surface.topology.uv)])
    cache = found.modifiers.get("Faceplate") or found.modifiers.new("Faceplate", "MESH_CACHE")
    cache.cache_format, cache.interpolation = "PC2", "NONE"
    cache.filepath, cache.frame_start = str(path), clip.frame_start
    found.scale = (_SCALE,) * 3
    for hidden in ("hide_render", "hide_viewport"):
        _animate(found, hidden, clip.frame_start, ~surface.seen[:, None], _CONSTANT)


def _animate(holder: Any, path: str, start: int, values: Any, interpolation: int) -> None:
    """Give a property a key in each frame from `start` on: `values` (n, components)."""
    holder.keyframe_insert(path, frame=start)
    for curve in settings.curves_of(holder):
        if curve.data_path == path:
            keys = np.column_stack([np.arange(start, start + len(values)), values[:, curve.array_index]])
            curve.keyframe_points.clear()
            curve.keyframe_points.add(len(keys))
            curve.keyframe_points.foreach_set("co", keys.astype(np.float32).reshape(-1))
            curve.keyframe_points.foreach_set("interpolation", np.full(len(keys), interpolation, np.int32))
            curve.update()
