"""Colour transfer against NumPy's covariances and SciPy's matrix roots, in float64."""

import numpy as np
import pytest
from scipy import linalg

from kernels.transfer import ColorTransform, monge_kantorovich, statistics, transfer
from kernels.workspace import Workspace
from tests.kernels.conditions import allocated, on_one_thread
from tests.kernels.tolerances import assert_close

MIX = np.array([[0.6, 0.2, 0.1], [0.1, 0.7, 0.2], [0.0, 0.2, 0.5]])


def picture(seed, shape=(90, 110), mix=MIX):
    """Skewed, correlated channels, with some negatives."""
    return (np.random.default_rng(seed).gamma(3.0, 0.1, (*shape, 3)) @ mix - 0.02).astype(np.float32)


SOURCE, TARGET = picture(1), picture(2, mix=MIX[::-1] * 0.6)
WEIGHT = np.maximum(np.random.default_rng(3).random((90, 110), dtype=np.float32) - 0.3, 0.0)


def matched(source, target, **options):
    return transfer(source, monge_kantorovich(statistics(source), statistics(target)), **options)


@pytest.mark.parametrize("weight", [None, WEIGHT, WEIGHT.astype(np.float16), WEIGHT > 0.1])
def test_statistics_against_numpy(weight):
    colors = SOURCE.reshape(-1, 3).astype(np.float64)
    shares = np.ones(len(colors)) if weight is None else weight.ravel().astype(np.float64)
    ours = statistics(SOURCE, weight)
    np.testing.assert_allclose(ours.weight, shares.sum(), rtol=1e-12)
    np.testing.assert_allclose(ours.mean, np.average(colors, axis=0, weights=shares), rtol=1e-12)
    np.testing.assert_allclose(ours.covariance, np.cov(colors.T, aweights=shares, ddof=0), rtol=1e-10)


def test_a_small_variance_of_large_values_is_not_lost():
    noise = np.random.default_rng(4).integers(-3, 4, (80, 90, 3)).astype(np.float64) / 1024.0
    ours = statistics((noise + 5000.0).astype(np.float32))
    np.testing.assert_allclose(ours.covariance, np.cov(noise.reshape(-1, 3).T, ddof=0), rtol=1e-9, atol=1e-15)


