"""The signal of `QMT` against the matrix-exponential reference, and what must hold exactly.

Trains that are compared are cycles of one model: each is in its own steady state, and they are compiled once.
"""

import functools

import jax
import numpy as np
import pytest

from raofit.models import QMT
from tests.oracles.qmt_reference import reference_signal

N_PULSES = 60
REPETITION_TIME = 4e-3
TISSUE = np.array([0.15, 0.5, 17.0, 30.0, 3.0, 12e-6, 100.0, 0.9])
SIMULATOR_ERROR = 5e-7  # of the splitting of pulses, absolute, for signals of the order of 0.1


def varied_train() -> tuple[np.ndarray, np.ndarray]:
    index = np.arange(N_PULSES)
    flip_angles = 0.9 * np.sin(np.pi * index / 30) ** 2 * (1 + 0.3 * np.cos(index))
    flip_angles[0], flip_angles[20:24] = np.pi, 0.0
    return flip_angles, np.where(index == 0, 500e-6, 100e-6 + 400e-6 * np.abs(np.sin(0.13 * index)))


@functools.cache
def model(inversion: str = "crushed", lineshape: str = "super-lorentzian") -> QMT:
    """Cycles: the train above, the same with all flip angles times 0.9."""
    flip_angles, durations = varied_train()
    trains = np.stack([flip_angles, 0.9 * flip_angles]), np.stack([durations, durations])
    return QMT(*trains, REPETITION_TIME, lineshape=lineshape, inversion=inversion)


def cycles(qmt: QMT, tissue: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        signal = np.asarray(qmt.signal(np.asarray(tissue)))
    return signal.reshape(*signal.shape[:-1], -1, N_PULSES)


@pytest.mark.parametrize(
    ("inversion", "lineshape"),
    [
        ("crushed", "super-lorentzian"),
        ("spoiled", "super-lorentzian"),
        ("crushed", "gaussian"),
        ("crushed", "lorentzian"),
    ],
)
def test_signal_is_that_of_the_reference(inversion, lineshape):
    qmt = model(inversion, lineshape)
    expected = reference_signal(
        TISSUE, qmt.flip_angles, qmt.pulse_durations, REPETITION_TIME, lineshape=lineshape, inversion=inversion
    )
    np.testing.assert_allclose(cycles(qmt, TISSUE).ravel(), expected, rtol=0, atol=SIMULATOR_ERROR)


def test_symmetries_of_off_resonance_and_b1():
    opposite, nominal, next_band = TISSUE.copy(), TISSUE.copy(), TISSUE.copy()
    opposite[6] = -TISSUE[6]
    nominal[7] = 1.0
    next_band[6] = TISSUE[6] + 2 * np.pi / REPETITION_TIME
    signal, mirrored, at_nominal, shifted = cycles(model(), np.stack([TISSUE, opposite, nominal, next_band]))
    np.testing.assert_allclose(mirrored, signal.conj(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(signal[0], at_nominal[1], rtol=0, atol=1e-7)  # s(α, B1) = s(B1·α, 1)
    # A turn more between pulses is a sign, but for the precession during the pulses.
    np.testing.assert_allclose(shifted, -signal, rtol=0, atol=0.03)


def test_derivatives_are_those_of_the_reference():
    qmt = model()
    with jax.enable_x64(True):
        _, jacobian = qmt.signal_and_jacobian(TISSUE)
    for index, name in enumerate(qmt.parameter_names):
        step = np.eye(8)[index] * (1.0 if name == "omega0" else 1e-4 * TISSUE[index])

        def reference(factor: int, step: np.ndarray = step) -> np.ndarray:
            return reference_signal(TISSUE + factor * step, qmt.flip_angles, qmt.pulse_durations, REPETITION_TIME)

        expected = (8 * (reference(1) - reference(-1)) - (reference(2) - reference(-2))) / (12 * step[index])
        error = np.linalg.norm(np.asarray(jacobian)[:, index] - expected) / np.linalg.norm(expected)
        assert error < (1e-4 if name in ("T2s", "B1") else 1e-5), (name, error)


@pytest.mark.slow  # compiles both precisions
def test_single_precision():
    """Also where the semi-solid pool is nearly empty, and with it the derivatives by what it alone feels."""
    qmt = model()
    tissues = np.stack([TISSUE, np.where(np.arange(8) == 0, 1e-4, TISSUE)])
    signal, jacobian = map(np.asarray, qmt.signal_and_jacobian(tissues.astype(np.float32)))
    with jax.enable_x64(True):
        exact_signal, exact = map(np.asarray, qmt.signal_and_jacobian(tissues))
    assert signal.dtype == np.complex64
    np.testing.assert_allclose(signal, exact_signal, rtol=0, atol=3e-6)
    error = np.linalg.norm(jacobian - exact, axis=1) / np.linalg.norm(exact, axis=1)
    np.testing.assert_array_less(error, 1e-4)


def test_analytic_trains():
    """Freeman-Hill in the limit of short pulses, repetition, and no RF."""
    flip_angle, r1f, r2f = 0.6, 0.8, 12.0
    pattern = np.tile(varied_train()[0][1 : N_PULSES // 2 + 1], 2)
    flip_angles = np.stack([np.full(N_PULSES, flip_angle), np.full(N_PULSES, flip_angle), pattern, 0 * pattern])
    durations = np.ones((4, N_PULSES)) * np.array([[20e-6], [40e-6], [300e-6], [300e-6]])
    qmt = QMT(flip_angles, durations, REPETITION_TIME, inversion="none")
    water = np.array([0.0, r1f, r2f, 30.0, 3.0, 12e-6, 0.0, 1.0])
    (short, longer, _, _), (_, _, repeated, silent) = cycles(qmt, np.stack([water, TISSUE]))
    e1, e2 = np.exp(-r1f * REPETITION_TIME), np.exp(-r2f * REPETITION_TIME)
    cosine = np.cos(flip_angle)
    freeman_hill = np.sin(flip_angle) * (1 - e1) * np.sqrt(e2) / (1 - (e1 - e2) * cosine - e1 * e2)
    np.testing.assert_allclose(2 * short - longer, freeman_hill, rtol=1e-5)  # the excess is linear in the duration
    np.testing.assert_allclose(repeated[: N_PULSES // 2], repeated[N_PULSES // 2 :], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(silent, 0)


def test_scaled_times():
    """All times twice, all rates half: the same signal."""
    flip_angles, durations = varied_train()
    slow = QMT(np.stack([flip_angles, 0.9 * flip_angles]), 2 * np.stack([durations, durations]), 2 * REPETITION_TIME)
    tissue = TISSUE * np.array([1, 0.5, 0.5, 0.5, 0.5, 2, 0.5, 1])
    np.testing.assert_allclose(cycles(slow, tissue), cycles(model(), TISSUE), rtol=0, atol=1e-7)
