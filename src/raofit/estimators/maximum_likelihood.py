"""Maximum likelihood inside bounds, for any signal and noise model, over any number of voxels."""

import dataclasses
import functools
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from raofit.core.errors import RaofitError
from raofit.core.parameter import Ranges, resolve_ranges
from raofit.core.progress import Progress
from raofit.estimators._batches import (
    Batches,
    as_estimate,
    few_sizes,
    powers_of_two,
    rows_of,
    solve_rows,
    start_rows,
    values_by_name,
)
from raofit.estimators._solver import Solution, minimize, unsolved
from raofit.estimators.coordinates import Coordinates
from raofit.estimators.describe import describe
from raofit.estimators.dictionary import Dictionary
from raofit.estimators.estimate import Estimate, Estimator
from raofit.estimators.known import FreeObjective, Known, joined, known_rows
from raofit.estimators.objective import Objective
from raofit.estimators.profile_objective import ProfileObjective
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise

_SIZES = (256, 1024, 8192)
_SIMULATED_SIZES = (256, 8192)  # a heavy simulator takes long to compile
_LANES = 512
_ACCELERATOR_CHUNK = 1_048_576
_ACCELERATOR_LANES = 131_072
_ROUGH_TOLERANCE = 2e-3
_ROUGH_ITERATIONS = 30
_CLOSED_FORM_ITERATIONS = 3


class _Ending(NamedTuple):
    max_iterations: int
    tolerance: float


