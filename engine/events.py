"""What a running job tells its caller: one tagged struct for each thing that happens, in the order it happens.

A job calls its `Report` from the thread that called the job, never from its own reader or writer. `encode` makes the
one line of JSON that `faceplate --json` prints and a host reads.
"""

import os
from collections.abc import Callable
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, tag_field="type"):
    """Base of everything that a job reports."""


class Started(Event, frozen=True, tag="started"):
    """The job knows its plate and its output; `frames` is the number of frames that it will look at."""

    frames: int
    plate: str
    output: str


class Progress(Event, frozen=True, tag="progress"):
    """`done` of `total` frames have gone through `stage`; `frame` was the last."""

    stage: str
    frame: int
    done: int
    total: int


class Notice(Event, frozen=True, tag="notice"):
    """Something that a person should know and that stops nothing."""

    code: str
    message: str


class FrameDone(Event, frozen=True, tag="frame-done"):
    """A frame is written whole. `milliseconds` says how long each stage took.

    `pixels` counts those under the mattes: written; clipped by the plate's view; not_finite, which were left alone;
    negative, in a channel, after the composite. `in_place`: the file is the plate's, edited; `note` says why not, or
    what else a person should know of how it was written. `layers` is the file beside it, where they have one.
    """

    frame: int
    path: str
    faces: int
    milliseconds: dict[str, float]
    pixels: dict[str, int] = {}
    in_place: bool = False
    note: str = ""
    layers: str = ""


class FrameSkipped(Event, frozen=True, tag="frame-skipped"):
    """A frame was not rendered because it is there already, made by the same recipe."""

    frame: int
    path: str
    reason: str
    layers: str = ""


class FrameFailed(Event, frozen=True, tag="frame-failed"):
    """A frame is not written; the others go on."""

    frame: int
    code: str
    message: str
    remedy: str


class Finished(Event, frozen=True, tag="finished"):
    """The job is over; the counts are of frames."""

    done: int
    skipped: int
    failed: int
    seconds: float


class Error(Event, frozen=True, tag="error"):
    """The job could not be done, or was stopped."""

    code: str
    message: str
    remedy: str
    retry: bool


_AnyEvent = Started | Progress | Notice | FrameDone | FrameSkipped | FrameFailed | Finished | Error

Report = Callable[[Event], None]


def unheard(event: Event) -> None:
    """The `Report` of what nobody watches."""


def shown(text: str | os.PathLike[str]) -> str:
    """A path or a message as valid Unicode; bytes that are not UTF-8 are shown as \\xNN."""
    return os.fsencode(os.fspath(text)).decode("utf-8", "backslashreplace")


def to_plain(event: Event) -> dict[str, Any]:
    """An event as plain values. Text that quotes a name that is not UTF-8 holds lone surrogates: it is `shown`."""
    plain = msgspec.to_builtins(event)
    return {name: shown(value) if isinstance(value, str) else value for name, value in plain.items()}


def decode_event(plain: dict[str, Any]) -> Event:
    """The event that `to_plain` gave, in another process. Raises msgspec.ValidationError."""
    return msgspec.convert(plain, _AnyEvent)


def encode(event: Event) -> bytes:
    """The event as one line of JSON in UTF-8, without the line end."""
    try:
        return msgspec.json.encode(event)
    except UnicodeEncodeError:
        return msgspec.json.encode(to_plain(event))
