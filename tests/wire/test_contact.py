"""A contact of a user interface: it finds, starts and finds again an engine, and never waits."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.wire import contact as contact_module
from engine.wire.contact import Contact
from engine.wire.messages import Done, Failure, ModelList, Models, Reply, Shutdown, State, Status
from engine.wire.place import read_connection, runtime_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place for an engine, and a command that starts it."""
    command = tmp_path / "faceplate"
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m engine.cli "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("FACEPLATE_COMMAND", str(command))
    monkeypatch.setenv("FACEPLATE_RUNTIME", str(tmp_path / "run"))
    monkeypatch.setenv("FACEPLATE_LOGS", str(tmp_path / "log"))
    monkeypatch.setattr(contact_module, "PAUSES", (0.1, 0.1, 0.1))


@pytest.fixture
def contact() -> Iterator[Contact]:
    made = Contact("test")
    yield made
    if made.state == "connected":
        ended: list[Reply] = []
        made.ask(Shutdown(), ended.append)
        until(made, lambda: bool(ended))
    made.close()


def until(contact: Contact, done: Callable[[], bool], seconds: float = 60.0) -> list[float]:
    """Poll until `done`; how long each call took."""
    took: list[float] = []
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, (contact.state, contact.error)
        began = time.thread_time()
        contact.poll()
        took.append(time.thread_time() - began)
        time.sleep(0.005)
    return took


def kill_engine() -> None:
    connection = read_connection(runtime_folder())
    assert connection is not None
    os.kill(connection.pid, signal.SIGKILL)


def test_what_is_asked_before_there_is_an_engine_is_answered_once_it_is_there(contact: Contact) -> None:
    replies: list[Reply] = []
    contact.ask(Status(), replies.append)
    assert contact.state == "starting" and contact.busy
    took = until(contact, lambda: bool(replies))
    assert contact.state == "connected" and isinstance(replies[0], State) and not contact.busy
    assert max(took) < 0.05 and sorted(took)[len(took) * 9 // 10] < 0.005


def test_whoever_only_looks_starts_none_against_their_wish() -> None:
    contact = Contact("test", starts=lambda: False)
    contact.poll()
    assert contact.state == "none" and contact.error is None
    contact.want()
    contact.poll()
    assert contact.state == "none"
    assert contact.error is not None and contact.error.code == "engine-missing" and contact.error.remedy
    error = contact.error
    contact.poll()
    assert contact.error is error


def test_a_command_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEPLATE_COMMAND", "nowhere")
    contact, replies = Contact("test"), list[Reply]()
    contact.ask(Status(), replies.append)
    until(contact, lambda: bool(replies))
    assert isinstance(replies[0], Failure) and replies[0].code == "command-missing"
    assert contact.state == "none" and contact.error == replies[0]


def test_a_lost_engine_is_told_and_found_again(contact: Contact) -> None:
    replies: list[Reply] = []
    contact.ask(Status(), replies.append)
    until(contact, lambda: bool(replies))
    kill_engine()
    contact.ask(Status(), replies.append)
    until(contact, lambda: len(replies) == 2)
    assert isinstance(replies[1], Failure) and replies[1].code == "engine-gone" and replies[1].retry
    assert contact.state == "lost" and contact.error is not None
    contact.ask(Status(), replies.append)
    until(contact, lambda: len(replies) == 3)
    assert isinstance(replies[2], State) and contact.state == "connected" and contact.error is None


def test_an_engine_that_is_lost_again_and_again_is_given_up(contact: Contact, monkeypatch: pytest.MonkeyPatch) -> None:
    contact.connect()
    until(contact, lambda: contact.state == "connected")
    monkeypatch.setenv("FACEPLATE_COMMAND", "false")
    kill_engine()
    until(contact, lambda: contact.state == "none")
    assert contact.error is not None and contact.error.code == "engine-missing"


def test_a_question_is_asked_once(contact: Contact) -> None:
    assert contact.known(Models()) is None
    contact.connect()
    until(contact, lambda: contact.state == "connected")
    until(contact, lambda: contact.known(Models()) is not None)
    assert isinstance(contact.known(Models()), ModelList) and not contact.busy
    contact.forget()
    assert contact.known(Models()) is None and contact.busy
    until(contact, lambda: not contact.busy)


def test_when_it_is_let_go_of_nobody_is_left_waiting(contact: Contact) -> None:
    replies: list[Reply] = []
    contact.connect()
    until(contact, lambda: contact.state == "connected")
    contact.ask(Models(), replies.append)
    contact.close()
    assert isinstance(replies[0], Failure) and contact.state == "none" and contact.error is None
    contact.connect()
    until(contact, lambda: contact.state == "connected")
    contact.ask(Shutdown(), replies.append)
    until(contact, lambda: len(replies) == 2)
    assert replies[1] == Done()
