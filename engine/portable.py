"""The recipe without what differs between machines: for the header of a frame, and for what tells one from another."""

import hashlib
from pathlib import PurePath
from typing import Any

import msgspec

from engine.shot import Shot, is_model_file, occlusion_networks


def portable(shot: Shot) -> dict[str, Any]:
    """The recipe as plain values, without what differs between machines and runs: for the header of a frame.

    The folders of the plate, of mattes, of models and of the identities are cut to their last name; the frames asked
    for, the tracks file and the output's place are left out.
    """
    plain = msgspec.to_builtins(shot)
    del plain["tracks"], plain["output"]["path"], plain["plate"]["frames"]
    plain["swapper"] = _portable_model(shot.swapper)
    plain["network"]["enhancer"] = _portable_model(shot.network.enhancer)
    plain["plate"]["path"] = _last_name(shot.plate.path)
    plain["matte"]["holdout"] = _last_name(shot.matte.holdout)
    networks = occlusion_networks(shot.matte)
    plain["matte"]["occlusion"] = ", ".join(map(_portable_model, networks))
    for entry, matte in zip(plain["mattes"], shot.mattes, strict=True):
        entry["path"] = _last_name(matte.path)
    for entry, replace in zip(plain["replace"], shot.replace, strict=True):
        entry["identity"] = _last_name(replace.identity)
        kind, colon, photo = replace.face.partition(":")
        entry["face"] = kind + colon + _last_name(photo)
        entry["swapper"] = _portable_model(replace.swapper)
    return plain


def digest(shot: Shot) -> str:
    """SHA-256, in hex, of everything in the recipe that decides the pixels of a frame.

    Accepted licences do not. Neither names nor places of files take part: what they hold is the business of whoever
    reads them.
    """
    plain = portable(shot)
    del plain["plate"]["path"], plain["accepted_licences"]
    plain["matte"]["holdout"] = bool(shot.matte.holdout)
    for entry in plain["mattes"]:
        entry["path"] = bool(entry["path"])
    plain["swapper"], plain["network"]["enhancer"] = _kind(shot.swapper), _kind(shot.network.enhancer)
    plain["matte"]["occlusion"] = list(map(_kind, occlusion_networks(shot.matte)))
    for entry in plain["replace"]:
        del entry["identity"]
        entry["swapper"] = _kind(entry["swapper"])
        entry["face"] = entry["face"].partition(":")[0]
    return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest()


def _kind(model: str) -> str:
    """The name of a model; of a file only that it is one."""
    return "file" if is_model_file(model) else model


def _portable_model(name: str) -> str:
    return _last_name(name) if is_model_file(name) else name


def _last_name(path: str) -> str:
    return PurePath(path).name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
