"""The smooth saturation of a train against the pulse-by-pulse solution, at its edges, and on bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raofit.core.errors import ProtocolError, RaofitError
from raofit.models.qmt.saturation import (
    B1_MAXIMUM,
    T2S_RANGE,
    linearized_rate,
    saturation_coefficients,
    saturation_features,
)

FLIP_ANGLES = np.array([0.0, 1e-3, 0.3, 1.0, 2.0, 2.4, 2.6, np.pi, np.pi])
DURATIONS = np.array([300e-6, 100e-6, 20e-6, 500e-6, 2e-3, 100e-6, 500e-6, 500e-6, 200e-6])


@jax.jit
def reduced_rate(coefficients, mixing, t2s, b1) -> jax.Array:
    return jnp.asarray(coefficients) @ saturation_features(t2s, b1, mixing)


@pytest.mark.parametrize("lineshape", ["super-lorentzian", "gaussian", "lorentzian"])
def test_agrees_with_each_pulse_solved(lineshape):
    t2s, b1 = np.array([1.5e-6, 5e-6, 12.4e-6, 25e-6, 45e-6]), np.array([1.25, 0.9, 1.0, 1.29, 0.1])
    with jax.enable_x64(True):
        factors = saturation_coefficients(FLIP_ANGLES, DURATIONS, lineshape)
        rho = reduced_rate(*factors, t2s, b1)
    expected = linearized_rate(FLIP_ANGLES[:, None], DURATIONS[:, None], t2s, b1, lineshape) * t2s
    np.testing.assert_allclose(rho, expected, rtol=1e-5)


def test_ordinary_pulses_are_exact_to_the_largest_b1():
    pulses = FLIP_ANGLES[:6], DURATIONS[:6]
    with jax.enable_x64(True):
        rho = reduced_rate(*saturation_coefficients(*pulses), np.array([12e-6]), np.array([B1_MAXIMUM]))
    expected = linearized_rate(*pulses, 12e-6, B1_MAXIMUM) * 12e-6
    np.testing.assert_allclose(rho[:, 0], expected, rtol=1e-5)


@pytest.mark.parametrize(("argument", "step"), [(0, 1e-3), (1, 1e-3)])
def test_derivatives(argument, step):
    """Fourth-order central differences of the reference in log T2s and log B1."""
    point = np.array([12.4e-6, 1.1])
    with jax.enable_x64(True):
        factors = saturation_coefficients(FLIP_ANGLES, DURATIONS)
        direction = np.zeros(2)
        direction[argument] = point[argument]
        _, slope = jax.jvp(lambda values: reduced_rate(*factors, values[0], values[1]), (point,), (direction,))

    def reference(offset: float) -> np.ndarray:
        t2s, b1 = point * np.exp(np.eye(2)[argument] * offset)
        return linearized_rate(FLIP_ANGLES, DURATIONS, t2s, b1) * t2s

    near, far = (reference(scale * step) - reference(-scale * step) for scale in (1, 2))
    expected = (8 * near - far) / (12 * step)
    np.testing.assert_allclose(slope, expected, rtol=0, atol=1e-5 * reference(0.0).max())


def test_constant_beyond_the_range():
    factors = saturation_coefficients(FLIP_ANGLES, DURATIONS)
    low, high = T2S_RANGE
    with jax.enable_x64(True):
        inside = reduced_rate(*factors, np.array([low, high, 10e-6]), np.array([1.0, 1.0, B1_MAXIMUM]))
        points = np.array([0.0, 1.0, 10e-6]), np.array([1.0, 1.0, 5.0])
        outside, slope = jax.jvp(lambda t2s, b1: reduced_rate(*factors, t2s, b1), points, (np.ones(3), np.ones(3)))
    np.testing.assert_allclose(outside, inside, rtol=1e-12)
    assert np.all(np.isfinite(np.asarray(slope)))
    assert np.all((np.asarray(outside) > 0) & (np.asarray(outside) < 1))


def test_strong_pulses_bend_smoothly_to_a_constant():
    """The second difference of ρ in B1 stays of the order of the squared step across the bend at 1.3."""
    b1 = np.linspace(1.25, 1.4, 151)
    with jax.enable_x64(True):
        rho = reduced_rate(*saturation_coefficients([np.pi], [500e-6]), np.full_like(b1, 12e-6), b1)[0]
    np.testing.assert_allclose(rho[b1 > 1.345], rho[-1], rtol=1e-12)
    step = b1[1] - b1[0]
    assert np.abs(np.diff(rho, 2)).max() < 20 * step**2


def test_single_precision():
    factors = saturation_coefficients(FLIP_ANGLES, DURATIONS)
    t2s, b1 = np.array([5e-6, 12.4e-6, 25e-6]), np.array([0.6, 1.0, 1.3])
    with jax.enable_x64(True):
        expected = reduced_rate(*factors, t2s, b1)
    found = jnp.asarray(factors[0], dtype=jnp.float32) @ saturation_features(
        jnp.asarray(t2s), jnp.asarray(b1), factors[1]
    )
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, rtol=2e-5)


def test_lorentzian_needs_one_feature():
    coefficients, mixing = saturation_coefficients(FLIP_ANGLES, DURATIONS, "lorentzian")
    assert coefficients.shape == (9, 1)
    np.testing.assert_array_equal(reduced_rate(coefficients, mixing, np.float32([9e-6]), np.float32([1.0])), 1.0)


@pytest.mark.parametrize(
    ("flip_angle", "duration", "message"),
    [
        (90.0, 500e-6, "`flip_angles`: pulse 1 is 90 rad, .* multiplied by π/180"),
        (np.nan, 500e-6, "`flip_angles`: pulse 1 is nan"),
        (1.0, 0.5, "`pulse_durations`: pulse 1 lasts 0.5 s, outside 2e-05 to 0.002 s"),
        (1.0, np.nan, "`pulse_durations`: pulse 1 lasts nan s"),
    ],
)
def test_pulses_out_of_range(flip_angle, duration, message):
    with pytest.raises(ProtocolError, match=message):
        saturation_coefficients(np.array([1.0, flip_angle]), np.array([500e-6, duration]))


def test_no_rate_for_very_strong_pulses():
    with pytest.raises(RaofitError, match=r"B1·flip angle is 1\.5π, .* must not exceed 1\.33π"):
        linearized_rate(np.pi, 500e-6, 10e-6, 1.5)


def test_unknown_lineshape():
    with pytest.raises(RaofitError, match="lineshape `voigt`: expected one of super-lorentzian, gaussian, lorentzian"):
        linearized_rate(1.0, 500e-6, 10e-6, 1.0, "voigt")
