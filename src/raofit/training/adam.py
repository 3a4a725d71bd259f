"""Adam on flat weight vectors, all members in one fused operation, and its learning rate."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

_FIRST_MOMENT, _SECOND_MOMENT, _EPSILON = 0.9, 0.999, 1e-8


def adam_step(
    weights: Float[Array, "member weight"],
    gradient: Float[Array, "member weight"],
    first: Float[Array, "member weight"],
    second: Float[Array, "member weight"],
    count: Int[Array, ""],
    rate: Float[Array, ""] | float,
) -> tuple[Array, Array, Array]:
    """One step of Adam [kingma2015] on flat vectors: new weights and both moments; `count` starts at 1."""
    count = count.astype(jnp.float32)
    first = _FIRST_MOMENT * first + (1.0 - _FIRST_MOMENT) * gradient
    second = _SECOND_MOMENT * second + (1.0 - _SECOND_MOMENT) * jnp.square(gradient)
    mean = first / (1.0 - _FIRST_MOMENT**count)
    spread = jnp.sqrt(second / (1.0 - _SECOND_MOMENT**count))
    return weights - rate * mean / (spread + _EPSILON), first, second


def learning_rate_at(first: float, final: float | None, step: Int[Array, "*any"], n_steps: int) -> Float[Array, "*any"]:
    """Constant, or half a cosine from the first to the final rate over `n_steps`."""
    if final is None:
        return jnp.full(jnp.shape(step), first, jnp.float32)
    progress = jnp.minimum(step.astype(jnp.float32) / n_steps, 1.0)
    return final + (first - final) * 0.5 * (1.0 + jnp.cos(np.pi * progress))
