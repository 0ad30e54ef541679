import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import PlateError, PlateNotFound, PlateUnsupported, UsageError
from engine.events import shown
from engine.plates.naming import companion_path, frame_number
from engine.plates.sequence import find_sequence, parse_frames


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    _touch(tmp_path, *(f"sh010.{number:04d}.exr" for number in (1001, 1002, 1003, 1006)), "notes.txt", ".hidden.1.exr")
    return tmp_path


@pytest.mark.parametrize(
    "pattern", ["sh010.%04d.exr", "sh010.####.exr", "sh010.#.exr", "sh010.1001-1100#.exr", "sh010.@@@@.exr", ""]
)
def test_every_way_to_name_a_shot_finds_the_same_frames(shot: Path, pattern: str) -> None:
    found = find_sequence(shot / pattern)
    assert found.frames == (1001, 1002, 1003, 1006)
    assert found.missing[:2] == (1004, 1005)
    assert found.name == "sh010"
    assert found.path(1002) == shot / "sh010.1002.exr"
    assert found.path(1004) == shot / "sh010.1004.exr"


def test_gaps_are_counted_only_inside_what_was_asked(shot: Path) -> None:
    assert find_sequence(shot).missing == (1004, 1005)
    stepped = find_sequence(shot / "sh010.%04d.exr", "1001-1009x2")
    assert stepped.frames == (1001, 1003)
    assert stepped.missing == (1005, 1007, 1009)
    both = find_sequence(shot / "sh010.1002-1100#.exr", "1001-1003")
    assert both.frames == (1002, 1003)
    assert both.missing == ()


def test_one_frame_is_a_plate_with_its_own_number(shot: Path) -> None:
    found = find_sequence(shot / "sh010.1003.exr")
    assert (found.frames, found.missing) == ((1003,), ())


@pytest.mark.parametrize(
    ("name", "number"),
    [("a.1001.exr", 1001), ("a_0007.png", 7), ("still.png", 1), ("still_v2.png", 1), ("plate-0010.exr", 10),
     ("a.-0010.exr", -10), ("0099.dpx", 99), ("IMG1234.jpg", 1234), ("rec709.exr", 1), ("a." + "9" * 40 + ".exr", 1)],
)  # fmt: skip
def test_frame_number_of_a_name(name: str, number: int) -> None:
    assert frame_number(name) == number


def test_numbers_longer_than_their_padding(tmp_path: Path) -> None:
    _touch(tmp_path, "a.0099.exr", "a.0100.exr", "a.10000.exr", "a.00101.exr", "a.7.exr")
    assert find_sequence(tmp_path / "a.%04d.exr").frames == (99, 100, 10000)
    assert find_sequence(tmp_path / "a.%d.exr").frames == (7, 10000)


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(PlateNotFound, match="empty"):
        find_sequence(tmp_path)


def test_a_folder_without_frames_says_what_is_there(tmp_path: Path) -> None:
    _touch(tmp_path, "cut.mov")
    with pytest.raises(PlateNotFound, match=r"cut\.mov"):
        find_sequence(tmp_path)


def test_a_folder_with_two_sequences_names_both(shot: Path) -> None:
    _touch(shot, "sh020.0001.exr", "sh020.0002.exr")
    with pytest.raises(PlateNotFound, match=r"sh010\.%04d\.exr \(1001-1003,1006\).*sh020\.%04d\.exr \(1-2\)"):
        find_sequence(shot)


@pytest.mark.parametrize(
    ("frame", "layers"),
    [("sh010.{}.exr", "sh010.layers.{}.exr"), ("sh010_{}.exr", "sh010_layers_{}.exr"), ("{}.exr", "layers.{}.exr"),
     ("still.exr", "still.layers.exr")],
)  # fmt: skip
def test_the_layers_beside_a_result_are_no_sequence_of_their_own(tmp_path: Path, frame: str, layers: str) -> None:
    numbers = (1001, 1002) if "{}" in frame else (1,)
    for number in numbers:
        _touch(tmp_path, frame.format(number), layers.format(number))
        assert companion_path(tmp_path / frame.format(number)).name == layers.format(number)
    found = find_sequence(tmp_path)
    assert found.frames == numbers
    assert found.path(numbers[0]) == tmp_path / frame.format(numbers[0])
    assert find_sequence(tmp_path / layers.replace("{}", "%04d")).frames == numbers
    for number in numbers:
        (tmp_path / frame.format(number)).unlink()
    assert find_sequence(tmp_path).path(numbers[0]) == tmp_path / layers.format(numbers[0])


