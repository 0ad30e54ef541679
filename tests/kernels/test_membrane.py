"""The membrane against SciPy's sparse solver, and the seam correction on pictures whose answer is known."""

import tracemalloc

import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import linalg

from kernels import multigrid
from kernels.membrane import Quality, corrected, membrane, ring_of, seam_correction
from kernels.workspace import Workspace

RANDOM = np.random.default_rng(11)
Mask = NDArray[np.bool_]


def face(height: int, width: int) -> Mask:
    """A lobed disk, roughly a face's outline."""
    y, x = np.mgrid[0:height, 0:width]
    down, across = (y + 0.5) / height - 0.5, (x + 0.5) / width - 0.5
    angle = np.arctan2(down, across)
    return np.hypot(down / 0.44, across / 0.36) < 1.0 - 0.08 * np.cos(2 * angle) - 0.05 * np.sin(5 * angle)


def two_faces() -> Mask:
    inside = np.zeros((150, 260), bool)
    inside[5:145, 5:125] = face(140, 120)
    inside[30:120, 160:250] = face(90, 90)
    return inside


def with_holes() -> Mask:
    inside = face(160, 160)
    inside[60:75, 50:80] = False
    return inside & (RANDOM.random(inside.shape) > 0.002)


def at_the_border() -> Mask:
    return face(181, 203)[40:, 60:].copy()


def thin() -> Mask:
    inside = np.zeros((90, 121), bool)
    inside[10:80, 60:62] = True
    inside[44, 8:110] = True
    return inside


def spiral() -> Mask:
    y, x = np.mgrid[-60:60, -60:60]
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    return ((radius / 5 - angle / (2 * np.pi)) % 2 < 1) & (radius < 55)


SHAPES = {
    "face": lambda: face(200, 170),
    "two faces": two_faces,
    "holes": with_holes,
    "border": at_the_border,
    "thin": thin,
    "spiral": spiral,
    "sponge": lambda: np.pad(RANDOM.random((70, 90)) > 0.3, 2),
    "one pixel": lambda: np.pad([[True]], 3),
    "all but one": lambda: ~np.pad([[True]], ((20, 43), (33, 11))),
}


def exact(difference: NDArray[np.float32], inside: Mask, held: Mask | None = None) -> NDArray[np.float64]:
    """Laplace's equation by a direct solver; free where the ring is not held, and at the array's border."""
    known = ring_of(inside) if held is None else ring_of(inside) & held
    rows, columns = np.nonzero(inside)
    index = np.full(inside.shape, -1)
    index[rows, columns] = np.arange(len(rows))
    matrix = sparse.lil_matrix((len(rows), len(rows)))
    right = np.zeros((len(rows), difference.shape[2]))
    for i, (y, x) in enumerate(zip(rows, columns, strict=True)):
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= v < inside.shape[0] and 0 <= u < inside.shape[1] and (inside[v, u] or known[v, u]):
                matrix[i, i] += 1.0
                if inside[v, u]:
                    matrix[i, index[v, u]] -= 1.0
                else:
                    right[i] += difference[v, u]
    result = np.where(known[..., None], difference, 0.0).astype(np.float64)
    result[rows, columns] = linalg.splu(matrix.tocsc()).solve(right)
    return result


