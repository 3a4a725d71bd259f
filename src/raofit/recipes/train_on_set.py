"""Training on simulated fingerprints with a complex amplitude: SNR, phase and noise are drawn at every step.

1. `_folded` cuts the set to the estimated parameters and folds those whose sign no measurement tells,
2. `network_for` builds the architecture, `_measured` a sample of its inputs for scales and ranges,
3. `train_members` trains with `ComplexMeasuring` inside the step,
4. `with_card` measures the result on the held-out fingerprints.
"""

import dataclasses
import importlib.metadata
import time

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import RaofitError
from raofit.core.progress import Progress
from raofit.core.tasks import RunTasks, in_this_process
from raofit.estimators.network import NetworkEstimator, as_inputs
from raofit.losses import mse_crb
from raofit.recipes.card import with_card_on_set
from raofit.recipes.members import sample_weighting
from raofit.recipes.named_architectures import network_for
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.recipes.training_set import TrainingSet
from raofit.training.checkpoint import CheckpointFile
from raofit.training.losses import SupervisedLoss, inverse_mean_weights
from raofit.training.measuring import ComplexMeasuring
from raofit.training.networks import Perceptron
from raofit.training.trainer import Samples, stack_losses, train_members

_MEASURED = 50_000  # samples behind the statistics and ranges of the inputs


def train_on_set(
    samples: TrainingSet,
    recipe: TrainingRecipe,
    *,
    key: Array,
    initial: NetworkEstimator | None = None,
    run: RunTasks = in_this_process,
    progress: Progress | None = None,
    checkpoint: CheckpointFile | None = None,
) -> NetworkEstimator:
    """A network for the model of `samples`; see `raofit.train_network`.

    `recipe.n_validation` of the samples are held out: they decide which weights are kept, and the card is measured on
    them.
    """
    names = _estimated_names(samples, recipe)
    started = time.perf_counter()
    split_key, measure_key, initial_key, training_key, card_key = jax.random.split(key, 5)
    training, held_out = samples.split(recipe.n_validation / len(samples), key=split_key)
    measure = ComplexMeasuring(recipe.snr, recipe.snr_scale, recipe.n_realizations)
    labels = _folded(training, names, recipe)
    is_first = training.component == 0 if np.any(training.component == 0) else slice(None)
    network = network_for(recipe, names, labels[is_first], 2 * training.signals.shape[1])
    network = dataclasses.replace(network, reference=_typical_size(network, training))
    columns = _measured(training, recipe, measure_key)
    if recipe.is_mirrored:
        network = dataclasses.replace(network, mirrored_by=_mirror(network, columns, training, recipe))
    statistics = network.initial_statistics(columns)
    if initial is None:
        weights = jax.vmap(network.initial_weights)(jax.random.split(initial_key, recipe.restarts))
    else:
        network, weights, statistics = _continued(network, initial)
    result = train_members(
        network,
        weights,
        stack_losses([_loss(recipe, names, labels, labels[is_first])] * len(weights)),
        _samples(training, labels, names),
        _samples(held_out, _folded(held_out, names, recipe), names),
        recipe.trainer_settings(),
        key=training_key,
        measure=measure,
        monitors=tuple(_weighted_error(names, name) for name in names),
        initial_statistics=statistics,
        progress=progress,
        checkpoint=checkpoint,
    )
    member = result.best_member
    inputs = np.asarray(network.scaled_inputs(columns)[0])
    estimator = NetworkEstimator(
        model=samples.model,
        network=network,
        weights=result.weights[member],
        statistics=result.statistics[member],
        noise_name="complex-gaussian",
        snr_range=recipe.snr,
        prior=samples.prior,
        input_range=np.stack([inputs.min(axis=1), inputs.max(axis=1)]),
        label_range=np.stack([labels.min(axis=0), labels.max(axis=0)]),
        standard_error_factors=np.ones(len(names)),
        estimated=None if names == samples.model.parameter_names else names,
        provenance={
            "recipe": recipe.as_dict(),
            "seed": recipe.seed,
            "versions": {name: importlib.metadata.version(name) for name in ("raofit", "jax", "numpy")},
            "training_set": dict(samples.provenance),
            "n_training": len(training),
            "training_seconds": round(time.perf_counter() - started, 3),
            "epochs": len(result.history),
            "best_epoch": int(result.best_epoch[member]),
            "validation_loss": float(result.validation_loss[member]),
            "members_validation_loss": [float(value) for value in result.validation_loss],
            "history": _history(result.history[:, member], names),
            "initial": None if initial is None else dict(initial.provenance),
        },
    )
    return with_card_on_set(estimator, held_out, key=card_key, run=run)


