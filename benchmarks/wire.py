"""What the wire costs: a picture handed to the engine and got back, and an answer while the engine is busy.

A 4096×2160 RGBA picture of float32, 142 MB, is leased, filled by a copy, submitted, read back by a copy, and released,
as a host does for each frame; client and engine have a mapping each. The second row is a host that keeps its array
while it submits, so that the engine has to copy. The peer copies between warm arrays, twice.

Then a real engine process does one job after another, and is asked for its list of jobs all the while. The peer is the
limit: what a host can wait for, each time that it draws its window.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from benchmarks.answers import milliseconds
from benchmarks.report import Row, main
from benchmarks.timing import compare
from engine.leases import Leases
from engine.wire.frames import attach
from engine.wire.messages import Lease, Leased

HEIGHT, WIDTH, CHANNELS = 2160, 4096, 4
REPEATS = 31


def rows(arguments: argparse.Namespace) -> Sequence[Row]:
    return [
        _there_and_back("lease, fill, submit and read back of 4096×2160 RGBA float32", False, 1.3),
        _there_and_back("the same, and the array is kept", True, None),
        *_answers(),
    ]


def _answers() -> Sequence[Row]:
    taken = milliseconds()
    return [
        Row("an empty request's round trip, median, while a job runs", "the limit", 0.5, float(np.median(taken)), 1.0),
        Row("99th percentile", "the limit", 2.0, float(np.percentile(taken, 99)), 1.0),
    ]


def _there_and_back(what: str, keeps: bool, target: float | None) -> Row:
    picture = np.random.default_rng(1).random((HEIGHT, WIDTH, CHANNELS), np.float32)
    back = np.zeros_like(picture)
    leases, owner = Leases(4 * picture.nbytes), b"host"
    ask = Lease(HEIGHT, WIDTH, CHANNELS, "float32")

    def peer() -> None:
        np.copyto(back, picture)
        np.copyto(back, picture)

    def ours() -> None:
        granted = leases.grant(owner, ask.height, ask.width, ask.channels, ask.pixel)
        leased = Leased(*granted)
        pixels = attach(ask, leased)
        np.copyto(pixels, picture)
        if not keeps:
            del pixels
        leases.submit(owner, granted.lease)
        np.copyto(back, attach(ask, leased, writing=False))
        leases.release(owner, granted.lease)

    try:
        row = compare(what, "two plain copies (numpy copyto)", peer, ours, 1 / 1.3, REPEATS)
        return row._replace(target=target)
    finally:
        leases.close()


if __name__ == "__main__":
    main(__doc__ or "", rows)
