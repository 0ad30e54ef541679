# SPDX-License-Identifier: GPL-3.0-or-later
# Blender reads properties from annotations that are calls.
# pyright: reportInvalidTypeForm=false
"""What a person can do. From a script, each operator returns once it is done; from the interface, nothing waits."""

from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from engine.wire.work import Work

from . import handover, jobs, people, result
from .connection import engine, pieces, redraw, wait
from .holdout import begin_holdout
from .preview import follow, show, show_image
from .settings import clip_of, settings_of

# Tells whether what was begun is over.
Over = Callable[[], bool]
Ready = Callable[[bpy.types.Context], bool]

# In place of a person's folder; an empty name would be a heading in the menu.
_NOBODY = "nobody"
_SHOWS = (
    ("result", "Result", "The frame with the face replaced"),
    ("plate", "Plate", "The frame as it is"),
    ("matte", "Matte", "Where the frame is replaced"),
)
_FACE = StringProperty(name="Face", default="largest")
_classes: list[type] = []


class _Asks:
    """Begins something, and from a script waits until it has ended; an error of the engine is the operator's own."""

    def begin(self, clip: Any, frame: int) -> Over:
        """Begin, at a frame of the scene."""
        raise NotImplementedError

    def execute(self: Any, context: bpy.types.Context) -> set[Any]:
        engine.error = None
        wait(self.begin(clip_of(context), context.scene.frame_current))
        return self.conclude()

    def invoke(self: Any, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        if bpy.app.background:
            return self.execute(context)
        engine.error = None
        self.begin(clip_of(context), context.scene.frame_current)
        return {"FINISHED"}

    def conclude(self: Any) -> set[Any]:
        if engine.error is not None:
            self.report({"ERROR"}, f"{engine.error.message} {engine.error.remedy}".strip())
            return {"CANCELLED"}
        return {"FINISHED"}


class _Works(_Asks):
    """Has the engine work, and shows its progress until that has ended; Esc cancels it."""

    _work: Work
    _timer: bpy.types.Timer | None = None

    def make(self, clip: Any) -> Work:
        raise NotImplementedError

    def begin(self, clip: Any, frame: int) -> Over:
        self._work = jobs.begin(self.make(clip))
        return self._is_over

    def _is_over(self) -> bool:
        return bool(self._work.outcome) and not pieces

    def invoke(self: Any, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        done = super().invoke(context, event)
        if bpy.app.background:
            return done
        manager = context.window_manager
        self._timer = manager.event_timer_add(0.1, window=context.window)
        manager.progress_begin(0, 100)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self: Any, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        if event.type == "ESC" and event.value == "PRESS":
            self._work.cancel()
            return {"RUNNING_MODAL"}
        if event.type == "TIMER":
            context.window_manager.progress_update(round(100 * self._work.fraction))
            redraw()
        return self.conclude() if self._is_over() else {"PASS_THROUGH"}

    def cancel(self: Any, context: bpy.types.Context) -> None:
        """Called by Blender where it ends the operator itself, as when another file is opened."""
        self._work.cancel()
        self._stop_showing(context)

    def conclude(self: Any) -> set[Any]:
        self._stop_showing(bpy.context)
        for frame, message in self._work.failed.items():
            self.report({"WARNING"}, f"Frame {frame}: {message}")
        return super().conclude() if self._work.outcome != "cancelled" else {"CANCELLED"}

    def _stop_showing(self, context: bpy.types.Context) -> None:
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            context.window_manager.progress_end()
            self._timer = None
            redraw()


def _anywhere(context: bpy.types.Context) -> bool:
    return True


def _on_clip(context: bpy.types.Context) -> bool:
    return clip_of(context) is not None


def _on_mask(context: bpy.types.Context) -> bool:
    clip = clip_of(context)
    return clip is not None and settings_of(clip).mask is not None


def _idle(context: bpy.types.Context) -> bool:
    return _on_clip(context) and not jobs.is_working()


def _operator(label: str, ready: Ready = _on_clip, base: type = _Asks, **properties: Any) -> Callable[..., Any]:
    """Make an operator of what it begins: a function of the operator, the clip and the frame.

    Its name and description are the function's; `ready` tells where it can be used.
    """

    def made(begins: Callable[..., Any]) -> Callable[..., Any]:
        members = {
            "bl_idname": f"faceplate.{begins.__name__}",
            "bl_label": label,
            "bl_description": begins.__doc__,
            # None can be repeated: that would wait.
            "bl_options": {"UNDO"} if base is _Works else set(),
            "poll": classmethod(lambda cls, context: ready(context)),
            "make" if base is _Works else "begin": begins,
            "__annotations__": properties,
        }
        _classes.append(type(f"FACEPLATE_OT_{begins.__name__}", (base, bpy.types.Operator), members))
        return begins

    return made


@_operator("Connect", _anywhere)
def connect(operator: Any, clip: Any, frame: int) -> Over:
    """Connect to the Faceplate engine; it is started where none runs"""
    engine.connect()
    return lambda: engine.state in ("connected", "none")


@_operator("Refresh", _anywhere)
def refresh(operator: Any, clip: Any, frame: int) -> Over:
    """Look again at the footage, the people and the faces"""
    engine.forget()
    return lambda: True


@_operator("Find Faces", _idle, _Works)
def find_faces(operator: Any, clip: Any) -> Work:
    """Find the faces in all frames of the clip, and follow them"""
    return jobs.solve(clip)


@_operator(
    "Replace Face",
    _idle,
    _Works,
    frames=StringProperty(name="Frames", description="Numbers of files, such as 1001-1010; empty means all"),
    redo=BoolProperty(name="Redo", description="Write frames anew that are there already"),
)
def replace(operator: Any, clip: Any) -> Work:
    """Replace the faces in the clip, and write the result as an OpenEXR sequence"""
    uid = clip.session_uid
    return jobs.swap(clip, operator.frames, operator.redo, lambda work: result.arrived(uid, work))


@_operator("Cancel", lambda context: jobs.is_working())
def cancel(operator: Any, clip: Any, frame: int) -> Over:
    """Stop what the engine does for this clip; finished frames stay"""
    for work in jobs.latest:
        work.cancel()
    return lambda: True


@_operator("Preview Frame", shows=EnumProperty(name="Shows", items=_SHOWS))
def preview(operator: Any, clip: Any, frame: int) -> Over:
    """Make this frame with the face replaced, and show it as an image; nothing is written"""
    return show(clip, frame, operator.shows)


@_operator("Preview Image", image=StringProperty(name="Image"))
def preview_image(operator: Any, clip: Any, frame: int) -> Over:
    """Make the image that is shown with the face replaced by the Active Clip's recipe, also one only Blender has"""
    return show_image(clip, operator.image, frame)


@_operator("Tracks to Blender", face=_FACE)
def tracks(operator: Any, clip: Any, frame: int) -> Over:
    """Make tracks of the eyes, the nose, the mouth and the chin of a face, and an animated mask of its outline"""
    return handover.tracks(clip, operator.face)


@_operator("Mesh to Blender", face=_FACE)
def mesh(operator: Any, clip: Any, frame: int) -> Over:
    """Make an animated mesh of a face, which covers it in the plate when it is seen through the scene's camera"""
    return handover.mesh(clip, operator.face)


@_operator("Masks from Blender", _on_mask)
def holdout(operator: Any, clip: Any, frame: int) -> Over:
    """Render the mask that is chosen, and have the plate stay where it is white"""
    return begin_holdout(clip)


def _people(operator: Any, context: bpy.types.Context | None) -> list[Any]:
    clip = clip_of(context) if context else None
    people.choices[:] = [(_NOBODY, "Nobody", "Leave this face as it is", "X", 0)]
    for number, one in enumerate(people.known_people(clip) if clip else (), 1):
        icon = people.identity_icon(one)
        people.choices.append((one.folder, one.person or one.folder, one.message or one.consent, icon, number))
    return people.choices


class FACEPLATE_OT_assign(_Asks, bpy.types.Operator):
    """Choose who replaces a face, by the folder with their pictures"""

    bl_idname = "faceplate.assign"
    bl_label = "Choose a Person"
    bl_options = {"REGISTER", "UNDO"}

    face: StringProperty(name="Face", default="largest")
    identity: EnumProperty(name="Person", items=_people, options={"SKIP_SAVE"})
    directory: StringProperty(name="Folder", subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _on_clip(context)

    def begin(self, clip: Any, frame: int) -> Over:
        people.assign(clip, self.face, self.directory or ("" if self.identity == _NOBODY else self.identity))
        follow()
        return lambda: True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        if self.properties.is_property_set("identity"):
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}


register, unregister = bpy.utils.register_classes_factory((*_classes, FACEPLATE_OT_assign))
