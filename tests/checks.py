"""Checks the oracle tests and the mutation tests share: each raises AssertionError when the physics is wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.integrate

from raofit.information.crb import crb
from raofit.models import IVIM
from raofit.noise import Gaussian, Rician
from tests.oracles import formulas

TISSUE = (1.0, 0.3, 1.7e-3, 80e-3)
SIGMA = 1 / 15

# Eq. 11 at TISSUE and the paper's b-values, eight decimals (an independent evaluation, not this package's output).
IVIM_SIGNAL = np.array(
    [1, 0.82072706, 0.73514428, 0.69105727, 0.64800554, 0.61142493, 0.59065028, 0.49823925, 0.35463189, 0.17966254]
)
CRB_STANDARD_DEVIATIONS = {
    Gaussian: (0.06575, 0.06891, 0.39764e-3, 50.868e-3),
    Rician: (0.06583, 0.0693, 0.40679e-3, 51.070e-3),
}


def check_ivim_signal() -> None:
    """IVIM gives eq. 11's values to the eight printed decimals."""
    with jax.enable_x64(True):
        signal = np.asarray(IVIM(formulas.PAPER_B_VALUES).signal(np.array(TISSUE)))
    np.testing.assert_allclose(signal, IVIM_SIGNAL, rtol=0, atol=5.1e-9)


def check_crb(kind: type) -> None:
    """Standard deviations of the bound at SNR 15, to the 0.2 % they are known to."""
    bound = crb(IVIM(formulas.PAPER_B_VALUES), TISSUE, kind(SIGMA))
    np.testing.assert_allclose(np.sqrt(bound), CRB_STANDARD_DEVIATIONS[kind], rtol=2e-3)


def check_rician_density_is_normalized() -> None:
    """The density integrates to 1 over all magnitudes (quadrature in float64)."""
    for snr in (0.0, 0.3, 1.0, 4.0, 20.0):
        for sigma in (0.05, 1.0, 3.0):
            signal = snr * sigma

            def density(magnitude, signal=signal, sigma=sigma):
                with jax.enable_x64(True):
                    log_density = Rician(sigma).log_density(jnp.asarray(magnitude), jnp.full(magnitude.size, signal))
                    return np.exp(np.asarray(log_density))

            low, high = max(signal - 9 * sigma, 1e-9 * sigma), signal + 9 * sigma  # beyond 9σ: < 1e-17
            total = scipy.integrate.fixed_quad(density, low, high, n=60)[0]
            np.testing.assert_allclose(total, 1.0, rtol=1e-6)


def check_rician_score() -> None:
    """The score is the slope of the transcribed log density (central difference in float64)."""
    generator = np.random.default_rng(4)
    signal = np.geomspace(0.05, 30, 200)
    sigma = 0.7
    magnitude = np.hypot(signal + sigma * generator.normal(size=200), sigma * generator.normal(size=200))
    step = 1e-6 * signal
    slope = (
        formulas.rice_log_density(magnitude, signal + step, sigma)
        - formulas.rice_log_density(magnitude, signal - step, sigma)
    ) / (2 * step)
    with jax.enable_x64(True):
        score = np.asarray(Rician(sigma).score(jnp.asarray(magnitude), jnp.asarray(signal)))
    # rounding of the difference: eps·|log p|/step ≤ 2e-16·10/(1e-6·0.05) = 4e-8, and |log p| ≲ 10 here
    np.testing.assert_allclose(score, slope, rtol=1e-6, atol=1e-6)


def check_rician_information() -> None:
    """The Fisher information equals adaptive quadrature of score² times the density."""
    amplitudes = np.array([1e-3, 0.1, 0.7, 1.5, 3.0, 8.0, 40.0])
    sigma = 0.2
    with jax.enable_x64(True):
        information = np.asarray(Rician(sigma).information(jnp.asarray(amplitudes * sigma)))
    expected = [formulas.rice_information(amplitude * sigma, sigma) for amplitude in amplitudes]
    np.testing.assert_allclose(information, expected, rtol=1e-7)
