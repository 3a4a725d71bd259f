"""The study of Zhang 2022: its claims are judged by the numbers, its grids and recipes are those described."""

import dataclasses

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.evaluation import Evaluation
from raofit.models import QMT, Compressed
from raofit.studies.zhang2022 import (
    CRB,
    ESTIMATED,
    FIXED,
    GRID_SNRS,
    METHODS,
    MSE,
    PLANES,
    RANK,
    SIZES,
    check_model,
    recipe,
)
from raofit.studies.zhang2022_claims import all_claims, last_change
from raofit.studies.zhang2022_results import StudyResults, interval, share_of_bias, squared_error, summary

ANGLES = np.r_[np.pi, np.full(29, 0.5)]
MODEL = QMT(ANGLES, np.full(30, 3e-4), 3.5e-3, r1s="tied", relaxation="times")
COLUMNS = [MODEL.parameter_names.index(name) for name in ESTIMATED]
N_DRAWS = 100
CRB_STD = np.array([0.01, 0.1, 10e-3])
N_GRID = 20


def made(truths, bias, spread):
    """An evaluation with bias and standard deviation in units of √CRB; √CRB of m0s grows as in the paper."""
    truths = truths[:, COLUMNS]
    crb_std = np.tile(CRB_STD, (len(truths), 1))
    crb_std[:, 0] = 0.009 + 0.05 * truths[:, 0]
    measured = np.hypot(bias, spread / np.sqrt(N_DRAWS)) * np.sign(bias + 1e-30)  # as the mean of draws scatters
    return Evaluation(
        truths=truths,
        bias=measured * crb_std,
        std=spread * crb_std * np.sqrt((N_DRAWS - 1) / N_DRAWS),
        n_usable=np.full(truths.shape, N_DRAWS),
        share_at_bound=np.full(truths.shape, np.nan),
        status_counts={},
        n_repeats=N_DRAWS,
        parameters=tuple(MODEL.parameters[column] for column in COLUMNS),
        crb_std=crb_std,
    )


def as_in_the_paper():
    """MSE-CRB: no bias but at long T1; MSE: T2f off by 25 ms, m0s and T1 by a few √CRB."""
    generator = np.random.default_rng(0)
    truths = generator.uniform(MODEL_LOW, MODEL_HIGH, (400, len(MODEL_LOW)))
    held_out = {m.name: made(truths, *ERRORS[m.name]) for m in METHODS}
    planes = {}
    for plane in PLANES:
        points = plane.grid(MODEL, N_GRID).points
        long = np.maximum(points[:, 1] - 2.1, 0.0)
        of = {
            m.name: made(points, np.broadcast_to(ERRORS[m.name][0], (len(points), 3)), ERRORS[m.name][1])
            for m in METHODS
        }
        biased = of[CRB.name].bias.copy()
        biased[:, 1] -= 0.4 * long
        biased[:, 2] += 0.05 * long
        of[CRB.name] = dataclasses.replace(of[CRB.name], bias=biased)
        planes |= {(plane.name, snr): of for snr in GRID_SNRS}
    losses = {name: [9.0, 2.0, *([1.05] * 30)] for name in ESTIMATED}
    history = {"training": losses["T1"], "validation": losses["T1"], "mse_crb": losses}
    training = {"n_weights": 10, "training_seconds": 1.0, "best_epoch": 3, "validation_loss": 1.0}
    return StudyResults(
        held_out=held_out,
        snrs=np.full(400, 50.0),
        planes=planes,
        n_grid=N_GRID,
        histories={m.name: history for m in METHODS},
        trainings={m.name: training for m in METHODS},
        energy_outside=np.array([0.001, 0.003]),
    )


MODEL_LOW = np.array([0.01, 0.5, 0.03, 5.0, 5e-6, -800.0, 0.6])
MODEL_HIGH = np.array([0.3, 3.0, 0.3, 50.0, 25e-6, 800.0, 1.3])
ERRORS = {
    "mse": (np.array([2.0, 1.5, 6.5]), 0.6),
    "mse-relative": (np.array([1.0, 1.0, 2.0]), 0.8),
    "mse-crb": (np.array([0.1, 0.1, 0.1]), 1.0),
}


@pytest.fixture(scope="module")
def results():
    return as_in_the_paper()


def _verdicts(study):
    return [claim.verdict for claim in all_claims(study)]


