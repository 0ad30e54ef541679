"""The CUDA kernel of `kernels.bottom`: one block, which waits for its own threads where others wait for a launch."""

# pyright: reportCallIssue=false, reportAttributeAccessIssue=false

from numba import cuda

from kernels.bottom import prolong_scale, restrict_scale, scales_from, smooth_scale, stage


@cuda.jit
def _bottom(share, across, down, source, right, values, other, channels, height, width, full):
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    arrays, last = (share, across, down, values, other), scales_from(height, width) - 1
    for first in range(last if full != 0 else 0, -1, -1):
        for step in range(2 * (last - first) + 1):
            index, rising, begun, own = stage(step, first, last, full)
            f = source if own else right
            if begun:
                prolong_scale(arrays, channels, height, width, index, rising, thread, threads)
                cuda.syncthreads()
            smooth_scale(arrays, channels, height, width, index, begun, f, last, rising, thread, threads)
            cuda.syncthreads()
            if not rising and index < last:
                restrict_scale(arrays, channels, height, width, index, f, right, thread, threads)
                cuda.syncthreads()
