"""Resample pictures: by an affine matrix, or by a dense map.

Convention: coordinates are pixels with centres at half-integers, x right, y down; a matrix or a map takes an output
pixel's centre to a place in the source.

Kinds: "linear" (a tent), "cubic" (Catmull-Rom) and "lanczos" (three lobes), see `kernels.filters`; where the output is
smaller than the source, the kernel is widened to the output's pixel spacing, so that a face of 1500 pixels taken into a
crop of 128 does not alias. Outside its border the source goes on with its edge pixels ("continue"), with 0 ("zero",
black and transparent), or mirrored at its edge ("mirror").

Light: pixels are filtered as they are, so give scene-linear ones; a view is taken of the result. The tent only takes
means. The others have negative lobes, which ring around highlights: unless `limit` is False, a result is kept within
the range of the pixels that it was made from, so that neither a negative nor a halo surrounds a highlight. A NaN or an
infinity spoils the results whose kernel touches it, and no other.

Alpha: the last of two or four channels, where `alpha` is given. "straight": the colours are not multiplied by it; they
are weighted by it while they are filtered, so that what is transparent gives no colour, and divided by it afterwards.
"premultiplied": filtered as it is; a finish is made of the colours divided by it.

Finish, one of: `colour`, a (3, 3) matrix (primaries, exposure); `to_view`, from plate-linear light to a model view;
`from_view`, from a model view to plate-linear light. It is made of the first three of three or four channels, after
they are filtered.
"""

from typing import Any, Literal

import numpy as np
from numba import njit, prange
from numpy.typing import ArrayLike, NDArray

from kernels.filters import EDGES, KINDS, LARGEST_LOCAL_SCALE, LINEAR, Edge, Kind, code_of, local_scales, scales
from kernels.half import loadable
from kernels.launch import empty, run
from kernels.sample import FROM_VIEW, MATRIX, PREMULTIPLIED, STRAIGHT, TO_VIEW, Manner
from kernels.view import ModelView, flat
from kernels.windows import fill_tile, scratch_for, side_of

Float32 = NDArray[np.float32]
Alpha = Literal["straight", "premultiplied"]

ALPHAS = {None: 0, "straight": STRAIGHT, "premultiplied": PREMULTIPLIED}


def warp_affine(
    source: NDArray[Any],
    out_to_source: ArrayLike,
    size: tuple[int, int],
    kind: Kind = "linear",
    out: NDArray[Any] | None = None,
    *,
    inverse: bool = False,
    edge: Edge = "continue",
    limit: bool = True,
    alpha: Alpha | None = None,
    colour: ArrayLike | None = None,
    to_view: ModelView | None = None,
    from_view: ModelView | None = None,
) -> Float32:
    """Sample `source` (h, w, c) under a (2, 3) matrix into (height, width, c), anti-aliased when it shrinks.

    source and out: float16 or float32, any strides; a new result is float32. inverse: the matrix given leads from the
    source to the output. Raises ValueError where the options do not fit the channels or each other, and where a matrix
    to be inverted is singular.
    """
    matrix = np.asarray(invert(out_to_source) if inverse else out_to_source, np.float64)[:2]
    manner = manner_of(source.shape[2], kind, edge, limit, alpha, colour, to_view, from_view)
    result: Any = empty(source, (*size, source.shape[2])) if out is None else out
    scale_x, scale_y = map(np.float32, scales(*matrix[0, :2], *matrix[1, :2]))
    run(_affine, result.shape[:2], loadable(source), tuple(matrix.ravel()), scale_x, scale_y, *manner, loadable(result))
    return result


def warp_dense(
    source: NDArray[Any],
    coordinates: Float32,
    kind: Kind = "cubic",
    scale: float | None = 1.0,
    out: NDArray[Any] | None = None,
    *,
    edge: Edge = "continue",
    limit: bool = True,
    alpha: Alpha | None = None,
    colour: ArrayLike | None = None,
    to_view: ModelView | None = None,
    from_view: ModelView | None = None,
) -> Float32:
    """Sample `source` (h, w, c) at `coordinates` (height, width, 2), source pixels (x, y); NaN coordinates give 0.

    scale: source pixels from one output pixel to the next; above 1 the kernel is widened by it against aliasing. None
    measures it at each pixel, along each axis, from the pixels beside it. Otherwise as `warp_affine`.
    """
    manner = manner_of(source.shape[2], kind, edge, limit, alpha, colour, to_view, from_view)
    result: Any = empty(source, (*coordinates.shape[:2], source.shape[2])) if out is None else out
    # A scale of 0 stands for one that is measured.
    fixed = np.float32(0.0 if scale is None else max(1.0, scale))
    run(_dense, result.shape[:2], loadable(source), coordinates, fixed, *manner, loadable(result))
    return result


def invert(matrix: ArrayLike) -> NDArray[np.float64]:
    """The inverse (2, 3) of an affine (2, 3), or of the upper rows of a (3, 3). Raises ValueError when singular."""
    matrix = np.asarray(matrix, np.float64)[:2]
    try:
        linear = np.linalg.inv(matrix[:, :2])
    except np.linalg.LinAlgError as error:
        raise ValueError("a matrix that flattens the picture has no inverse") from error
    return np.column_stack([linear, -linear @ matrix[:, 2]]).astype(np.float64)


def pixels_of_st(st: NDArray[Any], size: tuple[int, int], out: Float32 | None = None) -> Float32:
    """Pixel coordinates (h, w, 2), for `warp_dense`, of an ST map (h, w, 2) into a source of (height, width).

    An ST map, as Nuke and other compositors write it, holds s right and t up, from 0 to 1 over the source's edges.
    """
    result = empty(st, (*st.shape[:2], 2)) if out is None else out
    height, width = map(np.float32, size)
    np.multiply(st[..., 0], width, out=result[..., 0], dtype=np.float32)
    np.multiply(st[..., 1], -height, out=result[..., 1], dtype=np.float32)
    result[..., 1] += height
    return result


