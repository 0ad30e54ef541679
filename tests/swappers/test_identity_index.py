"""Pictures are measured once, and what was kept changes nothing: neither a result nor an error."""

import hashlib
import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
import skimage.data

from engine.errors import IdentityError
from engine.faces.course import moment
from engine.faces.identity import robust_mean
from engine.kept import Kept
from engine.shot import Shot
from engine.swappers import identity_index, references
from engine.swappers.base import Seen
from engine.swappers.identity_index import index_folder, recall
from engine.swappers.listing import HEADINGS, listed
from engine.swappers.mesh import MeshSwapper
from engine.swappers.portrait import examine
from engine.swappers.references import inspect, load_identity, read_folder
from kernels.view import make_view, seen_of_exposed


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEPLATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def measured(monkeypatch):
    """The names of the pictures that are measured, as they are."""
    names = []

    def counted(path):
        names.append(path.name)
        return examine(path)

    monkeypatch.setattr(references, "examine", counted)
    return names


def write(path, turn=0.0, size=(512, 512)):
    """The astronaut, turned in the picture: the same moment. In other proportions it counts as another one."""
    picture = skimage.data.astronaut()[..., ::-1].astype(np.float32)
    matrix = cv2.getRotationMatrix2D((220.0, 120.0), turn, 1.0)
    turned = cv2.warpAffine(picture, matrix, (512, 512), flags=cv2.INTER_CUBIC)
    cv2.imwrite(str(path), cv2.resize(np.clip(turned, 0.0, 255.0).astype(np.uint8), size))


@pytest.fixture
def folder(tmp_path, cache):
    path = tmp_path / "anna"
    path.mkdir()
    for number, turn in enumerate((-8.0, 0.0, 9.0)):
        write(path / f"{number}.png", turn)
    return path


def entries():
    return sorted(index_folder().glob("*.portrait"))


def swapped(identity, reference):
    """A face of the swapper with this identity, on the reference's own picture."""
    seen = seen_of_exposed(np.ascontiguousarray(reference.light), make_view())
    return MeshSwapper(identity).swap(Seen(seen, reference.mesh, make_view(), Shot()))


def test_a_picture_is_measured_once(folder, measured):
    load_identity(folder)
    assert measured == ["0.png", "1.png", "2.png"]
    load_identity(folder)
    assert len(measured) == len(entries()) == 3


def test_only_what_changed_is_measured_again(folder, measured):
    load_identity(folder)
    measured.clear()
    write(folder / "1.png", 4.0)
    write(folder / "3.png", 14.0)
    (folder / "0.png").unlink()
    identity = load_identity(folder)
    assert measured == ["1.png", "3.png"]
    assert [reference.name for reference in identity.references] == ["1.png", "2.png", "3.png"]


