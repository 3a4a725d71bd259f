"""Standard errors of maximum likelihood: √CRB, averaged over what the measurement allows where it depends on that.

√CRB at the estimate is small where the estimate happens to be small, if the parameter spans decades (D_fast, or a T1).
Then estimate ± 1.96·√CRB misses truths above it: of nominal 95 %, 86 to 92 % hold D_fast. So √CRB of parameters that
are fitted in the logarithm is taken one standard error below and above the estimate:

    1. θ± = θ̂ ± C·e_k/√CRB_k: along the profile, all other parameters following, in the coordinates of the fit;
    2. SE_k = (√CRB_k(θ+) + √CRB_k(θ−))/2.

Let φ be the coordinate in which the standard error τ is constant, θ = g(φ), and q = g'''/g'. Then √CRB(θ̂) = τ·g'(φ̂),
and θ̂ ± z·√CRB(θ̂) holds the truth as often as it says if it is widened by the factor

    1 + τ²·z²·(q/6 + (z²/8 − 1/2)·(g''/g')²) + O(τ⁴),

which is 1 + 0.64·q·τ² for 95 %, where the second term all but vanishes. The mean widens it by 1 + 0.5·q·τ². Intervals
of 50 and 68 % need less and hold the truth rather too often. At high SNR nothing changes.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from raofit.core.small_matrices import LowerTriangle, factorize, inverse_diagonal, solve
from raofit.estimators.coordinates import Coordinates
from raofit.estimators.objective import Objective
from raofit.models import AbstractSignalModel

_SINGULAR = 1e-5
_LARGEST_RATIO = 4.0  # of √CRB at one side over that at the estimate: where the data say nothing, it has no bound


def is_averaging(model: AbstractSignalModel) -> bool:
    """Whether standard errors are averaged at all: not where a simulation takes long, nor with a complex M0."""
    return not model.has_complex_amplitude and model.lanes_at_once is None


def averaged_names(model: AbstractSignalModel, bounds: Float[np.ndarray, "parameter 2"]) -> tuple[str, ...]:
    """Parameters whose standard errors are averaged: those fitted in the logarithm, if any are."""
    if not is_averaging(model):
        return ()
    is_log = Coordinates.of(model, bounds).is_log
    return tuple(name for name, flag in zip(model.parameter_names, is_log, strict=True) if flag)


def bound_errors(information: LowerTriangle) -> tuple[Float[Array, "parameter voxel"], Bool[Array, " voxel"]]:
    """√diagonal of the inverse (inf where the scaled matrix has no usable pivot), and whether any pivot failed."""
    factor, pivots, scale = _factorized(information)
    diagonal = jnp.stack([row[-1] for row in information])
    is_singular = jnp.any(jnp.stack(pivots) <= _SINGULAR, axis=0) | jnp.any(diagonal <= 0, axis=0)
    variance = jnp.stack(inverse_diagonal(factor, pivots))
    errors = jnp.sqrt(variance) * jnp.stack(scale)
    is_lost = is_singular & (variance > 0.1 / _SINGULAR) | (diagonal <= 0)
    return jnp.where(is_lost, jnp.inf, errors), is_singular


def averaged_errors(
    objective: Objective,
    values: Float[Array, "parameter voxel"],
    inverse_sigma: Float[Array, " voxel"],
    notes: Array,
    bounds: Float[Array, "parameter 2"],
    free: tuple[int, ...],
    information: LowerTriangle,
    errors: Float[Array, "free voxel"],
) -> Float[Array, "free voxel"]:
    """Standard errors, those of parameters fitted in the logarithm averaged over both sides of the estimate.

    Parameters
    ----------
    free : places of the parameters that were estimated.
    information : of the free parameters at the estimate.
    errors : √CRB at the estimate, from it; what is infinite stays so.
    """
    to_average = [row for row, place in enumerate(free) if objective.coordinates.is_log[place]]
    if not to_average:
        return errors
    factor, pivots, scale = _factorized(information)
    slopes = objective.coordinates.slopes(values)
    coordinates = objective.coordinates.from_values(values)
    for index in to_average:
        one = [jnp.full_like(scale[0], float(row == index)) for row in range(len(free))]
        column = solve(factor, pivots, one)
        length = jax.lax.rsqrt(column[index])
        shift = jnp.stack([entry * unit * length for entry, unit in zip(column, scale, strict=True)])
        step = jnp.zeros_like(values).at[jnp.array(free)].set(shift) / slopes
        sides = []
        for sign in (-1.0, 1.0):
            there = objective.coordinates.to_values(coordinates + sign * step)
            there = jnp.clip(there, bounds[:, :1], bounds[:, 1:])
            found = objective.information(there, inverse_sigma, notes)
            error = bound_errors([[found[j][k] for k in free if k <= j] for j in free])[0][index]
            sides.append(jnp.fmin(error, _LARGEST_RATIO * errors[index]))
        mean = 0.5 * (sides[0] + sides[1])
        errors = errors.at[index].set(jnp.where(jnp.isfinite(errors[index]), mean, errors[index]))
    return errors


def _factorized(information: LowerTriangle) -> tuple[LowerTriangle, list[Array], list[Array]]:
    """Factors of the information scaled to a unit diagonal, and the scale of each parameter."""
    n_parameters = len(information)
    scale = [jax.lax.rsqrt(jnp.where(row[-1] > 0, row[-1], 1.0)) for row in information]
    unit = [
        [information[j][k] * scale[j] * scale[k] if k < j else jnp.ones_like(scale[j]) for k in range(j + 1)]
        for j in range(n_parameters)
    ]
    return *factorize(unit, _SINGULAR), scale
