"""Periodic trains of pulses: steady state, echoes, and their derivatives, for many voxels at once.

One cycle, with echo 1 just after its first pulse (the inversion):

1. Four unit vectors and the recovery go from echo 1 round the cycle (`_round`): M_i and b_i with m_i = M_i·m_1 + b_i
   for every echo i, and after the last step m_1 = A·m_1 + b.
2. m_1 = (I − A)⁻¹·b.
3. m and, along it, the derivatives of every step go round (`_with_slopes`), from ∂m_1 = 0: the part q_i of ∂m_i.
4. ∂m_1 = (I − A)⁻¹·q, with q the part after the whole cycle, and ∂m_i = q_i + M_i·∂m_1.

Samples leave in blocks, so that a projection onto a basis never needs all of them in memory.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.models.qmt.propagation import (
    LARGEST_ROTATION,
    Freedom,
    Magnetization,
    Pulse,
    Tissue,
    crushed_repetition,
    free_repetition,
    freedom,
    repetition,
    spoiled_repetition,
)

_BLOCK = 64
_NOTHING, _FREE, _PULSE, _STRONG_PULSE = 0, 1, 2, 3
_WAITING = ("m0s", "R1f", "R2f", "Rx", "R1s", "omega0")  # parameters that act without a pulse
_FIRST = {"crushed": crushed_repetition, "spoiled": spoiled_repetition, "none": repetition}


class Pulses(NamedTuple):
    """Settings of pulses: what happens (`kind`), nutation rate ω1 (rad/s), duration and repetition time (s), panels per
    pulse, and saturation coefficients (last axis).
    """

    kind: np.ndarray
    nutation: np.ndarray
    duration: np.ndarray
    repetition_time: np.ndarray
    n_panels: np.ndarray
    coefficients: np.ndarray


class Train(NamedTuple):
    """The first pulse of each cycle (cycle,), and the others in blocks (cycle, block, step)."""

    first: Pulses
    others: Pulses

    @staticmethod
    def of(
        flip_angles: Float[np.ndarray, "cycle pulse"],
        durations: Float[np.ndarray, "cycle pulse"],
        repetition_time: float,
        coefficients: Float[np.ndarray, "cycle pulse feature"],
    ) -> "Train":
        """Radians and seconds; steps that fill up the last block do nothing."""
        turns = flip_angles + np.pi * durations / repetition_time  # off-resonance of half the bandwidth included
        n_panels = np.ceil(turns / LARGEST_ROTATION).astype(np.int32)
        settings = Pulses(
            np.where(flip_angles > 0, np.where(n_panels > 1, _STRONG_PULSE, _PULSE), _FREE),
            flip_angles / durations,
            durations,
            np.full_like(flip_angles, repetition_time),
            n_panels,
            coefficients,
        )
        return Train(Pulses(*(values[:, 0] for values in settings)), Pulses(*map(blocked, settings)))

    @property
    def has_strong(self) -> bool:
        """Whether any pulse but the first of a cycle takes several panels; known before JAX traces anything."""
        return bool(np.any(self.others.kind == _STRONG_PULSE))


def blocked(values: Any) -> Any:
    """(cycle, pulse, ...) without the first pulse as (cycle, block, step, ...), zeros at the end."""
    others = values[:, 1:]
    n_blocks = -(-others.shape[1] // _BLOCK)
    padding = [(0, 0), (0, n_blocks * _BLOCK - others.shape[1])] + [(0, 0)] * (others.ndim - 2)
    pad = np.pad if isinstance(others, np.ndarray) else jnp.pad
    return pad(others, padding).reshape(len(values), n_blocks, _BLOCK, *others.shape[2:])


class Basis(NamedTuple):
    """Rows of an orthonormal basis: of each cycle's first echo (cycle, coefficient), and of the others in blocks."""

    first: np.ndarray
    others: np.ndarray


class Voxels(NamedTuple):
    """What a train needs to know of the voxels in its lanes.

    Parameters
    ----------
    tissue : the eight parameters of the physics (lane).
    freedom : what happens in a repetition without a pulse.
    freedom_slopes : its derivatives by m0s, R1f, R2f, Rx, R1s, and by omega0 (6, lane).
    features : saturation features and their derivatives by T2s and by B1 (feature, 3·lane).
    """

    tissue: Tissue
    freedom: Freedom
    freedom_slopes: Freedom
    features: Float[Array, "feature lanes"]

    @staticmethod
    def of(tissue: Tissue, features_of: Callable[[Array, Array], Array], repetition_time: float) -> "Voxels":
        """Voxels of some tissue."""
        n_lanes, dtype = tissue.T2s.shape[0], tissue.T2s.dtype
        period = jnp.asarray(repetition_time, dtype)
        waiting = jnp.stack([*tissue[:5], tissue.omega0])
        directions = jnp.eye(6, dtype=dtype)[..., None] + jnp.zeros((1, 1, n_lanes), dtype)

        def free(waiting: Array) -> Freedom:
            return freedom(tissue._replace(**dict(zip(_WAITING, waiting, strict=True))), period)

        slopes = jax.vmap(lambda direction: jax.jvp(free, (waiting,), (direction,))[1])(directions)
        one, zero = jnp.ones_like(tissue.T2s), jnp.zeros_like(tissue.T2s)
        at = (tissue.T2s, tissue.B1)
        features, by_t2s = jax.jvp(features_of, at, (one, zero))
        by_b1 = jax.jvp(features_of, at, (zero, one))[1]
        stacked = jnp.stack([features, by_t2s, by_b1], axis=1)
        return Voxels(tissue, free(waiting), slopes, stacked.reshape(features.shape[0], 3 * features.shape[1]))

    def saturation_rates(self, coefficients: Float[Array, "pulse feature"]) -> Float[Array, "pulse 3 lane"]:
        """R2sl of each pulse and its derivatives by T2s and by B1."""
        t2s = self.tissue.T2s
        value, by_t2s, by_b1 = jnp.moveaxis(
            (coefficients.astype(t2s.dtype) @ self.features).reshape(len(coefficients), 3, t2s.shape[0]), 1, 0
        )
        rate = value / t2s
        return jnp.stack([rate, (by_t2s - rate) / t2s, by_b1 / t2s], axis=1)


