"""Files that broke other programs: each must read whole or be a typed error, within bounded memory and time."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_READ_ALL = """
import resource, sys, time
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
from engine.errors import FaceplateError
from engine.geometry import Box
from engine.plates import Plate
for name in sys.argv[1:]:
    started = time.monotonic()
    try:
        plate = Plate.open(name)
        frame = plate.read(plate.frames[0])
        frame.rgb(frame.data_window)
        "\\n".join(plate.info.lines()).encode()
        outcome = "whole"
    except FaceplateError as error:
        outcome = f"{error.code}: {error.message}"
        if "\\n" in outcome or not outcome.isprintable() or not error.message.endswith("."):
            outcome = "UNCLEAR " + repr(outcome)
    if time.monotonic() - started > 10:
        outcome = "SLOW " + outcome
    sys.stderr.write(f"\\n@{Path(name).name} {outcome}")
# Not getrusage: its peak is handed down from the process that started this one.
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else ["VmHWM: 0 kB"]
peak = next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM"))
sys.stderr.write(f"\\n@peak {peak}")
"""


def _outcomes(paths: list[Path]) -> dict[str, str]:
    command = [sys.executable, "-X", "faulthandler", "-c", _READ_ALL, *map(str, paths)]
    result = subprocess.run(command, capture_output=True, cwd=_ROOT, timeout=120)
    text = result.stderr.decode("utf-8", "replace")
    assert result.returncode == 0, text[-3000:]
    lines = [line[1:].split(" ", 1) for line in text.splitlines() if line.startswith("@")]
    return {name: outcome for name, outcome in lines}


@pytest.mark.corpus
def test_damaged_exr_files(corpus: Path, tmp_path: Path) -> None:
    links = []
    for index, path in enumerate(sorted((corpus / "exr_damaged").iterdir())):
        links.append(tmp_path / f"damaged{index:03d}.v.exr")
        links[-1].symlink_to(path)
    outcomes = _outcomes(links)
    assert int(outcomes.pop("peak")) < 1500
    assert len(outcomes) == len(links) > 50
    kinds = [outcome.split(":")[0] for outcome in outcomes.values()]
    assert set(kinds) <= {"whole", "frame-unreadable", "plate-unsupported"}, outcomes
    assert kinds.count("frame-unreadable") > 40


@pytest.mark.corpus
@pytest.mark.parametrize("suffix", ["own", ".png", ".tif", ".jpg", ".dpx", ".exr"])
def test_crash_and_bomb_pictures(corpus: Path, tmp_path: Path, suffix: str) -> None:
    links = []
    for index, path in enumerate(sorted((corpus / "images_bad").iterdir())):
        links.append(tmp_path / f"bad{index:03d}.v{path.suffix if suffix == 'own' else suffix}")
        links[-1].symlink_to(path)
    outcomes = _outcomes(links)
    assert int(outcomes.pop("peak")) < 3000
    assert len(outcomes) == len(links) > 20
    kinds = {outcome.split(":")[0] for outcome in outcomes.values()}
    assert kinds <= {"whole", "frame-unreadable", "plate-unsupported", "color"}, outcomes
