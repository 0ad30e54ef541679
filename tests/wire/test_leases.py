"""Leased pictures, with hosts in processes of their own. The numbers of cases are those of the list of faults."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from engine.errors import LeaseError, NoRoom
from engine.leases import IDLE_BLOCKS, Granted, Leases
from engine.segments import Block, Create, named_block, shared_block, unnamed_block
from engine.wire.errors import EngineIncompatible
from engine.wire.frames import attach
from engine.wire.messages import Lease, Leased
from tests.wire.host import ROOT, Host

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc and /dev/shm")
pytestmark = linux

ASK = Lease(64, 96, 4, "float32")
SIZE = 64 * 96 * 4 * 4
A, B = b"a", b"b"


@pytest.fixture(params=[unnamed_block, named_block])
def create(request: pytest.FixtureRequest) -> Create:
    return request.param


@pytest.fixture
def leases(create: Create):
    leases = Leases(64 << 20, create=create)
    yield leases
    leases.close()


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


def test_a_host_and_the_engine_see_the_same_picture(leases: Leases):
    granted = grant(leases, A)
    host = Host(ASK, granted)
    host.fill(0.25)
    picture = leases.picture(A, granted.lease)
    assert picture.shape == (64, 96, 4) and picture.dtype == np.float32
    assert (picture == 0.25).all()
    picture[...] = 3.0
    assert host.read() == 3.0
    host.exit()


@pytest.mark.parametrize("pixel", ["float32", "float16", "uint8"])
def test_a_submitted_picture_is_what_was_written(leases: Leases, pixel):
    ask = Lease(5, 7, 3, pixel, "ACEScg")
    granted = grant(leases, A, ask)
    assert granted.size == 5 * 7 * 3 * np.dtype(pixel).itemsize
    values = np.arange(105).reshape(5, 7, 3).astype(pixel)
    attach(ask, Leased(*granted))[...] = values
    pixels, colorspace = leases.submit(A, granted.lease)
    assert pixels.dtype == pixel and colorspace == "ACEScg"
    np.testing.assert_array_equal(pixels, values)
    assert not pixels.flags.writeable
    assert leases.submitted(A, granted.lease).pixels is pixels


def test_ids_are_long_random_and_name_nothing(leases: Leases):
    granted = [grant(leases, A) for _ in range(10)]
    assert len({lease for lease, _, _ in granted}) == 10
    for lease, segment, _ in granted:
        assert len(lease) >= 22
        assert lease not in segment and segment.split(":")[-1] not in lease


@pytest.mark.parametrize(
    "shape",
    [
        # Case 1: products that are small, or zero, in 32 or 64 bits.
        (2**63, 2, 1),
        (2**64 - 1, 1, 1),
        (2**64 + 1, 1, 1),
        (2**32, 2**32, 1),
        (65536, 65536, 64),
        (2**16, 2**16, 2**30),
        # Case 2.
        (0, 8, 4),
        (8, 0, 4),
        (8, 8, 0),
        (-8, -8, 4),
        (8, -8, -4),
        (-1, 1, 1),
        (65537, 1, 1),
        (1, 65537, 1),
        (1, 1, 65),
    ],
)
def test_a_size_that_is_none_is_refused_before_anything_is_made(shape):
    made = []
    leases = Leases(1 << 30, create=lambda size: made.append(size) or shared_block(size))
    with pytest.raises(LeaseError) as caught:
        leases.grant(A, shape[0], shape[1], shape[2], "float32")
    assert caught.value.code == "lease" and not caught.value.retry
    assert not made and leases.count == 0 and leases.held_bytes == 0


def test_the_largest_sides_are_granted(leases: Leases):
    assert leases.grant(A, 65536, 1, 1, "uint8").size == 65536
    assert leases.grant(A, 1, 65536, 64, "uint8").size == 65536 * 64


def test_unknown_pixels_and_endless_names_are_refused(leases: Leases):
    with pytest.raises(LeaseError, match="float32"):
        leases.grant(A, 1, 1, 1, "float64")
    with pytest.raises(LeaseError, match="256"):
        leases.grant(A, 1, 1, 1, "uint8", "x" * 257)
    assert leases.held_bytes == 0


def test_case_3_a_lease_of_another_client_is_as_little_there_as_a_made_up_one(leases: Leases):
    theirs, over = grant(leases, B), grant(leases, A)
    leases.submit(B, theirs.lease)
    leases.release(A, over.lease)
    texts = set()
    for lease in (theirs.lease, over.lease, "made-up", "", "\0", "../" + theirs.lease):
        for method in (leases.picture, leases.submit, leases.submitted, leases.release):
            with pytest.raises(LeaseError) as caught:
                method(A, lease)
            texts.add((str(caught.value), caught.value.code, caught.value.retry))
    assert texts == {("There is no such lease.", "lease", False)}
    assert leases.picture(B, theirs.lease).shape == (64, 96, 4)


def test_case_4_a_client_killed_while_it_writes_leaves_nothing(leases: Leases):
    before = descriptors()
    granted = grant(leases, A)
    host = Host(ASK, granted)
    host.scribble()
    leases.submit(A, granted.lease)
    host.kill()
    assert exists(granted.segment)
    leases.reclaim(A)
    assert not exists(granted.segment)
    assert leases.count == 0 and leases.held_bytes == 0
    assert descriptors() - before <= 1  # the pipe of Python's resource tracker, which stays
    with pytest.raises(LeaseError):
        leases.picture(A, granted.lease)


def test_the_copies_of_a_vanished_client_go_at_once(leases: Leases):
    granted = leases.grant(A, 2048, 2048, 4, "uint8")
    client = attach(Lease(2048, 2048, 4, "uint8"), Leased(*granted))
    leases.submit(A, granted.lease)
    before = resident()
    leases.reclaim(A)
    # The copy, and the engine's mapping; the client still has its own.
    assert before - resident() > 30 << 20
    assert not client.any()


def test_only_the_vanished_client_loses_its_leases(leases: Leases):
    gone, stays = grant(leases, A), grant(leases, B)
    leases.reclaim(A)
    assert not exists(gone.segment) and exists(stays.segment)
    assert leases.picture(B, stays.lease).shape == (64, 96, 4)
    leases.release(B, stays.lease)
    assert grant(leases, B).segment == stays.segment


def test_case_5_the_exit_of_a_client_unlinks_nothing(leases: Leases):
    granted = grant(leases, A)
    first = Host(ASK, granted)
    first.fill(0.5)
    first.exit()
    assert exists(granted.segment)
    second = Host(ASK, granted)
    assert second.read() == 0.5
    second.exit()


def test_case_6_a_release_during_a_run_frees_afterwards(leases: Leases):
    granted = grant(leases, A)
    with leases.using(A, granted.lease) as picture:
        leases.release(A, granted.lease)
        other = grant(leases, A)
        assert other.segment != granted.segment
        leases.picture(A, other.lease)[...] = 2.0
        picture[...] = 1.0
        assert (leases.picture(A, other.lease) == 2.0).all()
        assert exists(granted.segment)
    del picture
    assert grant(leases, A).segment == granted.segment


def test_case_6_a_vanished_client_s_picture_stays_until_the_run_ends(leases: Leases):
    granted = grant(leases, A)
    whole = leases.picture(A, granted.lease)
    rows = whole[10:20][::2, :, :3]
    del whole
    leases.reclaim(A)
    assert exists(granted.segment) and leases.held_bytes == SIZE
    rows[...] = 1.0
    assert (rows == 1.0).all()
    del rows
    assert not exists(granted.segment) and leases.held_bytes == 0


def test_case_7_what_is_written_after_submitting_has_no_effect(leases: Leases):
    granted = grant(leases, A)
    host = Host(ASK, granted)
    host.fill(1.0)
    first = leases.submit(A, granted.lease).pixels
    host.fill(2.0)
    assert (first == 1.0).all()
    assert (leases.submitted(A, granted.lease).pixels == 1.0).all()
    second = leases.submit(A, granted.lease).pixels
    host.scribble()
    time.sleep(0.05)
    assert (first == 1.0).all() and (second == 2.0).all()
    host.kill()
    leases.reclaim(A)
    assert (first == 1.0).all() and (second == 2.0).all()


def test_a_copy_is_used_again_only_when_nobody_has_it(leases: Leases):
    granted = grant(leases, A)
    client = attach(ASK, Leased(*granted))
    for value in range(1, 6):
        client[...] = value
        kept = leases.submit(A, granted.lease).pixels[0, :5]
        client[...] = 100
        leases.submit(A, granted.lease)
        assert (kept == value).all()
    assert leases.held_bytes <= 4 * SIZE


@pytest.fixture
def unnamed():
    leases = Leases(64 << 20, create=unnamed_block)
    yield leases
    leases.close()


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


def test_a_new_owner_gets_other_memory_than_an_old_one_had(leases: Leases):
    old = grant(leases, A)
    kept = attach(ASK, Leased(*old))
    kept[...] = 7.0
    leases.submit(A, old.lease)
    leases.release(A, old.lease)
    new = grant(leases, B)
    assert new.segment != old.segment
    seen = attach(ASK, Leased(*new))
    assert not seen.any()
    kept[...] = 8.0
    assert not seen.any() and not leases.submit(B, new.lease).pixels.any()


def test_an_owner_gets_its_own_memory_again(leases: Leases):
    first = grant(leases, A)
    leases.release(A, first.lease)
    second = grant(leases, A)
    assert second.segment == first.segment and second.lease != first.lease
    assert leases.held_bytes == SIZE


def test_limits():
    leases = Leases(4 * SIZE, lease_bytes=2 * SIZE, leases_per_owner=3, leases=4)
    with pytest.raises(LeaseError, match="at most") as caught:
        leases.grant(A, 64, 96 * 2 + 1, 4, "float32")
    assert not caught.value.retry
    own = [leases.grant(A, 64, 96, 1, "uint8") for _ in range(3)]
    with pytest.raises(NoRoom, match="Too many"):
        leases.grant(A, 1, 1, 1, "uint8")
    leases.grant(B, 1, 1, 1, "uint8")
    with pytest.raises(NoRoom, match="Too many"):
        leases.grant(B, 1, 1, 1, "uint8")
    leases.release(A, own[0].lease)
    leases.grant(B, 1, 1, 1, "uint8")
    leases.close()


def test_the_limit_counts_copies_and_gives_up_what_is_idle():
    leases = Leases(3 * SIZE, create=named_block)
    first, second = grant(leases, A), grant(leases, A)
    kept = leases.submit(A, first.lease)
    assert leases.held_bytes == 3 * SIZE
    with pytest.raises(NoRoom) as caught:
        leases.submit(A, second.lease)
    assert caught.value.retry
    with pytest.raises(NoRoom):
        grant(leases, B)
    assert leases.held_bytes == 3 * SIZE
    leases.release(A, second.lease)
    grant(leases, B)
    assert not exists(second.segment) and leases.held_bytes == 3 * SIZE
    assert not kept.pixels.any()
    leases.close()


def test_a_submission_takes_the_memory_of_the_one_before():
    leases = Leases(2 * SIZE, create=named_block)
    granted = grant(leases, A)
    for _ in range(3):
        leases.submit(A, granted.lease)
    assert leases.held_bytes == 2 * SIZE
    leases.close()


def test_many_threads(create: Create, request: pytest.FixtureRequest):
    request.addfinalizer(partial(sys.setswitchinterval, sys.getswitchinterval()))
    sys.setswitchinterval(1e-6)
    leases = Leases(28 * SIZE, create=create)

    def work(number: int) -> None:
        owner = b"%d" % number
        for value in range(60):
            # Of many sizes, so that idle blocks have to go all the time.
            ask = Lease(64 - value, 96, 4, "float32")
            granted = grant(leases, owner, ask)
            client = attach(ask, Leased(*granted))
            client[...] = value + 100 * number
            if value % 2:
                del client
                client = np.empty(1)
            pixels = leases.submit(owner, granted.lease).pixels
            client[...] = -1
            assert (pixels == value + 100 * number).all()
            leases.release(owner, granted.lease)
        leases.reclaim(owner)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert leases.count == 0 and leases.held_bytes == 0


def test_a_thousand_leases_take_no_more_memory_than_ten(leases: Leases):
    def lease(number: int) -> None:
        owner = b"%d" % (number % 5)
        granted = leases.grant(owner, 256, 256, 4, "float32")
        leases.picture(owner, granted.lease)[...] = number
        assert leases.submit(owner, granted.lease).pixels[-1, -1, -1] == number
        if number % 3:
            leases.release(owner, granted.lease)
        else:
            leases.reclaim(owner)

    for number in range(10):
        lease(number)
    memory, files = resident(), descriptors()
    for number in range(1000):
        lease(number)
    assert resident() - memory < 16 << 20
    assert descriptors() - files < 20


def test_a_block_that_cannot_be_made_is_not_counted():
    def refuse(size: int) -> Block:
        raise NoRoom("full")

    leases = Leases(1 << 20, create=refuse)
    with pytest.raises(NoRoom):
        grant(leases, A)
    assert leases.held_bytes == 0 and leases.count == 0
