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


def robust_mean(embeddings: NDArray[np.floating]) -> Float32:
    """The middle (128,) of identities (n, 128) of one person: the geometric median, which a few wrong ones do not move.

    Weiszfeld's iteration, from the mean; Vardi & Zhang, "The multivariate L1-median and associated data depth", 2000.
    """
    samples = embeddings.astype(np.float64)
    middle = samples.mean(0)
    for _ in range(50):
        weights = 1.0 / np.maximum(np.linalg.norm(samples - middle, axis=1), 1e-6)
        moved = weights @ samples / weights.sum()
        if np.linalg.norm(moved - middle) < 1e-7:
            break
        middle = moved
    return middle.astype(np.float32)
