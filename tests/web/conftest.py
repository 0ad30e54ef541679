"""An engine, the plate with a face, and a Chromium that nobody sees."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.jobs.conftest import originals, work
from tests.wire.engines import engine

__all__ = ["chromium", "engine", "originals", "work"]


def find_chromium() -> tuple[str, list[str]]:
    """The browser's command and its options. Skips the test where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("There is no Chromium here: it takes the command chromium")
    # Its sandbox refuses root.
    return path, ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    """A browser. Skips the test where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path, options = find_chromium()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()
