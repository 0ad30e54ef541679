"""The command line from outside: usage, exit status, streams that are full, closed or gone."""

import json
import os
import pty
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
import skimage.data

from engine import __version__
from engine.provenance.consent import read_consent
from engine.settings import settings

Command = Callable[..., subprocess.CompletedProcess[str]]
RECORD = ("--person", "Anna", "--scope", "tests", "--granted-by", "Anna", "--until", "2999-01-01")


def write_exr(path: Path, compression: OpenEXR.Compression = OpenEXR.ZIP_COMPRESSION) -> Path:
    pixels = np.full((8, 12), 0.5, np.float16)
    header = {"compression": compression, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {name: pixels for name in "RGB"} | {"Z": pixels.astype(np.float32)}).write(str(path))
    return path


def test_help_comes_at_once(faceplate: Command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = faceplate("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Time of the processor, not of the clock: tests share the machine.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
    assert done.returncode == 0
    for name in ("swap", "solve", "render", "verify", "info", "demo", "identity", "engine"):
        assert f"\n  {name} " in done.stdout


def test_help_loads_nothing_heavy(environment: dict[str, str]):
    code = (
        "import sys, engine.cli.main; print([m for m in ('numpy', 'numba', 'cv2', 'onnxruntime') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize("command", ["swap", "solve", "render", "verify", "info", "demo", "settings"])
def test_every_command_has_help(faceplate: Command, command: str):
    done = faceplate(command, "--help")
    assert done.returncode == 0 and "Usage" in done.stdout


def test_version(faceplate: Command):
    assert faceplate("--version").stdout == f"faceplate {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nothing",),
        ("swap",),
        ("swap", "a", "b"),
        ("swap", "a", "b", "-o", "c", "--what"),
        ("swap", "a", "b", "-o", "c", "--set", "mesh.shpe=1"),
        ("swap", "a", "b", "-o", "c", "--set", "mesh.shape"),
        ("swap", "a", "b", "-o", "c", "--face", "upper"),
        ("swap", "a", "b", "-o", "c", "--layers", "patch,beauty"),
        ("swap", "a", "b", "-o", "c", "--detect-size", "3"),
        ("solve", "a", "-o", "a.1001.exr"),
        ("swap", "a", "b", "-o", "c", "--save-shot", "a.1001.exr"),
        ("render", "none.toml"),
        ("demo", "--frames", "0"),
    ],
)
def test_wrong_usage_ends_with_2(faceplate: Command, tmp_path: Path, arguments: tuple[str, ...]):
    done = faceplate(*arguments)
    assert done.returncode == 2
    assert done.stderr.strip() and not list(tmp_path.iterdir())


def test_a_wrong_setting_is_answered_with_the_nearest(faceplate: Command):
    done = faceplate("swap", "a", "b", "-o", "c", "--set", "mesh.shpe=1")
    assert done.stderr == "error: There is no setting `mesh.shpe`.\nDid you mean `mesh.shape`?\n"


def test_an_error_is_an_event_with_json(faceplate: Command):
    done = faceplate("render", "none.toml", "--json")
    event = json.loads(done.stdout)
    assert event["type"] == "error" and event["code"] == "recipe" and "none.toml" in event["message"]
    assert done.returncode == 2 and done.stderr == ""


def test_settings_lists_them_all(faceplate: Command):
    listed = faceplate("settings").stdout
    for name, setting in settings().items():
        assert f"\n{name} = " in f"\n{listed}" and setting.description in listed


def test_info_of_a_plate(faceplate: Command, tmp_path: Path):
    for number in (1001, 1003):
        write_exr(tmp_path / f"sh.{number}.exr")
    done = faceplate("info", "sh.%04d.exr")
    assert done.returncode == 0
    for part in ("1001,1003", "1002", "12×8", "zip", "Z float", "R half"):
        assert part in done.stdout, part
    found = json.loads(faceplate("info", tmp_path, "--json").stdout)
    assert found["missing"] == "1002" and found["channels"]["Z"] == "float"


