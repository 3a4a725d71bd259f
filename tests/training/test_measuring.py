"""Measuring inside the step: SNR, phase, noise, bounds; what an input scaling removes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from raofit.core.errors import RaofitError
from raofit.training.input_scaling import without_complex_amplitude
from raofit.training.measuring import ComplexMeasuring, rotate

KEY = jax.random.key(4)
R, N = 5, 4000


def _complex(rows):
    rows = np.asarray(rows, np.float64)
    return rows[: len(rows) // 2] + 1j * rows[len(rows) // 2 :]


def _rows(coefficients):
    return jnp.asarray(np.concatenate([coefficients.real, coefficients.imag]), jnp.float32)


def _signals(n=N, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(R, n)) + 1j * generator.normal(size=(R, n))


@pytest.mark.parametrize("snr_scale", ["uniform", "log"])
def test_measurements_are_scaled_rotated_signals_with_unit_noise(snr_scale):
    signals, bound = _signals(), np.random.default_rng(1).uniform(1, 2, (3, N))
    measure = ComplexMeasuring((10.0, 40.0), snr_scale, n_realizations=3)
    batch = measure({"signals": _rows(signals), "bound": jnp.asarray(bound, jnp.float32)}, key=KEY)
    assert set(batch) == {"measurements", "bound"}
    assert batch["measurements"].shape == (2 * R, 3, N)
    snr = np.sqrt(bound[0] / np.asarray(batch["bound"][0]))
    np.testing.assert_allclose(np.asarray(batch["bound"]) * snr**2, bound, rtol=1e-5)
    uniform = (snr - 10) / 30 if snr_scale == "uniform" else np.log(snr / 10) / np.log(4)
    assert scipy.stats.kstest(uniform, "uniform").pvalue > 1e-3
    measured = np.stack([_complex(batch["measurements"][:, r]) for r in range(3)])
    phase = np.angle(np.mean(np.sum(measured * signals.conj(), axis=1), axis=0))
    assert scipy.stats.kstest((phase + np.pi) / (2 * np.pi), "uniform").pvalue > 1e-3
    # least squares gives M0 of each sample up to noise 1/(√15·|s|): remove the fit, count its 2 degrees of freedom
    m0 = np.sum(measured * signals.conj(), axis=(0, 1)) / (3 * np.sum(np.abs(signals) ** 2, axis=0))
    noise = measured - m0 * signals
    degrees = 2 * 3 * R * N - 2 * N
    variance = np.sum(np.abs(noise) ** 2) / degrees
    assert abs(variance - 1) < 4 * np.sqrt(2 / degrees)
    # |m0| is the SNR: their difference has variance 1/(3·|s|²)
    normalized = (np.abs(m0) - snr) * np.sqrt(3 * np.sum(np.abs(signals) ** 2, axis=0))
    assert abs(np.std(normalized) - 1) < 4 / np.sqrt(2 * N)
    between = np.corrcoef(noise[0].real.ravel(), noise[1].real.ravel())[0, 1]
    assert abs(between + 1 / (3 * R)) < 0.05  # only the common fit correlates realizations, by about −1/(3R)


def test_another_key_is_another_draw_and_the_same_key_the_same():
    measure, batch = ComplexMeasuring((10.0, 20.0)), {"signals": _rows(_signals(50))}
    first, again, other = (measure(batch, key=key)["measurements"] for key in (KEY, KEY, jax.random.key(5)))
    np.testing.assert_array_equal(first, again)
    assert (np.asarray(first) != np.asarray(other)).all()


def test_rotation_is_the_complex_product():
    signals, factors = _signals(7), _signals(7, seed=2)[0]
    rotated = rotate(_rows(signals), jnp.asarray(factors.real, jnp.float32), jnp.asarray(factors.imag, jnp.float32))
    np.testing.assert_allclose(_complex(rotated), factors * signals, rtol=1e-5, atol=1e-5)


@given(size=st.floats(1e-12, 1e20), phase=st.floats(0, 6.28), scaling=st.sampled_from(["first", "norm-phase"]))
def test_a_complex_factor_on_the_measurement_changes_nothing(size, phase, scaling):
    signals = _signals(20)
    expected = without_complex_amplitude(_rows(signals), scaling)
    found = without_complex_amplitude(_rows(size * np.exp(1j * phase) * signals), scaling)
    smallest = np.abs(signals[0]).min() / np.abs(signals).max()  # rounding of a small first coefficient is amplified
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 / smallest)


def test_the_scalings_are_the_written_formulas():
    signals = _signals(20)
    norm = np.linalg.norm(signals, axis=0)
    expected = {
        "none": signals,
        "norm": signals / norm,
        "first": signals / signals[0],
        "norm-phase": signals * np.conj(signals[0]) / np.abs(signals[0]) / norm,
    }
    for scaling, values in expected.items():
        found = without_complex_amplitude(_rows(signals), scaling)
        np.testing.assert_allclose(_complex(found), values, rtol=1e-4, atol=1e-5, err_msg=scaling)


@pytest.mark.parametrize("scaling", ["first", "norm", "norm-phase"])
def test_an_empty_voxel_and_an_empty_first_coefficient_stay_finite(scaling):
    signals = _signals(3)
    signals[:, 0] = 0
    signals[0, 1] = 0
    rows = _rows(signals)
    assert np.isfinite(np.asarray(without_complex_amplitude(rows, scaling))).all()
    gradient = jax.grad(lambda rows: jnp.sum(without_complex_amplitude(rows, scaling)))(rows)
    assert np.isfinite(np.asarray(gradient)).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(((0.0, 1.0),), "0 to 1"), (((20.0, 10.0),), "20 to 10"), (((1.0, 2.0), "square"), "uniform, log"),
     (((1.0, 2.0), "log", 0), "at least 1")],
)  # fmt: skip
def test_refusals(arguments, words):
    with pytest.raises(RaofitError, match=words):
        ComplexMeasuring(*arguments)
