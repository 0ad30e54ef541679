import numpy as np
import pytest

from kernels.membrane import corrected, membrane, ring_of, seam_correction

RANDOM = np.random.default_rng(5)


def scattered(height, width):
    """Two regions of which one reaches the border, with a hole, a crack and a lone pixel."""
    y, x = np.mgrid[0:height, 0:width]
    inside = (y - 9) ** 2 + (x - 9) ** 2 < 49
    inside |= (x > width - 5) & (y > 3)
    inside[8:10, 6:10] = False
    inside[:, 9] = False
    inside[2, width // 2 + 2] = True
    return inside


def pictures(height, width):
    plate = RANDOM.uniform(0.0, 1.5, (height, width, 3)).astype(np.float32)
    patch = (plate * RANDOM.uniform(0.5, 2.0, plate.shape)).astype(np.float32)
    return plate, patch


@pytest.mark.parametrize("quality", ["preview", "final"])
def test_membrane(device, agree, quality):
    inside = scattered(19, 23)
    difference, _ = pictures(19, 23)
    difference[4, :14] = np.nan
    anchor = np.ones(inside.shape, bool)
    anchor[:, 16:] = False
    anchor[10:13] = False
    held = anchor if quality == "final" else None
    crop = quality == "final"
    expected = membrane(difference, inside, held, quality=quality, crop=crop)
    there = None if held is None else device(held)
    agree(membrane(device(difference), device(inside), there, quality=quality, crop=crop), expected, "membrane")


def test_a_guess_half_and_a_box(device, agree):
    inside = scattered(19, 23)
    difference = pictures(19, 23)[0].astype(np.float16)
    guess = membrane(difference, inside, residual=1e-2)
    box = slice(1, 18), slice(2, 22)
    expected = membrane(difference[box], inside[box], guess=guess[box])
    result = device(np.full((19, 23, 3), 7.0, np.float16))
    on_device = membrane(device(difference)[box], device(inside)[box], guess=device(guess)[box], out=result[box])
    agree(on_device, expected.astype(np.float16), "half")
    agree(ring_of(device(inside)), ring_of(inside))


def test_seam_correction(device, agree):
    inside = scattered(19, 23)
    plate, patch = pictures(19, 23)
    plate[2:4, 8:11] = [50.0, np.inf, -1.0]
    anchor = np.ones(inside.shape, bool)
    anchor[:, 19:] = False
    expected = seam_correction(plate, patch, inside, anchor, smooth=1.5)
    on_device = seam_correction(device(plate), device(patch), device(inside), device(anchor), smooth=1.5)
    agree(on_device, expected, "membrane")
    agree(corrected(device(patch), on_device), corrected(patch, expected), "membrane")
