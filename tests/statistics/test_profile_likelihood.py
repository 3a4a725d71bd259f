"""Bias and variance of fits and single steps with the complex M0 unknown, where the Cramér–Rao bound is attained.

At SNR 200 the largest relative standard deviation is about 1 %, which makes second-order bias about a hundredth of a
standard deviation.
"""

import jax
import numpy as np
import pytest

from raofit.core.status import Status
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.one_step import OneStep
from raofit.noise import ComplexGaussian
from tests.estimators.complex_toy import Echoes, Given, bound_with_unknown_amplitude

N = 4000
SIGMA = 1 / 200
TRUTH = np.array([0.8, 12.0, -150.0])


@pytest.fixture(scope="module", params=["fit", "step", "fit from an estimate"])
def errors(request):
    """Estimates, in standard deviations from the truth, and their standard errors in those units."""
    model, noise = Echoes(), ComplexGaussian(SIGMA)
    signal = np.broadcast_to(np.asarray(model.signal(TRUTH.astype(np.float32))), (N, model.n_measurements))
    phases = np.exp(2j * np.pi * np.random.default_rng(0).random((N, 1))).astype(np.complex64)
    measurements = np.asarray(noise.sample(jax.random.key(5), phases * signal))
    deviation = np.sqrt(bound_with_unknown_amplitude(model, TRUTH, 1.0, SIGMA))
    # an initial estimate that is biased by one standard deviation, scatters by two, and has lost the sign of omega0
    rough = TRUTH + deviation * (1.0 + 2.0 * np.random.default_rng(1).normal(size=(N, 3)))
    initial = Given(np.abs(rough), model.parameter_names)
    estimator = {
        "fit": lambda: MaximumLikelihood(model, noise),
        "step": lambda: OneStep(model, noise, initial),
        "fit from an estimate": lambda: MaximumLikelihood(model, noise, initialize_with=initial),
    }[request.param]()
    found = estimator.estimate(measurements)
    assert found.counts() == {Status.OK: N}
    return (found.values.astype(np.float64) - TRUTH) / deviation, found.standard_errors / deviation


def test_bias_is_below_its_monte_carlo_error(errors):
    """5 standard errors of the mean; 0.03 for curvature: a step from 3 deviations off squares errors of 3 %."""
    assert np.all(np.abs(errors[0].mean(axis=0)) < 5 / np.sqrt(N) + 0.03)


def test_variance_attains_the_bound(errors):
    """5 relative standard errors √(2/N) of a sample variance, plus 2 % for curvature."""
    assert np.all(np.abs(errors[0].var(axis=0) - 1) < 5 * np.sqrt(2 / N) + 0.02)


def test_standard_errors_cover(errors):
    """95 % ± 5·√(0.95·0.05/N), plus 0.5 % for curvature."""
    covered = np.mean(np.abs(errors[0]) < 1.959964 * errors[1], axis=0)
    assert np.all(np.abs(covered - 0.95) < 5 * np.sqrt(0.95 * 0.05 / N) + 0.005)
