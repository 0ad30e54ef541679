# SPDX-License-Identifier: GPL-3.0-or-later
"""The people that are put in, the faces that were found, and their pictures as icons."""

from typing import Any

import bpy
import bpy.utils.previews
import numpy as np

from engine.wire import cast
from engine.wire.messages import Face, Identity

from .connection import engine
from .frames import whole_path
from .settings import plain_shot, settings_of

# What a menu offers: Blender keeps no copy of the texts.
choices: list[Any] = []
_icons: Any = None


def identity_of(clip: bpy.types.MovieClip, folder: str) -> Identity | None:
    """What the engine says of a person's folder; None until it has."""
    return cast.identity_of(engine, whole_path(clip, folder))


def known_people(clip: bpy.types.MovieClip) -> list[Identity]:
    """Everybody who can be put into a clip: those in it, and those whose folders are beside theirs."""
    return cast.known_people(engine, [whole_path(clip, one.identity) for one in settings_of(clip).replace])


def faces_of(clip: bpy.types.MovieClip) -> tuple[Face, ...]:
    """The faces that were found in a clip."""
    return cast.faces_of(engine, plain_shot(clip))


def person_for(clip: bpy.types.MovieClip, face: str) -> Any:
    """Who replaces a face, as an entry of the clip's recipe; None where nobody does."""
    return next((person for person in settings_of(clip).replace if cast.same_face(person.face, face)), None)


def assign(clip: bpy.types.MovieClip, face: str, identity: str) -> None:
    """Have a face replaced by the person in a folder; by nobody where that is empty."""
    people, person = settings_of(clip).replace, person_for(clip, face)
    if identity:
        person = people.add() if person is None else person
        person.face, person.identity = face, identity
    elif person is not None:
        people.remove(list(people).index(person))


def identity_icon(person: Identity) -> int:
    """The icon of a person: their first picture."""
    if person.picture and person.picture not in _icons:
        _icons.load(person.picture, person.picture, "IMAGE")
    return _icons[person.picture].icon_id if person.picture else 0


def face_icon(face: Face) -> int:
    """The icon of a face: its picture in the shot."""
    name = f"face {hash(face.thumbnail)}"
    if name not in _icons:
        preview = _icons.new(name)
        preview.image_size = face.side, face.side
        # One whole number for each pixel, the bottom row first.
        pixels = np.frombuffer(face.thumbnail, np.int32).reshape(face.side, face.side)[::-1]
        preview.image_pixels.foreach_set(np.ascontiguousarray(pixels).reshape(-1))
    return _icons[name].icon_id


def register() -> None:
    global _icons
    _icons = bpy.utils.previews.new()


def unregister() -> None:
    bpy.utils.previews.remove(_icons)