def rms(values: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """The error's root mean square, relative to the reference's."""
    return float(np.sqrt(np.mean((values - reference) ** 2) / np.mean(reference**2)))


def edge_values(inside: Mask) -> NDArray[np.float32]:
    """Smooth light, a tint, and noise, as at a real seam."""
    y, x = np.mgrid[0 : inside.shape[0], 0 : inside.shape[1]] / max(inside.shape)
    light = np.stack([0.3 + x, 0.5 - y, x * y - 0.2], -1)
    return (light + 0.1 * RANDOM.standard_normal(light.shape)).astype(np.float32)


@pytest.mark.parametrize("name", SHAPES)
def test_membrane_against_a_direct_solver(name: str) -> None:
    inside = SHAPES[name]()
    difference = edge_values(inside)
    expected = exact(difference, inside)
    result = membrane(difference, inside)
    assert result.dtype == np.float32
    assert rms(result[inside], expected[inside]) <= 1e-3
    assert rms(membrane(difference, inside, quality="preview")[inside], expected[inside]) <= 0.01
    assert rms(membrane(difference, inside, residual=1e-5)[inside], expected[inside]) <= 5e-5
    ring = ring_of(inside)
    np.testing.assert_array_equal(result[ring], difference[ring])
    assert not result[~inside & ~ring].any()


def test_a_free_edge_against_a_direct_solver() -> None:
    inside = face(120, 100)
    inside[:, 70:] = False
    held = np.zeros(inside.shape, bool)
    held[:60, :50] = True
    difference = edge_values(inside)
    expected = exact(difference, inside, held)
    result = membrane(difference, inside, held, residual=1e-4)
    assert rms(result[inside], expected[inside]) <= 1e-3
    # A free pixel of the ring takes the membrane's value: here that of its one neighbour.
    np.testing.assert_array_equal(result[70:80, 70], result[70:80, 69])


def test_a_plane_is_reproduced() -> None:
    inside = np.pad(with_holes(), 1)
    y, x = np.mgrid[0:162, 0:162].astype(np.float32)
    difference = np.stack([0.01 * x, -0.02 * y, 0.005 * (x + y) - 0.3], -1)
    result = membrane(difference, inside, residual=1e-6)
    np.testing.assert_allclose(result[inside], difference[inside], atol=2e-4)


def test_large_faces_take_no_more_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = count_cycles(monkeypatch)
    for side in (60, 240, 480):
        inside = face(side, side)
        membrane(edge_values(inside), inside)
    assert len(counted) == 6


def test_a_guess_saves_cycles_and_spoils_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = face(200, 170)
    difference = edge_values(inside)
    expected = membrane(difference, inside, residual=1e-6)
    last = membrane(difference + np.float32(0.001), inside)
    cycles = count_cycles(monkeypatch)
    cold = membrane(difference, inside)
    cold_cycles = len(cycles)
    warm = membrane(difference, inside, guess=last)
    assert len(cycles) - cold_cycles < cold_cycles
    assert max(rms(warm[inside], expected[inside]), rms(cold[inside], expected[inside])) <= 1e-3
    wild = np.full_like(last, 1e4)
    wild[50] = np.nan
    for bad in (wild, last[::-1].copy()):
        assert rms(membrane(difference, inside, guess=bad)[inside], expected[inside]) <= 1e-3
        assert rms(membrane(difference, inside, quality="preview", guess=bad)[inside], expected[inside]) <= 0.01


def count_cycles(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows with each cycle on the finest scale."""
    cycles: list[int] = []
    original = multigrid._finest_cycle
    monkeypatch.setattr(multigrid, "_finest_cycle", lambda *arguments: cycles.append(1) or original(*arguments))
    return cycles


def test_regions_that_lie_apart_are_solved_apart() -> None:
    inside = np.zeros((300, 400), bool)
    inside[10:100, 20:100] = face(90, 80)
    inside[190:290, 290:390] = face(100, 100)
    difference = edge_values(inside)
    result = membrane(difference, inside)
    both = membrane(difference, inside, crop=False)
    assert rms(result[inside], both[inside]) <= 1e-3
    np.testing.assert_array_equal(result[:150, :200], membrane(difference[:150, :200], inside[:150, :200]))
    assert not result[120:170].any()


def test_results_go_where_they_are_wanted_and_nothing_is_allocated() -> None:
    inside = face(300, 260)
    difference, workspace = edge_values(inside), Workspace()
    plate = np.exp(difference).astype(np.float16)
    patch = np.full_like(plate, 0.8)
    out = np.full(difference.shape, 7.0, np.float32)
    qualities: tuple[Quality, ...] = ("preview", "final")
    for quality in qualities:

        def solve(quality: Quality = quality) -> None:
            assert membrane(difference, inside, quality=quality, out=out, workspace=workspace) is out

        def correct(quality: Quality = quality) -> None:
            assert seam_correction(plate, patch, inside, quality=quality, out=out, workspace=workspace) is out

        for call, plain in (
            (solve, membrane(difference, inside, quality=quality)),
            (correct, seam_correction(plate, patch, inside, quality=quality)),
        ):
            call()
            tracemalloc.start()
            call()
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            np.testing.assert_array_equal(out, plain)
            # The list of the ring's pixels is all that is new.
            assert peak < (1 << 17 if call is correct else 1 << 15)


def test_half_and_boxes_of_frames() -> None:
    inside = face(80, 70)
    difference = edge_values(inside).astype(np.float16)
    expected = membrane(difference.astype(np.float32), inside)
    np.testing.assert_array_equal(membrane(difference, inside), expected)
    frame, mask = np.full((90, 90, 3), np.nan, np.float16), np.zeros((90, 90), bool)
    frame[5:85, 9:79], mask[5:85, 9:79] = difference, inside
    out = np.full((3, 90, 90), 7.0, np.float16)
    box = np.moveaxis(out, 0, -1)[5:85, 9:79]
    membrane(frame[5:85, 9:79], mask[5:85, 9:79], out=box)
    np.testing.assert_array_equal(box, expected.astype(np.float16))
    assert (out[:, :5] == 7.0).all()


def test_a_constant_edge_gives_a_constant() -> None:
    inside = two_faces()
    difference = np.full((*inside.shape, 3), [0.5, -2.0, 0.0], np.float32)
    np.testing.assert_allclose(membrane(difference, inside)[inside], difference[inside], atol=1e-5)


def test_nothing_to_anchor_to_gives_zero() -> None:
    difference = np.ones((30, 40, 3), np.float32)
    assert not membrane(difference, np.zeros((30, 40), bool)).any()
    assert not membrane(difference, np.ones((30, 40), bool)).any()
    assert not membrane(difference, face(30, 40), np.zeros((30, 40), bool)).any()


def test_only_anchors_count() -> None:
    inside = two_faces()
    difference = np.full((*inside.shape, 3), 0.7, np.float32)
    anchor = np.ones(inside.shape, bool)
    anchor[:, :60] = False
    anchor[:, 150:] = False
    difference[~anchor] = 99.0
    difference[0:40, 60:70] = np.nan
    result = membrane(difference, inside, anchor)
    first = inside.copy()
    first[:, 150:] = False
    np.testing.assert_allclose(result[first], 0.7, atol=1e-4)
    assert not result[:, 150:].any()


def test_the_same_bits_on_one_thread_and_on_several() -> None:
    inside = face(200, 190)
    difference = edge_values(inside)
    several = membrane(difference, inside)
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        np.testing.assert_array_equal(membrane(difference, inside), several)
    finally:
        numba.set_num_threads(threads)


def relit() -> tuple[NDArray[np.float32], NDArray[np.float32], Mask]:
    """A plate and the same picture in another light, smooth and multiplicative."""
    inside = face(220, 200)
    y, x = np.mgrid[0:220, 0:200] / 220.0
    plate = (0.2 + 0.1 * np.sin(9 * x)[..., None] * np.cos(7 * y)[..., None] * [1.0, 0.8, 0.6]).astype(np.float32)
    gain = np.stack([0.5 + 0.9 * x, 0.7 + 0.6 * y, 1.2 - 0.5 * x * y], -1)
    return plate, (plate / gain).astype(np.float32), inside


def relative_error(plate, patch, correction, inside) -> NDArray[np.float64]:
    return (np.abs(corrected(patch, correction) - plate) / (plate + 0.02))[inside]


def test_the_seam_correction_relights_the_patch() -> None:
    plate, patch, inside = relit()
    correction = seam_correction(plate, patch, inside)
    before = relative_error(plate, patch, np.zeros_like(patch), inside)
    after = relative_error(plate, patch, correction, inside)
    assert np.median(after) < 0.025
    assert np.median(after) < np.median(before) / 4.0


def test_highlights_and_bad_pixels_on_the_seam_do_not_reach_the_face() -> None:
    plate, patch, inside = relit()
    rows, columns = np.nonzero(ring_of(inside))
    spoiled = plate.copy()
    for share, light in ((0.1, 40.0), (0.35, 15.0), (0.6, 80.0)):
        at = int(share * len(rows))
        spoiled[rows[at] - 3 : rows[at] + 4, columns[at] - 3 : columns[at] + 4] += light
    spoiled[rows[0] - 1 : rows[0] + 2, columns[0]] = [np.nan, np.inf, -5.0]
    correction = seam_correction(spoiled, patch, inside)
    assert np.isfinite(correction).all()
    assert np.median(relative_error(plate, patch, correction, inside)) < 0.06


def test_grain_on_the_seam_does_not_streak() -> None:
    plate, patch, inside = relit()
    noisy = (plate * (1.0 + 0.1 * RANDOM.standard_normal(plate.shape))).astype(np.float32)
    clean = seam_correction(plate, patch, inside, smooth=0.0)
    near = inside & ring_of(~inside)
    harsh = (seam_correction(noisy, patch, inside, smooth=0.0) - clean)[near].std()
    smoothed = (seam_correction(noisy, patch, inside, smooth=6.0) - clean)[near].std()
    assert smoothed < 0.5 * harsh
