"""Replace Face: the script opens the engine's real page, and a person chooses there, has it run, or leaves."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.resolve.conftest import Menu, read_json, state
from tests.resolve.fake import FakeResolve
from tests.resolve.test_replace import differs, fake_with, only_result, plate
from tests.web.hosting import ask

__all__ = ["plate"]

ENTRY = "Replace Face"


class Opened(NamedTuple):
    """A page as a browser has it."""

    port: int
    token: str


Visit = Callable[[Opened], None]


@pytest.fixture
def visited(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Visit], None]]:
    """Have somebody at the browser, beside the script; what fails there fails the test."""
    failed: list[BaseException] = []
    threads: list[threading.Thread] = []

    def expect(visit: Visit) -> None:
        def browse(url: str) -> None:
            address = urlsplit(url)
            assert address.hostname == "127.0.0.1" and address.port
            try:
                visit(Opened(address.port, address.fragment))
            except BaseException as error:  # noqa: BLE001
                failed.append(error)

        def opened(url: str) -> bool:
            if not url.startswith("http"):
                # What the script itself has to say.
                return True
            threads.append(threading.Thread(target=browse, args=(url,)))
            threads[-1].start()
            return True

        monkeypatch.setattr("webbrowser.open", opened)

    yield expect
    for thread in threads:
        thread.join(60)
    assert threads and not failed, failed


def post(page: Opened, name: str, /, **body: Any) -> Any:
    answer = ask(page, f"/api/{name}", body)
    assert answer.status == 200, answer.body
    return answer.plain


def person(work: Path) -> Visit:
    """Somebody who puts Grace in, softens the matte, and has it run."""

    def visit(page: Opened) -> None:
        post(page, "people", folder=str(work))
        post(page, "assign", face="largest", identity=str(work / "grace"))
        post(page, "change", name="matte.feather", value=0.11)
        post(page, "run")

    return visit


def test_a_person_chooses_and_the_result_arrives(
    menu: Menu, visited: Callable[[Visit], None], plate: Path, work: Path, home: Path
) -> None:
    visited(person(work))
    fake = fake_with(plate)
    told = menu(ENTRY, fake)
    assert "Choose in the page" in told and "done" in told, told
    item = only_result(fake)
    assert item.duration == 3 and all(differs(fake, frame) for frame in range(item.start, item.start + 3))
    # What was chosen is the recipe of the next time.
    kept = read_json(home / "settings/resolve/recipe.json")
    assert kept["matte"]["feather"] == 0.11
    assert [one["identity"] for one in kept["replace"]] == [str(work / "grace")]


def test_a_clip_that_is_moved_while_the_page_is_open_is_refused(
    menu: Menu, visited: Callable[[Visit], None], plate: Path, work: Path
) -> None:
    fake: FakeResolve = fake_with(plate)

    def visit(page: Opened) -> None:
        fake.items(1)[0].start += 5
        person(work)(page)

    visited(visit)
    told = menu(ENTRY, fake)
    assert "moved: " in told and len(fake.timeline.tracks["video"]) == 1, told


def test_a_page_that_is_left_changes_nothing(menu: Menu, visited: Callable[[Visit], None], plate: Path) -> None:
    visited(lambda page: post(page, "leave") and None)
    fake: FakeResolve = fake_with(plate)
    before = state(fake)
    told = menu(ENTRY, fake)
    assert "It was cancelled" in told, told
    assert state(fake) == before
