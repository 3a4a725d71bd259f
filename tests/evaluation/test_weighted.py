"""CRB-weighted summaries of evaluations whose bias, variance and slope are known."""

import dataclasses

import numpy as np
import pytest

from raofit.core.status import Status
from raofit.evaluation.evaluate import Evaluation
from raofit.evaluation.weighted import OVERALL, squared_bias_ratio, weighted_summary
from raofit.models import IVIM

PARAMETERS = IVIM([0.0, 50.0, 100.0, 500.0, 800.0]).parameters
NAMES = ("f", "D_slow")
COLUMNS = [[parameter.name for parameter in PARAMETERS].index(name) for name in NAMES]
N_TRUTHS, N_DRAWS = 4000, 50


@pytest.fixture(scope="module")
def sampled() -> Evaluation:
    """Means and variances of `N_DRAWS` normal draws: bias 0.5 √CRB, variance 0.8 CRB, estimates 0.9 of the truth."""
    random = np.random.default_rng(0)
    truths = random.uniform(1.0, 3.0, (N_TRUTHS, len(PARAMETERS)))
    bound = 0.2 * np.ones_like(truths)
    draws = np.sqrt(0.8) * random.normal(size=(N_DRAWS, *truths.shape))
    sign = random.choice([-1.0, 1.0], truths.shape)
    lost = -0.1 * (truths - 2.0) / bound
    return Evaluation(
        truths=truths,
        bias=bound * (draws.mean(axis=0) + 0.5 * sign + lost),
        std=bound * draws.std(axis=0),
        n_usable=np.full(truths.shape, N_DRAWS),
        share_at_bound=np.zeros(truths.shape),
        status_counts={Status.OK: np.full(N_TRUTHS, N_DRAWS)},
        n_repeats=N_DRAWS,
        parameters=PARAMETERS,
        crb_std=bound,
    )


def test_means_are_those_of_the_estimator_and_lie_in_their_intervals(sampled):
    """Mean squared bias is 0.25 + 0.01·(1/3)/0.04; tolerances are 5 standard errors over the 4000 truths.

    Per truth the squared bias scatters by at most 0.45, the variance by 0.8·√(2/49) and share_above by ½.
    """
    found = weighted_summary(sampled, NAMES)
    assert set(found) == {*NAMES, OVERALL}
    expected = 0.25 + 0.01 / 3 / 0.04
    for name in NAMES:
        of = found[name]
        assert of.squared_bias.value == pytest.approx(expected, abs=5 * 0.45 / np.sqrt(N_TRUTHS))
        assert of.variance.value == pytest.approx(0.8, abs=5 * 0.8 * np.sqrt(2 / 49 / N_TRUTHS))
        assert of.slope.value == pytest.approx(0.9, abs=5 * 0.2 * 0.52 / 0.577 / np.sqrt(N_TRUTHS))
        for interval in (of.squared_bias, of.variance, of.slope, of.share_above):
            assert interval.low < interval.value < interval.high
    assert found[OVERALL].variance.value == pytest.approx(np.mean([found[name].variance.value for name in NAMES]))
    assert found["f"].median_squared_bias == pytest.approx(np.median(sampled.weighted_squared_bias[:, COLUMNS[0]]))


def test_slope_is_that_of_a_straight_line_fit(sampled):
    mean = sampled.mean_estimate[:, COLUMNS]
    for index, name in enumerate(NAMES):
        slope = np.polyfit(sampled.truths[:, COLUMNS[index]], mean[:, index], 1)[0]
        assert weighted_summary(sampled, NAMES)[name].slope.value == pytest.approx(slope, rel=1e-9)


@pytest.mark.parametrize("n_truths", [3, 1])
def test_a_few_truths_leave_slopes_undefined_where_they_are(sampled, n_truths):
    """One of nine resamples of three truths holds the same one three times, and has no slope."""
    few = {name: getattr(sampled, name)[:n_truths] for name in ("truths", "bias", "std", "n_usable", "crb_std")}
    slope = weighted_summary(dataclasses.replace(sampled, **few), NAMES)["f"].slope
    assert np.isfinite(slope).all() == (n_truths > 1)


def test_the_interval_of_the_variance_is_as_wide_as_its_scatter(sampled):
    """±1.96 standard errors, within 20 % for 500 resamples."""
    interval = weighted_summary(sampled, NAMES)["f"].variance
    error = np.std(sampled.weighted_variance[:, COLUMNS[0]]) / np.sqrt(N_TRUTHS)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.2)


def test_ratio_of_the_same_truths_is_paired(sampled):
    halved = dataclasses.replace(sampled, bias=sampled.bias / 2, std=sampled.std / 2)
    ratio = squared_bias_ratio(halved, sampled, NAMES)
    np.testing.assert_allclose(ratio, 0.25, rtol=1e-9)
