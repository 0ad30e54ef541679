"""Text that is not UTF-8, or is odd in another way, in requests and in names on the disk: each has its answer."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from engine.wire.client import Client
from engine.wire.codec import MOST_BYTES, decode_reply, number_bytes, number_of
from engine.wire.errors import Unsendable
from engine.wire.messages import Ended, Failure, Identities, IdentityList, JobList, Jobs, Reply, Solve
from tests.jobs.place import Record, is_typed, shot_of, swap, works_on
from tests.wire.engines import EngineProcess, Raw

Ask = Callable[[Any], Reply]

ODD = b"caf\xe9"
NUL, LONE, LONG = "a\0b", "\udce9\ud800", "x" * 3_000_000
# Texts of a request, each in its place; PUT is where the odd one goes.
PUT = "PUT"
PLACES: dict[str, dict[str, Any]] = {
    "the kind of a request": {"type": PUT},
    "a client's name": {"type": "hello", "version": 1, "client": PUT},
    "a folder of identities": {"type": "identities", "folder": PUT},
    "a lease": {"type": "submit", "lease": PUT},
    "a colour space": {"type": "lease", "height": 4, "width": 4, "channels": 4, "pixel": "uint8", "colorspace": PUT},
    "a pixel": {"type": "lease", "height": 4, "width": 4, "channels": 4, "pixel": PUT},
    "tracks": {"type": "solve", "shot": {"plate": {"path": "WORK/plate"}}, "tracks": f"WORK/{PUT}.tracks"},
    "frames": {"type": "swap", "shot": {}, "frames": PUT},
    "a setting": {"type": "swap", "shot": {PUT: 1}},
    "a section": {"type": "swap", "shot": {PUT: {}}},
    "a plate": {"type": "swap", "shot": {"plate": {"path": PUT}}},
    "an output": {"type": "swap", "shot": {"output": {"path": f"WORK/{PUT}"}}},
    "an identity": {"type": "swap", "shot": {"replace": [{"identity": PUT}]}},
    "a face": {"type": "swap", "shot": {"replace": [{"face": f"like:{PUT}"}]}},
    "the number of a face": {"type": "swap", "shot": {"replace": [{"face": PUT}]}},
    "the tracks of a shot": {"type": "swap", "shot": {"tracks": f"WORK/{PUT}.tracks"}},
    "a colour space of a plate": {"type": "swap", "shot": {"plate": {"colorspace": PUT}}},
    "the frames of a plate": {"type": "swap", "shot": {"plate": {"frames": PUT}}},
}


@pytest.fixture
def ask(engine: EngineProcess, raw: Raw) -> Ask:
    """Sends anything, and waits for the reply that ends it."""
    dealer: zmq.Socket = raw(engine, engine.client_public, engine.client_secret, engine.server_public)

    def send(plain: Any) -> Reply:
        data = plain if isinstance(plain, bytes) else msgspec.msgpack.encode(plain)
        dealer.send_multipart([number_bytes(7), data])
        end = time.monotonic() + 120
        while (left := end - time.monotonic()) > 0 and dealer.poll(round(left * 1000)):
            parts = dealer.recv_multipart()
            if len(parts) == 2 and number_of(parts[0]) == 7 and (reply := decode_reply(parts[1])).ends:
                return reply
        raise AssertionError("there was no answer")

    return send


def _put(plain: Any, text: str, work: Path) -> Any:
    match plain:
        case str():
            return plain.replace(PUT, text).replace("WORK", str(work))
        case dict():
            return {_put(key, text, work): _put(value, text, work) for key, value in plain.items()}
        case list():
            return [_put(value, text, work) for value in plain]
        case _:
            return plain


def _answered(reply: Reply) -> bool:
    if isinstance(reply, Ended):
        return reply.failure is None or is_typed(reply.failure)
    return not isinstance(reply, Failure) or (
        reply.code not in ("internal", "error") and reply.message.endswith(".") and len(reply.message) < 5000
    )


def _whole_job(plain: dict[str, Any], work: Path) -> dict[str, Any]:
    """The request with all of a shot that it does not say."""
    if plain["type"] != "swap":
        return plain
    shot = msgspec.to_builtins(shot_of(work, "odd"))
    for name, value in plain["shot"].items():
        if name == "replace":
            shot[name] = [{**shot[name][0], **value[0]}]
        else:
            shot[name] = {**shot[name], **value} if isinstance(shot.get(name), dict) else value
    return plain | {"shot": shot}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bad", [ODD, b"\xed\xa0\x80", b"\xff" * 1000], ids=["latin", "surrogate", "bytes"])
def test_bytes_that_are_not_utf8_are_malformed(ask: Ask, work: Path, place: str, bad: bytes) -> None:
    text = "Q" * len(bad)
    data = msgspec.msgpack.encode(_put(PLACES[place], text, work))
    assert data.count(text.encode()) == 1
    reply = ask(data.replace(text.encode(), bad))
    assert isinstance(reply, Failure) and reply.code == "malformed" and reply.message.endswith(".")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "text",
    [NUL, "", " ", "\n", "\u202e\uffff\U0010ffff", "9" * 5000, "../" * 50, "x" * 300, "y/" * 5000, LONG],
    ids=["nul", "empty", "space", "line", "rare", "digits", "up", "long name", "long path", "huge"],
)
def test_odd_text_has_an_answer(ask: Ask, work: Path, place: str, text: str) -> None:
    reply = ask(_whole_job(_put(PLACES[place], text, work), work))
    assert _answered(reply), reply
    assert isinstance(ask({"type": "jobs"}), JobList)


@pytest.mark.parametrize("key", [1, None, True, 1.5, b"\xff", (1, 2)], ids=repr)
@pytest.mark.parametrize("inside", ["", "plate", "replace"])
def test_a_setting_that_is_named_by_no_text(ask: Ask, key: Any, inside: str) -> None:
    section = {key: 1}
    shot = {"replace": [section]} if inside == "replace" else {inside: section} if inside else section
    reply = ask({"type": "swap", "shot": shot})
    assert isinstance(reply, Failure) and reply.code in ("malformed", "recipe")


@pytest.mark.parametrize(
    "value",
    [b"\xff", None, 1, [], {}, msgspec.msgpack.Ext(5, b"x"), float("nan")],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("setting", ["path", "frames"])
def test_a_text_that_is_none(ask: Ask, setting: str, value: Any) -> None:
    reply = ask({"type": "swap", "shot": {"plate": {setting: value}}})
    assert isinstance(reply, Failure) and reply.code == "recipe" and is_typed(reply)


@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1a"], ids=["lists", "tables"])
def test_a_recipe_as_deep_as_can_be_understood(ask: Ask, opening: bytes) -> None:
    head = b"\x82\xa4type\xa4swap\xa4shot\x81\xa5plate\x81\xa4path"
    for depth in range(sys.getrecursionlimit() - 60, sys.getrecursionlimit() + 5):
        reply = ask(head + opening * depth + b"\x01")
        assert isinstance(reply, Failure) and reply.code in ("malformed", "recipe")


def test_a_recipe_of_many_persons_holds_up_nobody(ask: Ask, client: Client) -> None:
    start = time.monotonic()
    reply = ask({"type": "swap", "shot": {"replace": [{}] * 1_000_000}})
    assert isinstance(reply, Failure) and reply.code == "recipe"
    assert time.monotonic() - start < 1.5 and client.ask(Jobs(), JobList)


def test_many_long_names_leave_the_list_of_jobs_short(ask: Ask, work: Path) -> None:
    for _ in range(3):
        ask(_whole_job({"type": "swap", "shot": {"plate": {"path": LONG[::2]}, "output": {"path": LONG[::2]}}}, work))
    listed = ask({"type": "jobs"})
    assert isinstance(listed, JobList) and len(msgspec.msgpack.encode(listed)) < MOST_BYTES // 2


def test_a_client_is_told_what_cannot_be_sent(client: Client, work: Path) -> None:
    for request in (
        Identities(LONE),
        Solve({"plate": {"path": LONE}}, "a.tracks"),
        Solve({LONE: 1}, "a.tracks"),
        Identities("x" * MOST_BYTES),
    ):
        with pytest.raises(Unsendable):
            client.ask(request, IdentityList)
    assert client.ask(Jobs(), JobList)


@pytest.fixture
def odd(work: Path) -> Callable[[str, str], Path]:
    """Gives a file or a folder a name that is not UTF-8."""

    def rename(old: str, new: str) -> Path:
        path = work / os.fsdecode(new.encode().replace(b"@", ODD))
        try:
            (work / old).rename(path)
        except OSError:
            pytest.skip("this file system takes UTF-8 names only")
        return path

    return rename


def test_names_on_the_disk_that_are_not_utf8(
    client: Client, work: Path, whole: tuple[Path, Record], odd: Callable[[str, str], Path]
) -> None:
    shutil.copytree(work / "grace", work / "people/ada")
    shutil.copytree(work / "grace", work / "people/grace")
    odd("people/ada/grace_hopper.jpg", "people/ada/@.jpg")
    odd("people/ada", "people/@")
    listed = client.ask(Identities(str(work / "people")), IdentityList).identities
    assert [(Path(one.folder).name, one.person, one.consent) for one in listed] == [
        ("caf\\xe9", "Grace", "valid"),
        ("grace", "Grace", "valid"),
    ]
    shutil.copytree(work / "plate", work / "odd")
    odd("odd/sh.1002.exr", "odd/@.1002.exr")
    shutil.copy(work / "grace/grace_hopper.jpg", work / "grace" / os.fsdecode(ODD + b".jpg"))
    for settings in ((), (f"plate.path={work / 'odd'}",), (f"plate.path={work / 'odd/sh.%04d.exr'}",)):
        told = []
        ended = client.work(swap(shot_of(work, "out", *settings)), told.append)
        assert ended.failure is None or is_typed(ended.failure)
        said = " ".join(str(value) for one in told for value in one.event.values())
        assert "caf\\xe9" in said or ended.failure or "%" in str(settings)
    (work / "grace" / os.fsdecode(ODD + b".jpg")).unlink()
    works_on(client, work, whole[0])


@pytest.mark.parametrize("way", ["plate", "grace"])
def test_folders_reached_by_a_link_whose_real_names_are_not_utf8(
    client: Client, work: Path, odd: Callable[[str, str], Path], way: str
) -> None:
    real = odd(way, "@")
    (work / way).symlink_to(real)
    assert client.work(swap(shot_of(work)), lambda told: None).failure is None


def test_an_identity_whose_path_is_as_long_as_can_be(client: Client, work: Path) -> None:
    """The folder can be reached, and what should be in it has a path that is too long."""
    there = os.open(work, os.O_RDONLY)
    path = str(work / "deep")
    (work / "deep").mkdir()
    try:
        os.chdir(path)
        while (left := 4086 - len(path)) > 1:
            name = "d" * min(200, left - 1)
            Path(name).mkdir()
            os.chdir(name)
            path += "/" + name
        Path("a.jpg").touch()
    finally:
        os.fchdir(there)
        os.close(there)
    (found,) = client.ask(Identities(str(Path(path).parent)), IdentityList).identities
    assert (found.consent, found.pictures) == ("missing", 1)
