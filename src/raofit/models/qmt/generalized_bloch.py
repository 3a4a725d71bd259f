r"""The generalized Bloch equations of one pulse of any shape, with the memory of the semi-solid pool in full.

Semi-solid spins have no transverse state. What RF of angular frequency ω(t) tips away from z fades with the Green's
function G of their lineshape, and what has not faded the RF tips back [asslander2022]:

    dzs/dt = −ω(t)·∫₀ᵗ G((t − τ)/T2s)·cos(ω0·(t − τ))·ω(τ)·zs(τ) dτ + relaxation and exchange.

The signal model replaces this by a linear rate (`saturation`); here it is solved as it stands, slowly, to test that
and to look at single pulses. Two older models of the same process stand beside it: a rate constant over the pulse
[graham1997], and a rate that grows during the pulse as the memory builds up, but without tipping back [sled2000].

The equations are solved by the trapezoidal rule, memory included, whose error is a series in the squared step; three
step sizes are extrapolated to zero.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from raofit.core.errors import ProtocolError
from raofit.models.qmt.lineshapes import check_lineshape, greens_function

Waveform = float | Callable[[np.ndarray], np.ndarray]

_STEPS = 400
_QUADRATURE_POINTS = 200


def saturated_pool(
    waveform: Waveform,
    duration: float,
    t2s: float,
    *,
    r1s: float = 0.0,
    start: float = 1.0,
    lineshape: str = "super-lorentzian",
    n_steps: int = _STEPS,
) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
    """zs(t) of a semi-solid pool alone during a pulse, on resonance.

    zs' = −ω(t)·∫₀ᵗ G((t − τ)/T2s)·ω(τ)·zs(τ) dτ + R1s·(1 − zs).

    Parameters
    ----------
    waveform : float or callable
        ω in rad/s: constant, or a function of the array of times (s) from 0 to `duration`, smooth.
    duration : float
        Seconds, > 0.
    t2s : float
        Seconds, > 0.
    r1s : float
        Longitudinal relaxation rate, 1/s; 0 for none.
    start : float
        zs at the beginning; 1 is equilibrium.
    lineshape : str
        One of `LINESHAPES`.
    n_steps : int
        Points of the returned curve, less one; the solver uses 1, 2 and 4 times as many steps.

    Returns
    -------
    times, zs
        From 0 to `duration`.

    Raises
    ------
    ProtocolError
        If the duration or T2s is not positive.
    RaofitError
        If the lineshape is unknown.

    References
    ----------
    [asslander2022] eq. 9

    Examples
    --------
    >>> times, zs = saturated_pool(np.pi / 500e-6, 500e-6, 12e-6, r1s=3.0)
    >>> print(f"{zs[-1]:.6f}")
    0.219085
    """
    still, tipping = np.array([[-r1s]]), np.zeros((1, 1))
    times, states = _solve(
        waveform, duration, still, tipping, np.array([r1s]), np.array([start]), (t2s, 0.0, lineshape), n_steps
    )
    return times, states[:, 0]


def two_pools(
    waveform: Waveform,
    duration: float,
    parameters: Float[np.ndarray, " 8"],
    *,
    start: Float[np.ndarray, " 4"] | None = None,
    lineshape: str = "super-lorentzian",
    n_steps: int = _STEPS,
) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, "time 4"]]:
    """(xf, yf, zf, zs) of a free and a semi-solid pool that exchange, during a pulse about y.

    xf' = −R2f·xf − ω0·yf + B1·ω·zf, yf' = ω0·xf − R2f·yf,
    zf' = −B1·ω·xf + R1f·(m0f − zf) − Rx·(m0s·zf − m0f·zs), and zs' as above (ω times B1)
    + R1s·(m0s − zs) + Rx·(m0s·zf − m0f·zs).

    Parameters
    ----------
    waveform, duration, lineshape, n_steps
        As for `saturated_pool`.
    parameters : Float[np.ndarray, " 8"]
        m0s (m0f = 1 − m0s), R1f, R2f, Rx, R1s (1/s), T2s (s), omega0 (rad/s), B1.
    start : Float[np.ndarray, " 4"], optional
        State at the beginning; equilibrium (0, 0, m0f, m0s) without it.

    Returns
    -------
    times, states
        From 0 to `duration`.

    Raises
    ------
    ProtocolError
        If the duration or T2s is not positive.
    RaofitError
        If the lineshape is unknown.

    References
    ----------
    [asslander2022]

    Examples
    --------
    >>> white_matter = [0.2, 0.52, 12.9, 16.5, 3.0, 12.4e-6, 0.0, 1.0]
    >>> times, states = two_pools(np.pi / 500e-6, 500e-6, white_matter)
    >>> print(f"{states[-1, 2]:.4f} {states[-1, 3]:.4f}")
    -0.7969 0.0408
    """
    m0s, r1f, r2f, rx, r1s, t2s, omega0, b1 = (float(value) for value in parameters)
    m0f = 1.0 - m0s
    still = np.array(
        [
            [-r2f, -omega0, 0.0, 0.0],
            [omega0, -r2f, 0.0, 0.0],
            [0.0, 0.0, -r1f - rx * m0s, rx * m0f],
            [0.0, 0.0, rx * m0s, -r1s - rx * m0f],
        ]
    )
    tipping = np.zeros((4, 4))
    tipping[0, 2], tipping[2, 0] = 1.0, -1.0
    recovery = np.array([0.0, 0.0, r1f * m0f, r1s * m0s])
    start = np.array([0.0, 0.0, m0f, m0s]) if start is None else np.asarray(start, dtype=np.float64)
    shape = _sampled(waveform)
    return _solve(
        lambda times: b1 * shape(times), duration, still, tipping, recovery, start, (t2s, omega0, lineshape), n_steps
    )


def graham_saturation_rate(
    waveform: Waveform, duration: float, t2s: float, *, lineshape: str = "super-lorentzian"
) -> float:
    """Constant rate at which a pulse saturates the semi-solid, 1/s: zs' = −R·zs (+ relaxation and exchange).

    R = 1/TRF · ∫₀^TRF ω(t)·∫₀ᵗ G((t − τ)/T2s)·ω(τ) dτ dt, the power spectrum of the pulse weighted with the lineshape.
    Arguments and errors as for `saturated_pool`.

    References
    ----------
    [graham1997]

    Examples
    --------
    >>> print(f"{graham_saturation_rate(np.pi / 500e-6, 500e-6, 12e-6):.4f}")
    2333.7507
    """
    _check(duration, t2s, lineshape)
    nodes, weights = np.polynomial.legendre.leggauss(_QUADRATURE_POINTS)
    nodes, weights = (nodes + 1) / 2, weights / 2
    late = duration * nodes[:, None]
    early = late * nodes
    shape = _sampled(waveform)
    integrand = shape(late) * shape(early) * greens_function((late - early) / t2s, lineshape) * late
    return float(weights @ integrand @ weights)


def sled_saturated_pool(
    waveform: Waveform,
    duration: float,
    t2s: float,
    *,
    r1s: float = 0.0,
    start: float = 1.0,
    lineshape: str = "super-lorentzian",
    n_steps: int = _STEPS,
) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
    """zs(t) during a pulse with the saturation rate R(t) = ∫₀ᵗ G((t − τ)/T2s)·ω(τ)² dτ: zs' = −R·zs + R1s·(1 − zs).

    Arguments, result and errors as for `saturated_pool`.

    References
    ----------
    [sled2000]

    Examples
    --------
    >>> times, zs = sled_saturated_pool(np.pi / 200e-6, 100e-6, 10e-6, r1s=2.0)
    >>> print(f"{zs[-1]:.5f}")
    0.49023
    """
    _check(duration, t2s, lineshape)
    shape = _sampled(waveform)

    def solve(count: int) -> np.ndarray:
        times = np.linspace(0.0, duration, count + 1)
        step, memory = duration / count, greens_function(times / t2s, lineshape)
        power = shape(times) ** 2
        rate = step * (np.convolve(memory, power)[: count + 1] - 0.5 * (memory * power[0] + memory[0] * power))
        rate[0] = 0.0
        zs = np.full(count + 1, float(start))
        for index in range(count):
            before, after = 0.5 * step * (r1s + rate[index : index + 2])
            zs[index + 1] = ((1 - before) * zs[index] + step * r1s) / (1 + after)
        return zs

    return np.linspace(0.0, duration, n_steps + 1), _extrapolated(solve, n_steps)


def _solve(
    waveform: Waveform,
    duration: float,
    still: np.ndarray,
    tipping: np.ndarray,
    recovery: np.ndarray,
    start: np.ndarray,
    semisolid: tuple[float, float, str],
    n_steps: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Solve m' = (still + ω·tipping)·m + recovery, less ω·(memory of ω·m[−1]) in the last component."""
    t2s, omega0, lineshape = semisolid
    _check(duration, t2s, lineshape)
    shape, identity, size = _sampled(waveform), np.eye(len(start)), len(start)

    def solve(count: int) -> np.ndarray:
        step, times = duration / count, np.linspace(0.0, duration, count + 1)
        omega = shape(times)
        memory = greens_function(times / t2s, lineshape) * np.cos(omega0 * times)
        generator = still + omega[:, None, None] * tipping
        backward = identity - 0.5 * step * generator
        backward[:, -1, -1] += 0.25 * (step * omega) ** 2  # the newest point of the memory integral, G(0) = 1
        backward = np.linalg.inv(backward)
        states = np.empty((count + 1, size))
        states[0] = start
        driven = np.zeros(count + 1)
        driven[0] = 0.5 * omega[0] * start[-1]
        slope = generator[0] @ start + recovery
        for index in range(1, count + 1):
            past = omega[index] * step * (memory[index:0:-1] @ driven[:index])
            explicit = states[index - 1] + 0.5 * step * (slope + recovery)
            explicit[-1] -= 0.5 * step * past
            state = states[index] = backward[index] @ explicit
            driven[index] = omega[index] * state[-1]
            slope = generator[index] @ state + recovery
            slope[-1] -= past + 0.5 * step * omega[index] * driven[index]
        return states

    return np.linspace(0.0, duration, n_steps + 1), _extrapolated(solve, n_steps)


def _extrapolated(solve: Callable[[int], np.ndarray], n_steps: int) -> np.ndarray:
    """Richardson's extrapolation of step sizes 1, 1/2 and 1/4, at the points of the first."""
    coarse, middle, fine = (solve(n_steps * factor)[::factor] for factor in (1, 2, 4))
    first, second = middle + (middle - coarse) / 3, fine + (fine - middle) / 3
    return second + (second - first) / 15


def _sampled(waveform: Waveform) -> Callable[[np.ndarray], np.ndarray]:
    if callable(waveform):
        return lambda times: np.asarray(waveform(times), dtype=np.float64)
    return lambda times: np.full(np.shape(times), float(waveform))


def _check(duration: float, t2s: float, lineshape: str) -> None:
    check_lineshape(lineshape)
    for name, value in (("duration", duration), ("t2s", t2s)):
        if not 0 < value < np.inf:
            raise ProtocolError(f"`{name}`: expected a positive number of seconds, got {value!r}")
