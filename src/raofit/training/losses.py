"""The one loss: every training objective of the papers is a choice of target, weight and criterion.

For fingerprint i, parameter k, noise realization r = 1…R, estimate x̂, target t, weight w:

    μ = mean_r x̂        bias² = w·(μ − t)²        variance = w·mean_r (x̂ − μ)²
    L = mean_ik [ bias² + λ·max(variance − δ, 0) ]

With R = 1 this is the weighted squared error. Inside a loss the sample axis comes last: estimates are
(parameter, realization, sample), targets (parameter, sample).
"""

import abc
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import RaofitError
from raofit.models import AbstractSignalModel
from raofit.noise import build as build_noise

Criterion = Literal["squared", "absolute"]
Batch = Mapping[str, Array]


class AbstractLoss(eqx.Module):
    """Scalar loss of one network on one batch; array fields may carry a leading member axis outside of it."""

    @abc.abstractmethod
    def __call__(self, estimates: Float[Array, "parameter realization sample"], batch: Batch) -> Float[Array, ""]:
        """Mean loss over the kept samples of `batch`."""


class SupervisedLoss(AbstractLoss):
    """α·L(label) + (1 − α)·L(truth) with the family's L.

    Reads from the batch: `label` and `truth` (parameter, sample), `is_kept` (sample), and, if present,
    `sample_weights` (parameter, sample), which multiply `weights`.

    Parameters
    ----------
    weights : w per parameter, 1/unit².
    alpha : share α of the label's loss: 1 is the label alone, 0 the truth alone.
    variance_factor, tolerated_variance : λ and δ; they act where there are several realizations.
    criterion : "squared", or "absolute": bias is then √w·|μ − t| in place of its square.
    """

    weights: Float[Array, " parameter"]
    alpha: Float[Array, ""]
    variance_factor: Float[Array, ""]
    tolerated_variance: Float[Array, ""]
    criterion: Criterion = eqx.field(static=True)

    def __init__(self, weights, *, alpha=1.0, variance_factor=1.0, tolerated_variance=0.0, criterion="squared"):
        if criterion not in ("squared", "absolute"):
            raise RaofitError(f'loss criterion: expected "squared" or "absolute", got {criterion!r}')
        self.weights = jnp.asarray(weights, dtype=jnp.float32)
        self.alpha = jnp.asarray(alpha, dtype=jnp.float32)
        self.variance_factor = jnp.asarray(variance_factor, dtype=jnp.float32)
        self.tolerated_variance = jnp.asarray(tolerated_variance, dtype=jnp.float32)
        self.criterion = criterion

    def __call__(self, estimates: Float[Array, "parameter realization sample"], batch: Batch) -> Float[Array, ""]:
        """Mean over kept samples and parameters."""
        weights = (
            self.weights[:, None] * batch["sample_weights"] if "sample_weights" in batch else self.weights[:, None]
        )
        mean = jnp.mean(estimates, axis=1)
        to_label = bias_term(mean, batch["label"], weights, self.criterion)
        to_truth = bias_term(mean, batch["truth"], weights, self.criterion)
        terms = self.alpha * to_label + (1.0 - self.alpha) * to_truth
        if estimates.shape[1] > 1:
            variance = weights * jnp.mean(jnp.square(estimates - mean[:, None]), axis=1)
            terms = terms + self.variance_factor * jnp.maximum(variance - self.tolerated_variance, 0.0)
        return mean_over_kept(terms, batch["is_kept"])


def bias_term(
    mean: Float[Array, "parameter sample"],
    target: Float[Array, "parameter sample"],
    weights: Float[Array, "parameter *sample"],
    criterion: Criterion,
) -> Float[Array, "parameter sample"]:
    """w·(μ − t)², or √w·|μ − t|."""
    residual = jnp.sqrt(weights) * (mean - target)
    return jnp.square(residual) if criterion == "squared" else jnp.abs(residual)


