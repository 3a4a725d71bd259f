"""The intervals on a card: how often they hold the truth, and how wide they have to be."""

import jax
import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.evaluation.coverage import LEVELS, level_words
from raofit.models import MonoExponentialADC
from raofit.recipes.card import with_card
from tests.estimators.untrained import untrained

MODEL = MonoExponentialADC([0, 300, 600, 1000])


@pytest.fixture(scope="module")
def network():
    """Random weights: answers that hardly depend on the measurement, so intervals are missed for their bias."""
    return with_card(untrained(MODEL, noise_name="gaussian", input_scaling="first"), key=jax.random.key(2))


def test_a_biased_network_misses_the_truth_until_its_intervals_are_widened(network):
    """The same 400 truths in 100 draws count as 400 draws at worst; so do the 400 of the calibration: 4 sigma each."""
    (entry,) = network.card["entries"]
    for figures in entry["parameters"].values():
        assert figures["coverage_95"] < 0.8
        assert figures["interval_factor_95"] > 1.96
        for level, name in zip(LEVELS, level_words("calibrated_coverage"), strict=True):
            assert abs(figures[name] - level) < 4 * np.sqrt(2 * level * (1 - level) / 400)


def test_standard_errors_go_on_stating_scatter(network):
    """Mean squared standard error over the prior's truths is the variance on the card, both over 400 truths."""
    truths = network.prior.sample(jax.random.key(9), 2000)
    measurements = np.asarray(network.model.signal(truths)) + np.random.default_rng(0).normal(0, 1 / 15, (2000, 4))
    errors = network.estimate(measurements, sigma=1 / 15).standard_errors
    for index, figures in enumerate(network.card["entries"][0]["parameters"].values()):
        assert np.sqrt(np.mean(errors[:, index] ** 2)) == pytest.approx(figures["std"], rel=0.15)


def test_the_network_gives_the_factors_of_its_card(network):
    stated = [figures["interval_factor_68"] for figures in network.card["entries"][0]["parameters"].values()]
    np.testing.assert_allclose(network.interval_factors(0.68), stated)
    with pytest.raises(RaofitError, match="no factors of 90 % intervals"):
        network.interval_factors(0.9)
