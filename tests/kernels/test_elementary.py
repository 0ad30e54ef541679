import numpy as np
import pytest
from numba import njit

from kernels import elementary
from kernels.half import loadable, narrowed, widened

WIDE = np.geomspace(1e-30, 1e30, 20001).astype(np.float32)


def over(function, *values):
    """The function over arrays, compiled into a loop."""

    @njit
    def loop(values, out):
        for i in range(out.size):
            out[i] = function(values[i])

    out = np.empty(len(values[0]), np.float32)
    loop(values[0], out)
    return out


def test_logarithms():
    reference = np.log2(WIDE.astype(np.float64))
    assert np.max(np.abs(over(elementary.log2, WIDE) - reference) / np.maximum(np.abs(reference), 1.0)) < 3e-7
    np.testing.assert_allclose(over(elementary.log, WIDE), np.log(WIDE.astype(np.float64)), rtol=4e-7, atol=4e-7)


def test_exponentials():
    x = np.linspace(-80.0, 80.0, 20001, dtype=np.float32)
    error = np.abs(over(elementary.exp, x) / np.exp(x.astype(np.float64)) - 1.0)
    assert np.max(error / (1.0 + np.abs(x))) < 2e-7
    assert over(elementary.exp2, np.array([0.0, 1.0, -3.0, 10.0], np.float32)).tolist() == [1.0, 2.0, 0.125, 1024.0]


def test_exponentials_out_of_range_are_clamped_and_finite():
    assert np.isfinite(over(elementary.exp, np.array([-1e4, 1e4, -np.inf, np.inf], np.float32))).all()


@pytest.mark.parametrize("exponent", [2.4, 1.0 / 2.4])
def test_powers(exponent):
    x = np.linspace(0.003, 8.0, 20001, dtype=np.float32)
    exponent = np.float32(exponent)

    @njit
    def loop(x, exponent, out):
        for i in range(out.size):
            out[i] = elementary.power(x[i], exponent)

    out = np.empty_like(x)
    loop(x, exponent, out)
    error = np.abs(out / x.astype(np.float64) ** np.float64(exponent) - 1.0)
    assert np.max(error / (1.0 + np.abs(exponent * np.log2(x)))) < 3e-7


@njit
def _copy(source, out):
    for i in range(source.size):
        out[i] = narrowed(widened(source[i]), out[i])


def test_every_half_goes_to_float_and_back():
    bits = np.arange(1 << 16, dtype=np.uint16)
    halves, floats = bits.view(np.float16), np.empty(1 << 16, np.float32)

    @njit
    def widen(source, out):
        for i in range(source.size):
            out[i] = widened(source[i])

    widen(loadable(halves), floats)
    np.testing.assert_array_equal(floats, halves.astype(np.float32))
    again = np.empty_like(halves)
    _copy(loadable(halves), loadable(again))
    numbers = ~np.isnan(halves)
    np.testing.assert_array_equal(again.view(np.uint16)[numbers], bits[numbers])
    assert np.isnan(again[~numbers]).all()


def test_rounding_to_half_is_numpys():
    rng = np.random.default_rng(1)
    values = (rng.standard_normal(50_000) * 10.0 ** rng.uniform(-9, 6, 50_000)).astype(np.float32)

    @njit
    def narrow(source, out):
        for i in range(source.size):
            out[i] = narrowed(source[i], out[i])

    ours = np.empty(len(values), np.float16)
    narrow(values, loadable(ours))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(ours, values.astype(np.float16))


def test_float_arrays_pass_through():
    source, out = np.array([1.0, np.nan, -0.0], np.float32), np.empty(3, np.float32)
    _copy(source, out)
    np.testing.assert_array_equal(out.view(np.uint32), source.view(np.uint32))
