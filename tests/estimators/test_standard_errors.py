"""Standard errors of parameters that span decades: what they are, and how often ±1.96 of them hold the truth."""

import numpy as np
import pytest

from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.information.crb import crb
from raofit.models import SpoiledGradientEcho
from raofit.noise import Gaussian

MODEL = SpoiledGradientEcho(np.deg2rad([2.0, 5.0, 10.0, 15.0, 20.0, 30.0]), 0.015)
SIGMA = 1 / 60
TRUTH = np.array([1.0, 0.9])
N = 4000


@pytest.fixture(scope="module")
def estimate():
    signal = np.asarray(MODEL.signal(TRUTH.astype(np.float32)))
    noise = SIGMA * np.random.default_rng(4).normal(size=(N, signal.size))
    return MaximumLikelihood(MODEL, Gaussian(SIGMA)).estimate(signal + noise)


def test_the_error_of_t1_is_the_mean_of_both_sides(estimate):
    """Derivatives by finite differences, inverted by numpy: S0 follows T1 along the profile."""
    for voxel in range(5):
        s0, t1 = estimate.values[voxel].astype(np.float64)
        step = np.array([1e-5, 1e-5])
        columns = [
            (_formula(*(np.array([s0, t1]) + d)) - _formula(*(np.array([s0, t1]) - d))) / 2e-5 for d in np.diag(step)
        ]
        covariance = np.linalg.inv(np.array(columns) @ np.array(columns).T) * SIGMA**2
        along = covariance[:, 1] / np.sqrt(covariance[1, 1])
        sides = [[s0 + sign * along[0], t1 * np.exp(sign * along[1] / t1)] for sign in (-1, 1)]
        bounds = np.sqrt(crb(MODEL, np.array(sides), Gaussian(SIGMA)))
        np.testing.assert_allclose(estimate.standard_errors[voxel, 1], bounds[:, 1].mean(), rtol=2e-3)


def test_they_hold_the_truth(estimate):
    """√CRB at the estimate falls short; the Monte Carlo error of a share is √(0.95·0.05/N) = 0.34 %."""
    four_sigma = 4 * np.sqrt(0.95 * 0.05 / N)
    errors = estimate.values - TRUTH
    held = np.mean(np.abs(errors) <= 1.96 * estimate.standard_errors, axis=0)[1]
    at_estimate = np.sqrt(crb(MODEL, estimate.values.astype(np.float64), Gaussian(SIGMA)))
    assert np.mean(np.abs(errors) <= 1.96 * at_estimate, axis=0)[1] < 0.95 - four_sigma
    assert abs(held - 0.95) < four_sigma


def _formula(s0: float, t1: float) -> np.ndarray:
    angles, decay = np.deg2rad([2.0, 5.0, 10.0, 15.0, 20.0, 30.0]), np.exp(-0.015 / t1)
    return s0 * np.sin(angles) * (1 - decay) / (1 - np.cos(angles) * decay)