def test_what_is_not_finite_does_not_count():
    broken, weight = SOURCE.copy(), WEIGHT.copy()
    broken[5, :50, 1], broken[:, 55], broken[7, 7] = np.nan, np.inf, -np.inf
    weight[20, 20:30] = np.nan
    counted = np.where(np.isfinite(broken).all(2) & (weight > 0.0), weight, np.float32(0.0))
    ours, expected = statistics(broken, weight), statistics(SOURCE, counted)
    np.testing.assert_allclose(ours.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(ours.covariance, expected.covariance, rtol=1e-10)


def test_of_many_samples_every_so_many_rows_are_read():
    large = picture(5, (700, 128))
    weight = np.zeros((700, 128), np.float32)
    weight[20:660] = 1.0
    # 640 rows of 128: every tenth row holds enough, from the fifth on.
    ours, rows = statistics(large, weight, samples=8192), np.arange(5, 700, 10)
    expected = statistics(large[rows], weight[rows])
    np.testing.assert_allclose(ours.covariance, expected.covariance, rtol=1e-12)
    assert ours.weight == expected.weight == 8192.0
    everything = statistics(large, weight, samples=10**9)
    assert everything.weight == 640 * 128
    np.testing.assert_allclose(ours.mean, everything.mean, rtol=0.02)


def test_the_map_against_scipys_roots():
    source, target = statistics(SOURCE), statistics(TARGET)
    root = np.real(linalg.sqrtm(source.covariance))
    inverse = np.linalg.inv(root)
    expected = inverse @ np.real(linalg.sqrtm(root @ target.covariance @ root)) @ inverse
    matrix = monge_kantorovich(source, target).matrix
    np.testing.assert_allclose(matrix, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)


def test_the_result_has_the_targets_statistics():
    ours, target = statistics(matched(SOURCE, TARGET)), statistics(TARGET)
    np.testing.assert_allclose(ours.mean, target.mean, atol=1e-6)
    np.testing.assert_allclose(ours.covariance, target.covariance, rtol=1e-3, atol=1e-7)


def test_a_picture_is_its_own_match():
    np.testing.assert_allclose(matched(SOURCE, SOURCE), SOURCE, atol=1e-6)


@pytest.mark.parametrize("other", [np.full((90, 110, 3), [0.2, 0.4, 0.1], np.float32), TARGET])
def test_constant_pictures(other):
    flat = np.full((90, 110, 3), [0.5, 0.25, 0.7], np.float32)
    np.testing.assert_allclose(matched(flat, other), np.broadcast_to(statistics(other).mean, flat.shape), atol=2e-3)
    assert np.isfinite(matched(other, flat)).all()
    np.testing.assert_allclose(statistics(matched(other, flat)).mean, [0.5, 0.25, 0.7], atol=1e-5)


def test_nothing_to_measure_changes_nothing():
    nothing = statistics(SOURCE, np.zeros_like(WEIGHT))
    assert nothing.weight == 0.0
    assert not nothing.covariance.any()
    same = transfer(SOURCE, monge_kantorovich(nothing, statistics(TARGET)))
    np.testing.assert_array_equal(same, SOURCE)


@pytest.mark.parametrize("amount", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("width", [5, 110, 600])
def test_transfer_against_numpy(amount, width):
    light = picture(6, (20, width))
    light[3, 3] = 1e5
    change = ColorTransform(MIX * 2.0, np.array([0.3, 0.2, 0.1]), np.array([0.4, 0.1, 0.2]))
    full = (light.astype(np.float64) - change.pivot) @ change.matrix.T + change.offset
    expected = light + amount * (full - light)
    result = transfer(light, change, amount)
    assert result.dtype == np.float32
    assert_close(result, expected, "transfer")
    planes = np.moveaxis(np.ascontiguousarray(np.moveaxis(light, 2, 0)), 0, 2)
    np.testing.assert_array_equal(transfer(planes, change, amount), result)
    frame = np.zeros((24, width + 8, 3), np.float32)
    assert transfer(light, change, amount, out=frame[2:22, 4:-4]).base is frame
    np.testing.assert_array_equal(frame[2:22, 4:-4], result)
    np.testing.assert_array_equal(transfer(light, change, amount, out=light), result)


def test_transfer_leaves_what_is_not_finite_and_its_neighbours():
    change = monge_kantorovich(statistics(SOURCE), statistics(TARGET))
    expected = transfer(SOURCE, change)
    broken = SOURCE.copy()
    broken[4, 5], broken[6, 7, 2] = [np.inf, 0.5, 0.1], np.nan
    result = transfer(broken, change)
    np.testing.assert_array_equal(result[[4, 6], [5, 7]], broken[[4, 6], [5, 7]])
    good = np.isfinite(broken).all(2)
    np.testing.assert_allclose(result[good], expected[good], rtol=1e-6, atol=1e-7)


def test_transfer_of_halves():
    change = ColorTransform(MIX * 3.0, np.zeros(3), np.zeros(3))
    half = SOURCE.astype(np.float16)
    half[0, 0] = 60000.0
    expected = transfer(half.astype(np.float32), change)
    np.testing.assert_array_equal(transfer(half, change), expected)
    result = transfer(half, change, out=half)
    assert result is half
    assert (result[0, 0] == 65504.0).all()
    assert_close(result.reshape(-1, 3)[1:], expected.reshape(-1, 3)[1:], "half")


def test_a_second_call_allocates_nothing_and_threads_do_not_matter():
    source, target, weight = picture(7, (500, 600)), picture(8, (500, 600)), np.ones((500, 600), np.float16)
    out, workspace = np.empty_like(source), Workspace()

    def call():
        ours = statistics(source, weight, workspace=workspace)
        return transfer(source, monge_kantorovich(ours, statistics(target, workspace=workspace)), out=out)

    # The table of sums of every row.
    assert allocated(call) < 200_000
    np.testing.assert_array_equal(on_one_thread(call).copy(), call())
