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
from jaxtyping import Array

from raofit.core.errors import RaofitError
from raofit.core.progress import Progress, ProgressEvent
from raofit.core.seeds import key_of
from raofit.core.tasks import RunTasks, in_this_process
from raofit.estimators.network import NetworkEstimator
from raofit.models import AbstractSignalModel
from raofit.recipes.architecture import build_network, network_inputs, possible_range
from raofit.recipes.card import with_card
from raofit.recipes.members import (
    member_losses,
    member_samples,
    require_for_drawn_signals,
    sample_weighting,
    training_source,
)
from raofit.recipes.train_on_set import train_on_set
from raofit.recipes.training_data import (
    LabelEstimator,
    LabelPair,
    TrainingData,
    label_data,
    simulate_data,
    training_prior,
    without_held_out,
)
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.recipes.training_set import TrainingSet
from raofit.training.checkpoint import CheckpointFile
from raofit.training.networks import Perceptron
from raofit.training.trainer import TrainingResult, train_members


def train_network(
    model: AbstractSignalModel,
    recipe: TrainingRecipe,
    *,
    key: Array | None = None,
    data: TrainingData | TrainingSet | None = None,
    labels: LabelPair | None = None,
    label_estimator: LabelEstimator | None = None,
    initial: NetworkEstimator | None = None,
    run: RunTasks = in_this_process,
    progress: Progress | None = None,
    checkpoint: str | Path | CheckpointFile | None = None,
) -> NetworkEstimator:
    """Train a network by a recipe and measure its bias and variance.

    Parameters
    ----------
    model : signal model with its protocol; one that JAX cannot trace is fine for every recipe with labels.
    key : PRNG key; default: the recipe's seed.
    data, labels : sets already simulated and labeled (to share them between recipes). A `TrainingSet` holds noise-free
        fingerprints of a model with a complex amplitude; SNR, phase and noise are then drawn inside every step.
    label_estimator : anything with `.estimate(measurements) -> Estimate`, in place of the recipe's label estimator.
    initial : start from this network's weights in place of random restarts.
    run : where labels are fitted and the card is measured; the network is trained in this process.
    checkpoint : file to save to after every epoch and to resume from; it stays until the caller has saved the network.

    Raises
    ------
    RaofitError
        If recipe, model and data do not fit together, or the loss diverges.
    FileError
        If the checkpoint belongs to another training.
    """
    if isinstance(data, TrainingSet):
        if data.model.parameter_names != model.parameter_names or data.model.n_measurements != model.n_measurements:
            raise RaofitError(f"training set: expected signals of the model `{model.name}`, got `{data.model.name}`")
        return train_on_set(
            data,
            recipe,
            key=key_of(recipe.seed) if key is None else key,
            initial=initial,
            run=run,
            progress=progress,
            checkpoint=CheckpointFile(checkpoint) if isinstance(checkpoint, str | Path) else checkpoint,
        )
    if model.has_complex_amplitude or recipe.architecture != "perceptron":
        raise RaofitError(
            f"model `{model.name}`, architecture `{recipe.architecture}`: expected a TrainingSet as `data` for a model "
            "with a complex amplitude; simulate one with raofit.recipes.training_set.simulate_training_set"
        )
    given = None if labels is None else {recipe.labels: labels}
    return train_networks(
        model,
        [recipe],
        key=key,
        data=data,
        labels=given,
        label_estimator=label_estimator,
        initial=initial,
        run=run,
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
    run: RunTasks = in_this_process,
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
    for item in recipes:
        require_for_drawn_signals(model, item)
    started = time.perf_counter()
    data_key, initial_key, training_key, card_key = _keys(recipe, key)
    if progress is not None:
        progress(ProgressEvent("simulating", 0, 1))
    data = simulate_data(model, recipe, key=data_key) if data is None else data
    pairs = _label_pairs(model, recipes, data, labels, label_estimator, run, progress)
    network = build_network(model, recipe, data.training)
    if initial is not None and initial.network.sizes != network.sizes:
        raise RaofitError(
            f"initial network: expected layer widths {network.sizes}, got {initial.network.sizes}; "
            "set the recipe's `hidden` to match"
        )
    n_starts = 1 if initial is not None else recipe.restarts
    weights = _initial_weights(network, initial, len(recipes), n_starts, initial_key)
    losses = member_losses(model, recipes, n_starts, network, data.training)
    if len(recipes) == 1:
        pairs = [pairs[0]]
        data, pairs[0] = _compacted(recipe, data, pairs[0])
    training = training_source(model, recipes, n_starts, data, pairs, label_estimator, run)
    result = train_members(
        network,
        weights,
        losses,
        training,
        member_samples(model, recipes, n_starts, data.validation, [pair.validation for pair in pairs]),
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
            result.statistics[members],
            result.validation_loss[members],
            result.best_epoch[members],
            result.history[:, members],
        )
        estimator = _estimator(model, item, network, data.training, pair.training, part, seconds)
        estimators.append(with_card(estimator, key=card_key, run=run))
    return estimators


def recipe_data(model: AbstractSignalModel, recipe: TrainingRecipe) -> TrainingData:
    """The sets that `train_network` draws for the recipe, to share them between recipes that draw the same."""
    return simulate_data(model, recipe, key=_keys(recipe, None)[0])


def _keys(recipe: TrainingRecipe, key: Array | None) -> Array:
    """Of the data, the initial weights, the training and the card."""
    return jax.random.split(key_of(recipe.seed) if key is None else key, 4)


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
    if len({sample_weighting(recipe) for recipe in recipes}) > 1:
        raise RaofitError(
            "recipes trained together must all use `inverse-crb` weights, all `inverse-truth`, or none of them"
        )


def _label_pairs(model, recipes, data, labels, label_estimator, run, progress) -> list[LabelPair]:
    known: dict[tuple[str, str], LabelPair] = {}
    for recipe in recipes:
        identity = (recipe.labels, recipe.on_bound)
        if identity not in known:
            given = (labels or {}).get(recipe.labels)
            known[identity] = given or label_data(
                model, recipe, data, label_estimator=label_estimator, run=run, progress=progress
            )
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


def _estimator(model, recipe, network, training, labels, result: TrainingResult, seconds: float) -> NetworkEstimator:
    prior = training_prior(model, recipe)
    columns = jnp.asarray(network_inputs(training.measurements).reshape(-1, network.sizes[0]).T)
    inputs = np.asarray(network.scaled_inputs(columns)[0])
    if recipe.labels.startswith("self-supervised"):
        label_range = np.stack(possible_range(model, prior))
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
