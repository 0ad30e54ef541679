"""Where a result goes once it is written: compositor, sequencer, movie clip. Each is rendered and compared."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from conftest import SIDE, ops

GROUP = "Faceplate Comp"
NEW = bpy.app.version >= (5, 0)
START = 11

Rendered = Callable[[int], np.ndarray]


def pixels(path: Path) -> np.ndarray:
    image: Any = bpy.data.images.load(str(path))
    found = np.zeros(SIDE * SIDE * 4, np.float32)
    image.pixels.foreach_get(found)
    bpy.data.images.remove(image)
    return found.reshape(SIDE, SIDE, 4)


def tree_of(scene: Any) -> Any:
    return scene.compositing_node_group if NEW else scene.node_tree


def strips_of(scene: Any) -> Any:
    editor = scene.sequence_editor
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def half_steps(found: np.ndarray, wanted: np.ndarray, among: list[np.ndarray]) -> np.ndarray:
    """Differences in steps of a half, where it has the largest of the values that are mixed."""
    size = np.maximum.reduce([np.abs(values) for values in (wanted, *among)])
    return np.abs(found - wanted) / np.spacing(size.astype(np.float16)).astype(np.float32)


@pytest.fixture
def scene(clip: Any) -> Any:
    """The scene, as large as the plate, which begins in it at START; nothing in it is from another test."""
    scene: Any = bpy.context.scene
    scene.render.resolution_x = scene.render.resolution_y = SIDE
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    clip.frame_start = START
    scene.sequence_editor_clear()
    if tree_of(scene) is not None:
        tree_of(scene).nodes.clear()
    return scene


@pytest.fixture
def rendered(scene: Any, tmp_path: Path) -> Rendered:
    def render(frame: int) -> np.ndarray:
        scene.frame_set(frame)
        scene.render.filepath = str(tmp_path / "rendered.exr")
        bpy.ops.render.render(write_still=True)
        return pixels(tmp_path / "rendered.exr")

    return render


def test_the_compositor_makes_the_engine_s_frame(clip: Any, scene: Any, rendered: Rendered, work: Path) -> None:
    clip.faceplate.result_to = {"COMPOSITOR"}
    assert ops.faceplate.replace() == {"FINISHED"}
    (group,) = (node for node in tree_of(scene).nodes if node.type == "GROUP")
    assert group.node_tree.asset_data is not None
    image: Any = bpy.data.images[f"Layers {clip.name}"]
    for index, number in enumerate((1001, 1002, 1003)):
        plate, frame = pixels(work / f"plate/sh.{number}.exr"), pixels(work / f"plate/faceplate/sh.{number}.exr")
        found = rendered(START + index)
        assert half_steps(found, frame, [plate]).max() <= 1.5 and np.abs(plate - frame).max() > 0.1
        group.inputs["Mix"].default_value = 0.0
        np.testing.assert_array_equal(rendered(START + index), plate)
        group.inputs["Mix"].default_value = 1.0
    assert image.colorspace_settings.name == clip.colorspace_settings.name


def test_the_group_s_settings_change_the_face_alone(clip: Any, scene: Any, rendered: Rendered, work: Path) -> None:
    clip.faceplate.result_to = {"COMPOSITOR"}
    ops.faceplate.replace()
    (group,) = (node for node in tree_of(scene).nodes if node.type == "GROUP")
    neutral, plate = rendered(START), pixels(work / "plate/sh.1001.exr")
    for name, value in (
        ("Soften", 4.0),
        ("Grow", -6),
        ("Exposure", 1.0),
        ("Gain", (2.0, 1.0, 1.0, 1.0)),
        ("Gamma", 2.0),
    ):
        if name not in group.inputs and bpy.app.version < (4, 5):
            continue
        before = group.inputs[name].default_value
        before = before if isinstance(value, int | float) else tuple(before)
        group.inputs[name].default_value = value
        changed = rendered(START)
        assert np.abs(changed - neutral).max() > 0.05, name
        np.testing.assert_array_equal(changed[:20], plate[:20])
        group.inputs[name].default_value = before
    np.testing.assert_array_equal(rendered(START), neutral)


def test_what_a_person_has_in_the_compositor_stays(clip: Any, scene: Any, addon: Any) -> None:
    clip.faceplate.result_to = {"COMPOSITOR"}
    ops.faceplate.replace()
    tree = tree_of(scene)
    output = next(node for node in tree.nodes if node.bl_idname in ("NodeGroupOutput", "CompositorNodeComposite"))
    own: Any = tree.nodes.new("CompositorNodeRGB")
    tree.links.new(own.outputs[0], output.inputs[0])
    before = len(tree.nodes), len(tree.links), len(bpy.data.images), len(bpy.data.node_groups)
    ops.faceplate.replace(redo=True)
    assert (len(tree.nodes), len(tree.links), len(bpy.data.images), len(bpy.data.node_groups)) == before
    assert output.inputs[0].links[0].from_node == own


def test_the_strip_lies_over_the_plate_s_and_keeps_values_over_one(
    clip: Any, scene: Any, rendered: Rendered, work: Path
) -> None:
    scene.sequence_editor_create()
    plate: Any = strips_of(scene).new_image("plate", str(work / "plate/sh.1001.exr"), 2, 21)
    for number in (1002, 1003):
        plate.elements.append(f"sh.{number}.exr")
    plate.frame_offset_start = 1
    clip.faceplate.composite.opacity = 1.0
    clip.faceplate.result_to = {"SEQUENCER"}
    for _ in range(2):
        ops.faceplate.replace()
    (strip,) = (one for one in strips_of(scene) if one != plate)
    assert (strip.channel, strip.frame_start, strip.frame_final_start, strip.frame_final_end) == (3, 21, 22, 24)
    assert strip.colorspace_settings.name == clip.colorspace_settings.name
    bright = pixels(work / "plate/faceplate/sh.1002.exr")
    scene.sequencer_colorspace_settings.name = "sRGB"
    np.testing.assert_allclose(rendered(22), bright, atol=2e-4)
    scene.sequencer_colorspace_settings.name = "Linear Rec.709"
    np.testing.assert_array_equal(rendered(22), bright)


def test_a_strip_alone_starts_with_the_clip(clip: Any, scene: Any, work: Path) -> None:
    clip.faceplate.output.path = str(work / "alone")
    clip.faceplate.result_to = {"SEQUENCER"}
    ops.faceplate.replace(frames="1002")
    (strip,) = strips_of(scene)
    assert (strip.frame_start, strip.frame_final_duration) == (START + 1, 1)
    strip.frame_start += 5
    ops.faceplate.replace()
    assert [one.filename for one in strip.elements] == ["sh.1001.exr", "sh.1002.exr", "sh.1003.exr"]
    assert (strip.frame_start, strip.frame_final_duration) == (START + 5, 3)


def test_the_clip_shows_the_same_frames(addon: Any, clip: Any, scene: Any, rendered: Rendered, work: Path) -> None:
    clip.faceplate.result_to = {"CLIP"}
    clip.faceplate.output.path = str(work / "tracked")
    ops.faceplate.replace(frames="1002-1003")
    ops.faceplate.replace()
    (made,) = (one for one in bpy.data.movieclips if one != clip)
    assert scene.active_clip == clip and made.frame_duration == 3
    assert addon("frames").clip_number(made, START) == 1001
    if not NEW:
        scene.use_nodes = True
    elif tree_of(scene) is None:
        made_tree: Any = bpy.data.node_groups.new("own", "CompositorNodeTree")
        made_tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        scene.compositing_node_group = made_tree
    tree = tree_of(scene)
    tree.nodes.clear()
    node, output = (
        tree.nodes.new("CompositorNodeMovieClip"),
        tree.nodes.new("NodeGroupOutput" if NEW else "CompositorNodeComposite"),
    )
    node.clip = made
    tree.links.new(node.outputs[0], output.inputs[0])
    np.testing.assert_array_equal(rendered(START + 2), pixels(work / "tracked/sh.1003.exr"))


def test_undo_takes_it_away_and_the_file_keeps_it(clip: Any, scene: Any, tmp_path: Path) -> None:
    name = clip.name
    clip.faceplate.result_to = {"CLIP", "COMPOSITOR", "SEQUENCER"}
    for image in list(bpy.data.images):
        bpy.data.images.remove(image)
    names = {f"Result {name}", f"Layers {name}"}
    bpy.ops.ed.undo_push(message="before")
    ops.faceplate.replace("EXEC_DEFAULT", True)
    assert names <= set(bpy.data.images.keys()) and f"Result {name}" in bpy.data.movieclips
    bpy.ops.ed.undo()
    assert not names & set(bpy.data.images.keys()) and list(bpy.data.movieclips.keys()) == [name]
    assert not bpy.context.scene.sequence_editor
    bpy.ops.ed.redo()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert names <= set(bpy.data.images.keys()) and f"Result {name}" in bpy.data.movieclips
    assert len(strips_of(bpy.context.scene)) == 1
