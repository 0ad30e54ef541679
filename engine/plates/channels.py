"""Which of a frame's channels are the picture."""

from collections.abc import Sequence
from dataclasses import dataclass

# Layers that this program itself adds are never the picture of a plate.
OURS = frozenset({"patch", "matte", "stmap"})
_PREFERRED = ("rgba", "beauty", "rgb", "c", "combined")


@dataclass(frozen=True, slots=True)
class Picture:
    """The part, the three channels in the order red, green, blue, and the alpha of the same layer if there is one."""

    part: int
    names: tuple[str, str, str]
    alpha: str | None


class NoPictureError(Exception):
    """No picture, or several that are equally likely; the text is a sentence without its subject and full stop."""


def pick_picture(parts: Sequence[tuple[str, Sequence[str]]]) -> Picture:
    """The picture among the parts of a file, each given as its name and the names of its float channels.

    Plain R, G, B come first (in the part that is called rgba, beauty or the like, else in the first that has them);
    then a layer `LAYER.R`, `.G`, `.B` with a preferred name; then the only layer there is. Raises NoPictureError.
    """
    layered: dict[tuple[int, str], Picture] = {}
    for index, (_, channels) in enumerate(parts):
        for layer, picture in _pictures(index, channels):
            layered[index, layer] = picture
    plain = sorted((_rank(parts[index][0]), index) for index, layer in layered if not layer)
    if plain:
        return layered[plain[0][1], ""]
    named = sorted((_rank(layer), index, layer) for index, layer in layered)
    if named and (len(named) == 1 or named[0][0] < len(_PREFERRED)):
        _, index, layer = named[0]
        return layered[index, layer]
    if named:
        raise NoPictureError(f"has {len(named)} layers that may be the picture ({', '.join(key[2] for key in named)})")
    every = {channel for _, channels in parts for channel in channels}
    if "Y" in every:
        raise NoPictureError("is a grey picture with a single Y channel")
    raise NoPictureError(
        f"has no R, G and B channels (it has {', '.join(sorted(every)[:12]) or 'none of half or float'})"
    )


def _pictures(part: int, channels: Sequence[str]) -> list[tuple[str, Picture]]:
    found: list[tuple[str, Picture]] = []
    present = set(channels)
    for channel in channels:
        layer, dot, last = channel.rpartition(".")
        if last not in ("R", "r") or layer in OURS or (last == "r" and not dot):
            continue
        red, green, blue, alpha = (f"{layer}{dot}{letter}" for letter in ("RGBA" if last == "R" else "rgba"))
        if green in present and blue in present:
            found.append((layer, Picture(part, (red, green, blue), alpha if alpha in present else None)))
    return found


def _rank(name: str) -> int:
    """Place in the list of preferred names; a view is left out: `rgba_left`, `left.beauty`, `ViewLayer.Combined`."""
    words = name.lower().replace("_", ".").split(".")
    return min((_PREFERRED.index(word) for word in words if word in _PREFERRED), default=len(_PREFERRED))
