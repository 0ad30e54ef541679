"""Frames that the tests of plates share."""

from pathlib import Path

import numpy as np
import pytest

_TESTDATA = Path(__file__).resolve().parents[2].parent / "shared" / "testdata"


@pytest.fixture
def corpus() -> Path:
    if not _TESTDATA.is_dir():
        pytest.skip("the real files in ../shared/testdata are not here")
    return _TESTDATA


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)
