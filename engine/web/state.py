"""What a page is told: everything that it shows but the pictures, in one value."""

from typing import Any, Literal

import msgspec

from engine.wire.messages import Failure, Footage, Identity
from engine.wire.work import Work

# Reasons of frames that failed, and notices: no more of each are told.
_MOST = 200
Over = Literal["", "done", "left", "engine"]


class FaceShown(msgspec.Struct, frozen=True):
    """A face that was found; `picture` names its thumbnail, and changes with it."""

    number: int
    width: float
    first: int
    last: int
    frames: int
    picture: str


class WorkShown(msgspec.Struct, frozen=True):
    """A job as a progress bar shows it; `failed` says of each reason in which frames."""

    kind: Literal["solve", "swap"]
    stage: str
    outcome: str
    done: int
    total: int
    seconds_left: float
    written: int
    failed: dict[str, list[int]]
    notices: list[str]
    failure: Failure | None


class PageState(msgspec.Struct, frozen=True):
    """A page. `version` grows with every change, `look` with each one that a preview would show.

    `values` has each setting by its dotted name, `began` what it was at first. `solved`: the faces of the whole shot
    are known. `problem` is why something could not be looked at. `host`: whoever asked for the page is still there.
    """

    version: int
    look: int
    title: str
    host: bool
    over: Over
    frames: str
    footage: Footage | None
    values: dict[str, Any]
    began: dict[str, Any]
    replace: list[dict[str, str]]
    solved: bool
    faces: list[FaceShown]
    folder: str
    people: list[Identity]
    problems: dict[str, Failure]
    work: WorkShown | None


def shown_work(kind: Literal["solve", "swap"], work: Work) -> WorkShown:
    """A job as it stands."""
    failed: dict[str, list[int]] = {}
    for frame, reason in work.failed.items():
        if reason in failed or len(failed) < _MOST:
            failed.setdefault(reason, []).append(frame)
    return WorkShown(
        kind=kind,
        stage=work.stage,
        outcome=work.outcome,
        done=work.done,
        total=work.total,
        seconds_left=work.seconds_left,
        written=len(work.paths),
        failed=failed,
        notices=work.notices[:_MOST],
        failure=work.failure,
    )