def echoes(
    train: Train, inversion: str, voxels: Voxels, rows: Basis | None, *, has_strong: bool, with_jacobian: bool
) -> tuple[Float[Array, "*measurement 2 lane"], Float[Array, "*measurement 2 8 lane"] | None]:
    """Real and imaginary parts of all echoes (or their coefficients in a real basis), and derivatives by the tissue.

    `has_strong` says whether any pulse after the first takes several panels (see `Train.has_strong`). Time-domain
    echoes are (cycle, echo, ...) and include those of the steps that fill up the last block of a cycle.
    """

    def cycle(total, inputs):
        train, rows = inputs
        found = _cycle(train, inversion, voxels, rows, has_strong=has_strong, with_jacobian=with_jacobian)
        if rows is None:
            return total, found
        return jax.tree.map(jnp.add, total, found), None

    if rows is None:
        found: Any = jax.lax.scan(cycle, None, (train, None))[1]
        return found
    n_coefficients, dtype = rows.first.shape[-1], voxels.tissue.T2s.dtype
    n_lanes = voxels.tissue.T2s.shape[0]
    signal = jnp.zeros((n_coefficients, 2, n_lanes), dtype)
    jacobian = jnp.zeros((n_coefficients, 2, 8, n_lanes), dtype) if with_jacobian else None
    return jax.lax.scan(cycle, (signal, jacobian), (train, rows))[0]


def _cycle(train: Train, inversion: str, voxels: Voxels, rows: Basis | None, *, has_strong: bool, with_jacobian: bool):
    """One cycle: signal (measurement, 2, lane) and Jacobian (measurement, 2, 8, lane)."""
    tissue = voxels.tissue
    unit = jnp.eye(5, dtype=tissue.T2s.dtype)[..., None] + jnp.zeros_like(tissue.T2s)
    start = Magnetization(unit[0], unit[1], unit[2], jnp.zeros_like(unit[0]), unit[3], unit[4])

    def column_step(state, kind, pulse, _):
        state = _step(state, tissue, voxels.freedom, kind, pulse, has_strong=has_strong)
        return state, jnp.stack([state.xf, state.yf])

    def last_column_step(state, pulse, _):
        return _FIRST[inversion](state, tissue, pulse)

    columns = jnp.stack([start.xf, start.yf])
    end, columns = _round(train, voxels, rows, start, columns, column_step, last_column_step)
    by_start = jnp.stack([end.xf, end.yf, end.zf, end.zs])
    contraction, recovery = by_start[:, :4], by_start[:, 4]
    factor = jnp.moveaxis(jnp.eye(4, dtype=unit.dtype)[..., None] - contraction, -1, 0)
    steady = _solve(factor, recovery[:, None])[:, 0]
    signal = jnp.einsum("mcjl,jl->mcl", columns[:, :, :4], steady) + columns[:, :, 4]
    if not with_jacobian:
        return signal, None
    one = jnp.ones_like(tissue.T2s)
    state = Magnetization(steady[0], steady[1], steady[2], jnp.zeros_like(one), steady[3], one)
    none = jnp.zeros((8, *one.shape), one.dtype)
    changes = Magnetization(none, none, none, none, none, none)

    def along(advance, carry, pulse, rates):
        """A step of the state and of its derivatives by the eight parameters."""
        return _with_slopes(advance, *carry, voxels, pulse, rates)

    def tangent_step(carry, kind, pulse, rates):
        def advance(state, tissue, freedom, pulse):
            return _step(state, tissue, freedom, kind, pulse, has_strong=has_strong)

        carry = along(advance, carry, pulse, rates)
        return carry, jnp.stack([carry[1].xf, carry[1].yf])

    def last_tangent_step(carry, pulse, rates):
        return along(lambda state, tissue, _, pulse: _FIRST[inversion](state, tissue, pulse), carry, pulse, rates)

    (_, end), particular = _round(
        train, voxels, rows, (state, changes), jnp.stack([none, none]), tangent_step, last_tangent_step
    )
    steady_change = _solve(factor, jnp.stack([end.xf, end.yf, end.zf, end.zs]))
    jacobian = particular + jnp.einsum("mcjl,jpl->mcpl", columns[:, :, :4], steady_change)
    return signal, jacobian


