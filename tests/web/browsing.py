"""A page in a browser, as a person uses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np

PATIENCE = 60_000


class Browsed:
    """A page in a tab. `wrong` collects what the browser complains of."""

    def __init__(self, tab: Any, url: str) -> None:
        self.tab = tab
        self.wrong: list[str] = []
        tab.set_default_timeout(PATIENCE)
        tab.on("pageerror", lambda error: self.wrong.append(str(error)))
        tab.on("console", lambda told: told.type == "error" and self.wrong.append(told.text))
        tab.goto(url)

    def press(self, name: str) -> None:
        self.tab.get_by_role("button", name=name, exact=True).click()

    def shows(self, selector: str, text: str) -> None:
        """Wait until an element says something."""
        self.tab.locator(selector, has_text=text).wait_for()

    def find_faces(self) -> None:
        self.press("Find Faces")
        self.tab.locator("img[alt='Face 1'][src]").wait_for()
        self.settled()

    def set(self, name: str, value: str) -> None:
        """Type a setting's value."""
        field = self.tab.locator(f"[id='set-{name}']")
        field.fill(value)
        field.press("Enter")

    def settled(self) -> None:
        """Wait until no picture is on its way."""
        self.tab.locator("#above:not([hidden])").wait_for()
        self.tab.wait_for_timeout(300)
        self.tab.locator("#stage:not([aria-busy])").wait_for()

    def wipe_to(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            self.tab.locator("#wipe").press(key)

    def picture(self) -> np.ndarray:
        """What is on the stage, without what lies over the picture: (height, width, 3), BGR."""
        over = self.tab.locator(".side, #wipe, #empty")
        # The page lets nobody add a style sheet.
        over.evaluate_all("all => all.forEach(one => { one.style.opacity = 0; })")
        data = self.tab.locator("#frame").screenshot()
        over.evaluate_all("all => all.forEach(one => { one.style.opacity = ''; })")
        return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


@contextmanager
def browsed(chromium: Any, url: str, width: int = 1440, height: int = 900) -> Iterator[Browsed]:
    tab = chromium.new_page(viewport={"width": width, "height": height})
    try:
        yield Browsed(tab, url)
    finally:
        tab.close()
