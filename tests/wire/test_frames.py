"""The client's side of leased pictures: what it believes, and what it keeps."""

import os
import subprocess
import sys

import numpy as np
import pytest

from engine.leases import Leases
from engine.segments import Create, named_block, unnamed_block
from engine.wire.errors import EngineGone, EngineIncompatible
from engine.wire.frames import HUGE_PAGE, attach
from engine.wire.messages import Lease, Leased
from tests.wire.host import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc and /dev/shm")

ASK = Lease(64, 96, 4, "float32")
SIZE = 64 * 96 * 4 * 4
OWNER = b"host"


@pytest.fixture(params=[unnamed_block, named_block])
def leases(request: pytest.FixtureRequest):
    create: Create = request.param
    leases = Leases(64 << 20, create=create)
    yield leases
    leases.close()


def leased(leases: Leases, ask: Lease = ASK) -> Leased:
    return Leased(*leases.grant(OWNER, ask.height, ask.width, ask.channels, ask.pixel))


def test_a_picture_has_the_shape_and_type_that_were_asked_for(leases: Leases):
    ask = Lease(3, 5, 2, "float16")
    pixels = attach(ask, leased(leases, ask))
    assert pixels.shape == (3, 5, 2) and pixels.dtype == np.float16 and pixels.flags.writeable


def test_less_than_was_asked_for_is_refused(leases: Leases):
    """Though the engine says that it is enough; the rest of the last page would be there to read."""
    small = leased(leases)
    said = Leased(small.lease, small.segment, SIZE + 96 * 16)
    for height in (65, 64 * 1000):
        with pytest.raises(EngineIncompatible):
            attach(Lease(height, 96, 4, "float32"), said)
    with pytest.raises(EngineIncompatible, match="less memory"):
        attach(ASK, Leased(small.lease, small.segment, SIZE - 1))


@pytest.mark.parametrize(
    "segment",
    [
        "",
        "/etc/passwd",
        "shm:../etc/passwd",
        "shm:faceplate-0123456789abcdef/..",
        "shm:faceplate-0123456789abcdef\n",
        "memfd:1:../../etc:faceplate-0123456789abcdef",
        "memfd:self:0:faceplate-0123456789abcdef",
        "memfd:1:0:faceplate-0123456789abcdef/x",
        "memfd:-1:0:faceplate-0123456789abcdef",
        "memfd:١:0:faceplate-0123456789abcdef",
    ],
)
def test_a_name_of_another_kind_is_refused(segment: str):
    with pytest.raises(EngineIncompatible, match="does not know"):
        attach(ASK, Leased("lease", segment, SIZE))


def test_a_descriptor_that_is_another_file_is_not_mapped(leases: Leases, tmp_path):
    (tmp_path / "file").write_bytes(bytes(SIZE))
    descriptor = os.open(tmp_path / "file", os.O_RDWR)
    with pytest.raises(EngineGone):
        attach(ASK, Leased("lease", f"memfd:{os.getpid()}:{descriptor}:faceplate-0123456789abcdef", SIZE))
    os.close(descriptor)


def test_memory_that_is_gone_is_an_error(leases: Leases):
    gone = leased(leases)
    leases.close()
    with pytest.raises(EngineGone):
        attach(ASK, gone)


def test_memory_of_another_user_is_an_error(leases: Leases):
    if os.geteuid():
        pytest.skip("only root can become another user")
    code = f"""
import _posixshmem, os, sys
from engine.wire.errors import EngineIncompatible
from engine.wire.frames import attach
from engine.wire.messages import Lease, Leased
os.setuid(65534)
try:
    attach(Lease(64, 96, 4, "float32"), {leased(leases)!r})
except EngineIncompatible as error:
    sys.exit("same user" not in str(error))
sys.exit(2)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=60).returncode == 0


def test_a_picture_to_read_cannot_be_written(leases: Leases):
    granted = leased(leases)
    seen = attach(ASK, granted, writing=False)
    attach(ASK, granted)[...] = 2.0
    assert (seen == 2.0).all()
    with pytest.raises(ValueError, match="read-only"):
        seen[...] = 1.0
    with pytest.raises(ValueError):
        seen.flags.writeable = True


def test_an_array_outlives_its_lease(leases: Leases):
    pixels = attach(ASK, leased(leases))
    leases.close()
    pixels[...] = 1.0
    assert pixels.sum() == pixels.size


def test_a_picture_is_unmapped_with_its_last_array(leases: Leases):
    def mappings() -> int:
        with open("/proc/self/maps") as file:  # noqa: PTH123
            return sum("faceplate-" in line for line in file)

    granted = leased(leases)
    engine, files = mappings(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    row = attach(ASK, granted)[5]
    assert mappings() == engine + 1
    del row
    assert mappings() == engine
    assert len(os.listdir("/proc/self/fd")) == files  # noqa: PTH208


def test_a_large_picture_is_mapped_where_huge_pages_can_be(leases: Leases):
    ask = Lease(1024, 1500, 4, "float32")
    granted = leased(leases, ask)
    arrays = [attach(ask, granted, writing) for writing in (True, False, True)]
    assert [array.ctypes.data % HUGE_PAGE for array in arrays] == [0, 0, 0]
    arrays[0][...] = 1.0
    assert (arrays[1] == 1.0).all()
