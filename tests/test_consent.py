"""The consent record: what is read, what is refused, and that the last day still counts."""

import os
from datetime import date, timedelta
from pathlib import Path

import pytest

from engine.errors import ConsentError
from engine.provenance.consent import Consent, check_consent, read_consent, write_consent

RECORD = 'person = "Anna"\nscope = "tests"\ngranted_by = "Anna"\nuntil = 2999-12-31\n'


def put(folder: Path, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    (folder / "consent.toml").write_bytes(data)
    return folder


@pytest.mark.parametrize("until", ["2999-12-31", '"2999-12-31"', "' 2999-12-31 '"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_a_record_is_read(tmp_path: Path, until: str, start: bytes):
    text = f'person = " Ånna "\r\nscope = "tests"\r\ngranted_by = "Anna"\r\nuntil = {until}\r\ncontact = "a@b.c"\r\n'
    found = check_consent(put(tmp_path, start + text.encode()))
    assert found == Consent(person="Ånna", scope="tests", granted_by="Anna", until=date(2999, 12, 31), contact="a@b.c")


def test_the_last_day_counts(tmp_path: Path):
    day = date(2030, 6, 1)
    put(tmp_path, RECORD.replace("2999-12-31", day.isoformat()))
    assert check_consent(tmp_path, today=day).until == day
    with pytest.raises(ConsentError, match="ended on 2030-06-01"):
        check_consent(tmp_path, today=day + timedelta(days=1))


def test_today_is_what_counts_by_default(tmp_path: Path):
    put(tmp_path, RECORD.replace("2999-12-31", (date.today() - timedelta(days=1)).isoformat()))
    with pytest.raises(ConsentError, match="ended"):
        check_consent(tmp_path)
    assert read_consent(tmp_path).person == "Anna"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (RECORD.replace("scope", "scoop"), "unknown entry `scoop`"),
        (RECORD.replace('person = "Anna"\n', ""), "no entry `person`"),
        (RECORD.replace('"Anna"\nscope', '""\nscope'), "`person` is empty"),
        (RECORD.replace('"Anna"\nscope', '"  "\nscope'), "`person` is empty"),
        (RECORD.replace('"Anna"\nscope', '"A\\nB"\nscope'), "one line"),
        (RECORD.replace('"tests"', '"' + "x" * 600 + '"'), "at most 500"),
        (RECORD.replace('"tests"', "3"), "must be text"),
        (RECORD.replace("2999-12-31", "2999-12-31T10:00:00"), "must be a date"),
        (RECORD.replace("2999-12-31", '"soon"'), "must be a date"),
        (RECORD.replace("2999-12-31", "29991231"), "must be a date"),
        (RECORD.replace("2999-12-31", "2999-02-30"), "not TOML"),
        ("[person]\nname = 'x'", "must be text"),
        ("", "no entry `person`"),
        (b"\xff\xfe" + RECORD.encode("utf-16-le"), "not UTF-8"),
        (b"\x80\x81", "not UTF-8"),
        (b"\x00" * 100, "not TOML"),
        (RECORD.encode() + b"#" * 2_000_000, "too large"),
    ],
)
def test_a_record_that_says_something_else_is_refused(tmp_path: Path, content: str | bytes, part: str):
    with pytest.raises(ConsentError) as caught:
        read_consent(put(tmp_path, content))
    assert part in caught.value.message
    assert f"faceplate identity init {tmp_path}" in caught.value.remedy


def test_a_missing_record_is_refused(tmp_path: Path):
    for folder, missing in ((tmp_path, "no consent record"), (tmp_path / "none", "no identity folder")):
        with pytest.raises(ConsentError, match=missing):
            read_consent(folder)
    with pytest.raises(ConsentError, match="no identity folder"):
        read_consent(tmp_path / ("long" * 100))


def test_a_record_that_is_there_is_to_be_replaced(tmp_path: Path):
    with pytest.raises(ConsentError) as caught:
        read_consent(tmp_path)
    assert "--replace" not in caught.value.remedy
    (tmp_path / "consent.toml").touch()
    with pytest.raises(ConsentError) as caught:
        read_consent(tmp_path)
    assert "--replace" in caught.value.remedy


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link", "device"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, kind: str):
    path = tmp_path / "consent.toml"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "dangling link":
            path.symlink_to("nowhere")
        case "device":
            path.symlink_to("/dev/zero")
    with pytest.raises(ConsentError):
        read_consent(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(ConsentError):
        read_consent(tmp_path / "file")


def test_a_folder_that_is_not_utf8_can_be_named_in_the_message(tmp_path: Path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    with pytest.raises(ConsentError) as caught:
        read_consent(folder)
    assert "\\xff" in str(caught.value) and str(caught.value).encode("utf-8")


def test_a_written_record_is_read_again(tmp_path: Path):
    record = Consent(person='A "B" \\ Ç', scope="x", granted_by="y", until=date(2031, 2, 3), note="line\ntwo")
    path = write_consent(tmp_path, record)
    assert path == tmp_path / "consent.toml" and read_consent(tmp_path) == record
    assert [entry.name for entry in tmp_path.iterdir()] == ["consent.toml"]


def test_a_record_that_could_not_be_read_is_not_written(tmp_path: Path):
    with pytest.raises(ConsentError):
        write_consent(tmp_path, Consent(person="", scope="x", granted_by="y", until=date(2031, 2, 3)))
    with pytest.raises(ConsentError, match="cannot be written"):
        write_consent(tmp_path / "none", Consent(person="p", scope="x", granted_by="y", until=date(2031, 2, 3)))
    assert not list(tmp_path.iterdir())
