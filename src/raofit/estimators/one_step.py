"""One-step estimation: a single Fisher-scoring step from another estimator's estimate."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from raofit.core.errors import RaofitError
from raofit.core.parameter import Ranges, resolve_ranges
from raofit.core.progress import Progress
from raofit.core.status import Status
from raofit.estimators._batches import as_estimate, few_sizes, rows_of, solve_rows, values_by_name
from raofit.estimators._solver import Evaluation, Point, Solution, bounded_step, rounding_of
from raofit.estimators.coordinates import Coordinates
from raofit.estimators.describe import describe
from raofit.estimators.estimate import Estimate, Estimator
from raofit.estimators.objective import Objective
from raofit.estimators.profile_objective import ProfileObjective
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise

_SIZES = (256, 4096)
_LANES = 128
_LARGEST_REMAINDER = 0.5
_NOTHING_TO_GAIN = 1e-3  # of −log L, 0.05 standard deviations: rounding may make such a start better than its step


class OneStep:
    r"""θ₁ = θ₀ + F(θ₀)⁻¹·∂log L/∂θ, from the estimate θ₀ of another estimator (a network, most often).

    If θ₀ errs by no more than a few standard deviations, θ₁ is as good as maximum likelihood to first order: unbiased,
    at the Cramér–Rao bound, whatever the bias and variance of θ₀ were [lecam1956]. It costs one simulation per
    candidate and one per step. The step is taken in fit coordinates (see `Coordinates`) and stays inside the bounds;
    a complex M0 is eliminated.

    Of the mirror images of θ₀ (`model.mirror_images`) the one that explains the measurement best is taken. What went
    wrong is in the status: `NOT_CONVERGED` if the step explained the measurement worse, so that the value is θ₀
    (`iterations` is 0 there), or if a further step could still lower −log L by more than ½, about one standard
    deviation; `AT_BOUND` if the step ended on a bound; `OUT_OF_RANGE` as the initial estimator says.

    Parameters
    ----------
    model, noise, bounds, precision, progress : as for `MaximumLikelihood`.
    initial : estimator of the same parameters; its NaN stay NaN.
    n_steps : number of scoring steps.

    Raises
    ------
    RaofitError
        If bounds are wrong or `n_steps` is not positive.

    References: [lecam1956], [vandervaart1998] §5.7.
    """

    def __init__(
        self,
        model: AbstractSignalModel,
        noise: AbstractNoise,
        initial: Estimator,
        *,
        n_steps: int = 1,
        bounds: Ranges | None = None,
        precision: Literal["float32", "float64"] = "float32",
        progress: Progress | None = None,
    ):
        if n_steps < 1:
            raise RaofitError(f"`n_steps`: expected 1 or more scoring steps, got {n_steps}")
        if precision not in ("float32", "float64"):
            raise RaofitError(f'`precision`: expected "float32" or "float64", got {precision!r}')
        self.model = model
        self.noise = noise
        self.initial = initial
        self.n_steps = n_steps
        self.bounds = resolve_ranges(model.parameters, bounds, "bounds")
        self.parameter_names = model.parameter_names
        self._dtype = np.dtype(precision)
        self._progress = progress
        self._objective = Objective.of(model, noise, Coordinates.of(model, self.bounds))

    def estimate(self, measurements: Num[Array, "*batch measurement"]) -> Estimate:
        """Estimates of every voxel.

        Returns
        -------
        Estimate
            With the diagnostics of `MaximumLikelihood` and `possible_decrease`, what a further step would lower −log L
            by. Standard errors are √CRB at the estimate.

        Raises
        ------
        ProtocolError
            If the last axis does not have one value per protocol entry, or sigma has another batch shape.
        RaofitError
            If the initial estimator leaves out a parameter.
        """
        measurements = np.asarray(measurements)
        rows = rows_of(measurements, self.model)
        batch = measurements.shape[:-1]
        initial = self.initial.estimate(measurements)
        starts = values_by_name(initial, self.parameter_names).reshape(-1, len(self.parameter_names))
        is_missing = ~np.all(np.isfinite(starts), axis=-1)
        stand_in = np.array([item.typical_value for item in self.model.parameters])

        def solve(rows, inverse_sigma, is_present, starts):  # noqa: ARG001
            bounds = self.bounds.astype(self._dtype)
            return _step(self._objective, self.n_steps, rows, inverse_sigma, bounds, starts)

        found = solve_rows(
            solve,
            rows,
            self.noise,
            batch,
            np.where(is_missing[:, None], stand_in, starts),
            few_sizes(len(rows), self.model, _SIZES),
            dtype=self._dtype,
            stage="one-step estimation",
            progress=self._progress,
        )
        return as_estimate(_with_initial_status(found, initial.status.ravel(), is_missing), batch, self.parameter_names)


def _with_initial_status(
    found: dict[str, np.ndarray], initial: np.ndarray, is_missing: np.ndarray
) -> dict[str, np.ndarray]:
    """The initial estimator's complaint where the step has none of its own, and NaN where it had no estimate."""
    status = np.where((found["status"] == Status.OK) & (initial == Status.OUT_OF_RANGE), initial, found["status"])
    unusable = np.where(initial >= Status.NON_FINITE, initial, Status.NON_FINITE)
    status = np.where(is_missing & (status < Status.NON_FINITE), unusable, status).astype(np.uint8)
    blanked = {
        name: np.where(is_missing[:, None], np.nan, found[name]).astype(found[name].dtype)
        for name in ("values", "standard_errors")
    }
    return found | blanked | {"status": status}


