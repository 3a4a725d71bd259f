"""Moments and distribution of the noise samplers, and of the score, against theory.

Every tolerance is k = 5 standard errors of the Monte Carlo mean (chance of a false alarm < 1e-6 per comparison; the key
is fixed, so a passing test keeps passing).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from raofit.noise import ComplexGaussian, Gaussian, Rician
from tests.oracles import formulas

N = 200_000
K = 5
SIGMA = 0.25
SNRS = [0.0, 0.5, 1.0, 3.0, 15.0]


def _draw(kind, snr: float, key: int = 0) -> np.ndarray:
    signal = jnp.full(N, snr * SIGMA, dtype=jnp.float32)
    return np.asarray(kind(SIGMA).sample(jax.random.key(key), signal)).astype(
        np.complex128 if kind.is_complex else np.float64
    )


def _assert_mean(values: np.ndarray, expected: float) -> None:
    assert abs(values.mean() - expected) < K * values.std() / np.sqrt(values.size)


@pytest.mark.parametrize("snr", SNRS)
def test_rician_moments(snr):
    magnitude = _draw(Rician, snr)
    signal = snr * SIGMA
    _assert_mean(magnitude, formulas.rice_mean(signal, SIGMA))
    _assert_mean(magnitude**2, signal**2 + 2 * SIGMA**2)
    _assert_mean(magnitude**4, signal**4 + 8 * SIGMA**2 * signal**2 + 8 * SIGMA**4)


def test_background_standard_deviation_is_the_rayleigh_fraction_of_sigma():
    """√(2 − π/2) = 0.655; the standard error of a standard deviation is ≈ σ·√((κ − 1)/4n) < σ/√n for Rayleigh."""
    magnitude = _draw(Rician, 0.0)
    assert abs(magnitude.std() / SIGMA - np.sqrt(2 - np.pi / 2)) < K / np.sqrt(N)
    assert abs(np.sqrt(2 - np.pi / 2) - 0.655) < 5e-4


@pytest.mark.parametrize("snr", SNRS)
def test_rician_distribution_matches_scipy(snr):
    """Kolmogorov–Smirnov distance below 2.5/√n: exceeded by chance with probability 2·exp(−2·2.5²) = 7e-6."""
    distance = scipy.stats.kstest(_draw(Rician, snr), scipy.stats.rice(snr, scale=SIGMA).cdf).statistic
    assert distance < 2.5 / np.sqrt(N)


def test_gaussian_distribution_matches_scipy():
    distance = scipy.stats.kstest(_draw(Gaussian, 2.0), scipy.stats.norm(2.0 * SIGMA, SIGMA).cdf).statistic
    assert distance < 2.5 / np.sqrt(N)


def test_complex_gaussian_channels_are_independent():
    noise = (_draw(ComplexGaussian, 3.0) - 3.0 * SIGMA) / SIGMA
    for channel in (noise.real, noise.imag):
        assert scipy.stats.kstest(channel, scipy.stats.norm.cdf).statistic < 2.5 / np.sqrt(N)
    _assert_mean(noise.real * noise.imag, 0.0)


@pytest.mark.parametrize("kind", [Gaussian, ComplexGaussian, Rician])
@pytest.mark.parametrize("snr", SNRS)
def test_score_has_mean_zero_and_variance_equal_to_the_information(kind, snr):
    """E[score] = 0 and E[score²] = I(s), per real channel."""
    signal = jnp.full(N, snr * SIGMA, dtype=jnp.float32)
    noise = kind(SIGMA)
    score = np.asarray(noise.score(noise.sample(jax.random.key(8), signal), signal))
    for channel in (score.real, score.imag) if kind.is_complex else (score,):
        channel = channel.astype(np.float64) * SIGMA
        if kind is Rician and snr == 0:
            np.testing.assert_array_equal(channel, 0.0)  # the density is even in s
            continue
        _assert_mean(channel, 0.0)
        _assert_mean(channel**2, float(noise.information(signal[:1])[0]) * SIGMA**2)


def test_measurements_of_different_voxels_are_independent():
    """Correlation of neighbors: standard error 1/√n."""
    noise = (_draw(Gaussian, 1.0) - SIGMA) / SIGMA
    assert abs(np.mean(noise[1:] * noise[:-1])) < K / np.sqrt(N)
