"""The architecture a recipe asks for: widths, output scales and ranges, input scaling."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from raofit.estimators.network import as_inputs
from raofit.models import AbstractSignalModel
from raofit.recipes.training_data import Simulated, training_prior
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.training.networks import Perceptron
from raofit.training.prior import Prior


def build_network(model: AbstractSignalModel, recipe: TrainingRecipe, training: Simulated) -> Perceptron:
    """The recipe's architecture for a model; the reference of an input scaling is measured on the training set."""
    prior = training_prior(model, recipe)
    n_inputs = network_inputs(training.measurements[:1]).shape[-1]
    hidden = (n_inputs,) * 3 if recipe.hidden is None else recipe.hidden
    scales = prior.mean if recipe.output_scaling == "mean" else unit_scales(model)
    low, high = possible_range(model, prior)
    network = Perceptron(
        sizes=(n_inputs, *hidden, len(prior.names)),
        output_scales=tuple(float(scale) for scale in scales),
        constraint=recipe.constraint,
        output_ranges=tuple(zip(low.tolist(), high.tolist(), strict=True)),
        input_scaling=recipe.input_scaling,
        amplitude_index=model.amplitude_index,
    )
    if recipe.input_scaling == "none":
        return network
    columns = jnp.asarray(network_inputs(training.measurements[:, 0]).T)
    ratio = np.asarray(network.amplitude(columns)) / np.asarray(training.parameters)[:, model.amplitude_index]
    return dataclasses.replace(network, reference=float(f"{np.median(ratio):.4g}"))


def unit_scales(model: AbstractSignalModel) -> Float[np.ndarray, " parameter"]:
    """1 for amplitudes and fractions, else the power of 1000 below the typical value (1e-3 for a D in mm²/s)."""
    scales = []
    for parameter in model.parameters:
        is_plain = parameter.is_amplitude or parameter.unit == "1" or parameter.typical_value == 0
        scales.append(1.0 if is_plain else 1000.0 ** np.floor(np.log10(abs(parameter.typical_value)) / 3 + 1e-9))
    return np.array(scales)


def possible_range(model: AbstractSignalModel, prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Fit bounds, with twice the prior's end in place of an infinite one, and never narrower than the prior."""
    bounds = np.array([parameter.bounds for parameter in model.parameters])
    low = np.where(np.isfinite(bounds[:, 0]), bounds[:, 0], prior.low - (prior.high - prior.low))
    high = np.where(np.isfinite(bounds[:, 1]), bounds[:, 1], prior.high + (prior.high - prior.low))
    return np.minimum(low, prior.low), np.maximum(high, prior.high)


def network_inputs(measurements) -> np.ndarray:
    """`as_inputs` for any number of leading axes."""
    array = np.asarray(measurements)
    rows = as_inputs(array.reshape(-1, array.shape[-1]))
    return rows.reshape(*array.shape[:-1], rows.shape[-1])
