import struct
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from engine.errors import OutputError, OutputRefused, UsageError
from engine.geometry import Box
from engine.plates import Frame, Plate, write_frame
from engine.plates.header import WINDOW
from engine.plates.layout import read_layout
from engine.plates.proof import prove_whole
from engine.plates.rewrite import whole_parts

_ROOT = Path(__file__).resolve().parents[2]


def _frame(rng: np.random.Generator, size: int = 256) -> Frame:
    channels = {name: rng.random((size, size)).astype(np.float16) for name in "RGBA"}
    return Frame.new(7, channels, Box(0, 0, size, size))


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def _in_process(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script that has `frame`, `Path` and the errors; it must end by itself."""
    head = """
        import os, resource, signal, sys
        from pathlib import Path
        import numpy as np
        from engine.errors import DiskFull, FaceplateError, OutputError
        from engine.geometry import Box
        from engine.plates import Frame, write_frame
        values = np.random.default_rng(0).random((512, 512)).astype(np.float32)
        frame = Frame.new(1, {name: values for name in "RGBA"}, Box(0, 0, 512, 512))
        folder = Path(sys.argv[1])
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        cwd=_ROOT,
        timeout=60,
    )


def test_nothing_but_the_frame_is_left(tmp_path: Path, rng: np.random.Generator) -> None:
    write_frame(_frame(rng), tmp_path / "a.0007.exr")
    assert _names(tmp_path) == ["a.0007.exr"]
    assert Plate.open(tmp_path).frames == (7,)


@pytest.mark.parametrize("compression", ["none", "rle", "zips", "zip", "piz"])
def test_asked_compression(tmp_path: Path, rng: np.random.Generator, compression: str) -> None:
    write_frame(_frame(rng), tmp_path / "a.exr", compression)
    assert Plate.open(tmp_path / "a.exr").info.compression == ("no" if compression == "none" else compression)


@pytest.mark.parametrize("compression", ["dwaa", "b44", "", "ZIP!"])
def test_lossy_and_unknown_compressions_are_refused(tmp_path: Path, rng: np.random.Generator, compression: str) -> None:
    with pytest.raises(UsageError, match="piz"):
        write_frame(_frame(rng), tmp_path / "a.exr", compression)
    assert not _names(tmp_path)


