"""Jobs that an engine in another process does: the same bytes, in turn with others, cancelled, left alone, detached."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.jobs import RUNNING
from engine.priority import STEPS
from engine.wire.client import Client
from engine.wire.errors import EngineRefused
from engine.wire.messages import (
    Cancel,
    Done,
    Ended,
    Failure,
    Follow,
    JobList,
    Jobs,
    JobState,
    ModelList,
    Models,
    Reported,
    Shutdown,
    Solve,
    State,
    Status,
)
from tests.jobs.place import FRAMES, LAYERS, Record, bytes_of, shot_of, swap
from tests.wire.engines import EngineProcess, start_engine
from tests.wire.leased import linux

OVER = ("done", "cancelled", "failed")


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def state(client: Client, job: int) -> JobState:
    return next(one for one in client.ask(Jobs(), JobList).jobs if one.job == job)


def test_the_same_bytes_as_without_an_engine(client: Client, whole: tuple[Path, Record], work: Path) -> None:
    told: list[Reported] = []
    ended = client.work(swap(shot_of(work, "out", *LAYERS)), told.append)
    assert ended == Ended(ended.job)
    assert bytes_of(work / "out") == bytes_of(whole[0])
    kinds = [one.event["type"] for one in told]
    assert kinds[0] == "started" and kinds[-1] == "finished" and kinds.count("frame-done") == len(FRAMES)
    assert told[-1].frames_per_second > 0
    job = state(client, ended.job)
    assert (job.state, job.stage, job.done, job.total) == ("done", "render", 3, 3)


def test_why_a_job_could_not_be_done(client: Client, work: Path) -> None:
    (work / "grace/consent.toml").unlink()
    ended = client.work(swap(shot_of(work)), lambda told: None)
    assert ended.failure is not None and ended.failure.code == "consent" and ended.failure.remedy
    assert state(client, ended.job).state == "failed"


def test_a_solve(client: Client, work: Path) -> None:
    shot = msgspec.to_builtins(shot_of(work))
    assert client.work(Solve(shot, str(work / "new.tracks")), lambda told: None).failure is None
    assert (work / "new.tracks").stat().st_size > 1000
    ended = client.work(Solve(shot, str(work / "new.exr")), lambda told: None)
    assert ended.failure is not None and ended.failure.code == "output-refused"
    assert client.ask(Status(), State).provider.endswith("ExecutionProvider")
    assert {model.name for model in client.ask(Models(), ModelList).models if model.open} >= {"centerface"}


def test_a_job_that_is_stopped_keeps_whole_frames(client: Client, whole: tuple[Path, Record], work: Path) -> None:
    told: list[Reported] = []
    done = lambda: any(one.event["type"] == "frame-done" for one in told)  # noqa: E731
    ended = client.work(swap(shot_of(work, "out", *LAYERS)), told.append, stop=done)
    there = bytes_of(work / "out")
    assert (
        ended.failure is not None
        and ended.failure.code == "cancelled"
        and state(client, ended.job).state == "cancelled"
    )
    assert there and there.items() <= bytes_of(whole[0]).items()


@pytest.mark.parametrize(("detach", "outcome"), [(False, "cancelled"), (True, "done")])
def test_a_client_that_goes_away_takes_its_job_with_it(
    engine: EngineProcess, client: Client, work: Path, detach: bool, outcome: str
) -> None:
    link = engine.link()
    link.send(swap(shot_of(work), redo=True, detach=detach))
    until(lambda: any(isinstance(reply, Reported) for _, reply in link.poll(0.1)))
    job = client.ask(Jobs(), JobList).jobs[-1].job
    link.close()
    until(lambda: state(client, job).state == outcome)


def test_jobs_are_done_side_by_side_and_can_be_followed(engine: EngineProcess, client: Client, work: Path) -> None:
    order: list[tuple[int, str]] = []
    links = [engine.link() for _ in range(2)]
    for index, link in enumerate(links):
        link.send(swap(shot_of(work, f"out{index}"), redo=True))
    ended: set[int] = set()
    with engine.client() as follower:
        until(lambda: len([one for one in client.ask(Jobs(), JobList).jobs if one.state == "running"]) == 2)
        job = client.ask(Jobs(), JobList).jobs[-1].job
        while len(ended) < 2:
            for index, link in enumerate(links):
                for _, reply in link.poll(0.05):
                    if isinstance(reply, Reported):
                        order.append((index, reply.event["type"]))
                    elif isinstance(reply, Ended):
                        assert reply.failure is None
                        ended.add(index)
        assert follower.work(Follow(job), lambda told: None) == Ended(job)
    done = [index for index, kind in order if kind == "frame-done"]
    assert sorted(done) == [0, 0, 0, 1, 1, 1]
    for link in links:
        link.close()


def test_a_job_that_waits_can_be_cancelled(client: Client, engine: EngineProcess, work: Path) -> None:
    links = [engine.link() for _ in range(6)]
    for index, link in enumerate(links):
        link.send(swap(shot_of(work, f"out{index}"), redo=True))

    def sent() -> list[JobState]:
        return [one for one in client.ask(Jobs(), JobList).jobs if str(work) in one.output]

    until(lambda: len(sent()) == len(links))
    # Which of them came last is not said: they have connections of their own.
    last = sent()[-1]
    assert last.state == "waiting" and client.ask(Cancel(last.job), Done) == Done()
    until(lambda: state(client, last.job).state == "cancelled")
    assert not Path(last.output).exists()
    for link in links:
        link.close()
    until(lambda: all(one.state in OVER for one in client.ask(Jobs(), JobList).jobs))


def test_an_engine_that_ends_finishes_its_frames(work: Path, tmp_path: Path, whole: tuple[Path, Record]) -> None:
    running = start_engine(tmp_path)
    link = running.link()
    link.send(swap(shot_of(work, "out", *LAYERS)))
    until(lambda: any(isinstance(reply, Reported) for _, reply in link.poll(0.1)))
    with running.client() as other:
        other.ask(Shutdown(), Done)
    assert running.process.wait(30) == 0
    assert bytes_of(work / "out").items() <= bytes_of(whole[0]).items()
    link.close()


@linux
def test_what_works_gives_way_to_what_answers(engine: EngineProcess, client: Client, work: Path) -> None:
    assert client.work(swap(shot_of(work)), lambda told: None).failure is None
    own = Path(f"/proc/{engine.process.pid}/task")
    steps = {path.name: os.getpriority(os.PRIO_PROCESS, int(path.name)) for path in own.iterdir()}
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    assert steps[str(engine.process.pid)] == usual
    assert list(steps.values()).count(usual + STEPS) > RUNNING


def test_a_client_is_told_of_a_full_queue(engine: EngineProcess, client: Client, work: Path) -> None:
    link = engine.link()
    numbers = [link.send(swap(shot_of(work, "out"), redo=True)) for _ in range(80)]
    refused: list[EngineRefused] = []
    until(lambda: _count_refused(link, refused) >= 80 - 64 - 4)
    assert numbers and all(one.failure.code == "too-many-jobs" and one.failure.retry for one in refused)
    link.close()
    until(lambda: all(one.state in OVER for one in client.ask(Jobs(), JobList).jobs))


def _count_refused(link, refused: list[EngineRefused]) -> int:
    refused += [EngineRefused(reply) for _, reply in link.poll(0.1) if isinstance(reply, Failure)]
    return len(refused)
