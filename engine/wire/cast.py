"""For hosts: who is put in for whom, and what the engine knows of the people and of the faces of a shot."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.wire.contact import Contact
from engine.wire.messages import Face, FaceList, Faces, Identities, Identity, IdentityList
from engine.wire.recipe import solved_part

# Two names of the same face: the first of those that were found is the largest.
_LARGEST = ("largest", "1")


def beside(contact: Contact, folder: str) -> tuple[Identity, ...]:
    """The people in the folder that a person's folder is in; nobody until the engine has said."""
    reply = contact.known(Identities(str(Path(folder).parent))) if folder else None
    return reply.identities if isinstance(reply, IdentityList) else ()


def identity_of(contact: Contact, folder: str) -> Identity | None:
    """What the engine says of a person's folder; None until it has."""
    return next((one for one in beside(contact, folder) if one.folder == folder), None)


def known_people(contact: Contact, folders: Iterable[str]) -> list[Identity]:
    """Those whose folders are given, and those whose folders are beside theirs."""
    return list({one.folder: one for folder in folders for one in beside(contact, folder)}.values())


def faces_of(contact: Contact, shot: dict[str, Any]) -> tuple[Face, ...]:
    """The faces that were found in a shot."""
    reply = contact.known(Faces(solved_part(shot)))
    return reply.faces if isinstance(reply, FaceList) else ()


def same_face(one: str, other: str) -> bool:
    """Whether two names of a recipe are of the same face."""
    return one == other or (one in _LARGEST and other in _LARGEST)
