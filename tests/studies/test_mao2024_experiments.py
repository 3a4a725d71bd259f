"""What the study of Mao 2024 simulates and reads off a slice, without its simulator."""

import dataclasses

import jax
import numpy as np
import pytest
import scipy.stats

from raofit.core.status import Status
from raofit.estimators.estimate import Estimate
from raofit.models import QMT, Compressed
from raofit.noise import ComplexGaussian
from raofit.recipes.training_set import TrainingSet
from raofit.studies.mao2024 import BOX_R2F, MSE_CRB, NLLS, SCALES, SHOWN, WHITE_MATTER
from raofit.studies.mao2024_experiments import (
    box_estimates,
    box_parameters,
    is_inside,
    outside_parameters,
    z_distance,
)
from raofit.studies.mao2024_recipes import n_inputs
from raofit.studies.mao2024_slice import n_degrees_of_freedom, sigma_of_residuals, slice_study
from raofit.training.priors import build

MODEL = Compressed(QMT(np.full(20, 0.3), np.full(20, 3e-4), 3.5e-3), np.eye(20)[:, :15])
TISSUE = build("qmt-tissue", repetition_time=3.5e-3)
FREEDOM = 2 * 15 - 8 - 2


def test_draws_beyond_the_training_range_stay_possible():
    """The share left out is at least P(m0s < 0) = Φ(−1) and at most that plus Rx and m0s > 0.8: ±4 standard errors."""
    n = 4000
    rows, share = outside_parameters(MODEL, TISSUE, n, seed=0)
    bounds = np.array([parameter.bounds for parameter in MODEL.parameters])
    assert np.all((rows > bounds[:, 0]) & (rows < bounds[:, 1]))
    assert np.all(rows[:, 2] > rows[:, 1])
    norm = scipy.stats.norm
    kept = norm.sf(-1) * (norm.sf((0.1 - 10) / 5)) * norm.sf((0.05 - 0.45) / 0.2)
    kept *= norm.sf(-3) * norm.cdf(4)  # T2s above 2 µs, B1 below 1.7
    assert share == pytest.approx(1 - kept, abs=0.01 + 4 * np.sqrt(0.2 * 0.8 / n))
    inside = is_inside(rows, TISSUE)
    assert 0.2 < inside.mean() < 0.8
    assert np.all(rows[inside, 0] <= 0.35)
    again, _ = outside_parameters(MODEL, TISSUE, 5, seed=0)
    np.testing.assert_array_equal(again, rows[:5])


def test_distance_counts_normal_parameters_only():
    row = np.array([[0.15, 0.45, 12.5, 10.0, 3.0, 14e-6, 500.0, 0.9]])
    assert z_distance(row, TISSUE)[0] == pytest.approx(0.0, abs=1e-9)
    row[0, 0], row[0, 7] = 0.15 + 3 * 0.15, 0.9 - 4 * 0.2
    assert z_distance(row, TISSUE)[0] == pytest.approx(5.0)


@dataclasses.dataclass(frozen=True)
class Sees:
    """Answers with the mean modulus of its measurement, for every parameter."""

    def estimate(self, measurements):
        values = np.repeat(np.abs(measurements).mean(axis=1)[:, None], len(MODEL.parameters), axis=1)
        status = np.zeros(len(values), np.uint8)
        return Estimate(values, status, MODEL.parameter_names, lambda: values)


def test_boxes_hold_the_draws_of_each_value():
    """A constant signal of modulus 2 has that mean modulus but for noise of 1/20; values differ by their signals."""
    parameters = box_parameters()
    assert parameters[:, 2].tolist() == list(BOX_R2F)
    np.testing.assert_array_equal(parameters[:, 0], WHITE_MATTER[0])
    signals = np.repeat(np.arange(1, len(BOX_R2F) + 1)[:, None], 15, axis=1).astype(np.complex64)
    bound = np.ones((len(BOX_R2F), 8), np.float32)
    samples = TrainingSet(
        parameters.astype(np.float32), signals, bound, np.zeros(len(BOX_R2F), np.uint8), MODEL, TISSUE
    )
    found = box_estimates(samples, Sees(), 7, jax.random.key(0))
    assert found.shape == (len(BOX_R2F), 7, len(SHOWN))
    np.testing.assert_allclose(
        found[:, :, 0], np.repeat(np.arange(1, 9)[:, None], 7, axis=1), atol=5 / 20 / np.sqrt(15)
    )
    assert np.all(np.std(found[:, :, 0], axis=1) > 0)


