"""Bad files as plates and as pictures of a person, through a live engine: each is a typed error, and it goes on."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.shot import Plate
from engine.wire.client import Client
from engine.wire.messages import Failure, Reported
from tests.jobs.bad_plates import STILLS, bad_exrs, bad_stills
from tests.jobs.place import Record, is_typed, shot_of, swap, works_on
from tests.wire.engines import EngineProcess

Outcome = Callable[[Path], Failure | None]

# Seconds that a job may take to find out.
PATIENCE = 60.0


@pytest.fixture
def outcome(client: Client, work: Path) -> Outcome:
    """What becomes of a job on a plate; one that takes too long is ended, and that is no typed error."""

    def run(plate: Path) -> Failure | None:
        shot = msgspec.structs.replace(shot_of(work), plate=Plate(path=str(plate)), tracks="")
        end = time.monotonic() + PATIENCE
        failure = client.work(swap(shot), lambda told: None, stop=lambda: time.monotonic() > end).failure
        return None if failure is None or failure.code == "cancelled" else failure

    return run


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".exr", *STILLS])
def test_a_bad_file_is_a_typed_error(
    client: Client, work: Path, whole: tuple[Path, Record], outcome: Outcome, suffix: str
) -> None:
    kinds = bad_exrs() if suffix == ".exr" else bad_stills(suffix)
    wrong = {}
    for number, (what, make) in enumerate(kinds.items()):
        folder = work / f"bad{number}"
        folder.mkdir()
        make(folder / f"a.1001{suffix}")
        for named in (f"a.1001{suffix}", f"a.%04d{suffix}"):
            failure = outcome(folder / named)
            if not is_typed(failure):
                wrong[what, named] = failure
    assert not wrong
    works_on(client, work, whole[0])


@pytest.mark.slow
def test_bad_pictures_of_a_person_are_named_and_left_out(client: Client, work: Path) -> None:
    made = 0
    for suffix in (".exr", *STILLS):
        for make in (bad_exrs() if suffix == ".exr" else bad_stills(suffix)).values():
            make(work / f"grace/a.{made:04d}{suffix}")
            made += 1
    told: list[Reported] = []
    assert client.work(swap(shot_of(work), frames="1001"), told.append).failure is None
    notices = [one.event for one in told if one.event["type"] == "notice"]
    assert len(notices) > made // 2 and not [one for one in notices if one["code"] in ("internal", "error")]
    assert [one.event["type"] for one in told][-2:] == ["frame-done", "finished"]


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.parametrize("suffix", ["own", ".exr", *STILLS])
def test_files_that_broke_other_programs(
    engine: EngineProcess,
    client: Client,
    corpus: Path,
    work: Path,
    whole: tuple[Path, Record],
    outcome: Outcome,
    suffix: str,
) -> None:
    folders = ("images_bad", "exr_damaged") if suffix == ".exr" else ("images_bad",)
    files = [path for folder in folders for path in sorted((corpus / folder).iterdir())]
    wrong = {}
    for number, path in enumerate(files):
        link = work / f"bad{number:03d}.v{path.suffix if suffix == 'own' else suffix}"
        link.symlink_to(path)
        failure = outcome(link)
        if not is_typed(failure):
            wrong[path.name] = failure
    assert not wrong
    assert _peak(engine) < 3000
    works_on(client, work, whole[0])


def _peak(engine: EngineProcess) -> int:
    """The most memory that the engine ever had, in MiB."""
    lines = Path(f"/proc/{engine.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM"))