def test_what_a_library_prints_is_kept_out_of_standard_output(faceplate: Command, tmp_path: Path):
    plate = write_exr(tmp_path / "a.exr", OpenEXR.PIZ_COMPRESSION)
    data = bytearray(plate.read_bytes())
    # Within the packed pixels: the library finds out only as it unpacks them, and prints a warning.
    data[-40:] = bytes(40)
    plate.write_bytes(data)
    faceplate("identity", "init", "anna", *RECORD)
    cv2.imwrite(str(tmp_path / "anna/a.png"), skimage.data.astronaut()[..., ::-1])
    done = faceplate("swap", plate, "anna", "-o", "out", "--json")
    assert done.returncode == 1 and "Warning" in done.stderr
    events = [json.loads(text) for text in done.stdout.splitlines()]
    assert events[0]["type"] == "started" and events[-1]["code"] == "frame-unreadable"
    done = faceplate("swap", plate, "anna", "-o", "out", preexec_fn=lambda: os.close(1))
    assert done.returncode == 1 and "pixels are damaged" in done.stderr


def test_standard_output_goes_where_it_is_sent_beside_a_terminal(tmp_path: Path, environment: dict[str, str]):
    plate = write_exr(tmp_path / "a.exr")
    ours, theirs = pty.openpty()
    with (tmp_path / "out").open("wb") as out:
        command = [sys.executable, "-m", "engine.cli", "info", plate]
        subprocess.run(command, stdin=theirs, stdout=out, stderr=theirs, env=environment, timeout=60, check=True)
    os.close(ours)
    os.close(theirs)
    assert "12×8" in (tmp_path / "out").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\x76\x2f\x31\x01", b"\x00\xff" * 50])
def test_info_of_what_is_no_plate(faceplate: Command, tmp_path: Path, content: bytes):
    (tmp_path / "a.exr").write_bytes(content)
    done = faceplate("info", "a.exr")
    assert done.returncode == 1 and done.stderr.startswith("error: ")


def test_names_that_are_not_utf8(faceplate: Command, tmp_path: Path):
    folder = os.fsencode(tmp_path) + b"/\xff\xfe"
    assert faceplate("info", folder, "--json").returncode == 1
    Path(os.fsdecode(folder)).mkdir()
    write_exr(tmp_path / "a.exr").rename(os.fsdecode(folder + b"/\xfc.exr"))
    done = faceplate("info", folder)
    assert done.returncode == 0 and "\\xff\\xfe" in done.stdout and "\\xfc" in done.stdout
    done = faceplate("info", folder, "--json")
    assert "\\xfc" in json.loads(done.stdout)["path"]


@pytest.mark.parametrize("arguments", [("settings",), ("--help",), ("render", "none.toml", "--json")])
def test_standard_output_that_is_full_closed_or_gone(faceplate: Command, arguments: tuple[str, ...]):
    with Path("/dev/full").open("wb") as full:
        done = faceplate(*arguments, stdout=full, stderr=subprocess.PIPE, capture_output=False)
        assert done.returncode == 1 and "No space left" in done.stderr
    reading, writing = os.pipe()
    os.close(reading)
    done = faceplate(*arguments, stdout=writing, stderr=subprocess.PIPE, capture_output=False)
    os.close(writing)
    assert done.returncode == 1 and done.stderr == ""
    done = faceplate(*arguments, preexec_fn=lambda: os.close(1))
    assert done.returncode in (0, 2) and done.stderr == ""


