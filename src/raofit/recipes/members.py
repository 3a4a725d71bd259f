"""What each member of a batched training sees: its loss, its labels, and the samples it shares with the others."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from raofit import noise as noise_models
from raofit.core.errors import RaofitError
from raofit.core.tasks import RunTasks
from raofit.information.crb import crb
from raofit.models import AbstractSignalModel
from raofit.recipes.architecture import network_inputs
from raofit.recipes.training_data import LabelEstimator, LabelPair, Simulated, TrainingData, label_set, redraw
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.training.losses import (
    AbstractLoss,
    SupervisedLoss,
    Weighting,
    emphasized_weights,
    inverse_mean_weights,
    literal_emphasized_weights,
    self_supervised_loss,
)
from raofit.training.networks import Perceptron
from raofit.training.targets import Labels
from raofit.training.trainer import Samples, SampleSource, stack_losses


def require_for_drawn_signals(model: AbstractSignalModel, recipe: TrainingRecipe) -> None:
    """Raise if the recipe asks for what only a training on a set of fingerprints does, or for unknown parameters."""
    asked = [name for name in ("estimated", "magnitudes", "is_mirrored") if getattr(recipe, name)]
    if asked:
        raise RaofitError(
            f"recipe `{asked[0]}`: expected it for a training on a set of fingerprints alone; a network for drawn "
            "signals estimates every parameter with its sign, so leave it out"
        )
    weighted = recipe.parameter_weights or {}
    if weighted and recipe.labels.startswith("self-supervised"):
        raise RaofitError(
            f"recipe `parameter_weights`: labels `{recipe.labels}` weigh residuals of signals; leave it out"
        )
    named = {"emphasis": [recipe.emphasis] if recipe.emphasis is not None else [], "parameter_weights": list(weighted)}
    for field, names in named.items():
        unknown = [name for name in names if name not in model.parameter_names]
        if unknown:
            raise RaofitError(
                f"recipe `{field}`: `{unknown[0]}` is not a parameter; the model has {', '.join(model.parameter_names)}"
            )


def member_losses(
    model: AbstractSignalModel,
    recipes: Sequence[TrainingRecipe],
    n_starts: int,
    network: Perceptron,
    training: Simulated,
) -> AbstractLoss:
    """One loss per member, recipe by recipe; a self-supervised one has nothing members could differ in."""
    if recipes[0].labels.startswith("self-supervised"):
        return self_supervised_loss(model, "rician" if recipes[0].labels.endswith("rician") else None)
    losses = [_supervised_loss(model, recipe, network, training) for recipe in recipes]
    return stack_losses([loss for loss in losses for _ in range(n_starts)])


def _supervised_loss(
    model: AbstractSignalModel, recipe: TrainingRecipe, network: Perceptron, training: Simulated
) -> SupervisedLoss:
    n_parameters = len(model.parameters)
    weights = np.ones(n_parameters, np.float32)
    if recipe.weights == "inverse-mean":
        weights = inverse_mean_weights(np.asarray(training.parameters))
    if recipe.emphasis is not None:
        index = model.parameter_names.index(recipe.emphasis)
        if recipe.emphasis_form == "literal":
            scales = np.array(network.output_scales)
            weights = literal_emphasized_weights(scales, index, factor=recipe.emphasis_factor)
        else:
            weights = emphasized_weights(weights, index, factor=recipe.emphasis_factor)
    factors = np.array([(recipe.parameter_weights or {}).get(name, 1.0) for name in model.parameter_names], np.float32)
    return SupervisedLoss(
        weights * factors,
        weighting=sample_weighting(recipe),
        alpha=recipe.alpha,
        variance_factor=recipe.variance_factor,
        tolerated_variance=recipe.tolerated_variance,
        bound_floor=recipe.bound_floor * np.var(np.asarray(training.parameters), axis=0),
        criterion=recipe.criterion,
        bias_moments=recipe.bias_moments,
        variance_moments=recipe.variance_moments,
    )


def sample_weighting(recipe: TrainingRecipe) -> Weighting:
    """The part of the recipe's weights that differs between samples."""
    return recipe.weights if recipe.weights in ("inverse-truth", "inverse-crb") else "none"


def training_source(
    model: AbstractSignalModel,
    recipes: Sequence[TrainingRecipe],
    n_starts: int,
    data: TrainingData,
    pairs: Sequence[LabelPair],
    label_estimator: LabelEstimator | None,
    run: RunTasks,
) -> SampleSource:
    """The fixed training set, or a function that draws one per epoch."""
    if recipes[0].fresh == "none":
        return member_samples(model, recipes, n_starts, data.training, [pair.training for pair in pairs])

    def draw(key: Array) -> Samples:
        drawn = redraw(model, recipes[0], data.training, key=key)
        labels = [label_set(model, recipe, drawn, label_estimator=label_estimator, run=run) for recipe in recipes]
        return member_samples(model, recipes, n_starts, drawn, labels)

    return draw


def member_samples(
    model: AbstractSignalModel,
    recipes: Sequence[TrainingRecipe],
    n_starts: int,
    simulated: Simulated,
    labels: Sequence[Labels],
) -> Samples:
    """Arrays for the trainer; labels lead with a member axis only where members differ."""
    recipe = recipes[0]
    shared = {
        "measurements": jnp.asarray(network_inputs(simulated.measurements)),
        "truth": simulated.parameters,
        "sigma": simulated.sigma,
    }
    if recipe.weights == "inverse-crb":
        noise = noise_models.build(recipe.noise, np.asarray(simulated.sigma))
        shared["bound"] = jnp.asarray(crb(model, simulated.parameters, noise), jnp.float32)
    if len(labels) == 1:
        shared["label"] = jnp.asarray(labels[0].values)
        shared["is_kept"] = jnp.asarray(labels[0].is_kept, dtype=jnp.float32)
        return Samples(shared)
    own = {
        "label": jnp.repeat(jnp.asarray(np.stack([item.values for item in labels])), n_starts, axis=0),
        "is_kept": jnp.repeat(jnp.asarray(np.stack([item.is_kept for item in labels]), jnp.float32), n_starts, axis=0),
    }
    return Samples(shared, own)
