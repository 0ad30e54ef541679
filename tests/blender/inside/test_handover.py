"""Tracks, mask and mesh lie where the engine's points are, in every frame, through every lens."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from conftest import PACKAGE, SIDE, ops
from mathutils import Vector

NEAR = 0.5
START = 11
LANDMARKS = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left", "chin")

Points = Callable[[Any], tuple[tuple[int, ...], np.ndarray]]


def read(path: Path) -> np.ndarray:
    image: Any = bpy.data.images.load(str(path))
    found = np.zeros(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(found)
    shape = image.size[1], image.size[0], 4
    bpy.data.images.remove(image)
    return found.reshape(shape)


def write(path: Path, pixels: np.ndarray) -> None:
    image: Any = bpy.data.images.new("written", pixels.shape[1], pixels.shape[0], alpha=True, float_buffer=True)
    image.pixels.foreach_set(pixels.reshape(-1))
    image.filepath_raw, image.file_format = str(path), "OPEN_EXR"
    image.save()
    bpy.data.images.remove(image)


def write_plate(folder: Path, plate: Path, width: int, height: int) -> None:
    """The plate at the top right of a larger one, and a black frame after it."""
    folder.mkdir()
    for number in (1001, 1002, 1003, 1004):
        pixels = np.zeros((height, width, 4), np.float32)
        pixels[..., 3] = 1.0
        if number < 1004:
            pixels[-SIDE:, -SIDE:] = read(plate / f"sh.{number}.exr")
        write(folder / f"wide.{number}.exr", pixels)


@pytest.fixture(params=[(400, 272), (272, 400)], ids=["landscape", "portrait"])
def sized(request: Any, addon: Any, work: Path) -> Iterator[Any]:
    """A clip of another shape, solved, with the face beside its middle and only in the first three of four frames."""
    width, height = request.param
    folder = work / f"{width}x{height}"
    is_new = not folder.exists()
    if is_new:
        write_plate(folder, work / "plate", width, height)
    clip: Any = bpy.data.movieclips.load(str(folder / "wide.1001.exr"))
    clip.frame_start = START
    scene = bpy.context.scene
    scene.active_clip = clip
    scene.render.resolution_x, scene.render.resolution_y = width, height
    ops.faceplate.assign(directory=str(work / "grace"))
    if is_new:
        ops.faceplate.find_faces()
    yield clip
    for left in list(bpy.data.movieclips):
        bpy.data.movieclips.remove(left)


@pytest.fixture
def points(addon: Any, engine: Any) -> Points:
    """The engine's points of a clip's largest face: the numbers of the files, and in each the points (478, 3)."""
    messages, memory = (sys.modules[f"{PACKAGE}.wire.{name}"] for name in ("messages", "frames"))

    def ask(clip: Any) -> tuple[tuple[int, ...], np.ndarray]:
        told: list[Any] = []
        engine.ask(messages.Geometry(addon("settings").plain_shot(clip), "largest", 1001, 1004), told.append)
        engine.wait(lambda: bool(told))
        return told[0].frames, memory.attach(told[0], told[0], writing=False).copy()

    return ask


def seen_through(camera: Any, found: Any, size: tuple[int, int]) -> np.ndarray:
    """Where the mesh's points are in the picture, in pixels, y down."""
    scene, graph = bpy.context.scene, bpy.context.evaluated_depsgraph_get()
    evaluated = found.evaluated_get(graph)
    surface = evaluated.to_mesh()
    places = [world_to_camera_view(scene, camera, evaluated.matrix_world @ one.co) for one in surface.vertices]
    evaluated.to_mesh_clear()
    assert min(place.z for place in places) > 0.0
    return np.array([(place.x * size[0], (1.0 - place.y) * size[1]) for place in places])