class _Best(eqx.Module):
    values: Float[Array, "parameter lane"]
    at: Evaluation
    n_steps: Array
    is_improved: Bool[Array, " lane"]


@eqx.filter_jit
def _step(
    objective: Objective | ProfileObjective,
    n_steps: int,
    rows: Num[Array, "voxel measurement"],
    inverse_sigma: Float[Array, " voxel"],
    bounds: Float[Array, "parameter 2"],
    starts: Float[Array, "voxel parameter"],
) -> dict[str, Array]:
    """One pass over candidates and steps alike, so that the simulator is compiled once."""
    measurements = objective.standardize(rows, inverse_sigma)
    box = tuple(objective.coordinates.from_values(edge)[:, None] for edge in bounds.T)
    images = jnp.moveaxis(jax.vmap(objective.model.mirror_images)(starts), 1, 0)
    images = jnp.clip(images, bounds[:, 0], bounds[:, 1])

    def solve_lanes(part: tuple[Array, Array, Array]) -> tuple[Solution, Array]:
        images, measurements, inverse_sigma = part
        candidates = jax.vmap(lambda image: objective.coordinates.from_values(image.T))(images)
        trials = jnp.concatenate([candidates, jnp.broadcast_to(candidates[:1], (n_steps, *candidates.shape[1:]))])
        is_step = jnp.arange(len(trials)) >= len(candidates)
        best, _ = jax.lax.scan(
            lambda best, trial: (_advance(objective, best, *trial, (measurements.T, inverse_sigma), box), None),
            _nowhere(candidates[0], objective.n_notes),
            (trials, is_step),
        )
        point = Point(best.values, best.at, jnp.zeros_like(best.at.objective))
        possible = bounded_step(point, box)[1]
        solution = Solution(
            values=best.values.T,
            objective=best.at.objective,
            iterations=best.n_steps,
            is_converged=possible <= jnp.where(best.is_improved, _LARGEST_REMAINDER, _NOTHING_TO_GAIN),
            notes=jnp.stack(best.at.notes, axis=-1) if best.at.notes else jnp.zeros((best.values.shape[-1], 0)),
        )
        return solution, possible

    n_voxels = rows.shape[0]
    n_blocks = -(-n_voxels // _LANES)
    blocks = (
        jnp.moveaxis(images.reshape(images.shape[0], n_blocks, -1, images.shape[-1]), 1, 0),
        measurements.reshape(n_blocks, -1, measurements.shape[-1]),
        inverse_sigma.reshape(n_blocks, -1),
    )
    solution, possible = jax.tree.map(
        lambda array: array.reshape(n_voxels, *array.shape[2:]), jax.lax.map(solve_lanes, blocks)
    )
    described = describe(objective, solution, measurements, inverse_sigma, bounds)
    return described | {"possible_decrease": possible}


def _nowhere(like: Float[Array, "parameter lane"], n_notes: int) -> _Best:
    zeros = jnp.zeros_like(like[0])
    nothing = Evaluation(
        objective=zeros + jnp.inf,
        gradient=[zeros] * len(like),
        curvature=[[zeros] * (j + 1) for j in range(len(like))],
        spread=zeros,
        notes=(zeros,) * n_notes,
    )
    return _Best(like, nothing, zeros.astype(jnp.int32), jnp.zeros(zeros.shape, dtype=bool))


def _advance(
    objective: Objective | ProfileObjective, best: _Best, candidate: Array, is_step: Array, data, box
) -> _Best:
    """Look at a candidate, or at the end of a step from the best point so far, and keep the better of the two."""
    step, _ = bounded_step(Point(best.values, best.at, jnp.zeros_like(best.at.objective)), box)
    trial = jnp.where(is_step, jnp.clip(best.values + jnp.stack(step), *box), candidate)
    there = objective(trial, data)
    allowance = jnp.where(is_step, rounding_of(there), 0.0)
    is_better = (there.objective <= best.at.objective + allowance) & jnp.isfinite(there.objective)
    return _Best(
        values=jnp.where(is_better, trial, best.values),
        at=jax.tree.map(lambda new, old: jnp.where(is_better, new, old), there, best.at),
        n_steps=best.n_steps + (is_better & is_step),
        is_improved=is_better & is_step,
    )
