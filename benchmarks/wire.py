"""What it costs to hand a picture to the engine and get one back, against copying it plainly.

A 4096×2160 RGBA picture of float32, 142 MB, is leased, filled by a copy, submitted, read back by a copy, and released,
as a host does for each frame; client and engine have a mapping each. The peer copies between warm arrays, twice.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from benchmarks.report import Row, main
from benchmarks.timing import compare
from engine.leases import Leases
from engine.wire.frames import Frames
from engine.wire.messages import Lease, Leased

HEIGHT, WIDTH, CHANNELS = 2160, 4096, 4
REPEATS = 31


def rows(arguments: argparse.Namespace) -> Sequence[Row]:
    return [_picture_there_and_back()]


def _picture_there_and_back() -> Row:
    picture = np.random.default_rng(1).random((HEIGHT, WIDTH, CHANNELS), np.float32)
    back = np.zeros_like(picture)
    leases, frames, owner = Leases(4 * picture.nbytes), Frames(), b"host"
    ask = Lease(HEIGHT, WIDTH, CHANNELS, "float32")

    def peer() -> None:
        np.copyto(back, picture)
        np.copyto(back, picture)

    def ours() -> None:
        granted = leases.grant(owner, ask.height, ask.width, ask.channels, ask.pixel)
        pixels = frames.attach(ask, Leased(*granted))
        np.copyto(pixels, picture)
        leases.submit(owner, granted.lease)
        np.copyto(back, pixels)
        frames.release(granted.lease)
        leases.release(owner, granted.lease)

    try:
        return compare(
            "lease, fill, submit and read back of 4096×2160 RGBA float32",
            "two plain copies (numpy copyto)",
            peer,
            ours,
            1 / 1.3,
            REPEATS,
        )
    finally:
        frames.close()
        leases.close()


if __name__ == "__main__":
    main(__doc__ or "", rows)
