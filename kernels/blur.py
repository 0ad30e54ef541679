"""Gaussian blur of whole and of masked pictures, and pull-push filling of holes.

Sigmas are in pixels. Beyond its border a picture continues with its edge pixels. Kernels end at four sigmas.

A small blur is a separable convolution. A wide one is done at a coarser scale: block means, a convolution there, and
linear interpolation back, with the variance that the means and the interpolation add taken off the kernel's. Its
error stays under 0.5 % of the picture's range. Pull-push is Gortler et al., "The Lumigraph" (1996).
"""

import numpy as np
from numba import float32, njit, prange
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

# The sigma from which a blur is done at a coarser scale, and the least sigma in coarse pixels.
WIDE = 8.0
COARSE_SIGMA = 4.0

# Weights, relative to 1, below which a masked blur turns to the value of its wider surroundings.
THIN = np.float32(1e-4)


def gaussian(image: Float32, sigma: float, out: Float32 | None = None) -> Float32:
    """Blur (h, w) or (h, w, c) float32 by `sigma` pixels; NaN spreads over the kernel's reach. `out` may be `image`."""
    if not sigma >= 0.0:
        raise ValueError("a blur's sigma is at least 0")
    source = np.ascontiguousarray(image, np.float32).reshape(image.shape[0], image.shape[1], -1)
    result = np.empty(image.shape, np.float32) if out is None else out
    if sigma == 0.0 or image.size == 0:
        np.copyto(result, image)
        return result
    block = _block_of(sigma)
    if block > 1:
        blurred = _wide(source, sigma, block)
    else:
        blurred = np.empty_like(source)
        _convolve(source, gaussian_kernel(sigma), blurred)
    np.copyto(result, blurred.reshape(image.shape))
    return result


def masked_gaussian(image: Float32, weight: Float32, sigma: float) -> Float32:
    """Blur (h, w) or (h, w, c) of only the pixels that have a weight (h, w) in [0, 1]: G(image * weight) / G(weight).

    Far from every weighted pixel the result is their pull-push extension, so that it is defined everywhere; without
    any it is 0. Pixels that are not finite count as without weight.
    """
    source = np.ascontiguousarray(image, np.float32).reshape(image.shape[0], image.shape[1], -1)
    weighted = np.empty((*source.shape[:2], source.shape[2] + 1), np.float32)
    _premultiply(source, np.ascontiguousarray(weight, np.float32), weighted)
    block = 1 << max(0, int(np.log2(max(sigma, 1.0))))
    surroundings = _fill(_block_means(weighted, block, 0))
    blurred = gaussian(weighted, sigma, weighted)
    result = np.empty(source.shape, np.float32)
    _normalise(blurred, surroundings, block, THIN, result)
    return result.reshape(image.shape)


def pull_push(image: Float32, weight: Float32) -> Float32:
    """Extend the weighted pixels of (h, w, c) smoothly over the picture; weight (h, w) in [0, 1].

    Pixels of weight 1 keep their value. Without any weight the result is 0. Pixels that are not finite count as
    without weight.
    """
    weighted = np.empty((*image.shape[:2], image.shape[2] + 1), np.float32)
    source = np.ascontiguousarray(image, np.float32)
    _premultiply(source, np.ascontiguousarray(weight, np.float32), weighted)
    return _fill(weighted)


def gaussian_kernel(sigma: float) -> Float32:
    """The right half (radius + 1,) of a normalised Gaussian, centre first, cut off at four sigmas."""
    radius = max(1, int(4.0 * sigma + 0.5))
    kernel = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    return (kernel / (2.0 * kernel.sum() - 1.0)).astype(np.float32)


def _block_of(sigma: float) -> int:
    """The power of two that a blur of this sigma may be coarsened by."""
    return 1 if sigma < WIDE else 1 << int(np.log2(sigma / COARSE_SIGMA))


def _wide(source: Float32, sigma: float, block: int) -> Float32:
    # A mean over n pixels adds a variance of (n^2 - 1) / 12, linear interpolation over n one of n^2 / 6.
    added = (block * block - 1) / 12.0 + block * block / 6.0
    kernel = gaussian_kernel(float(np.sqrt(sigma * sigma - added)) / block)
    border = len(kernel) + 1
    coarse = _block_means(source, block, border)
    blurred = np.empty_like(coarse)
    _convolve(coarse, kernel, blurred)
    result = np.empty(source.shape, np.float32)
    _enlarge(blurred, block, border, result)
    return result