def test_results_as_in_the_paper_support_every_claim(results):
    failures = [check for claim in all_claims(results) for check in claim.failures]
    assert failures == []
    assert set(_verdicts(results)) == {"supported"}


@pytest.mark.parametrize(
    ("bias", "spread", "broken"),
    [
        ([1.0, 1.0, 1.0], 1.0, [1]),  # loss 2, still better than MSE
        ([2.5, 2.0, 7.0], 1.0, [1, 2, 3]),  # more bias than MSE
        ([0.1, 0.1, 0.1], 0.3, [1, 4]),  # far less spread than the bound
    ],
)
def test_each_claim_can_fail(results, bias, spread, broken):
    held_out = dict(results.held_out)
    generator = np.random.default_rng(0)
    truths = generator.uniform(MODEL_LOW, MODEL_HIGH, (400, len(MODEL_LOW)))
    held_out[CRB.name] = made(truths, np.array(bias), spread)
    changed = dataclasses.replace(results, held_out=held_out)
    assert [claim.number for claim in all_claims(changed) if claim.failures] == broken


def test_a_loss_that_still_falls_has_not_converged(results):
    falling = {name: np.geomspace(9, 1, 20).tolist() for name in ESTIMATED}
    histories = {name: {"mse_crb": falling} for name in results.histories}
    changed = dataclasses.replace(results, histories=histories)
    assert last_change(changed, CRB.name) == pytest.approx(9 ** (-2 / 19) - 1)
    assert "change" in all_claims(changed)[0].failures[0].what


def test_the_loss_is_squared_bias_and_variance_over_the_bound(results):
    of = results.held_out[MSE.name]
    np.testing.assert_allclose(squared_error(of), np.tile([2.0, 1.5, 6.5], (400, 1)) ** 2 + 0.36, rtol=1e-9)
    assert share_of_bias(of, "m0s").value == pytest.approx(4 / 4.36)
    assert interval(of, squared_error, None).value == pytest.approx(np.mean([4.36, 2.61, 42.61]))


def test_a_map_has_the_first_parameter_along_its_first_axis(results):
    for plane in PLANES:
        for index, name in enumerate(plane.axes):
            image = results.image(plane, GRID_SNRS[0], CRB.name, "truths", name)
            expected = np.linspace(*plane.ranges[name], N_GRID)
            np.testing.assert_allclose(np.moveaxis(image, index, 0)[:, 0], expected)


def test_grids_hold_the_other_parameters_fixed():
    for plane in PLANES:
        grid = plane.grid(MODEL, 5)
        assert grid.varied == plane.axes
        assert list(grid.axes) == list(MODEL.parameter_names)
        for name in set(FIXED) - set(plane.axes):
            np.testing.assert_array_equal(grid.axes[name], [FIXED[name]])


@pytest.mark.parametrize("scale", SIZES)
def test_trainings_differ_in_their_loss_alone(scale):
    recipes = [recipe(method, SIZES[scale]).as_dict() for method in METHODS]
    assert [item.pop("weights") for item in recipes] == ["none", "inverse-mean", "inverse-crb"]
    assert recipes[0] == recipes[1] == recipes[2]
    assert recipes[0]["estimated"] == ESTIMATED
    assert recipes[0]["snr"] == (10.0, 100.0)


def test_the_paper_scale_is_the_published_training():
    item = recipe(CRB, SIZES["paper"])
    found = (item.architecture, item.batch_size, item.max_epochs, item.learning_rate, item.decay, item.decay_epochs)
    assert found == ("zhang2022", 1024, 800, 1e-2, 0.5, 40)
    assert item.bound_floor == 0


def test_the_summary_holds_every_number(results):
    content = summary(results)
    assert len(content["results"]) == 1 + len(PLANES) * len(GRID_SNRS)
    numbers = content["results"]["held-out"]["mse-crb"]["T1"]
    assert numbers["weighted_squared_bias"]["value"] == pytest.approx(0.01)
    assert numbers["weighted_variance"]["value"] == pytest.approx(1.0)
    assert numbers["root_mean_squared_bias"] == pytest.approx(0.1 * CRB_STD[1])
    assert content["energy_outside_basis"] == {"mean": pytest.approx(0.002), "largest": 0.003}


def test_a_training_set_of_another_model_is_refused():
    with pytest.raises(RaofitError, match="in a basis of rank 13"):
        check_model(MODEL)
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(30, RANK)))[0]
    check_model(Compressed(MODEL, basis))
