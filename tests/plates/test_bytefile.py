"""Bytes moved from file to file: whole, wherever the files lie, and without a copy where the file system can share."""

import errno
import gc
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.geometry import Box
from engine.plates import bytefile
from engine.plates.bytefile import BLOCK, ByteFile, copy_range
from tests.plates.edited import assert_only_the_box_changed, channels_of, edit_frame, random_bits, write_plate

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL
_CANNOT = ("EXDEV", "ENOSYS", "EINVAL", "EOPNOTSUPP", "EBADF", "EPERM", "ETXTBSY")


def _copied(source: Path, target: Path, start: int, size: int, to: int) -> bytes:
    file = ByteFile(target, _NEW)
    copy_range(ByteFile(source), file, start, size, to)
    file.close()
    return target.read_bytes()


def _random(path: Path, rng: np.random.Generator, size: int = 100_000) -> bytes:
    path.write_bytes(rng.bytes(size))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("start", "size", "to"),
    [(0, 100_000, 0), (1, 99_999, 0), (0, 0, 5), (77, 1, 4096), (4096, 8192, 4096 * 3), (100, 50_000, 100 + 4096),
     (4095, 2, 4095), (5000, 20_000, 905)],
)  # fmt: skip
def test_a_range_is_copied_whole(tmp_path: Path, rng: np.random.Generator, start: int, size: int, to: int) -> None:
    data = _random(tmp_path / "a", rng)
    copied = _copied(tmp_path / "a", tmp_path / "b", start, size, to)
    assert copied[to:] == data[start : start + size]
    assert not any(copied[:to])


@pytest.mark.parametrize("there", [True, False])
def test_from_one_file_system_to_another(tmp_path: Path, rng: np.random.Generator, there: bool) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        source, target = (tmp_path / "a", Path(folder, "b")) if there else (Path(folder, "a"), tmp_path / "b")
        data = _random(source, rng)
        assert _copied(source, target, 10, 90_000, 6)[6:] == data[10:90_010]
        write_plate(source.with_name("in.exr"), channels_of(rng, "half", (85, 61)))
        edit = edit_frame(source.with_name("in.exr"), target.with_name("out.exr"), Box(10, 30, 31, 50), rng)
        assert_only_the_box_changed(edit)


