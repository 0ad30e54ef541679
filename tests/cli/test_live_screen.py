"""What the live view draws: every line in its place, whatever the terminal's size, the paths and the number of jobs."""

import io

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from engine import __version__
from engine.cli.live_screen import draw
from engine.wire.messages import JobState, State

LONG = "/show/of/the/year/sequences/sq010/sh0100_opening_shot/plates/main_bg01_v003/sh0100.%04d.exr"
OUTPUT = "/show/of/the/year/sequences/sq010/sh0100_opening_shot/comps/faceplate_v001/"
JOBS = (
    JobState(1, "swap", "/p", "/o", "done", "render", 3, 3, 5.3, 0.0),
    JobState(2, "swap", LONG, OUTPUT, "running", "render", 12, 100, 1.25, 70.4),
    JobState(3, "solve", "/写真/" + "顔" * 60, "", "running", "solve", 1, 0),
    JobState(4, "swap", "/a\x1b[2Jb", "/o\nx", "waiting"),
    JobState(5, "swap", "/p", "/o", "failed"),
)
ENGINE = State(__version__, 4321, 3725.0, 1.0, 24 << 20, 2, JOBS, 100 << 20, 4 << 30, 591 << 20, "CPUExecutionProvider")
LOG = [("", f"12:00:{second} line {second}") for second in range(10, 70)]


def lines(state: State | None, width: int, height: int, ending: bool = False) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, height=height, force_terminal=False, highlight=False)
    console.print(draw(state, ending, LOG, width, height), end="")
    return file.getvalue().removesuffix("\n").split("\n")


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (60, 20), (40, 12), (132, 16)])
@pytest.mark.parametrize("jobs", [0, 5, 40])
def test_every_line_fits(size: tuple[int, int], jobs: int):
    many = (JOBS * 8)[:jobs]
    drawn = lines(State(__version__, 1, 1.0, 0.5, 0, 0, many), *size)
    assert len(drawn) == size[1] and all(cell_len(line) <= size[0] for line in drawn)
    assert drawn[-2] == LOG[-1][1] and drawn[-1].startswith("Ctrl-C ends")


def test_the_engine_and_its_jobs():
    drawn = lines(ENGINE, 100, 40)
    assert drawn[0] == f"faceplate {__version__}, process 4321, running for 1:02 h"
    assert drawn[1] == "Warm, networks on CPU, 2 clients"
    assert drawn[2] == "Memory 591 MiB; leased 24 MiB, kept 100 MiB of 4.0 GiB"
    brought = lines(msgspec.structs.replace(ENGINE, networks=554 << 20), 100, 40)
    assert brought[2] == drawn[2] + ", networks of 554 MiB"
    first = drawn[5].split()
    assert first[:4] == ["2", "swap", "running", "render"] and first[-4:] == ["12/100", "1.25", "1:10", "min"]
    assert [line.split()[0] for line in drawn[5:15:2]] == ["2", "3", "4", "5", "1"]


def test_of_long_paths_the_ends_are_shown():
    drawn = "\n".join(lines(ENGINE, 80, 40))
    assert "main_bg01_v003/sh0100.%04d.exr → …" in drawn and "comps/faceplate_v001/\n" in drawn
    assert f"{LONG} → {OUTPUT}" in "\n".join(lines(ENGINE, 200, 40))


def test_a_name_gives_the_terminal_no_command():
    drawn = lines(ENGINE, 80, 40)
    assert "     /a�[2Jb → /o�x" in drawn


def test_what_does_not_fit_is_counted():
    drawn = lines(ENGINE, 80, 16)
    assert "     and 3 more: faceplate jobs" in drawn and drawn[5].split()[0] == "2"


def test_before_it_is_ready_and_when_it_ends():
    assert lines(None, 80, 24)[1] == "The engine begins …"
    assert "ends it at once" in lines(ENGINE, 80, 24, ending=True)[-1]
