"""A face's whole way through a frame, on the device from the plate's planes to the plate's planes."""

import numpy as np

from kernels import launch
from kernels.blend import matching_grain, seam_gain
from kernels.composite import composite
from kernels.distance import polygon_distance
from kernels.matte import feather
from kernels.transfer import monge_kantorovich, statistics, transfer
from kernels.view import make_view
from kernels.warp import invert, warp_affine
from kernels.workspace import Workspace

SIZE, CROP = (36, 40), (30, 28)
PLATE_TO_CROP = np.array([[0.72, 0.1, -1.0], [-0.1, 0.72, 2.5]])
HULL = np.array([[8.0, 10.0], [20.0, 5.0], [31.0, 12.0], [28.0, 27.0], [18.0, 32.0], [9.0, 24.0]])
VIEW = make_view(np.array([[1.7, -0.6, -0.1], [-0.1, 1.1, 0.0], [0.0, -0.1, 1.1]]), 1.2)
ROWS_OF_SKIN = slice(4, 32)


def replaced(planes, actor, workspace):
    """Edits planes (3, h, w) in place; returns the counts. `actor` is what a network would have made of the crop."""
    red, green, blue = planes
    plate = workspace.empty("test.plate", red, (*SIZE, 3))
    plate[..., 0], plate[..., 1], plate[..., 2] = red, green, blue
    crop = warp_affine(plate, invert(PLATE_TO_CROP), CROP, "linear", to_view=VIEW)
    patch = transfer(actor, monge_kantorovich(statistics(actor), statistics(crop)))
    np.minimum(np.maximum(patch, np.float32(0.0), out=patch), np.float32(1.0), out=patch)
    hull = feather(polygon_distance(HULL, out=workspace.empty("test.hull", red, SIZE)), 4.0)
    there = warp_affine(patch, PLATE_TO_CROP, SIZE, "cubic")
    skin = launch.zeros(red, SIZE, np.bool_)
    skin[ROWS_OF_SKIN] = True
    gain = seam_gain(plate, there, hull, skin, VIEW, 24.0, workspace=workspace)
    grain = matching_grain(plate, there, hull, skin, VIEW, 1001, 5, (7, -3), workspace=workspace)
    return composite((red, green, blue), patch, hull, PLATE_TO_CROP, VIEW, gain, grain)


def plate_and_actor():
    rng = np.random.default_rng(6)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] / 40.0
    light = 0.25 + 0.15 * np.sin(5 * x + 3 * y)[None] * np.array([1.0, 0.8, 0.6])[:, None, None]
    plate = light + 0.01 * rng.standard_normal(light.shape)
    plate[:, 20, 20], plate[:, 3, 3] = 9.0, np.nan
    return plate, rng.uniform(0.2, 0.6, (*CROP, 3)).astype(np.float32)


def test_a_face_stays_on_the_device(device, agree):
    plate, actor = plate_and_actor()
    plate = plate.astype(np.float16)
    here, there = plate.copy(), device(plate.copy())
    counts = replaced(here, actor, Workspace())
    assert counts[0] > 400 and (here != plate).any()
    agree(replaced(there, device(actor), Workspace()), counts)
    agree(there, here, "half")
