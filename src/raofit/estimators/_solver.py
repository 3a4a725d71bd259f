"""Many small bound-constrained fits at once: Levenberg–Marquardt lanes that are refilled as they finish.

Steps of one iteration (`_iterate`), all lanes in lockstep, one array element each:

1. `_free_set`: a parameter on a bound whose gradient points outwards is held there (active set).
2. `bounded_step`: `_damped_step` solves (H + λ·diag H) d = −g over the free parameters; `_step_in_box`: a component
   that would leave the box, or move by more than a quarter of it, stops there, and the others are solved again with
   that move in view.
3. evaluate objective, gradient and curvature at the trial point; accept it unless the objective rises.
4. `_next_damping`: λ follows the ratio of actual to predicted decrease.
5. a lane is done when the decrease that an (almost) undamped step over the free set could bring, ½ gᵀH⁻¹g, is below
   the tolerance or the rounding of the objective, so a minimum on a bound counts as converged; so does a point that
   rounding made lower than all around it, from which many steps in a row were refused.

After every iteration `_refill` writes the finished lanes to the results and hands them the next problems, so a slow
voxel occupies one lane and holds up nobody.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from raofit.core.small_matrices import LowerTriangle, Vector, factorize, solve

_FIRST_DAMPING = 1e-2
_LEAST_DAMPING = 1e-7
_UNDAMPED = 0.1
_STUCK = 10.0
_DAMPING_LIMIT = 1e8
_LARGEST_MOVE = 0.25
_LEAST_PIVOT = 1e-6


class Evaluation(NamedTuple):
    """Objective, gradient (one array per parameter) and lower triangle of the curvature, each over lanes.

    `spread` is how far the objective moves per relative error of what it is computed from: times the machine epsilon,
    it is the rounding of the objective. `notes` are further numbers about the point that the solution shall keep, so
    that nobody has to evaluate an expensive model there again.
    """

    objective: Float[Array, " lane"]
    gradient: Vector
    curvature: LowerTriangle
    spread: Float[Array, " lane"]
    notes: tuple[Float[Array, " lane"], ...] = ()


class Solution(NamedTuple):
    """Where each problem ended; the objective is inf for a problem that was not queued."""

    values: Float[Array, "problem parameter"]
    objective: Float[Array, " problem"]
    iterations: Int[Array, " problem"]
    is_converged: Bool[Array, " problem"]
    notes: Float[Array, "problem note"]


def unsolved(values: Float[Array, "problem parameter"], n_notes: int = 0) -> Solution:
    """Problems at `values` that nobody has looked at yet."""
    n_problems = values.shape[0]
    return Solution(
        values=values,
        objective=jnp.full(n_problems, jnp.inf, dtype=values.dtype),
        iterations=jnp.zeros(n_problems, dtype=jnp.int32),
        is_converged=jnp.zeros(n_problems, dtype=bool),
        notes=jnp.zeros((n_problems, n_notes), dtype=values.dtype),
    )


class Point(NamedTuple):
    """Where lanes are: fit coordinates (parameter, lane), what was found there, and the damping of the next step."""

    values: Float[Array, "parameter lane"]
    at: Evaluation
    damping: Float[Array, " lane"]


class _Lanes(NamedTuple):
    problem: Int[Array, " lane"]
    data: PyTree[Array]
    values: Float[Array, "parameter lane"]
    at: Evaluation
    damping: Float[Array, " lane"]
    iterations: Int[Array, " lane"]
    is_converged: Bool[Array, " lane"]


class _Queue(NamedTuple):
    problems: Int[Array, " problem"]
    length: Int[Array, ""]
    taken: Int[Array, ""]


def minimize(
    evaluate: Callable[[Float[Array, "parameter lane"], PyTree[Array]], Evaluation],
    starts: Float[Array, "problem parameter"],
    data: PyTree[Array],
    lower: Float[Array, " parameter"],
    upper: Float[Array, " parameter"],
    is_queued: Bool[Array, " problem"],
    *,
    n_lanes: int,
    max_iterations: int | Int[Array, ""],
    tolerance: float | Float[Array, ""],
    n_notes: int = 0,
) -> Solution:
    """Minimize one objective per queued problem inside the box [lower, upper]; traced by JAX.

    Parameters
    ----------
    evaluate : objective, gradient and curvature of every lane; lanes are the last axis of its arguments and results.
    starts : first point of each problem, inside the box.
    data : arrays with a leading problem axis; `evaluate` receives the lanes' share with the lane axis last.
    is_queued : which problems to solve.
    tolerance : possible decrease of the objective below which a lane is done.
    n_notes : number of notes each evaluation makes.
    """
    n_problems = starts.shape[0]
    box = lower[:, None], upper[:, None]
    queue = _Queue(
        problems=jnp.nonzero(is_queued, size=n_problems, fill_value=n_problems)[0],
        length=jnp.sum(is_queued),
        taken=jnp.asarray(0),
    )
    nothing = unsolved(jnp.zeros_like(starts), n_notes)
    empty = jnp.full(n_lanes, n_problems)
    zeros = jnp.zeros(n_lanes, dtype=starts.dtype)
    idle = _load(empty, starts, data, zeros, n_notes)
    lanes, queue, solution = _refill(idle, queue, nothing, starts, data, jnp.ones(n_lanes, dtype=bool))

    def is_running(carry: tuple[_Lanes, _Queue, Solution]) -> Array:
        return jnp.any(carry[0].problem < n_problems)

    def advance(carry: tuple[_Lanes, _Queue, Solution]) -> tuple[_Lanes, _Queue, Solution]:
        lanes, queue, solution = carry
        lanes = _iterate(evaluate, lanes, box, tolerance)
        is_done = lanes.is_converged | (lanes.iterations >= max_iterations) | (lanes.damping > _DAMPING_LIMIT)
        return _refill(lanes, queue, solution, starts, data, is_done)

    return jax.lax.while_loop(is_running, advance, (lanes, queue, solution))[2]


def _load(problem: Array, starts: Array, data: PyTree[Array], zeros: Array, n_notes: int) -> _Lanes:
    """Fresh lanes for `problem`; an infinite objective and a zero gradient make the first trial the start itself."""
    row = jnp.minimum(problem, starts.shape[0] - 1)
    n_parameters = starts.shape[1]
    unknown = Evaluation(
        objective=zeros + jnp.inf,
        gradient=[zeros] * n_parameters,
        curvature=[[zeros] * (j + 1) for j in range(n_parameters)],
        spread=zeros,
        notes=(zeros,) * n_notes,
    )
    return _Lanes(
        problem=problem,
        data=jax.tree.map(lambda array: jnp.moveaxis(array[row], 0, -1), data),
        values=starts[row].T,
        at=unknown,
        damping=zeros + _FIRST_DAMPING,
        iterations=jnp.zeros(zeros.shape, dtype=jnp.int32),
        is_converged=jnp.zeros(zeros.shape, dtype=bool),
    )


def _refill(
    lanes: _Lanes, queue: _Queue, solution: Solution, starts: Array, data: PyTree[Array], is_done: Array
) -> tuple[_Lanes, _Queue, Solution]:
    n_problems = starts.shape[0]
    target = jnp.where(is_done, lanes.problem, n_problems)
    solution = Solution(
        values=solution.values.at[target].set(lanes.values.T, mode="drop"),
        objective=solution.objective.at[target].set(lanes.at.objective, mode="drop"),
        iterations=solution.iterations.at[target].set(lanes.iterations, mode="drop"),
        is_converged=solution.is_converged.at[target].set(lanes.is_converged, mode="drop"),
        notes=_noted(solution.notes, target, lanes.at.notes),
    )
    turn = queue.taken + jnp.cumsum(is_done) - 1
    upcoming = queue.problems[jnp.minimum(turn, n_problems - 1)]
    upcoming = jnp.where(turn < queue.length, upcoming, n_problems)
    fresh = _load(upcoming, starts, data, jnp.zeros_like(lanes.damping), len(lanes.at.notes))
    lanes = jax.tree.map(lambda new, old: jnp.where(is_done, new, old), fresh, lanes)
    return lanes, queue._replace(taken=queue.taken + jnp.sum(is_done)), solution


def _noted(notes: Array, target: Array, found: tuple[Array, ...]) -> Array:
    return notes.at[target].set(jnp.stack(found, axis=-1), mode="drop") if found else notes


def _iterate(evaluate: Callable, lanes: _Lanes, box: tuple[Array, Array], tolerance: float | Array) -> _Lanes:
    step, possible = bounded_step(Point(lanes.values, lanes.at, lanes.damping), box)
    predicted = -_model_change(lanes.at, step)
    trial = jnp.clip(lanes.values + jnp.stack(step), *box)
    there = evaluate(trial, lanes.data)
    rounding = rounding_of(there)
    actual = lanes.at.objective - there.objective
    is_better = (actual >= -rounding) & jnp.isfinite(there.objective)
    is_known = jnp.isfinite(lanes.at.objective)
    within_reach = jnp.maximum(tolerance, 16.0 * jnp.finfo(trial.dtype).eps * jnp.abs(lanes.at.objective))
    is_at_rounding = jnp.abs(actual) <= rounding
    reachable = possible * (1.0 + lanes.damping)
    is_settled = (reachable < within_reach) & ((lanes.damping <= _UNDAMPED) | is_at_rounding)
    is_settled |= (reachable <= rounding) & (lanes.damping > _STUCK)
    damping = _next_damping(lanes.damping, is_better, actual, predicted)
    return _Lanes(
        problem=lanes.problem,
        data=lanes.data,
        values=jnp.where(is_better, trial, lanes.values),
        at=jax.tree.map(lambda new, old: jnp.where(is_better, new, old), there, lanes.at),
        damping=jnp.where(is_known, damping, lanes.damping * jnp.where(is_better, 1.0, 8.0)),
        iterations=lanes.iterations + 1,
        is_converged=is_settled & is_known,
    )


def bounded_step(point: Point, box: tuple[Array, Array]) -> tuple[Vector, Float[Array, " lane"]]:
    """The damped scoring step that stays in the box, and the decrease ½ gᵀH⁻¹g an unlimited one would promise."""
    is_free = _free_set(point, box)
    newton = _damped_step(point, is_free, [jnp.zeros_like(point.damping)] * len(is_free))
    slope = sum((g * d for g, d in zip(point.at.gradient, newton, strict=True)), start=jnp.zeros_like(point.damping))
    possible = -0.5 * slope
    return _step_in_box(point, newton, is_free, box), possible


def rounding_of(at: Evaluation) -> Float[Array, " lane"]:
    """By how much rounding may move the objective."""
    return jnp.finfo(at.objective.dtype).eps * (4.0 * jnp.abs(at.objective) + at.spread)


def _free_set(point: Point, box: tuple[Array, Array]) -> list[Array]:
    lower, upper = box
    return [
        ~(((value <= low) & (gradient > 0)) | ((value >= high) & (gradient < 0)))
        for value, gradient, low, high in zip(point.values, point.at.gradient, lower, upper, strict=True)
    ]


def _step_in_box(point: Point, newton: Vector, is_free: list[Array], box: tuple[Array, Array]) -> Vector:
    lower, upper = box
    reach = jnp.where(jnp.isfinite(upper - lower), _LARGEST_MOVE * (upper - lower), jnp.inf)
    least = jnp.maximum(lower - point.values, -reach)
    most = jnp.minimum(upper - point.values, reach)
    is_blocked = [
        free & ((step < low) | (step > high))
        for step, free, low, high in zip(newton, is_free, least, most, strict=True)
    ]
    held = [
        jnp.where(blocked, jnp.clip(step, low, high), 0.0)
        for blocked, step, low, high in zip(is_blocked, newton, least, most, strict=True)
    ]
    movable = [free & ~blocked for free, blocked in zip(is_free, is_blocked, strict=True)]
    step = _damped_step(point, movable, held)
    return [jnp.clip(value, low, high) for value, low, high in zip(step, least, most, strict=True)]


def _damped_step(point: Point, is_free: list[Array], held: Vector) -> Vector:
    """Solve (H + λ·diag H) d = −g over the free parameters, with d = held for the others (unit-diagonal scaling)."""
    gradient, curvature = point.at.gradient, point.at.curvature
    n_parameters = len(gradient)
    tiny = jnp.finfo(point.damping.dtype).tiny
    scale = [jax.lax.rsqrt(jnp.maximum(curvature[j][j], tiny)) for j in range(n_parameters)]
    free = [flag.astype(point.damping.dtype) for flag in is_free]
    right, matrix = [], []
    for j in range(n_parameters):
        slope = gradient[j]
        for k in range(n_parameters):
            if k != j:
                slope = slope + curvature[max(j, k)][min(j, k)] * held[k]
        right.append(-free[j] * scale[j] * slope)
        row = [free[j] * free[k] * curvature[j][k] * scale[j] * scale[k] for k in range(j)]
        matrix.append([*row, 1.0 + point.damping])
    factor, pivots = factorize(matrix, _LEAST_PIVOT)
    scaled = solve(factor, pivots, right)
    return [jnp.where(is_free[j], scaled[j] * scale[j], held[j]) for j in range(n_parameters)]


def _model_change(at: Evaluation, step: Vector) -> Array:
    """g·d + ½ dᵀH d."""
    change = jnp.zeros_like(step[0])
    for j, move in enumerate(step):
        row = at.gradient[j] + 0.5 * at.curvature[j][j] * move
        for k in range(j):
            row = row + at.curvature[j][k] * step[k]
        change = change + move * row
    return change


def _next_damping(damping: Array, is_better: Array, actual: Array, predicted: Array) -> Array:
    ratio = actual / jnp.maximum(predicted, jnp.finfo(damping.dtype).tiny)
    factor = jnp.where(ratio > 0.75, 0.1, jnp.where(ratio > 0.25, 0.5, 2.0))
    return jnp.maximum(damping * jnp.where(is_better, factor, 8.0), _LEAST_DAMPING)
