"""How the networks of the study are trained: every number that decides it is here.

At the scale of a desk, all networks see the same number of noisy measurements: a Bias-Reduced training takes 16 draws
of each fingerprint, MSE-CRB and MSE one, so these run 16 times the epochs. At the scale of the paper the schedule is
the published one, where the Bias-Reduced networks continue from the MSE-CRB network.
"""

import dataclasses

from raofit.recipes.published import (
    compact_bias_reduced,
    compact_mse_crb,
    mao2024_bias_reduced,
    mao2024_mse_crb,
)
from raofit.recipes.training_recipe import TrainingRecipe

_NUISANCES = {"omega0": 0.1, "B1": 0.1}  # one-step estimation starts from these outputs as well


@dataclasses.dataclass(frozen=True)
class Training:
    """One training of the study.

    Parameters
    ----------
    name : of the network.
    recipe : how it is trained.
    initial : name of the network whose weights it starts from, or None.
    """

    name: str
    recipe: TrainingRecipe
    initial: str | None = None


def n_inputs(trainings: tuple[Training, ...], name: str, n_training: int) -> int:
    """Noisy measurements a network has been trained on in all, those of the network it started from included."""
    training = next(item for item in trainings if item.name == name)
    recipe = training.recipe
    n_steps = (n_training - recipe.n_validation) // recipe.batch_size
    n_steps = min(n_steps, recipe.steps_per_epoch or n_steps)
    own = recipe.max_epochs * n_steps * recipe.batch_size * recipe.n_realizations
    return own + (0 if training.initial is None else n_inputs(trainings, training.initial, n_training))


def _with_low_lambda(recipe: TrainingRecipe) -> TrainingRecipe:
    return dataclasses.replace(recipe, variance_factor=0.1 * recipe.variance_factor)


def compact_trainings(n_start: int, n_reduced: int, n_realizations: int, **changes) -> tuple[Training, ...]:
    """The five trainings of a compact network: a common start, then equally many measurements for each loss.

    Parameters
    ----------
    n_start, n_reduced : epochs of the common start, and of the Bias-Reduced trainings with `n_realizations` draws.
    """
    longer = n_reduced * n_realizations
    continued = {"max_epochs": longer, "learning_rate": 1e-3, **changes}
    reduced = {"max_epochs": n_reduced, "n_realizations": n_realizations, "variance_factor": 1.0, **changes}
    return (
        Training("start", compact_mse_crb(max_epochs=n_start, **changes)),
        Training("mse", compact_mse_crb(weights="inverse-mean", max_epochs=n_start + longer, **changes)),
        Training("mse-crb", compact_mse_crb(**continued), "start"),
        Training("bias-reduced", compact_bias_reduced(**reduced), "start"),
        Training("bias-reduced-low", _with_low_lambda(compact_bias_reduced(**reduced)), "start"),
    )


DESK = compact_trainings(24, 5, 16, n_validation=4096)
QUICK = compact_trainings(4, 2, 4, n_validation=512, hidden=(64, 64))
PAPER = (
    Training("mse-crb", mao2024_mse_crb(parameter_weights=_NUISANCES)),
    Training("mse", mao2024_mse_crb(parameter_weights=_NUISANCES, weights="inverse-mean")),
    Training("bias-reduced", mao2024_bias_reduced(parameter_weights=_NUISANCES), "mse-crb"),
    Training("bias-reduced-low", _with_low_lambda(mao2024_bias_reduced(parameter_weights=_NUISANCES)), "mse-crb"),
)
