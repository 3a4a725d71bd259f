"""What maximum likelihood promises for every model, registered or a user's own."""

import numpy as np
import pytest

from raofit.core.errors import ProtocolError
from raofit.core.status import Status
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.information.crb import crb
from tests.contract import subjects
from tests.estimators.averaged import expected_errors

SIGMA = 1e-3
N = 20


@pytest.fixture(params=subjects.MODEL_NAMES, scope="module")
def fitted(request):
    """Noise-free voxels, then one of NaN, one of infinity and one of zeros, in one batch."""
    model = subjects.model_named(request.param)
    truths = subjects.random_vectors(model, N).astype(np.float32)
    signals = np.asarray(model.signal(truths))
    broken = np.broadcast_to(np.array([[np.nan], [np.inf], [0.0]], signals.dtype), (3, signals.shape[1]))
    estimate = MaximumLikelihood(model, subjects.noise_of(model, SIGMA)).estimate(np.concatenate([signals, broken]))
    return model, truths, estimate


def test_noise_free_voxels_are_recovered(fitted):
    """The fit may stop 1e-4 of log-likelihood short of the optimum, √(2e-4) = 0.014 standard deviations; allow 0.1."""
    model, truths, estimate = fitted
    bound = np.sqrt(crb(model, truths, subjects.noise_of(model, SIGMA)))
    assert np.all(np.abs(estimate.values[:N] - truths) < 0.1 * bound + 1e-5 * np.abs(truths))
    assert set(estimate.status[:N]) <= {Status.OK}


def test_voxels_that_cannot_be_fitted_are_marked(fitted):
    _, _, estimate = fitted
    assert list(estimate.status[N:]) == [Status.NON_FINITE, Status.NON_FINITE, Status.NON_POSITIVE]
    assert np.all(np.isnan(estimate.values[N:]))
    assert np.all(np.isnan(estimate.standard_errors[N:]))


def test_standard_errors_are_the_bound_at_the_estimate(fitted):
    """Float32 inversion of a scaled information matrix: relative error about its condition number times 1e-7."""
    model, _, estimate = fitted
    expected = expected_errors(model, subjects.noise_of(model, SIGMA), estimate.values[:N])
    np.testing.assert_allclose(estimate.standard_errors[:N], expected, rtol=2e-2)


def test_result_has_the_shape_of_the_batch(fitted):
    model, _, estimate = fitted
    assert estimate.values.shape == estimate.standard_errors.shape == (N + 3, len(model.parameters))
    assert estimate.status.dtype == np.uint8
    assert estimate.parameter_names == model.parameter_names
    assert sum(estimate.counts().values()) == N + 3


def test_a_noise_free_voxel_leaves_no_residual(fitted):
    """Single precision and a fit that may stop 1e-4 of log-likelihood short: χ² < 0.01 over one degree of freedom."""
    model, _, estimate = fitted
    assert np.all(estimate.diagnostics["reduced_chi_square"][:N] < 0.01)
    if model.has_complex_amplitude:
        np.testing.assert_allclose(estimate.diagnostics["amplitude"][:N], 1.0, rtol=0.05)


def test_another_number_of_measurements_is_refused(fitted):
    model = fitted[0]
    with pytest.raises(ProtocolError, match=rf"expected {model.n_measurements} measurements"):
        MaximumLikelihood(model, subjects.noise_of(model, SIGMA)).estimate(np.ones((2, model.n_measurements + 1)))
