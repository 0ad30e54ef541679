"""The open networks: one for each content, and no more than there is room for."""

import gc
import threading
import weakref

import msgspec
import pytest

from engine.models.manifest import known
from engine.models.pool import Pool

MANIFEST = known()["inswapper_128"]


class Network:
    def __init__(self, content):
        self.content = content


def trial(sha256, manifest=MANIFEST):
    return sha256, manifest


@pytest.fixture
def opened():
    return []


def ask(pool, opened, which, content):
    def make(content):
        opened.append(content)
        return Network(content)

    return pool.get(which, lambda: content, make)


def test_what_is_open_is_not_opened_again(opened):
    pool = Pool(100)
    first = ask(pool, opened, trial("a"), b"one")
    assert ask(pool, opened, trial("a"), b"never read again") is first
    assert opened == [b"one"] and pool.held_bytes == 3


def test_another_manifest_or_another_content_is_another_network(opened):
    pool = Pool(100)
    first = ask(pool, opened, trial("a"), b"one")
    turned = msgspec.structs.replace(MANIFEST, channels="bgr")
    assert ask(pool, opened, trial("a", manifest=turned), b"one") is not first
    assert ask(pool, opened, trial("b"), b"two") is not first
    assert opened == [b"one", b"one", b"two"]


def test_the_least_recently_used_is_closed_when_nobody_works_with_it_any_more(opened):
    pool = Pool(6)
    first, second = (weakref.ref(ask(pool, opened, trial(name), name.encode() * 3)) for name in "ab")
    ask(pool, opened, trial("a"), b"aaa")
    ask(pool, opened, trial("c"), b"ccc")
    gc.collect()
    assert first() is not None and second() is None
    assert pool.held_bytes == 6


def test_one_that_is_too_large_to_be_held_is_opened_all_the_same(opened):
    pool = Pool(2)
    assert ask(pool, opened, trial("a"), b"large").content == b"large"
    assert pool.held_bytes == 0


def test_threads_that_ask_at_once_open_one(opened):
    pool, start, got = Pool(100), threading.Barrier(4), []

    def work():
        start.wait()
        got.append(ask(pool, opened, trial("a"), b"one"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4 and len(set(map(id, got))) == 1 and opened == [b"one"]


def test_what_cannot_be_opened_is_not_held():
    pool = Pool(100)

    def fail(content):
        raise ValueError(content)

    for _ in range(2):
        with pytest.raises(ValueError, match="bad"):
            pool.get(trial("a"), lambda: b"bad", fail)
    assert pool.held_bytes == 0
