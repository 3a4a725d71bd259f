"""One chunk of an evaluation, wherever it is computed: draw, estimate, reduce; and what many chunks add up to."""

import dataclasses
import typing

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int

from raofit.core.errors import RaofitError
from raofit.core.status import Status
from raofit.estimators.estimate import Estimate
from raofit.evaluation.coverage import normal_factors
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise


class Estimator(typing.Protocol):
    """Anything that maps measurements (..., measurement) to an `Estimate`."""

    def estimate(self, measurements: Float[Array, "*batch measurement"]) -> Estimate:
        """Estimates of a batch of voxels."""
        ...


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


class PlainKey(typing.NamedTuple):
    """A PRNG key that can be pickled."""

    data: np.ndarray
    kind: str

    @classmethod
    def of(cls, key: Array) -> "PlainKey":
        """The numbers of a key, and the name of its generator."""
        return cls(np.asarray(jax.random.key_data(key)), str(jax.random.key_impl(key)))

    def key(self) -> Array:
        """The key."""
        return jax.random.wrap_key_data(self.data, impl=self.kind)


class Part(typing.NamedTuple):
    """What one chunk says of the truths in `rows`, whose draws it holds (truth, parameter)."""

    rows: slice
    n_draws: int
    columns: list[int]
    count: np.ndarray
    mean: np.ndarray
    squares: np.ndarray
    at_bound: np.ndarray
    n_covered: np.ndarray | None
    status_counts: dict[Status, np.ndarray]


@dataclasses.dataclass(frozen=True)
class MeasureChunk:
    """The measurements of draws `start` to `start + size`, their estimates, and what these say of the truths."""

    estimator: Estimator
    model: AbstractSignalModel
    noise: AbstractNoise
    truths: np.ndarray
    n_repeats: int
    key: PlainKey
    signals: np.ndarray
    sigmas: np.ndarray
    is_magnitude: np.ndarray
    factors: np.ndarray | None
    coverage: bool
    size: int

    def __call__(self, start: int) -> Part:
        """Moments of the chunk that begins with draw `start`."""
        total = len(self.truths) * self.n_repeats
        index = np.arange(start, start + self.size)
        n_draws = min(self.size, total - start)
        # The last chunk is filled up, so shapes never change.
        truth_index = np.minimum(index, total - 1) // self.n_repeats
        measurements = draw_measurements(
            self.noise,
            self.key.key(),
            index.astype(np.uint32),
            self.signals[truth_index],
            self.sigmas[truth_index],
            self.model.has_complex_amplitude,
        )
        return self._part(truth_index[:n_draws], self.estimator.estimate(measurements))

    def _part(self, truth_index: np.ndarray, estimate: Estimate) -> Part:
        """Moments of the errors of the first voxels of `estimate`, whose truths are `truth_index` (sorted)."""
        n_draws, columns = len(truth_index), _columns_of(self.model, estimate)
        first, last = truth_index[0], truth_index[-1]
        group, n_groups = truth_index - first, last - first + 1
        values = np.asarray(estimate.values[:n_draws], dtype=np.float64)
        values = np.where(self.is_magnitude[columns], np.abs(values), values)
        error = values - self.truths[truth_index][:, columns]
        finite = np.isfinite(error)
        count = _group_sum(finite, group, n_groups)
        mean = _group_sum(np.where(finite, error, 0.0), group, n_groups) / np.maximum(count, 1)
        deviation = np.where(finite, error - mean[group], 0.0)
        status = estimate.status[:n_draws]
        at_bound = estimate.diagnostics.get("is_at_bound", np.full(estimate.values.shape, np.nan))
        return Part(
            rows=slice(first, last + 1),
            n_draws=n_draws,
            columns=columns,
            count=count,
            mean=mean,
            squares=_group_sum(deviation**2, group, n_groups),
            at_bound=_group_sum(at_bound[:n_draws], group, n_groups),
            n_covered=self._n_covered(error, estimate, group, n_groups) if self.coverage else None,
            status_counts={
                Status(int(code)): np.bincount(group[status == code], minlength=n_groups) for code in np.unique(status)
            },
        )

    def _n_covered(self, error: np.ndarray, estimate: Estimate, group: np.ndarray, n_groups: int) -> np.ndarray:
        """Number of intervals estimate ± factor·SE that hold the truth (truth, parameter, factor)."""
        factors = _interval_factors(self.factors, estimate.parameter_names)
        errors = np.asarray(estimate.standard_errors[: len(error)], dtype=np.float64)
        is_covered = np.abs(error)[..., None] <= factors * errors[..., None]  # NaN is in no interval
        return _group_sum(is_covered.reshape(len(error), -1), group, n_groups).reshape(n_groups, *factors.shape)


class Moments:
    """Running count, mean and sum of squared deviations of the errors, one per truth and parameter (Chan's update)."""

    def __init__(self, truths: np.ndarray):
        self._n_truths = len(truths)
        self.columns: list[int] = []
        self.status_counts: dict[Status, np.ndarray] = {}
        self._n_covered: np.ndarray | None = None

    def add(self, part: Part) -> None:
        """Fold in one chunk."""
        if not self.columns:
            self._begin(part)
        rows = part.rows
        both = self.count[rows] + part.count
        step = part.mean - self.mean[rows]
        overlap = self.count[rows] * part.count / np.maximum(both, 1)
        self.squares[rows] += part.squares + step**2 * overlap
        self.mean[rows] += step * part.count / np.maximum(both, 1)
        self.count[rows] = both.astype(np.int64)
        self.at_bound[rows] += part.at_bound
        if part.n_covered is not None and self._n_covered is not None:
            self._n_covered[rows] += part.n_covered
        for code, counts in part.status_counts.items():
            self.status_counts.setdefault(code, np.zeros(self._n_truths, dtype=np.int64))[rows] += counts

    def _begin(self, part: Part) -> None:
        shape = (self._n_truths, part.mean.shape[1])
        self.columns = part.columns
        self.count = np.zeros(shape, dtype=np.int64)
        self.mean, self.squares, self.at_bound = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        if part.n_covered is not None:
            self._n_covered = np.zeros((self._n_truths, *part.n_covered.shape[1:]))

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
