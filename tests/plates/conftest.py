"""Frames that the tests of plates share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.plates.results import write_plate

_TESTDATA = Path(__file__).resolve().parents[2].parent / "shared" / "testdata"


@pytest.fixture
def corpus() -> Path:
    if not _TESTDATA.is_dir():
        pytest.skip("the real files in ../shared/testdata are not here")
    return _TESTDATA


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture
def plate(tmp_path: Path, rng: np.random.Generator) -> Callable[..., Path]:
    """`write_plate` to a file `plate.exr`, whatever was there."""
    return lambda *arguments, **options: write_plate(tmp_path / "plate.exr", rng, *arguments, **options)
