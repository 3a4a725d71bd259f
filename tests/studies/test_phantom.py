"""The digital phantom: known regions, realistic ranges, reproducible scans."""

import jax
import numpy as np

from raofit.models import IVIM
from raofit.noise import Rician
from raofit.studies.phantom import REGIONS, digital_phantom, simulate_scans

MODEL = IVIM([0, 100, 800])


def test_every_region_is_there_and_air_has_no_signal():
    phantom = digital_phantom((64, 64, 2))
    assert set(np.unique(phantom.region)) == set(range(len(REGIONS) + 1))
    np.testing.assert_array_equal(phantom.mask, phantom.region > 0)
    np.testing.assert_array_equal(phantom.parameters[~phantom.mask][:, 0], 0.0)
    assert 0.3 < phantom.mask.mean() < 0.7


def test_tissue_lies_in_the_training_ranges():
    phantom = digital_phantom((48, 48, 3))
    inside = phantom.parameters[phantom.mask]
    for column, parameter in enumerate(MODEL.parameters):
        low, high = parameter.typical
        assert low <= inside[:, column].min()
        assert inside[:, column].max() <= high


def test_low_fractions_are_the_most_frequent_as_in_tissue():
    fractions = digital_phantom((64, 64, 1)).parameters[..., 1][digital_phantom((64, 64, 1)).mask]
    assert np.median(fractions) < 0.25
    assert fractions.max() > 0.45


def test_regions_have_the_stated_values_at_their_center():
    phantom = digital_phantom((129, 129, 1))
    for index, region in enumerate(REGIONS, start=1):
        if region.name in ("muscle", "gland"):  # their centers are covered or crossed by others
            continue
        x, y = (round(64 * (1 + c)) for c in region.center)
        assert phantom.region[x, y, 0] == index
        expected = (region.fraction, region.slow, region.fast)
        np.testing.assert_allclose(phantom.parameters[x, y, 0, 1:], expected, rtol=0.08)


def test_scans_are_noisy_repeats_of_the_signal():
    phantom, sigma, n = digital_phantom((24, 24, 1)), 0.02, 40
    scans = simulate_scans(phantom, MODEL, Rician(sigma), n, jax.random.key(0))
    assert scans.shape == (n, 24, 24, 1, 3)
    assert scans.dtype == np.float32
    bright = phantom.mask & (phantom.parameters[..., 0] > 0.5)
    spread = scans[..., 0].std(axis=0)[bright]
    # mean over many voxels of a std of n repeats (ddof 0) is σ·(1 − 3/(4n)); 4 sigma of its Monte Carlo error
    assert abs(spread.mean() / sigma - (1 - 0.75 / n)) < 4 / np.sqrt(2 * n * bright.sum())
    assert (scans[:, ~phantom.mask].mean() / sigma) < 2  # air is noise alone: its mean is 1.25 σ
    again = simulate_scans(phantom, MODEL, Rician(sigma), n, jax.random.key(0))
    np.testing.assert_array_equal(scans, again)
