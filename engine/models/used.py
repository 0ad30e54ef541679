"""Which networks a recipe uses, what their files hold, and whether somebody has accepted their licences."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.errors import LicenceError
from engine.events import shown
from engine.models import store
from engine.models.locate import locate
from engine.models.manifest import Family, Manifest, adapter_digest, consent_of
from engine.models.opened import Located, content_of, ensure_tried
from engine.shot import MESH, Shot, is_model_file, occlusion_networks, swappers_of

RECOGNISER = "arcface_w600k_r50"
"""Whose embeddings networks of the family embedding are told of."""

SWAPPERS: tuple[Family, ...] = ("embedding", "image", "dfm")


class Used(NamedTuple):
    """A network that a recipe uses: what the recipe calls it (a path by its last name), and its file's SHA-256."""

    model: str
    manifest: Manifest
    sha256: str

    @property
    def digest(self) -> str:
        """Of all that decides what the network does to a picture: its file, and how its manifest has it used."""
        return adapter_digest(self.manifest, self.sha256)

    @property
    def acceptance(self) -> str:
        """What a recipe says where its licence is accepted."""
        licence = " ".join(shown(self.manifest.licence).split()) or "unknown"
        return f"{self.model}: {licence}"


class Licence(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a frame says of a network that made it.

    commercial: whether it may be used commercially: "yes", "no" or "unknown". accepted: where it is said that the
    licence was accepted, where it had to be. consent: whose a DFM needs.
    """

    model: str
    sha256: str
    licence: str
    commercial: str
    accepted: str = ""
    consent: str = ""


def models_of(shot: Shot) -> list[Used]:
    """Every network that the recipe uses, each once, in an order that is the recipe's alone.

    Raises ModelError for one that is not installed, cannot be read, or is of another family.
    """
    return [Used(_label(name), found.manifest, content_of(found)) for name, found in _located(shot).items()]


def ensure_usable(shot: Shot, stopped: Callable[[], bool]) -> None:
    """See that every network of the recipe can be opened, before anything else is done for it: each is tried.

    Raises ModelError and ModelTimeout; Cancelled once `stopped()`.
    """
    for found in _located(shot).values():
        ensure_tried(found, stopped)


def check_licences(shot: Shot) -> list[Licence]:
    """What there is to say of each network of the recipe. Raises ModelError, as `models_of`, and LicenceError.

    One that is not cleared for commercial use needs its licence accepted: by the recipe, or by whoever installed a
    file of the same content. What the recipe says comes first, so that it is the same on every machine.
    """
    told, missing = [], []
    for used in models_of(shot):
        manifest = used.manifest
        accepted = _accepted(shot, used) if manifest.commercial is not True else ""
        if accepted is None:
            missing.append(used)
            continue
        consent = consent_of(manifest) if manifest.family == "dfm" else ""
        licence = manifest.licence or "unknown"
        told.append(Licence(used.model, used.sha256, licence, manifest.for_commercial_use, accepted, consent))
    if missing:
        entries = ", ".join(f'"{used.acceptance}"' for used in missing)
        raise LicenceError(
            f"Nobody has accepted the licence of what is not cleared for commercial use: {entries}.",
            "Read it; if you may use it, say --accept-licence, or in the recipe: accepted_licences = ["
            + entries
            + "].",
        )
    return told


def with_licences_accepted(shot: Shot) -> Shot:
    """The recipe with the licence of every network that it uses accepted, where that is needed. Raises ModelError."""
    needed = [used.acceptance for used in models_of(shot) if used.manifest.commercial is not True]
    return msgspec.structs.replace(shot, accepted_licences=tuple(dict.fromkeys((*shot.accepted_licences, *needed))))


def _located(shot: Shot) -> dict[str, Located]:
    """The networks by the names that the recipe, or another network, has for them."""
    found: dict[str, Located] = {}
    waiting = list(_named(shot))
    while waiting:
        name, families = waiting.pop(0)
        if name in found:
            continue
        found[name] = locate(name, *families)
        manifest = found[name].manifest
        if manifest.converter:
            waiting.append((manifest.converter, ("converter",)))
        if manifest.family == "embedding":
            waiting.append((RECOGNISER, ("recogniser",)))
    return found


def _named(shot: Shot) -> Iterator[tuple[str, tuple[Family, ...]]]:
    """The networks that the recipe itself names, and of what family each may be."""
    # Where nobody is replaced yet, the recipe's swapper is what will be used.
    swappers = [name for name in swappers_of(shot) or (shot.swapper,) if name != MESH]
    for name in swappers:
        yield name, SWAPPERS
    if swappers and shot.network.enhancer:
        yield shot.network.enhancer, ("enhancer",)
    for name in occlusion_networks(shot.matte):
        yield name, ("occlusion",)


def _accepted(shot: Shot, used: Used) -> str | None:
    if used.acceptance in shot.accepted_licences:
        return "in the recipe"
    # By whom and when is not said: a frame has the same bytes wherever it was made.
    return "where it is installed" if store.acceptance_of_content(used.sha256) else None


def _label(name: str) -> str:
    return shown(Path(name).name) if is_model_file(name) else name
