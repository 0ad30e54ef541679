# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn over the clip: the meshes of the faces that were found, and where the frame is replaced."""

from typing import Any

import bpy
import gpu as blender_gpu
from gpu_extras.batch import batch_for_shader
from gpu_extras.presets import draw_texture_2d

from engine.wire.messages import FaceTopology, Topology
from engine.wire.overlay import Overlays, lines_of

from . import frames, settings
from .connection import engine, redraw

_FAINT, _RING = (1.0, 1.0, 1.0, 0.12), (0.3, 0.9, 1.0, 0.8)

# Its stubs lack what it has.
gpu: Any = blender_gpu
_MANAGERS: Any = bpy.types.WindowManager
_overlays = Overlays(engine)
# The last matte that was drawn, and its texture.
_drawn: list[Any] = [None, None]
_handlers: list[Any] = []


def _draw() -> None:
    context: Any = bpy.context
    clip, space, manager = context.edit_movieclip, context.space_data, context.window_manager
    if clip is None or space.view != "CLIP" or not (manager.faceplate_mesh or manager.faceplate_matte):
        return
    over = _overlays.of(clip.session_uid, settings.plain_shot(clip))
    corner = frames.plate_corner(clip, over.footage) if over is not None else None
    # Blender does not tell where a stabilized clip is.
    stable = space.show_stable and clip.tracking.stabilization.use_2d_stabilization
    if over is None or corner is None or stable:
        return
    number = frames.clip_number(clip, space.clip_user.frame_current)
    gpu.state.blend_set("ALPHA")
    with gpu.matrix.push_pop():
        _go_to_plate(context.region, clip.size, corner)
        if manager.faceplate_matte:
            _draw_matte(over.tint(number), over.footage)
        for face in over.faces if manager.faceplate_mesh else ():
            _draw_mesh(context, over.mesh(face, number))
    gpu.state.blend_set("NONE")


def _draw_matte(tint: Any, footage: Any) -> None:
    if tint is None:
        return
    if tint is not _drawn[0]:
        height, width, _ = tint.shape
        pixels = gpu.types.Buffer("FLOAT", tint.size, tint.reshape(-1))
        _drawn[:] = tint, gpu.types.GPUTexture((width, height), format="RGBA16F", data=pixels)
    draw_texture_2d(_drawn[1], (0, footage.height), footage.width, -footage.height)


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
    topology = engine.known(Topology())
    if points is None or not isinstance(topology, FaceTopology):
        return
    shader: Any = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    shader.uniform_float("viewportSize", (context.region.width, context.region.height))
    shader.uniform_float("lineWidth", 1.3 * context.preferences.system.ui_scale)
    points[:, 2] = 0.0
    for color, lines in zip((_FAINT, _RING), lines_of(topology), strict=True):
        shader.uniform_float("color", color)
        batch_for_shader(shader, "LINES", {"pos": points}, indices=lines).draw(shader)


def _toggle(name: str, description: str, default: bool) -> Any:
    return bpy.props.BoolProperty(
        name=name, description=description, default=default, update=lambda manager, context: redraw()
    )


def register() -> None:
    _MANAGERS.faceplate_mesh = _toggle("Mesh", "Draw the meshes of the faces that were found over the clip", True)
    _MANAGERS.faceplate_matte = _toggle("Matte", "Draw over the clip where the frame is replaced", False)
    # Without a window there is nothing to draw with.
    if not bpy.app.background:
        space: Any = bpy.types.SpaceClipEditor
        _handlers.append(space.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL"))


def unregister() -> None:
    while _handlers:
        bpy.types.SpaceClipEditor.draw_handler_remove(_handlers.pop(), "WINDOW")
    _overlays.clear()
    _drawn[:] = None, None
    del _MANAGERS.faceplate_matte, _MANAGERS.faceplate_mesh