def st_of_pixels(coordinates: Float32, size: tuple[int, int], out: NDArray[Any] | None = None) -> NDArray[Any]:
    """The ST map (h, w, 2) of pixel coordinates (h, w, 2) in a source of (height, width); see `pixels_of_st`."""
    result = empty(coordinates, coordinates.shape) if out is None else out
    height, width = map(np.float32, size)
    np.multiply(coordinates[..., 0], np.float32(1.0) / width, out=result[..., 0])
    np.multiply(coordinates[..., 1], np.float32(-1.0) / height, out=result[..., 1])
    result[..., 1] += np.float32(1.0)
    return result


def manner_of(
    channels: int,
    kind: Kind,
    edge: Edge,
    limit: bool,
    alpha: Alpha | None,
    colour: ArrayLike | None,
    to_view: ModelView | None,
    from_view: ModelView | None,
) -> tuple[Manner, tuple[np.float32, ...]]:
    """The options and the matrix of the finish as loops take them.

    Raises ValueError where the options do not fit the channels or each other.
    """
    if sum(finish is not None for finish in (colour, to_view, from_view)) > 1:
        raise ValueError("a warp makes one finish: colour, to_view or from_view")
    matrix, finish = np.eye(3, dtype=np.float32), 0
    if colour is not None:
        matrix, finish = np.asarray(colour, np.float32), MATRIX
    elif to_view is not None:
        matrix, finish = to_view.to_view, TO_VIEW
    elif from_view is not None:
        matrix, finish = from_view.from_view, FROM_VIEW
    if finish and channels not in (3, 4):
        raise ValueError("a finish is made of three colours, and of an alpha beside them")
    if alpha is not None and (channels not in (2, 4) or alpha not in ALPHAS):
        raise ValueError("alpha is 'straight' or 'premultiplied', and the last of two or four channels")
    code = code_of(KINDS, kind)
    codes = (code, code_of(EDGES, edge), np.int32(ALPHAS[alpha]), np.int32(limit and code != LINEAR), np.int32(finish))
    view = to_view or from_view
    knee, white = (view.knee, view.white) if view else (0.5, 1.5)
    return Manner(*codes, np.float32(knee), np.float32(white)), flat(matrix)


@njit(cache=True, inline="always")
def place_of(matrix, x, y):
    """Where a (2, 3) matrix in float64 takes a pixel's centre: float32 would be off by 1/4000 of a pixel in a frame."""
    px, py = x + 0.5, y + 0.5
    return matrix[0] * px + matrix[1] * py + matrix[2], matrix[3] * px + matrix[4] * py + matrix[5]


@njit(cache=True, parallel=True, error_model="numpy")
def _affine(source, matrix, scale_x, scale_y, manner, colour, out):
    spread_x, spread_y = abs(matrix[0]) + abs(matrix[1]), abs(matrix[3]) + abs(matrix[4])
    side = side_of(spread_x, spread_y, scale_x, scale_y, manner.kind, out.shape[0])
    for band in prange((out.shape[0] + side - 1) // side):
        largest = max(scale_x, scale_y)
        scratch = scratch_for(side, spread_x, spread_y, scale_x, scale_y, largest, manner.kind)
        _affine_band(source, matrix, scale_x, scale_y, manner, colour, out, side, int(band) * side, scratch)


@njit(cache=True, parallel=True, error_model="numpy")
def _dense(source, coordinates, scale, manner, colour, out):
    # Maps turn as they like: 1.5 is more than the diagonal of a pixel. One that measures its scale may shrink a bit.
    usual = scale if scale > 0.0 else np.float32(2.0)
    largest = scale if scale > 0.0 else np.float32(LARGEST_LOCAL_SCALE)
    side = side_of(1.5 * usual, 1.5 * usual, usual, usual, manner.kind, out.shape[0])
    for band in prange((out.shape[0] + side - 1) // side):
        scratch = scratch_for(side, 1.5 * usual, 1.5 * usual, usual, usual, largest, manner.kind)
        dense_band(source, coordinates, scale, manner, colour, out, side, int(band) * side, scratch)


@njit(cache=True, error_model="numpy")
def _affine_band(source, matrix, scale_x, scale_y, manner, colour, out, side, top, scratch):
    across, down, rows = scratch.across, scratch.down, min(side, out.shape[0] - top)
    across.scale[:], down.scale[:] = scale_x, scale_y
    for left in range(0, out.shape[1], side):
        columns = min(side, out.shape[1] - left)
        for row in range(rows):
            line_x, line_y = across.place[row * columns :], down.place[row * columns :]
            for i in range(columns):
                line_x[i], line_y[i] = place_of(matrix, left + i, top + row)
        fill_tile(source, top, left, rows, columns, manner, colour, scratch, out)


@njit(cache=True, error_model="numpy")
def dense_band(source, coordinates, scale, manner, colour, out, side, top, scratch):
    across, down, rows = scratch.across, scratch.down, min(side, out.shape[0] - top)
    across.scale[:], down.scale[:] = scale, scale
    for left in range(0, out.shape[1], side):
        columns = min(side, out.shape[1] - left)
        for row in range(rows):
            for i in range(columns):
                k = row * columns + i
                across.place[k] = coordinates[top + row, left + i, 0]
                down.place[k] = coordinates[top + row, left + i, 1]
                if scale == 0.0:
                    across.scale[k], down.scale[k] = local_scales(coordinates, left + i, top + row)
        fill_tile(source, top, left, rows, columns, manner, colour, scratch, out)
