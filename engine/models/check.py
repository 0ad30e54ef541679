"""Holds a model file against what its manifest says of it: names, types, shapes, and what it makes of a face."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from engine.errors import ModelError
from engine.models.catalogue import fits
from engine.models.confined import Limits
from engine.models.legible import legible
from engine.models.trial import Feed, Given, Outcome, Seen, try_model

# Of the range that a picture's values have: less than one step of eight bits is no picture.
_FLAT = 1 / 255
# How far, in ranges, half of a picture's values may lie outside theirs: 0..255 for 0..1 is far beyond it.
_ASTRAY = 2.0
_OTHER = "Give the file that the manifest is for, or correct the manifest."


class ExpectedInput(NamedTuple):
    """An input: its shape, where text is a side that may be any, and what it is fed with in the trial."""

    shape: tuple[int | str, ...]
    type: str
    feed: Feed


class ExpectedOutput(NamedTuple):
    """An output: its shape as above, and what it is; a picture has most of its values about [low, high].

    One without a name is the one at its place. One that is optional may be missing.
    """

    name: str
    shape: tuple[int | str, ...]
    type: str
    kind: str
    low: float = 0.0
    high: float = 1.0
    optional: bool = False


class Expected(NamedTuple):
    """What a model must be. The file may have more outputs than are used.

    A type is "float", "float16" or "double"; an output's kind is "picture", "mask" (which may be constant), "vector" or
    "map of classes".
    """

    inputs: tuple[ExpectedInput, ...]
    outputs: tuple[ExpectedOutput, ...]


def check_model(
    path: Path,
    name: str,
    expected: Expected,
    limits: Limits | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Try a model file in a child process, and raise ModelError unless it is and does what is expected.

    ModelTimeout when it never ends, Cancelled once `stopped()`; otherwise the error says what was expected and what is
    there.
    """
    outcome = try_model(path, name, tuple(each.feed for each in expected.inputs), limits, stopped)
    wanted = [_Wanted(each.feed.name, each.shape, each.type) for each in expected.inputs]
    _compare("input", name, wanted, outcome.inputs, exact=True)
    outputs = _named(expected.outputs, outcome.outputs)
    wanted = [_Wanted(each.name, each.shape, each.type) for each in outputs]
    _compare("output", name, wanted, outcome.outputs, exact=False)
    if outcome.failure:
        raise ModelError(f"The model {name} fails on a face: {outcome.failure}", "Do not use this file.")
    given = {each.name: each for each in outcome.given}
    for each in outputs:
        _judge(name, each, given[each.name])
    return outcome


class _Wanted(NamedTuple):
    name: str
    shape: tuple[int | str, ...]
    type: str


def _named(expected: Sequence[ExpectedOutput], found: Sequence[Seen]) -> list[ExpectedOutput]:
    """Those that are to be there, with the file's own names for those that go by their place."""
    names = [seen.name for seen in found]
    placed = [
        each if each.name or place >= len(names) else each._replace(name=names[place])
        for place, each in enumerate(expected)
    ]
    return [each for each in placed if not each.optional or each.name in names]


def _compare(kind: str, model: str, expected: Sequence[_Wanted], found: Sequence[Seen], exact: bool) -> None:
    there = {seen.name: seen for seen in found}
    wanted = {each.name: each for each in expected}
    if set(wanted) - set(there) or (exact and set(there) != set(wanted)):
        raise ModelError(
            f"The model {model} has the {kind}s {legible(', '.join(there)) or 'none'}; "
            f"expected: {', '.join(name or '(one more)' for name in wanted)}.",
            _OTHER,
        )
    for each in expected:
        seen = there[each.name]
        if seen.type != f"tensor({each.type})" or not fits(each.shape, seen.shape):
            raise ModelError(
                f"The {kind} {legible(each.name)} of the model {model} is {seen.type} {_form(seen.shape)}; "
                f"expected: tensor({each.type}) {_form(each.shape)}.",
                _OTHER,
            )


def _form(shape: Sequence[int | str | None]) -> str:
    return f"({legible(', '.join('?' if side is None else str(side) for side in shape))})"


def _judge(model: str, expected: ExpectedOutput, given: Given) -> None:
    what = f"The model {model} gives"
    if not given.finite:
        raise ModelError(f"{what} values that are no numbers (NaN or infinite) on a face.", "Do not use this file.")
    # Whatever it is called, what was fed was one picture.
    shape = tuple(1 if isinstance(side, str) and not place else side for place, side in enumerate(expected.shape))
    if not fits(shape, given.shape):
        message = f"{what} {_form(given.shape)} for {legible(expected.name)}; expected: {_form(shape)}."
        raise ModelError(message, _OTHER)
    span = expected.high - expected.low
    if expected.kind != "mask" and given.high - given.low < _FLAT * span:
        raise ModelError(
            f"{what} a constant {expected.kind} on a face: {given.low:.4g} everywhere.", "Do not use this file."
        )
    if expected.kind == "picture" and not -_ASTRAY < (given.middle - expected.low) / span < 1 + _ASTRAY:
        found = f"half of its values are beyond {given.middle:.4g}"
        message = f"{what} a picture in another range: {found}; expected: {expected.low:g} to {expected.high:g}."
        raise ModelError(message, _OTHER)
