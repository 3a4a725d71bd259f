"""Monte Carlo evaluation of any estimator: bias, standard deviation and RMSE at known truths.

    1. `draw_measurements` simulates one chunk of measurements on the device: repeat r of truth i has its own key.
    2. the estimator maps the chunk to estimates,
    3. `MeasureChunk` reduces their errors to means and sums of squares, one per truth and parameter,
    4. `Moments.add` folds these into running ones, chunk after chunk.

Steps 1 to 3 are a task, which may run elsewhere. Memory is bounded by the chunk, and the result does not depend on its
size (but for rounding).
"""

import dataclasses
from collections.abc import Collection
from functools import cached_property

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int

from raofit.core.errors import RaofitError
from raofit.core.parameter import Parameter
from raofit.core.progress import Progress, ProgressEvent
from raofit.core.status import Status
from raofit.core.tasks import RunTasks, Task, in_order, in_this_process
from raofit.evaluation.chunks import Estimator, MeasureChunk, Moments, PlainKey
from raofit.information.crb import crb
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise


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
    chunk_size: int = 32_768,
    run: RunTasks = in_this_process,
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
    run : where the chunks are simulated and estimated.
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
    total = n_truths * n_repeats
    size = min(chunk_size, total)
    measure = MeasureChunk(
        estimator=estimator,
        model=model,
        noise=noise,
        truths=truths,
        n_repeats=n_repeats,
        key=PlainKey.of(key),
        signals=signals,
        sigmas=sigmas,
        is_magnitude=is_magnitude,
        factors=interval_factors,
        coverage=coverage,
        size=size,
    )
    tasks = (
        Task(f"draws {start} to {min(start + size, total) - 1} of {total}", start) for start in range(0, total, size)
    )
    moments, n_done = Moments(truths), 0
    for part in in_order(run(measure, tasks)):
        moments.add(part)
        n_done += part.n_draws
        if progress is not None:
            progress(ProgressEvent("evaluate", n_done, total))
    columns = moments.columns
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
