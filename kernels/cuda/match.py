"""CUDA kernels of `kernels.match`."""

# pyright: reportCallIssue=false

from numba import cuda

from kernels.half import narrowed, widened
from kernels.match import counted, light_of, log_channel, matched, mean_of, nearer, sample_at
from kernels.transfer import finite


@cuda.jit
def _log(light, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        for c in range(out.shape[2]):
            out[y, x, c] = narrowed(log_channel(widened(light[y, x, c])), out[y, x, c])


@cuda.jit
def _mean(picture, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        mean = mean_of(widened(picture[y, x, 0]), widened(picture[y, x, 1]), widened(picture[y, x, 2]))
        out[y, x] = narrowed(mean, out[y, x])


@cuda.jit
def _count(light, mask, counts):
    y = cuda.grid(1)
    if y < counts.shape[0]:
        count = 0
        for x in range(mask.shape[1]):
            if counted(light, mask, y, x):
                count += 1
        counts[y] = count


@cuda.jit
def _sample(light, mask, counts, ends, step, samples):
    y = cuda.grid(1)
    if y < counts.shape[0]:
        number = ends[y] - counts[y]
        for x in range(mask.shape[1]):
            if counted(light, mask, y, x):
                if number % step == 0:
                    sample_at(light, y, x, samples, number // step)
                number += 1


@cuda.jit
def _difference(patch, plate, numbers, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        r, g = log_channel(widened(patch[y, x, 0])), log_channel(widened(patch[y, x, 1]))
        r, g, b = matched(r, g, log_channel(widened(patch[y, x, 2])), numbers)
        out[y, x, 0] = log_channel(widened(plate[y, x, 0])) - r
        out[y, x, 1] = log_channel(widened(plate[y, x, 1])) - g
        out[y, x, 2] = log_channel(widened(plate[y, x, 2])) - b


@cuda.jit
def _apply(patch, difference, numbers, taken, largest, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        own_r, own_g, own_b = widened(patch[y, x, 0]), widened(patch[y, x, 1]), widened(patch[y, x, 2])
        r, g, b = matched(log_channel(own_r), log_channel(own_g), log_channel(own_b), numbers)
        if difference.size > 0:
            r, g = nearer(r, difference[y, x, 0], taken), nearer(g, difference[y, x, 1], taken)
            b = nearer(b, difference[y, x, 2], taken)
        good, like = finite(own_r, own_g, own_b), out[y, x, 0]
        out[y, x, 0] = narrowed(light_of(r, largest) if good else own_r, like)
        out[y, x, 1] = narrowed(light_of(g, largest) if good else own_g, like)
        out[y, x, 2] = narrowed(light_of(b, largest) if good else own_b, like)
