"""Simulated training data and the labels of its measurements."""

import dataclasses
from typing import NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from raofit import noise as noise_models
from raofit.core.errors import RaofitError
from raofit.core.progress import Progress, ProgressEvent
from raofit.core.tasks import RunTasks, Task, even_parts, in_order, in_this_process
from raofit.estimators.estimate import Estimate
from raofit.estimators.literal import LiteralSciPy
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.models import AbstractSignalModel
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.training.prior import Prior
from raofit.training.targets import Labels, estimate_labels, truth_labels

_FITTED_AT_ONCE = 1 << 14  # labels of one task


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


def training_prior(model: AbstractSignalModel, recipe: TrainingRecipe) -> Prior:
    """Where the recipe's training parameters are drawn from."""
    return Prior.typical(model, recipe.ranges, margin=recipe.range_margin)


def simulate_data(model: AbstractSignalModel, recipe: TrainingRecipe, *, key: Array) -> TrainingData:
    """Both sets of a recipe. The same key gives the same parameters at every SNR, and proportional noise."""
    prior = training_prior(model, recipe)
    sets = [
        _draw(model, prior, recipe.noise, recipe.snr, (n_samples, recipe.n_realizations), set_key)
        for n_samples, set_key in zip((recipe.n_training, recipe.n_validation), jax.random.split(key), strict=True)
    ]
    return TrainingData(*sets)


def redraw(model: AbstractSignalModel, recipe: TrainingRecipe, fixed: Simulated, *, key: Array) -> Simulated:
    """A training set with fresh noise, and fresh parameters if the recipe says so."""
    shape = (len(fixed.parameters), recipe.n_realizations)
    if recipe.fresh == "all":
        return _draw(model, training_prior(model, recipe), recipe.noise, recipe.snr, shape, key)
    return _measure(model, recipe.noise, recipe.snr, recipe.n_realizations, fixed.parameters, key)


@eqx.filter_jit
def _draw(
    model: AbstractSignalModel,
    prior: Prior,
    noise_name: str,
    snr: tuple[float, float],
    shape: tuple[int, int],
    key: Array,
) -> Simulated:
    n_samples, n_realizations = shape
    parameter_key, noise_key = jax.random.split(key)
    return _measure(model, noise_name, snr, n_realizations, prior.sample(parameter_key, n_samples), noise_key)


@eqx.filter_jit
def _measure(
    model: AbstractSignalModel,
    noise_name: str,
    snr: tuple[float, float],
    n_realizations: int,
    parameters: Array,
    key: Array,
) -> Simulated:
    snr_key, noise_key = jax.random.split(key)
    low, high = snr
    share = jax.random.uniform(snr_key, parameters.shape[:1], jnp.float32)
    sigma = 1.0 / (low * (high / low) ** share)
    signal = model.signal(parameters)
    shape = (signal.shape[0], n_realizations, signal.shape[1])
    noise = noise_models.build(noise_name, jnp.broadcast_to(sigma[:, None], shape[:2]))
    return Simulated(parameters, noise.sample(noise_key, jnp.broadcast_to(signal[:, None], shape)), sigma)


def label_data(
    model: AbstractSignalModel,
    recipe: TrainingRecipe,
    data: TrainingData,
    *,
    label_estimator: LabelEstimator | None = None,
    run: RunTasks = in_this_process,
    progress: Progress | None = None,
) -> LabelPair:
    """Labels of both sets as the recipe asks; self-supervised recipes get the truth, which their loss ignores."""
    return LabelPair(
        *(
            label_set(model, recipe, simulated, label_estimator=label_estimator, run=run, progress=progress)
            for simulated in data
        )
    )


def label_set(
    model: AbstractSignalModel,
    recipe: TrainingRecipe,
    simulated: Simulated,
    *,
    label_estimator: LabelEstimator | None = None,
    run: RunTasks = in_this_process,
    progress: Progress | None = None,
) -> Labels:
    """Labels of one set; `label_estimator`, which runs in this process, takes the place of the recipe's own.

    The recipe's estimator fits tasks of at most 16 384 samples, which `run` may do elsewhere.
    """
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
    rows = [np.asarray(array) for array in (measurements, simulated.sigma, simulated.parameters)]
    parts = even_parts(len(rows[0]), _FITTED_AT_ONCE)
    tasks = (Task(f"labels {part.start} to {part.stop - 1}", tuple(array[part] for array in rows)) for part in parts)
    fitted: list[_Fitted] = []
    for part, found in zip(parts, in_order(run(_FitLabels(model, noise_name, kind), tasks)), strict=True):
        fitted.append(found)
        if progress is not None:
            progress(ProgressEvent("labels", part.stop, len(rows[0])))
    return estimate_labels(_Fitted(*map(np.concatenate, zip(*fitted, strict=True))), on_bound=recipe.on_bound)


class _Fitted(NamedTuple):
    """What labels are made of."""

    values: np.ndarray
    status: np.ndarray


@dataclasses.dataclass(frozen=True)
class _FitLabels:
    """Estimates of some samples: measurements, sigma, and the truth, where the literal recipe starts."""

    model: AbstractSignalModel
    noise_name: str
    kind: str

    def __call__(self, content: tuple[np.ndarray, np.ndarray, np.ndarray]) -> _Fitted:
        measurements, sigma, truth = content
        noise = noise_models.build(self.noise_name, sigma)
        if self.kind == "literal":
            estimate = LiteralSciPy(self.model, noise).estimate(measurements, start=truth)
        else:
            estimate = MaximumLikelihood(self.model, noise).estimate(measurements)
        return _Fitted(estimate.values, estimate.status)


def without_held_out(simulated: Simulated, labels: Labels) -> tuple[Simulated, Labels]:
    """Only the samples that take part."""
    if labels.is_kept.all():
        return simulated, labels
    index = np.flatnonzero(labels.is_kept)
    return Simulated(*(array[index] for array in simulated)), Labels(labels.values[index], labels.is_kept[index])
