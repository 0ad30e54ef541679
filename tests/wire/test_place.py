"""The engine's folder and what is in it: whose it is, who may read it, and that nothing else is believed."""

import os
import socket
import stat
import sys
from pathlib import Path

import msgspec
import pytest

from engine.wire import place
from engine.wire.errors import PlaceUnsafe
from engine.wire.place import (
    Connection,
    address,
    clear,
    read_connection,
    remove_connection,
    runtime_folder,
    socket_path,
    write_connection,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has access lists in place of modes")
only_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give files away")

NOBODY = 65534
CONNECTION = Connection("ipc://somewhere", "k" * 40, "p" * 40, "s" * 40, 1, "0.1.0", 4711, 1.5e9)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACEPLATE_RUNTIME", str(tmp_path / "run"))
    return tmp_path / "run"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
def test_the_folder_is_made_for_its_user_alone(folder: Path, umask: int):
    kept = os.umask(umask)
    try:
        assert runtime_folder() == folder
        assert mode(folder) == 0o700
    finally:
        os.umask(kept)


@pytest.mark.parametrize("before", [0o755, 0o750, 0o775, 0o711])
def test_a_folder_that_is_open_is_closed(folder: Path, before: int):
    folder.mkdir()
    folder.chmod(before)
    assert runtime_folder() == folder and mode(folder) == 0o700


@pytest.mark.parametrize("before", [0o777, 0o1777, 0o1700])
def test_a_folder_that_is_everybodys_is_refused_and_stays_as_it_is(folder: Path, before: int):
    folder.mkdir()
    folder.chmod(before)
    with pytest.raises(PlaceUnsafe, match="Everybody can write"):
        runtime_folder()
    assert mode(folder) == before


def test_a_folder_that_everybody_could_replace_is_refused(folder: Path):
    folder.parent.chmod(0o777)
    with pytest.raises(PlaceUnsafe, match="in the place of"):
        runtime_folder()
    folder.parent.chmod(0o1777)
    assert runtime_folder() == folder


def test_a_folder_that_cannot_be_closed_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch):
    folder.mkdir(mode=0o755)
    # As on a file system that has no modes.
    monkeypatch.setattr(place.os, "fchmod", lambda descriptor, mode: None)
    with pytest.raises(PlaceUnsafe, match="stays open"):
        runtime_folder()


def test_a_link_is_refused_even_to_an_own_folder(folder: Path, tmp_path: Path):
    (tmp_path / "real").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "real")
    with pytest.raises(PlaceUnsafe, match="it is a link"):
        runtime_folder()
    folder.unlink()
    folder.symlink_to(tmp_path / "nowhere")
    with pytest.raises(PlaceUnsafe, match="it is a link"):
        runtime_folder()


def test_a_file_in_the_way_is_refused(folder: Path):
    folder.touch()
    with pytest.raises(PlaceUnsafe, match="cannot be used"):
        runtime_folder()


def test_a_path_that_is_not_whole_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FACEPLATE_RUNTIME", "run")
    with pytest.raises(PlaceUnsafe, match="not a whole path"):
        runtime_folder()


@only_root
def test_somebody_elses_folder_is_refused(folder: Path):
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(PlaceUnsafe, match="somebody else"):
        runtime_folder()


def test_the_folder_of_the_session_comes_before_the_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("FACEPLATE_RUNTIME", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_folder() == tmp_path / "faceplate"


@pytest.mark.parametrize("session", ["", "run", "missing", pytest.param("other", marks=only_root)])
def test_the_folder_of_no_session_or_another_users_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session: str
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACEPLATE_RUNTIME", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "run").mkdir()
    (tmp_path / "other").mkdir()
    if session == "other":
        os.chown(tmp_path / "other", NOBODY, NOBODY)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / session) if session in ("missing", "other") else session)
    found = runtime_folder()
    assert found.name == f"faceplate-{os.getuid()}"
    # Programs of one user have different TMPDIRs, and must meet all the same.
    assert sys.platform == "darwin" or found.parent == Path("/tmp")


def test_the_address_is_the_socket_in_the_folder(folder: Path):
    runtime_folder()
    assert address(folder) == f"ipc://{folder}/engine.sock"


@pytest.mark.parametrize("name", ["f" * 120, os.fsdecode(b"\xff")], ids=["long", "no Unicode"])
def test_a_path_that_no_socket_can_have_gets_another_private_one(tmp_path: Path, name: str):
    folder, other = tmp_path / name, tmp_path / f"{name}2"
    folder.mkdir(mode=0o700)
    path = socket_path(folder)
    try:
        assert path == socket_path(folder) and len(os.fsencode(path)) <= 103
        assert mode(path.parent) == 0o700 and path.parent.lstat().st_uid == os.getuid()
        address(folder).encode()
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
        clear(folder)
        assert not path.exists()
        elsewhere = socket_path(other)
        assert elsewhere.parent != path.parent
        elsewhere.parent.rmdir()
        path.parent.rmdir()
        path.parent.symlink_to(tmp_path)
        with pytest.raises(PlaceUnsafe):
            socket_path(folder)
    finally:
        path.parent.unlink() if path.parent.is_symlink() else path.parent.rmdir()


