"""A client in a process of its own that does random things to an engine until a time, and says what it did not get.

It needs no more of Faceplate than a host has. A way to behave is a method with `@way`, and how often it is taken.
"""

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import numpy as np

from engine.wire.client import Link
from engine.wire.frames import attach
from engine.wire.messages import (
    VERSION,
    Accepted,
    Cancel,
    Done,
    Ended,
    Failure,
    Follow,
    Hello,
    JobList,
    Jobs,
    Lease,
    Leased,
    Pixel,
    Preview,
    Previewed,
    Release,
    Reply,
    Request,
    State,
    Status,
    Submit,
    Superseded,
    Swap,
    Welcome,
)

# Seconds that an answer may take, and that a job may, with all that wait before it.
PATIENCE, JOB_PATIENCE = 15.0, 300.0
# Seconds between two things that a client does, at most.
PAUSE = 0.1
# Pictures that a client leases and never releases.
FORGOTTEN = 6
# Failures that are an answer like any other here.
USUAL = ("no-room", "too-many-jobs", "too-many-previews", "no-such-job")
PIXELS: tuple[Pixel, ...] = ("float32", "float16", "uint8")

Answer = TypeVar("Answer", bound=Reply)
Way = Callable[["Visitor"], None]


class Lost(Exception):
    """An answer that did not come, or was wrong."""


class Plan(msgspec.Struct):
    """Who the client is, until when (time.monotonic, which all processes share), and a job that it may ask for."""

    keys: tuple[str, str, str, str]
    seed: int
    until: float
    shot: dict[str, Any]
    outputs: str


WAYS: list[tuple[Way, int]] = []


def way(often: int) -> Callable[[Way], Way]:
    """Marks a method as one of the things that a client does."""

    def mark(method: Way) -> Way:
        WAYS.append((method, often))
        return method

    return mark