def test_with_the_index_and_without_the_result_is_the_same_to_the_bit(folder, hopper_reference, measured):
    first, again = load_identity(folder), load_identity(folder)
    assert len(measured) == 3
    shutil.rmtree(index_folder())
    without = load_identity(folder)
    assert len(measured) == 6
    results = [swapped(identity, hopper_reference) for identity in (first, again, without)]
    for identity, result in zip((again, without), results[1:], strict=True):
        assert identity.embedding.tobytes() == first.embedding.tobytes()
        assert identity.digest == first.digest and identity.spare == first.spare
        for one, other in zip(identity.references, first.references, strict=True):
            assert one.portrait == other.portrait and one.light.tobytes() == other.light.tobytes()
        for one, other in zip(result, results[0], strict=True):
            assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_why_a_picture_is_none_is_kept_too(folder, measured):
    cv2.imwrite(str(folder / "coffee.png"), skimage.data.coffee()[..., ::-1])
    messages = [[str(error) for error in load_identity(folder).unusable] for _ in range(2)]
    assert messages[0] == messages[1] and "There is no face in coffee.png." in messages[0][0]
    assert measured.count("coffee.png") == 1


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "foreign"])
def test_a_damaged_entry_is_made_again(folder, measured, damage):
    sound = load_identity(folder)
    measured.clear()
    whole = entries()[0].read_bytes()
    damaged = {
        "cut": whole[: len(whole) // 2],
        "bit": whole[:200] + bytes([whole[200] ^ 1]) + whole[201:],
        "empty": b"",
        "foreign": b"\x89PNG" + bytes(5000),
    }
    entries()[0].write_bytes(damaged[damage])
    identity = load_identity(folder)
    assert len(measured) == 1 and entries()[0].read_bytes() == whole
    assert identity.embedding.tobytes() == sound.embedding.tobytes()


def test_an_entry_of_another_layout_is_made_again(folder, measured):
    load_identity(folder)
    measured.clear()
    foreign = msgspec.msgpack.encode({"type": "portrait", "embedding": [1.0]})
    entries()[0].write_bytes(hashlib.sha256(foreign).digest() + foreign)
    load_identity(folder)
    assert len(measured) == 1


def test_another_processor_or_version_measures_for_itself(folder, measured, monkeypatch):
    load_identity(folder)
    monkeypatch.setattr(identity_index, "_measured_by", lambda: "another")
    load_identity(folder)
    assert len(measured) == 6 and len(entries()) == 6


@pytest.mark.parametrize("obstacle", ["file", "read-only"])
def test_where_nothing_can_be_kept_pictures_are_measured_each_time(folder, cache, measured, obstacle):
    if obstacle == "file":
        cache.write_bytes(b"")
    else:
        index_folder().mkdir(parents=True)
        index_folder().chmod(0o500)
        if os.access(index_folder(), os.W_OK):
            pytest.skip("this user may write into any folder")
    assert [len(load_identity(folder).references) for _ in range(2)] == [3, 3]
    assert len(measured) == 6


def test_nothing_is_written_beside_the_pictures(folder):
    before = sorted(path.name for path in folder.iterdir())
    load_identity(folder)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_only_the_user_can_read_what_a_face_measures(folder):
    load_identity(folder)
    assert index_folder().stat().st_mode & 0o077 == 0
    assert all(entry.stat().st_mode & 0o077 == 0 for entry in entries())


def test_what_was_not_used_for_long_is_removed(folder):
    load_identity(folder)
    old = entries()
    for entry in old:
        os.utime(entry, (1.0, 1.0))
    unfinished = index_folder() / ".cut-off.portrait"
    unfinished.write_bytes(b"half")
    os.utime(unfinished, (1.0, 1.0))
    write(folder / "new.png", 20.0)
    (folder / "0.png").unlink()
    load_identity(folder)
    # Two were used just now, one is new.
    assert len(entries()) == 3 and len(set(entries()) & set(old)) == 2
    assert not unfinished.exists()


def test_a_picture_that_changes_while_it_is_measured_is_not_kept(tmp_path, cache):
    path = tmp_path / "one.png"
    write(path)

    def examine_slowly(path):
        found = examine(path)
        write(path, 5.0)
        return found

    recall(path, "0" * 64, examine_slowly)
    assert entries() == []


def _load(folder: Path, together: Any, results: Any) -> None:
    together.wait(60)
    results.put(load_identity(folder).embedding.tobytes())


def test_two_processes_at_once(folder):
    context = multiprocessing.get_context("spawn")
    together, results = context.Barrier(2), context.Queue()
    workers = [context.Process(target=_load, args=(folder, together, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert found[0] == found[1] == load_identity(folder).embedding.tobytes()
    assert len(list(index_folder().iterdir())) == 3


def test_pixels_are_read_only_when_a_frame_needs_them(folder, monkeypatch):
    read = []
    real = references.read_pyramid
    monkeypatch.setattr(
        references, "read_pyramid", lambda path, portrait: read.append(path.name) or real(path, portrait)
    )
    identity = load_identity(folder)
    likeness = identity.nearest(moment(identity.references[1].mesh))
    assert read == []
    for reference in likeness.references:
        reference.levels(100.0)
        reference.levels(50.0)
    assert sorted(read) == sorted(reference.name for reference in likeness.references)


def test_pixels_are_kept_under_the_engines_limit(folder):
    kept = Kept(1 << 28)
    reference = load_identity(folder, kept).references[0]
    assert kept.bytes == 0
    picture = reference.levels(100.0)[0].picture
    assert kept.bytes > reference.light.nbytes
    assert reference.levels(100.0)[0].picture is picture


def test_a_picture_that_changed_under_a_job_is_an_error(folder):
    identity = load_identity(folder)
    write(folder / "1.png", 30.0)
    with pytest.raises(IdentityError, match=r"1\.png has changed"):
        identity.references[1].levels(100.0)


def test_strangers_are_left_out_and_named(folder, hopper_path):
    shutil.copy(hopper_path, folder / "hopper.jpg")
    write(folder / "tall.png", size=(512, 660))
    write(folder / "wide.png", size=(660, 512))
    alone = load_identity(folder)
    assert "hopper.jpg" not in [reference.name for reference in alone.references]
    (problem,) = alone.unusable
    assert problem.code == "identity"
    assert "1 of 6 pictures" in problem.message and "hopper.jpg" in problem.message
    assert str(problem) in [notice.message for notice in inspect(folder)]


def test_the_list_says_what_becomes_of_each_picture(folder, hopper_path):
    shutil.copy(hopper_path, folder / "hopper.jpg")
    write(folder / "tall.png", size=(512, 660))
    write(folder / "wide.png", size=(660, 512))
    cv2.imwrite(str(folder / "zebra.png"), skimage.data.coffee()[..., ::-1])
    rows = {row.picture: row for row in listed(read_folder(folder))}
    states = [rows[name].state for name in ("hopper.jpg", "zebra.png")]
    assert states == ["stranger", "unusable"]
    assert rows["hopper.jpg"].covered == ("glasses",)
    assert "no face" in rows["zebra.png"].message
    persons = [row for row in rows.values() if row.state in ("used", "spare")]
    assert len(persons) == 5 and any(row.state == "used" for row in persons)
    for row in persons:
        assert row.state == "used" or rows[row.better].state == "used"
        assert row.width > 60.0 and 0.0 <= row.sharpness <= 1.0
    assert all(len(row.row()) == len(HEADINGS) for row in rows.values())


def test_the_list_shows_pictures_of_two_people(tmp_path, cache, astronaut_path, hopper_path):
    folder = tmp_path / "two"
    folder.mkdir()
    shutil.copy(astronaut_path, folder)
    shutil.copy(hopper_path, folder)
    found = read_folder(folder)
    assert [row.state for row in listed(found)] == ["unclear", "unclear"]
    with pytest.raises(IdentityError, match="more than one person"):
        found.identity()


def test_blurred_pictures_move_the_robust_mean_less_than_the_mean(tmp_path, cache):
    for name, size in (("plain", (512, 512)), ("tall", (512, 660)), ("wide", (660, 512))):
        write(tmp_path / f"{name}.png", size=size)
    picture = skimage.data.astronaut()[..., ::-1].astype(np.float32)
    cv2.imwrite(str(tmp_path / "blurred.png"), cv2.GaussianBlur(picture, (0, 0), 2.5).astype(np.uint8))
    names = ("plain", "tall", "wide", "blurred")
    found = np.array([examine(tmp_path / f"{name}.png").embedding for name in names])
    moved = np.linalg.norm(robust_mean(found) - found[:3].mean(0))
    assert moved < 0.9 * np.linalg.norm(found.mean(0) - found[:3].mean(0))


def test_sharpness_and_light_are_measured(tmp_path, cache):
    picture = skimage.data.astronaut()[..., ::-1].astype(np.float32)
    across = np.clip(1.3 - 2.0 * (np.linspace(0.0, 1.0, 512, dtype=np.float32) - 0.3), 0.2, 1.3)[None, :, None]
    pictures = {"plain": picture, "soft": cv2.GaussianBlur(picture, (0, 0), 2.0), "left": picture * across}
    found = {}
    for name, pixels in pictures.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.clip(pixels, 0.0, 255.0).astype(np.uint8))
        found[name] = examine(tmp_path / f"{name}.png")
    assert found["soft"].sharpness < found["plain"].sharpness - 0.4
    assert found["left"].light.side < found["plain"].light.side - 0.5
    assert found["left"].light.contrast > found["plain"].light.contrast
