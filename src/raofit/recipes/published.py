"""The trainings of the publications on magnetization transfer, and compact ones for two cores, as recipes.

All are for `train_network(model, recipe, data=TrainingSet)`. `changes` replace single fields.
"""

import dataclasses
from typing import Any

from raofit.recipes.training_recipe import TrainingRecipe

_UNPUBLISHED = ("omega0", "B1")  # nuisances: the published networks have outputs for them that no loss trains


def zhang2022(**changes) -> TrainingRecipe:
    """MSE-CRB: 800 epochs of batches of 1024, Adam at 0.01 halved every 40 epochs, SNR 10 to 100 [zhang2022]."""
    return _of_set(
        changes,
        architecture="zhang2022",
        estimated=("m0s", "T1", "T2f"),
        snr=(10.0, 100.0),
        n_validation=56_320,
        batch_size=1024,
        max_epochs=800,
        learning_rate=1e-2,
        final_learning_rate=1e-5,
        schedule="step",
        decay=0.5,
        decay_epochs=40,
    )


def mao2024_mse_crb(**changes) -> TrainingRecipe:
    """First stage of [mao2024]: MSE-CRB, 500 epochs of batches of 2048, RAdam at 1e-4/(1 + 5e-5·step), SNR 10 to 50."""
    return _of_set(
        changes,
        architecture="mao2024",
        magnitudes=("omega0",),
        parameter_weights=dict.fromkeys(_UNPUBLISHED, 0.0),
        snr=(10.0, 50.0),
        n_validation=36_864,
        batch_size=2048,
        max_epochs=500,
        learning_rate=1e-4,
        optimizer="radam",
        schedule="inverse",
        decay=5e-5,
    )


def mao2024_bias_reduced(**changes) -> TrainingRecipe:
    """Second stage of [mao2024], from the first one's weights: WVCE with λ = δ = 1 over 200 realizations."""
    fields = {
        "batch_size": 256,
        "n_realizations": 200,
        "variance_factor": 1.0,
        "tolerated_variance": 1.0,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "n_validation": 2048,
    }
    return mao2024_mse_crb(**(fields | changes))


def compact_mse_crb(**changes) -> TrainingRecipe:
    """MSE-CRB for the compact network: minutes on two cores.

    Unlike in the publication, |omega0| and B1 count a little: scoring steps start from these outputs too.
    """
    return _of_set(
        changes,
        architecture="compact",
        magnitudes=("omega0",),
        is_mirrored=True,
        parameter_weights=dict.fromkeys(_UNPUBLISHED, 0.1),
        bound_floor=1e-3,
        snr=(10.0, 50.0),
        snr_scale="log",
        n_validation=4096,
        batch_size=512,
        max_epochs=24,
        learning_rate=2e-3,
        final_learning_rate=2e-6,
        averaging=0.998,
        constraint="none",
        output_scaling="spread",
        input_scaling="first",
    )


def compact_bias_reduced(**changes) -> TrainingRecipe:
    """Bias-Reduced for the compact network, from `compact_mse_crb`'s weights.

    With unbiased moments, 8 realizations train for the loss that plain moments need hundreds for. Their s² scatters
    around its expectation, and max(s² − δ, 0) then charges variance below δ too; λ = 0.2 keeps that from holding the
    bias up.
    """
    fields = {
        "batch_size": 128,
        "n_realizations": 8,
        "max_epochs": 12,
        "variance_factor": 0.2,
        "tolerated_variance": 1.0,
        "bias_moments": "unbiased",
        "variance_moments": "unbiased",
        "learning_rate": 1.5e-3,
        "n_validation": 2048,
    }
    return compact_mse_crb(**(fields | changes))


def fingerprinting_mse_crb(**changes) -> TrainingRecipe:
    """MSE-CRB for the two or three relaxation parameters of a fingerprint: seconds on two cores.

    The network is small (2722 weights with 8 coefficients and two parameters), because that is enough, and fast. No
    bound is so small that it needs a floor.
    """
    return compact_mse_crb(**(_FINGERPRINTING | changes))


def fingerprinting_bias_reduced(**changes) -> TrainingRecipe:
    """Bias-Reduced for fingerprints, from `fingerprinting_mse_crb`'s weights: a minute on two cores."""
    return compact_bias_reduced(**(_FINGERPRINTING | {"max_epochs": 40, "n_realizations": 16} | changes))


_FINGERPRINTING: dict[str, Any] = {
    "hidden": (32, 32, 32),
    "magnitudes": (),
    "is_mirrored": False,
    "parameter_weights": None,
    "bound_floor": 0.0,
    "n_validation": 2048,
}


def _of_set(changes: dict, /, **fields) -> TrainingRecipe:
    basic = {"noise": "complex-gaussian", "weights": "inverse-crb", "snr_scale": "uniform", "restarts": 1}
    recipe = TrainingRecipe(**(basic | fields | changes))
    return recipe if "patience" in changes else dataclasses.replace(recipe, patience=recipe.max_epochs)
