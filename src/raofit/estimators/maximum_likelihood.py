"""Maximum likelihood inside bounds, for any signal and noise model, over any number of voxels."""

import concurrent.futures
import math
import os
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.parameter import Ranges, resolve_ranges
from raofit.core.progress import Progress, ProgressEvent
from raofit.core.small_matrices import factorize, inverse_diagonal
from raofit.core.status import Status
from raofit.core.validity import sigma_per_voxel, usable_measurements
from raofit.estimators._solver import Solution, minimize, unsolved
from raofit.estimators.coordinates import Coordinates
from raofit.estimators.dictionary import Dictionary
from raofit.estimators.estimate import Estimate
from raofit.estimators.objective import Objective
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise

_CHUNK = 65_536
_SMALLEST_CHUNK = 256
_LANES = 512
_ACCELERATOR_CHUNK = 1_048_576
_ACCELERATOR_LANES = 131_072
_ROUGH_TOLERANCE = 2e-3
_ROUGH_ITERATIONS = 30
_AT_BOUND = 1e-5
_SINGULAR = 1e-5
_DESCRIBED_AT_ONCE = 2048

Start = Literal["dictionary", "closed-form"]


class MaximumLikelihood:
    """Maximum-likelihood estimator: the parameters inside the bounds that make the measurement most probable.

    Minimizes −log L(θ) = −Σ_m log p(y_m | s_m(θ)) by Fisher scoring with Levenberg–Marquardt damping and an active set,
    so an optimum on a bound is found and reported as such. With Gaussian noise this is non-linear least squares.

    Parameters
    ----------
    model : signal model.
    noise : noise model; its `sigma` is a number or has the batch shape of the measurements.
    bounds : `{name: (low, high)}` or one pair per parameter, in physical units; default: the model's.
    start : where fits begin when `estimate` is given no start: "dictionary" (the best matches of a coarse grid, one per
        region of parameter space) or "closed-form" (the model's own formula, such as a segmented fit).
    n_starts : number of regions; with 2 or more, every voxel is fitted roughly from each and the best end is polished.
        Default: 3 for models with three or more shape parameters, else 1.
    max_iterations : per start; a voxel that needs more is marked `NOT_CONVERGED`.
    tolerance : a fit ends when no more than this decrease of −log L is within reach.
    precision : "float32", or "float64" as a reference.
    progress : receives a `ProgressEvent` per chunk.

    Raises
    ------
    RaofitError
        If bounds name an unknown parameter or are empty, or the model has no closed form to start from.

    Examples
    --------
    >>> from raofit.models import MonoExponentialT2
    >>> from raofit.noise import Gaussian
    >>> fit = MaximumLikelihood(MonoExponentialT2([0.01, 0.05, 0.1]), Gaussian(0.01))
    >>> print(fit.estimate([0.9048, 0.6065, 0.3679])["T2"])
    0.1000

    References: [epstein2022] §2.1, [gudbjartsson1995].
    """

    def __init__(
        self,
        model: AbstractSignalModel,
        noise: AbstractNoise,
        *,
        bounds: Ranges | None = None,
        start: Start = "dictionary",
        n_starts: int | None = None,
        max_iterations: int = 100,
        tolerance: float = 1e-5,
        precision: Literal["float32", "float64"] = "float32",
        progress: Progress | None = None,
    ):
        if start not in ("dictionary", "closed-form"):
            raise RaofitError(f'`start`: expected "dictionary" or "closed-form", got {start!r}')
        if start == "closed-form" and not model.has_closed_form:
            raise RaofitError(f'model `{model.name}` has no closed-form start; use start="dictionary"')
        if precision not in ("float32", "float64"):
            raise RaofitError(f'`precision`: expected "float32" or "float64", got {precision!r}')
        self.model = model
        self.noise = noise
        self.bounds = resolve_ranges(model.parameters, bounds, "bounds")
        self.parameter_names = model.parameter_names
        self._progress = progress
        self._dtype = np.dtype(precision)
        coordinates = Coordinates.of(model, self.bounds)
        self._objective = Objective.of(model, noise, coordinates)
        n_shape = len(model.parameters) - (model.amplitude_index is not None)
        self._n_starts = n_starts or (3 if n_shape >= 3 else 1)
        is_cpu = jax.default_backend() == "cpu"
        self._chunk = _CHUNK if is_cpu else _ACCELERATOR_CHUNK
        self._n_workers = (os.cpu_count() or 1) if is_cpu and model.is_differentiable else 1
        n_lanes = _LANES if is_cpu else _ACCELERATOR_LANES
        self._settings = _Settings(start, n_lanes, max_iterations, tolerance)
        with jax.enable_x64(self._dtype == np.float64):
            self._dictionary = Dictionary.of(self._objective, self.bounds, self._n_starts)

    def estimate(
        self,
        measurements: Num[Array, "*batch measurement"],
        *,
        start: Float[Array, "*#batch parameter"] | None = None,
    ) -> Estimate:
        """Estimates of every voxel.

        Parameters
        ----------
        measurements : the last axis follows the model's protocol; NaN, infinite, all-zero and (for magnitudes) negative
            voxels are marked in the status and not fitted.
        start : one start for all voxels, or one per voxel; replaces the start strategy.

        Returns
        -------
        Estimate
            With diagnostics `objective` (−log L of the measurement divided by σ), `iterations` and `is_at_bound`
            (per parameter). Standard errors are √CRB at the estimate, bounds left aside.

        Raises
        ------
        ProtocolError
            If the last axis does not have one value per protocol entry, or sigma or start have another batch shape.
        """
        measurements = np.asarray(measurements)
        n_measurements = self.model.n_measurements
        if measurements.ndim == 0 or measurements.shape[-1] != n_measurements:
            raise ProtocolError(
                f"model `{self.model.name}`: expected {n_measurements} measurements on the last axis, "
                f"got shape {measurements.shape}"
            )
        batch = measurements.shape[:-1]
        rows = measurements.reshape(-1, n_measurements)
        sigma = sigma_per_voxel(self.noise.sigma, batch)
        starts = None if start is None else self._start_rows(start, batch)
        fitted = self._fit_rows(rows, sigma, starts)
        shaped = {name: array.reshape((*batch, *array.shape[1:])) for name, array in fitted.items()}
        standard_errors = shaped.pop("standard_errors")
        return Estimate(
            values=shaped.pop("values"),
            status=shaped.pop("status"),
            parameter_names=self.parameter_names,
            compute_standard_errors=lambda: standard_errors,
            diagnostics=shaped,
        )

    def _fit_rows(self, rows: np.ndarray, sigma: np.ndarray, starts: np.ndarray | None) -> dict[str, np.ndarray]:
        n_voxels, n_parameters = rows.shape[0], len(self.parameter_names)
        result = {
            "values": np.full((n_voxels, n_parameters), np.nan, dtype=self._dtype),
            "standard_errors": np.full((n_voxels, n_parameters), np.nan, dtype=self._dtype),
            "status": np.empty(n_voxels, dtype=np.uint8),
            "objective": np.full(n_voxels, np.nan, dtype=self._dtype),
            "iterations": np.zeros(n_voxels, dtype=np.int32),
            "is_at_bound": np.zeros((n_voxels, n_parameters), dtype=bool),
        }

        share = -(-n_voxels // self._n_workers)
        size = min(self._chunk, max(_SMALLEST_CHUNK, 1 << (share - 1).bit_length()))

        def fit(chunk: slice) -> int:
            safe, safe_sigma, status = usable_measurements(
                rows[chunk], sigma[chunk], is_magnitude=self.noise.is_magnitude
            )
            is_usable = status == Status.OK
            fitted = self._fit_chunk(safe, safe_sigma, is_usable, None if starts is None else starts[chunk], size)
            for name, array in fitted.items():
                result[name][chunk][is_usable] = array[is_usable]
            result["status"][chunk][~is_usable] = status[~is_usable]
            return status.size

        chunks = [slice(first, min(first + size, n_voxels)) for first in range(0, n_voxels, size)]
        n_done = 0
        if len(chunks) > 1:  # compile before the threads start, so that it happens once
            nobody = np.zeros(1, dtype=bool)
            self._fit_chunk(rows[:1] * 0, np.ones(1), nobody, None if starts is None else starts[:1], size)
        with concurrent.futures.ThreadPoolExecutor(self._n_workers) as pool:
            for n_fitted in pool.map(fit, chunks):
                n_done += n_fitted
                if self._progress is not None:
                    self._progress(ProgressEvent("maximum likelihood", n_done, n_voxels))
        return result

    def _fit_chunk(
        self, rows: np.ndarray, sigma: np.ndarray, is_usable: np.ndarray, starts: np.ndarray | None, size: int
    ) -> dict[str, np.ndarray]:
        """Fit the usable voxels of a chunk, padded to `size` so that few shapes are compiled."""
        n_voxels = rows.shape[0]
        padding = size - n_voxels
        dtype = np.result_type(self._dtype, np.complex64) if np.iscomplexobj(rows) else self._dtype
        with jax.enable_x64(self._dtype == np.float64):  # the setting belongs to a thread
            fitted = _fit(
                self._objective,
                self._dictionary,
                self._settings,
                np.pad(rows.astype(dtype, copy=False), ((0, padding), (0, 0)), mode="edge"),
                np.pad((1.0 / sigma).astype(self._dtype), (0, padding), mode="edge"),
                np.pad(is_usable, (0, padding)),
                self.bounds.astype(self._dtype),
                None if starts is None else np.pad(starts.astype(self._dtype), ((0, padding), (0, 0)), mode="edge"),
            )
            return {name: np.asarray(array)[:n_voxels] for name, array in fitted.items()}

    def _start_rows(self, start, batch: tuple[int, ...]) -> np.ndarray:
        start = np.asarray(start)
        n_parameters = len(self.parameter_names)
        if start.shape == (n_parameters,):
            return np.broadcast_to(start, (math.prod(batch), n_parameters))
        if start.shape != (*batch, n_parameters):
            raise ProtocolError(
                f"`start`: expected {n_parameters} values ({', '.join(self.parameter_names)}) for all voxels or for "
                f"each, shape {(*batch, n_parameters)}, got shape {start.shape}"
            )
        return start.reshape(-1, n_parameters)


class _Settings(eqx.Module):
    start: str = eqx.field(static=True)
    n_lanes: int = eqx.field(static=True)
    max_iterations: int = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)


