"""Files and their numbers as hosts count them."""

from pathlib import Path

import numpy as np
import pytest

from engine.wire.sequence import Files, files_of, number_of, numbered, numbers_beside, numbers_in, pattern
from engine.wire.surface import write_point_cache


@pytest.mark.parametrize(
    ("name", "wanted", "number"),
    [("sh.1001.exr", "sh.####.exr", 1001), ("v2_0007.exr", "v2_####.exr", 7), ("12x.exr", "##x.exr", 12)],
)
def test_the_last_digits_are_the_number(name: str, wanted: str, number: int) -> None:
    path = Path("/a/1") / name
    assert pattern(path) == Path("/a/1") / wanted and number_of(path) == number
    assert numbered(path, number) == path and number_of(numbered(path, number + 1)) == number + 1


def test_a_file_without_a_number_is_the_first_and_only_one(tmp_path: Path) -> None:
    path = tmp_path / "still.exr"
    assert (number_of(path), pattern(path), numbered(path, 7), numbers_beside(path)) == (1, path, path, [1])


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("a/sh.0998.exr", "a/sh.0999.exr", "a/sh.1000.exr"), Files("a/sh.", 4, ".exr", 998, 1000)),
        (("a/9998_v2.exr", "a/9999_v2.exr", "a/10000_v2.exr"), None),
        (("a/1.exr",), Files("a/", 1, ".exr", 1, 1)),
        (("a/sh.1.exr", "a/sh.3.exr"), None),
        (("a/sh.1.exr", "b/sh.2.exr"), None),
        (("a/still.exr",), None),
        ((), None),
    ],
)
def test_files_that_are_one_sequence(names: tuple[str, ...], wanted: Files | None) -> None:
    found = files_of(map(Path, names))
    assert found == wanted
    if found:
        assert found.length == len(names) and [str(found.path(n)) for n in range(found.first, found.last + 1)] == list(
            names
        )
        assert found.printf % found.last == names[-1]


def test_the_files_of_a_sequence(tmp_path: Path) -> None:
    for name in ("sh.0010.exr", "sh.0009.exr", "sh.10000.exr", "sh.layers.0011.exr", "sh.0012.png", "xsh.0013.exr"):
        (tmp_path / name).touch()
    assert numbers_beside(tmp_path / "sh.0009.exr") == [9, 10, 10000]
    assert numbered(tmp_path / "sh.0009.exr", 10000).name == "sh.10000.exr"


def test_ranges() -> None:
    assert numbers_in("1001-1005x2, 1010,1003") == [1001, 1003, 1005, 1010] and numbers_in("-2-0") == [-2, -1, 0]
    assert numbers_in("") == numbers_in("all") == []


def test_a_point_cache_is_read_as_it_was_written(tmp_path: Path) -> None:
    points = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    write_point_cache(tmp_path / "face.pc2", points)
    data = (tmp_path / "face.pc2").read_bytes()
    assert data[:12] == b"POINTCACHE2\0" and np.frombuffer(data, "<i4", 2, 12).tolist() == [1, 4]
    assert np.frombuffer(data, "<f4", 2, 20).tolist() == [0.0, 1.0] and np.frombuffer(data, "<i4", 1, 28) == 2
    np.testing.assert_array_equal(np.frombuffer(data, "<f4", offset=32).reshape(2, 4, 3), points)
