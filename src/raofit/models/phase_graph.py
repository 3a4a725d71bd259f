r"""Extended phase graph of a gradient-spoiled train: echoes and their derivatives, for many voxels at once.

Magnetization across a voxel is a Fourier series in the dephasing angle: transverse orders F₊ₖ, F₋ₖ and longitudinal
orders Zₖ, k ≥ 0 [weigel2015]. In the frame of a pulse's phase, where it turns +z towards +x,

    F₊' = ½(1 + cos α)·F₊ − ½(1 − cos α)·F₋ + sin α·Z        F₋' = ½(1 + cos α)·F₋ − ½(1 − cos α)·F₊ + sin α·Z
    Z'  = cos α·Z − ½ sin α·(F₊ + F₋)

for every order alike. The echo is F₊₀. Relaxation multiplies by E1 = exp(−TR/T1) and E2 = exp(−TR/T2), Z₀ recovers by
1 − E1, and the gradient moves F₊ one order up and F₋ one down, with F₊₀ = F₋₀*.

One step of the scan (`_advance`) is what precedes an echo: shift, relaxation, phase increment and pulse, as one 3×3
matrix per voxel that acts on all orders. Each derivative obeys the same step, plus what the step's own derivative makes
of the magnetization.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

_LONGEST = 60.0  # T1 in an interval: its exponential is still a number in single precision


class Steps(NamedTuple):
    """What precedes each echo: the time since the last pulse (s), flip angle (rad), phase increment exp(−iΔφ), TE (s).

    The increments are real where all phases are multiples of π, and so are then all states.
    """

    interval: np.ndarray
    flip_angle: np.ndarray
    turn: np.ndarray
    echo_time: np.ndarray


class Relaxation(NamedTuple):
    """T1, T2 (s) and B1 of each voxel (lane)."""

    T1: Array
    T2: Array
    B1: Array


def echoes(
    steps: Steps, tissue: Relaxation, start: Float[Array, " lane"], n_states: int, n_slopes: int
) -> Inexact[Array, "echo slope lane"]:
    """The echo of every step, and its derivatives by the first `n_slopes` of T1, T2 and B1.

    Parameters
    ----------
    start : longitudinal magnetization before the first step and its derivatives (slope, lane).
    n_states : orders kept; what moves beyond is lost.
    """
    dtype = _kind(steps.turn, tissue.T1.dtype)
    nothing = jnp.zeros((3, n_states + 2, tissue.T1.shape[-1]), dtype)  # rows: order −1, orders, one beyond
    states = tuple(nothing.at[2, 1].set(start[index]) for index in range(1 + n_slopes))
    inputs = Steps(*(jnp.asarray(values, dtype=_kind(values, tissue.T1.dtype)) for values in steps))
    return jax.lax.scan(lambda states, step: _advance(states, step, tissue), states, inputs)[1]


def _kind(values: np.ndarray, precision) -> np.dtype:
    return np.result_type(precision, np.complex64) if np.iscomplexobj(values) else np.dtype(precision)


def _advance(
    states: tuple[Inexact[Array, "3 row lane"], ...], step: Steps, tissue: Relaxation
) -> tuple[tuple[Inexact[Array, "3 row lane"], ...], Inexact[Array, "slope lane"]]:
    """Everything between two echoes, of the magnetization and of its derivatives."""
    angle = tissue.B1 * step.flip_angle
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    kept, exchanged = 0.5 * (1.0 + cosine), 0.5 * (cosine - 1.0)
    turn = step.turn
    rotation = jnp.stack(  # from F₊, F₋, Z (second axis), the phase increment included
        [
            jnp.stack([kept * turn, exchanged * jnp.conj(turn), sine + 0 * turn]),
            jnp.stack([exchanged * turn, kept * jnp.conj(turn), sine + 0 * turn]),
            jnp.stack([-0.5 * sine * turn, -0.5 * sine * jnp.conj(turn), cosine + 0 * turn]),
        ]
    )
    recovery, decay = jnp.minimum(step.interval / tissue.T1, _LONGEST), step.interval / tissue.T2
    matrix = rotation * jnp.exp(-jnp.stack([decay, decay, recovery]))
    slope_of_e1, slope_of_e2 = recovery / tissue.T1, decay / tissue.T2  # of their logarithms
    to_echo = jnp.exp(-step.echo_time / tissue.T2)
    before = states[0].at[2, 1].add(jnp.expm1(recovery))  # E1·(Z + 1/E1 − 1) is what Z recovers to
    up, down, longitudinal = _shifted(before)
    found = _apply(matrix, up, down, longitudinal)

    def by_t1(state):
        state = state.at[2, 1].add(-slope_of_e1 * jnp.exp(recovery))
        own_up, own_down, own = _shifted(state)
        return state, _apply(matrix, own_up, own_down, own + slope_of_e1 * longitudinal)

    def by_t2(state):
        own_up, own_down, own = _shifted(state)
        return state, _apply(matrix, own_up + slope_of_e2 * up, own_down + slope_of_e2 * down, own)

    def by_b1(state):
        return state, _apply(matrix, *_shifted(state)) + step.flip_angle * _quarter_turn(found)

    pairs = [(before, found)]
    pairs += [slope(state) for state, slope in zip(states[1:], (by_t1, by_t2, by_b1), strict=False)]
    samples = [to_echo * orders[0, 0] for _, orders in pairs]
    if len(samples) > 2:
        samples[2] = samples[2] + samples[0] * step.echo_time / jnp.square(tissue.T2)
    return tuple(_with_edges(state, orders) for state, orders in pairs), jnp.stack(samples)


def _shifted(state: Inexact[Array, "3 row lane"]) -> tuple[Array, Array, Array]:
    """F₊ one order up, F₋ one down, Z where it was."""
    return state[0, :-2], state[1, 2:], state[2, 1:-1]


def _apply(matrix: Inexact[Array, "3 3 lane"], up: Array, down: Array, longitudinal: Array) -> Array:
    return matrix[:, 0, None] * up + matrix[:, 1, None] * down + matrix[:, 2, None] * longitudinal


def _quarter_turn(state: Inexact[Array, "3 order lane"]) -> Inexact[Array, "3 order lane"]:
    """The derivative of a pulse's effect by its angle: Z' for both F', and −½(F₊' + F₋') for Z'."""
    return jnp.stack([state[2], state[2], -0.5 * (state[0] + state[1])])


def _with_edges(state: Inexact[Array, "3 row lane"], orders: Inexact[Array, "3 order lane"]) -> Array:
    """Rows for the next step: what will move up into order 0 is F₋ of order 1, conjugated."""
    state = state.at[:, 1:-1].set(orders)
    return state.at[0, 0].set(jnp.conj(state[1, 2]))
