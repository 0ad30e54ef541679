"""Takes the picture of the page for the documentation: python -m tests.web.picture docs/page.jpg"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from engine.demo.run import main as make_demo
from engine.shot import Output, Plate, Shot
from tests.blender.picture import save
from tests.web.browsing import browsed
from tests.web.conftest import find_chromium
from tests.web.hosting import hosted
from tests.wire.engines import start_engine

FRAMES = 12
FRAME = 1007


def main(target: Path) -> None:
    path, options = find_chromium()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        make_demo(folder / "demo", FRAMES)
        shot = Shot(plate=Plate(path=str(folder / "demo/plate")), output=Output(path=str(folder / "result")))
        engine = start_engine(folder)
        chromium = playwright.chromium.launch(executable_path=path, args=options)
        try:
            with hosted(engine, shot, title="sh010") as host, browsed(chromium, host.url, 1440, 860) as page:
                people = folder / "demo"
                page.tab.get_by_label("Folder of people").fill(str(people))
                page.press("Open")
                page.tab.locator("#people li").first.wait_for()
                page.press("Find Faces")
                page.tab.locator("img[alt='Face 1'][src]").wait_for()
                page.tab.get_by_label("Who replaces face 1").select_option(index=1)
                page.tab.get_by_label("Frame number").fill(str(FRAME))
                page.tab.get_by_label("Frame number").press("Enter")
                page.settled()
                picture = page.tab.screenshot()
        finally:
            chromium.close()
            engine.process.terminate()
            engine.process.wait(20)
    save(Image.open(io.BytesIO(picture)).convert("RGB"), target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
