"""Who a face is: a vector of 128 numbers, near for one person and far for two.

dlib's face recognition network (King, "High Quality Face Recognition with Deep Metric Learning", 2017): two pictures
of one person are usually nearer to each other than 0.6.
"""

import numpy as np
from numpy.typing import NDArray

from engine.faces.pose import fit_similarity
from engine.models.session import open_model
from kernels.warp import warp_affine

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# Distance of embeddings from which two faces are two people (dlib's own threshold).
SAME_PERSON = 0.6
# Nearer than this, two pictures show one moment: neighbouring frames of a take, or one picture twice. Two pictures of
# one person on two occasions: 0.43 to 0.54.
NEARLY_THE_SAME = 0.2
# Steps of the iterations below; they have settled long before.
MOST_STEPS = 50
CHIP = 150
FULL = np.float32(255.0)

# Eye corners and the base of the nose on the mesh, and in dlib's mean face of five points, the unit square.
CHIP_POINTS = [263, 362, 33, 133, 2]
MEAN_FACE = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
PADDING = 0.25
# dlib counts pixels from their centres, hence the half.
CHIP_TEMPLATE = (PADDING + MEAN_FACE) / (1.0 + 2.0 * PADDING) * CHIP + 0.5


def embed(picture: Float32, mesh: NDArray[np.floating]) -> Float32:
    """The identity (128,) of the face with `mesh` (478, 3) in `picture` (h, w, 3), model view [0, 1].

    Raises ModelError.
    """
    chip_to_picture = fit_similarity(CHIP_TEMPLATE, mesh[CHIP_POINTS, :2].astype(np.float64))
    matrix = np.column_stack([chip_to_picture.scale * chip_to_picture.rotation, chip_to_picture.shift])
    chip = warp_affine(picture, matrix, (CHIP, CHIP)).transpose(2, 0, 1) * FULL
    return open_model("dlib_face128").run({"input": np.ascontiguousarray(chip)[None]})[0][0]


def distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """How unlike two identities (128,) are: 0 for the same picture, about 0.6 where two people begin."""
    return float(np.linalg.norm(first.astype(np.float64) - second))


def robust_mean(embeddings: NDArray[np.floating], votes: NDArray[np.floating] | None = None) -> Float32:
    """The middle (d,) of identities (n, d) of one person: the geometric median, which a few wrong ones do not move.

    votes: (n,) > 0, how much each counts; by default all alike. Weiszfeld's iteration, from the mean, with the step of
    Vardi & Zhang, "The multivariate L1-median and associated data depth", 2000, off a sample that it has come upon.
    """
    samples = embeddings.astype(np.float64)
    shares = np.ones(len(samples)) if votes is None else votes.astype(np.float64)
    middle = shares @ samples / shares.sum()
    for _ in range(MOST_STEPS):
        moved = _nearer_median(samples, shares, middle)
        if np.linalg.norm(moved - middle) < 1e-7:
            break
        middle = moved
    return middle.astype(np.float32)


def independent_votes(embeddings: NDArray[np.floating]) -> Float64:
    """How much each of some identities (n, d) counts, (n,): all that are nearly the same count as one together."""
    return 1.0 / np.count_nonzero(_distances(embeddings) < NEARLY_THE_SAME, axis=1)


def majority(embeddings: NDArray[np.floating]) -> NDArray[np.bool_] | None:
    """Which of some identities (n, d) are the person whom most of them show, (n,); None where most show no one person.

    Identities that are nearly the same have one vote together, and a majority is more than half of the votes. The
    person is first whoever has most votes within SAME_PERSON of one identity, then those within it of these ones'
    robust mean; so that strangers, who are near neither to each other nor to them, do not pull it away.
    """
    distances, votes = _distances(embeddings), independent_votes(embeddings)
    support = (distances <= SAME_PERSON) @ votes
    # Of equally supported ones the most central.
    spread = np.minimum(distances, SAME_PERSON) @ votes
    member = distances[np.lexsort((spread, -support))[0]] <= SAME_PERSON
    for _ in range(MOST_STEPS):
        middle = robust_mean(embeddings[member], votes[member])
        moved = np.linalg.norm(embeddings.astype(np.float64) - middle, axis=1) <= SAME_PERSON
        if not moved.any() or (moved == member).all():
            break
        member = moved
    return member if votes[member].sum() > 0.5 * votes.sum() else None


def _distances(embeddings: NDArray[np.floating]) -> Float64:
    """Between each two of identities (n, d), (n, n)."""
    samples = embeddings.astype(np.float64)
    return np.array([np.linalg.norm(samples - sample, axis=1) for sample in samples])


def _nearer_median(samples: Float64, shares: Float64, middle: Float64) -> Float64:
    """One step from `middle` towards the geometric median of samples (n, d), which count by shares (n,)."""
    offsets = samples - middle
    lengths = np.linalg.norm(offsets, axis=1)
    away = lengths > 1e-9
    if not away.any():
        return middle
    pulls = shares[away] / lengths[away]
    step = pulls @ offsets[away] / pulls.sum()
    pull = float(np.linalg.norm(pulls @ offsets[away]))
    here = float(shares[~away].sum())
    # The samples that lie here hold on with their own share.
    return middle + max(0.0, 1.0 - here / max(pull, 1e-12)) * step
