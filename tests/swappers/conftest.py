from pathlib import Path

import cv2
import matplotlib
import pytest
import skimage.data

from engine.swappers.references import read_reference


@pytest.fixture(scope="session")
def hopper_path():
    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


@pytest.fixture(scope="session")
def astronaut_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("astronaut") / "astronaut.png"
    cv2.imwrite(str(path), skimage.data.astronaut()[..., ::-1])
    return path


@pytest.fixture(scope="session")
def hopper_reference(hopper_path):
    return read_reference(hopper_path)


@pytest.fixture(scope="session")
def astronaut_reference(astronaut_path):
    return read_reference(astronaut_path)
