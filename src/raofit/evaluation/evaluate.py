"""Monte Carlo evaluation of any estimator: bias, standard deviation and RMSE at known truths.

    1. `draw_measurements` simulates one chunk of measurements on the device: repeat r of truth i has its own key.
    2. the estimator maps the chunk to estimates,
    3. `_Moments.add` folds their errors into running means and sums of squares, one per truth and parameter.

Memory is bounded by the chunk, and the result does not depend on its size (but for rounding).
"""

import dataclasses
import typing
from collections.abc import Collection
from functools import cached_property

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int

from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter
from raofit.core.progress import Progress, ProgressEvent
from raofit.core.status import Status
from raofit.estimators.estimate import Estimate
from raofit.evaluation.coverage import normal_factors
from raofit.information.crb import crb
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise


class Estimator(typing.Protocol):
    """Anything that maps measurements (..., measurement) to an `Estimate`."""

    def estimate(self, measurements: Float[Array, "*batch measurement"]) -> Estimate:
        """Estimates of a batch of voxels."""
        ...


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What an estimator does at each of N truths, over repeated noise.

    Parameters
    ----------
    truths : true values (N, P) of the estimated parameters, physical units.
    bias : mean estimate − truth, over the repeats that gave an estimate; NaN where none did.
    std : standard deviation of the estimates over those repeats, divided by n (ddof 0).
    n_usable : number of repeats with a finite estimate of each parameter (N, P).
    share_at_bound : share of the repeats that put the parameter on a fit bound (N, P); NaN if the estimator has none.
    status_counts : `{Status: number of repeats (N,)}`.
    n_repeats : repeats per truth.
    parameters : the estimated parameters (units, symbols).
    crb_std : square root of the Cramér–Rao bound at each truth (N, P).
    coverage : share of the intervals estimate ± factor·SE that hold the truth, one per factor (N, P, K), over the
        repeats that gave an estimate; None unless asked for.
    """

    truths: Float[np.ndarray, "truth parameter"]
    bias: Float[np.ndarray, "truth parameter"]
    std: Float[np.ndarray, "truth parameter"]
    n_usable: Int[np.ndarray, "truth parameter"]
    share_at_bound: Float[np.ndarray, "truth parameter"]
    status_counts: dict[Status, Int[np.ndarray, " truth"]]
    n_repeats: int
    parameters: tuple[Parameter, ...]
    crb_std: Float[np.ndarray, "truth parameter"]
    coverage: Float[np.ndarray, "truth parameter level"] | None = None

    @cached_property
    def rmse(self) -> Float[np.ndarray, "truth parameter"]:
        """Root of the mean squared error about the truth: √(bias² + std²)."""
        return np.hypot(self.bias, self.std)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names along the last axis."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def weighted_squared_bias(self) -> Float[np.ndarray, "truth parameter"]:
        """(bias² − std²/(n − 1))/CRB, an estimate of (E[x̂] − x)²/CRB that is right on average for any n repeats."""
        share = np.square(self.std) / np.maximum(self.n_usable - 1, 1)
        return (np.square(self.bias) - share) / np.square(self.crb_std)

    @property
    def weighted_variance(self) -> Float[np.ndarray, "truth parameter"]:
        """Variance/CRB: 1 for an efficient unbiased estimator."""
        corrected = np.square(self.std) * self.n_usable / np.maximum(self.n_usable - 1, 1)
        return corrected / np.square(self.crb_std)

    @property
    def share_failed(self) -> Float[np.ndarray, "truth parameter"]:
        """Share of the repeats without a finite estimate; these are missing from bias, std and RMSE."""
        return 1.0 - self.n_usable / self.n_repeats

    @property
    def mean_estimate(self) -> Float[np.ndarray, "truth parameter"]:
        """Truth + bias."""
        return self.truths + self.bias


def evaluate(
    estimator: Estimator,
    model: AbstractSignalModel,
    noise: AbstractNoise,
    truths: Float[Array, "truth parameter"],
    n_repeats: int,
    key: Array,
    *,
    signals: Inexact[np.ndarray, "truth measurement"] | None = None,
    bound: Float[np.ndarray, "truth parameter"] | None = None,
    magnitudes: Collection[str] = (),
    coverage: bool = False,
    interval_factors: Float[np.ndarray, "*#parameter level"] | None = None,
    chunk_size: int = 100_000,
    progress: Progress | None = None,
) -> Evaluation:
    """Simulate `n_repeats` noisy measurements of each truth, estimate, and compare with the truth.

    Parameters
    ----------
    estimator : has `.estimate(measurements (chunk, M)) -> Estimate`; it may estimate some of the model's parameters.
    noise : draws the measurements; its `sigma` is one number, or one per truth. Where the model has a complex
        amplitude, |M0| is 1 (so sigma is 1/SNR) and every draw has a phase of its own.
    truths : (N, P), physical units.
    n_repeats : noise realizations per truth, ≥ 1.
    key : PRNG key; the same key gives the same measurements whatever the estimator or chunk size (paired comparisons).
    signals, bound : the model's signals (at M0 = 1) and the Cramér–Rao bounds (variances) at `noise`, where they are
        known already.
    magnitudes : names of parameters whose estimates are compared with the truth without their signs.
    coverage : count the intervals estimate ± factor·SE that hold the truth, which takes the estimator's standard
        errors. An estimate whose standard error is NaN counts as one that misses, an infinite one as one that holds.
    interval_factors : half-widths of these intervals in standard errors, for all parameters or one row each; default:
        0.67, 0.99 and 1.96, of nominal 50, 68 and 95 % for normal scatter without bias.
    chunk_size : measurements simulated and estimated at once.
    progress : receives one event per chunk.

    Raises
    ------
    RaofitError
        If the truths do not fit the model, a count is not positive, or sigma fits neither.
    """
    truths = np.atleast_2d(np.asarray(truths, dtype=np.float64))
    n_truths = len(truths)
    _check(model, noise, truths, n_repeats, chunk_size)
    if signals is None:
        signals = np.asarray(model.signal(jnp.asarray(truths, dtype=jnp.result_type(float))))
    if bound is None:
        bound = crb(model, truths, noise)
    is_magnitude = np.isin(model.parameter_names, list(magnitudes))
    truths = np.where(is_magnitude, np.abs(truths), truths)
    sigmas = np.broadcast_to(np.asarray(noise.sigma), (n_truths,))
    moments, columns = _Moments(truths, is_magnitude, None), list(range(truths.shape[1]))
    total = n_truths * n_repeats
    size = min(chunk_size, total)
    for start in range(0, total, size):
        index = np.arange(start, start + size)
        n_real = min(size, total - start)
        truth_index = np.minimum(index, total - 1) // n_repeats  # the last chunk is filled up, so shapes never change
        measurements = draw_measurements(
            noise, key, index.astype(np.uint32), signals[truth_index], sigmas[truth_index], model.has_complex_amplitude
        )
        estimate = estimator.estimate(measurements)
        if start == 0:
            columns = _columns_of(model, estimate)
            factors = _interval_factors(interval_factors, estimate.parameter_names) if coverage else None
            moments = _Moments(truths[:, columns], is_magnitude[columns], factors)
        moments.add(truth_index[:n_real], estimate, n_real)
        if progress is not None:
            progress(ProgressEvent("evaluate", start + n_real, total))
    return Evaluation(
        truths=truths[:, columns],
        bias=np.where(moments.count > 0, moments.mean, np.nan),
        std=np.sqrt(np.where(moments.count > 0, moments.squares / np.maximum(moments.count, 1), np.nan)),
        n_usable=moments.count,
        share_at_bound=moments.at_bound / n_repeats,
        status_counts=moments.status_counts,
        n_repeats=n_repeats,
        parameters=tuple(model.parameters[column] for column in columns),
        crb_std=np.sqrt(bound)[:, columns],
        coverage=moments.coverage,
    )


def _columns_of(model: AbstractSignalModel, estimate: Estimate) -> list[int]:
    unknown = [name for name in estimate.parameter_names if name not in model.parameter_names]
    if unknown:
        raise RaofitError(
            f"estimator: it estimates `{unknown[0]}`, but the model `{model.name}` has "
            f"{', '.join(model.parameter_names)}"
        )
    return [model.parameter_names.index(name) for name in estimate.parameter_names]


def _interval_factors(given: np.ndarray | None, names: tuple[str, ...]) -> Float[np.ndarray, "parameter level"]:
    factors = normal_factors() if given is None else np.asarray(given, dtype=np.float64)
    if factors.ndim not in (1, 2) or (factors.ndim == 2 and len(factors) not in (1, len(names))):
        raise RaofitError(
            f"`interval_factors`: expected one per level, or one row for each of {', '.join(names)}, got shape "
            f"{factors.shape}"
        )
    return np.broadcast_to(factors, (len(names), factors.shape[-1]))


@eqx.filter_jit
def draw_measurements(
    noise: AbstractNoise,
    key: Array,
    index: Int[Array, " draw"],
    signals: Inexact[Array, "draw measurement"],
    sigmas: Float[Array, " draw"],
    has_phase: bool,
) -> Inexact[Array, "draw measurement"]:
    """One measurement per signal, whose noise (and phase, if it has one) is that of its index, whatever the others."""

    def one(index: Array, signal: Array, sigma: Array) -> Array:
        own_key = jax.random.fold_in(key, index)
        if has_phase:
            own_key, phase_key = jax.random.split(own_key)
            phase = jax.random.uniform(phase_key, (), sigma.dtype, 0.0, 2.0 * np.pi)
            signal = signal * jax.lax.complex(jnp.cos(phase), jnp.sin(phase))
        return eqx.tree_at(lambda noise: noise.sigma, noise, sigma).sample(own_key, signal)

    return jax.vmap(one)(index, signals, sigmas.astype(jnp.finfo(signals.dtype).dtype))


class _Moments:
    """Running count, mean and sum of squared deviations of the errors, one per truth and parameter (Chan's update).

    With `factors`, also the number of intervals estimate ± factor·SE that hold the truth.
    """

    def __init__(self, truths: np.ndarray, is_magnitude: np.ndarray, factors: np.ndarray | None):
        self._truths = truths
        self._is_magnitude = is_magnitude
        self.count = np.zeros(truths.shape, dtype=np.int64)
        self.mean = np.zeros(truths.shape)
        self.squares = np.zeros(truths.shape)
        self.at_bound = np.zeros(truths.shape)
        self._factors = factors
        self._n_covered = None if factors is None else np.zeros((len(truths), *factors.shape))
        self.status_counts: dict[Status, np.ndarray] = {}

    def add(self, truth_index: np.ndarray, estimate: Estimate, n_real: int) -> None:
        """Fold in the first `n_real` voxels of `estimate`, whose truths are `truth_index` (sorted)."""
        first, last = truth_index[0], truth_index[-1]
        group, n_groups = truth_index - first, last - first + 1
        rows = slice(first, last + 1)
        values = np.asarray(estimate.values[:n_real], dtype=np.float64)
        error = np.where(self._is_magnitude, np.abs(values), values) - self._truths[truth_index]
        finite = np.isfinite(error)
        count = _group_sum(finite, group, n_groups)
        mean = _group_sum(np.where(finite, error, 0.0), group, n_groups) / np.maximum(count, 1)
        deviation = np.where(finite, error - mean[group], 0.0)
        both = self.count[rows] + count
        step = mean - self.mean[rows]
        overlap = self.count[rows] * count / np.maximum(both, 1)
        self.squares[rows] += _group_sum(deviation**2, group, n_groups) + step**2 * overlap
        self.mean[rows] += step * count / np.maximum(both, 1)
        self.count[rows] = both.astype(np.int64)
        at_bound = estimate.diagnostics.get("is_at_bound")
        self.at_bound[rows] += np.nan if at_bound is None else _group_sum(at_bound[:n_real], group, n_groups)
        if self._factors is not None and self._n_covered is not None:
            errors = np.asarray(estimate.standard_errors[:n_real], dtype=np.float64)
            is_covered = np.abs(error)[..., None] <= self._factors * errors[..., None]  # NaN is in no interval
            flat = _group_sum(is_covered.reshape(n_real, -1), group, n_groups)
            self._n_covered[rows] += flat.reshape(n_groups, *self._factors.shape)
        for code in np.unique(estimate.status[:n_real]):
            counts = self.status_counts.setdefault(Status(int(code)), np.zeros(len(self._truths), dtype=np.int64))
            counts[rows] += np.bincount(group[estimate.status[:n_real] == code], minlength=n_groups)

    @property
    def coverage(self) -> np.ndarray | None:
        """Share of the counted repeats whose interval holds the truth (truth, parameter, factor)."""
        if self._n_covered is None:
            return None
        count = self.count[..., None]
        return np.where(count > 0, self._n_covered / np.maximum(count, 1), np.nan)


def _group_sum(values: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Sum of the rows of `values` (voxel, parameter) in each group (group, parameter)."""
    return np.stack([np.bincount(group, weights=column, minlength=n_groups) for column in values.T], axis=-1)


def _check(model: AbstractSignalModel, noise: AbstractNoise, truths: np.ndarray, n_repeats: int, chunk: int) -> None:
    names = model.parameter_names
    if truths.ndim != 2 or truths.shape[1] != len(names) or len(truths) == 0:
        raise RaofitError(f"truths: expected shape (N, {len(names)}) for {', '.join(names)}, got {truths.shape}")
    if not np.all(np.isfinite(truths)):
        raise RaofitError("truths: expected finite parameters, got NaN or infinite ones")
    if n_repeats < 1 or chunk < 1:
        raise RaofitError(f"expected at least 1 repeat and chunks of at least 1, got {n_repeats} and {chunk}")
    if np.shape(noise.sigma) not in ((), (len(truths),)):
        raise RaofitError(
            f"`sigma`: expected one number or one per truth ({len(truths)}), got shape {np.shape(noise.sigma)}"
        )
