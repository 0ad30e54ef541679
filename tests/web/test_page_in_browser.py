"""The page in a real browser: a person chooses, looks, runs, cancels, and leaves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.wire.messages import Chosen, Ended
from tests.jobs.place import shot_of
from tests.web.browsing import Browsed, browsed
from tests.web.hosting import Host, hosted, hosted_elsewhere, longer
from tests.wire.engines import EngineProcess

pytestmark = pytest.mark.slow
# Levels of 255 by which a browser may enlarge one picture differently, depending on what it is drawn with.
ROUNDING = 12


@pytest.fixture
def host(engine: EngineProcess, work: Path) -> Iterator[Host]:
    """A page of a shot that is not solved, in which nobody is replaced yet."""
    (work / "people").mkdir()
    for name in ("grace", "ada"):
        (work / "people" / name).symlink_to(work / "grace") if name == "grace" else (work / "people" / name).mkdir()
    (work / "people/ada/ada.jpg").write_bytes((work / "grace/grace_hopper.jpg").read_bytes())
    with hosted(engine, msgspec.structs.replace(shot_of(work), tracks="", replace=()), title="Shot 10") as host:
        yield host


def chosen(page: Browsed, work: Path) -> None:
    """Open the people, find the face, and have it replaced."""
    page.tab.get_by_label("Folder of people").fill(str(work / "people"))
    page.press("Open")
    page.tab.locator("#people li", has_text="Grace").wait_for()
    page.press("Find Faces")
    page.tab.locator("img[alt='Face 1'][src]").wait_for()
    page.tab.get_by_label("Who replaces face 1").select_option(label="Grace")
    page.settled()


def test_from_the_first_look_to_the_frames(chromium: Any, host: Host, work: Path) -> None:
    with browsed(chromium, host.url) as page:
        page.shows("#title", "Shot 10")
        page.shows("#footage", "272 × 272, frames 1001-1003")
        assert page.tab.get_by_role("button", name="Replace Faces").is_disabled()
        chosen(page, work)
        ada = page.tab.locator("option", has_text="ada")
        assert ada.text_content() == "ada (no consent)" and ada.is_disabled()
        wiped(page)
        scrubbed(page)
        changed(page)
        page.press("Replace Faces")
        page.shows("#notice", "Done. This page can be closed.")
        page.shows("#stage-name", f"3 frames are in {work / 'out'}.")
        # A person without a picture that can be shown is no error; what was refused is.
        assert all("409" in one for one in page.wrong), page.wrong
    assert host.last(Ended).failure is None
    shot = host.last(Chosen).shot
    assert shot["replace"] == [{"identity": str(work / "people/grace"), "face": "1", "swapper": ""}]
    assert (shot["mesh"]["shape"], shot["matte"]["feather"]) == (0.86, 0.2)
    assert len(list((work / "out").glob("*.exr"))) == 3


def wiped(page: Browsed) -> None:
    """Left of the wipe is the plate, right of it the result, by keys and by the pointer."""
    page.wipe_to("End")
    plate = page.picture()
    page.wipe_to("Home")
    result = page.picture()
    differ = np.abs(plate.astype(int) - result).max(2) > 2 * ROUNDING
    left, right = np.array_split(differ, 2, axis=1)
    assert left.mean() > 0.01 and right.mean() > 0.01
    page.wipe_to("PageUp", 5)
    assert page.tab.locator("#wipe").get_attribute("aria-valuenow") == "50"
    at_wipe(page, plate, result, 0.5)
    box = page.tab.locator("#frame").bounding_box()
    page.tab.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    page.tab.mouse.down()
    page.tab.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 200, steps=5)
    page.tab.mouse.up()
    at_wipe(page, plate, result, 0.4)
    for name, expected in (("Plate", plate), ("Result", result)):
        page.tab.get_by_role("radio", name=name).check()
        page.settled() if name == "Result" else page.tab.wait_for_timeout(500)
        np.testing.assert_allclose(page.picture().astype(int), expected.astype(int), rtol=0, atol=ROUNDING)
    page.tab.get_by_role("radio", name="Matte").check()
    page.settled()
    matte = page.picture()
    assert np.ptp(matte, axis=2).max() == 0 and matte.min() == 0 and matte.max() == 255
    assert matte[differ].mean() > 200
    page.tab.get_by_role("radio", name="Wipe").check()
    page.settled()


def at_wipe(page: Browsed, plate: np.ndarray, result: np.ndarray, share: float) -> None:
    """The stage shows the plate up to a share of its width, to two pixels, and then the result."""
    both, at = page.picture().astype(int), round(plate.shape[1] * share)
    np.testing.assert_allclose(both[:, : at - 2], plate[:, : at - 2], rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(both[:, at + 2 :], result[:, at + 2 :], rtol=0, atol=ROUNDING)


def scrubbed(page: Browsed) -> None:
    """Whoever scrubs sees the frame at which they stop."""
    slider = page.tab.get_by_label("Frame", exact=True)
    before = page.picture()
    for _ in range(2):
        slider.press("ArrowRight")
    page.tab.locator("#above[data-frame='1003']").wait_for()
    page.tab.locator("#below[data-frame='1003']").wait_for()
    assert page.tab.get_by_label("Frame number").input_value() == "1003"
    assert np.abs(page.picture().astype(int) - before).mean() > 0.5


def changed(page: Browsed) -> None:
    """A setting shows in the preview; what it cannot be is said beside it, and changes nothing."""
    before = page.picture()
    page.set("matte.feather", "0.2")
    page.tab.get_by_role("button", name="Set Feather back").wait_for()
    page.settled()
    assert (np.abs(page.picture().astype(int) - before).max(2) > 3).mean() > 0.002
    page.set("mesh.shape", "7")
    page.shows("[id='set-mesh.shape-problem']", "expected a number from 0 to 1")
    page.set("mesh.shape", "0.85")
    page.tab.locator("[id='set-mesh.shape']").press("ArrowUp")
    page.tab.get_by_role("button", name="Set Shape back").wait_for()
    assert page.tab.locator("[id='set-mesh.shape']").input_value() == "0.86"


def test_a_run_is_cancelled_and_the_page_left(chromium: Any, host: Host, work: Path) -> None:
    longer(work, 60)
    with browsed(chromium, host.url) as page:
        chosen(page, work)
        page.press("Replace Faces")
        page.shows("#stage-name", "of 60 frames")
        page.press("Cancel")
        page.shows("#stage-name", "Cancelled;")
        there = len(list((work / "out").glob("*.exr")))
        assert 0 <= there < 60
        page.tab.reload()
        page.shows("#stage-name", f"Cancelled; {there} frames are there, whole.")
        # Longer than after a farewell: it is heard of again.
        page.tab.wait_for_timeout(4000)
        assert page.tab.get_by_role("button", name="Replace Faces").is_enabled() and not page.wrong, page.wrong
    failure = host.last(Ended).failure
    assert failure is not None and failure.code == "cancelled"


def test_a_host_that_has_gone_is_told(chromium: Any, host: Host) -> None:
    with browsed(chromium, host.url) as page:
        page.shows("#title", "Shot 10")
        host.close()
        page.shows("#notice", "The program that asked for this page has gone.")


def test_a_wrong_token_shows_nothing(chromium: Any, host: Host) -> None:
    with browsed(chromium, host.url[:-1]) as page:
        page.shows("#notice", "There is no such page")
        assert not page.tab.locator("#footage").text_content()


def test_another_site_gets_nothing(chromium: Any, host: Host) -> None:
    """A page of another origin that even knows the token can neither read nor change anything."""
    with hosted_elsewhere() as elsewhere:
        tab = chromium.new_page()
        try:
            tab.goto(elsewhere)
            tried = tab.evaluate(
                """async ([address, token]) => {
                  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
                  const tries = [
                    () => fetch(`${address}/api/state`, { headers }),
                    () => fetch(`${address}/api/state`),
                    () => fetch(`${address}/api/leave`, { method: "POST", headers, body: "{}" }),
                    () => fetch(`${address}/main.js`, { mode: "no-cors" }),
                  ];
                  return Promise.all(tries.map((one) => one().then((answer) => answer.type, () => "refused")));
                }""",
                [f"http://127.0.0.1:{host.port}", host.token],
            )
        finally:
            tab.close()
    assert tried == ["refused"] * 4
    with browsed(chromium, host.url) as page:
        page.shows("#title", "Shot 10")