class Visitor:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.chance = random.Random(plan.seed)
        self.done: Counter[str] = Counter()
        self.forgotten = 0
        self.connect()

    def connect(self) -> None:
        address, *keys = self.plan.keys
        self.link = Link(address, *(key.encode() for key in keys))
        # What was asked, by its number, until it has ended; and replies that nobody has waited for yet.
        self.pending: dict[int, str] = {}
        self.ended: dict[int, Reply] = {}
        self.jobs: dict[int, int] = {}
        self.ask(Hello(VERSION, f"visitor {self.plan.seed}"), Welcome)

    def visit(self) -> None:
        methods, weights = zip(*WAYS, strict=True)
        while time.monotonic() < self.plan.until:
            (method,) = self.chance.choices(methods, weights)
            method(self)
            self.done[method.__name__] += 1
            self.poll(self.chance.uniform(0.0, PAUSE))
        for number in list(self.jobs):
            self.cancel(number)
        for number in list(self.pending):
            self.end_of(number, JOB_PATIENCE)
        self.link.close()

    @way(24)
    def looks(self) -> None:
        assert self.ask(Status(), State).pid > 0

    @way(24)
    def lists(self) -> None:
        self.ask(Jobs(), JobList)

    @way(24)
    def shares(self) -> None:
        """Lease, fill, submit, read back, release; keeping the array, or not."""
        asked, leased = self.lease()
        if leased is None:
            return
        value = self.chance.randrange(1, 200)
        pixels: Any = attach(asked, leased)
        pixels[...] = value
        pixels[-1, -1, -1] = value + 1
        keeps = self.chance.random() < 0.5
        if not keeps:
            del pixels
        if self.ask(Submit(leased.lease), Done, Failure) == Done():
            back = attach(asked, leased, writing=False)
            others = np.count_nonzero(back != value)
            if others != 1 or back[-1, -1, -1] != value + 1:
                raise Lost(f"{others - 1} of {back.size} values of a picture are not what was written")
            del back
        self.ask(Release(leased.lease), Done)

    @way(12)
    def previews(self) -> None:
        """A frame as the recipe makes it, which shows something."""
        told = self.ask(self.preview(), Previewed, Failure)
        if isinstance(told, Previewed):
            picture = attach(told, told, writing=False)
            if told.faces != 1 or not np.isfinite(picture).all() or not picture.any():
                raise Lost(f"a preview is not what it should be: {told}")
            del picture
            self.ask(Release(told.lease), Done)

    @way(6)
    def scrubs(self) -> None:
        """Many previews in a row: each is made or gives way, and the last one is made."""
        numbers = [self.send(self.preview("viewer")) for _ in range(self.chance.randrange(2, 12))]
        replies = [self.end_of(number, PATIENCE) for number in numbers]
        for reply in replies:
            if isinstance(reply, Previewed):
                self.ask(Release(reply.lease), Done)
        if isinstance(replies[-1], Superseded):
            raise Lost("the newest of many previews was left out")

    @way(4)
    def forgets(self) -> None:
        """A lease that is never released."""
        if self.forgotten < FORGOTTEN:
            asked, leased = self.lease()
            if leased is not None:
                attach(asked, leased)[...] = 1
                self.forgotten += 1

    @way(1)
    def waits(self) -> None:
        """A job that is watched to its end."""
        ended = self.end_of(self.start(), JOB_PATIENCE)
        if isinstance(ended, Ended) and ended.failure is not None:
            raise Lost(f"a job failed: {ended.failure}")

    @way(1)
    def regrets(self) -> None:
        """A job that is cancelled."""
        number = self.start()
        self.poll(self.chance.uniform(0.0, 1.0))
        self.cancel(number)
        self.end_of(number, JOB_PATIENCE)

    @way(1)
    def leaves(self) -> None:
        """A job that is left to end by itself."""
        self.start()

    @way(1)
    def detaches(self) -> None:
        """A job that goes on without its client."""
        self.start(detach=True)
        self.poll(self.chance.uniform(0.0, 0.5))
        self.comes_back()

    @way(4)
    def follows(self) -> None:
        jobs = self.ask(Jobs(), JobList).jobs
        if jobs:
            self.send(Follow(self.chance.choice(jobs).job))

    @way(6)
    def comes_back(self) -> None:
        """A connection is closed with whatever it waits for, and another one made."""
        self.link.close()
        self.forgotten = 0
        self.connect()

    def lease(self) -> tuple[Lease, Leased | None]:
        height, width = (self.chance.randrange(1, 400) for _ in range(2))
        asked = Lease(height, width, self.chance.choice((1, 3, 4)), self.chance.choice(PIXELS), "ACEScg")
        reply = self.ask(asked, Leased, Failure)
        return asked, reply if isinstance(reply, Leased) else None

    def preview(self, scrub: str = "") -> Preview:
        change = {"composite": {"opacity": self.chance.choice((0.5, 1.0))}}
        return Preview(self.plan.shot | change, self.chance.choice((1001, 1002, 1003)), scrub=scrub)

    def start(self, detach: bool = False) -> int:
        """Ask for a job with a place of its own; the number of the request."""
        output = f"{self.plan.outputs}/{self.plan.seed}-{self.done.total()}"
        shot = self.plan.shot | {"output": self.plan.shot["output"] | {"path": output}}
        return self.send(Swap(shot, frames=self.chance.choice(("1001", "1002-1003")), detach=detach))

    def cancel(self, number: int) -> None:
        """Cancel the job of a request, once its own number is known."""
        end = time.monotonic() + PATIENCE
        while number in self.pending and number not in self.jobs:
            self.wait(number, end)
        if number in self.pending:
            self.ask(Cancel(self.jobs[number]), Done, Failure)

    def send(self, request: Request) -> int:
        number = self.link.send(request)
        self.pending[number] = type(request).__name__
        return number

    def ask(self, request: Request, *kinds: type[Answer]) -> Answer:
        """The one answer to a request, of one of these kinds."""
        reply = self.end_of(self.send(request), PATIENCE)
        if not isinstance(reply, kinds):
            raise Lost(f"{request} was answered by {reply}")
        return reply

    def end_of(self, number: int, patience: float) -> Reply:
        """The reply that ends a request."""
        end = time.monotonic() + patience
        while number not in self.ended:
            self.wait(number, end)
        return self.ended.pop(number)

    def wait(self, number: int, end: float) -> None:
        self.poll(0.25)
        if time.monotonic() > end and number in self.pending:
            silent = self.link.silent_for
            raise Lost(f"{self.pending[number]} {number} has no answer; the engine was silent for {silent:.1f} s")

    def poll(self, seconds: float) -> None:
        """Take what has come."""
        for number, reply in self.link.poll(seconds):
            if number not in self.pending:
                raise Lost(f"an answer to {number}, which waits for none: {reply}")
            if isinstance(reply, Failure) and reply.code not in USUAL:
                raise Lost(f"{self.pending[number]} failed: {reply}")
            if isinstance(reply, Accepted) and self.pending[number] == "Swap":
                self.jobs[number] = reply.job
            if reply.ends:
                del self.pending[number]
                self.jobs.pop(number, None)
                self.ended[number] = reply


def main() -> None:
    """Visit by the plan on standard input; what was done, or was not got, is a line of JSON on standard output."""
    visitor = Visitor(msgspec.json.decode(sys.stdin.buffer.read(), type=Plan))
    lost = ""
    try:
        visitor.visit()
    except Lost as error:
        lost = str(error)
    sys.stdout.write(json.dumps({"lost": lost, "done": visitor.done, "pending": visitor.pending}))


if __name__ == "__main__":
    main()
