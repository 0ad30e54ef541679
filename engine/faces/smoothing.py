"""Steady a face over time without lag: strong where it is still, none where it moves.

Each mesh is split into a pose and a shape (what is left when the pose is undone), and the shape into regions that move
on their own: eyes, mouth, the rest. Each signal is estimated by local polynomial regression with Gaussian weights,
symmetric in time, over windows from one frame to tens. Which window is chosen for each frame by the intersection of
confidence intervals: the one with the least noise whose estimate agrees with those of all the shorter windows within
their noise (Lepski 1990; Goldenshluger & Nemirovski, "On spatially adaptive estimation of nonparametric regression",
1997; Katkovnik, "A new method for varying adaptive bandwidth selection", 1999). The noise is measured from fourth
differences, in which smooth motion vanishes.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, maximum_filter1d, minimum_filter1d, uniform_filter1d
from scipy.sparse import csr_array
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from engine.faces.mesh import POINTS, SURFACE
from engine.faces.pose import CANONICAL_TO_PICTURE, Similarity, fit_similarity
from engine.models.catalogue import canonical_mesh

Float64 = NDArray[np.float64]

# Windows as (order of the polynomial, standard deviation in frames), from the least smoothing to the most. Order 2
# follows curved motion; 1 and 0 are for what moves evenly or not at all, and are calmer at the ends of a track.
WINDOWS = ((2, 0.9), (2, 1.3), (2, 1.9), (2, 2.7), (2, 3.8), (2, 5.4), (1, 5.4), (1, 7.6), (1, 10.8), (0, 14.0))
# The window reaches this many standard deviations.
REACH = 3.0
# Two estimates agree when noise alone would part them further with no more than this probability …
DISAGREE_BY_CHANCE = 1e-4
# … taking the noise of many coordinates, which is all but the same in neighbours, for that of this many.
INDEPENDENT = 4
# What the noise of one coordinate may be, as a fraction of the face's width; below is rounding, above is motion.
NOISE_RANGE = (1e-4, 1e-2)
# The usual noise, for tracks that are too short to measure it.
USUAL_NOISE = 6e-4
SHORTEST_MEASURED = 9
ROUNDING = 1e-6
# Fewer frames than this are left as they are: they are all ends, where a window leans to one side, and eight looks have
# steadied each mesh to about what a window could.
SHORTEST = 9
# The median absolute deviation of a Gaussian is this fraction of its standard deviation.
MAD = 0.6745
# A bridged frame is a guess: it hardly counts beside frames that were seen.
BRIDGED_WEIGHT = 0.05
# Points further than this from a region, in centimetres on the canonical face, do not follow it at all.
REGION_REACH = 1.5
# Frames over which a change of window spreads.
SPREAD = 3

RIGHT_IRIS, LEFT_IRIS = slice(468, 473), slice(473, 478)
CHIN = (18, 83, 313, 200, 199, 175, 152, 148, 377, 176, 400)


def smooth_meshes(
    meshes: NDArray[np.floating], steps: NDArray[np.integer], bridged: NDArray[np.bool_], strength: float = 1.0
) -> Float64:
    """Smoothed copies (n, 478, 3) of the meshes of one track.

    steps: (n,) where each frame lies in time, rising. bridged: (n,) frames that count little. strength: 0 gives the
    meshes as they are, 1 is usual, more takes larger differences for noise.
    """
    meshes = meshes.astype(np.float64)
    if strength <= 0.0 or len(meshes) < SHORTEST:
        return meshes
    poses, template = _poses(meshes)
    width = float(np.linalg.norm(template[454] - template[234]))
    chooser = _Chooser(steps, bridged, strength)

    shifts = np.stack([pose.shift for pose in poses])
    face = width * float(np.median([pose.scale for pose in poses]))
    shifts = chooser.smooth(shifts, chooser.choose(shifts[:, :2], face))
    # A change of the logarithm of the scale, or of a turn's quaternion, moves the rim of the face by half as much.
    scales = np.log([[pose.scale] for pose in poses])
    scales = np.exp(chooser.smooth(scales, chooser.choose(scales, 2.0)))
    turns = _quaternions([pose.rotation for pose in poses])
    turns = chooser.smooth(turns, chooser.choose(turns, 1.0))
    shapes = np.stack([pose.back(mesh) for pose, mesh in zip(poses, meshes, strict=True)])
    shapes = _smooth_shapes(shapes, chooser, width)
    moved = zip(shapes, shifts, scales, turns, strict=True)
    return np.stack([Similarity(float(scale[0]), _rotation(turn), shift)(shape) for shape, shift, scale, turn in moved])


def _poses(meshes: Float64) -> tuple[list[Similarity], Float64]:
    """The pose of each mesh against the track's own mean shape (478, 3), which comes with them, in centimetres.

    The shape is centred, so that the noise of the turn does not move the face.
    """
    shares = _region_shares()
    weights = shares[-1] + 1e-3
    template = canonical_mesh().vertices.astype(np.float64) * CANONICAL_TO_PICTURE
    poses = [fit_similarity(template, mesh[:SURFACE], weights[:SURFACE]) for mesh in meshes]
    for _ in range(2):
        template = np.mean([pose.back(mesh) for pose, mesh in zip(poses, meshes, strict=True)], axis=0)
        template -= weights @ template / weights.sum()
        poses = [fit_similarity(template, mesh, weights) for mesh in meshes]
    return poses, template


def _smooth_shapes(shapes: Float64, chooser: "_Chooser", width: float) -> Float64:
    """Each region by its own windows; points between two regions by a mixture of both."""
    shares = _region_shares()
    choices = []
    for share in shares:
        judged = shapes[:, share > 0.99, :2].reshape(len(shapes), -1)
        choices.append(chooser.choose(judged, width))
    flat = shapes.reshape(len(shapes), -1)
    result = np.zeros_like(shapes)
    for index, estimator in enumerate(chooser.estimators):
        amounts = np.stack([_amount(choice, index) for choice in choices], axis=1) @ shares
        if amounts.any():
            result += amounts[:, :, None] * (estimator @ flat).reshape(shapes.shape)
    return result


class _Chooser:
    """Chooses windows for the frames of one track, and applies them."""

    def __init__(self, steps: NDArray[np.integer], bridged: NDArray[np.bool_], strength: float) -> None:
        self.strength = strength
        weights = np.where(bridged, BRIDGED_WEIGHT, 1.0)
        times = steps.astype(np.float64)
        self.estimators = [_identity(len(steps))]
        self.estimators += [_regression(times, weights, order, sigma) for order, sigma in WINDOWS]
        self.usable = _undisturbed(steps, bridged)
        self.differences = [
            [np.sqrt((first - second).power(2).sum(axis=1)) for second in self.estimators[:index]]
            for index, first in enumerate(self.estimators)
        ]

    def choose(self, judged: Float64, unit: float) -> Float64:
        """The index (n,) of the window for each frame, between two where it changes.

        judged: (n, m) the signal. unit: how much of it is one face's width.
        """
        freedom = min(judged.shape[1], INDEPENDENT)
        limit = np.sqrt(chi2.isf(DISAGREE_BY_CHANCE, freedom) / freedom)
        noise = self.strength * limit * self._noise(judged, unit)
        estimates = [estimator @ judged for estimator in self.estimators]
        choice = np.zeros(len(judged))
        agrees = np.ones(len(judged), bool)
        for index in range(1, len(estimates)):
            for other, difference in zip(estimates[:index], self.differences[index], strict=True):
                agrees &= np.linalg.norm(estimates[index] - other, axis=1) <= noise * (difference + ROUNDING)
            choice[agrees] = index
        # A short window spreads to its neighbours and fades out: a switch between two windows would be a jerk.
        return uniform_filter1d(minimum_filter1d(choice, SPREAD, mode="nearest"), SPREAD, mode="nearest")

    def smooth(self, values: Float64, choice: Float64) -> Float64:
        """The values (n, k), estimated by the chosen windows."""
        return np.sum(
            [_amount(choice, index)[:, None] * (one @ values) for index, one in enumerate(self.estimators)], axis=0
        )

    def _noise(self, judged: Float64, unit: float) -> float:
        """The standard deviation of the noise of the whole vector `judged`, from fourth differences."""
        root = np.sqrt(judged.shape[1])
        if self.usable.sum() < SHORTEST_MEASURED:
            return USUAL_NOISE * unit * root
        kernel = np.array([1.0, -4.0, 6.0, -4.0, 1.0])
        differences = convolve1d(judged, kernel, axis=0)[self.usable]
        deviation = np.median(np.abs(differences), axis=0) / MAD / np.linalg.norm(kernel)
        return float(np.clip(np.linalg.norm(deviation), NOISE_RANGE[0] * unit * root, NOISE_RANGE[1] * unit * root))


def _identity(n: int) -> csr_array:
    return csr_array((np.ones(n), (np.arange(n), np.arange(n))), shape=(n, n))


def _regression(times: Float64, weights: Float64, order: int, sigma: float) -> csr_array:
    """The matrix (n, n) whose row estimates each frame from its neighbours by a polynomial with Gaussian weights."""
    n = len(times)
    reach = int(np.ceil(REACH * sigma))
    columns = np.arange(n)[:, None] + np.arange(-reach, reach + 1)
    inside = (columns >= 0) & (columns < n)
    columns = np.clip(columns, 0, n - 1)
    distance = (times[columns] - times[:, None]) / sigma
    gaussian = np.where(inside & (np.abs(distance) <= REACH), np.exp(-0.5 * distance**2) * weights[columns], 0.0)
    powers = distance[:, :, None] ** np.arange(order + 1)
    normal = np.einsum("nwp,nw,nwq->npq", powers, gaussian, powers)
    # Where a window holds too few frames for its polynomial, the pseudo-inverse takes the simplest that fits.
    first = np.linalg.pinv(normal, rcond=1e-10, hermitian=True)[:, 0]
    rows = np.einsum("np,nwp->nw", first, powers) * gaussian
    keep = inside & (gaussian > 0.0)
    return csr_array((rows[keep], (np.nonzero(keep)[0], columns[keep])), shape=(n, n))


def _amount(choice: Float64, index: int) -> Float64:
    """How much of window `index` a choice (n,) between two windows takes."""
    return np.maximum(0.0, 1.0 - np.abs(choice - index))


def _undisturbed(steps: NDArray[np.integer], bridged: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where five consecutive frames around a frame (n,) were all seen."""
    apart = np.diff(steps.astype(np.int64), prepend=steps[0] - 1) != 1
    disturbed = np.asarray(bridged | apart)
    usable = ~maximum_filter1d(disturbed.astype(np.uint8), 5, mode="nearest").astype(bool)
    usable[:2] = usable[-2:] = False
    return usable