def _block_means(source: Float32, block: int, border: int) -> Float32:
    """Means over blocks, with `border` blocks of continued edge pixels added on all sides."""
    height, width, channels = source.shape
    size = (-(-height // block) + 2 * border, -(-width // block) + 2 * border, channels)
    means = np.empty(size, np.float32)
    _reduce(source, block, border, means)
    return means


def _fill(weighted: Float32) -> Float32:
    """Pull-push of premultiplied values whose last channel is the weight; values without it are returned."""
    levels = [weighted]
    while max(levels[-1].shape[:2]) > 1:
        fine = levels[-1]
        coarse = np.empty(((fine.shape[0] + 1) // 2, (fine.shape[1] + 1) // 2, fine.shape[2]), np.float32)
        _pull(fine, coarse)
        levels.append(coarse)
    values = np.zeros((1, 1, weighted.shape[2] - 1), np.float32)
    for level in reversed(levels):
        filled = np.empty((*level.shape[:2], level.shape[2] - 1), np.float32)
        _push(level, values, filled)
        values = filled
    return values


@njit(cache=True, inline="always")
def clamped(index, size):
    """The nearest index inside an axis of `size`."""
    return min(max(index, 0), size - 1)


@njit(cache=True, inline="always")
def linear_place(centre, block, border, size):
    """Two neighbouring blocks and the second's share, for linear interpolation at a fine pixel's index."""
    place = (float32(centre) + float32(0.5)) / float32(block) - float32(0.5) + float32(border)
    lower = int(np.floor(place))
    share = place - float32(lower)
    return clamped(lower, size), clamped(lower + 1, size), share


@njit(cache=True, parallel=True)
def _convolve(source, kernel, out):
    height, width, channels = source.shape
    radius = kernel.shape[0] - 1
    flat = source.reshape((height, width * channels))
    length = width * channels
    for y in prange(height):
        # The vertical pass of one row goes into a line with room for the continued edges of the horizontal one.
        line = np.empty(length + 2 * radius * channels, np.float32)
        middle = line[radius * channels : radius * channels + length]
        here = flat[y]
        for i in range(length):
            middle[i] = kernel[0] * here[i]
        for k in range(1, radius + 1):
            above, below, tap = flat[clamped(y - k, height)], flat[clamped(y + k, height)], kernel[k]
            for i in range(length):
                middle[i] += tap * (above[i] + below[i])
        for k in range(radius):
            for c in range(channels):
                line[k * channels + c] = middle[c]
                line[(radius + width + k) * channels + c] = middle[length - channels + c]
        row = out[y].reshape(length)
        for i in range(length):
            row[i] = kernel[0] * middle[i]
        for k in range(1, radius + 1):
            left, right, tap = line[(radius - k) * channels :], line[(radius + k) * channels :], kernel[k]
            for i in range(length):
                row[i] += tap * (left[i] + right[i])


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


@njit(cache=True, parallel=True)
def _enlarge(coarse, block, border, out):
    height, width, channels = out.shape
    for y in prange(height):
        top, bottom, down = linear_place(y, block, border, coarse.shape[0])
        line = np.empty((coarse.shape[1], channels), np.float32)
        for X in range(coarse.shape[1]):
            for c in range(channels):
                line[X, c] = coarse[top, X, c] + down * (coarse[bottom, X, c] - coarse[top, X, c])
        for x in range(width):
            left, right, across = linear_place(x, block, border, coarse.shape[1])
            for c in range(channels):
                out[y, x, c] = line[left, c] + across * (line[right, c] - line[left, c])


@njit(cache=True, parallel=True)
def _premultiply(source, weight, out):
    height, width, channels = source.shape
    for y in prange(height):
        for x in range(width):
            share = weight[y, x] if weight[y, x] > float32(0.0) else float32(0.0)
            for c in range(channels):
                if not np.isfinite(source[y, x, c]):
                    share = float32(0.0)
            for c in range(channels):
                out[y, x, c] = share * source[y, x, c] if share > float32(0.0) else float32(0.0)
            out[y, x, channels] = share


@njit(cache=True, parallel=True)
def _normalise(blurred, surroundings, block, thin, out):
    height, width, channels = out.shape
    for y in prange(height):
        top, bottom, down = linear_place(y, block, 0, surroundings.shape[0])
        for x in range(width):
            left, right, across = linear_place(x, block, 0, surroundings.shape[1])
            total = max(blurred[y, x, channels], float32(0.0)) + thin
            for c in range(channels):
                upper = surroundings[top, left, c] + across * (surroundings[top, right, c] - surroundings[top, left, c])
                lower = surroundings[bottom, left, c] + across * (
                    surroundings[bottom, right, c] - surroundings[bottom, left, c]
                )
                wide = upper + down * (lower - upper)
                out[y, x, c] = (blurred[y, x, c] + thin * wide) / total


@njit(cache=True, parallel=True)
def _pull(fine, coarse):
    """Sums of four; where they hold more weight than 1 they are scaled to it, so that no pixel outweighs a full one."""
    height, width, channels = fine.shape
    for Y in prange(coarse.shape[0]):
        for X in range(coarse.shape[1]):
            for c in range(channels):
                value = float32(0.0)
                for y in range(2 * Y, min(2 * Y + 2, height)):
                    for x in range(2 * X, min(2 * X + 2, width)):
                        value += fine[y, x, c]
                coarse[Y, X, c] = value
            weight = coarse[Y, X, channels - 1]
            if weight > float32(1.0):
                for c in range(channels):
                    coarse[Y, X, c] /= weight


@njit(cache=True, parallel=True)
def _push(level, wider, out):
    """Premultiplied values, and what their weight lacks from the level above, interpolated."""
    height, width, channels = out.shape
    for y in prange(height):
        top, bottom, down = linear_place(y, 2, 0, wider.shape[0])
        for x in range(width):
            lack = max(float32(1.0) - level[y, x, channels], float32(0.0))
            if lack == float32(0.0):
                for c in range(channels):
                    out[y, x, c] = level[y, x, c]
                continue
            left, right, across = linear_place(x, 2, 0, wider.shape[1])
            for c in range(channels):
                upper = wider[top, left, c] + across * (wider[top, right, c] - wider[top, left, c])
                lower = wider[bottom, left, c] + across * (wider[bottom, right, c] - wider[bottom, left, c])
                out[y, x, c] = level[y, x, c] + lack * (upper + down * (lower - upper))
