"""Which file is shown at which frame: Blender renders files that hold their own number, and says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

NUMBERS = range(1001, 1011)
SIDE = 8

Shown = Callable[[Any, int], int]


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sequence whose pixels are the number of their file, in thousandths."""
    folder = tmp_path_factory.mktemp("counted")
    scene = bpy.context.scene
    scene.render.image_settings.file_format = "OPEN_EXR"
    image: Any = bpy.data.images.new("number", SIDE, SIDE, float_buffer=True)
    for number in NUMBERS:
        image.pixels.foreach_set(np.full(SIDE * SIDE * 4, number / 1000, np.float32))
        image.save_render(str(folder / f"sh.{number}.exr"), scene=scene)
    return folder


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    """The number of the file that a compositor's node shows at a frame of the scene."""
    scene: Any = bpy.context.scene
    scene.render.resolution_x = scene.render.resolution_y = SIDE
    scene.render.resolution_percentage = 100

    def show(make: Callable[[Any], Any], frame: int) -> int:
        tree, output = compositor(scene)
        node = make(tree)
        tree.links.new(node.outputs[0], output.inputs[0])
        scene.render.filepath = str(tmp_path / "shown.exr")
        scene.frame_set(frame)
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(str(tmp_path / "shown.exr"))
        pixels = np.zeros(SIDE * SIDE * 4, np.float32)
        image.pixels.foreach_get(pixels)
        bpy.data.images.remove(image)
        return round(float(pixels[0]) * 1000)

    return show


def compositor(scene: Any) -> tuple[Any, Any]:
    """An empty tree of the scene, and its output."""
    if bpy.app.version >= (5, 0):
        tree: Any = bpy.data.node_groups.new("compositor", "CompositorNodeTree")
        scene.compositing_node_group = tree
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        return tree, tree.nodes.new("NodeGroupOutput")
    scene.use_nodes = True
    scene.node_tree.nodes.clear()
    return scene.node_tree, scene.node_tree.nodes.new("CompositorNodeComposite")


@pytest.mark.parametrize(("start", "offset", "frame"), [(1, 0, 1), (1, 0, 3), (5, 2, 5), (5, -1, 7), (1001, 0, 1004)])
def test_a_movie_clip(addon: Any, counted: Path, shown: Shown, start: int, offset: int, frame: int) -> None:
    clip: Any = bpy.data.movieclips.load(str(counted / "sh.1003.exr"))
    clip.frame_start, clip.frame_offset = start, offset

    def node(tree: Any) -> Any:
        made = tree.nodes.new("CompositorNodeMovieClip")
        made.clip = clip
        return made

    frames = addon("frames")
    number = frames.clip_number(clip, frame)
    assert number == shown(node, frame)
    assert frames.clip_frame(clip, number) == frame
    bpy.data.movieclips.remove(clip)


@pytest.mark.parametrize(("start", "offset", "frame"), [(1, 1000, 1), (1, 1000, 4), (5, 1002, 7), (1001, 1000, 1003)])
def test_an_image_sequence(counted: Path, shown: Shown, start: int, offset: int, frame: int) -> None:
    image: Any = bpy.data.images.load(str(counted / "sh.1003.exr"))
    image.source = "SEQUENCE"
    made: list[Any] = []

    def node(tree: Any) -> Any:
        made.append(tree.nodes.new("CompositorNodeImage"))
        made[0].image = image
        made[0].frame_start, made[0].frame_offset, made[0].frame_duration = start, offset, 10
        return made[0]

    # By this rule a result is put where its plate is.
    assert shown(node, frame) == frame - start + 1 + offset
    bpy.data.images.remove(image)


def test_footage_as_the_engine_names_it(addon: Any, counted: Path) -> None:
    frames = addon("frames")
    clip: Any = bpy.data.movieclips.load(str(counted / "sh.1003.exr"))
    assert frames.plate_path(clip) == str(counted / "sh.####.exr")
    for name, pattern in (("v2_0007.exr", "v2_####.exr"), ("a.1b", "#"), ("sh010_12x.exr", "sh010_##x.exr")):
        clip.filepath = str(counted / name)
        expected = name if pattern == "#" else pattern
        assert frames.plate_path(clip) == str(counted / expected)
    clip.filepath = "//plates/sh.0101.exr"
    assert frames.plate_path(clip).endswith("plates/sh.####.exr")
