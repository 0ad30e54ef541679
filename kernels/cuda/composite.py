"""CUDA kernels of `kernels.composite`."""

# pyright: reportCallIssue=false

from numba import cuda, float32, int32

from kernels.composite import change_of, inverse_of, is_finite, light_of, limited
from kernels.half import narrowed, widened
from kernels.view import transform


@cuda.jit
def _composite(
    red,
    green,
    blue,
    patch,
    matte,
    plate_to_patch,
    to_view,
    from_view,
    knee,
    white,
    correction,
    plate_to_correction,
    grain,
    alpha,
    largest,
    counts,
):
    x, y = cuda.grid(2)
    zero = float32(0.0)
    share, inverse, good, clipped, below = zero, float32(1.0), False, False, False
    if y < matte.shape[0] and x < matte.shape[1]:
        share = max(widened(matte[y, x]), zero)
        if alpha.size > 0:
            coverage = max(widened(alpha[y, x]), zero)
            share *= coverage
            inverse = inverse_of(coverage)
    if share > zero:
        own_r, own_g, own_b = widened(red[y, x]), widened(green[y, x]), widened(blue[y, x])
        r, g, b = own_r * inverse, own_g * inverse, own_b * inverse
        good = is_finite(r, g, b)
        light_r, light_g, light_b = light_of(patch, plate_to_patch, correction, plate_to_correction, knee, white, x, y)
        if grain.size > 0:
            noise = grain[y, x]
            s, t, u = transform(to_view, widened(noise[0]), widened(noise[1]), widened(noise[2]))
            light_r, light_g, light_b = light_r + s, light_g + t, light_b + u
        r, g, b, clipped = change_of(r, g, b, light_r, light_g, light_b, to_view, from_view, white)
        r, g, b = own_r + share * r, own_g + share * g, own_b + share * b
        r, g, b = limited(r, largest), limited(g, largest), limited(b, largest)
        below = r < zero or g < zero or b < zero
        if good:
            like = red[y, x]
            red[y, x], green[y, x], blue[y, x] = narrowed(r, like), narrowed(g, like), narrowed(b, like)
    # Whole blocks count together: an addition for each pixel would wait in line for the others.
    written = cuda.syncthreads_count(int32(good))
    clips = cuda.syncthreads_count(int32(good and clipped))
    broken = cuda.syncthreads_count(int32(share > zero and not good))
    negatives = cuda.syncthreads_count(int32(good and below))
    if cuda.threadIdx.x == 0 and cuda.threadIdx.y == 0:
        cuda.atomic.add(counts, 0, written)
        cuda.atomic.add(counts, 1, clips)
        cuda.atomic.add(counts, 2, broken)
        cuda.atomic.add(counts, 3, negatives)