@eqx.filter_jit
def _fit(
    objective: Objective,
    dictionary: Dictionary,
    settings: _Settings,
    rows: Num[Array, "voxel measurement"],
    inverse_sigma: Float[Array, " voxel"],
    is_present: Bool[Array, " voxel"],
    bounds: Float[Array, "parameter 2"],
    given: Float[Array, "voxel parameter"] | None,
) -> dict[str, Array]:
    measurements = objective.standardize(rows, inverse_sigma)
    if given is not None:
        starts = given[None]
    elif settings.start == "closed-form":
        starts = jax.vmap(objective.model.closed_form)(rows)[None]
    else:
        starts = dictionary.match(measurements, inverse_sigma)
    lower, upper = (objective.coordinates.from_values(edge) for edge in bounds.T)
    n_regions, n_voxels, n_parameters = starts.shape
    inside = jnp.clip(starts, bounds[:, 0], bounds[:, 1]).reshape(-1, n_parameters)
    data = (jnp.tile(measurements, (n_regions, 1)), jnp.tile(inverse_sigma, n_regions))

    def pass_over(state: tuple[Solution, Array], rule: tuple[Array, Array]) -> tuple[tuple[Solution, Array], None]:
        """Solve what is queued, then queue the best region of each voxel."""
        before, is_queued = state
        solution = minimize(
            objective,
            before.values,
            data,
            lower,
            upper,
            is_queued,
            n_lanes=min(settings.n_lanes, n_regions * n_voxels),
            max_iterations=rule[0],
            tolerance=rule[1],
        )
        best = jnp.argmin(solution.objective.reshape(n_regions, n_voxels), axis=0)
        is_best = (jnp.arange(n_regions)[:, None] == best) & is_present
        total = solution._replace(iterations=before.iterations + solution.iterations)
        return (total, is_best.reshape(-1)), None

    rules = [(settings.max_iterations, settings.tolerance)]
    if n_regions > 1:
        rules = [(_ROUGH_ITERATIONS, _ROUGH_TOLERANCE), *rules]
    limits, tolerances = (jnp.array(column) for column in zip(*rules, strict=True))
    first = unsolved(objective.coordinates.from_values(inside.T).T)
    (found, _), _ = jax.lax.scan(
        pass_over, (first, jnp.tile(is_present, n_regions)), (limits, tolerances.astype(measurements.dtype))
    )
    regions = jax.tree.map(lambda array: array.reshape(n_regions, n_voxels, *array.shape[1:]), found)
    best = jnp.argmin(regions.objective, axis=0)
    chosen = jax.tree.map(lambda array: array[best, jnp.arange(n_voxels)], regions)
    total = chosen._replace(iterations=jnp.sum(regions.iterations, axis=0))
    return _describe(objective, total, inverse_sigma, bounds)


