"""The recipe: presets, normalization, refusals."""

import dataclasses
import json

import pytest

from raofit.core.errors import RaofitError
from raofit.models import IVIM, InversionRecovery, MonoExponentialT2, MultiEchoSpinEcho, SpoiledGradientEcho
from raofit.recipes.training_recipe import TrainingRecipe


def test_the_papers_recipe():
    recipe = TrainingRecipe.paper(15)
    assert (recipe.n_training, recipe.n_validation, recipe.restarts, recipe.batch_size) == (80_000, 20_000, 16, 100)
    assert (recipe.max_epochs, recipe.patience, recipe.learning_rate) == (187, 37, 1e-3)
    assert (recipe.constraint, recipe.input_scaling, recipe.weights) == ("abs", "none", "inverse-mean")
    assert recipe.final_learning_rate is None
    assert recipe.hidden is None


def test_one_snr_is_a_range_of_one():
    assert TrainingRecipe(snr=20).snr == (20.0, 20.0)
    assert TrainingRecipe.on_the_spot((10, 40)).snr == (10.0, 40.0)


@pytest.mark.parametrize(
    ("model", "preset"),
    [
        (IVIM([0.0, 100.0, 800.0]), TrainingRecipe.on_the_spot),
        (MonoExponentialT2([0.01, 0.1]), TrainingRecipe.near_unbiased),
        (InversionRecovery([0.1, 1.0, 3.0]), TrainingRecipe.near_unbiased),
        (SpoiledGradientEcho([0.1, 0.3], 15e-3), TrainingRecipe.near_unbiased),
        (SpoiledGradientEcho([0.1, 0.3, 2.0], 15e-3, b1="free"), TrainingRecipe.on_the_spot),
        (MultiEchoSpinEcho([0.01, 0.02]), TrainingRecipe.near_unbiased),
        (MultiEchoSpinEcho([0.01, 0.02], t1="free"), TrainingRecipe.on_the_spot),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_models_that_data_determine_are_trained_to_be_near_unbiased(model, preset):
    assert TrainingRecipe.for_model(model, 20, seed=3) == preset(20, seed=3)


def test_near_unbiased_is_in_units_of_the_bound():
    recipe = TrainingRecipe.near_unbiased(20)
    assert (recipe.weights, recipe.constraint, recipe.range_margin) == ("inverse-crb", "exp", 0.25)
    assert TrainingRecipe.near_unbiased(20, range_margin=0.0).range_margin == 0.0


def test_a_recipe_is_plain_data():
    recipe = TrainingRecipe.on_the_spot(15, ranges={"D_fast": (0.01, 0.2)})
    restored = json.loads(json.dumps(recipe.as_dict()))
    restored |= {"snr": tuple(restored["snr"]), "ranges": {k: tuple(v) for k, v in restored["ranges"].items()}}
    assert TrainingRecipe(**restored) == recipe


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"snr": 0}, "0 < low"),
        ({"snr": (40, 10)}, "0 < low"),
        ({"labels": "guess"}, "`labels`"),
        ({"noise": "poisson"}, "`noise`"),
        ({"on_bound": "drop"}, "`on_bound`"),
        ({"alpha": -0.1}, "`alpha`"),
        ({"range_margin": -0.1}, "`range_margin`"),
        ({"restarts": 0}, "restart"),
        ({"labels": "mle-rician", "n_realizations": 4}, "`n_realizations` must be 1"),
        ({"labels": "self-supervised", "noise": "complex-gaussian"}, "real measurements"),
        ({"batch_size": 0}, "batch size"),
    ],
)
def test_refusals(fields, words):
    with pytest.raises(RaofitError, match=words):
        TrainingRecipe(**fields)


def test_changes_replace_single_fields():
    assert TrainingRecipe.paper(15, seed=3) == dataclasses.replace(TrainingRecipe.paper(15), seed=3)
