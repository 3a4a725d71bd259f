"""What dictionary matching promises for every model, registered or a user's own."""

import numpy as np
import pytest

from raofit.core.status import Status
from raofit.estimators.dictionary_matching import DictionaryMatching
from raofit.estimators.parameter_grid import ParameterGrid
from raofit.information.crb import crb
from tests.contract import subjects

SIGMA = 1e-3
N = 20


@pytest.fixture(params=subjects.MODEL_NAMES, scope="module")
def matched(request):
    """Atoms as measurements, then one voxel of NaN, one of infinity and one of zeros, in one batch."""
    model = subjects.model_named(request.param)
    shape = [item for item in model.parameters if not item.is_amplitude]
    grid = ParameterGrid({item.name: np.linspace(*item.typical, 6)[1:] for item in shape})
    matching = DictionaryMatching(model, grid, subjects.noise_of(model, SIGMA), is_interpolated=False)
    chosen = np.linspace(0, len(grid) - 1, N).astype(int)
    signals = 2.0 * matching.atoms.signals[chosen]
    broken = np.broadcast_to(np.array([[np.nan], [np.inf], [0.0]], signals.dtype), (3, signals.shape[1]))
    return model, matching, chosen, matching.estimate(np.concatenate([signals, broken]))


def test_atoms_are_found(matched):
    """No other atom explains the measurement, unless it is the same signal to rounding."""
    model, matching, chosen, estimate = matched
    assert np.all(estimate.diagnostics["relative_residual"][:N] < 1e-6)
    found, expected = (matching.atoms.signals[index] for index in (estimate.diagnostics["atom"][:N], chosen))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.max(np.abs(expected)))
    if model.amplitude_index is not None:
        np.testing.assert_allclose(estimate.values[:N, model.amplitude_index], 2.0, rtol=1e-6)
    assert set(estimate.status[:N]) <= {Status.OK, Status.AT_BOUND}


def test_voxels_that_cannot_be_matched_are_marked(matched):
    estimate = matched[-1]
    assert list(estimate.status[N:]) == [Status.NON_FINITE, Status.NON_FINITE, Status.NON_POSITIVE]
    assert np.all(np.isnan(estimate.values[N:]))
    assert np.all(np.isnan(estimate.standard_errors[N:]))


def test_standard_errors_are_the_bound_at_the_estimate(matched):
    """The measurements have amplitude 2: a complex M0 of that size halves the errors of the shape."""
    model, _, _, estimate = matched
    bound = np.sqrt(crb(model, estimate.values[:N], subjects.noise_of(model, SIGMA)))
    scale = 2.0 if model.has_complex_amplitude else 1.0
    np.testing.assert_allclose(estimate.standard_errors[:N], bound / scale, rtol=1e-4)


def test_result_has_the_shape_of_the_batch(matched):
    model, _, _, estimate = matched
    assert estimate.values.shape == estimate.standard_errors.shape == (N + 3, len(model.parameters))
    assert estimate.status.dtype == np.uint8
    assert estimate.parameter_names == model.parameter_names
