"""Balanced fingerprints against Bloch rotations, the integral of the paper, and steady states."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raofit.core.errors import ProtocolError, RaofitError
from raofit.io.fingerprint_sequence import load_sequence
from raofit.models import HybridState
from tests.oracles.balanced_train import by_integral, by_rotations, repeated

TISSUES = np.array([[0.9, 0.07, 1.0], [0.4, 0.03, 0.8], [3.0, 2.0, 1.15]])
PERIOD = 0.025
ANGLES = 2.0 * np.abs(np.sin(np.linspace(0.2, 5.0, 10)))
STARTS = [(False, 0.9), (True, 1.0), (True, 0.8), (True, -1.0)]


def in_double(model: HybridState, tissues) -> tuple[np.ndarray, np.ndarray]:
    with jax.enable_x64(True):
        signal, jacobian = map(np.asarray, model.signal_and_jacobian(np.asarray(tissues, dtype=np.float64)))
    assert not np.any(signal.imag)
    return signal.real, jacobian.real


def smooth(n: int) -> np.ndarray:
    """3.6 s in `n` pulses: from and to small flip angles."""
    return 2.4 * np.sin(np.pi * np.arange(n) / n) ** 2


@functools.cache
def found(is_repeated: bool, efficiency: float) -> tuple[np.ndarray, np.ndarray]:
    return in_double(HybridState(ANGLES, PERIOD, inversion_efficiency=efficiency, is_repeated=is_repeated), TISSUES)


def integrated(tissue, is_repeated: bool, efficiency: float) -> np.ndarray:
    """What is left of the first start after the last cycle is below 1e-13 for the slowest tissue."""
    if not is_repeated:
        return by_integral(tissue, ANGLES, PERIOD, -efficiency)[0]
    end, slope = by_integral(tissue, ANGLES, PERIOD, 0.0)[1], by_integral(tissue, ANGLES, PERIOD, 1.0)[1]
    length = 1.0
    for _ in range(400):
        length = -efficiency * (end + (slope - end) * length)
    return by_integral(tissue, ANGLES, PERIOD, length)[0]


@pytest.mark.parametrize(("is_repeated", "efficiency"), STARTS)
def test_signals_are_those_of_the_integral(is_repeated, efficiency):
    """However the train starts; a repeated one is compared after very many cycles."""
    signal, _ = found(is_repeated, efficiency)
    expected = [integrated(tissue, is_repeated, efficiency) for tissue in TISSUES]
    np.testing.assert_allclose(signal, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("is_repeated", "efficiency"), STARTS)
def test_derivatives_are_those_of_the_integral(is_repeated, efficiency):
    """Two central differences extrapolated to step 0: rounding of 1e-13 over a step of 1e-3."""
    _, jacobian = found(is_repeated, efficiency)
    for tissue, by_model in zip(TISSUES, jacobian, strict=True):
        for index, value in enumerate(tissue):
            step = 1e-3 * value * np.eye(3)[index]
            near, wide = (
                (
                    integrated(tissue + factor * step, is_repeated, efficiency)
                    - integrated(tissue - factor * step, is_repeated, efficiency)
                )
                / (2 * factor * step[index])
                for factor in (1, 2)
            )
            expected = (4 * near - wide) / 3
            np.testing.assert_allclose(by_model[:, index], expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_the_error_of_the_hybrid_state_falls_with_the_square_of_the_repetition_time():
    """Against Bloch rotations of as many pulses, for a train that starts and ends at small flip angles."""
    errors = []
    for n in (160, 320):
        angles, period = smooth(n), 3.6 / n
        signal, _ = in_double(HybridState(angles, period), TISSUES)
        exact = np.array([by_rotations(tissue, angles, period, -1.0)[0] for tissue in TISSUES])
        errors.append(np.abs(signal - exact).max(axis=1))
    np.testing.assert_allclose(errors[0] / errors[1], 4.0, rtol=0.1)
    assert np.all(errors[0] < 0.01)


def test_the_error_after_an_abrupt_start_is_as_stated():
    """It alternates and decays: after 0.8 s, less than 2 % of the bound is left."""
    for tissue in TISSUES[:2]:
        t1, t2, _ = tissue
        signal, _ = in_double(HybridState(np.full(160, 1.4), 0.01), tissue)
        error = np.abs(signal - by_rotations(tissue, np.full(160, 1.4), 0.01, -1.0)[0])
        bound = 0.01 * ((1 / t2 - 1 / t1) / 4 + 1 / (2 * t1))
        assert 0.3 * bound < error.max() < bound
        assert error[80:].max() < 0.02 * bound


def test_the_shipped_train_is_in_the_hybrid_state():
    """Rotations of all pulses, cycle after cycle, to 0.2 % of M0; crushers at the inversion leave nothing but z."""
    settings = load_sequence("hybrid-840")
    signal, _ = in_double(HybridState(**settings), TISSUES)
    for tissue, by_model in zip(TISSUES, signal, strict=True):
        exact = repeated(by_rotations, tissue, settings["flip_angles"], settings["repetition_time"], 1.0, 8)
        np.testing.assert_allclose(by_model, exact, rtol=0, atol=2e-3)


def test_constant_flip_angles_reach_the_steady_state():
    """r∞·sin θ, and the balanced steady state of Freeman and Hill (1971) at TE = TR/2 for TR ≪ T2."""
    angle, period, t1, t2 = 1.1, 1e-3, 0.4, 0.05
    model = HybridState(np.full(4, angle), period, inversion_efficiency=-1.0, is_repeated=True)
    signal, _ = in_double(model, [t1, t2, 1.0])
    theta = angle / 2
    steady = np.sin(theta) * np.cos(theta) / t1 / (np.cos(theta) ** 2 / t1 + np.sin(theta) ** 2 / t2)
    np.testing.assert_allclose(signal, steady, rtol=1e-13)
    e1, e2 = np.exp(-period / t1), np.exp(-period / t2)
    exact = np.sin(angle) * (1 - e1) * np.sqrt(e2) / (1 - e1 * e2 - (e1 - e2) * np.cos(angle))
    np.testing.assert_allclose(signal, exact, rtol=(period / t2) ** 2)


def test_single_precision():
    model = HybridState(**load_sequence("hybrid-840"))
    signal, jacobian = map(np.asarray, model.signal_and_jacobian(TISSUES.astype(np.float32)))
    exact_signal, exact = in_double(model, TISSUES)
    assert signal.dtype == np.complex64
    np.testing.assert_allclose(signal, exact_signal, rtol=0, atol=2e-6 * np.abs(exact_signal).max())
    error = np.linalg.norm(jacobian - exact, axis=1) / np.linalg.norm(exact, axis=1)
    np.testing.assert_array_less(error, 1e-5)


def test_a_single_pulse():
    signal, _ = in_double(HybridState([1.0], 0.02, inversion_efficiency=-1.0), [0.5, 0.05, 1.0])
    theta = 0.5
    rate = np.cos(theta) ** 2 / 0.5 + np.sin(theta) ** 2 / 0.05
    steady = np.cos(theta) / 0.5 / rate
    np.testing.assert_allclose(signal, np.sin(theta) * (steady + (1 - steady) * np.exp(-0.01 * rate)), rtol=1e-13)


def test_slopes_by_the_flip_angles_are_those_of_central_differences():
    """Rounding of 1e-16 over a step of 1e-5; the step's own error is its square."""
    model = HybridState(ANGLES, PERIOD, is_repeated=True)

    @jax.jit
    def last(angles):
        return model.with_settings({"flip_angles": angles}).lanes_signal(jnp.asarray(TISSUES.T))[-1, 0].real

    with jax.enable_x64(True):
        slopes = jax.grad(last)(jnp.asarray(ANGLES))
        steps = 1e-5 * np.eye(len(ANGLES))
        differences = [(last(ANGLES + step) - last(ANGLES - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(slopes, differences, rtol=0, atol=1e-9)
    assert np.all(np.abs(slopes) > 1e-6)
    with pytest.raises(RaofitError, match="only `flip_angles` can change, got `is_repeated`"):
        model.with_settings({"is_repeated": 0.0})


def test_a_known_b1_is_no_parameter():
    known = HybridState(ANGLES, PERIOD, inversion_efficiency=0.9, b1=0.8)
    assert known.parameter_names == ("T1", "T2")
    signal, jacobian = in_double(known, [0.4, 0.03])
    free_signal, free = found(False, 0.9)
    np.testing.assert_allclose(signal, free_signal[1], rtol=0, atol=1e-15)
    np.testing.assert_allclose(jacobian, free[1, :, :2], rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"flip_angles": [30.0, 60.0]}, "flip angles in degrees must be multiplied by π/180"),
        ({"repetition_time": 4.5}, "a repetition time in ms must be divided by 1000"),
        ({"inversion_efficiency": 2.0}, "1 is a perfect inversion"),
        ({"is_repeated": 0.5}, "`is_repeated`: expected 0 or 1, got 0.5; 1 is a train that is repeated"),
    ],
)
def test_implausible_protocols_are_refused(settings, message):
    with pytest.raises(ProtocolError, match=message):
        HybridState(**{"flip_angles": [0.5, 0.6], "repetition_time": 0.0045} | settings)


def test_an_impossible_b1_is_refused():
    with pytest.raises(RaofitError, match="HybridState `b1`: expected actual over nominal"):
        HybridState([0.5, 0.6], 0.0045, b1=0.0)
