r"""One repetition of a train: two exchanging pools between the echoes of consecutive pulses.

The free pool has magnetization (xf, yf, zf); of the semi-solid pool only zs survives between pulses, xs lives during a
pulse alone. In the frame of the RF phase, with M0 = 1 and m0f = 1 − m0s [asslander2022]:

    xf' = −R2f·xf − ω0·yf + ω·zf                yf' = ω0·xf − R2f·yf
    zf' = −ω·xf − (R1f + Rx·m0s)·zf + Rx·m0f·zs + R1f·m0f
    xs' = −R2sl·xs + ω·zs                       zs' = Rx·m0s·zf − ω·xs − (R1s + Rx·m0f)·zs + R1s·m0s

An echo follows its pulse by half a repetition time. From echo to echo (`repetition`): free precession, phase increment
of π, pulse, free precession, with xs spoiled in between.

During a pulse, rotation (RF and off-resonance) with saturation of the semi-solid is fast and exact in closed form, and
relaxation with exchange is slow (ε = rate·duration ≈ 0.01) and exact in closed form too. They are composed
symmetrically, with the slow part applied at the Gauss–Lobatto points of the pulse (five, degree 7) [mclachlan1995]. The
error is the quadrature error times ε plus O(ε²): below 1e-6 up to a rotation of 2.4 rad; larger ones take panels.

Every function works on arrays of voxels (lanes); a pair of leading axes may hold several magnetization vectors.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_NODE = 0.5 * (1.0 - math.sqrt(3.0 / 7.0))
_ROTATION_SHARES = (_NODE, 0.5 - _NODE)
_RELAXATION_SHARES = (1 / 20, 49 / 180, 16 / 45)
LARGEST_ROTATION = 2.4  # rad per panel
_N_TERMS = 7
_COSH_REST = [1.0 / math.factorial(2 * n + 2) for n in range(_N_TERMS)]  # (cosh √x − 1)/x
_COSH = [1.0 / math.factorial(2 * n) for n in range(_N_TERMS)]  # of √x, by powers of x
_SINHC = [1.0 / math.factorial(2 * n + 1) for n in range(_N_TERMS)]


class Tissue(NamedTuple):
    """The eight parameters of a voxel (1, 1/s, 1/s, 1/s, 1/s, s, rad/s, 1)."""

    m0s: Array
    R1f: Array
    R2f: Array
    Rx: Array
    R1s: Array
    T2s: Array
    omega0: Array
    B1: Array


class Pulse(NamedTuple):
    """One pulse: nutation rate ω1 (rad/s), duration (s), number of panels, repetition time (s), R2sl (1/s, lane)."""

    nutation: Array
    duration: Array
    n_panels: Array
    repetition_time: Array
    saturation_rate: Array


class Magnetization(NamedTuple):
    """Transverse and longitudinal magnetization; `one` is 1 for a physical vector and 0 for a difference of two."""

    xf: Array
    yf: Array
    zf: Array
    xs: Array
    zs: Array
    one: Array


class _Flow(NamedTuple):
    """Relaxation and exchange over some time: factor of xy, and the share of (zf, zs) − (m0f, m0s) that is lost.

    Losses are kept in place of what remains: next to 1, a relaxation of 1e-3 would lose half of its digits.
    """

    transverse: Array
    lost_ff: Array
    lost_ss: Array
    to_f: Array
    to_s: Array
    equilibrium_s: Array


class Freedom(NamedTuple):
    """Free precession over a whole repetition time."""

    flow: _Flow
    precession: tuple[Array, Array]


def repetition(start: Magnetization, tissue: Tissue, pulse: Pulse, *, is_strong: bool = True) -> Magnetization:
    """From one echo to the next across an ordinary pulse; one that is not strong takes one panel."""
    half = 0.5 * (pulse.repetition_time - pulse.duration)
    edge = 0.0 if is_strong else _RELAXATION_SHARES[0] * pulse.duration  # commutes with precession
    relaxation, precession = _flow(tissue, half + edge), _precession(tissue, half)
    state = _turn(_precess(_relax(start, relaxation), precession))
    state = _panels(state, tissue, pulse) if is_strong else _panel(tissue, pulse, pulse.duration)(state)
    return _spoiled(_relax(_precess(state, precession), relaxation))


def free_repetition(start: Magnetization, freedom: Freedom) -> Magnetization:
    """From one echo to the next where the flip angle is zero."""
    return _turn(_precess(_relax(start, freedom.flow), freedom.precession))


def freedom(tissue: Tissue, repetition_time: Array) -> Freedom:
    """What happens in a repetition without a pulse, which is the same in all of them."""
    return Freedom(_flow(tissue, repetition_time), _precession(tissue, repetition_time))


def crushed_repetition(start: Magnetization, tissue: Tissue, pulse: Pulse) -> Magnetization:
    """Across a pulse between two crusher gradients, instantaneous for the free pool.

    With φ = ω·duration: xf → sin²(φ/2)·xf, yf → −sin²(φ/2)·yf, zf → cos φ·zf: the average over the dephasing angle.
    """
    half = 0.5 * pulse.repetition_time
    relaxation, precession = _flow(tissue, half), _precession(tissue, half)
    state = _turn(_precess(_relax(start, relaxation), precession))
    rate = tissue.B1 * pulse.nutation
    angle = rate * pulse.duration
    refocused = jnp.square(jnp.sin(0.5 * angle))
    n_steps = 2 * pulse.n_panels
    saturation = _saturation(pulse.saturation_rate, rate, pulse.duration / n_steps.astype(pulse.duration.dtype))
    state = jax.lax.fori_loop(0, n_steps, lambda _, state: _saturate(state, saturation), state)
    state = state._replace(xf=refocused * state.xf, yf=-refocused * state.yf, zf=jnp.cos(angle) * state.zf)
    return _spoiled(_relax(_precess(state, precession), relaxation))


def spoiled_repetition(start: Magnetization, tissue: Tissue, pulse: Pulse) -> Magnetization:
    """Across a pulse before and after which all transverse magnetization is spoiled."""
    half = 0.5 * (pulse.repetition_time - pulse.duration)
    relaxation, precession = _flow(tissue, half), _precession(tissue, half)
    state = _without_transverse(_relax(start, relaxation))
    state = _without_transverse(_panels(state, tissue, pulse))
    return _spoiled(_relax(_precess(state, precession), relaxation))


def _panels(state: Magnetization, tissue: Tissue, pulse: Pulse) -> Magnetization:
    """A pulse as a sequence of equal panels."""
    length = pulse.duration / pulse.n_panels.astype(pulse.duration.dtype)
    edge, panel = _flow(tissue, _RELAXATION_SHARES[0] * length, 3), _panel(tissue, pulse, length)
    return jax.lax.fori_loop(0, pulse.n_panels, lambda _, state: _relax(panel(_relax(state, edge)), edge), state)


def _panel(tissue: Tissue, pulse: Pulse, length: Array) -> Callable[[Magnetization], Magnetization]:
    """What a panel does between the relaxation at its two ends."""
    rate = tissue.B1 * pulse.nutation
    outer, inner = (
        (_rotation(rate, tissue.omega0, share * length), _saturation(pulse.saturation_rate, rate, share * length))
        for share in _ROTATION_SHARES
    )
    outside, middle = (_flow(tissue, share * length, 3) for share in _RELAXATION_SHARES[1:])

    def panel(state: Magnetization) -> Magnetization:
        state = _relax(_nutate(state, *outer), outside)
        state = _relax(_nutate(state, *inner), middle)
        state = _relax(_nutate(state, *inner), outside)
        return _nutate(state, *outer)

    return panel


def _flow(tissue: Tissue, time: Array, n_terms: int = _N_TERMS) -> _Flow:
    """I − exp(−K·t) by the closed form of a 2×2 matrix: exp(−K·t) = e^(−a·t)·(cosh(d·t)·I − sinh(d·t)/d·(K − a·I)).

    a is the mean of the two loss rates, d² = h² + (product of the exchange rates) with h half their difference; three
    terms of the series in t² are enough within a pulse. The diagonal is e^(−loss·t) plus what returns after an
    exchange, the differences cosh(d·t) − cosh(h·t) and its like: written so, all that Rx does to the free pool is
    proportional to m0s, and single precision keeps its derivative where m0s is near 0.
    """
    m0s, m0f = tissue.m0s, 1.0 - tissue.m0s
    loss_f, loss_s = (tissue.R1f + tissue.Rx * m0s) * time, (tissue.R1s + tissue.Rx * m0f) * time
    to_f, to_s = tissue.Rx * m0f * time, tissue.Rx * m0s * time
    half_difference = 0.5 * (loss_f - loss_s)
    square, exchanged = jnp.square(half_difference), to_f * to_s
    decay = jnp.exp(-0.5 * (loss_f + loss_s))
    even = decay * exchanged * _series_slope(square + exchanged, square, _COSH[:n_terms])
    uneven = decay * exchanged * half_difference * _series_slope(square + exchanged, square, _SINHC[:n_terms])
    odd = decay * _series(square + exchanged, _SINHC[:n_terms])
    return _Flow(
        transverse=jnp.exp(-tissue.R2f * time),
        lost_ff=-jnp.expm1(-loss_f) - (even - uneven),
        lost_ss=-jnp.expm1(-loss_s) - (even + uneven),
        to_f=odd * to_f,
        to_s=odd * to_s,
        equilibrium_s=m0s,
    )


def _relax(state: Magnetization, flow: _Flow) -> Magnetization:
    excess_f = state.zf - (1.0 - flow.equilibrium_s) * state.one
    excess_s = state.zs - flow.equilibrium_s * state.one
    return state._replace(
        xf=flow.transverse * state.xf,
        yf=flow.transverse * state.yf,
        zf=state.zf + (flow.to_f * excess_s - flow.lost_ff * excess_f),
        zs=state.zs + (flow.to_s * excess_f - flow.lost_ss * excess_s),
    )


def _precession(tissue: Tissue, time: Array) -> tuple[Array, Array]:
    angle = tissue.omega0 * time
    return jnp.cos(angle), jnp.sin(angle)


def _precess(state: Magnetization, precession: tuple[Array, Array]) -> Magnetization:
    cosine, sine = precession
    return state._replace(xf=cosine * state.xf - sine * state.yf, yf=sine * state.xf + cosine * state.yf)


def _turn(state: Magnetization) -> Magnetization:
    """The frame follows an RF phase increment of π."""
    return state._replace(xf=-state.xf, yf=-state.yf)


def _spoiled(state: Magnetization) -> Magnetization:
    return state._replace(xs=jnp.zeros_like(state.xs))


def _without_transverse(state: Magnetization) -> Magnetization:
    return state._replace(xf=jnp.zeros_like(state.xf), yf=jnp.zeros_like(state.yf))


def _rotation(rate: Array, omega0: Array, time: Array) -> tuple[Array, ...]:
    """Rotation of the free pool about the effective field by Rodrigues' formula: xx, xy, xz, yy, yz, 1 − zz.

    With a = ω·t, b = ω0·t and x = a² + b², (1 − cos √x)/x and sin √x/√x are series in x: right for no rotation too.
    """
    a, b = rate * time, omega0 * time
    negative = -(jnp.square(a) + jnp.square(b))
    sinc, versine = _series(negative, _SINHC), _series(negative, _COSH_REST)
    return (
        1.0 + versine * negative,
        sinc * b,
        sinc * a,
        1.0 - versine * jnp.square(b),
        versine * a * b,
        versine * jnp.square(a),
    )


def _saturation(saturation_rate: Array, rate: Array, time: Array) -> tuple[Array, Array, Array]:
    """exp([[−R2sl, ω], [−ω, 0]]·t): entries xx, xz = −zx, zz.

    With p = R2sl·t/2, q = ω·t and r² = p² − q²: e^(−p)·(cosh r ∓ p·sinh r/r) and e^(−p)·q·sinh r/r; r² may be negative.
    """
    p, q = 0.5 * saturation_rate * time, rate * time
    square = jnp.square(p) - jnp.square(q)
    is_small = square < 1.0
    small = jnp.where(is_small, square, 0.0)
    root = jnp.sqrt(jnp.where(is_small, 1.0, square))
    slow, fast = jnp.exp(-jnp.square(q) / (p + root)), jnp.exp(-(p + root))
    decay = jnp.exp(-p)
    even = jnp.where(is_small, decay * _series(small, _COSH), 0.5 * (slow + fast))
    odd = jnp.where(is_small, decay * _series(small, _SINHC), 0.5 * (slow - fast) / root)
    return even - p * odd, q * odd, even + p * odd


def _nutate(state: Magnetization, rotation: tuple[Array, ...], saturation: tuple[Array, Array, Array]) -> Magnetization:
    xx, xy, xz, yy, yz, lost_zz = rotation
    state = _saturate(state, saturation)
    return state._replace(
        xf=xx * state.xf - xy * state.yf + xz * state.zf,
        yf=xy * state.xf + yy * state.yf + yz * state.zf,
        zf=state.zf + (yz * state.yf - xz * state.xf - lost_zz * state.zf),
    )


def _saturate(state: Magnetization, saturation: tuple[Array, Array, Array]) -> Magnetization:
    xx, xz, zz = saturation
    return state._replace(xs=xx * state.xs + xz * state.zs, zs=-xz * state.xs + zz * state.zs)


def _series(x: Float[Array, "*any"], coefficients: list[float]) -> Float[Array, "*any"]:
    """Σ c_n·xⁿ by Horner's rule."""
    total = jnp.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


def _series_slope(x: Float[Array, "*any"], y: Float[Array, "*any"], coefficients: list[float]) -> Float[Array, "*any"]:
    """(Σ c_n·xⁿ − Σ c_n·yⁿ)/(x − y), without the difference."""
    total, slope = jnp.full_like(x, coefficients[-1]), jnp.zeros_like(x)
    for coefficient in coefficients[-2::-1]:
        total, slope = total * y + coefficient, slope * x + total
    return slope
