"""The recipe as properties: what the engine gets of them, animation, undo, and the file."""

from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import FIRST, ops


def test_the_recipe_is_the_engine_s_defaults(addon: Any, clip: Any, work: Path) -> None:
    plain = addon("settings").plain_shot(clip)
    assert plain["plate"] == {"path": str(work / "plate/sh.####.exr"), "frames": "", "colorspace": ""}
    assert plain["replace"] == [{"identity": str(work / "grace"), "face": "largest", "swapper": ""}]
    assert plain["output"]["path"] == str(work / "plate/faceplate")
    assert plain["output"]["layers"] == [] and plain["output"]["compression"] == "same"
    assert plain["mesh"]["shape"] == 0.85 and plain["view"]["exposure"] == "auto" and plain["seed"] == 0
    assert plain["tracks"].endswith(".tracks") and Path(plain["tracks"]).parent.is_dir()


def test_what_is_set_is_what_is_sent(addon: Any, clip: Any) -> None:
    shot, plain_shot = clip.faceplate, addon("settings").plain_shot
    shot.mesh.shape, shot.matte.grow, shot.seed = 0.3, -0.05, 12
    shot.view.exposure_automatic, shot.view.exposure = False, 2.5
    shot.output.layers, shot.output.layers_in = {"matte", "patch"}, "part"
    shot.solve.turned, shot.plate.frames = True, "1001-1002"
    plain = plain_shot(clip)
    assert (plain["mesh"]["shape"], plain["matte"]["grow"], plain["seed"]) == (0.3, -0.05, 12)
    assert plain["view"]["exposure"] == 2.5 and "exposure_automatic" not in plain["view"]
    assert plain["output"]["layers"] == ["patch", "matte"] and plain["output"]["layers_in"] == "part"
    assert plain["solve"]["turned"] is True and plain["plate"]["frames"] == "1001-1002"


def test_tracks_belong_to_the_footage_and_to_how_it_is_solved(addon: Any, clip: Any) -> None:
    plain_shot = addon("settings").plain_shot
    before = plain_shot(clip)["tracks"]
    clip.faceplate.mesh.shape = 0.1
    assert plain_shot(clip)["tracks"] == before
    clip.faceplate.solve.detect_size = 1280
    assert plain_shot(clip)["tracks"] != before
    clip.faceplate.tracks = "/somewhere/own.tracks"
    assert plain_shot(clip)["tracks"] == "/somewhere/own.tracks"


def test_a_setting_with_keys_is_what_it_is_at_the_frame(addon: Any, clip: Any) -> None:
    settings = addon("settings")
    for frame, value in ((1, 0.0), (11, 2.0)):
        clip.faceplate.composite.grain = value
        clip.keyframe_insert("faceplate.composite.grain", frame=frame)
    assert settings.plain_shot(clip, 1)["composite"]["grain"] == 0.0
    assert 0.9 < settings.plain_shot(clip, 6)["composite"]["grain"] < 1.1
    assert settings.plain_shot(clip, 11)["composite"]["grain"] == 2.0
    bpy.context.scene.frame_set(11)
    assert settings.plain_shot(clip)["composite"]["grain"] == 2.0


def test_keys_are_handed_over_where_a_setting_changes(addon: Any, clip: Any) -> None:
    settings = addon("settings")
    assert settings.keys(clip, [(FIRST, 1)]) == []
    for frame, value in ((1, 0.0), (2, 0.0), (3, 7.0)):
        clip.faceplate.composite.grain = value
        clip.keyframe_insert("faceplate.composite.grain", frame=frame)
        clip.keyframe_insert("faceplate.view.exposure", frame=frame)
    grain = [("composite.grain", FIRST, 0.0, "hold"), ("composite.grain", FIRST + 2, 4.0, "hold")]
    shown = [(FIRST + place, 1 + place) for place in range(3)]
    assert [tuple(key.values()) for key in settings.keys(clip, shown)] == grain
    clip.faceplate.view.exposure_automatic = False
    exposure = ("view.exposure", FIRST, 1.0, "hold")
    assert sorted(tuple(key.values()) for key in settings.keys(clip, shown)) == [*grain, exposure]


def test_a_curve_that_leaves_the_range_does_not(addon: Any, clip: Any) -> None:
    settings = addon("settings")
    clip.keyframe_insert("faceplate.composite.opacity", frame=1)
    (curve,) = settings._curves(clip).values()
    curve.keyframe_points[0].co.y = 7.0
    assert settings.plain_shot(clip, 1)["composite"]["opacity"] == 1.0


def test_what_makes_no_sense_from_frame_to_frame_takes_no_keys(addon: Any, clip: Any) -> None:
    for path in ("faceplate.network.boost", "faceplate.solve.smoothing", "faceplate.seed", "faceplate.output.layers"):
        with pytest.raises(TypeError, match="not animatable"):
            clip.keyframe_insert(path, frame=1)


def test_faces_and_who_replaces_them(addon: Any, clip: Any, work: Path) -> None:
    people, shot = addon("people"), clip.faceplate
    ops.faceplate.assign(face="1", directory=str(work / "ada"))
    assert [(one.face, one.identity) for one in shot.replace] == [("1", str(work / "ada"))]
    ops.faceplate.assign(face="2", directory=str(work / "grace"))
    assert people.person_for(clip, "2").identity == str(work / "grace")
    assert people.person_for(clip, "largest").identity == str(work / "ada") and people.person_for(clip, "3") is None
    ops.faceplate.assign(face="1", identity="nobody")
    assert [one.face for one in shot.replace] == ["2"]


def shot_of(name: str) -> Any:
    """The recipe of a clip by its name: undo makes the clip itself anew."""
    clip: Any = bpy.data.movieclips[name]
    return clip.faceplate


def test_undo_takes_a_choice_back(addon: Any, clip: Any, work: Path) -> None:
    bpy.ops.ed.undo_push(message="before")
    shot_of(clip.name).mesh.shape = 0.11
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    assert shot_of(f"sh.{FIRST}.exr").mesh.shape == pytest.approx(0.85)


def test_the_file_keeps_everything(addon: Any, clip: Any, tmp_path: Path) -> None:
    clip.faceplate.mesh.shape, clip.faceplate.output.layers = 0.25, {"stmap"}
    clip.faceplate.output.path = "//result"
    clip.faceplate.result = "//result/sh.1001.exr"
    plain = addon("settings").plain_shot(clip)
    name = clip.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert addon("settings").plain_shot(clip)["output"]["path"] == str(tmp_path / "result")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    opened: Any = bpy.data.movieclips[name]
    again = addon("settings").plain_shot(opened)
    again["output"]["path"] = plain["output"]["path"]
    assert again == plain and opened.faceplate.result == "//result/sh.1001.exr"
