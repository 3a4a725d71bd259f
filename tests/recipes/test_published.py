"""The published trainings as recipes: the figures of the publications."""

import numpy as np
import pytest

from raofit.recipes import published
from raofit.recipes.named_architectures import network_for
from raofit.recipes.named_trainings import named_training
from raofit.training.adam import learning_rate_at


@pytest.mark.parametrize("name", ["zhang2022", "mao2024_mse_crb", "mao2024_bias_reduced"])
def test_published_trainings_draw_the_snr_uniformly_and_never_stop_early(name):
    recipe = getattr(published, name)()
    assert (recipe.weights, recipe.snr_scale, recipe.noise) == ("inverse-crb", "uniform", "complex-gaussian")
    assert recipe.patience == recipe.max_epochs


def _rate(recipe, step, steps_per_epoch):
    settings = recipe.trainer_settings()
    return learning_rate_at(
        settings.learning_rate, settings.final_learning_rate, np.asarray(step), settings.max_epochs * steps_per_epoch,
        schedule=settings.schedule, decay=settings.decay, decay_steps=settings.decay_epochs * steps_per_epoch,
    )  # fmt: skip


def test_published_learning_rates():
    assert float(_rate(published.zhang2022(), 40 * 500, 500)) == pytest.approx(5e-3)
    assert float(_rate(published.zhang2022(), 799 * 500, 500)) == pytest.approx(1e-5)
    assert float(_rate(published.mao2024_mse_crb(), 36_000, 72)) == pytest.approx(3.571e-5, rel=1e-3)
    assert float(_rate(published.mao2024_bias_reduced(), 288_000, 576)) == pytest.approx(1e-3)


def test_single_fields_can_be_replaced():
    recipe = published.compact_bias_reduced(max_epochs=3, architecture="compact-small")
    assert (recipe.max_epochs, recipe.patience, recipe.architecture) == (3, 3, "compact-small")


def test_a_named_training_leaves_out_what_the_model_does_not_have():
    whole = named_training("compact-bias-reduced")
    assert whole.of_parameters(["m0s", "omega0", "B1"]) == whole
    fisp = whole.of_parameters(["T1", "T2", "B1"])
    for recipe in fisp:
        assert (recipe.magnitudes, recipe.is_mirrored) == ((), False)
        assert recipe.parameter_weights == {"B1": 0.1}
    assert whole.of_parameters(["T1", "T2"]).recipe.parameter_weights is None
    assert fisp.recipe.n_realizations == whole.recipe.n_realizations


def test_fingerprints_have_a_small_network_without_nuisances():
    training = named_training("fingerprinting-bias-reduced", {"snr": (20.0, 80.0)})
    assert training == training.of_parameters(["T1", "T2"])  # nothing to leave out
    for recipe in training:
        assert (recipe.hidden, recipe.bound_floor, recipe.snr) == ((32, 32, 32), 0.0, (20.0, 80.0))
        assert (
            network_for(recipe, ("T1", "T2"), np.ones((4, 2)), 16).n_weights
            == 16 * 32 + 32 + 2 * (32 * 32 + 32) + 2 * 32 + 2
        )
    assert (training.start.n_realizations, training.recipe.n_realizations) == (1, 16)
