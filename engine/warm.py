"""Makes ready before the first job: compiles every kernel that one needs, by small jobs on a face that is nobody's.

Numba compiles a function when it first meets arrays of a new type, and keeps what it made on the disk. Doing a job
meets exactly the types that a job has.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.events import Progress, Report
from engine.faces.exposure import measure_exposure
from engine.faces.identity import embed
from engine.faces.mesh import fit_mesh, region_of_mesh
from engine.faces.tracks import Track, Tracks
from engine.faces.watcher import Watcher, reduce_frame
from engine.geometry import Box
from engine.models.catalogue import canonical_mesh
from engine.plates.color import LINEAR_REC709
from engine.plates.frame import Frame
from engine.plates.zipped import ZIP, compress, decompress
from engine.render import Renderer
from engine.shot import Output, Replace, Shot
from engine.swappers.portrait import Cut, describe
from engine.swappers.pyramid import Pyramid
from engine.swappers.references import Identity, Reference
from kernels.view import make_view, view

Float32 = NDArray[np.float32]

# Width and height of the pictures, and how wide the face is in the reference and in the plates: some kernels work in
# another way on a small face.
SIZE = (640, 560)
REFERENCE_WIDTH = 480.0
PLATE_WIDTHS = (330.0, 70.0)
# Linear light of skin.
SKIN = np.array([0.34, 0.24, 0.17], np.float32)


class _Work(NamedTuple):
    dtype: type[np.floating]
    alpha: bool
    width: float


def warm(report: Report) -> None:
    """Compile what is not on the disk yet, and open the models. Raises ModelError."""
    works = [
        _Work(dtype, alpha, width)
        for dtype in (np.float16, np.float32)
        for alpha in (False, True)
        for width in PLATE_WIDTHS
    ]
    stages = len(works) + 1
    identity = _identity()
    _solve(_frame(works[0]))
    _file(_frame(works[0]))
    report(Progress("warm", 0, 1, stages))
    for number, work in enumerate(works, 1):
        renderer = Renderer(_shot(), _tracks(work.width), LINEAR_REC709, [identity])
        renderer.render(_frame(work))
        report(Progress("warm", number, number + 1, stages))


def _shot() -> Shot:
    return Shot(
        replace=(Replace(identity="nobody", face="all"),), output=Output(path="", layers=("patch", "matte", "stmap"))
    )


def _solve(frame: Frame) -> None:
    """Everything of the first pass; on its own where the networks would not take the picture for a face."""
    reduced = reduce_frame(frame, max(SIZE))
    Watcher(np.eye(3), 1.0, turned=True).look(frame, reduced)
    measure_exposure([reduced.picture], detect_size=max(SIZE), threshold=0.5, turned=False)
    mesh = _mesh(PLATE_WIDTHS[0])
    picture = view(frame.rgb(frame.data_window), make_view())
    fit_mesh(picture, region_of_mesh(mesh))
    embed(picture, mesh)


def _file(frame: Frame) -> None:
    """Packing and unpacking of a block, as when a frame is read and written."""
    rows = frame.channels["R"][:16].view(np.uint8).ravel()
    decompress(compress(rows, ZIP).tobytes(), rows.size)


def _identity() -> Identity:
    mesh = _mesh(REFERENCE_WIDTH)
    portrait = describe(_light(), mesh, np.zeros(128, np.float32), Cut(0, 0, *SIZE, *SIZE, 1.0))
    return Identity([Reference("nobody", portrait, lambda: Pyramid(_light(), mesh))], "")


def _tracks(width: float) -> Tracks:
    track = Track(
        id=0,
        person=0,
        frames=np.array([1], np.int32),
        mesh=_mesh(width)[None].astype(np.float32),
        pose=np.zeros((1, 3), np.float32),
        confidence=np.ones(1, np.float32),
        bridged=np.zeros(1, np.bool_),
        identity=np.zeros(128, np.float32),
    )
    return Tracks(plate="nobody", frames=(1,), size=SIZE, exposure=1.0, cuts=(), tracks=(track,))


def _frame(work: _Work) -> Frame:
    channels = {name: plane.astype(work.dtype) for name, plane in zip("RGB", np.moveaxis(_light(), 2, 0), strict=True)}
    if work.alpha:
        channels["A"] = np.full(SIZE[::-1], 0.75, work.dtype)
    return Frame.new(1, channels, Box(0, 0, *SIZE))


def _light() -> Float32:
    """Skin everywhere, with some shading and grain."""
    x, y = np.meshgrid(np.linspace(-1.0, 1.0, SIZE[0]), np.linspace(-1.0, 1.0, SIZE[1]))
    shading = 1.0 - 0.3 * (x * x + y * y)[..., None] + 0.02 * np.random.default_rng(1).standard_normal((*x.shape, 3))
    return np.asarray(SKIN * np.maximum(shading, 0.05), np.float32)


def _mesh(width: float) -> NDArray[np.float64]:
    """The canonical face, looking straight at the camera from the middle of the picture, with its irises."""
    canonical = canonical_mesh()
    places = canonical.vertices.astype(np.float64) * [1.0, -1.0, -1.0]
    places *= width / np.ptp(places[:, 0])
    places[:, :2] += np.array(SIZE) / 2.0 - (places[:, :2].max(0) + places[:, :2].min(0)) / 2.0
    irises = [np.repeat(places[eye].mean(0)[None], 5, axis=0) for eye in (canonical.right_eye, canonical.left_eye)]
    return np.concatenate([places, *irises])
