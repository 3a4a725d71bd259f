"""Maximum likelihood with known parameters: the fit of the model built with them, its errors, and what is marked."""

import jax.numpy as jnp
import numpy as np
import pytest

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.status import Status
from raofit.estimators.describe import named_order
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.information.crb import crb
from raofit.models import IVIM, SpoiledGradientEcho
from raofit.noise import ComplexGaussian, Gaussian, Rician
from tests.estimators.averaged import expected_errors
from tests.estimators.complex_toy import Echoes

FLIP_ANGLES = np.deg2rad([3.0, 8.0, 15.0, 25.0])
FREE = SpoiledGradientEcho(FLIP_ANGLES, 15e-3, b1="free")
ECHOES = Echoes()


def _scan(n_voxels, sigma, seed=0):
    """Magnitudes of spoiled gradient echoes, and their S0, T1 and B1."""
    generator = np.random.default_rng(seed)
    low, high = np.array([[500.0, 0.5, 0.8], [1500.0, 3.0, 1.2]])
    truths = generator.uniform(low, high, (n_voxels, 3))
    signal = np.asarray(FREE.signal(truths))
    return truths, np.abs(signal + sigma * generator.normal(size=signal.shape))


@pytest.mark.parametrize("kind", [pytest.param(Gaussian, marks=pytest.mark.slow), Rician])
def test_the_fit_is_that_of_the_model_built_with_the_known_value(kind):
    """In double precision, where both optimizers end within √(2e-9) = 4.5e-5 standard errors of the optimum."""
    truths, measurements = _scan(40, 0.5)
    options = {"precision": "float64", "tolerance": 1e-9}
    estimate = MaximumLikelihood(FREE, kind(0.5), **options).estimate(measurements, known={"B1": truths[:, 2]})
    np.testing.assert_array_equal(estimate["B1"], truths[:, 2])
    for voxel in range(5):
        actual = SpoiledGradientEcho(truths[voxel, 2] * FLIP_ANGLES, 15e-3)
        expected = MaximumLikelihood(actual, kind(0.5), **options).estimate(measurements[voxel])
        difference = (estimate.values[voxel, :2] - expected.values) / expected.standard_errors
        np.testing.assert_allclose(difference, 0.0, atol=1e-4)
        np.testing.assert_allclose(estimate.standard_errors[voxel, :2], expected.standard_errors, rtol=1e-6)
        for name in expected.diagnostics.keys() & {"objective", "reduced_chi_square"}:
            np.testing.assert_allclose(estimate.diagnostics[name][voxel], expected.diagnostics[name], rtol=1e-8)


def test_standard_errors_are_the_bound_with_the_parameter_fixed():
    truths, measurements = _scan(40, 0.5)
    noise = Gaussian(0.5)
    estimate = MaximumLikelihood(FREE, noise).estimate(measurements, known={"B1": truths[:, 2]})
    expected = expected_errors(FREE, noise, estimate.values, fixed=["B1"])
    np.testing.assert_allclose(estimate.standard_errors**2, expected**2, rtol=1e-4)  # single precision
    assert np.all(estimate.standard_errors[:, 2] == 0)


@pytest.fixture(scope="module")
def echoes():
    """Complex echoes with any phase at SNR 60, off-resonance known, and their estimate."""
    generator, n_voxels = np.random.default_rng(3), 4000
    truths = np.tile([0.9, 12.0, 0.0], (n_voxels, 1))
    truths[:, 2] = generator.uniform(-250.0, 250.0, n_voxels)
    signal = 3.0 * np.exp(1j) * np.asarray(ECHOES.signal(truths))
    channels = 0.05 * generator.normal(size=(2, *signal.shape))
    fit = MaximumLikelihood(ECHOES, ComplexGaussian(0.05), tolerance=1e-6)
    return truths, fit.estimate(signal + channels[0] + 1j * channels[1], known={"omega0": truths[:, 2]})


def test_a_complex_amplitude_is_still_eliminated(echoes):
    truths, estimate = echoes
    assert estimate.counts() == {Status.OK: len(truths)}
    np.testing.assert_array_equal(estimate["omega0"], np.float32(truths[:, 2]))
    amplitude = estimate.diagnostics["amplitude"]
    np.testing.assert_allclose(np.mean(amplitude), 3.0 * np.exp(1j), rtol=0.01)
    some = slice(0, 50)
    noise = ComplexGaussian(0.05 / np.abs(amplitude[some]))
    bound = crb(ECHOES, estimate.values[some], noise, fixed=["omega0"])
    np.testing.assert_allclose(estimate.standard_errors[some] ** 2, bound, rtol=1e-3)
    # 20 complex samples less two parameters and M0; χ² has a standard deviation of √(2·36)
    freedom = 2 * ECHOES.n_measurements - 2 - 2
    mean = np.mean(estimate.diagnostics["reduced_chi_square"])
    assert mean == pytest.approx(1.0, abs=5 * np.sqrt(2 / freedom / len(truths)))


