"""What hosts ask of footage, of an engine in another process: what it is, who is in it, where their faces lie."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.faces.tracks import Tracks
from engine.footage import before_camera
from engine.geometry import Box
from engine.models.catalogue import canonical_mesh
from engine.plates.frame import Frame
from engine.plates.write import write_frame
from engine.shot import Shot
from engine.wire.client import Client
from engine.wire.errors import EngineRefused
from engine.wire.frames import attach
from engine.wire.messages import (
    Done,
    Face,
    FaceList,
    Faces,
    FaceTopology,
    Footage,
    Geometries,
    Geometry,
    Look,
    Preview,
    Previewed,
    Release,
    State,
    Status,
    Topology,
)
from tests.jobs.place import FRAMES, shot_of

SIDE = 272


def plain(shot: Shot) -> dict:
    return msgspec.to_builtins(shot)


def geometry(client: Client, shot: Shot, first: int, last: int, focal: float = 0.0) -> tuple[Geometries, np.ndarray]:
    told = client.ask(Geometry(plain(shot), "1", first, last, focal), Geometries)
    points = attach(told, told, writing=False).copy()
    client.ask(Release(told.lease), Done)
    return told, points


def test_footage_as_the_engine_sees_it(client: Client, work: Path) -> None:
    (work / "plate/sh.1002.exr").rename(work / "plate/sh.1005.exr")
    told = client.ask(Look({"path": str(work / "plate")}), Footage)
    assert (told.name, told.kind, told.frames, told.missing) == ("sh", "exr", "1001-1005x2", "1002,1004")
    assert (told.first, told.last, told.count, told.width, told.height) == (1001, 1005, 3, SIDE, SIDE)
    assert (told.colorspace, told.known_by, told.encoded, told.rate) == ("Linear Rec.709 (sRGB)", "default", False, 0.0)
    chosen = client.ask(Look({"path": str(work / "plate"), "colorspace": "ACEScct", "frames": "1003"}), Footage)
    assert (chosen.first, chosen.known_by, chosen.encoded) == (1003, "option", True)


def test_footage_with_overscan(client: Client, tmp_path: Path) -> None:
    """Where the file's own pixels lie is told in the plate's: some programs take them for the whole picture."""
    data = Box(-3, 1, 12, 9)
    channels = {name: np.zeros((data.height, data.width), np.float16) for name in "RGB"}
    write_frame(Frame.new(1, channels, Box(0, 0, 10, 6), data), tmp_path / "sh.0001.exr", "zip")
    told = client.ask(Look({"path": str(tmp_path)}), Footage)
    assert (told.width, told.height, told.data) == (10, 6, (-3, 1, 12, 9))


@pytest.mark.parametrize(
    ("plate", "code"),
    [
        ({"path": "/nowhere/sh.%04d.exr"}, "plate-not-found"),
        ({"path": ""}, "usage"),
        ({"path": "a\0b"}, "recipe"),
        ({"pth": "x"}, "recipe"),
        ({"path": 5}, "recipe"),
    ],
)
def test_footage_that_is_none(client: Client, plate: dict, code: str) -> None:
    with pytest.raises(EngineRefused) as raised:
        client.ask(Look(plate), Footage)
    assert raised.value.failure.code == code and raised.value.failure.remedy


def test_numbers_that_are_no_frames_of_one_plate(client: Client, work: Path) -> None:
    (work / "plate/sh.1003.exr").rename(work / "plate/sh.20240115123000.exr")
    with pytest.raises(EngineRefused, match="too far apart"):
        client.ask(Look({"path": str(work / "plate")}), Footage)
    assert client.ask(Look({"path": str(work / "plate"), "frames": "1001-1002"}), Footage).count == 2


def test_who_is_in_a_shot(client: Client, work: Path) -> None:
    (face,) = client.ask(Faces(plain(shot_of(work))), FaceList).faces
    assert (face.number, face.first, face.last, face.frames) == (1, FRAMES[0], FRAMES[-1], 3)
    assert face.at in FRAMES and 60 < face.width < 200
    thumbnail = np.frombuffer(face.thumbnail, np.uint8).reshape(face.side, face.side, 4)
    assert (thumbnail[..., 3] == 255).all()
    # Skin: in the middle, red over green over blue, and neither black nor white.
    red, green, blue = thumbnail[40:70, 35:60, :3].reshape(-1, 3).mean(0)
    assert 80 < blue < green < red < 250


def test_a_frame_that_has_gone_leaves_no_thumbnail(client: Client, work: Path) -> None:
    shot = shot_of(work)
    (face,) = client.ask(Faces(plain(shot)), FaceList).faces
    (work / f"plate/sh.{face.at}.exr").write_bytes(b"not a picture")
    (again,) = client.ask(Faces(plain(shot)), FaceList).faces
    assert again == msgspec.structs.replace(face, side=0, thumbnail=b"") and isinstance(again, Face)


def test_before_the_solve_nobody_is_known(client: Client, work: Path) -> None:
    shot = msgspec.structs.replace(shot_of(work), tracks="")
    for request, kind in ((Faces(plain(shot)), FaceList), (Geometry(plain(shot), "1", 1001, 1003), Geometries)):
        with pytest.raises(EngineRefused) as raised:
            client.ask(request, kind)
        assert raised.value.failure.code == "not-solved"


def test_where_a_face_lies(client: Client, work: Path) -> None:
    told, points = geometry(client, shot_of(work), 1002, 2000)
    assert told.frames == FRAMES[1:] and points.shape == (2, 478, 3)
    track = Tracks.load(work / "sh.tracks").tracks[0]
    np.testing.assert_array_equal(points, track.mesh[1:])
    assert client.ask(Status(), State).leased >= 0
    with pytest.raises(EngineRefused, match="not seen from 1 to 9"):
        client.ask(Geometry(plain(shot_of(work)), "1", 1, 9), Geometries)
    with pytest.raises(EngineRefused, match="one person"):
        client.ask(Geometry(plain(shot_of(work)), "all", 1001, 1003), Geometries)
    with pytest.raises(EngineRefused, match="no face number 2"):
        client.ask(Geometry(plain(shot_of(work)), "2", 1001, 1003), Geometries)


def test_a_camera_sees_each_point_where_it_was(client: Client, work: Path) -> None:
    shot, focal = shot_of(work), 400.0
    _, flat = geometry(client, shot, FRAMES[0], FRAMES[-1])
    _, points = geometry(client, shot, FRAMES[0], FRAMES[-1], focal)
    x = focal * points[..., 0] / -points[..., 2] + SIDE / 2
    y = SIDE / 2 - focal * points[..., 1] / -points[..., 2]
    np.testing.assert_allclose(np.stack([x, y], -1), flat[..., :2], atol=0.01)
    canonical = canonical_mesh().vertices
    wide = np.linalg.norm(points[:, 454] - points[:, 234], axis=1)
    np.testing.assert_allclose(wide, np.linalg.norm(canonical[454] - canonical[234]), rtol=0.15)


@settings(max_examples=50, deadline=None)
@given(st.floats(50, 5000), st.floats(20, 2000), st.floats(-3000, 3000), st.floats(-3000, 3000))
def test_any_camera_any_face(focal: float, width: float, x: float, y: float) -> None:
    mesh = canonical_mesh().vertices * np.array([1.0, -1.0, -1.0])
    mesh = mesh * (width / np.ptp(mesh[:, 0])) + np.array([x, y, 0.0])
    points = before_camera(mesh, focal, (1920, 1080))
    # With a wide lens before a large face some of it may lie behind the camera, where nothing is seen of it.
    seen = points[:, 2] < 0.0
    back = np.column_stack([focal * points[:, 0], -focal * points[:, 1]]) / -points[:, 2:]
    np.testing.assert_allclose(back[seen] + [960.0, 540.0], mesh[seen, :2], atol=1e-3)


def test_the_mesh_that_all_faces_have(client: Client) -> None:
    told = client.ask(Topology(), FaceTopology)
    triangles, uv = np.array(told.triangles), np.array(told.uv)
    assert triangles.shape == (898, 3) and uv.shape == (468, 2)
    assert triangles.min() == 0 and triangles.max() == 467 and uv.min() >= 0.0 and uv.max() <= 1.0
    chin, brow = told.landmarks["chin"], told.rings["right_brow"][0]
    assert uv[chin, 1] < uv[told.landmarks["nose"], 1] < uv[brow, 1]
    # The person's right is on the left of the picture.
    assert uv[told.landmarks["mouth_right"], 0] < uv[told.landmarks["mouth_left"], 0]
    assert set(told.landmarks) == {"right_eye", "left_eye", "nose", "mouth_right", "mouth_left", "chin"}
    assert len(told.rings["hull"]) == 36


def test_a_preview_with_its_rows_upwards(client: Client, work: Path) -> None:
    pictures = []
    for rows in ("down", "up"):
        told = client.ask(Preview(plain(shot_of(work)), FRAMES[0], rows=rows), Previewed)
        pictures.append(attach(told, told, writing=False).copy())
        client.ask(Release(told.lease), Done)
    np.testing.assert_array_equal(pictures[0], pictures[1][::-1])
