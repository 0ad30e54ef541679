"""Pixel boost's pictures, the places of the published templates, and the matrix inside a model's file."""

import numpy as np
import pytest

from engine.errors import ModelError
from engine.models.catalogue import canonical_mesh
from engine.models.initializer import last_initializer
from engine.swappers.boost import even, join, split
from engine.swappers.templates import TEMPLATES, five_points, picture_to_template


@pytest.mark.parametrize("boost", [1, 2, 3, 4, 8])
def test_pictures_are_every_nth_pixel_and_make_the_crop_again(boost):
    y, x = np.mgrid[0 : 24 * boost, 0 : 24 * boost].astype(np.float32)
    crop = np.stack([x, y, x + y], axis=2)
    pictures = split(crop, boost)
    assert pictures.shape == (boost * boost, 24, 24, 3)
    whole = join(pictures, boost)
    inner = slice(3 * boost, -3 * boost)
    np.testing.assert_allclose(whole[inner, inner], crop[inner, inner], atol=1e-3)
    for number, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture, whole[number // boost :: boost, number % boost :: boost])


@pytest.mark.parametrize("boost", [2, 3, 4, 8])
def test_what_a_small_picture_cannot_hold_is_not_folded_into_it(boost):
    """A wave of one picture's pixel spacing would be a flat shift of each."""
    x = np.arange(32 * boost, dtype=np.float32)
    wave = np.cos(2 * np.pi * x / boost)
    crop = np.broadcast_to(wave[None, :, None], (32 * boost, 32 * boost, 1)).astype(np.float32)
    middle = split(crop, boost)[:, 8:-8, 8:-8]
    assert np.abs(middle).max() < 0.35 * np.abs(wave).max()


@pytest.mark.parametrize("boost", [2, 3, 4, 8])
def test_pictures_that_are_each_a_little_off_leave_no_lattice(boost):
    y, x = np.mgrid[0 : 64 * boost, 0 : 64 * boost].astype(np.float32) / (64 * boost)
    crop = np.stack([0.3 + 0.4 * x, 0.5 + 0.1 * np.sin(9 * y), 0.5 * x * y], axis=2).astype(np.float32)
    off = np.random.default_rng(boost).uniform(-0.02, 0.02, (boost * boost, 1, 1, 3)).astype(np.float32)
    off -= off.mean(0)
    lattice = off * np.linspace(0.3, 1.0, 64, dtype=np.float32)[:, None, None]
    joined = crop + join(np.ascontiguousarray(np.broadcast_to(lattice, (boost * boost, 64, 64, 3))), boost)
    inner = slice(8 * boost, -8 * boost)
    before, after = np.abs(joined - crop)[inner, inner].max(), np.abs(even(joined, boost) - crop)[inner, inner].max()
    assert before > 0.01 and after < 0.1 * before


@pytest.mark.parametrize("boost", [2, 3, 4, 8])
@pytest.mark.parametrize("heeded", [0.0, 0.5])
def test_a_network_that_heeds_no_parts_of_a_pixel_makes_no_stairs(boost, heeded):
    y, x = np.mgrid[0 : 48 * boost, 0 : 48 * boost].astype(np.float32) / boost
    crop = np.repeat((0.5 + 0.3 * np.sin(x / 4) * np.cos(y / 5))[..., None], 3, axis=2).astype(np.float32)
    same = np.repeat(np.repeat(crop[boost // 2 :: boost, boost // 2 :: boost], boost, 0), boost, 1)
    joined = same + np.float32(heeded) * (crop - same)
    inner = slice(8 * boost, -8 * boost)
    steps = [np.abs(np.diff(one, 2, axis=1))[inner, inner].max() for one in (crop, joined, even(joined, boost))]
    assert steps[1] > 1.5 * steps[0] and steps[2] < 0.4 * steps[1] + steps[0]


@pytest.mark.parametrize("boost", [2, 3, 4, 8])
def test_edges_and_texture_stay_where_no_picture_is_off(boost):
    size = 64 * boost
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    edges = np.where(x + 0.3 * y > 0.6 * size, 0.8, 0.1) + np.where(np.hypot(x - 99, y - 70) < 9, 0.1, 0.0)
    crop = np.repeat(edges[..., None], 3, axis=2).astype(np.float32)
    assert np.abs(even(crop, boost) - crop).max() < 1 / 255
    texture = np.random.default_rng(0).uniform(0.4, 0.6, (size, size, 3)).astype(np.float32)
    assert np.std(even(texture, boost) - texture) < 0.05 * np.std(texture)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_face_lies_where_the_template_has_it(template):
    vertices = canonical_mesh().vertices.astype(np.float64) * [30.0, -30.0, -30.0]
    mesh = np.concatenate([vertices, np.repeat(vertices[:1], 10, axis=0)]) + [900.0, 400.0, 0.0]
    matrix = picture_to_template(mesh, template, 256)
    placed = five_points(mesh) @ matrix[:, :2].T + matrix[:, 2]
    # Nobody's face is the template's: two hundredths of the side are the most that one is off.
    assert np.linalg.norm(placed / 256 - TEMPLATES[template], axis=1).max() < 0.02
    assert np.linalg.det(matrix[:, :2]) > 0


@pytest.mark.parametrize(
    "content", [b"", b"\x3a\xff", b"\x3a\x02\x2a\x00", b"\xff" * 40, b"\x3a\x05\x2a\x03\x0b\x00\x00"]
)
def test_a_file_with_no_constant_is_refused(content):
    with pytest.raises(ModelError, match="none that can be read"):
        last_initializer(content, "broken", (2, 2))


@pytest.mark.parametrize("raw", [True, False])
def test_the_last_constant_is_read_as_onnx_reads_it(raw):
    onnx = pytest.importorskip("onnx", reason="needs onnx to write a model")
    matrices = [np.random.default_rng(seed).standard_normal((3, 5)).astype(np.float32) for seed in (0, 1)]
    tensors = [
        onnx.helper.make_tensor(str(i), onnx.TensorProto.FLOAT, m.shape, m.tobytes() if raw else m.ravel(), raw)
        for i, m in enumerate(matrices)
    ]
    graph = onnx.helper.make_graph([], "none", [], [], tensors)
    content = onnx.helper.make_model(graph).SerializeToString()
    np.testing.assert_array_equal(last_initializer(content, "two", (3, 5)), matrices[1])
