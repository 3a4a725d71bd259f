"""Coverage of intervals whose truth is known in closed form."""

import jax
import numpy as np
import pytest
import scipy.stats

from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter
from raofit.estimators.estimate import Estimate
from raofit.evaluation import evaluate
from raofit.evaluation.coverage import LEVELS, calibrated_factors, level_words, normal_factors
from raofit.evaluation.packed import pack, unpack
from raofit.evaluation.tables import COVERAGES, result_columns, summarize
from raofit.models import FunctionModel
from raofit.noise import Gaussian

N_MEASUREMENTS, SIGMA, N = 4, 0.2, 5000
ERROR = SIGMA / np.sqrt(N_MEASUREMENTS)
TRUTHS = np.array([[0.5], [1.0], [4.0]])
LEVEL = Parameter("level", "a.u.", (-10.0, 10.0), (0.0, 5.0), "l", "signal level")
MODEL = FunctionModel(
    lambda parameters, times: parameters[0] + times, [LEVEL], {"times": np.zeros(N_MEASUREMENTS)}, name="constant"
)


class ShiftedMean:
    """The mean plus a bias, with standard errors that state its scatter times a factor."""

    def __init__(self, *, shift=0.0, factor=1.0, at_bound=None):
        self.shift, self.factor, self.at_bound = shift, factor, at_bound

    def estimate(self, measurements):
        values = np.asarray(measurements, np.float64).mean(axis=-1, keepdims=True) + self.shift
        errors = np.full(values.shape, self.factor * ERROR)
        diagnostics = {} if self.at_bound is None else {"is_at_bound": values > self.at_bound}
        return Estimate(values, np.zeros(len(values), np.uint8), ("level",), lambda: errors, diagnostics)


def _evaluated(estimator, **options):
    return evaluate(estimator, MODEL, Gaussian(SIGMA), TRUTHS, N, jax.random.key(4), coverage=True, **options)


def _within_binomial_error(found, expected):
    """4 standard deviations √(p(1 − p)/n) of a share among n draws."""
    return np.all(np.abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / N))


def test_factors_are_the_quantiles_of_a_normal_variable():
    np.testing.assert_allclose(normal_factors(), [0.674490, 0.994458, 1.959964], atol=1e-6)
    assert level_words("coverage") == ("coverage_50", "coverage_68", "coverage_95")


@pytest.mark.parametrize("chunk_size", [777, 100_000])
def test_intervals_of_the_mean_hold_the_truth_as_often_as_they_say(chunk_size):
    found = _evaluated(ShiftedMean(), chunk_size=chunk_size).coverage
    assert found.shape == (3, 1, 3)
    assert _within_binomial_error(found, np.array(LEVELS))


def test_intervals_of_a_biased_estimator_miss_by_the_known_share():
    z = normal_factors()
    found = _evaluated(ShiftedMean(shift=1.5 * ERROR)).coverage
    assert _within_binomial_error(found, scipy.stats.norm.cdf(z - 1.5) - scipy.stats.norm.cdf(-z - 1.5))


def test_given_factors_replace_the_normal_ones():
    found = _evaluated(ShiftedMean(factor=0.5), interval_factors=np.array([[2.0, 6.0]])).coverage
    assert _within_binomial_error(found, 2 * scipy.stats.norm.cdf([1.0, 3.0]) - 1)


def test_no_standard_error_is_no_interval_and_an_infinite_one_holds_everything():
    np.testing.assert_array_equal(_evaluated(ShiftedMean(factor=np.nan)).coverage, 0.0)
    np.testing.assert_array_equal(_evaluated(ShiftedMean(factor=np.inf)).coverage, 1.0)


def test_calibrated_factors_widen_the_intervals_of_a_biased_estimator_until_they_hold():
    """Calibrated on other draws than those they are tested on, so either share has its binomial error."""
    draws = np.random.default_rng(0).normal(1.5, 1.0, (N, 1))
    factors = calibrated_factors(draws, np.ones_like(draws))
    assert np.all(factors > normal_factors())
    found = _evaluated(ShiftedMean(shift=1.5 * ERROR), interval_factors=factors).coverage
    assert np.all(np.abs(found - LEVELS) < 4 * np.sqrt(2) * np.sqrt(np.array(LEVELS) * (1 - np.array(LEVELS)) / N))


def test_calibration_leaves_out_what_no_factor_can_help():
    errors, standard_errors = np.array([[1.0], [2.0], [np.nan], [9.0]]), np.array([[1.0], [1.0], [1.0], [np.nan]])
    np.testing.assert_allclose(calibrated_factors(errors, standard_errors, (0.5,)), [[1.5]])
    assert np.isnan(calibrated_factors(errors[2:], standard_errors[2:])).all()


def test_tables_have_coverage_over_all_truths_and_away_from_bounds():
    result = _evaluated(ShiftedMean(shift=0.0, at_bound=3.0))
    numbers = summarize(result)["level"]
    assert numbers["coverage_68"] == pytest.approx(result.coverage[:, 0, 1].mean())
    assert numbers["share_away_from_bounds"] == pytest.approx(2 / 3)  # the truth of 4 is beyond the bound
    assert numbers["coverage_95_away_from_bounds"] == pytest.approx(result.coverage[:2, 0, 2].mean())
    assert set(COVERAGES) <= set(numbers)
    np.testing.assert_array_equal(result_columns({"mean": result})["coverage_95_level [1]"], result.coverage[:, 0, 2])


def test_coverage_is_not_counted_unless_asked_for():
    result = evaluate(ShiftedMean(), MODEL, Gaussian(SIGMA), TRUTHS, 3, jax.random.key(4))
    assert result.coverage is None
    assert not set(COVERAGES) & set(summarize(result)["level"])


def test_packed_evaluations_keep_their_coverage():
    result = _evaluated(ShiftedMean())
    restored = unpack(pack({"one": result}), MODEL)["one"]
    np.testing.assert_array_equal(restored.coverage, result.coverage)


def test_factors_of_another_number_of_parameters_are_refused():
    with pytest.raises(RaofitError, match=r"one row for each of level, got shape \(2, 3\)"):
        _evaluated(ShiftedMean(), interval_factors=np.ones((2, 3)))
