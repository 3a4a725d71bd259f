"""Relaxometry models against closed forms, limits, and second transcriptions that follow the spins step by step."""

import jax
import numpy as np
import pytest

from raofit.models import InversionRecovery, MonoExponentialT2, MultiEchoSpinEcho, SpoiledGradientEcho
from raofit.noise import Rician
from tests.oracles import relaxometry_reference as reference

INVERSION_TIMES = np.array([0.05, 0.2, 0.5, 0.9, 1.6, 2.4])
TISSUES = [(0.3, 0.02), (1.0, 0.08), (4.0, 0.3)]  # T1, T2 (s)


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("t1", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("efficiency", [0.6, 0.95, 1.0])
def test_inversion_recovery_follows_the_spins_through_repetitions(t1, efficiency):
    expected = [reference.inversion_recovery_by_steps(time, 2.5, 1.3, t1, efficiency) for time in INVERSION_TIMES]
    signed = InversionRecovery(INVERSION_TIMES, 2.5, polarity="signed").signal([1.3, t1, efficiency])
    # The steps give 1 − 2η·e^(−TI/T1) + (2η − 1)·e^(−TR/T1); the usual formula drops the factor of the last term.
    left = 2 * (1 - efficiency) * np.exp(-2.5 / t1) * 1.3
    np.testing.assert_allclose(signed - left, expected, rtol=0, atol=1e-13)


def test_inversion_recovery_forms_are_one_family():
    """S0·(1 − 2η·e^(−TI/T1) + e^(−TR/T1)) is S0·(1 + e^(−TR/T1))·(1 − κ·e^(−TI/T1)), κ = 2η/(1 + e^(−TR/T1))."""
    s0, t1, efficiency, repetition_time = 1.7, 0.9, 0.93, 2.5
    share = 1 + np.exp(-repetition_time / t1)
    with_tr = InversionRecovery(INVERSION_TIMES, repetition_time, polarity="signed")
    without = InversionRecovery(INVERSION_TIMES, polarity="signed")
    np.testing.assert_allclose(
        with_tr.signal([s0, t1, efficiency]), without.signal([s0 * share, t1, 2 * efficiency / share]), rtol=1e-14
    )


def test_magnitude_is_the_absolute_value_and_so_are_its_derivatives_up_to_sign():
    parameters = np.array([1.2, 0.8, 1.9])
    signed, signed_jacobian = InversionRecovery(INVERSION_TIMES, polarity="signed").signal_and_jacobian(parameters)
    signal, jacobian = InversionRecovery(INVERSION_TIMES).signal_and_jacobian(parameters)
    assert np.any(np.asarray(signed) < 0)
    np.testing.assert_array_equal(signal, np.abs(signed))
    np.testing.assert_allclose(jacobian, np.sign(signed)[:, None] * signed_jacobian, rtol=1e-15)


def test_a_magnitude_that_is_exactly_zero_has_the_slope_of_the_signed_signal():
    """At TI = 0 after saturation (κ = 1) the signal is 0; the kink gives a number, and no information."""
    parameters = np.array([1.0, 1.0, 1.0])
    signal, jacobian = InversionRecovery([0.0, 1.0]).signal_and_jacobian(parameters)
    assert signal[0] == 0
    np.testing.assert_array_equal(
        jacobian, InversionRecovery([0.0, 1.0], polarity="signed").signal_and_jacobian(parameters)[1]
    )
    assert Rician(0.1).information(signal)[0] == 0


@pytest.mark.parametrize("t1", [0.2, 1.0, 3.0])
def test_spoiled_gradient_echo_is_the_end_of_many_pulses(t1):
    angles, b1 = np.deg2rad([3.0, 20.0, 70.0]), 0.85
    expected = [reference.spoiled_gradient_echo_by_steps(b1 * angle, 15e-3, 1.3, t1) for angle in angles]
    free = SpoiledGradientEcho(angles, 15e-3, b1="free").signal([1.3, t1, b1])
    np.testing.assert_allclose(free, expected, rtol=1e-12)
    np.testing.assert_allclose(SpoiledGradientEcho(b1 * angles, 15e-3).signal([1.3, t1]), expected, rtol=1e-12)


def test_spoiled_gradient_echo_is_largest_at_the_ernst_angle():
    t1, repetition_time = 0.9, 15e-3
    ernst = np.arccos(np.exp(-repetition_time / t1))
    signal = SpoiledGradientEcho([0.99 * ernst, ernst, 1.01 * ernst], repetition_time).signal([1.0, t1])
    assert np.argmax(signal) == 1
    # S(α_E) = S0·√((1 − E1)/(1 + E1)) = S0·√tanh(TR/2T1)
    np.testing.assert_allclose(signal[1], np.sqrt(np.tanh(0.5 * repetition_time / t1)), rtol=1e-14)


@pytest.mark.parametrize("tissue", [(1.0, 0.3), (2000.0, 1.4), (7.0, 4.0)])
def test_straight_line_of_variable_flip_angles_is_exact_without_noise(tissue):
    model = SpoiledGradientEcho(np.deg2rad([3.0, 10.0, 20.0]), 15e-3)
    np.testing.assert_allclose(model.closed_form(model.signal(np.array(tissue))), tissue, rtol=1e-10)


@pytest.mark.parametrize(("t1", "t2"), TISSUES)
def test_refocusing_by_half_a_turn_is_mono_exponential(t1, t2):
    echo_times = 0.01 * np.arange(1, 33)
    train = MultiEchoSpinEcho(echo_times, np.pi, t1=t1)
    expected = MonoExponentialT2(echo_times).signal([1.3, t2])
    # 32 products of the factor of one spacing, each rounded
    np.testing.assert_allclose(train.signal([1.3, t2, 1.0]), expected, rtol=32 * np.finfo(float).eps)


@pytest.mark.parametrize(("t1", "t2"), TISSUES)
@pytest.mark.parametrize("degrees", [40.0, 120.0, 165.0])
def test_echo_train_matches_isochromats_and_phase_graph(t1, t2, degrees):
    n_echoes, spacing = 17, 0.0128
    angles = np.full(n_echoes, np.deg2rad(degrees))
    signal = MultiEchoSpinEcho(spacing * np.arange(1, n_echoes + 1), angles, t1=t1).signal([1.0, t2, 1.0])
    isochromats = reference.spin_echo_train_of_isochromats(spacing, angles, t1, t2)
    np.testing.assert_allclose(signal, isochromats, rtol=0, atol=1e-13)
    np.testing.assert_allclose(signal, reference.extended_phase_graph(spacing, angles, t1, t2), rtol=0, atol=1e-13)


@pytest.mark.parametrize("n_echoes", [1, 2, 3, 8])
def test_variable_refocusing_angles_b1_and_free_t1(n_echoes):
    angles = np.linspace(2.6, 1.1, n_echoes)
    model = MultiEchoSpinEcho(0.01 * np.arange(1, n_echoes + 1), angles, t1="free")
    expected = reference.extended_phase_graph(0.01, 0.8 * angles, 0.7, 0.06)
    np.testing.assert_allclose(model.signal([2.0, 0.06, 0.8, 0.7]), 2.0 * expected, rtol=0, atol=1e-14)


def test_first_two_echoes_in_closed_form():
    """Echo 1: sin²(α/2)·E2. Echo 2: (sin⁴(α/2)·E2 + ½·sin²α·E1)·E2, spin echo and stimulated echo [hennig1988]."""
    angle, t1, t2, spacing = np.deg2rad(130.0), 0.9, 0.07, 0.012
    e1, e2 = np.exp(-spacing / t1), np.exp(-spacing / t2)
    expected = [np.sin(angle / 2) ** 2 * e2, (np.sin(angle / 2) ** 4 * e2 + 0.5 * np.sin(angle) ** 2 * e1) * e2]
    signal = MultiEchoSpinEcho([spacing, 2 * spacing], angle, t1=t1).signal([1.0, t2, 1.0])
    np.testing.assert_allclose(signal, expected, rtol=1e-14)
