"""Noise levels recovered from simulated and real data."""

import nibabel
import numpy as np
import pytest
import scipy.stats

from raofit.core.errors import RaofitError
from raofit.noise.sigma_estimation import (
    magnitude_variance_factor,
    sigma_from_background,
    sigma_from_repeats,
    sigma_from_residuals,
)

SIGMA = 3.0


def rician(generator, signal, shape):
    return SIGMA * np.hypot(signal / SIGMA + generator.normal(size=shape), generator.normal(size=shape))


def test_variance_of_magnitudes_equals_the_variance_of_the_rice_distribution():
    snr = np.array([0.0, 0.3, 1.0, 2.5, 7.0, 30.0])
    np.testing.assert_allclose(magnitude_variance_factor(snr), scipy.stats.rice.var(snr), rtol=1e-6)
    assert magnitude_variance_factor(0.0) ** 0.5 == pytest.approx(0.655, abs=5e-4)  # the 0.655 of the background
    np.testing.assert_allclose(magnitude_variance_factor([99.9, 100.1, 1e6]), [1 - 0.5 / 99.9**2, 1, 1], atol=1e-4)


@pytest.mark.parametrize("snr", [2.0, 5.0, 50.0])
@pytest.mark.parametrize("n_repeats", [2, 8])
def test_sigma_from_repeated_magnitudes(snr, n_repeats):
    n_voxels = 20_000
    groups = np.repeat([0, 1], n_repeats)
    signal = SIGMA * np.where(groups == 0, snr, 2 * snr)
    measured = rician(np.random.default_rng(1), signal, (n_voxels, groups.size))
    found = sigma_from_repeats(measured, groups, is_magnitude=True)
    # Monte Carlo: relative standard error 1/sqrt(2 · voxels · degrees of freedom) < 0.36 %, four of them; the
    # documented bias of the SNR correction is below 3 % from SNR 2 with repeats of two, and none is left at SNR 5.
    bias = 0.03 if snr < 5 else 0.0
    assert found == pytest.approx(SIGMA, rel=bias + 4 / np.sqrt(2 * n_voxels * 2 * (n_repeats - 1)))


def test_sigma_from_repeats_without_magnitude_is_the_pooled_standard_deviation():
    measured = np.random.default_rng(2).normal(0.0, SIGMA, (50, 4))
    groups = np.array([0, 0, 1, 1])
    pooled = np.sqrt(np.mean([(measured[:, 0] - measured[:, 1]) ** 2 / 2, (measured[:, 2] - measured[:, 3]) ** 2 / 2]))
    assert sigma_from_repeats(measured, groups, is_magnitude=False) == pytest.approx(pooled, rel=1e-12)


def test_sigma_from_repeats_per_voxel_and_with_unusable_voxels():
    generator = np.random.default_rng(3)
    scale = np.array([1.0, 4.0])[:, None]
    measured = 100.0 + scale * generator.normal(size=(2, 400))
    found = sigma_from_repeats(measured, np.zeros(400, int), is_magnitude=True, per_voxel=True)
    np.testing.assert_allclose(found, scale[:, 0], rtol=4 / np.sqrt(2 * 399))  # four standard errors
    with_nan = np.vstack([measured, np.full((1, 400), np.nan)])
    assert np.isfinite(sigma_from_repeats(with_nan, np.zeros(400, int), is_magnitude=True))


def test_repeats_must_exist_and_differ():
    with pytest.raises(RaofitError, match="no measurement is repeated"):
        sigma_from_repeats(np.ones((3, 2)), np.array([0, 1]), is_magnitude=True)
    with pytest.raises(RaofitError, match="the data show no noise"):
        sigma_from_repeats(np.ones((3, 2)), np.array([0, 0]), is_magnitude=False)


@pytest.mark.parametrize(("n_volumes", "tolerance"), [(1, 0.05), (6, 0.02)])
def test_sigma_from_the_background_of_an_image_with_signal(n_volumes, tolerance):
    """Half the voxels hold signal of SNR 0 to 40. The tolerance is the contamination by weak signals: 5 % of signal
    voxels have an SNR below 2, so at most 5 % of the accepted ones, which raise the median by less than that share."""
    generator = np.random.default_rng(4)
    signal = np.concatenate([np.zeros(20_000), generator.uniform(0, 40 * SIGMA, 20_000)])[:, None]
    measured = rician(generator, signal, (40_000, n_volumes))
    assert sigma_from_background(measured) == pytest.approx(SIGMA, rel=tolerance)


