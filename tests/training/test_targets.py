"""Labels: what is held out, what is kept, and the blend."""

import types

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.core.status import Status
from raofit.training.targets import blend, estimate_labels, truth_labels

STATUS = [Status.OK, Status.AT_BOUND, Status.NOT_CONVERGED, Status.NON_FINITE, Status.OK]
VALUES = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [np.nan, np.nan], [7.0, 8.0]]
ESTIMATE = types.SimpleNamespace(values=np.array(VALUES), status=np.array(STATUS, np.uint8))


def test_the_papers_rule_holds_out_bounds_and_every_failure():
    labels = estimate_labels(ESTIMATE)
    assert labels.is_kept.tolist() == [True, False, False, False, True]
    np.testing.assert_array_equal(labels.values[labels.is_kept], [[1, 2], [7, 8]])


def test_keep_drops_only_samples_without_a_value():
    labels = estimate_labels(ESTIMATE, on_bound="keep")
    assert labels.is_kept.tolist() == [True, True, True, False, True]


def test_held_out_values_are_finite_so_that_gradients_are():
    assert np.all(np.isfinite(estimate_labels(ESTIMATE).values))


def test_a_finite_status_with_a_nan_value_is_held_out():
    estimate = types.SimpleNamespace(values=np.array([[np.nan], [1.0]]), status=np.zeros(2, np.uint8))
    assert estimate_labels(estimate).is_kept.tolist() == [False, True]


def test_nothing_left_is_an_error():
    estimate = types.SimpleNamespace(values=np.ones((3, 1)), status=np.full(3, Status.AT_BOUND, np.uint8))
    with pytest.raises(RaofitError, match="none of the 3 samples"):
        estimate_labels(estimate)


def test_unknown_rule_is_an_error():
    with pytest.raises(RaofitError, match="hold-out"):
        estimate_labels(ESTIMATE, on_bound="drop")  # type: ignore[arg-type]


def test_blend_mixes_values_and_keeps_what_both_keep():
    mixed = blend(estimate_labels(ESTIMATE), truth_labels(np.zeros((5, 2))), 0.25)
    np.testing.assert_allclose(mixed.values[[0, 4]], 0.25 * np.array([[1, 2], [7, 8]]))
    assert mixed.is_kept.tolist() == [True, False, False, False, True]
