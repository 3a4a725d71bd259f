"""The recipes of the study's networks."""

import pytest

from raofit.studies.epstein2022 import FULL, METHODS
from raofit.studies.epstein2022_networks import method_recipe

BY_NAME = {method.name: method for method in METHODS}


@pytest.mark.parametrize(
    ("name", "labels", "alpha", "emphasis"),
    [
        ("supervised-gt", "truth", 1.0, None),
        ("supervised-mle-rician", "mle-rician", 1.0, None),
        ("supervised-mle-gaussian", "mle-gaussian", 1.0, None),
        ("hybrid", "mle-rician", 0.5, None),
        ("weighted-D_slow", "mle-rician", 1.0, "D_slow"),
        ("self-supervised", "self-supervised", 1.0, None),
        ("self-supervised-rician", "self-supervised-rician", 1.0, None),
    ],
)
def test_what_each_network_is_trained_on(name, labels, alpha, emphasis):
    recipe = method_recipe(BY_NAME[name], 15.0, FULL)
    assert (recipe.labels, recipe.alpha, recipe.emphasis) == (labels, alpha, emphasis)


def test_the_papers_training():
    recipe = method_recipe(BY_NAME["supervised-gt"], 30.0, FULL)
    assert (recipe.n_training, recipe.n_validation, recipe.restarts) == (80_000, 20_000, 16)
    assert (recipe.batch_size, recipe.max_epochs, recipe.patience, recipe.learning_rate) == (100, 187, 37, 1e-3)
    assert (recipe.snr, recipe.noise, recipe.on_bound) == ((30.0, 30.0), "rician", "hold-out")
    assert (recipe.constraint, recipe.input_scaling, recipe.hidden) == ("abs", "none", None)
    assert recipe.emphasis_factor == 1e6


def test_literal_mode_changes_labels_only():
    converged = method_recipe(BY_NAME["hybrid"], 15.0, FULL)
    literal = method_recipe(BY_NAME["hybrid"], 15.0, FULL, labels="literal")
    assert literal.labels == "literal-rician"
    assert literal.alpha == converged.alpha
    assert method_recipe(BY_NAME["supervised-gt"], 15.0, FULL, labels="literal").labels == "truth"
