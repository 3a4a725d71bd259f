"""From a signal model and a recipe to a network with a measured card.

1. `simulate_data` draws parameters and noisy measurements,
2. `label_data` attaches what the network is to answer,
3. `_plan` builds loss, weights and initial networks of every member,
4. `train_members` trains all members at once,
5. the member that is best on validation becomes a `NetworkEstimator`, and `with_card` measures it.
"""

import dataclasses
import importlib.metadata
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit import noise as noise_models
from raofit.core.errors import RaofitError
from raofit.core.progress import Progress, ProgressEvent
from raofit.estimators.network import NetworkEstimator, as_inputs
from raofit.information.crb import crb
from raofit.models import AbstractSignalModel
from raofit.recipes.card import with_card
from raofit.recipes.training_data import (
    LabelEstimator,
    LabelPair,
    Simulated,
    TrainingData,
    label_data,
    label_set,
    redraw,
    simulate_data,
    without_held_out,
)
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.training.checkpoint import CheckpointFile
from raofit.training.losses import (
    AbstractLoss,
    SupervisedLoss,
    emphasized_weights,
    inverse_bound_weights,
    inverse_mean_weights,
    literal_emphasized_weights,
    self_supervised_loss,
)
from raofit.training.networks import Perceptron
from raofit.training.prior import Prior
from raofit.training.targets import Labels
from raofit.training.trainer import Samples, TrainingResult, stack_losses, train_members


def train_network(
    model: AbstractSignalModel,
    recipe: TrainingRecipe,
    *,
    key: Array | None = None,
    data: TrainingData | None = None,
    labels: LabelPair | None = None,
    label_estimator: LabelEstimator | None = None,
    initial: NetworkEstimator | None = None,
    progress: Progress | None = None,
    checkpoint: str | Path | CheckpointFile | None = None,
) -> NetworkEstimator:
    """Train a network by a recipe and measure its bias and variance.

    Parameters
    ----------
    model : signal model with its protocol; one that JAX cannot trace is fine for every recipe with labels.
    key : PRNG key; default: the recipe's seed.
    data, labels : sets already simulated and labeled (to share them between recipes).
    label_estimator : anything with `.estimate(measurements) -> Estimate`, in place of the recipe's label estimator.
    initial : start from this network's weights in place of random restarts.
    checkpoint : file to save to after every epoch and to resume from; it stays until the caller has saved the network.

    Raises
    ------
    RaofitError
        If recipe, model and data do not fit together, or the loss diverges.
    FileError
        If the checkpoint belongs to another training.
    """
    given = None if labels is None else {recipe.labels: labels}
    return train_networks(
        model,
        [recipe],
        key=key,
        data=data,
        labels=given,
        label_estimator=label_estimator,
        initial=initial,
        progress=progress,
        checkpoint=checkpoint,
    )[0]


def train_networks(
    model: AbstractSignalModel,
    recipes: Sequence[TrainingRecipe],
    *,
    key: Array | None = None,
    data: TrainingData | None = None,
    labels: Mapping[str, LabelPair] | None = None,
    label_estimator: LabelEstimator | None = None,
    initial: NetworkEstimator | None = None,
    progress: Progress | None = None,
    checkpoint: str | Path | CheckpointFile | None = None,
) -> list[NetworkEstimator]:
    """Train several recipes on the same measurements as one batched program.

    The recipes may differ in labels (all with labels, or all self-supervised alike), α, weights and emphasis. The other
    arguments are those of `train_network`; `labels` has one pair per label kind.

    Raises
    ------
    RaofitError
        If the recipes differ in anything else.
    """
    recipe = recipes[0]
    _check_alike(recipes)
    started = time.perf_counter()
    data_key, initial_key, training_key, card_key = jax.random.split(
        jax.random.key(recipe.seed) if key is None else key, 4
    )
    if progress is not None:
        progress(ProgressEvent("simulating", 0, 1))
    data = simulate_data(model, recipe, key=data_key) if data is None else data
    pairs = _label_pairs(model, recipes, data, labels, label_estimator)
    network = build_network(model, recipe, data.training)
    if initial is not None and initial.network.sizes != network.sizes:
        raise RaofitError(
            f"initial network: expected layer widths {network.sizes}, got {initial.network.sizes}; "
            "set the recipe's `hidden` to match"
        )
    n_starts = 1 if initial is not None else recipe.restarts
    weights = _initial_weights(network, initial, len(recipes), n_starts, initial_key)
    losses = _losses(model, recipes, n_starts, network, data.training)
    if len(recipes) == 1:
        pairs = [pairs[0]]
        data, pairs[0] = _compacted(recipe, data, pairs[0])
    training = _source(model, recipes, n_starts, data, pairs, label_estimator)
    result = train_members(
        network,
        weights,
        losses,
        training,
        _samples(model, recipes, n_starts, data.validation, [pair.validation for pair in pairs]),
        recipe.trainer_settings(),
        key=training_key,
        progress=progress,
        checkpoint=CheckpointFile(checkpoint) if isinstance(checkpoint, str | Path) else checkpoint,
    )
    seconds = time.perf_counter() - started
    estimators = []
    for index, (item, pair) in enumerate(zip(recipes, pairs, strict=True)):
        members = slice(index * n_starts, (index + 1) * n_starts)
        part = TrainingResult(
            result.weights[members],
            result.validation_loss[members],
            result.best_epoch[members],
            result.history[:, members],
        )
        estimator = _estimator(model, item, network, data.training, pair.training, part, seconds)
        estimators.append(with_card(estimator, key=card_key))
    return estimators


