"""Repeated scans in bins of a reference value."""

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.evaluation.bins import bin_by_reference, within_ranges

REFERENCE = np.array([0.05, 0.15, 0.16, 0.55, 1.0, -0.2, 1.3])


def repeats(offsets):
    """Estimates reference + offset, one repeat per offset."""
    return REFERENCE + np.asarray(offsets)[:, None]


def test_bias_and_std_per_bin():
    curve = bin_by_reference(REFERENCE, repeats([-0.1, 0.3]), (0.0, 1.0))
    np.testing.assert_allclose(curve.center, np.arange(0.05, 1, 0.1))
    np.testing.assert_array_equal(curve.n_voxels, [1, 2, 0, 0, 0, 1, 0, 0, 0, 1])
    full = curve.n_voxels > 0
    np.testing.assert_allclose(curve.bias[full], 0.1)
    np.testing.assert_allclose(curve.std[full], 0.2)
    np.testing.assert_allclose(curve.rmse[full], np.hypot(0.1, 0.2))
    assert np.isnan(curve.bias[~full]).all()


def test_the_released_codes_bins():
    curve = bin_by_reference(
        REFERENCE, repeats([0.0, 0.0]), (0.0, 1.0), n_bins=11, ends_are_centers=True, against_center=True
    )
    np.testing.assert_allclose(curve.center, np.linspace(0, 1, 11))
    assert curve.n_voxels.sum() == 5
    # 0.15 and 0.16 belong to the bin centered on 0.2 (from 0.15), 0.05 to the one on 0.1
    assert curve.bias[2] == pytest.approx(np.mean([0.15, 0.16]) - 0.2)
    np.testing.assert_allclose(curve.std[curve.n_voxels > 0], 0.0, atol=1e-12)


def test_repeats_without_an_estimate_are_left_out():
    estimates = repeats([0.1, 0.3, 0.5])
    estimates[2] = np.nan
    estimates[:, 4] = np.nan
    curve = bin_by_reference(REFERENCE, estimates, (0.0, 1.0))
    assert curve.bias[0] == pytest.approx(0.2)
    assert curve.std[0] == pytest.approx(0.1)
    assert curve.n_voxels[9] == 0


def test_voxels_are_kept_whose_reference_is_in_every_range():
    reference = np.array([[1.0, 0.2], [5.0, 0.2], [1.0, 0.9], [-3.0, 0.2]])
    ranges = np.array([[-np.inf, np.inf], [0.1, 0.5]])
    assert within_ranges(reference, ranges).tolist() == [True, True, False, True]


@pytest.mark.parametrize("estimates", [np.zeros((1, 7)), np.zeros((3, 6)), np.zeros(7)])
def test_wrong_shapes_are_refused(estimates):
    with pytest.raises(RaofitError, match="repeats ≥ 2, 7 voxels"):
        bin_by_reference(REFERENCE, estimates, (0.0, 1.0))
