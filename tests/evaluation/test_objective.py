"""What is made small, what is limited, and which of two candidates that cannot be told apart is taken."""

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.evaluation.blocks import replicates
from raofit.evaluation.comparison import compared
from raofit.evaluation.objective import Limit, Measure, Objective, UnmetLimitsError, choose
from tests.evaluation.made import evaluation_of

TRUTHS = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
ADC_BIAS = np.array([0.3, -0.4, 0.0])


def _balanced(bias, std, n_draws=200):
    """Half of the draws one std above the biased mean, half below."""
    sign = np.where(np.arange(n_draws) % 2, 1.0, -1.0)[:, None, None]
    return TRUTHS + np.stack([np.zeros(3), bias], axis=1) + sign * std


def test_measures_are_their_formulas():
    """At one SNR of std 0.5 and another of std 1, with the same bias; the bound is 0.25 in both."""
    by_snr = {
        snr: {"a": evaluation_of(TRUTHS, _balanced(ADC_BIAS, std), crb_std=0.5)} for snr, std in ((20, 0.5), (10, 1.0))
    }
    comparison = compared(by_snr, ["S0", "ADC"])
    n, squared_bias = 200, np.mean(np.square(ADC_BIAS))
    variance = np.mean([0.25, 1.0])
    unbiased_variance, unbiased_square = variance * n / (n - 1), squared_bias - variance / (n - 1)
    expected = {
        "rmse": np.sqrt(squared_bias + variance),
        "bias": np.sqrt(unbiased_square),
        "std": np.sqrt(unbiased_variance),
        "worst-bias": 0.4 / 0.5,
        "variance": unbiased_variance / 0.25,
        "mse-crb": (squared_bias + variance) / 0.25,
    }
    for quantity, value in expected.items():
        assert Measure(quantity, "ADC").of(comparison, "a") == pytest.approx(value, rel=1e-12), quantity
    of_both = Measure("mse-crb").of(comparison, "a")  # S0 has the same variance and no bias
    assert of_both == pytest.approx((0.5 * squared_bias + variance) / 0.25, rel=1e-12)


def test_a_quantity_with_a_unit_needs_a_parameter():
    with pytest.raises(RaofitError, match="of which parameter\\? Write rmse:NAME"):
        Measure("rmse")
    with pytest.raises(RaofitError, match="`mse`: expected one of rmse, bias"):
        Measure("mse", "ADC")
    with pytest.raises(RaofitError, match="expected a finite limit above 0"):
        Limit(Measure("variance"), 0.0)


def _comparisons(**methods):
    """Of methods given by bias and std of ADC, all with the same noise, in 10 blocks of 40 draws."""
    noise = np.random.default_rng(0).normal(size=(10, 40, 3, 2))
    blocks = {
        name: [evaluation_of(TRUTHS, TRUTHS + np.array([0.0, bias]) + std * part) for part in noise]
        for name, (bias, std) in methods.items()
    }
    return replicates({20.0: blocks}, ["S0", "ADC"])


def test_of_those_that_cannot_be_told_apart_the_simplest_is_chosen():
    """A bias of 0.001 changes the error by 1e-6, where the noise moves it by 6e-5; a bias of 0.5 changes it by 0.25."""
    comparisons = _comparisons(plain=(-0.001, 1.0), tuned=(0.0, 1.0), far=(0.5, 1.0))
    choice = choose(Objective(Measure("mse-crb", "ADC")), comparisons, {"tuned": 2, "plain": 1, "far": 0})
    assert (choice.chosen, choice.best, set(choice.alike)) == ("plain", "tuned", {"plain", "tuned"})
    assert choice.outcomes[choice.best].excess == (0.0, 0.0)
    assert choice.outcomes["far"].excess.value > 2 * choice.outcomes["far"].excess.error
    equals = choose(Objective(Measure("mse-crb", "ADC")), comparisons, {"tuned": 1, "plain": 1, "far": 1})
    assert equals.chosen == equals.best


def test_limits_are_kept_though_the_objective_would_be_less():
    comparisons = _comparisons(loud=(0.0, 1.2), quiet=(0.3, 0.7))
    free = Objective(Measure("worst-bias", "ADC"))
    ranks = {"loud": 0, "quiet": 1}
    assert choose(free, comparisons, ranks).chosen == "loud"
    limited = Objective(Measure("worst-bias", "ADC"), (Limit(Measure("variance", "ADC"), 1.0),))
    choice = choose(limited, comparisons, ranks)
    assert choice.chosen == "quiet"
    assert not choice.outcomes["loud"].is_within
    assert np.isnan(choice.outcomes["loud"].excess.value)
    with pytest.raises(UnmetLimitsError, match=r"no candidate has variance:ADC<=0\.1; the closest is quiet with"):
        choose(Objective(Measure("rmse", "ADC"), (Limit(Measure("variance", "ADC"), 0.1),)), comparisons, ranks)
