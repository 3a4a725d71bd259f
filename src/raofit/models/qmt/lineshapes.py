"""Green's functions of semi-solid spins: how the memory of their transverse magnetization fades.

A lineshape is the Fourier transform of its Green's function G(κ), κ = (t − τ)/T2s:
Lorentzian G = e^−κ, Gaussian G = e^(−κ²/2), and the super-Lorentzian of lipid bilayers, a mean over Gaussians,
G = ∫₀¹ exp(−κ²·(3ζ² − 1)²/8) dζ.
"""

import functools

import numpy as np
import scipy.special
from jaxtyping import Complex, Float

from raofit.core.errors import RaofitError

LINESHAPES = ("super-lorentzian", "gaussian", "lorentzian")

_POINTS = 64


def greens_function(elapsed: Float[np.ndarray, "*any"], lineshape: str) -> Float[np.ndarray, "*any"]:
    """G(κ): semi-solid transverse magnetization left at time κ·T2s after its creation.

    Parameters
    ----------
    elapsed : Float[np.ndarray, "*any"]
        κ = elapsed time / T2s, dimensionless, ≥ 0. G(0) = 1.
    lineshape : str
        One of `LINESHAPES`.

    Raises
    ------
    RaofitError
        If the lineshape is unknown.

    References
    ----------
    [asslander2022]

    Examples
    --------
    >>> print(f"{greens_function(10.0, 'super-lorentzian'):.10f}")
    0.1471246868
    """
    elapsed = np.asarray(elapsed, dtype=np.float64)
    if check_lineshape(lineshape) == "lorentzian":
        return np.exp(-elapsed)
    if lineshape == "gaussian":
        return np.exp(-0.5 * elapsed**2)
    width, weight = _gaussian_widths()
    return np.exp(-0.5 * (elapsed[..., None] * width) ** 2) @ weight


def greens_function_slope(elapsed: Float[np.ndarray, "*any"], lineshape: str) -> Float[np.ndarray, "*any"]:
    """T2s·∂G/∂T2s = −κ·dG/dκ; same arguments as `greens_function`.

    Lorentzian κ·e^−κ, Gaussian κ²·e^(−κ²/2), super-Lorentzian ∫₀¹ κ²·(3ζ² − 1)²/4 · exp(−κ²·(3ζ² − 1)²/8) dζ.

    References
    ----------
    [asslander2022]

    Examples
    --------
    >>> print(f"{greens_function_slope(10.0, 'super-lorentzian'):.10f}")
    0.1525309503
    """
    elapsed = np.asarray(elapsed, dtype=np.float64)
    if check_lineshape(lineshape) == "lorentzian":
        return elapsed * np.exp(-elapsed)
    if lineshape == "gaussian":
        return elapsed**2 * np.exp(-0.5 * elapsed**2)
    width, weight = _gaussian_widths()
    squared = (elapsed[..., None] * width) ** 2
    return (squared * np.exp(-0.5 * squared)) @ weight


def transformed_greens_function(rate: Complex[np.ndarray, "*any"], lineshape: str) -> Complex[np.ndarray, "*any"]:
    """Laplace transform ∫₀^∞ e^(−p·κ)·G(κ) dκ at complex `rate` p with |arg p| < 3π/4.

    A Gaussian e^(−(w·κ)²/2) gives √(π/2)/w · erfcx(p/(√2·w)), which stays bounded in that sector for every w.
    """
    rate = np.asarray(rate, dtype=np.complex128)
    if check_lineshape(lineshape) == "lorentzian":
        return 1.0 / (1.0 + rate)
    if lineshape == "gaussian":
        return np.sqrt(np.pi / 2) * _erfcx(rate / np.sqrt(2))
    width, weight = _gaussian_widths()
    return _erfcx(rate[..., None] / (np.sqrt(2) * width)) @ (np.sqrt(np.pi / 2) * weight / width)


def check_lineshape(lineshape: str) -> str:
    """The name itself if it is known."""
    if lineshape not in LINESHAPES:
        raise RaofitError(f"lineshape `{lineshape}`: expected one of {', '.join(LINESHAPES)}")
    return lineshape


def _erfcx(argument: np.ndarray) -> np.ndarray:
    return scipy.special.wofz(1j * argument)


@functools.cache
def _gaussian_widths() -> tuple[np.ndarray, np.ndarray]:
    """Widths |3ζ² − 1|/2 of the super-Lorentzian's Gaussians and quadrature weights of dζ, Gauss-Legendre.

    At long times all weight gathers where the width is zero, ζ = 1/√3: the integral is split there and the points are
    graded towards it, distance ∝ v⁴ with v uniform.
    """
    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    points = (points + 1) / 2
    distance, weights = points**4, 2 * points**3 * weights
    magic = 1 / np.sqrt(3)
    angle_cosine = np.concatenate([magic * (1 - distance), magic + (1 - magic) * distance])
    return np.abs(3 * angle_cosine**2 - 1) / 2, np.concatenate([magic * weights, (1 - magic) * weights])