def build_network(model: AbstractSignalModel, recipe: TrainingRecipe, training: Simulated) -> Perceptron:
    """The recipe's architecture for a model; the reference of an input scaling is measured on the training set."""
    prior = Prior.typical(model, recipe.ranges)
    n_inputs = _inputs(training.measurements[:1]).shape[-1]
    hidden = (n_inputs,) * 3 if recipe.hidden is None else recipe.hidden
    scales = prior.mean if recipe.output_scaling == "mean" else unit_scales(model)
    low, high = _possible_range(model, prior)
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
    columns = jnp.asarray(_inputs(training.measurements[:, 0]).T)
    ratio = np.asarray(network.amplitude(columns)) / np.asarray(training.parameters)[:, model.amplitude_index]
    return dataclasses.replace(network, reference=float(f"{np.median(ratio):.4g}"))


def unit_scales(model: AbstractSignalModel) -> Float[np.ndarray, " parameter"]:
    """1 for amplitudes and fractions, else the power of 1000 below the typical value (1e-3 for a D in mm²/s)."""
    scales = []
    for parameter in model.parameters:
        is_plain = parameter.is_amplitude or parameter.unit == "1" or parameter.typical_value == 0
        scales.append(1.0 if is_plain else 1000.0 ** np.floor(np.log10(abs(parameter.typical_value)) / 3 + 1e-9))
    return np.array(scales)


