"""The memory of leased pictures: taken without a copy, really there, and gone when it should be.

The numbers of cases are those of the list of faults.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engine.errors import LeaseError
from engine.leases import IDLE_BLOCKS, Leases
from engine.segments import Create, named_block, unnamed_block
from engine.wire.errors import EngineIncompatible
from engine.wire.frames import attach
from engine.wire.messages import Lease, Leased
from tests.wire.host import ROOT, Host
from tests.wire.leased import ASK, SIZE, A, B, exists, grant, linux

pytestmark = linux


def test_a_picture_that_nobody_can_write_to_is_taken_without_a_copy(unnamed: Leases):
    granted = grant(unnamed, A)
    attach(ASK, Leased(*granted))[...] = 1.0
    first = unnamed.submit(A, granted.lease)
    assert unnamed.held_bytes == SIZE and (first.pixels == 1.0).all()
    assert not first.pixels.flags.writeable
    assert not unnamed.picture(A, granted.lease).flags.writeable
    assert unnamed.submit(A, granted.lease) is first is unnamed.submitted(A, granted.lease)


def test_what_was_taken_without_a_copy_can_only_be_read(unnamed: Leases):
    granted = grant(unnamed, A)
    attach(ASK, Leased(*granted))[...] = 1.0
    pixels = unnamed.submit(A, granted.lease).pixels
    # Were SIGIO sent, it would end this process.
    for _ in range(3):
        with pytest.raises(EngineIncompatible, match="cannot be reached"):
            attach(ASK, Leased(*granted))
    seen = attach(ASK, Leased(*granted), writing=False)
    assert (seen == 1.0).all() and not seen.flags.writeable
    assert (pixels == 1.0).all()


def test_memory_taken_without_a_copy_can_be_written_again_only_when_nobody_has_it(unnamed: Leases):
    first = grant(unnamed, A)
    pixels = unnamed.submit(A, first.lease).pixels[3:]
    unnamed.release(A, first.lease)
    second = grant(unnamed, A)
    assert second.segment != first.segment
    del pixels
    third = grant(unnamed, A)
    assert third.segment == first.segment
    attach(ASK, Leased(*third))[...] = 3.0
    assert (unnamed.submit(A, third.lease).pixels == 3.0).all()


LOCKED = """
import os
from engine.segments import unnamed_block
os.setuid({user})
block = unnamed_block(4096)
path = "/proc/self/fd/" + block.name.split(":")[2]
assert block.lock()
os.close(os.open(path, os.O_RDONLY))
for flags in (os.O_RDWR, os.O_WRONLY):
    try:
        os.open(path, flags | os.O_NONBLOCK)
    except ({error}):
        pass
    else:
        raise SystemExit("opened")
block.unlock()
os.close(os.open(path, os.O_RDWR))
"""


@pytest.mark.parametrize(("user", "error"), [(65534, "PermissionError"), (0, "BlockingIOError")])
def test_the_kernel_opens_a_locked_block_only_to_read(user, error):
    if os.geteuid():
        pytest.skip("only root can become another user")
    command = [sys.executable, "-c", LOCKED.format(user=user, error=error)]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("way", ["mapping", "descriptor", "process", "engine"])
def test_who_could_still_write_makes_the_engine_copy(unnamed: Leases, way):
    granted = grant(unnamed, A)
    _, process, number, _ = granted.segment.split(":")
    held: object = None
    match way:
        case "mapping":
            held = attach(ASK, Leased(*granted))
        case "descriptor":
            held = open(f"/proc/{process}/fd/{number}", "r+b")  # noqa: PTH123, SIM115
        case "process":
            held = Host(ASK, granted)
            held.fill(0.0)
        case "engine":
            held = unnamed.picture(A, granted.lease)
    pixels = unnamed.submit(A, granted.lease).pixels
    assert unnamed.held_bytes == 2 * SIZE
    assert Path(f"/proc/{process}/fd/{number}").stat().st_mode & 0o777 == 0o600
    attach(ASK, Leased(*granted))[...] = 1.0
    assert not pixels.any()
    if isinstance(held, Host):
        held.kill()


def test_a_release_during_a_copy_submits_nothing(monkeypatch: pytest.MonkeyPatch):
    leases = Leases(1 << 20, create=named_block)
    granted = grant(leases, A)
    monkeypatch.setattr("engine.leases.np.copyto", lambda *_: leases.release(A, granted.lease))
    with pytest.raises(LeaseError, match="no such lease"):
        leases.submit(A, granted.lease)
    monkeypatch.undo()
    assert leases.count == 0
    leases.close()


def test_only_few_blocks_wait_to_be_used_again(leases: Leases):
    granted = [grant(leases, A) for _ in range(IDLE_BLOCKS + 3)]
    for one in granted:
        leases.release(A, one.lease)
    assert leases.held_bytes == IDLE_BLOCKS * SIZE
    assert [exists(one.segment) for one in granted] == [False] * 3 + [True] * IDLE_BLOCKS


def test_large_blocks_are_taken_without_a_copy_too(unnamed: Leases):
    """They are of huge pages where the kernel can, which the reservation must not undo."""
    ask = Lease(1024, 1500, 4, "float32")
    granted = grant(unnamed, A, ask)
    client = attach(ask, Leased(*granted))
    client[...] = np.arange(1500 * 4).reshape(1500, 4)
    del client
    pixels = unnamed.submit(A, granted.lease).pixels
    assert unnamed.held_bytes == granted.size == 1024 * 1500 * 16
    assert (pixels == np.arange(1500 * 4).reshape(1500, 4)).all()


def test_what_was_not_submitted_is_not_given(leases: Leases):
    granted = grant(leases, A)
    with pytest.raises(LeaseError, match="not been submitted"):
        leases.submitted(A, granted.lease)


CASE_8 = """
import os, sys
from engine.errors import NoRoom
from engine.leases import Leases
from engine.segments import {create}
{limit}
leases = Leases(1 << 30, create={create})
fds = len(os.listdir("/proc/self/fd"))
for _ in range(3):
    try:
        leases.grant(b"a", 2048, 2048, 4, "float32")
    except NoRoom as error:
        assert error.retry and error.code == "no-room" and "faceplate-" not in str(error), error
    else:
        sys.exit("a picture larger than the memory was granted")
