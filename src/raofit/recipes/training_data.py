"""Simulated training data and the labels of its measurements."""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from raofit import noise as noise_models
from raofit.core.errors import RaofitError
from raofit.estimators.estimate import Estimate
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.models import AbstractSignalModel
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.training.prior import Prior
from raofit.training.targets import Labels, estimate_labels, truth_labels


class Simulated(NamedTuple):
    """Parameters drawn from the prior, their noisy measurements, and the noise of each sample."""

    parameters: Float[Array, "sample parameter"]
    measurements: Inexact[Array, "sample realization measurement"]
    sigma: Float[Array, " sample"]


class TrainingData(NamedTuple):
    """A training set and a validation set, drawn independently."""

    training: Simulated
    validation: Simulated


class LabelPair(NamedTuple):
    """Labels of both sets."""

    training: Labels
    validation: Labels


class LabelEstimator(Protocol):
    """Whatever may label a measurement."""

    def estimate(self, measurements, /) -> Estimate:
        """Estimates of measurements (sample, measurement)."""
        ...


def simulate_data(model: AbstractSignalModel, recipe: TrainingRecipe, *, key: Array) -> TrainingData:
    """Both sets of a recipe. The same key gives the same parameters at every SNR, and proportional noise."""
    prior = Prior.typical(model, recipe.ranges)
    keys = jax.random.split(key, 4)
    training = _simulate(model, recipe, prior.sample(keys[0], recipe.n_training), keys[1])
    validation = _simulate(model, recipe, prior.sample(keys[2], recipe.n_validation), keys[3])
    return TrainingData(training, validation)


def redraw(model: AbstractSignalModel, recipe: TrainingRecipe, fixed: Simulated, *, key: Array) -> Simulated:
    """A training set with fresh noise, and fresh parameters if the recipe says so."""
    parameter_key, noise_key = jax.random.split(key)
    parameters = fixed.parameters
    if recipe.fresh == "all":
        parameters = Prior.typical(model, recipe.ranges).sample(parameter_key, len(parameters))
    return _simulate(model, recipe, parameters, noise_key)


def _simulate(model: AbstractSignalModel, recipe: TrainingRecipe, parameters: Array, key: Array) -> Simulated:
    snr_key, noise_key = jax.random.split(key)
    low, high = recipe.snr
    share = jax.random.uniform(snr_key, parameters.shape[:1], jnp.float32)
    sigma = 1.0 / (low * (high / low) ** share)
    signal = model.signal(parameters)
    shape = (signal.shape[0], recipe.n_realizations, signal.shape[1])
    noise = noise_models.build(recipe.noise, jnp.broadcast_to(sigma[:, None], shape[:2]))
    measurements = noise.sample(noise_key, jnp.broadcast_to(signal[:, None], shape))
    return Simulated(parameters, measurements, sigma)


def label_data(
    model: AbstractSignalModel,
    recipe: TrainingRecipe,
    data: TrainingData,
    *,
    label_estimator: LabelEstimator | None = None,
) -> LabelPair:
    """Labels of both sets as the recipe asks; self-supervised recipes get the truth, which their loss ignores."""
    return LabelPair(*(label_set(model, recipe, simulated, label_estimator=label_estimator) for simulated in data))


def label_set(
    model: AbstractSignalModel,
    recipe: TrainingRecipe,
    simulated: Simulated,
    *,
    label_estimator: LabelEstimator | None = None,
) -> Labels:
    """Labels of one set; `label_estimator` takes the place of the recipe's own estimator."""
    if recipe.labels == "truth" or recipe.labels.startswith("self-supervised"):
        return truth_labels(np.asarray(simulated.parameters))
    measurements = simulated.measurements[:, 0]
    if label_estimator is not None:
        return estimate_labels(label_estimator.estimate(measurements), on_bound=recipe.on_bound)
    kind, noise_name = recipe.labels.split("-", 1)
    if jnp.iscomplexobj(measurements):
        if noise_name == "rician":
            raise RaofitError("recipe: Rician labels need magnitudes, but the measurements are complex")
        noise_name = "complex-gaussian"
    noise = noise_models.build(noise_name, np.asarray(simulated.sigma))
    if kind == "literal":
        from raofit.estimators.literal import LiteralSciPy

        estimate = LiteralSciPy(model, noise).estimate(measurements, start=np.asarray(simulated.parameters))
    else:
        estimate = MaximumLikelihood(model, noise).estimate(measurements)
    return estimate_labels(estimate, on_bound=recipe.on_bound)


def without_held_out(simulated: Simulated, labels: Labels) -> tuple[Simulated, Labels]:
    """Only the samples that take part."""
    if labels.is_kept.all():
        return simulated, labels
    index = np.flatnonzero(labels.is_kept)
    return Simulated(*(array[index] for array in simulated)), Labels(labels.values[index], labels.is_kept[index])
