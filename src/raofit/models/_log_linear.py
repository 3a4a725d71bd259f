"""Mono-exponential decay in closed form: a straight line through the logarithm of the signal."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def log_linear_decay(
    measurement: Float[Array, " measurement"],
    weighting: Float[Array, " measurement"],
    use: Float[Array, " measurement"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Amplitude A and rate R of y ≈ A·exp(−R·x) by least squares on log y with weights y² (its inverse variance).

    Parameters
    ----------
    measurement : y; values ≤ 0 are left out.
    weighting : x, for instance b-values or echo times.
    use : 1 for points to include, 0 for the others.
    """
    positive = jnp.maximum(measurement, jnp.finfo(measurement.dtype).tiny)
    weight = jnp.where(measurement > 0, jnp.square(positive), 0.0) * use
    total = jnp.maximum(jnp.sum(weight), jnp.finfo(measurement.dtype).tiny)
    logarithm = jnp.log(positive)
    mean_x, mean_y = jnp.sum(weight * weighting) / total, jnp.sum(weight * logarithm) / total
    spread = jnp.sum(weight * jnp.square(weighting - mean_x))
    slope = jnp.sum(weight * (weighting - mean_x) * (logarithm - mean_y)) / jnp.where(spread > 0, spread, 1.0)
    return jnp.exp(mean_y - slope * mean_x), -slope
