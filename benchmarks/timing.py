"""Medians of a peer and of ours, taken in turns, so that a noisy machine is noisy for both."""

import statistics
import time
from collections.abc import Callable

from benchmarks.report import Row

Call = Callable[[], object]
REPEATS = 9


def compare(what: str, peer_name: str, peer: Call, ours: Call, times_faster: float, repeats: int = REPEATS) -> Row:
    """A row whose target is that ours takes at most 1/times_faster of the peer's time. Both are warmed first."""
    peer()
    ours()
    theirs, own = [], []
    for _ in range(repeats):
        theirs.append(seconds(peer))
        own.append(seconds(ours))
    return Row(what, peer_name, statistics.median(theirs) * 1e3, statistics.median(own) * 1e3, 1.0 / times_faster)


def median_seconds(call: Call, repeats: int = REPEATS) -> float:
    """The median time of a call, warmed first."""
    call()
    return statistics.median(seconds(call) for _ in range(repeats))


def seconds(call: Call) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
