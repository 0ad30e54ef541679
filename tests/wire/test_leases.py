"""Leased pictures, with hosts in processes of their own. The numbers of cases are those of the list of faults."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from engine.errors import LeaseError, NoRoom
from engine.leases import Leases
from engine.segments import Block, Create, named_block, shared_block
from engine.wire.frames import attach
from engine.wire.messages import Lease, Leased
from tests.wire.host import Host
from tests.wire.leased import ASK, SIZE, A, B, descriptors, exists, grant, linux, resident

pytestmark = linux


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
    pixels, colorspace, _ = leases.submit(A, granted.lease)
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
