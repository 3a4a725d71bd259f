"""The generalized Bloch equations of single pulses against documented numbers, limits and the linear approximation.

Documented integro-differential solutions carry the error of an adaptive solver, up to 1e-3.
"""

import numpy as np
import pytest
import scipy.linalg

from raofit.models.qmt.generalized_bloch import (
    graham_saturation_rate,
    saturated_pool,
    sled_saturated_pool,
    two_pools,
)
from raofit.models.qmt.lineshapes import greens_function
from tests.oracles.qmt_reference import hamiltonian, pulse_propagators

SOLVER = 1e-3


def relaxing(rate: float, r1s: float, duration: float) -> float:
    """zs after `duration` of z' = −rate·z + R1s·(1 − z) from 1."""
    return (rate * np.exp(-duration * (rate + r1s)) + r1s) / (rate + r1s)


def test_inversion_of_an_isolated_pool():
    times, zs = saturated_pool(np.pi / 500e-6, 500e-6, 12e-6, r1s=3.0)
    np.testing.assert_allclose(np.interp(100e-6, times, zs), 0.8787349423, rtol=0, atol=SOLVER)
    np.testing.assert_allclose(zs[-1], 0.219013218, rtol=0, atol=SOLVER)
    rate = graham_saturation_rate(np.pi / 500e-6, 500e-6, 12e-6)
    np.testing.assert_allclose(rate, 2333.7507, rtol=1e-7)
    np.testing.assert_allclose(relaxing(rate, 3.0, 500e-6), 0.3117563147, rtol=1e-7)


def test_shaped_pulse():
    """A sinc of one side lobe, 1 ms, π."""
    duration = 1e-3
    points, weights = np.polynomial.legendre.leggauss(60)
    area = duration / 2 * weights @ np.sinc(2 * points)

    def waveform(times):
        return np.pi / area * np.sinc(4 * (times / duration - 0.5))

    _, zs = saturated_pool(waveform, duration, 12e-6, r1s=3.0)
    np.testing.assert_allclose(zs[-1], -0.080698060, rtol=0, atol=SOLVER)
    rate = graham_saturation_rate(waveform, duration, 12e-6)
    np.testing.assert_allclose(rate, 2386.0951, rtol=1e-7)
    np.testing.assert_allclose(relaxing(rate, 3.0, duration), 0.0928531775, rtol=1e-6)


def test_coupled_pools():
    _, states = two_pools(np.pi / 200e-6, 100e-6, [0.2, 1 / 3, 15.0, 30.0, 2.0, 10e-6, 0.0, 1.0])
    np.testing.assert_allclose(states[-1, 0], 0.7994211188, rtol=1e-6)
    np.testing.assert_allclose(states[-1, 2:], (4.403374e-4, 0.0821480966), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("duration", "difference"), [(1e-3, 0.0290653), (1e-4, 0.35475)])
def test_sled_against_generalized_bloch(duration, difference):
    omega = np.pi / duration
    _, sled = sled_saturated_pool(omega, duration, 10e-6, r1s=1.0)
    _, full = saturated_pool(omega, duration, 10e-6, r1s=1.0)
    np.testing.assert_allclose(sled[-1] - full[-1], difference, rtol=0, atol=SOLVER)


def test_sled_in_closed_form():
    """Without relaxation z = exp(−ω²·∫₀ᵀ(T − u)·G(u) du); documented with relaxation 0.4895365."""
    omega, duration, t2s = np.pi / 200e-6, 100e-6, 10e-6
    points, weights = np.polynomial.legendre.leggauss(100)
    delay = (points + 1) / 2 * duration
    exponent = (
        omega**2 * duration / 2 * weights @ ((duration - delay) * greens_function(delay / t2s, "super-lorentzian"))
    )
    _, zs = sled_saturated_pool(omega, duration, t2s)
    np.testing.assert_allclose(zs[-1], np.exp(-exponent), rtol=1e-9)
    _, zs = sled_saturated_pool(omega, duration, t2s, r1s=2.0)
    np.testing.assert_allclose(zs[-1], 0.4895365, rtol=0, atol=SOLVER)


