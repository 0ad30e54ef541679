"""The parts of a matte: which of them takes what away, and that nothing is lost between them."""

import numpy as np

from engine.shot import Matte
from engine.swappers.parts import split_matte

OUTLINE = np.array([[0.0, 0.5, 1.0, 1.0, 1.0, 1.0]], np.float32)
FACING = np.array([[0.3, 1.0, 0.5, 1.0, 1.0, 0.0]], np.float32)
FREE = np.array([[1.0, 1.0, 1.0, 0.25, 0.0, 1.0]], np.float32)


def hull_of(settings: Matte) -> np.ndarray:
    return OUTLINE * (1.0 - np.float32(settings.facing) * (1.0 - FACING))


def parts_of(matte: np.ndarray, facing: float = 1.0) -> dict[str, np.ndarray]:
    settings = Matte(facing=facing)
    return split_matte(matte, hull_of(settings), FREE, hull_of, settings)


def test_each_has_what_it_takes_away() -> None:
    own = np.array([[1.0, 0.5, 1.0, 1.0, 1.0, 1.0]], np.float32)
    parts = parts_of(np.asarray(OUTLINE * FACING * FREE * own, np.float32))
    np.testing.assert_array_equal(parts["hull"], OUTLINE)
    np.testing.assert_array_equal(parts["facing"], np.where(OUTLINE > 0, FACING, 0))
    np.testing.assert_array_equal(parts["occlusion"], FREE)
    np.testing.assert_array_equal(parts["model"], [[0, 0.5, 1, 1, 0, 0]])


def test_without_facing_it_takes_nothing() -> None:
    parts = parts_of(OUTLINE * FREE, facing=0.0)
    np.testing.assert_array_equal(parts["facing"], OUTLINE > 0)


def test_what_is_put_in_behind_an_obstruction_is_in_the_product() -> None:
    matte = np.asarray(OUTLINE * FACING * np.maximum(FREE, 0.75), np.float32)
    np.testing.assert_allclose(np.prod(list(parts_of(matte).values()), axis=0), matte, atol=1e-6)