def test_no_file_takes_the_place_of_a_closed_stream(environment: dict[str, str]):
    code = """
import os, sys
from engine.cli.main import main
sys.argv = ["faceplate", "--version"]
try:
    main()
finally:
    print(os.open("/", os.O_RDONLY) > 2)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, preexec_fn=lambda: os.close(2), timeout=60, check=True
    )
    assert done.stdout.endswith(b"True\n")


def test_identity_init_from_options(faceplate: Command, tmp_path: Path):
    done = faceplate("identity", "init", "anna", *RECORD, "--contact", "anna@example.com")
    assert done.returncode == 0 and "no picture" in done.stderr
    record = read_consent(tmp_path / "anna")
    assert (record.person, record.until, record.contact) == ("Anna", date(2999, 1, 1), "anna@example.com")


def test_identity_init_asks_for_what_is_left_out(faceplate: Command, tmp_path: Path):
    done = faceplate("identity", "init", "anna", "--person", "Anna", input="a film\nher agent\n2999-01-01\n")
    assert done.returncode == 0 and "Whose face" not in done.stderr
    record = read_consent(tmp_path / "anna")
    assert (record.person, record.scope, record.granted_by) == ("Anna", "a film", "her agent")


def test_identity_init_asks_on_a_terminal(tmp_path: Path, environment: dict[str, str]):
    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-m", "engine.cli", "identity", "init", "anna", *RECORD[2:]]
    with subprocess.Popen(
        arguments, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=environment
    ) as process:
        os.write(ours, b"Anna\n")
        assert process.wait(60) == 0
    os.close(ours)
    os.close(theirs)
    assert read_consent(tmp_path / "anna").person == "Anna"


def test_identity_init_asks_again_for_what_cannot_be(faceplate: Command, tmp_path: Path):
    answers = "soon\n2001-01-01\n2999-01-01\n"
    done = faceplate("identity", "init", "anna", *RECORD[:-2], input=answers)
    assert done.returncode == 0 and "must be a date" in done.stderr and "is over already" in done.stderr
    assert read_consent(tmp_path / "anna").until == date(2999, 1, 1)


def test_ctrl_c_ends_a_question_at_once(tmp_path: Path, environment: dict[str, str]):
    command = [sys.executable, "-m", "engine.cli", "identity", "init", "anna"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None and process.stderr.read(5) == b"Whose"
        process.send_signal(signal.SIGINT)
        # Standard input stays open: its end would be an answer as well.
        process.wait(timeout=60)
        rest = process.stderr.read()
    assert process.returncode == 130 and b"Stopped" in rest and b"Traceback" not in rest
    assert not list((tmp_path / "anna").iterdir())


def test_ctrl_c_before_a_command_has_begun(tmp_path: Path, environment: dict[str, str]):
    code = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from engine.cli.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGINT and done.stderr == b""


@pytest.mark.parametrize("closed", [False, True])
def test_identity_init_without_an_answer(faceplate: Command, tmp_path: Path, closed: bool):
    options = {"preexec_fn": lambda: os.close(0)} if closed else {}
    done = faceplate("identity", "init", "anna", *RECORD[2:], **options)
    assert done.returncode == 2 and "--person" in done.stderr
    assert not list((tmp_path / "anna").iterdir())


@pytest.mark.parametrize("until", ["2001-01-01", "soon", "2030-13-01"])
def test_identity_init_wants_a_day_to_come(faceplate: Command, tmp_path: Path, until: str):
    done = faceplate("identity", "init", "anna", *RECORD[:-1], until)
    assert done.returncode in (1, 2) and not list((tmp_path / "anna").iterdir())


def test_identity_init_keeps_a_record_that_is_there(faceplate: Command, tmp_path: Path):
    faceplate("identity", "init", "anna", *RECORD)
    done = faceplate("identity", "init", "anna", "--person", "Ben", *RECORD[2:])
    assert done.returncode == 1 and read_consent(tmp_path / "anna").person == "Anna"
    faceplate("identity", "init", "anna", "--replace", "--person", "Ben", *RECORD[2:])
    assert read_consent(tmp_path / "anna").person == "Ben"


def test_identity_init_where_a_file_is(faceplate: Command, tmp_path: Path):
    (tmp_path / "anna").touch()
    done = faceplate("identity", "init", "anna", *RECORD)
    assert done.returncode == 2 and "file is in the way" in done.stderr


def test_identity_show_lists_every_picture(faceplate: Command, tmp_path: Path):
    folder = tmp_path / "anna"
    folder.mkdir()
    cv2.imwrite(str(folder / "face.png"), skimage.data.astronaut()[..., ::-1])
    cv2.imwrite(str(folder / "coffee.png"), skimage.data.coffee()[..., ::-1])
    done = faceplate("identity", "show", "anna")
    assert done.returncode == 0
    heading, coffee, face = done.stdout.splitlines()
    assert heading.startswith("picture ") and "sharp" in heading
    assert "There is no face in coffee.png." in coffee and face.rstrip().endswith("used")
    rows = [json.loads(row) for row in faceplate("identity", "show", "anna", "--json").stdout.splitlines()]
    assert [(row["picture"], row["state"]) for row in rows] == [("coffee.png", "unusable"), ("face.png", "used")]


def test_identity_show_of_no_usable_picture_fails(faceplate: Command, tmp_path: Path):
    (tmp_path / "anna").mkdir()
    cv2.imwrite(str(tmp_path / "anna" / "coffee.png"), skimage.data.coffee()[..., ::-1])
    done = faceplate("identity", "show", "anna")
    assert done.returncode == 1 and "coffee.png" in done.stdout
    assert "There is no face in coffee.png" in done.stderr