def _describe(
    objective: Objective, solution: Solution, inverse_sigma: Array, bounds: Float[Array, "parameter 2"]
) -> dict[str, Array]:
    """Physical values in canonical order, standard errors, flags and status of solved voxels."""
    n_voxels = solution.values.shape[0]
    block = min(_DESCRIBED_AT_ONCE, n_voxels)
    blocks = jax.tree.map(lambda array: array.reshape(-1, block, *array.shape[1:]), (solution, inverse_sigma))
    described = jax.lax.map(lambda part: _describe_block(objective, *part, bounds), blocks)
    return jax.tree.map(lambda array: array.reshape(n_voxels, *array.shape[2:]), described)


def _describe_block(
    objective: Objective, solution: Solution, inverse_sigma: Array, bounds: Float[Array, "parameter 2"]
) -> dict[str, Array]:
    lower, upper = (objective.coordinates.from_values(edge) for edge in bounds.T)
    width = jnp.where(jnp.isfinite(upper - lower), upper - lower, 1.0)
    is_at_bound = (solution.values <= lower + _AT_BOUND * width) | (solution.values >= upper - _AT_BOUND * width)
    found = jnp.transpose(solution.values)
    values = objective.coordinates.to_values(found)
    low, high = bounds[:, :1], bounds[:, 1:]
    nearest = jnp.where(values - low < high - values, low, high)
    values = jnp.where(jnp.transpose(is_at_bound), nearest, values)
    values = jax.vmap(objective.model.canonical, in_axes=-1, out_axes=-1)(values)
    standard_errors, is_singular = _standard_errors(objective, values, inverse_sigma)
    status = jnp.where(
        ~solution.is_converged,
        Status.NOT_CONVERGED,
        jnp.where(
            jnp.any(is_at_bound, axis=-1), Status.AT_BOUND, jnp.where(is_singular, Status.NOT_IDENTIFIABLE, Status.OK)
        ),
    )
    return {
        "values": values.T,
        "standard_errors": standard_errors.T,
        "status": status.astype(jnp.uint8),
        "objective": solution.objective,
        "iterations": solution.iterations,
        "is_at_bound": is_at_bound,
    }


