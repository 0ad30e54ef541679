"""The tracks file and the choice of a face."""

from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from engine.errors import NoFace, OutputError, PlateError, TracksError
from engine.faces.analyse import Face
from engine.faces.tracks import Track, Tracks


def track(number: int, person: int, x: float, size: float, frames: range, identity: np.ndarray | None = None) -> Track:
    rng = np.random.default_rng(number)
    count = len(frames)
    mesh = rng.uniform(-0.5, 0.5, (count, 478, 3)) * size + [x, 100.0, 0.0]
    vector = rng.normal(0, 0.1, 128) if identity is None else identity
    return Track(
        id=number,
        person=person,
        frames=np.array(frames, np.int32),
        mesh=mesh.astype(np.float32),
        pose=rng.uniform(-30, 30, (count, 3)).astype(np.float32),
        confidence=rng.uniform(0, 1, count).astype(np.float32),
        bridged=rng.uniform(0, 1, count) > 0.8,
        identity=vector.astype(np.float32),
    )


def shot(*tracks: Track) -> Tracks:
    frames = tuple(range(1001, 1021))
    return Tracks(plate="sh010", frames=frames, size=(1920, 1080), exposure=1.25, cuts=(1011,), tracks=tracks)


@pytest.fixture
def three() -> Tracks:
    """A small person on the left; a large one in the middle, before and after a cut; a middling one on the right."""
    before, after = range(1001, 1011), range(1011, 1021)
    return shot(
        track(0, 1, 200, 40, before),
        track(1, 0, 600, 90, before),
        track(2, 2, 900, 60, after),
        track(3, 0, 500, 80, after),
    )


def test_a_saved_file_comes_back_equal_and_is_the_same_bytes_each_time(three: Tracks, tmp_path: Path) -> None:
    three.save(tmp_path / "a.tracks")
    loaded = Tracks.load(tmp_path / "a.tracks")
    loaded.save(tmp_path / "b.tracks")
    assert (tmp_path / "a.tracks").read_bytes() == (tmp_path / "b.tracks").read_bytes()
    assert loaded.digest() == three.digest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tracks", "b.tracks"]
    for mine, theirs in zip(three.tracks, loaded.tracks, strict=True):
        for name in ("frames", "mesh", "pose", "confidence", "bridged", "identity"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
            assert getattr(mine, name).dtype == getattr(theirs, name).dtype
    assert (loaded.plate, loaded.size, loaded.cuts, loaded.exposure) == ("sh010", (1920, 1080), (1011,), 1.25)


def test_the_digest_sees_one_changed_bit(three: Tracks) -> None:
    mesh = three.tracks[0].mesh.copy()
    mesh[3, 100, 1] = np.nextafter(mesh[3, 100, 1], np.float32(np.inf))
    changed = msgspec.structs.replace(three.tracks[0], mesh=mesh)
    assert shot(changed, *three.tracks[1:]).digest() != three.digest()


def test_a_face_in_a_frame(three: Tracks) -> None:
    face = three.tracks[2].at(1015)
    assert face is not None
    assert face.mesh.dtype == np.float64
    np.testing.assert_array_equal(face.mesh, three.tracks[2].mesh[4])
    assert three.tracks[2].at(1010) is None
    assert three.tracks[2].at(2000) is None


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "other", "json", "shape", "nan", "order", "version"])
def test_damaged_files_are_refused(three: Tracks, tmp_path: Path, damage: str) -> None:
    content = three.encode()
    plain = msgspec.msgpack.decode(content)
    first = plain["tracks"][0]
    match damage:
        case "empty":
            content = b""
        case "text":
            content = b"not a tracks file at all\n" * 20
        case "cut":
            content = content[:-1000]
        case "other":
            content = msgspec.msgpack.encode({"format": "other"})
        case "json":
            content = msgspec.json.encode({"format": "faceplate-tracks"})
        case "shape":
            first["mesh"]["shape"] = [5, 478, 3]
        case "nan":
            first["mesh"]["data"] = b"\xff" * len(first["mesh"]["data"])
        case "order":
            first["frames"]["data"] = bytes(len(first["frames"]["data"]))
        case "version":
            plain["version"] = 99
    if damage in ("shape", "nan", "order", "version"):
        content = msgspec.msgpack.encode(plain)
    path = tmp_path / "bad.tracks"
    path.write_bytes(content)
    with pytest.raises(TracksError):
        Tracks.load(path)


@pytest.mark.parametrize(
    "value", [None, 3, [], {"dtype": [], "shape": 1, "data": 2}, {"dtype": "O", "shape": [], "data": b""}]
)
def test_an_array_of_anything_else_is_refused(three: Tracks, tmp_path: Path, value: object) -> None:
    plain = msgspec.msgpack.decode(three.encode())
    plain["tracks"][0]["pose"] = value
    (tmp_path / "bad.tracks").write_bytes(msgspec.msgpack.encode(plain))
    with pytest.raises(TracksError):
        Tracks.load(tmp_path / "bad.tracks")


def test_files_that_cannot_be_read_or_written(three: Tracks, tmp_path: Path) -> None:
    with pytest.raises(TracksError):
        Tracks.load(tmp_path / "nowhere.tracks")
    with pytest.raises(OutputError):
        three.save(tmp_path / "nowhere" / "a.tracks")
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError):
        three.save(tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    ("which", "ids"),
    [("largest", [1, 3]), ("left", [0]), ("right", [2]), ("all", [0, 1, 2, 3]), ("1", [1, 3]), ("2", [2]), ("3", [0])],
)
def test_a_face_is_chosen(three: Tracks, which: str, ids: list[int]) -> None:
    assert [chosen.id for chosen in three.select(which)] == ids


@pytest.mark.parametrize("which", ["4", "0", "biggest"])
def test_a_face_that_is_not_there_is_said_with_what_is(three: Tracks, which: str) -> None:
    with pytest.raises(NoFace) as caught:
        three.select(which)
    assert caught.value.remedy


@pytest.mark.parametrize("which", ["largest", "all", "1", "like:nobody.png"])
def test_a_shot_without_a_face(which: str) -> None:
    with pytest.raises(NoFace):
        shot().select(which)


def test_like_a_photo(astronaut: np.ndarray, astronaut_face: Face, officer_face: Face, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.round(astronaut[:300, 60:400, ::-1] * 255))
    frames = range(1001, 1006)
    officer = track(0, 0, 200, 90, frames, officer_face.embedding)
    both = shot(officer, track(1, 1, 600, 40, frames, astronaut_face.embedding))
    assert [chosen.id for chosen in both.select(f"like:{photo}")] == [1]
    with pytest.raises(NoFace, match="distance"):
        shot(officer).select(f"like:{photo}")
    with pytest.raises(PlateError):
        both.select(f"like:{tmp_path / 'missing.png'}")
