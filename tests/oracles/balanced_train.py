"""Balanced trains twice, in NumPy: by Bloch rotations, which hold no polar angle, and by the integral of the paper."""

import numpy as np
import scipy.integrate


def intervals(flip_angles) -> np.ndarray:
    """The polar angle after each pulse: mean of neighboring halves, and after the last pulse what that makes of it."""
    angles = np.asarray(flip_angles)
    between = (angles[:-1] + angles[1:]) / 4
    return np.append(between, angles[-1] - between[-1])


def by_rotations(tissue, flip_angles, period, start) -> tuple[np.ndarray, float]:
    """Echoes half a period after each pulse, in the frame of its pulse, and the longitudinal magnetization at the end.

    Pulse n turns z towards x by αₙ in its own frame, and the frames turn by π from pulse to pulse. Before the train,
    the magnetization is `start` along z; the first pulse and its preparation take it to the first polar angle.
    """
    t1, t2, b1 = tissue
    e1, e2 = np.exp(-period / 2 / t1), np.exp(-period / 2 / t2)
    across, along = 0.0, start
    signal = []
    for turn in b1 * np.array([intervals(flip_angles)[0], *flip_angles[1:]]):
        across, along = np.sin(turn) * along - np.cos(turn) * across, np.cos(turn) * along + np.sin(turn) * across
        signal.append(e2 * across)
        across, along = e2**2 * across, 1 - (1 - along) * e1**2
    return np.array(signal), along


def by_integral(tissue, flip_angles, period, start) -> tuple[np.ndarray, float]:
    """Echoes and r(T) from r = a·(r(0) + (1/T1)·∫cos θ/a dt) by adaptive quadrature, θ constant in each interval."""
    t1, t2, b1 = tissue
    polar = b1 * intervals(flip_angles)
    rate = np.cos(polar) ** 2 / t1 + np.sin(polar) ** 2 / t2
    spent = np.append(0, np.cumsum(rate) * period)  # −log a at the pulses
    integral, lengths = start, []
    for pulse, angle in enumerate(polar):
        for half in (0, 1):
            begin = spent[pulse] + rate[pulse] * half * period / 2
            integral += scipy.integrate.quad(
                lambda t, begin=begin, pulse=pulse, angle=angle: np.cos(angle) * np.exp(begin + rate[pulse] * t) / t1,
                0,
                period / 2,
                epsabs=0,
                epsrel=1e-13,
            )[0]
            lengths.append(integral * np.exp(-begin - rate[pulse] * period / 2))
    return np.array(lengths[::2]) * np.sin(polar), lengths[-1]


def repeated(simulate, tissue, flip_angles, period, efficiency, n_cycles) -> np.ndarray:
    """Echoes of the last of many cycles, each of which begins with an inversion."""
    signal, end = simulate(tissue, flip_angles, period, -efficiency)
    for _ in range(n_cycles - 1):
        signal, end = simulate(tissue, flip_angles, period, -efficiency * end)
    return signal
