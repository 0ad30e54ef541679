"""Which channel of an EXR file a name means: in any part, by its own name or behind that of its part."""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from engine.errors import MatteError, PlateUnsupported
from engine.events import shown
from engine.plates.layout import ChannelLayout, ExrLayout

_MOST_NAMED = 24
# The first of a picture's channels, and not the one that is first in the alphabet, as its alpha is.
_FIRST = ("R", "Y", "V")


class Found(NamedTuple):
    """The number of a part, and the name of a channel in it."""

    part: int
    name: str


def find_channel(path: Path, layout: ExrLayout, name: str) -> Found:
    """The channel `name`, such as `mask.R`: also R of a part mask; of an empty name the first there is.

    `path` is the name that errors give. Raises MatteError, and PlateUnsupported for a channel that is subsampled.
    """
    every = list(_channels(layout))
    if name:
        found = [one for one in every if one[1].name == name] or [one for one in every if name in _names(*one)]
    else:
        found = sorted((one for one in every if one[0] == 0), key=_order)
    if not found:
        names = [_names(*one)[-1] for one in every]
        raise MatteError(
            f"{shown(path)} has no channel `{shown(name)}`; it has {names_near(name, names)}.", "Name one of those."
        )
    number, channel, _ = found[0]
    if channel.sampling != (1, 1):
        raise PlateUnsupported(
            f"The channel `{shown(channel.name)}` of {shown(path)} is subsampled.", "Save it in full size."
        )
    return Found(number, channel.name)


def names_near(name: str, names: Iterable[str]) -> str:
    """The names as a list in a sentence, those first that are most like one that is not among them."""
    every = list(dict.fromkeys(names))
    near = difflib.get_close_matches(name, every, n=5, cutoff=0.4)
    listed = [*near, *(one for one in every if one not in near)]
    more = len(listed) - _MOST_NAMED
    return ", ".join(map(shown, listed[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")


def _channels(layout: ExrLayout) -> Iterator[tuple[int, ChannelLayout, str]]:
    for number, part in enumerate(layout.parts):
        for channel in part.channels:
            yield number, channel, part.name


def _names(number: int, channel: ChannelLayout, part: str) -> tuple[str, ...]:
    return (channel.name, f"{part}.{channel.name}") if part else (channel.name,)


def _order(one: tuple[int, ChannelLayout, str]) -> tuple[bool, str, int]:
    layer, _, last = one[1].name.rpartition(".")
    return bool(layer), layer, _FIRST.index(last.upper()) if last.upper() in _FIRST else len(_FIRST)
