"""A choice in the engine's page, from replies that an engine could send."""

from engine.wire.messages import Accepted, Chosen, Ended, Failure, Page, Reported, Review
from engine.wire.review import Review as Reviewed
from engine.wire.work import Work
from tests.wire.test_work import Recorded, frame

CANCELLED = Failure("cancelled", "The page was left.")


def begun() -> tuple[Recorded, Reviewed, list[str], list[Work]]:
    contact, opened, ended = Recorded(), list[str](), list[Work]()
    work = Reviewed(contact, Review({"seed": 1}, "sh010"), opened.append, ended.append)
    work.start()
    assert contact.asked == [Review({"seed": 1}, "sh010")]
    return contact, work, opened, ended


def test_a_choice_and_its_run() -> None:
    contact, work, opened, ended = begun()
    contact.answer(Page("http://127.0.0.1:1/token"))
    assert opened == ["http://127.0.0.1:1/token"] and (work.stage, work.shot) == ("choosing", {})
    contact.answer(Chosen({"seed": 2}))
    contact.answer(Accepted(7))
    contact.answer(Reported(7, frame(1)))
    contact.answer(Ended(7))
    assert work.outcome == "done" and ended == [work]
    assert work.shot == {"seed": 2} and work.paths == {1: "1.exr"}


def test_only_the_last_run_counts() -> None:
    contact, work, _, ended = begun()
    contact.answer(Page("http://127.0.0.1:1/token"))
    for job, kind in ((7, "frame-failed"), (8, "frame-done")):
        contact.answer(Chosen({"seed": job}))
        contact.answer(Accepted(job))
        contact.answer(Reported(job, frame(job, kind)))
    contact.answer(Ended(8))
    assert ended == [work] and (work.shot, work.paths, work.failed) == ({"seed": 8}, {8: "8.exr"}, {})


def test_a_page_that_is_left() -> None:
    contact, work, _, ended = begun()
    contact.answer(Page("http://127.0.0.1:1/token"))
    contact.answer(CANCELLED)
    assert work.outcome == "cancelled" and ended == [work] and not work.failure
