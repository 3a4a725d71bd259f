"""Saturation of the semi-solid pool against published and converged numbers, and against a second method."""

import numpy as np
import pytest
import scipy.linalg

from raofit.models.qmt.generalized_bloch import saturated_pool
from raofit.models.qmt.lineshapes import greens_function, greens_function_slope
from raofit.models.qmt.saturation import linearized_rate

# (flip angle / π, pulse duration / µs, T2s / µs): R2sl in 1/s, and zs at the end of the pulse without relaxation
RATES = {
    (0.5, 100, 10): (19791.4084, 0.410955262),
    (1.0, 100, 10): (22223.7866, -0.297298367),
    (1.0, 500, 10): (16013.6510, 0.284760362),
    (1.0, 500, 12.4): (13372.6092, 0.206598339),
    (0.5, 500, 12.4): (14048.7974, 0.730815333),
    (0.1, 500, 12.4): (14197.7907, 0.988107383),
    (0.25, 200, 12): (16269.4453, 0.871586383),
    (0.5, 400, 10): (17443.3627, 0.729419421),
}


def test_greens_functions_at_ten():
    expected = {
        "lorentzian": (4.5399929762484854e-5, 45.39992976248485),
        "gaussian": (1.9287498479639178e-22, 1.9287498479639177e-15),
        "super-lorentzian": (0.14712468680944424, 15253.09503367097),
    }
    for lineshape, (value, derivative) in expected.items():
        np.testing.assert_allclose(greens_function(10.0, lineshape), value, rtol=1e-12)
        np.testing.assert_allclose(greens_function_slope(10.0, lineshape) / 10e-6, derivative, rtol=1e-12)


def test_super_lorentzian_decays_slowly():
    elapsed = np.array([0, 0.5, 1, 2, 5, 20, 50, 100])
    expected = [1, 0.9756527972, 0.9097053577, 0.7203884377, 0.3159307562, 0.0726376728, 0.0289614778, 0.0144741978]
    np.testing.assert_allclose(greens_function(elapsed, "super-lorentzian"), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("pulse", RATES)
def test_linearized_rate(pulse):
    turn, duration, t2s = pulse
    rate, end = RATES[pulse]
    found = linearized_rate(turn * np.pi, duration * 1e-6, t2s * 1e-6)
    np.testing.assert_allclose(found, rate, rtol=1e-8)
    _, zs = saturated_pool(turn * np.pi / (duration * 1e-6), duration * 1e-6, t2s * 1e-6)
    np.testing.assert_allclose(zs[-1], end, rtol=0, atol=1e-9)


def test_weak_pulses_have_a_rate():
    """ρ solves ∫₀^τ̂(τ̂ − u)·G(u) du = τ̂/ρ − (1 − e^(−ρτ̂))/ρ²."""
    ratio = np.array([10.0, 40.0, 50.0, 100.0])
    rho = linearized_rate(0.0, ratio, 1.0)
    np.testing.assert_allclose(rho, [0.192552, 0.176347, 0.170058, 0.150859], rtol=0, atol=1e-6)
    points, weights = np.polynomial.legendre.leggauss(200)
    points = (points + 1) / 2 * ratio[:, None]
    left = (weights / 2 * ratio[:, None] * (ratio[:, None] - points) * greens_function(points, "super-lorentzian")).sum(
        1
    )
    np.testing.assert_allclose(ratio / rho - (1 - np.exp(-rho * ratio)) / rho**2, left, rtol=1e-9)


@pytest.mark.parametrize("lineshape", ["super-lorentzian", "gaussian"])
@pytest.mark.parametrize("pulse", [(0.3, 20e-6, 40e-6), (2.0, 100e-6, 25e-6), (4.0, 300e-6, 12e-6), (3.0, 1e-3, 5e-6)])
def test_rate_ends_where_the_memory_ends(pulse, lineshape):
    """The 2×2 system with the rate and the integro-differential equation have the same zs at the end."""
    flip_angle, duration, t2s = pulse
    omega = flip_angle / duration
    rate = float(linearized_rate(flip_angle, duration, t2s, 1.0, lineshape))
    _, end = scipy.linalg.expm(np.array([[-rate, omega], [-omega, 0.0]]) * duration) @ (0.0, 1.0)
    _, zs = saturated_pool(omega, duration, t2s, lineshape=lineshape)
    np.testing.assert_allclose(end, zs[-1], rtol=0, atol=1e-8)


def test_lorentzian_is_linear_already():
    rate = linearized_rate(np.array([0.0, 1.0, np.pi]), 200e-6, 10e-6, 1.0, "lorentzian")
    np.testing.assert_allclose(rate, 1e5, rtol=1e-11)
