"""Priors: moments, ranges, the round trip to plain values, and refusals."""

import jax
import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.models import IVIM, MonoExponentialT2
from raofit.training.prior import Prior

N = 40_000


def test_typical_ranges_are_the_papers_for_ivim():
    prior = Prior.typical(IVIM([0, 100]))
    np.testing.assert_allclose(prior.low, [0.8, 0.1, 0.4e-3, 10e-3])
    np.testing.assert_allclose(prior.high, [1.2, 0.5, 3e-3, 150e-3])
    assert prior.is_log == (False, False, False, False)


@pytest.mark.parametrize("model", [IVIM([0, 100]), MonoExponentialT2([0.01])], ids=["uniform", "log-uniform"])
def test_samples_stay_inside_and_have_the_stated_mean(model):
    prior = Prior.typical(model)
    samples = np.asarray(prior.sample(jax.random.key(0), N))
    eps = np.finfo(np.float32).eps
    assert np.all(samples >= prior.low * (1 - 4 * eps))
    assert np.all(samples <= prior.high * (1 + 4 * eps))
    error = 4 * samples.std(axis=0) / np.sqrt(N)  # 4 standard errors of the mean
    np.testing.assert_array_less(np.abs(samples.mean(axis=0) - prior.mean), error)


def test_a_log_scaled_parameter_is_uniform_in_its_logarithm():
    prior = Prior.typical(MonoExponentialT2([0.01]))
    t2 = np.asarray(prior.sample(jax.random.key(1), N))[:, 1]
    middle = np.sqrt(prior.low[1] * prior.high[1])
    # the share below the geometric middle is binomial around 1/2: 4 standard deviations
    assert abs(np.mean(t2 < middle) - 0.5) < 4 * 0.5 / np.sqrt(N)


def test_plain_values_round_trip():
    prior = Prior.typical(MonoExponentialT2([0.01]), {"T2": (0.03, 0.3)})
    assert Prior.from_dict(prior.as_dict()) == prior


@pytest.mark.parametrize(
    ("ranges", "is_log", "words"),
    [(((1.0, 1.0),), (False,), "low < high"), (((0.0, 1.0),), (True,), "above 0"), ((), (False,), "one range")],
)
def test_refusals(ranges, is_log, words):
    with pytest.raises(RaofitError, match=words):
        Prior(("T2",), ranges, is_log)
