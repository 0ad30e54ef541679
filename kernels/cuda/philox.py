"""CUDA kernels of `kernels.philox`."""

# pyright: reportCallIssue=false

from numba import cuda, uint64

from kernels.philox import mixed, normals_of, words_of


@cuda.jit
def _white_noise(key_0, key_1, x0, y0, mixing, out):
    x, y = cuda.grid(2)
    if y < out.shape[1] and x < out.shape[2]:
        w0, w1, w2, w3 = words_of(x0 + uint64(x), y0 + uint64(y), key_0, key_1)
        n0, n1, n2 = normals_of(w0, w1, w2, w3)
        out[0, y, x], out[1, y, x], out[2, y, x] = mixed(n0, n1, n2, mixing)