def _standard_errors(
    objective: Objective, values: Float[Array, "parameter voxel"], inverse_sigma: Float[Array, " voxel"]
) -> tuple[Float[Array, "parameter voxel"], Bool[Array, " voxel"]]:
    """√CRB at `values` (inf where the scaled information has no usable pivot), and whether any pivot failed."""
    information = objective.information(values, inverse_sigma)
    n_parameters = len(information)
    diagonal = [information[j][j] for j in range(n_parameters)]
    scale = [jax.lax.rsqrt(jnp.where(entry > 0, entry, 1.0)) for entry in diagonal]
    unit = [
        [information[j][k] * scale[j] * scale[k] if k < j else jnp.ones_like(scale[j]) for k in range(j + 1)]
        for j in range(n_parameters)
    ]
    factor, pivots = factorize(unit, _SINGULAR)
    is_singular = jnp.any(jnp.stack(pivots) <= _SINGULAR, axis=0) | jnp.any(jnp.stack(diagonal) <= 0, axis=0)
    variance = jnp.stack(inverse_diagonal(factor, pivots))
    errors = jnp.sqrt(variance) * jnp.stack(scale)
    is_lost = is_singular & (variance > 0.1 / _SINGULAR) | (jnp.stack(diagonal) <= 0)
    return jnp.where(is_lost, jnp.inf, errors), is_singular