@pytest.mark.parametrize("flip_angle", [0.2, 1.0, 1.5])
@pytest.mark.parametrize("duration", [0.5e-3, 1.5e-3])
def test_older_models_agree_for_weak_and_long_pulses(flip_angle, duration):
    omega = flip_angle / duration
    _, full = saturated_pool(omega, duration, 10e-6)
    _, sled = sled_saturated_pool(omega, duration, 10e-6)
    graham = np.exp(-duration * graham_saturation_rate(omega, duration, 10e-6))
    np.testing.assert_allclose([sled[-1], graham], full[-1], rtol=0, atol=1e-2)


def test_lorentzian_pool_obeys_bloch():
    """An exponential memory is the transverse state of a Bloch pool of R2s = 1/T2s, off resonance included."""
    m0s, r1f, r2f, rx, r1s, t2s, omega0 = 0.2, 0.5, 15.0, 30.0, 2.0, 10e-6, 2e3
    omega, duration = 2.0 / 100e-6, 100e-6
    _, states = two_pools(omega, duration, [m0s, r1f, r2f, rx, r1s, t2s, omega0, 1.0], lineshape="lorentzian")
    m0f = 1 - m0s
    generator = np.array(
        [
            [-r2f, -omega0, omega, 0, 0, 0, 0],
            [omega0, -r2f, 0, 0, 0, 0, 0],
            [-omega, 0, -r1f - rx * m0s, 0, 0, rx * m0f, r1f * m0f],
            [0, 0, 0, -1 / t2s, -omega0, omega, 0],
            [0, 0, 0, omega0, -1 / t2s, 0, 0],
            [0, 0, rx * m0s, -omega, 0, -r1s - rx * m0f, r1s * m0s],
            [0, 0, 0, 0, 0, 0, 0],
        ]
    )
    end = scipy.linalg.expm(generator * duration) @ (0, 0, m0f, 0, 0, m0s, 1)
    np.testing.assert_allclose(states[-1], end[[0, 1, 2, 5]], rtol=0, atol=1e-8)


def test_linear_approximation_of_strong_pulses():
    """Relative l2 errors over flip angles 0.01π to π, documented 1.4e-5, 6.3e-6, 8.2e-5 (xf, zf, zs)."""
    parameters = [0.1, 1.0, 20.0, 70.0, 1.0, 10e-6, 0.0, 1.0]
    flip_angles, duration = np.linspace(0.01, 1, 100)[4::5] * np.pi, 100e-6
    linear = pulse_propagators(parameters, flip_angles, np.full(20, duration), "super-lorentzian") @ (
        0,
        0,
        0.9,
        0,
        0.1,
        1,
    )
    full = np.array([two_pools(angle / duration, duration, parameters, n_steps=100)[1][-1] for angle in flip_angles])
    error = np.linalg.norm(linear[:, [0, 2, 4]] - full[:, [0, 2, 3]], axis=0) / np.linalg.norm(
        full[:, [0, 2, 3]], axis=0
    )
    assert np.all(error < (2e-5, 1e-5, 1.2e-4))
    assert np.all(error > 1e-8)


def test_free_pool_alone_turns_by_the_flip_angle():
    _, states = two_pools(np.pi / 2 / 1e-4, 1e-4, [0.0, 0.0, 0.0, 0.0, 0.0, 10e-6, 0.0, 0.8])
    np.testing.assert_allclose(states[-1, [0, 2]], (np.sin(0.4 * np.pi), np.cos(0.4 * np.pi)), rtol=0, atol=1e-10)


def test_hamiltonian_keeps_equilibrium():
    parameters = (0.2, 0.5, 15.0, 30.0, 3.0, 10e-6, 50.0, 1.0)
    np.testing.assert_allclose(hamiltonian(parameters, 0.0, 1e5)[:5] @ (0, 0, 0.8, 0, 0.2, 1), 0, atol=1e-12)
