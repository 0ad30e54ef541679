"""The objects that a script is handed: names that may be anything, and calls that are checked before they are made."""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from . import signatures
from .refusal import FakeRefusal

if TYPE_CHECKING:
    from .world import World


class Thing:
    """What stands behind an object of the interface: its documented calls as methods, in this language's spelling."""

    kind: ClassVar[str]

    def __init__(self, world: "World") -> None:
        self.world = world
        self.uid = world.new_id()

    def get_unique_id(self) -> str:
        return self.uid


class Remote:
    """An object of the interface. As in Resolve, each call makes a new one, and any name can be asked for [3rd]."""

    __slots__ = ("_thing",)
    is_fake = True

    def __init__(self, thing: Thing) -> None:
        self._thing = thing

    @property
    def fake_kind(self) -> str:
        return self._thing.kind

    def __repr__(self) -> str:
        return f"{self._thing.kind} (0x{id(self._thing):016X})"

    def __dir__(self) -> Iterable[str]:
        kind, missing = self._thing.kind, self._thing.world.habits.missing
        return [name for name in signatures.names(kind) if f"{kind}.{name}" not in missing]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        kind = self._thing.kind
        if name in signatures.constants(kind):
            return signatures.constants(kind)[name]
        return lambda *arguments, **named: call(self._thing, name, arguments, named)


def call(thing: Thing, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Make a call. Raises FakeRefusal where it is not documented, and keeps that with the fake."""
    world, full = thing.world, f"{thing.kind}.{name}"
    try:
        if name not in dir(Remote(thing)):
            raise FakeRefusal(f"there is no {full}")
        if named:
            raise FakeRefusal(f"{full} is called with names for its arguments: {sorted(named)}")
        signatures.check(thing.kind, name, arguments)
        world.calls.append((full, arguments))
        if world.modal:
            return None
        if signatures.calls(thing.kind)[name].studio_only and world.edition == "free":
            world.modal = f"{full} needs DaVinci Resolve Studio"
            return False
        if full in world.habits.lies | world.habits.refuses:
            return full in world.habits.lies
        return _wrapped(_method(thing, full, name)(*_unwrapped(list(arguments))))
    except FakeRefusal as refusal:
        world.refusals.append(refusal)
        raise


def _method(thing: Thing, full: str, name: str) -> Callable[..., Any]:
    method = getattr(thing, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(), None)
    if method is None:
        raise FakeRefusal(f"the fake does not have {full} yet")
    return method


def _wrapped(value: Any) -> Any:
    match value:
        case Thing():
            return Remote(value)
        case list():
            return [_wrapped(one) for one in value]
        case dict():
            return {key: _wrapped(one) for key, one in value.items()}
    return value


def _unwrapped(value: Any) -> Any:
    match value:
        case Remote():
            return value._thing
        case list():
            return [_unwrapped(one) for one in value]
        case dict():
            return {key: _unwrapped(one) for key, one in value.items()}
    return value
