"""The residual check: noise alone is marked as often as it says, and what the model does not explain is marked."""

import jax
import numpy as np
import pytest

from raofit import noise
from raofit.core.status import Status
from raofit.engine import ResidualCheck
from raofit.estimators.estimate import Estimate
from raofit.models import MonoExponentialADC
from tests.estimators.complex_toy import Echoes

N = 20_000
ADC = MonoExponentialADC([0.0, 100.0, 200.0, 400.0, 600.0, 800.0, 1000.0, 1200.0])


def estimate(values, status=None):
    values = np.asarray(values, np.float32)
    status = np.zeros(len(values), np.uint8) if status is None else status
    return Estimate(values, status, ("a",) * values.shape[1], lambda: 2 * values)


def truth(n=N):
    return np.tile(np.float32([100.0, 1e-3]), (n, 1))


@pytest.mark.parametrize(("name", "sigma"), [("gaussian", 20.0), ("rician", 10.0), ("rician", 1e4)])
def test_noise_alone_is_marked_at_the_stated_rate(name, sigma):
    """Three cumulants leave the tail of magnitudes to 10 and 30 %, from SNRs of 3 to 10 down to none at all.

    χ² itself would be off by factors of 1.7 and 3.6 there.
    """
    values = truth(5 * N)
    measured = np.asarray(noise.build(name, sigma).sample(jax.random.key(0), ADC.signal(values)))
    for rate, tail in ((0.01, 0.1), (0.001, 0.3)):
        found = ResidualCheck(ADC, name, 0, rate)(estimate(values), measured, np.full(len(values), sigma))
        tolerance = tail * (name == "rician") + 4 / np.sqrt(rate * len(values))  # 1000 ± 32 and 100 ± 10 voxels
        assert np.mean(found.status == Status.MISFIT) / rate == pytest.approx(1.0, abs=tolerance)
    # χ²/ν has the mean 1 and the variance 2/8 (2.245/8 for magnitudes of noise)
    assert found.diagnostics["residual"].mean() == pytest.approx(1.0, abs=6 * np.sqrt(2.245 / 8 / len(values)))
    np.testing.assert_array_equal(found.standard_errors, 2 * values)


def test_magnitudes_of_noise_have_their_own_mean():
    values = np.tile(np.float32([0.0, 1e-3]), (N, 1))
    measured = np.asarray(noise.Rician(3.0).sample(jax.random.key(1), ADC.signal(values)))
    found = ResidualCheck(ADC, "rician", 0)(estimate(values), measured, np.full(N, 3.0))
    # χ² of Rayleigh magnitudes: mean 8, variance 8·(2 + 0.245)
    assert found.diagnostics["residual"].mean() == pytest.approx(1.0, abs=5 * np.sqrt(2.245 / 8 / N))


def test_fitted_parameters_cost_degrees_of_freedom():
    assert ResidualCheck(ADC, "gaussian", 2).degrees_of_freedom == 6
    assert ResidualCheck(Echoes(), "complex-gaussian", 3).degrees_of_freedom == 2 * 20 - 3 - 2
    saturated = ResidualCheck(MonoExponentialADC([0.0, 1000.0]), "gaussian", 2)
    found = saturated(estimate(truth(3)), np.full((3, 2), 1e3), np.ones(3))
    assert np.all(np.isnan(found.diagnostics["residual"]))
    assert np.all(found.status == Status.OK)


def test_the_amplitude_is_eliminated_and_the_better_mirror_image_counts():
    model, amplitude, sigma = Echoes(), 5.0 * np.exp(2.0j), 0.05
    values = np.tile(np.float32([1.0, 15.0, 120.0]), (2000, 1))
    signal = amplitude * np.asarray(model.signal(values))
    measured = np.asarray(noise.ComplexGaussian(sigma).sample(jax.random.key(2), signal)).astype(np.complex64)
    check = ResidualCheck(model, "complex-gaussian", 0)
    assert check.names == ("residual", "relative_residual", "M0", "M0_phase")
    for sign in (1, -1):
        found = check(estimate(values * np.float32([1, 1, sign])), measured, np.full(2000, sigma)).diagnostics
        # 38 degrees of freedom
        assert found["residual"].mean() == pytest.approx(1.0, abs=5 * np.sqrt(2 / 38 / 2000))
        assert np.median(found["M0"]) == pytest.approx(5.0, rel=0.01)
        assert np.median(found["M0_phase"]) == pytest.approx(2.0, abs=0.01)
    expected = sigma * np.sqrt(40) / np.linalg.norm(signal[0])
    assert np.median(found["relative_residual"]) == pytest.approx(expected, rel=0.05)


def test_what_an_estimator_knows_is_not_simulated_again(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("simulated")

    monkeypatch.setattr(ResidualCheck, "_simulated", refuse)
    known = {"objective": np.array([17.5]), "relative_residual": np.array([0.1]), "amplitude": np.array([3.0j])}
    base = estimate(np.ones((1, 3)))
    found = ResidualCheck(Echoes(), "complex-gaussian", 3)(
        Estimate(base.values, base.status, base.parameter_names, base.compute_standard_errors, known),
        np.ones((1, 20), np.complex64),
        np.ones(1),
    )
    assert [float(found.diagnostics[name][0]) for name in ("residual", "relative_residual", "M0", "M0_phase")] == (
        pytest.approx([1.0, 0.1, 3.0, np.pi / 2])
    )


def test_other_reservations_stay_and_missing_estimates_have_no_residual():
    values = truth(4)
    values[3] = np.nan
    status = np.array([Status.OK, Status.AT_BOUND, Status.OUT_OF_RANGE, Status.NON_FINITE], np.uint8)
    found = ResidualCheck(ADC, "gaussian", 2)(estimate(values, status), np.full((4, 8), 1e3), np.ones(4))
    assert found.status.tolist() == [
        Status.MISFIT, Status.AT_BOUND_MISFIT, Status.OUT_OF_RANGE_MISFIT, Status.NON_FINITE,
    ]  # fmt: skip
    assert np.all(found.diagnostics["residual"][:3] > 100)
    assert np.isnan(found.diagnostics["residual"][3])


def test_an_estimate_without_a_finite_signal_explains_nothing():
    values = np.float32([[100.0, -10.0]])  # exp(10 · 1200) overflows
    found = ResidualCheck(ADC, "gaussian", 0)(estimate(values), np.ones((1, 8)), np.ones(1))
    assert found.diagnostics["residual"][0] == np.inf
    assert found.status[0] == Status.MISFIT
