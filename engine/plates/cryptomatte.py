"""Cryptomatte: mattes of objects by name, as renderers write them into EXR files.

The names are hashed, and each pixel holds the hashes of what is seen in it with how much of the pixel each covers, in
pairs of channels ranked by that. It follows the Cryptomatte Specification, version 1.2.0 (Psyop, Jonah Friedman and
Andy Jones): metadata in `cryptomatte/<key>/`, MurmurHash3_32 of the name (seed 0), and its bits as a float whose
exponent is kept away from that of denormal numbers, infinities and NaN.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import mmh3
import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.errors import MatteError
from engine.events import shown
from engine.plates.layout import ExrLayout, PartLayout
from engine.plates.matte_channels import names_near
from engine.plates.rows import Pixels

_ENTRY = re.compile(r"cryptomatte/([^/]+)/(name|hash|conversion|manifest|manif_file)")
_HASH, _CONVERSION = "MurmurHash3_32", "uint32_to_float32"
_LETTERS = {"r": 0, "red": 0, "g": 1, "green": 1, "b": 2, "blue": 2, "a": 3, "alpha": 3}
_FLOAT = 2
# PXR24, DWAA, DWAB: they change the bits of floats, and so the hashes.
_SPOILING = frozenset({5, 8, 9})
_LARGEST_MANIFEST = 1 << 26


class Ids(NamedTuple):
    """What to read: for each part that has some, its number and its pairs of channels (id, coverage); and which ids."""

    ranks: tuple[tuple[int, tuple[str, ...]], ...]
    ids: frozenset[int]


class _Layer(NamedTuple):
    name: str
    entries: dict[str, str]


def find_ids(path: Path, layout: ExrLayout, names: str, layer: str = "") -> Ids:
    """Where a file has the names, separated by commas, of its Cryptomatte; `layer` chooses one of several.

    Without it, it is the one whose manifest has the most of the names. Raises MatteError: for a name that the
    manifest does not have it says which it has.
    """
    layers = _layers(layout)
    if layer:
        chosen = [one for one in layers if one.name == layer]
        if not chosen:
            raise MatteError(
                f"{shown(path)} has no Cryptomatte `{shown(layer)}`; it has {_listed(layers)}.", "Name one of those."
            )
        layers = chosen
    if not layers:
        raise MatteError(f"{shown(path)} holds no Cryptomatte.", "Render it with one, or name a channel.")
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    manifests = [_manifest(path, one) for one in layers]
    index = max(range(len(layers)), key=lambda index: len((manifests[index] or {}).keys() & set(wanted)))
    if len(layers) > 1 and not any(manifests):
        raise MatteError(
            f"{shown(path)} has several Cryptomattes and no list of their names: {_listed(layers)}.",
            "Name one of them as the channel.",
        )
    known = manifests[index]
    every = [name for manifest in manifests for name in manifest or ()]
    for name in wanted:
        if known is not None and name not in known:
            raise MatteError(
                f"The Cryptomatte of {shown(path)} has no `{shown(name)}`; it has {names_near(name, every)}.",
                "Name one of those.",
            )
    return Ids(
        _ranks(path, layout, layers[index]), frozenset(known[name] if known else name_id(name) for name in wanted)
    )


def name_id(name: str) -> int:
    """The id of a name: its hash, with a bit of the exponent turned where that would be all zeros or all ones."""
    hashed = mmh3.hash(name.encode("utf-8"), signed=False)
    return hashed ^ (1 << 23) if hashed >> 23 & 255 in (0, 255) else hashed


def coverage(planes: Sequence[Pixels], ids: Iterable[int]) -> NDArray[np.float32]:
    """How much of each pixel (h, w) the objects of these ids cover, of planes in pairs (id, coverage)."""
    wanted = np.array(sorted(ids), np.uint32)
    total = np.zeros(planes[0].shape, np.float32)
    for own, covered in zip(planes[::2], planes[1::2], strict=True):
        bits = np.ascontiguousarray(own, np.float32).view(np.uint32)
        total += np.where(np.isin(bits, wanted), covered.astype(np.float32), np.float32(0.0))
    return total


def _layers(layout: ExrLayout) -> list[_Layer]:
    """The Cryptomattes that the parts' headers tell of; several parts may tell of the same."""
    found: dict[str, dict[str, str]] = {}
    for part in layout.parts:
        for attribute, (kind, value) in part.attributes.items():
            match = _ENTRY.fullmatch(attribute)
            if match and kind == "string":
                found.setdefault(match[1], {})[match[2]] = value.decode("utf-8", "replace")
    layers = [_Layer(entries["name"], entries) for entries in found.values() if entries.get("name")]
    return list({layer.name: layer for layer in layers}.values())