def mean_over_kept(terms: Float[Array, "row sample"], is_kept: Float[Array, " sample"]) -> Float[Array, ""]:
    """Mean of `terms` over rows and over the samples with `is_kept` = 1."""
    count = jnp.maximum(jnp.sum(is_kept), 1.0) * terms.shape[0]
    return jnp.sum(jnp.where(is_kept[None] > 0, terms, 0.0)) / count


class SelfSupervisedLoss(AbstractLoss):
    """Distance between the measurement and the signal of the estimate: no label at all [barbieri2020].

    Parameters
    ----------
    signal : (parameter, n) → (measurement, n), differentiable.
    noise : None for the mean squared residual, or a noise model's name for its negative log-likelihood per
        measurement with each sample's own `sigma` [parker2023].
    """

    signal: Callable = eqx.field(static=True)
    noise: str | None = eqx.field(static=True)

    def __call__(self, estimates: Float[Array, "parameter realization sample"], batch: Batch) -> Float[Array, ""]:
        """Mean over kept samples, realizations and measurements."""
        n_parameters, n_realizations, n_samples = estimates.shape
        signal = self.signal(estimates.reshape(n_parameters, -1)).reshape(-1, n_realizations, n_samples)
        signal, measurements = jnp.moveaxis(signal, 0, -1), jnp.moveaxis(batch["measurements"], 0, -1)
        if self.noise is None:
            terms = jnp.square(signal - measurements)
        else:
            noise = build_noise(self.noise, jnp.broadcast_to(batch["sigma"], signal.shape[:-1]))
            terms = -noise.log_density(measurements, signal)
        terms = jnp.mean(terms, axis=(0, 2))[None]
        return mean_over_kept(terms, batch["is_kept"])


def self_supervised_loss(model: AbstractSignalModel, noise: str | None = None) -> SelfSupervisedLoss:
    """The self-supervised loss of a model.

    Raises
    ------
    RaofitError
        If the model cannot be differentiated.
    """
    if not model.is_differentiable:
        raise RaofitError(
            f"self-supervised training differentiates the signal model, which `{model.name}` does not allow; "
            'train on labels instead ("truth" or "mle-...")'
        )
    return SelfSupervisedLoss(partial(_signals, model), noise)


def _signals(model: AbstractSignalModel, parameters: Float[Array, "parameter batch"]) -> Array:
    return jax.vmap(model.voxel_signal, in_axes=1, out_axes=1)(parameters)


def inverse_mean_weights(values: Float[np.ndarray, "sample parameter"]) -> Float[np.ndarray, " parameter"]:
    """Weights 1/mean² of each parameter over the training set: W = diag(1/mean) inside the square [epstein2022]."""
    return (1.0 / np.square(np.mean(np.asarray(values, dtype=np.float64), axis=0))).astype(np.float32)


def emphasized_weights(
    weights: Float[np.ndarray, " parameter"], index: int, *, factor: float = 1e6
) -> Float[np.ndarray, " parameter"]:
    """`weights` with the residual of every parameter but `index` divided by `factor` (its square by `factor`²)."""
    others = np.arange(len(weights)) != index
    return np.where(others, np.asarray(weights, dtype=np.float64) / factor**2, weights).astype(np.float32)


def literal_emphasized_weights(
    output_scales: Float[np.ndarray, " parameter"], index: int, *, factor: float = 1e6
) -> Float[np.ndarray, " parameter"]:
    """The released code's over-weighting: residuals in output units over 1 (favored) or `factor` (the others).

    The favored parameter loses its 1/mean scaling; with one parameter left in the loss, only its scale changes.
    """
    divisor = np.where(np.arange(len(output_scales)) == index, 1.0, factor) * np.asarray(output_scales)
    return (1.0 / np.square(divisor)).astype(np.float32)


def inverse_bound_weights(bound: Float[np.ndarray, "sample parameter"]) -> Float[np.ndarray, "sample parameter"]:
    """Weights 1/CRB(θ, SNR) for each sample [zhang2022]; 0 where the bound is infinite."""
    finite = np.isfinite(bound) & (bound > 0)
    return np.where(finite, 1.0 / np.where(finite, bound, 1.0), 0.0).astype(np.float32)
