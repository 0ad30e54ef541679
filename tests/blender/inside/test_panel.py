"""The panel is drawn in every state, with properties and operators that exist."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
from conftest import ops

LAYOUT: Any = bpy.types.UILayout
ICONS = LAYOUT.bl_rna.functions["label"].parameters["icon"].enum_items


class Layout:
    """Takes what a panel draws, and knows whether Blender could show it."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def _inner(self, **options: Any) -> "Layout":
        return Layout(self.texts)

    row = column = box = _inner

    def label(self, text: str = "", icon: str = "NONE") -> None:
        assert icon in ICONS
        self.texts.append(text)

    def prop(self, data: Any, name: str, text: str | None = None, icon: str = "NONE") -> None:
        prop = data.bl_rna.properties[name]
        assert prop.description
        self.texts.append(prop.name if text is None else text)

    def operator(self, name: str, text: str | None = None, icon: str = "NONE") -> Any:
        module, _, short = name.partition(".")
        known = getattr(getattr(ops, module), short).get_rna_type()
        self.texts.append(known.name if text is None else text)
        return SimpleNamespace()

    def operator_menu_enum(self, name: str, prop: str, text: str = "", icon: str = "NONE") -> Any:
        assert prop in getattr(ops.faceplate, name.partition(".")[2]).get_rna_type().properties
        return self.operator(name, text)

    def template_icon(self, icon_value: int, scale: float = 1.0) -> None:
        assert isinstance(icon_value, int)

    def progress(self, factor: float, text: str) -> None:
        assert 0 <= factor <= 1
        self.texts.append(text)


def drawn(addon: Any) -> str:
    """What all panels show now, as one text."""
    texts: list[str] = []
    for panel in addon("panel")._classes:
        if not hasattr(panel, "poll") or panel.poll(bpy.context):
            panel.draw(SimpleNamespace(layout=Layout(texts)), bpy.context)
    return "\n".join(texts)


def settled(addon: Any, engine: Any) -> str:
    """What they show once every question has been answered."""
    drawn(addon)
    engine.wait(lambda: not engine.busy)
    drawn(addon)
    engine.wait(lambda: not engine.busy)
    return drawn(addon)


def test_without_an_engine_and_without_a_clip(addon: Any, engine: Any) -> None:
    bpy.context.scene.active_clip = None
    assert "No engine" in drawn(addon) and "Open a movie clip" in drawn(addon)


def test_an_error_has_its_remedy_and_its_button(addon: Any, engine: Any) -> None:
    addon("preferences").preferences().command = "/nowhere/faceplate"
    engine.want()
    engine.wait(lambda: engine.error is not None)
    text = drawn(addon)
    assert "There is no command" in text and "Correct it" in text and "Preferences" in text
    addon("preferences").preferences().command = ""
    ops.faceplate.connect()
    assert "There is no command" not in drawn(addon)


def test_the_footage_and_the_person(addon: Any, engine: Any, clip: Any, work: Path) -> None:
    text = settled(addon, engine)
    assert "Ready" in text and "1001-1003" in text and "272 × 272" in text
    assert "Linear Rec.709 (sRGB), assumed" in text.replace("\n", " ") and "Grace" in text and "Consent: valid" in text
    assert "Find Faces" in text and "Preview Frame" in text and "Replace Face" in text
    assert "Mesh" in text and "Matte" in text
    assert "Detect Size" in text and "Low Frequency" in text and "Automatic" in text


def test_the_faces(addon: Any, engine: Any, clip: Any) -> None:
    ops.faceplate.find_faces()
    ops.faceplate.preview()
    text = settled(addon, engine)
    assert "Face 1, 1001–1003" in text and "Find Faces Again" in text
    assert "Frame 1001: 1 replaced" in text.replace("\n", " ")


def test_a_job_has_progress(addon: Any, engine: Any, clip: Any) -> None:
    jobs = addon("jobs")
    job = jobs.begin(jobs.swap(clip, "", True, lambda work: None))
    engine.wait(lambda: bool(job.paths))
    text = drawn(addon)
    assert re.search("Render [123] of 3", text) and "Cancel" in text
    engine.wait(lambda: bool(job.outcome))
    assert "Cancel" not in drawn(addon)


def test_footage_that_is_not_there(addon: Any, engine: Any, clip: Any, work: Path) -> None:
    clip.filepath = str(work / "nothing" / "sh.1001.exr")
    assert "/nothing" in settled(addon, engine).replace("\n", "")


def test_the_preferences_say_what_was_found(addon: Any) -> None:
    texts: list[str] = []
    panel = SimpleNamespace(layout=Layout(texts), command="", bl_rna=addon("preferences").preferences().bl_rna)
    addon("preferences").FaceplatePreferences.draw(panel, bpy.context)
    assert any(text.endswith("/faceplate") for text in texts)
