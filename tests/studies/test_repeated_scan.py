"""The protocol for repeated scans on data where every step is known."""

import jax
import numpy as np
import pytest

from raofit.core.errors import ProtocolError
from raofit.core.status import Status
from raofit.estimators.estimate import Estimate
from raofit.models import IVIM
from raofit.studies.repeated_scan import (
    AmplitudeNormalized,
    binned,
    estimate_repeats,
    reference_fit,
    resimulate,
    sigma_of_repeats,
    split_repeats,
)

B_VALUES = np.array([0.0, 10, 20, 30, 50, 80, 100, 200, 400, 800])
MODEL = IVIM(B_VALUES)


class Answer:
    """Answers the first four measurements as the parameters; records what it saw."""

    def estimate(self, measurements):
        self.seen = np.asarray(measurements)
        values = self.seen[:, :4].astype(np.float64)
        return Estimate(values, np.full(len(values), Status.OK, np.uint8), MODEL.parameter_names, lambda: values)


def test_volumes_are_sorted_into_acquisitions():
    b_values = np.array([800.0, 0, 0, 100, 800, 100])
    volumes = np.arange(6.0) * np.ones((2, 1))
    single, repeats = split_repeats(volumes, b_values)
    np.testing.assert_array_equal(single, [0, 100, 800])
    assert repeats.shape == (2, 2, 3)
    np.testing.assert_array_equal(repeats[:, 0], [[1, 3, 0], [2, 5, 4]])


@pytest.mark.parametrize("b_values", [[0.0, 0, 100], [0.0, 100, 800]])
def test_incomplete_repeats_are_refused_with_the_counts(b_values):
    with pytest.raises(ProtocolError, match=r"b = 100: 1"):
        split_repeats(np.zeros((4, 3)), np.array(b_values))


def test_sigma_is_the_spread_of_the_lowest_b():
    repeats = np.array([[[1.0, 9.0]], [[3.0, 0.0]]])
    np.testing.assert_allclose(sigma_of_repeats(repeats), [1.0])


def test_networks_see_each_acquisition_divided_by_its_first_value():
    measurements = np.array([[2.0, 1.0, 0.5, 0.25], [0.0, 1.0, 1.0, 1.0]], dtype=np.float32)
    answer = Answer()
    found = AmplitudeNormalized(answer, 0).estimate(measurements)
    np.testing.assert_allclose(answer.seen[0], [1.0, 0.5, 0.25, 0.125])
    assert np.isnan(answer.seen[1]).all()
    np.testing.assert_allclose(found.values[0], [2.0, 0.5, 0.25, 0.125])
    np.testing.assert_allclose(found.standard_errors[0], [2.0, 0.5, 0.25, 0.125])


def test_every_method_sees_every_acquisition_in_order():
    repeats = np.arange(2 * 3 * 10.0).reshape(2, 3, 10)
    values = estimate_repeats({"answer": Answer()}, repeats)["answer"]
    np.testing.assert_array_equal(values, repeats[..., :4])


def test_bins_leave_out_voxels_beyond_the_training_ranges():
    reference = np.array([[1.0, 0.3, 1.5e-3, 80e-3], [50.0, 0.3, 1.5e-3, 80e-3], [1.0, 0.3, 1.5e-3, 290e-3]])
    curves = binned(reference, {"fit": np.stack([reference, reference + 0.01])}, MODEL.parameters)["fit"]
    assert list(curves) == ["f", "D_slow", "D_fast"]
    assert curves["f"].n_voxels.sum() == 2  # any amplitude will do, D_fast = 290e-3 will not
    assert np.nanmax(curves["f"].bias) == pytest.approx(0.005)
    assert len(curves["f"].center) == 10


@pytest.mark.slow
def test_the_reference_comes_from_all_acquisitions_together():
    truth = np.tile([1.0, 0.3, 1.2e-3, 60e-3], (40, 1))
    sigma = np.full(40, 0.02)
    repeats = resimulate(MODEL, truth, sigma, 16, jax.random.key(1))
    assert repeats.shape == (16, 40, 10)
    spread = sigma_of_repeats(repeats)
    # std of 16 repeats (ddof 0) averages to σ·(1 − 3/(4·16)); 4 sigma over 40 voxels
    assert abs(spread.mean() / 0.02 - (1 - 0.75 / 16)) < 4 / np.sqrt(2 * 16 * 40)
    found = reference_fit(MODEL, repeats, spread)
    assert np.mean(found.status == Status.OK) > 0.9
    # √CRB of one acquisition is (.07, .4e-3) at SNR 15; at SNR 50 with 16 repeats 13 times less; 4 sigma of the mean
    assert abs(found["f"].mean() - 0.3) < 4 * 0.0052 / np.sqrt(40) + 0.002
    assert abs(found["D_slow"].mean() - 1.2e-3) < 4 * 0.03e-3 / np.sqrt(40) + 0.005e-3
