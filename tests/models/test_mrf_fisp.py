"""Gradient-spoiled fingerprints against isochromats and closed forms."""

import functools

import jax
import numpy as np
import pytest

from raofit.core.errors import ProtocolError, RaofitError
from raofit.models import MRFFISP
from tests.oracles.isochromats import spoiled_train

N = 60
TISSUES = np.array([[1.0, 0.08, 1.0], [0.4, 0.03, 0.8], [3.0, 2.0, 1.15]])


@functools.cache
def train(phases: str) -> dict[str, np.ndarray | float]:
    random = np.random.default_rng(3)
    return {
        "flip_angles": random.uniform(0, 1.2, N),
        "repetition_times": random.uniform(8e-3, 15e-3, N),
        "echo_times": random.uniform(0, 5e-3, N),
        "rf_phases": {"equal": 0.3, "alternating": np.pi * np.arange(N), "random": random.uniform(0, 6, N)}[phases],
        "inversion_time": 0.02,
    }


@functools.cache
def model(phases: str = "random", **settings) -> MRFFISP:
    return MRFFISP(**train(phases), inversion_efficiency=0.96, **settings)


def expected(tissue, phases: str = "random") -> np.ndarray:
    return spoiled_train(tissue, **train(phases), efficiency=0.96)


def in_double(fisp: MRFFISP, tissues) -> tuple[np.ndarray, np.ndarray]:
    with jax.enable_x64(True):
        signal, jacobian = fisp.signal_and_jacobian(np.asarray(tissues, dtype=np.float64))
    return np.asarray(signal), np.asarray(jacobian)


@pytest.mark.parametrize("phases", ["equal", "alternating", "random"])
def test_signals_are_those_of_isochromats(phases):
    signal, _ = in_double(model(phases, n_states=N), TISSUES)
    np.testing.assert_allclose(signal, [expected(tissue, phases) for tissue in TISSUES], rtol=0, atol=1e-14)


@pytest.mark.parametrize("phases", ["alternating", "random"])
def test_derivatives_are_those_of_isochromats(phases):
    """Two central differences extrapolated to step 0: their error is rounding, 1e-16/1e-4 of the signal."""
    _, jacobian = in_double(model(phases, n_states=N), TISSUES)
    for tissue, found in zip(TISSUES, jacobian, strict=True):
        for index, value in enumerate(tissue):
            step = 1e-4 * value * np.eye(3)[index]
            near, wide = (
                (expected(tissue + factor * step, phases) - expected(tissue - factor * step, phases))
                / (2 * factor * step[index])
                for factor in (1, 2)
            )
            by_difference = (4 * near - wide) / 3
            np.testing.assert_allclose(found[:, index], by_difference, rtol=0, atol=1e-10 * np.abs(by_difference).max())


def test_single_precision():
    signal, jacobian = map(np.asarray, model().signal_and_jacobian(TISSUES.astype(np.float32)))
    exact_signal, exact = in_double(model(), TISSUES)
    assert signal.dtype == np.complex64
    np.testing.assert_allclose(signal, exact_signal, rtol=0, atol=1e-6 * np.abs(exact_signal).max())
    error = np.linalg.norm(jacobian - exact, axis=1) / np.linalg.norm(exact, axis=1)
    np.testing.assert_array_less(error, 5e-6)


def test_neglected_states_contribute_less_than_the_stated_accuracy():
    """And states are neglected at all: fewer than half as many as pulses, fewer at shorter T2."""
    flip_angles = 1.2 * np.abs(np.sin(np.arange(300) / 40))
    tissues = np.array([[1.0, 0.02, 1.0], [1.0, 0.05, 1.0], [1.5, 0.15, 1.0], [3.0, 1.5, 1.0]])
    exact, by_exact = in_double(MRFFISP(flip_angles, 0.012, n_states=300), tissues)
    for accuracy in (1e-1, 1e-3):
        fisp = MRFFISP(flip_angles, 0.012, accuracy=accuracy)
        for index, tissue in enumerate(tissues):  # one by one: together, the longest T2 decides
            signal, jacobian = in_double(fisp, tissue)
            error = np.abs(signal - exact[index]).max()
            assert error < accuracy
            assert (error > 1e-15) == (index < 3)  # the last needs them all
            # the share of the derivative by T2 that takes 2·k repetitions: the same bound times 2·k·TR/T2 = −log of it
            slope_error = np.abs(jacobian[:, 1] - by_exact[index, :, 1]).max() * tissue[1]
            assert slope_error < -np.log(accuracy) * accuracy


def test_many_voxels_come_back_in_their_order():
    random = np.random.default_rng(0)
    tissues = np.stack([np.full(700, 1.0), random.uniform(0.02, 0.9, 700), np.ones(700)], axis=1).astype(np.float32)
    fisp = MRFFISP(np.full(80, 0.5), 0.012)
    together, by_tissue = map(np.asarray, fisp.signal_and_jacobian(tissues.reshape(7, 100, 3)))
    assert together.shape == (7, 100, 80)
    assert by_tissue.shape == (7, 100, 80, 3)
    for index in (0, 13, 699):
        signal, jacobian = map(np.asarray, fisp.signal_and_jacobian(tissues[index]))
        np.testing.assert_allclose(together.reshape(-1, 80)[index], signal, rtol=0, atol=1e-6)
        np.testing.assert_allclose(
            by_tissue.reshape(-1, 80, 3)[index], jacobian, rtol=0, atol=1e-5 * np.abs(jacobian).max()
        )


