"""The flow of frames: in order, each with its outcome, edited by one thread or by several at the same time."""

import threading

import pytest

from engine.errors import PlateError
from engine.pipeline import flow

FRAMES = range(1, 8)


def run(edit, at_once, stopped=lambda: False):
    return list(flow(FRAMES, lambda number: number, edit, lambda edited: edited * 10, stopped, at_once))


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_frames_come_out_in_order_with_what_was_written(at_once):
    assert run(lambda number: number + 100, at_once) == [(number, (number + 100) * 10) for number in FRAMES]


def test_one_frame_at_a_time_is_edited_by_the_caller():
    editors = set()
    run(lambda number: editors.add(threading.get_ident()) or number, 1)
    assert editors == {threading.get_ident()}


def test_several_frames_are_edited_at_the_same_time():
    met = threading.Barrier(2)

    def edit(number):
        # The last frame has no other to wait for.
        if number < FRAMES[-1]:
            met.wait(10)
        return number

    assert [number for number, _ in run(edit, 2)] == list(FRAMES)


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_frame_that_fails_is_an_outcome_and_the_others_go_on(at_once):
    def edit(number):
        if number == 4:
            raise PlateError("bad")
        return number

    outcomes = dict(run(edit, at_once))
    assert isinstance(outcomes.pop(4), PlateError)
    assert outcomes == {number: number * 10 for number in FRAMES if number != 4}


@pytest.mark.parametrize("at_once", [1, 2])
def test_once_stopped_no_further_frame_is_edited(at_once):
    edited = []
    outcomes = run(lambda number: edited.append(number) or number, at_once, lambda: len(edited) >= 3)
    assert len(edited) < len(FRAMES)
    assert sorted(number for number, _ in outcomes) == sorted(edited)