def test_pure_background_has_no_contamination():
    measured = rician(np.random.default_rng(5), 0.0, (20_000, 4))
    # relative standard error of the median of n Rayleigh samples: 1/(2·√n·f(x)·x) = 0.72/√n with x the median; x4
    assert sigma_from_background(measured) == pytest.approx(SIGMA, rel=4 * 0.72 / np.sqrt(80_000) + 2e-3)


def test_masked_background_is_ignored():
    generator = np.random.default_rng(6)
    measured = np.vstack([np.zeros((30_000, 4)), rician(generator, 0.0, (10_000, 4)), np.full((10, 4), np.nan)])
    assert sigma_from_background(measured) == pytest.approx(SIGMA, rel=0.02)


def test_no_background_is_said():
    with pytest.raises(RaofitError, match="no voxel is positive"):
        sigma_from_background(np.zeros((10, 3)))
    with pytest.raises(RaofitError, match="expected 30 voxels or more that behave like noise, found"):
        sigma_from_background(np.full((10, 3), 5.0))


def test_sigma_of_a_real_eight_coil_background(shared_data):
    repeats = nibabel.load(shared_data / "dipy" / "test_piesno.nii.gz").get_fdata()
    # dipy documents 0.010749458 for this slice; the methods stop at slightly different sets of background voxels
    assert sigma_from_background(repeats, n_coils=8) == pytest.approx(0.010749458, rel=0.015)


def line_fit(measured, design):
    coefficients = np.linalg.lstsq(design, measured.T, rcond=None)[0]
    return (design @ coefficients).T


def test_residuals_of_a_gaussian_fit_account_for_the_fitted_parameters():
    n_voxels, n_measurements = 20_000, 5
    generator = np.random.default_rng(7)
    design = np.stack([np.ones(n_measurements), np.arange(n_measurements)], axis=-1)
    measured = 50.0 + generator.normal(0, SIGMA, (n_voxels, n_measurements))
    found = sigma_from_residuals(measured, line_fit(measured, design), 2, is_magnitude=False)
    # the median of χ²_3 over n voxels has relative standard error 1.25·√(2/3)/√n or less in variance, half in σ; x4
    assert found == pytest.approx(SIGMA, rel=4 * 0.6 / np.sqrt(n_voxels))


def test_a_tenth_of_bad_fits_moves_the_pooled_value_little():
    generator = np.random.default_rng(8)
    measured = 50.0 + generator.normal(0, SIGMA, (10_000, 10))
    measured[:1000, 0] += 100.0
    found = sigma_from_residuals(measured, np.broadcast_to(50.0, measured.shape), 0, is_magnitude=False)
    # the median moves from quantile 0.5 to 0.5/0.9 of χ²_10: from 9.34 to 9.96, 3.2 % in σ
    assert found == pytest.approx(1.032 * SIGMA, rel=0.01)


@pytest.mark.parametrize("snr", [1.0, 3.0, 20.0])
def test_rician_residuals_solve_the_likelihood_equation(snr):
    """With known signals (no parameter fitted), the per-voxel estimate is the maximum of the Rice likelihood in σ."""
    generator = np.random.default_rng(9)
    signal = SIGMA * snr * np.linspace(1.0, 0.5, 12)
    measured = rician(generator, signal, (3, 12))
    found = sigma_from_residuals(measured, np.broadcast_to(signal, (3, 12)), 0, is_magnitude=True, per_voxel=True)
    grid = SIGMA * np.linspace(0.3, 2.5, 20_001)
    for index in range(3):
        amplitude = signal[:, None] / grid
        likelihood = scipy.stats.rice.logpdf(measured[index][:, None], amplitude, scale=grid).sum(axis=0)
        assert found[index] == pytest.approx(grid[np.argmax(likelihood)], abs=2 * (grid[1] - grid[0]))


def test_rician_residuals_have_the_gaussian_limit():
    generator = np.random.default_rng(10)
    measured = 1000 * SIGMA + generator.normal(0, SIGMA, (100, 8))
    fitted = np.broadcast_to(measured.mean(axis=-1, keepdims=True), measured.shape)
    gaussian = sigma_from_residuals(measured, fitted, 1, is_magnitude=False, per_voxel=True)
    magnitude = sigma_from_residuals(measured, fitted, 1, is_magnitude=True, per_voxel=True)
    np.testing.assert_allclose(magnitude, gaussian, rtol=1e-4)


def test_residuals_need_more_measurements_than_parameters():
    with pytest.raises(RaofitError, match="2 measurements and 2 parameters leave no residual"):
        sigma_from_residuals(np.ones((4, 2)), np.ones((4, 2)), 2, is_magnitude=True)
