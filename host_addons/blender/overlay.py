# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn over the clip: the meshes of the faces that were found, and where the frame is replaced."""

from functools import cache
from typing import Any

import bpy
import gpu as blender_gpu
import numpy as np
from gpu_extras.batch import batch_for_shader
from gpu_extras.presets import draw_texture_2d

from engine.wire import messages
from engine.wire.errors import EngineError
from engine.wire.frames import attach

from . import frames, settings
from .connection import engine, redraw

# Frames whose meshes are fetched at once, about a megabyte; pixels of a matte for the screen, at most, either way.
_BLOCK, _MOST = 200, 512
_FAINT, _RING, _TINT = (1.0, 1.0, 1.0, 0.12), (0.3, 0.9, 1.0, 0.8), (1.0, 0.15, 0.1, 0.25)

# Its stubs lack what it has.
gpu: Any = blender_gpu
_MANAGERS: Any = bpy.types.WindowManager
_overs: dict[int, "_Over"] = {}
_handlers: list[Any] = []


class _Over:
    """What is known of one clip, for as long as the engine's answer about its faces stays the same."""

    def __init__(self, found: messages.Reply) -> None:
        self.found = found
        self._meshes: dict[tuple[int, int], dict[int, Any]] = {}
        self._asked: messages.Preview | None = None
        self._number = -1
        self._matte: Any = None
        self._texture: Any = None

    def mesh(self, shot: dict[str, Any], face: int, number: int) -> Any:
        """The points of a face in a frame, (478, 3) in plate pixels; None until they have come, and where none are."""
        block = number // _BLOCK
        # To ask without an engine would start one.
        if (face, block) not in self._meshes and engine.state == "connected":
            kept = self._meshes[face, block] = {}

            def take(told: messages.Reply) -> None:
                if isinstance(told, messages.Geometries) and (points := _taken(told)) is not None:
                    kept.update(zip(told.frames, points, strict=True))

            engine.ask(messages.Geometry(shot, str(face), block * _BLOCK, (block + 1) * _BLOCK - 1), take)
        return self._meshes.get((face, block), {}).get(number)

    def texture(self, shot: dict[str, Any], number: int, scrub: str) -> Any:
        """The matte of a frame; None until it has come. It is asked for again where the recipe has changed."""
        asked = messages.Preview(shot, number, "matte", scrub=scrub, rows="up")
        if asked != self._asked and engine.state == "connected":
            self._asked = asked
            engine.ask(asked, self._take_matte)
        if self._matte is not None:
            height, width, channels = self._matte.shape
            pixels = gpu.types.Buffer("FLOAT", height * width * channels, self._matte.reshape(-1))
            self._matte, self._texture = None, gpu.types.GPUTexture((width, height), format="RGBA16F", data=pixels)
        return self._texture if number == self._number else None

    def _take_matte(self, told: messages.Reply) -> None:
        if isinstance(told, messages.Previewed):
            matte = _taken(told, -(-max(told.width, told.height) // _MOST))
            if matte is not None:
                self._number, self._matte = told.frame, _tinted(matte)


def _taken(told: messages.Geometries | messages.Previewed, step: int = 1) -> Any:
    """A copy of what was leased, or of each so many of its rows and columns; None where it is gone."""
    try:
        return attach(told, told, writing=False)[::step, ::step].copy()
    except EngineError:
        return None
    finally:
        engine.ask(messages.Release(told.lease))


def _tinted(matte: Any) -> Any:
    """A matte (height, width, 1) as a picture: a tint, and more of it along the middle of its edge."""
    picture = np.empty((*matte.shape[:2], 4), np.float32)
    picture[..., :3] = _TINT[:3]
    picture[..., 3:] = _TINT[3] * matte + 6.0 * np.square(matte * (1.0 - matte))
    return picture


def _draw() -> None:
    context: Any = bpy.context
    clip, space, manager = context.edit_movieclip, context.space_data, context.window_manager
    if clip is None or space.view != "CLIP" or not (manager.faceplate_mesh or manager.faceplate_matte):
        return
    shot = settings.plain_shot(clip)
    footage, solved = engine.known(messages.Look(shot["plate"])), settings.solved_part(shot)
    found = engine.known(messages.Faces(solved))
    # Blender does not tell where a stabilized clip is.
    stable = space.show_stable and clip.tracking.stabilization.use_2d_stabilization
    if found is None or not isinstance(footage, messages.Footage) or stable:
        return
    corner = frames.plate_corner(clip, footage)
    if corner is None:
        return
    over = _overs.get(clip.session_uid)
    if over is None or over.found is not found:
        over = _overs[clip.session_uid] = _Over(found)
    number = frames.clip_number(clip, space.clip_user.frame_current)
    gpu.state.blend_set("ALPHA")
    with gpu.matrix.push_pop():
        _go_to_plate(context.region, clip.size, corner)
        texture = over.texture(shot, number, f"overlay {clip.session_uid}") if manager.faceplate_matte else None
        if texture is not None:
            draw_texture_2d(texture, (0, footage.height), footage.width, -footage.height)
        for face in found.faces if manager.faceplate_mesh and isinstance(found, messages.FaceList) else ():
            _draw_mesh(context, over.mesh(solved, face.number, number))
    gpu.state.blend_set("NONE")


def _go_to_plate(region: Any, size: tuple[int, int], corner: tuple[int, int]) -> None:
    """Have what is drawn next be in pixels of the plate. The view goes from 0 to 1 over the clip, its aspect included.

    As Blender draws the clip itself: from the region's first pixel to its last, but as large as the region.
    """
    wide, high = region.width, region.height
    left, bottom = region.view2d.region_to_view(0, 0)
    right, top = region.view2d.region_to_view(wide - 1, high - 1)
    across, along = right - left, top - bottom
    gpu.matrix.translate((-left * (wide - 1) / across, (high - bottom * (high - 1)) / along))
    gpu.matrix.scale((wide / across / size[0], -high / along / size[1]))
    gpu.matrix.translate((-corner[0], -corner[1]))


def _draw_mesh(context: Any, points: Any) -> None:
    topology = engine.known(messages.Topology())
    if points is None or not isinstance(topology, messages.FaceTopology):
        return
    shader: Any = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    shader.uniform_float("viewportSize", (context.region.width, context.region.height))
    shader.uniform_float("lineWidth", 1.3 * context.preferences.system.ui_scale)
    points[:, 2] = 0.0
    for color, lines in zip((_FAINT, _RING), _lines(topology.triangles, tuple(topology.rings.values())), strict=True):
        shader.uniform_float("color", color)
        batch_for_shader(shader, "LINES", {"pos": points}, indices=lines).draw(shader)


@cache
def _lines(triangles: tuple[tuple[int, int, int], ...], rings: tuple[tuple[int, ...], ...]) -> tuple[Any, Any]:
    """Between which points there are lines: the triangles' edges, and the rings'."""
    edges = {(min(pair), max(pair)) for a, b, c in triangles for pair in ((a, b), (b, c), (c, a))}
    closed = [pair for ring in rings for pair in zip(ring, ring[1:] + ring[:1], strict=True)]
    return np.array(sorted(edges), np.int32), np.array(closed, np.int32)


def register() -> None:
    _MANAGERS.faceplate_mesh = bpy.props.BoolProperty(
        name="Mesh",
        default=True,
        description="Draw the meshes of the faces that were found over the clip",
        update=lambda manager, context: redraw(),
    )
    _MANAGERS.faceplate_matte = bpy.props.BoolProperty(
        name="Matte",
        description="Draw over the clip where the frame is replaced; the engine makes it for each frame",
        update=lambda manager, context: redraw(),
    )
    # Without a window there is nothing to draw with.
    if not bpy.app.background:
        space: Any = bpy.types.SpaceClipEditor
        _handlers.append(space.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL"))


def unregister() -> None:
    while _handlers:
        bpy.types.SpaceClipEditor.draw_handler_remove(_handlers.pop(), "WINDOW")
    _overs.clear()
    del _MANAGERS.faceplate_matte, _MANAGERS.faceplate_mesh