_LIGHT = _Ending(100, 1e-5)
_HEAVY = _Ending(30, 1e-3)

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
        region of parameter space) or "closed-form" (the model's own formula, such as a segmented fit). Default: what
        the model prefers, a dictionary unless its formula searches for the global optimum.
    n_starts : number of regions; with 2 or more, every voxel is fitted roughly from each and the best end is polished.
        Default: 3 for models with three or more shape parameters, else 1; 1 for models with a complex M0, whose
        dictionary is dense.
    n_atoms : size of the dictionary of a model with a complex M0, simulated when it is first needed.
    start_ranges : where those atoms lie, as for `bounds`; default: the typical ranges, within the bounds.
    initialize_with : another estimator of the same parameters, such as a network: fits begin at its estimate or at the
        mirror image of it that explains the measurement best (`model.mirror_images`), and at the dictionary's where it
        has none.
    max_iterations : per start; a voxel that needs more is marked `NOT_CONVERGED`. Default: 100, or 30 for a heavy
        simulator, where the last voxel would keep a whole chunk waiting.
    tolerance : a fit ends with the step that follows when no more than this decrease of −log L is within reach.
        Default: 1e-5, or 1e-3 for a heavy simulator (0.05 standard deviations, before that last step).
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
        start: Start | None = None,
        n_starts: int | None = None,
        n_atoms: int | None = None,
        start_ranges: Ranges | None = None,
        initialize_with: Estimator | None = None,
        max_iterations: int | None = None,
        tolerance: float | None = None,
        precision: Literal["float32", "float64"] = "float32",
        progress: Progress | None = None,
    ):
        start = model.preferred_start if start is None else start
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
        self._objective = Objective.of(model, noise, Coordinates.of(model, self.bounds))
        self._initial = initialize_with
        self._n_atoms = n_atoms
        self._start_ranges = resolve_ranges(model.parameters, start_ranges, "typical")
        n_shape = len(model.parameters) - (model.amplitude_index is not None)
        self._n_starts = n_starts or (3 if n_shape >= 3 and not model.has_complex_amplitude else 1)
        n_lanes = model.lanes_at_once or (_LANES if jax.default_backend() == "cpu" else _ACCELERATOR_LANES)
        ending = _LIGHT if model.lanes_at_once is None else _HEAVY
        self._settings = _Settings(
            start, n_lanes, max_iterations or ending.max_iterations, tolerance or ending.tolerance
        )

    def estimate(
        self,
        measurements: Num[Array, "*batch measurement"],
        *,
        start: Float[Array, "*#batch parameter"] | None = None,
        known: Known | None = None,
    ) -> Estimate:
        """Estimates of every voxel.

        Parameters
        ----------
        measurements : the last axis follows the model's protocol; NaN, infinite, all-zero and (for magnitudes) negative
            voxels are marked in the status and not fitted.
        start : one start for all voxels, or one per voxel; replaces the start strategy.
        known : parameters that are measured otherwise, a map or one number each (`{"B1": map}`): held at these values
            and left out of the fit. A value beyond the bounds is held at the bound, and the status is `AT_BOUND`; where
            it is NaN or infinite, `NON_FINITE`.

        Returns
        -------
        Estimate
            With diagnostics `objective` (−log L of the measurement divided by σ), `iterations`, `is_at_bound`
            (per parameter) and, unless the noise is Rician, `reduced_chi_square`. A complex M0 is eliminated
            [golub2003] and adds `amplitude` (its estimate) and `relative_residual` (‖y − M0·s‖/‖y‖, which needs no
            sigma); `objective` is then half the sum of squared residuals over σ². Standard errors are √CRB at the
            estimate (its mean one standard error below and above it for parameters fitted in the logarithm, unless
            the simulator is heavy), bounds left aside, M0 unknown; 0 for known parameters, whose values are the given
            ones.

        Raises
        ------
        ProtocolError
            If the last axis does not have one value per protocol entry, or sigma, start or a map have another batch
            shape.
        RaofitError
            If a known name is not a parameter of the model, or nothing is left to estimate.
        """
        measurements = np.asarray(measurements)
        rows = rows_of(measurements, self.model)
        batch = measurements.shape[:-1]
        starts, is_mirrored = self._starts(measurements, batch, start)
        places, held = self._held(known or {}, batch)
        if held is not None:  # a voxel whose known value is missing has no estimate either
            is_missing = ~np.all(np.isfinite(held), axis=-1, keepdims=True)
            rows, held = np.where(is_missing, np.nan, rows), np.where(is_missing, 1.0, held)
        settings = dataclasses.replace(self._settings, is_mirrored=is_mirrored, known=places)
        needs_dictionary = settings.start == "dictionary" if starts is None else bool(np.isnan(starts).any())
        dictionary = self._dictionary if needs_dictionary else None

        def solve(rows, inverse_sigma, is_present, given):
            bounds = self.bounds.astype(self._dtype)
            return _fit(self._objective, dictionary, settings, rows, inverse_sigma, is_present, bounds, *given)

        found = solve_rows(
            solve,
            rows,
            self.noise,
            batch,
            (starts, held),
            self._batches(rows.shape[0]),
            dtype=self._dtype,
            stage="maximum likelihood",
            progress=self._progress,
        )
        return as_estimate(found, batch, self.parameter_names)

    def _starts(self, measurements: np.ndarray, batch: tuple[int, ...], start) -> tuple[np.ndarray | None, bool]:
        """Given starts with one row per voxel, and whether their mirror images are to be tried as well."""
        if start is not None:
            return start_rows(start, batch, self.parameter_names), False
        if self._initial is None:
            return None, False
        values = values_by_name(self._initial.estimate(measurements), self.parameter_names)
        return values.reshape(-1, len(self.parameter_names)), True

    def _held(
        self, known: Known, batch: tuple[int, ...]
    ) -> tuple[tuple[int, ...], Float[np.ndarray, "voxel known"] | None]:
        """Places of the known parameters, in model order, and their values."""
        for name in known:
            if name not in self.parameter_names:
                raise RaofitError(
                    f"known: `{name}` is not a parameter; the model has {', '.join(self.parameter_names)}"
                )
        if len(known) == len(self.parameter_names):
            raise RaofitError("known: every parameter is given, nothing is left to estimate; leave one out")
        rows = known_rows(known, batch)
        places = tuple(index for index, name in enumerate(self.parameter_names) if name in rows)
        return places, np.stack([rows[self.parameter_names[index]] for index in places], axis=-1) if places else None

    @functools.cached_property
    def _dictionary(self) -> Dictionary:
        with jax.enable_x64(self._dtype == np.float64):
            return Dictionary.of(
                self._objective, self.bounds, self._n_starts, n_atoms=self._n_atoms, ranges=self._start_ranges
            )

    def _batches(self, n_voxels: int) -> Batches:
        if jax.default_backend() == "cpu":
            is_light = self.model.lanes_at_once is None
            return few_sizes(n_voxels, self.model, _SIZES if is_light else _SIMULATED_SIZES)
        return powers_of_two(n_voxels, smallest=_SIZES[0], largest=_ACCELERATOR_CHUNK)


class _Settings(eqx.Module):
    start: str = eqx.field(static=True)
    n_lanes: int = eqx.field(static=True)
    max_iterations: int = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)
    is_mirrored: bool = eqx.field(static=True, default=False)
    known: tuple[int, ...] = eqx.field(static=True, default=())