def _estimated_names(samples: TrainingSet, recipe: TrainingRecipe) -> tuple[str, ...]:
    known = samples.model.parameter_names
    asked = [*(recipe.estimated or ()), *recipe.magnitudes, *(recipe.parameter_weights or {})]
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise RaofitError(f"recipe: `{unknown[0]}` is not a parameter; the model has {', '.join(known)}")
    if recipe.labels != "truth" or recipe.emphasis is not None:
        raise RaofitError(
            'recipe: training on a set of fingerprints expects labels="truth" and `parameter_weights` in place of '
            f"`emphasis`, got labels={recipe.labels!r} and emphasis={recipe.emphasis!r}"
        )
    if not samples.model.has_complex_amplitude:
        raise RaofitError(
            f"training set: expected a model with an unknown complex amplitude, got `{samples.model.name}`; "
            "train it with train_network(model, recipe) alone"
        )
    return known if recipe.estimated is None else recipe.estimated


def _folded(samples: TrainingSet, names: tuple[str, ...], recipe: TrainingRecipe) -> Float[np.ndarray, "sample out"]:
    """Labels: the estimated parameters, without sign where only the magnitude is asked for."""
    labels = samples.parameters[:, [samples.model.parameter_names.index(name) for name in names]]
    return np.where(np.isin(names, recipe.magnitudes), np.abs(labels), labels)


def _samples(samples: TrainingSet, labels: np.ndarray, names: tuple[str, ...]) -> Samples:
    columns = [samples.model.parameter_names.index(name) for name in names]
    return Samples(
        {
            "signals": jnp.asarray(as_inputs(samples.signals)),
            "truth": jnp.asarray(labels),
            "label": jnp.asarray(labels),
            "bound": jnp.asarray(samples.bound[:, columns]),
            "is_kept": jnp.ones(len(samples), jnp.float32),
        }
    )


def _mirror(network: Perceptron, columns: Float[Array, "input sample"], training: TrainingSet, recipe) -> int:
    """The coefficient whose imaginary part tells best, at the recipe's noise, the sign of the folded parameter."""
    if len(recipe.magnitudes) != 1:
        raise RaofitError(
            "recipe `is_mirrored`: expected one parameter in `magnitudes`, whose sign conjugation changes, "
            f"got {', '.join(recipe.magnitudes) or 'none'}"
        )
    index = training.model.parameter_names.index(recipe.magnitudes[0])
    signs = np.sign(training.parameters[: columns.shape[1], index])
    scaled = np.asarray(network.scaled_inputs(columns)[0])
    imaginary = np.sign(scaled[len(scaled) // 2 :])
    return int(np.argmax(np.abs(imaginary @ signs)))


def _loss(
    recipe: TrainingRecipe, names: tuple[str, ...], labels: np.ndarray, typical_labels: np.ndarray
) -> SupervisedLoss:
    weights = inverse_mean_weights(labels) if recipe.weights == "inverse-mean" else np.ones(len(names), np.float32)
    factors = np.array([(recipe.parameter_weights or {}).get(name, 1.0) for name in names], np.float32)
    return SupervisedLoss(
        weights * factors,
        weighting=sample_weighting(recipe),
        variance_factor=recipe.variance_factor,
        tolerated_variance=recipe.tolerated_variance,
        bound_floor=recipe.bound_floor * np.var(typical_labels, axis=0),
        criterion=recipe.criterion,
        bias_moments=recipe.bias_moments,
        variance_moments=recipe.variance_moments,
    )


def _weighted_error(names: tuple[str, ...], name: str) -> SupervisedLoss:
    """MSE-CRB of one parameter alone, whatever the training's loss is: 1 for an efficient unbiased estimator."""
    return mse_crb([float(len(names) * (other == name)) for other in names])


def _history(losses: Float[np.ndarray, "epoch loss"], names: tuple[str, ...]) -> dict:
    """Per epoch: the training's loss on both sets, and MSE-CRB of each parameter on the held-out set."""
    training, validation, *weighted = (
        [float(f"{value:.5g}") if np.isfinite(value) else None for value in column] for column in losses.T
    )
    return {"training": training, "validation": validation, "mse_crb": dict(zip(names, weighted, strict=True))}


def _typical_size(network: Perceptron, training: TrainingSet) -> float:
    unit = dataclasses.replace(network, reference=1.0)
    sizes = unit.amplitude(jnp.asarray(as_inputs(training.signals[:_MEASURED]).T))
    return float(f"{np.median(np.asarray(sizes)):.4g}")


def _measured(training: TrainingSet, recipe: TrainingRecipe, key: Array) -> Float[Array, "input sample"]:
    """One measurement of many samples: the columns a network sees."""
    once = ComplexMeasuring(recipe.snr, recipe.snr_scale)
    batch = {"signals": jnp.asarray(as_inputs(training.signals[:_MEASURED]).T)}
    return jax.jit(once)(batch, key=key)["measurements"][:, 0]


def _continued(network: Perceptron, initial: NetworkEstimator) -> tuple[Perceptron, Array, Array]:
    """The given network with its scales and numbers, if it is of the architecture the recipe asks for."""
    same = ("sizes", "constraint", "input_scaling", "activation", "has_normalization", "skips", "magnitude_outputs")
    for name in same:
        expected, found = getattr(network, name), getattr(initial.network, name)
        if found != expected:
            raise RaofitError(f"initial network: expected `{name}` {expected} as in the recipe, got {found}")
    return initial.network, jnp.asarray(initial.weights)[None], jnp.asarray(initial.statistics)
