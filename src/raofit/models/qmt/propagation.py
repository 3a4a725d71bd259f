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
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_NODE = 0.5 * (1.0 - math.sqrt(3.0 / 7.0))
_ROTATION_SHARES = (_NODE, 0.5 - _NODE)
_RELAXATION_SHARES = (1 / 20, 49 / 180, 16 / 45)
LARGEST_ROTATION = 2.4  # rad per panel
_N_TERMS = 7
_COSH = [1.0 / math.factorial(2 * n) for n in range(_N_TERMS)]  # of √x, by powers of x
_SINHC = [1.0 / math.factorial(2 * n + 1) for n in range(_N_TERMS)]
_VERSINE = [1.0 / math.factorial(2 * n + 2) for n in range(_N_TERMS)]  # (cosh √x − 1)/x


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
    """Relaxation and exchange over some time: factor of xy, 2×2 map of (zf, zs), and what recovers."""

    transverse: Array
    ff: Array
    fs: Array
    sf: Array
    ss: Array
    recovered_f: Array
    recovered_s: Array


class Freedom(NamedTuple):
    """Free precession over a whole repetition time."""

    flow: _Flow
    precession: tuple[Array, Array]


def repetition(start: Magnetization, tissue: Tissue, pulse: Pulse, *, is_strong: bool = True) -> Magnetization:
    """From one echo to the next across an ordinary pulse; one that is not strong takes one panel."""
    half = 0.5 * (pulse.repetition_time - pulse.duration)
    relaxation, precession = _flow(tissue, half), _precession(tissue, half)
    state = _turn(_precess(_relax(start, relaxation), precession))
    state = _pulse(state, tissue, pulse, is_strong=is_strong)
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
    state = _without_transverse(_pulse(state, tissue, pulse, is_strong=True))
    return _spoiled(_relax(_precess(state, precession), relaxation))


def _pulse(state: Magnetization, tissue: Tissue, pulse: Pulse, *, is_strong: bool) -> Magnetization:
    length = pulse.duration / pulse.n_panels.astype(pulse.duration.dtype)
    rate = tissue.B1 * pulse.nutation
    outer, inner = (
        (_rotation(rate, tissue.omega0, share * length), _saturation(pulse.saturation_rate, rate, share * length))
        for share in _ROTATION_SHARES
    )
    edge, outside, middle = (_flow(tissue, share * length) for share in _RELAXATION_SHARES)

    def panel(_, state: Magnetization) -> Magnetization:
        state = _nutate(_relax(state, edge), *outer)
        state = _nutate(_relax(state, outside), *inner)
        state = _nutate(_relax(state, middle), *inner)
        state = _nutate(_relax(state, outside), *outer)
        return _relax(state, edge)

    return jax.lax.fori_loop(0, pulse.n_panels, panel, state) if is_strong else panel(0, state)


def _flow(tissue: Tissue, time: Array) -> _Flow:
    """exp(−K·time) by the closed form of a 2×2 matrix: e^(−t·tr/2)·(cosh(d)·I − sinh(d)/d·t·(K − tr/2·I))."""
    m0s, m0f = tissue.m0s, 1.0 - tissue.m0s
    loss_f, loss_s = tissue.R1f + tissue.Rx * m0s, tissue.R1s + tissue.Rx * m0f
    to_f, to_s = tissue.Rx * m0f, tissue.Rx * m0s
    half_difference = 0.5 * (loss_f - loss_s)
    square = (jnp.square(half_difference) + to_f * to_s) * jnp.square(time)
    decay = jnp.exp(-0.5 * (loss_f + loss_s) * time)
    even, odd = decay * _series(square, _COSH), decay * time * _series(square, _SINHC)
    ff, ss = even - odd * half_difference, even + odd * half_difference
    fs, sf = odd * to_f, odd * to_s
    return _Flow(
        jnp.exp(-tissue.R2f * time),
        ff,
        fs,
        sf,
        ss,
        m0f - ff * m0f - fs * m0s,
        m0s - sf * m0f - ss * m0s,
    )


def _relax(state: Magnetization, flow: _Flow) -> Magnetization:
    return state._replace(
        xf=flow.transverse * state.xf,
        yf=flow.transverse * state.yf,
        zf=flow.ff * state.zf + flow.fs * state.zs + flow.recovered_f * state.one,
        zs=flow.sf * state.zf + flow.ss * state.zs + flow.recovered_s * state.one,
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
    """Rotation of the free pool about the effective field by Rodrigues' formula: the entries that differ.

    With a = ω·t, b = ω0·t and x = a² + b², (1 − cos √x)/x and sin √x/√x are series in x: right for no rotation too.
    """
    a, b = rate * time, omega0 * time
    negative = -(jnp.square(a) + jnp.square(b))
    sinc, versine = _series(negative, _SINHC), _series(negative, _VERSINE)
    return (
        1.0 + versine * negative,
        sinc * b,
        sinc * a,
        1.0 - versine * jnp.square(b),
        versine * a * b,
        1.0 - versine * jnp.square(a),
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
    xx, xy, xz, yy, yz, zz = rotation
    state = _saturate(state, saturation)
    return state._replace(
        xf=xx * state.xf - xy * state.yf + xz * state.zf,
        yf=xy * state.xf + yy * state.yf + yz * state.zf,
        zf=-xz * state.xf + yz * state.yf + zz * state.zf,
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
