"""What is kept in memory: found again, bounded, and never out of date."""

import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engine.errors import FaceplateError
from engine.kept import NOTHING, Kept, content, file_digest, files_key, held_bytes, sha256_of
from engine.shot import Matte, Mesh

KIB = 1024


def floats(kibibytes: int) -> np.ndarray:
    return np.zeros(kibibytes * 256, np.float32)


def settle(path: Path, seconds: float = 60.0) -> None:
    """As if it had been written a while ago."""
    past = path.stat().st_mtime - seconds
    os.utime(path, (past, past))


def test_a_value_is_made_once():
    kept, made = Kept(100 * KIB), []

    def make() -> np.ndarray:
        made.append(1)
        return floats(10)

    first = kept.get("a", make)
    assert kept.get("a", make) is first and len(made) == 1
    assert kept.find("a") is first and kept.find("b") is None
    assert 10 * KIB <= kept.bytes <= 12 * KIB


def test_what_was_not_used_for_longest_goes_first():
    kept = Kept(40 * KIB)
    for name in "abc":
        kept.get(name, lambda: floats(10))
    kept.find("a")
    kept.get("d", lambda: floats(10))
    assert [name for name in "abcd" if kept.find(name) is not None] == ["a", "c", "d"]
    assert kept.bytes <= 40 * KIB


def test_what_is_larger_than_everything_is_given_and_not_kept():
    kept = Kept(40 * KIB)
    kept.get("small", lambda: floats(10))
    assert kept.get("large", lambda: floats(50)).nbytes == 50 * KIB
    assert kept.find("large") is None and kept.find("small") is not None


def test_what_cannot_be_made_is_not_kept():
    kept = Kept(KIB)

    def fails() -> None:
        raise FaceplateError("no")

    with pytest.raises(FaceplateError):
        kept.get("a", fails)
    assert kept.get("a", lambda: 5) == 5


def test_values_about_the_same_things_have_one_place():
    kept, pixels = Kept(100 * KIB), np.arange(12, dtype=np.float32)
    assert kept.about(pixels, 0.5).get("x", lambda: 1) == 1
    assert kept.about(pixels.copy(), 0.5).get("x", lambda: 2) == 1
    assert kept.about(pixels + 1, 0.5).get("x", lambda: 3) == 3
    assert kept.about(pixels, 0.6).get("x", lambda: 4) == 4
    assert kept.about(pixels, 0.5).about("more").get("x", lambda: 5) == 5
    assert NOTHING.about(pixels).get("x", lambda: 6) == 6


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((np.zeros((2, 3)),), (np.zeros((3, 2)),)),
        ((np.zeros(2, np.float32),), (np.zeros(2, np.int32),)),
        ((np.zeros(4), np.ones(4)), (np.ones(4), np.zeros(4))),
        ((Mesh(shape=0.5),), (Mesh(shape=0.6),)),
        ((Mesh(),), (Matte(),)),
        (("ab", "c"), ("a", "bc")),
        ((1.0,), ("1.0",)),
    ],
)
def test_what_differs_has_another_key(one, other):
    assert content(*one) != content(*other)


def test_arrays_that_are_not_contiguous_count_by_what_they_show():
    pixels = np.arange(12.0).reshape(3, 4)
    assert content(pixels.T) == content(np.ascontiguousarray(pixels.T)) != content(pixels)


def test_bytes_of_what_is_nested_and_shared():
    @dataclass(slots=True)
    class Slotted:
        pixels: np.ndarray

    Slotted.__module__ = "engine.test"
    shared = floats(10)
    assert held_bytes((shared, [shared, {"x": shared[3:]}], "text", None)) == held_bytes(shared)
    assert held_bytes(Slotted(floats(7))) == held_bytes(floats(7))


def test_a_file_that_has_only_just_changed_has_no_key(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(b"1")
    assert files_key([path]) is None
    settle(path)
    # The change of the times is itself one, and of now.
    assert files_key([path]) is None


def test_a_file_that_changed_has_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("engine.kept._SETTLED", 0.0)
    path = tmp_path / "a"
    path.write_bytes(b"1")
    first = files_key([path])
    assert first is not None and files_key([path]) == first
    path.write_bytes(b"12")
    longer = files_key([path])
    os.utime(path, (1, 1))
    older = files_key([path])
    other = tmp_path / "b"
    other.write_bytes(b"12")
    os.utime(other, (1, 1))
    other.replace(path)
    assert len({first, longer, older, files_key([path])}) == 4
    with pytest.raises(FileNotFoundError):
        files_key([tmp_path / "gone"])


def test_many_threads():
    kept, wrong = Kept(200 * KIB), []

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(300):
            number = int(random.integers(50))
            if kept.get(number, lambda number=number: np.full(2000, number))[0] != number:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and kept.bytes <= 200 * KIB


def test_a_file_is_read_once_while_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.kept._SETTLED", 0.0)
    path, read = tmp_path / "a", []

    def reading(path: Path) -> str:
        read.append(path)
        return sha256_of(path)

    path.write_bytes(b"one")
    first = file_digest(path, reading)
    assert file_digest(path, reading) == first == hashlib.sha256(b"one").hexdigest() and len(read) == 1
    path.write_bytes(b"another")
    assert file_digest(path, reading) == hashlib.sha256(b"another").hexdigest() and len(read) == 2
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "none", reading)


def test_a_file_that_has_only_just_changed_is_read_each_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    first = file_digest(path)
    path.write_bytes(b"two")
    assert file_digest(path) != first
