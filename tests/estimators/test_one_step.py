"""One scoring step: towards the optimum, from the right mirror image, inside the bounds, and honest when it fails."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.core.status import Status
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.one_step import OneStep
from raofit.models import FunctionModel, MonoExponentialT2, Parameter
from raofit.noise import ComplexGaussian, Gaussian, Rician
from tests.estimators.complex_toy import Echoes, Given

SIGMA = 0.01
N = 60


@pytest.fixture(scope="module")
def measured():
    model = Echoes()
    low, high = np.array([item.typical for item in model.parameters]).T
    truths = np.random.default_rng(1).uniform(low, high, (N, 3)).astype(np.float32)
    noise = ComplexGaussian(SIGMA)
    measurements = np.asarray(noise.sample(jax.random.key(0), model.signal(truths))) * np.exp(0.7j)
    return model, noise, truths, measurements, MaximumLikelihood(model, noise).estimate(measurements)


def rough(model, best, seed=2, size=1.0):
    """`size` standard errors off the optimum in a random direction, with the sign of omega0 lost."""
    direction = np.random.default_rng(seed).normal(size=best.values.shape)
    values = best.values + size * best.standard_errors * direction
    values[:, 2] = np.abs(values[:, 2])
    return Given(values, model.parameter_names)


def test_a_step_leaves_little_of_the_distance_to_the_optimum(measured):
    """Scoring errs by second-order terms: at SNR 100 about 1 % of a standard error, 10 % in the worst voxel."""
    model, noise, _, measurements, best = measured
    found = OneStep(model, noise, rough(model, best)).estimate(measurements)
    distance = np.abs(found.values - best.values) / best.standard_errors
    assert np.median(distance) < 0.02
    assert np.max(distance) < 0.2
    assert found.counts() == {Status.OK: N}
    np.testing.assert_allclose(found.standard_errors, best.standard_errors, rtol=0.1)
    assert set(found.diagnostics["iterations"]) == {1}
    np.testing.assert_allclose(found.diagnostics["amplitude"], best.diagnostics["amplitude"], rtol=0.02)


def test_more_steps_reach_the_optimum(measured):
    """A fit stops √(2e-5) = 0.0045 standard errors short at most."""
    model, noise, _, measurements, best = measured
    found = OneStep(model, noise, rough(model, best), n_steps=4).estimate(measurements)
    assert np.max(np.abs(found.values - best.values) / best.standard_errors) < 0.01


def test_the_mirror_image_that_explains_the_measurement_is_taken(measured):
    model, noise, truths, measurements, best = measured
    found = OneStep(model, noise, rough(model, best)).estimate(measurements)
    is_clear = np.abs(truths[:, 2]) > 20.0
    assert np.array_equal(np.sign(found["omega0"][is_clear]), np.sign(truths[is_clear, 2]))


def test_a_start_far_away_does_not_pass_for_an_estimate(measured):
    model, noise, _, measurements, _ = measured
    away = np.broadcast_to([9.0, 90.0, 0.0], (N, 3))
    found = OneStep(model, noise, Given(away, model.parameter_names)).estimate(measurements)
    assert Status.OK not in found.counts()


def test_a_step_that_explains_the_measurement_worse_is_not_taken():
    """Newton steps on arctan(10·x) from x = 1 overshoot to −14; a quarter of the box is allowed, x = −3, no better."""
    model = FunctionModel(
        lambda parameters, scales: 2.0 + jnp.arctan(scales * parameters[0]),
        [Parameter("x", "1", (-8.0, 8.0), (-1.0, 1.0), "x", "place on a step")],
        {"scales": [9.0, 10.0]},
        name="step",
    )
    found = OneStep(model, Gaussian(0.1), Given(np.array([[1.0], [0.01]]), ("x",))).estimate([[2.0, 2.0]] * 2)
    assert found.status.tolist() == [Status.NOT_CONVERGED, Status.OK]
    assert found.diagnostics["iterations"].tolist() == [0, 1]
    assert found["x"][0] == 1.0


def test_the_step_stays_inside_the_bounds(measured):
    model, noise, _, measurements, best = measured
    bounds = {"R1": (0.1, 1.0)}
    found = OneStep(model, noise, rough(model, best), bounds=bounds).estimate(measurements)
    assert np.all(found["R1"] <= 1.0)
    is_beyond = best["R1"] > 1.05
    assert np.array_equal(np.nonzero(is_beyond)[0], np.nonzero(found.diagnostics["is_at_bound"][:, 0] & is_beyond)[0])


def test_what_the_initial_estimator_says_is_kept(measured):
    model, noise, _, measurements, best = measured
    initial = rough(model, best)
    initial.values[3] = np.nan
    initial.status[3] = Status.NON_POSITIVE
    initial.values[4, 1] = np.nan
    initial.status[5] = Status.OUT_OF_RANGE
    found = OneStep(model, noise, initial).estimate(measurements)
    assert found.status[3:6].tolist() == [Status.NON_POSITIVE, Status.NON_FINITE, Status.OUT_OF_RANGE]
    assert np.all(np.isnan(found.values[3:5]))
    assert np.all(np.isnan(found.standard_errors[3:5]))
    assert np.all(np.isfinite(found.values[5]))


def test_models_with_an_amplitude_parameter_and_other_noise_take_a_step_too():
    """One standard error off, 5 % of T2, leaves second-order terms of about 5 % of one."""
    model, noise = MonoExponentialT2([0.02, 0.05, 0.1, 0.2]), Rician(0.01)
    truths = np.random.default_rng(0).uniform([0.8, 0.05], [1.2, 0.15], (50, 2)).astype(np.float32)
    measurements = noise.sample(jax.random.key(3), model.signal(truths))
    best = MaximumLikelihood(model, noise).estimate(measurements)
    initial = Given(best.values + best.standard_errors, model.parameter_names)
    found = OneStep(model, noise, initial).estimate(measurements)
    assert np.max(np.abs(found.values - best.values) / best.standard_errors) < 0.1


def test_batches_keep_their_shape(measured):
    model, noise, _, measurements, best = measured
    initial = rough(model, best)
    flat = OneStep(model, noise, initial).estimate(measurements)
    boxed = Given(initial.values.reshape(6, 10, 3), model.parameter_names)
    found = OneStep(model, noise, boxed).estimate(measurements.reshape(6, 10, -1))
    assert np.array_equal(found.values.reshape(-1, 3), flat.values)
    assert found.status.shape == (6, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_steps": 0}, "expected 1 or more scoring steps, got 0"),
        ({"precision": "half"}, 'expected "float32" or "float64"'),
        ({"bounds": {"R3": (0, 1)}}, "`R3` is not a parameter"),
    ],
)
def test_bad_settings_are_refused(measured, arguments, message):
    model, noise, *_ = measured
    with pytest.raises(RaofitError, match=message):
        OneStep(model, noise, Given(np.zeros((1, 3)), model.parameter_names), **arguments)


def test_an_initial_estimator_of_fewer_parameters_is_refused(measured):
    model, noise, _, measurements, _ = measured
    with pytest.raises(RaofitError, match="the initial estimator gives R1, R2, but the model also needs omega0"):
        OneStep(model, noise, Given(np.zeros((N, 2)), ("R1", "R2"))).estimate(measurements)
