"""Gaussian blur of whole and of masked pictures.

Sigmas are in pixels. Beyond its border a picture continues with its edge pixels. Kernels end at four sigmas.

A small blur is a separable convolution. A wide one is done at a coarser scale: block means, a convolution there, and
linear interpolation back, with the variance that the means and the interpolation add taken off the kernel's. Its
error stays under 0.5 % of the picture's range. What is not finite spreads over the kernel's reach and no further.
"""

from typing import Any

import numpy as np
from numba import float32, njit, prange
from numpy.typing import NDArray

from kernels.fill import clamped, filled, line_down, mixed, places_across, premultiplied, with_channels
from kernels.fill import pull_push as pull_push
from kernels.half import loadable, narrowed, widened
from kernels.launch import empty, place, run
from kernels.workspace import Workspace

Float32 = NDArray[np.float32]

# The sigma from which a blur is done at a coarser scale, and the least sigma in coarse pixels. Between them they say
# that no kernel is longer than this to one side.
WIDE = 8.0
COARSE_SIGMA = 4.0
LONGEST = 32

# Weights, relative to 1, below which a masked blur turns to the value of its wider surroundings.
THIN = np.float32(1e-4)


def gaussian(
    image: NDArray[Any], sigma: float, *, out: NDArray[Any] | None = None, workspace: Workspace | None = None
) -> NDArray[Any]:
    """Blur (h, w) or (h, w, c) by `sigma` pixels. `image` and `out` are float16 or float32; `out` may be `image`."""
    if not sigma >= 0.0:
        raise ValueError("a blur's sigma is at least 0")
    scratch = Workspace() if workspace is None else workspace
    result = empty(image, image.shape) if out is None else out
    source, target = with_channels(image), with_channels(result)
    block = _block_of(sigma)
    if image.size == 0:
        return result
    if sigma == 0.0:
        run(_copy, source.shape[:2], loadable(source), loadable(target))
    elif block > 1:
        _wide(_plain(source, scratch), sigma, block, target, scratch)
    else:
        _narrow(_plain(source, scratch, apart=target), gaussian_kernel(sigma), target, scratch)
    return result


def masked_gaussian(
    image: NDArray[Any],
    weight: NDArray[Any],
    sigma: float,
    *,
    out: NDArray[Any] | None = None,
    workspace: Workspace | None = None,
) -> NDArray[Any]:
    """Blur (h, w) or (h, w, c) of only the pixels that have a weight (h, w) in [0, 1]: G(image * weight) / G(weight).

    All may be float16 or float32; `out` may be `image`. Far from every weighted pixel the result is their pull-push
    extension, so that it is defined everywhere; without any it is 0. Pixels that are not finite count as without
    weight.
    """
    scratch = Workspace() if workspace is None else workspace
    result = empty(image, image.shape) if out is None else out
    weighted = premultiplied(image, weight, "blur.weighted", scratch)
    block = 1 << max(0, int(np.log2(max(sigma, 1.0))))
    coarse = _block_means(weighted, block, 0, "blur.surroundings", scratch)
    surroundings = scratch.empty("blur.filled", image, (*coarse.shape[:2], coarse.shape[2] - 1))
    filled(coarse, surroundings, scratch)
    blurred = gaussian(weighted, sigma, out=scratch.empty("blur.blurred", image, weighted.shape), workspace=scratch)
    target = loadable(with_channels(result))
    run(_normalise, target.shape[:2], blurred, surroundings, np.int32(block), THIN, target)
    return result


def gaussian_kernel(sigma: float) -> Float32:
    """The right half (radius + 1,) of a normalised Gaussian, centre first, cut off at four sigmas."""
    radius = max(1, int(4.0 * sigma + 0.5))
    kernel = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    return (kernel / (2.0 * kernel.sum() - 1.0)).astype(np.float32)