def _possible_range(model: AbstractSignalModel, prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Fit bounds, with twice the prior's end in place of an infinite one, and never narrower than the prior."""
    bounds = np.array([parameter.bounds for parameter in model.parameters])
    low = np.where(np.isfinite(bounds[:, 0]), bounds[:, 0], prior.low - (prior.high - prior.low))
    high = np.where(np.isfinite(bounds[:, 1]), bounds[:, 1], prior.high + (prior.high - prior.low))
    return np.minimum(low, prior.low), np.maximum(high, prior.high)


def _check_alike(recipes: Sequence[TrainingRecipe]) -> None:
    free = {"labels", "alpha", "weights", "emphasis", "emphasis_factor", "emphasis_form", "on_bound"}
    first = recipes[0]
    for recipe in recipes[1:]:
        for field in dataclasses.fields(recipe):
            if field.name not in free and getattr(recipe, field.name) != getattr(first, field.name):
                raise RaofitError(
                    f"recipes trained together must agree in `{field.name}`, "
                    f"got {getattr(first, field.name)!r} and {getattr(recipe, field.name)!r}"
                )
    kinds = {recipe.labels if recipe.labels.startswith("self-supervised") else "labels" for recipe in recipes}
    if len(kinds) > 1:
        raise RaofitError(f"recipes trained together must share one kind of loss, got {', '.join(sorted(kinds))}")
    if len({recipe.weights == "inverse-crb" for recipe in recipes}) > 1:
        raise RaofitError("recipes trained together must all use `inverse-crb` weights, or none of them")


def _label_pairs(model, recipes, data, labels, label_estimator) -> list[LabelPair]:
    known: dict[tuple[str, str], LabelPair] = {}
    for recipe in recipes:
        identity = (recipe.labels, recipe.on_bound)
        if identity not in known:
            given = (labels or {}).get(recipe.labels)
            known[identity] = given or label_data(model, recipe, data, label_estimator=label_estimator)
    return [known[recipe.labels, recipe.on_bound] for recipe in recipes]


def _compacted(recipe: TrainingRecipe, data: TrainingData, pair: LabelPair) -> tuple[TrainingData, LabelPair]:
    """A fixed training set without its held-out samples, so every batch is full."""
    if recipe.fresh != "none":
        return data, pair
    training, labels = without_held_out(data.training, pair.training)
    return data._replace(training=training), pair._replace(training=labels)


def _initial_weights(network: Perceptron, initial: NetworkEstimator | None, n_recipes: int, n_starts: int, key: Array):
    """(member, weight): every recipe sees the same restarts, or the given network."""
    if initial is not None:
        rows = jnp.asarray(initial.weights)[None]
    else:
        rows = jax.vmap(network.initial_weights)(jax.random.split(key, n_starts))
    return jnp.tile(rows, (n_recipes, 1))


def _losses(
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
        if recipe.emphasis not in model.parameter_names:
            raise RaofitError(
                f"recipe `emphasis`: `{recipe.emphasis}` is not a parameter; the model has "
                f"{', '.join(model.parameter_names)}"
            )
        index = model.parameter_names.index(recipe.emphasis)
        if recipe.emphasis_form == "literal":
            scales = np.array(network.output_scales)
            weights = literal_emphasized_weights(scales, index, factor=recipe.emphasis_factor)
        else:
            weights = emphasized_weights(weights, index, factor=recipe.emphasis_factor)
    return SupervisedLoss(
        weights,
        alpha=recipe.alpha,
        variance_factor=recipe.variance_factor,
        tolerated_variance=recipe.tolerated_variance,
        criterion=recipe.criterion,
    )


def _source(model, recipes, n_starts, data, pairs, label_estimator):
    """The fixed training set, or a function that draws one per epoch."""
    if recipes[0].fresh == "none":
        return _samples(model, recipes, n_starts, data.training, [pair.training for pair in pairs])

    def draw(key: Array) -> Samples:
        drawn = redraw(model, recipes[0], data.training, key=key)
        labels = [label_set(model, recipe, drawn, label_estimator=label_estimator) for recipe in recipes]
        return _samples(model, recipes, n_starts, drawn, labels)

    return draw


def _samples(model, recipes, n_starts: int, simulated: Simulated, labels: Sequence[Labels]) -> Samples:
    """Arrays for the trainer; labels lead with a member axis only where members differ."""
    recipe = recipes[0]
    shared = {
        "measurements": jnp.asarray(_inputs(simulated.measurements)),
        "truth": simulated.parameters,
        "sigma": simulated.sigma,
    }
    if recipe.weights == "inverse-crb":
        noise = noise_models.build(recipe.noise, np.asarray(simulated.sigma))
        shared["sample_weights"] = jnp.asarray(inverse_bound_weights(crb(model, simulated.parameters, noise)))
    if len(labels) == 1:
        shared["label"] = jnp.asarray(labels[0].values)
        shared["is_kept"] = jnp.asarray(labels[0].is_kept, dtype=jnp.float32)
        return Samples(shared)
    own = {
        "label": jnp.repeat(jnp.asarray(np.stack([item.values for item in labels])), n_starts, axis=0),
        "is_kept": jnp.repeat(jnp.asarray(np.stack([item.is_kept for item in labels]), jnp.float32), n_starts, axis=0),
    }
    return Samples(shared, own)


def _inputs(measurements) -> np.ndarray:
    """`as_inputs` for any number of leading axes."""
    array = np.asarray(measurements)
    rows = as_inputs(array.reshape(-1, array.shape[-1]))
    return rows.reshape(*array.shape[:-1], rows.shape[-1])


def _estimator(model, recipe, network, training, labels, result: TrainingResult, seconds: float) -> NetworkEstimator:
    prior = Prior.typical(model, recipe.ranges)
    columns = jnp.asarray(_inputs(training.measurements).reshape(-1, network.sizes[0]).T)
    inputs = np.asarray(network.scaled_inputs(columns)[0])
    if recipe.labels.startswith("self-supervised"):
        label_range = np.stack(_possible_range(model, prior))
    else:
        kept = np.concatenate([labels.values[labels.is_kept], np.stack([prior.low, prior.high]).astype(np.float32)])
        label_range = np.stack([kept.min(axis=0), kept.max(axis=0)])
    member = result.best_member
    provenance = {
        "recipe": recipe.as_dict(),
        "seed": recipe.seed,
        "versions": {name: importlib.metadata.version(name) for name in ("raofit", "jax", "numpy")},
        "training_seconds": round(seconds, 3),
        "epochs": len(result.history),
        "best_epoch": int(result.best_epoch[member]),
        "validation_loss": float(result.validation_loss[member]),
        "members_validation_loss": [float(value) for value in result.validation_loss],
    }
    return NetworkEstimator(
        model=model,
        network=network,
        weights=result.weights[member],
        noise_name=recipe.noise,
        snr_range=recipe.snr,
        prior=prior,
        input_range=np.stack([inputs.min(axis=1), inputs.max(axis=1)]),
        label_range=label_range,
        standard_error_factors=np.ones(len(prior.names)),
        provenance=provenance,
    )
