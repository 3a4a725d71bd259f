r"""Relaxation along a direction that pulses turn: the hybrid state, and its derivatives, for many voxels at once.

Balanced pulses of slowly varying flip angle keep the magnetization along one direction of polar angle θ(t), and only
its length r(t), which may be negative, has a history [asslander2019]:

    dr/dt = −λ·r + cos θ/T1        λ = cos²θ/T1 + sin²θ/T2

    r(t) = a(t)·(r(0) + (1/T1)·∫₀ᵗ cos θ/a dτ)        a(t) = exp(−∫₀ᵗ λ dτ)

θ is constant between two pulses. Within such an interval, r approaches r∞ = cos θ/(T1·λ) exponentially,

    r(t + h) = r + (r∞ − r)·(1 − exp(−λ·h))        r∞ = T2·cos θ/(T2·cos²θ + T1·sin²θ)

which is exact, and has neither a division by a small number nor a product of a large and a small one. An interval is
two such halves with the echo between them. Derivatives follow the same recursion.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from raofit.models.phase_graph import Relaxation


class Train(NamedTuple):
    """Nominal polar angle of each interval between two pulses (rad), and half the interval (s)."""

    polar_angles: Float[Array, " pulse"]
    half_time: float


def echoes(train: Train, tissue: Relaxation, start: Float[Array, "slope lane"]) -> Float[Array, "pulse slope lane"]:
    """The transverse magnetization r·sin θ at the middle of every interval, and its derivatives.

    Parameters
    ----------
    start : r before the first interval, and its derivatives by as many of T1, T2 and B1 as are wanted.
    """
    return jax.lax.scan(lambda length, angle: _advance(length, angle, train, tissue), start, train.polar_angles)[1]


def repeated_start(train: Train, tissue: Relaxation, efficiency: float, n_slopes: int) -> Float[Array, "slope lane"]:
    """The r(0) = −efficiency·r(T) of a train of duration T that is repeated for ever, and its derivatives.

    With r(T) = A·r(0) + B, that is −efficiency·B/(1 + efficiency·A).
    """
    nothing = jnp.zeros((1 + n_slopes, tissue.T1.shape[-1]), tissue.T1.dtype)
    end = jax.lax.scan(
        lambda length, angle: (_advance(length, angle, train, tissue)[0], None), nothing, train.polar_angles
    )[0]
    exponent = 2.0 * train.half_time * jnp.sum(_rate(train.polar_angles[:, None], tissue), axis=1)[: 1 + n_slopes]
    kept, gone = jnp.exp(-exponent[0]), -jnp.expm1(-exponent[0])  # A, 1 − A
    divisor = 1.0 + efficiency - efficiency * gone
    start = -efficiency * end[0] / divisor
    slopes = -efficiency * (end[1:] - start * kept * exponent[1:]) / divisor
    return jnp.concatenate([start[None], slopes])


def _advance(
    length: Float[Array, "slope lane"], angle: Float[Array, ""], train: Train, tissue: Relaxation
) -> tuple[Float[Array, "slope lane"], Float[Array, "slope lane"]]:
    """One interval: r at its end and the echo at its middle, each with its derivatives."""
    n_values = length.shape[0]
    cosine, sine = jnp.cos(tissue.B1 * angle), jnp.sin(tissue.B1 * angle)
    steady = _steady(cosine, sine, angle, tissue)[:n_values]
    rate, *by_parameter = _rate(angle, tissue)
    slope_of_rate = jnp.stack([jnp.zeros_like(rate), *by_parameter])[:n_values]
    gone = -jnp.expm1(-train.half_time * rate)
    lost = train.half_time * (1.0 - gone) * slope_of_rate

    def after_half(length):
        return length + (steady - length) * gone + (steady[0] - length[0]) * lost

    middle = after_half(length)
    echo = sine * middle
    if n_values > len(tissue):
        echo = echo.at[len(tissue)].add(angle * cosine * middle[0])
    return after_half(middle), echo


def _rate(angle: Float[Array, "*any"], tissue: Relaxation) -> Float[Array, "4 *any lane"]:
    """λ and its derivatives by T1, T2 and B1."""
    cosine, sine = jnp.cos(tissue.B1 * angle), jnp.sin(tissue.B1 * angle)
    r1, r2 = 1.0 / tissue.T1, 1.0 / tissue.T2
    along, across = jnp.square(cosine) * r1, jnp.square(sine) * r2
    return jnp.stack([along + across, -along * r1, -across * r2, 2.0 * angle * sine * cosine * (r2 - r1)])


def _steady(cosine: Array, sine: Array, angle: Array, tissue: Relaxation) -> Float[Array, "4 lane"]:
    """r∞ and its derivatives by T1, T2 and B1."""
    t1, t2 = tissue.T1, tissue.T2
    along, across = jnp.square(cosine), jnp.square(sine)
    total = t2 * along + t1 * across
    by_time = cosine * across / jnp.square(total)
    by_angle = -t2 * sine * (t1 * (1.0 + along) - t2 * along) / jnp.square(total)
    return jnp.stack([t2 * cosine / total, -t2 * by_time, t1 * by_time, angle * by_angle])
