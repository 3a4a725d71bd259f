"""The likelihood with M0 eliminated against brute force over M0, finite differences and the full Fisher matrix."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.estimators.coordinates import Coordinates
from raofit.estimators.objective import Objective
from raofit.estimators.profile_objective import ProfileObjective
from raofit.noise import ComplexGaussian, Gaussian, Rician
from tests.estimators.complex_toy import Echoes, bound_with_unknown_amplitude

TRUTH = np.array([0.8, 12.0, 150.0])
AMPLITUDE = 3.0 * np.exp(1j)
SIGMA = 0.05


@pytest.fixture(scope="module")
def evaluated():
    """Measurement, evaluation a little off the truth, and the function of the coordinates, in float64."""
    model = Echoes()
    with jax.enable_x64(True):
        objective = Objective.of(model, ComplexGaussian(SIGMA), Coordinates([False, True, False]))
        assert isinstance(objective, ProfileObjective)
        signal = np.asarray(model.signal(TRUTH))
        rng = np.random.default_rng(3)
        measurement = AMPLITUDE * signal + SIGMA * (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape))
        data = (objective.standardize(measurement[None], jnp.array([1 / SIGMA])).T, jnp.array([1 / SIGMA]))
        values = np.array([0.85, 13.0, 148.0])
        at = objective.coordinates.from_values(jnp.asarray(values))[:, None]
        evaluate = eqx.filter_jit(objective)
        evaluation = jax.tree.map(np.asarray, evaluate(at, data))
        wiggled = []
        for index in range(3):
            step = jnp.zeros((3, 1)).at[index].set(1e-5)
            difference = evaluate(at + step, data).objective - evaluate(at - step, data).objective
            wiggled.append(float(difference[0]) / 2e-5)
        notes = jnp.stack(evaluation.notes, axis=-1)
        found = objective.diagnostics(evaluation.objective, notes, data[0].T, data[1], n_fitted=3)
        diagnostics = jax.tree.map(np.asarray, found)
    return model, measurement, values, evaluation, np.array(wiggled), diagnostics


def test_objective_is_the_least_over_all_amplitudes(evaluated):
    model, measurement, values, evaluation, _, diagnostics = evaluated
    with jax.enable_x64(True):
        signal = np.asarray(model.signal(values))
    amplitude, squares, *_ = np.linalg.lstsq(signal[:, None], measurement, rcond=None)
    np.testing.assert_allclose(evaluation.objective, squares / (2 * SIGMA**2), rtol=1e-10)
    np.testing.assert_allclose(diagnostics["amplitude"], amplitude, rtol=1e-10)
    freedom = 2 * measurement.size - 3 - 2
    np.testing.assert_allclose(diagnostics["reduced_chi_square"], squares / SIGMA**2 / freedom, rtol=1e-10)
    relative = np.sqrt(squares) / np.linalg.norm(measurement)
    np.testing.assert_allclose(diagnostics["relative_residual"], relative, rtol=1e-10)


def test_gradient_matches_differences(evaluated):
    """Central differences over h = 1e-5 err by h²/6 of the third derivative: far below 1e-6 of the gradient here."""
    _, _, _, evaluation, wiggled, _ = evaluated
    np.testing.assert_allclose(np.ravel(evaluation.gradient), wiggled, rtol=1e-6)


def test_noted_information_is_the_full_one_with_the_amplitude_eliminated(evaluated):
    model, _, values, evaluation, _, diagnostics = evaluated
    information = np.zeros((3, 3))
    information[np.tril_indices(3)] = np.ravel(evaluation.notes[:-2])
    information += np.tril(information, -1).T
    expected = bound_with_unknown_amplitude(model, values, diagnostics["amplitude"][0], SIGMA)
    np.testing.assert_allclose(np.diag(np.linalg.inv(information)), expected, rtol=1e-8)
    slopes = np.array([1.0, values[1], 1.0])
    curvature = np.array([evaluation.curvature[max(j, k)][min(j, k)][0] for j in range(3) for k in range(3)])
    np.testing.assert_allclose(curvature.reshape(3, 3), information * slopes * slopes[:, None], rtol=1e-10)


@pytest.mark.parametrize("noise", [Gaussian(0.1), Rician(0.1)])
def test_real_noise_is_refused(noise):
    with pytest.raises(RaofitError, match=f"expected ComplexGaussian noise, got {noise.name}"):
        Objective.of(Echoes(), noise, Coordinates([False] * 3))
