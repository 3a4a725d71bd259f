"""Edges of the Rician model."""

import jax
import jax.numpy as jnp
import numpy as np

from raofit.noise import Gaussian, Rician


def test_density_is_even_and_score_odd_in_the_signal():
    magnitude, signal = jnp.linspace(0.1, 3, 20), jnp.linspace(2, 0.1, 20)
    noise = Rician(0.5)
    np.testing.assert_array_equal(noise.log_density(magnitude, -signal), noise.log_density(magnitude, signal))
    np.testing.assert_array_equal(noise.score(magnitude, -signal), -noise.score(magnitude, signal))


def test_magnitudes_that_cannot_occur_have_no_density():
    density = Rician(0.5).log_density(jnp.array([0.0, -1.0, 1.0]), jnp.ones(3))
    np.testing.assert_array_equal(np.isneginf(density), [True, True, False])


def test_derivative_is_finite_beside_impossible_magnitudes():
    gradient = jax.grad(lambda s: Rician(0.5).log_density(jnp.array([1.0, 0.2]), s).sum())(jnp.array([0.0, 0.0]))
    assert np.all(np.isfinite(gradient))


def test_high_snr_is_gaussian():
    """log p differs from the normal density by log √(m/s) and terms of order (σ/s)²."""
    sigma, signal = 1e-3, jnp.ones(5)
    magnitude = 1 + sigma * jnp.linspace(-3, 3, 5)
    difference = Rician(sigma).log_density(magnitude, signal) - Gaussian(sigma).log_density(magnitude, signal)
    np.testing.assert_allclose(difference, 0.5 * np.log(magnitude), atol=1e-5)


def test_peak_of_the_likelihood_lies_below_the_magnitude():
    """One sample's likelihood peaks at s < m, and at s = 0 once m² ≤ 2σ²."""
    signal = jnp.linspace(0, 3, 3001)
    for magnitude, is_floor in ((1.2, True), (1.5, False), (2.5, False)):
        peak = float(signal[jnp.argmax(Rician(1.0).log_density(jnp.full_like(signal, magnitude), signal))])
        assert peak < magnitude
        assert (peak == 0.0) == is_floor
