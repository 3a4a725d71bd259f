"""What a recipe says of the loss reaches the loss of drawn signals, and what it cannot mean there is refused."""

import dataclasses

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.models import MonoExponentialADC
from raofit.recipes.members import member_losses
from raofit.recipes.train_network import train_network
from raofit.recipes.training_data import Simulated
from raofit.recipes.training_recipe import TrainingRecipe

ADC = MonoExponentialADC([0, 300, 600, 1000])
RECIPE = TrainingRecipe.near_unbiased(20.0, n_realizations=4)


def _losses(recipes):
    parameters = np.array([[1.0, 1e-3], [1.0, 3e-3]], np.float32)
    drawn = Simulated(parameters, np.ones((2, 4, 4), np.float32), np.full(2, 0.05, np.float32))
    return member_losses(ADC, recipes, 2, None, drawn)


def test_every_setting_of_the_loss_reaches_it():
    changes = {
        "variance_factor": 0.1, "tolerated_variance": 1.0, "bias_moments": "unbiased", "variance_moments": "unbiased",
        "bound_floor": 0.01, "parameter_weights": {"S0": 0.0, "ADC": 3.0},
    }  # fmt: skip
    losses = _losses([dataclasses.replace(RECIPE, **changes), dataclasses.replace(RECIPE, **changes, alpha=0.5)])
    np.testing.assert_allclose(losses.weights, 4 * [[0.0, 3.0]])
    np.testing.assert_allclose(losses.bound_floor, 4 * [[0.0, 0.01 * 1e-6]], rtol=1e-5)  # the variance is (1e-3)²
    np.testing.assert_allclose(losses.variance_factor, 4 * [0.1], rtol=1e-6)
    np.testing.assert_allclose(losses.tolerated_variance, 4 * [1.0])
    np.testing.assert_allclose(losses.alpha, [RECIPE.alpha, RECIPE.alpha, 0.5, 0.5])
    assert (losses.bias_moments, losses.variance_moments) == ("unbiased", "unbiased")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"estimated": ("ADC",)}, "recipe `estimated`: expected it for a training on a set of fingerprints alone"),
        ({"magnitudes": ("ADC",)}, "recipe `magnitudes`"),
        ({"is_mirrored": True}, "recipe `is_mirrored`"),
        (
            {"parameter_weights": {"f": 0.0}},
            "recipe `parameter_weights`: `f` is not a parameter; the model has",
        ),
        ({"emphasis": "f"}, "recipe `emphasis`: `f` is not a parameter"),
        ({"labels": "self-supervised", "parameter_weights": {"S0": 0.0}}, "weigh residuals of signals"),
    ],
)
def test_what_drawn_signals_have_no_place_for_is_refused(changes, words):
    recipe = dataclasses.replace(RECIPE, **({"weights": "none", "n_realizations": 1} | changes))
    with pytest.raises(RaofitError, match=words):
        train_network(ADC, recipe)
