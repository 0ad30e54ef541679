"""The faces that the tests look at: public-domain pictures that come in packages."""

import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data
from skimage.io import imread

from engine.faces.analyse import Face, analyse_picture


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.float32]:
    """A smiling woman (512, 512, 3), model view [0, 1]; her face is about 92 pixels wide."""
    return data.astronaut().astype(np.float32) / 255.0


@pytest.fixture(scope="session")
def officer() -> NDArray[np.float32]:
    """Another woman (606, 512, 3), model view [0, 1]."""
    return imread(f"{matplotlib.get_data_path()}/sample_data/grace_hopper.jpg").astype(np.float32) / 255.0


@pytest.fixture(scope="session")
def astronaut_face(astronaut: NDArray[np.float32]) -> Face:
    return analyse_picture(astronaut)[0]


@pytest.fixture(scope="session")
def officer_face(officer: NDArray[np.float32]) -> Face:
    return analyse_picture(officer)[0]