@pytest.mark.parametrize("code", _CANNOT)
def test_where_the_kernel_cannot(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(getattr(errno, code), "refused")

    monkeypatch.setattr(os, "copy_file_range", refuse, raising=False)
    monkeypatch.setattr(bytefile, "_BUFFER", 1000)
    data = _random(tmp_path / "a", rng)
    assert _copied(tmp_path / "a", tmp_path / "b", 10, 90_000, 6)[6:] == data[10:90_010]


def test_where_there_is_no_such_call(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "copy_file_range", raising=False)
    data = _random(tmp_path / "a", rng)
    assert _copied(tmp_path / "a", tmp_path / "b", 10, 90_000, 6)[6:] == data[10:90_010]


def test_a_call_that_copies_a_part_goes_on(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(os, "copy_file_range"):
        pytest.skip("this system has no copy_file_range")
    real, calls = os.copy_file_range, []

    def little(source: int, target: int, size: int, *places: int) -> int:
        calls.append(size)
        if len(calls) == 5:
            raise OSError(errno.EXDEV, "no more")
        return real(source, target, min(size, 7000), *places)

    monkeypatch.setattr(os, "copy_file_range", little)
    data = _random(tmp_path / "a", rng)
    assert _copied(tmp_path / "a", tmp_path / "b", 10, 90_000, 6)[6:] == data[10:90_010]
    assert len(calls) == 5


@pytest.mark.parametrize("by_kernel", [True, False])
def test_a_source_that_is_too_short(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, by_kernel: bool
) -> None:
    if not by_kernel:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    _random(tmp_path / "a", rng, 1000)
    for start, size in ((0, 1001), (999, 2), (1000, 1), (5000, 10)):
        with pytest.raises(EOFError):
            _copied(tmp_path / "a", tmp_path / f"b{start}", start, size, 0)


@pytest.mark.parametrize("code", ["ENOSPC", "EIO", "EDQUOT"])
def test_real_failures_come_through(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def fail(*_: object) -> int:
        raise OSError(getattr(errno, code), "failed")

    monkeypatch.setattr(os, "copy_file_range", fail, raising=False)
    _random(tmp_path / "a", rng)
    with pytest.raises(OSError, match="failed") as raised:
        _copied(tmp_path / "a", tmp_path / "b", 0, 10, 0)
    assert raised.value.errno == getattr(errno, code)


@pytest.mark.parametrize("positioned", [True, False])
def test_reading_and_writing_at_a_place(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, positioned: bool
) -> None:
    """Without a position of its own, as on Windows, the file is moved to the place under a lock."""
    if positioned and not hasattr(os, "pread"):
        pytest.skip("this system has no pread")
    monkeypatch.setattr(bytefile, "_POSITIONED", positioned)
    data = rng.bytes(1_000_000)
    file = ByteFile(tmp_path / "a", _NEW)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda place: file.write(place, data[place : place + 1000]), range(0, len(data), 1000)))
        read = list(pool.map(lambda place: file.read_whole(place, 1000), range(0, len(data), 1000)))
    assert b"".join(read) == data
    pixels = np.empty((10, 50), np.float16)
    file.read_into(pixels, 77)
    assert pixels.tobytes() == data[77:1077]
    file.write(5, pixels)
    assert file.read(5, 1000) == data[77:1077]
    assert file.read(len(data) - 3, 10) == data[-3:]
    for read_past in (lambda: file.read_whole(len(data) - 3, 4), lambda: file.read_into(pixels, len(data) - 3)):
        with pytest.raises(EOFError):
            read_past()


def test_a_file_that_nobody_refers_to_is_closed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    file = ByteFile(tmp_path / "a")
    descriptor = file.descriptor
    os.fstat(descriptor)
    del file
    gc.collect()
    with pytest.raises(OSError):
        os.fstat(descriptor)
    file = ByteFile(tmp_path / "a")
    file.close()
    file.close()


@pytest.fixture(scope="module")
def sharing_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system that shares blocks between files, in an image of its own."""
    folder = tmp_path_factory.mktemp("xfs")
    if shutil.which("mkfs.xfs") is None:
        pytest.skip("mkfs.xfs is not installed")
    image, mounted = folder / "image", folder / "mounted"
    mounted.mkdir()
    with image.open("wb") as stream:
        stream.truncate(400 << 20)
    for command in (["mkfs.xfs", "-q", "-m", "reflink=1", image], ["mount", "-o", "loop", image, mounted]):
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode:
            pytest.skip(f"an XFS image cannot be mounted here: {made.stderr.strip()}")
    yield mounted
    subprocess.run(["umount", mounted], check=True)


def _shared_bytes(path: Path) -> int:
    if shutil.which("filefrag") is None:
        pytest.skip("filefrag is not installed")
    listing = subprocess.run(["filefrag", "-s", "-v", "-b1", path], capture_output=True, text=True, check=True).stdout
    extents = re.findall(r"^ *\d+: *\d+\.\. *\d+: *\d+\.\. *\d+: *(\d+):(.*)$", listing, re.MULTILINE)
    assert extents, listing
    return sum(int(length) for length, flags in extents if "shared" in flags)


def _free(disk: Path) -> int:
    subprocess.run(["sync", "-f", disk], check=True)
    return shutil.disk_usage(disk).free


@pytest.mark.parametrize(("start", "to", "shared"), [(0, 0, True), (4196, 100, True), (4196, 101, False)])
def test_aligned_ranges_share_their_blocks(
    sharing_disk: Path, rng: np.random.Generator, start: int, to: int, shared: bool
) -> None:
    source, target = sharing_disk / f"a{start}{to}", sharing_disk / f"b{start}{to}"
    data = _random(source, rng, 1 << 20)
    size = len(data) - start
    assert _copied(source, target, start, size, to)[to:] == data[start:]
    assert _shared_bytes(target) >= (size - 2 * BLOCK if shared else 0)
    assert shared or _shared_bytes(target) == 0


@pytest.mark.parametrize(
    ("compression", "tiles", "part"),
    [("no", None, 0.9), ("zip", None, 0.4), ("zip", (256, 256), 0.7), ("dwaa", None, 0.4)],
)
def test_a_frame_shares_its_blocks_with_the_plate(
    sharing_disk: Path, rng: np.random.Generator, compression: str, tiles: Any, part: float
) -> None:
    source, target = sharing_disk / "in.exr", sharing_disk / "out.exr"
    write_plate(source, {name: random_bits(rng, (1080, 1920), np.float16) for name in "RGBA"}, compression, tiles=tiles)
    size = source.stat().st_size
    free = _free(sharing_disk)
    edit = edit_frame(source, target, Box(700, 500, 900, 560), rng)
    assert _shared_bytes(target) > part * size
    assert free - _free(sharing_disk) < (1 - part) * target.stat().st_size + (1 << 20)
    assert_only_the_box_changed(edit)
    source.unlink()
    target.unlink()