def _plain(source: NDArray[Any], workspace: Workspace, apart: NDArray[Any] | None = None) -> Float32:
    """The picture as contiguous float32, itself where it is that already and does not share memory with `apart`."""
    shared = apart is not None and np.may_share_memory(source, apart)
    if source.dtype == np.float32 and source.flags.c_contiguous and not shared:
        return source
    plain = workspace.empty("blur.plain", source, source.shape)
    run(_copy, source.shape[:2], loadable(source), plain)
    return plain


def _block_of(sigma: float) -> int:
    """The power of two that a blur of this sigma may be coarsened by."""
    return 1 if sigma < WIDE else 1 << int(np.log2(sigma / COARSE_SIGMA))


def _narrow(source: Float32, kernel: Float32, out: NDArray[Any], workspace: Workspace) -> None:
    height, width, channels = source.shape
    direct = out.flags.c_contiguous
    blurred = out if direct else workspace.empty("blur.narrow", source, source.shape)
    rows = (height, width * channels)
    kernel = place(source, kernel)
    target = loadable(blurred.reshape(rows))
    run(_convolve, (height, width), source.reshape(rows), np.int32(channels), kernel, target)
    if not direct:
        run(_copy, (height, width), blurred, loadable(out))


def _wide(source: Float32, sigma: float, block: int, out: NDArray[Any], workspace: Workspace) -> None:
    # A mean over n pixels adds a variance of (n^2 - 1) / 12, linear interpolation over n one of n^2 / 6.
    added = (block * block - 1) / 12.0 + block * block / 6.0
    kernel = gaussian_kernel(float(np.sqrt(sigma * sigma - added)) / block)
    border = len(kernel) + 1
    coarse = _block_means(source, block, border, "blur.coarse", workspace)
    blurred = workspace.empty("blur.coarse blurred", source, coarse.shape)
    _narrow(coarse, kernel, blurred, workspace)
    run(_enlarge, out.shape[:2], blurred, np.int32(block), np.int32(border), loadable(out))


