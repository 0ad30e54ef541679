import colour
import numpy as np
import pytest

from kernels.view import exposed, held, make_view, seen_of_exposed, unview, view

ACESCG_TO_REC709 = colour.matrix_RGB_to_RGB("ACEScg", "sRGB", chromatic_adaptation_transform="Bradford")


def light(shape=(37, 41, 3), top=2.0):
    return np.random.default_rng(1).uniform(0.0, top, shape).astype(np.float32)


@pytest.mark.parametrize("exposure", [0.2, 1.0, 7.5])
@pytest.mark.parametrize("matrix", [None, ACESCG_TO_REC709])
def test_unview_is_the_exact_inverse_inside_the_range(exposure, matrix):
    model_view = make_view(matrix, exposure)
    inside = exposed(light(top=1.0), make_view())
    plate = unview(seen_of_exposed(inside, model_view), model_view)
    again = unview(view(plate, model_view), model_view)
    np.testing.assert_allclose(again, plate, rtol=2e-5, atol=2e-6 / exposure)


def test_below_the_knee_the_view_is_the_srgb_curve_of_colour_science():
    plate = light(top=0.55)
    expected = colour.cctf_encoding(plate.astype(np.float64), function="sRGB")
    np.testing.assert_allclose(view(plate, make_view()), expected, atol=2e-6)


def test_the_shoulder_is_continuous_monotonic_and_ends_at_white():
    ramp = np.repeat(np.linspace(0.0, 3.0, 3001, dtype=np.float32)[None, :, None], 3, axis=2)
    seen = view(ramp, make_view())[0, :, 0]
    assert (np.diff(seen) >= 0.0).all()
    assert np.abs(np.diff(seen, n=2)[100:2400]).max() < 2e-4
    assert seen[2500] == pytest.approx(1.0, abs=1e-6) and seen[2400] < 1.0


def test_what_the_view_cannot_hold_is_clipped_and_nan_is_black():
    plate = np.array([[[-1.0, 90.0, 0.0], [np.nan, np.nan, np.nan]]], np.float32)
    assert view(plate, make_view()).tolist() == [[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]]
    assert view(plate, make_view()).dtype == np.float32


def test_what_a_view_holds_is_what_comes_back_from_it():
    plate = light(top=4.0) - np.float32(0.5)
    plate[3, 4], plate[5, 6, 1] = np.nan, np.inf
    model_view = make_view(ACESCG_TO_REC709, 1.4)
    there_and_back = exposed(view(plate, model_view), model_view)
    np.testing.assert_allclose(held(plate, model_view), there_and_back, rtol=1e-5, atol=2e-6)


def test_out_is_filled_and_returned():
    plate, out = light(), np.empty((37, 41, 3), np.float32)
    assert view(plate, make_view(), out=out) is out
    np.testing.assert_array_equal(out, view(plate, make_view()))


def test_halves_in_and_out_and_boxes_of_frames():
    plate = light((40, 60, 3)).astype(np.float16)
    box = plate[3:30, 5:50]
    expected = view(box.astype(np.float32), make_view())
    np.testing.assert_array_equal(view(box, make_view()), expected)
    out = np.zeros((40, 60, 3), np.float16)
    assert view(box, make_view(), out=out[3:30, 5:50]).base is out
    np.testing.assert_array_equal(out[3:30, 5:50], expected.astype(np.float16))
    np.testing.assert_array_equal(unview(out, make_view()), unview(out.astype(np.float32), make_view()))


@pytest.mark.parametrize("wrong", [{"exposure": 0.0}, {"knee": 1.0}, {"white": 0.9}])
def test_a_view_that_has_no_inverse_is_refused(wrong):
    with pytest.raises(ValueError):
        make_view(None, **wrong)
