"""Keys: settings that change over the shot, and the recipe of one frame, in which none does.

Between two keys a setting goes as the first of them says: in a straight line, smoothly, or not at all until the next.
Before its first key and after its last it stays. Smoothly is a cubic whose slope at a key is the weighted harmonic mean
of its neighbours' (Fritsch and Butland, "A Method for Constructing Local Monotone Piecewise Cubic Interpolants", 1984),
and nothing at the ends and where the setting turns: it never goes beyond the keys.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from engine.errors import RecipeError
from engine.settings import check_value, settings, unknown
from engine.shot import Key, Shot


class Keys:
    """The keys of a recipe. For any thread."""

    def __init__(self, shot: Shot) -> None:
        """`shot` is as `check` passes it."""
        self._still = msgspec.structs.replace(shot, key=())
        self._curves = {name: _Curve(keys) for name, keys in _by_setting(shot.key).items()}

    def at(self, frame: int) -> Shot:
        """The recipe as it is in a frame of the plate, without keys: equal for frames whose settings are equal."""
        changed: dict[str, dict[str, float]] = {}
        for name, curve in self._curves.items():
            section, _, key = name.partition(".")
            changed.setdefault(section, {})[key] = curve.at(frame)
        sections = {name: msgspec.structs.replace(getattr(self._still, name), **to) for name, to in changed.items()}
        return msgspec.structs.replace(self._still, **sections)


class _Curve:
    """One setting's keys, in the order of their frames, and the slope at each, a frame."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = sorted(keys, key=lambda key: key.frame)
        self._frames = [key.frame for key in self._keys]
        inner = (_slope(*three) for three in zip(self._keys, self._keys[1:], self._keys[2:], strict=False))
        self._slopes = [0.0, *inner, 0.0]

    def at(self, frame: int) -> float:
        place = bisect_right(self._frames, frame) - 1
        if place < 0 or place == len(self._keys) - 1:
            return self._keys[max(place, 0)].value
        one, other = self._keys[place : place + 2]
        if one.interpolation == "hold":
            return one.value
        span = other.frame - one.frame
        t = (frame - one.frame) / span
        rise = t if one.interpolation == "linear" else t * t * (3.0 - 2.0 * t)
        bend = 0.0
        if one.interpolation == "smooth":
            leaving, arriving = self._slopes[place : place + 2]
            bend = span * t * (1.0 - t) * ((1.0 - t) * leaving - t * arriving)
        low, high = sorted((one.value, other.value))
        # Rounding alone would leave the range of a setting.
        return min(max(one.value + rise * (other.value - one.value) + bend, low), high)


def check(keys: Sequence[Key]) -> None:
    """Raise RecipeError for a key of what cannot have one, one out of its setting's range, and two in one frame."""
    for name, several in _by_setting(keys).items():
        setting = settings().get(name)
        if setting is None:
            raise unknown(name)
        if not setting.keyable:
            raise RecipeError(f"`{name}` cannot have keys.", "`faceplate settings` says which settings can.")
        for key in several:
            check_value(key.value, setting)
        for one, other in pairwise(sorted(key.frame for key in several)):
            if one == other:
                raise RecipeError(f"`{name}` has two keys in frame {one}.", "Take one of them away.")


def without(plain: Iterable[dict[str, Any]], setting: str) -> list[dict[str, Any]]:
    """The keys, as plain values, but for those of one setting."""
    return [key for key in plain if key["setting"] != setting]


def _by_setting(keys: Sequence[Key]) -> dict[str, list[Key]]:
    found: dict[str, list[Key]] = {}
    for key in keys:
        found.setdefault(key.setting, []).append(key)
    return found


def _slope(before: Key, key: Key, after: Key) -> float:
    spans = key.frame - before.frame, after.frame - key.frame
    rises = (key.value - before.value) / spans[0], (after.value - key.value) / spans[1]
    if rises[0] * rises[1] <= 0.0:
        return 0.0
    weights = spans[0] + 2 * spans[1], 2 * spans[0] + spans[1]
    return sum(weights) / (weights[0] / rises[0] + weights[1] / rises[1])
