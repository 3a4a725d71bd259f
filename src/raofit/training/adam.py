"""Adam and rectified Adam on flat weight vectors, all members in one fused operation, and their learning rates."""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Optimizer = Literal["adam", "radam"]
Schedule = Literal["cosine", "step", "inverse"]
OPTIMIZERS: tuple[Optimizer, ...] = ("adam", "radam")
SCHEDULES: tuple[Schedule, ...] = ("cosine", "step", "inverse")

_FIRST_MOMENT, _SECOND_MOMENT, _EPSILON = 0.9, 0.999, 1e-8
_FULLY_KNOWN = 2.0 / (1.0 - _SECOND_MOMENT) - 1.0  # length of the average behind the second moment
_SHORTEST = 5.0  # below it, the variance of the step size is infinite


def adam_step(
    weights: Float[Array, "member weight"],
    gradient: Float[Array, "member weight"],
    first: Float[Array, "member weight"],
    second: Float[Array, "member weight"],
    count: Int[Array, ""],
    rate: Float[Array, ""] | float,
    *,
    optimizer: Optimizer = "adam",
) -> tuple[Array, Array, Array]:
    """One step of Adam [kingma2015] or RAdam [liu2020]: new weights and both moments; `count` starts at 1."""
    count = count.astype(jnp.float32)
    first = _FIRST_MOMENT * first + (1.0 - _FIRST_MOMENT) * gradient
    second = _SECOND_MOMENT * second + (1.0 - _SECOND_MOMENT) * jnp.square(gradient)
    mean = first / (1.0 - _FIRST_MOMENT**count)
    spread = jnp.sqrt(second / (1.0 - _SECOND_MOMENT**count))
    step = mean / (spread + _EPSILON)
    if optimizer == "radam":
        is_known, factor = _rectification(count)
        step = jnp.where(is_known, factor * step, mean)
    return weights - rate * step, first, second


def _rectification(count: Float[Array, ""]) -> tuple[Array, Array]:
    """Whether the second moment is known well enough to divide by, and the factor r_t on the step if so [liu2020]."""
    left = _SECOND_MOMENT**count
    length = _FULLY_KNOWN - 2.0 * count * left / (1.0 - left)
    is_known = length >= _SHORTEST
    safe = jnp.where(is_known, length, _FULLY_KNOWN)
    ratio = (safe - 4.0) * (safe - 2.0) * _FULLY_KNOWN / ((_FULLY_KNOWN - 4.0) * (_FULLY_KNOWN - 2.0) * safe)
    return is_known, jnp.sqrt(ratio)


def learning_rate_at(
    first: float,
    final: float | None,
    step: Int[Array, "*any"],
    n_steps: int,
    *,
    schedule: Schedule = "cosine",
    decay: float = 0.0,
    decay_steps: int = 1,
) -> Float[Array, "*any"]:
    """The rate of one step.

    "cosine": half a cosine from `first` to `final` over `n_steps`; constant without `final`
    "step": `first` times `decay` every `decay_steps`, and at least `final`
    "inverse": `first`/(1 + `decay`·step)
    """
    count = step.astype(jnp.float32)
    if schedule == "inverse":
        return first / (1.0 + decay * count)
    if schedule == "step":
        return jnp.maximum(first * decay ** jnp.floor(count / decay_steps), 0.0 if final is None else final)
    if final is None:
        return jnp.full(jnp.shape(step), first, jnp.float32)
    progress = jnp.minimum(count / n_steps, 1.0)
    return final + (first - final) * 0.5 * (1.0 + jnp.cos(np.pi * progress))


def clipped(gradient: Float[Array, "member weight"], limit: float | None) -> Float[Array, "member weight"]:
    """Each member's gradient, shortened to the Euclidean length `limit`; weights 1/CRB make gradients heavy-tailed."""
    if limit is None:
        return gradient
    length = jnp.sqrt(jnp.sum(jnp.square(gradient), axis=-1, keepdims=True))
    return gradient * (limit / jnp.maximum(length, limit))
