"""CUDA kernels of `kernels.grain`."""

# pyright: reportCallIssue=false

from numba import cuda, float32

from kernels.grain import TAPS, covering_gain, filtered, grain_sigma, kernel_at
from kernels.half import narrowed, widened


@cuda.jit
def _synthesize_grain(key_0, key_1, x0, y0, mixing, kernels, variance, limit, amount, signal, matte, white, out):
    """`white` holds what `kernels.philox.white_noise` made with the same keys, counters and mixing."""
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        gain = amount
        if matte.size > 0:
            gain = amount * covering_gain(widened(matte[y, x]))
        rows = cuda.local.array(TAPS, float32)
        for c in range(3):
            plane = white[c]
            k0, k1, k2, k3 = kernel_at(kernels, c, 0)
            for j in range(TAPS):
                row = plane[y + j, x : x + TAPS]
                rows[j] = filtered(row[0], row[1], row[2], row[3], row[4], row[5], row[6], k0, k1, k2, k3)
            k0, k1, k2, k3 = kernel_at(kernels, c, 1)
            unit = filtered(rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], k0, k1, k2, k3)
            constant, linear, quadratic = variance[3 * c], variance[3 * c + 1], variance[3 * c + 2]
            sigma = grain_sigma(widened(signal[y, x, c]), constant, linear, quadratic, limit[c])
            out[y, x, c] = narrowed(unit * sigma * gain, out[y, x, c])
