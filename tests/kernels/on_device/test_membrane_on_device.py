import numpy as np
import pytest

from kernels.membrane import corrected, membrane, ring_of, seam_correction

RANDOM = np.random.default_rng(5)


def scattered(height, width):
    """Two regions of which one reaches the border, with a hole, a crack and a lone pixel."""
    y, x = np.mgrid[0:height, 0:width]
    inside = (y - 11) ** 2 + (x - 12) ** 2 < 64
    inside |= (x > width - 8) & (y > 3)
    inside[10:12, 9:13] = False
    inside[:, 12] = False
    inside[2, width // 2] = True
    return inside


def pictures(height, width):
    plate = RANDOM.uniform(0.0, 1.5, (height, width, 3)).astype(np.float32)
    patch = (plate * RANDOM.uniform(0.5, 2.0, plate.shape)).astype(np.float32)
    return plate, patch


@pytest.mark.parametrize("quality", ["preview", "final"])
def test_membrane(device, agree, quality):
    inside = scattered(25, 37)
    difference, _ = pictures(25, 37)
    difference[4, :20] = np.nan
    anchor = np.ones(inside.shape, bool)
    anchor[:, 26:] = False
    anchor[12:16] = False
    for held in (None, anchor):
        expected = membrane(difference, inside, held, quality=quality)
        on_device = membrane(
            device(difference), device(inside), None if held is None else device(held), quality=quality
        )
        agree(on_device, expected, "membrane")


def test_a_guess_half_and_a_box(device, agree):
    inside = scattered(25, 37)
    difference = pictures(25, 37)[0].astype(np.float16)
    guess = membrane(difference, inside, residual=1e-2)
    box = slice(1, 24), slice(2, 36)
    expected = membrane(difference[box], inside[box], guess=guess[box])
    result = device(np.full((25, 37, 3), 7.0, np.float16))
    on_device = membrane(device(difference)[box], device(inside)[box], guess=device(guess)[box], out=result[box])
    agree(on_device, expected.astype(np.float16), "half")
    agree(ring_of(device(inside)), ring_of(inside))


def test_seam_correction(device, agree):
    inside = scattered(25, 37)
    plate, patch = pictures(25, 37)
    plate[3:6, 8:11] = [50.0, np.inf, -1.0]
    anchor = np.ones(inside.shape, bool)
    anchor[:, 30:] = False
    expected = seam_correction(plate, patch, inside, anchor, smooth=1.5)
    on_device = seam_correction(device(plate), device(patch), device(inside), device(anchor), smooth=1.5)
    agree(on_device, expected, "membrane")
    agree(corrected(device(patch), on_device), corrected(patch, expected), "membrane")
