"""Special functions against SciPy over their whole range, in both precisions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from raofit.core.special import log_i0e, one_minus_bessel_ratio, rician_information
from tests.oracles import formulas

ARGUMENTS = np.concatenate([[0.0], np.geomspace(1e-6, 1e10, 400)])


def _ratio_deficit(z: np.ndarray) -> np.ndarray:
    """1 − I1/I0: directly, and above 3e3 by the expansion 1/2z + 1/8z² + 1/8z³ (next term 0.2/z⁴ < 1e-14)."""
    large = np.maximum(z, 3e3)
    return np.where(
        z > 3e3,
        1 / (2 * large) + 1 / (8 * large**2) + 1 / (8 * large**3),
        1 - scipy.special.i1e(z) / scipy.special.i0e(z),
    )


CASES = {
    "log_i0e": (log_i0e, lambda z: np.log(scipy.special.i0e(z))),
    "one_minus_bessel_ratio": (one_minus_bessel_ratio, _ratio_deficit),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("is_double", [False, True])
def test_matches_scipy(name, is_double):
    function, expected = CASES[name]
    dtype = np.float64 if is_double else np.float32
    argument = ARGUMENTS.astype(dtype)
    with jax.enable_x64(True):
        value = np.asarray(function(jnp.asarray(argument)))
    assert value.dtype == dtype
    exact = expected(argument.astype(np.float64))
    # near z = 0, log I0e ≈ −z loses relative accuracy to the constant 0 of the sum: absolute tolerance there
    np.testing.assert_allclose(value, exact, rtol=1e-11 if is_double else 3e-6, atol=1e-13 if is_double else 2e-6)


@pytest.mark.parametrize("amplitude", [1e-3, 0.3, 1.0, 2.5, 6.0, 30.0])
def test_rician_information_matches_quadrature(amplitude):
    with jax.enable_x64(True):
        value = float(rician_information(jnp.asarray(amplitude)))
    np.testing.assert_allclose(value, formulas.rice_information(amplitude, 1.0), rtol=1e-8)


@pytest.mark.parametrize("function", [log_i0e, one_minus_bessel_ratio, rician_information])
@pytest.mark.parametrize("argument", [0.0, 1e-30, 1e30, np.inf])
def test_ends_of_the_range_are_numbers(function, argument):
    value = function(jnp.asarray(argument, dtype=jnp.float32))
    slope = jax.grad(function)(jnp.asarray(min(argument, 1e15), dtype=jnp.float32))
    assert not np.isnan(value)
    assert np.isfinite(slope)


def test_information_grows_with_the_amplitude():
    """Up to amplitude 8 the steps of this grid (> 3e-5) stand far above the float32 error (2e-6)."""
    assert np.all(np.diff(np.asarray(rician_information(jnp.linspace(0, 8, 400)))) > 0)
