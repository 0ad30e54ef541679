"""Blender's own frames as a plate, and its masks as a holdout."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from conftest import SIDE, ops
from mathutils import Vector
from test_result import NEW, pixels, tree_of


@pytest.fixture
def cg(clip: Any, work: Path, tmp_path: Path) -> Iterator[Any]:
    """A scene that renders the plate's first frame as light on a plane, with its depth, into tmp_path."""
    scene: Any = bpy.context.scene
    for left in list(bpy.data.objects):
        bpy.data.objects.remove(left)
    bpy.ops.mesh.primitive_plane_add(size=2.0, location=(0.0, 0.0, -2.0))
    plane: Any = bpy.context.object
    material: Any = bpy.data.materials.new("light")
    material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.clear()
    texture, light = nodes.new("ShaderNodeTexImage"), nodes.new("ShaderNodeEmission")
    texture.image = bpy.data.images.load(str(work / "plate/sh.1001.exr"))
    material.node_tree.links.new(texture.outputs[0], light.inputs[0])
    material.node_tree.links.new(light.outputs[0], nodes.new("ShaderNodeOutputMaterial").inputs[0])
    plane.data.materials.append(material)
    camera: Any = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera, camera.data.type, camera.data.ortho_scale = camera, "ORTHO", 2.0
    scene.render.engine, scene.cycles.samples, scene.view_layers[0].use_pass_z = "CYCLES", 1, True
    scene.render.resolution_x = scene.render.resolution_y = SIDE
    scene.frame_start, scene.frame_end = 5, 6
    if NEW:
        scene.render.image_settings.media_type = "MULTI_LAYER_IMAGE"
    scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
    scene.render.filepath = str(tmp_path / "cg.####")
    scene.faceplate_replace = True
    yield scene
    scene.faceplate_replace = False


def layers_of(scene: Any, path: Path, folder: Path) -> dict[str, np.ndarray]:
    """The picture and the depth of a multilayer frame, by Blender's own compositor."""
    found = {}
    scene.faceplate_replace = False
    if NEW:
        scene.render.image_settings.media_type = "IMAGE"
        scene.compositing_node_group = bpy.data.node_groups.new("look", "CompositorNodeTree")
        tree_of(scene).interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    else:
        scene.use_nodes = True
    tree = tree_of(scene)
    tree.nodes.clear()
    node = tree.nodes.new("CompositorNodeImage")
    node.image = bpy.data.images.load(str(path))
    output = tree.nodes.new("NodeGroupOutput" if NEW else "CompositorNodeComposite")
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "OPEN_EXR", "32"
    for name in ("Combined", "Depth"):
        tree.links.new(node.outputs[name], output.inputs[0])
        scene.render.filepath = str(folder / "look.exr")
        bpy.ops.render.render(write_still=True)
        found[name] = pixels(folder / "look.exr")
    tree.nodes.clear()
    if NEW:
        scene.compositing_node_group = None
    else:
        scene.use_nodes = False
    return found


def test_rendered_frames_are_replaced_and_their_passes_stay(cg: Any, tmp_path: Path) -> None:
    bpy.ops.render.render(animation=True)
    names = ["cg.0005.exr", "cg.0006.exr"]
    assert sorted(path.name for path in (tmp_path / "faceplate").glob("*.exr")) == names
    before, after = (layers_of(cg, folder / names[0], tmp_path) for folder in (tmp_path, tmp_path / "faceplate"))
    np.testing.assert_array_equal(before["Depth"], after["Depth"])
    assert before["Depth"].max() == pytest.approx(2.0, abs=1e-3)
    changed = np.abs(before["Combined"] - after["Combined"]).max(axis=2) > 0.02
    assert 0.05 < changed.mean() < 0.5


def test_a_single_frame_and_a_scene_that_does_not_ask(cg: Any, tmp_path: Path) -> None:
    cg.faceplate_replace = False
    cg.render.filepath = str(tmp_path / "still.exr")
    bpy.ops.render.render(write_still=True)
    assert not (tmp_path / "faceplate").exists()
    cg.faceplate_replace = True
    bpy.ops.render.render(write_still=True)
    assert [path.name for path in (tmp_path / "faceplate").glob("*.exr")] == ["still.exr"]


def test_a_scene_without_a_recipe(engine: Any, cg: Any) -> None:
    cg.active_clip = None
    bpy.ops.render.render(animation=True)
    assert engine.error.code == "no-recipe" and engine.error.remedy


def test_a_mask_keeps_the_plate(addon: Any, clip: Any, work: Path) -> None:
    """The left half of the face stays; the mask comes from there over the three frames."""
    clip.frame_start = 11
    clip.faceplate.output.path = str(work / "held")
    mask: Any = bpy.data.masks.new("left")
    spline: Any = mask.layers.new(name="left").splines.new()
    spline.use_cyclic = True
    spline.points.add(3)
    for point, place in zip(spline.points, ((0.0, -0.2), (0.5, -0.2), (0.5, 1.2), (0.0, 1.2)), strict=True):
        point.co, point.handle_type = Vector(place), "VECTOR"
    for index in (1, 2):
        for frame, x in ((11, 0.0), (13, 0.5)):
            spline.points[index].co.x = x
            mask.keyframe_insert(f'layers["left"].splines[0].points[{index}].co', frame=frame)
    assert not ops.faceplate.holdout.poll()
    clip.faceplate.mask = mask
    scenes = len(bpy.data.scenes)
    assert ops.faceplate.holdout() == {"FINISHED"} and len(bpy.data.scenes) == scenes
    holdout = Path(addon("settings").plain_shot(clip)["matte"]["holdout"])
    files = sorted(path.name for path in holdout.parent.iterdir())
    assert files == [f"holdout.{number}.exr" for number in (1001, 1002, 1003)]
    assert ops.faceplate.replace() == {"FINISHED"}
    changed = {}
    for number in (1001, 1003):
        plate, frame = pixels(work / f"plate/sh.{number}.exr"), pixels(work / f"held/sh.{number}.exr")
        changed[number] = np.abs(plate - frame).max(axis=2) > 0.0
    assert not changed[1003][:, : SIDE // 2 - 1].any() and changed[1003][:, SIDE // 2 + 1 :].any()
    assert changed[1001][:, : SIDE // 2 - 1].any()