def test_the_longest_path_that_a_socket_can_have_is_taken(tmp_path: Path):
    room = (103 if sys.platform == "darwin" else 107) - len(os.fsencode(tmp_path)) - len("//engine.sock")
    folder = tmp_path / ("f" * room)
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(socket_path(folder)))
    assert socket_path(folder).parent == folder and socket_path(tmp_path / ("f" * (room + 1))).parent != folder.parent
    socket_path(tmp_path / ("f" * (room + 1))).parent.rmdir()


def test_a_connection_is_read_as_it_was_written(tmp_path: Path):
    kept = os.umask(0)
    try:
        write_connection(tmp_path, CONNECTION)
    finally:
        os.umask(kept)
    assert mode(tmp_path / "engine.json") == 0o600
    assert read_connection(tmp_path) == CONNECTION
    newer = msgspec.structs.replace(CONNECTION, pid=4712)
    write_connection(tmp_path, newer)
    assert read_connection(tmp_path) == newer
    assert [path.name for path in tmp_path.iterdir()] == ["engine.json"]
    remove_connection(tmp_path)
    remove_connection(tmp_path)
    assert read_connection(tmp_path) is None


def test_the_secret_is_in_no_text_about_a_connection():
    assert "sss" not in f"{CONNECTION} {CONNECTION!r}"


def test_a_connection_that_cannot_be_finished_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_connection(tmp_path, CONNECTION)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_connection(tmp_path, msgspec.structs.replace(CONNECTION, pid=1))
    assert read_connection(tmp_path) == CONNECTION and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        msgspec.json.encode(CONNECTION)[:-5],
        msgspec.json.encode(CONNECTION).replace(b"4711", b"0"),
        msgspec.json.encode(CONNECTION).replace(b"4711", b"-1"),
        msgspec.json.encode(CONNECTION).replace(b"4711", b'"4711"'),
    ],
    ids=range(9),
)
def test_a_damaged_connection_is_none(tmp_path: Path, content: bytes):
    (tmp_path / "engine.json").write_bytes(content)
    (tmp_path / "engine.json").chmod(0o600)
    assert read_connection(tmp_path) is None


def test_fields_that_come_later_are_passed_over(tmp_path: Path):
    write_connection(tmp_path, CONNECTION)
    file = tmp_path / "engine.json"
    file.write_bytes(file.read_bytes()[:-1] + b',"later":[1]}')
    assert read_connection(tmp_path) == CONNECTION


@pytest.mark.parametrize("wider", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666])
def test_a_connection_that_others_can_reach_is_refused(tmp_path: Path, wider: int):
    write_connection(tmp_path, CONNECTION)
    (tmp_path / "engine.json").chmod(wider)
    with pytest.raises(PlaceUnsafe, match=r"engine\.json"):
        read_connection(tmp_path)


@only_root
def test_somebody_elses_connection_is_refused(tmp_path: Path):
    write_connection(tmp_path, CONNECTION)
    os.chown(tmp_path / "engine.json", NOBODY, NOBODY)
    with pytest.raises(PlaceUnsafe):
        read_connection(tmp_path)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path):
    file = tmp_path / "engine.json"
    os.mkfifo(file, 0o600)
    with pytest.raises(PlaceUnsafe, match="not a file"):
        read_connection(tmp_path)
    file.unlink()
    write_connection(tmp_path, CONNECTION)
    file.rename(tmp_path / "real.json")
    file.symlink_to(tmp_path / "real.json")
    with pytest.raises(PlaceUnsafe, match="it is a link"):
        read_connection(tmp_path)
    file.unlink()
    file.mkdir(mode=0o700)
    with pytest.raises(PlaceUnsafe, match="not a file"):
        read_connection(tmp_path)


def test_what_a_dead_engine_left_is_cleared_and_nothing_else(tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "engine.sock"))
    write_connection(tmp_path, CONNECTION)
    for name in (".engine-abc", "engine.lock", "other"):
        (tmp_path / name).touch()
    clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"engine.lock", "other"}
    clear(tmp_path)


def test_a_link_is_cleared_and_not_what_it_leads_to(tmp_path: Path):
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "engine.json").symlink_to(tmp_path / "kept")
    clear(tmp_path)
    assert (tmp_path / "kept").read_text() == "kept" and not (tmp_path / "engine.json").is_symlink()


def test_what_cannot_be_cleared_is_said(tmp_path: Path):
    (tmp_path / "engine.sock").mkdir()
    with pytest.raises(PlaceUnsafe, match="in the engine's way"):
        clear(tmp_path)
