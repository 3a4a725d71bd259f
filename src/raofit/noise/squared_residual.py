"""How large a sum of squared standardized residuals noise makes: χ², or what comes of it for magnitudes.

For Gaussian noise the sum of n squares (y − E y)²/Var(y) is χ² with n degrees of freedom, less one for each number
fitted. Magnitudes near the noise floor are skewed, and the tail of their squares is longer. The sum then is taken for a
shifted gamma variable (Pearson's type III, of which χ² is one) with the same mean, variance and third cumulant.
"""

import functools

import numpy as np
import scipy.special
from jaxtyping import Float

from raofit.noise.sigma_estimation import magnitude_variance_factor

_LARGEST_SNR = 30.0  # beyond, a magnitude is normal to 0.2 % in these cumulants
_TABLE = 601


def magnitude_square_cumulants(snr: Float[np.ndarray, "*any"]) -> tuple[np.ndarray, np.ndarray]:
    """Variance and third cumulant of X = (m − E m)²/Var(m), m a Rician magnitude at the SNR s/σ (→ 2, → 8).

    Interpolated from a table by quadrature over the Rice density.
    """
    places, variance, third = _table()
    bounded = np.minimum(np.asarray(snr, dtype=np.float64), _LARGEST_SNR)
    return np.interp(bounded, places, variance), np.interp(bounded, places, third)


def magnitude_sum_limit(
    snr: Float[np.ndarray, "voxel measurement"], n_fitted: int, rate: float
) -> Float[np.ndarray, " voxel"]:
    """The sum of squares of Rician magnitudes that noise exceeds with the probability `rate`.

    Each number fitted takes the cumulants of one χ² variable, 1, 2 and 8, from the sum. With mean μ, variance v and
    third cumulant κ it is μ + √v·K(κ/v^1.5), where K is the quantile of the gamma variable of that skewness, mean 0 and
    variance 1.

    Parameters
    ----------
    snr : s/σ of every measurement.
    n_fitted : fewer than there are measurements.
    rate : between 0 and 1.
    """
    variance, third = (np.sum(each, axis=-1) for each in magnitude_square_cumulants(snr))
    mean = snr.shape[-1] - n_fitted
    variance = np.maximum(variance - 2.0 * n_fitted, mean)  # at least half of what χ² has
    third = np.maximum(third - 8.0 * n_fitted, 4.0 * mean)
    return mean + np.sqrt(variance) * np.interp(third / variance**1.5, *_quantiles(rate))


@functools.cache
def _quantiles(rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Skewness and the quantile of the standardized gamma variable: (Q⁻¹(k, rate) − k)/√k with k = 4/skewness²."""
    skewness = np.geomspace(1e-2, 10.0, 400)
    shape = 4.0 / np.square(skewness)
    return skewness, (scipy.special.gammainccinv(shape, rate) - shape) / np.sqrt(shape)


@functools.cache
def _table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    places = np.linspace(0.0, _LARGEST_SNR, _TABLE)
    nodes, weights = np.polynomial.legendre.leggauss(300)
    snr = places[:, None]
    low, high = np.maximum(snr - 10.0, 0.0), snr + 10.0
    magnitude = 0.5 * (high - low) * nodes + 0.5 * (high + low)
    density = magnitude * np.exp(-0.5 * np.square(magnitude - snr)) * scipy.special.i0e(snr * magnitude)
    factor = magnitude_variance_factor(snr)
    square = np.square(magnitude - np.sqrt(2.0 + np.square(snr) - factor)) / factor
    shares = 0.5 * (high - low) * weights * density
    variance = np.sum(shares * np.square(square - 1.0), axis=-1)
    third = np.sum(shares * (square - 1.0) ** 3, axis=-1)
    return places, variance, third
