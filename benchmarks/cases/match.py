"""The linear Monge-Kantorovich match against NumPy's and against histogram matching, and the growth of both matches."""

import numpy as np
from numpy.typing import NDArray
from skimage.exposure import match_histograms

from benchmarks.growth import Case
from benchmarks.report import Row
from benchmarks.timing import Call, compare
from kernels.match import match_light
from kernels.transfer import SAMPLES, monge_kantorovich, statistics, transfer
from kernels.workspace import Workspace

Float32 = NDArray[np.float32]

SIDE = 2048
REPEATS = 5


def rows() -> list[Row]:
    """Statistics of both pictures and the application, each time; ours reads every so many rows for the statistics."""
    source, target = _pictures(SIDE)
    ours = _matched(source, target, SAMPLES)
    everything = _matched(source, target, SIDE * SIDE)
    what = f"Monge-Kantorovich match, {SIDE}² × 3 float, statistics of"
    return [
        compare(f"{what} {SAMPLES} samples", "NumPy, of all", lambda: _in_numpy(source, target), ours, 30.0, REPEATS),
        compare(f"{what} all", "NumPy, of all", lambda: _in_numpy(source, target), everything, 1.0, REPEATS),
        compare(
            f"{what} {SAMPLES} samples",
            "skimage match_histograms",
            lambda: match_histograms(source, target, channel_axis=-1),
            ours,
            200.0,
            3,
        ),
    ]


def _in_numpy(source: Float32, target: Float32) -> Float32:
    """The formula as it stands in the papers."""
    ours, theirs = source.reshape(-1, 3).astype(np.float64), target.reshape(-1, 3).astype(np.float64)
    root, inverse = _roots(np.cov(ours.T))
    middle, _ = _roots(root @ np.cov(theirs.T) @ root)
    matrix = inverse @ middle @ inverse
    return ((ours - ours.mean(0)) @ matrix.T + theirs.mean(0)).astype(np.float32).reshape(source.shape)


def _roots(covariance: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values, vectors = np.linalg.eigh(covariance)
    lengths = np.sqrt(np.maximum(values, 1e-12))
    return (vectors * lengths) @ vectors.T, (vectors / lengths) @ vectors.T


def _matched(source: Float32, target: Float32, samples: int) -> Call:
    out, workspace = np.empty_like(source), Workspace()

    def call() -> None:
        ours = statistics(source, samples=samples, workspace=workspace)
        theirs = statistics(target, samples=samples, workspace=workspace)
        transfer(source, monge_kantorovich(ours, theirs), out=out)

    return call


def _pictures(side: int) -> tuple[Float32, Float32]:
    """Two pictures of skin-like light: smooth, textured, and tinted differently."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    shade = (0.4 + 0.3 * np.sin(5.0 * x + 2.0 * y))[..., None]
    noise = random.random((side, side, 3), dtype=np.float32)
    source = shade * np.array([0.9, 0.6, 0.5], np.float32) + 0.1 * noise
    target = (1.0 - shade) * np.array([0.5, 0.6, 0.7], np.float32) + 0.2 * noise[::-1]
    return np.ascontiguousarray(source, np.float32), np.ascontiguousarray(target, np.float32)


def _transfer(side: int) -> Call:
    return _matched(*_pictures(side), SAMPLES)


def _light(side: int) -> Call:
    source, target = _pictures(side)
    out, workspace, mask = np.empty_like(source), Workspace(), np.zeros((side, side), bool)
    mask[side // 8 : -side // 8, side // 4 : -side // 4] = True
    return lambda: match_light(source, target, mask, radius=0.15 * side, out=out, workspace=workspace)


GROWTH: list[Case] = [("Monge-Kantorovich match", _transfer), ("robust match of light", _light)]