@eqx.filter_jit
def _fit(
    objective: Objective | ProfileObjective,
    dictionary: Dictionary | None,
    settings: _Settings,
    rows: Num[Array, "voxel measurement"],
    inverse_sigma: Float[Array, " voxel"],
    is_present: Bool[Array, " voxel"],
    bounds: Float[Array, "parameter 2"],
    given: Float[Array, "voxel parameter"] | None,
    known: Float[Array, "voxel known"] | None,
) -> dict[str, Array]:
    measurements = objective.standardize(rows, inverse_sigma)
    matched = None if dictionary is None else dictionary.match(measurements, inverse_sigma)
    starts = _candidates(objective.model, settings, rows, given, matched)
    lower, upper = (objective.coordinates.from_values(edge) for edge in bounds.T)
    n_regions, n_voxels, n_parameters = starts.shape
    inside = jnp.clip(starts, bounds[:, 0], bounds[:, 1]).reshape(-1, n_parameters)
    coordinates = objective.coordinates.from_values(inside.T)
    data = (jnp.tile(measurements, (n_regions, 1)), jnp.tile(inverse_sigma, n_regions))
    evaluate = objective
    if known is not None:
        evaluate, places = FreeObjective(objective, settings.known), jnp.array(settings.known)
        known = jnp.clip(known, bounds[places, 0], bounds[places, 1])
        held = objective.coordinates.from_values(starts[0].T.at[places].set(known.T))[places]
        data = (*data, jnp.tile(held.T, (n_regions, 1)))
        coordinates, lower, upper = (array[jnp.array(evaluate.free)] for array in (coordinates, lower, upper))

    def pass_over(state: tuple[Solution, Array], rule: tuple[Array, Array]) -> tuple[tuple[Solution, Array], None]:
        """Solve what is queued, then queue the best region of each voxel."""
        before, is_queued = state
        solution = minimize(
            evaluate,
            before.values,
            data,
            lower,
            upper,
            is_queued,
            n_lanes=min(settings.n_lanes, n_regions * n_voxels),
            max_iterations=rule[0],
            tolerance=rule[1],
            n_notes=objective.n_notes,
        )
        best = jnp.argmin(solution.objective.reshape(n_regions, n_voxels), axis=0)
        is_best = (jnp.arange(n_regions)[:, None] == best) & is_present
        total = solution._replace(iterations=before.iterations + solution.iterations)
        return (total, is_best.reshape(-1)), None

    rules = [(settings.max_iterations, settings.tolerance)]
    if n_regions > 1:  # what decides: a rough fit of regions, a few steps of closed forms, a look at mirrors
        n_steps = 1 if settings.is_mirrored else _CLOSED_FORM_ITERATIONS if matched is None else _ROUGH_ITERATIONS
        rules = [(n_steps, _ROUGH_TOLERANCE), *rules]
    limits, tolerances = (jnp.array(column) for column in zip(*rules, strict=True))
    first = unsolved(coordinates.T, objective.n_notes)
    (found, _), _ = jax.lax.scan(
        pass_over, (first, jnp.tile(is_present, n_regions)), (limits, tolerances.astype(measurements.dtype))
    )
    regions = jax.tree.map(lambda array: array.reshape(n_regions, n_voxels, *array.shape[1:]), found)
    best = jnp.argmin(regions.objective, axis=0)
    chosen = jax.tree.map(lambda array: array[best, jnp.arange(n_voxels)], regions)
    total = chosen._replace(iterations=jnp.sum(regions.iterations, axis=0))
    if known is None:
        return describe(objective, total, measurements, inverse_sigma, bounds)
    total = total._replace(values=joined(total.values.T, held, settings.known).T)
    found = describe(objective, total, measurements, inverse_sigma, bounds, settings.known)
    return found | {"values": found["values"].at[:, places].set(known)}  # not as rounded in fit coordinates


def _candidates(
    model: AbstractSignalModel,
    settings: _Settings,
    rows: Num[Array, "voxel measurement"],
    given: Float[Array, "voxel parameter"] | None,
    matched: Float[Array, "region voxel parameter"] | None,
) -> Float[Array, "candidate voxel parameter"]:
    """Where fits begin; a given start that is NaN is replaced by the best match of the first region."""
    if given is None:
        return jnp.moveaxis(jax.vmap(model.closed_form_starts)(rows), 1, 0) if matched is None else matched
    candidates = given[None]
    if settings.is_mirrored:
        candidates = jnp.moveaxis(jax.vmap(model.mirror_images)(given), 1, 0)
    if matched is None:
        return candidates
    return jnp.where(jnp.any(jnp.isnan(given), axis=-1)[None, :, None], matched[:1], candidates)
