"""The catalogue: the files are the ones it names, and the canonical mesh is the surface that other parts count on."""

import hashlib
from collections import Counter

import numpy as np
import pytest

from engine.errors import ModelError
from engine.models import catalogue
from engine.models.catalogue import FOLDER, MESH_FILE, MESH_SHA256, MODELS, canonical_mesh, read_checked

Edge = tuple[int, int]


def edges_of(triangles: np.ndarray) -> Counter[Edge]:
    """How many triangles each edge has."""
    counts: Counter[Edge] = Counter()
    for a, b, c in triangles.tolist():
        counts.update((min(edge), max(edge)) for edge in ((a, b), (b, c), (c, a)))
    return counts


def ring_edges(ring: np.ndarray) -> set[Edge]:
    numbers = ring.tolist()
    return {(min(edge), max(edge)) for edge in zip(numbers, numbers[1:] + numbers[:1], strict=True)}


def test_every_file_is_the_one_of_the_catalogue_and_is_named_in_the_notice():
    notice = (FOLDER / "NOTICE.md").read_text(encoding="utf-8")
    files = {spec.file: spec.sha256 for spec in MODELS.values()} | {MESH_FILE: MESH_SHA256}
    bundled = {path.name for path in FOLDER.iterdir() if path.suffix in (".onnx", ".npz")}
    assert bundled == set(files)
    for file, sha256 in files.items():
        assert hashlib.sha256((FOLDER / file).read_bytes()).hexdigest() == sha256
        assert file in notice
        assert sha256 in notice


def test_the_mesh_is_a_disc_of_478_less_the_irises():
    mesh = canonical_mesh()
    assert mesh.vertices.shape == (468, 3)
    assert mesh.uv.shape == (468, 2)
    assert mesh.triangles.shape == (898, 3)
    edges = edges_of(mesh.triangles)
    assert len(np.unique(mesh.triangles)) == 468
    assert set(edges.values()) == {1, 2}
    assert 468 - len(edges) + len(mesh.triangles) == 1


def test_the_rim_of_the_disc_is_the_face_oval():
    mesh = canonical_mesh()
    rim = {edge for edge, count in edges_of(mesh.triangles).items() if count == 1}
    assert len(mesh.oval) == 36
    assert ring_edges(mesh.oval) == rim


def test_eyes_and_lips_are_rings_of_the_mesh():
    mesh = canonical_mesh()
    edges = set(edges_of(mesh.triangles))
    for ring, count in ((mesh.right_eye, 16), (mesh.left_eye, 16), (mesh.inner_lips, 20)):
        assert len(set(ring.tolist())) == count
        assert ring_edges(ring) <= edges
    assert set(mesh.inner_lips) < set(mesh.lips)
    assert len(mesh.lips) == 40


def test_every_triangle_faces_the_same_way():
    """Shared edges run in opposite directions, and the middle of the face looks along +z."""
    triangles = canonical_mesh().triangles.tolist()
    directed = Counter(edge for a, b, c in triangles for edge in ((a, b), (b, c), (c, a)))
    assert set(directed.values()) == {1}
    a, b, c = (canonical_mesh().vertices[[triangle[corner] for triangle in triangles]] for corner in range(3))
    assert np.cross(b - a, c - a)[:, 2].sum() > 0


def test_the_mesh_is_a_head_in_centimetres_with_its_parts_where_they_belong():
    mesh = canonical_mesh()
    width, height, _ = np.ptp(mesh.vertices, axis=0)
    assert 14 < width < 17
    assert 16 < height < 20
    centre = {name: mesh.vertices[getattr(mesh, name)].mean(0) for name in ("right_eye", "left_eye", "lips")}
    assert centre["right_eye"][0] < -2 < 2 < centre["left_eye"][0]
    assert centre["lips"][1] < centre["left_eye"][1]
    assert mesh.vertices[:, 2].argmax() in (1, 4)
    np.testing.assert_allclose(centre["right_eye"] * (-1, 1, 1), centre["left_eye"], atol=1e-3)


def test_texture_coordinates_and_weights_are_in_range():
    mesh = canonical_mesh()
    assert mesh.uv.min() >= 0
    assert mesh.uv.max() <= 1
    assert mesh.procrustes_weights.min() == 0
    assert np.count_nonzero(mesh.procrustes_weights) == 33


def test_the_mesh_is_read_once_and_cannot_be_changed():
    mesh = canonical_mesh()
    assert canonical_mesh() is mesh
    for name in mesh.__dataclass_fields__:
        array = getattr(mesh, name)
        assert array.dtype in (np.float32, np.int32)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    content = bytearray((FOLDER / MESH_FILE).read_bytes())
    content[1000] ^= 1
    (tmp_path / MESH_FILE).write_bytes(content)
    with pytest.raises(ModelError, match="SHA-256"):
        read_checked(tmp_path / MESH_FILE, MESH_SHA256)
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    with pytest.raises(ModelError, match="SHA-256"):
        canonical_mesh.__wrapped__()