def _with_slopes(advance, state: Magnetization, changes: Magnetization, voxels: Voxels, pulse: Pulse, rates: Array):
    """A step of the state, and of its derivatives in the order of `Tissue` (8, lane).

    The first five parameters act between nutations and the last three in them, so each group leaves half of the
    derivatives out.
    """
    tissue, free = voxels.tissue, voxels.freedom
    one, zero = jnp.ones_like(rates[0]), jnp.zeros_like(rates[0])

    def slow(state, slow_tissue, free):
        return advance(state, Tissue(*slow_tissue, *tissue[5:]), free, pulse)

    def fast(state, omega0, b1, rate, free):
        return advance(state, tissue._replace(omega0=omega0, B1=b1), free, pulse._replace(saturation_rate=rate))

    def push_slow(change, direction, free_slope):
        return jax.jvp(slow, (state, tissue[:5], free), (change, direction, free_slope))

    def push_fast(change, omega0, b1, rate, free_slope):
        at = (state, tissue.omega0, tissue.B1, rates[0], free)
        return jax.jvp(fast, at, (change, omega0, b1, rate, free_slope))

    unit = tuple(jnp.eye(5, dtype=one.dtype)[:, index, None] + zero[None] for index in range(5))
    first, last = jax.tree.map(lambda array: array[:5], changes), jax.tree.map(lambda array: array[5:], changes)
    slow_slopes = jax.tree.map(lambda array: array[:5], voxels.freedom_slopes)
    fast_slopes = jax.tree.map(
        lambda array: jnp.concatenate([jnp.zeros_like(array[:1]), array[5:], jnp.zeros_like(array[:1])]),
        voxels.freedom_slopes,
    )
    after, first = jax.vmap(push_slow, out_axes=(None, 0))(first, unit, slow_slopes)
    by_t2s = (zero, zero, rates[1])
    by_omega0, by_b1 = (one, zero, zero), (zero, one, rates[2])
    directions = tuple(jnp.stack(column) for column in zip(by_t2s, by_omega0, by_b1, strict=True))
    _, last = jax.vmap(push_fast, out_axes=(None, 0))(last, *directions, fast_slopes)
    return after, jax.tree.map(lambda *parts: jnp.concatenate(parts), first, last)


def _round(
    train: Train, voxels: Voxels, rows: Basis | None, start, first_sample, step, last_step
) -> tuple[Any, Float[Array, "measurement *rest"]]:
    """From echo 1 through all others back to echo 1: the end state, and the samples or their coefficients."""
    dtype = voxels.tissue.T2s.dtype

    def block(carry, inputs):
        state, total = carry
        train, rows = inputs
        rates = voxels.saturation_rates(train.coefficients)

        def advance(state, inputs):
            train, rates = inputs
            return step(state, train.kind, _pulse(train, rates), rates)

        state, samples = jax.lax.scan(advance, state, (train, rates))
        if rows is None:
            return (state, total), samples
        return (state, total + jnp.tensordot(rows.astype(dtype), samples, axes=(0, 0))), None

    total: Any = None if rows is None else rows.first.astype(dtype)[:, None, None, None] * first_sample[None]
    others = train.others
    samples: Any
    (state, total), samples = jax.lax.scan(block, (start, total), (others, None if rows is None else rows.others))
    rates = voxels.saturation_rates(train.first.coefficients[None])[0]
    end = last_step(state, _pulse(train.first, rates), rates)
    if rows is not None:
        return end, total
    samples = samples.reshape(samples.shape[0] * samples.shape[1], *samples.shape[2:])
    return end, jnp.concatenate([first_sample[None], samples])


def _pulse(settings: Pulses, rates: Float[Array, "3 lane"]) -> Pulse:
    nutation, duration, period = (
        value.astype(rates.dtype) for value in (settings.nutation, settings.duration, settings.repetition_time)
    )
    return Pulse(nutation, duration, settings.n_panels, period, rates[0])


def _step(
    state: Magnetization, tissue: Tissue, freedom: Freedom, kind: Array, pulse: Pulse, *, has_strong: bool
) -> Magnetization:
    branches = [
        lambda: state,
        lambda: free_repetition(state, freedom),
        lambda: repetition(state, tissue, pulse, is_strong=False),
        lambda: repetition(state, tissue, pulse),
    ]
    return jax.lax.switch(kind, branches if has_strong else branches[:-1])  # each branch takes seconds to compile


def _solve(factor: Float[Array, "lane 4 4"], right: Float[Array, "4 column lane"]) -> Float[Array, "4 column lane"]:
    return jnp.moveaxis(jnp.linalg.solve(factor, jnp.moveaxis(right, -1, 0)), 0, -1)