def _block_means(source: Float32, block: int, border: int, name: str, workspace: Workspace) -> Float32:
    """Means over blocks, with `border` blocks of continued edge pixels added on all sides."""
    height, width, channels = source.shape
    size = (-(-height // block) + 2 * border, -(-width // block) + 2 * border, channels)
    means = workspace.empty(name, source, size)
    run(_reduce, size[:2], source, np.int32(block), np.int32(border), means)
    return means


@njit(cache=True, inline="always")
def normalised(value, weight, wide, thin):
    """A blurred product over the blurred weight, leaning on the wider surroundings where that is thin."""
    return (value + thin * wide) / (max(weight, float32(0.0)) + thin)


@njit(cache=True, parallel=True)
def _copy(source, out):
    height, width, channels = out.shape
    for y in prange(height):
        for x in range(width):
            for c in range(channels):
                out[y, x, c] = narrowed(widened(source[y, x, c]), out[y, x, c])


@njit(cache=True)
def _add_pair(total, tap, a, b):
    for i in range(total.size):
        total[i] += tap * (a[i] + b[i])


@njit(cache=True)
def _add_four(total, taps, a, b, c, d, e, f, g, h):
    """Four pairs of neighbours at once, which saves reading and writing the sum in between."""
    first, second, third, fourth = taps[0], taps[1], taps[2], taps[3]
    for i in range(total.size):
        near = first * (a[i] + b[i]) + second * (c[i] + d[i])
        total[i] += near + (third * (e[i] + f[i]) + fourth * (g[i] + h[i]))


@njit(cache=True)
def _down(rows, kernel, y, middle):
    """The vertical pass of row y of `rows` (h, n) into a line (n,)."""
    height, radius = rows.shape[0], kernel.shape[0] - 1
    here = rows[y]
    for i in range(middle.size):
        middle[i] = kernel[0] * here[i]
    k = 1
    while k + 3 <= radius:
        a, b = rows[clamped(y - k, height)], rows[clamped(y + k, height)]
        c, d = rows[clamped(y - k - 1, height)], rows[clamped(y + k + 1, height)]
        e, f = rows[clamped(y - k - 2, height)], rows[clamped(y + k + 2, height)]
        g, h = rows[clamped(y - k - 3, height)], rows[clamped(y + k + 3, height)]
        _add_four(middle, kernel[k:], a, b, c, d, e, f, g, h)
        k += 4
    for rest in range(k, radius + 1):
        _add_pair(middle, kernel[rest], rows[clamped(y - rest, height)], rows[clamped(y + rest, height)])


@njit(cache=True)
def _across(line, kernel, step, row):
    """The horizontal pass of a line that reaches beyond `row` (n,) on both sides; a pixel is `step` numbers."""
    radius = kernel.shape[0] - 1
    reach = radius * step
    for i in range(row.size):
        row[i] = kernel[0] * line[reach + i]
    k = 1
    while k + 3 <= radius:
        left, right = reach - k * step, reach + k * step
        a, b, c, d = line[left:], line[right:], line[left - step :], line[right + step :]
        left, right = left - 2 * step, right + 2 * step
        e, f, g, h = line[left:], line[right:], line[left - step :], line[right + step :]
        _add_four(row, kernel[k:], a, b, c, d, e, f, g, h)
        k += 4
    for rest in range(k, radius + 1):
        _add_pair(row, kernel[rest], line[reach - rest * step :], line[reach + rest * step :])


@njit(cache=True, parallel=True)
def _convolve(source, channels, kernel, out):
    """Both are rows of pixels (h, w * channels)."""
    height, length = source.shape
    reach = (kernel.shape[0] - 1) * channels
    for y in prange(height):
        # The vertical pass of one row goes into a line with room for the continued edges of the horizontal one.
        line, row = np.empty(length + 2 * reach, np.float32), np.empty(length, np.float32)
        middle = line[reach : reach + length]
        _down(source, kernel, y, middle)
        for i in range(0, reach, channels):
            for c in range(channels):
                line[i + c] = middle[c]
                line[reach + length + i + c] = middle[length - channels + c]
        _across(line, kernel, channels, row)
        for i in range(length):
            out[y, i] = narrowed(row[i], out[y, i])


@njit(cache=True, parallel=True)
def _reduce(source, block, border, means):
    height, width, channels = source.shape
    share = float32(1.0) / float32(block * block)
    for Y in prange(means.shape[0]):
        total = np.zeros(width * channels, np.float32)
        for j in range(block):
            row = source[clamped((Y - border) * block + j, height)].reshape(width * channels)
            for i in range(width * channels):
                total[i] += row[i]
        for X in range(means.shape[1]):
            for c in range(channels):
                value = float32(0.0)
                for i in range(block):
                    value += total[clamped((X - border) * block + i, width) * channels + c]
                means[Y, X, c] = value * share


@njit(cache=True, parallel=True, error_model="numpy")
def _enlarge(coarse, block, border, out):
    height, width, channels = out.shape
    left, right, across = places_across(block, border, width, coarse.shape[1])
    for y in prange(height):
        line = line_down(coarse, block, border, y)
        for x in range(width):
            for c in range(channels):
                out[y, x, c] = narrowed(mixed(line[left[x], c], line[right[x], c], across[x]), out[y, x, c])


@njit(cache=True, parallel=True, error_model="numpy")
def _normalise(blurred, surroundings, block, thin, out):
    height, width, channels = out.shape
    left, right, across = places_across(block, 0, width, surroundings.shape[1])
    for y in prange(height):
        line = line_down(surroundings, block, 0, y)
        for x in range(width):
            for c in range(channels):
                wide = mixed(line[left[x], c], line[right[x], c], across[x])
                value = normalised(blurred[y, x, c], blurred[y, x, channels], wide, thin)
                out[y, x, c] = narrowed(value, out[y, x, c])
