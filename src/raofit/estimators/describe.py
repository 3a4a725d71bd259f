"""What a solution means: physical values in canonical order, standard errors, flags and status of solved voxels."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from raofit.core.status import Status
from raofit.estimators._solver import Solution
from raofit.estimators.known import free_places, joined
from raofit.estimators.objective import Objective
from raofit.estimators.profile_objective import ProfileObjective
from raofit.estimators.standard_errors import averaged_errors, bound_errors, is_averaging
from raofit.models import AbstractSignalModel

_AT_BOUND = 1e-5
_AT_ONCE = 2048


def describe(
    objective: Objective | ProfileObjective,
    solution: Solution,
    measurements: Float[Array, "voxel real_measurement"],
    inverse_sigma: Float[Array, " voxel"],
    bounds: Float[Array, "parameter 2"],
    known: tuple[int, ...] = (),
) -> dict[str, Array]:
    """Arrays over voxels by name, for an `Estimate`; traced by JAX.

    A value within 1e-5 of the width of the box from a bound is put on it. Standard errors are √CRB at the estimate, or
    its mean around it (`raofit.estimators.standard_errors`), bounds left aside: inf for a parameter that the scaled
    information has no usable pivot for, 0 for those at the places `known`, which the solution holds as well but no fit
    has found.
    """
    n_voxels = solution.values.shape[0]
    block = min(_AT_ONCE, n_voxels)
    blocks = jax.tree.map(
        lambda array: array.reshape(n_voxels // block, block, *array.shape[1:]), (solution, measurements, inverse_sigma)
    )
    described = jax.lax.map(lambda part: _describe_block(objective, *part, bounds, known), blocks)
    return jax.tree.map(lambda array: array.reshape(n_voxels, *array.shape[2:]), described)


def _describe_block(
    objective: Objective | ProfileObjective,
    solution: Solution,
    measurements: Array,
    inverse_sigma: Array,
    bounds: Float[Array, "parameter 2"],
    known: tuple[int, ...],
) -> dict[str, Array]:
    lower, upper = (objective.coordinates.from_values(edge) for edge in bounds.T)
    width = jnp.where(jnp.isfinite(upper - lower), upper - lower, 1.0)
    is_at_bound = (solution.values <= lower + _AT_BOUND * width) | (solution.values >= upper - _AT_BOUND * width)
    found = jnp.transpose(solution.values)
    values = objective.coordinates.to_values(found)
    low, high = bounds[:, :1], bounds[:, 1:]
    nearest = jnp.where(values - low < high - values, low, high)
    values = jnp.where(jnp.transpose(is_at_bound), nearest, values)
    values = named_order(objective.model, values, known)
    information = objective.information(values, inverse_sigma, solution.notes)
    free = free_places(len(values), known)
    of_free = [[information[j][k] for k in free if k <= j] for j in free]
    errors, is_singular = bound_errors(of_free)
    if isinstance(objective, Objective) and is_averaging(objective.model):
        errors = averaged_errors(objective, values, inverse_sigma, solution.notes, bounds, free, of_free, errors)
    standard_errors = joined(errors, jnp.zeros_like(values[jnp.array(known)]), known) if known else errors
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
        **objective.diagnostics(solution.objective, solution.notes, measurements, inverse_sigma, len(free)),
    }


def named_order(
    model: AbstractSignalModel, values: Float[Array, "parameter voxel"], known: tuple[int, ...]
) -> Float[Array, "parameter voxel"]:
    """Interchangeable compartments in their named order, unless a known value says which is which."""
    ordered = jax.vmap(model.canonical, in_axes=-1, out_axes=-1)(values)
    if not known:
        return ordered
    places = jnp.array(known)
    return jnp.where(jnp.all(ordered[places] == values[places], axis=0), ordered, values)