# The pipe of Python's resource tracker stays.
assert len(os.listdir("/proc/self/fd")) <= fds + 1 and leases.held_bytes == 0
assert not [name for name in os.listdir("/dev/shm") if {private} and name.startswith("faceplate-")]
granted = leases.grant(b"a", 512, 512, 4, "float32")
leases.picture(b"a", granted.lease)[...] = 1
leases.close()
"""


def test_case_8_a_full_dev_shm_is_an_error_and_leaves_nothing():
    """In a mount namespace of its own, whose /dev/shm has 8 MB."""
    code = CASE_8.format(create="named_block", limit="", private=True)
    mount = "mount -t tmpfs -o size=8m tmpfs /dev/shm"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount")
    command = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$0" -c "$1"', sys.executable, code]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert outcome.returncode == 0 and not outcome.stderr, outcome.stderr


def test_case_8_memory_without_a_name_that_cannot_be_had_is_an_error():
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, 8 << 20))"
    code = CASE_8.format(create="unnamed_block", limit=limit, private=False)
    command = [sys.executable, "-c", code]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert outcome.returncode == 0 and not outcome.stderr, outcome.stderr


@pytest.mark.parametrize("rows", [1, 5, 9000, 30001])
def test_a_granted_picture_is_really_there(leases: Leases, rows):
    granted = leases.grant(A, rows, 1000, 1, "uint8")
    kind, *words = granted.segment.split(":")
    path = f"/dev/shm/{words[0]}" if kind == "shm" else f"/proc/{words[0]}/fd/{words[1]}"
    assert os.stat(path).st_blocks * 512 >= granted.size  # noqa: PTH116


ENGINE = """
import time
from engine.leases import Leases
from engine.segments import {create}
leases = Leases(1 << 30, create={create})
print(leases.grant(b"a", 64, 96, 4, "float32").segment, flush=True)
time.sleep(600)
"""


def test_an_engine_that_is_killed_leaves_nothing(create: Create):
    code = ENGINE.format(create=create.__name__)  # pyright: ignore[reportFunctionMemberAccess]
    engine = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert engine.stdout
    segment = engine.stdout.readline().strip()
    assert exists(segment)
    engine.send_signal(signal.SIGKILL)
    engine.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while exists(segment) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not exists(segment)


def test_close_takes_everything_away_and_arrays_stay_valid(leases: Leases):
    granted = [grant(leases, A), grant(leases, B)]
    picture = leases.picture(A, granted[0].lease)
    submitted = leases.submit(B, granted[1].lease).pixels
    over = grant(leases, B)
    last = leases.picture(B, over.lease)
    leases.release(B, over.lease)
    leases.close()
    assert not any(exists(segment) for _, segment, _ in granted)
    assert leases.held_bytes == 0 and leases.count == 0
    picture[...] = 1.0
    assert picture.sum() == picture.size and not submitted.any()
    with pytest.raises(LeaseError, match="ending"):
        grant(leases, A)
    del picture, submitted, last
    leases.reclaim(A)
    leases.close()
    assert leases.held_bytes == 0


def test_a_client_cannot_shrink_what_the_engine_has_mapped():
    leases = Leases(1 << 20, create=unnamed_block)
    _, process, number, _ = grant(leases, A).segment.split(":")
    descriptor = os.open(f"/proc/{process}/fd/{number}", os.O_RDWR)
    for size in (0, 2 * SIZE):
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, size)
    os.close(descriptor)
    leases.close()
