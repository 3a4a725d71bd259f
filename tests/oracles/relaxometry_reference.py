"""Relaxometry signals written a second time from their definitions, in float64 NumPy; nothing here imports raofit."""

import numpy as np


def inversion_recovery_by_steps(inversion_time, repetition_time, amplitude, t1, efficiency) -> float:
    """Longitudinal magnetization read after TI, followed over many repetitions of inversion, wait, spin echo, wait.

    The 90° pulse of the readout nulls the magnetization, and its 180° pulse, taken to be short after it, inverts
    nothing that matters: magnetization grows from 0 during TR − TI.
    """
    longitudinal = amplitude
    for _ in range(3):  # the 90° pulse makes the second repetition the steady state
        inverted = longitudinal * (1 - 2 * efficiency)
        read = amplitude + (inverted - amplitude) * np.exp(-inversion_time / t1)
        longitudinal = amplitude * (1 - np.exp(-(repetition_time - inversion_time) / t1))
    return read


def spoiled_gradient_echo_by_steps(angle, repetition_time, amplitude, t1) -> float:
    """Transverse magnetization right after the last of many pulses, all of it destroyed before each."""
    longitudinal = amplitude
    for _ in range(20_000):
        transverse, longitudinal = longitudinal * np.sin(angle), longitudinal * np.cos(angle)
        longitudinal = amplitude + (longitudinal - amplitude) * np.exp(-repetition_time / t1)
    return transverse


def spin_echo_train_of_isochromats(spacing, angles, t1, t2, n_isochromats=512) -> np.ndarray:
    """Mean transverse magnetization at each echo of a crushed CPMG train, by rotating vectors; S0 = 1.

    Bloch equations of isochromats that a crusher dephases by 0 to 2π (n·crusher and n isochromats: exact up to order
    n/2): half a spacing of relaxation with recovery, a crusher, a rotation about x, a crusher, half a spacing.
    Excitation left the magnetization along x. What recovers longitudinally starts from 0, its phase is the crushers'.
    """
    phase = 2 * np.pi * np.arange(n_isochromats) / n_isochromats
    magnetization = np.zeros((3, n_isochromats))
    magnetization[0] = 1.0
    half = 0.5 * spacing
    echoes = []
    for angle in angles:
        magnetization = _precessed(_relaxed(magnetization, half, t1, t2), phase)
        cosine, sine = np.cos(angle), np.sin(angle)
        x, y, z = magnetization
        magnetization = np.stack([x, cosine * y - sine * z, sine * y + cosine * z])
        magnetization = _relaxed(_precessed(magnetization, phase), half, t1, t2)
        echoes.append(magnetization[0].mean())
    return np.array(echoes)


def _relaxed(magnetization, time, t1, t2) -> np.ndarray:
    x, y, z = magnetization
    return np.stack([x * np.exp(-time / t2), y * np.exp(-time / t2), 1 + (z - 1) * np.exp(-time / t1)])


def _precessed(magnetization, phase) -> np.ndarray:
    x, y, z = magnetization
    return np.stack([np.cos(phase) * x - np.sin(phase) * y, np.sin(phase) * x + np.cos(phase) * y, z])


def extended_phase_graph(spacing, angles, t1, t2) -> np.ndarray:
    """Weigel 2015, eqs. 18 (pulse about x), 22 (shift) and 23 (relaxation), all orders, complex states; S0 = 1."""
    n_orders = 2 * len(angles) + 2
    states = np.zeros((3, n_orders), dtype=complex)  # F+ of order k, conjugate of F− of order −k, Z of order k
    states[:2, 0] = 1.0
    relaxation = np.exp(-0.5 * spacing / np.array([t2, t2, t1]))[:, None]
    echoes = []
    for angle in angles:
        states = _shifted(states * relaxation)
        c2, s2, s, c = np.cos(angle / 2) ** 2, np.sin(angle / 2) ** 2, np.sin(angle), np.cos(angle)
        pulse = np.array([[c2, s2, -1j * s], [s2, c2, 1j * s], [-0.5j * s, 0.5j * s, c]])
        states = _shifted((pulse @ states) * relaxation)
        echoes.append(states[0, 0].real)
    return np.array(echoes)


def _shifted(states) -> np.ndarray:
    up = np.roll(states[0], 1)
    down = np.roll(states[1], -1)
    down[-1] = 0.0
    up[0] = np.conj(down[0])
    return np.stack([up, down, states[2]])
