"""The Rician density, score and information against SciPy, from SNR 0 to 1e4, in float32 and float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from raofit.noise import Rician
from tests import checks
from tests.oracles import formulas

SNRS = [0.0, 1e-3, 0.1, 1.0, 3.0, 10.0, 100.0, 1e3, 1e4]
SIGMAS = [1.0, 1 / 15, 37.3]


def _measurements(snr: float, sigma: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Float32 magnitudes and signals: what both precisions receive is the same numbers."""
    generator = np.random.default_rng(11)
    signal = np.full(n, snr * sigma, dtype=np.float32)
    noisy = np.hypot(signal + sigma * generator.normal(size=n), sigma * generator.normal(size=n))
    return noisy.astype(np.float32), signal


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("snr", SNRS)
def test_float32_score_is_accurate(snr, sigma):
    """|error|·σ ≤ 2e-6·(1 + |score|·σ): the score's own spread is 1/σ at high SNR and SNR/σ at low SNR."""
    sigma = float(np.float32(sigma))
    magnitude, signal = _measurements(snr, sigma)
    score = np.asarray(Rician(sigma).score(jnp.asarray(magnitude), jnp.asarray(signal)))
    # m·I1/I0 − s cancels for z ≫ 1 even in float64 (1e4·2e-16 = 2e-12 of 1/σ): far below the tolerance
    expected = formulas.rice_score(magnitude.astype(np.float64), signal.astype(np.float64), sigma)
    assert score.dtype == np.float32
    assert np.all(np.abs(score - expected) * sigma <= 2e-6 * (1 + np.abs(expected) * sigma))


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("snr", SNRS)
def test_float32_log_density_is_accurate(snr, sigma):
    """|error| ≤ 3e-6·(1 + |log p|)."""
    sigma = float(np.float32(sigma))
    magnitude, signal = _measurements(snr, sigma)
    value = np.asarray(Rician(sigma).log_density(jnp.asarray(magnitude), jnp.asarray(signal)), dtype=np.float64)
    expected = formulas.rice_log_density(magnitude.astype(np.float64), signal.astype(np.float64), sigma)
    assert np.all(np.abs(value - expected) <= 3e-6 * (1 + np.abs(expected)))


@pytest.mark.parametrize("snr", [0.5, 3.0, 20.0])
def test_log_density_matches_scipy(snr):
    sigma = 0.3
    magnitude = np.linspace(0.01, (snr + 5) * sigma, 50)
    with jax.enable_x64(True):
        value = Rician(sigma).log_density(jnp.asarray(magnitude), jnp.full(50, snr * sigma))
    np.testing.assert_allclose(value, scipy.stats.rice(snr, scale=sigma).logpdf(magnitude), rtol=1e-9, atol=1e-9)


def test_density_is_normalized():
    checks.check_rician_density_is_normalized()


def test_score_is_slope_of_log_density():
    checks.check_rician_score()


def test_score_is_own_derivative():
    """The analytic score equals automatic differentiation of the log density."""
    with jax.enable_x64(True):
        noise = Rician(0.4)
        magnitude, signal = jnp.linspace(0.05, 6, 40), jnp.linspace(5, 0.1, 40)
        derivative = jax.vmap(jax.grad(lambda s, m: noise.log_density(m, s)))(signal, magnitude)
        np.testing.assert_allclose(noise.score(magnitude, signal), derivative, rtol=1e-8, atol=1e-8)


def test_information_matches_quadrature():
    checks.check_rician_information()


def test_information_limits():
    """σ²·I → a² for a = s/σ ≪ 1 (next term −O(a⁴)) and → 1 − 1/(2a²) for a ≫ 1."""
    sigma = 2.0
    with jax.enable_x64(True):
        low = np.asarray(Rician(sigma).information(jnp.asarray([1e-4 * sigma])))
        high = np.asarray(Rician(sigma).information(jnp.asarray([1e3 * sigma])))
    np.testing.assert_allclose(low * sigma**2, 1e-8, rtol=1e-6)
    np.testing.assert_allclose(1 - high * sigma**2, 0.5e-6, rtol=1e-2)


@pytest.mark.parametrize("snr", SNRS)
def test_float32_information_agrees_with_float64(snr):
    single = np.asarray(Rician(1.0).information(jnp.asarray([snr], dtype=jnp.float32)))
    with jax.enable_x64(True):
        double = np.asarray(Rician(1.0).information(jnp.asarray([snr], dtype=jnp.float64)))
    np.testing.assert_allclose(single, double, rtol=3e-6)