def compare(clip: Any, points: Points) -> None:
    """Every point of the mesh is where the engine has it, in each frame in which the face is seen."""
    found: Any = bpy.data.objects[f"Faceplate {clip.name} largest"]
    scene = bpy.context.scene
    numbers, wanted = points(clip)
    assert numbers == (1001, 1002, 1003)
    for number, places in zip(numbers, wanted, strict=True):
        scene.frame_set(START + number - 1001)
        shown = seen_through(scene.camera, found, tuple(clip.size))
        assert np.abs(shown - places[:468, :2]).max() < NEAR
        assert not found.hide_render
    scene.frame_set(START + 3)
    assert found.hide_render and found.hide_viewport


def test_markers_lie_where_the_engine_s_points_are(sized: Any, points: Points) -> None:
    for _ in range(2):
        assert ops.faceplate.tracks() == {"FINISHED"}
    _, wanted = points(sized)
    tracks: Any = sized.tracking.objects[0].tracks
    assert sorted(tracks.keys()) == sorted(f"Faceplate largest {name}" for name in LANDMARKS)
    for name, point in (("nose", 1), ("chin", 152), ("mouth_left", 291), ("right_eye", 468)):
        markers = tracks[f"Faceplate largest {name}"].markers
        assert [marker.frame for marker in markers] == [1, 2, 3, 4]
        assert [marker.mute for marker in markers] == [False, False, False, True]
        for marker, places in zip(markers, wanted, strict=False):
            place = np.array(marker.co) * tuple(sized.size)
            assert np.abs(place - (places[point, 0], sized.size[1] - places[point, 1])).max() < NEAR


def test_the_mask_is_the_hull(addon: Any, sized: Any, points: Points, tmp_path: Path) -> None:
    """It is rendered: inside are the engine's points, outside is nothing, and without a face nothing at all."""
    for _ in range(2):
        ops.faceplate.tracks()
    mask: Any = bpy.data.masks[f"Faceplate {sized.name}"]
    assert len(mask.layers) == 1
    _, wanted = points(sized)
    for index, frame in enumerate(range(START, START + 4)):
        found = rendered_mask(mask, frame, tmp_path)
        if index == 3:
            assert found.max() == 0.0
            continue
        x, y = wanted[index][:468, 0], wanted[index][:468, 1]
        assert found[::-1][y.astype(int), x.astype(int)].mean() > 0.9
        rows, columns = np.nonzero(found[::-1] > 0.5)
        box = np.array([columns.min(), columns.max() + 1, rows.min(), rows.max() + 1])
        assert np.abs(box - (x.min(), x.max(), y.min(), y.max())).max() < 2.0


def rendered_mask(mask: Any, frame: int, folder: Path) -> np.ndarray:
    scene: Any = bpy.context.scene
    if bpy.app.version >= (5, 0):
        tree: Any = bpy.data.node_groups.new("mask", "CompositorNodeTree")
        scene.compositing_node_group = tree
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        output = tree.nodes.new("NodeGroupOutput")
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
        output = tree.nodes.new("CompositorNodeComposite")
    node = tree.nodes.new("CompositorNodeMask")
    node.mask = mask
    tree.links.new(node.outputs[0], output.inputs[0])
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.filepath = str(folder / "mask.exr")
    scene.frame_set(frame)
    bpy.ops.render.render(write_still=True)
    return read(folder / "mask.exr")[..., 0]


@pytest.mark.parametrize(("lens", "sensor", "fit"), [(50, 36, "AUTO"), (24, 18, "VERTICAL"), (85, 22, "HORIZONTAL")])
def test_the_mesh_is_seen_where_the_face_is(sized: Any, points: Points, lens: int, sensor: int, fit: str) -> None:
    camera: Any = bpy.context.scene.camera
    camera.location, camera.rotation_euler = (3.0, -2.0, 1.0), (0.4, 0.2, -1.1)
    camera.data.lens, camera.data.sensor_width, camera.data.sensor_height = lens, sensor, sensor
    camera.data.sensor_fit, camera.data.shift_x, camera.data.shift_y = fit, 0.07, -0.04
    for _ in range(2):
        assert ops.faceplate.mesh() == {"FINISHED"}
    compare(sized, points)
    camera.data.shift_x = camera.data.shift_y = 0.0