def test_other_repetition_times_have_the_states_they_need():
    """A train of shorter repetitions needs more; for given voxels, one number is enough."""
    fisp, short = MRFFISP(np.full(300, 0.5), 0.012), np.full(300, 0.004)
    built = MRFFISP(np.full(300, 0.5), short, inversion_time=0.01)
    other = fisp.with_settings({"repetition_times": short, "inversion_time": np.asarray(0.01)})
    assert other._sizes == built._sizes
    np.testing.assert_array_equal(other._longest_t2, built._longest_t2)
    tissues = np.array([[1.0, 0.05, 1.0], [1.5, 0.1, 1.0]])
    assert fisp.for_voxels(tissues)._sizes == (64,)
    assert other.for_voxels(tissues)._sizes == (128,)


def test_a_single_pulse_after_the_inversion():
    fisp = MRFFISP([0.7], 0.01, echo_times=0.004, inversion_time=0.3, inversion_efficiency=0.9)
    longitudinal = 1 - 1.9 * np.exp(-0.3 / 1.0)
    signal, _ = in_double(fisp, [1.0, 0.08, 1.1])
    np.testing.assert_allclose(signal, np.sin(0.77) * longitudinal * np.exp(-0.004 / 0.08), rtol=1e-13)


def test_everything_relaxes_between_distant_pulses():
    flip_angles = np.array([0.3, 1.0, 1.5])
    signal, _ = in_double(MRFFISP(flip_angles, 10.0, inversion_efficiency=-1.0), [0.1, 0.05, 1.0])
    np.testing.assert_allclose(signal, np.sin(flip_angles), rtol=1e-12)


def test_the_steady_state_is_that_of_the_analytical_solution():
    """FID of an unbalanced steady state [hanicke2003], and for short T2 that of Ernst."""
    angle, period = 0.6, 0.012
    fisp = MRFFISP(np.full(900, angle), period, inversion_efficiency=-1.0)
    for t1, t2 in ((0.6, 0.06), (0.6, 1e-3)):
        e1, e2 = np.exp(-period / t1), np.exp(-period / t2)
        p = 1 - e1 * np.cos(angle) - e2**2 * (e1 - np.cos(angle))
        q = e2 * (1 - e1) * (1 + np.cos(angle))
        steady = np.tan(angle / 2) * (1 - (e1 - np.cos(angle)) * (1 - e2**2) / np.sqrt(p**2 - q**2))
        signal, _ = in_double(fisp, [t1, t2, 1.0])
        np.testing.assert_allclose(signal[-1], steady, rtol=1e-6)  # 900·TR is 18·T1
    ernst = np.sin(angle) * (1 - e1) / (1 - np.cos(angle) * e1)
    np.testing.assert_allclose(steady, ernst, rtol=1e-4)


def test_a_slice_profile_is_a_mean_over_flip_angles():
    profile = np.array([1.0, 0.9, 0.5])
    signal, jacobian = in_double(model(slice_profile=tuple(profile)), TISSUES[0])
    parts = [in_double(model(), TISSUES[0] * [1, 1, share]) for share in profile]
    np.testing.assert_allclose(signal, np.mean([part[0] for part in parts], axis=0), rtol=0, atol=1e-14)
    by_b1 = np.mean([share * part[1][:, 2] for share, part in zip(profile, parts, strict=True)], axis=0)
    np.testing.assert_allclose(jacobian[:, 2], by_b1, rtol=0, atol=1e-13)


def test_a_known_b1_is_no_parameter():
    known = model(b1=0.9)
    assert known.parameter_names == ("T1", "T2")
    signal, jacobian = in_double(known, [1.0, 0.08])
    free_signal, free = in_double(model(), [1.0, 0.08, 0.9])
    np.testing.assert_array_equal(signal, free_signal)
    np.testing.assert_allclose(jacobian, free[:, :2], rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"flip_angles": [30.0, 60.0]}, "flip angles in degrees must be multiplied by π/180"),
        ({"repetition_times": 12.0}, "repetition times in ms must be divided by 1000"),
        ({"repetition_times": [0.012] * 3}, "expected one number or 2, one per pulse, got 3"),
        ({"repetition_times": -0.012}, "expected 0.0005 to 10 s, got -0.012"),
        ({"echo_times": 0.02}, "expected at most the repetition time of 0.012 s, got 0.02 s for pulse 1"),
        ({"inversion_time": np.nan}, "expected finite numbers in s"),
        ({"inversion_efficiency": 2.0}, "1 is a perfect inversion"),
        ({"slice_profile": []}, "`slice_profile`: expected a list of numbers"),
    ],
)
def test_implausible_protocols_are_refused(settings, message):
    with pytest.raises(ProtocolError, match=message):
        MRFFISP(**{"flip_angles": [0.5, 0.6], "repetition_times": 0.012} | settings)


@pytest.mark.parametrize("settings", [{"b1": 0.0}, {"accuracy": 1.0}, {"n_states": 0}])
def test_impossible_options_are_refused(settings):
    with pytest.raises(RaofitError, match=f"MRFFISP `{next(iter(settings))}`: expected"):
        MRFFISP([0.5, 0.6], 0.012, **settings)
