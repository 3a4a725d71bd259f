"""What a network remembers of its training: both losses, and the CRB-weighted error of each parameter, per epoch."""

import dataclasses

import jax
import numpy as np
import pytest

from raofit.information.crb import crb
from raofit.noise import ComplexGaussian
from raofit.recipes.train_network import train_network
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.recipes.training_set import TrainingSet
from raofit.training.prior import Prior
from tests.recipes import complex_toy

MODEL = complex_toy.model(rank=8)
RECIPE = TrainingRecipe(
    snr=(100.0, 200.0), noise="complex-gaussian", weights="inverse-crb", n_validation=200, restarts=1,
    architecture="compact-small", hidden=(16, 16), constraint="none", output_scaling="spread", input_scaling="first",
    batch_size=128, max_epochs=5, patience=5, learning_rate=1e-2,
)  # fmt: skip


@pytest.fixture(scope="module")
def samples():
    prior = Prior.typical(MODEL, {"f": (0.3, 0.5), "R": (20.0, 40.0), "omega": (150.0, 300.0)})
    parameters = np.asarray(prior.sample(jax.random.key(0), 1000))
    bound = crb(MODEL, parameters, ComplexGaussian(1.0)).astype(np.float32)
    signals = np.asarray(MODEL.signal(parameters))
    return TrainingSet(parameters, signals, bound, np.zeros(1000, np.uint8), MODEL, prior)


def test_the_mean_over_parameters_of_mse_crb_is_the_loss_it_is_trained_with(samples):
    history = train_network(MODEL, RECIPE, data=samples).provenance["history"]
    weighted = np.array(list(history["mse_crb"].values()))
    assert list(history["mse_crb"]) == ["f", "R", "omega"]
    np.testing.assert_allclose(weighted.mean(axis=0), history["validation"], rtol=1e-4)
    assert len(history["training"]) == RECIPE.max_epochs


def test_another_loss_is_followed_in_the_same_measure(samples):
    """The constant-weight loss of one parameter alone does not lower the other's CRB-weighted error."""
    recipe = dataclasses.replace(RECIPE, weights="none", estimated=("R", "omega"), parameter_weights={"omega": 0.0})
    history = train_network(MODEL, recipe, data=samples).provenance["history"]
    assert history["mse_crb"]["R"][-1] < 0.5 * history["mse_crb"]["R"][0]
    assert history["mse_crb"]["omega"][-1] > history["mse_crb"]["omega"][0] * 0.5