def test_without_a_camera_there_is_the_clip_s(sized: Any, points: Points) -> None:
    scene = bpy.context.scene
    before, scene.camera = scene.camera, None
    # Another sensor changes the focal length in Blender, too.
    sized.tracking.camera.sensor_width = 23.76
    sized.tracking.camera.focal_length = 40.0
    ops.faceplate.mesh()
    made: Any = scene.camera
    assert made.data.lens == pytest.approx(40.0) and made.data.sensor_width == pytest.approx(23.76)
    compare(sized, points)
    scene.camera = before


def test_the_mesh_is_ready_to_be_shaded(addon: Any, sized: Any, work: Path) -> None:
    ops.faceplate.mesh()
    found: Any = bpy.data.objects[f"Faceplate {sized.name} largest"]
    surface = found.data
    assert len(surface.vertices) == 468 and len(surface.polygons) > 800
    assert found.parent == bpy.context.scene.camera
    uv = np.zeros(len(surface.loops) * 2, np.float32)
    surface.uv_layers.active.data.foreach_get("uv", uv)
    assert uv.min() >= 0.0 and uv.max() <= 1.0 and np.ptp(uv) > 0.9
    facing = sum(one.normal.dot(Vector((0.0, 0.0, 1.0))) > 0.0 for one in surface.polygons)
    assert facing > 0.9 * len(surface.polygons)
    cache = Path(found.modifiers["Faceplate"].filepath)
    assert cache.stat().st_size == 32 + 4 * 468 * 12 and cache.parent == addon("preferences").cache_folder()


def test_a_plate_that_is_larger_than_its_pixels(sized: Any, points: Points, work: Path) -> None:
    """Blender shows the data window as the whole picture."""
    clip: Any = bpy.data.movieclips.load(str(work / "windowed/sh.1001.exr"))
    scene = bpy.context.scene
    scene.active_clip, clip.frame_start = clip, START
    scene.render.resolution_x, scene.render.resolution_y = clip.size
    ops.faceplate.find_faces()
    ops.faceplate.tracks()
    ops.faceplate.mesh()
    _, wanted = points(clip)
    places = wanted[:, :, :2] - (40, 10)
    found: Any = bpy.data.objects[f"Faceplate {clip.name} largest"]
    marker = clip.tracking.objects[0].tracks["Faceplate largest nose"].markers[1]
    assert np.abs(np.array(marker.co) * SIDE - (places[1, 1, 0], SIDE - places[1, 1, 1])).max() < NEAR
    scene.frame_set(START + 1)
    assert np.abs(seen_through(scene.camera, found, (SIDE, SIDE)) - places[1, :468]).max() < NEAR


def test_before_it_is_solved_there_is_no_mesh(engine: Any, clip: Any) -> None:
    for operator in (ops.faceplate.mesh, ops.faceplate.tracks):
        with pytest.raises(RuntimeError, match="has not been solved"):
            operator()
        assert engine.error.code == "not-solved"


def test_undo_takes_tracks_and_mesh_away(addon: Any, clip: Any) -> None:
    name = clip.name
    ops.faceplate.find_faces()
    collections: tuple[Any, ...] = (bpy.data.objects, bpy.data.masks)
    for collection in collections:
        for left in [one for one in collection if one.name.startswith("Faceplate")]:
            collection.remove(left)
    bpy.ops.ed.undo_push(message="before")
    ops.faceplate.tracks()
    ops.faceplate.mesh()
    assert f"Faceplate {name} largest" in bpy.data.objects
    bpy.ops.ed.undo()
    assert f"Faceplate {name} largest" not in bpy.data.objects and f"Faceplate {name}" in bpy.data.masks
    bpy.ops.ed.undo()
    again: Any = bpy.data.movieclips[name]
    assert f"Faceplate {name}" not in bpy.data.masks and not len(again.tracking.objects[0].tracks)
