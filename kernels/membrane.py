"""The seam correction: a membrane stretched over the matte from the difference at its edge.

Perez et al., "Poisson Image Editing" (2003), in the form of Georgiev (2006) and Farbman et al. (2009): with the
patch's gradients kept, the correction that joins it to the plate is the solution of Laplace's equation whose edge is
their difference. `seam_correction` solves it in the logarithm of light, so that a highlight on the seam neither
brightens the whole face nor turns a shadow negative.

The *ring* is the set of pixels outside a region that share an edge with one of its pixels. Regions that share no edge
are solved together and do not touch each other.

On a GPU, with `crop=False` and without a guess, `membrane` puts its kernels on the current stream and waits for none;
with a workspace and `out` it allocates nothing either from the second call on, so that it can be captured in a graph.
"""

from typing import Any, Literal

import numpy as np
from numba import float32, njit, prange
from numpy.typing import NDArray

from kernels.elementary import exp
from kernels.half import loadable, narrowed, widened
from kernels.launch import empty, run, zeros
from kernels.multigrid import solve
from kernels.regions import Mask, boxes_of, drop_unheld, make_states, sizes
from kernels.scales import FREE, UNKNOWN, States, make_pyramid
from kernels.seam import hold_at_seam
from kernels.workspace import Workspace

Float32 = NDArray[np.float32]
Quality = Literal["preview", "final"]

# What keeps the logarithm of light finite: (light + EPSILON) is scaled by a correction.
EPSILON = 1e-3


def membrane(
    difference: NDArray[Any],
    inside: Mask,
    anchor: Mask | None = None,
    residual: float = 1e-3,
    quality: Quality = "final",
    guess: NDArray[Any] | None = None,
    *,
    crop: bool = True,
    out: NDArray[Any] | None = None,
    workspace: Workspace | None = None,
) -> Float32:
    """The harmonic extension (h, w, c) of `difference` (h, w, c) from the ring of `inside` (h, w) into it.

    The result equals `difference` on the ring and is 0 beyond it. Where `anchor` (h, w) is given, ring pixels that are
    not anchors do not hold the membrane, and neither do those whose difference is not finite: it is free there, as it
    is at the array's border, and they take its value. A region without an anchor gets 0, and so does its ring.
    difference and `out` may be float16 or float32, of any layout.

    `residual` is relative to the residual of no correction at all: at 1e-3 the result is, in the mean, within 0.1 % of
    the exact solution. A preview, whatever the residual, is within 1 % where the edge is light with a tenth of noise.

    `guess` (h, w, c), the last frame's result, is where the solver starts if that is nearer to the solution than what
    it finds on its own, as on a seam that stands still. The result is as good, but not the same to the bit: do not use
    it for frames that must come out alike in any order.

    With `crop` the solver works in boxes round the regions, which have to be found: a GPU is waited for, as it is with
    a guess. Without, it works on the whole array.
    """
    workspace = Workspace() if workspace is None else workspace
    states = make_states(inside, anchor, difference, workspace)
    return _stretched(states, difference, residual, quality, guess, crop, out, workspace)


def seam_correction(
    plate: NDArray[Any],
    patch: NDArray[Any],
    inside: Mask,
    anchor: Mask | None = None,
    epsilon: float = EPSILON,
    smooth: float = 4.0,
    limit: float = 3.0,
    residual: float = 1e-3,
    quality: Quality = "final",
    guess: NDArray[Any] | None = None,
    *,
    crop: bool = True,
    out: NDArray[Any] | None = None,
    workspace: Workspace | None = None,
) -> Float32:
    """What to add to the logarithm of `patch` (h, w, 3) over `inside` (h, w) so that its edge meets `plate`'s.

    Both pictures are linear, float16 or float32; the corrected patch is (patch + epsilon) * exp(correction) - epsilon
    (`corrected`). Negative light counts as 0. Before it is stretched, the difference on the ring is clamped, per
    channel, to `limit` robust sigmas round its median, and blurred along the seam by `smooth` pixels, so that neither
    a highlight nor the plate's grain streaks into the face. Only anchors (all of the ring when None) count. The rest
    is as in `membrane`; a GPU is waited for, to count the ring.
    """
    workspace = Workspace() if workspace is None else workspace
    states = make_states(inside, None, plate[:, :0], workspace)
    difference = hold_at_seam(states, plate, patch, anchor, epsilon, smooth, limit, workspace)
    return _stretched(states, difference, residual, quality, guess, crop, out, workspace)


