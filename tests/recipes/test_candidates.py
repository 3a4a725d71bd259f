"""Candidates of a tuning: their names, their recipes, and what lies half way around the best one."""

import dataclasses

import pytest

from raofit.core.errors import RaofitError
from raofit.recipes.candidates import Axis, candidates, refined
from raofit.recipes.training_recipe import TrainingRecipe

RECIPE = TrainingRecipe.near_unbiased(20.0, n_realizations=4)


def _named(found):
    return [one.name for one in found]


def test_ends_of_the_blend_are_plain_trainings():
    base = dataclasses.replace(RECIPE, n_realizations=1)
    truth, half, labels = (one.recipe(base, "mle-rician") for one in candidates([Axis("alpha", (1.0, 0.0, 0.5))]))
    assert truth == base
    assert (half.labels, half.alpha, labels.labels, labels.alpha) == ("mle-rician", 0.5, "mle-rician", 1.0)


def test_the_price_of_variance_and_what_is_free():
    every = candidates([Axis("delta", (0.0, 1.0)), Axis("lambda", (0.1, 1.0))])
    assert _named(every) == ["lambda=0.1,delta=0", "lambda=0.1,delta=1", "lambda=1,delta=0", "lambda=1,delta=1"]
    assert [one.simplicity for one in every] == [2, 2, 0, 1]
    recipe = every[1].recipe(RECIPE)
    assert (recipe.variance_factor, recipe.tolerated_variance, recipe.labels) == (0.1, 1.0, "truth")


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ([Axis("alpha", (0.0,))], "expected 2 candidates or more to choose from, got 1"),
        ([Axis("alpha", (0.0, 1.0)), Axis("delta", (1.0,))], "alpha belongs to trainings on labels"),
        ([Axis("delta", (0.0, 1.0)), Axis("delta", (2.0,))], "delta: given twice"),
    ],
)
def test_what_makes_no_candidates(axes, words):
    with pytest.raises(RaofitError, match=words):
        candidates(axes)


@pytest.mark.parametrize(("knob", "value"), [("alpha", 1.1), ("alpha", -0.1), ("lambda", float("inf")), ("mu", 1.0)])
def test_values_a_knob_cannot_have(knob, value):
    with pytest.raises(RaofitError, match=f"{knob}"):
        Axis(knob, (0.5, value))


def test_refining_halves_the_distance_to_both_neighbors():
    axis = Axis("alpha", (0.0, 0.5, 1.0))
    every = candidates([axis])
    assert _named(refined([axis], every, every[1])) == ["alpha=0.25", "alpha=0.75"]
    assert _named(refined([axis], every, every[0])) == ["alpha=0.25"]
    closer = [*every, *refined([axis], every, every[0])]
    assert _named(refined([axis], closer, closer[3])) == ["alpha=0.125", "alpha=0.375"]


def test_on_a_logarithmic_axis_ratios_are_halved_but_not_those_to_zero():
    axes = [Axis("lambda", (0.0, 0.01, 1.0), is_log=True), Axis("delta", (0.0, 1.0))]
    every = candidates(axes)
    best = next(one for one in every if one.name == "lambda=0.01,delta=1")
    assert _named(refined(axes, every, best)) == ["lambda=0.005,delta=1", "lambda=0.1,delta=1", "lambda=0.01,delta=0.5"]
