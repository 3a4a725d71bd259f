"""The one loss: every training objective of the papers is a choice of target, weight and criterion.

For fingerprint i, parameter k, noise realization r = 1…R, estimate x̂, target t, weight w:

    μ = mean_r x̂        bias² = w·(μ − t)²        variance = w·mean_r (x̂ − μ)²
    L = mean_ik [ bias² + λ·max(variance − δ, 0) ]

With R = 1 this is the weighted squared error. Inside a loss the sample axis comes last: estimates are
(parameter, realization, sample), targets (parameter, sample). Settings with a name in the papers are functions of
`raofit.losses`.
"""

import abc
import typing
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
Weighting = Literal["none", "inverse-truth", "inverse-crb"]
Moments = Literal["plain", "unbiased"]
Batch = Mapping[str, Array]


class AbstractLoss(eqx.Module):
    """Scalar loss of one network on one batch; array fields may carry a leading member axis outside of it."""

    @abc.abstractmethod
    def __call__(self, estimates: Float[Array, "parameter realization sample"], batch: Batch) -> Float[Array, ""]:
        """Mean loss over the kept samples of `batch`."""


class SupervisedLoss(AbstractLoss):
    """α·L(label) + (1 − α)·L(truth) with the family's L.

    Reads from the batch: `label` and `truth` (parameter, sample), `is_kept` (sample), and for "inverse-crb" `bound`
    (parameter, sample), the Cramér–Rao bound at the sample's own SNR.

    Parameters
    ----------
    weights : w per parameter, 1/unit², or one number for all.
    weighting : a factor on w for each sample: "none", "inverse-truth" 1/truth², or "inverse-crb" 1/bound (0 where the
        bound is infinite).
    bound_floor : unit² per parameter, added to every bound. The published loss has 0, and then the few samples whose
        bounds are smallest take over the training: no network of moderate size is as precise as they ask for.
    alpha : share α of the label's loss: 1 is the label alone, 0 the truth alone.
    variance_factor, tolerated_variance : λ and δ; they act where there are several realizations.
    criterion : "squared", or "absolute": bias is then √w·|μ − t| in place of its square.
    moments : "plain" as written above, where bias² carries variance/R and the variance lacks its share 1/R; "unbiased"
        subtracts s²/R from the bias term and divides the variance by R − 1, so that each estimates its true value
        however few the realizations.
    """

    weights: Float[Array, " parameter"]
    alpha: Float[Array, ""]
    variance_factor: Float[Array, ""]
    tolerated_variance: Float[Array, ""]
    bound_floor: Float[Array, " parameter"]
    criterion: Criterion = eqx.field(static=True)
    weighting: Weighting = eqx.field(static=True)
    bias_moments: Moments = eqx.field(static=True)
    variance_moments: Moments = eqx.field(static=True)

    def __init__(
        self,
        weights=1.0,
        *,
        weighting: Weighting = "none",
        alpha=1.0,
        variance_factor=1.0,
        tolerated_variance=0.0,
        bound_floor=0.0,
        criterion: Criterion = "squared",
        bias_moments: Moments = "plain",
        variance_moments: Moments = "plain",
    ):
        choices: dict[str, tuple[str, tuple[str, ...]]] = {
            "criterion": (criterion, typing.get_args(Criterion)),
            "weighting": (weighting, typing.get_args(Weighting)),
            "bias moments": (bias_moments, typing.get_args(Moments)),
            "variance moments": (variance_moments, typing.get_args(Moments)),
        }
        for name, (found, allowed) in choices.items():
            if found not in allowed:
                expected = " or ".join(f'"{item}"' for item in allowed)
                raise RaofitError(f"loss {name}: expected {expected}, got {found!r}")
        if criterion == "absolute" and bias_moments == "unbiased":
            raise RaofitError('loss: unbiased moments estimate bias²; use them with criterion="squared"')
        self.weights = jnp.atleast_1d(jnp.asarray(weights, dtype=jnp.float32))
        self.alpha = jnp.asarray(alpha, dtype=jnp.float32)
        self.variance_factor = jnp.asarray(variance_factor, dtype=jnp.float32)
        self.tolerated_variance = jnp.asarray(tolerated_variance, dtype=jnp.float32)
        self.bound_floor = jnp.atleast_1d(jnp.asarray(bound_floor, dtype=jnp.float32))
        self.criterion = criterion
        self.weighting = weighting
        self.bias_moments = bias_moments
        self.variance_moments = variance_moments

    def __call__(self, estimates: Float[Array, "parameter realization sample"], batch: Batch) -> Float[Array, ""]:
        """Mean over kept samples and parameters."""
        bias, variance = self.terms(estimates, batch)
        return mean_over_kept(bias + self.variance_factor * variance, batch["is_kept"])

    def terms(
        self, estimates: Float[Array, "parameter realization sample"], batch: Batch
    ) -> tuple[Float[Array, "parameter sample"], Float[Array, "parameter sample"]]:
        """bias² and max(variance − δ, 0) of each parameter and sample, weighted (0 variance for one realization)."""
        weights = self.weights[:, None] * sample_weights(self.weighting, batch, self.bound_floor)
        n_realizations = estimates.shape[1]
        mean = jnp.mean(estimates, axis=1)
        to_label = bias_term(mean, batch["label"], weights, self.criterion)
        to_truth = bias_term(mean, batch["truth"], weights, self.criterion)
        bias = self.alpha * to_label + (1.0 - self.alpha) * to_truth
        if n_realizations == 1:
            return bias, jnp.zeros_like(bias)
        variance = weights * jnp.mean(jnp.square(estimates - mean[:, None]), axis=1)
        corrected = variance * (n_realizations / (n_realizations - 1))
        if self.bias_moments == "unbiased":
            bias = bias - corrected / n_realizations
        if self.variance_moments == "unbiased":
            variance = corrected
        return bias, jnp.maximum(variance - self.tolerated_variance, 0.0)


def sample_weights(
    weighting: Weighting, batch: Batch, bound_floor: Float[Array, " parameter"]
) -> Float[Array, "*parameter sample"]:
    """The factor on the weights of each parameter and sample."""
    if weighting == "none":
        return jnp.ones_like(batch["truth"])
    if weighting == "inverse-truth":
        return inverse_or_zero(jnp.square(batch["truth"]))
    return inverse_or_zero(batch["bound"] + bound_floor[:, None])


def inverse_or_zero(values: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """1/values, and 0 where that is no positive finite number: an infinite bound carries no weight."""
    is_usable = jnp.isfinite(values) & (values > 0)
    return jnp.where(is_usable, 1.0 / jnp.where(is_usable, values, 1.0), 0.0)


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
