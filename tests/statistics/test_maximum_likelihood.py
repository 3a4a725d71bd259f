"""Bias, variance and coverage of maximum likelihood at high SNR, where the Cramér–Rao bound is attained.

At SNR 1000 the largest relative standard deviation (D_fast, 1 %) makes second-order bias about 0.01 % of the value,
a hundredth of a standard deviation; the fit stops within 1e-4 of the optimal log-likelihood, √(2e-4) = 0.014 of one.
"""

import jax
import numpy as np
import pytest

from raofit.core.status import Status
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.information.crb import crb
from raofit.models import IVIM, MonoExponentialT2
from raofit.noise import ComplexGaussian, Gaussian, Rician
from tests.oracles import formulas

N = 4000
SNR = 1000.0
SUBJECTS = {
    "ivim": (IVIM(formulas.PAPER_B_VALUES), np.array([1.0, 0.3, 1.7e-3, 80e-3])),
    "t2": (MonoExponentialT2([0.01, 0.03, 0.05, 0.1, 0.2]), np.array([1.0, 0.08])),
}


@pytest.fixture(scope="module", params=[(s, k) for s in SUBJECTS for k in (Gaussian, Rician, ComplexGaussian)], ids=str)
def fitted(request):
    name, kind = request.param
    model, truth = SUBJECTS[name]
    noise = kind(1 / SNR)
    signal = np.broadcast_to(np.asarray(model.signal(truth.astype(np.float32))), (N, model.n_measurements))
    estimate = MaximumLikelihood(model, noise).estimate(noise.sample(jax.random.key(21), signal))
    return estimate, truth, np.sqrt(crb(model, truth, noise))


def test_every_voxel_converges(fitted):
    """In float32 too, where −log L is rounded by more than the stopping tolerance."""
    estimate, _, _ = fitted
    assert estimate.counts() == {Status.OK: N}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "t2")) for name in SUBJECTS])
def test_every_voxel_converges_in_double_precision(name):
    model, truth = SUBJECTS[name]
    noise = Rician(1 / SNR)
    signal = np.broadcast_to(np.asarray(model.signal(truth.astype(np.float32))), (500, model.n_measurements))
    measurements = noise.sample(jax.random.key(21), signal)
    single, double = (
        MaximumLikelihood(model, noise, precision=p).estimate(measurements) for p in ("float32", "float64")
    )
    assert double.counts() == {Status.OK: 500}
    # either may stop 0.014 standard deviations short of the optimum
    assert np.all(np.abs(single.values - double.values) < 0.03 * double.standard_errors)


def test_bias_is_below_its_monte_carlo_error(fitted):
    """5 standard errors of the mean plus 0.03 standard deviations for curvature and the stopping rule (see above)."""
    estimate, truth, bound = fitted
    bias = estimate.values.astype(np.float64).mean(axis=0) - truth
    assert np.all(np.abs(bias) < (5 / np.sqrt(N) + 0.03) * bound)


def test_variance_attains_the_bound(fitted):
    """Relative standard error of a sample variance: √(2/N) = 2.2 %; 5 of them, plus 1 % for curvature."""
    estimate, _, bound = fitted
    ratio = estimate.values.astype(np.float64).var(axis=0) / bound**2
    assert np.all(np.abs(ratio - 1) < 5 * np.sqrt(2 / N) + 0.01)


def test_standard_errors_cover(fitted):
    """95 % intervals hold the truth in 95 % of voxels, ± 5·√(0.95·0.05/N) = 1.7 %, plus 0.5 % for curvature."""
    estimate, truth, _ = fitted
    inside = np.abs(estimate.values - truth) < 1.959964 * estimate.standard_errors
    assert np.all(np.abs(inside.mean(axis=0) - 0.95) < 5 * np.sqrt(0.95 * 0.05 / N) + 0.005)
