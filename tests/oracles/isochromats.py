"""Gradient-spoiled trains as the mean over isochromats: Bloch rotations, no configuration states."""

import numpy as np


def spoiled_train(
    tissue, flip_angles, repetition_times, *, echo_times=0.0, rf_phases=0.0, inversion_time=0.0, efficiency=1.0
) -> np.ndarray:
    """Echoes in the frame of each pulse; the gradient of a repetition dephases every isochromat by another angle.

    With one isochromat more than pulses, no configuration is mistaken for the one that makes the echo.
    """
    t1, t2, b1 = tissue
    n = len(flip_angles)
    periods, echoes, phases = (np.broadcast_to(value, n) for value in (repetition_times, echo_times, rf_phases))
    gradient = np.exp(2j * np.pi * np.arange(n + 1) / (n + 1))
    transverse = np.zeros(n + 1, dtype=complex)
    longitudinal = np.full(n + 1, 1 - (1 + efficiency) * np.exp(-inversion_time / t1))
    signal = []
    for angle, period, echo, phase in zip(b1 * np.asarray(flip_angles), periods, echoes, phases, strict=True):
        turned = transverse * np.exp(-1j * phase)
        along = np.cos(angle) * turned.real + np.sin(angle) * longitudinal
        longitudinal = np.cos(angle) * longitudinal - np.sin(angle) * turned.real
        turned = along + 1j * turned.imag
        signal.append(np.mean(turned) * np.exp(-echo / t2))
        transverse = turned * np.exp(1j * phase) * np.exp(-period / t2) * gradient
        longitudinal = 1 - (1 - longitudinal) * np.exp(-period / t1)
    return np.array(signal)
