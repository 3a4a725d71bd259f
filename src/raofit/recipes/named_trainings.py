"""Trainings on a simulated set by name, each with the training of the network it starts from.

A Bias-Reduced network starts from an MSE-CRB network [mao2024]; `named_training` states both recipes, so that one
command goes from the training set to the network.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from raofit.core.errors import RaofitError
from raofit.recipes import published
from raofit.recipes.training_recipe import TrainingRecipe

NAMED: Mapping[str, Callable[..., TrainingRecipe]] = {
    "compact-mse-crb": published.compact_mse_crb,
    "compact-bias-reduced": published.compact_bias_reduced,
    "fingerprinting-mse-crb": published.fingerprinting_mse_crb,
    "fingerprinting-bias-reduced": published.fingerprinting_bias_reduced,
    "mao2024-mse-crb": published.mao2024_mse_crb,
    "mao2024-bias-reduced": published.mao2024_bias_reduced,
    "zhang2022": published.zhang2022,
}
_STARTS = {
    "compact-bias-reduced": "compact-mse-crb",
    "fingerprinting-bias-reduced": "fingerprinting-mse-crb",
    "mao2024-bias-reduced": "mao2024-mse-crb",
}
_SHARED = (  # what two networks must agree in, so that one can start from the other's weights and scales
    "architecture",
    "hidden",
    "constraint",
    "input_scaling",
    "output_scaling",
    "output_margin",
    "estimated",
    "magnitudes",
    "is_mirrored",
    "noise",
    "snr",
    "snr_scale",
    "weights",
    "parameter_weights",
    "bound_floor",
    "seed",
)


class Training(NamedTuple):
    """A recipe, and the recipe of the network it starts from; None for random weights."""

    recipe: TrainingRecipe
    start: TrainingRecipe | None = None

    def of_parameters(self, names: Collection[str]) -> "Training":
        """The same for a model that has only some of the parameters the recipes name: the rest of them is left out.

        Without a parameter of which the magnitude is estimated, inputs are not mirrored either.
        """
        return Training(_restricted(self.recipe, names), self.start and _restricted(self.start, names))

    def replacing(self, **changes) -> "Training":
        """The same with some fields of both recipes replaced."""
        start = self.start and dataclasses.replace(self.start, **changes)
        return Training(dataclasses.replace(self.recipe, **changes), start)


def _restricted(recipe: TrainingRecipe, names: Collection[str]) -> TrainingRecipe:
    magnitudes = tuple(name for name in recipe.magnitudes if name in names)
    factors = {name: factor for name, factor in (recipe.parameter_weights or {}).items() if name in names}
    return dataclasses.replace(
        recipe,
        magnitudes=magnitudes,
        is_mirrored=recipe.is_mirrored and bool(magnitudes),
        parameter_weights=factors or None,
    )


def named_training(
    name: str, changes: Mapping[str, Any] | None = None, start_changes: Mapping[str, Any] | None = None
) -> Training:
    """The training of that name.

    Parameters
    ----------
    changes : fields of the recipe to replace; those of the network, the noise, the weights and the seed hold for the
        start too.
    start_changes : fields of the start's recipe to replace.

    Raises
    ------
    RaofitError
        If there is no such name, a value is not possible, or `start_changes` are given where there is no start.

    Examples
    --------
    >>> training = named_training("compact-bias-reduced", {"snr": (20.0, 80.0), "max_epochs": 3})
    >>> training.recipe.max_epochs, training.start.snr
    (3, (20.0, 80.0))
    """
    if name not in NAMED:
        raise RaofitError(f"recipe `{name}`: expected one of {', '.join(NAMED)}")
    changes = dict(changes or {})
    recipe = NAMED[name](**changes)
    if name not in _STARTS:
        if start_changes:
            raise RaofitError(
                f"recipe `{name}`: it starts from random weights, so there is no start to change; "
                f"recipes with one are {', '.join(_STARTS)}"
            )
        return Training(recipe)
    shared = {field: value for field, value in changes.items() if field in _SHARED}
    return Training(recipe, NAMED[_STARTS[name]](**(shared | dict(start_changes or {}))))
