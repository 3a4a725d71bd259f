"""Cramér–Rao bound: the least variance any unbiased estimator can have."""

from collections.abc import Collection

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import RaofitError
from raofit.information.fisher import fisher_information
from raofit.models import AbstractSignalModel
from raofit.noise import AbstractNoise


def crb(
    model: AbstractSignalModel,
    parameters: Float[Array, "*batch parameter"],
    noise: AbstractNoise,
    *,
    fixed: Collection[str] = (),
) -> Float[np.ndarray, "*batch parameter"]:
    """Cramér–Rao bound on the variance of each parameter, computed in float64.

    Parameters
    ----------
    parameters : true values in the units and order of `model.parameters`.
    noise : noise model; its `sigma` is a number or has the batch shape of `parameters`.
    fixed : names of parameters that are known; the others get smaller bounds, these get 0.

    Returns
    -------
    Float[np.ndarray, "*batch parameter"]
        Variances in squared parameter units; `inf` for a parameter the measurements say nothing about.

    Raises
    ------
    RaofitError
        If a fixed name is not a parameter of the model.

    Examples
    --------
    >>> from raofit.models import IVIM
    >>> from raofit.noise import Gaussian
    >>> ivim = IVIM([0, 10, 20, 30, 50, 80, 100, 200, 400, 800])
    >>> print(crb(ivim, [1.0, 0.3, 1.7e-3, 80e-3], Gaussian(1 / 15)) ** 0.5)
    [0.06575 0.06891 0.00039764 0.050868]

    References: [zhang2022], [kay1993] ch. 3.
    """
    unknown = set(fixed) - set(model.parameter_names)
    if unknown:
        raise RaofitError(
            f"fixed: `{min(unknown)}` is not a parameter; the model has {', '.join(model.parameter_names)}"
        )
    with jax.enable_x64(True):
        values = jnp.asarray(np.asarray(parameters), dtype=jnp.float64)
        is_fixed = np.array([name in fixed for name in model.parameter_names])
        bound = bound_from_information(fisher_information(model, values, noise), is_fixed)
        return np.asarray(bound)


def bound_from_information(
    information: Float[Array, "*batch parameter parameter"], is_fixed: np.ndarray
) -> Float[Array, "*batch parameter"]:
    """Diagonal of the inverse information over the free parameters: 0 for fixed ones, inf where it is singular.

    The matrix is scaled to a unit diagonal first, so units do not matter to its conditioning.
    """
    diagonal = jnp.diagonal(information, axis1=-2, axis2=-1)
    free = jnp.broadcast_to(~is_fixed, diagonal.shape)
    informed = free & (diagonal > 0)
    scale = jnp.where(informed, jnp.sqrt(jnp.where(informed, diagonal, 1.0)), 1.0)
    both = informed[..., :, None] & informed[..., None, :]
    identity = jnp.broadcast_to(jnp.eye(information.shape[-1], dtype=information.dtype), information.shape)
    scaled = jnp.where(both, information / (scale[..., :, None] * scale[..., None, :]), identity)
    values, vectors = jnp.linalg.eigh(scaled)
    floor = 10 * scaled.shape[-1] * jnp.finfo(scaled.dtype).eps
    inverse = jnp.where(values > floor, 1.0 / jnp.where(values > floor, values, 1.0), jnp.inf)
    weight = jnp.square(vectors)
    share = jnp.where(weight > floor, weight, 0.0) * jnp.where(jnp.isinf(inverse), 0.0, inverse)[..., None, :]
    is_lost = jnp.any((weight > floor) & jnp.isinf(inverse)[..., None, :], axis=-1)
    variance = jnp.where(is_lost, jnp.inf, jnp.sum(share, axis=-1)) / jnp.square(scale)
    return jnp.where(free, jnp.where(informed, variance, jnp.inf), 0.0)