def corrected(
    patch: NDArray[Any], correction: NDArray[Any], epsilon: float = EPSILON, out: NDArray[Any] | None = None
) -> Float32:
    """A linear patch (h, w, c) with a `seam_correction` of the same epsilon applied. `out` may be `patch`.

    All may be float16 or float32. NaN and infinity stay.
    """
    result = empty(patch, patch.shape) if out is None else out
    run(_correct, patch.shape[:2], loadable(patch), loadable(correction), np.float32(epsilon), loadable(result))
    return result


def ring_of(inside: Mask) -> Mask:
    """The pixels (h, w) outside `inside` that share an edge with one of its pixels."""
    states = make_states(inside, None, empty(inside, (len(inside), 0, 1)), Workspace())
    return states.array[: states.size[0] * states.size[1]].reshape(states.size)[1:-1, 1:-1] == FREE


def _stretched(
    states: States,
    difference: NDArray[Any],
    residual: float,
    quality: Quality,
    guess: NDArray[Any] | None,
    crop: bool,
    out: NDArray[Any] | None,
    workspace: Workspace,
) -> Float32:
    result = zeros(difference, difference.shape) if out is None else out
    whole = [(slice(0, difference.shape[0]), slice(0, difference.shape[1]))]
    boxes = [] if not drop_unheld(states, workspace) else boxes_of(states, workspace) if crop else whole
    if out is not None:
        _clear_around(out, boxes)
    nothing = empty(difference, (len(difference), 0, difference.shape[2]))
    for box in boxes:
        own = _part(states, box)
        start = nothing[box[0]] if guess is None else guess[box]
        pyramid = make_pyramid(own, loadable(difference[box]), loadable(start), workspace)
        values = solve(pyramid, residual, quality == "preview", guess is not None, workspace)
        target = loadable(result[box])
        run(_finish, target.shape[:2], *own.arguments, values, *sizes(target), target)
    return result


def _part(states: States, box: tuple[slice, slice]) -> States:
    """The states of a box, whose rim is what lies round it."""
    rows, columns = box
    size = rows.stop - rows.start + 2, columns.stop - columns.start + 2
    return States(states.array, states.origin + rows.start * states.pitch + columns.start, states.pitch, size)


def _clear_around(out: NDArray[Any], boxes: list[tuple[slice, slice]]) -> None:
    """Set to 0 what is in none of the boxes, and, of several, what is in them."""
    if len(boxes) != 1:
        out[...] = 0
        return
    ((rows, columns),) = boxes
    out[: rows.start] = 0
    out[rows.stop :] = 0
    out[rows, : columns.start] = 0
    out[rows, columns.stop :] = 0


@njit(cache=True, inline="always")
def corrected_channel(patch, correction, epsilon):
    """One channel of a linear patch with the correction applied."""
    return (patch + epsilon) * exp(correction) - epsilon


@njit(cache=True, inline="always", error_model="numpy")
def free_value(state, at, pitch, values, place, width):
    """What the membrane brings to a free pixel: the mean of its unknown neighbours, 0 without."""
    total, count = float32(0.0), float32(0.0)
    if state[at - pitch] == UNKNOWN:
        total += values[place - width]
        count += float32(1.0)
    if state[at + pitch] == UNKNOWN:
        total += values[place + width]
        count += float32(1.0)
    if state[at - 1] == UNKNOWN:
        total += values[place - 1]
        count += float32(1.0)
    if state[at + 1] == UNKNOWN:
        total += values[place + 1]
        count += float32(1.0)
    return total / count if count > float32(0.0) else float32(0.0)


@njit(cache=True, parallel=True)
def _finish(state, origin, pitch, values, height, width, out):
    for y in prange(height):
        row, like = origin + (y + 1) * pitch + 1, out[y, 0, 0]
        for c in range(out.shape[2]):
            first = (c * (height + 2) + y + 1) * (width + 2) + 1
            line = values[first : first + width]
            for x in range(width):
                out[y, x, c] = narrowed(line[x], like)
        for x in range(width):
            if state[row + x] == FREE:
                for c in range(out.shape[2]):
                    place = (c * (height + 2) + y + 1) * (width + 2) + 1 + x
                    out[y, x, c] = narrowed(free_value(state, row + x, pitch, values, place, width + 2), like)


@njit(cache=True, parallel=True)
def _correct(patch, correction, epsilon, out):
    for y in prange(patch.shape[0]):
        like = out[y, 0, 0]
        for x in range(patch.shape[1]):
            for c in range(patch.shape[2]):
                value = corrected_channel(widened(patch[y, x, c]), widened(correction[y, x, c]), epsilon)
                out[y, x, c] = narrowed(value, like)
