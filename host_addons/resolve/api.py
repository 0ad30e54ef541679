"""Calls into Resolve: only what this one has, every one in the log, and nothing believed that can be looked at."""

from contextlib import ExitStack
from typing import Any

from .tell import Refused, log


def call(thing: Any, name: str, *arguments: Any) -> Any:
    """What a call answers. Raises Refused where this Resolve has no such call; `hasattr` is true for every name."""
    if name not in dir(thing):
        raise Refused("no-call", call=name)
    answer = getattr(thing, name)(*arguments)
    log.info("%s(%s) → %.300s", name, ", ".join(f"{one!r:.300}" for one in arguments), repr(answer))
    return answer


def must(thing: Any, name: str, *arguments: Any) -> Any:
    """What a call answers that has to succeed. Raises Refused where it says no."""
    answer = call(thing, name, *arguments)
    if not answer:
        raise Refused("resolve-refused", call=name)
    return answer


def undo(thing: Any, name: str, *arguments: Any) -> None:
    """Take something back; what goes wrong with it is in the log, and the rest is taken back too."""
    try:
        call(thing, name, *arguments)
    except Exception:  # noqa: BLE001
        log.exception("%s could not be undone", name)


def same(one: Any, other: Any) -> bool:
    """Whether two of Resolve's objects are the same thing: each call makes a new one for it."""
    return bool(one and other) and call(one, "GetUniqueId") == call(other, "GetUniqueId")


def prop(thing: Any, key: str, name: str = "GetClipProperty") -> str:
    """A property of a clip, or what `name` gives, as text; empty where there is none."""
    return str(call(thing, name, key) or "").strip()


def number(value: str) -> float:
    """The number that a property begins with, as in `29.97 DF`; 0 where there is none."""
    first = value.partition(" ")[0]
    return float(first) if first.replace(".", "", 1).isdigit() else 0.0


def is_rate(one: str, other: str) -> bool:
    """Whether two texts are the same number of frames a second."""
    return abs(number(one) - number(other)) < 0.005


def set_to(back: ExitStack, thing: Any, get: str, set: str, which: tuple[Any, ...], value: Any) -> None:
    """Set one thing, until `back` ends. Raises Refused where it does not become so."""
    was = call(thing, get, *which)
    if was != value:
        back.callback(undo, thing, set, *which, was)
        call(thing, set, *which, value)
        if call(thing, get, *which) != value:
            raise Refused("not-set", what=" ".join(map(str, which)), value=value)


def keep_place(resolve: Any, pool: Any, back: ExitStack) -> None:
    """Open the page and the bin again that are open now, once `back` ends."""
    back.callback(undo, pool, "SetCurrentFolder", call(pool, "GetCurrentFolder"))
    if page := call(resolve, "GetCurrentPage"):
        back.callback(undo, resolve, "OpenPage", page)
