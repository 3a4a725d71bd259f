"""Noise draws in blocks: nothing is lost by pooling, and the jackknife states how far the noise moves a number."""

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.evaluation.blocks import block_sizes, jackknife_error, pooled, replicates
from raofit.evaluation.objective import Measure
from tests.evaluation.made import evaluation_of

TRUTHS = np.random.default_rng(0).uniform(1.0, 2.0, (6, 2))


def test_blocks_of_any_size_pool_to_the_evaluation_of_all_draws():
    estimates = TRUTHS + np.random.default_rng(1).normal(0.2, 0.5, (23, 6, 2))
    estimates[[0, 3, 17], 2, 1] = np.nan  # of failed fits; one block holds none of them
    estimates[:3, 4] = np.nan  # and one holds nothing else
    parts = np.split(estimates, np.cumsum([3, 8, 2]))
    with pytest.warns(RuntimeWarning):  # NumPy's, of the mean of nothing
        blocks = [evaluation_of(TRUTHS, part) for part in parts]
    whole, found = evaluation_of(TRUTHS, estimates), pooled(blocks)
    for name in ("bias", "std", "n_usable"):
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name), rtol=1e-12)
    assert found.n_repeats == 23
    np.testing.assert_array_equal(found.status_counts[0], whole.status_counts[0])


def test_too_few_draws_for_the_blocks():
    assert block_sizes(20, 10) == [2] * 10
    with pytest.raises(RaofitError, match="expected 20 repeats or more for 10 blocks of noise, got 19"):
        block_sizes(19, 10)


def test_the_stated_error_of_a_difference_is_its_scatter():
    """Two estimators that see the same noise: 300 repetitions; the jackknife of 10 blocks scatters by 24 % itself.

    Four standard errors of the mean of 300 squared errors and of the variance over 300 repetitions together are 34 %.
    """
    random = np.random.default_rng(2)
    differences, errors = [], []
    for _ in range(300):
        noise = random.normal(size=(40, 6, 2))
        methods = {"a": 0.1 + noise, "b": 0.8 * noise + 0.3 * random.normal(size=noise.shape)}
        blocks = {
            name: [evaluation_of(TRUTHS, TRUTHS + part) for part in np.split(of, 10)] for name, of in methods.items()
        }
        comparisons = replicates({20.0: blocks}, ["S0", "ADC"])
        values = np.array([Measure("mse-crb").of(of, "a") - Measure("mse-crb").of(of, "b") for of in comparisons])
        differences.append(values[0])
        errors.append(jackknife_error(values))
    assert np.mean(np.square(errors)) == pytest.approx(np.var(differences), rel=4 * np.hypot(0.47, np.sqrt(2)) / 17.3)