def _quaternions(rotations: Sequence[Float64]) -> Float64:
    """Unit quaternions (n, 4), each with the sign that is nearer to the one before."""
    result = Rotation.from_matrix(np.stack(rotations)).as_quat()
    for index in range(1, len(result)):
        if result[index] @ result[index - 1] < 0.0:
            result[index] = -result[index]
    return result


def _rotation(quaternion: Float64) -> Float64:
    return Rotation.from_quat(quaternion).as_matrix()


@cache
def _region_shares() -> Float64:
    """How much each point follows each region (4, 478): right eye, left eye, mouth and chin, and last the rest."""
    canonical = canonical_mesh()
    vertices = canonical.vertices.astype(np.float64)
    shares = np.zeros((4, POINTS))
    for region, core in enumerate((canonical.right_eye, canonical.left_eye, [*canonical.lips, *CHIN])):
        nearest = np.linalg.norm(vertices[:, None] - vertices[None, core], axis=2).min(axis=1)
        shares[region, :SURFACE] = np.clip(1.0 - nearest / REGION_REACH, 0.0, 1.0)
    shares[0, RIGHT_IRIS] = shares[1, LEFT_IRIS] = 1.0
    total = shares.sum(axis=0)
    shares /= np.maximum(total, 1.0)
    shares[3] = np.maximum(0.0, 1.0 - total)
    return shares