@pytest.mark.parametrize("pattern", ["sh010.%06d.exr", "sh011.%04d.exr", "missing.exr", "nowhere/sh010.%04d.exr"])
def test_nothing_found_is_an_error_that_helps(shot: Path, pattern: str) -> None:
    with pytest.raises(PlateNotFound) as raised:
        find_sequence(shot / pattern)
    assert "nowhere" in str(raised.value) or "sh010.%04d.exr (1001-1003,1006)" in str(raised.value)


def test_a_file_that_is_not_there_is_no_pattern(shot: Path) -> None:
    with pytest.raises(PlateNotFound, match="There is no file"):
        find_sequence(shot / "sh010.1005.exr")


def test_asking_for_frames_that_do_not_exist(shot: Path) -> None:
    with pytest.raises(PlateNotFound, match="1001-1003,1006"):
        find_sequence(shot, "2000-2010")


@pytest.mark.parametrize("text", ["a", "1-", "1.5", "1-5x0", "1-1000000000000", "--", "1001-1024\udce9"])
def test_bad_ranges_are_usage_errors(text: str) -> None:
    with pytest.raises(UsageError):
        parse_frames(text)


@pytest.mark.parametrize("pattern", ["", "a\0b.exr", "x" * 5000 + ".%04d.exr", "%", "%s.exr", "#", "a.####.mov"])
def test_strange_patterns_are_clear_errors(tmp_path: Path, pattern: str) -> None:
    with pytest.raises((PlateError, UsageError)) as raised:
        find_sequence(str(tmp_path / pattern) if pattern else pattern)
    assert str(raised.value).isprintable()


def test_the_same_frame_twice(tmp_path: Path) -> None:
    _touch(tmp_path, "a.001.exr", "a.0001.exr")
    with pytest.raises(PlateError, match="both frame 1"):
        find_sequence(tmp_path)


def test_other_kinds_of_file_are_refused(shot: Path) -> None:
    with pytest.raises(PlateUnsupported, match=r"notes\.txt"):
        find_sequence(shot / "notes.txt")


def test_a_folder_whose_own_name_holds_pattern_characters(tmp_path: Path) -> None:
    folder = tmp_path / "take#3 100%d [x]"
    folder.mkdir()
    _touch(folder, "a (1).0001.exr", "a (1).0002.exr")
    assert find_sequence(folder / "a (1).%04d.exr").frames == (1, 2)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    _touch(folder, os.fsdecode(b"pl\xe4te.0001.exr"), os.fsdecode(b"pl\xe4te.0002.exr"))
    found = find_sequence(folder)
    assert found.frames == (1, 2)
    assert find_sequence(folder / os.fsdecode(b"pl\xe4te.%04d.exr")).frames == (1, 2)
    assert shown(found.path(1)).endswith(r"caf\xe9/pl\xe4te.0001.exr")
    shown(found.path(1)).encode("ascii")


def test_errors_about_such_names_can_be_printed(tmp_path: Path) -> None:
    script = "import sys; from engine.plates import Plate; from engine.errors import FaceplateError\n"
    script += "try: Plate.open(sys.argv[1])\nexcept FaceplateError as error: sys.stdout.write(str(error))"
    root = Path(__file__).resolve().parents[2]
    result = subprocess.run(
        [sys.executable, "-c", script, os.fsencode(tmp_path) + b"/caf\xe9.%04d.exr"], capture_output=True, cwd=root
    )
    assert result.returncode == 0, result.stderr
    assert rb"caf\xe9" in result.stdout
