# SPDX-License-Identifier: GPL-3.0-or-later
# Blender reads properties from annotations that are calls.
# pyright: reportInvalidTypeForm=false
"""What a person can do. From a script, each operator returns once it is done; from the interface, nothing waits."""

from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from engine.wire.work import Work

from . import handover, holdout, jobs, people, preview, result
from .connection import engine, redraw, wait
from .settings import clip_of, settings_of

# In place of a person's folder; an empty name would be a heading in the menu.
_NOBODY = "nobody"


class _Asks:
    """Begins something, and from a script waits until it has ended; an error of the engine is the operator's own."""

    def begin(self, clip: Any, frame: int) -> Callable[[], bool]:
        """Begin; what tells whether it is over."""
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


class _OnClip(_Asks):
    """Asks for something of the movie clip that is shown."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return clip_of(context) is not None


class _Works(_OnClip):
    """Has the engine work, and shows its progress until that has ended; Esc cancels it."""

    _work: Work
    _timer: bpy.types.Timer | None = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return super().poll(context) and not jobs.is_working()

    def make(self, clip: Any) -> Work:
        raise NotImplementedError

    def begin(self, clip: Any, frame: int) -> Callable[[], bool]:
        self._work = jobs.begin(self.make(clip))
        return lambda: bool(self._work.outcome)

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
        return self.conclude() if self._work.outcome else {"PASS_THROUGH"}

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


class FACEPLATE_OT_connect(_Asks, bpy.types.Operator):
    """Connect to the Faceplate engine; it is started where none runs"""

    bl_idname = "faceplate.connect"
    bl_label = "Connect"

    def begin(self, clip: Any, frame: int) -> Callable[[], bool]:
        engine.connect()
        return lambda: engine.state in ("connected", "none")


class FACEPLATE_OT_refresh(bpy.types.Operator):
    """Look again at the footage, the people and the faces"""

    bl_idname = "faceplate.refresh"
    bl_label = "Refresh"

    def execute(self, context: bpy.types.Context) -> set[Any]:
        engine.error = None
        engine.forget()
        return {"FINISHED"}


class FACEPLATE_OT_find_faces(_Works, bpy.types.Operator):
    """Find the faces in all frames of the clip, and follow them"""

    bl_idname = "faceplate.find_faces"
    bl_label = "Find Faces"

    def make(self, clip: Any) -> Work:
        return jobs.solve(clip)


class FACEPLATE_OT_replace(_Works, bpy.types.Operator):
    """Replace the faces in the clip, and write the result as an OpenEXR sequence"""

    bl_idname = "faceplate.replace"
    bl_label = "Replace Face"
    bl_options = {"UNDO"}

    frames: StringProperty(name="Frames", description="Numbers of files, such as 1001-1010; empty means all")
    redo: BoolProperty(name="Redo", description="Write frames anew that are there already")

    def make(self, clip: Any) -> Work:
        uid = clip.session_uid
        return jobs.swap(clip, self.frames, self.redo, lambda work: result.arrived(uid, work))


class FACEPLATE_OT_cancel(bpy.types.Operator):
    """Stop what the engine does for this clip; finished frames stay"""

    bl_idname = "faceplate.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return jobs.is_working()

    def execute(self, context: bpy.types.Context) -> set[Any]:
        for work in jobs.latest:
            work.cancel()
        return {"FINISHED"}


class FACEPLATE_OT_preview(_OnClip, bpy.types.Operator):
    """Make this frame with the face replaced, and show it as an image; nothing is written"""

    bl_idname = "faceplate.preview"
    bl_label = "Preview Frame"

    shows: EnumProperty(
        name="Shows",
        items=[
            ("result", "Result", "The frame with the face replaced"),
            ("plate", "Plate", "The frame as it is"),
            ("matte", "Matte", "Where the frame is replaced"),
        ],
    )

    def begin(self, clip: Any, frame: int) -> Callable[[], bool]:
        return preview.show(clip, frame, self.shows)


def _people(operator: Any, context: bpy.types.Context | None) -> list[Any]:
    clip = clip_of(context) if context else None
    people.choices[:] = [(_NOBODY, "Nobody", "Leave this face as it is", "X", 0)]
    for number, one in enumerate(people.known_people(clip) if clip else (), 1):
        icon = people.identity_icon(one.folder)
        people.choices.append((one.folder, one.person or one.folder, one.message or one.consent, icon, number))
    return people.choices


class FACEPLATE_OT_assign(_OnClip, bpy.types.Operator):
    """Choose who replaces a face, by the folder with their pictures"""

    bl_idname = "faceplate.assign"
    bl_label = "Choose a Person"
    bl_options = {"REGISTER", "UNDO"}

    face: StringProperty(name="Face", default="largest")
    identity: EnumProperty(name="Person", items=_people, options={"SKIP_SAVE"})
    directory: StringProperty(name="Folder", subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def begin(self, clip: Any, frame: int) -> Callable[[], bool]:
        people.assign(clip, self.face, self.directory or self.identity.replace(_NOBODY, ""))
        preview.follow()
        return lambda: True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[Any]:
        if self.properties.is_property_set("identity"):
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}


class FACEPLATE_OT_tracks(_OnClip, bpy.types.Operator):
    """Make tracks of the eyes, the nose, the mouth and the chin of a face, and an animated mask of its outline"""

    bl_idname = "faceplate.tracks"
    bl_label = "Tracks to Blender"

    face: StringProperty(name="Face", default="largest")

    def begin(self, clip: Any, frame: int) -> Callable[[], bool]:
        return handover.tracks(clip, self.face)


class FACEPLATE_OT_mesh(_OnClip, bpy.types.Operator):
    """Make an animated mesh of a face, which covers it in the plate when it is seen through the scene's camera"""

    bl_idname = "faceplate.mesh"
    bl_label = "Mesh to Blender"

    face: StringProperty(name="Face", default="largest")

    def begin(self, clip: Any, frame: int) -> Callable[[], bool]:
        return handover.mesh(clip, self.face)


class FACEPLATE_OT_holdout(_OnClip, bpy.types.Operator):
    """Render the mask that is chosen, and have the plate stay where it is white"""

    bl_idname = "faceplate.holdout"
    bl_label = "Masks from Blender"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return super().poll(context) and settings_of(clip_of(context)).mask is not None

    def begin(self, clip: Any, frame: int) -> Callable[[], bool]:
        return holdout.begin(clip)


register, unregister = bpy.utils.register_classes_factory(
    (
        FACEPLATE_OT_connect,
        FACEPLATE_OT_refresh,
        FACEPLATE_OT_find_faces,
        FACEPLATE_OT_replace,
        FACEPLATE_OT_cancel,
        FACEPLATE_OT_preview,
        FACEPLATE_OT_assign,
        FACEPLATE_OT_tracks,
        FACEPLATE_OT_mesh,
        FACEPLATE_OT_holdout,
    )
)
