"""A job as a progress bar shows it, from replies that an engine could send."""

from collections.abc import Callable
from typing import Any

from engine.wire.contact import Answered, Contact
from engine.wire.messages import Accepted, Cancel, Ended, Failure, Reported, Request, Swap
from engine.wire.work import Work


class Recorded(Contact):
    """A contact that sends nothing: what was asked, and whom to answer."""

    def __init__(self) -> None:
        super().__init__("test")
        self.asked: list[Request] = []
        self.answer: Answered = lambda reply: None

    def ask(self, request: Request, answered: Answered = lambda reply: None) -> None:
        self.asked.append(request)
        if not isinstance(request, Cancel):
            self.answer = answered


def begun() -> tuple[Recorded, Work, list[Work], Callable[[dict[str, Any]], None]]:
    contact, ended = Recorded(), list[Work]()
    work = Work(contact, Swap({"seed": 1}), ended.append)
    work.start()

    def report(event: dict[str, Any]) -> None:
        contact.answer(Reported(7, event, 2.0, 4.0))

    return contact, work, ended, report


def frame(number: int, kind: str = "frame-done") -> dict[str, Any]:
    return {"type": kind, "frame": number, "path": f"{number}.exr", "message": "It is damaged."}


def test_stages_and_frames() -> None:
    contact, work, ended, report = begun()
    contact.answer(Accepted(7))
    assert (work.stage, work.fraction, work.outcome) == ("waiting", 0.0, "")
    report({"type": "started", "frames": 4, "plate": "sh", "output": "out"})
    report({"type": "progress", "stage": "solve", "frame": 1, "done": 1, "total": 4})
    assert (work.stage, work.done, work.total, work.seconds_left) == ("solve", 1, 4, 4.0)
    report({"type": "notice", "code": "gap", "message": "A frame is missing."})
    for event in (frame(1), frame(2, "frame-skipped"), frame(3, "frame-failed")):
        report(event)
    assert (work.stage, work.fraction) == ("render", 0.75)
    contact.answer(Ended(7))
    assert work.outcome == "done" and ended == [work] and work.notices == ["A frame is missing."]
    assert work.paths == {1: "1.exr", 2: "2.exr"} and work.failed == {3: "It is damaged."}


def test_cancelled_before_it_has_a_number() -> None:
    contact, work, ended, _ = begun()
    work.cancel()
    assert not ended
    contact.answer(Accepted(7))
    assert contact.asked[-1] == Cancel(7)
    contact.answer(Ended(7, Failure("cancelled", "Stopped.")))
    assert work.outcome == "cancelled" and contact.error is None and len(contact.asked) == 2 and ended == [work]


def test_what_fails_is_the_contact_s_error_too() -> None:
    for fail in (lambda failure: Ended(7, failure), lambda failure: failure):
        contact, work, ended, _ = begun()
        contact.error = Failure("old", "Something else.")
        work.start()
        assert contact.error is None
        failure = Failure("disk-full", "The disk is full.", "Make room.", True)
        contact.answer(fail(failure))
        assert work.outcome == "failed" and work.failure == contact.error == failure and ended == [work]