def test_noise_of_a_slice_survives_voxels_the_model_does_not_explain():
    """Median of 5000 χ: its standard error is 1.25·σ/√(2·20·5000) of the norm; a tenth of outliers shift it by 3 %."""
    random = np.random.default_rng(0)
    norms = 0.7 * np.sqrt(scipy.stats.chi2.rvs(FREEDOM, size=5000, random_state=random))
    assert n_degrees_of_freedom(MODEL) == FREEDOM
    assert sigma_of_residuals(norms, FREEDOM) == pytest.approx(0.7, rel=0.015)
    norms[:500] *= 10
    norms[500] = np.nan
    assert sigma_of_residuals(norms, FREEDOM) == pytest.approx(0.7, rel=0.05)


def test_a_slice_in_units_of_its_own_noise():
    """Errors follow σ from the nominal one of the fit to the measured one; noise flags one voxel in a thousand."""
    random = np.random.default_rng(0)
    n, sigma, nominal = 8000, 2.0, 5.0
    fits = {
        "values": np.ones((n, len(SHOWN))),
        "standard_errors": np.full((n, len(SHOWN)), 0.5),
        "status": np.full(n, int(Status.OK), np.uint8),
        "residual": sigma * np.sqrt(scipy.stats.chi2.rvs(FREEDOM, size=n, random_state=random)),
        "amplitude": np.full(n, 60.0),
    }
    fits["residual"][:80] *= 3
    fits["status"][-5:] = int(Status.AT_BOUND)
    others = np.full((n, 8), 1.2)
    estimate = Estimate(others, fits["status"], MODEL.parameter_names, lambda: others)
    study = slice_study(MODEL, np.ones((n, 1), bool), fits, nominal, {MSE_CRB: estimate}, {NLLS: 1.0}, {})
    assert study.sigma == pytest.approx(sigma, rel=0.02)
    np.testing.assert_allclose(study.bound, 0.5 * study.sigma / nominal)
    np.testing.assert_allclose(study.snr, 60.0 / study.sigma)
    assert study.is_flagged[:80].mean() > 0.95
    n_false = study.is_flagged[80:].sum()  # 8 expected, standard deviation 2.8
    assert n_false < 25
    assert study.is_compared.sum() == n - study.is_flagged[:-5].sum() - 5
    np.testing.assert_allclose(study.median_distance(MSE_CRB), 0.2 / study.bound[0], rtol=1e-6)
    nobody = dataclasses.replace(study, is_flagged=np.ones(n, bool))
    assert np.isnan(nobody.median_distance(MSE_CRB)).all()


def test_networks_of_a_desk_see_equally_many_measurements():
    scale = SCALES["desk"]
    seen = {training.name: n_inputs(scale.trainings, training.name, scale.n_training) for training in scale.trainings}
    assert len({seen[name] for name in seen if name != "start"}) == 1
    recipes = {training.name: training.recipe for training in scale.trainings}
    assert recipes["bias-reduced-low"].variance_factor == pytest.approx(0.1 * recipes["bias-reduced"].variance_factor)
    assert {recipe.noise for recipe in recipes.values()} == {ComplexGaussian.name}
    assert len({(recipe.architecture, recipe.hidden) for recipe in recipes.values()}) == 1


def test_the_scale_of_the_paper_has_its_numbers():
    """184 320 fingerprints, 200 draws, and 2048 or 256 fingerprints per step over 500 epochs."""
    scale = SCALES["paper"]
    recipes = {training.name: training.recipe for training in scale.trainings}
    assert (scale.n_training, scale.rank, scale.n_box_draws, scale.n_outside) == (184_320, 15, 1000, 500)
    assert (recipes["mse-crb"].batch_size, recipes["mse-crb"].max_epochs) == (2048, 500)
    reduced = recipes["bias-reduced"]
    assert (reduced.batch_size, reduced.n_realizations, reduced.max_epochs) == (256, 200, 500)
    assert (reduced.variance_factor, reduced.tolerated_variance, reduced.learning_rate) == (1.0, 1.0, 1e-3)
    assert recipes["bias-reduced-low"].variance_factor == pytest.approx(0.1)