def test_bias_and_variance_attain_the_bound_with_the_parameter_known(echoes):
    """Means within 5/√n of a standard deviation, plus 0.03 for curvature; variances within 5·√(2/n), plus 2 %."""
    truths, estimate = echoes
    score = (estimate.values - truths)[:, :2] / estimate.standard_errors[:, :2]
    n_voxels = len(truths)
    assert np.all(np.abs(score.mean(axis=0)) < 5 / np.sqrt(n_voxels) + 0.03)
    np.testing.assert_allclose(score.var(axis=0), 1.0, atol=5 * np.sqrt(2 / n_voxels) + 0.02)


def test_values_that_are_missing_or_beyond_the_bounds_are_marked():
    """The others are what they are without these neighbors; a map has the shape of the batch."""
    truths, measurements = _scan(6, 0.5)
    known = truths[:, 2].copy()
    known[[0, 1, 2]] = np.nan, np.inf, 2.5
    fit = MaximumLikelihood(FREE, Gaussian(0.5))
    estimate = fit.estimate(measurements.reshape(2, 3, 4), known={"B1": known.reshape(2, 3)})
    assert estimate.status.shape == (2, 3)
    assert list(estimate.status.ravel()) == [Status.NON_FINITE] * 2 + [Status.AT_BOUND] + [Status.OK] * 3
    assert np.all(np.isnan(estimate.values[0, :2]))
    assert np.all(np.isnan(estimate.standard_errors[0, :2]))
    assert estimate["B1"][0, 2] == np.float32(1.7)
    np.testing.assert_array_equal(estimate.diagnostics["is_at_bound"].reshape(6, 3)[2], [False, False, True])
    expected = fit.estimate(measurements[3:], known={"B1": known[3:]})
    np.testing.assert_allclose(estimate.values[1], expected.values, rtol=1e-5)


def test_one_number_serves_all_voxels_and_integers_are_measurements():
    measurements = np.array([[52, 70, 60, 45], [50, 75, 62, 44]])
    fit = MaximumLikelihood(FREE, Gaussian(1.0))
    expected = fit.estimate(measurements.astype(float), known={"B1": np.array([0.9, 0.9])})
    np.testing.assert_array_equal(fit.estimate(measurements, known={"B1": 0.9}).values, expected.values)


def test_the_amplitude_may_be_known_and_several_parameters():
    truths, measurements = _scan(20, 0.5)
    known = {"B1": truths[:, 2], "S0": truths[:, 0]}
    estimate = MaximumLikelihood(FREE, Gaussian(0.5)).estimate(measurements, known=known)
    score = (estimate["T1"] - truths[:, 1]) / estimate.standard_errors[:, 1]
    assert np.mean(score**2) == pytest.approx(1.0, abs=5 * np.sqrt(2 / 20))
    expected = expected_errors(FREE, Gaussian(0.5), estimate.values, fixed=["B1", "S0"])
    np.testing.assert_allclose(estimate.standard_errors**2, expected**2, rtol=1e-4)


def test_a_known_compartment_keeps_its_name():
    """Compartments are exchanged into their order, but not where D_star is known to be the smaller one."""
    model = IVIM([0, 10, 20, 50, 100, 200, 400, 800], form="total")
    values = jnp.array([[1.0, 0.3, 3e-3, 2e-3]]).T
    ordered = jnp.array([[1.0, 0.7, 2e-3, 3e-3]]).T
    np.testing.assert_allclose(named_order(model, values, ()), ordered)
    np.testing.assert_allclose(named_order(model, values, (0,)), ordered)
    np.testing.assert_array_equal(named_order(model, values, (3,)), values)


def test_faults():
    fit = MaximumLikelihood(FREE, Gaussian(1.0))
    measurements = np.ones((3, 4))
    with pytest.raises(RaofitError, match="known: `b1` is not a parameter; the model has S0, T1, B1"):
        fit.estimate(measurements, known={"b1": 1.0})
    with pytest.raises(ProtocolError, match=r"known `B1`: expected one number .*shape \(3,\), got \(2,\)"):
        fit.estimate(measurements, known={"B1": np.ones(2)})
    with pytest.raises(RaofitError, match="every parameter is given, nothing is left to estimate"):
        fit.estimate(measurements, known={"S0": 1.0, "T1": 1.0, "B1": 1.0})
