"""What the tests of leased pictures share: a picture to ask for, two clients, and looks at what the system holds."""

import os
import sys
from pathlib import Path

import pytest

from engine.leases import Granted, Leases
from engine.wire.messages import Lease

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc and /dev/shm")

ASK = Lease(64, 96, 4, "float32")
SIZE = 64 * 96 * 4 * 4
A, B = b"a", b"b"


def grant(leases: Leases, owner: bytes, ask: Lease = ASK) -> Granted:
    return leases.grant(owner, ask.height, ask.width, ask.channels, ask.pixel, ask.colorspace)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def resident() -> int:
    """Bytes of this process in memory, what it shares included."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def exists(segment: str) -> bool:
    """Whether a client could still open a segment of this process."""
    kind, *words = segment.split(":")
    if kind == "shm":
        return Path("/dev/shm", words[0]).exists()
    path = Path(f"/proc/{words[0]}/fd/{words[1]}")
    return os.path.lexists(path) and words[2] in str(path.readlink())