def test_the_plate_is_never_overwritten(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "plate.0007.exr"
    write_frame(_frame(rng), path)
    before = path.read_bytes()
    frame = Plate.open(path).read(7)
    (tmp_path / "link").symlink_to(tmp_path)
    for target in (path, tmp_path / "link" / path.name, tmp_path / "link" / ".." / tmp_path.name / path.name):
        with pytest.raises(OutputRefused, match="the plate itself"):
            write_frame(frame, target)
    assert path.read_bytes() == before


def test_other_formats_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(OutputRefused, match=r"\.exr"):
        write_frame(_frame(rng), tmp_path / "a.png")


def test_a_folder_that_is_gone(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(OutputError, match="No such file") as raised:
        write_frame(_frame(rng), tmp_path / "gone" / "a.exr")
    assert raised.value.code == "output"
    with pytest.raises(OutputError, match="too long"):
        write_frame(_frame(rng), tmp_path / ("x" * 300 + ".exr"))


def test_a_frame_that_exr_cannot_hold(tmp_path: Path, rng: np.random.Generator) -> None:
    frame = _frame(rng)
    frame.attributes["faceplate:strange"] = object()
    with pytest.raises(OutputError, match="Frame 7 cannot be written as EXR"):
        write_frame(frame, tmp_path / "a.exr")
    assert not _names(tmp_path)


def test_a_file_from_before_stays_when_writing_fails(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "a.exr"
    write_frame(_frame(rng), path)
    before = path.read_bytes()
    script = """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            write_frame(frame, folder / "a.exr")
        except DiskFull as error:
            sys.stdout.write(f"{error.retry} {error}")
    """
    result = _in_process(script, str(tmp_path))
    assert result.stdout.startswith("True There is no room"), result.stderr
    assert path.read_bytes() == before
    assert _names(tmp_path) == ["a.exr"]


@pytest.mark.parametrize("size", [0, 1, 4095, 65536, 1_000_000])
def test_a_full_disk_at_any_point(tmp_path: Path, size: int) -> None:
    script = """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
        try:
            write_frame(frame, folder / "a.exr", sys.argv[3])
        except DiskFull:
            sys.stdout.write(f"full {[p.name for p in folder.iterdir()]}")
    """
    result = _in_process(script, str(tmp_path), str(size), "none" if size % 2 else "zip")
    assert result.stdout == "full []", result.stderr


@pytest.fixture
def small_disk(tmp_path: Path):
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_of_one_megabyte(small_disk: Path) -> None:
    script = """
        write_frame(Frame.new(1, {n: values[:64, :64] for n in "RGB"}, Box(0, 0, 64, 64)), folder / "small.exr")
        try:
            write_frame(frame, folder / "large.exr")
        except DiskFull:
            sys.stdout.write(f"full {[p.name for p in folder.iterdir()]}")
    """
    result = _in_process(script, str(small_disk))
    assert result.stdout == "full ['small.exr']", result.stderr


def test_a_folder_without_permission(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    tmp_path.chmod(0o755)
    script = """
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        try:
            write_frame(frame, folder / "a.exr")
        except DiskFull:
            raise
        except OutputError as error:
            sys.stdout.write(error.message)
    """
    result = _in_process(script, str(closed))
    assert "cannot be written: Permission denied" in result.stdout or "No such file" in result.stdout, result.stderr


def test_a_write_that_is_killed_leaves_no_final_name(tmp_path: Path) -> None:
    script = """
        while True:
            write_frame(frame, folder / f"a.{len([p.name for p in folder.iterdir()]):04d}.exr")
            sys.stdout.write("x")
            sys.stdout.flush()
    """
    root = {"cwd": _ROOT, "stdout": subprocess.PIPE}
    head = "import os, sys; from pathlib import Path; import numpy as np; from engine.geometry import Box\n"
    head += "from engine.plates import Frame, write_frame; folder = Path(sys.argv[1])\n"
    head += "values = np.random.default_rng(0).random((512, 512)).astype(np.float32)\n"
    head += "frame = Frame.new(1, {name: values for name in 'RGBA'}, Box(0, 0, 512, 512))\n"
    with subprocess.Popen([sys.executable, "-c", head + textwrap.dedent(script), str(tmp_path)], **root) as process:
        assert process.stdout is not None
        process.stdout.read(3)
        process.kill()
    names = sorted(name for name in _names(tmp_path) if not name.startswith("."))
    assert len(names) >= 3
    for number in Plate.open(tmp_path).frames:
        Plate.open(tmp_path).read(number)


def test_frames_written_at_the_same_time_by_threads(tmp_path: Path, rng: np.random.Generator) -> None:
    frames = [_frame(rng) for _ in range(4)]
    threads = [
        threading.Thread(target=write_frame, args=(frame, tmp_path / f"a.{index}.exr"))
        for index, frame in enumerate(frames)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_names(tmp_path)) == 4


def test_the_same_frame_makes_the_same_bytes(tmp_path: Path, rng: np.random.Generator) -> None:
    frame = _frame(rng)
    written = []
    for threads in (0, 1, 4):
        was = OpenEXR.global_thread_count()
        OpenEXR.set_global_thread_count(threads)
        write_frame(frame, tmp_path / "a.exr")
        OpenEXR.set_global_thread_count(was)
        written.append((tmp_path / "a.exr").read_bytes())
    assert written[0] == written[1] == written[2]


@pytest.mark.parametrize("channel", ["A", "R"])
def test_the_proof_finds_one_wrong_bit(tmp_path: Path, rng: np.random.Generator, channel: str) -> None:
    frame, path = _frame(rng), tmp_path / "a.exr"
    write_frame(frame, path, "none")
    prove_whole(whole_parts(frame, layers=False), path, path)
    frame.channels[channel].view(np.uint16)[100, 200] ^= 1
    with pytest.raises(OutputError, match="does not read back"):
        prove_whole(whole_parts(frame, layers=False), path, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(OutputError, match="not written whole"):
        prove_whole(whole_parts(frame, layers=False), path, path)


@pytest.mark.parametrize("compression", ["same", "piz"])
def test_the_header_declares_where_the_frame_was_changed(
    tmp_path: Path, rng: np.random.Generator, compression: str
) -> None:
    write_frame(_frame(rng), tmp_path / "plate.exr")
    plate = tmp_path / "plate.exr"

    def declared(target: str, *boxes: Box) -> tuple[str, bytes] | None:
        frame = Plate.open(plate).read(1)
        for box in boxes:
            frame.changes_in(box)
        write_frame(frame, tmp_path / target, compression)
        return read_layout(tmp_path / target).parts[0].attributes.get(WINDOW)

    assert declared("no.exr", Box(0, 0, 0, 0)) is None
    assert declared("a.exr", Box(3, 4, 10, 20)) == ("box2i", struct.pack("<4i", 3, 4, 9, 19))
    assert declared("b.exr", Box(200, 250, 300, 300)) == ("box2i", struct.pack("<4i", 200, 250, 255, 255))
    # What a result of this program declared is not true of what is made from it.
    plate = tmp_path / "a.exr"
    assert declared("c.exr", Box(0, 0, 0, 0)) is None
    assert declared("d.exr", Box(1, 1, 2, 2)) == ("box2i", struct.pack("<4i", 1, 1, 1, 1))
