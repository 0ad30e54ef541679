"""What is shown of a job's events, to programs and to people."""

import json

import pytest

from engine.cli.display import JsonLines, Terminal, line
from engine.events import (
    Error,
    Event,
    Finished,
    FrameDone,
    FrameFailed,
    FrameSkipped,
    Notice,
    Progress,
    Started,
)

JOB: list[Event] = [
    Started(6, "sh010", "/out"),
    Notice("gap", "The plate has no frames 1003."),
    Progress("solve", 1001, 1, 6),
    FrameDone(1001, "/out/sh010.1001.exr", 1, {"read": 1.0}),
    FrameSkipped(1002, "/out/sh010.1002.exr", "done already"),
    *(FrameFailed(number, "disk-full", "The disk is full.", "Make room.") for number in (1004, 1005, 1006)),
    FrameFailed(1007, "frame-unreadable", "The file [bold]ends[/bold] early.", ""),
    Finished(1, 1, 4, 2.0),
]


def test_every_event_is_one_line_of_json(capfdbinary: pytest.CaptureFixture[bytes]):
    with JsonLines() as display:
        for event in JOB:
            display.show(event)
    lines = [json.loads(text) for text in capfdbinary.readouterr().out.splitlines()]
    assert [one["type"] for one in lines] == [
        "started", "notice", "progress", "frame-done", "frame-skipped",
        "frame-failed", "frame-failed", "frame-failed", "frame-failed", "finished",
    ]  # fmt: skip
    assert lines[3]["milliseconds"] == {"read": 1.0} and lines[5]["remedy"] == "Make room."


def test_json_of_a_name_that_is_not_utf8(capfdbinary: pytest.CaptureFixture[bytes]):
    JsonLines().show(FrameSkipped(1, "/out/\udcff.exr", "done"))
    assert json.loads(capfdbinary.readouterr().out)["path"] == "/out/\\xff.exr"


def test_people_see_failures_once_and_a_summary(capfd: pytest.CaptureFixture[str]):
    with Terminal() as display:
        for event in JOB:
            display.show(event)
    seen = capfd.readouterr()
    assert seen.err.splitlines() == [
        "note: The plate has no frames 1003.",
        "frame 1004: The disk is full. Make room.",
        "frame 1007: The file [bold]ends[/bold] early.",
        "frames 1004-1006: The disk is full. Make room.",
    ]
    assert seen.out == "/out: 1 done, 1 there already, 4 failed, in 2.0 s, 2.00 s each\n"


def test_people_see_an_error_and_what_to_do(capfd: pytest.CaptureFixture[str]):
    Terminal().show(Error("plate", "There is no plate.", "Make one.", False))
    assert capfd.readouterr().err == "error: There is no plate.\nMake one.\n"


def test_a_line_survives_the_encoding_of_the_terminal(capfd: pytest.CaptureFixture[str]):
    line("a\udcff×")
    assert capfd.readouterr().out == "a\\udcff×\n"