def _listed(layers: Sequence[_Layer]) -> str:
    return names_near("", (layer.name for layer in layers)) or "none"


def _manifest(path: Path, layer: _Layer) -> dict[str, int] | None:
    """The ids by their names; None where the file does not say them."""
    for entry, usual in (("hash", _HASH), ("conversion", _CONVERSION)):
        if layer.entries.get(entry, usual) != usual:
            raise MatteError(
                f"The Cryptomatte of {shown(path)} has {entry} `{shown(layer.entries[entry])}`, which is not known.",
                f"Render it with {usual}.",
            )
    data = layer.entries.get("manifest", "").encode()
    if not data and (beside := layer.entries.get("manif_file", "")):
        data = _beside(path, beside)
    if not data:
        return None
    try:
        named = msgspec.json.decode(data, type=dict[str, str])
        return {name: int(number, 16) for name, number in named.items()}
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise MatteError(
            f"The names in the Cryptomatte of {shown(path)} cannot be read.", "Render the frame again."
        ) from error


def _beside(path: Path, name: str) -> bytes:
    """The manifest in a file of its own, which lies in the frame's folder; nothing where it is not there."""
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts:
        return b""
    try:
        with (path.parent / relative).open("rb") as file:
            data = file.read(_LARGEST_MANIFEST + 1)
    except OSError:
        return b""
    return data if len(data) <= _LARGEST_MANIFEST else b""


def _ranks(path: Path, layout: ExrLayout, layer: _Layer) -> tuple[tuple[int, tuple[str, ...]], ...]:
    form = re.compile(rf"{re.escape(layer.name)}(\d+)\.([A-Za-z]+)")
    found: list[tuple[int, tuple[str, ...]]] = []
    for number, part in enumerate(layout.parts):
        channels = _numbered(part, form)
        pairs = [
            (level, place) for level, place in sorted(channels) if place in (0, 2) and (level, place + 1) in channels
        ]
        names = tuple(channels[level, place + step] for level, place in pairs for step in (0, 1))
        types = {channel.name: channel.pixel_type for channel in part.channels}
        if any(types[own] != _FLOAT for own in names[::2]) or (names and part.compression in _SPOILING):
            raise MatteError(
                f"The Cryptomatte in {shown(path)} was not kept in 32 bits without loss: its names are gone.",
                "Render it as 32-bit float with ZIP.",
            )
        if names:
            found.append((number, names))
    if not found:
        raise MatteError(
            f"{shown(path)} tells of a Cryptomatte `{shown(layer.name)}`, and has no channels of it.",
            "Render the frame again with them.",
        )
    return tuple(found)


def _numbered(part: PartLayout, form: re.Pattern[str]) -> dict[tuple[int, int], str]:
    """A part's channels by the level and the place in it that their names say; the part's own name may be in front."""
    found: dict[tuple[int, int], str] = {}
    for channel in part.channels:
        for name in (channel.name, f"{part.name}.{channel.name}"):
            match = form.fullmatch(name)
            if match and match[2].lower() in _LETTERS and channel.sampling == (1, 1):
                found[int(match[1]), _LETTERS[match[2].lower()]] = channel.name
    return found
