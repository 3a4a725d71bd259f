r"""Functions of the Rician density without cancellation or overflow, from 0 to the largest float.

Each function f is written as (a simple factor with its limits at 0 and infinity) x (a smooth rest of
t = z/(z + c) in [0, 1]). In float32 the rest is a ratio of two polynomials of degree 8, in float64 a Chebyshev series;
both are fitted once, when first used, to SciPy's exponentially scaled Bessel functions.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Float
from numpy.polynomial import chebyshev

_RATIONAL_DEGREE = 8
_SERIES_DEGREE = 64
_FIT_POINTS = 400
_REWEIGHTINGS = 30


def log_i0e(argument: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """log(exp(−z)·I0(z)) for z ≥ 0. Relative error < 2e-6 in float32, < 1e-13 in float64."""
    return _smooth_rest(argument, "log_i0e") - 0.5 * jnp.log1p(2.0 * np.pi * argument)


def one_minus_bessel_ratio(argument: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """1 − I1(z)/I0(z) for z ≥ 0, without the cancellation at large z. Relative error < 2e-6 in float32."""
    return _smooth_rest(argument, "one_minus_ratio") / (1.0 + 2.0 * argument)


def rician_information(amplitude: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """σ²·I(a): Fisher information of one Rician sample about its amplitude a = s/σ, times σ² (→ a², → 1).

    I(a) = E[(x·I1(ax)/I0(ax) − a)²] for x ~ Rice(a, 1).
    """
    squared = jnp.square(jnp.minimum(amplitude, 1e15))  # the limit is reached long before; its square is a float32
    return _smooth_rest(squared, "rician_information") * squared / (1.0 + squared)


class _Rest(NamedTuple):
    """A smooth function of x = (z − c)/(z + c), fitted twice."""

    center: float
    numerator: np.ndarray
    denominator: np.ndarray
    series: np.ndarray


def _smooth_rest(argument: Array, name: str) -> Array:
    rest = _fit(name)
    mapped = (argument - rest.center) / (argument + rest.center)
    mapped = jnp.where(jnp.isinf(argument), 1.0, mapped).astype(argument.dtype)
    if argument.dtype == jnp.float64:
        return _clenshaw(rest.series, mapped)
    return _horner(rest.numerator, mapped) / _horner(rest.denominator, mapped)


def _horner(coefficients: np.ndarray, x: Array) -> Array:
    value = jnp.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + float(coefficient)
    return value


def _clenshaw(coefficients: np.ndarray, x: Array) -> Array:
    newer, older = jnp.zeros_like(x), jnp.zeros_like(x)
    for coefficient in coefficients[:0:-1]:
        newer, older = 2.0 * x * newer - older + float(coefficient), newer
    return x * newer - older + float(coefficients[0])


@functools.cache
def _fit(name: str) -> _Rest:
    exact, center = _EXACT[name]

    def of_mapped(x: np.ndarray) -> np.ndarray:
        return exact(np.minimum(center * (1.0 + x) / np.maximum(1.0 - x, 1e-300), 1e14))

    numerator, denominator = _fit_rational(of_mapped)
    return _Rest(center, numerator, denominator, chebyshev.chebinterpolate(of_mapped, _SERIES_DEGREE))


def _fit_rational(function: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Near-minimax p/q on [−1, 1] by linearized least squares, reweighted where the error is largest (Lawson)."""
    x = np.cos(np.pi * (np.arange(_FIT_POINTS) + 0.5) / _FIT_POINTS)
    target = function(x)
    basis = chebyshev.chebvander(x, _RATIONAL_DEGREE)
    denominator = np.eye(_RATIONAL_DEGREE + 1)[0]
    weight = np.ones(_FIT_POINTS)
    best = (np.inf, denominator, denominator)
    for _ in range(_REWEIGHTINGS):
        row_weight = weight / chebyshev.chebval(x, denominator)
        columns = np.hstack([basis, -target[:, None] * basis[:, 1:]]) * row_weight[:, None]
        solution = np.linalg.lstsq(columns, target * row_weight, rcond=None)[0]
        numerator = solution[: _RATIONAL_DEGREE + 1]
        denominator = np.concatenate([[1.0], solution[_RATIONAL_DEGREE + 1 :]])
        error = np.abs(basis @ numerator / (basis @ denominator) - target)
        if error.max() < best[0]:
            best = (error.max(), numerator, denominator)
        weight = weight * np.sqrt(1e-2 + error / error.max())
        weight /= weight.max()
    return chebyshev.cheb2poly(best[1]), chebyshev.cheb2poly(best[2])


def _exact_log_i0e(z: np.ndarray) -> np.ndarray:
    return np.log(scipy.special.i0e(z)) + 0.5 * np.log1p(2.0 * np.pi * z)


def _exact_one_minus_ratio(z: np.ndarray) -> np.ndarray:
    large = np.maximum(z, 1e3)  # asymptotic series, DLMF 10.40.1, where 1 − I1/I0 would cancel
    series = 1 / (2 * large) + 1 / (8 * large**2) + 1 / (8 * large**3) + 25 / (128 * large**4)
    value = np.where(z > 1e3, series, 1.0 - scipy.special.i1e(z) / scipy.special.i0e(z))
    return value * (1.0 + 2.0 * z)


def _exact_rician_information(squared: np.ndarray) -> np.ndarray:
    nodes, weights = np.polynomial.legendre.leggauss(200)
    amplitude = np.sqrt(np.minimum(squared, 1e8))[..., None]
    low, high = np.maximum(amplitude - 10.0, 0.0), amplitude + 10.0
    x = 0.5 * (high - low) * nodes + 0.5 * (high + low)
    density = x * np.exp(-0.5 * (x - amplitude) ** 2) * scipy.special.i0e(amplitude * x)
    ratio = 1.0 - _exact_one_minus_ratio(amplitude * x) / (1.0 + 2.0 * amplitude * x)
    score_per_amplitude = np.where(
        amplitude > 1e-3, (x * ratio - amplitude) / np.maximum(amplitude, 1e-3), 0.5 * x * x - 1.0
    )
    expectation = np.sum(0.5 * (high - low) * weights * density * score_per_amplitude**2, axis=-1)
    return expectation * (1.0 + np.minimum(squared, 1e8))


_EXACT: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "log_i0e": (_exact_log_i0e, 2.0),
    "one_minus_ratio": (_exact_one_minus_ratio, 3.0),
    "rician_information": (_exact_rician_information, 3.0),
}
