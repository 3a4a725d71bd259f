"""Intervals by profile likelihood: ± z standard errors where the likelihood is a parabola, and right near bounds."""

import jax
import numpy as np
import pytest
from scipy.special import ive

from raofit import MaximumLikelihood, profile_intervals
from raofit.core.errors import RaofitError
from raofit.models import InversionRecovery, MonoExponentialADC
from raofit.noise import Gaussian, Rician

B = np.array([0.0, 300.0, 600.0, 1000.0])
N = 400


def fit_of(sigma):
    return MaximumLikelihood(MonoExponentialADC(B), Gaussian(sigma), bounds={"ADC": (0.4e-3, 3e-3)})


def drawn(diffusivity, sigma, seed=0):
    signal = np.exp(-B * diffusivity)
    return (signal + np.random.default_rng(seed).normal(0, sigma, (N, 4))).astype(np.float32)


def test_where_the_likelihood_is_a_parabola_they_are_those_of_the_standard_error():
    fit, measured = fit_of(2e-3), drawn(1e-3, 2e-3)
    estimate = fit.estimate(measured)
    ends = profile_intervals(fit, measured, estimate, level=0.95)
    half = 1.96 * estimate.standard_errors
    # the signal bends by 1 % within two standard errors; float32 objectives are good to 1e-3 of these widths
    np.testing.assert_allclose(ends.upper - estimate.values, half, rtol=0.02)
    np.testing.assert_allclose(estimate.values - ends.lower, half, rtol=0.02)


def test_near_a_bound_they_end_there_and_hold_the_truth():
    fit, measured = fit_of(0.1), drawn(0.45e-3, 0.1)
    estimate = fit.estimate(measured)
    ends = profile_intervals(fit, measured, estimate, level=0.95)
    is_on_bound = estimate["ADC"] == np.float32(0.4e-3)
    assert 0.3 < is_on_bound.mean() < 0.7
    lower, upper = ends.lower[:, 1], ends.upper[:, 1]
    np.testing.assert_allclose(lower[is_on_bound], 0.4e-3)
    assert np.all((lower >= 0.4e-3 * (1 - 1e-6)) & (upper <= 3e-3) & (upper > estimate["ADC"]))
    # the interval of an estimate on a bound can only hold the truth more often
    share = np.mean((lower <= 0.45e-3) & (upper >= 0.45e-3))
    assert share > 0.95 - 4 * np.sqrt(0.95 * 0.05 / N)


def test_what_is_known_and_what_has_no_estimate():
    fit, measured = fit_of(0.1), drawn(1e-3, 0.1)
    measured[3] = np.nan
    known = {"S0": np.full(N, 1.0)}
    estimate = fit.estimate(measured, known=known)
    ends = profile_intervals(fit, measured, estimate, known=known)
    np.testing.assert_array_equal(ends.lower[:, 0], estimate["S0"])
    np.testing.assert_array_equal(np.isnan(ends.upper[:, 1]), np.arange(N) == 3)
    half = ends.upper[:, 1] - estimate["ADC"]
    is_inside = np.isfinite(half) & (ends.upper[:, 1] < 3e-3)
    np.testing.assert_allclose(half[is_inside], 1.95996 * estimate.standard_errors[is_inside, 1], rtol=1e-4)


@pytest.mark.slow
def test_a_long_t1_whose_standard_error_is_several_times_the_curvature():
    """Of T1 = 4 s at SNR 10, √CRB varies fourfold between the sides; steps of its mean would miss the nearer end."""
    model, noise = InversionRecovery([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.0]), Rician(0.1)
    signal = np.asarray(model.signal(np.array([1.0, 4.0, 1.5], np.float32)))
    measured = np.asarray(noise.sample(jax.random.key(0), np.tile(signal, (N, 1))))
    ends = profile_intervals(MaximumLikelihood(model, noise), measured)
    share = np.mean((ends.lower[:, 1] <= 4.0) & (ends.upper[:, 1] >= 4.0))
    assert share > 0.95 - 4 * np.sqrt(0.95 * 0.05 / N)


def test_a_level_that_is_no_probability():
    with pytest.raises(RaofitError, match="between 0 and 1, got 95"):
        profile_intervals(fit_of(0.1), np.ones(4), level=95)


def test_an_amplitude_that_is_zero_has_an_upper_end_of_the_size_of_the_noise():
    """Magnitudes say nothing of it at zero, so its standard error is infinite; the end is where 2Δ is 1.96²."""
    sigma, measured = 0.1, np.array([[0.05, 0.04, 0.06, 0.03], [0.12, 0.08, 0.02, 0.1]], np.float32)
    fit = MaximumLikelihood(MonoExponentialADC(B), Rician(sigma), bounds={"ADC": (0.4e-3, 3e-3)})
    estimate = fit.estimate(measured)
    assert np.all(estimate["S0"] == 0)
    assert not np.any(np.isfinite(estimate.standard_errors[:, 0]))
    ends = profile_intervals(fit, measured, estimate, level=0.95)
    decay = np.exp(-B * np.linspace(0.4e-3, 3e-3, 301)[:, None])
    amplitudes = np.linspace(0, 1, 4001)[:, None, None]
    for row, upper in zip(measured, ends.upper[:, 0], strict=True):
        signals = amplitudes * decay
        bessel = row * signals / sigma**2
        rise = np.sum(signals**2 / (2 * sigma**2) - bessel - np.log(ive(0, bessel)), axis=-1).min(axis=1)
        exact = amplitudes.ravel()[np.searchsorted(2 * rise, 1.959964**2)]
        assert upper == pytest.approx(exact, rel=0.02)
    np.testing.assert_array_equal(ends.lower[:, 0], 0.0)
