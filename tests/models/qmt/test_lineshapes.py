"""Green's functions: their transforms and slopes against quadrature and differences, and names."""

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.models.qmt.generalized_bloch import saturated_pool
from raofit.models.qmt.lineshapes import (
    LINESHAPES,
    greens_function,
    greens_function_slope,
    transformed_greens_function,
)


@pytest.mark.parametrize("lineshape", LINESHAPES)
def test_laplace_transform(lineshape):
    points, weights = np.polynomial.legendre.leggauss(400)
    times = 30 * (points + 1)
    for rate in (0.5, 3.0, 1.0 + 2.0j):
        expected = 30 * weights @ (np.exp(-rate * times) * greens_function(times, lineshape))
        np.testing.assert_allclose(transformed_greens_function(rate, lineshape), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("lineshape", LINESHAPES)
def test_slope(lineshape):
    """T2s·∂G/∂T2s by central differences at fixed time."""
    elapsed = np.array([0.0, 0.7, 3.0, 30.0])
    plus, minus = (greens_function(elapsed * np.exp(-step), lineshape) for step in (1e-4, -1e-4))
    np.testing.assert_allclose(greens_function_slope(elapsed, lineshape), (plus - minus) / 2e-4, rtol=0, atol=1e-8)


def test_super_lorentzian_at_long_times():
    """Only angles near the magic one remember: G → √(2π)/κ·1/(√3) as κ → ∞ (|d(3ζ² − 1)/2/dζ| = √3 there)."""
    np.testing.assert_allclose(greens_function(1000.0, "super-lorentzian") * 1000, np.sqrt(2 * np.pi / 3), rtol=1e-3)


def test_unknown_name():
    with pytest.raises(RaofitError, match="lineshape `Lorentz`: expected one of super-lorentzian"):
        greens_function(1.0, "Lorentz")


def test_durations_are_positive():
    with pytest.raises(RaofitError, match="`duration`: expected a positive number of seconds, got 0"):
        saturated_pool(1.0, 0.0, 10e-6)
