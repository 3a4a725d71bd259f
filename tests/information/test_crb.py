"""The Cramér–Rao bound: closed forms, fixed parameters, parameters nothing is known about."""

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.information.crb import crb
from raofit.models import IVIM, FunctionModel, MonoExponentialADC, Parameter
from raofit.noise import ComplexGaussian, Gaussian, Rician

AMPLITUDE = Parameter("S0", "a.u.", (0.0, np.inf), (0.8, 1.2), "S_0", "amplitude", is_amplitude=True)
OFFSET = Parameter("offset", "a.u.", (-1.0, 1.0), (-0.1, 0.1), "o", "offset")


def _line(parameters, position):
    return parameters[0] * position + parameters[1]


LINE = FunctionModel(_line, [AMPLITUDE, OFFSET], {"position": [0.0, 1.0, 2.0, 3.0]})
TISSUE = [1.0, 0.3, 1.7e-3, 80e-3]
PAPER = [0, 10, 20, 30, 50, 80, 100, 200, 400, 800]


def test_straight_line_has_the_textbook_variances():
    """Slope: σ²/Σ(x − x̄)² = σ²/5; intercept: σ²·(1/n + x̄²/Σ(x − x̄)²) = σ²·(1/4 + 9/20)."""
    np.testing.assert_allclose(crb(LINE, [2.0, 0.1], Gaussian(0.3)), [0.09 / 5, 0.09 * 0.7], rtol=1e-12)


def test_two_point_diffusion_has_the_closed_form():
    """var(ADC) = (σ²/S0²)·(1 + exp(2·b·D))/b² for b = 0 and one more b-value."""
    b, diffusivity, sigma = 1000.0, 1e-3, 0.02
    expected = sigma**2 * (1 + np.exp(2 * b * diffusivity)) / b**2
    np.testing.assert_allclose(
        crb(MonoExponentialADC([0, b]), [1.0, diffusivity], Gaussian(sigma))[1], expected, rtol=1e-10
    )


def test_known_parameters_cost_nothing_and_help_the_others():
    free = crb(IVIM(PAPER), TISSUE, Gaussian(1 / 15))
    known = crb(IVIM(PAPER), TISSUE, Gaussian(1 / 15), fixed=["D_fast"])
    assert known[3] == 0.0
    assert np.all(known[:3] < free[:3])


def test_all_but_one_known_leaves_the_inverse_information():
    bound = crb(LINE, [2.0, 0.1], Gaussian(0.3), fixed=["S0"])
    np.testing.assert_allclose(bound, [0.0, 0.09 / 4], rtol=1e-12)


def test_repeating_the_protocol_halves_the_bound():
    np.testing.assert_allclose(
        crb(IVIM(PAPER * 2), TISSUE, Rician(1 / 15)), crb(IVIM(PAPER), TISSUE, Rician(1 / 15)) / 2, rtol=1e-9
    )


def test_parameters_the_protocol_cannot_separate_are_infinite():
    bound = crb(IVIM([0, 0, 100]), TISSUE, Gaussian(1 / 15))
    assert np.all(np.isinf(bound[1:]))
    assert np.isfinite(bound[0])


def test_parameter_without_influence_is_infinite():
    bound = crb(IVIM(PAPER), [1.0, 0.0, 1e-3, 50e-3], Gaussian(1 / 15))
    assert np.isinf(bound[3])
    assert np.all(np.isfinite(bound[[0, 2]]))


def test_rician_bound_is_the_larger_one_and_meets_the_gaussian_at_high_snr():
    low, high = (crb(IVIM(PAPER), TISSUE, Rician(s)) / crb(IVIM(PAPER), TISSUE, Gaussian(s)) for s in (1 / 5, 1e-4))
    assert np.all(low > 1)
    np.testing.assert_allclose(high, 1, rtol=1e-5)


def test_real_signals_gain_nothing_from_the_imaginary_channel():
    np.testing.assert_allclose(
        crb(IVIM(PAPER), TISSUE, ComplexGaussian(0.1)), crb(IVIM(PAPER), TISSUE, Gaussian(0.1)), rtol=1e-12
    )


def test_batches_of_parameters_and_sigma():
    parameters = np.array([TISSUE, [0.9, 0.2, 1e-3, 30e-3]])
    sigmas = np.array([0.05, 0.1])
    together = crb(IVIM(PAPER), parameters, Rician(sigmas))
    for row, sigma, bound in zip(parameters, sigmas, together, strict=True):
        np.testing.assert_allclose(bound, crb(IVIM(PAPER), row, Rician(sigma)), rtol=1e-12)


def test_units_do_not_matter():
    """Signals a million times larger, with noise to match: relative bounds stay."""
    small = crb(IVIM(PAPER), TISSUE, Rician(1 / 15))
    large = crb(IVIM(PAPER), [1e6, *TISSUE[1:]], Rician(1e6 / 15))
    np.testing.assert_allclose(large / small, [1e12, 1, 1, 1], rtol=1e-9)


def test_unknown_fixed_name_is_refused():
    with pytest.raises(RaofitError, match="`D_star` is not a parameter; the model has S0, f, D_slow, D_fast"):
        crb(IVIM(PAPER), TISSUE, Gaussian(0.1), fixed=["D_star"])
