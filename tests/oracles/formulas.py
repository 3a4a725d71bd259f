"""The papers' formulas, written out a second time in float64 NumPy; nothing here imports raofit."""

import numpy as np
import scipy.integrate
import scipy.special

PAPER_B_VALUES = np.array([0, 10, 20, 30, 50, 80, 100, 200, 400, 800], dtype=np.float64)


def ivim_signal(b_values, amplitude, fraction, slow, fast) -> np.ndarray:
    """Epstein 2022, eq. 11."""
    perfusing = fraction * np.exp(-b_values * (fast + slow))
    static = (1 - fraction) * np.exp(-b_values * slow)
    return amplitude * (perfusing + static)


def ivim_jacobian(b_values, amplitude, fraction, slow, fast) -> np.ndarray:
    """Derivatives of eq. 11 by hand, (measurement, parameter) in the order S0, f, D_slow, D_fast."""
    both, static = np.exp(-b_values * (fast + slow)), np.exp(-b_values * slow)
    return np.stack(
        [
            fraction * both + (1 - fraction) * static,
            amplitude * (both - static),
            -b_values * amplitude * (fraction * both + (1 - fraction) * static),
            -b_values * amplitude * fraction * both,
        ],
        axis=-1,
    )


def rice_log_density(magnitude, signal, sigma) -> np.ndarray:
    """Gudbjartsson & Patz 1995, eq. 3: m/σ² · exp(−(m² + s²)/2σ²) · I0(m·s/σ²), logarithm taken.

    I0 enters as exp(z)·i0e(z); the exponents are joined, −(m² + s²)/2σ² + z = −(m − s)²/2σ².
    """
    argument = magnitude * signal / sigma**2
    exponent = -((magnitude - signal) ** 2) / (2 * sigma**2)
    return np.log(magnitude / sigma**2) + exponent + np.log(scipy.special.i0e(argument))


def rice_score(magnitude, signal, sigma) -> np.ndarray:
    """d/ds of the log density: (m·I1(z)/I0(z) − s)/σ² with z = m·s/σ²."""
    argument = magnitude * signal / sigma**2
    return (magnitude * scipy.special.i1e(argument) / scipy.special.i0e(argument) - signal) / sigma**2


def rice_information(signal: float, sigma: float) -> float:
    """E[score²] by adaptive quadrature over the density's support."""
    low, high = max(signal - 12 * sigma, 0.0), signal + 12 * sigma

    def integrand(magnitude: float) -> float:
        return np.exp(rice_log_density(magnitude, signal, sigma)) * rice_score(magnitude, signal, sigma) ** 2

    points = [p for p in (signal - 2 * sigma, signal, signal + 2 * sigma) if low < p < high]
    return scipy.integrate.quad(integrand, low, high, points=points or None, epsabs=0, epsrel=1e-9, limit=200)[0]


def rice_mean(signal, sigma) -> np.ndarray:
    """σ·√(π/2)·L_{1/2}(−s²/2σ²), with the Laguerre function in exponentially scaled Bessel functions."""
    half = signal**2 / (4 * sigma**2)
    laguerre = (1 + 2 * half) * scipy.special.i0e(half) + 2 * half * scipy.special.i1e(half)
    return sigma * np.sqrt(np.pi / 2) * laguerre


def standard_deviations_of_bound(jacobian: np.ndarray, information: np.ndarray) -> np.ndarray:
    """√diag((Jᵀ·diag(I)·J)⁻¹)."""
    return np.sqrt(np.diag(np.linalg.inv(jacobian.T @ (information[:, None] * jacobian))))
